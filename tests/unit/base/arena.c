/* Arenas: zeroed, aligned, capped, and clean-ups newest first. */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void memory_is_zeroed_aligned_and_apart(void **state) {
  struct rk_arena *a = rk_arena_new(1 << 20);
  char *last = NULL;
  for (size_t n = 0; n < 200; n++) {
    char *p = rk_arena_alloc(a, n);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % 16, 0);
    for (size_t i = 0; i < n; i++) assert_int_equal(p[i], 0);
    memset(p, 0xff, n);
    assert_ptr_not_equal(p, last);
    last = p;
  }
  rk_arena_free(a);
}

static void the_cap_is_hard(void **state) {
  struct rk_arena *a = rk_arena_new(64);
  assert_null(rk_arena_alloc(a, 65));
  assert_non_null(rk_arena_alloc(a, 48));
  assert_null(rk_arena_alloc(a, 17));
  assert_non_null(rk_arena_alloc(a, 16));
  assert_null(rk_arena_alloc(a, 1));
  rk_arena_free(a);
}

static void sizes_that_overflow_are_refused(void **state) {
  struct rk_arena *a = rk_arena_new(SIZE_MAX);
  assert_null(rk_arena_array(a, SIZE_MAX / 2, 4));
  assert_null(rk_arena_alloc(a, SIZE_MAX));
  assert_null(rk_arena_alloc(a, SIZE_MAX - 8));
  rk_arena_free(a);
  rk_arena_free(NULL);
}

static void text_is_copied(void **state) {
  struct rk_arena *a = rk_arena_new(4096);
  assert_string_equal(rk_arena_dup(a, RK_STR("abc")), "abc");
  assert_string_equal(rk_arena_dup(a, RK_STR("")), "");
  assert_string_equal(rk_arena_printf(a, "%d/%s", 7, "x"), "7/x");
  rk_arena_free(a);
}

static char order[8];
static void note(void *p) { strncat(order, p, 1); }

static void clean_ups_run_newest_first(void **state) {
  struct rk_arena *a = rk_arena_new(4096);
  static char one[] = "1", two[] = "2", three[] = "3";
  assert_int_equal(rk_arena_cleanup(a, note, one), RK_OK);
  assert_int_equal(rk_arena_cleanup(a, note, two), RK_OK);
  assert_int_equal(rk_arena_cleanup(a, note, three), RK_OK);
  rk_arena_free(a);
  assert_string_equal(order, "321");
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(memory_is_zeroed_aligned_and_apart), cmocka_unit_test(the_cap_is_hard),
    cmocka_unit_test(sizes_that_overflow_are_refused), cmocka_unit_test(text_is_copied),
    cmocka_unit_test(clean_ups_run_newest_first),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
