#include "shop/serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/http.h"
#include "base/limits.h"
#include "net/net.h"
#include "trade/ucp.h"

#define ADDRESS "127.0.0.2"

enum { DRAIN_MS = 3000 };

struct rk_serve {
  struct rk_net *net;
  int32_t n;
  struct rk_shop *shops[RK_MAX_SHOPS_SERVED];
  struct rk_http *http[RK_MAX_SHOPS_SERVED];
  char origins[RK_MAX_SHOPS_SERVED][128];
};

static rk_err fetch_profile(void *ud, const char *url, struct rk_buf *out, struct rk_error *e) {
  struct rk_net_response r = {0};
  rk_net_fetch(ud, &(struct rk_net_request){.method = "GET", .url = url, .max_bytes = RK_MAX_UCP_PROFILE_BYTES}, &r);
  rk_err err = r.err;
  if (err) rk_fail(e, err, "%s", r.error.msg);
  else if (r.status != 200) err = rk_fail(e, RK_EUPSTREAM, "HTTP %d", r.status);
  else err = rk_buf_addstr(out, rk_buf_str(&r.body));
  rk_net_response_release(&r);
  return err;
}

static void on_request(struct rk_http_req *r, void *ctx) {
  struct rk_shop_answer answer;
  rk_shop_handle(ctx, &(struct rk_shop_request){rk_http_method(r), rk_http_path(r), rk_http_header(r, "UCP-Agent"),
                                                rk_http_header(r, "Idempotency-Key"), rk_http_body(r)}, &answer);
  rk_http_set_header(r, "Cache-Control", answer.cacheable ? "public, max-age=60" : "no-store");
  rk_http_reply_json(r, answer.status, answer.body);
}

static const struct rk_route routes[] = {{"GET", "/*", on_request}, {"POST", "/*", on_request}, {"PUT", "/*", on_request}};

static rk_err open_one(struct rk_serve *v, const struct rk_serve_opts *o, int32_t i, struct rk_error *e) {
  rk_err err = rk_shop_open(&(struct rk_shop_opts){.dir = o->dirs[i], .data_dir = o->data_dir, .sandbox = o->sandbox, .agents = o->agents,
                                                   .n_agents = o->n_agents, .fetch = fetch_profile, .fetch_ud = v->net}, &v->shops[i], e);
  v->n = i + 1;
  if (!err) err = rk_http_start(&(struct rk_http_opts){.address = ADDRESS, .port = o->port ? o->port + i : 0, .routes = routes,
                                                       .n_routes = sizeof routes / sizeof *routes, .ctx = v->shops[i]}, &v->http[i], e);
  if (err) return err;
  if (o->origin) snprintf(v->origins[i], sizeof v->origins[i], "%s", o->origin);
  else snprintf(v->origins[i], sizeof v->origins[i], "http://" ADDRESS ":%d", rk_http_port(v->http[i]));
  rk_shop_set_origin(v->shops[i], v->origins[i]);
  return RK_OK;
}

static bool is_origin(rk_str s) {
  rk_str https = RK_STR("https://"), http = RK_STR("http://"), scheme = rk_str_starts(s, https) ? https : http;
  if (!rk_str_starts(s, scheme) || s.n == scheme.n || s.n > 120) return false;
  for (size_t i = scheme.n; i < s.n; i++)
    if (s.p[i] <= ' ' || strchr("/?#@\\\"", s.p[i])) return false;
  return true;
}

rk_err rk_serve_start(const struct rk_serve_opts *o, struct rk_serve **out, struct rk_error *e) {
  if (o->n_dirs < 1 || o->n_dirs > RK_MAX_SHOPS_SERVED) return rk_fail(e, RK_EINVAL, "name 1 to %d shop directories", RK_MAX_SHOPS_SERVED);
  if (o->origin && (o->n_dirs != 1 || !is_origin(rk_str_c(o->origin))))
    return rk_fail(e, RK_EINVAL, "an origin is the identity of one shop, for example https://shop.example without a path");
  struct rk_serve *v = calloc(1, sizeof *v);
  if (!v) return rk_fail(e, RK_ENOMEM, "out of memory");
  rk_err err = rk_net_new(&v->net, e);
  for (int32_t i = 0; !err && o->sandbox && i < o->n_agents; i++) {
    err = rk_net_allow(v->net, o->agents[i]);
    if (err) rk_fail(e, err, "--agent %s is no http(s) origin", o->agents[i]);
  }
  for (int32_t i = 0; !err && i < o->n_dirs; i++) err = open_one(v, o, i, e);
  if (err) {
    rk_serve_stop(v);
    return err;
  }
  *out = v;
  return RK_OK;
}

void rk_serve_stop(struct rk_serve *v) {
  if (!v) return;
  for (int32_t i = 0; i < v->n; i++)
    if (v->http[i]) {
      rk_http_drain(v->http[i], DRAIN_MS);
      rk_http_stop(v->http[i]);
    }
  for (int32_t i = 0; i < v->n; i++) rk_shop_close(v->shops[i]);
  if (v->net) rk_net_free(v->net);
  free(v);
}

int32_t rk_serve_count(const struct rk_serve *v) { return v->n; }
const char *rk_serve_name(const struct rk_serve *v, int32_t i) { return rk_shop_name(v->shops[i]); }
const char *rk_serve_origin(const struct rk_serve *v, int32_t i) { return v->origins[i]; }
