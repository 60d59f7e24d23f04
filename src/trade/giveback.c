/* giveback.c - after the sale: what the merchant would give back, as an
 * approval, and its confirmation under one key. Money comes to the user, but
 * the order is gone: so it is asked, signed and sent once, as a purchase is. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "trade/internal.h"

/* ---- the approval ---- */

static json_t *lines_json(const struct rk_refund *r) {
  json_t *list = json_array();
  for (int32_t i = 0; i < r->n_lines; i++)
    json_array_append_new(list, json_pack("{s:s, s:s, s:i}", "line_id", r->lines[i].line_id, "title", r->lines[i].title ? r->lines[i].title : "", "quantity", (int)r->lines[i].quantity));
  return list;
}

static int64_t expiry(const struct rk_refund *r) {
  int64_t own = rk_now_ms() + RK_APPROVAL_TTL_MS;
  return r->expires_ms > 0 && r->expires_ms < own ? r->expires_ms : own;
}

static json_t *terms_of(const json_t *order, const struct rk_refund *r, const char *kind) {
  const json_t *receipt = rk_json_obj(order, "receipt");
  return json_pack("{s:s, s:O, s:{s:s, s:s}, s:o, s:I, s:I, s:O, s:O, s:s, s:s, s:s, s:I, s:I}", "kind", kind, "merchant", rk_json_obj(receipt, "merchant"), "order", "id",
                   rk_json_cstr(order, "id", ""), "merchant_order_id", rk_json_cstr(order, "merchant_order_id", ""), "lines", lines_json(r), "back_minor",
                   (json_int_t)r->back_minor, "fee_minor", (json_int_t)r->fee_minor, "back_to", rk_json_obj(receipt, "instrument"), "instrument",
                   rk_json_obj(receipt, "instrument"), "policy", r->policy ? r->policy : "", "currency", r->currency, "refund_id", r->id, "total_minor", (json_int_t)0,
                   "expires_ms", (json_int_t)expiry(r));
}

static rk_err check_quote(const json_t *order, const struct rk_refund *r, int64_t left_minor, struct rk_error *e) {
  if (!rk_str_eq_c(rk_json_str(rk_json_obj(order, "receipt"), "currency"), r->currency)) return rk_fail(e, RK_EUPSTREAM, "the merchant would pay back in another currency");
  if (r->back_minor < 0 || r->fee_minor < 0 || r->back_minor > left_minor) return rk_fail(e, RK_EUPSTREAM, "the merchant offers back what cannot be");
  return RK_OK;
}

/* What was agreed to beforehand, on the sheet of a plan: nobody is asked. */
struct agreed { const char *by; int64_t max_fee_minor; };

static rk_err approve_at_once(struct rk_trade *t, const struct rk_draft *d, json_t **approval, struct rk_error *e) {
  rk_err err = rk_trade_add_approval(t, d, approval, e);
  json_t *row = err ? NULL : rk_store_approval(t->store, rk_json_cstr(*approval, "id", ""));
  if (!err) err = row ? rk_trade_approve_row(t, row, d->by, e) : rk_fail(e, RK_EIO, "the approval cannot be read back");
  json_decref(row);
  return err;
}

static rk_err store(struct rk_trade *t, const struct rk_draft *d, json_t **approval, struct rk_error *e) {
  if (!d->by) return rk_trade_store_approval(t, d, approval, e);
  rk_err err = rk_db_begin(rk_store_db(t->store), e);
  if (err) return err;
  err = rk_trade_end(t, approve_at_once(t, d, approval, e), e);
  if (!err) rk_trade_step(t, RK_STEP_APPROVED);
  if (err) {
    json_decref(*approval);
    *approval = NULL;
  }
  return err;
}

/* The turn that asks; NULL: the one that bought. */
struct asker { const char *chat_id, *turn_id; };

static rk_err propose(struct rk_trade *t, const json_t *bought, const json_t *order, const struct rk_refund *r, const char *kind, const char *by, const struct asker *asker,
                      json_t **approval, struct rk_error *e) {
  char checkout[160];
  json_t *terms = terms_of(order, r, kind);
  snprintf(checkout, sizeof checkout, "refund:%.140s", r->id);
  rk_err err = terms ? store(t, &(struct rk_draft){.user_id = rk_json_cstr(bought, "user_id", ""), .chat_id = asker ? asker->chat_id : rk_json_cstr(order, "chat_id", ""),
      .turn_id = asker ? asker->turn_id : rk_json_cstr(order, "turn_id", ""), .origin = rk_json_cstr(order, "merchant_origin", ""), .checkout_id = checkout, .terms = terms,
      .demo = rk_json_bool(bought, "demo_profile", false), .ask = true, .by = by, .kind = kind, .subject_order_id = rk_json_cstr(order, "id", "")}, approval, e)
                     : rk_fail(e, RK_EUPSTREAM, "the merchant's answer is no valid UTF-8");
  json_decref(terms);
  return err;
}

static rk_err check_agreed(const struct rk_refund *r, int64_t left_minor, const struct agreed *agreed, struct rk_error *e) {
  if (r->back_minor == 0 && left_minor > 0) return rk_fail(e, RK_ECONFLICT, "nothing comes back");
  return left_minor - r->back_minor <= agreed->max_fee_minor ? RK_OK : rk_fail(e, RK_EPAYMENT, "the merchant keeps more than the sheet of the plan says");
}

/* order: row of the store. agreed NULL: the user is asked. */
static rk_err give_back(struct rk_trade *t, const json_t *order, const char *kind, const char *lang, const struct agreed *agreed, const struct asker *asker, json_t **approval,
                        struct rk_error *e) {
  json_t *bought = rk_store_approval(t->store, rk_json_cstr(order, "approval_id", ""));
  struct rk_arena *a = rk_arena_new(RK_TRADE_ARENA_BYTES);
  struct rk_refund r = {0};
  rk_err err = !bought ? rk_fail(e, RK_ENOTFOUND, "there is no such order") : !a ? rk_fail(e, RK_ENOMEM, "out of memory") : RK_OK;
  if (!err) err = rk_merchant_refund_quote(t->merchants, rk_json_cstr(order, "merchant_origin", ""), rk_json_cstr(order, "merchant_order_id", ""), NULL, 0, lang, a, &r, e);
  int64_t left = err ? 0 : rk_trade_charged(t, order) - rk_store_order_refunded(t->store, rk_json_cstr(order, "id", ""));
  if (!err) err = check_quote(order, &r, left, e);
  if (!err && agreed) err = check_agreed(&r, left, agreed, e);
  if (!err) err = propose(t, bought, order, &r, kind, agreed ? agreed->by : NULL, asker, approval, e);
  rk_arena_free(a);
  json_decref(bought);
  return err;
}

static rk_err ask_back(struct rk_trade *t, const char *user_id, const struct asker *asker, const char *order_id, const char *kind, const char *lang, json_t **approval,
                       struct rk_error *e) {
  *approval = NULL;
  if (strcmp(kind, "cancel") != 0 && strcmp(kind, "return") != 0) return rk_fail(e, RK_EINVAL, "kind is \"cancel\" or \"return\"");
  json_t *order = rk_store_order(t->store, user_id, order_id);
  rk_err err = order ? give_back(t, order, kind, lang, NULL, asker, approval, e) : rk_fail(e, RK_ENOTFOUND, "there is no such order");
  json_decref(order);
  return err;
}

rk_err rk_trade_give_back(struct rk_trade *t, const char *user_id, const char *order_id, const char *kind, const char *lang, json_t **approval,
                          struct rk_error *e) {
  return ask_back(t, user_id, NULL, order_id, kind, lang, approval, e);
}

rk_err rk_trade_turn_gives_back(struct rk_trade *t, const char *user_id, const char *chat_id, const char *turn_id, const char *order_id, const char *kind, const char *lang,
                                json_t **approval, struct rk_error *e) {
  return ask_back(t, user_id, &(struct asker){chat_id, turn_id}, order_id, kind, lang, approval, e);
}

rk_err rk_trade_undo(struct rk_trade *t, const json_t *order, int64_t max_fee_minor, json_t **approval, struct rk_error *e) {
  *approval = NULL;
  return give_back(t, order, "cancel", NULL, &(struct agreed){"plan", max_fee_minor > 0 ? max_fee_minor : 0}, NULL, approval, e);
}

rk_err rk_trade_write_refund_intent(struct rk_trade *t, const json_t *row, struct rk_error *e) {
  char id[37], key[37];
  const json_t *terms = rk_json_obj(row, "terms");
  rk_uuid7(id);
  rk_uuid7(key);
  return rk_store_intent_add(t->store, &(struct rk_intent_new){.id = id, .user_id = rk_json_cstr(row, "user_id", ""), .approval_id = rk_json_cstr(row, "id", ""),
      .idempotency_key = key, .amount_minor = rk_json_i64(terms, "back_minor", 0), .currency = rk_json_cstr(row, "currency", ""), .body = rk_json_str(terms, "refund_id")}, e);
}

/* ---- its way to an end ---- */

struct back {
  struct rk_trade *t;
  struct rk_arena *arena;
  json_t *row, *intent;
};

static const char *field(const struct back *b, const char *name) { return rk_json_cstr(b->row, name, ""); }
static bool in_state(const struct back *b, const char *state) { return strcmp(field(b, "state"), state) == 0; }

static rk_err move(const struct back *b, const char *to, const char *order_id, struct rk_error *e) {
  return rk_store_approval_move(b->t->store, field(b, "id"), field(b, "state"), to, NULL, order_id, e);
}

/* The ledger follows the merchant's order, as for any refund. */
static rk_err done(const struct back *b, struct rk_error *e) {
  struct rk_error ignored = {0};
  rk_err err = move(b, "completed", field(b, "subject_order_id"), e);
  if (err) return err;
  rk_trade_step(b->t, RK_STEP_ENDED);
  json_decref(rk_trade_order_status(b->t, field(b, "user_id"), field(b, "subject_order_id"), &ignored));
  return RK_OK;
}

static rk_err failed(const struct back *b, const char *why, struct rk_error *e) {
  char text[sizeof e->msg];
  snprintf(text, sizeof text, "%s", why);
  rk_err err = rk_store_approval_fail(b->t->store, field(b, "id"), field(b, "state"), "refund_refused", text, e);
  return err ? err : rk_fail(e, RK_EUPSTREAM, "%s", text);
}

static rk_err unknown(const struct back *b, struct rk_error *e) {
  rk_err err = in_state(b, "unknown") ? RK_OK : move(b, "unknown", NULL, e);
  return err ? err : rk_fail(e, RK_EUNAVAIL, "we do not know yet whether %s took the request; it is being looked up", field(b, "merchant_origin"));
}

static rk_err confirm(const struct back *b, struct rk_error *e) {
  struct rk_refund r = {0};
  struct rk_error why = {RK_OK, "the merchant refused"};
  enum rk_outcome outcome = rk_merchant_refund_confirm(b->t->merchants, field(b, "merchant_origin"), rk_json_cstr(b->intent, "body", ""),
                                                       rk_json_cstr(b->intent, "idempotency_key", ""), b->arena, &r, &why);
  rk_trade_step(b->t, RK_STEP_ANSWERED);
  if (outcome == RK_OUTCOME_DONE) return done(b, e);
  return outcome == RK_OUTCOME_REFUSED ? failed(b, why.msg, e) : unknown(b, e);
}

/* Completing or unknown: the merchant is asked; only a process that died gets to confirm again, under the same key. */
static rk_err look_up(const struct back *b, struct rk_error *e) {
  struct rk_refund r = {0};
  rk_err err = rk_merchant_refund_get(b->t->merchants, field(b, "merchant_origin"), rk_json_cstr(b->intent, "body", ""), b->arena, &r, e);
  rk_trade_step(b->t, RK_STEP_READ);
  if (!err && r.completed) return done(b, e);
  if (err == RK_ENOTFOUND || (!err && r.expires_ms && r.expires_ms <= rk_now_ms())) return failed(b, "the merchant did not take the request in time; the order stands", e);
  if (err || in_state(b, "unknown")) return unknown(b, e);
  return confirm(b, e);
}

static rk_err first_confirm(struct back *b, struct rk_error *e) {
  if (rk_json_i64(b->row, "expires_ms", 0) <= rk_now_ms()) return failed(b, "the approval expired before the merchant was asked; the order stands", e);
  rk_err err = move(b, "completing", NULL, e);
  if (err) return err;
  json_object_set_new(b->row, "state", json_string("completing"));
  rk_trade_step(b->t, RK_STEP_AUTHORIZED);
  return confirm(b, e);
}

rk_err rk_trade_bring_back(struct rk_trade *t, const char *approval_id, struct rk_error *e) {
  struct back b = {.t = t, .arena = rk_arena_new(RK_TRADE_ARENA_BYTES), .row = rk_store_approval(t->store, approval_id), .intent = rk_store_intent(t->store, approval_id)};
  rk_err err;
  if (!b.arena) err = rk_fail(e, RK_ENOMEM, "out of memory");
  else if (in_state(&b, "completed")) err = RK_OK;
  else if (in_state(&b, "pending")) err = rk_fail(e, RK_EFORBIDDEN, "the user has not approved this");
  else if (in_state(&b, "approved")) err = first_confirm(&b, e);
  else if (in_state(&b, "completing") || in_state(&b, "unknown")) err = look_up(&b, e);
  else err = rk_fail(e, RK_EGONE, "this approval is %s", field(&b, "state"));
  json_decref(b.intent);
  json_decref(b.row);
  rk_arena_free(b.arena);
  return err;
}
