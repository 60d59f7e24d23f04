/* str, buf, utf8: slices, bounded building, code points. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/utf8.h"

static void numbers_are_whole_and_checked(void **state) {
  static const struct { const char *text; bool ok; int64_t v; } cases[] = {
    {"0", true, 0}, {"-1", true, -1}, {"007", true, 7}, {"9223372036854775807", true, INT64_MAX},
    {"-9223372036854775808", true, INT64_MIN}, {"9223372036854775808", false, 0}, {"-9223372036854775809", false, 0},
    {"", false, 0}, {"-", false, 0}, {"+1", false, 0}, {" 1", false, 0}, {"1 ", false, 0}, {"1.0", false, 0}, {"0x1", false, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int64_t v = 0;
    assert_int_equal(rk_str_i64(rk_str_c(cases[i].text), &v), cases[i].ok);
    if (cases[i].ok) assert_true(v == cases[i].v);
  }
}

static void floats_are_finite_and_whole(void **state) {
  double v;
  assert_true(rk_str_f64(RK_STR("-1.5e3"), &v) && v == -1500);
  static const char *const bad[] = {"", "nan", "inf", "1e999", "1,5", "1 ", " 1", "x"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(rk_str_f64(rk_str_c(bad[i]), &v));
}

static void slices_cut_trim_and_find(void **state) {
  rk_str a, b;
  assert_true(rk_str_cut(RK_STR("k=v=w"), '=', &a, &b));
  assert_true(rk_str_eq_c(a, "k") && rk_str_eq_c(b, "v=w"));
  assert_false(rk_str_cut(RK_STR("kv"), '=', &a, &b));
  assert_true(rk_str_eq_c(a, "kv") && b.n == 0);
  assert_true(rk_str_eq_c(rk_str_trim(RK_STR(" \t a b \r\n")), "a b"));
  assert_int_equal(rk_str_trim(RK_STR(" \n ")).n, 0);
  assert_int_equal(rk_str_find(RK_STR("abcabc"), RK_STR("ca")), 2);
  assert_int_equal(rk_str_find(RK_STR("ab"), RK_STR("abc")), -1);
  assert_int_equal(rk_str_find(RK_STR("ab"), RK_STR("")), 0);
  assert_true(rk_str_starts(RK_STR("abc"), RK_STR("ab")) && rk_str_ends(RK_STR("abc"), RK_STR("bc")));
  assert_false(rk_str_starts(RK_STR("a"), RK_STR("ab")) || rk_str_ends(RK_STR("c"), RK_STR("bc")));
  assert_int_equal(rk_str_c(NULL).n, 0);
}

static void a_buffer_stops_at_its_cap(void **state) {
  struct rk_buf b;
  rk_buf_init(&b, 5);
  assert_int_equal(rk_buf_adds(&b, "1234"), RK_OK);
  assert_int_equal(rk_buf_addc(&b, '5'), RK_OK);      /* n */
  assert_int_equal(rk_buf_addc(&b, '6'), RK_ETOOBIG); /* n + 1 */
  assert_int_equal(rk_buf_adds(&b, ""), RK_ETOOBIG);  /* sticky */
  assert_string_equal(b.p, "12345");
  rk_buf_clear(&b);
  assert_int_equal(rk_buf_addf(&b, "%d-%s", 12, "ab"), RK_OK);
  assert_string_equal(b.p, "12-ab");
  assert_int_equal(rk_buf_addf(&b, "%s", "x"), RK_ETOOBIG);
  assert_null(rk_buf_detach(&b));
  char *empty = rk_buf_detach(&b);
  assert_string_equal(empty, "");
  free(empty);
  rk_buf_release(&b);
}

static void a_file_is_read_up_to_the_cap(void **state) {
  char path[] = "/tmp/rukou-test-XXXXXX";
  int fd = mkstemp(path);
  assert_int_equal(write(fd, "12345", 5), 5);
  close(fd);
  for (size_t cap = 4; cap <= 6; cap++) {
    struct rk_buf b;
    struct rk_error e;
    rk_buf_init(&b, cap);
    assert_int_equal(rk_buf_read_file(&b, path, &e), cap < 5 ? RK_ETOOBIG : RK_OK);
    rk_buf_release(&b);
  }
  unlink(path);
  struct rk_buf b;
  struct rk_error e;
  rk_buf_init(&b, 10);
  assert_int_equal(rk_buf_read_file(&b, path, &e), RK_ENOTFOUND);
  assert_non_null(strstr(e.msg, path));
  rk_buf_release(&b);
}

static void utf8_follows_rfc_3629(void **state) {
  static const struct { const char *text; bool ok; } cases[] = {
    {"", true}, {"a", true}, {"\xc2\x80", true}, {"\xe0\xa0\x80", true}, {"\xf0\x90\x80\x80", true}, {"\xf4\x8f\xbf\xbf", true},
    {"\x80", false}, {"\xc0\x80", false}, {"\xc1\xbf", false}, {"\xe0\x9f\xbf", false}, {"\xed\xa0\x80", false},
    {"\xf0\x8f\xbf\xbf", false}, {"\xf4\x90\x80\x80", false}, {"\xf5\x80\x80\x80", false}, {"\xe4\xbd", false}, {"a\xff", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) assert_int_equal(rk_utf8_valid(rk_str_c(cases[i].text)), cases[i].ok);
}

static void every_code_point_survives_the_round_trip(void **state) {
  for (uint32_t cp = 0; cp <= 0x110000; cp++) {
    char text[4];
    uint32_t back = 0;
    int n = rk_utf8_put(cp, text);
    bool valid = cp <= 0x10ffff && !(cp >= 0xd800 && cp < 0xe000);
    assert_int_equal(n > 0, valid);
    if (!valid) continue;
    assert_int_equal(rk_utf8_next((rk_str){text, (size_t)n}, &back), n);
    assert_int_equal(back, cp);
    for (int cut = 1; cut < n; cut++) assert_int_equal(rk_utf8_next((rk_str){text, (size_t)cut}, &back), 0);
  }
}

static void half_a_code_point_is_never_given_out(void **state) {
  rk_str text = RK_STR("a你😀");
  static const size_t complete[] = {0, 1, 1, 1, 4, 4, 4, 4, 8};
  for (size_t n = 0; n <= text.n; n++) {
    assert_int_equal(rk_utf8_complete((rk_str){text.p, n}), complete[n]);
    char out[16];
    rk_utf8_copy(out, n + 1, text);
    assert_int_equal(strlen(out), complete[n]);
  }
}

static void an_error_is_one_line_of_valid_utf8(void **state) {
  struct rk_error e;
  char big[2000];
  memset(big, 'x', sizeof big - 1);
  big[sizeof big - 1] = 0;
  assert_int_equal(rk_fail(&e, RK_EIO, "a\nb\r%s", big), RK_EIO);
  assert_true(strlen(e.msg) < sizeof e.msg);
  assert_null(strpbrk(e.msg, "\r\n"));
  assert_int_equal(rk_fail(&e, RK_EFORMAT, "\xff"), RK_EFORMAT);
  assert_string_equal(e.msg, rk_err_text(RK_EFORMAT));
  assert_int_equal(rk_fail(NULL, RK_EBUSY, "x"), RK_EBUSY);
  assert_int_equal(rk_err_http(RK_ETOOBIG), 413);
  assert_string_equal(rk_err_api(RK_ENOMODEL), "model_not_found");
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(numbers_are_whole_and_checked), cmocka_unit_test(floats_are_finite_and_whole),
    cmocka_unit_test(slices_cut_trim_and_find), cmocka_unit_test(a_buffer_stops_at_its_cap),
    cmocka_unit_test(a_file_is_read_up_to_the_cap), cmocka_unit_test(utf8_follows_rfc_3629),
    cmocka_unit_test(every_code_point_survives_the_round_trip), cmocka_unit_test(half_a_code_point_is_never_given_out),
    cmocka_unit_test(an_error_is_one_line_of_valid_utf8),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
