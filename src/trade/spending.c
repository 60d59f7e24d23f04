/* spending.c - what was spent, by month, merchant or category. The rows are sums over the ledger's charges and refunds. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "trade/internal.h"

enum by { BY_MONTH, BY_MERCHANT, BY_CATEGORY, N_BYS };
static const char *const names[N_BYS] = {"month", "merchant", "category"};

static bool by_of(const char *name, enum by *out) {
  for (int i = 0; i < N_BYS; i++)
    if (strcmp(name, names[i]) == 0) return *out = (enum by)i, true;
  return false;
}

static void month_of(const json_t *move, char out[8]) {
  char day[11];
  struct rk_date d = rk_local_date(rk_json_i64(move, "time_ms", 0));
  rk_date_iso(&d, day);
  snprintf(out, 8, "%.7s", day);
}

/* The row of a move, without its sums. What a merchant says of a category is its claim: the category itself is then not known. */
static json_t *new_row(enum by by, const json_t *move) {
  char month[8];
  json_t *row = json_pack("{s:s, s:I, s:I, s:I, s:I}", "currency", rk_json_cstr(move, "currency", ""), "n_orders", (json_int_t)0, "spent_minor", (json_int_t)0,
                          "refunded_minor", (json_int_t)0, "net_minor", (json_int_t)0);
  json_object_set_new(row, "on_delivery_minor", json_integer(0));
  const char *own = rk_json_cstr(move, "category_own", NULL);
  month_of(move, month);
  if (by == BY_MONTH) json_object_set_new(row, "month", json_string(month));
  if (by == BY_MERCHANT)
    json_object_set_new(row, "merchant", json_pack("{s:s, s:s}", "origin", rk_json_cstr(move, "merchant_origin", ""), "name", rk_json_cstr(move, "merchant_name", "")));
  if (by == BY_CATEGORY) {
    json_object_set(row, "category", json_object_get(move, "category_own"));
    json_object_set(row, "claimed", own ? json_null() : json_object_get(move, "category_claimed"));
  }
  return row;
}

/* Two currencies never add. */
static json_t *row_of(json_t *rows, json_t *index, enum by by, const json_t *move) {
  char key[600], month[8];
  month_of(move, month);
  const char *own = rk_json_cstr(move, "category_own", NULL), *origin = rk_json_cstr(move, "merchant_origin", "");
  const char *what = by == BY_MONTH ? month : by == BY_MERCHANT ? origin : own ? own : rk_json_cstr(move, "category_claimed", "");
  snprintf(key, sizeof key, "%s %d %s", rk_json_cstr(move, "currency", ""), own != NULL, what);
  json_t *row = json_object_get(index, key);
  if (row) return row;
  row = new_row(by, move);
  json_object_set(index, key, row);
  json_array_append_new(rows, row);
  return row;
}

static void add(json_t *row, const char *key, int64_t n) { json_object_set_new(row, key, json_integer(rk_json_i64(row, key, 0) + n)); }

/* What is paid at the door is no move of the ledger: it stands beside the sums. */
static void add_move(json_t *row, const json_t *move) {
  bool charge = rk_str_eq_c(rk_json_str(move, "kind"), "capture"), refund = rk_str_eq_c(rk_json_str(move, "kind"), "refund");
  int64_t amount = rk_json_i64(move, "amount_minor", 0);
  add(row, "n_orders", rk_json_i64(move, "opens", 0));
  add(row, charge ? "spent_minor" : refund ? "refunded_minor" : "on_delivery_minor", amount);
  add(row, "net_minor", charge ? amount : refund ? -amount : 0);
}

/* Months: the newest first; else currency by currency what cost most. */
static bool goes_before(enum by by, const json_t *a, const json_t *b) {
  if (by == BY_MONTH) return strcmp(rk_json_cstr(a, "month", ""), rk_json_cstr(b, "month", "")) > 0;
  int order = strcmp(rk_json_cstr(a, "currency", ""), rk_json_cstr(b, "currency", ""));
  if (order) return order < 0;
  return rk_json_i64(a, "net_minor", 0) > rk_json_i64(b, "net_minor", 0);
}

static void sort(enum by by, json_t *rows) {
  for (size_t i = 1; i < json_array_size(rows); i++)
    for (size_t k = i; k > 0 && goes_before(by, json_array_get(rows, k), json_array_get(rows, k - 1)); k--) {
      json_t *row = json_incref(json_array_get(rows, k));
      json_array_set(rows, k, json_array_get(rows, k - 1));
      json_array_set_new(rows, k - 1, row);
    }
}

/* Of each currency: the rows' net is what the ledger's accounts of merchants hold. */
static bool sums_to_accounts(struct rk_trade *t, const char *user_id, const json_t *rows) {
  json_t *accounts = rk_store_accounts(t->store, user_id), *left = json_object(), *one;
  size_t i;
  const char *currency;
  bool ok = true;
  json_array_foreach(rows, i, one) add(left, rk_json_cstr(one, "currency", ""), rk_json_i64(one, "net_minor", 0));
  json_array_foreach(accounts, i, one)
    if (rk_str_starts(rk_json_str(one, "account"), RK_STR("spent:"))) add(left, rk_json_cstr(one, "currency", ""), -rk_json_i64(one, "balance_minor", 0));
  json_object_foreach(left, currency, one) ok = ok && json_integer_value(one) == 0;
  json_decref(left);
  json_decref(accounts);
  return ok;
}

json_t *rk_trade_spending(struct rk_trade *t, const char *user_id, const char *by_name, struct rk_error *e) {
  enum by by;
  if (!by_of(by_name, &by)) {
    rk_fail(e, RK_EINVAL, "by is \"month\", \"merchant\" or \"category\"");
    return NULL;
  }
  json_t *moves = rk_store_spending(t->store, user_id), *rows = json_array(), *index = json_object(), *move;
  size_t i;
  json_array_foreach(moves, i, move) add_move(row_of(rows, index, by, move), move);
  sort(by, rows);
  json_decref(index);
  json_decref(moves);
  return json_pack("{s:s, s:o, s:b}", "by", names[by], "rows", rows, "ok", sums_to_accounts(t, user_id, rows));
}
