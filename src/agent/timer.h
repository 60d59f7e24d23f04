/* timer.h - one thread that does what time alone brings about. Inside agent/ only.
 *
 * tick() does what is due and says in how many ms it wants to be called again
 * (< 0: not before a poke). It sleeps in between.
 * Thread rule: any thread; rk_timer_free() waits for a tick that runs. */
#ifndef RK_AGENT_TIMER_H
#define RK_AGENT_TIMER_H

#include <stdint.h>

struct rk_timer;

struct rk_timer *rk_timer_new(int64_t (*tick)(void *ud), void *ud); /* NULL: no memory or no thread */
void rk_timer_poke(struct rk_timer *t); /* something has changed: tick soon */
void rk_timer_free(struct rk_timer *t);

#endif
