/* responses.c - replies as responses of the OpenAI API: a row of output items, whole or as numbered events. */
#include <stdio.h>
#include <string.h>

#include "server/v1_job.h"

static json_t *usage(const struct rk_chat_result *res) {
  return json_pack("{s:i, s:{s:i}, s:i, s:{s:i}, s:i}", "input_tokens", res->n_prompt, "input_tokens_details", "cached_tokens", res->n_cached,
                   "output_tokens", res->n_completion, "output_tokens_details", "reasoning_tokens", 0, "total_tokens", res->n_prompt + res->n_completion);
}

/* ---- items ---- */

static json_t *text_part(const json_t *text, json_t *logprobs) {
  return json_pack("{s:s, s:O, s:[], s:o}", "type", "output_text", "text", text, "annotations", "logprobs", logprobs);
}

static void item_id(const char *kind, const char *id, char out[80]) {
  snprintf(out, 80, "%s%s", strcmp(kind, "call") == 0 ? "fc_" : strcmp(kind, "reasoning") == 0 ? "rs_" : "msg_", id);
}

static const char *open_kind(const struct rk_v1_job *j) {
  return j->open == RK_BLOCK_CALL ? "call" : j->open == RK_BLOCK_REASONING ? "reasoning" : "text";
}

/* Takes content. */
static json_t *message_item(const char *id, const char *status, json_t *content) {
  return json_pack("{s:s, s:s, s:s, s:s, s:o}", "type", "message", "id", id, "status", status, "role", "assistant", "content", content);
}

static json_t *reasoning_item(const char *id, json_t *content) {
  return json_pack("{s:s, s:s, s:[], s:o}", "type", "reasoning", "id", id, "summary", "content", content);
}

static json_t *item_of(const json_t *block, const char *status) {
  const char *kind = rk_json_cstr(block, "kind", "");
  char id[80];
  item_id(kind, rk_json_cstr(block, "id", ""), id);
  const json_t *text = json_object_get(block, "text");
  if (strcmp(kind, "call") == 0)
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "type", "function_call", "id", id, "call_id", rk_json_cstr(block, "call_id", ""), "name",
                     rk_json_cstr(block, "name", ""), "arguments", rk_json_cstr(block, "arguments", ""), "status", status);
  if (strcmp(kind, "reasoning") == 0) return reasoning_item(id, json_pack("[{s:s, s:O}]", "type", "reasoning_text", "text", text));
  json_t *logprobs = json_object_get(block, "logprobs");
  return message_item(id, status, json_pack("[o]", text_part(text, logprobs ? json_incref(logprobs) : json_array())));
}

static json_t *output_of(const struct rk_v1_job *j, const char *status) {
  json_t *output = json_array(), *b;
  size_t i, n = json_array_size(j->blocks);
  json_array_foreach(j->blocks, i, b) json_array_append_new(output, item_of(b, i + 1 == n ? status : "completed"));
  return output;
}

/* ---- the response ---- */

/* A field of the request as it was given, or what holds without it (taken). */
static void echo(const struct rk_v1_job *j, json_t *out, const char *key, json_t *otherwise) {
  json_t *v = json_object_get(j->ask.original, key);
  json_object_set_new(out, key, v ? json_incref(v) : json_incref(otherwise));
  json_decref(otherwise);
}

/* Takes output, error and details. */
static json_t *response(const struct rk_v1_job *j, const char *status, json_t *output, json_t *error, json_t *details, const struct rk_chat_result *res) {
  json_t *v = json_pack("{s:s, s:s, s:I, s:s, s:o, s:o, s:s, s:o, s:o}", "id", j->id, "object", "response", "created_at", (json_int_t)j->created_s, "status",
                        status, "error", error, "incomplete_details", details, "model", rk_v1_name(j->v1), "output", output, "usage",
                        res ? usage(res) : json_null());
  struct { const char *key; json_t *otherwise; } fields[] = {
    {"instructions", json_null()}, {"max_output_tokens", json_null()}, {"parallel_tool_calls", json_true()}, {"previous_response_id", json_null()},
    {"reasoning", json_pack("{s:n, s:n}", "effort", "summary")}, {"store", json_true()}, {"temperature", json_real(1)},
    {"text", json_pack("{s:{s:s}}", "format", "type", "text")}, {"tool_choice", json_string("auto")}, {"tools", json_array()}, {"top_p", json_real(1)},
    {"truncation", json_string("disabled")}, {"metadata", json_object()}, {"user", json_null()}, {"background", json_false()}};
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) echo(j, v, fields[i].key, fields[i].otherwise);
  return v;
}

/* The conversation with this reply; instructions hold for one response only. */
static json_t *conversation(const struct rk_v1_job *j) {
  json_t *all = json_array(), *m;
  size_t i, from = json_is_string(json_object_get(j->ask.original, "instructions"));
  json_array_foreach(j->ask.chat.messages, i, m) if (i >= from) json_array_append_new(all, json_deep_copy(m));
  json_t *reply = json_pack("{s:s, s:o}", "role", "assistant", "content", rk_v1_text(j, "text"));
  if (rk_v1_count(j, "call")) json_object_set_new(reply, "tool_calls", rk_v1_calls(j));
  json_array_append_new(all, reply);
  return all;
}

/* What is computed once the blocks are complete; kept when the client did not say otherwise. */
static json_t *finished(struct rk_v1_job *j, const struct rk_chat_result *res) {
  bool cut = res->finish == RK_FINISH_LENGTH;
  json_t *v = response(j, cut ? "incomplete" : "completed", output_of(j, cut ? "incomplete" : "completed"), json_null(),
                       cut ? json_pack("{s:s}", "reason", "max_output_tokens") : json_null(), res);
  if (rk_json_bool(j->ask.original, "store", true)) rk_v1_keep(j, json_deep_copy(v), conversation(j));
  return v;
}

static json_t *whole(struct rk_v1_job *j, const struct rk_chat_result *res) {
  size_t i;
  json_t *b;
  if (j->ask.chat.n_top_logprobs >= 0)
    json_array_foreach(j->blocks, i, b)
      if (strcmp(rk_json_cstr(b, "kind", ""), "text") == 0 && json_array_size(j->logprobs)) json_object_set_new(b, "logprobs", rk_v1_take_logprobs(j));
  return finished(j, res);
}

/* ---- events ---- */

/* Takes v. */
static bool send(struct rk_v1_job *j, const char *type, json_t *v) {
  json_object_set_new(v, "type", json_string(type));
  json_object_set_new(v, "sequence_number", json_integer(j->n_events++));
  return rk_v1_send(j, type, v);
}

static bool begin(struct rk_v1_job *j) {
  json_t *v = response(j, "in_progress", json_array(), json_null(), json_null(), NULL);
  bool more = send(j, "response.created", json_pack("{s:O}", "response", v)) && send(j, "response.in_progress", json_pack("{s:O}", "response", v));
  json_decref(v);
  return more;
}

/* An event about a part of the open item; takes more. */
static bool send_part(struct rk_v1_job *j, const char *type, json_t *more) {
  char id[80];
  item_id(open_kind(j), j->block_id, id);
  json_object_set_new(more, "item_id", json_string(id));
  json_object_set_new(more, "output_index", json_integer((json_int_t)json_array_size(j->blocks)));
  if (j->open != RK_BLOCK_CALL) json_object_set_new(more, "content_index", json_integer(0));
  return send(j, type, more);
}

/* Takes item. */
static bool send_item(struct rk_v1_job *j, const char *type, json_t *item) {
  return send(j, type, json_pack("{s:i, s:o}", "output_index", (int)json_array_size(j->blocks), "item", item));
}

static bool block_begin(struct rk_v1_job *j) {
  char id[80];
  item_id(open_kind(j), j->block_id, id);
  json_t *empty = json_string("");
  bool more = true;
  if (j->open == RK_BLOCK_TEXT)
    more = send_item(j, "response.output_item.added", message_item(id, "in_progress", json_array())) &&
           send_part(j, "response.content_part.added", json_pack("{s:o}", "part", text_part(empty, json_array())));
  else if (j->open == RK_BLOCK_REASONING)
    more = send_item(j, "response.output_item.added", reasoning_item(id, json_array()));
  json_decref(empty);
  return more;
}

static bool block_add(struct rk_v1_job *j, rk_str text) {
  if (j->open == RK_BLOCK_REASONING) return send_part(j, "response.reasoning_text.delta", json_pack("{s:s%}", "delta", text.p, text.n));
  return send_part(j, "response.output_text.delta", json_pack("{s:s%, s:o}", "delta", text.p, text.n, "logprobs", rk_v1_take_logprobs(j)));
}

static bool call_events(struct rk_v1_job *j, const json_t *block) {
  json_t *head = item_of(block, "in_progress"), *args = json_object_get(block, "arguments");
  json_object_set_new(head, "arguments", json_string(""));
  return send_item(j, "response.output_item.added", head) &&
         send_part(j, "response.function_call_arguments.delta", json_pack("{s:O}", "delta", args)) &&
         send_part(j, "response.function_call_arguments.done", json_pack("{s:O, s:O}", "arguments", args, "name", json_object_get(block, "name")));
}

static bool block_end(struct rk_v1_job *j, const json_t *block) {
  const json_t *text = json_object_get(block, "text");
  bool more;
  if (j->open == RK_BLOCK_CALL) more = call_events(j, block);
  else if (j->open == RK_BLOCK_REASONING) more = send_part(j, "response.reasoning_text.done", json_pack("{s:O}", "text", text));
  else
    more = send_part(j, "response.output_text.done", json_pack("{s:O, s:[]}", "text", text, "logprobs")) &&
           send_part(j, "response.content_part.done", json_pack("{s:o}", "part", text_part(text, json_array())));
  return more && send_item(j, "response.output_item.done", item_of(block, "completed"));
}

static void end(struct rk_v1_job *j, const struct rk_chat_result *res) {
  send(j, res->finish == RK_FINISH_LENGTH ? "response.incomplete" : "response.completed", json_pack("{s:o}", "response", finished(j, res)));
}

static void fail(struct rk_v1_job *j, const struct rk_error *e) {
  json_t *error = json_pack("{s:s, s:s}", "code", rk_err_api(e->code), "message", e->msg);
  send(j, "response.failed", json_pack("{s:o}", "response", response(j, "failed", output_of(j, "incomplete"), error, json_null(), NULL)));
}

static rk_err read(struct rk_v1_job *j, json_t *body, const char *model_name, struct rk_error *e) {
  rk_str id = rk_json_str(body, "previous_response_id");
  json_t *earlier = id.n ? rk_v1_conversation(j->v1, j->who, id) : NULL;
  if (id.n && !earlier) {
    rk_fail(e, RK_ENOTFOUND, "previous_response_id: there is no response %.*s; the last %d are kept until the server stops", RK_STR_ARG(id), RK_MAX_RESPONSES);
    json_decref(body);
    return e->code;
  }
  rk_err err = rk_v1_request_responses(&j->ask, body, earlier, model_name, e);
  json_decref(earlier);
  return err;
}

const struct rk_v1_form rk_form_responses = {.prefix = "resp_", .read = read, .begin = begin, .block_begin = block_begin, .block_add = block_add,
                                             .block_end = block_end, .end = end, .fail = fail, .whole = whole, .refuse = rk_http_reply_error};
