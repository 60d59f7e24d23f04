/* dump.c - JSON as Python's json.dumps(v, ensure_ascii=False) writes it: what
 * the chat templates of the models were trained with. */
#include "json/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

static void add_string(struct rk_buf *out, rk_str s) {
  rk_buf_addc(out, '"');
  size_t from = 0;
  for (size_t i = 0; i < s.n; i++) {
    unsigned char c = (unsigned char)s.p[i];
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    rk_buf_add(out, s.p + from, i - from);
    from = i + 1;
    const char *names = "\"\"\\\\\bb\ff\nn\rr\tt", *at = NULL;
    for (const char *p = names; *p && !at; p += 2)
      if ((unsigned char)*p == c) at = p + 1;
    if (at) rk_buf_addf(out, "\\%c", *at);
    else rk_buf_addf(out, "\\u%04x", c);
  }
  rk_buf_add(out, s.p + from, s.n - from);
  rk_buf_addc(out, '"');
}

/* repr(float): the shortest digits that read back the same; exponent form
 * below 1e-4 and from 1e16 on. */
static void add_real(struct rk_buf *out, double v) {
  char e[40];
  for (int digits = 0; digits <= 16; digits++) {
    snprintf(e, sizeof e, "%.*e", digits, v);
    if (strtod(e, NULL) == v) break;
  }
  int exp10 = atoi(strchr(e, 'e') + 1);
  char digit[24];
  int n = 0;
  for (const char *p = e; *p != 'e'; p++)
    if (*p >= '0' && *p <= '9' && n < 20) digit[n++] = *p;
  if (signbit(v)) rk_buf_addc(out, '-');
  if (exp10 < -4 || exp10 >= 16) {
    rk_buf_addc(out, digit[0]);
    if (n > 1) rk_buf_addf(out, ".%.*s", n - 1, digit + 1);
    rk_buf_addf(out, "e%c%02d", exp10 < 0 ? '-' : '+', abs(exp10));
  } else if (exp10 < 0) {
    rk_buf_addf(out, "0.%.*s%.*s", -exp10 - 1, "000", n, digit);
  } else {
    for (int i = 0; i <= exp10; i++) rk_buf_addc(out, i < n ? digit[i] : '0');
    rk_buf_addc(out, '.');
    if (n > exp10 + 1) rk_buf_add(out, digit + exp10 + 1, (size_t)(n - exp10 - 1));
    else rk_buf_addc(out, '0');
  }
}

static rk_err add_value(struct rk_buf *out, const json_t *v, int depth) {
  if (depth > RK_MAX_JSON_DEPTH) return RK_ETOOBIG;
  switch (json_typeof(v)) {
    case JSON_OBJECT: {
      rk_buf_addc(out, '{');
      bool first = true;
      void *it = json_object_iter((json_t *)(uintptr_t)v);
      for (; it; it = json_object_iter_next((json_t *)(uintptr_t)v, it)) {
        if (!first) rk_buf_adds(out, ", ");
        first = false;
        add_string(out, (rk_str){json_object_iter_key(it), json_object_iter_key_len(it)});
        rk_buf_adds(out, ": ");
        rk_err err = add_value(out, json_object_iter_value(it), depth + 1);
        if (err) return err;
      }
      return rk_buf_addc(out, '}');
    }
    case JSON_ARRAY:
      rk_buf_addc(out, '[');
      for (size_t i = 0; i < json_array_size(v); i++) {
        if (i) rk_buf_adds(out, ", ");
        rk_err err = add_value(out, json_array_get(v, i), depth + 1);
        if (err) return err;
      }
      return rk_buf_addc(out, ']');
    case JSON_STRING: add_string(out, (rk_str){json_string_value(v), json_string_length(v)}); break;
    case JSON_INTEGER: rk_buf_addf(out, "%lld", (long long)json_integer_value(v)); break;
    case JSON_REAL: add_real(out, json_real_value(v)); break;
    case JSON_TRUE: rk_buf_adds(out, "true"); break;
    case JSON_FALSE: rk_buf_adds(out, "false"); break;
    case JSON_NULL: rk_buf_adds(out, "null"); break;
  }
  return out->err;
}

rk_err rk_json_dump_python(struct rk_buf *out, const json_t *v) { return add_value(out, v, 0); }
