/* audit.c - does what is stored hold together? */
#include <stdio.h>

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

/* The hash is of the terms, the signature is ours over the terms. */
static bool is_signed(const struct rk_trade *t, const json_t *approval) {
  struct rk_buf sig;
  char hash[65];
  rk_str jcs = rk_json_str(approval, "terms_jcs");
  rk_buf_init(&sig, 64);
  rk_sha256_hex(jcs, hash);
  bool ok = rk_str_eq_c(rk_json_str(approval, "terms_hash"), hash) && !rk_base64url_decode(&sig, rk_json_str(approval, "signature")) &&
            sig.n == 64 && rk_verify_es256(t->key, jcs, (const unsigned char *)sig.p);
  rk_buf_release(&sig);
  return ok;
}

static int64_t count_unsigned(const struct rk_trade *t) {
  static const char *const states[] = {"approved", "completing", "unknown", "completed"};
  int64_t n = 0;
  for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
    json_t *list = rk_store_approvals_in_state(t->store, states[i]), *one;
    size_t k;
    json_array_foreach(list, k, one) n += !is_signed(t, one);
    json_decref(list);
  }
  return n;
}

rk_err rk_trade_audit(struct rk_trade *t, json_t **audit, struct rk_error *e) {
  json_t *checks, *one;
  size_t i;
  bool ok = true;
  rk_err err = rk_store_audit(t->store, &checks, e);
  if (err) return err;
  int64_t n = count_unsigned(t);
  json_array_append_new(checks, json_pack("{s:s, s:b, s:I}", "check", "every approval is signed over its terms", "ok", n == 0, "wrong", (json_int_t)n));
  json_array_foreach(checks, i, one) ok = ok && rk_json_bool(one, "ok", false);
  *audit = json_pack("{s:b, s:o}", "ok", ok, "checks", checks);
  return RK_OK;
}
