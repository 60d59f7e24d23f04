/* Guesses from the context, and when they are worth their rows. */
#include "chat/draft.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "chat/pace.h"

static void the_longest_agreement_is_followed(void **state) {
  const int32_t t[] = {1, 2, 3, 4, 5, 6, 9, 3, 4, 7, 8, 2, 3, 4}; /* "3 4" stood twice; "2 3 4" only before 5 */
  const int32_t *g = NULL;
  float odds;
  struct rk_draft d;
  rk_draft_init(&d, t, 14, 64);
  assert_int_equal(rk_draft_guess(&d, t, 14, &g, &odds), 10);
  assert_int_equal(g[0], 5);
  assert_int_equal(g[1], 6);
  rk_draft_release(&d);
  rk_draft_init(&d, t, 9, 64);
  assert_int_equal(rk_draft_guess(&d, t, 9, &g, &odds), 5);
  rk_draft_cut(&d, t, 4); /* as if 5 to 9 had never come */
  assert_int_equal(rk_draft_guess(&d, t, 4, &g, &odds), 0);
  rk_draft_release(&d);
}

static void odds_follow_what_happened(void **state) {
  int32_t t[400];
  for (int i = 0; i < 400; i++) t[i] = i % 7;
  const int32_t *g = NULL;
  float first = 0, odds = 0;
  struct rk_draft d;
  rk_draft_init(&d, t, 20, 400);
  for (int32_t n = 20; n < 120; n++) {
    assert_true(rk_draft_guess(&d, t, n, &g, &odds) > 0);
    assert_int_equal(g[0], n % 7);
    if (n == 20) first = odds;
    rk_draft_add(&d, t, n + 1);
  }
  assert_true(odds >= first && odds > 0.98f);
  rk_draft_release(&d);
  uint32_t x = 1;
  for (int i = 0; i < 400; i++) x = x * 1664525 + 1013904223, t[i] = (int32_t)(x >> 31); /* coin flips */
  rk_draft_init(&d, t, 20, 400);
  for (int32_t n = 20; n < 400; n++) {
    rk_draft_guess(&d, t, n, &g, &odds);
    rk_draft_add(&d, t, n + 1);
  }
  assert_true(odds > 0.2f && odds < 0.8f);
  rk_draft_release(&d);
}

static void guesses_that_do_not_pay_are_left_out(void **state) {
  struct rk_pace cheap, dear;
  rk_pace_init(&cheap);
  rk_pace_init(&dear);
  for (int32_t i = 0; i < 100; i++) {
    int32_t rows = i % 4 ? 1 : 8 + 8 * (i % 3);
    rk_pace_note(&cheap, rows, 10000 + 100 * rows); /* reading the weights is nearly all */
    rk_pace_note(&dear, rows, 1000 + 10000 * rows); /* each row costs as much as a step */
  }
  assert_int_equal(rk_pace_guesses(&cheap, 0, 0, 0.95, 15), 15);
  assert_true(rk_pace_guesses(&cheap, 0, 0, 0.5, 15) > 0);
  assert_int_equal(rk_pace_guesses(&cheap, 0, 0, 0.02, 15), 0);
  assert_int_equal(rk_pace_guesses(&dear, 0, 0, 0.6, 15), 0);
  assert_int_equal(rk_pace_guesses(&cheap, 0, 0, 0.99, 0), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(the_longest_agreement_is_followed), cmocka_unit_test(odds_follow_what_happened),
                                     cmocka_unit_test(guesses_that_do_not_pay_are_left_out)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
