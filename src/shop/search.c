/* search.c - what a query means, and which products meet it.
 *
 * The word list maps phrases to atoms (category=phone, brand=Nike). Products
 * stand in postings: for each category, fact, option value and word of a name,
 * the products that have it. A query is a few sets of products, one a term:
 *
 *   "nike shoes 42"  ->  terms   category=running_shoes   [0110 1101 ...]  a bit a product
 *                                brand=Nike               [0100 0001 ...]
 *                                size=42                  [0110 1101 ...]
 *
 * so that only products of at least one set are looked at. */
#include "shop/search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

enum { MAX_PHRASE_TOKENS = 6, MAX_PHRASES = 100000, MAX_ATOMS = 4, MAX_TERMS = 48, MAX_RUNS = 48, INDEX_BYTES = 256 << 20,
       FOLDED_BYTES = 8192 };

enum kind { STOP, OTHER, NOT, CATEGORY, FACT };

/* One thing a word can mean: noise_cancelling=true, category=phone. */
struct atom { enum kind kind; rk_str name, value; bool weak; };

/* Several atoms of a phrase hold together (玫瑰花束: flowers, roses). */
struct phrase { rk_str key; struct atom atoms[MAX_ATOMS]; int32_t n_atoms; };

struct unit { rk_str attr; double factor; rk_str key; };
struct winner { rk_str over, under; };

/* The products that have this value (name "": this word in their names), ascending. */
struct posting { rk_str name, value; const int32_t *products; int32_t n; };

struct rk_index {
  const struct rk_catalog *c;
  struct rk_arena *arena;
  struct phrase *phrases; int32_t n_phrases;      /* sorted by key; of the same key only the first of the tables */
  int32_t phrase_room, *slots;                    /* while it is made: [2 * phrase_room] hash of keys -> phrase + 1 */
  struct posting *postings; int32_t n_postings;   /* sorted by name, then value */
  int32_t n_words;                                /* 64-bit words of a set of products */
  struct unit *units; int32_t n_units;
  struct winner winners[16]; int32_t n_winners;
  rk_str *texts;                                  /* folded names of each product: " nike gale 耐 克 " */
};

/* ---- folding: text -> " token token ": words, numbers, single Han characters ---- */

static void end_word(struct rk_buf *out, size_t start) {
  size_t n = out->n - start;
  if (out->err || n < 4 || out->p[out->n - 1] != 's') return;
  char before = out->p[out->n - 2];
  if (before == 's' || before == 'u' || before == 'i') return;
  if (n > 4 && before == 'e' && out->p[out->n - 3] == 'i') {
    out->n -= 3;
    rk_buf_addc(out, 'y');
  } else {
    out->n -= 1;
    out->p[out->n] = 0;
  }
}

enum class { GAP, LETTER, DIGIT, HAN, SKIP };

static enum class class_of(uint32_t cp) {
  if ((cp >= 'a' && cp <= 'z') || (cp >= 0xc0 && cp < 0x250 && cp != 0xd7 && cp != 0xf7)) return LETTER;
  if (cp >= '0' && cp <= '9') return DIGIT;
  if (cp == '\'' || cp == 0x2019) return SKIP;
  if (cp < 0x2e80 || (cp >= 0x3000 && cp <= 0x303f) || (cp >= 0xff00 && cp <= 0xffef) || cp == 0x30fb) return GAP;
  return HAN;
}

static uint32_t narrow(uint32_t cp) {
  if (cp >= 0xff01 && cp <= 0xff5e) cp -= 0xfee0;
  return cp >= 'A' && cp <= 'Z' ? cp + 32 : cp;
}

static bool digit_at(rk_str s) { return s.n > 0 && s.p[0] >= '0' && s.p[0] <= '9'; }

static void fold(struct rk_buf *out, rk_str text) {
  enum class last = GAP;
  size_t start = 0;
  rk_buf_addc(out, ' ');
  while (text.n) {
    uint32_t cp;
    int n = rk_utf8_next(text, &cp);
    if (n == 0) n = 1, cp = ' ';
    text.p += n;
    text.n -= (size_t)n;
    cp = narrow(cp);
    enum class now = class_of(cp);
    if (now == SKIP) continue;
    if (now == GAP && cp == '.' && last == DIGIT && digit_at(text)) now = DIGIT;
    if (last != GAP && (now != last || now == HAN)) {
      if (last == LETTER) end_word(out, start);
      rk_buf_addc(out, ' ');
    }
    if (now != GAP) {
      char utf8[4];
      if (now != last || now == HAN) start = out->n;
      rk_buf_add(out, utf8, (size_t)rk_utf8_put(cp, utf8));
    }
    last = now;
  }
  if (last == LETTER) end_word(out, start);
  if (last != GAP) rk_buf_addc(out, ' ');
}

/* The folded text as a key without the outer blanks, in the arena. */
static rk_str fold_key(struct rk_index *x, rk_str text) {
  struct rk_buf b;
  rk_buf_init(&b, FOLDED_BYTES);
  fold(&b, text);
  rk_str t = rk_str_trim(rk_buf_str(&b));
  char *copy = b.err ? NULL : rk_arena_dup(x->arena, t);
  rk_buf_release(&b);
  return copy ? rk_str_c(copy) : (rk_str){0};
}

/* ---- the word list ---- */

static int compare(rk_str a, rk_str b) {
  size_t n = a.n < b.n ? a.n : b.n;
  int c = n ? memcmp(a.p, b.p, n) : 0;
  return c ? c : (a.n > b.n) - (a.n < b.n);
}

static int by_key(const void *a, const void *b) { return compare(((const struct phrase *)a)->key, ((const struct phrase *)b)->key); }

static const struct phrase *find_phrase(const struct rk_index *x, rk_str key) {
  int32_t lo = 0, hi = x->n_phrases;
  while (lo < hi) {
    int32_t mid = lo + (hi - lo) / 2;
    if (compare(x->phrases[mid].key, key) < 0) lo = mid + 1;
    else hi = mid;
  }
  return lo < x->n_phrases && rk_str_eq(x->phrases[lo].key, key) ? &x->phrases[lo] : NULL;
}

/* Where the key stands in the hash, or where it would. */
static int32_t *slot_of(const struct rk_index *x, rk_str key) {
  uint32_t h = 2166136261u, mask = (uint32_t)x->phrase_room * 2 - 1;
  for (size_t i = 0; i < key.n; i++) h = (h ^ (unsigned char)key.p[i]) * 16777619u;
  while (x->slots[h & mask] && !rk_str_eq(x->phrases[x->slots[h & mask] - 1].key, key)) h++;
  return &x->slots[h & mask];
}

static rk_err grow_phrases(struct rk_index *x, struct rk_error *e) {
  int32_t room = x->phrase_room ? x->phrase_room * 2 : 1024;
  struct phrase *more = realloc(x->phrases, (size_t)room * sizeof *more);
  if (more) x->phrases = more;
  int32_t *slots = more ? calloc((size_t)room * 2, sizeof *slots) : NULL;
  if (!slots) return rk_fail(e, RK_ENOMEM, "out of memory");
  free(x->slots);
  x->slots = slots;
  x->phrase_room = room;
  for (int32_t i = 0; i < x->n_phrases; i++) *slot_of(x, x->phrases[i].key) = i + 1;
  return RK_OK;
}

static rk_err add_phrase(struct rk_index *x, rk_str text, const struct phrase *meaning, struct rk_error *e) {
  struct phrase p = *meaning;
  rk_err err = x->n_phrases == x->phrase_room ? grow_phrases(x, e) : RK_OK;
  if (err) return err;
  p.key = fold_key(x, text);
  if (p.key.n == 0) return RK_OK;
  int32_t *slot = slot_of(x, p.key);
  if (*slot) return RK_OK; /* the first row that has a phrase says what it means */
  if (x->n_phrases == MAX_PHRASES) return rk_fail(e, RK_ETOOBIG, "the word list has more than %d phrases", MAX_PHRASES);
  x->phrases[x->n_phrases++] = p;
  *slot = x->n_phrases;
  return RK_OK;
}

static rk_err read_meaning(const struct rk_index *x, const char *text, struct phrase *out, struct rk_error *e) {
  rk_str rest = rk_str_c(text), one;
  *out = (struct phrase){0};
  while (rest.n) {
    rk_str_cut(rest, ';', &one, &rest);
    if (out->n_atoms == MAX_ATOMS) return rk_fail(e, RK_EFORMAT, "%s: `%s` means too much", x->c->words.path, text);
    struct atom *a = &out->atoms[out->n_atoms++];
    a->weak = one.n && one.p[0] == '?';
    if (a->weak) one.p++, one.n--;
    if (rk_str_eq(one, RK_STR("stop"))) a->kind = STOP;
    else if (rk_str_eq(one, RK_STR("other"))) a->kind = OTHER;
    else if (rk_str_eq(one, RK_STR("not"))) a->kind = NOT;
    else if (rk_str_cut(one, '=', &a->name, &a->value) && a->value.n)
      a->kind = rk_str_eq(a->name, RK_STR("category")) ? CATEGORY : FACT;
    else return rk_fail(e, RK_EFORMAT, "%s: `%s` is no meaning", x->c->words.path, text);
  }
  return RK_OK;
}

static rk_err add_words(struct rk_index *x, struct rk_error *e) {
  const struct rk_table *t = &x->c->words;
  for (int32_t i = 0; i < t->n_rows; i++) {
    struct phrase meaning;
    rk_err err = read_meaning(x, rk_cell(t, i, 0), &meaning, e);
    if (err) return err;
    struct winner w;
    if (rk_str_eq(meaning.atoms[0].name, RK_STR("wins"))) {
      if (!rk_str_cut(meaning.atoms[0].value, '>', &w.over, &w.under) || x->n_winners == 16)
        return rk_fail(e, RK_EFORMAT, "%s: `%s`", t->path, rk_cell(t, i, 0));
      x->winners[x->n_winners++] = w;
      continue;
    }
    rk_str rest = rk_str_c(rk_cell(t, i, 1)), one;
    while (!err && rest.n) {
      rk_str_cut(rest, '/', &one, &rest);
      err = add_phrase(x, one, &meaning, e);
    }
    if (err) return err;
  }
  return RK_OK;
}

/* A fact's or option's label is a phrase for it; numbers need their unit and are none. */
static rk_err add_label(struct rk_index *x, const char *name, const char *value, const char *label, struct rk_error *e) {
  struct phrase p = {.n_atoms = 1, .atoms = {{.kind = FACT, .name = rk_str_c(name), .value = rk_str_c(value)}}};
  return add_phrase(x, rk_str_c(label), &p, e);
}

static rk_err add_labels(struct rk_index *x, struct rk_error *e) {
  rk_err err = RK_OK;
  for (int32_t i = 0; !err && i < x->c->n_products; i++) {
    const struct rk_product *p = &x->c->products[i];
    for (int32_t k = 0; !err && k < p->n_facts; k++) {
      const struct rk_fact *f = &p->facts[k];
      if (f->type == 'n') continue;
      err = add_label(x, f->name, f->value, f->label.zh, e);
      if (!err) err = add_label(x, f->name, f->value, f->label.en, e);
      if (!err && f->type == 's' && strcmp(f->name, "brand") == 0) err = add_label(x, f->name, f->value, f->value, e);
    }
  }
  const struct rk_table *t = &x->c->options;
  for (int32_t i = 0; !err && i < t->n_rows; i++) {
    if (strlen(rk_cell(t, i, 5 - 1)) < 3) continue; /* "42" and "L" are no words; 42码 and size L are */
    err = add_label(x, rk_cell(t, i, 1), rk_cell(t, i, 2), rk_cell(t, i, 4), e);
    if (!err) err = add_label(x, rk_cell(t, i, 1), rk_cell(t, i, 2), rk_cell(t, i, 3), e);
  }
  return err;
}

static rk_err add_units(struct rk_index *x, struct rk_error *e) {
  const struct rk_table *t = &x->c->units;
  x->units = rk_arena_array(x->arena, (size_t)t->n_rows * 12, sizeof *x->units);
  if (!x->units) return rk_fail(e, RK_ENOMEM, "out of memory");
  for (int32_t i = 0; i < t->n_rows; i++) {
    double factor;
    if (!rk_str_f64(rk_str_c(rk_cell(t, i, 1)), &factor)) return rk_fail(e, RK_EFORMAT, "%s: `%s` is no factor", t->path, rk_cell(t, i, 1));
    rk_str rest = rk_str_c(rk_cell(t, i, 2)), one;
    for (int k = 0; rest.n && k < 12; k++) {
      rk_str_cut(rest, '/', &one, &rest);
      x->units[x->n_units++] = (struct unit){rk_str_c(rk_cell(t, i, 0)), factor, fold_key(x, one)};
    }
  }
  return RK_OK;
}

static rk_err add_texts(struct rk_index *x, struct rk_error *e) {
  x->texts = rk_arena_array(x->arena, (size_t)x->c->n_products, sizeof *x->texts);
  if (!x->texts) return rk_fail(e, RK_ENOMEM, "out of memory");
  for (int32_t i = 0; i < x->c->n_products; i++) {
    const struct rk_product *p = &x->c->products[i];
    struct rk_buf b;
    rk_buf_init(&b, FOLDED_BYTES);
    fold(&b, rk_str_c(p->title.zh));
    fold(&b, rk_str_c(p->title.en));
    char *copy = b.err ? NULL : rk_arena_dup(x->arena, rk_buf_str(&b));
    rk_buf_release(&b);
    if (!copy) return rk_fail(e, RK_ETOOBIG, "the search index is too large");
    x->texts[i] = rk_str_c(copy);
  }
  return RK_OK;
}

/* ---- postings ---- */

struct pair { rk_str name, value; int32_t product; };
struct pairs { struct pair *p; int32_t n, room; bool full; };

static void add_pair(struct pairs *list, rk_str name, rk_str value, int32_t product) {
  if (list->n == list->room) {
    int32_t room = list->room ? list->room * 2 : 4096;
    struct pair *more = realloc(list->p, (size_t)room * sizeof *more);
    if (!more) {
      list->full = true;
      return;
    }
    list->p = more;
    list->room = room;
  }
  list->p[list->n++] = (struct pair){name, value, product};
}

static void collect_pairs(const struct rk_index *x, struct pairs *list) {
  for (int32_t i = 0; i < x->c->n_products; i++) {
    const struct rk_product *p = &x->c->products[i];
    rk_str rest = rk_str_trim(x->texts[i]), word;
    add_pair(list, RK_STR("category"), rk_str_c(p->category->id), i);
    for (int32_t k = 0; k < p->n_facts; k++) add_pair(list, rk_str_c(p->facts[k].name), rk_str_c(p->facts[k].value), i);
    for (int32_t k = 0; k < p->n_axes; k++)
      for (int32_t c = 0; c < p->axes[k].n_choices; c++) add_pair(list, rk_str_c(p->axes[k].option), rk_str_c(p->axes[k].choices[c].value), i);
    while (rest.n) {
      rk_str_cut(rest, ' ', &word, &rest);
      if (word.n) add_pair(list, RK_STR(""), word, i);
    }
  }
}

static int by_pair(const void *a, const void *b) {
  const struct pair *x = a, *y = b;
  int c = compare(x->name, y->name);
  if (!c) c = compare(x->value, y->value);
  return c ? c : x->product - y->product;
}

static rk_err add_postings(struct rk_index *x, struct rk_error *e) {
  struct pairs list = {0};
  collect_pairs(x, &list);
  if (list.n) qsort(list.p, (size_t)list.n, sizeof *list.p, by_pair);
  int32_t *products = list.full ? NULL : rk_arena_array(x->arena, (size_t)list.n + 1, sizeof *products), n_keys = 0, n = 0;
  for (int32_t i = 0; i < list.n; i++) n_keys += i == 0 || compare(list.p[i - 1].name, list.p[i].name) || compare(list.p[i - 1].value, list.p[i].value);
  x->postings = products ? rk_arena_array(x->arena, (size_t)n_keys + 1, sizeof *x->postings) : NULL;
  for (int32_t i = 0; x->postings && i < list.n; i++) {
    const struct pair *p = &list.p[i];
    struct posting *last = x->n_postings ? &x->postings[x->n_postings - 1] : NULL;
    if (!last || compare(last->name, p->name) || compare(last->value, p->value)) {
      last = &x->postings[x->n_postings++];
      *last = (struct posting){p->name, p->value, products + n, 0};
    } else if (products[n - 1] == p->product) continue;
    products[n++] = p->product;
    last->n++;
  }
  free(list.p);
  x->n_words = x->c->n_products / 64 + 1;
  return x->postings ? RK_OK : rk_fail(e, RK_ENOMEM, "out of memory");
}

/* The first posting that is not before (name, value). */
static int32_t posting_at(const struct rk_index *x, rk_str name, rk_str value) {
  int32_t lo = 0, hi = x->n_postings;
  while (lo < hi) {
    int32_t mid = lo + (hi - lo) / 2, c = compare(x->postings[mid].name, name);
    if (!c) c = compare(x->postings[mid].value, value);
    if (c < 0) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

static const struct posting *posting_of(const struct rk_index *x, rk_str name, rk_str value) {
  int32_t at = posting_at(x, name, value);
  return at < x->n_postings && rk_str_eq(x->postings[at].name, name) && rk_str_eq(x->postings[at].value, value) ? &x->postings[at] : NULL;
}

rk_err rk_index_new(const struct rk_catalog *c, struct rk_index **out, struct rk_error *e) {
  struct rk_index *x = calloc(1, sizeof *x);
  if (!x) return rk_fail(e, RK_ENOMEM, "out of memory");
  x->c = c;
  x->arena = rk_arena_new(INDEX_BYTES);
  rk_err err = x->arena ? RK_OK : rk_fail(e, RK_ENOMEM, "out of memory");
  if (!err) err = add_words(x, e);
  if (!err) err = add_labels(x, e);
  if (!err) err = add_units(x, e);
  if (!err) err = add_texts(x, e);
  if (!err) err = add_postings(x, e);
  free(x->slots);
  x->slots = NULL;
  if (err) {
    rk_index_free(x);
    return err;
  }
  if (x->n_phrases) qsort(x->phrases, (size_t)x->n_phrases, sizeof *x->phrases, by_key);
  *out = x;
  return RK_OK;
}

void rk_index_free(struct rk_index *x) {
  if (!x) return;
  if (x->arena) rk_arena_free(x->arena);
  free(x->phrases);
  free(x);
}

/* ---- a query ---- */

/* Any of the atoms satisfies the term: 3L is volume_l=3 or volume_ml=3000. */
struct term { struct atom atoms[MAX_ATOMS]; int32_t n_atoms; double number[MAX_ATOMS]; bool numeric, negated; };

struct query {
  rk_str tokens[RK_MAX_QUERY_TOKENS]; int32_t n;
  struct term terms[MAX_TERMS]; int32_t n_terms;
  rk_str runs[MAX_RUNS]; int32_t n_runs;    /* words without a meaning: "mate 70", "三 体" */
  double weight;                            /* of everything that carries meaning */
  double strange;                           /* of that, words that are known not to be sold */
  bool has_category, has_fact;
};

static rk_str span(const struct query *q, int32_t from, int32_t n) {
  rk_str first = q->tokens[from], last = q->tokens[from + n - 1];
  return (rk_str){first.p, (size_t)(last.p + last.n - first.p)};
}

static bool is_han(rk_str token) { return (unsigned char)token.p[0] >= 0xe2; }

/* 3, 1.8, 三, two. 0: no number. */
static double number_of(rk_str token) {
  static const struct { const char *word; double v; } words[] = {
    {"一", 1}, {"二", 2}, {"两", 2}, {"三", 3}, {"四", 4}, {"五", 5}, {"六", 6}, {"七", 7}, {"八", 8}, {"九", 9}, {"十", 10},
    {"one", 1}, {"two", 2}, {"three", 3}, {"four", 4}, {"five", 5}, {"six", 6}, {"eight", 8}, {"ten", 10}};
  double v;
  if (digit_at(token)) return rk_str_f64(token, &v) && v > 0 && v < 1e7 ? v : 0;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (rk_str_eq_c(token, words[i].word)) return words[i].v;
  return 0;
}

static const struct phrase *longest_phrase(const struct rk_index *x, const struct query *q, int32_t at, int32_t *n) {
  int32_t most = q->n - at < MAX_PHRASE_TOKENS ? q->n - at : MAX_PHRASE_TOKENS;
  for (*n = most; *n > 0; --*n) {
    const struct phrase *p = find_phrase(x, span(q, at, *n));
    if (p) return p;
  }
  return NULL;
}

/* A number and its unit at this place; returns how many tokens, 0 when there is none. */
static int32_t measure(const struct rk_index *x, const struct query *q, int32_t at, struct term *t) {
  double v = number_of(q->tokens[at]);
  if (v == 0 || at + 1 >= q->n) return 0;
  *t = (struct term){.numeric = true};
  int32_t used = 0;
  for (int32_t n = 2; n >= 1 && !used; n--) {
    if (at + n >= q->n) continue;
    rk_str unit = span(q, at + 1, n);
    for (int32_t i = 0; i < x->n_units && t->n_atoms < MAX_ATOMS; i++)
      if (rk_str_eq(x->units[i].key, unit)) {
        t->atoms[t->n_atoms] = (struct atom){.kind = FACT, .name = x->units[i].attr};
        t->number[t->n_atoms++] = v * x->units[i].factor;
        used = n + 1;
      }
  }
  return used;
}

/* "size 42", "尺码L": an option by its bare value. */
static int32_t sized(const struct query *q, int32_t at, struct term *t) {
  rk_str w = q->tokens[at];
  int32_t n = rk_str_eq(w, RK_STR("size")) ? 1 : at + 1 < q->n && (rk_str_eq_c(span(q, at, 2), "尺 码") || rk_str_eq_c(span(q, at, 2), "大 小")) ? 2 : 0;
  if (n == 0 || at + n >= q->n || q->tokens[at + n].n > 3 || is_han(q->tokens[at + n])) return 0;
  *t = (struct term){.n_atoms = 1, .atoms = {{.kind = FACT, .name = RK_STR("size"), .value = q->tokens[at + n]}}};
  return n + 1;
}

/* "L码", "xl 号", "M size", and a bare "L" that is no unit. */
static int32_t letter_size(const struct query *q, int32_t at, struct term *t) {
  static const char *const sizes[] = {"m", "l", "xl", "xxl", "s"};
  rk_str next = at + 1 < q->n ? q->tokens[at + 1] : RK_STR("");
  bool marked = rk_str_eq_c(next, "码") || rk_str_eq_c(next, "号") || rk_str_eq_c(next, "size");
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    if (rk_str_eq_c(q->tokens[at], sizes[i]) && (marked || i < 4)) {
      *t = (struct term){.n_atoms = 1, .atoms = {{.kind = FACT, .name = RK_STR("size"), .value = q->tokens[at]}}};
      return marked ? 2 : 1;
    }
  return 0;
}

/* A bare number right after a word with a meaning and before another or the end, as in "运动鞋42": a size; an amount has words around it. */
static bool is_bare_size(const struct rk_index *x, const struct query *q, int32_t at, bool after_meaning) {
  int64_t v;
  int32_t n;
  const struct phrase *next = at + 1 < q->n ? longest_phrase(x, q, at + 1, &n) : NULL;
  return after_meaning && rk_str_i64(q->tokens[at], &v) && v >= 34 && v <= 48 && (at + 1 == q->n || (next && next->atoms[0].kind >= CATEGORY));
}

static bool has_term(const struct query *q, const struct term *t) {
  for (int32_t i = 0; i < q->n_terms; i++) {
    const struct term *other = &q->terms[i];
    if (other->numeric == t->numeric && rk_str_eq(other->atoms[0].name, t->atoms[0].name) && rk_str_eq(other->atoms[0].value, t->atoms[0].value) &&
        other->number[0] == t->number[0]) return true;
  }
  return false;
}

static void add_term(struct query *q, const struct term *t, bool negated) {
  if (q->n_terms == MAX_TERMS || has_term(q, t)) return;
  struct term *mine = &q->terms[q->n_terms++];
  *mine = *t;
  mine->negated = negated;
  bool category = t->atoms[0].kind == CATEGORY;
  if (negated) return;
  q->weight += !category ? 1 : q->has_category ? 0 : 2; /* of several kinds of goods, a product is one */
  if (category) q->has_category = true;
  else if (!t->numeric && !t->atoms[0].weak) q->has_fact = true;
}

static double run_weight(rk_str run) {
  double han = 0, words = 0;
  rk_str rest = run, token;
  while (rest.n) {
    rk_str_cut(rest, ' ', &token, &rest);
    if (token.n && is_han(token)) han++;
    else if (token.n && !digit_at(token)) words++;
  }
  return words + (double)(((int)han + 1) / 2);
}

static void end_run(struct query *q, int32_t from, int32_t to) {
  if (from < 0 || q->n_runs == MAX_RUNS) return;
  q->runs[q->n_runs++] = span(q, from, to - from);
  q->weight += run_weight(q->runs[q->n_runs - 1]);
}

/* 书 is a book, but not in 党组书记: a single character counts only where nothing unknown is written to its left or right. */
static bool inside_a_word(const struct rk_index *x, const struct query *q, int32_t at, int32_t run) {
  struct term t;
  int32_t n;
  if (!is_han(q->tokens[at])) return false;
  if (run >= 0 && is_han(q->tokens[at - 1])) return true;
  return at + 1 < q->n && is_han(q->tokens[at + 1]) && !longest_phrase(x, q, at + 1, &n) && measure(x, q, at + 1, &t) == 0;
}

/* Reads the tokens from left to right: the longest of phrase, measure and size; the rest are runs. */
static void understand(const struct rk_index *x, struct query *q) {
  int32_t run = -1;
  bool negate = false, after_meaning = false;
  for (int32_t at = 0; at < q->n;) {
    struct term t = {0}, s;
    int32_t n_phrase, n_measure = measure(x, q, at, &t), n_sized = sized(q, at, &s);
    if (n_sized == 0) n_sized = letter_size(q, at, &s);
    if (n_sized > n_measure) t = s, n_measure = n_sized;
    const struct phrase *p = longest_phrase(x, q, at, &n_phrase);
    if (p && n_phrase == 1 && p->atoms[0].kind >= CATEGORY && inside_a_word(x, q, at, run)) p = NULL;
    bool bare_number = !p && n_measure == 0 && run < 0 && digit_at(q->tokens[at]);
    if (!p && n_measure == 0 && !bare_number) {
      if (run < 0) run = at;
      negate = after_meaning = false;
      at++;
      continue;
    }
    /* 70 of "mate 70" belongs to its run, though "70" alone would be nothing; a stop word ends a run. */
    end_run(q, run, at);
    run = -1;
    if (bare_number) {
      if (is_bare_size(x, q, at, after_meaning))
        add_term(q, &(struct term){.n_atoms = 1, .atoms = {{.kind = FACT, .name = RK_STR("size"), .value = q->tokens[at]}}}, false);
      after_meaning = false;
      at++;
    } else if (p && n_phrase >= n_measure) {
      for (int32_t i = 0; i < p->n_atoms; i++) {
        const struct atom *a = &p->atoms[i];
        if (a->kind == NOT) negate = true;
        else if (a->kind == OTHER) q->weight += 2, q->strange += 2, negate = false;
        else if (a->kind == CATEGORY && negate && p->n_atoms > 1) continue; /* "no iPhone" shuts out the brand, not phones */
        else if (a->kind != STOP) add_term(q, &(struct term){.n_atoms = 1, .atoms = {*a}}, negate);
      }
      after_meaning = p->atoms[0].kind >= CATEGORY;
      if (after_meaning) negate = false;
      at += n_phrase;
    } else {
      add_term(q, &t, negate);
      negate = false;
      after_meaning = true;
      at += n_measure;
    }
  }
  end_run(q, run, q->n);
}

/* "phone charger": the charger is meant. */
static void settle_categories(const struct rk_index *x, struct query *q) {
  for (int32_t w = 0; w < x->n_winners; w++) {
    int32_t over = -1, under = -1;
    for (int32_t i = 0; i < q->n_terms; i++) {
      if (q->terms[i].atoms[0].kind != CATEGORY || q->terms[i].negated) continue;
      if (rk_str_eq(q->terms[i].atoms[0].value, x->winners[w].over)) over = i;
      if (rk_str_eq(q->terms[i].atoms[0].value, x->winners[w].under)) under = i;
    }
    if (over < 0 || under < 0) continue;
    memmove(&q->terms[under], &q->terms[under + 1], (size_t)(q->n_terms - under - 1) * sizeof *q->terms);
    q->n_terms--;
  }
}

/* ---- a product against a query ---- */

static bool same_value(const char *have, const struct term *t, int32_t i) {
  double v;
  if (t->numeric) return rk_str_f64(rk_str_c(have), &v) && v > t->number[i] * 0.999 && v < t->number[i] * 1.001;
  rk_str want = t->atoms[i].value;
  if (rk_str_eq_c(want, have)) return true;
  return strlen(have) == want.n && strncasecmp(have, want.p, want.n) == 0;
}

static const char *axis_value(const struct rk_product *p, const struct term *t, int32_t i, int32_t *axis) {
  for (int32_t k = 0; k < p->n_axes; k++) {
    if (!rk_str_eq_c(t->atoms[i].name, p->axes[k].option)) continue;
    for (int32_t c = 0; c < p->axes[k].n_choices; c++)
      if (same_value(p->axes[k].choices[c].value, t, i)) {
        *axis = k;
        return p->axes[k].choices[c].value;
      }
  }
  return NULL;
}

static bool meets(const struct rk_product *p, const struct term *t, const char **wanted) {
  for (int32_t i = 0; i < t->n_atoms; i++) {
    const struct atom *a = &t->atoms[i];
    int32_t axis;
    if (a->kind == CATEGORY && rk_str_eq_c(a->value, p->category->id)) return true;
    if (a->kind != FACT) continue;
    for (int32_t k = 0; k < p->n_facts; k++)
      if (rk_str_eq_c(a->name, p->facts[k].name) && same_value(p->facts[k].value, t, i)) return true;
    const char *value = axis_value(p, t, i, &axis);
    if (value) {
      if (wanted) wanted[axis] = value;
      return true;
    }
  }
  return false;
}

/* How much of a run stands in the product's names, 0..1: the longest part of it, at least one word or two Han characters;
 * alone: the run is all of the query, and may be one character. */
static double run_match(rk_str text, rk_str run, bool alone) {
  rk_str tokens[RK_MAX_QUERY_TOKENS], rest = run;
  int32_t n = 0;
  while (rest.n && n < RK_MAX_QUERY_TOKENS) rk_str_cut(rest, ' ', &tokens[n++], &rest);
  char needle[RK_MAX_QUERY_BYTES + 8];
  for (int32_t len = n; len > 0; len--)
    for (int32_t at = 0; at + len <= n; at++) {
      rk_str part = {tokens[at].p, (size_t)(tokens[at + len - 1].p + tokens[at + len - 1].n - tokens[at].p)};
      bool too_little = len == 1 && (is_han(part) || digit_at(part));
      if (too_little && n > 1) continue;
      if (part.n + 2 >= sizeof needle) continue;
      needle[0] = ' ';
      memcpy(needle + 1, part.p, part.n);
      needle[part.n + 1] = ' ';
      if (rk_str_find(text, (rk_str){needle, part.n + 2}) >= 0) return too_little && !alone ? 0 : (double)len / n;
    }
  return 0;
}

struct score { int32_t product; double got, strong; bool named; /* a word of the query stands in its name */ };

/* A query's sets of products, a bit a product; and what its runs met. */
struct sets {
  uint64_t *terms[MAX_TERMS], *looked_at, *excluded;
  double *runs;                       /* [n_products] weight of the words met in its name */
  uint64_t *store;
};

static bool has_bit(const uint64_t *set, int32_t i) { return set[i / 64] >> (i % 64) & 1; }
static void set_bit(uint64_t *set, int32_t i) { set[i / 64] |= (uint64_t)1 << (i % 64); }
static void add_set(uint64_t *to, const uint64_t *from, int32_t n_words) {
  for (int32_t w = 0; w < n_words; w++) to[w] |= from[w];
}

static void fill_term(const struct rk_index *x, const struct term *t, uint64_t *set) {
  for (int32_t i = 0; i < t->n_atoms; i++) {
    rk_str name = t->atoms[i].kind == CATEGORY ? RK_STR("category") : t->atoms[i].name;
    for (int32_t at = posting_at(x, name, RK_STR("")); at < x->n_postings && rk_str_eq(x->postings[at].name, name); at++) {
      const struct posting *p = &x->postings[at];
      if (t->atoms[i].kind == CATEGORY ? !rk_str_eq(p->value, t->atoms[i].value) : !same_value(p->value.p, t, i)) continue;
      for (int32_t k = 0; k < p->n; k++) set_bit(set, p->products[k]);
    }
  }
}

/* A part of the run can stand in a name only where its first word does. */
static void fill_run(const struct rk_index *x, rk_str run, bool alone, struct sets *s) {
  rk_str rest = run, word;
  double weight = run_weight(run);
  for (uint64_t *seen = s->excluded + x->n_words; rest.n;) { /* seen: of this run */
    if (rest.p == run.p) memset(seen, 0, (size_t)x->n_words * sizeof *seen);
    rk_str_cut(rest, ' ', &word, &rest);
    const struct posting *p = word.n ? posting_of(x, RK_STR(""), word) : NULL;
    for (int32_t k = 0; p && k < p->n; k++) {
      if (has_bit(seen, p->products[k])) continue;
      set_bit(seen, p->products[k]);
      double m = run_match(x->texts[p->products[k]], run, alone);
      if (m <= 0) continue;
      s->runs[p->products[k]] += m * weight;
      set_bit(s->looked_at, p->products[k]);
    }
  }
}

static bool sets_init(const struct rk_index *x, const struct query *q, struct sets *s) {
  size_t n = (size_t)x->n_words;
  *s = (struct sets){.store = calloc(n * (size_t)(q->n_terms + 3), sizeof *s->store), .runs = calloc((size_t)x->c->n_products + 1, sizeof *s->runs)};
  if (!s->store || !s->runs) return false;
  for (int32_t i = 0; i < q->n_terms; i++) s->terms[i] = s->store + n * (size_t)i;
  s->looked_at = s->store + n * (size_t)q->n_terms;
  s->excluded = s->looked_at + n;
  for (int32_t i = 0; i < q->n_runs; i++) fill_run(x, q->runs[i], q->n == 1, s);
  if (q->has_category) memset(s->looked_at, 0, n * sizeof *s->looked_at);
  for (int32_t i = 0; i < q->n_terms; i++) {
    const struct term *t = &q->terms[i];
    fill_term(x, t, s->terms[i]);
    if (t->negated) add_set(s->excluded, s->terms[i], x->n_words);
    else if (!q->has_category || t->atoms[0].kind == CATEGORY) add_set(s->looked_at, s->terms[i], x->n_words);
  }
  return true;
}

static void sets_release(struct sets *s) {
  free(s->store);
  free(s->runs);
}

/* got: how much of the query it meets; strong: the same, but a title beats a topic and a measure beats a colour. */
static struct score score_of(const struct query *q, const struct sets *sets, int32_t i) {
  struct score s = {.product = i};
  bool category = false;
  for (int32_t k = 0; k < q->n_terms; k++) {
    const struct term *t = &q->terms[k];
    if (t->negated || !has_bit(sets->terms[k], i)) continue;
    if (t->atoms[0].kind != CATEGORY) s.got += 1, s.strong += t->numeric ? 1.5 : 1;
    else if (!category) s.got += 2, s.strong += 2, category = true;
  }
  s.got += sets->runs[i];
  s.strong += 2 * sets->runs[i];
  s.named = sets->runs[i] > 0;
  return s;
}

/* Of a query without a category, more than half must be met, by something that can stand alone;
 * half is enough where a name comes with an attribute ("三体小说"). */
static bool enough(const struct query *q, const struct score *s) {
  if (q->weight <= 0) return false;
  if (q->has_category) return s->got >= 0.3 * q->weight && s->got > q->strange / 2;
  return (q->has_fact && s->named ? s->got >= 0.5 * q->weight : s->got > 0.5 * q->weight) && (q->has_fact || s->named);
}

static int by_score(const void *a, const void *b, void *ud) {
  const struct rk_index *x = ud;
  const struct score *s = a, *t = b;
  if (s->got != t->got) return s->got < t->got ? 1 : -1;
  int64_t p = x->c->products[s->product].price_minor, q = x->c->products[t->product].price_minor;
  return p != q ? (p > q) - (p < q) : s->product - t->product;
}

static int32_t category_at(const struct rk_index *x, const struct score *s) {
  return (int32_t)(x->c->products[s->product].category - x->c->categories);
}

/* Of each category only the products that meet the most. best: [n_categories] zeros. */
static int32_t keep_best(const struct rk_index *x, struct score *scores, int32_t n, double *best) {
  int32_t kept = 0;
  for (int32_t i = 0; i < n; i++)
    if (scores[i].strong > best[category_at(x, &scores[i])]) best[category_at(x, &scores[i])] = scores[i].strong;
  for (int32_t i = 0; i < n; i++)
    if (scores[i].got > 0 && scores[i].strong >= best[category_at(x, &scores[i])] - 1e-9) scores[kept++] = scores[i];
  return kept;
}

/* Categories take turns, so that of "a blood-pressure meter and masks" both are seen. A turn goes by their best that is left. */
static int32_t deal(const struct rk_index *x, const struct query *q, const struct score *scores, int32_t n, struct rk_hit *hits, int32_t max) {
  int32_t *next = malloc(((size_t)n + 1) * sizeof *next), *heads = malloc(((size_t)x->c->n_categories + 1) * sizeof *heads), n_heads = 0, n_hits = 0;
  for (int32_t i = n - 1; next && heads && i >= 0; i--) { /* next: of the same category; heads: the first of each */
    int32_t h = 0;
    while (h < n_heads && category_at(x, &scores[heads[h]]) != category_at(x, &scores[i])) h++;
    next[i] = h < n_heads ? heads[h] : -1;
    heads[h] = i;
    n_heads += h == n_heads;
  }
  while (next && heads && n_heads > 0 && n_hits < max) {
    for (int32_t i = 1; i < n_heads; i++)
      for (int32_t k = i; k > 0 && heads[k] < heads[k - 1]; k--) {
        int32_t swap = heads[k];
        heads[k] = heads[k - 1];
        heads[k - 1] = swap;
      }
    int32_t left = 0;
    for (int32_t i = 0; i < n_heads && n_hits < max; i++) {
      const struct score *s = &scores[heads[i]];
      struct rk_hit *h = &hits[n_hits++];
      *h = (struct rk_hit){.product = &x->c->products[s->product], .relevance = s->got / q->weight};
      for (int32_t k = 0; k < q->n_terms; k++)
        if (!q->terms[k].negated) meets(h->product, &q->terms[k], h->wanted);
      if (next[heads[i]] >= 0) heads[left++] = next[heads[i]];
    }
    n_heads = left;
  }
  free(next);
  free(heads);
  return n_hits;
}

int32_t rk_index_search(const struct rk_index *x, rk_str text, struct rk_hit *hits, int32_t max) {
  struct rk_buf folded;
  rk_buf_init(&folded, FOLDED_BYTES);
  if (text.n > RK_MAX_QUERY_BYTES) text.n = RK_MAX_QUERY_BYTES;
  fold(&folded, text);
  struct query *q = calloc(1, sizeof *q);
  struct score *scores = malloc(((size_t)x->c->n_products + 1) * sizeof *scores);
  double *best = calloc((size_t)x->c->n_categories + 1, sizeof *best);
  struct sets s = {0};
  int32_t n = 0, n_hits = 0;
  if (!q || !scores || !best || folded.err) goto out;
  rk_str rest = rk_str_trim(rk_buf_str(&folded));
  while (rest.n && q->n < RK_MAX_QUERY_TOKENS) rk_str_cut(rest, ' ', &q->tokens[q->n++], &rest);
  understand(x, q);
  settle_categories(x, q);
  if (!sets_init(x, q, &s)) goto out;
  for (int32_t w = 0; w < x->n_words; w++)
    for (uint64_t bits = s.looked_at[w] & ~s.excluded[w]; bits; bits &= bits - 1) {
      struct score one = score_of(q, &s, w * 64 + __builtin_ctzll(bits));
      if (enough(q, &one)) scores[n++] = one;
    }
  n = keep_best(x, scores, n, best);
  if (n > 0) qsort_r(scores, (size_t)n, sizeof *scores, by_score, (void *)(uintptr_t)x);
  n_hits = deal(x, q, scores, n, hits, max);
out:
  sets_release(&s);
  free(best);
  free(scores);
  free(q);
  rk_buf_release(&folded);
  return n_hits;
}

bool rk_hit_wants(const struct rk_hit *h, const struct rk_item *item) {
  for (int32_t i = 0; i < item->product->n_axes; i++)
    if (h->wanted[i] && strcmp(h->wanted[i], item->chosen[i]->value) != 0) return false;
  return true;
}
