#include "chat/vocab.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/utf8.h"

enum { CODE_POINTS_MAX = 255, SHORT = 16 };

/* A trie in the order of a walk: children follow their parent, `next` jumps
 * over what is below a node. */
struct trie_node {
  int32_t next;
  int32_t token;  /* -1: no token ends here */
  uint16_t depth; /* bytes up to and with this one */
  uint8_t byte;
};
struct trie {
  struct trie_node *nodes; /* [n] */
  int32_t n;
};

struct made {
  char *text; /* NULL: free */
  size_t n;
  struct rk_automaton *automaton;
  uint64_t used;
};

struct rk_vocab {
  const struct rk_model *model;
  int32_t n_vocab, n_words;
  struct trie plain, odd;
  uint32_t *text_mask, *prose_mask;
  uint32_t *plain_masks;  /* [SHORT + 1, n_words]: tokens of at most k code points; the last: all plain ones */
  uint8_t *code_points;   /* [n_vocab] of plain tokens, else 0 */
  int32_t *long_plain;    /* [n_long] plain tokens of more than SHORT - 1 code points */
  int32_t n_long;
  pthread_mutex_t lock;   /* of made and clock */
  struct made made[RK_VOCAB_AUTOMATA];
  uint64_t clock;
};

const struct rk_model *rk_vocab_model(const struct rk_vocab *v) { return v->model; }
int32_t rk_vocab_words(const struct rk_vocab *v) { return v->n_words; }
const uint32_t *rk_vocab_text_mask(const struct rk_vocab *v) { return v->text_mask; }
const uint32_t *rk_vocab_prose_mask(const struct rk_vocab *v) { return v->prose_mask; }

/* ---- building ---- */

struct entry {
  rk_str bytes;
  int32_t id;
};

static int by_bytes(const void *pa, const void *pb) {
  const struct entry *a = pa, *b = pb;
  size_t n = a->bytes.n < b->bytes.n ? a->bytes.n : b->bytes.n;
  int d = memcmp(a->bytes.p, b->bytes.p, n);
  if (d) return d;
  if (a->bytes.n != b->bytes.n) return a->bytes.n < b->bytes.n ? -1 : 1;
  return a->id < b->id ? -1 : 1;
}

/* Code points of a plain token, 0 for another. */
static int32_t plain_code_points(rk_str s) {
  if (!rk_utf8_valid(s)) return 0;
  int32_t n = 0;
  for (size_t i = 0; i < s.n; i++) {
    unsigned char c = (unsigned char)s.p[i];
    if (c < 0x20 || c == '"' || c == '\\') return 0;
    n += (c & 0xc0) != 0x80;
  }
  return n <= CODE_POINTS_MAX ? n : 0;
}

static bool begins_word(rk_str s) {
  unsigned char c = (unsigned char)s.p[s.n > 1 && s.p[0] == ' '];
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c >= 0x80;
}

static size_t shared_bytes(rk_str a, rk_str b) {
  size_t n = 0;
  while (n < a.n && n < b.n && a.p[n] == b.p[n]) n++;
  return n;
}

/* From entries in order; a token with the bytes of another one is left out. */
static bool build_trie(struct trie *t, const struct entry *e, int32_t n) {
  size_t nodes = 0;
  for (int32_t i = 0; i < n; i++) nodes += e[i].bytes.n - (i ? shared_bytes(e[i - 1].bytes, e[i].bytes) : 0);
  t->nodes = malloc((nodes + 1) * sizeof *t->nodes);
  if (!t->nodes) return false;
  int32_t path[RK_MAX_TOKEN_BYTES + 1]; /* node at each depth */
  for (int32_t i = 0; i < n; i++) {
    size_t at = i ? shared_bytes(e[i - 1].bytes, e[i].bytes) : 0;
    if (at == e[i].bytes.n) continue;
    for (size_t k = i ? e[i - 1].bytes.n : 0; k > at; k--) t->nodes[path[k]].next = t->n;
    for (; at < e[i].bytes.n; at++) {
      path[at + 1] = t->n;
      t->nodes[t->n++] = (struct trie_node){.token = -1, .depth = (uint16_t)(at + 1), .byte = (uint8_t)e[i].bytes.p[at]};
    }
    t->nodes[t->n - 1].token = e[i].id;
  }
  for (size_t k = n ? e[n - 1].bytes.n : 0; k > 0; k--) t->nodes[path[k]].next = t->n;
  return true;
}

static bool build(struct rk_vocab *v, const struct rk_model *m, struct entry *plain, struct entry *odd) {
  int32_t n_plain = 0, n_odd = 0;
  for (int32_t id = 0; id < v->n_vocab; id++) {
    rk_str bytes = rk_token_bytes(m, id);
    if (bytes.n == 0 || bytes.n > RK_MAX_TOKEN_BYTES || rk_token_is_special(m, id) || rk_token_find(m, bytes) == id) continue;
    rk_mask_set(v->text_mask, id);
    if (begins_word(bytes)) rk_mask_set(v->prose_mask, id);
    int32_t n = plain_code_points(bytes);
    if (n > 0) {
      v->code_points[id] = (uint8_t)n;
      rk_mask_set(v->plain_masks + (size_t)SHORT * (size_t)v->n_words, id);
      for (int32_t k = n; k < SHORT; k++) rk_mask_set(v->plain_masks + (size_t)k * (size_t)v->n_words, id);
      if (n >= SHORT) v->long_plain[v->n_long++] = id;
      plain[n_plain++] = (struct entry){bytes, id};
    } else {
      odd[n_odd++] = (struct entry){bytes, id};
    }
  }
  qsort(plain, (size_t)n_plain, sizeof *plain, by_bytes);
  qsort(odd, (size_t)n_odd, sizeof *odd, by_bytes);
  return build_trie(&v->plain, plain, n_plain) && build_trie(&v->odd, odd, n_odd);
}

rk_err rk_vocab_new(const struct rk_model *m, struct rk_vocab **out, struct rk_error *e) {
  struct rk_vocab *v = calloc(1, sizeof *v);
  *out = v;
  if (!v) return rk_fail(e, RK_ENOMEM, "no memory for the vocabulary");
  v->model = m;
  pthread_mutex_init(&v->lock, NULL);
  v->n_vocab = rk_model_info(m).n_vocab;
  v->n_words = (v->n_vocab + 31) / 32;
  size_t n = (size_t)v->n_vocab;
  struct entry *plain = malloc(n * sizeof *plain), *odd = malloc(n * sizeof *odd);
  v->text_mask = calloc((size_t)v->n_words, sizeof *v->text_mask);
  v->prose_mask = calloc((size_t)v->n_words, sizeof *v->prose_mask);
  v->plain_masks = calloc((SHORT + 1) * (size_t)v->n_words, sizeof *v->plain_masks);
  v->code_points = calloc(n, 1);
  v->long_plain = malloc(n * sizeof *v->long_plain);
  bool ok = plain && odd && v->text_mask && v->prose_mask && v->plain_masks && v->code_points && v->long_plain;
  if (ok) ok = build(v, m, plain, odd);
  free(plain);
  free(odd);
  if (ok) return RK_OK;
  rk_vocab_free(v);
  *out = NULL;
  return rk_fail(e, RK_ENOMEM, "no memory for the vocabulary");
}

void rk_vocab_free(struct rk_vocab *v) {
  if (!v) return;
  for (int i = 0; i < RK_VOCAB_AUTOMATA; i++) {
    free(v->made[i].text);
    rk_automaton_free(v->made[i].automaton);
  }
  pthread_mutex_destroy(&v->lock);
  free(v->plain.nodes);
  free(v->odd.nodes);
  free(v->text_mask);
  free(v->prose_mask);
  free(v->plain_masks);
  free(v->code_points);
  free(v->long_plain);
  free(v);
}

/* ---- masks ---- */

/* The tokens of a trie, or of a subtree at some depth, that can follow in the
 * state. Too many new states on the way: those that are not on the path are
 * made again when needed. */
static void walk(struct trie t, int32_t first, size_t depth, struct rk_automaton *a, int32_t state, uint32_t *mask) {
  int32_t states[RK_MAX_TOKEN_BYTES + 1];
  struct rk_mark marks[RK_MAX_TOKEN_BYTES + 1];
  states[depth] = state;
  marks[depth] = rk_automaton_mark(a);
  for (int32_t i = 0; i < t.n;) {
    const struct trie_node *n = &t.nodes[i];
    rk_automaton_relieve(a, marks[n->depth - 1]);
    states[n->depth] = rk_automaton_step(a, states[n->depth - 1], n->byte);
    if (states[n->depth] < 0) {
      i = n->next - first;
      continue;
    }
    marks[n->depth] = rk_automaton_mark(a);
    if (n->token >= 0) rk_mask_set(mask, n->token);
    i++;
  }
}

static void add_mask(uint32_t *mask, const uint32_t *other, int32_t n_words) {
  for (int32_t i = 0; i < n_words; i++) mask[i] |= other[i];
}

static void add_plain(const struct rk_vocab *v, int64_t room, uint32_t *mask) {
  const int64_t k = room == INT64_MAX ? SHORT : room < SHORT ? room : SHORT - 1;
  add_mask(mask, v->plain_masks + (size_t)k * (size_t)v->n_words, v->n_words);
  for (int32_t i = 0; i < v->n_long && k == SHORT - 1; i++)
    if (v->code_points[v->long_plain[i]] <= room) rk_mask_set(mask, v->long_plain[i]);
}

/* The subtree of the tokens that begin with s; n 0: there is none. */
static struct trie below(const struct trie *t, rk_str s) {
  struct trie at = *t;
  for (size_t depth = 0; depth < s.n; depth++) {
    int32_t i = 0, base = (int32_t)(at.nodes - t->nodes);
    while (i < at.n && at.nodes[i].byte != (uint8_t)s.p[depth]) i = at.nodes[i].next - base;
    if (i >= at.n) return (struct trie){0};
    at = (struct trie){at.nodes + i + 1, at.nodes[i].next - base - i - 1};
  }
  return at;
}

/* The bytes that can only follow, as far as they are whole code points, and the
 * state behind them. None in the middle of a code point. */
static rk_str certain_text(struct rk_automaton *a, int32_t state, char text[RK_MAX_CERTAIN], int32_t *after) {
  size_t n = rk_automaton_certain(a, state, text, RK_MAX_CERTAIN);
  n = rk_utf8_complete((rk_str){text, n});
  if (n && ((uint8_t)text[0] & 0xc0) == 0x80) n = 0;
  for (size_t i = 0; i < n; i++) state = rk_automaton_step(a, state, (uint8_t)text[i]);
  *after = state;
  return (rk_str){text, n};
}

/* Tokens that begin with all of the text and go on as the state allows. */
static void add_longer(const struct rk_vocab *v, struct rk_automaton *a, rk_str text, int32_t after, uint32_t *mask) {
  const struct trie *const tries[] = {&v->plain, &v->odd};
  for (int i = 0; i < 2; i++) {
    struct trie t = below(tries[i], text);
    if (t.n > 0) walk(t, (int32_t)(t.nodes - tries[i]->nodes), text.n, a, after, mask);
  }
}

static void compute(const struct rk_vocab *v, struct rk_automaton *a, int32_t state, uint32_t *mask) {
  char text[RK_MAX_CERTAIN];
  int32_t others = state, after, first;
  rk_str certain = certain_text(a, state, text, &after);
  if (certain.n > 0 && rk_tokenize(v->model, certain, false, &first, 1) > 0) {
    add_longer(v, a, certain, after, mask);
    rk_mask_set(mask, first);
    return;
  }
  int64_t room = rk_automaton_string_room(a, state, &others);
  if (room < 0 && rk_automaton_absorbs_text(a, state)) {
    room = INT64_MAX;
    others = -1;
  }
  if (room >= 0) add_plain(v, room, mask);
  if (others >= 0) walk(v->plain, 0, 0, a, others, mask);
  walk(v->odd, 0, 0, a, state, mask);
}

void rk_vocab_mask(const struct rk_vocab *v, struct rk_matcher *m, uint32_t *mask) {
  const size_t n = (size_t)v->n_words;
  int32_t state = rk_matcher_lock(m);
  bool found = false;
  uint32_t *kept = state < 0 ? NULL : rk_automaton_mask(m->a, state, n, &found);
  memset(mask, 0, n * sizeof *mask);
  if (kept && !found) compute(v, m->a, state, kept);
  if (kept) memcpy(mask, kept, n * sizeof *mask);
  rk_automaton_unlock(m->a);
}

/* Whether an allowed token begins with all of the text and goes on. */
static bool joins(const struct rk_vocab *v, struct rk_automaton *a, rk_str text, int32_t after, uint32_t *mask) {
  if (text.n >= RK_MAX_TOKEN_BYTES) return false;
  memset(mask, 0, (size_t)v->n_words * sizeof *mask);
  add_longer(v, a, text, after, mask);
  int32_t none;
  return rk_mask_list(mask, v->n_words, &none, 0) > 0;
}

int32_t rk_vocab_certain(const struct rk_vocab *v, struct rk_matcher *m, uint32_t *mask, int32_t *ids, int32_t cap, int32_t *n_forced) {
  char text[RK_MAX_CERTAIN];
  int32_t state = rk_matcher_lock(m), after, n = 0;
  rk_str left = state < 0 ? (rk_str){0} : certain_text(m->a, state, text, &after);
  const bool cut = left.n > RK_MAX_CERTAIN - 4;
  if (left.n > 0) n = rk_tokenize(v->model, left, false, ids, cap);
  n = n < 0 ? 0 : n > cap ? cap : n;
  if (cut) n /= 2; /* where the text was cut off its tokens may be others */
  for (*n_forced = 0; *n_forced < n; ++*n_forced) {
    if (!cut && joins(v, m->a, left, after, mask)) break;
    size_t bytes = rk_token_bytes(v->model, ids[*n_forced]).n;
    left = (rk_str){left.p + bytes, left.n - bytes};
  }
  rk_automaton_unlock(m->a);
  return n;
}

/* The token that is the text, -1: none is. */
static int32_t token_of(const struct trie *t, rk_str s) {
  struct trie b = below(t, s);
  return b.nodes && s.n > 0 ? b.nodes[-1].token : -1;
}

int32_t rk_vocab_beginning(const struct rk_vocab *v, struct rk_matcher *m, rk_str bytes, uint32_t *mask) {
  const struct trie *const tries[] = {&v->plain, &v->odd};
  int32_t state = m ? rk_matcher_lock(m) : 0, none;
  memset(mask, 0, (size_t)v->n_words * sizeof *mask);
  for (int i = 0; i < 2; i++) {
    int32_t same = token_of(tries[i], bytes);
    struct trie t = below(tries[i], bytes);
    if (same >= 0) rk_mask_set(mask, same);
    for (int32_t k = 0; !m && k < t.n; k++)
      if (t.nodes[k].token >= 0) rk_mask_set(mask, t.nodes[k].token);
  }
  if (m && state >= 0) add_longer(v, m->a, bytes, state, mask);
  if (m) rk_automaton_unlock(m->a);
  return rk_mask_list(mask, v->n_words, &none, 0);
}

static int32_t walk_bytes(struct rk_automaton *a, int32_t state, rk_str s) {
  for (size_t i = 0; i < s.n && state >= 0; i++) state = rk_automaton_step(a, state, (uint8_t)s.p[i]);
  return state;
}

/* What a guess says next: n tokens, of the first of which `inside` bytes are used up. */
struct guessed { const int32_t *ids; int32_t n; size_t inside; };

/* Whether the guess says the same; it is moved on, or given up. */
static void follow_certain(const struct rk_vocab *v, struct guessed *g, rk_str certain) {
  while (certain.n > 0 && g->n > 0) {
    rk_str b = rk_token_bytes(v->model, g->ids[0]);
    size_t n = b.n - g->inside < certain.n ? b.n - g->inside : certain.n;
    if (memcmp(b.p + g->inside, certain.p, n) != 0) g->n = 0;
    certain = (rk_str){certain.p + n, certain.n - n};
    if ((g->inside += n) < b.n) continue;
    g->inside = 0;
    g->ids++, g->n--;
  }
}

/* The guess's next tokens: one, or those of what is left of one. */
static int32_t next_guessed(const struct rk_vocab *v, struct guessed *g, int32_t *ids, int32_t cap) {
  if (g->n <= 0) return 0;
  rk_str b = rk_token_bytes(v->model, g->ids[0]);
  int32_t n = 1;
  ids[0] = g->ids[0];
  if (rk_token_is_special(v->model, g->ids[0])) return 0;
  if (g->inside > 0) n = rk_tokenize(v->model, (rk_str){b.p + g->inside, b.n - g->inside}, false, ids, cap);
  g->inside = 0;
  g->ids++, g->n--;
  return n > cap ? cap : n;
}

int32_t rk_vocab_weave(const struct rk_vocab *v, struct rk_matcher *m, const int32_t *guess, int32_t n_guess, int32_t *ids, bool *is_certain,
                       int32_t cap) {
  char text[RK_MAX_CERTAIN];
  struct guessed g = {guess, n_guess, 0};
  int32_t state = rk_matcher_lock(m), after, n = 0;
  while (state >= 0 && n < cap) {
    rk_str certain = certain_text(m->a, state, text, &after);
    int32_t more = certain.n ? rk_tokenize(v->model, certain, false, ids + n, cap - n) : next_guessed(v, &g, ids + n, cap - n);
    if (more < 1) break;
    if (certain.n) follow_certain(v, &g, certain);
    for (int32_t i = 0; i < more && n < cap; i++, n++) {
      if ((state = walk_bytes(m->a, state, rk_token_bytes(v->model, ids[n]))) < 0) break;
      is_certain[n] = certain.n > 0;
    }
  }
  rk_automaton_unlock(m->a);
  return n;
}

int32_t rk_mask_list(const uint32_t *mask, int32_t n_words, int32_t *ids, int32_t cap) {
  int32_t n = 0;
  for (int32_t i = 0; i < n_words; i++) {
    uint32_t w = mask[i];
    if (n + __builtin_popcount(w) > cap) {
      n += __builtin_popcount(w);
      continue;
    }
    for (; w; w &= w - 1) ids[n++] = 32 * i + __builtin_ctz(w);
  }
  return n;
}

/* ---- automata made before ---- */

static struct made *find(struct rk_vocab *v, rk_str text) {
  for (int i = 0; i < RK_VOCAB_AUTOMATA; i++)
    if (v->made[i].text && rk_str_eq((rk_str){v->made[i].text, v->made[i].n}, text)) return &v->made[i];
  return NULL;
}

static void keep(struct rk_vocab *v, rk_str text, struct rk_automaton *a) {
  struct made *slot = &v->made[0];
  for (int i = 0; i < RK_VOCAB_AUTOMATA; i++)
    if (v->made[i].used < slot->used) slot = &v->made[i];
  char *copy = malloc(text.n + 1);
  if (!copy) return;
  memcpy(copy, text.p, text.n);
  free(slot->text);
  rk_automaton_free(slot->automaton);
  *slot = (struct made){copy, text.n, rk_automaton_ref(a), ++v->clock};
}

rk_err rk_vocab_automaton(struct rk_vocab *v, rk_str text, rk_vocab_make *make, void *ud, struct rk_automaton **out, struct rk_error *e) {
  pthread_mutex_lock(&v->lock);
  struct made *m = find(v, text);
  *out = m ? rk_automaton_ref(m->automaton) : NULL;
  if (m) m->used = ++v->clock;
  pthread_mutex_unlock(&v->lock);
  if (*out) return RK_OK;
  rk_err err = make(ud, out, e);
  if (err) return err;
  pthread_mutex_lock(&v->lock);
  if (!find(v, text)) keep(v, text, *out);
  pthread_mutex_unlock(&v->lock);
  return RK_OK;
}
