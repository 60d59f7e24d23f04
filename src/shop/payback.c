/* payback.c - money back that the seller begins, without being asked.
 *
 * Lines come back at what was paid for them, or an amount does; all refunds of
 * an order together never pass what was paid. Where the money came through a
 * handler the adjustment is completed and goes back the same way; where the
 * buyer paid at the door or on a page of the seller's it is pending, and the
 * seller says when he has paid it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "net/digest.h"
#include "shop/fulfil.h"
#include "shop/refund.h"
#include "shop/store.h"

struct payback {
  const struct rk_payback *asked;
  struct rk_db *db;
  json_t *order, *report, *view;
  json_t *lines;                    /* [{id, item_id, title, quantity, amount}] */
  int64_t left_minor;               /* of what was paid */
};

/* The same words are the same refund. */
static void id_of(const struct rk_payback *p, char id[RK_PAYBACK_ID_BYTES]) {
  struct rk_buf b;
  char hash[65], *lines = p->lines ? rk_json_dump(p->lines) : NULL;
  rk_buf_init(&b, 65536);
  if (p->key[0]) rk_buf_addf(&b, "%s|key|%s", p->order_id, p->key);
  else rk_buf_addf(&b, "%s|%lld|%s", p->order_id, (long long)p->amount_minor, lines ? lines : "");
  rk_sha256_hex(rk_buf_str(&b), hash);
  snprintf(id, RK_PAYBACK_ID_BYTES, "rf_%.24s", hash);
  rk_buf_release(&b);
  free(lines);
}

static rk_err add_line(struct payback *p, size_t i, int64_t quantity, struct rk_error *e) {
  json_t *line = json_array_get(rk_json_arr(p->report, "lines"), i);
  if (!line) return rk_fail(e, RK_EINVAL, "line %zu: the order has %zu", i + 1, json_array_size(rk_json_arr(p->report, "lines")));
  if (quantity < 1 || quantity > refund_left(line))
    return rk_fail(e, RK_ECONFLICT, "line %zu: %d of `%s` are left to give back", i + 1, (int)refund_left(line), rk_json_cstr(line, "title", ""));
  json_array_append_new(p->lines, json_pack("{s:o, s:O, s:O, s:I, s:I}", "id", json_sprintf("li_%zu", i + 1), "title", json_object_get(line, "title"), "item_id",
                                            json_object_get(line, "item_id"), "quantity", (json_int_t)quantity, "amount",
                                            (json_int_t)refund_worth(p->report, line, (int32_t)quantity)));
  refund_reduce(p->report, p->view, i, (int32_t)quantity);
  return RK_OK;
}

/* Those that were named; without lines and amount everything that is left. */
static rk_err choose_lines(struct payback *p, struct rk_error *e) {
  json_t *all = rk_json_arr(p->report, "lines"), *v;
  rk_err err = RK_OK;
  size_t i;
  json_array_foreach(p->asked->lines, i, v)
    if (!err) {
      const char *id = rk_json_cstr(v, "id", "");
      long at = strncmp(id, "li_", 3) == 0 ? strtol(id + 3, NULL, 10) : 0;
      err = at < 1 || at > 1000 ? rk_fail(e, RK_EINVAL, "`%.40s` is no line of the order", id) : add_line(p, (size_t)at - 1, rk_json_i64(v, "quantity", 0), e);
    }
  if (p->asked->lines || p->asked->amount_minor >= 0) return err;
  json_array_foreach(all, i, v)
    if (!err && refund_left(v) > 0) err = add_line(p, i, refund_left(v), e);
  return err;
}

static bool is_all_back(const struct payback *p) {
  json_t *v;
  size_t i;
  json_array_foreach(rk_json_arr(p->report, "lines"), i, v)
    if (refund_left(v) > 0) return false;
  return true;
}

/* What goes back when no amount is named: the worth of the lines; of the last ones all that is left, delivery too while nothing was sent. */
static int64_t worth_of_lines(const struct payback *p, bool shipped) {
  json_t *v;
  size_t i;
  int64_t sum = 0, kept = rk_json_i64(p->report, "refund_fees_minor", 0) + (shipped ? refund_total(rk_json_arr(p->report, "totals"), "fulfillment") : 0);
  if (!p->asked->lines) return p->left_minor;
  json_array_foreach(p->lines, i, v) sum += rk_json_i64(v, "amount", 0);
  if (is_all_back(p)) sum = p->left_minor - kept;
  return sum < p->left_minor ? sum : p->left_minor;
}

static bool is_by_hand(const json_t *report) {
  const char *kind = rk_json_cstr(rk_json_obj(report, "instrument"), "kind", "");
  return strcmp(kind, "on_delivery") == 0 || strcmp(kind, "page") == 0;
}

static rk_err write(struct payback *p, const char *id, int64_t amount, bool shipped, bool by_hand, struct rk_error *e) {
  json_t *refund = json_pack("{s:s, s:O, s:I}", "id", id, "lines", p->lines, "amount_minor", (json_int_t)amount), *v, *told = refund_adjustment(refund);
  int64_t back = refund_charged(p->order) - p->left_minor + amount;
  rk_err err = RK_OK;
  size_t i;
  json_array_foreach(p->lines, i, v)
    if (!err) err = refund_free(p->db, p->order, v, shipped, e);
  if (by_hand) json_object_set_new(told, "status", json_string("pending"));
  if (json_array_size(p->lines) == 0) json_object_del(told, "line_items");
  if (p->asked->reason[0]) json_object_set_new(told, "description", json_string(p->asked->reason));
  json_array_append_new(rk_json_arr(p->view, "adjustments"), told);
  json_object_set_new(p->report, "refunded_minor", json_integer(back));
  if (back == refund_charged(p->order) || is_all_back(p)) json_object_set_new(p->report, "status", json_string("refunded"));
  else if (json_array_size(p->lines)) json_object_set_new(p->report, "status", json_string("partially_refunded"));
  if (!err) err = rk_shop_store_put_order(p->db, p->asked->order_id, p->report, p->view, e);
  if (!err)
    err = rk_shop_store_put_refund(p->db, &(struct rk_refund_row){id, p->asked->order_id, rk_json_cstr(p->order, "agent", ""), by_hand ? "by_hand" : "completed", p->lines,
                                                                  amount, 0, rk_now_ms()}, e);
  json_decref(refund);
  return err;
}

static rk_err pay_back(struct payback *p, struct rk_payback_done *out, struct rk_error *e) {
  bool shipped = refund_is_shipped(p->view);
  int64_t before = rk_shop_store_refunded(p->db, p->asked->order_id);
  p->left_minor = refund_charged(p->order) - before;
  if (before == INT64_MAX || p->left_minor <= 0) return rk_fail(e, RK_ECONFLICT, "all that was paid for %s has gone back already", p->asked->order_id);
  rk_err err = choose_lines(p, e);
  if (err) return err;
  int64_t amount = p->asked->amount_minor >= 0 ? p->asked->amount_minor : worth_of_lines(p, shipped);
  if (amount <= 0) return rk_fail(e, RK_EINVAL, "amount: more than 0 goes back, or nothing");
  if (amount > p->left_minor)
    return rk_fail(e, RK_ECONFLICT, "amount: %lld.%02lld of what was paid for %s is left to give back", (long long)(p->left_minor / 100), (long long)(p->left_minor % 100), p->asked->order_id);
  out->amount_minor = amount;
  out->by_hand = is_by_hand(p->report);
  return write(p, out->id, amount, shipped, out->by_hand, e);
}

/* It was done before: what came of it then. */
static bool replay(struct rk_db *db, struct rk_payback_done *out) {
  json_t *before = rk_shop_store_refund(db, out->id);
  if (!before) return false;
  out->again = true;
  out->amount_minor = rk_json_i64(before, "amount_minor", 0);
  out->by_hand = rk_str_eq_c(rk_json_str(before, "status"), "by_hand");
  json_decref(before);
  return true;
}

rk_err rk_shop_pay_back(struct rk_db *db, const struct rk_payback *asked, struct rk_payback_done *out, struct rk_error *e) {
  struct payback p = {.asked = asked, .db = db};
  *out = (struct rk_payback_done){0};
  id_of(asked, out->id);
  rk_err err = rk_db_begin(db, e);
  if (err) return err;
  p.order = rk_shop_store_order(db, asked->order_id);
  if (!p.order) err = rk_fail(e, RK_ENOTFOUND, "there is no order %s", asked->order_id);
  else if (!replay(db, out)) {
    p.report = rk_json_obj(p.order, "report");
    p.view = rk_json_obj(p.order, "view");
    p.lines = json_array();
    err = pay_back(&p, out, e);
    json_decref(p.lines);
  }
  json_decref(p.order);
  if (!err) return rk_db_commit(db, e);
  rk_db_rollback(db);
  return err;
}

/* ---- paid by hand ---- */

static rk_err settle(struct rk_db *db, const char *order_id, const json_t *refund, struct rk_error *e) {
  json_t *order = rk_shop_store_order(db, order_id), *v;
  size_t i;
  json_array_foreach(rk_json_arr(rk_json_obj(order, "view"), "adjustments"), i, v)
    if (rk_str_eq_c(rk_json_str(v, "id"), rk_json_cstr(refund, "id", "-"))) json_object_set_new(v, "status", json_string("completed"));
  rk_err err = rk_shop_store_put_order(db, order_id, rk_json_obj(order, "report"), rk_json_obj(order, "view"), e);
  if (!err)
    err = rk_shop_store_put_refund(db, &(struct rk_refund_row){rk_json_cstr(refund, "id", ""), order_id, rk_json_cstr(refund, "agent", ""), "completed",
                                                               rk_json_arr(refund, "lines"), rk_json_i64(refund, "amount_minor", 0), rk_json_i64(refund, "fee_minor", 0),
                                                               rk_json_i64(refund, "expires_ms", 0)}, e);
  json_decref(order);
  return err;
}

rk_err rk_shop_paid_back(struct rk_db *db, const char *order_id, const char *refund_id, struct rk_error *e) {
  rk_err err = rk_db_begin(db, e);
  if (err) return err;
  json_t *refund = rk_shop_store_refund(db, refund_id);
  if (!refund || strcmp(rk_json_cstr(refund, "order_id", ""), order_id) != 0) err = rk_fail(e, RK_ENOTFOUND, "%s has no refund %s", order_id, refund_id);
  else if (rk_str_eq_c(rk_json_str(refund, "status"), "by_hand")) err = settle(db, order_id, refund, e);
  else if (!rk_str_eq_c(rk_json_str(refund, "status"), "completed")) err = rk_fail(e, RK_ECONFLICT, "%s was only quoted to the buyer", refund_id);
  json_decref(refund);
  if (!err) return rk_db_commit(db, e);
  rk_db_rollback(db);
  return err;
}
