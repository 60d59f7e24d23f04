/* prompt.h - the fixed prefix: system text, tools, a few worked examples.
 *
 * It never changes while the program runs, so the engine keeps its KV. The
 * examples are about goods that nobody's task is about; they show the small
 * model the form: a call first, then one sentence from the result. */
#ifndef RK_AGENT_PROMPT_H
#define RK_AGENT_PROMPT_H

#include "json/json.h"

json_t *rk_prompt_tools(void);       /* new reference: OpenAI form */
json_t *rk_prompt_messages(void);    /* new reference: the prefix messages */

/* Messages of one step, as chat.h wants them. New references. */
json_t *rk_prompt_text(const char *role, rk_str text);
json_t *rk_prompt_call(const char *call_id, const char *name, const json_t *args);
json_t *rk_prompt_result(const char *call_id, const char *name, const json_t *result);

#endif
