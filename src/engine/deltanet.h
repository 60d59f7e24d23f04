/* deltanet.h - gated delta net: attention with a state of fixed size (internal).
 *
 * A layer keeps, for each sequence, the last inputs of a short convolution and
 * for each value head a matrix S [dim of key][dim of value] that maps keys to
 * values. At each position, q and k of length 1 (q over sqrt(dim)):
 *
 *   S = g S;  d = beta (v - S'k);  S = S + k d';  out = S'q
 *   g = exp(a * softplus(alpha + dt)), beta = sigmoid(beta)
 *
 * then out is normed and multiplied by SiLU(z). Positions are taken one by
 * one, so that no chunking, batch or thread count changes a bit.
 *
 * State of a sequence: per layer [conv_kernel-1][channels] inputs, then
 * [n_v][dim][dim]; float32. It needs no clearing: position 0 does. Unlike keys
 * and values it can not be cut back: only the position that it was saved at
 * can be returned to. */
#ifndef RK_ENGINE_DELTANET_H
#define RK_ENGINE_DELTANET_H

#include "engine/kernels/kernels.h"
#include "engine/model.h"

/* Where things lie in a row of the input products. */
struct rk_delta_in {
  const float *qkv, *z, *beta, *alpha; /* first row of each */
  size_t qkv_row, z_row, gate_row;     /* floats between rows */
  bool joint;                          /* ssm_in: by key head q, k, values, z; z is in qkv */
};

size_t rk_delta_layer_floats(const struct rk_delta_params *d);
/* Of all layers of a sequence; 0: the model has none. */
size_t rk_delta_state_bytes(const struct rk_hparams *hp);

/* n positions of one sequence from pos on, one key head and its value heads.
 * state: of this layer. out: [n][n_v * dim], heads of this key head are written. */
void rk_delta_run(const struct rk_hparams *hp, const struct rk_layer *l, const struct rk_kernels *kern,
                  int32_t k_head, const struct rk_delta_in *in, int32_t n, int32_t pos, float *state, float *out);

#endif
