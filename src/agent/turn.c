/* turn.c - what happens next, until nothing does.
 *
 * A plan; its steps; a question, when something must be known that only the
 * user knows; the approvals; the user decides; how it ended. Which of these is
 * due is read from the journal, so a turn that was cut off anywhere goes on
 * where it stood. */
#include "agent/turn.h"

#include <string.h>

#include "agent/say.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/utf8.h"

enum { ARENA_BYTES = 64 << 20, SAY_TOKENS = 160, TALK_TOKENS = 1024, MAX_PLANS = 2 };

enum next { NEXT_DONE, NEXT_PLAN, NEXT_ACT, NEXT_ASK, NEXT_TELL, NEXT_BOOK, NEXT_SETTLE, NEXT_TALK, NEXT_LAST_WORDS, NEXT_CODE_WORDS, NEXT_NO_PLAN };

/* ---- the journal ---- */

int64_t rk_turn_count(const struct rk_turn *t, const char *key) { return rk_json_i64(t->journal, key, 0); }
bool rk_turn_is(const struct rk_turn *t, const char *key) { return rk_json_bool(t->journal, key, false); }
void rk_turn_set(struct rk_turn *t, const char *key) { json_object_set_new(t->journal, key, json_true()); }
void rk_turn_add(struct rk_turn *t, const char *key, int64_t n) { json_object_set_new(t->journal, key, json_integer(rk_turn_count(t, key) + n)); }
json_t *rk_turn_steps(const struct rk_turn *t) { return rk_json_arr(rk_json_obj(t->journal, "plan"), "steps"); }
bool rk_turn_buys(const struct rk_turn *t) { return rk_str_eq_c(rk_json_str(rk_json_obj(t->journal, "plan"), "do"), "buy"); }
void rk_turn_close(struct rk_turn *t, json_t *sentence) { json_array_append_new(rk_turn_list(t, "closes"), sentence); }

json_t *rk_turn_list(struct rk_turn *t, const char *key) {
  if (!rk_json_arr(t->journal, key)) json_object_set_new(t->journal, key, json_array());
  return rk_json_arr(t->journal, key);
}

void rk_turn_event(struct rk_turn *t, const char *type, json_t *data) {
  RK_ASSERT(data);
  json_array_append_new(t->events, json_pack("{s:s, s:o}", "type", type, "data", data));
}

rk_err rk_turn_commit(struct rk_turn *t, const char *state, struct rk_error *e) {
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

/* ---- what is next ---- */

static bool any_call(const struct rk_turn *t, bool (*is)(const json_t *call)) {
  size_t i;
  json_t *call;
  json_array_foreach(rk_json_arr(t->journal, "calls"), i, call)
    if (is(call)) return true;
  return false;
}

static bool has_cards(const json_t *call) { return json_array_size(rk_json_arr(rk_json_obj(call, "keep"), "cards")) > 0; }
static bool gives_back(const json_t *call) { return rk_json_arr(rk_json_obj(call, "keep"), "back") != NULL; }
static bool is_good(const json_t *call) { return rk_json_bool(call, "ok", false); }
static bool is_closed(const json_t *call) { return rk_json_bool(rk_json_obj(call, "keep"), "closed", false); }
static bool asks(const json_t *call) { return json_array_size(rk_json_arr(rk_json_obj(call, "keep"), "ask")) > 0; }
static bool has_reason(const json_t *call) { return rk_json_cstr(rk_json_obj(call, "keep"), "reason", NULL) || rk_json_arr(rk_json_obj(call, "keep"), "ask"); }
static bool is_told_by_model(const json_t *call) {
  const struct rk_tool *tool = rk_tool_find(rk_json_cstr(call, "name", ""));
  return !is_good(call) || !tool || !(tool->flags & RK_TOOL_TELLS);
}

static int32_t n_calls(const struct rk_turn *t) { return (int32_t)json_array_size(rk_json_arr(t->journal, "calls")); }

/* All steps failed, and other words may help. */
static bool plans_again(const struct rk_turn *t) {
  return n_calls(t) > 0 && !any_call(t, is_good) && !any_call(t, is_closed) && rk_turn_count(t, "plans") < MAX_PLANS;
}

/* Several things at once, and journeys, whose days and hours a small model gets wrong. */
static bool is_told_by_code(const struct rk_turn *t) { return t->n_goals > 1 || (t->n_goals == 1 && rk_trip_is(t->goals[0].tool->name)); }

/* Those, and what tools say themselves, need no model to be told of. */
static enum next last_words(const struct rk_turn *t) {
  bool several = is_told_by_code(t), by_tools = n_calls(t) > 0 && !any_call(t, is_told_by_model);
  return several || by_tools || any_call(t, gives_back) ? NEXT_CODE_WORDS : NEXT_LAST_WORDS;
}

/* Nothing came of the tools and nothing is to be said of it: the question is answered in words, as if they had not been tried. */
static bool talks_instead(const struct rk_turn *t) {
  return n_calls(t) > 0 && !any_call(t, is_good) && !any_call(t, has_reason) && json_array_size(rk_json_arr(t->journal, "closes")) == 0;
}

static bool asks_first(struct rk_turn *t) {
  json_t *question = rk_turn_question(t);
  if (!question) return false;
  json_object_set_new(t->journal, "question", question);
  return true;
}

static enum next what_next(struct rk_turn *t) {
  if (rk_turn_is(t, "ended")) return NEXT_DONE;
  if (json_object_get(t->journal, "approval_id") || json_object_get(t->journal, "plan_id")) return rk_turn_is(t, "settled") ? last_words(t) : NEXT_SETTLE;
  if (!rk_turn_steps(t)) return rk_turn_count(t, "plans") < MAX_PLANS ? NEXT_PLAN : NEXT_NO_PLAN;
  if (rk_turn_has_step(t)) return NEXT_ACT;
  if (any_call(t, asks) && asks_first(t)) return NEXT_ASK;
  if (plans_again(t)) return NEXT_PLAN;
  if (n_calls(t) == 0 || talks_instead(t)) return NEXT_TALK;
  if (rk_turn_is(t, "booked")) return last_words(t);
  if (any_call(t, gives_back)) return NEXT_BOOK;
  if (!rk_turn_buys(t) || !any_call(t, has_cards)) return last_words(t);
  if (!rk_turn_is(t, "told") && asks_first(t)) return NEXT_ASK;
  return rk_turn_is(t, "told") || is_told_by_code(t) ? NEXT_BOOK : NEXT_TELL;
}

static rk_err ask(struct rk_turn *t, struct rk_error *e) {
  json_t *question = json_incref(rk_json_obj(t->journal, "question")), *more = json_pack("{s:O}", "question", question);
  rk_turn_event(t, "question", json_incref(question));
  rk_err err = rk_turn_say(t, rk_json_str(question, "text"), more, "ended", e);
  json_decref(more);
  json_decref(question);
  return err;
}

static rk_err say_no_plan(struct rk_turn *t, struct rk_error *e) {
  return rk_turn_say(t, t->intent.chinese ? RK_STR("我没弄明白该怎么做，没有下单，也没有扣款。请换个说法再试试。")
                                          : RK_STR("I could not work out what to do; nothing was ordered or charged. Please say it in other words."), NULL, "ended", e);
}

static rk_err step(struct rk_turn *t, enum next next, bool *waits, struct rk_error *e) {
  switch (next) {
    case NEXT_PLAN: return rk_turn_plan(t, e);
    case NEXT_ACT: return rk_turn_act(t, e);
    case NEXT_ASK: return ask(t, e);
    case NEXT_TELL: return rk_turn_speak(t, SAY_TOKENS, "told", e);
    case NEXT_BOOK: return rk_turn_book(t, waits, e);
    case NEXT_SETTLE: return rk_turn_settle(t, waits, e);
    case NEXT_TALK: json_array_clear(rk_turn_list(t, "messages")); return rk_turn_speak(t, TALK_TOKENS, "ended", e);
    case NEXT_LAST_WORDS: return rk_turn_speak(t, SAY_TOKENS, "ended", e);
    case NEXT_CODE_WORDS: return rk_turn_speak_by_code(t, "ended", e);
    case NEXT_NO_PLAN: return say_no_plan(t, e);
    case NEXT_DONE: break;
  }
  return RK_OK;
}

/* ---- beginning and end ---- */

static json_t *new_journal(void) { return json_pack("{s:[], s:[], s:{}}", "messages", "texts", "usage"); }

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
  return rk_turn_read(t, e);
}

static void release(struct rk_turn *t) {
  json_t *const parts[] = {t->journal, t->history, t->planned, t->events, t->profile, t->earlier, t->shown};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) json_decref(parts[i]);
  rk_turn_drop_goals(t);
  if (t->arena) rk_arena_free(t->arena);
}

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
  if (rk_turn_commit(t, state, &e)) rk_log(RK_LOG_ERROR, "agent", "turn %s could not be ended: %s", t->id, e.msg);
  else atomic_fetch_add(&t->sv->counts.turns_ended, 1);
}

static bool cancelled(const struct rk_turn *t) { return atomic_load((atomic_int *)(uintptr_t)t->cancel) != 0; }

static rk_err drive(struct rk_turn *t, bool *waits, struct rk_error *e) {
  for (;;) {
    if (cancelled(t)) return rk_fail(e, RK_ECANCELLED, "cancelled");
    rk_err err = rk_turn_make_goals(t, e);
    enum next next = err ? NEXT_DONE : what_next(t);
    if (next == NEXT_DONE) return err;
    err = step(t, next, waits, e);
    if (err || *waits) return err;
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
    err = rk_turn_commit(&t, "running", &e);
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
