/* seller.c - dated places (travel.h) as products of a catalogue and lines of a
 * checkout, so that search, sessions, payment and orders are those of goods.
 *
 * A product is a service, an item one of its fares for an adult, a child or a
 * room. Both are made anew in the request's arena; first_stock of an item is
 * what is left of it now. A checkout holds its places until it expires. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "shop/private.h"
#include "shop/travel.h"
#include "trade/ucp.h"

enum { MAX_SERVICES = 128, MAX_SEATS_TEXT = 160 };

static const struct rk_category categories[] = {
    [RK_TRAVEL_TRAIN] = {.id = "train", .name = {"火车票", "train ticket"}, .size_kind = "", .delivery_class = RK_NO_DELIVERY},
    [RK_TRAVEL_FLIGHT] = {.id = "flight", .name = {"机票", "flight"}, .size_kind = "", .delivery_class = RK_NO_DELIVERY},
    [RK_TRAVEL_STAY] = {.id = "hotel", .name = {"酒店", "hotel"}, .size_kind = "", .delivery_class = RK_NO_DELIVERY},
    [RK_TRAVEL_TICKET] = {.id = "ticket", .name = {"门票", "attraction ticket"}, .size_kind = "", .delivery_class = RK_NO_DELIVERY},
    [RK_TRAVEL_FILM] = {.id = "film", .name = {"电影票", "cinema ticket"}, .size_kind = "", .delivery_class = RK_NO_DELIVERY}};

static const struct rk_delivery_rule electronic = {.class = RK_NO_DELIVERY, .id = "electronic", .title = {"电子凭证", "electronic ticket"}};

rk_err rk_seller_load(const char *dir, const struct rk_table *conf, struct rk_arena *a, struct rk_catalog *c, struct rk_error *e) {
  c->deliveries = rk_arena_alloc(a, sizeof electronic);
  if (!c->deliveries) return rk_fail(e, RK_ETOOBIG, "%s: too large", dir);
  c->deliveries[0] = electronic;
  c->n_deliveries = 1;
  return rk_travel_load(dir, conf, a, &c->travel, e);
}

/* ---- places ---- */

static int32_t left_of(const struct rk_shop *s, const struct rk_travel_item *item, const char *checkout_id) {
  struct rk_stock stocks[RK_MAX_STAY_NIGHTS];
  int32_t n = rk_travel_stocks(s->catalog.travel, item, stocks), left = INT32_MAX;
  for (int32_t i = 0; i < n; i++) {
    int32_t rest = stocks[i].places - rk_shop_store_booked(s->db, stocks[i].key, checkout_id);
    if (rest < left) left = rest;
  }
  return left < 0 ? 0 : left;
}

/* ---- products ---- */

/* "17,18": numbers of seats. */
static void mark_seats(unsigned char *taken, int32_t n_seats, const char *list) {
  rk_str rest = rk_str_c(list), one;
  int64_t seat;
  while (rest.n) {
    rk_str_cut(rest, ',', &one, &rest);
    if (rk_str_i64(one, &seat) && seat >= 0 && seat < n_seats) taken[seat] = 1;
  }
}

/* Those that are sold or held now. */
static void taken_seats(const struct rk_shop *s, const struct rk_service *v, const char *key, unsigned char taken[RK_MAX_SEAT_ROWS * RK_MAX_SEAT_COLS]) {
  rk_travel_seats(s->catalog.travel, v, taken);
  json_t *booked = rk_shop_store_seats(s->db, key), *one;
  size_t i;
  json_array_foreach(booked, i, one) mark_seats(taken, v->n_rows * v->n_cols, rk_json_cstr(one, "seats", ""));
  json_decref(booked);
}

/* The most seats side by side that are free. */
static int32_t seats_together(const struct rk_shop *s, const struct rk_service *v) {
  struct rk_travel_item t = {.service = *v};
  struct rk_stock stocks[RK_MAX_STAY_NIGHTS];
  unsigned char taken[RK_MAX_SEAT_ROWS * RK_MAX_SEAT_COLS];
  int32_t run = 0, longest = 0;
  t.fare = &t.service.fares[0];
  rk_travel_stocks(s->catalog.travel, &t, stocks);
  taken_seats(s, v, stocks[0].key, taken);
  for (int32_t i = 0; i < v->n_rows * v->n_cols; i++) {
    run = taken[i] ? 0 : i % v->n_cols ? run + 1 : 1;
    if (run > longest) longest = run;
  }
  return longest;
}

struct maker { struct rk_arena *a; struct rk_product *p; bool full; };

static void fact(struct maker *m, const char *name, char type, const char *value) {
  if (!value || !*value || m->p->n_facts == RK_MAX_FACTS) return;
  const char *kept = rk_arena_dup(m->a, rk_str_c(value));
  if (!kept) m->full = true;
  else m->p->facts[m->p->n_facts++] = (struct rk_fact){.name = name, .type = type, .value = kept, .label = {kept, kept}};
}

static void number_fact(struct maker *m, const char *name, int64_t value) {
  char text[24];
  snprintf(text, sizeof text, "%lld", (long long)value);
  fact(m, name, 'n', text);
}

static void add_facts(struct maker *m, const struct rk_service *s) {
  bool route = s->kind == RK_TRAVEL_TRAIN || s->kind == RK_TRAVEL_FLIGHT;
  fact(m, route ? "from" : "city", 's', s->from->zh);
  if (route) fact(m, "to", 's', s->to->zh);
  fact(m, "date", 's', s->date);
  fact(m, s->kind == RK_TRAVEL_TICKET ? "opens" : "starts", 's', s->starts);
  fact(m, s->kind == RK_TRAVEL_TICKET ? "closes" : "ends", 's', s->ends);
  if (s->kind == RK_TRAVEL_STAY || (route && strcmp(s->date, s->end_date) != 0)) fact(m, "end_date", 's', s->end_date);
  fact(m, s->kind == RK_TRAVEL_FILM ? "film" : "name", 's', s->name_zh);
  fact(m, s->kind == RK_TRAVEL_FILM ? "genre" : "attraction_kind", 's', s->what);
  fact(m, s->kind == RK_TRAVEL_FILM ? "address" : "district", 's', s->place_zh);
  if (s->stars) number_fact(m, "stars", s->stars);
}

static const struct rk_choice *add_choice(struct rk_axis *axis, const char *option, const char *value, struct rk_text label) {
  axis->option = option;
  struct rk_choice *c = (struct rk_choice *)(uintptr_t)&axis->choices[axis->n_choices++];
  *c = (struct rk_choice){.option = option, .value = value, .label = label};
  return c;
}

static void add_item(struct maker *m, const struct rk_service *v, const struct rk_fare *f, bool child, const struct rk_choice *fare,
                     const struct rk_choice *who, int32_t left) {
  char id[RK_TRAVEL_ID_BYTES + 40];
  struct rk_item *item = &m->p->items[m->p->n_items];
  rk_travel_item_id(v, f, child, id);
  *item = (struct rk_item){.id = rk_arena_dup(m->a, rk_str_c(id)), .product = m->p, .chosen = {fare, who},
                           .price_minor = child ? f->child_minor : f->adult_minor, .first_stock = left};
  if (!item->id) m->full = true;
  else m->p->n_items++;
  if (m->p->n_items == 1 || item->price_minor < m->p->price_minor) m->p->price_minor = item->price_minor;
}

/* Adults and children share what is left of a fare. */
static int32_t left_of_fare(const struct rk_shop *s, const struct rk_service *v, int32_t fare, const char *checkout_id) {
  struct rk_travel_item t = {.service = *v};
  t.fare = &t.service.fares[fare];
  return left_of(s, &t, checkout_id);
}

/* How many sleep in a room, as a choice that goes with it. */
static const struct rk_choice *guests_choice(struct maker *m, struct rk_axis *axis, int32_t guests) {
  char value[12];
  snprintf(value, sizeof value, "%d", (int)guests);
  for (int32_t i = 0; i < axis->n_choices; i++)
    if (strcmp(axis->choices[i].value, value) == 0) return &axis->choices[i];
  const char *id = rk_arena_dup(m->a, rk_str_c(value)), *zh = rk_arena_printf(m->a, "%d人", (int)guests);
  if (id && zh) return add_choice(axis, "guests", id, (struct rk_text){zh, id});
  m->full = true;
  return NULL;
}

/* Fares, and whoever pays another price, are the options of the product; of a room, how many sleep in it. */
static void add_items(const struct rk_shop *s, struct maker *m, const struct rk_service *v, const char *checkout_id) {
  static const struct rk_text adult = {"成人", "adult"}, child = {"儿童", "child"};
  bool stay = v->kind == RK_TRAVEL_STAY, children = !stay && v->kind != RK_TRAVEL_FILM;
  struct rk_product *p = m->p;
  p->axes[0].choices = rk_arena_array(m->a, RK_MAX_FARES, sizeof *p->axes[0].choices);
  p->axes[1].choices = rk_arena_array(m->a, RK_MAX_FARES, sizeof *p->axes[1].choices);
  p->items = rk_arena_array(m->a, 2 * RK_MAX_FARES, sizeof *p->items);
  if (!p->axes[0].choices || !p->axes[1].choices || !p->items) {
    m->full = true;
    return;
  }
  const struct rk_choice *grown = NULL, *small = NULL;
  if (children) grown = add_choice(&p->axes[1], "passenger", "adult", adult), small = add_choice(&p->axes[1], "passenger", "child", child);
  p->n_axes = children || stay ? 2 : 1;
  for (int32_t i = 0; i < v->n_fares && !m->full; i++) {
    const struct rk_fare *f = &v->fares[i];
    const struct rk_choice *fare = add_choice(&p->axes[0], stay ? "room" : "class", rk_arena_dup(m->a, rk_str_c(f->id)), (struct rk_text){f->zh, f->en});
    int32_t left = left_of_fare(s, v, i, checkout_id);
    if (stay) grown = guests_choice(m, &p->axes[1], f->guests);
    if (!fare->value) m->full = true;
    else if (!m->full) add_item(m, v, f, false, fare, grown, left);
    if (children && !m->full) add_item(m, v, f, true, fare, small, left);
  }
}

/* NULL: the arena is full. */
static struct rk_product *make_product(const struct rk_shop *s, const struct rk_service *v, const char *checkout_id, struct rk_arena *a) {
  struct maker m = {.a = a, .p = rk_arena_alloc(a, sizeof *m.p)};
  struct rk_product *p = m.p;
  if (!p) return NULL;
  *p = (struct rk_product){.id = rk_arena_dup(a, rk_str_c(v->id)), .category = &categories[v->kind], .rating_tenths = v->rating_tenths,
                           .title = {rk_arena_dup(a, rk_str_c(v->zh)), rk_arena_dup(a, rk_str_c(v->en))},
                           .description = {v->place_zh ? v->place_zh : "", v->place_en ? v->place_en : ""}};
  m.full = !p->id || !p->title.zh || !p->title.en;
  if (!m.full) add_facts(&m, v);
  if (!m.full && v->kind == RK_TRAVEL_FILM) number_fact(&m, "seats_together", seats_together(s, v));
  if (!m.full) add_items(s, &m, v, checkout_id);
  return m.full ? NULL : p;
}

const struct rk_product *seller_product(const struct rk_shop *s, rk_str service_id, struct rk_arena *a) {
  struct rk_service v;
  return rk_travel_find(s->catalog.travel, service_id, &v) ? make_product(s, &v, NULL, a) : NULL;
}

const struct rk_item *seller_item(const struct rk_shop *s, rk_str item_id, const char *checkout_id, struct rk_arena *a) {
  struct rk_travel_item t;
  if (!rk_travel_find_item(s->catalog.travel, item_id, &t)) return NULL;
  const struct rk_product *p = make_product(s, &t.service, checkout_id, a);
  for (int32_t i = 0; p && i < p->n_items; i++)
    if (rk_str_eq_c(item_id, p->items[i].id)) return &p->items[i];
  return NULL;
}

bool seller_sells(const struct rk_shop *s, rk_str item_id) {
  struct rk_travel_item t;
  return rk_travel_find_item(s->catalog.travel, item_id, &t) && rk_travel_on_sale(&t.service, rk_now_ms());
}

/* ---- search ---- */

static rk_err read_query(const json_t *body, struct rk_travel_query *q, struct rk_error *e) {
  const json_t *x = rk_json_obj(body, RK_UCP_TRAVEL_KEY);
  if (!x) return rk_fail(e, RK_EINVAL, "this seller has dated places: a search holds the object %s (see docs/ucp.md)", RK_UCP_TRAVEL_KEY);
  *q = (struct rk_travel_query){.from = rk_json_str(x, "from"), .to = rk_json_str(x, "to"), .city = rk_json_str(x, "city"), .name = rk_json_str(x, "name"),
                                .date = rk_json_str(x, "date"), .end_date = rk_json_str(x, "end_date"),
                                .after_min = (int32_t)rk_json_i64(x, "after_min", 0), .before_min = (int32_t)rk_json_i64(x, "before_min", 0)};
  return RK_OK;
}

void seller_search(struct rk_shop *s, const struct caller *c, const json_t *body, int64_t from, int64_t limit, struct rk_shop_answer *out) {
  struct rk_travel_query q;
  struct rk_error e = {0};
  struct rk_service *found = calloc(MAX_SERVICES, sizeof *found);
  struct rk_arena *a = rk_arena_new(8 << 20);
  int32_t n = 0;
  rk_err err = found && a ? read_query(body, &q, &e) : rk_fail(&e, RK_ENOMEM, "out of memory");
  if (!err) err = rk_travel_search(s->catalog.travel, &q, rk_now_ms(), found, MAX_SERVICES, &n, &e);
  if (err) {
    answer_error(out, rk_err_http(err), "invalid_request", "%s", e.msg);
    goto end;
  }
  json_t *products = json_array();
  for (int64_t i = from; i < n && i < from + limit; i++) {
    const struct rk_product *p = make_product(s, &found[i], NULL, a);
    if (p) json_array_append_new(products, product_view(s, p, wants_english(body)));
  }
  json_t *page = json_pack("{s:b, s:i}", "has_next_page", from + limit < n, "total_count", n);
  if (from + limit < n) json_object_set_new(page, "cursor", json_sprintf("%lld", (long long)(from + limit)));
  out->status = 200;
  out->body = json_pack("{s:o, s:o, s:o}", "ucp", ucp_envelope(s, c, RK_UCP_SEARCH), "products", products, "pagination", page);
end:
  if (a) rk_arena_free(a);
  free(found);
}

/* ---- holding and selling ---- */

/* How many places of the stock all lines want together. */
static int32_t wanted_of(const struct rk_shop *s, const json_t *lines, const char *key) {
  size_t i;
  json_t *v;
  int32_t wanted = 0;
  json_array_foreach(lines, i, v) {
    struct rk_travel_item t;
    struct rk_stock stocks[RK_MAX_STAY_NIGHTS];
    if (!rk_travel_find_item(s->catalog.travel, rk_json_str(v, "item"), &t)) continue;
    int32_t n = rk_travel_stocks(s->catalog.travel, &t, stocks);
    for (int32_t k = 0; k < n; k++)
      if (strcmp(stocks[k].key, key) == 0) wanted += (int32_t)rk_json_i64(v, "quantity", 0);
  }
  return wanted;
}

bool seller_has_places(const struct rk_shop *s, const json_t *lines, rk_str item_id, const char *checkout_id) {
  struct rk_travel_item t;
  struct rk_stock stocks[RK_MAX_STAY_NIGHTS];
  if (!rk_travel_find_item(s->catalog.travel, item_id, &t) || !rk_travel_on_sale(&t.service, rk_now_ms())) return false;
  int32_t n = rk_travel_stocks(s->catalog.travel, &t, stocks);
  for (int32_t i = 0; i < n; i++)
    if (stocks[i].places - rk_shop_store_booked(s->db, stocks[i].key, checkout_id) < wanted_of(s, lines, stocks[i].key)) return false;
  return true;
}

/* The seats of a film for n people; "" for other kinds. */
static bool choose_seats(const struct rk_shop *s, const struct rk_travel_item *t, const char *key, int32_t n, char out[MAX_SEATS_TEXT]) {
  unsigned char taken[RK_MAX_SEAT_ROWS * RK_MAX_SEAT_COLS];
  int32_t seats[RK_MAX_TRAVEL_PARTY];
  bool adjacent;
  size_t at = 0;
  out[0] = 0;
  if (t->service.kind != RK_TRAVEL_FILM) return true;
  taken_seats(s, &t->service, key, taken);
  if (!rk_travel_pick_seats(&t->service, taken, n, seats, &adjacent)) return false;
  for (int32_t k = 0; k < n; k++) at += (size_t)snprintf(out + at, MAX_SEATS_TEXT - at, "%s%d", k ? "," : "", (int)seats[k]);
  return true;
}

static rk_err hold_line(struct rk_shop *s, const char *checkout_id, const json_t *line, int64_t expires_ms, struct rk_error *e) {
  struct rk_travel_item t;
  struct rk_stock stocks[RK_MAX_STAY_NIGHTS];
  char seats[MAX_SEATS_TEXT];
  int32_t quantity = (int32_t)rk_json_i64(line, "quantity", 0);
  if (!rk_travel_find_item(s->catalog.travel, rk_json_str(line, "item"), &t)) return RK_OK;
  int32_t n = rk_travel_stocks(s->catalog.travel, &t, stocks);
  for (int32_t i = 0; i < n; i++) {
    if (!choose_seats(s, &t, stocks[i].key, quantity, seats)) return rk_fail(e, RK_ECONFLICT, "fewer than %d seats are left", quantity);
    rk_err err = rk_shop_store_hold(s->db, &(struct rk_booking){checkout_id, rk_json_cstr(line, "item", ""), stocks[i].key, seats, quantity, expires_ms}, e);
    if (err) return err;
  }
  return RK_OK;
}

rk_err seller_hold(struct rk_shop *s, const char *checkout_id, const json_t *state, int64_t expires_ms, struct rk_error *e) {
  json_t *lines = rk_json_arr(state, "lines"), *v;
  size_t i;
  rk_err err = rk_shop_store_release(s->db, checkout_id, e);
  json_array_foreach(lines, i, v)
    if (!seller_has_places(s, lines, rk_json_str(v, "item"), checkout_id)) return err; /* the session says so, and holds nothing */
  json_array_foreach(lines, i, v)
    if (!err) err = hold_line(s, checkout_id, v, expires_ms, e);
  return err;
}

rk_err seller_unsell(struct rk_db *db, const char *checkout_id, const char *item_id, int32_t quantity, struct rk_error *e) {
  json_t *booking = rk_shop_store_booking(db, checkout_id, item_id);
  int64_t kept = rk_json_i64(booking, "quantity", 0) - quantity;
  char seats[MAX_SEATS_TEXT] = "";
  rk_str rest = rk_json_str(booking, "seats"), one;
  for (size_t at = 0; kept > 0 && rest.n; kept--) {
    rk_str_cut(rest, ',', &one, &rest);
    at += (size_t)snprintf(seats + at, sizeof seats - at, "%s%.*s", at ? "," : "", RK_STR_ARG(one));
  }
  json_decref(booking);
  return rk_shop_store_unsell(db, checkout_id, item_id, quantity, seats, e);
}

bool seller_seats(const struct rk_shop *s, const char *checkout_id, const char *item_id, bool en, char out[SEATS_TEXT_BYTES]) {
  struct rk_travel_item t;
  size_t at = 0;
  out[0] = 0;
  if (!rk_travel_find_item(s->catalog.travel, rk_str_c(item_id), &t) || t.service.kind != RK_TRAVEL_FILM) return false;
  json_t *booking = rk_shop_store_booking(s->db, checkout_id, item_id);
  rk_str rest = rk_json_str(booking, "seats"), one;
  int64_t seat;
  while (rest.n && at < SEATS_TEXT_BYTES - 40) {
    char name[32];
    rk_str_cut(rest, ',', &one, &rest);
    if (!rk_str_i64(one, &seat)) break;
    rk_travel_seat_name(&t.service, (int32_t)seat, en, name);
    at += (size_t)snprintf(out + at, SEATS_TEXT_BYTES - at, "%s%s", at ? (en ? ", " : "、") : "", name);
  }
  json_decref(booking);
  return at > 0;
}

/* ---- who travels ---- */

int32_t seller_travelers_wanted(const struct rk_shop *s, const json_t *lines) {
  enum rk_travel_kind kind = rk_travel_kind(s->catalog.travel);
  size_t i;
  json_t *v;
  int32_t n = 0;
  if (kind == RK_TRAVEL_STAY) return 1;
  if (kind != RK_TRAVEL_TRAIN && kind != RK_TRAVEL_FLIGHT) return 0;
  json_array_foreach(lines, i, v) n += (int32_t)rk_json_i64(v, "quantity", 0);
  return n;
}

json_t *seller_read_travelers(const json_t *body) {
  json_t *list = rk_json_arr(rk_json_obj(body, RK_UCP_TRAVEL_KEY), "travelers"), *out = json_array(), *v;
  size_t i;
  json_array_foreach(list, i, v) {
    rk_str name = rk_str_trim(rk_json_str(v, "name"));
    if (i >= RK_MAX_TRAVEL_PARTY || name.n == 0 || name.n > 100) break;
    json_array_append_new(out, json_pack("{s:s%, s:s}", "name", name.p, name.n, "kind", rk_str_eq(rk_json_str(v, "kind"), RK_STR("child")) ? "child" : "adult"));
  }
  return out;
}
