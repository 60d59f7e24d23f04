#include "engine/radix.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/err.h"

enum { B = RK_ATTN_BLOCK };
/* What a position before it adds to the cost of computing a token: attention. */
#define DEPTH_COST (1.0 / 4096)

static int32_t blocks_of(int32_t n) { return (n + B - 1) / B; }

bool rk_kv_tree_init(struct rk_kv_tree *t, const struct rk_kv_shape *shape, int32_t n_blocks, int32_t n_ctx) {
  const size_t bytes = rk_kv_block_bytes(shape);
  *t = (struct rk_kv_tree){.shape = *shape, .n_blocks = n_blocks, .n_ctx_blocks = blocks_of(n_ctx)};
  t->nodes = calloc((size_t)n_blocks, sizeof *t->nodes);
  if (!t->nodes) return false;
  t->mem_bytes = bytes * (size_t)n_blocks;
  void *m = mmap(NULL, t->mem_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (m == MAP_FAILED) return false;
  t->mem = m;
  madvise(m, t->mem_bytes, MADV_HUGEPAGE);
  for (int32_t i = n_blocks - 1; i >= 0; i--) {
    t->nodes[i].mem = t->mem + bytes * (size_t)i;
    t->nodes[i].next = t->unused;
    t->unused = &t->nodes[i];
  }
  return true;
}

void rk_kv_tree_release(struct rk_kv_tree *t) {
  for (int32_t i = 0; t->nodes && i < t->n_blocks; i++) free(t->nodes[i].state);
  free(t->nodes);
  if (t->mem) munmap(t->mem, t->mem_bytes);
  *t = (struct rk_kv_tree){0};
}

bool rk_kv_seq_init(struct rk_kv_seq *s, const struct rk_kv_tree *t) {
  *s = (struct rk_kv_seq){0};
  s->blocks = calloc((size_t)t->n_ctx_blocks, sizeof *s->blocks);
  s->path = calloc((size_t)t->n_ctx_blocks, sizeof *s->path);
  if (t->shape.state_bytes) s->state = calloc(1, t->shape.state_bytes);
  return s->blocks && s->path && (s->state || !t->shape.state_bytes);
}

void rk_kv_seq_release(struct rk_kv_seq *s) {
  free(s->blocks);
  free(s->path);
  free(s->state);
  *s = (struct rk_kv_seq){0};
}

/* ---- nodes ---- */

static void unlink_node(struct rk_kv_node *n) {
  struct rk_kv_node **at = &n->parent->child;
  while (*at != n) at = &(*at)->next;
  *at = n->next;
}

static void drop_state(struct rk_kv_tree *t, struct rk_kv_node *n) {
  t->n_states -= n->state != NULL;
  free(n->state);
  n->state = NULL;
}

static void give_back(struct rk_kv_tree *t, struct rk_kv_node *n) {
  RK_ASSERT(n->n_refs == 0 && !n->child);
  unlink_node(n);
  drop_state(t, n);
  *n = (struct rk_kv_node){.mem = n->mem, .touched = true, .next = t->unused};
  t->unused = n;
  t->n_used--;
}

static bool may_go(const struct rk_kv_node *n) { return n->parent && !n->child && n->n_refs == 0; }

/* What it costs to compute the block again, less the longer it was not wanted. */
static double value(const struct rk_kv_tree *t, const struct rk_kv_node *n) {
  double cost = n->n * (1 + DEPTH_COST * n->first);
  return cost / (double)(t->clock - n->last_used + 1);
}

static bool goes_before(const struct rk_kv_tree *t, const struct rk_kv_node *a, const struct rk_kv_node *b) {
  if (a->keep != b->keep) return b->keep;
  if (a->released != b->released) return a->released;
  return value(t, a) < value(t, b);
}

static bool evict(struct rk_kv_tree *t) {
  struct rk_kv_node *least = NULL;
  for (int32_t i = 0; i < t->n_blocks; i++)
    if (may_go(&t->nodes[i]) && (!least || goes_before(t, &t->nodes[i], least))) least = &t->nodes[i];
  if (!least) return false;
  give_back(t, least);
  t->n_evictions++;
  return true;
}

/* Evicts until so many more blocks and snapshots fit. */
static bool make_room(struct rk_kv_tree *t, int32_t n_blocks, int32_t n_states) {
  const uint64_t block = rk_kv_block_bytes(&t->shape);
  for (;;) {
    const uint64_t bytes = (uint64_t)(t->n_used + n_blocks) * block + (uint64_t)(t->n_states + n_states) * t->shape.state_bytes;
    if (bytes <= (uint64_t)t->n_blocks * block) return true;
    if (!evict(t)) return false;
  }
}

/* Room for a snapshot in n, or NULL. */
static uint8_t *new_state(struct rk_kv_tree *t, struct rk_kv_node *n) {
  if (n->state) return n->state;
  n->n_refs++; /* not for eviction now */
  if (make_room(t, 0, 1)) n->state = malloc(t->shape.state_bytes);
  n->n_refs--;
  t->n_states += n->state != NULL;
  return n->state;
}

/* A child of parent, which somebody holds or is the root. */
static struct rk_kv_node *new_node(struct rk_kv_tree *t, struct rk_kv_node *parent, int32_t first) {
  if (!make_room(t, 1, 0)) return NULL;
  struct rk_kv_node *n = t->unused;
  t->unused = n->next;
  t->n_used++;
  if (n->touched) memset(n->mem, 0, rk_kv_block_bytes(&t->shape));
  *n = (struct rk_kv_node){.parent = parent, .next = parent->child, .mem = n->mem, .first = first,
                           .last_used = t->clock, .touched = true};
  parent->child = n;
  return n;
}

/* A child of parent with the first n positions of `of`. */
static struct rk_kv_node *new_copy(struct rk_kv_tree *t, struct rk_kv_node *parent, struct rk_kv_node *of, int32_t n) {
  of->n_refs++; /* not for eviction now */
  struct rk_kv_node *c = new_node(t, parent, of->first);
  of->n_refs--;
  if (!c) return NULL;
  memcpy(c->mem, of->mem, rk_kv_block_bytes(&t->shape));
  rk_kv_clear(&t->shape, c->mem, n);
  memcpy(c->tokens, of->tokens, sizeof *c->tokens * (size_t)n);
  c->n = n;
  return c;
}

/* ---- finding ---- */

static int32_t common(const struct rk_kv_node *c, const int32_t *tokens, int32_t n) {
  int32_t i = 0;
  if (n > c->n) n = c->n;
  while (i < n && c->tokens[i] == tokens[i]) i++;
  return i;
}

/* Can be filled further where it is. */
static bool is_open(const struct rk_kv_node *c, int32_t n) { return c->n == n && !c->writing && !c->keep; }

/* How many of n tokens from a node on lead to a kept recurrent state. */
static int32_t to_state(const struct rk_kv_node *parent, const int32_t *tokens, int32_t n) {
  int32_t most = 0;
  for (const struct rk_kv_node *c = parent->child; c; c = c->next) {
    int32_t k = common(c, tokens, n);
    if (k < c->n || k == 0) continue;
    int32_t deep = k == B ? to_state(c, tokens + k, n - k) : 0;
    if (!deep && !c->state) continue;
    if (k + deep > most) most = k + deep;
  }
  return most;
}

/* Positions that are of use: with a recurrent state no more than a kept one ends at. */
static int32_t usable(const struct rk_kv_tree *t, const int32_t *tokens, int32_t n) {
  return t->shape.state_bytes ? to_state(&t->root, tokens, n) : n;
}

static bool ends_with_state(const struct rk_kv_node *c, int32_t n) { return c && c->n == n && c->state; }

/* The child that shares most with tokens, *n of them; NULL: none shares any. */
static struct rk_kv_node *best_child(const struct rk_kv_node *parent, const int32_t *tokens, int32_t *n) {
  struct rk_kv_node *best = NULL;
  int32_t most = 0;
  for (struct rk_kv_node *c = parent->child; c; c = c->next) {
    int32_t k = common(c, tokens, *n);
    bool fits = ends_with_state(c, k) || (is_open(c, k) && !ends_with_state(best, k));
    if (k > most || (k == most && k > 0 && fits)) most = k, best = c;
  }
  *n = most;
  return best;
}

int32_t rk_kv_find(const struct rk_kv_tree *t, const int32_t *tokens, int32_t n, int32_t *n_held) {
  const struct rk_kv_node *at = &t->root;
  int32_t i = 0, held = 0;
  n = usable(t, tokens, n);
  while (i < n) {
    int32_t k = n - i;
    const struct rk_kv_node *c = best_child(at, tokens + i, &k);
    if (!c) break;
    i += k;
    if (k < B) break;
    held += c->n_refs > 0;
    at = c;
  }
  if (n_held) *n_held = held;
  return i;
}

bool rk_kv_path(struct rk_kv_tree *t, const int32_t *tokens, int32_t n, struct rk_kv_node *path[]) {
  struct rk_kv_node *at = &t->root;
  for (int32_t i = 0; i < n; i += B) {
    const int32_t k = n - i < B ? n - i : B;
    struct rk_kv_node *c = at->child;
    while (c && (c->n != k || common(c, tokens + i, k) != k)) c = c->next;
    if (!c) return false;
    path[i / B] = at = c;
  }
  return true;
}

/* ---- sequences ---- */

static void push(struct rk_kv_tree *t, struct rk_kv_seq *s, struct rk_kv_node *n) {
  n->n_refs++;
  n->last_used = t->clock;
  n->released = false;
  s->blocks[s->n_path] = n->mem;
  s->path[s->n_path++] = n;
}

static struct rk_kv_node *tail(const struct rk_kv_seq *s) { return s->n_path > 0 ? s->path[s->n_path - 1] : NULL; }

static void push_writing(struct rk_kv_tree *t, struct rk_kv_seq *s, struct rk_kv_node *n) {
  push(t, s, n);
  n->writing = true;
}

static void pop(struct rk_kv_tree *t, struct rk_kv_seq *s) {
  struct rk_kv_node *n = s->path[--s->n_path];
  n->n_refs--;
  n->writing = false;
  if (n->n == 0) give_back(t, n);
}

/* A recurrent state exists at snapshots only: back to the last one. */
static void back_to_snapshot(struct rk_kv_tree *t, struct rk_kv_seq *s) {
  if (!t->shape.state_bytes) return;
  while (s->n_path > 0 && !(tail(s)->state && tail(s)->first + tail(s)->n <= s->n)) pop(t, s);
  s->n = s->n_path > 0 ? tail(s)->first + tail(s)->n : 0;
  if (s->n_path > 0) memcpy(s->state, tail(s)->state, t->shape.state_bytes);
  else memset(s->state, 0, t->shape.state_bytes);
}

static void snapshot(struct rk_kv_tree *t, const struct rk_kv_seq *s, struct rk_kv_node *n) {
  if (t->shape.state_bytes && n && n->first + n->n == s->n && new_state(t, n)) memcpy(n->state, s->state, t->shape.state_bytes);
}

static void copy_state(struct rk_kv_tree *t, struct rk_kv_node *to, struct rk_kv_node *from) {
  from->n_refs++; /* not for eviction now */
  if (from->state && new_state(t, to)) memcpy(to->state, from->state, t->shape.state_bytes);
  from->n_refs--;
}

void rk_kv_seq_open(struct rk_kv_tree *t, struct rk_kv_seq *s, const int32_t *tokens, int32_t n) {
  struct rk_kv_node *at = &t->root;
  t->clock++;
  s->n = s->n_path = 0;
  n = usable(t, tokens, n);
  while (s->n < n) {
    int32_t k = n - s->n;
    struct rk_kv_node *c = best_child(at, tokens + s->n, &k);
    if (!c) break;
    if (k == B) push(t, s, c);
    else if (is_open(c, k)) push_writing(t, s, c);
    else if (!t->shape.state_bytes || (c->state && k == c->n)) {
      struct rk_kv_node *copy = new_copy(t, at, c, k);
      if (!copy) break;
      push_writing(t, s, copy);
      copy_state(t, copy, c);
    } else break;
    s->n += k;
    if (k < B) break;
    at = c;
  }
  back_to_snapshot(t, s);
}

int32_t rk_kv_seq_extend(struct rk_kv_tree *t, struct rk_kv_seq *s, const int32_t *tokens, int32_t n, uint64_t owner) {
  int32_t room = s->n;
  while (room < n) {
    if (room / B >= s->n_path) {
      struct rk_kv_node *c = new_node(t, s->n_path > 0 ? tail(s) : &t->root, room / B * B);
      if (!c) break;
      push_writing(t, s, c);
    }
    struct rk_kv_node *c = s->path[room / B];
    const int32_t end = n < c->first + B ? n : c->first + B;
    RK_ASSERT(c->writing);
    memcpy(c->tokens + (room - c->first), tokens + room, sizeof *tokens * (size_t)(end - room));
    c->owner = owner;
    room = end;
  }
  return room;
}

/* Another node with the same 64 tokens has the same bits: mine goes. */
static void merge(struct rk_kv_tree *t, struct rk_kv_seq *s, int32_t at) {
  struct rk_kv_node *mine = s->path[at], *twin = mine->parent->child;
  while (twin && (twin == mine || twin->n < B || twin->writing || memcmp(twin->tokens, mine->tokens, sizeof mine->tokens) != 0))
    twin = twin->next;
  if (!twin) return;
  for (struct rk_kv_node *c = mine->child; c; c = mine->child) { /* the sequence's next block */
    unlink_node(c);
    c->parent = twin;
    c->next = twin->child;
    twin->child = c;
  }
  twin->n_refs++;
  twin->last_used = t->clock;
  twin->keep |= mine->keep;
  mine->n_refs--;
  give_back(t, mine);
  s->path[at] = twin;
  s->blocks[at] = twin->mem;
}

void rk_kv_seq_commit(struct rk_kv_tree *t, struct rk_kv_seq *s, int32_t n) {
  t->clock++;
  for (int32_t i = s->n / B; i < blocks_of(n); i++) {
    struct rk_kv_node *c = s->path[i];
    const int32_t filled = n - c->first < B ? n - c->first : B;
    if (c->n != filled) drop_state(t, c);
    c->n = filled;
    if (filled < B) continue;
    c->writing = false;
    merge(t, s, i);
  }
  for (int32_t i = 0; i < s->n_path; i++) s->path[i]->last_used = t->clock;
  s->n = n;
}

void rk_kv_seq_cut(struct rk_kv_tree *t, struct rk_kv_seq *s, int32_t n) {
  if (n >= s->n) return;
  while (s->n_path > blocks_of(n)) pop(t, s);
  s->n = n;
  back_to_snapshot(t, s);
  struct rk_kv_node *last = tail(s);
  if (!last || s->n % B == 0 || s->n == last->first + last->n) return;
  if (last->writing && last->n_refs == 1 && !last->child) { /* nobody else has seen what goes */
    last->n = s->n - last->first;
    return;
  }
  struct rk_kv_node *copy = new_copy(t, last->parent, last, s->n - last->first);
  pop(t, s);
  if (copy) push_writing(t, s, copy);
  else s->n = s->n_path * B;
}

bool rk_kv_seq_keep(struct rk_kv_tree *t, const struct rk_kv_seq *s, int32_t n) {
  RK_ASSERT(n <= s->n);
  const int32_t whole = n / B, rest = n % B;
  bool known = true;
  for (int32_t i = 0; i < whole; i++) known &= s->path[i]->keep, s->path[i]->keep = true;
  if (s->n == n && whole > 0 && rest == 0) snapshot(t, s, s->path[whole - 1]);
  if (rest == 0) return !known;
  struct rk_kv_node *last = s->path[whole];
  for (const struct rk_kv_node *c = last->parent->child; c; c = c->next)
    if (c->keep && c->n == rest && memcmp(c->tokens, last->tokens, sizeof *c->tokens * (size_t)rest) == 0) return false;
  struct rk_kv_node *copy = new_copy(t, last->parent, last, rest);
  if (!copy) return false;
  copy->keep = true;
  snapshot(t, s, copy);
  return true;
}

/* A part of a block whose tokens begin another block is not worth its memory. */
static bool is_spare(const struct rk_kv_node *n) {
  if (n->n_refs > 0 || n->child || n->keep || n->n == B) return false;
  for (const struct rk_kv_node *c = n->parent->child; c; c = c->next)
    if (c != n && !c->writing && common(c, n->tokens, n->n) == n->n) return true;
  return false;
}

void rk_kv_seq_close(struct rk_kv_tree *t, struct rk_kv_seq *s) {
  struct rk_kv_node *last = tail(s);
  snapshot(t, s, last);
  while (s->n_path > 0) pop(t, s);
  s->n = 0;
  if (last && last->parent && is_spare(last) && !last->state) give_back(t, last);
}

void rk_kv_release_owner(struct rk_kv_tree *t, uint64_t owner) {
  for (int32_t i = 0; i < t->n_blocks; i++)
    if (t->nodes[i].parent && t->nodes[i].owner == owner) t->nodes[i].released = true;
}

int32_t rk_kv_available(const struct rk_kv_tree *t) {
  int32_t held = 0;
  for (int32_t i = 0; i < t->n_blocks; i++) held += t->nodes[i].parent && t->nodes[i].n_refs > 0;
  return t->n_blocks - held;
}

/* ---- from outside ---- */

static struct rk_kv_node *same_node(const struct rk_kv_node *parent, const int32_t *tokens, int32_t n) {
  for (struct rk_kv_node *c = parent->child; c; c = c->next)
    if (!c->writing && c->n == n && common(c, tokens, n) == n && (n == B || c->keep)) return c;
  return NULL;
}

/* One more block of a prefix from outside; it has no tokens before all is known to be sound. */
static bool insert_block(struct rk_kv_tree *t, struct rk_kv_seq *s, const int32_t *tokens, int32_t n, rk_kv_fill *fill,
                         void *ud) {
  const int32_t first = s->n, k = n - first < B ? n - first : B;
  struct rk_kv_node *parent = s->n_path > 0 ? tail(s) : &t->root, *c = same_node(parent, tokens + first, k);
  const bool is_new = !c, with_state = first + k == n && t->shape.state_bytes;
  if (is_new && !(c = new_node(t, parent, first))) return false;
  push(t, s, c);
  s->n += k;
  if (with_state && !s->state) return false;
  return fill(ud, first / B, is_new ? c->mem : NULL, with_state ? s->state : NULL);
}

bool rk_kv_insert(struct rk_kv_tree *t, const int32_t *tokens, int32_t n, uint64_t want_sum, rk_kv_fill *fill, void *ud,
                  const uint64_t *sum) {
  struct rk_kv_seq s;
  bool ok = rk_kv_seq_init(&s, t) && n <= t->n_ctx_blocks * B;
  t->clock++;
  while (ok && s.n < n) ok = insert_block(t, &s, tokens, n, fill, ud);
  ok = ok && *sum == want_sum;
  for (int32_t i = 0; ok && i < s.n_path; i++) {
    struct rk_kv_node *c = s.path[i];
    c->n = n - c->first < B ? n - c->first : B;
    memcpy(c->tokens, tokens + c->first, sizeof *tokens * (size_t)c->n);
    c->keep = true;
  }
  if (ok) snapshot(t, &s, tail(&s));
  while (s.n_path > 0) pop(t, &s);
  rk_kv_seq_release(&s);
  return ok;
}
