/* Dated places sold by the same sessions as goods: found, held, paid, never sold twice. */
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "shop/shop.h"
#include "trade/payment_token.h"
#include "trade/ucp.h"

#define AGENT "http://127.0.0.1:7100"

enum { RAIL, HOTEL, CINEMA, N_SELLERS, N_BUYERS = 8, TOKEN_BYTES = 4096 };

static const char *const dirs[] = {"shops/travel/tongtu", "shops/travel/yunqi", "shops/travel/guangying"};
static const char *const origins[] = {"http://127.0.0.2:7120", "http://127.0.0.2:7121", "http://127.0.0.2:7122"};
static const char *const agents[] = {AGENT};
static char data_dir[] = "/tmp/rukou-seller-XXXXXX";
static struct rk_shop *shops[N_SELLERS];
static struct rk_key *key;

static rk_err fetch(void *ud, const char *url, struct rk_buf *out, struct rk_error *e) {
  (void)ud, (void)url, (void)e;
  json_t *profile = rk_ucp_platform_profile(key);
  char *text = rk_json_dump(profile);
  rk_err err = rk_buf_adds(out, text);
  free(text);
  json_decref(profile);
  return err;
}

static json_t *ask(int i, const char *method, const char *path, json_t *body, int32_t *status) {
  char *text = body ? rk_json_dump(body) : NULL, fresh[37];
  struct rk_shop_answer a;
  rk_uuid7(fresh);
  rk_shop_handle(shops[i], &(struct rk_shop_request){rk_str_c(method), rk_str_c(path), RK_STR("profile=\"" AGENT "/.well-known/ucp\""), rk_str_c(fresh), rk_str_c(text)}, &a);
  free(text);
  json_decref(body);
  *status = a.status;
  return a.body;
}

static int start(void **state) {
  (void)state;
  struct rk_error e = {0};
  char pem[128];
  setenv("RUKOU_CLOCK", "2026-11-23T10:00:00+08:00", 1);
  if (rk_clock_init(&e) || !mkdtemp(data_dir)) return -1;
  snprintf(pem, sizeof pem, "%s/key.pem", data_dir);
  if (rk_key_load_or_make(pem, &key, &e)) return -1;
  for (int i = 0; i < N_SELLERS; i++) {
    if (rk_shop_open(&(struct rk_shop_opts){.dir = dirs[i], .data_dir = data_dir, .sandbox = true, .agents = agents, .n_agents = 1, .fetch = fetch}, &shops[i], &e)) {
      print_error("%s\n", e.msg);
      return -1;
    }
    rk_shop_set_origin(shops[i], origins[i]);
  }
  return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f) {
  (void)st, (void)flag, (void)f;
  return remove(path);
}

static int stop(void **state) {
  (void)state;
  for (int i = 0; i < N_SELLERS; i++) rk_shop_close(shops[i]);
  rk_key_free(key);
  return nftw(data_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- steps ---- */

static json_t *search(int i, const char *query) {
  struct rk_error e = {0};
  int32_t status;
  json_t *body = json_pack("{s:o, s:{s:s}, s:{s:i}}", RK_UCP_TRAVEL_KEY, rk_json_parse(rk_str_c(query), 4096, &e), "context", "language", "zh", "pagination", "limit", 50);
  json_t *v = ask(i, "POST", "/catalog/search", body, &status);
  assert_int_equal(status, 200);
  return v;
}

static const json_t *variant(const json_t *answer, size_t product, size_t at) {
  return json_array_get(rk_json_arr(json_array_get(rk_json_arr(answer, "products"), product), "variants"), at);
}

static int64_t left(const json_t *v) { return rk_json_i64(rk_json_obj(rk_json_obj(v, "metadata"), RK_UCP_OFFER_KEY), "stock", -1); }

static json_t *lines_of(const char *item, int quantity) { return json_pack("[{s:{s:s}, s:i}]", "item", "id", item, "quantity", quantity); }

static json_t *create(int i, json_t *lines, json_t *travelers) {
  int32_t status;
  json_t *v = ask(i, "POST", "/checkout-sessions", json_pack("{s:o, s:{s:o}}", "line_items", lines, RK_UCP_TRAVEL_KEY, "travelers", travelers), &status);
  assert_in_range(status, 200, 201);
  return v;
}

static int64_t total_of(const json_t *checkout) {
  size_t i;
  json_t *v;
  json_array_foreach(rk_json_arr(checkout, "totals"), i, v)
    if (rk_str_eq_c(rk_json_str(v, "type"), "total")) return rk_json_i64(v, "amount", -1);
  return -1;
}

static json_t *pay(int i, const json_t *checkout) {
  struct rk_payment_claims claims = {.currency = "CNY", .kind = "card", .amount_minor = total_of(checkout), .expires_ms = rk_now_ms() + 60000};
  struct rk_buf token, body;
  struct rk_error e = {0};
  char path[200];
  int32_t status;
  rk_uuid7(claims.jti);
  snprintf(claims.checkout_id, sizeof claims.checkout_id, "%s", rk_json_cstr(checkout, "id", ""));
  snprintf(claims.origin, sizeof claims.origin, "%s", origins[i]);
  rk_buf_init(&token, TOKEN_BYTES);
  rk_buf_init(&body, 16384);
  assert_int_equal(rk_payment_token_make(key, &claims, &token, &e), RK_OK);
  assert_int_equal(rk_merchant_complete_body(&(struct rk_payment){"card", "card", "Card", token.p}, &body), RK_OK);
  snprintf(path, sizeof path, "/checkout-sessions/%s/complete", claims.checkout_id);
  json_t *v = ask(i, "POST", path, rk_json_parse(rk_buf_str(&body), 16384, &e), &status);
  rk_buf_release(&token);
  rk_buf_release(&body);
  return v;
}

static bool is(const json_t *v, const char *status) { return rk_str_eq_c(rk_json_str(v, "status"), status); }

static bool has_code(const json_t *v, const char *code) {
  size_t i;
  json_t *m;
  json_array_foreach(rk_json_arr(v, "messages"), i, m)
    if (rk_str_eq_c(rk_json_str(m, "code"), code)) return true;
  return false;
}

static const char *option(const json_t *checkout, const char *name) {
  const json_t *item = rk_json_obj(json_array_get(rk_json_arr(checkout, "line_items"), 0), "item");
  return rk_json_cstr(rk_json_obj(rk_json_obj(item, RK_UCP_OFFER_KEY), "options"), name, "");
}

/* ---- tests ---- */

static void test_train_for_a_family(void **state) {
  (void)state;
  json_t *found = search(RAIL, "{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"2026-11-28\"}");
  const char *adult = rk_json_cstr(variant(found, 0, 0), "id", ""), *child = rk_json_cstr(variant(found, 0, 1), "id", "");
  int64_t before = left(variant(found, 0, 0)), adult_minor = rk_json_i64(rk_json_obj(variant(found, 0, 0), "price"), "amount", 0),
          child_minor = rk_json_i64(rk_json_obj(variant(found, 0, 1), "price"), "amount", 0);
  assert_true(json_array_size(rk_json_arr(found, "products")) >= 5 && before >= 24 && child_minor < adult_minor);
  json_t *lines = json_pack("[{s:{s:s}, s:i}, {s:{s:s}, s:i}]", "item", "id", adult, "quantity", 2, "item", "id", child, "quantity", 1);
  json_t *without = create(RAIL, json_incref(lines), json_array());
  assert_true(is(without, "incomplete") && has_code(without, "missing"));
  json_t *co = create(RAIL, lines, json_pack("[{s:s}, {s:s}, {s:s, s:s}]", "name", "张伟", "name", "李娜", "name", "张小宝", "kind", "child"));
  assert_true(is(co, "ready_for_complete"));
  assert_int_equal(total_of(co), 2 * adult_minor + child_minor);
  json_t *again = search(RAIL, "{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"2026-11-28\"}");
  assert_int_equal(left(variant(again, 0, 0)), before - 6); /* both checkouts hold */
  json_t *done = pay(RAIL, co);
  assert_true(is(done, "completed"));
  struct rk_error e = {0};
  struct rk_db *db = NULL;
  char path[256];
  assert_int_equal(rk_shop_db_path(dirs[RAIL], data_dir, path, sizeof path, &e), RK_OK);
  assert_int_equal(rk_shop_store_open(path, &db, &e), RK_OK);
  json_t *orders = rk_shop_store_orders(db, &e), *order = json_array_get(orders, 0);
  assert_int_equal(json_array_size(orders), 1);
  assert_int_equal(json_array_size(rk_json_arr(order, "travelers")), 3);
  const json_t *facts = rk_json_obj(json_array_get(rk_json_arr(order, "lines"), 0), "attributes");
  assert_string_equal(rk_json_cstr(facts, "from", ""), "上海");
  assert_string_equal(rk_json_cstr(facts, "date", ""), "2026-11-28");
  rk_db_close(db);
  json_decref(orders);
  json_decref(done);
  json_decref(again);
  json_decref(co);
  json_decref(without);
  json_decref(found);
}

static void test_cancel_lets_go(void **state) {
  (void)state;
  json_t *found = search(HOTEL, "{\"city\":\"西安\",\"date\":\"2026-11-28\",\"end_date\":\"2026-11-30\"}");
  const char *room = rk_json_cstr(variant(found, 0, 0), "id", "");
  int64_t before = left(variant(found, 0, 0));
  int32_t status;
  char path[200];
  json_t *co = create(HOTEL, lines_of(room, (int)before), json_pack("[{s:s}]", "name", "张伟"));
  assert_true(before > 0 && is(co, "ready_for_complete"));
  json_t *late = create(HOTEL, lines_of(room, 1), json_pack("[{s:s}]", "name", "李娜"));
  assert_true(is(late, "incomplete") && has_code(late, "out_of_stock"));
  snprintf(path, sizeof path, "/checkout-sessions/%s/cancel", rk_json_cstr(co, "id", ""));
  json_decref(ask(HOTEL, "POST", path, NULL, &status));
  assert_int_equal(status, 200);
  json_t *next = create(HOTEL, lines_of(room, 1), json_pack("[{s:s}]", "name", "李娜"));
  assert_true(is(next, "ready_for_complete"));
  json_decref(next);
  json_decref(late);
  json_decref(co);
  json_decref(found);
}

static void test_seats_are_named_in_the_terms(void **state) {
  (void)state;
  json_t *found = search(CINEMA, "{\"city\":\"上海\",\"date\":\"2026-11-28\",\"after_min\":720,\"before_min\":1080}");
  const char *item = rk_json_cstr(variant(found, 1, 0), "id", "");
  json_t *a = create(CINEMA, lines_of(item, 2), json_array()), *b = create(CINEMA, lines_of(item, 2), json_array());
  assert_true(is(a, "ready_for_complete") && is(b, "ready_for_complete"));
  assert_non_null(strstr(option(a, "seats"), "、"));
  assert_string_not_equal(option(a, "seats"), option(b, "seats"));
  json_t *paid = pay(CINEMA, a);
  assert_string_equal(option(paid, "seats"), option(a, "seats"));
  json_decref(paid);
  json_decref(b);
  json_decref(a);
  json_decref(found);
}

static void test_details_of_one(void **state) {
  (void)state;
  int32_t status;
  json_t *found = search(RAIL, "{\"from\":\"北京\",\"to\":\"成都\",\"date\":\"2026-12-04\"}");
  const char *item = rk_json_cstr(variant(found, 0, 2), "id", "");
  json_t *v = ask(RAIL, "POST", "/catalog/product", json_pack("{s:s}", "id", item), &status);
  assert_int_equal(status, 200);
  assert_string_equal(rk_json_cstr(json_array_get(rk_json_arr(rk_json_obj(v, "product"), "variants"), 0), "id", ""), item);
  json_decref(v);
  v = ask(RAIL, "POST", "/catalog/lookup", json_pack("{s:[s, s, s]}", "ids", item, item, "G0.2026-12-04.second.adult"), &status);
  assert_int_equal(json_array_size(rk_json_arr(v, "products")), 1);
  assert_int_equal(json_array_size(rk_json_arr(v, "messages")), 1);
  json_decref(v);
  json_decref(found);
}

static void test_bad_requests(void **state) {
  (void)state;
  static const char *const queries[] = {"{}", "{\"from\":\"上海\",\"to\":\"月球\",\"date\":\"2026-11-28\"}", "{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"2027-11-28\"}"};
  struct rk_error e = {0};
  int32_t status;
  for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
    json_t *v = ask(RAIL, "POST", "/catalog/search", json_pack("{s:o}", RK_UCP_TRAVEL_KEY, rk_json_parse(rk_str_c(queries[i]), 4096, &e)), &status);
    assert_int_equal(status, 400);
    json_decref(v);
  }
  json_decref(ask(RAIL, "POST", "/catalog/search", json_pack("{s:s}", "query", "高铁"), &status));
  assert_int_equal(status, 400);
  json_t *v = ask(RAIL, "POST", "/checkout-sessions", json_pack("{s:o}", "line_items", lines_of("G100.2026-11-22.second.adult", 1)), &status);
  assert_true(rk_json_obj(v, "ucp") && has_code(v, "item_unavailable"));
  json_decref(v);
  json_decref(ask(RAIL, "POST", "/checkout-sessions", json_pack("{s:o}", "line_items", lines_of("G101.2026-11-28.second.adult", 10)), &status));
  assert_int_equal(status, 400);
}

struct buyer { const char *item; int n_bought; char seats[64][64]; };

static void *buy(void *ud) {
  struct buyer *b = ud;
  for (int k = 0; k < 64; k++) {
    json_t *co = create(CINEMA, lines_of(b->item, 1), json_array());
    bool ready = is(co, "ready_for_complete");
    json_t *done = ready ? pay(CINEMA, co) : NULL;
    if (done && is(done, "completed")) snprintf(b->seats[b->n_bought++], 64, "%s", option(done, "seats"));
    json_decref(done);
    json_decref(co);
    if (!ready) break;
  }
  return NULL;
}

static void test_parallel_buyers_never_share_a_seat(void **state) {
  (void)state;
  json_t *found = search(CINEMA, "{\"city\":\"北京\",\"date\":\"2026-11-29\"}");
  const char *item = rk_json_cstr(variant(found, 0, 0), "id", "");
  int64_t seats = left(variant(found, 0, 0));
  struct buyer buyers[N_BUYERS] = {0};
  pthread_t threads[N_BUYERS];
  int sold = 0;
  for (int i = 0; i < N_BUYERS; i++) {
    buyers[i].item = item;
    assert_int_equal(pthread_create(&threads[i], NULL, buy, &buyers[i]), 0);
  }
  for (int i = 0; i < N_BUYERS; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < N_BUYERS; i++)
    for (int k = 0; k < buyers[i].n_bought; k++, sold++)
      for (int j = 0; j <= i; j++)
        for (int m = 0; m < (j == i ? k : buyers[j].n_bought); m++) assert_string_not_equal(buyers[i].seats[k], buyers[j].seats[m]);
  assert_int_equal(sold, seats);
  json_t *after = search(CINEMA, "{\"city\":\"北京\",\"date\":\"2026-11-29\"}");
  assert_int_equal(left(variant(after, 0, 0)), 0);
  json_decref(after);
  json_decref(found);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_train_for_a_family), cmocka_unit_test(test_cancel_lets_go),
                                     cmocka_unit_test(test_seats_are_named_in_the_terms), cmocka_unit_test(test_details_of_one),
                                     cmocka_unit_test(test_bad_requests), cmocka_unit_test(test_parallel_buyers_never_share_a_seat)};
  return cmocka_run_group_tests(tests, start, stop);
}
