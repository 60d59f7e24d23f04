#include "server/openai.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fair.h"
#include "base/utf8.h"
#include "server/openai_request.h"

struct rk_openai {
  struct rk_chat_model *model;
  struct rk_fair *jobs; /* of struct job, by who asks */
  pthread_t workers[RK_MAX_COMPLETIONS];
  int32_t n_workers;
  atomic_int stopping;
  atomic_llong requests, errors, running, tokens_prefilled, tokens_cached, tokens_decoded;
};

/* One request on its way: what it asked and what has come so far. */
struct job {
  struct rk_openai *o;
  struct rk_http_req *http;
  struct rk_openai_request ask;
  struct rk_http_stream *stream;   /* NULL until the first event of a streamed reply */
  bool gone;                       /* the client has left, or there was no room for its stream */
  bool answered;                   /* without a stream of ours */
  char id[64];
  int64_t created_s;
  struct rk_buf text, reasoning;
  json_t *calls, *logprobs;        /* arrays; logprobs: not yet sent when streaming */
};

/* ---- pieces of answers ---- */

/* A token may be part of a code point, or no UTF-8 at all; JSON text may not. */
static json_t *token_text(rk_str bytes) {
  return rk_utf8_valid(bytes) ? json_stringn(bytes.p, bytes.n) : json_string("\xef\xbf\xbd");
}

static json_t *token_logprob(rk_str bytes, float logprob) {
  json_t *list = json_array();
  for (size_t i = 0; i < bytes.n; i++) json_array_append_new(list, json_integer((unsigned char)bytes.p[i]));
  return json_pack("{s:o, s:f, s:o}", "token", token_text(bytes), "logprob", (double)logprob, "bytes", list);
}

static void add_logprob(struct job *j, const struct rk_chat_event *ev) {
  const struct rk_model *model = rk_chat_engine_model(j->o->model);
  json_t *top = json_array(), *entry = token_logprob(ev->text, ev->logprob);
  for (int32_t i = 0; model && i < ev->n_top; i++)
    json_array_append_new(top, token_logprob(rk_token_bytes(model, ev->top_tokens[i]), ev->top_logprobs[i]));
  json_object_set_new(entry, "top_logprobs", top);
  json_array_append_new(j->logprobs, entry);
}

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
static json_t *take_logprobs(struct job *j) {
  if (j->ask.chat.n_top_logprobs < 0) return json_null();
  json_t *entries = j->logprobs;
  j->logprobs = json_array();
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

static json_t *envelope(const struct job *j, const char *object) {
  return json_pack("{s:s, s:s, s:I, s:s}", "id", j->id, "object", object, "created", (json_int_t)j->created_s, "model",
                   rk_chat_name(j->o->model));
}

static json_t *buf_json(const struct rk_buf *b) { return json_stringn(rk_buf_str(b).p, b->n); }

/* ---- streamed ---- */

static bool stream_json(struct job *j, json_t *v) {
  char *text = rk_json_dump(v);
  struct rk_buf line;
  rk_buf_init(&line, RK_MAX_HTTP_BODY_BYTES);
  rk_err err = rk_buf_addf(&line, "data: %s\n\n", text);
  if (!err) err = rk_http_stream_write(j->stream, rk_buf_str(&line));
  if (err) j->gone = true;
  rk_buf_release(&line);
  free(text);
  json_decref(v);
  return !j->gone;
}

/* Takes delta. finish NULL: not yet. */
static bool stream_chunk(struct job *j, json_t *delta, const char *finish) {
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
  return stream_json(j, chunk);
}

static bool stream_begin(struct job *j) {
  if (j->stream) return true;
  j->stream = rk_http_stream_start(j->http);
  if (!j->stream) {
    j->gone = j->answered = true;
    return false;
  }
  return j->ask.text || stream_chunk(j, json_pack("{s:s, s:s}", "role", "assistant", "content", ""), NULL);
}

static bool on_streamed(struct job *j, const struct rk_chat_event *ev) {
  if (!stream_begin(j)) return false;
  switch (ev->type) {
  case RK_CHAT_TEXT:
    return stream_chunk(j, json_pack("{s:s%}", "content", ev->text.p, ev->text.n), NULL);
  case RK_CHAT_REASONING:
    return j->ask.text || stream_chunk(j, json_pack("{s:s%}", "reasoning_content", ev->text.p, ev->text.n), NULL);
  case RK_CHAT_CALL: {
    char *args = rk_json_dump(ev->call_args);
    size_t index = json_array_size(j->calls);
    json_array_append_new(j->calls, json_true());
    json_t *call = json_pack("{s:i, s:s, s:s, s:{s:s, s:s}}", "index", (int)index, "id", ev->call_id, "type", "function",
                             "function", "name", ev->call_name, "arguments", args);
    free(args);
    return stream_chunk(j, json_pack("{s:[o]}", "tool_calls", call), NULL);
  }
  case RK_CHAT_LOGPROB: add_logprob(j, ev); return true;
  case RK_CHAT_PROGRESS: return rk_http_stream_alive(j->stream);
  }
  return true;
}

static void end_streamed(struct job *j, rk_err err, const struct rk_chat_result *res, const struct rk_error *e) {
  if (!j->stream && (err || j->gone)) {
    if (!j->answered) rk_http_reply_error(j->http, err ? e : &(struct rk_error){RK_ECANCELLED, ""});
    return;
  }
  if (!j->gone && stream_begin(j)) {
    if (err) {
      stream_json(j, json_pack("{s:{s:s, s:s, s:s}}", "error", "message", e->msg, "type", rk_err_api(err), "code", rk_err_api(err)));
    } else {
      stream_chunk(j, json_object(), finish_text(res));
      if (j->ask.include_usage) {
        json_t *last = envelope(j, j->ask.text ? "text_completion" : "chat.completion.chunk");
        json_object_set_new(last, "choices", json_array());
        json_object_set_new(last, "usage", usage(res));
        stream_json(j, last);
      }
    }
    if (!j->gone && rk_http_stream_write(j->stream, RK_STR("data: [DONE]\n\n"))) j->gone = true;
  }
  if (j->stream) rk_http_stream_end(j->stream);
}

/* ---- whole ---- */

static bool on_whole(struct job *j, const struct rk_chat_event *ev) {
  switch (ev->type) {
  case RK_CHAT_TEXT: return rk_buf_addstr(&j->text, ev->text) == RK_OK;
  case RK_CHAT_REASONING: return rk_buf_addstr(&j->reasoning, ev->text) == RK_OK;
  case RK_CHAT_CALL: {
    char *args = rk_json_dump(ev->call_args);
    json_array_append_new(j->calls, json_pack("{s:s, s:s, s:{s:s, s:s}}", "id", ev->call_id, "type", "function", "function",
                                              "name", ev->call_name, "arguments", args));
    free(args);
    return true;
  }
  case RK_CHAT_LOGPROB: add_logprob(j, ev); return true;
  case RK_CHAT_PROGRESS: return true;
  }
  return true;
}

static json_t *whole_choice(struct job *j, const struct rk_chat_result *res) {
  json_t *choice = json_pack("{s:i, s:o, s:s}", "index", 0, "logprobs", take_logprobs(j), "finish_reason", finish_text(res));
  if (j->ask.text) {
    json_object_set_new(choice, "text", buf_json(&j->text));
    return choice;
  }
  json_t *message = json_pack("{s:s}", "role", "assistant");
  bool calls = json_array_size(j->calls) > 0;
  json_object_set_new(message, "content", calls && j->text.n == 0 ? json_null() : buf_json(&j->text));
  if (j->reasoning.n) json_object_set_new(message, "reasoning_content", buf_json(&j->reasoning));
  if (calls) json_object_set(message, "tool_calls", j->calls);
  json_object_set_new(choice, "message", message);
  return choice;
}

static void end_whole(struct job *j, rk_err err, const struct rk_chat_result *res, const struct rk_error *e) {
  if (err) {
    rk_http_reply_error(j->http, e);
    return;
  }
  json_t *v = envelope(j, j->ask.text ? "text_completion" : "chat.completion");
  json_object_set_new(v, "choices", json_pack("[o]", whole_choice(j, res)));
  json_object_set_new(v, "usage", usage(res));
  rk_http_reply_json(j->http, 200, v);
}

/* ---- workers ---- */

static bool on_event(void *ud, const struct rk_chat_event *ev) {
  struct job *j = ud;
  if (!j->stream && rk_http_gone(j->http)) j->gone = true; /* nobody waits for what would come */
  if (j->gone) return false;
  return j->ask.stream ? on_streamed(j, ev) : on_whole(j, ev);
}

static void job_free(struct job *j) {
  rk_openai_request_release(&j->ask);
  rk_buf_release(&j->text);
  rk_buf_release(&j->reasoning);
  json_decref(j->calls);
  json_decref(j->logprobs);
  free(j);
}

static void run_job(struct job *j) {
  struct rk_openai *o = j->o;
  struct rk_chat_result res = {0};
  struct rk_error e = {0};
  atomic_fetch_add(&o->running, 1);
  rk_err err = rk_http_gone(j->http) ? rk_fail(&e, RK_ECANCELLED, "the client has left")
                                     : rk_chat_run(o->model, &j->ask.chat, &o->stopping, on_event, j, &res, &e);
  atomic_fetch_sub(&o->running, 1);
  if (!err && j->text.err) err = rk_fail(&e, j->text.err, "the reply is larger than the limit");
  if (!err && res.finish == RK_FINISH_CANCELLED && !j->gone) err = rk_fail(&e, RK_EUNAVAIL, "the server is stopping");
  if (err) atomic_fetch_add(&o->errors, 1);
  atomic_fetch_add(&o->tokens_prefilled, res.n_prompt - res.n_cached);
  atomic_fetch_add(&o->tokens_cached, res.n_cached);
  atomic_fetch_add(&o->tokens_decoded, res.n_completion);
  if (j->ask.stream) end_streamed(j, err, &res, &e);
  else end_whole(j, err, &res, &e);
  job_free(j);
}

static void *work(void *ud) {
  struct rk_openai *o = ud;
  for (struct job *j; (j = rk_fair_pop(o->jobs, -1));) run_job(j);
  return NULL;
}

rk_err rk_openai_new(struct rk_chat_model *model, int32_t n_workers, struct rk_openai **out, struct rk_error *e) {
  struct rk_openai *o = calloc(1, sizeof *o);
  if (!o || !(o->jobs = rk_fair_new(RK_MAX_RUNS_QUEUED))) {
    free(o);
    return rk_fail(e, RK_ENOMEM, "out of memory");
  }
  o->model = model;
  while (o->n_workers < n_workers && o->n_workers < RK_MAX_COMPLETIONS &&
         pthread_create(&o->workers[o->n_workers], NULL, work, o) == 0)
    o->n_workers++;
  if (o->n_workers == 0) {
    rk_openai_free(o);
    return rk_fail(e, RK_ENOMEM, "no thread could be started");
  }
  *out = o;
  return RK_OK;
}

void rk_openai_free(struct rk_openai *o) {
  if (!o) return;
  atomic_store(&o->stopping, 1);
  rk_fair_close(o->jobs);
  for (int32_t i = 0; i < o->n_workers; i++) pthread_join(o->workers[i], NULL);
  rk_fair_free(o->jobs);
  free(o);
}

/* ---- routes ---- */

static json_t *model_json(const struct rk_openai *o) {
  return json_pack("{s:s, s:s, s:i, s:s}", "id", rk_chat_name(o->model), "object", "model", "created", 0, "owned_by", "rukou");
}

void rk_openai_models(struct rk_openai *o, struct rk_http_req *r) {
  rk_http_reply_json(r, 200, json_pack("{s:s, s:[o]}", "object", "list", "data", model_json(o)));
}

void rk_openai_model(struct rk_openai *o, struct rk_http_req *r) {
  rk_str id = rk_http_param(r, "*");
  if (rk_str_eq_c(id, rk_chat_name(o->model))) {
    rk_http_reply_json(r, 200, model_json(o));
    return;
  }
  struct rk_error e;
  rk_fail(&e, RK_ENOMODEL, "the model %.*s does not exist here", RK_STR_ARG(id));
  rk_http_reply_error(r, &e);
}

/* Whose turn it is goes by key, and without one by address. */
static uint64_t who(struct rk_http_req *r) {
  char peer[64];
  rk_str name = rk_http_header(r, "Authorization");
  rk_http_peer(r, peer);
  if (name.n == 0) name = rk_str_c(peer);
  uint64_t h = 14695981039346656037u;
  for (size_t i = 0; i < name.n; i++) h = (h ^ (unsigned char)name.p[i]) * 1099511628211u;
  return h ? h : 1;
}

static void submit(struct rk_openai *o, struct rk_http_req *r, bool text) {
  atomic_fetch_add(&o->requests, 1);
  struct rk_error e = {0};
  struct job *j = calloc(1, sizeof *j);
  json_t *body = j ? rk_http_json(r, &e) : NULL;
  rk_err err = !j ? rk_fail(&e, RK_ENOMEM, "out of memory") : !body ? e.code : RK_OK;
  if (!err) err = text ? rk_openai_request_text(&j->ask, body, rk_chat_name(o->model), &e)
                       : rk_openai_request_chat(&j->ask, body, rk_chat_name(o->model), &e);
  if (!err) {
    j->o = o;
    j->http = r;
    j->created_s = rk_now_ms() / 1000;
    char uuid[37];
    rk_uuid7(uuid);
    snprintf(j->id, sizeof j->id, "%s-%s", text ? "cmpl" : "chatcmpl", uuid);
    rk_buf_init(&j->text, RK_MAX_HTTP_BODY_BYTES);
    rk_buf_init(&j->reasoning, RK_MAX_HTTP_BODY_BYTES);
    j->calls = json_array();
    j->logprobs = json_array();
    rk_http_detach(r);
    j->ask.chat.user = who(r);
    err = rk_fair_push(o->jobs, j->ask.chat.user, j);
    if (!err) return;
    rk_fail(&e, err, "%zu requests wait for the model already; try again later", rk_fair_len(o->jobs));
  }
  atomic_fetch_add(&o->errors, 1);
  rk_http_reply_error(r, &e);
  if (j) job_free(j);
}

void rk_openai_chat(struct rk_openai *o, struct rk_http_req *r) { submit(o, r, false); }
void rk_openai_completions(struct rk_openai *o, struct rk_http_req *r) { submit(o, r, true); }

struct rk_openai_stats rk_openai_stats(struct rk_openai *o) {
  return (struct rk_openai_stats){atomic_load(&o->requests), atomic_load(&o->errors), atomic_load(&o->running), atomic_load(&o->tokens_prefilled),
                                  atomic_load(&o->tokens_cached), atomic_load(&o->tokens_decoded)};
}
