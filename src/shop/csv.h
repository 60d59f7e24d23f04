/* csv.h - comma-separated values as spreadsheets write them (RFC 4180).
 *
 * Quoted cells may hold commas, quotes (doubled) and line breaks. The first row
 * names the columns. UTF-8 with or without a byte order mark, or GBK (GB 18030),
 * which is turned into UTF-8. Cells are trimmed, NUL-terminated, in the arena.
 * Limits: RK_MAX_CSV_BYTES, RK_MAX_CSV_ROWS, RK_MAX_CSV_COLUMNS. Pure; any thread. */
#ifndef RK_SHOP_CSV_H
#define RK_SHOP_CSV_H

#include "base/arena.h"
#include "base/buf.h"

enum { RK_MAX_CSV_BYTES = 33554432, RK_MAX_CSV_ROWS = 100000, RK_MAX_CSV_COLUMNS = 64 };

struct rk_csv {
  const char *columns[RK_MAX_CSV_COLUMNS]; int32_t n_columns; /* lower case */
  const char **cells;               /* [n_rows * n_columns] */
  int32_t *lines;                   /* [n_rows] where each row begins, from 1 */
  int32_t n_rows;
  bool was_gbk;
};

/* RK_EFORMAT (names the line), RK_ETOOBIG. A row shorter than the header is filled with "", a longer one is an error. */
rk_err rk_csv_parse(struct rk_arena *a, rk_str bytes, struct rk_csv *out, struct rk_error *e) RK_MUST_USE;
int32_t rk_csv_column(const struct rk_csv *c, const char *name); /* -1: none */
/* The cell of a column, "" when the column is -1. */
static inline const char *rk_csv_cell(const struct rk_csv *c, int32_t row, int32_t column) {
  return column < 0 ? "" : c->cells[(size_t)row * (size_t)c->n_columns + (size_t)column];
}

#endif
