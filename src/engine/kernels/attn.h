/* attn.h - attention of the vector sets, eight floats wide (internal).
 *
 * Each set compiles it for its own registers and says how many queries' sums
 * stay in them (RK_ATTN_QUERIES, 6 or 8): so many share the conversion of a
 * vector of keys or values from f16. Two chains a query hide the latency of a
 * fused addition. 512 bits would be slower on Zen 4: a wide conversion takes
 * the multipliers' time, narrow ones run beside them.
 *
 * Blocks of positions outside, groups of queries inside: keys and values come
 * from memory once for all groups. */
#if !defined(RK_ENGINE_KERNELS_ATTN_H) && defined(RK_ATTN_QUERIES)
#define RK_ENGINE_KERNELS_ATTN_H

#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#include "engine/kernels/kernels.h"
#include "engine/kernels/kv8.h"
#include "engine/kernels/math.h"

#define ATTN_INLINE static inline __attribute__((always_inline))
#define ATTN_UNROLL _Pragma("GCC unroll 16")

enum { G = RK_ATTN_QUERIES, B = RK_ATTN_BLOCK };

struct group {
  float *q;    /* [head_dim][G] */
  float *sum;  /* [G][head_dim] values times weights */
  float *lane; /* [G][16] weights */
  float *max;  /* [G] */
  int first, n; /* queries first..first+n-1 of the call, n <= G */
  int most;    /* positions of the longest */
};

/* ---- the exponential ---- */

/* x <= 0 */
ATTN_INLINE __m256 exp2_poly(__m256 x) {
  const __m256 round = _mm256_set1_ps(RK_EXP2_ROUND);
  x = _mm256_max_ps(x, _mm256_set1_ps(RK_EXP2_MIN));
  const __m256 t = _mm256_add_ps(x, round), r = _mm256_sub_ps(x, _mm256_sub_ps(t, round));
  __m256 p = _mm256_set1_ps(RK_EXP2_C5);
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(RK_EXP2_C4));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(RK_EXP2_C3));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(RK_EXP2_C2));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(RK_EXP2_C1));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1));
  const __m256i power = _mm256_slli_epi32(_mm256_castps_si256(t), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), power));
}

ATTN_INLINE __m256 lanes_below(int n) {
  return _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)));
}

/* A larger maximum: what the older sums shrink by. */
static __attribute__((noinline)) float raise_max(struct group *g, int i, __m256 s) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  m = _mm_max_ss(m, _mm_shuffle_ps(m, m, 1));
  const __m256 scale = exp2_poly(_mm256_set1_ps(g->max[i] - _mm_cvtss_f32(m)));
  float *lane = g->lane + 16 * i;
  for (int h = 0; h < 16; h += 8) _mm256_storeu_ps(lane + h, _mm256_mul_ps(_mm256_loadu_ps(lane + h), scale));
  g->max[i] = _mm_cvtss_f32(m);
  return _mm256_cvtss_f32(scale);
}

/* Scores of query i in a block, of which it sees n, become weights; returns what the older sums shrink by. */
ATTN_INLINE float soften(struct group *g, int i, int n, float *s) {
  const __m256 none = _mm256_set1_ps(-1e30f);
  __m256 most = none;
  ATTN_UNROLL for (int j = 0; j < B; j += 8) {
    const __m256 x = _mm256_loadu_ps(s + j);
    most = _mm256_max_ps(most, n < B ? _mm256_blendv_ps(none, x, lanes_below(n - j)) : x);
  }
  float scale = 1.0f;
  if (_mm256_movemask_ps(_mm256_cmp_ps(most, _mm256_set1_ps(g->max[i]), _CMP_GT_OQ))) scale = raise_max(g, i, most);
  const __m256 max = _mm256_set1_ps(g->max[i]);
  float *lane = g->lane + 16 * i;
  __m256 sum[2] = {_mm256_loadu_ps(lane), _mm256_loadu_ps(lane + 8)};
  ATTN_UNROLL for (int j = 0; j < B; j += 8) {
    __m256 p = exp2_poly(_mm256_sub_ps(_mm256_loadu_ps(s + j), max));
    if (n < B) p = _mm256_and_ps(p, lanes_below(n - j));
    sum[j / 8 % 2] = _mm256_add_ps(sum[j / 8 % 2], p);
    _mm256_storeu_ps(s + j, p);
  }
  for (int h = 0; h < 2; h++) _mm256_storeu_ps(lane + 8 * h, sum[h]);
  return scale;
}

/* ---- a block ---- */

ATTN_INLINE __m256 load_half(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const void *)p)); }

/* n queries against 16 positions. A line of `next` is asked for in each second step. */
ATTN_INLINE void scores(int n, const float *q, const uint16_t *k, int hd, const uint8_t *next, float *out) {
  __m256 s0[G], s1[G];
  ATTN_UNROLL for (int i = 0; i < n; i++) s0[i] = s1[i] = _mm256_setzero_ps();
  for (int d = 0; d < hd; d++) {
    const __m256 k0 = load_half(k + 16 * d), k1 = load_half(k + 16 * d + 8);
    _mm_prefetch((const char *)next + 32 * (size_t)d, _MM_HINT_T1);
    ATTN_UNROLL for (int i = 0; i < n; i++) {
      const __m256 x = _mm256_set1_ps(q[d * G + i]);
      s0[i] = _mm256_fmadd_ps(x, k0, s0[i]);
      s1[i] = _mm256_fmadd_ps(x, k1, s1[i]);
    }
  }
  ATTN_UNROLL for (int i = 0; i < n; i++) {
    _mm256_storeu_ps(out + i * B, s0[i]);
    _mm256_storeu_ps(out + i * B + 8, s1[i]);
  }
}

/* Values times weights, of n queries and 16 elements. A line of `next` is asked for in each second step. */
ATTN_INLINE void add_values(int n, float *sum, const uint16_t *v, int hd, int n_rows, const uint8_t *next, const float *p,
                            const float *scale) {
  __m256 a0[G], a1[G];
  ATTN_UNROLL for (int i = 0; i < n; i++) {
    a0[i] = _mm256_mul_ps(_mm256_loadu_ps(sum + i * hd), _mm256_set1_ps(scale[i]));
    a1[i] = _mm256_mul_ps(_mm256_loadu_ps(sum + i * hd + 8), _mm256_set1_ps(scale[i]));
  }
  for (int j = 0; j < n_rows; j++, v += hd) {
    const __m256 v0 = load_half(v), v1 = load_half(v + 8);
    _mm_prefetch((const char *)next + 32 * (size_t)j, _MM_HINT_T1);
    ATTN_UNROLL for (int i = 0; i < n; i++) {
      const __m256 weight = _mm256_set1_ps(p[i * B + j]);
      a0[i] = _mm256_fmadd_ps(weight, v0, a0[i]);
      a1[i] = _mm256_fmadd_ps(weight, v1, a1[i]);
    }
  }
  ATTN_UNROLL for (int i = 0; i < n; i++) {
    _mm256_storeu_ps(sum + i * hd, a0[i]);
    _mm256_storeu_ps(sum + i * hd + 8, a1[i]);
  }
}

/* The loops with the number of queries as a constant, each a function of its own: inside a larger one the compiler
 * keeps half of the sums on the stack. */
struct loops {
  void (*scores)(const float *q, const uint16_t *k, int hd, const uint8_t *next, float *out);
  void (*add_values)(float *sum, const uint16_t *v, int hd, int n_rows, const uint8_t *next, const float *p,
                     const float *scale);
};

#define LOOPS(n) \
  static void scores_##n(const float *q, const uint16_t *k, int hd, const uint8_t *next, float *out) { \
    scores(n, q, k, hd, next, out); \
  } \
  static void add_values_##n(float *sum, const uint16_t *v, int hd, int n_rows, const uint8_t *next, const float *p, \
                             const float *scale) { \
    add_values(n, sum, v, hd, n_rows, next, p, scale); \
  }
#define LOOPS_ROW(n) [n] = {scores_##n, add_values_##n},

#if RK_ATTN_QUERIES == 6
#define FOR_EACH_COUNT(X) X(1) X(2) X(3) X(4) X(5) X(6)
#else
#define FOR_EACH_COUNT(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#endif
FOR_EACH_COUNT(LOOPS)
static const struct loops loops[G + 1] = {FOR_EACH_COUNT(LOOPS_ROW)};

/* While keys are read, values are on their way, and while values are read, the keys that come next: `next`. Into the second
 * level: the first has 24 misses under way at most, too few where memory is 200 ns away. */
static void attend_block(const struct rk_attn *a, struct group *g, const struct kv_block *b, int p0, const uint8_t *next,
                         float *s) {
  const int hd = a->head_dim, n_rows = g->most - p0 < B ? g->most - p0 : B;
  const struct loops *l = &loops[g->n];
  float scale[G];
  for (int t = 0; t < n_rows; t += 16) l->scores(g->q, b->k + t * hd, hd, (const uint8_t *)(b->v + t * hd), s + t);
  for (int i = 0; i < g->n; i++) {
    const int left = a->n_pos[g->first + i] - p0;
    float *x = s + i * B;
    if (left >= B) scale[i] = soften(g, i, B, x);
    else if (left > 0) scale[i] = soften(g, i, left, x);
    else memset(x, 0, sizeof *x * B), scale[i] = 1.0f;
  }
  for (int d = 0; d < hd; d += 16)
    l->add_values(g->sum + d, b->v + d, hd, n_rows, next + 2 * B * (size_t)d, s, scale);
}

/* ---- all of it ---- */

/* Of a group, whole cache lines. */
static size_t group_floats(int hd) { return (size_t)((G * (2 * hd + 17) + 15) / 16 * 16); }

static void group_init(const struct rk_attn *a, int i, int n_groups, struct group *g) {
  const int hd = a->head_dim;
  g->q = a->scratch + (size_t)i * group_floats(hd);
  g->sum = g->q + G * hd;
  g->lane = g->sum + G * hd;
  g->max = g->lane + G * 16;
  g->first = i * a->n_q / n_groups;
  g->n = (i + 1) * a->n_q / n_groups - g->first;
  g->most = 0;
  for (int j = 0; j < g->n; j++)
    if (a->n_pos[g->first + j] > g->most) g->most = a->n_pos[g->first + j];
}

static void group_clear(const struct rk_attn *a, struct group *g) {
  const int hd = a->head_dim;
  memset(g->sum, 0, sizeof *g->sum * (size_t)(G * (hd + 16)));
  for (int i = 0; i < g->n; i++) {
    for (int d = 0; d < hd; d++) g->q[d * G + i] = a->q[g->first + i][d];
    g->max[i] = -1e30f;
  }
}

static void group_finish(const struct rk_attn *a, const struct group *g) {
  const int hd = a->head_dim;
  for (int i = 0; i < g->n; i++) {
    float *lane = g->lane + 16 * i;
    for (int n = 8; n > 0; n /= 2)
      for (int j = 0; j < n; j++) lane[j] += lane[j + n];
    const float inverse = 1.0f / lane[0];
    for (int d = 0; d < hd; d++) a->out[g->first + i][d] = g->sum[i * hd + d] * inverse;
  }
}

static void attn(const struct rk_attn *a) {
  const int n_groups = (a->n_q + G - 1) / G;
  float *s = a->scratch + (size_t)n_groups * group_floats(a->head_dim);
  struct group g;
  int most = 0;
  for (int i = 0; i < n_groups; i++) {
    group_init(a, i, n_groups, &g);
    group_clear(a, &g);
    if (g.most > most) most = g.most;
  }
  for (int p0 = 0; p0 < most; p0 += B) {
    const struct kv_block b = read_block(a, p0, most - p0 < B ? most - p0 : B, (uint16_t *)(void *)(s + G * B));
    for (int i = 0; i < n_groups; i++) {
      group_init(a, i, n_groups, &g);
      const uint8_t *next = i < n_groups - 1 ? (const uint8_t *)b.k : a->blocks[p0 / B + (p0 + B < most)] + a->k_at;
      if (p0 < g.most) attend_block(a, &g, &b, p0, next, s);
    }
  }
  for (int i = 0; i < n_groups; i++) {
    group_init(a, i, n_groups, &g);
    group_finish(a, &g);
  }
}

#endif
