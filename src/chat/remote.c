#include "chat/backend.h"
rk_err rk_chat_open_remote(const struct rk_chat_remote_opts *o, struct rk_chat_model **out, struct rk_error *e) {
  *out = NULL;
  return rk_fail(e, RK_EUNAVAIL, "remote models are not built in yet (%s)", o->base_url);
}
