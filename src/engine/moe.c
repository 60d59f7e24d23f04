#include "engine/moe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

enum { MAX_ROWS = 256, MAX_T = 8, PAD = 4, ITEM_BYTES = 65536 };

/* Up to T tokens of one expert. */
struct group {
  enum rk_tcount tc;
  int32_t T, n;
  int32_t first;        /* in pairs */
  int32_t at;           /* padded: where its inputs lie */
};

struct chosen { int32_t expert, first_group, n_groups; };

struct input { uint8_t *quant; float *floats; };

struct rk_moe {
  const struct rk_hparams *hp;
  const struct rk_kernels *kern;
  struct rk_pool *pool;
  uint8_t *buffers;
  int32_t *ids;            /* [MAX_ROWS][n_used] experts of a token, best first */
  float *weights;          /* [MAX_ROWS][n_used] */
  int32_t *pairs;          /* [MAX_ROWS * n_used] token * n_used + rank, by expert */
  int32_t *count;          /* [n_expert] */
  struct chosen *chosen;   /* [n_chosen] experts with tokens, ascending */
  int32_t n_chosen;
  struct group *groups;
  int32_t n_groups;
  struct input in, ff;     /* of n_padded rows */
  float *out;              /* [pairs][n_embd], by token and rank */
};

/* ---- routing ---- */

static void softmax(const float *logits, int32_t n, float *p) {
  float max = logits[0], sum = 0;
  for (int32_t i = 1; i < n; i++) max = fmaxf(max, logits[i]);
  for (int32_t i = 0; i < n; i++) sum += p[i] = (float)exp((double)logits[i] - (double)max);
  for (int32_t i = 0; i < n; i++) p[i] /= sum;
}

void rk_moe_route(const float *logits, int32_t n_expert, int32_t n_used, float scale, int32_t *ids, float *weights) {
  float p[RK_MAX_EXPERTS];
  int32_t n = 0;
  softmax(logits, n_expert, p);
  for (int32_t i = 0; i < n_expert; i++) {
    int32_t at = n;
    while (at > 0 && p[i] > p[ids[at - 1]]) at--;
    if (at == n_used) continue;
    if (n < n_used) n++;
    memmove(ids + at + 1, ids + at, sizeof *ids * (size_t)(n - 1 - at));
    ids[at] = i;
  }
  float sum = 0;
  for (int32_t i = 0; i < n_used; i++) sum += weights[i] = p[ids[i]];
  sum = fmaxf(sum, 0x1p-14f); /* as the reference does */
  for (int32_t i = 0; i < n_used; i++) weights[i] = weights[i] / sum * scale;
}

struct run {
  struct rk_moe *m;
  const struct rk_moe_matrices *w;
  const float *input, *logits, *shared, *shared_gate;
  float *x;
  int32_t n, per_item;
};

static void route_item(void *ctx, int32_t item, int32_t worker) {
  (void)worker;
  const struct run *r = ctx;
  const struct rk_hparams *hp = r->m->hp;
  rk_moe_route(r->logits + (size_t)item * (size_t)hp->n_expert, hp->n_expert, hp->n_expert_used, hp->expert_scale,
               r->m->ids + item * hp->n_expert_used, r->m->weights + item * hp->n_expert_used);
}

/* Makes groups of the n pairs of an expert that begin at `first`. */
static void add_groups(struct rk_moe *m, int32_t expert, int32_t first, int32_t n, int32_t *at) {
  m->chosen[m->n_chosen++] = (struct chosen){expert, m->n_groups, 0};
  for (int32_t left = n; left > 0;) {
    enum rk_tcount tc = rk_tcount_for(left);
    int32_t T = rk_tcount_n(tc), take = left < T ? left : T;
    m->groups[m->n_groups++] = (struct group){tc, T, take, first, *at};
    m->chosen[m->n_chosen - 1].n_groups++;
    *at += T, first += take, left -= take;
  }
}

/* Sorts tokens by expert; within an expert by token. */
static void sort_pairs(struct rk_moe *m, int32_t n) {
  const int32_t n_used = m->hp->n_expert_used, n_expert = m->hp->n_expert;
  memset(m->count, 0, sizeof *m->count * (size_t)n_expert);
  for (int32_t i = 0; i < n * n_used; i++) m->count[m->ids[i]]++;
  m->n_groups = m->n_chosen = 0;
  for (int32_t e = 0, first = 0, at = 0; e < n_expert; e++) {
    int32_t k = m->count[e];
    m->count[e] = first;
    if (k) add_groups(m, e, first, k, &at);
    first += k;
  }
  for (int32_t i = 0; i < n * n_used; i++) m->pairs[m->count[m->ids[i]]++] = i;
}

/* ---- inputs ---- */

static size_t row_quant_bytes(int32_t n_in) { return (size_t)(n_in / RK_BLOCK) * rk_act_block_bytes(1); }

static void put_block(const struct rk_moe *m, const struct input *in, const struct group *g, int32_t n_in, int32_t t,
                      int32_t b, const float *x) {
  if (in->quant)
    m->kern->quantize(x, t, g->T,
                      in->quant + (size_t)g->at * row_quant_bytes(n_in) + (size_t)b * rk_act_block_bytes(g->T));
  if (!in->floats) return;
  float *f = in->floats + (size_t)g->at * (size_t)n_in + (size_t)b * RK_BLOCK * (size_t)g->T + t;
  for (int32_t i = 0; i < RK_BLOCK; i++) f[i * g->T] = x[i];
}

static void pack_item(void *ctx, int32_t item, int32_t worker) {
  (void)worker;
  static const float zeros[RK_BLOCK];
  const struct run *r = ctx;
  const struct rk_moe *m = r->m;
  const int32_t n_in = m->hp->n_embd;
  const struct group *g = &m->groups[item];
  for (int32_t t = 0; t < g->T; t++) {
    const float *x = t < g->n ? r->input + (size_t)(m->pairs[g->first + t] / m->hp->n_expert_used) * (size_t)n_in : NULL;
    for (int32_t b = 0; b < n_in / RK_BLOCK; b++) put_block(m, &m->in, g, n_in, t, b, x ? x + b * RK_BLOCK : zeros);
  }
}

/* ---- products ---- */

static void multiply(const struct rk_moe *m, const struct rk_matrix *w, int32_t tile, const struct input *in,
                     const struct group *g, float out[MAX_T * RK_TILE]) {
  const uint8_t *act = rk_wformat_is_float(w->format)
                           ? (const uint8_t *)(in->floats + (size_t)g->at * (size_t)w->n_in)
                           : in->quant + (size_t)g->at * row_quant_bytes(w->n_in);
  m->kern->tile[w->format][g->tc](w->tiles + (size_t)tile * w->tile_bytes, act, w->n_blocks, out);
}

static int32_t n_items(const struct run *r, int32_t n_units) { return (n_units + r->per_item - 1) / r->per_item; }

/* 32 outputs of gate and up: one block of down's input. */
static void gate_up_block(const struct run *r, int32_t expert, int32_t block, const struct group *g) {
  const struct rk_moe *m = r->m;
  const int32_t n = m->hp->n_ff_exp / RK_TILE;
  const bool joint = r->w->up.n_tiles == 0;
  const struct rk_matrix *up_matrix = joint ? &r->w->gate : &r->w->up;
  const int32_t gate_tile = expert * n * (joint ? 2 : 1) + 2 * block, up_tile = gate_tile + (joint ? n : 0);
  float gate[2][MAX_T * RK_TILE], up[2][MAX_T * RK_TILE];
  for (int h = 0; h < 2; h++) {
    multiply(m, &r->w->gate, gate_tile + h, &m->in, g, gate[h]);
    multiply(m, up_matrix, up_tile + h, &m->in, g, up[h]);
    m->kern->silu_mul(gate[h], up[h], g->T * RK_TILE);
  }
  for (int32_t t = 0; t < g->T; t++) {
    float x[RK_BLOCK];
    memcpy(x, gate[0] + t * RK_TILE, sizeof x / 2);
    memcpy(x + RK_TILE, gate[1] + t * RK_TILE, sizeof x / 2);
    put_block(m, &m->ff, g, m->hp->n_ff_exp, t, block, x);
  }
}

static void gate_up_item(void *ctx, int32_t item, int32_t worker) {
  (void)worker;
  const struct run *r = ctx;
  const int32_t n_blocks = r->m->hp->n_ff_exp / RK_BLOCK, per_expert = n_items(r, n_blocks);
  const struct chosen *c = &r->m->chosen[item / per_expert];
  const int32_t b0 = item % per_expert * r->per_item, b1 = b0 + r->per_item < n_blocks ? b0 + r->per_item : n_blocks;
  for (const struct group *g = r->m->groups + c->first_group; g < r->m->groups + c->first_group + c->n_groups; g++)
    for (int32_t b = b0; b < b1; b++) gate_up_block(r, c->expert, b, g);
}

static void down_item(void *ctx, int32_t item, int32_t worker) {
  (void)worker;
  const struct run *r = ctx;
  const struct rk_moe *m = r->m;
  const int32_t n_embd = m->hp->n_embd, n_tiles = n_embd / RK_TILE, per_expert = n_items(r, n_tiles);
  const struct chosen *c = &m->chosen[item / per_expert];
  const int32_t t0 = item % per_expert * r->per_item, t1 = t0 + r->per_item < n_tiles ? t0 + r->per_item : n_tiles;
  for (const struct group *g = m->groups + c->first_group; g < m->groups + c->first_group + c->n_groups; g++)
    for (int32_t tile = t0; tile < t1; tile++) {
      float out[MAX_T * RK_TILE];
      multiply(m, &r->w->down, c->expert * n_tiles + tile, &m->ff, g, out);
      for (int32_t t = 0; t < g->n; t++)
        memcpy(m->out + (size_t)m->pairs[g->first + t] * (size_t)n_embd + tile * RK_TILE, out + t * RK_TILE,
               sizeof *out * RK_TILE);
    }
}

/* ---- sum ---- */

static float shared_weight(const struct run *r, int32_t token) {
  const float *x = r->input + (size_t)token * (size_t)r->m->hp->n_embd;
  double sum = 0;
  for (int32_t i = 0; i < r->m->hp->n_embd; i++) sum += (double)x[i] * (double)r->shared_gate[i];
  return (float)(1 / (1 + exp(-sum)));
}

static void sum_item(void *ctx, int32_t item, int32_t worker) {
  (void)worker;
  const struct run *r = ctx;
  const int32_t n_embd = r->m->hp->n_embd, n_used = r->m->hp->n_expert_used;
  const float *w = r->m->weights + item * n_used, *out = r->m->out + (size_t)(item * n_used) * (size_t)n_embd;
  const float *shared = r->shared ? r->shared + (size_t)item * (size_t)n_embd : NULL;
  const float sw = shared ? shared_weight(r, item) : 0;
  float *x = r->x + (size_t)item * (size_t)n_embd;
  for (int32_t i = 0; i < n_embd; i++) {
    float sum = 0;
    for (int32_t k = 0; k < n_used; k++) sum += w[k] * out[(size_t)k * (size_t)n_embd + (size_t)i];
    if (shared) sum += sw * shared[i];
    x[i] += sum;
  }
}

static void run_items(struct run *r, int32_t n_units, size_t unit_bytes, rk_pool_fn *fn) {
  r->per_item = unit_bytes < ITEM_BYTES ? (int32_t)(ITEM_BYTES / unit_bytes) : 1;
  rk_pool_run(r->m->pool, r->m->n_chosen * n_items(r, n_units), fn, r);
}

void rk_moe_run(struct rk_moe *m, const struct rk_moe_matrices *w, const float *input, const float *logits,
                const float *shared, const float *shared_gate, int32_t n, float *x) {
  const size_t n_embd = (size_t)m->hp->n_embd, n_expert = (size_t)m->hp->n_expert;
  for (int32_t done = 0; done < n; done += MAX_ROWS) {
    const size_t d = (size_t)done;
    struct run r = {.m = m, .w = w, .input = input + d * n_embd, .logits = logits + d * n_expert,
                    .shared = shared ? shared + d * n_embd : NULL, .shared_gate = shared_gate, .x = x + d * n_embd,
                    .n = n - done < MAX_ROWS ? n - done : MAX_ROWS};
    rk_pool_run(m->pool, r.n, route_item, &r);
    sort_pairs(m, r.n);
    rk_pool_run(m->pool, m->n_groups, pack_item, &r);
    run_items(&r, m->hp->n_ff_exp / RK_BLOCK, 4 * w->gate.tile_bytes, gate_up_item);
    run_items(&r, m->hp->n_embd / RK_TILE, w->down.tile_bytes, down_item);
    rk_pool_run(m->pool, r.n, sum_item, &r);
  }
}

/* ---- life ---- */

rk_err rk_moe_new(const struct rk_hparams *hp, const struct rk_kernels *kern, struct rk_pool *pool, bool floats,
                  bool quants, struct rk_moe **out, struct rk_error *e) {
  struct rk_moe *m = *out = calloc(1, sizeof *m);
  if (!m) return rk_fail(e, RK_ENOMEM, "no memory for the experts' buffers");
  m->hp = hp, m->kern = kern, m->pool = pool;
  const size_t n_pairs = (size_t)MAX_ROWS * (size_t)hp->n_expert_used, n_expert = (size_t)hp->n_expert;
  const size_t n_active = n_expert < n_pairs ? n_expert : n_pairs, n_padded = n_pairs + PAD * n_active;
  const size_t n_embd = (size_t)hp->n_embd, n_ff = (size_t)hp->n_ff_exp;
  const struct { size_t bytes; void **p; bool need; } rows[] = {
    {n_pairs * sizeof *m->ids, (void **)&m->ids, true},
    {n_pairs * sizeof *m->weights, (void **)&m->weights, true},
    {n_pairs * sizeof *m->pairs, (void **)&m->pairs, true},
    {n_expert * sizeof *m->count, (void **)&m->count, true},
    {n_active * sizeof *m->chosen, (void **)&m->chosen, true},
    {n_pairs * sizeof *m->groups, (void **)&m->groups, true},
    {n_padded * row_quant_bytes(hp->n_embd), (void **)&m->in.quant, quants},
    {n_padded * n_embd * 4, (void **)&m->in.floats, floats},
    {n_padded * row_quant_bytes(hp->n_ff_exp), (void **)&m->ff.quant, quants},
    {n_padded * n_ff * 4, (void **)&m->ff.floats, floats},
    {n_pairs * n_embd * 4, (void **)&m->out, true},
  };
  size_t bytes = 0, at = 0;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) bytes += rows[i].need ? (rows[i].bytes + 63) / 64 * 64 : 0;
  m->buffers = aligned_alloc(64, bytes);
  if (!m->buffers) return rk_fail(e, RK_ENOMEM, "no memory for the experts' buffers (%zu MB)", bytes >> 20);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (!rows[i].need) continue;
    *rows[i].p = m->buffers + at;
    at += (rows[i].bytes + 63) / 64 * 64;
  }
  return RK_OK;
}

void rk_moe_free(struct rk_moe *m) {
  if (!m) return;
  free(m->buffers);
  free(m);
}
