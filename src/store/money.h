/* money.h - the rows of money: approvals, payment intents, orders, ledger.
 *
 * Only SQL lives here; what the rows mean and when they may change is trade's.
 * The database itself refuses (RK_ECONFLICT) to change terms, to sign twice, to
 * change or delete an intent or a ledger entry, to charge an approval twice and
 * to end a payment that was not authorized with the same amount.
 *
 * Every function joins the caller's transaction when one is open.
 * Thread rule: any thread. JSON results are new references; NULL: none. */
#ifndef RK_STORE_MONEY_H
#define RK_STORE_MONEY_H

#include "store/store.h"

/* ---- approvals ---- */
struct rk_approval_new {
  const char *user_id, *chat_id, *turn_id;
  const char *merchant_origin, *checkout_id;
  rk_str terms_jcs; const char *terms_hash;
  int64_t total_minor; const char *currency;
  const char *instrument_id, *instrument_kind;
  bool demo_profile;
  int64_t created_ms, expires_ms;
  const char *kind;                 /* purchase | cancel | return | change */
  const char *supersedes;           /* the approval it takes the place of, in its plan too; NULL: none */
  const char *subject_order_id;     /* of a cancel, return or change */
  const char *category_claimed, *category_own; /* of what is bought: by the merchant, by the user's words; NULL: not known */
  const json_t *asked;              /* what an edit needs to know beside the terms, borrowed; NULL: nothing */
};
rk_err rk_store_approval_add(struct rk_store *s, const struct rk_approval_new *a, char id[37], struct rk_error *e) RK_MUST_USE;
/* {id, user_id, chat_id, turn_id, merchant_origin, checkout_id, state, terms, terms_jcs, terms_hash, total_minor, currency,
 * instrument_id, instrument_kind, demo_profile, created_ms, expires_ms, decided_by, decided_ms, signature, failure, failure_code, order_id,
 * kind, supersedes, plan_id, plan_position, subject_order_id, category_claimed, category_own, asked, fresh} */
json_t *rk_store_approval(struct rk_store *s, const char *approval_id);
/* The newest approval of the same turn for the same checkout: itself, or the one that superseded it. */
json_t *rk_store_approval_current(struct rk_store *s, const char *approval_id);
json_t *rk_store_approvals_of_turn(struct rk_store *s, const char *turn_id);
json_t *rk_store_approvals_in_state(struct rk_store *s, const char *state); /* oldest first */
json_t *rk_store_approvals_of_order(struct rk_store *s, const char *order_id); /* its cancellations, changes and returns, oldest first */
/* RK_EGONE: it is not in state from. failure, order_id: NULL leaves them. */
rk_err rk_store_approval_move(struct rk_store *s, const char *approval_id, const char *from, const char *to,
                              const char *failure, const char *order_id, struct rk_error *e) RK_MUST_USE;
/* The same to the state failed. code: docs/api.md, failure_code; why: a sentence, for logs and programs. */
rk_err rk_store_approval_fail(struct rk_store *s, const char *approval_id, const char *from, const char *code, const char *why, struct rk_error *e) RK_MUST_USE;
/* Records who decided a pending approval; signature NULL: none (a refusal). RK_EGONE: not pending. */
rk_err rk_store_approval_decide(struct rk_store *s, const char *approval_id, const char *to, const char *by,
                                const char *signature, struct rk_error *e) RK_MUST_USE;

/* The merchant's terms that were no longer the approved ones. */
rk_err rk_store_approval_fresh(struct rk_store *s, const char *approval_id, const json_t *fresh, struct rk_error *e) RK_MUST_USE;

/* ---- plans: approvals that are answered together ---- */
rk_err rk_store_plan_add(struct rk_store *s, const char *user_id, const char *chat_id, const char *turn_id, const char *title, char id[37],
                         struct rk_error *e) RK_MUST_USE;
/* RK_ECONFLICT: it has a plan already. RK_EGONE: it is not pending. */
rk_err rk_store_plan_take(struct rk_store *s, const char *plan_id, const char *approval_id, int64_t position, struct rk_error *e) RK_MUST_USE;
/* {id, user_id, chat_id, turn_id, title, state, on_failure, sheet_hash, signature, notes {approval_id: code}, undo_ms, created_ms, decided_by} */
json_t *rk_store_plan(struct rk_store *s, const char *plan_id);
json_t *rk_store_plan_approvals(struct rk_store *s, const char *plan_id); /* those not superseded, in their order */
/* RK_EGONE: not pending. sheet_hash NULL leaves it; signature NULL: none (a refusal). */
rk_err rk_store_plan_decide(struct rk_store *s, const char *plan_id, const char *to, const char *by, const char *sheet_hash, const char *signature,
                            struct rk_error *e) RK_MUST_USE;
rk_err rk_store_plan_on_failure(struct rk_store *s, const char *plan_id, const char *on_failure, struct rk_error *e) RK_MUST_USE; /* RK_EGONE: not pending */
/* RK_EGONE: it is not in state from. To undoing: undo_ms is now. */
rk_err rk_store_plan_move(struct rk_store *s, const char *plan_id, const char *from, const char *to, struct rk_error *e) RK_MUST_USE;
/* Why a part that was to be undone was not. */
rk_err rk_store_plan_note(struct rk_store *s, const char *plan_id, const char *approval_id, const char *code, struct rk_error *e) RK_MUST_USE;
json_t *rk_store_plans_open(struct rk_store *s);      /* [{id, user_id}]: approved, completing or undoing, of all users, oldest first */
json_t *rk_store_plans_answered(struct rk_store *s);  /* [{id, on_failure, sheet_hash, signature}]: all that were approved */
json_t *rk_store_plan_refunds(struct rk_store *s, const char *order_id); /* approvals by which plans gave the order back, oldest first */

/* ---- standing permissions ---- */
struct rk_permission_new {
  const char *user_id, *label, *merchant_origin /* NULL: any */, *instrument_id /* NULL: any */, *currency, *created_by;
  int64_t per_order_minor, per_day_minor, per_month_minor; /* the last two: < 0: no limit */
  const json_t *allow, *deny;       /* categories, borrowed */
};
rk_err rk_store_permission_add(struct rk_store *s, const struct rk_permission_new *p, char id[37], struct rk_error *e) RK_MUST_USE;
/* [{id, user_id, label, merchant_origin, instrument_id, currency, per_order_minor, per_day_minor, per_month_minor, allow, deny, created_ms,
 * created_by, revoked_ms}], newest first; live: only those not revoked */
json_t *rk_store_permissions(struct rk_store *s, const char *user_id, bool live);
json_t *rk_store_permission_uses(struct rk_store *s, const char *permission_id); /* [{approval_id, amount_minor, day, time_ms, released_ms, state, merchant_origin}] */
/* RK_ENOTFOUND: none of this user's, or revoked before. */
rk_err rk_store_permission_revoke(struct rk_store *s, const char *user_id, const char *permission_id, struct rk_error *e) RK_MUST_USE;
/* What is reserved under it on or after a day, YYYY-MM-DD of the user's zone; a day that is still to come counts too, after a clock has jumped back. */
int64_t rk_store_permission_used(struct rk_store *s, const char *permission_id, const char *from_day);
rk_err rk_store_permission_reserve(struct rk_store *s, const char *permission_id, const char *approval_id, int64_t amount_minor, const char *day,
                                   struct rk_error *e) RK_MUST_USE;
/* Nothing was bought: what it had reserved is free again. */
rk_err rk_store_permission_release(struct rk_store *s, const char *approval_id, struct rk_error *e) RK_MUST_USE;

/* ---- payment intents: what is sent, written before it is sent ---- */
struct rk_intent_new {
  const char *id, *user_id, *approval_id, *idempotency_key;
  int64_t amount_minor; const char *currency;
  rk_str body;                      /* valid UTF-8 */
};
/* A later attempt replaces one that was never sent. */
rk_err rk_store_intent_add(struct rk_store *s, const struct rk_intent_new *in, struct rk_error *e) RK_MUST_USE;
json_t *rk_store_intent(struct rk_store *s, const char *approval_id); /* the newest: {id, idempotency_key, amount_minor, currency, body, created_ms} */

/* ---- orders ---- */
struct rk_order_new {
  const char *user_id, *approval_id, *merchant_origin, *merchant_order_id, *chat_id, *turn_id;
  const json_t *receipt;            /* what was bought, borrowed */
};
rk_err rk_store_order_add(struct rk_store *s, const struct rk_order_new *o, char id[37], struct rk_error *e) RK_MUST_USE;
/* {id, approval_id, merchant_origin, merchant_order_id, status, receipt, chat_id, turn_id, placed_ms} */
json_t *rk_store_order(struct rk_store *s, const char *user_id, const char *order_id);
json_t *rk_store_order_of_approval(struct rk_store *s, const char *approval_id);
json_t *rk_store_order_at(struct rk_store *s, const char *merchant_origin, const char *merchant_order_id);
json_t *rk_store_orders_on_their_way(struct rk_store *s); /* placed or processing, of all users, oldest first */
json_t *rk_store_orders(struct rk_store *s, const char *user_id); /* newest first */
/* Its completed changes, oldest first: approvals. */
json_t *rk_store_order_changes(struct rk_store *s, const char *order_id);
rk_err rk_store_order_status(struct rk_store *s, const char *order_id, const char *status, struct rk_error *e) RK_MUST_USE;

/* ---- hand-overs: what the user finishes at a merchant's page ---- */
struct rk_hand_over_new {
  const char *user_id, *chat_id, *turn_id, *merchant_origin, *checkout_id;
  const json_t *data;               /* what is shown of it, borrowed */
};
rk_err rk_store_hand_over_add(struct rk_store *s, const struct rk_hand_over_new *h, char id[37], struct rk_error *e) RK_MUST_USE;
/* {id, user_id, chat_id, turn_id, merchant_origin, checkout_id, state open|completed|canceled|gone, data, merchant_order_id, order_url, created_ms, checked_ms} */
json_t *rk_store_hand_over(struct rk_store *s, const char *user_id, const char *id);
json_t *rk_store_hand_overs(struct rk_store *s, const char *user_id); /* newest first */
/* The merchant was asked just now. merchant_order_id, order_url: NULL leaves them. */
rk_err rk_store_hand_over_seen(struct rk_store *s, const char *id, const char *state, const char *merchant_order_id, const char *order_url, struct rk_error *e) RK_MUST_USE;

/* ---- ledger: double entry ---- */
/* An entry posts itself in the same statement: its amount to one account, and
 * from another (schema.c, v3). Accounts are of a user and a currency:
 * funds:INSTRUMENT, held:INSTRUMENT (authorized, not ended), spent:ORIGIN, equity:opening. */
struct rk_ledger_new {
  const char *user_id, *kind;       /* opening | authorize | capture | void | refund */
  const char *approval_id, *order_id, *instrument_id, *merchant_origin;
  int64_t amount_minor; const char *currency;
};
rk_err rk_store_ledger_add(struct rk_store *s, const struct rk_ledger_new *l, struct rk_error *e) RK_MUST_USE;
json_t *rk_store_ledger(struct rk_store *s, const char *user_id); /* docs/api.md, oldest first */
json_t *rk_store_ledger_of_order(struct rk_store *s, const char *user_id, const char *order_id); /* its charge and refunds, the same form */
/* Every charge and refund with what it was for, and (kind "on_delivery") the orders that stand and are paid at the door, oldest first: [{kind, time_ms, amount_minor, currency, merchant_origin, merchant_name,
 * category_own, category_claimed, opens: 1 where it is the order's first}] */
json_t *rk_store_spending(struct rk_store *s, const char *user_id);
json_t *rk_store_accounts(struct rk_store *s, const char *user_id); /* [{account, currency, balance_minor}]; sum zero per currency */
int64_t rk_store_order_refunded(struct rk_store *s, const char *order_id); /* sum of its refunds */
/* The charges of an order, that of its purchase and those of its changes, newest first: [{approval_id, instrument_id, charged_minor,
 * left_minor (not refunded)}]. */
json_t *rk_store_charges(struct rk_store *s, const char *order_id);
/* Of funds: openings and refunds less charges and open authorizations. */
int64_t rk_store_balance(struct rk_store *s, const char *user_id, const char *instrument_id);
/* Totals of approvals in state approved: decided, but not yet in the ledger. */
int64_t rk_store_reserved(struct rk_store *s, const char *user_id, const char *instrument_id);
/* Looks through all rows of money: [{check, ok, wrong: how many rows}]. An error: it could not be looked through. */
rk_err rk_store_audit(struct rk_store *s, json_t **out, struct rk_error *e) RK_MUST_USE;

#endif
