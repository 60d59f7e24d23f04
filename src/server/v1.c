#include "server/v1.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fair.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "server/v1_job.h"

/* A response that may be asked for, or gone on with. */
struct kept {
  char id[64];
  uint64_t who;
  json_t *response, *messages;
};

struct rk_v1 {
  struct rk_chat_model *model;
  struct rk_fair *jobs; /* of struct rk_v1_job, by who asks */
  pthread_t workers[RK_MAX_COMPLETIONS];
  int32_t n_workers;
  atomic_int stopping;
  atomic_llong requests, errors, running, tokens_prefilled, tokens_cached, tokens_decoded;
  pthread_mutex_t mu;   /* of what follows */
  struct kept kept[RK_MAX_RESPONSES];
  int32_t next;         /* the oldest */
};

const char *rk_v1_name(const struct rk_v1 *v) { return rk_chat_name(v->model); }

void rk_v1_id(const char *prefix, char out[64]) {
  char uuid[37];
  rk_uuid7(uuid);
  snprintf(out, 64, "%s%s", prefix, uuid);
}

/* ---- log-probabilities ---- */

/* A token may be part of a code point, or no UTF-8 at all; JSON text may not. */
static json_t *token_text(rk_str bytes) {
  return rk_utf8_valid(bytes) ? json_stringn(bytes.p, bytes.n) : json_string("\xef\xbf\xbd");
}

static json_t *token_logprob(rk_str bytes, float logprob) {
  json_t *list = json_array();
  for (size_t i = 0; i < bytes.n; i++) json_array_append_new(list, json_integer((unsigned char)bytes.p[i]));
  return json_pack("{s:o, s:f, s:o}", "token", token_text(bytes), "logprob", (double)logprob, "bytes", list);
}

static void add_logprob(struct rk_v1_job *j, const struct rk_chat_event *ev) {
  const struct rk_model *model = rk_chat_engine_model(j->v1->model);
  json_t *top = json_array(), *entry = token_logprob(ev->text, ev->logprob);
  for (int32_t i = 0; model && i < ev->n_top; i++)
    json_array_append_new(top, token_logprob(rk_token_bytes(model, ev->top_tokens[i]), ev->top_logprobs[i]));
  json_object_set_new(entry, "top_logprobs", top);
  json_array_append_new(j->logprobs, entry);
}

json_t *rk_v1_take_logprobs(struct rk_v1_job *j) {
  json_t *entries = j->logprobs;
  j->logprobs = json_array();
  return entries;
}

/* ---- blocks ---- */

static const char *const kinds[] = {[RK_BLOCK_TEXT] = "text", [RK_BLOCK_REASONING] = "reasoning", [RK_BLOCK_CALL] = "call"};

json_t *rk_v1_text(const struct rk_v1_job *j, const char *kind) {
  struct rk_buf all;
  rk_buf_init(&all, RK_MAX_HTTP_BODY_BYTES);
  size_t i;
  json_t *b;
  json_array_foreach(j->blocks, i, b)
    if (strcmp(rk_json_cstr(b, "kind", ""), kind) == 0) rk_buf_addstr(&all, rk_json_str(b, "text"));
  json_t *text = json_stringn(rk_buf_str(&all).p, all.n);
  rk_buf_release(&all);
  return text;
}

size_t rk_v1_count(const struct rk_v1_job *j, const char *kind) {
  size_t i, n = 0;
  json_t *b;
  json_array_foreach(j->blocks, i, b) n += strcmp(rk_json_cstr(b, "kind", ""), kind) == 0;
  return n;
}

json_t *rk_v1_calls(const struct rk_v1_job *j) {
  json_t *calls = json_array(), *b;
  size_t i;
  json_array_foreach(j->blocks, i, b)
    if (strcmp(rk_json_cstr(b, "kind", ""), "call") == 0)
      json_array_append_new(calls, json_pack("{s:s, s:s, s:{s:s, s:s}}", "id", rk_json_cstr(b, "call_id", ""), "type", "function", "function", "name",
                                             rk_json_cstr(b, "name", ""), "arguments", rk_json_cstr(b, "arguments", "")));
  return calls;
}

static bool open_block(struct rk_v1_job *j, enum rk_block_kind kind) {
  j->open = kind;
  rk_v1_id("", j->block_id);
  return !j->ask.stream || j->form->block_begin(j);
}

/* Takes block. */
static bool complete(struct rk_v1_job *j, json_t *block) {
  json_object_set_new(block, "kind", json_string(kinds[j->open]));
  json_object_set_new(block, "id", json_string(j->block_id));
  bool more = !j->ask.stream || j->form->block_end(j, block);
  json_array_append_new(j->blocks, block);
  j->open = RK_BLOCK_NONE;
  rk_buf_clear(&j->text);
  return more;
}

static bool close_block(struct rk_v1_job *j) {
  return j->open == RK_BLOCK_NONE || complete(j, json_pack("{s:s%}", "text", rk_buf_str(&j->text).p, j->text.n));
}

static bool add_text(struct rk_v1_job *j, enum rk_block_kind kind, rk_str text) {
  if (j->open != kind && (!close_block(j) || !open_block(j, kind))) return false;
  return rk_buf_addstr(&j->text, text) == RK_OK && (!j->ask.stream || j->form->block_add(j, text));
}

static bool add_call(struct rk_v1_job *j, const struct rk_chat_event *ev) {
  if (!close_block(j) || !open_block(j, RK_BLOCK_CALL)) return false;
  char *args = rk_json_dump(ev->call_args);
  json_t *block = json_pack("{s:s, s:s, s:s, s:O}", "call_id", ev->call_id, "name", ev->call_name, "arguments", args, "input", ev->call_args);
  free(args);
  return complete(j, block);
}

/* ---- streams ---- */

bool rk_v1_send(struct rk_v1_job *j, const char *name, json_t *v) {
  char *text = rk_json_dump(v);
  struct rk_buf line;
  rk_buf_init(&line, 2 * RK_MAX_HTTP_BODY_BYTES);
  rk_err err = name ? rk_buf_addf(&line, "event: %s\n", name) : RK_OK;
  if (!err) err = rk_buf_addf(&line, "data: %s\n\n", text);
  if (!err) err = rk_http_stream_write(j->stream, rk_buf_str(&line));
  if (err) j->gone = true;
  rk_buf_release(&line);
  free(text);
  json_decref(v);
  return !j->gone;
}

static bool stream_begin(struct rk_v1_job *j) {
  if (j->stream) return true;
  j->stream = rk_http_stream_start(j->http);
  if (!j->stream) {
    j->gone = j->answered = true;
    return false;
  }
  return j->form->begin(j);
}

static void end_streamed(struct rk_v1_job *j, rk_err err, const struct rk_chat_result *res, const struct rk_error *e) {
  if (!j->stream && (err || j->gone)) {
    if (!j->answered) j->form->refuse(j->http, err ? e : &(struct rk_error){RK_ECANCELLED, ""});
    return;
  }
  if (!j->gone && stream_begin(j)) {
    if (err) j->form->fail(j, e);
    else if (close_block(j)) j->form->end(j, res);
  }
  if (j->stream) rk_http_stream_end(j->stream);
}

static void end_whole(struct rk_v1_job *j, rk_err err, const struct rk_chat_result *res, const struct rk_error *e) {
  if (err) {
    j->form->refuse(j->http, e);
    return;
  }
  close_block(j);
  rk_http_reply_json(j->http, 200, j->form->whole(j, res));
}

/* ---- workers ---- */

static bool on_event(void *ud, const struct rk_chat_event *ev) {
  struct rk_v1_job *j = ud;
  if (!j->stream && rk_http_gone(j->http)) j->gone = true; /* nobody waits for what would come */
  if (j->gone || (j->ask.stream && !stream_begin(j))) return false;
  switch (ev->type) {
  case RK_CHAT_TEXT: return add_text(j, RK_BLOCK_TEXT, ev->text);
  case RK_CHAT_REASONING: return add_text(j, RK_BLOCK_REASONING, ev->text);
  case RK_CHAT_CALL: return add_call(j, ev);
  case RK_CHAT_LOGPROB: add_logprob(j, ev); return true;
  case RK_CHAT_PROGRESS: return !j->stream || rk_http_stream_alive(j->stream);
  }
  return true;
}

static void job_free(struct rk_v1_job *j) {
  rk_v1_request_release(&j->ask);
  rk_buf_release(&j->text);
  json_decref(j->blocks);
  json_decref(j->logprobs);
  free(j);
}

static void run_job(struct rk_v1_job *j) {
  struct rk_v1 *v = j->v1;
  struct rk_chat_result res = {0};
  struct rk_error e = {0};
  atomic_fetch_add(&v->running, 1);
  rk_err err = rk_http_gone(j->http) ? rk_fail(&e, RK_ECANCELLED, "the client has left")
                                     : rk_chat_run(v->model, &j->ask.chat, &v->stopping, on_event, j, &res, &e);
  atomic_fetch_sub(&v->running, 1);
  if (!err && j->text.err) err = rk_fail(&e, j->text.err, "the reply is larger than the limit");
  if (!err && res.finish == RK_FINISH_CANCELLED && !j->gone) err = rk_fail(&e, RK_EUNAVAIL, "the server is stopping");
  if (err) atomic_fetch_add(&v->errors, 1);
  atomic_fetch_add(&v->tokens_prefilled, res.n_prompt - res.n_cached);
  atomic_fetch_add(&v->tokens_cached, res.n_cached);
  atomic_fetch_add(&v->tokens_decoded, res.n_completion);
  if (j->ask.stream) end_streamed(j, err, &res, &e);
  else end_whole(j, err, &res, &e);
  job_free(j);
}

static void *work(void *ud) {
  struct rk_v1 *v = ud;
  for (struct rk_v1_job *j; (j = rk_fair_pop(v->jobs, -1));) run_job(j);
  return NULL;
}

static void forget(struct kept *k) {
  json_decref(k->response);
  json_decref(k->messages);
  *k = (struct kept){0};
}

rk_err rk_v1_new(struct rk_chat_model *model, int32_t n_workers, struct rk_v1 **out, struct rk_error *e) {
  struct rk_v1 *v = calloc(1, sizeof *v);
  if (!v || !(v->jobs = rk_fair_new(RK_MAX_RUNS_QUEUED))) {
    free(v);
    return rk_fail(e, RK_ENOMEM, "out of memory");
  }
  v->model = model;
  pthread_mutex_init(&v->mu, NULL);
  while (v->n_workers < n_workers && v->n_workers < RK_MAX_COMPLETIONS &&
         pthread_create(&v->workers[v->n_workers], NULL, work, v) == 0)
    v->n_workers++;
  if (v->n_workers == 0) {
    rk_v1_free(v);
    return rk_fail(e, RK_ENOMEM, "no thread could be started");
  }
  *out = v;
  return RK_OK;
}

void rk_v1_free(struct rk_v1 *v) {
  if (!v) return;
  atomic_store(&v->stopping, 1);
  rk_fair_close(v->jobs);
  for (int32_t i = 0; i < v->n_workers; i++) pthread_join(v->workers[i], NULL);
  rk_fair_free(v->jobs);
  for (int32_t i = 0; i < RK_MAX_RESPONSES; i++) forget(&v->kept[i]);
  pthread_mutex_destroy(&v->mu);
  free(v);
}

/* ---- routes ---- */

static json_t *model_json(const struct rk_v1 *v) {
  return json_pack("{s:s, s:s, s:i, s:s}", "id", rk_chat_name(v->model), "object", "model", "created", 0, "owned_by", "rukou");
}

void rk_v1_models(struct rk_v1 *v, struct rk_http_req *r) {
  rk_http_reply_json(r, 200, json_pack("{s:s, s:[o]}", "object", "list", "data", model_json(v)));
}

void rk_v1_model(struct rk_v1 *v, struct rk_http_req *r) {
  rk_str id = rk_http_param(r, "*");
  if (rk_str_eq_c(id, rk_chat_name(v->model))) {
    rk_http_reply_json(r, 200, model_json(v));
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
  if (name.n == 0) name = rk_http_header(r, "X-Api-Key");
  rk_http_peer(r, peer);
  if (name.n == 0) name = rk_str_c(peer);
  uint64_t h = 14695981039346656037u;
  for (size_t i = 0; i < name.n; i++) h = (h ^ (unsigned char)name.p[i]) * 1099511628211u;
  return h ? h : 1;
}

static struct rk_v1_job *job_new(struct rk_v1 *v, struct rk_http_req *r, const struct rk_v1_form *form) {
  struct rk_v1_job *j = calloc(1, sizeof *j);
  if (!j) return NULL;
  *j = (struct rk_v1_job){.v1 = v, .form = form, .http = r, .who = who(r), .created_s = rk_now_ms() / 1000, .blocks = json_array(), .logprobs = json_array()};
  rk_v1_id(form->prefix, j->id);
  rk_buf_init(&j->text, RK_MAX_HTTP_BODY_BYTES);
  return j;
}

/* The request of a form, read and checked. Takes body; NULL: e says why. */
static rk_err read_job(struct rk_v1_job *j, json_t *body, struct rk_error *e) {
  if (!body) return e->code;
  rk_err err = j->form->read(j, body, rk_v1_name(j->v1), e);
  j->ask.chat.user = j->who;
  return err;
}

static void submit(struct rk_v1 *v, struct rk_http_req *r, const struct rk_v1_form *form) {
  atomic_fetch_add(&v->requests, 1);
  struct rk_error e = {0};
  struct rk_v1_job *j = job_new(v, r, form);
  rk_err err = j ? read_job(j, rk_http_json(r, &e), &e) : rk_fail(&e, RK_ENOMEM, "out of memory");
  if (!err) {
    rk_http_detach(r);
    err = rk_fair_push(v->jobs, j->who, j);
    if (!err) return;
    rk_fail(&e, err, "%zu requests wait for the model already; try again later", rk_fair_len(v->jobs));
  }
  atomic_fetch_add(&v->errors, 1);
  form->refuse(r, &e);
  if (j) job_free(j);
}

void rk_v1_chat(struct rk_v1 *v, struct rk_http_req *r) { submit(v, r, &rk_form_chat); }
void rk_v1_completions(struct rk_v1 *v, struct rk_http_req *r) { submit(v, r, &rk_form_text); }
void rk_v1_messages(struct rk_v1 *v, struct rk_http_req *r) { submit(v, r, &rk_form_messages); }
void rk_v1_responses(struct rk_v1 *v, struct rk_http_req *r) { submit(v, r, &rk_form_responses); }

void rk_v1_count_tokens(struct rk_v1 *v, struct rk_http_req *r) {
  struct rk_error e = {0};
  struct rk_v1_job *j = job_new(v, r, &rk_form_messages);
  json_t *body = j ? rk_http_json(r, &e) : NULL;
  if (json_is_object(body)) json_object_set_new(body, "max_tokens", json_integer(1)); /* nothing will be written */
  rk_err err = j ? read_job(j, body, &e) : rk_fail(&e, RK_ENOMEM, "out of memory");
  int32_t n = err ? -1 : rk_chat_count(v->model, &j->ask.chat, &e);
  if (!err && n < 0) err = e.code ? e.code : rk_fail(&e, RK_EUNAVAIL, "tokens can be counted for a model on this machine only");
  if (err) rk_form_messages.refuse(r, &e);
  else rk_http_reply_json(r, 200, json_pack("{s:i}", "input_tokens", n));
  if (j) job_free(j);
}

/* ---- responses that are kept ---- */

static struct kept *find(struct rk_v1 *v, uint64_t asker, rk_str id) {
  for (int32_t i = 0; i < RK_MAX_RESPONSES; i++)
    if (v->kept[i].response && v->kept[i].who == asker && rk_str_eq_c(id, v->kept[i].id)) return &v->kept[i];
  return NULL;
}

void rk_v1_keep(struct rk_v1_job *j, json_t *response, json_t *messages) {
  struct rk_v1 *v = j->v1;
  pthread_mutex_lock(&v->mu);
  struct kept *k = &v->kept[v->next];
  v->next = (v->next + 1) % RK_MAX_RESPONSES;
  forget(k);
  *k = (struct kept){.who = j->who, .response = response, .messages = messages};
  memcpy(k->id, j->id, sizeof k->id);
  pthread_mutex_unlock(&v->mu);
}

/* A copy: what is kept belongs to no thread. */
json_t *rk_v1_conversation(struct rk_v1 *v, uint64_t asker, rk_str id) {
  pthread_mutex_lock(&v->mu);
  struct kept *k = find(v, asker, id);
  json_t *messages = k ? json_deep_copy(k->messages) : NULL;
  pthread_mutex_unlock(&v->mu);
  return messages;
}

/* Takes a kept response out of the table, or a copy of it. */
static json_t *take_response(struct rk_v1 *v, struct rk_http_req *r, bool out) {
  pthread_mutex_lock(&v->mu);
  struct kept *k = find(v, who(r), rk_http_param(r, "id"));
  json_t *response = k ? json_deep_copy(k->response) : NULL;
  if (k && out) forget(k);
  pthread_mutex_unlock(&v->mu);
  return response;
}

static void no_response(struct rk_http_req *r) {
  struct rk_error e;
  rk_fail(&e, RK_ENOTFOUND, "there is no response with that id; the last %d are kept until the server stops", RK_MAX_RESPONSES);
  rk_http_reply_error(r, &e);
}

void rk_v1_response(struct rk_v1 *v, struct rk_http_req *r) {
  json_t *response = take_response(v, r, false);
  if (response) rk_http_reply_json(r, 200, response);
  else no_response(r);
}

void rk_v1_response_delete(struct rk_v1 *v, struct rk_http_req *r) {
  json_t *response = take_response(v, r, true);
  if (response) rk_http_reply_json(r, 200, json_pack("{s:s, s:s, s:b}", "id", rk_json_cstr(response, "id", ""), "object", "response", "deleted", true));
  else no_response(r);
  json_decref(response);
}

struct rk_v1_stats rk_v1_stats(struct rk_v1 *v) {
  return (struct rk_v1_stats){atomic_load(&v->requests), atomic_load(&v->errors), atomic_load(&v->running), atomic_load(&v->tokens_prefilled),
                              atomic_load(&v->tokens_cached), atomic_load(&v->tokens_decoded)};
}
