/* A turn at its plan, with a merchant that this file plays: it waits, brings the approved plan to its end, and says how
 * that was in the user's language, every part with what it cost. */
#include "trade/fake_merchant.h"

#include "agent/agent.h"
#include "agent/plan_turn.h"

static struct side s;
static struct rk_error e;
static struct rk_services sv;
static struct rk_turn turn;
static json_t *plan;

rk_err rk_merchants_search(struct rk_merchants *m, const struct rk_search *q, struct rk_arena *a, struct rk_offer **offers, int32_t *n_offers,
                           struct rk_shop_report **reports, int32_t *n_reports, struct rk_error *err) {
  return rk_fail(err, RK_EUNAVAIL, "no search in this test");
}

static void make(bool chinese) {
  const char *ids[2];
  bool existed;
  json_t *parts[2];
  struct rk_turn_new in = {.user_id = s.user, .text = RK_STR("two pairs of shoes")};
  assert_int_equal(rk_store_turn_new(s.store, &in, turn.chat_id, turn.id, &existed, &e), RK_OK);
  snprintf(turn.user_id, sizeof turn.user_id, "%s", s.user);
  s.chat_id = turn.chat_id;
  s.turn_id = turn.id;
  for (int i = 0; i < 2; i++) {
    struct rk_offer o = fake_offer(0);
    if (side_prepare(&s, &o, "card", 0, &parts[i], &e)) fail_msg("%s", e.msg);
    ids[i] = rk_json_cstr(parts[i], "id", "");
  }
  assert_int_equal(rk_trade_plan_new(s.trade, s.user, chinese ? "两双鞋" : "Two pairs", ids, 2, &plan, &e), RK_OK);
  for (int i = 0; i < 2; i++) json_decref(parts[i]);
  turn.intent.chinese = chinese;
  turn.journal = json_pack("{s:s}", "plan_id", rk_json_cstr(plan, "id", ""));
}

static int setup(void **state) {
  fake_reset();
  side_new(&s);
  turn = (struct rk_turn){.sv = &sv};
  sv = (struct rk_services){.store = s.store, .trade = s.trade};
  return 0;
}

static int teardown(void **state) {
  json_decref(plan);
  json_decref(turn.journal);
  side_remove(&s);
  return 0;
}

static void decide(const char *decision) {
  assert_int_equal(rk_trade_plan_decide(s.trade, s.user, "page", rk_json_cstr(plan, "id", ""), decision, rk_json_cstr(plan, "sheet_hash", ""), &e), RK_OK);
}

/* Settles, and the words that code says must hold each of these. */
static void settles(const char *status, const char *const *words) {
  bool waits = true;
  json_t *result = NULL, *close = NULL;
  if (rk_turn_plan_settle(&turn, &waits, &result, &close, &e)) fail_msg("%s", e.msg);
  assert_false(waits);
  assert_string_equal(rk_json_cstr(result, "status", ""), status);
  const char *text = json_string_value(close);
  for (; *words; words++)
    if (!strstr(text, *words)) fail_msg("no \"%s\" in: %s", *words, text);
  json_decref(result);
  json_decref(close);
}

static void it_waits_for_the_user(void **state) {
  bool waits = false;
  json_t *result, *close;
  make(true);
  assert_int_equal(rk_turn_plan_settle(&turn, &waits, &result, &close, &e), RK_OK);
  assert_true(waits && !result && !close);
  assert_int_equal(fake->checkouts[0].n_charges, 0);
  decide("refuse");
  settles("refused", (const char *const[]){"两双鞋", "没有扣款", NULL});
}

static void all_parts_are_told_with_their_orders(void **state) {
  make(true);
  decide("approve");
  settles("completed", (const char *const[]){"「两双鞋」全部买好了", "1. 跑步鞋（Fake）：成立，已付 ¥306.00，订单号 order-co-0", "2. 跑步鞋", "order-co-1", "支付 ¥612.00", NULL});
  settles("completed", (const char *const[]){"¥612.00", NULL}); /* a turn that is run again says the same */
  assert_int_equal(fake->checkouts[0].n_charges + fake->checkouts[1].n_charges, 2);
}

static void a_failure_is_told_with_what_it_cost(void **state) {
  make(false);
  decide("approve");
  fake->refuse = true;
  settles("undone", (const char *const[]){"did not come about", "failed, nothing was charged; the shop did not take the payment", "you can search and order again", "released, nothing was charged",
                                          "Paid in all: ¥0.00", NULL});
  assert_int_equal(fake->checkouts[0].status, RK_CO_CANCELED);
  assert_int_equal(fake->checkouts[1].status, RK_CO_CANCELED); /* what was held for the other part */
}

static void what_is_not_known_is_said_and_nothing_undone(void **state) {
  int32_t n_open;
  make(false);
  decide("approve");
  s.trade->patience_ms = 60000;
  fake->lose_reply = fake->get_down_after_payment = true;
  settles("completing", (const char *const[]){"has no end yet", "not known yet, it may have cost ¥306.00; it is being looked up", NULL});
  assert_int_equal(fake->n_confirms, 0);
  fake->lose_reply = fake->get_down_after_payment = false;
  assert_int_equal(rk_trade_reconcile(s.trade, &n_open, &e), RK_OK);
  assert_int_equal(n_open, 0);
  settles("completed", (const char *const[]){"every part is bought", NULL});
}

int main(void) {
  fake_start();
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
  const struct CMUnitTest tests[] = {T(it_waits_for_the_user), T(all_parts_are_told_with_their_orders), T(a_failure_is_told_with_what_it_cost),
                                     T(what_is_not_known_is_said_and_nothing_undone)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
