#include "chat/chat.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "chat/backend.h"

void rk_chat_call_id(char out[32]) {
  unsigned char r[12];
  rk_random(r, sizeof r);
  memcpy(out, "call_", 5);
  for (int i = 0; i < 12; i++) snprintf(out + 5 + 2 * i, 3, "%02x", r[i]);
}

const json_t *rk_chat_tools(const struct rk_chat_request *req) {
  return req->tool_choice != RK_TOOLS_NONE && json_array_size(req->tools) > 0 ? req->tools : NULL;
}

static bool has_tool(const json_t *tools, const char *name) {
  for (size_t i = 0; i < json_array_size(tools); i++)
    if (rk_str_eq_c(rk_json_str(rk_json_obj(json_array_get(tools, i), "function"), "name"), name)) return true;
  return false;
}

static rk_err check_tools(const struct rk_chat_request *req, struct rk_error *e) {
  size_t n = json_array_size(req->tools);
  if (n > RK_MAX_TOOLS) return rk_fail(e, RK_ETOOBIG, "%zu tools are over the limit of %d", n, (int)RK_MAX_TOOLS);
  for (size_t i = 0; i < n; i++)
    if (!rk_json_str(rk_json_obj(json_array_get(req->tools, i), "function"), "name").n)
      return rk_fail(e, RK_EINVAL, "tools[%zu].function.name is missing", i);
  if (req->tool_choice == RK_TOOLS_REQUIRED && n == 0)
    return rk_fail(e, RK_EINVAL, "tool_choice \"required\" needs at least one tool");
  if (req->tool_choice == RK_TOOLS_NAMED && !(req->tool_name && has_tool(req->tools, req->tool_name)))
    return rk_fail(e, RK_EINVAL, "tool_choice names \"%s\", which is not among the tools", req->tool_name ? req->tool_name : "");
  return RK_OK;
}

/* A remote model's vocabulary is not known here: it judges the ids itself. */
static rk_err check_bias(const struct rk_chat_model *m, const struct rk_sampling *s, struct rk_error *e) {
  if (s->n_bias < 0 || s->n_bias > RK_MAX_LOGIT_BIAS)
    return rk_fail(e, RK_EINVAL, "at most %d tokens can be biased", (int)RK_MAX_LOGIT_BIAS);
  const int32_t n_vocab = m->engine ? rk_model_info(m->engine).n_vocab : INT32_MAX;
  for (int32_t i = 0; i < s->n_bias; i++)
    if (s->bias_ids[i] < 0 || s->bias_ids[i] >= n_vocab)
      return rk_fail(e, RK_EINVAL, "logit_bias: there is no token %d, the model's ids are 0 to %d", s->bias_ids[i], n_vocab - 1);
  return RK_OK;
}

static rk_err check_request(const struct rk_chat_model *m, const struct rk_chat_request *req, struct rk_error *e) {
  if (req->n_stop < 0 || req->n_stop > RK_MAX_STOP_STRINGS)
    return rk_fail(e, RK_EINVAL, "at most %d stop strings can be given", (int)RK_MAX_STOP_STRINGS);
  for (int32_t i = 0; i < req->n_stop; i++)
    if (req->stop[i].n == 0 || req->stop[i].n > RK_MAX_STOP_BYTES)
      return rk_fail(e, RK_EINVAL, "a stop string has 1 to %d bytes", (int)RK_MAX_STOP_BYTES);
  if (req->n_top_logprobs > RK_MAX_TOP_LOGPROBS)
    return rk_fail(e, RK_EINVAL, "at most %d top logprobs can be asked for", (int)RK_MAX_TOP_LOGPROBS);
  if (req->grammar.p && (req->json_schema || req->json_object || rk_chat_tools(req)))
    return rk_fail(e, RK_EINVAL, "grammar stands alone: leave response_format and tools out, or set tool_choice to none");
  if (req->max_tokens < 0) return rk_fail(e, RK_EINVAL, "max_tokens must not be negative");
  rk_err err = check_bias(m, &req->sampling, e);
  return err ? err : check_tools(req, e);
}

rk_err rk_chat_run(struct rk_chat_model *m, const struct rk_chat_request *req, const atomic_int *cancel, rk_chat_fn *fn,
                   void *ud, struct rk_chat_result *out, struct rk_error *e) {
  *out = (struct rk_chat_result){0};
  rk_err err = check_request(m, req, e);
  if (err) return err;
  atomic_fetch_add(&m->n_running, 1);
  err = m->ops->run(m, req, cancel, fn, ud, out, e);
  atomic_fetch_sub(&m->n_running, 1);
  return err;
}

int32_t rk_chat_count(struct rk_chat_model *m, const struct rk_chat_request *req, struct rk_error *e) {
  atomic_fetch_add(&m->n_running, 1);
  int32_t n = m->ops->count(m, req, e);
  atomic_fetch_sub(&m->n_running, 1);
  return n;
}

void rk_chat_close(struct rk_chat_model *m) {
  if (m) m->ops->close(m);
}
const char *rk_chat_name(const struct rk_chat_model *m) { return m->name; }
bool rk_chat_is_local(const struct rk_chat_model *m) { return m->engine != NULL; }
int32_t rk_chat_n_ctx(const struct rk_chat_model *m) { return m->n_ctx; }
struct rk_engine_stats rk_chat_stats(struct rk_chat_model *m) {
  return m->ops->stats ? m->ops->stats(m) : (struct rk_engine_stats){0};
}
const struct rk_model *rk_chat_engine_model(const struct rk_chat_model *m) { return m->engine; }

bool rk_chat_takes_text(const struct rk_chat_request *req, rk_str tool, rk_str parameter) {
  const json_t *tools = rk_chat_tools(req);
  for (size_t i = 0; i < json_array_size(tools); i++) {
    const json_t *fn = rk_json_obj(json_array_get(tools, i), "function");
    if (!rk_str_eq(rk_json_str(fn, "name"), tool)) continue;
    const json_t *all = rk_json_obj(rk_json_obj(fn, "parameters"), "properties"), *p = json_object_getn(all, parameter.p, parameter.n);
    return rk_str_eq_c(rk_json_str(p, "type"), "string") || (!json_object_get(p, "type") && json_is_string(json_array_get(json_object_get(p, "enum"), 0)));
  }
  return false;
}
