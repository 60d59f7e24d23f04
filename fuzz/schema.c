/* Schemas: any JSON is compiled or refused with a reason; `schema NUL value`
 * also judges the value. */
#include <string.h>

#include "chat/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
  rk_str text = {(const char *)data, nul ? (size_t)(nul - data) : size};
  json_t *v = rk_json_parse(text, 65536, NULL);
  struct rk_error e = {0};
  struct rk_schema *s = NULL;
  struct rk_automaton *a = NULL;
  rk_err err = v ? rk_schema_new(v, "schema", &s, &e) : RK_OK;
  if (s) err = rk_schema_automaton(s, &a, &e);
  RK_ASSERT(!err || e.msg[0]);
  json_t *value = s && nul ? rk_json_parse((rk_str){(const char *)nul + 1, size - text.n - 1}, 65536, NULL) : NULL;
  if (value && rk_schema_check(s, value, &e)) RK_ASSERT(e.msg[0]);
  json_decref(value);
  rk_automaton_free(a);
  rk_schema_free(s);
  json_decref(v);
  return 0;
}
