#include "shop/serve.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "http/http.h"
#include "base/limits.h"
#include "net/net.h"
#include "trade/ucp.h"

#define ADDRESS "127.0.0.2"

enum { DRAIN_MS = 3000 };

struct one {
  struct rk_shop *shop;
  struct rk_http *http;
  const char *scheme, *host;       /* host: of an origin that is not where it listens, or NULL */
  char origin[128];
};

struct rk_serve {
  struct rk_net *net;
  int32_t n;
  struct one all[RK_MAX_SHOPS_SERVED];
  pthread_t deliverer;
  bool delivers;
  atomic_bool stopping;
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

static bool field(void *ud, const char *name, rk_str *value) {
  *value = rk_http_header(ud, name);
  return value->n > 0;
}

static rk_str param(void *ud, const char *name) { return rk_http_query(ud, name); }

static void on_request(struct rk_http_req *r, void *ctx) {
  struct one *one = ctx;
  char method[16];
  struct rk_shop_answer answer;
  rk_str body = rk_http_body(r), host = rk_http_header(r, "Host");
  char authority[300];
  snprintf(method, sizeof method, "%.*s", RK_STR_ARG(rk_http_method(r)));
  snprintf(authority, sizeof authority, "%.*s", RK_STR_ARG(host));
  struct rk_http_message m = {.method = method, .scheme = one->scheme, .authority = authority, .path = rk_http_path(r), .body = body, .field = field, .ud = r};
  rk_shop_handle(one->shop, &(struct rk_shop_request){rk_http_method(r), rk_http_path(r), rk_http_header(r, "UCP-Agent"), rk_http_header(r, "Idempotency-Key"),
                                                      body, rk_http_header(r, "Authorization"), &m, param, r}, &answer);
  char *text = rk_shop_answer_text(one->shop, &answer);
  rk_http_set_header(r, "Cache-Control", answer.cacheable ? "public, max-age=60" : "no-store");
  for (int32_t i = 0; i < answer.n_headers; i++) rk_http_set_header(r, answer.headers[i].name, answer.headers[i].value);
  rk_http_reply(r, text ? answer.status : 503, answer.content_type ? answer.content_type : "text/plain", rk_str_c(text));
  free(text);
  rk_shop_answer_release(&answer);
}

/* Sends the webhooks of all shops, by a connection pool of its own: a slow receiver keeps no profile waiting. */
static void *deliver(void *ud) {
  struct rk_serve *v = ud;
  while (!v->stopping) {
    int64_t wait_ms = 200;
    for (int32_t i = 0; i < v->n && !v->stopping; i++)
      if (v->all[i].shop && rk_shop_deliver(v->all[i].shop, v->net) == 0) wait_ms = 0;
    for (; wait_ms > 0 && !v->stopping; wait_ms -= 50) rk_sleep_ms(50);
  }
  return NULL;
}

static const struct rk_route routes[] = {{"GET", "/*", on_request}, {"POST", "/*", on_request}, {"PUT", "/*", on_request}};

static bool is_origin(rk_str s) {
  rk_str https = RK_STR("https://"), http = RK_STR("http://"), scheme = rk_str_starts(s, https) ? https : http;
  if (!rk_str_starts(s, scheme) || s.n == scheme.n || s.n > 120) return false;
  for (size_t i = scheme.n; i < s.n; i++)
    if (s.p[i] <= ' ' || strchr("/?#@\\\"", s.p[i])) return false;
  return true;
}

static rk_err open_one(struct rk_serve *v, const struct rk_serve_opts *o, int32_t i, struct rk_error *e) {
  struct one *one = &v->all[i];
  const char *address = o->address ? o->address : ADDRESS, *origins[] = {one->origin};
  one->scheme = o->tls_cert ? "https" : "http";
  v->n = i + 1;
  rk_err err = rk_shop_open(&(struct rk_shop_opts){.dir = o->dirs[i], .data_dir = o->data_dir, .sandbox = o->sandbox, .agents = o->agents,
                                                   .n_agents = o->n_agents, .known = o->known, .n_known = o->n_known, .testing = o->testing,
                                                   .order_auth = o->order_auth, .fetch = fetch_profile, .fetch_ud = v->net}, &one->shop, e);
  const char *known = err ? "" : o->origin ? o->origin : rk_shop_catalog(one->shop)->origin;
  if (!err && strncmp(address, "127.", 4) != 0 && !rk_str_starts(rk_str_c(known), RK_STR("https://")))
    err = rk_fail(e, RK_EINVAL, "a shop that listens at %s says who it is, over TLS: origin = https://... in shop.conf, or --origin", address);
  if (!err && known[0] && !is_origin(rk_str_c(known))) err = rk_fail(e, RK_EINVAL, "the origin %s is no http(s) origin such as https://shop.example", known);
  if (!err && known[0]) {
    one->scheme = rk_str_starts(rk_str_c(known), RK_STR("https:")) ? "https" : "http"; /* what agents sign, whatever the proxy speaks to us */
    one->host = strstr(known, "://") + 3;
    snprintf(one->origin, sizeof one->origin, "%s", known);
  }
  if (!err) err = rk_http_start(&(struct rk_http_opts){.address = address, .port = o->port ? o->port + i : 0, .routes = routes,
                                                       .n_routes = sizeof routes / sizeof *routes, .ctx = one, .hosts = &one->host, .n_hosts = one->host ? 1 : 0,
                                                       .origins = origins, .n_origins = one->host ? 1 : 0,
                                                       .tls_cert = o->tls_cert, .tls_key = o->tls_key, .tls13_only = true}, &one->http, e);
  if (err) return err;
  if (!one->host) snprintf(one->origin, sizeof one->origin, "%s://%s:%d", one->scheme, address, rk_http_port(one->http));
  rk_shop_set_origin(one->shop, one->origin);
  return RK_OK;
}

rk_err rk_serve_start(const struct rk_serve_opts *o, struct rk_serve **out, struct rk_error *e) {
  if (o->n_dirs < 1 || o->n_dirs > RK_MAX_SHOPS_SERVED) return rk_fail(e, RK_EINVAL, "name 1 to %d shop directories", RK_MAX_SHOPS_SERVED);
  if (o->origin && o->n_dirs != 1) return rk_fail(e, RK_EINVAL, "--origin is the identity of one shop");
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
  v->delivers = pthread_create(&v->deliverer, NULL, deliver, v) == 0;
  if (!v->delivers) {
    rk_serve_stop(v);
    return rk_fail(e, RK_ENOMEM, "a thread could not be started");
  }
  *out = v;
  return RK_OK;
}

void rk_serve_stop(struct rk_serve *v) {
  if (!v) return;
  v->stopping = true;
  if (v->delivers) pthread_join(v->deliverer, NULL);
  for (int32_t i = 0; i < v->n; i++)
    if (v->all[i].http) {
      rk_http_drain(v->all[i].http, DRAIN_MS);
      rk_http_stop(v->all[i].http);
    }
  for (int32_t i = 0; i < v->n; i++) rk_shop_close(v->all[i].shop);
  if (v->net) rk_net_free(v->net);
  free(v);
}

int32_t rk_serve_count(const struct rk_serve *v) { return v->n; }
const char *rk_serve_name(const struct rk_serve *v, int32_t i) { return rk_shop_name(v->all[i].shop); }
const char *rk_serve_origin(const struct rk_serve *v, int32_t i) { return v->all[i].origin; }
