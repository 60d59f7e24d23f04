/* shop_load PORT CLIENTS SECONDS: buyers of one shop at once, each of them again and again: two searches, a checkout, its
 * completion. Serves its platform profile on PORT (0: a free one), prints {"agent": ORIGIN}, waits for the shop's origin on
 * stdin; then one line of JSON: for each kind of step the sorted milliseconds, and how many failed. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "http/http.h"
#include "trade/payment_token.h"
#include "trade/ucp.h"

enum step { SEARCH, CHECKOUT, COMPLETE, N_STEPS };
enum { MAX_CLIENTS = 256, MAX_TIMES = 200000 };

static const char *const names[N_STEPS] = {"search", "checkout", "complete"};
static const char *const queries[] = {"跑步鞋", "phone", "充电器 65W", "帐篷", "headphones", "保温杯", "mask", "电饭煲 4升"};
static struct rk_key *key;
static char agent[64], profile_url[128];
static struct rk_merchants *merchants;
static int64_t until_ms;
static double *times[N_STEPS];
static atomic_int n_times[N_STEPS], n_failed[N_STEPS];

static void answer_profile(struct rk_http_req *r, void *ctx) {
  (void)ctx;
  rk_http_reply_json(r, 200, rk_ucp_platform_profile(&(struct rk_ucp_platform){.key = key, .profile_url = profile_url}, RK_UCP_VERSION));
}
static const struct rk_route routes[] = {{"GET", "/*", answer_profile}};

static void note(enum step s, int64_t from_us, bool ok) {
  int at = atomic_fetch_add(&n_times[s], 1);
  if (at < MAX_TIMES) times[s][at] = (double)(rk_mono_us() - from_us) / 1000.0;
  if (!ok) atomic_fetch_add(&n_failed[s], 1);
}

static bool complete(const struct rk_checkout *co, struct rk_arena *a) {
  struct rk_payment_claims claims = {.currency = "CNY", .kind = "card", .expires_ms = rk_now_ms() + 60000};
  struct rk_buf token, body;
  struct rk_error e = {0};
  struct rk_checkout done;
  char idempotency_key[37];
  for (int32_t i = 0; i < co->n_totals; i++)
    if (strcmp(co->totals[i].type, "total") == 0) claims.amount_minor = co->totals[i].minor;
  rk_uuid7(claims.jti);
  rk_uuid7(idempotency_key);
  snprintf(claims.checkout_id, sizeof claims.checkout_id, "%s", co->id);
  snprintf(claims.origin, sizeof claims.origin, "%s", co->origin);
  rk_buf_init(&token, RK_MAX_PAYMENT_TOKEN_BYTES);
  rk_buf_init(&body, 16384);
  bool ok = rk_payment_token_make(key, &claims, &token, &e) == RK_OK && rk_merchant_complete_body(&(struct rk_payment){.instrument_id = "card", .kind = "card", .label = "Card", .token = token.p}, &body) == RK_OK &&
            rk_merchant_complete(merchants, co->origin, co->id, idempotency_key, rk_buf_str(&body), a, &done, &e) == RK_OUTCOME_DONE;
  if (!ok) fprintf(stderr, "complete: %s\n", e.msg);
  rk_buf_release(&token);
  rk_buf_release(&body);
  return ok;
}

static bool search(const char *query, struct rk_arena *a, struct rk_offer **offers, int32_t *n) {
  struct rk_shop_report *reports;
  struct rk_error e = {0};
  int32_t n_reports;
  struct rk_search q = {.query = query, .lang = "zh", .products = 24, .sort = "price"};
  int64_t from = rk_mono_us();
  rk_err err = rk_merchants_search(merchants, &q, a, offers, n, &reports, &n_reports, &e);
  if (err) fprintf(stderr, "search: %s\n", e.msg);
  note(SEARCH, from, !err && *n > 0);
  return !err && *n > 0;
}

static void *buyer(void *ud) {
  unsigned seed = (unsigned)(uintptr_t)ud;
  for (unsigned i = seed; rk_mono_ms() < until_ms; i++) {
    struct rk_arena *a = rk_arena_new(64 << 20);
    struct rk_offer *offers;
    struct rk_checkout co;
    struct rk_error e = {0};
    int32_t n;
    bool found = search(queries[i % 8], a, &offers, &n) && search(queries[(i + 3) % 8], a, &offers, &n);
    if (found) {
      struct rk_line line = {.item_id = offers[(unsigned)rand_r(&seed) % (unsigned)n].item_id, .quantity = 1};
      struct rk_checkout_req q = {.origin = offers[0].origin, .lines = &line, .n_lines = 1, .address = {"张伟", "13800000000", "上海市徐汇区漕溪北路18号", "上海"}};
      int64_t from = rk_mono_us();
      rk_err err = rk_merchant_checkout_create(merchants, &q, a, &co, &e);
      if (err) fprintf(stderr, "checkout: %s\n", e.msg);
      note(CHECKOUT, from, !err && co.status == RK_CO_READY);
      from = rk_mono_us();
      if (!err && co.status == RK_CO_READY) note(COMPLETE, from, complete(&co, a));
    }
    rk_arena_free(a);
  }
  return NULL;
}

static void die(const char *what, const struct rk_error *e) {
  fprintf(stderr, "shop_load: %s: %s\n", what, e->msg);
  exit(1);
}

int main(int argc, char **argv) {
  struct rk_error e = {0};
  struct rk_net *net;
  struct rk_http *listener;
  pthread_t threads[MAX_CLIENTS];
  char pem[] = "/tmp/rukou-load-XXXXXX", origin[256] = "";
  int fd = mkstemp(pem), n_clients = argc > 2 ? atoi(argv[2]) : 0, seconds = argc > 3 ? atoi(argv[3]) : 0;
  if (n_clients < 1 || n_clients > MAX_CLIENTS || fd < 0 || remove(pem) || rk_clock_init(&e)) return 2;
  if (rk_key_load_or_make(pem, &key, &e) || rk_net_new(&net, &e) ||
      rk_http_start(&(struct rk_http_opts){.address = "127.0.0.1", .port = atoi(argv[1]), .routes = routes, .n_routes = 1}, &listener, &e)) die("start", &e);
  remove(pem);
  snprintf(agent, sizeof agent, "http://127.0.0.1:%d", rk_http_port(listener));
  snprintf(profile_url, sizeof profile_url, "%s/.well-known/ucp", agent);
  printf("{\"agent\":\"%s\"}\n", agent);
  fflush(stdout);
  if (scanf("%255s", origin) != 1) return 2;
  const char *origins[] = {origin};
  if (rk_merchants_new(&(struct rk_merchants_opts){.net = net, .agent_profile_url = profile_url, .origins = origins, .n_origins = 1, .key = key}, &merchants, &e)) die("merchants", &e);
  for (int s = 0; s < N_STEPS; s++) times[s] = calloc(MAX_TIMES, sizeof *times[s]);
  int64_t from = rk_mono_ms();
  until_ms = from + seconds * 1000;
  for (int i = 0; i < n_clients; i++)
    if (pthread_create(&threads[i], NULL, buyer, (void *)(uintptr_t)(i + 1))) return 1;
  for (int i = 0; i < n_clients; i++) pthread_join(threads[i], NULL);
  printf("{\"seconds\":%.3f", (double)(rk_mono_ms() - from) / 1000.0);
  for (int s = 0; s < N_STEPS; s++) {
    printf(",\"%s\":{\"failed\":%d,\"ms\":[", names[s], n_failed[s]);
    for (int i = 0; i < n_times[s] && i < MAX_TIMES; i++) printf("%s%.3f", i ? "," : "", times[s][i]);
    printf("]}");
  }
  printf("}\n");
  rk_merchants_free(merchants);
  rk_http_stop(listener);
  rk_net_free(net);
  rk_key_free(key);
  return 0;
}
