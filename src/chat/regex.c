#include "chat/regex.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

enum { SET_RANGES = 256, NONE = -1 };
enum kind { ITEM, BEGIN, END, GROUP, CHAIN, CHOICE };

/* A parsed piece. Anchors decide what may stand before and behind, so that
 * sequences are put together after parsing. */
struct piece {
  enum kind kind;
  rk_ex x;                 /* ITEM */
  bool anchored;           /* an anchor stands inside */
  int32_t first, next;     /* children; sibling */
};

struct parser {
  struct rk_builder *b;
  rk_str s;
  size_t at;
  enum rk_regex_use use;
  struct rk_error *e;
  bool failed;
  int depth;
  struct piece *pieces;
  int32_t n_pieces, cap_pieces;
};

struct set { struct rk_range r[SET_RANGES]; size_t n; };

static void refuse(struct parser *p, const char *what) {
  if (!p->failed) rk_fail(p->e, RK_EINVAL, "the pattern at byte %zu: %s", p->at, what);
  p->failed = true;
}

static bool more(const struct parser *p) { return !p->failed && p->at < p->s.n; }
static char peek(const struct parser *p) { return more(p) ? p->s.p[p->at] : 0; }
static bool take(struct parser *p, const char *text) {
  size_t n = strlen(text);
  if (p->failed || p->s.n - p->at < n || memcmp(p->s.p + p->at, text, n) != 0) return false;
  p->at += n;
  return true;
}

static int32_t add_piece(struct parser *p, struct piece x) {
  if (p->n_pieces == p->cap_pieces) {
    int32_t cap = p->cap_pieces ? 2 * p->cap_pieces : 64;
    struct piece *q = realloc(p->pieces, (size_t)cap * sizeof *q);
    if (!q) {
      refuse(p, "out of memory");
      return 0;
    }
    p->pieces = q;
    p->cap_pieces = cap;
  }
  x.next = NONE;
  p->pieces[p->n_pieces] = x;
  return p->n_pieces++;
}

/* ---- sets of code points ---- */

static void add_range(struct parser *p, struct set *s, uint32_t low, uint32_t high) {
  if (s->n == SET_RANGES) refuse(p, "a class has too many ranges");
  else s->r[s->n++] = (struct rk_range){low, high};
}

static int by_low(const void *pa, const void *pb) {
  const struct rk_range *a = pa, *b = pb;
  return a->low < b->low ? -1 : a->low > b->low;
}

static void negate(struct parser *p, struct set *s) {
  struct set out = {.n = 0};
  uint32_t from = 0;
  qsort(s->r, s->n, sizeof *s->r, by_low);
  for (size_t i = 0; i < s->n; i++) {
    if (s->r[i].low > from) add_range(p, &out, from, s->r[i].low - 1);
    if (s->r[i].high + 1 > from) from = s->r[i].high + 1;
  }
  if (from <= 0x10ffff) add_range(p, &out, from, 0x10ffff);
  *s = out;
}

static const struct rk_range digits[] = {{'0', '9'}}, word[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}},
    space[] = {{9, 13}, {32, 32}, {0xa0, 0xa0}, {0x1680, 0x1680}, {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000}},
    more_space[] = {{0xfeff, 0xfeff}}, python_space[] = {{0x1c, 0x1f}, {0x85, 0x85}}, beyond_ascii[] = {{0x80, 0x10ffff}};

#define ADD_ALL(p, s, list) \
  for (size_t i_ = 0; i_ < sizeof(list) / sizeof *(list); i_++) add_range(p, s, (list)[i_].low, (list)[i_].high)

/* \d \w \s; wide: what some reader takes for one, to be left out of a negation. */
static void add_class(struct parser *p, struct set *s, char c, bool wide) {
  const bool judge = p->use == RK_REGEX_JUDGE;
  if (c == 'd') ADD_ALL(p, s, digits);
  if (c == 'w') ADD_ALL(p, s, word);
  if ((c == 'd' || c == 'w') && wide && !judge) ADD_ALL(p, s, beyond_ascii);
  if (c != 's') return;
  ADD_ALL(p, s, space);
  if (judge || wide) ADD_ALL(p, s, more_space);
  if (wide && !judge) ADD_ALL(p, s, python_space);
}

static bool add_escape_class(struct parser *p, struct set *s, char c, bool in_negated) {
  if (c == 'd' || c == 'w' || c == 's') {
    add_class(p, s, c, in_negated);
    return true;
  }
  if (c != 'D' && c != 'W' && c != 'S') return false;
  struct set t = {.n = 0};
  add_class(p, &t, (char)(c + 32), !in_negated);
  negate(p, &t);
  for (size_t i = 0; i < t.n; i++) add_range(p, s, t.r[i].low, t.r[i].high);
  return true;
}

static int hex_digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; }

static uint32_t hex(struct parser *p, int least, int most) {
  uint32_t v = 0;
  int n = 0;
  for (; n < most && more(p) && hex_digit(peek(p)) >= 0; n++) v = v * 16 + (uint32_t)hex_digit(p->s.p[p->at++]);
  if (n < least) refuse(p, "hexadecimal digits are missing");
  return v;
}

static uint32_t unicode_escape(struct parser *p) {
  uint32_t v;
  if (take(p, "{")) {
    v = hex(p, 1, 6);
    if (!take(p, "}")) refuse(p, "} is missing");
  } else {
    v = hex(p, 4, 4);
    if (v >= 0xd800 && v < 0xdc00 && take(p, "\\u")) v = 0x10000 + ((v - 0xd800) << 10) + ((hex(p, 4, 4) - 0xdc00) & 0x3ff);
  }
  if (v > 0x10ffff || (v >= 0xd800 && v < 0xe000)) refuse(p, "there is no such code point");
  return v;
}

/* Behind the backslash: one code point. */
static uint32_t escape(struct parser *p) {
  static const char names[] = "t\tn\nr\rv\vf\f";
  char c = peek(p);
  if (!more(p)) refuse(p, "it ends in a backslash");
  p->at++;
  for (const char *q = names; *q; q += 2)
    if (*q == c) return (uint32_t)q[1];
  if (c == 'x') return hex(p, 2, 2);
  if (c == 'u') return unicode_escape(p);
  if (c == 'c' && more(p) && ((peek(p) | 32) >= 'a' && (peek(p) | 32) <= 'z')) return (uint32_t)(p->s.p[p->at++] & 31);
  if (c == '0' && !(peek(p) >= '0' && peek(p) <= '9')) return 0;
  if ((c >= '0' && c <= '9') || c == 'k') refuse(p, "backreferences are not supported");
  else if (c == 'b' || c == 'B') refuse(p, "word borders (\\b) are not supported");
  else if (c == 'p' || c == 'P') refuse(p, "Unicode properties (\\p) are not supported");
  else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) refuse(p, "an escape that is not supported");
  return (uint8_t)c;
}

static uint32_t code_point(struct parser *p) {
  uint32_t cp = 0;
  int n = rk_utf8_next((rk_str){p->s.p + p->at, p->s.n - p->at}, &cp);
  if (n == 0) refuse(p, "it is not valid UTF-8");
  p->at += (size_t)n;
  return cp;
}

/* One end of a range inside [ ]; false: it was a class like \d. */
static bool class_atom(struct parser *p, struct set *s, bool negated, uint32_t *cp) {
  if (!take(p, "\\")) {
    *cp = code_point(p);
    return true;
  }
  if (more(p) && add_escape_class(p, s, peek(p), negated)) {
    p->at++;
    return false;
  }
  if (take(p, "b")) *cp = 8;
  else if (take(p, "-")) *cp = '-';
  else *cp = escape(p);
  return true;
}

static rk_ex set_ex(struct parser *p, const struct set *s) {
  return rk_ex_code_points(p->b, s->r, s->n, p->use == RK_REGEX_WRITE);
}

static rk_ex parse_class(struct parser *p) {
  struct set s = {.n = 0};
  bool negated = take(p, "^");
  while (more(p) && peek(p) != ']') {
    uint32_t low = 0, high = 0;
    if (!class_atom(p, &s, negated, &low)) continue;
    high = low;
    if (p->at + 1 < p->s.n && peek(p) == '-' && p->s.p[p->at + 1] != ']') {
      p->at++;
      if (!class_atom(p, &s, negated, &high)) refuse(p, "a range cannot end in a class");
      if (high < low) refuse(p, "a range is upside down");
    }
    add_range(p, &s, low, high);
  }
  if (!take(p, "]")) refuse(p, "] is missing");
  if (negated) negate(p, &s);
  return set_ex(p, &s);
}

static rk_ex any_ex(struct parser *p, bool lines) {
  struct set s = {.n = 0};
  if (lines) {
    add_range(p, &s, '\n', '\n');
    add_range(p, &s, '\r', '\r');
    add_range(p, &s, 0x2028, 0x2029);
  }
  negate(p, &s);
  return set_ex(p, &s);
}

/* ---- parsing ---- */

static int32_t parse_choice(struct parser *p);

static bool number(struct parser *p, int64_t *out) {
  int64_t v = 0;
  size_t from = p->at;
  for (; more(p) && peek(p) >= '0' && peek(p) <= '9'; p->at++)
    if (v <= RK_AUTOMATON_MAX_REPEAT) v = v * 10 + (peek(p) - '0');
  *out = v;
  return p->at > from;
}

/* *min, *max of a quantifier; false: there is none. */
static bool quantifier(struct parser *p, int64_t *min, int64_t *max) {
  *min = 0;
  *max = -1;
  if (take(p, "*")) return true;
  if (take(p, "+")) return *min = 1, true;
  if (take(p, "?")) return *max = 1, true;
  if (!take(p, "{")) return false;
  if (!number(p, min)) refuse(p, "a { that is meant as a character needs a backslash");
  *max = *min;
  if (take(p, ",") && !number(p, max)) *max = -1;
  if (!take(p, "}")) refuse(p, "} is missing");
  if (*min > RK_AUTOMATON_MAX_REPEAT || *max > RK_AUTOMATON_MAX_REPEAT) refuse(p, "it repeats more than 1000000 times");
  if (*max >= 0 && *max < *min) refuse(p, "a repetition is upside down");
  return true;
}

static int32_t parse_group(struct parser *p) {
  if (p->depth >= RK_REGEX_MAX_DEPTH) refuse(p, "groups are nested too deep");
  if (take(p, "?")) {
    bool named = take(p, "P<") || (p->at + 1 < p->s.n && peek(p) == '<' && p->s.p[p->at + 1] != '=' && p->s.p[p->at + 1] != '!' && take(p, "<"));
    if (named) {
      while (more(p) && peek(p) != '>') p->at++;
      if (!take(p, ">")) refuse(p, "> is missing");
    } else if (!take(p, ":")) {
      refuse(p, "lookaround and flags are not supported");
    }
  }
  p->depth++;
  int32_t choice = parse_choice(p);
  p->depth--;
  if (!take(p, ")")) refuse(p, ") is missing");
  return choice;
}

static rk_ex inside(struct parser *p, int32_t piece); /* without anything before or behind */

static int32_t parse_atom(struct parser *p) {
  struct piece x = {.kind = ITEM};
  if (take(p, "^")) return add_piece(p, (struct piece){.kind = BEGIN, .anchored = true});
  if (take(p, "$")) return add_piece(p, (struct piece){.kind = END, .anchored = true});
  if (take(p, "(")) return parse_group(p);
  if (take(p, "[")) x.x = parse_class(p);
  else if (take(p, ".")) x.x = any_ex(p, true);
  else if (take(p, "\\")) {
    struct set s = {.n = 0};
    if (more(p) && add_escape_class(p, &s, peek(p), false)) p->at++;
    else {
      uint32_t cp = escape(p);
      add_range(p, &s, cp, cp);
    }
    x.x = set_ex(p, &s);
  } else {
    if (strchr("*+?{", peek(p))) refuse(p, "there is nothing to repeat");
    uint32_t cp = code_point(p);
    x.x = rk_ex_code_points(p->b, &(struct rk_range){cp, cp}, 1, p->use == RK_REGEX_WRITE);
  }
  return add_piece(p, x);
}

static int32_t parse_chain(struct parser *p) {
  int32_t chain = add_piece(p, (struct piece){.kind = CHAIN, .first = NONE}), last = NONE;
  while (more(p) && peek(p) != '|' && peek(p) != ')') {
    int32_t at = parse_atom(p);
    int64_t min, max;
    if (p->failed) break;
    if (quantifier(p, &min, &max)) {
      take(p, "?");
      if (p->pieces[at].anchored) refuse(p, "an anchor cannot be repeated");
      rk_ex x = rk_ex_repeat(p->b, inside(p, at), min, max);
      at = add_piece(p, (struct piece){.kind = ITEM, .x = x});
      if (more(p) && strchr("*+?{", peek(p))) refuse(p, "a repetition of a repetition needs a group");
    }
    if (p->failed) break;
    p->pieces[chain].anchored |= p->pieces[at].anchored;
    if (last == NONE) p->pieces[chain].first = at;
    else p->pieces[last].next = at;
    last = at;
  }
  return chain;
}

static int32_t parse_choice(struct parser *p) {
  int32_t choice = add_piece(p, (struct piece){.kind = CHOICE, .first = NONE}), last = NONE;
  do {
    int32_t chain = parse_chain(p);
    if (p->failed) break;
    p->pieces[choice].anchored |= p->pieces[chain].anchored;
    if (last == NONE) p->pieces[choice].first = chain;
    else p->pieces[last].next = chain;
    last = chain;
  } while (take(p, "|"));
  return choice;
}

/* ---- putting together ---- */

static rk_ex anything(struct parser *p) { return rk_ex_repeat(p->b, any_ex(p, false), 0, -1); }

static rk_ex wrap(struct parser *p, int32_t at, bool left, bool right);

static rk_ex wrap_chain(struct parser *p, int32_t at, bool left, bool right) {
  rk_ex x = rk_ex_empty(p->b);
  int32_t first = p->pieces[at].first;
  bool at_start = true; /* nothing of the chain so far */
  bool open = right;    /* whatever follows is still to be added */
  for (int32_t i = first; i != NONE && !p->failed; i = p->pieces[i].next) {
    const struct piece q = p->pieces[i];
    if (q.kind == BEGIN) {
      if (!at_start || !left) refuse(p, "^ can stand only at the beginning");
      at_start = left = false;
      continue;
    }
    if (q.kind == END) {
      if (!right || !open) refuse(p, "$ can stand only at the end");
      open = false;
      if (q.next != NONE) refuse(p, "$ can stand only at the end");
      continue;
    }
    bool inner_left = q.anchored && at_start && left, inner_right = q.anchored && q.next == NONE && right;
    if (at_start && left && !inner_left) x = rk_ex_seq(p->b, x, anything(p));
    x = rk_ex_seq(p->b, x, q.kind == ITEM ? q.x : wrap(p, i, inner_left, inner_right));
    if (inner_right) open = false;
    at_start = left = false;
  }
  if (at_start && left) x = rk_ex_seq(p->b, x, anything(p));
  else if (first == NONE) open = false;
  return open ? rk_ex_seq(p->b, x, anything(p)) : x;
}

/* left, right: the pattern begins or ends here, so that anything may stand there unless an anchor does. */
static rk_ex wrap(struct parser *p, int32_t at, bool left, bool right) {
  rk_ex x = NONE;
  if (p->failed) return 0;
  if (p->pieces[at].kind == CHAIN) return wrap_chain(p, at, left, right);
  if (p->pieces[at].kind == ITEM) return p->pieces[at].x;
  for (int32_t i = p->pieces[at].first; i != NONE && !p->failed; i = p->pieces[i].next) {
    rk_ex y = wrap_chain(p, i, left, right);
    x = x == NONE ? y : rk_ex_alt(p->b, x, y);
  }
  return x == NONE ? rk_ex_empty(p->b) : x;
}

static rk_ex inside(struct parser *p, int32_t piece) { return wrap(p, piece, false, false); }

rk_err rk_regex(struct rk_builder *b, rk_str pattern, enum rk_regex_use use, rk_ex *out, struct rk_error *e) {
  *out = 0;
  if (pattern.n > RK_REGEX_MAX_BYTES) return rk_fail(e, RK_ETOOBIG, "a pattern of %zu bytes is over the limit of %d", pattern.n, (int)RK_REGEX_MAX_BYTES);
  struct parser p = {.b = b, .s = pattern, .use = use, .e = e};
  int32_t root = parse_choice(&p);
  if (!p.failed && p.at < pattern.n) refuse(&p, "a ) without (");
  if (!p.failed) *out = wrap(&p, root, true, true);
  free(p.pieces);
  if (p.failed) return RK_EINVAL;
  rk_err err = rk_builder_err(b);
  return err ? rk_fail(e, err, err == RK_ENOMEM ? "no memory for the pattern" : "the pattern is too large") : RK_OK;
}

rk_err rk_regex_automaton(rk_str pattern, enum rk_regex_use use, struct rk_automaton **out, struct rk_error *e) {
  *out = NULL;
  struct rk_builder *b = rk_builder_new();
  if (!b) return rk_fail(e, RK_ENOMEM, "no memory for the pattern");
  rk_ex x;
  int32_t rule = rk_rule_new(b, 0), bad;
  rk_err err = rk_regex(b, pattern, use, &x, e);
  if (!err) {
    rk_rule_define(b, rule, x);
    err = rk_automaton_new(b, rule, &(struct rk_automaton_opts){.max_depth = 1}, out, &bad);
    if (err) rk_fail(e, err, err == RK_EINVAL ? "the pattern matches no string" : "the pattern is too large");
  }
  rk_builder_free(b);
  return err;
}
