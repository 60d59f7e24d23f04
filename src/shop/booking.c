/* booking.c - booking sessions of the lodging draft: a hotel's checkout in other words.
 *
 * A request is read into the state of a checkout (lines, travelers, address)
 * and `booking` beside it, what only the draft has: {property, stays, guests,
 * booker, travel_purpose}. Stock, holds, payment, idempotency and the order are
 * those of checkout.c and order.c; view_booking() writes what view_checkout()
 * would. Source: docs/specification/lodging and source/schemas/lodging of the
 * UCP repository, read 2026-09-25. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "shop/session.h"
#include "trade/ucp.h"

enum { MAX_GUESTS = 36, ITEM_BYTES = RK_TRAVEL_ID_BYTES + 40, FULL_BPS = 10000 };

bool session_is_booking(const char *id) { return strncmp(id, BOOKING_ID, strlen(BOOKING_ID)) == 0; }

/* ---- reading ---- */

struct reading {
  struct rk_shop *s;
  const json_t *body;
  json_t *booking;                /* what is kept */
  struct rk_shop_answer *out;
};

/* The room and rate that a stay names, or the id that a search or a session gave it (ITEM, a session's second of it ITEM_2). */
static bool stay_item(const json_t *property, const json_t *stay, char item[ITEM_BYTES]) {
  const json_t *dates = rk_json_obj(stay, "stay_dates");
  rk_str room = rk_json_str(rk_json_obj(stay, "accommodation_type"), "id"), plan = rk_json_str(rk_json_obj(stay, "rate_plan"), "id");
  rk_str hotel = rk_json_str(property, "id"), start = rk_json_str(dates, "start_date"), end = rk_json_str(dates, "end_date"), id = rk_json_str(stay, "id"), rest;
  int n;
  if (room.n && plan.n)
    n = snprintf(item, ITEM_BYTES, "%.*s.%.*s.%.*s.%.*s-%.*s.room", RK_STR_ARG(hotel), RK_STR_ARG(start), RK_STR_ARG(end), RK_STR_ARG(room), RK_STR_ARG(plan));
  else {
    rk_str_cut(id, '_', &id, &rest);
    n = snprintf(item, ITEM_BYTES, "%.*s", RK_STR_ARG(id));
  }
  return n > 0 && n < ITEM_BYTES;
}

static bool is_of_property(const struct rk_service *v, const json_t *property, const json_t *stay) {
  const json_t *dates = rk_json_obj(stay, "stay_dates");
  rk_str hotel, rest;
  rk_str_cut(rk_str_c(v->id), '.', &hotel, &rest);
  return rk_str_eq(hotel, rk_json_str(property, "id")) && rk_str_eq_c(rk_json_str(dates, "start_date"), v->date) &&
         rk_str_eq_c(rk_json_str(dates, "end_date"), v->end_date);
}

/* Counts that agree with each other; none is told: NULL. *ok false: they do not. */
static json_t *read_occupancy(const json_t *given, bool *ok) {
  int64_t adults = rk_json_i64(given, "adults", 0), children = rk_json_i64(given, "children", 0), total = rk_json_i64(given, "total", -1);
  bool parts = json_object_get(given, "adults") || json_object_get(given, "children");
  json_t *ages = rk_json_arr(given, "child_ages"), *v;
  size_t i;
  *ok = !given || (adults >= 0 && children >= 0 && total >= 1 && total <= MAX_GUESTS && (!parts || adults + children == total) &&
                   (!ages || (int64_t)json_array_size(ages) == children));
  json_array_foreach(ages, i, v)
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > 17) *ok = false;
  return given && *ok ? json_incref((json_t *)(uintptr_t)given) : NULL;
}

static bool knows_guest(const json_t *guests, rk_str id) {
  size_t i;
  json_t *g;
  json_array_foreach(guests, i, g)
    if (id.n && rk_str_eq(rk_json_str(g, "id"), id)) return true;
  return false;
}

/* NULL: answered. */
static json_t *read_assignments(struct reading *r, const json_t *stay, size_t at) {
  static const char *const keys[] = {"guest_id", "role"};
  json_t *list = rk_json_arr(stay, "guest_assignments"), *kept = json_array(), *v;
  size_t i;
  json_array_foreach(list, i, v) {
    json_t *one = json_object();
    bool ok = i < MAX_GUESTS && session_copy(one, v, keys, 2) && knows_guest(rk_json_arr(r->booking, "guests"), rk_json_str(v, "guest_id"));
    json_array_append_new(kept, one);
    if (ok) continue;
    answer_error(r->out, 400, "invalid_request", "stays[%zu].guest_assignments[%zu].guest_id names none of guests", at, i);
    json_decref(kept);
    return NULL;
  }
  return kept;
}

static bool read_stay(struct reading *r, const json_t *stay, size_t at) {
  char item[ITEM_BYTES];
  struct rk_travel_item t;
  bool counted;
  const json_t *property = rk_json_obj(r->body, "property");
  if (!stay_item(property, stay, item)) {
    answer_error(r->out, 400, "invalid_request", "stays[%zu] names a room and a rate (accommodation_type.id, rate_plan.id), or the id of both", at);
    return false;
  }
  if (!rk_travel_find_item(r->s->catalog.travel, rk_str_c(item), &t)) {
    r->out->status = 200;
    r->out->body = ucp_refusal("item_unavailable", "unrecoverable", "no such room and rate is let here");
    return false;
  }
  if (!is_of_property(&t.service, property, stay)) {
    answer_error(r->out, 400, "invalid_request", "stays[%zu]: property.id and stay_dates are not those of its id", at);
    return false;
  }
  json_t *occupancy = read_occupancy(rk_json_obj(stay, "occupancy"), &counted), *assignments = counted ? read_assignments(r, stay, at) : NULL;
  if (!counted) answer_error(r->out, 400, "invalid_request", "stays[%zu].occupancy: total is adults and children together, child_ages one for each child", at);
  if (assignments)
    json_array_append_new(rk_json_arr(r->booking, "stays"), json_pack("{s:s, s:O, s:O*}", "item", item, "guest_assignments", assignments, "occupancy", occupancy));
  json_decref(assignments);
  json_decref(occupancy);
  return counted && assignments;
}

static bool read_stays(struct reading *r) {
  json_t *list = rk_json_arr(r->body, "stays"), *v;
  size_t i;
  if (json_array_size(list) == 0 || json_array_size(list) > RK_MAX_TRAVEL_PARTY) {
    answer_error(r->out, 400, "invalid_request", "stays holds 1 to %d rooms", RK_MAX_TRAVEL_PARTY);
    return false;
  }
  json_array_foreach(list, i, v)
    if (!read_stay(r, v, i)) return false;
  return true;
}

/* Everything that is said of people, as it was said: identifiers of guests are the platform's. */
static bool read_people(struct reading *r) {
  static const char *const guest_keys[] = {"id", "first_name", "last_name", "email", "phone_number"};
  static const char *const booker_keys[] = {"first_name", "last_name", "email", "phone_number", "birthdate", "company"};
  static const char *const address_keys[] = {"street_address", "extended_address", "address_locality", "address_region", "address_country", "postal_code"};
  json_t *list = rk_json_arr(r->body, "guests"), *booker = rk_json_obj(r->body, "booker"), *kept = json_object(), *address = json_object(), *v;
  size_t i;
  bool ok = json_array_size(list) <= MAX_GUESTS && session_copy(kept, booker, booker_keys, 6) && session_copy(address, rk_json_obj(booker, "address"), address_keys, 6);
  if (json_object_size(address)) json_object_set(kept, "address", address);
  json_decref(address);
  json_object_set_new(r->booking, "booker", kept);
  json_array_foreach(list, i, v) {
    json_t *guest = json_object();
    int64_t age = rk_json_i64(v, "age", -1);
    ok = ok && rk_json_str(v, "id").n && !knows_guest(rk_json_arr(r->booking, "guests"), rk_json_str(v, "id")) && session_copy(guest, v, guest_keys, 5);
    if (age >= 0) json_object_set_new(guest, "age", json_integer(age));
    json_array_append_new(rk_json_arr(r->booking, "guests"), guest);
  }
  rk_str purpose = rk_json_str(r->body, "travel_purpose");
  if (purpose.n && purpose.n <= 64) json_object_set_new(r->booking, "travel_purpose", json_stringn(purpose.p, purpose.n));
  if (!ok) answer_error(r->out, 400, "invalid_request", "guests: at most %d, each with an id of its own; no text over %d bytes", MAX_GUESTS, MAX_FIELD_BYTES);
  return ok;
}

/* ---- as a checkout's request ---- */

static json_t *name_of(const json_t *person) {
  char name[2 * RK_UCP_NAME_BYTES];
  rk_ucp_join_name(rk_json_str(person, "first_name"), rk_json_str(person, "last_name"), name);
  return json_string(name);
}

static json_t *lines_of(const json_t *stays) {
  json_t *lines = json_array(), *stay, *v;
  size_t i, k;
  json_array_foreach(stays, i, stay) {
    const char *item = rk_json_cstr(stay, "item", "");
    json_t *known = NULL;
    json_array_foreach(lines, k, v)
      if (rk_str_eq_c(rk_json_str(rk_json_obj(v, "item"), "id"), item)) known = v;
    if (known) json_object_set_new(known, "quantity", json_integer(rk_json_i64(known, "quantity", 0) + 1));
    else json_array_append_new(lines, json_pack("{s:{s:s}, s:i}", "item", "id", item, "quantity", 1));
  }
  return lines;
}

/* Guests who are named, else the booker. */
static json_t *travelers_of(const json_t *booking) {
  json_t *list = json_array(), *g, *booker = rk_json_obj(booking, "booker");
  size_t i;
  json_array_foreach(rk_json_arr(booking, "guests"), i, g)
    if (rk_json_str(g, "last_name").n) json_array_append_new(list, json_pack("{s:o, s:s}", "name", name_of(g), "kind", rk_json_i64(g, "age", 18) < 18 ? "child" : "adult"));
  if (json_array_size(list) == 0 && rk_json_str(booker, "last_name").n) json_array_append_new(list, json_pack("{s:o}", "name", name_of(booker)));
  return list;
}

static json_t *checkout_body(const struct reading *r) {
  json_t *booker = rk_json_obj(r->booking, "booker"), *to = json_copy(rk_json_obj(booker, "address"));
  rk_str phone = rk_ucp_phone(rk_json_str(booker, "phone_number"));
  if (!to) to = json_object();
  json_object_set_new(to, "first_name", name_of(booker));
  if (phone.n) json_object_set_new(to, "phone_number", json_stringn(phone.p, phone.n));
  json_t *body = json_pack("{s:o, s:{s:[{s:s, s:[o]}]}, s:{s:o}, s:O}", "line_items", lines_of(rk_json_arr(r->booking, "stays")), "fulfillment", "methods", "type", "shipping",
                           "destinations", to, RK_UCP_TRAVEL_KEY, "travelers", travelers_of(r->booking), "buyer", booker);
  json_object_set(body, "context", rk_json_obj(r->body, "context"));
  return body;
}

json_t *booking_read(struct rk_shop *s, const json_t *body, struct rk_shop_answer *out) {
  struct reading r = {.s = s, .body = body, .out = out, .booking = json_pack("{s:[], s:[]}", "stays", "guests")};
  json_t *state = NULL;
  if (read_people(&r) && read_stays(&r)) {
    json_t *checkout = checkout_body(&r);
    state = session_read(s, checkout, out);
    json_decref(checkout);
  }
  if (state) json_object_set(state, "booking", r.booking);
  json_decref(r.booking);
  return state;
}

void handle_booking_create(struct rk_shop *s, const struct caller *c, const json_t *body, struct rk_shop_answer *out) {
  char id[sizeof BOOKING_ID + 36] = BOOKING_ID;
  json_t *state = booking_read(s, body, out), *lines = rk_json_arr(state, "lines"), *v;
  size_t i;
  bool left = true;
  if (!state) return;
  json_array_foreach(lines, i, v) left = left && seller_has_places(s, lines, rk_json_str(v, "item"), NULL);
  rk_uuid7(id + strlen(BOOKING_ID));
  if (left) checkout_put(s, c, id, state, 201, out);
  else { /* no session is made (booking, REST binding, Error Response) */
    out->status = 200;
    out->body = ucp_refusal("inventory_exhausted", "unrecoverable", wants_english(body) ? "Not enough of these rooms is left" : "所选房型已订满");
  }
  json_decref(state);
}

/* ---- working out ---- */

void booking_work_out(struct rk_shop *s, struct session *x) {
  const json_t *booking = rk_json_obj(x->state, "booking");
  json_t *stays = rk_json_arr(booking, "stays"), *stay;
  size_t i;
  json_array_foreach(stays, i, stay) {
    struct rk_travel_item t;
    char path[64];
    int64_t told = rk_json_i64(rk_json_obj(stay, "occupancy"), "total", 0), named = (int64_t)json_array_size(rk_json_arr(stay, "guest_assignments"));
    if (!rk_travel_find_item(s->catalog.travel, rk_json_str(stay, "item"), &t) || (told <= t.fare->guests && named <= t.fare->guests)) continue;
    snprintf(path, sizeof path, "$.stays[%zu].occupancy", i);
    session_say(x, "error", "occupancy_exceeded_capacity", path, "recoverable", "入住人数超过房间可住人数", "More guests than this room sleeps");
  }
  if (!rk_ucp_has_lead(rk_json_obj(booking, "booker"), rk_json_arr(booking, "guests"), stays))
    session_say(x, "error", "missing", "$.booker", "recoverable", "请填写预订人姓名和电话或邮箱", "Name and telephone number or e-mail address of the booker are needed");
}

/* ---- as the draft shows it ---- */

/* "大床房 可取消" -> room and rate. */
static json_t *part(const struct rk_fare *f, bool en, bool rate) {
  rk_str text = rk_str_c(en ? f->en : f->zh), room, rest;
  if (!rk_str_cut(text, en ? ',' : ' ', &room, &rest)) rest = room;
  rest = rk_str_trim(rate ? rest : room);
  return json_stringn(rest.p, rest.n);
}

static const char *rate_text(const struct rk_fare *f, bool en) {
  if (!f->refundable) return en ? "Saver rate: no refund." : "特惠价，不可取消。";
  return en ? "Flexible rate: free until 18:00 the day before arrival, then the first night is charged." : "可取消价：入住前一天18:00前免费取消，之后收首晚房费。";
}

static json_t *night(void) {
  return json_pack("{s:s, s:{s:{s:i, s:s, s:s}}}", "kind", "unit_deduction", "penalty", "measure", "value", 1, "unit", "night", "display_text", "night");
}

static json_t *percentage(int bps) { return json_pack("{s:s, s:i}", "kind", "percentage", "buyer_bps", bps); }

static int32_t nights_of(const struct rk_service *v) {
  enum { HOUR_MS = 3600000, DAY_MS = 86400000 };
  return (int32_t)((v->ends_ms - v->starts_ms + 12 * (int64_t)HOUR_MS) / DAY_MS);
}

/* The rule of rk_travel_refund_fee(), from check-in back: 20 hours before it is 18:00 of the day before. */
static json_t *schedule(const struct rk_travel_item *t) {
  json_t *tiers = json_pack("[{s:s, s:o}]", "until", "PT20H", "outcome", percentage(FULL_BPS));
  if (nights_of(&t->service) > 1) json_array_append_new(tiers, json_pack("{s:s, s:o}", "until", "PT0S", "outcome", night()));
  return json_pack("{s:o, s:o, s:o}", "anchor", json_sprintf("%sT%s:00+08:00", t->service.date, t->service.starts), "tiers", tiers, "after_last_tier", percentage(0));
}

static const char *refundability(const struct rk_shop *s, const struct rk_travel_item *t) {
  int64_t fee = 0;
  if (!rk_travel_refund_fee(s->catalog.travel, t, t->price_minor, rk_now_ms(), &fee) || fee >= t->price_minor) return "non_refundable";
  return fee ? "partially_refundable" : "refundable";
}

static json_t *policy(const struct rk_shop *s, const struct caller *c, const struct rk_travel_item *t, size_t at, bool en) {
  json_t *v = json_pack("{s:s, s:{s:s}, s:[o], s:o}", "type", RK_UCP_CANCELLATION, "description", "plain", rate_text(t->fare, en), "applies_to",
                        json_sprintf("$.stays[%zu]", at), "url", json_sprintf("%s/terms#refund", s->origin));
  if (!json_object_get(c->active, RK_UCP_CANCELLATION)) json_object_set_new(v, "type", json_string("example.rukou.policy.cancellation")); /* a plain one */
  else {
    json_object_set_new(v, "refundability", json_string(refundability(s, t)));
    if (t->fare->refundable) json_object_set_new(v, "schedule", schedule(t));
  }
  return v;
}

/* The second of an item and those after it say which they are. */
static json_t *stay_id(const json_t *stays, size_t at) {
  const char *item = rk_json_cstr(json_array_get(stays, at), "item", "");
  int n = 1;
  for (size_t i = 0; i < at; i++) n += rk_str_eq_c(rk_json_str(json_array_get(stays, i), "item"), item);
  return n > 1 ? json_sprintf("%s_%d", item, n) : json_string(item);
}

static json_t *stay_json(const struct rk_travel_item *t, const json_t *stay, json_t *id, bool en) {
  rk_str room, plan;
  rk_str_cut(rk_str_c(t->fare->id), '-', &room, &plan);
  json_t *v = json_pack("{s:o, s:{s:s%, s:o, s:{s:i, s:i}}, s:{s:s%, s:o, s:s}, s:{s:s, s:s}, s:[{s:s, s:I}, {s:s, s:I}]}", "id", id, "accommodation_type", "id", room.p, room.n,
                        "title", part(t->fare, en, false), "capacity", "adults", (int)t->fare->guests, "total", (int)t->fare->guests, "rate_plan", "id", plan.p, plan.n,
                        "title", part(t->fare, en, true), "description", rate_text(t->fare, en), "stay_dates", "start_date", t->service.date, "end_date",
                        t->service.end_date, "totals", "type", "subtotal", "amount", (json_int_t)t->price_minor, "type", "total", "amount", (json_int_t)t->price_minor);
  json_object_set(v, "occupancy", rk_json_obj(stay, "occupancy"));
  if (json_array_size(rk_json_arr(stay, "guest_assignments"))) json_object_set(v, "guest_assignments", rk_json_arr(stay, "guest_assignments"));
  return v;
}

static json_t *property_json(const struct rk_service *v, bool en) {
  rk_str hotel, rest;
  rk_str_cut(rk_str_c(v->id), '.', &hotel, &rest);
  return json_pack("{s:s%, s:s, s:{s:s, s:s, s:s}}", "id", hotel.p, hotel.n, "name", en ? v->en : v->zh, "address", "street_address", en ? v->place_en : v->place_zh,
                   "address_locality", en ? v->from->en : v->from->zh, "address_country", "CN");
}

static json_t *totals_of(const struct session *x) {
  json_t *list = json_pack("[{s:s, s:s, s:I}]", "type", "subtotal", "display_text", x->en ? "Rooms" : "房费", "amount", (json_int_t)x->subtotal);
  if (x->discount) json_array_append_new(list, json_pack("{s:s, s:I}", "type", "discount", "amount", (json_int_t)-x->discount));
  json_array_append_new(list, json_pack("{s:s, s:s, s:I}", "type", "total", "display_text", x->en ? "Total" : "合计", "amount", (json_int_t)x->total));
  return list;
}

static json_t *links_of(const struct rk_shop *s, bool en) {
  return json_pack("[{s:s, s:o, s:s}, {s:s, s:o}]", "type", "cancellation_policy", "url", json_sprintf("%s/terms#refund", s->origin), "title",
                   rk_text_in(s->catalog.refund_rule, en), "type", "terms_of_service", "url", json_sprintf("%s/terms", s->origin));
}

json_t *view_booking(const struct rk_shop *s, const struct caller *c, const struct session *x, const char *status) {
  static const char *const said[] = {"booker", "travel_purpose"};
  const json_t *booking = rk_json_obj(x->state, "booking");
  json_t *stays = json_array(), *policies = json_array(), *property = NULL, *asked = rk_json_arr(booking, "stays"), *stay;
  char expires[32], url[RK_MAX_CONTINUE_URL];
  size_t i;
  rk_time_rfc3339(rk_json_i64(x->row, "expires_ms", 0), expires);
  json_array_foreach(asked, i, stay) {
    struct rk_travel_item t;
    if (!rk_travel_find_item(s->catalog.travel, rk_json_str(stay, "item"), &t)) continue; /* the tables changed since */
    if (!property) property = property_json(&t.service, x->en);
    json_array_append_new(stays, stay_json(&t, stay, stay_id(asked, i), x->en));
    json_array_append_new(policies, policy(s, c, &t, i, x->en));
  }
  json_t *v = json_pack("{s:o, s:s, s:s, s:o*, s:o, s:O, s:s, s:o, s:O, s:o, s:o, s:s}", "ucp", ucp_envelope(s, c, RK_UCP_BOOKING), "id", x->id, "status", status, "property",
                        property, "stays", stays, "guests", rk_json_arr(booking, "guests"), "currency", s->catalog.currency, "totals", totals_of(x), "messages",
                        x->messages, "links", links_of(s, x->en), "policies", policies, "expires_at", expires);
  json_object_set_new(json_object_get(v, "ucp"), "payment_handlers", payment_handlers(s, x));
  for (i = 0; i < sizeof said / sizeof *said; i++) json_object_set(v, said[i], json_object_get(booking, said[i]));
  if (json_object_get(c->active, RK_UCP_REFUND)) json_object_set_new(v, RK_UCP_REFUND, refund_preview(s, x));
  if (strcmp(status, "requires_escalation") != 0) return v;
  payment_continue_url(s, x->id, url);
  json_object_set_new(v, "continue_url", json_string(url));
  return v;
}
