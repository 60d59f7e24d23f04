/* permission.c - standing permissions: the user's word, given before, for
 * purchases within limits. They never skip the record: what they approve is an
 * approval, signed, with `by: permission`, and each use is a row. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "trade/internal.h"

enum { MAX_CATEGORIES = 50, MAX_LABEL_BYTES = 200 };

/* ---- giving and taking back ---- */

static rk_err read_limit(const json_t *p, const char *name, int64_t *out, struct rk_error *e) {
  const json_t *v = json_object_get(p, name);
  *out = -1;
  if (!v || json_is_null(v)) return RK_OK;
  if (json_is_integer(v)) *out = json_integer_value(v);
  return json_is_integer(v) && *out >= 0 && *out <= (int64_t)RK_MAX_TOTAL_MINOR
             ? RK_OK : rk_fail(e, RK_EINVAL, "%s is 0 to %lld", name, (long long)RK_MAX_TOTAL_MINOR);
}

static rk_err check_categories(const json_t *p, const char *name, struct rk_error *e) {
  const json_t *list = json_object_get(p, name);
  size_t i;
  json_t *one;
  if (list && (!json_is_array(list) || json_array_size(list) > MAX_CATEGORIES)) return rk_fail(e, RK_EINVAL, "%s is a list of at most %d categories", name, MAX_CATEGORIES);
  json_array_foreach(list, i, one)
    if (!json_is_string(one) || json_string_length(one) == 0 || json_string_length(one) > 64) return rk_fail(e, RK_EINVAL, "%s[%zu] is no category", name, i);
  return RK_OK;
}

static rk_err check_text(const json_t *p, const char *name, size_t most, struct rk_error *e) {
  const json_t *v = json_object_get(p, name);
  return !v || json_is_null(v) || (json_is_string(v) && json_string_length(v) <= most) ? RK_OK : rk_fail(e, RK_EINVAL, "%s is a text of up to %zu bytes", name, most);
}

static rk_err read_permission(const json_t *p, struct rk_permission_new *out, struct rk_error *e) {
  int digits;
  *out = (struct rk_permission_new){.label = rk_json_cstr(p, "label", ""), .merchant_origin = rk_json_cstr(p, "merchant_origin", NULL),
                                    .instrument_id = rk_json_cstr(p, "instrument_id", NULL), .currency = rk_json_cstr(p, "currency", "")};
  rk_err err = check_text(p, "label", MAX_LABEL_BYTES, e);
  if (!err) err = check_text(p, "merchant_origin", 255, e);
  if (!err) err = check_text(p, "instrument_id", 64, e);
  if (!err && !rk_money_currency(out->currency, &digits)) err = rk_fail(e, RK_EINVAL, "currency is a code of ISO 4217, as CNY");
  if (!err) err = read_limit(p, "per_order_minor", &out->per_order_minor, e);
  if (!err && out->per_order_minor < 0) err = rk_fail(e, RK_EINVAL, "per_order_minor is needed: the most that one order may cost");
  if (!err) err = read_limit(p, "per_day_minor", &out->per_day_minor, e);
  if (!err) err = read_limit(p, "per_month_minor", &out->per_month_minor, e);
  if (!err) err = check_categories(p, "allow", e);
  if (!err) err = check_categories(p, "deny", e);
  return err;
}

static rk_err by_a_person(const char *session_kind, struct rk_error *e) {
  bool may = session_kind && (strcmp(session_kind, "page") == 0 || strcmp(session_kind, "terminal") == 0);
  return may ? RK_OK : rk_fail(e, RK_EFORBIDDEN, "only the page or a terminal of the user may do this");
}

static void today(char day[11], char first_of_month[11]) {
  struct rk_date d = rk_local_date(rk_now_ms());
  rk_date_iso(&d, day);
  d.day = 1;
  rk_date_iso(&d, first_of_month);
}

static json_t *shown(struct rk_trade *t, json_t *row) {
  char day[11], month[11];
  const char *id = rk_json_cstr(row, "id", "");
  today(day, month);
  json_object_del(row, "user_id");
  json_object_set_new(row, "used_day_minor", json_integer(rk_store_permission_used(t->store, id, day)));
  json_object_set_new(row, "used_month_minor", json_integer(rk_store_permission_used(t->store, id, month)));
  json_t *uses = rk_store_permission_uses(t->store, id);
  json_object_set_new(row, "uses", uses ? uses : json_array());
  return row;
}

json_t *rk_trade_permissions(struct rk_trade *t, const char *user_id) {
  json_t *list = rk_store_permissions(t->store, user_id, false), *one;
  size_t i;
  json_array_foreach(list, i, one) shown(t, one);
  return list ? list : json_array();
}

rk_err rk_trade_permit(struct rk_trade *t, const char *user_id, const char *session_kind, const json_t *p, json_t **permission, struct rk_error *e) {
  struct rk_permission_new new;
  json_t *none = json_array();
  char id[37];
  *permission = NULL;
  rk_err err = by_a_person(session_kind, e);
  if (!err) err = read_permission(p, &new, e);
  if (!err) {
    new.user_id = user_id;
    new.created_by = session_kind;
    new.allow = rk_json_arr(p, "allow") ? rk_json_arr(p, "allow") : none;
    new.deny = rk_json_arr(p, "deny") ? rk_json_arr(p, "deny") : none;
    err = rk_store_permission_add(t->store, &new, id, e);
  }
  json_decref(none);
  if (err) return err;
  json_t *list = rk_trade_permissions(t, user_id);
  *permission = json_incref(json_array_get(list, 0));
  json_decref(list);
  return *permission ? RK_OK : rk_fail(e, RK_EIO, "the permission cannot be read back");
}

rk_err rk_trade_revoke(struct rk_trade *t, const char *user_id, const char *session_kind, const char *permission_id, struct rk_error *e) {
  rk_err err = by_a_person(session_kind, e);
  return err ? err : rk_store_permission_revoke(t->store, user_id, permission_id, e);
}

/* ---- using ---- */

static bool applies(const json_t *p, const json_t *row) {
  rk_str merchant = rk_json_str(p, "merchant_origin"), instrument = rk_json_str(p, "instrument_id");
  return rk_str_eq(rk_json_str(p, "currency"), rk_json_str(row, "currency")) && (merchant.n == 0 || rk_str_eq(merchant, rk_json_str(row, "merchant_origin"))) &&
         (instrument.n == 0 || rk_str_eq(instrument, rk_json_str(row, "instrument_id")));
}

static bool stands_in(const json_t *list, rk_str category) {
  size_t i;
  json_t *one;
  json_array_foreach(list, i, one)
    if (category.n && rk_str_eq_c(category, json_string_value(one))) return true;
  return false;
}

static bool within(int64_t limit, int64_t used, int64_t amount) { return limit < 0 || (used <= limit && amount <= limit - used); }

/* NULL: it holds, else why not. */
static const char *why_not(struct rk_trade *t, const json_t *p, const json_t *row) {
  char day[11], month[11];
  const char *id = rk_json_cstr(p, "id", "");
  const json_t *allow = rk_json_arr(p, "allow"), *deny = rk_json_arr(p, "deny");
  rk_str claimed = rk_json_str(row, "category_claimed"), own = rk_json_str(row, "category_own");
  int64_t amount = rk_json_i64(row, "total_minor", INT64_MAX);
  today(day, month);
  if (!within(rk_json_i64(p, "per_order_minor", 0), 0, amount)) return "the order is over the limit for one order";
  if (!within(rk_json_i64(p, "per_day_minor", -1), rk_store_permission_used(t->store, id, day), amount)) return "the day's limit would be passed";
  if (!within(rk_json_i64(p, "per_month_minor", -1), rk_store_permission_used(t->store, id, month), amount)) return "the month's limit would be passed";
  if (stands_in(deny, claimed) || stands_in(deny, own)) return "its category is denied";
  if (json_array_size(deny) && !claimed.n && !own.n) return "its category is not known";
  if (json_array_size(allow) && !stands_in(allow, own)) return "its category is not among those that are allowed, by more than the merchant's word";
  return NULL;
}

bool rk_trade_is_permitted(struct rk_trade *t, const json_t *row) {
  json_t *list = rk_store_permissions(t->store, rk_json_cstr(row, "user_id", ""), true), *p;
  int n = 0;
  const char *refused = NULL;
  size_t i;
  json_array_foreach(list, i, p) {
    if (refused || !applies(p, row)) continue;
    n++;
    refused = why_not(t, p, row);
    if (refused) rk_log(RK_LOG_INFO, "trade", "approval %s waits for the user: permission %s does not cover it: %s", rk_json_cstr(row, "id", ""), rk_json_cstr(p, "id", ""), refused);
  }
  json_decref(list);
  return n > 0 && !refused && rk_trade_check_payment(t, row, NULL) == RK_OK;
}

rk_err rk_trade_use_permissions(struct rk_trade *t, const json_t *row, struct rk_error *e) {
  json_t *list = rk_store_permissions(t->store, rk_json_cstr(row, "user_id", ""), true), *p;
  char day[11], month[11];
  size_t i;
  rk_err err = RK_OK;
  today(day, month);
  json_array_foreach(list, i, p)
    if (!err && applies(p, row))
      err = rk_store_permission_reserve(t->store, rk_json_cstr(p, "id", ""), rk_json_cstr(row, "id", ""), rk_json_i64(row, "total_minor", 0), day, e);
  json_decref(list);
  return err ? err : rk_trade_approve_row(t, row, "permission", e);
}
