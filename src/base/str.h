/* str.h - slices of bytes, by value.
 *
 * An rk_str borrows: it owns nothing and is not NUL-terminated. */
#ifndef RK_BASE_STR_H
#define RK_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rk_str {
  const char *p;
  size_t n;
} rk_str;

#define RK_STR(lit) ((rk_str){"" lit, sizeof(lit) - 1})
#define RK_STR_ARG(s) (int)(s).n, (s).p /* for "%.*s" */

rk_str rk_str_c(const char *cstr); /* NULL gives the empty slice */
bool rk_str_eq(rk_str a, rk_str b);
bool rk_str_eq_c(rk_str a, const char *cstr);
bool rk_str_starts(rk_str s, rk_str prefix);
bool rk_str_ends(rk_str s, rk_str suffix);
rk_str rk_str_trim(rk_str s);                         /* ASCII white space, both ends */
ptrdiff_t rk_str_find(rk_str s, rk_str needle);       /* byte offset or -1 */
bool rk_str_cut(rk_str s, char sep, rk_str *before, rk_str *after); /* at the first sep; false: before = s */
bool rk_str_i64(rk_str s, int64_t *out);              /* whole slice, decimal, checked */
bool rk_str_f64(rk_str s, double *out);               /* whole slice, finite */

#endif
