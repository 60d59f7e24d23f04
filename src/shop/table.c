#include "shop/table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

static rk_err add_row(struct rk_arena *a, struct rk_table *t, rk_str line, char sep, int32_t line_no, struct rk_error *e) {
  if (t->n_rows == RK_MAX_TABLE_ROWS) return rk_fail(e, RK_ETOOBIG, "%s: more than %d rows", t->path, RK_MAX_TABLE_ROWS);
  rk_str rest = line, cell;
  for (int32_t col = 0; col < t->n_cols; col++) {
    bool last = col == t->n_cols - 1;
    bool cut = false;
    if (last && sep == '=') cell = rest; /* a value may be an address with a query */
    else cut = rk_str_cut(rest, sep, &cell, &rest);
    if (cut == last) return rk_fail(e, RK_EFORMAT, "%s:%d: %d columns are wanted", t->path, line_no, t->n_cols);
    const char *text = rk_arena_dup(a, rk_str_trim(cell));
    if (!text) return rk_fail(e, RK_ETOOBIG, "%s: too large", t->path);
    t->cells[t->n_rows * t->n_cols + col] = text;
  }
  t->n_rows++;
  return RK_OK;
}

static rk_err load(struct rk_arena *a, const char *dir, const char *file, char sep, int32_t n_cols, struct rk_table *out,
                   struct rk_error *e) {
  struct rk_buf text;
  rk_buf_init(&text, RK_MAX_TABLE_BYTES);
  *out = (struct rk_table){.n_cols = n_cols, .path = rk_arena_printf(a, "%s/%s", dir, file)};
  rk_err err = out->path ? rk_buf_read_file(&text, out->path, e) : rk_fail(e, RK_ETOOBIG, "%s: too large", file);
  if (!err && !rk_utf8_valid(rk_buf_str(&text))) err = rk_fail(e, RK_EFORMAT, "%s is not UTF-8", out->path);
  int32_t n_lines = 1;
  for (size_t i = 0; !err && i < text.n; i++) n_lines += text.p[i] == '\n';
  if (!err) out->cells = rk_arena_array(a, (size_t)n_lines * (size_t)n_cols, sizeof *out->cells);
  if (!err && !out->cells) err = rk_fail(e, RK_ETOOBIG, "%s: too large", out->path);
  rk_str rest = rk_buf_str(&text), line;
  for (int32_t line_no = 1; !err && rest.n; line_no++) {
    rk_str_cut(rest, '\n', &line, &rest);
    if (rk_str_trim(line).n == 0 || line.p[0] == '#') continue;
    err = add_row(a, out, line, sep, line_no, e);
  }
  rk_buf_release(&text);
  return err;
}

rk_err rk_table_load(struct rk_arena *a, const char *dir, const char *file, int32_t n_cols, struct rk_table *out,
                     struct rk_error *e) {
  return load(a, dir, file, '\t', n_cols, out, e);
}

rk_err rk_conf_load(struct rk_arena *a, const char *dir, const char *file, struct rk_table *out, struct rk_error *e) {
  return load(a, dir, file, '=', 2, out, e);
}

rk_err rk_conf_get(const struct rk_table *t, const char *key, const char **value, struct rk_error *e) {
  for (int32_t i = 0; i < t->n_rows; i++)
    if (strcmp(rk_cell(t, i, 0), key) == 0) {
      *value = rk_cell(t, i, 1);
      return RK_OK;
    }
  return rk_fail(e, RK_EFORMAT, "%s: `%s` is missing", t->path, key);
}

static bool all_digits(rk_str s) {
  for (size_t i = 0; i < s.n; i++)
    if (s.p[i] < '0' || s.p[i] > '9') return false;
  return s.n > 0;
}

bool rk_amount_parse(const char *text, int64_t *minor) {
  rk_str whole, part;
  int64_t units, cents = 0;
  bool dot = rk_str_cut(rk_str_c(text), '.', &whole, &part);
  if (!all_digits(whole) || !rk_str_i64(whole, &units) || units > 1000000000) return false;
  if (dot && (part.n > 2 || !all_digits(part) || !rk_str_i64(part, &cents))) return false;
  if (dot && part.n == 1) cents *= 10;
  *minor = units * 100 + cents;
  return true;
}
