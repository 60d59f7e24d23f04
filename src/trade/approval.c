#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "trade/internal.h"
#include "trade/payment_token.h"

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

static bool is_over(const json_t *row) {
  return rk_str_eq_c(rk_json_str(row, "state"), "pending") && rk_json_i64(row, "expires_ms", 0) <= rk_now_ms();
}

static json_t *view(struct rk_trade *t, const json_t *row) {
  static const char *const shown[] = {"id", "terms", "terms_hash", "created_ms", "expires_ms", "chat_id", "turn_id", "demo_profile"};
  static const char *const optional[] = {"order_id", "failure", "failure_code"};
  json_t *v = json_object();
  for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) json_object_set(v, shown[i], json_object_get(row, shown[i]));
  for (size_t i = 0; i < sizeof optional / sizeof *optional; i++)
    if (json_is_string(json_object_get(row, optional[i]))) json_object_set(v, optional[i], json_object_get(row, optional[i]));
  json_object_set_new(v, "state", json_string(is_over(row) ? "expired" : rk_json_cstr(row, "state", "")));
  json_object_set_new(v, "wallet", wallet_json(t, row));
  return v;
}

json_t *rk_trade_approval(struct rk_trade *t, const char *user_id, const char *approval_id) {
  json_t *row = rk_store_approval(t->store, approval_id);
  json_t *v = row && rk_str_eq_c(rk_json_str(row, "user_id"), user_id) ? view(t, row) : NULL;
  json_decref(row);
  return v;
}

json_t *rk_trade_approval_current(struct rk_trade *t, const char *user_id, const char *approval_id) {
  json_t *row = rk_store_approval_current(t->store, approval_id);
  json_t *v = row && rk_str_eq_c(rk_json_str(row, "user_id"), user_id) ? view(t, row) : NULL;
  json_decref(row);
  return v;
}

json_t *rk_trade_approvals_of_turn(struct rk_trade *t, const char *turn_id) {
  json_t *rows = rk_store_approvals_of_turn(t->store, turn_id), *list = json_array(), *row;
  size_t i;
  json_array_foreach(rows, i, row) json_array_append_new(list, view(t, row));
  json_decref(rows);
  return list;
}

/* ---- prepare: the merchant's checkout at its best ---- */

static json_t *find_instrument(const json_t *profile, const char *id) {
  size_t i;
  json_t *one;
  json_array_foreach(rk_json_arr(profile, "instruments"), i, one)
    if (id ? rk_str_eq_c(rk_json_str(one, "id"), id) : rk_json_bool(one, "default", false)) return one;
  return NULL;
}

static rk_err check_request(const struct rk_prepare *p, struct rk_error *e) {
  if (!p->address.street || !*p->address.street)
    return rk_fail(e, RK_EINVAL, "there is no delivery address: ask the user which address, or have the profile filled in");
  if (p->offer->quantity < 1 || p->offer->quantity > RK_MAX_QUANTITY) return rk_fail(e, RK_EINVAL, "the offer is not priced");
  return RK_OK;
}

struct attempt {
  struct rk_trade *t;
  const struct rk_prepare *p;
  struct rk_arena *arena;
  struct rk_line line;
  struct rk_checkout best;
  const char *best_code;    /* NULL: without one */
  int64_t best_total;
};

static struct rk_checkout_req request(struct attempt *a, const char *const *code) {
  const struct rk_offer *o = a->p->offer;
  return (struct rk_checkout_req){.origin = o->origin, .lang = a->p->lang, .lines = &a->line, .n_lines = 1, .address = a->p->address,
                                  .delivery_id = o->delivery ? o->delivery->id : NULL, .codes = code, .n_codes = code && *code ? 1 : 0};
}

static rk_err create(struct attempt *a, const char *code, struct rk_error *e) {
  struct rk_checkout_req q = request(a, &code);
  rk_err err = rk_merchant_checkout_create(a->t->merchants, &q, a->arena, &a->best, e);
  if (!err) err = rk_terms_total(&a->best, &a->best_total, e);
  if (!err) a->best_code = code;
  return err;
}

/* Sets another code; keeps what comes back when it is cheaper. */
static rk_err try_code(struct attempt *a, const char *code, struct rk_error *e) {
  struct rk_checkout_req q = request(a, &code);
  struct rk_checkout co = {0};
  int64_t total = 0;
  rk_err err = rk_merchant_checkout_update(a->t->merchants, a->best.id, &q, a->arena, &co, e);
  if (!err) err = rk_terms_total(&co, &total, e);
  if (err || total > a->best_total) return err;
  a->best = co;
  a->best_total = total;
  a->best_code = code;
  return RK_OK;
}

static bool same(const char *a, const char *b) { return strcmp(a ? a : "", b ? b : "") == 0; }

static bool fits(const struct rk_offer *o, const struct rk_coupon *c) { return c != o->coupon && o->subtotal.minor >= c->min_subtotal_minor; }

/* Each code alone, the one that looks best first. What the shop lists is a claim: its total decides. */
static rk_err best_checkout(struct attempt *a, struct rk_error *e) {
  const struct rk_offer *o = a->p->offer;
  const char *set = o->coupon ? o->coupon->code : NULL;
  rk_err err = create(a, set, e);
  if (err && set) err = create(a, set = NULL, e);
  if (err) return err;
  int32_t tried = set ? 1 : 0;
  for (int32_t i = 0; i < o->n_coupons && tried < RK_MAX_DISCOUNT_CODES; i++) {
    if (!fits(o, &o->coupons[i])) continue;
    tried++;
    set = o->coupons[i].code;
    (void)try_code(a, set, NULL); /* a code that the shop refuses costs nothing */
  }
  return same(set, a->best_code) ? RK_OK : try_code(a, a->best_code, e);
}

static rk_err check_line(const struct attempt *a, struct rk_error *e) {
  const struct rk_checkout *co = &a->best;
  const struct rk_offer *o = a->p->offer;
  if (co->n_lines != 1 || !same(co->lines[0].item_id, o->item_id) || co->lines[0].quantity != o->quantity)
    return rk_fail(e, RK_EUPSTREAM, "%s put other things into the checkout than were asked for", o->shop_name);
  if (strcmp(co->currency, o->unit_price.currency) != 0)
    return rk_fail(e, RK_EUPSTREAM, "%s offered in %s and asks for %s", o->shop_name, o->unit_price.currency, co->currency);
  const struct rk_address *to = &a->p->address;
  if (!same(co->origin, o->origin) || !same(co->address.street, to->street) || !same(co->address.city, to->city))
    return rk_fail(e, RK_EUPSTREAM, "%s answered with another origin or address than was asked for", o->shop_name);
  return RK_OK;
}

/* The user's limits, on the merchant's own figures. */
static rk_err check_limits(const struct attempt *a, bool demo, struct rk_error *e) {
  const struct rk_checkout *co = &a->best;
  const char *shop = a->p->offer->shop_name, *by = a->p->deliver_by;
  if (demo && !co->sandbox)
    return rk_fail(e, RK_EINVAL, "%s is a real shop and the profile is the demo one: fill in your own profile first", shop);
  if (co->status != RK_CO_READY)
    return rk_fail(e, RK_EUPSTREAM, "%s does not take this order: %s", shop, co->n_messages ? co->messages[0] : "it gave no reason");
  if (by && *by && (!co->delivery || !co->delivery->date[0] || strcmp(co->delivery->date, by) > 0))
    return rk_fail(e, RK_EINVAL, "%s cannot deliver by %s", shop, by);
  if (a->p->max_total_minor > 0 && a->best_total > a->p->max_total_minor) {
    char total[40], over[40];
    struct rk_money m = {.minor = a->best_total};
    memcpy(m.currency, co->currency, sizeof m.currency);
    rk_money_text(m, total);
    m.minor -= a->p->max_total_minor;
    rk_money_text(m, over);
    return rk_fail(e, RK_EINVAL, "the total at %s is %s, %s over the limit", shop, total, over);
  }
  return RK_OK;
}

static json_t *chosen(const struct rk_offer *o) {
  json_t *options = json_object();
  for (int32_t i = 0; i < o->n_options; i++) json_object_set_new(options, o->options[i].name, json_string(o->options[i].value));
  return json_pack("[{s:s, s:o}]", "item_id", o->item_id, "options", options);
}

/* ---- storing an approval ---- */

struct draft {
  const char *user_id, *chat_id, *turn_id, *origin, *checkout_id;
  const json_t *terms;          /* borrowed */
  bool demo;
};

/* Inside a transaction: the row and the approval_request event. */
static rk_err add_approval(struct rk_trade *t, const struct draft *d, json_t **approval, struct rk_error *e) {
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
        .created_ms = rk_now_ms(), .expires_ms = rk_json_i64(d->terms, "expires_ms", 0)}, id, e);
  rk_buf_release(&jcs);
  if (err) return err;
  json_t *row = rk_store_approval(t->store, id), *shown = row ? view(t, row) : NULL;
  err = shown ? rk_trade_event(t, row, "approval_request", json_pack("{s:O}", "approval", shown), e) : rk_fail(e, RK_EIO, "the approval cannot be read back");
  json_decref(row);
  if (!err) *approval = shown;
  else json_decref(shown);
  return err;
}

static rk_err store_approval(struct rk_trade *t, const struct draft *d, json_t **approval, struct rk_error *e) {
  rk_err err = rk_db_begin(rk_store_db(t->store), e);
  if (err) return err;
  err = rk_trade_end(t, add_approval(t, d, approval, e), e);
  if (!err) rk_trade_step(t, RK_STEP_PENDING);
  if (err) {
    json_decref(*approval);
    *approval = NULL;
  }
  return err;
}

static int64_t expiry(const struct rk_checkout *co) {
  int64_t own = rk_now_ms() + RK_APPROVAL_TTL_MS;
  return co->expires_ms > 0 && co->expires_ms < own ? co->expires_ms : own;
}

static rk_err propose(struct attempt *a, const json_t *profile, json_t **approval, struct rk_error *e) {
  const struct rk_prepare *p = a->p;
  bool demo = rk_json_bool(profile, "demo", false);
  json_t *instrument = find_instrument(profile, p->instrument_id);
  rk_err err = check_line(a, e);
  if (!err) err = check_limits(a, demo, e);
  if (!err && expiry(&a->best) <= rk_now_ms()) err = rk_fail(e, RK_EUPSTREAM, "the checkout of %s has expired already", p->offer->shop_name);
  if (err) return err;
  json_t *lines = chosen(p->offer);
  json_t *paid_with = json_pack("{s:s, s:s, s:s}", "id", rk_json_cstr(instrument, "id", ""), "kind", rk_json_cstr(instrument, "kind", ""), "label",
                                rk_json_cstr(instrument, "label", ""));
  if (p->lang && strcmp(p->lang, "en") == 0 && a->best.merchant_name_en) a->best.merchant_name = a->best.merchant_name_en;
  json_t *terms = rk_terms_project(&a->best, &(struct rk_terms_extra){lines, paid_with, expiry(&a->best)}, e);
  if (terms)
    err = store_approval(a->t, &(struct draft){p->user_id, p->chat_id, p->turn_id, a->best.origin, a->best.id, terms, demo}, approval, e);
  else err = RK_EUPSTREAM;
  json_decref(terms);
  json_decref(paid_with);
  json_decref(lines);
  return err;
}

rk_err rk_trade_prepare(struct rk_trade *t, const struct rk_prepare *p, json_t **approval, struct rk_error *e) {
  *approval = NULL;
  rk_err err = check_request(p, e);
  if (err) return err;
  json_t *profile = rk_store_profile(t->store, p->user_id);
  struct attempt a = {.t = t, .p = p, .arena = rk_arena_new(RK_TRADE_ARENA_BYTES)};
  a.line = (struct rk_line){.item_id = p->offer->item_id, .title = p->offer->title, .options = p->offer->options, .n_options = p->offer->n_options,
                            .quantity = p->offer->quantity, .unit_minor = p->offer->unit_price.minor};
  if (!a.arena) err = rk_fail(e, RK_ENOMEM, "out of memory");
  else if (!find_instrument(profile, p->instrument_id))
    err = rk_fail(e, RK_EINVAL, "there is no such payment method in the profile%s%s", p->instrument_id ? ": " : "", p->instrument_id ? p->instrument_id : "");
  if (!err) err = best_checkout(&a, e);
  if (!err) rk_trade_step(t, RK_STEP_CHECKOUT);
  if (!err) {
    err = propose(&a, profile, approval, e);
    if (err && rk_merchant_checkout_cancel(t->merchants, a.best.origin, a.best.id, NULL)) /* frees what the shop holds for us */
      rk_log(RK_LOG_INFO, "trade", "the checkout at %s was not cancelled", p->offer->origin);
  }
  rk_arena_free(a.arena);
  json_decref(profile);
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
  return rk_trade_end(t, err, e);
}

/* Approved but not yet authorized in the ledger: that money is spoken for, too. */
static rk_err check_wallet(struct rk_trade *t, const json_t *row, struct rk_error *e) {
  if (!rk_str_eq_c(rk_json_str(row, "instrument_kind"), "wallet")) return RK_OK;
  const char *user = rk_json_cstr(row, "user_id", ""), *id = rk_json_cstr(row, "instrument_id", "");
  json_t *profile = rk_store_profile(t->store, user), *wallet = find_instrument(profile, id);
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

static rk_err sign(struct rk_trade *t, rk_str jcs, struct rk_buf *out, struct rk_error *e) {
  unsigned char sig[64];
  rk_err err = rk_sign_es256(t->key, jcs, sig, e);
  return err ? err : rk_base64url(out, (rk_str){(const char *)sig, sizeof sig});
}

rk_err rk_trade_write_intent(struct rk_trade *t, const json_t *row, int64_t amount_minor, struct rk_error *e) {
  const json_t *instrument = rk_json_obj(rk_json_obj(row, "terms"), "instrument");
  struct rk_payment_claims c = {.amount_minor = amount_minor};
  char key[37];
  rk_uuid7(c.jti);
  rk_uuid7(key);
  const char *origin = rk_json_cstr(row, "merchant_origin", ""), *checkout = rk_json_cstr(row, "checkout_id", "");
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
  rk_err err = rk_payment_token_make(t->key, &c, &token, e);
  if (!err)
    err = rk_merchant_complete_body(&(struct rk_payment){.instrument_id = rk_json_cstr(instrument, "id", ""), .kind = c.kind,
                                                         .label = rk_json_cstr(instrument, "label", ""), .token = token.p}, &body);
  if (!err)
    err = rk_store_intent_add(t->store, &(struct rk_intent_new){.id = c.jti, .user_id = rk_json_cstr(row, "user_id", ""),
        .approval_id = rk_json_cstr(row, "id", ""), .idempotency_key = key, .amount_minor = amount_minor, .currency = c.currency,
        .body = rk_buf_str(&body)}, e);
  rk_buf_release(&token);
  rk_buf_release(&body);
  return err;
}

static rk_err approve(struct rk_trade *t, const json_t *row, const char *by, struct rk_error *e) {
  struct rk_buf signature;
  rk_buf_init(&signature, 128);
  rk_err err = rk_trade_may_pay(t, e);
  if (!err) err = check_wallet(t, row, e);
  if (!err) err = sign(t, rk_json_str(row, "terms_jcs"), &signature, e);
  if (!err) err = rk_trade_write_intent(t, row, rk_json_i64(row, "total_minor", 0), e);
  if (!err) err = rk_store_approval_decide(t->store, rk_json_cstr(row, "id", ""), "approved", by, signature.p, e);
  if (!err) err = rk_trade_event_result(t, row, "approve", by, e);
  rk_buf_release(&signature);
  return err;
}

static rk_err refuse(struct rk_trade *t, const json_t *row, const char *by, struct rk_error *e) {
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
  else if (!rk_str_eq_c(rk_json_str(row, "state"), "pending")) err = decided_before(row, yes, e);
  else if (is_over(row)) {
    *late = json_incref(row);
    err = rk_fail(e, RK_EGONE, "this approval has expired: nothing was bought; ask again for a new one");
  } else err = yes ? approve(t, row, by, e) : refuse(t, row, by, e);
  json_decref(row);
  return err;
}

static rk_err check_session(const char *kind, struct rk_error *e) {
  bool may = kind && (strcmp(kind, "page") == 0 || strcmp(kind, "terminal") == 0 || strcmp(kind, "key_approve") == 0);
  return may ? RK_OK : rk_fail(e, RK_EFORBIDDEN, "only the page or a terminal of the user may do this");
}

rk_err rk_trade_decide(struct rk_trade *t, const char *user_id, const char *session_kind, const char *approval_id, const char *decision,
                       const char *terms_hash, struct rk_error *e) {
  bool yes = strcmp(decision, "approve") == 0;
  json_t *late = NULL;
  rk_err err = check_session(session_kind, e);
  if (!err && !yes && strcmp(decision, "refuse") != 0) err = rk_fail(e, RK_EINVAL, "decision is \"approve\" or \"refuse\"");
  if (!err) err = rk_db_begin(rk_store_db(t->store), e);
  if (err) return err;
  err = rk_trade_end(t, decide(t, user_id, session_kind, approval_id, yes, terms_hash, &late, e), e);
  if (!err) rk_trade_step(t, RK_STEP_APPROVED);
  if (late && rk_trade_expire(t, late, NULL)) rk_log(RK_LOG_WARN, "trade", "an expired approval could not be marked as such");
  json_decref(late);
  return err;
}

/* ---- another instrument ---- */

/* Inside a transaction: the old approval is superseded, the new one has the same terms but for the instrument. */
static rk_err change(struct rk_trade *t, const char *user_id, const char *approval_id, const char *instrument_id, json_t **approval,
                     struct rk_error *e) {
  json_t *row = rk_store_approval(t->store, approval_id), *profile = rk_store_profile(t->store, user_id), *terms = NULL;
  json_t *to = find_instrument(profile, instrument_id);
  rk_err err = RK_OK;
  if (!row || !rk_str_eq_c(rk_json_str(row, "user_id"), user_id)) err = rk_fail(e, RK_ENOTFOUND, "there is no such approval");
  else if (!rk_str_eq_c(rk_json_str(row, "state"), "pending") || is_over(row))
    err = rk_fail(e, RK_EGONE, "this approval is no longer waiting");
  else if (!to) err = rk_fail(e, RK_EINVAL, "there is no such payment method in the profile: %s", instrument_id);
  if (err) goto out;
  terms = json_deep_copy(rk_json_obj(row, "terms"));
  json_object_set_new(terms, "instrument", json_pack("{s:s, s:s, s:s}", "id", instrument_id, "kind", rk_json_cstr(to, "kind", ""), "label",
                                                     rk_json_cstr(to, "label", "")));
  err = rk_store_approval_move(t->store, approval_id, "pending", "superseded", NULL, NULL, e);
  if (!err) err = rk_trade_event_result(t, row, "superseded", NULL, e);
  if (!err)
    err = add_approval(t, &(struct draft){user_id, rk_json_cstr(row, "chat_id", ""), rk_json_cstr(row, "turn_id", ""),
                                          rk_json_cstr(row, "merchant_origin", ""), rk_json_cstr(row, "checkout_id", ""), terms,
                                          rk_json_bool(row, "demo_profile", true)}, approval, e);
out:
  json_decref(terms);
  json_decref(profile);
  json_decref(row);
  return err;
}

rk_err rk_trade_change_instrument(struct rk_trade *t, const char *user_id, const char *session_kind, const char *approval_id,
                                  const char *instrument_id, json_t **approval, struct rk_error *e) {
  *approval = NULL;
  rk_err err = check_session(session_kind, e);
  if (!err) err = rk_db_begin(rk_store_db(t->store), e);
  if (err) return err;
  err = rk_trade_end(t, change(t, user_id, approval_id, instrument_id, approval, e), e);
  if (err) {
    json_decref(*approval);
    *approval = NULL;
  }
  return err;
}
