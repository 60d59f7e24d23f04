/* engine.c - jobs and slots.
 *
 * A step makes one batch of rows out of all unfinished jobs: first the rows of
 * those that lack few tokens, because somebody reads along; those that read a
 * prompt share the rest. The first job served moves on by one each step, so
 * nobody waits for ever. */
#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "engine/compute.h"
#include "engine/kernels/kernels.h"

enum { SHORT_JOB = 32 }; /* a reply that goes on, its drafts included */
enum { DEFAULT_CTX = 32768, DEFAULT_SLOTS = 4, DEFAULT_BATCH = 256, COPY_LEAST = 16 };

struct rk_engine {
  const struct rk_model *m;
  const struct rk_kernels *kern;
  struct rk_pool *pool;
  struct rk_compute *compute;
  struct rk_kv_shape kv;
  struct rk_kv_slot *slots;  /* [max_slots], n_slots of them made */
  uint64_t *busy_step;       /* [max_slots] step in which a job last held it */
  int32_t n_slots, max_slots;
  int32_t n_ctx, n_batch;
  struct rk_row *rows;       /* [n_batch] */
  uint64_t step;
};

/* ---- making one ---- */

static const struct rk_kernels *pick_kernels(const struct rk_engine_opts *o, struct rk_error *e) {
  const struct rk_kernels *k = rk_kernels_select(o->float_path ? "scalar" : o->kernels);
  if (!k) rk_fail(e, RK_EINVAL, "this processor has no %s kernels; leave the choice to rukou or take scalar", o->kernels);
  return k;
}

static rk_err setup(struct rk_engine *en, const struct rk_engine_opts *o, struct rk_error *e) {
  const struct rk_hparams *hp = &en->m->hp;
  if (o->n_ctx < 0 || o->n_slots < 0 || o->n_slots > RK_MAX_KV_SLOTS || o->n_chunk < 0 ||
      o->n_chunk > RK_MAX_ENGINE_CHUNK || o->n_ctx > RK_MAX_MODEL_CONTEXT)
    return rk_fail(e, RK_EINVAL, "the engine's context, slots or chunk are out of range");
  en->kern = pick_kernels(o, e);
  if (!en->kern) return RK_EINVAL;
  en->n_ctx = o->n_ctx ? o->n_ctx : hp->n_ctx_train < DEFAULT_CTX ? hp->n_ctx_train : DEFAULT_CTX;
  en->n_batch = o->n_chunk ? o->n_chunk : DEFAULT_BATCH;
  en->max_slots = o->n_slots ? o->n_slots : DEFAULT_SLOTS;
  const enum rk_kv_type type = o->float_path ? RK_KV_F32 : RK_KV_F16;
  en->kv = (struct rk_kv_shape){hp->n_layer, hp->n_head_kv, hp->head_dim,
                                (en->n_ctx + RK_ATTN_BLOCK - 1) / RK_ATTN_BLOCK * RK_ATTN_BLOCK, type, type};
  en->slots = calloc((size_t)en->max_slots, sizeof *en->slots);
  en->busy_step = calloc((size_t)en->max_slots, sizeof *en->busy_step);
  en->rows = calloc((size_t)en->n_batch, sizeof *en->rows);
  en->pool = rk_pool_new(o->n_threads > 0 ? o->n_threads : rk_usable_cores());
  if (!en->slots || !en->busy_step || !en->rows || !en->pool)
    return rk_fail(e, RK_ENOMEM, "no memory or threads for the engine");
  struct rk_compute_opts co = {en->kern, en->pool, en->n_batch, o->float_path};
  return rk_compute_new(en->m, &co, &en->kv, &en->compute, e);
}

rk_err rk_engine_new(const struct rk_model *m, const struct rk_engine_opts *o, struct rk_engine **out,
                     struct rk_error *e) {
  static const struct rk_engine_opts defaults;
  *out = NULL;
  struct rk_engine *en = calloc(1, sizeof *en);
  if (!en) return rk_fail(e, RK_ENOMEM, "no memory for the engine");
  en->m = m;
  rk_err err = setup(en, o ? o : &defaults, e);
  if (err != RK_OK) {
    rk_engine_free(en);
    return err;
  }
  *out = en;
  return RK_OK;
}

void rk_engine_free(struct rk_engine *en) {
  if (!en) return;
  rk_compute_free(en->compute);
  rk_pool_free(en->pool);
  for (int32_t i = 0; i < en->n_slots; i++) rk_kv_slot_release(&en->slots[i]);
  free(en->slots);
  free(en->busy_step);
  free(en->rows);
  free(en);
}

int32_t rk_engine_n_ctx(const struct rk_engine *en) { return en->n_ctx; }
const char *rk_engine_kernels(const struct rk_engine *en) { return en->kern->name; }

/* ---- which row's logits a job wants ---- */

/* Place of position pos in job->logits, or -1. */
static int32_t logits_row(const struct rk_job *j, int32_t pos) {
  switch (j->rows) {
    case RK_ROWS_ALL: return pos;
    case RK_ROWS_LAST: return pos == j->n_tokens - 1 ? 0 : -1;
    case RK_ROWS_LIST:
      for (int32_t lo = 0, hi = j->n_rows; lo < hi;) {
        int32_t mid = lo + (hi - lo) / 2;
        if (j->row_list[mid] == pos) return mid;
        if (j->row_list[mid] < pos) lo = mid + 1;
        else hi = mid;
      }
      return -1;
    default: return -1;
  }
}

/* Positions before this one may come from the KV: their logits are not wanted. */
static int32_t reuse_limit(const struct rk_job *j) {
  switch (j->rows) {
    case RK_ROWS_ALL: return 0;
    case RK_ROWS_LAST: return j->n_tokens - 1;
    case RK_ROWS_LIST: return j->n_rows > 0 && j->row_list[0] < j->n_tokens ? j->row_list[0] : j->n_tokens;
    default: return j->n_tokens;
  }
}

/* ---- slots ---- */

static int32_t common_prefix(const struct rk_kv_slot *s, const int32_t *tokens, int32_t n) {
  int32_t i = 0;
  if (n > s->n_cached) n = s->n_cached;
  while (i < n && s->tokens[i] == tokens[i]) i++;
  return i;
}

static bool is_busy(const struct rk_engine *en, int32_t i) { return en->busy_step[i] == en->step; }

/* Another slot holds the fixed prefix of slot i as well. */
static bool prefix_is_elsewhere(const struct rk_engine *en, int32_t i) {
  const struct rk_kv_slot *s = &en->slots[i];
  for (int32_t k = 0; k < en->n_slots; k++)
    if (k != i && common_prefix(&en->slots[k], s->tokens, s->n_keep) == s->n_keep) return true;
  return s->n_keep == 0;
}

/* Lower is given away first: released slots, then those whose fixed prefix is
 * not lost, then the longest unused. */
static bool gives_way_before(const struct rk_engine *en, int32_t a, int32_t b) {
  const struct rk_kv_slot *x = &en->slots[a], *y = &en->slots[b];
  bool keep_x = !prefix_is_elsewhere(en, a), keep_y = !prefix_is_elsewhere(en, b);
  if (keep_x != keep_y) return keep_y;
  if ((x->owner == 0) != (y->owner == 0)) return x->owner == 0;
  return x->last_used < y->last_used;
}

/* The slot of the job's conversation; a released one that the job continues;
 * a new one; the one that gives way first. -1: all are held by other jobs. */
static int32_t choose_slot(struct rk_engine *en, const struct rk_job *j) {
  int32_t continued = -1, longest = 0, victim = -1;
  for (int32_t i = 0; i < en->n_slots; i++) {
    const struct rk_kv_slot *s = &en->slots[i];
    if (is_busy(en, i)) continue;
    if (j->owner && s->owner == j->owner) return i;
    int32_t n = common_prefix(s, j->tokens, j->n_tokens);
    if (s->owner == 0 && n > s->n_cached / 2 && n > longest) continued = i, longest = n;
    if (victim < 0 || gives_way_before(en, i, victim)) victim = i;
  }
  if (continued >= 0) return continued;
  if (en->n_slots < en->max_slots && rk_kv_slot_init(&en->slots[en->n_slots], &en->kv)) return en->n_slots++;
  return victim;
}

/* Cuts the slot down to what the job shares with it, and takes over what
 * another slot holds of the job's prefix beyond that. */
static void reuse(struct rk_engine *en, struct rk_kv_slot *s, struct rk_job *j) {
  const int32_t limit = reuse_limit(j);
  int32_t best = common_prefix(s, j->tokens, limit);
  const struct rk_kv_slot *from = NULL;
  for (int32_t i = 0; i < en->n_slots; i++) {
    int32_t n = common_prefix(&en->slots[i], j->tokens, limit);
    if (&en->slots[i] != s && n >= best + COPY_LEAST) best = n, from = &en->slots[i];
  }
  if (from) rk_kv_copy(s, from, &en->kv, common_prefix(s, j->tokens, limit), best);
  if (s->n_keep > best) s->n_keep = 0;
  s->n_cached = best;
  j->n_done = j->n_reused = best;
}

static bool holds(const struct rk_engine *en, const struct rk_job *j) {
  if (j->slot < 1 || j->slot > en->n_slots || j->n_done < 1) return false;
  const struct rk_kv_slot *s = &en->slots[j->slot - 1];
  int32_t n = s->n_pending ? s->n_pending : s->n_cached;
  return s->owner == j->owner && j->n_done <= n && memcmp(s->tokens, j->tokens, sizeof *s->tokens * (size_t)j->n_done) == 0;
}

/* Gives the job a slot, or keeps the one it has. False: it has to wait. */
static bool assign(struct rk_engine *en, struct rk_job *j) {
  if (!holds(en, j) || is_busy(en, j->slot - 1)) {
    int32_t i = choose_slot(en, j);
    if (i < 0) return false;
    reuse(en, &en->slots[i], j);
    j->slot = i + 1;
  }
  struct rk_kv_slot *s = &en->slots[j->slot - 1];
  s->owner = j->owner;
  s->last_used = en->step;
  if (j->n_keep > s->n_keep && j->n_keep <= j->n_tokens) s->n_keep = j->n_keep;
  s->n_cached = j->n_done;
  en->busy_step[j->slot - 1] = en->step;
  return true;
}

void rk_engine_release(struct rk_engine *en, uint64_t owner) {
  for (int32_t i = 0; i < en->n_slots; i++)
    if (en->slots[i].owner == owner) en->slots[i].owner = 0;
}

/* ---- steps ---- */

static bool is_done(const struct rk_job *j) { return j->err != RK_OK || j->n_done >= j->n_tokens; }

/* A caller that breaks the contract gets an error, not a wild write. */
static rk_err check(const struct rk_engine *en, const struct rk_job *j) {
  if (j->n_tokens > en->n_ctx) return RK_ECONTEXT;
  if (j->n_tokens < 1 || j->n_done < 0 || (j->rows != RK_ROWS_NONE && !j->logits)) return RK_EINVAL;
  for (int32_t i = 0; j->only && i < j->n_only; i++)
    if (j->only[i] < (i ? j->only[i - 1] : 0) || j->only[i] >= en->m->hp.n_vocab) return RK_EINVAL;
  for (int32_t i = j->n_done; i < j->n_tokens; i++)
    if (j->tokens[i] < 0 || j->tokens[i] >= en->m->hp.n_vocab) return RK_EINVAL;
  return RK_OK;
}

static int32_t add_rows(struct rk_engine *en, struct rk_job *j, int32_t n_rows, int32_t n) {
  struct rk_kv_slot *s = &en->slots[j->slot - 1];
  for (int32_t i = 0; i < n; i++) {
    int32_t pos = j->n_done + i, at = logits_row(j, pos);
    float *logits = at < 0 ? NULL : j->logits + (size_t)at * (size_t)en->m->hp.n_vocab;
    en->rows[n_rows + i] = (struct rk_row){j->tokens[pos], pos, s->blocks, logits, j->only, j->n_only};
    s->tokens[pos] = j->tokens[pos];
  }
  s->n_pending = j->n_done += n;
  return n_rows + n;
}

static bool is_short(const struct rk_engine *en, const struct rk_job *j) { return holds(en, j) && j->n_tokens - j->n_done <= SHORT_JOB; }

static void keep_computed(struct rk_kv_slot *s) {
  if (s->n_pending) s->n_cached = s->n_pending;
  s->n_pending = 0;
}

/* Adds rows for the n_open jobs that are short, or for those that are not. */
static int32_t serve(struct rk_engine *en, struct rk_job *const jobs[], int32_t n_jobs, bool shorts, int32_t n_open, int32_t n_rows) {
  for (int32_t i = 0; i < n_jobs && n_rows < en->n_batch; i++) {
    struct rk_job *j = jobs[(i + (int32_t)(en->step % (uint64_t)n_jobs)) % n_jobs];
    if (is_done(j) || is_short(en, j) != shorts) continue;
    if (holds(en, j)) en->busy_step[j->slot - 1] = 0;
    if (!assign(en, j)) continue;
    int32_t n = (en->n_batch - n_rows) / (n_open > 0 ? n_open-- : 1);
    if (n < 1) n = 1;
    if (j->n_most > 0 && n > j->n_most) n = j->n_most;
    if (n > j->n_tokens - j->n_done) n = j->n_tokens - j->n_done;
    n_rows = add_rows(en, j, n_rows, n);
  }
  return n_rows;
}

int32_t rk_engine_step(struct rk_engine *en, struct rk_job *const jobs[], int32_t n_jobs) {
  int32_t n_rows = 0, n_open[2] = {0}, n_failed = 0, unfinished = 0;
  en->step++;
  for (int32_t i = 0; i < n_jobs; i++) {
    if (!is_done(jobs[i])) jobs[i]->err = check(en, jobs[i]);
    n_failed += jobs[i]->err != RK_OK;
    if (is_done(jobs[i])) continue;
    if (holds(en, jobs[i])) en->busy_step[jobs[i]->slot - 1] = en->step;
    n_open[is_short(en, jobs[i])]++;
  }
  for (int shorts = 1; shorts >= 0; shorts--) n_rows = serve(en, jobs, n_jobs, shorts, n_open[shorts], n_rows);
  if (n_rows > 0) rk_compute_run(en->compute, en->rows, n_rows);
  for (int32_t i = 0; i < en->n_slots; i++) keep_computed(&en->slots[i]);
  if (n_jobs > 0 && n_failed == n_jobs) return -1;
  for (int32_t i = 0; i < n_jobs; i++) unfinished += !is_done(jobs[i]);
  return unfinished;
}
