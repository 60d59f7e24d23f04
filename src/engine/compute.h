/* compute.h - the forward pass over a batch of rows (internal).
 *
 * A row is one token at one position of one sequence. All rows of a batch go
 * through every layer together, so that weights are read once. What a row
 * computes does not depend on the other rows. */
#ifndef RK_ENGINE_COMPUTE_H
#define RK_ENGINE_COMPUTE_H

#include "engine/kv.h"
#include "engine/model.h"
#include "engine/pool.h"

struct rk_compute;
struct rk_kernels;

struct rk_compute_opts {
  const struct rk_kernels *kernels;
  struct rk_pool *pool;      /* borrowed */
  int32_t n_batch;           /* most rows at once */
  int32_t n_ctx;             /* positions of a sequence at most */
  bool float_path;
  const char *cache_dir;     /* as in rk_engine_opts */
  const uint8_t *model_id;
};

struct rk_row {
  int32_t token, pos;
  uint8_t *const *kv;        /* the sequence's blocks: they hold positions 0..pos-1, or those are earlier rows of this batch */
  uint8_t *state;            /* the sequence's recurrent state at pos (deltanet.h); NULL: the model has none */
  float *logits;             /* [n_vocab] or NULL */
  const int32_t *only;       /* [n_only] ascending ids whose logits are wanted; NULL: all */
  int32_t n_only;
};

/* Maps the repacked weights, or repacks them: memory about the size of the file. */
rk_err rk_compute_new(const struct rk_model *m, const struct rk_compute_opts *o, const struct rk_kv_shape *kv,
                      struct rk_compute **out, struct rk_error *e) RK_MUST_USE;
void rk_compute_free(struct rk_compute *c);
/* Rows of one sequence stand together, positions ascending; kv tells sequences apart. */
void rk_compute_run(struct rk_compute *c, const struct rk_row *rows, int32_t n);

#endif
