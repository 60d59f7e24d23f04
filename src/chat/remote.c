/* remote.c - chat on an OpenAI-compatible server: POST /chat/completions with
 * stream, read as server-sent events on the net thread.
 *
 * A call counts only when it names a tool of the request and its arguments fit
 * that tool's schema; calls are delivered when the stream has ended. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "chat/backend.h"
#include "chat/reply.h"
#include "chat/schema.h"
#include "net/net.h"
#include "net/sse.h"

enum { CALLS_MAX = 64, EVENT_BYTES_MAX = 1 << 20 };

struct remote {
  struct rk_chat_model base;
  struct rk_net *net;
  char *url, *auth; /* auth: the header's value, NULL without a key */
};

struct part_call {
  struct rk_buf name, args;
};

struct stream {
  const struct rk_chat_request *req;
  rk_chat_fn *fn;
  void *ud;
  struct rk_chat_result result;
  struct rk_schema *tools, *format;
  struct rk_sse sse;
  struct rk_reply reply;
  struct rk_buf text;   /* visible text, kept when it has to fit a schema */
  struct part_call calls[CALLS_MAX];
  int32_t n_calls;
  bool finished, cancelled;
  rk_err err;
  struct rk_error error;
};

/* ---- the request ---- */

static void set(json_t *obj, const char *key, json_t *value) {
  if (json_object_set_new(obj, key, value)) RK_ASSERT(!"JSON of a request");
}

static json_t *shared(const json_t *v) { return json_incref((json_t *)(uintptr_t)v); }

static void add_tools(json_t *body, const struct rk_chat_request *req) {
  if (!rk_chat_tools(req)) return;
  set(body, "tools", shared(req->tools));
  if (req->tool_choice == RK_TOOLS_NAMED)
    set(body, "tool_choice", json_pack("{s:s,s:{s:s}}", "type", "function", "function", "name", req->tool_name));
  else set(body, "tool_choice", json_string(req->tool_choice == RK_TOOLS_REQUIRED ? "required" : "auto"));
  if (req->one_call) set(body, "parallel_tool_calls", json_false());
}

static void add_sampling(json_t *body, const struct rk_chat_request *req) {
  const struct rk_sampling *s = &req->sampling;
  set(body, "temperature", json_real((double)s->temperature));
  if (s->top_p < 1) set(body, "top_p", json_real((double)s->top_p));
  if (s->presence_penalty != 0) set(body, "presence_penalty", json_real((double)s->presence_penalty));
  if (s->frequency_penalty != 0) set(body, "frequency_penalty", json_real((double)s->frequency_penalty));
  if (s->seed) set(body, "seed", json_integer((json_int_t)(s->seed & INT64_MAX)));
  if (req->max_tokens > 0) set(body, "max_tokens", json_integer(req->max_tokens));
  if (req->n_top_logprobs >= 0) {
    set(body, "logprobs", json_true());
    set(body, "top_logprobs", json_integer(req->n_top_logprobs));
  }
  if (req->n_stop == 0) return;
  json_t *stop = json_array();
  for (int32_t i = 0; i < req->n_stop; i++) json_array_append_new(stop, json_stringn(req->stop[i].p, req->stop[i].n));
  set(body, "stop", stop);
}

static char *request_body(const struct remote *m, const struct rk_chat_request *req) {
  json_t *body = json_pack("{s:s,s:b,s:{s:b}}", "model", m->base.name, "stream", 1, "stream_options", "include_usage", 1);
  set(body, "messages", shared(req->messages));
  add_tools(body, req);
  add_sampling(body, req);
  if (req->json_schema)
    set(body, "response_format", json_pack("{s:s,s:{s:s,s:b,s:O}}", "type", "json_schema", "json_schema", "name", "reply", "strict", 1,
                                           "schema", req->json_schema));
  else if (req->json_object) set(body, "response_format", json_pack("{s:s}", "type", "json_object"));
  char *text = rk_json_dump(body);
  json_decref(body);
  return text;
}

/* ---- events ---- */

static void fail(struct stream *s, rk_err err, const char *msg) {
  if (!s->err) s->err = rk_fail(&s->error, err, "%s", msg);
}

static void deliver(struct stream *s, const struct rk_chat_event *ev) {
  if (!s->cancelled && !s->fn(s->ud, ev)) s->cancelled = true;
}

static void deliver_call(struct stream *s, const char *name, const json_t *args) {
  struct rk_error why = {0};
  if (!s->tools || rk_schema_check_call(s->tools, name, args, &why)) {
    if (!s->err)
      s->err = rk_fail(&s->error, RK_EUPSTREAM, "the model's call of %.60s does not fit: %s", name, s->tools ? why.msg : "no tools were given");
    return;
  }
  char id[32];
  rk_chat_call_id(id);
  deliver(s, &(struct rk_chat_event){.type = RK_CHAT_CALL, .call_id = id, .call_name = name, .call_args = args});
}

static bool call_fits(void *ud, const char *name, const json_t *args) {
  struct stream *s = ud;
  return s->tools && rk_schema_check_call(s->tools, name, args, NULL) == RK_OK;
}

static bool takes_text(void *ud, rk_str tool, rk_str parameter) { return rk_chat_takes_text(((struct stream *)ud)->req, tool, parameter); }

static void on_reply(void *ud, const struct rk_reply_event *ev) {
  struct stream *s = ud;
  switch (ev->type) {
    case RK_REPLY_TEXT:
      if (s->format) rk_buf_addstr(&s->text, ev->text);
      deliver(s, &(struct rk_chat_event){.type = RK_CHAT_TEXT, .text = ev->text});
      break;
    case RK_REPLY_REASONING: deliver(s, &(struct rk_chat_event){.type = RK_CHAT_REASONING, .text = ev->text}); break;
    case RK_REPLY_CALL: deliver_call(s, ev->name, ev->args); break;
    case RK_REPLY_BAD_CALL: fail(s, RK_EUPSTREAM, "the model wrote a tool call that is no JSON"); break;
  }
}

/* ---- the stream ---- */

static void add_fragment(struct stream *s, const json_t *f) {
  int64_t i = rk_json_i64(f, "index", s->n_calls ? s->n_calls - 1 : 0);
  if (i < 0 || i > s->n_calls || i >= CALLS_MAX) {
    fail(s, RK_EUPSTREAM, "the model server numbers its tool calls wrongly");
    return;
  }
  struct part_call *c = &s->calls[i];
  if (i == s->n_calls) {
    rk_buf_init(&c->name, 256);
    rk_buf_init(&c->args, RK_REPLY_MAX_CALL_BYTES);
    s->n_calls++;
  }
  const json_t *fn = rk_json_obj(f, "function");
  rk_buf_addstr(&c->name, rk_json_str(fn, "name"));
  rk_buf_addstr(&c->args, rk_json_str(fn, "arguments"));
  if (c->name.err || c->args.err) fail(s, RK_EUPSTREAM, "a tool call of the model is too large");
}

static void read_logprobs(struct stream *s, const json_t *choice) {
  const json_t *list = rk_json_arr(rk_json_obj(choice, "logprobs"), "content");
  for (size_t i = 0; i < json_array_size(list) && s->req->n_top_logprobs >= 0; i++) {
    const json_t *t = json_array_get(list, i);
    deliver(s, &(struct rk_chat_event){.type = RK_CHAT_LOGPROB, .text = rk_json_str(t, "token"), .token = -1,
                                       .logprob = (float)json_number_value(json_object_get(t, "logprob"))});
  }
}

static void read_choice(struct stream *s, const json_t *choice) {
  const json_t *delta = rk_json_obj(choice, "delta");
  rk_str reasoning = rk_json_str(delta, "reasoning_content"), content = rk_json_str(delta, "content");
  if (!reasoning.n) reasoning = rk_json_str(delta, "reasoning");
  read_logprobs(s, choice);
  if (reasoning.n) deliver(s, &(struct rk_chat_event){.type = RK_CHAT_REASONING, .text = reasoning});
  if (content.n && rk_reply_feed(&s->reply, content, false)) fail(s, RK_EUPSTREAM, "the model's reply is too large");
  const json_t *fragments = rk_json_arr(delta, "tool_calls");
  for (size_t i = 0; i < json_array_size(fragments); i++) add_fragment(s, json_array_get(fragments, i));
  rk_str reason = rk_json_str(choice, "finish_reason");
  if (!reason.n) return;
  s->finished = true;
  s->result.finish = rk_str_eq_c(reason, "length") ? RK_FINISH_LENGTH : RK_FINISH_STOP;
}

static void read_usage(struct stream *s, const json_t *usage) {
  s->result.n_prompt = (int32_t)rk_json_i64(usage, "prompt_tokens", s->result.n_prompt);
  s->result.n_completion = (int32_t)rk_json_i64(usage, "completion_tokens", s->result.n_completion);
  s->result.n_cached = (int32_t)rk_json_i64(rk_json_obj(usage, "prompt_tokens_details"), "cached_tokens", s->result.n_cached);
}

static bool on_event(void *ud, const struct rk_sse_event *ev) {
  struct stream *s = ud;
  if (ev->data.n == 0 || rk_str_eq_c(ev->data, "[DONE]")) return true;
  json_t *v = rk_json_parse(ev->data, EVENT_BYTES_MAX, NULL);
  if (!v) {
    fail(s, RK_EUPSTREAM, "the model server sent an event that is no JSON");
    return false;
  }
  const json_t *error = json_object_get(v, "error");
  if (error && !json_is_null(error)) {
    rk_str msg = rk_json_str(error, "message");
    if (!s->err) s->err = rk_fail(&s->error, RK_EUPSTREAM, "the model server failed: %.*s", msg.n > 200 ? 200 : RK_STR_ARG(msg));
  }
  read_usage(s, rk_json_obj(v, "usage"));
  const json_t *choice = json_array_get(rk_json_arr(v, "choices"), 0);
  if (choice) read_choice(s, choice);
  json_decref(v);
  return !s->err && !s->cancelled;
}

static bool on_data(void *ud, rk_str piece) {
  struct stream *s = ud;
  if (rk_sse_feed(&s->sse, piece, on_event, s)) fail(s, RK_EUPSTREAM, "the model server sent an event that is too large");
  return !s->err && !s->cancelled;
}

/* ---- the end ---- */

/* A message of the server, unless it repeats the key. */
static void server_message(const struct remote *m, rk_str body, char *out, size_t size) {
  json_t *v = rk_json_parse(body, EVENT_BYTES_MAX, NULL);
  rk_str msg = rk_json_str(rk_json_obj(v, "error"), "message");
  if (!msg.n) msg = rk_json_str(v, "message");
  const char *key = m->auth ? m->auth + strlen("Bearer ") : NULL;
  bool secret = key && *key && rk_str_find(msg, rk_str_c(key)) >= 0;
  rk_str shown = {msg.p, msg.n < size - 3 ? msg.n : size - 3};
  shown.n = msg.n ? rk_utf8_complete(shown) : 0;
  snprintf(out, size, "%s%.*s", shown.n && !secret ? ": " : "", secret ? 0 : (int)shown.n, shown.n ? shown.p : "");
  json_decref(v);
}

static rk_err http_error(const struct remote *m, const struct rk_net_response *res, struct rk_error *e) {
  const int32_t status = res->status;
  char msg[240];
  server_message(m, rk_buf_str(&res->body), msg, sizeof msg);
  switch (status) {
    case 400:
    case 413:
    case 422:
      if (rk_str_find(rk_str_c(msg), RK_STR("context")) >= 0)
        return rk_fail(e, RK_ECONTEXT, "the conversation does not fit the model's context%s", msg);
      return rk_fail(e, RK_EINVAL, "the model server refused the request%s", msg);
    case 401:
    case 403: return rk_fail(e, RK_EUPSTREAM, "the model server refused the key (HTTP %d): check model.api_key", status);
    case 404: return rk_fail(e, RK_ENOMODEL, "the model server knows no model \"%.80s\" at this address%s", m->base.name, msg);
    case 429: return rk_fail(e, RK_EBUSY, "the model server is busy (HTTP 429)%s", msg);
    case 408:
    case 504: return rk_fail(e, RK_ETIMEOUT, "the model server ran out of time (HTTP %d)%s", status, msg);
    case 503: return rk_fail(e, RK_EUNAVAIL, "the model server is not available (HTTP 503)%s", msg);
    default: return rk_fail(e, RK_EUPSTREAM, "the model server answered HTTP %d%s", status, msg);
  }
}

static void deliver_fragments(struct stream *s) {
  bool cut = s->result.finish == RK_FINISH_LENGTH; /* the last one may be incomplete: dropped */
  for (int32_t i = 0; i < s->n_calls && !s->err; i++) {
    rk_str text = rk_str_trim(rk_buf_str(&s->calls[i].args));
    json_t *args = rk_json_parse_last(text.n ? text : RK_STR("{}"), RK_REPLY_MAX_CALL_BYTES, NULL);
    if (json_is_object(args)) deliver_call(s, s->calls[i].name.p ? s->calls[i].name.p : "", args);
    else if (!cut || i + 1 < s->n_calls) fail(s, RK_EUPSTREAM, "the arguments of the model's call are no JSON object");
    if (json_is_object(args)) s->reply.n_calls++;
    json_decref(args);
    if (s->req->one_call) break;
  }
}

static void check_format(struct stream *s) {
  if (!s->format || s->result.finish != RK_FINISH_STOP || s->reply.n_calls > 0 || s->err) return;
  struct rk_error why = {0};
  json_t *v = rk_json_parse(rk_buf_str(&s->text), EVENT_BYTES_MAX, &why);
  if (!v || rk_schema_check(s->format, v, &why)) s->err = rk_fail(&s->error, RK_EUPSTREAM, "the reply does not fit the response format: %s", why.msg);
  json_decref(v);
}

static rk_err end_stream(const struct remote *m, struct stream *s, const struct rk_net_response *res, struct rk_error *e) {
  if (s->cancelled || res->err == RK_ECANCELLED) {
    if (s->err) goto failed;
    s->result.finish = RK_FINISH_CANCELLED;
    return RK_OK;
  }
  if (s->err) goto failed;
  if (res->err) return rk_fail(e, res->err, "the model server: %s", res->error.msg);
  if (res->status != 200) return http_error(m, res, e);
  if (!s->finished) return rk_fail(e, RK_EUPSTREAM, "the model server ended its reply without finishing it");
  if (rk_reply_end(&s->reply, s->result.finish == RK_FINISH_LENGTH)) fail(s, RK_EUPSTREAM, "the model's reply is too large");
  deliver_fragments(s);
  check_format(s);
  if (s->err) goto failed;
  if (s->result.finish == RK_FINISH_STOP && s->reply.n_calls > 0) s->result.finish = RK_FINISH_TOOL_CALLS;
  if (s->cancelled) s->result.finish = RK_FINISH_CANCELLED;
  return RK_OK;
failed:
  if (e) *e = s->error;
  return s->err;
}

static rk_err start_stream(struct stream *s, struct rk_error *e) {
  const struct rk_chat_request *req = s->req;
  if (req->grammar.p) return rk_fail(e, RK_EINVAL, "a remote model cannot be held to a grammar: use response_format");
  if (req->raw_prompt.p) return rk_fail(e, RK_EINVAL, "a remote model takes messages, not a raw prompt");
  rk_sse_init(&s->sse, EVENT_BYTES_MAX);
  rk_buf_init(&s->text, RK_MAX_FETCH_BYTES);
  rk_reply_init(&s->reply, &(struct rk_reply_opts){.tools = rk_chat_tools(req) != NULL, .text_tags = true, .accept = call_fits, .is_text = takes_text,
                                              .fn = on_reply, .ud = s});
  rk_err err = rk_chat_tools(req) ? rk_schema_new_call(req->tools, req->tool_choice == RK_TOOLS_NAMED ? req->tool_name : NULL, &s->tools, e) : RK_OK;
  if (!err && req->json_schema) err = rk_schema_new(req->json_schema, "json_schema", &s->format, e);
  else if (!err && req->json_object) err = rk_schema_new_object(&s->format, e);
  return err;
}

static void release_stream(struct stream *s) {
  for (int32_t i = 0; i < s->n_calls; i++) {
    rk_buf_release(&s->calls[i].name);
    rk_buf_release(&s->calls[i].args);
  }
  rk_buf_release(&s->text);
  rk_sse_release(&s->sse);
  rk_reply_release(&s->reply);
  rk_schema_free(s->tools);
  rk_schema_free(s->format);
}

static rk_err fetch(struct remote *m, struct stream *s, const atomic_int *cancel, struct rk_error *e) {
  char *body = request_body(m, s->req);
  const struct rk_header headers[] = {{"Content-Type", "application/json"}, {"Accept", "text/event-stream"}, {"Authorization", m->auth}};
  struct rk_net_request q = {.method = "POST", .url = m->url, .headers = headers, .n_headers = m->auth ? 3 : 2, .body = rk_str_c(body),
                             .timeout_ms = s->req->timeout_ms ? s->req->timeout_ms : 30 * (int64_t)RK_FETCH_TIMEOUT_MS,
                             .cancel = cancel, .on_data = on_data, .ud = s};
  struct rk_net_response res;
  rk_net_fetch(m->net, &q, &res);
  rk_err err = end_stream(m, s, &res, e);
  s->result.decode_ms = res.total_ms;
  rk_net_response_release(&res);
  free(body);
  return err;
}

static rk_err remote_run(struct rk_chat_model *base, const struct rk_chat_request *req, const atomic_int *cancel, rk_chat_fn *fn,
                         void *ud, struct rk_chat_result *out, struct rk_error *e) {
  struct stream *s = calloc(1, sizeof *s);
  if (!s) return rk_fail(e, RK_ENOMEM, "no memory for the request");
  s->req = req;
  s->fn = fn;
  s->ud = ud;
  rk_err err = start_stream(s, e);
  if (!err) err = fetch((struct remote *)base, s, cancel, e);
  *out = s->result;
  release_stream(s);
  free(s);
  return err;
}

/* Another server's tokens are not ours to count. */
static int32_t remote_count(struct rk_chat_model *base, const struct rk_chat_request *req, struct rk_error *e) {
  (void)base, (void)req, (void)e;
  return -1;
}

static void remote_close(struct rk_chat_model *base) {
  struct remote *m = (struct remote *)base;
  while (atomic_load(&base->n_running) > 0) rk_sleep_ms(1);
  free(base->name);
  free(m->url);
  free(m->auth);
  free(m);
}

static char *joined(const char *a, const char *b) {
  struct rk_buf t;
  rk_buf_init(&t, 8192);
  rk_buf_adds(&t, a);
  rk_buf_adds(&t, b);
  return rk_buf_detach(&t);
}

rk_err rk_chat_open_remote(const struct rk_chat_remote_opts *o, struct rk_chat_model **out, struct rk_error *e) {
  static const struct rk_chat_ops ops = {remote_close, remote_run, remote_count, NULL};
  *out = NULL;
  struct remote *m = calloc(1, sizeof *m);
  if (!m) return rk_fail(e, RK_ENOMEM, "no memory for the model");
  m->base.ops = &ops;
  m->net = o->net;
  char origin[512];
  if (!o->base_url || rk_net_origin(o->base_url, origin, sizeof origin) || !o->model_name || !*o->model_name) {
    remote_close(&m->base);
    return rk_fail(e, RK_EINVAL, "a remote model needs base_url (\"https://host/v1\") and a model name");
  }
  size_t n = strlen(o->base_url);
  m->url = joined(o->base_url, o->base_url[n - 1] == '/' ? "chat/completions" : "/chat/completions");
  m->auth = o->api_key && *o->api_key ? joined("Bearer ", o->api_key) : NULL;
  m->base.name = strdup(o->model_name);
  if (!m->url || !m->base.name) {
    remote_close(&m->base);
    return rk_fail(e, RK_ENOMEM, "no memory for the model");
  }
  *out = &m->base;
  return RK_OK;
}
