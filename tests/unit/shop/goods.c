/* A seller's table of goods: what is wrong is named line by line, what is right becomes a catalogue. */
#include "shop/goods.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct rk_arena *arena;
static struct rk_buf report;

static int start(void **state) {
  (void)state;
  rk_buf_init(&report, 1 << 20);
  return (arena = rk_arena_new(16 << 20)) ? 0 : -1;
}
static int stop(void **state) {
  (void)state;
  rk_buf_release(&report);
  rk_arena_free(arena);
  return 0;
}

static rk_err read_table(const char *text, json_t **rows, struct rk_error *e) {
  struct rk_csv c;
  rk_buf_clear(&report);
  assert_int_equal(rk_csv_parse(arena, rk_str_c(text), &c, e), RK_OK);
  return rk_goods_read(&c, rows, &report, e);
}

static void test_rows_become_a_catalogue(void **state) {
  (void)state;
  struct rk_error e = {0};
  struct rk_catalog c = {0};
  json_t *rows;
  assert_int_equal(read_table("sku,product,category,title,title_en,options,price,stock,weight_g,fact.brand\n"
                              "t-s,tee,shirts,白色T恤,White tee,size=S;colour=白,59.00,10,200,Acme\n"
                              "t-m,tee,shirts,白色T恤,White tee,size=M;colour=白,61.5,3,210,Acme\n"
                              "mug,,,马克杯,,,25,7,,\n", &rows, &e), RK_OK);
  assert_int_equal(rk_goods_catalog(rows, arena, &c, &e), RK_OK);
  assert_int_equal(c.n_products, 2);
  assert_int_equal(c.products[0].n_items, 2);
  assert_int_equal(c.products[0].price_minor, 5900);
  assert_int_equal(c.products[0].n_axes, 2);
  assert_string_equal(c.products[0].items[1].chosen[0]->value, "M");
  assert_ptr_equal(c.products[0].items[0].chosen[1], c.products[0].items[1].chosen[1]);
  assert_int_equal(c.products[0].items[1].price_minor, 6150);
  assert_int_equal(c.products[0].items[1].weight_g, 210);
  assert_string_equal(c.products[0].title.en, "White tee");
  assert_string_equal(c.products[0].facts[0].value, "Acme");
  assert_string_equal(c.products[1].title.en, "马克杯");
  assert_string_equal(c.products[1].category->id, "other");
  assert_int_equal(c.products[1].items[0].first_stock, 7);
  json_decref(rows);
}

static void test_chinese_columns(void **state) {
  (void)state;
  struct rk_error e = {0};
  json_t *rows;
  assert_int_equal(read_table("编号,名称,价格,库存,规格\na,绿茶,12.5,3,\n", &rows, &e), RK_OK);
  assert_int_equal(rk_json_i64(json_array_get(rows, 0), "price_minor", 0), 1250);
  json_decref(rows);
}

static void test_every_fault_is_named(void **state) {
  (void)state;
  struct rk_error e = {0};
  json_t *rows;
  assert_int_equal(read_table("sku,product,title,price,stock,options,weight_g,colour\n"
                              "a,,Good,12,3,,,\n"
                              "a,,Again,12,3,,,\n"
                              "b,,,12,3,,,\n"
                              "c,,Dear,\"12,5\",3,,,\n"
                              "d,,Below,-1,3,,,\n"
                              "e,,None,1,many,,,\n"
                              "f g,,Space,1,1,,,\n"
                              "h,,Options,1,1,red,,\n"
                              "i,p,One,1,1,size=1,,\n"
                              "j,p,Two,1,1,colour=1,,\n"
                              "k,p,Three,1,1,size=1,,\n"
                              "l,,Heavy,1,1,,2000000,\n"
                              "m,,Stock,1,-5,,,\n", &rows, &e), RK_EFORMAT);
  assert_null(rows);
  assert_non_null(strstr(e.msg, "nothing was imported"));
  static const char *const says[] = {"line 1, column `colour`", "line 3, sku: `a` stands in line 2", "line 4, title: it is empty", "line 5, price: `12,5`", "line 6, price: `-1`",
                                     "line 7, stock: `many`", "line 8, sku: 1 to 64", "line 9, options: `red`", "line 11, options: the rows of `p`",
                                     "line 12, options: another row of `p`", "line 13, weight_g", "line 14, stock"};
  for (size_t i = 0; i < sizeof says / sizeof *says; i++)
    if (!strstr(report.p, says[i])) fail_msg("no `%s` in\n%s", says[i], report.p);
  assert_null(strstr(report.p, "line 2,"));
}

static void test_missing_columns(void **state) {
  (void)state;
  struct rk_error e = {0};
  json_t *rows;
  assert_int_equal(read_table("sku,title,stock\na,b,1\n", &rows, &e), RK_EFORMAT);
  assert_non_null(strstr(e.msg, "`price` (价格) is missing"));
  assert_int_equal(read_table("sku,title,price,stock\n", &rows, &e), RK_EFORMAT);
  assert_non_null(strstr(e.msg, "no rows"));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_rows_become_a_catalogue, start, stop), cmocka_unit_test_setup_teardown(test_chinese_columns, start, stop),
                                     cmocka_unit_test_setup_teardown(test_every_fault_is_named, start, stop), cmocka_unit_test_setup_teardown(test_missing_columns, start, stop)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
