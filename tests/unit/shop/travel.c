/* The sellers of dated places: what the tasks need is there on every day, ids
 * are found again, prices do not change by themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "shop/travel.h"

enum { MAX = 128, DAY_MS = 86400000 };

static const char *const dirs[] = {"tongtu", "yunyi", "yunqi", "jiangan", "changyou", "guangying"};
enum { TRAIN, FLIGHT, YUNQI, JIANGAN, TICKET, FILM, N_SELLERS };
static const char *const cities[] = {"上海", "杭州", "苏州", "南京", "北京", "天津", "西安", "成都", "重庆", "广州", "深圳", "武汉"};
enum { N_CITIES = sizeof cities / sizeof *cities };

static struct rk_arena *arena;
static struct rk_travel *seller[N_SELLERS];
static struct rk_service found[MAX];
static int64_t now;

static int start(void **state) {
  (void)state;
  struct rk_error e = {0};
  arena = rk_arena_new(8 << 20);
  if (!rk_time_parse(RK_STR("2026-11-23T10:00:00+08:00"), &now, NULL)) return -1;
  for (int i = 0; i < N_SELLERS; i++) {
    struct rk_table conf;
    char dir[64];
    snprintf(dir, sizeof dir, "shops/travel/%s", dirs[i]);
    if (rk_conf_load(arena, dir, "shop.conf", &conf, &e) || rk_travel_load(dir, &conf, arena, &seller[i], &e)) {
      print_error("%s\n", e.msg);
      return -1;
    }
  }
  return 0;
}

static int end(void **state) {
  (void)state;
  rk_arena_free(arena);
  return 0;
}

static const char *day(int ahead, char out[11]) {
  struct rk_date d = {.year = 2026, .month = 11, .day = 23 + ahead};
  int64_t ms = rk_date_ms(&d);
  char text[32];
  rk_time_rfc3339(ms, text);
  memcpy(out, text, 10);
  out[10] = 0;
  return out;
}

static int32_t search(int who, struct rk_travel_query q) {
  struct rk_error e = {0};
  int32_t n = -1;
  if (rk_travel_search(seller[who], &q, now, found, MAX, &n, &e)) fail_msg("%s", e.msg);
  return n;
}

static int32_t route(int who, const char *from, const char *to, const char *date) {
  return search(who, (struct rk_travel_query){.from = rk_str_c(from), .to = rk_str_c(to), .date = rk_str_c(date)});
}

static void test_trains_of_every_pair(void **state) {
  (void)state;
  for (int ahead = 1; ahead <= 30; ahead += 4)
    for (int a = 0; a < N_CITIES; a++)
      for (int b = 0; b < N_CITIES; b++) {
        char d[11];
        bool morning = false, evening = false;
        if (a == b) continue;
        int32_t n = route(TRAIN, cities[a], cities[b], day(ahead, d));
        assert_in_range(n, 5, 16);
        for (int32_t i = 0; i < n; i++) {
          const struct rk_service *s = &found[i];
          morning |= strcmp(s->starts, "12:00") < 0 && s->fares[0].places >= 9;
          evening |= strcmp(s->starts, "17:00") > 0 && s->fares[0].places >= 9;
          assert_string_equal(s->date, d);
          assert_true(s->ends_ms > s->starts_ms && s->fares[0].child_minor * 2 <= s->fares[0].adult_minor + 100);
          if (i) assert_true(s->starts_ms >= found[i - 1].starts_ms);
        }
        assert_true(morning && evening);
      }
}

static void test_flights(void **state) {
  (void)state;
  char d[11];
  assert_in_range(route(FLIGHT, "北京", "成都", day(11, d)), 3, 8);
  assert_in_range(route(FLIGHT, "Beijing", "chengdu", d), 3, 8);
  assert_in_range(route(FLIGHT, "北京市", "成都市", d), 3, 8);
  assert_int_equal(route(FLIGHT, "上海", "杭州", d), 0);
}

static int64_t cheapest_night(int who, const char *city, const char *in, const char *out) {
  int64_t best = INT64_MAX;
  int32_t n = search(who, (struct rk_travel_query){.city = rk_str_c(city), .date = rk_str_c(in), .end_date = rk_str_c(out)});
  assert_true(n >= 3);
  for (int32_t i = 0; i < n; i++)
    for (int32_t f = 0; f < found[i].n_fares; f++)
      if (found[i].fares[f].places > 0 && found[i].fares[f].adult_minor < best) best = found[i].fares[f].adult_minor;
  return best;
}

static void test_stays(void **state) {
  (void)state;
  static const struct { const char *city; int64_t max_minor; } corridors[] = {{"杭州", 60000}, {"成都", 50000}, {"西安", 40000}};
  for (int ahead = 0; ahead < 30; ahead++)
    for (int c = 0; c < N_CITIES; c++) {
      char in[11], out[11];
      int64_t a = cheapest_night(YUNQI, cities[c], day(ahead, in), day(ahead + 1, out)), b = cheapest_night(JIANGAN, cities[c], in, out);
      for (size_t k = 0; k < sizeof corridors / sizeof *corridors; k++)
        if (strcmp(cities[c], corridors[k].city) == 0) assert_true(a <= corridors[k].max_minor && b <= corridors[k].max_minor);
    }
  assert_true(cheapest_night(YUNQI, "杭州", "2026-11-28", "2026-11-30") < 120000);
  for (int32_t f = 0; f < found[0].n_fares; f++) assert_int_equal(found[0].fares[f].child_minor, -1);
}

static void test_a_stay_is_the_sum_of_its_nights(void **state) {
  (void)state;
  int64_t sum = 0;
  for (int k = 0; k < 3; k++) {
    char in[11], out[11];
    search(YUNQI, (struct rk_travel_query){.city = RK_STR("西安"), .date = rk_str_c(day(3 + k, in)), .end_date = rk_str_c(day(4 + k, out))});
    sum += found[1].fares[2].adult_minor;
  }
  search(YUNQI, (struct rk_travel_query){.city = RK_STR("西安"), .date = RK_STR("2026-11-26"), .end_date = RK_STR("2026-11-29")});
  assert_int_equal(found[1].fares[2].adult_minor, sum);
}

static int32_t tickets(const char *city, const char *name, const char *date) {
  return search(TICKET, (struct rk_travel_query){.city = rk_str_c(city), .name = rk_str_c(name), .date = rk_str_c(date)});
}

static void test_tickets(void **state) {
  (void)state;
  for (int ahead = 0; ahead <= 30; ahead++) {
    char d[11];
    assert_true(tickets("杭州", "动物园", day(ahead, d)) >= 1);
    assert_string_equal(found[0].what, "zoo");
    assert_true(found[0].fares[0].child_minor < found[0].fares[0].adult_minor && found[0].fares[0].places >= 9);
    assert_int_equal(tickets("北京", "故宫", d), 1);
    assert_string_equal(found[0].id + 10, d);
    assert_true(found[0].fares[0].child_minor < found[0].fares[0].adult_minor);
  }
  assert_int_equal(tickets("Beijing", "forbidden city", "2026-11-28"), 1);
  assert_true(tickets("杭州", "zoo", "2026-11-28") >= 1);
  assert_int_equal(tickets("杭州", "量子滑雪场", "2026-11-28"), 0);
  assert_true(tickets("西安", "", "2026-11-28") >= 3);
}

static int32_t films(const char *city, const char *date, int32_t after, int32_t before) {
  return search(FILM, (struct rk_travel_query){.city = rk_str_c(city), .date = rk_str_c(date), .after_min = after, .before_min = before});
}

static void test_films(void **state) {
  (void)state;
  for (int ahead = 1; ahead <= 30; ahead++)
    for (int c = 0; c < 2; c++) {
      char d[11];
      const char *city = c ? "北京" : "上海";
      int32_t n = films(city, day(ahead, d), 12 * 60, 18 * 60), cheap = 0;
      for (int32_t i = 0; i < n; i++) cheap += found[i].fares[0].adult_minor <= 6000 && found[i].fares[0].places >= 20;
      assert_true(cheap >= 2);
      n = films(city, d, 18 * 60, 0);
      for (int32_t i = cheap = 0; i < n; i++) cheap += found[i].fares[0].adult_minor <= 8000;
      assert_true(cheap >= 2);
    }
}

static void test_seats_stand_together(void **state) {
  (void)state;
  unsigned char taken[RK_MAX_SEAT_ROWS * RK_MAX_SEAT_COLS];
  int32_t seats[RK_MAX_TRAVEL_PARTY], n = films("上海", "2026-11-28", 0, 0);
  bool adjacent;
  char name[32];
  assert_true(n > 20);
  for (int32_t i = 0; i < n; i++) {
    const struct rk_service *s = &found[i];
    rk_travel_seats(seller[FILM], s, taken);
    assert_true(rk_travel_pick_seats(s, taken, 4, seats, &adjacent));
    assert_true(adjacent && seats[0] / s->n_cols == seats[3] / s->n_cols && seats[3] == seats[0] + 3);
    for (int k = 0; k < 4; k++) assert_int_equal(taken[seats[k]], 0);
  }
  rk_travel_seat_name(&found[0], found[0].n_cols + 5, false, name);
  assert_string_equal(name, "2排6座");
  memset(taken, 1, sizeof taken);
  taken[3] = taken[7] = 0;
  assert_true(rk_travel_pick_seats(&found[0], taken, 2, seats, &adjacent));
  assert_false(adjacent);
  assert_false(rk_travel_pick_seats(&found[0], taken, 3, seats, &adjacent));
}

static void test_ids_are_found_again(void **state) {
  (void)state;
  struct rk_travel_query q = {.from = RK_STR("北京"), .to = RK_STR("成都"), .city = RK_STR("北京"), .date = RK_STR("2026-12-04"), .end_date = RK_STR("2026-12-06")};
  for (int who = 0; who < N_SELLERS; who++) {
    int32_t n = search(who, q);
    assert_true(n > 0);
    for (int32_t i = 0; i < n; i++)
      for (int32_t f = 0; f < found[i].n_fares; f++) {
        struct rk_travel_item item;
        char id[RK_TRAVEL_ID_BYTES + 40];
        rk_travel_item_id(&found[i], &found[i].fares[f], found[i].fares[f].child_minor >= 0, id);
        assert_true(rk_travel_find_item(seller[who], rk_str_c(id), &item));
        assert_string_equal(item.service.zh, found[i].zh);
        assert_int_equal(item.fare->places, found[i].fares[f].places);
        assert_int_equal(item.price_minor, item.child ? found[i].fares[f].child_minor : found[i].fares[f].adult_minor);
      }
  }
  static const char *const none[] = {"", "G1", "G1.2026-12-04", "G999999.2026-12-04.second.adult", "G0100.2026-12-04.second.adult", "G101.2026-02-30.second.adult",
                                     "G101.2026-12-04.second.dog", "G101.2026-12-04.sleeper.adult", "YY1034.2026-12-04.economy.adult", "....", "G-1.2026-12-04.second.adult"};
  struct rk_travel_item item;
  for (size_t i = 0; i < sizeof none / sizeof *none; i++) assert_false(rk_travel_find_item(seller[TRAIN], rk_str_c(none[i]), &item));
}

static void test_stocks(void **state) {
  (void)state;
  struct rk_travel_item item;
  struct rk_stock adult[RK_MAX_STAY_NIGHTS], child[RK_MAX_STAY_NIGHTS];
  char id[RK_TRAVEL_ID_BYTES + 40];
  route(TRAIN, "上海", "杭州", "2026-11-28");
  rk_travel_item_id(&found[0], &found[0].fares[0], false, id);
  assert_true(rk_travel_find_item(seller[TRAIN], rk_str_c(id), &item) && rk_travel_stocks(seller[TRAIN], &item, adult) == 1);
  rk_travel_item_id(&found[0], &found[0].fares[0], true, id);
  assert_true(rk_travel_find_item(seller[TRAIN], rk_str_c(id), &item) && rk_travel_stocks(seller[TRAIN], &item, child) == 1);
  assert_string_equal(adult[0].key, child[0].key);
  assert_true(rk_travel_find_item(seller[YUNQI], RK_STR("hangzhou-lite.2026-11-28.2026-11-30.twin-saver.room"), &item));
  assert_int_equal(rk_travel_stocks(seller[YUNQI], &item, adult), 2);
  assert_string_equal(adult[0].key, "hangzhou-lite.2026-11-28.twin");
  assert_string_equal(adult[1].key, "hangzhou-lite.2026-11-29.twin");
  assert_int_equal(item.fare->places, adult[0].places < adult[1].places ? adult[0].places : adult[1].places);
}

static int64_t fee(int who, const char *item_id, const char *at, bool *back) {
  struct rk_travel_item item;
  int64_t ms, minor;
  assert_true(rk_time_parse(rk_str_c(at), &ms, NULL) && rk_travel_find_item(seller[who], rk_str_c(item_id), &item));
  *back = rk_travel_refund_fee(seller[who], &item, 10000, ms, &minor);
  return minor;
}

static void test_refund_fees(void **state) {
  (void)state;
  bool back;
  char id[RK_TRAVEL_ID_BYTES + 40];
  route(TRAIN, "上海", "杭州", "2026-12-10");
  rk_travel_item_id(&found[0], &found[0].fares[0], false, id);
  assert_int_equal(fee(TRAIN, id, "2026-11-23T10:00:00+08:00", &back), 0);
  assert_int_equal(fee(TRAIN, id, "2026-12-06T10:00:00+08:00", &back), 500);
  assert_int_equal(fee(TRAIN, id, "2026-12-09T05:00:00+08:00", &back), 1000);
  assert_int_equal(fee(TRAIN, id, "2026-12-10T05:00:00+08:00", &back), 2000);
  assert_true(back);
  assert_int_equal(fee(TRAIN, id, "2026-12-10T23:00:00+08:00", &back), 10000);
  assert_false(back);
  assert_int_equal(fee(YUNQI, "hangzhou-lite.2026-12-10.2026-12-12.twin-flex.room", "2026-12-09T17:00:00+08:00", &back), 0);
  assert_int_equal(fee(YUNQI, "hangzhou-lite.2026-12-10.2026-12-12.twin-flex.room", "2026-12-09T19:00:00+08:00", &back), 5000);
  assert_true(back);
  fee(YUNQI, "hangzhou-lite.2026-12-10.2026-12-12.twin-saver.room", "2026-12-01T17:00:00+08:00", &back);
  assert_false(back);
  assert_int_equal(fee(TICKET, "bj-gugong.2026-12-10.day.adult", "2026-12-09T23:59:00+08:00", &back), 0);
  fee(TICKET, "bj-gugong.2026-12-10.day.adult", "2026-12-10T00:00:00+08:00", &back);
  assert_false(back);
  assert_int_equal(fee(FILM, "xidan-1-3.2026-12-10.seat.adult", "2026-12-10T10:00:00+08:00", &back), 500);
}

static void test_bad_queries_name_the_field(void **state) {
  (void)state;
  static const struct { int who; struct rk_travel_query q; const char *says; } cases[] = {
      {TRAIN, {.from = RK_STR("上海"), .to = RK_STR("亚特兰蒂斯"), .date = RK_STR("2026-11-28")}, "to: there is no city"},
      {TRAIN, {.from = RK_STR("上海"), .to = RK_STR("上海市"), .date = RK_STR("2026-11-28")}, "same city"},
      {TRAIN, {.from = RK_STR("上海"), .to = RK_STR("杭州"), .date = RK_STR("2026-11-22")}, "date: a day from 2026-11-23 to 2026-12-23"},
      {TRAIN, {.from = RK_STR("上海"), .to = RK_STR("杭州"), .date = RK_STR("2026-11-31")}, "date:"},
      {TRAIN, {.from = RK_STR("上海"), .to = RK_STR("杭州"), .date = RK_STR("周六")}, "date:"},
      {YUNQI, {.city = RK_STR("杭州"), .date = RK_STR("2026-11-28"), .end_date = RK_STR("2026-11-28")}, "end_date: 1 to 14 nights"},
      {YUNQI, {.city = RK_STR("杭州"), .date = RK_STR("2026-11-28")}, "end_date:"},
      {FILM, {.date = RK_STR("2026-11-28")}, "city: there is no city"},
      {FILM, {.city = RK_STR("上海"), .date = RK_STR("2026-11-28"), .after_min = -5}, "after"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rk_error e = {0};
    int32_t n;
    assert_int_equal(rk_travel_search(seller[cases[i].who], &cases[i].q, now, found, MAX, &n, &e), RK_EINVAL);
    assert_non_null(strstr(e.msg, cases[i].says));
  }
}

static void test_what_has_begun_is_not_sold(void **state) {
  (void)state;
  int32_t all = route(TRAIN, "上海", "杭州", "2026-11-24"), today = route(TRAIN, "上海", "杭州", "2026-11-23");
  assert_true(today > 0 && today < all);
  for (int32_t i = 0; i < today; i++) assert_true(strcmp(found[i].starts, "10:00") > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_trains_of_every_pair), cmocka_unit_test(test_flights), cmocka_unit_test(test_stays),
      cmocka_unit_test(test_a_stay_is_the_sum_of_its_nights), cmocka_unit_test(test_tickets), cmocka_unit_test(test_films),
      cmocka_unit_test(test_seats_stand_together), cmocka_unit_test(test_ids_are_found_again), cmocka_unit_test(test_stocks),
      cmocka_unit_test(test_refund_fees), cmocka_unit_test(test_bad_queries_name_the_field), cmocka_unit_test(test_what_has_begun_is_not_sold)};
  return cmocka_run_group_tests(tests, start, end);
}
