/* dump.c - JSON as text: compact, or as Python's json.dumps(v, ensure_ascii=False)
 * writes it, which the chat templates of the models were trained with. They
 * differ in the space after separators only. */
#include "json/number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

/* Of our own values: wrapped answers nest a little deeper than what was taken. */
enum { MAX_DUMP_BYTES = 1 << 30, MAX_DUMP_DEPTH = 4 * RK_MAX_JSON_DEPTH };

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

static void add_zeros(struct rk_buf *out, int n) {
  for (; n > 0; n--) rk_buf_addc(out, '0');
}

/* repr(float): exponent form below 1e-4 and from 1e16 on; else always with a point, so that it stays a real. */
static void add_real(struct rk_buf *out, double v) {
  struct rk_decimal d = v == 0 ? (struct rk_decimal){"0", 1} : rk_json_shortest(fabs(v));
  int n = (int)strlen(d.digits), exp10 = d.n - 1;
  if (signbit(v)) rk_buf_addc(out, '-');
  if (exp10 < -4 || exp10 >= 16) {
    rk_buf_addc(out, d.digits[0]);
    if (n > 1) rk_buf_addf(out, ".%s", d.digits + 1);
    rk_buf_addf(out, "e%c%02d", exp10 < 0 ? '-' : '+', abs(exp10));
  } else if (d.n <= 0) {
    rk_buf_adds(out, "0.");
    add_zeros(out, -d.n);
    rk_buf_adds(out, d.digits);
  } else if (n <= d.n) {
    rk_buf_adds(out, d.digits);
    add_zeros(out, d.n - n);
    rk_buf_adds(out, ".0");
  } else {
    rk_buf_addf(out, "%.*s.%s", d.n, d.digits, d.digits + d.n);
  }
}

struct style { const char *comma, *colon; int max_depth; };

static rk_err add_value(struct rk_buf *out, const json_t *v, const struct style *st, int depth) {
  if (depth > st->max_depth) return RK_ETOOBIG;
  switch (json_typeof(v)) {
    case JSON_OBJECT: {
      rk_buf_addc(out, '{');
      bool first = true;
      void *it = json_object_iter((json_t *)(uintptr_t)v);
      for (; it; it = json_object_iter_next((json_t *)(uintptr_t)v, it)) {
        if (!first) rk_buf_adds(out, st->comma);
        first = false;
        add_string(out, (rk_str){json_object_iter_key(it), json_object_iter_key_len(it)});
        rk_buf_adds(out, st->colon);
        rk_err err = add_value(out, json_object_iter_value(it), st, depth + 1);
        if (err) return err;
      }
      return rk_buf_addc(out, '}');
    }
    case JSON_ARRAY:
      rk_buf_addc(out, '[');
      for (size_t i = 0; i < json_array_size(v); i++) {
        if (i) rk_buf_adds(out, st->comma);
        rk_err err = add_value(out, json_array_get(v, i), st, depth + 1);
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

rk_err rk_json_dump_python(struct rk_buf *out, const json_t *v) {
  return add_value(out, v, &(struct style){", ", ": ", RK_MAX_JSON_DEPTH}, 0);
}

char *rk_json_dump(const json_t *v) {
  struct rk_buf out;
  rk_buf_init(&out, MAX_DUMP_BYTES);
  rk_err err = add_value(&out, v, &(struct style){",", ":", MAX_DUMP_DEPTH}, 0);
  RK_ASSERT(!err && out.p); /* what we made ourselves, or took within its limits */
  return out.p;
}
