/* workers.h - a few threads for requests that must wait for somebody else.
 *
 * The request is detached and its handler runs on a worker. A full queue
 * answers 429. Thread rule: any thread. */
#ifndef RK_SERVER_WORKERS_H
#define RK_SERVER_WORKERS_H

#include "http/http.h"

struct rk_workers;

rk_err rk_workers_new(struct rk_workers **out, struct rk_error *e) RK_MUST_USE;
void rk_workers_free(struct rk_workers *w); /* what is queued is still done */
void rk_workers_run(struct rk_workers *w, struct rk_http_req *r, void (*fn)(struct rk_http_req *r, void *ctx), void *ctx);

#endif
