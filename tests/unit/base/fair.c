/* Turns between keys, the limits, closing, taking out. */
#include "base/fair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static int items[64];

static int64_t pop(struct rk_fair *q) {
  int *item = rk_fair_pop(q, 0);
  return item ? item - items : -1;
}

static void keys_take_turns(void **state) {
  struct rk_fair *q = rk_fair_new(16);
  for (int i = 0; i < 6; i++) assert_int_equal(rk_fair_push(q, 1, &items[i]), RK_OK);
  assert_int_equal(pop(q), 0);
  assert_int_equal(rk_fair_push(q, 2, &items[20]), RK_OK); /* came late with one: waits for no more than one of the others */
  assert_int_equal(rk_fair_push(q, 2, &items[21]), RK_OK);
  assert_int_equal(pop(q), 20);
  assert_int_equal(pop(q), 1);
  assert_int_equal(pop(q), 21);
  for (int i = 2; i < 6; i++) assert_int_equal(pop(q), i);
  assert_int_equal(pop(q), -1);
  rk_fair_free(q);
}

static void nobody_starves(void **state) {
  struct rk_fair *q = rk_fair_new(16);
  assert_int_equal(rk_fair_push(q, 9, &items[9]), RK_OK);
  int turns = 0;
  for (uint64_t i = 0;; i++, turns++) { /* new keys keep coming */
    assert_int_equal(rk_fair_push(q, 100 + i, &items[0]), RK_OK);
    if (pop(q) == 9) break;
    assert_true(turns < 3);
  }
  rk_fair_free(q);
}

static void limits(void **state) {
  struct rk_fair *q = rk_fair_new(8);
  for (int i = 0; i < 6; i++) assert_int_equal(rk_fair_push(q, 1, &items[i]), RK_OK);
  assert_int_equal(rk_fair_push(q, 1, &items[6]), RK_EBUSY); /* three quarters */
  assert_int_equal(rk_fair_push(q, 2, &items[7]), RK_OK);
  assert_int_equal(rk_fair_push(q, 3, &items[8]), RK_OK);
  assert_int_equal(rk_fair_push(q, 4, &items[9]), RK_EBUSY);
  assert_int_equal(rk_fair_len(q), 8);
  assert_true(rk_fair_remove(q, &items[3]));
  assert_false(rk_fair_remove(q, &items[3]));
  assert_int_equal(rk_fair_push(q, 4, &items[9]), RK_OK);
  rk_fair_close(q);
  assert_int_equal(rk_fair_push(q, 5, &items[10]), RK_EUNAVAIL);
  int n = 0;
  while (rk_fair_pop(q, -1)) n++;
  assert_int_equal(n, 8);
  rk_fair_free(q);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(keys_take_turns), cmocka_unit_test(nobody_starves), cmocka_unit_test(limits)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
