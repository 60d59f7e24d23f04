#include "trade/ucp.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "trade/foreign.h"
#include "trade/payment_token.h"

enum { MAX_ATTRS = 32, MAX_DELIVERIES = 16 };

/* ---- writing ---- */

static json_t *travelers_json(const struct rk_checkout_req *q) {
  json_t *list = json_array();
  for (int32_t i = 0; i < q->n_travelers; i++)
    json_array_append_new(list, json_pack("{s:s, s:s}", "name", q->travelers[i].name, "kind", q->travelers[i].child ? "child" : "adult"));
  return json_pack("{s:o}", "travelers", list);
}

static json_t *change_json(const struct rk_change *c) {
  json_t *v = json_pack("{s:s}", "order_id", c->order_id), *list = json_array();
  for (int32_t i = 0; i < c->n_lines; i++) json_array_append_new(list, json_pack("{s:s, s:i}", "id", c->lines[i].line_id, "quantity", (int)c->lines[i].quantity));
  if (c->n_lines) json_object_set(v, "line_items", list);
  json_decref(list);
  return v;
}

json_t *rk_ucp_write_checkout(const struct rk_checkout_req *q) {
  json_t *lines = json_array(), *codes = json_array(), *destination = json_object(), *method, *body;
  for (int32_t i = 0; i < q->n_lines; i++)
    json_array_append_new(lines, json_pack("{s:{s:s}, s:i}", "item", "id", q->lines[i].item_id, "quantity", q->lines[i].quantity));
  for (int32_t i = 0; i < q->n_codes; i++) json_array_append_new(codes, json_string(q->codes[i]));
  rk_foreign_set(destination, "first_name", q->address.name); /* whole name: where a family name begins is not ours to guess */
  rk_foreign_set(destination, "phone_number", q->address.phone);
  rk_foreign_set(destination, "street_address", q->address.street);
  rk_foreign_set(destination, "address_locality", q->address.city);
  method = json_pack("{s:s}", "type", "shipping");
  if (json_object_size(destination)) json_object_set_new(method, "destinations", json_pack("[O]", destination));
  if (q->delivery_id) json_object_set_new(method, "groups", json_pack("[{s:s}]", "selected_option_id", q->delivery_id));
  json_decref(destination);
  body = json_pack("{s:o, s:{s:[o]}, s:{s:o}}", "line_items", lines, "fulfillment", "methods", method, "discounts", "codes", codes);
  if (q->n_travelers) json_object_set_new(body, RK_UCP_TRAVEL_KEY, travelers_json(q));
  if (q->change) json_object_set_new(body, RK_UCP_CHANGE, change_json(q->change));
  if (q->lang) json_object_set_new(body, "context", json_pack("{s:s}", "language", q->lang));
  return body;
}

/* ---- reading ---- */

void rk_ucp_error_text(const json_t *answer, char *out, size_t size) {
  size_t i;
  json_t *m;
  rk_str text = rk_json_str(answer, "content");
  json_array_foreach(rk_json_arr(answer, "messages"), i, m)
    if (rk_str_eq(rk_json_str(m, "type"), RK_STR("error")) && text.n == 0) text = rk_json_str(m, "content");
  if (text.n >= size) text.n = size - 1;
  while (text.n && ((unsigned char)text.p[text.n - 1] & 0xc0) == 0x80 && text.n == size - 1) text.n--;
  if (text.n) memcpy(out, text.p, text.n);
  out[text.n] = 0;
  for (char *p = out; *p; p++)
    if ((unsigned char)*p < 0x20) *p = ' ';
}

static bool status_of(rk_str s, enum rk_checkout_status *out) {
  static const char *const names[] = {[RK_CO_INCOMPLETE] = "incomplete", [RK_CO_ESCALATION] = "requires_escalation",
    [RK_CO_READY] = "ready_for_complete", [RK_CO_IN_PROGRESS] = "complete_in_progress", [RK_CO_COMPLETED] = "completed", [RK_CO_CANCELED] = "canceled"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (rk_str_eq_c(s, names[i])) {
      *out = (enum rk_checkout_status)i;
      return true;
    }
  return false;
}

static void read_line_options(struct rk_foreign *r, const json_t *item, struct rk_line *line) {
  json_t *options = rk_json_obj(rk_json_obj(item, RK_UCP_OFFER_KEY), "options"), *v;
  const char *name;
  size_t n = json_object_size(options);
  struct rk_option *out = rk_foreign_array(r, n < MAX_ATTRS ? n : MAX_ATTRS, sizeof *out);
  json_object_foreach(options, name, v)
    if (out && line->n_options < MAX_ATTRS && rk_foreign_scalar(r, v, &out[line->n_options].value)) out[line->n_options++].name = rk_foreign_text(r, rk_str_c(name));
  line->options = out;
}

/* Lines and the sum of price x quantity. */
static rk_err read_lines(struct rk_foreign *r, const json_t *list, struct rk_checkout *out, int64_t *sum, struct rk_error *e) {
  size_t n = json_array_size(list), i;
  json_t *v;
  if (n == 0 || n > RK_MAX_LINE_ITEMS) return rk_fail(e, RK_EFORMAT, "a checkout has 1 to %d lines, this one %zu", RK_MAX_LINE_ITEMS, n);
  struct rk_line *lines = rk_foreign_array(r, n, sizeof *lines);
  if (!lines) return rk_fail(e, RK_ETOOBIG, "the checkout is too large");
  *sum = 0;
  json_array_foreach(list, i, v) {
    const json_t *item = rk_json_obj(v, "item");
    int64_t price = rk_json_i64(item, "price", -1), quantity = rk_json_i64(v, "quantity", -1);
    if (rk_json_str(item, "id").n == 0 || rk_json_str(item, "title").n == 0)
      return rk_fail(e, RK_EFORMAT, "line_items[%zu].item: `id` or `title` is missing", i);
    if (!rk_foreign_amount_ok(price)) return rk_fail(e, RK_EFORMAT, "line_items[%zu].item.price is no integer in range", i);
    if (quantity < 1 || quantity > RK_MAX_QUANTITY) return rk_fail(e, RK_EFORMAT, "line_items[%zu].quantity is not 1 to %d", i, RK_MAX_QUANTITY);
    *sum += price * quantity;
    if (!rk_foreign_amount_ok(*sum)) return rk_fail(e, RK_EFORMAT, "the checkout's lines are worth too much");
    lines[i] = (struct rk_line){.item_id = rk_foreign_field(r, item, "id"), .title = rk_foreign_field(r, item, "title"), .quantity = (int32_t)quantity, .unit_minor = price};
    read_line_options(r, item, &lines[i]);
  }
  out->lines = lines;
  out->n_lines = (int32_t)n;
  return RK_OK;
}

static bool is_discount(rk_str type) { return rk_str_eq(type, RK_STR("discount")) || rk_str_eq(type, RK_STR("items_discount")); }

rk_err rk_ucp_check_totals(const json_t *list, struct rk_error *e) {
  size_t n = json_array_size(list), i;
  json_t *v;
  int64_t sum = 0, total = -1;
  int n_total = 0;
  if (n == 0 || n > RK_MAX_LINE_ITEMS) return rk_fail(e, RK_EFORMAT, "totals: the checkout has none, or over %d", RK_MAX_LINE_ITEMS);
  json_array_foreach(list, i, v) {
    rk_str type = rk_json_str(v, "type");
    int64_t amount = rk_json_i64(v, "amount", INT64_MIN);
    bool discount = is_discount(type);
    if (type.n == 0) return rk_fail(e, RK_EFORMAT, "totals[%zu].type is missing", i);
    if (amount < -(int64_t)RK_MAX_TOTAL_MINOR || !rk_foreign_amount_ok(discount ? -amount : amount) || (discount && amount == 0))
      return rk_fail(e, RK_EFORMAT, "totals[%zu].amount (%.*s) is no integer in range", i, (int)(type.n < 40 ? type.n : 40), type.p);
    if (rk_str_eq(type, RK_STR("total"))) total = amount, n_total++;
    else sum += amount;
  }
  if (n_total != 1) return rk_fail(e, RK_EFORMAT, "totals: one entry of type total is wanted, there are %d", n_total);
  if (sum != total) return rk_fail(e, RK_EFORMAT, "totals do not add up: %lld is not %lld", (long long)sum, (long long)total);
  return RK_OK;
}

/* One subtotal that is the sum of the lines, one total that is the sum of the rest. */
static rk_err read_totals(struct rk_foreign *r, const json_t *list, int64_t lines_sum, struct rk_checkout *out, struct rk_error *e) {
  size_t n = json_array_size(list), i;
  json_t *v;
  int64_t subtotal = -1;
  int n_subtotal = 0;
  rk_err err = rk_ucp_check_totals(list, e);
  if (err) return err;
  struct rk_total *totals = rk_foreign_array(r, n, sizeof *totals);
  if (!totals) return rk_fail(e, RK_ETOOBIG, "the checkout is too large");
  json_array_foreach(list, i, v) {
    rk_str type = rk_json_str(v, "type");
    int64_t amount = rk_json_i64(v, "amount", 0);
    if (rk_str_eq(type, RK_STR("subtotal"))) subtotal = amount, n_subtotal++;
    totals[i] = (struct rk_total){.type = rk_foreign_text(r, type), .text = rk_foreign_field(r, v, "display_text"), .minor = amount};
  }
  if (n_subtotal != 1) return rk_fail(e, RK_EFORMAT, "totals: one entry of type subtotal is wanted, there are %d", n_subtotal);
  if (subtotal != lines_sum) return rk_fail(e, RK_EFORMAT, "totals: the subtotal %lld is not the sum of the lines %lld", (long long)subtotal, (long long)lines_sum);
  out->totals = totals;
  out->n_totals = (int32_t)n;
  return RK_OK;
}

static void read_messages(struct rk_foreign *r, const json_t *list, struct rk_checkout *out) {
  size_t n = json_array_size(list), i;
  json_t *v;
  const char **texts = rk_foreign_array(r, n < RK_MAX_UCP_MESSAGES ? n : RK_MAX_UCP_MESSAGES, sizeof *texts);
  json_array_foreach(list, i, v)
    if (texts && out->n_messages < RK_MAX_UCP_MESSAGES && !rk_str_eq(rk_json_str(v, "type"), RK_STR("info"))) texts[out->n_messages++] = rk_foreign_field(r, v, "content");
  out->messages = texts;
}

static void read_discounts(struct rk_foreign *r, const json_t *discounts, struct rk_checkout *out) {
  json_t *list = rk_json_arr(discounts, "applied"), *v;
  size_t n = json_array_size(list), i;
  const char **codes = rk_foreign_array(r, n < RK_MAX_DISCOUNT_CODES ? n : RK_MAX_DISCOUNT_CODES, sizeof *codes);
  json_array_foreach(list, i, v)
    if (codes && out->n_codes < RK_MAX_DISCOUNT_CODES && rk_json_str(v, "code").n) codes[out->n_codes++] = rk_foreign_field(r, v, "code");
  out->codes = codes;
}

static int64_t total_of(const json_t *totals) {
  size_t i;
  json_t *v;
  json_array_foreach(totals, i, v)
    if (rk_str_eq(rk_json_str(v, "type"), RK_STR("total"))) return rk_json_i64(v, "amount", -1);
  return -1;
}

/* The first method and its first group: rukou asks for one parcel to one address. */
static void read_fulfilment(struct rk_foreign *r, const json_t *fulfillment, struct rk_checkout *out) {
  const json_t *method = json_array_get(rk_json_arr(fulfillment, "methods"), 0), *group = json_array_get(rk_json_arr(method, "groups"), 0);
  rk_str chosen = rk_json_str(group, "selected_option_id"), destination = rk_json_str(method, "selected_destination_id");
  json_t *list = rk_json_arr(group, "options"), *v;
  size_t n = json_array_size(list), i;
  struct rk_delivery *options = rk_foreign_array(r, n < MAX_DELIVERIES ? n : MAX_DELIVERIES, sizeof *options);
  json_array_foreach(list, i, v) {
    int64_t fee = total_of(rk_json_arr(v, "totals"));
    rk_str date = rk_json_str(v, "latest_fulfillment_time");
    if (!options || out->n_deliveries == MAX_DELIVERIES || !rk_foreign_amount_ok(fee) || rk_json_str(v, "id").n == 0) continue;
    struct rk_delivery *d = &options[out->n_deliveries++];
    *d = (struct rk_delivery){.id = rk_foreign_field(r, v, "id"), .title = rk_foreign_field(r, v, "title"), .fee = {.minor = fee}};
    memcpy(d->fee.currency, out->currency, 4);
    if (date.n >= 10) memcpy(d->date, date.p, 10);
    if (rk_str_eq_c(chosen, d->id)) out->delivery = d;
  }
  out->deliveries = options;
  json_array_foreach(rk_json_arr(method, "destinations"), i, v)
    if (destination.n == 0 || rk_str_eq(destination, rk_json_str(v, "id"))) {
      out->address = (struct rk_address){.name = rk_foreign_field(r, v, "first_name"), .phone = rk_foreign_field(r, v, "phone_number"),
                                         .street = rk_foreign_field(r, v, "street_address"), .city = rk_foreign_field(r, v, "address_locality")};
      break;
    }
}

static void read_travelers(struct rk_foreign *r, const json_t *list, struct rk_checkout *out) {
  size_t n = json_array_size(list) < RK_MAX_TRAVELERS ? json_array_size(list) : RK_MAX_TRAVELERS;
  struct rk_traveler *people = rk_foreign_array(r, n, sizeof *people);
  for (size_t i = 0; people && i < n; i++) {
    const json_t *v = json_array_get(list, i);
    people[out->n_travelers++] = (struct rk_traveler){rk_foreign_field(r, v, "name"), rk_str_eq(rk_json_str(v, "kind"), RK_STR("child"))};
  }
  out->travelers = people;
}

/* What is exchanged: its lines sum up, and old and new, fee and what comes back are the total. */
static rk_err read_change(struct rk_foreign *r, const json_t *change, int64_t lines_sum, struct rk_checkout *out, struct rk_error *e) {
  json_t *list = rk_json_arr(change, "line_items"), *v;
  size_t n = json_array_size(list), i;
  int64_t sum = 0, total = 0;
  if (!change) return RK_OK;
  struct rk_change *c = rk_foreign_array(r, 1, sizeof *c);
  struct rk_change_line *lines = rk_foreign_array(r, n, sizeof *lines);
  if (n > RK_MAX_LINE_ITEMS || rk_json_str(change, "order_id").n == 0) return rk_fail(e, RK_EFORMAT, "change: no order, or over %d lines", RK_MAX_LINE_ITEMS);
  if (!c || (n && !lines)) return rk_fail(e, RK_ETOOBIG, "the checkout is too large");
  *c = (struct rk_change){.order_id = rk_foreign_field(r, change, "order_id"), .policy = rk_foreign_field(r, change, "policy"), .lines = lines, .n_lines = (int32_t)n,
                          .old_minor = rk_json_i64(change, "worth", -1), .fee_minor = rk_json_i64(change, "fee", -1), .back_minor = rk_json_i64(change, "back", -1)};
  json_array_foreach(list, i, v) {
    int64_t quantity = rk_json_i64(v, "quantity", 0), amount = rk_json_i64(v, "amount", -1);
    if (quantity < 1 || quantity > RK_MAX_QUANTITY || !rk_foreign_amount_ok(amount)) return rk_fail(e, RK_EFORMAT, "change.line_items[%zu]: quantity or amount is out of range", i);
    lines[i] = (struct rk_change_line){rk_foreign_field(r, v, "id"), rk_foreign_field(r, v, "item_id"), rk_foreign_field(r, v, "title"), (int32_t)quantity, amount};
    sum += amount;
  }
  for (int32_t k = 0; k < out->n_totals; k++)
    if (strcmp(out->totals[k].type, "total") == 0) total = out->totals[k].minor;
  bool ok = rk_foreign_amount_ok(c->old_minor) && rk_foreign_amount_ok(c->fee_minor) && rk_foreign_amount_ok(c->back_minor) && sum == c->old_minor &&
            total - c->back_minor == lines_sum + c->fee_minor - c->old_minor && (c->back_minor == 0 || total == 0);
  out->change = c;
  return ok ? RK_OK : rk_fail(e, RK_EFORMAT, "change: old and new, fee and difference do not add up");
}

static const char *refund_rule(struct rk_foreign *r, const json_t *links) {
  size_t i;
  json_t *v;
  json_array_foreach(links, i, v)
    if (rk_str_eq(rk_json_str(v, "type"), RK_STR("refund_policy"))) return rk_foreign_field(r, v, "title");
  return "";
}

/* A page that the user can be sent to: https, or at the merchant's own origin (the sandbox). */
static const char *page_of(struct rk_foreign *r, const json_t *answer, const struct rk_ucp_merchant *m) {
  rk_str url = rk_json_str(answer, "continue_url"), origin = rk_str_c(m->origin);
  bool own = rk_str_starts(url, origin) && (url.n == origin.n || url.p[origin.n] == '/');
  for (size_t i = 0; i < url.n; i++)
    if (url.p[i] <= ' ' || url.p[i] == '"' || url.p[i] == '<' || url.p[i] == '>') return NULL;
  return own || rk_str_starts(url, RK_STR("https://")) ? rk_foreign_text(r, url) : NULL;
}

/* What a checkout lists is all that it takes; without a list the profile's holds. */
static bool takes_sandbox(const json_t *ucp, const struct rk_ucp_merchant *m) {
  const json_t *handlers = rk_json_obj(ucp, "payment_handlers");
  return handlers ? json_object_get(handlers, RK_PAYMENT_HANDLER) != NULL : m->sandbox;
}

/* What comes back of the order right after it is placed, as the merchant says now; its quote then decides. */
static void read_undo(const json_t *undo, const struct rk_ucp_merchant *m, struct rk_checkout *out) {
  int64_t fee = rk_json_i64(undo, "fee", -1), back = rk_json_i64(undo, "back", -1);
  bool known = fee >= 0 && back >= 0 && fee <= (int64_t)RK_MAX_TOTAL_MINOR;
  out->takes_back = m->has_refund && !(known && back == 0);
  out->undo_fee_minor = known ? fee : -1;
}

/* It hangs on the total, so only the checkout itself can say it. */
static bool takes_on_delivery(const json_t *ucp) { return json_object_get(rk_json_obj(ucp, "payment_handlers"), RK_UCP_ON_DELIVERY) != NULL; }

rk_err rk_ucp_read_checkout(const json_t *answer, const struct rk_ucp_merchant *m, struct rk_arena *a, struct rk_checkout *out,
                            struct rk_error *e) {
  struct rk_foreign r = {.arena = a};
  const json_t *ucp = rk_json_obj(answer, "ucp"), *order = rk_json_obj(answer, "order");
  *out = (struct rk_checkout){.sandbox = takes_sandbox(ucp, m), .on_delivery = takes_on_delivery(ucp)};
  if (!ucp || rk_str_eq(rk_json_str(ucp, "status"), RK_STR("error"))) {
    char text[300];
    rk_ucp_error_text(answer, text, sizeof text);
    if (text[0]) return rk_fail(e, RK_EUPSTREAM, "%s: %s", m->name, text);
    return rk_fail(e, RK_EFORMAT, "%s: its answer is no UCP checkout", m->name);
  }
  rk_str id = rk_json_str(answer, "id"), currency = rk_json_str(answer, "currency"), expires = rk_json_str(answer, "expires_at");
  if (id.n == 0 || id.n > 127) return rk_fail(e, RK_EFORMAT, "%s: `id` of its checkout is missing or over 127 bytes", m->name);
  if (!rk_foreign_currency_ok(currency)) return rk_fail(e, RK_EFORMAT, "%s: `currency` of its checkout is no code of three capitals", m->name);
  if (!status_of(rk_json_str(answer, "status"), &out->status))
    return rk_fail(e, RK_EFORMAT, "%s: `status` of its checkout is none that we know: %.40s", m->name, rk_json_cstr(answer, "status", "(none)"));
  memcpy(out->currency, currency.p, 3);
  int64_t sum = 0;
  struct rk_error why = {0};
  rk_err err = read_lines(&r, rk_json_arr(answer, "line_items"), out, &sum, &why);
  if (!err) err = read_totals(&r, rk_json_arr(answer, "totals"), sum, out, &why);
  if (!err) err = read_change(&r, rk_json_obj(answer, RK_UCP_CHANGE), sum, out, &why);
  if (err) return rk_fail(e, err, "%s: %s", m->name, why.msg);
  if (expires.n && !rk_time_parse(expires, &out->expires_ms, NULL)) return rk_fail(e, RK_EFORMAT, "%s: the checkout's expires_at is no time", m->name);
  if (out->status == RK_CO_COMPLETED && rk_json_str(order, "id").n == 0)
    return rk_fail(e, RK_EFORMAT, "%s: the checkout is completed and names no order", m->name);
  out->id = rk_foreign_text(&r, id);
  out->origin = rk_foreign_text(&r, rk_str_c(m->origin));
  out->merchant_name = rk_foreign_text(&r, rk_str_c(m->name));
  out->merchant_name_en = m->name_en[0] ? rk_foreign_text(&r, rk_str_c(m->name_en)) : NULL;
  out->key_thumbprint = rk_foreign_text(&r, rk_str_c(m->key_thumbprint));
  if (rk_json_str(order, "id").n) {
    out->order_id = rk_foreign_field(&r, order, "id");
    out->order_url = rk_foreign_field(&r, order, "permalink_url");
  }
  read_messages(&r, rk_json_arr(answer, "messages"), out);
  read_discounts(&r, rk_json_obj(answer, "discounts"), out);
  read_fulfilment(&r, rk_json_obj(answer, "fulfillment"), out);
  read_travelers(&r, rk_json_arr(rk_json_obj(answer, RK_UCP_TRAVEL_KEY), "travelers"), out);
  read_undo(rk_json_obj(answer, RK_UCP_REFUND), m, out);
  out->refund_rule = refund_rule(&r, rk_json_arr(answer, "links"));
  out->continue_url = page_of(&r, answer, m);
  return r.full ? rk_fail(e, RK_ETOOBIG, "%s: the checkout is too large", m->name) : RK_OK;
}

static bool has_error(const json_t *answer) {
  size_t i;
  json_t *v;
  json_array_foreach(rk_json_arr(answer, "messages"), i, v)
    if (rk_str_eq(rk_json_str(v, "type"), RK_STR("error"))) return true;
  return false;
}

/* 408 and 409 may mean that the first attempt is still running; 425 and 429 that it was not looked at. */
static bool clear_refusal(int32_t http_status) {
  return http_status >= 400 && http_status < 500 && http_status != 408 && http_status != 409 && http_status != 425 && http_status != 429;
}

enum rk_outcome rk_ucp_read_completion(int32_t http_status, const json_t *answer, const char *checkout_id,
                                       const struct rk_ucp_merchant *m, struct rk_arena *a, struct rk_checkout *out, struct rk_error *e) {
  char text[300];
  *out = (struct rk_checkout){0};
  rk_ucp_error_text(answer, text, sizeof text);
  if (clear_refusal(http_status) && json_is_object(answer)) {
    rk_fail(e, RK_EPAYMENT, "%s refused (HTTP %d): %s", m->name, http_status, text);
    return RK_OUTCOME_REFUSED;
  }
  if (http_status < 200 || http_status > 299 || !json_is_object(answer)) {
    rk_fail(e, RK_EUNAVAIL, "%s gave no clear answer (HTTP %d): whether the order stands is not known yet", m->name, http_status);
    return RK_OUTCOME_UNKNOWN;
  }
  if (rk_str_eq(rk_json_str(rk_json_obj(answer, "ucp"), "status"), RK_STR("error")) && has_error(answer)) {
    rk_fail(e, RK_EPAYMENT, "%s refused: %s", m->name, text);
    return RK_OUTCOME_REFUSED;
  }
  struct rk_error why = {0};
  rk_err err = rk_ucp_read_checkout(answer, m, a, out, &why);
  if (err || strcmp(out->id, checkout_id) != 0) {
    rk_fail(e, RK_EUNAVAIL, "%s; whether the order stands is not known yet", err ? why.msg : "the merchant answered with another checkout");
    return RK_OUTCOME_UNKNOWN;
  }
  if (out->status == RK_CO_COMPLETED) return RK_OUTCOME_DONE;
  if (out->status == RK_CO_ESCALATION && out->continue_url) {
    rk_fail(e, RK_EUNAVAIL, "%s wants you to go on at its page: %s", m->name, out->continue_url);
    return RK_OUTCOME_UNKNOWN;
  }
  if (out->status == RK_CO_CANCELED || (out->status != RK_CO_IN_PROGRESS && has_error(answer))) {
    rk_fail(e, RK_EPAYMENT, "%s refused: %s", m->name, text[0] ? text : "the checkout was cancelled");
    return RK_OUTCOME_REFUSED;
  }
  rk_fail(e, RK_EUNAVAIL, "%s has not finished the order yet", m->name);
  return RK_OUTCOME_UNKNOWN;
}

/* ---- refunds ---- */

json_t *rk_ucp_write_refund(const char *order_id, const struct rk_refund_line *lines, int32_t n_lines, const char *lang) {
  json_t *body = json_pack("{s:s}", "order_id", order_id), *list = json_array();
  for (int32_t i = 0; i < n_lines; i++) json_array_append_new(list, json_pack("{s:s, s:i}", "id", lines[i].line_id, "quantity", (int)lines[i].quantity));
  if (n_lines) json_object_set(body, "line_items", list);
  json_decref(list);
  if (lang) json_object_set_new(body, "context", json_pack("{s:s}", "language", lang));
  return body;
}

static bool read_refund_totals(const json_t *totals, struct rk_refund *out) {
  int64_t subtotal = -1, total = -1;
  size_t i;
  json_t *v;
  json_array_foreach(totals, i, v) {
    int64_t amount = rk_json_i64(v, "amount", INT64_MIN);
    rk_str type = rk_json_str(v, "type");
    if (amount < -(int64_t)RK_MAX_TOTAL_MINOR) return false;
    if (rk_str_eq_c(type, "subtotal")) subtotal = amount;
    else if (rk_str_eq_c(type, "total")) total = amount;
    else if (rk_str_eq_c(type, "fee")) out->fee_minor = -amount;
    else return false;
  }
  out->back_minor = total;
  return rk_foreign_amount_ok(subtotal) && rk_foreign_amount_ok(total) && rk_foreign_amount_ok(out->fee_minor) && subtotal - out->fee_minor == total;
}

static void read_refund_lines(struct rk_foreign *r, const json_t *list, struct rk_refund *out) {
  size_t n = json_array_size(list) < RK_MAX_LINE_ITEMS ? json_array_size(list) : RK_MAX_LINE_ITEMS;
  struct rk_refund_line *lines = rk_foreign_array(r, n, sizeof *lines);
  for (size_t i = 0; lines && i < n; i++) {
    const json_t *v = json_array_get(list, i);
    int64_t quantity = rk_json_i64(v, "quantity", 0);
    if (quantity < 1 || quantity > RK_MAX_QUANTITY) continue;
    lines[out->n_lines++] = (struct rk_refund_line){rk_foreign_field(r, v, "id"), rk_foreign_field(r, v, "title"), (int32_t)quantity};
  }
  out->lines = lines;
}

rk_err rk_ucp_read_refund(const json_t *answer, const struct rk_ucp_merchant *m, struct rk_arena *a, struct rk_refund *out, struct rk_error *e) {
  struct rk_foreign r = {.arena = a};
  rk_str currency = rk_json_str(answer, "currency"), status = rk_json_str(answer, "status"), expires = rk_json_str(answer, "expires_at");
  *out = (struct rk_refund){.completed = rk_str_eq(status, RK_STR("completed"))};
  if (rk_str_eq(rk_json_str(rk_json_obj(answer, "ucp"), "status"), RK_STR("error"))) {
    char why[300];
    rk_ucp_error_text(answer, why, sizeof why);
    return rk_fail(e, RK_ECONFLICT, "%s", why[0] ? why : "the merchant gives nothing back");
  }
  if (rk_json_str(answer, "id").n == 0 || rk_json_str(answer, "order_id").n == 0 || !rk_foreign_currency_ok(currency) ||
      (!out->completed && !rk_str_eq(status, RK_STR("quoted"))) || !rk_time_parse(expires, &out->expires_ms, NULL))
    return rk_fail(e, RK_EFORMAT, "%s: its refund lacks id, order, currency, a known status or expires_at", m->name);
  if (!read_refund_totals(rk_json_arr(answer, "totals"), out)) return rk_fail(e, RK_EFORMAT, "%s: the totals of its refund do not add up", m->name);
  memcpy(out->currency, currency.p, 3);
  out->id = rk_foreign_field(&r, answer, "id");
  out->order_id = rk_foreign_field(&r, answer, "order_id");
  out->policy = rk_foreign_field(&r, answer, "policy");
  out->origin = rk_foreign_text(&r, rk_str_c(m->origin));
  out->merchant_name = rk_foreign_text(&r, rk_str_c(m->name));
  read_refund_lines(&r, rk_json_arr(answer, "line_items"), out);
  return r.full ? rk_fail(e, RK_ETOOBIG, "%s: the refund is too large", m->name) : RK_OK;
}
