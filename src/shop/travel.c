#include "shop/travel.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "shop/travel_private.h"

static const struct kind_ops kinds[] = {
    {"railway", RK_TRAVEL_TRAIN, NULL, routes_search_trains, routes_find_train},
    {"airline", RK_TRAVEL_FLIGHT, NULL, routes_search_flights, routes_find_flight},
    {"hotel", RK_TRAVEL_STAY, hotels_load, hotels_search, hotels_find},
    {"attraction", RK_TRAVEL_TICKET, venues_load_attractions, venues_search_tickets, venues_find_ticket},
    {"cinema", RK_TRAVEL_FILM, venues_load_cinemas, venues_search_films, venues_find_film},
};

/* ---- loading ---- */

static const struct kind_ops *ops_of(const struct rk_table *conf) {
  const char *kind;
  if (rk_conf_get(conf, "kind", &kind, NULL)) return NULL;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (strcmp(kinds[i].conf, kind) == 0) return &kinds[i];
  return NULL;
}

enum rk_travel_kind rk_travel_kind_of(const struct rk_table *conf) {
  const struct kind_ops *ops = ops_of(conf);
  return ops ? ops->kind : RK_TRAVEL_NONE;
}

enum rk_travel_kind rk_travel_kind(const struct rk_travel *t) { return t->ops->kind; }

static const char *or_null(const char *cell) { return strcmp(cell, "-") == 0 ? NULL : cell; }

static rk_err load_cities(struct rk_travel *t, const char *common, struct rk_arena *a, struct rk_error *e) {
  struct rk_table c;
  rk_err err = rk_table_load(a, common, "cities.tsv", 11, &c, e);
  if (err) return err;
  if (c.n_rows > RK_MAX_CITIES) return rk_fail(e, RK_ETOOBIG, "%s: more than %d cities", c.path, RK_MAX_CITIES);
  for (int32_t i = 0; i < c.n_rows; i++) {
    struct rk_city *y = &t->cities[t->n_cities++];
    int64_t percent;
    *y = (struct rk_city){.id = rk_cell(&c, i, 0), .zh = rk_cell(&c, i, 1), .en = rk_cell(&c, i, 2), .station_zh = rk_cell(&c, i, 5),
                          .station_en = rk_cell(&c, i, 6), .iata = or_null(rk_cell(&c, i, 7)), .airport_zh = rk_cell(&c, i, 8),
                          .airport_en = rk_cell(&c, i, 9)};
    if (!rk_str_f64(rk_str_c(rk_cell(&c, i, 3)), &y->lat) || !rk_str_f64(rk_str_c(rk_cell(&c, i, 4)), &y->lon) ||
        !rk_str_i64(rk_str_c(rk_cell(&c, i, 10)), &percent) || percent < 10 || percent > 500)
      return rk_fail(e, RK_EFORMAT, "%s: place or price level of `%s`", c.path, y->id);
    y->hotel_percent = (int32_t)percent;
  }
  return RK_OK;
}

rk_err rk_travel_load(const char *dir, const struct rk_table *conf, struct rk_arena *a, struct rk_travel **out, struct rk_error *e) {
  struct rk_travel *t = rk_arena_alloc(a, sizeof *t);
  const char *common = rk_arena_printf(a, "%s/../common", dir), *seed;
  if (!t || !common) return rk_fail(e, RK_ETOOBIG, "%s: too large", dir);
  t->ops = ops_of(conf);
  if (!t->ops) return rk_fail(e, RK_EFORMAT, "%s: kind is railway, airline, hotel, attraction or cinema", conf->path);
  rk_err err = rk_conf_get(conf, "seed", &seed, e);
  if (!err && !rk_str_i64(rk_str_c(seed), &t->seed)) err = rk_fail(e, RK_EFORMAT, "%s: seed is a whole number", conf->path);
  if (!err) err = load_cities(t, common, a, e);
  if (!err && t->ops->load) err = t->ops->load(t, dir, common, a, e);
  if (!err) *out = t;
  return err;
}

/* ---- what the kinds share ---- */

uint64_t travel_hash(const struct rk_travel *t, const char *what, int64_t a, int64_t b) {
  uint64_t h = (uint64_t)t->seed * 0x9e3779b97f4a7c15u + (uint64_t)a * 0xd6e8feb86659fd93u + (uint64_t)b;
  for (; *what; what++) h = (h ^ (unsigned char)*what) * 0x100000001b3u;
  h ^= h >> 32;
  h *= 0xbf58476d1ce4e5b9u;
  return h ^ (h >> 29);
}

/* Days of the civil calendar: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
void day_iso(int32_t day, char out[11]) {
  int32_t z = day + 719468, era = z / 146097, doe = z - era * 146097;
  int32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
  int32_t d = doy - (153 * mp + 2) / 5 + 1, m = mp < 10 ? mp + 3 : mp - 9, y = yoe + era * 400 + (m <= 2);
  rk_date_iso(&(struct rk_date){.year = y, .month = m, .day = d}, out);
}

bool day_parse(rk_str iso, int32_t *day) {
  int64_t y, m, d;
  char back[11];
  if (iso.n != 10 || iso.p[4] != '-' || iso.p[7] != '-' || !rk_str_i64((rk_str){iso.p, 4}, &y) || !rk_str_i64((rk_str){iso.p + 5, 2}, &m) ||
      !rk_str_i64((rk_str){iso.p + 8, 2}, &d) || y < 1971)
    return false;
  *day = (int32_t)(rk_date_ms(&(struct rk_date){.year = (int)y, .month = (int)m, .day = (int)d}) / DAY_MS);
  day_iso(*day, back);
  return rk_str_eq_c(iso, back);
}

int32_t day_weekday(int32_t day) { return (day + 4) % 7; }

static int64_t at_ms(int32_t day, int32_t minute) { return (int64_t)day * DAY_MS + ((int64_t)minute - ZONE_MINUTES) * MINUTE_MS; }

static void clock_text(int32_t minute, char out[6]) {
  minute %= DAY_MINUTES;
  out[0] = (char)('0' + minute / 600);
  out[1] = (char)('0' + minute / 60 % 10);
  out[2] = ':';
  out[3] = (char)('0' + minute % 60 / 10);
  out[4] = (char)('0' + minute % 10);
  out[5] = 0;
}

void service_times(struct rk_service *s, int32_t day, int32_t start_min, int32_t minutes) {
  day_iso(day, s->date);
  day_iso(day + (start_min + minutes) / DAY_MINUTES, s->end_date);
  clock_text(start_min, s->starts);
  clock_text(start_min + minutes, s->ends);
  s->starts_ms = at_ms(day, start_min);
  s->ends_ms = at_ms(day, start_min + minutes);
}

struct rk_fare *add_fare(struct rk_service *s, const char *id, const char *zh, const char *en, int64_t adult_minor, int64_t child_minor, int32_t places) {
  RK_ASSERT(s->n_fares < RK_MAX_FARES);
  struct rk_fare *f = &s->fares[s->n_fares++];
  *f = (struct rk_fare){.zh = zh, .en = en, .adult_minor = adult_minor, .child_minor = child_minor, .places = places, .guests = 1, .refundable = true};
  snprintf(f->id, sizeof f->id, "%s", id);
  return f;
}

bool rk_travel_on_sale(const struct rk_service *s, int64_t now_ms) {
  return s->starts_ms > now_ms && s->starts_ms < now_ms + (int64_t)(RK_TRAVEL_DAYS + 1) * DAY_MS;
}

void search_add(struct search *s, const struct rk_service *v) {
  int32_t start = (v->starts[0] - '0') * 600 + (v->starts[1] - '0') * 60 + (v->starts[3] - '0') * 10 + (v->starts[4] - '0');
  if (s->n == s->max || start < s->q->after_min || (s->q->before_min && start > s->q->before_min)) return;
  if (rk_travel_on_sale(v, s->now_ms)) s->out[s->n++] = *v;
}

double city_km(const struct rk_city *a, const struct rk_city *b) {
  double rad = 3.14159265358979323846 / 180, x = (b->lat - a->lat) * rad / 2, y = (b->lon - a->lon) * rad / 2;
  double h = sin(x) * sin(x) + cos(a->lat * rad) * cos(b->lat * rad) * sin(y) * sin(y);
  return 12742 * asin(sqrt(h));
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

static bool stands_in(rk_str text, rk_str word) {
  for (size_t i = 0; word.n && i + word.n <= text.n; i++) {
    size_t k = 0;
    while (k < word.n && lower(text.p[i + k]) == lower(word.p[k])) k++;
    if (k == word.n) return true;
  }
  return false;
}

bool words_named(rk_str text, const char *phrases) {
  rk_str rest = rk_str_c(phrases), one;
  while (rest.n) {
    rk_str_cut(rest, '/', &one, &rest);
    if (stands_in(text, one)) return true;
  }
  return false;
}

/* ---- search ---- */

static bool same_word(rk_str a, const char *b) { return a.n == strlen(b) && stands_in(a, rk_str_c(b)); }

static const struct rk_city *city_named(const struct rk_travel *t, rk_str name) {
  name = rk_str_trim(name);
  if (rk_str_ends(name, RK_STR("市"))) name.n -= strlen("市");
  for (int32_t i = 0; i < t->n_cities; i++)
    if (same_word(name, t->cities[i].id) || same_word(name, t->cities[i].zh) || same_word(name, t->cities[i].en)) return &t->cities[i];
  return NULL;
}

static rk_err read_city(const struct rk_travel *t, const char *field, rk_str name, const struct rk_city **out, struct rk_error *e) {
  *out = city_named(t, name);
  if (*out) return RK_OK;
  char all[256];
  size_t n = 0;
  for (int32_t i = 0; i < t->n_cities && n < sizeof all; i++) n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", i ? " " : "", t->cities[i].zh);
  return rk_fail(e, RK_EINVAL, "%s: there is no city `%.*s` here; there are %s", field, (int)(name.n < 40 ? name.n : 40), name.p ? name.p : "", all);
}

static rk_err read_day(const char *field, rk_str iso, int32_t today, int32_t *day, struct rk_error *e) {
  char first[11], last[11];
  day_iso(today, first);
  day_iso(today + RK_TRAVEL_DAYS, last);
  if (day_parse(iso, day) && *day >= today && *day <= today + RK_TRAVEL_DAYS) return RK_OK;
  return rk_fail(e, RK_EINVAL, "%s: a day from %s to %s as YYYY-MM-DD", field, first, last);
}

static rk_err read_query(struct search *s, struct rk_error *e) {
  const struct rk_travel_query *q = s->q;
  enum rk_travel_kind kind = s->t->ops->kind;
  int32_t today = (int32_t)((s->now_ms + (int64_t)ZONE_MINUTES * MINUTE_MS) / DAY_MS);
  bool route = kind == RK_TRAVEL_TRAIN || kind == RK_TRAVEL_FLIGHT;
  rk_err err = RK_OK;
  if (q->after_min < 0 || q->after_min >= DAY_MINUTES || q->before_min < 0 || q->before_min > DAY_MINUTES)
    return rk_fail(e, RK_EINVAL, "after, before: minutes of a day, 0 to %d", DAY_MINUTES);
  if (route) err = read_city(s->t, "from", q->from, &s->from, e);
  if (route && !err) err = read_city(s->t, "to", q->to, &s->to, e);
  if (route && !err && s->from == s->to) err = rk_fail(e, RK_EINVAL, "from and to are the same city");
  bool anywhere = kind == RK_TRAVEL_TICKET && q->city.n == 0 && q->name.n > 0; /* an attraction by its name alone */
  if (!route && !anywhere) err = read_city(s->t, "city", q->city, &s->city, e);
  if (!err) err = read_day("date", q->date, today, &s->day, e);
  if (err || kind != RK_TRAVEL_STAY) return err;
  err = read_day("end_date", q->end_date, today, &s->end_day, e);
  if (!err && (s->end_day <= s->day || s->end_day > s->day + RK_MAX_STAY_NIGHTS))
    err = rk_fail(e, RK_EINVAL, "end_date: 1 to %d nights after date", RK_MAX_STAY_NIGHTS);
  return err;
}

static int by_start(const void *a, const void *b) {
  const struct rk_service *x = a, *y = b;
  return x->starts_ms != y->starts_ms ? (x->starts_ms > y->starts_ms) - (x->starts_ms < y->starts_ms) : strcmp(x->id, y->id);
}

rk_err rk_travel_search(const struct rk_travel *t, const struct rk_travel_query *q, int64_t now_ms, struct rk_service *out, int32_t max,
                        int32_t *n, struct rk_error *e) {
  struct search s = {.t = t, .q = q, .now_ms = now_ms, .out = out, .max = max};
  *n = 0;
  rk_err err = read_query(&s, e);
  if (err) return err;
  t->ops->search(&s);
  qsort(out, (size_t)s.n, sizeof *out, by_start);
  *n = s.n;
  return RK_OK;
}

bool rk_travel_find(const struct rk_travel *t, rk_str service_id, struct rk_service *out) {
  rk_str id, date, end;
  int32_t day, end_day = 0;
  *out = (struct rk_service){0};
  if (service_id.n >= RK_TRAVEL_ID_BYTES || !rk_str_cut(service_id, '.', &id, &date)) return false;
  bool stay = rk_str_cut(date, '.', &date, &end);
  if (stay != (t->ops->kind == RK_TRAVEL_STAY) || !day_parse(date, &day) || (stay && !day_parse(end, &end_day))) return false;
  return t->ops->find(t, id, day, end_day, out);
}

/* ---- items ---- */

/* "a.b.c" -> "a.b" and "c". */
static bool cut_last(rk_str s, rk_str *before, rk_str *after) {
  size_t i = s.n;
  while (i > 0 && s.p[i - 1] != '.') i--;
  if (i == 0) return false;
  *before = (rk_str){s.p, i - 1};
  *after = (rk_str){s.p + i, s.n - i};
  return true;
}

bool rk_travel_find_item(const struct rk_travel *t, rk_str item_id, struct rk_travel_item *out) {
  rk_str rest, fare, who;
  *out = (struct rk_travel_item){0};
  if (!cut_last(item_id, &rest, &who) || !cut_last(rest, &rest, &fare) || !rk_travel_find(t, rest, &out->service)) return false;
  bool stay = t->ops->kind == RK_TRAVEL_STAY;
  out->child = rk_str_eq(who, RK_STR("child"));
  if (!rk_str_eq(who, stay ? RK_STR("room") : out->child ? RK_STR("child") : RK_STR("adult"))) return false;
  for (int32_t i = 0; i < out->service.n_fares && !out->fare; i++)
    if (rk_str_eq_c(fare, out->service.fares[i].id)) out->fare = &out->service.fares[i];
  if (!out->fare) return false;
  out->price_minor = out->child ? out->fare->child_minor : out->fare->adult_minor;
  return true;
}

void rk_travel_item_id(const struct rk_service *s, const struct rk_fare *f, bool child, char out[RK_TRAVEL_ID_BYTES + 40]) {
  snprintf(out, RK_TRAVEL_ID_BYTES + 40, "%s.%s.%s", s->id, f->id, s->kind == RK_TRAVEL_STAY ? "room" : child ? "child" : "adult");
}

int32_t rk_travel_stocks(const struct rk_travel *t, const struct rk_travel_item *i, struct rk_stock out[RK_MAX_STAY_NIGHTS]) {
  if (t->ops->kind != RK_TRAVEL_STAY) {
    snprintf(out[0].key, sizeof out[0].key, "%s.%s", i->service.id, i->fare->id);
    out[0].places = i->fare->places;
    return 1;
  }
  int32_t first = 0, last = 0, n = 0;
  RK_ASSERT(day_parse(rk_str_c(i->service.date), &first) && day_parse(rk_str_c(i->service.end_date), &last));
  rk_str hotel, dates, room, plan;
  rk_str_cut(rk_str_c(i->service.id), '.', &hotel, &dates);
  rk_str_cut(rk_str_c(i->fare->id), '-', &room, &plan);
  char hotel_id[64], room_id[24], night[11];
  snprintf(hotel_id, sizeof hotel_id, "%.*s", RK_STR_ARG(hotel));
  snprintf(room_id, sizeof room_id, "%.*s", RK_STR_ARG(room));
  for (int32_t day = first; day < last && n < RK_MAX_STAY_NIGHTS; day++, n++) {
    day_iso(day, night);
    snprintf(out[n].key, sizeof out[n].key, "%s.%s.%s", hotel_id, night, room_id);
    out[n].places = hotels_rooms(t, hotel_id, room_id, day);
  }
  return n;
}

/* ---- refunds ---- */

struct fee_step { int64_t before_min; int32_t percent; }; /* at least so long before the start */

static bool fee_percent(const struct fee_step *steps, size_t n, int64_t left_ms, int32_t *percent) {
  for (size_t i = 0; i < n; i++)
    if (left_ms >= steps[i].before_min * MINUTE_MS) {
      *percent = steps[i].percent;
      return true;
    }
  return false;
}

bool rk_travel_refund_fee(const struct rk_travel *t, const struct rk_travel_item *i, int64_t paid_minor, int64_t now_ms, int64_t *fee_minor) {
  static const struct fee_step train[] = {{8 * DAY_MINUTES, 0}, {2 * DAY_MINUTES, 5}, {DAY_MINUTES, 10}, {0, 20}};
  static const struct fee_step flight[] = {{7 * DAY_MINUTES, 10}, {2 * DAY_MINUTES, 20}, {240, 30}, {0, 50}};
  static const struct fee_step film[] = {{120, 5}, {30, 20}};
  int64_t left_ms = i->service.starts_ms - now_ms;
  int32_t percent = 0, day = 0;
  bool back = false;
  RK_ASSERT(day_parse(rk_str_c(i->service.date), &day));
  switch (t->ops->kind) {
    case RK_TRAVEL_TRAIN: back = left_ms > 0 && fee_percent(train, 4, left_ms, &percent); break;
    case RK_TRAVEL_FLIGHT: back = left_ms > 0 && fee_percent(flight, 4, left_ms, &percent); break;
    case RK_TRAVEL_FILM: back = fee_percent(film, 2, left_ms, &percent); break;
    case RK_TRAVEL_TICKET: back = now_ms < at_ms(day, 0); break;
    case RK_TRAVEL_STAY: {
      int32_t end = 0;
      RK_ASSERT(day_parse(rk_str_c(i->service.end_date), &end));
      bool early = now_ms < at_ms(day - 1, 18 * 60);
      back = i->fare->refundable && left_ms > 0 && (early || end - day > 1);
      if (back) *fee_minor = early ? 0 : paid_minor / (end - day);
      else *fee_minor = paid_minor;
      return back;
    }
    case RK_TRAVEL_NONE: break;
  }
  *fee_minor = back ? (paid_minor * percent + 99) / 100 : paid_minor;
  return back;
}

bool rk_travel_change_fee(const struct rk_travel *t, const struct rk_travel_item *i, int64_t paid_minor, int64_t now_ms, int64_t *fee_minor) {
  static const struct fee_step train[] = {{2 * DAY_MINUTES, 0}, {0, 5}}, flight[] = {{7 * DAY_MINUTES, 5}, {2 * DAY_MINUTES, 10}, {240, 20}, {0, 30}}, film[] = {{120, 0}};
  int64_t left_ms = i->service.starts_ms - now_ms;
  int32_t percent = 0, day = 0;
  bool may = false;
  RK_ASSERT(day_parse(rk_str_c(i->service.date), &day));
  switch (t->ops->kind) {
    case RK_TRAVEL_TRAIN: may = left_ms > 0 && fee_percent(train, 2, left_ms, &percent); break;
    case RK_TRAVEL_FLIGHT: may = left_ms > 0 && fee_percent(flight, 4, left_ms, &percent); break;
    case RK_TRAVEL_FILM: may = fee_percent(film, 1, left_ms, &percent); break;
    case RK_TRAVEL_TICKET: may = now_ms < at_ms(day, 0); break;
    case RK_TRAVEL_STAY: may = i->fare->refundable && now_ms < at_ms(day - 1, 18 * 60); break;
    case RK_TRAVEL_NONE: break;
  }
  *fee_minor = (paid_minor * percent + 99) / 100;
  return may;
}

/* ---- seats ---- */

void rk_travel_seats(const struct rk_travel *t, const struct rk_service *s, unsigned char taken[RK_MAX_SEAT_ROWS * RK_MAX_SEAT_COLS]) {
  uint64_t free_row = travel_hash(t, s->id, 0, -1) % (uint64_t)(s->n_rows - 3) + 3;
  for (int32_t r = 0; r < s->n_rows; r++)
    for (int32_t c = 0; c < s->n_cols; c++)
      taken[r * s->n_cols + c] = (uint64_t)r != free_row && travel_hash(t, s->id, r, c) % 100 < 38;
}

/* Twice the distance from the middle of row 2/3 back, rows counting double: small is good. */
static int32_t seat_cost(const struct rk_service *s, int32_t row, int32_t col2) {
  int32_t dr = 3 * row - 2 * (s->n_rows - 1), dc = col2 - (s->n_cols - 1);
  return (dr < 0 ? -dr : dr) * 2 + (dc < 0 ? -dc : dc);
}

static bool pick_together(const struct rk_service *s, const unsigned char *taken, int32_t n, int32_t seats[]) {
  int32_t best = -1, best_cost = 0;
  for (int32_t r = 0; r < s->n_rows; r++)
    for (int32_t c = 0; c + n <= s->n_cols; c++) {
      int32_t k = 0;
      while (k < n && !taken[r * s->n_cols + c + k]) k++;
      int32_t cost = seat_cost(s, r, 2 * c + n - 1);
      if (k == n && (best < 0 || cost < best_cost)) best = r * s->n_cols + c, best_cost = cost;
    }
  for (int32_t k = 0; best >= 0 && k < n; k++) seats[k] = best + k;
  return best >= 0;
}

bool rk_travel_pick_seats(const struct rk_service *s, const unsigned char *taken, int32_t n, int32_t seats[], bool *adjacent) {
  unsigned char mine[RK_MAX_SEAT_ROWS * RK_MAX_SEAT_COLS];
  size_t size = (size_t)(s->n_rows * s->n_cols);
  *adjacent = pick_together(s, taken, n, seats);
  if (*adjacent) return true;
  memcpy(mine, taken, size);
  for (int32_t k = 0; k < n; k++) {
    if (!pick_together(s, mine, 1, &seats[k])) return false;
    mine[seats[k]] = 1;
  }
  return true;
}

void rk_travel_seat_name(const struct rk_service *s, int32_t seat, bool en, char out[32]) {
  snprintf(out, 32, en ? "row %d seat %d" : "%d排%d座", (int)(seat / s->n_cols + 1), (int)(seat % s->n_cols + 1));
}
