/* The authorization server of a shop: forms and query parameters of strangers. First byte: the place; the rest: the query or the
 * form. Nothing that comes gets a token. Runs in the repository's root, for the shop's tables. */
#include "shop/shop.h"

#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rk_shop *shop;
static char data_dir[] = "/tmp/rukou-fuzz-XXXXXX";
static rk_str query;

static rk_err fetch(void *ud, const char *url, struct rk_buf *out, struct rk_error *e) {
  (void)ud, (void)url, (void)out;
  return rk_fail(e, RK_EUNAVAIL, "no profile");
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
  RK_ASSERT(rk_shop_open(&(struct rk_shop_opts){.dir = "tests/conformance/shops/papeterie", .data_dir = data_dir, .fetch = fetch}, &shop, &e) == RK_OK);
  rk_shop_set_origin(shop, "http://127.0.0.2:7110");
  atexit(stop);
}

/* NAME=VALUE lines; http.c has decoded them. */
static rk_str param(void *ud, const char *name) {
  (void)ud;
  rk_str rest = query, line, key, value;
  while (rest.n) {
    rk_str_cut(rest, '\n', &line, &rest);
    if (rk_str_cut(line, '=', &key, &value) && rk_str_eq_c(key, name)) return value;
  }
  return (rk_str){NULL, 0};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const struct { const char *method, *path; bool in_query; } places[] = {{"GET", "/oauth2/authorize", true}, {"POST", "/oauth2/authorize", true},
    {"POST", "/oauth2/token", false}, {"POST", "/oauth2/revoke", false}};
  struct rk_shop_answer a;
  if (!shop) start();
  if (size == 0) return 0;
  size_t i = data[0] % (sizeof places / sizeof *places);
  rk_str rest = {(const char *)data + 1, size - 1}, first = {NULL, 0};
  struct rk_shop_request r = {.method = rk_str_c(places[i].method), .path = rk_str_c(places[i].path), .body = rest, .param = param};
  query = places[i].in_query ? rest : (rk_str){NULL, 0};
  if (!places[i].in_query && data[0] >= 0x80) { /* the first line: Authorization */
    rk_str_cut(rest, '\n', &first, &r.body);
    r.authorization = first;
  }
  rk_shop_handle(shop, &r, &a);
  RK_ASSERT(a.status >= 200 && a.status < 500);
  RK_ASSERT(!json_object_get(a.body, "access_token"));
  rk_shop_answer_release(&a);
  return 0;
}
