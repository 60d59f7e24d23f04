/* Money and the total of an offer: items - best coupon + cheapest delivery that is in time. */
#include "trade/offer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"

#define CNY(n) {(n), "CNY"}

static void money_never_mixes_or_wraps(void **state) {
  struct rk_money a = CNY(100), usd = {1, "USD"};
  assert_int_equal(rk_money_add(&a, usd), RK_EINVAL);
  assert_int_equal(a.minor, 100);
  assert_int_equal(rk_money_add(&a, (struct rk_money)CNY(-300)), RK_OK);
  assert_int_equal(a.minor, -200);
  a.minor = INT64_MAX;
  assert_int_equal(rk_money_add(&a, (struct rk_money)CNY(1)), RK_EINVAL);
  assert_int_equal(rk_money_mul(&a, 2), RK_EINVAL);
  assert_true(a.minor == INT64_MAX);
}

static void money_as_text(void **state) {
  static const struct { struct rk_money m; const char *text; } cases[] = {
      {CNY(32900), "¥329.00"}, {CNY(5), "¥0.05"}, {CNY(-5), "-¥0.05"}, {{1250, "USD"}, "$12.50"}, {{1250, "EUR"}, "12.50 EUR"},
      {{1250, "JPY"}, "1250 JPY"}, {{1250, "KWD"}, "1.250 KWD"}, {{12345, "CLF"}, "1.2345 CLF"}, {{INT64_MIN, "CNY"}, "-¥92233720368547758.08"}};
  char out[40];
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    rk_money_text(cases[i].m, out);
    assert_string_equal(out, cases[i].text);
  }
}

static void only_currencies_of_iso_4217(void **state) {
  static const struct { const char *code; int digits; } known[] = {{"CNY", 2}, {"JPY", 0}, {"BHD", 3}, {"UYW", 4}, {"AED", 2}, {"ZWG", 2}};
  static const char *const unknown[] = {"", "cny", "CN", "CNYX", "XYZ", "NY ", "D A", "XXX"};
  int digits = -1;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    assert_true(rk_money_currency(known[i].code, &digits));
    assert_int_equal(digits, known[i].digits);
  }
  for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) assert_false(rk_money_currency(unknown[i], &digits));
}

static const struct rk_delivery deliveries[] = {{"std", "Standard", CNY(600), "2026-11-30"},
                                                {"fast", "Express", CNY(1500), "2026-11-25"},
                                                {"slow", "Economy", CNY(600), ""}};
static const struct rk_coupon coupons[] = {{"TEN", "10 %", 0, 10, 0}, {"MINUS50", "50 off 300", 5000, 0, 30000}};

static struct rk_offer shoes(void) {
  return (struct rk_offer){.title = "Shoes", .unit_price = CNY(29999), .stock = 5, .deliveries = deliveries, .n_deliveries = 3,
                           .coupons = coupons, .n_coupons = 2};
}

static void the_best_coupon_that_applies(void **state) {
  struct rk_offer o = shoes();
  assert_int_equal(rk_offer_price(&o, 1, ""), RK_OK);
  assert_string_equal(o.coupon->code, "TEN"); /* 299.99 is under 300 */
  assert_int_equal(o.discount.minor, 2999);   /* rounded down */
  assert_string_equal(o.delivery->id, "std");
  assert_int_equal(o.total.minor, 29999 - 2999 + 600);
  assert_int_equal(rk_offer_price(&o, 2, ""), RK_OK);
  assert_string_equal(o.coupon->code, "TEN"); /* 59.99 off beats 50 */
  o.unit_price.minor = 30000;
  assert_int_equal(rk_offer_price(&o, 1, ""), RK_OK);
  assert_string_equal(o.coupon->code, "MINUS50");
  assert_int_equal(o.total.minor, 30000 - 5000 + 600);
}

static void a_coupon_never_pays_out(void **state) {
  static const struct rk_coupon huge[] = {{"HUGE", "", 99999, 0, 0}, {"ODD", "", 0, 250, 0}};
  struct rk_offer o = shoes();
  o.coupons = huge;
  assert_int_equal(rk_offer_price(&o, 1, ""), RK_OK);
  assert_int_equal(o.total.minor, 600);
}

static void delivery_in_time_or_not_at_all(void **state) {
  struct rk_offer o = shoes();
  assert_int_equal(rk_offer_price(&o, 1, "2026-11-26"), RK_OK);
  assert_string_equal(o.delivery->id, "fast");
  assert_int_equal(rk_offer_price(&o, 1, "2026-11-24"), RK_ENOTFOUND);
  o.n_deliveries = 0;
  assert_int_equal(rk_offer_price(&o, 1, "2026-11-24"), RK_ENOTFOUND);
  assert_int_equal(rk_offer_price(&o, 1, ""), RK_OK);
  assert_null(o.delivery);
}

static void bounds(void **state) {
  struct rk_offer o = shoes();
  assert_int_equal(rk_offer_price(&o, 0, ""), RK_EINVAL);
  assert_int_equal(rk_offer_price(&o, 6, ""), RK_ECONFLICT);
  o.stock = -1;
  assert_int_equal(rk_offer_price(&o, RK_MAX_QUANTITY, ""), RK_OK);
  assert_int_equal(rk_offer_price(&o, RK_MAX_QUANTITY + 1, ""), RK_EINVAL);
  o.n_coupons = o.n_deliveries = 0;
  o.unit_price.minor = RK_MAX_TOTAL_MINOR;
  assert_int_equal(rk_offer_price(&o, 1, ""), RK_OK);
  o.unit_price.minor++;
  assert_int_equal(rk_offer_price(&o, 1, ""), RK_EINVAL);
  o.unit_price.minor = INT64_MAX / 2;
  assert_int_equal(rk_offer_price(&o, 3, ""), RK_EINVAL);
  o = shoes();
  struct rk_delivery foreign = {"x", "x", {1, "USD"}, ""};
  o.deliveries = &foreign;
  o.n_deliveries = 1;
  assert_int_equal(rk_offer_price(&o, 1, ""), RK_EINVAL);
}

static void the_card_shows_what_was_computed(void **state) {
  struct rk_offer o = shoes();
  const struct rk_option size = {"size", "42"};
  o.options = &size;
  o.n_options = 1;
  assert_int_equal(rk_offer_price(&o, 1, ""), RK_OK);
  json_t *card = rk_offer_card(&o, 3);
  assert_int_equal(rk_json_i64(card, "number", 0), 3);
  assert_int_equal(rk_json_i64(card, "total_minor", 0), o.total.minor);
  assert_string_equal(rk_json_cstr(rk_json_obj(card, "coupon"), "code", ""), "TEN");
  assert_string_equal(rk_json_cstr(rk_json_obj(card, "delivery"), "date", ""), "2026-11-30");
  assert_string_equal(rk_json_cstr(rk_json_obj(card, "options"), "size", ""), "42");
  json_decref(card);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(money_never_mixes_or_wraps), cmocka_unit_test(money_as_text), cmocka_unit_test(only_currencies_of_iso_4217),
                                     cmocka_unit_test(the_best_coupon_that_applies), cmocka_unit_test(a_coupon_never_pays_out),
                                     cmocka_unit_test(delivery_in_time_or_not_at_all), cmocka_unit_test(bounds),
                                     cmocka_unit_test(the_card_shows_what_was_computed)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
