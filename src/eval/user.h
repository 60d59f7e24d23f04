/* user.h - the simulated user of a task: what is said next, what is answered
 * to a question, what is decided at an approval card. Pure; no clock, no I/O.
 * Thread rule: one thread. */
#ifndef RK_EVAL_USER_H
#define RK_EVAL_USER_H

#include "json/json.h"

enum { RK_MAX_REPLIES = 2 }; /* answers to questions, for each line */

struct rk_user {
  const json_t *task;
  size_t line;       /* of say; at its end nothing is said any more */
  int32_t n_replies; /* to questions of this line */
  bool told;         /* the values of `user` */
};

void rk_user_init(struct rk_user *u, const json_t *task);
/* The line at hand; NULL: everything has been said. */
const char *rk_user_says(const struct rk_user *u);
/* The answer to a question: every value not yet told, else that anything is fine. False: no answer is left for this
 * line. Appends to out. */
bool rk_user_replies(struct rk_user *u, struct rk_buf *out);
void rk_user_next_line(struct rk_user *u);
/* At a card of this total, in this line. */
bool rk_user_approves(const struct rk_user *u, int64_t total_minor, const char *currency);

/* Whether an event ends a turn in a question: the last durable event before turn_done. events: of one turn, in order. */
bool rk_user_is_asked(const json_t *events);
bool rk_user_approve_is_valid(const json_t *task);

#endif
