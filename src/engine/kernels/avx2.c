/* avx2.c - a tile of 16 rows as two halves of 8 rows.
 *
 * vpmaddubsw multiplies unsigned weights by signed activations and adds pairs
 * into int16. Those sums stay exact as long as they fit:
 *   4 bits  8 groups x 2 x 15 x 127 = 30480
 *   5 bits  4 groups x 2 x 31 x 127 = 31496
 *   2 bits  4 groups x 2 x  3 x 127 =  3048
 * so most of the additions are done 16 at a time before they are widened. 3- and 6-bit weights are taken minus 4 and
 * minus 32 (see centre). 8-bit weights, and the values of IQ4_NL, do not fit: |w| times (activation with the sign of w)
 * does.
 *
 * There are 16 registers: the sums of 16 rows and four tokens take eight, two vectors of weights, an activation and a
 * product the rest. Each vector of weights and each activation serves both, so a product costs 0.75 loads. Eight tokens
 * are two passes of four over weights that are unpacked once. */
#include <immintrin.h>
#include <string.h>

#define RK_ATTN_QUERIES 6
#include "engine/kernels/attn.h"
#include "engine/kernels/delta.h"
#include "engine/kernels/kernels.h"
#include "engine/kernels/math.h"
#include "engine/kernels/tiles.h"

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 8")

/* ---- tiles ---- */

/* Quants of a block as the file's formats hold them, lowest plane last (kernels.h). */
enum quant { Q2, Q3, Q4, Q5, Q6, Q8, IQ4 };

/* Eight groups of four inputs, 16 rows each: packed planes, or bytes that unpack() made. */
struct block {
  enum quant kind;
  bool unpacked;
  const uint8_t *p;
};

/* Without it the compiler makes trees of the sums and keeps all their products for that, on the stack. */
#define KEEP(v) __asm__("" : "+x"(v))
#define FORGET(p) __asm__ volatile("" : "+r"(p)::"memory")

INLINE __m256i load(const uint8_t *p) { return _mm256_loadu_si256((const void *)p); }
INLINE __m256 load_f16(const void *p) { return _mm256_cvtph_ps(_mm_loadu_si128(p)); }
INLINE __m256i load_i8(const uint8_t *p) { return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)p)); }
INLINE __m256i load_u8(const uint8_t *p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)p)); }

/* v shifted left by n bits (right when negative); bits that cross bytes are masked by the caller. */
INLINE __m256i shift(__m256i v, int n) {
  return n > 0 ? _mm256_slli_epi16(v, n) : n < 0 ? _mm256_srli_epi16(v, -n) : v;
}

INLINE __m256i bits(const uint8_t *p, int left, char mask) {
  return _mm256_and_si256(shift(load(p), left), _mm256_set1_epi8(mask));
}

/* Group g, half h of the rows: unsigned, signed for Q8 and IQ4. */
INLINE __m256i weights(struct block b, int g, int h) {
  const uint8_t *p = b.p + 32 * h, *part = p + 64 * (g / 4);
  const int j = g % 4;
  __m256i low;
  if (b.unpacked) return load(p + 64 * g);
  switch (b.kind) {
    case Q2: return bits(part, -2 * j, 3);
    case Q3: return _mm256_or_si256(bits(part + 64, -2 * j, 3), bits(p, 2 - g, 4));
    case Q4: return bits(p + 64 * j, g < 4 ? 0 : -4, 15);
    case Q5:
      if (g < 5) return bits(p + 64 * g, 0, 31);
      low = bits(p + 64 * (g - 5), -5, 7);
      if (g < 7) return _mm256_or_si256(low, bits(p + 64 * (g - 2), -2, 0x18));
      return _mm256_or_si256(low, _mm256_or_si256(bits(p + 192, -4, 8), bits(p + 256, -3, 16)));
    case Q6:
      if (g < 6) return bits(p + 64 * g, 0, 63);
      p += 192 * (g - 6), low = bits(p, -6, 3);
      return _mm256_or_si256(low, _mm256_or_si256(bits(p + 64, -4, 12), bits(p + 128, -2, 48)));
    case Q8: return _mm256_xor_si256(load(p + 64 * g), _mm256_set1_epi8((char)0x80));
    default: break;
  }
  const __m256i values = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)rk_iq4_values));
  return _mm256_shuffle_epi8(values, bits(p + 64 * j, g < 4 ? 0 : -4, 15));
}

enum { AHEAD_BYTES = 2048 };

/* Eight tokens: the lines of a block to come. Their activations push the weights out of the first-level cache, and the
 * processor's own prefetching falls behind; one token is faster without. */
INLINE void ask_ahead(const uint8_t *w, int bytes) {
  UNROLL for (int i = 0; i < bytes; i += 64) _mm_prefetch((const char *)w + AHEAD_BYTES + i, _MM_HINT_T0);
}

/* Eight tokens take two passes over the quants. */
INLINE struct block unpack(enum quant kind, const uint8_t *p, int T, uint8_t room[512]) {
  static const int bytes[] = {[Q2] = 160, [Q3] = 224, [Q4] = 288, [Q5] = 352, [Q6] = 416, [Q8] = 544, [IQ4] = 288};
  struct block b = {kind, false, p};
  if (T < 8) return b;
  ask_ahead(p, bytes[kind]);
  UNROLL for (int g = 0; g < 8; g++)
    UNROLL for (int h = 0; h < 2; h++) _mm256_storeu_si256((void *)(room + 64 * g + 32 * h), weights(b, g, h));
  p = room;
  FORGET(p);
  return (struct block){kind, true, p};
}

INLINE __m256i four_inputs(const struct act *a, int g, int t, int T) {
  int32_t v;
  memcpy(&v, a->q + (g * T + t) * 4, sizeof v);
  return _mm256_set1_epi32(v);
}

INLINE __m256i widen(__m256i s16) { return _mm256_madd_epi16(s16, _mm256_set1_epi16(1)); }

/* Sums of 16 bits over groups g0..g1-1 for n tokens. start: what they begin with, or NULL. */
INLINE void dot(struct block b, const struct act *a, int T, int n, int g0, int g1, const int32_t *start,
                __m256i s[2][4]) {
  if (start) UNROLL for (int t = 0; t < n; t++) s[0][t] = s[1][t] = _mm256_set1_epi32(start[t]);
  UNROLL for (int g = g0; g < g1; g++) {
    const __m256i w[2] = {weights(b, g, 0), weights(b, g, 1)};
    UNROLL for (int t = 0; t < n; t++) {
      const __m256i x = four_inputs(a, g, t, T);
      UNROLL for (int h = 0; h < 2; h++) {
        const __m256i p = _mm256_maddubs_epi16(w[h], x);
        s[h][t] = g == g0 && !start ? p : _mm256_add_epi16(s[h][t], p);
        KEEP(s[h][t]);
      }
    }
  }
}

/* The same with signed weights, in 32 bits over all groups. */
INLINE void dot_signed(struct block b, const struct act *a, int T, int n, __m256i s[2][4]) {
  UNROLL for (int g = 0; g < 8; g++) {
    const __m256i w[2] = {weights(b, g, 0), weights(b, g, 1)};
    const __m256i size[2] = {_mm256_abs_epi8(w[0]), _mm256_abs_epi8(w[1])};
    UNROLL for (int t = 0; t < n; t++) {
      const __m256i x = four_inputs(a, g, t, T);
      UNROLL for (int h = 0; h < 2; h++) {
        const __m256i p = widen(_mm256_maddubs_epi16(size[h], _mm256_sign_epi8(x, w[h])));
        s[h][t] = g == 0 ? p : _mm256_add_epi32(s[h][t], p);
        KEEP(s[h][t]);
      }
    }
  }
}

INLINE void widen_sums(__m256i s[2][4], int n, bool first, __m256i isum[2][4]) {
  UNROLL for (int h = 0; h < 2; h++)
    UNROLL for (int t = 0; t < n; t++) isum[h][t] = first ? widen(s[h][t]) : _mm256_add_epi32(isum[h][t], widen(s[h][t]));
}

/* Sums over a block in 32 bits; add: NULL, or what is added for each token. */
INLINE void dot_block(struct block b, const struct act *a, int T, int n, const int32_t *add, __m256i isum[2][4]) {
  __m256i s[2][4];
  if (b.kind == Q8 || b.kind == IQ4) {
    dot_signed(b, a, T, n, isum);
  } else if (b.kind == Q4) {
    dot(b, a, T, n, 0, 8, NULL, s), widen_sums(s, n, true, isum);
  } else {
    dot(b, a, T, n, 0, 4, NULL, s), widen_sums(s, n, true, isum);
    dot(b, a, T, n, 4, 8, NULL, s), widen_sums(s, n, false, isum);
  }
  if (!add) return;
  UNROLL for (int t = 0; t < n; t++)
    UNROLL for (int h = 0; h < 2; h++) isum[h][t] = _mm256_add_epi32(isum[h][t], _mm256_set1_epi32(add[t]));
}

/* Sums over both halves of a block times their scales, which stand in both 16-bit halves of a row. */
INLINE void dot_halves(struct block b, const struct act *a, int T, int n, const int32_t *start, const __m256i scale[2][2],
                       __m256i isum[2][4]) {
  UNROLL for (int half = 0; half < 2; half++) {
    __m256i s[2][4];
    dot(b, a, T, n, 4 * half, 4 * half + 4, start ? start + half * T : NULL, s);
    UNROLL for (int h = 0; h < 2; h++)
      UNROLL for (int t = 0; t < n; t++) {
        const __m256i p = _mm256_madd_epi16(s[h][t], scale[half][h]);
        isum[h][t] = half == 0 ? p : _mm256_add_epi32(isum[h][t], p);
      }
  }
}

/* acc += (float)isum * (s * d) */
INLINE void scale_add(const struct act *a, int n, __m256i isum[2][4], const __m256 s[2], __m256 acc[][2]) {
  UNROLL for (int t = 0; t < n; t++) {
    const __m256 d = _mm256_set1_ps(a->d[t]);
    UNROLL for (int h = 0; h < 2; h++)
      acc[t][h] = _mm256_add_ps(acc[t][h], _mm256_mul_ps(_mm256_cvtepi32_ps(isum[h][t]), _mm256_mul_ps(s[h], d)));
  }
}

INLINE void min_add(const struct act *a, int n, const __m256 m[2], __m256 acc[][2]) {
  UNROLL for (int t = 0; t < n; t++) {
    const __m256 dsum = _mm256_set1_ps(a->dsum[t]);
    UNROLL for (int h = 0; h < 2; h++) acc[t][h] = _mm256_add_ps(acc[t][h], _mm256_mul_ps(m[h], dsum));
  }
}

/* At most four tokens a pass: their sums for 16 rows take eight registers. */
#define PASSES(T) _Pragma("GCC unroll 1") for (int t0 = 0; t0 < T; t0 += 4)

/* One block of a format with one scale a row; m: its minimum, or NULL. */
INLINE void add_block(enum quant kind, const uint8_t *p, const uint8_t *act, int T, int offset, const __m256 s[2],
                      const __m256 *m, __m256 acc[][2]) {
  const int n = T < 4 ? T : 4;
  _Alignas(64) uint8_t room[512];
  int32_t add[RK_MAX_T];
  const struct act all = act_block(act, T, 0);
  const struct block b = unpack(kind, p, T, room);
  for (int t = 0; offset && t < T; t++) add[t] = offset * (all.nsum[t] + all.nsum[T + t]);
  PASSES(T) {
    FORGET(act);
    const struct act a = act_block(act, T, t0);
    __m256i isum[2][4];
    dot_block(b, &a, T, n, offset ? add + t0 : NULL, isum);
    scale_add(&a, n, isum, s, acc + t0);
    if (m) min_add(&a, n, m, acc + t0);
  }
}

INLINE void load_scales(const uint8_t *p, __m256 s[2]) {
  s[0] = load_f16(p), s[1] = load_f16(p + 16);
}

INLINE void clear(__m256 acc[][2], int T) {
  for (int t = 0; t < T; t++) acc[t][0] = acc[t][1] = _mm256_setzero_ps();
}

INLINE void store(__m256 acc[][2], int T, float *out) {
  for (int t = 0; t < T; t++, out += RK_TILE) _mm256_storeu_ps(out, acc[t][0]), _mm256_storeu_ps(out + 8, acc[t][1]);
}

INLINE void tile_32(const uint8_t *w, const uint8_t *act, int n_blocks, int T, bool min, bool bit5, int offset,
                    float *out) {
  __m256 acc[RK_MAX_T][2], s[2], m[2];
  clear(acc, T);
  for (int b = 0; b < n_blocks; b++, act += rk_act_block_bytes(T), w += bit5 ? 320 : 256) {
    load_scales(w, s);
    w += 32;
    if (min) load_scales(w, m), w += 32;
    add_block(bit5 ? Q5 : Q4, w, act, T, offset, s, min ? m : NULL, acc);
  }
  store(acc, T, out);
}

/* Signed quants of 8 bits, or looked up from 4. */
INLINE void tile_signed(const uint8_t *w, const uint8_t *act, int n_blocks, int T, enum quant kind, float *out) {
  __m256 acc[RK_MAX_T][2], s[2];
  clear(acc, T);
  for (int b = 0; b < n_blocks; b++, act += rk_act_block_bytes(T), w += 32 + (kind == Q8 ? 512 : 256)) {
    load_scales(w, s);
    add_block(kind, w + 32, act, T, 0, s, NULL, acc);
  }
  store(acc, T, out);
}

INLINE void tile_8s(const uint8_t *w, const uint8_t *act, int n_blocks, int T, float *out) {
  tile_signed(w, act, n_blocks, T, Q8, out);
}

INLINE void tile_4n(const uint8_t *w, const uint8_t *act, int n_blocks, int T, float *out) {
  tile_signed(w, act, n_blocks, T, IQ4, out);
}

/* s = f * scales of 8 bits */
INLINE void times_u8(const __m256 f[2], const uint8_t *p, __m256 s[2]) {
  for (int h = 0; h < 2; h++) s[h] = _mm256_mul_ps(f[h], _mm256_cvtepi32_ps(load_u8(p + 8 * h)));
}

INLINE void tile_k(const uint8_t *w, const uint8_t *act, int n_blocks, int T, bool bit5, float *out) {
  __m256 acc[RK_MAX_T][2], D[2], M[2], s[2], m[2];
  clear(acc, T);
  for (int b = 0; b < n_blocks; b += RK_SUPER) {
    load_scales(w, D), load_scales(w + 32, M);
    for (int h = 0; h < 2; h++) M[h] = _mm256_sub_ps(_mm256_setzero_ps(), M[h]);
    w += 64;
    for (int i = 0; i < RK_SUPER; i++, act += rk_act_block_bytes(T), w += 32 + (bit5 ? 320 : 256)) {
      times_u8(D, w, s), times_u8(M, w + 16, m);
      add_block(bit5 ? Q5 : Q4, w + 32, act, T, 0, s, m, acc);
    }
  }
  store(acc, T, out);
}

/* a in the low, b in the high 16 bits of each row. */
INLINE __m256i pairs(__m256i a, __m256i b) { return _mm256_blend_epi16(a, _mm256_slli_epi32(b, 16), 0xaa); }

/* Minus size times the sums of a token's inputs, of both halves of the block, in the two 16-bit parts that vpmaddubsw
 * leaves them in. Started with them, the sums of quants minus size fit in 16 bits at the end of a half (4 groups x 2 x 32
 * x 127 = 32512), whatever wraps around on the way. out: [2][T] */
INLINE void centre(const uint8_t *q, int T, char size, int32_t *out) {
  const __m256i times = _mm256_set1_epi8(size);
  __m256i s[8];
  UNROLL for (int i = 0; i < T; i++) s[i] = _mm256_sub_epi16(_mm256_setzero_si256(), _mm256_maddubs_epi16(times, load(q + 32 * i)));
  UNROLL for (int half = 0; half < 2; half++)
    if (T == 8) {
      const __m256i *v = s + 4 * half;
      _mm256_storeu_si256((void *)(out + 8 * half), _mm256_add_epi16(_mm256_add_epi16(v[0], v[1]), _mm256_add_epi16(v[2], v[3])));
    } else if (T == 4) {
      const __m256i v = _mm256_add_epi16(s[2 * half], s[2 * half + 1]);
      _mm_storeu_si128((void *)(out + 4 * half), _mm_add_epi16(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1)));
    } else if (T == 2) {
      const __m128i v = _mm_add_epi16(_mm256_castsi256_si128(s[half]), _mm256_extracti128_si256(s[half], 1));
      _mm_storel_epi64((void *)(out + 2 * half), _mm_add_epi16(v, _mm_shuffle_epi32(v, 0x4e)));
    } else {
      __m128i v = half ? _mm256_extracti128_si256(s[0], 1) : _mm256_castsi256_si128(s[0]);
      v = _mm_add_epi16(v, _mm_shuffle_epi32(v, 0x4e));
      out[half] = _mm_cvtsi128_si32(_mm_add_epi16(v, _mm_shuffle_epi32(v, 0xb1)));
    }
}

/* One block of a format whose halves have scales of their own; m: its minima as pairs of both halves, or NULL. */
INLINE void add_halves(enum quant kind, const uint8_t *p, const uint8_t *act, int T, int size, const __m256i scale[2][2],
                       const __m256 s[2], const __m256i *m, const __m256 min[2], __m256 acc[][2]) {
  const int n = T < 4 ? T : 4;
  _Alignas(64) uint8_t room[512];
  int32_t start[2 * RK_MAX_T];
  const struct block b = unpack(kind, p, T, room);
  if (size) centre(act, T, (char)size, start);
  PASSES(T) {
    FORGET(act);
    const struct act a = act_block(act, T, t0);
    __m256i isum[2][4];
    dot_halves(b, &a, T, n, size ? start + t0 : NULL, scale, isum);
    scale_add(&a, n, isum, s, acc + t0);
    if (!m) continue;
    UNROLL for (int t = 0; t < n; t++) {
      const __m256i nsum = pairs(_mm256_set1_epi32(a.nsum[t]), _mm256_set1_epi32(a.nsum[T + t]));
      UNROLL for (int h = 0; h < 2; h++) isum[h][t] = _mm256_madd_epi16(m[h], nsum);
    }
    scale_add(&a, n, isum, min, acc + t0);
  }
}

/* 6- and 3-bit quants */
INLINE void tile_k_signed(const uint8_t *w, const uint8_t *act, int n_blocks, int T, enum quant kind, int bytes, int size,
                          float *out) {
  __m256 acc[RK_MAX_T][2], D[2];
  __m256i scale[2][2];
  clear(acc, T);
  for (int b = 0; b < n_blocks; b += RK_SUPER) {
    load_scales(w, D);
    w += 32;
    for (int i = 0; i < RK_SUPER; i++, act += rk_act_block_bytes(T), w += 32 + bytes) {
      UNROLL for (int k = 0; k < 4; k++) {
        const __m256i v = load_i8(w + 8 * k);
        scale[k / 2][k % 2] = pairs(v, v);
      }
      add_halves(kind, w + 32, act, T, size, scale, D, NULL, NULL, acc);
    }
  }
  store(acc, T, out);
}

INLINE void tile_6k(const uint8_t *w, const uint8_t *act, int n_blocks, int T, float *out) {
  tile_k_signed(w, act, n_blocks, T, Q6, 384, 32, out);
}

INLINE void tile_3k(const uint8_t *w, const uint8_t *act, int n_blocks, int T, float *out) {
  tile_k_signed(w, act, n_blocks, T, Q3, 64 + 128, 4, out);
}

INLINE void tile_2k(const uint8_t *w, const uint8_t *act, int n_blocks, int T, float *out) {
  const __m256i nibble = _mm256_set1_epi32(15);
  __m256 acc[RK_MAX_T][2], D[2], M[2];
  __m256i scale[2][2], m[2];
  clear(acc, T);
  for (int b = 0; b < n_blocks; b += RK_SUPER) {
    load_scales(w, D), load_scales(w + 32, M);
    w += 64;
    for (int i = 0; i < RK_SUPER; i++, act += rk_act_block_bytes(T), w += 32 + 128) {
      UNROLL for (int h = 0; h < 2; h++) {
        const __m256i sm[2] = {load_u8(w + 8 * h), load_u8(w + 16 + 8 * h)};
        UNROLL for (int half = 0; half < 2; half++) {
          const __m256i v = _mm256_and_si256(sm[half], nibble);
          scale[half][h] = pairs(v, v);
        }
        m[h] = pairs(_mm256_srli_epi32(sm[0], 4), _mm256_srli_epi32(sm[1], 4));
      }
      add_halves(Q2, w + 32, act, T, 0, scale, D, m, M, acc);
    }
  }
  store(acc, T, out);
}

INLINE void tile_4x(const uint8_t *w, const uint8_t *act, int n_blocks, int T, float *out) {
  __m256 acc[RK_MAX_T][2], D[2], s[2];
  clear(acc, T);
  for (int b = 0; b < n_blocks; b += RK_SUPER) {
    load_scales(w, D);
    w += 32;
    for (int i = 0; i < RK_SUPER; i++, act += rk_act_block_bytes(T), w += 16 + 256) {
      for (int h = 0; h < 2; h++) s[h] = _mm256_mul_ps(D[h], _mm256_cvtepi32_ps(load_i8(w + 8 * h)));
      add_block(IQ4, w + 16, act, T, 0, s, NULL, acc);
    }
  }
  store(acc, T, out);
}

INLINE __m256 load_weights(const uint8_t *w, size_t k, int h, enum rk_wformat f) {
  if (f == RK_W_F32) return _mm256_loadu_ps((const float *)(const void *)w + k * RK_TILE + 8 * h);
  const uint8_t *p = w + 2 * (k * RK_TILE + 8 * (size_t)h);
  if (f == RK_W_F16) return load_f16(p);
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)p)), 16));
}

/* Four accumulators a row and token: two tokens and half of the rows at a time, or one token and all rows. */
INLINE void tile_float(const uint8_t *w, const uint8_t *act, int n_blocks, int T, enum rk_wformat f, float *out) {
  const int tokens = T < 2 ? 1 : 2, halves = 2 / tokens;
  for (int t0 = 0; t0 < T; t0 += tokens)
    for (int h0 = 0; h0 < 2; h0 += halves) {
      const float *x = (const float *)(const void *)act + t0;
      __m256 acc[4][2];
      UNROLL for (int i = 0; i < 4; i++) acc[i][0] = acc[i][1] = _mm256_setzero_ps();
      for (size_t k = 0; k < (size_t)n_blocks * RK_BLOCK; k += 4, x += 4 * T)
        UNROLL for (int i = 0; i < 4; i++)
          UNROLL for (int u = 0; u < 2; u++)
            acc[i][u] = _mm256_add_ps(acc[i][u], _mm256_mul_ps(load_weights(w, k + (size_t)i, h0 + u % halves, f),
                                                               _mm256_set1_ps(x[i * T + u / halves])));
      UNROLL for (int u = 0; u < 2; u++)
        _mm256_storeu_ps(out + (t0 + u / halves) * RK_TILE + 8 * (h0 + u % halves),
                         _mm256_add_ps(_mm256_add_ps(acc[0][u], acc[1][u]), _mm256_add_ps(acc[2][u], acc[3][u])));
    }
}

#define RK_TILE_CALL(T, fn, ...) fn(w, act, n_blocks, T, __VA_ARGS__)
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
