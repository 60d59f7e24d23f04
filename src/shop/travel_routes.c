/* travel_routes.c - trains and flights between the cities of the table.
 *
 * A number says pair of cities and place in the day's timetable, so that it can
 * be read back: number = BASE + (from * n_cities + to) * MAX_A_DAY + k. The
 * timetable is the same every day; prices and places differ. The first train
 * of a pair leaves in the early morning, the last one in the evening. */
#include <stdio.h>
#include <string.h>

#include "shop/travel_private.h"

enum { MAX_A_DAY = 16, TRAIN_BASE = 100, FLIGHT_BASE = 1000, FIRST_MIN = 395, LAST_MIN = 1235 };

struct route { const struct rk_city *from, *to; int32_t pair, n; double km; };

static bool route_of(const struct rk_travel *t, int32_t pair, bool flight, struct route *r) {
  if (pair < 0 || pair >= t->n_cities * t->n_cities || pair / t->n_cities == pair % t->n_cities) return false;
  r->pair = pair;
  r->from = &t->cities[pair / t->n_cities];
  r->to = &t->cities[pair % t->n_cities];
  r->km = city_km(r->from, r->to);
  if (flight && (r->km < 450 || !r->from->iata || !r->to->iata)) return false;
  double n = flight ? 3 + r->km / 500 : 14 - r->km / 200;
  r->n = n < 5 && !flight ? 5 : (int32_t)n;
  return true;
}

static int32_t pick(const struct rk_travel *t, const char *what, int64_t a, int64_t b, int32_t n) { return (int32_t)(travel_hash(t, what, a, b) % (uint64_t)n); }

/* Spread over the day, up to 25 minutes early or late, in steps of 5 (trains: single minutes). */
static int32_t start_of(const struct rk_travel *t, const struct route *r, int32_t k, bool flight) {
  int32_t step = (LAST_MIN - FIRST_MIN) / (r->n - 1), at = FIRST_MIN + k * step;
  if (k > 0 && k < r->n - 1) at += pick(t, "start", r->pair, k, 50) - 25;
  else at += k == 0 ? pick(t, "start", r->pair, k, 60) : -pick(t, "start", r->pair, k, 60);
  return flight ? at / 5 * 5 : at;
}

static bool weekend(int32_t day) {
  int32_t w = day_weekday(day);
  return w == 5 || w == 6 || w == 0;
}

static int64_t half_yuan(double yuan) { return (int64_t)(yuan * 2 + 0.5) * 50; }

static void titles(struct rk_service *s, const char *from_zh, const char *to_zh, const char *from_en, const char *to_en, const char *number) {
  snprintf(s->zh, sizeof s->zh, "%s %s %s → %s %s", number, from_zh, s->starts, to_zh, s->ends);
  snprintf(s->en, sizeof s->en, "%s %s %s → %s %s", number, from_en, s->starts, to_en, s->ends);
}

static void make_train(const struct rk_travel *t, const struct route *r, int32_t k, int32_t day, struct rk_service *s) {
  int64_t key = (int64_t)r->pair * MAX_A_DAY + k;
  double rail_km = r->km * 1.22, level = 0.46 * (0.94 + pick(t, "level", key, 0, 13) / 100.0) * (weekend(day) ? 1.05 : 1);
  int32_t slow = pick(t, "stops", key, 0, 5), minutes = (int32_t)(rail_km / 250 * 60) + 12 + slow * 7;
  bool sure = k == 0 || k == r->n - 1;
  char number[16];
  *s = (struct rk_service){.kind = RK_TRAVEL_TRAIN, .from = r->from, .to = r->to};
  snprintf(number, sizeof number, "G%d", (int)(TRAIN_BASE + key));
  service_times(s, day, start_of(t, r, k, false), minutes);
  snprintf(s->id, sizeof s->id, "%s.%s", number, s->date);
  titles(s, r->from->station_zh, r->to->station_zh, r->from->station_en, r->to->station_en, number);
  int64_t second = half_yuan(rail_km * level), first = half_yuan(rail_km * level * 1.6), business = half_yuan(rail_km * level * 3.1);
  add_fare(s, "second", "二等座", "second class", second, second / 100 * 50, (sure ? 24 : 0) + pick(t, "second", key, day, 60));
  add_fare(s, "first", "一等座", "first class", first, first / 100 * 50, pick(t, "first", key, day, 20));
  add_fare(s, "business", "商务座", "business class", business, business, pick(t, "business", key, day, 6));
}

static void make_flight(const struct rk_travel *t, const struct route *r, int32_t k, int32_t day, struct rk_service *s) {
  int64_t key = (int64_t)r->pair * MAX_A_DAY + k;
  double factor = (0.55 + pick(t, "factor", key, day, 70) / 100.0) * (weekend(day) ? 1.08 : 1), yuan = (360 + r->km * 0.36) * factor;
  int64_t economy = (int64_t)(yuan / 10 + 0.5) * 1000, business = (int64_t)(yuan * 2.6 / 10 + 0.5) * 1000;
  char number[16], from_zh[64], to_zh[64], from_en[64], to_en[64];
  *s = (struct rk_service){.kind = RK_TRAVEL_FLIGHT, .from = r->from, .to = r->to};
  snprintf(number, sizeof number, "YY%d", (int)(FLIGHT_BASE + key));
  service_times(s, day, start_of(t, r, k, true), 50 + (int32_t)(r->km / 13 / 5) * 5);
  snprintf(s->id, sizeof s->id, "%s.%s", number, s->date);
  snprintf(from_zh, sizeof from_zh, "%s%s", r->from->zh, r->from->airport_zh);
  snprintf(to_zh, sizeof to_zh, "%s%s", r->to->zh, r->to->airport_zh);
  snprintf(from_en, sizeof from_en, "%s %s", r->from->en, r->from->airport_en);
  snprintf(to_en, sizeof to_en, "%s %s", r->to->en, r->to->airport_en);
  titles(s, from_zh, to_zh, from_en, to_en, number);
  add_fare(s, "economy", "经济舱", "economy", economy, economy / 100 * 50, 4 + pick(t, "economy", key, day, 40));
  add_fare(s, "business", "商务舱", "business", business, business / 100 * 75, pick(t, "cabin", key, day, 8));
}

static void search_routes(struct search *s, bool flight) {
  struct route r;
  struct rk_service v;
  int32_t pair = (int32_t)(s->from - s->t->cities) * s->t->n_cities + (int32_t)(s->to - s->t->cities);
  if (!route_of(s->t, pair, flight, &r)) return;
  for (int32_t k = 0; k < r.n; k++) {
    if (flight) make_flight(s->t, &r, k, s->day, &v);
    else make_train(s->t, &r, k, s->day, &v);
    search_add(s, &v);
  }
}

void routes_search_trains(struct search *s) { search_routes(s, false); }
void routes_search_flights(struct search *s) { search_routes(s, true); }

/* "G1234" -> its route and place in the timetable. */
static bool read_number(const struct rk_travel *t, rk_str id, const char *prefix, int32_t base, bool flight, struct route *r, int32_t *k) {
  int64_t number;
  rk_str lead = rk_str_c(prefix);
  if (!rk_str_starts(id, lead) || !rk_str_i64((rk_str){id.p + lead.n, id.n - lead.n}, &number) || number < base || number > base + 100000) return false;
  char back[24];
  snprintf(back, sizeof back, "%s%d", prefix, (int)number);
  *k = (int32_t)(number - base) % MAX_A_DAY;
  return rk_str_eq_c(id, back) && route_of(t, (int32_t)(number - base) / MAX_A_DAY, flight, r) && *k < r->n;
}

bool routes_find_train(const struct rk_travel *t, rk_str id, int32_t day, int32_t end_day, struct rk_service *out) {
  (void)end_day;
  struct route r;
  int32_t k;
  if (!read_number(t, id, "G", TRAIN_BASE, false, &r, &k)) return false;
  make_train(t, &r, k, day, out);
  return true;
}

bool routes_find_flight(const struct rk_travel *t, rk_str id, int32_t day, int32_t end_day, struct rk_service *out) {
  (void)end_day;
  struct route r;
  int32_t k;
  if (!read_number(t, id, "YY", FLIGHT_BASE, true, &r, &k)) return false;
  make_flight(t, &r, k, day, out);
  return true;
}
