/* Which offer is best, what is left out, which options are meant; and what may not be said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/answer.h"
#include "agent/pick.h"

static struct rk_delivery deliveries[] = {{"slow", "slow", {500, "CNY"}, "2026-11-27"}, {"fast", "fast", {1800, "CNY"}, "2026-11-24"}};
static struct rk_coupon ten_off = {"TEN", "10 off 100", 1000, 0, 10000};

static struct rk_offer offer(const char *shop, const char *id, const char *title, int64_t price, double rating) {
  return (struct rk_offer){.shop_id = shop, .shop_name = shop, .origin = shop, .product_id = id, .item_id = id, .title = title,
                           .unit_price = {price, "CNY"}, .stock = 9, .rating = rating, .n_reviews = 10, .deliveries = deliveries, .n_deliveries = 2, .relevance = 1};
}

static struct rk_intent intent_of(const char *text) {
  struct rk_intent in;
  rk_intent_read(rk_str_c(text), rk_now_ms(), &in);
  return in;
}

static void lowest_total_not_lowest_price(void **state) {
  struct rk_offer offers[] = {offer("a", "1", "lamp one", 9900, 4), offer("b", "2", "lamp two", 10200, 5)};
  offers[1].coupons = &ten_off;
  offers[1].n_coupons = 1;
  struct rk_intent in = intent_of("buy a lamp, the cheapest");
  struct rk_picked p;
  rk_pick(&in, offers, 2, NULL, &p);
  assert_int_equal(p.n_shown, 2);
  assert_string_equal(p.shown[0]->item_id, "2");
  assert_int_equal(p.shown[0]->total.minor, 9700);
  struct rk_buf reason;
  rk_buf_init(&reason, 1000);
  assert_int_equal(rk_pick_reason(&in, &p, &reason), RK_OK);
  assert_non_null(strstr(reason.p, "97.00"));
  assert_non_null(strstr(reason.p, "7.00 less"));
  rk_buf_release(&reason);
}

static void limits_leave_out(void **state) {
  struct rk_offer offers[] = {offer("a", "1", "Apple lamp", 5000, 4), offer("a", "2", "plain lamp", 20000, 4), offer("b", "3", "good lamp", 8000, 3)};
  struct rk_intent in = intent_of("buy a lamp under 150 yuan, not Apple");
  struct rk_picked p;
  rk_pick(&in, offers, 3, NULL, &p);
  assert_int_equal(p.n_shown, 1);
  assert_string_equal(p.shown[0]->item_id, "3");
  assert_int_equal(p.n_over, 1);
  assert_int_equal(p.n_excluded, 1);
  in = intent_of("buy a lamp under 20 yuan");
  rk_pick(&in, offers, 3, NULL, &p);
  assert_int_equal(p.n_shown, 0);
  assert_string_equal(p.nearest->item_id, "1");
}

static void only_what_was_named_stays(void **state) {
  static struct rk_option xiaomi = {"brand", "Xiaomi"}, black = {"colour", "black"};
  static const char *labels[] = {"黑色"};
  struct rk_offer offers[] = {offer("a", "1", "good phone", 5000, 4), offer("a", "2", "小米 phone", 20000, 4), offer("b", "3", "phone nine", 8000, 3)};
  offers[2].attrs = &xiaomi;
  offers[2].n_attrs = 1;
  offers[0].options = &black;
  offers[0].option_labels = labels;
  offers[0].n_options = 1;
  static const struct { const char *said, *first; int32_t n; } cases[] = {
      {"买个phone，只要小米的", "2", 1}, {"buy a phone, only Xiaomi", "3", 1}, {"买个phone，只要小米或者Xiaomi的", "3", 2}, {"买个phone，只要黑色的", "1", 1}};
  struct rk_picked p;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rk_intent in = intent_of(cases[i].said);
    rk_pick(&in, offers, 3, NULL, &p);
    assert_int_equal(p.n_shown, cases[i].n);
    assert_string_equal(p.shown[0]->item_id, cases[i].first);
  }
  struct rk_intent in = intent_of("buy a phone, only Nokia");
  struct rk_buf reason;
  rk_buf_init(&reason, 1000);
  rk_pick(&in, offers, 3, NULL, &p);
  assert_int_equal(p.n_shown, 0);
  assert_int_equal(rk_pick_reason(&in, &p, &reason), RK_OK);
  assert_non_null(strstr(reason.p, "nokia"));
  assert_non_null(strstr(reason.p, "3 others"));
  rk_buf_release(&reason);
}

static void a_day_is_met_exactly(void **state) {
  struct rk_offer offers[] = {offer("a", "1", "lamp", 5000, 4), offer("b", "2", "lamp", 4000, 4)};
  offers[1].n_deliveries = 1;
  struct rk_intent in = intent_of("明天送一个台灯到家");
  struct rk_picked p;
  rk_pick(&in, offers, 2, NULL, &p);
  assert_int_equal(p.n_shown, 1);
  assert_string_equal(p.shown[0]->delivery->id, "fast");
  assert_int_equal(p.shown[0]->total.minor, 6800);
  assert_int_equal(p.n_late, 1);
}

static void rating_when_asked_and_weaker_matches_never(void **state) {
  struct rk_offer offers[] = {offer("a", "1", "lamp", 5000, 4.1), offer("a", "2", "lamp", 9000, 4.9), offer("b", "3", "lamp shade", 100, 5)};
  offers[2].relevance = 0.5;
  struct rk_intent in = intent_of("buy the best rated lamp");
  struct rk_picked p;
  rk_pick(&in, offers, 3, NULL, &p);
  assert_int_equal(p.n_shown, 2);
  assert_string_equal(p.shown[0]->item_id, "2");
}

static void two_currencies_are_not_compared(void **state) {
  struct rk_offer offers[] = {offer("a", "1", "lamp", 400, 4), offer("a", "2", "lamp", 28000, 4), offer("b", "3", "lamp", 31000, 5)};
  struct rk_delivery free_one = {"d", "d", {0, "USD"}, "2026-11-27"};
  struct rk_buf reason;
  struct rk_picked p;
  strcpy(offers[0].unit_price.currency, "USD");
  offers[0].deliveries = &free_one;
  offers[0].n_deliveries = 1;
  struct rk_intent in = intent_of("买个台灯，最便宜的");
  rk_pick(&in, offers, 3, NULL, &p);
  assert_int_equal(p.n_shown, 2);
  assert_string_equal(p.shown[0]->item_id, "2");
  rk_buf_init(&reason, 4096);
  assert_int_equal(rk_pick_reason(&in, &p, &reason), RK_OK);
  assert_non_null(strstr(reason.p, "另一种货币"));
  rk_buf_release(&reason);
  in = intent_of("buy a lamp under 50 dollars");
  rk_pick(&in, offers, 3, NULL, &p);
  assert_int_equal(p.n_shown, 1);
  assert_string_equal(p.shown[0]->item_id, "1");
}

/* A shop without fields of ours: its words are all there is. */
static struct rk_offer plain(const char *id, const char *title, int64_t price) {
  struct rk_offer o = offer("plain", id, title, price, 4);
  o.plain = true;
  o.relevance = -1;
  o.description = "";
  return o;
}

static void choose(const char *said, const char *query, const struct rk_option *wanted, int32_t n_wanted, struct rk_offer *offers, int32_t n, struct rk_picked *p, char *why, size_t size) {
  struct rk_intent in = intent_of(said);
  struct rk_arena *a = rk_arena_new(1 << 20);
  struct rk_buf normal, reason;
  rk_buf_init(&normal, 4096);
  rk_buf_init(&reason, 4096);
  assert_int_equal(rk_words_normal(&normal, rk_str_c(said)), RK_OK);
  rk_pick_relevance(offers, n, rk_str_c(query));
  rk_pick_demands(&in, &(struct rk_demands){said, rk_buf_str(&normal), rk_str_c(query), wanted, n_wanted}, offers, n, a);
  rk_pick(&in, offers, n, NULL, p);
  assert_int_equal(rk_pick_reason(&in, p, &reason), RK_OK);
  snprintf(why, size, "%s", reason.p);
  rk_buf_release(&reason);
  rk_buf_release(&normal);
  rk_arena_free(a);
}

static void measures_are_met_or_said(void **state) {
  static const struct { const char *said, *query, *titles[3]; int best; const char *unsaid; } cases[] = {
    {"Order a 65W charger", "charger", {"charger 20 W", "charger 65 W", "charger"}, 1, "65w"},
    {"Order a 65W charger", "charger", {"charger 20 W", "fast charger", NULL}, -1, "65w"},
    {"买一斤咖啡豆", "咖啡豆", {"咖啡豆 250克", "咖啡豆 500g", "咖啡豆 1公斤"}, 1, NULL},
    {"买个4升的电饭煲", "电饭煲", {"电饭煲 3升", "电饭煲 4000毫升", NULL}, 1, NULL},
    {"buy a tent for two", "tent", {"tent for 4", "tent for 2, green", NULL}, 1, NULL},
    {"coffee for two people: buy coffee beans", "coffee beans", {"coffee beans, dark", "coffee beans, light", NULL}, 0, NULL},
    {"买个2公斤以内的帐篷", "帐篷", {"帐篷 1.5公斤", "帐篷 1.8公斤", NULL}, 0, NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rk_offer offers[3];
    struct rk_picked p;
    char why[4096], id[3][2] = {"0", "1", "2"};
    int32_t n = 0;
    for (; n < 3 && cases[i].titles[n]; n++) offers[n] = plain(id[n], cases[i].titles[n], 1000 + 100 * n);
    choose(cases[i].said, cases[i].query, NULL, 0, offers, n, &p, why, sizeof why);
    if (p.n_shown != 0 && cases[i].best < 0) fail_msg("%s: shows %s", cases[i].said, p.shown[0]->title);
    if (cases[i].best >= 0 && (p.n_shown == 0 || strcmp(p.shown[0]->item_id, id[cases[i].best]) != 0)) fail_msg("%s: %s", cases[i].said, why);
    if (cases[i].unsaid) assert_non_null(strstr(why, cases[i].unsaid));
    else assert_null(strstr(why, "没有写明"));
  }
}

static void options_that_only_others_name(void **state) {
  static const struct rk_option half = {"sugar", "half"}, tapioca = {"topping", "boba"};
  static const char *const labels[] = {"半糖"}, *const toppings[] = {"珍珠"};
  struct rk_offer offers[] = {offer("vendor", "1", "奶茶", 2000, 4), plain("2", "奶茶", 1000), plain("3", "奶茶 半糖", 1500), plain("4", "奶茶", 1200)};
  struct rk_picked p;
  char why[4096];
  offers[0].options = &half;
  offers[0].option_labels = labels;
  offers[0].n_options = 1;
  offers[3].options = &tapioca;
  offers[3].option_labels = toppings;
  offers[3].n_options = 1;
  choose("来杯奶茶，半糖", "奶茶", &half, 1, offers, 4, &p, why, sizeof why);
  assert_int_equal(p.n_shown, 2);
  assert_string_equal(p.shown[0]->item_id, "3");
  assert_string_equal(p.shown[1]->item_id, "1");
  assert_non_null(strstr(why, "“半糖”"));
}

static void all_words_count_where_the_shop_says_nothing(void **state) {
  struct rk_offer offers[] = {plain("1", "Huawei phone", 1000), plain("2", "Xiaomi phone", 2000), offer("vendor", "3", "Xiaomi phone", 3000, 4)};
  struct rk_picked p;
  char why[4096];
  choose("buy a Xiaomi phone", "xiaomi phone", NULL, 0, offers, 3, &p, why, sizeof why);
  assert_int_equal(p.n_shown, 2);
  assert_string_equal(p.shown[0]->item_id, "2");
}

static void names_are_met_or_said(void **state) {
  static const struct { const char *said, *query, *title; bool shown; const char *unsaid; } cases[] = {
    {"buy a Xiaomi phone", "xiaomi phone", "Huawei phone", false, "Xiaomi"}, {"buy a Xiaomi phone", "xiaomi phone", "XIAOMI 15 phone", true, NULL},
    {"Good phone wanted", "good phone", "phone", true, NULL}, {"买个小米手机", "小米手机", "华为手机", false, "小米"}, {"买个小米手机", "小米手机", "小米14 手机", true, NULL},
    {"买个降噪耳机", "降噪耳机", "蓝牙耳机", false, "降噪"}, {"买个电饭锅", "电饭锅", "电饭煲", true, NULL}, {"买个Anker充电器", "anker充电器", "充电器", false, "Anker"},
    {"买个双人帐篷", "双人帐篷", "帐篷 2人", true, NULL}, {"买双跑鞋", "运动跑鞋", "跑步鞋", true, NULL},
    {"买双轻便的跑鞋", "轻便跑鞋", "跑步鞋", true, NULL}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rk_offer o = plain("1", cases[i].title, 1000);
    struct rk_picked p;
    char why[4096];
    choose(cases[i].said, cases[i].query, NULL, 0, &o, 1, &p, why, sizeof why);
    if ((p.n_shown == 1) != cases[i].shown) fail_msg("%s at a shop of “%s”: %s", cases[i].said, cases[i].title, why);
    if (cases[i].unsaid) assert_non_null(strstr(why, cases[i].unsaid));
  }
}

static void words_that_may_be_no_demand_are_said(void **state) {
  struct rk_offer offers[] = {plain("1", "over-ear headphones", 2000), plain("2", "headphones, noise cancelling", 3000)};
  struct rk_picked p;
  char why[4096];
  choose("buy noise cancelling headphones", "noise cancelling headphones", NULL, 0, offers, 1, &p, why, sizeof why);
  assert_int_equal(p.n_shown, 1);
  assert_non_null(strstr(why, "does not say “noise cancelling”"));
  offers[0] = plain("1", "over-ear headphones", 2000);
  choose("buy noise cancelling headphones", "noise cancelling headphones", NULL, 0, offers, 2, &p, why, sizeof why);
  assert_string_equal(p.shown[0]->item_id, "2");
  assert_null(strstr(why, "does not say"));
}

static void about_an_amount_is_near_it(void **state) {
  struct rk_offer offers[] = {offer("a", "1", "lamp", 4000, 4), offer("a", "2", "lamp", 28000, 4), offer("b", "3", "lamp", 31000, 5)};
  struct rk_intent in = intent_of("买个台灯，300块左右");
  struct rk_picked p;
  rk_pick(&in, offers, 3, NULL, &p);
  assert_string_equal(p.shown[0]->item_id, "2");
  assert_int_equal(p.n_shown, 3);
}

static void every_shop_has_a_card(void **state) {
  struct rk_offer offers[12];
  char ids[12][8];
  for (int i = 0; i < 12; i++) {
    snprintf(ids[i], sizeof ids[i], "%d", i);
    offers[i] = offer(i == 11 ? "b" : "a", ids[i], "lamp", 1000 + i, 4);
  }
  struct rk_intent in = intent_of("show me lamps");
  struct rk_picked p;
  rk_pick(&in, offers, 12, NULL, &p);
  assert_int_equal(p.n_shown, RK_MAX_CARDS);
  assert_int_equal(p.n_shops, 2);
}

static void options_by_label_or_value(void **state) {
  struct rk_option less[] = {{"sugar", "less"}, {"ice", "none"}, {"size", "L"}};
  const char *labels[] = {"少糖", "去冰", "L"};
  struct rk_offer o = offer("a", "1", "drink", 1000, 4);
  o.options = less;
  o.option_labels = labels;
  o.n_options = 3;
  static const struct { const char *said; int32_t n; } cases[] = {
      {"一杯喝的，少糖去冰", 2}, {"a drink, less sugar", 1}, {"a drink without ice, less sugar", 2}, {"a drink, size l", 1}, {"a large drink", 0}, {"随便", 0}, {"hello", 0}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rk_option out[4];
    assert_int_equal(rk_pick_options(rk_str_c(cases[i].said), &o, 1, out, 4), cases[i].n);
  }
}

static void collect(void *ud, rk_str text) { rk_buf_addstr(ud, text); }

/* Fed byte by byte: what may be said does not depend on where the stream breaks. */
static void only_known_amounts_pass(void **state) {
  static const struct { const char *text, *want; } cases[] = {
      {"It costs ¥58.00. It is really 12.00 yuan! Good.", "It costs ¥58.00. Good."},
      {"总价¥58.00。比别家便宜三十块钱。请确认。", "总价¥58.00。请确认。"},
      {"你的预算是100元。", "你的预算是100元。"},
      {"Order 2026112345 is placed. Order 999888777 too.", "Order 2026112345 is placed. "},
      {"1公里等于1000米。", "1公里等于1000米。"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rk_buf out;
    rk_buf_init(&out, 4096);
    struct rk_answer a;
    rk_answer_init(&a, collect, &out);
    json_t *result = json_pack("{s:s, s:I, s:s}", "total", "¥58.00", "fee_minor", (json_int_t)500, "order", "2026112345");
    rk_answer_know_result(&a, result);
    rk_answer_know_text(&a, RK_STR("100元以内"));
    a.strict = true;
    for (const char *p = cases[i].text; *p; p++) rk_answer_feed(&a, (rk_str){p, 1});
    rk_answer_end(&a);
    assert_string_equal(out.p ? out.p : "", cases[i].want);
    assert_true(rk_answer_names(&a, 5800) == (strstr(cases[i].want, "58.00") != NULL));
    json_decref(result);
    rk_answer_release(&a);
    rk_buf_release(&out);
  }
}

static void code_is_not_touched(void **state) {
  struct rk_buf out;
  rk_buf_init(&out, 4096);
  struct rk_answer a;
  rk_answer_init(&a, collect, &out);
  rk_answer_feed(&a, RK_STR("```c\nint price = 5; // 500元\n```\n"));
  rk_answer_end(&a);
  assert_string_equal(out.p, "```c\nint price = 5; // 500元\n```\n");
  rk_answer_release(&a);
  rk_buf_release(&out);
}

int main(void) {
  setenv("RUKOU_CLOCK", "2026-11-23T10:00:00+08:00", 1);
  struct rk_error e;
  if (rk_clock_init(&e)) return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lowest_total_not_lowest_price), cmocka_unit_test(limits_leave_out), cmocka_unit_test(only_what_was_named_stays), cmocka_unit_test(a_day_is_met_exactly),
      cmocka_unit_test(rating_when_asked_and_weaker_matches_never), cmocka_unit_test(about_an_amount_is_near_it), cmocka_unit_test(every_shop_has_a_card),
      cmocka_unit_test(options_by_label_or_value), cmocka_unit_test(two_currencies_are_not_compared),
      cmocka_unit_test(measures_are_met_or_said), cmocka_unit_test(options_that_only_others_name), cmocka_unit_test(all_words_count_where_the_shop_says_nothing), cmocka_unit_test(names_are_met_or_said), cmocka_unit_test(words_that_may_be_no_demand_are_said), cmocka_unit_test(only_known_amounts_pass), cmocka_unit_test(code_is_not_touched)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
