/* tiny_vocab.h - a small byte-level BPE vocabulary as a GGUF without tensors:
 * 256 byte tokens, a few merges, control and user-defined tokens. */
#ifndef RK_TEST_TINY_VOCAB_H
#define RK_TEST_TINY_VOCAB_H

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"

struct tiny_token { const char *text; int type; };
/* After the 256 byte tokens, in this order: ids from 256. Written as the format writes them (space is U+0120). */
static const struct tiny_token tiny_tokens[] = {
  {"he", 1}, {"ll", 1}, {"hell", 1}, {"hello", 1}, {"\xc4\xa0w", 1}, {"aa", 1}, {"aaaa", 1},
  {"<|im_start|>", 3}, {"<|im_end|>", 3}, {"<tool_call>", 4}, {"<tool", 4}, {"[PAD]", 5},
};
enum { TINY_FIRST = 256, TINY_COUNT = sizeof tiny_tokens / sizeof *tiny_tokens, TINY_N = TINY_FIRST + TINY_COUNT };
static const char *const tiny_merges[] = {"h e", "l l", "he ll", "hell o", "\xc4\xa0 w", "a a", "aa aa"};
enum { TINY_MERGES = sizeof tiny_merges / sizeof *tiny_merges };

/* Code point that stands for a byte in the file. */
static inline uint32_t tiny_cp(int byte) {
  if ((byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae) return (uint32_t)byte;
  uint32_t cp = 0x100;
  for (int b = 0; b < byte; b++) cp += !((b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae);
  return cp;
}

static inline void tiny_u32(struct rk_buf *b, uint32_t v) { rk_buf_add(b, &v, 4); }
static inline void tiny_u64(struct rk_buf *b, uint64_t v) { rk_buf_add(b, &v, 8); }
static inline void tiny_string(struct rk_buf *b, rk_str s) {
  tiny_u64(b, s.n);
  rk_buf_addstr(b, s);
}
static inline void tiny_array(struct rk_buf *b, const char *key, uint32_t elem_type, uint64_t n) {
  tiny_string(b, rk_str_c(key));
  tiny_u32(b, 9);
  tiny_u32(b, elem_type);
  tiny_u64(b, n);
}

/* What a test wants to be wrong. */
struct tiny_fault { const char *model, *pre, *bad_merge; int types_missing; const char *bad_token; };

static inline void tiny_gguf(struct rk_buf *b, struct tiny_fault fault) {
  rk_buf_adds(b, "GGUF");
  tiny_u32(b, 3);
  tiny_u64(b, 0);
  tiny_u64(b, 5);
  tiny_string(b, RK_STR("tokenizer.ggml.model")), tiny_u32(b, 8), tiny_string(b, rk_str_c(fault.model ? fault.model : "gpt2"));
  tiny_string(b, RK_STR("tokenizer.ggml.pre")), tiny_u32(b, 8), tiny_string(b, rk_str_c(fault.pre ? fault.pre : "qwen2"));
  tiny_array(b, "tokenizer.ggml.tokens", 8, TINY_N);
  for (int i = 0; i < TINY_FIRST; i++) {
    char text[4];
    int n = rk_utf8_put(tiny_cp(i), text);
    tiny_string(b, i == 'z' && fault.bad_token ? rk_str_c(fault.bad_token) : (rk_str){text, (size_t)n});
  }
  for (int i = 0; i < TINY_COUNT; i++) tiny_string(b, rk_str_c(tiny_tokens[i].text));
  tiny_array(b, "tokenizer.ggml.token_type", 5, (uint64_t)(TINY_N - fault.types_missing));
  for (int i = 0; i < TINY_N - fault.types_missing; i++) tiny_u32(b, (uint32_t)(i < TINY_FIRST ? 1 : tiny_tokens[i - TINY_FIRST].type));
  tiny_array(b, "tokenizer.ggml.merges", 8, TINY_MERGES);
  for (int i = 0; i < TINY_MERGES; i++) tiny_string(b, rk_str_c(i == 3 && fault.bad_merge ? fault.bad_merge : tiny_merges[i]));
}

#endif
