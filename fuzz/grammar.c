/* The automaton: `schema NUL bytes`. The bytes choose the way; after each step
 * something can follow or the value can end, and a value that ends is JSON that
 * fits the schema. */
#include <string.h>

#include "chat/grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const struct rk_schema *s, const uint8_t *way, size_t n) {
  static struct rk_grammar now, next, found;
  struct rk_buf out;
  rk_buf_init(&out, 1 << 20);
  rk_grammar_start(s, &now);
  for (size_t i = 0; i < n && !rk_grammar_must_end(&now); i++) {
    int byte = -1;
    if (rk_grammar_step(s, &now, way[i], &found)) byte = way[i]; /* the byte itself, else the next that may follow */
    for (int k = 1; k < 256 && byte < 0; k++)
      if (rk_grammar_step(s, &now, (uint8_t)(way[i] + k), &next)) {
        byte = (uint8_t)(way[i] + k);
        rk_grammar_copy(&found, &next);
      }
    RK_ASSERT(byte >= 0 || rk_grammar_can_end(s, &now));
    if (byte < 0) break;
    rk_buf_addc(&out, (char)byte);
    rk_grammar_copy(&now, &found);
  }
  if (rk_grammar_can_end(s, &now)) {
    struct rk_error e = {0};
    json_t *v = json_loadb(out.p, out.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL); /* free keys may stand twice */
    RK_ASSERT(v != NULL);
    RK_ASSERT(rk_schema_check(s, v, &e) == RK_OK);
    json_decref(v);
  }
  rk_buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
  if (!nul) return 0;
  json_t *v = rk_json_parse((rk_str){(const char *)data, (size_t)(nul - data)}, 65536, NULL);
  struct rk_schema *s = NULL;
  if (v && rk_schema_new(v, "schema", &s, NULL) == RK_OK) walk(s, nul + 1, size - (size_t)(nul - data) - 1);
  rk_schema_free(s);
  json_decref(v);
  return 0;
}
