/* delta.h - one position of a gated delta net's head (internal).
 *
 * Plain arithmetic on 16 values side by side, compiled by each kernel set for its
 * own instructions: no lane is added to another, multiplication and addition
 * stay separate, so all sets give the same bits. */
#ifndef RK_ENGINE_KERNELS_DELTA_H
#define RK_ENGINE_KERNELS_DELTA_H

#include <stdint.h>
#include <string.h>

enum { RK_DELTA_LANES = 16 };
typedef float rk_lanes __attribute__((vector_size(RK_DELTA_LANES * sizeof(float))));

/* n * 16 columns of a head's state; their sums stay in registers. */
static inline __attribute__((always_inline)) void rk_delta_columns(float *state, const float *q, const float *k,
                                                                   const float *v, float decay, float beta, int32_t dim,
                                                                   float *out, int n) {
  rk_lanes found[4] = {0}, o[4] = {0}, s;
  for (int32_t i = 0; i < dim; i++)
    for (int l = 0; l < n; l++) {
      memcpy(&s, state + i * dim + l * RK_DELTA_LANES, sizeof s);
      found[l] += s * decay * k[i];
    }
  for (int l = 0; l < n; l++) {
    memcpy(&s, v + l * RK_DELTA_LANES, sizeof s);
    found[l] = (s - found[l]) * beta;
  }
  for (int32_t i = 0; i < dim; i++)
    for (int l = 0; l < n; l++) {
      float *at = state + i * dim + l * RK_DELTA_LANES;
      memcpy(&s, at, sizeof s);
      s = s * decay + k[i] * found[l];
      memcpy(at, &s, sizeof s);
      o[l] += s * q[i];
    }
  memcpy(out, o, (size_t)n * sizeof *o);
}

/* See rk_kernels.delta. */
static void rk_delta_step(float *state, const float *q, const float *k, const float *v, float decay, float beta,
                          int32_t dim, float *out) {
  int32_t j = 0;
  for (; j + 4 * RK_DELTA_LANES <= dim; j += 4 * RK_DELTA_LANES)
    rk_delta_columns(state + j, q, k, v + j, decay, beta, dim, out + j, 4);
  for (; j < dim; j += RK_DELTA_LANES) rk_delta_columns(state + j, q, k, v + j, decay, beta, dim, out + j, 1);
}

#endif
