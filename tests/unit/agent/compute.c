/* Sums and units, from expressions and from words of both languages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/compute.h"
#include "agent/words.h"

struct sum { const char *text, *want; };

static void expressions(void **state) {
  static const struct sum sums[] = {{"17% * 2340", "397.8"}, {"0.1 + 0.2", "0.3"}, {"(3 + 4.5) / 2", "3.75"}, {"2^10", "1024"}, {"-3 * -4", "12"}, {"1 / 3", "0.3333333333"},
                                    {"100 - 15%", "99.85"}, {"7", "7"}, {"2 / 3", "0.6666666667"}};
  for (size_t i = 0; i < sizeof sums / sizeof *sums; i++) {
    struct rk_buf out;
    struct rk_error e;
    bool exact;
    rk_buf_init(&out, 100);
    assert_int_equal(rk_compute(rk_str_c(sums[i].text), &out, &exact, &e), RK_OK);
    assert_string_equal(out.p, sums[i].want);
    rk_buf_release(&out);
  }
}

static void what_is_no_sum_is_said(void **state) {
  static const struct { const char *text; rk_err err; } bad[] = {{"", RK_EFORMAT}, {"1 +", RK_EFORMAT}, {"1 / 0", RK_EINVAL}, {"(1", RK_EFORMAT}, {"two", RK_EFORMAT}, {"1 2", RK_EFORMAT},
                                                                {"9^64", RK_ETOOBIG}, {"2^-1", RK_EINVAL}, {"99999999999999999999", RK_EFORMAT}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct rk_buf out;
    struct rk_error e;
    bool exact;
    rk_buf_init(&out, 100);
    assert_int_equal(rk_compute(rk_str_c(bad[i].text), &out, &exact, &e), bad[i].err);
    rk_buf_release(&out);
  }
}

/* want "": there is none. */
static void found_in_words(void **state) {
  static const struct sum words[] = {{"what is 17% of 2,340?", "397.8"}, {"三百加五十等于多少", "350"}, {"12 times 8", "96"}, {"80的百分之五", "4"}, {"125乘以48再加30是多少", "6000"}, {"1500除以12", "125"},
                                     {"20 plus 3.5 minus 1", "22.5"}, {"你好", ""}, {"buy 2 boxes", ""}, {"a tent for two", ""}};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    struct rk_buf normal, expression, out;
    struct rk_error e;
    bool exact;
    rk_buf_init(&normal, 1000);
    rk_buf_init(&expression, 1000);
    rk_buf_init(&out, 100);
    assert_int_equal(rk_words_normal(&normal, rk_str_c(words[i].text)), RK_OK);
    bool found = rk_compute_find(rk_buf_str(&normal), &expression);
    assert_int_equal(found, words[i].want[0] != 0);
    if (found) {
      assert_int_equal(rk_compute(rk_buf_str(&expression), &out, &exact, &e), RK_OK);
      assert_string_equal(out.p, words[i].want);
    }
    rk_buf_release(&normal);
    rk_buf_release(&expression);
    rk_buf_release(&out);
  }
}

static void units(void **state) {
  static const struct sum cases[] = {{"一公里有多少米?", "1 km = 1000 m"}, {"5 km in miles", "5 km ≈ 3.1068559612 mi"}, {"100 °f to °c", "100 °F ≈ 37.7777777778 °C"}, {"3斤是多少克", "3 斤 = 1500 g"},
                                     {"how many minutes in 2 hours", "2 h = 120 min"}, {"你好", ""}, {"买一斤茶叶", ""}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rk_buf normal, out;
    rk_buf_init(&normal, 1000);
    rk_buf_init(&out, 100);
    assert_int_equal(rk_words_normal(&normal, rk_str_c(cases[i].text)), RK_OK);
    assert_int_equal(rk_compute_units(rk_buf_str(&normal), &out), cases[i].want[0] != 0);
    assert_string_equal(out.n ? out.p : "", cases[i].want);
    rk_buf_release(&normal);
    rk_buf_release(&out);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(expressions), cmocka_unit_test(what_is_no_sum_is_said), cmocka_unit_test(found_in_words), cmocka_unit_test(units)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
