#include "shop/zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIRECTORY "/usr/share/zoneinfo"

enum { DAY_S = 86400, HEADER_BYTES = 44, MAX_OFFSET_S = 26 * 3600 };

struct change { int64_t at_s; int32_t offset_s; };

/* When summer time begins or ends in a year: M month.week.weekday, J day without 29 February, or n day with it. */
struct day_rule { char kind; int32_t month, week, day; int32_t time_s; };

struct zone_rule { bool any, has_summer; int32_t standard_s, summer_s; struct day_rule begins, ends; };

struct rk_zone { int32_t first_s; struct change *changes; int32_t n; struct zone_rule rule; };

/* ---- days ---- */

/* Days from 1970-01-01 (Hinnant, days_from_civil). */
static int64_t days_of(int64_t y, int32_t m, int32_t d) {
  y -= m <= 2;
  int64_t era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
  int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static bool is_leap(int64_t y) { return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0; }

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static int64_t year_of(int64_t s) {
  int64_t y = 1970 + floor_div(s, (int64_t)DAY_S * 365 + DAY_S / 4);
  while (days_of(y + 1, 1, 1) * DAY_S <= s) y++;
  while (days_of(y, 1, 1) * DAY_S > s) y--;
  return y;
}

/* The local moment of the rule in a year. */
static int64_t moment_of(const struct day_rule *r, int64_t year) {
  if (r->kind == 'J') return (days_of(year, 1, 1) + r->day - 1 + (is_leap(year) && r->day >= 60)) * DAY_S + r->time_s;
  if (r->kind == 'n') return (days_of(year, 1, 1) + r->day) * DAY_S + r->time_s;
  int64_t first = days_of(year, r->month, 1), next = r->month == 12 ? days_of(year + 1, 1, 1) : days_of(year, r->month + 1, 1);
  int64_t weekday = (first % 7 + 11) % 7; /* 1970-01-01 was a Thursday */
  int64_t day = first + (r->day - weekday + 7) % 7 + (r->week - 1) * 7;
  while (day >= next) day -= 7;
  return day * DAY_S + r->time_s;
}

static int32_t rule_offset_s(const struct zone_rule *r, int64_t utc_s) {
  if (!r->has_summer) return r->standard_s;
  int64_t year = year_of(utc_s + r->standard_s);
  int64_t begins = moment_of(&r->begins, year) - r->standard_s, ends = moment_of(&r->ends, year) - r->summer_s;
  bool summer = begins < ends ? utc_s >= begins && utc_s < ends : utc_s >= begins || utc_s < ends;
  return summer ? r->summer_s : r->standard_s;
}

/* ---- the footer: POSIX TZ with the extensions of RFC 9636 3.3.1 ---- */

struct scan { rk_str s; bool bad; };

static char peek(const struct scan *c) { return c->s.n ? c->s.p[0] : 0; }
static bool skip(struct scan *c, char want) {
  if (peek(c) != want) return false;
  c->s.p++, c->s.n--;
  return true;
}

static int32_t number(struct scan *c, int32_t most) {
  int32_t v = 0, n = 0;
  for (; peek(c) >= '0' && peek(c) <= '9' && v <= most; n++) {
    v = v * 10 + (peek(c) - '0');
    c->s.p++, c->s.n--;
  }
  if (n == 0 || v > most) c->bad = true;
  return v;
}

static void skip_name(struct scan *c) {
  size_t n = 0;
  if (skip(c, '<')) {
    while (c->s.n && !skip(c, '>')) c->s.p++, c->s.n--, n++;
  } else
    while ((peek(c) >= 'a' && peek(c) <= 'z') || (peek(c) >= 'A' && peek(c) <= 'Z')) c->s.p++, c->s.n--, n++;
  if (n < 3) c->bad = true;
}

static int32_t signed_time(struct scan *c, int32_t most_hours) {
  int32_t sign = skip(c, '-') ? -1 : 1;
  if (sign == 1) skip(c, '+');
  int32_t s = number(c, most_hours) * 3600;
  if (skip(c, ':')) s += number(c, 59) * 60;
  if (skip(c, ':')) s += number(c, 59);
  return sign * s;
}

static struct day_rule day_rule(struct scan *c) {
  struct day_rule r = {.kind = 'n', .time_s = 7200};
  if (!skip(c, ',')) c->bad = true;
  if (skip(c, 'M')) {
    r.kind = 'M';
    r.month = number(c, 12);
    if (!skip(c, '.')) c->bad = true;
    r.week = number(c, 5);
    if (!skip(c, '.')) c->bad = true;
    r.day = number(c, 6);
    if (r.month < 1 || r.week < 1) c->bad = true;
  } else if (skip(c, 'J')) {
    r.kind = 'J';
    r.day = number(c, 365);
    if (r.day < 1) c->bad = true;
  } else r.day = number(c, 365);
  if (skip(c, '/')) r.time_s = signed_time(c, 167);
  return r;
}

static bool read_rule(rk_str text, struct zone_rule *r) {
  struct scan c = {.s = text};
  *r = (struct zone_rule){.any = true};
  skip_name(&c);
  r->standard_s = -signed_time(&c, 24);
  if (!c.bad && c.s.n) {
    r->has_summer = true;
    skip_name(&c);
    r->summer_s = peek(&c) == ',' ? r->standard_s + 3600 : -signed_time(&c, 24);
    r->begins = day_rule(&c);
    r->ends = day_rule(&c);
  }
  return !c.bad && c.s.n == 0;
}

/* ---- the file ---- */

struct counts { int64_t isut, isstd, leap, time, type, chars; };

static int64_t be(const char *p, int32_t n) {
  uint64_t v = (unsigned char)p[0] & 0x80 ? UINT64_MAX : 0;
  for (int32_t i = 0; i < n; i++) v = v << 8 | (unsigned char)p[i];
  return (int64_t)v;
}

static bool read_header(rk_str s, struct counts *c) {
  if (s.n < HEADER_BYTES || memcmp(s.p, "TZif", 4) != 0) return false;
  *c = (struct counts){be(s.p + 20, 4), be(s.p + 24, 4), be(s.p + 28, 4), be(s.p + 32, 4), be(s.p + 36, 4), be(s.p + 40, 4)};
  const int64_t all[] = {c->isut, c->isstd, c->leap, c->time, c->type, c->chars};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (all[i] < 0 || all[i] > RK_MAX_ZONE_BYTES) return false;
  return true;
}

static size_t block_bytes(const struct counts *c, int32_t time_bytes) {
  return (size_t)(c->time * time_bytes + c->time + c->type * 6 + c->chars + c->leap * (time_bytes + 4) + c->isstd + c->isut);
}

static bool read_changes(struct rk_arena *a, const char *p, const struct counts *c, struct rk_zone *z) {
  const char *types = p + c->time * 8, *offsets = types + c->time;
  z->changes = rk_arena_array(a, (size_t)c->time + 1, sizeof *z->changes);
  if (!z->changes) return false;
  for (int64_t i = 0; i < c->type; i++)
    if (be(offsets + i * 6, 4) < -MAX_OFFSET_S || be(offsets + i * 6, 4) > MAX_OFFSET_S) return false;
  z->first_s = (int32_t)be(offsets, 4);
  for (; z->n < c->time; z->n++) {
    int64_t type = (unsigned char)types[z->n];
    if (type >= c->type) return false;
    z->changes[z->n] = (struct change){be(p + z->n * 8, 8), (int32_t)be(offsets + type * 6, 4)};
    if (z->n && z->changes[z->n].at_s <= z->changes[z->n - 1].at_s) return false;
  }
  return true;
}

rk_err rk_zone_parse(struct rk_arena *a, rk_str s, const struct rk_zone **out, struct rk_error *e) {
  struct counts c;
  struct rk_zone *z = rk_arena_alloc(a, sizeof *z);
  if (!z) return rk_fail(e, RK_ETOOBIG, "the zone is too large");
  *z = (struct rk_zone){0};
  bool ok = read_header(s, &c) && s.p[4] >= '2' && s.n - HEADER_BYTES >= block_bytes(&c, 4);
  if (ok) {
    size_t first = HEADER_BYTES + block_bytes(&c, 4);
    s.p += first, s.n -= first;
    ok = read_header(s, &c) && c.type > 0 && c.time <= RK_MAX_ZONE_CHANGES && s.n - HEADER_BYTES >= block_bytes(&c, 8);
  }
  if (ok) ok = read_changes(a, s.p + HEADER_BYTES, &c, z);
  if (ok) {
    size_t block = HEADER_BYTES + block_bytes(&c, 8);
    rk_str footer = {s.p + block, s.n - block}, text, rest;
    ok = footer.n >= 2 && footer.p[0] == '\n' && rk_str_cut((rk_str){footer.p + 1, footer.n - 1}, '\n', &text, &rest);
    if (ok && text.n) ok = read_rule(text, &z->rule);
  }
  *out = z;
  return ok ? RK_OK : rk_fail(e, RK_EFORMAT, "no time zone file of version 2 or later");
}

static bool name_ok(const char *name) {
  static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/";
  return *name && *name != '/' && strlen(name) < 64 && strspn(name, allowed) == strlen(name);
}

rk_err rk_zone_load(struct rk_arena *a, const char *name, const struct rk_zone **out, struct rk_error *e) {
  char path[128];
  struct rk_buf text;
  if (!name_ok(name)) return rk_fail(e, RK_EINVAL, "`%.60s` is no name of a time zone; one looks like Europe/Berlin", name);
  snprintf(path, sizeof path, DIRECTORY "/%s", name);
  rk_buf_init(&text, RK_MAX_ZONE_BYTES);
  rk_err err = rk_buf_read_file(&text, path, e);
  if (err) err = rk_fail(e, RK_ENOTFOUND, "there is no time zone `%s` in " DIRECTORY " (package tzdata)", name);
  else err = rk_zone_parse(a, rk_buf_str(&text), out, e);
  rk_buf_release(&text);
  return err;
}

const struct rk_zone *rk_zone_fixed(struct rk_arena *a, int32_t offset_s) {
  struct rk_zone *z = rk_arena_alloc(a, sizeof *z);
  if (z) *z = (struct rk_zone){.first_s = offset_s};
  return z;
}

/* ---- what the clock shows ---- */

int32_t rk_zone_offset_s(const struct rk_zone *z, int64_t utc_s) {
  int32_t lo = 0, hi = z->n; /* the first change after utc_s */
  while (lo < hi) {
    int32_t mid = lo + (hi - lo) / 2;
    if (z->changes[mid].at_s <= utc_s) lo = mid + 1;
    else hi = mid;
  }
  if (lo == z->n && z->rule.any) return rule_offset_s(&z->rule, utc_s);
  return lo == 0 ? z->first_s : z->changes[lo - 1].offset_s;
}

int64_t rk_zone_utc_s(const struct rk_zone *z, int64_t local_s) {
  int32_t before = rk_zone_offset_s(z, local_s - DAY_S), after = rk_zone_offset_s(z, local_s + DAY_S);
  int64_t early = local_s - (before > after ? before : after), late = local_s - (before > after ? after : before);
  if (rk_zone_offset_s(z, early) == local_s - early) return early;
  if (rk_zone_offset_s(z, late) == local_s - late) return late;
  int64_t lo = early, hi = late; /* left out: the change lies between */
  while (lo < hi) {
    int64_t mid = lo + (hi - lo) / 2;
    if (mid + rk_zone_offset_s(z, mid) >= local_s) hi = mid;
    else lo = mid + 1;
  }
  return lo;
}
