/* delta.h - one position of a gated delta net's head (internal).
 *
 * Plain loops over 16 values side by side, compiled by each kernel set for its
 * own instructions: no lane is added to another, multiplication and addition
 * stay separate, so all sets give the same bits. */
#ifndef RK_ENGINE_KERNELS_DELTA_H
#define RK_ENGINE_KERNELS_DELTA_H

#include <stdint.h>

enum { RK_DELTA_LANES = 16 };

/* See rk_kernels.delta. */
static void rk_delta_step(float *state, const float *q, const float *k, const float *v, float decay, float beta,
                          int32_t dim, float *out) {
  for (int32_t j = 0; j < dim; j += RK_DELTA_LANES) {
    float found[RK_DELTA_LANES] = {0}, o[RK_DELTA_LANES] = {0}, d[RK_DELTA_LANES];
    float *s = state + j;
    for (int32_t i = 0; i < dim; i++)
      for (int l = 0; l < RK_DELTA_LANES; l++) found[l] += s[i * dim + l] * decay * k[i];
    for (int l = 0; l < RK_DELTA_LANES; l++) d[l] = (v[j + l] - found[l]) * beta;
    for (int32_t i = 0; i < dim; i++)
      for (int l = 0; l < RK_DELTA_LANES; l++) {
        float x = s[i * dim + l] * decay + k[i] * d[l];
        s[i * dim + l] = x;
        o[l] += x * q[i];
      }
    for (int l = 0; l < RK_DELTA_LANES; l++) out[j + l] = o[l];
  }
}

#endif
