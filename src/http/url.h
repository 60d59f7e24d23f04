/* url.h - the pure part of an incoming request: percent-decoding, route
 * patterns, cookies. Bytes in, slices out; fuzzed. */
#ifndef RK_HTTP_URL_H
#define RK_HTTP_URL_H

#include "base/arena.h"

enum { RK_MAX_ROUTE_PARAMS = 8 };

/* Percent-decodes into the arena. False: a broken escape, a NUL or not UTF-8. */
bool rk_url_decode(rk_str in, struct rk_arena *a, rk_str *out);

struct rk_url_params { rk_str name[RK_MAX_ROUTE_PARAMS], value[RK_MAX_ROUTE_PARAMS]; int32_t n; };
/* "/api/turns/:id/cancel" against a raw path; ":x" takes one segment that is
 * not empty, a final "*" (named "*") the rest, which may be empty. */
bool rk_route_match(const char *pattern, rk_str path, struct rk_url_params *out);

/* Value of a cookie in a Cookie header (RFC 6265 4.2), or the empty slice. */
rk_str rk_cookie_find(rk_str header, const char *name);

#endif
