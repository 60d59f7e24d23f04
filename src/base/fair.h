/* fair.h - a bounded queue of pointers between threads in which keys take turns.
 *
 * Items of one key leave in their order; between keys it goes round: who comes
 * with one item waits for one item of each other key at most, however many
 * they brought. One key may hold three quarters of the places, so that there
 * is room for another. Full, or full for that key: RK_EBUSY. After
 * rk_fair_close() pushes fail (RK_EUNAVAIL) and pops drain what is left. */
#ifndef RK_BASE_FAIR_H
#define RK_BASE_FAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct rk_fair;

struct rk_fair *rk_fair_new(size_t cap);
void rk_fair_free(struct rk_fair *q);
rk_err rk_fair_push(struct rk_fair *q, uint64_t key, void *item) RK_MUST_USE;
/* Waits up to timeout_ms (< 0: for ever). NULL: none came, or closed and empty. */
void *rk_fair_pop(struct rk_fair *q, int64_t timeout_ms);
/* Takes an item out again; false: it has left already. */
bool rk_fair_remove(struct rk_fair *q, const void *item);
void rk_fair_close(struct rk_fair *q);
size_t rk_fair_len(struct rk_fair *q);

#endif
