/* Canonical text is JSON of the same meaning, and its own canonical text. */
#include "base/limits.h"
#include "json/json.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  json_t *v = rk_json_parse((rk_str){(const char *)data, size}, RK_MAX_JSON_BYTES, NULL);
  struct rk_buf a, b;
  rk_buf_init(&a, RK_MAX_JSON_BYTES * 8u);
  rk_buf_init(&b, RK_MAX_JSON_BYTES * 8u);
  if (v && rk_json_jcs(&a, v) == RK_OK) {
    struct rk_error e = {RK_OK, ""};
    json_t *again = rk_json_parse(rk_buf_str(&a), RK_MAX_JSON_BYTES * 8u, &e);
    /* 1e300 is written as an integer that no int64 holds: jansson cannot read it back, a double could */
    if (again) {
      rk_err err = rk_json_jcs(&b, again);
      RK_ASSERT(err == RK_EINVAL || (err == RK_OK && rk_str_eq(rk_buf_str(&a), rk_buf_str(&b))));
    }
    json_decref(again);
  }
  rk_buf_release(&a);
  rk_buf_release(&b);
  json_decref(v);
  return 0;
}
