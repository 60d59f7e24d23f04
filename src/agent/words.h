/* words.h - reading a user's words: normal form, phrases, numbers, amounts.
 *
 * Everything works on the normal form of a text (rk_words_normal): ASCII lower
 * case, full-width forms as ASCII, one space for any run of white space. The
 * tables hold number words, units and comparisons of Chinese and English, no
 * goods. Pure; any thread. */
#ifndef RK_AGENT_WORDS_H
#define RK_AGENT_WORDS_H

#include "base/buf.h"

/* Appends the normal form of text (valid UTF-8). */
rk_err rk_words_normal(struct rk_buf *out, rk_str text) RK_MUST_USE;

/* Phrases are given as one string, '|' between them. A phrase that begins or
 * ends with an ASCII letter or digit matches only at a word's border there. */
ptrdiff_t rk_words_find(rk_str s, const char *phrases, size_t *n_matched); /* first hit, -1: none */
bool rk_words_has(rk_str s, const char *phrases);
/* Longest phrase at the very start / very end of s; its bytes, 0: none. */
size_t rk_words_starts(rk_str s, const char *phrases);
size_t rk_words_ends(rk_str s, const char *phrases);
bool rk_words_has_han(rk_str s);

/* A number at the start of s: "1,299.5", "1.5k", "3百", "三百五", "两", "five hundred", "a thousand".
 * Its bytes, 0: none. word: written as an English or Chinese word. */
size_t rk_words_number(rk_str s, double *value, bool *word);

/* A number with a currency sign or word: "¥500", "500块钱", "three hundred yuan". */
struct rk_amount {
  size_t at, n;          /* where in the text, sign and word included */
  int64_t minor;         /* hundredths */
  char currency[4];      /* "" when no sign or word stood there */
};
/* The next number at or after `from`, with or without a currency. False: no more. Numbers that carry another
 * unit (ml, W, people, days, sizes ...) are passed over. */
bool rk_words_amount(rk_str s, size_t from, struct rk_amount *out);

/* A measure in units of one kind, so that "4升" is "4000 ml" and "一斤" is "500 g". */
enum rk_dimension { RK_DIM_VOLUME_ML, RK_DIM_POWER_W, RK_DIM_WEIGHT_G, RK_DIM_STORAGE_GB, RK_DIM_CHARGE_MAH, RK_DIM_LENGTH_CM, RK_DIM_PEOPLE, RK_DIM_PIECES };
struct rk_measure { enum rk_dimension dimension; double value; size_t at, n; /* where in the text, unit included */ };
bool rk_words_quantity(rk_str s, size_t from, struct rk_measure *out);

/* The next number with a unit that is no money ("500ml", "two-person", "三升"): where, unit included. */
bool rk_words_measure(rk_str s, size_t from, size_t *at, size_t *n);

#endif
