#include "trade/webhook.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "net/net.h"
#include "trade/ucp.h"

struct rk_webhooks {
  struct rk_trade *trade;
  struct rk_merchants *merchants;
  pthread_mutex_t lock;
  char seen[RK_MAX_WEBHOOK_IDS][65]; /* SHA-256 of origin and id, the oldest is overwritten */
  int32_t next;
};

rk_err rk_webhooks_new(struct rk_trade *t, struct rk_merchants *m, struct rk_webhooks **out, struct rk_error *e) {
  struct rk_webhooks *w = calloc(1, sizeof *w);
  if (!w) return rk_fail(e, RK_ENOMEM, "out of memory");
  w->trade = t;
  w->merchants = m;
  pthread_mutex_init(&w->lock, NULL);
  *out = w;
  return RK_OK;
}

void rk_webhooks_free(struct rk_webhooks *w) {
  if (!w) return;
  pthread_mutex_destroy(&w->lock);
  free(w);
}

static struct rk_webhook_answer refuse(int32_t http, const char *code, struct rk_error *e, const char *why) {
  rk_fail(e, http == 401 ? RK_EAUTH : RK_EINVAL, "%s", why);
  return (struct rk_webhook_answer){http, code};
}

static rk_str field(const struct rk_http_message *m, const char *name) {
  rk_str v = {NULL, 0};
  return m->field(m->ud, name, &v) ? v : (rk_str){NULL, 0};
}

/* The merchant that UCP-Agent names. */
static bool origin_of(const struct rk_http_message *m, char *origin, size_t size) {
  char url[600];
  return rk_ucp_agent_url(field(m, "ucp-agent"), url, sizeof url) && rk_net_origin(url, origin, size) == RK_OK;
}

/* When it was signed or, where the signature does not say, when the event was sent. */
static bool in_time(const struct rk_sig_info *i, rk_str timestamp, int64_t now_s) {
  int64_t at = i->created_s;
  if (!at && !rk_str_i64(timestamp, &at)) return false;
  return at >= now_s - RK_WEBHOOK_WINDOW_S && at <= now_s + RK_WEBHOOK_WINDOW_S;
}

static void id_of(const char *origin, rk_str webhook_id, char out[65]) {
  char text[600];
  int n = snprintf(text, sizeof text, "%s %.*s", origin, RK_STR_ARG(webhook_id));
  rk_sha256_hex((rk_str){text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1}, out);
}

static bool was_seen(struct rk_webhooks *w, const char id[65]) {
  bool seen = false;
  pthread_mutex_lock(&w->lock);
  for (int32_t i = 0; i < RK_MAX_WEBHOOK_IDS && !seen; i++) seen = strcmp(w->seen[i], id) == 0;
  pthread_mutex_unlock(&w->lock);
  return seen;
}

static void remember(struct rk_webhooks *w, const char id[65]) {
  pthread_mutex_lock(&w->lock);
  memcpy(w->seen[w->next], id, 65);
  w->next = (w->next + 1) % RK_MAX_WEBHOOK_IDS;
  pthread_mutex_unlock(&w->lock);
}

/* Signed by the merchant that it says it is from, now, with an id of its own. */
static struct rk_webhook_answer check_sender(struct rk_webhooks *w, const struct rk_http_message *m, char *origin, size_t size, struct rk_error *e) {
  struct rk_sig_info info;
  enum rk_sig_fault fault = RK_SIG_INVALID;
  int64_t now_s = rk_now_ms() / 1000;
  rk_str id = field(m, "webhook-id");
  if (!origin_of(m, origin, size)) return refuse(400, "invalid_profile_url", e, "ucp-agent: no profile URL of the sender");
  if (m->body.n == 0) return refuse(400, "invalid", e, "the event is empty");
  if (id.n == 0 || id.n > 255) return refuse(400, "invalid", e, "webhook-id: missing, or over 255 bytes");
  rk_err err = rk_merchants_verify(w->merchants, origin, m, now_s, &info, &fault, e);
  if (err == RK_ENOTFOUND) return refuse(403, "profile_not_trusted", e, "ucp-agent: the sender is none of our merchants");
  if (err && !fault) return (struct rk_webhook_answer){424, "profile_unreachable"};
  if (err) return (struct rk_webhook_answer){rk_sig_http(fault), rk_sig_code(fault)};
  if (!in_time(&info, field(m, "webhook-timestamp"), now_s))
    return refuse(401, "signature_invalid", e, "created or webhook-timestamp: not within five minutes of now");
  return (struct rk_webhook_answer){200, "ok"};
}

struct rk_webhook_answer rk_webhooks_take(struct rk_webhooks *w, const struct rk_http_message *m, struct rk_error *e) {
  char origin[256], id[65];
  struct rk_webhook_answer a = check_sender(w, m, origin, sizeof origin, e);
  if (a.http != 200) return a;
  id_of(origin, field(m, "webhook-id"), id);
  if (was_seen(w, id)) return a;
  json_t *order = rk_json_parse(m->body, RK_MAX_JSON_BYTES, e);
  if (!json_is_object(order)) {
    json_decref(order);
    return (struct rk_webhook_answer){400, "invalid"};
  }
  rk_err err = rk_trade_order_event(w->trade, origin, order, e);
  json_decref(order);
  if (!err) remember(w, id);
  if (err == RK_EBUSY) a = (struct rk_webhook_answer){503, "not_yet"};
  else if (err == RK_ENOTFOUND) a = (struct rk_webhook_answer){404, "not_found"};
  else if (err == RK_EFORMAT) a = (struct rk_webhook_answer){400, "invalid"};
  else if (err) a = (struct rk_webhook_answer){503, "not_stored"};
  return a;
}
