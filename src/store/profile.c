#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "store/internal.h"
#include "store/money.h"

enum { MAX_TEXT_BYTES = 512, MAX_PASSENGERS = 50, MAX_INSTRUMENTS = 20, MAX_COUPONS = 20, MAX_ID_BYTES = 64 };

/* ---- reading ---- */

static void add_address(struct rk_db *db, const char *user_id, json_t *profile) {
  json_t *a = rk_db_one(db, NULL, "SELECT street FROM addresses WHERE user_id=? AND is_default=1", "t", user_id);
  rk_str street = rk_json_str(a, "street");
  json_object_set_new(profile, "address", json_stringn(street.p, street.n));
  json_decref(a);
}

static json_t *passengers(struct rk_db *db, const char *user_id) {
  json_t *rows = rk_db_all(db, NULL, "SELECT data_json FROM passengers WHERE user_id=? ORDER BY position", "t", user_id);
  json_t *list = json_array(), *row;
  size_t i;
  json_array_foreach(rows, i, row) json_array_append(list, json_object_get(row, "data"));
  json_decref(rows);
  return list;
}

static json_t *instruments(struct rk_store *s, const char *user_id) {
  json_t *list = rk_db_all(rk_store_db(s), NULL, "SELECT id, kind, label, is_default AS \"default\", currency FROM instruments"
                           " WHERE user_id=? AND removed=0 ORDER BY position", "t", user_id);
  if (!list) return json_array();
  size_t i;
  json_t *one;
  json_array_foreach(list, i, one) {
    rk_store_as_bool(one, "default");
    if (rk_str_eq_c(rk_json_str(one, "kind"), "wallet"))
      json_object_set_new(one, "balance_minor", json_integer(rk_store_balance(s, user_id, rk_json_cstr(one, "id", ""))));
    else json_object_del(one, "currency");
  }
  return list;
}

json_t *rk_store_profile(struct rk_store *s, const char *user_id) {
  struct rk_db *db = rk_store_db(s);
  json_t *p = rk_db_one(db, NULL, "SELECT demo, name, phone, home_city, sizes_json, coupons_json FROM profiles WHERE user_id=?", "t", user_id);
  if (!p) p = json_pack("{s:i, s:s, s:s, s:s, s:{}, s:[]}", "demo", 0, "name", "", "phone", "", "home_city", "", "sizes", "coupons");
  rk_store_as_bool(p, "demo");
  add_address(db, user_id, p);
  json_object_set_new(p, "passengers", passengers(db, user_id));
  json_object_set_new(p, "instruments", instruments(s, user_id));
  return p;
}

/* ---- checking ---- */

static rk_err check_text(const json_t *obj, const char *key, struct rk_error *e) {
  const json_t *v = json_object_get(obj, key);
  if (!v || json_is_null(v)) return RK_OK;
  if (!json_is_string(v)) return rk_fail(e, RK_EINVAL, "profile: %s is not a text", key);
  rk_str s = rk_json_str(obj, key);
  if (s.n > MAX_TEXT_BYTES) return rk_fail(e, RK_EINVAL, "profile: %s has more than %d bytes", key, MAX_TEXT_BYTES);
  for (size_t i = 0; i < s.n; i++)
    if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f) return rk_fail(e, RK_EINVAL, "profile: %s has a control character", key);
  return RK_OK;
}

static rk_err check_id(rk_str id, struct rk_error *e) {
  bool ok = id.n > 0 && id.n <= MAX_ID_BYTES;
  for (size_t i = 0; ok && i < id.n; i++) {
    char c = id.p[i];
    ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  }
  return ok ? RK_OK : rk_fail(e, RK_EINVAL, "profile: an instrument's id is 1 to %d letters, digits, - or _", MAX_ID_BYTES);
}

static rk_err check_instrument(const json_t *one, struct rk_error *e) {
  rk_str kind = rk_json_str(one, "kind");
  rk_err err = check_id(rk_json_str(one, "id"), e);
  if (!err) err = check_text(one, "label", e);
  if (!err && !rk_str_eq_c(kind, "card") && !rk_str_eq_c(kind, "wallet"))
    err = rk_fail(e, RK_EINVAL, "profile: an instrument's kind is card or wallet");
  if (err || rk_str_eq_c(kind, "card")) return err;
  rk_str currency = rk_json_str(one, "currency");
  int64_t balance = rk_json_i64(one, "balance_minor", 0);
  bool ok = currency.n == 0 || currency.n == 3;
  for (size_t i = 0; ok && i < currency.n; i++) ok = currency.p[i] >= 'A' && currency.p[i] <= 'Z';
  if (!ok) return rk_fail(e, RK_EINVAL, "profile: a wallet's currency is three capital letters, as CNY");
  if (balance < 0 || balance > (int64_t)RK_MAX_TOTAL_MINOR)
    return rk_fail(e, RK_EINVAL, "profile: a wallet's balance_minor is 0 to %lld", (long long)RK_MAX_TOTAL_MINOR);
  return RK_OK;
}

static rk_err check_birth_date(rk_str text, size_t passenger, struct rk_error *e) {
  char day[32], back[11] = "";
  int64_t ms = 0;
  if (text.n == 0) return RK_OK;
  snprintf(day, sizeof day, "%.*sT12:00:00Z", (int)(text.n < 11 ? text.n : 11), text.p);
  if (rk_time_parse(rk_str_c(day), &ms, NULL)) {
    char whole[32];
    rk_time_rfc3339(ms, whole);
    snprintf(back, sizeof back, "%.10s", whole);
  }
  if (!rk_str_eq_c(text, back) || ms > rk_now_ms()) return rk_fail(e, RK_EINVAL, "profile: passenger %zu's birth_date is a day that is over, as 1990-01-31", passenger);
  return RK_OK;
}

static rk_err check_lists(const json_t *p, struct rk_error *e) {
  size_t i, j;
  json_t *one, *other, *list = rk_json_arr(p, "passengers");
  const char *key;
  if (json_array_size(list) > MAX_PASSENGERS) return rk_fail(e, RK_EINVAL, "profile: more than %d passengers", MAX_PASSENGERS);
  rk_err err = RK_OK;
  json_array_foreach(list, i, one) {
    if (rk_json_str(one, "name").n == 0) return rk_fail(e, RK_EINVAL, "profile: passenger %zu has no name", i + 1);
    err = check_text(one, "name", e);
    if (!err) err = check_text(one, "type", e);
    if (!err) err = check_text(one, "document", e);
    if (!err) err = check_birth_date(rk_json_str(one, "birth_date"), i + 1, e);
    if (err) return err;
  }
  json_object_foreach(rk_json_obj(p, "sizes"), key, one) if ((err = check_text(rk_json_obj(p, "sizes"), key, e))) return err;
  list = rk_json_arr(p, "instruments");
  if (json_array_size(list) > MAX_INSTRUMENTS) return rk_fail(e, RK_EINVAL, "profile: more than %d instruments", MAX_INSTRUMENTS);
  json_array_foreach(list, i, one) {
    if ((err = check_instrument(one, e))) return err;
    for (j = 0; j < i; j++) {
      other = json_array_get(list, j);
      if (rk_str_eq(rk_json_str(one, "id"), rk_json_str(other, "id")))
        return rk_fail(e, RK_EINVAL, "profile: two instruments have the id %s", rk_json_cstr(one, "id", ""));
    }
  }
  return RK_OK;
}

static rk_err check_coupons(const json_t *p, struct rk_error *e) {
  const json_t *list = json_object_get(p, "coupons");
  size_t i;
  json_t *one;
  if (!list) return RK_OK;
  if (!json_is_array(list) || json_array_size(list) > MAX_COUPONS) return rk_fail(e, RK_EINVAL, "profile: coupons is a list of at most %d codes", MAX_COUPONS);
  json_array_foreach(list, i, one) {
    rk_str code = {json_string_value(one), json_string_length(one)};
    bool ok = json_is_string(one) && code.n > 0 && code.n <= MAX_ID_BYTES;
    for (size_t k = 0; ok && k < code.n; k++) ok = (unsigned char)code.p[k] > 0x20 && code.p[k] != 0x7f;
    if (!ok) return rk_fail(e, RK_EINVAL, "profile: coupons[%zu] is a code of 1 to %d bytes without spaces", i, MAX_ID_BYTES);
  }
  return RK_OK;
}

static rk_err check(const json_t *p, struct rk_error *e) {
  static const char *const texts[] = {"name", "phone", "address", "home_city"};
  if (!json_is_object(p)) return rk_fail(e, RK_EINVAL, "a profile is a JSON object");
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    rk_err err = check_text(p, texts[i], e);
    if (err) return err;
  }
  rk_err err = check_coupons(p, e);
  return err ? err : check_lists(p, e);
}

/* ---- writing ---- */

static rk_err set_person(struct rk_db *db, const char *user_id, const json_t *p, struct rk_error *e) {
  json_t *sizes = rk_json_obj(p, "sizes"), *none = json_object();
  json_t *codes = rk_json_arr(p, "coupons");
  char *text = rk_json_dump(sizes ? sizes : none), *coupons = codes ? rk_json_dump(codes) : NULL, id[37];
  rk_str address = rk_json_str(p, "address");
  rk_err err = rk_db_run(db, e, "INSERT INTO profiles(user_id, demo, name, phone, home_city, sizes_json, updated_ms, coupons_json)"
                         " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, COALESCE(?8, '[]')) ON CONFLICT(user_id) DO UPDATE SET demo=?2, name=?3, phone=?4,"
                         " home_city=?5, sizes_json=?6, updated_ms=?7, coupons_json=COALESCE(?8, coupons_json)", "tissstit", user_id,
                         (int64_t)rk_json_bool(p, "demo", false), rk_json_str(p, "name"), rk_json_str(p, "phone"),
                         rk_json_str(p, "home_city"), text, rk_now_ms(), coupons);
  free(coupons);
  if (!err) err = rk_db_run(db, e, "DELETE FROM addresses WHERE user_id=? AND is_default=1", "t", user_id);
  rk_uuid7(id);
  if (!err && address.n)
    err = rk_db_run(db, e, "INSERT INTO addresses VALUES(?, ?, ?, 1, ?)", "ttsi", id, user_id, address, rk_now_ms());
  free(text);
  json_decref(none);
  return err;
}

static rk_err set_passengers(struct rk_db *db, const char *user_id, const json_t *list, struct rk_error *e) {
  size_t i;
  json_t *one;
  rk_err err = rk_db_run(db, e, "DELETE FROM passengers WHERE user_id=?", "t", user_id);
  json_array_foreach(list, i, one) {
    char *text = rk_json_dump(one);
    if (!err) err = rk_db_run(db, e, "INSERT INTO passengers VALUES(?, ?, ?)", "tit", user_id, (int64_t)i, text);
    free(text);
  }
  return err;
}

/* A wallet that is new gets its balance as an opening entry; the balance of one that is there is the ledger's. */
static rk_err set_instrument(struct rk_store *s, const char *user_id, const json_t *one, size_t position, bool is_default,
                             struct rk_error *e) {
  struct rk_db *db = rk_store_db(s);
  const char *id = rk_json_cstr(one, "id", ""), *kind = rk_json_cstr(one, "kind", "");
  bool wallet = strcmp(kind, "wallet") == 0;
  const char *currency = wallet ? rk_json_cstr(one, "currency", "CNY") : NULL;
  const char *label = rk_json_cstr(one, "label", wallet ? "Sandbox wallet" : "Sandbox card");
  json_t *old = rk_db_one(db, e, "SELECT kind, currency, removed FROM instruments WHERE user_id=? AND id=?", "tt", user_id, id);
  if (!old && e && e->code) return e->code;
  bool known = old && rk_json_i64(old, "removed", 0) == 0;
  bool same = !old || (rk_str_eq_c(rk_json_str(old, "kind"), kind) && rk_str_eq(rk_json_str(old, "currency"), rk_str_c(currency)));
  json_decref(old);
  if (!same) return rk_fail(e, RK_ECONFLICT, "profile: the instrument %s was of another kind or currency; take a new id", id);
  rk_err err = rk_db_run(db, e, "INSERT INTO instruments(user_id, id, kind, label, is_default, currency, position)"
                         " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(user_id, id) DO UPDATE SET label=?4, is_default=?5,"
                         " position=?7, removed=0", "ttttiti", user_id, id, kind, label, (int64_t)is_default, currency, (int64_t)position);
  if (err || !wallet || known) return err;
  int64_t delta = rk_json_i64(one, "balance_minor", 0) - rk_store_balance(s, user_id, id);
  if (delta == 0) return RK_OK;
  return rk_store_ledger_add(s, &(struct rk_ledger_new){.user_id = user_id, .kind = "opening", .instrument_id = id,
                                                        .amount_minor = delta, .currency = currency}, e);
}

static size_t default_of(const json_t *list) {
  size_t i;
  json_t *one;
  json_array_foreach(list, i, one) if (rk_json_bool(one, "default", false)) return i;
  return 0;
}

static rk_err set_instruments(struct rk_store *s, const char *user_id, const json_t *list, struct rk_error *e) {
  size_t i, first = default_of(list);
  json_t *one;
  /* those that stay must be seen as known, so removal comes after */
  rk_err err = RK_OK;
  json_array_foreach(list, i, one) if (!err) err = set_instrument(s, user_id, one, i, i == first, e);
  char *ids = rk_json_dump(list);
  if (!err) err = rk_db_run(rk_store_db(s), e, "UPDATE instruments SET removed=1, is_default=0 WHERE user_id=? AND id NOT IN"
                            " (SELECT json_extract(value, '$.id') FROM json_each(?))", "tt", user_id, ids);
  free(ids);
  return err;
}

rk_err rk_store_profile_set(struct rk_store *s, const char *user_id, const json_t *profile, struct rk_error *e) {
  rk_err err = check(profile, e);
  if (!err) err = rk_db_begin(rk_store_db(s), e);
  if (err) return err;
  err = set_person(rk_store_db(s), user_id, profile, e);
  if (!err) err = set_passengers(rk_store_db(s), user_id, rk_json_arr(profile, "passengers"), e);
  if (!err && rk_json_arr(profile, "instruments")) err = set_instruments(s, user_id, rk_json_arr(profile, "instruments"), e);
  return rk_store_end(rk_store_db(s), err, e);
}
