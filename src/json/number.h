/* number.h - the shortest decimal digits of a double. Inside json/ only: JCS and
 * the two dumps write the same digits, each in its own form. */
#ifndef RK_JSON_NUMBER_H
#define RK_JSON_NUMBER_H

#include "json/json.h"

enum { RK_MAX_DOUBLE_DIGITS = 17 };

struct rk_decimal {
  char digits[RK_MAX_DOUBLE_DIGITS + 1]; /* without zeros at the end */
  int n;                                 /* value = 0.digits * 10^n */
};

/* The shortest digits that read back as v > 0 (finite); of two that are equally short, the nearer. */
struct rk_decimal rk_json_shortest(double v);

#endif
