#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static int64_t offset_ms;         /* added to the system clock */
static bool simulated;            /* then both clocks stand still between calls */
static int64_t simulated_ms, simulated_mono_ms;
static bool zone_fixed;
static int zone_minutes;
static bool seeded;
static uint64_t seed_state;
static pthread_mutex_t seed_lock = PTHREAD_MUTEX_INITIALIZER;

static int64_t clock_us(clockid_t id) {
  struct timespec ts;
  clock_gettime(id, &ts);
  return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

rk_err rk_clock_init(struct rk_error *e) {
  const char *at = getenv("RUKOU_CLOCK");
  if (at && *at) {
    int64_t ms;
    if (!rk_time_parse(rk_str_c(at), &ms, &zone_minutes))
      return rk_fail(e, RK_EINVAL, "RUKOU_CLOCK=%s is not a time; write 2026-11-23T10:00:00+08:00", at);
    offset_ms = ms - clock_us(CLOCK_REALTIME) / 1000;
    zone_fixed = true;
  }
  const char *seed = getenv("RUKOU_SEED");
  if (seed && *seed) {
    int64_t n;
    if (!rk_str_i64(rk_str_c(seed), &n)) return rk_fail(e, RK_EINVAL, "RUKOU_SEED=%s is not a whole number", seed);
    seeded = true;
    seed_state = (uint64_t)n;
  }
  return RK_OK;
}

void rk_clock_simulate(int64_t utc_ms) {
  simulated = true;
  simulated_ms = utc_ms;
}

void rk_random_seed(uint64_t seed) {
  seeded = true;
  seed_state = seed;
}

int64_t rk_now_ms(void) { return simulated ? simulated_ms : clock_us(CLOCK_REALTIME) / 1000 + offset_ms; }
int64_t rk_mono_us(void) { return simulated ? simulated_mono_ms * 1000 : clock_us(CLOCK_MONOTONIC); }
int64_t rk_mono_ms(void) { return rk_mono_us() / 1000; }

void rk_sleep_ms(int64_t ms) {
  if (simulated) {
    if (ms > 0) simulated_ms += ms, simulated_mono_ms += ms;
    return;
  }
  struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
  while (ms > 0 && nanosleep(&ts, &ts) != 0 && errno == EINTR) {}
}

struct rk_date rk_local_date(int64_t utc_ms) {
  int64_t sec = utc_ms / 1000 - (utc_ms % 1000 < 0);
  struct tm tm;
  int minutes = zone_minutes;
  if (zone_fixed) {
    time_t t = (time_t)(sec + (int64_t)minutes * 60);
    gmtime_r(&t, &tm);
  } else {
    time_t t = (time_t)sec;
    localtime_r(&t, &tm);
    minutes = (int)(tm.tm_gmtoff / 60);
  }
  return (struct rk_date){tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, tm.tm_wday, minutes};
}

int64_t rk_date_ms(const struct rk_date *d) {
  struct tm tm = {.tm_year = d->year - 1900, .tm_mon = d->month - 1, .tm_mday = d->day,
                  .tm_hour = d->hour, .tm_min = d->minute, .tm_sec = d->second};
  return ((int64_t)timegm(&tm) - (int64_t)d->utc_offset_minutes * 60) * 1000;
}

void rk_date_iso(const struct rk_date *d, char out[11]) {
  char text[40];
  snprintf(text, sizeof text, "%04d-%02d-%02d", d->year, d->month, d->day);
  memcpy(out, text, 10);
  out[10] = 0;
}

void rk_time_rfc3339(int64_t utc_ms, char out[32]) {
  int64_t ms = utc_ms % 1000;
  time_t t = (time_t)(utc_ms / 1000);
  if (ms < 0) ms += 1000, t--;
  struct tm tm;
  gmtime_r(&t, &tm);
  size_t n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
  snprintf(out + n, 32 - n, ".%03dZ", (int)ms);
}

/* Reads width digits at *at and steps over them. */
static bool digits(rk_str s, size_t *at, int width, int *out) {
  int v = 0;
  for (int i = 0; i < width; i++, (*at)++) {
    if (*at >= s.n || s.p[*at] < '0' || s.p[*at] > '9') return false;
    v = v * 10 + (s.p[*at] - '0');
  }
  *out = v;
  return true;
}

static bool literal(rk_str s, size_t *at, char c) { return *at < s.n && s.p[*at] == c && ++*at; }

bool rk_time_parse(rk_str s, int64_t *utc_ms, int *utc_offset_minutes) {
  struct rk_date d = {0};
  size_t at = 0;
  int ms = 0;
  if (!digits(s, &at, 4, &d.year) || !literal(s, &at, '-') || !digits(s, &at, 2, &d.month) || !literal(s, &at, '-') ||
      !digits(s, &at, 2, &d.day) || at >= s.n || (s.p[at] != 'T' && s.p[at] != ' '))
    return false;
  at++;
  if (!digits(s, &at, 2, &d.hour) || !literal(s, &at, ':') || !digits(s, &at, 2, &d.minute)) return false;
  if (literal(s, &at, ':')) {
    if (!digits(s, &at, 2, &d.second)) return false;
    if (literal(s, &at, '.')) {
      int scale = 100, n = 0;
      for (; at < s.n && s.p[at] >= '0' && s.p[at] <= '9'; at++, n++, scale /= 10) ms += (s.p[at] - '0') * scale;
      if (n == 0) return false;
    }
  }
  if (at < s.n && (s.p[at] == 'Z' || s.p[at] == 'z')) {
    at++;
  } else {
    int h, m, sign = literal(s, &at, '+') ? 1 : literal(s, &at, '-') ? -1 : 0;
    if (!sign || !digits(s, &at, 2, &h) || !literal(s, &at, ':') || !digits(s, &at, 2, &m) || h > 23 || m > 59) return false;
    d.utc_offset_minutes = sign * (h * 60 + m);
  }
  if (at != s.n || d.month < 1 || d.month > 12 || d.day < 1 || d.day > 31 || d.hour > 23 || d.minute > 59 || d.second > 60)
    return false;
  *utc_ms = rk_date_ms(&d) + ms;
  if (utc_offset_minutes) *utc_offset_minutes = d.utc_offset_minutes;
  return true;
}

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t next_seeded(void) {
  uint64_t z = seed_state += 0x9e3779b97f4a7c15ULL;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
  return z ^ z >> 31;
}

void rk_random(void *out, size_t n) {
  unsigned char *p = out;
  if (seeded) {
    pthread_mutex_lock(&seed_lock);
    for (size_t i = 0; i < n; i++) p[i] = (unsigned char)next_seeded();
    pthread_mutex_unlock(&seed_lock);
    return;
  }
  while (n > 0) {
    ssize_t got = getrandom(p, n, 0);
    if (got < 0) {
      RK_ASSERT(errno == EINTR);
      continue;
    }
    p += got;
    n -= (size_t)got;
  }
}

void rk_uuid7(char out[37]) {
  unsigned char b[16];
  rk_random(b, sizeof b);
  uint64_t ms = (uint64_t)rk_now_ms();
  for (int i = 0; i < 6; i++) b[i] = (unsigned char)(ms >> (40 - 8 * i));
  b[6] = (unsigned char)(0x70 | (b[6] & 0x0f));
  b[8] = (unsigned char)(0x80 | (b[8] & 0x3f));
  static const char hex[] = "0123456789abcdef";
  char *p = out;
  for (int i = 0; i < 16; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *p++ = '-';
    *p++ = hex[b[i] >> 4];
    *p++ = hex[b[i] & 15];
  }
  *p = 0;
}
