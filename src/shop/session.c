/* session.c - a request into state, and state worked out. */
#include "shop/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "trade/ucp.h"

enum { MAX_CONSENTS = 16 };

void session_release(struct session *x) {
  json_decref(x->messages);
  json_decref(x->change);
  if (x->arena) rk_arena_free(x->arena);
}

static bool is_sold_here(const struct rk_shop *s, rk_str item_id) {
  return s->catalog.travel ? seller_sells(s, item_id) : rk_catalog_item(&s->catalog, item_id) != NULL;
}

/* ---- reading a request into state ---- */

static bool short_text(const json_t *obj, const char *key) { return rk_json_str(obj, key).n <= MAX_FIELD_BYTES; }

bool session_copy(json_t *to, const json_t *from, const char *const *keys, size_t n) {
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

/* What is sold out is left out: the rest can still be bought. False: answered. */
static bool read_lines(struct rk_shop *s, const json_t *list, json_t *lines, json_t *sold_out, bool en, struct rk_shop_answer *out) {
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
    bool gone = !s->catalog.travel && rk_shop_store_stock(s->db, rk_catalog_item(&s->catalog, item)->id) <= 0;
    if (gone) json_array_append_new(sold_out, json_stringn(item.p, item.n));
    else json_array_append_new(lines, json_pack("{s:s%, s:I}", "item", item.p, item.n, "quantity", (json_int_t)quantity));
  }
  if (json_array_size(lines)) return true;
  out->status = 200;
  out->body = ucp_refusal("out_of_stock", "unrecoverable", en ? "Everything asked for is sold out" : "所选商品均已售罄");
  return false;
}

static bool read_address(const json_t *method, json_t *state) {
  json_t *list = rk_json_arr(method, "destinations"), *v, *address = json_object();
  rk_str chosen = rk_json_str(method, "selected_destination_id");
  size_t i;
  const json_t *from = json_array_get(list, 0);
  json_array_foreach(list, i, v)
    if (chosen.n && rk_str_eq(chosen, rk_json_str(v, "id"))) from = v;
  json_object_set_new(state, "address", address);
  return session_copy(address, from, address_keys, sizeof address_keys / sizeof *address_keys);
}

bool session_read_delivery(const json_t *body, json_t *state) {
  const json_t *method = json_array_get(rk_json_arr(rk_json_obj(body, "fulfillment"), "methods"), 0);
  rk_str option = rk_json_str(json_array_get(rk_json_arr(method, "groups"), 0), "selected_option_id");
  json_object_set_new(state, "option", json_stringn(option.p ? option.p : "", option.n <= 64 ? option.n : 0));
  return read_address(method, state);
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

/* Claims of context.eligibility, at most MAX_CLAIMS; the rest is ignored as unrecognised ones are. */
static json_t *read_claims(const json_t *body) {
  json_t *list = rk_json_arr(rk_json_obj(body, "context"), "eligibility"), *claims = json_array(), *v;
  size_t i;
  json_array_foreach(list, i, v)
    if (json_is_string(v) && json_string_length(v) <= 128 && json_array_size(claims) < MAX_CLAIMS) json_array_append(claims, v);
  return claims;
}

/* buyer.consent: booleans by name (2026-04-08), or {granted} by reverse-domain purpose (2026-08-25). */
static json_t *read_consent(const json_t *buyer) {
  json_t *consent = rk_json_obj(buyer, "consent"), *out = json_object(), *v;
  const char *name;
  json_object_foreach(consent, name, v) {
    json_t *granted = json_is_object(v) ? json_object_get(v, "granted") : v;
    if (json_object_size(out) < MAX_CONSENTS && strlen(name) <= 128 && json_is_boolean(granted)) json_object_set(out, name, granted);
  }
  return out;
}

json_t *session_read(struct rk_shop *s, const json_t *body, struct rk_shop_answer *out) {
  json_t *lines = json_array(), *buyer = json_object(), *sold_out = json_array();
  const json_t *method = json_array_get(rk_json_arr(rk_json_obj(body, "fulfillment"), "methods"), 0);
  json_t *state = json_pack("{s:o, s:o, s:o, s:b, s:I, s:o, s:o}", "lines", lines, "sold_out", sold_out, "buyer", buyer, "en", wants_english(body),
                            "quoted_ms", (json_int_t)rk_now_ms(), "claims", read_claims(body), "consent", read_consent(rk_json_obj(body, "buyer")));
  if (s->catalog.travel) json_object_set_new(state, "travelers", seller_read_travelers(body));
  if (!read_lines(s, rk_json_arr(body, "line_items"), lines, sold_out, wants_english(body), out)) goto bad;
  rk_str type = rk_json_str(method, "type");
  if (type.n && !rk_str_eq(type, RK_STR("shipping"))) {
    answer_error(out, 400, "invalid_request", "only shipping is offered");
    goto bad;
  }
  if (!session_read_delivery(body, state) || !session_copy(buyer, rk_json_obj(body, "buyer"), buyer_keys, 4) || !read_codes(rk_json_obj(body, "discounts"), state)) {
    answer_error(out, 400, "invalid_request", "a text is over %d bytes, or there are over %d discount codes", MAX_FIELD_BYTES, RK_MAX_DISCOUNT_CODES);
    goto bad;
  }
  return state;
bad:
  json_decref(state);
  return NULL;
}

/* ---- working a session out ---- */

void session_say(struct session *x, const char *type, const char *code, const char *path, const char *severity, const char *zh, const char *en) {
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
    snprintf(path, sizeof path, session_is_booking(x->id) ? "$.stays" : "$.line_items[%zu]", i);
    if (x->arena ? !seller_has_places(s, list, id, x->id) : rk_shop_store_stock(s->db, line->item->id) < wanted)
      session_say(x, "error", session_is_booking(x->id) ? "inventory_exhausted" : "out_of_stock", path, "recoverable", "库存不足", "Not enough of this item is in stock");
    if (strcmp(line->item->product->category->delivery_class, x->lines[0].item->product->category->delivery_class) != 0)
      session_say(x, "error", "fulfillment_incompatible", path, "recoverable", "该商品的配送方式与其他商品不同，请分开下单",
          "This item is delivered in another way than the others; order it separately");
  }
}

static bool goes_to(const struct session *x, const char *regions) {
  static const char *const parts[] = {"address_region", "address_locality", "street_address"};
  const json_t *address = rk_json_obj(x->state, "address");
  rk_str rest = rk_str_c(regions), one;
  while (rest.n) {
    rk_str_cut(rest, ' ', &one, &rest);
    for (size_t i = 0; one.n && i < sizeof parts / sizeof *parts; i++)
      if (rk_str_find(rk_json_str(address, parts[i]), one) >= 0) return true;
  }
  return false;
}

bool session_offers(const struct session *x, const struct rk_delivery_rule *d) {
  if (x->n_lines == 0 || strcmp(d->class, x->lines[0].item->product->category->delivery_class) != 0) return false;
  return !d->regions || goes_to(x, d->regions);
}

int64_t session_fee(const struct session *x, const struct rk_delivery_rule *d) {
  int64_t grams = 0;
  for (int32_t i = 0; i < x->n_lines; i++) grams += (int64_t)x->lines[i].item->weight_g * x->lines[i].quantity;
  if (d->free_over_minor && x->subtotal - x->discount >= d->free_over_minor) return 0;
  return d->fee_minor + (grams > 1000 ? (grams - 1) / 1000 * d->per_kg_minor : 0);
}

static bool needs_delivery(const struct session *x) {
  return x->n_lines == 0 || strcmp(x->lines[0].item->product->category->delivery_class, RK_NO_DELIVERY) != 0;
}

static void work_out_delivery(struct rk_shop *s, struct session *x) {
  rk_str option = rk_json_str(x->state, "option");
  const struct rk_delivery_rule *cheapest = NULL;
  if (needs_delivery(x) && rk_json_str(rk_json_obj(x->state, "address"), "street_address").n == 0) {
    session_say(x, "error", "missing", "$.fulfillment.methods[0].destinations[0].street_address", "recoverable", "请填写收货地址", "A delivery address is needed");
    return;
  }
  for (int32_t i = 0; i < s->catalog.n_deliveries; i++) {
    const struct rk_delivery_rule *d = &s->catalog.deliveries[i];
    if (!session_offers(x, d)) continue;
    if (rk_str_eq_c(option, d->id)) x->delivery = d;
    if (!cheapest || session_fee(x, d) < session_fee(x, cheapest)) cheapest = d;
  }
  if (option.n && !x->delivery)
    session_say(x, "error", "invalid", "$.fulfillment.methods[0].groups[0].selected_option_id", "recoverable", "没有这个配送方式", "There is no such delivery option");
  else if (!x->delivery) x->delivery = cheapest;
  if (needs_delivery(x) && !cheapest)
    session_say(x, "error", "address_undeliverable", "$.fulfillment.methods[0].destinations[0]", "recoverable", "不配送到这个地址", "Nothing is delivered to this address");
  x->fee = x->delivery ? session_fee(x, x->delivery) : 0;
}

static void work_out_travelers(struct rk_shop *s, struct session *x) {
  if (session_is_booking(x->id)) booking_work_out(s, x);
  else if ((int32_t)json_array_size(rk_json_arr(x->state, "travelers")) < seller_travelers_wanted(s, rk_json_arr(x->state, "lines")))
    session_say(x, "error", "missing", "$['" RK_UCP_TRAVEL_KEY "'].travelers", "recoverable", "请填写出行人姓名", "The names of those who travel are needed");
}

static void say_what_is_sold_out(struct session *x) {
  size_t i;
  json_t *v;
  json_array_foreach(rk_json_arr(x->state, "sold_out"), i, v) {
    char zh[300], en[300];
    snprintf(zh, sizeof zh, "已售罄，未列入：%.128s", json_string_value(v));
    snprintf(en, sizeof en, "Sold out and left out: %.128s", json_string_value(v));
    session_say(x, "warning", "out_of_stock", "$.line_items", NULL, zh, en);
  }
}

/* A shop that sells only while it is open keeps a checkout waiting; a cart may be filled. */
static void say_when_it_opens(const struct rk_shop *s, bool is_cart, struct session *x) {
  char zh[OPENS_TEXT_BYTES], en[OPENS_TEXT_BYTES];
  int64_t opens_ms = shop_opens_ms(&s->catalog, rk_now_ms());
  if (!opens_ms) return;
  shop_opens_text(&s->catalog, opens_ms, false, zh);
  shop_opens_text(&s->catalog, opens_ms, true, en);
  session_say(x, is_cart ? "warning" : "error", "shop_closed", NULL, is_cart ? NULL : "recoverable", zh, en);
}

void session_work_out(struct rk_shop *s, json_t *row, bool is_cart, struct session *x) {
  *x = (struct session){.row = row, .id = rk_json_cstr(row, "id", ""), .state = rk_json_obj(row, "state"), .messages = json_array()};
  x->en = rk_json_bool(x->state, "en", false);
  if (s->catalog.travel) x->arena = rk_arena_new(SELLER_ARENA_BYTES);
  work_out_lines(s, x);
  say_what_is_sold_out(x);
  if (x->arena && !is_cart) work_out_travelers(s, x);
  session_work_out_discounts(s, x);
  if (!is_cart) work_out_delivery(s, x);
  say_when_it_opens(s, is_cart, x);
  if (!is_cart) change_work_out(s, x);
  x->total = x->subtotal - x->discount + x->fee + x->change_fee - x->credit;
  if (x->n_lines == 0 || x->total > (int64_t)RK_MAX_TOTAL_MINOR)
    session_say(x, "error", "item_unavailable", "$.line_items", "recoverable", "商品已下架", "The items are no longer sold");
  x->ready = true;
  size_t i;
  json_t *m;
  json_array_foreach(x->messages, i, m)
    if (rk_str_eq(rk_json_str(m, "type"), RK_STR("error"))) x->ready = false;
}

void session_promise(const struct rk_shop *s, const struct session *x, const struct rk_delivery_rule *d, char date[11]) {
  int64_t at_ms = rk_json_i64(x->state, "quoted_ms", 0);
  promised_date(&s->catalog, at_ms, delivery_days(&s->catalog, at_ms, d), date);
}
