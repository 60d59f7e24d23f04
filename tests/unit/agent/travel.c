/* Dated places from slots to tickets in the sellers' databases, over real HTTP with every seller of shops/travel. */
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

#include "agent/travel.h"
#include "http/http.h"
#include "shop/serve.h"
#include "shop/shop.h"
#include "shop/store.h"
#include "store/store.h"
#include "trade/ucp.h"

static char dollar_rail[128];
static const char *dirs[] = {"shops/travel/changyou", "shops/travel/guangying", "shops/travel/jiangan", "shops/travel/tongtu", "shops/travel/yunqi", "shops/travel/yunyi", dollar_rail, "shops/lanhai"};
enum { N_SELLERS = sizeof dirs / sizeof *dirs };

static char dir[] = "/tmp/rukou-travel-XXXXXX";
static struct rk_key *key;
static struct rk_http *listener;
static struct rk_serve *served;
static struct rk_net *net;
static struct rk_merchants *merchants;
static struct rk_store *store;
static struct rk_trade *trade;
static struct rk_arena *arena;
static json_t *profile;
static struct rk_error e;

static const char family[] =
    "{\"name\":\"张伟\",\"phone\":\"13800000000\",\"address\":\"\",\"passengers\":[{\"name\":\"张小宝\",\"type\":\"child\",\"age\":8},{\"name\":\"李娜\",\"type\":\"adult\"},"
    "{\"name\":\"张伟\",\"type\":\"adult\"}],\"instruments\":[{\"id\":\"card\",\"kind\":\"card\",\"default\":true}]}";

static void answer_profile(struct rk_http_req *r, void *ctx) {
  rk_http_reply_json(r, 200, rk_ucp_platform_profile(&(struct rk_ucp_platform){.key = key, .profile_url = "http://127.0.0.1/.well-known/ucp"}, RK_UCP_VERSION));
}
static const struct rk_route web[] = {{"GET", "/*", answer_profile}};

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f) { return remove(path); }

/* The railway once more, asking for dollars. */
static int make_dollar_rail(void) {
  char here[300], from[600], to[300];
  struct rk_buf conf;
  rk_buf_init(&conf, 65536);
  snprintf(dollar_rail, sizeof dollar_rail, "%s/rail", dir);
  snprintf(to, sizeof to, "%s/common", dir);
  if (!getcwd(here, sizeof here) || mkdir(dollar_rail, 0700) || rk_buf_read_file(&conf, "shops/travel/tongtu/shop.conf", &e)) return -1;
  snprintf(from, sizeof from, "%s/shops/travel/common", here);
  if (symlink(from, to)) return -1;
  snprintf(to, sizeof to, "%s/shop.conf", dollar_rail);
  char *currency = strstr(conf.p, "currency = CNY");
  if (!currency) return -1;
  memcpy(currency, "currency = USD", strlen("currency = USD"));
  FILE *f = fopen(to, "w");
  bool ok = f && fwrite(conf.p, 1, conf.n, f) == conf.n;
  if (f) ok = fclose(f) == 0 && ok;
  rk_buf_release(&conf);
  return ok ? 0 : -1;
}

static int start(void **state) {
  static char agent[64], url[128], pem[128];
  static const char *agents[] = {agent}, *origins[N_SELLERS];
  setenv("RUKOU_CLOCK", "2026-11-23T10:00:00+08:00", 1);
  if (rk_clock_init(&e) || !mkdtemp(dir) || make_dollar_rail()) return -1;
  snprintf(pem, sizeof pem, "%s/key.pem", dir);
  if (rk_key_load_or_make(pem, &key, &e) || rk_net_new(&net, &e) ||
      rk_http_start(&(struct rk_http_opts){.address = "127.0.0.1", .routes = web, .n_routes = 1}, &listener, &e)) return -1;
  snprintf(agent, sizeof agent, "http://127.0.0.1:%d", rk_http_port(listener));
  snprintf(url, sizeof url, "%s/.well-known/ucp", agent);
  if (rk_serve_start(&(struct rk_serve_opts){.dirs = dirs, .n_dirs = N_SELLERS, .data_dir = dir, .sandbox = true, .agents = agents, .n_agents = 1}, &served, &e)) {
    print_error("%s\n", e.msg);
    return -1;
  }
  for (int i = 0; i < N_SELLERS; i++) origins[i] = rk_serve_origin(served, i);
  if (rk_merchants_new(&(struct rk_merchants_opts){.net = net, .agent_profile_url = url, .origins = origins, .n_origins = N_SELLERS, .key = key}, &merchants, &e) ||
      rk_store_open(dir, &store, &e) || rk_trade_new(&(struct rk_trade_opts){store, merchants, key}, &trade, &e)) return -1;
  json_t *filled = rk_json_parse(rk_str_c(family), 4096, &e);
  if (!filled || rk_store_profile_set(store, rk_store_local_user(store), filled, &e)) return -1;
  json_decref(filled);
  profile = rk_store_profile(store, rk_store_local_user(store));
  return (arena = rk_arena_new(256 << 20)) ? 0 : -1;
}

static int stop(void **state) {
  json_decref(profile);
  rk_trade_free(trade);
  rk_store_close(store);
  rk_merchants_free(merchants);
  rk_arena_free(arena);
  rk_serve_stop(served);
  rk_http_stop(listener);
  rk_net_free(net);
  rk_key_free(key);
  return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- steps ---- */

static rk_err read_slots(enum rk_trip_kind kind, const char *slots, struct rk_trip *t) {
  json_t *v = rk_json_parse(rk_str_c(slots), 4096, &e);
  assert_non_null(v);
  rk_err err = rk_trip_read(RK_TRIP_BIT(kind), v, rk_now_ms(), t, &e);
  json_decref(v);
  return err;
}

static struct rk_trip trip_of(enum rk_trip_kind kind, const char *slots) {
  struct rk_trip t;
  if (read_slots(kind, slots, &t)) fail_msg("%s: %s", slots, e.msg);
  return t;
}

static struct rk_trip_found found_of(const struct rk_trip *t, const char *lang) {
  struct rk_trip_found f;
  if (rk_trip_search(merchants, t, lang, arena, &f, &e)) fail_msg("%s", e.msg);
  return f;
}

static json_t *prepared(const struct rk_trip *t, const struct rk_trip_option *o, unsigned said) {
  struct rk_prepare p = {.user_id = rk_store_local_user(store), .chat_id = "chat", .turn_id = "turn", .instrument_id = "card", .lang = "zh"};
  json_t *approval;
  if (rk_trip_prepare(trade, &p, t, o, profile, said, &approval, &e)) fail_msg("%s", e.msg);
  return approval;
}

static void buy(const json_t *approval) {
  const char *id = rk_json_cstr(approval, "id", "");
  json_t *order;
  if (rk_trade_decide(trade, rk_store_local_user(store), "terminal", id, "approve", rk_json_cstr(approval, "terms_hash", ""), &e)) fail_msg("%s", e.msg);
  if (rk_trade_complete(trade, id, &order, &e)) fail_msg("%s", e.msg);
  json_decref(order);
}

/* What the seller has sold. */
static json_t *sold(const char *seller) {
  struct rk_db *db = NULL;
  char path[300];
  assert_int_equal(rk_shop_db_path(seller, dir, path, sizeof path, &e), RK_OK);
  assert_int_equal(rk_shop_store_open(path, &db, &e), RK_OK);
  json_t *orders = rk_shop_store_orders(db, &e);
  rk_db_close(db);
  return orders;
}

static const char *line_option(const json_t *approval, size_t line, const char *name) {
  return rk_json_cstr(rk_json_obj(json_array_get(rk_json_arr(rk_json_obj(approval, "terms"), "lines"), line), "options"), name, "");
}

/* ---- tests ---- */

static void a_family_by_train(void **state) {
  struct rk_trip t = trip_of(RK_TRIP_TRAIN, "{\"from\":\"上海\",\"to\":\"Hangzhou\",\"date\":\"周六\",\"before\":\"12:00\",\"adults\":2,\"children\":1}");
  assert_string_equal(t.date, "2026-11-28");
  struct rk_trip_found f = found_of(&t, "zh");
  assert_true(f.n_shown > 1 && f.n_services >= f.n_shown);
  for (int32_t i = 0; i < f.n_shown; i++) {
    const struct rk_trip_option *o = f.shown[i];
    assert_int_equal(o->n_lines, 2);
    assert_int_equal(o->whole.total.minor, 2 * o->lines[0].unit_price.minor + o->lines[1].unit_price.minor);
    assert_true(i == 0 || o->whole.total.minor >= f.shown[i - 1]->whole.total.minor);
    assert_true(strcmp(o->starts, "12:00") < 0);
  }
  json_t *a = prepared(&t, f.shown[0], RK_TRIP_BIT(RK_TRIP_TRAIN));
  const json_t *terms = rk_json_obj(a, "terms"), *who = rk_json_arr(terms, "travelers");
  assert_int_equal(rk_json_i64(terms, "total_minor", 0), f.shown[0]->whole.total.minor);
  assert_int_equal(json_array_size(who), 3);
  assert_string_equal(rk_json_cstr(json_array_get(who, 0), "name", ""), "张伟"); /* the user before the others */
  assert_string_equal(rk_json_cstr(json_array_get(who, 1), "name", ""), "李娜");
  assert_string_equal(rk_json_cstr(json_array_get(who, 2), "kind", ""), "child");
  assert_string_equal(line_option(a, 0, "date"), "2026-11-28");
  assert_string_equal(line_option(a, 0, "starts"), f.shown[0]->starts);
  assert_string_equal(line_option(a, 0, "class"), rk_trip_fare(f.shown[0]));
  assert_string_equal(rk_json_cstr(rk_json_obj(rk_json_obj(terms, "fulfilment"), "address"), "street", "?"), "");
  assert_true(rk_json_str(terms, "refund_rule").n > 0);
  assert_true(rk_json_i64(a, "expires_ms", 0) > rk_now_ms());
  buy(a);
  json_t *orders = sold("shops/travel/tongtu");
  assert_int_equal(json_array_size(orders), 1);
  assert_int_equal(json_array_size(rk_json_arr(json_array_get(orders, 0), "travelers")), 3);
  json_decref(orders);
  json_decref(a);
}

static void a_stay_fits_the_party_and_the_nightly_limit(void **state) {
  struct rk_trip t = trip_of(RK_TRIP_STAY, "{\"city\":\"杭州\",\"date\":\"2026-11-28\",\"nights\":2,\"adults\":2,\"children\":1}");
  assert_string_equal(t.end_date, "2026-11-30");
  t.max_each_minor = 60000;
  struct rk_trip_found f = found_of(&t, "zh");
  assert_true(f.n_shown > 0 && f.n_over > 0);
  for (int32_t i = 0; i < f.n_shown; i++) {
    assert_true(f.shown[i]->nights == 2 && f.shown[i]->each_minor <= 60000);
    assert_true(f.shown[i]->rooms * atoi(rk_pick_option(&f.shown[i]->lines[0], "guests")) >= 3);
  }
  json_t *a = prepared(&t, f.shown[0], 0);
  assert_string_equal(line_option(a, 0, "date"), "2026-11-28");
  assert_string_equal(line_option(a, 0, "end_date"), "2026-11-30");
  buy(a);
  json_t *first = sold("shops/travel/jiangan"), *second = sold("shops/travel/yunqi");
  assert_int_equal(json_array_size(first) + json_array_size(second), 1);
  json_decref(second);
  json_decref(first);
  json_decref(a);
  t.max_each_minor = 100;
  f = found_of(&t, "en");
  assert_true(f.n_shown == 0 && f.nearest);
}

static void tickets_for_a_zoo(void **state) {
  struct rk_trip t = trip_of(RK_TRIP_TICKET, "{\"city\":\"hangzhou\",\"name\":\"zoo\",\"date\":\"Saturday\",\"adults\":2,\"children\":1}");
  struct rk_trip_found f = found_of(&t, "en");
  assert_int_equal(f.n_shown, 1);
  assert_non_null(strstr(f.shown[0]->whole.title, "Hangzhou Zoo"));
  assert_int_equal(f.shown[0]->whole.total.minor, 2 * 2000 + 1000);
  json_t *a = prepared(&t, f.shown[0], 0);
  assert_null(rk_json_arr(rk_json_obj(a, "terms"), "travelers"));
  buy(a);
  json_t *orders = sold("shops/travel/changyou");
  assert_int_equal(json_array_size(orders), 1);
  json_decref(orders);
  json_decref(a);
}

static void seats_side_by_side(void **state) {
  struct rk_trip t = trip_of(RK_TRIP_FILM, "{\"city\":\"上海市\",\"date\":\"2026-11-28\",\"after\":\"12:00\",\"before\":\"18:00\",\"seats\":2}");
  t.max_each_minor = 6000;
  struct rk_trip_found f = found_of(&t, "zh");
  assert_true(f.n_shown > 0 && t.adjacent);
  for (int32_t i = 0; i < f.n_shown; i++) assert_true(f.shown[i]->each_minor <= 6000 && strcmp(f.shown[i]->starts, "12:00") >= 0 && strcmp(f.shown[i]->starts, "18:00") < 0);
  json_t *a = prepared(&t, f.shown[0], 0);
  const char *seats = line_option(a, 0, "seats");
  int row[2] = {0}, seat[2] = {0};
  assert_int_equal(sscanf(seats, "%d排%d座、%d排%d座", &row[0], &seat[0], &row[1], &seat[1]), 4);
  assert_true(row[0] == row[1] && seat[1] == seat[0] + 1);
  buy(a);
  json_decref(a);
  t.adults = 9;
  f = found_of(&t, "zh");
  for (int32_t i = 0; i < f.n_shown; i++) assert_true(atoi(rk_pick_attr(&f.shown[i]->lines[0], "seats_together")) >= 9);
  assert_true(f.n_full > 0);
}

static void train_or_plane_whichever_is_cheaper(void **state) {
  json_t *slots = rk_json_parse(rk_str_c("{\"from\":\"北京\",\"to\":\"成都\",\"date\":\"2026-12-04\",\"adults\":1}"), 4096, &e);
  struct rk_trip t;
  assert_int_equal(rk_trip_read(RK_TRIP_BIT(RK_TRIP_TRAIN) | RK_TRIP_BIT(RK_TRIP_FLIGHT), slots, rk_now_ms(), &t, &e), RK_OK);
  struct rk_trip_found both = found_of(&t, "zh");
  t.kinds = RK_TRIP_BIT(RK_TRIP_TRAIN);
  struct rk_trip_found trains = found_of(&t, "zh");
  t.kinds = RK_TRIP_BIT(RK_TRIP_FLIGHT);
  struct rk_trip_found flights = found_of(&t, "zh");
  int64_t rail = trains.shown[0]->whole.total.minor, air = flights.shown[0]->whole.total.minor;
  assert_int_equal(both.shown[0]->whole.total.minor, rail < air ? rail : air);
  assert_int_equal(both.n_services, trains.n_services + flights.n_services);
  t.wish = RK_WISH_SOONEST;
  flights = found_of(&t, "zh");
  for (int32_t i = 1; i < flights.n_shown; i++) assert_true(strcmp(flights.shown[i - 1]->starts, flights.shown[i]->starts) <= 0);
  json_decref(slots);
}

static void currencies_are_not_compared(void **state) {
  struct rk_trip t = trip_of(RK_TRIP_TRAIN, "{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"2026-11-29\",\"adults\":1}");
  struct rk_trip_found f = found_of(&t, "zh");
  assert_true(f.n_shown > 0 && f.n_other_currency > 0);
  for (int32_t i = 0; i < f.n_shown; i++) assert_string_equal(f.shown[i]->whole.total.currency, "CNY");
  strcpy(t.currency, "USD");
  f = found_of(&t, "zh");
  assert_true(f.n_shown > 0);
  assert_string_equal(f.shown[0]->whole.total.currency, "USD");
  strcpy(t.currency, "EUR");
  f = found_of(&t, "zh");
  assert_int_equal(f.n_shown, 0);
}

/* Goods of one shop go the same way: a line each. */
static struct rk_offer good(const char *query, int32_t quantity) {
  struct rk_offer *offers;
  struct rk_shop_report *reports;
  int32_t n, n_reports;
  if (rk_merchants_search(merchants, &(struct rk_search){.query = query, .lang = "zh"}, arena, &offers, &n, &reports, &n_reports, &e)) fail_msg("%s", e.msg);
  assert_true(n > 0);
  if (rk_offer_price(&offers[0], quantity, "")) fail_msg("%s", query);
  return offers[0];
}

static void several_goods_in_one_checkout(void **state) {
  struct rk_offer meter = good("血压计", 1), masks = good("口罩", 2), train;
  const struct rk_offer *more = &masks;
  struct rk_prepare p = {.user_id = rk_store_local_user(store), .chat_id = "chat", .turn_id = "turn", .instrument_id = "card", .lang = "zh", .deliver_by = "",
                         .offer = &meter, .more = &more, .n_more = 1, .address = {"张伟", "13800000000", "漕溪北路18号", "上海"}};
  json_t *a;
  if (rk_trade_prepare(trade, &p, &a, &e)) fail_msg("%s", e.msg);
  const json_t *terms = rk_json_obj(a, "terms"), *lines = rk_json_arr(terms, "lines");
  assert_int_equal(json_array_size(lines), 2);
  assert_string_equal(rk_json_cstr(json_array_get(lines, 1), "item_id", ""), masks.item_id);
  assert_int_equal(rk_json_i64(json_array_get(lines, 1), "quantity", 0), 2);
  buy(a);
  json_t *orders = sold("shops/lanhai");
  assert_int_equal(json_array_size(rk_json_arr(json_array_get(orders, 0), "lines")), 2);
  json_decref(orders);
  json_decref(a);
  train = masks;
  train.origin = "http://127.0.0.2:1";
  more = &train;
  assert_int_equal(rk_trade_prepare(trade, &p, &a, &e), RK_EINVAL);
  train = masks;
  strcpy(train.unit_price.currency, "USD");
  assert_int_equal(rk_trade_prepare(trade, &p, &a, &e), RK_EINVAL);
  p.n_more = RK_MAX_LINE_ITEMS;
  assert_int_equal(rk_trade_prepare(trade, &p, &a, &e), RK_EINVAL);
  p.n_more = 0;
  p.address.street = "";
  assert_int_equal(rk_trade_prepare(trade, &p, &a, &e), RK_EINVAL);
}

static void a_class_in_words(void **state) {
  struct rk_trip t = trip_of(RK_TRIP_TRAIN, "{\"from\":\"上海\",\"to\":\"北京\",\"date\":\"明天\",\"adults\":1,\"fare\":\"一等座\"}");
  struct rk_trip_found f = found_of(&t, "zh");
  assert_true(f.n_shown > 0);
  for (int32_t i = 0; i < f.n_shown; i++) assert_string_equal(rk_pick_option(&f.shown[i]->lines[0], "class"), "first");
  struct rk_buf why;
  rk_buf_init(&why, 4096);
  assert_int_equal(rk_trip_reason(&t, &f, true, &why), RK_OK);
  assert_non_null(strstr(why.p, "一等座"));
  rk_buf_release(&why);
}

static void slots_come_back_as_they_were_read(void **state) {
  struct rk_trip t = trip_of(RK_TRIP_TRAIN, "{\"from\":\" 上海 \",\"to\":\"杭州\",\"date\":\"next Friday\",\"after\":\"9\",\"before\":\"12:30\",\"adults\":1,\"wish\":\"earliest\"}"), again;
  json_t *slots = rk_trip_slots(&t);
  assert_int_equal(rk_trip_read(t.kinds, slots, rk_now_ms(), &again, &e), RK_OK);
  json_t *second = rk_trip_slots(&again);
  assert_true(json_equal(slots, second) && again.wish == t.wish && again.before_min == t.before_min);
  json_decref(second);
  assert_true(t.after_min == 540 && t.before_min == 750 && strcmp(t.date, "2026-12-04") == 0 && strcmp(t.from, "上海") == 0);
  json_decref(slots);
}

static void wrong_slots_name_themselves(void **state) {
  static const struct { enum rk_trip_kind kind; const char *slots, *says; } cases[] = {
      {RK_TRIP_TRAIN, "{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"2026-11-01\",\"adults\":1}", "date"},
      {RK_TRIP_TRAIN, "{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"2027-02-30\",\"adults\":1}", "date"},
      {RK_TRIP_TRAIN, "{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"soon\",\"adults\":1}", "date"},
      {RK_TRIP_TRAIN, "{\"from\":\"上海\",\"to\":\"杭州\",\"adults\":1}", "date"},
      {RK_TRIP_TRAIN, "{\"from\":\"上海\",\"date\":\"明天\",\"adults\":1}", "to is missing"},
      {RK_TRIP_TRAIN, "{\"from\":\"上海\",\"to\":\"上海\",\"date\":\"明天\",\"adults\":1}", "both"},
      {RK_TRIP_TRAIN, "{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"明天\"}", "nobody"},
      {RK_TRIP_TRAIN, "{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"明天\",\"adults\":0}", "nobody"},
      {RK_TRIP_TRAIN, "{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"明天\",\"adults\":200}", "adults"},
      {RK_TRIP_TRAIN, "{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"明天\",\"adults\":-1}", "adults"},
      {RK_TRIP_TRAIN, "{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"明天\",\"adults\":1.5}", "adults"},
      {RK_TRIP_TRAIN, "{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"明天\",\"adults\":6,\"children\":6}", "12"},
      {RK_TRIP_TRAIN, "{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"明天\",\"children\":1}", "alone"},
      {RK_TRIP_TRAIN, "{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"明天\",\"adults\":1,\"after\":\"25:00\"}", "after"},
      {RK_TRIP_TRAIN, "{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"明天\",\"adults\":1,\"after\":\"18:00\",\"before\":\"12:00\"}", "before"},
      {RK_TRIP_TRAIN, "{\"from\":7,\"to\":\"杭州\",\"date\":\"明天\",\"adults\":1}", "from"},
      {RK_TRIP_STAY, "{\"city\":\"杭州\",\"date\":\"2026-11-30\",\"end_date\":\"2026-11-28\"}", "not after"},
      {RK_TRIP_STAY, "{\"city\":\"杭州\",\"date\":\"2026-11-28\"}", "leaving"},
      {RK_TRIP_STAY, "{\"date\":\"2026-11-28\",\"nights\":1}", "city is missing"},
      {RK_TRIP_FILM, "{\"city\":\"上海\",\"date\":\"明天\",\"seats\":10}", "seats"},
      {RK_TRIP_FILM, "{\"city\":\"上海\",\"date\":\"明天\",\"seats\":2,\"wish\":\"best\"}", "wish"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rk_trip t;
    e.msg[0] = 0;
    rk_err err = read_slots(cases[i].kind, cases[i].slots, &t);
    if (err != RK_EINVAL || !strstr(e.msg, cases[i].says)) fail_msg("%s: %d %s", cases[i].slots, err, e.msg);
  }
}

/* What only the sellers know. */
static void sellers_refuse_in_their_own_words(void **state) {
  static const struct { const char *slots, *says; } cases[] = {
      {"{\"from\":\"上海\",\"to\":\"亚特兰蒂斯\",\"date\":\"明天\",\"adults\":1}", "上海"},
      {"{\"from\":\"上海\",\"to\":\"Shanghai\",\"date\":\"明天\",\"adults\":1}", "same city"},
      {"{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"2027-05-01\",\"adults\":1}", "2026-12-23"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rk_trip t = trip_of(RK_TRIP_TRAIN, cases[i].slots);
    struct rk_trip_found f;
    assert_int_equal(rk_trip_search(merchants, &t, "zh", arena, &f, &e), RK_EINVAL);
    if (!strstr(e.msg, cases[i].says)) fail_msg("%s: %s", cases[i].slots, e.msg);
    assert_int_equal(f.n_reports, 2);
  }
}

static void only_people_on_file_travel(void **state) {
  struct rk_trip t = trip_of(RK_TRIP_TRAIN, "{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"2026-11-28\",\"adults\":3}");
  struct rk_traveler who[RK_MAX_TRAVELERS];
  int32_t n;
  assert_int_equal(rk_trip_party(&t, profile, arena, who, &n, &e), RK_EINVAL);
  assert_non_null(strstr(e.msg, "2 of 3 adults"));
  json_t *born = rk_json_parse(rk_str_c("{\"name\":\"Kim\",\"passengers\":[{\"name\":\"Ann\",\"birth_date\":\"2012-11-28\"},{\"name\":\"Ben\",\"birth_date\":\"2012-11-29\"},"
                                        "{\"name\":\"Cleo\",\"birth_date\":\"1980-01-01\"}]}"), 4096, &e);
  t.adults = 3;
  t.children = 1;
  assert_int_equal(rk_trip_party(&t, born, arena, who, &n, &e), RK_OK); /* 14 on the day of the trip is no child */
  assert_true(n == 4 && strcmp(who[0].name, "Kim") == 0 && strcmp(who[3].name, "Ben") == 0 && who[3].child);
  json_decref(born);
}

static void kinds_in_the_users_words(void **state) {
  static const struct { const char *said; unsigned kinds; } cases[] = {
      {"周末去杭州, 高铁往返, 酒店一晚", RK_TRIP_BIT(RK_TRIP_TRAIN) | RK_TRIP_BIT(RK_TRIP_STAY)}, {"a flight to chengdu", RK_TRIP_BIT(RK_TRIP_FLIGHT)},
      {"两张电影票", RK_TRIP_BIT(RK_TRIP_FILM)}, {"动物园门票", RK_TRIP_BIT(RK_TRIP_TICKET)}, {"买一双跑步鞋", 0}, {"a training shirt", 0}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) assert_int_equal(rk_trip_said(rk_str_c(cases[i].said)), cases[i].kinds);
}

static void cards_say_what_decides(void **state) {
  struct rk_trip t = trip_of(RK_TRIP_TRAIN, "{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"2026-11-28\",\"adults\":2,\"children\":1}");
  struct rk_trip_found f = found_of(&t, "en");
  json_t *card = rk_trip_card(&t, f.shown[0], 1);
  const json_t *travel = rk_json_obj(card, "travel");
  assert_int_equal(rk_json_i64(card, "total_minor", 0), f.shown[0]->whole.total.minor);
  assert_string_equal(rk_json_cstr(rk_json_obj(card, "options"), "class", ""), "second class");
  assert_string_equal(rk_json_cstr(travel, "date", ""), "2026-11-28");
  assert_int_equal(json_array_size(rk_json_arr(travel, "lines")), 2);
  assert_null(rk_json_obj(card, "delivery"));
  json_decref(card);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_family_by_train), cmocka_unit_test(a_stay_fits_the_party_and_the_nightly_limit), cmocka_unit_test(tickets_for_a_zoo),
      cmocka_unit_test(seats_side_by_side), cmocka_unit_test(train_or_plane_whichever_is_cheaper), cmocka_unit_test(currencies_are_not_compared), cmocka_unit_test(several_goods_in_one_checkout),
      cmocka_unit_test(a_class_in_words),
      cmocka_unit_test(slots_come_back_as_they_were_read), cmocka_unit_test(wrong_slots_name_themselves), cmocka_unit_test(sellers_refuse_in_their_own_words),
      cmocka_unit_test(only_people_on_file_travel), cmocka_unit_test(kinds_in_the_users_words), cmocka_unit_test(cards_say_what_decides)};
  return cmocka_run_group_tests(tests, start, stop);
}
