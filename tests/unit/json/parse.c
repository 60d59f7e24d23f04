/* JSON from outside: what is taken, what is refused, and where. */
#include "json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"

static rk_err parse(const char *text, size_t n, size_t max) {
  struct rk_error e = {RK_OK, ""};
  json_t *v = rk_json_parse((rk_str){text, n}, max, &e);
  assert_true((v == NULL) == (e.code != RK_OK));
  assert_true((v == NULL) == (e.msg[0] != 0));
  json_decref(v);
  return e.code;
}

static void what_is_no_json_is_refused(void **state) {
  static const char *const bad[] = {"", "{", "{\"a\":1,\"a\":2}", "[1,]", "1 2", "nul", "\"\xff\"", "\"\xed\xa0\x80\"", "\"\\ud800\"", "{a:1}", "[1e999]",
                                    "[99999999999999999999]", "{\"a\\u0000b\":1}"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (parse(bad[i], strlen(bad[i]), 100) != RK_EFORMAT) fail_msg("taken: %s", bad[i]);
  static const char *const good[] = {"{}", " 1 ", "\"\\u0000\"", "[\"\xf0\x9f\x98\x80\"]", "null", "-0.5e-3"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    if (parse(good[i], strlen(good[i]), 100)) fail_msg("refused: %s", good[i]);
}

static void depth_has_a_limit(void **state) {
  for (int depth = RK_MAX_JSON_DEPTH - 1; depth <= RK_MAX_JSON_DEPTH + 1; depth++) {
    char text[4 * RK_MAX_JSON_DEPTH];
    size_t n = 0;
    for (int i = 0; i < depth; i++) text[n++] = '[';
    memcpy(text + n, "\"[[[\\\"[[[\"", 10); /* brackets in a string are none */
    n += 10;
    for (int i = 0; i < depth; i++) text[n++] = ']';
    assert_int_equal(parse(text, n, sizeof text), depth <= RK_MAX_JSON_DEPTH ? RK_OK : RK_EFORMAT);
  }
}

static void size_has_a_limit(void **state) {
  assert_int_equal(parse("[1,2]", 5, 6), RK_OK);
  assert_int_equal(parse("[1,2]", 5, 5), RK_OK);
  assert_int_equal(parse("[1,2]", 5, 4), RK_ETOOBIG);
}

static void getters_never_trust_the_type(void **state) {
  json_t *v = rk_json_parse(RK_STR("{\"s\":\"x\",\"n\":5,\"r\":1.5,\"b\":true,\"a\":[],\"o\":{}}"), 100, NULL);
  static const char *const keys[] = {"s", "n", "r", "b", "a", "o", "none"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    const char *k = keys[i];
    assert_int_equal(rk_json_str(v, k).n, *k == 's' ? 1 : 0);
    assert_string_equal(rk_json_cstr(v, k, "default"), *k == 's' ? "x" : "default");
    assert_int_equal(rk_json_i64(v, k, -7), strcmp(k, "n") == 0 ? 5 : -7);
    assert_int_equal(rk_json_bool(v, k, false), *k == 'b');
    assert_int_equal(rk_json_arr(v, k) != NULL, *k == 'a');
    assert_int_equal(rk_json_obj(v, k) != NULL, *k == 'o');
  }
  assert_null(rk_json_obj(NULL, "x"));
  assert_string_equal(rk_json_cstr(NULL, "x", "default"), "default");
  json_decref(v);
}

static void dumped(const char *in, const char *want) {
  json_t *v = rk_json_parse(rk_str_c(in), 1000, NULL);
  char *text = rk_json_dump(v);
  assert_string_equal(text, want);
  free(text);
  json_decref(v);
}

static void numbers_are_written_short_and_stay_what_they_are(void **state) {
  dumped("[4.7, 0.1, 5.0, -0.0, 100.5, 1e16, 1.5e-7, 0.0001, 9007199254740993, 1e23, 5e-324]",
         "[4.7,0.1,5.0,-0.0,100.5,1e+16,1.5e-07,0.0001,9007199254740993,1e+23,5e-324]");
  dumped("{\"b\":\"\\u0001\\\"\\n鞋\",\"a\":[true,null,{}]}", "{\"b\":\"\\u0001\\\"\\n鞋\",\"a\":[true,null,{}]}");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_no_json_is_refused), cmocka_unit_test(depth_has_a_limit),
                                     cmocka_unit_test(size_has_a_limit), cmocka_unit_test(getters_never_trust_the_type),
                                     cmocka_unit_test(numbers_are_written_short_and_stay_what_they_are)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
