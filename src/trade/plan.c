/* plan.c - several checkouts, one sheet, one answer. */
#include <string.h>

#include "base/limits.h"
#include "trade/internal.h"

static void sheet_hash(const json_t *approvals, char out[65]) {
  struct rk_sha256 *h = rk_sha256_new();
  size_t i;
  json_t *one;
  json_array_foreach(approvals, i, one) {
    rk_str hash = rk_json_str(one, "terms_hash");
    rk_sha256_update(h, hash.p, hash.n);
    rk_sha256_update(h, "\n", 1);
  }
  rk_sha256_final_hex(h, out);
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

static json_t *view(struct rk_trade *t, const json_t *plan) {
  static const char *const shown[] = {"id", "title", "created_ms", "chat_id", "turn_id"};
  json_t *rows = rk_store_plan_approvals(t->store, rk_json_cstr(plan, "id", "")), *v = json_object(), *list = json_array(), *one;
  char hash[65];
  size_t i;
  for (i = 0; i < sizeof shown / sizeof *shown; i++) json_object_set(v, shown[i], json_object_get(plan, shown[i]));
  json_array_foreach(rows, i, one) json_array_append_new(list, rk_trade_view(t, one));
  bool pending = rk_str_eq_c(rk_json_str(plan, "state"), "pending");
  sheet_hash(rows, hash);
  json_object_set_new(v, "state", json_string(pending && any_is_over(rows) ? "expired" : rk_json_cstr(plan, "state", "")));
  json_object_set_new(v, "sheet_hash", json_string(hash));
  json_object_set_new(v, "totals", totals(rows));
  json_object_set_new(v, "approvals", list);
  json_decref(rows);
  return v;
}

json_t *rk_trade_plan(struct rk_trade *t, const char *user_id, const char *plan_id) {
  json_t *plan = rk_store_plan(t->store, plan_id);
  json_t *v = plan && rk_str_eq_c(rk_json_str(plan, "user_id"), user_id) ? view(t, plan) : NULL;
  json_decref(plan);
  return v;
}

/* ---- making one ---- */

static rk_err check_part(const json_t *row, const char *user_id, struct rk_error *e) {
  if (!row || !rk_str_eq_c(rk_json_str(row, "user_id"), user_id)) return rk_fail(e, RK_ENOTFOUND, "there is no such approval");
  if (!rk_str_eq_c(rk_json_str(row, "state"), "pending") || rk_trade_is_over(row)) return rk_fail(e, RK_EGONE, "an approval of the plan is no longer waiting");
  if (json_is_string(json_object_get(row, "plan_id"))) return rk_fail(e, RK_ECONFLICT, "an approval is part of another plan already");
  return RK_OK;
}

static rk_err make(struct rk_trade *t, const char *user_id, const char *title, const char *const *ids, int32_t n, char plan_id[37], struct rk_error *e) {
  rk_err err = RK_OK;
  for (int32_t i = 0; !err && i < n; i++) {
    json_t *row = rk_store_approval(t->store, ids[i]);
    err = check_part(row, user_id, e);
    if (!err && i == 0) err = rk_store_plan_add(t->store, user_id, rk_json_cstr(row, "chat_id", ""), rk_json_cstr(row, "turn_id", ""), title, plan_id, e);
    if (!err) err = rk_store_plan_take(t->store, plan_id, ids[i], i, e);
    json_decref(row);
  }
  return err;
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

/* ---- answering it ---- */

static rk_err decided_before(const json_t *plan, bool yes, struct rk_error *e) {
  rk_str state = rk_json_str(plan, "state");
  return rk_str_eq_c(state, yes ? "approved" : "refused") ? RK_OK : rk_fail(e, RK_EGONE, "this plan is %.*s already: nothing was changed", RK_STR_ARG(state));
}

/* Inside a transaction: each part is approved by itself, and the wallet sees what the parts before it take. */
static rk_err decide_parts(struct rk_trade *t, const json_t *plan, const json_t *rows, const char *by, bool yes, const char *sheet, struct rk_error *e) {
  size_t i;
  json_t *row;
  rk_err err = rk_store_plan_decide(t->store, rk_json_cstr(plan, "id", ""), yes ? "approved" : "refused", by, sheet, e);
  json_array_foreach(rows, i, row) {
    if (err) break;
    bool pending = rk_str_eq_c(rk_json_str(row, "state"), "pending");
    if (!yes && (!pending || rk_trade_is_over(row))) continue;
    if (!pending || rk_trade_is_over(row)) err = rk_fail(e, RK_EGONE, "part %zu of the plan is no longer waiting: nothing was bought; ask again for a new one", i + 1);
    else err = yes ? rk_trade_approve_row(t, row, by, e) : rk_trade_refuse_row(t, row, by, e);
  }
  return err;
}

static rk_err decide(struct rk_trade *t, const char *user_id, const char *by, const char *plan_id, bool yes, const char *sheet, struct rk_error *e) {
  json_t *plan = rk_store_plan(t->store, plan_id), *rows = plan ? rk_store_plan_approvals(t->store, plan_id) : NULL;
  char now[65] = "";
  rk_err err;
  if (rows) sheet_hash(rows, now);
  if (!rows || !rk_str_eq_c(rk_json_str(plan, "user_id"), user_id)) err = rk_fail(e, RK_ENOTFOUND, "there is no such plan");
  else if (!rk_ct_equal(rk_str_c(now), rk_str_c(sheet))) err = rk_fail(e, RK_ECONFLICT, "this is not the sheet that is waiting: load the plan again and read it");
  else if (!rk_str_eq_c(rk_json_str(plan, "state"), "pending")) err = decided_before(plan, yes, e);
  else err = decide_parts(t, plan, rows, by, yes, sheet, e);
  json_decref(rows);
  json_decref(plan);
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
