#include "cli/session.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "http/http.h"
#include "net/sse.h"
#include "trade/ucp.h"

enum { FOLLOW_TIMEOUT_MS = 86400000, EVENT_BATCH = 200, MAX_EVENT_BYTES = RK_MAX_JSON_BYTES, POLL_MS = 1000, OUTCOME_POLL_MS = 300,
       OUTCOME_WAIT_MS = 60000 };

struct rk_session {
  /* through a server */
  struct rk_net *net;
  char origin[300];              /* "" : we run everything ourselves */
  char bearer[200];
  /* by ourselves */
  struct rk_app app;
  struct rk_http *http;
  /* wake-ups, and the bytes of a running event stream */
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool woken, stream_ended;
  struct rk_buf bytes;
  atomic_int stop_stream;
};

static bool is_client(const struct rk_session *s) { return s->origin[0] != 0; }
static const char *user_of(const struct rk_session *s) { return rk_store_local_user(s->app.store); }

/* ---- requests to a server ---- */

static json_t *call(struct rk_session *s, const char *method, const char *path, const json_t *body, struct rk_error *e) {
  char url[600], auth[240], key[37];
  snprintf(url, sizeof url, "%s%s", s->origin, path);
  snprintf(auth, sizeof auth, "Bearer %s", s->bearer);
  rk_uuid7(key);
  struct rk_header headers[] = {{"Content-Type", "application/json"}, {"Idempotency-Key", key}, {"Authorization", auth}};
  char *text = body ? rk_json_dump(body) : NULL;
  struct rk_net_request q = {.method = method, .url = url, .headers = headers, .n_headers = s->bearer[0] ? 3 : 2, .body = rk_str_c(text)};
  struct rk_net_response r;
  rk_net_fetch(s->net, &q, &r);
  free(text);
  json_t *answer = NULL;
  if (r.err) rk_fail(e, r.err, "%s", r.error.msg);
  else if ((answer = rk_json_parse(rk_buf_str(&r.body), RK_MAX_FETCH_BYTES, e)) && r.status >= 400) {
    rk_err code = r.status == 401 ? RK_EAUTH : r.status == 402 ? RK_EPAYMENT : r.status == 404 ? RK_ENOTFOUND : r.status == 409 ? RK_ECONFLICT
                  : r.status == 410 ? RK_EGONE : r.status == 413 ? RK_ETOOBIG : r.status == 429 ? RK_EBUSY : r.status < 500 ? RK_EINVAL : RK_EUPSTREAM;
    rk_fail(e, code, "%s", rk_json_cstr(rk_json_obj(answer, "error"), "message", "the server refused"));
    json_decref(answer);
    answer = NULL;
  }
  rk_net_response_release(&r);
  return answer;
}

/* DATA/terminal.token proves that we may read the user's files; the session may approve. */
static rk_err sign_in(struct rk_session *s, const char *data_dir, struct rk_error *e) {
  char path[4200];
  snprintf(path, sizeof path, "%s/terminal.token", data_dir);
  struct rk_buf token;
  rk_buf_init(&token, 512);
  rk_err err = rk_buf_read_file(&token, path, e);
  rk_str text = rk_str_trim(rk_buf_str(&token));
  json_t *body = err ? NULL : json_pack("{s:s%}", "token", text.p, text.n);
  json_t *answer = body ? call(s, "POST", "/api/session/terminal", body, e) : NULL;
  if (answer) snprintf(s->bearer, sizeof s->bearer, "%s", rk_json_cstr(answer, "token", ""));
  else if (!err) err = e->code;
  json_decref(body);
  json_decref(answer);
  rk_buf_release(&token);
  return err;
}

static rk_err open_client(struct rk_session *s, const char *data_dir, struct rk_error *e) {
  rk_err err = rk_net_new(&s->net, e);
  if (!err && rk_net_allow(s->net, s->origin)) err = rk_fail(e, RK_EINVAL, "the server's address %s is not usable", s->origin);
  return err ? err : sign_in(s, data_dir, e);
}

/* ---- everything in this process ---- */

enum needs { NEEDS_STORE, NEEDS_MERCHANTS, NEEDS_AGENT };

static rk_err open_agent(struct rk_cli *c, struct rk_session *s, bool no_pull, struct rk_error *e) {
  rk_err err = rk_app_serve_profile(&s->app, &s->http, e);
  if (!err) err = rk_app_open_agent(c, no_pull, &s->app, e);
  return err ? err : rk_agent_resume(s->app.agent, e);
}

static rk_err open_own(struct rk_cli *c, struct rk_session *s, enum needs needs, bool no_pull, struct rk_error *e) {
  struct rk_app *a = &s->app;
  rk_err err = rk_app_open_data(c, a, e);
  if (!err && needs == NEEDS_AGENT) return open_agent(c, s, no_pull, e);
  if (!err && needs == NEEDS_MERCHANTS) err = rk_app_serve_profile(a, &s->http, e);
  if (!err && needs == NEEDS_MERCHANTS) err = rk_app_open_merchants(c, a, e);
  return err ? err : rk_trade_new(&(struct rk_trade_opts){a->store, a->merchants, a->key}, &a->trade, e);
}

static struct rk_session *new_session(void) {
  struct rk_session *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  pthread_mutex_init(&s->lock, NULL);
  pthread_cond_init(&s->changed, NULL);
  rk_buf_init(&s->bytes, RK_MAX_FETCH_BYTES);
  return s;
}

rk_err rk_session_open_with(struct rk_cli *c, struct rk_chat_model *model, const struct rk_sampling *sampling, struct rk_session **out, struct rk_error *e) {
  struct rk_session *s = new_session();
  if (!s) return rk_fail(e, RK_ENOMEM, "out of memory");
  rk_err err = rk_app_open_data(c, &s->app, e);
  s->app.model = model;
  s->app.model_lent = true;
  s->app.sampling = sampling;
  if (!err) err = open_agent(c, s, true, e);
  if (err) rk_session_close(s);
  else *out = s;
  return err;
}

struct rk_app *rk_session_app(struct rk_session *s) { return is_client(s) ? NULL : &s->app; }

static rk_err open_session(struct rk_cli *c, enum needs needs, bool no_pull, struct rk_session **out, struct rk_error *e) {
  struct rk_session *s = new_session();
  if (!s) return rk_fail(e, RK_ENOMEM, "out of memory");
  rk_err err = rk_app_running(&c->cfg, s->origin, sizeof s->origin) ? open_client(s, c->cfg.data_dir, e) : RK_OK;
  if (!is_client(s)) err = open_own(c, s, needs, no_pull, e);
  if (err) rk_session_close(s);
  else *out = s;
  return err;
}

rk_err rk_session_open(struct rk_cli *c, bool agent, bool no_pull, struct rk_session **out, struct rk_error *e) {
  return open_session(c, agent ? NEEDS_AGENT : NEEDS_STORE, no_pull, out, e);
}

rk_err rk_session_open_trade(struct rk_cli *c, struct rk_session **out, struct rk_error *e) { return open_session(c, NEEDS_MERCHANTS, true, out, e); }

void rk_session_close(struct rk_session *s) {
  if (!s) return;
  if (is_client(s)) rk_net_free(s->net);
  else {
    if (s->app.store) rk_app_close(&s->app);
    if (s->http) rk_http_stop(s->http);
  }
  rk_buf_release(&s->bytes);
  pthread_cond_destroy(&s->changed);
  pthread_mutex_destroy(&s->lock);
  free(s);
}

/* ---- turns ---- */

rk_err rk_session_submit(struct rk_session *s, const char *text, char chat_id[37], char turn_id[37], struct rk_error *e) {
  if (!is_client(s)) {
    char given[37];
    memcpy(given, chat_id, sizeof given);
    struct rk_turn_new in = {.user_id = user_of(s), .chat_id = given[0] ? given : NULL, .text = rk_str_c(text)};
    return rk_agent_submit(s->app.agent, &in, chat_id, turn_id, e);
  }
  json_t *body = json_pack("{s:s}", "text", text);
  if (!body) return rk_fail(e, RK_EFORMAT, "the message is not valid UTF-8");
  if (chat_id[0]) json_object_set_new(body, "chat_id", json_string(chat_id));
  json_t *answer = call(s, "POST", "/api/turns", body, e);
  json_decref(body);
  if (!answer) return e->code;
  rk_utf8_copy(chat_id, 37, rk_json_str(answer, "chat_id"));
  rk_utf8_copy(turn_id, 37, rk_json_str(answer, "turn_id"));
  json_decref(answer);
  return RK_OK;
}

/* Takes body. */
static rk_err write_to(struct rk_session *s, const char *method, const char *place, const char *id, json_t *body, struct rk_error *e) {
  char path[120];
  snprintf(path, sizeof path, "%s%.80s", place, id);
  json_t *answer = call(s, method, path, body, e);
  json_decref(body);
  json_decref(answer);
  return answer ? RK_OK : e->code;
}

rk_err rk_session_decide(struct rk_session *s, const char *approval_id, const char *decision, const char *terms_hash, struct rk_error *e) {
  if (!is_client(s) && !s->app.agent) return rk_trade_decide(s->app.trade, user_of(s), "terminal", approval_id, decision, terms_hash, e);
  if (!is_client(s)) return rk_agent_decide(s->app.agent, user_of(s), "terminal", approval_id, decision, terms_hash, e);
  return write_to(s, "POST", "/api/approvals/", approval_id, json_pack("{s:s, s:s}", "decision", decision, "terms_hash", terms_hash), e);
}

rk_err rk_session_decide_plan(struct rk_session *s, const char *plan_id, const char *decision, const char *sheet_hash, struct rk_error *e) {
  if (!is_client(s)) return rk_agent_decide_plan(s->app.agent, user_of(s), "terminal", plan_id, decision, sheet_hash, e);
  return write_to(s, "POST", "/api/plans/", plan_id, json_pack("{s:s, s:s}", "decision", decision, "sheet_hash", sheet_hash), e);
}

rk_err rk_session_edit_plan(struct rk_session *s, const char *plan_id, const char *on_failure, struct rk_error *e) {
  if (!is_client(s)) return rk_agent_edit_plan(s->app.agent, user_of(s), "terminal", plan_id, on_failure, e);
  return write_to(s, "PATCH", "/api/plans/", plan_id, json_pack("{s:{s:s}}", "changes", "on_failure", on_failure), e);
}

json_t *rk_session_plan(struct rk_session *s, const char *plan_id, struct rk_error *e) {
  char path[120];
  snprintf(path, sizeof path, "/api/plans/%.80s", plan_id);
  json_t *answer = is_client(s) ? call(s, "GET", path, NULL, e) : NULL;
  json_t *plan = is_client(s) ? json_incref(rk_json_obj(answer, "plan")) : rk_trade_plan(s->app.trade, user_of(s), plan_id);
  if (!plan && !is_client(s)) rk_fail(e, RK_ENOTFOUND, "there is no such plan");
  json_decref(answer);
  return plan;
}

rk_err rk_session_edit(struct rk_session *s, const char *approval_id, const json_t *changes, json_t **approval, struct rk_error *e) {
  if (!is_client(s)) return rk_agent_edit(s->app.agent, user_of(s), "terminal", approval_id, changes, approval, e);
  char path[120];
  snprintf(path, sizeof path, "/api/approvals/%s", approval_id);
  json_t *body = json_pack("{s:O}", "changes", changes), *answer = call(s, "PATCH", path, body, e);
  json_decref(body);
  *approval = json_incref(rk_json_obj(answer, "approval"));
  json_decref(answer);
  return answer ? RK_OK : e->code;
}

rk_err rk_session_cancel_turn(struct rk_session *s, const char *turn_id, struct rk_error *e) {
  if (!is_client(s)) return rk_agent_cancel(s->app.agent, user_of(s), turn_id, e);
  char path[120];
  snprintf(path, sizeof path, "/api/turns/%s/cancel", turn_id);
  json_t *answer = call(s, "POST", path, NULL, e);
  json_decref(answer);
  return answer ? RK_OK : e->code;
}

/* ---- following ---- */

struct follow {
  const char *turn_id;
  bool (*fn)(void *, const char *, const json_t *);
  void *ud;
  int64_t after;
  bool ended;
  json_t *offsets;               /* message_id -> bytes seen */
};

static bool give(struct follow *f, const char *type, const json_t *event) {
  if (!f->ended && strcmp(rk_json_cstr(event, "turn_id", ""), f->turn_id) == 0 && !f->fn(f->ud, type, event)) f->ended = true;
  return !f->ended;
}

static void give_durable(struct follow *f, json_t *events) {
  size_t i;
  json_t *ev;
  json_array_foreach(events, i, ev) {
    int64_t n = rk_json_i64(ev, "n", 0);
    if (n <= f->after) continue;
    f->after = n;
    if (!give(f, rk_json_cstr(ev, "type", ""), ev)) break;
  }
}

/* A piece of text that begins at offset: what was seen of it is dropped. */
static void give_text(struct follow *f, const json_t *piece) {
  const char *id = rk_json_cstr(piece, "message_id", "");
  int64_t at = rk_json_i64(piece, "offset_bytes", 0), seen = rk_json_i64(f->offsets, id, 0);
  rk_str text = rk_json_str(piece, "text");
  int64_t end = at + (int64_t)text.n;
  if (end <= seen || seen < at) return;
  json_object_set_new(f->offsets, id, json_integer(end));
  json_t *delta = json_pack("{s:s, s:s, s:{s:s%}}", "type", "delta", "turn_id", rk_json_cstr(piece, "turn_id", ""), "data", "text", text.p + (seen - at), (size_t)(end - seen));
  if (delta) give(f, "delta", delta);
  json_decref(delta);
}

static void give_progress(struct follow *f, const char *turn_id, const json_t *p) {
  if (!p || rk_json_i64(p, "n_total", 0) == 0) return;
  json_t *ev = json_pack("{s:s, s:s, s:{s:I, s:I}}", "type", "progress", "turn_id", turn_id, "data", "n_done", (json_int_t)rk_json_i64(p, "n_done", 0), "n_total",
                         (json_int_t)rk_json_i64(p, "n_total", 0));
  give(f, "progress", ev);
  json_decref(ev);
}

static void wake(void *ud) {
  struct rk_session *s = ud;
  pthread_mutex_lock(&s->lock);
  s->woken = true;
  pthread_cond_signal(&s->changed);
  pthread_mutex_unlock(&s->lock);
}

static void wait_for_change(struct rk_session *s) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += POLL_MS / 1000;
  pthread_mutex_lock(&s->lock);
  while (!s->woken && !s->stream_ended && pthread_cond_timedwait(&s->changed, &s->lock, &until) == 0) {}
  s->woken = false;
  pthread_mutex_unlock(&s->lock);
}

static rk_err follow_own(struct rk_session *s, struct follow *f, struct rk_error *e) {
  struct rk_listener *l = rk_agent_listen(s->app.agent, user_of(s), wake, s);
  if (!l) return rk_fail(e, RK_ENOMEM, "out of memory");
  while (!f->ended) {
    json_t *running = rk_agent_running(s->app.agent, user_of(s), f->offsets), *events = rk_store_events(s->app.store, user_of(s), f->after, EVENT_BATCH), *one;
    size_t i;
    json_array_foreach(running, i, one) {
      give_progress(f, rk_json_cstr(one, "turn_id", ""), rk_json_obj(one, "progress"));
      give_text(f, one);
    }
    give_durable(f, events);
    bool more = json_array_size(events) == EVENT_BATCH;
    json_decref(running);
    json_decref(events);
    if (!f->ended && !more) wait_for_change(s);
  }
  rk_agent_unlisten(s->app.agent, l);
  return RK_OK;
}

/* On the net thread: only hands the bytes over. */
static bool take_bytes(void *ud, rk_str piece) {
  struct rk_session *s = ud;
  pthread_mutex_lock(&s->lock);
  rk_err err = rk_buf_addstr(&s->bytes, piece);
  s->woken = true;
  pthread_cond_signal(&s->changed);
  pthread_mutex_unlock(&s->lock);
  return err == RK_OK;
}

struct stream { struct rk_session *s; char url[400]; struct rk_error e; };

static void *read_stream(void *arg) {
  struct stream *st = arg;
  struct rk_session *s = st->s;
  char auth[240];
  snprintf(auth, sizeof auth, "Bearer %s", s->bearer);
  struct rk_header header = {"Authorization", auth};
  struct rk_net_request q = {.method = "GET", .url = st->url, .headers = &header, .n_headers = 1, .timeout_ms = FOLLOW_TIMEOUT_MS,
                             .cancel = &s->stop_stream, .on_data = take_bytes, .ud = s};
  struct rk_net_response r;
  rk_net_fetch(s->net, &q, &r);
  if (r.err) st->e = r.error;
  else rk_fail(&st->e, RK_EUNAVAIL, "the server closed the event stream (HTTP %d)", r.status);
  rk_net_response_release(&r);
  pthread_mutex_lock(&s->lock);
  s->stream_ended = true;
  pthread_cond_signal(&s->changed);
  pthread_mutex_unlock(&s->lock);
  return NULL;
}

static bool on_sse(void *ud, const struct rk_sse_event *ev) {
  struct follow *f = ud;
  json_t *v = rk_json_parse(ev->data, MAX_EVENT_BYTES, NULL);
  if (!v) return !f->ended;
  if (rk_str_eq_c(ev->event, "delta") || rk_str_eq_c(ev->event, "snapshot")) {
    if (rk_str_eq_c(ev->event, "snapshot")) json_object_set_new(v, "offset_bytes", json_integer(0));
    give_text(f, v);
  } else if (rk_str_eq_c(ev->event, "progress")) {
    give_progress(f, rk_json_cstr(v, "turn_id", ""), v);
  } else if (rk_json_i64(v, "n", 0) > 0) {
    json_t *list = json_pack("[O]", v);
    give_durable(f, list);
    json_decref(list);
  }
  json_decref(v);
  return !f->ended;
}

static rk_err read_events(struct rk_session *s, struct follow *f, struct stream *st, struct rk_error *e) {
  struct rk_sse sse;
  rk_sse_init(&sse, MAX_EVENT_BYTES);
  rk_err err = RK_OK;
  while (!f->ended && !err) {
    wait_for_change(s);
    struct rk_buf got;
    pthread_mutex_lock(&s->lock);
    got = s->bytes;
    rk_buf_init(&s->bytes, RK_MAX_FETCH_BYTES);
    bool over = s->stream_ended && got.n == 0;
    pthread_mutex_unlock(&s->lock);
    if (got.n) err = rk_sse_feed(&sse, rk_buf_str(&got), on_sse, f);
    if (err) rk_fail(e, err, "an event of the server is too large");
    rk_buf_release(&got);
    if (over && !f->ended && !err) {
      *e = st->e;
      err = st->e.code;
    }
  }
  rk_sse_release(&sse);
  return err;
}

static rk_err follow_server(struct rk_session *s, const char *chat_id, struct follow *f, struct rk_error *e) {
  char path[120];
  snprintf(path, sizeof path, "/api/chats/%s", chat_id);
  json_t *chat = call(s, "GET", path, NULL, e);
  if (!chat) return e->code;
  give_durable(f, rk_json_arr(chat, "events"));
  int64_t last = rk_json_i64(chat, "last_event", f->after);
  if (last > f->after) f->after = last;
  json_decref(chat);
  if (f->ended) return RK_OK;
  struct stream st = {.s = s};
  snprintf(st.url, sizeof st.url, "%s/api/events?after=%lld", s->origin, (long long)f->after);
  atomic_store(&s->stop_stream, 0);
  s->stream_ended = false;
  pthread_t reader;
  if (pthread_create(&reader, NULL, read_stream, &st) != 0) return rk_fail(e, RK_EBUSY, "no thread for the event stream");
  rk_err err = read_events(s, f, &st, e);
  atomic_store(&s->stop_stream, 1);
  pthread_join(reader, NULL);
  return err;
}

rk_err rk_session_follow(struct rk_session *s, const char *chat_id, const char *turn_id, bool (*fn)(void *, const char *, const json_t *), void *ud,
                         struct rk_error *e) {
  struct follow f = {.turn_id = turn_id, .fn = fn, .ud = ud, .offsets = json_object()};
  rk_err err = is_client(s) ? follow_server(s, chat_id, &f, e) : follow_own(s, &f, e);
  json_decref(f.offsets);
  return err;
}

/* ---- what is stored ---- */

static json_t *get_list(struct rk_session *s, const char *path, const char *key, struct rk_error *e) {
  json_t *answer = call(s, "GET", path, NULL, e), *list = json_incref(json_object_get(answer, key));
  json_decref(answer);
  return list;
}

json_t *rk_session_orders(struct rk_session *s, struct rk_error *e) {
  return is_client(s) ? get_list(s, "/api/orders", "orders", e) : rk_trade_orders(s->app.trade, user_of(s));
}
json_t *rk_session_ledger(struct rk_session *s, struct rk_error *e) {
  return is_client(s) ? get_list(s, "/api/ledger", "entries", e) : rk_trade_ledger(s->app.trade, user_of(s));
}
/* An id that would be more than one segment of a path is none. */
static rk_err id_path(char out[200], const char *before, const char *id, const char *after, struct rk_error *e) {
  size_t n = strspn(id, "0123456789abcdefABCDEF-");
  if (n == 0 || id[n] || n > 64) return rk_fail(e, RK_ENOTFOUND, "%.80s is no id", id);
  snprintf(out, 200, "%s%s%s", before, id, after);
  return RK_OK;
}

json_t *rk_session_receipt(struct rk_session *s, const char *order_id, struct rk_error *e) {
  char path[200];
  if (!is_client(s)) return rk_trade_receipt(s->app.trade, user_of(s), order_id, e);
  return id_path(path, "/api/orders/", order_id, "/receipt", e) ? NULL : get_list(s, path, "receipt", e);
}
json_t *rk_session_spending(struct rk_session *s, const char *by, struct rk_error *e) {
  char path[200];
  if (!is_client(s)) return rk_trade_spending(s->app.trade, user_of(s), by, e);
  snprintf(path, sizeof path, "/api/spending?by=%.20s", by);
  return get_list(s, path, "spending", e);
}

/* ---- after the sale, and permissions ---- */

/* Takes body. */
static json_t *ask_back(struct rk_session *s, const char *order_id, json_t *body, struct rk_error *e) {
  char path[200];
  json_t *answer = id_path(path, "/api/orders/", order_id, "/back", e) ? NULL : call(s, "POST", path, body, e), *approval = json_incref(rk_json_obj(answer, "approval"));
  json_decref(answer);
  json_decref(body);
  return approval;
}

json_t *rk_session_give_back(struct rk_session *s, const char *order_id, const char *kind, const char *lang, struct rk_error *e) {
  json_t *approval = NULL;
  if (!is_client(s)) return rk_trade_give_back(s->app.trade, user_of(s), order_id, kind, lang, &approval, e) ? NULL : approval;
  return ask_back(s, order_id, json_pack("{s:s, s:s}", "kind", kind, "lang", lang), e);
}

json_t *rk_session_change(struct rk_session *s, const char *order_id, const json_t *items, const char *lang, struct rk_error *e) {
  json_t *asked = json_pack("{s:s, s:O, s:s}", "kind", "change", "items", items, "lang", lang), *approval = NULL;
  if (is_client(s)) return ask_back(s, order_id, asked, e);
  rk_err err = rk_trade_change_asked(s->app.trade, user_of(s), order_id, asked, &approval, e);
  json_decref(asked);
  return err ? NULL : approval;
}

static bool is_under_way(const json_t *approval) {
  const char *state = rk_json_cstr(approval, "state", "");
  return strcmp(state, "approved") == 0 || strcmp(state, "completing") == 0;
}

/* A server brings it to its end by itself; we do it here. */
json_t *rk_session_outcome(struct rk_session *s, const char *approval_id, struct rk_error *e) {
  char path[200];
  json_t *order = NULL, *approval = NULL;
  struct rk_error why;
  if (!is_client(s)) {
    if (!rk_trade_complete(s->app.trade, approval_id, &order, &why)) json_decref(order); /* the approval says how it ended */
    approval = rk_trade_approval(s->app.trade, user_of(s), approval_id);
    if (!approval) rk_fail(e, RK_ENOTFOUND, "there is no such approval");
    return approval;
  }
  if (id_path(path, "/api/approvals/", approval_id, "", e)) return NULL;
  for (int64_t waited_ms = 0;; waited_ms += OUTCOME_POLL_MS) {
    approval = get_list(s, path, "approval", e);
    if (!is_under_way(approval) || waited_ms >= OUTCOME_WAIT_MS) return approval;
    json_decref(approval);
    rk_sleep_ms(OUTCOME_POLL_MS);
  }
}

static json_t *hand_over(struct rk_session *s, const char *id, struct rk_error *e) {
  char path[200];
  if (!is_client(s)) return rk_trade_hand_over_status(s->app.trade, user_of(s), id, e);
  return id_path(path, "/api/hand-overs/", id, "", e) ? NULL : get_list(s, path, "hand_over", e);
}

json_t *rk_session_hand_overs(struct rk_session *s, struct rk_error *e) {
  json_t *known = is_client(s) ? get_list(s, "/api/hand-overs", "hand_overs", e) : rk_trade_hand_overs(s->app.trade, user_of(s)), *one;
  size_t i;
  json_array_foreach(known, i, one) {
    struct rk_error ignored;
    json_t *fresh = rk_str_eq_c(rk_json_str(one, "state"), "open") ? hand_over(s, rk_json_cstr(one, "id", ""), &ignored) : NULL;
    if (fresh) json_array_set_new(known, i, fresh);
  }
  return known;
}

json_t *rk_session_permissions(struct rk_session *s, struct rk_error *e) {
  return is_client(s) ? get_list(s, "/api/permissions", "permissions", e) : rk_trade_permissions(s->app.trade, user_of(s));
}

json_t *rk_session_permit(struct rk_session *s, const json_t *permission, struct rk_error *e) {
  json_t *made = NULL;
  if (!is_client(s)) return rk_trade_permit(s->app.trade, user_of(s), "terminal", permission, &made, e) ? NULL : made;
  json_t *answer = call(s, "POST", "/api/permissions", permission, e);
  made = json_incref(rk_json_obj(answer, "permission"));
  json_decref(answer);
  return made;
}

rk_err rk_session_revoke(struct rk_session *s, const char *permission_id, struct rk_error *e) {
  char path[200];
  if (!is_client(s)) return rk_trade_revoke(s->app.trade, user_of(s), "terminal", permission_id, e);
  rk_err err = id_path(path, "/api/permissions/", permission_id, "", e);
  json_t *answer = err ? NULL : call(s, "DELETE", path, NULL, e);
  json_decref(answer);
  return answer ? RK_OK : e->code;
}

json_t *rk_session_shops(struct rk_session *s, struct rk_error *e) { return get_list(s, "/api/shops", "shops", e); }
json_t *rk_session_audit(struct rk_session *s, struct rk_error *e) {
  if (is_client(s)) return get_list(s, "/api/ledger/audit", "audit", e);
  json_t *audit = NULL;
  return rk_trade_audit(s->app.trade, &audit, e) ? NULL : audit;
}
json_t *rk_session_profile(struct rk_session *s, struct rk_error *e) {
  return is_client(s) ? get_list(s, "/api/profile", "profile", e) : rk_store_profile(s->app.store, user_of(s));
}
json_t *rk_session_link(struct rk_session *s, struct rk_error *e) {
  return is_client(s) ? call(s, "POST", "/api/session/link", NULL, e) : NULL;
}
json_t *rk_session_ucp_profile(struct rk_session *s, const char *version, struct rk_error *e) {
  char path[64];
  struct rk_ucp_platform p = rk_app_platform(&s->app);
  rk_ucp_profile_url("/.well-known/ucp", version, path, sizeof path);
  return is_client(s) ? call(s, "GET", path, NULL, e) : rk_ucp_platform_profile(&p, version);
}
rk_err rk_session_set_profile(struct rk_session *s, const json_t *profile, struct rk_error *e) {
  if (!is_client(s)) return rk_store_profile_set(s->app.store, user_of(s), profile, e);
  json_t *answer = call(s, "PUT", "/api/profile", profile, e);
  json_decref(answer);
  return answer ? RK_OK : e->code;
}
