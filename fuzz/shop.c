/* A merchant's requests are strangers' bytes: every one gets an answer, and what is answered with 500 and more is a fault.
 * First byte: the request; the rest: its body. Runs in the repository's root, for the shop's tables. */
#include "shop/shop.h"

#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "trade/ucp.h"

static struct rk_shop *shop;
static struct rk_key *key;
static char data_dir[] = "/tmp/rukou-fuzz-XXXXXX", checkout[200] = "/checkout-sessions/none";

static rk_err fetch(void *ud, const char *url, struct rk_buf *out, struct rk_error *e) {
  (void)ud, (void)url, (void)e;
  json_t *profile = rk_ucp_platform_profile(&(struct rk_ucp_platform){.key = key, .profile_url = "http://127.0.0.1:7100/.well-known/ucp"}, RK_UCP_VERSION);
  json_t *caps = rk_json_obj(rk_json_obj(profile, "ucp"), "capabilities");
  json_object_set_new(caps, RK_UCP_CART, json_pack("[{s:s}]", "version", RK_UCP_VERSION));
  json_object_set_new(caps, RK_UCP_CONSENT, json_pack("[{s:s}]", "version", RK_UCP_VERSION));
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
  rk_shop_close(shop);
  rk_key_free(key);
  nftw(data_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void start(void) {
  struct rk_error e;
  char pem[64];
  RK_ASSERT(mkdtemp(data_dir));
  snprintf(pem, sizeof pem, "%s/key.pem", data_dir);
  RK_ASSERT(rk_key_load_or_make(pem, &key, &e) == RK_OK);
  RK_ASSERT(rk_shop_open(&(struct rk_shop_opts){.dir = "shops/lanhai", .data_dir = data_dir, .fetch = fetch}, &shop, &e) == RK_OK);
  rk_shop_set_origin(shop, "http://127.0.0.2:7110");
  atexit(stop);
}

/* The first checkout that comes into being is the one that later requests change. */
static void remember(const struct rk_shop_answer *a) {
  if (a->status == 201 && strstr(checkout, "none")) snprintf(checkout, sizeof checkout, "/checkout-sessions/%s", rk_json_cstr(a->body, "id", "none"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char complete[240], idempotency_key[37];
  struct rk_shop_answer a;
  if (!shop) start();
  if (size == 0) return 0;
  snprintf(complete, sizeof complete, "%s/complete", checkout);
  const struct { const char *method, *path; } requests[] = {{"POST", "/catalog/search"}, {"POST", "/catalog/lookup"}, {"POST", "/catalog/product"},
    {"POST", "/checkout-sessions"}, {"PUT", checkout}, {"POST", complete}, {"GET", checkout}, {"POST", "/refunds"}, {"POST", "/carts"}};
  rk_str body = {(const char *)data + 1, size - 1};
  rk_uuid7(idempotency_key);
  size_t i = data[0] % (sizeof requests / sizeof *requests);
  struct rk_shop_request r = {.method = rk_str_c(requests[i].method), .path = rk_str_c(requests[i].path), .agent = RK_STR("profile=\"https://agent.example/p\""),
                              .key = rk_str_c(idempotency_key), .body = body};
  if (data[0] >= 0x80) r.path = body;
  rk_shop_handle(shop, &r, &a);
  RK_ASSERT(a.status >= 200 && a.status < 500 && (json_is_object(a.body) || a.text || a.n_headers));
  remember(&a);
  free(rk_shop_answer_text(shop, &a));
  rk_shop_answer_release(&a);
  return 0;
}
