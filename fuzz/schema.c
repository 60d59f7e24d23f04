/* Schemas: any JSON is compiled or refused; `schema NUL value` also checks the
 * value. What is compiled can be completed from the start. */
#include <string.h>

#include "chat/grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
  rk_str text = {(const char *)data, nul ? (size_t)(nul - data) : size};
  json_t *v = rk_json_parse(text, 65536, NULL);
  struct rk_error e = {0};
  struct rk_schema *s = NULL;
  if (v && rk_schema_new(v, "schema", &s, &e) == RK_OK) {
    static struct rk_grammar g, next;
    rk_grammar_start(s, &g);
    bool on = rk_grammar_can_end(s, &g);
    for (int x = 0; x < 256 && !on; x++) on = rk_grammar_step(s, &g, (uint8_t)x, &next);
    RK_ASSERT(on);
    json_t *value = nul ? rk_json_parse((rk_str){(const char *)nul + 1, size - text.n - 1}, 65536, NULL) : NULL;
    if (value && rk_schema_check(s, value, &e)) RK_ASSERT(e.msg[0]);
    json_decref(value);
  } else {
    RK_ASSERT(!v || e.msg[0]);
  }
  rk_schema_free(s);
  json_decref(v);
  return 0;
}
