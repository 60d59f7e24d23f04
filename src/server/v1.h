/* v1.h - /v1: completions in the forms that existing clients speak: OpenAI's
 * chat completions, completions and responses, and Anthropic's messages,
 * streaming and not.
 *
 * Requests are checked on the HTTP thread and run on a few workers over
 * chat.h; a client that leaves cancels its generation. Parameters that
 * would change the meaning and are not supported are refused by name.
 * A form is a row of functions (v1_job.h); everything else is one code.
 * Sources: OpenAI API reference, "Chat", "Completions" and "Responses";
 * Anthropic API reference, "Messages". */
#ifndef RK_SERVER_V1_H
#define RK_SERVER_V1_H

#include "chat/chat.h"
#include "http/http.h"

struct rk_v1;

struct rk_v1_stats { int64_t requests, errors, running, tokens_prefilled, tokens_cached, tokens_decoded; };

rk_err rk_v1_new(struct rk_chat_model *model, int32_t n_workers, struct rk_v1 **out, struct rk_error *e) RK_MUST_USE;
void rk_v1_free(struct rk_v1 *v); /* cancels what runs and waits for the workers */

/* Route handlers' bodies: answer, or detach and answer from a worker. */
void rk_v1_models(struct rk_v1 *v, struct rk_http_req *r);
void rk_v1_model(struct rk_v1 *v, struct rk_http_req *r);   /* GET /v1/models/NAME: a name may have slashes */
void rk_v1_chat(struct rk_v1 *v, struct rk_http_req *r);
void rk_v1_completions(struct rk_v1 *v, struct rk_http_req *r);
void rk_v1_messages(struct rk_v1 *v, struct rk_http_req *r);
void rk_v1_count_tokens(struct rk_v1 *v, struct rk_http_req *r); /* of a request for messages */
void rk_v1_responses(struct rk_v1 *v, struct rk_http_req *r);
/* A response that was stored (store: true, the default): kept until RK_MAX_RESPONSES newer ones or the end of the process. */
void rk_v1_response(struct rk_v1 *v, struct rk_http_req *r);
void rk_v1_response_delete(struct rk_v1 *v, struct rk_http_req *r);

struct rk_v1_stats rk_v1_stats(struct rk_v1 *v);

#endif
