#include "server/v1_request.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"

/* ---- single parameters: absent and null are the default ---- */

static const json_t *given(const json_t *body, const char *key) {
  const json_t *v = json_object_get(body, key);
  return json_is_null(v) ? NULL : v;
}

static rk_err number(const json_t *body, const char *key, double least, double most, float *out, struct rk_error *e) {
  const json_t *v = given(body, key);
  if (!v) return RK_OK;
  double x = json_number_value(v);
  if (!json_is_number(v) || x < least || x > most)
    return rk_fail(e, RK_EINVAL, "%s must be a number from %g to %g", key, least, most);
  *out = (float)x;
  return RK_OK;
}

static rk_err whole(const json_t *body, const char *key, int64_t least, int64_t most, int64_t *out, struct rk_error *e) {
  const json_t *v = given(body, key);
  if (!v) return RK_OK;
  int64_t x = json_integer_value(v);
  if (!json_is_integer(v) || x < least || x > most)
    return rk_fail(e, RK_EINVAL, "%s must be a whole number from %lld to %lld", key, (long long)least, (long long)most);
  *out = x;
  return RK_OK;
}

static rk_err flag(const json_t *body, const char *key, bool *out, struct rk_error *e) {
  const json_t *v = given(body, key);
  if (!v) return RK_OK;
  if (!json_is_boolean(v)) return rk_fail(e, RK_EINVAL, "%s must be true or false", key);
  *out = json_is_true(v);
  return RK_OK;
}

static rk_err read_stop(struct rk_v1_request *q, struct rk_error *e) {
  const json_t *v = given(q->body, "stop");
  if (!v) return RK_OK;
  size_t n = json_is_array(v) ? json_array_size(v) : 1;
  if (n > RK_MAX_STOP_STRINGS) return rk_fail(e, RK_EINVAL, "stop: at most %d strings", RK_MAX_STOP_STRINGS);
  for (size_t i = 0; i < n; i++) {
    const json_t *s = json_is_array(v) ? json_array_get(v, i) : v;
    size_t bytes = json_string_length(s);
    if (!json_is_string(s) || bytes == 0 || bytes > RK_MAX_STOP_BYTES)
      return rk_fail(e, RK_EINVAL, "stop: each must be a string of 1 to %d bytes", RK_MAX_STOP_BYTES);
    q->stop[i] = (rk_str){json_string_value(s), bytes};
  }
  q->chat.stop = q->stop;
  q->chat.n_stop = (int32_t)n;
  return RK_OK;
}

static rk_err read_bias(struct rk_v1_request *q, struct rk_error *e) {
  json_t *map = json_object_get(q->body, "logit_bias"), *v;
  if (!map || json_is_null(map)) return RK_OK;
  if (!json_is_object(map) || json_object_size(map) > RK_MAX_LOGIT_BIAS)
    return rk_fail(e, RK_EINVAL, "logit_bias must be an object of at most %d tokens", RK_MAX_LOGIT_BIAS);
  int32_t n = 0;
  const char *key;
  json_object_foreach(map, key, v) {
    int64_t id;
    double x = json_number_value(v);
    if (!rk_str_i64(rk_str_c(key), &id) || id < 0 || id > INT32_MAX || !json_is_number(v) || fabs(x) > 100)
      return rk_fail(e, RK_EINVAL, "logit_bias: token ids with numbers from -100 to 100");
    q->bias_ids[n] = (int32_t)id;
    q->bias[n++] = (float)x;
  }
  q->chat.sampling.bias_ids = q->bias_ids;
  q->chat.sampling.bias = q->bias;
  q->chat.sampling.n_bias = n;
  return RK_OK;
}

static rk_err read_sampling(struct rk_v1_request *q, struct rk_error *e) {
  struct rk_sampling *s = &q->chat.sampling;
  *s = RK_SAMPLING_DEFAULT;
  s->temperature = 1;
  int64_t top_k = 0, seed = rk_mono_us();
  rk_err err = number(q->body, "temperature", 0, 2, &s->temperature, e);
  if (!err) err = number(q->body, "top_p", 0, 1, &s->top_p, e);
  if (!err) err = number(q->body, "min_p", 0, 1, &s->min_p, e);
  if (!err) err = whole(q->body, "top_k", 0, INT32_MAX, &top_k, e);
  if (!err) err = number(q->body, "repetition_penalty", 0.1, 10, &s->repetition_penalty, e);
  if (!err) err = number(q->body, "presence_penalty", -2, 2, &s->presence_penalty, e);
  if (!err) err = number(q->body, "frequency_penalty", -2, 2, &s->frequency_penalty, e);
  if (!err) err = whole(q->body, "seed", INT64_MIN, INT64_MAX, &seed, e);
  s->top_k = (int32_t)top_k;
  s->seed = (uint64_t)seed;
  if (!err) err = read_bias(q, e);
  return err ? err : read_stop(q, e);
}

static rk_err read_lengths(struct rk_v1_request *q, struct rk_error *e) {
  int64_t most = 0, n = 1;
  rk_err err = whole(q->body, "max_tokens", 1, INT32_MAX, &most, e);
  if (!err) err = whole(q->body, "max_completion_tokens", 1, INT32_MAX, &most, e);
  if (!err) err = whole(q->body, "n", 1, 1, &n, e);
  q->chat.max_tokens = (int32_t)most;
  return err;
}

static rk_err read_stream(struct rk_v1_request *q, struct rk_error *e) {
  rk_err err = flag(q->body, "stream", &q->stream, e);
  const json_t *options = given(q->body, "stream_options");
  if (!err && options) err = flag(options, "include_usage", &q->include_usage, e);
  return err;
}

/* GBNF, under the name that llama.cpp's server gives it. */
static rk_err read_grammar(struct rk_v1_request *q, struct rk_error *e) {
  const json_t *v = given(q->body, "grammar");
  if (!v) return RK_OK;
  if (!json_is_string(v)) return rk_fail(e, RK_EINVAL, "grammar must be a string in GBNF notation");
  if (json_string_length(v) > 0) q->chat.grammar = (rk_str){json_string_value(v), json_string_length(v)};
  return RK_OK;
}

/* What would change the answer and is not done here. Unknown names are ignored, as clients expect. */
static rk_err check_unsupported(const json_t *body, struct rk_error *e) {
  static const char *const names[] = {"functions", "function_call", "audio", "web_search_options", "suffix"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (given(body, names[i])) return rk_fail(e, RK_EINVAL, "%s is not supported", names[i]);
  const json_t *modalities = given(body, "modalities"), *first = json_array_get(modalities, 0);
  bool text = json_array_size(modalities) == 1 && json_is_string(first) && strcmp(json_string_value(first), "text") == 0;
  if (modalities && !text)
    return rk_fail(e, RK_EINVAL, "modalities: only [\"text\"] is supported");
  return RK_OK;
}

/* No model given means ours; another name is an error, as clients expect. */
static rk_err check_model(const json_t *body, const char *model_name, struct rk_error *e) {
  const json_t *v = given(body, "model");
  if (!v || rk_str_eq_c(rk_json_str(body, "model"), model_name)) return RK_OK;
  return rk_fail(e, RK_ENOMODEL, "the model %s does not exist here; this server has %s",
                 json_is_string(v) ? json_string_value(v) : "of that type", model_name);
}

static rk_err start(struct rk_v1_request *q, json_t *body, const char *model_name, struct rk_error *e) {
  *q = (struct rk_v1_request){.body = body, .chat = {.n_top_logprobs = -1}};
  if (!json_is_object(body)) return rk_fail(e, RK_EINVAL, "the body must be a JSON object");
  rk_err err = check_model(body, model_name, e);
  if (!err) err = check_unsupported(body, e);
  if (!err) err = read_sampling(q, e);
  if (!err) err = read_lengths(q, e);
  if (!err) err = read_grammar(q, e);
  return err ? err : read_stream(q, e);
}

/* ---- chat ---- */

static bool known_role(rk_str role) {
  static const char *const roles[] = {"system", "developer", "user", "assistant", "tool"};
  for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
    if (rk_str_eq_c(role, roles[i])) return true;
  return false;
}

/* Content parts of type text become one string; other parts are refused by name. */
static rk_err join_parts(json_t *message, size_t at, struct rk_error *e) {
  json_t *parts = rk_json_arr(message, "content"), *part;
  struct rk_buf text;
  rk_buf_init(&text, RK_MAX_HTTP_BODY_BYTES);
  size_t i;
  rk_err err = RK_OK;
  json_array_foreach(parts, i, part) {
    if (!rk_str_eq(rk_json_str(part, "type"), RK_STR("text"))) {
      err = rk_fail(e, RK_EINVAL, "messages[%zu].content[%zu]: only parts of type text are supported", at, i);
      break;
    }
    err = rk_buf_addstr(&text, rk_json_str(part, "text"));
    if (err) break;
  }
  if (!err) json_object_set_new(message, "content", json_stringn(rk_buf_str(&text).p, text.n));
  rk_buf_release(&text);
  return err;
}

static rk_err read_messages(struct rk_v1_request *q, struct rk_error *e) {
  json_t *messages = rk_json_arr(q->body, "messages"), *m;
  if (json_array_size(messages) == 0) return rk_fail(e, RK_EINVAL, "messages must be an array of at least one message");
  size_t i;
  json_array_foreach(messages, i, m) {
    rk_str role = rk_json_str(m, "role");
    if (!known_role(role)) return rk_fail(e, RK_EINVAL, "messages[%zu].role must be system, user, assistant or tool", i);
    if (rk_str_eq(role, RK_STR("developer"))) json_object_set_new(m, "role", json_string("system"));
    const json_t *content = given(m, "content");
    if (json_is_array(content)) {
      rk_err err = join_parts(m, i, e);
      if (err) return err;
    } else if (content && !json_is_string(content)) {
      return rk_fail(e, RK_EINVAL, "messages[%zu].content must be a string or an array of parts", i);
    } else if (!content && !rk_json_arr(m, "tool_calls")) {
      return rk_fail(e, RK_EINVAL, "messages[%zu].content is missing", i);
    }
  }
  q->chat.messages = messages;
  return RK_OK;
}

static rk_err read_tool_choice(struct rk_v1_request *q, struct rk_error *e) {
  const json_t *v = given(q->body, "tool_choice");
  if (!v || !q->chat.tools) return RK_OK;
  static const struct { const char *text; enum rk_tool_choice choice; } words[] = {
      {"auto", RK_TOOLS_AUTO}, {"none", RK_TOOLS_NONE}, {"required", RK_TOOLS_REQUIRED}};
  for (size_t i = 0; json_is_string(v) && i < sizeof words / sizeof *words; i++)
    if (strcmp(json_string_value(v), words[i].text) == 0) {
      q->chat.tool_choice = words[i].choice;
      return RK_OK;
    }
  q->chat.tool_name = rk_json_cstr(rk_json_obj(v, "function"), "name", NULL);
  if (!q->chat.tool_name) return rk_fail(e, RK_EINVAL, "tool_choice must be auto, none, required or a function by name");
  q->chat.tool_choice = RK_TOOLS_NAMED;
  size_t i;
  json_t *tool;
  json_array_foreach(q->chat.tools, i, tool)
    if (strcmp(rk_json_cstr(rk_json_obj(tool, "function"), "name", ""), q->chat.tool_name) == 0) return RK_OK;
  return rk_fail(e, RK_EINVAL, "tool_choice names %s, which is not in tools", q->chat.tool_name);
}

static rk_err read_tools(struct rk_v1_request *q, struct rk_error *e) {
  const json_t *v = given(q->body, "tools");
  if (!v) return RK_OK;
  if (!json_is_array(v) || json_array_size(v) > RK_MAX_TOOLS)
    return rk_fail(e, RK_EINVAL, "tools must be an array of at most %d functions", RK_MAX_TOOLS);
  size_t i;
  json_t *tool;
  json_array_foreach(v, i, tool)
    if (rk_json_str(rk_json_obj(tool, "function"), "name").n == 0)
      return rk_fail(e, RK_EINVAL, "tools[%zu].function.name is missing", i);
  if (i > 0) q->chat.tools = v;
  bool parallel = true;
  rk_err err = flag(q->body, "parallel_tool_calls", &parallel, e);
  q->chat.one_call = !parallel;
  return err ? err : read_tool_choice(q, e);
}

static rk_err read_format(struct rk_v1_request *q, struct rk_error *e) {
  const json_t *format = given(q->body, "response_format");
  rk_str type = rk_json_str(format, "type");
  if (!format || rk_str_eq(type, RK_STR("text"))) return RK_OK;
  if (rk_str_eq(type, RK_STR("json_object"))) {
    q->chat.json_object = true;
    return RK_OK;
  }
  q->chat.json_schema = rk_json_obj(rk_json_obj(format, "json_schema"), "schema");
  if (!rk_str_eq(type, RK_STR("json_schema")) || !q->chat.json_schema)
    return rk_fail(e, RK_EINVAL, "response_format must be text, json_object, or json_schema with json_schema.schema");
  return RK_OK;
}

static rk_err read_chat_logprobs(struct rk_v1_request *q, struct rk_error *e) {
  bool wanted = false;
  int64_t top = 0;
  rk_err err = flag(q->body, "logprobs", &wanted, e);
  if (!err) err = whole(q->body, "top_logprobs", 0, RK_MAX_TOP_LOGPROBS, &top, e);
  if (!err && top > 0 && !wanted) err = rk_fail(e, RK_EINVAL, "top_logprobs needs logprobs: true");
  if (wanted) q->chat.n_top_logprobs = (int32_t)top;
  return err;
}

rk_err rk_v1_request_chat(struct rk_v1_request *q, json_t *body, const char *model_name, struct rk_error *e) {
  rk_err err = start(q, body, model_name, e);
  if (!err) err = read_messages(q, e);
  if (!err) err = read_tools(q, e);
  if (!err) err = read_format(q, e);
  if (!err) err = read_chat_logprobs(q, e);
  const json_t *thinking = json_object_get(rk_json_obj(q->body, "chat_template_kwargs"), "enable_thinking");
  q->chat.thinking = json_is_true(thinking);
  return err;
}

/* ---- completions ---- */

rk_err rk_v1_request_text(struct rk_v1_request *q, json_t *body, const char *model_name, struct rk_error *e) {
  rk_err err = start(q, body, model_name, e);
  if (err) return err;
  q->text = true;
  const json_t *prompt = json_object_get(body, "prompt");
  if (json_is_array(prompt) && json_array_size(prompt) == 1) prompt = json_array_get(prompt, 0);
  if (!json_is_string(prompt) || json_string_length(prompt) == 0)
    return rk_fail(e, RK_EINVAL, "prompt must be one string that is not empty");
  q->chat.raw_prompt = (rk_str){json_string_value(prompt), json_string_length(prompt)};
  q->chat.raw_trusted = true; /* whoever writes a raw prompt writes the template too */
  if (q->chat.max_tokens == 0) q->chat.max_tokens = 16;
  int64_t top = -1, best_of = 1;
  bool echo = false;
  err = whole(body, "logprobs", 0, 5, &top, e);
  if (!err) err = whole(body, "best_of", 1, 1, &best_of, e);
  if (!err) err = flag(body, "echo", &echo, e);
  if (!err && echo) err = rk_fail(e, RK_EINVAL, "echo is not supported");
  q->chat.n_top_logprobs = (int32_t)top;
  return err;
}

void rk_v1_request_release(struct rk_v1_request *q) {
  json_decref(q->body);
  json_decref(q->original);
  q->body = q->original = NULL;
}
