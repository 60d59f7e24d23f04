/* One sentence, several things: parts, owners of limits, days in order, people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/party.h"
#include "agent/split.h"

static void each_thing_has_its_part(void **state) {
  static const struct { const char *said; const char *names[3]; int32_t n; int32_t quantity[3]; } cases[] = {
      {"给我妈买一个台灯和两盒茶叶,加起来别超过400", {"台灯", "茶叶"}, 2, {1, 2}},
      {"三条毛巾、两盒肥皂和一个水桶", {"毛巾", "肥皂", "水桶"}, 3, {3, 2, 1}},
      {"buy two desk lamps and a bamboo tray, at most 100 yuan together", {"desk lamp", "bamboo tray"}, 2, {2, 1}},
      {"a hammock, three mugs", {"hammock", "mugs"}, 2, {1, 3}}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rk_part parts[3];
    rk_str names[3];
    rk_str said = rk_str_c(cases[i].said);
    for (int32_t k = 0; k < cases[i].n; k++) names[k] = rk_str_c(cases[i].names[k]);
    rk_split(said, names, cases[i].n, parts);
    for (int32_t k = 0; k < cases[i].n; k++) {
      struct rk_intent in;
      assert_true(parts[k].named);
      rk_intent_read((rk_str){said.p + parts[k].at, parts[k].n}, rk_now_ms(), &in);
      assert_int_equal(in.quantity, cases[i].quantity[k]);
    }
  }
  struct rk_part one;
  rk_str nowhere = RK_STR("price"), said = RK_STR("buy a hammock");
  rk_split(said, &nowhere, 1, &one);
  assert_false(one.named);
}

/* owner -1: of all together. */
static void each_limit_has_its_owner(void **state) {
  static const struct { const char *said; const char *names[2]; int32_t n_limits, owner[2]; } cases[] = {
      {"一个台灯和两盒茶叶,加起来别超过400", {"台灯", "茶叶"}, 1, {-1}},
      {"一个台灯300以内,两盒茶叶50以内", {"台灯", "茶叶"}, 2, {0, 1}},
      {"一个台灯和一盒50元以内的茶叶", {"台灯", "茶叶"}, 1, {1}},
      {"一个台灯和一盒茶叶,500以内", {"台灯", "茶叶"}, 1, {-1}},
      {"a lamp under 300 yuan and a tray", {"lamp", "tray"}, 1, {0}},
      {"a lamp and a tray, at most 100 yuan in total", {"lamp", "tray"}, 1, {-1}}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rk_limit limits[RK_MAX_LIMITS];
    struct rk_part parts[2];
    rk_str said = rk_str_c(cases[i].said), names[2] = {rk_str_c(cases[i].names[0]), rk_str_c(cases[i].names[1])};
    rk_split(said, names, 2, parts);
    int32_t n = rk_intent_limits(said, limits);
    assert_int_equal(n, cases[i].n_limits);
    for (int32_t k = 0; k < n; k++) assert_int_equal(rk_split_owner(said, &limits[k], n, parts, 2, true), cases[i].owner[k]);
  }
}

static void limits_of_nights_and_of_all(void **state) {
  struct rk_intent in;
  rk_intent_read(RK_STR("订酒店,一晚不超过600元,总共3000以内"), rk_now_ms(), &in);
  assert_int_equal(in.night_minor, 60000);
  assert_int_equal(in.joint_minor, 300000);
  rk_intent_read(RK_STR("hotel at most 600 yuan a night"), rk_now_ms(), &in);
  assert_int_equal(in.night_minor, 60000);
  assert_int_equal(in.max_minor, 0);
}

/* The clock stands at Monday 2026-11-23. */
static void days_in_their_order(void **state) {
  static const struct { const char *said, *first, *last; } cases[] = {
      {"下周五从青岛去厦门出差,周六回来", "2026-12-04", "2026-12-05"}, {"这个周末去厦门", "2026-11-28", "2026-11-29"}, {"周五去,住两晚", "2026-11-27", "2026-11-29"},
      {"12月5号到7号", "2026-12-05", "2026-12-07"}, {"明天去青岛的车票", "2026-11-24", ""}, {"next friday there, back on sunday", "2026-12-04", "2026-12-06"},
      {"a family weekend in xiamen", "2026-11-28", "2026-11-29"}, {"tomorrow for two nights", "2026-11-24", "2026-11-26"}, {"元旦去厦门", "2027-01-01", ""},
      {"春节去厦门", "2027-02-06", ""}, {"昨天去青岛", "", ""}, {"去青岛", "", ""}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char first[11], last[11];
    assert_int_equal(rk_dates_trip(rk_str_c(cases[i].said), rk_now_ms(), first, last), cases[i].first[0] != 0);
    assert_string_equal(first, cases[i].first);
    assert_string_equal(last, cases[i].last);
  }
}

static void hours_of_the_day(void **state) {
  static const struct { const char *said; bool found; int32_t after, before; } cases[] = {
      {"周六下午", true, 720, 1080}, {"saturday evening", true, 1080, 1439}, {"after 5 pm", true, 1020, 0}, {"9点以后", true, 540, 0}, {"before noon", true, 0, 720},
      {"下午3点之前", true, 0, 900}, {"600 yuan a night", false, 0, 0}, {"周六", false, 0, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int32_t after, before;
    assert_int_equal(rk_times_find(rk_str_c(cases[i].said), &after, &before), cases[i].found);
    assert_int_equal(after, cases[i].after);
    assert_int_equal(before, cases[i].before);
  }
}

static void people_of_the_words(void **state) {
  static const struct { const char *said; int32_t tickets, adults, children; } cases[] = {
      {"两大一小", 0, 2, 1}, {"全家三个人", 0, 2, 1}, {"family weekend for the three of us", 0, 2, 1}, {"就我一个人", 0, 1, 0}, {"2 adults and a child", 0, 2, 1},
      {"带孩子去", 0, 2, 1}, {"订两张票", 2, 2, 0}, {"去厦门", 0, 1, 0}, {"just me", 0, 1, 0}, {"四个大人", 0, 4, 0}};
  json_t *profile = json_pack("{s:[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}]}", "passengers", "name", "A", "type", "adult", "name", "B", "type", "adult", "name", "C", "type", "child");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rk_party_words w;
    int32_t adults, children;
    rk_party_read(rk_str_c(cases[i].said), &w);
    assert_true(rk_party_count(&w, cases[i].tickets, profile, &adults, &children));
    if (adults != cases[i].adults || children != cases[i].children) print_error("%s: %d + %d\n", cases[i].said, (int)adults, (int)children);
    assert_int_equal(adults, cases[i].adults);
    assert_int_equal(children, cases[i].children);
  }
  struct rk_party_words nobody = {.total = 0, .adults = -1, .children = -1, .said = true};
  int32_t adults, children;
  assert_false(rk_party_count(&nobody, 0, profile, &adults, &children));
  json_decref(profile);
}

int main(void) {
  setenv("RUKOU_CLOCK", "2026-11-23T10:00:00+08:00", 1);
  struct rk_error e;
  if (rk_clock_init(&e)) return 1;
  const struct CMUnitTest tests[] = {cmocka_unit_test(each_thing_has_its_part), cmocka_unit_test(each_limit_has_its_owner), cmocka_unit_test(limits_of_nights_and_of_all),
                                     cmocka_unit_test(days_in_their_order), cmocka_unit_test(hours_of_the_day), cmocka_unit_test(people_of_the_words)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
