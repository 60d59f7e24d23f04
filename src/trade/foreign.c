#include "trade/foreign.h"

#include <string.h>

#include "base/limits.h"
#include "base/utf8.h"
#include "trade/ucp.h"

/* Marks that change how a line reads without being seen: direction, zero width, soft hyphen. */
static bool is_hidden(uint32_t cp) {
  return cp == 0xad || cp == 0x61c || (cp >= 0x200b && cp <= 0x200f && cp != 0x200d) || (cp >= 0x202a && cp <= 0x202e) ||
         (cp >= 0x2060 && cp <= 0x2069) || cp == 0xfeff || (cp >= 0x7f && cp < 0xa0);
}

/* In place: what is hidden goes, line breaks and other controls become spaces. */
static void make_plain(char *text) {
  char *to = text;
  uint32_t cp;
  for (rk_str rest = rk_str_c(text); rest.n;) {
    int n = rk_utf8_next(rest, &cp);
    if (n == 0) break;
    if (cp < 0x20) *to++ = ' ';
    else if (!is_hidden(cp)) memmove(to, rest.p, (size_t)n), to += n;
    rest.p += n;
    rest.n -= (size_t)n;
  }
  *to = 0;
}

const char *rk_foreign_text(struct rk_foreign *r, rk_str s) {
  if (s.n > RK_MAX_UCP_TEXT_BYTES) s.n = RK_MAX_UCP_TEXT_BYTES;
  while (s.n && ((unsigned char)s.p[s.n - 1] & 0xc0) == 0x80 && s.n == RK_MAX_UCP_TEXT_BYTES) s.n--;
  char *out = rk_arena_dup(r->arena, s);
  if (!out) r->full = true;
  else make_plain(out);
  return out ? out : "";
}

const char *rk_foreign_field(struct rk_foreign *r, const json_t *obj, const char *key) { return rk_foreign_text(r, rk_json_str(obj, key)); }

void *rk_foreign_array(struct rk_foreign *r, size_t n, size_t size) {
  void *p = n ? rk_arena_array(r->arena, n, size) : NULL;
  if (n && !p) r->full = true;
  return p;
}

bool rk_foreign_amount_ok(int64_t v) { return v >= 0 && v <= (int64_t)RK_MAX_TOTAL_MINOR; }

bool rk_foreign_currency_ok(rk_str s) {
  for (size_t i = 0; i < s.n; i++)
    if (s.p[i] < 'A' || s.p[i] > 'Z') return false;
  return s.n == 3;
}

bool rk_foreign_scalar(struct rk_foreign *r, const json_t *v, const char **out) {
  if (json_is_string(v)) *out = rk_foreign_text(r, (rk_str){json_string_value(v), json_string_length(v)});
  else if (json_is_boolean(v)) *out = json_is_true(v) ? "true" : "false";
  else if (json_is_integer(v)) *out = rk_arena_printf(r->arena, "%lld", (long long)json_integer_value(v));
  else if (json_is_real(v)) *out = rk_arena_printf(r->arena, "%g", json_real_value(v));
  else return false;
  if (!*out) r->full = true, *out = "";
  return true;
}

void rk_foreign_set(json_t *obj, const char *key, const char *text) {
  if (text && text[0]) json_object_set_new(obj, key, json_string(text));
}
