/* stop.h - cuts a text stream at the first stop string, also across pieces.
 * The strings are borrowed. One thread. */
#ifndef RK_CHAT_STOP_H
#define RK_CHAT_STOP_H

#include "base/buf.h"

struct rk_stop {
  const rk_str *strings; /* [n] */
  int32_t n;
  struct rk_buf held;    /* an end of the text that may begin a stop string */
  size_t n_shown;        /* bytes at the front of held that were shown */
  bool hit;
  int32_t which;         /* after a hit: of strings */
};

void rk_stop_init(struct rk_stop *s, const rk_str *strings, int32_t n);
void rk_stop_release(struct rk_stop *s);
/* What may be shown after this piece; valid until the next call. final: no
 * more text follows. After a hit everything is dropped. Pieces hold whole code
 * points, and so does the result. */
rk_str rk_stop_feed(struct rk_stop *s, rk_str piece, bool final);

#endif
