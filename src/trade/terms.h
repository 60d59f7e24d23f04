/* terms.h - what the user agrees to: the projection of a merchant's checkout
 * (docs/trade.md), its canonical bytes and hash, and the comparison of two.
 *
 * A checkout's status, messages and own expiry change by themselves and are
 * left out. Options of a line come from the checkout where the merchant sends
 * them, else from what was chosen for that item.
 * Thread rule: any thread. */
#ifndef RK_TRADE_TERMS_H
#define RK_TRADE_TERMS_H

#include "trade/merchant.h"

enum { RK_MAX_TERMS_BYTES = 262144 };

/* The merchant's own total. RK_EUPSTREAM: none, two, negative, over
 * RK_MAX_TOTAL_MINOR, or the lines and totals do not add up to it. */
rk_err rk_terms_total(const struct rk_checkout *co, int64_t *total_minor, struct rk_error *e) RK_MUST_USE;

struct rk_terms_extra {
  const json_t *lines;              /* [{item_id, options{}}]: what was chosen, borrowed; may be NULL */
  const json_t *instrument;         /* {id, kind, label}, borrowed */
  int64_t expires_ms;               /* of the approval */
};
/* The terms of docs/api.md, a new reference; NULL with e filled as rk_terms_total(). */
json_t *rk_terms_project(const struct rk_checkout *co, const struct rk_terms_extra *x, struct rk_error *e);
/* Canonical bytes (RFC 8785) and their SHA-256. */
rk_err rk_terms_canonical(const json_t *terms, struct rk_buf *jcs, char hash[65], struct rk_error *e) RK_MUST_USE;
/* RK_OK: fresh is what was approved, or costs less and is otherwise the same.
 * RK_ECONFLICT names what changed. */
rk_err rk_terms_match(const json_t *approved, const json_t *fresh, struct rk_error *e) RK_MUST_USE;

/* [{field: "lines[0].quantity", old, new}] (totals by type: "totals.discount.amount_minor"): a value that is not there is null; expires_ms is left out. New reference. */
json_t *rk_terms_diff(const json_t *old_terms, const json_t *new_terms);

#endif
