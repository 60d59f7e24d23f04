/* zone.h - a time zone of the IANA database, for a shop's wall clock whatever
 * zone the process is in: TZif files (RFC 9636), their footer for the years
 * after the last listed change.
 *
 * Lives in the arena; any thread reads. Times are seconds since the epoch; a
 * local time is counted the same way on the zone's wall clock. */
#ifndef RK_SHOP_ZONE_H
#define RK_SHOP_ZONE_H

#include "base/arena.h"
#include "base/buf.h"

enum { RK_MAX_ZONE_BYTES = 65536, RK_MAX_ZONE_CHANGES = 4096 };

struct rk_zone;
/* name: "Europe/Berlin", of /usr/share/zoneinfo. RK_ENOTFOUND, RK_EINVAL, RK_EFORMAT. */
rk_err rk_zone_load(struct rk_arena *a, const char *name, const struct rk_zone **out, struct rk_error *e) RK_MUST_USE;
rk_err rk_zone_parse(struct rk_arena *a, rk_str tzif, const struct rk_zone **out, struct rk_error *e) RK_MUST_USE;
/* Always so far from UTC. NULL: the arena is full. */
const struct rk_zone *rk_zone_fixed(struct rk_arena *a, int32_t offset_s);

int32_t rk_zone_offset_s(const struct rk_zone *z, int64_t utc_s); /* local = UTC + offset */
/* A local time that the clock shows twice is its first; one that it leaves out is the moment of the change. */
int64_t rk_zone_utc_s(const struct rk_zone *z, int64_t local_s);

#endif
