/* refund.c - money back, in two steps: a quote that says how much and why, and
 * its confirmation. UCP has no such request; this is rukou's own capability
 * example.rukou.refund (docs/ucp.md).
 *
 *   POST /refunds {order_id, line_items?: [{id, quantity}]} -> quoted
 *   POST /refunds/ID/confirm                                -> completed
 *
 * A line is worth what was paid for it: its price less its share of the
 * discount. The last refund of an order gives back what is left of its total,
 * so that parts sum to the whole; delivery is kept once something was sent.
 * Each confirmation is an adjustment of the order, in one transaction with the
 * stock or the places that are free again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "shop/refund.h"
#include "shop/session.h"
#include "trade/ucp.h"

enum { QUOTE_TTL_MS = 900000, RETURN_DAYS = 7, DAY_MS = 86400000 };

struct quote {
  struct rk_shop *s;
  const json_t *order;            /* row of the store */
  const json_t *report, *view;
  const json_t *asked;            /* [{id, quantity}], NULL: everything that is left */
  bool en;
  json_t *lines;                  /* [{id, title, item_id, quantity, amount}] */
  int64_t paid_minor, fee_minor;
};

static json_t *report_lines(const struct quote *q) { return rk_json_arr(q->report, "lines"); }

/* "li_3" -> 2 */
size_t refund_line_at(const json_t *named) { return (size_t)(strtol(rk_json_cstr(named, "id", "li_0") + 3, NULL, 10) - 1); }

int32_t refund_left(const json_t *line) { return (int32_t)(rk_json_i64(line, "quantity", 0) - rk_json_i64(line, "refunded", 0)); }

static int32_t wanted_of_line(const struct quote *q, size_t i) {
  char id[32];
  size_t k;
  json_t *v;
  int32_t n = 0;
  if (!q->asked) return refund_left(json_array_get(report_lines(q), i));
  snprintf(id, sizeof id, "li_%zu", i + 1);
  json_array_foreach(q->asked, k, v)
    if (rk_str_eq_c(rk_json_str(v, "id"), id)) n += (int32_t)rk_json_i64(v, "quantity", 0);
  return n;
}

int64_t refund_total(const json_t *totals, const char *type) {
  size_t i;
  json_t *v;
  int64_t sum = 0;
  json_array_foreach(totals, i, v)
    if (rk_str_eq_c(rk_json_str(v, "type"), type)) sum += rk_json_i64(v, "amount", 0);
  return sum;
}

int64_t refund_worth(const json_t *report, const json_t *line, int32_t quantity) {
  const json_t *totals = rk_json_arr(report, "totals");
  int64_t gross = rk_json_i64(line, "unit_minor", 0) * quantity, subtotal = refund_total(totals, "subtotal"), off = -refund_total(totals, "discount") - refund_total(totals, "items_discount");
  if (subtotal <= 0 || off <= 0) return gross;
  return gross - (int64_t)((__int128)off * gross / subtotal);
}

bool refund_is_shipped(const json_t *view) {
  size_t i;
  json_t *v;
  json_array_foreach(rk_json_arr(view, "line_items"), i, v)
    if (rk_json_i64(rk_json_obj(v, "quantity"), "fulfilled", 0) > 0) return true;
  return false;
}

/* ---- whether ---- */

static const struct rk_category *category_of(const struct rk_shop *s, rk_str id) {
  for (int32_t i = 0; i < s->catalog.n_categories; i++)
    if (rk_str_eq_c(id, s->catalog.categories[i].id)) return &s->catalog.categories[i];
  return NULL;
}

static bool stands_among(const char *words, const char *word) {
  rk_str rest = rk_str_c(words), one;
  while (rest.n) {
    rk_str_cut(rest, ' ', &one, &rest);
    if (rk_str_eq_c(one, word)) return true;
  }
  return false;
}

static bool goods_return(const struct quote *q, const json_t *line) {
  const struct rk_category *c = category_of(q->s, rk_json_str(line, "category"));
  char last[11], today[11];
  rk_str date = rk_json_str(rk_json_obj(q->report, "delivery"), "date");
  int64_t delivered_ms;
  char text[32];
  if (c && stands_among(q->s->catalog.no_refund, c->delivery_class)) return false;
  snprintf(text, sizeof text, "%.10sT00:00:00Z", date.n == 10 ? date.p : "1970-01-01");
  if (!rk_time_parse(rk_str_c(text), &delivered_ms, NULL)) return false;
  rk_time_rfc3339(delivered_ms + (int64_t)RETURN_DAYS * DAY_MS, text);
  memcpy(last, text, 10);
  last[10] = 0;
  promised_date(&q->s->catalog, rk_now_ms(), 0, today);
  return strcmp(today, last) <= 0;
}

/* Adds a line to the quote; false: nothing of it comes back any more. */
static bool add_line(struct quote *q, size_t i, int32_t quantity) {
  const json_t *line = json_array_get(report_lines(q), i);
  int64_t paid = refund_worth(q->report, line, quantity), fee = 0;
  struct rk_travel_item t;
  if (q->s->catalog.travel) {
    if (!rk_travel_find_item(q->s->catalog.travel, rk_json_str(line, "item_id"), &t) ||
        !rk_travel_refund_fee(q->s->catalog.travel, &t, paid, rk_now_ms(), &fee)) return false;
  } else if (!goods_return(q, line)) return false;
  q->paid_minor += paid;
  q->fee_minor += fee;
  json_array_append_new(q->lines, json_pack("{s:o, s:O, s:O, s:i, s:I}", "id", json_sprintf("li_%zu", i + 1), "title", json_object_get(line, "title"),
                                            "item_id", json_object_get(line, "item_id"), "quantity", (int)quantity, "amount", (json_int_t)paid));
  return true;
}

int64_t refund_charged(const json_t *order) {
  return rk_json_i64(order, "total_minor", 0) + rk_json_i64(rk_json_obj(order, "report"), "changes_minor", 0);
}

/* The last part of an order gives back what the others left, delivery included while nothing was sent. */
static void close_order(struct quote *q) {
  const json_t *totals = rk_json_arr(q->report, "totals");
  int64_t before = rk_shop_store_refunded(q->s->db, rk_json_cstr(q->order, "id", "")), fees = rk_json_i64(q->report, "refund_fees_minor", 0);
  int64_t left = refund_charged(q->order) - before - fees - (refund_is_shipped(q->view) ? refund_total(totals, "fulfillment") : 0);
  q->paid_minor = left < 0 ? 0 : left;
}

static void refuse(struct rk_shop_answer *out, const char *code, const char *content) {
  out->status = 200;
  out->body = ucp_refusal(code, "unrecoverable", content);
}

/* False: answered. */
static bool work_out(struct quote *q, struct rk_shop_answer *out) {
  size_t i;
  json_t *line;
  bool all = true;
  json_array_foreach(report_lines(q), i, line) {
    int32_t wanted = wanted_of_line(q, i), left = refund_left(line);
    if (wanted < 0 || wanted > left) {
      answer_error(out, 400, "invalid_request", "line_items: li_%zu has %d left to give back", i + 1, (int)left);
      return false;
    }
    all = all && wanted == left;
    if (wanted > 0 && !add_line(q, i, wanted)) {
      refuse(out, "refund_not_possible", rk_text_in(q->s->catalog.refund_rule, q->en));
      return false;
    }
  }
  if (json_array_size(q->lines) == 0) {
    refuse(out, "refund_not_possible", q->en ? "Nothing of this order is left to give back" : "该订单没有可退的内容");
    return false;
  }
  int64_t left = refund_charged(q->order) - rk_shop_store_refunded(q->s->db, rk_json_cstr(q->order, "id", ""));
  if (all) close_order(q);
  if (q->paid_minor > left) q->paid_minor = left > 0 ? left : 0; /* the seller gave some of it back already */
  if (q->fee_minor > q->paid_minor) q->fee_minor = q->paid_minor;
  return true;
}

/* What would come back of a checkout right after it is placed. */
json_t *refund_preview(const struct rk_shop *s, const struct session *x) {
  int64_t fee = 0, now_ms = rk_now_ms();
  bool back = true;
  for (int32_t i = 0; i < x->n_lines && back; i++) {
    const struct rk_item *item = x->lines[i].item;
    int64_t gross = item->price_minor * x->lines[i].quantity, fee_of_line = 0;
    int64_t paid = x->subtotal > 0 ? gross - (int64_t)((__int128)x->discount * gross / x->subtotal) : gross;
    struct rk_travel_item t;
    if (s->catalog.travel)
      back = rk_travel_find_item(s->catalog.travel, rk_str_c(item->id), &t) && rk_travel_refund_fee(s->catalog.travel, &t, paid, now_ms, &fee_of_line);
    else back = !stands_among(s->catalog.no_refund, item->product->category->delivery_class);
    fee += fee_of_line;
  }
  if (!back || fee > x->total) fee = x->total;
  return json_pack("{s:I, s:I}", "fee", (json_int_t)fee, "back", (json_int_t)(x->total - fee));
}

/* ---- answers ---- */

static json_t *refund_view(struct rk_shop *s, const struct caller *c, const json_t *row, bool en) {
  char expires[32];
  int64_t amount = rk_json_i64(row, "amount_minor", 0), fee = rk_json_i64(row, "fee_minor", 0);
  rk_time_rfc3339(rk_json_i64(row, "expires_ms", 0), expires);
  return json_pack("{s:o, s:O, s:O, s:O, s:s, s:O, s:[{s:s, s:I}, {s:s, s:I}, {s:s, s:I}], s:s, s:s}", "ucp", ucp_envelope(s, c, RK_UCP_REFUND), "id",
                   json_object_get(row, "id"), "order_id", json_object_get(row, "order_id"), "status", json_object_get(row, "status"), "currency",
                   s->catalog.currency, "line_items", json_object_get(row, "lines"), "totals", "type", "subtotal", "amount", (json_int_t)(amount + fee),
                   "type", "fee", "amount", (json_int_t)-fee, "type", "total", "amount", (json_int_t)amount, "policy", rk_text_in(s->catalog.refund_rule, en),
                   "expires_at", expires);
}

json_t *refund_order(struct rk_shop *s, const struct caller *c, const char *id, struct rk_shop_answer *out) {
  json_t *order = rk_shop_store_order(s->db, id);
  if (order && strcmp(rk_json_cstr(order, "agent", ""), c->url) == 0) {
    json_object_set_new(order, "id", json_string(id));
    return order;
  }
  json_decref(order);
  answer_error(out, 404, "not_found", "there is no order %s", id);
  return NULL;
}

static void answer_row(struct rk_shop *s, const struct caller *c, const struct rk_refund_row *r, int32_t http, bool en, struct rk_shop_answer *out) {
  struct rk_error e = {0};
  if (rk_shop_store_put_refund(s->db, r, &e)) {
    answer_error(out, 503, "unavailable", "the refund cannot be stored: %s", e.msg);
    return;
  }
  json_t *row = rk_shop_store_refund(s->db, r->id);
  out->status = http;
  out->body = refund_view(s, c, row, en);
  json_decref(row);
}

void handle_refund_quote(struct rk_shop *s, const struct caller *c, const json_t *body, struct rk_shop_answer *out) {
  char id[37], order_id[MAX_ID_BYTES];
  rk_str asked_order = rk_json_str(body, "order_id");
  if (asked_order.n == 0 || asked_order.n >= sizeof order_id) {
    answer_error(out, 400, "invalid_request", "order_id names the order");
    return;
  }
  snprintf(order_id, sizeof order_id, "%.*s", RK_STR_ARG(asked_order));
  json_t *order = refund_order(s, c, order_id, out);
  if (!order) return;
  struct quote q = {.s = s, .order = order, .report = rk_json_obj(order, "report"), .view = rk_json_obj(order, "view"),
                    .asked = rk_json_arr(body, "line_items"), .en = wants_english(body), .lines = json_array()};
  rk_uuid7(id);
  if (work_out(&q, out))
    answer_row(s, c, &(struct rk_refund_row){id, order_id, c->url, "quoted", q.lines, q.paid_minor - q.fee_minor, q.fee_minor, rk_now_ms() + QUOTE_TTL_MS},
               201, q.en, out);
  json_decref(q.lines);
  json_decref(order);
}

/* ---- confirmation ---- */

void refund_reduce(json_t *report, json_t *view, size_t i, int32_t quantity) {
  json_t *line = json_array_get(rk_json_arr(report, "lines"), i), *shown = json_array_get(rk_json_arr(view, "line_items"), i), *n = rk_json_obj(shown, "quantity");
  int64_t total = rk_json_i64(n, "total", 0) - quantity, fulfilled = rk_json_i64(n, "fulfilled", 0);
  json_object_set_new(line, "refunded", json_integer(rk_json_i64(line, "refunded", 0) + quantity));
  json_object_set_new(n, "total", json_integer(total));
  if (fulfilled > total) json_object_set_new(n, "fulfilled", json_integer(fulfilled = total));
  json_object_set_new(shown, "status", json_string(total == 0 ? "removed" : fulfilled == total ? "fulfilled" : fulfilled > 0 ? "partial" : "processing"));
}

/* Places belong to the checkout that bought them: after a change another one than the order's. */
static const char *checkout_of(const json_t *order, const json_t *line) {
  const json_t *whole = json_array_get(rk_json_arr(rk_json_obj(order, "report"), "lines"), refund_line_at(line));
  return rk_json_cstr(whole, "checkout_id", rk_json_cstr(order, "checkout_id", ""));
}

rk_err refund_free(struct rk_db *db, const json_t *order, const json_t *line, bool shipped, struct rk_error *e) {
  const char *item = rk_json_cstr(line, "item_id", "");
  int32_t quantity = (int32_t)rk_json_i64(line, "quantity", 0);
  const char *checkout_id = checkout_of(order, line);
  json_t *booking = rk_shop_store_booking(db, checkout_id, item);
  bool is_place = booking != NULL;
  json_decref(booking);
  if (is_place) return seller_unsell(db, checkout_id, item, quantity, e);
  return shipped ? RK_OK : rk_shop_store_put_back(db, item, quantity, e);
}

json_t *refund_adjustment(const json_t *refund) {
  json_t *lines = json_array(), *v;
  char now[32];
  size_t i;
  rk_time_rfc3339(rk_now_ms(), now);
  json_array_foreach(rk_json_arr(refund, "lines"), i, v)
    json_array_append_new(lines, json_pack("{s:O, s:I}", "id", json_object_get(v, "id"), "quantity", (json_int_t)-rk_json_i64(v, "quantity", 0)));
  return json_pack("{s:O, s:s, s:s, s:s, s:o, s:[{s:s, s:I}]}", "id", json_object_get(refund, "id"), "type", "refund", "occurred_at", now, "status",
                   "completed", "line_items", lines, "totals", "type", "total", "amount", (json_int_t)-rk_json_i64(refund, "amount_minor", 0));
}

/* Writes what the refund changes; its lines were free when it was quoted and are looked at again. */
static rk_err apply(struct rk_shop *s, const json_t *order, const json_t *refund, bool *gone, struct rk_error *e) {
  json_t *report = rk_json_obj(order, "report"), *view = rk_json_obj(order, "view"), *v;
  struct quote q = {.s = s, .order = order, .report = report, .view = view};
  bool shipped = refund_is_shipped(view), all = true;
  size_t i;
  rk_err err = RK_OK;
  int64_t before = rk_shop_store_refunded(s->db, rk_json_cstr(order, "id", "")), amount = rk_json_i64(refund, "amount_minor", 0);
  *gone = before > refund_charged(order) - amount;
  json_array_foreach(rk_json_arr(refund, "lines"), i, v) {
    const json_t *line = json_array_get(report_lines(&q), refund_line_at(v));
    *gone = *gone || !line || refund_left(line) < rk_json_i64(v, "quantity", 0);
  }
  if (*gone) return RK_OK;
  json_array_foreach(rk_json_arr(refund, "lines"), i, v) {
    refund_reduce(report, view, refund_line_at(v), (int32_t)rk_json_i64(v, "quantity", 0));
    if (!err) err = refund_free(s->db, order, v, shipped, e);
  }
  json_array_foreach(report_lines(&q), i, v) all = all && refund_left(v) == 0;
  json_object_set_new(report, "status", json_string(all ? "refunded" : "partially_refunded"));
  json_object_set_new(report, "refund_fees_minor", json_integer(rk_json_i64(report, "refund_fees_minor", 0) + rk_json_i64(refund, "fee_minor", 0)));
  json_object_set_new(report, "refunded_minor", json_integer(before + amount));
  json_array_append_new(rk_json_arr(view, "adjustments"), refund_adjustment(refund));
  return err ? err : rk_shop_store_put_order(s->db, rk_json_cstr(order, "id", ""), report, view, e);
}

static void confirm(struct rk_shop *s, const struct caller *c, const json_t *refund, struct rk_shop_answer *out) {
  struct rk_error e = {0};
  bool gone = false;
  json_t *order = refund_order(s, c, rk_json_cstr(refund, "order_id", ""), out);
  if (!order) return;
  rk_err err = apply(s, order, refund, &gone, &e);
  if (err) answer_error(out, 503, "unavailable", "the refund cannot be stored: %s", e.msg);
  else if (gone) answer_error(out, 409, "conflict", "the order was changed since this refund was quoted; ask again");
  else
    answer_row(s, c, &(struct rk_refund_row){rk_json_cstr(refund, "id", ""), rk_json_cstr(refund, "order_id", ""), c->url, "completed", rk_json_arr(refund, "lines"),
                                             rk_json_i64(refund, "amount_minor", 0), rk_json_i64(refund, "fee_minor", 0), rk_json_i64(refund, "expires_ms", 0)},
               200, false, out);
  json_decref(order);
}

void handle_refund_confirm(struct rk_shop *s, const struct caller *c, const char *id, struct rk_shop_answer *out) {
  json_t *refund = rk_shop_store_refund(s->db, id);
  if (!refund || strcmp(rk_json_cstr(refund, "agent", ""), c->url) != 0) answer_error(out, 404, "not_found", "there is no refund %s", id);
  else if (rk_str_eq(rk_json_str(refund, "status"), RK_STR("completed"))) out->status = 200, out->body = refund_view(s, c, refund, false);
  else if (rk_now_ms() >= rk_json_i64(refund, "expires_ms", 0)) answer_error(out, 409, "conflict", "this quote has expired; ask again");
  else confirm(s, c, refund, out);
  json_decref(refund);
}

void handle_refund_get(struct rk_shop *s, const struct caller *c, const char *id, struct rk_shop_answer *out) {
  json_t *refund = rk_shop_store_refund(s->db, id);
  if (!refund || strcmp(rk_json_cstr(refund, "agent", ""), c->url) != 0) answer_error(out, 404, "not_found", "there is no refund %s", id);
  else out->status = 200, out->body = refund_view(s, c, refund, false);
  json_decref(refund);
}
