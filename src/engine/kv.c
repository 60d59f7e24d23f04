#include "engine/kv.h"

#include <string.h>

#include "engine/kernels/kernels.h"
#include "engine/kvquant.h"

enum { LANES = 16 }; /* positions side by side in k */

static size_t row_bytes(enum rk_kv_type t, int32_t head_dim) {
  return t == RK_KV_Q8_0 ? rk_kv8_row_bytes(head_dim) : (size_t)head_dim * (t == RK_KV_F32 ? 4 : 2);
}

size_t rk_kv_k_bytes(const struct rk_kv_shape *h) { return RK_ATTN_BLOCK * row_bytes(h->k_type, h->head_dim); }
size_t rk_kv_v_bytes(const struct rk_kv_shape *h) { return RK_ATTN_BLOCK * row_bytes(h->v_type, h->head_dim); }

static size_t head_bytes(const struct rk_kv_shape *h) { return rk_kv_k_bytes(h) + rk_kv_v_bytes(h); }

size_t rk_kv_block_bytes(const struct rk_kv_shape *h) {
  return head_bytes(h) * (size_t)h->n_layer * (size_t)h->n_head_kv;
}

size_t rk_kv_k_at(const struct rk_kv_shape *h, int32_t layer, int32_t head) {
  return head_bytes(h) * ((size_t)layer * (size_t)h->n_head_kv + (size_t)head);
}

size_t rk_kv_v_at(const struct rk_kv_shape *h, int32_t layer, int32_t head) {
  return rk_kv_k_at(h, layer, head) + rk_kv_k_bytes(h);
}

static size_t k_index(int32_t head_dim, int32_t at) {
  return (size_t)(at / LANES) * LANES * (size_t)head_dim + (size_t)(at % LANES);
}

/* k of one head at place `at` of its block. */
static void store_k(enum rk_kv_type t, const struct rk_kernels *kern, uint8_t *plane, int32_t at, const float *k,
                    int32_t n) {
  const size_t first = k_index(n, at);
  if (t == RK_KV_Q8_0) {
    rk_kv8_store_k(kern, plane, at, k, n);
    return;
  }
  if (t == RK_KV_F32) {
    for (int32_t d = 0; d < n; d++) ((float *)(void *)plane)[first + (size_t)(LANES * d)] = k[d];
    return;
  }
  uint16_t half[256]; /* head_dim <= 256 */
  kern->f32_to_f16(k, n, half);
  for (int32_t d = 0; d < n; d++) ((uint16_t *)(void *)plane)[first + (size_t)(LANES * d)] = half[d];
}

static void store_v(enum rk_kv_type t, const struct rk_kernels *kern, uint8_t *plane, int32_t at, const float *v,
                    int32_t n) {
  uint8_t *row = plane + (size_t)at * row_bytes(t, n);
  if (t == RK_KV_Q8_0) rk_kv8_store_v(kern, plane, at, v, n);
  else if (t == RK_KV_F32) memcpy(row, v, sizeof *v * (size_t)n);
  else kern->f32_to_f16(v, n, (uint16_t *)(void *)row);
}

void rk_kv_store(uint8_t *const *blocks, const struct rk_kv_shape *h, const struct rk_kernels *kern, int32_t layer,
                 int32_t pos, const float *k, const float *v) {
  const int32_t hd = h->head_dim, at = pos % RK_ATTN_BLOCK;
  uint8_t *block = blocks[pos / RK_ATTN_BLOCK];
  for (int32_t head = 0; head < h->n_head_kv; head++, k += hd, v += hd) {
    store_k(h->k_type, kern, block + rk_kv_k_at(h, layer, head), at, k, hd);
    store_v(h->v_type, kern, block + rk_kv_v_at(h, layer, head), at, v, hd);
  }
}

/* Lanes from..15 of n rows of 16 elements. */
static void clear_lanes(uint8_t *rows, int32_t n, int32_t from, size_t elem) {
  for (int32_t i = 0; i < n; i++) memset(rows + (size_t)(LANES * i + from) * elem, 0, (size_t)(LANES - from) * elem);
}

static void clear_head(const struct rk_kv_shape *h, uint8_t *k, uint8_t *v, int32_t n) {
  const int32_t hd = h->head_dim, from = n % LANES, whole = (n + LANES - 1) / LANES * LANES;
  const size_t k_row = row_bytes(h->k_type, hd), v_row = row_bytes(h->v_type, hd);
  uint8_t *tile = k + (size_t)(n - from) * k_row;
  if (from && h->k_type == RK_KV_Q8_0) {
    clear_lanes(tile, hd, from, 1);
    clear_lanes(tile + LANES * hd, (int32_t)(k_row - (size_t)hd) / 2, from, 2);
  } else if (from) {
    clear_lanes(tile, hd, from, k_row / (size_t)hd);
  }
  memset(k + (size_t)whole * k_row, 0, (size_t)(RK_ATTN_BLOCK - whole) * k_row);
  memset(v + (size_t)n * v_row, 0, (size_t)(RK_ATTN_BLOCK - n) * v_row);
}

void rk_kv_clear(const struct rk_kv_shape *h, uint8_t *block, int32_t n) {
  for (int32_t layer = 0; layer < h->n_layer; layer++)
    for (int32_t head = 0; head < h->n_head_kv; head++)
      clear_head(h, block + rk_kv_k_at(h, layer, head), block + rk_kv_v_at(h, layer, head), n);
}
