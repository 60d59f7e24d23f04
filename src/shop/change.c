/* change.c - places of a paid order for others of the same seller, as one act:
 * a checkout that gives the old ones in exchange (example.rukou.change, docs/ucp.md).
 *
 *   POST /checkout-sessions {line_items: the new places, "example.rukou.change": {order_id, line_items?: [{id, quantity}]}}
 *
 * What was paid for the old places counts towards the new ones and the fee of
 * the change; what is over goes back. The new places are held as those of any
 * checkout. Completion is one transaction: the new places are sold, the old
 * ones free, and the order, which stays the same order, has its new lines. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "shop/refund.h"
#include "shop/session.h"
#include "trade/ucp.h"

/* ---- reading ---- */

/* Every line of which something is left. */
static json_t *all_lines(const json_t *report) {
  json_t *list = json_array(), *line;
  size_t i;
  json_array_foreach(rk_json_arr(report, "lines"), i, line)
    if (refund_left(line) > 0) json_array_append_new(list, json_pack("{s:o, s:i}", "id", json_sprintf("li_%zu", i + 1), "quantity", (int)refund_left(line)));
  return list;
}

/* NULL: answered. */
static json_t *read_lines(const json_t *given, const json_t *report, struct rk_shop_answer *out) {
  json_t *list = rk_json_arr(given, "line_items"), *kept = json_array(), *v, *other;
  size_t i, k;
  if (!list) {
    json_decref(kept);
    return all_lines(report);
  }
  json_array_foreach(list, i, v) {
    int64_t quantity = rk_json_i64(v, "quantity", 0);
    size_t at = refund_line_at(v);
    const json_t *line = json_array_get(rk_json_arr(report, "lines"), at);
    bool ok = line && quantity >= 1 && quantity <= refund_left(line);
    json_array_foreach(kept, k, other) ok = ok && refund_line_at(other) != at;
    if (ok) json_array_append_new(kept, json_pack("{s:o, s:I}", "id", json_sprintf("li_%zu", at + 1), "quantity", (json_int_t)quantity));
    else answer_error(out, 400, "invalid_request", "%s.line_items[%zu]: a line of the order, once, with at most the quantity that is left of it", RK_UCP_CHANGE, i);
    if (ok) continue;
    json_decref(kept);
    return NULL;
  }
  return kept;
}

bool change_read(struct rk_shop *s, const struct caller *c, const json_t *body, json_t *state, struct rk_shop_answer *out) {
  const json_t *given = rk_json_obj(body, RK_UCP_CHANGE);
  const char *id = rk_json_cstr(given, "order_id", "");
  if (!given) return true;
  if (!s->catalog.travel || !s->catalog.change_rule.zh[0]) {
    out->status = 200;
    out->body = ucp_refusal("change_not_possible", "unrecoverable", "this shop changes no orders");
    return false;
  }
  json_t *order = refund_order(s, c, id, out), *report = rk_json_obj(order, "report"), *lines = order ? read_lines(given, report, out) : NULL;
  if (lines) {
    json_object_set_new(state, "change", json_pack("{s:s, s:O}", "order_id", id, "lines", lines));
    if (json_array_size(rk_json_arr(state, "travelers")) == 0) json_object_set(state, "travelers", rk_json_arr(report, "travelers")); /* those who travel stay who they are */
  }
  bool ok = lines != NULL;
  json_decref(lines);
  json_decref(order);
  return ok;
}

/* ---- working out ---- */

/* Adds what one line is worth and costs; false: it is not exchanged (any more). */
static bool add_line(struct rk_shop *s, struct session *x, const json_t *report, const json_t *named, int64_t *worth) {
  const json_t *line = json_array_get(rk_json_arr(report, "lines"), refund_line_at(named));
  int32_t quantity = (int32_t)rk_json_i64(named, "quantity", 0);
  struct rk_travel_item t;
  int64_t fee = 0, paid = refund_worth(report, line, quantity);
  if (refund_left(line) < quantity || !rk_travel_find_item(s->catalog.travel, rk_json_str(line, "item_id"), &t) ||
      !rk_travel_change_fee(s->catalog.travel, &t, paid, rk_now_ms(), &fee)) return false;
  *worth += paid;
  x->change_fee += fee;
  json_array_append_new(x->change, json_pack("{s:O, s:O, s:O, s:i, s:I}", "id", json_object_get(named, "id"), "item_id", json_object_get(line, "item_id"), "title",
                                             json_object_get(line, "title"), "quantity", (int)quantity, "amount", (json_int_t)paid));
  return true;
}

void change_work_out(struct rk_shop *s, struct session *x) {
  const json_t *given = rk_json_obj(x->state, "change");
  json_t *order, *named;
  int64_t worth = 0;
  size_t i;
  if (!given) return;
  order = rk_shop_store_order(s->db, rk_json_cstr(given, "order_id", ""));
  bool may = order && json_array_size(rk_json_arr(given, "lines")) > 0;
  x->change = json_array();
  json_array_foreach(rk_json_arr(given, "lines"), i, named) may = may && add_line(s, x, rk_json_obj(order, "report"), named, &worth);
  if (!may) session_say(x, "error", "change_not_possible", "$['" RK_UCP_CHANGE "']", "recoverable", s->catalog.change_rule.zh, s->catalog.change_rule.en);
  int64_t costs = x->subtotal - x->discount + x->fee + x->change_fee;
  x->credit = worth < costs ? worth : costs;
  x->back = worth - x->credit;
  json_decref(order);
}

json_t *change_view(const struct rk_shop *s, const struct session *x) {
  return json_pack("{s:O, s:O, s:I, s:I, s:I, s:s}", "order_id", json_object_get(rk_json_obj(x->state, "change"), "order_id"), "line_items", x->change, "worth",
                   (json_int_t)(x->credit + x->back), "fee", (json_int_t)x->change_fee, "back", (json_int_t)x->back, "policy", rk_text_in(s->catalog.change_rule, x->en));
}

/* ---- the order with its new lines ---- */

/* The new lines behind the old ones, under numbers that go on. */
static void append_lines(json_t *report, json_t *view, json_t *new_report, json_t *new_view, const char *checkout_id) {
  json_t *lines = rk_json_arr(report, "lines"), *shown = rk_json_arr(view, "line_items"), *v;
  size_t base = json_array_size(lines), i;
  json_array_foreach(rk_json_arr(new_report, "lines"), i, v) {
    json_object_set_new(v, "checkout_id", json_string(checkout_id));
    json_array_append(lines, v);
  }
  json_array_foreach(rk_json_arr(new_view, "line_items"), i, v) {
    json_object_set_new(v, "id", json_sprintf("li_%zu", base + i + 1));
    json_array_append(shown, v);
  }
  json_t *expected = rk_json_arr(rk_json_obj(view, "fulfillment"), "expectations"), *now = json_array_get(rk_json_arr(rk_json_obj(new_view, "fulfillment"), "expectations"), 0);
  json_array_foreach(rk_json_arr(now, "line_items"), i, v) json_object_set_new(v, "id", json_sprintf("li_%zu", base + i + 1));
  json_object_set_new(now, "id", json_sprintf("exp_%zu", json_array_size(expected) + 1));
  json_array_append(expected, now);
  json_object_set(report, "travelers", rk_json_arr(new_report, "travelers"));
}

static json_t *adjustment(const struct session *x, size_t base) {
  json_t *lines = json_array(), *v;
  char now[32];
  size_t i;
  rk_time_rfc3339(rk_now_ms(), now);
  json_array_foreach(x->change, i, v)
    json_array_append_new(lines, json_pack("{s:O, s:I}", "id", json_object_get(v, "id"), "quantity", (json_int_t)-rk_json_i64(v, "quantity", 0)));
  for (int32_t k = 0; k < x->n_lines; k++)
    json_array_append_new(lines, json_pack("{s:o, s:i}", "id", json_sprintf("li_%zu", base + (size_t)k + 1), "quantity", (int)x->lines[k].quantity));
  return json_pack("{s:s, s:s, s:s, s:s, s:o, s:[{s:s, s:I}]}", "id", x->id, "type", "exchange", "occurred_at", now, "status", "completed", "line_items", lines, "totals",
                   "type", "total", "amount", (json_int_t)(x->total - x->back));
}

static void add_to(json_t *report, const char *key, int64_t minor) { json_object_set_new(report, key, json_integer(rk_json_i64(report, key, 0) + minor)); }

static rk_err give_up_old(struct rk_shop *s, const json_t *order, const struct session *x, struct rk_error *e) {
  json_t *report = rk_json_obj(order, "report"), *v;
  rk_err err = RK_OK;
  size_t i;
  json_array_foreach(x->change, i, v) {
    if (!err) err = refund_free(s->db, order, v, false, e);
    refund_reduce(report, rk_json_obj(order, "view"), refund_line_at(v), (int32_t)rk_json_i64(v, "quantity", 0));
  }
  return err;
}

rk_err change_place(struct rk_shop *s, const struct caller *c, struct session *x, const struct payment *p, struct rk_shop_answer *out, struct rk_error *e) {
  const char *id = rk_json_cstr(rk_json_obj(x->state, "change"), "order_id", "");
  json_t *order = rk_shop_store_order(s->db, id), *report = rk_json_obj(order, "report"), *old_view = rk_json_obj(order, "view");
  const char *url = rk_json_cstr(old_view, "permalink_url", "");
  json_t *new_report = view_report(s, x, p->instrument, p->kind), *new_view = view_order(s, c, x, id, url), *view = view_checkout(s, c, x, "completed");
  json_object_set_new(view, "order", json_pack("{s:s, s:s, s:s}", "id", id, "label", id, "permalink_url", url));
  rk_err err = rk_shop_store_sell(s->db, x->id, e);
  size_t base = json_array_size(rk_json_arr(report, "lines"));
  if (!err) err = give_up_old(s, order, x, e);
  append_lines(report, old_view, new_report, new_view, x->id);
  json_array_append_new(rk_json_arr(old_view, "adjustments"), adjustment(x, base));
  add_to(report, "changes_minor", x->total);
  add_to(report, "refund_fees_minor", x->change_fee);
  add_to(report, "refunded_minor", x->back);
  if (!err) err = rk_shop_store_put_refund(s->db, &(struct rk_refund_row){x->id, id, c->url, "completed", x->change, x->back, x->change_fee, 0}, e);
  if (!err) err = rk_shop_store_put_order(s->db, id, report, old_view, e);
  if (!err) err = rk_shop_store_charge(s->db, &(struct rk_charge){p->jti, x->id, id, p->kind, s->catalog.currency, x->total}, e);
  if (!err) err = rk_shop_store_put_checkout(s->db, x->id, c->url, "completed", x->state, view, id, rk_json_i64(x->row, "expires_ms", 0), e);
  json_decref(new_view);
  json_decref(new_report);
  json_decref(order);
  if (err) json_decref(view);
  else out->status = 200, out->body = view;
  return err;
}
