#include "trade/money.h"

#include <stdio.h>
#include <string.h>

/* ISO 4217 currencies whose minor unit is not two digits. */
static const struct { char code[4]; int digits; } odd[] = {
    {"BHD", 3}, {"BIF", 0}, {"CLP", 0}, {"DJF", 0}, {"GNF", 0}, {"IQD", 3}, {"ISK", 0}, {"JOD", 3}, {"JPY", 0}, {"KMF", 0},
    {"KRW", 0}, {"KWD", 3}, {"LYD", 3}, {"OMR", 3}, {"PYG", 0}, {"RWF", 0}, {"TND", 3}, {"UGX", 0}, {"VND", 0}, {"VUV", 0},
    {"XAF", 0}, {"XOF", 0}, {"XPF", 0}};

rk_err rk_money_add(struct rk_money *a, struct rk_money b) {
  int64_t sum;
  if (strcmp(a->currency, b.currency) != 0 || __builtin_add_overflow(a->minor, b.minor, &sum)) return RK_EINVAL;
  a->minor = sum;
  return RK_OK;
}

rk_err rk_money_mul(struct rk_money *a, int64_t n) {
  int64_t product;
  if (__builtin_mul_overflow(a->minor, n, &product)) return RK_EINVAL;
  a->minor = product;
  return RK_OK;
}

int rk_money_digits(const char *currency) {
  for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
    if (strcmp(odd[i].code, currency) == 0) return odd[i].digits;
  return 2;
}

void rk_money_text(struct rk_money m, char out[40]) {
  int digits = rk_money_digits(m.currency);
  uint64_t scale = digits == 0 ? 1 : digits == 2 ? 100 : 1000;
  uint64_t abs = m.minor < 0 ? -(uint64_t)m.minor : (uint64_t)m.minor;
  const char *sign = m.minor < 0 ? "-" : "";
  const char *symbol = strcmp(m.currency, "CNY") == 0 ? "¥" : strcmp(m.currency, "USD") == 0 ? "$" : "";
  int n = snprintf(out, 40, "%s%s%llu", sign, symbol, (unsigned long long)(abs / scale));
  if (digits) n += snprintf(out + n, (size_t)(40 - n), ".%0*llu", digits, (unsigned long long)(abs % scale));
  if (!*symbol) snprintf(out + n, (size_t)(40 - n), " %.3s", m.currency);
}
