/* fit.c - what a merchant's own words say of an offer, against the words of the query and of the user. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/pick.h"

/* ---- the asked kind of thing ---- */

/* All that is said of the offer, in normal form. */
static rk_err said_of(const struct rk_offer *o, struct rk_buf *out) {
  struct rk_buf all;
  rk_buf_init(&all, 65536);
  rk_buf_addf(&all, "%s %s", o->title, o->description);
  for (int32_t i = 0; i < o->n_attrs; i++) rk_buf_addf(&all, " %s", o->attrs[i].value);
  for (int32_t i = 0; i < o->n_options; i++) rk_buf_addf(&all, " %s %s", o->options[i].value, o->option_labels && o->option_labels[i] ? o->option_labels[i] : "");
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
    if (rk_words_has_han(word))
      for (; n_han * 3 + 3 <= word.n; n_han++) n_found += rk_str_find(hay, (rk_str){word.p + n_han * 3, 3}) >= 0;
    else if (word.n <= 2) continue;
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
static bool is_for(rk_str text, int32_t people) {
  static const char *const words[] = {"one", "two", "three", "four", "five", "six"};
  char phrase[40];
  if (people < 1 || people > 6) return false;
  snprintf(phrase, sizeof phrase, "for %d|for %s", (int)people, words[people - 1]);
  return rk_words_has(text, phrase);
}

static enum fit demand_fits(rk_str text, const struct rk_measure *want) {
  enum fit fit = measure_fits(text, want);
  return fit != FIT_YES && want->dimension == RK_DIM_PEOPLE && is_for(text, (int32_t)want->value) ? FIT_YES : fit;
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

enum { MAX_DEMANDS = 4 };
struct demands { const struct rk_intent *in; rk_str said; struct rk_measure measures[MAX_DEMANDS]; int32_t n_measures; const struct rk_option *options; int32_t n_options; };

static void judge(const struct demands *d, rk_str text, struct rk_offer *o, const struct rk_offer *offers, int32_t n, struct rk_arena *a) {
  for (int32_t k = 0; k < d->n_measures; k++) {
    enum fit fit = demand_fits(text, &d->measures[k]);
    if (fit == FIT_NO) o->relevance = 0;
    if (fit == FIT_UNSAID) o->unsaid = rk_arena_dup(a, (rk_str){d->said.p + d->measures[k].at, d->measures[k].n});
  }
  for (int32_t k = 0; k < d->n_options; k++) {
    const char *label = label_of(&d->options[k], offers, n);
    if (option_fits(o, text, &d->options[k], label) == FIT_UNSAID) o->unsaid = rk_arena_dup(a, rk_str_c(label ? label : d->options[k].value));
  }
  if (d->in->size[0] && !rk_pick_option(o, "size")) o->unsaid = d->in->chinese ? "尺码" : "the size";
}

void rk_pick_demands(const struct rk_intent *in, rk_str said, const struct rk_option *wanted, int32_t n_wanted, struct rk_offer *offers, int32_t n,
                     struct rk_arena *a) {
  struct demands d = {.in = in, .said = said, .options = wanted, .n_options = n_wanted};
  struct rk_measure found[MAX_DEMANDS];
  struct rk_buf text;
  int32_t n_found = rk_intent_demands(said, found, MAX_DEMANDS);
  for (int32_t k = 0; k < n_found; k++)
    if (is_said_of_some(&found[k], offers, n)) d.measures[d.n_measures++] = found[k];
  rk_buf_init(&text, 65536);
  for (int32_t i = 0; i < n; i++) {
    rk_buf_clear(&text);
    if (offers[i].plain && offers[i].relevance > 0 && said_of(&offers[i], &text) == RK_OK) judge(&d, rk_buf_str(&text), &offers[i], offers, n, a);
  }
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
