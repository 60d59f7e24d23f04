/* steps.h - what tests of a shop do at it: open, search, check out, pay. One test program includes it once. */
#ifndef RK_TESTS_SHOP_STEPS_H
#define RK_TESTS_SHOP_STEPS_H

#include <ftw.h>
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

enum { MAX_SHOPS = 5, TOKEN_BYTES = 4096 };

static const char *const *dirs;
static const char *const agents[] = {AGENT};
static char data_dir[64], origins[MAX_SHOPS][32];
static struct rk_shop *shops[MAX_SHOPS];
static int n_shops;
static struct rk_key *key;
static const char *agent_version = RK_UCP_VERSION; /* of the agent's profile */

static rk_err fetch(void *ud, const char *url, struct rk_buf *out, struct rk_error *e) {
  (void)ud, (void)url, (void)e;
  json_t *profile = rk_ucp_platform_profile(&(struct rk_ucp_platform){.key = key, .profile_url = AGENT "/.well-known/ucp"}, agent_version);
  char *text = rk_json_dump(profile);
  rk_err err = rk_buf_adds(out, text);
  free(text);
  json_decref(profile);
  return err;
}

static inline json_t *ask(int i, const char *method, const char *path, json_t *body, int32_t *status) {
  char *text = body ? rk_json_dump(body) : NULL, fresh[37];
  struct rk_shop_answer a;
  rk_uuid7(fresh);
  rk_shop_handle(shops[i], &(struct rk_shop_request){.method = rk_str_c(method), .path = rk_str_c(path), .agent = RK_STR("profile=\"" AGENT "/.well-known/ucp\""), .key = rk_str_c(fresh), .body = rk_str_c(text)}, &a);
  free(text);
  json_decref(body);
  *status = a.status;
  return a.body;
}

static inline int open_shops(const char *const *of, int n) {
  struct rk_error e = {0};
  char pem[128];
  snprintf(data_dir, sizeof data_dir, "%s/rukou-steps-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
  setenv("RUKOU_CLOCK", "2026-11-23T10:00:00+08:00", 1);
  if (rk_clock_init(&e) || !mkdtemp(data_dir)) return -1;
  snprintf(pem, sizeof pem, "%s/key.pem", data_dir);
  if (rk_key_load_or_make(pem, &key, &e)) return -1;
  dirs = of;
  for (int i = 0; i < n; i++) {
    if (rk_shop_open(&(struct rk_shop_opts){.dir = dirs[i], .data_dir = data_dir, .sandbox = true, .agents = agents, .n_agents = 1, .fetch = fetch}, &shops[i], &e)) {
      print_error("%s\n", e.msg);
      return -1;
    }
    n_shops = i + 1;
    snprintf(origins[i], sizeof origins[i], "http://127.0.0.2:%d", 7120 + i);
    rk_shop_set_origin(shops[i], origins[i]);
  }
  return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f) {
  (void)st, (void)flag, (void)f;
  return remove(path);
}

static inline int close_shops(void) {
  for (int i = 0; i < n_shops; i++) rk_shop_close(shops[i]);
  rk_key_free(key);
  return nftw(data_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- steps ---- */

static inline json_t *search(int i, const char *query) {
  struct rk_error e = {0};
  int32_t status;
  json_t *body = json_pack("{s:o, s:{s:s}, s:{s:i}}", RK_UCP_TRAVEL_KEY, rk_json_parse(rk_str_c(query), 4096, &e), "context", "language", "zh", "pagination", "limit", 50);
  json_t *v = ask(i, "POST", "/catalog/search", body, &status);
  assert_int_equal(status, 200);
  return v;
}

static inline const json_t *variant(const json_t *answer, size_t product, size_t at) {
  return json_array_get(rk_json_arr(json_array_get(rk_json_arr(answer, "products"), product), "variants"), at);
}

static inline int64_t left(const json_t *v) { return rk_json_i64(rk_json_obj(rk_json_obj(v, "metadata"), RK_UCP_OFFER_KEY), "stock", -1); }

static inline json_t *lines_of(const char *item, int quantity) { return json_pack("[{s:{s:s}, s:i}]", "item", "id", item, "quantity", quantity); }

static inline json_t *create(int i, json_t *lines, json_t *travelers) {
  int32_t status;
  json_t *v = ask(i, "POST", "/checkout-sessions", json_pack("{s:o, s:{s:o}}", "line_items", lines, RK_UCP_TRAVEL_KEY, "travelers", travelers), &status);
  assert_in_range(status, 200, 201);
  return v;
}

static inline int64_t total_of(const json_t *checkout) {
  size_t i;
  json_t *v;
  json_array_foreach(rk_json_arr(checkout, "totals"), i, v)
    if (rk_str_eq_c(rk_json_str(v, "type"), "total")) return rk_json_i64(v, "amount", -1);
  return -1;
}

static inline json_t *pay(int i, const json_t *checkout) {
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
  assert_int_equal(rk_merchant_complete_body(&(struct rk_payment){.instrument_id = "card", .kind = "card", .label = "Card", .token = token.p}, &body), RK_OK);
  snprintf(path, sizeof path, "/%s-sessions/%s/complete", strncmp(claims.checkout_id, "bks_", 4) == 0 ? "booking" : "checkout", claims.checkout_id);
  json_t *v = ask(i, "POST", path, rk_json_parse(rk_buf_str(&body), 16384, &e), &status);
  rk_buf_release(&token);
  rk_buf_release(&body);
  return v;
}

static inline bool is(const json_t *v, const char *status) { return rk_str_eq_c(rk_json_str(v, "status"), status); }

static inline bool has_code(const json_t *v, const char *code) {
  size_t i;
  json_t *m;
  json_array_foreach(rk_json_arr(v, "messages"), i, m)
    if (rk_str_eq_c(rk_json_str(m, "code"), code)) return true;
  return false;
}

static inline const char *option(const json_t *checkout, const char *name) {
  const json_t *item = rk_json_obj(json_array_get(rk_json_arr(checkout, "line_items"), 0), "item");
  return rk_json_cstr(rk_json_obj(rk_json_obj(item, RK_UCP_OFFER_KEY), "options"), name, "");
}

#endif
