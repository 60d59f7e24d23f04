/* bought.h - one order that was bought at the fake merchant of the unit tests, for order.c and webhook.c: {"id":"ORDER"} of an input
 * is its number. When all of it is paid back, another one is bought. */
#define CMOCKA_H_ /* its merchant asserts in the words of cmocka */
#define assert_true(x) RK_ASSERT(x)
#define assert_non_null(x) RK_ASSERT((x) != NULL)
#define assert_int_equal(a, b) RK_ASSERT((a) == (b))
#define fail_msg(...) RK_ASSERT(!"the order could not be bought")
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "../tests/unit/trade/fake_merchant.h"

enum { BOUGHT_TOTAL_MINOR = 30600 };

static struct side bought_side;
static char bought_id[37], bought_order[64]; /* our number of it, and the merchant's */

static void buy(void) {
  struct rk_error e = {RK_OK, ""};
  json_t *a = NULL, *order = NULL;
  fake_reset();
  struct rk_offer o = fake_offer(0);
  RK_ASSERT(side_prepare(&bought_side, &o, "card", 0, &a, &e) == RK_OK);
  const char *approval = rk_json_cstr(a, "id", "");
  RK_ASSERT(rk_trade_decide(bought_side.trade, bought_side.user, "page", approval, "approve", rk_json_cstr(a, "terms_hash", ""), &e) == RK_OK);
  RK_ASSERT(rk_trade_complete(bought_side.trade, approval, &order, &e) == RK_OK);
  snprintf(bought_id, sizeof bought_id, "%s", rk_json_cstr(order, "id", ""));
  snprintf(bought_order, sizeof bought_order, "%s", rk_json_cstr(order, "merchant_order_id", ""));
  json_decref(order);
  json_decref(a);
}

static void bought_stop(void) { side_remove(&bought_side); }

static void bought_start(void) {
  fake_start();
  side_new(&bought_side);
  buy();
  atexit(bought_stop);
}

/* Money comes back up to what was paid, and the books hold. */
static void bought_check(void) {
  static int runs;
  int64_t back = rk_store_order_refunded(bought_side.store, bought_id);
  RK_ASSERT(back >= 0 && back <= BOUGHT_TOTAL_MINOR);
  if (back == BOUGHT_TOTAL_MINOR || ++runs % 256 == 0) {
    struct rk_error e = {RK_OK, ""};
    json_t *audit;
    RK_ASSERT(rk_trade_audit(bought_side.trade, &audit, &e) == RK_OK && rk_json_bool(audit, "ok", false));
    json_decref(audit);
  }
  if (back == BOUGHT_TOTAL_MINOR) {
    bought_stop();
    side_new(&bought_side);
    buy();
  }
}

/* The input as an order of ours, when it says so. */
static json_t *order_of(rk_str text) {
  json_t *v = rk_json_parse(text, 1 << 20, NULL);
  if (rk_str_eq(rk_json_str(v, "id"), RK_STR("ORDER"))) json_object_set_new(v, "id", json_string(bought_order));
  return v;
}
