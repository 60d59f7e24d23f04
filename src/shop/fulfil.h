/* fulfil.h - what a seller does with an order after it was placed. The change
 * leaves a webhook in the outbox of the shop, which a serving process sends.
 * Thread rule: any thread, and beside a serving process. */
#ifndef RK_SHOP_FULFIL_H
#define RK_SHOP_FULFIL_H

#include "store/db.h"

struct rk_shipment { const char *order_id, *carrier, *tracking; /* "" : not said */ };
/* Everything of the order that is left goes out: its lines are fulfilled, an event `shipped` is appended.
 * RK_ENOTFOUND; RK_ECONFLICT: nothing of it is left to send. */
rk_err rk_shop_ship_order(struct rk_db *db, const struct rk_shipment *s, struct rk_error *e) RK_MUST_USE;

#endif
