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
 * only by reconciliation (GET).
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
  const struct rk_offer *const *more; int32_t n_more; /* further lines of the same checkout: priced, of the same merchant and currency */
  const struct rk_traveler *travelers; int32_t n_travelers; /* of dated places: who goes; from the user's profile */
  bool seats_together;              /* the seats that the merchant names must be side by side */
  int64_t max_total_minor;          /* hard limit from the user's words, 0: none; checked on the merchant's own total */
  const char *deliver_by;           /* "" or date */
  const char *instrument_id;        /* NULL: the default; "on_delivery": to the carrier, where the merchant takes that */
  struct rk_address address;        /* of goods; dated places need none */
  const char *lang;                 /* "zh" | "en": of the merchant's texts; NULL: its own choice */
  const char *category;             /* of the thing, by the user's own words; NULL: not known (what the offer says is a claim) */
  bool in_plan;                     /* it will be answered with others: no permission approves it */
};
/* Tries the coupons that fit, keeps the lowest total, stores the approval and
 * appends the approval_request event. *approval: the object of docs/api.md.
 * RK_EINVAL: over the limit (says by how much), address missing, lines that do not go together; RK_EUPSTREAM. */
rk_err rk_trade_prepare(struct rk_trade *t, const struct rk_prepare *p, json_t **approval, struct rk_error *e) RK_MUST_USE;

/* One that was prepared for a plan is to be answered by itself after all: its approval_request event comes once more, without in_plan.
 * Of any other approval nothing happens. */
rk_err rk_trade_ask_alone(struct rk_trade *t, const char *user_id, const char *approval_id, struct rk_error *e) RK_MUST_USE;
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
/* Cancels at the merchant what a refused or expired purchase still holds there, as far as it answers. Blocks on the network. */
void rk_trade_let_go(struct rk_trade *t, const char *user_id, const char *approval_id);
/* The user edits a pending purchase: changes {instrument_id?, quantity?, item_id?, codes?: [], delivery_id?, address?: {name, phone, street, city}, renew?: true}
 * (renew: nothing but the time that the merchant holds it; quantity and item_id: of the one line there is, or with `line`: its number from 0). All but the instrument are changed at the merchant
 * first. The approval is superseded, *approval is the new one with a new hash and the difference. RK_EFORBIDDEN, RK_ENOTFOUND, RK_EGONE,
 * RK_EINVAL (names the field), RK_EUPSTREAM (the merchant does not do that: nothing is changed). */
rk_err rk_trade_edit(struct rk_trade *t, const char *user_id, const char *session_kind, const char *approval_id, const json_t *changes,
                     json_t **approval, struct rk_error *e) RK_MUST_USE;

/* What an edit's item_id may be: for each line of a purchase [{item_id, options, labels, unit_minor, currency, stock?}], empty where its merchant
 * does not say. Asks the merchant. NULL, RK_ENOTFOUND: no such purchase of this user's. */
json_t *rk_trade_variants(struct rk_trade *t, const char *user_id, const char *approval_id, struct rk_error *e);

/* ---- plans: several checkouts, one answer ---- */
/* Of pending purchases of the user. *plan: docs/api.md. What the user agrees to is the sheet: the parts, and what happens when one
 * of them fails: on_failure "undo" (the default: nothing of it stays, where the fee is no more than the sheet says) or "keep". */
rk_err rk_trade_plan_new(struct rk_trade *t, const char *user_id, const char *title, const char *const *approval_ids, int32_t n, json_t **plan,
                         struct rk_error *e) RK_MUST_USE;
/* Pending purchases that were held for a plan, and that no plan holds, are refused, and the merchants are told; the first error, after all of them. */
rk_err rk_trade_plan_drop(struct rk_trade *t, const char *user_id, const char *const *approval_ids, int32_t n, struct rk_error *e) RK_MUST_USE;
json_t *rk_trade_plan(struct rk_trade *t, const char *user_id, const char *plan_id); /* NULL: none */
/* Another on_failure makes another sheet. Parts are edited as any approval. */
rk_err rk_trade_plan_edit(struct rk_trade *t, const char *user_id, const char *session_kind, const char *plan_id, const char *on_failure, struct rk_error *e) RK_MUST_USE;
/* All of them, in one transaction, or none; the same codes as rk_trade_decide(). */
rk_err rk_trade_plan_decide(struct rk_trade *t, const char *user_id, const char *session_kind, const char *plan_id, const char *decision,
                            const char *sheet_hash, struct rk_error *e) RK_MUST_USE;
/* Runs an approved plan as far as the merchants answer. RK_OK: it has an end, which *result tells (docs/api.md, result of a plan);
 * RK_EUNAVAIL: a part or a refund is not known yet, *result tells how far it is: rk_trade_reconcile() goes on later. *result is a
 * new reference, NULL: there is no such plan. A part of a plan that is completed by itself runs its plan. */
rk_err rk_trade_plan_complete(struct rk_trade *t, const char *plan_id, json_t **result, struct rk_error *e) RK_MUST_USE;

/* ---- hand-overs: purchases that the user finishes at the merchant's own page (rk_trade_prepare: RK_EPAYMENT) ---- */
/* Asks the merchant what became of the checkout, as long as it is open; a new state is stored and told by a `hand_over` event. The object of
 * docs/api.md, as it was where the merchant does not answer. NULL, RK_ENOTFOUND: none of this user's. */
json_t *rk_trade_hand_over_status(struct rk_trade *t, const char *user_id, const char *id, struct rk_error *e);
json_t *rk_trade_hand_overs(struct rk_trade *t, const char *user_id); /* as they are known, newest first */

/* ---- after the sale ---- */
/* Asks the merchant what comes back for the order, and makes an approval of it: kind "cancel" or "return"; terms {kind, merchant,
 * order, lines, back_minor, fee_minor, back_to, policy, currency, refund_id, expires_ms}. It is decided and completed as any other.
 * RK_EUNAVAIL: this merchant takes no such request; RK_ECONFLICT: nothing comes back. */
rk_err rk_trade_give_back(struct rk_trade *t, const char *user_id, const char *order_id, const char *kind, const char *lang, json_t **approval,
                          struct rk_error *e) RK_MUST_USE;
/* The same for a turn that waits for it: the approval is that turn's. */
rk_err rk_trade_turn_gives_back(struct rk_trade *t, const char *user_id, const char *chat_id, const char *turn_id, const char *order_id, const char *kind, const char *lang,
                                json_t **approval, struct rk_error *e) RK_MUST_USE;

/* Places of an order for others of the same seller, as one act (kind "change"): a checkout whose terms hold, beside the new lines,
 * `change`: {merchant_order_id, lines (the old ones, what each is worth), old_minor, fee_minor, back_minor, policy}. total_minor is
 * what is to pay, back_minor what comes back; one of them is 0. Decided, paid and looked up as any purchase; the order stays the order,
 * with one more charge. RK_ENOTFOUND; RK_EINVAL; RK_EUNAVAIL: this merchant changes nothing; RK_ECONFLICT: not these places, not now. */
struct rk_change_ask {
  const char *user_id, *order_id, *lang;
  const char *instrument_id;         /* pays a difference; NULL: that of the order */
  const struct rk_line *to; int32_t n_to;            /* item_id and quantity are used */
  const struct rk_change_line *give; int32_t n_give; /* line_id and quantity; none: all that is left of the order */
};
rk_err rk_trade_change(struct rk_trade *t, const struct rk_change_ask *a, json_t **approval, struct rk_error *e) RK_MUST_USE;
/* The same, asked in JSON: {items: [{item_id, quantity?}], lines?: [{line_id, quantity?}], instrument_id?, lang?}. */
rk_err rk_trade_change_asked(struct rk_trade *t, const char *user_id, const char *order_id, const json_t *asked, json_t **approval, struct rk_error *e) RK_MUST_USE;

/* ---- standing permissions: none by default ---- */
/* p: {label?, merchant_origin?, instrument_id?, currency, per_order_minor, per_day_minor?, per_month_minor?, allow?: [category], deny?: [category]}.
 * A purchase is approved without asking when at least one permission applies (its merchant, instrument and currency) and all that apply hold:
 * their amounts are reserved, and the approval signed, in one transaction. Days and months are the user's zone's. A category that only the
 * merchant claims can deny, never allow. Page or terminal only. */
rk_err rk_trade_permit(struct rk_trade *t, const char *user_id, const char *session_kind, const json_t *p, json_t **permission, struct rk_error *e) RK_MUST_USE;
rk_err rk_trade_revoke(struct rk_trade *t, const char *user_id, const char *session_kind, const char *permission_id, struct rk_error *e) RK_MUST_USE;
json_t *rk_trade_permissions(struct rk_trade *t, const char *user_id); /* with used_day_minor, used_month_minor and uses */

/* Runs an approved intent to its end. *order: the object of docs/api.md; appends
 * the order event. RK_EUNAVAIL with state unknown: try rk_trade_reconcile later. */
rk_err rk_trade_complete(struct rk_trade *t, const char *approval_id, json_t **order, struct rk_error *e) RK_MUST_USE;
/* Marks what is pending and late as expired (approval_result events). *next_ms: when the next one is due, 0: none is pending. */
rk_err rk_trade_expire_late(struct rk_trade *t, int64_t *next_ms, struct rk_error *e) RK_MUST_USE;
int32_t rk_trade_n_open(struct rk_trade *t); /* approvals in approved|completing|unknown, and plans without an end */
/* Brings every one of those to an end, as far as the merchants answer. Call at start, by a timer, and on demand. */
rk_err rk_trade_reconcile(struct rk_trade *t, int32_t *n_open, struct rk_error *e) RK_MUST_USE;

json_t *rk_trade_orders(struct rk_trade *t, const char *user_id);                         /* newest first */
/* Refreshed from the merchant when it answers: a new status is stored, and what it has paid back becomes a refund in
 * the ledger, once; either appends an order event. */
json_t *rk_trade_order_status(struct rk_trade *t, const char *user_id, const char *order_id, struct rk_error *e);
/* The same from an order that the merchant of origin has sent by itself (webhook.h checks the sender). An older state
 * than the one known changes nothing. RK_ENOTFOUND: no order of ours there; RK_EBUSY: its purchase is just ending;
 * RK_EFORMAT names the field. */
rk_err rk_trade_order_event(struct rk_trade *t, const char *origin, const json_t *order, struct rk_error *e) RK_MUST_USE;
/* Reads orders that are on their way and were not told of for a while, with growing pauses. *next_ms: in how long the
 * next one is due, < 0: none is on its way. */
void rk_trade_poll_orders(struct rk_trade *t, int64_t *next_ms);
/* Everything about an order on one sheet, from what is stored: the order, {payments, refunds, returns, approval, discounts, paid_minor, refunded_minor,
 * fees_minor, stands_minor, on_delivery_minor?, checks: [{check, ok}], ok} (docs/api.md). NULL, RK_ENOTFOUND: none of this user's. */
json_t *rk_trade_receipt(struct rk_trade *t, const char *user_id, const char *order_id, struct rk_error *e);
/* by: "month" (of the user's zone, in which the money moved), "merchant" or "category". {by, rows: [{month | merchant | category and claimed,
 * currency, n_orders, spent_minor, refunded_minor, net_minor, on_delivery_minor: paid at the door, not in the others}], ok: the rows sum to the ledger's accounts}. NULL, RK_EINVAL: another by. */
json_t *rk_trade_spending(struct rk_trade *t, const char *user_id, const char *by, struct rk_error *e);
json_t *rk_trade_ledger(struct rk_trade *t, const char *user_id);                         /* entries, oldest first */
json_t *rk_trade_accounts(struct rk_trade *t, const char *user_id);                       /* their balances; sum zero per currency */
/* {ok, checks: [{check, ok, wrong}]}: double entry, charges against orders and approvals, every signature over its terms.
 * Of all users of the data directory. */
rk_err rk_trade_audit(struct rk_trade *t, json_t **audit, struct rk_error *e) RK_MUST_USE;

#endif
