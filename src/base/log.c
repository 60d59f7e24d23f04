#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static const char *const names[] = {"error", "warn", "info", "debug"};
static atomic_int threshold = -1;

void rk_log_level_set(enum rk_log_level level) { atomic_store(&threshold, (int)level); }

static int level_from_env(void) {
  const char *v = getenv("RUKOU_LOG");
  for (int i = 0; v && i < 4; i++)
    if (strcmp(v, names[i]) == 0) return i;
  return RK_LOG_WARN;
}

void rk_log(enum rk_log_level level, const char *module, const char *fmt, ...) {
  int max = atomic_load(&threshold);
  if (max < 0) atomic_store(&threshold, max = level_from_env());
  if ((int)level > max) return;
  char when[32], text[1024], line[1200];
  rk_time_rfc3339(rk_now_ms(), when);
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  for (char *c = text; *c; c++)
    if (*c == '\n' || *c == '\r') *c = ' ';
  int n = snprintf(line, sizeof line, "%s %s %s: %s\n", when, names[level], module, text);
  if (n > 0) fwrite(line, 1, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1, stderr);
}
