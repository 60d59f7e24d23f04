#include "trade/money.h"

#include <stdio.h>
#include <string.h>

/* ISO 4217, list one: the active currencies by their number of minor digits. */
static const struct { int digits; const char *codes; } iso4217[] = {
    {2, "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP COU "
        "CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES "
        "KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR "
        "NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP "
        "TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG "},
    {0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF "},
    {3, "BHD IQD JOD KWD LYD OMR TND "},
    {4, "CLF UYW "}};

bool rk_money_currency(const char *code, int *digits) {
  if (strlen(code) != 3 || strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 3) return false;
  for (size_t i = 0; i < sizeof iso4217 / sizeof *iso4217; i++) {
    if (!strstr(iso4217[i].codes, code)) continue;
    *digits = iso4217[i].digits;
    return true;
  }
  return false;
}

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
  int digits = 2;
  (void)rk_money_currency(currency, &digits);
  return digits;
}

void rk_money_text(struct rk_money m, char out[40]) {
  int digits = rk_money_digits(m.currency);
  uint64_t scale = 1;
  for (int i = 0; i < digits; i++) scale *= 10;
  uint64_t abs = m.minor < 0 ? -(uint64_t)m.minor : (uint64_t)m.minor;
  const char *sign = m.minor < 0 ? "-" : "";
  const char *symbol = strcmp(m.currency, "CNY") == 0 ? "¥" : strcmp(m.currency, "USD") == 0 ? "$" : "";
  int n = snprintf(out, 40, "%s%s%llu", sign, symbol, (unsigned long long)(abs / scale));
  if (digits) n += snprintf(out + n, (size_t)(40 - n), ".%0*llu", digits, (unsigned long long)(abs % scale));
  if (!*symbol) snprintf(out + n, (size_t)(40 - n), " %.3s", m.currency);
}
