/* trade.h - from an offer to a paid order: approval, payment, order, ledger.
 *
 * The one way to spend money: rk_trade_prepare() makes a checkout at the
 * merchant and an approval request with the exact terms; a page or terminal
 * session decides with the hash it saw; rk_trade_complete() charges once.
 * Nothing here reads text written by a model.
 *
 * Terms are a projection (design: merchant origin and key thumbprint, lines,
 * totals, discounts, fulfilment, address, instrument, refund rule, currency,
 * expiry), canonicalised by RFC 8785, hashed by SHA-256, signed ES256.
 * Completion needs a fresh read that projects to the same hash, or differs
 * only in a lower total. One use.
 *
 * States of an approval: pending -> approved -> completing -> completed |
 * failed | unknown; pending -> refused | expired | superseded. unknown is left
 * only by reconciliation (GET, or the same bytes under the same key).
 * Thread rule: any thread. */
#ifndef RK_TRADE_TRADE_H
#define RK_TRADE_TRADE_H

#include "net/digest.h"
#include "store/store.h"
#include "trade/merchant.h"

struct rk_trade;

struct rk_trade_opts {
  struct rk_store *store;
  struct rk_merchants *merchants;
  struct rk_key *key;               /* the user's approval key (DATA/approval.pem) */
};
/* Looks through the ledger first: while a check of it fails, nothing is approved or paid (RK_EFORMAT says which). */
rk_err rk_trade_new(const struct rk_trade_opts *o, struct rk_trade **out, struct rk_error *e) RK_MUST_USE;
void rk_trade_free(struct rk_trade *t);

struct rk_prepare {
  const char *user_id, *chat_id, *turn_id;
  const struct rk_offer *offer;     /* priced */
  int64_t max_total_minor;          /* hard limit from the user's words, 0: none; checked on the merchant's own total */
  const char *deliver_by;           /* "" or date */
  const char *instrument_id;        /* NULL: the default */
  struct rk_address address;
  const char *lang;                 /* "zh" | "en": of the merchant's texts; NULL: its own choice */
};
/* Tries the coupons that fit, keeps the lowest total, stores the approval and
 * appends the approval_request event. *approval: the object of docs/api.md.
 * RK_EINVAL: over the limit (says by how much), address missing; RK_EUPSTREAM. */
rk_err rk_trade_prepare(struct rk_trade *t, const struct rk_prepare *p, json_t **approval, struct rk_error *e) RK_MUST_USE;

json_t *rk_trade_approval(struct rk_trade *t, const char *user_id, const char *approval_id); /* NULL: none */
/* The same, or the one that has superseded it (and so on). */
json_t *rk_trade_approval_current(struct rk_trade *t, const char *user_id, const char *approval_id);
json_t *rk_trade_approvals_of_turn(struct rk_trade *t, const char *turn_id);

/* decision: "approve" | "refuse". session_kind must be "page", "terminal" or "key_approve" (a key with that scope).
 * One transaction: checks hash, expiry, single use and wallet balance; signs;
 * writes the payment intent (key and exact bytes) and the approval_result event.
 * RK_EFORBIDDEN, RK_EGONE (late, used, superseded), RK_ECONFLICT (other hash),
 * RK_EPAYMENT (balance too low; the approval stays pending). The same decision
 * sent twice answers RK_OK and changes nothing. */
rk_err rk_trade_decide(struct rk_trade *t, const char *user_id, const char *session_kind, const char *approval_id,
                       const char *decision, const char *terms_hash, struct rk_error *e) RK_MUST_USE;
/* Another payment method for a pending approval: it is superseded, *approval is
 * the new one with a new hash. RK_EFORBIDDEN, RK_ENOTFOUND, RK_EGONE, RK_EINVAL. */
rk_err rk_trade_change_instrument(struct rk_trade *t, const char *user_id, const char *session_kind, const char *approval_id,
                                  const char *instrument_id, json_t **approval, struct rk_error *e) RK_MUST_USE;

/* Runs an approved intent to its end. *order: the object of docs/api.md; appends
 * the order event. RK_EUNAVAIL with state unknown: try rk_trade_reconcile later. */
rk_err rk_trade_complete(struct rk_trade *t, const char *approval_id, json_t **order, struct rk_error *e) RK_MUST_USE;
/* Marks what is pending and late as expired (approval_result events). *next_ms: when the next one is due, 0: none is pending. */
rk_err rk_trade_expire_late(struct rk_trade *t, int64_t *next_ms, struct rk_error *e) RK_MUST_USE;
int32_t rk_trade_n_open(struct rk_trade *t); /* approvals in approved|completing|unknown */
/* Brings every one of those to an end, as far as the merchants answer. Call at start, by a timer, and on demand. */
rk_err rk_trade_reconcile(struct rk_trade *t, int32_t *n_open, struct rk_error *e) RK_MUST_USE;

json_t *rk_trade_orders(struct rk_trade *t, const char *user_id);                         /* newest first */
/* Refreshed from the merchant when it answers: a new status is stored, and what it has paid back becomes a refund in
 * the ledger, once; either appends an order event. */
json_t *rk_trade_order_status(struct rk_trade *t, const char *user_id, const char *order_id, struct rk_error *e);
json_t *rk_trade_ledger(struct rk_trade *t, const char *user_id);                         /* entries, oldest first */
json_t *rk_trade_accounts(struct rk_trade *t, const char *user_id);                       /* their balances; sum zero per currency */
/* {ok, checks: [{check, ok, wrong}]}: double entry, charges against orders and approvals, every signature over its terms.
 * Of all users of the data directory. */
rk_err rk_trade_audit(struct rk_trade *t, json_t **audit, struct rk_error *e) RK_MUST_USE;

#endif
