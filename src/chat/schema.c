#include "chat/schema.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "chat/regex.h"
#include "chat/schema_parts.h"

enum { PATH_BYTES = 300, WALK_DEPTH_MAX = 2 * RK_MAX_JSON_DEPTH };

struct reader {
  struct rk_schema *s;
  const json_t *root;
  struct rk_error *e;
  char path[PATH_BYTES];
  int depth;
};

/* ---- formats ---- */

#define MONTHS_DAYS "((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
#define FOURTH "(0[48]|[2468][048]|[13579][26])"
#define YEAR "([0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
#define DATE "(" YEAR "-" MONTHS_DAYS "|([0-9]{2}" FOURTH "|" FOURTH "00)-02-29)"
#define TIME "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
#define ATOM "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
#define LABEL "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define HEX "[0-9A-Fa-f]"
#define PCHAR "([A-Za-z0-9._~!$&'()*+,;=:@-]|%" HEX HEX ")"
#define HOST "([A-Za-z0-9._~-]|%" HEX HEX ")+"

const char *rk_schema_format(const char *format) {
  static const struct { const char *name, *pattern; } formats[] = {
      {"date", "^" DATE "$"},
      {"date-time", "^" DATE "T" TIME "$"},
      {"email", "^" ATOM "{1,20}(\\." ATOM "{1,20}){0,2}@(" LABEL "\\.){1,4}" LABEL "$"},
      {"uri", "^[A-Za-z][A-Za-z0-9+.-]{0,20}:(//(" PCHAR "*@)?" HOST "(:[0-9]{1,5})?(/" PCHAR "*)*|/(" PCHAR "+(/" PCHAR "*)*)?|" PCHAR
              "+(/" PCHAR "*)*)(\\?(" PCHAR "|[/?])*)?(#(" PCHAR "|[/?])*)?$"},
      {"uuid", "^" HEX "{8}-" HEX "{4}-" HEX "{4}-" HEX "{4}-" HEX "{12}$"},
  };
  for (size_t i = 0; format && i < sizeof formats / sizeof *formats; i++)
    if (strcmp(formats[i].name, format) == 0) return formats[i].pattern;
  return NULL;
}

struct rk_automaton *rk_schema_judge(const struct rk_schema *s, const json_t *text) {
  for (int32_t i = 0; i < s->n_patterns; i++)
    if (s->patterns[i].text == text) return s->patterns[i].judge;
  return NULL;
}

/* ---- errors and paths ---- */

static bool refuse(struct reader *r, const char *what) {
  rk_fail(r->e, RK_EINVAL, "schema %s: %s", r->path, what);
  return false;
}

static size_t enter(struct reader *r, const char *part) {
  size_t n = strlen(r->path), k = strlen(part);
  if (n + k + 2 < sizeof r->path) {
    r->path[n] = '/';
    memcpy(r->path + n + 1, part, k + 1);
  }
  return n;
}

/* ---- references ---- */

/* The next part of a JSON pointer, unescaped; false: there is none. */
static bool next_part(const char **p, char *part, size_t size) {
  if (**p != '/') return false;
  size_t n = 0;
  for (++*p; **p && **p != '/'; ++*p) {
    char c = **p;
    unsigned v;
    if (c == '%' && sscanf(*p + 1, "%2x", &v) == 1 && (*p)[1] && (*p)[2]) c = (char)v, *p += 2;
    else if (c == '~') c = *++*p == '1' ? '/' : **p == '0' ? '~' : 0;
    if (!c || n + 1 >= size) return false;
    part[n++] = c;
  }
  part[n] = 0;
  return true;
}

const json_t *rk_schema_resolve(const json_t *root, const char *ref) {
  static const char *const maps[] = {"$defs", "definitions", "properties"}, *const lists[] = {"prefixItems", "anyOf", "oneOf", "allOf"};
  if (ref[0] != '#') return NULL;
  const json_t *at = root;
  const char *p = ref + 1;
  char part[200], key[200];
  while (*p && at) {
    if (!next_part(&p, part, sizeof part)) return NULL;
    const json_t *child = json_object_get(at, part);
    bool map = false, list = false;
    for (size_t i = 0; i < 3; i++) map |= strcmp(part, maps[i]) == 0;
    for (size_t i = 0; i < 4; i++) list |= strcmp(part, lists[i]) == 0;
    if (map || list) {
      if (!next_part(&p, key, sizeof key)) return NULL;
      at = map ? json_object_get(child, key) : key[0] >= '0' && key[0] <= '9' ? json_array_get(child, (size_t)atoi(key)) : NULL;
    } else {
      at = strcmp(part, "items") == 0 || strcmp(part, "additionalProperties") == 0 ? child : NULL;
    }
  }
  return json_is_object(at) || json_is_boolean(at) ? at : NULL;
}

/* ---- keywords ---- */

static bool read_schema(struct reader *r, const json_t *schema);

static bool read_at(struct reader *r, const char *part, const json_t *schema) {
  size_t mark = enter(r, part);
  bool ok = read_schema(r, schema);
  if (ok) r->path[mark] = 0;
  return ok;
}

typedef bool read_fn(struct reader *r, const json_t *schema, const json_t *v);

static bool read_nothing(struct reader *r, const json_t *schema, const json_t *v) {
  (void)r, (void)schema, (void)v;
  return true;
}

static bool read_one(struct reader *r, const json_t *schema, const json_t *v) {
  (void)schema;
  return read_schema(r, v);
}

static bool read_map(struct reader *r, const json_t *schema, const json_t *v) {
  (void)schema;
  if (!json_is_object(v)) return refuse(r, "it must be an object of schemas");
  if (json_object_size(v) > RK_SCHEMA_MAX_PROPERTIES) return refuse(r, "more than 256 entries");
  const char *key;
  json_t *child;
  json_object_foreach((json_t *)(uintptr_t)v, key, child)
    if (!read_at(r, key, child)) return false;
  return true;
}

static bool read_list(struct reader *r, const json_t *schema, const json_t *v) {
  (void)schema;
  if (json_array_size(v) == 0 || json_array_size(v) > RK_SCHEMA_MAX_ALTERNATIVES) return refuse(r, "it must be a list of 1 to 256 schemas");
  for (size_t i = 0; i < json_array_size(v); i++) {
    char part[24];
    snprintf(part, sizeof part, "%zu", i);
    if (!read_at(r, part, json_array_get(v, i))) return false;
  }
  return true;
}

static bool read_items(struct reader *r, const json_t *schema, const json_t *v) {
  if (json_is_array(v)) return refuse(r, "a list of schemas is written as prefixItems");
  return read_one(r, schema, v);
}

static bool known_type(const json_t *v) {
  static const char *const names[] = {"object", "array", "string", "integer", "number", "boolean", "null"};
  for (size_t i = 0; json_is_string(v) && i < sizeof names / sizeof *names; i++)
    if (strcmp(json_string_value(v), names[i]) == 0) return true;
  return false;
}

static bool read_type(struct reader *r, const json_t *schema, const json_t *v) {
  (void)schema;
  const size_t n = json_is_array(v) ? json_array_size(v) : 1;
  for (size_t i = 0; i < n; i++)
    if (!known_type(json_is_array(v) ? json_array_get(v, i) : v))
      return refuse(r, "type must be object, array, string, integer, number, boolean or null, or a list of them");
  return n > 0 || refuse(r, "the list of types is empty");
}

static bool read_names(struct reader *r, const json_t *schema, const json_t *v) {
  (void)schema;
  if (!json_is_array(v) || json_array_size(v) > RK_SCHEMA_MAX_PROPERTIES) return refuse(r, "it must be a list of at most 256 names");
  for (size_t i = 0; i < json_array_size(v); i++)
    if (!json_is_string(json_array_get(v, i))) return refuse(r, "it must be a list of names");
  return true;
}

static bool read_count(struct reader *r, const json_t *schema, const json_t *v) {
  (void)schema;
  double d = json_number_value(v);
  if (!json_is_number(v) || d < 0 || d != floor(d)) return refuse(r, "it must be a whole number of 0 or more");
  return true;
}

static bool read_least(struct reader *r, const json_t *schema, const json_t *v) {
  if (!read_count(r, schema, v)) return false;
  return json_number_value(v) <= RK_AUTOMATON_MAX_REPEAT || refuse(r, "it is over 1000000");
}

static bool read_number(struct reader *r, const json_t *schema, const json_t *v) {
  (void)schema;
  return json_is_number(v) || refuse(r, "it must be a number");
}

static bool read_multiple(struct reader *r, const json_t *schema, const json_t *v) {
  (void)schema;
  double d = json_number_value(v);
  if (!json_is_number(v) || d < 1 || d != floor(d) || d > RK_SCHEMA_MAX_MULTIPLE)
    return refuse(r, "only whole numbers from 1 to 1000000000 are supported");
  return true;
}

static bool read_values(struct reader *r, const json_t *schema, const json_t *v) {
  (void)schema;
  if (!json_is_array(v) || json_array_size(v) > RK_SCHEMA_MAX_LITERALS) return refuse(r, "it must be a list of at most 4096 values");
  return json_array_size(v) > 0 || refuse(r, "no value is allowed");
}

static bool keep_pattern(struct reader *r, const json_t *text, rk_str pattern) {
  struct rk_schema *s = r->s;
  struct rk_error why = {0};
  if (s->n_patterns == RK_SCHEMA_MAX_PATTERNS) return refuse(r, "more than 256 patterns");
  if (rk_regex_automaton(pattern, RK_REGEX_JUDGE, &s->patterns[s->n_patterns].judge, &why)) return refuse(r, why.msg);
  s->patterns[s->n_patterns++].text = text;
  return true;
}

static bool read_pattern(struct reader *r, const json_t *schema, const json_t *v) {
  (void)schema;
  if (!json_is_string(v)) return refuse(r, "it must be a string");
  return keep_pattern(r, v, (rk_str){json_string_value(v), json_string_length(v)});
}

static bool may_be_string(const json_t *type) {
  if (!type) return true;
  for (size_t i = 0; i < (json_is_array(type) ? json_array_size(type) : 1); i++) {
    const char *name = json_string_value(json_is_array(type) ? json_array_get(type, i) : type);
    if (name && strcmp(name, "string") == 0) return true;
  }
  return false;
}

/* A format says something about strings only. */
static bool read_format(struct reader *r, const json_t *schema, const json_t *v) {
  if (!json_is_string(v)) return refuse(r, "it must be a string");
  if (!may_be_string(json_object_get(schema, "type"))) return true;
  const char *pattern = rk_schema_format(json_string_value(v));
  if (!pattern) return refuse(r, "of the formats date, date-time, email, uri and uuid are supported");
  return keep_pattern(r, v, rk_str_c(pattern));
}

static bool read_ref(struct reader *r, const json_t *schema, const json_t *v) {
  (void)schema;
  if (json_is_string(v) && rk_schema_resolve(r->root, json_string_value(v))) return true;
  return refuse(r, "it must name a schema of the same document (\"#/$defs/NAME\")");
}

static const struct { const char *name; read_fn *read; } keywords[] = {
    {"type", read_type}, {"enum", read_values}, {"const", read_nothing}, {"properties", read_map}, {"required", read_names},
    {"additionalProperties", read_one}, {"items", read_items}, {"prefixItems", read_list}, {"minItems", read_least}, {"maxItems", read_count},
    {"minimum", read_number}, {"maximum", read_number}, {"exclusiveMinimum", read_number}, {"exclusiveMaximum", read_number},
    {"multipleOf", read_multiple}, {"minLength", read_least}, {"maxLength", read_count}, {"pattern", read_pattern}, {"format", read_format},
    {"anyOf", read_list}, {"oneOf", read_list}, {"allOf", read_list}, {"$ref", read_ref}, {"$defs", read_map}, {"definitions", read_map},
    {"title", read_nothing}, {"description", read_nothing}, {"default", read_nothing}, {"examples", read_nothing}, {"$comment", read_nothing},
    {"deprecated", read_nothing}, {"readOnly", read_nothing}, {"writeOnly", read_nothing}, {"$schema", read_nothing}, {"$id", read_nothing},
};

static bool read_keyword(struct reader *r, const json_t *schema, const char *key, const json_t *v) {
  for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
    if (strcmp(key, keywords[i].name) == 0) return keywords[i].read(r, schema, v);
  return refuse(r, "this keyword is not in the supported subset (see docs/chat.md)");
}

static bool read_schema(struct reader *r, const json_t *schema) {
  if (json_is_boolean(schema)) return true;
  if (!json_is_object(schema)) return refuse(r, "a schema must be an object or a boolean");
  if (r->depth >= WALK_DEPTH_MAX) return refuse(r, "nested too deep");
  r->depth++;
  const char *key;
  json_t *v;
  json_object_foreach((json_t *)(uintptr_t)schema, key, v) {
    size_t mark = enter(r, key);
    if (!read_keyword(r, schema, key, v)) return false;
    r->path[mark] = 0;
  }
  r->depth--;
  return true;
}

/* ---- building ---- */

static rk_err start(const json_t *doc, const char *name, struct rk_schema **out, struct rk_error *e) {
  size_t n = json_dumpb(doc, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY), most = (json_is_array(doc) ? 8 : 1) * (size_t)RK_MAX_SCHEMA_BYTES;
  struct rk_schema *s = *out = NULL;
  if (n > most) return rk_fail(e, RK_ETOOBIG, "a schema of %zu bytes is over the limit of %zu", n, most);
  s = calloc(1, sizeof *s);
  if (s) s->doc = json_deep_copy(doc);
  if (!s || !s->doc) {
    free(s);
    return rk_fail(e, RK_ENOMEM, "no memory for a schema");
  }
  snprintf(s->name, sizeof s->name, "%s", name);
  *out = s;
  return RK_OK;
}

static rk_err finish(bool ok, struct rk_schema **out) {
  if (ok) return RK_OK;
  rk_schema_free(*out);
  *out = NULL;
  return RK_EINVAL;
}

rk_err rk_schema_new(const json_t *schema, const char *name, struct rk_schema **out, struct rk_error *e) {
  rk_err err = start(schema, name, out, e);
  if (err) return err;
  struct reader r = {.s = *out, .root = (*out)->doc, .e = e};
  snprintf(r.path, sizeof r.path, "%s", (*out)->name);
  return finish(read_schema(&r, r.root), out);
}

rk_err rk_schema_new_object(struct rk_schema **out, struct rk_error *e) {
  json_t *schema = json_pack("{s:s}", "type", "object");
  rk_err err = rk_schema_new(schema, "json_object", out, e);
  json_decref(schema);
  return err;
}

const json_t *rk_schema_parameters(const json_t *tool, rk_str *name) {
  const json_t *fn = rk_json_obj(tool, "function"), *p = json_object_get(fn, "parameters");
  *name = rk_json_str(fn, "name");
  return !p || json_is_null(p) || (json_is_object(p) && json_object_size(p) == 0) ? NULL : p;
}

static bool read_tool(struct reader *r, size_t i, const json_t *tool) {
  rk_str name;
  r->root = rk_schema_parameters(tool, &name);
  snprintf(r->path, sizeof r->path, "tools[%zu] (%.*s) parameters", i, name.n > 64 ? 64 : RK_STR_ARG(name));
  if (name.n > 1000) return refuse(r, "the tool's name is too long");
  for (size_t k = 0; k < name.n; k++)
    if ((unsigned char)name.p[k] < 0x20 || name.p[k] == '"' || name.p[k] == '\\')
      return refuse(r, "the tool's name holds a character that names cannot have");
  for (size_t k = 0; k < i; k++) {
    rk_str other;
    rk_schema_parameters(json_array_get(r->s->doc, k), &other);
    if (rk_str_eq(name, other)) return refuse(r, "the tool's name stands twice");
  }
  return !r->root || read_schema(r, r->root);
}

rk_err rk_schema_new_call(const json_t *tools, const char *only, struct rk_schema **out, struct rk_error *e) {
  rk_err err = start(tools, "tools", out, e);
  if (err) return err;
  struct rk_schema *s = *out;
  struct reader r = {.s = s, .e = e};
  s->call = true;
  if (only && !(s->only = strdup(only))) return rk_fail(e, RK_ENOMEM, "no memory for a schema");
  bool ok = true;
  for (size_t i = 0; i < json_array_size(s->doc) && ok; i++) ok = read_tool(&r, i, json_array_get(s->doc, i));
  return finish(ok, out);
}

void rk_schema_free(struct rk_schema *s) {
  if (!s) return;
  for (int32_t i = 0; i < s->n_patterns; i++) rk_automaton_free(s->patterns[i].judge);
  json_decref(s->doc);
  free(s->only);
  free(s);
}
