/* automaton_build.c - expressions, and their nodes.
 *
 * An expression is compiled from its end to its beginning: build(x, next) gives
 * the node where x begins when next follows it, so nothing is patched later.
 * The last (next, start) of an expression is remembered: one that is used
 * twice before the same end is built once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "chat/automaton_nodes.h"

enum ex_kind { EX_EMPTY, EX_NEVER, EX_TEXT, EX_BYTES, EX_SEQ, EX_ALT, EX_REPEAT, EX_CHARS, EX_NUMBER, EX_RULE, EX_GRAPH };
enum { INLINE_NODES = 48, MAX_EXPRESSIONS = 1 << 20, MAX_TEXT_BYTES = 1 << 24, DEPTH_MAX = 4000 };

struct ex {
  uint8_t kind, low, high;
  int32_t a, b;              /* parts; TEXT: offset and length; RULE, NUMBER, GRAPH: index */
  int32_t min, max;
  int32_t size;              /* nodes, about */
  int32_t memo_next, memo_start;
};
/* A small automaton of its own, for words and intersections. */
struct edge { uint8_t low, high; int32_t to; };
struct graph_state { int32_t first, n; bool ends; };
struct graph {
  struct graph_state *states;
  struct edge *edges;
  int32_t n_states, cap_states, n_edges, cap_edges;
};

struct rk_builder {
  rk_err err;
  struct ex *ex;
  int32_t n_ex, cap_ex;
  char *text;
  size_t n_text, cap_text;
  struct graph *graphs;
  int32_t n_graphs, cap_graphs;
  struct rk_number *numbers;
  int32_t n_numbers, cap_numbers;
  struct { rk_ex x; int32_t weight; } *rules;
  int32_t n_rules, cap_rules;
  struct rk_fsm_node *nodes;
  int32_t n_nodes, cap_nodes;
  struct rk_fsm_repeat *repeats;
  int32_t n_repeats, cap_repeats;
  int32_t depth;
};

/* ---- growing ---- */

static bool grow(struct rk_builder *b, void *list, int32_t n, int32_t *cap, size_t size, int32_t most) {
  if (b->err) return false;
  if (n < *cap) return true;
  if (n >= most) b->err = RK_ETOOBIG;
  int32_t wanted = *cap ? 2 * *cap : 64;
  void **p = list, *q = b->err ? NULL : realloc(*p, (size_t)wanted * size);
  if (!q && !b->err) b->err = RK_ENOMEM;
  if (!q) return false;
  *p = q;
  *cap = wanted;
  return true;
}

struct rk_builder *rk_builder_new(void) { return calloc(1, sizeof(struct rk_builder)); }
rk_err rk_builder_err(const struct rk_builder *b) { return b->err; }

void rk_builder_free(struct rk_builder *b) {
  if (!b) return;
  for (int32_t i = 0; i < b->n_graphs; i++) {
    free(b->graphs[i].states);
    free(b->graphs[i].edges);
  }
  free(b->graphs);
  free(b->ex);
  free(b->text);
  free(b->numbers);
  free(b->rules);
  free(b->nodes);
  free(b->repeats);
  free(b);
}

static rk_ex add(struct rk_builder *b, struct ex x) {
  if (!grow(b, &b->ex, b->n_ex, &b->cap_ex, sizeof *b->ex, MAX_EXPRESSIONS)) return 0;
  x.memo_next = -1;
  if (x.size < 1) x.size = 1;
  if (x.size > 1 << 20) x.size = 1 << 20;
  b->ex[b->n_ex] = x;
  return b->n_ex++;
}

static int32_t size_of(const struct rk_builder *b, rk_ex x) { return x < b->n_ex ? b->ex[x].size : 1; }

rk_ex rk_ex_empty(struct rk_builder *b) { return add(b, (struct ex){.kind = EX_EMPTY}); }
rk_ex rk_ex_never(struct rk_builder *b) { return add(b, (struct ex){.kind = EX_NEVER}); }
rk_ex rk_ex_bytes(struct rk_builder *b, uint8_t low, uint8_t high) { return add(b, (struct ex){.kind = EX_BYTES, .low = low, .high = high}); }

rk_ex rk_ex_text(struct rk_builder *b, rk_str s) {
  if (s.n > MAX_TEXT_BYTES - b->n_text) b->err = RK_ETOOBIG;
  if (b->err) return 0;
  if (b->n_text + s.n > b->cap_text) {
    size_t cap = 2 * (b->n_text + s.n);
    char *p = realloc(b->text, cap);
    if (!p) b->err = RK_ENOMEM;
    if (!p) return 0;
    b->text = p;
    b->cap_text = cap;
  }
  if (s.n) memcpy(b->text + b->n_text, s.p, s.n);
  b->n_text += s.n;
  return add(b, (struct ex){.kind = EX_TEXT, .a = (int32_t)(b->n_text - s.n), .b = (int32_t)s.n, .size = (int32_t)s.n});
}

rk_ex rk_ex_seq(struct rk_builder *b, rk_ex x, rk_ex y) {
  return add(b, (struct ex){.kind = EX_SEQ, .a = x, .b = y, .size = size_of(b, x) + size_of(b, y)});
}
rk_ex rk_ex_alt(struct rk_builder *b, rk_ex x, rk_ex y) {
  return add(b, (struct ex){.kind = EX_ALT, .a = x, .b = y, .size = 1 + size_of(b, x) + size_of(b, y)});
}

static int32_t clip(int64_t n) { return n > RK_AUTOMATON_MAX_REPEAT ? RK_AUTOMATON_MAX_REPEAT : (int32_t)n; }

rk_ex rk_ex_repeat(struct rk_builder *b, rk_ex x, int64_t min, int64_t max) {
  int64_t copies = max < 0 ? min + 1 : max, size = 1 + size_of(b, x) * (copies > INLINE_NODES ? INLINE_NODES : copies);
  return add(b, (struct ex){.kind = EX_REPEAT, .a = x, .min = clip(min), .max = max < 0 ? -1 : clip(max),
                            .size = (int32_t)(size > INLINE_NODES ? size_of(b, x) + 2 : size)});
}

rk_ex rk_ex_number(struct rk_builder *b, const struct rk_number *n) {
  if (!grow(b, &b->numbers, b->n_numbers, &b->cap_numbers, sizeof *b->numbers, RK_AUTOMATON_MAX_RULES)) return 0;
  b->numbers[b->n_numbers] = *n;
  return add(b, (struct ex){.kind = EX_NUMBER, .a = b->n_numbers++});
}

int32_t rk_rule_new(struct rk_builder *b, int32_t weight) {
  if (!grow(b, &b->rules, b->n_rules, &b->cap_rules, sizeof *b->rules, RK_AUTOMATON_MAX_RULES)) return 0;
  b->rules[b->n_rules].x = -1;
  b->rules[b->n_rules].weight = weight;
  return b->n_rules++;
}
void rk_rule_define(struct rk_builder *b, int32_t rule, rk_ex x) {
  if (!b->err) b->rules[rule].x = x;
}
rk_ex rk_ex_rule(struct rk_builder *b, int32_t rule) { return add(b, (struct ex){.kind = EX_RULE, .a = rule}); }

/* ---- code points ---- */

static int by_low(const void *pa, const void *pb) {
  const struct rk_range *a = pa, *b = pb;
  return a->low < b->low ? -1 : a->low > b->low;
}

static rk_ex join(struct rk_builder *b, rk_ex x, rk_ex y) { return x < 0 ? y : rk_ex_alt(b, x, y); }

/* UTF-8 of low..high, both of n bytes: split until all bytes but one prefix run free. */
static rk_ex utf8_part(struct rk_builder *b, const uint8_t *low, const uint8_t *high, int n) {
  if (n == 1) return rk_ex_bytes(b, low[0], high[0]);
  if (low[0] == high[0]) return rk_ex_seq(b, rk_ex_bytes(b, low[0], low[0]), utf8_part(b, low + 1, high + 1, n - 1));
  static const uint8_t zeros[3] = {0x80, 0x80, 0x80}, ones[3] = {0xbf, 0xbf, 0xbf};
  uint8_t from = low[0], to = high[0];
  rk_ex x = -1;
  if (memcmp(low + 1, zeros, (size_t)n - 1) != 0) {
    x = rk_ex_seq(b, rk_ex_bytes(b, from, from), utf8_part(b, low + 1, ones, n - 1));
    from++;
  }
  rk_ex last = -1;
  if (memcmp(high + 1, ones, (size_t)n - 1) != 0) {
    last = rk_ex_seq(b, rk_ex_bytes(b, to, to), utf8_part(b, zeros, high + 1, n - 1));
    to--;
  }
  if (from <= to) x = join(b, x, rk_ex_seq(b, rk_ex_bytes(b, from, to), utf8_part(b, zeros, ones, n - 1)));
  return last < 0 ? x : join(b, x, last);
}

static rk_ex utf8_range(struct rk_builder *b, struct rk_range r, rk_ex x) {
  static const struct rk_range lengths[] = {{0, 0x7f}, {0x80, 0x7ff}, {0x800, 0xd7ff}, {0xe000, 0xffff}, {0x10000, 0x10ffff}};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    uint32_t low = r.low > lengths[i].low ? r.low : lengths[i].low, high = r.high < lengths[i].high ? r.high : lengths[i].high;
    if (low > high) continue;
    char p[4], q[4];
    int n = rk_utf8_put(low, p);
    rk_utf8_put(high, q);
    x = join(b, x, utf8_part(b, (const uint8_t *)p, (const uint8_t *)q, n));
  }
  return x;
}

static rk_ex escaped(struct rk_builder *b, uint32_t c) {
  static const char names[] = "\"\"\\\\\bb\ff\nn\rr\tt";
  char text[8];
  const char *p = names;
  while (*p && (uint8_t)*p != c) p += 2;
  int n = *p ? snprintf(text, sizeof text, "\\%c", p[1]) : snprintf(text, sizeof text, "\\u%04x", (unsigned)c);
  return rk_ex_text(b, (rk_str){text, (size_t)n});
}

rk_ex rk_ex_code_points(struct rk_builder *b, const struct rk_range *r, size_t n, bool in_json) {
  struct rk_range *s = malloc((n + 1) * sizeof *s);
  if (!s) b->err = RK_ENOMEM;
  if (b->err) {
    free(s);
    return 0;
  }
  if (n) memcpy(s, r, n * sizeof *s);
  qsort(s, n, sizeof *s, by_low);
  rk_ex x = -1;
  uint32_t from = 0; /* below it everything is done */
  for (size_t i = 0; i < n; i++) {
    uint32_t low = s[i].low > from ? s[i].low : from, high = s[i].high > 0x10ffff ? 0x10ffff : s[i].high;
    if (in_json && low == 0) low = 1; /* JSON readers in C, ours too, take no NUL in a key */
    if (low > high) continue;
    from = high + 1;
    if (in_json)
      for (; low <= high && low <= '\\'; low++) {
        if (low < 0x20 || low == '"' || low == '\\') {
          x = join(b, x, escaped(b, low));
          continue;
        }
        uint32_t end = low < '"' ? '"' - 1 : '\\' - 1;
        if (end > high) end = high;
        x = utf8_range(b, (struct rk_range){low, end}, x);
        low = end;
      }
    if (low <= high) x = utf8_range(b, (struct rk_range){low, high}, x);
  }
  free(s);
  return x < 0 ? rk_ex_never(b) : x;
}

rk_ex rk_ex_json_chars(struct rk_builder *b, int64_t min, int64_t max) {
  const struct rk_range all[] = {{0x20, 0x10ffff}, {0, 0x1f}};
  rk_ex x = rk_ex_code_points(b, all, 1, true); /* those without escapes first: see text_node */
  x = rk_ex_alt(b, rk_ex_code_points(b, all + 1, 1, true), x);
  return add(b, (struct ex){.kind = EX_CHARS, .a = x, .min = clip(min), .max = max < 0 ? -1 : clip(max), .size = 100});
}

/* ---- graphs ---- */

static void release_graph(struct graph *g) {
  free(g->states);
  free(g->edges);
}

static int32_t graph_state(struct rk_builder *b, struct graph *g, bool ends) {
  if (!grow(b, &g->states, g->n_states, &g->cap_states, sizeof *g->states, RK_AUTOMATON_MAX_NODES)) return 0;
  g->states[g->n_states] = (struct graph_state){.ends = ends};
  return g->n_states++;
}

/* Edges of a state are added one after another. */
static void graph_edge(struct rk_builder *b, struct graph *g, int32_t from, uint8_t low, uint8_t high, int32_t to) {
  if (!grow(b, &g->edges, g->n_edges, &g->cap_edges, sizeof *g->edges, 4 * RK_AUTOMATON_MAX_NODES)) return;
  struct graph_state *s = &g->states[from];
  if (s->n == 0) s->first = g->n_edges;
  s->n++;
  g->edges[g->n_edges++] = (struct edge){low, high, to};
}

static rk_ex add_graph(struct rk_builder *b, struct graph *g) {
  if (!grow(b, &b->graphs, b->n_graphs, &b->cap_graphs, sizeof *b->graphs, RK_AUTOMATON_MAX_RULES)) {
    release_graph(g);
    return 0;
  }
  b->graphs[b->n_graphs] = *g;
  return add(b, (struct ex){.kind = EX_GRAPH, .a = b->n_graphs++, .size = g->n_states + g->n_edges});
}

/* The state of words[low..high), of which the first `at` bytes are the same. */
static int32_t word_states(struct rk_builder *b, struct graph *g, const rk_str *w, size_t low, size_t high, size_t at) {
  int32_t s = graph_state(b, g, w[low].n == at);
  struct { uint8_t byte; int32_t to; } out[256];
  int n = 0;
  while (low < high && w[low].n == at) low++;
  while (low < high && !b->err) {
    size_t end = low;
    uint8_t byte = (uint8_t)w[low].p[at];
    while (end < high && (uint8_t)w[end].p[at] == byte) end++;
    out[n].byte = byte;
    out[n++].to = word_states(b, g, w, low, end, at + 1);
    low = end;
  }
  for (int i = 0; i < n; i++) graph_edge(b, g, s, out[i].byte, out[i].byte, out[i].to);
  return s;
}

static int by_bytes(const void *pa, const void *pb) {
  const rk_str *a = pa, *b = pb;
  int d = memcmp(a->p, b->p, a->n < b->n ? a->n : b->n);
  return d ? d : a->n < b->n ? -1 : a->n > b->n;
}

/* Words longer than this share no trie with others; the recursion is as deep. */
enum { TRIE_BYTES = 2000 };

rk_ex rk_ex_words(struct rk_builder *b, rk_str *w, size_t n) {
  qsort(w, n, sizeof *w, by_bytes);
  rk_ex x = -1;
  size_t short_ones = 0;
  for (size_t i = 0; i < n; i++) {
    if (w[i].n > TRIE_BYTES) x = join(b, x, rk_ex_text(b, w[i]));
    else w[short_ones++] = w[i];
  }
  if (short_ones) {
    struct graph g = {0};
    word_states(b, &g, w, 0, short_ones, 0);
    x = join(b, x, add_graph(b, &g));
  }
  return x < 0 ? rk_ex_never(b) : x;
}

/* ---- intersection ---- */

enum { COMMON_MAX = 8 };
struct product {
  struct rk_automaton *const *a;
  size_t n;
  int32_t *tuples;  /* [n_states, n] */
  int32_t n_states, cap;
  struct rk_fsm_table table;
};

static int32_t product_state(struct rk_builder *b, struct product *p, const int32_t *t) {
  uint64_t h = 7;
  for (size_t i = 0; i < p->n; i++) h = (h ^ (uint64_t)t[i]) * UINT64_C(0x9e3779b97f4a7c15) ^ h >> 29;
  size_t at = h & (p->table.cap - 1);
  for (; p->table.slots[at] >= 0; at = (at + 1) & (p->table.cap - 1))
    if (memcmp(p->tuples + (size_t)p->table.slots[at] * p->n, t, p->n * sizeof *t) == 0) return p->table.slots[at];
  if (p->n_states == RK_AUTOMATON_MAX_PRODUCT) b->err = RK_ETOOBIG;
  if (b->err) return -1;
  memcpy(p->tuples + (size_t)p->n_states * p->n, t, p->n * sizeof *t);
  return p->table.slots[at] = p->n_states++;
}

static bool product_step(const struct product *p, int32_t state, uint8_t byte, int32_t *to) {
  for (size_t i = 0; i < p->n; i++)
    if ((to[i] = rk_automaton_step(p->a[i], p->tuples[(size_t)state * p->n + i], byte)) < 0) return false;
  return true;
}

static bool product_ends(const struct product *p, int32_t state) {
  for (size_t i = 0; i < p->n; i++)
    if (!rk_automaton_ends(p->a[i], p->tuples[(size_t)state * p->n + i])) return false;
  return true;
}

/* Explores the product into g; g NULL: until something is accepted (true). */
static bool explore(struct rk_builder *b, struct product *p, struct graph *g) {
  int32_t t[COMMON_MAX];
  for (size_t i = 0; i < p->n; i++) t[i] = rk_automaton_start(p->a[i]);
  product_state(b, p, t);
  for (int32_t s = 0; s < p->n_states && !b->err; s++) {
    bool ends = product_ends(p, s);
    if (!g && ends) return true;
    if (g) graph_state(b, g, ends);
    int32_t run_to = -1;
    int run_from = 0;
    for (int x = 0; x <= 256 && !b->err; x++) {
      int32_t to = x < 256 && product_step(p, s, (uint8_t)x, t) ? product_state(b, p, t) : -1;
      if (to == run_to && x < 256) continue;
      if (run_to >= 0 && g) graph_edge(b, g, s, (uint8_t)run_from, (uint8_t)(x - 1), run_to);
      run_to = to;
      run_from = x;
    }
  }
  return false;
}

static bool init_product(struct rk_builder *b, struct product *p, struct rk_automaton *const *a, size_t n) {
  RK_ASSERT(n >= 1 && n <= COMMON_MAX);
  *p = (struct product){.a = a, .n = n, .table = {.cap = 2 * RK_AUTOMATON_MAX_PRODUCT}};
  p->tuples = malloc(RK_AUTOMATON_MAX_PRODUCT * n * sizeof *p->tuples);
  p->table.slots = malloc(p->table.cap * sizeof *p->table.slots);
  if (!p->tuples || !p->table.slots) b->err = RK_ENOMEM;
  else memset(p->table.slots, 0xff, p->table.cap * sizeof *p->table.slots);
  return !b->err;
}

static void release_product(struct product *p) {
  free(p->tuples);
  free(p->table.slots);
}

rk_ex rk_ex_common(struct rk_builder *b, struct rk_automaton *const *a, size_t n) {
  struct product p;
  struct graph g = {0};
  if (b->err) return 0;
  if (init_product(b, &p, a, n)) explore(b, &p, &g);
  release_product(&p);
  if (!b->err) return add_graph(b, &g);
  release_graph(&g);
  return 0;
}

bool rk_automata_exclude(struct rk_automaton *const *a, size_t n) {
  struct rk_builder b = {0};
  struct product p;
  bool meet = true;
  if (init_product(&b, &p, a, n)) meet = explore(&b, &p, NULL) || b.err; /* too large to tell */
  release_product(&p);
  return !meet;
}

/* Every other string: inside the trie along the words, outside as any JSON
 * string; the trie is intersected with it by hand, byte by byte. */
rk_ex rk_ex_other_words(struct rk_builder *b, rk_str *w, size_t n) {
  struct rk_builder *own = rk_builder_new();
  struct rk_automaton *any = NULL;
  struct graph trie = {0}, g = {0};
  int32_t bad;
  if (!own) b->err = RK_ENOMEM;
  qsort(w, n, sizeof *w, by_bytes);
  if (!b->err) {
    int32_t root = rk_rule_new(own, 0);
    rk_rule_define(own, root, rk_ex_json_chars(own, 0, -1));
    rk_err err = rk_automaton_new(own, root, &(struct rk_automaton_opts){.max_depth = 4}, &any, &bad);
    if (err) b->err = err;
  }
  if (!b->err && n) word_states(b, &trie, w, 0, n, 0);
  /* states of g: pairs (trie state or -1, state of any), found by search */
  int32_t *pairs = b->err ? NULL : malloc(2 * RK_AUTOMATON_MAX_PRODUCT * sizeof *pairs);
  int32_t n_pairs = 0, *outside = b->err ? NULL : malloc(4096 * sizeof *outside);
  if (!b->err && (!pairs || !outside)) b->err = RK_ENOMEM;
  if (!b->err) {
    memset(outside, 0xff, 4096 * sizeof *outside);
    pairs[0] = n ? 0 : -1;
    pairs[1] = rk_automaton_start(any);
    n_pairs = 1;
  }
  for (int32_t s = 0; s < n_pairs && !b->err; s++) {
    int32_t t = pairs[2 * s], state = pairs[2 * s + 1], run_to = -1;
    graph_state(b, &g, rk_automaton_ends(any, state) && !(t >= 0 && trie.states[t].ends));
    int run_from = 0;
    for (int x = 0; x <= 256 && !b->err; x++) {
      int32_t next = x < 256 ? rk_automaton_step(any, state, (uint8_t)x) : -1, child = -1, to = -1;
      for (int32_t k = 0; next >= 0 && t >= 0 && k < trie.states[t].n; k++)
        if (trie.edges[trie.states[t].first + k].low == x) child = trie.edges[trie.states[t].first + k].to;
      if (next >= 0 && child < 0 && next < 4096 && outside[next] >= 0) to = outside[next];
      else if (next >= 0) {
        if (n_pairs == RK_AUTOMATON_MAX_PRODUCT || next >= 4096) b->err = RK_ETOOBIG;
        if (b->err) break;
        pairs[2 * n_pairs] = child;
        pairs[2 * n_pairs + 1] = next;
        if (child < 0) outside[next] = n_pairs;
        to = n_pairs++;
      }
      if (to == run_to && x < 256) continue;
      if (run_to >= 0) graph_edge(b, &g, s, (uint8_t)run_from, (uint8_t)(x - 1), run_to);
      run_to = to;
      run_from = x;
    }
  }
  free(pairs);
  free(outside);
  release_graph(&trie);
  rk_automaton_free(any);
  rk_builder_free(own);
  if (!b->err) return add_graph(b, &g);
  release_graph(&g);
  return 0;
}

/* ---- nodes ---- */

static int32_t node(struct rk_builder *b, struct rk_fsm_node n) {
  if (!grow(b, &b->nodes, b->n_nodes, &b->cap_nodes, sizeof *b->nodes, RK_AUTOMATON_MAX_NODES)) return 0;
  b->nodes[b->n_nodes] = n;
  return b->n_nodes++;
}

static int32_t split(struct rk_builder *b, int32_t x, int32_t y) {
  return node(b, (struct rk_fsm_node){.kind = RK_FSM_SPLIT, .next = x, .arg = y});
}

static int32_t build(struct rk_builder *b, rk_ex x, int32_t next);

static int32_t build_text(struct rk_builder *b, const struct ex *x, int32_t next) {
  for (int32_t i = x->b - 1; i >= 0; i--) {
    uint8_t c = (uint8_t)b->text[x->a + i];
    next = node(b, (struct rk_fsm_node){.kind = RK_FSM_BYTE, .low = c, .high = c, .next = next});
  }
  return next;
}

/* The first node of bytes of a choice that begins at a space. */
static int32_t find_space(const struct rk_builder *b, int32_t at) {
  for (int i = 0; i < 1000 && b->nodes[at].kind == RK_FSM_SPLIT; i++) {
    int32_t other = b->nodes[at].next;
    if (b->nodes[other].kind == RK_FSM_BYTE && b->nodes[other].low == ' ') return other;
    int32_t found = b->nodes[other].kind == RK_FSM_SPLIT ? find_space(b, other) : -1;
    if (found >= 0) return found;
    at = b->nodes[at].arg;
  }
  return b->nodes[at].kind == RK_FSM_BYTE && b->nodes[at].low == ' ' ? at : -1;
}

static int32_t build_counted(struct rk_builder *b, struct ex x, int32_t next) {
  int32_t body = build(b, x.a, 0);
  if (!grow(b, &b->repeats, b->n_repeats, &b->cap_repeats, sizeof *b->repeats, RK_AUTOMATON_MAX_NODES)) return 0;
  b->repeats[b->n_repeats] = (struct rk_fsm_repeat){body, x.min, x.max, x.kind == EX_CHARS ? find_space(b, body) : -1};
  return node(b, (struct rk_fsm_node){.kind = RK_FSM_REPEAT, .arg = b->n_repeats++, .next = next});
}

static int32_t build_repeat(struct rk_builder *b, struct ex x, int32_t next) {
  int32_t size = size_of(b, x.a);
  if (x.max == 0) return next;
  if (x.max > 0 && (int64_t)size * x.max > INLINE_NODES && x.max > 1) return build_counted(b, x, next);
  if (x.max < 0 && x.min > 0 && (int64_t)size * x.min > INLINE_NODES && x.min > 1) return build_counted(b, x, next);
  int32_t at = next;
  if (x.max < 0) {
    at = split(b, next, next);
    int32_t body = build(b, x.a, at);
    if (b->err) return 0;
    b->nodes[at].next = body;
  }
  for (int32_t i = x.min; i < x.max; i++) at = split(b, build(b, x.a, at), next);
  for (int32_t i = 0; i < x.min; i++) at = build(b, x.a, at);
  return at;
}

static int32_t build_graph(struct rk_builder *b, const struct graph *g, int32_t next) {
  int32_t *starts = malloc((size_t)g->n_states * sizeof *starts);
  if (!starts) b->err = RK_ENOMEM;
  for (int32_t i = 0; i < g->n_states && !b->err; i++)
    starts[i] = g->states[i].ends ? split(b, next, next) : node(b, (struct rk_fsm_node){.kind = RK_FSM_DEAD});
  for (int32_t i = 0; i < g->n_states && !b->err; i++) {
    const struct graph_state *s = &g->states[i];
    int32_t at = s->ends ? next : -1;
    for (int32_t k = s->n - 1; k >= 0 && !b->err; k--) {
      const struct edge *e = &g->edges[s->first + k];
      int32_t byte = node(b, (struct rk_fsm_node){.kind = RK_FSM_BYTE, .low = e->low, .high = e->high, .next = starts[e->to]});
      at = at < 0 ? byte : split(b, byte, at);
    }
    if (at >= 0 && !b->err) b->nodes[starts[i]] = (struct rk_fsm_node){.kind = RK_FSM_SPLIT, .next = at, .arg = at};
  }
  int32_t start = b->err ? 0 : starts[0];
  free(starts);
  return start;
}

static int32_t build_one(struct rk_builder *b, struct ex x, int32_t next) {
  switch ((enum ex_kind)x.kind) {
    case EX_EMPTY: return next;
    case EX_NEVER: return node(b, (struct rk_fsm_node){.kind = RK_FSM_DEAD});
    case EX_TEXT: return build_text(b, &x, next);
    case EX_BYTES: return node(b, (struct rk_fsm_node){.kind = RK_FSM_BYTE, .low = x.low, .high = x.high, .next = next});
    case EX_REPEAT: return build_repeat(b, x, next);
    case EX_CHARS: return build_counted(b, x, next);
    case EX_NUMBER: return node(b, (struct rk_fsm_node){.kind = RK_FSM_NUMBER, .arg = x.a, .next = next});
    case EX_RULE: return node(b, (struct rk_fsm_node){.kind = RK_FSM_CALL, .arg = x.a, .next = next});
    case EX_GRAPH: return build_graph(b, &b->graphs[x.a], next);
    case EX_SEQ:
    case EX_ALT: break;
  }
  return 0;
}

/* Sequences and alternatives are long to the left: a loop, not a recursion. */
static int32_t build_chain(struct rk_builder *b, rk_ex at, int32_t next) {
  int32_t others = -1;
  for (;;) {
    struct ex x = b->ex[at];
    if (x.kind == EX_SEQ && others < 0) {
      next = build(b, x.b, next);
      at = x.a;
    } else if (x.kind == EX_ALT) {
      int32_t last = build(b, x.b, next);
      others = others < 0 ? last : split(b, last, others);
      at = x.a;
    } else {
      int32_t first = others < 0 ? build_one(b, x, next) : build(b, at, next);
      return others < 0 ? first : split(b, first, others);
    }
    if (b->err) return 0;
  }
}

static int32_t build(struct rk_builder *b, rk_ex at, int32_t next) {
  if (b->err) return 0;
  if (b->ex[at].memo_next == next) return b->ex[at].memo_start;
  if (b->depth >= DEPTH_MAX) b->err = RK_ETOOBIG;
  if (b->err) return 0;
  b->depth++;
  int32_t start = build_chain(b, at, next);
  b->depth--;
  if (b->err) return 0;
  b->ex[at].memo_next = next;
  b->ex[at].memo_start = start;
  return start;
}

/* ---- what holds for nodes ---- */

static bool nullable_now(const struct rk_automaton *a, const struct rk_fsm_node *n) {
  const bool next = n->next >= 0 && a->nodes[n->next].nullable;
  switch ((enum rk_fsm_kind)n->kind) {
    case RK_FSM_FINAL: return true;
    case RK_FSM_SPLIT: return next || a->nodes[n->arg].nullable;
    case RK_FSM_CALL: return next && a->nodes[a->rules[n->arg].start].nullable;
    case RK_FSM_REPEAT: return next && (a->repeats[n->arg].min == 0 || a->nodes[a->repeats[n->arg].body].nullable);
    case RK_FSM_BYTE:
    case RK_FSM_NUMBER:
    case RK_FSM_DEAD: return false;
  }
  return false;
}

static int32_t max_of(int32_t x, int32_t y) { return x > y ? x : y; }

static int32_t height_now(const struct rk_automaton *a, const struct rk_fsm_node *n) {
  const int32_t next = a->nodes[n->next].height;
  switch ((enum rk_fsm_kind)n->kind) {
    case RK_FSM_FINAL: return 0;
    case RK_FSM_BYTE:
    case RK_FSM_NUMBER: return next;
    case RK_FSM_SPLIT: return next < a->nodes[n->arg].height ? next : a->nodes[n->arg].height;
    case RK_FSM_CALL: return max_of(next, a->nodes[a->rules[n->arg].start].height + a->rules[n->arg].weight);
    case RK_FSM_REPEAT: return a->repeats[n->arg].min == 0 ? next : max_of(next, a->nodes[a->repeats[n->arg].body].height);
    case RK_FSM_DEAD: return RK_FSM_NEVER;
  }
  return RK_FSM_NEVER;
}

/* Both are least fixed points; nodes mostly stand behind those that follow them. */
static void settle(struct rk_automaton *a) {
  for (int32_t i = 0; i < a->n_nodes; i++) a->nodes[i].height = RK_FSM_NEVER;
  for (bool changed = true; changed;) {
    changed = false;
    for (int32_t i = 0; i < a->n_nodes; i++) {
      struct rk_fsm_node *n = &a->nodes[i];
      bool nullable = nullable_now(a, n);
      int32_t height = height_now(a, n);
      if (height > RK_FSM_NEVER) height = RK_FSM_NEVER;
      if (nullable == n->nullable && height == n->height) continue;
      n->nullable = nullable;
      n->height = height;
      changed = true;
    }
  }
}

/* The rules that a rule calls before its first byte, into calls; stamp marks seen nodes. */
static int32_t left_calls(const struct rk_automaton *a, int32_t rule, int32_t *todo, int32_t *seen, int32_t *calls) {
  int32_t n = 0, n_calls = 0;
  todo[n++] = a->rules[rule].start;
  seen[a->rules[rule].start] = rule;
  while (n > 0) {
    const struct rk_fsm_node *x = &a->nodes[todo[--n]];
    int32_t to[2] = {-1, -1};
    if (x->kind == RK_FSM_SPLIT) to[0] = x->next, to[1] = x->arg;
    if (x->kind == RK_FSM_CALL) {
      calls[n_calls++] = x->arg;
      if (a->nodes[a->rules[x->arg].start].nullable) to[0] = x->next;
    }
    if (x->kind == RK_FSM_REPEAT) {
      to[1] = a->repeats[x->arg].body;
      if (a->repeats[x->arg].min == 0 || a->nodes[to[1]].nullable) to[0] = x->next;
    }
    for (int i = 0; i < 2; i++)
      if (to[i] >= 0 && seen[to[i]] != rule) {
        seen[to[i]] = rule;
        todo[n++] = to[i];
      }
  }
  return n_calls;
}

/* A rule that comes to itself before any byte, or -1. Rules that call none are
 * taken away until only circles are left. */
static rk_err find_left_recursion(const struct rk_automaton *a, int32_t *bad) {
  *bad = -1;
  size_t nn = (size_t)a->n_nodes, nr = (size_t)a->n_rules;
  int32_t *todo = malloc((nn + 1) * sizeof *todo), *seen = malloc((nn + 1) * sizeof *seen), *calls = malloc((nn + 1) * sizeof *calls);
  int32_t *pairs = malloc((2 * nn + 2) * sizeof *pairs), *open = calloc(nr + 1, sizeof *open);
  rk_err err = todo && seen && calls && pairs && open ? RK_OK : RK_ENOMEM;
  int32_t n_pairs = 0;
  if (!err) memset(seen, 0xff, nn * sizeof *seen);
  for (int32_t r = 0; r < a->n_rules && !err; r++) {
    int32_t n = left_calls(a, r, todo, seen, calls);
    for (int32_t i = 0; i < n && n_pairs < a->n_nodes; i++, n_pairs++) {
      pairs[2 * n_pairs] = r;
      pairs[2 * n_pairs + 1] = calls[i];
      open[r]++;
    }
  }
  for (bool changed = !err; changed;) {
    changed = false;
    for (int32_t i = 0; i < n_pairs; i++)
      if (pairs[2 * i] >= 0 && open[pairs[2 * i + 1]] == 0) {
        open[pairs[2 * i]]--;
        pairs[2 * i] = -1;
        changed = true;
      }
  }
  for (int32_t r = 0; r < a->n_rules && !err && *bad < 0; r++)
    if (open[r] > 0) *bad = r;
  free(todo);
  free(seen);
  free(calls);
  free(pairs);
  free(open);
  return err;
}

static void find_classes(struct rk_automaton *a) {
  bool border[257] = {true};
  for (int32_t i = 0; i < a->n_nodes; i++)
    if (a->nodes[i].kind == RK_FSM_BYTE) border[a->nodes[i].low] = border[a->nodes[i].high + 1] = true;
  if (a->n_numbers)
    for (int x = '-'; x <= ':'; x++) border[x] = true;
  for (int x = 0; x < 256; x++) {
    if (border[x]) a->sample[a->n_classes++] = (uint8_t)x;
    a->classes[x] = (uint8_t)(a->n_classes - 1);
  }
}

rk_err rk_automaton_new(struct rk_builder *b, int32_t root, const struct rk_automaton_opts *o, struct rk_automaton **out, int32_t *bad_rule) {
  *out = NULL;
  *bad_rule = -1;
  if (b->err) return b->err;
  struct rk_automaton *a = calloc(1, sizeof *a);
  if (!a) return RK_ENOMEM;
  atomic_store(&a->refs, 1);
  pthread_mutex_init(&a->lock, NULL);
  a->rules = calloc((size_t)b->n_rules + 1, sizeof *a->rules);
  if (!a->rules) b->err = RK_ENOMEM;
  node(b, (struct rk_fsm_node){.kind = RK_FSM_FINAL, .next = 0});
  for (int32_t r = 0; r < b->n_rules && !b->err; r++) {
    int32_t start = b->rules[r].x < 0 ? node(b, (struct rk_fsm_node){.kind = RK_FSM_DEAD}) : build(b, b->rules[r].x, 0);
    if (!b->err) a->rules[r] = (struct rk_fsm_rule){start, b->rules[r].weight};
  }
  a->nodes = b->nodes;
  a->repeats = b->repeats;
  a->numbers = b->numbers;
  a->n_nodes = b->n_nodes;
  a->n_repeats = b->n_repeats;
  a->n_numbers = b->n_numbers;
  b->nodes = NULL;
  b->repeats = NULL;
  b->numbers = NULL;
  a->n_rules = b->n_rules;
  a->root = root;
  a->max_depth = o->max_depth;
  a->tail_calls = o->tail_calls;
  rk_err err = b->err;
  if (!err) settle(a);
  if (!err) err = find_left_recursion(a, bad_rule);
  if (!err && (*bad_rule >= 0 || a->nodes[a->rules[root].start].height > a->max_depth)) err = RK_EINVAL;
  find_classes(a);
  if (err) rk_automaton_free(a);
  else *out = a;
  return err;
}
