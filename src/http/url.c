#include "http/url.h"

#include "base/utf8.h"

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool rk_url_decode(rk_str in, struct rk_arena *a, rk_str *out) {
  char *p = rk_arena_alloc(a, in.n + 1);
  if (!p) return false;
  size_t n = 0;
  for (size_t i = 0; i < in.n; i++) {
    char c = in.p[i];
    if (c == '%') {
      if (in.n - i < 3) return false;
      int hi = hex_digit(in.p[i + 1]), lo = hex_digit(in.p[i + 2]);
      if (hi < 0 || lo < 0) return false;
      c = (char)(hi * 16 + lo);
      i += 2;
    }
    if (c == 0) return false;
    p[n++] = c;
  }
  *out = (rk_str){p, n};
  return rk_utf8_valid(*out);
}

static bool add_param(struct rk_url_params *out, rk_str name, rk_str value) {
  if (out->n == RK_MAX_ROUTE_PARAMS) return false;
  out->name[out->n] = name;
  out->value[out->n++] = value;
  return true;
}

bool rk_route_match(const char *pattern, rk_str path, struct rk_url_params *out) {
  rk_str rest = rk_str_c(pattern), want, have;
  out->n = 0;
  if (path.n == 0 || path.p[0] != '/') return false;
  for (;;) { /* both stand at a '/' */
    rest = (rk_str){rest.p + 1, rest.n - 1};
    path = (rk_str){path.p + 1, path.n - 1};
    if (rk_str_eq_c(rest, "*")) return add_param(out, rest, path);
    bool more_want = rk_str_cut(rest, '/', &want, &rest), more_have = rk_str_cut(path, '/', &have, &path);
    if (want.n && want.p[0] == ':') {
      if (have.n == 0 || !add_param(out, (rk_str){want.p + 1, want.n - 1}, have)) return false;
    } else if (!rk_str_eq(want, have)) {
      return false;
    }
    if (more_want != more_have) return false;
    if (!more_want) return true;
    rest = (rk_str){rest.p - 1, rest.n + 1};
    path = (rk_str){path.p - 1, path.n + 1};
  }
}

rk_str rk_cookie_find(rk_str header, const char *name) {
  rk_str one, key, value;
  while (header.n) {
    rk_str_cut(header, ';', &one, &header);
    if (!rk_str_cut(rk_str_trim(one), '=', &key, &value) || !rk_str_eq_c(rk_str_trim(key), name)) continue;
    value = rk_str_trim(value);
    if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"') value = (rk_str){value.p + 1, value.n - 2};
    return value;
  }
  return RK_STR("");
}
