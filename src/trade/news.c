/* news.c - what became of an order, by the merchant: read, or told by an event. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "trade/internal.h"

/* UCP signs an adjustment's totals: below zero is money for the buyer. Without a total the parts are the sum. */
static int64_t adjusted(const json_t *adjustment) {
  const int64_t most = RK_MAX_TOTAL_MINOR;
  int64_t sum = 0;
  size_t i;
  json_t *one;
  json_array_foreach(rk_json_arr(adjustment, "totals"), i, one) {
    int64_t amount = rk_json_i64(one, "amount", 0);
    if (amount < -most || amount > most) return 0;
    if (rk_str_eq_c(rk_json_str(one, "type"), "total")) return amount;
    sum += amount;
  }
  return sum;
}

static bool is_completed(const json_t *adjustment) { return rk_str_eq_c(rk_json_str(adjustment, "status"), "completed"); }

/* What it has paid back, each adjustment once, at most what was charged. */
static int64_t paid_back(const json_t *theirs, int64_t charged) {
  int64_t sum = 0;
  size_t i;
  json_t *one, *seen = json_object();
  json_array_foreach(rk_json_arr(theirs, "adjustments"), i, one) {
    const char *id = rk_json_cstr(one, "id", "");
    if (!is_completed(one) || (*id && json_object_get(seen, id))) continue;
    json_object_set_new(seen, id, json_true());
    int64_t amount = adjusted(one);
    if (amount < 0 && sum < charged) sum -= amount;
  }
  json_decref(seen);
  return sum < charged ? sum : charged;
}

/* UCP: a line's status follows from its quantities; a cancellation or refund is an adjustment of the order. Money back
 * for a part of the order leaves the rest what it is. */
static const char *status_of(const json_t *theirs, int64_t back, int64_t charged) {
  size_t i, n = 0, fulfilled = 0, removed = 0;
  bool begun = json_array_size(rk_json_arr(rk_json_obj(theirs, "fulfillment"), "events")) > 0, refund = false, canceled = false;
  json_t *one;
  json_array_foreach(rk_json_arr(theirs, "adjustments"), i, one) {
    refund = refund || (is_completed(one) && rk_str_eq_c(rk_json_str(one, "type"), "refund"));
    canceled = canceled || (is_completed(one) && rk_str_eq_c(rk_json_str(one, "type"), "cancellation"));
  }
  if (back >= charged || (refund && back == 0)) return "refunded";
  if (canceled) return "canceled";
  json_array_foreach(rk_json_arr(theirs, "line_items"), i, one) {
    rk_str s = rk_json_str(one, "status");
    if (rk_str_eq_c(s, "removed")) {
      removed++;
      continue;
    }
    n++;
    if (rk_str_eq_c(s, "fulfilled")) fulfilled++;
    if (rk_str_eq_c(s, "partial")) begun = true;
  }
  if (refund && removed && !n) return "refunded"; /* all of it, less a fee */
  return n && fulfilled == n ? "fulfilled" : fulfilled || begun ? "processing" : "placed";
}

int64_t rk_trade_charged(const struct rk_trade *t, const json_t *order) {
  json_t *charges = rk_store_charges(t->store, rk_json_cstr(order, "id", "")), *one;
  int64_t sum = 0;
  size_t i;
  json_array_foreach(charges, i, one) sum += rk_json_i64(one, "charged_minor", 0);
  json_decref(charges);
  return sum;
}

/* One more refund, off the charges of the order, the newest first. */
static rk_err refund(struct rk_trade *t, const json_t *order, int64_t amount_minor, struct rk_error *e) {
  json_t *charges = amount_minor > 0 ? rk_store_charges(t->store, rk_json_cstr(order, "id", "")) : NULL, *one;
  const char *origin = rk_json_cstr(order, "merchant_origin", "");
  rk_err err = RK_OK;
  size_t i;
  json_array_foreach(charges, i, one) {
    const char *approval_id = rk_json_cstr(one, "approval_id", "");
    int64_t left = rk_json_i64(one, "left_minor", 0), part = left < amount_minor ? left : amount_minor;
    json_t *approval = err || part <= 0 ? NULL : rk_store_approval(t->store, approval_id);
    if (approval)
      err = rk_store_ledger_add(t->store, &(struct rk_ledger_new){.user_id = rk_json_cstr(approval, "user_id", ""), .kind = "refund", .approval_id = approval_id,
          .order_id = rk_json_cstr(order, "id", ""), .instrument_id = rk_json_cstr(one, "instrument_id", ""), .merchant_origin = origin, .amount_minor = part,
          .currency = rk_json_cstr(approval, "currency", "")}, e);
    if (approval) amount_minor -= part;
    json_decref(approval);
  }
  json_decref(charges);
  return err || amount_minor <= 0 ? err : rk_fail(e, RK_EUPSTREAM, "%s gives back more than was paid", origin);
}

/* Paid to the carrier: nothing was taken here that could come back here. */
static bool is_at_the_door(const json_t *row) { return rk_str_eq_c(rk_json_str(rk_json_obj(rk_json_obj(row, "receipt"), "instrument"), "kind"), RK_ON_DELIVERY); }

/* Inside a transaction. The sum in the ledger follows the merchant's: seen twice, it is written once. */
static rk_err add_news(struct rk_trade *t, json_t *row, const char *status, int64_t back, struct rk_error *e) {
  const char *order_id = rk_json_cstr(row, "id", "");
  int64_t more = is_at_the_door(row) ? 0 : back - rk_store_order_refunded(t->store, order_id);
  bool same = strcmp(status, rk_json_cstr(row, "status", "")) == 0;
  rk_err err = refund(t, row, more, e);
  if (!err && !same) err = rk_store_order_status(t->store, order_id, status, e);
  if (!err) json_object_set_new(row, "status", json_string(status));
  if (err || (more <= 0 && same)) return err;
  json_t *approval = rk_store_approval(t->store, rk_json_cstr(row, "approval_id", ""));
  err = rk_trade_event(t, approval, "order", json_pack("{s:o}", "order", rk_trade_order_view(t, row)), e);
  json_decref(approval);
  return err;
}

/* How far an order has come; what is told late about an earlier state does not take it back. */
static int rank_of(const char *status) {
  static const char *const way[] = {"placed", "processing", "fulfilled", "canceled", "refunded"};
  for (int i = 0; i < 5; i++)
    if (strcmp(way[i], status) == 0) return i;
  return -1;
}

/* may_be_old: it was sent some time ago; what is read now is not. */
static rk_err follow(struct rk_trade *t, json_t *row, const json_t *theirs, bool may_be_old, struct rk_error *e) {
  const json_t *receipt = rk_json_obj(row, "receipt");
  int64_t charged = is_at_the_door(row) ? rk_json_i64(receipt, "total_minor", 0) : rk_trade_charged(t, row);
  rk_str currency = rk_json_str(theirs, "currency");
  bool same_money = currency.n == 0 || rk_str_eq_c(currency, rk_json_cstr(receipt, "currency", ""));
  int64_t back = same_money ? paid_back(theirs, charged) : 0;
  const char *status = status_of(theirs, back, charged), *known = rk_json_cstr(row, "status", "");
  if (may_be_old && rank_of(status) < rank_of(known)) status = known;
  return add_news(t, row, status, back, e);
}

rk_err rk_trade_follow(struct rk_trade *t, json_t *order, const json_t *theirs, struct rk_error *e) { return follow(t, order, theirs, false, e); }

static rk_err take_news(struct rk_trade *t, json_t *row, const json_t *theirs, bool may_be_old, struct rk_error *e) {
  rk_err err = rk_db_begin(rk_store_db(t->store), e);
  return err ? err : rk_trade_end(t, follow(t, row, theirs, may_be_old, e), e);
}

/* ---- when an order was last told of ---- */

static void note_told(struct rk_trade *t, const char *order_id) {
  pthread_mutex_lock(&t->lock);
  if (!t->told) t->told = json_object();
  json_object_set_new(t->told, order_id, json_integer(rk_mono_ms()));
  pthread_mutex_unlock(&t->lock);
}

/* Of an order that nothing was told of in this process: now, so that a start asks nobody at once. */
static int64_t told_ms(struct rk_trade *t, const char *order_id) {
  pthread_mutex_lock(&t->lock);
  int64_t at = rk_json_i64(t->told, order_id, -1);
  pthread_mutex_unlock(&t->lock);
  if (at >= 0) return at;
  note_told(t, order_id);
  return rk_mono_ms();
}

/* A quarter of its age, within a minute and six hours: an order that takes long is asked after less and less often. */
static int64_t pause_of(const json_t *row) {
  enum { LEAST_MS = 60000, MOST_MS = 21600000 };
  int64_t quarter = (rk_now_ms() - rk_json_i64(row, "placed_ms", 0)) / 4;
  return quarter < LEAST_MS ? LEAST_MS : quarter > MOST_MS ? MOST_MS : quarter;
}

json_t *rk_trade_order_status(struct rk_trade *t, const char *user_id, const char *order_id, struct rk_error *e) {
  json_t *row = rk_store_order(t->store, user_id, order_id), *theirs = NULL;
  if (!row) {
    rk_fail(e, RK_ENOTFOUND, "there is no such order");
    return NULL;
  }
  struct rk_error why = {RK_OK, ""};
  rk_err err = rk_merchant_order(t->merchants, rk_json_cstr(row, "merchant_origin", ""), rk_json_cstr(row, "merchant_order_id", ""), &theirs, &why);
  if (!err) err = take_news(t, row, theirs, false, &why);
  note_told(t, order_id);
  if (err) rk_log(RK_LOG_INFO, "trade", "order %s: %s", order_id, why.msg);
  json_t *v = rk_trade_order_view(t, row);
  if (theirs) json_object_set_new(v, "checked_ms", json_integer(rk_now_ms()));
  json_decref(theirs);
  json_decref(row);
  return v;
}

/* What an event must say to be one about this order. */
static rk_err check_event(const json_t *row, const json_t *order, struct rk_error *e) {
  static const char *const lists[] = {"line_items", "totals"};
  const json_t *receipt = rk_json_obj(row, "receipt");
  size_t i;
  json_t *v;
  for (i = 0; i < 2; i++)
    if (!rk_json_arr(order, lists[i])) return rk_fail(e, RK_EFORMAT, "%s: a list is wanted", lists[i]);
  if (json_object_get(order, "adjustments") && !rk_json_arr(order, "adjustments")) return rk_fail(e, RK_EFORMAT, "adjustments: a list is wanted");
  json_array_foreach(rk_json_arr(order, "adjustments"), i, v)
    if (rk_json_str(v, "id").n == 0) return rk_fail(e, RK_EFORMAT, "adjustments[%zu].id is missing", i);
  if (!rk_str_eq_c(rk_json_str(order, "currency"), rk_json_cstr(receipt, "currency", ""))) return rk_fail(e, RK_EFORMAT, "currency: it is not that of the order");
  return RK_OK;
}

/* Whether a purchase at this checkout is still being brought to its end: its order is about to be known. */
static bool is_ending(struct rk_trade *t, const char *origin, rk_str checkout_id) {
  static const char *const states[] = {"completing", "unknown"};
  bool found = false;
  for (size_t i = 0; i < 2 && !found; i++) {
    json_t *rows = rk_store_approvals_in_state(t->store, states[i]), *row;
    size_t k;
    json_array_foreach(rows, k, row)
      found = found || (rk_str_eq_c(checkout_id, rk_merchant_checkout_id(rk_json_cstr(row, "checkout_id", ""))) && strcmp(rk_json_cstr(row, "merchant_origin", ""), origin) == 0);
    json_decref(rows);
  }
  return found;
}

rk_err rk_trade_order_event(struct rk_trade *t, const char *origin, const json_t *order, struct rk_error *e) {
  char id[256];
  rk_str theirs = rk_json_str(order, "id");
  if (theirs.n == 0 || theirs.n >= sizeof id) return rk_fail(e, RK_EFORMAT, "id: missing, or over 255 bytes");
  snprintf(id, sizeof id, "%.*s", RK_STR_ARG(theirs));
  json_t *row = rk_store_order_at(t->store, origin, id);
  if (!row && is_ending(t, origin, rk_json_str(order, "checkout_id"))) return rk_fail(e, RK_EBUSY, "the purchase of order %s is just ending; send it again", id);
  if (!row) return rk_fail(e, RK_ENOTFOUND, "%s has no order %s of ours", origin, id);
  rk_err err = check_event(row, order, e);
  if (!err) err = take_news(t, row, order, true, e);
  note_told(t, rk_json_cstr(row, "id", ""));
  json_decref(row);
  return err;
}

void rk_trade_poll_orders(struct rk_trade *t, int64_t *next_ms) {
  json_t *rows = rk_store_orders_on_their_way(t->store), *row;
  size_t i;
  *next_ms = -1;
  json_array_foreach(rows, i, row) {
    struct rk_error why = {RK_OK, ""};
    const char *id = rk_json_cstr(row, "id", "");
    int64_t left = told_ms(t, id) + pause_of(row) - rk_mono_ms();
    if (left <= 0) {
      json_t *seen = rk_trade_order_status(t, rk_json_cstr(row, "user_id", ""), id, &why);
      json_decref(seen);
      left = pause_of(row);
    }
    if (*next_ms < 0 || left < *next_ms) *next_ms = left;
  }
  json_decref(rows);
}
