/* A request of the OpenAI API as programs send it: what is taken lies within the limits. First byte: chat or text; the rest: the body. */
#include "server/openai_request.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct rk_openai_request q = {0};
  struct rk_error e = {RK_OK, ""};
  if (size == 0) return 0;
  json_t *v = rk_json_parse((rk_str){(const char *)data + 1, size - 1}, 1 << 20, &e);
  if (!v) return 0;
  rk_err err = data[0] % 2 ? rk_openai_request_text(&q, v, "m", &e) : rk_openai_request_chat(&q, v, "m", &e);
  if (!err) RK_ASSERT(q.chat.n_stop >= 0 && q.chat.n_stop <= RK_MAX_STOP_STRINGS);
  else RK_ASSERT(e.msg[0]);
  rk_openai_request_release(&q);
  return 0;
}
