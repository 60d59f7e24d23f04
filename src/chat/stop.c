#include "chat/stop.h"

#include <string.h>

#include "base/limits.h"

void rk_stop_init(struct rk_stop *s, const rk_str *strings, int32_t n) {
  *s = (struct rk_stop){.strings = strings, .n = n};
  rk_buf_init(&s->held, RK_MAX_JSON_BYTES);
}

void rk_stop_release(struct rk_stop *s) { rk_buf_release(&s->held); }

static bool matches_at(rk_str text, size_t at, rk_str stop, size_t n) {
  return stop.n > 0 && text.n - at >= n && memcmp(text.p + at, stop.p, n) == 0;
}

/* Where a stop string stands, or the text ends inside one; text.n when nowhere. */
static size_t first_match(struct rk_stop *s, rk_str text, bool final) {
  for (size_t at = 0; at < text.n; at++) {
    bool part = false;
    for (int32_t k = 0; k < s->n && !s->hit; k++) {
      if (matches_at(text, at, s->strings[k], s->strings[k].n)) s->hit = true, s->which = k;
      part |= text.n - at < s->strings[k].n && matches_at(text, at, s->strings[k], text.n - at);
    }
    if (s->hit || (part && !final)) return at;
  }
  return text.n;
}

rk_str rk_stop_feed(struct rk_stop *s, rk_str piece, bool final) {
  if (s->hit) return RK_STR("");
  if (s->n == 0) return piece;
  s->held.n -= s->n_shown; /* shown last time */
  if (s->n_shown && s->held.n) memmove(s->held.p, s->held.p + s->n_shown, s->held.n);
  rk_buf_addstr(&s->held, piece);
  rk_str text = rk_buf_str(&s->held);
  s->n_shown = first_match(s, text, final);
  return (rk_str){text.p, s->n_shown};
}
