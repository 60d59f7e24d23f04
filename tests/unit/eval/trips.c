/* The words of dated places, over the sellers' real timetables. */
#include "world.h"

static struct rk_service services[256];

static int32_t seller_of(const char *name) {
  int32_t at = rk_market_shop_named(&market, name);
  assert_true(at >= 0);
  return at;
}

/* What the seller has on a day; the cheapest first fare in *best. */
static int32_t search(int32_t shop, struct rk_travel_query q) {
  int32_t n = 0;
  struct rk_error e;
  if (rk_travel_search(market.shops[shop].catalog.travel, &q, rk_now_ms(), services, 256, &n, &e)) fail_msg("%s", e.msg);
  assert_true(n > 0);
  return n;
}

static json_t *seat(const struct rk_service *s, const struct rk_fare *f, bool child, int64_t qty) {
  char id[RK_TRAVEL_ID_BYTES + 40];
  rk_travel_item_id(s, f, child, id);
  return json_pack("{s:s, s:s, s:s, s:I, s:I}", "item_id", id, "category", "place", "title", s->zh, "quantity", (json_int_t)qty, "unit_minor",
                   (json_int_t)(child ? f->child_minor : f->adult_minor));
}

/* An order of so many adults and children of one fare. */
static json_t *book(int32_t shop, const struct rk_service *s, const struct rk_fare *f, int64_t adults, int64_t children) {
  json_t *lines = json_array();
  json_array_append_new(lines, seat(s, f, false, adults));
  if (children) json_array_append_new(lines, seat(s, f, true, children));
  return order(shop, lines, f->adult_minor * adults + f->child_minor * children, 0);
}

static void journeys(void **state) {
  int32_t rail = seller_of("tongtu"), n = search(rail, (struct rk_travel_query){.from = RK_STR("上海"), .to = RK_STR("杭州"), .date = RK_STR("2026-11-28")});
  const struct rk_service *s = services, *dear = services;
  const struct rk_fare *low = &s->fares[0], *high = &s->fares[0];
  for (int32_t i = 0; i < n; i++)
    for (int32_t f = 0; f < services[i].n_fares; f++) {
      if (services[i].fares[f].adult_minor < low->adult_minor) s = &services[i], low = &s->fares[f];
      if (services[i].fares[f].adult_minor > high->adult_minor) dear = &services[i], high = &dear->fares[f];
    }
  begin(1, "订好了");
  book(rail, s, low, 2, 1);
  HOLDS("{\"trips\": [{\"from\": \"上海\", \"to\": \"杭州\", \"date\": \"2026-11-28\", \"passengers\": 3, \"adults\": 2, \"children\": 1, \"mode\": \"train\"}]}");
  HOLDS("{\"trips\": [{\"mode\": \"any\"}], \"plan_total_max_minor\": 10000000}");
  FAILS("{\"trips\": [{\"mode\": \"flight\"}]}", "trips: mode");
  FAILS("{\"trips\": [{\"from\": \"北京\"}]}", "trips: from: asked 北京, got 上海");
  FAILS("{\"trips\": [{\"date\": \"2026-11-29\"}]}", "trips: date");
  FAILS("{\"trips\": [{\"adults\": 3, \"children\": 0}]}", "trips: adults: asked 3, got 2");
  FAILS("{\"trips\": [{\"passengers\": 4}]}", "trips: passengers");
  FAILS("{\"trips\": [{\"before\": \"00:01\"}]}", "trips: before");
  FAILS("{\"trips\": [{\"after\": \"23:59\"}]}", "trips: after");
  FAILS("{\"trips\": []}", "trips: asked 0, got 1");
  FAILS("{\"trips\": [{}, {}]}", "trips: asked 2, got 1");
  FAILS("{\"trips\": [{\"seat\": 1}]}", "trips: the key seat is not known");
  FAILS("{\"stays\": [{}]}", "stays: asked 1, got 0");
  FAILS("{\"films\": []}", "trips: asked 0, got 1"); /* each list is exact, also one that is not named */
  FAILS("{\"orders\": []}", "orders: asked 0 standing, got 1");
  FAILS("{\"trips\": [{}], \"plan_total_max_minor\": 1}", "plan_total_max_minor: asked 1, got");
  HOLDS("{\"trips\": [{\"mode\": \"train\", \"from\": \"上海\"}], \"orders\": []}");
  begin(1, "订好了");
  book(rail, dear, high, 1, 0);
  FAILS("{\"trips\": [{\"mode\": \"any\", \"cheapest\": true}]}", "trips: cheapest");
  struct rk_trip t = {.from = "上海", .to = "杭州", .date = "2026-11-28", .mode = "any", .adults = 1, .now_ms = rk_now_ms()};
  int64_t lowest;
  assert_true(rk_market_lowest_trip(&market, &t, &lowest));
  assert_true(lowest < high->adult_minor);
  if (low->adult_minor == lowest) {
    begin(1, "订好了");
    book(rail, s, low, 1, 0);
    HOLDS("{\"trips\": [{\"mode\": \"any\", \"cheapest\": true}]}");
  }
  struct find f = found("{\"category\": \"mask\"}", 1, false);
  buy(&f, 0);
  FAILS("{\"trips\": [{}]}", "orders: asked no goods, got 1");
}

static void nights(void **state) {
  int32_t hotel = seller_of("yunqi");
  search(hotel, (struct rk_travel_query){.city = RK_STR("杭州"), .date = RK_STR("2026-11-28"), .end_date = RK_STR("2026-11-30")});
  const struct rk_service *s = services;
  char expect[200];
  begin(1, "订好了");
  book(hotel, s, &s->fares[0], 1, 0);
  HOLDS("{\"stays\": [{\"city\": \"杭州\", \"check_in\": \"2026-11-28\", \"check_out\": \"2026-11-30\"}]}");
  FAILS("{\"stays\": [{\"check_out\": \"2026-11-29\"}]}", "stays: check_out");
  FAILS("{\"stays\": [{\"city\": \"成都\"}]}", "stays: city");
  snprintf(expect, sizeof expect, "{\"stays\": [{\"max_per_night_minor\": %lld}]}", (long long)s->fares[0].adult_minor / 2);
  HOLDS(expect);
  snprintf(expect, sizeof expect, "{\"stays\": [{\"max_per_night_minor\": %lld}]}", (long long)s->fares[0].adult_minor / 2 - 1);
  FAILS(expect, "stays: max_per_night_minor");
}

static void tickets(void **state) {
  int32_t seller = seller_of("changyou"), n = search(seller, (struct rk_travel_query){.city = RK_STR("杭州"), .date = RK_STR("2026-11-28")});
  const struct rk_service *zoo = NULL, *other = NULL;
  for (int32_t i = 0; i < n; i++)
    if (services[i].what && strcmp(services[i].what, "zoo") == 0) zoo = &services[i];
    else other = &services[i];
  assert_true(zoo && other);
  begin(1, "订好了");
  book(seller, zoo, &zoo->fares[0], 2, 1);
  HOLDS("{\"tickets\": [{\"attraction_kind\": \"zoo\", \"city\": \"杭州\", \"date\": \"2026-11-28\", \"persons\": 3, \"adults\": 2, \"children\": 1}]}");
  FAILS("{\"tickets\": [{\"persons\": 2}]}", "tickets: persons");
  FAILS("{\"tickets\": [{\"attraction_has\": \"故宫\"}]}", "tickets: attraction_has");
  begin(1, "订好了");
  book(seller, other, &other->fares[0], 2, 0);
  FAILS("{\"tickets\": [{\"attraction_kind\": \"zoo\"}]}", "tickets: attraction_kind: asked zoo, got");
}

static void hold(int32_t shop, const json_t *order, const struct rk_service *s, const char *seats) {
  char id[RK_TRAVEL_ID_BYTES + 40];
  rk_travel_item_id(s, &s->fares[0], false, id);
  json_array_append_new(json_object_get(json_array_get(json_object_get(evidence, "shops"), (size_t)shop), "bookings"),
                        json_pack("{s:O, s:s, s:s, s:i, s:i}", "checkout_id", json_object_get(order, "checkout_id"), "item_id", id, "seats", seats, "quantity", 2, "sold", 1));
}

static void seats(void **state) {
  int32_t cinema = seller_of("guangying"), n = search(cinema, (struct rk_travel_query){.city = RK_STR("上海"), .date = RK_STR("2026-11-28"), .after_min = 720});
  const struct rk_service *s = &services[n - 1];
  char expect[300], list[40];
  begin(1, "订好了");
  json_t *row = book(cinema, s, &s->fares[0], 2, 0);
  FAILS("{\"films\": [{\"city\": \"上海\", \"date\": \"2026-11-28\", \"seats\": 2}]}", "films: 2 seats are paid, 0 are held");
  hold(cinema, row, s, "4,5");
  HOLDS("{\"films\": [{\"city\": \"上海\", \"date\": \"2026-11-28\", \"from\": \"12:00\", \"to\": \"23:59\", \"seats\": 2, \"adjacent\": true}]}");
  FAILS("{\"films\": [{\"seats\": 3}]}", "films: seats: asked 3, got 2");
  FAILS("{\"films\": [{\"to\": \"00:00\"}]}", "films: from, to");
  snprintf(expect, sizeof expect, "{\"films\": [{\"max_seat_minor\": %lld}]}", (long long)s->fares[0].adult_minor - 1);
  FAILS(expect, "films: max_seat_minor");
  snprintf(list, sizeof list, "%d,%d", (int)s->n_cols - 1, (int)s->n_cols); /* the end of one row and the start of the next */
  begin(1, "订好了");
  row = book(cinema, s, &s->fares[0], 2, 0);
  hold(cinema, row, s, list);
  HOLDS("{\"films\": [{\"seats\": 2}]}");
  FAILS("{\"films\": [{\"adjacent\": true}]}", "films: adjacent");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(journeys), cmocka_unit_test(nights), cmocka_unit_test(tickets), cmocka_unit_test(seats)};
  return cmocka_run_group_tests(tests, open_market, close_market);
}
