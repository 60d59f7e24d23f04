/* Double entry: what each kind of entry posts, and how a ledger of before becomes one. */
#include "fixture.h"

#include "base/clock.h"
#include "store/schema.h"

static struct fixture f;
static struct rk_error e;

static int setup(void **state) {
  fixture_new(&f);
  return 0;
}

static int teardown(void **state) {
  fixture_remove(&f);
  return 0;
}

static void run(struct rk_db *db, const char *sql) {
  if (rk_db_run(db, &e, sql, "")) fail_msg("%s: %s", sql, e.msg);
}

/* An approval and an order to hang entries on. */
static const char order_rows[] =
    "INSERT INTO approvals(id, user_id, chat_id, turn_id, merchant_origin, checkout_id, state, terms_jcs, terms_hash, total_minor, currency,"
    " instrument_id, instrument_kind, demo_profile, created_ms, expires_ms, decided_by, decided_ms, signature, order_id)"
    " SELECT 'a', id, '', '', 'https://shop.example', 'co', 'completed', '{}', 'h', 5000, 'CNY', 'wallet', 'wallet', 0, 1, 9, 'page', 2, 's', 'o' FROM users";
static const char order_row[] =
    "INSERT INTO orders(id, user_id, approval_id, merchant_origin, merchant_order_id, status, receipt_json, chat_id, turn_id, placed_ms)"
    " SELECT 'o', id, 'a', 'https://shop.example', 'm', 'placed', '{}', '', '', 3 FROM users";

static rk_err add(const char *kind, const char *order_id, int64_t amount_minor) {
  return rk_store_ledger_add(f.store, &(struct rk_ledger_new){.user_id = f.user, .kind = kind, .approval_id = "a", .order_id = order_id, .instrument_id = "wallet",
                                                              .merchant_origin = "https://shop.example", .amount_minor = amount_minor, .currency = "CNY"}, &e);
}

/* "funds:wallet 150 held:wallet 50 ..." of the accounts that are not at zero; and their sum is zero. */
static void assert_accounts(const char *want) {
  json_t *list = rk_store_accounts(f.store, f.user), *one;
  char text[512] = "";
  int64_t sum = 0;
  size_t i;
  json_array_foreach(list, i, one) {
    int64_t balance = rk_json_i64(one, "balance_minor", 0);
    sum += balance;
    if (balance) snprintf(text + strlen(text), sizeof text - strlen(text), "%s %lld ", rk_json_cstr(one, "account", ""), (long long)balance);
  }
  json_decref(list);
  assert_int_equal(sum, 0);
  assert_string_equal(text, want);
}

static int count_wrong(void) {
  json_t *checks, *one;
  size_t i;
  int n = 0;
  assert_int_equal(rk_store_audit(f.store, &checks, &e), RK_OK);
  json_array_foreach(checks, i, one) n += !rk_json_bool(one, "ok", false);
  json_decref(checks);
  return n;
}

static void every_entry_posts_two_legs(void **state) {
  run(rk_store_db(f.store), order_rows);
  run(rk_store_db(f.store), order_row);
  assert_accounts("equity:opening -20000 funds:wallet 20000 ");
  assert_int_equal(add("authorize", NULL, 5000), RK_OK);
  assert_accounts("equity:opening -20000 funds:wallet 15000 held:wallet 5000 ");
  assert_int_equal(rk_store_balance(f.store, f.user, "wallet"), 15000);
  assert_int_equal(add("capture", "o", 4000), RK_ECONFLICT); /* ends what was authorized, all of it */
  assert_int_equal(add("capture", "o", 5000), RK_OK);
  assert_accounts("equity:opening -20000 funds:wallet 15000 spent:https://shop.example 5000 ");
  assert_int_equal(add("refund", "o", 2000), RK_OK);
  assert_int_equal(add("refund", "o", 3001), RK_ECONFLICT);
  assert_accounts("equity:opening -20000 funds:wallet 17000 spent:https://shop.example 3000 ");
  json_t *entries = rk_store_ledger(f.store, f.user), *legs = rk_json_arr(json_array_get(entries, 3), "postings");
  assert_int_equal(json_array_size(entries), 4);
  assert_string_equal(rk_json_cstr(json_array_get(legs, 0), "account", ""), "funds:wallet");
  assert_int_equal(rk_json_i64(json_array_get(legs, 1), "amount_minor", 0), -2000);
  json_decref(entries);
}

static void a_void_gives_back_what_was_held(void **state) {
  run(rk_store_db(f.store), order_rows);
  assert_int_equal(add("authorize", NULL, 5000), RK_OK);
  assert_int_equal(add("void", NULL, 5000), RK_OK);
  assert_accounts("equity:opening -20000 funds:wallet 20000 ");
  assert_int_equal(add("capture", "o", 5000), RK_ECONFLICT); /* no such order, and it is over */
}

static void the_audit_names_what_is_wrong(void **state) {
  struct rk_db *db = rk_store_db(f.store);
  run(db, order_rows);
  run(db, order_row);
  assert_int_equal(add("authorize", NULL, 5000), RK_OK);
  assert_int_equal(count_wrong(), 3); /* held for what is not open, an order without its charge, a payment without its intent */
}

/* A database as the version before left it: single entries, no accounts. */
static void a_ledger_of_before_becomes_double_entry(void **state) {
  char path[96], snapshot[128];
  snprintf(path, sizeof path, "%s/rukou.db", f.dir);
  snprintf(snapshot, sizeof snapshot, "%s.before-v%d", path, (int)rk_store_n_migrations);
  rk_store_close(f.store);
  assert_int_equal(unlink(path), 0);
  struct rk_db *db;
  if (rk_db_open(path, rk_store_migrations, 2, &db, &e)) fail_msg("%s", e.msg);
  run(db, "INSERT INTO users(id, created_ms) VALUES('u', 1)");
  run(db, "INSERT INTO meta VALUES('data_id', 'd'), ('local_user', 'u')");
  run(db, order_rows);
  run(db, order_row);
  run(db, "INSERT INTO ledger(id, user_id, time_ms, kind, approval_id, order_id, instrument_id, merchant_origin, amount_minor, currency) VALUES"
          "('1', 'u', 1, 'opening', NULL, NULL, 'wallet', NULL, 20000, 'CNY'), ('2', 'u', 2, 'authorize', 'a', NULL, 'wallet', 'https://shop.example', 5000, 'CNY'),"
          "('3', 'u', 3, 'capture', 'a', 'o', 'wallet', 'https://shop.example', 5000, 'CNY'), ('4', 'u', 4, 'refund', 'a', 'o', 'wallet', 'https://shop.example', 1500, 'CNY')");
  run(db, "INSERT INTO payment_intents VALUES('i', 'u', 'a', 0, 'key', 5000, 'CNY', '{}', 1)");
  rk_db_close(db);
  fixture_open(&f);
  assert_accounts("equity:opening -20000 funds:wallet 16500 spent:https://shop.example 3500 ");
  assert_int_equal(rk_store_balance(f.store, f.user, "wallet"), 16500);
  assert_int_equal(count_wrong(), 0);
  struct stat st;
  assert_int_equal(stat(snapshot, &st), 0);
}

int main(void) {
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
  const struct CMUnitTest tests[] = {T(every_entry_posts_two_legs), T(a_void_gives_back_what_was_held), T(the_audit_names_what_is_wrong),
                                     T(a_ledger_of_before_becomes_double_entry)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
