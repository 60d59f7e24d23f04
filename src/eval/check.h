/* check.h - whether a task ended well: every word of `expect`, and the rules
 * that always hold, against the evidence of the run. docs/eval.md lists the
 * words and the tables they are read from.
 *
 * A word is a row of the table in check.c and a function. A word, or a key of
 * one, that is not known fails the task.
 * Thread rule: one thread. */
#ifndef RK_EVAL_CHECK_H
#define RK_EVAL_CHECK_H

#include "eval/market.h"

enum { RK_MAX_WHY_BYTES = 600 };

struct rk_case {
  const json_t *task, *profile;
  const json_t *evidence;          /* evidence.h */
  const struct rk_market *market;
  const char *dir;                 /* the data directory of the run: artefacts and what is tried out lie there */
};

/* why: the first unmet word with what was asked and what was got; "" when all hold. */
bool rk_check(const struct rk_case *c, char why[RK_MAX_WHY_BYTES]);
/* {orders, charges, approvals, cards, answers}: what happened, for the report. New reference. */
json_t *rk_check_summary(const struct rk_case *c);

#endif
