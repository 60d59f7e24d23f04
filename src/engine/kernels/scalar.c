/* scalar.c - what every kernel set computes, written plainly. */
#include <math.h>
#include <string.h>

#include "engine/f16.h"
#include "engine/kernels/delta.h"
#include "engine/kernels/kernels.h"
#include "engine/kernels/math.h"
#include "engine/kernels/tiles.h"

/* ---- tiles ---- */

static float load_f16(const uint8_t *p) {
  uint16_t h;
  memcpy(&h, p, sizeof h);
  return rk_f16_f32(h);
}

static void load_row_f16(const uint8_t *p, float out[RK_TILE]) {
  for (int r = 0; r < RK_TILE; r++) out[r] = load_f16(p + 2 * r);
}

/* q[group][4 * row + input] */
typedef uint8_t quants[8][64];

static void unpack_low4(const uint8_t *p, quants q) {
  for (int j = 0; j < 4; j++)
    for (int b = 0; b < 64; b++) {
      q[j][b] = p[64 * j + b] & 15;
      q[j + 4][b] = p[64 * j + b] >> 4;
    }
}

static void unpack_five(const uint8_t *p, quants q) {
  for (int b = 0; b < 64; b++, p++) {
    for (int j = 0; j < 5; j++) q[j][b] = p[64 * j] & 31;
    q[5][b] = (uint8_t)(p[0] >> 5 | (p[192] >> 2 & 0x18));
    q[6][b] = (uint8_t)(p[64] >> 5 | (p[256] >> 2 & 0x18));
    q[7][b] = (uint8_t)(p[128] >> 5 | (p[192] >> 4 & 8) | (p[256] >> 3 & 16));
  }
}

static void unpack_six(const uint8_t *p, quants q) {
  for (int b = 0; b < 64; b++, p++) {
    for (int j = 0; j < 6; j++) q[j][b] = p[64 * j] & 63;
    for (int k = 0; k < 2; k++)
      q[6 + k][b] = (uint8_t)(p[192 * k] >> 6 | (p[192 * k + 64] >> 4 & 12) | (p[192 * k + 128] >> 2 & 48));
  }
}

static void unpack_bit3(const uint8_t *p, quants q) {
  for (int g = 0; g < 8; g++)
    for (int b = 0; b < 64; b++) q[g][b] = (uint8_t)(q[g][b] | (p[b] >> g & 1) << 2);
}

static void unpack_low2(const uint8_t *p, quants q) {
  for (int g = 0; g < 8; g++)
    for (int b = 0; b < 64; b++) q[g][b] = p[64 * (g / 4) + b] >> 2 * (g % 4) & 3;
}

const int8_t rk_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/* The values the quants stand for, plus 128. */
static void unpack_iq4(const uint8_t *p, quants q) {
  unpack_low4(p, q);
  for (int g = 0; g < 8; g++)
    for (int b = 0; b < 64; b++) q[g][b] = (uint8_t)(rk_iq4_values[q[g][b]] + 128);
}

/* Sum over groups g0..g1-1 of one row and token. */
static int32_t dot(const quants q, const struct act *a, int row, int t, int T, int g0, int g1) {
  int32_t s = 0;
  for (int g = g0; g < g1; g++)
    for (int i = 0; i < 4; i++) s += q[g][4 * row + i] * a->q[(g * T + t) * 4 + i];
  return s;
}

/* acc += (sum of (q - offset) * x) * s + m * sum of x */
static void add_block(const quants q, const struct act *a, int T, int offset, const float s[RK_TILE],
                      const float *m, float *acc) {
  for (int t = 0; t < T; t++)
    for (int r = 0; r < RK_TILE; r++) {
      int32_t isum = dot(q, a, r, t, T, 0, 8) + offset * (a->nsum[t] + a->nsum[T + t]);
      float *o = &acc[t * RK_TILE + r];
      *o += (float)isum * (s[r] * a->d[t]);
      if (m) *o += m[r] * a->dsum[t];
    }
}

/* 32-wide blocks: d, optional m, quants of 4 or 5 bits. */
static void tile_32(const uint8_t *w, const uint8_t *act, int n_blocks, int T, bool min, bool bit5, int offset,
                    float *acc) {
  memset(acc, 0, sizeof *acc * (size_t)T * RK_TILE);
  for (int b = 0; b < n_blocks; b++) {
    struct act a = act_block(act + (size_t)b * rk_act_block_bytes(T), T, 0);
    float s[RK_TILE], m[RK_TILE];
    quants q;
    load_row_f16(w, s), w += 32;
    if (min) load_row_f16(w, m), w += 32;
    if (bit5) unpack_five(w, q), w += 320;
    else unpack_low4(w, q), w += 256;
    add_block(q, &a, T, offset, s, min ? m : NULL, acc);
  }
}

static void tile_8s(const uint8_t *w, const uint8_t *act, int n_blocks, int T, float *acc) {
  memset(acc, 0, sizeof *acc * (size_t)T * RK_TILE);
  for (int b = 0; b < n_blocks; b++) {
    struct act a = act_block(act + (size_t)b * rk_act_block_bytes(T), T, 0);
    float s[RK_TILE];
    quants q;
    load_row_f16(w, s), w += 32;
    memcpy(q, w, sizeof q), w += sizeof q;
    add_block(q, &a, T, 128, s, NULL, acc);
  }
}

static void tile_k(const uint8_t *w, const uint8_t *act, int n_blocks, int T, bool bit5, float *acc) {
  memset(acc, 0, sizeof *acc * (size_t)T * RK_TILE);
  float D[RK_TILE] = {0}, M[RK_TILE] = {0};
  for (int b = 0; b < n_blocks; b++) {
    if (b % RK_SUPER == 0) load_row_f16(w, D), load_row_f16(w + 32, M), w += 64;
    struct act a = act_block(act + (size_t)b * rk_act_block_bytes(T), T, 0);
    float s[RK_TILE], m[RK_TILE];
    quants q;
    for (int r = 0; r < RK_TILE; r++) s[r] = D[r] * (float)w[r], m[r] = -(M[r] * (float)w[16 + r]);
    w += 32;
    if (bit5) unpack_five(w, q), w += 320;
    else unpack_low4(w, q), w += 256;
    add_block(q, &a, T, 0, s, m, acc);
  }
}

static void tile_6k(const uint8_t *w, const uint8_t *act, int n_blocks, int T, float *acc) {
  memset(acc, 0, sizeof *acc * (size_t)T * RK_TILE);
  float D[RK_TILE] = {0};
  for (int b = 0; b < n_blocks; b++) {
    if (b % RK_SUPER == 0) load_row_f16(w, D), w += 32;
    struct act a = act_block(act + (size_t)b * rk_act_block_bytes(T), T, 0);
    const int8_t *s = (const int8_t *)w;
    quants q;
    unpack_six(w + 32, q);
    w += 32 + 384;
    for (int t = 0; t < T; t++)
      for (int r = 0; r < RK_TILE; r++) {
        int32_t low = dot(q, &a, r, t, T, 0, 4) + 32 * a.nsum[t];
        int32_t high = dot(q, &a, r, t, T, 4, 8) + 32 * a.nsum[T + t];
        acc[t * RK_TILE + r] += (float)(s[r] * low + s[16 + r] * high) * (D[r] * a.d[t]);
      }
  }
}

static void tile_2k(const uint8_t *w, const uint8_t *act, int n_blocks, int T, float *acc) {
  memset(acc, 0, sizeof *acc * (size_t)T * RK_TILE);
  float D[RK_TILE] = {0}, M[RK_TILE] = {0};
  for (int b = 0; b < n_blocks; b++, w += 32 + 128) {
    if (b % RK_SUPER == 0) load_row_f16(w, D), load_row_f16(w + 32, M), w += 64;
    struct act a = act_block(act + (size_t)b * rk_act_block_bytes(T), T, 0);
    quants q;
    unpack_low2(w + 32, q);
    for (int t = 0; t < T; t++)
      for (int r = 0; r < RK_TILE; r++) {
        int32_t isum = (w[r] & 15) * dot(q, &a, r, t, T, 0, 4) + (w[16 + r] & 15) * dot(q, &a, r, t, T, 4, 8);
        int32_t msum = (w[r] >> 4) * a.nsum[t] + (w[16 + r] >> 4) * a.nsum[T + t];
        float *o = &acc[t * RK_TILE + r];
        *o += (float)isum * (D[r] * a.d[t]);
        *o += (float)msum * (M[r] * a.d[t]);
      }
  }
}

static void tile_3k(const uint8_t *w, const uint8_t *act, int n_blocks, int T, float *acc) {
  memset(acc, 0, sizeof *acc * (size_t)T * RK_TILE);
  float D[RK_TILE] = {0};
  for (int b = 0; b < n_blocks; b++, w += 32 + 64 + 128) {
    if (b % RK_SUPER == 0) load_row_f16(w, D), w += 32;
    struct act a = act_block(act + (size_t)b * rk_act_block_bytes(T), T, 0);
    const int8_t *s = (const int8_t *)w;
    quants q;
    unpack_low2(w + 32 + 64, q);
    unpack_bit3(w + 32, q);
    for (int t = 0; t < T; t++)
      for (int r = 0; r < RK_TILE; r++) {
        int32_t low = dot(q, &a, r, t, T, 0, 4) + 4 * a.nsum[t];
        int32_t high = dot(q, &a, r, t, T, 4, 8) + 4 * a.nsum[T + t];
        acc[t * RK_TILE + r] += (float)(s[r] * low + s[16 + r] * high) * (D[r] * a.d[t]);
      }
  }
}

static void tile_4n(const uint8_t *w, const uint8_t *act, int n_blocks, int T, float *acc) {
  memset(acc, 0, sizeof *acc * (size_t)T * RK_TILE);
  for (int b = 0; b < n_blocks; b++, w += 32 + 256) {
    struct act a = act_block(act + (size_t)b * rk_act_block_bytes(T), T, 0);
    float s[RK_TILE];
    quants q;
    load_row_f16(w, s);
    unpack_iq4(w + 32, q);
    add_block(q, &a, T, 128, s, NULL, acc);
  }
}

static void tile_4x(const uint8_t *w, const uint8_t *act, int n_blocks, int T, float *acc) {
  memset(acc, 0, sizeof *acc * (size_t)T * RK_TILE);
  float D[RK_TILE] = {0};
  for (int b = 0; b < n_blocks; b++, w += 16 + 256) {
    if (b % RK_SUPER == 0) load_row_f16(w, D), w += 32;
    struct act a = act_block(act + (size_t)b * rk_act_block_bytes(T), T, 0);
    float s[RK_TILE];
    quants q;
    for (int r = 0; r < RK_TILE; r++) s[r] = D[r] * (float)(int8_t)w[r];
    unpack_iq4(w + 16, q);
    add_block(q, &a, T, 128, s, NULL, acc);
  }
}

/* Four accumulators (inputs 0, 1, 2, 3 modulo 4), added pairwise at the end. */
static void tile_float(const uint8_t *w, const uint8_t *act, int n_blocks, int T, enum rk_wformat f, float *out) {
  const float *x = (const float *)(const void *)act;
  float acc[4][8 * RK_TILE] = {0};
  for (int k = 0; k < n_blocks * RK_BLOCK; k++) {
    float row[RK_TILE];
    for (int r = 0; r < RK_TILE; r++) {
      uint16_t h = 0;
      if (f != RK_W_F32) memcpy(&h, w + 2 * (k * RK_TILE + r), sizeof h);
      if (f == RK_W_F32) memcpy(&row[r], w + 4 * (size_t)(k * RK_TILE + r), sizeof row[r]);
      else row[r] = f == RK_W_F16 ? rk_f16_f32(h) : rk_bf16_f32(h);
    }
    for (int t = 0; t < T; t++)
      for (int r = 0; r < RK_TILE; r++) acc[k % 4][t * RK_TILE + r] += row[r] * x[(size_t)k * (size_t)T + (size_t)t];
  }
  for (int i = 0; i < T * RK_TILE; i++) out[i] = (acc[0][i] + acc[1][i]) + (acc[2][i] + acc[3][i]);
}

#define RK_TILE_CALL(T, fn, ...) fn(w, act, n_blocks, T, __VA_ARGS__)
RK_TILE_INSTANCES

/* ---- vectors ---- */

static void quantize(const float *x, int32_t t, int32_t T, uint8_t *block) {
  float max = 0;
  for (int i = 0; i < RK_BLOCK; i++) max = fmaxf(max, fabsf(x[i]));
  float d = max / 127.0f, inverse = max > 0 ? 127.0f / max : 0;
  int32_t sum[2] = {0, 0};
  int8_t *q = (int8_t *)block;
  for (int i = 0; i < RK_BLOCK; i++) {
    int32_t v = (int32_t)nearbyintf(fminf(fmaxf(x[i] * inverse, -127.0f), 127.0f));
    q[(i / 4 * T + t) * 4 + i % 4] = (int8_t)v;
    sum[i / 16] += v;
  }
  float *f = (float *)(void *)(block + (size_t)T * RK_BLOCK);
  int32_t *nsum = (int32_t *)(void *)(f + 2 * T);
  f[t] = d;
  f[T + t] = d * (float)(sum[0] + sum[1]);
  nsum[t] = -sum[0];
  nsum[T + t] = -sum[1];
}

/* Halves onto each other: 16 lanes -> 8 -> 4 -> 2 -> 1. */
static float sum_lanes(float v[16]) {
  for (int n = 8; n > 0; n /= 2)
    for (int i = 0; i < n; i++) v[i] += v[i + n];
  return v[0];
}

static void rms_norm(const float *x, const float *w, int32_t n, float eps, float *out) {
  float lane[16] = {0};
  for (int i = 0; i < n; i++) lane[i % 16] += x[i] * x[i];
  float scale = 1.0f / sqrtf(sum_lanes(lane) / (float)n + eps);
  for (int i = 0; i < n; i++) out[i] = x[i] * scale * w[i];
}

static float exp_poly(float x) {
  x = fminf(fmaxf(x, RK_EXP_MIN), RK_EXP_MAX);
  float n = nearbyintf(x * RK_LOG2E);
  float r = fmaf(n, -RK_LN2_HI, x);
  r = fmaf(n, -RK_LN2_LO, r);
  float p = RK_EXP_C0;
  p = fmaf(p, r, RK_EXP_C1);
  p = fmaf(p, r, RK_EXP_C2);
  p = fmaf(p, r, RK_EXP_C3);
  p = fmaf(p, r, RK_EXP_C4);
  p = fmaf(p, r, RK_EXP_C5);
  p = fmaf(p, r * r, r) + 1.0f;
  return p * rk_bits_f32((uint32_t)((int32_t)n + 127) << 23);
}

static void silu_mul(float *gate, const float *up, int32_t n) {
  for (int i = 0; i < n; i++) gate[i] = gate[i] / (1.0f + exp_poly(-gate[i])) * up[i];
}

static void f32_to_f16(const float *x, int32_t n, uint16_t *out) {
  for (int i = 0; i < n; i++) out[i] = rk_f32_f16(x[i]);
}

/* ---- attention ---- */

#include "engine/kernels/kv8.h"

/* x <= 0 */
static float exp2_poly(float x) {
  x = fmaxf(x, RK_EXP2_MIN);
  const float t = x + RK_EXP2_ROUND, r = x - (t - RK_EXP2_ROUND);
  float p = RK_EXP2_C5;
  p = fmaf(p, r, RK_EXP2_C4);
  p = fmaf(p, r, RK_EXP2_C3);
  p = fmaf(p, r, RK_EXP2_C2);
  p = fmaf(p, r, RK_EXP2_C1);
  p = fmaf(p, r, 1.0f);
  return rk_bits_f32(rk_f32_bits(p) + (rk_f32_bits(t) << 23));
}

static float element(const void *p, size_t i, bool f16) {
  return f16 ? rk_f16_f32(((const uint16_t *)p)[i]) : ((const float *)p)[i];
}

static void attn_one(const struct rk_attn *a, int qi, bool f16) {
  const int hd = a->head_dim, n_pos = a->n_pos[qi];
  const float *q = a->q[qi];
  float *out = a->out[qi];
  float max = -1e30f, lane[16] = {0}, s[RK_ATTN_BLOCK];
  memset(out, 0, sizeof *out * (size_t)hd);
  for (int p0 = 0; p0 < n_pos; p0 += RK_ATTN_BLOCK) {
    int n = n_pos - p0 < RK_ATTN_BLOCK ? n_pos - p0 : RK_ATTN_BLOCK;
    const struct kv_block b = read_block(a, p0, n, (uint16_t *)(void *)a->scratch);
    float new_max = max;
    for (int j = 0; j < n; j++) {
      size_t at = (size_t)(j / 16) * 16 * (size_t)hd + (size_t)(j % 16);
      s[j] = 0;
      for (int d = 0; d < hd; d++) s[j] = fmaf(q[d], element(b.k, at + 16 * (size_t)d, f16), s[j]);
      new_max = fmaxf(new_max, s[j]);
    }
    float scale = exp2_poly(max - new_max);
    max = new_max;
    for (int j = 0; j < 16; j++) lane[j] *= scale;
    for (int d = 0; d < hd; d++) out[d] *= scale;
    for (int j = 0; j < n; j++) {
      float p = exp2_poly(s[j] - max);
      lane[j % 16] += p;
      for (int d = 0; d < hd; d++)
        out[d] = fmaf(p, element(b.v, (size_t)j * (size_t)hd + (size_t)d, f16), out[d]);
    }
  }
  float inverse = 1.0f / sum_lanes(lane);
  for (int d = 0; d < hd; d++) out[d] *= inverse;
}

static void attn(const struct rk_attn *a) {
  for (int i = 0; i < a->n_q; i++) attn_one(a, i, true);
}

void rk_attn_f32_scalar(const struct rk_attn *a) {
  for (int i = 0; i < a->n_q; i++) attn_one(a, i, false);
}

const struct rk_kernels rk_kernels_scalar = {
  .name = "scalar",
  .tile = RK_TILE_TABLE,
  .quantize = quantize,
  .rms_norm = rms_norm,
  .silu_mul = silu_mul,
  .f32_to_f16 = f32_to_f16,
  .attn = attn,
  .delta = rk_delta_step,
};
