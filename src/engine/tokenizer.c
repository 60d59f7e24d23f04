/* tokenizer.c - byte-level BPE of the Qwen vocabulary.
 *
 * Text is cut into special tokens (trusted text only) and plain stretches, a
 * stretch into words by the patterns of scan_word(), a word into bytes, and
 * bytes are merged: of all neighbouring pairs the one with the lowest rank
 * first, the leftmost of equals. A heap holds the pairs, so a word of n bytes
 * costs n log n.
 *
 * The file writes each byte of a token as one code point (the byte-to-unicode
 * table of GPT-2: printable Latin-1 stands for itself, the rest from U+0100). */
#include "engine/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/utf8.h"
#include "engine/model.h"
#include "unicode_tables.h"

enum char_class { OTHER, LETTER, NUMBER, SPACE }; /* as in unicode.py */
enum token_type { TYPE_NORMAL = 1, TYPE_CONTROL = 3, TYPE_USER = 4, TYPE_UNUSED = 5 };
enum { WRITTEN_BYTES = 2 * RK_MAX_TOKEN_BYTES, NONE = -1 };

struct merge {
  int32_t left, right, result;
};

struct special {
  rk_str text;
  int32_t id;
};

struct rk_tokenizer {
  int32_t n_vocab;
  char *bytes;              /* of all tokens, one after another */
  uint32_t *start;          /* [n_vocab + 1] into bytes */
  uint8_t *type;            /* [n_vocab] */
  int32_t byte_id[256];     /* token of a single byte */
  struct merge *merges;     /* [n_merges], in order of rank */
  uint32_t n_merges;
  int32_t *pair_slots;      /* open addressing: rank of the pair or NONE */
  uint32_t pair_mask;
  struct special *specials; /* [n_specials], longest first */
  int32_t n_specials;
  bool starts_special[256];
};

/* ---- characters ---- */

static enum char_class class_of(uint32_t cp) { return (enum char_class)class_rows[block_of[cp >> 8]][cp & 255]; }

struct chr {
  uint32_t cp;
  size_t n; /* bytes; 0 at the end */
  enum char_class class;
};

/* The text was validated. */
static struct chr chr_at(rk_str s, size_t at) {
  struct chr c = {.cp = 0, .n = 0, .class = OTHER};
  if (at >= s.n) return c;
  c.n = (size_t)rk_utf8_next((rk_str){s.p + at, s.n - at}, &c.cp);
  c.class = class_of(c.cp);
  return c;
}

static bool is_newline(struct chr c) { return c.n && (c.cp == '\r' || c.cp == '\n'); }

static size_t skip_class(rk_str s, size_t at, enum char_class class) {
  for (struct chr c; (c = chr_at(s, at)).n && c.class == class;) at += c.n;
  return at;
}

/* 's 't 're 've 'm 'll 'd in any case; U+017F folds to s. Returns the end, or at. */
static size_t scan_contraction(rk_str s, size_t at) {
  static const char *const endings[] = {"s", "t", "re", "ve", "m", "ll", "d"};
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
    size_t end = at + 1;
    const char *want = endings[i];
    for (; *want; want++) {
      struct chr c = chr_at(s, end);
      uint32_t folded = c.cp >= 'A' && c.cp <= 'Z' ? c.cp + 32 : c.cp == 0x17F ? 's' : c.cp;
      if (!c.n || folded != (uint32_t)*want) break;
      end += c.n;
    }
    if (!*want) return end;
  }
  return at;
}

/* ` ?[^\s\p{L}\p{N}]+[\r\n]*`; returns the end, or at. */
static size_t scan_punctuation(rk_str s, size_t at) {
  size_t from = s.p[at] == ' ' ? at + 1 : at;
  size_t end = skip_class(s, from, OTHER);
  if (end == from) return at;
  while (is_newline(chr_at(s, end))) end++;
  return end;
}

/* `\s*[\r\n]+|\s+(?!\S)|\s+` where white space stands at at. */
static size_t scan_space(rk_str s, size_t at) {
  size_t end = at, last = at, newline_end = at; /* last: start of the run's last character */
  for (struct chr c; (c = chr_at(s, end)).n && c.class == SPACE;) {
    last = end;
    end += c.n;
    if (is_newline(c)) newline_end = end;
  }
  if (newline_end > at) return newline_end;
  return end == s.n || last == at ? end : last;
}

/* End of the word that begins at at, by the first pattern that matches:
 * (?i:'s|'t|'re|'ve|'m|'ll|'d) | [^\r\n\p{L}\p{N}]?\p{L}+ | \p{N} |
 *  ?[^\s\p{L}\p{N}]+[\r\n]* | \s*[\r\n]+ | \s+(?!\S) | \s+ */
static size_t scan_word(rk_str s, size_t at) {
  struct chr c = chr_at(s, at);
  size_t end;
  if (c.cp == '\'' && (end = scan_contraction(s, at)) > at) return end;
  if (c.class == LETTER) return skip_class(s, at, LETTER);
  if (c.class == NUMBER) return at + c.n;
  if (!is_newline(c) && chr_at(s, at + c.n).class == LETTER) return skip_class(s, at + c.n, LETTER);
  if ((end = scan_punctuation(s, at)) > at) return end;
  return scan_space(s, at);
}

/* ---- merging ---- */

static uint32_t pair_hash(int32_t left, int32_t right) {
  uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15ULL;
  return (uint32_t)(h >> 32) ^ (uint32_t)(h >> 49);
}

/* Slot of the pair, or the free slot where it belongs. */
static uint32_t pair_slot(const struct rk_tokenizer *t, int32_t left, int32_t right) {
  uint32_t i = pair_hash(left, right) & t->pair_mask;
  for (int32_t rank; (rank = t->pair_slots[i]) != NONE; i = (i + 1) & t->pair_mask)
    if (t->merges[rank].left == left && t->merges[rank].right == right) break;
  return i;
}

/* One run of symbols while it is merged: a linked list in an array, and a heap of candidate pairs.
 * A heap entry is rank << 32 | index of the left symbol; it is stale when the symbols there changed. */
struct symbol {
  int32_t id, prev, next;
};

struct work {
  struct symbol *sym;
  uint64_t *heap;
  size_t n_heap, cap; /* cap: symbols; the heap has room for 3 * cap */
  int32_t *ids;       /* result */
  int32_t n, n_room;
};

static rk_err grow(struct work *w, size_t n) {
  if (n <= w->cap) return RK_OK;
  size_t cap = n < 64 ? 64 : n;
  free(w->sym);
  free(w->heap);
  w->sym = calloc(cap, sizeof *w->sym);
  w->heap = calloc(cap, 3 * sizeof *w->heap);
  w->cap = w->sym && w->heap ? cap : 0;
  return w->cap ? RK_OK : RK_ENOMEM;
}

static void heap_push(struct work *w, uint64_t v) {
  size_t i = w->n_heap++;
  for (size_t up; i > 0 && w->heap[up = (i - 1) / 2] > v; i = up) w->heap[i] = w->heap[up];
  w->heap[i] = v;
}

static uint64_t heap_pop(struct work *w) {
  uint64_t top = w->heap[0], v = w->heap[--w->n_heap];
  size_t i = 0;
  for (size_t child; (child = 2 * i + 1) < w->n_heap; i = child) {
    if (child + 1 < w->n_heap && w->heap[child + 1] < w->heap[child]) child++;
    if (w->heap[child] >= v) break;
    w->heap[i] = w->heap[child];
  }
  w->heap[i] = v;
  return top;
}

static void push_pair(const struct rk_tokenizer *t, struct work *w, int32_t left) {
  if (left == NONE || w->sym[left].next == NONE) return;
  int32_t rank = t->pair_slots[pair_slot(t, w->sym[left].id, w->sym[w->sym[left].next].id)];
  if (rank != NONE) heap_push(w, (uint64_t)(uint32_t)rank << 32 | (uint32_t)left);
}

static void put(struct work *w, int32_t id) {
  if (w->n < w->n_room) w->ids[w->n] = id;
  w->n++;
}

/* At most n - 1 pairs at first and two for each of at most n - 1 merges: the heap never passes 3n. */
static rk_err merge_word(const struct rk_tokenizer *t, struct work *w, rk_str word) {
  if (grow(w, word.n)) return RK_ENOMEM;
  int32_t n = (int32_t)word.n;
  for (int32_t i = 0; i < n; i++)
    w->sym[i] = (struct symbol){t->byte_id[(uint8_t)word.p[i]], i - 1, i + 1 < n ? i + 1 : NONE};
  w->n_heap = 0;
  for (int32_t i = 0; i < n; i++) push_pair(t, w, i);
  while (w->n_heap) {
    uint64_t entry = heap_pop(w);
    const struct merge *m = &t->merges[entry >> 32];
    int32_t left = (int32_t)(uint32_t)entry, right = w->sym[left].next;
    if (w->sym[left].id != m->left || right == NONE || w->sym[right].id != m->right) continue;
    w->sym[left].id = m->result;
    w->sym[left].next = w->sym[right].next;
    w->sym[right].id = NONE;
    if (w->sym[right].next != NONE) w->sym[w->sym[right].next].prev = left;
    push_pair(t, w, w->sym[left].prev);
    push_pair(t, w, left);
  }
  for (int32_t i = 0; i != NONE; i = w->sym[i].next) put(w, w->sym[i].id);
  return RK_OK;
}

/* ---- text ---- */

static rk_err tokenize_plain(const struct rk_tokenizer *t, struct work *w, rk_str s) {
  rk_err err = RK_OK;
  for (size_t at = 0, end; !err && at < s.n; at = end) {
    end = scan_word(s, at);
    err = merge_word(t, w, (rk_str){s.p + at, end - at});
  }
  return err;
}

static const struct special *special_at(const struct rk_tokenizer *t, rk_str rest) {
  if (!t->starts_special[(uint8_t)rest.p[0]]) return NULL;
  for (int32_t i = 0; i < t->n_specials; i++)
    if (rk_str_starts(rest, t->specials[i].text)) return &t->specials[i];
  return NULL;
}

static rk_err tokenize_trusted(const struct rk_tokenizer *t, struct work *w, rk_str s) {
  size_t from = 0;
  rk_err err = RK_OK;
  for (size_t at = 0; !err && at < s.n;) {
    const struct special *sp = special_at(t, (rk_str){s.p + at, s.n - at});
    if (!sp) {
      at++;
      continue;
    }
    err = tokenize_plain(t, w, (rk_str){s.p + from, at - from});
    put(w, sp->id);
    from = at += sp->text.n;
  }
  return err ? err : tokenize_plain(t, w, (rk_str){s.p + from, s.n - from});
}

int32_t rk_tokenize(const struct rk_model *m, rk_str text, bool trusted, int32_t *ids, int32_t cap) {
  if (text.n > RK_MAX_TOKENIZE_BYTES || !rk_utf8_valid(text)) return -1;
  struct work w = {.ids = ids, .n_room = cap};
  rk_err err = trusted ? tokenize_trusted(m->tok, &w, text) : tokenize_plain(m->tok, &w, text);
  free(w.sym);
  free(w.heap);
  return err ? -1 : w.n;
}

rk_str rk_token_bytes(const struct rk_model *m, int32_t id) {
  const struct rk_tokenizer *t = m->tok;
  if (id < 0 || id >= t->n_vocab) return RK_STR("");
  return (rk_str){t->bytes + t->start[id], t->start[id + 1] - t->start[id]};
}

bool rk_token_is_special(const struct rk_model *m, int32_t id) {
  const struct rk_tokenizer *t = m->tok;
  return id >= 0 && id < t->n_vocab && (t->type[id] == TYPE_CONTROL || t->type[id] == TYPE_UNUSED);
}

int32_t rk_token_find(const struct rk_model *m, rk_str special_text) {
  const struct rk_tokenizer *t = m->tok;
  for (int32_t i = 0; i < t->n_specials; i++)
    if (rk_str_eq(t->specials[i].text, special_text)) return t->specials[i].id;
  return -1;
}

/* ---- building ---- */

/* The byte that a code point of a written token stands for, or -1. */
static int byte_of(uint32_t cp) {
  if ((cp >= 0x21 && cp <= 0x7E) || (cp >= 0xA1 && cp <= 0xAC) || (cp >= 0xAE && cp <= 0xFF)) return (int)cp;
  if (cp >= 0x100 && cp <= 0x120) return (int)cp - 0x100;        /* 00..20 */
  if (cp >= 0x121 && cp <= 0x142) return (int)cp - 0x121 + 0x7F; /* 7F..A0 */
  return cp == 0x143 ? 0xAD : -1;
}

struct build {
  struct rk_tokenizer *t;
  rk_str *tokens;      /* [n_vocab] as written */
  int32_t *types;      /* [n_vocab] */
  rk_str *merges;      /* [n_merges] */
  int32_t *name_slots; /* open addressing: id of a written token or NONE */
  uint32_t name_mask;
};

static uint32_t name_hash(rk_str s) {
  uint64_t h = 0xcbf29ce484222325ULL;
  for (size_t i = 0; i < s.n; i++) h = (h ^ (uint8_t)s.p[i]) * 0x100000001b3ULL;
  return (uint32_t)(h ^ h >> 32);
}

static uint32_t name_slot(const struct build *b, rk_str name) {
  uint32_t i = name_hash(name) & b->name_mask;
  while (b->name_slots[i] != NONE && !rk_str_eq(b->tokens[b->name_slots[i]], name)) i = (i + 1) & b->name_mask;
  return i;
}

/* Slots for n keys at a load of at most one half, all free. */
static int32_t *new_slots(uint32_t n, uint32_t *mask) {
  uint32_t cap = 64;
  while (cap < 2 * n) cap *= 2;
  *mask = cap - 1;
  int32_t *slots = malloc(cap * sizeof *slots);
  if (slots) memset(slots, 0xFF, cap * sizeof *slots);
  return slots;
}

static rk_err no_memory(struct rk_error *e) { return rk_fail(e, RK_ENOMEM, "no memory for the vocabulary"); }

static rk_err read_arrays(struct build *b, const struct rk_gguf *g, struct rk_error *e) {
  rk_str kind, pre;
  if (!rk_gguf_str(g, "tokenizer.ggml.model", &kind) || !rk_str_eq_c(kind, "gpt2"))
    return rk_fail(e, RK_EFORMAT, "key tokenizer.ggml.model: only byte-level BPE (gpt2) is supported");
  if (rk_gguf_str(g, "tokenizer.ggml.pre", &pre) && !rk_str_eq_c(pre, "qwen2"))
    return rk_fail(e, RK_EFORMAT, "key tokenizer.ggml.pre: only the qwen2 pre-tokenizer is supported");
  int64_t n = rk_gguf_array_len(g, "tokenizer.ggml.tokens", RK_GGUF_STRING);
  int64_t n_types = rk_gguf_array_len(g, "tokenizer.ggml.token_type", RK_GGUF_I32);
  int64_t n_merges = rk_gguf_array_len(g, "tokenizer.ggml.merges", RK_GGUF_STRING);
  if (n < 256 || n > RK_MAX_VOCAB) return rk_fail(e, RK_EFORMAT, "key tokenizer.ggml.tokens: %lld tokens, expected 256 to %d", (long long)n, RK_MAX_VOCAB);
  if (n_types != n) return rk_fail(e, RK_EFORMAT, "key tokenizer.ggml.token_type: %lld types for %lld tokens", (long long)n_types, (long long)n);
  if (n_merges < 0 || n_merges > RK_MAX_VOCAB) return rk_fail(e, RK_EFORMAT, "key tokenizer.ggml.merges: missing, or more than %d", RK_MAX_VOCAB);
  b->t->n_vocab = (int32_t)n;
  b->t->n_merges = (uint32_t)n_merges;
  b->tokens = calloc((size_t)n, sizeof *b->tokens);
  b->types = calloc((size_t)n, sizeof *b->types);
  b->merges = calloc((size_t)n_merges + 1, sizeof *b->merges);
  if (!b->tokens || !b->types || !b->merges) return no_memory(e);
  rk_gguf_strings(g, "tokenizer.ggml.tokens", b->tokens, (size_t)n);
  rk_gguf_i32s(g, "tokenizer.ggml.token_type", b->types, (size_t)n);
  rk_gguf_strings(g, "tokenizer.ggml.merges", b->merges, (size_t)n_merges);
  return RK_OK;
}

static bool is_literal(int32_t type) { return type == TYPE_CONTROL || type == TYPE_USER || type == TYPE_UNUSED; }

/* Writes the bytes of token id at out; returns their number, or -1 when it is not written as it should be. */
static int token_bytes(const struct build *b, int32_t id, char *out) {
  rk_str s = b->tokens[id];
  if (is_literal(b->types[id])) {
    if (s.n > RK_MAX_TOKEN_BYTES || !rk_utf8_valid(s)) return -1;
    if (s.n) memcpy(out, s.p, s.n);
    return (int)s.n;
  }
  int n = 0;
  for (uint32_t cp; s.n; n++) {
    int step = rk_utf8_next(s, &cp), byte = step ? byte_of(cp) : -1;
    if (byte < 0 || n == RK_MAX_TOKEN_BYTES) return -1;
    out[n] = (char)byte;
    s = (rk_str){s.p + step, s.n - (size_t)step};
  }
  return n;
}

static rk_err build_tokens(struct build *b, struct rk_error *e) {
  struct rk_tokenizer *t = b->t;
  size_t total = RK_MAX_TOKEN_BYTES;
  for (int32_t i = 0; i < t->n_vocab; i++) total += b->tokens[i].n; /* a byte is written as one or two */
  if (total > UINT32_MAX) return rk_fail(e, RK_EFORMAT, "key tokenizer.ggml.tokens: the tokens are too long");
  t->bytes = malloc(total);
  t->start = calloc((size_t)t->n_vocab + 1, sizeof *t->start);
  t->type = calloc((size_t)t->n_vocab, 1);
  b->name_slots = new_slots((uint32_t)t->n_vocab, &b->name_mask);
  if (!t->bytes || !t->start || !t->type || !b->name_slots) return no_memory(e);
  uint32_t at = 0;
  for (int32_t i = 0; i < t->n_vocab; i++) {
    int n = token_bytes(b, i, t->bytes + at);
    if (n < 0) return rk_fail(e, RK_EFORMAT, "key tokenizer.ggml.tokens: token %d is not written as bytes, or longer than %d", i, RK_MAX_TOKEN_BYTES);
    t->start[i] = at;
    t->start[i + 1] = at += (uint32_t)n;
    t->type[i] = b->types[i] >= 0 && b->types[i] <= UINT8_MAX ? (uint8_t)b->types[i] : 0;
    uint32_t slot = name_slot(b, b->tokens[i]);
    if (!is_literal(b->types[i]) && b->name_slots[slot] == NONE) b->name_slots[slot] = i;
  }
  return RK_OK;
}

static rk_err build_byte_ids(struct build *b, struct rk_error *e) {
  for (uint32_t cp = 0x21; cp <= 0x143; cp++) {
    char text[4];
    int byte = byte_of(cp);
    if (byte < 0) continue;
    int32_t id = b->name_slots[name_slot(b, (rk_str){text, (size_t)rk_utf8_put(cp, text)})];
    if (id == NONE) return rk_fail(e, RK_EFORMAT, "key tokenizer.ggml.tokens: there is no token for byte 0x%02x", (unsigned)byte);
    b->t->byte_id[byte] = id;
  }
  return RK_OK;
}

static int32_t find_name(const struct build *b, rk_str name) { return b->name_slots[name_slot(b, name)]; }

/* "left right" as written; all three tokens must exist. */
static bool read_merge(const struct build *b, rk_str text, struct merge *m) {
  char joined[2 * WRITTEN_BYTES];
  const char *space = text.n > 1 ? memchr(text.p + 1, ' ', text.n - 1) : NULL;
  if (!space || text.n > sizeof joined) return false;
  rk_str left = {text.p, (size_t)(space - text.p)}, right = {space + 1, text.n - left.n - 1};
  memcpy(joined, left.p, left.n);
  memcpy(joined + left.n, right.p, right.n);
  *m = (struct merge){find_name(b, left), find_name(b, right), find_name(b, (rk_str){joined, left.n + right.n})};
  return m->left != NONE && m->right != NONE && m->result != NONE;
}

static rk_err build_merges(struct build *b, struct rk_error *e) {
  struct rk_tokenizer *t = b->t;
  t->merges = calloc((size_t)t->n_merges + 1, sizeof *t->merges);
  t->pair_slots = new_slots(t->n_merges, &t->pair_mask);
  if (!t->merges || !t->pair_slots) return no_memory(e);
  for (uint32_t i = 0; i < t->n_merges; i++) {
    struct merge *m = &t->merges[i];
    if (!read_merge(b, b->merges[i], m)) return rk_fail(e, RK_EFORMAT, "key tokenizer.ggml.merges: merge %u names no tokens of the vocabulary", i);
    uint32_t slot = pair_slot(t, m->left, m->right);
    if (t->pair_slots[slot] == NONE) t->pair_slots[slot] = (int32_t)i;
  }
  return RK_OK;
}

static int longest_first(const void *a, const void *b) {
  const struct special *x = a, *y = b;
  if (x->text.n != y->text.n) return x->text.n < y->text.n ? 1 : -1;
  return (x->id > y->id) - (x->id < y->id);
}

static rk_err build_specials(struct build *b, struct rk_error *e) {
  struct rk_tokenizer *t = b->t;
  t->specials = calloc(RK_MAX_SPECIAL_TOKENS, sizeof *t->specials);
  if (!t->specials) return no_memory(e);
  for (int32_t i = 0; i < t->n_vocab; i++) {
    if ((t->type[i] != TYPE_CONTROL && t->type[i] != TYPE_USER) || t->start[i] == t->start[i + 1]) continue;
    if (t->n_specials == RK_MAX_SPECIAL_TOKENS)
      return rk_fail(e, RK_EFORMAT, "key tokenizer.ggml.token_type: more than %d special tokens", RK_MAX_SPECIAL_TOKENS);
    rk_str text = {t->bytes + t->start[i], t->start[i + 1] - t->start[i]};
    t->specials[t->n_specials++] = (struct special){text, i};
    t->starts_special[(uint8_t)text.p[0]] = true;
  }
  qsort(t->specials, (size_t)t->n_specials, sizeof *t->specials, longest_first);
  return RK_OK;
}

rk_err rk_tokenizer_new(const struct rk_gguf *g, struct rk_tokenizer **out, struct rk_error *e) {
  *out = NULL;
  struct build b = {.t = calloc(1, sizeof *b.t)};
  if (!b.t) return no_memory(e);
  rk_err err = read_arrays(&b, g, e);
  if (!err) err = build_tokens(&b, e);
  if (!err) err = build_byte_ids(&b, e);
  if (!err) err = build_merges(&b, e);
  if (!err) err = build_specials(&b, e);
  free(b.tokens);
  free(b.types);
  free(b.merges);
  free(b.name_slots);
  if (err) rk_tokenizer_free(b.t);
  else *out = b.t;
  return err;
}

void rk_tokenizer_free(struct rk_tokenizer *t) {
  if (!t) return;
  free(t->bytes);
  free(t->start);
  free(t->type);
  free(t->merges);
  free(t->pair_slots);
  free(t->specials);
  free(t);
}
