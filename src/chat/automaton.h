/* automaton.h - the one automaton behind every constraint: JSON Schemas,
 * regular expressions and GBNF grammars become expressions of a builder, and
 * those a pushdown automaton over bytes.
 *
 *   expression -> nodes (a nondeterministic automaton per rule, calls between
 *   rules, counted repetition) -> states (a set of configurations, made when
 *   first reached and kept) -> one table row per state
 *
 * A configuration is a node and a stack; frames of stacks and states are kept
 * once each, so that a state is a number, two equal situations are the same
 * number, and whatever was worked out about it (its next states, its token
 * mask) is found again.
 *
 * Every state that is reached can be completed: rules without an end and ways
 * that would nest deeper than max_depth are left out where they begin.
 *
 * A builder belongs to one thread. An automaton may be shared: hold
 * rk_automaton_lock() around everything that takes a state. States live until
 * rk_automaton_trim() starts a new epoch; a matcher finds its way back by
 * itself.
 * Limits: RK_AUTOMATON_MAX_... ; more configurations than a state holds are
 * left out, which only narrows what may follow. */
#ifndef RK_CHAT_AUTOMATON_H
#define RK_CHAT_AUTOMATON_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum {
  RK_AUTOMATON_MAX_NODES = 262144,
  RK_AUTOMATON_MAX_RULES = 16384,
  RK_AUTOMATON_MAX_CONFIGS = 512,      /* of one state */
  RK_AUTOMATON_MAX_PRODUCT = 16384,    /* states of an intersection */
  RK_AUTOMATON_MAX_BYTES = 16777216,   /* of states and what hangs on them, before they are dropped */
  RK_AUTOMATON_MAX_REPEAT = 1000000,
};

/* ---- expressions ---- */

struct rk_builder;
struct rk_automaton;
typedef int32_t rk_ex; /* always valid: the first failure sticks to the builder */

struct rk_range { uint32_t low, high; }; /* code points, inclusive */

/* A JSON number in decimal notation: at most 18 digits before the point and 17
 * behind it. Bounds are in units of 1, or of 10^-18 when it is no integer,
 * and multiples of 10 then. */
struct rk_number {
  bool integer;
  __int128 low, high; /* inclusive */
  int64_t multiple;   /* of the integer; 0: any */
};
/* Whether the automaton of n would accept anything. */
bool rk_number_exists(const struct rk_number *n);

struct rk_builder *rk_builder_new(void); /* NULL: no memory */
void rk_builder_free(struct rk_builder *b);
rk_err rk_builder_err(const struct rk_builder *b);

rk_ex rk_ex_empty(struct rk_builder *b); /* the empty string */
rk_ex rk_ex_never(struct rk_builder *b); /* nothing at all */
rk_ex rk_ex_text(struct rk_builder *b, rk_str s);
rk_ex rk_ex_bytes(struct rk_builder *b, uint8_t low, uint8_t high);
rk_ex rk_ex_seq(struct rk_builder *b, rk_ex x, rk_ex y);
rk_ex rk_ex_alt(struct rk_builder *b, rk_ex x, rk_ex y);
rk_ex rk_ex_repeat(struct rk_builder *b, rk_ex x, int64_t min, int64_t max); /* max < 0: no end */
/* One code point of the set as UTF-8; in_json: as json.dumps spells it inside
 * a string. Ranges need no order. */
rk_ex rk_ex_code_points(struct rk_builder *b, const struct rk_range *r, size_t n, bool in_json);
rk_ex rk_ex_json_chars(struct rk_builder *b, int64_t min, int64_t max); /* code points of a JSON string */
/* One of the words; w is sorted. */
rk_ex rk_ex_words(struct rk_builder *b, rk_str *w, size_t n);
/* A JSON string's inside that is none of the words (spelled as inside). */
rk_ex rk_ex_other_words(struct rk_builder *b, rk_str *w, size_t n);
rk_ex rk_ex_number(struct rk_builder *b, const struct rk_number *n);
/* What all of them accept; they must be finite automata. */
rk_ex rk_ex_common(struct rk_builder *b, struct rk_automaton *const *a, size_t n);
bool rk_automata_exclude(struct rk_automaton *const *a, size_t n); /* they accept nothing in common */

/* A rule may be used before it is defined. weight: what a call of it adds to
 * the depth. */
int32_t rk_rule_new(struct rk_builder *b, int32_t weight);
void rk_rule_define(struct rk_builder *b, int32_t rule, rk_ex x);
rk_ex rk_ex_rule(struct rk_builder *b, int32_t rule);

/* ---- the automaton ---- */

struct rk_automaton_opts {
  int32_t max_depth;
  bool tail_calls; /* a call at the end of a rule adds nothing to the depth */
};
/* RK_EINVAL: left recursion (*bad_rule names it) or nothing is accepted
 * (*bad_rule is -1); RK_ETOOBIG, RK_ENOMEM. The builder is done with. */
rk_err rk_automaton_new(struct rk_builder *b, int32_t root, const struct rk_automaton_opts *o, struct rk_automaton **out,
                        int32_t *bad_rule) RK_MUST_USE;
struct rk_automaton *rk_automaton_ref(struct rk_automaton *a);
void rk_automaton_free(struct rk_automaton *a); /* drops one reference */

void rk_automaton_lock(struct rk_automaton *a);
void rk_automaton_unlock(struct rk_automaton *a);
int32_t rk_automaton_start(struct rk_automaton *a);
int32_t rk_automaton_step(struct rk_automaton *a, int32_t state, uint8_t byte); /* -1: it cannot follow */
bool rk_automaton_ends(const struct rk_automaton *a, int32_t state);            /* complete here */
bool rk_automaton_stops(const struct rk_automaton *a, int32_t state);           /* no byte can follow */
int rk_automaton_only(struct rk_automaton *a, int32_t state);                   /* the one byte that can follow, -1: several, or the end */
size_t rk_automaton_certain(struct rk_automaton *a, int32_t state, char *out, size_t cap); /* the bytes that can only follow, until there is a choice */
/* Inside a JSON string between two code points: how many may follow at most
 * (INT64_MAX: any number), and the state of all that is possible besides;
 * -1 elsewhere. */
int64_t rk_automaton_string_room(struct rk_automaton *a, int32_t state, int32_t *rest);
/* Every character but control, quote and backslash leads back to the state. */
bool rk_automaton_absorbs_text(struct rk_automaton *a, int32_t state);

/* A place for the mask of the state: n words of zeros when there was none (*found tells). NULL: no memory. */
uint32_t *rk_automaton_mask(struct rk_automaton *a, int32_t state, size_t n_words, bool *found);
/* States made after the mark are dropped again when there are too many. */
struct rk_mark { int32_t n_frames, n_states, n_steps; size_t n_configs; };
struct rk_mark rk_automaton_mark(const struct rk_automaton *a);
void rk_automaton_relieve(struct rk_automaton *a, struct rk_mark mark);
size_t rk_automaton_size_bytes(const struct rk_automaton *a);

/* ---- a way through it ---- */

struct rk_matcher {
  struct rk_automaton *a; /* one reference */
  int32_t state;
  uint32_t epoch;
  struct rk_buf bytes;    /* taken so far: the way back after a trim */
};
/* Takes over the reference. */
void rk_matcher_init(struct rk_matcher *m, struct rk_automaton *a, size_t max_bytes);
void rk_matcher_release(struct rk_matcher *m);
void rk_matcher_restart(struct rk_matcher *m);
/* False: the bytes cannot follow, nothing is taken. */
bool rk_matcher_take(struct rk_matcher *m, rk_str bytes);
bool rk_matcher_ends(struct rk_matcher *m);
bool rk_matcher_stops(struct rk_matcher *m); /* complete, and nothing can follow */
size_t rk_matcher_forced(struct rk_matcher *m, char *out, size_t cap); /* rk_automaton_certain() from where it stands */
/* The first word of the text from `from` on, else before it, from which on the
 * text is a whole piece of what the automaton expects here, such as a date;
 * -1: none, or anything fits. */
int32_t rk_matcher_find(struct rk_matcher *m, rk_str text, int32_t from);
/* The state, with the automaton locked; give the lock back. */
int32_t rk_matcher_lock(struct rk_matcher *m);
/* Whole text at once. */
bool rk_automaton_accepts(struct rk_automaton *a, rk_str text);

#endif
