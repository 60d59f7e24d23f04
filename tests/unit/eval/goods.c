/* The words of goods against end states made by hand, right and wrong. */
#include "world.h"

static void one_order(void **state) {
  struct find f = found("{\"category\": \"rice_cooker\"}", 1, false);
  begin(1, "好的，买好了");
  buy(&f, 0);
  HOLDS("{\"orders\": [{\"category\": \"rice_cooker\", \"qty\": 1, \"cheapest\": true}]}");
  HOLDS("{\"orders\": [{}]}");
  FAILS("{\"orders\": []}", "orders: asked 0 standing, got 1");
  FAILS("{\"orders\": [{}, {}]}", "orders: asked 2, got 1");
  FAILS("{\"orders\": [{\"category\": \"phone\"}]}", "orders: category: asked phone, got rice_cooker");
  FAILS("{\"orders\": [{\"qty\": 2}]}", "orders: qty: asked 2, got 1");
  FAILS("{\"orders\": [{\"max_total_minor\": 1}]}", "orders: max_total_minor: asked 1, got");
  FAILS("{\"orders\": [{\"attr\": {\"volume_l\": 99}}]}", "orders: volume_l: asked 99, got");
  FAILS("{\"orders\": [{\"title_has\": \"火箭\"}]}", "orders: title_has");
  FAILS("{\"orders\": [{\"instrument\": \"wallet\"}]}", "orders: instrument: asked wallet, got card");
  FAILS("{\"orders\": [{\"deliver_on\": \"2026-11-24\"}]}", "orders: deliver_on: asked 2026-11-24, got 2026-11-26");
  HOLDS("{\"orders\": [{\"deliver_on\": \"2026-11-26\", \"instrument\": \"card\"}]}");
  FAILS("{\"orders\": [{\"address_has\": \"宜山路\"}]}", "orders: address_has");
  HOLDS("{\"orders\": [{\"address_has\": \"漕溪\"}]}");
  FAILS("{\"orders\": [{\"colour_of_mind\": 1}]}", "orders: the key colour_of_mind is not known");
  FAILS("{\"orders\": [{\"status\": \"refunded\"}]}", "orders: ");
}

static void cheapest_and_best(void **state) {
  struct find dear = found("{\"category\": \"rice_cooker\"}", 1, true);
  begin(1, "买好了");
  buy(&dear, 0);
  FAILS("{\"orders\": [{\"category\": \"rice_cooker\", \"cheapest\": true}]}", "orders: cheapest: total");
  json_t *keys = json_pack("{s:s}", "category", "rice_cooker");
  struct find best = {.keys = keys, .qty = 1}, all = found("{\"category\": \"rice_cooker\"}", 1, false);
  for (int32_t s = 0; s < market.n; s++)
    for (int32_t i = 0; i < market.shops[s].catalog.n_items; i++) {
      const struct rk_item *item = market.shops[s].catalog.by_id[i];
      if (!rk_market_meets(item, keys) || item->product->rating_tenths != all.best) continue;
      keep(&best, s, item);
    }
  json_decref(keys);
  begin(1, "买好了");
  buy(&best, 0);
  HOLDS("{\"orders\": [{\"category\": \"rice_cooker\", \"best\": \"rating\"}]}");
  begin(1, "买好了");
  buy(&all, 0);
  if (all.item->product->rating_tenths < all.best) FAILS("{\"orders\": [{\"category\": \"rice_cooker\", \"best\": \"rating\"}]}", "orders: best rating");
  FAILS("{\"orders\": [{\"best\": \"colour\"}]}", "orders: best: colour is not known");
}

/* Two pieces of the lowest price tag: a coupon may make another offer the cheaper one, and a total above it fails. */
static void totals_count_coupons_and_delivery(void **state) {
  struct find f = found("{\"category\": \"coffee_beans\", \"attr\": {\"weight_g\": 500}}", 1, false);
  begin(1, "买好了");
  json_t *row = buy(&f, 0);
  HOLDS("{\"orders\": [{\"category\": \"coffee_beans\", \"attr\": {\"weight_g\": 500}, \"cheapest\": true}]}");
  json_object_set_new(row, "total_minor", json_integer(f.total + 1));
  FAILS("{\"orders\": [{\"category\": \"coffee_beans\", \"attr\": {\"weight_g\": 500}, \"cheapest\": true}]}", "orders: cheapest");
}

static void refunded_orders(void **state) {
  struct find f = found("{\"category\": \"thermos\"}", 1, false), g = found("{\"category\": \"charger\"}", 1, false);
  begin(2, "已经退了");
  json_t *row = buy(&f, 0);
  json_object_set_new(row, "status", json_string("refunded"));
  HOLDS("{\"orders\": []}");
  HOLDS("{\"orders\": [{\"category\": \"thermos\", \"status\": \"refunded\", \"cheapest\": true}]}");
  HOLDS("{\"orders\": [{\"category\": \"thermos\", \"status\": \"canceled_or_refunded\"}]}");
  FAILS("{\"orders\": [{\"category\": \"thermos\"}]}", "orders: asked 1, got 0");
  buy(&g, 1);
  HOLDS("{\"orders\": [{\"category\": \"charger\"}]}");
  FAILS("{\"orders\": [{\"category\": \"thermos\", \"status\": \"refunded\"}]}", "orders: asked 0 standing, got 1");
}

static void items_in_any_orders(void **state) {
  struct find meter = found("{\"category\": \"blood_pressure_meter\"}", 1, false), mask = found("{\"category\": \"mask\"}", 1, false);
  const char *items = "{\"orders_items\": [{\"category\": \"blood_pressure_meter\", \"qty\": 1}, {\"category\": \"mask\", \"qty\": 2}], \"orders_total_max_minor\": 1000000}";
  begin(1, "都买好了");
  buy(&meter, 0);
  buy(&mask, 0);
  FAILS(items, "orders_items: mask: asked 2, got 1");
  buy(&mask, 0);
  HOLDS(items);
  FAILS("{\"orders_items\": [{\"category\": \"mask\", \"qty\": 2}]}", "orders_items: ");
  FAILS("{\"orders_items\": [{\"category\": \"blood_pressure_meter\"}, {\"category\": \"mask\", \"qty\": 2}], \"orders_total_max_minor\": 10}", "orders_total_max_minor: asked 10, got");
  FAILS("{\"orders_total_max_minor\": 10}", "the word orders_total_max_minor stands without orders_items");
  begin(1, "都买好了");
  struct find two = found("{\"category\": \"mask\"}", 2, false);
  buy(&two, 0);
  HOLDS("{\"orders_items\": [{\"category\": \"mask\", \"qty\": 2}], \"cheapest_each\": true}");
  struct find dear = found("{\"category\": \"mask\"}", 2, true);
  begin(1, "都买好了");
  buy(&dear, 0);
  FAILS("{\"orders_items\": [{\"category\": \"mask\", \"qty\": 2}], \"cheapest_each\": true}", "cheapest_each: asked");
}

/* Cards of every offer of a kind up to n, cheapest first. */
static void show(int line, const struct find *list, size_t n) {
  json_t *cards = json_array();
  for (size_t i = 0; i < n; i++) json_array_append_new(cards, card_of(&list[i]));
  event("card", line, json_pack("{s:o}", "cards", cards));
}

static void offers_that_were_shown(void **state) {
  struct find list[3] = {found("{\"category\": \"thermos\"}", 1, true), found("{\"category\": \"thermos\"}", 1, false), found("{\"category\": \"charger\"}", 1, false)};
  struct find two = list[1];
  two.qty = 2;
  struct rk_need need = {.at_ms = rk_now_ms()};
  assert_true(rk_market_lowest(&market.shops[two.shop].catalog, two.item, 2, &need, &two.total));
  begin(2, "好的");
  show(0, list, 2);
  buy(&two, 1);
  HOLDS("{\"shown\": 2, \"orders\": [{\"category\": \"thermos\", \"qty\": 2, \"is_offer_shown\": 2}]}");
  HOLDS("{\"orders\": [{\"qty\": 2, \"is_offer_shown\": true, \"cheapest_of_shown\": true}]}");
  FAILS("{\"orders\": [{\"qty\": 2, \"is_offer_shown\": 1}]}", "orders: is_offer_shown: asked card 1 of 2, got card 2");
  FAILS("{\"shown\": 3}", "shown: asked 3, got 2");
  HOLDS("{\"shown_all\": {\"category\": \"thermos\"}}");
  FAILS("{\"shown_all\": {\"category\": \"phone\"}}", "shown_all: category: asked phone, got thermos");
  FAILS("{\"shown_all\": {\"max_total_minor\": 1}}", "shown_all: max_total_minor");
  FAILS("{\"shown_all\": {\"is_offer_shown\": 1}}", "shown_all: the key");
  FAILS("{\"shown_merchants\": 9}", "shown_merchants: asked 9");
  begin(2, "好的");
  show(0, list, 1);
  buy(&list[1], 1);
  FAILS("{\"orders\": [{\"is_offer_shown\": true}]}", "orders: is_offer_shown: what was bought");
  begin(2, "好的");
  show(1, list, 2); /* too late: in the line that bought */
  buy(&list[1], 1);
  FAILS("{\"orders\": [{\"is_offer_shown\": 2}]}", "orders: is_offer_shown");
  FAILS("{\"shown_all\": {\"not_brand\": \"none such\"}, \"shown\": 3}", "shown: asked 3, got 2");
  begin(1, "好的");
  FAILS("{\"shown_all\": {\"category\": \"thermos\"}}", "shown_all: nothing was shown");
}

static void best_and_cheapest_of_shown(void **state) {
  struct find low = found("{\"category\": \"rice_cooker\"}", 1, false), high = found("{\"category\": \"rice_cooker\"}", 1, true);
  if (low.item->product->rating_tenths > high.item->product->rating_tenths) {
    struct find swap = low;
    low = high;
    high = swap;
  }
  struct find list[2] = {low, high};
  begin(2, "好的");
  show(0, list, 2);
  buy(&high, 1);
  HOLDS("{\"orders\": [{\"is_offer_shown\": true, \"best_of_shown\": \"rating\"}]}");
  begin(2, "好的");
  show(0, list, 2);
  buy(&low, 1);
  if (low.item->product->rating_tenths < high.item->product->rating_tenths) FAILS("{\"orders\": [{\"best_of_shown\": \"rating\"}]}", "orders: best_of_shown");
  begin(2, "好的");
  show(0, list, 2);
  buy(low.total > high.total ? &low : &high, 1);
  FAILS("{\"orders\": [{\"cheapest_of_shown\": true}]}", "orders: cheapest_of_shown");
}

static int by_total(const void *a, const void *b) {
  const struct find *x = a, *y = b;
  return (x->total > y->total) - (x->total < y->total);
}

struct all { struct find list[4096]; size_t n; };

static void keep_product(void *ud, int32_t shop, const struct rk_item *item) {
  struct all *a = ud;
  struct rk_need need = {.at_ms = rk_now_ms()};
  struct find f = {.shop = shop, .item = item, .qty = 1};
  if (!rk_market_lowest(&market.shops[shop].catalog, item, 1, &need, &f.total)) return;
  for (size_t i = 0; i < a->n; i++)
    if (a->list[i].item->product == item->product) {
      if (f.total < a->list[i].total) a->list[i] = f;
      return;
    }
  a->list[a->n++] = f;
}

static void cheapest_shown_first(void **state) {
  static struct all a;
  json_t *keys = json_pack("{s:s}", "category", "rice_cooker");
  rk_market_each(&market, keys, 1, keep_product, &a);
  json_decref(keys);
  qsort(a.list, a.n, sizeof *a.list, by_total);
  assert_true(a.n > 4);
  struct find right[3] = {a.list[1], a.list[0], a.list[2]}, wrong[3] = {a.list[0], a.list[1], a.list[a.n - 1]};
  begin(1, "好的");
  show(0, right, 3);
  HOLDS("{\"shown_cheapest\": 3, \"shown_all\": {\"category\": \"rice_cooker\"}}");
  HOLDS("{\"shown_cheapest\": 3}");
  FAILS("{\"shown_cheapest\": 4}", "shown_cheapest: asked 4, got 3 cards");
  begin(1, "好的");
  show(0, wrong, 3);
  FAILS("{\"shown_cheapest\": 3}", "shown_cheapest: the total of place 3");
}

static void approval_cards(void **state) {
  struct find f = found("{\"category\": \"tent\", \"attr\": {\"persons\": 2}}", 1, false), dear = found("{\"category\": \"tent\", \"attr\": {\"persons\": 2}}", 1, true);
  begin(1, "没有买");
  FAILS("{\"card\": {\"category\": \"tent\"}}", "card: no purchase approval");
  HOLDS("{\"no_card\": true, \"orders\": []}");
  json_t *lines = json_array();
  json_array_append_new(lines, line_of(f.item, 1));
  event("approval_request", 0, json_pack("{s:{s:s, s:s, s:{s:{s:s}, s:o, s:I, s:s}}}", "approval", "id", "a", "kind", "purchase", "terms", "merchant", "origin", origin_of(f.shop), "lines",
                                         lines, "total_minor", (json_int_t)f.total, "currency", "CNY"));
  HOLDS("{\"card\": {\"category\": \"tent\", \"attr\": {\"persons\": 2}, \"cheapest\": true}, \"orders\": []}");
  FAILS("{\"card\": {\"category\": \"tent\", \"qty\": 2}}", "card: qty: asked 2, got 1");
  FAILS("{\"card\": {\"max_total_minor\": 1}}", "card: max_total_minor");
  FAILS("{\"no_card\": true}", "no_card: got 1");
  FAILS("{\"card\": {\"status\": \"refunded\"}}", "card: the key status");
  begin(1, "没有买");
  lines = json_array();
  json_array_append_new(lines, line_of(dear.item, 1));
  event("approval_request", 0, json_pack("{s:{s:s, s:s, s:{s:{s:s}, s:o, s:I, s:s}}}", "approval", "id", "a", "kind", "purchase", "terms", "merchant", "origin", origin_of(dear.shop), "lines",
                                         lines, "total_minor", (json_int_t)dear.total, "currency", "CNY"));
  FAILS("{\"card\": {\"category\": \"tent\", \"attr\": {\"persons\": 2}, \"cheapest\": true}}", "card: cheapest");
}

static void unknown_words(void **state) {
  begin(1, "好的");
  FAILS("{\"shiny\": true}", "the word shiny is not known");
  FAILS("{\"orders\": [], \"shiny\": true}", "the word shiny is not known");
  FAILS("{\"seconds\": 30}", "the word seconds stands without made");
  FAILS("{\"orders\": 3}", "orders: no list");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_order), cmocka_unit_test(cheapest_and_best), cmocka_unit_test(totals_count_coupons_and_delivery), cmocka_unit_test(refunded_orders),
      cmocka_unit_test(items_in_any_orders), cmocka_unit_test(offers_that_were_shown), cmocka_unit_test(best_and_cheapest_of_shown),
      cmocka_unit_test(cheapest_shown_first), cmocka_unit_test(approval_cards), cmocka_unit_test(unknown_words)};
  return cmocka_run_group_tests(tests, open_market, close_market);
}
