#include "shop/form.h"

#include <string.h>

#include "base/utf8.h"

static int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode(rk_str in, char *out, size_t size) {
  size_t n = 0;
  for (size_t i = 0; i < in.n; i++) {
    char c = in.p[i] == '+' ? ' ' : in.p[i];
    if (c == '%') {
      if (i + 2 >= in.n || hex(in.p[i + 1]) < 0 || hex(in.p[i + 2]) < 0) return false;
      c = (char)(hex(in.p[i + 1]) * 16 + hex(in.p[i + 2]));
      i += 2;
    }
    if (c == 0 || n + 1 >= size) return false;
    out[n++] = c;
  }
  out[n] = 0;
  return rk_utf8_valid((rk_str){out, n});
}

static bool find(rk_str body, const char *name, rk_str *value) {
  rk_str pair, key;
  while (body.n) {
    rk_str_cut(body, '&', &pair, &body);
    if (rk_str_cut(pair, '=', &key, value) && rk_str_eq_c(key, name)) return true;
  }
  return false;
}

bool form_has(rk_str body, const char *name) {
  rk_str value;
  return find(body, name, &value);
}

bool form_value(rk_str body, const char *name, char *out, size_t size) {
  rk_str value;
  if (find(body, name, &value) && decode(value, out, size)) return true;
  out[0] = 0;
  return false;
}
