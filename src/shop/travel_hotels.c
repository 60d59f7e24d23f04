/* travel_hotels.c - the hotels of one group: one of each brand in each city.
 *
 * Rooms are counted for each night; a stay costs the sum of its nights. Two
 * rate plans share the rooms: `flex` can be cancelled, `saver` costs 8 % less
 * and cannot. */
#include <stdio.h>
#include <string.h>

#include "shop/travel_private.h"

enum { CHECK_IN_MIN = 14 * 60, CHECK_OUT_MIN = 12 * 60, SAVER_PERCENT = 92 };

static const struct room { const char *id, *flex_zh, *flex_en, *saver_zh, *saver_en; int32_t percent, guests; } rooms[] = {
    {"double", "大床房 可取消", "double room, flexible", "大床房 特惠", "double room, saver", 100, 2},
    {"twin", "双床房 可取消", "twin room, flexible", "双床房 特惠", "twin room, saver", 104, 3},
    {"family", "家庭房 可取消", "family room, flexible", "家庭房 特惠", "family room, saver", 132, 4},
};
enum { N_ROOMS = sizeof rooms / sizeof *rooms };

rk_err hotels_load(struct rk_travel *t, const char *dir, const char *common, struct rk_arena *a, struct rk_error *e) {
  rk_err err = rk_table_load(a, dir, "brands.tsv", 6, &t->brands, e);
  if (!err) err = rk_table_load(a, common, "districts.tsv", 3, &t->districts, e);
  for (int32_t i = 0; !err && i < t->brands.n_rows; i++)
    for (int32_t c = 3; !err && c < 6; c++) {
      int64_t n;
      if (!rk_str_i64(rk_str_c(rk_cell(&t->brands, i, c)), &n) || n < 1 || n > 100000)
        err = rk_fail(e, RK_EFORMAT, "%s: stars, price and rating of `%s` are whole numbers", t->brands.path, rk_cell(&t->brands, i, 0));
    }
  return err;
}

static int64_t brand_number(const struct rk_travel *t, int32_t brand, int32_t col) {
  int64_t n = 0;
  RK_ASSERT(rk_str_i64(rk_str_c(rk_cell(&t->brands, brand, col)), &n));
  return n;
}

static void hotel_id(const struct rk_travel *t, const struct rk_city *c, int32_t brand, char out[RK_TRAVEL_ID_BYTES]) {
  snprintf(out, RK_TRAVEL_ID_BYTES, "%s-%s", c->id, rk_cell(&t->brands, brand, 0));
}

int32_t hotels_rooms(const struct rk_travel *t, const char *hotel, const char *room, int32_t day) {
  char what[RK_TRAVEL_ID_BYTES + 24];
  snprintf(what, sizeof what, "%s.%s", hotel, room);
  return 2 + (int32_t)(travel_hash(t, what, day, 0) % 7);
}

static int64_t night_minor(const struct rk_travel *t, const char *hotel, const struct rk_city *c, int32_t brand, const struct room *room, int32_t day) {
  int32_t w = day_weekday(day), percent = (w == 5 || w == 6 ? 115 : 100) - 6 + (int32_t)(travel_hash(t, hotel, day, 1) % 13);
  return brand_number(t, brand, 4) * c->hotel_percent / 100 * percent / 100 * room->percent / 100 * 100;
}

static const char *district(const struct rk_travel *t, const struct rk_city *c, int32_t brand, int32_t col) {
  int32_t first = 0, n = 0;
  while (first < t->districts.n_rows && strcmp(rk_cell(&t->districts, first, 0), c->id) != 0) first++;
  while (first + n < t->districts.n_rows && strcmp(rk_cell(&t->districts, first + n, 0), c->id) == 0) n++;
  return n ? rk_cell(&t->districts, first + (int32_t)((travel_hash(t, c->id, 0, 2) + (uint64_t)brand) % (uint64_t)n), col) : "";
}

static void add_room(const struct rk_travel *t, struct rk_service *s, const char *hotel, int32_t brand, const struct room *room, int32_t day, int32_t end_day) {
  int64_t flex = 0, saver = 0;
  int32_t places = hotels_rooms(t, hotel, room->id, day);
  char id[24];
  for (int32_t d = day; d < end_day; d++) {
    int64_t night = night_minor(t, hotel, s->from, brand, room, d);
    int32_t left = hotels_rooms(t, hotel, room->id, d);
    flex += night;
    saver += night / 100 * SAVER_PERCENT / 100 * 100;
    if (left < places) places = left;
  }
  snprintf(id, sizeof id, "%s-flex", room->id);
  add_fare(s, id, room->flex_zh, room->flex_en, flex, -1, places)->guests = room->guests;
  snprintf(id, sizeof id, "%s-saver", room->id);
  struct rk_fare *f = add_fare(s, id, room->saver_zh, room->saver_en, saver, -1, places);
  f->guests = room->guests;
  f->refundable = false;
}

static void make_stay(const struct rk_travel *t, const struct rk_city *c, int32_t brand, int32_t day, int32_t end_day, struct rk_service *s) {
  char hotel[RK_TRAVEL_ID_BYTES];
  *s = (struct rk_service){.kind = RK_TRAVEL_STAY, .from = c, .name_zh = rk_cell(&t->brands, brand, 1), .name_en = rk_cell(&t->brands, brand, 2),
                           .place_zh = district(t, c, brand, 1), .place_en = district(t, c, brand, 2), .stars = (int32_t)brand_number(t, brand, 3),
                           .rating_tenths = (int32_t)brand_number(t, brand, 5)};
  hotel_id(t, c, brand, hotel);
  service_times(s, day, CHECK_IN_MIN, (end_day - day) * DAY_MINUTES - CHECK_IN_MIN + CHECK_OUT_MIN);
  snprintf(s->id, sizeof s->id, "%.30s.%s.%s", hotel, s->date, s->end_date);
  snprintf(s->zh, sizeof s->zh, "%s酒店（%s%s店）", s->name_zh, c->zh, s->place_zh);
  snprintf(s->en, sizeof s->en, "%s Hotel %s %s", s->name_en, c->en, s->place_en);
  for (int32_t i = 0; i < N_ROOMS; i++) add_room(t, s, hotel, brand, &rooms[i], day, end_day);
}

void hotels_search(struct search *s) {
  struct rk_service v;
  for (int32_t brand = 0; brand < s->t->brands.n_rows; brand++) {
    make_stay(s->t, s->city, brand, s->day, s->end_day, &v);
    search_add(s, &v);
  }
}

bool hotels_find(const struct rk_travel *t, rk_str id, int32_t day, int32_t end_day, struct rk_service *out) {
  char hotel[RK_TRAVEL_ID_BYTES];
  if (end_day <= day || end_day > day + RK_MAX_STAY_NIGHTS) return false;
  for (int32_t c = 0; c < t->n_cities; c++)
    for (int32_t brand = 0; brand < t->brands.n_rows; brand++) {
      hotel_id(t, &t->cities[c], brand, hotel);
      if (!rk_str_eq_c(id, hotel)) continue;
      make_stay(t, &t->cities[c], brand, day, end_day, out);
      return true;
    }
  return false;
}
