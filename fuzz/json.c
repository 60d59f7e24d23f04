/* rk_json_parse on any bytes: a value within the limits, or an error with a text; never both, never neither. */
#include "base/limits.h"
#include "json/json.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct rk_error e = {RK_OK, ""};
  json_t *v = rk_json_parse((rk_str){(const char *)data, size}, RK_MAX_JSON_BYTES, &e);
  RK_ASSERT((v != NULL) == (e.code == RK_OK));
  if (!v) {
    RK_ASSERT(e.msg[0]);
    return 0;
  }
  char *text = rk_json_dump(v);
  json_t *again = rk_json_parse(rk_str_c(text), RK_MAX_JSON_BYTES * 8u, &e);
  RK_ASSERT(again && json_equal(v, again));
  json_decref(again);
  json_decref(v);
  free(text);
  return 0;
}
