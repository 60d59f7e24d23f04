/* foreign.h - values of a merchant's JSON, checked and copied into an arena.
 *
 * A reader goes on when the arena is full and says so once at the end (full):
 * texts are then "", arrays NULL. Thread rule: one thread at a time. */
#ifndef RK_TRADE_FOREIGN_H
#define RK_TRADE_FOREIGN_H

#include "base/arena.h"
#include "json/json.h"

struct rk_foreign { struct rk_arena *arena; bool full; };

/* At most RK_MAX_UCP_TEXT_BYTES, whole code points; marks that are not seen (direction, zero width) are left out, line
 * breaks become spaces. */
const char *rk_foreign_text(struct rk_foreign *r, rk_str s);
const char *rk_foreign_field(struct rk_foreign *r, const json_t *obj, const char *key); /* "" when absent */
void *rk_foreign_array(struct rk_foreign *r, size_t n, size_t size); /* NULL when n is 0 */
/* A scalar as text: true, 3, 1.6, Sony. False: no scalar. */
bool rk_foreign_scalar(struct rk_foreign *r, const json_t *v, const char **out);
bool rk_foreign_amount_ok(int64_t minor); /* 0 .. RK_MAX_TOTAL_MINOR */
bool rk_foreign_currency_ok(rk_str code); /* three capitals, ISO 4217 */
/* Writing: a member unless the text is NULL or "". */
void rk_foreign_set(json_t *obj, const char *key, const char *text);

#endif
