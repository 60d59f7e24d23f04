/* Requests to /v1: any JSON is understood or refused with a reason, in each of the four forms. */
#include "server/v1_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct rk_v1_request q;
  rk_str text = {(const char *)data, size};
  for (int form = 0; form < 4; form++) {
    json_t *body = rk_json_parse(text, 65536, NULL);
    struct rk_error e = {0};
    if (!body) return 0;
    q = (struct rk_v1_request){0};
    rk_err err = form == 0   ? rk_v1_request_chat(&q, body, "m", &e)
                 : form == 1 ? rk_v1_request_text(&q, body, "m", &e)
                 : form == 2 ? rk_v1_request_messages(&q, body, "m", &e)
                             : rk_v1_request_responses(&q, body, NULL, "m", &e);
    RK_ASSERT(err ? e.msg[0] : q.chat.n_stop >= 0 && q.chat.n_stop <= RK_MAX_STOP_STRINGS);
    RK_ASSERT(err || form == 1 || json_array_size(q.chat.messages) > 0);
    rk_v1_request_release(&q);
  }
  return 0;
}
