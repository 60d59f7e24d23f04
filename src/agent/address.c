#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "agent/intent.h"
#include "base/utf8.h"

/* Parts of an address; a piece with one of these is the street. */
static const char street_words[] = "省|市|区|县|镇|乡|路|街|道|巷|弄|号|楼|室|大厦|小区|村|road|street|avenue|district|lane|building|block|apartment|floor|rd|st|ave|room|city";

static bool is_phone(rk_str s) {
  size_t digits = 0;
  for (size_t i = 0; i < s.n; i++) {
    if (isdigit((unsigned char)s.p[i])) digits++;
    else if (!strchr("+- ()", s.p[i])) return false;
  }
  return digits >= 7 && digits <= 15;
}

/* The run of digits at least 7 long, with + and - inside. */
static bool cut_phone(rk_str s, size_t *at, size_t *n) {
  for (size_t i = 0; i < s.n; i++) {
    if (!isdigit((unsigned char)s.p[i]) && s.p[i] != '+') continue;
    size_t end = i + 1;
    while (end < s.n && (isdigit((unsigned char)s.p[end]) || s.p[end] == '-')) end++;
    if (is_phone((rk_str){s.p + i, end - i})) {
      *at = i;
      *n = end - i;
      return true;
    }
    i = end - 1;
  }
  return false;
}

static bool has_street_word(rk_str s) {
  char lower[256];
  size_t n = s.n < sizeof lower ? s.n : sizeof lower;
  for (size_t i = 0; i < n; i++) lower[i] = (char)tolower((unsigned char)s.p[i]);
  return rk_words_has((rk_str){lower, n}, street_words);
}

static void set_city(struct rk_address_text *out) {
  rk_str s = rk_str_c(out->street);
  ptrdiff_t end = rk_str_find(s, RK_STR("市"));
  if (end <= 0) return;
  ptrdiff_t province = rk_str_find(s, RK_STR("省"));
  size_t begin = province >= 0 && province < end ? (size_t)province + strlen("省") : 0;
  rk_utf8_copy(out->city, sizeof out->city, (rk_str){s.p + begin, (size_t)end - begin});
}

static void take_piece(rk_str piece, struct rk_address_text *out) {
  piece = rk_str_trim(piece);
  piece.n -= piece.n && piece.p[piece.n - 1] == ',' ? 1 : 0;
  if (piece.n == 0) return;
  if (has_street_word(piece)) {
    size_t have = strlen(out->street);
    snprintf(out->street + have, sizeof out->street - have, "%s%.*s", have ? " " : "", RK_STR_ARG(piece));
  } else if (!out->name[0] && piece.n < 40) {
    rk_utf8_copy(out->name, sizeof out->name, piece);
  }
}

/* Spaces part Chinese pieces; in English a comma belongs to the street and ';' or a line end parts. */
static void take_text(rk_str s, bool chinese, struct rk_address_text *out) {
  size_t begin = 0;
  for (size_t i = 0; i <= s.n; i++) {
    uint32_t cp = 0;
    if (i < s.n && (signed char)s.p[i] >= -64 && rk_utf8_next((rk_str){s.p + i, s.n - i}, &cp) == 0) return;
    bool parts = i == s.n || cp == '\n' || cp == ';' || cp == 0xFF1B || cp == 0xFF0C || cp == 0x3002 || (chinese && (cp == ' ' || cp == ','));
    if (!parts) continue;
    take_piece((rk_str){s.p + begin, i - begin}, out);
    begin = i + (cp > 0x7F ? 3 : 1);
  }
}

bool rk_address_read(rk_str text, struct rk_address_text *out) {
  *out = (struct rk_address_text){0};
  if (text.n > 1000) return false;
  bool chinese = rk_words_has_han(text);
  size_t at, n;
  if (cut_phone(text, &at, &n)) {
    snprintf(out->phone, sizeof out->phone, "%.*s", (int)n, text.p + at);
    take_text((rk_str){text.p, at}, chinese, out);
    take_text((rk_str){text.p + at + n, text.n - at - n}, chinese, out);
  } else {
    take_text(text, chinese, out);
  }
  set_city(out);
  return out->street[0] != 0;
}
