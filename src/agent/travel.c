#include "agent/travel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { MAX_FACTS = 40, DAY_MS = 86400000, GUESTS_UNKNOWN = 2 };

static const char *const kind_names[] = {"train", "flight", "stay", "ticket", "film"}; /* as sellers declare them (docs/ucp.md) */

static const char *text(const char *s) { return s ? s : ""; }
static int32_t persons(const struct rk_trip *t) { return t->adults + t->children; }

/* ---- one option out of a seller's offers ---- */

static int64_t day_number(const char *iso) {
  struct rk_date d = {.hour = 12};
  return sscanf(iso, "%4d-%2d-%2d", &d.year, &d.month, &d.day) == 3 ? rk_date_ms(&d) / DAY_MS : 0;
}

static bool is_for_child(const struct rk_offer *o) { return strcmp(text(rk_pick_option(o, "passenger")), "child") == 0; }

int32_t rk_trip_nights(const char *date, const char *end_date) { return (int32_t)(day_number(end_date) - day_number(date)); }

/* The same place of the same service, for whomever. */
static bool same_fare(const struct rk_offer *a, const struct rk_offer *b) {
  if (strcmp(a->origin, b->origin) != 0 || strcmp(a->product_id, b->product_id) != 0) return false;
  for (int32_t i = 0; i < a->n_options; i++)
    if (strcmp(a->options[i].name, "passenger") != 0 && strcmp(a->options[i].value, text(rk_pick_option(b, a->options[i].name))) != 0) return false;
  return true;
}

/* The class or room that was asked for: its id, or words of its label. */
static bool fits_fare(const struct rk_trip *t, const struct rk_offer *o) {
  struct rk_buf want, label;
  bool hit = !t->fare[0];
  rk_buf_init(&want, 256);
  rk_buf_init(&label, 1024);
  for (int32_t i = 0; !hit && i < o->n_options && rk_words_normal(&want, rk_str_c(t->fare)) == RK_OK; i++) {
    if (strcmp(o->options[i].name, "passenger") != 0) {
      rk_buf_clear(&label);
      hit = strcmp(o->options[i].value, t->fare) == 0;
      if (!hit && o->option_labels && rk_words_normal(&label, rk_str_c(o->option_labels[i])) == RK_OK) hit = rk_str_find(rk_buf_str(&label), rk_buf_str(&want)) >= 0;
    }
    rk_buf_clear(&want);
  }
  rk_buf_release(&want);
  rk_buf_release(&label);
  return hit;
}

static int32_t number_of(const char *s, int32_t otherwise) {
  int64_t n;
  return s && rk_str_i64(rk_str_c(s), &n) && n >= 0 && n <= RK_MAX_QUANTITY ? (int32_t)n : otherwise;
}

/* A line of an option; what it costs to deliver is counted with the first line. */
static rk_err add_line(struct rk_trip_option *x, const struct rk_offer *o, int32_t quantity) {
  struct rk_offer *line = &x->lines[x->n_lines];
  *line = *o;
  if (x->n_lines++) line->n_deliveries = 0;
  return rk_offer_price(line, quantity, "");
}

static rk_err add_lines(const struct rk_trip *t, const struct rk_offer *grown, const struct rk_offer *child, struct rk_trip_option *x) {
  if (x->kind == RK_TRIP_STAY) {
    int32_t guests = number_of(rk_pick_option(grown, "guests"), GUESTS_UNKNOWN);
    x->nights = rk_trip_nights(t->date, t->end_date);
    x->rooms = guests ? (persons(t) + guests - 1) / guests : persons(t);
    return add_line(x, grown, x->rooms);
  }
  if (grown->stock >= 0 && grown->stock < persons(t)) return RK_ECONFLICT;
  int32_t together = number_of(rk_pick_attr(grown, "seats_together"), RK_MAX_QUANTITY);
  if (t->adjacent && together < persons(t)) return RK_ECONFLICT;
  int32_t small = child ? t->children : 0, adults = persons(t) - small;
  rk_err err = adults ? add_line(x, grown, adults) : RK_OK;
  return err || !small ? err : add_line(x, child, small);
}

/* Facts of the service, and when it starts as what "earliest" goes by. */
static rk_err facts_of(struct rk_trip_option *x, const struct rk_offer *o, struct rk_arena *a) {
  struct rk_option *facts = rk_arena_array(a, MAX_FACTS, sizeof *facts);
  const char *starts = rk_pick_attr(o, "starts"), *date = text(rk_pick_attr(o, "date")), *departs;
  if (!starts) starts = text(rk_pick_attr(o, "opens"));
  departs = rk_arena_printf(a, "%s %s", date, starts);
  if (!facts || !departs) return RK_ETOOBIG;
  facts[x->whole.n_attrs++] = (struct rk_option){"departs", departs};
  for (int32_t i = 0; i < o->n_attrs && x->whole.n_attrs < MAX_FACTS; i++)
    if (strcmp(o->attrs[i].name, "departs") != 0) facts[x->whole.n_attrs++] = o->attrs[i];
  x->whole.attrs = facts;
  x->starts = starts;
  x->ends = text(rk_pick_attr(o, rk_pick_attr(o, "ends") ? "ends" : "closes"));
  x->end_date = text(rk_pick_attr(o, "end_date"));
  return RK_OK;
}

/* grown: the place for an adult, or a room. RK_ECONFLICT: too few are left. */
static rk_err make_option(const struct rk_trip *t, enum rk_trip_kind kind, const struct rk_offer *grown, const struct rk_offer *child, struct rk_arena *a,
                          struct rk_trip_option *x) {
  *x = (struct rk_trip_option){.kind = kind, .whole = *grown};
  rk_err err = add_lines(t, grown, child, x);
  if (err) return err;
  struct rk_offer *w = &x->whole;
  w->unit_price.minor = 0;
  for (int32_t i = 0; i < x->n_lines; i++)
    if (rk_money_add(&w->unit_price, x->lines[i].total)) return RK_EINVAL;
  w->n_coupons = w->n_deliveries = w->n_attrs = 0;
  w->stock = -1; /* of single places; the whole is there once */
  w->quantity = 1;
  w->relevance = 1;
  w->total = w->unit_price;
  x->each_minor = x->nights ? (w->total.minor + x->nights - 1) / x->nights : x->lines[0].unit_price.minor;
  return facts_of(x, grown, a);
}

/* ---- all of them ---- */

struct gather { const struct rk_trip *t; struct rk_arena *arena; struct rk_trip_option *list; int32_t n; struct rk_trip_found *found; };

static const struct rk_offer *child_of(const struct rk_offer *grown, const struct rk_offer *offers, int32_t n) {
  for (int32_t i = 0; i < n; i++)
    if (is_for_child(&offers[i]) && same_fare(&offers[i], grown)) return &offers[i];
  return NULL;
}

static bool is_first_of_service(const struct rk_offer *offers, int32_t i) {
  for (int32_t k = 0; k < i; k++)
    if (strcmp(offers[k].origin, offers[i].origin) == 0 && strcmp(offers[k].product_id, offers[i].product_id) == 0) return false;
  return true;
}

static rk_err take_offers(struct gather *g, enum rk_trip_kind kind, const struct rk_offer *offers, int32_t n) {
  struct rk_trip_option *list = rk_arena_array(g->arena, (size_t)(g->n + n) + 1, sizeof *list);
  if (!list) return RK_ETOOBIG;
  if (g->n) memcpy(list, g->list, (size_t)g->n * sizeof *list);
  g->list = list;
  for (int32_t i = 0; i < n; i++) {
    g->found->n_services += is_first_of_service(offers, i);
    if (is_for_child(&offers[i]) || !fits_fare(g->t, &offers[i])) continue;
    rk_err err = make_option(g->t, kind, &offers[i], child_of(&offers[i], offers, n), g->arena, &g->list[g->n]);
    if (err == RK_ETOOBIG) return err;
    if (!err) g->n++;
    g->found->n_full += err == RK_ECONFLICT;
  }
  return RK_OK;
}

/* Every seller refuses the slot: it is the asker's to put right. */
static bool all_refuse(const struct rk_shop_report *r, int32_t n) {
  for (int32_t i = 0; i < n; i++)
    if (r[i].err != RK_EINVAL) return false;
  return n > 0;
}

static rk_err ask(struct rk_merchants *m, enum rk_trip_kind kind, const char *lang, struct gather *g, struct rk_error *e) {
  const struct rk_trip *t = g->t;
  struct rk_travel_ask q = {.kind = kind_names[kind], .from = t->from, .to = t->to, .city = t->city, .name = t->name, .date = t->date,
                            .end_date = t->end_date, .after_min = t->after_min, .before_min = t->before_min};
  struct rk_offer *offers = NULL;
  struct rk_shop_report *reports = NULL;
  int32_t n = 0, n_reports = 0;
  rk_err err = rk_merchants_search(m, &(struct rk_search){.query = "", .travel = &q, .lang = lang}, g->arena, &offers, &n, &reports, &n_reports, e);
  if (err && all_refuse(reports, n_reports)) err = rk_fail(e, RK_EINVAL, "%s", reports[0].message);
  if (!err && take_offers(g, kind, offers, n)) err = rk_fail(e, RK_ETOOBIG, "the sellers' answers are too large");
  struct rk_trip_found *f = g->found;
  struct rk_shop_report *all = rk_arena_array(g->arena, (size_t)(f->n_reports + n_reports) + 1, sizeof *all);
  if (!all) return err;
  for (int32_t i = 0; i < f->n_reports; i++) all[i] = f->reports[i];
  for (int32_t i = 0; i < n_reports; i++) all[f->n_reports + i] = reports[i];
  f->reports = all;
  f->n_reports += n_reports;
  return err;
}

/* Both kinds are asked where either will do; one that answers is enough. */
static rk_err ask_kinds(struct rk_merchants *m, const char *lang, struct gather *g, struct rk_error *e) {
  rk_err first = RK_EINVAL;
  bool any = false;
  struct rk_error why = {.msg = "no kind of place is asked for"};
  for (int kind = 0; kind < RK_N_TRIP_KINDS; kind++) {
    if (!(g->t->kinds & RK_TRIP_BIT(kind))) continue;
    struct rk_error one = {0};
    rk_err err = ask(m, (enum rk_trip_kind)kind, lang, g, &one);
    if (!err) any = true;
    else if (!why.code) first = err, why = one;
  }
  return any ? RK_OK : rk_fail(e, first, "%s", why.msg);
}

/* ---- which of them ---- */

static int by_total(const void *a, const void *b) {
  const struct rk_offer *x = &((const struct rk_trip_option *)a)->whole, *y = &((const struct rk_trip_option *)b)->whole;
  if (x->total.minor != y->total.minor) return x->total.minor < y->total.minor ? -1 : 1;
  int order = strcmp(x->item_id, y->item_id);
  return order ? order : strcmp(x->origin, y->origin);
}

/* Amounts of two currencies are not compared: the one of the limit counts, else the one that most are in. */
static void keep_one_currency(struct gather *g) {
  const char *kept = g->t->currency;
  int32_t most = 0, n = 0;
  for (int32_t i = 0; !g->t->currency[0] && i < g->n; i++) {
    const char *c = g->list[i].whole.total.currency;
    int32_t count = 0;
    for (int32_t k = 0; k < g->n; k++) count += strcmp(g->list[k].whole.total.currency, c) == 0;
    if (count > most || (count == most && strcmp(c, kept) < 0)) most = count, kept = c;
  }
  char currency[4];
  snprintf(currency, sizeof currency, "%s", kept);
  for (int32_t i = 0; i < g->n; i++)
    if (strcmp(g->list[i].whole.total.currency, currency) == 0) g->list[n++] = g->list[i];
  g->found->n_other_currency = g->n - n;
  g->n = n;
}

static bool is_within(const struct rk_trip *t, const struct rk_trip_option *x) {
  return (!t->max_total_minor || x->whole.total.minor <= t->max_total_minor) && (!t->max_each_minor || x->each_minor <= t->max_each_minor);
}

static struct rk_trip_option *option_of(struct gather *g, const struct rk_offer *whole) {
  for (int32_t i = 0; i < g->n; i++)
    if (strcmp(g->list[i].whole.item_id, whole->item_id) == 0 && strcmp(g->list[i].whole.origin, whole->origin) == 0) return &g->list[i];
  return NULL;
}

/* The limits are checked here, as they may be of one place or night; the order is pick.h's. */
static rk_err choose(struct gather *g) {
  struct rk_trip_found *f = g->found;
  struct rk_intent in = {.wish = g->t->wish, .weights = {.total = g->t->wish != RK_WISH_RATING, .rating = g->t->wish == RK_WISH_RATING}, .quantity = 1};
  struct rk_offer *wholes = rk_arena_array(g->arena, (size_t)g->n + 1, sizeof *wholes);
  struct rk_picked picked;
  int32_t n = 0;
  if (!wholes) return RK_ETOOBIG;
  keep_one_currency(g);
  if (g->n) qsort(g->list, (size_t)g->n, sizeof *g->list, by_total); /* of a service its cheapest fare is shown */
  for (int32_t i = 0; i < g->n; i++) {
    if (is_within(g->t, &g->list[i])) wholes[n++] = g->list[i].whole;
    else if (!f->n_over++) f->nearest = &g->list[i];
  }
  rk_pick(&in, wholes, n, NULL, &picked);
  for (int32_t i = 0; i < picked.n_shown; i++) {
    struct rk_trip_option *x = option_of(g, picked.shown[i]);
    RK_ASSERT(x != NULL);
    x->whole = *picked.shown[i]; /* with its score */
    f->shown[f->n_shown++] = x;
  }
  return RK_OK;
}

rk_err rk_trip_search(struct rk_merchants *m, const struct rk_trip *t, const char *lang, struct rk_arena *a, struct rk_trip_found *out,
                      struct rk_error *e) {
  *out = (struct rk_trip_found){0};
  struct gather g = {.t = t, .arena = a, .found = out};
  rk_err err = ask_kinds(m, lang, &g, e);
  if (!err && choose(&g)) err = rk_fail(e, RK_ETOOBIG, "the sellers' answers are too large");
  return err;
}
