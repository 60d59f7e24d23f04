#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "store/internal.h"

enum { TITLE_BYTES = 96 };

void rk_store_as_bool(json_t *obj, const char *key) {
  json_object_set_new(obj, key, json_boolean(rk_json_i64(obj, key, 0)));
}

/* ---- chats and messages ---- */

json_t *rk_store_chats(struct rk_store *s, const char *user_id) {
  return rk_db_all(rk_store_db(s), NULL, "SELECT id, title, created_ms, updated_ms FROM chats WHERE user_id=?"
                   " ORDER BY updated_ms DESC, seq DESC", "t", user_id);
}

json_t *rk_store_chat(struct rk_store *s, const char *user_id, const char *chat_id) {
  struct rk_db *db = rk_store_db(s);
  json_t *chat = rk_db_one(db, NULL, "SELECT id, title, created_ms, updated_ms FROM chats WHERE user_id=? AND id=?", "tt",
                           user_id, chat_id);
  if (!chat) return NULL;
  json_t *messages = rk_db_all(db, NULL, "SELECT id, parent_id, turn_id, role, data_json, created_ms FROM messages"
                               " WHERE chat_id=? ORDER BY seq", "t", chat_id);
  json_object_set_new(chat, "messages", messages ? messages : json_array());
  return chat;
}

rk_err rk_store_chat_delete(struct rk_store *s, const char *user_id, const char *chat_id, struct rk_error *e) {
  struct rk_db *db = rk_store_db(s);
  rk_err err = rk_db_begin(db, e);
  if (err) return err;
  json_t *busy = rk_db_one(db, e, "SELECT id FROM turns WHERE chat_id=? AND state IN ('queued','running','completing')", "t", chat_id);
  if (busy) err = rk_fail(e, RK_ECONFLICT, "a turn is running in this chat: cancel it or let it end first");
  else if (e && e->code) err = e->code;
  json_decref(busy);
  if (!err) err = rk_db_run(db, e, "UPDATE approvals SET state='superseded' WHERE user_id=? AND chat_id=? AND state='pending'",
                            "tt", user_id, chat_id);
  if (!err) err = rk_db_run(db, e, "DELETE FROM chats WHERE user_id=? AND id=?", "tt", user_id, chat_id);
  if (!err && rk_db_changes(db) == 0) err = rk_fail(e, RK_ENOTFOUND, "there is no such chat");
  return rk_store_end(db, err, e);
}

rk_err rk_store_message_add(struct rk_store *s, const char *user_id, const char *chat_id, const char *parent_id,
                            const char *turn_id, const char *role, const json_t *data, char id[37], struct rk_error *e) {
  struct rk_db *db = rk_store_db(s);
  char *text = rk_json_dump(data);
  int64_t now = rk_now_ms();
  if (!id[0]) rk_uuid7(id);
  rk_err err = rk_db_begin(db, e);
  if (err) goto out;
  err = rk_db_run(db, e, "INSERT INTO messages(id, user_id, chat_id, parent_id, turn_id, role, data_json, created_ms)"
                  " SELECT ?, user_id, id, ?, ?, ?, ?, ? FROM chats WHERE user_id=? AND id=?"
                  " AND (? IS NULL OR EXISTS(SELECT 1 FROM messages WHERE id=? AND chat_id=chats.id))", "tttttitttt",
                  id, parent_id, turn_id, role, text, now, user_id, chat_id, parent_id, parent_id);
  if (!err && rk_db_changes(db) == 0) err = rk_fail(e, RK_ENOTFOUND, "there is no such chat, or no such message in it to answer");
  if (!err) err = rk_db_run(db, e, "UPDATE chats SET updated_ms=? WHERE id=?", "it", now, chat_id);
  err = rk_store_end(db, err, e);
out:
  free(text);
  return err;
}

json_t *rk_store_thread(struct rk_store *s, const char *user_id, const char *leaf_message_id) {
  return rk_db_all(rk_store_db(s), NULL,
                   "WITH RECURSIVE up(seq, id, parent_id, turn_id, role, data_json, created_ms) AS ("
                   " SELECT seq, id, parent_id, turn_id, role, data_json, created_ms FROM messages WHERE user_id=? AND id=?"
                   " UNION ALL SELECT m.seq, m.id, m.parent_id, m.turn_id, m.role, m.data_json, m.created_ms"
                   " FROM messages m JOIN up ON m.id=up.parent_id)"
                   " SELECT id, parent_id, turn_id, role, data_json, created_ms FROM up ORDER BY seq", "tt", user_id, leaf_message_id);
}

/* ---- turns ---- */

/* The turn that this key already made. true: found (err says whether it is the same request). */
static bool find_by_key(struct rk_store *s, const struct rk_turn_new *in, char chat_id[37], char turn_id[37], rk_err *err,
                        struct rk_error *e) {
  if (!in->idempotency_key) return false;
  json_t *old = rk_db_one(rk_store_db(s), e, "SELECT t.id, t.chat_id, m.data_json FROM turns t JOIN messages m ON m.id=t.message_id"
                          " WHERE t.user_id=? AND t.idempotency_key=?", "tt", in->user_id, in->idempotency_key);
  if (!old) return false;
  if (rk_str_eq(rk_json_str(rk_json_obj(old, "data"), "text"), in->text)) {
    rk_utf8_copy(chat_id, 37, rk_json_str(old, "chat_id"));
    rk_utf8_copy(turn_id, 37, rk_json_str(old, "id"));
  } else {
    *err = rk_fail(e, RK_ECONFLICT, "this idempotency key was used for another text: take a new key");
  }
  json_decref(old);
  return true;
}

static rk_err add_chat(struct rk_store *s, const struct rk_turn_new *in, char chat_id[37], struct rk_error *e) {
  char title[TITLE_BYTES];
  rk_str line, rest;
  rk_str_cut(rk_str_trim(in->text), '\n', &line, &rest);
  rk_utf8_copy(title, sizeof title, rk_str_trim(line));
  int64_t now = rk_now_ms();
  rk_uuid7(chat_id);
  return rk_db_run(rk_store_db(s), e, "INSERT INTO chats(id, user_id, title, created_ms, updated_ms) VALUES(?, ?, ?, ?, ?)", "tttii",
                   chat_id, in->user_id, title, now, now);
}

static bool keep_id(void *ud, const struct rk_row *r) {
  rk_utf8_copy(ud, 37, rk_row_str(r, 0));
  return false;
}

static rk_err add_turn(struct rk_store *s, const struct rk_turn_new *in, char chat_id[37], char turn_id[37], struct rk_error *e) {
  struct rk_db *db = rk_store_db(s);
  char parent[37] = "", message[37] = "";
  rk_err err = RK_OK;
  rk_uuid7(turn_id);
  if (!in->chat_id) err = add_chat(s, in, chat_id, e);
  else rk_utf8_copy(chat_id, 37, rk_str_c(in->chat_id));
  if (!err && in->parent_id) rk_utf8_copy(parent, sizeof parent, rk_str_c(in->parent_id));
  else if (!err)
    err = rk_db_each(db, e, keep_id, parent, "SELECT id FROM messages WHERE user_id=? AND chat_id=? ORDER BY seq DESC LIMIT 1",
                     "tt", in->user_id, chat_id);
  if (err) return err;

  json_t *data = json_object();
  json_object_set_new(data, "text", json_stringn(in->text.p, in->text.n));
  err = rk_store_message_add(s, in->user_id, chat_id, parent[0] ? parent : NULL, turn_id, "user", data, message, e);
  int64_t now = rk_now_ms();
  if (!err) err = rk_db_run(db, e, "INSERT INTO turns(id, user_id, chat_id, message_id, state, thinking, idempotency_key, created_ms, updated_ms)"
                            " VALUES(?, ?, ?, ?, 'queued', ?, ?, ?, ?)", "ttttitii", turn_id, in->user_id, chat_id, message,
                            (int64_t)in->thinking, in->idempotency_key, now, now);
  json_object_set_new(data, "message_id", json_string(message));
  json_object_set_new(data, "parent_id", parent[0] ? json_string(parent) : json_null());
  json_object_set_new(data, "role", json_string("user"));
  int64_t n;
  if (!err) err = rk_store_event_add(s, in->user_id, chat_id, turn_id, "message", data, &n, e);
  json_decref(data);
  return err;
}

rk_err rk_store_turn_new(struct rk_store *s, const struct rk_turn_new *in, char chat_id[37], char turn_id[37], bool *existed,
                         struct rk_error *e) {
  if (in->text.n == 0) return rk_fail(e, RK_EINVAL, "the message is empty");
  if (in->text.n > RK_MAX_MESSAGE_BYTES)
    return rk_fail(e, RK_ETOOBIG, "the message has %zu bytes, the limit is %d", in->text.n, (int)RK_MAX_MESSAGE_BYTES);
  if (!rk_utf8_valid(in->text)) return rk_fail(e, RK_EFORMAT, "the message is not valid UTF-8");
  rk_err err = rk_db_begin(rk_store_db(s), e);
  if (err) return err;
  *existed = find_by_key(s, in, chat_id, turn_id, &err, e);
  if (!*existed) err = add_turn(s, in, chat_id, turn_id, e);
  return rk_store_end(rk_store_db(s), err, e);
}

#define TURN_COLUMNS "id, user_id, chat_id, message_id, state, thinking, journal_json, created_ms, updated_ms"

json_t *rk_store_turn(struct rk_store *s, const char *turn_id) {
  json_t *turn = rk_db_one(rk_store_db(s), NULL, "SELECT " TURN_COLUMNS " FROM turns WHERE id=?", "t", turn_id);
  if (turn) rk_store_as_bool(turn, "thinking");
  return turn;
}

static json_t *turns(json_t *list) {
  size_t i;
  json_t *turn;
  json_array_foreach(list, i, turn) rk_store_as_bool(turn, "thinking");
  return list;
}

json_t *rk_store_turns_open(struct rk_store *s) {
  return turns(rk_db_all(rk_store_db(s), NULL, "SELECT " TURN_COLUMNS " FROM turns WHERE state IN ('queued','running','completing')"
                         " ORDER BY seq", ""));
}

json_t *rk_store_turns_waiting(struct rk_store *s) {
  return turns(rk_db_all(rk_store_db(s), NULL, "SELECT " TURN_COLUMNS " FROM turns WHERE state='waiting' ORDER BY seq", ""));
}

static rk_err one_changed(struct rk_store *s, rk_err err, struct rk_error *e) {
  if (!err && rk_db_changes(rk_store_db(s)) == 0) err = rk_fail(e, RK_ENOTFOUND, "there is no such turn");
  return rk_store_end(rk_store_db(s), err, e);
}

rk_err rk_store_turn_state(struct rk_store *s, const char *turn_id, const char *state, struct rk_error *e) {
  rk_err err = rk_db_begin(rk_store_db(s), e);
  if (err) return err;
  err = rk_db_run(rk_store_db(s), e, "UPDATE turns SET state=?, updated_ms=? WHERE id=?", "tit", state, rk_now_ms(), turn_id);
  return one_changed(s, err, e);
}

rk_err rk_store_turn_move(struct rk_store *s, const char *turn_id, const char *from, const char *to, struct rk_error *e) {
  struct rk_db *db = rk_store_db(s);
  rk_err err = rk_db_begin(db, e);
  if (err) return err;
  err = rk_db_run(db, e, "UPDATE turns SET state=?, updated_ms=? WHERE id=? AND state=?", "titt", to, rk_now_ms(), turn_id, from);
  if (!err && rk_db_changes(db) == 0) err = rk_fail(e, RK_EGONE, "the turn is no longer %s", from);
  return rk_store_end(db, err, e);
}

rk_err rk_store_turn_journal(struct rk_store *s, const char *turn_id, const json_t *journal, struct rk_error *e) {
  rk_err err = rk_db_begin(rk_store_db(s), e);
  if (err) return err;
  char *text = rk_json_dump(journal);
  err = rk_db_run(rk_store_db(s), e, "UPDATE turns SET journal_json=?, updated_ms=? WHERE id=?", "tit", text, rk_now_ms(), turn_id);
  free(text);
  return one_changed(s, err, e);
}

/* ---- events ---- */

static bool keep_n(void *ud, const struct rk_row *r) {
  *(int64_t *)ud = rk_row_i64(r, 0);
  return false;
}

rk_err rk_store_event_add(struct rk_store *s, const char *user_id, const char *chat_id, const char *turn_id, const char *type,
                          const json_t *data, int64_t *n, struct rk_error *e) {
  struct rk_db *db = rk_store_db(s);
  rk_err err = rk_db_begin(db, e);
  if (err) return err;
  int64_t number = 0;
  err = rk_db_run(db, e, "UPDATE users SET last_event=last_event+1 WHERE id=?", "t", user_id);
  if (!err && rk_db_changes(db) == 0) err = rk_fail(e, RK_ENOTFOUND, "there is no such user");
  if (!err) err = rk_db_each(db, e, keep_n, &number, "SELECT last_event FROM users WHERE id=?", "t", user_id);
  char *text = rk_json_dump(data);
  /* a chat may have been deleted while a payment of it was under way: the event stays, without it */
  if (!err) err = rk_db_run(db, e, "INSERT INTO events VALUES(?, ?, (SELECT id FROM chats WHERE id=?), ?, ?, ?, ?)", "titttit",
                            user_id, number, chat_id, turn_id, type, rk_now_ms(), text);
  free(text);
  if (!err && n) *n = number;
  return rk_store_end(db, err, e);
}

#define EVENT_COLUMNS "n, type, chat_id, turn_id, time_ms, data_json"

json_t *rk_store_events(struct rk_store *s, const char *user_id, int64_t after, int32_t limit) {
  return rk_db_all(rk_store_db(s), NULL, "SELECT " EVENT_COLUMNS " FROM events WHERE user_id=? AND n > ? ORDER BY n LIMIT ?", "tii",
                   user_id, after, (int64_t)limit);
}

json_t *rk_store_chat_events(struct rk_store *s, const char *user_id, const char *chat_id) {
  return rk_db_all(rk_store_db(s), NULL, "SELECT " EVENT_COLUMNS " FROM events WHERE user_id=? AND chat_id=? ORDER BY n", "tt", user_id, chat_id);
}

int64_t rk_store_event_last(struct rk_store *s, const char *user_id) {
  int64_t n = 0;
  if (rk_db_each(rk_store_db(s), NULL, keep_n, &n, "SELECT last_event FROM users WHERE id=?", "t", user_id)) return 0;
  return n;
}
