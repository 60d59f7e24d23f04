/* A merchant, or the authorization server of one, that answers over HTTP whatever comes: the whole client, from bytes to structs.
 * First byte: what is asked; second: the status; the rest: the body of every answer but, mostly, the profile. */
#include <stdint.h>
#include <string.h>

#include "http/http.h"
#include "trade/link.h"
#include "trade/merchant.h"
#include "trade/ucp.h"

enum { PROFILE, SEARCH, TRAVEL, CREATE, GET, QUOTE, COMPLETE, ORDER, REFUND_QUOTE, REFUND_CONFIRM, REFUND_GET, DISCOVER, TOKEN, RENEW, N_ASKED };

static struct rk_http *http;
static struct rk_net *net;
static char origin[64];
static int asked;
static int32_t status;
static rk_str body;

static json_t *profile(void) {
  static const char *const names[] = {RK_UCP_CHECKOUT, RK_UCP_SEARCH, RK_UCP_LOOKUP, RK_UCP_ORDER};
  json_t *caps = json_object();
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) json_object_set_new(caps, names[i], json_pack("[{s:s}]", "version", RK_UCP_VERSION));
  json_object_set_new(caps, RK_UCP_REFUND, json_pack("[{s:s, s:s}]", "version", RK_UCP_VERSION, "extends", RK_UCP_ORDER));
  if (asked == TRAVEL) json_object_set_new(caps, RK_UCP_TRAVEL_KEY, json_pack("[{s:s, s:{s:s}}]", "version", RK_UCP_VERSION, "config", "kind", "train"));
  return json_pack("{s:{s:s, s:{s:[{s:s, s:s, s:s}]}, s:o}}", "ucp", "version", RK_UCP_VERSION, "services", RK_UCP_SERVICE, "version", RK_UCP_VERSION, "transport",
                   "rest", "endpoint", origin, "capabilities", caps);
}

static void reply(struct rk_http_req *r, void *ctx) {
  (void)ctx;
  if (asked != PROFILE && rk_str_eq(rk_http_path(r), RK_STR("/.well-known/ucp"))) rk_http_reply_json(r, 200, profile());
  else rk_http_reply(r, status, "application/json", body);
}
static const struct rk_route routes[] = {{"GET", "/*", reply}, {"POST", "/*", reply}, {"PUT", "/*", reply}};

static void stop(void) {
  rk_net_free(net);
  rk_http_stop(http);
}

static void start(void) {
  struct rk_error e = {RK_OK, ""};
  RK_ASSERT(rk_net_new(&net, &e) == RK_OK);
  RK_ASSERT(rk_http_start(&(struct rk_http_opts){.address = "127.0.0.1", .routes = routes, .n_routes = 3}, &http, &e) == RK_OK);
  snprintf(origin, sizeof origin, "http://127.0.0.1:%d", rk_http_port(http));
  atexit(stop);
}

static void check(const struct rk_checkout *c) {
  int64_t sum = 0, total = -1;
  for (int32_t i = 0; i < c->n_totals; i++)
    if (strcmp(c->totals[i].type, "total") == 0) total = c->totals[i].minor;
    else sum += c->totals[i].minor;
  RK_ASSERT(sum == total && total >= 0 && c->n_lines > 0 && c->id[0]);
}

static void search(struct rk_merchants *m, struct rk_arena *a) {
  static const struct rk_travel_ask train = {.kind = "train", .from = "上海", .to = "杭州", .date = "2026-11-28"};
  struct rk_search q = {.query = "x", .lang = "zh", .travel = asked == TRAVEL ? &train : NULL};
  struct rk_offer *offers;
  struct rk_shop_report *reports;
  struct rk_error e;
  int32_t n, n_reports;
  if (rk_merchants_search(m, &q, a, &offers, &n, &reports, &n_reports, &e)) return;
  for (int32_t i = 0; i < n; i++) RK_ASSERT(offers[i].unit_price.minor >= 0 && offers[i].item_id[0] && (asked != TRAVEL || offers[i].travel_kind));
}

static void check_out(struct rk_merchants *m, struct rk_arena *a) {
  struct rk_line line = {.item_id = "p-1", .quantity = 1};
  struct rk_checkout_req q = {.origin = origin, .lines = &line, .n_lines = 1, .lang = "zh"};
  struct rk_checkout c;
  struct rk_error e;
  if (asked == CREATE && rk_merchant_checkout_create(m, &q, a, &c, &e) == RK_OK) check(&c);
  if (asked == GET && rk_merchant_checkout_get(m, origin, "c1", a, &c, &e) == RK_OK) RK_ASSERT(strcmp(c.id, "c1") == 0), check(&c);
  if (asked == COMPLETE && rk_merchant_complete(m, origin, "c1", "key", RK_STR("{}"), a, &c, &e) == RK_OUTCOME_DONE) RK_ASSERT(c.order_id && c.order_id[0]), check(&c);
  struct rk_offer o = {.origin = origin, .item_id = "p-1", .quantity = 1, .unit_price = {100, "CNY"}};
  if (asked == QUOTE && rk_merchant_quote(m, &o, "上海", "zh", a, &e) == RK_OK) RK_ASSERT(o.quoted == RK_SURE_QUOTED);
}

static void after_the_sale(struct rk_merchants *m, struct rk_arena *a) {
  struct rk_refund back;
  struct rk_error e;
  json_t *order = NULL;
  if (asked == ORDER && rk_merchant_order(m, origin, "o1", &order, &e) == RK_OK) RK_ASSERT(rk_str_eq(rk_json_str(order, "id"), RK_STR("o1")));
  json_decref(order);
  bool got = asked == REFUND_QUOTE ? rk_merchant_refund_quote(m, origin, "o1", NULL, 0, "zh", a, &back, &e) == RK_OK
             : asked == REFUND_GET ? rk_merchant_refund_get(m, origin, "r1", a, &back, &e) == RK_OK
             : asked == REFUND_CONFIRM && rk_merchant_refund_confirm(m, origin, "r1", "key", a, &back, &e) == RK_OUTCOME_DONE;
  if (got) RK_ASSERT(back.back_minor >= 0 && back.fee_minor >= 0 && back.id[0]);
}

static void link_account(void) {
  struct rk_platform p = {.net = net, .profile_url = "http://127.0.0.1/.well-known/ucp"};
  struct rk_link_server s = {.issuer = "i"};
  struct rk_link_request r = {.client_id = "c", .redirect_uri = "http://127.0.0.1/linked", .verifier = "v"};
  struct rk_linked t = {.refresh_token = "old", .client_id = "c"};
  enum rk_link_fault fault;
  struct rk_error e;
  snprintf(s.token_endpoint, sizeof s.token_endpoint, "%s/token", origin);
  memcpy(t.token_endpoint, s.token_endpoint, sizeof t.token_endpoint);
  if (asked == DISCOVER && rk_link_discover(&p, origin, &s, &fault, &e) == RK_OK) RK_ASSERT(s.token_endpoint[0] && s.authorization_endpoint[0]);
  if (asked == TOKEN && rk_link_token(&p, &s, &r, RK_STR("code"), &t, &e) == RK_OK) RK_ASSERT(t.access_token[0]);
  if (asked == RENEW && rk_link_renew(&p, &t, &e) == RK_OK) RK_ASSERT(t.access_token[0] && t.refresh_token[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const int32_t statuses[] = {200, 201, 202, 400, 401, 404, 409, 422, 429, 500, 503};
  struct rk_merchants *m = NULL;
  struct rk_error e;
  const char *origins = origin;
  if (!http) start();
  if (size < 2) return 0;
  asked = data[0] % N_ASKED;
  status = statuses[data[1] % (sizeof statuses / sizeof *statuses)];
  body = (rk_str){(const char *)data + 2, size - 2};
  struct rk_arena *a = rk_arena_new(8 << 20);
  RK_ASSERT(a && rk_net_allow(net, origin) == RK_OK);
  RK_ASSERT(rk_merchants_new(&(struct rk_merchants_opts){.net = net, .agent_profile_url = "http://127.0.0.1/.well-known/ucp", .origins = &origins, .n_origins = 1}, &m, &e) == RK_OK);
  if (asked == PROFILE) json_decref(rk_merchants_list(m, &e));
  else if (asked == SEARCH || asked == TRAVEL) search(m, a);
  else if (asked <= COMPLETE) check_out(m, a);
  else if (asked <= REFUND_GET) after_the_sale(m, a);
  else link_account();
  rk_merchants_free(m);
  rk_arena_free(a);
  return 0;
}
