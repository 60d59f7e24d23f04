#include "shop/search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

enum { MAX_PHRASE_TOKENS = 6, MAX_PHRASES = 8000, MAX_ATOMS = 4, MAX_TERMS = 48, MAX_RUNS = 48, INDEX_BYTES = 8 << 20,
       FOLDED_BYTES = 8192 };

enum kind { STOP, OTHER, NOT, CATEGORY, FACT };

/* One thing a word can mean: noise_cancelling=true, category=phone. */
struct atom { enum kind kind; rk_str name, value; bool weak; };

/* Several atoms of a phrase hold together (玫瑰花束: flowers, roses). */
struct phrase { rk_str key; struct atom atoms[MAX_ATOMS]; int32_t n_atoms; };

struct unit { rk_str attr; double factor; rk_str key; };
struct winner { rk_str over, under; };

struct rk_index {
  const struct rk_catalog *c;
  struct rk_arena *arena;
  struct phrase *phrases; int32_t n_phrases;      /* sorted by key, then by order of the tables */
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

static int by_key(const void *a, const void *b) {
  const struct phrase *x = a, *y = b;
  int c = compare(x->key, y->key);
  return c ? c : (x > y) - (x < y);
}

static const struct phrase *find_phrase(const struct rk_index *x, rk_str key) {
  int32_t lo = 0, hi = x->n_phrases;
  while (lo < hi) {
    int32_t mid = lo + (hi - lo) / 2;
    if (compare(x->phrases[mid].key, key) < 0) lo = mid + 1;
    else hi = mid;
  }
  return lo < x->n_phrases && rk_str_eq(x->phrases[lo].key, key) ? &x->phrases[lo] : NULL;
}

static rk_err add_phrase(struct rk_index *x, rk_str text, const struct phrase *meaning, struct rk_error *e) {
  struct phrase p = *meaning;
  p.key = fold_key(x, text);
  if (p.key.n == 0) return RK_OK;
  for (int32_t i = 0; i < x->n_phrases; i++)
    if (rk_str_eq(x->phrases[i].key, p.key)) return RK_OK; /* the first row that has a phrase says what it means */
  if (x->n_phrases == MAX_PHRASES) return rk_fail(e, RK_ETOOBIG, "the word list has more than %d phrases", MAX_PHRASES);
  x->phrases[x->n_phrases++] = p;
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

rk_err rk_index_new(const struct rk_catalog *c, struct rk_index **out, struct rk_error *e) {
  struct rk_index *x = calloc(1, sizeof *x);
  if (!x) return rk_fail(e, RK_ENOMEM, "out of memory");
  x->c = c;
  x->arena = rk_arena_new(INDEX_BYTES);
  x->phrases = x->arena ? rk_arena_array(x->arena, MAX_PHRASES, sizeof *x->phrases) : NULL;
  rk_err err = x->phrases ? RK_OK : rk_fail(e, RK_ENOMEM, "out of memory");
  if (!err) err = add_words(x, e);
  if (!err) err = add_labels(x, e);
  if (!err) err = add_units(x, e);
  if (!err) err = add_texts(x, e);
  if (err) {
    rk_index_free(x);
    return err;
  }
  qsort(x->phrases, (size_t)x->n_phrases, sizeof *x->phrases, by_key);
  *out = x;
  return RK_OK;
}

void rk_index_free(struct rk_index *x) {
  if (!x) return;
  if (x->arena) rk_arena_free(x->arena);
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

/* How much of a run stands in the product's names, 0..1: the longest part of it, at least one word or two Han characters. */
static double run_match(rk_str text, rk_str run) {
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
      if (rk_str_find(text, (rk_str){needle, part.n + 2}) >= 0) return too_little ? 0 : (double)len / n;
    }
  return 0;
}

struct score { int32_t product; double got, strong; bool named; /* a word of the query stands in its name */ };

static bool excluded(const struct rk_product *p, const struct query *q) {
  for (int32_t i = 0; i < q->n_terms; i++)
    if (q->terms[i].negated && meets(p, &q->terms[i], NULL)) return true;
  return false;
}

static bool in_category(const struct rk_product *p, const struct query *q) {
  for (int32_t i = 0; i < q->n_terms; i++)
    if (q->terms[i].atoms[0].kind == CATEGORY && !q->terms[i].negated && meets(p, &q->terms[i], NULL)) return true;
  return false;
}

/* got: how much of the query it meets; strong: the same, but a title beats a topic and a measure beats a colour. */
static struct score score_of(const struct rk_index *x, const struct query *q, int32_t i) {
  const struct rk_product *p = &x->c->products[i];
  struct score s = {.product = i};
  bool category = false;
  for (int32_t k = 0; k < q->n_terms; k++) {
    const struct term *t = &q->terms[k];
    if (t->negated || !meets(p, t, NULL)) continue;
    if (t->atoms[0].kind != CATEGORY) s.got += 1, s.strong += t->numeric ? 1.5 : 1;
    else if (!category) s.got += 2, s.strong += 2, category = true;
  }
  for (int32_t k = 0; k < q->n_runs; k++) {
    double m = run_match(x->texts[i], q->runs[k]) * run_weight(q->runs[k]);
    s.got += m;
    s.strong += 2 * m;
    s.named = s.named || m > 0;
  }
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

/* Of each category only the products that meet the most. */
static int32_t keep_best(const struct rk_index *x, struct score *scores, int32_t n) {
  int32_t kept = 0;
  for (int32_t i = 0; i < n; i++) {
    double best = 0;
    for (int32_t k = 0; k < n; k++)
      if (x->c->products[scores[k].product].category == x->c->products[scores[i].product].category && scores[k].strong > best) best = scores[k].strong;
    scores[i].got = scores[i].strong >= best - 1e-9 ? scores[i].got : -1;
  }
  for (int32_t i = 0; i < n; i++)
    if (scores[i].got > 0) scores[kept++] = scores[i];
  return kept;
}

/* Categories take turns, so that of "a blood-pressure meter and masks" both are seen. */
static int32_t deal(const struct rk_index *x, const struct query *q, const struct score *scores, int32_t n, struct rk_hit *hits, int32_t max) {
  bool *taken = calloc((size_t)n + 1, sizeof *taken);
  int32_t n_hits = 0;
  if (!taken) return 0;
  for (int32_t left = n; left > 0 && n_hits < max;) {
    const struct rk_category *seen[32];
    int32_t n_seen = 0;
    for (int32_t i = 0; i < n && n_hits < max && n_seen < 32; i++) {
      const struct rk_product *p = &x->c->products[scores[i].product];
      bool again = taken[i];
      for (int32_t k = 0; k < n_seen && !again; k++) again = seen[k] == p->category;
      if (again) continue;
      taken[i] = true;
      left--;
      seen[n_seen++] = p->category;
      struct rk_hit *h = &hits[n_hits++];
      *h = (struct rk_hit){.product = p, .relevance = scores[i].got / q->weight};
      for (int32_t k = 0; k < q->n_terms; k++)
        if (!q->terms[k].negated) meets(p, &q->terms[k], h->wanted);
    }
  }
  free(taken);
  return n_hits;
}

int32_t rk_index_search(const struct rk_index *x, rk_str text, struct rk_hit *hits, int32_t max) {
  struct rk_buf folded;
  rk_buf_init(&folded, FOLDED_BYTES);
  if (text.n > RK_MAX_QUERY_BYTES) text.n = RK_MAX_QUERY_BYTES;
  fold(&folded, text);
  struct query *q = calloc(1, sizeof *q);
  struct score *scores = calloc((size_t)x->c->n_products + 1, sizeof *scores);
  int32_t n = 0, n_hits = 0;
  if (!q || !scores || folded.err) goto out;
  rk_str rest = rk_str_trim(rk_buf_str(&folded));
  while (rest.n && q->n < RK_MAX_QUERY_TOKENS) rk_str_cut(rest, ' ', &q->tokens[q->n++], &rest);
  understand(x, q);
  settle_categories(x, q);
  for (int32_t i = 0; i < x->c->n_products; i++) {
    const struct rk_product *p = &x->c->products[i];
    if ((q->has_category && !in_category(p, q)) || excluded(p, q)) continue;
    struct score s = score_of(x, q, i);
    if (enough(q, &s)) scores[n++] = s;
  }
  n = keep_best(x, scores, n);
  if (n > 0) qsort_r(scores, (size_t)n, sizeof *scores, by_score, (void *)(uintptr_t)x);
  n_hits = deal(x, q, scores, n, hits, max);
out:
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
