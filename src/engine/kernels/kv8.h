/* kv8.h - a block of keys and values as f16 (internal).
 *
 * The body of every kernel set, so that each compiles it for its own
 * instructions: plain loops over 16 lanes, no fused arithmetic, hence the same
 * bits. The set defines f32_to_f16().
 *
 * Q8_0 keys come without their bias: it reaches 211 on Qwen2.5-Coder-0.5B and
 * would take the eight bits for itself. Here it is rotated with the position
 * and added back. */
#ifndef RK_ENGINE_KERNELS_KV8_H
#define RK_ENGINE_KERNELS_KV8_H

#include "engine/bytes.h"
#include "engine/f16.h"
#include "engine/kernels/kernels.h"

static void f32_to_f16(const float *x, int32_t n, uint16_t *out);

enum { KV8_LANES = 16, KV8_GROUPS = 8 }; /* head_dim <= 256 */

struct kv_block {
  const uint16_t *k, *v; /* [64/16][head_dim][16], [64][head_dim] */
};

/* One row of 16 positions: elements i and i + half of their heads. rope: 16 cosines, 16 sines. */
static inline void expand_k_pair(const int8_t *a, const int8_t *b, const float *da, const float *db, float bias_a,
                                 float bias_b, const float *rope, uint16_t *out_a, uint16_t *out_b) {
  float x[KV8_LANES], y[KV8_LANES];
  for (int j = 0; j < KV8_LANES; j++) x[j] = (float)a[j] * da[j], y[j] = (float)b[j] * db[j];
  for (int j = 0; rope && j < KV8_LANES; j++) {
    x[j] += bias_a * rope[j] - bias_b * rope[KV8_LANES + j];
    y[j] += bias_a * rope[KV8_LANES + j] + bias_b * rope[j];
  }
  f32_to_f16(x, KV8_LANES, out_a);
  f32_to_f16(y, KV8_LANES, out_b);
}

/* tile: 16 positions from p0. */
static inline void expand_k(const struct rk_kv8 *kv, const uint8_t *tile, int hd, int p0, uint16_t *out) {
  const int8_t *q = (const int8_t *)tile;
  const int half = hd / 2;
  float d[KV8_GROUPS][KV8_LANES];
  for (int i = 0; i < (hd + RK_BLOCK - 1) / RK_BLOCK * KV8_LANES; i++)
    d[i / KV8_LANES][i % KV8_LANES] = rk_f16_f32(rk_load_u16(tile + KV8_LANES * hd + 2 * i));
  for (int i = 0; i < half; i++) {
    const float *rope = kv->k_bias ? kv->rope + (size_t)p0 * (size_t)hd + 2 * KV8_LANES * i : NULL;
    expand_k_pair(q + KV8_LANES * i, q + KV8_LANES * (i + half), d[i / RK_BLOCK], d[(i + half) / RK_BLOCK],
                  rope ? kv->k_bias[i] : 0, rope ? kv->k_bias[i + half] : 0, rope, out + KV8_LANES * i,
                  out + KV8_LANES * (i + half));
  }
}

/* row: one position. */
static inline void expand_v(const uint8_t *row, int hd, uint16_t *out) {
  for (int i = 0; i < hd; i += KV8_LANES) {
    const float d = rk_f16_f32(rk_load_u16(row + hd + 2 * (i / RK_BLOCK)));
    float x[KV8_LANES];
    for (int j = 0; j < KV8_LANES; j++) x[j] = (float)(int8_t)row[i + j] * d;
    f32_to_f16(x, KV8_LANES, out + i);
  }
}

/* n positions from p0 (a multiple of 64): where they lie, or expanded into buf ([2][64][head_dim]). */
static inline struct kv_block read_block(const struct rk_attn *a, int p0, int n, uint16_t *buf) {
  const uint8_t *block = a->blocks[p0 / RK_ATTN_BLOCK], *k = block + a->k_at, *v = block + a->v_at;
  struct kv_block b = {(const uint16_t *)(const void *)k, (const uint16_t *)(const void *)v};
  const int hd = a->head_dim;
  const size_t row = rk_kv8_row_bytes(hd);
  if (a->kv8 && a->kv8->k) {
    b.k = buf;
    for (int t = 0; t < n; t += KV8_LANES)
      expand_k(a->kv8, k + (size_t)t * row, hd, p0 + t, buf + (size_t)t * (size_t)hd);
  }
  buf += RK_ATTN_BLOCK * hd;
  if (a->kv8 && a->kv8->v) {
    b.v = buf;
    for (int j = 0; j < n; j++) expand_v(v + (size_t)j * row, hd, buf + (size_t)j * (size_t)hd);
  }
  return b;
}

#endif
