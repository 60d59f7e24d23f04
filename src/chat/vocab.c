#include "chat/vocab.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/utf8.h"

enum { CACHE = 64, CODE_POINTS_MAX = 255 };

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

struct cached {
  uint64_t hash[2];
  uint64_t used; /* 0: empty */
  uint32_t *mask;
};

struct rk_vocab {
  int32_t n_vocab, n_words;
  struct trie plain, odd;
  uint32_t *text_mask, *prose_mask, *plain_mask;
  uint8_t *code_points;        /* [n_vocab] of plain tokens, else 0 */
  int32_t most_code_points;
  struct rk_grammar *states;   /* [RK_MAX_TOKEN_BYTES + 1]: the path of a walk */
  struct cached cache[CACHE];
  uint64_t clock;
};

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
      rk_mask_set(v->plain_mask, id);
      v->code_points[id] = (uint8_t)n;
      if (n > v->most_code_points) v->most_code_points = n;
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
  v->n_vocab = rk_model_info(m).n_vocab;
  v->n_words = (v->n_vocab + 31) / 32;
  size_t n = (size_t)v->n_vocab;
  struct entry *plain = malloc(n * sizeof *plain), *odd = malloc(n * sizeof *odd);
  v->text_mask = calloc((size_t)v->n_words, sizeof *v->text_mask);
  v->prose_mask = calloc((size_t)v->n_words, sizeof *v->prose_mask);
  v->plain_mask = calloc((size_t)v->n_words, sizeof *v->plain_mask);
  v->code_points = calloc(n, 1);
  v->states = malloc((RK_MAX_TOKEN_BYTES + 1) * sizeof *v->states);
  bool ok = plain && odd && v->text_mask && v->prose_mask && v->plain_mask && v->code_points && v->states;
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
  for (int i = 0; i < CACHE; i++) free(v->cache[i].mask);
  free(v->plain.nodes);
  free(v->odd.nodes);
  free(v->text_mask);
  free(v->prose_mask);
  free(v->plain_mask);
  free(v->code_points);
  free(v->states);
  free(v);
}

/* ---- masks ---- */

static void walk(struct rk_vocab *v, const struct trie *t, const struct rk_schema *s, uint32_t *mask) {
  for (int32_t i = 0; i < t->n;) {
    const struct trie_node *n = &t->nodes[i];
    if (!rk_grammar_step(s, &v->states[n->depth - 1], n->byte, &v->states[n->depth])) {
      i = n->next;
      continue;
    }
    if (n->token >= 0) rk_mask_set(mask, n->token);
    i++;
  }
}

static void add_short_plain(const struct rk_vocab *v, int64_t room, uint32_t *mask) {
  for (int32_t id = 0; id < v->n_vocab; id++)
    if (v->code_points[id] && v->code_points[id] <= room) rk_mask_set(mask, id);
}

static void compute(struct rk_vocab *v, const struct rk_schema *s, const struct rk_grammar *g, uint32_t *mask) {
  const size_t bytes = (size_t)v->n_words * sizeof *mask;
  int64_t room = rk_grammar_string_room(s, g);
  rk_grammar_copy(&v->states[0], g);
  if (room >= v->most_code_points) {
    memcpy(mask, v->plain_mask, bytes);
  } else {
    memset(mask, 0, bytes);
    if (room >= 0) add_short_plain(v, room, mask);
    else walk(v, &v->plain, s, mask);
  }
  walk(v, &v->odd, s, mask);
}

void rk_vocab_mask(struct rk_vocab *v, const struct rk_schema *s, const struct rk_grammar *g, uint32_t *mask) {
  const size_t bytes = (size_t)v->n_words * sizeof *mask;
  uint64_t hash[2];
  rk_grammar_hash(s, g, hash);
  struct cached *slot = &v->cache[0];
  for (int i = 0; i < CACHE; i++) {
    struct cached *c = &v->cache[i];
    if (c->used && c->hash[0] == hash[0] && c->hash[1] == hash[1]) {
      c->used = ++v->clock;
      memcpy(mask, c->mask, bytes);
      return;
    }
    if (c->used < slot->used) slot = c;
  }
  compute(v, s, g, mask);
  if (!slot->mask && !(slot->mask = malloc(bytes))) return;
  memcpy(slot->mask, mask, bytes);
  *slot = (struct cached){{hash[0], hash[1]}, ++v->clock, slot->mask};
}
