/* local_run.c - one reply: from rows of logits to tokens and events (engine thread). */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "chat/local.h"

static double ms_since(int64_t start_us) { return (double)(rk_mono_us() - start_us) / 1000; }

/* ---- ending ---- */

void rk_run_end(struct run *r, enum rk_finish finish) {
  if (r->ended) return;
  r->ended = true;
  r->result.finish = finish;
}

void rk_run_fail(struct run *r, rk_err err, const char *msg) {
  if (r->ended) return;
  r->ended = true;
  r->err = rk_fail(&r->error, err, "%s", msg);
}

static void deliver(struct run *r, const struct rk_chat_event *ev) {
  if (r->ended && r->result.finish == RK_FINISH_CANCELLED) return;
  if (!r->fn(r->ud, ev)) rk_run_end(r, RK_FINISH_CANCELLED);
}

/* ---- events of the reply ---- */

static void show_text(struct run *r, rk_str piece, bool final) {
  if (r->stop.hit) return;
  rk_str shown = rk_stop_feed(&r->stop, piece, final);
  if (shown.n) deliver(r, &(struct rk_chat_event){.type = RK_CHAT_TEXT, .text = shown});
  if (!r->stop.hit) return;
  r->result.stop_hit = r->stop.which + 1;
  rk_run_end(r, RK_FINISH_STOP);
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
      if (r->req->one_call) rk_run_end(r, RK_FINISH_STOP);
      break;
    case RK_REPLY_BAD_CALL: rk_run_fail(r, RK_EINTERNAL, "the model wrote a call that cannot be read"); break;
  }
}

static bool call_fits(void *ud, const char *name, const json_t *args) {
  return rk_constraint_call_fits(((struct run *)ud)->constraint, name, args);
}

static bool takes_text(void *ud, rk_str tool, rk_str parameter) { return rk_chat_takes_text(((struct run *)ud)->req, tool, parameter); }

void rk_run_finish_reply(struct run *r) {
  if (r->result.finish == RK_FINISH_CANCELLED) return;
  bool cut = r->result.finish != RK_FINISH_STOP;
  bool was_ended = r->ended;
  r->ended = false; /* what is still held may be shown, and may cancel */
  enum rk_finish finish = r->result.finish;
  if (rk_reply_end(&r->reply, cut)) rk_run_fail(r, RK_ETOOBIG, "the reply is too large");
  show_text(r, RK_STR(""), true);
  if (!r->ended) r->result.finish = finish;
  r->ended = was_ended;
  if (r->result.finish == RK_FINISH_STOP && r->reply.n_calls > 0) r->result.finish = RK_FINISH_TOOL_CALLS;
}

/* ---- one token ---- */

/* The bytes of a token that belong to the reply. */
static rk_str written(const struct run *r, int32_t id) {
  rk_str bytes = rk_token_bytes(r->l->model, id);
  return (rk_str){bytes.p + r->before.n, bytes.n - r->before.n};
}

static void report_logprob(struct run *r, int32_t id, float logprob, const int32_t *top, const float *top_logprobs) {
  rk_str bytes = written(r, id);
  if (rk_reply_in_call(&r->reply) || rk_token_is_special(r->l->model, id) || bytes.n == 0) return;
  deliver(r, &(struct rk_chat_event){.type = RK_CHAT_LOGPROB, .text = bytes, .token = id,
                                     .logprob = logprob, .top_tokens = top, .top_logprobs = top_logprobs,
                                     .n_top = r->req->n_top_logprobs});
}

/* Tokens that may be written next; returns how many when they are at most RK_MAX_FEW and lists them in few. */
static int32_t set_mask(struct run *r, int32_t few[RK_MAX_FEW]) {
  int64_t start_us = rk_mono_us();
  int32_t n = r->before.n ? rk_constraint_mask_healing(r->constraint, r->l->vocab, r->before, r->l->mask)
                          : rk_constraint_mask(r->constraint, r->l->mask, few);
  if (r->before.n && few) rk_mask_list(r->l->mask, rk_vocab_words(r->l->vocab), few, RK_MAX_FEW);
  r->result.mask_ms += ms_since(start_us);
  return n;
}

/* From the logits of position r->n - 1. */
static int32_t sample(struct run *r, float *logits) {
  struct local *l = r->l;
  const int32_t n_vocab = rk_model_info(l->model).n_vocab;
  float *raw = NULL;
  if (r->req->n_top_logprobs >= 0 && (raw = malloc((size_t)n_vocab * sizeof *raw))) memcpy(raw, logits, (size_t)n_vocab * sizeof *raw);
  const bool masked = r->constraint || r->before.n;
  if (masked) set_mask(r, NULL);
  int32_t id = rk_sample(logits, n_vocab, &r->req->sampling, masked ? l->mask : NULL, r->tokens + r->n_prompt,
                         r->n - r->n_prompt, r->n, l->scratch);
  if (raw) {
    int32_t top[RK_MAX_TOP_LOGPROBS];
    float top_logprobs[RK_MAX_TOP_LOGPROBS];
    float logprob = rk_logprob(raw, n_vocab, id, top, top_logprobs, r->req->n_top_logprobs);
    report_logprob(r, id, logprob, top, top_logprobs);
  }
  free(raw);
  return id;
}

enum rk_thinking rk_run_thinking(const struct run *r) {
  return r->req->raw_prompt.p ? RK_THINKS_NOT : rk_template_thinking(r->l->template, r->req->thinking);
}

void rk_run_start_reply(struct run *r) {
  rk_reply_init(&r->reply, &(struct rk_reply_opts){.tools = rk_chat_tools(r->req) && !r->req->raw_prompt.p, .accept = call_fits, .is_text = takes_text,
                                                   .thinking = rk_run_thinking(r) == RK_THINKS_ALREADY, .fn = on_reply, .ud = r});
}

/* Nothing of it was shown: a reply that may be a call is held back. */
static void restart_reply(struct run *r) {
  rk_reply_release(&r->reply);
  rk_run_start_reply(r);
  r->n = r->n_prompt;
  r->n_computed = r->n_prompt - 1; /* its logits are wanted once more */
  rk_draft_cut(&r->draft, r->n);
}

static void append(struct run *r, int32_t id) {
  if (r->n < r->n_computed && r->tokens[r->n] != id) r->n_computed = r->n;
  r->tokens[r->n++] = id;
  rk_draft_add(&r->draft, id);
}

/* The prompt may end inside a word, where no token ends that the model would
 * write. Its last token is taken back and written by the model, which chooses
 * among the tokens that begin with the same bytes. */
void rk_run_heal_prompt(struct run *r, uint32_t *mask) {
  int32_t last = r->tokens[r->n - 1];
  rk_str bytes = rk_token_bytes(r->l->model, last);
  if (r->n < 2 || rk_token_is_special(r->l->model, last) || rk_token_find(r->l->model, bytes) == last) return;
  if (rk_constraint_mask_healing(r->constraint, r->l->vocab, bytes, mask) < 2) return;
  r->before = bytes;
  r->n_prompt = --r->n;
  rk_draft_cut(&r->draft, r->n);
}

/* The token across the end of the prompt; the prompt's own counts for nothing. */
static void take_healing(struct run *r, int32_t id) {
  rk_str rest = written(r, id);
  append(r, id);
  r->before = (rk_str){0};
  if (rest.n == 0) {
    r->n_prompt = r->n;
    return;
  }
  r->result.n_completion++;
  if (r->req->max_tokens > 0 && r->n_end > r->n) r->n_end--;
  if (r->constraint && rk_constraint_accept_rest(r->constraint, rest) == RK_STEP_END) rk_run_end(r, RK_FINISH_STOP);
  if (rk_reply_feed(&r->reply, rest, false)) rk_run_fail(r, RK_ETOOBIG, "the reply is too large");
  if (r->n >= r->n_end) rk_run_end(r, RK_FINISH_LENGTH);
}

/* Takes a token into the reply; the run may have ended after it. */
static void take(struct run *r, int32_t id) {
  struct local *l = r->l;
  rk_str bytes = rk_token_bytes(l->model, id);
  if (r->before.n) {
    take_healing(r, id);
    return;
  }
  append(r, id);
  r->result.n_completion++;
  if (rk_token_is_special(l->model, id)) {
    rk_run_end(r, RK_FINISH_STOP);
    return;
  }
  int64_t start_us = rk_mono_us();
  enum rk_step step = r->constraint ? rk_constraint_accept(r->constraint, id) : RK_STEP_GO;
  if (r->constraint) r->result.mask_ms += ms_since(start_us);
  if (step == RK_STEP_RESTART) {
    restart_reply(r);
    return;
  }
  bool tag = !r->req->raw_prompt.p && rk_token_find(l->model, bytes) == id;
  if (rk_reply_feed(&r->reply, bytes, tag)) rk_run_fail(r, RK_ETOOBIG, "the reply is too large");
  if (step == RK_STEP_END) rk_run_end(r, RK_FINISH_STOP);
  if (r->n >= r->n_end) rk_run_end(r, RK_FINISH_LENGTH);
}

static int32_t forced(struct run *r, int32_t ids[RK_MAX_FORCED]) {
  int64_t start_us = rk_mono_us();
  int32_t n;
  (void)rk_constraint_certain(r->constraint, ids, &n);
  r->result.mask_ms += ms_since(start_us);
  return n;
}

/* Tokens that can only follow are not asked for one by one; the engine computes
 * them together. With logprobs each one is asked for. */
void rk_run_jump_forward(struct run *r) {
  int32_t ids[RK_MAX_FORCED], n;
  while (r->constraint && !r->ended && r->before.n == 0 && r->req->n_top_logprobs < 0 && (n = forced(r, ids)) > 0)
    for (int32_t i = 0; i < n && !r->ended; i++) take(r, ids[i]);
}

/* ---- rows of logits ---- */

float *rk_run_new_rows(const struct run *r, int32_t n) {
  const size_t bytes = (size_t)n * (size_t)rk_model_info(r->l->model).n_vocab * sizeof(float);
  return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

/* How many of n rows there is room for; what stood in them is gone. */
static int32_t rows_that_fit(struct run *r, int32_t n) {
  if (n <= r->n_rows_max) return n;
  float *more = rk_run_new_rows(r, n);
  if (!more) return r->n_rows_max;
  free(r->logits);
  r->logits = more;
  return r->n_rows_max = n;
}

/* Under a constraint that allows few tokens only their logits are wanted. */
static void want_few(struct run *r) {
  int32_t n = set_mask(r, r->few);
  if (n > RK_MAX_FEW) return;
  r->job.only = r->few;
  r->job.n_only = n;
}

int32_t rk_run_guess(struct run *r, int32_t guesses[RK_DRAFT_MAX], float odds[RK_DRAFT_MAX]) {
  struct rk_guess g;
  if (!r->draft.heads) return 0;
  int32_t place = rk_draft_look(&r->draft, r->tokens, &g);
  int64_t start_us = rk_mono_us();
  if (r->constraint) rk_constraint_guess(r->constraint, &r->draft, r->tokens, &g, &place);
  if (r->constraint) r->result.mask_ms += ms_since(start_us);
  rk_draft_keep(&r->draft, &g, place, odds);
  memcpy(guesses, g.ids, sizeof g.ids);
  return g.n < r->n_end - r->n ? g.n : r->n_end - r->n;
}

void rk_run_plan(struct run *r, const int32_t *guesses, int32_t k) {
  k = rows_that_fit(r, k + 1) - 1;
  for (int32_t i = 0; i <= k; i++) r->rows[i] = r->n - 1 + i;
  if (k > 0) memcpy(r->tokens + r->n, guesses, sizeof *guesses * (size_t)k);
  r->job.tokens = r->tokens;
  r->job.n_tokens = r->n + k;
  r->job.rows = RK_ROWS_LIST;
  r->job.row_list = r->rows;
  r->job.n_rows = k + 1;
  r->job.logits = r->logits;
  r->job.only = NULL;
  r->job.n_only = 0;
  if (k == 0 && (r->constraint || r->before.n) && r->req->n_top_logprobs < 0) want_few(r);
  r->in_flight = true;
}

/* A guess that is the token which plain decoding picks has saved a step: its
 * row is that of the same tokens. The first that is not ends it. */
void rk_run_advance(struct run *r) {
  const size_t n_vocab = (size_t)rk_model_info(r->l->model).n_vocab;
  const int32_t first = r->rows[0], n_guessed = r->job.n_rows - 1;
  if (!r->first_us) {
    r->first_us = rk_mono_us();
    r->result.n_cached = r->job.n_reused;
  }
  r->result.n_decode_steps++;
  r->n_computed = r->job.n_done;
  while (!r->ended && r->n > first && r->n <= r->n_computed) {
    int32_t id = sample(r, r->logits + n_vocab * (size_t)(r->n - 1 - first));
    if (id < 0) rk_run_fail(r, RK_EINTERNAL, "no token is allowed here");
    if (!r->ended) take(r, id);
    rk_run_jump_forward(r);
  }
  r->result.n_drafted += n_guessed;
  if (r->n > first && r->n_computed > first + 1) r->result.n_accepted += (r->n_computed < r->n ? r->n_computed : r->n) - first - 1;
  r->job.n_tokens = r->n;
  r->job.n_done = r->n_computed < r->n ? r->n_computed : r->n;
  r->in_flight = false;
}

void rk_run_progress(struct run *r) {
  if (r->first_us || r->job.n_done == r->n_progress) return;
  r->n_progress = r->job.n_done;
  deliver(r, &(struct rk_chat_event){.type = RK_CHAT_PROGRESS, .n_done = r->job.n_done, .n_total = r->job.n_tokens});
}
