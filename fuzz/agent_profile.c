/* An agent's profile is a stranger's bytes: the shop reads it, negotiates and answers, in whatever version it names.
 * Runs in the repository's root, for the shop's tables. */
#include "shop/shop.h"

#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rk_shop *shop;
static char data_dir[] = "/tmp/rukou-fuzz-XXXXXX";
static rk_str profile;

static rk_err fetch(void *ud, const char *url, struct rk_buf *out, struct rk_error *e) {
  (void)ud, (void)url;
  return rk_buf_addstr(out, profile) ? rk_fail(e, RK_ETOOBIG, "the profile is too large") : RK_OK;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f) {
  (void)st, (void)flag, (void)f;
  return remove(path);
}

static void stop(void) {
  rk_shop_close(shop);
  nftw(data_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void start(void) {
  struct rk_error e;
  RK_ASSERT(mkdtemp(data_dir));
  RK_ASSERT(rk_shop_open(&(struct rk_shop_opts){.dir = "shops/lanhai", .data_dir = data_dir, .fetch = fetch}, &shop, &e) == RK_OK);
  rk_shop_set_origin(shop, "http://127.0.0.2:7110");
  atexit(stop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static int64_t n;
  char agent[80];
  struct rk_shop_answer a;
  if (!shop) start();
  profile = (rk_str){(const char *)data, size};
  snprintf(agent, sizeof agent, "profile=\"https://agent.example/%lld\"", (long long)n++); /* a new one: none is remembered */
  rk_shop_handle(shop, &(struct rk_shop_request){.method = RK_STR("POST"), .path = RK_STR("/catalog/search"), .agent = rk_str_c(agent),
                                                 .body = RK_STR("{\"query\":\"x\"}")}, &a);
  RK_ASSERT(a.status == 200 || a.status == 422 || a.status == 424);
  RK_ASSERT(json_is_object(a.body));
  rk_shop_answer_release(&a);
  return 0;
}
