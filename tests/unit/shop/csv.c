/* Spreadsheets as they come: quotes, line breaks, byte order marks, GBK. */
#include "shop/csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct rk_arena *arena;

static int start(void **state) {
  (void)state;
  return (arena = rk_arena_new(256 << 20)) ? 0 : -1;
}
static int stop(void **state) {
  (void)state;
  rk_arena_free(arena);
  return 0;
}

static struct rk_csv parse(const char *text) {
  struct rk_csv c;
  struct rk_error e = {0};
  if (rk_csv_parse(arena, rk_str_c(text), &c, &e)) fail_msg("%s", e.msg);
  return c;
}

static void fails(rk_str text, rk_err code, const char *says) {
  struct rk_csv c;
  struct rk_error e = {0};
  assert_int_equal(rk_csv_parse(arena, text, &c, &e), code);
  assert_non_null(strstr(e.msg, says));
}

static void test_cells(void **state) {
  (void)state;
  struct rk_csv c = parse("SKU, Title ,price\r\na1,\"red, \"\"soft\"\"\",12.50\r\n\r\n a2 ,\"two\nlines\",3\na3\n");
  assert_int_equal(c.n_columns, 3);
  assert_int_equal(c.n_rows, 3);
  assert_string_equal(c.columns[1], "title");
  assert_string_equal(rk_csv_cell(&c, 0, 1), "red, \"soft\"");
  assert_string_equal(rk_csv_cell(&c, 1, 0), "a2");
  assert_string_equal(rk_csv_cell(&c, 1, 1), "two\nlines");
  assert_string_equal(rk_csv_cell(&c, 2, 2), "");
  assert_int_equal(c.lines[0], 2);
  assert_int_equal(c.lines[1], 4);
  assert_int_equal(c.lines[2], 6);
  assert_int_equal(rk_csv_column(&c, "price"), 2);
  assert_int_equal(rk_csv_column(&c, "stock"), -1);
  assert_string_equal(rk_csv_cell(&c, 0, -1), "");
}

static void test_encodings(void **state) {
  (void)state;
  struct rk_csv c = parse("\xef\xbb\xbfsku,title\n1,茶\n");
  assert_string_equal(c.columns[0], "sku");
  assert_false(c.was_gbk);
  c = parse("sku,title\n1,\xc2\xcc\xb2\xe8\n"); /* 绿茶 in GBK */
  assert_true(c.was_gbk);
  assert_string_equal(rk_csv_cell(&c, 0, 1), "绿茶");
  fails(RK_STR("sku\n\xff\xff\xff"), RK_EFORMAT, "neither UTF-8 nor GBK");
  fails(RK_STR("\xff\xfes\0k\0u\0"), RK_EFORMAT, "no text");
}

static void test_faults_name_the_line(void **state) {
  (void)state;
  fails(RK_STR(""), RK_EFORMAT, "line 1");
  fails(RK_STR("a,b\n1,2\n\"open,3\n4"), RK_EFORMAT, "line 3: a quoted cell is never closed");
  fails(RK_STR("a,b\n1,2,3\n"), RK_EFORMAT, "line 2: more cells");
  fails(RK_STR("a,b,A\n"), RK_EFORMAT, "`a` stands twice");
  struct rk_buf many;
  rk_buf_init(&many, 1 << 20);
  for (int i = 0; i < 70; i++) assert_int_equal(rk_buf_addf(&many, "c%d,", i), RK_OK);
  fails(rk_buf_str(&many), RK_ETOOBIG, "columns");
  rk_buf_clear(&many);
  assert_int_equal(rk_buf_adds(&many, "a\n"), RK_OK);
  for (int i = 0; i < 100002; i++) assert_int_equal(rk_buf_adds(&many, "1\n"), RK_OK);
  fails(rk_buf_str(&many), RK_ETOOBIG, "rows");
  rk_buf_release(&many);
}

static void test_empty_columns_of_a_sheet_are_left_out(void **state) {
  (void)state;
  struct rk_csv c = parse("sku,price,,,\n1,2,,,\n,,,,\n");
  assert_int_equal(c.n_columns, 2);
  assert_int_equal(c.n_rows, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_cells), cmocka_unit_test(test_encodings), cmocka_unit_test(test_faults_name_the_line),
                                     cmocka_unit_test(test_empty_columns_of_a_sheet_are_left_out)};
  return cmocka_run_group_tests(tests, start, stop);
}
