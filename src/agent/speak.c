/* speak.c - messages of a turn: the model's words with what code binds to them, or code's alone. */
#include <string.h>

#include "agent/prompt.h"
#include "agent/say.h"
#include "agent/turn.h"

enum { MESSAGE_BYTES = 1 << 20 };

static void emit(void *ud, rk_str text) {
  struct rk_turn *t = ud;
  rk_live_text(t->sv->live, t->id, text);
}

static void know(struct rk_turn *t, struct rk_answer *a) {
  size_t i;
  json_t *m;
  json_array_foreach(t->history, i, m) rk_answer_know_text(a, rk_json_str(m, "content"));
  json_array_foreach(rk_json_arr(t->journal, "messages"), i, m) {
    if (strcmp(rk_json_cstr(m, "role", ""), "tool") != 0) continue;
    rk_answer_know_text(a, rk_json_str(m, "content"));
    a->strict = true;
  }
  json_array_foreach(rk_json_arr(t->journal, "calls"), i, m) rk_answer_know_result(a, rk_json_obj(m, "keep"));
  rk_answer_know_result(a, rk_json_arr(t->journal, "closes"));
}

/* Stores the message and writes the step. more: fields beside the text, borrowed, or NULL. */
static rk_err write_message(struct rk_turn *t, char id[37], rk_str text, json_t *more, const char *flag, struct rk_error *e) {
  json_t *data = json_pack("{s:s%}", "text", text.p, text.n);
  if (more) json_object_update(data, more);
  rk_turn_keep(t, data);
  rk_turn_set(t, flag);
  json_array_append_new(rk_turn_list(t, "texts"), json_stringn(text.p, text.n));
  struct rk_db *db = rk_store_db(t->sv->store);
  rk_err err = rk_db_begin(db, e);
  if (!err) {
    err = rk_store_message_add(t->sv->store, t->user_id, t->chat_id, t->leaf_id, t->id, "assistant", data, id, e);
    if (!err) {
      memcpy(t->leaf_id, id, 37);
      json_object_set_new(t->journal, "leaf", json_string(id));
      err = rk_turn_commit(t, NULL, e);
    }
    if (err) rk_db_rollback(db);
    else err = rk_db_commit(db, e);
  }
  json_decref(data);
  return err;
}

static void message_event(struct rk_turn *t, const char *id, rk_str text) {
  rk_turn_event(t, "message", json_pack("{s:s, s:s, s:s, s:s%}", "message_id", id, "parent_id", t->leaf_id, "role", "assistant", "text", text.p, text.n));
}

rk_err rk_turn_say(struct rk_turn *t, rk_str text, json_t *more, const char *flag, struct rk_error *e) {
  char id[37];
  rk_uuid7(id);
  rk_live_message(t->sv->live, t->id, id);
  emit(t, text);
  if (!more) message_event(t, id, text); /* a question is an event of its own */
  rk_err err = write_message(t, id, text, more, flag, e);
  rk_live_message(t->sv->live, t->id, "");
  rk_live_wake(t->sv->live, t->user_id);
  return err;
}

static void bind(struct rk_turn *t, struct rk_answer *a) {
  struct rk_buf more;
  rk_buf_init(&more, 1 << 16);
  rk_say_bind(t, a, &more);
  if (more.n) {
    if (a->text.n && a->text.p[a->text.n - 1] != '\n') {
      emit(t, RK_STR("\n\n"));
      rk_buf_adds(&a->text, "\n\n");
    }
    emit(t, rk_buf_str(&more));
    rk_buf_addstr(&a->text, rk_buf_str(&more));
  }
  rk_buf_release(&more);
}

static json_t *answer_messages(struct rk_turn *t) {
  json_t *all = json_copy(t->sv->prefix);
  json_array_extend(all, t->history);
  json_array_extend(all, rk_json_arr(t->journal, "messages"));
  return all;
}

static rk_err say_answer(struct rk_turn *t, char id[37], struct rk_answer *a, const char *flag, struct rk_error *e) {
  rk_answer_end(a);
  bind(t, a);
  rk_str text = rk_str_trim(rk_buf_str(&a->text));
  if (a->n_dropped)
    rk_turn_event(t, "notice", json_pack("{s:s, s:s, s:s}", "level", "info", "text",
                  t->intent.chinese ? "去掉了一句含有未经核实的金额或号码的话。" : "A sentence with an amount or number that no tool gave was left out.", "code", "unverified_amount"));
  if (text.n == 0) {
    rk_turn_set(t, flag);
    return rk_turn_commit(t, NULL, e);
  }
  json_array_append_new(rk_turn_list(t, "messages"), rk_prompt_text("assistant", text));
  message_event(t, id, text);
  return write_message(t, id, text, NULL, flag, e);
}

rk_err rk_turn_speak(struct rk_turn *t, int32_t max_tokens, const char *flag, struct rk_error *e) {
  char id[37];
  struct rk_answer a;
  rk_uuid7(id);
  rk_answer_init(&a, emit, t);
  know(t, &a);
  rk_live_message(t->sv->live, t->id, id);
  json_t *all = answer_messages(t);
  rk_err err = rk_turn_ask_model(t, &(struct rk_ask){.messages = all, .n_prefix = (int32_t)json_array_size(t->sv->prefix), .max_tokens = max_tokens, .answer = &a}, NULL, e);
  json_decref(all);
  if (!err) err = say_answer(t, id, &a, flag, e);
  rk_live_message(t->sv->live, t->id, "");
  rk_live_wake(t->sv->live, t->user_id);
  rk_answer_release(&a);
  return err;
}

/* What code alone answers: the sentences that the answer must hold, and the reasons. */
rk_err rk_turn_speak_by_code(struct rk_turn *t, const char *flag, struct rk_error *e) {
  struct rk_answer a;
  struct rk_buf text;
  rk_answer_init(&a, emit, t);
  rk_buf_init(&text, MESSAGE_BYTES);
  rk_say_bind(t, &a, &text);
  rk_err err = rk_turn_say(t, rk_buf_str(&text), NULL, flag, e);
  rk_buf_release(&text);
  rk_answer_release(&a);
  return err;
}
