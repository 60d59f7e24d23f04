/* schema_parts.h - what schema.c reads and its neighbours use (internal). */
#ifndef RK_CHAT_SCHEMA_PARTS_H
#define RK_CHAT_SCHEMA_PARTS_H

#include "chat/schema.h"

struct rk_schema {
  json_t *doc;       /* own copy: the schema, or the tools */
  bool call;
  char *only;        /* the tool that may be called; NULL: any */
  char name[100];
  struct { const json_t *text; struct rk_automaton *judge; } patterns[RK_SCHEMA_MAX_PATTERNS]; /* of pattern and format */
  int32_t n_patterns;
};

/* "#/$defs/x", "#/properties/y/items": a schema of the document; NULL: none. */
const json_t *rk_schema_resolve(const json_t *root, const char *ref);
/* The regular expression of a format; NULL: not supported. */
const char *rk_schema_format(const char *format);
/* The automaton that judges a pattern or format of the document. */
struct rk_automaton *rk_schema_judge(const struct rk_schema *s, const json_t *text);
/* Whether the value fits the part of the document root; own: only what stands
 * in it, without $ref, allOf, anyOf, oneOf. */
bool rk_schema_fits(const struct rk_schema *s, const json_t *root, const json_t *part, const json_t *value, bool own);
/* The schema of the arguments of a tool; NULL: an object without properties. */
const json_t *rk_schema_parameters(const json_t *tool, rk_str *name);

#endif
