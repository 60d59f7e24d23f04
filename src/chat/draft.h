/* draft.h - guesses what a reply copies from its own context (internal).
 *
 * Prompt lookup (Saxena 2023): where the last tokens stood before, what
 * followed them there is guessed to follow again. The earlier place that
 * agrees longest wins, the latest of equals. The guesses are only guesses:
 * whoever computes them keeps those that plain decoding picks.
 *
 * How often guesses came true is counted per length of agreement, also of
 * guesses that nobody computed, so that guessing finds its way back on.
 *
 * One thread. A zeroed rk_draft guesses nothing. */
#ifndef RK_CHAT_DRAFT_H
#define RK_CHAT_DRAFT_H

#include <stdbool.h>
#include <stdint.h>

enum { RK_DRAFT_MAX = 15, RK_DRAFT_KINDS = 4 };

struct rk_draft {
  int32_t *heads;     /* [n_heads] last position of each pair of tokens, -1: none */
  int32_t *earlier;   /* [cap] the position before it with the same pair */
  int32_t n_heads, cap;
  int32_t n;          /* tokens that are indexed */
  int32_t guesses[RK_DRAFT_MAX], n_guesses, at; /* made when there were `at` tokens; 0: judged */
  int kind;
  float odds[RK_DRAFT_KINDS]; /* that one more guess is right */
};

/* Indexes tokens[0..n); at most cap will be there. Without memory it guesses nothing. */
void rk_draft_init(struct rk_draft *d, const int32_t *tokens, int32_t n, int32_t cap);
void rk_draft_release(struct rk_draft *d);
void rk_draft_add(struct rk_draft *d, const int32_t *tokens, int32_t n); /* tokens[n - 1] has come */
void rk_draft_cut(struct rk_draft *d, const int32_t *tokens, int32_t n); /* back to n tokens, which are still there */
/* What may follow tokens[0..n), borrowed until the next call; returns how many. */
int32_t rk_draft_guess(struct rk_draft *d, const int32_t *tokens, int32_t n, const int32_t **guesses, float *odds);

#endif
