/* turn.c - what happens next, until nothing does.
 *
 * The order of a purchase: the model names the product (search_offers), the
 * shops answer, the model says what was found, the model asks for the checkout
 * (start_checkout), the user decides, the model says how it ended. Which of
 * these is due is read from the journal, so a turn that was cut off anywhere
 * goes on where it stood. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/prompt.h"
#include "agent/say.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/utf8.h"

enum {
  ARENA_BYTES = 64 << 20,
  CALL_TOKENS = 96,        /* a call of ours is short; more is a model gone astray */
  SAY_TOKENS = 160,
  TALK_TOKENS = 1024,
  MAX_SEARCHES = 2,         /* a second name for the product, then words */
  MAX_CHECKOUTS = 3
};

enum next { NEXT_DONE, NEXT_WAIT, NEXT_RUN_CALL, NEXT_CALL_SEARCH, NEXT_SEED, NEXT_CALL_CHECKOUT, NEXT_CALL_STATUS, NEXT_TALK, NEXT_TELL, NEXT_LAST_WORDS,
            NEXT_ASK, NEXT_SETTLE };

static int64_t count(const struct rk_turn *t, const char *key) { return rk_json_i64(t->journal, key, 0); }
static bool is_set(const struct rk_turn *t, const char *key) { return rk_json_bool(t->journal, key, false); }
static void set(struct rk_turn *t, const char *key) { json_object_set_new(t->journal, key, json_true()); }
static void add_to(struct rk_turn *t, const char *key, int64_t n) { json_object_set_new(t->journal, key, json_integer(count(t, key) + n)); }
static json_t *messages(struct rk_turn *t) { return json_object_get(t->journal, "messages"); }
static bool cancelled(const struct rk_turn *t) { return atomic_load((atomic_int *)(uintptr_t)t->cancel) != 0; }

/* ---- steps are written whole ---- */

void rk_turn_event(struct rk_turn *t, const char *type, json_t *data) {
  RK_ASSERT(data);
  json_array_append_new(t->events, json_pack("{s:s, s:o}", "type", type, "data", data));
}

/* Events, journal and state of a step in one transaction. state NULL: as it is. */
static rk_err commit(struct rk_turn *t, const char *state, struct rk_error *e) {
  struct rk_db *db = rk_store_db(t->sv->store);
  rk_err err = rk_db_begin(db, e);
  if (err) return err;
  size_t i;
  json_t *ev;
  json_array_foreach(t->events, i, ev) {
    if (!err) err = rk_store_event_add(t->sv->store, t->user_id, t->chat_id, t->id, rk_json_cstr(ev, "type", ""), rk_json_obj(ev, "data"), NULL, e);
  }
  if (!err) err = rk_store_turn_journal(t->sv->store, t->id, t->journal, e);
  if (!err && state) err = rk_store_turn_state(t->sv->store, t->id, state, e);
  if (err) rk_db_rollback(db);
  else err = rk_db_commit(db, e);
  json_array_clear(t->events);
  rk_live_wake(t->sv->live, t->user_id);
  return err;
}

/* ---- the model ---- */

struct hearing {
  struct rk_turn *t;
  struct rk_answer *answer;
  char name[64];
  json_t *args;
};

static bool hear(void *ud, const struct rk_chat_event *ev) {
  struct hearing *h = ud;
  switch (ev->type) {
    case RK_CHAT_PROGRESS: rk_live_progress(h->t->sv->live, h->t->id, ev->n_done, ev->n_total); break;
    case RK_CHAT_TEXT: if (h->answer) rk_answer_feed(h->answer, ev->text); break;
    case RK_CHAT_REASONING: rk_live_reasoning(h->t->sv->live, h->t->id, ev->text); break;
    case RK_CHAT_CALL:
      if (h->args) break;
      rk_utf8_copy(h->name, sizeof h->name, rk_str_c(ev->call_name));
      h->args = json_deep_copy(ev->call_args);
      break;
    case RK_CHAT_LOGPROB: break;
  }
  return true;
}

static uint64_t owner_of(const char *chat_id) {
  uint64_t h = 14695981039346656037u;
  for (const char *p = chat_id; *p; p++) h = (h ^ (unsigned char)*p) * 1099511628211u;
  return h ? h : 1;
}

static json_t *all_messages(struct rk_turn *t) {
  json_t *all = json_copy(t->sv->prefix);
  json_array_extend(all, t->history);
  json_array_extend(all, messages(t));
  return all;
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

/* One model call. tool NULL: words only, unless choice is RK_TOOLS_AUTO. */
static rk_err think(struct rk_turn *t, enum rk_tool_choice choice, const char *tool, int32_t max_tokens, struct hearing *h, struct rk_error *e) {
  if (count(t, "steps") >= RK_MAX_TURN_STEPS) return rk_fail(e, RK_ETOOBIG, "the turn took more than %d steps; ask again in other words", (int)RK_MAX_TURN_STEPS);
  int64_t left = RK_MAX_TURN_TOKENS - rk_json_i64(rk_json_obj(t->journal, "usage"), "tokens_decoded", 0);
  if (left <= 0) return rk_fail(e, RK_ETOOBIG, "the model wrote more than %d tokens in this turn", (int)RK_MAX_TURN_TOKENS);
  json_t *all = all_messages(t);
  struct rk_chat_request q = {.messages = all, .tools = t->sv->tools, .tool_choice = choice, .tool_name = tool, .one_call = true,
                              .thinking = t->thinking, .sampling = t->sv->sampling, .max_tokens = left < max_tokens ? (int32_t)left : max_tokens,
                              .n_top_logprobs = -1, .n_prefix_messages = (int32_t)json_array_size(t->sv->prefix), .owner = owner_of(t->chat_id)};
  struct rk_chat_result r = {0};
  rk_err err = rk_chat_run(t->sv->model, &q, t->cancel, hear, h, &r, e);
  json_decref(all);
  rk_live_progress(t->sv->live, t->id, 0, 0);
  add_to(t, "steps", 1);
  count_usage(t, &r);
  if (!err && r.finish == RK_FINISH_CANCELLED) err = rk_fail(e, RK_ECANCELLED, "cancelled");
  return err;
}

static void new_call_id(char out[40]) {
  unsigned char r[12];
  rk_random(r, sizeof r);
  snprintf(out, 40, "call_");
  for (size_t i = 0; i < sizeof r; i++) snprintf(out + 5 + 2 * i, 3, "%02x", r[i]);
}

/* Writes the call down before it runs. takes args. */
static rk_err open_call(struct rk_turn *t, const char *name, json_t *args, struct rk_error *e) {
  char id[40];
  new_call_id(id);
  json_array_append_new(messages(t), rk_prompt_call(id, name, args));
  json_object_set_new(t->journal, "open_call", json_pack("{s:s, s:s, s:O}", "id", id, "name", name, "args", args));
  rk_turn_event(t, "tool_call", json_pack("{s:s, s:s, s:o}", "call_id", id, "name", name, "args", args));
  return commit(t, NULL, e);
}

static rk_err ask_for_call(struct rk_turn *t, const char *name, struct rk_error *e) {
  struct hearing h = {.t = t};
  rk_err err = think(t, RK_TOOLS_NAMED, name, CALL_TOKENS, &h, e);
  if (err) json_decref(h.args);
  else if (h.args) err = open_call(t, h.name, h.args, e);
  else { /* cut off inside the call: no harm, and no more patience than for any mistake */
    add_to(t, strcmp(name, RK_TOOL_SEARCH) == 0 ? "searches" : "checkouts", 1);
    err = commit(t, NULL, e);
  }
  return err;
}

/* ---- calls ---- */

static json_t *summary_of(const struct rk_tool_out *out) {
  const char *error = rk_json_cstr(out->result, "error", NULL), *reason = rk_json_cstr(out->result, "reason", NULL);
  return json_string(error ? error : reason ? reason : out->ok ? "ok" : "failed");
}

/* An approval that was made just before a crash is this turn's. */
static bool adopt_approval(struct rk_turn *t, const char *name) {
  if (strcmp(name, RK_TOOL_CHECKOUT) != 0) return false;
  json_t *made = rk_trade_approvals_of_turn(t->sv->trade, t->id);
  const json_t *last = json_array_get(made, json_array_size(made) ? json_array_size(made) - 1 : 0);
  if (last) json_object_set_new(t->journal, "approval_id", json_string(rk_json_cstr(last, "id", "")));
  json_decref(made);
  return last != NULL;
}

static rk_err run_call(struct rk_turn *t, struct rk_error *e) {
  json_t *call = json_incref(rk_json_obj(t->journal, "open_call"));
  const char *id = rk_json_cstr(call, "id", ""), *name = rk_json_cstr(call, "name", "");
  const struct rk_tool *tool = rk_tool_find(name);
  struct rk_tool_out out = {0};
  int64_t start_ms = rk_mono_ms();
  rk_err err = RK_OK;
  if (adopt_approval(t, name)) out = (struct rk_tool_out){.ok = true, .result = json_pack("{s:s}", "status", "waiting")};
  else if (tool) err = tool->run(t, id, rk_json_obj(call, "args"), &out, e);
  else out.result = json_pack("{s:s}", "error", "there is no such tool");
  if (!err) {
    json_t *data = json_pack("{s:s, s:s, s:b, s:o, s:I, s:O}", "call_id", id, "name", name, "ok", out.ok, "summary", summary_of(&out), "ms",
                             (json_int_t)(rk_mono_ms() - start_ms), "result", out.result);
    if (out.shops) json_object_set(data, "shops", out.shops);
    /* the result stands before the cards that it found */
    json_array_insert_new(t->events, 0, json_pack("{s:s, s:o}", "type", "tool_result", "data", data));
    bool waits = json_object_get(t->journal, "approval_id") != NULL;
    if (waits) json_object_set_new(t->journal, "checkout_call", json_string(id));
    else json_array_append_new(messages(t), rk_prompt_result(id, name, out.result));
    if (strcmp(name, RK_TOOL_SEARCH) == 0) add_to(t, "searches", 1);
    if (strcmp(name, RK_TOOL_CHECKOUT) == 0) add_to(t, "checkouts", 1);
    if (strcmp(name, RK_TOOL_STATUS) == 0) set(t, "status_done");
    json_object_del(t->journal, "open_call");
    err = commit(t, waits ? "waiting" : NULL, e);
  }
  json_decref(out.result);
  json_decref(out.shops);
  json_decref(call);
  return err;
}

/* ---- words ---- */

static void emit(void *ud, rk_str text) {
  struct rk_turn *t = ud;
  rk_live_text(t->sv->live, t->id, text);
}

static void know(struct rk_turn *t, struct rk_answer *a) {
  size_t i;
  json_t *m;
  json_array_foreach(t->history, i, m) rk_answer_know_text(a, rk_json_str(m, "content"));
  json_array_foreach(messages(t), i, m) {
    if (strcmp(rk_json_cstr(m, "role", ""), "tool") != 0) continue;
    rk_answer_know_text(a, rk_json_str(m, "content"));
    a->strict = true;
  }
  rk_answer_know_result(a, rk_json_obj(t->journal, "search"));
  rk_answer_know_result(a, json_object_get(t->journal, "close"));
}

/* What a later turn needs to know about this answer. */
static void remember(struct rk_turn *t, json_t *data) {
  const json_t *search = rk_json_obj(t->journal, "search");
  if (!search) return;
  json_object_set_new(data, "search", json_pack("{s:s, s:O}", "query", rk_json_cstr(search, "query", ""), "cards", rk_json_arr(search, "cards")));
  json_object_set_new(data, "words", json_string(t->words));
}

/* Stores an assistant message; takes data. */
static rk_err keep_message(struct rk_turn *t, char id[37], json_t *data, struct rk_error *e) {
  remember(t, data);
  rk_err err = rk_store_message_add(t->sv->store, t->user_id, t->chat_id, t->leaf_id, t->id, "assistant", data, id, e);
  json_decref(data);
  if (err) return err;
  memcpy(t->leaf_id, id, 37);
  json_object_set_new(t->journal, "leaf", json_string(id));
  return RK_OK;
}

/* One message of the model, with what code binds to it. flag: set in the journal when it is written. */
static rk_err speak(struct rk_turn *t, enum rk_tool_choice choice, int32_t max_tokens, const char *flag, struct rk_error *e) {
  char id[37];
  rk_uuid7(id);
  struct rk_answer a;
  rk_answer_init(&a, emit, t);
  know(t, &a);
  rk_live_message(t->sv->live, t->id, id);
  struct hearing h = {.t = t, .answer = &a};
  rk_err err = think(t, choice, NULL, max_tokens, &h, e);
  if (!err && h.args) {
    err = open_call(t, h.name, h.args, e);
    goto end;
  }
  json_decref(h.args);
  if (err) goto end;
  rk_answer_end(&a);
  struct rk_buf more;
  rk_buf_init(&more, 1 << 16);
  rk_say_bind(t, &a, &more);
  if (more.n) {
    if (a.text.n && a.text.p[a.text.n - 1] != '\n') {
      emit(t, RK_STR("\n\n"));
      rk_buf_adds(&a.text, "\n\n");
    }
    emit(t, rk_buf_str(&more));
    rk_buf_addstr(&a.text, rk_buf_str(&more));
  }
  rk_buf_release(&more);
  rk_str text = rk_str_trim(rk_buf_str(&a.text));
  if (a.n_dropped)
    rk_turn_event(t, "notice", json_pack("{s:s, s:s, s:s}", "level", "info", "text",
                  t->intent.chinese ? "去掉了一句含有未经核实的金额或号码的话。" : "A sentence with an amount or number that no tool gave was left out.", "code", "unverified_amount"));
  if (text.n) {
    json_array_append_new(messages(t), rk_prompt_text("assistant", text));
    json_array_append_new(json_object_get(t->journal, "texts"), json_stringn(text.p, text.n));
    rk_turn_event(t, "message", json_pack("{s:s, s:s, s:s, s:s%}", "message_id", id, "parent_id", t->leaf_id, "role", "assistant", "text", text.p, text.n));
  }
  set(t, flag);
  struct rk_db *db = rk_store_db(t->sv->store);
  err = rk_db_begin(db, e);
  if (!err) {
    if (text.n) err = keep_message(t, id, json_pack("{s:s%}", "text", text.p, text.n), e);
    if (!err) err = commit(t, NULL, e);
    if (err) rk_db_rollback(db);
    else err = rk_db_commit(db, e);
  }
end:
  rk_live_message(t->sv->live, t->id, "");
  rk_live_wake(t->sv->live, t->user_id);
  rk_answer_release(&a);
  return err;
}

/* ---- the user's decision ---- */

static rk_err tell_outcome(struct rk_turn *t, json_t *result, json_t *close, struct rk_error *e) {
  json_array_append_new(messages(t), rk_prompt_result(rk_json_cstr(t->journal, "checkout_call", "call_0"), RK_TOOL_CHECKOUT, result));
  json_object_set_new(t->journal, "close", close);
  set(t, "settled");
  json_decref(result);
  return commit(t, NULL, e);
}

static json_t *order_of(struct rk_turn *t, const json_t *approval) {
  struct rk_error ignored;
  return rk_trade_order_status(t->sv->trade, t->user_id, rk_json_cstr(approval, "order_id", ""), &ignored);
}

/* Brings the approved purchase to its end, or says how it ended. *waits: the user has not decided yet. */
static rk_err settle(struct rk_turn *t, bool *waits, struct rk_error *e) {
  json_t *approval = rk_trade_approval_current(t->sv->trade, t->user_id, rk_json_cstr(t->journal, "approval_id", ""));
  const char *state = rk_json_cstr(approval, "state", "failed");
  json_t *order = NULL, *close = NULL, *result;
  rk_err err = RK_OK;
  struct rk_error ignored;
  *waits = false;
  if (strcmp(state, "pending") == 0 && rk_json_i64(approval, "expires_ms", 0) > rk_now_ms()) {
    *waits = true;
    json_decref(approval);
    return commit(t, "waiting", e);
  }
  if (strcmp(state, "pending") == 0) state = "expired";
  if (strcmp(state, "approved") == 0 || strcmp(state, "completing") == 0 || strcmp(state, "unknown") == 0) {
    err = rk_store_turn_state(t->sv->store, t->id, "completing", e);
    if (err) goto end;
    rk_err done = rk_trade_complete(t->sv->trade, rk_json_cstr(approval, "id", ""), &order, &ignored);
    if (done == RK_OK) state = "completed";
    else { /* what is stored says how it ended; anything but an end is not known yet, as after a full disk */
      json_decref(approval);
      approval = rk_trade_approval_current(t->sv->trade, t->user_id, rk_json_cstr(t->journal, "approval_id", ""));
      state = strcmp(rk_json_cstr(approval, "state", ""), "failed") == 0 ? "failed" : "unknown";
    }
  } else if (strcmp(state, "completed") == 0) {
    order = order_of(t, approval);
  }
  if (strcmp(state, "completed") == 0 && order) result = rk_say_order(t, order, &close);
  else result = rk_say_no_order(t, state, rk_json_cstr(approval, "failure_code", ""), &close);
  err = tell_outcome(t, result, close, e);
end:
  json_decref(order);
  json_decref(approval);
  return err;
}

/* ---- what is next ---- */

static bool wants_offers(const struct rk_turn *t) { return t->intent.mode == RK_MODE_BUY || t->intent.mode == RK_MODE_BROWSE; }

static bool asks_first(struct rk_turn *t) {
  if (!t->searched) return false;
  json_t *question = rk_say_question(t);
  if (!question) return false;
  json_object_set_new(t->journal, "question", question);
  return true;
}

static enum next what_next(struct rk_turn *t) {
  if (rk_json_obj(t->journal, "open_call")) return NEXT_RUN_CALL;
  if (is_set(t, "ended")) return NEXT_DONE;
  if (json_object_get(t->journal, "approval_id")) return is_set(t, "settled") ? NEXT_LAST_WORDS : NEXT_SETTLE;
  if (json_object_get(t->journal, "close")) return NEXT_LAST_WORDS;
  const json_t *search = rk_json_obj(t->journal, "search");
  size_t n_cards = json_array_size(rk_json_arr(search, "cards"));
  if (!search && json_object_get(t->journal, "seed") && count(t, "searches") == 0) return NEXT_SEED;
  if (t->intent.mode == RK_MODE_STATUS && !is_set(t, "status_done")) return NEXT_CALL_STATUS;
  if (is_set(t, "no_shop")) return NEXT_LAST_WORDS;
  if (wants_offers(t) && n_cards == 0 && rk_json_i64(search, "candidates", 0) == 0 && count(t, "searches") < MAX_SEARCHES) return NEXT_CALL_SEARCH;
  bool answered = search || is_set(t, "status_done") || count(t, "searches") > 0;
  if (t->intent.mode != RK_MODE_BUY || n_cards == 0) return answered ? NEXT_LAST_WORDS : NEXT_TALK;
  if (count(t, "checkouts") == 0 && asks_first(t)) return NEXT_ASK;
  if (!is_set(t, "told")) return NEXT_TELL;
  return count(t, "checkouts") < MAX_CHECKOUTS ? NEXT_CALL_CHECKOUT : NEXT_LAST_WORDS;
}

static rk_err ask(struct rk_turn *t, struct rk_error *e) {
  json_t *question = json_incref(rk_json_obj(t->journal, "question"));
  char id[37];
  rk_uuid7(id);
  rk_turn_event(t, "question", json_incref(question));
  json_array_append_new(json_object_get(t->journal, "texts"), json_string(rk_json_cstr(question, "text", "")));
  set(t, "ended");
  struct rk_db *db = rk_store_db(t->sv->store);
  rk_err err = rk_db_begin(db, e);
  if (!err) {
    err = keep_message(t, id, json_pack("{s:s, s:O, s:s}", "text", rk_json_cstr(question, "text", ""), "question", question, "said", t->said), e);
    if (!err) err = commit(t, NULL, e);
    if (err) rk_db_rollback(db);
    else err = rk_db_commit(db, e);
  }
  json_decref(question);
  return err;
}

static rk_err step(struct rk_turn *t, enum next next, bool *waits, struct rk_error *e) {
  switch (next) {
    case NEXT_RUN_CALL: return run_call(t, e);
    case NEXT_SEED: return open_call(t, RK_TOOL_SEARCH, json_pack("{s:s}", "query", rk_json_cstr(t->journal, "seed", "")), e);
    case NEXT_CALL_SEARCH: return ask_for_call(t, RK_TOOL_SEARCH, e);
    case NEXT_CALL_CHECKOUT: return ask_for_call(t, RK_TOOL_CHECKOUT, e);
    case NEXT_CALL_STATUS: return ask_for_call(t, RK_TOOL_STATUS, e);
    case NEXT_TALK: return speak(t, RK_TOOLS_AUTO, TALK_TOKENS, "ended", e);
    case NEXT_TELL: return speak(t, RK_TOOLS_NONE, SAY_TOKENS, "told", e);
    case NEXT_LAST_WORDS: return speak(t, RK_TOOLS_NONE, SAY_TOKENS, "ended", e);
    case NEXT_ASK: return ask(t, e);
    case NEXT_SETTLE: return settle(t, waits, e);
    case NEXT_DONE: case NEXT_WAIT: break;
  }
  return RK_OK;
}

/* ---- reading the turn ---- */

static const char *arena_join(struct rk_turn *t, const char *a, const char *b) {
  const char *s = a[0] ? rk_arena_printf(t->arena, "%s\n%s", a, b) : rk_arena_dup(t->arena, rk_str_c(b));
  return s ? s : "";
}

static void blank(char *text, const char *part) {
  char *at = part[0] ? strstr(text, part) : NULL;
  if (at) memset(at, ' ', strlen(part));
}

static bool asked_for(const json_t *question, const char *slot) {
  size_t i;
  json_t *s;
  json_array_foreach(rk_json_arr(question, "slots"), i, s)
    if (strcmp(rk_json_cstr(s, "name", ""), slot) == 0) return true;
  return false;
}

/* The user answers a question: the address is taken out first, so that its numbers are no amounts. */
static void take_reply(struct rk_turn *t, const json_t *question, const char *text) {
  char *rest = rk_arena_dup(t->arena, rk_str_c(text));
  if (!rest) return;
  if (asked_for(question, "address") && rk_address_read(rk_str_c(text), &t->address)) {
    blank(rest, t->address.street);
    blank(rest, t->address.phone);
    blank(rest, t->address.name);
  }
  t->said = arena_join(t, rk_json_cstr(t->earlier, "said", ""), rest);
  t->words = arena_join(t, rk_json_cstr(t->earlier, "words", ""), rest);
  rk_intent_read(rk_str_c(t->said), rk_now_ms(), &t->intent);
  struct rk_intent reply;
  rk_intent_read(rk_str_c(rest), rk_now_ms(), &reply);
  if (asked_for(question, "qty") && !t->intent.quantity) {
    double v;
    rk_str s = rk_str_trim(rk_str_c(rest));
    bool number = rk_words_number(s, &v, NULL) > 0, fits = number && v >= 1 && v <= RK_MAX_QUANTITY;
    t->intent.quantity = fits ? (int32_t)v : number ? 0 : 1;
    t->intent.quantity_vague = number && !fits;
  }
  size_t i;
  json_t *slot;
  json_array_foreach(rk_json_arr(question, "slots"), i, slot) {
    if (strcmp(rk_json_cstr(slot, "name", ""), "size") != 0 || t->intent.size[0]) continue;
    size_t k;
    json_t *value;
    const char *chosen = json_string_value(json_array_get(rk_json_arr(slot, "enum"), 0));
    json_array_foreach(rk_json_arr(slot, "enum"), k, value)
      if (rk_words_has(rk_str_c(rest), json_string_value(value))) chosen = json_string_value(value);
    snprintf(t->intent.size, sizeof t->intent.size, "%s", chosen ? chosen : "");
  }
}

/* "The second one": the cards that are meant. */
static void take_reference(struct rk_turn *t) {
  json_t *cards = rk_json_arr(rk_json_obj(t->earlier, "search"), "cards"), *only = json_array();
  if (t->intent.ordinal) json_array_append(only, json_array_get(cards, (size_t)t->intent.ordinal - 1));
  else if (t->intent.of_shown && t->intent.wish != RK_WISH_NONE) json_array_extend(only, cards);
  else json_array_append(only, json_array_get(cards, 0));
  json_object_set_new(t->journal, "only", only);
}

static bool refers(const struct rk_turn *t) {
  const json_t *cards = rk_json_arr(rk_json_obj(t->earlier, "search"), "cards");
  if (t->intent.mode == RK_MODE_STATUS || json_array_size(cards) == 0) return false;
  if (t->intent.ordinal) return (size_t)t->intent.ordinal <= json_array_size(cards);
  return (t->intent.of_shown && t->intent.mode == RK_MODE_BUY) || t->intent.confirms;
}

static void read_words(struct rk_turn *t, const char *text) {
  const json_t *question = rk_json_obj(t->earlier, "question"), *search = rk_json_obj(t->earlier, "search");
  t->said = t->words = text;
  rk_intent_read(rk_str_c(text), rk_now_ms(), &t->intent);
  bool gives_up = rk_words_has(rk_str_c(text), "算了|不买了|不用了|cancel|never mind|forget it");
  if (question && !gives_up) {
    take_reply(t, question, text);
    t->intent.mode = RK_MODE_BUY;
  } else if (!gives_up && refers(t)) {
    take_reference(t);
    t->words = arena_join(t, rk_json_cstr(t->earlier, "words", ""), text);
    t->intent.mode = RK_MODE_BUY;
  } else {
    return;
  }
  if (!json_object_get(t->journal, "seed")) json_object_set_new(t->journal, "seed", json_string(rk_json_cstr(search, "query", "")));
}

static rk_err read_thread(struct rk_turn *t, struct rk_error *e) {
  json_t *rows = rk_store_thread(t->sv->store, t->user_id, t->message_id), *row;
  const char *text = NULL;
  size_t i;
  if (!rows) return rk_fail(e, RK_ENOTFOUND, "the turn's message is gone");
  t->history = json_array();
  json_array_foreach(rows, i, row) {
    const char *role = rk_json_cstr(row, "role", "");
    json_t *data = rk_json_obj(row, "data");
    if (!data || (strcmp(role, "user") != 0 && strcmp(role, "assistant") != 0)) continue;
    json_array_append_new(t->history, rk_prompt_text(role, rk_json_str(data, "text")));
    bool mine = strcmp(rk_json_cstr(row, "id", ""), t->message_id) == 0;
    if (strcmp(role, "assistant") == 0) {
      json_decref(t->earlier);
      t->earlier = json_incref(data);
    }
    if (mine) text = rk_arena_dup(t->arena, rk_json_str(data, "text"));
  }
  json_decref(rows);
  if (!text) return rk_fail(e, RK_ENOMEM, "out of memory");
  read_words(t, text);
  return RK_OK;
}

static json_t *new_journal(void) {
  return json_pack("{s:[], s:[], s:{}}", "messages", "texts", "usage");
}

static rk_err load(struct rk_turn *t, const json_t *row, struct rk_error *e) {
  rk_utf8_copy(t->id, sizeof t->id, rk_json_str(row, "id"));
  rk_utf8_copy(t->user_id, sizeof t->user_id, rk_json_str(row, "user_id"));
  rk_utf8_copy(t->chat_id, sizeof t->chat_id, rk_json_str(row, "chat_id"));
  rk_utf8_copy(t->message_id, sizeof t->message_id, rk_json_str(row, "message_id"));
  memcpy(t->leaf_id, t->message_id, sizeof t->leaf_id);
  t->thinking = rk_json_bool(row, "thinking", false);
  json_t *journal = rk_json_obj(row, "journal");
  t->journal = journal && json_object_size(journal) ? json_deep_copy(journal) : new_journal();
  if (json_object_get(t->journal, "leaf")) rk_utf8_copy(t->leaf_id, sizeof t->leaf_id, rk_json_str(t->journal, "leaf"));
  t->events = json_array();
  t->profile = rk_store_profile(t->sv->store, t->user_id);
  t->arena = rk_arena_new(ARENA_BYTES);
  if (!t->arena) return rk_fail(e, RK_ENOMEM, "out of memory");
  return read_thread(t, e);
}

static void release(struct rk_turn *t) {
  json_decref(t->journal);
  json_decref(t->history);
  json_decref(t->events);
  json_decref(t->profile);
  json_decref(t->earlier);
  if (t->arena) rk_arena_free(t->arena);
}

/* ---- ends ---- */

static json_t *answer_of(const struct rk_turn *t) {
  struct rk_buf text;
  rk_buf_init(&text, 1 << 20);
  size_t i;
  json_t *one;
  json_array_foreach(rk_json_arr(t->journal, "texts"), i, one)
    rk_buf_addf(&text, "%s%s", i ? "\n\n" : "", json_string_value(one));
  json_t *answer = json_stringn(text.p ? text.p : "", text.n);
  rk_buf_release(&text);
  return answer;
}

static void finish(struct rk_turn *t, const char *state, const struct rk_error *why) {
  struct rk_error e;
  json_array_clear(t->events);
  if (why) rk_turn_event(t, "error", json_pack("{s:s, s:s}", "code", rk_err_api(why->code), "message", why->msg));
  json_t *usage = json_deep_copy(rk_json_obj(t->journal, "usage"));
  json_object_set_new(usage, "ms", json_integer(rk_now_ms() - rk_json_i64(t->journal, "began_ms", rk_now_ms())));
  rk_turn_event(t, "turn_done", json_pack("{s:s, s:o, s:o}", "state", state, "answer", answer_of(t), "usage", usage));
  if (commit(t, state, &e)) rk_log(RK_LOG_ERROR, "agent", "turn %s could not be ended: %s", t->id, e.msg);
  else atomic_fetch_add(&t->sv->counts.turns_ended, 1);
}

static rk_err drive(struct rk_turn *t, bool *waits, struct rk_error *e) {
  for (;;) {
    if (cancelled(t)) return rk_fail(e, RK_ECANCELLED, "cancelled");
    enum next next = what_next(t);
    if (next == NEXT_DONE) return RK_OK;
    rk_err err = step(t, next, waits, e);
    if (err || *waits) return err;
    if (json_object_get(t->journal, "approval_id") && !is_set(t, "settled")) {
      err = settle(t, waits, e);
      if (err || *waits) return err;
    }
  }
}

void rk_turn_run(struct rk_services *sv, const char *turn_id) {
  struct rk_error e = {.msg = ""};
  json_t *row = rk_store_turn(sv->store, turn_id);
  const char *state = rk_json_cstr(row, "state", "done");
  if (strcmp(state, "done") == 0 || strcmp(state, "failed") == 0 || strcmp(state, "cancelled") == 0) {
    json_decref(row);
    return;
  }
  struct rk_turn t = {.sv = sv, .cancel = rk_live_cancel_flag(sv->live, turn_id)};
  bool waits = false;
  rk_err err = load(&t, row, &e);
  json_decref(row);
  if (!err && !json_object_get(t.journal, "began_ms")) {
    json_object_set_new(t.journal, "began_ms", json_integer(rk_now_ms()));
    err = commit(&t, "running", &e);
  }
  if (!err) err = drive(&t, &waits, &e);
  if (err == RK_ECANCELLED && rk_live_stopping(sv->live)) waits = true; /* the process ends; the turn goes on at the next start */
  if (!waits) finish(&t, err == RK_OK ? "done" : err == RK_ECANCELLED ? "cancelled" : "failed", err && err != RK_ECANCELLED ? &e : NULL);
  release(&t);
}

rk_err rk_turn_end_cancelled(struct rk_services *sv, const char *turn_id, struct rk_error *e) {
  json_t *row = rk_store_turn(sv->store, turn_id);
  if (!row) return rk_fail(e, RK_ENOTFOUND, "there is no such turn");
  struct rk_turn t = {.sv = sv};
  rk_err err = load(&t, row, e);
  json_decref(row);
  if (!err) finish(&t, "cancelled", NULL);
  release(&t);
  return err;
}
