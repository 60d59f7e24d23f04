/* compute.h - exact arithmetic and units, from an expression or from words.
 *
 * Numbers are fractions of 64-bit integers, so 0.1 + 0.2 is 0.3. A result with
 * no end is rounded to ten places and says so.
 * Pure; any thread. */
#ifndef RK_AGENT_COMPUTE_H
#define RK_AGENT_COMPUTE_H

#include "base/buf.h"

/* "17% * 2340", "(3 + 4.5) / 2", "2^10": + - * / ^ ( ) and % behind a number. Appends the result ("397.8"); *exact false: it
 * was rounded. RK_EFORMAT: no such expression; RK_EINVAL: divided by zero; RK_ETOOBIG: more than 18 digits. */
rk_err rk_compute(rk_str expression, struct rk_buf *out, bool *exact, struct rk_error *e) RK_MUST_USE;
/* The expression that stands in words (normal form): "17% of 2,340", "三百加五十", "12 times 8". Appends it; false: there is none. */
bool rk_compute_find(rk_str words, struct rk_buf *expression);
/* "5 km in miles", "一公里有多少米", "98.6 °F to °C". Appends "1 km = 1000 m"; false: no such question. */
bool rk_compute_units(rk_str words, struct rk_buf *out);

#endif
