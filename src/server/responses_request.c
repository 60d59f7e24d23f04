/* responses_request.c - a request of the OpenAI Responses API in the form of chat completions, which is then read as any other. */
#include <stdio.h>
#include <string.h>

#include "server/v1_request.h"

static bool is_type(const json_t *v, const char *type) { return rk_str_eq_c(rk_json_str(v, "type"), type); }
static bool given(const json_t *v) { return v && !json_is_null(v); }

/* ---- items ---- */

/* A string, or an array of text parts, as one string. */
static json_t *text_of(const json_t *content, const char *where, struct rk_error *e) {
  if (json_is_string(content)) return json_incref((json_t *)(uintptr_t)content);
  if (!json_is_array(content)) return rk_fail(e, RK_EINVAL, "%s must be a string or an array of parts", where), NULL;
  struct rk_buf text;
  rk_buf_init(&text, RK_MAX_HTTP_BODY_BYTES);
  json_t *out = NULL, *part;
  size_t i;
  json_array_foreach(content, i, part) {
    bool text_part = is_type(part, "input_text") || is_type(part, "output_text") || is_type(part, "text"), refusal = is_type(part, "refusal");
    if (!text_part && !refusal) {
      rk_fail(e, RK_EINVAL, "%s[%zu]: a part of type \"%s\" is not supported", where, i, rk_json_cstr(part, "type", "?"));
      goto end;
    }
    if (rk_buf_addstr(&text, rk_json_str(part, refusal ? "refusal" : "text"))) {
      rk_fail(e, RK_ETOOBIG, "%s is too large", where);
      goto end;
    }
  }
  out = json_stringn(rk_buf_str(&text).p, text.n);
end:
  rk_buf_release(&text);
  return out;
}

/* Calls belong to the message of the assistant before them. */
static void add_call(json_t *messages, const json_t *item) {
  json_t *call = json_pack("{s:s, s:s, s:{s:s, s:s}}", "id", rk_json_cstr(item, "call_id", ""), "type", "function", "function", "name",
                           rk_json_cstr(item, "name", ""), "arguments", rk_json_cstr(item, "arguments", "{}"));
  json_t *last = json_array_get(messages, json_array_size(messages) - 1);
  if (!rk_str_eq(rk_json_str(last, "role"), RK_STR("assistant"))) {
    last = json_pack("{s:s, s:n}", "role", "assistant", "content");
    json_array_append_new(messages, last);
  }
  json_t *calls = json_object_get(last, "tool_calls");
  if (!calls) json_object_set_new(last, "tool_calls", calls = json_array());
  json_array_append_new(calls, call);
}

static rk_err add_item(json_t *messages, const json_t *item, size_t at, struct rk_error *e) {
  char where[64];
  if (is_type(item, "reasoning")) return RK_OK; /* thoughts of earlier turns are not read again */
  if (is_type(item, "function_call")) return add_call(messages, item), RK_OK;
  bool output = is_type(item, "function_call_output"), message = is_type(item, "message") || (!given(json_object_get(item, "type")) && rk_json_str(item, "role").n);
  if (!output && !message) return rk_fail(e, RK_EINVAL, "input[%zu]: an item of type \"%s\" is not supported", at, rk_json_cstr(item, "type", "?"));
  snprintf(where, sizeof where, "input[%zu].%s", at, output ? "output" : "content");
  json_t *text = text_of(json_object_get(item, output ? "output" : "content"), where, e);
  if (!text) return e->code;
  json_t *m = json_pack("{s:s, s:o}", "role", output ? "tool" : rk_json_cstr(item, "role", ""), "content", text);
  if (output) json_object_set(m, "tool_call_id", json_object_get(item, "call_id"));
  json_array_append_new(messages, m);
  return RK_OK;
}

static rk_err add_input(json_t *messages, const json_t *input, struct rk_error *e) {
  if (json_is_string(input)) return json_array_append_new(messages, json_pack("{s:s, s:O}", "role", "user", "content", input)), RK_OK;
  if (json_array_size(input) == 0) return rk_fail(e, RK_EINVAL, "input must be a string or an array of at least one item");
  rk_err err = RK_OK;
  for (size_t i = 0; !err && i < json_array_size(input); i++) err = add_item(messages, json_array_get(input, i), i, e);
  return err;
}

/* ---- the rest ---- */

static rk_err convert_tools(const json_t *body, json_t *chat, struct rk_error *e) {
  const json_t *list = json_object_get(body, "tools"), *choice = json_object_get(body, "tool_choice");
  if (!given(list)) return RK_OK;
  json_t *tools = json_array(), *tool;
  json_object_set_new(chat, "tools", tools);
  size_t i;
  json_array_foreach(list, i, tool) {
    if (!is_type(tool, "function")) return rk_fail(e, RK_EINVAL, "tools[%zu]: a tool of type \"%s\" is not supported", i, rk_json_cstr(tool, "type", "?"));
    json_t *f = json_pack("{s:s, s:s}", "name", rk_json_cstr(tool, "name", ""), "description", rk_json_cstr(tool, "description", ""));
    if (given(json_object_get(tool, "parameters"))) json_object_set(f, "parameters", json_object_get(tool, "parameters"));
    json_array_append_new(tools, json_pack("{s:s, s:o}", "type", "function", "function", f));
  }
  if (!given(choice)) return RK_OK;
  if (json_is_object(choice) && !is_type(choice, "function")) return rk_fail(e, RK_EINVAL, "tool_choice must be auto, none, required or a function by name");
  if (json_is_string(choice)) json_object_set(chat, "tool_choice", (json_t *)(uintptr_t)choice);
  else json_object_set_new(chat, "tool_choice", json_pack("{s:s, s:{s:s}}", "type", "function", "function", "name", rk_json_cstr(choice, "name", "")));
  return RK_OK;
}

static rk_err convert_format(const json_t *body, json_t *chat, struct rk_error *e) {
  const json_t *format = json_object_get(json_object_get(body, "text"), "format");
  if (!given(format) || is_type(format, "text")) return RK_OK;
  if (is_type(format, "json_object")) return json_object_set_new(chat, "response_format", json_pack("{s:s}", "type", "json_object")), RK_OK;
  const json_t *schema = json_object_get(format, "schema");
  if (!is_type(format, "json_schema") || !json_is_object(schema))
    return rk_fail(e, RK_EINVAL, "text.format must be text, json_object, or json_schema with a schema");
  json_object_set_new(chat, "response_format", json_pack("{s:s, s:{s:O}}", "type", "json_schema", "json_schema", "schema", schema));
  return RK_OK;
}

static rk_err check_unsupported(const json_t *body, struct rk_error *e) {
  static const char *const names[] = {"conversation", "prompt", "context_management"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (given(json_object_get(body, names[i]))) return rk_fail(e, RK_EINVAL, "%s is not supported", names[i]);
  if (rk_json_bool(body, "background", false)) return rk_fail(e, RK_EINVAL, "background: true is not supported");
  if (strcmp(rk_json_cstr(body, "truncation", "disabled"), "disabled") != 0)
    return rk_fail(e, RK_EINVAL, "truncation: only \"disabled\" is supported; nothing is left out silently");
  return RK_OK;
}

static void convert_rest(const json_t *body, json_t *chat) {
  static const struct { const char *key, *as; } same[] = {{"model", "model"}, {"max_output_tokens", "max_completion_tokens"}, {"temperature", "temperature"},
    {"top_p", "top_p"}, {"stream", "stream"}, {"parallel_tool_calls", "parallel_tool_calls"}, {"seed", "seed"}};
  for (size_t i = 0; i < sizeof same / sizeof *same; i++)
    if (json_object_get(body, same[i].key)) json_object_set(chat, same[i].as, json_object_get(body, same[i].key));
  const char *effort = rk_json_cstr(json_object_get(body, "reasoning"), "effort", "none");
  if (strcmp(effort, "none") != 0 && strcmp(effort, "minimal") != 0)
    json_object_set_new(chat, "chat_template_kwargs", json_pack("{s:b}", "enable_thinking", true));
  size_t i;
  json_t *what;
  json_array_foreach(json_object_get(body, "include"), i, what) {
    if (!json_is_string(what) || strcmp(json_string_value(what), "message.output_text.logprobs") != 0) continue;
    json_object_set_new(chat, "logprobs", json_true());
    if (given(json_object_get(body, "top_logprobs"))) json_object_set(chat, "top_logprobs", json_object_get(body, "top_logprobs"));
  }
}

static rk_err convert(const json_t *body, const json_t *earlier, json_t *chat, struct rk_error *e) {
  json_t *messages = json_array();
  json_object_set_new(chat, "messages", messages);
  if (!json_is_object(body)) return rk_fail(e, RK_EINVAL, "the body must be a JSON object");
  const json_t *instructions = json_object_get(body, "instructions");
  if (given(instructions)) json_array_append_new(messages, json_pack("{s:s, s:O}", "role", "system", "content", instructions));
  if (earlier) json_array_extend(messages, (json_t *)(uintptr_t)earlier);
  rk_err err = check_unsupported(body, e);
  if (!err) err = add_input(messages, json_object_get(body, "input"), e);
  if (!err) err = convert_tools(body, chat, e);
  if (!err) err = convert_format(body, chat, e);
  convert_rest(body, chat);
  return err;
}

rk_err rk_v1_request_responses(struct rk_v1_request *q, json_t *body, const json_t *earlier, const char *model_name, struct rk_error *e) {
  json_t *chat = json_object();
  rk_err err = convert(body, earlier, chat, e);
  if (err) json_decref(chat);
  else err = rk_v1_request_chat(q, chat, model_name, e);
  q->original = body;
  return err;
}
