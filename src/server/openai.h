/* openai.h - /v1: the forms of the OpenAI API that existing clients speak
 * (models, chat completions, completions), streaming and not.
 *
 * Requests are checked on the HTTP thread and run on a few workers over
 * chat.h; a client that leaves cancels its generation. Parameters that
 * would change the meaning and are not supported are refused by name.
 * Source: OpenAI API reference, "Chat" and "Completions". */
#ifndef RK_SERVER_OPENAI_H
#define RK_SERVER_OPENAI_H

#include "chat/chat.h"
#include "http/http.h"

struct rk_openai;

struct rk_openai_stats { int64_t requests, errors, running, tokens_prefilled, tokens_cached, tokens_decoded; };

rk_err rk_openai_new(struct rk_chat_model *model, int32_t n_workers, struct rk_openai **out, struct rk_error *e) RK_MUST_USE;
void rk_openai_free(struct rk_openai *o); /* cancels what runs and waits for the workers */

/* Route handlers' bodies: answer, or detach and answer from a worker. */
void rk_openai_models(struct rk_openai *o, struct rk_http_req *r);
void rk_openai_model(struct rk_openai *o, struct rk_http_req *r);   /* GET /v1/models/NAME: a name may have slashes */
void rk_openai_chat(struct rk_openai *o, struct rk_http_req *r);
void rk_openai_completions(struct rk_openai *o, struct rk_http_req *r);

struct rk_openai_stats rk_openai_stats(struct rk_openai *o);

#endif
