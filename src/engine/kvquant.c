#include "engine/kvquant.h"

#include <string.h>

#include "engine/bytes.h"
#include "engine/f16.h"
#include "engine/kernels/kernels.h"

enum { LANES = 16 }; /* positions side by side in k */

/* A group of up to 32: its quants, and f16 bits of its scale. */
static uint16_t quantize(const struct rk_kernels *kern, const float *x, int32_t n, int8_t q[RK_BLOCK]) {
  float padded[RK_BLOCK] = {0}, block[(RK_BLOCK + 16) / 4];
  memcpy(padded, x, sizeof *x * (size_t)n);
  kern->quantize(padded, 0, 1, (uint8_t *)block);
  memcpy(q, block, RK_BLOCK);
  return rk_f32_f16(block[RK_BLOCK / 4]);
}

static int32_t group_len(int32_t head_dim, int32_t first) {
  return head_dim - first < RK_BLOCK ? head_dim - first : RK_BLOCK;
}

void rk_kv8_store_k(const struct rk_kernels *kern, uint8_t *plane, int32_t at, const float *x, int32_t head_dim) {
  const int32_t lane = at % LANES;
  uint8_t *tile = plane + (size_t)(at - lane) * rk_kv8_row_bytes(head_dim);
  int8_t q[RK_BLOCK];
  for (int32_t first = 0; first < head_dim; first += RK_BLOCK) {
    const int32_t n = group_len(head_dim, first);
    uint16_t d = quantize(kern, x + first, n, q);
    for (int32_t i = 0; i < n; i++) tile[LANES * (first + i) + lane] = (uint8_t)q[i];
    rk_store_u16(tile + LANES * head_dim + 2 * (first / RK_BLOCK * LANES + lane), d);
  }
}

void rk_kv8_store_v(const struct rk_kernels *kern, uint8_t *plane, int32_t at, const float *x, int32_t head_dim) {
  uint8_t *row = plane + (size_t)at * rk_kv8_row_bytes(head_dim);
  int8_t q[RK_BLOCK];
  for (int32_t first = 0; first < head_dim; first += RK_BLOCK) {
    const int32_t n = group_len(head_dim, first);
    rk_store_u16(row + head_dim + 2 * (first / RK_BLOCK), quantize(kern, x + first, n, q));
    memcpy(row + first, q, (size_t)n);
  }
}
