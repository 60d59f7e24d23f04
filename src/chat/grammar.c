#include "chat/grammar.h"

#include <string.h>

/* Fields of a frame:
 *   STRING    a: code points so far (not beyond min when there is no max)
 *   NUMBER    a: digits so far, after the point decimals; b: 1 for negative;
 *             bits: magnitude so far; in units from the point on
 *   LITERALS, keys of OBJECT, heads of CALL
 *             a: bytes matched; b: range of texts that match, low and high half
 *   OBJECT    bits: properties used; a: the property, before its value
 *   ARRAY     a: items so far (not beyond min when there is no max) */
enum string_state { S_OPEN, S_IN, S_ESCAPE, S_1, S_2, S_3, S_E0, S_ED, S_F0, S_F4 };
enum number_state { N_START, N_MINUS, N_INT, N_POINT, N_FRACTION };
enum object_state { O_OPEN, O_FIRST, O_KEY, O_VALUE, O_AFTER, O_SPACE, O_COLON, O_COLON_SPACE };
enum array_state { A_OPEN, A_FIRST, A_AFTER, A_SPACE, A_VALUE };
enum call_state { C_HEAD, C_VALUE, C_BRACE, C_NEWLINE };
enum { INT_DIGITS = 15, POINT_DIGITS = 12, DECIMALS = 6 };

/* What a byte does to the top frame. */
enum outcome {
  REJECT,
  TAKEN,
  POPPED,  /* taken, and the frame is complete */
  ENDED,   /* not taken: the frame was complete before it */
  DESCEND  /* not taken: it begins a value of the node *child */
};

static bool fits(const struct rk_schema *s, int32_t node, int32_t depth) {
  return s->nodes[node].min_depth + depth <= RK_MAX_GRAMMAR_DEPTH;
}

static bool is_container(const struct rk_node *n) {
  return n->kind == RK_NODE_OBJECT || n->kind == RK_NODE_MAP || n->kind == RK_NODE_ARRAY || n->kind == RK_NODE_CALL;
}

static int32_t count_up(int32_t a, int64_t min, int64_t max) { return max == INT64_MAX && a >= min ? a : a + 1; }

static bool between(uint8_t x, uint8_t low, uint8_t high) { return x >= low && x <= high; }

/* ---- strings ---- */

static enum outcome take_in_string(const struct rk_node *n, struct rk_frame *f, uint8_t x) {
  if (x == '"') return f->a >= n->min ? POPPED : REJECT;
  if (f->a >= n->max && n->max != INT64_MAX) return REJECT;
  if (x < 0x20 || between(x, 0x80, 0xc1) || x > 0xf4) return REJECT;
  f->a = count_up(f->a, n->min, n->max);
  f->state = x == '\\' ? S_ESCAPE : x < 0x80 ? S_IN : x < 0xe0 ? S_1 : x == 0xe0 ? S_E0 : x == 0xed ? S_ED
             : x < 0xf0 ? S_2 : x == 0xf0 ? S_F0 : x == 0xf4 ? S_F4 : S_3;
  return TAKEN;
}

static enum outcome take_string(const struct rk_node *n, struct rk_frame *f, uint8_t x) {
  static const struct { uint8_t low, high, next; } follow[] = {
      [S_1] = {0x80, 0xbf, S_IN}, [S_2] = {0x80, 0xbf, S_1},  [S_3] = {0x80, 0xbf, S_2}, [S_E0] = {0xa0, 0xbf, S_1},
      [S_ED] = {0x80, 0x9f, S_1}, [S_F0] = {0x90, 0xbf, S_2}, [S_F4] = {0x80, 0x8f, S_2}};
  switch (f->state) {
    case S_OPEN:
      f->state = S_IN;
      return x == '"' ? TAKEN : REJECT;
    case S_IN: return take_in_string(n, f, x);
    case S_ESCAPE:
      f->state = S_IN;
      return x && strchr("\"\\nrtbf", x) ? TAKEN : REJECT;
    default:
      if (!between(x, follow[f->state].low, follow[f->state].high)) return REJECT;
      f->state = follow[f->state].next;
      return TAKEN;
  }
}

/* ---- numbers ---- */

/* Magnitudes that the node allows with this sign; false when there is none. */
static bool magnitudes(const struct rk_node *n, bool negative, int64_t *low, int64_t *high) {
  *low = negative ? (n->high < 0 ? -n->high : 1) : n->low > 0 ? n->low : 0;
  *high = negative ? -n->low : n->high;
  return *low <= *high;
}

static bool overlaps(const struct rk_node *n, bool negative, int64_t from, int64_t to) {
  int64_t low, high;
  return magnitudes(n, negative, &low, &high) && from <= high && to >= low;
}

/* Whether digits can follow the integer part so that the number fits. */
static bool int_leads_on(const struct rk_node *n, bool negative, int64_t v, int32_t digits) {
  const int64_t unit = n->integer ? 1 : RK_SCHEMA_SCALE;
  const int32_t most = v == 0 ? digits : n->integer ? INT_DIGITS : POINT_DIGITS;
  for (int64_t ten = 1; digits <= most; digits++, ten *= 10)
    if (overlaps(n, negative, v * ten * unit, (v * ten + ten) * unit - 1)) return true;
  return false;
}

static bool number_ends(const struct rk_node *n, const struct rk_frame *f) {
  int64_t v = (int64_t)f->bits;
  if (f->state == N_INT) v *= n->integer ? 1 : RK_SCHEMA_SCALE;
  else if (f->state != N_FRACTION) return false;
  return overlaps(n, f->b, v, v);
}

static enum outcome take_int_digit(const struct rk_node *n, struct rk_frame *f, int digit) {
  int64_t v = (int64_t)f->bits * 10 + digit;
  if (f->state == N_INT && (f->bits == 0 || f->a >= (n->integer ? INT_DIGITS : POINT_DIGITS))) return REJECT;
  if (!int_leads_on(n, f->b, v, f->a + 1)) return REJECT;
  f->state = N_INT;
  f->bits = (uint64_t)v;
  f->a++;
  return TAKEN;
}

static enum outcome take_decimal(const struct rk_node *n, struct rk_frame *f, int digit) {
  if (f->a >= DECIMALS) return REJECT;
  int64_t unit = 1;
  for (int i = f->a + 1; i < DECIMALS; i++) unit *= 10;
  int64_t v = (int64_t)f->bits + digit * unit;
  if (!overlaps(n, f->b, v, v + unit - 1)) return REJECT;
  f->state = N_FRACTION;
  f->bits = (uint64_t)v;
  f->a++;
  return TAKEN;
}

static enum outcome take_point(const struct rk_node *n, struct rk_frame *f) {
  int64_t v = (int64_t)f->bits * RK_SCHEMA_SCALE;
  if (n->integer || !overlaps(n, f->b, v, v + RK_SCHEMA_SCALE - 1)) return REJECT;
  *f = (struct rk_frame){.node = f->node, .state = N_POINT, .b = f->b, .bits = (uint64_t)v};
  return TAKEN;
}

static enum outcome take_number(const struct rk_node *n, struct rk_frame *f, uint8_t x) {
  int64_t low, high;
  if (x == '-' && f->state == N_START && magnitudes(n, true, &low, &high)) {
    f->state = N_MINUS;
    f->b = 1;
    return TAKEN;
  }
  if (between(x, '0', '9')) return f->state <= N_INT ? take_int_digit(n, f, x - '0') : take_decimal(n, f, x - '0');
  if (x == '.' && f->state == N_INT) return take_point(n, f);
  return number_ends(n, f) ? ENDED : REJECT;
}

/* ---- lists of texts ---- */

static int text_byte(const struct rk_node *n, int32_t i, int32_t at) {
  return (size_t)at < n->texts[i].n ? (uint8_t)n->texts[i].p[at] : -1;
}

static void all_texts(const struct rk_node *n, struct rk_frame *f) {
  f->a = 0;
  f->b = n->n << 16;
}

/* Narrows the range to the texts that go on with x; false: none does. */
static bool match_text(const struct rk_node *n, struct rk_frame *f, uint8_t x) {
  int32_t low = f->b & 0xffff, high = f->b >> 16;
  while (low < high && text_byte(n, low, f->a) < x) low++;
  while (low < high && text_byte(n, high - 1, f->a) > x) high--;
  if (low == high) return false;
  f->b = low | high << 16;
  f->a++;
  return true;
}

/* The only text that still matches is complete. */
static bool text_complete(const struct rk_node *n, const struct rk_frame *f) {
  int32_t low = f->b & 0xffff, high = f->b >> 16;
  return high - low == 1 && (size_t)f->a == n->texts[low].n;
}

/* One of the texts that match is complete; others may go on. */
static bool text_ends(const struct rk_node *n, const struct rk_frame *f) {
  int32_t low = f->b & 0xffff, high = f->b >> 16;
  return low < high && (size_t)f->a == n->texts[low].n;
}

static enum outcome take_literal(const struct rk_node *n, struct rk_frame *f, uint8_t x) {
  if (text_ends(n, f)) {
    struct rk_frame next = *f;
    if (!match_text(n, &next, x)) return ENDED;
  }
  if (!match_text(n, f, x)) return REJECT;
  return text_complete(n, f) ? POPPED : TAKEN;
}

/* ---- arrays ---- */

static enum outcome descend_item(const struct rk_node *n, struct rk_frame *f, int32_t *child) {
  f->state = A_AFTER;
  f->a = count_up(f->a, n->min, n->max);
  *child = n->item;
  return DESCEND;
}

static enum outcome take_array(const struct rk_schema *s, const struct rk_node *n, struct rk_frame *f, uint8_t x, int32_t depth,
                               int32_t *child) {
  bool more = (f->a < n->max || n->max == INT64_MAX) && fits(s, n->item, depth);
  switch (f->state) {
    case A_OPEN: f->state = A_FIRST; return x == '[' ? TAKEN : REJECT;
    case A_FIRST:
      if (x == ']') return n->min == 0 ? POPPED : REJECT;
      return more ? descend_item(n, f, child) : REJECT;
    case A_AFTER:
      if (x == ']') return f->a >= n->min ? POPPED : REJECT;
      f->state = A_SPACE;
      return x == ',' && more ? TAKEN : REJECT;
    case A_SPACE: f->state = A_VALUE; return x == ' ' ? TAKEN : REJECT;
    default: return descend_item(n, f, child);
  }
}

/* ---- objects ---- */

/* Whether one of texts[low..high) names a property that may come next. */
static bool any_open(const struct rk_schema *s, const struct rk_node *n, const struct rk_frame *f, int32_t low, int32_t high, int32_t depth) {
  for (int32_t i = low; i < high; i++)
    if (!(f->bits >> i & 1) && fits(s, n->children[i], depth)) return true;
  return false;
}

static enum outcome take_key(const struct rk_schema *s, const struct rk_node *n, struct rk_frame *f, uint8_t x, int32_t depth) {
  if (!match_text(n, f, x) || !any_open(s, n, f, f->b & 0xffff, f->b >> 16, depth)) return REJECT;
  f->state = O_KEY;
  int32_t i = f->b & 0xffff;
  if (!text_complete(n, f)) return TAKEN;
  f->bits |= UINT64_C(1) << i;
  f->state = O_VALUE;
  f->a = i;
  f->b = 0;
  return TAKEN;
}

static enum outcome take_object(const struct rk_schema *s, const struct rk_node *n, struct rk_frame *f, uint8_t x, int32_t depth,
                                int32_t *child) {
  bool complete = (n->required & ~f->bits) == 0;
  switch (f->state) {
    case O_OPEN: f->state = O_FIRST; return x == '{' ? TAKEN : REJECT;
    case O_FIRST:
      if (x == '}') return complete ? POPPED : REJECT;
      all_texts(n, f);
      return take_key(s, n, f, x, depth);
    case O_KEY: return take_key(s, n, f, x, depth);
    case O_VALUE:
      *child = n->children[f->a];
      f->a = 0;
      f->state = O_AFTER;
      return DESCEND;
    case O_AFTER:
      if (x == '}') return complete ? POPPED : REJECT;
      f->state = O_SPACE;
      return x == ',' && any_open(s, n, f, 0, n->n, depth) ? TAKEN : REJECT;
    default:
      all_texts(n, f);
      f->state = O_KEY;
      return x == ' ' ? TAKEN : REJECT;
  }
}

static enum outcome take_map(const struct rk_schema *s, const struct rk_node *n, struct rk_frame *f, uint8_t x, int32_t depth, int32_t *child) {
  bool more = fits(s, n->item, depth);
  switch (f->state) {
    case O_OPEN: f->state = O_FIRST; return x == '{' ? TAKEN : REJECT;
    case O_FIRST:
    case O_AFTER:
      if (x == '}') return POPPED;
      if (!more) return REJECT;
      if (f->state == O_AFTER) {
        f->state = O_SPACE;
        return x == ',' ? TAKEN : REJECT;
      } /* fallthrough */
    case O_KEY:
      f->state = O_COLON;
      *child = n->key;
      return DESCEND;
    case O_SPACE: f->state = O_KEY; return x == ' ' ? TAKEN : REJECT;
    case O_COLON: f->state = O_COLON_SPACE; return x == ':' ? TAKEN : REJECT;
    case O_COLON_SPACE: f->state = O_VALUE; return x == ' ' ? TAKEN : REJECT;
    default:
      f->state = O_AFTER;
      *child = n->item;
      return DESCEND;
  }
}

static enum outcome take_call(const struct rk_node *n, struct rk_frame *f, uint8_t x, int32_t *child) {
  switch (f->state) {
    case C_HEAD:
      if (!match_text(n, f, x)) return REJECT;
      if (text_complete(n, f)) {
        f->a = f->b & 0xffff;
        f->state = C_VALUE;
      }
      return TAKEN;
    case C_VALUE:
      *child = n->children[f->a];
      f->state = C_BRACE;
      return DESCEND;
    case C_BRACE: f->state = C_NEWLINE; return x == '}' ? TAKEN : REJECT;
    default: return x == '\n' ? POPPED : REJECT;
  }
}

/* ---- stacks ---- */

static enum outcome take(const struct rk_schema *s, struct rk_stack *st, uint8_t x, int32_t *child) {
  struct rk_frame *f = &st->f[st->n - 1];
  const struct rk_node *n = &s->nodes[f->node];
  switch (n->kind) {
    case RK_NODE_STRING: return take_string(n, f, x);
    case RK_NODE_NUMBER: return take_number(n, f, x);
    case RK_NODE_LITERALS: return take_literal(n, f, x);
    case RK_NODE_ARRAY: return take_array(s, n, f, x, st->depth, child);
    case RK_NODE_OBJECT: return take_object(s, n, f, x, st->depth, child);
    case RK_NODE_MAP: return take_map(s, n, f, x, st->depth, child);
    case RK_NODE_CALL: return take_call(n, f, x, child);
    case RK_NODE_ANYOF: break;
  }
  return REJECT;
}

static void copy_stack(struct rk_stack *to, const struct rk_stack *from) {
  to->n = from->n;
  to->depth = from->depth;
  memcpy(to->f, from->f, (size_t)from->n * sizeof *to->f);
}

static void pop(const struct rk_schema *s, struct rk_stack *st) {
  st->depth -= is_container(&s->nodes[st->f[st->n - 1].node]);
  st->n--;
}

static void push(const struct rk_schema *s, struct rk_stack *st, int32_t node) {
  const struct rk_node *n = &s->nodes[node];
  RK_ASSERT(st->n < RK_GRAMMAR_FRAMES);
  struct rk_frame *f = &st->f[st->n++];
  *f = (struct rk_frame){.node = node};
  if (n->kind == RK_NODE_LITERALS || n->kind == RK_NODE_CALL) all_texts(n, f);
  st->depth += is_container(n);
}

static bool same_stack(const struct rk_stack *a, const struct rk_stack *b) {
  return a->n == b->n && memcmp(a->f, b->f, (size_t)a->n * sizeof *a->f) == 0;
}

/* Takes the last stack of the set back when it stands there already. */
static void settle(struct rk_grammar *g) {
  for (int32_t i = 0; i + 1 < g->n; i++)
    if (same_stack(&g->s[i], &g->s[g->n - 1])) {
      g->n--;
      return;
    }
}

static void advance(const struct rk_schema *s, const struct rk_stack *from, int32_t push_node, uint8_t x, struct rk_grammar *out);

/* The byte begins a value of the node: one stack for each alternative. More
 * than the set holds are left out, which only narrows the choice. */
static void descend(const struct rk_schema *s, const struct rk_stack *from, int32_t node, uint8_t x, struct rk_grammar *out) {
  const struct rk_node *n = &s->nodes[node];
  if (n->kind != RK_NODE_ANYOF) {
    advance(s, from, node, x, out);
    return;
  }
  for (int32_t i = 0; i < n->n; i++)
    if (fits(s, n->children[i], from->depth)) advance(s, from, n->children[i], x, out);
}

static void advance(const struct rk_schema *s, const struct rk_stack *from, int32_t push_node, uint8_t x, struct rk_grammar *out) {
  if (out->n == RK_GRAMMAR_STACKS) return;
  struct rk_stack *st = &out->s[out->n++];
  copy_stack(st, from);
  if (push_node >= 0) push(s, st, push_node);
  while (st->n > 0) {
    int32_t child = -1;
    switch (take(s, st, x, &child)) {
      case REJECT: out->n--; return;
      case TAKEN: settle(out); return;
      case POPPED:
        pop(s, st);
        settle(out);
        return;
      case ENDED: pop(s, st); break;
      case DESCEND: {
        struct rk_stack base;
        copy_stack(&base, st);
        out->n--;
        descend(s, &base, child, x, out);
        return;
      }
    }
  }
  out->n--; /* the value was complete: nothing may follow */
}

void rk_grammar_copy(struct rk_grammar *to, const struct rk_grammar *from) {
  to->n = from->n;
  for (int32_t i = 0; i < from->n; i++) copy_stack(&to->s[i], &from->s[i]);
}

bool rk_grammar_step(const struct rk_schema *s, const struct rk_grammar *g, uint8_t byte, struct rk_grammar *out) {
  out->n = 0;
  for (int32_t i = 0; i < g->n; i++) {
    if (g->s[i].n == 0) continue;
    advance(s, &g->s[i], -1, byte, out);
  }
  return out->n > 0;
}

void rk_grammar_start(const struct rk_schema *s, struct rk_grammar *g) {
  const struct rk_node *root = &s->nodes[s->root];
  const int32_t n = root->kind == RK_NODE_ANYOF ? root->n : 1;
  g->n = 0;
  for (int32_t i = 0; i < n && g->n < RK_GRAMMAR_STACKS; i++) {
    int32_t node = root->kind == RK_NODE_ANYOF ? root->children[i] : s->root;
    if (!fits(s, node, 0)) continue;
    struct rk_stack *st = &g->s[g->n++];
    st->n = st->depth = 0;
    push(s, st, node);
  }
}

static bool stack_ends(const struct rk_schema *s, const struct rk_stack *st) {
  if (st->n == 0) return true;
  const struct rk_node *n = &s->nodes[st->f[0].node];
  if (st->n > 1) return false;
  return n->kind == RK_NODE_NUMBER ? number_ends(n, &st->f[0]) : n->kind == RK_NODE_LITERALS && text_ends(n, &st->f[0]);
}

bool rk_grammar_can_end(const struct rk_schema *s, const struct rk_grammar *g) {
  for (int32_t i = 0; i < g->n; i++)
    if (stack_ends(s, &g->s[i])) return true;
  return false;
}

bool rk_grammar_must_end(const struct rk_grammar *g) {
  for (int32_t i = 0; i < g->n; i++)
    if (g->s[i].n > 0) return false;
  return true;
}

size_t rk_grammar_forced(const struct rk_schema *s, const struct rk_grammar *g, char *out, size_t cap) {
  struct rk_grammar now, next, found;
  rk_grammar_copy(&now, g);
  for (size_t n = 0; n < cap; n++) {
    int choices = 0;
    if (rk_grammar_can_end(s, &now)) return n;
    for (int x = 0; x < 256 && choices < 2; x++) {
      if (!rk_grammar_step(s, &now, (uint8_t)x, &next)) continue;
      choices++;
      out[n] = (char)x;
      if (choices == 1) rk_grammar_copy(&found, &next);
    }
    if (choices != 1) return n;
    rk_grammar_copy(&now, &found);
  }
  return cap;
}

int64_t rk_grammar_string_room(const struct rk_schema *s, const struct rk_grammar *g) {
  if (g->n != 1 || g->s[0].n == 0) return -1;
  const struct rk_frame *f = &g->s[0].f[g->s[0].n - 1];
  const struct rk_node *n = &s->nodes[f->node];
  if (n->kind != RK_NODE_STRING || f->state != S_IN) return -1;
  return n->max == INT64_MAX ? INT64_MAX : n->max - f->a;
}

void rk_grammar_hash(const struct rk_schema *s, const struct rk_grammar *g, uint64_t out[2]) {
  uint64_t x = s->hash, y = ~s->hash;
  for (int32_t i = 0; i < g->n; i++) {
    const unsigned char *p = (const unsigned char *)g->s[i].f;
    for (size_t k = 0; k < (size_t)g->s[i].n * sizeof *g->s[i].f; k++) {
      x = (x ^ p[k]) * UINT64_C(1099511628211);
      y = (y + p[k]) * UINT64_C(0x9e3779b97f4a7c15);
      y ^= y >> 29;
    }
    x = x * 31 + (uint64_t)g->s[i].n;
    y = y * 37 + (uint64_t)g->s[i].n;
  }
  out[0] = x;
  out[1] = y;
}
