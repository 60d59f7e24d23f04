/* Over real HTTP, from the agent's offer to the sellers' books: a stay by booking sessions, and orders whose places are changed. */
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/travel.h"
#include "base/clock.h"
#include "http/http.h"
#include "shop/serve.h"
#include "shop/store.h"
#include "store/money.h"
#include "trade/exchange.h"
#include "trade/ucp.h"

enum { RAIL, AIR, HOTEL, TICKETS, CINEMA, N_SELLERS };

static const char *const dirs[] = {"shops/travel/tongtu", "shops/travel/yunyi", "shops/travel/yunqi", "shops/travel/changyou", "shops/travel/guangying"};
static char dir[] = "/tmp/rukou-after-XXXXXX";
static struct rk_key *key;
static struct rk_http *listener;
static struct rk_serve *served;
static struct rk_net *net;
static struct rk_merchants *merchants;
static struct rk_store *store;
static struct rk_trade *trade;
static struct rk_arena *arena;
static json_t *profile;
static const char *user;
static struct rk_error e;
static int n_bookings, n_checkouts, n_unsigned; /* requests since wire_reset() */

static const char family[] =
    "{\"name\":\"张伟\",\"phone\":\"13800000000\",\"address\":\"\",\"passengers\":[{\"name\":\"张小宝\",\"type\":\"child\",\"age\":8},{\"name\":\"李娜\",\"type\":\"adult\"},"
    "{\"name\":\"张伟\",\"type\":\"adult\"}],\"instruments\":[{\"id\":\"card\",\"kind\":\"card\",\"default\":true}]}";

static void answer_profile(struct rk_http_req *r, void *ctx) {
  const char *version = strstr(rk_http_path(r).p, RK_UCP_VERSION) ? RK_UCP_VERSION : rk_ucp_version(0);
  rk_http_reply_json(r, 200, rk_ucp_platform_profile(&(struct rk_ucp_platform){.key = key, .profile_url = "http://127.0.0.1/.well-known/ucp"}, version));
}
static const struct rk_route web[] = {{"GET", "/*", answer_profile}};

static void on_exchange(void *ud, const struct rk_exchange *x) {
  n_bookings += strstr(x->url, "/booking-sessions") != NULL;
  n_checkouts += strstr(x->url, "/checkout-sessions") != NULL;
  n_unsigned += !x->is_signed && strcmp(x->op, "discover") != 0;
}

static void wire_reset(void) { n_bookings = n_checkouts = n_unsigned = 0; }

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f) { return remove(path); }

static int start(void **state) {
  static char agent[64], url[128], pem[128];
  static const char *agents[] = {agent}, *origins[N_SELLERS];
  setenv("RUKOU_CLOCK", "2026-11-23T10:00:00+08:00", 1);
  if (rk_clock_init(&e) || !mkdtemp(dir)) return -1;
  snprintf(pem, sizeof pem, "%s/key.pem", dir);
  if (rk_key_load_or_make(pem, &key, &e) || rk_net_new(&net, &e) ||
      rk_http_start(&(struct rk_http_opts){.address = "127.0.0.1", .routes = web, .n_routes = 1}, &listener, &e)) return -1;
  snprintf(agent, sizeof agent, "http://127.0.0.1:%d", rk_http_port(listener));
  snprintf(url, sizeof url, "%s/.well-known/ucp", agent);
  if (rk_serve_start(&(struct rk_serve_opts){.dirs = dirs, .n_dirs = N_SELLERS, .data_dir = dir, .sandbox = true, .agents = agents, .n_agents = 1}, &served, &e)) return -1;
  for (int i = 0; i < N_SELLERS; i++) origins[i] = rk_serve_origin(served, i);
  if (rk_merchants_new(&(struct rk_merchants_opts){.net = net, .agent_profile_url = url, .origins = origins, .n_origins = N_SELLERS, .key = key, .on_exchange = on_exchange},
                       &merchants, &e) ||
      rk_store_open(dir, &store, &e) || rk_trade_new(&(struct rk_trade_opts){store, merchants, key}, &trade, &e)) return -1;
  user = rk_store_local_user(store);
  json_t *filled = rk_json_parse(rk_str_c(family), 4096, &e);
  if (!filled || rk_store_profile_set(store, user, filled, &e)) return -1;
  json_decref(filled);
  profile = rk_store_profile(store, user);
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

static struct rk_trip_found find(enum rk_trip_kind kind, const char *slots, struct rk_trip *t) {
  json_t *v = rk_json_parse(rk_str_c(slots), 4096, &e);
  struct rk_trip_found f;
  if (rk_trip_read(RK_TRIP_BIT(kind), v, rk_now_ms(), t, &e) || rk_trip_search(merchants, t, "zh", arena, &f, &e)) fail_msg("%s", e.msg);
  assert_true(f.n_shown > 0);
  json_decref(v);
  return f;
}

static json_t *approval_of(enum rk_trip_kind kind, const char *slots) {
  struct rk_trip t;
  struct rk_trip_found f = find(kind, slots, &t);
  struct rk_prepare p = {.user_id = user, .chat_id = "chat", .turn_id = "turn", .instrument_id = "card", .lang = "zh"};
  json_t *approval;
  if (rk_trip_prepare(trade, &p, &t, f.shown[0], profile, RK_TRIP_BIT(kind), &approval, &e)) fail_msg("%s", e.msg);
  return approval;
}

static json_t *complete(const json_t *approval) {
  const char *id = rk_json_cstr(approval, "id", "");
  json_t *order;
  if (rk_trade_decide(trade, user, "page", id, "approve", rk_json_cstr(approval, "terms_hash", ""), &e) || rk_trade_complete(trade, id, &order, &e)) fail_msg("%s", e.msg);
  return order;
}

static json_t *buy(enum rk_trip_kind kind, const char *slots) {
  json_t *a = approval_of(kind, slots), *order = complete(a);
  json_decref(a);
  return order;
}

/* The lines of the best offer for those slots, as what an order is changed to. */
static rk_err change(const json_t *order, enum rk_trip_kind kind, const char *slots, json_t **approval) {
  struct rk_trip t;
  struct rk_trip_found f = find(kind, slots, &t);
  const struct rk_trip_option *o = f.shown[0];
  struct rk_line to[2];
  for (int32_t i = 0; i < o->n_lines; i++) to[i] = (struct rk_line){.item_id = o->lines[i].item_id, .quantity = o->lines[i].quantity};
  return rk_trade_change(trade, &(struct rk_change_ask){.user_id = user, .order_id = rk_json_cstr(order, "id", ""), .lang = "zh", .to = to, .n_to = o->n_lines}, approval, &e);
}

static json_t *sold(int seller) {
  struct rk_db *db = NULL;
  char path[300];
  assert_int_equal(rk_shop_db_path(dirs[seller], dir, path, sizeof path, &e), RK_OK);
  assert_int_equal(rk_shop_store_open(path, &db, &e), RK_OK);
  json_t *orders = rk_shop_store_orders(db, &e);
  rk_db_close(db);
  return orders;
}

static int64_t spent(void) { return -rk_store_balance(store, user, "card"); }

static void holds_together(void) {
  json_t *found;
  assert_int_equal(rk_trade_audit(trade, &found, &e), RK_OK);
  if (!rk_json_bool(found, "ok", false)) {
    char *text = rk_json_dump(found);
    fail_msg("%s", text);
  }
  json_decref(found);
}

static const char *option(const json_t *order, const char *name) {
  return rk_json_cstr(rk_json_obj(json_array_get(rk_json_arr(order, "lines"), 0), "options"), name, "");
}

/* ---- tests ---- */

static void a_stay_goes_by_booking_sessions(void **state) {
  wire_reset();
  json_t *a = approval_of(RK_TRIP_STAY, "{\"city\":\"杭州\",\"date\":\"2026-11-28\",\"nights\":2,\"adults\":2,\"children\":1}"), *order = complete(a);
  const json_t *terms = rk_json_obj(a, "terms");
  assert_true(n_bookings >= 3 && n_checkouts == 0 && n_unsigned == 0); /* create, read, complete; every answer signed */
  assert_true(rk_str_starts(rk_json_str(rk_json_obj(terms, "merchant"), "origin"), RK_STR("http://")));
  assert_int_equal(json_array_size(rk_json_arr(terms, "travelers")), 3);
  assert_string_equal(rk_json_cstr(json_array_get(rk_json_arr(terms, "travelers"), 2), "kind", ""), "child");
  assert_string_equal(option(order, "date"), "2026-11-28");
  assert_string_equal(option(order, "end_date"), "2026-11-30");
  assert_true(option(order, "room")[0] && option(order, "rate_plan")[0]);
  assert_non_null(strstr(rk_json_cstr(terms, "refund_rule", ""), "取消"));
  json_t *orders = sold(HOTEL), *theirs = json_array_get(orders, 0);
  assert_int_equal(json_array_size(orders), 1);
  assert_string_equal(rk_json_cstr(rk_json_obj(theirs, "address"), "phone_number", ""), "13800000000");
  assert_int_equal(json_array_size(rk_json_arr(theirs, "travelers")), 3);
  assert_int_equal(spent(), rk_json_i64(order, "total_minor", -1));
  holds_together();
  json_decref(orders);
  json_decref(order);
  json_decref(a);
}

static void a_booking_that_is_refused_is_let_go(void **state) {
  wire_reset();
  struct rk_trip t;
  struct rk_trip_found f = find(RK_TRIP_STAY, "{\"city\":\"西安\",\"date\":\"2026-11-28\",\"nights\":1,\"adults\":1}", &t);
  struct rk_prepare p = {.user_id = user, .chat_id = "chat", .turn_id = "turn", .instrument_id = "card", .lang = "zh"};
  int32_t stock = f.shown[0]->lines[0].stock;
  json_t *a;
  t.max_total_minor = 1; /* over the limit: the session is cancelled */
  assert_int_equal(rk_trip_prepare(trade, &p, &t, f.shown[0], profile, 0, &a, &e), RK_EINVAL);
  assert_true(n_bookings == 2 && n_checkouts == 0);
  struct rk_trip_found again = find(RK_TRIP_STAY, "{\"city\":\"西安\",\"date\":\"2026-11-28\",\"nights\":1,\"adults\":1}", &t);
  assert_int_equal(again.shown[0]->lines[0].stock, stock);
}

/* What waits is edited at the merchant by the same sessions. */
static void a_booking_is_edited(void **state) {
  wire_reset();
  json_t *a = approval_of(RK_TRIP_STAY, "{\"city\":\"上海\",\"date\":\"2026-12-01\",\"nights\":1,\"adults\":1}"), *b, *c, *two = json_pack("{s:i}", "quantity", 2), *again = json_pack("{s:b}", "renew", 1);
  if (rk_trade_edit(trade, user, "page", rk_json_cstr(a, "id", ""), two, &b, &e)) fail_msg("%s", e.msg);
  assert_int_equal(rk_json_i64(rk_json_obj(b, "terms"), "total_minor", 0), 2 * rk_json_i64(rk_json_obj(a, "terms"), "total_minor", 0));
  assert_int_equal(json_array_size(rk_json_arr(rk_json_obj(b, "terms"), "lines")), 1);
  if (rk_trade_edit(trade, user, "page", rk_json_cstr(b, "id", ""), again, &c, &e)) fail_msg("%s", e.msg);
  assert_int_equal(json_array_size(rk_json_arr(c, "diff")), 0);
  json_t *order = complete(c);
  assert_true(n_checkouts == 0 && n_bookings >= 5);
  holds_together();
  json_t *all[] = {a, b, c, two, again, order};
  for (size_t k = 0; k < 6; k++) json_decref(all[k]);
}

/* A dearer and a cheaper one, of every kind: one order, the difference charged or refunded, the sellers' books the same. */
static void places_are_changed(void **state) {
  static const struct { enum rk_trip_kind kind; int seller; const char *old, *new; } cases[] = {
      {RK_TRIP_TRAIN, RAIL, "{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"2026-11-28\",\"adults\":2,\"children\":1}", "{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"2026-11-29\",\"adults\":2,\"children\":1}"},
      {RK_TRIP_FLIGHT, AIR, "{\"from\":\"北京\",\"to\":\"成都\",\"date\":\"2026-11-28\",\"adults\":1}", "{\"from\":\"北京\",\"to\":\"成都\",\"date\":\"2026-12-02\",\"adults\":1}"},
      {RK_TRIP_STAY, HOTEL, "{\"city\":\"成都\",\"date\":\"2026-11-28\",\"nights\":2,\"adults\":1,\"fare\":\"double-flex\"}", "{\"city\":\"成都\",\"date\":\"2026-12-01\",\"nights\":1,\"adults\":1}"},
      {RK_TRIP_TICKET, TICKETS, "{\"city\":\"杭州\",\"name\":\"动物园\",\"date\":\"2026-11-28\",\"adults\":2}", "{\"city\":\"杭州\",\"name\":\"动物园\",\"date\":\"2026-11-29\",\"adults\":2}"},
      {RK_TRIP_FILM, CINEMA, "{\"city\":\"上海\",\"date\":\"2026-11-28\",\"seats\":2}", "{\"city\":\"上海\",\"date\":\"2026-11-29\",\"seats\":2}"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    json_t *order = buy(cases[i].kind, cases[i].old), *a = NULL, *after;
    int64_t paid = rk_json_i64(order, "total_minor", 0), before = spent();
    rk_err err = change(order, cases[i].kind, cases[i].new, &a);
    if (err) fail_msg("case %zu: %s", i, e.msg);
    const json_t *terms = rk_json_obj(a, "terms"), *given = rk_json_obj(terms, "change");
    int64_t due = rk_json_i64(terms, "total_minor", -1), back = rk_json_i64(given, "back_minor", -1), fee = rk_json_i64(given, "fee_minor", -1);
    assert_string_equal(rk_json_cstr(a, "kind", ""), "change");
    assert_int_equal(rk_json_i64(given, "old_minor", 0), paid);
    assert_true(json_array_size(rk_json_arr(given, "lines")) == json_array_size(rk_json_arr(order, "lines")) && (due == 0 || back == 0));
    assert_int_equal(rk_trade_complete(trade, rk_json_cstr(a, "id", ""), &after, &e), RK_EFORBIDDEN);
    after = complete(a);
    assert_string_equal(rk_json_cstr(after, "id", ""), rk_json_cstr(order, "id", ""));
    assert_int_equal(spent() - before, due - back);
    assert_int_equal(rk_json_i64(after, "total_minor", 0), paid + due);
    assert_int_equal(rk_json_i64(after, "refunded_minor", 0), back);
    assert_int_equal(json_array_size(rk_json_arr(after, "lines")), json_array_size(rk_json_arr(terms, "lines")));
    assert_string_equal(option(after, "date"), rk_json_cstr(rk_json_obj(json_array_get(rk_json_arr(terms, "lines"), 0), "options"), "date", "?"));
    json_t *orders = sold(cases[i].seller), *theirs = json_array_get(orders, json_array_size(orders) - 1);
    assert_int_equal(rk_json_i64(theirs, "refund_fees_minor", 0), fee);
    assert_int_equal(rk_json_i64(theirs, "changes_minor", 0), due);
    json_t *again = rk_trade_order_status(trade, user, rk_json_cstr(order, "id", ""), &e);
    assert_int_equal(rk_json_i64(again, "refunded_minor", 0), back); /* booked once */
    holds_together();
    json_t *all[] = {again, orders, after, a, order};
    for (size_t k = 0; k < 5; k++) json_decref(all[k]);
  }
}

static void a_change_and_then_all_back(void **state) {
  json_t *order = buy(RK_TRIP_TRAIN, "{\"from\":\"北京\",\"to\":\"上海\",\"date\":\"2026-12-05\",\"adults\":1}"), *a, *after, *back;
  int64_t before = spent() - rk_json_i64(order, "total_minor", 0);
  if (change(order, RK_TRIP_TRAIN, "{\"from\":\"北京\",\"to\":\"上海\",\"date\":\"2026-12-06\",\"adults\":1,\"fare\":\"商务座\"}", &a)) fail_msg("%s", e.msg);
  assert_true(rk_json_i64(rk_json_obj(a, "terms"), "total_minor", 0) > 0);
  after = complete(a);
  if (rk_trade_give_back(trade, user, rk_json_cstr(order, "id", ""), "cancel", "zh", &back, &e)) fail_msg("%s", e.msg);
  int64_t total = rk_json_i64(after, "total_minor", 0), amount = rk_json_i64(rk_json_obj(back, "terms"), "back_minor", 0);
  assert_true(amount > rk_json_i64(order, "total_minor", 0) && amount <= total); /* more than the first charge: both are refunded */
  json_t *gone = complete(back);
  assert_int_equal(rk_json_i64(gone, "refunded_minor", 0), amount);
  assert_int_equal(spent() - before, total - amount);
  holds_together();
  json_t *all[] = {order, a, after, back, gone};
  for (size_t k = 0; k < 5; k++) json_decref(all[k]);
}

static void what_is_not_changed(void **state) {
  json_t *order = buy(RK_TRIP_TRAIN, "{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"2026-12-07\",\"adults\":1}"), *a, *b, *after;
  struct rk_line to = {.item_id = "G0.2026-12-04.second.adult", .quantity = 1};
  struct rk_change_line give = {.line_id = "li_9", .quantity = 1};
  struct rk_change_ask q = {.user_id = user, .order_id = rk_json_cstr(order, "id", ""), .to = &to, .n_to = 1};
  assert_int_equal(rk_trade_change(trade, &q, &a, &e), RK_EUPSTREAM); /* there is no such train */
  q.n_to = 0;
  assert_int_equal(rk_trade_change(trade, &q, &a, &e), RK_EINVAL);
  q.n_to = 1, q.order_id = "none";
  assert_int_equal(rk_trade_change(trade, &q, &a, &e), RK_ENOTFOUND);
  q.order_id = rk_json_cstr(order, "id", ""), q.user_id = "somebody";
  assert_int_equal(rk_trade_change(trade, &q, &a, &e), RK_ENOTFOUND);
  q.user_id = user, q.give = &give, q.n_give = 1, to.item_id = rk_json_cstr(json_array_get(rk_json_arr(order, "lines"), 0), "item_id", "");
  assert_int_equal(rk_trade_change(trade, &q, &a, &e), RK_EUPSTREAM);
  q.n_give = 0, q.instrument_id = "none";
  assert_int_equal(rk_trade_change(trade, &q, &a, &e), RK_EINVAL);
  json_t *saver = buy(RK_TRIP_STAY, "{\"city\":\"成都\",\"date\":\"2026-12-07\",\"nights\":1,\"adults\":1,\"fare\":\"double-saver\"}");
  assert_int_equal(change(saver, RK_TRIP_STAY, "{\"city\":\"成都\",\"date\":\"2026-12-08\",\"nights\":1,\"adults\":1}", &a), RK_ECONFLICT);
  assert_non_null(strstr(e.msg, "不可改期"));
  json_decref(saver);
  /* two at once: one is done, the other finds it gone and charges nothing */
  static const char slots[] = "{\"from\":\"上海\",\"to\":\"杭州\",\"date\":\"2026-12-08\",\"adults\":1}";
  assert_int_equal(change(order, RK_TRIP_TRAIN, slots, &a), RK_OK);
  assert_int_equal(change(order, RK_TRIP_TRAIN, slots, &b), RK_OK);
  json_decref(complete(a));
  int64_t now = spent();
  const char *id = rk_json_cstr(b, "id", "");
  assert_int_equal(rk_trade_decide(trade, user, "page", id, "approve", rk_json_cstr(b, "terms_hash", ""), &e), RK_OK);
  assert_int_equal(rk_trade_complete(trade, id, &after, &e), RK_ECONFLICT);
  assert_int_equal(spent(), now);
  holds_together();
  json_decref(b);
  json_decref(a);
  json_decref(order);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_stay_goes_by_booking_sessions), cmocka_unit_test(a_booking_that_is_refused_is_let_go), cmocka_unit_test(a_booking_is_edited),
                                     cmocka_unit_test(places_are_changed), cmocka_unit_test(a_change_and_then_all_back), cmocka_unit_test(what_is_not_changed)};
  return cmocka_run_group_tests(tests, start, stop);
}
