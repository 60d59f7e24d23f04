/* sse.h - incremental reader of text/event-stream (WHATWG HTML 9.2).
 * Pure: bytes in, events out; safe at every chunk border. */
#ifndef RK_NET_SSE_H
#define RK_NET_SSE_H

#include "base/buf.h"

struct rk_sse {
  struct rk_buf line, data, event, id;
  bool cr, bom_done;
};
struct rk_sse_event { rk_str event, data, id; };

void rk_sse_init(struct rk_sse *s, size_t max_event_bytes);
void rk_sse_release(struct rk_sse *s);
/* Calls fn for each complete event; false from fn stops. RK_ETOOBIG when one event passes the cap. */
rk_err rk_sse_feed(struct rk_sse *s, rk_str piece, bool (*fn)(void *, const struct rk_sse_event *), void *ud) RK_MUST_USE;

#endif
