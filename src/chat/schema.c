#include "chat/schema.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

enum { NEVER = RK_MAX_GRAMMAR_DEPTH + 1, PATH_BYTES = 300 };
/* What a value begins with: { [ " digit t f n. */
enum { STARTS_OBJECT = 1, STARTS_ARRAY = 2, STARTS_STRING = 4, STARTS_NUMBER = 8, STARTS_TRUE = 16, STARTS_FALSE = 32,
       STARTS_NULL = 64, STARTS_ANY = 127 };
static const int64_t int_digits_max = 999999999999999, number_max = 999999999999999999;

struct compiler {
  struct rk_schema *s;
  const json_t *root;    /* $ref starts here */
  struct rk_error *e;
  char path[PATH_BYTES];
  int depth;
  int32_t any;           /* node of the empty schema, -1: not made */
  struct { const json_t *schema; int32_t node; } refs[256]; /* targets of $ref */
  int32_t n_refs;
};

static int32_t compile(struct compiler *c, const json_t *schema);

/* ---- errors and paths ---- */

static int32_t refuse(struct compiler *c, const char *what) {
  if (!c->e || c->e->code == RK_OK) rk_fail(c->e, RK_EINVAL, "schema %s: %s", c->path, what);
  return -1;
}

static size_t enter(struct compiler *c, const char *part) {
  size_t n = strlen(c->path), k = strlen(part);
  if (n + k + 2 < sizeof c->path) {
    c->path[n] = '/';
    memcpy(c->path + n + 1, part, k + 1);
  }
  return n;
}

static void leave(struct compiler *c, size_t n) { c->path[n] = 0; }

static int32_t compile_at(struct compiler *c, const char *part, const json_t *schema) {
  size_t mark = enter(c, part);
  int32_t node = compile(c, schema);
  leave(c, mark);
  return node;
}

/* ---- nodes ---- */

/* Nodes move when one is added: keep the index, not the pointer. */
static int32_t add_node(struct compiler *c, struct rk_node node) {
  struct rk_schema *s = c->s;
  if (s->n_nodes == RK_SCHEMA_MAX_NODES) return refuse(c, "the schema is too large");
  if (s->n_nodes == s->cap_nodes) {
    int32_t cap = s->cap_nodes ? 2 * s->cap_nodes : 16;
    struct rk_node *p = realloc(s->nodes, (size_t)cap * sizeof *p);
    if (!p) return refuse(c, "out of memory");
    s->nodes = p;
    s->cap_nodes = cap;
  }
  node.min_depth = NEVER;
  if (!node.starts) node.starts = STARTS_ANY; /* until it is complete */
  s->nodes[s->n_nodes] = node;
  return s->n_nodes++;
}

static bool alloc_texts(struct rk_node *node, size_t n) {
  node->texts = calloc(n ? n : 1, sizeof *node->texts);
  node->children = calloc(n ? n : 1, sizeof *node->children);
  return node->texts && node->children;
}

static void release_node(struct rk_node *node) {
  for (int32_t i = 0; node->texts && i < node->n; i++) free((char *)(uintptr_t)node->texts[i].p);
  free(node->texts);
  free(node->children);
}

static int compare_texts(rk_str a, rk_str b) {
  int d = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
  return d ? d : a.n < b.n ? -1 : a.n > b.n;
}

/* Insertion sort: keeps texts and children together. False: one stands twice. */
static bool insert_text(struct rk_node *node, char *text, size_t n_bytes, int32_t child) {
  rk_str t = {text, n_bytes};
  int32_t i = node->n;
  for (int32_t k = 0; k < node->n; k++)
    if (rk_str_eq(node->texts[k], t)) return false;
  for (; i > 0 && compare_texts(t, node->texts[i - 1]) < 0; i--) {
    node->texts[i] = node->texts[i - 1];
    node->children[i] = node->children[i - 1];
  }
  node->texts[i] = t;
  node->children[i] = child;
  node->n++;
  return true;
}

static char *python_text(const char *before, const json_t *v, const char *after, size_t *n) {
  struct rk_buf b;
  rk_buf_init(&b, RK_MAX_SCHEMA_BYTES);
  rk_buf_adds(&b, before);
  rk_err err = rk_json_dump_python(&b, v);
  rk_buf_adds(&b, after);
  *n = b.n;
  if (!err) return rk_buf_detach(&b);
  rk_buf_release(&b);
  return NULL;
}

/* ---- keywords ---- */

static const char *const annotations[] = {"title", "description", "default", "examples", "example", "$schema", "$id", "$comment",
                                          "deprecated", "readOnly", "writeOnly", "format", "contentEncoding", "contentMediaType",
                                          "$defs", "definitions"};
static const char *const keywords[] = {"type", "properties", "required", "additionalProperties", "items", "minItems", "maxItems", "enum",
                                       "const", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
                                       "anyOf", "oneOf", "$ref"};

static bool in_list(const char *key, const char *const list[], size_t n) {
  for (size_t i = 0; i < n; i++)
    if (strcmp(key, list[i]) == 0) return true;
  return false;
}
#define IN_LIST(key, list) in_list(key, list, sizeof(list) / sizeof *(list))

static bool check_keywords(struct compiler *c, const json_t *schema, size_t *n_restricting) {
  const char *key;
  json_t *value;
  *n_restricting = 0;
  json_object_foreach((json_t *)(uintptr_t)schema, key, value) {
    if (IN_LIST(key, annotations) || strncmp(key, "x-", 2) == 0) continue;
    if (!IN_LIST(key, keywords)) {
      size_t mark = enter(c, key);
      refuse(c, "this keyword is not in the supported subset (see docs/chat.md)");
      leave(c, mark);
      return false;
    }
    ++*n_restricting;
  }
  return true;
}

/* A count keyword: 0 or more. */
static bool get_count(struct compiler *c, const json_t *schema, const char *key, int64_t *out) {
  const json_t *v = json_object_get(schema, key);
  if (!v) return true;
  if (!json_is_integer(v) || json_integer_value(v) < 0) return refuse(c, "a length or count must be an integer of 0 or more") >= 0;
  *out = json_integer_value(v);
  return true;
}

/* ---- kinds ---- */

static int32_t compile_string(struct compiler *c, const json_t *schema) {
  struct rk_node n = {.kind = RK_NODE_STRING, .starts = STARTS_STRING, .max = INT64_MAX};
  if (!get_count(c, schema, "minLength", &n.min) || !get_count(c, schema, "maxLength", &n.max)) return -1;
  if (n.min > RK_SCHEMA_MAX_LENGTH) return refuse(c, "minLength is over 1000000");
  if (n.max > RK_SCHEMA_MAX_LENGTH) n.max = INT64_MAX;
  if (n.min > n.max) return refuse(c, "minLength is above maxLength");
  return add_node(c, n);
}

static bool get_bound(struct compiler *c, const json_t *schema, const char *key, double *out) {
  const json_t *v = json_object_get(schema, key);
  if (v && !json_is_number(v)) return refuse(c, "a bound must be a number") >= 0;
  if (v) *out = json_number_value(v);
  return true;
}

/* The least (up: greatest) whole number of units inside the bound. */
static int64_t whole_units(double bound, bool open, double scale, bool up) {
  double x = bound * scale, w = up ? floor(x) : ceil(x);
  if (open && w == x) w += up ? -1 : 1;
  return w > 9e18 ? INT64_MAX : w < -9e18 ? INT64_MIN : (int64_t)w;
}

static int32_t compile_number(struct compiler *c, const json_t *schema, bool integer) {
  struct rk_node n = {.kind = RK_NODE_NUMBER, .starts = STARTS_NUMBER, .integer = integer, .minimum = -INFINITY, .maximum = INFINITY};
  double above = -INFINITY, below = INFINITY;
  if (!get_bound(c, schema, "minimum", &n.minimum) || !get_bound(c, schema, "maximum", &n.maximum) ||
      !get_bound(c, schema, "exclusiveMinimum", &above) || !get_bound(c, schema, "exclusiveMaximum", &below))
    return -1;
  if (above >= n.minimum) n.minimum = above, n.open_min = above > -INFINITY;
  if (below <= n.maximum) n.maximum = below, n.open_max = below < INFINITY;
  const int64_t most = integer ? int_digits_max : number_max;
  const double scale = integer ? 1 : RK_SCHEMA_SCALE;
  n.low = whole_units(n.minimum, n.open_min, scale, false);
  n.high = whole_units(n.maximum, n.open_max, scale, true);
  if (n.low < -most) n.low = -most;
  if (n.high > most) n.high = most;
  if (n.low > n.high) return refuse(c, "no number that can be written lies between the bounds");
  return add_node(c, n);
}

static int32_t compile_any(struct compiler *c);

static int32_t compile_array(struct compiler *c, const json_t *schema) {
  struct rk_node n = {.kind = RK_NODE_ARRAY, .starts = STARTS_ARRAY, .max = INT64_MAX};
  if (!get_count(c, schema, "minItems", &n.min) || !get_count(c, schema, "maxItems", &n.max)) return -1;
  if (n.min > RK_SCHEMA_MAX_LENGTH) return refuse(c, "minItems is over 1000000");
  if (n.min > n.max) return refuse(c, "minItems is above maxItems");
  int32_t at = add_node(c, n);
  const json_t *items = json_object_get(schema, "items");
  int32_t item = at < 0 ? -1 : items ? compile_at(c, "items", items) : compile_any(c);
  if (item < 0) return -1;
  c->s->nodes[at].item = item;
  return at;
}

static bool add_property(struct compiler *c, int32_t at, const char *key, size_t n_key, int32_t child) {
  json_t *name = json_stringn(key, n_key);
  size_t n = 0;
  char *text = name ? python_text("", name, ": ", &n) : NULL;
  json_decref(name);
  if (!text || !insert_text(&c->s->nodes[at], text, n, child)) {
    free(text);
    return refuse(c, "a property name cannot be written") >= 0;
  }
  return true;
}

static int32_t find_property(const struct rk_node *node, rk_str key) {
  for (int32_t i = 0; i < node->n; i++) {
    json_t *v = json_loadb(node->texts[i].p, node->texts[i].n - 2, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    bool same = v && rk_str_eq((rk_str){json_string_value(v), json_string_length(v)}, key);
    json_decref(v);
    if (same) return i;
  }
  return -1;
}

/* required: names without a schema of their own take the one of further keys. */
static bool add_required(struct compiler *c, int32_t at, const json_t *required) {
  if (required && !json_is_array(required)) return refuse(c, "required must be a list") >= 0;
  for (size_t i = 0; i < json_array_size(required); i++) {
    const json_t *v = json_array_get(required, i);
    if (!json_is_string(v)) return refuse(c, "required must be a list of names") >= 0;
    rk_str key = {json_string_value(v), json_string_length(v)};
    if (find_property(&c->s->nodes[at], key) >= 0) continue;
    if (c->s->nodes[at].item < 0 || c->s->nodes[at].n >= RK_SCHEMA_MAX_PROPERTIES)
      return refuse(c, "a required name is not among the properties") >= 0;
    if (!add_property(c, at, key.p, key.n, c->s->nodes[at].item)) return false;
  }
  for (size_t i = 0; i < json_array_size(required); i++) {
    const json_t *v = json_array_get(required, i);
    int32_t k = find_property(&c->s->nodes[at], (rk_str){json_string_value(v), json_string_length(v)});
    c->s->nodes[at].required |= UINT64_C(1) << k;
  }
  return true;
}

static bool add_properties(struct compiler *c, int32_t at, const json_t *properties) {
  void *it = json_object_iter((json_t *)(uintptr_t)properties);
  for (; it; it = json_object_iter_next((json_t *)(uintptr_t)properties, it)) {
    const char *key = json_object_iter_key(it);
    int32_t child = compile_at(c, key, json_object_iter_value(it));
    if (child < 0 || !add_property(c, at, key, json_object_iter_key_len(it), child)) return false;
  }
  return true;
}

static int32_t compile_object(struct compiler *c, const json_t *schema) {
  const json_t *properties = json_object_get(schema, "properties"), *more = json_object_get(schema, "additionalProperties"),
               *required = json_object_get(schema, "required");
  if (properties && !json_is_object(properties)) return refuse(c, "properties must be an object");
  if (json_object_size(properties) > RK_SCHEMA_MAX_PROPERTIES || json_array_size(required) > RK_SCHEMA_MAX_PROPERTIES)
    return refuse(c, "more than 64 properties");
  int32_t at = add_node(c, (struct rk_node){.kind = RK_NODE_OBJECT, .starts = STARTS_OBJECT});
  if (at < 0) return -1;
  if (!alloc_texts(&c->s->nodes[at], RK_SCHEMA_MAX_PROPERTIES)) return refuse(c, "out of memory");
  int32_t item = json_is_false(more) ? -1 : !more || json_is_true(more) ? compile_any(c) : compile_at(c, "additionalProperties", more);
  if (item < 0 && !json_is_false(more)) return -1;
  c->s->nodes[at].item = item;
  size_t mark = enter(c, "properties");
  bool ok = add_properties(c, at, properties);
  leave(c, mark);
  if (!ok || !add_required(c, at, required)) return -1;
  if (c->s->nodes[at].n > 0 || item < 0) return at;
  int32_t key = add_node(c, (struct rk_node){.kind = RK_NODE_STRING, .starts = STARTS_STRING, .max = INT64_MAX});
  c->s->nodes[at].kind = RK_NODE_MAP;
  c->s->nodes[at].key = key;
  return key < 0 ? -1 : at;
}

static const char *type_name(const json_t *v) {
  static const char *const names[] = {"object", "array", "string", "integer", "number", "boolean", "boolean", "null"};
  return names[json_typeof(v)];
}

static bool type_allows(const json_t *type, const json_t *v) {
  if (!type) return true;
  for (size_t i = 0; i < (json_is_array(type) ? json_array_size(type) : 1); i++) {
    const char *name = json_string_value(json_is_array(type) ? json_array_get(type, i) : type);
    if (name && (strcmp(name, type_name(v)) == 0 || (strcmp(name, "number") == 0 && json_is_number(v)))) return true;
  }
  return false;
}

static bool add_literal(struct compiler *c, int32_t at, const json_t *v) {
  size_t n;
  char *text = python_text("", v, "", &n);
  if (!text) return refuse(c, "a value is too large") >= 0;
  if (!insert_text(&c->s->nodes[at], text, n, 0)) free(text); /* stands twice */
  return true;
}

static unsigned literal_starts(const struct rk_node *n) {
  static const struct { char c; unsigned starts; } firsts[] = {{'{', STARTS_OBJECT}, {'[', STARTS_ARRAY}, {'"', STARTS_STRING},
                                                               {'t', STARTS_TRUE}, {'f', STARTS_FALSE}, {'n', STARTS_NULL}};
  unsigned set = 0;
  for (int32_t i = 0; i < n->n; i++) {
    unsigned this = STARTS_NUMBER;
    for (size_t k = 0; k < sizeof firsts / sizeof *firsts; k++)
      if (n->texts[i].p[0] == firsts[k].c) this = firsts[k].starts;
    set |= this;
  }
  return set;
}

/* enum or const, less what the type forbids. */
static int32_t compile_literals(struct compiler *c, const json_t *schema) {
  const json_t *list = json_object_get(schema, "enum"), *one = json_object_get(schema, "const"), *type = json_object_get(schema, "type");
  if (list && (!json_is_array(list) || json_array_size(list) > RK_SCHEMA_MAX_LITERALS))
    return refuse(c, "enum must be a list of at most 4096 values");
  size_t n = one ? 1 : json_array_size(list);
  int32_t at = add_node(c, (struct rk_node){.kind = RK_NODE_LITERALS});
  if (at < 0) return -1;
  if (!alloc_texts(&c->s->nodes[at], n)) return refuse(c, "out of memory");
  for (size_t i = 0; i < n; i++) {
    const json_t *v = one ? one : json_array_get(list, i);
    if (type_allows(type, v) && !add_literal(c, at, v)) return -1;
  }
  if (c->s->nodes[at].n == 0) return refuse(c, "no value is allowed");
  c->s->nodes[at].starts = literal_starts(&c->s->nodes[at]);
  return at;
}

static int32_t add_words(struct compiler *c, const char *a, const char *b) {
  int32_t at = add_node(c, (struct rk_node){.kind = RK_NODE_LITERALS});
  if (at < 0) return -1;
  struct rk_node *n = &c->s->nodes[at];
  if (!alloc_texts(n, 2)) return refuse(c, "out of memory");
  for (int i = 0; i < 2; i++) {
    const char *word = i ? b : a;
    char *text = word ? strdup(word) : NULL;
    if (text && !insert_text(n, text, strlen(text), 0)) free(text);
  }
  n->starts = literal_starts(n);
  return at;
}

static int32_t compile_type(struct compiler *c, const char *type, const json_t *schema) {
  if (!type) return refuse(c, "type must be a name or a list of names");
  if (strcmp(type, "object") == 0) return compile_object(c, schema);
  if (strcmp(type, "array") == 0) return compile_array(c, schema);
  if (strcmp(type, "string") == 0) return compile_string(c, schema);
  if (strcmp(type, "integer") == 0) return compile_number(c, schema, true);
  if (strcmp(type, "number") == 0) return compile_number(c, schema, false);
  if (strcmp(type, "boolean") == 0) return add_words(c, "true", "false");
  if (strcmp(type, "null") == 0) return add_words(c, "null", NULL);
  return refuse(c, "type must be object, array, string, integer, number, boolean or null");
}

/* ---- alternatives ---- */

static int32_t add_anyof(struct compiler *c, size_t n) {
  if (n == 0 || n > RK_SCHEMA_MAX_ALTERNATIVES) return refuse(c, "1 to 16 alternatives are supported");
  int32_t at = add_node(c, (struct rk_node){.kind = RK_NODE_ANYOF});
  if (at < 0) return -1;
  c->s->nodes[at].children = calloc(n, sizeof(int32_t));
  return c->s->nodes[at].children ? at : refuse(c, "out of memory");
}

static void add_alternative(struct compiler *c, int32_t at, int32_t child) {
  struct rk_node *n = &c->s->nodes[at];
  n->starts = (n->n ? n->starts : 0) | c->s->nodes[child].starts;
  n->children[n->n++] = child;
}

static bool share_text(const struct rk_node *a, const struct rk_node *b) {
  for (int32_t i = 0; i < a->n; i++)
    for (int32_t k = 0; k < b->n; k++)
      if (rk_str_eq(a->texts[i], b->texts[k])) return true;
  return false;
}

/* Whether no value fits both, as far as it can be seen easily. */
static bool exclude_each_other(const struct rk_schema *s, int32_t a, int32_t b) {
  const struct rk_node *x = &s->nodes[a], *y = &s->nodes[b];
  if ((x->starts & y->starts) == 0) return true;
  if (x->kind == RK_NODE_LITERALS && y->kind == RK_NODE_LITERALS) return !share_text(x, y);
  if (x->kind != RK_NODE_OBJECT || y->kind != RK_NODE_OBJECT) return false;
  for (int32_t i = 0; i < x->n; i++)
    for (int32_t k = 0; k < y->n; k++) {
      const struct rk_node *u = &s->nodes[x->children[i]], *v = &s->nodes[y->children[k]];
      if (rk_str_eq(x->texts[i], y->texts[k]) && x->required >> i & 1 && y->required >> k & 1 && u->kind == RK_NODE_LITERALS &&
          v->kind == RK_NODE_LITERALS && !share_text(u, v))
        return true;
    }
  return false;
}

static int32_t compile_alternatives(struct compiler *c, const json_t *list, const char *key) {
  int32_t at = add_anyof(c, json_array_size(list));
  if (at < 0) return -1;
  size_t mark = enter(c, key);
  bool one_of = strcmp(key, "oneOf") == 0;
  for (size_t i = 0; i < json_array_size(list); i++) {
    char part[24];
    snprintf(part, sizeof part, "%zu", i);
    int32_t child = compile_at(c, part, json_array_get(list, i));
    if (child < 0) return -1;
    for (int32_t k = 0; one_of && k < c->s->nodes[at].n; k++)
      if (!exclude_each_other(c->s, child, c->s->nodes[at].children[k]))
        return refuse(c, "two alternatives may fit the same value: use anyOf, or a required property whose enum tells them apart");
    add_alternative(c, at, child);
  }
  leave(c, mark);
  return at;
}

static int32_t compile_types(struct compiler *c, const json_t *types, const json_t *schema) {
  int32_t at = add_anyof(c, json_array_size(types));
  if (at < 0) return -1;
  for (size_t i = 0; i < json_array_size(types); i++) {
    int32_t child = compile_type(c, json_string_value(json_array_get(types, i)), schema);
    if (child < 0) return -1;
    add_alternative(c, at, child);
  }
  return at;
}

/* The empty schema: any JSON value. */
static int32_t compile_any(struct compiler *c) {
  if (c->any >= 0) return c->any;
  int32_t at = add_anyof(c, 6);
  if (at < 0) return -1;
  c->any = at;
  const int32_t first = add_node(c, (struct rk_node){.kind = RK_NODE_STRING, .starts = STARTS_STRING, .max = INT64_MAX});
  const int32_t kids[6] = {first, add_node(c, (struct rk_node){.kind = RK_NODE_NUMBER, .starts = STARTS_NUMBER, .low = -number_max, .high = number_max,
                                                        .minimum = -INFINITY, .maximum = INFINITY}),
                           add_words(c, "true", "false"), add_words(c, "null", NULL),
                           add_node(c, (struct rk_node){.kind = RK_NODE_MAP, .starts = STARTS_OBJECT, .item = at, .key = first}),
                           add_node(c, (struct rk_node){.kind = RK_NODE_ARRAY, .starts = STARTS_ARRAY, .item = at, .max = INT64_MAX})};
  for (int i = 0; i < 6; i++) {
    if (kids[i] < 0) return -1;
    add_alternative(c, at, kids[i]);
  }
  return at;
}

/* ---- references ---- */

/* "#/$defs/x" -> the schema it names, NULL when there is none. */
static const json_t *resolve(const json_t *root, const char *ref) {
  if (ref[0] != '#') return NULL;
  const json_t *at = root;
  for (const char *p = ref + 1; *p == '/' && at;) {
    char part[200];
    size_t n = 0;
    for (p++; *p && *p != '/'; p++) {
      char ch = *p;
      if (ch == '~') ch = *++p == '1' ? '/' : *p == '0' ? '~' : 0;
      if (!ch || n + 1 >= sizeof part) return NULL;
      part[n++] = ch;
    }
    part[n] = 0;
    at = json_object_get(at, part);
  }
  return at;
}

static int32_t compile_ref(struct compiler *c, const char *ref) {
  const json_t *target = ref ? resolve(c->root, ref) : NULL;
  if (!target) return refuse(c, "$ref must name a schema of the same document (\"#/$defs/NAME\")");
  for (int32_t i = 0; i < c->n_refs; i++)
    if (c->refs[i].schema == target) return c->refs[i].node;
  if (c->n_refs == (int32_t)(sizeof c->refs / sizeof *c->refs)) return refuse(c, "too many $ref targets");
  /* Known before it is compiled, so that it may refer to itself. */
  int32_t at = add_anyof(c, 1);
  if (at < 0) return -1;
  c->refs[c->n_refs].schema = target;
  c->refs[c->n_refs++].node = at;
  int32_t node = compile(c, target);
  if (node < 0) return -1;
  add_alternative(c, at, node);
  return at;
}

static int32_t compile_keywords(struct compiler *c, const json_t *schema) {
  size_t n;
  if (!check_keywords(c, schema, &n)) return -1;
  static const char *const alone[] = {"$ref", "anyOf", "oneOf"};
  for (size_t i = 0; i < 3; i++) {
    const json_t *v = json_object_get(schema, alone[i]);
    if (!v) continue;
    if (n > 1) return refuse(c, "$ref, anyOf and oneOf cannot stand beside other restrictions");
    return i == 0 ? compile_ref(c, json_string_value(v)) : compile_alternatives(c, v, alone[i]);
  }
  if (json_object_get(schema, "enum") || json_object_get(schema, "const")) {
    if (n > 1u + (json_object_get(schema, "type") != NULL)) return refuse(c, "enum and const stand alone or beside type");
    return compile_literals(c, schema);
  }
  const json_t *type = json_object_get(schema, "type");
  if (json_is_array(type)) return compile_types(c, type, schema);
  if (type) return compile_type(c, json_string_value(type), schema);
  if (n == 0) return compile_any(c);
  if (json_object_get(schema, "properties")) return compile_object(c, schema);
  return refuse(c, "a restriction without type");
}

static int32_t compile(struct compiler *c, const json_t *schema) {
  if (json_is_true(schema)) return compile_any(c);
  if (!json_is_object(schema)) return refuse(c, "a schema must be an object");
  if (c->depth >= RK_MAX_GRAMMAR_DEPTH) return refuse(c, "nested too deep");
  c->depth++;
  int32_t node = compile_keywords(c, schema);
  c->depth--;
  return node;
}

/* ---- after compiling: alternatives of alternatives, and how deep a value must be ---- */

/* Appends the nodes at or below `at` that are no ANYOF, each once. */
static bool add_leaves(struct rk_schema *s, int32_t at, uint8_t *seen, int32_t leaves[], int32_t *n) {
  if (seen[at]) return true;
  seen[at] = 1;
  const struct rk_node *node = &s->nodes[at];
  if (node->kind != RK_NODE_ANYOF) {
    if (*n == RK_SCHEMA_MAX_LEAVES) return false;
    leaves[(*n)++] = at;
    return true;
  }
  for (int32_t i = 0; i < node->n; i++)
    if (!add_leaves(s, node->children[i], seen, leaves, n)) return false;
  return true;
}

/* A oneOf was only taken when its alternatives exclude each other, so that it
 * means the same as anyOf from here on. */
static rk_err flatten(struct compiler *c) {
  struct rk_schema *s = c->s;
  uint8_t *seen = malloc((size_t)s->n_nodes);
  int32_t leaves[RK_SCHEMA_MAX_LEAVES], n;
  rk_err err = seen ? RK_OK : RK_ENOMEM;
  for (int32_t i = 0; i < s->n_nodes && !err; i++) {
    if (s->nodes[i].kind != RK_NODE_ANYOF) continue;
    memset(seen, 0, (size_t)s->n_nodes);
    n = 0;
    int32_t *children = NULL;
    if (!add_leaves(s, i, seen, leaves, &n)) err = RK_EINVAL, refuse(c, "more than 64 alternatives");
    else if (!(children = malloc(((size_t)n + 1) * sizeof *children))) err = RK_ENOMEM;
    if (err) break;
    memcpy(children, leaves, (size_t)n * sizeof *children);
    free(s->nodes[i].children);
    s->nodes[i].children = children;
    s->nodes[i].n = n;
  }
  free(seen);
  return err;
}

static int32_t depth_of(const struct rk_schema *s, const struct rk_node *n) {
  int32_t d = n->kind == RK_NODE_ANYOF ? NEVER : 0;
  switch (n->kind) {
    case RK_NODE_ANYOF:
      for (int32_t i = 0; i < n->n; i++)
        if (s->nodes[n->children[i]].min_depth < d) d = s->nodes[n->children[i]].min_depth;
      return d;
    case RK_NODE_OBJECT:
      for (int32_t i = 0; i < n->n; i++)
        if (n->required >> i & 1 && s->nodes[n->children[i]].min_depth > d) d = s->nodes[n->children[i]].min_depth;
      return d + 1;
    case RK_NODE_CALL:
      for (int32_t i = 0; i < n->n; i++)
        if (s->nodes[n->children[i]].min_depth > d) d = s->nodes[n->children[i]].min_depth;
      return d + 1;
    case RK_NODE_ARRAY: return 1 + (n->min > 0 ? s->nodes[n->item].min_depth : 0);
    case RK_NODE_MAP: return 1;
    case RK_NODE_STRING:
    case RK_NODE_NUMBER:
    case RK_NODE_LITERALS: return 0;
  }
  return d;
}

static rk_err find_depths(struct compiler *c) {
  struct rk_schema *s = c->s;
  for (bool changed = true; changed;) {
    changed = false;
    for (int32_t i = 0; i < s->n_nodes; i++) {
      int32_t d = depth_of(s, &s->nodes[i]);
      if (d >= s->nodes[i].min_depth) continue;
      s->nodes[i].min_depth = d;
      changed = true;
    }
  }
  if (s->nodes[s->root].min_depth < NEVER) return RK_OK;
  refuse(c, "a value would be nested too deep or never end");
  return RK_EINVAL;
}

/* ---- building ---- */

static uint64_t hash_text(uint64_t h, const json_t *v, size_t *n) {
  char *text = rk_json_dump(v);
  *n += strlen(text);
  for (const char *p = text; *p; p++) h = (h ^ (unsigned char)*p) * UINT64_C(1099511628211);
  free(text);
  return h;
}

static rk_err start(struct compiler *c, const json_t *text, struct rk_error *e) {
  *c = (struct compiler){.e = e, .any = -1};
  if (e) e->code = RK_OK;
  c->s = calloc(1, sizeof *c->s);
  if (!c->s) return rk_fail(e, RK_ENOMEM, "no memory for a schema");
  size_t n = 0;
  c->s->hash = hash_text(UINT64_C(14695981039346656037), text, &n);
  if (n <= (json_is_array(text) ? 8 : 1) * (size_t)RK_MAX_SCHEMA_BYTES) return RK_OK;
  return rk_fail(e, RK_ETOOBIG, "a schema of %zu bytes is over the limit of %d", n, (int)RK_MAX_SCHEMA_BYTES);
}

static rk_err complete(struct compiler *c, int32_t root, rk_err err, struct rk_schema **out) {
  if (!err && root < 0) err = RK_EINVAL;
  if (!err) {
    c->s->root = root;
    err = flatten(c);
    if (!err) err = find_depths(c);
  }
  if (err) rk_schema_free(c->s);
  *out = err ? NULL : c->s;
  return err;
}

rk_err rk_schema_new(const json_t *schema, const char *name, struct rk_schema **out, struct rk_error *e) {
  struct rk_error local;
  struct compiler c;
  rk_err err = start(&c, schema, e ? e : &local);
  snprintf(c.path, sizeof c.path, "%.100s", name);
  c.root = schema;
  return complete(&c, err ? -1 : compile(&c, schema), err, out);
}

rk_err rk_schema_new_object(struct rk_schema **out, struct rk_error *e) {
  json_t *schema = json_pack("{s:s}", "type", "object");
  rk_err err = rk_schema_new(schema, "json_object", out, e);
  json_decref(schema);
  return err;
}

/* Of a tool without parameters: an object without properties. */
static int32_t compile_parameters(struct compiler *c, const json_t *parameters) {
  if (json_object_size(parameters) > 0 || json_is_array(parameters) || json_is_string(parameters)) {
    int32_t at = compile(c, parameters);
    if (at >= 0 && c->s->nodes[at].starts != STARTS_OBJECT) return refuse(c, "parameters must describe an object");
    return at;
  }
  int32_t at = add_node(c, (struct rk_node){.kind = RK_NODE_OBJECT, .starts = STARTS_OBJECT, .item = -1});
  return at >= 0 && alloc_texts(&c->s->nodes[at], 0) ? at : -1;
}

static bool add_tool(struct compiler *c, int32_t at, size_t i, const json_t *fn) {
  rk_str name = rk_json_str(fn, "name");
  snprintf(c->path, sizeof c->path, "tools[%zu] (%.*s) parameters", i, name.n > 64 ? 64 : RK_STR_ARG(name));
  for (size_t k = 0; k < name.n; k++)
    if ((unsigned char)name.p[k] < 0x20 || name.p[k] == '"' || name.p[k] == '\\')
      return refuse(c, "the tool's name holds a character that names cannot have") >= 0;
  c->root = json_object_get(fn, "parameters");
  c->n_refs = 0;
  int32_t child = compile_parameters(c, c->root);
  if (child < 0) return false;
  struct rk_buf b;
  rk_buf_init(&b, 4096);
  rk_buf_addf(&b, "\n{\"name\": \"%.*s\", \"arguments\": ", RK_STR_ARG(name));
  size_t n = b.n;
  char *text = rk_buf_detach(&b);
  if (text && insert_text(&c->s->nodes[at], text, n, child)) return true;
  free(text);
  return refuse(c, "the tool's name is too long or stands twice") >= 0;
}

static int32_t compile_call(struct compiler *c, const json_t *tools, const char *only) {
  int32_t at = add_node(c, (struct rk_node){.kind = RK_NODE_CALL});
  if (at < 0) return -1;
  if (!alloc_texts(&c->s->nodes[at], json_array_size(tools))) return refuse(c, "out of memory");
  for (size_t i = 0; i < json_array_size(tools); i++) {
    const json_t *fn = rk_json_obj(json_array_get(tools, i), "function");
    if (only && !rk_str_eq_c(rk_json_str(fn, "name"), only)) continue;
    if (!add_tool(c, at, i, fn)) return -1;
  }
  return c->s->nodes[at].n ? at : refuse(c, "there is no tool to call");
}

rk_err rk_schema_new_call(const json_t *tools, const char *only, struct rk_schema **out, struct rk_error *e) {
  struct rk_error local;
  struct compiler c;
  rk_err err = start(&c, tools, e ? e : &local);
  if (!err && only) c.s->hash = (c.s->hash ^ 1) * UINT64_C(1099511628211);
  for (const char *p = only; !err && p && *p; p++) c.s->hash = (c.s->hash ^ (unsigned char)*p) * UINT64_C(1099511628211);
  return complete(&c, err ? -1 : compile_call(&c, tools, only), err, out);
}

void rk_schema_free(struct rk_schema *s) {
  if (!s) return;
  for (int32_t i = 0; i < s->n_nodes; i++) release_node(&s->nodes[i]);
  free(s->nodes);
  free(s);
}
