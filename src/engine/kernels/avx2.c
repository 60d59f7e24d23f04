/* avx2.c - a tile of 16 rows as two halves of 8 rows.
 *
 * vpmaddubsw multiplies unsigned weights by signed activations and adds pairs
 * into int16. Those sums stay exact as long as they fit:
 *   4 bits  8 groups x 2 x 15 x 127 = 30480
 *   5 bits  4 groups x 2 x 31 x 127 = 31496
 *   6 bits  2 groups x 2 x 63 x 127 = 32004
 *   3 bits  4 groups x 2 x  7 x 127 =  7112, and the offset of half a block
 * so most of the additions are done 16 at a time before they are widened.
 * 8-bit weights, and the values of IQ4_NL, do not fit: |w| times (activation with the sign of w) does.
 *
 * Eight tokens are done four at a time: there are 16 registers. */
#include <immintrin.h>
#include <string.h>

#include "engine/kernels/attn_group.h"
#include "engine/kernels/delta.h"
#include "engine/kernels/kernels.h"
#include "engine/kernels/math.h"
#include "engine/kernels/tiles.h"

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 8")

/* ---- tiles ---- */

/* Between tokens and between the two halves of a block: without it the compiler
 * keeps all 32 broadcast activations of four tokens for later, on the stack. */
#define FORGET(n) if ((n) > 1) __asm__ volatile("" ::: "memory")

INLINE __m256i load(const uint8_t *p) { return _mm256_loadu_si256((const void *)p); }
INLINE __m256 load_f16(const void *p) { return _mm256_cvtph_ps(_mm_loadu_si128(p)); }
INLINE __m256 load_u8(const uint8_t *p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)p)));
}
INLINE __m256i load_i8(const uint8_t *p) { return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)p)); }

INLINE __m256i four_inputs(const struct act *a, int g, int t, int T) {
  int32_t v;
  memcpy(&v, a->q + (g * T + t) * 4, sizeof v);
  return _mm256_set1_epi32(v);
}

/* v shifted left by n bits (right when negative); bits that cross bytes are masked by the caller. */
INLINE __m256i shift(__m256i v, int n) {
  return n > 0 ? _mm256_slli_epi16(v, n) : n < 0 ? _mm256_srli_epi16(v, -n) : v;
}

INLINE __m256i merge(__m256i low, __m256i high, __m256i mask) {
  return _mm256_or_si256(low, _mm256_and_si256(high, mask));
}

INLINE __m256i widen(__m256i s16) { return _mm256_madd_epi16(s16, _mm256_set1_epi16(1)); }

/* Groups g0..g1-1 of token t; w[0] is group g0. */
INLINE __m256i dot(const struct act *a, int t, int T, int g0, int g1, const __m256i w[]) {
  __m256i s16 = _mm256_maddubs_epi16(w[0], four_inputs(a, g0, t, T));
  UNROLL for (int g = g0 + 1; g < g1; g++)
    s16 = _mm256_add_epi16(s16, _mm256_maddubs_epi16(w[g - g0], four_inputs(a, g, t, T)));
  return s16;
}

/* acc += (float)isum * (s * d) */
INLINE void scale_add(const struct act *a, int n, const __m256i isum[], __m256 s, __m256 acc[]) {
  UNROLL for (int t = 0; t < n; t++) {
    __m256 sd = _mm256_mul_ps(s, _mm256_set1_ps(a->d[t]));
    acc[t] = _mm256_add_ps(acc[t], _mm256_mul_ps(_mm256_cvtepi32_ps(isum[t]), sd));
  }
}

INLINE void min_add(const struct act *a, int n, __m256 m, __m256 acc[]) {
  UNROLL for (int t = 0; t < n; t++)
    acc[t] = _mm256_add_ps(acc[t], _mm256_mul_ps(m, _mm256_set1_ps(a->dsum[t])));
}

/* Sums of 4- or 5-bit quants times activations; high is NULL or the fifth bits. */
INLINE void dot_low4(const struct act *a, int T, int n, const uint8_t *high, const uint8_t *low, int offset,
                     __m256i isum[]) {
  const __m256i nibble = _mm256_set1_epi8(15), bit = _mm256_set1_epi8(16);
  const __m256i h = high ? load(high) : _mm256_setzero_si256();
  __m256i w[8];
  UNROLL for (int j = 0; j < 4; j++) {
    __m256i v = load(low + 64 * j);
    w[j] = _mm256_and_si256(v, nibble), w[j + 4] = _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble);
    if (high) w[j] = merge(w[j], shift(h, 4 - j), bit), w[j + 4] = merge(w[j + 4], shift(h, -j), bit);
  }
  UNROLL for (int t = 0; t < n; t++) {
    FORGET(n);
    __m256i s0 = dot(a, t, T, 0, 4, w), s1 = dot(a, t, T, 4, 8, w + 4);
    isum[t] = high ? _mm256_add_epi32(widen(s0), widen(s1)) : widen(_mm256_add_epi16(s0, s1));
    if (offset) isum[t] = _mm256_add_epi32(isum[t], _mm256_set1_epi32(offset * (a->nsum[t] + a->nsum[T + t])));
  }
}

INLINE void store(__m256 acc[2][4], int n, float *out) {
  UNROLL for (int t = 0; t < n; t++) {
    _mm256_storeu_ps(out + t * RK_TILE, acc[0][t]);
    _mm256_storeu_ps(out + t * RK_TILE + 8, acc[1][t]);
  }
}

INLINE void clear(__m256 acc[2][4], int n) {
  UNROLL for (int t = 0; t < n; t++) acc[0][t] = acc[1][t] = _mm256_setzero_ps();
}

INLINE void tile_32(const uint8_t *w, const uint8_t *act, int n_blocks, int T, int t0, int n, bool min, bool bit5,
                    int offset, float *out) {
  __m256 acc[2][4];
  __m256i isum[4];
  clear(acc, n);
  for (int b = 0; b < n_blocks; b++, act += rk_act_block_bytes(T)) {
    struct act a = act_block(act, T, t0);
    const uint8_t *q = w + (min ? 64 : 32);
    UNROLL for (int h = 0; h < 2; h++) {
      FORGET(n);
      dot_low4(&a, T, n, bit5 ? q + 32 * h : NULL, q + (bit5 ? 64 : 0) + 32 * h, offset, isum);
      scale_add(&a, n, isum, load_f16(w + 16 * h), acc[h]);
      if (min) min_add(&a, n, load_f16(w + 32 + 16 * h), acc[h]);
    }
    w = q + (bit5 ? 320 : 256);
  }
  store(acc, n, out);
}

INLINE void clear_sums(__m256i isum[], int n) {
  UNROLL for (int t = 0; t < n; t++) isum[t] = _mm256_setzero_si256();
}

/* isum += signed bytes of group g times activations. */
INLINE void dot_signed(const struct act *a, int T, int n, int g, __m256i v, __m256i isum[]) {
  const __m256i size = _mm256_abs_epi8(v);
  UNROLL for (int t = 0; t < n; t++)
    isum[t] = _mm256_add_epi32(
      isum[t], widen(_mm256_maddubs_epi16(size, _mm256_sign_epi8(four_inputs(a, g, t, T), v))));
}

INLINE void tile_8s(const uint8_t *w, const uint8_t *act, int n_blocks, int T, int t0, int n, float *out) {
  __m256 acc[2][4];
  clear(acc, n);
  for (int b = 0; b < n_blocks; b++, act += rk_act_block_bytes(T), w += 32 + 512) {
    struct act a = act_block(act, T, t0);
    UNROLL for (int h = 0; h < 2; h++) {
      FORGET(n);
      __m256i isum[4];
      clear_sums(isum, n);
      UNROLL for (int g = 0; g < 8; g++)
        dot_signed(&a, T, n, g, _mm256_xor_si256(load(w + 32 + 64 * g + 32 * h), _mm256_set1_epi8((char)0x80)), isum);
      scale_add(&a, n, isum, load_f16(w + 16 * h), acc[h]);
    }
  }
  store(acc, n, out);
}

INLINE void tile_k(const uint8_t *w, const uint8_t *act, int n_blocks, int T, int t0, int n, bool bit5, float *out) {
  __m256 acc[2][4];
  __m256i isum[4];
  clear(acc, n);
  for (int b = 0; b < n_blocks; b += RK_SUPER) {
    const uint8_t *header = w;
    w += 64;
    for (int i = 0; i < RK_SUPER; i++, act += rk_act_block_bytes(T)) {
      struct act a = act_block(act, T, t0);
      const uint8_t *q = w + 32;
      UNROLL for (int h = 0; h < 2; h++) {
      FORGET(n);
        const __m256 M = _mm256_sub_ps(_mm256_setzero_ps(), load_f16(header + 32 + 16 * h));
        dot_low4(&a, T, n, bit5 ? q + 32 * h : NULL, q + (bit5 ? 64 : 0) + 32 * h, 0, isum);
        scale_add(&a, n, isum, _mm256_mul_ps(load_f16(header + 16 * h), load_u8(w + 8 * h)), acc[h]);
        min_add(&a, n, _mm256_mul_ps(M, load_u8(w + 16 + 8 * h)), acc[h]);
      }
      w = q + (bit5 ? 320 : 256);
    }
  }
  store(acc, n, out);
}

/* Sum over four groups of 6-bit quants, minus 32 each. plane: bits 5 and 6 of the groups. */
INLINE void dot_6k(const struct act *a, int T, int n, const uint8_t *low, const uint8_t *plane, int half,
                   __m256i isum[]) {
  const __m256i nibble = _mm256_set1_epi8(15), bits = _mm256_set1_epi8(0x30), planes = load(plane);
  __m256i w[4];
  UNROLL for (int j = 0; j < 4; j++) {
    __m256i v = load(low + 64 * j);
    w[j] = merge(_mm256_and_si256(half ? _mm256_srli_epi16(v, 4) : v, nibble), shift(planes, 4 - 2 * j), bits);
  }
  UNROLL for (int t = 0; t < n; t++) {
    FORGET(n);
    __m256i s0 = dot(a, t, T, 4 * half, 4 * half + 2, w), s1 = dot(a, t, T, 4 * half + 2, 4 * half + 4, w + 2);
    isum[t] = _mm256_add_epi32(_mm256_set1_epi32(32 * a->nsum[half * T + t]), _mm256_add_epi32(widen(s0), widen(s1)));
  }
}

INLINE void tile_6k(const uint8_t *w, const uint8_t *act, int n_blocks, int T, int t0, int n, float *out) {
  __m256 acc[2][4];
  __m256i low[4], high[4];
  clear(acc, n);
  for (int b = 0; b < n_blocks; b += RK_SUPER) {
    const uint8_t *header = w;
    w += 32;
    for (int i = 0; i < RK_SUPER; i++, act += rk_act_block_bytes(T), w += 32 + 128 + 256) {
      struct act a = act_block(act, T, t0);
      UNROLL for (int h = 0; h < 2; h++) {
      FORGET(n);
        dot_6k(&a, T, n, w + 160 + 32 * h, w + 32 + 32 * h, 0, low);
        dot_6k(&a, T, n, w + 160 + 32 * h, w + 96 + 32 * h, 1, high);
        UNROLL for (int t = 0; t < n; t++)
          low[t] = _mm256_add_epi32(_mm256_mullo_epi32(low[t], load_i8(w + 8 * h)),
                                    _mm256_mullo_epi32(high[t], load_i8(w + 16 + 8 * h)));
        scale_add(&a, n, low, load_f16(header + 16 * h), acc[h]);
      }
    }
  }
  store(acc, n, out);
}

/* isum += scale times the sum over four groups of 2-bit quants, minus offset each; high: NULL, or the third bits.
 * scale: the same number in both 16-bit halves of a row. */
INLINE void dot_low2(const struct act *a, int T, int n, const uint8_t *plane, const uint8_t *high, int half,
                     int offset, __m256i scale, __m256i isum[]) {
  const __m256i two = _mm256_set1_epi8(3), bit = _mm256_set1_epi8(4), v = load(plane);
  const __m256i h = high ? load(high) : _mm256_setzero_si256();
  __m256i w[4];
  UNROLL for (int j = 0; j < 4; j++) {
    w[j] = _mm256_and_si256(shift(v, -2 * j), two);
    if (high) w[j] = merge(w[j], shift(h, 2 - 4 * half - j), bit);
  }
  UNROLL for (int t = 0; t < n; t++) {
    FORGET(n);
    __m256i s16 = dot(a, t, T, 4 * half, 4 * half + 4, w);
    if (offset) s16 = _mm256_add_epi16(s16, _mm256_set1_epi32(offset * a->nsum[half * T + t] & 0xffff));
    isum[t] = _mm256_add_epi32(isum[t], _mm256_madd_epi16(s16, scale));
  }
}

/* a in the low, b in the high 16 bits of each row. */
INLINE __m256i pairs(__m256i a, __m256i b) { return _mm256_blend_epi16(a, _mm256_slli_epi32(b, 16), 0xaa); }

INLINE void tile_2k(const uint8_t *w, const uint8_t *act, int n_blocks, int T, int t0, int n, float *out) {
  const __m256i nibble = _mm256_set1_epi32(15);
  __m256 acc[2][4];
  __m256i isum[4];
  clear(acc, n);
  for (int b = 0; b < n_blocks; b += RK_SUPER) {
    const uint8_t *header = w;
    w += 64;
    for (int i = 0; i < RK_SUPER; i++, act += rk_act_block_bytes(T), w += 32 + 128) {
      struct act a = act_block(act, T, t0);
      UNROLL for (int h = 0; h < 2; h++) {
        FORGET(n);
        const __m256i sm0 = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)(w + 8 * h)));
        const __m256i sm1 = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)(w + 16 + 8 * h)));
        const __m256i s0 = _mm256_and_si256(sm0, nibble), s1 = _mm256_and_si256(sm1, nibble);
        const __m256i m = pairs(_mm256_srli_epi32(sm0, 4), _mm256_srli_epi32(sm1, 4));
        clear_sums(isum, n);
        dot_low2(&a, T, n, w + 32 + 32 * h, NULL, 0, 0, pairs(s0, s0), isum);
        dot_low2(&a, T, n, w + 96 + 32 * h, NULL, 1, 0, pairs(s1, s1), isum);
        scale_add(&a, n, isum, load_f16(header + 16 * h), acc[h]);
        UNROLL for (int t = 0; t < n; t++)
          isum[t] = _mm256_madd_epi16(m, pairs(_mm256_set1_epi32(a.nsum[t]), _mm256_set1_epi32(a.nsum[T + t])));
        scale_add(&a, n, isum, load_f16(header + 32 + 16 * h), acc[h]);
      }
    }
  }
  store(acc, n, out);
}

INLINE void tile_3k(const uint8_t *w, const uint8_t *act, int n_blocks, int T, int t0, int n, float *out) {
  __m256 acc[2][4];
  __m256i isum[4];
  clear(acc, n);
  for (int b = 0; b < n_blocks; b += RK_SUPER) {
    const uint8_t *header = w;
    w += 32;
    for (int i = 0; i < RK_SUPER; i++, act += rk_act_block_bytes(T), w += 32 + 64 + 128) {
      struct act a = act_block(act, T, t0);
      UNROLL for (int h = 0; h < 2; h++) {
        FORGET(n);
        const __m256i s0 = load_i8(w + 8 * h), s1 = load_i8(w + 16 + 8 * h);
        clear_sums(isum, n);
        dot_low2(&a, T, n, w + 96 + 32 * h, w + 32 + 32 * h, 0, 4, pairs(s0, s0), isum);
        dot_low2(&a, T, n, w + 160 + 32 * h, w + 32 + 32 * h, 1, 4, pairs(s1, s1), isum);
        scale_add(&a, n, isum, load_f16(header + 16 * h), acc[h]);
      }
    }
  }
  store(acc, n, out);
}

INLINE void dot_iq4(const struct act *a, int T, int n, const uint8_t *low, __m256i isum[]) {
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i values = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)rk_iq4_values));
  clear_sums(isum, n);
  UNROLL for (int j = 0; j < 4; j++) {
    __m256i v = load(low + 64 * j);
    dot_signed(a, T, n, j, _mm256_shuffle_epi8(values, _mm256_and_si256(v, nibble)), isum);
    dot_signed(a, T, n, j + 4, _mm256_shuffle_epi8(values, _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble)), isum);
  }
}

INLINE void tile_4n(const uint8_t *w, const uint8_t *act, int n_blocks, int T, int t0, int n, float *out) {
  __m256 acc[2][4];
  __m256i isum[4];
  clear(acc, n);
  for (int b = 0; b < n_blocks; b++, act += rk_act_block_bytes(T), w += 32 + 256) {
    struct act a = act_block(act, T, t0);
    UNROLL for (int h = 0; h < 2; h++) {
      FORGET(n);
      dot_iq4(&a, T, n, w + 32 + 32 * h, isum);
      scale_add(&a, n, isum, load_f16(w + 16 * h), acc[h]);
    }
  }
  store(acc, n, out);
}

INLINE void tile_4x(const uint8_t *w, const uint8_t *act, int n_blocks, int T, int t0, int n, float *out) {
  __m256 acc[2][4];
  __m256i isum[4];
  clear(acc, n);
  for (int b = 0; b < n_blocks; b += RK_SUPER) {
    const uint8_t *header = w;
    w += 32;
    for (int i = 0; i < RK_SUPER; i++, act += rk_act_block_bytes(T), w += 16 + 256) {
      struct act a = act_block(act, T, t0);
      UNROLL for (int h = 0; h < 2; h++) {
        FORGET(n);
        dot_iq4(&a, T, n, w + 16 + 32 * h, isum);
        scale_add(&a, n, isum, _mm256_mul_ps(load_f16(header + 16 * h), _mm256_cvtepi32_ps(load_i8(w + 8 * h))),
                  acc[h]);
      }
    }
  }
  store(acc, n, out);
}

INLINE __m256 load_weights(const uint8_t *w, size_t k, int h, enum rk_wformat f) {
  if (f == RK_W_F32) return _mm256_loadu_ps((const float *)(const void *)w + k * RK_TILE + 8 * h);
  const uint8_t *p = w + 2 * (k * RK_TILE + 8 * (size_t)h);
  if (f == RK_W_F16) return load_f16(p);
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)p)), 16));
}

/* Four accumulators a row and token: one half of the rows at a time. */
INLINE void tile_float(const uint8_t *w, const uint8_t *act, int n_blocks, int T, int t0, int n, enum rk_wformat f,
                       float *out) {
  for (int h = 0; h < 2; h++)
    for (int t = 0; t < n; t++) {
      const float *x = (const float *)(const void *)act + t0 + t;
      __m256 acc[4];
      UNROLL for (int i = 0; i < 4; i++) acc[i] = _mm256_setzero_ps();
      for (size_t k = 0; k < (size_t)n_blocks * RK_BLOCK; k += 4)
        UNROLL for (size_t i = 0; i < 4; i++)
          acc[i] = _mm256_add_ps(acc[i], _mm256_mul_ps(load_weights(w, k + i, h, f),
                                                       _mm256_set1_ps(x[(k + i) * (size_t)T])));
      _mm256_storeu_ps(out + t * RK_TILE + 8 * h,
                       _mm256_add_ps(_mm256_add_ps(acc[0], acc[1]), _mm256_add_ps(acc[2], acc[3])));
    }
}

#define RK_TILE_CALL(T, fn, ...) \
  for (int t0 = 0; t0 < T; t0 += 4, out += 4 * RK_TILE) fn(w, act, n_blocks, T, t0, T < 4 ? T : 4, __VA_ARGS__)
RK_TILE_INSTANCES

/* ---- vectors: 16 lanes as two registers ---- */

INLINE float max_lanes(__m256 v) {
  __m128 b = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  b = _mm_max_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_max_ss(b, _mm_shuffle_ps(b, b, 1)));
}

INLINE int32_t sum_i32(__m256i v) {
  __m128i b = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  b = _mm_add_epi32(b, _mm_shuffle_epi32(b, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(b, _mm_shuffle_epi32(b, 0xb1)));
}

static void quantize(const float *x, int32_t t, int32_t T, uint8_t *block) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  __m256 v[4], most = _mm256_setzero_ps();
  __m256i q[4];
  UNROLL for (int i = 0; i < 4; i++) {
    v[i] = _mm256_loadu_ps(x + 8 * i);
    most = _mm256_max_ps(most, _mm256_andnot_ps(sign, v[i]));
  }
  const float max = max_lanes(most), d = max / 127.0f, inverse = max > 0 ? 127.0f / max : 0;
  UNROLL for (int i = 0; i < 4; i++) q[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], _mm256_set1_ps(inverse)));
  const int32_t sa = sum_i32(_mm256_add_epi32(q[0], q[1])), sb = sum_i32(_mm256_add_epi32(q[2], q[3]));
  /* The packs work on 128-bit halves: the last step puts the words back in order. */
  __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
  packed = _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  uint32_t words[8];
  _mm256_storeu_si256((void *)words, packed);
  uint32_t *dst = (uint32_t *)(void *)block;
  for (int g = 0; g < 8; g++) dst[g * T + t] = words[g];
  float *f = (float *)(void *)(block + (size_t)T * RK_BLOCK);
  int32_t *nsum = (int32_t *)(void *)(f + 2 * T);
  f[t] = d;
  f[T + t] = d * (float)(sa + sb);
  nsum[t] = -sa;
  nsum[T + t] = -sb;
}

/* Halves onto each other: 16 lanes -> 8 -> 4 -> 2 -> 1. */
INLINE float sum_lanes(__m256 low, __m256 high) {
  __m256 a = _mm256_add_ps(low, high);
  __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  b = _mm_add_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_add_ss(b, _mm_shuffle_ps(b, b, 1)));
}

static void rms_norm(const float *x, const float *w, int32_t n, float eps, float *out) {
  __m256 sum[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
  for (int32_t i = 0; i < n; i += 8) {
    __m256 v = _mm256_loadu_ps(x + i);
    sum[i / 8 % 2] = _mm256_add_ps(sum[i / 8 % 2], _mm256_mul_ps(v, v));
  }
  const __m256 mean = _mm256_set1_ps(sum_lanes(sum[0], sum[1]) / (float)n + eps);
  const __m256 scale = _mm256_div_ps(_mm256_set1_ps(1), _mm256_sqrt_ps(mean));
  for (int32_t i = 0; i < n; i += 8)
    _mm256_storeu_ps(out + i, _mm256_mul_ps(_mm256_mul_ps(_mm256_loadu_ps(x + i), scale), _mm256_loadu_ps(w + i)));
}

INLINE __m256 exp_poly(__m256 x) {
  x = _mm256_min_ps(_mm256_max_ps(x, _mm256_set1_ps(RK_EXP_MIN)), _mm256_set1_ps(RK_EXP_MAX));
  const __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(RK_LOG2E)), 8);
  __m256 r = _mm256_fmadd_ps(n, _mm256_set1_ps(-RK_LN2_HI), x);
  r = _mm256_fmadd_ps(n, _mm256_set1_ps(-RK_LN2_LO), r);
  __m256 p = _mm256_set1_ps(RK_EXP_C0);
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(RK_EXP_C1));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(RK_EXP_C2));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(RK_EXP_C3));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(RK_EXP_C4));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(RK_EXP_C5));
  p = _mm256_add_ps(_mm256_fmadd_ps(p, _mm256_mul_ps(r, r), r), _mm256_set1_ps(1));
  const __m256i power = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return _mm256_mul_ps(p, _mm256_castsi256_ps(power));
}

static void silu_mul(float *gate, const float *up, int32_t n) {
  const __m256 one = _mm256_set1_ps(1), minus = _mm256_set1_ps(-0.0f);
  for (int32_t i = 0; i < n; i += 8) {
    __m256 g = _mm256_loadu_ps(gate + i);
    __m256 s = _mm256_div_ps(g, _mm256_add_ps(one, exp_poly(_mm256_xor_ps(g, minus))));
    _mm256_storeu_ps(gate + i, _mm256_mul_ps(s, _mm256_loadu_ps(up + i)));
  }
}

static void f32_to_f16(const float *x, int32_t n, uint16_t *out) {
  const __m256 most = _mm256_set1_ps(65504), least = _mm256_set1_ps(-65504);
  for (int32_t i = 0; i < n; i += 8) {
    __m256 v = _mm256_min_ps(_mm256_max_ps(_mm256_loadu_ps(x + i), least), most);
    _mm_storeu_si128((void *)(out + i), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
  }
}

/* ---- attention: eight queries at a time ---- */

/* n queries against 16 positions, in two halves of eight. */
INLINE void scores(int n, const struct group *g, const uint16_t *k, int hd, float *out) {
  for (int h = 0; h < 2; h++) {
    __m256 s[G];
    UNROLL for (int i = 0; i < n; i++) s[i] = _mm256_setzero_ps();
    for (int d = 0; d < hd; d++) {
      __m256 kv = load_f16(k + 16 * d + 8 * h);
      UNROLL for (int i = 0; i < n; i++) s[i] = _mm256_fmadd_ps(_mm256_set1_ps(g->q[d * G + i]), kv, s[i]);
    }
    UNROLL for (int i = 0; i < n; i++) _mm256_storeu_ps(out + i * RK_ATTN_BLOCK + 8 * h, s[i]);
  }
}

INLINE __m256 lanes_below(int n) {
  return _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)));
}

/* Scores of one query become weights; returns what the older sums shrink by. */
static float soften(struct group *g, int i, int n, int n_tiles, float *s) {
  if (n <= 0) {
    memset(s, 0, sizeof *s * RK_ATTN_BLOCK);
    return 1.0f;
  }
  __m256 max = _mm256_set1_ps(g->max[i]);
  for (int t = 0; t < 2 * n_tiles; t++)
    max = _mm256_max_ps(max, _mm256_blendv_ps(max, _mm256_loadu_ps(s + 8 * t), lanes_below(n - 8 * t)));
  max = _mm256_set1_ps(max_lanes(max));
  const __m256 scale = exp_poly(_mm256_sub_ps(_mm256_set1_ps(g->max[i]), max));
  float *lane = g->lane + 16 * i;
  for (int h = 0; h < 2; h++) _mm256_storeu_ps(lane + 8 * h, _mm256_mul_ps(_mm256_loadu_ps(lane + 8 * h), scale));
  for (int t = 0; t < 2 * n_tiles; t++) {
    __m256 p = exp_poly(_mm256_sub_ps(_mm256_loadu_ps(s + 8 * t), max));
    p = _mm256_and_ps(p, lanes_below(n - 8 * t));
    _mm256_storeu_ps(lane + 8 * (t % 2), _mm256_add_ps(_mm256_loadu_ps(lane + 8 * (t % 2)), p));
    _mm256_storeu_ps(s + 8 * t, p);
  }
  g->max[i] = _mm256_cvtss_f32(max);
  return _mm256_cvtss_f32(scale);
}

INLINE void add_values(int n, struct group *g, const uint16_t *v, int hd, int n_rows, const float *p,
                       const float scale[G]) {
  for (int d = 0; d < hd; d += 8) {
    __m256 acc[G];
    UNROLL for (int i = 0; i < n; i++)
      acc[i] = _mm256_mul_ps(_mm256_loadu_ps(g->acc + i * hd + d), _mm256_set1_ps(scale[i]));
    for (int j = 0; j < n_rows; j++) {
      __m256 row = load_f16(v + (size_t)j * (size_t)hd + d);
      UNROLL for (int i = 0; i < n; i++)
        acc[i] = _mm256_fmadd_ps(_mm256_set1_ps(p[i * RK_ATTN_BLOCK + j]), row, acc[i]);
    }
    UNROLL for (int i = 0; i < n; i++) _mm256_storeu_ps(g->acc + i * hd + d, acc[i]);
  }
}

static void attn_block(const struct rk_attn *a, struct group *g, const struct kv_block *b, int p0, float *s) {
  const int hd = a->head_dim, n = g->most - p0 < RK_ATTN_BLOCK ? g->most - p0 : RK_ATTN_BLOCK;
  const int n_tiles = (n + 15) / 16;
  float scale[G];
  for (int t = 0; t < n_tiles; t++)
    RK_BY_COUNT(g->n, scores, g, b->k + (size_t)(16 * t) * (size_t)hd, hd, s + 16 * t);
  for (int i = 0; i < g->n; i++) {
    int valid = g->n_pos[i] - p0 < n ? g->n_pos[i] - p0 : n;
    scale[i] = soften(g, i, valid, n_tiles, s + i * RK_ATTN_BLOCK);
  }
  RK_BY_COUNT(g->n, add_values, g, b->v, hd, n, s, scale);
}

static void group_finish(const struct rk_attn *a, int first, const struct group *g) {
  for (int i = 0; i < g->n; i++) {
    const float *lane = g->lane + 16 * i;
    const __m256 inverse = _mm256_set1_ps(1.0f / sum_lanes(_mm256_loadu_ps(lane), _mm256_loadu_ps(lane + 8)));
    for (int d = 0; d < a->head_dim; d += 8)
      _mm256_storeu_ps(a->out[first + i] + d,
                       _mm256_mul_ps(_mm256_loadu_ps(g->acc + i * a->head_dim + d), inverse));
  }
}

static void attn(const struct rk_attn *a) { attn_groups(a, attn_block, group_finish); }

const struct rk_kernels rk_kernels_avx2 = {
  .name = "avx2",
  .tile = RK_TILE_TABLE,
  .quantize = quantize,
  .rms_norm = rms_norm,
  .silu_mul = silu_mul,
  .f32_to_f16 = f32_to_f16,
  .attn = attn,
  .delta = rk_delta_step,
};
