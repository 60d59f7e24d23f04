/* Requests to sellers of dated places (docs/ucp.md, example.rukou.travel, the lodging draft): strangers' bytes. First byte: which seller; second: the
 * request; the rest: its body. Runs in the repository's root, for the sellers' tables. */
#include "shop/shop.h"

#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "trade/ucp.h"

enum { N_SELLERS = 5 };
static const char *const dirs[N_SELLERS] = {"shops/travel/tongtu", "shops/travel/yunyi", "shops/travel/changyou", "shops/travel/guangying", "shops/travel/yunqi"};
static struct rk_shop *sellers[N_SELLERS];
static struct rk_key *key;
static char data_dir[] = "/tmp/rukou-fuzz-XXXXXX", held[N_SELLERS][200], booked[200] = "/booking-sessions/none";

static rk_err fetch(void *ud, const char *url, struct rk_buf *out, struct rk_error *e) {
  (void)ud, (void)url, (void)e;
  json_t *profile = rk_ucp_platform_profile(&(struct rk_ucp_platform){.key = key, .profile_url = "http://127.0.0.1:7100/.well-known/ucp"}, rk_ucp_version(0));
  char *text = rk_json_dump(profile);
  rk_err err = rk_buf_adds(out, text);
  free(text);
  json_decref(profile);
  return err;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f) {
  (void)st, (void)flag, (void)f;
  return remove(path);
}

static void stop(void) {
  for (int i = 0; i < N_SELLERS; i++) rk_shop_close(sellers[i]);
  rk_key_free(key);
  nftw(data_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void start(void) {
  struct rk_error e;
  char pem[64];
  setenv("RUKOU_CLOCK", "2026-11-23T10:00:00+08:00", 1);
  RK_ASSERT(rk_clock_init(&e) == RK_OK && mkdtemp(data_dir));
  snprintf(pem, sizeof pem, "%s/key.pem", data_dir);
  RK_ASSERT(rk_key_load_or_make(pem, &key, &e) == RK_OK);
  for (int i = 0; i < N_SELLERS; i++) {
    RK_ASSERT(rk_shop_open(&(struct rk_shop_opts){.dir = dirs[i], .data_dir = data_dir, .fetch = fetch}, &sellers[i], &e) == RK_OK);
    rk_shop_set_origin(sellers[i], "http://127.0.0.2:7110");
    snprintf(held[i], sizeof held[i], "/checkout-sessions/none");
  }
  atexit(stop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char complete[240], confirm[240], idempotency_key[37];
  struct rk_shop_answer a;
  if (!key) start();
  if (size < 2) return 0;
  int i = data[0] % N_SELLERS;
  snprintf(complete, sizeof complete, "%s/complete", held[i]);
  snprintf(confirm, sizeof confirm, "%s/complete", booked);
  const struct { const char *method, *path; } requests[] = {{"POST", "/catalog/search"}, {"POST", "/catalog/lookup"}, {"POST", "/catalog/product"},
    {"POST", "/checkout-sessions"}, {"PUT", held[i]}, {"POST", complete}, {"POST", "/refunds"}, {"POST", "/booking-sessions"}, {"PUT", booked},
    {"POST", confirm}};
  size_t which = data[1] % (sizeof requests / sizeof *requests);
  rk_uuid7(idempotency_key);
  struct rk_shop_request r = {.method = rk_str_c(requests[which].method), .path = rk_str_c(requests[which].path), .agent = RK_STR("profile=\"https://agent.example/p\""),
                              .key = rk_str_c(idempotency_key), .body = {(const char *)data + 2, size - 2}};
  rk_shop_handle(sellers[i], &r, &a);
  RK_ASSERT(a.status >= 200 && a.status < 500 && json_is_object(a.body));
  const char *id = rk_json_cstr(a.body, "id", "none");
  if (a.status == 201 && strncmp(id, "bks_", 4) == 0) snprintf(booked, sizeof booked, "/booking-sessions/%s", id);
  else if (a.status == 201) snprintf(held[i], sizeof held[i], "/checkout-sessions/%s", id);
  rk_shop_answer_release(&a);
  return 0;
}
