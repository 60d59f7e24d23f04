/* live.h - what is being written right now, and who wants to be woken.
 *
 * A running message keeps its whole text until the message is stored; readers
 * take it from any offset. Listeners get wake-ups only.
 * Thread rule: any thread (one lock inside). */
#ifndef RK_AGENT_LIVE_H
#define RK_AGENT_LIVE_H

#include <stdatomic.h>

#include "json/json.h"

struct rk_live;
struct rk_listener;

struct rk_live *rk_live_new(void);
void rk_live_free(struct rk_live *l);

/* A turn that computes. cancel is read by the model call. */
/* False: it computes already. */
bool rk_live_begin(struct rk_live *l, const char *user_id, const char *chat_id, const char *turn_id);
void rk_live_end(struct rk_live *l, const char *turn_id);
atomic_int *rk_live_cancel_flag(struct rk_live *l, const char *turn_id); /* valid until rk_live_end; NULL: not computing */
bool rk_live_cancel(struct rk_live *l, const char *turn_id);             /* false: not computing */
void rk_live_stop(struct rk_live *l);             /* the process ends: cancels all, for good */
bool rk_live_stopping(const struct rk_live *l);

void rk_live_message(struct rk_live *l, const char *turn_id, const char *message_id); /* starts one; "" ends it */
void rk_live_text(struct rk_live *l, const char *turn_id, rk_str text);
void rk_live_reasoning(struct rk_live *l, const char *turn_id, rk_str text);
void rk_live_progress(struct rk_live *l, const char *turn_id, int32_t n_done, int32_t n_total);
json_t *rk_live_running(struct rk_live *l, const char *user_id, const json_t *since); /* see rk_agent_running() */

struct rk_listener *rk_live_listen(struct rk_live *l, const char *user_id, void (*fn)(void *), void *ud);
void rk_live_unlisten(struct rk_live *l, struct rk_listener *li);
void rk_live_wake(struct rk_live *l, const char *user_id);

#endif
