/* schema_check.c - whether a finished value fits a schema. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/utf8.h"
#include "chat/schema_parts.h"

enum { PATH_BYTES = 256, STEPS_MAX = 1000000 };

struct checker {
  const struct rk_schema *s;
  const json_t *root;
  struct rk_error *e;
  char path[PATH_BYTES];
  int depth;
  int32_t n_steps; /* alternatives of alternatives could take for ever */
};

static bool check(struct checker *c, const json_t *schema, const json_t *v);

static bool wrong(struct checker *c, const char *expected) {
  rk_fail(c->e, RK_EINVAL, "%s must be %s", c->path[0] ? c->path : "the value", expected);
  return false;
}

static size_t enter(struct checker *c, rk_str part) {
  size_t n = strlen(c->path);
  snprintf(c->path + n, sizeof c->path - n, "%s%.*s", n ? "." : "", part.n > 64 ? 64 : RK_STR_ARG(part));
  return n;
}

static rk_str text_of(const json_t *v) { return (rk_str){json_string_value(v), json_string_length(v)}; }

/* 5.0 is the integer 5. */
static bool is_whole(const json_t *v) {
  double d = json_number_value(v);
  return json_is_integer(v) || (json_is_real(v) && d == floor(d));
}

static bool same_number(const json_t *a, const json_t *b) {
  if (json_is_integer(a) && json_is_integer(b)) return json_integer_value(a) == json_integer_value(b);
  return json_number_value(a) == json_number_value(b);
}

static bool same_value(const json_t *a, const json_t *b) {
  if (json_is_number(a) && json_is_number(b)) return same_number(a, b);
  if (json_typeof(a) != json_typeof(b)) return false;
  if (json_is_array(a)) {
    if (json_array_size(a) != json_array_size(b)) return false;
    for (size_t i = 0; i < json_array_size(a); i++)
      if (!same_value(json_array_get(a, i), json_array_get(b, i))) return false;
    return true;
  }
  if (!json_is_object(a)) return json_equal(a, b);
  if (json_object_size(a) != json_object_size(b)) return false;
  for (void *it = json_object_iter((json_t *)(uintptr_t)a); it; it = json_object_iter_next((json_t *)(uintptr_t)a, it)) {
    const json_t *other = json_object_getn(b, json_object_iter_key(it), json_object_iter_key_len(it));
    if (!other || !same_value(json_object_iter_value(it), other)) return false;
  }
  return true;
}

static bool is_of_type(const json_t *v, const char *name) {
  static const struct { const char *name; json_type types[2]; } table[] = {
      {"object", {JSON_OBJECT, JSON_OBJECT}}, {"array", {JSON_ARRAY, JSON_ARRAY}}, {"string", {JSON_STRING, JSON_STRING}},
      {"number", {JSON_INTEGER, JSON_REAL}},  {"boolean", {JSON_TRUE, JSON_FALSE}}, {"null", {JSON_NULL, JSON_NULL}}};
  if (strcmp(name, "integer") == 0) return is_whole(v);
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (strcmp(name, table[i].name) == 0) return json_typeof(v) == table[i].types[0] || json_typeof(v) == table[i].types[1];
  return false;
}

static bool check_type(struct checker *c, const json_t *type, const json_t *v) {
  if (!type) return true;
  const size_t n = json_is_array(type) ? json_array_size(type) : 1;
  char expected[120] = "";
  for (size_t i = 0; i < n; i++) {
    const char *name = json_string_value(json_is_array(type) ? json_array_get(type, i) : type);
    if (is_of_type(v, name)) return true;
    size_t len = strlen(expected);
    bool vowel = strchr("aeiou", name[0]) != NULL;
    snprintf(expected + len, sizeof expected - len, "%s%s %s", i ? " or " : "", vowel ? "an" : "a", name);
  }
  return wrong(c, expected);
}

static bool check_values(struct checker *c, const json_t *list, const json_t *v) {
  for (size_t i = 0; i < json_array_size(list); i++)
    if (same_value(json_array_get(list, i), v)) return true;
  char expected[160] = "one of ";
  for (size_t i = 0; i < json_array_size(list); i++) {
    struct rk_buf b;
    rk_buf_init(&b, RK_MAX_SCHEMA_BYTES);
    bool whole = !rk_json_dump_python(&b, json_array_get(list, i));
    size_t len = strlen(expected);
    bool fits = whole && len + b.n + 8 <= sizeof expected;
    snprintf(expected + len, sizeof expected - len, "%s%s", fits && i ? ", " : "", fits ? b.p : " ...");
    rk_buf_release(&b);
    if (!fits) break;
  }
  return wrong(c, expected);
}

static bool check_number(struct checker *c, const json_t *schema, const json_t *v) {
  static const struct { const char *key, *words; } bounds[] = {
      {"minimum", "at least"}, {"exclusiveMinimum", "above"}, {"maximum", "at most"}, {"exclusiveMaximum", "below"}};
  char expected[96];
  for (size_t i = 0; i < 4; i++) {
    const json_t *bound = json_object_get(schema, bounds[i].key);
    if (!bound) continue;
    bool both = json_is_integer(bound) && json_is_integer(v);
    int order = both ? (json_integer_value(v) > json_integer_value(bound)) - (json_integer_value(v) < json_integer_value(bound))
                     : (json_number_value(v) > json_number_value(bound)) - (json_number_value(v) < json_number_value(bound));
    if (i < 2 ? order > (i == 1 ? 0 : -1) : order < (i == 3 ? 0 : 1)) continue;
    snprintf(expected, sizeof expected, "%s %g", bounds[i].words, json_number_value(bound));
    return wrong(c, expected);
  }
  const json_t *multiple = json_object_get(schema, "multipleOf");
  double m = json_number_value(multiple);
  bool fits = !multiple || (json_is_integer(v) ? json_integer_value(v) % (json_int_t)m == 0 : fmod(json_number_value(v), m) == 0);
  snprintf(expected, sizeof expected, "a multiple of %g", m);
  return fits || wrong(c, expected);
}

static double count_of(const json_t *schema, const char *key, double none) {
  const json_t *v = json_object_get(schema, key);
  return v ? json_number_value(v) : none;
}

static bool check_string(struct checker *c, const json_t *schema, const json_t *v) {
  rk_str s = text_of(v);
  double len = 0, min = count_of(schema, "minLength", 0), max = count_of(schema, "maxLength", INFINITY);
  for (size_t i = 0; i < s.n; i++) len += ((unsigned char)s.p[i] & 0xc0) != 0x80;
  char expected[200];
  if (len < min || len > max) {
    snprintf(expected, sizeof expected, "a string of %s %.0f characters", len < min ? "at least" : "at most", len < min ? min : max);
    return wrong(c, expected);
  }
  static const char *const keys[] = {"pattern", "format"};
  for (size_t i = 0; i < 2; i++) {
    const json_t *text = json_object_get(schema, keys[i]);
    struct rk_automaton *judge = text ? rk_schema_judge(c->s, text) : NULL;
    if (!judge || rk_automaton_accepts(judge, s)) continue;
    snprintf(expected, sizeof expected, "a string of %s %.120s", keys[i], json_string_value(text));
    return wrong(c, expected);
  }
  return true;
}

static bool check_array(struct checker *c, const json_t *schema, const json_t *v) {
  const json_t *prefix = json_object_get(schema, "prefixItems"), *items = json_object_get(schema, "items");
  double len = (double)json_array_size(v);
  if (len < count_of(schema, "minItems", 0)) return wrong(c, "an array of more items");
  if (len > count_of(schema, "maxItems", INFINITY)) return wrong(c, "an array of fewer items");
  for (size_t i = 0; i < json_array_size(v); i++) {
    const json_t *part = i < json_array_size(prefix) ? json_array_get(prefix, i) : items;
    char name[24];
    snprintf(name, sizeof name, "[%zu]", i);
    size_t mark = enter(c, rk_str_c(name));
    if (part && !check(c, part, json_array_get(v, i))) return false;
    c->path[mark] = 0;
  }
  return true;
}

static bool check_object(struct checker *c, const json_t *schema, const json_t *v) {
  const json_t *properties = json_object_get(schema, "properties"), *others = json_object_get(schema, "additionalProperties"),
               *required = json_object_get(schema, "required");
  for (void *it = json_object_iter((json_t *)(uintptr_t)v); it; it = json_object_iter_next((json_t *)(uintptr_t)v, it)) {
    rk_str key = {json_object_iter_key(it), json_object_iter_key_len(it)};
    const json_t *part = json_object_getn(properties, key.p, key.n);
    if (!part) part = others;
    size_t mark = enter(c, key);
    if (json_is_false(part)) return wrong(c, "left out: it is not among the properties");
    if (part && !check(c, part, json_object_iter_value(it))) return false;
    c->path[mark] = 0;
  }
  for (size_t i = 0; i < json_array_size(required); i++) {
    rk_str key = text_of(json_array_get(required, i));
    if (json_object_getn(v, key.p, key.n)) continue;
    enter(c, key);
    return wrong(c, "given: it is required");
  }
  return true;
}

static bool check_own(struct checker *c, const json_t *schema, const json_t *v) {
  const json_t *values = json_object_get(schema, "enum"), *one = json_object_get(schema, "const");
  if (!check_type(c, json_object_get(schema, "type"), v)) return false;
  if (values && !check_values(c, values, v)) return false;
  if (one && !same_value(one, v)) {
    json_t *list = json_pack("[O]", one);
    bool fits = check_values(c, list, v);
    json_decref(list);
    return fits;
  }
  if (json_is_number(v)) return check_number(c, schema, v);
  if (json_is_string(v)) return check_string(c, schema, v);
  if (json_is_array(v)) return check_array(c, schema, v);
  return !json_is_object(v) || check_object(c, schema, v);
}

/* How many of the alternatives fit, two at most. */
static int count_fitting(struct checker *c, const json_t *list, const json_t *v) {
  struct checker try = *c;
  int n = 0;
  for (size_t i = 0; i < json_array_size(list) && n < 2; i++) {
    n += check(&try, json_array_get(list, i), v);
    strcpy(try.path, c->path);
  }
  c->n_steps = try.n_steps;
  return n;
}

static bool check_parts(struct checker *c, const json_t *schema, const json_t *v) {
  const json_t *ref = json_object_get(schema, "$ref"), *all = json_object_get(schema, "allOf"), *any = json_object_get(schema, "anyOf"),
               *one = json_object_get(schema, "oneOf");
  if (ref && !check(c, rk_schema_resolve(c->root, json_string_value(ref)), v)) return false;
  for (size_t i = 0; i < json_array_size(all); i++)
    if (!check(c, json_array_get(all, i), v)) return false;
  if (any && count_fitting(c, any, v) == 0) return json_array_size(any) == 1 ? false : wrong(c, "one of the alternatives of its schema");
  int n = one ? count_fitting(c, one, v) : 1;
  return n == 1 || wrong(c, n ? "of one alternative only" : "one of the alternatives of its schema");
}

static bool check(struct checker *c, const json_t *schema, const json_t *v) {
  if (json_is_true(schema)) return true;
  if (!json_is_object(schema)) return wrong(c, "left out");
  if (c->depth >= 2 * RK_MAX_JSON_DEPTH || ++c->n_steps > STEPS_MAX) return wrong(c, "simpler: checking it takes too long");
  c->depth++;
  bool ok = check_own(c, schema, v) && check_parts(c, schema, v);
  c->depth--;
  return ok;
}

bool rk_schema_fits(const struct rk_schema *s, const json_t *root, const json_t *part, const json_t *value, bool own) {
  struct checker c = {.s = s, .root = root};
  return own && json_is_object(part) ? check_own(&c, part, value) : check(&c, part, value);
}

rk_err rk_schema_check(const struct rk_schema *s, const json_t *value, struct rk_error *e) {
  struct checker c = {.s = s, .root = s->doc, .e = e};
  return check(&c, s->doc, value) ? RK_OK : RK_EINVAL;
}

static const json_t *find_tool(const struct rk_schema *s, rk_str name) {
  rk_str other;
  if (s->only && !rk_str_eq_c(name, s->only)) return NULL;
  for (size_t i = 0; s->call && i < json_array_size(s->doc); i++) {
    rk_schema_parameters(json_array_get(s->doc, i), &other);
    if (rk_str_eq(name, other)) return json_array_get(s->doc, i);
  }
  return NULL;
}

bool rk_schema_has_tool(const struct rk_schema *s, rk_str tool) { return find_tool(s, tool) != NULL; }

rk_err rk_schema_check_call(const struct rk_schema *s, const char *tool, const json_t *args, struct rk_error *e) {
  const json_t *found = find_tool(s, rk_str_c(tool));
  rk_str name;
  if (!found) return rk_fail(e, RK_EINVAL, "there is no tool named \"%.80s\"", tool);
  const json_t *parameters = rk_schema_parameters(found, &name);
  if (!parameters && json_object_size(args) > 0) return rk_fail(e, RK_EINVAL, "the tool \"%.80s\" takes no arguments", tool);
  struct checker c = {.s = s, .root = parameters, .e = e};
  if (!json_is_object(args)) return wrong(&c, "an object"), RK_EINVAL;
  return !parameters || check(&c, parameters, args) ? RK_OK : RK_EINVAL;
}
