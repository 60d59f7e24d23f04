#include "eval/amounts.h"

#include <string.h>
#include <strings.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

static const char *const before[] = {"¥", "￥", "$", "€", "£", "CNY", "RMB", "USD", "EUR", "人民币"};
static const char *const after[] = {"元", "块", "圆", "yuan", "RMB", "CNY", "kuai", "USD", "EUR", "dollar", "euro", "美元", "欧元"};

static rk_str rest_of(rk_str s, size_t at) { return (rk_str){s.p + at, s.n - at}; }

static bool starts_with(rk_str s, const char *word) {
  size_t n = strlen(word);
  return s.n >= n && strncasecmp(s.p, word, n) == 0;
}

/* "1,299.50" or "1.2万" at the start of s, in hundredths; *n: its bytes. */
static bool read_number(rk_str s, int64_t *minor, size_t *n) {
  int64_t whole = 0, part = 0, scale = 100;
  size_t i = 0;
  if (!s.n || !is_digit(s.p[0])) return false;
  for (; i < s.n && (is_digit(s.p[i]) || (s.p[i] == ',' && i + 3 < s.n && is_digit(s.p[i + 1]) && is_digit(s.p[i + 2]) && is_digit(s.p[i + 3]))); i++)
    if (s.p[i] != ',' && whole < INT64_C(1000000000000)) whole = whole * 10 + (s.p[i] - '0');
  if (i + 1 < s.n && s.p[i] == '.' && is_digit(s.p[i + 1]))
    for (i++; i < s.n && is_digit(s.p[i]); i++)
      if (scale > 1) scale /= 10, part += (s.p[i] - '0') * scale;
  *minor = whole * 100 + part;
  if (starts_with(rest_of(s, i), "万")) *minor *= 10000, i += strlen("万");
  *n = i;
  return true;
}

bool rk_number_next(rk_str s, size_t *at, int64_t *minor) {
  size_t n;
  while (*at < s.n && !is_digit(s.p[*at])) ++*at;
  if (*at >= s.n || !read_number(rest_of(s, *at), minor, &n)) return false;
  *at += n;
  return true;
}

/* Whether a sign or word of money ends just before at, spaces between. */
static bool sign_before(rk_str s, size_t at) {
  while (at > 0 && s.p[at - 1] == ' ') at--;
  for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
    size_t n = strlen(before[i]);
    if (at < n || strncasecmp(s.p + at - n, before[i], n) != 0) continue;
    if (!is_letter(before[i][0]) || at == n || !is_letter(s.p[at - n - 1])) return true;
  }
  return false;
}

static bool word_after(rk_str s, size_t at) {
  while (at < s.n && s.p[at] == ' ') at++;
  for (size_t i = 0; i < sizeof after / sizeof *after; i++)
    if (starts_with(rest_of(s, at), after[i])) return true;
  return false;
}

bool rk_amount_next(rk_str s, size_t *at, int64_t *minor) {
  for (;;) {
    size_t end = *at, start;
    if (!rk_number_next(s, &end, minor)) return *at = s.n, false;
    for (start = *at; !is_digit(s.p[start]); start++) {}
    *at = end;
    if (sign_before(s, start) || word_after(s, end)) return true;
  }
}

static bool is_word_char(char c) { return is_digit(c) || is_letter(c) || c == '-'; }

/* 2026-11-28, 20261128: a day, not a number of something. */
static bool is_date(rk_str w) {
  static const char dashed[] = "dddd-dd-dd";
  if (w.n == 8) {
    for (size_t i = 0; i < 8; i++)
      if (!is_digit(w.p[i])) return false;
    return w.p[0] == '2' && w.p[1] == '0' && w.p[4] <= '1' && w.p[6] <= '3';
  }
  if (w.n != sizeof dashed - 1) return false;
  for (size_t i = 0; i < w.n; i++)
    if (dashed[i] == 'd' ? !is_digit(w.p[i]) : w.p[i] != '-') return false;
  return true;
}

static bool is_order_number(rk_str w) {
  size_t n_digits = 0, n_letters = 0, n_dashes = 0, i = 0;
  for (; i < w.n; i++) n_digits += is_digit(w.p[i]), n_letters += is_letter(w.p[i]), n_dashes += w.p[i] == '-';
  if (is_date(w)) return false;
  if (n_letters == 0) return n_digits >= 8;
  if (n_dashes == 4 && w.n == 36) return true; /* UUID */
  return n_dashes > 0 && n_digits >= 6 && is_letter(w.p[0]) && is_letter(w.p[1]);
}

bool rk_order_number_next(rk_str s, size_t *at, rk_str *out) {
  while (*at < s.n) {
    size_t start = *at;
    if (!is_word_char(s.p[start])) {
      ++*at;
      continue;
    }
    while (*at < s.n && is_word_char(s.p[*at])) ++*at;
    *out = (rk_str){s.p + start, *at - start};
    if (is_order_number(*out)) return true;
  }
  return false;
}

bool rk_url_next(rk_str s, size_t *at, rk_str *out) {
  rk_str rest = rest_of(s, *at < s.n ? *at : s.n);
  ptrdiff_t found = rk_str_find(rest, RK_STR("://"));
  while (found >= 0) {
    size_t start = *at + (size_t)found, end = start + 3;
    while (start > *at && is_letter(s.p[start - 1])) start--;
    while (end < s.n && s.p[end] > ' ' && s.p[end] < 0x7f && !strchr("()<>\"'`[]", s.p[end])) end++;
    while (end > start && strchr(".,;:!?", s.p[end - 1])) end--;
    *at = end;
    *out = (rk_str){s.p + start, end - start};
    if (rk_str_starts(*out, RK_STR("http"))) return true;
    rest = rest_of(s, *at);
    found = rk_str_find(rest, RK_STR("://"));
  }
  *at = s.n;
  return false;
}
