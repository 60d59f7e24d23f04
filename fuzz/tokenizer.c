/* tokenizer.c - any text over a small vocabulary: the tokens' bytes are the text, untrusted text has no special
 * token, and a vocabulary with flipped bytes is refused or works. The first byte chooses what is fuzzed. */
#include "engine/tokenizer.h"

#include <stdint.h>
#include <stdlib.h>

#include "../tests/unit/engine/tiny_vocab.h"
#include "engine/model.h"

static void check_text(const struct rk_model *m, rk_str text, bool trusted) {
  int32_t *ids = malloc((text.n + 1) * sizeof *ids);
  int32_t n = rk_tokenize(m, text, trusted, ids, (int32_t)text.n);
  if (!rk_utf8_valid(text)) RK_ASSERT(n == -1);
  if (rk_utf8_valid(text)) RK_ASSERT(n >= 0 && (size_t)n <= text.n);
  size_t at = 0;
  for (int32_t i = 0; i < n; i++) {
    rk_str b = rk_token_bytes(m, ids[i]);
    RK_ASSERT(b.n <= text.n - at && rk_str_eq(b, (rk_str){text.p + at, b.n}));
    RK_ASSERT(trusted || ids[i] < 263);
    at += b.n;
  }
  RK_ASSERT(n < 0 || at == text.n);
  free(ids);
}

/* data is a list of (offset, value): bytes of the vocabulary that are changed. */
static void check_vocabulary(const struct rk_buf *whole, const uint8_t *data, size_t size) {
  uint8_t *copy = malloc(whole->n);
  memcpy(copy, whole->p, whole->n);
  for (; size >= 3; data += 3, size -= 3) copy[(size_t)(data[0] << 8 | data[1]) % whole->n] = data[2];
  struct rk_gguf *g = NULL;
  struct rk_model m = {0};
  if (!rk_gguf_parse(copy, whole->n, &g, NULL)) {
    if (!rk_tokenizer_new(g, &m.tok, NULL)) {
      int32_t ids[64];
      rk_tokenize(&m, RK_STR("hello <|im_start|> we'll \xe4\xbd\xa0"), true, ids, 64);
      rk_tokenizer_free(m.tok);
    }
    rk_gguf_free(g);
  }
  free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct rk_buf file;
  static struct rk_gguf *g;
  static struct rk_model m;
  if (!m.tok) {
    rk_buf_init(&file, 1 << 20);
    tiny_gguf(&file, (struct tiny_fault){0});
    RK_ASSERT(!rk_gguf_parse((const uint8_t *)file.p, file.n, &g, NULL));
    RK_ASSERT(!rk_tokenizer_new(g, &m.tok, NULL));
  }
  if (size == 0) return 0;
  rk_str text = {(const char *)data + 1, size - 1};
  if (data[0] % 3 == 2) check_vocabulary(&file, data + 1, size - 1);
  else check_text(&m, text, data[0] % 3 == 1);
  return 0;
}
