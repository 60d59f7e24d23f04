/* refund.h - what a refund changes of an order, whoever began it: the buyer
 * (refund.c) or the seller (payback.c). Orders, reports and views are rows of
 * the store; the changes are written by the caller, in its transaction. */
#ifndef RK_SHOP_REFUND_H
#define RK_SHOP_REFUND_H

#include "json/json.h"
#include "store/db.h"

int64_t refund_charged(const json_t *order);      /* what was paid for it, its changes included */
size_t refund_line_at(const json_t *named);       /* {id: "li_3"} -> 2 */
int32_t refund_left(const json_t *line);          /* pieces of a report's line that did not come back yet */
int64_t refund_worth(const json_t *report, const json_t *line, int32_t quantity); /* what was paid for so many of it */
int64_t refund_total(const json_t *totals, const char *type);
bool refund_is_shipped(const json_t *view);       /* any of it */
/* Line i of the order and of its report, less what comes back. */
void refund_reduce(json_t *report, json_t *view, size_t i, int32_t quantity);
/* The places of a refund's line are free again; goods go back into stock, unless they were sent. */
rk_err refund_free(struct rk_db *db, const json_t *order, const json_t *line, bool shipped, struct rk_error *e) RK_MUST_USE;
json_t *refund_adjustment(const json_t *refund);  /* of a row {id, lines, amount_minor}; new reference */

#endif
