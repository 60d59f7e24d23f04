/* vocab.h - a model's vocabulary as a trie of bytes, the masks of tokens that
 * an automaton allows, and the automata that were made last.
 *
 * A mask is worked out once per state of an automaton and kept there. Inside a
 * string nearly every token is allowed. So the trie is split in two: plain
 * tokens (whole code points without quote, backslash or control byte) come
 * from masks made once, by their number of code points; only the others are
 * walked.
 *
 * rk_vocab_new() once per model; any thread. Limit: RK_VOCAB_AUTOMATA. */
#ifndef RK_CHAT_VOCAB_H
#define RK_CHAT_VOCAB_H

#include "chat/automaton.h"
#include "engine/engine.h"

enum { RK_VOCAB_AUTOMATA = 16, RK_MAX_CERTAIN = 512 /* bytes looked at */ };

struct rk_vocab;

rk_err rk_vocab_new(const struct rk_model *m, struct rk_vocab **out, struct rk_error *e) RK_MUST_USE;
void rk_vocab_free(struct rk_vocab *v);
const struct rk_model *rk_vocab_model(const struct rk_vocab *v);
int32_t rk_vocab_words(const struct rk_vocab *v); /* of a mask */
/* All tokens of text: no control token and no tag. Borrowed. */
const uint32_t *rk_vocab_text_mask(const struct rk_vocab *v);
/* Those that begin with a letter, digit or other non-ASCII sign, perhaps after a space. Borrowed. */
const uint32_t *rk_vocab_prose_mask(const struct rk_vocab *v);
/* Sets mask to the tokens whose bytes may follow. Where bytes can only follow
 * these are, as a tokenizer would have it, the first of their own tokens and
 * every token that begins with all of them and goes on. */
void rk_vocab_mask(const struct rk_vocab *v, struct rk_matcher *m, uint32_t *mask);
/* Tokens of the bytes that can only follow, at most cap. Of these the first
 * *n_forced have no other choice; the others might join what comes behind
 * them. mask is scratch. */
int32_t rk_vocab_certain(const struct rk_vocab *v, struct rk_matcher *m, uint32_t *mask, int32_t *ids, int32_t cap, int32_t *n_forced);

/* Sets mask to the tokens that begin with these bytes; behind them comes what m
 * expects, anything when m is NULL. Returns how many. */
int32_t rk_vocab_beginning(const struct rk_vocab *v, struct rk_matcher *m, rk_str bytes, uint32_t *mask);
/* Tokens that may follow, of a guess made without the automaton: what bytes are
 * certain comes in between, the guess goes on behind it where it says the same,
 * and ends where it cannot follow. is_certain[i] tells which is which. Returns
 * how many, at most cap. */
int32_t rk_vocab_weave(const struct rk_vocab *v, struct rk_matcher *m, const int32_t *guess, int32_t n_guess, int32_t *ids, bool *is_certain,
                       int32_t cap);
/* The automaton of a text: one made before, or a new one by make. One reference. */
typedef rk_err rk_vocab_make(void *ud, struct rk_automaton **out, struct rk_error *e);
rk_err rk_vocab_automaton(struct rk_vocab *v, rk_str text, rk_vocab_make *make, void *ud, struct rk_automaton **out,
                          struct rk_error *e) RK_MUST_USE;

static inline void rk_mask_set(uint32_t *mask, int32_t id) { mask[id >> 5] |= UINT32_C(1) << (id & 31); }
static inline bool rk_mask_has(const uint32_t *mask, int32_t id) { return mask[id >> 5] >> (id & 31) & 1; }
/* The tokens of a mask in ids (at most cap); returns how many there are. */
int32_t rk_mask_list(const uint32_t *mask, int32_t n_words, int32_t *ids, int32_t cap);

#endif
