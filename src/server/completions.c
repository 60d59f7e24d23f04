/* completions.c - replies as chat completions and as completions (text_completion) of the OpenAI API. */
#include <stdlib.h>
#include <string.h>

#include "server/v1_job.h"

/* The older form of /v1/completions, made of the newer one. */
static json_t *text_logprobs(const json_t *entries) {
  json_t *tokens = json_array(), *values = json_array(), *tops = json_array(), *entry, *alt;
  size_t i, k;
  json_array_foreach(entries, i, entry) {
    json_t *top = json_object();
    json_array_append(tokens, json_object_get(entry, "token"));
    json_array_append(values, json_object_get(entry, "logprob"));
    json_array_foreach(json_object_get(entry, "top_logprobs"), k, alt)
      json_object_set(top, rk_json_cstr(alt, "token", ""), json_object_get(alt, "logprob"));
    json_array_append_new(tops, top);
  }
  return json_pack("{s:o, s:o, s:o}", "tokens", tokens, "token_logprobs", values, "top_logprobs", tops);
}

/* Takes what has gathered; null when none was asked for. */
static json_t *take_logprobs(struct rk_v1_job *j) {
  if (j->ask.chat.n_top_logprobs < 0) return json_null();
  json_t *entries = rk_v1_take_logprobs(j);
  json_t *v = j->ask.text ? text_logprobs(entries) : json_pack("{s:O}", "content", entries);
  json_decref(entries);
  return v;
}

static const char *finish_text(const struct rk_chat_result *res) {
  switch (res->finish) {
  case RK_FINISH_LENGTH: return "length";
  case RK_FINISH_TOOL_CALLS: return "tool_calls";
  default: return "stop";
  }
}

static json_t *usage(const struct rk_chat_result *res) {
  return json_pack("{s:i, s:i, s:i, s:{s:i}}", "prompt_tokens", res->n_prompt, "completion_tokens", res->n_completion,
                   "total_tokens", res->n_prompt + res->n_completion, "prompt_tokens_details", "cached_tokens", res->n_cached);
}

static json_t *envelope(const struct rk_v1_job *j, const char *object) {
  return json_pack("{s:s, s:s, s:I, s:s}", "id", j->id, "object", object, "created", (json_int_t)j->created_s, "model", rk_v1_name(j->v1));
}

/* ---- streamed ---- */

/* Takes delta. finish NULL: not yet. */
static bool send_chunk(struct rk_v1_job *j, json_t *delta, const char *finish) {
  json_t *choice = json_pack("{s:i, s:o, s:o?}", "index", 0, "logprobs", take_logprobs(j), "finish_reason",
                             finish ? json_string(finish) : json_null());
  if (j->ask.text) {
    json_object_set(choice, "text", json_object_get(delta, "content"));
    if (!json_object_get(choice, "text")) json_object_set_new(choice, "text", json_string(""));
    json_decref(delta);
  } else {
    json_object_set_new(choice, "delta", delta);
  }
  json_t *chunk = envelope(j, j->ask.text ? "text_completion" : "chat.completion.chunk");
  json_object_set_new(chunk, "choices", json_pack("[o]", choice));
  if (j->ask.include_usage) json_object_set_new(chunk, "usage", json_null());
  return rk_v1_send(j, NULL, chunk);
}

static bool begin(struct rk_v1_job *j) {
  return j->ask.text || send_chunk(j, json_pack("{s:s, s:s}", "role", "assistant", "content", ""), NULL);
}

static bool block_begin(struct rk_v1_job *j) { return !j->gone; }

static bool block_add(struct rk_v1_job *j, rk_str text) {
  bool words = j->open == RK_BLOCK_TEXT;
  if (j->ask.text && !words) return true;
  return send_chunk(j, json_pack("{s:s%}", words ? "content" : "reasoning_content", text.p, text.n), NULL);
}

static bool block_end(struct rk_v1_job *j, const json_t *block) {
  if (j->open != RK_BLOCK_CALL) return true;
  json_t *call = json_pack("{s:i, s:s, s:s, s:{s:s, s:s}}", "index", (int)rk_v1_count(j, "call"), "id", rk_json_cstr(block, "call_id", ""), "type",
                           "function", "function", "name", rk_json_cstr(block, "name", ""), "arguments", rk_json_cstr(block, "arguments", ""));
  return send_chunk(j, json_pack("{s:[o]}", "tool_calls", call), NULL);
}

static void done(struct rk_v1_job *j) {
  if (!j->gone && rk_http_stream_write(j->stream, RK_STR("data: [DONE]\n\n"))) j->gone = true;
}

static void end(struct rk_v1_job *j, const struct rk_chat_result *res) {
  send_chunk(j, json_object(), finish_text(res));
  if (j->ask.include_usage) {
    json_t *last = envelope(j, j->ask.text ? "text_completion" : "chat.completion.chunk");
    json_object_set_new(last, "choices", json_array());
    json_object_set_new(last, "usage", usage(res));
    rk_v1_send(j, NULL, last);
  }
  done(j);
}

static void fail(struct rk_v1_job *j, const struct rk_error *e) {
  const char *code = rk_err_api(e->code);
  rk_v1_send(j, NULL, json_pack("{s:{s:s, s:s, s:s}}", "error", "message", e->msg, "type", code, "code", code));
  done(j);
}

/* ---- whole ---- */

static json_t *message_of(const struct rk_v1_job *j) {
  json_t *message = json_pack("{s:s}", "role", "assistant");
  bool calls = rk_v1_count(j, "call") > 0;
  json_object_set_new(message, "content", calls && rk_v1_count(j, "text") == 0 ? json_null() : rk_v1_text(j, "text"));
  if (rk_v1_count(j, "reasoning")) json_object_set_new(message, "reasoning_content", rk_v1_text(j, "reasoning"));
  if (calls) json_object_set_new(message, "tool_calls", rk_v1_calls(j));
  return message;
}

static json_t *whole(struct rk_v1_job *j, const struct rk_chat_result *res) {
  json_t *choice = json_pack("{s:i, s:o, s:s}", "index", 0, "logprobs", take_logprobs(j), "finish_reason", finish_text(res));
  if (j->ask.text) json_object_set_new(choice, "text", rk_v1_text(j, "text"));
  else json_object_set_new(choice, "message", message_of(j));
  json_t *v = envelope(j, j->ask.text ? "text_completion" : "chat.completion");
  json_object_set_new(v, "choices", json_pack("[o]", choice));
  json_object_set_new(v, "usage", usage(res));
  return v;
}

static rk_err read_chat(struct rk_v1_job *j, json_t *body, const char *model_name, struct rk_error *e) {
  return rk_v1_request_chat(&j->ask, body, model_name, e);
}

static rk_err read_text(struct rk_v1_job *j, json_t *body, const char *model_name, struct rk_error *e) {
  return rk_v1_request_text(&j->ask, body, model_name, e);
}

#define FUNCTIONS .begin = begin, .block_begin = block_begin, .block_add = block_add, .block_end = block_end, .end = end, .fail = fail, .whole = whole, \
  .refuse = rk_http_reply_error
const struct rk_v1_form rk_form_chat = {.prefix = "chatcmpl-", .read = read_chat, FUNCTIONS};
const struct rk_v1_form rk_form_text = {.prefix = "cmpl-", .read = read_text, FUNCTIONS};
