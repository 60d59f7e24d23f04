/* compute.c - one layer is six parallel regions:
 *
 *   norm + quantize      per group of tokens
 *   q, k, v              per few tiles of 16 rows, all tokens
 *   rope, store k and v  per group of tokens
 *   attention            per key head and group of tokens
 *   quantize, wo + x     per group; per few tiles
 *   norm + quantize, gate, up, SiLU (quantized at once), down + x
 *
 * Tokens are taken in groups of 8, 4 or 1, for which there are kernels; the
 * last group may be padded with zeros. */
#include "engine/compute.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "engine/kernels/kernels.h"
#include "engine/repack.h"
#include "engine/weights.h"

enum { MAX_T = RK_MAX_T, ITEM_BYTES = 32768, ITEM_TILES = 4 };

struct layer {
  struct rk_matrix q, k, v, o, gate, up, down;
};

struct group {
  enum rk_tcount tc;
  int32_t T;       /* tokens the kernel takes */
  int32_t first, n; /* rows of the batch; n <= T */
};

/* Inputs of a matrix, per group of tokens: quantized blocks and floats, whichever its users need. */
struct input {
  uint8_t *quant;  /* group g at first(g) * n_in/32 * 48 bytes */
  float *floats;   /* group g at first(g) * n_in */
};

struct rk_compute {
  const struct rk_model *m;
  const struct rk_kernels *kern;
  struct rk_pool *pool;
  struct rk_kv_shape kv;
  bool float_path;
  int32_t n_batch;           /* multiple of MAX_T */
  struct rk_weights weights;
  struct layer *layers;      /* [n_layer] */
  struct rk_matrix head;
  double *inv_freq;          /* [head_dim/2] */
  uint8_t *buffers;          /* behind the pointers below */
  float *x;                  /* [n_batch][n_embd] */
  float *q, *k, *v;          /* [n_batch][n_head or n_head_kv * head_dim] */
  float *att;                /* [n_batch][n_head * head_dim] */
  float *rope;               /* [n_batch][head_dim]: cos, sin */
  struct input in, ff;       /* n_embd or n_head * head_dim wide; n_ff wide */
  float *attn_scratch;       /* [n_threads][attn_scratch_floats] */
  size_t attn_scratch_floats;
  struct group *groups;      /* [n_batch] */
  struct rk_row *wanted;     /* [n_batch] rows with logits */
};

/* ---- groups of tokens ---- */

static int32_t make_groups(struct group *g, int32_t n) {
  int32_t n_groups = 0;
  for (int32_t first = 0; first < n; n_groups++) {
    int32_t left = n - first;
    enum rk_tcount tc = left == 1 ? RK_T1 : left <= 4 ? RK_T4 : RK_T8;
    int32_t T = rk_tcount_n(tc);
    g[n_groups] = (struct group){tc, T, first, left < T ? left : T};
    first += T;
  }
  return n_groups;
}

static uint8_t *group_quant(const struct input *in, const struct group *g, int32_t n_in) {
  return in->quant + (size_t)g->first * (size_t)(n_in / RK_BLOCK) * rk_act_block_bytes(1);
}

static float *group_floats(const struct input *in, const struct group *g, int32_t n_in) {
  return in->floats + (size_t)g->first * (size_t)n_in;
}

/* Puts 32 inputs of token t of a group where the kernels expect them. */
static void put_block(const struct rk_compute *c, const struct input *in, const struct group *g, int32_t n_in,
                      int32_t t, int32_t b, const float *x) {
  if (in->quant) c->kern->quantize(x, t, g->T, group_quant(in, g, n_in) + (size_t)b * rk_act_block_bytes(g->T));
  if (!in->floats) return;
  float *f = group_floats(in, g, n_in) + (size_t)b * RK_BLOCK * (size_t)g->T + t;
  for (int32_t i = 0; i < RK_BLOCK; i++) f[i * g->T] = x[i];
}

static void put_row(const struct rk_compute *c, const struct input *in, const struct group *g, int32_t n_in, int32_t t,
                    const float *x) {
  for (int32_t b = 0; b < n_in / RK_BLOCK; b++) put_block(c, in, g, n_in, t, b, x + b * RK_BLOCK);
}

static void pad_group(const struct rk_compute *c, const struct input *in, const struct group *g, int32_t n_in) {
  static const float zeros[RK_BLOCK];
  for (int32_t t = g->n; t < g->T; t++)
    for (int32_t b = 0; b < n_in / RK_BLOCK; b++) put_block(c, in, g, n_in, t, b, zeros);
}

/* ---- norm + quantize ---- */

struct pack_job {
  const struct rk_compute *c;
  const struct group *groups;
  int32_t n_in;
  const float *norm;             /* NULL: as it is */
  const float *x;                /* [tokens][n_in] */
};

static void pack_item(void *ctx, int32_t item, int32_t worker) {
  (void)worker;
  const struct pack_job *j = ctx;
  const struct rk_compute *c = j->c;
  const struct group *g = &j->groups[item];
  float normed[RK_MAX_MODEL_DIM];
  for (int32_t t = 0; t < g->n; t++) {
    const float *x = j->x + (size_t)(g->first + t) * (size_t)j->n_in;
    if (j->norm) c->kern->rms_norm(x, j->norm, j->n_in, c->m->hp.rms_eps, normed);
    put_row(c, &c->in, g, j->n_in, t, j->norm ? normed : x);
  }
  pad_group(c, &c->in, g, j->n_in);
}

/* ---- matrix products ---- */

enum product { STORE, ADD, GATE_UP, LOGITS };

struct part {
  const struct rk_matrix *m;
  const float *bias;  /* STORE; may be NULL */
  float *dst;         /* [tokens][m->n_out] */
};

struct product_job {
  const struct rk_compute *c;
  enum product kind;
  const struct group *groups;
  int32_t n_groups;
  const struct input *in;
  struct part parts[3]; /* GATE_UP: gate and up */
  int32_t n_parts;
  int32_t tiles_per_item;
  const struct rk_row *rows; /* LOGITS */
};

static void multiply(const struct product_job *j, const struct rk_matrix *m, int32_t tile, const struct group *g,
                     float out[MAX_T * RK_TILE]) {
  const uint8_t *act = rk_wformat_is_float(m->format) ? (const uint8_t *)group_floats(j->in, g, m->n_in)
                                                      : group_quant(j->in, g, m->n_in);
  j->c->kern->tile[m->format][g->tc](m->tiles + (size_t)tile * m->tile_bytes, act, m->n_blocks, out);
}

static void finish_tile(const struct product_job *j, const struct part *p, int32_t tile, const struct group *g,
                        const float *out) {
  const int32_t row = tile * RK_TILE, n = p->m->n_out - row < RK_TILE ? p->m->n_out - row : RK_TILE;
  for (int32_t t = 0; t < g->n; t++, out += RK_TILE) {
    float *dst = j->kind == LOGITS ? j->rows[g->first + t].logits
                                   : p->dst + (size_t)(g->first + t) * (size_t)p->m->n_out;
    dst += row;
    if (j->kind == ADD) for (int32_t r = 0; r < n; r++) dst[r] += out[r];
    else if (p->bias) for (int32_t r = 0; r < n; r++) dst[r] = out[r] + p->bias[row + r];
    else memcpy(dst, out, sizeof *out * (size_t)n);
  }
}

/* 32 rows of gate and up become one block of down's input. */
static void gate_up_block(const struct product_job *j, int32_t block, const struct group *g) {
  const struct rk_compute *c = j->c;
  float gate[2][MAX_T * RK_TILE], up[2][MAX_T * RK_TILE];
  for (int h = 0; h < 2; h++) {
    multiply(j, j->parts[0].m, 2 * block + h, g, gate[h]);
    multiply(j, j->parts[1].m, 2 * block + h, g, up[h]);
    c->kern->silu_mul(gate[h], up[h], g->T * RK_TILE);
  }
  for (int32_t t = 0; t < g->T; t++) {
    float x[RK_BLOCK];
    memcpy(x, gate[0] + t * RK_TILE, sizeof x / 2);
    memcpy(x + RK_TILE, gate[1] + t * RK_TILE, sizeof x / 2);
    put_block(c, &c->ff, g, c->m->hp.n_ff, t, block, x);
  }
}

static void product_item(void *ctx, int32_t item, int32_t worker) {
  (void)worker;
  const struct product_job *j = ctx;
  const struct part *p = j->parts;
  while (j->kind != GATE_UP && item >= (p->m->n_tiles + j->tiles_per_item - 1) / j->tiles_per_item)
    item -= (p->m->n_tiles + j->tiles_per_item - 1) / j->tiles_per_item, p++;
  const int32_t end = j->kind == GATE_UP ? p->m->n_tiles / 2 : p->m->n_tiles;
  const int32_t t0 = item * j->tiles_per_item, t1 = t0 + j->tiles_per_item < end ? t0 + j->tiles_per_item : end;
  for (const struct group *g = j->groups; g < j->groups + j->n_groups; g++)
    for (int32_t tile = t0; tile < t1; tile++) {
      if (j->kind == GATE_UP) {
        gate_up_block(j, tile, g);
        continue;
      }
      float out[MAX_T * RK_TILE];
      multiply(j, p->m, tile, g, out);
      finish_tile(j, p, tile, g, out);
    }
}

static void run_product(struct product_job *j) {
  size_t unit = j->parts[0].m->tile_bytes * (j->kind == GATE_UP ? 4 : 1);
  int32_t per = (int32_t)(ITEM_BYTES / unit), least = j->n_groups == 1 ? 1 : j->kind == GATE_UP ? 1 : ITEM_TILES;
  j->tiles_per_item = per < least ? least : per;
  int32_t n_items = 0;
  if (j->kind == GATE_UP) n_items = (j->parts[0].m->n_tiles / 2 + j->tiles_per_item - 1) / j->tiles_per_item;
  else
    for (int32_t i = 0; i < j->n_parts; i++)
      n_items += (j->parts[i].m->n_tiles + j->tiles_per_item - 1) / j->tiles_per_item;
  rk_pool_run(j->c->pool, n_items, product_item, j);
}

/* ---- rope and keys ---- */

struct batch {
  struct rk_compute *c;
  const struct rk_row *rows;
  int32_t n, layer;
  const struct group *groups;
  int32_t n_groups;
};

/* Pairs (i, i + head_dim/2), the NeoX order. table: cos, sin of each pair. */
static void rotate(float *head, const float *table, int32_t half, float scale) {
  for (int32_t i = 0; i < half; i++) {
    float a = head[i], b = head[i + half], cosine = table[i], sine = table[half + i];
    head[i] = (a * cosine - b * sine) * scale;
    head[i + half] = (a * sine + b * cosine) * scale;
  }
}

static void rope_table(const struct rk_compute *c, int32_t pos, float *table) {
  const int32_t half = c->m->hp.head_dim / 2;
  for (int32_t i = 0; i < half; i++) {
    double angle = (double)pos * c->inv_freq[i];
    table[i] = (float)cos(angle);
    table[half + i] = (float)sin(angle);
  }
}

static void rope_heads(const struct rk_compute *c, float *x, int32_t n_head, const struct rk_gguf_tensor *norm,
                       const float *table, float scale) {
  const struct rk_hparams *hp = &c->m->hp;
  for (int32_t h = 0; h < n_head; h++, x += hp->head_dim) {
    if (norm) c->kern->rms_norm(x, (const float *)(const void *)norm->data, hp->head_dim, hp->rms_eps, x);
    rotate(x, table, hp->head_dim / 2, scale);
  }
}

static void rope_item(void *ctx, int32_t item, int32_t worker) {
  (void)worker;
  const struct batch *b = ctx;
  struct rk_compute *c = b->c;
  const struct rk_hparams *hp = &c->m->hp;
  const struct rk_layer *l = &c->m->layers[b->layer];
  const struct group *g = &b->groups[item];
  const float scale = 1.0f / sqrtf((float)hp->head_dim);
  for (int32_t i = g->first; i < g->first + g->n; i++) {
    float *table = c->rope + (size_t)i * (size_t)hp->head_dim;
    float *k = c->k + (size_t)i * (size_t)(hp->n_head_kv * hp->head_dim);
    if (b->layer == 0) rope_table(c, b->rows[i].pos, table);
    rope_heads(c, c->q + (size_t)i * (size_t)(hp->n_head * hp->head_dim), hp->n_head, l->q_norm, table, scale);
    rope_heads(c, k, hp->n_head_kv, l->k_norm, table, 1.0f);
    rk_kv_store(b->rows[i].kv, &c->kv, c->kern, b->layer, b->rows[i].pos, k,
                c->v + (size_t)i * (size_t)(hp->n_head_kv * hp->head_dim));
  }
}

/* ---- attention ---- */

enum { MAX_QUERIES = MAX_T * RK_MAX_HEADS_PER_KV };

/* Rows i..i+n-1 of one sequence. */
static void attend(const struct batch *b, int32_t head_kv, int32_t i, int32_t n, float *scratch) {
  struct rk_compute *c = b->c;
  const struct rk_hparams *hp = &c->m->hp;
  const int32_t per = hp->n_head / hp->n_head_kv;
  int32_t n_pos[MAX_QUERIES];
  const float *q[MAX_QUERIES];
  float *out[MAX_QUERIES];
  for (int32_t t = 0; t < n; t++)
    for (int32_t h = 0; h < per; h++) {
      size_t at = (size_t)((i + t) * hp->n_head + head_kv * per + h) * (size_t)hp->head_dim;
      n_pos[t * per + h] = b->rows[i + t].pos + 1;
      q[t * per + h] = c->q + at;
      out[t * per + h] = c->att + at;
    }
  struct rk_attn a = {hp->head_dim, n * per, n_pos, q, out, (const uint8_t *const *)b->rows[i].kv,
                      rk_kv_k_at(&c->kv, b->layer, head_kv), rk_kv_v_at(&c->kv, b->layer, head_kv), scratch};
  if (c->float_path) rk_attn_f32_scalar(&a);
  else c->kern->attn(&a);
}

static void attn_item(void *ctx, int32_t item, int32_t worker) {
  const struct batch *b = ctx;
  const struct rk_hparams *hp = &b->c->m->hp;
  const struct group *g = &b->groups[item / hp->n_head_kv];
  const int32_t end = g->first + g->n;
  float *scratch = b->c->attn_scratch + (size_t)worker * b->c->attn_scratch_floats;
  for (int32_t i = g->first, n; i < end; i += n) {
    n = 1;
    while (i + n < end && b->rows[i + n].kv == b->rows[i].kv) n++;
    attend(b, item % hp->n_head_kv, i, n, scratch);
  }
}

/* ---- the pass ---- */

static const float *f32(const struct rk_gguf_tensor *t) { return t ? (const float *)(const void *)t->data : NULL; }

static void embed_item(void *ctx, int32_t item, int32_t worker) {
  (void)worker;
  const struct batch *b = ctx;
  const struct group *g = &b->groups[item];
  for (int32_t i = g->first; i < g->first + g->n; i++)
    rk_dequantize_row(b->c->m->embd, b->rows[i].token, b->c->x + (size_t)i * (size_t)b->c->m->hp.n_embd);
}

static void pack(const struct batch *b, const float *x, int32_t n_in, const float *norm) {
  struct pack_job j = {.c = b->c, .groups = b->groups, .n_in = n_in, .norm = norm, .x = x};
  rk_pool_run(b->c->pool, b->n_groups, pack_item, &j);
}

static void product(const struct batch *b, enum product kind, const struct input *in, int32_t n_parts,
                    const struct part parts[]) {
  struct product_job j = {.c = b->c, .kind = kind, .groups = b->groups, .n_groups = b->n_groups, .in = in,
                          .n_parts = n_parts};
  memcpy(j.parts, parts, sizeof *parts * (size_t)n_parts);
  run_product(&j);
}

/* Past its keys and values, the last layer is computed for rows with logits
 * only: they move together. False: there is none. */
static bool keep_wanted(struct batch *b) {
  struct rk_compute *c = b->c;
  const size_t n_embd = (size_t)c->m->hp.n_embd, n_q = (size_t)(c->m->hp.n_head * c->m->hp.head_dim);
  int32_t n = 0;
  for (int32_t i = 0; i < b->n; i++) {
    if (!b->rows[i].logits) continue;
    memmove(c->x + (size_t)n * n_embd, c->x + (size_t)i * n_embd, sizeof *c->x * n_embd);
    memmove(c->q + (size_t)n * n_q, c->q + (size_t)i * n_q, sizeof *c->q * n_q);
    c->wanted[n++] = b->rows[i];
  }
  b->rows = c->wanted;
  b->n = n;
  b->n_groups = make_groups(c->groups, n);
  return n > 0;
}

static bool run_layer(struct batch *b) {
  struct rk_compute *c = b->c;
  const struct rk_hparams *hp = &c->m->hp;
  const struct rk_layer *t = &c->m->layers[b->layer];
  const struct layer *l = &c->layers[b->layer];
  pack(b, c->x, hp->n_embd, f32(t->attn_norm));
  product(b, STORE, &c->in, 3,
          (struct part[]){{&l->q, f32(t->bq), c->q}, {&l->k, f32(t->bk), c->k}, {&l->v, f32(t->bv), c->v}});
  rk_pool_run(c->pool, b->n_groups, rope_item, b);
  if (b->layer == hp->n_layer - 1 && !keep_wanted(b)) return false;
  rk_pool_run(c->pool, b->n_groups * hp->n_head_kv, attn_item, b);
  pack(b, c->att, hp->n_head * hp->head_dim, NULL);
  product(b, ADD, &c->in, 1, (struct part[]){{&l->o, NULL, c->x}});
  pack(b, c->x, hp->n_embd, f32(t->ffn_norm));
  product(b, GATE_UP, &c->in, 2, (struct part[]){{&l->gate, NULL, NULL}, {&l->up, NULL, NULL}});
  product(b, ADD, &c->ff, 1, (struct part[]){{&l->down, NULL, c->x}});
  return true;
}

enum { ONLY_IDS = 16 }; /* wanted ids an item looks at */

struct only_job {
  const struct product_job *p;
  const struct group *g;
  const struct rk_row *row;
};

/* The tiles of some ids; one that the id before lies in as well is done already. */
static void only_item(void *ctx, int32_t item, int32_t worker) {
  (void)worker;
  const struct only_job *j = ctx;
  const int32_t *id = j->row->only;
  const int32_t end = (item + 1) * ONLY_IDS < j->row->n_only ? (item + 1) * ONLY_IDS : j->row->n_only;
  for (int32_t i = item * ONLY_IDS; i < end; i++) {
    float out[MAX_T * RK_TILE];
    if (i > 0 && id[i] / RK_TILE == id[i - 1] / RK_TILE) continue;
    multiply(j->p, j->p->parts[0].m, id[i] / RK_TILE, j->g, out);
    finish_tile(j->p, &j->p->parts[0], id[i] / RK_TILE, j->g, out);
  }
}

/* Rows first..first+n-1; one that wants few logits comes alone. */
static void run_head_of(const struct batch *b, int32_t first, int32_t n) {
  struct rk_compute *c = b->c;
  const struct rk_row *rows = b->rows + first;
  const int32_t n_embd = c->m->hp.n_embd, n_groups = make_groups(c->groups, n);
  struct pack_job pj = {.c = c, .groups = c->groups, .n_in = n_embd, .norm = f32(c->m->out_norm),
                        .x = c->x + (size_t)first * (size_t)n_embd};
  struct product_job j = {.c = c, .kind = LOGITS, .groups = c->groups, .n_groups = n_groups, .in = &c->in,
                          .parts = {{&c->head, NULL, NULL}}, .n_parts = 1, .rows = rows};
  struct only_job oj = {&j, c->groups, rows};
  rk_pool_run(c->pool, n_groups, pack_item, &pj);
  if (rows->only) rk_pool_run(c->pool, (rows->n_only + ONLY_IDS - 1) / ONLY_IDS, only_item, &oj);
  else run_product(&j);
}

static void run_head(const struct batch *b) {
  for (int32_t i = 0, n; i < b->n; i += n) {
    for (n = 1; !b->rows[i].only && i + n < b->n && !b->rows[i + n].only;) n++;
    run_head_of(b, i, n);
  }
}

void rk_compute_run(struct rk_compute *c, const struct rk_row *rows, int32_t n) {
  RK_ASSERT(n >= 1 && n <= c->n_batch);
  struct batch b = {.c = c, .rows = rows, .n = n, .groups = c->groups, .n_groups = make_groups(c->groups, n)};
  rk_pool_run(c->pool, b.n_groups, embed_item, &b);
  for (b.layer = 0; b.layer < c->m->hp.n_layer; b.layer++)
    if (!run_layer(&b)) return;
  run_head(&b);
}

/* ---- weights ---- */

/* Every matrix of the model with its tensor, in order of use. */
static int32_t list_matrices(struct rk_compute *c, struct rk_matrix **m, const struct rk_gguf_tensor **t) {
  int32_t n = 0;
  for (int32_t il = 0; il < c->m->hp.n_layer; il++) {
    const struct rk_layer *s = &c->m->layers[il];
    struct layer *l = &c->layers[il];
    struct rk_matrix *ms[] = {&l->q, &l->k, &l->v, &l->o, &l->gate, &l->up, &l->down};
    const struct rk_gguf_tensor *ts[] = {s->wq, s->wk, s->wv, s->wo, s->gate, s->up, s->down};
    for (int i = 0; i < 7; i++, n++) m[n] = ms[i], t[n] = ts[i];
  }
  m[n] = &c->head, t[n] = c->m->head;
  return n + 1;
}

static rk_err load_weights(struct rk_compute *c, const struct rk_compute_opts *o, struct rk_matrix **m,
                           const struct rk_gguf_tensor **t, struct rk_error *e) {
  const struct rk_wcache_key key = {c->float_path ? NULL : o->cache_dir, o->model_id, c->kern->name};
  const int32_t n = list_matrices(c, m, t);
  for (int32_t i = 0; i < n; i++)
    rk_matrix_shape(t[i], c->float_path, m[i]);
  return rk_weights_load(&c->weights, c->m, &key, c->pool, m, t, n, e);
}

/* ---- buffers ---- */

static void note_need(const struct rk_matrix *m, bool *quant, bool *floats) {
  if (rk_wformat_is_float(m->format)) *floats = true;
  else *quant = true;
}

static void needs(const struct rk_compute *c, bool in[2], bool ff[2]) {
  note_need(&c->head, &in[0], &in[1]);
  for (int32_t il = 0; il < c->m->hp.n_layer; il++) {
    const struct layer *l = &c->layers[il];
    const struct rk_matrix *ms[] = {&l->q, &l->k, &l->v, &l->o, &l->gate, &l->up};
    for (int i = 0; i < 6; i++) note_need(ms[i], &in[0], &in[1]);
    note_need(&l->down, &ff[0], &ff[1]);
  }
}

static rk_err new_buffers(struct rk_compute *c, struct rk_error *e) {
  const struct rk_hparams *hp = &c->m->hp;
  const size_t n = (size_t)c->n_batch, n_q = (size_t)(hp->n_head * hp->head_dim);
  const size_t n_kv = (size_t)(hp->n_head_kv * hp->head_dim), n_embd = (size_t)hp->n_embd, n_ff = (size_t)hp->n_ff;
  const size_t widest = n_q > n_embd ? n_q : n_embd, act = rk_act_block_bytes(1);
  bool in[2] = {0}, ff[2] = {0};
  needs(c, in, ff);
  c->attn_scratch_floats = rk_attn_scratch_floats(MAX_QUERIES, hp->head_dim);
  const struct { size_t bytes; void **p; bool need; } rows[] = {
    {n * n_embd * 4, (void **)&c->x, true},
    {n * n_q * 4, (void **)&c->q, true},
    {n * n_kv * 4, (void **)&c->k, true},
    {n * n_kv * 4, (void **)&c->v, true},
    {n * n_q * 4, (void **)&c->att, true},
    {n * (size_t)hp->head_dim * 4, (void **)&c->rope, true},
    {n * widest / RK_BLOCK * act, (void **)&c->in.quant, in[0]},
    {n * widest * 4, (void **)&c->in.floats, in[1]},
    {n * n_ff / RK_BLOCK * act, (void **)&c->ff.quant, ff[0]},
    {n * n_ff * 4, (void **)&c->ff.floats, ff[1]},
    {(size_t)rk_pool_n_threads(c->pool) * c->attn_scratch_floats * 4, (void **)&c->attn_scratch, true},
    {n * sizeof *c->groups, (void **)&c->groups, true},
    {n * sizeof *c->wanted, (void **)&c->wanted, true},
  };
  size_t bytes = 0;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) bytes += (rows[i].bytes + 63) / 64 * 64;
  c->buffers = aligned_alloc(64, bytes);
  if (!c->buffers) return rk_fail(e, RK_ENOMEM, "no memory for the engine's buffers (%zu MB)", bytes >> 20);
  memset(c->buffers, 0, bytes);
  size_t at = 0;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (rows[i].need) *rows[i].p = c->buffers + at;
    at += (rows[i].bytes + 63) / 64 * 64;
  }
  return RK_OK;
}

static rk_err setup(struct rk_compute *c, const struct rk_compute_opts *o, struct rk_error *e) {
  const struct rk_hparams *hp = &c->m->hp;
  const size_t n_matrices = (size_t)hp->n_layer * 7 + 1;
  c->layers = calloc((size_t)hp->n_layer, sizeof *c->layers);
  c->inv_freq = calloc((size_t)hp->head_dim / 2, sizeof *c->inv_freq);
  struct rk_matrix **m = calloc(n_matrices, sizeof *m);
  const struct rk_gguf_tensor **t = calloc(n_matrices, sizeof *t);
  rk_err err = RK_OK;
  if (!c->layers || !c->inv_freq || !m || !t) err = rk_fail(e, RK_ENOMEM, "no memory for the engine");
  if (err == RK_OK) err = load_weights(c, o, m, t, e);
  free(m);
  free(t);
  if (err != RK_OK) return err;
  for (int32_t i = 0; i < hp->head_dim / 2; i++)
    c->inv_freq[i] = pow((double)hp->rope_base, -2.0 * i / hp->head_dim);
  return new_buffers(c, e);
}

rk_err rk_compute_new(const struct rk_model *m, const struct rk_compute_opts *o, const struct rk_kv_shape *kv,
                      struct rk_compute **out, struct rk_error *e) {
  *out = NULL;
  struct rk_compute *c = calloc(1, sizeof *c);
  if (!c) return rk_fail(e, RK_ENOMEM, "no memory for the engine");
  c->m = m;
  c->kern = o->kernels;
  c->pool = o->pool;
  c->kv = *kv;
  c->float_path = o->float_path;
  c->n_batch = (o->n_batch + MAX_T - 1) / MAX_T * MAX_T;
  rk_err err = setup(c, o, e);
  if (err != RK_OK) {
    rk_compute_free(c);
    return err;
  }
  *out = c;
  return RK_OK;
}

void rk_compute_free(struct rk_compute *c) {
  if (!c) return;
  rk_weights_release(&c->weights);
  free(c->layers);
  free(c->inv_freq);
  free(c->buffers);
  free(c);
}
