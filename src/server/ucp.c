/* ucp.c - what merchants see of us: the platform profile of each version, and the place for order events. */
#include <stdio.h>
#include <string.h>

#include "net/net.h"
#include "server/private.h"
#include "trade/ucp.h"

/* max-age at least 60 and never private: merchants keep it (UCP, Profile Requirements). */
static void reply_profile(struct rk_http_req *r, const struct rk_server *s, const char *version) {
  rk_http_set_header(r, "Cache-Control", "public, max-age=60");
  rk_http_reply_json(r, 200, rk_ucp_platform_profile(&s->o.platform, version));
}
void rk_route_ucp_profile(struct rk_http_req *r, void *ctx) { reply_profile(r, ctx, rk_ucp_version(0)); }
void rk_route_ucp_oldest_profile(struct rk_http_req *r, void *ctx) { reply_profile(r, ctx, RK_UCP_VERSION); }

static bool request_field(void *ud, const char *name, rk_str *value) {
  *value = rk_http_header(ud, name);
  return value->n > 0;
}

/* Signed is what the merchant sent, and it was sent to our webhook_url: scheme and authority are those, not what a
 * proxy between makes of them. The merchant's profile may have to be read: on a worker. */
static void take_event(struct rk_http_req *r, void *ctx) {
  struct rk_server *s = ctx;
  struct rk_error e = {RK_OK, ""};
  char authority[RK_SERVER_NAME_BYTES];
  struct rk_http_message m = {.field = request_field, .ud = r};
  RK_ASSERT(rk_http_message_url(&m, s->o.platform.webhook_url, authority, sizeof authority) == RK_OK);
  m.method = "POST";
  m.path = rk_http_path(r);
  m.body = rk_http_body(r);
  struct rk_webhook_answer a = rk_webhooks_take(s->webhooks, &m, &e);
  if (a.http == 503) rk_http_set_header(r, "Retry-After", "5");
  rk_http_reply_json(r, a.http, json_pack("{s:s, s:s}", "code", a.code, "content", e.msg));
}

void rk_route_order_event(struct rk_http_req *r, void *ctx) {
  struct rk_server *s = ctx;
  struct rk_error e = {RK_OK, ""};
  if (s->o.platform.webhook_url) rk_workers_run(s->workers, r, take_event, s);
  else {
    rk_fail(&e, RK_ENOTFOUND, "no order events are taken here");
    rk_http_reply_error(r, &e);
  }
}

static void list_shops(struct rk_http_req *r, void *ctx) {
  const struct rk_server *s = ctx;
  struct rk_error e = {RK_OK, ""};
  json_t *list = rk_merchants_list(s->o.merchants, &e);
  if (list) rk_http_reply_json(r, 200, json_pack("{s:o}", "shops", list));
  else rk_http_reply_error(r, &e);
}

void rk_route_shops(struct rk_http_req *r, void *ctx) {
  struct rk_server *s = ctx;
  rk_workers_run(s->workers, r, list_shops, s);
}
