/* receipt.c - an order on one sheet: what was bought and approved, what was paid and came back, and whether it adds up.
 * From what is stored alone: amounts that moved are the ledger's, terms the signed ones. */
#include <string.h>

#include "trade/internal.h"

static int64_t minor(const json_t *v, const char *key) { return rk_json_i64(v, key, 0); }
static void set_minor(json_t *v, const char *key, int64_t amount) { json_object_set_new(v, key, json_integer(amount)); }

static int64_t sum_of(const json_t *list, const char *key) {
  int64_t sum = 0;
  size_t i;
  json_t *one;
  json_array_foreach(list, i, one) sum += minor(one, key);
  return sum;
}

/* ---- the parts ---- */

static json_t *lines_of(const json_t *order) {
  json_t *lines = json_deep_copy(rk_json_arr(order, "lines")), *one;
  size_t i;
  json_array_foreach(lines, i, one) set_minor(one, "amount_minor", minor(one, "unit_minor") * minor(one, "quantity"));
  return lines ? lines : json_array();
}

static json_t *moves_of(const json_t *entries, const char *kind) {
  json_t *list = json_array(), *one;
  size_t i;
  json_array_foreach(entries, i, one)
    if (rk_str_eq_c(rk_json_str(one, "kind"), kind))
      json_array_append_new(list, json_pack("{s:O, s:O, s:O, s:O}", "entry_id", json_object_get(one, "id"), "time_ms", json_object_get(one, "time_ms"), "amount_minor",
                                            json_object_get(one, "amount_minor"), "instrument_id", json_object_get(one, "instrument_id")));
  return list;
}

static json_t *approved(const struct rk_trade *t, const json_t *row) {
  static const char *const same[] = {"id", "terms_hash", "signature"};
  json_t *v = json_pack("{s:s, s:I, s:b}", "by", rk_json_cstr(row, "decided_by", ""), "time_ms", (json_int_t)minor(row, "decided_ms"), "signed", rk_trade_is_signed(t, row));
  for (size_t i = 0; i < sizeof same / sizeof *same; i++) json_object_set(v, same[i], json_object_get(row, same[i]));
  return v;
}

/* What was agreed after the sale and done by the merchant. A change gives new lines for old ones. */
static json_t *returns_of(const struct rk_trade *t, const json_t *rows) {
  json_t *list = json_array(), *row;
  size_t i;
  json_array_foreach(rows, i, row) {
    const json_t *terms = rk_json_obj(row, "terms"), *change = rk_json_obj(terms, "change"), *back = change ? change : terms;
    if (!rk_str_eq_c(rk_json_str(row, "state"), "completed")) continue;
    json_array_append_new(list, json_pack("{s:s, s:O, s:I, s:I, s:s, s:o}", "kind", rk_json_cstr(row, "kind", ""), "lines", rk_json_arr(back, "lines"), "back_minor",
                                          (json_int_t)minor(back, "back_minor"), "fee_minor", (json_int_t)minor(back, "fee_minor"), "policy",
                                          rk_json_cstr(back, "policy", ""), "approval", approved(t, row)));
  }
  return list;
}

/* ---- does it add up? ---- */

/* what: docs/api.md, checks of a receipt. */
static void check(json_t *receipt, const char *what, bool ok) {
  json_array_append_new(json_object_get(receipt, "checks"), json_pack("{s:s, s:b}", "check", what, "ok", ok));
  if (!ok) json_object_set_new(receipt, "ok", json_false());
}

/* The purchase as it was bought; what was changed later stands in returns and payments. */
static void check_totals(json_t *receipt, const json_t *bought) {
  json_t *totals = rk_json_arr(bought, "totals"), *lines = lines_of(bought), *one;
  int64_t parts = 0, items = sum_of(lines, "amount_minor");
  bool subtotal_ok = true;
  size_t i;
  json_array_foreach(totals, i, one) {
    rk_str type = rk_json_str(one, "type");
    if (!rk_str_eq_c(type, "total")) parts += minor(one, "amount_minor");
    if (rk_str_eq_c(type, "subtotal")) subtotal_ok = subtotal_ok && minor(one, "amount_minor") == items;
  }
  check(receipt, "lines", subtotal_ok);
  check(receipt, "total", json_array_size(totals) < 2 || parts == minor(bought, "total_minor"));
  json_decref(lines);
}

/* One payment for the purchase, one for each change of it. */
static bool is_paid(const json_t *receipt, const json_t *approval) {
  size_t n = json_array_size(rk_json_arr(receipt, "payments"));
  if (rk_trade_is_on_delivery(approval)) return n == 0;
  return n == 1 + json_array_size(rk_json_arr(receipt, "changes")) && minor(receipt, "paid_minor") == minor(receipt, "total_minor");
}

static void check_money(json_t *receipt, const json_t *bought, const json_t *approval) {
  int64_t back = minor(receipt, "refunded_minor");
  bool signed_all = rk_json_bool(rk_json_obj(receipt, "approval"), "signed", false);
  size_t i;
  json_t *one;
  json_array_foreach(rk_json_arr(receipt, "returns"), i, one) signed_all = signed_all && rk_json_bool(rk_json_obj(one, "approval"), "signed", false);
  check(receipt, "paid", is_paid(receipt, approval));
  check(receipt, "approved", minor(bought, "total_minor") <= minor(approval, "total_minor"));
  check(receipt, "signed", signed_all);
  check(receipt, "back", back <= minor(receipt, "paid_minor"));
  check(receipt, "returns", rk_trade_is_on_delivery(approval) || back >= sum_of(rk_json_arr(receipt, "returns"), "back_minor"));
}

/* ---- the sheet ---- */

static bool is_off(const json_t *row) { return rk_str_eq_c(rk_json_str(row, "status"), "canceled") || rk_str_eq_c(rk_json_str(row, "status"), "refunded"); }

static json_t *sheet(struct rk_trade *t, const char *user_id, const json_t *row, const json_t *bought) {
  const char *order_id = rk_json_cstr(row, "id", "");
  const json_t *terms = rk_json_obj(bought, "terms");
  json_t *r = rk_trade_order_view(t, row), *entries = rk_store_ledger_of_order(t->store, user_id, order_id), *after = rk_store_approvals_of_order(t->store, order_id);
  json_object_set_new(r, "lines", lines_of(r));
  json_object_set_new(r, "payments", moves_of(entries, "capture"));
  json_object_set_new(r, "refunds", moves_of(entries, "refund"));
  json_object_set_new(r, "returns", returns_of(t, after));
  json_object_set_new(r, "approval", approved(t, bought));
  if (rk_json_arr(terms, "discounts")) json_object_set(r, "discounts", rk_json_arr(terms, "discounts"));
  if (rk_json_arr(terms, "travelers")) json_object_set(r, "travelers", rk_json_arr(terms, "travelers"));
  json_object_set_new(r, "refund_rule", json_string(rk_json_cstr(terms, "refund_rule", "")));
  set_minor(r, "paid_minor", sum_of(rk_json_arr(r, "payments"), "amount_minor"));
  set_minor(r, "refunded_minor", sum_of(rk_json_arr(r, "refunds"), "amount_minor"));
  set_minor(r, "fees_minor", sum_of(rk_json_arr(r, "returns"), "fee_minor"));
  set_minor(r, "stands_minor", minor(r, "paid_minor") - minor(r, "refunded_minor"));
  if (rk_trade_is_on_delivery(bought)) set_minor(r, "on_delivery_minor", is_off(row) ? 0 : minor(r, "total_minor"));
  json_object_set_new(r, "checks", json_array());
  json_object_set_new(r, "ok", json_true());
  check_totals(r, rk_json_obj(row, "receipt"));
  check_money(r, rk_json_obj(row, "receipt"), bought);
  json_decref(after);
  json_decref(entries);
  return r;
}

json_t *rk_trade_receipt(struct rk_trade *t, const char *user_id, const char *order_id, struct rk_error *e) {
  json_t *row = rk_store_order(t->store, user_id, order_id), *bought = row ? rk_store_approval(t->store, rk_json_cstr(row, "approval_id", "")) : NULL;
  json_t *r = bought ? sheet(t, user_id, row, bought) : NULL;
  if (!r) rk_fail(e, RK_ENOTFOUND, "there is no such order");
  json_decref(bought);
  json_decref(row);
  return r;
}
