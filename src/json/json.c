#include "json/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/utf8.h"

/* jansson's own nesting limit is far above ours, so depth is counted first. */
static bool too_deep(rk_str s) {
  size_t depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < s.n; i++) {
    char c = s.p[i];
    if (quoted) {
      if (c == '\\') i++;
      else if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      if (++depth > RK_MAX_JSON_DEPTH) return true;
    } else if ((c == '}' || c == ']') && depth > 0) {
      depth--;
    }
  }
  return false;
}

static json_t *parse(rk_str text, size_t max_bytes, size_t flags, struct rk_error *e) {
  if (text.n > max_bytes) {
    rk_fail(e, RK_ETOOBIG, "JSON of %zu bytes is over the limit of %zu", text.n, max_bytes);
    return NULL;
  }
  if (!rk_utf8_valid(text)) {
    rk_fail(e, RK_EFORMAT, "JSON is not valid UTF-8");
    return NULL;
  }
  if (too_deep(text)) {
    rk_fail(e, RK_EFORMAT, "JSON is nested deeper than %d levels", (int)RK_MAX_JSON_DEPTH);
    return NULL;
  }
  json_error_t je;
  json_t *v = json_loadb(text.p, text.n, flags | JSON_DECODE_ANY | JSON_ALLOW_NUL, &je);
  if (!v) rk_fail(e, RK_EFORMAT, "JSON line %d column %d: %s", je.line, je.column, je.text);
  return v;
}

json_t *rk_json_parse(rk_str text, size_t max_bytes, struct rk_error *e) { return parse(text, max_bytes, JSON_REJECT_DUPLICATES, e); }
json_t *rk_json_parse_last(rk_str text, size_t max_bytes, struct rk_error *e) { return parse(text, max_bytes, 0, e); }

rk_str rk_json_str(const json_t *obj, const char *key) {
  const json_t *v = json_object_get(obj, key);
  return json_is_string(v) ? (rk_str){json_string_value(v), json_string_length(v)} : RK_STR("");
}

const char *rk_json_cstr(const json_t *obj, const char *key, const char *def) {
  const json_t *v = json_object_get(obj, key);
  return json_is_string(v) ? json_string_value(v) : def;
}

int64_t rk_json_i64(const json_t *obj, const char *key, int64_t def) {
  const json_t *v = json_object_get(obj, key);
  return json_is_integer(v) ? (int64_t)json_integer_value(v) : def;
}

bool rk_json_bool(const json_t *obj, const char *key, bool def) {
  const json_t *v = json_object_get(obj, key);
  return json_is_boolean(v) ? json_is_true(v) : def;
}

json_t *rk_json_arr(const json_t *obj, const char *key) {
  json_t *v = json_object_get(obj, key);
  return json_is_array(v) ? v : NULL;
}

json_t *rk_json_obj(const json_t *obj, const char *key) {
  json_t *v = json_object_get(obj, key);
  return json_is_object(v) ? v : NULL;
}
