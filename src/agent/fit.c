/* fit.c - what a merchant's own words say of an offer, against the words of the query and of the user. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/pick.h"
#include "base/utf8.h"

/* ---- the asked kind of thing ---- */

enum { MAX_SAID_BYTES = 16384 };

/* As much of it as fits. */
static void add_text(struct rk_buf *b, const char *text) {
  rk_str s = rk_str_c(text);
  size_t room = MAX_SAID_BYTES - b->n;
  if (s.n > room) s.n = rk_utf8_complete((rk_str){s.p, room});
  rk_buf_addstr(b, s);
  rk_buf_addc(b, ' ');
}

/* What is said of the offer, in normal form: title and facts before the description, which may be long. */
static rk_err said_of(const struct rk_offer *o, struct rk_buf *out) {
  struct rk_buf all;
  rk_buf_init(&all, MAX_SAID_BYTES + 256);
  add_text(&all, o->title);
  for (int32_t i = 0; i < o->n_attrs && all.n < MAX_SAID_BYTES; i++) add_text(&all, o->attrs[i].value);
  for (int32_t i = 0; i < o->n_options && all.n < MAX_SAID_BYTES; i++) {
    add_text(&all, o->options[i].value);
    if (o->option_labels && all.n < MAX_SAID_BYTES) add_text(&all, o->option_labels[i]);
  }
  if (all.n < MAX_SAID_BYTES) add_text(&all, o->description);
  rk_err err = all.err ? all.err : rk_words_normal(out, rk_buf_str(&all));
  rk_buf_release(&all);
  return err;
}

/* How much of the query the offer's text has, 0..1: of a word all or nothing, of one of Han its characters, half of them at least. */
static double coverage(const struct rk_offer *o, rk_str query) {
  struct rk_buf text;
  rk_buf_init(&text, 65536);
  double sum = 0;
  int32_t n_words = 0;
  rk_str rest = said_of(o, &text) ? (rk_str){NULL, 0} : query, word, hay = rk_buf_str(&text);
  while (rest.n) {
    rk_str_cut(rest, ' ', &word, &rest);
    size_t n_found = 0, n_han = 0;
    bool han = rk_words_has_han(word);
    if (!han && word.n <= 2) continue;
    uint32_t cp;
    for (int k; han && word.n && (k = rk_utf8_next(word, &cp)) > 0; word.p += k, word.n -= (size_t)k)
      if (k == 3) n_han++, n_found += rk_str_find(hay, (rk_str){word.p, 3}) >= 0;
    n_words++;
    if (n_han) sum += n_found * 2 >= n_han ? (double)n_found / (double)n_han : 0;
    else sum += rk_str_find(hay, word) >= 0;
  }
  rk_buf_release(&text);
  return n_words ? sum / n_words : 0;
}

/* The query without its measures: "65w" also stands as "65 w", and rk_pick_demands() looks at them. */
static rk_err without_measures(rk_str query, struct rk_buf *out) {
  struct rk_measure m;
  size_t from = 0;
  for (; rk_words_quantity(query, from, &m); from = m.at + m.n) rk_buf_addf(out, "%.*s ", (int)(m.at - from), query.p + from);
  return rk_buf_addf(out, "%.*s", (int)(query.n - from), query.p ? query.p + from : "");
}

void rk_pick_relevance(struct rk_offer *offers, int32_t n, rk_str query) {
  enum { ENOUGH_PERCENT = 75 };
  double best = 0, most = 0, *covered = calloc((size_t)n + 1, sizeof *covered);
  struct rk_buf words;
  rk_buf_init(&words, 16384);
  bool any = false, ok = covered && without_measures(query, &words) == RK_OK;
  for (int32_t i = 0; i < n; i++) {
    any = any || offers[i].relevance < 0;
    if (offers[i].relevance > best) best = offers[i].relevance;
  }
  for (int32_t i = 0; ok && any && i < n; i++) {
    if (offers[i].relevance >= 0 && offers[i].relevance < best * 0.999) continue;
    covered[i] = coverage(&offers[i], rk_buf_str(&words));
    if (covered[i] > most) most = covered[i];
  }
  for (int32_t i = 0; i < n; i++)
    if (offers[i].relevance < 0) offers[i].relevance = ok && covered[i] > 0 && covered[i] * 100 >= most * ENOUGH_PERCENT ? (best > 0 ? best : 1) : 0;
  rk_buf_release(&words);
  free(covered);
}

/* ---- what plain offers say of a demand ---- */

/* The label that some merchant has for it; NULL: none. */
static const char *label_of(const struct rk_option *want, const struct rk_offer *offers, int32_t n) {
  for (int32_t i = 0; i < n; i++)
    for (int32_t k = 0; offers[i].option_labels && k < offers[i].n_options; k++)
      if (strcmp(offers[i].options[k].name, want->name) == 0 && strcasecmp(offers[i].options[k].value, want->value) == 0) return offers[i].option_labels[k];
  return NULL;
}

enum fit { FIT_YES, FIT_UNSAID, FIT_NO };

static enum fit measure_fits(rk_str text, const struct rk_measure *want) {
  enum fit fit = FIT_UNSAID;
  struct rk_measure m;
  for (size_t at = 0; rk_words_quantity(text, at, &m); at = m.at + m.n) {
    double apart = m.value - want->value;
    if (m.dimension != want->dimension) continue;
    if (apart * apart <= want->value * want->value * 1e-4) return FIT_YES;
    fit = FIT_NO;
  }
  return fit;
}

/* "A tent for 2": people of whom no word says that they are people. */
static bool is_for(rk_str text, double people) {
  static const char *const words[] = {"one", "two", "three", "four", "five", "six"};
  char phrase[40];
  if (people < 1 || people > 6) return false;
  snprintf(phrase, sizeof phrase, "for %d|for %s", (int)people, words[(int)people - 1]);
  return rk_words_has(text, phrase);
}

static enum fit demand_fits(rk_str text, const struct rk_measure *want) {
  enum fit fit = measure_fits(text, want);
  return fit != FIT_YES && want->dimension == RK_DIM_PEOPLE && is_for(text, want->value) ? FIT_YES : fit;
}

/* "Two of us", where no offer says for how many it is, is no demand on this kind of thing. */
static bool is_said_of_some(const struct rk_measure *want, const struct rk_offer *offers, int32_t n) {
  bool said = want->dimension != RK_DIM_PEOPLE;
  struct rk_buf text;
  rk_buf_init(&text, 65536);
  for (int32_t i = 0; i < n && !said; i++) {
    rk_buf_clear(&text);
    said = offers[i].relevance > 0 && said_of(&offers[i], &text) == RK_OK && demand_fits(rk_buf_str(&text), want) != FIT_UNSAID;
  }
  rk_buf_release(&text);
  return said;
}

/* Another value of the option was left out when it was read. */
static enum fit option_fits(const struct rk_offer *o, rk_str text, const struct rk_option *want, const char *label) {
  struct rk_buf phrase;
  rk_buf_init(&phrase, 1024);
  bool said = rk_pick_option(o, want->name) || (label && label[0] && rk_words_normal(&phrase, rk_str_c(label)) == RK_OK && rk_words_has(text, phrase.p));
  rk_buf_release(&phrase);
  return said ? FIT_YES : FIT_UNSAID;
}

/* Two Han characters or more in a row that the user said, of a word of the query, and the text lacks: "降噪" of "降噪耳机". One that
 * is another ("电饭锅", "电饭煲") is a way to say it, and "轻便的" a wish that no shop writes down. */
static rk_str unsaid_han(rk_str word, rk_str said, rk_str text) {
  rk_str run = {word.p, 0}, rest = word;
  uint32_t cp;
  for (int n; rest.n && (n = rk_utf8_next(rest, &cp)) > 0; rest = (rk_str){rest.p + n, rest.n - (size_t)n}) {
    bool missing = n == 3 && rk_str_find(text, (rk_str){rest.p, 3}) < 0;
    if (missing && run.n == 0) run.p = rest.p;
    if (missing) run.n += 3;
    else if (run.n >= 6) break;
    else run.n = 0;
  }
  ptrdiff_t at = run.n >= 6 ? rk_str_find(said, run) : -1;
  bool wish = at >= 0 && rk_words_starts((rk_str){said.p + at + run.n, said.n - (size_t)at - run.n}, "的|一点|点|些");
  return at >= 0 && !wish ? run : (rk_str){NULL, 0};
}

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/* Names in the user's words: with a capital inside an English sentence, in Latin letters inside a Chinese one. False: no more. */
static bool next_name(rk_str words, bool chinese, size_t *at, rk_str *name) {
  enum { SHORTEST = 3 };
  for (size_t i = *at; i < words.n; i++) {
    if (!is_letter(words.p[i]) || (i > 0 && is_letter(words.p[i - 1]))) continue;
    size_t n = 1, before = i;
    while (i + n < words.n && is_letter(words.p[i + n])) n++;
    while (before > 0 && words.p[before - 1] == ' ') before--;
    bool begins = before == 0 || strchr(".!?;:\n\"", words.p[before - 1]);
    *at = i + n;
    *name = (rk_str){words.p + i, n};
    if (n >= SHORTEST && (chinese || (words.p[i] <= 'Z' && !begins))) return true;
    i += n - 1;
  }
  return false;
}

/* A name of the query that the text lacks; empty: none. */
static rk_str unsaid_name(const struct rk_intent *in, const struct rk_demands *d, rk_str text) {
  rk_str rest = d->query, word, name, words = rk_str_c(d->words);
  while (rest.n) {
    rk_str_cut(rest, ' ', &word, &rest);
    rk_str han = rk_words_has_han(word) ? unsaid_han(word, d->said, text) : (rk_str){NULL, 0};
    if (han.n) return han;
  }
  for (size_t at = 0; next_name(words, in->chinese, &at, &name);) {
    char lower[64];
    if (name.n >= sizeof lower) continue;
    for (size_t i = 0; i < name.n; i++) lower[i] = (char)(name.p[i] <= 'Z' ? name.p[i] + 32 : name.p[i]);
    lower[name.n] = 0;
    if (rk_words_has(d->query, lower) && rk_str_find(text, (rk_str){lower, name.n}) < 0) return name;
  }
  return (rk_str){NULL, 0};
}

/* "noise cancelling", "lightweight": words of the query that the user said and the text does not. NULL: none. */
static const char *unsure_words(const struct rk_demands *d, rk_str text, struct rk_arena *a) {
  enum { SHORTEST = 4 };
  struct rk_buf out;
  char one[64];
  rk_str rest = d->query, word;
  rk_buf_init(&out, 512);
  while (rest.n) {
    rk_str_cut(rest, ' ', &word, &rest);
    if (word.n < SHORTEST || word.n >= sizeof one || rk_words_has_han(word) || rk_str_find(text, word) >= 0) continue;
    snprintf(one, sizeof one, "%.*s", RK_STR_ARG(word));
    if (!strchr(one, '|') && rk_words_has(d->said, one) && out.n + word.n < 128) rk_buf_addf(&out, "%s%s", out.n ? " " : "", one);
  }
  const char *words = out.n && !out.err ? rk_arena_dup(a, rk_buf_str(&out)) : NULL;
  rk_buf_release(&out);
  return words;
}

enum { MAX_MEASURES = 4 };
struct measures { struct rk_measure list[MAX_MEASURES]; int32_t n; };

static void judge(const struct rk_intent *in, const struct rk_demands *d, const struct measures *m, rk_str text, struct rk_offer *o, const struct rk_offer *offers,
                  int32_t n, struct rk_arena *a) {
  rk_str name = unsaid_name(in, d, text);
  if (name.n) o->unsaid = rk_arena_dup(a, name);
  o->unsure = unsure_words(d, text, a);
  for (int32_t k = 0; k < m->n; k++) {
    enum fit fit = demand_fits(text, &m->list[k]);
    if (fit == FIT_NO) o->relevance = 0;
    if (fit == FIT_UNSAID) o->unsaid = rk_arena_dup(a, (rk_str){d->said.p + m->list[k].at, m->list[k].n});
  }
  for (int32_t k = 0; k < d->n_options; k++) {
    const char *label = label_of(&d->options[k], offers, n);
    if (option_fits(o, text, &d->options[k], label) == FIT_UNSAID) o->unsaid = rk_arena_dup(a, rk_str_c(label ? label : d->options[k].value));
  }
  if (in->size[0] && !rk_pick_option(o, "size")) o->unsaid = in->chinese ? "尺码" : "the size";
}

void rk_pick_demands(const struct rk_intent *in, const struct rk_demands *d, struct rk_offer *offers, int32_t n, struct rk_arena *a) {
  struct measures all = {.n = 0}, asked = {.n = 0};
  struct rk_demands words = *d;
  struct rk_buf text, query;
  all.n = rk_intent_demands(d->said, all.list, MAX_MEASURES);
  for (int32_t k = 0; k < all.n; k++)
    if (is_said_of_some(&all.list[k], offers, n)) asked.list[asked.n++] = all.list[k];
  rk_buf_init(&text, 65536);
  rk_buf_init(&query, 16384);
  words.query = without_measures(d->query, &query) ? d->query : rk_buf_str(&query);
  for (int32_t i = 0; i < n; i++) {
    rk_buf_clear(&text);
    if (offers[i].plain && offers[i].relevance > 0 && said_of(&offers[i], &text) == RK_OK) judge(in, &words, &asked, rk_buf_str(&text), &offers[i], offers, n, a);
  }
  rk_buf_release(&query);
  rk_buf_release(&text);
}

/* ---- options ---- */

/* Says the user this value? Its label as a word of its own, when it is long enough to be one ("少糖", "no ice"); the
 * value beside the option's name ("less sugar"); none as its lack. */
static bool names_option(rk_str said, const struct rk_option *o, const char *label) {
  struct rk_buf value, name, shown, phrases;
  rk_buf_init(&value, 256);
  rk_buf_init(&name, 256);
  rk_buf_init(&shown, 256);
  rk_buf_init(&phrases, 2048);
  bool ok = !rk_words_normal(&value, rk_str_c(o->value)) && !rk_words_normal(&name, rk_str_c(o->name)) && !rk_words_normal(&shown, rk_str_c(label)) && value.n && name.n;
  rk_str text = rk_buf_str(&shown);
  if (ok && text.n >= 4 && (rk_words_has_han(text) || rk_str_find(text, RK_STR(" ")) > 0)) rk_buf_addf(&phrases, "%s|", shown.p);
  if (ok) rk_buf_addf(&phrases, "%s %s|%s %s", value.p, name.p, name.p, value.p);
  if (ok && strcmp(value.p, "none") == 0) rk_buf_addf(&phrases, "|no %s|without %s|%s free|%s-free|zero %s", name.p, name.p, name.p, name.p, name.p);
  bool hit = ok && !phrases.err && rk_words_has(said, phrases.p);
  rk_buf_release(&value);
  rk_buf_release(&name);
  rk_buf_release(&shown);
  rk_buf_release(&phrases);
  return hit;
}

/* Is there one of its name already, other than the same by another merchant's word for it ("half" and "半糖", both labelled 半糖)? */
static bool is_another(const struct rk_option *list, int32_t n, const struct rk_option *o, const char *label, const struct rk_offer *offers, int32_t n_offers) {
  for (int32_t i = 0; i < n; i++) {
    if (strcmp(list[i].name, o->name) != 0) continue;
    const char *other = label_of(&list[i], offers, n_offers);
    if (strcasecmp(list[i].value, o->value) == 0 || !label[0] || !other || strcasecmp(other, label) != 0) return true;
  }
  return false;
}

int32_t rk_pick_options(rk_str said, const struct rk_offer *offers, int32_t n, struct rk_option *out, int32_t max) {
  int32_t n_out = 0;
  for (int32_t i = 0; i < n; i++)
    for (int32_t k = 0; k < offers[i].n_options && n_out < max; k++) {
      const struct rk_option *o = &offers[i].options[k];
      const char *label = offers[i].option_labels && offers[i].option_labels[k] ? offers[i].option_labels[k] : "";
      if (is_another(out, n_out, o, label, offers, n) || !names_option(said, o, label)) continue;
      out[n_out++] = *o;
    }
  return n_out;
}
