/* amounts.h - amounts of money and other numbers in text. Pure; any thread. */
#ifndef RK_EVAL_AMOUNTS_H
#define RK_EVAL_AMOUNTS_H

#include "base/str.h"

/* The next amount in s at or after *at: a number with a currency sign or word ("¥1,299.00", "300块", "20 yuan", "CNY 5", "1.2万元").
 * *minor: hundredths. Steps *at over it. False: none is left. */
bool rk_amount_next(rk_str s, size_t *at, int64_t *minor);
/* The next plain number, amount or not, in hundredths. */
bool rk_number_next(rk_str s, size_t *at, int64_t *minor);
/* The next text that looks like the number of an order or a thing of that kind: a UUID, LETTERS+DIGITS-HEX, or 8 digits and more that
 * are no date. */
bool rk_order_number_next(rk_str s, size_t *at, rk_str *out);
/* The next http(s) address. */
bool rk_url_next(rk_str s, size_t *at, rk_str *out);

#endif
