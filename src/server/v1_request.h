/* v1_request.h - a request of the OpenAI or Anthropic API as a request to a chat model.
 * Pure: JSON in, struct out. */
#ifndef RK_SERVER_V1_REQUEST_H
#define RK_SERVER_V1_REQUEST_H

#include "base/limits.h"
#include "chat/chat.h"

struct rk_v1_request {
  json_t *body;                       /* owned; chat borrows from it */
  json_t *original;                   /* owned: a request for a response as it came; NULL for the others */
  struct rk_chat_request chat;
  rk_str stop[RK_MAX_STOP_STRINGS];
  int32_t bias_ids[RK_MAX_LOGIT_BIAS];
  float bias[RK_MAX_LOGIT_BIAS];
  bool stream, include_usage, text; /* text: /v1/completions */
};

/* Takes body. RK_EINVAL names the parameter; RK_ENOMODEL: another model than model_name. */
rk_err rk_v1_request_chat(struct rk_v1_request *q, json_t *body, const char *model_name, struct rk_error *e) RK_MUST_USE;
rk_err rk_v1_request_text(struct rk_v1_request *q, json_t *body, const char *model_name, struct rk_error *e) RK_MUST_USE;
rk_err rk_v1_request_messages(struct rk_v1_request *q, json_t *body, const char *model_name, struct rk_error *e) RK_MUST_USE;
/* earlier: messages of the conversation that it goes on with, or NULL. */
rk_err rk_v1_request_responses(struct rk_v1_request *q, json_t *body, const json_t *earlier, const char *model_name, struct rk_error *e) RK_MUST_USE;
void rk_v1_request_release(struct rk_v1_request *q);

#endif
