/* What the user may change, answer together, allow beforehand and take back. */
#include "fake_merchant.h"

#include "base/limits.h"

static struct side s;
static struct rk_error e;

static int setup(void **state) {
  fake_reset();
  rk_clock_simulate(1795485600000); /* 2026-11-24 02:00 UTC */
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

static const char *id_of(const json_t *a) { return rk_json_cstr(a, "id", ""); }
static rk_err decide(const json_t *a, const char *decision) {
  return rk_trade_decide(s.trade, s.user, "page", id_of(a), decision, rk_json_cstr(a, "terms_hash", ""), &e);
}

static void assert_state(const json_t *a, const char *want) {
  json_t *now = rk_trade_approval(s.trade, s.user, id_of(a));
  assert_string_equal(rk_json_cstr(now, "state", ""), want);
  json_decref(now);
}

/* Takes changes. */
static rk_err edit(const json_t *a, const char *session, json_t *changes, json_t **changed) {
  rk_err err = rk_trade_edit(s.trade, s.user, session, id_of(a), changes, changed, &e);
  json_decref(changes);
  return err;
}

static const json_t *difference(const json_t *a, const char *field) {
  size_t i;
  json_t *one;
  json_array_foreach(rk_json_arr(a, "diff"), i, one)
    if (rk_str_eq_c(rk_json_str(one, "field"), field)) return one;
  return NULL;
}

static int charges(void) {
  int n = 0;
  for (int i = 0; i < fake->n; i++) n += fake->checkouts[i].n_charges;
  return n;
}

/* ---- edits ---- */

static void an_edit_is_a_new_approval(void **state) {
  json_t *a = prepared("card"), *b, *c, *d, *order;
  assert_int_equal(edit(a, "page", json_pack("{s:i}", "quantity", 2), &b), RK_OK);
  assert_state(a, "superseded");
  assert_string_equal(rk_json_cstr(b, "supersedes", ""), id_of(a));
  assert_string_not_equal(rk_json_cstr(b, "terms_hash", ""), rk_json_cstr(a, "terms_hash", ""));
  assert_int_equal(rk_json_i64(rk_json_obj(b, "terms"), "total_minor", 0), 60600);
  assert_int_equal(rk_json_i64(difference(b, "lines[0].quantity"), "old", 0), 1);
  assert_int_equal(rk_json_i64(difference(b, "lines[0].quantity"), "new", 0), 2);
  assert_int_equal(rk_json_i64(difference(b, "total_minor"), "new", 0), 60600);
  assert_null(difference(b, "expires_ms"));

  assert_int_equal(edit(b, "terminal", json_pack("{s:[s], s:{s:s, s:s}}", "codes", "MINUS20", "address", "city", "上海", "street", "南京路1号"), &c), RK_OK);
  assert_int_equal(rk_json_i64(rk_json_obj(c, "terms"), "total_minor", 0), 58600);
  assert_string_equal(rk_json_cstr(rk_json_obj(rk_json_obj(rk_json_obj(c, "terms"), "fulfilment"), "address"), "street", ""), "南京路1号");
  assert_int_equal(rk_json_i64(difference(c, "totals.discount"), "old", -1), -1);
  assert_non_null(difference(c, "totals.discount"));
  assert_non_null(difference(c, "fulfilment.address.street"));

  int32_t updates = fake->n_updates;
  assert_int_equal(edit(c, "page", json_pack("{s:s}", "instrument_id", "wallet"), &d), RK_OK);
  assert_int_equal(fake->n_updates, updates); /* the merchant has nothing to do with that */
  assert_int_equal(decide(c, "approve"), RK_EGONE);
  assert_int_equal(decide(d, "approve"), RK_EPAYMENT);
  json_decref(c);
  assert_int_equal(edit(d, "page", json_pack("{s:s, s:i}", "instrument_id", "card", "quantity", 1), &c), RK_OK);
  assert_int_equal(decide(c, "approve"), RK_OK);
  assert_int_equal(rk_trade_complete(s.trade, id_of(c), &order, &e), RK_OK);
  assert_int_equal(rk_json_i64(order, "total_minor", 0), 28600);
  assert_int_equal(charges(), 1);
  json_decref(order);
  json_decref(d);
  json_decref(c);
  json_decref(b);
  json_decref(a);
}

static void a_bad_edit_changes_nothing(void **state) {
  json_t *a = prepared("card"), *b;
  static const struct { const char *changes, *names; } bad[] = {
      {"{}", "changes"}, {"{\"quantity\":0}", "quantity"}, {"{\"quantity\":1000000}", "quantity"}, {"{\"quantity\":1.5}", "quantity"}, {"{\"quantity\":\"2\"}", "quantity"},
      {"{\"total_minor\":1}", "total_minor"}, {"{\"line\":1,\"quantity\":2}", "line"}, {"{\"codes\":\"X\"}", "codes"}, {"{\"codes\":[1]}", "codes[0]"},
      {"{\"address\":{}}", "address"}, {"{\"address\":{\"street\":\"x\",\"planet\":\"y\"}}", "planet"}, {"{\"instrument_id\":\"gold\"}", "gold"},
      {"{\"delivery_id\":\"\"}", "delivery_id"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_int_equal(edit(a, "page", json_loads(bad[i].changes, 0, NULL), &b), RK_EINVAL);
    assert_non_null(strstr(e.msg, bad[i].names));
    assert_null(b);
  }
  assert_int_equal(edit(a, "key", json_pack("{s:i}", "quantity", 2), &b), RK_EFORBIDDEN);
  json_t *nothing = json_object();
  assert_int_equal(rk_trade_edit(s.trade, "somebody", "page", id_of(a), nothing, &b, &e), RK_ENOTFOUND);
  json_decref(nothing);
  fake->no_update = true; /* the merchant does not do it */
  assert_int_equal(edit(a, "page", json_pack("{s:i}", "quantity", 9), &b), RK_EUPSTREAM);
  assert_int_equal(fake->n_updates, 0);
  fake->no_update = false;
  assert_int_equal(edit(a, "page", json_pack("{s:s}", "delivery_id", "moon"), &b), RK_EUPSTREAM);
  assert_state(a, "pending");
  assert_int_equal(decide(a, "approve"), RK_OK); /* and what was there can still be approved */
  assert_int_equal(edit(a, "page", json_pack("{s:i}", "quantity", 2), &b), RK_EGONE);
  json_decref(a);
}

static void a_later_change_shows_old_and_new(void **state) {
  json_t *a = prepared("card"), *order, *now;
  assert_int_equal(decide(a, "approve"), RK_OK);
  fake->price_after = fake->unit_minor + 100;
  assert_int_equal(rk_trade_complete(s.trade, id_of(a), &order, &e), RK_ECONFLICT);
  now = rk_trade_approval(s.trade, s.user, id_of(a));
  assert_string_equal(rk_json_cstr(now, "failure_code", ""), "terms_changed");
  assert_int_equal(rk_json_i64(difference(now, "lines[0].unit_minor"), "old", 0), 30000);
  assert_int_equal(rk_json_i64(difference(now, "lines[0].unit_minor"), "new", 0), 30100);
  assert_int_equal(rk_json_i64(difference(now, "totals.total.amount_minor"), "new", 0), 30700);
  assert_int_equal(charges(), 0);
  json_decref(now);
  json_decref(a);
}

/* ---- plans ---- */

static json_t *planned(json_t *const *parts, int n) {
  const char *ids[4];
  json_t *plan;
  for (int i = 0; i < n; i++) ids[i] = id_of(parts[i]);
  if (rk_trade_plan_new(s.trade, s.user, "A weekend", ids, n, &plan, &e)) fail_msg("%s", e.msg);
  return plan;
}

static rk_err decide_plan(const json_t *plan, const char *decision) {
  return rk_trade_plan_decide(s.trade, s.user, "page", id_of(plan), decision, rk_json_cstr(plan, "sheet_hash", ""), &e);
}

static void a_plan_is_answered_as_one(void **state) {
  json_t *parts[] = {prepared("card"), prepared("card"), prepared("card")}, *plan = planned(parts, 3), *again, *b, *order;
  char text[512] = "{\"on_failure\":\"undo\",\"parts\":[", want[65];
  for (int i = 0; i < 3; i++)
    strcat(strcat(strcat(text, i ? ",{\"terms_hash\":\"" : "{\"terms_hash\":\""), rk_json_cstr(parts[i], "terms_hash", "")), "\",\"undo_fee_minor\":null}");
  rk_sha256_hex(rk_str_c(strcat(text, "]}")), want);
  assert_string_equal(rk_json_cstr(plan, "sheet_hash", ""), want);
  assert_int_equal(rk_json_i64(rk_json_obj(plan, "totals"), "CNY", 0), 3 * 30600);
  assert_int_equal(decide(parts[1], "approve"), RK_ECONFLICT); /* not by itself */
  assert_int_equal(rk_trade_plan_new(s.trade, s.user, "", (const char *[]){id_of(parts[0])}, 1, &again, &e), RK_ECONFLICT);

  /* an edit takes the same place, and makes another sheet */
  assert_int_equal(edit(parts[1], "page", json_pack("{s:i}", "quantity", 2), &b), RK_OK);
  assert_int_equal(decide_plan(plan, "approve"), RK_ECONFLICT);
  again = rk_trade_plan(s.trade, s.user, id_of(plan));
  assert_string_equal(id_of(json_array_get(rk_json_arr(again, "approvals"), 1)), id_of(b));
  assert_int_equal(json_array_size(rk_json_arr(again, "approvals")), 3);
  assert_null(rk_trade_plan(s.trade, "somebody", id_of(plan)));
  assert_int_equal(rk_trade_plan_decide(s.trade, s.user, "key", id_of(plan), "approve", rk_json_cstr(again, "sheet_hash", ""), &e), RK_EFORBIDDEN);
  assert_int_equal(decide_plan(again, "approve"), RK_OK);
  assert_int_equal(decide_plan(again, "approve"), RK_OK); /* the same once more changes nothing */
  assert_int_equal(decide_plan(again, "refuse"), RK_EGONE);
  assert_state(b, "approved");
  int32_t n_open;
  assert_int_equal(rk_trade_reconcile(s.trade, &n_open, &e), RK_OK);
  assert_int_equal(n_open, 0);
  assert_int_equal(charges(), 3);
  assert_int_equal(rk_trade_complete(s.trade, id_of(parts[2]), &order, &e), RK_OK);
  json_decref(order);
  json_decref(again);
  json_decref(plan);
  json_decref(b);
  for (int i = 0; i < 3; i++) json_decref(parts[i]);
}

static void a_plan_that_cannot_be_paid_whole_is_not_approved_in_part(void **state) {
  fake->unit_minor = 9000; /* 96.00 each, the wallet has 200.00 */
  json_t *parts[] = {prepared("wallet"), prepared("wallet"), prepared("wallet")}, *plan = planned(parts, 3);
  assert_int_equal(decide_plan(plan, "approve"), RK_EPAYMENT);
  for (int i = 0; i < 3; i++) assert_state(parts[i], "pending");
  assert_int_equal(decide_plan(plan, "refuse"), RK_OK);
  for (int i = 0; i < 3; i++) assert_state(parts[i], "refused");
  for (int i = 0; i < 3; i++) json_decref(parts[i]);
  json_decref(plan);
}

static void a_plan_with_a_late_part_is_over(void **state) {
  json_t *first = prepared("card");
  rk_sleep_ms(RK_APPROVAL_TTL_MS / 2);
  json_t *parts[] = {first, prepared("card")}, *plan = planned(parts, 2);
  rk_sleep_ms(RK_APPROVAL_TTL_MS / 2 + 1);
  assert_int_equal(decide_plan(plan, "approve"), RK_EGONE);
  assert_state(parts[1], "pending");
  json_t *now = rk_trade_plan(s.trade, s.user, id_of(plan));
  assert_string_equal(rk_json_cstr(now, "state", ""), "expired");
  json_decref(now);
  json_decref(plan);
  json_decref(parts[0]);
  json_decref(parts[1]);
}

/* ---- after the sale ---- */

static json_t *bought(const char *instrument) {
  json_t *a = prepared(instrument), *order;
  assert_int_equal(decide(a, "approve"), RK_OK);
  assert_int_equal(rk_trade_complete(s.trade, id_of(a), &order, &e), RK_OK);
  json_decref(a);
  return order;
}

static json_t *back(const json_t *order) {
  json_t *a;
  if (rk_trade_give_back(s.trade, s.user, id_of(order), "return", "zh", &a, &e)) fail_msg("%s", e.msg);
  return a;
}

static void a_return_is_an_approval(void **state) {
  fake->unit_minor = 9000;
  fake->refund_fee = 600;
  json_t *order = bought("wallet"), *a = back(order), *after, *now;
  const json_t *terms = rk_json_obj(a, "terms");
  assert_string_equal(rk_json_cstr(a, "kind", ""), "return");
  assert_int_equal(rk_json_i64(terms, "back_minor", 0), 9000);
  assert_int_equal(rk_json_i64(terms, "fee_minor", 0), 600);
  assert_string_equal(rk_json_cstr(rk_json_obj(terms, "back_to"), "id", ""), "wallet");
  assert_string_equal(rk_json_cstr(rk_json_obj(terms, "order"), "merchant_order_id", ""), "order-co-0");
  assert_int_equal(rk_trade_complete(s.trade, id_of(a), &after, &e), RK_EFORBIDDEN);
  assert_int_equal(fake->n_confirms, 0);
  assert_int_equal(decide(a, "approve"), RK_OK);
  assert_int_equal(rk_trade_complete(s.trade, id_of(a), &after, &e), RK_OK);
  assert_int_equal(rk_json_i64(after, "refunded_minor", 0), 9000);
  assert_int_equal(fake->n_confirms, 1);
  assert_int_equal(rk_store_balance(s.store, s.user, "wallet"), 20000 - 600);
  assert_int_equal(rk_trade_audit(s.trade, &now, &e), RK_OK);
  assert_true(rk_json_bool(now, "ok", false));
  json_decref(now);
  json_decref(after);
  json_decref(a);
  json_decref(order);
}

static void a_return_that_is_refused_or_unknown(void **state) {
  json_t *order = bought("card"), *a = back(order), *after;
  assert_int_equal(decide(a, "refuse"), RK_OK);
  json_decref(a);
  a = back(order);
  fake->refuse = true;
  assert_int_equal(decide(a, "approve"), RK_OK);
  assert_int_equal(rk_trade_complete(s.trade, id_of(a), &after, &e), RK_EUPSTREAM);
  assert_state(a, "failed");
  json_decref(a);
  fake->refuse = false;
  a = back(order);
  fake->lose_reply = true;
  assert_int_equal(decide(a, "approve"), RK_OK);
  assert_int_equal(rk_trade_complete(s.trade, id_of(a), &after, &e), RK_OK); /* the second look finds it done */
  json_decref(after);
  assert_state(a, "completed");
  assert_int_equal(fake->n_confirms, 2); /* one refused, one lost; none again */
  json_decref(a);
  fake->no_refund = true;
  assert_int_equal(rk_trade_give_back(s.trade, s.user, id_of(order), "cancel", NULL, &a, &e), RK_ECONFLICT);
  assert_int_equal(rk_trade_give_back(s.trade, s.user, id_of(order), "exchange", NULL, &a, &e), RK_EINVAL);
  assert_int_equal(rk_trade_give_back(s.trade, "somebody", id_of(order), "cancel", NULL, &a, &e), RK_ENOTFOUND);
  json_decref(order);
}

/* ---- standing permissions ---- */

/* Takes p. */
static json_t *permit(json_t *p) {
  json_t *permission;
  if (rk_trade_permit(s.trade, s.user, "page", p, &permission, &e)) fail_msg("%s", e.msg);
  json_decref(p);
  return permission;
}

static json_t *permitted(const char *category, const char *own) {
  struct rk_offer o = fake_offer(0);
  struct rk_option attr = {"category", category};
  json_t *a = NULL;
  if (category) o.attrs = &attr, o.n_attrs = 1;
  struct rk_prepare p = {.user_id = s.user, .chat_id = "chat", .turn_id = "turn", .offer = &o, .deliver_by = "", .instrument_id = "card",
                         .address = {"张伟", "13800000000", "漕溪北路18号", "上海"}, .category = own};
  if (rk_trade_prepare(s.trade, &p, &a, &e)) fail_msg("%s", e.msg);
  return a;
}

/* Whether a purchase of 306.00 by card goes through without asking. */
static bool goes_through(const char *category, const char *own) {
  json_t *a = permitted(category, own);
  bool yes = rk_str_eq_c(rk_json_str(a, "state"), "approved");
  if (yes) assert_string_equal(rk_json_cstr(a, "by", ""), "permission");
  else assert_int_equal(decide(a, "refuse"), RK_OK);
  json_decref(a);
  return yes;
}

static int64_t used_today(const json_t *permission) {
  json_t *list = rk_trade_permissions(s.trade, s.user), *one;
  size_t i;
  int64_t used = -1;
  json_array_foreach(list, i, one)
    if (rk_str_eq(rk_json_str(one, "id"), rk_json_str(permission, "id"))) used = rk_json_i64(one, "used_day_minor", -1);
  json_decref(list);
  return used;
}

static void none_by_default_and_each_limit_holds(void **state) {
  assert_false(goes_through(NULL, NULL));
  json_t *p = permit(json_pack("{s:s, s:i, s:i, s:i}", "currency", "CNY", "per_order_minor", 31000, "per_day_minor", 62000, "per_month_minor", 100000));
  assert_true(goes_through(NULL, NULL));
  fake->unit_minor = 31000; /* over the order's limit */
  assert_false(goes_through(NULL, NULL));
  fake->unit_minor = 30000;
  assert_true(goes_through(NULL, NULL));
  assert_int_equal(used_today(p), 61200);
  assert_false(goes_through(NULL, NULL)); /* the day's */
  rk_sleep_ms(86400000);
  assert_int_equal(used_today(p), 0);
  assert_true(goes_through(NULL, NULL));
  assert_false(goes_through(NULL, NULL)); /* the month's: 918.00 + 306.00 */
  rk_clock_simulate(rk_now_ms() - 86400000 * 2); /* a clock that jumps back gives nothing back */
  assert_false(goes_through(NULL, NULL));
  rk_clock_simulate(1795485600000 + 8 * 86400000LL); /* December */
  assert_true(goes_through(NULL, NULL));
  assert_int_equal(rk_trade_revoke(s.trade, s.user, "page", id_of(p), &e), RK_OK);
  assert_int_equal(rk_trade_revoke(s.trade, s.user, "page", id_of(p), &e), RK_ENOTFOUND);
  assert_false(goes_through(NULL, NULL));
  json_decref(p);
}

static void all_that_apply_must_hold(void **state) {
  json_t *any = permit(json_pack("{s:s, s:i}", "currency", "CNY", "per_order_minor", 50000)), *here, *wallet;
  assert_true(goes_through(NULL, NULL));
  here = permit(json_pack("{s:s, s:s, s:i}", "currency", "CNY", "merchant_origin", ORIGIN, "per_order_minor", 20000));
  assert_false(goes_through(NULL, NULL)); /* the other one alone would do */
  assert_int_equal(rk_trade_revoke(s.trade, s.user, "terminal", id_of(here), &e), RK_OK);
  wallet = permit(json_pack("{s:s, s:s, s:i}", "currency", "CNY", "instrument_id", "wallet", "per_order_minor", 1));
  json_decref(permit(json_pack("{s:s, s:i}", "currency", "USD", "per_order_minor", 1)));
  json_decref(permit(json_pack("{s:s, s:s, s:i}", "currency", "CNY", "merchant_origin", "https://other.example", "per_order_minor", 1)));
  assert_true(goes_through(NULL, NULL)); /* none of these is about this purchase */
  json_decref(any);
  json_decref(here);
  json_decref(wallet);
}

static void a_claimed_category_denies_but_never_allows(void **state) {
  json_t *p = permit(json_pack("{s:s, s:i, s:[s]}", "currency", "CNY", "per_order_minor", 50000, "deny", "medicine"));
  assert_true(goes_through("shoes", NULL));
  assert_false(goes_through("medicine", NULL));
  assert_false(goes_through("shoes", "medicine"));
  assert_false(goes_through(NULL, NULL)); /* not known: it is asked */
  assert_int_equal(rk_trade_revoke(s.trade, s.user, "page", id_of(p), &e), RK_OK);
  json_decref(p);
  p = permit(json_pack("{s:s, s:i, s:[s]}", "currency", "CNY", "per_order_minor", 50000, "allow", "shoes"));
  assert_false(goes_through("shoes", NULL));
  assert_true(goes_through("shoes", "shoes"));
  assert_true(goes_through(NULL, "shoes"));
  assert_false(goes_through("shoes", "tea"));
  json_decref(p);
}

static void what_was_not_bought_is_free_again(void **state) {
  json_t *p = permit(json_pack("{s:s, s:i, s:i}", "currency", "CNY", "per_order_minor", 50000, "per_day_minor", 31000)), *a = permitted(NULL, NULL), *order;
  assert_string_equal(rk_json_cstr(a, "state", ""), "approved");
  assert_int_equal(used_today(p), 30600);
  fake->refuse = true;
  assert_int_equal(rk_trade_complete(s.trade, id_of(a), &order, &e), RK_EPAYMENT);
  assert_int_equal(used_today(p), 0);
  fake->refuse = false;
  json_decref(a);
  a = permitted(NULL, NULL);
  assert_int_equal(rk_trade_complete(s.trade, id_of(a), &order, &e), RK_OK);
  assert_int_equal(charges(), 1);
  json_decref(order);
  assert_int_equal(rk_trade_audit(s.trade, &order, &e), RK_OK);
  assert_true(rk_json_bool(order, "ok", false));
  json_decref(order);
  json_decref(a);
  json_decref(p);
}

static void only_a_person_permits(void **state) {
  json_t *p = json_pack("{s:s, s:i}", "currency", "CNY", "per_order_minor", 100), *made;
  assert_int_equal(rk_trade_permit(s.trade, s.user, "key_approve", p, &made, &e), RK_EFORBIDDEN);
  static const struct { const char *p, *names; } bad[] = {
      {"{\"per_order_minor\":1}", "currency"}, {"{\"currency\":\"XYZ\",\"per_order_minor\":1}", "currency"}, {"{\"currency\":\"CNY\"}", "per_order_minor"},
      {"{\"currency\":\"CNY\",\"per_order_minor\":-1}", "per_order_minor"}, {"{\"currency\":\"CNY\",\"per_order_minor\":1,\"per_day_minor\":1.5}", "per_day_minor"},
      {"{\"currency\":\"CNY\",\"per_order_minor\":1,\"deny\":[7]}", "deny[0]"}, {"{\"currency\":\"CNY\",\"per_order_minor\":1,\"allow\":\"x\"}", "allow"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    json_t *v = json_loads(bad[i].p, 0, NULL);
    assert_int_equal(rk_trade_permit(s.trade, s.user, "page", v, &made, &e), RK_EINVAL);
    assert_non_null(strstr(e.msg, bad[i].names));
    json_decref(v);
  }
  json_decref(p);
}

enum { THREADS = 8 };
static void *buy(void *ud) {
  json_t *a = permitted(NULL, NULL);
  bool yes = rk_str_eq_c(rk_json_str(a, "state"), "approved");
  json_decref(a);
  return yes ? ud : NULL;
}

static void parallel_orders_cannot_both_fit(void **state) {
  json_t *p = permit(json_pack("{s:s, s:i, s:i}", "currency", "CNY", "per_order_minor", 31000, "per_day_minor", 3 * 30600));
  pthread_t t[THREADS];
  int n = 0;
  for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&t[i], NULL, buy, t), 0);
  for (int i = 0; i < THREADS; i++) {
    void *yes;
    pthread_join(t[i], &yes);
    n += yes != NULL;
  }
  assert_int_equal(n, 3);
  assert_int_equal(used_today(p), 3 * 30600);
  json_decref(p);
}

int main(void) {
  fake_start();
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
  const struct CMUnitTest tests[] = {
      T(an_edit_is_a_new_approval), T(a_bad_edit_changes_nothing), T(a_later_change_shows_old_and_new), T(a_plan_is_answered_as_one),
      T(a_plan_that_cannot_be_paid_whole_is_not_approved_in_part), T(a_plan_with_a_late_part_is_over), T(a_return_is_an_approval),
      T(a_return_that_is_refused_or_unknown), T(none_by_default_and_each_limit_holds), T(all_that_apply_must_hold),
      T(a_claimed_category_denies_but_never_allows), T(what_was_not_bought_is_free_again), T(only_a_person_permits), T(parallel_orders_cannot_both_fit)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
