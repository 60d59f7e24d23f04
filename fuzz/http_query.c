/* The pure part of an incoming request: escapes, route patterns, cookies. What
 * is decoded is UTF-8 without NUL; what is matched lies inside the input. */
#include <string.h>

#include "base/utf8.h"
#include "http/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool inside(rk_str part, rk_str whole) { return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const patterns[] = {"/", "/api/turns/:id/cancel", "/:a/:b/:c", "/v1/models/*", "/*"};
  rk_str in = {(const char *)data, size}, out;
  struct rk_arena *a = rk_arena_new(1 << 20);
  if (rk_url_decode(in, a, &out)) RK_ASSERT(out.n <= in.n && rk_utf8_valid(out) && (out.n == 0 || !memchr(out.p, 0, out.n)));
  struct rk_url_params p;
  for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
    if (rk_route_match(patterns[i], in, &p))
      for (int32_t k = 0; k < p.n; k++) RK_ASSERT(inside(p.value[k], in));
  RK_ASSERT(inside(rk_cookie_find(in, "rukou_1"), in));
  rk_arena_free(a);
  return 0;
}
