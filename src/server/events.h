/* events.h - the event streams of docs/api.md.
 *
 * One thread writes to all of them. A reader is a stream plus where it stands:
 * the number of the last durable event it got, and how much of each running
 * message. A wake-up of the agent (or a second passed) makes the thread look
 * what is new for it: durable events from the store, then a snapshot of each
 * running message it has not seen, then deltas. So nothing is lost and nothing
 * doubled, whenever it came.
 * Thread rule: any thread. */
#ifndef RK_SERVER_EVENTS_H
#define RK_SERVER_EVENTS_H

#include "agent/agent.h"
#include "http/http.h"

struct rk_events;

rk_err rk_events_new(struct rk_store *store, struct rk_agent *agent, struct rk_events **out, struct rk_error *e) RK_MUST_USE;
void rk_events_free(struct rk_events *ev); /* ends every stream */
/* Answers the request with a stream of the user's events after number n. */
void rk_events_open(struct rk_events *ev, struct rk_http_req *r, const char *user_id, const char *session_id, int64_t after);
void rk_events_end_session(struct rk_events *ev, const char *session_id); /* its streams end */
int32_t rk_events_count(struct rk_events *ev);

#endif
