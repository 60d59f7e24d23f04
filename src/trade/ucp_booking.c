/* Booking sessions of the lodging draft (source/schemas/lodging and docs/specification/lodging of the UCP repository, read
 * 2026-09-25) as checkouts of stays, and back. A stay is one room for some nights; equal ones are a line with a quantity. */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/utf8.h"
#include "trade/foreign.h"
#include "trade/ucp.h"

enum { MAX_STAYS = RK_MAX_TRAVELERS, ID_BYTES = 200 };

/* ---- names and numbers of people ---- */

static bool is_han(rk_str s) {
  rk_str rest = s;
  uint32_t cp;
  for (int n; rest.n; rest = (rk_str){rest.p + n, rest.n - (size_t)n})
    if ((n = rk_utf8_next(rest, &cp)) == 0 || cp < 0x3400 || cp > 0x9fff) return false;
  return s.n > 0;
}

/* Bytes of the family name at the head of a Chinese name: two characters where it is one of these, else one. */
static size_t family_bytes(rk_str name) {
  static const char *const double_names[] = {"欧阳", "司马", "上官", "诸葛", "夏侯", "东方", "皇甫", "尉迟", "公孙", "慕容", "令狐", "宇文", "长孙", "司徒",
                                             "司空", "端木", "百里", "东郭", "南宫", "独孤", "轩辕", "澹台", "钟离", "闻人", "申屠", "呼延", "公冶", "濮阳"};
  for (size_t i = 0; name.n >= 9 && i < sizeof double_names / sizeof *double_names; i++)
    if (rk_str_starts(name, rk_str_c(double_names[i]))) return 6;
  return 3;
}

void rk_ucp_join_name(rk_str first, rk_str last, char name[2 * RK_UCP_NAME_BYTES]) {
  bool han = is_han(first) && is_han(last);
  if (first.n >= RK_UCP_NAME_BYTES) first.n = 0;
  if (last.n >= RK_UCP_NAME_BYTES) last.n = 0;
  if (han) snprintf(name, 2 * RK_UCP_NAME_BYTES, "%.*s%.*s", RK_STR_ARG(last), RK_STR_ARG(first));
  else snprintf(name, 2 * RK_UCP_NAME_BYTES, "%.*s%s%.*s", (int)first.n, first.p ? first.p : "", first.n && last.n ? " " : "", (int)last.n, last.p ? last.p : "");
}

bool rk_ucp_part_name(rk_str name, char first[RK_UCP_NAME_BYTES], char last[RK_UCP_NAME_BYTES]) {
  rk_str given, family;
  char again[2 * RK_UCP_NAME_BYTES];
  size_t at = name.n;
  if (name.n == 0 || name.n >= RK_UCP_NAME_BYTES) return false;
  if (is_han(name)) {
    family = (rk_str){name.p, family_bytes(name)};
    given = (rk_str){name.p + family.n, name.n - family.n};
  } else {
    while (at > 0 && name.p[at - 1] != ' ') at--;
    if (at == 0) return false;
    given = (rk_str){name.p, at - 1};
    family = (rk_str){name.p + at, name.n - at};
  }
  if (given.n == 0 || family.n == 0) return false;
  snprintf(first, RK_UCP_NAME_BYTES, "%.*s", RK_STR_ARG(given));
  snprintf(last, RK_UCP_NAME_BYTES, "%.*s", RK_STR_ARG(family));
  rk_ucp_join_name(given, family, again);
  return rk_str_eq_c(name, again);
}

/* The draft writes telephone numbers by E.164: a Chinese mobile number gets its country code, and loses it again. */
static bool is_mobile(rk_str s) {
  for (size_t i = 0; i < s.n; i++)
    if (s.p[i] < '0' || s.p[i] > '9') return false;
  return s.n == 11 && s.p[0] == '1';
}

static json_t *phone_json(const char *phone) { return json_sprintf("%s%s", is_mobile(rk_str_c(phone)) ? "+86" : "", phone); }

rk_str rk_ucp_phone(rk_str written) {
  rk_str home = rk_str_starts(written, RK_STR("+86")) ? (rk_str){written.p + 3, written.n - 3} : (rk_str){NULL, 0};
  return is_mobile(home) ? home : written;
}

/* ---- writing ---- */

/* HOTEL.START.END.ROOM-PLAN.room, an item of a stay (docs/ucp.md, example.rukou.travel). */
struct stay { rk_str hotel, start, end, room, plan; };

static bool read_item(const char *item_id, struct stay *s) {
  rk_str rest, fare, unit;
  return rk_str_cut(rk_str_c(item_id), '.', &s->hotel, &rest) && rk_str_cut(rest, '.', &s->start, &rest) && rk_str_cut(rest, '.', &s->end, &rest) &&
         rk_str_cut(rest, '.', &fare, &unit) && rk_str_cut(fare, '-', &s->room, &s->plan) && rk_str_eq(unit, RK_STR("room")) && s->hotel.n &&
         s->start.n == 10 && s->end.n == 10 && s->room.n && s->plan.n;
}

static int32_t n_stays(const struct rk_checkout_req *q) {
  int32_t n = 0;
  for (int32_t i = 0; i < q->n_lines; i++) n += q->lines[i].quantity;
  return n;
}

bool rk_ucp_can_book(const struct rk_ucp_merchant *m, const struct rk_checkout_req *q) {
  char first[RK_UCP_NAME_BYTES], last[RK_UCP_NAME_BYTES];
  struct stay one, other;
  int32_t n = n_stays(q);
  if (!m->booking_endpoint[0] || q->change || strcmp(m->travel_kind, "stay") != 0 || q->n_codes || n < 1 || n > MAX_STAYS || !read_item(q->lines[0].item_id, &one)) return false;
  for (int32_t i = 1; i < q->n_lines; i++)
    if (!read_item(q->lines[i].item_id, &other) || !rk_str_eq(one.hotel, other.hotel)) return false;
  for (int32_t i = 0; i < q->n_travelers; i++)
    if (!rk_ucp_part_name(rk_str_c(q->travelers[i].name), first, last)) return false;
  return q->address.phone && *q->address.phone && rk_ucp_part_name(rk_str_c(q->address.name), first, last);
}

static void set_name(json_t *person, const char *name) {
  char first[RK_UCP_NAME_BYTES], last[RK_UCP_NAME_BYTES];
  if (!rk_ucp_part_name(rk_str_c(name), first, last)) return;
  json_object_set_new(person, "first_name", json_string(first));
  json_object_set_new(person, "last_name", json_string(last));
}

/* Identifiers of guests are ours: those of children say so. */
static json_t *guest_id(const struct rk_checkout_req *q, int32_t i) { return json_sprintf("gst_%s%02d", q->travelers[i].child ? "child_" : "", (int)i + 1); }

static json_t *guests_json(const struct rk_checkout_req *q) {
  json_t *list = json_array();
  for (int32_t i = 0; i < q->n_travelers; i++) {
    json_t *g = json_pack("{s:o}", "id", guest_id(q, i));
    set_name(g, q->travelers[i].name);
    json_array_append_new(list, g);
  }
  return list;
}

static json_t *booker_json(const struct rk_checkout_req *q) {
  json_t *booker = json_object(), *address = json_object();
  set_name(booker, q->address.name);
  json_object_set_new(booker, "phone_number", phone_json(q->address.phone));
  rk_foreign_set(address, "street_address", q->address.street);
  rk_foreign_set(address, "address_locality", q->address.city);
  if (json_object_size(address)) json_object_set(booker, "address", address);
  json_decref(address);
  return booker;
}

/* Guests are dealt out to the rooms in turn; the first of a room is who it is kept for. */
static void assign(const struct rk_checkout_req *q, int32_t at, int32_t n, json_t *stay) {
  json_t *list = json_array();
  int32_t count[2] = {0, 0};
  for (int32_t i = at; i < q->n_travelers; i += n) {
    json_array_append_new(list, json_pack("{s:o, s:s}", "guest_id", guest_id(q, i), "role", i == at ? "primary" : "accompanying"));
    count[q->travelers[i].child]++;
  }
  if (count[0] + count[1])
    json_object_set_new(stay, "occupancy", json_pack("{s:i, s:i, s:i}", "adults", (int)count[0], "children", (int)count[1], "total", (int)(count[0] + count[1])));
  else if (q->n_travelers) json_array_append_new(list, json_pack("{s:o, s:s}", "guest_id", guest_id(q, 0), "role", "primary"));
  if (json_array_size(list)) json_object_set(stay, "guest_assignments", list);
  json_decref(list);
}

static json_t *stays_json(const struct rk_checkout_req *q) {
  json_t *list = json_array();
  int32_t n = n_stays(q), at = 0;
  for (int32_t i = 0; i < q->n_lines; i++)
    for (int32_t k = 0; k < q->lines[i].quantity; k++, at++) {
      struct stay s = {0};
      RK_ASSERT(read_item(q->lines[i].item_id, &s));
      json_t *stay = json_pack("{s:{s:s%}, s:{s:s%}, s:{s:s%, s:s%}}", "accommodation_type", "id", s.room.p, s.room.n, "rate_plan", "id", s.plan.p, s.plan.n,
                               "stay_dates", "start_date", s.start.p, s.start.n, "end_date", s.end.p, s.end.n);
      assign(q, at, n, stay);
      json_array_append_new(list, stay);
    }
  return list;
}

json_t *rk_ucp_write_booking(const struct rk_checkout_req *q) {
  struct stay s = {0};
  RK_ASSERT(q->n_lines > 0 && read_item(q->lines[0].item_id, &s));
  json_t *body = json_pack("{s:{s:s%}, s:o, s:o, s:o}", "property", "id", s.hotel.p, s.hotel.n, "stays", stays_json(q), "booker", booker_json(q), "guests", guests_json(q));
  if (body && q->lang) json_object_set_new(body, "context", json_pack("{s:s}", "language", q->lang));
  return body;
}

/* ---- reading ---- */

static int64_t amount_of(const json_t *totals, const char *type) {
  size_t i;
  json_t *v;
  json_array_foreach(totals, i, v)
    if (rk_str_eq_c(rk_json_str(v, "type"), type)) return rk_json_i64(v, "amount", -1);
  return -1;
}

/* The names are those of a checkout of dated places (docs/ucp.md). */
static json_t *options_json(const json_t *stay) {
  static const struct { const char *name, *obj, *key; } shown[] = {{"date", "stay_dates", "start_date"}, {"end_date", "stay_dates", "end_date"},
                                                                   {"room", "accommodation_type", "title"}, {"rate_plan", "rate_plan", "title"}};
  json_t *options = json_object();
  int64_t guests = rk_json_i64(rk_json_obj(rk_json_obj(stay, "accommodation_type"), "capacity"), "total", 0);
  for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) json_object_set(options, shown[i].name, json_object_get(rk_json_obj(stay, shown[i].obj), shown[i].key));
  if (guests > 0) json_object_set_new(options, "guests", json_sprintf("%lld", (long long)guests));
  return options;
}

/* One more of a line that is the same room at the same price, or a new line. */
static void add_line(json_t *lines, const json_t *property, const json_t *stay, const char *item, int64_t price) {
  size_t i;
  json_t *v;
  json_array_foreach(lines, i, v) {
    const json_t *known = rk_json_obj(v, "item");
    if (!rk_str_eq_c(rk_json_str(known, "id"), item) || rk_json_i64(known, "price", -1) != price) continue;
    json_object_set_new(v, "quantity", json_integer(rk_json_i64(v, "quantity", 0) + 1));
    return;
  }
  json_t *line = json_pack("{s:{s:s, s:I, s:{s:o}}, s:i}", "item", "id", item, "price", (json_int_t)price, RK_UCP_OFFER_KEY, "options", options_json(stay), "quantity", 1);
  json_object_set(rk_json_obj(line, "item"), "title", json_object_get(property, "name"));
  json_array_append_new(lines, line);
}

static rk_err read_stays(const json_t *answer, json_t *lines, struct rk_error *e) {
  const json_t *property = rk_json_obj(answer, "property");
  json_t *stays = rk_json_arr(answer, "stays"), *stay;
  size_t i;
  rk_str hotel = rk_json_str(property, "id");
  if (hotel.n == 0 || rk_json_str(property, "name").n == 0) return rk_fail(e, RK_EFORMAT, "property: `id` or `name` is missing");
  if (json_array_size(stays) == 0 || json_array_size(stays) > MAX_STAYS) return rk_fail(e, RK_EFORMAT, "stays: a booking has 1 to %d", MAX_STAYS);
  json_array_foreach(stays, i, stay) {
    char item[ID_BYTES];
    const json_t *dates = rk_json_obj(stay, "stay_dates");
    rk_str room = rk_json_str(rk_json_obj(stay, "accommodation_type"), "id"), plan = rk_json_str(rk_json_obj(stay, "rate_plan"), "id");
    rk_str start = rk_json_str(dates, "start_date"), end = rk_json_str(dates, "end_date");
    int64_t price = amount_of(rk_json_arr(stay, "totals"), "subtotal");
    if (room.n == 0 || plan.n == 0 || start.n != 10 || end.n != 10) return rk_fail(e, RK_EFORMAT, "stays[%zu]: room, rate plan or dates are missing", i);
    if (!rk_foreign_amount_ok(price)) return rk_fail(e, RK_EFORMAT, "stays[%zu].totals: no subtotal that is an integer in range", i);
    int n = snprintf(item, sizeof item, "%.*s.%.*s.%.*s.%.*s-%.*s.room", RK_STR_ARG(hotel), RK_STR_ARG(start), RK_STR_ARG(end), RK_STR_ARG(room), RK_STR_ARG(plan));
    if (n < 0 || (size_t)n >= sizeof item) return rk_fail(e, RK_EFORMAT, "stays[%zu]: its identifiers are over %d bytes", i, ID_BYTES);
    add_line(lines, property, stay, item, price);
  }
  return RK_OK;
}

static bool has_contact(const json_t *person) { return rk_json_str(person, "email").n || rk_json_str(person, "phone_number").n; }

static bool has_name(const json_t *person) { return rk_json_str(person, "first_name").n && rk_json_str(person, "last_name").n; }

static bool is_primary(const json_t *stays, rk_str guest) {
  size_t i, k;
  json_t *stay, *a;
  json_array_foreach(stays, i, stay)
    json_array_foreach(rk_json_arr(stay, "guest_assignments"), k, a)
      if (rk_str_eq(rk_json_str(a, "guest_id"), guest) && rk_str_eq(rk_json_str(a, "role"), RK_STR("primary"))) return true;
  return false;
}

bool rk_ucp_has_lead(const json_t *booker, const json_t *guests, const json_t *stays) {
  size_t i;
  json_t *g;
  if (has_name(booker) && has_contact(booker)) return true;
  json_array_foreach(guests, i, g)
    if (has_name(g) && is_primary(stays, rk_json_str(g, "id")) && (has_contact(g) || has_contact(booker))) return true;
  return false;
}

static json_t *name_json(const json_t *person) {
  char name[2 * RK_UCP_NAME_BYTES];
  rk_ucp_join_name(rk_json_str(person, "first_name"), rk_json_str(person, "last_name"), name);
  return json_string(name);
}

static json_t *travelers_json(const json_t *guests) {
  json_t *list = json_array(), *g;
  size_t i;
  json_array_foreach(guests, i, g)
    json_array_append_new(list, json_pack("{s:o, s:s}", "name", name_json(g), "kind", rk_str_starts(rk_json_str(g, "id"), RK_STR("gst_child_")) ? "child" : "adult"));
  return list;
}

/* The booker stands where a checkout has the address. */
static json_t *fulfillment_json(const json_t *booker) {
  json_t *to = json_copy(rk_json_obj(booker, "address"));
  rk_str phone = rk_ucp_phone(rk_json_str(booker, "phone_number"));
  if (!to) to = json_object();
  json_object_set_new(to, "first_name", name_json(booker));
  if (phone.n) json_object_set_new(to, "phone_number", json_stringn(phone.p, phone.n));
  return json_pack("{s:[{s:[o]}]}", "methods", "destinations", to);
}

/* What the cancellation policies say, each text once; else the title of the link to them. */
static json_t *refund_links(const json_t *answer) {
  struct rk_buf text;
  size_t i;
  json_t *v;
  rk_buf_init(&text, RK_MAX_UCP_TEXT_BYTES);
  json_array_foreach(rk_json_arr(answer, "policies"), i, v) {
    rk_str plain = rk_json_str(rk_json_obj(v, "description"), "plain");
    if (!rk_str_eq(rk_json_str(v, "type"), RK_STR(RK_UCP_CANCELLATION)) || plain.n == 0 || rk_str_find(rk_buf_str(&text), plain) >= 0) continue;
    if ((text.n && rk_buf_addc(&text, ' ')) || rk_buf_addstr(&text, plain)) break;
  }
  json_array_foreach(rk_json_arr(answer, "links"), i, v)
    if (text.n == 0 && rk_str_eq(rk_json_str(v, "type"), RK_STR("cancellation_policy")) && rk_buf_addstr(&text, rk_json_str(v, "title"))) break;
  json_t *links = json_pack("[{s:s, s:s%}]", "type", "refund_policy", "title", text.n ? text.p : "", text.n);
  rk_buf_release(&text);
  return links;
}

rk_err rk_ucp_booking_as_checkout(const json_t *answer, json_t **checkout, struct rk_error *e) {
  static const char *const same[] = {"ucp", "id", "status", "currency", "totals", "messages", "expires_at", "continue_url", RK_UCP_REFUND};
  json_t *lines = json_array(), *booker = rk_json_obj(answer, "booker"), *guests = rk_json_arr(answer, "guests");
  *checkout = NULL;
  if (!json_object_get(answer, "stays")) {
    json_decref(lines);
    *checkout = json_incref((json_t *)(uintptr_t)answer);
    return RK_OK;
  }
  rk_err err = read_stays(answer, lines, e);
  if (err) {
    json_decref(lines);
    return err;
  }
  json_t *v = json_pack("{s:o, s:o, s:o, s:{s:o}}", "line_items", lines, "links", refund_links(answer), "fulfillment", fulfillment_json(booker), RK_UCP_TRAVEL_KEY,
                        "travelers", travelers_json(guests));
  for (size_t i = 0; i < sizeof same / sizeof *same; i++) json_object_set(v, same[i], json_object_get(answer, same[i]));
  if (rk_json_obj(answer, "confirmation")) json_object_set(v, "order", rk_json_obj(answer, "confirmation"));
  /* nobody may complete a booking without a lead (booking, Guidelines, Platform) */
  if (rk_str_eq(rk_json_str(answer, "status"), RK_STR("ready_for_complete")) && !rk_ucp_has_lead(booker, guests, rk_json_arr(answer, "stays")))
    json_object_set_new(v, "status", json_string("incomplete"));
  *checkout = v;
  return RK_OK;
}
