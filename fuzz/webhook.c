/* Events that come to our webhook. Even first byte: the rest is a body that the merchant of our order has signed. Odd: header lines
 * as NAME: VALUE up to an empty line, then the body; nothing that it did not sign is taken. */
#include <stdint.h>
#include <strings.h>

#include "bought.h"
#include "http/http.h"
#include "trade/ucp.h"
#include "trade/webhook.h"

enum { MAX_FIELDS = 16, FIELD_BYTES = 1024, MERCHANT_PORT = 7999 /* of ORIGIN */ };
struct fields { char name[MAX_FIELDS][40], value[MAX_FIELDS][FIELD_BYTES]; int n; };

static struct rk_http *shop;
static struct rk_net *net;
static struct rk_key *key;
static struct rk_merchants *merchants;
static struct rk_webhooks *webhooks;

static void reply_profile(struct rk_http_req *r, void *ctx) {
  (void)ctx;
  json_t *service = json_pack("{s:s, s:s, s:s}", "version", RK_UCP_VERSION, "transport", "rest", "endpoint", ORIGIN);
  rk_http_reply_json(r, 200, json_pack("{s:{s:s, s:{s:[o]}, s:{s:[{s:s}]}}, s:[o]}", "ucp", "version", RK_UCP_VERSION, "services", RK_UCP_SERVICE, service,
                                       "capabilities", RK_UCP_CHECKOUT, "version", RK_UCP_VERSION, "keys", rk_ucp_jwk(key)));
}
static const struct rk_route routes[] = {{"GET", "/.well-known/ucp", reply_profile}};

static void stop(void) {
  rk_webhooks_free(webhooks);
  rk_merchants_free(merchants);
  rk_net_free(net);
  rk_http_stop(shop);
  rk_key_free(key);
}

static void start(void) {
  struct rk_error e = {RK_OK, ""};
  char pem[96];
  const char *origin = ORIGIN;
  bought_start();
  snprintf(pem, sizeof pem, "%s/merchant.pem", bought_side.dir);
  RK_ASSERT(rk_key_load_or_make(pem, &key, &e) == RK_OK && rk_net_new(&net, &e) == RK_OK);
  RK_ASSERT(rk_http_start(&(struct rk_http_opts){.address = "127.0.0.2", .port = MERCHANT_PORT, .routes = routes, .n_routes = 1}, &shop, &e) == RK_OK);
  RK_ASSERT(rk_merchants_new(&(struct rk_merchants_opts){.net = net, .agent_profile_url = "http://127.0.0.1/.well-known/ucp", .origins = &origin, .n_origins = 1},
                             &merchants, &e) == RK_OK);
  RK_ASSERT(rk_webhooks_new(bought_side.trade, merchants, &webhooks, &e) == RK_OK);
  atexit(stop);
}

static bool find(void *ud, const char *name, rk_str *value) {
  const struct fields *f = ud;
  for (int i = 0; i < f->n; i++)
    if (strcasecmp(f->name[i], name) == 0) {
      *value = rk_str_c(f->value[i]);
      return true;
    }
  return false;
}

static void add(struct fields *f, rk_str name, rk_str value) {
  if (f->n == MAX_FIELDS || name.n >= sizeof f->name[0] || value.n >= FIELD_BYTES || (value.n && memchr(value.p, 0, value.n))) return;
  snprintf(f->name[f->n], sizeof f->name[0], "%.*s", RK_STR_ARG(name));
  snprintf(f->value[f->n++], FIELD_BYTES, "%.*s", RK_STR_ARG(value));
}

static void sign(struct rk_http_message *m, struct fields *f) {
  char digest[RK_CONTENT_DIGEST_BYTES], id[37], now[24];
  struct rk_buf input, signature;
  struct rk_error e;
  rk_content_digest(m->body, digest);
  rk_uuid7(id);
  snprintf(now, sizeof now, "%lld", (long long)(rk_now_ms() / 1000));
  add(f, RK_STR("content-type"), RK_STR("application/json"));
  add(f, RK_STR("content-digest"), rk_str_c(digest));
  add(f, RK_STR("ucp-agent"), RK_STR("profile=\"" ORIGIN "/.well-known/ucp\""));
  add(f, RK_STR("webhook-id"), rk_str_c(id));
  add(f, RK_STR("webhook-timestamp"), rk_str_c(now));
  rk_buf_init(&input, 4096);
  rk_buf_init(&signature, 4096);
  RK_ASSERT(rk_sig_sign(m, &(struct rk_sig_params){.created_s = rk_now_ms() / 1000}, key, &input, &signature, &e) == RK_OK);
  add(f, RK_STR("signature-input"), rk_buf_str(&input));
  add(f, RK_STR("signature"), rk_buf_str(&signature));
  rk_buf_release(&signature);
  rk_buf_release(&input);
}

static void read_lines(rk_str text, struct fields *f, rk_str *body) {
  rk_str line, name, value;
  while (text.n) {
    rk_str_cut(text, '\n', &line, &text);
    if (line.n == 0) break;
    if (rk_str_cut(line, ':', &name, &value)) add(f, rk_str_trim(name), rk_str_trim(value));
  }
  *body = text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct fields f;
  struct rk_error e = {RK_OK, ""};
  if (!webhooks) start();
  if (size == 0) return 0;
  f.n = 0;
  bool is_signed = data[0] % 2 == 0;
  rk_str rest = {(const char *)data + 1, size - 1};
  json_t *v = is_signed ? order_of(rest) : NULL;
  char *text = json_is_object(v) ? rk_json_dump(v) : NULL;
  struct rk_http_message m = {.method = "POST", .scheme = "http", .authority = "127.0.0.1:7100", .path = RK_STR(RK_UCP_WEBHOOK_PATH), .field = find, .ud = &f, .body = rest};
  if (text) m.body = rk_str_c(text);
  if (is_signed) sign(&m, &f);
  else read_lines(rest, &f, &m.body);
  struct rk_webhook_answer a = rk_webhooks_take(webhooks, &m, &e);
  RK_ASSERT(a.http < 500 && (a.http != 200 || is_signed));
  free(text);
  json_decref(v);
  if (is_signed) {
    struct rk_trade *before = bought_side.trade;
    bought_check();
    if (bought_side.trade != before) { /* another order, in books of its own */
      rk_webhooks_free(webhooks);
      RK_ASSERT(rk_webhooks_new(bought_side.trade, merchants, &webhooks, &e) == RK_OK);
    }
  }
  return 0;
}
