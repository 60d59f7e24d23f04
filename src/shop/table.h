/* table.h - small tab-separated tables and `key = value` files, written by hand.
 *
 * A line that begins with # is a comment. Every row has exactly the given
 * number of columns. Cells are trimmed, NUL-terminated and live in the arena.
 * Limits: RK_MAX_TABLE_BYTES a file, RK_MAX_TABLE_ROWS rows. */
#ifndef RK_SHOP_TABLE_H
#define RK_SHOP_TABLE_H

#include "base/arena.h"
#include "base/buf.h"

enum { RK_MAX_TABLE_BYTES = 1048576, RK_MAX_TABLE_ROWS = 20000 };

struct rk_table {
  const char *path;
  int32_t n_rows, n_cols;
  const char **cells; /* [n_rows * n_cols] */
};

/* RK_ENOTFOUND, RK_EFORMAT (names file and line), RK_ETOOBIG. */
rk_err rk_table_load(struct rk_arena *a, const char *dir, const char *file, int32_t n_cols, struct rk_table *out,
                     struct rk_error *e) RK_MUST_USE;
static inline const char *rk_cell(const struct rk_table *t, int32_t row, int32_t col) { return t->cells[row * t->n_cols + col]; }
/* `key = value` lines as a table of two columns. */
rk_err rk_conf_load(struct rk_arena *a, const char *dir, const char *file, struct rk_table *out, struct rk_error *e) RK_MUST_USE;
/* The value of key; RK_EFORMAT names a key that is missing. */
rk_err rk_conf_get(const struct rk_table *t, const char *key, const char **value, struct rk_error *e) RK_MUST_USE;
/* "12.5" yuan -> 1250 minor units. False: no such amount. */
bool rk_amount_parse(const char *text, int64_t *minor);

#endif
