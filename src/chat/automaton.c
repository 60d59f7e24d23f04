#include "chat/automaton.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "chat/automaton_nodes.h"

enum { UNKNOWN = -2, DEAD = -1, CLOSURE_MAX = 16384, SEEN_SLOTS = 2 * CLOSURE_MAX, STATES_MAX = 1 << 20 };

/* ---- memory ---- */

static bool room(struct rk_automaton *a, void *list, size_t n, size_t *cap, size_t size) {
  if (n < *cap) return true;
  size_t wanted = *cap ? 2 * *cap : 256;
  void **p = list, *q = realloc(*p, wanted * size);
  if (!q) {
    a->full = true;
    return false;
  }
  *p = q;
  *cap = wanted;
  return true;
}

static bool room32(struct rk_automaton *a, void *list, int32_t n, int32_t *cap, size_t size) {
  size_t c = (size_t)*cap;
  bool ok = room(a, list, (size_t)n, &c, size);
  *cap = (int32_t)c;
  return ok;
}

static uint64_t hash_bytes(const void *p, size_t n) {
  const uint32_t *w = p;
  uint64_t h = n;
  for (size_t i = 0; i < n / 4; i++) h = (h ^ w[i]) * UINT64_C(0x9e3779b97f4a7c15), h ^= h >> 32;
  return h;
}

/* The slot where the search for a hash ends: an equal one or a free one. */
typedef bool same_fn(const struct rk_automaton *a, int32_t i, const void *key);

static int32_t *find_slot(const struct rk_automaton *a, struct rk_fsm_table *t, uint64_t hash, same_fn *same, const void *key) {
  for (size_t at = hash & (t->cap - 1);; at = (at + 1) & (t->cap - 1))
    if (t->slots[at] < 0 || same(a, t->slots[at], key)) return &t->slots[at];
}

static bool same_frame(const struct rk_automaton *a, int32_t i, const void *key) {
  return memcmp(&a->frames[i], key, sizeof *a->frames) == 0;
}

struct state_key { const struct rk_fsm_config *configs; int32_t n; bool ends; };

static bool same_state(const struct rk_automaton *a, int32_t i, const void *key) {
  const struct state_key *k = key;
  const struct rk_fsm_state *s = &a->states[i];
  return s->n == k->n && s->ends == k->ends && (k->n == 0 || memcmp(a->configs + s->first, k->configs, (size_t)k->n * sizeof *k->configs) == 0);
}

static uint64_t state_hash(const struct state_key *k) { return hash_bytes(k->configs, (size_t)k->n * sizeof *k->configs) + k->ends; }

static uint64_t hash_of(const struct rk_automaton *a, bool frame, int32_t i) {
  if (frame) return hash_bytes(&a->frames[i], sizeof *a->frames);
  const struct rk_fsm_state *s = &a->states[i];
  return state_hash(&(struct state_key){a->configs + s->first, s->n, s->ends});
}

/* Kept at most half full. Entries go in in order, so that the newest can be taken out again. */
static bool table_room(struct rk_automaton *a, struct rk_fsm_table *t, int32_t n, bool frames) {
  if (2 * (size_t)n + 2 < t->cap) return true;
  size_t cap = t->cap ? 2 * t->cap : 1024;
  int32_t *slots = malloc(cap * sizeof *slots);
  if (!slots) {
    a->full = true;
    return false;
  }
  memset(slots, 0xff, cap * sizeof *slots);
  for (int32_t i = 0; i < n; i++) {
    size_t at = hash_of(a, frames, i) & (cap - 1);
    while (slots[at] >= 0) at = (at + 1) & (cap - 1);
    slots[at] = i;
  }
  free(t->slots);
  *t = (struct rk_fsm_table){slots, cap};
  return true;
}

static void take_out(struct rk_automaton *a, struct rk_fsm_table *t, bool frame, int32_t i) {
  size_t at = hash_of(a, frame, i) & (t->cap - 1);
  while (t->slots[at] != i) at = (at + 1) & (t->cap - 1);
  t->slots[at] = -1;
}

static int32_t intern_frame(struct rk_automaton *a, const struct rk_fsm_frame *f) {
  if (!table_room(a, &a->frame_table, a->n_frames, true) || !room32(a, &a->frames, a->n_frames, &a->cap_frames, sizeof *a->frames)) return -1;
  int32_t *slot = find_slot(a, &a->frame_table, hash_bytes(f, sizeof *f), same_frame, f);
  if (*slot >= 0) return *slot;
  a->frames[a->n_frames] = *f;
  return *slot = a->n_frames++;
}

static bool states_room(struct rk_automaton *a) {
  if (a->n_states < a->cap_states) return true;
  int32_t cap = a->cap_states ? 2 * a->cap_states : 64;
  struct rk_fsm_state *s = realloc(a->states, (size_t)cap * sizeof *s);
  if (s) a->states = s;
  int32_t *next = s ? realloc(a->next, (size_t)cap * (size_t)a->n_classes * sizeof *next) : NULL;
  if (next) a->next = next;
  if (!next || cap > STATES_MAX) {
    a->full = true;
    return false;
  }
  a->cap_states = cap;
  return true;
}

static int32_t intern_state(struct rk_automaton *a, const struct rk_fsm_config *configs, int32_t n, bool ends) {
  if (n == 0 && !ends) return DEAD;
  if (!table_room(a, &a->state_table, a->n_states, false) || !states_room(a)) return DEAD;
  struct state_key key = {configs, n, ends};
  int32_t *slot = find_slot(a, &a->state_table, state_hash(&key), same_state, &key);
  if (*slot >= 0) return *slot;
  while (a->n_configs + (size_t)n > a->cap_configs)
    if (!room(a, &a->configs, a->cap_configs, &a->cap_configs, sizeof *a->configs)) return DEAD;
  if (n) memcpy(a->configs + a->n_configs, configs, (size_t)n * sizeof *configs);
  a->states[a->n_states] = (struct rk_fsm_state){.first = a->n_configs, .n = n, .ends = ends, .absorbs = -1, .rest = UNKNOWN};
  a->n_configs += (size_t)n;
  for (int32_t i = 0; i < a->n_classes; i++) a->next[(size_t)a->n_states * (size_t)a->n_classes + (size_t)i] = UNKNOWN;
  return *slot = a->n_states++;
}

size_t rk_automaton_size_bytes(const struct rk_automaton *a) {
  return (size_t)a->n_frames * sizeof *a->frames + a->n_configs * sizeof *a->configs + a->mask_bytes +
         (size_t)a->n_states * (sizeof *a->states + (size_t)a->n_classes * sizeof *a->next) + (size_t)a->n_steps * sizeof *a->steps;
}

/* ---- closure: from a node to the bytes that can follow ---- */

static bool seen(struct rk_automaton *a, struct rk_fsm_config c) {
  size_t at = ((uint32_t)c.node * 2654435761u ^ (uint32_t)c.stack * 40503u) & (SEEN_SLOTS - 1);
  for (; a->seen_stamp[at] == a->stamp; at = (at + 1) & (SEEN_SLOTS - 1))
    if (a->seen[at].node == c.node && a->seen[at].stack == c.stack) return true;
  return false;
}

static void mark_seen(struct rk_automaton *a, struct rk_fsm_config c) {
  size_t at = ((uint32_t)c.node * 2654435761u ^ (uint32_t)c.stack * 40503u) & (SEEN_SLOTS - 1);
  while (a->seen_stamp[at] == a->stamp) at = (at + 1) & (SEEN_SLOTS - 1);
  a->seen_stamp[at] = a->stamp;
  a->seen[at] = c;
}

static int32_t depth_at(const struct rk_automaton *a, int32_t stack) { return stack < 0 ? 0 : a->frames[stack].depth; }

static void push(struct rk_automaton *a, int32_t node, int32_t stack) {
  if (a->n_todo < CLOSURE_MAX && depth_at(a, stack) + a->nodes[node].height <= a->max_depth)
    a->todo[a->n_todo++] = (struct rk_fsm_config){node, stack};
}

static void push_call(struct rk_automaton *a, const struct rk_fsm_node *n, int32_t stack) {
  const struct rk_fsm_rule *rule = &a->rules[n->arg];
  if (a->nodes[n->next].kind == RK_FSM_FINAL && (a->tail_calls || rule->weight == 0)) {
    push(a, rule->start, stack);
    return;
  }
  int32_t depth = depth_at(a, stack);
  if (depth + a->nodes[n->next].height > a->max_depth || depth + rule->weight + a->nodes[rule->start].height > a->max_depth) return;
  struct rk_fsm_frame f = {.parent = stack, .ret = n->next, .repeat = -1, .depth = depth + rule->weight};
  int32_t at = intern_frame(a, &f);
  if (at >= 0) push(a, rule->start, at);
}

/* After count rounds of a repetition: out of it, or once more. */
static void push_round(struct rk_automaton *a, struct rk_fsm_frame f) {
  const struct rk_fsm_repeat *r = &a->repeats[f.repeat];
  if (r->max < 0 && f.count > r->min) f.count = r->min;
  if (f.count >= r->min || a->nodes[r->body].nullable) push(a, f.ret, f.parent);
  if (r->max >= 0 && f.count >= r->max) return;
  if (f.depth + a->nodes[f.ret].height > a->max_depth) return;
  int32_t at = intern_frame(a, &f);
  if (at >= 0) push(a, r->body, at);
}

static void leave_frame(struct rk_automaton *a, int32_t stack) {
  struct rk_fsm_frame f = a->frames[stack];
  if (f.repeat < 0) {
    push(a, f.ret, f.parent);
    return;
  }
  /* A round that took no byte counts for nothing. */
  int32_t body = a->repeats[f.repeat].body;
  if (a->nodes[body].nullable && seen(a, (struct rk_fsm_config){body, stack})) return;
  f.count++;
  push_round(a, f);
}

static void expand(struct rk_automaton *a, struct rk_fsm_config c, bool *ends) {
  const struct rk_fsm_node *n = &a->nodes[c.node];
  switch ((enum rk_fsm_kind)n->kind) {
    case RK_FSM_FINAL:
      if (c.stack < 0) *ends = true;
      else leave_frame(a, c.stack);
      break;
    case RK_FSM_BYTE:
      if (a->n_found < RK_AUTOMATON_MAX_CONFIGS) a->found[a->n_found++] = c;
      break;
    case RK_FSM_SPLIT:
      push(a, n->arg, c.stack);
      push(a, n->next, c.stack);
      break;
    case RK_FSM_CALL: push_call(a, n, c.stack); break;
    case RK_FSM_REPEAT:
      push_round(a, (struct rk_fsm_frame){.parent = c.stack, .ret = n->next, .repeat = n->arg, .depth = depth_at(a, c.stack)});
      break;
    case RK_FSM_NUMBER: {
      struct rk_fsm_frame f = {.parent = c.stack, .ret = n->next, .repeat = -1, .depth = depth_at(a, c.stack)};
      int32_t at = intern_frame(a, &f);
      if (at >= 0 && a->n_found < RK_AUTOMATON_MAX_CONFIGS) a->found[a->n_found++] = (struct rk_fsm_config){c.node, at};
      break;
    }
    case RK_FSM_DEAD: break;
  }
}

static bool close_over(struct rk_automaton *a) {
  bool ends = false;
  int32_t n_seen = 0;
  while (a->n_todo > 0) {
    struct rk_fsm_config c = a->todo[--a->n_todo];
    if (n_seen >= CLOSURE_MAX || seen(a, c)) continue;
    mark_seen(a, c);
    n_seen++;
    expand(a, c, &ends);
  }
  return ends;
}

static bool scratch(struct rk_automaton *a) {
  if (a->todo) return true;
  a->todo = malloc(CLOSURE_MAX * sizeof *a->todo);
  a->found = malloc(RK_AUTOMATON_MAX_CONFIGS * sizeof *a->found);
  a->seen = malloc(SEEN_SLOTS * sizeof *a->seen);
  a->seen_stamp = calloc(SEEN_SLOTS, sizeof *a->seen_stamp);
  if (a->todo && a->found && a->seen && a->seen_stamp) return true;
  a->full = true;
  return false;
}

static void begin(struct rk_automaton *a) {
  a->n_todo = a->n_found = 0;
  if (++a->stamp == 0) {
    memset(a->seen_stamp, 0, SEEN_SLOTS * sizeof *a->seen_stamp);
    a->stamp = 1;
  }
}

int32_t rk_automaton_start(struct rk_automaton *a) {
  if (!scratch(a)) return DEAD;
  begin(a);
  push(a, a->rules[a->root].start, -1);
  bool ends = close_over(a);
  return intern_state(a, a->found, a->n_found, ends);
}

static bool number_goes_on(const struct rk_number *n, const struct rk_fsm_frame *f) {
  static const char bytes[] = "0123456789.-";
  for (const char *p = bytes; *p; p++) {
    struct rk_fsm_frame t = *f;
    if (rk_fsm_number_step(n, &t, (uint8_t)*p)) return true;
  }
  return false;
}

static void step_number(struct rk_automaton *a, struct rk_fsm_config c, uint8_t byte) {
  const struct rk_fsm_node *node = &a->nodes[c.node];
  const struct rk_number *n = &a->numbers[node->arg];
  struct rk_fsm_frame f = a->frames[c.stack];
  if (!rk_fsm_number_step(n, &f, byte)) return;
  if (number_goes_on(n, &f)) {
    int32_t at = intern_frame(a, &f);
    if (at >= 0 && a->n_found < RK_AUTOMATON_MAX_CONFIGS) a->found[a->n_found++] = (struct rk_fsm_config){c.node, at};
  }
  if (rk_fsm_number_ends(n, &f)) push(a, f.ret, f.parent);
}

static int32_t compute_step(struct rk_automaton *a, int32_t state, uint8_t byte) {
  begin(a);
  bool ends = false;
  for (int32_t i = 0; i < a->states[state].n; i++) {
    struct rk_fsm_config c = a->configs[a->states[state].first + (size_t)i];
    const struct rk_fsm_node *n = &a->nodes[c.node];
    if (n->kind == RK_FSM_NUMBER) step_number(a, c, byte);
    else if (byte >= n->low && byte <= n->high) push(a, n->next, c.stack);
    ends |= close_over(a);
  }
  return intern_state(a, a->found, a->n_found, ends);
}

int32_t rk_automaton_step(struct rk_automaton *a, int32_t state, uint8_t byte) {
  const size_t at = (size_t)state * (size_t)a->n_classes + a->classes[byte];
  if (a->next[at] != UNKNOWN) return a->next[at];
  int32_t to = compute_step(a, state, byte);
  if (room32(a, &a->steps, a->n_steps, &a->cap_steps, sizeof *a->steps)) {
    a->next[at] = to;
    a->steps[a->n_steps++] = (int32_t)at;
  }
  return to;
}

/* ---- questions about a state ---- */

bool rk_automaton_ends(const struct rk_automaton *a, int32_t state) { return a->states[state].ends; }
bool rk_automaton_stops(const struct rk_automaton *a, int32_t state) { return a->states[state].n == 0; }

int rk_automaton_only(struct rk_automaton *a, int32_t state) {
  const struct rk_fsm_state *s = &a->states[state];
  int only = -1;
  if (s->ends || s->n == 0) return -1;
  for (int32_t i = 0; i < s->n; i++) {
    const struct rk_fsm_config c = a->configs[s->first + (size_t)i];
    const struct rk_fsm_node *n = &a->nodes[c.node];
    if (n->kind == RK_FSM_BYTE) {
      if (n->low != n->high || (only >= 0 && only != n->low)) return -1;
      only = n->low;
      continue;
    }
    for (int x = '-'; x <= '9'; x++) {
      struct rk_fsm_frame f = a->frames[c.stack];
      if (!rk_fsm_number_step(&a->numbers[n->arg], &f, (uint8_t)x)) continue;
      if (only >= 0 && only != x) return -1;
      only = x;
    }
  }
  return only;
}

size_t rk_automaton_certain(struct rk_automaton *a, int32_t state, char *out, size_t cap) {
  size_t n = 0;
  while (n < cap) {
    int byte = rk_automaton_only(a, state);
    state = byte < 0 ? DEAD : rk_automaton_step(a, state, (uint8_t)byte);
    if (state < 0) break;
    out[n++] = (char)byte;
  }
  return n;
}

int64_t rk_automaton_string_room(struct rk_automaton *a, int32_t state, int32_t *rest) {
  const struct rk_fsm_state s = a->states[state];
  for (int32_t i = 0; i < s.n; i++) {
    struct rk_fsm_config c = a->configs[s.first + (size_t)i];
    if (c.stack < 0 || a->nodes[c.node].kind != RK_FSM_BYTE) continue;
    const struct rk_fsm_frame f = a->frames[c.stack];
    const struct rk_fsm_repeat *r = f.repeat < 0 ? NULL : &a->repeats[f.repeat];
    if (!r || r->text_node != c.node) continue;
    if (s.rest == UNKNOWN) {
      a->n_found = 0;
      for (int32_t k = 0; k < s.n; k++)
        if (a->configs[s.first + (size_t)k].stack != c.stack) a->found[a->n_found++] = a->configs[s.first + (size_t)k];
      int32_t other = intern_state(a, a->found, a->n_found, s.ends);
      a->states[state].rest = other;
    }
    *rest = a->states[state].rest;
    return r->max < 0 ? INT64_MAX : r->max - f.count;
  }
  return -1;
}

/* The bytes of code points that are no control, quote or backslash, as classes of the UTF-8 they begin. */
static bool absorbs(struct rk_automaton *a, int32_t state) {
  for (int x = 0x20; x < 0x7f; x++)
    if (x != '"' && x != '\\' && rk_automaton_step(a, state, (uint8_t)x) != state) return false;
  if (rk_automaton_step(a, state, 0x7f) != state) return false;
  for (int x = 0xc2; x <= 0xf4; x++) {
    int32_t at = rk_automaton_step(a, state, (uint8_t)x);
    int n = x < 0xe0 ? 1 : x < 0xf0 ? 2 : 3;
    for (int y = x == 0xe0 ? 0xa0 : x == 0xf0 ? 0x90 : 0x80; at >= 0 && y <= (x == 0xed ? 0x9f : x == 0xf4 ? 0x8f : 0xbf); y++) {
      int32_t after = rk_automaton_step(a, at, (uint8_t)y);
      for (int k = 1; k < n && after >= 0; k++) {
        int32_t first = rk_automaton_step(a, after, 0x80);
        for (int z = 0x81; z <= 0xbf; z++)
          if (rk_automaton_step(a, after, (uint8_t)z) != first) return false;
        after = first;
      }
      if (after != state) return false;
    }
    if (at < 0) return false;
  }
  return true;
}

bool rk_automaton_absorbs_text(struct rk_automaton *a, int32_t state) {
  if (a->states[state].absorbs < 0) {
    bool yes = absorbs(a, state);
    a->states[state].absorbs = yes;
  }
  return a->states[state].absorbs == 1;
}

uint32_t *rk_automaton_mask(struct rk_automaton *a, int32_t state, size_t n_words, bool *found) {
  struct rk_fsm_state *s = &a->states[state];
  *found = s->mask != NULL;
  if (s->mask) return s->mask;
  s->mask = calloc(n_words, sizeof *s->mask);
  if (s->mask) a->mask_bytes += n_words * sizeof *s->mask;
  return s->mask;
}

/* ---- dropping states ---- */

struct rk_mark rk_automaton_mark(const struct rk_automaton *a) {
  return (struct rk_mark){a->n_frames, a->n_states, a->n_steps, a->n_configs};
}

static void roll_back(struct rk_automaton *a, struct rk_mark m) {
  for (; a->n_steps > m.n_steps; a->n_steps--) a->next[a->steps[a->n_steps - 1]] = UNKNOWN;
  for (; a->n_states > m.n_states; a->n_states--) {
    take_out(a, &a->state_table, false, a->n_states - 1);
    free(a->states[a->n_states - 1].mask);
  }
  a->n_configs = m.n_configs;
  for (; a->n_frames > m.n_frames; a->n_frames--) take_out(a, &a->frame_table, true, a->n_frames - 1);
  for (int32_t i = 0; i < a->n_states; i++)
    if (a->states[i].rest >= m.n_states) a->states[i].rest = UNKNOWN;
}

void rk_automaton_relieve(struct rk_automaton *a, struct rk_mark m) {
  if (rk_automaton_size_bytes(a) > 2 * (size_t)RK_AUTOMATON_MAX_BYTES) roll_back(a, m);
}

/* Everything is forgotten; matchers come back by the bytes they took. */
static void trim(struct rk_automaton *a) {
  if (rk_automaton_size_bytes(a) <= RK_AUTOMATON_MAX_BYTES && !a->full) return;
  for (int32_t i = 0; i < a->n_states; i++) free(a->states[i].mask);
  a->n_frames = a->n_states = a->n_steps = 0;
  a->n_configs = a->mask_bytes = 0;
  a->full = false;
  if (a->frame_table.cap) memset(a->frame_table.slots, 0xff, a->frame_table.cap * sizeof(int32_t));
  if (a->state_table.cap) memset(a->state_table.slots, 0xff, a->state_table.cap * sizeof(int32_t));
  a->epoch++;
}

struct rk_automaton *rk_automaton_ref(struct rk_automaton *a) {
  atomic_fetch_add(&a->refs, 1);
  return a;
}

void rk_automaton_free(struct rk_automaton *a) {
  if (!a || atomic_fetch_sub(&a->refs, 1) > 1) return;
  for (int32_t i = 0; i < a->n_states; i++) free(a->states[i].mask);
  free(a->nodes);
  free(a->rules);
  free(a->repeats);
  free(a->numbers);
  free(a->frames);
  free(a->configs);
  free(a->states);
  free(a->next);
  free(a->steps);
  free(a->frame_table.slots);
  free(a->state_table.slots);
  free(a->todo);
  free(a->found);
  free(a->seen);
  free(a->seen_stamp);
  pthread_mutex_destroy(&a->lock);
  free(a);
}

void rk_automaton_lock(struct rk_automaton *a) { pthread_mutex_lock(&a->lock); }
void rk_automaton_unlock(struct rk_automaton *a) { pthread_mutex_unlock(&a->lock); }

/* ---- matchers ---- */

static int32_t walk(struct rk_automaton *a, int32_t state, rk_str bytes) {
  for (size_t i = 0; i < bytes.n && state >= 0; i++) state = rk_automaton_step(a, state, (uint8_t)bytes.p[i]);
  return state;
}

static void restart(struct rk_matcher *m) {
  rk_buf_clear(&m->bytes);
  m->epoch = m->a->epoch;
  m->state = rk_automaton_start(m->a);
}

void rk_matcher_init(struct rk_matcher *m, struct rk_automaton *a, size_t max_bytes) {
  *m = (struct rk_matcher){.a = a};
  rk_buf_init(&m->bytes, max_bytes);
  rk_matcher_restart(m);
}

void rk_matcher_release(struct rk_matcher *m) {
  rk_automaton_free(m->a);
  rk_buf_release(&m->bytes);
  m->a = NULL;
}

void rk_matcher_restart(struct rk_matcher *m) {
  rk_automaton_lock(m->a);
  restart(m);
  rk_automaton_unlock(m->a);
}

int32_t rk_matcher_lock(struct rk_matcher *m) {
  rk_automaton_lock(m->a);
  trim(m->a);
  if (m->epoch != m->a->epoch) {
    m->epoch = m->a->epoch;
    m->state = walk(m->a, rk_automaton_start(m->a), rk_buf_str(&m->bytes));
  }
  return m->state;
}

bool rk_matcher_take(struct rk_matcher *m, rk_str bytes) {
  int32_t state = rk_matcher_lock(m);
  if (state >= 0) state = walk(m->a, state, bytes);
  if (state >= 0 && !rk_buf_addstr(&m->bytes, bytes)) m->state = state;
  else state = -1;
  rk_automaton_unlock(m->a);
  return state >= 0;
}

bool rk_matcher_ends(struct rk_matcher *m) {
  int32_t state = rk_matcher_lock(m);
  bool ends = state >= 0 && rk_automaton_ends(m->a, state);
  rk_automaton_unlock(m->a);
  return ends;
}

bool rk_matcher_stops(struct rk_matcher *m) {
  int32_t state = rk_matcher_lock(m);
  bool stops = state < 0 || rk_automaton_stops(m->a, state);
  rk_automaton_unlock(m->a);
  return stops;
}

size_t rk_matcher_forced(struct rk_matcher *m, char *out, size_t cap) {
  int32_t state = rk_matcher_lock(m);
  size_t n = state < 0 ? 0 : rk_automaton_certain(m->a, state, out, cap);
  rk_automaton_unlock(m->a);
  return n;
}

/* Bytes of s that fit, when behind them a string or the whole can end. */
static size_t fitting(struct rk_automaton *a, int32_t state, rk_str s) {
  size_t n = 0;
  for (int32_t next; n < s.n && (next = rk_automaton_step(a, state, (uint8_t)s.p[n])) >= 0; n++) state = next;
  return rk_automaton_ends(a, state) || rk_automaton_step(a, state, '"') >= 0 ? n : 0;
}

int32_t rk_matcher_find(struct rk_matcher *m, rk_str text, int32_t from) {
  enum { FIT_BYTES = 4, LOOK_BYTES = 8192 };
  int32_t state = rk_matcher_lock(m), best = -1, rest;
  const size_t first = text.n > LOOK_BYTES ? text.n - LOOK_BYTES : 0;
  if (state >= 0 && (rk_automaton_string_room(m->a, state, &rest) >= 0 || rk_automaton_absorbs_text(m->a, state))) state = -1;
  for (size_t i = first; state >= 0 && i < text.n; i++) {
    if (!rk_utf8_in_word(text.p[i]) || (i > 0 && rk_utf8_in_word(text.p[i - 1]))) continue;
    if ((best >= 0 && (int32_t)i < from) || fitting(m->a, state, (rk_str){text.p + i, text.n - i}) < FIT_BYTES) continue;
    best = (int32_t)i;
    if (best >= from) break;
  }
  rk_automaton_unlock(m->a);
  return best;
}

bool rk_automaton_accepts(struct rk_automaton *a, rk_str text) {
  rk_automaton_lock(a);
  trim(a);
  int32_t state = rk_automaton_start(a);
  if (state >= 0) state = walk(a, state, text);
  bool yes = state >= 0 && rk_automaton_ends(a, state);
  rk_automaton_unlock(a);
  return yes;
}
