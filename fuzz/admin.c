/* The seller's page: whatever is typed into its forms, every answer is a page without a script, goods stay what an import
 * would take, and no more goes back than was paid. First byte: the request; the rest: form fields or the path. */
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "net/digest.h"
#include "shop/own.h"
#include "shop/shop.h"

#define ORIGIN "http://127.0.0.2:7110"

enum { TOTAL_MINOR = 3300 };

static struct rk_shop *shop;
static struct rk_db *db;
static char dir[] = "/tmp/rukou-fuzz-XXXXXX", cookie[200];

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f) {
  (void)st, (void)flag, (void)f;
  return remove(path);
}

static void stop(void) {
  rk_db_close(db);
  rk_shop_close(shop);
  nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void add_order(void) {
  struct rk_error e;
  json_t *report = json_pack("{s:s, s:[{s:s, s:s, s:i, s:i}], s:[{s:s, s:i}, {s:s, s:i}, {s:s, s:i}], s:{s:s}}", "status", "placed", "lines", "item_id", "cup-1", "title", "<script>",
                             "quantity", 3, "unit_minor", 1000, "totals", "type", "subtotal", "amount", 3000, "type", "fulfillment", "amount", 300, "type", "total", "amount",
                             (int)TOTAL_MINOR, "instrument", "kind", "on_delivery");
  json_t *view = json_pack("{s:[{s:s, s:{s:i, s:i, s:i}}], s:{s:[]}, s:[]}", "line_items", "id", "li_1", "quantity", "original", 3, "total", 3, "fulfilled", 0, "fulfillment",
                           "events", "adjustments");
  RK_ASSERT(rk_shop_store_add_order(db, "X", "c", "a", report, view, TOTAL_MINOR, "CNY", &e) == RK_OK);
  json_decref(view);
  json_decref(report);
}

static void start(void) {
  char path[100], name[65], hash[65];
  struct rk_error e;
  struct rk_import done;
  struct rk_buf report;
  RK_ASSERT(mkdtemp(dir));
  RK_ASSERT(rk_own_create(&(struct rk_own_new){dir, "店", "Shop", "CNY"}, &e) == RK_OK);
  snprintf(path, sizeof path, "%s/goods.csv", dir);
  rk_buf_init(&report, 4096);
  RK_ASSERT(rk_own_import(dir, path, false, &done, &report, &e) == RK_OK);
  rk_buf_release(&report);
  RK_ASSERT(rk_shop_open(&(struct rk_shop_opts){.dir = dir, .data_dir = dir}, &shop, &e) == RK_OK);
  rk_shop_set_origin(shop, ORIGIN);
  snprintf(path, sizeof path, "%s/shop.db", dir);
  RK_ASSERT(rk_shop_store_open(path, &db, &e) == RK_OK);
  rk_sha256_hex(RK_STR(ORIGIN), name);
  rk_sha256_hex(RK_STR("session"), hash);
  RK_ASSERT(rk_shop_store_put_session(db, hash, "token", "en", INT64_MAX, &e) == RK_OK);
  snprintf(cookie, sizeof cookie, "rukou_shop_%.12s=session", name);
  add_order();
  atexit(stop);
}

static bool field(void *ud, const char *name, rk_str *value) {
  const rk_str *typed = ud;
  if (strcmp(name, "cookie") == 0) *value = rk_str_c(cookie);
  else if (strcmp(name, "origin") == 0) *value = RK_STR(ORIGIN);
  else *value = *typed;
  return true;
}

static rk_str param(void *ud, const char *name) {
  const rk_str *typed = ud;
  return strcmp(name, "token") == 0 ? RK_STR("") : *typed;
}

static int64_t version_of(const char *product) {
  json_t *rows = rk_shop_store_product(db, product), *row;
  int64_t version = 0;
  size_t i;
  json_array_foreach(rows, i, row)
    if (rk_json_i64(row, "version", 0) > version) version = rk_json_i64(row, "version", 0);
  json_decref(rows);
  return version;
}

static void check_goods(void) {
  struct rk_error e;
  json_t *rows = rk_shop_store_goods(db, &e), *row;
  size_t i;
  json_array_foreach(rows, i, row) RK_ASSERT(rk_goods_check(row, &e) == RK_OK);
  json_decref(rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const struct { const char *method, *path, *product; } requests[] = {
      {"POST", "/admin/products/tea", "tea"}, {"POST", "/admin/products/cup-1", "cup-1"}, {"POST", "/admin/products/+new", NULL}, {"POST", "/admin/orders/X/refund", NULL},
      {"POST", "/admin/orders/X/ship", NULL}, {"POST", "/admin/orders/X/paid", NULL}, {"POST", "/admin/lang", NULL}, {"GET", "/admin/products", NULL},
      {"GET", "/admin/orders", NULL}, {"POST", "/admin/sign-in", NULL}};
  struct rk_shop_answer a;
  struct rk_buf body;
  if (!shop) start();
  if (size == 0) return 0;
  size_t i = data[0] % (sizeof requests / sizeof *requests);
  rk_str typed = {(const char *)data + 1, size - 1};
  rk_buf_init(&body, 1 << 20);
  rk_buf_adds(&body, "csrf=token&");
  if (requests[i].product) rk_buf_addf(&body, "version=%lld&", (long long)version_of(requests[i].product));
  rk_buf_addstr(&body, typed);
  struct rk_http_message m = {.field = field, .ud = &typed};
  struct rk_shop_request r = {.method = rk_str_c(requests[i].method), .path = rk_str_c(requests[i].path), .body = rk_buf_str(&body), .message = &m, .param = param, .ud = &typed};
  if (data[0] >= 0x80) r.path = typed;
  rk_shop_handle(shop, &r, &a);
  RK_ASSERT(a.status >= 200 && a.status < 500);
  RK_ASSERT(!a.text || !strstr(a.text, "<script"));
  rk_shop_answer_release(&a);
  rk_buf_release(&body);
  check_goods();
  RK_ASSERT(rk_shop_store_refunded(db, "X") <= TOTAL_MINOR);
  return 0;
}
