/* money.h - int64 minor units with an ISO 4217 currency; never a float. */
#ifndef RK_TRADE_MONEY_H
#define RK_TRADE_MONEY_H

#include "base/buf.h"

struct rk_money { int64_t minor; char currency[4]; };

rk_err rk_money_add(struct rk_money *a, struct rk_money b);   /* RK_EINVAL: two currencies or overflow */
rk_err rk_money_mul(struct rk_money *a, int64_t n);
/* False: no active currency of ISO 4217. digits: of its minor unit, 0 to 4. */
bool rk_money_currency(const char *code, int *digits);
int rk_money_digits(const char *currency);                    /* 2 for CNY, 0 for JPY; 2 when unknown */
/* "¥329.00" for CNY, "$12.50", else "12.50 EUR". */
void rk_money_text(struct rk_money m, char out[40]);

#endif
