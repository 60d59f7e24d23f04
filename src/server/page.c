/* The page: files of the embedded table, gzipped as they are. */
#include <string.h>

#include "server/assets.h"
#include "server/private.h"

/* What the page itself routes shows the page; the receipt of an order is one of its views. */
static bool is_page_path(rk_str path) {
  bool receipt = rk_str_starts(path, RK_STR("/orders/")) && rk_str_ends(path, RK_STR("/receipt"));
  return rk_str_eq_c(path, "/") || rk_str_eq_c(path, "/orders") || receipt || rk_str_eq_c(path, "/profile") || rk_str_starts(path, RK_STR("/chat/"));
}

static const struct rk_asset *find(rk_str path) {
  if (is_page_path(path)) path = RK_STR("/");
  for (size_t i = 0; i < rk_n_assets; i++)
    if (rk_str_eq_c(path, rk_assets[i].path)) return &rk_assets[i];
  return NULL;
}

static void reply_asset(struct rk_http_req *r, int32_t status, const struct rk_asset *a) {
  rk_http_set_header(r, "Content-Security-Policy", rk_assets_csp);
  rk_http_set_header(r, "ETag", a->etag);
  rk_http_set_header(r, "Cache-Control", "no-cache");
  if (status == 200 && rk_str_eq_c(rk_http_header(r, "If-None-Match"), a->etag)) {
    rk_http_reply(r, 304, NULL, RK_STR(""));
    return;
  }
  rk_http_set_header(r, "Content-Encoding", "gzip");
  rk_http_set_header(r, "Vary", "Accept-Encoding");
  rk_http_reply_static(r, status, a->content_type, (rk_str){(const char *)a->gz, a->gz_bytes});
}

/* A token in the address signs in; a wrong one shows the page, which says so. */
void rk_route_page(struct rk_http_req *r, void *ctx) {
  struct rk_server *s = ctx;
  rk_str path = rk_http_path(r), token = rk_http_query(r, "token");
  bool with_token = token.n && rk_str_eq_c(path, "/");
  if (with_token && rk_str_eq_c(rk_http_method(r), "GET") && rk_auth_sign_in(s, r, token)) return;
  const struct rk_asset *a = find(path);
  if (a) {
    reply_asset(r, with_token ? 401 : 200, a);
    return;
  }
  struct rk_error e;
  rk_fail(&e, RK_ENOTFOUND, "there is nothing at this address");
  rk_http_reply_error(r, &e);
}
