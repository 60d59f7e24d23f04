/* local.c - chat on the own engine.
 *
 * rk_chat_run() renders and tokenizes on the caller's thread, hands a run to
 * the engine thread through a bounded fair queue and sleeps until it is done. */
#include "chat/local.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/limits.h"

enum { POLL_MS = 50, FIRST_ROWS = 32, KV_WAIT_MS = 30000 };

/* ---- a request (caller's thread) ---- */

static rk_err heal_prompt(struct run *r, struct rk_error *e) {
  uint32_t *mask = malloc((size_t)rk_vocab_words(r->l->vocab) * sizeof *mask);
  if (!mask) return rk_fail(e, RK_ENOMEM, "no memory for the request");
  rk_run_heal_prompt(r, mask);
  free(mask);
  return RK_OK;
}

static rk_err setup_run(struct run *r, struct rk_error *e) {
  const struct rk_chat_request *req = r->req;
  struct local *l = r->l;
  const int32_t n_ctx = l->base.n_ctx;
  rk_err err = rk_local_prompt(l, req, &r->tokens, &r->n_prompt, &r->n_keep, e);
  if (!err && r->n_prompt >= n_ctx)
    err = rk_fail(e, RK_ECONTEXT, "the conversation has %d tokens, the model's context holds %d: start a new chat or leave something out",
                  r->n_prompt, n_ctx);
  if (err) return err;
  r->n = r->n_prompt;
  r->n_end = req->max_tokens > 0 && req->max_tokens < n_ctx - r->n ? r->n + req->max_tokens : n_ctx;
  int32_t *tokens = realloc(r->tokens, (size_t)r->n_end * sizeof *tokens);
  if (tokens) r->tokens = tokens;
  r->logits = rk_run_new_rows(r, 1);
  r->n_rows_max = 1;
  if (!tokens || !r->logits) return rk_fail(e, RK_ENOMEM, "no memory for the request");
  if (!req->no_draft && !rk_model_info(l->model).recurrent) rk_draft_init(&r->draft, l->model, r->tokens, r->n, r->n_end);
  r->result.n_prompt = r->n;
  r->job = (struct rk_job){.n_keep = r->n_keep, .owner = req->owner ? req->owner & ~RK_PRIVATE_OWNER : RK_PRIVATE_OWNER | ++l->n_owners};
  r->deadline_ms = req->timeout_ms ? rk_mono_ms() + req->timeout_ms : 0;
  rk_stop_init(&r->stop, req->stop, req->n_stop);
  rk_run_start_reply(r);
  err = rk_constraint_new(l->vocab, req, rk_run_thinking(r), &r->constraint, e);
  if (!err && req->raw_prompt.p) err = heal_prompt(r, e);
  if (!err) rk_run_jump_forward(r);
  return err;
}

static void release_run(struct run *r) {
  rk_constraint_free(r->constraint);
  rk_reply_release(&r->reply);
  rk_stop_release(&r->stop);
  rk_draft_release(&r->draft);
  free(r->tokens);
  free(r->logits);
}

static void wake_after(struct timespec *at, int64_t ms) {
  clock_gettime(CLOCK_REALTIME, at);
  at->tv_nsec += ms % 1000 * 1000000;
  at->tv_sec += ms / 1000 + at->tv_nsec / 1000000000;
  at->tv_nsec %= 1000000000;
}

/* A run that is given up while it waits in line never gets to the engine thread. */
static bool given_up(struct run *r) {
  bool cancelled = r->cancel && atomic_load(r->cancel), late = r->deadline_ms && rk_mono_ms() > r->deadline_ms;
  if ((!cancelled && !late) || !rk_fair_remove(r->l->waiting, r)) return false;
  if (cancelled) r->result.finish = RK_FINISH_CANCELLED;
  else r->err = rk_fail(&r->error, RK_ETIMEOUT, "no turn came up within the time limit: too many others wait for the model");
  return true;
}

static rk_err push(struct run *r, struct rk_error *e) {
  uint64_t user = r->req->user ? r->req->user : r->job.owner;
  rk_err err = rk_fair_push(r->l->waiting, user, r);
  if (err == RK_EBUSY) return rk_fail(e, err, "%zu requests wait for the model already, try again", rk_fair_len(r->l->waiting));
  return err ? rk_fail(e, err, "the model is being closed") : RK_OK;
}

static rk_err wait_for(struct run *r, struct rk_error *e) {
  rk_err err = push(r, e);
  if (err) return err;
  pthread_mutex_lock(&r->lock);
  while (!r->done && !given_up(r)) {
    struct timespec at;
    wake_after(&at, POLL_MS);
    pthread_cond_timedwait(&r->changed, &r->lock, &at);
  }
  pthread_mutex_unlock(&r->lock);
  if (r->err && e) *e = r->error;
  return r->err;
}

static rk_err local_run(struct rk_chat_model *m, const struct rk_chat_request *req, const atomic_int *cancel, rk_chat_fn *fn,
                        void *ud, struct rk_chat_result *out, struct rk_error *e) {
  struct run r = {.l = (struct local *)m, .req = req, .cancel = cancel, .fn = fn, .ud = ud};
  pthread_mutex_init(&r.lock, NULL);
  pthread_cond_init(&r.changed, NULL);
  rk_err err = setup_run(&r, e);
  if (!err) err = wait_for(&r, e);
  *out = r.result;
  release_run(&r);
  pthread_cond_destroy(&r.changed);
  pthread_mutex_destroy(&r.lock);
  return err;
}

static int32_t local_count(struct rk_chat_model *m, const struct rk_chat_request *req, struct rk_error *e) {
  int32_t *ids, n, n_keep;
  rk_err err = rk_local_prompt((struct local *)m, req, &ids, &n, &n_keep, e);
  free(ids);
  return err ? -1 : n;
}

static struct rk_engine_stats local_stats(struct rk_chat_model *m) {
  struct local *l = (struct local *)m;
  pthread_mutex_lock(&l->stats_lock);
  struct rk_engine_stats stats = l->stats;
  pthread_mutex_unlock(&l->stats_lock);
  return stats;
}

static void local_close(struct rk_chat_model *m) {
  struct local *l = (struct local *)m;
  atomic_store(&l->closing, 1);
  if (l->waiting) rk_fair_close(l->waiting);
  if (l->thread_started) pthread_join(l->thread, NULL);
  while (atomic_load(&m->n_running) > 0) rk_sleep_ms(1);
  rk_fair_free(l->waiting);
  rk_engine_free(l->engine);
  rk_model_close(l->model);
  rk_vocab_free(l->vocab);
  free(l->mask);
  free(l->scratch);
  free(m->name);
  pthread_mutex_destroy(&l->stats_lock);
  free(l);
}

static rk_err open_engine(struct local *l, const struct rk_chat_local_opts *o, struct rk_error *e) {
  l->kv_wait_ms = o->kv_wait_ms > 0 ? o->kv_wait_ms : KV_WAIT_MS;
  rk_err err = rk_model_open(o->model_path, &l->model, e);
  if (err) return err;
  l->n_runs_max = o->n_slots > 0 ? o->n_slots : RK_DEFAULT_RUNS;
  if (l->n_runs_max > RK_RUNS_MAX) l->n_runs_max = RK_RUNS_MAX;
  struct rk_engine_opts eo = {.n_threads = o->n_threads, .n_ctx = o->n_ctx, .kv_type = o->kv_type, .n_slots = l->n_runs_max, .kv_bytes = o->kv_bytes,
                              .cache_dir = o->cache_dir, .model_id = o->model_id};
  err = rk_engine_new(l->model, &eo, &l->engine, e);
  if (err) return err;
  struct rk_model_info info = rk_model_info(l->model);
  l->base.n_ctx = rk_engine_n_ctx(l->engine);
  l->stats = rk_engine_stats(l->engine);
  l->base.engine = l->model;
  l->template = rk_template_choose(rk_str_c(info.arch), info.chat_template);
  err = rk_vocab_new(l->model, &l->vocab, e);
  if (err) return err;
  l->mask = malloc((size_t)rk_vocab_words(l->vocab) * sizeof *l->mask);
  rk_pace_init(&l->pace);
  for (int i = 0; i < 2; i++) rk_draft_odds(l->odds[i]);
  l->read_rows[0] = FIRST_ROWS, l->read_rows[1] = FIRST_ROWS / 2;
  l->scratch = malloc(rk_sampler_scratch_bytes(info.n_vocab));
  l->base.name = strdup(o->model_name ? o->model_name : info.name);
  l->waiting = rk_fair_new(RK_MAX_RUNS_QUEUED);
  if (!l->scratch || !l->mask || !l->base.name || !l->waiting) return rk_fail(e, RK_ENOMEM, "no memory for the model");
  if (pthread_create(&l->thread, NULL, rk_local_thread, l) != 0) return rk_fail(e, RK_ENOMEM, "no thread for the model");
  l->thread_started = true;
  return RK_OK;
}

rk_err rk_chat_open_local(const struct rk_chat_local_opts *o, struct rk_chat_model **out, struct rk_error *e) {
  static const struct rk_chat_ops ops = {local_close, local_run, local_count, local_stats};
  *out = NULL;
  struct local *l = calloc(1, sizeof *l);
  if (!l) return rk_fail(e, RK_ENOMEM, "no memory for the model");
  l->base.ops = &ops;
  pthread_mutex_init(&l->stats_lock, NULL);
  rk_err err = open_engine(l, o, e);
  if (err) local_close(&l->base);
  else *out = &l->base;
  return err;
}
