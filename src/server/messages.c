/* messages.c - replies as messages of the Anthropic API: a row of content blocks, whole or as named events. */
#include <string.h>

#include "server/v1_job.h"

static const char *stop_reason(const struct rk_chat_result *res) {
  switch (res->finish) {
  case RK_FINISH_LENGTH: return "max_tokens";
  case RK_FINISH_TOOL_CALLS: return "tool_use";
  default: return res->stop_hit ? "stop_sequence" : "end_turn";
  }
}

static json_t *stop_sequence(const struct rk_v1_job *j, const struct rk_chat_result *res) {
  if (!res->stop_hit || res->finish != RK_FINISH_STOP) return json_null();
  rk_str s = j->ask.stop[res->stop_hit - 1];
  return json_stringn(s.p, s.n);
}

/* Tokens read from the cache are not input tokens here. */
static json_t *usage(const struct rk_chat_result *res) {
  return json_pack("{s:i, s:i, s:i, s:i}", "input_tokens", res->n_prompt - res->n_cached, "cache_creation_input_tokens", 0,
                   "cache_read_input_tokens", res->n_cached, "output_tokens", res->n_completion);
}

static json_t *message(const struct rk_v1_job *j, json_t *content, const struct rk_chat_result *res) {
  return json_pack("{s:s, s:s, s:s, s:s, s:o, s:s?, s:o, s:o}", "id", j->id, "type", "message", "role", "assistant", "model", rk_v1_name(j->v1),
                   "content", content, "stop_reason", res ? stop_reason(res) : NULL, "stop_sequence", res ? stop_sequence(j, res) : json_null(),
                   "usage", usage(res ? res : &(struct rk_chat_result){0}));
}

static json_t *content_of(const json_t *block) {
  const char *kind = rk_json_cstr(block, "kind", "");
  if (strcmp(kind, "call") == 0)
    return json_pack("{s:s, s:s, s:s, s:O}", "type", "tool_use", "id", rk_json_cstr(block, "call_id", ""), "name", rk_json_cstr(block, "name", ""),
                     "input", json_object_get(block, "input"));
  if (strcmp(kind, "reasoning") == 0)
    return json_pack("{s:s, s:O, s:s}", "type", "thinking", "thinking", json_object_get(block, "text"), "signature", "");
  return json_pack("{s:s, s:O}", "type", "text", "text", json_object_get(block, "text"));
}

static json_t *whole(struct rk_v1_job *j, const struct rk_chat_result *res) {
  json_t *content = json_array(), *b;
  size_t i;
  json_array_foreach(j->blocks, i, b) json_array_append_new(content, content_of(b));
  return message(j, content, res);
}

/* ---- events ---- */

static bool begin(struct rk_v1_job *j) {
  return rk_v1_send(j, "message_start", json_pack("{s:s, s:o}", "type", "message_start", "message", message(j, json_array(), NULL)));
}

static int index_of(const struct rk_v1_job *j) { return (int)json_array_size(j->blocks); }

/* Takes block. */
static bool start(struct rk_v1_job *j, json_t *block) {
  return rk_v1_send(j, "content_block_start", json_pack("{s:s, s:i, s:o}", "type", "content_block_start", "index", index_of(j), "content_block", block));
}

/* Takes delta. */
static bool delta(struct rk_v1_job *j, json_t *d) {
  return rk_v1_send(j, "content_block_delta", json_pack("{s:s, s:i, s:o}", "type", "content_block_delta", "index", index_of(j), "delta", d));
}

/* A call begins when it is complete: its name stands in the first event. */
static bool block_begin(struct rk_v1_job *j) {
  if (j->open == RK_BLOCK_TEXT) return start(j, json_pack("{s:s, s:s}", "type", "text", "text", ""));
  return j->open == RK_BLOCK_CALL || start(j, json_pack("{s:s, s:s, s:s}", "type", "thinking", "thinking", "", "signature", ""));
}

static bool block_add(struct rk_v1_job *j, rk_str text) {
  bool words = j->open == RK_BLOCK_TEXT;
  return delta(j, json_pack("{s:s, s:s%}", "type", words ? "text_delta" : "thinking_delta", words ? "text" : "thinking", text.p, text.n));
}

static bool block_end(struct rk_v1_job *j, const json_t *block) {
  if (j->open == RK_BLOCK_CALL) {
    json_t *head = content_of(block);
    json_object_set_new(head, "input", json_object());
    if (!start(j, head)) return false;
    if (!delta(j, json_pack("{s:s, s:O}", "type", "input_json_delta", "partial_json", json_object_get(block, "arguments")))) return false;
  }
  return rk_v1_send(j, "content_block_stop", json_pack("{s:s, s:i}", "type", "content_block_stop", "index", index_of(j)));
}

static void end(struct rk_v1_job *j, const struct rk_chat_result *res) {
  json_t *what = json_pack("{s:s, s:o}", "stop_reason", stop_reason(res), "stop_sequence", stop_sequence(j, res));
  if (rk_v1_send(j, "message_delta", json_pack("{s:s, s:o, s:o}", "type", "message_delta", "delta", what, "usage", usage(res))))
    rk_v1_send(j, "message_stop", json_pack("{s:s}", "type", "message_stop"));
}

/* ---- errors ---- */

static const char *error_type(int32_t status) {
  switch (status) {
  case 401: return "authentication_error";
  case 403: return "permission_error";
  case 404: return "not_found_error";
  case 413: return "request_too_large";
  case 429: return "rate_limit_error";
  case 503: return "overloaded_error";
  default: return status < 500 ? "invalid_request_error" : "api_error";
  }
}

static json_t *error_json(const struct rk_error *e) {
  return json_pack("{s:s, s:{s:s, s:s}}", "type", "error", "error", "type", error_type(rk_err_http(e->code)), "message",
                   e->msg[0] ? e->msg : rk_err_text(e->code));
}

static void fail(struct rk_v1_job *j, const struct rk_error *e) { rk_v1_send(j, "error", error_json(e)); }

static void refuse(struct rk_http_req *r, const struct rk_error *e) {
  if (e->code == RK_EBUSY || e->code == RK_EUNAVAIL) rk_http_set_header(r, "Retry-After", "1");
  rk_http_reply_json(r, rk_err_http(e->code), error_json(e));
}

static rk_err read(struct rk_v1_job *j, json_t *body, const char *model_name, struct rk_error *e) {
  return rk_v1_request_messages(&j->ask, body, model_name, e);
}

const struct rk_v1_form rk_form_messages = {.prefix = "msg_", .read = read, .begin = begin, .block_begin = block_begin, .block_add = block_add,
                                            .block_end = block_end, .end = end, .fail = fail, .whole = whole, .refuse = refuse};
