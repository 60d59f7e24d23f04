/* compute.c - one layer is six parallel regions:
 *
 *   norm + quantize      per group of tokens, or stretch of inputs
 *   q, k, v              per few tiles of 16 rows, all tokens
 *   rope, store k and v  per token
 *   attention            per key head and group of tokens
 *   quantize, wo + x     per group; per few tiles
 *   norm + quantize, gate, up, SiLU (quantized at once), down + x
 *
 * An attention layer may gate its result (qwen3next); a layer with a gated delta
 * net (deltanet.c) takes the place of attention; experts (moe.c) the place of
 * gate, up, down, or stand beside them.
 *
 * Tokens are taken in groups of 8, 4, 2 or 1, for which there are kernels; the
 * last group may be padded with zeros. */
#include "engine/compute.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/limits.h"
#include "engine/deltanet.h"
#include "engine/kernels/kernels.h"
#include "engine/moe.h"
#include "engine/repack.h"
#include "engine/rope.h"
#include "engine/weights.h"

enum { MAX_T = RK_MAX_T, ITEM_BYTES = 32768, ITEM_TILES = 4 };

/* n_tiles == 0: the layer has none. */
struct layer {
  struct rk_matrix q, k, v, o, gate, up, down;
  struct rk_matrix qkv, z, beta, alpha, delta_out; /* older files: qkv is q, k, v, z; qwen3next: beta is both */
  struct rk_matrix router;
  struct rk_moe_matrices experts;
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
  struct rk_moe *moe;        /* NULL: dense */
  double *inv_freq;          /* [n_rot/2] */
  float rope_length;
  uint8_t *buffers;          /* behind the pointers below */
  float *x;                  /* [n_batch][n_embd] */
  float *q, *k, *v;          /* [n_batch][n_head or n_head_kv * head_dim] */
  float *att;                /* [n_batch][n_head * head_dim, or n_v * dim of a delta net] */
  float *qg;                 /* [n_batch][n_head][2][head_dim]: queries and gates */
  float *qkv, *z, *ba;       /* [n_batch][channels, with z in older files], [n_v * dim], [2 * n_v] */
  float *normed, *router, *shared; /* [n_batch][n_embd], [n_expert], [n_embd] */
  float *rope;               /* [n_batch][n_rot]: cos, sin */
  float *k_rope;             /* keys in Q8_0 with a bias: of all positions, see rk_kv8; [n_k_rope][head_dim] are made */
  int32_t n_k_rope, n_ctx;
  struct input in, ff;       /* n_embd or n_head * head_dim wide; n_ff wide */
  float *attn_scratch;       /* [n_threads][attn_scratch_floats] */
  size_t attn_scratch_floats;
  struct group *groups;      /* [n_batch] */
  struct rk_row *wanted;     /* [n_batch] rows with logits */
};

static const float *f32(const struct rk_gguf_tensor *t) { return t ? (const float *)(const void *)t->data : NULL; }

/* ---- groups of tokens ---- */

static int32_t make_groups(struct group *g, int32_t n) {
  int32_t n_groups = 0;
  for (int32_t first = 0; first < n; n_groups++) {
    int32_t left = n - first;
    enum rk_tcount tc = rk_tcount_for(left);
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

/* ---- norm + quantize ---- */

struct pack_job {
  const struct rk_compute *c;
  const struct group *groups;
  int32_t n_in, n_parts;         /* items of a group: a stretch of the inputs each */
  const float *norm;             /* NULL: as it is */
  const float *x;                /* [tokens][n_in] */
};

static void pack_item(void *ctx, int32_t item, int32_t worker) {
  static const float zeros[RK_BLOCK];
  (void)worker;
  const struct pack_job *j = ctx;
  const struct rk_compute *c = j->c;
  const struct group *g = &j->groups[item / j->n_parts];
  const int32_t n = j->n_in / RK_BLOCK, part = item % j->n_parts, first = n * part / j->n_parts, end = n * (part + 1) / j->n_parts;
  float normed[RK_MAX_MODEL_DIM];
  for (int32_t t = 0; t < g->T; t++) {
    const float *x = t < g->n ? j->x + (size_t)(g->first + t) * (size_t)j->n_in : NULL;
    if (x && j->norm) c->kern->rms_norm(x, j->norm, j->n_in, c->m->hp.rms_eps, normed), x = normed;
    for (int32_t b = first; b < end; b++) put_block(c, &c->in, g, j->n_in, t, b, x ? x + b * RK_BLOCK : zeros);
  }
}

/* Rows of one group are shared out by inputs, so that no two threads write the same line; a single row is done sooner
 * than another thread hears of it. */
static void run_pack(struct pack_job *j, int32_t n_groups) {
  j->n_parts = n_groups == 1 && j->groups->n > 1 ? rk_pool_n_threads(j->c->pool) : 1;
  rk_pool_run(j->c->pool, n_groups * j->n_parts, pack_item, j);
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

/* Past the cache where a row begins a line: nobody reads logits before all are there, and eight rows that are
 * fetched to be written over took a third of the head's time. Another thread may read them after drain(). */
static void put_logits(float *dst, const float *src, int32_t n) {
#if defined(__x86_64__)
  if (n == RK_TILE && (uintptr_t)dst % 64 == 0) {
    for (int32_t i = 0; i < RK_TILE; i += 4) _mm_stream_ps(dst + i, _mm_loadu_ps(src + i));
    return;
  }
#endif
  memcpy(dst, src, sizeof *src * (size_t)n);
}

static void drain(const struct product_job *j) {
#if defined(__x86_64__)
  if (j->kind == LOGITS) _mm_sfence();
#else
  (void)j;
#endif
}

static void finish_tile(const struct product_job *j, const struct part *p, int32_t tile, const struct group *g,
                        const float *out) {
  const int32_t row = tile * RK_TILE, n = p->m->n_out - row < RK_TILE ? p->m->n_out - row : RK_TILE;
  for (int32_t t = 0; t < g->n; t++, out += RK_TILE) {
    if (j->kind == LOGITS) {
      put_logits(j->rows[g->first + t].logits + row, out, n);
      continue;
    }
    float *dst = p->dst + (size_t)(g->first + t) * (size_t)p->m->n_out + row;
    if (j->kind == ADD) for (int32_t r = 0; r < n; r++) dst[r] += out[r];
    else if (p->bias) for (int32_t r = 0; r < n; r++) dst[r] = out[r] + p->bias[row + r];
    else memcpy(dst, out, sizeof *out * (size_t)n);
  }
}

/* 32 rows of gate and up become one block of down's input. */
static void gate_up_block(const struct product_job *j, int32_t block, const struct group *g) {
  const struct rk_compute *c = j->c;
  float gate[2][MAX_T * RK_TILE], up[2][MAX_T * RK_TILE];
  for (int h = 0; h < 2; h++) multiply(j, j->parts[0].m, 2 * block + h, g, gate[h]);
  for (int h = 0; h < 2; h++) {
    multiply(j, j->parts[1].m, 2 * block + h, g, up[h]);
    c->kern->silu_mul(gate[h], up[h], g->T * RK_TILE);
  }
  for (int32_t t = 0; t < g->T; t++) {
    float x[RK_BLOCK];
    memcpy(x, gate[0] + t * RK_TILE, sizeof x / 2);
    memcpy(x + RK_TILE, gate[1] + t * RK_TILE, sizeof x / 2);
    put_block(c, &c->ff, g, j->parts[0].m->n_out, t, block, x);
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
  drain(j);
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

/* Keys in Q8_0 are stored without their bias; to add it back, every position's angles are kept. */
static bool bias_apart(const struct rk_compute *c) {
  return c->kv.k_type == RK_KV_Q8_0 && c->m->layers[0].bk && c->m->hp.rope.n_rot == c->m->hp.head_dim;
}

static void grow_k_rope(struct rk_compute *c, int32_t n_pos) {
  const struct rk_hparams *hp = &c->m->hp;
  const int32_t hd = hp->head_dim;
  for (int32_t pos = c->n_k_rope; pos < n_pos; pos++) {
    float table[256]; /* head_dim <= 256 */
    rk_rope_table(&hp->rope, c->inv_freq, c->rope_length, pos, table);
    float *dst = c->k_rope + (size_t)(pos / 16 * 16) * (size_t)hd + pos % 16;
    for (int32_t i = 0; i < hd / 2; i++) dst[32 * i] = table[i], dst[32 * i + 16] = table[hd / 2 + i];
  }
  if (n_pos > c->n_k_rope) c->n_k_rope = n_pos;
}

static void rope_heads(const struct rk_compute *c, float *x, int32_t n_head, const struct rk_gguf_tensor *norm,
                       const float *table, float scale) {
  const struct rk_hparams *hp = &c->m->hp;
  for (int32_t h = 0; h < n_head; h++, x += hp->head_dim) {
    if (norm) c->kern->rms_norm(x, (const float *)(const void *)norm->data, hp->head_dim, hp->rms_eps, x);
    rk_rope_rotate(x, hp->head_dim, table, hp->rope.n_rot, scale);
  }
}

/* Queries of row i out of the pairs of query and gate. */
static void take_queries(const struct rk_compute *c, int32_t i, float *q) {
  const int32_t hd = c->m->hp.head_dim, n_head = c->m->hp.n_head;
  const float *qg = c->qg + (size_t)i * (size_t)(2 * n_head * hd);
  for (int32_t h = 0; h < n_head; h++) memcpy(q + h * hd, qg + 2 * h * hd, sizeof *q * (size_t)hd);
}

static void rope_item(void *ctx, int32_t item, int32_t worker) {
  (void)worker;
  const struct batch *b = ctx;
  struct rk_compute *c = b->c;
  const struct rk_hparams *hp = &c->m->hp;
  const struct rk_layer *l = &c->m->layers[b->layer];
  const float scale = 1.44269504f / sqrtf((float)hp->head_dim); /* weights are powers of two */
  const size_t i = (size_t)item, n_kv = (size_t)(hp->n_head_kv * hp->head_dim);
  float *table = c->rope + i * (size_t)hp->rope.n_rot, *q = c->q + i * (size_t)(hp->n_head * hp->head_dim), *k = c->k + i * n_kv;
  if (l->i_kv == 0) rk_rope_table(&hp->rope, c->inv_freq, c->rope_length, b->rows[i].pos, table);
  if (hp->gated_attn) take_queries(c, item, q);
  rope_heads(c, q, hp->n_head, l->q_norm, table, scale);
  rope_heads(c, k, hp->n_head_kv, l->k_norm, table, 1.0f);
  rk_kv_store(b->rows[i].kv, &c->kv, c->kern, l->i_kv, b->rows[i].pos, k, c->v + i * n_kv);
}

/* ---- attention ---- */

enum { MAX_QUERIES = MAX_T * RK_MAX_HEADS_PER_KV };

/* Rows i..i+n-1 of one sequence. */
static void attend(const struct batch *b, int32_t head_kv, int32_t i, int32_t n, float *scratch) {
  struct rk_compute *c = b->c;
  const struct rk_hparams *hp = &c->m->hp;
  const int32_t per = hp->n_head / hp->n_head_kv, i_kv = c->m->layers[b->layer].i_kv;
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
  const bool k8 = c->kv.k_type == RK_KV_Q8_0, v8 = c->kv.v_type == RK_KV_Q8_0;
  struct rk_kv8 kv8 = {.k = k8, .v = v8, .rope = c->k_rope};
  if (bias_apart(c)) kv8.k_bias = f32(c->m->layers[b->layer].bk) + head_kv * hp->head_dim;
  struct rk_attn a = {hp->head_dim, n * per, n_pos, q, out, (const uint8_t *const *)b->rows[i].kv,
                      rk_kv_k_at(&c->kv, i_kv, head_kv), rk_kv_v_at(&c->kv, i_kv, head_kv), k8 || v8 ? &kv8 : NULL,
                      scratch};
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

/* Gated attention: each head's result times the sigmoid of its gate. */
static void gate_item(void *ctx, int32_t item, int32_t worker) {
  (void)worker;
  const struct batch *b = ctx;
  const int32_t hd = b->c->m->hp.head_dim, n_head = b->c->m->hp.n_head;
  const struct group *g = &b->groups[item];
  for (int32_t i = g->first * n_head; i < (g->first + g->n) * n_head; i++) {
    float *att = b->c->att + (size_t)i * (size_t)hd;
    const float *gate = b->c->qg + (size_t)(2 * i + 1) * (size_t)hd;
    for (int32_t d = 0; d < hd; d++) att[d] *= (float)(1 / (1 + exp(-(double)gate[d])));
  }
}

/* ---- gated delta net ---- */

/* One key head of every sequence, positions in order. */
static void delta_item(void *ctx, int32_t item, int32_t worker) {
  (void)worker;
  const struct batch *b = ctx;
  const struct rk_compute *c = b->c;
  const struct rk_hparams *hp = &c->m->hp;
  const struct rk_delta_params *d = &hp->delta;
  const struct rk_layer *t = &c->m->layers[b->layer];
  const struct layer *l = &c->layers[b->layer];
  const bool joint = t->qkvz, both = t->beta_alpha;
  const size_t qkv_row = (size_t)l->qkv.n_out, n_value = (size_t)(d->n_v * d->dim), n_v = (size_t)d->n_v;
  for (int32_t i = 0, n; i < b->n; i += n) {
    n = 1;
    while (i + n < b->n && b->rows[i + n].state == b->rows[i].state) n++;
    const size_t at = (size_t)i;
    struct rk_delta_in in = {.qkv = c->qkv + at * qkv_row, .z = joint ? c->qkv + at * qkv_row : c->z + at * n_value,
                             .beta = c->ba + at * (both ? 2 * n_v : n_v), .qkv_row = qkv_row,
                             .z_row = joint ? qkv_row : n_value, .gate_row = both ? 2 * n_v : n_v, .joint = joint};
    in.alpha = both ? in.beta : c->ba + (size_t)c->n_batch * n_v + at * n_v;
    rk_delta_run(hp, t, c->kern, item, &in, n, b->rows[i].pos,
                 (float *)(void *)b->rows[i].state + (size_t)t->i_delta * rk_delta_layer_floats(d), c->att + at * n_value);
  }
}

/* ---- the pass ---- */

static void embed_item(void *ctx, int32_t item, int32_t worker) {
  (void)worker;
  const struct batch *b = ctx;
  const struct group *g = &b->groups[item];
  for (int32_t i = g->first; i < g->first + g->n; i++)
    rk_dequantize_row(b->c->m->embd, b->rows[i].token, b->c->x + (size_t)i * (size_t)b->c->m->hp.n_embd);
}

static void pack(const struct batch *b, const float *x, int32_t n_in, const float *norm) {
  struct pack_job j = {.c = b->c, .groups = b->groups, .n_in = n_in, .norm = norm, .x = x};
  run_pack(&j, b->n_groups);
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
    if (c->qg) memmove(c->qg + (size_t)n * 2 * n_q, c->qg + (size_t)i * 2 * n_q, sizeof *c->qg * 2 * n_q);
    c->wanted[n++] = b->rows[i];
  }
  b->rows = c->wanted;
  b->n = n;
  b->n_groups = make_groups(c->groups, n);
  return n > 0;
}

/* False: this was the last layer and nobody wants its result. */
static bool run_attention(struct batch *b) {
  struct rk_compute *c = b->c;
  const struct rk_hparams *hp = &c->m->hp;
  const struct rk_layer *t = &c->m->layers[b->layer];
  const struct layer *l = &c->layers[b->layer];
  product(b, STORE, &c->in, 3,
          (struct part[]){{&l->q, f32(t->bq), hp->gated_attn ? c->qg : c->q},
                          {&l->k, bias_apart(c) ? NULL : f32(t->bk), c->k}, {&l->v, f32(t->bv), c->v}});
  rk_pool_run(c->pool, b->n, rope_item, b);
  if (b->layer == hp->n_layer - 1 && !keep_wanted(b)) return false;
  rk_pool_run(c->pool, b->n_groups * hp->n_head_kv, attn_item, b);
  if (hp->gated_attn) rk_pool_run(c->pool, b->n_groups, gate_item, b);
  pack(b, c->att, hp->n_head * hp->head_dim, NULL);
  product(b, ADD, &c->in, 1, (struct part[]){{&l->o, NULL, c->x}});
  return true;
}

static bool run_delta_net(struct batch *b) {
  struct rk_compute *c = b->c;
  const struct rk_delta_params *d = &c->m->hp.delta;
  const struct layer *l = &c->layers[b->layer];
  product(b, STORE, &c->in, l->z.n_tiles ? 2 : 1, (struct part[]){{&l->qkv, NULL, c->qkv}, {&l->z, NULL, c->z}});
  product(b, STORE, &c->in, l->alpha.n_tiles ? 2 : 1,
          (struct part[]){{&l->beta, NULL, c->ba}, {&l->alpha, NULL, c->ba + (size_t)c->n_batch * (size_t)d->n_v}});
  rk_pool_run(c->pool, d->n_k, delta_item, b);
  pack(b, c->att, d->n_v * d->dim, NULL);
  product(b, ADD, &c->in, 1, (struct part[]){{&l->delta_out, NULL, c->x}});
  return b->layer < c->m->hp.n_layer - 1 || keep_wanted(b);
}

static void norm_item(void *ctx, int32_t item, int32_t worker) {
  (void)worker;
  const struct batch *b = ctx;
  const struct rk_compute *c = b->c;
  const int32_t n_embd = c->m->hp.n_embd;
  const float *w = f32(c->m->layers[b->layer].ffn_norm);
  const size_t at = (size_t)item * (size_t)n_embd;
  c->kern->rms_norm(c->x + at, w, n_embd, c->m->hp.rms_eps, c->normed + at);
}

static void run_experts(struct batch *b) {
  struct rk_compute *c = b->c;
  const struct rk_layer *t = &c->m->layers[b->layer];
  const struct layer *l = &c->layers[b->layer];
  rk_pool_run(c->pool, b->n, norm_item, b);
  pack(b, c->normed, c->m->hp.n_embd, NULL);
  product(b, STORE, &c->in, 1, (struct part[]){{&l->router, NULL, c->router}});
  if (t->shared_gate) {
    product(b, GATE_UP, &c->in, 2, (struct part[]){{&l->gate, NULL, NULL}, {&l->up, NULL, NULL}});
    product(b, STORE, &c->ff, 1, (struct part[]){{&l->down, NULL, c->shared}});
  }
  rk_moe_run(c->moe, &l->experts, c->normed, c->router, t->shared_gate ? c->shared : NULL, f32(t->shared_gate), b->n,
             c->x);
}

static bool run_layer(struct batch *b) {
  struct rk_compute *c = b->c;
  const struct rk_hparams *hp = &c->m->hp;
  const struct rk_layer *t = &c->m->layers[b->layer];
  const struct layer *l = &c->layers[b->layer];
  pack(b, c->x, hp->n_embd, f32(t->attn_norm));
  if (!(t->i_delta >= 0 ? run_delta_net(b) : run_attention(b))) return false;
  if (c->moe) {
    run_experts(b);
    return true;
  }
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
  drain(j->p);
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
  run_pack(&pj, n_groups);
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
  for (int32_t i = 0; c->k_rope && i < n; i++) grow_k_rope(c, rows[i].pos + 1);
  rk_pool_run(c->pool, b.n_groups, embed_item, &b);
  for (b.layer = 0; b.layer < c->m->hp.n_layer; b.layer++)
    if (!run_layer(&b)) return;
  run_head(&b);
}

/* ---- weights ---- */

enum { LAYER_MATRICES = 16 };

/* Every matrix of a layer with its tensor, in order of use. */
static int32_t list_layer(const struct rk_layer *s, struct layer *l, struct rk_matrix **m,
                          const struct rk_gguf_tensor **t) {
  const struct { struct rk_matrix *m; const struct rk_gguf_tensor *t; } rows[LAYER_MATRICES] = {
    {&l->q, s->wq}, {&l->k, s->wk}, {&l->v, s->wv}, {&l->o, s->wo},
    {&l->qkv, s->qkv ? s->qkv : s->qkvz}, {&l->z, s->z}, {&l->beta, s->beta ? s->beta : s->beta_alpha},
    {&l->alpha, s->alpha}, {&l->delta_out, s->delta_out}, {&l->router, s->router},
    {&l->gate, s->gate}, {&l->up, s->up}, {&l->down, s->down},
    {&l->experts.gate, s->exp_gate ? s->exp_gate : s->exp_gate_up}, {&l->experts.up, s->exp_up},
    {&l->experts.down, s->exp_down},
  };
  int32_t n = 0;
  for (int i = 0; i < LAYER_MATRICES; i++)
    if (rows[i].t) m[n] = rows[i].m, t[n++] = rows[i].t;
  return n;
}

static int32_t list_matrices(struct rk_compute *c, struct rk_matrix **m, const struct rk_gguf_tensor **t) {
  int32_t n = 0;
  for (int32_t il = 0; il < c->m->hp.n_layer; il++) n += list_layer(&c->m->layers[il], &c->layers[il], m + n, t + n);
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

/* Which kinds of input the users of `in`, of `ff` and of the experts want: quantized, floats. */
struct needs { bool in[2], ff[2], experts[2]; };

static void note_need(const struct rk_matrix *m, bool need[2]) {
  if (m->n_tiles) need[rk_wformat_is_float(m->format)] = true;
}

static struct needs find_needs(const struct rk_compute *c) {
  struct needs n = {0};
  note_need(&c->head, n.in);
  for (int32_t il = 0; il < c->m->hp.n_layer; il++) {
    const struct layer *l = &c->layers[il];
    const struct rk_matrix *ms[] = {&l->q, &l->k, &l->v, &l->o, &l->gate, &l->up, &l->qkv, &l->z, &l->beta, &l->alpha,
                                    &l->delta_out, &l->router};
    for (size_t i = 0; i < sizeof ms / sizeof *ms; i++) note_need(ms[i], n.in);
    note_need(&l->down, n.ff);
    note_need(&l->experts.gate, n.experts), note_need(&l->experts.up, n.experts), note_need(&l->experts.down, n.experts);
  }
  return n;
}

static rk_err new_buffers(struct rk_compute *c, struct rk_error *e) {
  const struct rk_hparams *hp = &c->m->hp;
  const size_t n = (size_t)c->n_batch, n_q = (size_t)(hp->n_head * hp->head_dim);
  const size_t n_kv = (size_t)(hp->n_head_kv * hp->head_dim), n_embd = (size_t)hp->n_embd, n_ff = (size_t)(hp->n_ff + hp->n_ff_shexp);
  const struct rk_delta_params *d = &hp->delta;
  const size_t n_value = (size_t)(d->n_v * d->dim), n_qkvz = (size_t)(2 * d->n_k * d->dim) + 2 * n_value;
  const size_t n_att = n_q > n_value ? n_q : n_value, widest = n_att > n_embd ? n_att : n_embd;
  const size_t act = rk_act_block_bytes(1), n_moe = hp->n_expert ? n_embd : 0;
  const struct needs need = find_needs(c);
  c->attn_scratch_floats = rk_attn_scratch_floats(MAX_QUERIES, hp->head_dim);
  const struct { size_t bytes; void **p; bool need; } rows[] = {
    {n * n_embd * 4, (void **)&c->x, true},
    {n * n_q * 4, (void **)&c->q, true},
    {n * n_kv * 4, (void **)&c->k, true},
    {n * n_kv * 4, (void **)&c->v, true},
    {n * n_att * 4, (void **)&c->att, true},
    {hp->gated_attn ? n * n_q * 8 : 0, (void **)&c->qg, hp->gated_attn},
    {n * n_qkvz * 4, (void **)&c->qkv, d->n_v},
    {n * n_value * 4, (void **)&c->z, d->n_v},
    {n * (size_t)d->n_v * 8, (void **)&c->ba, d->n_v},
    {n * n_moe * 4, (void **)&c->normed, hp->n_expert},
    {n * (size_t)hp->n_expert * 4, (void **)&c->router, hp->n_expert},
    {n * n_moe * 4, (void **)&c->shared, hp->n_expert},
    {n * (size_t)hp->rope.n_rot * 4, (void **)&c->rope, true},
    {n * widest / RK_BLOCK * act, (void **)&c->in.quant, need.in[0]},
    {n * widest * 4, (void **)&c->in.floats, need.in[1]},
    {n * n_ff / RK_BLOCK * act, (void **)&c->ff.quant, need.ff[0]},
    {n * n_ff * 4, (void **)&c->ff.floats, need.ff[1]},
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

static size_t k_rope_bytes(const struct rk_compute *c) {
  return sizeof *c->k_rope * (size_t)((c->n_ctx + 15) / 16 * 16) * (size_t)c->m->hp.head_dim;
}

/* Committed by the system as positions are reached. */
static rk_err new_k_rope(struct rk_compute *c, struct rk_error *e) {
  if (!bias_apart(c)) return RK_OK;
  void *p = mmap(NULL, k_rope_bytes(c), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) return rk_fail(e, RK_ENOMEM, "no memory for the engine's buffers");
  c->k_rope = p;
  return RK_OK;
}

static rk_err setup(struct rk_compute *c, const struct rk_compute_opts *o, struct rk_error *e) {
  const struct rk_hparams *hp = &c->m->hp;
  const size_t n_matrices = (size_t)hp->n_layer * LAYER_MATRICES + 1;
  c->layers = calloc((size_t)hp->n_layer, sizeof *c->layers);
  c->inv_freq = calloc((size_t)hp->rope.n_rot / 2, sizeof *c->inv_freq);
  struct rk_matrix **m = calloc(n_matrices, sizeof *m);
  const struct rk_gguf_tensor **t = calloc(n_matrices, sizeof *t);
  rk_err err = RK_OK;
  if (!c->layers || !c->inv_freq || !m || !t) err = rk_fail(e, RK_ENOMEM, "no memory for the engine");
  if (err == RK_OK) err = load_weights(c, o, m, t, e);
  free(m);
  free(t);
  if (err != RK_OK) return err;
  c->rope_length = rk_rope_init(&hp->rope, c->inv_freq);
  const struct needs need = find_needs(c);
  if (hp->n_expert) err = rk_moe_new(hp, c->kern, c->pool, need.experts[1], need.experts[0], &c->moe, e);
  if (err == RK_OK) err = new_k_rope(c, e);
  if (err != RK_OK) return err;
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
  c->n_ctx = o->n_ctx;
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
  if (c->k_rope) munmap(c->k_rope, k_rope_bytes(c));
  free(c->layers);
  free(c->inv_freq);
  rk_moe_free(c->moe);
  free(c->buffers);
  free(c);
}
