#include "shop/hours.h"

#include <string.h>

#include "base/clock.h"

enum { DAY_MIN = 1440, MINUTE_MS = 60000, STEP_MIN = 15 };

/* ---- reading ---- */

static const char *const names[7] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

static bool weekday_named(rk_str s, int32_t *out) {
  for (*out = 0; *out < 7; (*out)++)
    if (rk_str_eq_c(s, names[*out])) return true;
  return false;
}

/* "mon", "mon-fri", "daily" -> bits. */
static bool read_days(rk_str s, uint32_t *days) {
  rk_str first, last;
  int32_t from, to;
  *days = 0x7f;
  if (rk_str_eq_c(s, "daily")) return true;
  bool range = rk_str_cut(s, '-', &first, &last);
  if (!weekday_named(first, &from) || !weekday_named(range ? last : first, &to)) return false;
  *days = 1u << to;
  for (; from != to; from = (from + 1) % 7) *days |= 1u << from;
  return true;
}

static bool digit(char c) { return c >= '0' && c <= '9'; }

static bool read_minute(rk_str s, int32_t *out) {
  if (s.n != 5 || s.p[2] != ':' || !digit(s.p[0]) || !digit(s.p[1]) || !digit(s.p[3]) || !digit(s.p[4])) return false;
  int32_t hour = (s.p[0] - '0') * 10 + s.p[1] - '0', minute = (s.p[3] - '0') * 10 + s.p[4] - '0';
  *out = hour * 60 + minute;
  return minute < 60 && *out <= DAY_MIN;
}

static bool add_span(struct rk_hours *h, uint32_t days, rk_str s) {
  rk_str first, last;
  int32_t from, to;
  if (!rk_str_cut(s, '-', &first, &last) || !read_minute(first, &from) || !read_minute(last, &to) || from == DAY_MIN) return false;
  if (to <= from) to += DAY_MIN;
  for (int32_t d = 0; d < 7; d++) {
    if (!(days & 1u << d)) continue;
    if (h->n_spans[d] == RK_MAX_SPANS) return false;
    h->spans[d][h->n_spans[d]].from_min = from;
    h->spans[d][h->n_spans[d]++].to_min = to;
  }
  return true;
}

/* "mon-fri 09:00-12:30 13:30-18:00" */
static rk_err read_part(struct rk_hours *h, rk_str part, struct rk_error *e) {
  rk_str whole = part, word;
  uint32_t days;
  rk_str_cut(part, ' ', &word, &part);
  if (!read_days(word, &days)) return rk_fail(e, RK_EFORMAT, "hours: `%.*s` is no day; write mon, mon-fri or daily", (int)(word.n < 40 ? word.n : 40), word.p);
  if (rk_str_trim(part).n == 0) return rk_fail(e, RK_EFORMAT, "hours: `%.*s` names no hours; write mon-fri 09:00-18:00", (int)(whole.n < 40 ? whole.n : 40), whole.p);
  while (part.n) {
    rk_str_cut(part, ' ', &word, &part);
    if (word.n && !add_span(h, days, word))
      return rk_fail(e, RK_EFORMAT, "hours: `%.*s` is no span such as 09:00-18:00, or a day has more than %d", (int)(word.n < 40 ? word.n : 40), word.p, RK_MAX_SPANS);
  }
  return RK_OK;
}

static bool read_date(rk_str s, int32_t *day) {
  char text[32], back[11];
  int64_t ms;
  if (s.n != 10) return false;
  memcpy(text, s.p, 10);
  memcpy(text + 10, "T00:00:00Z", 11);
  if (!rk_time_parse(rk_str_c(text), &ms, NULL)) return false;
  *day = (int32_t)(ms / ((int64_t)DAY_MIN * MINUTE_MS));
  rk_wall_date(*day, back);
  return ms >= 0 && memcmp(back, s.p, 10) == 0; /* 31 February is none */
}

static rk_err read_closed(struct rk_hours *h, rk_str list, struct rk_error *e) {
  rk_str word;
  while (list.n) {
    int32_t from, to;
    rk_str_cut(list, ' ', &word, &list);
    if (word.n == 0) continue;
    ptrdiff_t dots = rk_str_find(word, RK_STR(".."));
    rk_str first = dots < 0 ? word : (rk_str){word.p, (size_t)dots}, last = dots < 0 ? word : (rk_str){word.p + dots + 2, word.n - (size_t)dots - 2};
    if (!read_date(first, &from) || !read_date(last, &to) || to < from)
      return rk_fail(e, RK_EFORMAT, "closed: `%.*s` is no date; write 2026-12-25 or 2027-01-01..2027-01-03", (int)(word.n < 40 ? word.n : 40), word.p);
    if (h->n_closed == RK_MAX_CLOSED) return rk_fail(e, RK_EFORMAT, "closed: more than %d dates", RK_MAX_CLOSED);
    h->closed[h->n_closed].from = from;
    h->closed[h->n_closed++].to = to;
  }
  return RK_OK;
}

rk_err rk_hours_parse(const char *hours, const char *closed, struct rk_hours *out, struct rk_error *e) {
  rk_str rest = rk_str_trim(rk_str_c(hours)), part;
  rk_err err = RK_OK;
  *out = (struct rk_hours){.always = rest.n == 0};
  while (!err && rest.n) {
    rk_str_cut(rest, ',', &part, &rest);
    part = rk_str_trim(part);
    if (part.n) err = read_part(out, part, e);
  }
  if (!err) err = read_closed(out, rk_str_c(closed), e);
  if (!err && out->always && out->n_closed) {
    out->always = false;
    (void)add_span(out, 0x7f, RK_STR("00:00-24:00"));
  }
  return err;
}

/* ---- the wall clock ---- */

struct rk_wall rk_wall_of(const struct rk_zone *z, int64_t utc_ms) {
  int64_t s = utc_ms / 1000 - (utc_ms % 1000 < 0), local = s + rk_zone_offset_s(z, s);
  int64_t day = local / 86400 - (local % 86400 < 0);
  return (struct rk_wall){day, (int32_t)((local - day * 86400) / 60)};
}

void rk_wall_date(int64_t day, char out[11]) {
  char text[32];
  rk_time_rfc3339(day * DAY_MIN * MINUTE_MS, text);
  memcpy(out, text, 10);
  out[10] = 0;
}

static bool is_closed(const struct rk_hours *h, int64_t day) {
  for (int32_t i = 0; i < h->n_closed; i++)
    if (day >= h->closed[i].from && day <= h->closed[i].to) return true;
  return false;
}

/* A span that began on day lies over this minute of it, which may be one of the next day. */
static bool covers(const struct rk_hours *h, int64_t day, int32_t minute) {
  int32_t d = rk_wall_weekday(day);
  if (is_closed(h, day)) return false;
  for (int32_t i = 0; i < h->n_spans[d]; i++)
    if (minute >= h->spans[d][i].from_min && minute < h->spans[d][i].to_min) return true;
  return false;
}

static bool open_at(const struct rk_hours *h, struct rk_wall w) { return h->always || covers(h, w.day, w.minute) || covers(h, w.day - 1, w.minute + DAY_MIN); }

bool rk_hours_open(const struct rk_hours *h, const struct rk_zone *z, int64_t utc_ms) { return open_at(h, rk_wall_of(z, utc_ms)); }

/* Minutes to the next span of the day or the next quarter of an hour, where zones change their clocks. */
static int32_t step_from(const struct rk_hours *h, struct rk_wall w) {
  int32_t d = rk_wall_weekday(w.day), step = STEP_MIN - w.minute % STEP_MIN;
  for (int32_t i = 0; i < h->n_spans[d]; i++) {
    int32_t left = h->spans[d][i].from_min - w.minute;
    if (left > 0 && left < step) step = left;
  }
  return step;
}

int64_t rk_hours_next(const struct rk_hours *h, const struct rk_zone *z, int64_t utc_ms) {
  const int64_t end = utc_ms + (int64_t)RK_MAX_CLOSED_DAYS * DAY_MIN * MINUTE_MS;
  if (rk_hours_open(h, z, utc_ms)) return utc_ms;
  int64_t at = (utc_ms / MINUTE_MS + 1) * MINUTE_MS;
  while (at < end) {
    struct rk_wall w = rk_wall_of(z, at);
    if (open_at(h, w)) return at;
    at += (int64_t)step_from(h, w) * MINUTE_MS;
  }
  return INT64_MAX;
}
