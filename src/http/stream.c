/* An event stream is a response whose body libmicrohttpd asks for. With
 * nothing to send its connection is suspended, and a suspended connection
 * never reports that the reader has left: so the keeper looks at the socket
 * and sends heartbeats.
 *
 * Two sides own a stream, the writer and libmicrohttpd; the last one to let go
 * frees it. A stream is on the server's list as long as its writer holds it. */
#include "http/private.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"

struct rk_http_stream {
  struct rk_http_stream *next, *prev;
  struct rk_http *h;
  struct MHD_Connection *c;
  int fd;
  pthread_mutex_t mu;
  struct rk_buf buf;
  size_t off;                  /* already read from buf */
  int64_t last_ms;
  bool suspended, ended, cut, gone;
};

static void release(struct rk_http_stream *s) {
  rk_buf_release(&s->buf);
  pthread_mutex_destroy(&s->mu);
  free(s);
}

/* Called with s->mu held. */
static void wake(struct rk_http_stream *s) {
  if (!s->suspended) return;
  s->suspended = false;
  MHD_resume_connection(s->c);
}

static ssize_t read_some(void *ud, uint64_t pos, char *out, size_t max) {
  struct rk_http_stream *s = ud;
  (void)pos;
  pthread_mutex_lock(&s->mu);
  ssize_t n = 0;
  size_t have = s->buf.n - s->off;
  if (s->cut) {
    n = MHD_CONTENT_READER_END_WITH_ERROR;
  } else if (have) {
    n = (ssize_t)(have < max ? have : max);
    memcpy(out, s->buf.p + s->off, (size_t)n);
    s->off += (size_t)n;
    if (s->off == s->buf.n) {
      rk_buf_clear(&s->buf);
      s->off = 0;
    }
  } else if (s->ended) {
    n = MHD_CONTENT_READER_END_OF_STREAM;
  } else {
    s->suspended = true;
    MHD_suspend_connection(s->c);
  }
  pthread_mutex_unlock(&s->mu);
  return n;
}

static void on_gone(void *ud) {
  struct rk_http_stream *s = ud;
  pthread_mutex_lock(&s->mu);
  s->gone = true;
  bool last = s->ended;
  pthread_mutex_unlock(&s->mu);
  if (last) release(s);
}

static bool link_stream(struct rk_http *h, struct rk_http_stream *s) {
  pthread_mutex_lock(&h->mu);
  bool ok = h->n_streams < RK_MAX_SSE_STREAMS;
  if (ok) {
    s->next = h->streams;
    if (s->next) s->next->prev = s;
    h->streams = s;
    h->n_streams++;
  }
  pthread_mutex_unlock(&h->mu);
  return ok;
}

struct rk_http_stream *rk_http_stream_start(struct rk_http_req *r) {
  struct rk_http_stream *s = calloc(1, sizeof *s);
  RK_ASSERT(s != NULL);
  s->h = r->h;
  s->c = r->c;
  s->fd = r->conn->fd;
  s->last_ms = rk_mono_ms();
  pthread_mutex_init(&s->mu, NULL);
  rk_buf_init(&s->buf, RK_MAX_SSE_BUFFER_BYTES);
  if (!link_stream(r->h, s)) {
    release(s);
    rk_http_reply_error(r, &(struct rk_error){RK_EUNAVAIL, "too many event streams are open, close a tab or try again"});
    return NULL;
  }
  rk_http_set_header(r, "X-Accel-Buffering", "no");
  rk_http_answer(r, 200, "text/event-stream", MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, read_some, s, on_gone));
  return s;
}

/* Called with s->mu held. What was read makes room first. */
static rk_err append(struct rk_http_stream *s, rk_str bytes) {
  if (s->off) {
    memmove(s->buf.p, s->buf.p + s->off, s->buf.n - s->off);
    s->buf.n -= s->off;
    s->off = 0;
  }
  s->last_ms = rk_mono_ms();
  return rk_buf_addstr(&s->buf, bytes);
}

rk_err rk_http_stream_write(struct rk_http_stream *s, rk_str bytes) {
  pthread_mutex_lock(&s->mu);
  rk_err err = s->gone || s->cut ? RK_EGONE : RK_OK;
  if (!err && append(s, bytes)) {
    s->cut = true;
    err = RK_EBUSY;
  }
  if (err != RK_EGONE) wake(s);
  pthread_mutex_unlock(&s->mu);
  return err;
}

size_t rk_http_stream_pending(struct rk_http_stream *s) {
  pthread_mutex_lock(&s->mu);
  size_t n = s->buf.n - s->off;
  pthread_mutex_unlock(&s->mu);
  return n;
}

bool rk_http_stream_alive(const struct rk_http_stream *cs) {
  struct rk_http_stream *s;
  memcpy(&s, &cs, sizeof s);
  pthread_mutex_lock(&s->mu);
  bool alive = !s->gone && !s->cut;
  pthread_mutex_unlock(&s->mu);
  return alive;
}

void rk_http_stream_end(struct rk_http_stream *s) {
  struct rk_http *h = s->h;
  pthread_mutex_lock(&h->mu);
  if (s->prev) s->prev->next = s->next;
  else h->streams = s->next;
  if (s->next) s->next->prev = s->prev;
  pthread_mutex_lock(&s->mu);
  s->ended = true;
  bool last = s->gone;
  if (!last) wake(s);
  pthread_mutex_unlock(&s->mu);
  if (last) release(s);
  h->n_streams--;
  pthread_cond_broadcast(&h->changed);
  pthread_mutex_unlock(&h->mu);
}

/* ---- the keeper's part; called with h->mu held ---- */

void rk_http_streams_beat(struct rk_http *h) {
  int64_t now = rk_mono_ms();
  for (struct rk_http_stream *s = h->streams; s; s = s->next) {
    pthread_mutex_lock(&s->mu);
    if (s->suspended && !s->gone) { /* only then the socket is surely still this one */
      if (rk_http_fd_closed(s->fd)) s->cut = true;
      else if (now - s->last_ms >= RK_SSE_HEARTBEAT_MS) append(s, RK_STR(":\n\n"));
      if (s->cut || s->buf.n) wake(s);
    }
    pthread_mutex_unlock(&s->mu);
  }
}

void rk_http_streams_cut(struct rk_http *h) {
  for (struct rk_http_stream *s = h->streams; s; s = s->next) {
    pthread_mutex_lock(&s->mu);
    s->cut = true;
    if (!s->gone) wake(s);
    pthread_mutex_unlock(&s->mu);
  }
}
