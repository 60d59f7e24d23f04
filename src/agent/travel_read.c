/* travel_read.c - slots of a trip, checked and brought into one form. */
#include <stdio.h>
#include <string.h>

#include "agent/travel.h"
#include "base/utf8.h"

enum { DAY_MINUTES = 1440, MAX_NIGHTS = 60 };

static const unsigned routes = RK_TRIP_BIT(RK_TRIP_TRAIN) | RK_TRIP_BIT(RK_TRIP_FLIGHT);

const char *rk_trip_category(enum rk_trip_kind kind) {
  static const char *const names[] = {"train", "flight", "hotel", "ticket", "film"};
  return names[kind];
}

static const char *const kind_words[] = {
    [RK_TRIP_TRAIN] = "高铁|动车|火车|列车|车票|train|trains|railway|rail|high-speed",
    [RK_TRIP_FLIGHT] = "飞机|机票|航班|flight|flights|fly|plane|airline",
    [RK_TRIP_STAY] = "酒店|宾馆|旅馆|住宿|住一晚|住两晚|hotel|hotels|room for|accommodation|stay at|stay in",
    [RK_TRIP_TICKET] = "门票|景点|景区|动物园|博物馆|故宫|乐园|zoo|museum|attraction|entrance ticket|entrance tickets|admission|theme park",
    [RK_TRIP_FILM] = "电影|影院|看片|film|films|movie|movies|cinema"};

rk_str rk_trip_word(enum rk_trip_kind kind, rk_str s) {
  size_t n = 0;
  ptrdiff_t at = rk_words_find(s, kind_words[kind], &n);
  return at < 0 ? (rk_str){"", 0} : (rk_str){s.p + at, n};
}

unsigned rk_trip_said(rk_str s) {
  unsigned said = 0;
  for (int k = 0; k < RK_N_TRIP_KINDS; k++)
    if (rk_words_has(s, kind_words[k])) said |= RK_TRIP_BIT(k);
  return said;
}

/* ---- one slot ---- */

static bool given(const json_t *slots, const char *key) {
  const json_t *v = json_object_get(slots, key);
  return v && !json_is_null(v) && !(json_is_string(v) && rk_str_trim(rk_json_str(slots, key)).n == 0);
}

static rk_err read_text(const json_t *slots, const char *key, char *out, size_t size, struct rk_error *e) {
  if (!given(slots, key)) return RK_OK;
  rk_str s = rk_str_trim(rk_json_str(slots, key));
  if (s.n == 0) return rk_fail(e, RK_EINVAL, "%s: a text is wanted", key);
  if (s.n >= size) return rk_fail(e, RK_EINVAL, "%s: at most %zu bytes", key, size - 1);
  rk_utf8_copy(out, size, s);
  return RK_OK;
}

static rk_err need(const char *key, const char *value, struct rk_error *e) {
  return value[0] ? RK_OK : rk_fail(e, RK_EINVAL, "%s is missing: ask the user for it when the user has not said it", key);
}

static bool is_iso(rk_str s) {
  if (s.n != 10) return false;
  for (size_t i = 0; i < s.n; i++)
    if (i == 4 || i == 7 ? s.p[i] != '-' : s.p[i] < '0' || s.p[i] > '9') return false;
  return true;
}

/* In words or as ISO, from today on. */
static rk_err read_date(const json_t *slots, const char *key, int64_t now_ms, char out[11], struct rk_error *e) {
  struct rk_buf text;
  char iso[11], today[11];
  size_t at, n;
  struct rk_date d = rk_local_date(now_ms);
  rk_date_iso(&d, today);
  if (!given(slots, key)) return RK_OK;
  rk_buf_init(&text, 1024);
  rk_err err = rk_words_normal(&text, rk_str_trim(rk_json_str(slots, key)));
  rk_str s = rk_buf_str(&text);
  bool known = !err && rk_dates_find(s, now_ms, iso, &at, &n) && !(is_iso(s) && !rk_str_eq_c(s, iso)); /* no 30th of February */
  if (known) memcpy(out, iso, sizeof iso);
  else err = rk_fail(e, RK_EINVAL, "%s: `%.40s` is no day from %s on; write it as YYYY-MM-DD or as the user said it", key, s.n ? s.p : "", today);
  rk_buf_release(&text);
  return err;
}

/* "HH:MM", "9", "24:00". */
static rk_err read_clock(const json_t *slots, const char *key, int32_t *out, struct rk_error *e) {
  int64_t h = -1, m = 0;
  *out = 0;
  if (!given(slots, key)) return RK_OK;
  rk_str s = rk_str_trim(rk_json_str(slots, key)), hour, minute;
  bool cut = rk_str_cut(s, ':', &hour, &minute);
  bool ok = rk_str_i64(hour, &h) && (!cut || (minute.n == 2 && rk_str_i64(minute, &m))) && h >= 0 && m >= 0 && m < 60 && h * 60 + m <= DAY_MINUTES;
  if (!ok) return rk_fail(e, RK_EINVAL, "%s: a time of the day as HH:MM", key);
  *out = (int32_t)(h * 60 + m);
  return RK_OK;
}

static rk_err read_count(const json_t *slots, const char *key, int32_t *out, struct rk_error *e) {
  const json_t *v = json_object_get(slots, key);
  if (!given(slots, key)) return RK_OK;
  if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > RK_MAX_TRAVELERS)
    return rk_fail(e, RK_EINVAL, "%s: a whole number up to %d", key, RK_MAX_TRAVELERS);
  *out = (int32_t)json_integer_value(v);
  return RK_OK;
}

/* ---- what a kind wants ---- */

static rk_err read_route(const json_t *slots, struct rk_trip *t, struct rk_error *e) {
  rk_err err = read_text(slots, "from", t->from, sizeof t->from, e);
  if (!err) err = read_text(slots, "to", t->to, sizeof t->to, e);
  if (!err) err = need("from", t->from, e);
  if (!err) err = need("to", t->to, e);
  if (!err && strcmp(t->from, t->to) == 0) err = rk_fail(e, RK_EINVAL, "from and to are both %s: name two cities", t->from);
  return err;
}

static rk_err read_nights(const json_t *slots, int64_t now_ms, struct rk_trip *t, struct rk_error *e) {
  int64_t nights = rk_json_i64(slots, "nights", 0);
  if (given(slots, "end_date")) {
    rk_err err = read_date(slots, "end_date", now_ms, t->end_date, e);
    if (err) return err;
  } else if (nights >= 1 && nights <= MAX_NIGHTS) {
    struct rk_date d = {0};
    if (sscanf(t->date, "%4d-%2d-%2d", &d.year, &d.month, &d.day) != 3) return rk_fail(e, RK_EINVAL, "the day of arrival is missing");
    d.day += (int)nights;
    d.hour = 12;
    d.utc_offset_minutes = rk_local_date(now_ms).utc_offset_minutes;
    d = rk_local_date(rk_date_ms(&d));
    rk_date_iso(&d, t->end_date);
  } else {
    return rk_fail(e, RK_EINVAL, "the day of leaving is missing: name it, or the nights");
  }
  if (strcmp(t->end_date, t->date) <= 0) return rk_fail(e, RK_EINVAL, "the day of leaving (%s) is not after the day of arrival (%s)", t->end_date, t->date);
  return RK_OK;
}

static rk_err read_party(const json_t *slots, struct rk_trip *t, struct rk_error *e) {
  int32_t seats = 0;
  rk_err err = read_count(slots, "adults", &t->adults, e);
  if (!err) err = read_count(slots, "children", &t->children, e);
  if (!err && t->kinds == RK_TRIP_BIT(RK_TRIP_FILM)) err = read_count(slots, "seats", &seats, e);
  if (err) return err;
  if (seats) t->adults = seats, t->children = 0;
  if (t->kinds == RK_TRIP_BIT(RK_TRIP_STAY) && !given(slots, "adults")) t->adults = 1;
  int32_t all = t->adults + t->children;
  if (all < 1) return rk_fail(e, RK_EINVAL, "nobody goes: say how many adults and children; ask the user when the user has not said it");
  if (all > RK_MAX_TRAVELERS) return rk_fail(e, RK_EINVAL, "%d people: at most %d book together", (int)all, RK_MAX_TRAVELERS);
  bool alone = t->adults == 0 && (t->kinds & (routes | RK_TRIP_BIT(RK_TRIP_STAY)));
  return alone ? rk_fail(e, RK_EINVAL, "children do not go alone: at least one adult") : RK_OK;
}

static rk_err read_wish(const json_t *slots, enum rk_wish *out, struct rk_error *e) {
  static const struct { const char *word; enum rk_wish wish; } wishes[] = {{"cheapest", RK_WISH_CHEAPEST}, {"earliest", RK_WISH_SOONEST}, {"rating", RK_WISH_RATING}};
  if (!given(slots, "wish")) return RK_OK;
  for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++)
    if (rk_str_eq_c(rk_json_str(slots, "wish"), wishes[i].word)) {
      *out = wishes[i].wish;
      return RK_OK;
    }
  return rk_fail(e, RK_EINVAL, "wish is cheapest, earliest or rating");
}

rk_err rk_trip_read(unsigned kinds, const json_t *slots, int64_t now_ms, struct rk_trip *out, struct rk_error *e) {
  bool is_route = (kinds & routes) && !(kinds & ~routes), is_stay = kinds == RK_TRIP_BIT(RK_TRIP_STAY), is_film = kinds == RK_TRIP_BIT(RK_TRIP_FILM);
  *out = (struct rk_trip){.kinds = kinds};
  rk_err err = RK_OK;
  if (is_route) err = read_route(slots, out, e);
  else err = read_text(slots, "city", out->city, sizeof out->city, e);
  if (!err && !is_route && !is_stay) err = read_text(slots, "name", out->name, sizeof out->name, e);
  bool by_name = kinds == RK_TRIP_BIT(RK_TRIP_TICKET) && out->name[0]; /* an attraction is found by its name too */
  if (!err && !is_route && !by_name) err = need("city", out->city, e);
  if (!err) err = read_date(slots, "date", now_ms, out->date, e);
  if (!err) err = need("date", out->date, e);
  if (!err && is_stay) err = read_nights(slots, now_ms, out, e);
  if (!err && (is_route || is_film)) err = read_clock(slots, "after", &out->after_min, e);
  if (!err && (is_route || is_film)) err = read_clock(slots, "before", &out->before_min, e);
  if (!err && out->before_min && out->before_min <= out->after_min) err = rk_fail(e, RK_EINVAL, "before is not later than after: nothing starts between them");
  if (!err) err = read_text(slots, "fare", out->fare, sizeof out->fare, e);
  if (!err) err = read_party(slots, out, e);
  if (!err) err = read_wish(slots, &out->wish, e);
  out->adjacent = is_film && rk_json_bool(slots, "adjacent", true);
  return err;
}

static void put_clock(json_t *v, const char *key, int32_t minute) {
  if (minute) json_object_set_new(v, key, json_sprintf("%02d:%02d", (int)(minute / 60), (int)(minute % 60)));
}

static void put_text(json_t *v, const char *key, const char *text) {
  if (text[0]) json_object_set_new(v, key, json_string(text));
}

json_t *rk_trip_slots(const struct rk_trip *t) {
  static const char *const wishes[] = {[RK_WISH_CHEAPEST] = "cheapest", [RK_WISH_RATING] = "rating", [RK_WISH_SOONEST] = "earliest"};
  json_t *v = json_pack("{s:i, s:i}", "adults", (int)t->adults, "children", (int)t->children);
  const struct { const char *key, *text; } texts[] = {{"from", t->from}, {"to", t->to}, {"city", t->city}, {"name", t->name}, {"date", t->date},
                                                      {"end_date", t->end_date}, {"fare", t->fare}};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) put_text(v, texts[i].key, texts[i].text);
  put_clock(v, "after", t->after_min);
  put_clock(v, "before", t->before_min);
  if (t->kinds == RK_TRIP_BIT(RK_TRIP_FILM)) json_object_set_new(v, "adjacent", json_boolean(t->adjacent));
  if (t->wish == RK_WISH_CHEAPEST || t->wish == RK_WISH_RATING || t->wish == RK_WISH_SOONEST) put_text(v, "wish", wishes[t->wish]);
  return v;
}
