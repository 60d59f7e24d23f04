/* tell.h - what became of a purchase or a plan, in the user's language: the
 * words of code, never of a model. One table of texts, zh and en.
 * Thread rule: any thread. */
#ifndef RK_TRADE_TELL_H
#define RK_TRADE_TELL_H

#include "json/json.h"

enum { RK_TELL_BYTES = 1 << 16 };  /* room for any plan */

/* Of a failure_code of docs/api.md: a clause without a full stop. Borrowed. */
const char *rk_tell_failure(const char *code, bool zh);
/* What happens when a part fails: a sentence of the sheet. on_failure: "undo" | "keep". Borrowed. */
const char *rk_tell_on_failure(const char *on_failure, bool zh);
/* What it costs to give a part (docs/api.md, approval) back, should another fail. */
void rk_tell_undo(const json_t *approval, bool zh, struct rk_buf *out);
/* "¥12.00 + $3.00": amounts by currency. */
void rk_tell_totals(const json_t *totals, struct rk_buf *out);
/* A plan with its result, whatever its state: a line for each part, what stands, what it cost, what can be done. */
void rk_tell_plan(const json_t *plan, bool zh, struct rk_buf *out);

#endif
