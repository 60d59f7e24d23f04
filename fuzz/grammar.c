/* What a schema writes: `schema NUL bytes`. The bytes choose the way; a value
 * that is complete is JSON that fits the schema. */
#include <string.h>

#include "chat/schema.h"
#include "walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
  if (!nul) return 0;
  json_t *schema = rk_json_parse((rk_str){(const char *)data, (size_t)(nul - data)}, 65536, NULL);
  struct rk_schema *s = NULL;
  struct rk_automaton *a = NULL;
  struct rk_error e = {0};
  struct rk_buf out;
  rk_buf_init(&out, 1 << 20);
  rk_err err = schema ? rk_schema_new(schema, "schema", &s, &e) : RK_EINVAL;
  if (!err) err = rk_schema_automaton(s, &a, &e);
  if (!err && walk(a, nul + 1, size - (size_t)(nul - data) - 1, &out)) {
    json_t *v = json_loadb(out.p, out.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL); /* free keys may stand twice */
    RK_ASSERT(v != NULL);
    RK_ASSERT(rk_schema_check(s, v, &e) == RK_OK);
    json_decref(v);
  }
  rk_buf_release(&out);
  rk_automaton_free(a);
  rk_schema_free(s);
  json_decref(schema);
  return 0;
}
