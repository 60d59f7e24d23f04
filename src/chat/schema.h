/* schema.h - the subset of JSON Schema that a reply can be held to.
 *
 * A schema becomes a graph of nodes: grammar.h generates by it, and
 * rk_schema_check() judges a finished value. Subset: type (one or a list),
 * properties, required, additionalProperties, items, minItems, maxItems,
 * enum, const, minLength, maxLength, minimum, maximum, exclusiveMinimum,
 * exclusiveMaximum, anyOf, oneOf (of alternatives that exclude each other),
 * local $ref, $defs. Annotations are ignored; any other keyword is refused
 * with its path, because ignoring it could let a wrong value out.
 *
 * What is generated is narrower than what is accepted: properties that are
 * listed (in any order), numbers in plain decimal notation of at most 15
 * integer digits (12 + 6 decimals), no \u escapes. docs/chat.md says more.
 *
 * Immutable once built, any thread. Limits: RK_MAX_SCHEMA_BYTES,
 * RK_MAX_GRAMMAR_DEPTH, RK_SCHEMA_MAX_... */
#ifndef RK_CHAT_SCHEMA_H
#define RK_CHAT_SCHEMA_H

#include "base/err.h"
#include "base/str.h"
#include "json/json.h"

enum {
  RK_SCHEMA_MAX_NODES = 8192,
  RK_SCHEMA_MAX_PROPERTIES = 64,
  RK_SCHEMA_MAX_ALTERNATIVES = 16, /* of one anyOf; RK_SCHEMA_MAX_LEAVES with those nested in it */
  RK_SCHEMA_MAX_LEAVES = 64,
  RK_SCHEMA_MAX_LENGTH = 1000000, /* of minLength, minItems */
  RK_SCHEMA_MAX_LITERALS = 4096,
  RK_SCHEMA_SCALE = 1000000, /* decimals of a generated number */
};

enum rk_node_kind {
  RK_NODE_ANYOF,    /* one of children, none of which is an ANYOF */
  RK_NODE_OBJECT,
  RK_NODE_MAP,      /* object of any keys, values by item */
  RK_NODE_ARRAY,
  RK_NODE_STRING,
  RK_NODE_NUMBER,
  RK_NODE_LITERALS, /* one of texts */
  RK_NODE_CALL      /* \n{"name": "TOOL", "arguments": ...}\n: texts are the heads */
};

struct rk_node {
  enum rk_node_kind kind;
  int32_t min_depth; /* levels of objects and arrays that a value needs at least */
  /* texts are sorted by bytes, none twice. OBJECT: `"key": `; LITERALS: JSON text;
   * CALL: `\n{"name": "x", "arguments": `. children belong to texts one to one. */
  rk_str *texts;      /* [n] */
  int32_t *children;  /* [n]; ANYOF: the alternatives */
  int32_t n;
  uint64_t required;  /* OBJECT: bit i for texts[i] */
  unsigned starts;    /* with which kinds of byte a value begins: schema.c */
  int32_t key;        /* MAP: node of a key */
  int32_t item;       /* ARRAY, MAP; OBJECT: schema of further keys; -1: none allowed */
  int64_t min, max;   /* ARRAY: items; STRING: code points */
  bool integer;       /* NUMBER */
  int64_t low, high;  /* NUMBER: what is generated, in units of 1 or of 1/RK_SCHEMA_SCALE */
  double minimum, maximum; /* NUMBER: what is accepted; open ends below */
  bool open_min, open_max;
};

struct rk_schema {
  struct rk_node *nodes; /* [n_nodes] */
  int32_t n_nodes, cap_nodes;
  int32_t root;
  uint64_t hash;         /* of the text it was made from */
};

/* RK_EINVAL: outside the subset, e names the path ("parameters/properties/x: ...");
 * RK_ETOOBIG. name begins the path. */
rk_err rk_schema_new(const json_t *schema, const char *name, struct rk_schema **out, struct rk_error *e) RK_MUST_USE;
/* The call form of the Qwen templates over tools in OpenAI form; only: NULL or
 * the one tool that may be called. */
rk_err rk_schema_new_call(const json_t *tools, const char *only, struct rk_schema **out, struct rk_error *e) RK_MUST_USE;
/* Any JSON object. */
rk_err rk_schema_new_object(struct rk_schema **out, struct rk_error *e) RK_MUST_USE;
void rk_schema_free(struct rk_schema *s);

/* RK_EINVAL when the value does not fit: e names where and what was expected. */
rk_err rk_schema_check(const struct rk_schema *s, const json_t *value, struct rk_error *e) RK_MUST_USE;
/* Of a call schema: whether args fit the tool of that name. */
rk_err rk_schema_check_call(const struct rk_schema *s, const char *tool, const json_t *args, struct rk_error *e) RK_MUST_USE;

#endif
