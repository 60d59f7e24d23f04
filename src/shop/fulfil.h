/* fulfil.h - what a seller does with an order after it was placed. The change
 * leaves a webhook in the outbox of the shop, which a serving process sends.
 * Thread rule: any thread, and beside a serving process. */
#ifndef RK_SHOP_FULFIL_H
#define RK_SHOP_FULFIL_H

#include "json/json.h"
#include "store/db.h"

struct rk_shipment { const char *order_id, *carrier, *tracking; /* "" : not said */ };
/* Everything of the order that is left goes out: its lines are fulfilled, an event `shipped` is appended.
 * RK_ENOTFOUND; RK_ECONFLICT: nothing of it is left to send. */
rk_err rk_shop_ship_order(struct rk_db *db, const struct rk_shipment *s, struct rk_error *e) RK_MUST_USE;

/* Money back that the seller begins (payback.c). key: of this one refund, told twice it is done once; "" made from what
 * is said. amount_minor: -1 what the lines were worth, without lines all that is left. */
struct rk_payback { const char *order_id, *key, *reason /* for the buyer, "" none */; int64_t amount_minor; const json_t *lines; /* [{id: "li_1", quantity}]; NULL none */ };
enum { RK_PAYBACK_ID_BYTES = 40 };
struct rk_payback_done { char id[RK_PAYBACK_ID_BYTES]; int64_t amount_minor; bool by_hand, again; };
/* by_hand: the money came by no handler of ours, the seller pays it himself. again: it was done before, nothing happened.
 * RK_ENOTFOUND; RK_EINVAL names line or amount; RK_ECONFLICT: more than is left of what was paid. */
rk_err rk_shop_pay_back(struct rk_db *db, const struct rk_payback *p, struct rk_payback_done *out, struct rk_error *e) RK_MUST_USE;
/* What was to be paid by hand is paid. RK_ENOTFOUND. Twice is once. */
rk_err rk_shop_paid_back(struct rk_db *db, const char *order_id, const char *refund_id, struct rk_error *e) RK_MUST_USE;

#endif
