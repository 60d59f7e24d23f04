/* RFC 8785, JSON Canonicalization Scheme. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/utf8.h"
#include "json/number.h"

static const int64_t max_exact = 9007199254740991; /* 2^53 - 1, RFC 7493 section 2.2 */

/* ---- strings (3.2.2.2) ---- */

static void put_string(struct rk_buf *out, rk_str s) {
  rk_buf_addc(out, '"');
  for (size_t i = 0; i < s.n; i++) {
    unsigned char c = (unsigned char)s.p[i];
    switch (c) {
      case '"': rk_buf_adds(out, "\\\""); break;
      case '\\': rk_buf_adds(out, "\\\\"); break;
      case '\b': rk_buf_adds(out, "\\b"); break;
      case '\t': rk_buf_adds(out, "\\t"); break;
      case '\n': rk_buf_adds(out, "\\n"); break;
      case '\f': rk_buf_adds(out, "\\f"); break;
      case '\r': rk_buf_adds(out, "\\r"); break;
      default:
        if (c < 0x20) rk_buf_addf(out, "\\u%04x", c);
        else rk_buf_addc(out, (char)c);
    }
  }
  rk_buf_addc(out, '"');
}

/* ---- numbers (3.2.2.3: ECMA-262 Number::toString) ---- */

static void put_zeros(struct rk_buf *out, int n) {
  for (; n > 0; n--) rk_buf_addc(out, '0');
}

static void put_real(struct rk_buf *out, double v) {
  if (v == 0) {
    rk_buf_addc(out, '0'); /* also for -0 */
    return;
  }
  if (v < 0) rk_buf_addc(out, '-');
  struct rk_decimal d = rk_json_shortest(fabs(v));
  int k = (int)strlen(d.digits);
  if (k <= d.n && d.n <= 21) {
    rk_buf_adds(out, d.digits);
    put_zeros(out, d.n - k);
  } else if (0 < d.n && d.n <= 21) {
    rk_buf_addf(out, "%.*s.%s", d.n, d.digits, d.digits + d.n);
  } else if (-6 < d.n && d.n <= 0) {
    rk_buf_adds(out, "0.");
    put_zeros(out, -d.n);
    rk_buf_adds(out, d.digits);
  } else {
    rk_buf_addc(out, d.digits[0]);
    if (k > 1) rk_buf_addf(out, ".%s", d.digits + 1);
    rk_buf_addf(out, "e%+d", d.n - 1);
  }
}

/* ---- objects (3.2.3: names ordered by UTF-16 code units) ---- */

static int unit_rank(uint32_t cp) { return cp >= 0xe000 && cp <= 0xffff ? 2 : cp >= 0x10000 ? 1 : 0; }

static int by_utf16(const void *pa, const void *pb) {
  rk_str a = rk_str_c(*(const char *const *)pa), b = rk_str_c(*(const char *const *)pb);
  while (a.n && b.n) {
    uint32_t x = 0, y = 0;
    int nx = rk_utf8_next(a, &x), ny = rk_utf8_next(b, &y);
    RK_ASSERT(nx > 0 && ny > 0); /* jansson keeps only valid UTF-8 */
    if (x != y) {
      int rx = unit_rank(x), ry = unit_rank(y);
      return rx != ry ? rx - ry : x < y ? -1 : 1;
    }
    a = (rk_str){a.p + nx, a.n - (size_t)nx};
    b = (rk_str){b.p + ny, b.n - (size_t)ny};
  }
  return (a.n > 0) - (b.n > 0);
}

static rk_err put(struct rk_buf *out, const json_t *v, int depth);

static rk_err put_object(struct rk_buf *out, const json_t *v, int depth) {
  size_t n = json_object_size(v), i = 0;
  const char **names = calloc(n + 1, sizeof *names);
  if (!names) return RK_ENOMEM;
  for (void *it = json_object_iter((json_t *)(uintptr_t)v); it; it = json_object_iter_next((json_t *)(uintptr_t)v, it))
    names[i++] = json_object_iter_key(it);
  qsort(names, n, sizeof *names, by_utf16);
  rk_err err = RK_OK;
  rk_buf_addc(out, '{');
  for (i = 0; !err && i < n; i++) {
    if (i) rk_buf_addc(out, ',');
    put_string(out, rk_str_c(names[i]));
    rk_buf_addc(out, ':');
    err = put(out, json_object_get(v, names[i]), depth + 1);
  }
  rk_buf_addc(out, '}');
  free(names);
  return err;
}

static rk_err put_array(struct rk_buf *out, const json_t *v, int depth) {
  rk_err err = RK_OK;
  rk_buf_addc(out, '[');
  for (size_t i = 0; !err && i < json_array_size(v); i++) {
    if (i) rk_buf_addc(out, ',');
    err = put(out, json_array_get(v, i), depth + 1);
  }
  rk_buf_addc(out, ']');
  return err;
}

static rk_err put(struct rk_buf *out, const json_t *v, int depth) {
  if (depth > RK_MAX_JSON_DEPTH) return RK_ETOOBIG;
  switch (json_typeof(v)) {
    case JSON_OBJECT: return put_object(out, v, depth);
    case JSON_ARRAY: return put_array(out, v, depth);
    case JSON_STRING: put_string(out, (rk_str){json_string_value(v), json_string_length(v)}); break;
    case JSON_REAL: put_real(out, json_real_value(v)); break;
    case JSON_TRUE: rk_buf_adds(out, "true"); break;
    case JSON_FALSE: rk_buf_adds(out, "false"); break;
    case JSON_NULL: rk_buf_adds(out, "null"); break;
    case JSON_INTEGER:
      if (json_integer_value(v) > max_exact || json_integer_value(v) < -max_exact) return RK_EINVAL;
      rk_buf_addf(out, "%lld", (long long)json_integer_value(v));
  }
  return RK_OK;
}

rk_err rk_json_jcs(struct rk_buf *out, const json_t *v) {
  rk_err err = put(out, v, 0);
  return err ? err : out->err;
}
