/* messages_request.c - a request of the Anthropic Messages API in the form of chat completions, which is then read as any other. */
#include <stdio.h>
#include <string.h>

#include "server/v1_request.h"

static bool is_type(const json_t *block, const char *type) { return rk_str_eq_c(rk_json_str(block, "type"), type); }

/* Takes message. */
static void add(json_t *messages, json_t *message) { json_array_append_new(messages, message); }

/* What a text block, or a string, or an array of text blocks says; where: for the error. */
static rk_err text_of(const json_t *content, const char *where, struct rk_buf *out, struct rk_error *e) {
  if (json_is_string(content)) return rk_buf_add(out, json_string_value(content), json_string_length(content));
  if (!content || json_is_null(content)) return RK_OK;
  if (!json_is_array(content)) return rk_fail(e, RK_EINVAL, "%s must be a string or an array of blocks", where);
  size_t i;
  json_t *block;
  json_array_foreach(content, i, block) {
    if (!is_type(block, "text")) return rk_fail(e, RK_EINVAL, "%s[%zu]: a block of type \"%s\" is not supported there", where, i, rk_json_cstr(block, "type", "?"));
    rk_err err = rk_buf_addstr(out, rk_json_str(block, "text"));
    if (err) return rk_fail(e, err, "%s is too large", where);
  }
  return RK_OK;
}

static rk_err text_message(json_t *messages, const char *role, const json_t *content, const char *where, struct rk_error *e) {
  struct rk_buf text;
  rk_buf_init(&text, RK_MAX_HTTP_BODY_BYTES);
  rk_err err = text_of(content, where, &text, e);
  if (!err) add(messages, json_pack("{s:s, s:s%}", "role", role, "content", rk_buf_str(&text).p, text.n));
  rk_buf_release(&text);
  return err;
}

static rk_err tool_result(json_t *messages, const json_t *block, const char *where, struct rk_error *e) {
  rk_err err = text_message(messages, "tool", json_object_get(block, "content"), where, e);
  if (err) return err;
  if (rk_json_str(block, "tool_use_id").n == 0) return rk_fail(e, RK_EINVAL, "%s: tool_use_id is missing", where);
  json_t *last = json_array_get(messages, json_array_size(messages) - 1);
  json_object_set(last, "tool_call_id", json_object_get(block, "tool_use_id"));
  return RK_OK;
}

/* Results of tools become messages of their own, in their place; the words around them messages of the user. */
static rk_err user_blocks(json_t *messages, const json_t *content, size_t at, struct rk_error *e) {
  size_t i;
  json_t *block;
  json_array_foreach(content, i, block) {
    char where[64];
    snprintf(where, sizeof where, "messages[%zu].content[%zu]", at, i);
    rk_err err = RK_OK;
    if (is_type(block, "tool_result")) err = tool_result(messages, block, where, e);
    else if (is_type(block, "text")) err = text_message(messages, "user", json_object_get(block, "text"), where, e);
    else err = rk_fail(e, RK_EINVAL, "%s: a block of type \"%s\" is not supported", where, rk_json_cstr(block, "type", "?"));
    if (err) return err;
  }
  return RK_OK;
}

static rk_err assistant_blocks(json_t *messages, const json_t *content, size_t at, struct rk_error *e) {
  struct rk_buf text;
  rk_buf_init(&text, RK_MAX_HTTP_BODY_BYTES);
  json_t *calls = json_array(), *block;
  size_t i;
  rk_err err = RK_OK;
  json_array_foreach(content, i, block) {
    if (is_type(block, "text")) err = rk_buf_addstr(&text, rk_json_str(block, "text"));
    else if (is_type(block, "tool_use") && json_is_object(json_object_get(block, "input")))
      json_array_append_new(calls, json_pack("{s:s, s:s, s:{s:s, s:O}}", "id", rk_json_cstr(block, "id", ""), "type", "function", "function", "name",
                                             rk_json_cstr(block, "name", ""), "arguments", json_object_get(block, "input")));
    else if (!is_type(block, "thinking") && !is_type(block, "redacted_thinking"))
      err = rk_fail(e, RK_EINVAL, "messages[%zu].content[%zu]: a block of type \"%s\" is not supported", at, i, rk_json_cstr(block, "type", "?"));
    if (err) break;
  }
  if (!err) {
    json_t *m = json_pack("{s:s, s:s%}", "role", "assistant", "content", rk_buf_str(&text).p, text.n);
    if (json_array_size(calls)) json_object_set(m, "tool_calls", calls);
    add(messages, m);
  }
  json_decref(calls);
  rk_buf_release(&text);
  return err;
}

static rk_err convert_messages(const json_t *body, json_t *messages, struct rk_error *e) {
  const json_t *system = json_object_get(body, "system"), *list = json_object_get(body, "messages"), *m;
  rk_err err = system && !json_is_null(system) ? text_message(messages, "system", system, "system", e) : RK_OK;
  size_t n = json_array_size(list);
  if (!err && n == 0) return rk_fail(e, RK_EINVAL, "messages must be an array of at least one message");
  for (size_t i = 0; !err && i < n; i++) {
    m = json_array_get(list, i);
    rk_str role = rk_json_str(m, "role");
    const json_t *content = json_object_get(m, "content");
    bool user = rk_str_eq(role, RK_STR("user"));
    if (!user && !rk_str_eq(role, RK_STR("assistant"))) return rk_fail(e, RK_EINVAL, "messages[%zu].role must be user or assistant", i);
    if (!user && i == n - 1) return rk_fail(e, RK_EINVAL, "messages: the last one must be the user's; a begun answer is not continued");
    if (json_is_string(content)) err = text_message(messages, user ? "user" : "assistant", content, "content", e);
    else if (json_array_size(content) == 0) err = rk_fail(e, RK_EINVAL, "messages[%zu].content must be a string or an array of blocks", i);
    else err = user ? user_blocks(messages, content, i, e) : assistant_blocks(messages, content, i, e);
  }
  return err;
}

static rk_err convert_tools(const json_t *body, json_t *chat, struct rk_error *e) {
  const json_t *list = json_object_get(body, "tools");
  if (!list || json_is_null(list)) return RK_OK;
  json_t *tools = json_array(), *tool;
  json_object_set_new(chat, "tools", tools);
  size_t i;
  json_array_foreach(list, i, tool) {
    const char *type = rk_json_cstr(tool, "type", "custom");
    if (strcmp(type, "custom") != 0) return rk_fail(e, RK_EINVAL, "tools[%zu]: a tool of type \"%s\" is not supported", i, type);
    if (!json_is_object(json_object_get(tool, "input_schema"))) return rk_fail(e, RK_EINVAL, "tools[%zu].input_schema is missing", i);
    json_array_append_new(tools, json_pack("{s:s, s:{s:s, s:s, s:O}}", "type", "function", "function", "name", rk_json_cstr(tool, "name", ""), "description",
                                           rk_json_cstr(tool, "description", ""), "parameters", json_object_get(tool, "input_schema")));
  }
  const json_t *choice = json_object_get(body, "tool_choice");
  if (!choice || json_is_null(choice)) return RK_OK;
  if (rk_json_bool(choice, "disable_parallel_tool_use", false)) json_object_set_new(chat, "parallel_tool_calls", json_false());
  if (is_type(choice, "tool"))
    json_object_set_new(chat, "tool_choice", json_pack("{s:s, s:{s:s}}", "type", "function", "function", "name", rk_json_cstr(choice, "name", "")));
  else if (is_type(choice, "auto") || is_type(choice, "none") || is_type(choice, "any"))
    json_object_set_new(chat, "tool_choice", json_string(is_type(choice, "any") ? "required" : rk_json_cstr(choice, "type", "")));
  else return rk_fail(e, RK_EINVAL, "tool_choice.type must be auto, any, tool or none");
  return RK_OK;
}

static void copy(const json_t *from, const char *key, json_t *to, const char *as) {
  if (json_object_get(from, key)) json_object_set(to, as, json_object_get(from, key));
}

static rk_err convert(const json_t *body, json_t *chat, struct rk_error *e) {
  json_t *messages = json_array();
  json_object_set_new(chat, "messages", messages);
  if (!json_is_object(body)) return rk_fail(e, RK_EINVAL, "the body must be a JSON object");
  static const struct { const char *key, *as; } same[] = {{"model", "model"}, {"max_tokens", "max_tokens"}, {"temperature", "temperature"},
    {"top_p", "top_p"}, {"top_k", "top_k"}, {"stop_sequences", "stop"}, {"stream", "stream"}};
  for (size_t i = 0; i < sizeof same / sizeof *same; i++) copy(body, same[i].key, chat, same[i].as);
  if (!json_object_get(body, "max_tokens")) return rk_fail(e, RK_EINVAL, "max_tokens is missing");
  rk_err err = convert_messages(body, messages, e);
  if (!err) err = convert_tools(body, chat, e);
  const json_t *thinking = json_object_get(body, "thinking");
  bool thinks = is_type(thinking, "enabled") || is_type(thinking, "adaptive");
  if (thinks) json_object_set_new(chat, "chat_template_kwargs", json_pack("{s:b}", "enable_thinking", true));
  return err;
}

rk_err rk_v1_request_messages(struct rk_v1_request *q, json_t *body, const char *model_name, struct rk_error *e) {
  json_t *chat = json_object();
  rk_err err = convert(body, chat, e);
  json_decref(body);
  if (!err) return rk_v1_request_chat(q, chat, model_name, e);
  json_decref(chat);
  return err;
}
