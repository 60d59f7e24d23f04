#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli.h"

enum { FIRST_MS = 2000, EVERY_MS = 200, BAR = 24 };

void rk_progress_start(struct rk_progress *p, const char *label, int64_t total, bool bytes) {
  int64_t now = rk_mono_ms();
  *p = (struct rk_progress){.label = label, .total = total, .start_ms = now, .last_ms = now, .bytes = bytes};
}

static void amount(char out[32], double v, bool bytes) {
  if (!bytes) snprintf(out, 32, "%.0f", v);
  else if (v >= 1e9) snprintf(out, 32, "%.2f GB", v / 1e9);
  else snprintf(out, 32, "%.1f MB", v / 1e6);
}

static void draw(struct rk_progress *p, int64_t done, int64_t now) {
  char have[32], want[32], speed[32], bar[BAR + 1];
  double seconds = (double)(now - p->start_ms) / 1000.0, rate = seconds > 0 ? (double)done / seconds : 0;
  amount(have, (double)done, p->bytes);
  amount(speed, rate, p->bytes);
  if (p->total <= 0) {
    fprintf(stderr, "\r\033[K%s  %s  %s/s", p->label, have, speed);
    return;
  }
  amount(want, (double)p->total, p->bytes);
  int64_t full = done >= p->total ? BAR : done * BAR / p->total;
  for (int i = 0; i < BAR; i++) bar[i] = i < full ? '#' : '.';
  bar[BAR] = 0;
  int64_t left_s = rate > 0 ? (int64_t)((double)(p->total - done) / rate) : 0;
  fprintf(stderr, "\r\033[K%s [%s] %s of %s  %s/s  %lld:%02lld left", p->label, bar, have, want, speed,
          (long long)(left_s / 60), (long long)(left_s % 60));
}

void rk_progress_update(struct rk_progress *p, int64_t done) {
  int64_t now = rk_mono_ms();
  if (now - p->start_ms < FIRST_MS || now - p->last_ms < EVERY_MS || !isatty(STDERR_FILENO)) return;
  p->last_ms = now;
  p->shown = true;
  draw(p, done, now);
}

void rk_progress_end(struct rk_progress *p) {
  if (p->shown) fputs("\r\033[K", stderr);
  p->shown = false;
}
