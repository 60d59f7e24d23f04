/* travel_venues.c - attractions (a ticket is for a day) and cinemas (a session in a hall). */
#include <stdio.h>
#include <string.h>

#include "shop/travel_private.h"

enum { SESSIONS = 5, FIRST_SESSION_MIN = 610, SESSION_STEP_MIN = 165, LARGE_HALL_EXTRA = 38, MAX_HALLS = 12 };

static bool whole(const struct rk_table *t, int32_t row, int32_t col, int64_t max, int64_t *out) {
  return rk_str_i64(rk_str_c(rk_cell(t, row, col)), out) && *out >= 0 && *out <= max;
}

static int64_t number(const struct rk_table *t, int32_t row, int32_t col) {
  int64_t n = 0;
  RK_ASSERT(whole(t, row, col, INT32_MAX, &n));
  return n;
}

static const struct rk_city *city_by_id(const struct rk_travel *t, const char *id) {
  for (int32_t i = 0; i < t->n_cities; i++)
    if (strcmp(t->cities[i].id, id) == 0) return &t->cities[i];
  return NULL;
}

/* "08:30" -> 510; -1: no time. */
static int32_t minute_of(const char *hhmm) {
  int64_t h, m;
  if (strlen(hhmm) != 5 || hhmm[2] != ':' || !rk_str_i64((rk_str){hhmm, 2}, &h) || !rk_str_i64((rk_str){hhmm + 3, 2}, &m) || h > 23 || m > 59) return -1;
  return (int32_t)(h * 60 + m);
}

/* ---- attractions ---- */

rk_err venues_load_attractions(struct rk_travel *t, const char *dir, const char *common, struct rk_arena *a, struct rk_error *e) {
  (void)common;
  rk_err err = rk_table_load(a, dir, "attractions.tsv", 9, &t->attractions, e);
  if (!err) err = rk_table_load(a, dir, "kinds.tsv", 2, &t->words, e);
  for (int32_t i = 0; !err && i < t->attractions.n_rows; i++) {
    const struct rk_table *x = &t->attractions;
    int64_t n;
    int32_t opens = minute_of(rk_cell(x, i, 7)), closes = minute_of(rk_cell(x, i, 8));
    if (!city_by_id(t, rk_cell(x, i, 1)) || !whole(x, i, 5, 100000, &n) || !whole(x, i, 6, 100000, &n) || opens < 0 || closes <= opens)
      err = rk_fail(e, RK_EFORMAT, "%s: city, prices or hours of `%s`", x->path, rk_cell(x, i, 0));
  }
  return err;
}

static void make_ticket(const struct rk_travel *t, int32_t row, int32_t day, struct rk_service *s) {
  const struct rk_table *x = &t->attractions;
  int32_t opens = minute_of(rk_cell(x, row, 7)), closes = minute_of(rk_cell(x, row, 8));
  *s = (struct rk_service){.kind = RK_TRAVEL_TICKET, .from = city_by_id(t, rk_cell(x, row, 1)), .what = rk_cell(x, row, 2),
                           .name_zh = rk_cell(x, row, 3), .name_en = rk_cell(x, row, 4)};
  service_times(s, day, closes, 0); /* on sale until it closes */
  s->ends_ms = s->starts_ms;
  snprintf(s->starts, sizeof s->starts, "%s", rk_cell(x, row, 7));
  snprintf(s->ends, sizeof s->ends, "%s", rk_cell(x, row, 8));
  snprintf(s->id, sizeof s->id, "%.40s.%s", rk_cell(x, row, 0), s->date);
  snprintf(s->zh, sizeof s->zh, "%s门票 %s", s->name_zh, s->date);
  snprintf(s->en, sizeof s->en, "%s ticket, %s", s->name_en, s->date);
  add_fare(s, "day", "门票", "day ticket", number(x, row, 5) * 100, number(x, row, 6) * 100, 40 + (int32_t)(travel_hash(t, s->id, opens, 0) % 400));
}

static const char *words_of_kind(const struct rk_travel *t, const char *kind) {
  for (int32_t i = 0; i < t->words.n_rows; i++)
    if (strcmp(rk_cell(&t->words, i, 0), kind) == 0) return rk_cell(&t->words, i, 1);
  return kind;
}

/* 0 no, 1 its kind is named, 2 the name has the query or the query the name. */
static int32_t fits_name(const struct rk_travel *t, rk_str name, int32_t row) {
  const char *zh = rk_cell(&t->attractions, row, 3), *en = rk_cell(&t->attractions, row, 4);
  char asked[128];
  if (name.n == 0) return 1;
  snprintf(asked, sizeof asked, "%.*s", (int)(name.n < sizeof asked ? name.n : sizeof asked - 1), name.p);
  if (words_named(rk_str_c(zh), asked) || words_named(rk_str_c(en), asked) || words_named(name, zh) || words_named(name, en)) return 2;
  return words_named(name, words_of_kind(t, rk_cell(&t->attractions, row, 2)));
}

void venues_search_tickets(struct search *s) {
  const struct rk_table *x = &s->t->attractions;
  struct rk_service v;
  int32_t best = 0;
  for (int32_t pass = 0; pass < 2; pass++)
    for (int32_t i = 0; i < x->n_rows; i++) {
      if (s->city && strcmp(rk_cell(x, i, 1), s->city->id) != 0) continue;
      int32_t fit = fits_name(s->t, s->q->name, i);
      if (pass == 0 && fit > best) best = fit;
      if (pass == 0 || fit == 0 || fit < best) continue;
      make_ticket(s->t, i, s->day, &v);
      search_add(s, &v);
    }
}

bool venues_find_ticket(const struct rk_travel *t, rk_str id, int32_t day, int32_t end_day, struct rk_service *out) {
  (void)end_day;
  for (int32_t i = 0; i < t->attractions.n_rows; i++)
    if (rk_str_eq_c(id, rk_cell(&t->attractions, i, 0))) {
      make_ticket(t, i, day, out);
      return true;
    }
  return false;
}

/* ---- cinemas ---- */

rk_err venues_load_cinemas(struct rk_travel *t, const char *dir, const char *common, struct rk_arena *a, struct rk_error *e) {
  (void)common;
  rk_err err = rk_table_load(a, dir, "films.tsv", 6, &t->films, e);
  if (!err) err = rk_table_load(a, dir, "cinemas.tsv", 8, &t->cinemas, e);
  int64_t n;
  for (int32_t i = 0; !err && i < t->films.n_rows; i++)
    if (!whole(&t->films, i, 3, 400, &n) || n < 1) err = rk_fail(e, RK_EFORMAT, "%s: minutes of `%s`", t->films.path, rk_cell(&t->films, i, 0));
  if (!err && t->films.n_rows == 0) err = rk_fail(e, RK_EFORMAT, "%s: no film", t->films.path);
  for (int32_t i = 0; !err && i < t->cinemas.n_rows; i++)
    if (!city_by_id(t, rk_cell(&t->cinemas, i, 1)) || !whole(&t->cinemas, i, 6, MAX_HALLS, &n) || n < 1 || !whole(&t->cinemas, i, 7, 500, &n))
      err = rk_fail(e, RK_EFORMAT, "%s: city, halls or price level of `%s`", t->cinemas.path, rk_cell(&t->cinemas, i, 0));
  return err;
}

/* Yuan of a usual seat; the afternoon stays below 60, the evening below 80. */
static int64_t seat_yuan(const struct rk_travel *t, const struct rk_service *s, int32_t start_min, int64_t level) {
  int64_t spread = (int64_t)(travel_hash(t, s->id, start_min, 0) % 9);
  int64_t base = start_min < 720 ? 30 : start_min < 1080 ? 40 : 54;
  return (base + spread) * level / 100;
}

static void make_film(const struct rk_travel *t, int32_t cinema, int32_t hall, int32_t k, int32_t day, struct rk_service *s) {
  const struct rk_table *x = &t->cinemas;
  int32_t film = (hall * 2 + k + day + cinema) % t->films.n_rows, start = FIRST_SESSION_MIN + k * SESSION_STEP_MIN + hall * 15 % 50;
  bool large = hall == 1;
  *s = (struct rk_service){.kind = RK_TRAVEL_FILM, .from = city_by_id(t, rk_cell(x, cinema, 1)), .name_zh = rk_cell(&t->films, film, 1),
                           .name_en = rk_cell(&t->films, film, 2), .place_zh = rk_cell(x, cinema, 4), .place_en = rk_cell(x, cinema, 5),
                           .what = rk_cell(&t->films, film, 5), .n_rows = large ? 12 : 8, .n_cols = large ? 18 : 12};
  service_times(s, day, start, (int32_t)number(&t->films, film, 3));
  snprintf(s->id, sizeof s->id, "%.30s-%d-%d.%s", rk_cell(x, cinema, 0), (int)hall, (int)k + 1, s->date);
  snprintf(s->zh, sizeof s->zh, "《%s》 %s %d号厅%s %s", s->name_zh, rk_cell(x, cinema, 2), (int)hall, large ? "（巨幕）" : "", s->starts);
  snprintf(s->en, sizeof s->en, "%s, %s, hall %d%s, %s", s->name_en, rk_cell(x, cinema, 3), (int)hall, large ? " (large screen)" : "", s->starts);
  int64_t price = (seat_yuan(t, s, start, number(x, cinema, 7)) + (large ? LARGE_HALL_EXTRA : 0)) * 100;
  unsigned char taken[RK_MAX_SEAT_ROWS * RK_MAX_SEAT_COLS];
  int32_t left = 0;
  rk_travel_seats(t, s, taken);
  for (int32_t i = 0; i < s->n_rows * s->n_cols; i++) left += !taken[i];
  add_fare(s, "seat", large ? "巨幕座位" : "座位", large ? "large screen seat" : "seat", price, price, left);
}

static bool film_named(const struct search *s, int32_t film) {
  char asked[128];
  rk_str name = s->q->name, zh = rk_str_c(rk_cell(&s->t->films, film, 1)), en = rk_str_c(rk_cell(&s->t->films, film, 2));
  if (name.n == 0) return true;
  snprintf(asked, sizeof asked, "%.*s", (int)(name.n < sizeof asked ? name.n : sizeof asked - 1), name.p);
  return words_named(zh, asked) || words_named(en, asked) || words_named(name, zh.p) || words_named(name, en.p) ||
         words_named(name, rk_cell(&s->t->films, film, 4)) || words_named(name, rk_cell(&s->t->films, film, 5));
}

static bool any_film_named(const struct search *s) {
  for (int32_t i = 0; i < s->t->films.n_rows; i++)
    if (film_named(s, i)) return true;
  return false;
}

static int32_t film_of(const struct rk_travel *t, const struct rk_service *s) {
  int32_t i = 0;
  while (rk_cell(&t->films, i, 1) != s->name_zh) i++;
  return i;
}

void venues_search_films(struct search *s) {
  const struct rk_table *x = &s->t->cinemas;
  struct rk_service v;
  if (!any_film_named(s)) return;
  for (int32_t c = 0; c < x->n_rows; c++)
    for (int32_t hall = 1; strcmp(rk_cell(x, c, 1), s->city->id) == 0 && hall <= number(x, c, 6); hall++)
      for (int32_t k = 0; k < SESSIONS; k++) {
        make_film(s->t, c, hall, k, s->day, &v);
        if (film_named(s, film_of(s->t, &v))) search_add(s, &v);
      }
}

/* "xidan-2-3": cinema, hall, session. */
bool venues_find_film(const struct rk_travel *t, rk_str id, int32_t day, int32_t end_day, struct rk_service *out) {
  (void)end_day;
  char back[64];
  for (int32_t c = 0; c < t->cinemas.n_rows; c++)
    for (int32_t hall = 1; hall <= number(&t->cinemas, c, 6); hall++)
      for (int32_t k = 0; k < SESSIONS; k++) {
        snprintf(back, sizeof back, "%.30s-%d-%d", rk_cell(&t->cinemas, c, 0), (int)hall, (int)k + 1);
        if (!rk_str_eq_c(id, back)) continue;
        make_film(t, c, hall, k, day, out);
        return true;
      }
  return false;
}
