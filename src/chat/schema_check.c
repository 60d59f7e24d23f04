/* schema_check.c - whether a finished value fits a schema. */
#include "chat/schema.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/utf8.h"

enum { PATH_BYTES = 256, STEPS_MAX = 1000000 };

struct checker {
  const struct rk_schema *s;
  struct rk_error *e;
  char path[PATH_BYTES];
  int depth;
  int32_t n_steps; /* alternatives of alternatives could take for ever */
};

static bool check(struct checker *c, int32_t at, const json_t *v);

static bool wrong(struct checker *c, const char *expected) {
  rk_fail(c->e, RK_EINVAL, "%s must be %s", c->path[0] ? c->path : "the value", expected);
  return false;
}

static size_t enter(struct checker *c, rk_str part) {
  size_t n = strlen(c->path);
  snprintf(c->path + n, sizeof c->path - n, "%s%.*s", n ? "." : "", part.n > 64 ? 64 : RK_STR_ARG(part));
  return n;
}

static int64_t count_code_points(rk_str s) {
  int64_t n = 0;
  for (size_t i = 0; i < s.n; i++) n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
  return n;
}

/* 5.0 is the integer 5. */
static bool whole(const json_t *v, json_int_t *out) {
  double d = json_number_value(v);
  if (json_is_integer(v)) *out = json_integer_value(v);
  else if (!json_is_real(v) || d != floor(d) || fabs(d) > 9e15) return false;
  else *out = (json_int_t)d;
  return true;
}

static bool has_text(const struct rk_node *n, const json_t *v) {
  struct rk_buf b;
  rk_buf_init(&b, RK_MAX_SCHEMA_BYTES);
  bool found = false;
  if (!rk_json_dump_python(&b, v))
    for (int32_t i = 0; i < n->n && !found; i++) found = rk_str_eq(n->texts[i], rk_buf_str(&b));
  rk_buf_release(&b);
  return found;
}

static bool check_literals(struct checker *c, const struct rk_node *n, const json_t *v) {
  json_int_t i;
  if (has_text(n, v)) return true;
  if (whole(v, &i)) {
    json_t *as_int = json_integer(i), *as_real = json_real((double)i);
    bool found = has_text(n, as_int) || has_text(n, as_real);
    json_decref(as_int);
    json_decref(as_real);
    if (found) return true;
  }
  char expected[160] = "one of ";
  for (int32_t k = 0; k < n->n; k++) {
    size_t len = strlen(expected);
    if (len + n->texts[k].n + 8 > sizeof expected) {
      snprintf(expected + len, sizeof expected - len, " ...");
      break;
    }
    snprintf(expected + len, sizeof expected - len, "%s%.*s", k ? ", " : "", RK_STR_ARG(n->texts[k]));
  }
  return wrong(c, expected);
}

static bool check_number(struct checker *c, const struct rk_node *n, const json_t *v) {
  json_int_t i;
  char expected[96];
  if (!json_is_number(v) || (n->integer && !whole(v, &i))) return wrong(c, n->integer ? "an integer" : "a number");
  double d = json_number_value(v);
  if (d < n->minimum || (n->open_min && d == n->minimum)) {
    snprintf(expected, sizeof expected, "%s %g", n->open_min ? "above" : "at least", n->minimum);
    return wrong(c, expected);
  }
  if (d > n->maximum || (n->open_max && d == n->maximum)) {
    snprintf(expected, sizeof expected, "%s %g", n->open_max ? "below" : "at most", n->maximum);
    return wrong(c, expected);
  }
  return true;
}

static bool check_string(struct checker *c, const struct rk_node *n, const json_t *v) {
  if (!json_is_string(v)) return wrong(c, "a string");
  int64_t len = count_code_points((rk_str){json_string_value(v), json_string_length(v)});
  char expected[64];
  if (len >= n->min && len <= n->max) return true;
  snprintf(expected, sizeof expected, "a string of %s %lld characters", len < n->min ? "at least" : "at most",
           (long long)(len < n->min ? n->min : n->max));
  return wrong(c, expected);
}

static bool check_array(struct checker *c, const struct rk_node *n, const json_t *v) {
  if (!json_is_array(v)) return wrong(c, "an array");
  int64_t len = (int64_t)json_array_size(v);
  if (len < n->min || len > n->max) return wrong(c, len < n->min ? "an array of more items" : "an array of fewer items");
  for (int64_t i = 0; i < len; i++) {
    char part[24];
    snprintf(part, sizeof part, "[%lld]", (long long)i);
    size_t mark = enter(c, rk_str_c(part));
    if (!check(c, n->item, json_array_get(v, (size_t)i))) return false;
    c->path[mark] = 0;
  }
  return true;
}

/* Index of the property whose text is `"key": `, or -1. */
static int32_t property(const struct rk_node *n, rk_str key) {
  json_t *name = json_stringn(key.p, key.n);
  struct rk_buf b;
  rk_buf_init(&b, RK_MAX_SCHEMA_BYTES);
  int32_t found = -1;
  if (name && !rk_json_dump_python(&b, name))
    for (int32_t i = 0; i < n->n && found < 0; i++)
      if (rk_str_eq((rk_str){n->texts[i].p, n->texts[i].n - 2}, rk_buf_str(&b))) found = i;
  rk_buf_release(&b);
  json_decref(name);
  return found;
}

static bool check_object(struct checker *c, const struct rk_node *n, const json_t *v) {
  if (!json_is_object(v)) return wrong(c, "an object");
  uint64_t seen = 0;
  void *it = json_object_iter((json_t *)(uintptr_t)v);
  for (; it; it = json_object_iter_next((json_t *)(uintptr_t)v, it)) {
    rk_str key = {json_object_iter_key(it), json_object_iter_key_len(it)};
    int32_t i = n->kind == RK_NODE_OBJECT ? property(n, key) : -1, child = i >= 0 ? n->children[i] : n->item;
    size_t mark = enter(c, key);
    if (child < 0) return wrong(c, "left out: it is not among the properties");
    if (!check(c, child, json_object_iter_value(it))) return false;
    c->path[mark] = 0;
    if (i >= 0) seen |= UINT64_C(1) << i;
  }
  for (int32_t i = 0; i < n->n; i++)
    if (n->required >> i & 1 && !(seen >> i & 1)) {
      enter(c, (rk_str){n->texts[i].p + 1, n->texts[i].n - 4});
      return wrong(c, "given: it is required");
    }
  return true;
}

static bool check_anyof(struct checker *c, const struct rk_node *n, const json_t *v) {
  struct checker try = *c;
  for (int32_t i = 0; i < n->n; i++) {
    bool fits = check(&try, n->children[i], v);
    c->n_steps = try.n_steps;
    if (fits) return true;
    strcpy(try.path, c->path);
  }
  return n->n == 1 ? false : wrong(c, "one of the alternatives of its schema"); /* a single one has said what is wrong */
}

static bool check(struct checker *c, int32_t at, const json_t *v) {
  if (c->depth >= 2 * RK_MAX_JSON_DEPTH || ++c->n_steps > STEPS_MAX) return wrong(c, "simpler: checking it takes too long");
  const struct rk_node *n = &c->s->nodes[at];
  bool ok = false;
  c->depth++;
  switch (n->kind) {
    case RK_NODE_ANYOF: ok = check_anyof(c, n, v); break;
    case RK_NODE_OBJECT:
    case RK_NODE_MAP: ok = check_object(c, n, v); break;
    case RK_NODE_ARRAY: ok = check_array(c, n, v); break;
    case RK_NODE_STRING: ok = check_string(c, n, v); break;
    case RK_NODE_NUMBER: ok = check_number(c, n, v); break;
    case RK_NODE_LITERALS: ok = check_literals(c, n, v); break;
    case RK_NODE_CALL: break; /* see rk_schema_check_call */
  }
  c->depth--;
  return ok;
}

rk_err rk_schema_check(const struct rk_schema *s, const json_t *value, struct rk_error *e) {
  struct checker c = {.s = s, .e = e};
  return check(&c, s->root, value) ? RK_OK : RK_EINVAL;
}

rk_err rk_schema_check_call(const struct rk_schema *s, const char *tool, const json_t *args, struct rk_error *e) {
  const struct rk_node *n = &s->nodes[s->root];
  static const char before[] = "\n{\"name\": \"", after[] = "\", \"arguments\": ";
  RK_ASSERT(n->kind == RK_NODE_CALL);
  for (int32_t i = 0; i < n->n; i++) {
    rk_str head = n->texts[i], name = {head.p + sizeof before - 1, head.n - (sizeof before + sizeof after - 2)};
    if (!rk_str_eq_c(name, tool)) continue;
    struct checker c = {.s = s, .e = e};
    return check(&c, n->children[i], args) ? RK_OK : RK_EINVAL;
  }
  return rk_fail(e, RK_EINVAL, "there is no tool named \"%.80s\"", tool);
}
