/* Bounded queues: a full one refuses, a closed one drains, nothing is lost or doubled between threads. */
#include "base/queue.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"

static int items[5];

static void a_full_queue_refuses(void **state) {
  struct rk_queue *q = rk_queue_new(3);
  assert_int_equal(rk_queue_push(q, &items[0]), RK_OK);
  assert_int_equal(rk_queue_push(q, &items[1]), RK_OK);
  assert_int_equal(rk_queue_push(q, &items[2]), RK_OK);
  assert_int_equal(rk_queue_push(q, &items[3]), RK_EBUSY);
  assert_int_equal(rk_queue_len(q), 3);
  assert_ptr_equal(rk_queue_pop(q, 0), &items[0]);
  assert_int_equal(rk_queue_push(q, &items[3]), RK_OK);
  for (int i = 1; i < 4; i++) assert_ptr_equal(rk_queue_pop(q, 0), &items[i]);
  rk_queue_free(q);
}

static void a_pop_waits_no_longer_than_told(void **state) {
  struct rk_queue *q = rk_queue_new(1);
  int64_t start_ms = rk_mono_ms();
  assert_null(rk_queue_pop(q, 0));
  assert_null(rk_queue_pop(q, 30));
  int64_t took_ms = rk_mono_ms() - start_ms;
  assert_true(took_ms >= 30 && took_ms < 5000);
  rk_queue_free(q);
}

static void a_closed_queue_drains_then_ends(void **state) {
  struct rk_queue *q = rk_queue_new(2);
  assert_int_equal(rk_queue_push(q, &items[0]), RK_OK);
  rk_queue_close(q);
  assert_int_equal(rk_queue_push(q, &items[1]), RK_EUNAVAIL);
  assert_ptr_equal(rk_queue_pop(q, -1), &items[0]);
  assert_null(rk_queue_pop(q, -1));
  rk_queue_free(q);
  rk_queue_free(NULL);
}

enum { N = 20000, PRODUCERS = 3, CONSUMERS = 3 };
static struct rk_queue *shared;
static char seen[PRODUCERS][N];
static char values[PRODUCERS][N];

static void *produce(void *arg) {
  char *mine = arg;
  for (int i = 0; i < N; i++)
    while (rk_queue_push(shared, mine + i) == RK_EBUSY) rk_sleep_ms(1);
  return NULL;
}

static void *consume(void *arg) {
  for (char *p; (p = rk_queue_pop(shared, -1));) __atomic_fetch_add((char *)seen + (p - (char *)values), 1, __ATOMIC_RELAXED);
  return NULL;
}

static void nothing_is_lost_or_doubled(void **state) {
  pthread_t p[PRODUCERS], c[CONSUMERS];
  shared = rk_queue_new(64);
  for (int i = 0; i < CONSUMERS; i++) pthread_create(&c[i], NULL, consume, NULL);
  for (int i = 0; i < PRODUCERS; i++) pthread_create(&p[i], NULL, produce, values[i]);
  for (int i = 0; i < PRODUCERS; i++) pthread_join(p[i], NULL);
  rk_queue_close(shared);
  for (int i = 0; i < CONSUMERS; i++) pthread_join(c[i], NULL);
  for (int i = 0; i < PRODUCERS; i++)
    for (int k = 0; k < N; k++) assert_int_equal(seen[i][k], 1);
  rk_queue_free(shared);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_full_queue_refuses), cmocka_unit_test(a_pop_waits_no_longer_than_told),
    cmocka_unit_test(a_closed_queue_drains_then_ends), cmocka_unit_test(nothing_is_lost_or_doubled),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
