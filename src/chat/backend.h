/* backend.h - what a backend of chat.h gives (internal). */
#ifndef RK_CHAT_BACKEND_H
#define RK_CHAT_BACKEND_H

#include "chat/chat.h"

struct rk_chat_ops {
  void (*close)(struct rk_chat_model *m);
  rk_err (*run)(struct rk_chat_model *m, const struct rk_chat_request *req, const atomic_int *cancel, rk_chat_fn *fn,
                void *ud, struct rk_chat_result *out, struct rk_error *e);
  int32_t (*count)(struct rk_chat_model *m, const struct rk_chat_request *req, struct rk_error *e);
  struct rk_engine_stats (*stats)(struct rk_chat_model *m); /* NULL: remote */
};

/* First member of a backend's own struct. */
struct rk_chat_model {
  const struct rk_chat_ops *ops;
  char *name;
  int32_t n_ctx;                 /* 0: unknown */
  const struct rk_model *engine; /* NULL: remote */
  atomic_int n_running;          /* calls inside ops->run and ops->count */
};

/* "call_" + 24 hex digits. */
void rk_chat_call_id(char out[32]);
/* The tools that may be called: NULL when there are none or tool_choice is none. */
const json_t *rk_chat_tools(const struct rk_chat_request *req);
/* Whether the tool declares the parameter as a string. */
bool rk_chat_takes_text(const struct rk_chat_request *req, rk_str tool, rk_str parameter);

#endif
