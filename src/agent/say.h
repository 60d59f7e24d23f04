/* say.h - the words that code itself adds, in the user's language. Inside agent/ only. */
#ifndef RK_AGENT_SAY_H
#define RK_AGENT_SAY_H

#include "agent/turn.h"

/* What must be asked before buying: the question event's data, or NULL. New reference. */
json_t *rk_say_question(struct rk_turn *t);
/* The outcome of an order for the model, and in *close the sentence that code stands for. New references. */
json_t *rk_say_order(struct rk_turn *t, const json_t *order, json_t **close);
json_t *rk_say_no_order(struct rk_turn *t, const char *state, const char *code, json_t **close);
/* Amounts that the answer must name; RK_OK and nothing added when it does. */
void rk_say_bind(struct rk_turn *t, const struct rk_answer *a, struct rk_buf *more);

#endif
