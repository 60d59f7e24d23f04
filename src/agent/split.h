/* split.h - one sentence, several things: which words are about which.
 *
 *   帮我妈买一个血压计 | 和两盒口罩，加起来别超过400
 *   ^ part 0            ^ part 1
 *
 * Pure; any thread. */
#ifndef RK_AGENT_SPLIT_H
#define RK_AGENT_SPLIT_H

#include "agent/intent.h"

struct rk_part { size_t at, n; bool named; size_t name_at, name_n; };

/* Where the longest piece of `name` stands in said: two Han characters or four letters of it at least; false: nowhere. */
bool rk_split_find(rk_str said, rk_str name, size_t *at, size_t *n);
/* The part of said (normal form) that each name is about. A name that is not found gets all of it (named false). */
void rk_split(rk_str said, const rk_str *names, int32_t n, struct rk_part out[]);
/* Whose limit it is: the part's number, -1: everything's together. alike: the parts are of one kind (goods), so that a limit behind all of
 * them is joint. */
int32_t rk_split_owner(rk_str said, const struct rk_limit *limit, int32_t n_limits, const struct rk_part *parts, int32_t n, bool alike);

#endif
