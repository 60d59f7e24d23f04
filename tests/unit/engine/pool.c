#include "fixture.h"

#include <stdatomic.h>

#include "engine/pool.h"

struct count {
  _Atomic int32_t times[1000];
  _Atomic int32_t bad_worker;
  int32_t n_threads;
};

static void touch(void *ctx, int32_t item, int32_t worker) {
  struct count *c = ctx;
  atomic_fetch_add(&c->times[item], 1);
  if (worker < 0 || worker >= c->n_threads) atomic_store(&c->bad_worker, 1);
}

static void test_every_item_once(void **state) {
  const int32_t threads[] = {1, 2, 3, 8}, items[] = {0, 1, 2, 7, 1000};
  for (int t = 0; t < 4; t++) {
    struct rk_pool *p = rk_pool_new(threads[t]);
    assert_non_null(p);
    for (int round = 0; round < 200; round++) {
      struct count c = {.n_threads = threads[t]};
      int32_t n = items[round % 5];
      rk_pool_run(p, n, touch, &c);
      for (int32_t i = 0; i < n; i++) assert_int_equal(c.times[i], 1);
      if (n < 1000) assert_int_equal(c.times[n], 0);
      assert_int_equal(c.bad_worker, 0);
      if (round % 50 == 0) usleep(3000); /* long enough for the workers to fall asleep */
    }
    rk_pool_free(p);
  }
}

/* Runs follow each other so fast that workers are always late for one. */
static void test_late_workers(void **state) {
  struct rk_pool *p = rk_pool_new(4);
  assert_non_null(p);
  for (int round = 0; round < 20000; round++) {
    struct count c = {.n_threads = 4};
    const int32_t n = 2 + round % 90;
    rk_pool_run(p, n, touch, &c);
    for (int32_t i = 0; i < n; i++) assert_int_equal(c.times[i], 1);
    assert_int_equal(c.times[n], 0);
  }
  rk_pool_free(p);
}

static void test_cores(void **state) {
  assert_true(rk_usable_cores() >= 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_item_once), cmocka_unit_test(test_late_workers),
                                     cmocka_unit_test(test_cores)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
