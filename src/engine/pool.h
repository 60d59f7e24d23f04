/* pool.h - the engine's worker threads (internal).
 *
 * rk_pool_run() deals items 0..n-1 out to the workers, the caller included, a
 * stretch of neighbours to each; who is done takes over items of the others. It
 * returns when all are done. A worker that was taken off its core delays only
 * the item it holds. Workers spin briefly for the next
 * run, then sleep; so does the caller at the end.
 *
 * One caller thread at a time. Results must not depend on which thread did
 * which item; `worker` (0..n_threads-1) only picks scratch memory. */
#ifndef RK_ENGINE_POOL_H
#define RK_ENGINE_POOL_H

#include <stdint.h>

struct rk_pool;
typedef void rk_pool_fn(void *ctx, int32_t item, int32_t worker);

struct rk_pool *rk_pool_new(int32_t n_threads); /* the caller counts as one; NULL: no memory or no thread */
void rk_pool_free(struct rk_pool *p);
int32_t rk_pool_n_threads(const struct rk_pool *p);
void rk_pool_run(struct rk_pool *p, int32_t n_items, rk_pool_fn *fn, void *ctx);
/* Processors this process may use: affinity mask and cgroup quota (v1, v2). */
int32_t rk_usable_cores(void);

#endif
