/* Time that can be moved, dates, ids, randomness. */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void times_are_parsed_strictly(void **state) {
  static const struct { const char *text; bool ok; int64_t ms; int offset; } cases[] = {
    {"1970-01-01T00:00:00Z", true, 0, 0},
    {"2026-11-23T10:00:00+08:00", true, 1795399200000, 480},
    {"2026-11-23T02:00:00.250Z", true, 1795399200250, 0},
    {"2024-02-29T00:00Z", true, 1709164800000, 0},
    {"1969-12-31T23:59:59-00:30", true, 1799000, -30},
    {"2026-11-23", false, 0, 0}, {"2026-11-23T10:00:00", false, 0, 0}, {"2026-13-01T00:00:00Z", false, 0, 0},
    {"2026-11-23T24:00:00Z", false, 0, 0}, {"2026-11-23T10:00:00+8:00", false, 0, 0}, {"2026-11-23T10:00:00Zx", false, 0, 0},
    {"2026-11-23T10:00:00.Z", false, 0, 0}, {"", false, 0, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int64_t ms = -1;
    int offset = -1;
    assert_int_equal(rk_time_parse(rk_str_c(cases[i].text), &ms, &offset), cases[i].ok);
    if (cases[i].ok) assert_true(ms == cases[i].ms && offset == cases[i].offset);
  }
}

static void times_are_printed_as_parsed(void **state) {
  static const int64_t times[] = {0, 1, -1, 1795399200250, 951782400000};
  for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
    char text[32];
    int64_t back;
    rk_time_rfc3339(times[i], text);
    assert_true(rk_time_parse(rk_str_c(text), &back, NULL));
    assert_true(back == times[i]);
  }
}

static void dates_are_normalised(void **state) {
  struct rk_date first = {.year = 2024, .month = 3, .day = 1}, after_29 = {.year = 2024, .month = 2, .day = 30};
  char iso[11];
  assert_true(rk_date_ms(&first) == rk_date_ms(&after_29));
  rk_date_iso(&first, iso);
  assert_string_equal(iso, "2024-03-01");
}

static void the_clock_starts_where_it_is_told(void **state) {
  struct rk_error e;
  setenv("RUKOU_CLOCK", "yesterday", 1);
  assert_int_equal(rk_clock_init(&e), RK_EINVAL);
  assert_non_null(strstr(e.msg, "RUKOU_CLOCK"));
  setenv("RUKOU_CLOCK", "2026-11-23T10:00:00+08:00", 1);
  assert_int_equal(rk_clock_init(&e), RK_OK);
  int64_t now = rk_now_ms();
  assert_true(now >= 1795399200000 && now < 1795399260000);
  struct rk_date d = rk_local_date(1795399200000);
  assert_int_equal(d.hour, 10);
  assert_int_equal(d.weekday, 1);
  assert_int_equal(d.utc_offset_minutes, 480);
  rk_sleep_ms(5);
  assert_true(rk_now_ms() > now);
}

static void ids_are_version_7_and_sorted_by_time(void **state) {
  char a[37], b[37];
  rk_uuid7(a);
  rk_sleep_ms(2);
  rk_uuid7(b);
  assert_int_equal(strlen(a), 36);
  assert_int_equal(a[14], '7');
  assert_non_null(strchr("89ab", a[19]));
  assert_true(strcmp(a, b) < 0);
}

static void seeded_randomness_repeats(void **state) {
  unsigned char a[32], b[32];
  struct rk_error e;
  rk_random(a, sizeof a);
  rk_random(b, sizeof b);
  assert_memory_not_equal(a, b, sizeof a);
  setenv("RUKOU_SEED", "7", 1);
  assert_int_equal(rk_clock_init(&e), RK_OK);
  rk_random(a, sizeof a);
  assert_int_equal(rk_clock_init(&e), RK_OK);
  rk_random(b, sizeof b);
  assert_memory_equal(a, b, sizeof a);
  setenv("RUKOU_SEED", "seven", 1);
  assert_int_equal(rk_clock_init(&e), RK_EINVAL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(times_are_parsed_strictly), cmocka_unit_test(times_are_printed_as_parsed),
    cmocka_unit_test(dates_are_normalised), cmocka_unit_test(the_clock_starts_where_it_is_told),
    cmocka_unit_test(ids_are_version_7_and_sorted_by_time), cmocka_unit_test(seeded_randomness_repeats),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
