/* Money back: how much, when not, and never more than was paid. */
#include "shop/fulfil.h"
#include "steps.h"

enum { GOODS, RAIL, HOTEL };

static const char *const sellers[] = {"shops/lanhai", "shops/travel/tongtu", "shops/travel/yunqi"};

static int start(void **state) {
  (void)state;
  return open_shops(sellers, 3);
}

static int stop(void **state) {
  (void)state;
  return close_shops();
}

/* ---- steps ---- */

static json_t *find_goods(const char *query) {
  int32_t status;
  json_t *v = ask(GOODS, "POST", "/catalog/search", json_pack("{s:s}", "query", query), &status);
  assert_int_equal(status, 200);
  return v;
}

/* A paid order of the first thing that a query finds. */
static json_t *buy_goods(const char *query, int quantity, const char *code) {
  json_t *found = find_goods(query), *codes = code ? json_pack("[s]", code) : json_array();
  int32_t status;
  json_t *address = json_pack("{s:s, s:s}", "first_name", "张伟", "street_address", "漕溪北路18号");
  json_t *body = json_pack("{s:o, s:{s:[{s:s, s:[o]}]}, s:{s:o}}", "line_items", lines_of(rk_json_cstr(variant(found, 0, 0), "id", ""), quantity), "fulfillment",
                           "methods", "type", "shipping", "destinations", address, "discounts", "codes", codes);
  json_t *co = ask(GOODS, "POST", "/checkout-sessions", body, &status), *done = pay(GOODS, co);
  assert_true(is(done, "completed"));
  json_decref(co);
  json_decref(found);
  return done;
}

static const char *order_id(const json_t *checkout) { return rk_json_cstr(rk_json_obj(checkout, "order"), "id", ""); }

static json_t *quote(int i, const char *order, int quantity) {
  int32_t status;
  json_t *body = json_pack("{s:s}", "order_id", order);
  if (quantity) json_object_set_new(body, "line_items", json_pack("[{s:s, s:i}]", "id", "li_1", "quantity", quantity));
  return ask(i, "POST", "/refunds", body, &status);
}

static json_t *confirm(int i, const json_t *refund, int32_t *status) {
  char path[100];
  snprintf(path, sizeof path, "/refunds/%s/confirm", rk_json_cstr(refund, "id", ""));
  return ask(i, "POST", path, NULL, status);
}

static int64_t amount_of(const json_t *v, const char *type) {
  size_t i;
  json_t *t;
  json_array_foreach(rk_json_arr(v, "totals"), i, t)
    if (rk_str_eq_c(rk_json_str(t, "type"), type)) return rk_json_i64(t, "amount", 0);
  return -1;
}

static int64_t take_back(int i, const char *order, int quantity) {
  int32_t status;
  json_t *q = quote(i, order, quantity), *done = confirm(i, q, &status);
  int64_t amount = amount_of(done, "total");
  assert_int_equal(status, 200);
  assert_true(is(q, "quoted") && is(done, "completed"));
  assert_int_equal(amount, amount_of(q, "total"));
  json_decref(done);
  json_decref(q);
  return amount;
}

static json_t *order_view(int i, const char *order) {
  int32_t status;
  char path[100];
  snprintf(path, sizeof path, "/orders/%s", order);
  json_t *v = ask(i, "GET", path, NULL, &status);
  assert_int_equal(status, 200);
  return v;
}

/* ---- tests ---- */

static void test_everything_comes_back(void **state) {
  (void)state;
  json_t *found = find_goods("充电器"), *bought = buy_goods("充电器", 2, NULL);
  int64_t before = left(variant(found, 0, 0));
  int32_t status;
  assert_int_equal(take_back(GOODS, order_id(bought), 0), total_of(bought));
  json_t *order = order_view(GOODS, order_id(bought)), *line = json_array_get(rk_json_arr(order, "line_items"), 0);
  assert_string_equal(rk_json_cstr(line, "status", ""), "removed");
  assert_int_equal(-amount_of(json_array_get(rk_json_arr(order, "adjustments"), 0), "total"), total_of(bought));
  json_t *again = find_goods("充电器"), *none = quote(GOODS, order_id(bought), 0);
  assert_int_equal(left(variant(again, 0, 0)), before);
  assert_true(has_code(none, "refund_not_possible"));
  json_decref(ask(GOODS, "GET", "/refunds/none", NULL, &status));
  assert_int_equal(status, 404);
  json_decref(none);
  json_decref(again);
  json_decref(order);
  json_decref(bought);
  json_decref(found);
}

static void test_parts_sum_to_the_whole(void **state) {
  (void)state;
  json_t *found = find_goods("口罩");
  const json_t *product = json_array_get(rk_json_arr(found, "products"), 0), *offer = rk_json_obj(rk_json_obj(product, "metadata"), RK_UCP_OFFER_KEY);
  for (size_t c = 0; c <= json_array_size(rk_json_arr(offer, "coupons")); c++) {
    const char *code = c ? rk_json_cstr(json_array_get(rk_json_arr(offer, "coupons"), c - 1), "code", NULL) : NULL;
    json_t *bought = buy_goods("口罩", 7, code);
    int64_t sum = take_back(GOODS, order_id(bought), 3) + take_back(GOODS, order_id(bought), 1) + take_back(GOODS, order_id(bought), 3);
    assert_int_equal(sum, total_of(bought));
    json_decref(bought);
  }
  json_decref(found);
}

static void test_a_quote_is_used_once(void **state) {
  (void)state;
  int32_t status;
  json_t *bought = buy_goods("保温杯", 2, NULL), *a = quote(GOODS, order_id(bought), 2), *b = quote(GOODS, order_id(bought), 1);
  json_t *first = confirm(GOODS, a, &status), *same = confirm(GOODS, a, &status);
  assert_int_equal(status, 200);
  assert_true(json_equal(first, same));
  json_decref(confirm(GOODS, b, &status));
  assert_int_equal(status, 409);
  json_t *order = order_view(GOODS, order_id(bought));
  assert_int_equal(json_array_size(rk_json_arr(order, "adjustments")), 1);
  json_decref(order);
  json_decref(same);
  json_decref(first);
  json_decref(b);
  json_decref(a);
  json_decref(bought);
}

static void test_what_is_not_taken_back(void **state) {
  (void)state;
  int32_t status;
  json_t *tea = buy_goods("奶茶", 1, NULL), *refused = quote(GOODS, order_id(tea), 0);
  assert_true(has_code(refused, "refund_not_possible"));
  assert_non_null(strstr(rk_json_cstr(json_array_get(rk_json_arr(refused, "messages"), 0), "content", ""), "奶茶不退"));
  json_t *cup = buy_goods("保温杯", 1, NULL), *many = quote(GOODS, order_id(cup), 2);
  assert_string_equal(rk_json_cstr(many, "code", ""), "invalid_request");
  json_decref(ask(GOODS, "POST", "/refunds", json_pack("{s:s}", "order_id", "LH-none"), &status));
  assert_int_equal(status, 404);
  json_decref(ask(GOODS, "POST", "/refunds", json_object(), &status));
  assert_int_equal(status, 400);
  json_decref(many);
  json_decref(cup);
  json_decref(refused);
  json_decref(tea);
}

static void test_fee_of_a_train(void **state) {
  (void)state;
  json_t *found = search(RAIL, "{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"2026-11-28\"}");
  json_t *co = create(RAIL, lines_of(rk_json_cstr(variant(found, 0, 0), "id", ""), 2), json_pack("[{s:s}, {s:s}]", "name", "张伟", "name", "李娜"));
  json_t *done = pay(RAIL, co), *one = quote(RAIL, order_id(done), 1);
  int64_t unit = total_of(done) / 2, before = left(variant(found, 0, 0));
  assert_int_equal(amount_of(one, "fee"), -(unit * 5 + 99) / 100);
  assert_int_equal(amount_of(one, "total"), unit - (unit * 5 + 99) / 100);
  take_back(RAIL, order_id(done), 1);
  take_back(RAIL, order_id(done), 1);
  json_t *after = search(RAIL, "{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"2026-11-28\"}");
  assert_int_equal(left(variant(after, 0, 0)), before);
  json_decref(after);
  json_decref(one);
  json_decref(done);
  json_decref(co);
  json_decref(found);
}

static void test_saver_room_is_kept(void **state) {
  (void)state;
  json_t *co = create(HOTEL, lines_of("hangzhou-lite.2026-11-28.2026-11-29.twin-saver.room", 1), json_pack("[{s:s}]", "name", "张伟"));
  json_t *done = pay(HOTEL, co), *refused = quote(HOTEL, order_id(done), 0);
  assert_true(has_code(refused, "refund_not_possible"));
  json_decref(refused);
  json_decref(done);
  json_decref(co);
}

/* Of money that both give back, the buyer by a request and the seller unasked, no more goes back than was paid. */
static void test_buyer_and_seller_share_one_total(void **state) {
  (void)state;
  struct rk_db *db = NULL;
  struct rk_error e = {0};
  char path[300];
  int32_t status;
  assert_int_equal(rk_shop_db_path(sellers[GOODS], data_dir, path, sizeof path, &e), RK_OK);
  assert_int_equal(rk_shop_store_open(path, &db, &e), RK_OK);
  json_t *found = find_goods("口罩"), *bought = buy_goods("口罩", 4, NULL), *quoted = quote(GOODS, order_id(bought), 2);
  int64_t total = total_of(bought), before = left(variant(found, 0, 0)), kept = amount_of(quoted, "total") - 1;
  struct rk_payback_done done;
  assert_int_equal(rk_shop_pay_back(db, &(struct rk_payback){order_id(bought), "", "", total - kept, NULL}, &done, &e), RK_OK);
  json_decref(confirm(GOODS, quoted, &status));
  assert_int_equal(status, 409); /* one cent more than is left */
  json_t *after = find_goods("口罩");
  assert_int_equal(left(variant(after, 0, 0)), before - 4); /* and nothing came back into stock */
  json_t *again = quote(GOODS, order_id(bought), 2);
  assert_int_equal(amount_of(again, "total"), kept);
  json_decref(confirm(GOODS, again, &status));
  assert_int_equal(status, 200);
  assert_int_equal(rk_shop_pay_back(db, &(struct rk_payback){order_id(bought), "", "", -1, NULL}, &done, &e), RK_ECONFLICT);
  json_t *order = order_view(GOODS, order_id(bought));
  assert_int_equal(amount_of(json_array_get(rk_json_arr(order, "adjustments"), 0), "total") + amount_of(json_array_get(rk_json_arr(order, "adjustments"), 1), "total"), -total);
  rk_db_close(db);
  json_decref(order);
  json_decref(again);
  json_decref(after);
  json_decref(quoted);
  json_decref(bought);
  json_decref(found);
}

/* The seller of dated places gives one back: it is free again. */
static void test_a_place_given_back_by_the_seller_is_free(void **state) {
  (void)state;
  struct rk_db *db = NULL;
  struct rk_error e = {0};
  struct rk_payback_done done;
  char path[300];
  assert_int_equal(rk_shop_db_path(sellers[RAIL], data_dir, path, sizeof path, &e), RK_OK);
  assert_int_equal(rk_shop_store_open(path, &db, &e), RK_OK);
  json_t *found = search(RAIL, "{\"from\":\"上海\",\"to\":\"南京\",\"date\":\"2026-11-28\"}");
  json_t *co = create(RAIL, lines_of(rk_json_cstr(variant(found, 0, 0), "id", ""), 2), json_pack("[{s:s}, {s:s}]", "name", "张伟", "name", "李娜")), *bought = pay(RAIL, co);
  json_t *lines = json_pack("[{s:s, s:i}]", "id", "li_1", "quantity", 1);
  assert_int_equal(rk_shop_pay_back(db, &(struct rk_payback){order_id(bought), "", "", -1, lines}, &done, &e), RK_OK);
  assert_int_equal(done.amount_minor, total_of(bought) / 2); /* no fee: it is the seller who wants it so */
  json_t *after = search(RAIL, "{\"from\":\"上海\",\"to\":\"南京\",\"date\":\"2026-11-28\"}");
  assert_int_equal(left(variant(after, 0, 0)), left(variant(found, 0, 0)) - 1);
  rk_db_close(db);
  json_decref(after);
  json_decref(lines);
  json_decref(bought);
  json_decref(co);
  json_decref(found);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_everything_comes_back), cmocka_unit_test(test_parts_sum_to_the_whole),
                                     cmocka_unit_test(test_a_quote_is_used_once), cmocka_unit_test(test_what_is_not_taken_back),
                                     cmocka_unit_test(test_fee_of_a_train), cmocka_unit_test(test_saver_room_is_kept),
                                     cmocka_unit_test(test_buyer_and_seller_share_one_total), cmocka_unit_test(test_a_place_given_back_by_the_seller_is_free)};
  return cmocka_run_group_tests(tests, start, stop);
}
