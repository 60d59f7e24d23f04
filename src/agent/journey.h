/* journey.h - steps of a plan that are journeys, checked against the user's
 * words and completed: whose places were said, the way back, train or plane.
 * Inside agent/ only. Pure; any thread. */
#ifndef RK_AGENT_JOURNEY_H
#define RK_AGENT_JOURNEY_H

#include "agent/turn.h"

/* Words of a way, a place to go or a seat: without them nobody is sent on a journey. s: normal form. */
bool rk_journey_may(rk_str s);
/* s: the user's message, normal form. Changes the steps: a place that nobody named is none, a way without a beginning begins at
 * home; one way by two means is one step (`any`: either will do); "往返", "back on Sunday" or a stay of several days has a way back. */
void rk_journey_complete(const struct rk_turn *t, rk_str s, json_t *steps);

#endif
