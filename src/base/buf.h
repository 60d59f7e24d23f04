/* buf.h - a growable byte buffer with a hard cap.
 *
 * The first failed append is sticky (b->err): append freely, look once at the
 * end. b->p is NUL-terminated whenever it is not NULL. */
#ifndef RK_BASE_BUF_H
#define RK_BASE_BUF_H

#include <stdarg.h>

#include "base/err.h"
#include "base/str.h"

struct rk_buf {
  char *p;
  size_t n;
  size_t cap;       /* allocated */
  size_t max_bytes; /* hard cap on n */
  rk_err err;       /* RK_OK, RK_ETOOBIG or RK_ENOMEM */
};

void rk_buf_init(struct rk_buf *b, size_t max_bytes);
void rk_buf_release(struct rk_buf *b);
void rk_buf_clear(struct rk_buf *b); /* keeps the memory, resets err */
rk_err rk_buf_add(struct rk_buf *b, const void *p, size_t n);
rk_err rk_buf_adds(struct rk_buf *b, const char *cstr);
rk_err rk_buf_addstr(struct rk_buf *b, rk_str s);
rk_err rk_buf_addc(struct rk_buf *b, char c);
rk_err rk_buf_addf(struct rk_buf *b, const char *fmt, ...) RK_PRINTF(2, 3);
rk_str rk_buf_str(const struct rk_buf *b);
char *rk_buf_detach(struct rk_buf *b); /* NUL-terminated, caller frees; "" when empty; NULL on err */
/* Reads a whole file of at most max_bytes. */
rk_err rk_buf_read_file(struct rk_buf *b, const char *path, struct rk_error *e) RK_MUST_USE;

#endif
