/* A shop's clock and hours: zones as the C library knows them, edges of days and of summer time, promised dates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "shop/private.h"

static struct rk_arena *arena;

static int start(void **state) { (void)state; return (arena = rk_arena_new(16 << 20)) ? 0 : -1; }
static int stop(void **state) { (void)state; rk_arena_free(arena); return 0; }

static const struct rk_zone *zone(const char *name) {
  const struct rk_zone *z = NULL;
  struct rk_error e = {0};
  if (rk_zone_load(arena, name, &z, &e)) fail_msg("%s", e.msg);
  return z;
}

static int64_t at(const char *text) {
  int64_t ms = 0;
  assert_true(rk_time_parse(rk_str_c(text), &ms, NULL));
  return ms;
}

static struct rk_hours hours(const char *text, const char *closed) {
  struct rk_hours h;
  struct rk_error e = {0};
  if (rk_hours_parse(text, closed, &h, &e)) fail_msg("%s", e.msg);
  return h;
}

/* ---- zones ---- */

static void test_zones_agree_with_the_c_library(void **state) {
  (void)state;
  static const char *const names[] = {"Europe/Berlin", "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe", "Africa/Casablanca", "America/Sao_Paulo",
                                      "Asia/Kolkata", "Pacific/Apia", "Europe/Dublin", "UTC"};
  const int64_t from = at("1971-01-01T00:00:00Z") / 1000, to = at("2105-01-01T00:00:00Z") / 1000, step = 9 * 3600 + 37 * 60 + 13;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const struct rk_zone *z = zone(names[i]);
    setenv("TZ", names[i], 1);
    tzset();
    for (int64_t s = from; s < to; s += step) {
      struct tm tm;
      time_t t = (time_t)s;
      localtime_r(&t, &tm);
      if (rk_zone_offset_s(z, s) != tm.tm_gmtoff) fail_msg("%s at %lld: %d, not %ld", names[i], (long long)s, (int)rk_zone_offset_s(z, s), tm.tm_gmtoff);
      int64_t local = s + tm.tm_gmtoff, back = rk_zone_utc_s(z, local);
      if (back != s && back + rk_zone_offset_s(z, back) != local) fail_msg("%s at %lld comes back as %lld", names[i], (long long)s, (long long)back);
      assert_true(back <= s);
    }
  }
  unsetenv("TZ");
  tzset();
}

static void test_a_local_time_twice_or_never(void **state) {
  (void)state;
  const struct rk_zone *z = zone("Europe/Berlin");
  assert_int_equal(rk_zone_utc_s(z, at("2026-10-25T02:30:00Z") / 1000), at("2026-10-25T02:30:00+02:00") / 1000);
  assert_int_equal(rk_zone_utc_s(z, at("2027-03-28T02:30:00Z") / 1000), at("2027-03-28T03:00:00+02:00") / 1000);
  assert_int_equal(rk_zone_utc_s(z, at("2027-03-28T01:59:59Z") / 1000), at("2027-03-28T01:59:59+01:00") / 1000);
  assert_int_equal(rk_zone_utc_s(z, at("2027-03-28T03:00:00Z") / 1000), at("2027-03-28T03:00:00+02:00") / 1000);
}

static void test_what_is_no_zone(void **state) {
  (void)state;
  static const char *const names[] = {"", "/etc/passwd", "../../../etc/passwd", "Europe/Nowhere", "Europe", "tzdata.zi"};
  const struct rk_zone *z;
  struct rk_error e = {0};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) assert_int_not_equal(rk_zone_load(arena, names[i], &z, &e), RK_OK);
  struct rk_buf b;
  rk_buf_init(&b, RK_MAX_ZONE_BYTES);
  assert_int_equal(rk_buf_read_file(&b, "/usr/share/zoneinfo/Europe/Berlin", &e), RK_OK);
  for (size_t n = 0; n < b.n; n++) assert_int_equal(rk_zone_parse(arena, (rk_str){b.p, n}, &z, &e), RK_EFORMAT);
  for (size_t i = 0; i < b.n; i++) {
    char was = b.p[i];
    b.p[i] = (char)0xff;
    (void)!rk_zone_parse(arena, rk_buf_str(&b), &z, &e);
    b.p[i] = was;
    if (i % 64 == 0) rk_arena_free(arena), arena = rk_arena_new(16 << 20);
  }
  rk_buf_release(&b);
}

/* ---- hours ---- */

static void test_open_and_closed(void **state) {
  (void)state;
  static const struct { const char *hours, *closed, *zone, *now, *next; } cases[] = {
      {"", "", "Asia/Shanghai", "2026-11-24T03:00:00+08:00", "2026-11-24T03:00:00+08:00"},
      {"mon-fri 09:00-18:00", "", "Asia/Shanghai", "2026-11-24T09:00:00+08:00", "2026-11-24T09:00:00+08:00"},
      {"mon-fri 09:00-18:00", "", "Asia/Shanghai", "2026-11-24T08:59:59.999+08:00", "2026-11-24T09:00:00+08:00"},
      {"mon-fri 09:00-18:00", "", "Asia/Shanghai", "2026-11-24T18:00:00+08:00", "2026-11-25T09:00:00+08:00"},
      {"mon-fri 09:00-18:00", "", "Asia/Shanghai", "2026-11-27T18:00:00+08:00", "2026-11-30T09:00:00+08:00"},
      {"mon-fri 09:00-12:30 13:30-18:00", "", "Asia/Shanghai", "2026-11-24T12:30:00+08:00", "2026-11-24T13:30:00+08:00"},
      {"fri-mon 10:07-11:00", "", "Asia/Shanghai", "2026-11-24T10:10:00+08:00", "2026-11-27T10:07:00+08:00"},
      /* over midnight */
      {"fri 22:00-02:00", "", "Asia/Shanghai", "2026-11-28T01:59:59+08:00", "2026-11-28T01:59:59+08:00"},
      {"fri 22:00-02:00", "", "Asia/Shanghai", "2026-11-28T02:00:00+08:00", "2026-12-04T22:00:00+08:00"},
      {"daily 00:00-24:00", "", "Asia/Shanghai", "2026-11-24T23:59:59.999+08:00", "2026-11-24T23:59:59.999+08:00"},
      {"daily 09:00-24:00", "", "Asia/Shanghai", "2026-11-25T00:00:00+08:00", "2026-11-25T09:00:00+08:00"},
      {"daily 00:00-00:00", "", "Asia/Shanghai", "2026-11-25T00:00:00+08:00", "2026-11-25T00:00:00+08:00"},
      /* closed dates: a span that began the evening before goes on */
      {"daily 09:00-18:00", "2026-11-25..2026-11-27", "Asia/Shanghai", "2026-11-24T18:00:00+08:00", "2026-11-28T09:00:00+08:00"},
      {"daily 20:00-03:00", "2026-11-25", "Asia/Shanghai", "2026-11-25T02:00:00+08:00", "2026-11-25T02:00:00+08:00"},
      {"daily 20:00-03:00", "2026-11-25", "Asia/Shanghai", "2026-11-25T03:00:00+08:00", "2026-11-26T20:00:00+08:00"},
      {"", "2026-11-25", "Asia/Shanghai", "2026-11-25T00:00:00+08:00", "2026-11-26T00:00:00+08:00"},
      {"", "2026-01-01..2099-12-31", "Asia/Shanghai", "2026-11-25T00:00:00+08:00", NULL},
      /* the clock jumps back from 03:00 to 02:00, and forth from 02:00 to 03:00 */
      {"daily 02:00-02:30", "", "Europe/Berlin", "2026-10-25T02:29:00+02:00", "2026-10-25T02:29:00+02:00"},
      {"daily 02:00-02:30", "", "Europe/Berlin", "2026-10-25T02:37:00+02:00", "2026-10-25T02:00:00+01:00"},
      {"daily 02:00-02:30", "", "Europe/Berlin", "2026-10-25T02:30:00+01:00", "2026-10-26T02:00:00+01:00"},
      {"daily 02:30-05:00", "", "Europe/Berlin", "2027-03-28T01:03:00+01:00", "2027-03-28T03:00:00+02:00"},
      {"daily 02:00-02:30", "", "Europe/Berlin", "2027-03-27T03:00:00+01:00", "2027-03-29T02:00:00+02:00"},
      {"daily 00:00-24:00", "2027-03-28", "Europe/Berlin", "2027-03-28T00:00:00+01:00", "2027-03-29T00:00:00+02:00"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rk_hours h = hours(cases[i].hours, cases[i].closed);
    const struct rk_zone *z = zone(cases[i].zone);
    int64_t now = at(cases[i].now), want = cases[i].next ? at(cases[i].next) : INT64_MAX, got = rk_hours_next(&h, z, now);
    if (got != want) fail_msg("%s, %s at %s: %lld, not %lld", cases[i].hours, cases[i].closed, cases[i].now, (long long)got, (long long)want);
    assert_int_equal(rk_hours_open(&h, z, now), want == now);
  }
}

static void test_what_is_no_time(void **state) {
  (void)state;
  static const char *const bad[][2] = {{"mon", ""}, {"mon 9-18", ""}, {"mon 09:00", ""}, {"mon 25:00-26:00", ""}, {"mon 09:60-10:00", ""}, {"someday 09:00-10:00", ""},
                                       {"mon-someday 09:00-10:00", ""}, {"mon 24:00-02:00", ""}, {"mon 01:00-02:00 03:00-04:00 05:00-06:00 07:00-08:00 09:00-10:00", ""},
                                       {"", "tomorrow"}, {"", "2026-02-31"}, {"", "2026-13-01"}, {"", "2026-12-25..2026-12-24"}, {"", "2026-12-25.."}, {"mon 09:00-18:00x", ""}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct rk_hours h;
    struct rk_error e = {0};
    if (rk_hours_parse(bad[i][0], bad[i][1], &h, &e) != RK_EFORMAT) fail_msg("`%s` `%s` was taken", bad[i][0], bad[i][1]);
    assert_true(strncmp(e.msg, *bad[i][0] ? "hours: " : "closed: ", 7) == 0);
  }
}

/* ---- promises ---- */

static void test_promised_dates(void **state) {
  (void)state;
  static const struct { const char *hours, *closed, *zone; int32_t cutoff_min, days; const char *now, *promised; } cases[] = {
      {"", "", "Asia/Shanghai", 0, 3, "2026-11-23T23:59:59+08:00", "2026-11-26"},
      {"", "", "Asia/Shanghai", 0, 3, "2026-11-24T00:00:00+08:00", "2026-11-27"},
      {"", "", "Asia/Shanghai", 1080, 3, "2026-11-23T17:59:59+08:00", "2026-11-26"},
      {"", "", "Asia/Shanghai", 1080, 3, "2026-11-23T18:00:00+08:00", "2026-11-27"},
      {"mon-fri 09:00-20:00", "", "Asia/Shanghai", 1080, 1, "2026-11-27T17:00:00+08:00", "2026-11-28"},
      {"mon-fri 09:00-20:00", "", "Asia/Shanghai", 1080, 1, "2026-11-27T18:30:00+08:00", "2026-12-01"},
      {"mon-fri 09:00-16:00", "", "Asia/Shanghai", 1080, 1, "2026-11-27T16:30:00+08:00", "2026-12-01"},
      {"mon-fri 09:00-16:00", "2026-11-30", "Asia/Shanghai", 1080, 1, "2026-11-28T10:00:00+08:00", "2026-12-02"},
      {"daily 19:00-23:00", "", "Asia/Shanghai", 1080, 0, "2026-11-28T12:00:00+08:00", "2026-11-28"}, /* opens after its own cutoff */
      {"daily 19:00-23:00", "", "Asia/Shanghai", 1080, 0, "2026-11-28T20:00:00+08:00", "2026-11-29"},
      {"", "", "Europe/Berlin", 1080, 1, "2026-10-24T23:30:00Z", "2026-10-26"},                       /* 01:30 of the long day */
      {"", "", "Europe/Berlin", 1080, 1, "2026-10-25T22:30:00Z", "2026-10-27"},                       /* 23:30, it has 25 hours */
      {"", "", "Europe/Berlin", 0, 1, "2027-03-28T21:59:59Z", "2027-03-29"},
      {"", "", "Europe/Berlin", 0, 1, "2027-03-28T22:00:00Z", "2027-03-30"}};                         /* midnight after the short day */
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rk_catalog c = {.zone = zone(cases[i].zone), .hours = hours(cases[i].hours, cases[i].closed), .cutoff_min = cases[i].cutoff_min};
    struct rk_delivery_rule d = {.days = cases[i].days};
    char date[11];
    int64_t now = at(cases[i].now);
    promised_date(&c, now, delivery_days(&c, now, &d), date);
    if (strcmp(date, cases[i].promised) != 0) fail_msg("%s at %s: %s, not %s", cases[i].hours, cases[i].now, date, cases[i].promised);
  }
}

static void test_times_are_said_with_their_offset(void **state) {
  (void)state;
  struct rk_catalog c = {.zone = zone("Europe/Berlin"), .hours = hours("mon-fri 09:00-18:00", ""), .sells_when_open = true};
  char text[OPENS_TEXT_BYTES], time[40];
  promised_time(&c, "2026-10-25", 9, time);
  assert_string_equal(time, "2026-10-25T09:00:00+01:00");
  promised_time(&c, "2026-10-24", 21, time);
  assert_string_equal(time, "2026-10-24T21:00:00+02:00");
  assert_int_equal(shop_opens_ms(&c, at("2026-10-26T09:00:00+01:00")), 0);
  int64_t opens = shop_opens_ms(&c, at("2026-10-24T12:00:00Z"));
  assert_int_equal(opens, at("2026-10-26T09:00:00+01:00"));
  shop_opens_text(&c, opens, true, text);
  assert_string_equal(text, "The shop is closed now; it takes orders again from Mon 2026-10-26, 09:00 (UTC+01:00)");
  shop_opens_text(&c, opens, false, text);
  assert_string_equal(text, "本店现在休息，周一 2026-10-26 09:00（UTC+01:00）开门后可以下单");
  c.sells_when_open = false;
  assert_int_equal(shop_opens_ms(&c, at("2026-10-24T12:00:00Z")), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_zones_agree_with_the_c_library), cmocka_unit_test(test_a_local_time_twice_or_never),
                                     cmocka_unit_test(test_what_is_no_zone), cmocka_unit_test(test_open_and_closed), cmocka_unit_test(test_what_is_no_time),
                                     cmocka_unit_test(test_promised_dates), cmocka_unit_test(test_times_are_said_with_their_offset)};
  return cmocka_run_group_tests(tests, start, stop);
}
