/* world.h - end states made by hand, over the market of the real shop tables. */
#ifndef TEST_EVAL_WORLD_H
#define TEST_EVAL_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "eval/check.h"

#define CLOCK "2026-11-23T10:00:00+08:00"
#define STREET "上海市徐汇区漕溪北路18号"

static const char *const shop_dirs[] = {"shops/chali", "shops/huayu", "shops/jiguang", "shops/kangning", "shops/lanhai", "shops/moxiang", "shops/shanye", "shops/xinghe",
                                        "shops/yeqing", "shops/travel/changyou", "shops/travel/guangying", "shops/travel/jiangan", "shops/travel/tongtu",
                                        "shops/travel/yunqi", "shops/travel/yunyi"};
enum { N_SHOPS = sizeof shop_dirs / sizeof *shop_dirs };

static struct rk_market market;
static json_t *evidence, *task, *profile;
static char why[RK_MAX_WHY_BYTES], dir[] = "/tmp/rukou-check-XXXXXX";
static int n_made;

static int open_market(void **state) {
  struct rk_error e;
  (void)state;
  setenv("RUKOU_CLOCK", CLOCK, 1);
  return rk_clock_init(&e) || rk_market_open(shop_dirs, N_SHOPS, &market, &e) || !mkdtemp(dir) ? -1 : 0;
}

static int close_market(void **state) {
  char command[128];
  (void)state;
  rk_market_close(&market);
  snprintf(command, sizeof command, "rm -r %s", dir);
  return system(command);
}

/* A run of n_lines lines in which nothing happened but an answer. */
static inline void begin(int n_lines, const char *answer) {
  json_decref(evidence);
  json_decref(task);
  json_decref(profile);
  n_made = 0;
  task = json_pack("{s:s, s:s, s:s, s:[], s:s}", "id", "one", "lang", "zh", "clock", CLOCK, "say", "approve", "yes");
  profile = json_pack("{s:s, s:s}", "address", STREET, "phone", "13800000000");
  evidence = json_pack("{s:[], s:[], s:{}, s:[], s:[], s:[], s:[], s:[]}", "events", "turns", "journals", "approvals", "ledger", "orders", "memory", "shops");
  for (int i = 0; i < n_lines; i++) {
    json_array_append_new(json_object_get(task, "say"), json_sprintf("line %d", i));
    json_array_append_new(json_object_get(evidence, "turns"), json_pack("{s:o, s:s, s:i, s:b, s:s, s:s, s:s}", "turn_id", json_sprintf("turn %d", i), "chat_id", "chat",
                                                                        "line", i, "reply", 0, "text", "line", "answer", answer, "state", "done"));
  }
  for (int32_t i = 0; i < market.n; i++)
    json_array_append_new(json_object_get(evidence, "shops"), json_pack("{s:s, s:o, s:[], s:[]}", "name", market.shops[i].name, "origin",
                                                                        json_sprintf("http://127.0.0.2:%d", 7000 + (int)i), "orders", "bookings"));
}

static inline const char *origin_of(int32_t shop) {
  return json_string_value(json_object_get(json_array_get(json_object_get(evidence, "shops"), (size_t)shop), "origin"));
}

static inline void event(const char *type, int line, json_t *data) {
  json_array_append_new(json_object_get(evidence, "events"), json_pack("{s:i, s:s, s:s, s:o, s:I, s:o}", "n", ++n_made, "type", type, "chat_id", "chat", "turn_id",
                                                                       json_sprintf("turn %d", line), "time_ms", (json_int_t)rk_now_ms(), "data", data));
}

/* The test of an expectation: "" or why not. */
static inline const char *checked(const char *expect) {
  json_error_t bad;
  json_t *v = json_loads(expect, 0, &bad);
  if (!v) fail_msg("%s: %s", expect, bad.text);
  json_object_set_new(task, "expect", v);
  struct rk_case c = {.task = task, .profile = profile, .evidence = evidence, .market = &market, .dir = dir};
  bool ok = rk_check(&c, why);
  assert_int_equal(ok, why[0] == 0);
  return why;
}

#define HOLDS(expect) assert_string_equal(checked(expect), "")
/* Fails, and the reason begins with the word. */
#define FAILS(expect, reason) fails(expect, reason)
static inline void fails(const char *expect, const char *reason) {
  if (strncmp(checked(expect), reason, strlen(reason)) != 0) fail_msg("%s: got \"%s\"", expect, why);
}

/* ---- things to buy ---- */

struct find { const json_t *keys; int64_t qty; bool dearest; int32_t shop; const struct rk_item *item; int64_t total; int32_t best, rating; };

static inline void keep(void *ud, int32_t shop, const struct rk_item *item) {
  struct find *f = ud;
  int64_t total;
  struct rk_need need = {.at_ms = rk_now_ms()};
  if (!rk_market_lowest(&market.shops[shop].catalog, item, f->qty, &need, &total)) return;
  if (!f->item || (f->dearest ? total > f->total : total < f->total)) f->item = item, f->shop = shop, f->total = total;
  if (item->product->rating_tenths > f->best) f->best = item->product->rating_tenths;
}

/* The cheapest or dearest that meets the keys. */
static inline struct find found(const char *keys, int64_t qty, bool dearest) {
  json_t *v = json_loads(keys, 0, NULL);
  struct find f = {.keys = v, .qty = qty, .dearest = dearest};
  rk_market_each(&market, v, qty, keep, &f);
  json_decref(v);
  assert_non_null(f.item);
  return f;
}

/* ---- what happened ---- */

/* An order with everything that belongs to one: approval, decision, rows on both sides, charge. Returns the shop's report. */
static inline json_t *order(int32_t shop, json_t *lines, int64_t total, int line) {
  char id[40], approval[40];
  snprintf(id, sizeof id, "XX261123-%08d", ++n_made);
  snprintf(approval, sizeof approval, "approval %d", n_made);
  json_t *row = json_pack("{s:s, s:o, s:s, s:s, s:o, s:I, s:s, s:{s:s, s:s}, s:{s:s, s:s}, s:{s:s, s:s, s:I}, s:I}", "id", id, "checkout_id", json_sprintf("checkout %d", n_made),
                          "status", "placed", "shop", market.shops[shop].name, "lines", lines, "total_minor", (json_int_t)total, "currency", "CNY", "instrument", "id", "card",
                          "kind", "card", "address", "street_address", STREET, "address_locality", "上海", "payment", "jti", id, "kind", "card", "amount_minor",
                          (json_int_t)total, "placed_ms", (json_int_t)rk_now_ms());
  assert_non_null(row);
  json_object_set_new(row, "delivery", json_pack("{s:s, s:s}", "id", "standard", "date", "2026-11-26"));
  json_array_append_new(json_object_get(json_array_get(json_object_get(evidence, "shops"), (size_t)shop), "orders"), row);
  json_array_append_new(json_object_get(evidence, "approvals"), json_pack("{s:s, s:s, s:I, s:s, s:s, s:s}", "id", approval, "kind", "purchase", "total_minor", (json_int_t)total,
                                                                          "state", "completed", "signature", "s", "currency", "CNY"));
  event("approval_request", line, json_pack("{s:{s:s, s:s, s:{s:{s:s}, s:O, s:I, s:s}}}", "approval", "id", approval, "kind", "purchase", "terms", "merchant", "origin", origin_of(shop),
                                            "lines", lines, "total_minor", (json_int_t)total, "currency", "CNY"));
  event("approval_result", line, json_pack("{s:s, s:s}", "approval_id", approval, "decision", "approve"));
  json_array_append_new(json_object_get(evidence, "orders"), json_pack("{s:s, s:s, s:s, s:s, s:o, s:{s:O}}", "id", "0193-order", "approval_id", approval, "merchant_origin", origin_of(shop),
                                                                       "merchant_order_id", id, "turn_id", json_sprintf("turn %d", line), "receipt", "lines", lines));
  json_array_append_new(json_object_get(evidence, "ledger"), json_pack("{s:s, s:s, s:I}", "kind", "capture", "approval_id", approval, "amount_minor", (json_int_t)total));
  return row;
}

static inline json_t *line_of(const struct rk_item *item, int64_t qty) {
  return json_pack("{s:s, s:s, s:s, s:I, s:I}", "item_id", item->id, "category", item->product->category->id, "title", item->product->title.zh, "quantity", (json_int_t)qty,
                   "unit_minor", (json_int_t)item->price_minor);
}

static inline json_t *buy(const struct find *f, int line) {
  json_t *lines = json_array();
  json_array_append_new(lines, line_of(f->item, f->qty));
  return order(f->shop, lines, f->total, line);
}

static inline json_t *card_of(const struct find *f) {
  return json_pack("{s:s, s:s, s:s, s:I, s:I, s:s}", "origin", origin_of(f->shop), "item_id", f->item->id, "title", f->item->product->title.zh, "unit_minor",
                   (json_int_t)f->item->price_minor, "total_minor", (json_int_t)f->total, "currency", "CNY");
}

#endif
