/* hours.h - when a shop is open, on the wall clock of its zone.
 *
 *   hours  = mon-fri 09:00-12:30 13:30-18:00, sat 22:00-02:00
 *   closed = 2026-12-25 2027-01-01..2027-01-03
 *
 * A span that ends at or before its start goes on into the next day; 24:00 is
 * midnight. A closed date takes away the spans that begin on it. Open is what
 * the wall clock says: an hour that it shows twice counts twice, one that it
 * leaves out is not there. Values; any thread. */
#ifndef RK_SHOP_HOURS_H
#define RK_SHOP_HOURS_H

#include "shop/zone.h"

enum { RK_MAX_SPANS = 4, RK_MAX_CLOSED = 64, RK_MAX_CLOSED_DAYS = 400 };

struct rk_hours {
  bool always;                                  /* nothing is said: open at all times */
  struct { int32_t from_min, to_min; } spans[7][RK_MAX_SPANS]; /* [weekday, 0 Sunday]; to_min up to 2880 */
  int32_t n_spans[7];
  struct { int32_t from, to; } closed[RK_MAX_CLOSED]; int32_t n_closed; /* days since the epoch, both included */
};

/* hours "": always open. RK_EFORMAT names what is wrong. */
rk_err rk_hours_parse(const char *hours, const char *closed, struct rk_hours *out, struct rk_error *e) RK_MUST_USE;
bool rk_hours_open(const struct rk_hours *h, const struct rk_zone *z, int64_t utc_ms);
/* The first full minute from utc_ms on at which it is open; utc_ms itself when it is. INT64_MAX: not within RK_MAX_CLOSED_DAYS. */
int64_t rk_hours_next(const struct rk_hours *h, const struct rk_zone *z, int64_t utc_ms);

/* The wall clock: the day since the epoch, and the minute of that day. */
struct rk_wall { int64_t day; int32_t minute; };
struct rk_wall rk_wall_of(const struct rk_zone *z, int64_t utc_ms);
static inline int32_t rk_wall_weekday(int64_t day) { return (int32_t)((day % 7 + 11) % 7); } /* 0 Sunday */
void rk_wall_date(int64_t day, char out[11]);   /* YYYY-MM-DD */

#endif
