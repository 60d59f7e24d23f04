/* offers PORT ORIGIN...: the agent's search over many merchants, without a model: ask all, filter, rank, quote.
 * Serves its platform profile on PORT (0: a free one), prints {"agent": ORIGIN} and waits for a line on stdin with how many
 * searches to make; then one line of JSON: milliseconds of each search, quotes it asked for, offers it compared. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/pick.h"
#include "http/http.h"
#include "trade/ucp.h"

static struct rk_key *key;
static char agent[64], profile_url[128];
static struct rk_merchants *merchants;

static void answer_profile(struct rk_http_req *r, void *ctx) {
  (void)ctx;
  rk_http_reply_json(r, 200, rk_ucp_platform_profile(&(struct rk_ucp_platform){.key = key, .profile_url = profile_url}, RK_UCP_VERSION));
}
static const struct rk_route routes[] = {{"GET", "/*", answer_profile}};

static const struct { const char *query, *said; } searches[] = {
  {"跑步鞋", "买双跑步鞋，500元以内，最便宜的"}, {"降噪耳机", "买个降噪耳机，最便宜的"}, {"blood pressure monitor", "a blood pressure monitor under 300 yuan"},
  {"口罩", "买两盒口罩"}, {"4升电饭煲", "买个4升的电饭煲，评分最高的"}, {"phone", "a phone under 4000 yuan, not Apple"}, {"充电器 65W", "买个65W充电器"},
  {"two person tent", "a tent for two, the cheapest"}, {"半身裙", "买条半身裙，便宜又好评的"}, {"保温杯", "买三个保温杯，越便宜越好"}, {"coffee beans 500g", "buy 500 g of coffee beans"},
  {"headphones", "cheap headphones of good quality, as soon as possible"}, {"earbuds by Sony", "Sony earbuds, best rated"}, {"玫瑰", "买束玫瑰，300块左右"}};

static struct rk_arena *arena;

static rk_err quote(void *ud, struct rk_offer *o) {
  (void)ud;
  struct rk_error e;
  return rk_merchant_quote(merchants, o, "上海", "zh", arena, &e);
}

static void die(const char *what, const struct rk_error *e) {
  fprintf(stderr, "offers: %s: %s\n", what, e->msg);
  exit(1);
}

static void search_once(size_t i, int64_t *us, int32_t *n_quotes, int32_t *n_offers) {
  static const struct rk_option sizes[] = {{"shoes", "42"}, {"clothes", "L"}};
  struct rk_intent in;
  struct rk_picked picked;
  struct rk_offer *offers;
  struct rk_shop_report *reports;
  struct rk_error e = {0};
  int32_t n_reports;
  int64_t from = rk_mono_us();
  arena = rk_arena_new(512 << 20);
  rk_intent_read(rk_str_c(searches[i].said), rk_now_ms(), &in);
  struct rk_search q = {.query = searches[i].query, .lang = in.chinese ? "zh" : "en", .sizes = sizes, .n_sizes = 2};
  rk_pick_search(&in, &q);
  if (rk_merchants_search(merchants, &q, arena, &offers, n_offers, &reports, &n_reports, &e)) die(searches[i].query, &e);
  for (int32_t k = 0; k < n_reports; k++)
    if (reports[k].err) snprintf(e.msg, sizeof e.msg, "%s", reports[k].message), die(reports[k].origin, &e);
  rk_pick_relevance(offers, *n_offers, rk_str_c(searches[i].query));
  rk_pick(&in, offers, *n_offers, &(struct rk_quoter){quote, NULL}, &picked);
  if (picked.n_shown == 0) snprintf(e.msg, sizeof e.msg, "nothing was found"), die(searches[i].query, &e);
  *n_quotes = picked.n_quotes;
  rk_arena_free(arena);
  *us = rk_mono_us() - from;
}

int main(int argc, char **argv) {
  struct rk_error e = {0};
  struct rk_net *net;
  struct rk_http *listener;
  char pem[] = "/tmp/rukou-offers-XXXXXX", line[4096];
  int fd = mkstemp(pem), n = 0;
  if (argc < 2 || fd < 0 || remove(pem) || rk_clock_init(&e)) return 2;
  if (rk_key_load_or_make(pem, &key, &e) || rk_net_new(&net, &e) ||
      rk_http_start(&(struct rk_http_opts){.address = "127.0.0.1", .port = atoi(argv[1]), .routes = routes, .n_routes = 1}, &listener, &e)) die("start", &e);
  remove(pem);
  snprintf(agent, sizeof agent, "http://127.0.0.1:%d", rk_http_port(listener));
  snprintf(profile_url, sizeof profile_url, "%s/.well-known/ucp", agent);
  printf("{\"agent\":\"%s\"}\n", agent);
  fflush(stdout);
  static char origins_text[16384];
  const char *origins[RK_MAX_SHOPS];
  int n_origins = 0;
  if (!fgets(line, sizeof line, stdin) || sscanf(line, "%d", &n) != 1 || !fgets(origins_text, sizeof origins_text, stdin)) return 2;
  for (char *p = strtok(origins_text, " \n"); p && n_origins < RK_MAX_SHOPS; p = strtok(NULL, " \n")) origins[n_origins++] = p;
  if (rk_merchants_new(&(struct rk_merchants_opts){.net = net, .agent_profile_url = profile_url, .origins = origins, .n_origins = n_origins, .key = key}, &merchants, &e)) die("merchants", &e);
  int64_t us;
  int32_t n_quotes, n_offers;
  search_once(0, &us, &n_quotes, &n_offers); /* makes the merchants known */
  printf("[");
  for (int i = 0; i < n; i++) {
    search_once((size_t)i % (sizeof searches / sizeof *searches), &us, &n_quotes, &n_offers);
    printf("%s{\"query\":\"%s\",\"ms\":%.3f,\"quotes\":%d,\"offers\":%d}", i ? "," : "", searches[(size_t)i % (sizeof searches / sizeof *searches)].query, (double)us / 1000.0, n_quotes, n_offers);
  }
  printf("]\n");
  rk_merchants_free(merchants);
  rk_http_stop(listener);
  rk_net_free(net);
  rk_key_free(key);
  return 0;
}
