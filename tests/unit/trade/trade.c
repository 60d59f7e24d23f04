/* Approval, payment, order: what may happen, and above all what may not. */
#include "fake_merchant.h"

#include "base/limits.h"

static struct side s;
static struct rk_error e;

static int setup(void **state) {
  fake_reset();
  side_new(&s);
  return 0;
}

static int teardown(void **state) {
  side_remove(&s);
  return 0;
}

static json_t *prepared(const char *instrument) {
  struct rk_offer o = fake_offer(0);
  json_t *a = NULL;
  if (side_prepare(&s, &o, instrument, 0, &a, &e)) fail_msg("%s", e.msg);
  return a;
}

static rk_err decide(const json_t *a, const char *decision) {
  return rk_trade_decide(s.trade, s.user, "page", rk_json_cstr(a, "id", ""), decision, rk_json_cstr(a, "terms_hash", ""), &e);
}

static rk_err complete(const json_t *a, json_t **order) { return rk_trade_complete(s.trade, rk_json_cstr(a, "id", ""), order, &e); }

/* Takes changes. */
static rk_err edit(const json_t *a, const char *session, json_t *changes, json_t **changed) {
  rk_err err = rk_trade_edit(s.trade, s.user, session, rk_json_cstr(a, "id", ""), changes, changed, &e);
  json_decref(changes);
  return err;
}

static void assert_state(const json_t *a, const char *want) {
  json_t *now = rk_trade_approval(s.trade, s.user, rk_json_cstr(a, "id", ""));
  assert_string_equal(rk_json_cstr(now, "state", ""), want);
  json_decref(now);
}

static int count_ledger(const char *kind) {
  json_t *entries = rk_trade_ledger(s.trade, s.user), *one;
  size_t i;
  int n = 0;
  json_array_foreach(entries, i, one) n += rk_str_eq_c(rk_json_str(one, "kind"), kind);
  json_decref(entries);
  return n;
}

static size_t count_orders(void) {
  json_t *orders = rk_trade_orders(s.trade, s.user);
  size_t n = json_array_size(orders);
  json_decref(orders);
  return n;
}

static void assert_nothing_bought(void) {
  assert_int_equal(count_orders(), 0);
  assert_int_equal(count_ledger("capture"), 0);
  assert_int_equal(count_ledger("authorize"), count_ledger("void"));
  for (int i = 0; i < fake->n; i++) assert_int_equal(fake->checkouts[i].n_charges, 0);
}

static void assert_one_order(void) {
  int charges = 0;
  for (int i = 0; i < fake->n; i++) charges += fake->checkouts[i].n_charges;
  assert_int_equal(charges, 1);
  assert_int_equal(count_orders(), 1);
  assert_int_equal(count_ledger("authorize"), 1);
  assert_int_equal(count_ledger("capture"), 1);
  assert_int_equal(count_ledger("void"), 0);
  assert_int_equal(side_count_events(&s, "order"), 1);
}

/* ---- the straight way ---- */

static void approve_buys_once(void **state) {
  json_t *a = prepared(NULL), *order, *again;
  const json_t *terms = rk_json_obj(a, "terms");
  assert_string_equal(rk_json_cstr(a, "state", ""), "pending");
  assert_true(rk_json_bool(a, "demo_profile", false));
  assert_int_equal(rk_json_i64(terms, "total_minor", 0), 30600);
  assert_string_equal(rk_json_cstr(rk_json_obj(terms, "merchant"), "origin", ""), ORIGIN);
  assert_string_equal(rk_json_cstr(rk_json_obj(json_array_get(rk_json_arr(terms, "lines"), 0), "options"), "size", ""), "42");
  assert_string_equal(rk_json_cstr(rk_json_obj(rk_json_obj(terms, "fulfilment"), "address"), "street", ""), "漕溪北路18号");

  assert_int_equal(complete(a, &order), RK_EFORBIDDEN); /* not before the user said so */
  assert_nothing_bought();
  assert_int_equal(decide(a, "approve"), RK_OK);
  assert_state(a, "approved");
  assert_int_equal(complete(a, &order), RK_OK);
  assert_int_equal(complete(a, &again), RK_OK);
  assert_true(json_equal(order, again));
  assert_string_equal(rk_json_cstr(order, "merchant_order_id", ""), "order-co-0");
  assert_int_equal(rk_json_i64(order, "total_minor", 0), 30600);
  assert_string_equal(rk_json_cstr(rk_json_obj(order, "delivery"), "date", ""), "2026-11-30");
  assert_state(a, "completed");
  assert_one_order();
  assert_int_equal(side_count_events(&s, "approval_request"), 1);
  assert_int_equal(side_count_events(&s, "approval_result"), 1);
  json_decref(order);
  order = rk_trade_order_status(s.trade, s.user, rk_json_cstr(again, "id", ""), &e);
  assert_string_equal(rk_json_cstr(order, "status", ""), "fulfilled");
  assert_null(rk_trade_order_status(s.trade, "another user", rk_json_cstr(again, "id", ""), &e));
  assert_null(rk_trade_approval(s.trade, "another user", rk_json_cstr(a, "id", "")));
  json_decref(order);
  json_decref(again);
  json_decref(a);
}

static json_t *status_of(const json_t *order) {
  json_t *now = rk_trade_order_status(s.trade, s.user, rk_json_cstr(order, "id", ""), &e);
  assert_non_null(now);
  return now;
}

static void assert_refunded(const json_t *order, const char *status, int64_t minor, int n_entries) {
  for (int i = 0; i < 2; i++) { /* looked at twice, written once */
    json_t *now = status_of(order);
    assert_string_equal(rk_json_cstr(now, "status", ""), status);
    assert_int_equal(rk_json_i64(now, "refunded_minor", 0), minor);
    assert_int_equal(count_ledger("refund"), n_entries);
    json_decref(now);
  }
  json_t *listed = rk_trade_orders(s.trade, s.user);
  assert_string_equal(rk_json_cstr(json_array_get(listed, 0), "status", ""), status);
  json_decref(listed);
}

static void money_given_back_is_in_the_ledger_once(void **state) {
  fake->unit_minor = 9000;
  json_t *a = prepared("wallet"), *order;
  int64_t before = rk_store_balance(s.store, s.user, "wallet");
  assert_int_equal(decide(a, "approve"), RK_OK);
  assert_int_equal(complete(a, &order), RK_OK);
  assert_int_equal(rk_store_balance(s.store, s.user, "wallet"), before - 9600);
  assert_refunded(order, "fulfilled", 0, 0);
  fake->refunded[0] = 4000; /* a part: the rest stays what it is */
  assert_refunded(order, "fulfilled", 4000, 1);
  assert_int_equal(rk_store_balance(s.store, s.user, "wallet"), before - 5600);
  fake->refunded[1] = 5600;
  assert_refunded(order, "refunded", 9600, 2);
  fake->refunded[1] = 99999900; /* more than was paid: never */
  assert_refunded(order, "refunded", 9600, 2);
  assert_int_equal(rk_store_balance(s.store, s.user, "wallet"), before);
  assert_int_equal(side_count_events(&s, "order"), 4); /* bought, fulfilled, a part back, all back */
  json_decref(order);
  json_decref(a);
}

/* What was signed can be checked later by anybody with the public key: the canonical terms, whose hash was shown. */
static void the_signature_is_over_the_terms(void **state) {
  json_t *a = prepared(NULL);
  assert_int_equal(decide(a, "approve"), RK_OK);
  json_t *row = rk_store_approval(s.store, rk_json_cstr(a, "id", ""));
  struct rk_buf jcs, sig;
  char hash[65];
  rk_buf_init(&jcs, RK_MAX_TERMS_BYTES);
  rk_buf_init(&sig, 64);
  assert_int_equal(rk_terms_canonical(rk_json_obj(a, "terms"), &jcs, hash, &e), RK_OK);
  assert_string_equal(hash, rk_json_cstr(a, "terms_hash", ""));
  assert_int_equal(rk_base64url_decode(&sig, rk_json_str(row, "signature")), RK_OK);
  assert_int_equal(sig.n, 64);
  assert_true(rk_verify_es256(fake_key, rk_buf_str(&jcs), (const unsigned char *)sig.p));
  rk_buf_release(&jcs);
  rk_buf_release(&sig);
  json_decref(row);
  json_decref(a);
}

static void refuse_buys_nothing(void **state) {
  json_t *a = prepared(NULL), *order;
  assert_int_equal(decide(a, "refuse"), RK_OK);
  assert_int_equal(decide(a, "refuse"), RK_OK);
  assert_int_equal(decide(a, "approve"), RK_EGONE);
  assert_int_equal(complete(a, &order), RK_EGONE);
  assert_state(a, "refused");
  assert_nothing_bought();
  assert_int_equal(side_count_events(&s, "approval_result"), 1);
  json_decref(a);
}

static void sent_twice_is_decided_once(void **state) {
  json_t *a = prepared(NULL), *order;
  for (int i = 0; i < 3; i++) assert_int_equal(decide(a, "approve"), RK_OK);
  assert_int_equal(decide(a, "refuse"), RK_EGONE);
  assert_int_equal(complete(a, &order), RK_OK);
  json_decref(order);
  assert_int_equal(decide(a, "approve"), RK_OK);
  assert_int_equal(side_count_events(&s, "approval_result"), 1);
  assert_one_order();
  json_decref(a);
}

static void only_the_right_hash_session_and_user_decide(void **state) {
  json_t *a = prepared(NULL);
  const char *id = rk_json_cstr(a, "id", ""), *hash = rk_json_cstr(a, "terms_hash", "");
  char other[65];
  strcpy(other, hash);
  other[10] = other[10] == '0' ? '1' : '0';
  assert_int_equal(rk_trade_decide(s.trade, s.user, "page", id, "approve", other, &e), RK_ECONFLICT);
  assert_int_equal(rk_trade_decide(s.trade, s.user, "page", id, "approve", "", &e), RK_ECONFLICT);
  assert_int_equal(rk_trade_decide(s.trade, s.user, "key", id, "approve", hash, &e), RK_EFORBIDDEN);
  assert_int_equal(rk_trade_decide(s.trade, s.user, NULL, id, "approve", hash, &e), RK_EFORBIDDEN);
  assert_int_equal(rk_trade_decide(s.trade, "somebody", "page", id, "approve", hash, &e), RK_ENOTFOUND);
  assert_int_equal(rk_trade_decide(s.trade, s.user, "page", "none", "approve", hash, &e), RK_ENOTFOUND);
  assert_int_equal(rk_trade_decide(s.trade, s.user, "page", id, "yes", hash, &e), RK_EINVAL);
  assert_state(a, "pending");
  assert_int_equal(rk_trade_decide(s.trade, s.user, "terminal", id, "approve", hash, &e), RK_OK);
  json_decref(a);
}

static void too_late_is_too_late(void **state) {
  fake->ttl_ms = 60; /* the checkout's own expiry is the sooner one */
  json_t *a = prepared(NULL), *b = prepared(NULL), *order;
  assert_true(rk_json_i64(a, "expires_ms", 0) < rk_now_ms() + RK_APPROVAL_TTL_MS / 2);
  assert_int_equal(decide(b, "approve"), RK_OK);
  rk_sleep_ms(80);
  assert_int_equal(decide(a, "approve"), RK_EGONE);
  assert_state(a, "expired");
  assert_int_equal(decide(a, "approve"), RK_EGONE);
  assert_int_equal(complete(b, &order), RK_EGONE); /* decided in time, but not sent in time */
  assert_state(b, "failed");
  assert_nothing_bought();
  assert_int_equal(side_count_events(&s, "approval_result"), 2); /* approve of b, expired of a */
  json_decref(a);
  json_decref(b);
}

/* ---- before anything is proposed ---- */

static void the_cheapest_code_is_found(void **state) {
  fake->max_code_minor = 5000; /* it takes off more than the shop's list says */
  struct rk_offer o = fake_offer(4);
  json_t *a;
  assert_string_equal(o.coupon->code, "MINUS20");
  assert_int_equal(side_prepare(&s, &o, NULL, 0, &a, &e), RK_OK);
  assert_int_equal(rk_json_i64(rk_json_obj(a, "terms"), "total_minor", 0), 30600 - 5000);
  assert_string_equal(json_string_value(json_array_get(rk_json_arr(rk_json_obj(a, "terms"), "discounts"), 0)), "MINUS50");
  assert_string_equal(fake->checkouts[0].code, "MINUS50"); /* and it is what the merchant's checkout holds in the end */
  json_decref(a);
}

static void limits_hold_on_the_merchants_total(void **state) {
  struct rk_offer o = fake_offer(0);
  json_t *a;
  assert_int_equal(side_prepare(&s, &o, NULL, 30599, &a, &e), RK_EINVAL);
  assert_non_null(strstr(e.msg, "¥0.01 over"));
  assert_null(a);
  assert_int_equal(fake->checkouts[0].status, RK_CO_CANCELED);
  assert_int_equal(side_prepare(&s, &o, NULL, 30600, &a, &e), RK_OK);
  json_decref(a);
  fake->late_delivery = true;
  struct rk_prepare p = {.user_id = s.user, .chat_id = "c", .turn_id = "t", .offer = &o, .deliver_by = "2026-12-01",
                         .address = {"张伟", "1", "漕溪北路18号", "上海"}};
  assert_int_equal(rk_trade_prepare(s.trade, &p, &a, &e), RK_EINVAL);
  p.deliver_by = "";
  p.address.street = "";
  assert_int_equal(rk_trade_prepare(s.trade, &p, &a, &e), RK_EINVAL);
  assert_int_equal(side_count_events(&s, "approval_request"), 1);
}

static void a_merchant_that_answers_something_else_is_refused(void **state) {
  bool *const lies[] = {&fake->other_item, &fake->other_address, &fake->other_currency, &fake->bad_totals};
  for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
    struct rk_offer o = fake_offer(0);
    json_t *a;
    *lies[i] = true;
    assert_int_equal(side_prepare(&s, &o, NULL, 0, &a, &e), RK_EUPSTREAM);
    assert_null(a);
    *lies[i] = false;
  }
  fake->sandbox = false; /* a real shop gets no demo person */
  struct rk_offer o = fake_offer(0);
  json_t *a;
  assert_int_equal(side_prepare(&s, &o, NULL, 0, &a, &e), RK_EINVAL);
  fake->down = true;
  assert_int_equal(side_prepare(&s, &o, NULL, 0, &a, &e), RK_EUNAVAIL);
  assert_int_equal(side_count_events(&s, "approval_request"), 0);
}

/* ---- dated places ---- */

static rk_err prepare_places(int32_t quantity, int32_t n_people, json_t **a) {
  static const struct rk_traveler who[] = {{"张伟", false}, {"张小宝", true}};
  struct rk_offer o = fake_offer(0);
  o.travel_kind = "film";
  if (rk_offer_price(&o, quantity, "")) return RK_EINVAL;
  return rk_trade_prepare(s.trade, &(struct rk_prepare){.user_id = s.user, .chat_id = "c", .turn_id = "t", .offer = &o, .deliver_by = "", .instrument_id = "card",
      .travelers = who, .n_travelers = n_people, .seats_together = true, .address = {"", "", "漕溪北路18号", "上海"}}, a, &e);
}

static void travelers_are_those_that_were_named(void **state) {
  json_t *a;
  assert_int_equal(prepare_places(1, 2, &a), RK_OK);
  const json_t *who = rk_json_arr(rk_json_obj(a, "terms"), "travelers");
  assert_int_equal(json_array_size(who), 2);
  assert_string_equal(rk_json_cstr(json_array_get(who, 1), "kind", ""), "child");
  json_decref(a);
  fake->other_people = true;
  assert_int_equal(prepare_places(1, 2, &a), RK_EUPSTREAM);
  assert_int_equal(fake->checkouts[1].status, RK_CO_CANCELED);
  fake->other_people = false;
  assert_int_equal(prepare_places(1, RK_MAX_TRAVELERS + 1, &a), RK_EINVAL);
}

static void seats_that_must_be_together_are(void **state) {
  static const struct { const char *seats; int32_t n; rk_err err; } cases[] = {
      {"5排6座、5排7座", 2, RK_OK}, {"row 5 seat 7, row 5 seat 6", 2, RK_OK}, {"5排6座", 1, RK_OK}, {"somewhere", 1, RK_OK}, {"5排6座、5排8座", 2, RK_ECONFLICT},
      {"5排6座、6排7座", 2, RK_ECONFLICT}, {"5排6座、5排6座", 2, RK_ECONFLICT}, {"5排6座", 2, RK_ECONFLICT}, {"", 2, RK_ECONFLICT},
      {"1,2,1,3,1,4,1,5,1,6,1,7,1,8,1,9,1,10,1,11", 2, RK_ECONFLICT}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    json_t *a;
    fake->seats = cases[i].seats;
    assert_int_equal(prepare_places(cases[i].n, 0, &a), cases[i].err);
    json_decref(a);
  }
}

static void what_is_refused_is_let_go(void **state) {
  json_t *a = prepared("card"), *b = prepared("card");
  rk_trade_let_go(s.trade, s.user, rk_json_cstr(a, "id", "")); /* still waiting: kept */
  assert_int_equal(fake->checkouts[0].status, RK_CO_READY);
  assert_int_equal(decide(a, "refuse"), RK_OK);
  rk_trade_let_go(s.trade, "somebody else", rk_json_cstr(a, "id", ""));
  assert_int_equal(fake->checkouts[0].status, RK_CO_READY);
  rk_trade_let_go(s.trade, s.user, rk_json_cstr(a, "id", ""));
  assert_int_equal(fake->checkouts[0].status, RK_CO_CANCELED);
  assert_int_equal(decide(b, "approve"), RK_OK);
  rk_trade_let_go(s.trade, s.user, rk_json_cstr(b, "id", ""));
  assert_int_equal(fake->checkouts[1].status, RK_CO_READY);
  json_decref(b);
  json_decref(a);
}

/* ---- wallet ---- */

static void a_wallet_that_is_too_low_asks_for_another(void **state) {
  json_t *a = prepared("wallet"), *b, *order;
  assert_int_equal(rk_json_i64(rk_json_obj(a, "wallet"), "balance_minor", 0), 20000);
  assert_int_equal(decide(a, "approve"), RK_EPAYMENT);
  assert_non_null(strstr(e.msg, "¥200.00"));
  assert_state(a, "pending");
  assert_int_equal(edit(a, "key", json_pack("{s:s}", "instrument_id", "card"), &b), RK_EFORBIDDEN);
  assert_int_equal(edit(a, "page", json_pack("{s:s}", "instrument_id", "gold"), &b), RK_EINVAL);
  assert_int_equal(edit(a, "page", json_pack("{s:s}", "instrument_id", "card"), &b), RK_OK);
  assert_string_not_equal(rk_json_cstr(a, "terms_hash", ""), rk_json_cstr(b, "terms_hash", ""));
  assert_state(a, "superseded");
  json_t *now = rk_trade_approval_current(s.trade, s.user, rk_json_cstr(a, "id", ""));
  assert_string_equal(rk_json_cstr(now, "id", ""), rk_json_cstr(b, "id", ""));
  json_decref(now);
  assert_null(rk_trade_approval_current(s.trade, "somebody", rk_json_cstr(a, "id", "")));
  assert_int_equal(decide(a, "approve"), RK_EGONE);
  assert_int_equal(decide(b, "approve"), RK_OK);
  assert_int_equal(complete(b, &order), RK_OK);
  assert_string_equal(rk_json_cstr(rk_json_obj(order, "instrument"), "kind", ""), "card");
  assert_one_order();
  assert_int_equal(rk_store_balance(s.store, s.user, "wallet"), 20000);
  json_decref(order);
  json_decref(a);
  json_decref(b);
}

static void a_wallet_is_never_overdrawn(void **state) {
  fake->unit_minor = 11400; /* 120.00 with delivery, of 200.00 */
  json_t *a = prepared("wallet"), *b = prepared("wallet"), *order;
  assert_int_equal(decide(a, "approve"), RK_OK);
  assert_int_equal(decide(b, "approve"), RK_EPAYMENT); /* the first is not charged yet, but spoken for */
  assert_int_equal(complete(a, &order), RK_OK);
  json_decref(order);
  assert_int_equal(rk_store_balance(s.store, s.user, "wallet"), 8000);
  assert_int_equal(decide(b, "approve"), RK_EPAYMENT);
  assert_one_order();
  json_decref(a);
  json_decref(b);
}

static void a_refused_payment_gives_the_wallet_back(void **state) {
  fake->unit_minor = 11400;
  fake->refuse = true;
  json_t *a = prepared("wallet"), *order;
  assert_int_equal(decide(a, "approve"), RK_OK);
  assert_int_equal(complete(a, &order), RK_EPAYMENT);
  assert_state(a, "failed");
  assert_nothing_bought();
  assert_int_equal(count_ledger("void"), 1);
  assert_int_equal(rk_store_balance(s.store, s.user, "wallet"), 20000);
  assert_int_equal(complete(a, &order), RK_EGONE);
  json_decref(a);
}

/* ---- between approval and payment ---- */

static void changed_terms_are_never_completed(void **state) {
  json_t *a = prepared(NULL), *order;
  assert_int_equal(decide(a, "approve"), RK_OK);
  fake->price_after = 30001;
  assert_int_equal(complete(a, &order), RK_ECONFLICT);
  assert_non_null(strstr(e.msg, "raised the total"));
  assert_state(a, "failed");
  json_decref(a);
  fake->price_after = 0;
  a = prepared(NULL);
  assert_int_equal(decide(a, "approve"), RK_OK);
  fake->street_after = "elsewhere 2";
  assert_int_equal(complete(a, &order), RK_ECONFLICT);
  assert_non_null(strstr(e.msg, "fulfilment"));
  assert_nothing_bought();
  json_decref(a);
}

static void a_lower_total_is_taken(void **state) {
  json_t *a = prepared(NULL), *order;
  assert_int_equal(decide(a, "approve"), RK_OK);
  fake->price_after = 25000;
  assert_int_equal(complete(a, &order), RK_OK);
  assert_int_equal(rk_json_i64(order, "total_minor", 0), 25600);
  assert_int_equal(fake->checkouts[0].charged_minor, 25600);
  assert_int_equal(rk_json_i64(json_array_get(rk_json_arr(order, "lines"), 0), "unit_minor", 0), 25000);
  assert_one_order();
  json_decref(order);
  json_decref(a);
}

static void a_shop_that_is_gone_before_the_payment_costs_nothing(void **state) {
  json_t *a = prepared(NULL), *order;
  assert_int_equal(decide(a, "approve"), RK_OK);
  fake->down = true;
  assert_int_equal(complete(a, &order), RK_EUPSTREAM);
  assert_state(a, "failed");
  assert_nothing_bought();
  json_decref(a);
}

/* ---- unknown ---- */

static void a_lost_reply_is_looked_up(void **state) {
  json_t *a = prepared(NULL), *order;
  fake->lose_reply = true;
  assert_int_equal(decide(a, "approve"), RK_OK);
  assert_int_equal(complete(a, &order), RK_OK); /* the second look finds it completed */
  assert_one_order();
  json_decref(order);
  json_decref(a);
}

static void unknown_stays_unknown_until_the_merchant_answers(void **state) {
  json_t *a = prepared(NULL), *order;
  int32_t n_open;
  s.trade->patience_ms = 60000;
  assert_int_equal(decide(a, "approve"), RK_OK);
  fake->lose_request = true;
  assert_int_equal(complete(a, &order), RK_EUNAVAIL);
  assert_state(a, "unknown");
  assert_int_equal(count_ledger("authorize"), 1);
  assert_int_equal(count_ledger("void"), 0);
  assert_int_equal(decide(a, "refuse"), RK_EGONE);
  fake->down = true;
  assert_int_equal(rk_trade_reconcile(s.trade, &n_open, &e), RK_OK);
  assert_int_equal(n_open, 1);
  assert_state(a, "unknown");
  fake->down = fake->lose_request = false;
  for (int i = 0; i < 3; i++) {
    assert_int_equal(rk_trade_reconcile(s.trade, &n_open, &e), RK_OK);
    assert_int_equal(n_open, 1);
  }
  assert_state(a, "unknown");
  assert_int_equal(fake->checkouts[0].n_sent, 0); /* what is unknown is only looked up */
  s.trade->patience_ms = 0;
  assert_int_equal(rk_trade_reconcile(s.trade, &n_open, &e), RK_OK);
  assert_int_equal(n_open, 0);
  assert_state(a, "failed");
  assert_int_equal(fake->checkouts[0].status, RK_CO_CANCELED);
  assert_nothing_bought();
  json_decref(a);
}

static void an_order_found_later_is_taken_over(void **state) {
  json_t *a = prepared(NULL), *order;
  int32_t n_open;
  s.trade->patience_ms = 60000;
  assert_int_equal(decide(a, "approve"), RK_OK);
  fake->lose_reply = fake->get_down_after_payment = true;
  assert_int_equal(complete(a, &order), RK_EUNAVAIL);
  assert_state(a, "unknown");
  fake->lose_reply = fake->get_down_after_payment = false;
  assert_int_equal(rk_trade_reconcile(s.trade, &n_open, &e), RK_OK);
  assert_int_equal(n_open, 0);
  assert_one_order();
  assert_int_equal(fake->checkouts[0].n_sent, 1);
  json_decref(a);
}

/* A copy of a refused payment that arrives later finds nothing to pay. */
static void a_refused_payment_is_cancelled_before_its_money_is_free(void **state) {
  json_t *a = prepared(NULL), *order;
  fake->refuse = true;
  assert_int_equal(decide(a, "approve"), RK_OK);
  assert_int_equal(complete(a, &order), RK_EPAYMENT);
  assert_state(a, "failed");
  assert_int_equal(fake->checkouts[0].status, RK_CO_CANCELED);
  assert_nothing_bought();
  json_decref(a);
  a = prepared(NULL);
  fake->no_cancel = true;
  assert_int_equal(decide(a, "approve"), RK_OK);
  assert_int_equal(complete(a, &order), RK_EUNAVAIL);
  assert_state(a, "unknown");
  json_decref(a);
}

static void a_merchant_that_works_on_it_is_waited_for(void **state) {
  json_t *a = prepared(NULL), *order;
  int32_t n_open = 1;
  fake->busy = true;
  assert_int_equal(decide(a, "approve"), RK_OK);
  rk_err err = complete(a, &order);
  assert_int_equal(err, RK_EUNAVAIL);
  assert_state(a, "unknown");
  for (int i = 0; i < 5 && n_open; i++) assert_int_equal(rk_trade_reconcile(s.trade, &n_open, &e), RK_OK);
  assert_int_equal(n_open, 0);
  assert_one_order();
  json_decref(a);
}

static bool told(const char *code, const char *says) {
  json_t *events = rk_store_events(s.store, s.user, 0, 1000), *v;
  size_t i;
  bool found = false;
  json_array_foreach(events, i, v) {
    const json_t *data = rk_json_obj(v, "data");
    found = found || (strcmp(rk_json_cstr(v, "type", ""), "notice") == 0 && strcmp(rk_json_cstr(data, "code", ""), code) == 0 && strstr(rk_json_cstr(data, "text", ""), says));
  }
  json_decref(events);
  return found;
}

/* 3-D Secure and the like: the payment waits at the merchant, and nothing is sent again until the buyer was there. */
static void a_merchant_that_wants_the_buyer_gets_it_and_one_order(void **state) {
  json_t *a = prepared(NULL), *order;
  int32_t n_open = 1;
  fake->escalate = true;
  assert_int_equal(decide(a, "approve"), RK_OK);
  assert_int_equal(complete(a, &order), RK_EUNAVAIL);
  assert_state(a, "unknown");
  assert_true(told("order_needs_you", ORIGIN "/pay/co-0"));
  for (int i = 0; i < 3; i++) assert_int_equal(rk_trade_reconcile(s.trade, &n_open, &e), RK_OK);
  assert_int_equal(n_open, 1);
  assert_int_equal(fake->checkouts[0].n_sent, 1);
  fake->checkouts[0].status = RK_CO_COMPLETED; /* the buyer was there */
  assert_int_equal(rk_trade_reconcile(s.trade, &n_open, &e), RK_OK);
  assert_int_equal(n_open, 0);
  assert_one_order();
  json_decref(a);
}

/* No means of payment of ours: the user is sent to the shop's page with the price there, and its checkout stays open. */
static void a_merchant_that_we_cannot_pay_is_handed_to_the_user(void **state) {
  fake->sandbox = false;
  fake->own_page = true;
  json_t *profile = rk_store_profile(s.store, s.user), *a = NULL;
  json_object_set_new(profile, "demo", json_false());
  assert_int_equal(rk_store_profile_set(s.store, s.user, profile, &e), RK_OK);
  json_decref(profile);
  struct rk_offer o = fake_offer(0);
  assert_int_equal(side_prepare(&s, &o, NULL, 0, &a, &e), RK_EPAYMENT);
  assert_null(a);
  assert_non_null(strstr(e.msg, ORIGIN "/pay/co-0"));
  assert_true(told("hand_over", ORIGIN "/pay/co-0"));
  assert_int_equal(fake->checkouts[0].status, RK_CO_READY);
}

static void a_false_refusal_does_not_lose_the_order(void **state) {
  json_t *a = prepared(NULL), *order;
  fake->lie_refused = true;
  assert_int_equal(decide(a, "approve"), RK_OK);
  assert_int_equal(complete(a, &order), RK_OK);
  assert_one_order();
  json_decref(order);
  json_decref(a);
}

/* The request never arrived, and by the time the merchant answers again the user's word is over. */
static void an_expired_unknown_is_taken_back(void **state) {
  json_t *a, *order;
  int32_t n_open;
  fake->ttl_ms = 60;
  s.trade->patience_ms = 60000;
  a = prepared(NULL);
  assert_int_equal(decide(a, "approve"), RK_OK);
  fake->lose_request = true;
  assert_int_equal(complete(a, &order), RK_EUNAVAIL);
  rk_sleep_ms(80);
  fake->lose_request = false;
  assert_int_equal(rk_trade_reconcile(s.trade, &n_open, &e), RK_OK);
  assert_int_equal(n_open, 0);
  assert_state(a, "failed");
  assert_int_equal(fake->checkouts[0].status, RK_CO_CANCELED);
  assert_nothing_bought();
  json_decref(a);
}

/* ---- many at once, and a full disk ---- */

enum { THREADS = 6 };

static void *completer(void *id) {
  json_t *order = NULL;
  struct rk_error mine;
  rk_err err = rk_trade_complete(s.trade, id, &order, &mine);
  json_decref(order);
  return err ? id : NULL;
}

static void many_completions_are_one_order(void **state) {
  json_t *a = prepared(NULL);
  pthread_t t[THREADS];
  void *failed;
  assert_int_equal(decide(a, "approve"), RK_OK);
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(pthread_create(&t[i], NULL, completer, (void *)(uintptr_t)rk_json_cstr(a, "id", "")), 0);
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_join(t[i], &failed), 0);
    assert_null(failed);
  }
  assert_one_order();
  json_decref(a);
}

static void grow(bool may) {
  struct rk_db *db = rk_store_db(s.store);
  if (may) {
    assert_int_equal(rk_db_run(db, NULL, "PRAGMA max_page_count=1000000", ""), RK_OK);
    return;
  }
  /* no new page at all, and no room left in those that are there */
  json_t *big = json_pack("{s:s}", "text", "0123456789012345678901234567890123456789012345678901234567890123456789");
  assert_int_equal(rk_db_run(db, NULL, "PRAGMA max_page_count=1", ""), RK_OK);
  while (rk_store_event_add(s.store, s.user, NULL, NULL, "notice", big, NULL, NULL) == RK_OK) {}
  json_decref(big);
}

static void a_full_disk_sends_nothing(void **state) {
  json_t *a = prepared(NULL), *order;
  grow(false);
  assert_int_equal(decide(a, "approve"), RK_ENOSPC);
  assert_state(a, "pending");
  grow(true);
  assert_int_equal(decide(a, "approve"), RK_OK);
  grow(false);
  /* either nothing left the house, or what left was written down before */
  assert_int_equal(complete(a, &order), RK_ENOSPC);
  assert_state(a, fake->checkouts[0].n_sent ? "completing" : "approved");
  grow(true);
  assert_int_equal(complete(a, &order), RK_OK);
  json_decref(order);
  assert_one_order();
  json_decref(a);
}

/* The database itself is the last guard. */
static void money_rows_cannot_be_rewritten(void **state) {
  json_t *a = prepared(NULL), *order;
  assert_int_equal(decide(a, "approve"), RK_OK);
  assert_int_equal(complete(a, &order), RK_OK);
  static const char *const bad[] = {
      "UPDATE ledger SET amount_minor=1", "DELETE FROM ledger", "UPDATE payment_intents SET body=''", "DELETE FROM payment_intents",
      "UPDATE approvals SET terms_jcs='{}'", "UPDATE approvals SET signature='x'", "DELETE FROM approvals", "DELETE FROM orders",
      "UPDATE orders SET receipt_json='{}'", "UPDATE approvals SET expires_ms=expires_ms+1", "UPDATE approvals SET kind='return'",
      "UPDATE postings SET amount_minor=1", "DELETE FROM postings", "INSERT INTO postings SELECT entry, leg, account, amount_minor+1 FROM postings",
      "DELETE FROM accounts", "UPDATE accounts SET name='other'"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_int_equal(rk_db_run(rk_store_db(s.store), &e, bad[i], ""), RK_ECONFLICT);
  struct rk_ledger_new l = {.user_id = s.user, .kind = "capture", .approval_id = rk_json_cstr(a, "id", ""), .instrument_id = "card",
                            .merchant_origin = ORIGIN, .amount_minor = 30600, .currency = "CNY"};
  assert_int_equal(rk_store_ledger_add(s.store, &l, &e), RK_ECONFLICT); /* a second charge */
  l.kind = "void";
  assert_int_equal(rk_store_ledger_add(s.store, &l, &e), RK_ECONFLICT);
  l.kind = "refund";
  l.amount_minor = 30601;
  assert_int_equal(rk_store_ledger_add(s.store, &l, &e), RK_ECONFLICT);
  l.amount_minor = 30600;
  assert_int_equal(rk_store_ledger_add(s.store, &l, &e), RK_OK);
  assert_one_order();
  json_decref(order);
  json_decref(a);
}

static bool audit_ok(const char *failed) {
  json_t *audit, *one;
  size_t i;
  assert_int_equal(rk_trade_audit(s.trade, &audit, &e), RK_OK);
  bool ok = rk_json_bool(audit, "ok", false);
  json_array_foreach(rk_json_arr(audit, "checks"), i, one)
    if (!rk_json_bool(one, "ok", false)) assert_non_null(strstr(failed, rk_json_cstr(one, "check", "?")));
  json_decref(audit);
  return ok;
}

static void tamper(const char *sql) { assert_int_equal(rk_db_run(rk_store_db(s.store), &e, sql, ""), RK_OK); }

static void a_ledger_that_does_not_hold_stops_every_payment(void **state) {
  json_t *a = prepared(NULL), *b = prepared(NULL), *order;
  assert_int_equal(decide(a, "approve"), RK_OK);
  assert_int_equal(complete(a, &order), RK_OK);
  assert_true(audit_ok(""));
  json_decref(order);
  tamper("UPDATE accounts SET balance_minor=balance_minor+1 WHERE kind='spent'");
  assert_false(audit_ok("all accounts of a currency sum to zero;every balance is the sum of its postings"));
  side_close(&s);
  side_open(&s); /* looked at once more at start */
  assert_int_equal(decide(b, "approve"), RK_EFORMAT);
  assert_non_null(strstr(e.msg, "rukou orders audit"));
  assert_state(b, "pending");
  tamper("UPDATE accounts SET balance_minor=balance_minor-1 WHERE kind='spent'");
  side_close(&s);
  side_open(&s);
  assert_int_equal(decide(b, "approve"), RK_OK);
  tamper("DROP TRIGGER approvals_terms_fixed");
  tamper("UPDATE approvals SET terms_jcs=replace(terms_jcs, '30600', '30500') WHERE state='completed'");
  assert_false(audit_ok("every approval is signed over its terms"));
  assert_int_equal(complete(b, &order), RK_OK);
  json_decref(order);
  json_decref(b);
  json_decref(a);
}

int main(void) {
  fake_start();
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
  const struct CMUnitTest tests[] = {
      T(approve_buys_once), T(money_given_back_is_in_the_ledger_once), T(the_signature_is_over_the_terms), T(refuse_buys_nothing), T(sent_twice_is_decided_once),
      T(only_the_right_hash_session_and_user_decide), T(too_late_is_too_late), T(the_cheapest_code_is_found),
      T(limits_hold_on_the_merchants_total), T(a_merchant_that_answers_something_else_is_refused), T(travelers_are_those_that_were_named), T(seats_that_must_be_together_are), T(what_is_refused_is_let_go),
      T(a_wallet_that_is_too_low_asks_for_another), T(a_wallet_is_never_overdrawn), T(a_refused_payment_gives_the_wallet_back),
      T(changed_terms_are_never_completed), T(a_lower_total_is_taken), T(a_shop_that_is_gone_before_the_payment_costs_nothing),
      T(a_lost_reply_is_looked_up), T(unknown_stays_unknown_until_the_merchant_answers), T(an_order_found_later_is_taken_over),
      T(a_refused_payment_is_cancelled_before_its_money_is_free), T(a_merchant_that_works_on_it_is_waited_for),
      T(a_merchant_that_wants_the_buyer_gets_it_and_one_order), T(a_merchant_that_we_cannot_pay_is_handed_to_the_user),
      T(a_false_refusal_does_not_lose_the_order), T(an_expired_unknown_is_taken_back), T(many_completions_are_one_order),
      T(a_full_disk_sends_nothing), T(money_rows_cannot_be_rewritten), T(a_ledger_that_does_not_hold_stops_every_payment)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
