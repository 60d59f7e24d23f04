#include "eval/evidence.h"

#include <string.h>
#include <unistd.h>

#include "shop/shop.h"
#include "store/money.h"

enum { EVENT_BATCH = 500, PATH_BYTES = 4096 };

static json_t *all_events(struct rk_store *s, const char *user) {
  json_t *all = json_array();
  for (int64_t after = 0;;) {
    json_t *some = rk_store_events(s, user, after, EVENT_BATCH);
    size_t n = json_array_size(some);
    if (n) after = rk_json_i64(json_array_get(some, n - 1), "n", after);
    json_array_extend(all, some);
    json_decref(some);
    if (n < EVENT_BATCH) return all;
  }
}

static json_t *all_approvals(struct rk_store *s) {
  static const char *const states[] = {"pending", "approved", "completing", "completed", "failed", "unknown", "refused", "expired", "superseded"};
  json_t *all = json_array();
  for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
    json_t *some = rk_store_approvals_in_state(s, states[i]);
    json_array_extend(all, some);
    json_decref(some);
  }
  return all;
}

static json_t *turn_of(json_t *turns, const char *turn_id) {
  size_t i;
  json_t *t;
  json_array_foreach(turns, i, t)
    if (strcmp(rk_json_cstr(t, "turn_id", ""), turn_id) == 0) return t;
  return NULL;
}

json_t *rk_evidence_turns(const json_t *events, const json_t *task) {
  json_t *turns = json_array(), *ev;
  const json_t *say = rk_json_arr(task, "say");
  json_int_t line = -1;
  size_t i;
  json_array_foreach(events, i, ev) {
    const json_t *data = rk_json_obj(ev, "data");
    const char *type = rk_json_cstr(ev, "type", ""), *turn_id = rk_json_cstr(ev, "turn_id", "");
    json_t *turn = turn_of(turns, turn_id);
    if (!turn && strcmp(type, "message") == 0 && rk_str_eq_c(rk_json_str(data, "role"), "user")) {
      const char *text = rk_json_cstr(data, "text", "");
      const char *next = json_string_value(json_array_get(say, (size_t)(line + 1)));
      bool says = next && strcmp(text, next) == 0;
      if (says) line++;
      json_array_append_new(turns, json_pack("{s:s, s:s, s:I, s:b, s:s, s:s, s:s}", "turn_id", turn_id, "chat_id", rk_json_cstr(ev, "chat_id", ""), "line", line,
                                             "reply", !says, "text", text, "answer", "", "state", "open"));
    } else if (turn && strcmp(type, "turn_done") == 0) {
      json_object_set_new(turn, "answer", json_string(rk_json_cstr(data, "answer", "")));
      json_object_set_new(turn, "state", json_string(rk_json_cstr(data, "state", "failed")));
      json_object_set(turn, "usage", rk_json_obj(data, "usage"));
    }
  }
  return turns;
}

static json_t *all_journals(struct rk_store *s, const json_t *turns) {
  json_t *all = json_object(), *t;
  size_t i;
  json_array_foreach(turns, i, t) {
    json_t *row = rk_store_turn(s, rk_json_cstr(t, "turn_id", "")), *journal = rk_json_obj(row, "journal");
    if (journal) json_object_set(all, rk_json_cstr(t, "turn_id", ""), journal);
    json_decref(row);
  }
  return all;
}

static json_t *read_user(const char *data_dir, const json_t *task, struct rk_error *e) {
  struct rk_store *s = NULL;
  if (rk_store_open(data_dir, &s, e)) return NULL;
  const char *user = rk_store_local_user(s);
  json_t *events = all_events(s, user), *turns = rk_evidence_turns(events, task);
  json_t *v = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "events", events, "turns", turns, "journals", all_journals(s, turns), "approvals",
                        all_approvals(s), "ledger", rk_store_ledger(s, user), "orders", rk_store_orders(s, user), "memory", rk_store_memories(s, user));
  rk_store_close(s);
  if (!v) rk_fail(e, RK_EIO, "%s: the user's database cannot be read", data_dir);
  return v;
}

static rk_err read_shop(const char *data_dir, const struct rk_shop_place *place, json_t *into, struct rk_error *e) {
  char path[PATH_BYTES];
  struct rk_db *db = NULL;
  const char *slash = strrchr(place->dir, '/');
  json_t *orders = NULL, *bookings = NULL;
  rk_err err = rk_shop_db_path(place->dir, data_dir, path, sizeof path, e);
  if (!err) err = rk_shop_store_open(path, &db, e);
  if (!err && (!(orders = rk_shop_store_orders(db, e)) || !(bookings = rk_shop_store_bookings(db, e)))) err = e->code;
  if (db) rk_db_close(db);
  if (!err) json_array_append_new(into, json_pack("{s:s, s:s, s:O, s:O}", "name", slash ? slash + 1 : place->dir, "origin", place->origin,
                                                  "orders", orders, "bookings", bookings));
  json_decref(orders);
  json_decref(bookings);
  return err;
}

json_t *rk_evidence_read(const char *data_dir, const json_t *task, const struct rk_shop_place *shops, int32_t n_shops, struct rk_error *e) {
  json_t *v = read_user(data_dir, task, e), *list = json_array();
  rk_err err = v ? RK_OK : e->code;
  for (int32_t i = 0; !err && i < n_shops; i++) err = read_shop(data_dir, &shops[i], list, e);
  if (v) json_object_set(v, "shops", list);
  json_decref(list);
  if (!err) return v;
  json_decref(v);
  return NULL;
}
