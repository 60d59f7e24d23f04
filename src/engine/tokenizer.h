/* tokenizer.h - byte-level BPE built from a GGUF's vocabulary (internal).
 *
 * tokenizer.c also defines rk_tokenize(), rk_token_bytes(), rk_token_is_special()
 * and rk_token_find() of engine.h over model->tok. Immutable once built. */
#ifndef RK_ENGINE_TOKENIZER_H
#define RK_ENGINE_TOKENIZER_H

#include "engine/gguf.h"

struct rk_tokenizer;

/* Borrows strings from g, which must outlive the tokenizer. */
rk_err rk_tokenizer_new(const struct rk_gguf *g, struct rk_tokenizer **out, struct rk_error *e) RK_MUST_USE;
void rk_tokenizer_free(struct rk_tokenizer *t);

#endif
