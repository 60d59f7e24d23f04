/* grammar.h - a schema as a pushdown automaton over bytes.
 *
 * A state is a small set of stacks: more than one where alternatives cannot be
 * told apart yet. Every state that rk_grammar_step() reaches can be completed:
 * there are no dead ends. Bytes are JSON as Python's json.dumps writes it
 * (", " and ": "), so that a generated call is what the template would render.
 *
 * A state is a value: copy it with rk_grammar_copy(). Pure; any thread. */
#ifndef RK_CHAT_GRAMMAR_H
#define RK_CHAT_GRAMMAR_H

#include "base/limits.h"
#include "chat/schema.h"

enum { RK_GRAMMAR_FRAMES = RK_MAX_GRAMMAR_DEPTH + 3, RK_GRAMMAR_STACKS = RK_SCHEMA_MAX_ALTERNATIVES };

/* What the fields mean depends on the node's kind: see grammar.c. */
struct rk_frame {
  int32_t node, state;
  int32_t a, b;
  uint64_t bits;
};
struct rk_stack {
  int32_t n, depth; /* frames; objects and arrays among them */
  struct rk_frame f[RK_GRAMMAR_FRAMES];
};
struct rk_grammar {
  int32_t n; /* stacks; an empty stack is a complete value */
  struct rk_stack s[RK_GRAMMAR_STACKS];
};

void rk_grammar_start(const struct rk_schema *s, struct rk_grammar *g);
void rk_grammar_copy(struct rk_grammar *to, const struct rk_grammar *from);
/* One byte further; false: the byte cannot follow (out is then undefined). */
bool rk_grammar_step(const struct rk_schema *s, const struct rk_grammar *g, uint8_t byte, struct rk_grammar *out);
bool rk_grammar_can_end(const struct rk_schema *s, const struct rk_grammar *g);
bool rk_grammar_must_end(const struct rk_grammar *g);
/* The bytes that can only follow, until there is a choice; at most cap. */
size_t rk_grammar_forced(const struct rk_schema *s, const struct rk_grammar *g, char *out, size_t cap);

/* Inside a string, between two code points, with nothing else possible: how
 * many code points may still follow. -1 elsewhere. */
int64_t rk_grammar_string_room(const struct rk_schema *s, const struct rk_grammar *g);
/* Two states with the same hash of the same schema allow the same. */
void rk_grammar_hash(const struct rk_schema *s, const struct rk_grammar *g, uint64_t out[2]);

#endif
