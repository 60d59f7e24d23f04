/* trips.c - the words of dated places: journeys, nights, tickets and seats, from the lines of the sellers' orders. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/words.h"

enum { MAX_BOOKINGS = 64, MAX_SEATS = 32 };

/* Everything that was bought of one service of one seller. */
struct booking {
  const char *shop;
  struct rk_service service;
  int64_t adults, children, total;   /* adults: of a room, how many rooms */
  int64_t dearest;                   /* unit price */
  int32_t seats[MAX_SEATS], n_seats;
  bool taken;                        /* by an entry of the list */
};
struct bookings { struct booking all[MAX_BOOKINGS]; int32_t n; bool full; };

static void take_seats(const struct rk_case *c, const char *shop_name, const char *checkout_id, const char *item_id, struct booking *b) {
  size_t i, k;
  json_t *shop, *row;
  json_array_foreach(case_list(c, "shops"), i, shop) {
    if (!rk_str_eq_c(rk_json_str(shop, "name"), shop_name)) continue;
    json_array_foreach(rk_json_arr(shop, "bookings"), k, row) {
      rk_str rest = rk_json_str(row, "seats"), one;
      int64_t seat;
      if (!rk_str_eq_c(rk_json_str(row, "checkout_id"), checkout_id) || !rk_str_eq_c(rk_json_str(row, "item_id"), item_id) || rk_json_i64(row, "sold", 0) != 1) continue;
      while (rest.n && b->n_seats < MAX_SEATS) {
        rk_str_cut(rest, ',', &one, &rest);
        if (rk_str_i64(one, &seat)) b->seats[b->n_seats++] = (int32_t)seat;
      }
    }
  }
}

static struct booking *booking_of(struct bookings *all, const char *shop, const struct rk_service *s) {
  for (int32_t i = 0; i < all->n; i++)
    if (strcmp(all->all[i].shop, shop) == 0 && strcmp(all->all[i].service.id, s->id) == 0) return &all->all[i];
  if (all->n == MAX_BOOKINGS) return all->full = true, NULL;
  struct booking *b = &all->all[all->n++];
  *b = (struct booking){.shop = shop, .service = *s};
  return b;
}

/* Of standing orders; a line that was given back has no quantity left. */
static void read_bookings(const struct rk_case *c, const json_t *orders, struct bookings *out) {
  size_t i, k;
  json_t *v, *line;
  json_array_foreach((json_t *)(uintptr_t)orders, i, v) {
    const json_t *order = rk_json_obj(v, "order");
    const struct rk_market_shop *m = case_market_at(c, rk_json_cstr(v, "origin", ""));
    if (!rk_json_bool(v, "travel", false) || !rk_json_bool(v, "standing", false) || !m) continue;
    json_array_foreach(rk_json_arr(order, "lines"), k, line) {
      struct rk_travel_item item;
      const char *item_id = rk_json_cstr(line, "item_id", "");
      int64_t n = rk_json_i64(line, "quantity", 0), unit = rk_json_i64(line, "unit_minor", 0);
      if (n <= 0 || !rk_travel_find_item(m->catalog.travel, rk_str_c(item_id), &item)) continue;
      struct booking *b = booking_of(out, rk_json_cstr(v, "shop", ""), &item.service);
      if (!b) return;
      if (item.child) b->children += n;
      else b->adults += n;
      b->total += n * unit;
      if (unit > b->dearest) b->dearest = unit;
      take_seats(c, b->shop, rk_json_cstr(order, "checkout_id", ""), item_id, b);
    }
  }
}

/* ---- one booking against one want ---- */

typedef bool fit(const struct rk_case *c, const struct booking *b, const json_t *want, struct rk_buf *why);

static bool same_text(const char *word, const char *key, const json_t *want, const char *got, struct rk_buf *why) {
  const char *asked = rk_json_cstr(want, key, NULL);
  return !asked || (got && strcmp(asked, got) == 0) || word_missed(why, "%s: %s: asked %s, got %s", word, key, asked, got ? got : "nothing");
}

static bool same_number(const char *word, const char *key, const json_t *want, int64_t got, struct rk_buf *why) {
  const json_t *v = json_object_get(want, key);
  return !v || (json_is_integer(v) && json_integer_value(v) == got) ||
         word_missed(why, "%s: %s: asked %lld, got %lld", word, key, (long long)json_integer_value(v), (long long)got);
}

static bool at_most(const char *word, const char *key, const json_t *want, int64_t got, struct rk_buf *why) {
  int64_t most = rk_json_i64(want, key, -1);
  return most < 0 || got <= most || word_missed(why, "%s: %s: asked %lld, got %lld", word, key, (long long)most, (long long)got);
}

/* A city by its name in either language. */
static bool same_city(const char *word, const char *key, const json_t *want, const struct rk_city *got, struct rk_buf *why) {
  const char *asked = rk_json_cstr(want, key, NULL);
  return !asked || (got && (strcmp(asked, got->zh) == 0 || strcmp(asked, got->en) == 0)) ||
         word_missed(why, "%s: %s: asked %s, got %s", word, key, asked, got ? got->zh : "nothing");
}

static bool fits_trip(const struct rk_case *c, const struct booking *b, const json_t *want, struct rk_buf *why) {
  const struct rk_service *s = &b->service;
  const char *mode = rk_json_cstr(want, "mode", "any"), *before = rk_json_cstr(want, "before", NULL), *after = rk_json_cstr(want, "after", NULL);
  if (strcmp(mode, "any") != 0 && strcmp(mode, s->kind == RK_TRAVEL_TRAIN ? "train" : "flight") != 0) return word_missed(why, "trips: mode: asked %s", mode);
  if (!same_city("trips", "from", want, s->from, why) || !same_city("trips", "to", want, s->to, why) || !same_text("trips", "date", want, s->date, why)) return false;
  if (before && strcmp(s->starts, before) > 0) return word_missed(why, "trips: before: asked %s, got %s", before, s->starts);
  if (after && strcmp(s->starts, after) < 0) return word_missed(why, "trips: after: asked %s, got %s", after, s->starts);
  if (!same_number("trips", "passengers", want, b->adults + b->children, why) || !same_number("trips", "adults", want, b->adults, why) ||
      !same_number("trips", "children", want, b->children, why))
    return false;
  if (!json_is_true(json_object_get(want, "cheapest"))) return true;
  int64_t lowest = -1;
  struct rk_trip t = {.from = s->from->zh, .to = s->to->zh, .date = s->date, .mode = mode, .after = after, .before = before,
                      .adults = b->adults, .children = b->children, .now_ms = case_start_ms(c)};
  return (rk_market_lowest_trip(c->market, &t, &lowest) && b->total <= lowest) ||
         word_missed(why, "trips: cheapest: total %lld, the lowest is %lld", (long long)b->total, (long long)lowest);
}

static int64_t nights_of(const struct rk_service *s) {
  int64_t nights = (s->ends_ms - s->starts_ms + 43200000) / 86400000;
  return nights > 0 ? nights : 1;
}

static bool fits_stay(const struct rk_case *c, const struct booking *b, const json_t *want, struct rk_buf *why) {
  (void)c;
  return same_city("stays", "city", want, b->service.from, why) && same_text("stays", "check_in", want, b->service.date, why) &&
         same_text("stays", "check_out", want, b->service.end_date, why) && at_most("stays", "max_per_night_minor", want, b->total / nights_of(&b->service), why);
}

static bool fits_ticket(const struct rk_case *c, const struct booking *b, const json_t *want, struct rk_buf *why) {
  const struct rk_service *s = &b->service;
  const char *name = rk_json_cstr(want, "attraction_has", NULL);
  (void)c;
  if (name && !(s->name_zh && strstr(s->name_zh, name)) && !(s->name_en && strstr(s->name_en, name)))
    return word_missed(why, "tickets: attraction_has: asked %s, got %s", name, s->name_zh ? s->name_zh : "nothing");
  return same_city("tickets", "city", want, s->from, why) && same_text("tickets", "attraction_kind", want, s->what, why) && same_text("tickets", "date", want, s->date, why) &&
         same_number("tickets", "persons", want, b->adults + b->children, why) && same_number("tickets", "adults", want, b->adults, why) &&
         same_number("tickets", "children", want, b->children, why);
}

static int by_number(const void *a, const void *b) { return *(const int32_t *)a - *(const int32_t *)b; }

static bool are_adjacent(const struct booking *b) {
  int32_t seats[MAX_SEATS];
  memcpy(seats, b->seats, sizeof seats);
  qsort(seats, (size_t)b->n_seats, sizeof *seats, by_number);
  for (int32_t i = 1; i < b->n_seats; i++)
    if (seats[i] != seats[i - 1] + 1 || seats[i] / b->service.n_cols != seats[0] / b->service.n_cols) return false;
  return b->n_seats > 0;
}

static bool fits_film(const struct rk_case *c, const struct booking *b, const json_t *want, struct rk_buf *why) {
  const struct rk_service *s = &b->service;
  const char *from = rk_json_cstr(want, "from", NULL), *to = rk_json_cstr(want, "to", NULL);
  (void)c;
  if ((from && strcmp(s->starts, from) < 0) || (to && strcmp(s->starts, to) > 0))
    return word_missed(why, "films: from, to: asked %s to %s, got %s", from ? from : "any", to ? to : "any", s->starts);
  if (!same_city("films", "city", want, s->from, why) || !same_text("films", "date", want, s->date, why) || !same_number("films", "seats", want, b->adults + b->children, why) ||
      !at_most("films", "max_seat_minor", want, b->dearest, why))
    return false;
  if (b->n_seats != b->adults + b->children) return word_missed(why, "films: %lld seats are paid, %d are held", (long long)(b->adults + b->children), (int)b->n_seats);
  return !json_is_true(json_object_get(want, "adjacent")) || are_adjacent(b) || word_missed(why, "films: adjacent: the seats are not side by side");
}

/* ---- lists ---- */

static bool is_kind(const struct booking *b, const char *word) {
  enum rk_travel_kind k = b->service.kind;
  if (strcmp(word, "trips") == 0) return k == RK_TRAVEL_TRAIN || k == RK_TRAVEL_FLIGHT;
  return k == (strcmp(word, "stays") == 0 ? RK_TRAVEL_STAY : strcmp(word, "tickets") == 0 ? RK_TRAVEL_TICKET : RK_TRAVEL_FILM);
}

static bool match(const struct rk_case *c, const json_t *wants, size_t at, struct bookings *all, const char *word, fit *fits) {
  if (at == json_array_size(wants)) return true;
  for (int32_t i = 0; i < all->n; i++) {
    struct booking *b = &all->all[i];
    struct rk_buf ignored;
    if (b->taken || !is_kind(b, word)) continue;
    rk_buf_init(&ignored, RK_MAX_WHY_BYTES);
    b->taken = fits(c, b, json_array_get(wants, at), &ignored);
    rk_buf_release(&ignored);
    if (b->taken && match(c, wants, at + 1, all, word, fits)) return true;
    b->taken = false;
  }
  return false;
}

/* The reason of the first booking that could have been the entry that none is. */
static bool say_unmet(const struct rk_case *c, const json_t *wants, struct bookings *all, const char *word, fit *fits, struct rk_buf *why) {
  for (size_t w = 0; w < json_array_size(wants); w++) {
    struct rk_buf reason;
    bool met = false;
    rk_buf_init(&reason, RK_MAX_WHY_BYTES);
    for (int32_t i = 0; i < all->n && !met; i++)
      if (is_kind(&all->all[i], word)) met = fits(c, &all->all[i], json_array_get(wants, w), &reason);
    if (!met) word_missed(why, "%s", reason.n ? reason.p : "no booking of this kind");
    rk_buf_release(&reason);
  }
  return word_missed(why, "%s: two entries would have to be the same booking", word);
}

static bool list_holds(const struct rk_case *c, const json_t *arg, const char *word, const char *const *keys, fit *fits, struct rk_buf *why) {
  struct bookings *all = calloc(1, sizeof *all);
  json_t *orders = case_orders(c);
  size_t n = 0;
  bool ok = all && (json_is_array(arg) || word_missed(why, "%s: no list", word));
  for (size_t i = 0; ok && i < json_array_size(arg); i++) ok = word_keys_known(word, json_array_get(arg, i), keys, why);
  if (ok) {
    read_bookings(c, orders, all);
    for (int32_t i = 0; i < all->n; i++) n += is_kind(&all->all[i], word);
    if (all->full) ok = word_missed(why, "%s: more than %d bookings", word, MAX_BOOKINGS);
    else if (n != json_array_size(arg)) ok = word_missed(why, "%s: asked %zu, got %zu", word, json_array_size(arg), n);
    else if (!match(c, arg, 0, all, word, fits)) ok = say_unmet(c, arg, all, word, fits, why);
  }
  json_decref(orders);
  free(all);
  return ok;
}

bool word_trips(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  static const char *const keys[] = {"from", "to", "date", "passengers", "adults", "children", "mode", "cheapest", "before", "after", NULL};
  return list_holds(c, arg, "trips", keys, fits_trip, why);
}

bool word_stays(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  static const char *const keys[] = {"city", "check_in", "check_out", "max_per_night_minor", NULL};
  return list_holds(c, arg, "stays", keys, fits_stay, why);
}

bool word_tickets(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  static const char *const keys[] = {"city", "attraction_kind", "attraction_has", "date", "persons", "adults", "children", NULL};
  return list_holds(c, arg, "tickets", keys, fits_ticket, why);
}

bool word_films(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  static const char *const keys[] = {"city", "date", "from", "to", "seats", "max_seat_minor", "adjacent", NULL};
  return list_holds(c, arg, "films", keys, fits_film, why);
}

/* All that stands, goods too where they are asked for. */
bool word_plan_total(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  json_t *orders = case_orders(c), *v;
  int64_t sum = 0;
  size_t i;
  json_array_foreach(orders, i, v)
    if (rk_json_bool(v, "standing", false)) sum += rk_json_i64(rk_json_obj(v, "order"), "total_minor", 0);
  json_decref(orders);
  if (!json_is_integer(arg)) return word_missed(why, "plan_total_max_minor: no number");
  return sum <= json_integer_value(arg) || word_missed(why, "plan_total_max_minor: asked %lld, got %lld", (long long)json_integer_value(arg), (long long)sum);
}

bool word_no_goods(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  json_t *orders = case_orders(c), *v;
  size_t i, n = 0;
  (void)arg;
  json_array_foreach(orders, i, v) n += rk_json_bool(v, "standing", false) && !rk_json_bool(v, "travel", false);
  json_decref(orders);
  return n == 0 || word_missed(why, "orders: asked no goods, got %zu", n);
}
