/* checkout.c - checkout sessions and orders.
 *
 * What the agent asked for is kept as `state`; everything else (prices, fee,
 * discount, messages, status) is worked out from it again at every look, with
 * the promised dates as of the last change (quoted_ms). A completed or
 * cancelled session keeps its last view.
 *
 *   incomplete <-> ready_for_complete -> completed
 *        \________________\____________> canceled (asked for, or expired) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "shop/private.h"
#include "trade/payment_token.h"
#include "trade/ucp.h"

enum { MAX_FIELD_BYTES = 500 };

struct line { const struct rk_item *item; int32_t quantity; char seats[SEATS_TEXT_BYTES]; /* of a film, or "" */ };

/* A session worked out. Borrowed parts live as long as row. */
struct session {
  json_t *row;                     /* of the store, or one just made */
  const char *id;
  const json_t *state;
  bool en;
  struct line lines[RK_MAX_LINE_ITEMS]; int32_t n_lines;
  int64_t subtotal, discount, fee, total;
  const struct rk_coupon_rule *coupon;
  const struct rk_delivery_rule *delivery;   /* chosen, or the cheapest; NULL: no address yet */
  json_t *messages;
  bool ready;
  struct rk_arena *arena;          /* where items of dated places are made; NULL in a shop of goods */
};

static void session_release(struct session *x) {
  json_decref(x->messages);
  if (x->arena) rk_arena_free(x->arena);
}

static bool is_sold_here(const struct rk_shop *s, rk_str item_id) {
  return s->catalog.travel ? seller_sells(s, item_id) : rk_catalog_item(&s->catalog, item_id) != NULL;
}

/* ---- reading a request into state ---- */

static bool short_text(const json_t *obj, const char *key) { return rk_json_str(obj, key).n <= MAX_FIELD_BYTES; }

static bool copy_fields(json_t *to, const json_t *from, const char *const *keys, size_t n) {
  for (size_t i = 0; i < n; i++) {
    rk_str v = rk_str_trim(rk_json_str(from, keys[i]));
    if (!short_text(from, keys[i])) return false;
    if (v.n) json_object_set_new(to, keys[i], json_stringn(v.p, v.n));
  }
  return true;
}

static const char *const address_keys[] = {"first_name", "last_name", "phone_number", "street_address", "extended_address",
                                           "address_locality", "address_region", "address_country", "postal_code"};
static const char *const buyer_keys[] = {"first_name", "last_name", "email", "phone_number"};

static bool read_lines(struct rk_shop *s, const json_t *list, json_t *lines, struct rk_shop_answer *out) {
  size_t n = json_array_size(list), i;
  json_t *v;
  if (n == 0 || n > RK_MAX_LINE_ITEMS) {
    answer_error(out, 400, "invalid_request", "line_items holds 1 to %d items", RK_MAX_LINE_ITEMS);
    return false;
  }
  json_array_foreach(list, i, v) {
    int64_t quantity = rk_json_i64(v, "quantity", -1);
    rk_str item = rk_json_str(rk_json_obj(v, "item"), "id");
    int32_t most = s->catalog.travel ? RK_MAX_TRAVEL_PARTY : RK_MAX_QUANTITY;
    if (quantity < 1 || quantity > most) {
      answer_error(out, 400, "invalid_request", "line_items[%zu].quantity is 1 to %d", i, (int)most);
      return false;
    }
    if (!is_sold_here(s, item)) {
      out->status = 200;
      out->body = ucp_refusal("item_unavailable", "unrecoverable", "no such item is sold here");
      return false;
    }
    json_array_append_new(lines, json_pack("{s:s%, s:I}", "item", item.p, item.n, "quantity", (json_int_t)quantity));
  }
  return true;
}

static bool read_address(const json_t *method, json_t *state) {
  json_t *list = rk_json_arr(method, "destinations"), *v, *address = json_object();
  rk_str chosen = rk_json_str(method, "selected_destination_id");
  size_t i;
  const json_t *from = json_array_get(list, 0);
  json_array_foreach(list, i, v)
    if (chosen.n && rk_str_eq(chosen, rk_json_str(v, "id"))) from = v;
  json_object_set_new(state, "address", address);
  return copy_fields(address, from, address_keys, sizeof address_keys / sizeof *address_keys);
}

static bool read_codes(const json_t *discounts, json_t *state) {
  json_t *list = rk_json_arr(discounts, "codes"), *v, *codes = json_array();
  size_t i;
  json_object_set_new(state, "codes", codes);
  if (json_array_size(list) > RK_MAX_DISCOUNT_CODES) return false;
  json_array_foreach(list, i, v) {
    if (!json_is_string(v) || json_string_length(v) > 64) return false;
    json_array_append(codes, v);
  }
  return true;
}

/* The state that a create or update asks for; NULL: answered. */
static json_t *read_state(struct rk_shop *s, const json_t *body, struct rk_shop_answer *out) {
  json_t *lines = json_array(), *buyer = json_object();
  const json_t *method = json_array_get(rk_json_arr(rk_json_obj(body, "fulfillment"), "methods"), 0);
  rk_str option = rk_json_str(json_array_get(rk_json_arr(method, "groups"), 0), "selected_option_id");
  json_t *state = json_pack("{s:o, s:o, s:b, s:I, s:s%}", "lines", lines, "buyer", buyer, "en", wants_english(body), "quoted_ms",
                            (json_int_t)rk_now_ms(), "option", option.p ? option.p : "", option.n <= 64 ? option.n : 0);
  if (s->catalog.travel) json_object_set_new(state, "travelers", seller_read_travelers(body));
  if (!read_lines(s, rk_json_arr(body, "line_items"), lines, out)) goto bad;
  rk_str type = rk_json_str(method, "type");
  if (type.n && !rk_str_eq(type, RK_STR("shipping"))) {
    answer_error(out, 400, "invalid_request", "only shipping is offered");
    goto bad;
  }
  if (!read_address(method, state) || !copy_fields(buyer, rk_json_obj(body, "buyer"), buyer_keys, 4) || !read_codes(rk_json_obj(body, "discounts"), state)) {
    answer_error(out, 400, "invalid_request", "a text is over %d bytes, or there are over %d discount codes", MAX_FIELD_BYTES, RK_MAX_DISCOUNT_CODES);
    goto bad;
  }
  return state;
bad:
  json_decref(state);
  return NULL;
}

/* ---- working a session out ---- */

static void say(struct session *x, const char *type, const char *code, const char *path, const char *severity, const char *zh, const char *en) {
  json_array_append_new(x->messages, ucp_message(type, code, path, severity, x->en ? en : zh));
}

static void work_out_lines(struct rk_shop *s, struct session *x) {
  json_t *list = rk_json_arr(x->state, "lines"), *v;
  size_t i;
  json_array_foreach(list, i, v) {
    struct line *line = &x->lines[x->n_lines];
    char path[64];
    rk_str id = rk_json_str(v, "item");
    *line = (struct line){.item = x->arena ? seller_item(s, id, x->id, x->arena) : rk_catalog_item(&s->catalog, id), .quantity = (int32_t)rk_json_i64(v, "quantity", 1)};
    if (!line->item) continue; /* the tables changed since */
    x->n_lines++;
    if (x->arena) seller_seats(s, x->id, line->item->id, x->en, line->seats);
    x->subtotal += line->item->price_minor * line->quantity;
    int32_t wanted = 0;
    for (int32_t k = 0; k < x->n_lines; k++)
      if (x->lines[k].item == line->item) wanted += x->lines[k].quantity;
    snprintf(path, sizeof path, "$.line_items[%zu]", i);
    if (x->arena ? !seller_has_places(s, list, id, x->id) : rk_shop_store_stock(s->db, line->item->id) < wanted)
      say(x, "error", "out_of_stock", path, "recoverable", "库存不足", "Not enough of this item is in stock");
    if (strcmp(line->item->product->category->delivery_class, x->lines[0].item->product->category->delivery_class) != 0)
      say(x, "error", "fulfillment_incompatible", path, "recoverable", "该商品的配送方式与其他商品不同，请分开下单",
          "This item is delivered in another way than the others; order it separately");
  }
}

static int64_t worth(const struct session *x, const struct rk_coupon_rule *r) {
  int64_t eligible = 0;
  for (int32_t i = 0; i < x->n_lines; i++)
    if (rk_coupon_fits(r, x->lines[i].item->product->category)) eligible += x->lines[i].item->price_minor * x->lines[i].quantity;
  if (eligible == 0 || eligible < r->min_subtotal_minor) return 0;
  int64_t off = r->percent ? eligible * r->percent / 100 : r->amount_minor;
  return off < eligible ? off : eligible;
}

/* Codes do not add up: the best one that fits is taken, the others are answered with why not. */
static void work_out_discount(struct rk_shop *s, struct session *x) {
  json_t *codes = rk_json_arr(x->state, "codes"), *v;
  const struct rk_coupon_rule *found[RK_MAX_DISCOUNT_CODES] = {0};
  size_t i;
  json_array_foreach(codes, i, v) {
    for (int32_t k = 0; k < s->catalog.n_coupons; k++)
      if (strcasecmp(json_string_value(v), s->catalog.coupons[k].code) == 0) found[i] = &s->catalog.coupons[k];
    if (found[i] && worth(x, found[i]) > x->discount) x->coupon = found[i], x->discount = worth(x, found[i]);
  }
  json_array_foreach(codes, i, v) {
    char path[64];
    snprintf(path, sizeof path, "$.discounts.codes[%zu]", i);
    if (!found[i]) say(x, "warning", "discount_code_invalid", path, NULL, "没有这个优惠码", "There is no such code");
    else if (worth(x, found[i]) == 0)
      say(x, "warning", "discount_code_user_ineligible", path, NULL, "订单不满足该优惠码的条件", "This order does not meet the code's conditions");
    else if (found[i] != x->coupon)
      say(x, "warning", "discount_code_combination_disallowed", path, NULL, "优惠码不能叠加，已使用最优惠的一个", "Codes do not add up; the best one was used");
  }
}

static bool is_offered(const struct session *x, const struct rk_delivery_rule *d) {
  return x->n_lines > 0 && strcmp(d->class, x->lines[0].item->product->category->delivery_class) == 0;
}

static void work_out_delivery(struct rk_shop *s, struct session *x) {
  rk_str option = rk_json_str(x->state, "option");
  const struct rk_delivery_rule *cheapest = NULL;
  bool delivered = x->n_lines == 0 || strcmp(x->lines[0].item->product->category->delivery_class, RK_NO_DELIVERY) != 0;
  if (delivered && rk_json_str(rk_json_obj(x->state, "address"), "street_address").n == 0) {
    say(x, "error", "missing", "$.fulfillment.methods[0].destinations[0].street_address", "recoverable", "请填写收货地址", "A delivery address is needed");
    return;
  }
  for (int32_t i = 0; i < s->catalog.n_deliveries; i++) {
    const struct rk_delivery_rule *d = &s->catalog.deliveries[i];
    if (!is_offered(x, d)) continue;
    if (rk_str_eq_c(option, d->id)) x->delivery = d;
    if (!cheapest || d->fee_minor < cheapest->fee_minor) cheapest = d;
  }
  if (option.n && !x->delivery)
    say(x, "error", "invalid", "$.fulfillment.methods[0].groups[0].selected_option_id", "recoverable", "没有这个配送方式", "There is no such delivery option");
  else if (!x->delivery) x->delivery = cheapest;
  x->fee = x->delivery ? x->delivery->fee_minor : 0;
}

static void work_out_travelers(struct rk_shop *s, struct session *x) {
  if ((int32_t)json_array_size(rk_json_arr(x->state, "travelers")) < seller_travelers_wanted(s, rk_json_arr(x->state, "lines")))
    say(x, "error", "missing", "$['" RK_UCP_TRAVEL_KEY "'].travelers", "recoverable", "请填写出行人姓名", "The names of those who travel are needed");
}

static void work_out(struct rk_shop *s, json_t *row, struct session *x) {
  *x = (struct session){.row = row, .id = rk_json_cstr(row, "id", ""), .state = rk_json_obj(row, "state"), .messages = json_array()};
  x->en = rk_json_bool(x->state, "en", false);
  if (s->catalog.travel) x->arena = rk_arena_new(SELLER_ARENA_BYTES);
  work_out_lines(s, x);
  if (x->arena) work_out_travelers(s, x);
  work_out_discount(s, x);
  work_out_delivery(s, x);
  x->total = x->subtotal - x->discount + x->fee;
  if (x->n_lines == 0 || x->total > (int64_t)RK_MAX_TOTAL_MINOR)
    say(x, "error", "item_unavailable", "$.line_items", "recoverable", "商品已下架", "The items are no longer sold");
  x->ready = true;
  size_t i;
  json_t *m;
  json_array_foreach(x->messages, i, m)
    if (rk_str_eq(rk_json_str(m, "type"), RK_STR("error"))) x->ready = false;
}

/* ---- the view ---- */

static json_t *amount(const char *type, const char *text, int64_t minor) {
  return json_pack("{s:s, s:s, s:I}", "type", type, "display_text", text, "amount", (json_int_t)minor);
}

static json_t *totals_json(const struct session *x) {
  json_t *out = json_array();
  json_array_append_new(out, amount("subtotal", x->en ? "Items" : "商品", x->subtotal));
  if (x->discount) json_array_append_new(out, amount("discount", rk_text_in(x->coupon->title, x->en), -x->discount));
  if (x->delivery) json_array_append_new(out, amount("fulfillment", rk_text_in(x->delivery->title, x->en), x->fee));
  json_array_append_new(out, amount("total", x->en ? "Total" : "合计", x->total));
  return out;
}

static json_t *line_options(const struct line *l) {
  json_t *options = rk_item_options(l->item);
  if (l->seats[0]) json_object_set_new(options, "seats", json_string(l->seats));
  return options;
}

static json_t *item_json(const struct session *x, const struct line *l) {
  return json_pack("{s:s, s:s, s:I, s:{s:o}}", "id", l->item->id, "title", rk_text_in(l->item->product->title, x->en), "price",
                   (json_int_t)l->item->price_minor, RK_UCP_OFFER_KEY, "options", line_options(l));
}

static json_t *line_totals(const struct line *l) {
  json_int_t sum = l->item->price_minor * l->quantity;
  return json_pack("[{s:s, s:I}, {s:s, s:I}]", "type", "subtotal", "amount", sum, "type", "total", "amount", sum);
}

static json_t *line_ids(const struct session *x) {
  json_t *ids = json_array();
  for (int32_t i = 0; i < x->n_lines; i++) json_array_append_new(ids, json_sprintf("li_%d", (int)i + 1));
  return ids;
}

static void promise(const struct rk_shop *s, const struct session *x, const struct rk_delivery_rule *d, char date[11]) {
  promised_date(&s->catalog, rk_json_i64(x->state, "quoted_ms", 0), d->days, date);
}

static json_t *options_json(const struct rk_shop *s, const struct session *x) {
  json_t *out = json_array();
  int32_t offset = s->catalog.utc_offset_minutes, whole = offset < 0 ? -offset : offset;
  for (int32_t i = 0; i < s->catalog.n_deliveries; i++) {
    const struct rk_delivery_rule *d = &s->catalog.deliveries[i];
    char date[11], early[40], late[40];
    if (!is_offered(x, d)) continue;
    promise(s, x, d, date);
    snprintf(early, sizeof early, "%sT09:00:00%c%02d:%02d", date, offset < 0 ? '-' : '+', whole / 60, whole % 60);
    snprintf(late, sizeof late, "%sT21:00:00%c%02d:%02d", date, offset < 0 ? '-' : '+', whole / 60, whole % 60);
    json_array_append_new(out, json_pack("{s:s, s:s, s:s, s:s, s:[{s:s, s:I}]}", "id", d->id, "title", rk_text_in(d->title, x->en),
                                         "earliest_fulfillment_time", early, "latest_fulfillment_time", late, "totals", "type", "total",
                                         "amount", (json_int_t)d->fee_minor));
  }
  return out;
}

static json_t *fulfillment_json(const struct rk_shop *s, const struct session *x) {
  json_t *address = rk_json_obj(x->state, "address"), *destinations = json_array();
  if (json_object_size(address)) {
    json_t *d = json_pack("{s:s}", "id", "dest_1");
    json_object_update(d, address);
    json_array_append_new(destinations, d);
  }
  json_t *group = json_pack("{s:s, s:o, s:o, s:s?}", "id", "group_1", "line_item_ids", line_ids(x), "options", options_json(s, x),
                            "selected_option_id", x->delivery ? x->delivery->id : NULL);
  json_t *method = json_pack("{s:s, s:s, s:o, s:o, s:s?, s:[o]}", "id", "method_1", "type", "shipping", "line_item_ids", line_ids(x),
                             "destinations", destinations, "selected_destination_id", json_array_size(destinations) ? "dest_1" : NULL, "groups", group);
  return json_pack("{s:[o]}", "methods", method);
}

static json_t *discounts_json(const struct session *x) {
  json_t *applied = json_array();
  if (x->discount)
    json_array_append_new(applied, json_pack("{s:s, s:s, s:I}", "code", x->coupon->code, "title", rk_text_in(x->coupon->title, x->en), "amount", (json_int_t)x->discount));
  return json_pack("{s:O, s:o}", "codes", json_object_get(x->state, "codes"), "applied", applied);
}

static json_t *view_json(const struct rk_shop *s, const struct caller *c, const struct session *x, const char *status) {
  json_t *lines = json_array(), *v;
  char expires[32], refund[300], terms[300];
  for (int32_t i = 0; i < x->n_lines; i++)
    json_array_append_new(lines, json_pack("{s:o, s:o, s:i, s:o}", "id", json_sprintf("li_%d", (int)i + 1), "item", item_json(x, &x->lines[i]),
                                           "quantity", (int)x->lines[i].quantity, "totals", line_totals(&x->lines[i])));
  rk_time_rfc3339(rk_json_i64(x->row, "expires_ms", 0), expires);
  snprintf(refund, sizeof refund, "%s/terms#refund", s->origin);
  snprintf(terms, sizeof terms, "%s/terms", s->origin);
  v = json_pack("{s:o, s:s, s:s, s:s, s:o, s:o, s:O, s:[{s:s, s:s, s:s}, {s:s, s:s}], s:s}", "ucp", ucp_envelope(s, c, RK_UCP_CHECKOUT), "id", x->id,
                "status", status, "currency", s->catalog.currency, "line_items", lines, "totals", totals_json(x), "messages", x->messages,
                "links", "type", "refund_policy", "url", refund, "title", rk_text_in(s->catalog.refund_rule, x->en), "type", "terms_of_service",
                "url", terms, "expires_at", expires);
  if (json_object_get(c->active, RK_UCP_FULFILLMENT)) json_object_set_new(v, "fulfillment", fulfillment_json(s, x));
  if (json_object_get(c->active, RK_UCP_DISCOUNT)) json_object_set_new(v, "discounts", discounts_json(x));
  if (json_object_size(rk_json_obj(x->state, "buyer"))) json_object_set(v, "buyer", rk_json_obj(x->state, "buyer"));
  if (x->arena) json_object_set_new(v, RK_UCP_TRAVEL_KEY, json_pack("{s:O}", "travelers", rk_json_arr(x->state, "travelers")));
  return v;
}

/* ---- sessions ---- */

static bool is_open(const json_t *row) {
  rk_str status = rk_json_str(row, "status");
  return !rk_str_eq(status, RK_STR("completed")) && !rk_str_eq(status, RK_STR("canceled"));
}

/* The row of a session of this agent; NULL: answered. */
static json_t *find_session(struct rk_shop *s, const struct caller *c, const char *id, struct rk_shop_answer *out) {
  json_t *row = rk_shop_store_checkout(s->db, id);
  if (row && strcmp(rk_json_cstr(row, "agent", ""), c->url) == 0) return row;
  json_decref(row);
  answer_error(out, 404, "not_found", "there is no checkout %s", id);
  return NULL;
}

/* Answers with the session as it is now. */
static void answer_view(struct rk_shop *s, const struct caller *c, json_t *row, int32_t http, struct rk_shop_answer *out) {
  out->status = http;
  if (!is_open(row) && rk_json_obj(row, "view")) {
    out->body = json_incref(rk_json_obj(row, "view"));
    return;
  }
  struct session x;
  work_out(s, row, &x);
  bool expired = rk_now_ms() >= rk_json_i64(row, "expires_ms", 0);
  if (expired) say(&x, "error", "expired", NULL, "unrecoverable", "结算已过期，请重新下单", "The checkout has expired; start a new one");
  out->body = view_json(s, c, &x, expired || !is_open(row) ? "canceled" : x.ready ? "ready_for_complete" : "incomplete");
  session_release(&x);
}

static void put_and_answer(struct rk_shop *s, const struct caller *c, const char *id, json_t *state, int32_t http, struct rk_shop_answer *out) {
  struct rk_error e = {0};
  int64_t expires_ms = rk_now_ms() + CHECKOUT_TTL_MS;
  rk_err err = rk_shop_store_put_checkout(s->db, id, c->url, "open", state, NULL, NULL, expires_ms, &e);
  if (!err && s->catalog.travel) err = seller_hold(s, id, state, expires_ms, &e);
  if (err) {
    answer_error(out, 503, "unavailable", "the checkout cannot be stored: %s", e.msg);
    return;
  }
  json_t *row = json_pack("{s:s, s:s, s:O, s:I}", "id", id, "status", "open", "state", state, "expires_ms", (json_int_t)expires_ms);
  answer_view(s, c, row, http, out);
  json_decref(row);
}

static bool all_sold_out(struct rk_shop *s, const json_t *state) {
  size_t i;
  json_t *v;
  json_array_foreach(rk_json_arr(state, "lines"), i, v)
    if (s->catalog.travel || rk_shop_store_stock(s->db, rk_json_cstr(v, "item", "")) > 0) return false;
  return true;
}

void handle_create(struct rk_shop *s, const struct caller *c, const json_t *body, struct rk_shop_answer *out) {
  json_t *state = read_state(s, body, out);
  char id[37];
  if (!state) return;
  if (all_sold_out(s, state)) {
    out->status = 200;
    out->body = ucp_refusal("out_of_stock", "unrecoverable", wants_english(body) ? "Everything asked for is sold out" : "所选商品均已售罄");
    json_decref(state);
    return;
  }
  rk_uuid7(id);
  put_and_answer(s, c, id, state, 201, out);
  json_decref(state);
}

void handle_get(struct rk_shop *s, const struct caller *c, const char *id, struct rk_shop_answer *out) {
  json_t *row = find_session(s, c, id, out);
  if (row) answer_view(s, c, row, 200, out);
  json_decref(row);
}

void handle_update(struct rk_shop *s, const struct caller *c, const char *id, const json_t *body, struct rk_shop_answer *out) {
  json_t *row = find_session(s, c, id, out), *state = NULL;
  if (!row) return;
  if (!is_open(row)) answer_error(out, 409, "conflict", "the checkout is %s and cannot be changed", rk_json_cstr(row, "status", ""));
  else if ((state = read_state(s, body, out))) put_and_answer(s, c, id, state, 200, out);
  json_decref(state);
  json_decref(row);
}

void handle_cancel(struct rk_shop *s, const struct caller *c, const char *id, struct rk_shop_answer *out) {
  json_t *row = find_session(s, c, id, out);
  struct rk_error e = {0};
  if (!row) return;
  if (!is_open(row)) {
    if (rk_str_eq(rk_json_str(row, "status"), RK_STR("canceled"))) answer_view(s, c, row, 200, out);
    else answer_error(out, 409, "conflict", "the checkout is completed; it cannot be canceled any more");
    json_decref(row);
    return;
  }
  struct session x;
  work_out(s, row, &x);
  json_array_clear(x.messages);
  json_t *view = view_json(s, c, &x, "canceled");
  rk_err err = rk_shop_store_put_checkout(s->db, id, c->url, "canceled", x.state, view, NULL, rk_json_i64(row, "expires_ms", 0), &e);
  if (!err) err = rk_shop_store_release(s->db, id, &e);
  if (err) {
    answer_error(out, 503, "unavailable", "the checkout cannot be stored: %s", e.msg);
    json_decref(view);
  } else out->status = 200, out->body = view;
  session_release(&x);
  json_decref(row);
}

/* ---- completion ---- */

static const json_t *chosen_instrument(const json_t *body) {
  json_t *list = rk_json_arr(rk_json_obj(body, "payment"), "instruments"), *v;
  size_t i;
  json_array_foreach(list, i, v)
    if (rk_json_bool(v, "selected", false)) return v;
  return json_array_get(list, 0);
}

rk_str completion_token(const json_t *body) { return rk_json_str(rk_json_obj(chosen_instrument(body), "credential"), "token"); }

/* The session as it stands, with the reason why it was not paid. */
static void refuse(struct rk_shop *s, const struct caller *c, struct session *x, const char *code, const char *zh, const char *en, struct rk_shop_answer *out) {
  say(x, "error", code, "$.payment", "recoverable", zh, en);
  out->status = 200;
  out->body = view_json(s, c, x, x->ready ? "ready_for_complete" : "incomplete");
}

/* The token pays exactly this checkout, here, now. NULL: it does. */
static const char *payment_fault(const struct rk_shop *s, const struct session *x, const json_t *instrument, const struct rk_payment_claims *p) {
  if (!rk_str_eq_c(rk_json_str(instrument, "type"), p->kind)) return "The instrument is not the one that was authorised";
  if (strcmp(p->kind, "card") != 0 && strcmp(p->kind, "wallet") != 0) return "This kind of instrument is not taken here";
  if (strcmp(p->origin, s->origin) != 0) return "The payment was authorised for another merchant";
  if (strcmp(p->checkout_id, x->id) != 0) return "The payment was authorised for another checkout";
  if (strcmp(p->currency, s->catalog.currency) != 0 || p->amount_minor != x->total) return "The payment was authorised for another amount";
  return NULL;
}

static json_t *order_json(const struct rk_shop *s, const struct caller *c, const struct session *x, const char *id, const char *url) {
  json_t *lines = json_array(), *expected = json_array(), *destination = rk_json_obj(x->state, "address");
  char date[11], when[40];
  promise(s, x, x->delivery, date);
  snprintf(when, sizeof when, "%sT21:00:00Z", date);
  for (int32_t i = 0; i < x->n_lines; i++) {
    const struct line *l = &x->lines[i];
    json_array_append_new(lines, json_pack("{s:o, s:o, s:{s:i, s:i, s:i}, s:o, s:s}", "id", json_sprintf("li_%d", (int)i + 1), "item", item_json(x, l),
                                           "quantity", "original", (int)l->quantity, "total", (int)l->quantity, "fulfilled", 0, "totals",
                                           line_totals(l), "status", "processing"));
    json_array_append_new(expected, json_pack("{s:o, s:i}", "id", json_sprintf("li_%d", (int)i + 1), "quantity", (int)l->quantity));
  }
  json_t *expectation = json_pack("{s:s, s:o, s:s, s:O, s:s, s:s}", "id", "exp_1", "line_items", expected, "method_type", "shipping", "destination",
                                  destination, "description", rk_text_in(x->delivery->title, x->en), "fulfillable_on", date);
  return json_pack("{s:o, s:s, s:s, s:s, s:s, s:o, s:{s:[o], s:[]}, s:[], s:s, s:o}", "ucp", ucp_envelope(s, c, RK_UCP_ORDER), "id", id, "label", id,
                   "checkout_id", x->id, "permalink_url", url, "line_items", lines, "fulfillment", "expectations", expectation, "events",
                   "adjustments", "currency", s->catalog.currency, "totals", totals_json(x));
}

/* The order as `rukou shop orders` prints it: with what the catalogue knows about each line. */
static json_t *report_json(const struct rk_shop *s, const struct session *x, const json_t *instrument, const char *kind) {
  json_t *lines = json_array(), *codes = json_array();
  char date[11];
  promise(s, x, x->delivery, date);
  for (int32_t i = 0; i < x->n_lines; i++) {
    const struct rk_product *p = x->lines[i].item->product;
    json_array_append_new(lines, json_pack("{s:s, s:s, s:s, s:s, s:{s:s, s:s}, s:o, s:o, s:i, s:I, s:f, s:i}", "item_id", x->lines[i].item->id, "product_id", p->id,
                                           "category", p->category->id, "title", rk_text_in(p->title, x->en), "titles", "zh", p->title.zh, "en", p->title.en,
                                           "attributes", rk_product_facts(p), "options", line_options(&x->lines[i]), "quantity",
                                           (int)x->lines[i].quantity, "unit_minor", (json_int_t)x->lines[i].item->price_minor,
                                           "rating", p->rating_tenths / 10.0, "n_reviews", (int)p->n_reviews));
  }
  if (x->discount) json_array_append_new(codes, json_string(x->coupon->code));
  json_t *v = json_pack("{s:s, s:s, s:o, s:o, s:o, s:{s:s, s:s}, s:O, s:{s:s, s:s, s:I, s:s}}", "shop", s->catalog.name, "status", "placed", "lines", lines, "totals", totals_json(x),
                   "discounts", codes, "instrument", "id", rk_json_cstr(instrument, "id", ""), "kind", kind, "address", rk_json_obj(x->state, "address"),
                   "delivery", "id", x->delivery->id, "title", rk_text_in(x->delivery->title, x->en), "fee_minor", (json_int_t)x->fee, "date", date);
  if (x->arena) json_object_set(v, "travelers", rk_json_arr(x->state, "travelers"));
  return v;
}

static void order_id(const struct rk_shop *s, char out[40]) {
  unsigned char r[4];
  char date[11];
  promised_date(&s->catalog, rk_now_ms(), 0, date);
  rk_random(r, sizeof r);
  snprintf(out, 40, "%c%c%.2s%.2s%.2s-%02X%02X%02X%02X", s->catalog.id_prefix[0] & ~0x20, s->catalog.id_prefix[1] & ~0x20,
           date + 2, date + 5, date + 8, r[0], r[1], r[2], r[3]);
}

/* Stock, order, charge and session in the request's transaction; what could refuse it was looked at before. */
static rk_err place(struct rk_shop *s, const struct caller *c, const struct session *x, const json_t *instrument, const struct rk_payment_claims *p,
                    struct rk_shop_answer *out, struct rk_error *e) {
  char id[40], url[300];
  order_id(s, id);
  snprintf(url, sizeof url, "%s/orders/%s", s->origin, id);
  rk_err err = RK_OK;
  if (s->catalog.travel) err = rk_shop_store_sell(s->db, x->id, e);
  for (int32_t i = 0; !err && !s->catalog.travel && i < x->n_lines; i++) err = rk_shop_store_take(s->db, x->lines[i].item->id, x->lines[i].quantity, e);
  json_t *report = report_json(s, x, instrument, p->kind), *order = order_json(s, c, x, id, url), *view = view_json(s, c, x, "completed");
  json_object_set_new(view, "order", json_pack("{s:s, s:s, s:s}", "id", id, "label", id, "permalink_url", url));
  if (!err) err = rk_shop_store_add_order(s->db, id, x->id, c->url, report, order, x->total, s->catalog.currency, e);
  if (!err) err = rk_shop_store_charge(s->db, &(struct rk_charge){p->jti, x->id, id, p->kind, p->currency, p->amount_minor}, e);
  if (!err) err = rk_shop_store_put_checkout(s->db, x->id, c->url, "completed", x->state, view, id, rk_json_i64(x->row, "expires_ms", 0), e);
  json_decref(order);
  json_decref(report);
  if (err) json_decref(view);
  else out->status = 200, out->body = view;
  return err;
}

void handle_complete(struct rk_shop *s, const struct caller *c, const char *id, const json_t *body, struct rk_shop_answer *out) {
  json_t *row = find_session(s, c, id, out);
  const json_t *instrument = chosen_instrument(body);
  struct rk_payment_claims claims;
  struct session x;
  struct rk_error e = {0};
  if (!row) return;
  if (!is_open(row) || rk_now_ms() >= rk_json_i64(row, "expires_ms", 0)) { /* completed: the order stands, and is shown again */
    answer_view(s, c, row, 200, out);
    json_decref(row);
    return;
  }
  work_out(s, row, &x);
  rk_err bad = rk_payment_token_verify(completion_token(body), c->keys, rk_now_ms(), &claims, &e);
  const char *fault = bad ? e.msg : payment_fault(s, &x, instrument, &claims);
  if (!x.ready) {
    out->status = 200;
    out->body = view_json(s, c, &x, "incomplete");
  } else if (!fault && rk_shop_store_is_charged(s->db, claims.jti))
    refuse(s, c, &x, "payment_failed", "该付款凭证已被使用", "This payment was used before", out);
  else if (fault) refuse(s, c, &x, "payment_failed", fault, fault, out);
  else {
    rk_err err = place(s, c, &x, instrument, &claims, out, &e);
    if (err) answer_error(out, 503, "unavailable", "the order cannot be stored now: %s", e.msg);
  }
  session_release(&x);
  json_decref(row);
}

void handle_order(struct rk_shop *s, const struct caller *c, const char *id, struct rk_shop_answer *out) {
  json_t *row = rk_shop_store_order(s->db, id);
  if (row && strcmp(rk_json_cstr(row, "agent", ""), c->url) == 0) {
    out->status = 200;
    out->body = json_incref(rk_json_obj(row, "view"));
  } else answer_error(out, 404, "not_found", "there is no order %s", id);
  json_decref(row);
}
