#include "net/sse.h"

#include <string.h>

void rk_sse_init(struct rk_sse *s, size_t max_event_bytes) {
  *s = (struct rk_sse){0};
  rk_buf_init(&s->line, max_event_bytes);
  rk_buf_init(&s->data, max_event_bytes);
  rk_buf_init(&s->event, max_event_bytes);
  rk_buf_init(&s->id, max_event_bytes);
}

void rk_sse_release(struct rk_sse *s) {
  rk_buf_release(&s->line);
  rk_buf_release(&s->data);
  rk_buf_release(&s->event);
  rk_buf_release(&s->id);
}

static rk_err set(struct rk_buf *b, rk_str value) {
  rk_buf_clear(b);
  return rk_buf_addstr(b, value);
}

/* A field of one line. The id stays for the events that follow, as the specification says. */
static rk_err field(struct rk_sse *s, rk_str name, rk_str value) {
  if (rk_str_eq_c(name, "event")) return set(&s->event, value);
  if (rk_str_eq_c(name, "data")) {
    rk_err err = rk_buf_addstr(&s->data, value);
    return err ? err : rk_buf_addc(&s->data, '\n');
  }
  if (rk_str_eq_c(name, "id") && !(value.n && memchr(value.p, 0, value.n))) return set(&s->id, value);
  return RK_OK;
}

/* An empty line: gives the event out, unless it has no data. */
static bool dispatch(struct rk_sse *s, bool (*fn)(void *, const struct rk_sse_event *), void *ud) {
  bool go_on = true;
  if (s->data.n) {
    struct rk_sse_event ev = {rk_buf_str(&s->event), {s->data.p, s->data.n - 1}, rk_buf_str(&s->id)};
    go_on = fn(ud, &ev);
  }
  rk_buf_clear(&s->data);
  rk_buf_clear(&s->event);
  return go_on;
}

static rk_err end_line(struct rk_sse *s, bool *go_on, bool (*fn)(void *, const struct rk_sse_event *), void *ud) {
  rk_str line = rk_buf_str(&s->line), name, value;
  if (!s->bom_done && rk_str_starts(line, RK_STR("\xEF\xBB\xBF"))) line = (rk_str){line.p + 3, line.n - 3};
  s->bom_done = true;
  rk_err err = RK_OK;
  if (line.n == 0) {
    *go_on = dispatch(s, fn, ud);
  } else if (line.p[0] != ':') {
    rk_str_cut(line, ':', &name, &value);
    if (value.n && value.p[0] == ' ') value = (rk_str){value.p + 1, value.n - 1};
    err = field(s, name, value);
  }
  rk_buf_clear(&s->line);
  return err;
}

rk_err rk_sse_feed(struct rk_sse *s, rk_str piece, bool (*fn)(void *, const struct rk_sse_event *), void *ud) {
  bool go_on = true;
  for (size_t i = 0; i < piece.n && go_on;) {
    if (s->cr && piece.p[i] == '\n') {
      s->cr = false;
      i++;
      continue;
    }
    s->cr = false;
    size_t from = i;
    while (i < piece.n && piece.p[i] != '\n' && piece.p[i] != '\r') i++;
    rk_err err = rk_buf_add(&s->line, piece.p + from, i - from);
    if (!err && i < piece.n) {
      s->cr = piece.p[i++] == '\r';
      err = end_line(s, &go_on, fn, ud);
    }
    if (err) return err;
  }
  return RK_OK;
}
