/* queue.h - a bounded queue of pointers between threads.
 *
 * Any number of producers and consumers. A full queue refuses (RK_EBUSY), it
 * never grows. After rk_queue_close() pushes fail and pops drain what is left,
 * then return NULL. */
#ifndef RK_BASE_QUEUE_H
#define RK_BASE_QUEUE_H

#include "base/err.h"
#include <stdint.h>

struct rk_queue;

struct rk_queue *rk_queue_new(size_t cap);
void rk_queue_free(struct rk_queue *q);
rk_err rk_queue_push(struct rk_queue *q, void *item) RK_MUST_USE;
/* Waits up to timeout_ms (< 0: for ever). NULL: timed out or closed and empty. */
void *rk_queue_pop(struct rk_queue *q, int64_t timeout_ms);
void rk_queue_close(struct rk_queue *q);
size_t rk_queue_len(struct rk_queue *q);

#endif
