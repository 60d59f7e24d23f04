#include "server/events.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/limits.h"

enum {
  BATCH = 100,                    /* durable events read at once */
  MAX_PENDING_BYTES = 262144,     /* a reader with more unread gets nothing new */
  PAUSE_MS = 10, LOOK_MS = 1000, LINE_BYTES = 8 << 20
};

struct reader {
  struct reader *next;
  struct rk_events *ev;
  struct rk_http_stream *stream;
  struct rk_listener *listener;
  char user_id[40], session_id[40];
  int64_t n;                      /* last durable event sent */
  json_t *texts, *thoughts;       /* message_id: bytes sent; of running messages */
  json_t *done;                   /* message_id: complete, nothing more of it is sent */
  json_t *progress;               /* turn_id: n_done sent */
  atomic_bool dirty, ended;
};

struct rk_events {
  struct rk_store *store;
  struct rk_agent *agent;
  pthread_t thread;
  pthread_mutex_t mu;
  pthread_cond_t woken;
  struct reader *readers;
  int32_t n_readers;
  bool wake;
  atomic_bool closing;
};

/* ---- writing ---- */

static rk_err write_event(struct reader *rd, const char *type, int64_t n, json_t *data) {
  char *text = rk_json_dump(data);
  struct rk_buf line;
  rk_buf_init(&line, LINE_BYTES);
  if (n > 0) rk_buf_addf(&line, "id: %lld\n", (long long)n);
  rk_buf_addf(&line, "event: %s\ndata: %s\n\n", type, text);
  rk_err err = line.err ? line.err : rk_http_stream_write(rd->stream, rk_buf_str(&line));
  rk_buf_release(&line);
  free(text);
  json_decref(data);
  return err;
}

/* Returns false when the reader is to be ended. *more: there may be further ones. */
static bool write_durable(struct reader *rd, bool *more) {
  json_t *list = rk_store_events(rd->ev->store, rd->user_id, rd->n, BATCH), *one;
  rk_err err = RK_OK;
  size_t i;
  json_array_foreach(list, i, one) {
    rk_str type = rk_json_str(one, "type");
    rd->n = rk_json_i64(one, "n", rd->n);
    const json_t *message = json_object_get(rk_json_obj(one, "data"), "message_id");
    if (rk_str_eq_c(type, "message") && json_is_string(message)) json_object_set_new(rd->done, json_string_value(message), json_true());
    err = write_event(rd, type.p, rd->n, json_incref(one));
    if (err) break;
  }
  *more = json_array_size(list) == BATCH;
  json_decref(list);
  return !err;
}

static json_t *live(const json_t *m) {
  return json_pack("{s:s,s:s,s:s}", "turn_id", rk_json_cstr(m, "turn_id", ""), "chat_id", rk_json_cstr(m, "chat_id", ""), "message_id",
                   rk_json_cstr(m, "message_id", ""));
}

static json_t *tail(rk_str text, int64_t from) {
  size_t at = from > 0 ? (size_t)from < text.n ? (size_t)from : text.n : 0;
  return json_stringn(text.p + at, text.n - at);
}

static rk_err write_snapshot(struct reader *rd, const json_t *m, rk_str text, rk_str thought) {
  json_t *v = live(m);
  json_object_set_new(v, "offset_bytes", json_integer((json_int_t)text.n));
  json_object_set_new(v, "text", json_stringn(text.p, text.n));
  json_object_set_new(v, "reasoning", json_stringn(thought.p, thought.n));
  return write_event(rd, "snapshot", 0, v);
}

static rk_err write_delta(struct reader *rd, const json_t *m, rk_str text, int64_t at, rk_str thought, int64_t thought_at) {
  json_t *v = live(m);
  json_object_set_new(v, "offset_bytes", json_integer(at));
  json_object_set_new(v, "text", tail(text, at));
  if ((int64_t)thought.n > thought_at) {
    json_object_set_new(v, "reasoning_offset_bytes", json_integer(thought_at));
    json_object_set_new(v, "reasoning", tail(thought, thought_at));
  }
  return write_event(rd, "delta", 0, v);
}

static rk_err write_message(struct reader *rd, const json_t *m) {
  const char *id = rk_json_cstr(m, "message_id", "");
  rk_str text = rk_json_str(m, "text"), thought = rk_json_str(m, "reasoning");
  if (!id[0] || json_object_get(rd->done, id)) return RK_OK;
  int64_t at = rk_json_i64(rd->texts, id, -1), thought_at = rk_json_i64(rd->thoughts, id, 0);
  rk_err err = RK_OK;
  if (at < 0) err = write_snapshot(rd, m, text, thought);
  else if ((int64_t)text.n > at || (int64_t)thought.n > thought_at) err = write_delta(rd, m, text, at, thought, thought_at);
  json_object_set_new(rd->texts, id, json_integer((json_int_t)text.n));
  json_object_set_new(rd->thoughts, id, json_integer((json_int_t)thought.n));
  return err;
}

static rk_err write_progress(struct reader *rd, const json_t *m) {
  const json_t *p = rk_json_obj(m, "progress");
  const char *turn = rk_json_cstr(m, "turn_id", "");
  int64_t n_done = rk_json_i64(p, "n_done", 0);
  if (!p || rk_json_i64(rd->progress, turn, -1) == n_done) return RK_OK;
  json_object_set_new(rd->progress, turn, json_integer(n_done));
  return write_event(rd, "progress", 0, json_pack("{s:s,s:I,s:I}", "turn_id", turn, "n_done", (json_int_t)n_done, "n_total",
                                                  (json_int_t)rk_json_i64(p, "n_total", 0)));
}

static bool write_running(struct reader *rd, const json_t *running) {
  size_t i;
  json_t *m;
  rk_err err = RK_OK;
  json_array_foreach(running, i, m) {
    err = write_progress(rd, m);
    if (!err && rk_json_str(m, "message_id").n) err = write_message(rd, m);
    if (err) return false;
  }
  if (i == 0) { /* nothing runs: what was remembered is over */
    json_object_clear(rd->texts);
    json_object_clear(rd->thoughts);
    json_object_clear(rd->progress);
    json_object_clear(rd->done);
  }
  return true;
}

/* What runs is read before the durable events, so that a message that ends in
 * between is known as complete before a piece of it would be written. */
static bool serve(struct reader *rd) {
  if (atomic_load(&rd->ended) || !rk_http_stream_alive(rd->stream)) return false;
  if (rk_http_stream_pending(rd->stream) > MAX_PENDING_BYTES) return true;
  if (!atomic_exchange(&rd->dirty, false)) return true;
  json_t *running = rk_agent_running(rd->ev->agent, rd->user_id, NULL);
  bool more = false, ok = write_durable(rd, &more);
  if (ok && more) atomic_store(&rd->dirty, true);
  else if (ok) ok = write_running(rd, running);
  json_decref(running);
  return ok;
}

/* ---- readers ---- */

static void on_wake(void *ud) {
  struct reader *rd = ud;
  atomic_store(&rd->dirty, true);
  pthread_mutex_lock(&rd->ev->mu);
  rd->ev->wake = true;
  pthread_cond_signal(&rd->ev->woken);
  pthread_mutex_unlock(&rd->ev->mu);
}

static void end_reader(struct reader *rd) {
  rk_agent_unlisten(rd->ev->agent, rd->listener);
  rk_http_stream_end(rd->stream);
  json_decref(rd->texts);
  json_decref(rd->thoughts);
  json_decref(rd->done);
  json_decref(rd->progress);
  free(rd);
}

void rk_events_open(struct rk_events *ev, struct rk_http_req *r, const char *user_id, const char *session_id, int64_t after) {
  struct rk_http_stream *stream = rk_http_stream_start(r);
  if (!stream) return;
  struct reader *rd = calloc(1, sizeof *rd);
  RK_ASSERT(rd != NULL);
  rd->ev = ev;
  rd->stream = stream;
  rd->n = after;
  snprintf(rd->user_id, sizeof rd->user_id, "%s", user_id);
  snprintf(rd->session_id, sizeof rd->session_id, "%s", session_id);
  rd->texts = json_object();
  rd->thoughts = json_object();
  rd->done = json_object();
  rd->progress = json_object();
  rd->listener = rk_agent_listen(ev->agent, user_id, on_wake, rd);
  pthread_mutex_lock(&ev->mu);
  bool closing = atomic_load(&ev->closing);
  if (!closing) {
    rd->next = ev->readers;
    ev->readers = rd;
    ev->n_readers++;
  }
  pthread_mutex_unlock(&ev->mu);
  if (closing) end_reader(rd);
  else on_wake(rd);
}

void rk_events_end_session(struct rk_events *ev, const char *session_id) {
  pthread_mutex_lock(&ev->mu);
  for (struct reader *rd = ev->readers; rd; rd = rd->next)
    if (strcmp(rd->session_id, session_id) == 0) atomic_store(&rd->ended, true);
  ev->wake = true;
  pthread_cond_signal(&ev->woken);
  pthread_mutex_unlock(&ev->mu);
}

int32_t rk_events_count(struct rk_events *ev) {
  pthread_mutex_lock(&ev->mu);
  int32_t n = ev->n_readers;
  pthread_mutex_unlock(&ev->mu);
  return n;
}

/* ---- the thread ---- */

/* Takes the readers off the list for the time of a pass: only this thread ends them. */
static struct reader *take_all(struct rk_events *ev) {
  pthread_mutex_lock(&ev->mu);
  struct reader *all = ev->readers;
  pthread_mutex_unlock(&ev->mu);
  return all;
}

static void remove_reader(struct rk_events *ev, struct reader *rd) {
  pthread_mutex_lock(&ev->mu);
  struct reader **at = &ev->readers;
  while (*at != rd) at = &(*at)->next;
  *at = rd->next;
  ev->n_readers--;
  pthread_mutex_unlock(&ev->mu);
  end_reader(rd);
}

static void wait_for_news(struct rk_events *ev) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += LOOK_MS / 1000;
  pthread_mutex_lock(&ev->mu);
  int timed_out = 0;
  while (!ev->wake && !atomic_load(&ev->closing) && !timed_out) timed_out = pthread_cond_timedwait(&ev->woken, &ev->mu, &until);
  if (timed_out)
    for (struct reader *rd = ev->readers; rd; rd = rd->next) atomic_store(&rd->dirty, true);
  ev->wake = false;
  pthread_mutex_unlock(&ev->mu);
}

static void *run(void *ud) {
  struct rk_events *ev = ud;
  for (;;) {
    wait_for_news(ev);
    for (struct reader *rd = take_all(ev), *next; rd; rd = next) {
      next = rd->next; /* newer readers go to the front, only this thread removes */
      if (atomic_load(&ev->closing) || !serve(rd)) remove_reader(ev, rd);
      else if (atomic_load(&rd->dirty)) on_wake(rd);
    }
    pthread_mutex_lock(&ev->mu);
    bool closing = atomic_load(&ev->closing) && !ev->readers;
    pthread_mutex_unlock(&ev->mu);
    if (closing) return NULL;
    rk_sleep_ms(PAUSE_MS); /* tokens that come close together go out together */
  }
}

rk_err rk_events_new(struct rk_store *store, struct rk_agent *agent, struct rk_events **out, struct rk_error *e) {
  struct rk_events *ev = calloc(1, sizeof *ev);
  if (!ev) return rk_fail(e, RK_ENOMEM, "out of memory");
  ev->store = store;
  ev->agent = agent;
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_mutex_init(&ev->mu, NULL);
  pthread_cond_init(&ev->woken, &monotonic);
  pthread_condattr_destroy(&monotonic);
  if (pthread_create(&ev->thread, NULL, run, ev) != 0) {
    free(ev);
    return rk_fail(e, RK_ENOMEM, "a thread could not be started");
  }
  *out = ev;
  return RK_OK;
}

void rk_events_free(struct rk_events *ev) {
  if (!ev) return;
  pthread_mutex_lock(&ev->mu);
  atomic_store(&ev->closing, true);
  pthread_cond_signal(&ev->woken);
  pthread_mutex_unlock(&ev->mu);
  pthread_join(ev->thread, NULL);
  pthread_cond_destroy(&ev->woken);
  pthread_mutex_destroy(&ev->mu);
  free(ev);
}
