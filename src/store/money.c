#include "store/money.h"

#include <stdlib.h>

#include "base/clock.h"
#include "store/internal.h"

/* ---- approvals ---- */

rk_err rk_store_approval_add(struct rk_store *s, const struct rk_approval_new *a, char id[37], struct rk_error *e) {
  char *asked = a->asked ? rk_json_dump(a->asked) : NULL;
  rk_uuid7(id);
  rk_err err = rk_db_run(rk_store_db(s), e, "INSERT INTO approvals(id, user_id, chat_id, turn_id, merchant_origin, checkout_id, state, terms_jcs, terms_hash,"
                         " total_minor, currency, instrument_id, instrument_kind, demo_profile, created_ms, expires_ms, kind, subject_order_id,"
                         " category_claimed, category_own, asked_json, supersedes, plan_id, plan_position)"
                         " VALUES(?1, ?2, ?3, ?4, ?5, ?6, 'pending', ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21,"
                         " (SELECT plan_id FROM approvals WHERE id=?21), (SELECT plan_position FROM approvals WHERE id=?21))",
                         "ttttttstitttiiitttttt", id, a->user_id, a->chat_id, a->turn_id, a->merchant_origin, a->checkout_id, a->terms_jcs, a->terms_hash,
                         a->total_minor, a->currency, a->instrument_id, a->instrument_kind, (int64_t)a->demo_profile, a->created_ms, a->expires_ms, a->kind,
                         a->subject_order_id, a->category_claimed, a->category_own, asked, a->supersedes);
  free(asked);
  return err;
}

#define APPROVAL_COLUMNS "id, user_id, chat_id, turn_id, merchant_origin, checkout_id, state, terms_jcs AS terms_json, terms_jcs," \
  " terms_hash, total_minor, currency, instrument_id, instrument_kind, demo_profile, created_ms, expires_ms, decided_by, decided_ms," \
  " signature, failure, failure_code, order_id, kind, supersedes, plan_id, plan_position, subject_order_id, category_claimed, category_own," \
  " asked_json, fresh_json"

static json_t *approvals(json_t *list) {
  size_t i;
  json_t *one;
  json_array_foreach(list, i, one) rk_store_as_bool(one, "demo_profile");
  return list;
}

json_t *rk_store_approval(struct rk_store *s, const char *approval_id) {
  json_t *a = rk_db_one(rk_store_db(s), NULL, "SELECT " APPROVAL_COLUMNS " FROM approvals WHERE id=?", "t", approval_id);
  if (a) rk_store_as_bool(a, "demo_profile");
  return a;
}

json_t *rk_store_approval_current(struct rk_store *s, const char *approval_id) {
  json_t *a = rk_db_one(rk_store_db(s), NULL, "SELECT " APPROVAL_COLUMNS " FROM approvals WHERE (turn_id, merchant_origin, checkout_id) ="
                        " (SELECT turn_id, merchant_origin, checkout_id FROM approvals WHERE id=?) ORDER BY seq DESC LIMIT 1", "t", approval_id);
  if (a) rk_store_as_bool(a, "demo_profile");
  return a;
}

json_t *rk_store_approvals_of_turn(struct rk_store *s, const char *turn_id) {
  return approvals(rk_db_all(rk_store_db(s), NULL, "SELECT " APPROVAL_COLUMNS " FROM approvals WHERE turn_id=? ORDER BY seq", "t", turn_id));
}

json_t *rk_store_approvals_in_state(struct rk_store *s, const char *state) {
  return approvals(rk_db_all(rk_store_db(s), NULL, "SELECT " APPROVAL_COLUMNS " FROM approvals WHERE state=? ORDER BY seq", "t", state));
}

json_t *rk_store_approvals_of_order(struct rk_store *s, const char *order_id) {
  return approvals(rk_db_all(rk_store_db(s), NULL, "SELECT " APPROVAL_COLUMNS " FROM approvals WHERE subject_order_id=? ORDER BY seq", "t", order_id));
}

rk_err rk_store_approval_move(struct rk_store *s, const char *approval_id, const char *from, const char *to, const char *failure,
                              const char *order_id, struct rk_error *e) {
  struct rk_db *db = rk_store_db(s);
  rk_err err = rk_db_begin(db, e);
  if (err) return err;
  err = rk_db_run(db, e, "UPDATE approvals SET state=?, failure=COALESCE(?, failure), order_id=COALESCE(?, order_id)"
                  " WHERE id=? AND state=?", "ttttt", to, failure, order_id, approval_id, from);
  if (!err && rk_db_changes(db) == 0) err = rk_fail(e, RK_EGONE, "this approval is no longer %s", from);
  return rk_store_end(db, err, e);
}

rk_err rk_store_approval_fail(struct rk_store *s, const char *approval_id, const char *from, const char *code, const char *why, struct rk_error *e) {
  struct rk_db *db = rk_store_db(s);
  rk_err err = rk_db_begin(db, e);
  if (err) return err;
  err = rk_store_approval_move(s, approval_id, from, "failed", why, NULL, e);
  if (!err) err = rk_db_run(db, e, "UPDATE approvals SET failure_code=? WHERE id=?", "tt", code, approval_id);
  return rk_store_end(db, err, e);
}

rk_err rk_store_approval_decide(struct rk_store *s, const char *approval_id, const char *to, const char *by, const char *signature,
                                struct rk_error *e) {
  struct rk_db *db = rk_store_db(s);
  rk_err err = rk_db_begin(db, e);
  if (err) return err;
  err = rk_db_run(db, e, "UPDATE approvals SET state=?, decided_by=?, decided_ms=?, signature=? WHERE id=? AND state='pending'",
                  "ttitt", to, by, rk_now_ms(), signature, approval_id);
  if (!err && rk_db_changes(db) == 0) err = rk_fail(e, RK_EGONE, "this approval is no longer pending");
  return rk_store_end(db, err, e);
}

rk_err rk_store_approval_fresh(struct rk_store *s, const char *approval_id, const json_t *fresh, struct rk_error *e) {
  char *text = rk_json_dump(fresh);
  rk_err err = rk_db_run(rk_store_db(s), e, "UPDATE approvals SET fresh_json=? WHERE id=?", "tt", text, approval_id);
  free(text);
  return err;
}

/* ---- plans ---- */

rk_err rk_store_plan_add(struct rk_store *s, const char *user_id, const char *chat_id, const char *turn_id, const char *title, char id[37],
                         struct rk_error *e) {
  rk_uuid7(id);
  return rk_db_run(rk_store_db(s), e, "INSERT INTO plans(id, user_id, chat_id, turn_id, title, state, created_ms) VALUES(?, ?, ?, ?, ?, 'pending', ?)",
                   "ttttti", id, user_id, chat_id, turn_id, title, rk_now_ms());
}

rk_err rk_store_plan_take(struct rk_store *s, const char *plan_id, const char *approval_id, int64_t position, struct rk_error *e) {
  struct rk_db *db = rk_store_db(s);
  rk_err err = rk_db_run(db, e, "UPDATE approvals SET plan_id=?, plan_position=? WHERE id=? AND state='pending'", "tit", plan_id, position, approval_id);
  return !err && rk_db_changes(db) == 0 ? rk_fail(e, RK_EGONE, "an approval of the plan is no longer pending") : err;
}

json_t *rk_store_plan(struct rk_store *s, const char *plan_id) {
  return rk_db_one(rk_store_db(s), NULL, "SELECT id, user_id, chat_id, turn_id, title, state, on_failure, sheet_hash, signature, notes_json, undo_ms, created_ms,"
                   " decided_by FROM plans WHERE id=?", "t", plan_id);
}

json_t *rk_store_plan_approvals(struct rk_store *s, const char *plan_id) {
  return approvals(rk_db_all(rk_store_db(s), NULL, "SELECT " APPROVAL_COLUMNS " FROM approvals WHERE plan_id=? AND state<>'superseded' ORDER BY plan_position",
                             "t", plan_id));
}

static rk_err one_plan(struct rk_db *db, rk_err err, const char *state, struct rk_error *e) {
  return !err && rk_db_changes(db) == 0 ? rk_fail(e, RK_EGONE, "this plan is no longer %s", state) : err;
}

rk_err rk_store_plan_decide(struct rk_store *s, const char *plan_id, const char *to, const char *by, const char *sheet_hash, const char *signature,
                            struct rk_error *e) {
  struct rk_db *db = rk_store_db(s);
  return one_plan(db, rk_db_run(db, e, "UPDATE plans SET state=?, decided_by=?, decided_ms=?, sheet_hash=COALESCE(?, sheet_hash), signature=?"
                                " WHERE id=? AND state='pending'", "ttittt", to, by, rk_now_ms(), sheet_hash, signature, plan_id), "pending", e);
}

rk_err rk_store_plan_on_failure(struct rk_store *s, const char *plan_id, const char *on_failure, struct rk_error *e) {
  struct rk_db *db = rk_store_db(s);
  return one_plan(db, rk_db_run(db, e, "UPDATE plans SET on_failure=? WHERE id=? AND state='pending'", "tt", on_failure, plan_id), "pending", e);
}

rk_err rk_store_plan_move(struct rk_store *s, const char *plan_id, const char *from, const char *to, struct rk_error *e) {
  struct rk_db *db = rk_store_db(s);
  return one_plan(db, rk_db_run(db, e, "UPDATE plans SET state=?1, undo_ms=CASE ?1 WHEN 'undoing' THEN ?2 ELSE undo_ms END WHERE id=?3 AND state=?4", "titt", to,
                                rk_now_ms(), plan_id, from), from, e);
}

rk_err rk_store_plan_note(struct rk_store *s, const char *plan_id, const char *approval_id, const char *code, struct rk_error *e) {
  return rk_db_run(rk_store_db(s), e, "UPDATE plans SET notes_json=json_set(notes_json, '$.\"'||?||'\"', ?) WHERE id=?", "ttt", approval_id, code, plan_id);
}

json_t *rk_store_plans_open(struct rk_store *s) {
  return rk_db_all(rk_store_db(s), NULL, "SELECT id, user_id FROM plans WHERE state IN ('approved', 'completing', 'undoing') ORDER BY seq", "");
}

json_t *rk_store_plans_answered(struct rk_store *s) {
  return rk_db_all(rk_store_db(s), NULL, "SELECT id, on_failure, sheet_hash, signature FROM plans WHERE state NOT IN ('pending', 'refused', 'expired') ORDER BY seq", "");
}

json_t *rk_store_plan_refunds(struct rk_store *s, const char *order_id) {
  return approvals(rk_db_all(rk_store_db(s), NULL, "SELECT " APPROVAL_COLUMNS " FROM approvals WHERE subject_order_id=? AND decided_by='plan' ORDER BY seq", "t", order_id));
}

/* ---- intents ---- */

rk_err rk_store_intent_add(struct rk_store *s, const struct rk_intent_new *in, struct rk_error *e) {
  return rk_db_run(rk_store_db(s), e, "INSERT INTO payment_intents(id, user_id, approval_id, attempt, idempotency_key, amount_minor,"
                   " currency, body, created_ms) VALUES(?1, ?2, ?3, (SELECT COUNT(*) FROM payment_intents WHERE approval_id=?3),"
                   " ?4, ?5, ?6, ?7, ?8)", "ttttitsi", in->id, in->user_id, in->approval_id, in->idempotency_key, in->amount_minor,
                   in->currency, in->body, rk_now_ms());
}

json_t *rk_store_intent(struct rk_store *s, const char *approval_id) {
  return rk_db_one(rk_store_db(s), NULL, "SELECT id, idempotency_key, amount_minor, currency, body, created_ms FROM payment_intents"
                   " WHERE approval_id=? ORDER BY attempt DESC LIMIT 1", "t", approval_id);
}

/* ---- orders ---- */

#define ORDER_COLUMNS "id, approval_id, merchant_origin, merchant_order_id, status, receipt_json, chat_id, turn_id, placed_ms"

rk_err rk_store_order_add(struct rk_store *s, const struct rk_order_new *o, char id[37], struct rk_error *e) {
  char *receipt = rk_json_dump(o->receipt);
  rk_uuid7(id);
  rk_err err = rk_db_run(rk_store_db(s), e, "INSERT INTO orders(id, user_id, approval_id, merchant_origin, merchant_order_id, status,"
                         " receipt_json, chat_id, turn_id, placed_ms) VALUES(?, ?, ?, ?, ?, 'placed', ?, ?, ?, ?)", "tttttttti",
                         id, o->user_id, o->approval_id, o->merchant_origin, o->merchant_order_id, receipt, o->chat_id, o->turn_id, rk_now_ms());
  free(receipt);
  return err;
}

json_t *rk_store_order(struct rk_store *s, const char *user_id, const char *order_id) {
  return rk_db_one(rk_store_db(s), NULL, "SELECT " ORDER_COLUMNS " FROM orders WHERE user_id=? AND id=?", "tt", user_id, order_id);
}

json_t *rk_store_order_changes(struct rk_store *s, const char *order_id) {
  return approvals(rk_db_all(rk_store_db(s), NULL, "SELECT " APPROVAL_COLUMNS " FROM approvals WHERE subject_order_id=? AND kind='change' AND state='completed' ORDER BY seq",
                             "t", order_id));
}

json_t *rk_store_order_of_approval(struct rk_store *s, const char *approval_id) {
  return rk_db_one(rk_store_db(s), NULL, "SELECT " ORDER_COLUMNS " FROM orders WHERE approval_id=?", "t", approval_id);
}

json_t *rk_store_order_at(struct rk_store *s, const char *merchant_origin, const char *merchant_order_id) {
  return rk_db_one(rk_store_db(s), NULL, "SELECT " ORDER_COLUMNS " FROM orders WHERE merchant_origin=? AND merchant_order_id=?", "tt",
                   merchant_origin, merchant_order_id);
}

json_t *rk_store_orders_on_their_way(struct rk_store *s) {
  return rk_db_all(rk_store_db(s), NULL, "SELECT user_id, " ORDER_COLUMNS " FROM orders WHERE status IN ('placed', 'processing') ORDER BY seq", "");
}

json_t *rk_store_orders(struct rk_store *s, const char *user_id) {
  return rk_db_all(rk_store_db(s), NULL, "SELECT " ORDER_COLUMNS " FROM orders WHERE user_id=? ORDER BY seq DESC", "t", user_id);
}

rk_err rk_store_order_status(struct rk_store *s, const char *order_id, const char *status, struct rk_error *e) {
  return rk_db_run(rk_store_db(s), e, "UPDATE orders SET status=? WHERE id=?", "tt", status, order_id);
}

int64_t rk_store_reserved(struct rk_store *s, const char *user_id, const char *instrument_id) {
  return rk_store_number(s, RK_STORE_UNREADABLE, "SELECT COALESCE(SUM(total_minor), 0) FROM approvals WHERE user_id=?"
                         " AND instrument_id=? AND state='approved' AND kind IN ('purchase','change')", user_id, instrument_id);
}
