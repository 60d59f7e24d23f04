/* Dated places sold by the same sessions as goods: found, held, paid, never sold twice. */
#include <pthread.h>

#include "steps.h"

enum { RAIL, HOTEL, CINEMA, N_BUYERS = 8 };

static const char *const sellers[] = {"shops/travel/tongtu", "shops/travel/yunqi", "shops/travel/guangying"};

static int start(void **state) {
  (void)state;
  return open_shops(sellers, 3);
}

static int stop(void **state) {
  (void)state;
  return close_shops();
}

/* ---- tests ---- */

static void test_train_for_a_family(void **state) {
  (void)state;
  json_t *found = search(RAIL, "{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"2026-11-28\"}");
  const char *adult = rk_json_cstr(variant(found, 0, 0), "id", ""), *child = rk_json_cstr(variant(found, 0, 1), "id", "");
  int64_t before = left(variant(found, 0, 0)), adult_minor = rk_json_i64(rk_json_obj(variant(found, 0, 0), "price"), "amount", 0),
          child_minor = rk_json_i64(rk_json_obj(variant(found, 0, 1), "price"), "amount", 0);
  assert_true(json_array_size(rk_json_arr(found, "products")) >= 5 && before >= 24 && child_minor < adult_minor);
  json_t *lines = json_pack("[{s:{s:s}, s:i}, {s:{s:s}, s:i}]", "item", "id", adult, "quantity", 2, "item", "id", child, "quantity", 1);
  json_t *without = create(RAIL, json_incref(lines), json_array());
  assert_true(is(without, "incomplete") && has_code(without, "missing"));
  json_t *co = create(RAIL, lines, json_pack("[{s:s}, {s:s}, {s:s, s:s}]", "name", "张伟", "name", "李娜", "name", "张小宝", "kind", "child"));
  assert_true(is(co, "ready_for_complete"));
  assert_int_equal(total_of(co), 2 * adult_minor + child_minor);
  json_t *again = search(RAIL, "{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"2026-11-28\"}");
  assert_int_equal(left(variant(again, 0, 0)), before - 6); /* both checkouts hold */
  json_t *done = pay(RAIL, co);
  assert_true(is(done, "completed"));
  struct rk_error e = {0};
  struct rk_db *db = NULL;
  char path[256];
  assert_int_equal(rk_shop_db_path(dirs[RAIL], data_dir, path, sizeof path, &e), RK_OK);
  assert_int_equal(rk_shop_store_open(path, &db, &e), RK_OK);
  json_t *orders = rk_shop_store_orders(db, &e), *order = json_array_get(orders, 0);
  assert_int_equal(json_array_size(orders), 1);
  assert_int_equal(json_array_size(rk_json_arr(order, "travelers")), 3);
  const json_t *facts = rk_json_obj(json_array_get(rk_json_arr(order, "lines"), 0), "attributes");
  assert_string_equal(rk_json_cstr(facts, "from", ""), "上海");
  assert_string_equal(rk_json_cstr(facts, "date", ""), "2026-11-28");
  rk_db_close(db);
  json_decref(orders);
  json_decref(done);
  json_decref(again);
  json_decref(co);
  json_decref(without);
  json_decref(found);
}

static void test_cancel_lets_go(void **state) {
  (void)state;
  json_t *found = search(HOTEL, "{\"city\":\"西安\",\"date\":\"2026-11-28\",\"end_date\":\"2026-11-30\"}");
  const char *room = rk_json_cstr(variant(found, 0, 0), "id", "");
  int64_t before = left(variant(found, 0, 0));
  int32_t status;
  char path[200];
  json_t *co = create(HOTEL, lines_of(room, (int)before), json_pack("[{s:s}]", "name", "张伟"));
  assert_true(before > 0 && is(co, "ready_for_complete"));
  json_t *late = create(HOTEL, lines_of(room, 1), json_pack("[{s:s}]", "name", "李娜"));
  assert_true(is(late, "incomplete") && has_code(late, "out_of_stock"));
  snprintf(path, sizeof path, "/checkout-sessions/%s/cancel", rk_json_cstr(co, "id", ""));
  json_decref(ask(HOTEL, "POST", path, NULL, &status));
  assert_int_equal(status, 200);
  json_t *next = create(HOTEL, lines_of(room, 1), json_pack("[{s:s}]", "name", "李娜"));
  assert_true(is(next, "ready_for_complete"));
  json_decref(next);
  json_decref(late);
  json_decref(co);
  json_decref(found);
}

static void test_seats_are_named_in_the_terms(void **state) {
  (void)state;
  json_t *found = search(CINEMA, "{\"city\":\"上海\",\"date\":\"2026-11-28\",\"after_min\":720,\"before_min\":1080}");
  const char *item = rk_json_cstr(variant(found, 1, 0), "id", "");
  json_t *a = create(CINEMA, lines_of(item, 2), json_array()), *b = create(CINEMA, lines_of(item, 2), json_array());
  assert_true(is(a, "ready_for_complete") && is(b, "ready_for_complete"));
  assert_non_null(strstr(option(a, "seats"), "、"));
  assert_string_not_equal(option(a, "seats"), option(b, "seats"));
  json_t *paid = pay(CINEMA, a);
  assert_string_equal(option(paid, "seats"), option(a, "seats"));
  json_decref(paid);
  json_decref(b);
  json_decref(a);
  json_decref(found);
}

static void test_details_of_one(void **state) {
  (void)state;
  int32_t status;
  json_t *found = search(RAIL, "{\"from\":\"北京\",\"to\":\"成都\",\"date\":\"2026-12-04\"}");
  const char *item = rk_json_cstr(variant(found, 0, 2), "id", "");
  json_t *v = ask(RAIL, "POST", "/catalog/product", json_pack("{s:s}", "id", item), &status);
  assert_int_equal(status, 200);
  assert_string_equal(rk_json_cstr(json_array_get(rk_json_arr(rk_json_obj(v, "product"), "variants"), 0), "id", ""), item);
  json_decref(v);
  v = ask(RAIL, "POST", "/catalog/lookup", json_pack("{s:[s, s, s]}", "ids", item, item, "G0.2026-12-04.second.adult"), &status);
  assert_int_equal(json_array_size(rk_json_arr(v, "products")), 1);
  assert_int_equal(json_array_size(rk_json_arr(v, "messages")), 1);
  json_decref(v);
  json_decref(found);
}

static void test_bad_requests(void **state) {
  (void)state;
  static const char *const queries[] = {"{}", "{\"from\":\"上海\",\"to\":\"月球\",\"date\":\"2026-11-28\"}", "{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"2027-11-28\"}"};
  struct rk_error e = {0};
  int32_t status;
  for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
    json_t *v = ask(RAIL, "POST", "/catalog/search", json_pack("{s:o}", RK_UCP_TRAVEL_KEY, rk_json_parse(rk_str_c(queries[i]), 4096, &e)), &status);
    assert_int_equal(status, 400);
    json_decref(v);
  }
  json_decref(ask(RAIL, "POST", "/catalog/search", json_pack("{s:s}", "query", "高铁"), &status));
  assert_int_equal(status, 400);
  json_t *v = ask(RAIL, "POST", "/checkout-sessions", json_pack("{s:o}", "line_items", lines_of("G100.2026-11-22.second.adult", 1)), &status);
  assert_true(rk_json_obj(v, "ucp") && has_code(v, "item_unavailable"));
  json_decref(v);
  json_decref(ask(RAIL, "POST", "/checkout-sessions", json_pack("{s:o}", "line_items", lines_of("G101.2026-11-28.second.adult", 10)), &status));
  assert_int_equal(status, 400);
}

struct buyer { const char *item; int n_bought; char seats[64][64]; };

static void *buy(void *ud) {
  struct buyer *b = ud;
  for (int k = 0; k < 64; k++) {
    json_t *co = create(CINEMA, lines_of(b->item, 1), json_array());
    bool ready = is(co, "ready_for_complete");
    json_t *done = ready ? pay(CINEMA, co) : NULL;
    if (done && is(done, "completed")) snprintf(b->seats[b->n_bought++], 64, "%s", option(done, "seats"));
    json_decref(done);
    json_decref(co);
    if (!ready) break;
  }
  return NULL;
}

static void test_parallel_buyers_never_share_a_seat(void **state) {
  (void)state;
  json_t *found = search(CINEMA, "{\"city\":\"北京\",\"date\":\"2026-11-29\"}");
  const char *item = rk_json_cstr(variant(found, 0, 0), "id", "");
  int64_t seats = left(variant(found, 0, 0));
  struct buyer buyers[N_BUYERS] = {0};
  pthread_t threads[N_BUYERS];
  int sold = 0;
  for (int i = 0; i < N_BUYERS; i++) {
    buyers[i].item = item;
    assert_int_equal(pthread_create(&threads[i], NULL, buy, &buyers[i]), 0);
  }
  for (int i = 0; i < N_BUYERS; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < N_BUYERS; i++)
    for (int k = 0; k < buyers[i].n_bought; k++, sold++)
      for (int j = 0; j <= i; j++)
        for (int m = 0; m < (j == i ? k : buyers[j].n_bought); m++) assert_string_not_equal(buyers[i].seats[k], buyers[j].seats[m]);
  assert_int_equal(sold, seats);
  json_t *after = search(CINEMA, "{\"city\":\"北京\",\"date\":\"2026-11-29\"}");
  assert_int_equal(left(variant(after, 0, 0)), 0);
  json_decref(after);
  json_decref(found);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_train_for_a_family), cmocka_unit_test(test_cancel_lets_go),
                                     cmocka_unit_test(test_seats_are_named_in_the_terms), cmocka_unit_test(test_details_of_one),
                                     cmocka_unit_test(test_bad_requests), cmocka_unit_test(test_parallel_buyers_never_share_a_seat)};
  return cmocka_run_group_tests(tests, start, stop);
}
