/* attn_group.h - attention as the vector sets do it (internal): groups of up to eight queries.
 *
 * Blocks of positions outside, groups inside: keys and values come from memory
 * once for all of them. A set brings what it does with a block and the end. */
#ifndef RK_ENGINE_KERNELS_ATTN_GROUP_H
#define RK_ENGINE_KERNELS_ATTN_GROUP_H

#include <string.h>

#include "engine/kernels/kernels.h"
#include "engine/kernels/kv8.h"

enum { G = RK_ATTN_GROUP };

struct group {
  float *q;    /* [head_dim][G] */
  float *acc;  /* [G][head_dim] */
  float *lane; /* [G][16] */
  float *max;  /* [G] */
  int n;       /* queries in it */
  int n_pos[G], most;
};

/* fn(n, ...) with the number of queries as a constant. */
#define RK_BY_COUNT(count, fn, ...) \
  switch (count) { \
    case 1: fn(1, __VA_ARGS__); break; \
    case 2: fn(2, __VA_ARGS__); break; \
    case 3: fn(3, __VA_ARGS__); break; \
    case 4: fn(4, __VA_ARGS__); break; \
    case 5: fn(5, __VA_ARGS__); break; \
    case 6: fn(6, __VA_ARGS__); break; \
    case 7: fn(7, __VA_ARGS__); break; \
    default: fn(8, __VA_ARGS__); break; \
  }

static inline void group_init(const struct rk_attn *a, int first, float *mem, struct group *g) {
  const int hd = a->head_dim;
  g->q = mem;
  g->acc = g->q + G * hd;
  g->lane = g->acc + G * hd;
  g->max = g->lane + G * 16;
  g->n = a->n_q - first < G ? a->n_q - first : G;
  g->most = 0;
  for (int i = 0; i < G; i++) {
    g->n_pos[i] = i < g->n ? a->n_pos[first + i] : 0;
    if (g->n_pos[i] > g->most) g->most = g->n_pos[i];
  }
}

static inline void group_clear(const struct rk_attn *a, int first, struct group *g) {
  const int hd = a->head_dim;
  memset(g->q, 0, sizeof(float) * (size_t)(G * (2 * hd + 16)));
  for (int i = 0; i < g->n; i++)
    for (int d = 0; d < hd; d++) g->q[d * G + i] = a->q[first + i][d];
  for (int i = 0; i < G; i++) g->max[i] = -1e30f;
}

typedef void group_block_fn(const struct rk_attn *a, struct group *g, const struct kv_block *b, int p0, float *s);
typedef void group_finish_fn(const struct rk_attn *a, int first, const struct group *g);

static inline void attn_groups(const struct rk_attn *a, group_block_fn *block, group_finish_fn *finish) {
  const size_t floats = (size_t)G * (2 * (size_t)a->head_dim + 16 + 1);
  const int n_groups = (a->n_q + G - 1) / G;
  float *s = a->scratch + floats * (size_t)n_groups;
  struct group g;
  int most = 0;
  for (int i = 0; i < n_groups; i++) {
    group_init(a, i * G, a->scratch + floats * (size_t)i, &g);
    group_clear(a, i * G, &g);
    if (g.most > most) most = g.most;
  }
  for (int p0 = 0; p0 < most; p0 += RK_ATTN_BLOCK) {
    const int n = most - p0 < RK_ATTN_BLOCK ? most - p0 : RK_ATTN_BLOCK;
    const struct kv_block b = read_block(a, p0, n, (uint16_t *)(void *)(s + G * RK_ATTN_BLOCK));
    for (int i = 0; i < n_groups; i++) {
      group_init(a, i * G, a->scratch + floats * (size_t)i, &g);
      if (p0 < g.most) block(a, &g, &b, p0, s);
    }
  }
  for (int i = 0; i < n_groups; i++) {
    group_init(a, i * G, a->scratch + floats * (size_t)i, &g);
    finish(a, i * G, &g);
  }
}

#endif
