#include "net/sfield.h"

#include <string.h>

enum { MAX_KEY_BYTES = 64, MAX_INTEGER_DIGITS = 15, MAX_FRACTION_DIGITS = 3 };

/* What is left to read; err is sticky, and nothing is read after it. */
struct reader { const char *p, *end; rk_err err; };

static char peek(const struct reader *r) { return r->err || r->p == r->end ? 0 : *r->p; }

static bool fail(struct reader *r, rk_err err) {
  if (!r->err) r->err = err;
  return false;
}

static bool take(struct reader *r, char c) {
  if (peek(r) != c || r->p == r->end) return false;
  r->p++;
  return true;
}

static bool expect(struct reader *r, char c) { return take(r, c) || fail(r, RK_EFORMAT); }

static void skip_spaces(struct reader *r) { while (take(r, ' ')) continue; }

static void skip_ows(struct reader *r) { while (take(r, ' ') || take(r, '\t')) continue; }

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
static bool is_alpha(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }
static bool is_key(char c) { return is_lower(c) || is_digit(c) || (c && strchr("_-.*", c)); }
static bool is_token(char c) { return is_alpha(c) || is_digit(c) || (c && strchr("!#$%&'*+-.^_`|~:/", c)); }
static bool is_base64(char c) { return is_alpha(c) || is_digit(c) || (c && strchr("+/=", c)); }

static rk_str run(struct reader *r, bool (*is)(char)) {
  const char *from = r->p;
  while (!r->err && r->p < r->end && is(*r->p)) r->p++;
  return (rk_str){from, (size_t)(r->p - from)};
}

static void read_key(struct reader *r, rk_str *key) {
  if (!is_lower(peek(r)) && peek(r) != '*') {
    fail(r, RK_EFORMAT);
    return;
  }
  *key = run(r, is_key);
  if (key->n > MAX_KEY_BYTES) fail(r, RK_ETOOBIG);
}

/* Section 4.2.4. */
static void read_number(struct reader *r, struct rk_sf_value *v) {
  const char *from = r->p;
  bool negative = take(r, '-');
  rk_str whole = run(r, is_digit);
  v->type = RK_SF_INTEGER;
  if (whole.n == 0 || whole.n > MAX_INTEGER_DIGITS) fail(r, RK_EFORMAT);
  if (take(r, '.')) {
    v->type = RK_SF_DECIMAL;
    rk_str fraction = run(r, is_digit);
    if (fraction.n == 0 || fraction.n > MAX_FRACTION_DIGITS || whole.n > MAX_INTEGER_DIGITS - MAX_FRACTION_DIGITS)
      fail(r, RK_EFORMAT);
  } else if (!r->err && rk_str_i64(whole, &v->integer) && negative) v->integer = -v->integer;
  v->text = (rk_str){from, (size_t)(r->p - from)};
}

/* Section 4.2.5: printable ASCII; a backslash only before a quote or a backslash. */
static void read_string(struct reader *r, struct rk_sf_value *v) {
  v->type = RK_SF_STRING;
  const char *from = ++r->p;
  while (r->p < r->end && *r->p != '"') {
    if (*r->p == '\\' && (++r->p == r->end || (*r->p != '"' && *r->p != '\\'))) fail(r, RK_EFORMAT);
    else if (*r->p < 0x20 || *r->p > 0x7e) fail(r, RK_EFORMAT);
    if (r->err) return;
    r->p++;
  }
  v->text = (rk_str){from, (size_t)(r->p - from)};
  expect(r, '"');
}

static void read_value(struct reader *r, struct rk_sf_value *v) {
  memset(v, 0, sizeof *v);
  char c = peek(r);
  if (c == '-' || is_digit(c)) read_number(r, v);
  else if (c == '"') read_string(r, v);
  else if (c == '*' || is_alpha(c)) {
    v->type = RK_SF_TOKEN;
    v->text = run(r, is_token);
  } else if (take(r, ':')) {
    v->type = RK_SF_BYTES;
    v->text = run(r, is_base64);
    expect(r, ':');
  } else if (take(r, '?')) {
    v->type = RK_SF_BOOL;
    v->integer = peek(r) == '1';
    if (!take(r, '1')) expect(r, '0');
  } else fail(r, RK_EFORMAT);
}

static void set_param(struct reader *r, struct rk_sf_params *out, rk_str key, const struct rk_sf_value *v) {
  int32_t i = 0;
  while (i < out->n && !rk_str_eq(out->p[i].key, key)) i++;
  if (i == RK_MAX_SF_PARAMS) {
    fail(r, RK_ETOOBIG);
    return;
  }
  out->p[i] = (struct rk_sf_param){key, *v};
  if (i == out->n) out->n++;
}

static void read_params(struct reader *r, struct rk_sf_params *out) {
  out->n = 0;
  while (!r->err && take(r, ';')) {
    rk_str key = {NULL, 0};
    struct rk_sf_value v = {RK_SF_BOOL, 1, {NULL, 0}};
    skip_spaces(r);
    read_key(r, &key);
    if (take(r, '=')) read_value(r, &v);
    if (!r->err) set_param(r, out, key, &v);
  }
}

/* Section 4.2.1.2, after the opening bracket. */
static void read_inner_list(struct reader *r, struct rk_sf_member *m) {
  m->is_list = true;
  for (;;) {
    skip_spaces(r);
    if (take(r, ')') || r->err) break;
    if (m->n_items == RK_MAX_SF_ITEMS) {
      fail(r, RK_ETOOBIG);
      return;
    }
    struct rk_sf_item *item = &m->items[m->n_items++];
    read_value(r, &item->value);
    read_params(r, &item->params);
    if (peek(r) != ' ' && peek(r) != ')') fail(r, RK_EFORMAT);
  }
  read_params(r, &m->params);
}

static void read_member(struct reader *r, struct rk_sf_member *m) {
  m->is_list = false;
  m->n_items = 0;
  m->params.n = 0;
  read_key(r, &m->key);
  if (take(r, '=')) {
    if (take(r, '(')) {
      read_inner_list(r, m);
      return;
    }
    read_value(r, &m->items[0].value);
  } else m->items[0].value = (struct rk_sf_value){RK_SF_BOOL, 1, {NULL, 0}};
  m->n_items = 1;
  read_params(r, &m->items[0].params);
}

/* Section 4.2.2. Each member is read into one place; found says whether it is to be kept. */
static rk_err each_member(rk_str field, struct rk_sf_member *m, void (*found)(struct rk_sf_member *m, void *ctx), void *ctx) {
  if (field.n > RK_MAX_SF_BYTES) return RK_ETOOBIG;
  rk_str trimmed = rk_str_trim(field);
  if (trimmed.n == 0) return RK_EFORMAT;
  struct reader r = {trimmed.p, trimmed.p + trimmed.n, RK_OK};
  for (int32_t n = 0; !r.err; n++) {
    if (n == RK_MAX_SF_MEMBERS) return RK_ETOOBIG;
    read_member(&r, m);
    skip_ows(&r);
    if (r.err) break;
    found(m, ctx);
    if (r.p == r.end) return RK_OK;
    expect(&r, ',');
    skip_ows(&r);
  }
  return r.err;
}

struct key_list { rk_str *keys; int32_t n; };

static void note_key(struct rk_sf_member *m, void *ctx) {
  struct key_list *l = ctx;
  for (int32_t i = 0; i < l->n; i++)
    if (rk_str_eq(l->keys[i], m->key)) return;
  l->keys[l->n++] = m->key;
}

rk_err rk_sf_keys(rk_str field, rk_str keys[RK_MAX_SF_MEMBERS], int32_t *n) {
  struct rk_sf_member m = {.n_items = 0};
  struct key_list l = {keys, 0};
  rk_err err = each_member(field, &m, note_key, &l);
  *n = err ? 0 : l.n;
  return err;
}

struct wanted { rk_str key; struct rk_sf_member *out; bool found; };

static void keep_member(struct rk_sf_member *m, void *ctx) {
  struct wanted *w = ctx;
  if (!rk_str_eq(w->key, m->key)) return;
  *w->out = *m;
  w->found = true;
}

rk_err rk_sf_member(rk_str field, rk_str key, struct rk_sf_member *out) {
  struct rk_sf_member m = {.n_items = 0};
  struct wanted w = {key, out, false};
  rk_err err = each_member(field, &m, keep_member, &w);
  return err ? err : w.found ? RK_OK : RK_ENOTFOUND;
}

const struct rk_sf_value *rk_sf_param(const struct rk_sf_params *p, const char *key) {
  for (int32_t i = 0; i < p->n; i++)
    if (rk_str_eq_c(p->p[i].key, key)) return &p->p[i].value;
  return NULL;
}

bool rk_sf_string(const struct rk_sf_value *v, char *out, size_t size) {
  size_t n = 0;
  if (v->type != RK_SF_STRING) return false;
  for (size_t i = 0; i < v->text.n; i++) {
    if (v->text.p[i] == '\\') i++;
    if (n + 1 >= size) return false;
    out[n++] = v->text.p[i];
  }
  out[n] = 0;
  return true;
}

static void write_value(struct rk_buf *out, const struct rk_sf_value *v) {
  switch (v->type) {
    case RK_SF_BOOL: rk_buf_adds(out, v->integer ? "?1" : "?0"); break;
    case RK_SF_INTEGER: rk_buf_addf(out, "%lld", (long long)v->integer); break;
    case RK_SF_STRING: rk_buf_addf(out, "\"%.*s\"", RK_STR_ARG(v->text)); break;
    case RK_SF_BYTES: rk_buf_addf(out, ":%.*s:", RK_STR_ARG(v->text)); break;
    case RK_SF_DECIMAL:
    case RK_SF_TOKEN: rk_buf_addstr(out, v->text); break;
  }
}

static void write_params(struct rk_buf *out, const struct rk_sf_params *p) {
  for (int32_t i = 0; i < p->n; i++) {
    rk_buf_addc(out, ';');
    rk_buf_addstr(out, p->p[i].key);
    if (p->p[i].value.type == RK_SF_BOOL && p->p[i].value.integer) continue;
    rk_buf_addc(out, '=');
    write_value(out, &p->p[i].value);
  }
}

rk_err rk_sf_write_member(struct rk_buf *out, const struct rk_sf_member *m) {
  if (m->is_list) rk_buf_addc(out, '(');
  for (int32_t i = 0; i < m->n_items; i++) {
    if (i > 0) rk_buf_addc(out, ' ');
    write_value(out, &m->items[i].value);
    write_params(out, &m->items[i].params);
  }
  if (m->is_list) rk_buf_addc(out, ')');
  write_params(out, &m->params);
  return out->err;
}

rk_err rk_sf_write_string(struct rk_buf *out, rk_str text) {
  rk_buf_addc(out, '"');
  for (size_t i = 0; i < text.n; i++) {
    char c = text.p[i];
    if (c < 0x20 || c > 0x7e) return RK_EFORMAT;
    if (c == '"' || c == '\\') rk_buf_addc(out, '\\');
    rk_buf_addc(out, c);
  }
  rk_buf_addc(out, '"');
  return out->err;
}
