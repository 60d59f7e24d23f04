/* GBNF: `grammar NUL bytes`. Any text is compiled or refused with a reason; no
 * way through it comes to a dead end. */
#include <string.h>

#include "chat/gbnf.h"
#include "walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
  rk_str text = {(const char *)data, nul ? (size_t)(nul - data) : size};
  struct rk_automaton *a = NULL;
  struct rk_error e = {0};
  struct rk_buf out;
  rk_buf_init(&out, 1 << 20);
  rk_err err = rk_gbnf_automaton(text, &a, &e);
  RK_ASSERT(!err || e.msg[0]);
  if (!err && walk(a, nul ? nul + 1 : data, nul ? size - text.n - 1 : 0, &out))
    RK_ASSERT(rk_automaton_accepts(a, rk_buf_str(&out)));
  rk_automaton_free(a);
  rk_buf_release(&out);
  return 0;
}
