#include "chat/gbnf.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

enum { CLASS_RANGES = 256, NAME_SLOTS = 2 * RK_AUTOMATON_MAX_RULES };

struct name { rk_str text; bool defined; };

struct parser {
  struct rk_builder *b;
  rk_str s;
  size_t at;
  struct rk_error *e;
  bool failed;
  int depth;
  struct name *names; /* [RK_AUTOMATON_MAX_RULES], of rules 0.. */
  int32_t *slots;     /* [NAME_SLOTS] */
  int32_t n_names;
};

static size_t line_of(const struct parser *p) {
  size_t line = 1;
  for (size_t i = 0; i < p->at && i < p->s.n; i++) line += p->s.p[i] == '\n';
  return line;
}

static void refuse(struct parser *p, const char *what) {
  if (!p->failed) rk_fail(p->e, RK_EINVAL, "grammar, line %zu: %s", line_of(p), what);
  p->failed = true;
}

static bool more(const struct parser *p) { return !p->failed && p->at < p->s.n; }
static char peek(const struct parser *p) { return more(p) ? p->s.p[p->at] : 0; }
static bool take(struct parser *p, char c) {
  if (!more(p) || p->s.p[p->at] != c) return false;
  p->at++;
  return true;
}

/* White space and comments; line ends only where a rule cannot end. */
static void skip(struct parser *p, bool lines) {
  while (more(p)) {
    char c = peek(p);
    if (c == '#') {
      while (more(p) && peek(p) != '\n') p->at++;
    } else if (c == ' ' || c == '\t' || c == '\r' || (lines && c == '\n')) {
      p->at++;
    } else {
      return;
    }
  }
}

static bool name_byte(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; }

static rk_str parse_name(struct parser *p) {
  size_t from = p->at;
  while (more(p) && name_byte(peek(p))) p->at++;
  if (p->at == from) refuse(p, "a name is expected");
  return (rk_str){p->s.p + from, p->at - from};
}

static int32_t rule_of(struct parser *p, rk_str name) {
  uint64_t h = 5;
  for (size_t i = 0; i < name.n; i++) h = (h ^ (uint8_t)name.p[i]) * UINT64_C(1099511628211);
  size_t at = h % NAME_SLOTS;
  for (; p->slots[at] >= 0; at = (at + 1) % NAME_SLOTS)
    if (rk_str_eq(p->names[p->slots[at]].text, name)) return p->slots[at];
  if (p->n_names == RK_AUTOMATON_MAX_RULES - 1) refuse(p, "too many rules");
  if (p->failed) return 0;
  p->names[p->n_names].text = name;
  p->slots[at] = rk_rule_new(p->b, 1);
  p->n_names++;
  return p->slots[at];
}

static uint32_t hex(struct parser *p, int n) {
  uint32_t v = 0;
  for (int i = 0; i < n; i++) {
    char c = peek(p);
    int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (d < 0) refuse(p, "hexadecimal digits are missing");
    if (p->failed) return 0;
    v = v << 4 | (uint32_t)d;
    p->at++;
  }
  if (v > 0x10ffff || (v >= 0xd800 && v < 0xe000)) refuse(p, "there is no such code point");
  return v;
}

static uint32_t parse_char(struct parser *p) {
  uint32_t cp = 0;
  if (!take(p, '\\')) {
    int n = rk_utf8_next((rk_str){p->s.p + p->at, p->s.n - p->at}, &cp);
    if (n == 0) refuse(p, "the grammar ends inside a literal or is not valid UTF-8");
    p->at += (size_t)n;
    return cp;
  }
  char c = peek(p);
  p->at++;
  switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'x': return hex(p, 2);
    case 'u': return hex(p, 4);
    case 'U': return hex(p, 8);
    case '\\':
    case '"':
    case '[':
    case ']':
    case '-':
    case '^': return (uint8_t)c;
    default: refuse(p, "an escape that is not known: use \\n \\r \\t \\\\ \\\" \\[ \\] \\xHH \\uHHHH \\UHHHHHHHH"); return 0;
  }
}

static rk_ex parse_literal(struct parser *p) {
  struct rk_buf text;
  rk_buf_init(&text, RK_GBNF_MAX_BYTES);
  while (more(p) && peek(p) != '"') {
    char utf8[4];
    uint32_t cp = parse_char(p);
    if (!p->failed) rk_buf_add(&text, utf8, (size_t)rk_utf8_put(cp, utf8));
  }
  if (!take(p, '"')) refuse(p, "a literal has no closing quote");
  rk_ex x = p->failed ? 0 : rk_ex_text(p->b, rk_buf_str(&text));
  rk_buf_release(&text);
  return x;
}

static int by_low(const void *pa, const void *pb) {
  const struct rk_range *a = pa, *b = pb;
  return a->low < b->low ? -1 : a->low > b->low;
}

static rk_ex class_ex(struct parser *p, struct rk_range *r, size_t n, bool negated) {
  if (!negated) return rk_ex_code_points(p->b, r, n, false);
  struct rk_range out[CLASS_RANGES + 1];
  size_t n_out = 0;
  uint32_t from = 0;
  qsort(r, n, sizeof *r, by_low);
  for (size_t i = 0; i < n; i++) {
    if (r[i].low > from) out[n_out++] = (struct rk_range){from, r[i].low - 1};
    if (r[i].high + 1 > from) from = r[i].high + 1;
  }
  if (from <= 0x10ffff) out[n_out++] = (struct rk_range){from, 0x10ffff};
  return rk_ex_code_points(p->b, out, n_out, false);
}

static rk_ex parse_class(struct parser *p) {
  struct rk_range r[CLASS_RANGES];
  size_t n = 0;
  bool negated = take(p, '^');
  while (more(p) && peek(p) != ']') {
    uint32_t low = parse_char(p), high = low;
    if (p->at + 1 < p->s.n && peek(p) == '-' && p->s.p[p->at + 1] != ']') {
      p->at++;
      high = parse_char(p);
    }
    if (high < low) refuse(p, "a range is upside down");
    if (n == CLASS_RANGES) refuse(p, "a class has too many ranges");
    if (p->failed) return 0;
    r[n++] = (struct rk_range){low, high};
  }
  if (!take(p, ']')) refuse(p, "a class has no closing ]");
  return p->failed ? 0 : class_ex(p, r, n, negated);
}

static rk_ex parse_choice(struct parser *p, bool nested);

static rk_ex parse_atom(struct parser *p) {
  if (take(p, '"')) return parse_literal(p);
  if (take(p, '[')) return parse_class(p);
  if (take(p, '.')) return rk_ex_code_points(p->b, &(struct rk_range){0, 0x10ffff}, 1, false);
  if (take(p, '(')) {
    if (++p->depth > RK_GBNF_MAX_NESTING) refuse(p, "groups are nested too deep");
    rk_ex x = parse_choice(p, true);
    p->depth--;
    if (!take(p, ')')) refuse(p, ") is missing");
    return x;
  }
  if (peek(p) == '<' || peek(p) == '!') refuse(p, "tokens (<...>) are not supported: write their text");
  rk_str name = parse_name(p);
  return p->failed ? 0 : rk_ex_rule(p->b, rule_of(p, name));
}

static int64_t number(struct parser *p, int64_t none) {
  int64_t v = 0;
  size_t from = p->at;
  for (; more(p) && peek(p) >= '0' && peek(p) <= '9'; p->at++)
    if (v <= RK_AUTOMATON_MAX_REPEAT) v = v * 10 + (peek(p) - '0');
  return p->at > from ? v : none;
}

static bool quantifier(struct parser *p, int64_t *min, int64_t *max) {
  *min = 0;
  *max = -1;
  if (take(p, '*')) return true;
  if (take(p, '+')) return *min = 1, true;
  if (take(p, '?')) return *max = 1, true;
  if (!take(p, '{')) return false;
  skip(p, true);
  *min = *max = number(p, -1);
  skip(p, true);
  if (take(p, ',')) {
    skip(p, true);
    *max = number(p, -1);
    if (*min < 0) *min = 0;
  }
  skip(p, true);
  if (!take(p, '}') || *min < 0) refuse(p, "a repetition is {m}, {m,} or {m,n}");
  if (*min > RK_AUTOMATON_MAX_REPEAT || *max > RK_AUTOMATON_MAX_REPEAT) refuse(p, "it repeats more than 1000000 times");
  if (*max >= 0 && *max < *min) refuse(p, "a repetition is upside down");
  return true;
}

static bool chain_ends(struct parser *p) {
  char c = peek(p);
  return !more(p) || c == '|' || c == ')' || c == '\n';
}

static rk_ex parse_chain(struct parser *p, bool nested) {
  rk_ex x = rk_ex_empty(p->b);
  for (skip(p, nested); !chain_ends(p); skip(p, nested)) {
    rk_ex y = parse_atom(p);
    int64_t min, max;
    skip(p, nested);
    while (!p->failed && quantifier(p, &min, &max)) {
      y = rk_ex_repeat(p->b, y, min, max);
      skip(p, nested);
    }
    x = rk_ex_seq(p->b, x, y);
  }
  return x;
}

/* Behind a | the line may end. */
static rk_ex parse_choice(struct parser *p, bool nested) {
  skip(p, true);
  rk_ex x = parse_chain(p, nested);
  while (take(p, '|')) {
    skip(p, true);
    rk_ex y = parse_chain(p, nested);
    x = rk_ex_alt(p->b, x, y);
  }
  return x;
}

static void parse_rule(struct parser *p) {
  rk_str name = parse_name(p);
  if (p->failed) return;
  int32_t rule = rule_of(p, name);
  skip(p, false);
  if (!take(p, ':') || !take(p, ':') || !take(p, '=')) refuse(p, "::= is expected behind the name of a rule");
  if (!p->failed && p->names[rule].defined) refuse(p, "a rule is defined twice");
  rk_ex x = p->failed ? 0 : parse_choice(p, false);
  if (more(p) && peek(p) != '\n') refuse(p, "a ) without (");
  if (p->failed) return;
  p->names[rule].defined = true;
  rk_rule_define(p->b, rule, x);
}

static rk_err finish(struct parser *p, struct rk_automaton **out) {
  int32_t root = -1, bad;
  for (int32_t i = 0; i < p->n_names; i++) {
    if (rk_str_eq_c(p->names[i].text, "root") && p->names[i].defined) root = i;
    if (!p->names[i].defined)
      return rk_fail(p->e, RK_EINVAL, "grammar: the rule \"%.*s\" is used but not defined", (int)(p->names[i].text.n > 80 ? 80 : p->names[i].text.n), p->names[i].text.p);
  }
  if (root < 0) return rk_fail(p->e, RK_EINVAL, "grammar: there is no rule named root");
  rk_err err = rk_automaton_new(p->b, root, &(struct rk_automaton_opts){.max_depth = RK_GBNF_MAX_DEPTH, .tail_calls = true}, out, &bad);
  if (err == RK_EINVAL && bad >= 0)
    return rk_fail(p->e, err, "grammar: the rule \"%.*s\" begins with itself (left recursion): write the repetition with * or +",
                   (int)(p->names[bad].text.n > 80 ? 80 : p->names[bad].text.n), p->names[bad].text.p);
  if (err == RK_EINVAL) return rk_fail(p->e, err, "grammar: it allows no text at all: every way through root is endless or empty of choices");
  return err ? rk_fail(p->e, err, err == RK_ENOMEM ? "no memory for the grammar" : "the grammar is too large") : RK_OK;
}

rk_err rk_gbnf_automaton(rk_str text, struct rk_automaton **out, struct rk_error *e) {
  *out = NULL;
  if (text.n > RK_GBNF_MAX_BYTES) return rk_fail(e, RK_ETOOBIG, "a grammar of %zu bytes is over the limit of %d", text.n, (int)RK_GBNF_MAX_BYTES);
  struct parser p = {.b = rk_builder_new(), .s = text, .e = e};
  p.names = calloc(RK_AUTOMATON_MAX_RULES, sizeof *p.names);
  p.slots = malloc(NAME_SLOTS * sizeof *p.slots);
  rk_err err = p.b && p.names && p.slots ? RK_OK : rk_fail(e, RK_ENOMEM, "no memory for the grammar");
  if (!err) {
    memset(p.slots, 0xff, NAME_SLOTS * sizeof *p.slots);
    for (skip(&p, true); more(&p); skip(&p, true)) parse_rule(&p);
    err = p.failed ? RK_EINVAL : rk_builder_err(p.b) ? rk_fail(e, rk_builder_err(p.b), "the grammar is too large") : finish(&p, out);
  }
  rk_builder_free(p.b);
  free(p.names);
  free(p.slots);
  return err;
}
