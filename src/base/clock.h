/* clock.h - time, randomness and ids, through one place so that tests can move them.
 *
 * RUKOU_CLOCK=2026-11-23T10:00:00+08:00 starts the process at that time (it
 * ticks) and sets the zone; without it the system's clock and zone hold.
 * RUKOU_SEED=N makes rk_random() a fixed sequence (tests only).
 * Any thread. */
#ifndef RK_BASE_CLOCK_H
#define RK_BASE_CLOCK_H

#include "base/err.h"
#include "base/str.h"

struct rk_date {
  int year, month, day;           /* month and day from 1 */
  int hour, minute, second;
  int weekday;                    /* 0 = Sunday */
  int utc_offset_minutes;
};

/* Reads RUKOU_CLOCK and RUKOU_SEED; call once at start. */
rk_err rk_clock_init(struct rk_error *e) RK_MUST_USE;
int64_t rk_now_ms(void);   /* UTC, Unix epoch */
int64_t rk_mono_ms(void);  /* monotonic, never moved */
int64_t rk_mono_us(void);
void rk_sleep_ms(int64_t ms);
struct rk_date rk_local_date(int64_t utc_ms);           /* in the user's zone */
int64_t rk_date_ms(const struct rk_date *d);            /* inverse; fields are normalised */
void rk_date_iso(const struct rk_date *d, char out[11]);/* YYYY-MM-DD */
void rk_time_rfc3339(int64_t utc_ms, char out[32]);     /* UTC, "2026-11-23T02:00:00.000Z" */
bool rk_time_parse(rk_str rfc3339, int64_t *utc_ms, int *utc_offset_minutes); /* offset may be NULL */

/* Tests only, before other threads run: from now on the time is utc_ms, to be
 * set again at will, and stands still; rk_sleep_ms() does not wait but moves it
 * and the monotonic clock on. rk_random() becomes the sequence of seed. */
void rk_clock_simulate(int64_t utc_ms);
void rk_random_seed(uint64_t seed);

void rk_random(void *out, size_t n);   /* cryptographic unless RUKOU_SEED is set */
void rk_uuid7(char out[37]);           /* RFC 9562 version 7, lower case */

#endif
