/* local.c - chat on the own engine.
 *
 * rk_chat_run() renders and tokenizes on the caller's thread, hands a run to
 * the engine thread through a bounded queue and sleeps until it is done. The
 * engine thread holds up to n_slots runs, lets the engine advance all of their
 * jobs together, samples for each whose logits are ready and delivers its
 * events. A run belongs to the engine thread from push to done. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/queue.h"
#include "chat/backend.h"
#include "chat/constraint.h"
#include "chat/reply.h"
#include "chat/stop.h"
#include "chat/template.h"

enum { RUNS_MAX = 64, DEFAULT_RUNS = 8 };
/* Owners of runs that belong to no conversation, beside the callers' own. */
static const uint64_t private_owner = UINT64_C(1) << 63;

struct local {
  struct rk_chat_model base;
  struct rk_model *model;
  struct rk_engine *engine;
  enum rk_template template;
  struct rk_queue *queue; /* of struct run */
  pthread_t thread;
  bool thread_started;
  atomic_int closing;
  int32_t n_runs_max;
  struct rk_vocab *vocab; /* engine thread */
  uint32_t *mask;         /* engine thread */
  void *scratch;          /* sampler's, engine thread */
  atomic_uint_fast64_t n_owners;
};

struct run {
  struct local *l;
  const struct rk_chat_request *req;
  const atomic_int *cancel;
  rk_chat_fn *fn;
  void *ud;
  struct rk_chat_result result;

  int32_t *tokens;  /* [n_ctx]: prompt, then reply */
  int32_t n_prompt, n_keep, n_end; /* the reply ends at n_end tokens at the latest */
  float *logits;    /* [n_vocab] */
  struct rk_job job;
  struct rk_constraint *constraint; /* NULL: none */
  struct rk_reply reply;
  struct rk_stop stop;
  int64_t start_us, first_us, deadline_ms;
  int32_t n_progress;
  bool ended;       /* result.finish or err is set */
  rk_err err;
  struct rk_error error;

  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool done;
};

/* ---- prompt ---- */

struct tokens {
  int32_t *ids; /* [n], room for cap */
  int32_t n, cap;
};

static rk_err add_text(struct local *l, struct tokens *t, rk_str s, bool trusted, struct rk_error *e) {
  if (s.n == 0) return RK_OK;
  int32_t n = rk_tokenize(l->model, s, trusted, t->ids + t->n, t->cap - t->n);
  if (n < 0) return rk_fail(e, RK_EINVAL, "the prompt is not valid UTF-8");
  RK_ASSERT(n <= t->cap - t->n);
  t->n += n;
  return RK_OK;
}

/* Tags become tokens; the text between two tags is tokenized as one piece. A
 * tag that the model has no token for is text. */
static rk_err add_prompt(struct local *l, struct tokens *t, const struct rk_prompt *p, int32_t *n_keep, struct rk_error *e) {
  size_t from = 0;
  *n_keep = 0;
  for (size_t i = 0; i <= p->n_spans; i++) {
    const struct rk_span *s = i < p->n_spans ? &p->spans[i] : NULL;
    size_t at = s ? s->start : p->text.n;
    int32_t id = s && s->special ? rk_token_find(l->model, (rk_str){p->text.p + at, s->n}) : -1;
    if (s && id < 0) continue;
    rk_err err = add_text(l, t, (rk_str){p->text.p + from, at - from}, false, e);
    if (err) return err;
    if (at <= p->prefix_bytes) *n_keep = t->n;
    if (!s) break;
    t->ids[t->n++] = id;
    from = at + s->n;
  }
  return RK_OK;
}

static rk_err render_prompt(struct local *l, const struct rk_chat_request *req, struct tokens *t, int32_t *n_keep, struct rk_error *e) {
  struct rk_prompt p;
  rk_prompt_init(&p);
  struct rk_template_input in = {.messages = req->messages, .tools = rk_chat_tools(req), .open_reply = true,
                                 .thinking = req->thinking, .n_prefix_messages = req->n_prefix_messages};
  rk_err err = rk_template_render(l->template, &in, &p, e);
  if (!err) {
    t->cap = (int32_t)p.text.n + 1;
    t->ids = malloc((size_t)t->cap * sizeof *t->ids);
    err = t->ids ? add_prompt(l, t, &p, n_keep, e) : rk_fail(e, RK_ENOMEM, "no memory for the prompt");
  }
  rk_prompt_release(&p);
  return err;
}

static rk_err make_prompt(struct local *l, const struct rk_chat_request *req, struct tokens *t, int32_t *n_keep, struct rk_error *e) {
  *t = (struct tokens){0};
  *n_keep = 0;
  if (!req->raw_prompt.p) return render_prompt(l, req, t, n_keep, e);
  if (req->raw_prompt.n > RK_MAX_JSON_BYTES) return rk_fail(e, RK_ETOOBIG, "the prompt is larger than %d bytes", (int)RK_MAX_JSON_BYTES);
  t->cap = (int32_t)req->raw_prompt.n + 1;
  t->ids = malloc((size_t)t->cap * sizeof *t->ids);
  if (!t->ids) return rk_fail(e, RK_ENOMEM, "no memory for the prompt");
  rk_err err = add_text(l, t, req->raw_prompt, req->raw_trusted, e);
  if (!err && t->n == 0) t->ids[t->n++] = rk_model_info(l->model).eos; /* an empty prompt still needs a position */
  return err;
}

/* ---- ending a run (engine thread) ---- */

static void end(struct run *r, enum rk_finish finish) {
  if (r->ended) return;
  r->ended = true;
  r->result.finish = finish;
}

static void fail(struct run *r, rk_err err, const char *msg) {
  if (r->ended) return;
  r->ended = true;
  r->err = rk_fail(&r->error, err, "%s", msg);
}

static void deliver(struct run *r, const struct rk_chat_event *ev) {
  if (r->ended && r->result.finish == RK_FINISH_CANCELLED) return;
  if (!r->fn(r->ud, ev)) end(r, RK_FINISH_CANCELLED);
}

/* ---- events of the reply ---- */

static void show_text(struct run *r, rk_str piece, bool final) {
  if (r->stop.hit) return;
  rk_str shown = rk_stop_feed(&r->stop, piece, final);
  if (shown.n) deliver(r, &(struct rk_chat_event){.type = RK_CHAT_TEXT, .text = shown});
  if (r->stop.hit) end(r, RK_FINISH_STOP);
}

static void on_reply(void *ud, const struct rk_reply_event *ev) {
  struct run *r = ud;
  char id[32];
  switch (ev->type) {
    case RK_REPLY_TEXT: show_text(r, ev->text, false); break;
    case RK_REPLY_REASONING: deliver(r, &(struct rk_chat_event){.type = RK_CHAT_REASONING, .text = ev->text}); break;
    case RK_REPLY_CALL:
      show_text(r, RK_STR(""), true);
      rk_chat_call_id(id);
      deliver(r, &(struct rk_chat_event){.type = RK_CHAT_CALL, .call_id = id, .call_name = ev->name, .call_args = ev->args});
      if (r->req->one_call) end(r, RK_FINISH_STOP);
      break;
    case RK_REPLY_BAD_CALL: fail(r, RK_EINTERNAL, "the model wrote a call that cannot be read"); break;
  }
}

static bool call_fits(void *ud, const char *name, const json_t *args) {
  return rk_constraint_call_fits(((struct run *)ud)->constraint, name, args);
}

static void finish_reply(struct run *r) {
  if (r->result.finish == RK_FINISH_CANCELLED) return;
  bool cut = r->result.finish != RK_FINISH_STOP;
  bool was_ended = r->ended;
  r->ended = false; /* what is still held may be shown, and may cancel */
  enum rk_finish finish = r->result.finish;
  if (rk_reply_end(&r->reply, cut)) fail(r, RK_ETOOBIG, "the reply is too large");
  show_text(r, RK_STR(""), true);
  if (!r->ended) r->result.finish = finish;
  r->ended = was_ended;
  if (r->result.finish == RK_FINISH_STOP && r->reply.n_calls > 0) r->result.finish = RK_FINISH_TOOL_CALLS;
}

/* ---- one token ---- */

static void report_logprob(struct run *r, int32_t id, float logprob, const int32_t *top, const float *top_logprobs) {
  if (rk_reply_in_call(&r->reply) || rk_token_is_special(r->l->model, id)) return;
  deliver(r, &(struct rk_chat_event){.type = RK_CHAT_LOGPROB, .text = rk_token_bytes(r->l->model, id), .token = id,
                                     .logprob = logprob, .top_tokens = top, .top_logprobs = top_logprobs,
                                     .n_top = r->req->n_top_logprobs});
}

static int32_t sample(struct run *r) {
  struct local *l = r->l;
  const int32_t n_vocab = rk_model_info(l->model).n_vocab, n = r->job.n_tokens;
  const bool wanted = r->req->n_top_logprobs >= 0;
  float *raw = NULL;
  if (wanted && (raw = malloc((size_t)n_vocab * sizeof *raw))) memcpy(raw, r->logits, (size_t)n_vocab * sizeof *raw);
  if (r->constraint) rk_constraint_mask(r->constraint, l->vocab, l->mask);
  int32_t id = rk_sample(r->logits, n_vocab, &r->req->sampling, r->constraint ? l->mask : NULL, r->tokens + r->n_prompt, n - r->n_prompt, n, l->scratch);
  if (raw) {
    int32_t top[RK_MAX_TOP_LOGPROBS];
    float top_logprobs[RK_MAX_TOP_LOGPROBS];
    float logprob = rk_logprob(raw, n_vocab, id, top, top_logprobs, r->req->n_top_logprobs);
    report_logprob(r, id, logprob, top, top_logprobs);
  }
  free(raw);
  return id;
}

static void start_reply(struct run *r) {
  rk_reply_init(&r->reply, &(struct rk_reply_opts){.tools = rk_chat_tools(r->req) && !r->req->raw_prompt.p, .accept = call_fits,
                                                   .fn = on_reply, .ud = r});
}

/* Nothing of it was shown: a reply that may be a call is held back. */
static void restart_reply(struct run *r) {
  rk_reply_release(&r->reply);
  start_reply(r);
  r->job.n_tokens = r->n_prompt;
  r->job.n_done = 0;
}

/* Takes a token into the reply; the run may have ended after it. */
static void take(struct run *r, int32_t id) {
  struct local *l = r->l;
  rk_str bytes = rk_token_bytes(l->model, id);
  r->tokens[r->job.n_tokens++] = id;
  r->result.n_completion++;
  if (rk_token_is_special(l->model, id)) {
    end(r, RK_FINISH_STOP);
    return;
  }
  enum rk_step step = r->constraint ? rk_constraint_accept(r->constraint, id) : RK_STEP_GO;
  if (step == RK_STEP_RESTART) {
    restart_reply(r);
    return;
  }
  bool tag = !r->req->raw_prompt.p && rk_token_find(l->model, bytes) == id;
  if (rk_reply_feed(&r->reply, bytes, tag)) fail(r, RK_ETOOBIG, "the reply is too large");
  if (step == RK_STEP_END) end(r, RK_FINISH_STOP);
  if (r->job.n_tokens >= r->n_end) end(r, RK_FINISH_LENGTH);
}

/* Tokens that can only follow are not asked for one by one; the engine computes
 * them together. With logprobs each one is asked for. */
static void jump_forward(struct run *r) {
  int32_t ids[RK_MAX_FORCED], n;
  while (r->constraint && !r->ended && r->req->n_top_logprobs < 0 && (n = rk_constraint_forced(r->constraint, ids)) > 0)
    for (int32_t i = 0; i < n && !r->ended; i++) take(r, ids[i]);
}

/* The logits of the last position are ready. */
static void advance(struct run *r) {
  if (!r->first_us) {
    r->first_us = rk_mono_us();
    r->result.n_cached = r->job.n_reused;
  }
  r->result.n_decode_steps++;
  int32_t id = sample(r);
  if (id < 0) fail(r, RK_EINTERNAL, "no token is allowed here");
  if (!r->ended) take(r, id);
  jump_forward(r);
}

/* ---- the engine thread ---- */

static void report_progress(struct run *r) {
  if (r->first_us || r->job.n_done == r->n_progress) return;
  r->n_progress = r->job.n_done;
  deliver(r, &(struct rk_chat_event){.type = RK_CHAT_PROGRESS, .n_done = r->job.n_done, .n_total = r->job.n_tokens});
}

static void poll(struct run *r) {
  if ((r->cancel && atomic_load(r->cancel)) || atomic_load(&r->l->closing)) end(r, RK_FINISH_CANCELLED);
  else if (r->deadline_ms && rk_mono_ms() > r->deadline_ms) fail(r, RK_ETIMEOUT, "the reply took longer than its time limit");
}

static void finish(struct run *r) {
  if (!r->err) finish_reply(r);
  int64_t now = rk_mono_us(), first = r->first_us ? r->first_us : now;
  r->result.prefill_ms = (double)(first - r->start_us) / 1000;
  r->result.decode_ms = (double)(now - first) / 1000;
  if (r->job.owner & private_owner) rk_engine_release(r->l->engine, r->job.owner);
  pthread_mutex_lock(&r->lock);
  r->done = true;
  pthread_cond_signal(&r->changed);
  pthread_mutex_unlock(&r->lock);
}

/* Fills up with waiting runs; blocks when there is none at all. False: closed. */
static bool admit(struct local *l, struct run *runs[], int32_t *n) {
  while (*n < l->n_runs_max) {
    struct run *r = rk_queue_pop(l->queue, *n > 0 ? 0 : -1);
    if (!r) break;
    r->start_us = rk_mono_us();
    runs[(*n)++] = r;
  }
  return *n > 0;
}

static void step(struct local *l, struct run *runs[], int32_t n) {
  struct rk_job *jobs[RUNS_MAX];
  int32_t n_jobs = 0;
  for (int32_t i = 0; i < n; i++) {
    poll(runs[i]);
    if (!runs[i]->ended) jobs[n_jobs++] = &runs[i]->job;
  }
  if (n_jobs) (void)rk_engine_step(l->engine, jobs, n_jobs);
  for (int32_t i = 0; i < n; i++) {
    struct run *r = runs[i];
    if (r->ended) continue;
    if (r->job.err) fail(r, r->job.err, rk_err_text(r->job.err));
    else report_progress(r);
    if (!r->ended && r->job.n_done == r->job.n_tokens) advance(r);
  }
}

static void *engine_thread(void *arg) {
  struct local *l = arg;
  struct run *runs[RUNS_MAX];
  int32_t n = 0;
  while (admit(l, runs, &n)) {
    step(l, runs, n);
    int32_t left = 0;
    for (int32_t i = 0; i < n; i++) {
      if (runs[i]->ended) finish(runs[i]);
      else runs[left++] = runs[i];
    }
    n = left;
  }
  return NULL;
}

/* ---- a request (caller's thread) ---- */

static rk_err setup_run(struct run *r, struct rk_error *e) {
  const struct rk_chat_request *req = r->req;
  struct local *l = r->l;
  const int32_t n_ctx = l->base.n_ctx;
  struct tokens prompt;
  rk_err err = make_prompt(l, req, &prompt, &r->n_keep, e);
  if (!err && prompt.n >= n_ctx)
    err = rk_fail(e, RK_ECONTEXT, "the conversation has %d tokens, the model's context holds %d: start a new chat or leave something out",
                  prompt.n, n_ctx);
  if (err) {
    free(prompt.ids);
    return err;
  }
  r->n_prompt = prompt.n;
  r->n_end = req->max_tokens > 0 && req->max_tokens < n_ctx - prompt.n ? prompt.n + req->max_tokens : n_ctx;
  r->tokens = realloc(prompt.ids, (size_t)r->n_end * sizeof *r->tokens);
  if (!r->tokens) free(prompt.ids);
  r->logits = malloc((size_t)rk_model_info(l->model).n_vocab * sizeof *r->logits);
  if (!r->tokens || !r->logits) return rk_fail(e, RK_ENOMEM, "no memory for the request");
  r->result.n_prompt = prompt.n;
  r->job = (struct rk_job){.tokens = r->tokens, .n_tokens = prompt.n, .rows = RK_ROWS_LAST, .n_keep = r->n_keep, .logits = r->logits,
                           .owner = req->owner ? req->owner & ~private_owner : private_owner | ++l->n_owners};
  r->deadline_ms = req->timeout_ms ? rk_mono_ms() + req->timeout_ms : 0;
  rk_stop_init(&r->stop, req->stop, req->n_stop);
  start_reply(r);
  bool thinks = l->template == RK_TEMPLATE_QWEN3 && req->thinking;
  err = rk_constraint_new(l->model, req, thinks, &r->constraint, e);
  if (!err) jump_forward(r);
  return err;
}

static void release_run(struct run *r) {
  rk_constraint_free(r->constraint);
  rk_reply_release(&r->reply);
  rk_stop_release(&r->stop);
  free(r->tokens);
  free(r->logits);
}

static rk_err wait_for(struct run *r, struct rk_error *e) {
  pthread_mutex_init(&r->lock, NULL);
  pthread_cond_init(&r->changed, NULL);
  rk_err err = rk_queue_push(r->l->queue, r);
  if (err) {
    rk_fail(e, err, err == RK_EBUSY ? "too many requests wait for the model, try again" : "the model is being closed");
  } else {
    pthread_mutex_lock(&r->lock);
    while (!r->done) pthread_cond_wait(&r->changed, &r->lock);
    pthread_mutex_unlock(&r->lock);
    err = r->err;
    if (err && e) *e = r->error;
  }
  pthread_cond_destroy(&r->changed);
  pthread_mutex_destroy(&r->lock);
  return err;
}

static rk_err local_run(struct rk_chat_model *m, const struct rk_chat_request *req, const atomic_int *cancel, rk_chat_fn *fn,
                        void *ud, struct rk_chat_result *out, struct rk_error *e) {
  struct run r = {.l = (struct local *)m, .req = req, .cancel = cancel, .fn = fn, .ud = ud};
  rk_err err = setup_run(&r, e);
  if (!err) err = wait_for(&r, e);
  *out = r.result;
  release_run(&r);
  return err;
}

static int32_t local_count(struct rk_chat_model *m, const struct rk_chat_request *req, struct rk_error *e) {
  struct tokens prompt;
  int32_t n_keep;
  rk_err err = make_prompt((struct local *)m, req, &prompt, &n_keep, e);
  free(prompt.ids);
  return err ? -1 : prompt.n;
}

static void local_close(struct rk_chat_model *m) {
  struct local *l = (struct local *)m;
  atomic_store(&l->closing, 1);
  if (l->queue) rk_queue_close(l->queue);
  if (l->thread_started) pthread_join(l->thread, NULL);
  while (atomic_load(&m->n_running) > 0) rk_sleep_ms(1);
  rk_queue_free(l->queue);
  rk_engine_free(l->engine);
  rk_model_close(l->model);
  rk_vocab_free(l->vocab);
  free(l->mask);
  free(l->scratch);
  free(m->name);
  free(l);
}

static rk_err open_engine(struct local *l, const struct rk_chat_local_opts *o, struct rk_error *e) {
  rk_err err = rk_model_open(o->model_path, &l->model, e);
  if (err) return err;
  l->n_runs_max = o->n_slots > 0 ? o->n_slots : DEFAULT_RUNS;
  if (l->n_runs_max > RUNS_MAX) l->n_runs_max = RUNS_MAX;
  struct rk_engine_opts eo = {.n_threads = o->n_threads, .n_ctx = o->n_ctx, .n_slots = l->n_runs_max,
                              .cache_dir = o->cache_dir, .model_id = o->model_id};
  err = rk_engine_new(l->model, &eo, &l->engine, e);
  if (err) return err;
  struct rk_model_info info = rk_model_info(l->model);
  l->base.n_ctx = rk_engine_n_ctx(l->engine);
  l->base.engine = l->model;
  l->template = rk_template_choose(rk_str_c(info.arch), info.chat_template);
  err = rk_vocab_new(l->model, &l->vocab, e);
  if (err) return err;
  l->mask = malloc((size_t)rk_vocab_words(l->vocab) * sizeof *l->mask);
  l->scratch = malloc(rk_sampler_scratch_bytes(info.n_vocab));
  l->base.name = strdup(o->model_name ? o->model_name : info.name);
  l->queue = rk_queue_new(RK_MAX_TURNS_QUEUED);
  if (!l->scratch || !l->mask || !l->base.name || !l->queue) return rk_fail(e, RK_ENOMEM, "no memory for the model");
  if (pthread_create(&l->thread, NULL, engine_thread, l) != 0) return rk_fail(e, RK_ENOMEM, "no thread for the model");
  l->thread_started = true;
  return RK_OK;
}

rk_err rk_chat_open_local(const struct rk_chat_local_opts *o, struct rk_chat_model **out, struct rk_error *e) {
  static const struct rk_chat_ops ops = {local_close, local_run, local_count};
  *out = NULL;
  struct local *l = calloc(1, sizeof *l);
  if (!l) return rk_fail(e, RK_ENOMEM, "no memory for the model");
  l->base.ops = &ops;
  rk_err err = open_engine(l, o, e);
  if (err) local_close(&l->base);
  else *out = &l->base;
  return err;
}
