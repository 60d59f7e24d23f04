/* engine.c - jobs and slots.
 *
 * A slot is the sequence of one running job (radix.h). When the job is done or
 * not passed any more, the slot is closed and what it computed stays in the
 * tree, where the next job that begins the same finds it.
 *
 * A step makes one batch of rows out of all unfinished jobs: first the rows of
 * those that lack few tokens, because somebody reads along; those that read a
 * prompt share the rest. The first job served moves on by one each step, so
 * nobody waits for ever. */
#include "engine/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "engine/compute.h"
#include "engine/deltanet.h"
#include "engine/kernels/kernels.h"
#include "engine/kvdisk.h"
#include "engine/radix.h"
#include "engine/sysmem.h"

enum { SHORT_JOB = 32 }; /* a reply that goes on, its drafts included */
enum { DEFAULT_CTX = 32768, DEFAULT_SLOTS = 4, DEFAULT_BATCH = 256, WAIT_LEAST = 16 };
#define DEFAULT_KV_BYTES (UINT64_C(1) << 30) /* where the system does not say what is available */

struct slot {
  struct rk_kv_seq seq;
  int32_t ticket;            /* of the job that has it, 0: free; a later job has a higher one */
  struct rk_job *job;        /* valid in the step that busy_step names */
  uint64_t busy_step;
  int32_t n_kept;            /* n_keep of the job when it was seen to */
};

struct rk_engine {
  const struct rk_model *m;
  const struct rk_kernels *kern;
  struct rk_pool *pool;
  struct rk_compute *compute;
  struct rk_kv_shape kv;
  struct rk_kv_tree tree;
  struct rk_kvdisk *disk;    /* NULL: nothing is kept over restarts */
  struct slot *slots;        /* [max_slots], n_slots of them made */
  int32_t n_slots, max_slots;
  int32_t next_ticket;
  int32_t n_ctx, n_batch;
  struct rk_row *rows;       /* [n_batch] */
  uint64_t step;
  struct rk_engine_stats stats;
};

/* ---- making one ---- */

static const struct rk_kernels *pick_kernels(const struct rk_engine_opts *o, struct rk_error *e) {
  const struct rk_kernels *k = rk_kernels_select(o->float_path ? "scalar" : o->kernels);
  if (!k) rk_fail(e, RK_EINVAL, "this processor has no %s kernels; leave the choice to rukou or take scalar", o->kernels);
  return k;
}

/* Half of what is left after the weights, unless the caller says more or less. */
static rk_err setup_kv(struct rk_engine *en, uint64_t kv_bytes, struct rk_error *e) {
  const uint64_t block = rk_kv_block_bytes(&en->kv), available = rk_memory_available();
  const uint64_t most = ((uint64_t)en->n_ctx / RK_ATTN_BLOCK + 1) * RK_MAX_KV_SLOTS;
  if (!kv_bytes) kv_bytes = available ? available / 2 : DEFAULT_KV_BYTES;
  const uint64_t n = kv_bytes / block < most ? kv_bytes / block : most;
  if (n < 2)
    return rk_fail(e, RK_EINVAL, "the KV memory is %llu MB, but %d tokens of this model take %.1f MB: allow at least twice that",
                   (unsigned long long)(kv_bytes >> 20), RK_ATTN_BLOCK, (double)block / (1 << 20));
  if ((uint64_t)en->n_ctx > n * RK_ATTN_BLOCK) {
    en->n_ctx = (int32_t)n * RK_ATTN_BLOCK;
    rk_log(RK_LOG_WARN, "engine", "the KV memory holds %d tokens: longer conversations are refused", en->n_ctx);
  }
  if (rk_kv_tree_init(&en->tree, &en->kv, (int32_t)n, en->n_ctx)) return RK_OK;
  return rk_fail(e, RK_ENOMEM, "no memory for %llu MB of KV; allow less", (unsigned long long)(kv_bytes >> 20));
}

static struct rk_kvdisk *open_disk(const struct rk_engine *en, const struct rk_engine_opts *o) {
  const struct rk_hparams *hp = &en->m->hp;
  struct rk_kvdisk_identity id;
  memset(&id, 0, sizeof id); /* compared as bytes */
  memcpy(id.model_id, o->model_id, sizeof id.model_id);
  snprintf(id.engine, sizeof id.engine, "%s, KV %s", RK_VERSION, RK_KV_VERSION);
  snprintf(id.kernels, sizeof id.kernels, "%s", en->kern->name);
  id.n_layer = en->kv.n_layer, id.n_head_kv = en->kv.n_head_kv, id.head_dim = en->kv.head_dim;
  id.k_type = (int32_t)en->kv.k_type, id.v_type = (int32_t)en->kv.v_type, id.block = RK_ATTN_BLOCK;
  id.state_bytes = en->kv.state_bytes;
  id.rope = rk_hash64(&hp->rope, sizeof hp->rope, 0);
  return rk_kvdisk_open(o->cache_dir, &id);
}

static rk_err pick_kv_type(const struct rk_engine_opts *o, struct rk_kv_shape *kv, struct rk_error *e) {
  static const struct { const char *name; enum rk_kv_type k, v; } types[] = {
    {"f16", RK_KV_F16, RK_KV_F16}, {"q8_0", RK_KV_Q8_0, RK_KV_Q8_0}, {"kf16_vq8", RK_KV_F16, RK_KV_Q8_0},
  };
  kv->k_type = kv->v_type = o->float_path ? RK_KV_F32 : RK_KV_F16;
  if (o->float_path || !o->kv_type) return RK_OK;
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    if (strcmp(types[i].name, o->kv_type) != 0) continue;
    kv->k_type = types[i].k, kv->v_type = types[i].v;
    return RK_OK;
  }
  return rk_fail(e, RK_EINVAL, "keys and values can not be kept as %s; take f16, q8_0 or kf16_vq8", o->kv_type);
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
  en->kv = (struct rk_kv_shape){.n_layer = hp->n_kv_layer, .n_head_kv = hp->n_head_kv, .head_dim = hp->head_dim,
                                .state_bytes = rk_delta_state_bytes(hp)};
  rk_err err = pick_kv_type(o, &en->kv, e);
  if (err) return err;
  en->slots = calloc((size_t)en->max_slots, sizeof *en->slots);
  en->rows = calloc((size_t)en->n_batch, sizeof *en->rows);
  en->pool = rk_pool_new(o->n_threads > 0 ? o->n_threads : rk_usable_cores());
  if (!en->slots || !en->rows || !en->pool) return rk_fail(e, RK_ENOMEM, "no memory or threads for the engine");
  struct rk_compute_opts co = {.kernels = en->kern, .pool = en->pool, .n_batch = en->n_batch, .n_ctx = en->n_ctx,
                               .float_path = o->float_path, .cache_dir = o->cache_dir, .model_id = o->model_id};
  err = rk_compute_new(en->m, &co, &en->kv, &en->compute, e);
  if (!err) err = setup_kv(en, o->kv_bytes, e);
  if (!err && o->cache_dir && o->model_id && !o->float_path) en->disk = open_disk(en, o);
  return err;
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
  while (en->disk && rk_kvdisk_write(en->disk, &en->tree)) continue;
  rk_kvdisk_close(en->disk);
  rk_compute_free(en->compute);
  rk_pool_free(en->pool);
  for (int32_t i = 0; i < en->n_slots; i++) rk_kv_seq_release(&en->slots[i].seq);
  rk_kv_tree_release(&en->tree);
  free(en->slots);
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

static int32_t blocks_of(int32_t n_tokens) { return (n_tokens + RK_ATTN_BLOCK - 1) / RK_ATTN_BLOCK; }

static bool is_done(const struct rk_job *j) { return j->err != RK_OK || j->n_done >= j->n_tokens; }

/* The slot that the job got; NULL: none, or it was closed meanwhile. */
static struct slot *slot_of(const struct rk_engine *en, const struct rk_job *j) {
  for (int32_t i = 0; j->slot > 0 && i < en->n_slots; i++)
    if (en->slots[i].ticket == j->slot) return &en->slots[i];
  return NULL;
}

static void close_slot(struct rk_engine *en, struct slot *s) {
  rk_kv_seq_close(&en->tree, &s->seq);
  s->ticket = 0;
}

/* Slots whose job is done or gone. */
static void close_left(struct rk_engine *en, struct rk_job *const jobs[], int32_t n_jobs) {
  for (int32_t i = 0; i < n_jobs; i++) {
    struct slot *s = is_done(jobs[i]) ? NULL : slot_of(en, jobs[i]);
    if (s) s->busy_step = en->step, s->job = jobs[i];
  }
  for (int32_t i = 0; i < en->n_slots; i++)
    if (en->slots[i].ticket && en->slots[i].busy_step != en->step) close_slot(en, &en->slots[i]);
}

static struct slot *free_slot(struct rk_engine *en) {
  for (int32_t i = 0; i < en->n_slots; i++)
    if (!en->slots[i].ticket) return &en->slots[i];
  if (en->n_slots == en->max_slots) return NULL;
  struct slot *s = &en->slots[en->n_slots];
  if (!rk_kv_seq_init(&s->seq, &en->tree)) {
    rk_kv_seq_release(&s->seq);
    return NULL;
  }
  en->n_slots++;
  return s;
}

/* A running job computes a prefix that this one needs: better wait for it. */
static bool is_being_computed(const struct rk_engine *en, const struct rk_job *j, int32_t n_have, int32_t limit) {
  for (int32_t i = 0; i < en->n_slots; i++) {
    if (!en->slots[i].ticket) continue;
    const struct rk_job *o = en->slots[i].job;
    const int32_t most = o->n_tokens < limit ? o->n_tokens : limit;
    int32_t n = 0;
    while (n < most && o->tokens[n] == j->tokens[n]) n++;
    if (n >= n_have + WAIT_LEAST && en->slots[i].seq.n < n) return true;
  }
  return false;
}

/* Blocks that running jobs have yet to take for the tokens they were given. */
static int32_t outstanding(const struct rk_engine *en) {
  int32_t n = 0;
  for (int32_t i = 0; i < en->n_slots; i++)
    if (en->slots[i].ticket) n += blocks_of(en->slots[i].job->n_tokens) - en->slots[i].seq.n_path;
  return n;
}

static bool is_idle(const struct rk_engine *en) {
  for (int32_t i = 0; i < en->n_slots; i++)
    if (en->slots[i].ticket) return false;
  return true;
}

/* Gives a job that has none a slot with what the tree or the disk holds of its
 * prefix. False: it has to wait for a slot, for memory, or for another job that
 * computes the same prefix. */
static bool start(struct rk_engine *en, struct rk_job *j) {
  const int32_t limit = reuse_limit(j);
  int32_t n_held, n_have = rk_kv_find(&en->tree, j->tokens, limit, &n_held);
  if (en->disk && rk_kvdisk_load(en->disk, &en->tree, j->tokens, limit, n_have)) {
    en->stats.n_prefixes_loaded++;
    n_have = rk_kv_find(&en->tree, j->tokens, limit, &n_held);
  }
  if (is_being_computed(en, j, n_have, limit)) return false;
  if (!is_idle(en) && blocks_of(j->n_tokens) - n_held + outstanding(en) > rk_kv_available(&en->tree)) return false;
  struct slot *s = free_slot(en);
  if (!s) return false;
  rk_kv_seq_open(&en->tree, &s->seq, j->tokens, limit);
  s->job = j;
  s->busy_step = en->step;
  s->ticket = en->next_ticket = en->next_ticket % INT32_MAX + 1;
  s->n_kept = 0;
  j->slot = s->ticket;
  if (j->n_done == 0) { /* else it goes on after a pause, with what it has computed itself */
    j->n_reused = s->seq.n;
    en->stats.tokens_reused += (uint64_t)s->seq.n;
  }
  j->n_done = s->seq.n;
  return true;
}

/* Afterwards the job has a slot whose sequence is its first n_done tokens. */
static bool assign(struct rk_engine *en, struct rk_job *j) {
  struct slot *s = slot_of(en, j);
  if (s && j->n_done == 0 && s->seq.n > 0) close_slot(en, s), s = NULL; /* from the start: perhaps known */
  if (!s) return start(en, j);
  rk_kv_seq_cut(&en->tree, &s->seq, j->n_done);
  j->n_done = s->seq.n;
  return true;
}

void rk_engine_release(struct rk_engine *en, uint64_t owner) { rk_kv_release_owner(&en->tree, owner); }

/* ---- steps ---- */

/* A caller that breaks the contract gets an error, not a wild write. */
static rk_err check(const struct rk_engine *en, const struct rk_job *j) {
  if (j->n_tokens > en->n_ctx) return RK_ECONTEXT;
  if (j->n_tokens < 1 || j->n_done < 0 || (j->rows != RK_ROWS_NONE && !j->logits)) return RK_EINVAL;
  for (int32_t i = j->n_done; i < j->n_tokens; i++)
    if (j->tokens[i] < 0 || j->tokens[i] >= en->m->hp.n_vocab) return RK_EINVAL;
  for (int32_t i = 0; j->only && i < j->n_only; i++)
    if (j->only[i] < (i ? j->only[i - 1] : 0) || j->only[i] >= en->m->hp.n_vocab) return RK_EINVAL;
  return RK_OK;
}

static bool is_short(const struct rk_engine *en, const struct rk_job *j) {
  return slot_of(en, j) && j->n_tokens - j->n_done <= SHORT_JOB;
}

/* Up to n positions of the job, no further than its memory reaches. A recurrent
 * state is kept at the end of the fixed prefix, so a step ends there. */
static int32_t add_rows(struct rk_engine *en, struct rk_job *j, int32_t n_rows, int32_t n) {
  struct slot *s = slot_of(en, j);
  if (en->kv.state_bytes && j->n_done < j->n_keep && n > j->n_keep - j->n_done) n = j->n_keep - j->n_done;
  n = rk_kv_seq_extend(&en->tree, &s->seq, j->tokens, j->n_done + n, j->owner) - j->n_done;
  for (int32_t i = 0; i < n; i++) {
    int32_t pos = j->n_done + i, at = logits_row(j, pos);
    float *logits = at < 0 ? NULL : j->logits + (size_t)at * (size_t)en->m->hp.n_vocab;
    en->rows[n_rows + i] = (struct rk_row){j->tokens[pos], pos, s->seq.blocks, s->seq.state, logits, j->only, j->n_only};
  }
  j->n_done += n;
  return n_rows + n;
}

/* Adds rows for the n_open jobs that are short, or for those that are not. */
static int32_t serve(struct rk_engine *en, struct rk_job *const jobs[], int32_t n_jobs, bool shorts, int32_t n_open, int32_t n_rows) {
  for (int32_t i = 0; i < n_jobs && n_rows < en->n_batch; i++) {
    struct rk_job *j = jobs[(i + (int32_t)(en->step % (uint64_t)n_jobs)) % n_jobs];
    if (is_done(j) || is_short(en, j) != shorts || !assign(en, j)) continue;
    int32_t n = (en->n_batch - n_rows) / (n_open > 0 ? n_open-- : 1);
    if (n < 1) n = 1;
    if (j->n_most > 0 && n > j->n_most) n = j->n_most;
    if (n > j->n_tokens - j->n_done) n = j->n_tokens - j->n_done;
    n_rows = add_rows(en, j, n_rows, n);
  }
  return n_rows;
}

static void keep_prefix(struct rk_engine *en, struct slot *s) {
  const struct rk_job *j = s->job;
  if (j->n_keep <= s->n_kept || j->n_keep > s->seq.n) return;
  s->n_kept = j->n_keep;
  rk_kv_seq_keep(&en->tree, &s->seq, j->n_keep);
  if (en->disk) rk_kvdisk_want(en->disk, j->tokens, j->n_keep);
}

/* What was computed may be shared from now on. */
static void commit(struct rk_engine *en) {
  for (int32_t i = 0; i < en->n_slots; i++) {
    struct slot *s = &en->slots[i];
    if (!s->ticket) continue;
    if (s->job->n_done > s->seq.n) {
      en->stats.tokens_computed += (uint64_t)(s->job->n_done - s->seq.n);
      rk_kv_seq_commit(&en->tree, &s->seq, s->job->n_done);
    }
    keep_prefix(en, s);
  }
}

/* All memory is held by running jobs and none can go on: the youngest gives way. */
static void give_up_one(struct rk_engine *en, struct rk_job *const jobs[], int32_t n_jobs) {
  struct rk_job *youngest = NULL;
  struct slot *its = NULL;
  for (int32_t i = 0; i < n_jobs; i++) {
    struct slot *s = is_done(jobs[i]) ? NULL : slot_of(en, jobs[i]);
    if (!is_done(jobs[i]) && (!youngest || (s && (!its || s->ticket > its->ticket)))) youngest = jobs[i], its = s;
  }
  if (!youngest) return;
  youngest->err = RK_EBUSY;
  en->stats.n_busy++;
  if (its) close_slot(en, its);
}

int32_t rk_engine_step(struct rk_engine *en, struct rk_job *const jobs[], int32_t n_jobs) {
  int32_t n_rows = 0, n_open[2] = {0}, n_before = 0, n_failed = 0, unfinished = 0;
  en->step++;
  for (int32_t i = 0; i < n_jobs; i++)
    if (!is_done(jobs[i])) jobs[i]->err = check(en, jobs[i]);
  close_left(en, jobs, n_jobs);
  for (int32_t i = 0; i < n_jobs; i++)
    if (!is_done(jobs[i])) n_open[is_short(en, jobs[i])]++, n_before++;
  for (int shorts = 1; shorts >= 0; shorts--) n_rows = serve(en, jobs, n_jobs, shorts, n_open[shorts], n_rows);
  if (n_rows > 0) rk_compute_run(en->compute, en->rows, n_rows);
  commit(en);
  for (int32_t i = 0; i < n_jobs; i++) unfinished += !is_done(jobs[i]);
  if (n_rows == 0 && unfinished > 0 && unfinished == n_before) {
    give_up_one(en, jobs, n_jobs);
    unfinished--;
  }
  for (int32_t i = 0; i < n_jobs; i++) n_failed += jobs[i]->err != RK_OK;
  return n_jobs > 0 && n_failed == n_jobs ? -1 : unfinished;
}

bool rk_engine_idle(struct rk_engine *en) { return en->disk && rk_kvdisk_write(en->disk, &en->tree); }

struct rk_engine_stats rk_engine_stats(const struct rk_engine *en) {
  struct rk_engine_stats s = en->stats;
  const uint64_t bytes = rk_kv_block_bytes(&en->kv);
  s.blocks_used = (uint64_t)en->tree.n_used;
  s.blocks_total = (uint64_t)en->tree.n_blocks;
  s.bytes_used = s.blocks_used * bytes + (uint64_t)en->tree.n_states * en->kv.state_bytes;
  s.bytes_total = s.blocks_total * bytes;
  s.n_evictions = en->tree.n_evictions;
  return s;
}
