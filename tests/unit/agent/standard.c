/* A shop that sends standard UCP fields only, over real HTTP: the agent's searches end at what its own checkout says, and
 * what nobody says is unknown. The same shop with vendor fields is the witness. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/pick.h"
#include "http/http.h"
#include "shop/serve.h"
#include "trade/ucp.h"

enum { STANDARD, LISTED, N_SHOPS };

static char dir[] = "/tmp/rukou-standard-XXXXXX";
static struct rk_key *key;
static struct rk_http *listener;
static struct rk_serve *served;
static struct rk_net *net;
static struct rk_merchants *merchants[N_SHOPS];
static struct rk_arena *arena;

static void answer_profile(struct rk_http_req *r, void *ctx) {
  rk_http_reply_json(r, 200, rk_ucp_platform_profile(&(struct rk_ucp_platform){.key = key, .profile_url = "http://127.0.0.1/.well-known/ucp"}, RK_UCP_VERSION));
}
static const struct rk_route routes[] = {{"GET", "/*", answer_profile}};

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f) { return remove(path); }

/* shops/lanhai once more, with `vendor_fields = no`. */
static int copy_shop(char shop[128]) {
  static const char *const tables[] = {"products.tsv", "coupons.tsv", "delivery.tsv"};
  char from[600], to[300], here[300];
  struct rk_buf conf;
  struct rk_error e;
  if (!getcwd(here, sizeof here)) return -1;
  snprintf(shop, 128, "%s/plain", dir);
  snprintf(from, sizeof from, "%s/shops/common", here);
  snprintf(to, sizeof to, "%s/common", dir);
  if (mkdir(shop, 0700) || symlink(from, to)) return -1;
  for (int i = 0; i < 3; i++) {
    snprintf(from, sizeof from, "%s/shops/lanhai/%s", here, tables[i]);
    snprintf(to, sizeof to, "%s/%s", shop, tables[i]);
    if (symlink(from, to)) return -1;
  }
  rk_buf_init(&conf, 65536);
  snprintf(to, sizeof to, "%s/shop.conf", shop);
  if (rk_buf_read_file(&conf, "shops/lanhai/shop.conf", &e)) return -1;
  FILE *f = fopen(to, "w");
  bool ok = f && fprintf(f, "%.*s\nvendor_fields = no\n", (int)conf.n, conf.p) > 0;
  if (f) ok = fclose(f) == 0 && ok;
  rk_buf_release(&conf);
  return ok ? 0 : -1;
}

static int start(void **state) {
  static char shop[128], agent[64], url[128], pem[128];
  static const char *dirs[] = {shop, "shops/lanhai"}, *agents[] = {agent};
  struct rk_error e = {0};
  setenv("RUKOU_CLOCK", "2026-11-23T10:00:00+08:00", 1);
  if (rk_clock_init(&e) || !mkdtemp(dir) || copy_shop(shop)) return -1;
  snprintf(pem, sizeof pem, "%s/key.pem", dir);
  if (rk_key_load_or_make(pem, &key, &e) || rk_net_new(&net, &e) ||
      rk_http_start(&(struct rk_http_opts){.address = "127.0.0.1", .routes = routes, .n_routes = 1}, &listener, &e)) return -1;
  snprintf(agent, sizeof agent, "http://127.0.0.1:%d", rk_http_port(listener));
  snprintf(url, sizeof url, "%s/.well-known/ucp", agent);
  if (rk_serve_start(&(struct rk_serve_opts){.dirs = dirs, .n_dirs = 2, .data_dir = dir, .sandbox = true, .agents = agents, .n_agents = 1}, &served, &e)) {
    print_error("%s\n", e.msg);
    return -1;
  }
  for (int i = 0; i < N_SHOPS; i++) {
    const char *origin = rk_serve_origin(served, i);
    if (rk_merchants_new(&(struct rk_merchants_opts){.net = net, .agent_profile_url = url, .origins = &origin, .n_origins = 1, .key = key}, &merchants[i], &e)) return -1;
  }
  return (arena = rk_arena_new(512 << 20)) ? 0 : -1;
}

static int stop(void **state) {
  for (int i = 0; i < N_SHOPS; i++) rk_merchants_free(merchants[i]);
  rk_arena_free(arena);
  rk_serve_stop(served);
  rk_http_stop(listener);
  rk_net_free(net);
  rk_key_free(key);
  return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static rk_err quote(void *ud, struct rk_offer *o) {
  struct rk_error e = {0};
  rk_err err = rk_merchant_quote(merchants[STANDARD], o, "上海", "zh", arena, &e);
  if (err) print_error("%s\n", e.msg);
  return err;
}
static const struct rk_quoter quoter = {quote, NULL};
static rk_err refuse(void *ud, struct rk_offer *o) { return RK_EUNAVAIL; }

static struct rk_offer *find(int shop, const char *query, const char *said, struct rk_intent *in, int32_t *n) {
  static const struct rk_option sizes[] = {{"shoes", "42"}, {"clothes", "L"}};
  struct rk_search q = {.query = query, .lang = "zh", .sizes = sizes, .n_sizes = 2};
  struct rk_offer *offers;
  struct rk_shop_report *reports;
  struct rk_error e = {0};
  int32_t n_reports;
  rk_intent_read(rk_str_c(said), rk_now_ms(), in);
  if (rk_merchants_search(merchants[shop], &q, arena, &offers, n, &reports, &n_reports, &e)) fail_msg("%s", e.msg);
  rk_pick_relevance(offers, *n, rk_str_c(query));
  return offers;
}

static void shopping_ends_at_the_shops_own_totals(void **state) {
  static const struct { const char *query, *said; } cases[] = {
    {"跑步鞋", "买双跑步鞋，500元以内，最便宜的"}, {"降噪耳机", "买个降噪耳机，最便宜的"}, {"血压计", "买个血压计，300元以内"}, {"口罩", "买两盒口罩，80元以内"},
    {"电饭煲", "买个评分最高的电饭煲"}, {"手机", "买个手机，4000元以内，不要苹果"}, {"玫瑰", "明天送一束玫瑰到家"}, {"百合", "后天送一束百合到家"}, {"珍珠奶茶", "来两杯珍珠奶茶"},
    {"三体", "买本《三体》"}, {"裙子", "买条裙子，最便宜的"}, {"保温杯", "买三个保温杯，200元以内"}, {"充电器", "买个充电器，尽快送到"}, {"双人帐篷", "买个双人帐篷"}, {"咖啡豆", "买一斤咖啡豆"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rk_intent in;
    struct rk_picked plain, known;
    int32_t n, m;
    struct rk_offer *o = find(STANDARD, cases[i].query, cases[i].said, &in, &n), *p = find(LISTED, cases[i].query, cases[i].said, &in, &m);
    assert_true(n > 0 && n == m);
    for (int32_t k = 0; k < n; k++) assert_true(o[k].n_deliveries == 0 && o[k].n_coupons == 0 && o[k].stock == -1);
    for (int32_t k = 0; k < m; k++) p[k].n_coupons = 0; /* its codes are not a standard field */
    rk_pick(&in, o, n, &quoter, &plain);
    rk_pick(&in, p, m, NULL, &known);
    if (!plain.n_shown) print_error("%s: over %d, late %d, sold out %d, unknown %d, candidates %d\n", cases[i].said, plain.n_over, plain.n_late, plain.n_sold_out, plain.n_unknown, plain.n_candidates);
    assert_true(plain.n_shown > 0 && plain.n_quotes >= 1 && plain.n_quotes <= RK_MAX_QUOTES);
    assert_int_equal(plain.shown[0]->sure, RK_SURE_QUOTED);
    assert_string_equal(plain.shown[0]->item_id, known.shown[0]->item_id);
    assert_int_equal(plain.shown[0]->total.minor, known.shown[0]->total.minor);
    assert_string_equal(plain.shown[0]->delivery->date, known.shown[0]->delivery->date);
  }
}

/* Sizes are read from the options themselves, words of the facts from tags. */
static void sizes_and_exclusions_hold(void **state) {
  struct rk_intent in;
  struct rk_picked p;
  int32_t n;
  struct rk_offer *o = find(STANDARD, "跑步鞋", "买双跑步鞋", &in, &n);
  for (int32_t i = 0; i < n; i++) assert_string_equal(rk_pick_option(&o[i], "size"), "42");
  o = find(STANDARD, "手机", "买个手机，不要华为", &in, &n);
  rk_pick(&in, o, n, &quoter, &p);
  assert_true(p.n_shown > 0 && p.n_excluded > 0);
  for (int32_t i = 0; i < p.n_shown; i++) assert_null(strstr(p.shown[i]->title, "华为"));
}

static void what_cannot_be_asked_is_left_out_and_said(void **state) {
  struct rk_intent in;
  struct rk_picked p;
  struct rk_buf reason;
  int32_t n;
  struct rk_offer *o = find(STANDARD, "玫瑰", "明天送一束玫瑰到家，300块以内", &in, &n);
  rk_pick(&in, o, n, &(struct rk_quoter){refuse, NULL}, &p);
  assert_int_equal(p.n_shown, 0);
  assert_true(p.n_unknown > 0);
  rk_buf_init(&reason, 4096);
  assert_int_equal(rk_pick_reason(&in, &p, &reason), RK_OK);
  assert_non_null(strstr(reason.p, "没有说明"));
  rk_buf_release(&reason);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(shopping_ends_at_the_shops_own_totals), cmocka_unit_test(sizes_and_exclusions_hold),
                                     cmocka_unit_test(what_cannot_be_asked_is_left_out_and_said)};
  return cmocka_run_group_tests(tests, start, stop);
}
