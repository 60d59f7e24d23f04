#include "json/number.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reads_back(const char *digits, int exponent, double v) {
  char text[48];
  snprintf(text, sizeof text, "%c.%se%d", digits[0], digits + 1, exponent);
  return strtod(text, NULL) == v;
}

/* Adds one to the last digit; false when all were nines. */
static bool next_up(char *digits, int k) {
  int i = k - 1;
  while (i >= 0 && digits[i] == '9') digits[i--] = '0';
  if (i < 0) return false;
  digits[i]++;
  return true;
}

/* The shortest digits that read back as v > 0. printf gives the nearest of k
 * digits; just above a power of two the gap to the next double is twice the gap
 * below, so the neighbour above may read back where the nearest does not. */
struct rk_decimal rk_json_shortest(double v) {
  struct rk_decimal d = {"", 0};
  for (int k = 1; k <= RK_MAX_DOUBLE_DIGITS; k++) {
    char text[48];
    snprintf(text, sizeof text, "%.*e", k - 1, v);
    char *e = strchr(text, 'e');
    int exponent = atoi(e + 1);
    d.digits[0] = text[0];
    if (k > 1) memcpy(d.digits + 1, text + 2, (size_t)k - 1);
    d.digits[k] = 0;
    d.n = exponent + 1;
    if (reads_back(d.digits, exponent, v) || (next_up(d.digits, k) && reads_back(d.digits, exponent, v))) break;
  }
  for (size_t k = strlen(d.digits); k > 1 && d.digits[k - 1] == '0'; k--) d.digits[k - 1] = 0;
  return d;
}
