/* schema.h - the JSON Schema that a reply is held to.
 *
 * rk_schema_new() reads it: every keyword is known, or refused with its path,
 * because ignoring a restriction could let a wrong value out.
 * rk_schema_automaton() makes what is written by it (schema_build.c),
 * rk_schema_check() judges a finished value (schema_check.c).
 *
 * Keywords: type, enum, const, properties, required, additionalProperties,
 * items, prefixItems, minItems, maxItems, minimum, maximum, exclusiveMinimum,
 * exclusiveMaximum, multipleOf (whole numbers), minLength, maxLength, pattern,
 * format (date, date-time, email, uri, uuid), anyOf, oneOf, allOf, local $ref,
 * $defs. Annotations are ignored: see docs/chat.md, which also says in which
 * form values are written.
 *
 * Immutable once built, any thread. Limits: RK_MAX_SCHEMA_BYTES,
 * RK_MAX_GRAMMAR_DEPTH, RK_SCHEMA_MAX_... */
#ifndef RK_CHAT_SCHEMA_H
#define RK_CHAT_SCHEMA_H

#include "base/err.h"
#include "base/str.h"
#include "chat/automaton.h"
#include "json/json.h"

enum {
  RK_SCHEMA_MAX_PROPERTIES = 256,
  RK_SCHEMA_MAX_ALTERNATIVES = 256, /* of one value, alternatives of alternatives multiplied out */
  RK_SCHEMA_MAX_PARTS = 24,         /* schemas that hold for one value at once */
  RK_SCHEMA_MAX_GOALS = 4096,       /* different values described */
  RK_SCHEMA_MAX_LITERALS = 4096,
  RK_SCHEMA_MAX_PATTERNS = 256,
  RK_SCHEMA_MAX_MULTIPLE = 1000000000,
};

struct rk_schema;

/* RK_EINVAL: e names the path ("json_schema/properties/x: ..."); RK_ETOOBIG. name begins the path. */
rk_err rk_schema_new(const json_t *schema, const char *name, struct rk_schema **out, struct rk_error *e) RK_MUST_USE;
/* The call form of the Qwen templates over tools in OpenAI form; only: NULL or
 * the one tool that may be called. */
rk_err rk_schema_new_call(const json_t *tools, const char *only, struct rk_schema **out, struct rk_error *e) RK_MUST_USE;
/* Any JSON object. */
rk_err rk_schema_new_object(struct rk_schema **out, struct rk_error *e) RK_MUST_USE;
void rk_schema_free(struct rk_schema *s);

/* A value with compact separators; a call as json.dumps spells it, so that it
 * is what the template would render. RK_EINVAL: nothing fits, or whether a
 * oneOf's alternatives exclude each other cannot be decided. */
rk_err rk_schema_automaton(const struct rk_schema *s, struct rk_automaton **out, struct rk_error *e) RK_MUST_USE;

/* RK_EINVAL when the value does not fit: e names where and what was expected. */
rk_err rk_schema_check(const struct rk_schema *s, const json_t *value, struct rk_error *e) RK_MUST_USE;
/* Of a call schema: whether args fit the tool of that name, and whether there is one. */
rk_err rk_schema_check_call(const struct rk_schema *s, const char *tool, const json_t *args, struct rk_error *e) RK_MUST_USE;
bool rk_schema_has_tool(const struct rk_schema *s, rk_str tool);

#endif
