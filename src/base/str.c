#include "base/str.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

rk_str rk_str_c(const char *cstr) { return cstr ? (rk_str){cstr, strlen(cstr)} : RK_STR(""); }

bool rk_str_eq(rk_str a, rk_str b) { return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0); }
bool rk_str_eq_c(rk_str a, const char *cstr) { return rk_str_eq(a, rk_str_c(cstr)); }
bool rk_str_starts(rk_str s, rk_str prefix) { return s.n >= prefix.n && rk_str_eq((rk_str){s.p, prefix.n}, prefix); }
bool rk_str_ends(rk_str s, rk_str suffix) {
  return s.n >= suffix.n && rk_str_eq((rk_str){s.p + s.n - suffix.n, suffix.n}, suffix);
}

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

rk_str rk_str_trim(rk_str s) {
  while (s.n && is_space(s.p[0])) s.p++, s.n--;
  while (s.n && is_space(s.p[s.n - 1])) s.n--;
  return s;
}

ptrdiff_t rk_str_find(rk_str s, rk_str needle) {
  if (needle.n == 0) return 0;
  if (s.n < needle.n) return -1;
  const char *at = memmem(s.p, s.n, needle.p, needle.n);
  return at ? at - s.p : -1;
}

bool rk_str_cut(rk_str s, char sep, rk_str *before, rk_str *after) {
  const char *at = s.n ? memchr(s.p, sep, s.n) : NULL;
  if (!at) {
    *before = s;
    *after = RK_STR("");
    return false;
  }
  size_t n = (size_t)(at - s.p);
  *after = (rk_str){at + 1, s.n - n - 1};
  *before = (rk_str){s.p, n};
  return true;
}

bool rk_str_i64(rk_str s, int64_t *out) {
  bool neg = s.n && s.p[0] == '-';
  size_t i = neg ? 1 : 0;
  if (i == s.n) return false;
  int64_t v = 0;
  for (; i < s.n; i++) {
    if (s.p[i] < '0' || s.p[i] > '9') return false;
    int64_t d = s.p[i] - '0';
    if (__builtin_mul_overflow(v, (int64_t)10, &v) || __builtin_add_overflow(v, neg ? -d : d, &v)) return false;
  }
  *out = v;
  return true;
}

bool rk_str_f64(rk_str s, double *out) {
  char text[64];
  if (s.n == 0 || s.n >= sizeof text || is_space(s.p[0])) return false;
  memcpy(text, s.p, s.n);
  text[s.n] = 0;
  char *end;
  double v = strtod(text, &end);
  if (*end || !isfinite(v)) return false;
  *out = v;
  return true;
}
