/* view.c - a session as UCP checkout, cart and order, and as the seller's report. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "shop/session.h"
#include "trade/ucp.h"

static json_t *amount(const char *type, const char *text, int64_t minor) {
  return json_pack("{s:s, s:s, s:I}", "type", type, "display_text", text, "amount", (json_int_t)minor);
}

/* The lines that make up the subtotal, where there are several. */
static json_t *subtotal_lines(const struct session *x) {
  json_t *out = json_array();
  for (int32_t i = 0; i < x->n_lines; i++)
    json_array_append_new(out, json_pack("{s:s, s:I}", "display_text", rk_text_in(x->lines[i].item->product->title, x->en), "amount",
                                         (json_int_t)(x->lines[i].item->price_minor * x->lines[i].quantity)));
  return out;
}

static json_t *totals_json(const struct session *x) {
  json_t *out = json_array(), *subtotal = amount("subtotal", x->en ? "Items" : "商品", x->subtotal);
  int64_t on_lines = 0;
  if (x->n_lines > 1) json_object_set_new(subtotal, "lines", subtotal_lines(x));
  json_array_append_new(out, subtotal);
  for (int32_t i = 0; i < x->n_lines; i++) on_lines += session_items_discount(x, i);
  if (on_lines) json_array_append_new(out, amount("items_discount", x->en ? "Discounts on items" : "商品优惠", -on_lines));
  for (int32_t i = 0; i < x->n_discounts; i++)
    if (!x->discounts[i].allocated) json_array_append_new(out, amount("discount", rk_text_in(x->discounts[i].rule->title, x->en), -x->discounts[i].amount));
  if (x->delivery) json_array_append_new(out, amount("fulfillment", rk_text_in(x->delivery->title, x->en), x->fee));
  if (x->credit) json_array_append_new(out, amount("discount", x->en ? "Paid for what is exchanged" : "原订单抵扣", -x->credit));
  if (x->change_fee) json_array_append_new(out, amount("fee", x->en ? "Fee of the change" : "改签费", x->change_fee));
  json_array_append_new(out, amount("total", x->en ? "Total" : "合计", x->total));
  return out;
}

static json_t *line_options(const struct line *l) {
  json_t *options = rk_item_options(l->item);
  if (l->seats[0]) json_object_set_new(options, "seats", json_string(l->seats));
  return options;
}

/* Of a dated place the buyer agrees to day and hours too; class and room in the buyer's words. */
static json_t *dated_options(const struct line *l, bool en) {
  static const char *const when[] = {"date", "starts", "ends", "end_date", "opens", "closes"};
  const struct rk_product *p = l->item->product;
  json_t *options = line_options(l);
  for (int32_t i = 0; i < p->n_axes; i++) json_object_set_new(options, l->item->chosen[i]->option, json_string(rk_text_in(l->item->chosen[i]->label, en)));
  for (size_t k = 0; k < sizeof when / sizeof *when; k++)
    for (int32_t i = 0; i < p->n_facts; i++)
      if (strcmp(p->facts[i].name, when[k]) == 0) json_object_set_new(options, when[k], json_string(p->facts[i].value));
  return options;
}

static json_t *item_json(const struct session *x, const struct line *l) {
  return json_pack("{s:s, s:s, s:I, s:{s:o}}", "id", l->item->id, "title", rk_text_in(l->item->product->title, x->en), "price",
                   (json_int_t)l->item->price_minor, RK_UCP_OFFER_KEY, "options", x->arena ? dated_options(l, x->en) : line_options(l));
}

static json_t *line_totals(const struct session *x, int32_t i) {
  json_int_t sum = x->lines[i].item->price_minor * x->lines[i].quantity, off = session_items_discount(x, i);
  json_t *out = json_pack("[{s:s, s:I}]", "type", "subtotal", "amount", sum);
  if (off) json_array_append_new(out, json_pack("{s:s, s:I}", "type", "items_discount", "amount", -off));
  json_array_append_new(out, json_pack("{s:s, s:I}", "type", "total", "amount", sum - off));
  return out;
}

static json_t *line_ids(const struct session *x) {
  json_t *ids = json_array();
  for (int32_t i = 0; i < x->n_lines; i++) json_array_append_new(ids, json_sprintf("li_%d", (int)i + 1));
  return ids;
}

static json_t *options_json(const struct rk_shop *s, const struct session *x) {
  json_t *out = json_array();
  for (int32_t i = 0; i < s->catalog.n_deliveries; i++) {
    const struct rk_delivery_rule *d = &s->catalog.deliveries[i];
    char date[11], early[40], late[40];
    if (!session_offers(x, d)) continue;
    session_promise(s, x, d, date);
    promised_time(&s->catalog, date, 9, early);
    promised_time(&s->catalog, date, 21, late);
    json_array_append_new(out, json_pack("{s:s, s:s, s:s, s:s, s:[{s:s, s:I}]}", "id", d->id, "title", rk_text_in(d->title, x->en),
                                         "earliest_fulfillment_time", early, "latest_fulfillment_time", late, "totals", "type", "total",
                                         "amount", (json_int_t)session_fee(x, d)));
  }
  return out;
}

static json_t *fulfillment_json(const struct rk_shop *s, const struct caller *c, const struct session *x) {
  json_t *address = rk_json_obj(x->state, "address"), *destinations = json_array();
  if (json_object_size(address)) {
    json_t *d = json_pack("{s:s}", "id", "dest_1");
    if (c->version >= UCP_2026_08_25) json_object_set_new(d, "type", json_string("shipping_address"));
    json_object_update(d, address);
    json_array_append_new(destinations, d);
  }
  json_t *group = json_pack("{s:s, s:o, s:o, s:s?}", "id", "group_1", "line_item_ids", line_ids(x), "options", options_json(s, x),
                            "selected_option_id", x->delivery ? x->delivery->id : NULL);
  json_t *method = json_pack("{s:s, s:s, s:o, s:o, s:s?, s:[o]}", "id", "method_1", "type", "shipping", "line_item_ids", line_ids(x),
                             "destinations", destinations, "selected_destination_id", json_array_size(destinations) ? "dest_1" : NULL, "groups", group);
  return json_pack("{s:[o]}", "methods", method);
}

static json_t *allocations(const struct session *x, const struct discount *d) {
  json_t *out = json_array();
  for (int32_t i = 0; i < x->n_lines; i++)
    if (d->by_line[i]) json_array_append_new(out, json_pack("{s:o, s:I}", "path", json_sprintf("$.line_items[%d]", (int)i), "amount", (json_int_t)d->by_line[i]));
  return out;
}

static json_t *discounts_json(const struct session *x) {
  json_t *applied = json_array();
  for (int32_t i = 0; i < x->n_discounts; i++) {
    const struct discount *d = &x->discounts[i];
    json_t *v = json_pack("{s:s, s:I}", "title", rk_text_in(d->rule->title, x->en), "amount", (json_int_t)d->amount);
    if (rk_coupon_has_code(d->rule)) json_object_set_new(v, "code", json_string(d->rule->code));
    else json_object_set_new(v, "automatic", json_true());
    if (rk_coupon_claim(d->rule)) json_object_set_new(v, "eligibility", json_string(rk_coupon_claim(d->rule)));
    if (rk_coupon_claim(d->rule) && !x->verified) json_object_set_new(v, "provisional", json_true());
    if (d->allocated) json_object_set_new(v, "allocations", allocations(x, d));
    json_array_append_new(applied, v);
  }
  return json_pack("{s:O, s:o}", "codes", json_object_get(x->state, "codes"), "applied", applied);
}

static const char *purpose_text(const char *name, bool en) {
  static const struct { const char *word; struct rk_text text; } known[] = {
    {"marketing", {"接收优惠和新品信息", "Offers and news by message"}}, {"analytics", {"用于分析店铺的使用情况", "Use for statistics of this shop"}},
    {"preferences", {"保存偏好设置", "Keeping your preferences"}}, {"sale", {"向第三方出售或共享数据", "Selling or sharing data with others"}}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strstr(name, known[i].word)) return rk_text_in(known[i].text, en);
  return name;
}

/* The buyer with consents in the form of the version. */
static json_t *buyer_json(const struct caller *c, const struct session *x) {
  json_t *buyer = json_copy(rk_json_obj(x->state, "buyer")), *stored = rk_json_obj(x->state, "consent"), *v;
  const char *name;
  if (!buyer) buyer = json_object();
  if (!json_object_get(c->active, RK_UCP_CONSENT) || json_object_size(stored) == 0) return buyer;
  json_t *consent = json_object();
  json_object_foreach(stored, name, v) {
    if (c->version == UCP_2026_04_08) json_object_set(consent, name, v);
    else if (strchr(name, '.'))
      json_object_set_new(consent, name, json_pack("{s:O, s:s, s:s}", "granted", v, "source", "platform", "description", purpose_text(name, x->en)));
  }
  json_object_set_new(buyer, "consent", consent);
  return buyer;
}

static json_t *links_json(const struct rk_shop *s, bool en) {
  char refund[300], terms[300];
  snprintf(refund, sizeof refund, "%s/terms#refund", s->origin);
  snprintf(terms, sizeof terms, "%s/terms", s->origin);
  const char *changes = rk_text_in(s->catalog.change_rule, en);
  json_t *rule = json_sprintf("%s%s%s", rk_text_in(s->catalog.refund_rule, en), changes[0] ? " " : "", changes);
  return json_pack("[{s:s, s:s, s:o}, {s:s, s:s}]", "type", "refund_policy", "url", refund, "title", rule, "type", "terms_of_service", "url", terms);
}

static json_t *policies_json(const struct rk_shop *s, bool en) {
  char url[300];
  snprintf(url, sizeof url, "%s/terms#refund", s->origin);
  return json_pack("[{s:s, s:{s:s}, s:s}]", "type", "dev.ucp.shopping.policy.return", "description", "plain", rk_text_in(s->catalog.refund_rule, en), "url", url);
}

static json_t *lines_json(const struct session *x) {
  json_t *lines = json_array();
  for (int32_t i = 0; i < x->n_lines; i++)
    json_array_append_new(lines, json_pack("{s:o, s:o, s:i, s:o}", "id", json_sprintf("li_%d", (int)i + 1), "item", item_json(x, &x->lines[i]),
                                           "quantity", (int)x->lines[i].quantity, "totals", line_totals(x, i)));
  return lines;
}

/* What carts and checkouts have in common. */
static json_t *common_json(const struct rk_shop *s, const struct caller *c, const struct session *x, const char *root) {
  char expires[32];
  rk_time_rfc3339(rk_json_i64(x->row, "expires_ms", 0), expires);
  json_t *v = json_pack("{s:o, s:s, s:s, s:o, s:o, s:O, s:o, s:s}", "ucp", ucp_envelope(s, c, root), "id", x->id, "currency", s->catalog.currency,
                        "line_items", lines_json(x), "totals", totals_json(x), "messages", x->messages, "links", links_json(s, x->en), "expires_at", expires);
  if (c->version >= UCP_2026_08_25) json_object_set_new(v, "policies", policies_json(s, x->en));
  if (json_object_get(c->active, RK_UCP_DISCOUNT)) json_object_set_new(v, "discounts", discounts_json(x));
  json_t *buyer = buyer_json(c, x);
  if (json_object_size(buyer)) json_object_set(v, "buyer", buyer);
  json_decref(buyer);
  return v;
}

json_t *view_cart(const struct rk_shop *s, const struct caller *c, const struct session *x) { return common_json(s, c, x, RK_UCP_CART); }

json_t *view_checkout(const struct rk_shop *s, const struct caller *c, const struct session *x, const char *status) {
  if (session_is_booking(x->id)) return view_booking(s, c, x, status);
  json_t *v = common_json(s, c, x, RK_UCP_CHECKOUT);
  json_object_set_new(v, "status", json_string(status));
  json_object_set_new(json_object_get(v, "ucp"), "payment_handlers", payment_handlers(s, x));
  if (json_object_get(c->active, RK_UCP_FULFILLMENT)) json_object_set_new(v, "fulfillment", fulfillment_json(s, c, x));
  if (x->arena) json_object_set_new(v, RK_UCP_TRAVEL_KEY, json_pack("{s:O}", "travelers", rk_json_arr(x->state, "travelers")));
  if (json_object_get(c->active, RK_UCP_REFUND)) json_object_set_new(v, RK_UCP_REFUND, refund_preview(s, x));
  if (x->change) json_object_set_new(v, RK_UCP_CHANGE, change_view(s, x));
  if (strcmp(status, "requires_escalation") == 0 || (strcmp(status, "ready_for_complete") == 0 && payment_on_a_page(s, x))) {
    char url[RK_MAX_CONTINUE_URL];
    payment_continue_url(s, x->id, url);
    json_object_set_new(v, "continue_url", json_string(url));
  }
  return v;
}

json_t *view_order(const struct rk_shop *s, const struct caller *c, const struct session *x, const char *id, const char *url) {
  json_t *lines = json_array(), *expected = json_array(), *destination = rk_json_obj(x->state, "address");
  char date[11];
  session_promise(s, x, x->delivery, date);
  for (int32_t i = 0; i < x->n_lines; i++) {
    const struct line *l = &x->lines[i];
    json_array_append_new(lines, json_pack("{s:o, s:o, s:{s:i, s:i, s:i}, s:o, s:s}", "id", json_sprintf("li_%d", (int)i + 1), "item", item_json(x, l),
                                           "quantity", "original", (int)l->quantity, "total", (int)l->quantity, "fulfilled", 0, "totals",
                                           line_totals(x, i), "status", "processing"));
    json_array_append_new(expected, json_pack("{s:o, s:i}", "id", json_sprintf("li_%d", (int)i + 1), "quantity", (int)l->quantity));
  }
  json_t *expectation = json_pack("{s:s, s:o, s:s, s:O, s:s, s:s}", "id", "exp_1", "line_items", expected, "method_type", "shipping", "destination",
                                  destination, "description", rk_text_in(x->delivery->title, x->en), "fulfillable_on", date);
  json_t *v = json_pack("{s:o, s:s, s:s, s:s, s:s, s:o, s:{s:[o], s:[]}, s:[], s:s, s:o}", "ucp", ucp_envelope(s, c, RK_UCP_ORDER), "id", id, "label", id,
                        "checkout_id", x->id, "permalink_url", url, "line_items", lines, "fulfillment", "expectations", expectation, "events",
                        "adjustments", "currency", s->catalog.currency, "totals", totals_json(x));
  if (c->version >= UCP_2026_08_25) json_object_set_new(v, "policies", policies_json(s, x->en));
  return v;
}

/* The order as `rukou shop orders` prints it: with what the catalogue knows about each line. */
json_t *view_report(const struct rk_shop *s, const struct session *x, const json_t *instrument, const char *kind) {
  json_t *lines = json_array(), *codes = json_array();
  char date[11];
  session_promise(s, x, x->delivery, date);
  for (int32_t i = 0; i < x->n_lines; i++) {
    const struct rk_product *p = x->lines[i].item->product;
    json_array_append_new(lines, json_pack("{s:s, s:s, s:s, s:s, s:{s:s, s:s}, s:o, s:o, s:i, s:I, s:f, s:i}", "item_id", x->lines[i].item->id, "product_id", p->id,
                                           "category", p->category->id, "title", rk_text_in(p->title, x->en), "titles", "zh", p->title.zh, "en", p->title.en,
                                           "attributes", rk_product_facts(p), "options", line_options(&x->lines[i]), "quantity",
                                           (int)x->lines[i].quantity, "unit_minor", (json_int_t)x->lines[i].item->price_minor,
                                           "rating", p->rating_tenths / 10.0, "n_reviews", (int)p->n_reviews));
  }
  for (int32_t i = 0; i < x->n_discounts; i++)
    if (rk_coupon_has_code(x->discounts[i].rule)) json_array_append_new(codes, json_string(x->discounts[i].rule->code));
  json_t *v = json_pack("{s:s, s:s, s:o, s:o, s:o, s:{s:s, s:s}, s:O, s:{s:s, s:s, s:I, s:s}}", "shop", s->catalog.name, "status", "placed", "lines", lines, "totals", totals_json(x),
                   "discounts", codes, "instrument", "id", rk_json_cstr(instrument, "id", ""), "kind", kind, "address", rk_json_obj(x->state, "address"),
                   "delivery", "id", x->delivery->id, "title", rk_text_in(x->delivery->title, x->en), "fee_minor", (json_int_t)x->fee, "date", date);
  if (x->arena) json_object_set(v, "travelers", rk_json_arr(x->state, "travelers"));
  return v;
}

