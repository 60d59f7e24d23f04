/* prompt.h - the fixed beginnings: of a plan and of an answer.
 *
 * They never change while the program runs, so the engine keeps their KV. The
 * plan's is made of the tools' rows: a line each, and their examples, which are
 * about nothing that a user's task is about; they show a small model the form.
 * The answer's shows one sentence made from a result. */
#ifndef RK_AGENT_PROMPT_H
#define RK_AGENT_PROMPT_H

#include "json/json.h"

struct rk_tool;

json_t *rk_prompt_messages(void);       /* new reference: before an answer */
json_t *rk_prompt_plan_messages(void);  /* new reference: before a plan */
/* JSON Schema of a plan: do is "buy", "show" or, NULL, either; steps of these tools. New reference. */
json_t *rk_prompt_plan_schema(const char *does, const struct rk_tool *const *tools, int32_t n_tools);

/* Messages of one step, as chat.h wants them. New references. */
json_t *rk_prompt_text(const char *role, rk_str text);
json_t *rk_prompt_call(const char *call_id, const char *name, const json_t *args);
json_t *rk_prompt_result(const char *call_id, const char *name, const json_t *result);

#endif
