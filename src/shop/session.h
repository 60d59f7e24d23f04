/* session.h - a checkout or cart worked out: what the agent asked for is kept
 * as `state`; prices, discounts, delivery, messages and readiness are worked out
 * from it again at every look, with the promised dates as of its last change
 * (quoted_ms).
 *
 *   session.c   a request into state, state into lines, delivery and messages
 *   discount.c  codes, automatic discounts and eligibility claims
 *   view.c      the session as UCP checkout, cart and order
 *   checkout.c  checkout sessions; cart.c carts; order.c placing an order
 *   change.c    a checkout that gives places of an order in exchange
 *   booking.c   another spelling of a hotel's checkout: the lodging draft */
#ifndef RK_SHOP_SESSION_H
#define RK_SHOP_SESSION_H

#include "base/limits.h"
#include "shop/private.h"

enum { MAX_APPLIED = RK_MAX_DISCOUNT_CODES + 8, MAX_CLAIMS = 8, MAX_FIELD_BYTES = 500, RK_MAX_CONTINUE_URL = 600 };

struct line { const struct rk_item *item; int32_t quantity; char seats[SEATS_TEXT_BYTES]; /* of a film, or "" */ };

struct discount {
  const struct rk_coupon_rule *rule;
  int64_t amount;
  int64_t by_line[RK_MAX_LINE_ITEMS];
  bool allocated;                  /* shown on the lines, as items_discount */
};

/* Borrowed parts live as long as row. */
struct session {
  json_t *row;                     /* of the store, or one just made */
  const char *id;
  const json_t *state;
  bool en;
  struct line lines[RK_MAX_LINE_ITEMS]; int32_t n_lines;
  int64_t subtotal, discount, fee, total;
  json_t *change;                  /* of an exchange: the lines that are given, with what each is worth; else NULL */
  int64_t credit, change_fee, back; /* of what they are worth together: credit counts here, back goes back; the fee of the change */
  struct discount discounts[MAX_APPLIED]; int32_t n_discounts;
  const struct rk_delivery_rule *delivery;   /* chosen, or the cheapest; NULL: no address yet */
  json_t *messages;
  bool ready;
  bool verified;                   /* completed: the claims held */
  struct rk_arena *arena;          /* where items of dated places are made; NULL in a shop of goods */
};

/* ---- session.c ---- */
/* The state that a create or update asks for; NULL: answered. Items that are sold out are left out and remembered. */
json_t *session_read(struct rk_shop *s, const json_t *body, struct rk_shop_answer *out);
/* Address and delivery option of a body into state. False: a text is too long. */
bool session_read_delivery(const json_t *body, json_t *state);
/* Texts of those names, trimmed. False: one is over MAX_FIELD_BYTES. */
bool session_copy(json_t *to, const json_t *from, const char *const *keys, size_t n);
void session_work_out(struct rk_shop *s, json_t *row, bool is_cart, struct session *x);
void session_release(struct session *x);
void session_say(struct session *x, const char *type, const char *code, const char *path, const char *severity, const char *zh, const char *en);
bool session_offers(const struct session *x, const struct rk_delivery_rule *d);
void session_promise(const struct rk_shop *s, const struct session *x, const struct rk_delivery_rule *d, char date[11]);
int64_t session_fee(const struct session *x, const struct rk_delivery_rule *d); /* of this delivery, for these goods */

/* ---- discount.c ---- */
void session_work_out_discounts(struct rk_shop *s, struct session *x);
int64_t session_items_discount(const struct session *x, int32_t line); /* off this line, of discounts that stand on lines */
/* The claims whose proof is missing get an eligibility_invalid message each; false: there are some. */
bool session_verify_claims(struct rk_shop *s, struct session *x);

/* ---- payment.c ---- */
enum payment_outcome { PAYMENT_TAKEN, PAYMENT_REFUSED, PAYMENT_ESCALATED };
struct payment { const json_t *instrument; char jti[40], kind[16], text[480]; struct rk_text fault; };
/* Of a completion's body. Nothing is charged here: order.c does, with the order. */
enum payment_outcome payment_take(struct rk_shop *s, const struct caller *c, const struct session *x, const json_t *body, struct payment *p);
/* An agent that has no handler of this shop's may send the buyer to its page, where it is ordered to be paid on delivery. */
bool payment_on_a_page(const struct rk_shop *s, const struct session *x);
void payment_continue_url(const struct rk_shop *s, const char *checkout_id, char out[RK_MAX_CONTINUE_URL]);

/* ---- order.c ---- */
/* Stock, order, charge and session in the request's transaction; what could refuse it was looked at before. */
rk_err order_place(struct rk_shop *s, const struct caller *c, struct session *x, const struct payment *p, struct rk_shop_answer *out,
                   struct rk_error *e) RK_MUST_USE;

/* ---- checkout.c ---- */
bool checkout_is_open(const json_t *row);
/* The row of a checkout of this agent; NULL: answered. */
json_t *checkout_find(struct rk_shop *s, const struct caller *c, const char *id, struct rk_shop_answer *out);
/* Answers with the checkout as it is now. */
void checkout_answer(struct rk_shop *s, const struct caller *c, json_t *row, int32_t http, struct rk_shop_answer *out);

/* ---- refund.c ---- */
/* {fee, back}: what it would cost to give the whole back right after it is placed. New reference. */
json_t *refund_preview(const struct rk_shop *s, const struct session *x);

/* ---- cart.c ---- */
/* The state of a checkout that begins from a cart; NULL: answered. Fields of body that overlap are ignored. */
json_t *cart_take_state(struct rk_shop *s, const struct caller *c, const char *cart_id, const json_t *body, struct rk_shop_answer *out);

/* Stores a session with its holds, and answers with it. */
void checkout_put(struct rk_shop *s, const struct caller *c, const char *id, json_t *state, int32_t http, struct rk_shop_answer *out);

/* ---- booking.c: sessions of the lodging draft, whose ids begin with BOOKING_ID ---- */
#define BOOKING_ID "bks_"
/* As session_read(), of a booking. */
json_t *booking_read(struct rk_shop *s, const json_t *body, struct rk_shop_answer *out);
void booking_work_out(struct rk_shop *s, struct session *x); /* capacity, and who it is for */
json_t *view_booking(const struct rk_shop *s, const struct caller *c, const struct session *x, const char *status);

/* ---- change.c ---- */
/* Reads what of an order is given in exchange into state. False: answered. */
bool change_read(struct rk_shop *s, const struct caller *c, const json_t *body, json_t *state, struct rk_shop_answer *out);
void change_work_out(struct rk_shop *s, struct session *x); /* after the lines */
json_t *change_view(const struct rk_shop *s, const struct session *x);
/* As order_place(): the order changes its lines. */
rk_err change_place(struct rk_shop *s, const struct caller *c, struct session *x, const struct payment *p, struct rk_shop_answer *out,
                    struct rk_error *e) RK_MUST_USE;

/* ---- view.c ---- */
json_t *view_checkout(const struct rk_shop *s, const struct caller *c, const struct session *x, const char *status);
json_t *view_cart(const struct rk_shop *s, const struct caller *c, const struct session *x);
json_t *view_order(const struct rk_shop *s, const struct caller *c, const struct session *x, const char *id, const char *url);
json_t *view_report(const struct rk_shop *s, const struct session *x, const json_t *instrument, const char *kind);

#endif
