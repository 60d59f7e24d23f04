#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "trade/internal.h"
#include "trade/payment_token.h"
#include "trade/ucp.h"

enum {
  RETRY_WAIT_MS = 200,
  PATIENCE_MS = 120000,
  MAX_BODY_BYTES = 65536
};

rk_err rk_trade_new(const struct rk_trade_opts *o, struct rk_trade **out, struct rk_error *e) {
  *out = NULL;
  struct rk_trade *t = calloc(1, sizeof *t);
  if (!t) return rk_fail(e, RK_ENOMEM, "out of memory");
  t->store = o->store;
  t->merchants = o->merchants;
  t->key = o->key;
  t->retry_wait_ms = RETRY_WAIT_MS;
  t->patience_ms = PATIENCE_MS;
  pthread_mutex_init(&t->lock, NULL);
  pthread_cond_init(&t->ended, NULL);
  rk_err err = rk_trade_check_ledger(t, e);
  if (err) rk_trade_free(t);
  else *out = t;
  return err;
}

void rk_trade_free(struct rk_trade *t) {
  if (!t) return;
  RK_ASSERT(t->in_flight == NULL);
  pthread_cond_destroy(&t->ended);
  pthread_mutex_destroy(&t->lock);
  json_decref(t->told);
  free(t);
}

rk_err rk_trade_end(struct rk_trade *t, rk_err err, struct rk_error *e) {
  if (!err) return rk_db_commit(rk_store_db(t->store), e);
  rk_db_rollback(rk_store_db(t->store));
  return err;
}

rk_err rk_trade_event(struct rk_trade *t, const json_t *approval, const char *type, json_t *data, struct rk_error *e) {
  rk_err err = rk_store_event_add(t->store, rk_json_cstr(approval, "user_id", ""), rk_json_cstr(approval, "chat_id", ""),
                                  rk_json_cstr(approval, "turn_id", ""), type, data, NULL, e);
  json_decref(data);
  return err;
}

rk_err rk_trade_event_result(struct rk_trade *t, const json_t *approval, const char *decision, const char *by, struct rk_error *e) {
  json_t *data = json_pack("{s:s, s:s}", "approval_id", rk_json_cstr(approval, "id", ""), "decision", decision);
  if (by) json_object_set_new(data, "by", json_string(by));
  return rk_trade_event(t, approval, "approval_result", data, e);
}

/* ---- the approval as docs/api.md shows it ---- */

static json_t *wallet_json(struct rk_trade *t, const json_t *row) {
  if (!rk_str_eq_c(rk_json_str(row, "instrument_kind"), "wallet")) return json_null();
  int64_t balance = rk_store_balance(t->store, rk_json_cstr(row, "user_id", ""), rk_json_cstr(row, "instrument_id", ""));
  return json_pack("{s:I, s:s}", "balance_minor", (json_int_t)balance, "currency", rk_json_cstr(row, "currency", ""));
}

/* What the merchant changed after the approval, else what an edit changed; NULL: neither. */
static json_t *diff_of(struct rk_trade *t, const json_t *row) {
  const json_t *terms = rk_json_obj(row, "terms"), *fresh = rk_json_obj(row, "fresh");
  if (fresh) return rk_terms_diff(terms, fresh);
  const char *before = rk_json_cstr(row, "supersedes", NULL);
  json_t *old = before ? rk_store_approval(t->store, before) : NULL, *diff = old ? rk_terms_diff(rk_json_obj(old, "terms"), terms) : NULL;
  json_decref(old);
  return diff;
}

bool rk_trade_is_over(const json_t *row) {
  return rk_str_eq_c(rk_json_str(row, "state"), "pending") && rk_json_i64(row, "expires_ms", 0) <= rk_now_ms();
}

json_t *rk_trade_view(struct rk_trade *t, const json_t *row) {
  static const char *const shown[] = {"id", "kind", "terms", "terms_hash", "created_ms", "expires_ms", "chat_id", "turn_id", "demo_profile"};
  static const char *const optional[] = {"order_id", "failure", "failure_code", "supersedes", "plan_id", "subject_order_id"};
  json_t *v = json_object();
  for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) json_object_set(v, shown[i], json_object_get(row, shown[i]));
  for (size_t i = 0; i < sizeof optional / sizeof *optional; i++)
    if (json_is_string(json_object_get(row, optional[i]))) json_object_set(v, optional[i], json_object_get(row, optional[i]));
  json_object_set_new(v, "state", json_string(rk_trade_is_over(row) ? "expired" : rk_json_cstr(row, "state", "")));
  json_object_set_new(v, "wallet", wallet_json(t, row));
  rk_str by = rk_json_str(row, "decided_by");
  if (rk_str_eq_c(by, "permission") || rk_str_eq_c(by, "plan")) json_object_set(v, "by", json_object_get(row, "decided_by"));
  static const char *const of_asked[] = {"deliveries", "undo", "pictures"};
  for (size_t i = 0; i < sizeof of_asked / sizeof *of_asked; i++)
    if (json_object_get(rk_json_obj(row, "asked"), of_asked[i])) json_object_set(v, of_asked[i], json_object_get(rk_json_obj(row, "asked"), of_asked[i]));
  if (rk_json_bool(rk_json_obj(row, "asked"), "on_delivery", false)) json_object_set_new(v, "on_delivery", json_true());
  json_t *diff = diff_of(t, row);
  if (diff) json_object_set_new(v, "diff", diff);
  return v;
}

json_t *rk_trade_approval(struct rk_trade *t, const char *user_id, const char *approval_id) {
  json_t *row = rk_store_approval(t->store, approval_id);
  json_t *v = row && rk_str_eq_c(rk_json_str(row, "user_id"), user_id) ? rk_trade_view(t, row) : NULL;
  json_decref(row);
  return v;
}

json_t *rk_trade_approval_current(struct rk_trade *t, const char *user_id, const char *approval_id) {
  json_t *row = rk_store_approval_current(t->store, approval_id);
  json_t *v = row && rk_str_eq_c(rk_json_str(row, "user_id"), user_id) ? rk_trade_view(t, row) : NULL;
  json_decref(row);
  return v;
}

json_t *rk_trade_approvals_of_turn(struct rk_trade *t, const char *turn_id) {
  json_t *rows = rk_store_approvals_of_turn(t->store, turn_id), *list = json_array(), *row;
  size_t i;
  json_array_foreach(rows, i, row) json_array_append_new(list, rk_trade_view(t, row));
  json_decref(rows);
  return list;
}

json_t *rk_trade_instrument(const json_t *profile, const char *id) {
  size_t i;
  json_t *one;
  json_array_foreach(rk_json_arr(profile, "instruments"), i, one)
    if (id ? rk_str_eq_c(rk_json_str(one, "id"), id) : rk_json_bool(one, "default", false)) return one;
  return NULL;
}

json_t *rk_trade_on_delivery(const char *lang) {
  bool zh = lang && strcmp(lang, "zh") == 0;
  return json_pack("{s:s, s:s, s:s}", "id", RK_ON_DELIVERY, "kind", RK_ON_DELIVERY, "label", zh ? "货到付款（交给送货员）" : "pay on delivery (to the carrier)");
}

bool rk_trade_is_on_delivery(const json_t *row) { return rk_str_eq_c(rk_json_str(row, "instrument_kind"), RK_ON_DELIVERY); }

/* Approved but not yet authorized in the ledger: that money is spoken for, too. */
static rk_err check_wallet(struct rk_trade *t, const json_t *row, struct rk_error *e) {
  if (!rk_str_eq_c(rk_json_str(row, "instrument_kind"), "wallet")) return RK_OK;
  const char *user = rk_json_cstr(row, "user_id", ""), *id = rk_json_cstr(row, "instrument_id", "");
  json_t *profile = rk_store_profile(t->store, user), *wallet = rk_trade_instrument(profile, id);
  struct rk_money left = {.minor = rk_store_balance(t->store, user, id) - rk_store_reserved(t->store, user, id)};
  snprintf(left.currency, sizeof left.currency, "%s", rk_json_cstr(wallet, "currency", ""));
  bool same = wallet && rk_str_eq_c(rk_json_str(row, "currency"), left.currency);
  json_decref(profile);
  if (!same) return rk_fail(e, RK_EPAYMENT, "the wallet does not pay in %s: choose another payment method", rk_json_cstr(row, "currency", ""));
  int64_t total = rk_json_i64(row, "total_minor", INT64_MAX);
  if (left.minor >= total) return RK_OK;
  char has[40], needs[40];
  rk_money_text(left, has);
  left.minor = total;
  rk_money_text(left, needs);
  return rk_fail(e, RK_EPAYMENT, "the wallet's balance is too low: it has %s, the total is %s; choose another payment method", has, needs);
}

rk_err rk_trade_check_payment(struct rk_trade *t, const json_t *row, struct rk_error *e) {
  rk_err err = rk_trade_may_pay(t, e);
  return err ? err : check_wallet(t, row, e);
}

/* ---- storing an approval ---- */

/* The request, and at once the answer where standing permissions give it. */
static rk_err announce(struct rk_trade *t, const char *id, const struct rk_draft *d, json_t **approval, struct rk_error *e) {
  json_t *row = rk_store_approval(t->store, id), *shown = row ? rk_trade_view(t, row) : NULL;
  if (!shown) return rk_fail(e, RK_EIO, "the approval cannot be read back");
  bool permitted = !d->ask && rk_trade_is_permitted(t, row);
  const char *by = permitted ? "permission" : d->by;
  if (rk_json_bool(d->asked, "in_plan", false)) json_object_set_new(shown, "in_plan", json_true());
  if (by) json_object_set_new(shown, "by", json_string(by));
  rk_err err = rk_trade_event(t, row, "approval_request", json_pack("{s:O}", "approval", shown), e);
  if (!err && permitted) err = rk_trade_use_permissions(t, row, e);
  json_decref(row);
  if (!err && permitted) {
    json_decref(shown);
    row = rk_store_approval(t->store, id);
    shown = row ? rk_trade_view(t, row) : NULL;
    json_decref(row);
  }
  if (!err) *approval = shown;
  else json_decref(shown);
  return err;
}

rk_err rk_trade_add_approval(struct rk_trade *t, const struct rk_draft *d, json_t **approval, struct rk_error *e) {
  struct rk_buf jcs;
  char hash[65], id[37];
  rk_buf_init(&jcs, RK_MAX_TERMS_BYTES);
  const json_t *instrument = rk_json_obj(d->terms, "instrument");
  rk_err err = rk_terms_canonical(d->terms, &jcs, hash, e);
  if (!err)
    err = rk_store_approval_add(t->store, &(struct rk_approval_new){.user_id = d->user_id, .chat_id = d->chat_id, .turn_id = d->turn_id,
        .merchant_origin = d->origin, .checkout_id = d->checkout_id, .terms_jcs = rk_buf_str(&jcs), .terms_hash = hash,
        .total_minor = rk_json_i64(d->terms, "total_minor", 0), .currency = rk_json_cstr(d->terms, "currency", ""),
        .instrument_id = rk_json_cstr(instrument, "id", ""), .instrument_kind = rk_json_cstr(instrument, "kind", ""), .demo_profile = d->demo,
        .created_ms = rk_now_ms(), .expires_ms = rk_json_i64(d->terms, "expires_ms", 0), .kind = d->kind ? d->kind : "purchase",
        .supersedes = d->supersedes, .subject_order_id = d->subject_order_id, .category_claimed = d->category_claimed,
        .category_own = d->category_own, .asked = d->asked}, id, e);
  rk_buf_release(&jcs);
  if (err) return err;
  return announce(t, id, d, approval, e);
}

rk_err rk_trade_store_approval(struct rk_trade *t, const struct rk_draft *d, json_t **approval, struct rk_error *e) {
  rk_err err = rk_db_begin(rk_store_db(t->store), e);
  if (err) return err;
  err = rk_trade_end(t, rk_trade_add_approval(t, d, approval, e), e);
  if (!err) rk_trade_step(t, RK_STEP_PENDING);
  if (err) {
    json_decref(*approval);
    *approval = NULL;
  }
  return err;
}

rk_err rk_trade_ask_alone(struct rk_trade *t, const char *user_id, const char *approval_id, struct rk_error *e) {
  json_t *row = rk_store_approval(t->store, approval_id);
  rk_err err = RK_OK;
  if (!row || !rk_str_eq_c(rk_json_str(row, "user_id"), user_id)) err = rk_fail(e, RK_ENOTFOUND, "there is no such approval");
  else if (rk_json_bool(rk_json_obj(row, "asked"), "in_plan", false) && !json_is_string(json_object_get(row, "plan_id")))
    err = rk_trade_event(t, row, "approval_request", json_pack("{s:o}", "approval", rk_trade_view(t, row)), e);
  json_decref(row);
  return err;
}

/* ---- deciding ---- */

rk_err rk_trade_expire(struct rk_trade *t, const json_t *approval, struct rk_error *e) {
  rk_err err = rk_db_begin(rk_store_db(t->store), e);
  if (err) return err;
  err = rk_store_approval_move(t->store, rk_json_cstr(approval, "id", ""), "pending", "expired", NULL, NULL, e);
  if (err == RK_EGONE) {
    rk_db_rollback(rk_store_db(t->store));
    return RK_OK;
  }
  if (!err) err = rk_trade_event_result(t, approval, "expired", NULL, e);
  if (!err) err = rk_trade_plan_lapse(t, approval, e);
  return rk_trade_end(t, err, e);
}

rk_err rk_trade_sign(struct rk_trade *t, rk_str text, struct rk_buf *out, struct rk_error *e) {
  unsigned char sig[64];
  rk_err err = rk_sign_es256(t->key, text, sig, e);
  return err ? err : rk_base64url(out, (rk_str){(const char *)sig, sizeof sig});
}

rk_err rk_trade_write_intent(struct rk_trade *t, const json_t *row, int64_t amount_minor, struct rk_error *e) {
  const json_t *instrument = rk_json_obj(rk_json_obj(row, "terms"), "instrument");
  bool on_delivery = rk_trade_is_on_delivery(row);
  struct rk_payment_claims c = {.amount_minor = amount_minor};
  char key[37];
  rk_uuid7(c.jti);
  rk_uuid7(key);
  const char *origin = rk_json_cstr(row, "merchant_origin", ""), *checkout = rk_merchant_checkout_id(rk_json_cstr(row, "checkout_id", ""));
  if (strlen(origin) >= sizeof c.origin || strlen(checkout) >= sizeof c.checkout_id)
    return rk_fail(e, RK_EUPSTREAM, "the merchant's origin or checkout id is too long to pay");
  snprintf(c.origin, sizeof c.origin, "%s", origin);
  snprintf(c.checkout_id, sizeof c.checkout_id, "%s", checkout);
  snprintf(c.currency, sizeof c.currency, "%s", rk_json_cstr(row, "currency", ""));
  snprintf(c.kind, sizeof c.kind, "%s", rk_json_cstr(row, "instrument_kind", ""));
  int64_t now = rk_now_ms(), expires = rk_json_i64(row, "expires_ms", 0);
  c.expires_ms = expires > now + RK_TOKEN_GRACE_MS ? expires : now + RK_TOKEN_GRACE_MS;

  struct rk_buf token, body;
  rk_buf_init(&token, RK_MAX_PAYMENT_TOKEN_BYTES);
  rk_buf_init(&body, MAX_BODY_BYTES);
  rk_err err = on_delivery ? RK_OK : rk_payment_token_make(t->key, &c, &token, e); /* nobody is given a right to money */
  if (!err)
    err = rk_merchant_complete_body(&(struct rk_payment){.instrument_id = rk_json_cstr(instrument, "id", ""), .kind = c.kind,
                                                         .label = rk_json_cstr(instrument, "label", ""), .token = token.p,
                                                         .handler_id = on_delivery ? RK_UCP_ON_DELIVERY : NULL}, &body);
  if (!err)
    err = rk_store_intent_add(t->store, &(struct rk_intent_new){.id = c.jti, .user_id = rk_json_cstr(row, "user_id", ""),
        .approval_id = rk_json_cstr(row, "id", ""), .idempotency_key = key, .amount_minor = amount_minor, .currency = c.currency,
        .body = rk_buf_str(&body)}, e);
  rk_buf_release(&token);
  rk_buf_release(&body);
  return err;
}

bool rk_trade_pays(const json_t *row) { return rk_str_eq_c(rk_json_str(row, "kind"), "purchase") || rk_str_eq_c(rk_json_str(row, "kind"), "change"); }

rk_err rk_trade_approve_row(struct rk_trade *t, const json_t *row, const char *by, struct rk_error *e) {
  struct rk_buf signature;
  rk_buf_init(&signature, 128);
  bool buys = rk_trade_pays(row);
  rk_err err = buys ? rk_trade_check_payment(t, row, e) : RK_OK;
  if (!err) err = rk_trade_sign(t, rk_json_str(row, "terms_jcs"), &signature, e);
  if (!err) err = buys ? rk_trade_write_intent(t, row, rk_json_i64(row, "total_minor", 0), e) : rk_trade_write_refund_intent(t, row, e);
  if (!err) err = rk_store_approval_decide(t->store, rk_json_cstr(row, "id", ""), "approved", by, signature.p, e);
  if (!err) err = rk_trade_event_result(t, row, "approve", by, e);
  rk_buf_release(&signature);
  return err;
}

rk_err rk_trade_refuse_row(struct rk_trade *t, const json_t *row, const char *by, struct rk_error *e) {
  rk_err err = rk_store_approval_decide(t->store, rk_json_cstr(row, "id", ""), "refused", by, NULL, e);
  return err ? err : rk_trade_event_result(t, row, "refuse", by, e);
}

/* The same decision again changes nothing; any other comes too late. */
static rk_err decided_before(const json_t *row, bool yes, struct rk_error *e) {
  static const char *const after_yes[] = {"approved", "completing", "completed", "failed", "unknown"};
  rk_str state = rk_json_str(row, "state");
  if (!yes && rk_str_eq_c(state, "refused")) return RK_OK;
  for (size_t i = 0; yes && i < sizeof after_yes / sizeof *after_yes; i++)
    if (rk_str_eq_c(state, after_yes[i])) return RK_OK;
  return rk_fail(e, RK_EGONE, "this approval is %.*s already: nothing was changed", RK_STR_ARG(state));
}

/* Inside a transaction. *late: the time is over, which must itself be stored. */
static rk_err decide(struct rk_trade *t, const char *user_id, const char *by, const char *approval_id, bool yes, const char *terms_hash,
                     json_t **late, struct rk_error *e) {
  json_t *row = rk_store_approval(t->store, approval_id);
  rk_err err;
  if (!row || !rk_str_eq_c(rk_json_str(row, "user_id"), user_id)) err = rk_fail(e, RK_ENOTFOUND, "there is no such approval");
  else if (!rk_ct_equal(rk_json_str(row, "terms_hash"), rk_str_c(terms_hash)))
    err = rk_fail(e, RK_ECONFLICT, "these are not the terms that are waiting: load the approval again and read it");
  else if (json_is_string(json_object_get(row, "plan_id")))
    err = rk_fail(e, RK_ECONFLICT, "this approval is part of the plan %s, whose parts are answered together", rk_json_cstr(row, "plan_id", ""));
  else if (!rk_str_eq_c(rk_json_str(row, "state"), "pending")) err = decided_before(row, yes, e);
  else if (rk_trade_is_over(row)) {
    *late = json_incref(row);
    err = rk_fail(e, RK_EGONE, "this approval has expired: nothing was bought; ask again for a new one");
  } else err = yes ? rk_trade_approve_row(t, row, by, e) : rk_trade_refuse_row(t, row, by, e);
  json_decref(row);
  return err;
}

rk_err rk_trade_check_session(const char *kind, struct rk_error *e) {
  bool may = kind && (strcmp(kind, "page") == 0 || strcmp(kind, "terminal") == 0 || strcmp(kind, "key_approve") == 0);
  return may ? RK_OK : rk_fail(e, RK_EFORBIDDEN, "only the page or a terminal of the user may do this");
}

rk_err rk_trade_decide(struct rk_trade *t, const char *user_id, const char *session_kind, const char *approval_id, const char *decision,
                       const char *terms_hash, struct rk_error *e) {
  bool yes = strcmp(decision, "approve") == 0;
  json_t *late = NULL;
  rk_err err = rk_trade_check_session(session_kind, e);
  if (!err && !yes && strcmp(decision, "refuse") != 0) err = rk_fail(e, RK_EINVAL, "decision is \"approve\" or \"refuse\"");
  if (!err) err = rk_db_begin(rk_store_db(t->store), e);
  if (err) return err;
  err = rk_trade_end(t, decide(t, user_id, session_kind, approval_id, yes, terms_hash, &late, e), e);
  if (!err && yes) rk_trade_step(t, RK_STEP_APPROVED);
  if (late && rk_trade_expire(t, late, NULL)) rk_log(RK_LOG_WARN, "trade", "an expired approval could not be marked as such");
  json_decref(late);
  return err;
}

void rk_trade_let_go(struct rk_trade *t, const char *user_id, const char *approval_id) {
  json_t *row = rk_store_approval(t->store, approval_id);
  rk_str state = rk_json_str(row, "state");
  bool mine = row && rk_str_eq_c(rk_json_str(row, "user_id"), user_id) && rk_str_eq(rk_json_str(row, "kind"), RK_STR("purchase"));
  bool over = rk_str_eq(state, RK_STR("refused")) || rk_str_eq(state, RK_STR("expired"));
  if (mine && over && rk_merchant_checkout_cancel(t->merchants, rk_json_cstr(row, "merchant_origin", ""), rk_json_cstr(row, "checkout_id", ""), NULL))
    rk_log(RK_LOG_INFO, "trade", "approval %s: the merchant did not confirm the cancellation; what it holds ends with the checkout", approval_id);
  json_decref(row);
}
