/* The agent's merchants over real HTTP: two shops, one that is down, one that answers garbage. */
#include <arpa/inet.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "http/http.h"
#include "shop/serve.h"
#include "trade/payment_token.h"
#include "trade/ucp.h"

enum { MAX_ORIGINS = 8 };

static char data_dir[] = "/tmp/rukou-shops-XXXXXX";
static struct rk_key *key;
static struct rk_http *listener;
static struct rk_serve *served;
static struct rk_net *net;
static struct rk_merchants *merchants;
static struct rk_http *garbage;
static const char *origins[MAX_ORIGINS];
static char text[MAX_ORIGINS][64], profile_url[128];
static int n_origins;

static void answer_garbage(struct rk_http_req *r, void *ctx) { rk_http_reply(r, 200, "application/json", RK_STR("{\"ucp\":")); }
static const struct rk_route garbage_routes[] = {{"GET", "/*", answer_garbage}, {"POST", "/*", answer_garbage}};

static void answer_profile(struct rk_http_req *r, void *ctx) { rk_http_reply_json(r, 200, rk_ucp_platform_profile(&(struct rk_ucp_platform){.key = key, .profile_url = "http://127.0.0.1:7100/.well-known/ucp"}, RK_UCP_VERSION)); }
static const struct rk_route profile_routes[] = {{"GET", "/.well-known/ucp", answer_profile}, {"GET", "/.well-known/ucp-2026-04-08", answer_profile}};

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f) { return remove(path); }

static void add_origin(int port) {
  snprintf(text[n_origins], sizeof text[0], "http://127.0.0.1:%d", port);
  origins[n_origins] = text[n_origins];
  n_origins++;
}

static int unused_port(void) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t n = sizeof at;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(fd, (struct sockaddr *)&at, n) || getsockname(fd, (struct sockaddr *)&at, &n)) return 0;
  close(fd);
  return ntohs(at.sin_port);
}

static int start(void **state) {
  static const char *const dirs[] = {"shops/lanhai", "shops/xinghe", "shops/travel/tongtu"};
  static const char *agents[1];
  static char agent[64];
  struct rk_error e = {0};
  char pem[128];
  if (!mkdtemp(data_dir)) return -1;
  snprintf(pem, sizeof pem, "%s/key.pem", data_dir);
  if (rk_key_load_or_make(pem, &key, &e) || rk_net_new(&net, &e) ||
      rk_http_start(&(struct rk_http_opts){.address = "127.0.0.1", .routes = profile_routes, .n_routes = 2}, &listener, &e)) return -1;
  snprintf(agent, sizeof agent, "http://127.0.0.1:%d", rk_http_port(listener));
  snprintf(profile_url, sizeof profile_url, "%s/.well-known/ucp", agent);
  agents[0] = agent;
  if (rk_serve_start(&(struct rk_serve_opts){.dirs = dirs, .n_dirs = 3, .data_dir = data_dir, .sandbox = true, .agents = agents, .n_agents = 1}, &served, &e)) return -1;
  if (rk_http_start(&(struct rk_http_opts){.address = "127.0.0.1", .routes = garbage_routes, .n_routes = 2}, &garbage, &e)) return -1;
  for (int i = 0; i < 2; i++) origins[n_origins++] = rk_serve_origin(served, i);
  add_origin(unused_port());
  add_origin(rk_http_port(garbage));
  origins[n_origins++] = rk_serve_origin(served, 2);
  return rk_merchants_new(&(struct rk_merchants_opts){.net = net, .agent_profile_url = profile_url, .origins = origins, .n_origins = n_origins, .key = key}, &merchants, &e) ? -1 : 0;
}

static int stop(void **state) {
  rk_merchants_free(merchants);
  rk_http_stop(garbage);
  rk_serve_stop(served);
  rk_http_stop(listener);
  rk_net_free(net);
  rk_key_free(key);
  return nftw(data_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct rk_offer *find(struct rk_arena *a, const char *query, int32_t *n) {
  struct rk_offer *offers;
  struct rk_shop_report *reports;
  struct rk_error e = {0};
  int32_t n_reports;
  struct rk_search q = {.query = query, .lang = "zh"};
  assert_int_equal(rk_merchants_search(merchants, &q, a, &offers, n, &reports, &n_reports, &e), RK_OK);
  return offers;
}

static void one_broken_shop_does_not_stop_the_others(void **state) {
  struct rk_arena *a = rk_arena_new(32 << 20);
  struct rk_offer *offers;
  struct rk_shop_report *reports;
  struct rk_error e = {0};
  int32_t n, n_reports;
  struct rk_search q = {.query = "降噪耳机", .lang = "zh"};
  assert_int_equal(rk_merchants_search(merchants, &q, a, &offers, &n, &reports, &n_reports, &e), RK_OK);
  assert_int_equal(n_reports, 4);
  assert_true(reports[0].err == RK_OK && reports[1].err == RK_OK);
  assert_string_equal(reports[0].name, "蓝海商城");
  assert_int_equal(n, reports[0].n_offers + reports[1].n_offers);
  assert_true(reports[0].n_offers >= 5 && reports[1].n_offers >= 5);
  assert_int_equal(reports[2].err, RK_EUNAVAIL);
  assert_int_equal(reports[3].err, RK_EUPSTREAM);
  assert_non_null(strstr(reports[3].message, origins[3]));
  for (int32_t i = 1; i < n; i++) assert_true(offers[i - 1].relevance >= offers[i].relevance);
  rk_arena_free(a);
}

static int64_t total_of(const struct rk_checkout *c) {
  for (int32_t i = 0; i < c->n_totals; i++)
    if (strcmp(c->totals[i].type, "total") == 0) return c->totals[i].minor;
  return -1;
}

static void pay(const struct rk_checkout *co, struct rk_buf *body) {
  struct rk_payment_claims claims = {.currency = "CNY", .kind = "card", .amount_minor = total_of(co), .expires_ms = rk_now_ms() + 60000};
  struct rk_error e = {0};
  struct rk_buf token;
  rk_uuid7(claims.jti);
  snprintf(claims.checkout_id, sizeof claims.checkout_id, "%s", co->id);
  snprintf(claims.origin, sizeof claims.origin, "%s", co->origin);
  rk_buf_init(&token, RK_MAX_PAYMENT_TOKEN_BYTES);
  rk_buf_init(body, 16384);
  assert_int_equal(rk_payment_token_make(key, &claims, &token, &e), RK_OK);
  assert_int_equal(rk_merchant_complete_body(&(struct rk_payment){.instrument_id = "card", .kind = "card", .label = "Card", .token = token.p}, body), RK_OK);
  rk_buf_release(&token);
}

/* Tomorrow by the clock of this machine, in China. */
static const char *tomorrow(char out[32]) {
  rk_time_rfc3339(rk_now_ms() + 8 * 3600000 + 86400000, out);
  out[10] = 0;
  return out;
}

static void a_train_is_booked_and_given_back(void **state) {
  struct rk_arena *a = rk_arena_new(32 << 20);
  struct rk_offer *offers;
  struct rk_shop_report *reports;
  struct rk_error e = {0};
  int32_t n, n_reports;
  char day[32];
  struct rk_travel_ask ask = {.kind = "train", .from = "上海", .to = "杭州", .date = tomorrow(day), .after_min = 17 * 60};
  struct rk_search q = {.query = "", .lang = "zh", .travel = &ask};
  assert_int_equal(rk_merchants_search(merchants, &q, a, &offers, &n, &reports, &n_reports, &e), RK_OK);
  assert_true(n > 0 && strcmp(offers[0].travel_kind, "train") == 0 && offers[0].stock >= 9);
  struct rk_line line = {.item_id = offers[0].item_id, .quantity = 2};
  static const struct rk_traveler two[] = {{"张伟", false}, {"李娜", false}};
  struct rk_checkout_req req = {.origin = offers[0].origin, .lines = &line, .n_lines = 1, .travelers = two, .n_travelers = 2, .lang = "zh"};
  struct rk_checkout co, paid;
  assert_int_equal(rk_merchant_checkout_create(merchants, &req, a, &co, &e), RK_OK);
  assert_true(co.status == RK_CO_READY && co.n_travelers == 2 && total_of(&co) == 2 * offers[0].unit_price.minor);
  struct rk_buf body;
  pay(&co, &body);
  assert_int_equal(rk_merchant_complete(merchants, co.origin, co.id, "train-1", rk_buf_str(&body), a, &paid, &e), RK_OUTCOME_DONE);
  rk_buf_release(&body);
  struct rk_refund quote, done, again;
  assert_int_equal(rk_merchant_refund_quote(merchants, co.origin, paid.order_id, NULL, 0, "zh", a, &quote, &e), RK_OK);
  assert_true(!quote.completed && quote.fee_minor > 0 && quote.fee_minor + quote.back_minor == total_of(&co) && quote.n_lines == 1);
  assert_int_equal(rk_merchant_refund_confirm(merchants, co.origin, quote.id, "refund-1", a, &done, &e), RK_OUTCOME_DONE);
  assert_int_equal(rk_merchant_refund_get(merchants, co.origin, quote.id, a, &again, &e), RK_OK);
  assert_true(again.completed && again.back_minor == done.back_minor);
  assert_int_equal(rk_merchant_refund_quote(merchants, co.origin, paid.order_id, NULL, 0, "zh", a, &quote, &e), RK_ECONFLICT);
  ask.kind = "flight";
  assert_int_equal(rk_merchants_search(merchants, &q, a, &offers, &n, &reports, &n_reports, &e), RK_EUNAVAIL);
  rk_arena_free(a);
}

static void no_shop_at_all_is_an_error(void **state) {
  struct rk_arena *a = rk_arena_new(1 << 20);
  struct rk_merchants *m;
  struct rk_offer *offers;
  struct rk_shop_report *reports;
  struct rk_error e = {0};
  int32_t n, n_reports;
  struct rk_search q = {.query = "耳机"};
  assert_int_equal(rk_merchants_new(&(struct rk_merchants_opts){.net = net, .agent_profile_url = profile_url, .origins = origins + 2, .n_origins = 2}, &m, &e), RK_OK);
  assert_int_equal(rk_merchants_search(m, &q, a, &offers, &n, &reports, &n_reports, &e), RK_EUNAVAIL);
  assert_int_equal(n_reports, 2);
  rk_merchants_free(m);
  assert_int_equal(rk_merchants_new(&(struct rk_merchants_opts){.net = net, .agent_profile_url = profile_url}, &m, &e), RK_OK);
  assert_int_equal(rk_merchants_search(m, &q, a, &offers, &n, &reports, &n_reports, &e), RK_EUNAVAIL);
  rk_merchants_free(m);
  rk_arena_free(a);
}

static struct rk_checkout make(struct rk_arena *a, const struct rk_offer *o) {
  struct rk_line line = {.item_id = o->item_id, .quantity = 1};
  struct rk_checkout_req q = {.origin = o->origin, .lines = &line, .n_lines = 1, .address = {"Wang Fang", "13900000000", "100 Wensan Road", ""}, .lang = "en"};
  struct rk_checkout co;
  struct rk_error e = {0};
  if (rk_merchant_checkout_create(merchants, &q, a, &co, &e)) fail_msg("%s", e.msg);
  return co;
}

static void a_purchase_over_http(void **state) {
  struct rk_arena *a = rk_arena_new(32 << 20);
  struct rk_checkout co, got, done, again;
  struct rk_error e = {0};
  struct rk_buf body;
  int32_t n;
  struct rk_offer *o = find(a, "保温杯", &n);
  co = make(a, o);
  assert_int_equal(co.status, RK_CO_READY);
  assert_true(co.sandbox && co.key_thumbprint[0] && co.expires_ms > rk_now_ms() && co.refund_rule[0] && co.delivery);
  assert_non_null(strstr(co.lines[0].title, "thermos"));
  assert_int_equal(rk_merchant_checkout_get(merchants, co.origin, co.id, a, &got, &e), RK_OK);
  assert_int_equal(total_of(&got), total_of(&co));

  struct rk_line two = {.item_id = o->item_id, .quantity = 2};
  struct rk_checkout_req q = {.origin = co.origin, .lines = &two, .n_lines = 1, .address = got.address};
  assert_int_equal(rk_merchant_checkout_update(merchants, co.id, &q, a, &co, &e), RK_OK);
  assert_int_equal(co.lines[0].quantity, 2);

  pay(&co, &body);
  assert_int_equal(rk_merchant_complete(merchants, co.origin, co.id, "k-1", rk_buf_str(&body), a, &done, &e), RK_OUTCOME_DONE);
  assert_int_equal(rk_merchant_complete(merchants, co.origin, co.id, "k-1", rk_buf_str(&body), a, &again, &e), RK_OUTCOME_DONE);
  assert_string_equal(done.order_id, again.order_id);
  rk_buf_release(&body);

  json_t *order;
  assert_int_equal(rk_merchant_order(merchants, co.origin, done.order_id, &order, &e), RK_OK);
  assert_true(rk_str_eq_c(rk_json_str(order, "checkout_id"), co.id));
  json_decref(order);
  assert_int_equal(rk_merchant_checkout_cancel(merchants, co.origin, co.id, &e), RK_EUPSTREAM);
  assert_int_equal(rk_merchant_order(merchants, co.origin, "none", &order, &e), RK_ENOTFOUND);
  assert_int_equal(rk_merchant_order(merchants, co.origin, "../x", &order, &e), RK_EINVAL);
  assert_int_equal(rk_merchant_checkout_get(merchants, "http://127.0.0.9:1", co.id, a, &got, &e), RK_ENOTFOUND);
  rk_arena_free(a);
}

static void cancelled_stays_cancelled(void **state) {
  struct rk_arena *a = rk_arena_new(32 << 20);
  struct rk_checkout co, out;
  struct rk_error e = {0};
  struct rk_buf body;
  int32_t n;
  co = make(a, find(a, "充电器", &n));
  assert_int_equal(rk_merchant_checkout_cancel(merchants, co.origin, co.id, &e), RK_OK);
  pay(&co, &body);
  assert_int_equal(rk_merchant_complete(merchants, co.origin, co.id, "k-2", rk_buf_str(&body), a, &out, &e), RK_OUTCOME_REFUSED);
  rk_buf_release(&body);
  rk_arena_free(a);
}

/* Nobody listens any more: the order may or may not stand. */
static void a_lost_answer_is_unknown(void **state) {
  struct rk_arena *a = rk_arena_new(1 << 20);
  struct rk_checkout out;
  struct rk_error e = {0};
  assert_int_equal(rk_merchant_complete(merchants, origins[2], "c1", "k-3", RK_STR("{}"), a, &out, &e), RK_OUTCOME_UNKNOWN);
  assert_int_equal(rk_merchant_complete(merchants, origins[3], "c1", "k-4", RK_STR("{}"), a, &out, &e), RK_OUTCOME_UNKNOWN);
  rk_arena_free(a);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(one_broken_shop_does_not_stop_the_others), cmocka_unit_test(a_train_is_booked_and_given_back), cmocka_unit_test(no_shop_at_all_is_an_error),
    cmocka_unit_test(a_purchase_over_http), cmocka_unit_test(cancelled_stays_cancelled), cmocka_unit_test(a_lost_answer_is_unknown)};
  return cmocka_run_group_tests(tests, start, stop);
}
