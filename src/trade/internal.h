/* internal.h - shared by approval.c and order.c. */
#ifndef RK_TRADE_INTERNAL_H
#define RK_TRADE_INTERNAL_H

#include <pthread.h>

#include "store/money.h"
#include "trade/terms.h"
#include "trade/trade.h"

enum {
  RK_TRADE_ARENA_BYTES = 8 << 20,
  RK_TOKEN_GRACE_MS = 300000       /* a payment approved in the last second still has time to be sent */
};

/* The numbered steps of a purchase (docs/trade.md): what is durable when each is reached. */
enum rk_trade_step {
  RK_STEP_CHECKOUT = 1,            /* the merchant has a checkout; here is nothing yet */
  RK_STEP_PENDING,                 /* approval and its event */
  RK_STEP_APPROVED,                /* signature, payment intent, event */
  RK_STEP_FRESH,                   /* the same; the merchant's terms are still these */
  RK_STEP_AUTHORIZED,              /* completing, authorize: from here on bytes may be sent */
  RK_STEP_ANSWERED,                /* the same; an answer to the payment, or none, is here */
  RK_STEP_READ,                    /* the same; the merchant's state of the checkout is here */
  RK_STEP_ENDED,                   /* order and capture, or void and failure, or unknown */
  RK_TRADE_STEPS = RK_STEP_ENDED
};

struct rk_in_flight { const char *id; struct rk_in_flight *next; }; /* of an approval or a plan */

struct rk_trade {
  struct rk_store *store;
  struct rk_merchants *merchants;
  struct rk_key *key;
  int64_t retry_wait_ms;           /* before a second look at a merchant; doubles */
  int64_t patience_ms;             /* an order that is unknown and still open at the merchant after this is taken back */
  pthread_mutex_t lock;            /* of in_flight: an approval, and a plan, is brought on by one thread at a time */
  pthread_cond_t ended;
  struct rk_in_flight *in_flight;
  json_t *told;                    /* order id: rk_mono_ms() of the last news; under lock; NULL: none yet */
  char broken[200];                /* why no money may move: the ledger did not pass at start; "": it may */
  void (*on_step)(enum rk_trade_step step); /* tests end the process here; NULL: nothing */
};

void rk_trade_step(const struct rk_trade *t, enum rk_trade_step step);
/* Looks the ledger through and remembers in broken what does not hold. */
rk_err rk_trade_check_ledger(struct rk_trade *t, struct rk_error *e) RK_MUST_USE;
/* The stored hash and signature of an approval are those of its terms. */
bool rk_trade_is_signed(const struct rk_trade *t, const json_t *approval);
/* RK_EFORMAT: the ledger is broken, nothing may be approved or paid. */
rk_err rk_trade_may_pay(const struct rk_trade *t, struct rk_error *e) RK_MUST_USE;

/* What an approval is made of; texts and JSON borrowed. */
struct rk_draft {
  const char *user_id, *chat_id, *turn_id, *origin, *checkout_id;
  const json_t *terms;
  bool demo;
  const char *kind;                /* NULL: purchase */
  const char *supersedes, *subject_order_id, *category_claimed, *category_own;
  const json_t *asked;             /* with in_plan: the request says that it will be answered with others */
  bool ask;                        /* the user in any case: permissions are not looked at */
  const char *by;                  /* who has agreed to it already ("plan"), NULL: nobody; the caller approves it in the same transaction */
};
/* Inside a transaction: the row, the approval_request event, and the approval where permissions give it. */
rk_err rk_trade_add_approval(struct rk_trade *t, const struct rk_draft *d, json_t **approval, struct rk_error *e) RK_MUST_USE;
rk_err rk_trade_store_approval(struct rk_trade *t, const struct rk_draft *d, json_t **approval, struct rk_error *e) RK_MUST_USE;
json_t *rk_trade_view(struct rk_trade *t, const json_t *row);      /* as docs/api.md shows it */
bool rk_trade_is_over(const json_t *row);                          /* pending, and its time is over */
json_t *rk_trade_instrument(const json_t *profile, const char *id); /* id NULL: the default; borrowed, NULL: none */
/* Paying the carrier at the door: no instrument of the profile, and nothing that the ledger books. */
#define RK_ON_DELIVERY "on_delivery"
json_t *rk_trade_on_delivery(const char *lang);                    /* {id, kind, label}, a new reference */
bool rk_trade_is_on_delivery(const json_t *row);                   /* an approval's row */
int64_t rk_trade_expiry(const struct rk_checkout *co);
json_t *rk_trade_asked(const struct rk_checkout *co, const char *lang);
rk_err rk_trade_check_session(const char *kind, struct rk_error *e) RK_MUST_USE;
/* Inside a transaction, on a pending row that the caller has checked: sign, intent, state, event. by: who decided. */
rk_err rk_trade_approve_row(struct rk_trade *t, const json_t *row, const char *by, struct rk_error *e) RK_MUST_USE;
rk_err rk_trade_refuse_row(struct rk_trade *t, const json_t *row, const char *by, struct rk_error *e) RK_MUST_USE;
/* The ledger holds together and the wallet has the money. */
rk_err rk_trade_check_payment(struct rk_trade *t, const json_t *row, struct rk_error *e) RK_MUST_USE;
/* Some standing permission applies, all that apply hold, and it can be paid. */
bool rk_trade_is_permitted(struct rk_trade *t, const json_t *row);
/* In the same transaction, after that: reserves the amount under each that applies, and approves. */
rk_err rk_trade_use_permissions(struct rk_trade *t, const json_t *row, struct rk_error *e) RK_MUST_USE;
/* The merchant has to see the buyer itself, or takes no means of payment of ours. */
bool rk_trade_wants_buyer(const struct rk_checkout *co);
struct rk_hand_over {
  const char *user_id, *chat_id, *turn_id, *lang;
  const struct rk_checkout *co;     /* with a continue_url; it stays open */
  const struct rk_line *line;       /* as it was asked for */
  int64_t total_minor;
};
/* Writes it down and says it as events, whatever the model makes of it. */
rk_err rk_trade_hand_over(struct rk_trade *t, const struct rk_hand_over *h, struct rk_error *e) RK_MUST_USE;
/* ES256 over text, base64url. */
rk_err rk_trade_sign(struct rk_trade *t, rk_str text, struct rk_buf *out, struct rk_error *e) RK_MUST_USE;
/* One thread at a time brings an approval, or a plan, on: waits for its turn. */
void rk_trade_enter(struct rk_trade *t, struct rk_in_flight *me);
void rk_trade_leave(struct rk_trade *t, struct rk_in_flight *me);
/* A purchase or a change: a checkout that is paid; else a refund that is confirmed. */
bool rk_trade_pays(const json_t *row);
/* What was paid for the order and its changes. */
int64_t rk_trade_charged(const struct rk_trade *t, const json_t *order);
/* Inside a transaction: status and refunds of the order as the merchant's order has them. */
rk_err rk_trade_follow(struct rk_trade *t, json_t *order, const json_t *theirs, struct rk_error *e) RK_MUST_USE;
/* The order's lines as they are after its changes, into its view. */
void rk_trade_show_changes(const struct rk_trade *t, const json_t *order, json_t *view);
/* A cancel or return. The key under which it will be confirmed; then the way from approved to its end. */
rk_err rk_trade_write_refund_intent(struct rk_trade *t, const json_t *row, struct rk_error *e) RK_MUST_USE;
rk_err rk_trade_bring_back(struct rk_trade *t, const char *approval_id, struct rk_error *e) RK_MUST_USE;
/* From approved, completing or unknown as far as the merchant answers; the row says where it stands. */
rk_err rk_trade_bring_on(struct rk_trade *t, const char *approval_id, struct rk_error *e) RK_MUST_USE;

/* ---- plans (plan_run.c) ---- */
#define RK_PLAN_UNDONE "plan_undone" /* failure_code of a part that was released because another failed */
/* An approved part, before anything is paid: still what was approved, and held for long enough? If not, it has failed. */
rk_err rk_trade_look_again(struct rk_trade *t, const char *approval_id, struct rk_error *e) RK_MUST_USE;
/* An approved part for which nothing was sent fails with RK_PLAN_UNDONE, and what the merchant holds is cancelled. */
rk_err rk_trade_release(struct rk_trade *t, const char *approval_id, struct rk_error *e) RK_MUST_USE;
/* Gives an order (row of the store) back under the plan's approval: quote and approval by "plan". RK_EPAYMENT: the fee is over
 * max_fee_minor; RK_ECONFLICT: nothing comes back; RK_EUNAVAIL: no answer. */
rk_err rk_trade_undo(struct rk_trade *t, const json_t *order, int64_t max_fee_minor, json_t **approval, struct rk_error *e) RK_MUST_USE;
int64_t rk_trade_undo_fee(const json_t *approval_row); /* of the sheet; < 0: not known, or it cannot be given back */
/* What is signed: {on_failure, parts: [{terms_hash, undo_fee_minor|null}]}, canonical, and its SHA-256. rows: the parts in order. */
rk_err rk_trade_sheet(const json_t *rows, const char *on_failure, struct rk_buf *jcs, char hash[65], struct rk_error *e) RK_MUST_USE;
/* Appends the plan event: the plan as it stands. Inside a transaction or not. */
rk_err rk_trade_plan_event(struct rk_trade *t, const char *plan_id, struct rk_error *e) RK_MUST_USE;
/* Inside a transaction: a part has expired, so has its plan if it still waited. */
rk_err rk_trade_plan_lapse(struct rk_trade *t, const json_t *row, struct rk_error *e) RK_MUST_USE;
json_t *rk_trade_plan_result(struct rk_trade *t, const json_t *plan, const json_t *rows); /* docs/api.md, result of a plan */

/* Ends a transaction: commits when err is RK_OK, else rolls back and returns err. */
rk_err rk_trade_end(struct rk_trade *t, rk_err err, struct rk_error *e) RK_MUST_USE;
rk_err rk_trade_event(struct rk_trade *t, const json_t *approval, const char *type, json_t *data, struct rk_error *e) RK_MUST_USE; /* takes data */
rk_err rk_trade_event_result(struct rk_trade *t, const json_t *approval, const char *decision, const char *by, struct rk_error *e) RK_MUST_USE;
/* Moves a pending approval whose time is over; RK_OK when it was not (or is no longer) pending. */
rk_err rk_trade_expire(struct rk_trade *t, const json_t *approval, struct rk_error *e) RK_MUST_USE;
/* Writes a payment intent of the amount: token, body and key; nothing is sent. */
rk_err rk_trade_write_intent(struct rk_trade *t, const json_t *approval, int64_t amount_minor, struct rk_error *e) RK_MUST_USE;

/* An order as docs/api.md shows it. New reference. */
json_t *rk_trade_order_view(const struct rk_trade *t, const json_t *row);

#endif
