#include "shop/csv.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

/* ---- encoding ---- */

static rk_err from_gbk(rk_str bytes, struct rk_buf *out, struct rk_error *e) {
  iconv_t cd = iconv_open("UTF-8", "GB18030");
  if (cd == (iconv_t)-1) return rk_fail(e, RK_EFORMAT, "the file is not UTF-8, and this system cannot read GBK; save it as UTF-8");
  char *in = (char *)(uintptr_t)bytes.p, piece[4096];
  size_t left = bytes.n;
  rk_err err = RK_OK;
  while (!err && left) {
    char *to = piece;
    size_t room = sizeof piece;
    size_t done = iconv(cd, &in, &left, &to, &room);
    if (done == (size_t)-1 && errno != E2BIG) err = rk_fail(e, RK_EFORMAT, "the file is neither UTF-8 nor GBK; save it as UTF-8");
    else if (rk_buf_add(out, piece, sizeof piece - room)) err = rk_fail(e, RK_ETOOBIG, "the file is too large");
  }
  iconv_close(cd);
  return err;
}

/* ---- cells ---- */

struct parser {
  struct rk_arena *arena;
  rk_str rest;
  int32_t line;
  struct rk_buf cell;
  struct rk_csv *out;
  int32_t room;                     /* rows that the cells have space for */
  struct rk_error *e;
};

static int peek(const struct parser *p, size_t at) { return at < p->rest.n ? (unsigned char)p->rest.p[at] : -1; }

static void step(struct parser *p, size_t n) {
  p->rest.p += n;
  p->rest.n -= n;
}

static rk_err take(struct parser *p, char c) { return rk_buf_add(&p->cell, &c, 1) ? rk_fail(p->e, RK_ETOOBIG, "line %d: a cell is too large", (int)p->line) : RK_OK; }

static rk_err quoted(struct parser *p) {
  int32_t began = p->line;
  rk_err err = RK_OK;
  for (step(p, 1); !err;) {
    int c = peek(p, 0);
    if (c < 0) return rk_fail(p->e, RK_EFORMAT, "line %d: a quoted cell is never closed", (int)began);
    if (c == '"' && peek(p, 1) != '"') break;
    step(p, c == '"' ? 2 : 1);
    if (c == '\n') p->line++;
    if (c != '\r') err = take(p, (char)c);
  }
  if (!err) step(p, 1);
  return err;
}

/* One cell; *ends: it is the last of its row. */
static rk_err next_cell(struct parser *p, bool *ends) {
  rk_err err = RK_OK;
  rk_buf_clear(&p->cell);
  while (peek(p, 0) == ' ') step(p, 1);
  if (peek(p, 0) == '"') err = quoted(p);
  for (int c; !err && (c = peek(p, 0)) >= 0 && c != ',' && c != '\n'; step(p, 1))
    if (c != '\r') err = take(p, (char)c);
  if (err) return err;
  *ends = peek(p, 0) != ',';
  if (peek(p, 0) == '\n') p->line++;
  if (p->rest.n) step(p, 1);
  return RK_OK;
}

static const char *keep(struct parser *p) {
  const char *text = rk_arena_dup(p->arena, rk_str_trim(rk_buf_str(&p->cell)));
  if (!text) rk_fail(p->e, RK_ETOOBIG, "the file is too large");
  return text;
}

static rk_err read_header(struct parser *p) {
  struct rk_csv *c = p->out;
  for (bool ends = false; !ends;) {
    rk_err err = next_cell(p, &ends);
    if (err) return err;
    if (c->n_columns == RK_MAX_CSV_COLUMNS) return rk_fail(p->e, RK_ETOOBIG, "line 1: more than %d columns", RK_MAX_CSV_COLUMNS);
    const char *name = keep(p);
    if (!name) return RK_ETOOBIG;
    for (char *x = (char *)(uintptr_t)name; *x; x++)
      if (*x >= 'A' && *x <= 'Z') *x = (char)(*x + 32);
    if (*name && rk_csv_column(c, name) >= 0) return rk_fail(p->e, RK_EFORMAT, "line 1: the column `%s` stands twice", name);
    c->columns[c->n_columns++] = name;
  }
  while (c->n_columns && !*c->columns[c->n_columns - 1]) c->n_columns--; /* a spreadsheet's empty columns */
  return c->n_columns ? RK_OK : rk_fail(p->e, RK_EFORMAT, "line 1: the first row names the columns");
}

/* Rows of nothing are left out. */
static rk_err read_row(struct parser *p) {
  struct rk_csv *c = p->out;
  const char **row = &c->cells[(size_t)c->n_rows * (size_t)c->n_columns];
  int32_t line = p->line, n = 0;
  bool any = false;
  for (bool ends = false; !ends; n++) {
    rk_err err = next_cell(p, &ends);
    if (err) return err;
    const char *text = keep(p);
    if (!text) return RK_ETOOBIG;
    any = any || *text;
    if (n < c->n_columns) row[n] = text;
    else if (*text) return rk_fail(p->e, RK_EFORMAT, "line %d: more cells than the %d columns of the first row", (int)line, (int)c->n_columns);
  }
  for (; n < c->n_columns; n++) row[n] = "";
  if (any) c->lines[c->n_rows++] = line;
  return RK_OK;
}

static int32_t count_lines(rk_str s) {
  int32_t n = 1;
  for (size_t i = 0; i < s.n; i++) n += s.p[i] == '\n';
  return n;
}

static rk_err parse(struct parser *p) {
  rk_err err = read_header(p);
  if (err) return err;
  p->room = count_lines(p->rest);
  if (p->room > RK_MAX_CSV_ROWS + 1) return rk_fail(p->e, RK_ETOOBIG, "more than %d rows", RK_MAX_CSV_ROWS);
  p->out->cells = rk_arena_array(p->arena, (size_t)p->room * (size_t)p->out->n_columns, sizeof *p->out->cells);
  p->out->lines = rk_arena_array(p->arena, (size_t)p->room, sizeof *p->out->lines);
  if (!p->out->cells || !p->out->lines) return rk_fail(p->e, RK_ETOOBIG, "the file is too large");
  while (!err && p->rest.n) err = read_row(p);
  return err;
}

rk_err rk_csv_parse(struct rk_arena *a, rk_str bytes, struct rk_csv *out, struct rk_error *e) {
  static const rk_str bom = {"\xef\xbb\xbf", 3};
  struct parser p = {.arena = a, .line = 1, .out = out, .e = e};
  struct rk_buf utf8;
  *out = (struct rk_csv){0};
  if (bytes.n > RK_MAX_CSV_BYTES) return rk_fail(e, RK_ETOOBIG, "the file is larger than %d bytes", RK_MAX_CSV_BYTES);
  if (memchr(bytes.p ? bytes.p : "", 0, bytes.n)) return rk_fail(e, RK_EFORMAT, "this is no text; save the sheet as CSV in UTF-8");
  rk_buf_init(&utf8, 2 * (size_t)RK_MAX_CSV_BYTES);
  rk_buf_init(&p.cell, 65536);
  rk_err err = RK_OK;
  if (rk_str_starts(bytes, bom)) bytes.p += bom.n, bytes.n -= bom.n;
  out->was_gbk = !rk_utf8_valid(bytes);
  if (out->was_gbk) err = from_gbk(bytes, &utf8, e);
  p.rest = out->was_gbk ? rk_buf_str(&utf8) : bytes;
  if (!err) err = parse(&p);
  rk_buf_release(&p.cell);
  rk_buf_release(&utf8);
  return err;
}

int32_t rk_csv_column(const struct rk_csv *c, const char *name) {
  for (int32_t i = 0; i < c->n_columns; i++)
    if (strcmp(c->columns[i], name) == 0) return i;
  return -1;
}
