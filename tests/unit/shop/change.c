/* Other places for those of a paid order, at the seller: what it costs, and never both, never none. */
#include "steps.h"

enum { RAIL, AIR, HOTEL, TICKETS, CINEMA };

static const char *const sellers[] = {"shops/travel/tongtu", "shops/travel/yunyi", "shops/travel/yunqi", "shops/travel/changyou", "shops/travel/guangying"};
static const char *const queries[][2] = {
    {"{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"2026-11-28\"}", "{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"2026-11-29\"}"},
    {"{\"from\":\"北京\",\"to\":\"成都\",\"date\":\"2026-11-28\"}", "{\"from\":\"北京\",\"to\":\"成都\",\"date\":\"2026-12-02\"}"},
    {"{\"city\":\"西安\",\"date\":\"2026-11-28\",\"end_date\":\"2026-11-30\"}", "{\"city\":\"西安\",\"date\":\"2026-12-04\",\"end_date\":\"2026-12-05\"}"},
    {"{\"city\":\"北京\",\"date\":\"2026-11-28\"}", "{\"city\":\"北京\",\"date\":\"2026-11-30\"}"},
    {"{\"city\":\"上海\",\"date\":\"2026-11-28\"}", "{\"city\":\"上海\",\"date\":\"2026-11-29\"}"}};

static int start(void **state) {
  (void)state;
  return open_shops(sellers, 5);
}

static int stop(void **state) {
  (void)state;
  return close_shops();
}

/* ---- steps ---- */

static json_t *people(int n) {
  static const char *const names[] = {"张伟", "李娜", "王芳"};
  json_t *list = json_array();
  for (int i = 0; i < n; i++) json_array_append_new(list, json_pack("{s:s}", "name", names[i]));
  return list;
}

struct place { char id[128]; int64_t price, left; };

static struct place place_at(int i, int when, size_t product, size_t at) {
  json_t *found = search(i, queries[i][when]);
  const json_t *v = variant(found, product, at);
  struct place p = {.price = rk_json_i64(rk_json_obj(v, "price"), "amount", -1), .left = left(v)};
  snprintf(p.id, sizeof p.id, "%s", rk_json_cstr(v, "id", ""));
  assert_true(p.id[0] != 0);
  json_decref(found);
  return p;
}

/* A paid order; its id. */
static char *buy(int i, const char *item, int n) {
  json_t *co = create(i, lines_of(item, n), people(n)), *done = pay(i, co);
  assert_true(is(done, "completed"));
  char *id = strdup(rk_json_cstr(rk_json_obj(done, "order"), "id", ""));
  json_decref(done);
  json_decref(co);
  return id;
}

static json_t *change_to(int i, const char *order, json_t *given, json_t *lines, int32_t *status) {
  json_t *change = json_pack("{s:s}", "order_id", order);
  if (given) json_object_set_new(change, "line_items", given);
  return ask(i, "POST", "/checkout-sessions", json_pack("{s:o, s:o}", "line_items", lines, RK_UCP_CHANGE, change), status);
}

static json_t *order_view(int i, const char *order) {
  int32_t status;
  char path[100];
  snprintf(path, sizeof path, "/orders/%s", order);
  json_t *v = ask(i, "GET", path, NULL, &status);
  assert_int_equal(status, 200);
  return v;
}

static int64_t part_of(const json_t *co, const char *name) { return rk_json_i64(rk_json_obj(co, RK_UCP_CHANGE), name, -1); }

static int64_t refund_all(int i, const char *order) {
  int32_t status;
  char path[100];
  json_t *q = ask(i, "POST", "/refunds", json_pack("{s:s}", "order_id", order), &status);
  snprintf(path, sizeof path, "/refunds/%s/confirm", rk_json_cstr(q, "id", ""));
  json_t *done = ask(i, "POST", path, NULL, &status);
  assert_int_equal(status, 200);
  int64_t back = total_of(done);
  json_decref(done);
  json_decref(q);
  return back;
}

/* ---- tests ---- */

/* Every kind: the new places sold, the old ones free, the difference paid or back, one order. */
static void test_each_kind_is_changed(void **state) {
  (void)state;
  for (int i = RAIL; i <= CINEMA; i++) {
    struct place old = place_at(i, 0, 0, 0), new = place_at(i, 1, 0, 0);
    char *order = buy(i, old.id, 2);
    int32_t status;
    json_t *co = change_to(i, order, NULL, lines_of(new.id, 2), &status);
    int64_t fee = part_of(co, "fee"), back = part_of(co, "back");
    assert_true(is(co, "ready_for_complete"));
    assert_int_equal(part_of(co, "worth"), 2 * old.price);
    assert_int_equal(total_of(co) - back, 2 * new.price + fee - 2 * old.price);
    assert_true(total_of(co) == 0 || back == 0);
    assert_true(i != AIR || fee == 2 * old.price / 10); /* five days before: 10 % */
    assert_int_equal(place_at(i, 1, 0, 0).left, new.left - 2); /* held before the old ones are let go */
    assert_int_equal(place_at(i, 0, 0, 0).left, old.left - 2);
    json_t *done = pay(i, co);
    assert_true(is(done, "completed"));
    assert_string_equal(rk_json_cstr(rk_json_obj(done, "order"), "id", ""), order);
    assert_int_equal(place_at(i, 1, 0, 0).left, new.left - 2);
    assert_int_equal(place_at(i, 0, 0, 0).left, old.left);
    json_t *view = order_view(i, order), *lines = rk_json_arr(view, "line_items"), *adjusted = json_array_get(rk_json_arr(view, "adjustments"), 0);
    assert_int_equal(json_array_size(lines), 2);
    assert_string_equal(rk_json_cstr(json_array_get(lines, 0), "status", ""), "removed");
    assert_string_equal(rk_json_cstr(json_array_get(lines, 1), "id", ""), "li_2");
    assert_string_equal(rk_json_cstr(adjusted, "type", ""), "exchange");
    assert_int_equal(total_of(adjusted), total_of(co) - back);
    json_t *twice = pay(i, co);
    assert_true(json_equal(twice, done));
    json_decref(twice);
    json_decref(view);
    json_decref(done);
    json_decref(co);
    free(order);
  }
}

/* All that was paid comes back in the end but the fees, whatever came between. */
static void test_money_after_changes(void **state) {
  (void)state;
  struct place cheap = place_at(RAIL, 0, 1, 0), dear = place_at(RAIL, 1, 1, 4);
  if (cheap.price > dear.price) dear = place_at(RAIL, 1, 1, 2);
  char *order = buy(RAIL, cheap.id, 2);
  int32_t status;
  int64_t paid = 2 * cheap.price, fees = 0;
  json_t *up = change_to(RAIL, order, NULL, lines_of(dear.id, 2), &status);
  assert_true(total_of(up) > 0);
  paid += total_of(up), fees += part_of(up, "fee");
  json_decref(pay(RAIL, up));
  json_t *down = change_to(RAIL, order, json_pack("[{s:s, s:i}]", "id", "li_2", "quantity", 1), lines_of(cheap.id, 1), &status); /* one of the two */
  assert_true(is(down, "ready_for_complete") && part_of(down, "back") > 0 && total_of(down) == 0);
  paid -= part_of(down, "back"), fees += part_of(down, "fee");
  json_decref(pay(RAIL, down));
  json_t *view = order_view(RAIL, order), *lines = rk_json_arr(view, "line_items");
  assert_int_equal(json_array_size(lines), 3);
  assert_int_equal(rk_json_i64(rk_json_obj(json_array_get(lines, 1), "quantity"), "total", -1), 1);
  int64_t back = refund_all(RAIL, order); /* five days before departure: 5 % of what is left, which is one of each */
  int64_t fee = (dear.price * 5 + 99) / 100 + (cheap.price * 5 + 99) / 100;
  assert_int_equal(fees, 0);
  assert_int_equal(paid, dear.price + cheap.price);
  assert_int_equal(back, paid - fee);
  struct place now = place_at(RAIL, 1, 1, 0), first = place_at(RAIL, 0, 1, 0);
  assert_true(now.left > 0);
  assert_int_equal(first.left, cheap.left);
  json_decref(view);
  json_decref(down);
  json_decref(up);
  free(order);
}

static void test_seats_of_a_film_follow(void **state) {
  (void)state;
  struct place old = place_at(CINEMA, 0, 1, 0), new = place_at(CINEMA, 1, 1, 0);
  char *order = buy(CINEMA, old.id, 3);
  int32_t status;
  json_t *co = change_to(CINEMA, order, NULL, lines_of(new.id, 3), &status);
  assert_true(strlen(option(co, "seats")) > 0);
  json_t *done = pay(CINEMA, co);
  assert_string_equal(option(done, "seats"), option(co, "seats"));
  json_decref(done);
  json_decref(co);
  free(order);
}

static void test_who_travels_stays(void **state) {
  (void)state;
  struct place old = place_at(AIR, 0, 1, 0), new = place_at(AIR, 1, 1, 0);
  char *order = buy(AIR, old.id, 2);
  int32_t status;
  json_t *co = change_to(AIR, order, NULL, lines_of(new.id, 2), &status), *who = rk_json_arr(rk_json_obj(co, RK_UCP_TRAVEL_KEY), "travelers");
  assert_int_equal(json_array_size(who), 2);
  assert_string_equal(rk_json_cstr(json_array_get(who, 1), "name", ""), "李娜");
  json_decref(co);
  free(order);
}

static void test_what_is_not_changed(void **state) {
  (void)state;
  struct place old = place_at(RAIL, 0, 2, 0), new = place_at(RAIL, 1, 2, 0), saver = place_at(HOTEL, 0, 0, 1), room = place_at(HOTEL, 1, 0, 0);
  char *order = buy(RAIL, old.id, 1), *stay = buy(HOTEL, saver.id, 1);
  int32_t status;
  json_t *v = change_to(RAIL, "none", NULL, lines_of(new.id, 1), &status);
  assert_int_equal(status, 404);
  json_decref(v);
  static const char *const wrong[] = {"[{\"id\":\"li_2\",\"quantity\":1}]", "[{\"id\":\"li_1\",\"quantity\":2}]", "[{\"id\":\"li_1\",\"quantity\":0}]", "[{\"quantity\":1}]",
                                      "[{\"id\":\"li_1\",\"quantity\":1},{\"id\":\"li_1\",\"quantity\":1}]"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    json_decref(change_to(RAIL, order, rk_json_parse(rk_str_c(wrong[i]), 400, NULL), lines_of(new.id, 1), &status));
    assert_int_equal(status, 400);
  }
  v = change_to(HOTEL, stay, NULL, lines_of(room.id, 1), &status); /* the saver rate */
  assert_true(is(v, "incomplete") && has_code(v, "change_not_possible"));
  json_t *paid = pay(HOTEL, v);
  assert_true(is(paid, "incomplete"));
  json_decref(paid);
  json_decref(v);
  /* two changes of one place: the second finds it gone, and holds nothing that it does not have */
  json_t *first = change_to(RAIL, order, NULL, lines_of(new.id, 1), &status), *second = change_to(RAIL, order, NULL, lines_of(new.id, 1), &status);
  json_t *done = pay(RAIL, first), *late = pay(RAIL, second);
  assert_true(is(done, "completed") && is(late, "incomplete") && has_code(late, "change_not_possible"));
  int64_t now = place_at(RAIL, 1, 2, 0).left;
  char path[200];
  snprintf(path, sizeof path, "/checkout-sessions/%s/cancel", rk_json_cstr(second, "id", ""));
  json_decref(ask(RAIL, "POST", path, NULL, &status));
  assert_int_equal(place_at(RAIL, 1, 2, 0).left, now + 1);
  /* given back after the change was asked: 409 for the older quote */
  json_t *quote = ask(RAIL, "POST", "/refunds", json_pack("{s:s}", "order_id", order), &status), *again = change_to(RAIL, order, NULL, lines_of(old.id, 1), &status);
  json_decref(pay(RAIL, again));
  snprintf(path, sizeof path, "/refunds/%s/confirm", rk_json_cstr(quote, "id", ""));
  json_decref(ask(RAIL, "POST", path, NULL, &status));
  assert_int_equal(status, 409);
  json_t *all[] = {first, second, done, late, quote, again};
  for (size_t i = 0; i < 6; i++) json_decref(all[i]);
  free(stay);
  free(order);
}

/* The payment pays the difference, not the fare. */
static void test_only_the_difference_pays(void **state) {
  (void)state;
  struct place old = place_at(RAIL, 0, 3, 0), new = place_at(RAIL, 1, 3, 4);
  char *order = buy(RAIL, old.id, 1);
  int32_t status;
  json_t *co = change_to(RAIL, order, NULL, lines_of(new.id, 1), &status), *dear = json_deep_copy(co);
  json_object_set_new(dear, "totals", json_pack("[{s:s, s:I}]", "type", "total", "amount", (json_int_t)new.price));
  json_t *refused = pay(RAIL, dear);
  assert_true(new.price != total_of(co) && is(refused, "ready_for_complete") && has_code(refused, "payment_failed"));
  json_t *done = pay(RAIL, co);
  assert_true(is(done, "completed"));
  json_decref(done);
  json_decref(refused);
  json_decref(dear);
  json_decref(co);
  free(order);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_kind_is_changed), cmocka_unit_test(test_money_after_changes), cmocka_unit_test(test_seats_of_a_film_follow),
                                     cmocka_unit_test(test_who_travels_stays), cmocka_unit_test(test_what_is_not_changed), cmocka_unit_test(test_only_the_difference_pays)};
  return cmocka_run_group_tests(tests, start, stop);
}
