/* answer.h - the model's text on its way to the user.
 *
 * Text is passed on sentence by sentence. A sentence with an amount that no
 * tool result, no word of the user and no sum of code holds is dropped, and so
 * is one with a long number (an order, a phone) that was never seen.
 * Thread rule: one thread at a time. */
#ifndef RK_AGENT_ANSWER_H
#define RK_AGENT_ANSWER_H

#include "json/json.h"

struct rk_answer {
  struct rk_buf known;        /* normal form of everything that may be cited */
  struct rk_buf pending;      /* of the sentence that is being written */
  struct rk_buf text;         /* what was passed on */
  int64_t amounts[512];       /* minor units that may be named */
  int32_t n_amounts, n_dropped;
  bool strict;                /* long numbers are checked too: tools have answered */
  bool code;                  /* inside a ``` block: nothing is checked */
  void (*emit)(void *ud, rk_str text);
  void *ud;
};

void rk_answer_init(struct rk_answer *a, void (*emit)(void *, rk_str), void *ud);
void rk_answer_release(struct rk_answer *a);
void rk_answer_know_text(struct rk_answer *a, rk_str text);        /* the user's words */
void rk_answer_know_result(struct rk_answer *a, const json_t *v);  /* every *_minor and every amount in a string */
void rk_answer_feed(struct rk_answer *a, rk_str delta);
void rk_answer_end(struct rk_answer *a);                           /* passes on what is left */
/* Does the text passed on name this amount? */
bool rk_answer_names(const struct rk_answer *a, int64_t minor);

#endif
