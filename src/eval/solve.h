/* solve.h - whether a task can end well at all: a file of tasks is looked
 * through before it is believed. Thread rule: one thread. */
#ifndef RK_EVAL_SOLVE_H
#define RK_EVAL_SOLVE_H

#include "eval/check.h"

/* Every thing that the expectation names is there, within its limits, on its day, also all of them together. why: the first that is
 * not. Needs no evidence. */
bool rk_solvable(const struct rk_case *c, char why[RK_MAX_WHY_BYTES]);

#endif
