/* RFC 8785 with the vectors of the RFC (sections 3.2.2 to 3.2.4 and appendix B). */
#include "json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void canonical(const char *in, const char *want) {
  struct rk_error e = {0};
  json_t *v = rk_json_parse(rk_str_c(in), 65536, &e);
  if (!v) fail_msg("%s: %s", in, e.msg);
  struct rk_buf b;
  rk_buf_init(&b, 65536);
  assert_int_equal(rk_json_jcs(&b, v), RK_OK);
  assert_string_equal(b.p, want);
  rk_buf_release(&b);
  json_decref(v);
}

static void the_example_of_section_3_2_4(void **state) {
  canonical("{\"numbers\":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"
            "\"string\":\"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/\",\"literals\":[null,true,false]}",
            "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
            "\"string\":\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
}

static void names_are_ordered_by_utf16(void **state) { /* section 3.2.3 */
  canonical("{\"\\u20ac\":\"Euro Sign\",\"\\r\":\"Carriage Return\",\"\\ufb33\":\"Hebrew Letter Dalet With Dagesh\",\"1\":\"One\","
            "\"\\ud83d\\ude00\":\"Emoji: Grinning Face\",\"\\u0080\":\"Control\",\"\\u00f6\":\"Latin Small Letter O With Diaeresis\"}",
            "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xc2\x80\":\"Control\",\"\xc3\xb6\":\"Latin Small Letter O With Diaeresis\","
            "\"\xe2\x82\xac\":\"Euro Sign\",\"\xf0\x9f\x98\x80\":\"Emoji: Grinning Face\","
            "\"\xef\xac\xb3\":\"Hebrew Letter Dalet With Dagesh\"}");
  canonical("{\"b\":1,\"a\":{\"z\":[],\"\":{}},\"ab\":0,\"B\":2}", "{\"B\":2,\"a\":{\"\":{},\"z\":[]},\"ab\":0,\"b\":1}");
}

static void numbers_of_appendix_b(void **state) {
  static const struct { uint64_t bits; const char *text; } cases[] = {
      {0x0000000000000000, "0"}, {0x8000000000000000, "0"}, {0x0000000000000001, "5e-324"}, {0x8000000000000001, "-5e-324"},
      {0x7fefffffffffffff, "1.7976931348623157e+308"}, {0xffefffffffffffff, "-1.7976931348623157e+308"},
      {0x4340000000000000, "9007199254740992"}, {0xc340000000000000, "-9007199254740992"},
      {0x4430000000000000, "295147905179352830000"}, {0x44b52d02c7e14af5, "9.999999999999997e+22"},
      {0x44b52d02c7e14af6, "1e+23"}, {0x44b52d02c7e14af7, "1.0000000000000001e+23"},
      {0x444b1ae4d6e2ef4e, "999999999999999700000"}, {0x444b1ae4d6e2ef4f, "999999999999999900000"},
      {0x444b1ae4d6e2ef50, "1e+21"}, {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"}, {0x3eb0c6f7a0b5ed8d, "0.000001"},
      {0x41b3de4355555553, "333333333.3333332"}, {0x41b3de4355555554, "333333333.33333325"},
      {0x41b3de4355555555, "333333333.3333333"}, {0x41b3de4355555556, "333333333.3333334"},
      {0x41b3de4355555557, "333333333.33333343"}, {0xbecbf647612f3696, "-0.0000033333333333333333"},
      {0x43143ff3c1cb0959, "1424953923781206.2"},
      {0x3d30000000000000, "5.684341886080802e-14"}}; /* 2^-44: the neighbour above the nearest 16 digits */
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    double d;
    memcpy(&d, &cases[i].bits, sizeof d);
    json_t *v = json_real(d);
    struct rk_buf b;
    rk_buf_init(&b, 64);
    assert_int_equal(rk_json_jcs(&b, v), RK_OK);
    assert_string_equal(b.p, cases[i].text);
    rk_buf_release(&b);
    json_decref(v);
  }
}

static void integers_and_reals_of_one_value_are_one_text(void **state) {
  canonical("[1,1.0,100e-2,-0.0,-0,1e2,9007199254740991]", "[1,1,1,0,0,100,9007199254740991]");
}

static void what_no_double_holds_is_refused(void **state) {
  struct rk_buf b;
  rk_buf_init(&b, 64);
  json_t *v = json_integer(9007199254740992);
  assert_int_equal(rk_json_jcs(&b, v), RK_EINVAL);
  json_decref(v);
  v = json_string("0123456789012345678901234567890123456789012345678901234567890123");
  rk_buf_clear(&b);
  assert_int_equal(rk_json_jcs(&b, v), RK_ETOOBIG);
  json_decref(v);
  rk_buf_release(&b);
}

/* What is written reads back as the same double. */
static void every_double_reads_back(void **state) {
  uint64_t x = 88172645463325252ULL;
  for (int i = 0; i < 100000; i++) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    uint64_t bits = i % 4 ? x : x & 0xfff0000000000000ULL; /* also powers of two */
    double d;
    memcpy(&d, &bits, sizeof d);
    json_t *v = json_real(d);
    if (!v) continue; /* not finite */
    struct rk_buf b;
    rk_buf_init(&b, 64);
    assert_int_equal(rk_json_jcs(&b, v), RK_OK);
    assert_true(strtod(b.p, NULL) == d);
    rk_buf_release(&b);
    json_decref(v);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(the_example_of_section_3_2_4), cmocka_unit_test(names_are_ordered_by_utf16),
                                     cmocka_unit_test(numbers_of_appendix_b), cmocka_unit_test(integers_and_reals_of_one_value_are_one_text),
                                     cmocka_unit_test(what_no_double_holds_is_refused), cmocka_unit_test(every_double_reads_back)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
