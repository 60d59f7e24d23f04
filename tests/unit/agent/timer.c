/* What time alone brings about, with a merchant and a model that this file plays: an approval that runs out ends its
 * turn, and a payment whose outcome is not known is looked up, both without anybody asking. */
#include "trade/fake_merchant.h"

#include "agent/agent.h"
#include "agent/timer.h"

enum { PATIENCE_MS = 30000 };

static struct side s;
static struct rk_agent *agent;
static struct rk_error e;

rk_err rk_merchants_search(struct rk_merchants *m, const struct rk_search *q, struct rk_arena *a, struct rk_offer **offers, int32_t *n_offers,
                           struct rk_shop_report **reports, int32_t *n_reports, struct rk_error *err) {
  return rk_fail(err, RK_EUNAVAIL, "no search in this test");
}

/* The last words of a turn. */
rk_err rk_chat_run(struct rk_chat_model *m, const struct rk_chat_request *q, const atomic_int *cancel, rk_chat_fn *fn, void *ud, struct rk_chat_result *r,
                   struct rk_error *err) {
  fn(ud, &(struct rk_chat_event){.type = RK_CHAT_TEXT, .text = RK_STR("So it ended.")});
  *r = (struct rk_chat_result){.n_prompt = 100, .n_cached = 90, .n_completion = 4, .finish = RK_FINISH_STOP};
  return RK_OK;
}

static int setup(void **state) {
  fake_reset();
  side_new(&s);
  return rk_agent_new(&(struct rk_agent_opts){.store = s.store, .trade = s.trade}, &agent, &e) || rk_agent_resume(agent, &e);
}

static int teardown(void **state) {
  rk_agent_free(agent);
  side_remove(&s);
  return 0;
}

/* A turn that stands at an approval, as a worker leaves it. */
static json_t *waiting_turn(char turn_id[37]) {
  char chat_id[37];
  bool existed;
  struct rk_turn_new in = {.user_id = s.user, .text = RK_STR("buy shoes")};
  assert_int_equal(rk_store_turn_new(s.store, &in, chat_id, turn_id, &existed, &e), RK_OK);
  struct rk_offer o = fake_offer(0);
  json_t *a = NULL;
  s.chat_id = chat_id;
  s.turn_id = turn_id;
  if (side_prepare(&s, &o, NULL, 0, &a, &e)) fail_msg("%s", e.msg);
  json_t *journal = json_pack("{s:[], s:[], s:{}, s:i, s:s, s:s}", "messages", "texts", "usage", "began_ms", 1, "approval_id", rk_json_cstr(a, "id", ""),
                              "checkout_call", "call_1");
  assert_int_equal(rk_store_turn_journal(s.store, turn_id, journal, &e), RK_OK);
  assert_int_equal(rk_store_turn_state(s.store, turn_id, "waiting", &e), RK_OK);
  json_decref(journal);
  return a;
}

static void await(const char *type, int n) {
  for (int64_t until = rk_mono_ms() + PATIENCE_MS; side_count_events(&s, type) < n && rk_mono_ms() < until;) rk_sleep_ms(20);
  assert_int_equal(side_count_events(&s, type), n);
}

static void assert_turn(const char *turn_id, const char *state) {
  json_t *turn = rk_store_turn(s.store, turn_id);
  assert_string_equal(rk_json_cstr(turn, "state", ""), state);
  json_decref(turn);
}

static void an_approval_that_runs_out_ends_its_turn(void **state) {
  char turn_id[37];
  fake->ttl_ms = 1500;
  json_t *a = waiting_turn(turn_id);
  rk_agent_free(agent); /* a new start finds it waiting, with time left */
  assert_int_equal(rk_agent_new(&(struct rk_agent_opts){.store = s.store, .trade = s.trade}, &agent, &e), RK_OK);
  assert_int_equal(rk_agent_resume(agent, &e), RK_OK);
  assert_turn(turn_id, "waiting");
  await("turn_done", 1);
  assert_turn(turn_id, "done");
  assert_int_equal(side_count_events(&s, "approval_result"), 1);
  json_t *now = rk_trade_approval(s.trade, s.user, rk_json_cstr(a, "id", ""));
  assert_string_equal(rk_json_cstr(now, "state", ""), "expired");
  assert_int_equal(rk_agent_decide(agent, s.user, "page", rk_json_cstr(a, "id", ""), "approve", rk_json_cstr(a, "terms_hash", ""), &e), RK_EGONE);
  rk_sleep_ms(200);
  assert_int_equal(side_count_events(&s, "turn_done"), 1);
  assert_int_equal(fake->checkouts[0].n_charges, 0);
  struct rk_agent_stats stats;
  rk_agent_stats(agent, &stats);
  assert_int_equal(stats.turns_ended, 1);
  assert_int_equal(stats.tokens_cached, 90 * stats.model_calls);
  json_decref(now);
  json_decref(a);
}

static void a_payment_of_unknown_outcome_is_looked_up_by_itself(void **state) {
  char turn_id[37];
  json_t *a = waiting_turn(turn_id);
  fake->lose_reply = true;
  fake->get_down = false;
  fake->busy = true; /* taken, but still worked on: unknown until a later look */
  assert_int_equal(rk_agent_decide(agent, s.user, "page", rk_json_cstr(a, "id", ""), "approve", rk_json_cstr(a, "terms_hash", ""), &e), RK_OK);
  await("turn_done", 1);
  assert_int_equal(side_count_events(&s, "order"), 0);
  assert_int_equal(rk_trade_n_open(s.trade), 1);
  fake->busy = false;
  await("order", 1);
  assert_int_equal(rk_trade_n_open(s.trade), 0);
  assert_int_equal(fake->checkouts[0].n_charges, 1);
  json_decref(a);
}

static void a_waiting_turn_is_cancelled_once(void **state) {
  char turn_id[37];
  json_t *a = waiting_turn(turn_id);
  assert_int_equal(rk_agent_cancel(agent, s.user, turn_id, &e), RK_OK);
  assert_turn(turn_id, "cancelled");
  rk_sleep_ms(100);
  assert_int_equal(side_count_events(&s, "turn_done"), 1);
  assert_int_equal(side_count_events(&s, "approval_result"), 1);
  json_decref(a);
}

static int n_ticks;
static int64_t every_10_ms(void *ud) { return ++n_ticks < 4 ? 10 : -1; }

static void it_sleeps_until_the_time_or_a_poke(void **state) {
  struct rk_timer *t = rk_timer_new(every_10_ms, NULL);
  rk_sleep_ms(300);
  int before = n_ticks;
  rk_timer_poke(t);
  rk_sleep_ms(100);
  rk_timer_free(t);
  assert_int_equal(before, 4);
  assert_int_equal(n_ticks, 5);
}

int main(void) {
  fake_start();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(an_approval_that_runs_out_ends_its_turn, setup, teardown),
      cmocka_unit_test_setup_teardown(a_payment_of_unknown_outcome_is_looked_up_by_itself, setup, teardown),
      cmocka_unit_test_setup_teardown(a_waiting_turn_is_cancelled_once, setup, teardown),
      cmocka_unit_test(it_sleeps_until_the_time_or_a_poke)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
