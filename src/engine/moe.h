/* moe.h - mixture of experts: each token goes through a few of many feed-forward nets (internal).
 *
 * The router's logits become probabilities by softmax; the best
 * n_expert_used are taken, ties to the lower number, and weighted so that they
 * sum to 1. Tokens of an expert are computed together and only chosen experts
 * are read; a token's outputs are added in the order of its ranking, so that
 * the company in a batch changes no bit.
 *
 * An expert is a range of tiles: [inputs, outputs, experts] is one matrix of
 * outputs * experts rows, and outputs is a multiple of a tile. */
#ifndef RK_ENGINE_MOE_H
#define RK_ENGINE_MOE_H

#include "engine/kernels/kernels.h"
#include "engine/model.h"
#include "engine/pool.h"
#include "engine/repack.h"

struct rk_moe;

struct rk_moe_matrices {
  struct rk_matrix gate, up;   /* [n_embd, n_ff_exp * n_expert], or gate is both: up.n_tiles == 0 */
  struct rk_matrix down;       /* [n_ff_exp, n_embd * n_expert] */
};

/* floats, quants: which kinds of input the experts' formats want. hp is borrowed. */
rk_err rk_moe_new(const struct rk_hparams *hp, const struct rk_kernels *kern, struct rk_pool *pool, bool floats,
                  bool quants, struct rk_moe **out, struct rk_error *e) RK_MUST_USE;
void rk_moe_free(struct rk_moe *m);
/* x [n][n_embd] += experts of input [n][n_embd], chosen by logits [n][n_expert],
 * plus shared [n][n_embd] (may be NULL) times the sigmoid of input * shared_gate. */
void rk_moe_run(struct rk_moe *m, const struct rk_moe_matrices *w, const float *input, const float *logits,
                const float *shared, const float *shared_gate, int32_t n, float *x);

/* Experts of one token, best first, and their weights. */
void rk_moe_route(const float *logits, int32_t n_expert, int32_t n_used, float scale, int32_t *ids, float *weights);

#endif
