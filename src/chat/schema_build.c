/* schema_build.c - a schema as an automaton of the JSON texts that are written
 * by it.
 *
 * A goal is a list of schemas that must hold for one value; each gets a rule,
 * and equal lists share it, so that recursion ends. A goal is taken apart into
 * ways: $ref and allOf add schemas, anyOf and oneOf choose one each. A way is
 * a list of plain schemas; per type of value their restrictions are put
 * together when the value is built. Values that enum or const list are judged
 * one by one, so whatever stands beside them is exact.
 *
 * oneOf means anyOf once its alternatives exclude each other: nothing that is
 * written by the one may fit another. That is tried by putting both together
 * and showing that no value is left. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/limits.h"
#include "chat/regex.h"
#include "chat/schema_parts.h"

enum { ARENA_BYTES = 1 << 25, EXCLUDE_DEPTH = 6, WAYS_MAX = RK_SCHEMA_MAX_ALTERNATIVES, STRINGS_MAX = 7, STEPS_MAX = 200000 };
enum type { T_NULL = 1, T_BOOLEAN = 2, T_INTEGER = 4, T_FRACTION = 8, T_STRING = 16, T_ARRAY = 32, T_OBJECT = 64, T_ALL = 127 };
typedef __int128 wide;
static const int64_t unit = 1000000000000000000;

struct parts {
  const json_t *p[RK_SCHEMA_MAX_PARTS];
  int n;
  unsigned sealed; /* bits: only its own properties, as it would be written */
  bool none;       /* false stands among them */
};
struct goal {
  const json_t *root; /* where $ref begins */
  struct parts parts;
  int32_t rule;
  const char *path;
};
struct compiler {
  const struct rk_schema *s;
  struct rk_builder *b;
  struct rk_arena *arena;
  struct rk_error *e;
  bool failed, python;
  struct goal *goals; /* [n_goals], RK_SCHEMA_MAX_GOALS */
  int32_t n_goals;
  int32_t any;        /* rule of any value, -1: not made */
  int32_t n_steps;
  const char *path;   /* of the goal that is being built */
  const json_t *root;
  rk_ex string_any, number_any, integer_any;
  json_t *object_only; /* what arguments must be, whatever their schema says */
};

struct ways { struct parts *w; int n, cap; };
/* What is still to be taken apart. */
struct pending {
  const json_t *schema; /* NULL: one of choice */
  const json_t *choice;
  struct pending *next;
  const struct pending *from; /* which schema led here */
  bool sealed;
};

static void refuse(struct compiler *c, const char *part, const char *what) {
  if (!c->failed) rk_fail(c->e, RK_EINVAL, "schema %s%s: %s", c->path, part, what);
  c->failed = true;
}

static bool busy(struct compiler *c) {
  if (++c->n_steps > STEPS_MAX) refuse(c, "", "it has too many combinations of alternatives");
  return c->failed;
}

/* ---- taking apart ---- */

static void take_apart(struct compiler *c, struct pending *todo, struct parts *have, struct ways *out);

static bool add_part(struct compiler *c, struct parts *to, const json_t *schema, bool sealed) {
  for (int i = 0; i < to->n; i++)
    if (to->p[i] == schema) {
      if (sealed) to->sealed |= 1u << i;
      return true;
    }
  if (to->n == RK_SCHEMA_MAX_PARTS) refuse(c, "", "too many schemas hold for one value");
  if (c->failed) return false;
  if (sealed) to->sealed |= 1u << to->n;
  to->p[to->n++] = schema;
  return true;
}

static void choose(struct compiler *c, const struct pending *at, struct parts *have, struct ways *out) {
  for (size_t i = 0; i < json_array_size(at->choice) && !c->failed; i++) {
    struct parts copy = *have;
    struct pending one = {.schema = json_array_get(at->choice, i), .next = at->next, .from = at->from, .sealed = at->sealed};
    take_apart(c, &one, &copy, out);
  }
}

static bool excludes(struct compiler *c, const json_t *schema, const json_t *list);

/* Beside $ref, allOf, anyOf, oneOf. */
static bool says_something(const json_t *schema) {
  static const char *const keys[] = {"type", "enum", "const", "properties", "required", "additionalProperties", "items", "prefixItems",
                                     "minItems", "maxItems", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
                                     "minLength", "maxLength", "pattern", "format"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    if (json_object_get(schema, keys[i])) return true;
  return false;
}

static void take_schema(struct compiler *c, const struct pending *at, struct parts *have, struct ways *out) {
  const json_t *s = at->schema, *ref = json_object_get(s, "$ref"), *all = json_object_get(s, "allOf"), *any = json_object_get(s, "anyOf"),
               *one = json_object_get(s, "oneOf");
  for (const struct pending *p = at->from; p; p = p->from)
    if (p->schema == s) {
      refuse(c, "", "a $ref leads back to itself and would never end");
      return;
    }
  if (says_something(s) && !add_part(c, have, s, at->sealed)) return;
  if (one && !json_object_get(s, "enum") && !json_object_get(s, "const") && !excludes(c, s, one))
    refuse(c, "/oneOf", "two alternatives may fit the same value, or it cannot be decided: use anyOf, or a required property whose values tell them apart");
  const size_t n = json_array_size(all) + 3;
  struct pending *list = rk_arena_array(c->arena, n, sizeof *list), *next = at->next;
  if (!list) refuse(c, "", "it is too large");
  if (c->failed) return;
  size_t k = 0;
  if (one) list[k] = (struct pending){.choice = one, .next = next, .from = at, .sealed = at->sealed}, next = &list[k++];
  if (any) list[k] = (struct pending){.choice = any, .next = next, .from = at, .sealed = at->sealed}, next = &list[k++];
  for (size_t i = json_array_size(all); i > 0; i--)
    list[k] = (struct pending){.schema = json_array_get(all, i - 1), .next = next, .from = at, .sealed = at->sealed}, next = &list[k++];
  if (ref) list[k] = (struct pending){.schema = rk_schema_resolve(c->root, json_string_value(ref)), .next = next, .from = at, .sealed = at->sealed}, next = &list[k++];
  take_apart(c, next, have, out);
}

static void add_way(struct compiler *c, struct ways *out, const struct parts *way) {
  if (out->n == WAYS_MAX) refuse(c, "", "more than 256 combinations of alternatives");
  if (out->n == out->cap && !c->failed) {
    int cap = out->cap ? 2 * out->cap : 4;
    struct parts *w = realloc(out->w, (size_t)cap * sizeof *w);
    if (!w) refuse(c, "", "out of memory");
    else out->w = w, out->cap = cap;
  }
  if (!c->failed) out->w[out->n++] = *way;
}

static void take_apart(struct compiler *c, struct pending *todo, struct parts *have, struct ways *out) {
  if (busy(c)) return;
  if (!todo) {
    add_way(c, out, have);
    return;
  }
  if (todo->choice) choose(c, todo, have, out);
  else if (json_is_true(todo->schema)) take_apart(c, todo->next, have, out);
  else if (json_is_object(todo->schema)) take_schema(c, todo, have, out);
}

/* The caller frees .w. */
static struct ways ways_of(struct compiler *c, const struct parts *parts, struct parts have) {
  struct ways out = {NULL, 0, 0};
  struct pending list[RK_SCHEMA_MAX_PARTS];
  if (c->failed || parts->none) return out;
  for (int i = parts->n; i > 0; i--)
    list[i - 1] = (struct pending){.schema = parts->p[i - 1], .next = i < parts->n ? &list[i] : NULL, .sealed = parts->sealed >> (i - 1) & 1};
  take_apart(c, parts->n ? &list[0] : NULL, &have, &out);
  return out;
}

/* ---- what the plain schemas of a way say together ---- */

static unsigned type_bit(const char *name) {
  static const struct { const char *name; unsigned bits; } table[] = {{"null", T_NULL}, {"boolean", T_BOOLEAN}, {"integer", T_INTEGER},
      {"number", T_INTEGER | T_FRACTION}, {"string", T_STRING}, {"array", T_ARRAY}, {"object", T_OBJECT}};
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (strcmp(name, table[i].name) == 0) return table[i].bits;
  return 0;
}

static unsigned types_of(const struct parts *w) {
  unsigned all = T_ALL;
  for (int i = 0; i < w->n; i++) {
    const json_t *type = json_object_get(w->p[i], "type");
    unsigned bits = type ? 0 : T_ALL;
    for (size_t k = 0; type && k < (json_is_array(type) ? json_array_size(type) : 1); k++)
      bits |= type_bit(json_string_value(json_is_array(type) ? json_array_get(type, k) : type));
    all &= bits;
  }
  return all;
}

/* The listed values, when the way lists any: of the first schema that does. */
static const json_t *listed(const struct parts *w, bool *one) {
  for (int i = 0; i < w->n; i++) {
    const json_t *c = json_object_get(w->p[i], "const"), *v = json_object_get(w->p[i], "enum");
    *one = c != NULL;
    if (c || v) return c ? c : v;
  }
  return NULL;
}

static bool fits_way(struct compiler *c, const struct parts *w, const json_t *v) {
  for (int i = 0; i < w->n; i++)
    if (!rk_schema_fits(c->s, c->root, w->p[i], v, true)) return false;
  return true;
}

static int64_t count(const struct parts *w, const char *key, bool most, int64_t none) {
  int64_t n = none;
  for (int i = 0; i < w->n; i++) {
    const json_t *v = json_object_get(w->p[i], key);
    double d = json_number_value(v);
    int64_t x = d > 1e15 ? (int64_t)1e15 : (int64_t)d;
    if (v && (n == none || (most ? x < n : x > n))) n = x;
  }
  return n;
}

/* ---- numbers ---- */

/* The decimal digits of d (shortest that read back the same) in units of
 * 10^-18, on the grid of 17 decimals, towards the inside. */
static wide units_of(double d, bool up) {
  char text[40];
  if (fabs(d) >= 1e18) return d < 0 ? -(wide)unit * unit : (wide)unit * unit;
  for (int digits = 0; digits <= 16; digits++) {
    snprintf(text, sizeof text, "%.*e", digits, d);
    if (strtod(text, NULL) == d) break;
  }
  wide v = 0;
  int n = 0, shift = atoi(strchr(text, 'e') + 1) + 17; /* of the first digit, in units of 10^-17 */
  for (const char *p = text; *p != 'e'; p++)
    if (*p >= '0' && *p <= '9') v = v * 10 + (*p - '0'), n++;
  bool inexact = false;
  for (shift -= n - 1; shift > 0; shift--) v *= 10;
  for (; shift < 0; shift++) inexact |= v % 10 != 0, v /= 10;
  if (d < 0) v = -v;
  if (inexact && up && d > 0) v++;
  if (inexact && !up && d < 0) v--;
  return v * 10;
}

static wide bound_of(const json_t *v, bool least, bool open, bool integer) {
  if (json_is_integer(v) && integer) return (wide)json_integer_value(v) + (open ? (least ? 1 : -1) : 0);
  double d = json_number_value(v);
  if (integer) {
    double w = least ? ceil(d) : floor(d);
    if (fabs(w) > 1e18) return w < 0 ? -(wide)unit : (wide)unit;
    return (wide)w + (open && w == d ? (least ? 1 : -1) : 0);
  }
  return units_of(open ? nextafter(d, least ? INFINITY : -INFINITY) : d, least);
}

static int64_t gcd(int64_t a, int64_t b) { return b ? gcd(b, a % b) : a; }

/* False: no bounds, the number is free. *none: there is no such number. */
static bool number_of(const struct parts *w, unsigned types, struct rk_number *n, bool *none) {
  static const struct { const char *key; bool least, open; } keys[] = {
      {"minimum", true, false}, {"exclusiveMinimum", true, true}, {"maximum", false, false}, {"exclusiveMaximum", false, true}};
  bool bounded = false;
  int64_t multiple = 1;
  for (int i = 0; i < w->n; i++) {
    int64_t m = (int64_t)json_number_value(json_object_get(w->p[i], "multipleOf"));
    if (m > 1 && multiple <= RK_SCHEMA_MAX_MULTIPLE) multiple = multiple / gcd(multiple, m) * m;
    if (m) types &= ~(unsigned)T_FRACTION; /* multiples of a whole number are whole */
  }
  n->integer = !(types & T_FRACTION);
  n->multiple = multiple;
  const wide most = n->integer ? (wide)unit - 1 : (wide)unit * unit - 10;
  n->low = -most;
  n->high = most;
  for (int i = 0; i < w->n; i++)
    for (size_t k = 0; k < 4; k++) {
      const json_t *v = json_object_get(w->p[i], keys[k].key);
      if (!v) continue;
      bounded = true;
      wide x = bound_of(v, keys[k].least, keys[k].open, n->integer);
      if (keys[k].least && x > n->low) n->low = x;
      if (!keys[k].least && x < n->high) n->high = x;
    }
  bounded |= multiple > 1;
  *none = bounded && (n->low > n->high || !rk_number_exists(n));
  return bounded;
}

static rk_ex regex(struct compiler *c, const char *pattern) {
  rk_ex x = 0;
  struct rk_error why;
  rk_err err = rk_regex(c->b, rk_str_c(pattern), RK_REGEX_WRITE, &x, &why);
  if (err) refuse(c, "", why.msg);
  return x;
}

#define DIGITS_AND_FRACTION "[1-9][0-9]{0,17}(\\.[0-9]{0,24}[1-9])?|0\\.[0-9]{0,24}[1-9]"

static rk_ex number_ex(struct compiler *c, const struct parts *w, unsigned types) {
  struct rk_number n;
  bool none;
  if (number_of(w, types, &n, &none)) return none ? rk_ex_never(c->b) : rk_ex_number(c->b, &n);
  if (n.integer) {
    if (!c->integer_any) c->integer_any = regex(c, "^(0|-?[1-9][0-9]{0,17})$");
    return c->integer_any;
  }
  if (!c->number_any) c->number_any = regex(c, "^(0|-?(" DIGITS_AND_FRACTION ")(e[+-]?[1-9][0-9]?)?)$");
  return c->number_any;
}

/* ---- strings ---- */

struct strings { struct rk_automaton *a[STRINGS_MAX]; const json_t *text[STRINGS_MAX]; size_t n; };

static const char *pattern_of(const json_t *text, bool format) { return format ? rk_schema_format(json_string_value(text)) : json_string_value(text); }

static void add_string(struct compiler *c, struct strings *s, const json_t *text, bool format) {
  struct rk_error why = {0};
  rk_str p = format ? rk_str_c(pattern_of(text, true)) : (rk_str){json_string_value(text), json_string_length(text)};
  if (s->n >= STRINGS_MAX - 1) refuse(c, "", "too many patterns hold for one string");
  if (c->failed) return;
  if (rk_regex_automaton(p, RK_REGEX_WRITE, &s->a[s->n], &why)) refuse(c, format ? "/format" : "/pattern", why.msg);
  else s->n++;
}

/* Patterns and formats of the way, and with them its length. */
static void strings_of(struct compiler *c, const struct parts *w, struct strings *s) {
  s->n = 0;
  for (int i = 0; i < w->n; i++) {
    const json_t *pattern = json_object_get(w->p[i], "pattern"), *format = json_object_get(w->p[i], "format");
    if (pattern) add_string(c, s, pattern, false);
    if (format && rk_schema_format(json_string_value(format))) add_string(c, s, format, true);
  }
  int64_t min = count(w, "minLength", false, 0), max = count(w, "maxLength", true, -1);
  if (c->failed || s->n == 0 || (min == 0 && max < 0)) return;
  struct rk_builder *b = rk_builder_new();
  int32_t bad, rule = b ? rk_rule_new(b, 0) : 0;
  if (b) rk_rule_define(b, rule, rk_ex_json_chars(b, min, max));
  if (!b || rk_automaton_new(b, rule, &(struct rk_automaton_opts){.max_depth = 1}, &s->a[s->n], &bad)) refuse(c, "", "no string has such a length");
  else s->n++;
  rk_builder_free(b);
}

static void release_strings(struct strings *s) {
  for (size_t i = 0; i < s->n; i++) rk_automaton_free(s->a[i]);
}

static bool lengths_meet(const struct parts *w) {
  int64_t max = count(w, "maxLength", true, -1);
  return max < 0 || count(w, "minLength", false, 0) <= max;
}

static rk_ex string_inside(struct compiler *c, const struct parts *w) {
  struct strings s;
  if (!lengths_meet(w)) return rk_ex_never(c->b);
  strings_of(c, w, &s);
  rk_ex x = 0;
  if (c->failed) x = 0;
  else if (s.n == 0) x = rk_ex_json_chars(c->b, count(w, "minLength", false, 0), count(w, "maxLength", true, -1));
  else x = rk_ex_common(c->b, s.a, s.n);
  if (!c->failed && rk_builder_err(c->b)) refuse(c, "", "its pattern is too complex together with its lengths or other patterns");
  release_strings(&s);
  return x;
}

static rk_ex quoted(struct compiler *c, rk_ex inside) {
  return rk_ex_seq(c->b, rk_ex_seq(c->b, rk_ex_text(c->b, RK_STR("\"")), inside), rk_ex_text(c->b, RK_STR("\"")));
}

static rk_ex any_string(struct compiler *c) {
  if (!c->string_any) c->string_any = quoted(c, rk_ex_json_chars(c->b, 0, -1));
  return c->string_any;
}

static rk_ex string_ex(struct compiler *c, const struct parts *w) {
  static const char *const keys[] = {"pattern", "format", "minLength", "maxLength"};
  for (int i = 0; i < w->n; i++)
    for (size_t k = 0; k < 4; k++)
      if (json_object_get(w->p[i], keys[k])) return quoted(c, string_inside(c, w));
  return any_string(c);
}

/* ---- literals ---- */

static void spell_number(struct rk_buf *out, const json_t *v) {
  if (json_is_integer(v)) rk_buf_addf(out, "%lld", (long long)json_integer_value(v));
  else if (rk_json_jcs(out, v)) out->err = RK_ETOOBIG;
}

static void spell(struct compiler *c, struct rk_buf *out, const json_t *v) {
  const char *comma = c->python ? ", " : ",", *colon = c->python ? ": " : ":";
  if (json_is_number(v)) {
    spell_number(out, v);
  } else if (json_is_array(v)) {
    rk_buf_addc(out, '[');
    for (size_t i = 0; i < json_array_size(v); i++) {
      if (i) rk_buf_adds(out, comma);
      spell(c, out, json_array_get(v, i));
    }
    rk_buf_addc(out, ']');
  } else if (json_is_object(v)) {
    rk_buf_addc(out, '{');
    bool first = true;
    for (void *it = json_object_iter((json_t *)(uintptr_t)v); it; it = json_object_iter_next((json_t *)(uintptr_t)v, it)) {
      if (!first) rk_buf_adds(out, comma);
      first = false;
      json_t *key = json_stringn_nocheck(json_object_iter_key(it), json_object_iter_key_len(it));
      if (key) spell(c, out, key);
      json_decref(key);
      rk_buf_adds(out, colon);
      spell(c, out, json_object_iter_value(it));
    }
    rk_buf_addc(out, '}');
  } else if (rk_json_dump_python(out, v) && !out->err) {
    out->err = RK_ETOOBIG;
  }
}

static char *spelled(struct compiler *c, const json_t *v, rk_str *out) {
  struct rk_buf b;
  rk_buf_init(&b, RK_MAX_SCHEMA_BYTES);
  spell(c, &b, v);
  size_t n = b.n;
  char *text = rk_buf_detach(&b), *kept = text ? rk_arena_dup(c->arena, (rk_str){text, n}) : NULL;
  free(text);
  if (!kept) refuse(c, "", "a value is too large");
  *out = (rk_str){kept, n};
  return kept;
}

static bool fits_goal(struct compiler *c, const struct goal *g, const struct parts *w, const json_t *v) {
  if (!fits_way(c, w, v)) return false;
  for (int i = 0; i < g->parts.n; i++)
    if (!rk_schema_fits(c->s, c->root, g->parts.p[i], v, false)) return false;
  return true;
}

static rk_ex listed_ex(struct compiler *c, const struct goal *g, const struct parts *w, const json_t *values, bool one) {
  size_t n = one ? 1 : json_array_size(values), k = 0;
  rk_str *words = rk_arena_array(c->arena, n + 1, sizeof *words);
  if (!words) refuse(c, "", "its values are too large");
  for (size_t i = 0; i < n && !c->failed; i++) {
    const json_t *v = one ? values : json_array_get(values, i);
    if (fits_goal(c, g, w, v) && spelled(c, v, &words[k])) k++;
  }
  return c->failed ? 0 : rk_ex_words(c->b, words, k);
}

/* ---- goals ---- */

static int32_t any_rule(struct compiler *c);

static const char *path_at(struct compiler *c, const char *part, const char *key) {
  char *p = rk_arena_printf(c->arena, "%.200s/%s%s%.60s", c->path, part, key[0] ? "/" : "", key);
  return p ? p : c->path;
}

static int32_t goal_rule(struct compiler *c, const struct parts *parts, const char *path) {
  if (c->failed) return 0;
  if (parts->n == 0 && !parts->none) return any_rule(c);
  for (int32_t i = 0; i < c->n_goals; i++) {
    const struct goal *g = &c->goals[i];
    if (g->root == c->root && g->parts.n == parts->n && g->parts.none == parts->none &&
        memcmp(g->parts.p, parts->p, (size_t)parts->n * sizeof *parts->p) == 0)
      return g->rule;
  }
  if (c->n_goals == RK_SCHEMA_MAX_GOALS) refuse(c, "", "the schema is too large");
  if (c->failed) return 0;
  struct goal *g = &c->goals[c->n_goals++];
  *g = (struct goal){.root = c->root, .parts = *parts, .rule = rk_rule_new(c->b, 0), .path = path};
  return g->rule;
}

/* Adds a schema of a child; true and {} say nothing. */
static void add_child(struct compiler *c, struct parts *to, const json_t *schema) {
  if (json_is_false(schema)) to->none = true;
  else if (json_object_size(schema) > 0) add_part(c, to, schema, false);
}

/* ---- arrays ---- */

static size_t prefix_length(const struct parts *w) {
  size_t n = 0;
  for (int i = 0; i < w->n; i++) {
    size_t k = json_array_size(json_object_get(w->p[i], "prefixItems"));
    if (k > n) n = k;
  }
  return n;
}

static struct parts item_parts(struct compiler *c, const struct parts *w, size_t at) {
  struct parts out = {.n = 0};
  for (int i = 0; i < w->n; i++) {
    const json_t *prefix = json_object_get(w->p[i], "prefixItems");
    add_child(c, &out, at < json_array_size(prefix) ? json_array_get(prefix, at) : json_object_get(w->p[i], "items"));
  }
  return out;
}

static rk_ex item_ex(struct compiler *c, const struct parts *w, size_t at) {
  struct parts parts = item_parts(c, w, at);
  return rk_ex_rule(c->b, goal_rule(c, &parts, path_at(c, "items", "")));
}

static rk_ex array_ex(struct compiler *c, const struct parts *w) {
  struct rk_builder *b = c->b;
  const int64_t min = count(w, "minItems", false, 0), max = count(w, "maxItems", true, -1);
  const int64_t k = (int64_t)prefix_length(w);
  const rk_ex comma = rk_ex_text(b, c->python ? RK_STR(", ") : RK_STR(","));
  if (max >= 0 && min > max) return rk_ex_never(b);
  /* from behind: the items after the prefix, then the prefix, item by item */
  rk_ex item = item_ex(c, w, (size_t)k), more = rk_ex_seq(b, comma, item), tail;
  const int64_t first = k ? k : 1; /* items in front of the repetition */
  if (max >= 0 && max <= first) tail = rk_ex_empty(b);
  else tail = rk_ex_repeat(b, more, min > first ? min - first : 0, max < 0 ? -1 : max - first);
  if (k == 0) {
    tail = rk_ex_seq(b, item, tail);
    if (min == 0) tail = rk_ex_alt(b, tail, rk_ex_empty(b));
    if (max == 0) tail = rk_ex_empty(b);
  }
  for (int64_t i = k - 1; i >= 0; i--) {
    if (max >= 0 && i >= max) {
      tail = rk_ex_empty(b);
      continue;
    }
    rk_ex x = item_ex(c, w, (size_t)i);
    if (i) x = rk_ex_seq(b, comma, x);
    x = rk_ex_seq(b, x, tail);
    tail = i >= min ? rk_ex_alt(b, x, rk_ex_empty(b)) : x;
  }
  return rk_ex_seq(b, rk_ex_seq(b, rk_ex_text(b, RK_STR("[")), tail), rk_ex_text(b, RK_STR("]")));
}

/* ---- objects ---- */

struct property { rk_str key; bool required; };
struct object { struct property p[RK_SCHEMA_MAX_PROPERTIES]; int n; };

static struct property *find_property(struct object *o, rk_str key) {
  for (int i = 0; i < o->n; i++)
    if (rk_str_eq(o->p[i].key, key)) return &o->p[i];
  return NULL;
}

static struct property *add_property(struct compiler *c, struct object *o, rk_str key) {
  struct property *p = find_property(o, key);
  if (p) return p;
  if (o->n == RK_SCHEMA_MAX_PROPERTIES) refuse(c, "", "more than 256 properties");
  if (c->failed) return NULL;
  o->p[o->n] = (struct property){.key = key};
  return &o->p[o->n++];
}

/* Declared properties in their order, then names that are only required. */
static void object_of(struct compiler *c, const struct parts *w, struct object *o) {
  o->n = 0;
  for (int i = 0; i < w->n; i++) {
    const json_t *properties = json_object_get(w->p[i], "properties");
    for (void *it = json_object_iter((json_t *)(uintptr_t)properties); it; it = json_object_iter_next((json_t *)(uintptr_t)properties, it))
      add_property(c, o, (rk_str){json_object_iter_key(it), json_object_iter_key_len(it)});
  }
  for (int i = 0; i < w->n; i++) {
    const json_t *required = json_object_get(w->p[i], "required");
    for (size_t k = 0; k < json_array_size(required) && !c->failed; k++) {
      const json_t *v = json_array_get(required, k);
      struct property *p = add_property(c, o, (rk_str){json_string_value(v), json_string_length(v)});
      if (p) p->required = true;
    }
  }
}

static struct parts property_parts(struct compiler *c, const struct parts *w, rk_str key) {
  struct parts out = {.n = 0};
  for (int i = 0; i < w->n; i++) {
    const json_t *own = json_object_getn(json_object_get(w->p[i], "properties"), key.p, key.n);
    add_child(c, &out, own ? own : json_object_get(w->p[i], "additionalProperties"));
  }
  return out;
}

/* What further keys hold; false: none are written. Where additionalProperties
 * stands nowhere it counts as false, unless nothing else about keys does either. */
static bool further_parts(struct compiler *c, const struct parts *w, struct parts *out) {
  bool given = false, declares = false;
  *out = (struct parts){.n = 0};
  for (int i = 0; i < w->n; i++) {
    const json_t *more = json_object_get(w->p[i], "additionalProperties");
    given |= more != NULL;
    declares |= json_object_get(w->p[i], "properties") || json_object_get(w->p[i], "required");
    add_child(c, out, more);
  }
  return !out->none && (given || !declares);
}

static rk_ex further_ex(struct compiler *c, const struct object *o, const struct parts *parts) {
  rk_str *words = rk_arena_array(c->arena, (size_t)o->n + 1, sizeof *words);
  if (!words) refuse(c, "", "its properties are too large");
  for (int i = 0; i < o->n && !c->failed; i++) {
    json_t *key = json_stringn_nocheck(o->p[i].key.p, o->p[i].key.n);
    rk_str s = {0};
    if (key) spelled(c, key, &s);
    json_decref(key);
    if (!c->failed) words[i] = (rk_str){s.p + 1, s.n - 2};
  }
  if (c->failed) return 0;
  rk_ex key = o->n ? quoted(c, rk_ex_other_words(c->b, words, (size_t)o->n)) : any_string(c);
  rk_ex value = rk_ex_rule(c->b, goal_rule(c, parts, path_at(c, "additionalProperties", "")));
  return rk_ex_seq(c->b, rk_ex_seq(c->b, key, rk_ex_text(c->b, c->python ? RK_STR(": ") : RK_STR(":"))), value);
}

static rk_ex property_ex(struct compiler *c, const struct parts *w, const struct property *p) {
  struct parts parts = property_parts(c, w, p->key);
  json_t *key = json_stringn_nocheck(p->key.p, p->key.n);
  char name[64];
  snprintf(name, sizeof name, "%.*s", p->key.n > 60 ? 60 : RK_STR_ARG(p->key));
  rk_str s = {0};
  if (key) spelled(c, key, &s);
  json_decref(key);
  if (c->failed) return 0;
  rk_ex x = rk_ex_seq(c->b, rk_ex_text(c->b, s), rk_ex_text(c->b, c->python ? RK_STR(": ") : RK_STR(":")));
  return rk_ex_seq(c->b, x, rk_ex_rule(c->b, goal_rule(c, &parts, path_at(c, "properties", name))));
}

/* From behind: `first` when nothing stands before, `more` behind a comma. */
static rk_ex object_ex(struct compiler *c, const struct parts *w) {
  struct rk_builder *b = c->b;
  struct object *o = rk_arena_alloc(c->arena, sizeof *o);
  struct parts further;
  if (!o) refuse(c, "", "it is too large");
  if (c->failed) return 0;
  object_of(c, w, o);
  const rk_ex comma = rk_ex_text(b, c->python ? RK_STR(", ") : RK_STR(","));
  rk_ex first = rk_ex_empty(b), more = first;
  if (further_parts(c, w, &further)) {
    rk_ex entry = further_ex(c, o, &further);
    more = rk_ex_repeat(b, rk_ex_seq(b, comma, entry), 0, -1);
    first = rk_ex_alt(b, rk_ex_seq(b, entry, more), first);
  }
  for (int i = o->n - 1; i >= 0 && !c->failed; i--) {
    rk_ex x = property_ex(c, w, &o->p[i]);
    rk_ex with_first = rk_ex_seq(b, x, more), with_more = rk_ex_seq(b, rk_ex_seq(b, comma, x), more);
    first = o->p[i].required ? with_first : rk_ex_alt(b, first, with_first);
    more = o->p[i].required ? with_more : rk_ex_alt(b, more, with_more);
  }
  return rk_ex_seq(b, rk_ex_seq(b, rk_ex_text(b, RK_STR("{")), first), rk_ex_text(b, RK_STR("}")));
}

/* ---- values ---- */

/* A container is a rule of its own, which counts a level. */
static rk_ex level(struct compiler *c, rk_ex x) {
  int32_t rule = rk_rule_new(c->b, 1);
  rk_rule_define(c->b, rule, x);
  return rk_ex_rule(c->b, rule);
}

static rk_ex add_alternative(struct compiler *c, rk_ex x, rk_ex y) { return x < 0 ? y : rk_ex_alt(c->b, x, y); }

static rk_ex way_ex(struct compiler *c, const struct goal *g, const struct parts *w) {
  bool one;
  const json_t *values = listed(w, &one);
  const unsigned types = types_of(w);
  rk_ex x = -1;
  if (values) return listed_ex(c, g, w, values, one);
  if (types & T_OBJECT) x = add_alternative(c, x, level(c, object_ex(c, w)));
  if (types & T_ARRAY) x = add_alternative(c, x, level(c, array_ex(c, w)));
  if (types & T_STRING) x = add_alternative(c, x, string_ex(c, w));
  if (types & (T_INTEGER | T_FRACTION)) x = add_alternative(c, x, number_ex(c, w, types));
  if (types & T_BOOLEAN) x = add_alternative(c, x, rk_ex_alt(c->b, rk_ex_text(c->b, RK_STR("true")), rk_ex_text(c->b, RK_STR("false"))));
  if (types & T_NULL) x = add_alternative(c, x, rk_ex_text(c->b, RK_STR("null")));
  return x < 0 ? rk_ex_never(c->b) : x;
}

static void build_goal(struct compiler *c, int32_t at) {
  const struct goal g = c->goals[at];
  c->path = g.path;
  c->root = g.root;
  struct ways ways = ways_of(c, &g.parts, (struct parts){.n = 0});
  rk_ex x = -1;
  for (int i = 0; i < ways.n && !c->failed; i++) x = add_alternative(c, x, way_ex(c, &g, &ways.w[i]));
  free(ways.w);
  if (!c->failed) rk_rule_define(c->b, g.rule, x < 0 ? rk_ex_never(c->b) : x);
}

static int32_t any_rule(struct compiler *c) {
  if (c->any < 0) {
    struct parts none = {.n = 0};
    c->any = rk_rule_new(c->b, 0);
    rk_rule_define(c->b, c->any, way_ex(c, NULL, &none));
  }
  return c->any;
}

/* ---- alternatives that exclude each other ---- */

static bool nothing_fits(struct compiler *c, const struct parts *parts, struct parts have, int depth);

/* Whether a key can be written at all by the sealed schemas of the way. */
static bool sealed_out(struct compiler *c, const struct parts *w, rk_str key) {
  struct parts own = {.n = 0};
  for (int i = 0; i < w->n; i++)
    if (w->sealed >> i & 1) add_part(c, &own, w->p[i], false);
  struct object *o = rk_arena_alloc(c->arena, sizeof *o);
  struct parts further;
  if (!o || own.n == 0) return false;
  object_of(c, &own, o);
  return !find_property(o, key) && !further_parts(c, &own, &further);
}

static bool no_object(struct compiler *c, const struct parts *w, int depth) {
  struct object *o = rk_arena_alloc(c->arena, sizeof *o);
  if (!o) return false;
  object_of(c, w, o);
  for (int i = 0; i < o->n && !c->failed; i++) {
    if (!o->p[i].required) continue;
    struct parts parts = property_parts(c, w, o->p[i].key);
    if (sealed_out(c, w, o->p[i].key) || nothing_fits(c, &parts, (struct parts){.n = 0}, depth + 1)) return true;
  }
  return false;
}

static bool no_array(struct compiler *c, const struct parts *w, int depth) {
  int64_t min = count(w, "minItems", false, 0), max = count(w, "maxItems", true, -1), k = (int64_t)prefix_length(w);
  if (max >= 0 && min > max) return true;
  for (int64_t i = 0; i < min && i <= k && !c->failed; i++) {
    struct parts parts = item_parts(c, w, (size_t)i);
    if (nothing_fits(c, &parts, (struct parts){.n = 0}, depth + 1)) return true;
  }
  return false;
}

static bool no_string(struct compiler *c, const struct parts *w) {
  struct strings s;
  if (!lengths_meet(w)) return true;
  strings_of(c, w, &s);
  bool none = !c->failed && s.n > 1 && rk_automata_exclude(s.a, s.n);
  release_strings(&s);
  return none;
}

static bool no_way(struct compiler *c, const struct parts *w, int depth) {
  bool one, none = false;
  const json_t *values = listed(w, &one);
  const unsigned types = types_of(w);
  struct rk_number n;
  if (values) {
    for (size_t i = 0; i < (one ? 1 : json_array_size(values)); i++)
      if (fits_way(c, w, one ? values : json_array_get(values, i))) return false;
    return true;
  }
  if (types & (T_NULL | T_BOOLEAN)) return false;
  if (types & (T_INTEGER | T_FRACTION) && !(number_of(w, types, &n, &none) && none)) return false;
  if (types & T_STRING && !no_string(c, w)) return false;
  if (types & T_ARRAY && !no_array(c, w, depth)) return false;
  return !(types & T_OBJECT) || no_object(c, w, depth);
}

/* False also where it cannot be told. */
static bool nothing_fits(struct compiler *c, const struct parts *parts, struct parts have, int depth) {
  if (depth > EXCLUDE_DEPTH || c->failed) return false;
  struct ways ways = ways_of(c, parts, have);
  bool none = true;
  for (int i = 0; i < ways.n && !c->failed && none; i++) none = no_way(c, &ways.w[i], depth);
  free(ways.w);
  return none && !c->failed;
}

/* What is written by one alternative may not fit another. */
static bool excludes(struct compiler *c, const json_t *schema, const json_t *list) {
  for (size_t i = 0; i < json_array_size(list) && !c->failed; i++)
    for (size_t k = 0; k < json_array_size(list) && !c->failed; k++) {
      struct parts two = {.p = {json_array_get(list, i), json_array_get(list, k)}, .n = 2, .sealed = 1}, have = {.n = 0};
      if (k == i || json_is_false(two.p[0]) || json_is_false(two.p[1])) continue;
      add_part(c, &have, schema, true);
      if (two.p[0] == two.p[1] || !nothing_fits(c, &two, have, 0)) return false;
    }
  return true;
}

/* ---- the whole ---- */

static rk_ex call_ex(struct compiler *c) {
  rk_ex x = -1;
  for (size_t i = 0; i < json_array_size(c->s->doc) && !c->failed; i++) {
    rk_str name;
    const json_t *schema = rk_schema_parameters(json_array_get(c->s->doc, i), &name);
    if (c->s->only && !rk_str_eq_c(name, c->s->only)) continue;
    char *head = rk_arena_printf(c->arena, "\n{\"name\": \"%.*s\", \"arguments\": ", RK_STR_ARG(name)),
         *path = rk_arena_printf(c->arena, "tools[%zu] (%.*s) parameters", i, name.n > 64 ? 64 : RK_STR_ARG(name));
    if (!head || !path) refuse(c, "", "the tools are too large");
    if (c->failed) return 0;
    c->root = schema;
    c->path = path;
    struct parts parts = {.n = 0};
    rk_ex args = rk_ex_text(c->b, RK_STR("{}"));
    if (schema) {
      add_child(c, &parts, schema);
      add_child(c, &parts, c->object_only);
      if (!(types_of(&parts) & T_OBJECT)) refuse(c, "", "parameters must describe an object");
      args = rk_ex_rule(c->b, goal_rule(c, &parts, path));
    }
    rk_ex one = rk_ex_seq(c->b, rk_ex_seq(c->b, rk_ex_text(c->b, rk_str_c(head)), args), rk_ex_text(c->b, RK_STR("}\n")));
    x = add_alternative(c, x, one);
  }
  if (x < 0) refuse(c, "", "there is no tool to call");
  return x;
}

static rk_err compile(struct compiler *c, struct rk_automaton **out) {
  int32_t root = rk_rule_new(c->b, c->s->call ? 1 : 0), bad;
  struct parts parts = {.n = 0};
  c->path = c->s->name;
  c->root = c->s->doc;
  if (c->s->call) {
    rk_rule_define(c->b, root, call_ex(c));
  } else {
    add_child(c, &parts, c->s->doc);
    rk_rule_define(c->b, root, rk_ex_rule(c->b, goal_rule(c, &parts, c->s->name)));
  }
  for (int32_t i = 0; i < c->n_goals && !c->failed; i++) build_goal(c, i);
  if (c->failed) return RK_EINVAL;
  rk_err err = rk_builder_err(c->b);
  if (!err) err = rk_automaton_new(c->b, root, &(struct rk_automaton_opts){.max_depth = RK_MAX_GRAMMAR_DEPTH + (c->s->call ? 1 : 0)}, out, &bad);
  if (err == RK_EINVAL) return rk_fail(c->e, err, "schema %s: no value is allowed, or a value would never end", c->s->name);
  return err ? rk_fail(c->e, err, err == RK_ENOMEM ? "no memory for the schema" : "schema %s: the schema is too large", c->s->name) : RK_OK;
}

rk_err rk_schema_automaton(const struct rk_schema *s, struct rk_automaton **out, struct rk_error *e) {
  struct compiler c = {.s = s, .b = rk_builder_new(), .arena = rk_arena_new(ARENA_BYTES), .e = e, .python = s->call, .any = -1};
  *out = NULL;
  c.goals = malloc(RK_SCHEMA_MAX_GOALS * sizeof *c.goals);
  c.object_only = json_pack("{s:s}", "type", "object");
  rk_err err = c.b && c.arena && c.goals && c.object_only ? RK_OK : rk_fail(e, RK_ENOMEM, "no memory for the schema");
  if (!err) err = compile(&c, out);
  free(c.goals);
  json_decref(c.object_only);
  rk_arena_free(c.arena);
  rk_builder_free(c.b);
  return err;
}
