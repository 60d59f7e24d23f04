#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

static const struct { int http; const char *api, *text; } errors[] = {
#define X(name, http, api, text) [RK_##name] = {http, api, text},
  RK_ERRORS(X)
#undef X
};

rk_err rk_fail(struct rk_error *e, rk_err code, const char *fmt, ...) {
  if (!e) return code;
  char text[sizeof e->msg * 2];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  e->code = code;
  for (char *c = text; *c; c++)
    if (*c == '\n' || *c == '\r') *c = ' ';
  rk_str s = rk_str_c(text);
  rk_utf8_copy(e->msg, sizeof e->msg, rk_utf8_valid(s) ? s : rk_str_c(rk_err_text(code)));
  return code;
}

int rk_err_http(rk_err code) { return errors[code].http; }
const char *rk_err_api(rk_err code) { return errors[code].api; }
const char *rk_err_text(rk_err code) { return errors[code].text; }

void rk_assert_failed(const char *expr, const char *file, int line) {
  fprintf(stderr, "rukou: bug: %s is false at %s:%d\n", expr, file, line);
  abort();
}
