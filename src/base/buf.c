#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void rk_buf_init(struct rk_buf *b, size_t max_bytes) { *b = (struct rk_buf){.max_bytes = max_bytes}; }

void rk_buf_release(struct rk_buf *b) {
  free(b->p);
  *b = (struct rk_buf){.max_bytes = b->max_bytes};
}

void rk_buf_clear(struct rk_buf *b) {
  b->n = 0;
  b->err = RK_OK;
  if (b->p) b->p[0] = 0;
}

/* Room for n more bytes and the NUL. */
static rk_err reserve(struct rk_buf *b, size_t n) {
  if (b->err) return b->err;
  if (n > b->max_bytes || b->n > b->max_bytes - n) return b->err = RK_ETOOBIG;
  size_t need = b->n + n + 1;
  if (need <= b->cap) return RK_OK;
  size_t cap = b->cap ? b->cap : 64;
  while (cap < need) cap += cap / 2 + 16;
  char *p = realloc(b->p, cap);
  if (!p) return b->err = RK_ENOMEM;
  b->p = p;
  b->cap = cap;
  return RK_OK;
}

rk_err rk_buf_add(struct rk_buf *b, const void *p, size_t n) {
  rk_err err = reserve(b, n);
  if (err) return err;
  if (n) memcpy(b->p + b->n, p, n);
  b->n += n;
  b->p[b->n] = 0;
  return RK_OK;
}

rk_err rk_buf_adds(struct rk_buf *b, const char *cstr) { return rk_buf_add(b, cstr, strlen(cstr)); }
rk_err rk_buf_addstr(struct rk_buf *b, rk_str s) { return rk_buf_add(b, s.p, s.n); }
rk_err rk_buf_addc(struct rk_buf *b, char c) { return rk_buf_add(b, &c, 1); }

rk_err rk_buf_addf(struct rk_buf *b, const char *fmt, ...) {
  va_list ap, again;
  va_start(ap, fmt);
  va_copy(again, ap);
  int n = vsnprintf(NULL, 0, fmt, ap);
  va_end(ap);
  rk_err err = n < 0 ? RK_EINTERNAL : reserve(b, (size_t)n);
  if (!err) {
    vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
    b->n += (size_t)n;
  }
  va_end(again);
  return err;
}

rk_str rk_buf_str(const struct rk_buf *b) { return b->p ? (rk_str){b->p, b->n} : RK_STR(""); }

char *rk_buf_detach(struct rk_buf *b) {
  char *p = b->err ? NULL : b->p ? b->p : calloc(1, 1);
  if (b->err) free(b->p);
  *b = (struct rk_buf){.max_bytes = b->max_bytes};
  return p;
}

rk_err rk_buf_read_file(struct rk_buf *b, const char *path, struct rk_error *e) {
  FILE *f = fopen(path, "rb");
  if (!f) return rk_fail(e, errno == ENOENT ? RK_ENOTFOUND : RK_EIO, "%s: %s", path, strerror(errno));
  char piece[16384];
  size_t n;
  while ((n = fread(piece, 1, sizeof piece, f)) > 0 && !rk_buf_add(b, piece, n)) {}
  bool bad = ferror(f) != 0;
  fclose(f);
  if (bad) return rk_fail(e, RK_EIO, "%s: reading failed", path);
  if (b->err) return rk_fail(e, b->err, "%s: larger than %zu bytes", path, b->max_bytes);
  return RK_OK;
}
