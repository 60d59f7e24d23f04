/* Both sides of a purchase without a socket: the agent's facade writes and
 * reads, the shop answers. Prices that the agent works out from the catalogue
 * must be what the shop charges, and stay in the corridors of the sandbox. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/limits.h"
#include "shop/shop.h"
#include "trade/payment_token.h"
#include "trade/ucp.h"

#define AGENT "http://127.0.0.1:7100"

enum { N_SHOPS = 9, LANHAI = 0, XINGHE = 1 };
static const char *const dirs[N_SHOPS] = {"shops/lanhai", "shops/xinghe", "shops/jiguang", "shops/shanye", "shops/moxiang",
                                          "shops/huayu", "shops/chali", "shops/yeqing", "shops/kangning"};
static const char *const agents[] = {AGENT};
static char data_dir[] = "/tmp/rukou-shop-XXXXXX";
static struct rk_shop *shops[N_SHOPS];
static struct rk_ucp_merchant merchants[N_SHOPS];
static struct rk_key *key;
static struct rk_arena *arena;
static int n_fetched;

static rk_err fetch(void *ud, const char *url, struct rk_buf *out, struct rk_error *e) {
  n_fetched++;
  json_t *profile = rk_ucp_platform_profile(&(struct rk_ucp_platform){.key = key, .profile_url = "http://127.0.0.1:7100/.well-known/ucp"}, RK_UCP_VERSION);
  char *text = rk_json_dump(profile);
  rk_err err = rk_buf_adds(out, text);
  free(text);
  json_decref(profile);
  return err;
}

static json_t *ask(int i, const char *method, const char *path, json_t *body, const char *idempotency_key, int32_t *status) {
  char *text = body ? rk_json_dump(body) : NULL, fresh[37];
  struct rk_shop_answer a;
  rk_uuid7(fresh);
  rk_shop_handle(shops[i], &(struct rk_shop_request){.method = rk_str_c(method), .path = rk_str_c(path), .agent = RK_STR("profile=\"" AGENT "/.well-known/ucp\""),
                                                     .key = rk_str_c(idempotency_key ? idempotency_key : fresh), .body = rk_str_c(text)}, &a);
  free(text);
  json_decref(body);
  *status = a.status;
  return a.body;
}

static int start(void **state) {
  struct rk_error e = {0};
  char pem[128];
  setenv("RUKOU_CLOCK", "2026-11-23T10:00:00+08:00", 1);
  if (rk_clock_init(&e) || !mkdtemp(data_dir)) return -1;
  snprintf(pem, sizeof pem, "%s/key.pem", data_dir);
  if (rk_key_load_or_make(pem, &key, &e)) return -1;
  for (int i = 0; i < N_SHOPS; i++) {
    int32_t status;
    if (rk_shop_open(&(struct rk_shop_opts){.dir = dirs[i], .data_dir = data_dir, .sandbox = true, .agents = agents, .n_agents = 1, .fetch = fetch}, &shops[i], &e)) {
      print_error("%s\n", e.msg);
      return -1;
    }
    char origin[64];
    snprintf(origin, sizeof origin, "http://127.0.0.2:%d", 7110 + i);
    rk_shop_set_origin(shops[i], origin);
    json_t *profile = ask(i, "GET", "/.well-known/ucp", NULL, NULL, &status);
    if (rk_ucp_read_merchant(profile, origin, &merchants[i], &e)) return -1;
    json_decref(profile);
  }
  return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f) { return remove(path); }

static int stop(void **state) {
  for (int i = 0; i < N_SHOPS; i++) rk_shop_close(shops[i]);
  rk_key_free(key);
  return nftw(data_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int fresh_arena(void **state) { return (arena = rk_arena_new(512 << 20)) ? 0 : -1; }
static int drop_arena(void **state) {
  rk_arena_free(arena);
  return 0;
}

/* ---- steps ---- */

static int32_t search(int i, const char *query, struct rk_offer **offers) {
  static const struct rk_option sizes[] = {{"shoes", "42"}, {"clothes", "L"}};
  struct rk_search q = {.query = query, .sizes = sizes, .n_sizes = 2};
  struct rk_error e = {0};
  int32_t status, n = 0;
  json_t *v = ask(i, "POST", "/catalog/search", rk_ucp_write_search(&q, NULL), NULL, &status);
  assert_int_equal(status, 200);
  assert_int_equal(rk_ucp_read_offers(v, &merchants[i], &q, arena, offers, &n, &e), RK_OK);
  json_decref(v);
  return n;
}

static struct rk_checkout create(int i, const struct rk_offer *o, int32_t quantity) {
  struct rk_line line = {.item_id = o->item_id, .quantity = quantity};
  const char *codes[] = {o->coupon ? o->coupon->code : ""};
  struct rk_checkout_req q = {.origin = o->origin, .lines = &line, .n_lines = 1, .address = {"张伟", "13800000000", "上海市徐汇区漕溪北路18号", ""},
                              .delivery_id = o->delivery ? o->delivery->id : NULL, .codes = codes, .n_codes = o->coupon ? 1 : 0};
  struct rk_checkout co;
  struct rk_error e = {0};
  int32_t status;
  json_t *v = ask(i, "POST", "/checkout-sessions", rk_ucp_write_checkout(&q), NULL, &status);
  assert_int_equal(status, 201);
  if (rk_ucp_read_checkout(v, &merchants[i], arena, &co, &e)) fail_msg("%s", e.msg);
  json_decref(v);
  return co;
}

static int64_t total_of(const struct rk_checkout *c) {
  for (int32_t i = 0; i < c->n_totals; i++)
    if (strcmp(c->totals[i].type, "total") == 0) return c->totals[i].minor;
  return -1;
}

static enum rk_outcome complete(int i, const struct rk_checkout *co, const char *jti, const char *idempotency_key, struct rk_checkout *out) {
  struct rk_payment_claims claims = {.currency = "CNY", .kind = "card", .amount_minor = total_of(co), .expires_ms = rk_now_ms() + 60000};
  struct rk_buf token, body;
  struct rk_error e = {0};
  char path[200];
  int32_t status;
  snprintf(claims.jti, sizeof claims.jti, "%s", jti);
  snprintf(claims.checkout_id, sizeof claims.checkout_id, "%s", co->id);
  snprintf(claims.origin, sizeof claims.origin, "%s", co->origin);
  rk_buf_init(&token, RK_MAX_PAYMENT_TOKEN_BYTES);
  rk_buf_init(&body, 16384);
  assert_int_equal(rk_payment_token_make(key, &claims, &token, &e), RK_OK);
  assert_int_equal(rk_merchant_complete_body(&(struct rk_payment){.instrument_id = "card", .kind = "card", .label = "Card", .token = token.p}, &body), RK_OK);
  snprintf(path, sizeof path, "/checkout-sessions/%s/complete", co->id);
  json_t *v = ask(i, "POST", path, rk_json_parse(rk_buf_str(&body), 16384, &e), idempotency_key, &status);
  enum rk_outcome outcome = rk_ucp_read_completion(status, v, co->id, &merchants[i], arena, out, &e);
  json_decref(v);
  rk_buf_release(&token);
  rk_buf_release(&body);
  return outcome;
}

/* The lowest total over all shops of the offers that have the fact; 0: none. */
static int64_t cheapest(const char *query, int32_t quantity, const char *deliver_by, const char *fact, struct rk_offer *best, int *shop) {
  int64_t low = 0;
  for (int i = 0; i < N_SHOPS; i++) {
    struct rk_offer *o;
    int32_t n = search(i, query, &o);
    for (int32_t k = 0; k < n; k++) {
      bool fits = !fact;
      char pair[200];
      for (int32_t a = 0; fact && a < o[k].n_attrs; a++) {
        snprintf(pair, sizeof pair, "%s=%s", o[k].attrs[a].name, o[k].attrs[a].value);
        fits = fits || strcmp(pair, fact) == 0;
      }
      if (!fits || rk_offer_price(&o[k], quantity, deliver_by) || (low && o[k].total.minor >= low)) continue;
      low = o[k].total.minor;
      if (best) *best = o[k];
      if (shop) *shop = i;
    }
  }
  return low;
}

/* ---- tests ---- */

static void cheapest_totals_are_in_their_corridors(void **state) {
  static const struct { const char *query, *fact; int32_t quantity; const char *by; int64_t low, high; } cases[] = {
    {"跑步鞋", NULL, 1, "", 20000, 35000}, {"降噪耳机", NULL, 1, "", 50000, 100000}, {"耳机", "noise_cancelling=false", 1, "", 10000, 30000},
    {"口罩", NULL, 1, "", 1200, 5000}, {"口罩", NULL, 2, "", 2001, 20000}, {"电饭煲", NULL, 1, "", 15000, 30000}, {"保温杯", NULL, 1, "", 3500, 10000},
    {"手机", NULL, 1, "", 80000, 400000}, {"玫瑰", NULL, 1, "", 27000, 33000}, {"玫瑰", NULL, 1, "2026-11-24", 27000, 33000},
    {"百合", NULL, 1, "2026-11-25", 1, 25000}, {"奶茶", NULL, 1, "", 1, 2000}, {"奶茶", NULL, 8, "", 1, 16000}, {"咖啡豆", "weight_g=500", 1, "", 4000, 12000},
    {"充电器", NULL, 1, "", 2500, 6000}, {"帐篷", "persons=2", 1, "", 21000, 40000}, {"编程书", "topic=programming", 1, "", 1, 8000},
    {"三体", NULL, 1, "", 1, 8000}, {"裙子", NULL, 1, "", 1, 50000}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int64_t total = cheapest(cases[i].query, cases[i].quantity, cases[i].by, cases[i].fact, NULL, NULL);
    if (total < cases[i].low || total > cases[i].high) print_error("%s x %d: %lld\n", cases[i].query, cases[i].quantity, (long long)total);
    assert_in_range(total, cases[i].low, cases[i].high);
  }
  assert_true(cheapest("血压计", 1, "", NULL, NULL, NULL) + cheapest("口罩", 2, "", NULL, NULL, NULL) <= 40000);
  assert_true(cheapest("咖啡豆", 2, "", "weight_g=250", NULL, NULL) > cheapest("咖啡豆", 1, "", "weight_g=500", NULL, NULL));
  assert_true(cheapest("咖啡豆", 1, "", "weight_g=1000", NULL, NULL) > cheapest("咖啡豆", 1, "", "weight_g=500", NULL, NULL));
}

static void lowest_tag_is_not_always_the_lowest_total(void **state) {
  static const char *const queries[] = {"跑步鞋", "降噪耳机", "口罩", "电饭煲", "手机", "玫瑰", "咖啡豆 500克", "充电器", "双人帐篷", "保温杯", "血压计"};
  int differs = 0, wins[N_SHOPS] = {0}, winners = 0;
  for (size_t q = 0; q < sizeof queries / sizeof *queries; q++) {
    struct rk_offer best;
    int shop = 0;
    int64_t low_tag = 0;
    assert_true(cheapest(queries[q], 1, "", NULL, &best, &shop) > 0);
    wins[shop]++;
    for (int i = 0; i < N_SHOPS; i++) {
      struct rk_offer *o;
      int32_t n = search(i, queries[q], &o);
      for (int32_t k = 0; k < n; k++)
        if (!low_tag || o[k].unit_price.minor < low_tag) low_tag = o[k].unit_price.minor;
    }
    differs += best.unit_price.minor > low_tag;
  }
  for (int i = 0; i < N_SHOPS; i++) winners += wins[i] > 0;
  assert_true(differs >= 4);
  assert_true(winners >= 4);
}

static void compared_offers_are_many_enough(void **state) {
  struct rk_offer *o;
  int thermos = 0, phone_shops = 0;
  for (int i = 0; i < N_SHOPS; i++) {
    int32_t n = search(i, "保温杯", &o);
    for (int32_t k = 0; k < n; k++) thermos += rk_offer_price(&o[k], 1, "") == RK_OK && o[k].total.minor <= 10000;
    n = search(i, "手机 不要苹果", &o);
    int phones = 0;
    for (int32_t k = 0; k < n; k++) phones += rk_offer_price(&o[k], 1, "") == RK_OK && o[k].total.minor <= 400000;
    phone_shops += phones >= 2;
  }
  assert_true(thermos >= 3 && phone_shops >= 2);
}

static void best_rated_rice_cooker_is_affordable(void **state) {
  double best = 0;
  int64_t total = 0;
  struct rk_offer *o;
  for (int i = 0; i < N_SHOPS; i++) {
    int32_t n = search(i, "电饭煲", &o);
    for (int32_t k = 0; k < n; k++)
      if (rk_offer_price(&o[k], 1, "") == RK_OK && (o[k].rating > best || (o[k].rating == best && o[k].total.minor > total))) best = o[k].rating, total = o[k].total.minor;
  }
  assert_true(best > 4.8 && total <= 40000);
}

static void agents_arithmetic_is_the_shops(void **state) {
  static const char *const queries[] = {"跑步鞋", "降噪耳机", "口罩", "手机", "玫瑰", "奶茶 少糖", "咖啡豆", "三体", "裙子", "双人帐篷"};
  for (size_t q = 0; q < sizeof queries / sizeof *queries; q++)
    for (int i = 0; i < N_SHOPS; i++) {
      struct rk_offer *o;
      int32_t n = search(i, queries[q], &o);
      assert_true(n > 0 || i > XINGHE); /* the first two sell everything */
      for (int32_t k = 0; k < n; k += 7)
        for (int32_t quantity = 1; quantity <= 8; quantity += 7) {
          if (rk_offer_price(&o[k], quantity, "")) continue;
          struct rk_checkout co = create(i, &o[k], quantity);
          assert_int_equal(co.status, RK_CO_READY);
          assert_int_equal(total_of(&co), o[k].total.minor);
          assert_string_equal(co.delivery->date, o[k].delivery->date);
          assert_int_equal(co.lines[0].n_options, o[k].n_options);
        }
    }
}

static void profile_sizes_choose_the_variant(void **state) {
  struct rk_offer *o;
  int32_t n = search(LANHAI, "跑步鞋", &o);
  assert_in_range(n, 20, RK_MAX_OFFERS_PER_SHOP);
  for (int32_t i = 0; i < n; i++) assert_string_equal(o[i].options[0].value, "42");
  n = search(XINGHE, "裙子", &o);
  for (int32_t i = 0; i < n; i++) assert_string_equal(o[i].options[0].value, "L");
}

static void one_key_one_order(void **state) {
  struct rk_offer o;
  int i;
  struct rk_checkout done, again;
  assert_true(cheapest("充电器", 1, "", NULL, &o, &i) > 0);
  struct rk_checkout co = create(i, &o, 1);
  assert_int_equal(complete(i, &co, "jti-1", "key-1", &done), RK_OUTCOME_DONE);
  assert_int_equal(complete(i, &co, "jti-1", "key-2", &again), RK_OUTCOME_DONE); /* the order is there: it is shown */
  assert_string_equal(done.order_id, again.order_id);
  struct rk_checkout second = create(i, &o, 1);
  assert_int_equal(complete(i, &second, "jti-1", NULL, &again), RK_OUTCOME_REFUSED);
  assert_int_equal(complete(i, &second, "jti-2", "key-1", &again), RK_OUTCOME_UNKNOWN); /* 409: the key belongs to another request */
  assert_int_equal(complete(i, &second, "jti-3", NULL, &again), RK_OUTCOME_DONE);
  assert_string_not_equal(done.order_id, again.order_id);
}

static void profile_is_fetched_once(void **state) {
  struct rk_offer *o;
  search(0, "口罩", &o);
  int before = n_fetched;
  for (int i = 0; i < 5; i++) search(0, "口罩", &o);
  assert_int_equal(n_fetched, before);
}

static bool has_han(const char *text) {
  for (; *text; text++)
    if ((unsigned char)*text >= 0xe4) return true;
  return false;
}

static void two_starts_make_the_same_goods(void **state) {
  int32_t n_products = 0;
  for (int s = 0; s < N_SHOPS; s++) {
    struct rk_catalog c;
    struct rk_error e;
    assert_int_equal(rk_catalog_load(dirs[s], arena, &c, &e), RK_OK);
    const struct rk_catalog *mine = rk_shop_catalog(shops[s]);
    assert_int_equal(c.n_products, mine->n_products);
    n_products += c.n_products;
    for (int32_t i = 0; i < c.n_products; i++) {
      const struct rk_product *p = &c.products[i];
      assert_string_equal(p->title.zh, mine->products[i].title.zh);
      assert_int_equal(p->price_minor, mine->products[i].price_minor);
      assert_true(p->title.en[0] && p->description.en[0] && has_han(p->description.zh) && p->n_reviews_text > 0 && p->n_reviews > 0 && p->n_items > 0);
      for (int32_t k = 0; k < i; k++) {
        assert_string_not_equal(c.products[k].id, p->id);
        if (c.products[k].category == p->category) assert_string_not_equal(c.products[k].title.zh, p->title.zh);
      }
    }
  }
  assert_true(n_products >= 3000);
}

static void every_product_has_a_picture(void **state) {
  for (int s = 0; s < N_SHOPS; s++) {
    const struct rk_catalog *c = rk_shop_catalog(shops[s]);
    char path[200];
    struct rk_shop_answer a;
    for (int32_t i = 0; i < c->n_products; i += 37) {
      snprintf(path, sizeof path, "/pictures/%s.svg", c->products[i].id);
      rk_shop_handle(shops[s], &(struct rk_shop_request){.method = RK_STR("GET"), .path = rk_str_c(path)}, &a);
      assert_int_equal(a.status, 200);
      assert_string_equal(a.content_type, "image/svg+xml");
      assert_true(strncmp(a.text, "<svg ", 5) == 0 && strcmp(a.text + strlen(a.text) - 6, "</svg>") == 0);
      rk_shop_answer_release(&a);
    }
    rk_shop_handle(shops[s], &(struct rk_shop_request){.method = RK_STR("GET"), .path = RK_STR("/pictures/none.svg")}, &a);
    assert_int_equal(a.status, 404);
    rk_shop_answer_release(&a);
  }
}

/* Every kind of goods is sold by two shops at least, and not at one price. */
static void every_kind_is_in_two_shops(void **state) {
  const struct rk_catalog *all = rk_shop_catalog(shops[LANHAI]);
  for (int32_t k = 0; k < all->n_categories; k++) {
    int n_shops = 0;
    int64_t low = INT64_MAX, high = 0;
    for (int s = 0; s < N_SHOPS; s++) {
      const struct rk_catalog *c = rk_shop_catalog(shops[s]);
      int64_t least = INT64_MAX;
      for (int32_t i = 0; i < c->n_products; i++)
        if (strcmp(c->products[i].category->id, all->categories[k].id) == 0 && c->products[i].price_minor < least) least = c->products[i].price_minor;
      if (least == INT64_MAX) continue;
      n_shops++;
      if (least < low) low = least;
      if (least > high) high = least;
    }
    assert_true(n_shops >= 2 && low < high);
  }
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, fresh_arena, drop_arena)
  const struct CMUnitTest tests[] = {T(cheapest_totals_are_in_their_corridors), T(lowest_tag_is_not_always_the_lowest_total), T(compared_offers_are_many_enough),
    T(best_rated_rice_cooker_is_affordable), T(agents_arithmetic_is_the_shops), T(profile_sizes_choose_the_variant), T(one_key_one_order),
    T(profile_is_fetched_once), T(two_starts_make_the_same_goods), T(every_kind_is_in_two_shops), T(every_product_has_a_picture)};
  return cmocka_run_group_tests(tests, start, stop);
}
