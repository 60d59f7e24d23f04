/* vocab.h - a model's vocabulary as a trie of bytes, and the masks of tokens
 * that a grammar allows.
 *
 * Inside a string nearly every token is allowed. So the trie is split in two:
 * plain tokens (whole code points without quote, backslash or control byte)
 * come from a mask made once; only the others are walked. Masks of states seen
 * before come from a small cache.
 *
 * rk_vocab_new() once per model; the masks belong to one thread. */
#ifndef RK_CHAT_VOCAB_H
#define RK_CHAT_VOCAB_H

#include "chat/grammar.h"
#include "engine/engine.h"

struct rk_vocab;

rk_err rk_vocab_new(const struct rk_model *m, struct rk_vocab **out, struct rk_error *e) RK_MUST_USE;
void rk_vocab_free(struct rk_vocab *v);
int32_t rk_vocab_words(const struct rk_vocab *v); /* of a mask */
/* All tokens of text: no control token and no tag. Borrowed. */
const uint32_t *rk_vocab_text_mask(const struct rk_vocab *v);
/* Those that begin with a letter, digit or other non-ASCII sign, perhaps after a space. Borrowed. */
const uint32_t *rk_vocab_prose_mask(const struct rk_vocab *v);
/* Sets mask to the tokens whose bytes may follow in state g. */
void rk_vocab_mask(struct rk_vocab *v, const struct rk_schema *s, const struct rk_grammar *g, uint32_t *mask);

static inline void rk_mask_set(uint32_t *mask, int32_t id) { mask[id >> 5] |= UINT32_C(1) << (id & 31); }
static inline bool rk_mask_has(const uint32_t *mask, int32_t id) { return mask[id >> 5] >> (id & 31) & 1; }

#endif
