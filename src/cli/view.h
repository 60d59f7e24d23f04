/* view.h - events as a person reads them in a terminal. Text of merchants and
 * models is printed without control characters. Thread rule: one thread. */
#ifndef RK_CLI_VIEW_H
#define RK_CLI_VIEW_H

#include "json/json.h"

struct rk_view { bool in_text, undoing /* told that a plan is being undone */; };

void rk_view_event(struct rk_view *v, const char *type, const json_t *event);
/* The whole approval card. */
void rk_view_approval(struct rk_view *v, const json_t *approval);
/* The sheet of a plan: every part, the whole, and what happens when a part fails. */
void rk_view_plan(struct rk_view *v, const json_t *plan);
void rk_view_order(const json_t *order);
/* What the user finishes at the merchant's own page. */
void rk_view_hand_over(const json_t *hand_over);
void rk_view_money(int64_t minor, const char *currency);
void rk_view_pairs(const json_t *obj); /* " (size 42, colour red)"; nothing for an empty object */
void rk_view_put(rk_str text); /* to stdout, control characters left out */

#endif
