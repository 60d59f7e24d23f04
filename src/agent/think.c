/* think.c - model calls of a turn: counted, within the turn's budget. */
#include <stdlib.h>
#include <string.h>

#include "agent/turn.h"
#include "base/limits.h"

struct hearing { struct rk_turn *t; struct rk_answer *answer; struct rk_buf *text; };

static bool hear(void *ud, const struct rk_chat_event *ev) {
  struct hearing *h = ud;
  switch (ev->type) {
    case RK_CHAT_PROGRESS: rk_live_progress(h->t->sv->live, h->t->id, ev->n_done, ev->n_total); break;
    case RK_CHAT_TEXT:
      if (h->answer) rk_answer_feed(h->answer, ev->text);
      if (h->text) rk_buf_addstr(h->text, ev->text);
      break;
    case RK_CHAT_REASONING: rk_live_reasoning(h->t->sv->live, h->t->id, ev->text); break;
    case RK_CHAT_CALL: case RK_CHAT_LOGPROB: break;
  }
  return true;
}

static uint64_t owner_of(const char *chat_id) {
  uint64_t h = 14695981039346656037u;
  for (const char *p = chat_id; *p; p++) h = (h ^ (unsigned char)*p) * 1099511628211u;
  return h ? h : 1;
}

static void count_usage(struct rk_turn *t, const struct rk_chat_result *r) {
  struct rk_turn_counts *all = &t->sv->counts;
  atomic_fetch_add(&all->model_calls, 1);
  atomic_fetch_add(&all->tokens_prompt, r->n_prompt);
  atomic_fetch_add(&all->tokens_cached, r->n_cached);
  atomic_fetch_add(&all->tokens_completion, r->n_completion);
  json_t *u = rk_json_obj(t->journal, "usage");
  struct { const char *key; int64_t n; } parts[] = {{"model_calls", 1}, {"tokens_prefilled", r->n_prompt - r->n_cached},
                                                    {"tokens_cached", r->n_cached}, {"tokens_decoded", r->n_completion}};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    json_object_set_new(u, parts[i].key, json_integer(rk_json_i64(u, parts[i].key, 0) + parts[i].n));
}

rk_err rk_turn_ask_model(struct rk_turn *t, const struct rk_ask *a, struct rk_buf *text, struct rk_error *e) {
  if (rk_turn_count(t, "steps") >= RK_MAX_TURN_STEPS) return rk_fail(e, RK_ETOOBIG, "the turn took more than %d steps; ask again in other words", (int)RK_MAX_TURN_STEPS);
  int64_t left = RK_MAX_TURN_TOKENS - rk_json_i64(rk_json_obj(t->journal, "usage"), "tokens_decoded", 0);
  if (left <= 0) return rk_fail(e, RK_ETOOBIG, "the model wrote more than %d tokens in this turn", (int)RK_MAX_TURN_TOKENS);
  struct rk_chat_request q = {.messages = a->messages, .tool_choice = RK_TOOLS_NONE, .json_schema = a->schema, .thinking = t->thinking && !a->schema,
                              .sampling = t->sv->sampling, .max_tokens = left < a->max_tokens ? (int32_t)left : a->max_tokens,
                              .n_top_logprobs = -1, .n_prefix_messages = a->n_prefix, .owner = owner_of(t->chat_id) ^ (a->schema != NULL)}; /* plans and answers begin differently */
  struct rk_chat_result r = {0};
  struct hearing h = {t, a->answer, text};
  rk_err err = rk_chat_run(t->sv->model, &q, t->cancel, hear, &h, &r, e);
  rk_live_progress(t->sv->live, t->id, 0, 0);
  rk_turn_add(t, "steps", 1);
  count_usage(t, &r);
  if (!err && r.finish == RK_FINISH_CANCELLED) err = rk_fail(e, RK_ECANCELLED, "cancelled");
  return err;
}
