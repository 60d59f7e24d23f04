/* A shop that is no sandbox: it takes no payment over the protocol, and shows orders to nobody who proves nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "shop/own.h"
#include "shop/shop.h"
#include "trade/ucp.h"

#define PROFILE "{\"ucp\":{\"version\":\"2026-08-25\",\"capabilities\":{" \
  "\"dev.ucp.shopping.checkout\":[{\"version\":\"2026-08-25\"}],\"dev.ucp.shopping.order\":[{\"version\":\"2026-08-25\"}]," \
  "\"dev.ucp.shopping.catalog.search\":[{\"version\":\"2026-08-25\"}],\"dev.ucp.shopping.fulfillment\":[{\"version\":\"2026-08-25\"}]}}}"

static char data_dir[] = "/tmp/rukou-real-XXXXXX";
static struct rk_shop *shop;

static rk_err fetch(void *ud, const char *url, struct rk_buf *out, struct rk_error *e) {
  (void)e;
  assert_null(ud);
  assert_string_equal(url, "https://agent.example/profile");
  return rk_buf_adds(out, PROFILE);
}

static int start(void **state) {
  struct rk_error e = {0};
  (void)state;
  if (!mkdtemp(data_dir) || rk_shop_open(&(struct rk_shop_opts){.dir = "shops/lanhai", .data_dir = data_dir, .fetch = fetch}, &shop, &e)) return -1;
  rk_shop_set_origin(shop, "https://shop.example");
  return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f) {
  (void)st, (void)flag, (void)f;
  return remove(path);
}

static int stop(void **state) {
  (void)state;
  rk_shop_close(shop);
  return nftw(data_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* A page of the shop: whether it holds these words. */
static bool page_says(const char *method, const char *path, const char *body, const char *words) {
  struct rk_shop_answer a;
  rk_shop_handle(shop, &(struct rk_shop_request){.method = rk_str_c(method), .path = rk_str_c(path), .body = rk_str_c(body)}, &a);
  bool found = a.text && strstr(a.text, words);
  rk_shop_answer_release(&a);
  return found;
}

static json_t *ask(const char *method, const char *path, const char *body, int32_t expected) {
  struct rk_shop_answer a;
  char key[37];
  rk_uuid7(key);
  rk_shop_handle(shop, &(struct rk_shop_request){.method = rk_str_c(method), .path = rk_str_c(path), .agent = RK_STR("profile=\"https://agent.example/profile\""),
                                                 .key = rk_str_c(key), .body = rk_str_c(body)}, &a);
  assert_int_equal(a.status, expected);
  return a.body;
}

/* A checkout of something that is sold, to an address or without one. */
static json_t *create(const char *address) {
  char body[600];
  json_t *found = ask("POST", "/catalog/search", "{\"query\":\"口罩\"}", 200);
  const json_t *item = json_array_get(rk_json_arr(json_array_get(rk_json_arr(found, "products"), 0), "variants"), 0);
  snprintf(body, sizeof body, "{\"line_items\":[{\"item\":{\"id\":\"%s\"},\"quantity\":1}],\"fulfillment\":{\"methods\":[{\"type\":\"shipping\",\"destinations\":[%s]}]}}",
           rk_json_cstr(item, "id", ""), address);
  json_decref(found);
  return ask("POST", "/checkout-sessions", body, 201);
}

static void a_buyer_is_handed_over_when_all_else_is_known(void **state) {
  char path[200], url[200];
  (void)state;
  json_t *co = create("");
  assert_string_equal(rk_json_cstr(co, "status", ""), "incomplete");
  assert_null(json_object_get(co, "continue_url"));
  json_decref(co);

  co = create("{\"street_address\":\"漕溪北路18号\"}");
  assert_string_equal(rk_json_cstr(co, "status", ""), "requires_escalation");
  assert_int_equal(json_object_size(rk_json_obj(rk_json_obj(co, "ucp"), "payment_handlers")), 0);
  snprintf(url, sizeof url, "https://shop.example/pay/%s", rk_json_cstr(co, "id", ""));
  assert_string_equal(rk_json_cstr(co, "continue_url", ""), url);

  snprintf(path, sizeof path, "/checkout-sessions/%s/complete", rk_json_cstr(co, "id", ""));
  json_t *done = ask("POST", path, "{\"payment\":{\"instruments\":[{\"handler_id\":\"dev.rukou.sandbox\",\"type\":\"card\",\"credential\":{\"token\":\"x\"}}]}}", 200);
  assert_string_equal(rk_json_cstr(done, "status", ""), "requires_escalation");
  assert_null(json_object_get(done, "order"));
  json_decref(done);
  json_decref(co);
}

/* A small seller's own shop that is paid on delivery: its page takes the order of a buyer whose agent cannot. */
static void a_buyer_orders_on_the_page_and_pays_on_delivery(void **state) {
  static const char goods[] = "sku,title,price,stock\nmask,口罩,20,3\n";
  char dir[64], path[200], total[300];
  struct rk_error e = {0};
  struct rk_import done;
  struct rk_buf report;
  struct rk_shop *before = shop;
  (void)state;
  snprintf(dir, sizeof dir, "%s/tea", data_dir);
  assert_int_equal(rk_own_create(&(struct rk_own_new){dir, "茶小店", "Tea Corner", "CNY"}, &e), RK_OK);
  snprintf(path, sizeof path, "%s/goods.csv", dir);
  FILE *f = fopen(path, "w");
  assert_true(fputs(goods, f) >= 0 && fclose(f) == 0);
  rk_buf_init(&report, 4096);
  assert_int_equal(rk_own_import(dir, path, false, &done, &report, &e), RK_OK);
  rk_buf_release(&report);
  snprintf(path, sizeof path, "%s/shop.conf", dir);
  f = fopen(path, "a");
  assert_true(fputs("pay_on_delivery_max = 100\n", f) >= 0 && fclose(f) == 0);
  assert_int_equal(rk_shop_open(&(struct rk_shop_opts){.dir = dir, .data_dir = data_dir, .fetch = fetch}, &shop, &e), RK_OK);
  rk_shop_set_origin(shop, "https://tea.example");

  json_t *co = create("{\"street_address\":\"漕溪北路18号\"}");
  assert_string_equal(rk_json_cstr(co, "status", ""), "ready_for_complete");
  assert_non_null(json_object_get(rk_json_obj(rk_json_obj(co, "ucp"), "payment_handlers"), "example.rukou.on_delivery"));
  snprintf(path, sizeof path, "/pay/%s", rk_json_cstr(co, "id", ""));
  snprintf(total, sizeof total, "https://tea.example%s", path);
  assert_string_equal(rk_json_cstr(co, "continue_url", ""), total);
  snprintf(total, sizeof total, "total=%d", 2800);
  assert_true(page_says("GET", path, "", "value=2800") && page_says("GET", path, "", "漕溪北路18号"));
  assert_true(page_says("POST", path, "", "pay on delivery") && page_says("POST", path, "total=2700", "pay on delivery")); /* not what was shown */
  assert_true(page_says("POST", path, total, "Done"));
  assert_true(page_says("POST", path, total, "Done")); /* once */
  snprintf(path, sizeof path, "/checkout-sessions/%s", rk_json_cstr(co, "id", ""));
  json_t *after = ask("GET", path, "", 200), *orders;
  assert_string_equal(rk_json_cstr(after, "status", ""), "completed");
  assert_null(json_object_get(after, "continue_url"));
  struct rk_db *db = NULL;
  snprintf(path, sizeof path, "%s/shop.db", dir);
  assert_int_equal(rk_shop_store_open(path, &db, &e), RK_OK);
  assert_non_null(orders = rk_shop_store_orders(db, &e));
  assert_int_equal(json_array_size(orders), 1);
  assert_string_equal(rk_json_cstr(rk_json_obj(json_array_get(orders, 0), "payment"), "kind", ""), "on_delivery");
  assert_int_equal(rk_shop_store_stock(db, "mask"), 2);
  rk_db_close(db);
  json_decref(orders);
  json_decref(after);
  json_decref(co);
  rk_shop_close(shop);
  shop = before;
}

static void orders_are_not_shown_to_a_claim(void **state) {
  (void)state;
  json_t *v = ask("GET", "/orders/LH261123-00000000", "", 401);
  assert_string_equal(rk_json_cstr(v, "code", ""), "unauthorized");
  json_decref(v);
}

static void fixtures_of_tests_are_not_there(void **state) {
  (void)state;
  json_decref(ask("POST", "/testing/idempotency/outage", "{\"enabled\":true}", 404));
  json_decref(ask("POST", "/testing/oauth/mint", "{\"kind\":\"valid\"}", 404));
  json_decref(ask("GET", "/.well-known/oauth-authorization-server", "", 404));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_buyer_is_handed_over_when_all_else_is_known),
                                     cmocka_unit_test(a_buyer_orders_on_the_page_and_pays_on_delivery), cmocka_unit_test(orders_are_not_shown_to_a_claim),
                                     cmocka_unit_test(fixtures_of_tests_are_not_there)};
  return cmocka_run_group_tests(tests, start, stop);
}
