/* Patterns: `pattern NUL bytes`. Any pattern is compiled or refused with a
 * reason; what the writing form writes, the judging form accepts. */
#include <string.h>

#include "chat/regex.h"
#include "json/json.h"
#include "walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
  rk_str pattern = {(const char *)data, nul ? (size_t)(nul - data) : size};
  struct rk_automaton *write = NULL, *judge = NULL;
  struct rk_error e = {0};
  struct rk_buf out;
  rk_buf_init(&out, 1 << 20);
  rk_buf_addc(&out, '"');
  rk_err err = rk_regex_automaton(pattern, RK_REGEX_WRITE, &write, &e);
  RK_ASSERT(!err || e.msg[0]);
  if (!err && rk_regex_automaton(pattern, RK_REGEX_JUDGE, &judge, &e) == RK_OK &&
      walk(write, nul ? nul + 1 : data, nul ? size - pattern.n - 1 : 0, &out)) {
    rk_buf_addc(&out, '"');
    json_t *v = json_loadb(out.p, out.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    RK_ASSERT(v != NULL);
    RK_ASSERT(rk_automaton_accepts(judge, (rk_str){json_string_value(v), json_string_length(v)}));
    json_decref(v);
  }
  rk_automaton_free(write);
  rk_automaton_free(judge);
  rk_buf_release(&out);
  return 0;
}
