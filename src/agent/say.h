/* say.h - the words that code itself adds, in the user's language. Inside agent/ only. */
#ifndef RK_AGENT_SAY_H
#define RK_AGENT_SAY_H

#include "agent/turn.h"

/* When it comes or, of a dated place, when it is, and the words before it ("，预计送达 "); "" for both: nobody knows. */
struct rk_say_when { const char *lead, *date; bool is_start; };
struct rk_say_when rk_say_when(const json_t *order, bool zh);
/* The outcome of an order for the model, and in *close the sentence that code stands for. New references. */
json_t *rk_say_order(struct rk_turn *t, const json_t *order, json_t **close);
json_t *rk_say_no_order(struct rk_turn *t, const char *state, const char *code, json_t **close);
/* The same of a cancel or return: approval in its last state. */
json_t *rk_say_given_back(struct rk_turn *t, const json_t *approval, const char *state, json_t **close);
/* Sentences and amounts that the answer must hold; nothing added when it does. */
void rk_say_bind(struct rk_turn *t, const struct rk_answer *a, struct rk_buf *more);

#endif
