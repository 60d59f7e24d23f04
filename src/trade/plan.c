/* plan.c - several checkouts, one sheet, one answer. */
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/utf8.h"
#include "trade/internal.h"

enum { MAX_TITLE_BYTES = 201 };

/* ---- the sheet ---- */

int64_t rk_trade_undo_fee(const json_t *approval_row) {
  return rk_json_i64(rk_json_obj(rk_json_obj(approval_row, "asked"), "undo"), "fee_minor", -1);
}

rk_err rk_trade_sheet(const json_t *rows, const char *on_failure, struct rk_buf *jcs, char hash[65], struct rk_error *e) {
  json_t *parts = json_array(), *one;
  size_t i;
  json_array_foreach(rows, i, one) {
    int64_t fee = rk_trade_undo_fee(one);
    json_array_append_new(parts, json_pack("{s:O, s:o}", "terms_hash", json_object_get(one, "terms_hash"), "undo_fee_minor", fee < 0 ? json_null() : json_integer(fee)));
  }
  json_t *sheet = json_pack("{s:s, s:o}", "on_failure", on_failure, "parts", parts);
  rk_err err = rk_json_jcs(jcs, sheet);
  json_decref(sheet);
  if (err) return rk_fail(e, err, "the sheet of the plan cannot be written down");
  rk_sha256_hex(rk_buf_str(jcs), hash);
  return RK_OK;
}

static rk_err hash_of(const json_t *rows, const char *on_failure, char hash[65], struct rk_error *e) {
  struct rk_buf jcs;
  rk_buf_init(&jcs, RK_MAX_TERMS_BYTES);
  rk_err err = rk_trade_sheet(rows, on_failure, &jcs, hash, e);
  rk_buf_release(&jcs);
  return err;
}

/* What all parts cost, by currency. */
static json_t *totals(const json_t *approvals) {
  json_t *sum = json_object(), *one;
  size_t i;
  json_array_foreach(approvals, i, one) {
    const char *currency = rk_json_cstr(one, "currency", "");
    json_object_set_new(sum, currency, json_integer(rk_json_i64(sum, currency, 0) + rk_json_i64(one, "total_minor", 0)));
  }
  return sum;
}

static bool any_is_over(const json_t *approvals) {
  size_t i;
  json_t *one;
  json_array_foreach(approvals, i, one)
    if (rk_trade_is_over(one) || rk_str_eq_c(rk_json_str(one, "state"), "expired")) return true;
  return false;
}

static int64_t earliest_expiry(const json_t *approvals) {
  int64_t first = INT64_MAX;
  size_t i;
  json_t *one;
  json_array_foreach(approvals, i, one) {
    int64_t at = rk_json_i64(one, "expires_ms", 0);
    first = at < first ? at : first;
  }
  return first;
}

static bool was_answered_yes(const char *state) { return strcmp(state, "pending") != 0 && strcmp(state, "refused") != 0 && strcmp(state, "expired") != 0; }

static json_t *view(struct rk_trade *t, const json_t *plan) {
  static const char *const shown[] = {"id", "title", "on_failure", "created_ms", "chat_id", "turn_id"};
  const char *state = rk_json_cstr(plan, "state", "");
  json_t *rows = rk_store_plan_approvals(t->store, rk_json_cstr(plan, "id", "")), *v = json_object(), *list = json_array(), *one;
  char hash[65] = "";
  size_t i;
  for (i = 0; i < sizeof shown / sizeof *shown; i++) json_object_set(v, shown[i], json_object_get(plan, shown[i]));
  json_array_foreach(rows, i, one) json_array_append_new(list, rk_trade_view(t, one));
  if (strcmp(state, "pending") == 0 && any_is_over(rows)) state = "expired";
  if (hash_of(rows, rk_json_cstr(plan, "on_failure", ""), hash, NULL)) rk_log(RK_LOG_WARN, "trade", "plan %s has no sheet", rk_json_cstr(plan, "id", ""));
  json_object_set_new(v, "state", json_string(state));
  json_object_set_new(v, "sheet_hash", json_string(hash));
  json_object_set_new(v, "expires_ms", json_integer(earliest_expiry(rows)));
  json_object_set_new(v, "totals", totals(rows));
  json_object_set_new(v, "approvals", list);
  const char *lang = rk_json_cstr(rk_json_obj(json_array_get(rows, 0), "asked"), "lang", NULL);
  if (lang) json_object_set_new(v, "lang", json_string(lang));
  if (was_answered_yes(state)) json_object_set_new(v, "result", rk_trade_plan_result(t, plan, rows));
  json_decref(rows);
  return v;
}

json_t *rk_trade_plan(struct rk_trade *t, const char *user_id, const char *plan_id) {
  json_t *plan = rk_store_plan(t->store, plan_id);
  json_t *v = plan && rk_str_eq_c(rk_json_str(plan, "user_id"), user_id) ? view(t, plan) : NULL;
  json_decref(plan);
  return v;
}

rk_err rk_trade_plan_event(struct rk_trade *t, const char *plan_id, struct rk_error *e) {
  json_t *plan = rk_store_plan(t->store, plan_id);
  rk_err err = plan ? rk_trade_event(t, plan, "plan", json_pack("{s:o}", "plan", view(t, plan)), e) : rk_fail(e, RK_EIO, "the plan cannot be read back");
  json_decref(plan);
  return err;
}

rk_err rk_trade_plan_lapse(struct rk_trade *t, const json_t *row, struct rk_error *e) {
  const char *plan_id = rk_json_cstr(row, "plan_id", NULL);
  if (!plan_id) return RK_OK;
  rk_err err = rk_store_plan_move(t->store, plan_id, "pending", "expired", e);
  return err == RK_EGONE ? RK_OK : err ? err : rk_trade_plan_event(t, plan_id, e);
}

/* ---- making one ---- */

static rk_err check_part(const json_t *row, const char *user_id, struct rk_error *e) {
  if (!row || !rk_str_eq_c(rk_json_str(row, "user_id"), user_id)) return rk_fail(e, RK_ENOTFOUND, "there is no such approval");
  if (!rk_str_eq_c(rk_json_str(row, "state"), "pending") || rk_trade_is_over(row)) return rk_fail(e, RK_EGONE, "an approval of the plan is no longer waiting");
  if (!rk_str_eq_c(rk_json_str(row, "kind"), "purchase")) return rk_fail(e, RK_EINVAL, "a plan is of purchases");
  if (json_is_string(json_object_get(row, "plan_id"))) return rk_fail(e, RK_ECONFLICT, "an approval is part of another plan already");
  return RK_OK;
}

static rk_err make(struct rk_trade *t, const char *user_id, const char *title, const char *const *ids, int32_t n, char plan_id[37], struct rk_error *e) {
  rk_err err = RK_OK;
  char name[MAX_TITLE_BYTES];
  rk_utf8_copy(name, sizeof name, rk_str_c(title));
  for (int32_t i = 0; !err && i < n; i++) {
    json_t *row = rk_store_approval(t->store, ids[i]);
    err = check_part(row, user_id, e);
    if (!err && i == 0) err = rk_store_plan_add(t->store, user_id, rk_json_cstr(row, "chat_id", ""), rk_json_cstr(row, "turn_id", ""), name, plan_id, e);
    if (!err) err = rk_store_plan_take(t->store, plan_id, ids[i], i, e);
    json_decref(row);
  }
  return err ? err : rk_trade_plan_event(t, plan_id, e);
}

rk_err rk_trade_plan_new(struct rk_trade *t, const char *user_id, const char *title, const char *const *approval_ids, int32_t n, json_t **plan,
                         struct rk_error *e) {
  char id[37];
  *plan = NULL;
  if (n < 1 || n > RK_MAX_PLAN_PARTS) return rk_fail(e, RK_EINVAL, "a plan has 1 to %d parts", RK_MAX_PLAN_PARTS);
  rk_err err = rk_db_begin(rk_store_db(t->store), e);
  if (err) return err;
  err = rk_trade_end(t, make(t, user_id, title, approval_ids, n, id, e), e);
  if (err) return err;
  *plan = rk_trade_plan(t, user_id, id);
  return *plan ? RK_OK : rk_fail(e, RK_EIO, "the plan cannot be read back");
}

/* Not wanted any more: refused here, and not held there. */
static rk_err drop(struct rk_trade *t, const json_t *row, struct rk_error *e) {
  if (rk_merchant_checkout_cancel(t->merchants, rk_json_cstr(row, "merchant_origin", ""), rk_json_cstr(row, "checkout_id", ""), NULL))
    rk_log(RK_LOG_INFO, "trade", "approval %s: the merchant did not confirm the cancellation", rk_json_cstr(row, "id", ""));
  rk_err err = rk_db_begin(rk_store_db(t->store), e);
  return err ? err : rk_trade_end(t, rk_trade_refuse_row(t, row, "plan", e), e);
}

rk_err rk_trade_plan_drop(struct rk_trade *t, const char *user_id, const char *const *approval_ids, int32_t n, struct rk_error *e) {
  rk_err err = RK_OK;
  for (int32_t i = 0; i < n; i++) {
    struct rk_error why = {RK_OK, ""};
    json_t *row = rk_store_approval(t->store, approval_ids[i]);
    rk_err one = check_part(row, user_id, &why);
    if (!one) one = drop(t, row, &why);
    if (one && !err) err = rk_fail(e, one, "%s", why.msg);
    json_decref(row);
  }
  return err;
}

/* ---- answering it ---- */

static rk_err set_on_failure(struct rk_trade *t, const char *user_id, const char *plan_id, const char *on_failure, struct rk_error *e) {
  json_t *plan = rk_store_plan(t->store, plan_id);
  bool mine = plan && rk_str_eq_c(rk_json_str(plan, "user_id"), user_id);
  json_decref(plan);
  if (!mine) return rk_fail(e, RK_ENOTFOUND, "there is no such plan");
  rk_err err = rk_store_plan_on_failure(t->store, plan_id, on_failure, e);
  return err ? err : rk_trade_plan_event(t, plan_id, e);
}

rk_err rk_trade_plan_edit(struct rk_trade *t, const char *user_id, const char *session_kind, const char *plan_id, const char *on_failure, struct rk_error *e) {
  rk_err err = rk_trade_check_session(session_kind, e);
  if (!err && strcmp(on_failure, "undo") != 0 && strcmp(on_failure, "keep") != 0) err = rk_fail(e, RK_EINVAL, "on_failure is \"undo\" or \"keep\"");
  if (!err) err = rk_db_begin(rk_store_db(t->store), e);
  return err ? err : rk_trade_end(t, set_on_failure(t, user_id, plan_id, on_failure, e), e);
}

static rk_err decided_before(const json_t *plan, bool yes, struct rk_error *e) {
  const char *state = rk_json_cstr(plan, "state", "");
  return (yes ? was_answered_yes(state) : strcmp(state, "refused") == 0) ? RK_OK : rk_fail(e, RK_EGONE, "this plan is %s already: nothing was changed", state);
}

struct sheet {
  json_t *plan, *rows;
  struct rk_buf jcs, signature;
  char hash[65];
};

/* Inside a transaction: each part is approved by itself, and the wallet sees what the parts before it take. */
static rk_err decide_parts(struct rk_trade *t, struct sheet *s, const char *by, bool yes, struct rk_error *e) {
  const char *id = rk_json_cstr(s->plan, "id", "");
  size_t i;
  json_t *row;
  rk_err err = yes ? rk_trade_sign(t, rk_buf_str(&s->jcs), &s->signature, e) : RK_OK;
  if (!err) err = rk_store_plan_decide(t->store, id, yes ? "approved" : "refused", by, s->hash, yes ? s->signature.p : NULL, e);
  json_array_foreach(s->rows, i, row) {
    if (err) break;
    bool pending = rk_str_eq_c(rk_json_str(row, "state"), "pending");
    if (!yes && (!pending || rk_trade_is_over(row))) continue;
    if (!pending || rk_trade_is_over(row)) err = rk_fail(e, RK_EGONE, "part %zu of the plan is no longer waiting: nothing was bought; ask again for a new one", i + 1);
    else err = yes ? rk_trade_approve_row(t, row, by, e) : rk_trade_refuse_row(t, row, by, e);
  }
  return err ? err : rk_trade_plan_event(t, id, e);
}

static rk_err decide(struct rk_trade *t, const char *user_id, const char *by, const char *plan_id, bool yes, const char *seen, struct rk_error *e) {
  struct sheet s = {.plan = rk_store_plan(t->store, plan_id), .rows = rk_store_plan_approvals(t->store, plan_id)};
  rk_buf_init(&s.jcs, RK_MAX_TERMS_BYTES);
  rk_buf_init(&s.signature, 128);
  rk_err err;
  if (!s.plan || !rk_str_eq_c(rk_json_str(s.plan, "user_id"), user_id)) err = rk_fail(e, RK_ENOTFOUND, "there is no such plan");
  else err = rk_trade_sheet(s.rows, rk_json_cstr(s.plan, "on_failure", ""), &s.jcs, s.hash, e);
  if (!err && !rk_ct_equal(rk_str_c(s.hash), rk_str_c(seen))) err = rk_fail(e, RK_ECONFLICT, "this is not the sheet that is waiting: load the plan again and read it");
  else if (!err && !rk_str_eq_c(rk_json_str(s.plan, "state"), "pending")) err = decided_before(s.plan, yes, e);
  else if (!err) err = decide_parts(t, &s, by, yes, e);
  rk_buf_release(&s.jcs);
  rk_buf_release(&s.signature);
  json_decref(s.rows);
  json_decref(s.plan);
  return err;
}

rk_err rk_trade_plan_decide(struct rk_trade *t, const char *user_id, const char *session_kind, const char *plan_id, const char *decision,
                            const char *sheet, struct rk_error *e) {
  bool yes = strcmp(decision, "approve") == 0;
  rk_err err = rk_trade_check_session(session_kind, e);
  if (!err && !yes && strcmp(decision, "refuse") != 0) err = rk_fail(e, RK_EINVAL, "decision is \"approve\" or \"refuse\"");
  if (!err) err = rk_db_begin(rk_store_db(t->store), e);
  if (err) return err;
  err = rk_trade_end(t, decide(t, user_id, session_kind, plan_id, yes, sheet, e), e);
  if (!err && yes) rk_trade_step(t, RK_STEP_APPROVED);
  return err;
}
