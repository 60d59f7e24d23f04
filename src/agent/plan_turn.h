/* plan_turn.h - a turn at its plan. Inside agent/ only.
 *
 * What settling an approval is for the journal's approval_id, this is for its
 * plan_id: the turn waits as rows for the user's answer, brings the approved
 * plan to its end, and says how it ended.
 * Thread rule: the worker that runs the turn. */
#ifndef RK_AGENT_PLAN_TURN_H
#define RK_AGENT_PLAN_TURN_H

#include "agent/turn.h"

/* The plan of the journal's plan_id. *waits: the user has not answered, the turn is to be stored as "waiting"; nothing else is set.
 * Otherwise *result is what the model is told for its last words, and *close the text that code stands for, in the user's language
 * (the journal's `close`): every part, what stands, what it cost, what can be done. New references.
 * Errors are those of our own disk: the turn is run again. */
rk_err rk_turn_plan_settle(struct rk_turn *t, bool *waits, json_t **result, json_t **close, struct rk_error *e) RK_MUST_USE;

#endif
