/* audit.c - does what is stored hold together? */
#include <stdio.h>

#include "base/limits.h"
#include "base/log.h"
#include "trade/internal.h"

void rk_trade_step(const struct rk_trade *t, enum rk_trade_step step) {
  if (t->on_step) t->on_step(step);
}

rk_err rk_trade_may_pay(const struct rk_trade *t, struct rk_error *e) {
  return t->broken[0] ? rk_fail(e, RK_EFORMAT, "nothing is paid while the ledger does not hold together (%s): see rukou orders audit", t->broken) : RK_OK;
}

/* The first check that fails, into t->broken. */
rk_err rk_trade_check_ledger(struct rk_trade *t, struct rk_error *e) {
  json_t *checks, *one;
  size_t i;
  rk_err err = rk_store_audit(t->store, &checks, e);
  if (err) return err;
  t->broken[0] = 0;
  json_array_foreach(checks, i, one) {
    if (rk_json_bool(one, "ok", false) || t->broken[0]) continue;
    snprintf(t->broken, sizeof t->broken, "not so: %s", rk_json_cstr(one, "check", ""));
    rk_log(RK_LOG_ERROR, "trade", "the ledger is %s; nothing is paid", t->broken);
  }
  json_decref(checks);
  return RK_OK;
}

/* The hash is of the text, the signature is ours over it. */
static bool holds(const struct rk_trade *t, rk_str text, rk_str hash_hex, rk_str signature) {
  struct rk_buf sig;
  char hash[65];
  rk_buf_init(&sig, 64);
  rk_sha256_hex(text, hash);
  bool ok = rk_str_eq_c(hash_hex, hash) && !rk_base64url_decode(&sig, signature) && sig.n == 64 && rk_verify_es256(t->key, text, (const unsigned char *)sig.p);
  rk_buf_release(&sig);
  return ok;
}

bool rk_trade_is_signed(const struct rk_trade *t, const json_t *approval) {
  return holds(t, rk_json_str(approval, "terms_jcs"), rk_json_str(approval, "terms_hash"), rk_json_str(approval, "signature"));
}

static int64_t count_unsigned(const struct rk_trade *t) {
  static const char *const states[] = {"approved", "completing", "unknown", "completed"};
  int64_t n = 0;
  for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
    json_t *list = rk_store_approvals_in_state(t->store, states[i]), *one;
    size_t k;
    json_array_foreach(list, k, one) n += !rk_trade_is_signed(t, one);
    json_decref(list);
  }
  return n;
}

static bool sheet_is_signed(const struct rk_trade *t, const json_t *plan) {
  json_t *rows = rk_store_plan_approvals(t->store, rk_json_cstr(plan, "id", ""));
  struct rk_buf jcs;
  char hash[65];
  rk_buf_init(&jcs, RK_MAX_TERMS_BYTES);
  bool ok = !rk_trade_sheet(rows, rk_json_cstr(plan, "on_failure", ""), &jcs, hash, NULL) &&
            holds(t, rk_buf_str(&jcs), rk_json_str(plan, "sheet_hash"), rk_json_str(plan, "signature"));
  rk_buf_release(&jcs);
  json_decref(rows);
  return ok;
}

/* Of those that may give something back: their sheet is the permission to. */
static int64_t count_unsigned_sheets(const struct rk_trade *t) {
  json_t *plans = rk_store_plans_answered(t->store), *one;
  int64_t n = 0;
  size_t i;
  json_array_foreach(plans, i, one) n += rk_str_eq_c(rk_json_str(one, "on_failure"), "undo") && !sheet_is_signed(t, one);
  json_decref(plans);
  return n;
}

static void add_check(json_t *checks, const char *name, int64_t n_wrong) {
  json_array_append_new(checks, json_pack("{s:s, s:b, s:I}", "check", name, "ok", n_wrong == 0, "wrong", (json_int_t)n_wrong));
}

rk_err rk_trade_audit(struct rk_trade *t, json_t **audit, struct rk_error *e) {
  json_t *checks, *one;
  size_t i;
  bool ok = true;
  rk_err err = rk_store_audit(t->store, &checks, e);
  if (err) return err;
  add_check(checks, "every approval is signed over its terms", count_unsigned(t));
  add_check(checks, "every plan that may undo is signed over its sheet", count_unsigned_sheets(t));
  json_array_foreach(checks, i, one) ok = ok && rk_json_bool(one, "ok", false);
  *audit = json_pack("{s:b, s:o}", "ok", ok, "checks", checks);
  return RK_OK;
}
