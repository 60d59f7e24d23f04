/* draft.h - guesses what a reply copies from its own context (internal).
 *
 * Prompt lookup (Saxena 2023), over bytes: where the last bytes stood before,
 * what followed them there is guessed to follow again, also when it was cut
 * into other tokens there. The earlier place that agrees longest wins; one a
 * little behind the place that was copied last counts as more, so that a copy
 * that leaves something out finds back. The guesses are only guesses: whoever
 * computes them keeps those that plain decoding picks.
 *
 * How often guesses came true is counted per length of agreement, also of
 * guesses that nobody computed, so that guessing finds its way back on.
 *
 * One thread. A zeroed rk_draft guesses nothing. */
#ifndef RK_CHAT_DRAFT_H
#define RK_CHAT_DRAFT_H

#include "base/str.h"
#include "engine/engine.h"

enum { RK_DRAFT_MAX = 15 };
/* What a guess stands on: an agreement of some length, a grammar that leaves no
 * other bytes, or one that fits a place of the context. */
enum { RK_DRAFT_AGREED, RK_DRAFT_CERTAIN = 14, RK_DRAFT_FITS, RK_DRAFT_KINDS };

struct rk_guess {
  int32_t ids[RK_DRAFT_MAX];
  uint8_t kinds[RK_DRAFT_MAX];
  int32_t n;
};

struct rk_draft {
  const struct rk_model *model;
  char *text;            /* [n_bytes] of all tokens; a control token is NUL */
  int32_t *start;        /* [n + 1] of each token in text */
  int32_t *earlier;      /* [n_bytes] the place before it that ends with the same two bytes, -1: none */
  int32_t *heads;        /* [65536] last place of each pair of bytes */
  size_t cap_bytes;
  int32_t n, cap;        /* tokens */
  int32_t copied;        /* place behind the last guess that came true; -1: none did */
  struct rk_guess guess; /* the last one, made when there were `at` tokens; 0: judged */
  int32_t at, place;     /* place: of the text where its first byte stands, -1: nowhere */
  float odds[RK_DRAFT_KINDS]; /* that one more guess is right */
};

void rk_draft_odds(float odds[RK_DRAFT_KINDS]); /* before anything was learned */
/* Takes tokens[0..n); at most cap will be there. Without memory it guesses nothing. */
void rk_draft_init(struct rk_draft *d, const struct rk_model *m, const int32_t *tokens, int32_t n, int32_t cap);
void rk_draft_release(struct rk_draft *d);
void rk_draft_add(struct rk_draft *d, int32_t token);
void rk_draft_cut(struct rk_draft *d, int32_t n); /* back to n tokens */
/* What may follow, and where its first byte stands (-1: nothing was found). tokens are those that were added. Not kept. */
int32_t rk_draft_look(const struct rk_draft *d, const int32_t *tokens, struct rk_guess *g);
/* What stands at this place of the text. Not kept. */
void rk_draft_look_at(const struct rk_draft *d, const int32_t *tokens, int32_t place, struct rk_guess *g);
/* The context so far; places are its offsets. Borrowed until the next token. */
rk_str rk_draft_text(const struct rk_draft *d);
/* Keeps a guess that begins at a place (-1: nowhere), to be judged by what comes. odds[i]: that guess i is right when
 * those before it are. */
void rk_draft_keep(struct rk_draft *d, const struct rk_guess *g, int32_t place, float odds[RK_DRAFT_MAX]);

#endif
