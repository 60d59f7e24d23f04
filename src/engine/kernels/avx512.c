/* avx512.c - 16 rows in one register, int8 dot products by VNNI.
 *
 * A block of 32 inputs is eight vectors of 16 rows x 4 inputs, each multiplied
 * by four broadcast activation bytes a token. T accumulators of integers, T of
 * floats and one vector of weights stay in registers, so the loops over T are
 * unrolled (T is a constant in every instance). */
#include <immintrin.h>
#include <string.h>

#define RK_ATTN_QUERIES 8
#include "engine/kernels/attn.h"
#include "engine/kernels/delta.h"
#include "engine/kernels/kernels.h"
#include "engine/kernels/math.h"
#include "engine/kernels/tiles.h"

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 8")

/* ---- tiles ---- */

enum { AHEAD_BYTES = 2048 };

/* Four or eight tokens: the lines of a block to come. With activations that do not stay in the first-level cache (more than
 * 1200 inputs) the processor's own prefetching falls behind, by a quarter of the speed; one token is faster without. */
INLINE void ask_ahead(const uint8_t *w, int T, int bytes) {
  if (T < 4) return;
  UNROLL for (int i = 0; i < bytes; i += 64) _mm_prefetch((const char *)w + AHEAD_BYTES + i, _MM_HINT_T0);
}

INLINE __m512i load(const uint8_t *p) { return _mm512_loadu_si512(p); }
INLINE __m512 load_f16(const void *p) { return _mm512_cvtph_ps(_mm256_loadu_si256(p)); }
INLINE __m512 load_u8(const uint8_t *p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)p)));
}

INLINE __m512i four_inputs(const struct act *a, int g, int t, int T) {
  int32_t v;
  memcpy(&v, a->q + (g * T + t) * 4, sizeof v);
  return _mm512_set1_epi32(v);
}

/* offset * (minus the sum of q); offset is a power of two. Broadcast by the load: a move from a scalar register
 * takes the dot products' ports. */
INLINE __m512i start(const struct act *a, int t, int T, int offset) {
  if (!offset) return _mm512_setzero_si512();
  __m512i lo = _mm512_set1_epi32(a->nsum[t]), hi = _mm512_set1_epi32(a->nsum[T + t]);
  __asm__("" : "+v"(lo));
  return _mm512_slli_epi32(_mm512_add_epi32(lo, hi), (unsigned)__builtin_ctz((unsigned)offset));
}

/* v shifted left by n bits (right when negative); bits that cross bytes are masked by the caller. */
INLINE __m512i shift(__m512i v, int n) {
  return n > 0 ? _mm512_slli_epi16(v, n) : n < 0 ? _mm512_srli_epi16(v, -n) : v;
}

INLINE __m512i bits(__m512i v, int left, char mask) { return _mm512_and_si512(shift(v, left), _mm512_set1_epi8(mask)); }

/* low | (high & mask) */
INLINE __m512i merge(__m512i low, __m512i high, __m512i mask) {
  return _mm512_ternarylogic_epi32(low, high, mask, 0xf8);
}

INLINE void dot_group(const struct act *a, int g, int T, __m512i w, __m512i isum[]) {
  UNROLL for (int t = 0; t < T; t++) isum[t] = _mm512_dpbusd_epi32(isum[t], w, four_inputs(a, g, t, T));
}

/* acc += (float)isum * (s * d) */
INLINE void scale_add(const struct act *a, int T, const __m512i isum[], __m512 s, __m512 acc[]) {
  UNROLL for (int t = 0; t < T; t++) {
    __m512 sd = _mm512_mul_ps(s, _mm512_set1_ps(a->d[t]));
    acc[t] = _mm512_add_ps(acc[t], _mm512_mul_ps(_mm512_cvtepi32_ps(isum[t]), sd));
  }
}

INLINE void min_add(const struct act *a, int T, __m512 m, __m512 acc[]) {
  UNROLL for (int t = 0; t < T; t++)
    acc[t] = _mm512_add_ps(acc[t], _mm512_mul_ps(m, _mm512_set1_ps(a->dsum[t])));
}

INLINE void dot_low4(const struct act *a, int T, const uint8_t *p, __m512i isum[]) {
  UNROLL for (int j = 0; j < 4; j++) {
    const __m512i v = load(p + 64 * j);
    dot_group(a, j, T, bits(v, 0, 15), isum);
    dot_group(a, j + 4, T, bits(v, -4, 15), isum);
  }
}

INLINE void dot_five(const struct act *a, int T, const uint8_t *p, __m512i isum[]) {
  const __m512i bits34 = _mm512_set1_epi8(0x18);
  __m512i v[5];
  UNROLL for (int j = 0; j < 5; j++) {
    v[j] = load(p + 64 * j);
    dot_group(a, j, T, bits(v[j], 0, 31), isum);
  }
  UNROLL for (int k = 0; k < 2; k++) dot_group(a, 5 + k, T, merge(bits(v[k], -5, 7), shift(v[3 + k], -2), bits34), isum);
  const __m512i last = merge(bits(v[2], -5, 7), shift(v[3], -4), _mm512_set1_epi8(8));
  dot_group(a, 7, T, merge(last, shift(v[4], -3), _mm512_set1_epi8(16)), isum);
}

/* Sums of 4- or 5-bit quants minus offset, times activations. */
INLINE void dot_low(const struct act *a, int T, const uint8_t *p, bool bit5, int offset, __m512i isum[]) {
  UNROLL for (int t = 0; t < T; t++) isum[t] = start(a, t, T, offset);
  if (bit5) dot_five(a, T, p, isum);
  else dot_low4(a, T, p, isum);
}

INLINE void store(const __m512 acc[], int T, float *out) {
  UNROLL for (int t = 0; t < T; t++) _mm512_storeu_ps(out + t * RK_TILE, acc[t]);
}

INLINE void clear(__m512 acc[], int T) {
  UNROLL for (int t = 0; t < T; t++) acc[t] = _mm512_setzero_ps();
}

INLINE void tile_32(const uint8_t *w, const uint8_t *act, int n_blocks, int T, bool min, bool bit5, int offset,
                    float *out) {
  __m512 acc[8];
  __m512i isum[8];
  clear(acc, T);
  for (int b = 0; b < n_blocks; b++, act += rk_act_block_bytes(T)) {
    struct act a = act_block(act, T, 0);
    ask_ahead(w, T, (min ? 64 : 32) + (bit5 ? 320 : 256));
    __m512 s = load_f16(w), m = s;
    w += 32;
    if (min) m = load_f16(w), w += 32;
    dot_low(&a, T, w, bit5, offset, isum);
    w += bit5 ? 320 : 256;
    scale_add(&a, T, isum, s, acc);
    if (min) min_add(&a, T, m, acc);
  }
  store(acc, T, out);
}

INLINE void tile_8s(const uint8_t *w, const uint8_t *act, int n_blocks, int T, float *out) {
  __m512 acc[8];
  __m512i isum[8];
  clear(acc, T);
  for (int b = 0; b < n_blocks; b++, act += rk_act_block_bytes(T), w += 32 + 512) {
    struct act a = act_block(act, T, 0);
    ask_ahead(w, T, 32 + 512);
    UNROLL for (int t = 0; t < T; t++) isum[t] = start(&a, t, T, 128);
    UNROLL for (int g = 0; g < 8; g++) dot_group(&a, g, T, load(w + 32 + 64 * g), isum);
    scale_add(&a, T, isum, load_f16(w), acc);
  }
  store(acc, T, out);
}

INLINE void tile_k(const uint8_t *w, const uint8_t *act, int n_blocks, int T, bool bit5, float *out) {
  __m512 acc[8];
  __m512i isum[8];
  clear(acc, T);
  for (int b = 0; b < n_blocks; b += RK_SUPER) {
    const __m512 D = load_f16(w), M = _mm512_sub_ps(_mm512_setzero_ps(), load_f16(w + 32));
    w += 64;
    for (int i = 0; i < RK_SUPER; i++, act += rk_act_block_bytes(T)) {
      struct act a = act_block(act, T, 0);
      ask_ahead(w, T, 32 + (bit5 ? 320 : 256));
      __m512 s = _mm512_mul_ps(D, load_u8(w)), m = _mm512_mul_ps(M, load_u8(w + 16));
      w += 32;
      dot_low(&a, T, w, bit5, 0, isum);
      w += bit5 ? 320 : 256;
      scale_add(&a, T, isum, s, acc);
      min_add(&a, T, m, acc);
    }
  }
  store(acc, T, out);
}

/* Group g of 6-bit quants. */
INLINE __m512i six(const uint8_t *p, int g) {
  if (g < 6) return bits(load(p + 64 * g), 0, 63);
  p += 192 * (g - 6);
  const __m512i low = merge(bits(load(p), -6, 3), shift(load(p + 64), -4), _mm512_set1_epi8(12));
  return merge(low, shift(load(p + 128), -2), _mm512_set1_epi8(48));
}

/* Sum over four groups of 6-bit quants, minus 32 each. */
INLINE void dot_6k(const struct act *a, int T, const uint8_t *p, int half, __m512i isum[]) {
  UNROLL for (int t = 0; t < T; t++) isum[t] = _mm512_slli_epi32(_mm512_set1_epi32(a->nsum[half * T + t]), 5);
  UNROLL for (int g = 4 * half; g < 4 * half + 4; g++) dot_group(a, g, T, six(p, g), isum);
}

INLINE __m512i load_i8(const uint8_t *p) { return _mm512_cvtepi8_epi32(_mm_loadu_si128((const void *)p)); }

/* Scale times sum is below 2^24, and so is the sum of both halves: exact in float. */
INLINE void tile_6k(const uint8_t *w, const uint8_t *act, int n_blocks, int T, float *out) {
  __m512 acc[8];
  __m512i low[8], high[8];
  clear(acc, T);
  for (int b = 0; b < n_blocks; b += RK_SUPER) {
    const __m512 D = load_f16(w);
    w += 32;
    for (int i = 0; i < RK_SUPER; i++, act += rk_act_block_bytes(T), w += 32 + 384) {
      struct act a = act_block(act, T, 0);
      ask_ahead(w, T, 32 + 384);
      const __m512 s0 = _mm512_cvtepi32_ps(load_i8(w)), s1 = _mm512_cvtepi32_ps(load_i8(w + 16));
      dot_6k(&a, T, w + 32, 0, low);
      dot_6k(&a, T, w + 32, 1, high);
      UNROLL for (int t = 0; t < T; t++) {
        __m512 sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(high[t]), s1, _mm512_mul_ps(_mm512_cvtepi32_ps(low[t]), s0));
        acc[t] = _mm512_add_ps(acc[t], _mm512_mul_ps(sum, _mm512_mul_ps(D, _mm512_set1_ps(a.d[t]))));
      }
    }
  }
  store(acc, T, out);
}

/* Sum over four groups of 2-bit quants; high: NULL, or the third bits. */
INLINE void dot_low2(const struct act *a, int T, const uint8_t *plane, const uint8_t *high, int half, int offset,
                     __m512i isum[]) {
  const __m512i two = _mm512_set1_epi8(3), bit = _mm512_set1_epi8(4), v = load(plane);
  const __m512i h = high ? load(high) : _mm512_setzero_si512();
  UNROLL for (int t = 0; t < T; t++)
    isum[t] = offset ? _mm512_set1_epi32(offset * a->nsum[half * T + t]) : _mm512_setzero_si512();
  UNROLL for (int j = 0; j < 4; j++) {
    __m512i w = _mm512_and_si512(shift(v, -2 * j), two);
    if (high) w = merge(w, shift(h, 2 - 4 * half - j), bit);
    dot_group(a, 4 * half + j, T, w, isum);
  }
}

/* Sums of half a block fit in 16 bits (at most 4 x 127 x 16), so that a product
 * of pairs with (scale, 0) is the multiplication, and adds to the other half. */
INLINE __m512i scaled(const __m512i low, const __m512i high, __m512i s0, __m512i s1) {
  return _mm512_dpwssd_epi32(_mm512_dpwssd_epi32(_mm512_setzero_si512(), low, s0), high, s1);
}

INLINE __m512i load_u8_i32(const uint8_t *p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)p)); }
INLINE __m512i low_half(__m512i v) { return _mm512_and_si512(v, _mm512_set1_epi32(0xffff)); }

INLINE void tile_2k(const uint8_t *w, const uint8_t *act, int n_blocks, int T, float *out) {
  const __m512i nibble = _mm512_set1_epi32(15);
  __m512 acc[8];
  __m512i low[8], high[8];
  clear(acc, T);
  for (int b = 0; b < n_blocks; b += RK_SUPER) {
    const __m512 D = load_f16(w), M = load_f16(w + 32);
    w += 64;
    for (int i = 0; i < RK_SUPER; i++, act += rk_act_block_bytes(T), w += 32 + 128) {
      struct act a = act_block(act, T, 0);
      ask_ahead(w, T, 32 + 128);
      const __m512i sm0 = load_u8_i32(w), sm1 = load_u8_i32(w + 16);
      const __m512i m0 = _mm512_srli_epi32(sm0, 4), m1 = _mm512_srli_epi32(sm1, 4);
      dot_low2(&a, T, w + 32, NULL, 0, 0, low);
      dot_low2(&a, T, w + 96, NULL, 1, 0, high);
      UNROLL for (int t = 0; t < T; t++)
        low[t] = scaled(low[t], high[t], _mm512_and_si512(sm0, nibble), _mm512_and_si512(sm1, nibble));
      scale_add(&a, T, low, D, acc);
      UNROLL for (int t = 0; t < T; t++)
        low[t] = scaled(_mm512_set1_epi32(a.nsum[t]), _mm512_set1_epi32(a.nsum[T + t]), m0, m1);
      scale_add(&a, T, low, M, acc);
    }
  }
  store(acc, T, out);
}

INLINE void tile_3k(const uint8_t *w, const uint8_t *act, int n_blocks, int T, float *out) {
  __m512 acc[8];
  __m512i low[8], high[8];
  clear(acc, T);
  for (int b = 0; b < n_blocks; b += RK_SUPER) {
    const __m512 D = load_f16(w);
    w += 32;
    for (int i = 0; i < RK_SUPER; i++, act += rk_act_block_bytes(T), w += 32 + 64 + 128) {
      struct act a = act_block(act, T, 0);
      ask_ahead(w, T, 32 + 64 + 128);
      const __m512i s0 = low_half(load_i8(w)), s1 = low_half(load_i8(w + 16));
      dot_low2(&a, T, w + 96, w + 32, 0, 4, low);
      dot_low2(&a, T, w + 160, w + 32, 1, 4, high);
      UNROLL for (int t = 0; t < T; t++) low[t] = scaled(low[t], high[t], s0, s1);
      scale_add(&a, T, low, D, acc);
    }
  }
  store(acc, T, out);
}

/* Quants are looked up as value + 128, which VNNI takes unsigned. */
INLINE void dot_iq4(const struct act *a, int T, const uint8_t *low, __m512i isum[]) {
  const __m512i nibble = _mm512_set1_epi8(15);
  const __m512i values = _mm512_xor_si512(
    _mm512_broadcast_i32x4(_mm_loadu_si128((const void *)rk_iq4_values)), _mm512_set1_epi8((char)0x80));
  UNROLL for (int t = 0; t < T; t++) isum[t] = _mm512_set1_epi32(128 * (a->nsum[t] + a->nsum[T + t]));
  UNROLL for (int j = 0; j < 4; j++) {
    __m512i v = load(low + 64 * j);
    dot_group(a, j, T, _mm512_shuffle_epi8(values, _mm512_and_si512(v, nibble)), isum);
    dot_group(a, j + 4, T, _mm512_shuffle_epi8(values, _mm512_and_si512(_mm512_srli_epi16(v, 4), nibble)), isum);
  }
}

INLINE void tile_4n(const uint8_t *w, const uint8_t *act, int n_blocks, int T, float *out) {
  __m512 acc[8];
  __m512i isum[8];
  clear(acc, T);
  for (int b = 0; b < n_blocks; b++, act += rk_act_block_bytes(T), w += 32 + 256) {
    struct act a = act_block(act, T, 0);
    ask_ahead(w, T, 32 + 256);
    dot_iq4(&a, T, w + 32, isum);
    scale_add(&a, T, isum, load_f16(w), acc);
  }
  store(acc, T, out);
}

INLINE void tile_4x(const uint8_t *w, const uint8_t *act, int n_blocks, int T, float *out) {
  __m512 acc[8];
  __m512i isum[8];
  clear(acc, T);
  for (int b = 0; b < n_blocks; b += RK_SUPER) {
    const __m512 D = load_f16(w);
    w += 32;
    for (int i = 0; i < RK_SUPER; i++, act += rk_act_block_bytes(T), w += 16 + 256) {
      struct act a = act_block(act, T, 0);
      ask_ahead(w, T, 16 + 256);
      dot_iq4(&a, T, w + 16, isum);
      scale_add(&a, T, isum, _mm512_mul_ps(D, _mm512_cvtepi32_ps(load_i8(w))), acc);
    }
  }
  store(acc, T, out);
}

INLINE __m512 load_weights(const uint8_t *w, size_t k, enum rk_wformat f) {
  if (f == RK_W_F32) return _mm512_loadu_ps((const float *)(const void *)w + k * RK_TILE);
  const uint8_t *p = w + 2 * k * RK_TILE;
  if (f == RK_W_F16) return load_f16(p);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)p)), 16));
}

/* n <= 4 tokens out of T, four accumulators each. */
INLINE void tile_float_n(const uint8_t *w, const float *x, int n_blocks, int T, int n, enum rk_wformat f, float *out) {
  __m512 acc[4][4];
  UNROLL for (int i = 0; i < 4; i++) clear(acc[i], n);
  for (size_t k = 0; k < (size_t)n_blocks * RK_BLOCK; k += 4, x += 4 * T)
    UNROLL for (int i = 0; i < 4; i++) {
      __m512 row = load_weights(w, k + (size_t)i, f);
      UNROLL for (int t = 0; t < n; t++)
        acc[i][t] = _mm512_add_ps(acc[i][t], _mm512_mul_ps(row, _mm512_set1_ps(x[i * T + t])));
    }
  UNROLL for (int t = 0; t < n; t++)
    _mm512_storeu_ps(out + t * RK_TILE, _mm512_add_ps(_mm512_add_ps(acc[0][t], acc[1][t]),
                                                      _mm512_add_ps(acc[2][t], acc[3][t])));
}

INLINE void tile_float(const uint8_t *w, const uint8_t *act, int n_blocks, int T, enum rk_wformat f, float *out) {
  const float *x = (const float *)(const void *)act;
  tile_float_n(w, x, n_blocks, T, T < 4 ? T : 4, f, out);
  if (T == 8) tile_float_n(w, x + 4, n_blocks, T, 4, f, out + 4 * RK_TILE);
}

#define RK_TILE_CALL(T, fn, ...) fn(w, act, n_blocks, T, __VA_ARGS__)
RK_TILE_INSTANCES

/* ---- vectors ---- */

static void quantize(const float *x, int32_t t, int32_t T, uint8_t *block) {
  const __m512 a = _mm512_loadu_ps(x), b = _mm512_loadu_ps(x + 16);
  const float max = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(a), _mm512_abs_ps(b)));
  const float d = max / 127.0f, inverse = max > 0 ? 127.0f / max : 0;
  const __m512i qa = _mm512_cvtps_epi32(_mm512_mul_ps(a, _mm512_set1_ps(inverse)));
  const __m512i qb = _mm512_cvtps_epi32(_mm512_mul_ps(b, _mm512_set1_ps(inverse)));
  const int32_t sa = _mm512_reduce_add_epi32(qa), sb = _mm512_reduce_add_epi32(qb);
  uint32_t words[8];
  _mm_storeu_si128((void *)words, _mm512_cvtsepi32_epi8(qa));
  _mm_storeu_si128((void *)(words + 4), _mm512_cvtsepi32_epi8(qb));
  uint32_t *q = (uint32_t *)(void *)block;
  for (int g = 0; g < 8; g++) q[g * T + t] = words[g];
  float *f = (float *)(void *)(block + (size_t)T * RK_BLOCK);
  int32_t *nsum = (int32_t *)(void *)(f + 2 * T);
  f[t] = d;
  f[T + t] = d * (float)(sa + sb);
  nsum[t] = -sa;
  nsum[T + t] = -sb;
}

/* Halves onto each other: 16 lanes -> 8 -> 4 -> 2 -> 1. */
INLINE float sum_lanes(__m512 v) {
  __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  b = _mm_add_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_add_ss(b, _mm_shuffle_ps(b, b, 1)));
}

static void rms_norm(const float *x, const float *w, int32_t n, float eps, float *out) {
  __m512 sum = _mm512_setzero_ps();
  for (int32_t i = 0; i < n; i += 16) {
    __m512 v = _mm512_loadu_ps(x + i);
    sum = _mm512_add_ps(sum, _mm512_mul_ps(v, v));
  }
  const __m512 mean = _mm512_set1_ps(sum_lanes(sum) / (float)n + eps);
  const __m512 scale = _mm512_div_ps(_mm512_set1_ps(1), _mm512_sqrt_ps(mean));
  for (int32_t i = 0; i < n; i += 16)
    _mm512_storeu_ps(out + i, _mm512_mul_ps(_mm512_mul_ps(_mm512_loadu_ps(x + i), scale), _mm512_loadu_ps(w + i)));
}

INLINE __m512 exp_poly(__m512 x) {
  x = _mm512_min_ps(_mm512_max_ps(x, _mm512_set1_ps(RK_EXP_MIN)), _mm512_set1_ps(RK_EXP_MAX));
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(RK_LOG2E)), 8);
  __m512 r = _mm512_fmadd_ps(n, _mm512_set1_ps(-RK_LN2_HI), x);
  r = _mm512_fmadd_ps(n, _mm512_set1_ps(-RK_LN2_LO), r);
  __m512 p = _mm512_set1_ps(RK_EXP_C0);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(RK_EXP_C1));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(RK_EXP_C2));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(RK_EXP_C3));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(RK_EXP_C4));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(RK_EXP_C5));
  p = _mm512_add_ps(_mm512_fmadd_ps(p, _mm512_mul_ps(r, r), r), _mm512_set1_ps(1));
  const __m512i power = _mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23);
  return _mm512_mul_ps(p, _mm512_castsi512_ps(power));
}

static void silu_mul(float *gate, const float *up, int32_t n) {
  const __m512 one = _mm512_set1_ps(1), minus = _mm512_set1_ps(-0.0f);
  for (int32_t i = 0; i < n; i += 16) {
    __m512 g = _mm512_loadu_ps(gate + i);
    __m512 s = _mm512_div_ps(g, _mm512_add_ps(one, exp_poly(_mm512_xor_ps(g, minus))));
    _mm512_storeu_ps(gate + i, _mm512_mul_ps(s, _mm512_loadu_ps(up + i)));
  }
}

static void f32_to_f16(const float *x, int32_t n, uint16_t *out) {
  const __m512 most = _mm512_set1_ps(65504), least = _mm512_set1_ps(-65504);
  for (int32_t i = 0; i < n; i += 16) {
    __m512 v = _mm512_min_ps(_mm512_max_ps(_mm512_loadu_ps(x + i), least), most);
    _mm256_storeu_si256((void *)(out + i), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
  }
}

const struct rk_kernels rk_kernels_avx512 = {
  .name = "avx512-vnni",
  .tile = RK_TILE_TABLE,
  .quantize = quantize,
  .rms_norm = rms_norm,
  .silu_mul = silu_mul,
  .f32_to_f16 = f32_to_f16,
  .attn = attn,
  .delta = rk_delta_step,
};
