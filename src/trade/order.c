/* From an approved intent to an order, and back from every interruption.
 *
 * The one rule: the ledger says authorize and the approval says completing, in
 * one committed transaction, before a byte of a payment leaves; and only the
 * merchant's own state of the checkout ends it. Whoever finds an approval in
 * completing or unknown asks the merchant what became of the checkout (GET). */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "trade/internal.h"

enum {
  READ_TRIES = 3,
  SETTLE_TRIES = 2,
  SENDS = 2,                    /* of the same bytes under the same key, before it is called unknown */
  CLOCK_SKEW_MS = 600000,       /* the merchant's clock may be so far behind ours */
  HOLD_MARGIN_MS = 15000        /* what is held for a plan must last while its other parts are paid */
};

/* ---- one thread at a time for each approval ---- */

static bool is_in_flight(const struct rk_trade *t, const char *id) {
  for (const struct rk_in_flight *f = t->in_flight; f; f = f->next)
    if (strcmp(f->id, id) == 0) return true;
  return false;
}

void rk_trade_enter(struct rk_trade *t, struct rk_in_flight *me) {
  pthread_mutex_lock(&t->lock);
  while (is_in_flight(t, me->id)) pthread_cond_wait(&t->ended, &t->lock);
  me->next = t->in_flight;
  t->in_flight = me;
  pthread_mutex_unlock(&t->lock);
}

void rk_trade_leave(struct rk_trade *t, struct rk_in_flight *me) {
  pthread_mutex_lock(&t->lock);
  struct rk_in_flight **at = &t->in_flight;
  while (*at != me) at = &(*at)->next;
  *at = me->next;
  pthread_cond_broadcast(&t->ended);
  pthread_mutex_unlock(&t->lock);
}

/* ---- what is on the way ---- */

struct run {
  struct rk_trade *t;
  const char *id;               /* the approval's */
  json_t *row, *intent;
  struct rk_arena *arena;
  bool waits_for_buyer;         /* the merchant wants the buyer at its own page */
};

static const char *field(const struct run *r, const char *name) { return rk_json_cstr(r->row, name, ""); }
static bool in_state(const struct run *r, const char *state) { return strcmp(field(r, "state"), state) == 0; }
static bool is_over(const struct run *r) { return rk_json_i64(r->row, "expires_ms", 0) <= rk_now_ms(); }

static rk_err load(struct run *r, struct rk_error *e) {
  json_decref(r->row);
  json_decref(r->intent);
  r->row = rk_store_approval(r->t->store, r->id);
  r->intent = rk_store_intent(r->t->store, r->id);
  return r->row ? RK_OK : rk_fail(e, RK_ENOTFOUND, "there is no such approval");
}

/* ---- ends, each one transaction ---- */

/* What is paid at the door moves no money of ours. */
static rk_err ledger(const struct run *r, const char *kind, const char *order_id, struct rk_error *e) {
  if (rk_trade_is_on_delivery(r->row)) return RK_OK;
  return rk_store_ledger_add(r->t->store, &(struct rk_ledger_new){.user_id = field(r, "user_id"), .kind = kind, .approval_id = r->id,
      .order_id = order_id, .instrument_id = field(r, "instrument_id"), .merchant_origin = field(r, "merchant_origin"),
      .amount_minor = rk_json_i64(r->intent, "amount_minor", 0), .currency = field(r, "currency")}, e);
}

/* What the user must be told also when no turn is listening any more. why: a failure code, or NULL. */
static rk_err notice(const struct run *r, const char *code, const char *why, const char *text, struct rk_error *e) {
  return rk_trade_event(r->t, r->row, "notice", json_pack("{s:s, s:s, s:s*, s:s, s:s}", "level", "warning", "code", code, "failure_code", why, "text", text,
                                                          "approval_id", r->id), e);
}

/* The end without an order: what was authorized is freed. */
static rk_err fail(struct run *r, const char *code, const char *why, struct rk_error *e) {
  const char *state = field(r, "state");
  bool authorized = strcmp(state, "approved") != 0;
  rk_err err = rk_db_begin(rk_store_db(r->t->store), e);
  if (err) return err;
  err = rk_store_approval_fail(r->t->store, r->id, state, code, why, e);
  if (!err && authorized) err = ledger(r, "void", NULL, e);
  if (!err) err = rk_store_permission_release(r->t->store, r->id, e);
  if (!err) err = notice(r, "order_failed", code, why, e);
  err = rk_trade_end(r->t, err, e);
  if (!err) rk_trade_step(r->t, RK_STEP_ENDED);
  return err;
}

static void copy(json_t *to, const char *name, const json_t *from, const char *key) { json_object_set(to, name, json_object_get(from, key)); }

/* Terms as approved; totals as charged when they came out lower. */
static json_t *receipt_of(const struct run *r, const struct rk_checkout *co) {
  const json_t *terms = rk_json_obj(r->row, "terms"), *fulfilment = rk_json_obj(terms, "fulfilment");
  json_t *receipt = json_object();
  static const char *const same[] = {"merchant", "lines", "totals", "total_minor", "currency", "instrument"};
  for (size_t i = 0; i < sizeof same / sizeof *same; i++) copy(receipt, same[i], terms, same[i]);
  copy(receipt, "address", fulfilment, "address");
  json_t *delivery = json_object();
  copy(delivery, "title", fulfilment, "method");
  copy(delivery, "date", fulfilment, "date");
  json_object_set_new(receipt, "delivery", delivery);
  int64_t charged = rk_json_i64(r->intent, "amount_minor", 0);
  if (charged == rk_json_i64(terms, "total_minor", -1)) return receipt;
  copy(receipt, "approved_minor", terms, "total_minor");
  json_object_set_new(receipt, "total_minor", json_integer(charged));
  json_t *fresh = rk_terms_project(co, &(struct rk_terms_extra){rk_json_arr(terms, "lines"), rk_json_obj(terms, "instrument"), 0}, NULL);
  if (rk_json_i64(fresh, "total_minor", -1) == charged) {
    copy(receipt, "lines", fresh, "lines");
    copy(receipt, "totals", fresh, "totals");
  }
  json_decref(fresh);
  return receipt;
}

json_t *rk_trade_order_view(const struct rk_trade *t, const json_t *row) {
  static const char *const from_row[] = {"id", "approval_id", "merchant_order_id", "status", "placed_ms", "chat_id", "turn_id"};
  json_t *v = json_copy(rk_json_obj(row, "receipt"));
  for (size_t i = 0; i < sizeof from_row / sizeof *from_row; i++) copy(v, from_row[i], row, from_row[i]);
  rk_trade_show_changes(t, row, v);
  int64_t refunded = rk_store_order_refunded(t->store, rk_json_cstr(row, "id", ""));
  if (refunded > 0) json_object_set_new(v, "refunded_minor", json_integer(refunded));
  return v;
}

static rk_err tell_order(struct run *r, const char *order_id, struct rk_error *e) {
  json_t *row = rk_store_order(r->t->store, field(r, "user_id"), order_id);
  if (!row) return rk_fail(e, RK_EIO, "the order cannot be read back");
  rk_err err = rk_trade_event(r->t, r->row, "order", json_pack("{s:o}", "order", rk_trade_order_view(r->t, row)), e);
  json_decref(row);
  return err;
}

static int64_t back_of(const struct run *r) { return rk_json_i64(rk_json_obj(rk_json_obj(r->row, "terms"), "change"), "back_minor", 0); }

/* A change has no order of its own: the one that is changed has one more charge. What comes back is booked by what the merchant's
 * order says, as any refund: whoever sees it first, it is booked once. */
static rk_err add_change(struct run *r, const json_t *theirs, struct rk_error *e) {
  const char *id = field(r, "subject_order_id");
  json_t *order = rk_store_order(r->t->store, field(r, "user_id"), id);
  rk_err err = order ? ledger(r, "capture", id, e) : rk_fail(e, RK_EIO, "the order cannot be read");
  if (!err) err = rk_store_approval_move(r->t->store, r->id, field(r, "state"), "completed", NULL, id, e);
  if (!err && theirs) err = rk_trade_follow(r->t, order, theirs, e);
  json_decref(order);
  return err ? err : tell_order(r, id, e);
}

static rk_err add_order(struct run *r, const struct rk_checkout *co, struct rk_error *e) {
  struct rk_store *s = r->t->store;
  char order_id[37];
  json_t *receipt = receipt_of(r, co);
  rk_err err = rk_store_order_add(s, &(struct rk_order_new){.user_id = field(r, "user_id"), .approval_id = r->id,
      .merchant_origin = field(r, "merchant_origin"), .merchant_order_id = co->order_id, .chat_id = field(r, "chat_id"),
      .turn_id = field(r, "turn_id"), .receipt = receipt}, order_id, e);
  json_decref(receipt);
  if (!err) err = ledger(r, "capture", order_id, e);
  if (!err) err = rk_store_approval_move(s, r->id, field(r, "state"), "completed", NULL, order_id, e);
  return err ? err : tell_order(r, order_id, e);
}

static rk_err mark_unknown(struct run *r, struct rk_error *e);

/* The merchant's order, where money comes back with a change of it; until it can be read nobody says that all is done. */
static rk_err read_changed(struct run *r, const struct rk_checkout *co, json_t **theirs, struct rk_error *e) {
  *theirs = NULL;
  json_t *order = rk_store_order(r->t->store, field(r, "user_id"), field(r, "subject_order_id"));
  bool same = rk_str_eq_c(rk_json_str(order, "merchant_order_id"), co->order_id);
  json_decref(order);
  if (!same) { /* nothing that we could book: somebody must look at it */
    rk_err err = mark_unknown(r, e);
    return err ? err : rk_fail(e, RK_EUNAVAIL, "%s has changed another order than was asked for", field(r, "merchant_origin"));
  }
  if (back_of(r) == 0 || rk_merchant_order(r->t->merchants, field(r, "merchant_origin"), co->order_id, theirs, NULL) == RK_OK) return RK_OK;
  rk_err err = mark_unknown(r, e);
  return err ? err : rk_fail(e, RK_EUNAVAIL, "%s has changed the order; what comes back is being looked up", field(r, "merchant_origin"));
}

static rk_err record(struct run *r, const struct rk_checkout *co, struct rk_error *e) {
  bool changes = strcmp(field(r, "kind"), "change") == 0;
  json_t *theirs = NULL;
  int64_t total;
  if (!co->order_id || !*co->order_id) return rk_fail(e, RK_EUNAVAIL, "the merchant says it is paid but names no order yet");
  if (rk_terms_total(co, &total, NULL) || total != rk_json_i64(r->intent, "amount_minor", 0))
    rk_log(RK_LOG_WARN, "trade", "approval %s: the merchant's completed total is not what was authorized", r->id);
  rk_err err = changes ? read_changed(r, co, &theirs, e) : RK_OK;
  if (!err) err = rk_db_begin(rk_store_db(r->t->store), e);
  if (!err) err = rk_trade_end(r->t, changes ? add_change(r, theirs, e) : add_order(r, co, e), e);
  json_decref(theirs);
  if (!err) rk_trade_step(r->t, RK_STEP_ENDED);
  return err;
}

static rk_err mark_unknown(struct run *r, struct rk_error *e) {
  if (in_state(r, "unknown")) return RK_OK;
  rk_err err = rk_db_begin(rk_store_db(r->t->store), e);
  if (err) return err;
  err = rk_store_approval_move(r->t->store, r->id, "completing", "unknown", NULL, NULL, e);
  if (!err) err = notice(r, "order_unknown", NULL, "we do not know yet whether the order was placed; nothing will be sent again; it is being looked up", e);
  err = rk_trade_end(r->t, err, e);
  if (!err) rk_trade_step(r->t, RK_STEP_ENDED);
  return err ? err : load(r, e);
}

/* The merchant keeps the payment until the buyer has been at its page. What comes of it is read, nothing is sent again. */
static rk_err wait_for_buyer(struct run *r, const struct rk_checkout *co, struct rk_error *e) {
  bool zh = rk_str_eq(rk_json_str(rk_json_obj(r->row, "asked"), "lang"), RK_STR("zh"));
  json_t *text = json_sprintf(zh ? "%s 需要您到它的页面继续：%s" : "%s needs you at its page: %s", co->merchant_name, co->continue_url);
  rk_err err = rk_trade_event(r->t, r->row, "notice", json_pack("{s:s, s:s, s:s, s:o, s:s}", "level", "warning", "code", "order_needs_you", "approval_id",
                                                                r->id, "text", text, "url", co->continue_url), e);
  if (!err) err = mark_unknown(r, e);
  return err ? err : rk_fail(e, RK_EUNAVAIL, "%s wants you to go on at its page: %s", co->merchant_name, co->continue_url);
}

/* ---- reading and sending ---- */

static rk_err read_checkout(struct run *r, int tries, struct rk_checkout *co, struct rk_error *e) {
  rk_err err = RK_EUNAVAIL;
  for (int i = 0; i < tries; i++) {
    if (i) rk_sleep_ms(r->t->retry_wait_ms << i);
    err = rk_merchant_checkout_get(r->t->merchants, field(r, "merchant_origin"), field(r, "checkout_id"), r->arena, co, e);
    if (!err && (!co->id || strcmp(co->id, field(r, "checkout_id")) != 0))
      err = rk_fail(e, RK_EUPSTREAM, "the merchant answered with another checkout");
    if (!err || err == RK_ENOTFOUND || err == RK_EGONE) break;
  }
  rk_trade_step(r->t, RK_STEP_READ);
  return err;
}

/* RK_EUNAVAIL and RK_ETIMEOUT mean that the end is still open; of an end they are never said. */
static rk_err final_code(rk_err code) { return code && code != RK_EUNAVAIL && code != RK_ETIMEOUT ? code : RK_EUPSTREAM; }

static bool is_open(enum rk_checkout_status status) { return status == RK_CO_INCOMPLETE || status == RK_CO_ESCALATION || status == RK_CO_READY; }

/* The token that may be on its way has run out by any clock: nobody can take it any more. */
static bool is_spent(const struct run *r) {
  int64_t lives = rk_json_i64(r->intent, "created_ms", INT64_MAX / 2) + RK_TOKEN_GRACE_MS, expires = rk_json_i64(r->row, "expires_ms", 0);
  return rk_now_ms() > (lives > expires ? lives : expires) + CLOCK_SKEW_MS;
}

/* Nothing is to be bought any more. A copy of the payment may still be on its way, so money is freed only when the
 * merchant shows an end that no copy can undo: the checkout cancelled or gone, or the payment's token run out. */
static rk_err take_back(struct run *r, const char *code, const char *text, rk_err end, struct rk_error *e) {
  struct rk_checkout co = {0};
  rk_err err = read_checkout(r, READ_TRIES, &co, e);
  if (!err && is_open(co.status)) {
    if (rk_merchant_checkout_cancel(r->t->merchants, field(r, "merchant_origin"), field(r, "checkout_id"), NULL))
      rk_log(RK_LOG_INFO, "trade", "approval %s: the merchant did not confirm the cancellation", r->id);
    err = read_checkout(r, 1, &co, e);
  }
  if (!err && co.status == RK_CO_COMPLETED) return record(r, &co, e);
  bool over = err == RK_ENOTFOUND || err == RK_EGONE || (!err && (co.status == RK_CO_CANCELED || (is_open(co.status) && is_spent(r))));
  if (!over) {
    err = mark_unknown(r, e);
    return err ? err : rk_fail(e, RK_EUNAVAIL, "it is not known yet whether %s took the payment; it is being looked up", field(r, "merchant_origin"));
  }
  err = fail(r, code, text, e);
  return err ? err : rk_fail(e, end, "%s", text);
}

static rk_err settle_refused(struct run *r, const struct rk_error *why, struct rk_error *e) {
  char text[sizeof why->msg];
  memcpy(text, why->msg, sizeof text);
  return take_back(r, "payment_refused", text, final_code(why->code), e);
}

static rk_err give_up(struct run *r, struct rk_error *e) {
  return is_over(r) ? take_back(r, "expired", "the approval expired before the order was placed; nothing was charged", RK_EGONE, e)
                    : take_back(r, "not_taken", "the merchant has not taken the order; it was cancelled there and nothing was charged", RK_EGONE, e);
}

/* What the merchant says of the checkout. *open: it still waits for a payment, and nothing was done about that. */
static rk_err settle_by_reading(struct run *r, bool *open, struct rk_error *e) {
  struct rk_checkout co = {0};
  rk_err err = read_checkout(r, 1, &co, e);
  *open = false;
  if (err == RK_ENOTFOUND || err == RK_EGONE) {
    err = fail(r, "checkout_gone", "the merchant no longer knows the checkout; nothing was charged", e);
    return err ? err : rk_fail(e, RK_EGONE, "the merchant no longer knows the checkout; nothing was charged");
  }
  if (err) {
    rk_err marked = mark_unknown(r, e);
    return marked ? marked : rk_fail(e, RK_EUNAVAIL, "%s does not answer; whether the order was placed is looked up later", field(r, "merchant_origin"));
  }
  switch (co.status) {
    case RK_CO_COMPLETED: return record(r, &co, e);
    case RK_CO_IN_PROGRESS:
      err = mark_unknown(r, e);
      return err ? err : rk_fail(e, RK_EUNAVAIL, "%s is still working on the order", field(r, "merchant_origin"));
    case RK_CO_CANCELED:
      err = fail(r, "canceled", "the merchant canceled the checkout; nothing was charged", e);
      return err ? err : rk_fail(e, RK_EGONE, "the merchant canceled the checkout; nothing was charged");
    case RK_CO_INCOMPLETE:
    case RK_CO_ESCALATION:
    case RK_CO_READY: break;
  }
  r->waits_for_buyer = co.status == RK_CO_ESCALATION && co.continue_url;
  *open = true;
  return RK_OK;
}

/* Sends the stored bytes under the stored key, and, when no answer comes and the checkout is still open, the same once
 * more. After that it is unknown, and nothing is sent again. */
static rk_err send(struct run *r, struct rk_error *e) {
  for (int i = 0; i < SENDS; i++) {
    struct rk_checkout co = {0};
    struct rk_error why = {RK_OK, "the merchant refused the payment"};
    bool open = false;
    rk_err err = rk_trade_may_pay(r->t, e);
    if (err) return err;
    enum rk_outcome outcome = rk_merchant_complete(r->t->merchants, field(r, "merchant_origin"), field(r, "checkout_id"),
                                                   rk_json_cstr(r->intent, "idempotency_key", ""), rk_json_str(r->intent, "body"), r->arena, &co, &why);
    rk_trade_step(r->t, RK_STEP_ANSWERED);
    if (outcome == RK_OUTCOME_DONE && co.order_id && *co.order_id) return record(r, &co, e);
    if (outcome == RK_OUTCOME_REFUSED) return settle_refused(r, &why, e);
    if (outcome == RK_OUTCOME_UNKNOWN && co.status == RK_CO_ESCALATION && co.continue_url) return wait_for_buyer(r, &co, e);
    rk_sleep_ms(r->t->retry_wait_ms);
    err = settle_by_reading(r, &open, e);
    if (!open) return err;
    if (is_over(r)) return give_up(r, e);
  }
  rk_err err = mark_unknown(r, e);
  return err ? err : rk_fail(e, RK_EUNAVAIL, "%s did not say whether the order was placed; it is being looked up", field(r, "merchant_origin"));
}

/* State completing: nobody knows whether the bytes were sent, so they are sent (again) under their key. State unknown:
 * they are not; an order that does not come in time is taken back. */
static rk_err settle(struct run *r, struct rk_error *e) {
  bool open;
  rk_err err = settle_by_reading(r, &open, e);
  if (!open) return err;
  if (is_over(r)) return give_up(r, e);
  if (r->waits_for_buyer) {
    err = mark_unknown(r, e);
    return err ? err : rk_fail(e, RK_EUNAVAIL, "%s waits for you at its page", field(r, "merchant_origin"));
  }
  if (in_state(r, "completing")) return send(r, e);
  if (rk_now_ms() - rk_json_i64(r->intent, "created_ms", 0) >= r->t->patience_ms) return give_up(r, e);
  return rk_fail(e, RK_EUNAVAIL, "%s has not taken the order yet; it is being looked up", field(r, "merchant_origin"));
}

/* ---- the first sending ---- */

/* The merchant has a name in each language; the one that was approved is still its name. */
static void keep_name(const json_t *terms, struct rk_checkout *co) {
  const char *approved = rk_json_cstr(rk_json_obj(terms, "merchant"), "name", "");
  if (co->merchant_name_en && strcmp(approved, co->merchant_name_en) == 0) co->merchant_name = co->merchant_name_en;
}

/* A fresh read must be what was approved, or cheaper. *total: the merchant's now. */
static rk_err check_fresh(struct run *r, int64_t *total, const char **code, struct rk_error *e) {
  struct rk_checkout co = {0};
  rk_err err = read_checkout(r, READ_TRIES, &co, e);
  *code = err == RK_ENOTFOUND || err == RK_EGONE ? "checkout_gone" : "no_answer";
  if (err) return err;
  *code = "not_available";
  if (co.status != RK_CO_READY)
    return rk_fail(e, RK_ECONFLICT, "the merchant no longer takes this order: %s", co.n_messages ? co.messages[0] : "it gave no reason");
  if (rk_trade_is_on_delivery(r->row) && !co.on_delivery) return rk_fail(e, RK_ECONFLICT, "the merchant no longer takes payment on delivery for this order");
  *code = "terms_changed";
  const json_t *terms = rk_json_obj(r->row, "terms");
  keep_name(terms, &co);
  json_t *fresh = rk_terms_project(&co, &(struct rk_terms_extra){rk_json_arr(terms, "lines"), rk_json_obj(terms, "instrument"),
                                                                 rk_json_i64(terms, "expires_ms", 0)}, e);
  err = fresh ? rk_terms_match(terms, fresh, e) : RK_EUPSTREAM;
  if (err && fresh && rk_store_approval_fresh(r->t->store, r->id, fresh, NULL)) rk_log(RK_LOG_WARN, "trade", "approval %s: the new terms were not stored", r->id);
  if (!err) *total = rk_json_i64(fresh, "total_minor", 0);
  json_decref(fresh);
  return err;
}

/* One transaction: from here on a payment may be on the wire. */
static rk_err authorize(struct run *r, int64_t total, struct rk_error *e) {
  rk_err err = rk_db_begin(rk_store_db(r->t->store), e);
  if (err) return err;
  err = rk_store_approval_move(r->t->store, r->id, "approved", "completing", NULL, NULL, e);
  /* cheaper: another amount is another payment, under its own key; the first was never sent */
  if (!err && total != rk_json_i64(r->intent, "amount_minor", -1)) err = rk_trade_write_intent(r->t, r->row, total, e);
  if (!err) err = load(r, e);
  if (!err) err = ledger(r, "authorize", NULL, e);
  return rk_trade_end(r->t, err, e);
}

/* Nothing has been sent yet: every error here is an end without a charge, unless it is our own disk. */
static rk_err still_as_approved(struct run *r, int64_t *total, struct rk_error *e) {
  struct rk_error why = {RK_OK, ""};
  const char *code = "expired";
  rk_err err = is_over(r) ? rk_fail(&why, RK_EGONE, "the approval expired before the order was placed; nothing was bought") : check_fresh(r, total, &code, &why);
  if (!err) return RK_OK;
  rk_err failed = fail(r, code, why.msg, e);
  return failed ? failed : rk_fail(e, final_code(err), "%s", why.msg);
}

static rk_err first_send(struct run *r, struct rk_error *e) {
  int64_t total = 0;
  rk_err err = still_as_approved(r, &total, e);
  if (err) return err;
  rk_trade_step(r->t, RK_STEP_FRESH);
  err = authorize(r, total, e);
  if (!err) rk_trade_step(r->t, RK_STEP_AUTHORIZED);
  return err ? err : send(r, e);
}

/* ---- the two ways in ---- */

static rk_err bring_on(struct run *r, struct rk_error *e) {
  rk_err err = load(r, e);
  if (err) return err;
  if (!rk_trade_pays(r->row)) return rk_trade_bring_back(r->t, r->id, e);
  if (in_state(r, "completed")) return RK_OK;
  if (in_state(r, "pending")) return rk_fail(e, RK_EFORBIDDEN, "the user has not approved this");
  if (in_state(r, "approved") && (err = rk_trade_may_pay(r->t, e))) return err;
  if (in_state(r, "approved")) return first_send(r, e);
  if (in_state(r, "completing") || in_state(r, "unknown")) return settle(r, e);
  const char *why = field(r, "failure");
  return rk_fail(e, RK_EGONE, "this approval is %s%s%s", field(r, "state"), *why ? ": " : "", why);
}

/* One thread at a time does fn for the approval; again while its end is open. */
static rk_err with_run(struct rk_trade *t, const char *approval_id, int tries, rk_err (*fn)(struct run *r, struct rk_error *e), struct rk_error *e) {
  struct rk_in_flight me = {.id = approval_id};
  rk_err err = RK_OK;
  rk_trade_enter(t, &me);
  for (int i = 0; i < tries; i++) {
    struct run r = {.t = t, .id = approval_id, .arena = rk_arena_new(RK_TRADE_ARENA_BYTES)};
    if (i) rk_sleep_ms(t->retry_wait_ms);
    err = r.arena ? fn(&r, e) : rk_fail(e, RK_ENOMEM, "out of memory");
    json_decref(r.row);
    json_decref(r.intent);
    rk_arena_free(r.arena);
    if (err != RK_EUNAVAIL) break;
  }
  rk_trade_leave(t, &me);
  return err;
}

rk_err rk_trade_bring_on(struct rk_trade *t, const char *approval_id, struct rk_error *e) { return with_run(t, approval_id, SETTLE_TRIES, bring_on, e); }

/* ---- parts of a plan, before anything is sent for them ---- */

static rk_err look_again(struct run *r, struct rk_error *e) {
  int64_t total = 0;
  rk_err err = load(r, e);
  if (err || !in_state(r, "approved")) return err;
  if ((err = rk_trade_may_pay(r->t, e))) return err;
  if (rk_json_i64(r->row, "expires_ms", 0) > rk_now_ms() + HOLD_MARGIN_MS) return still_as_approved(r, &total, e);
  err = fail(r, "expired", "its approval ends before the whole plan can be paid; nothing was bought", e);
  return err ? err : rk_fail(e, RK_EGONE, "a part of the plan expires before the whole can be paid");
}

rk_err rk_trade_look_again(struct rk_trade *t, const char *approval_id, struct rk_error *e) { return with_run(t, approval_id, 1, look_again, e); }

/* The merchant is told first; when it does not listen, what it holds for us ends by itself. */
static rk_err release(struct run *r, struct rk_error *e) {
  rk_err err = load(r, e);
  if (err || !in_state(r, "approved")) return err;
  if (rk_merchant_checkout_cancel(r->t->merchants, field(r, "merchant_origin"), field(r, "checkout_id"), NULL))
    rk_log(RK_LOG_INFO, "trade", "approval %s: the merchant did not confirm the cancellation", r->id);
  return rk_store_approval_fail(r->t->store, r->id, "approved", RK_PLAN_UNDONE, "another part of the plan failed; nothing was bought", e);
}

rk_err rk_trade_release(struct rk_trade *t, const char *approval_id, struct rk_error *e) { return with_run(t, approval_id, 1, release, e); }

/* A part is brought on by its plan alone, which may not come to it at all. */
static rk_err complete_part(struct rk_trade *t, const char *approval_id, const char *plan_id, struct rk_error *e) {
  json_t *result = NULL;
  rk_err err = rk_trade_plan_complete(t, plan_id, &result, e);
  json_decref(result);
  json_t *now = rk_store_approval(t->store, approval_id);
  rk_str state = rk_json_str(now, "state");
  if (rk_str_eq_c(state, "completed")) err = RK_OK;
  else if (rk_str_eq_c(state, "failed")) err = rk_fail(e, RK_EGONE, "this part of the plan was not bought: %s", rk_json_cstr(now, "failure", ""));
  else if (!err) err = rk_fail(e, RK_EUNAVAIL, "this part of the plan is %s", rk_json_cstr(now, "state", "gone"));
  json_decref(now);
  return err;
}

rk_err rk_trade_complete(struct rk_trade *t, const char *approval_id, json_t **order, struct rk_error *e) {
  *order = NULL;
  json_t *approval = rk_store_approval(t->store, approval_id);
  const char *plan_id = rk_json_cstr(approval, "plan_id", NULL);
  rk_err err = plan_id ? complete_part(t, approval_id, plan_id, e) : rk_trade_bring_on(t, approval_id, e);
  json_decref(approval);
  if (err) return err;
  approval = rk_store_approval(t->store, approval_id);
  json_t *row = rk_store_order(t->store, rk_json_cstr(approval, "user_id", ""), rk_json_cstr(approval, "order_id", ""));
  json_decref(approval);
  if (!row) return rk_fail(e, RK_EIO, "the order cannot be read back");
  *order = rk_trade_order_view(t, row);
  json_decref(row);
  return RK_OK;
}

int32_t rk_trade_n_open(struct rk_trade *t) {
  static const char *const open[] = {"approved", "completing", "unknown"};
  json_t *plans = rk_store_plans_open(t->store);
  int32_t n = (int32_t)json_array_size(plans);
  json_decref(plans);
  for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
    json_t *rows = rk_store_approvals_in_state(t->store, open[i]);
    n += (int32_t)json_array_size(rows);
    json_decref(rows);
  }
  return n;
}

rk_err rk_trade_expire_late(struct rk_trade *t, int64_t *next_ms, struct rk_error *e) {
  json_t *pending = rk_store_approvals_in_state(t->store, "pending"), *row;
  rk_err err = RK_OK;
  size_t i;
  *next_ms = 0;
  json_array_foreach(pending, i, row) {
    int64_t expires = rk_json_i64(row, "expires_ms", 0);
    if (expires > rk_now_ms()) *next_ms = *next_ms && *next_ms < expires ? *next_ms : expires;
    else if (!err) err = rk_trade_expire(t, row, e);
  }
  json_decref(pending);
  return err;
}

/* Ends the reconciliation when our own disk does not work; what a merchant does not do is tried again later. */
static rk_err noted(const char *what, const char *id, rk_err one, const struct rk_error *why, struct rk_error *e) {
  if (one) rk_log(RK_LOG_INFO, "trade", "%s %s: %s", what, id, why->msg);
  return one == RK_ENOSPC || one == RK_EIO ? rk_fail(e, one, "%s", why->msg) : RK_OK;
}

static rk_err reconcile_plans(struct rk_trade *t, struct rk_error *e) {
  json_t *plans = rk_store_plans_open(t->store), *row;
  rk_err err = RK_OK;
  size_t i;
  json_array_foreach(plans, i, row) {
    struct rk_error why = {RK_OK, ""};
    json_t *result = NULL;
    const char *id = rk_json_cstr(row, "id", "");
    rk_err one = rk_trade_plan_complete(t, id, &result, &why);
    json_decref(result);
    if ((err = noted("plan", id, one, &why, e))) break;
  }
  json_decref(plans);
  return err;
}

rk_err rk_trade_reconcile(struct rk_trade *t, int32_t *n_open, struct rk_error *e) {
  static const char *const states[] = {"unknown", "completing", "approved"};
  int64_t next_ms;
  rk_err err = rk_trade_expire_late(t, &next_ms, e);
  size_t i, k;
  json_t *row;
  for (i = 0; !err && i < sizeof states / sizeof *states; i++) {
    json_t *rows = rk_store_approvals_in_state(t->store, states[i]);
    json_array_foreach(rows, k, row) {
      struct rk_error why = {RK_OK, ""};
      const char *id = rk_json_cstr(row, "id", "");
      if (json_is_string(json_object_get(row, "plan_id"))) continue; /* in the order of its plan */
      if ((err = noted("approval", id, with_run(t, id, 1, bring_on, &why), &why, e))) break;
    }
    json_decref(rows);
  }
  if (!err) err = reconcile_plans(t, e);
  *n_open = rk_trade_n_open(t);
  return err;
}

/* ---- orders and ledger as docs/api.md shows them ---- */

json_t *rk_trade_orders(struct rk_trade *t, const char *user_id) {
  json_t *rows = rk_store_orders(t->store, user_id), *list = json_array(), *row;
  size_t i;
  json_array_foreach(rows, i, row) json_array_append_new(list, rk_trade_order_view(t, row));
  json_decref(rows);
  return list;
}

json_t *rk_trade_ledger(struct rk_trade *t, const char *user_id) {
  json_t *entries = rk_store_ledger(t->store, user_id);
  return entries ? entries : json_array();
}

json_t *rk_trade_accounts(struct rk_trade *t, const char *user_id) {
  json_t *accounts = rk_store_accounts(t->store, user_id);
  return accounts ? accounts : json_array();
}
