#include "agent/pick.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *value_of(const struct rk_option *list, int32_t n, const char *name) {
  for (int32_t i = 0; i < n; i++)
    if (strcmp(list[i].name, name) == 0) return list[i].value;
  return NULL;
}
const char *rk_pick_attr(const struct rk_offer *o, const char *name) { return value_of(o->attrs, o->n_attrs, name); }
const char *rk_pick_option(const struct rk_offer *o, const char *name) { return value_of(o->options, o->n_options, name); }

/* ---- limits ---- */

static bool text_has(const char *text, const char *phrase) {
  struct rk_buf normal;
  rk_buf_init(&normal, 16384);
  bool hit = text && rk_words_normal(&normal, rk_str_c(text)) == RK_OK && rk_words_has(rk_buf_str(&normal), phrase);
  rk_buf_release(&normal);
  return hit;
}

/* "not Apple": the title or a fact says so. */
static bool is_excluded(const struct rk_intent *in, const struct rk_offer *o) {
  for (int32_t i = 0; i < in->n_not; i++) {
    if (text_has(o->title, in->not_words[i])) return true;
    for (int32_t k = 0; k < o->n_attrs; k++)
      if (text_has(o->attrs[k].value, in->not_words[i])) return true;
  }
  return false;
}

static bool has_word(const struct rk_offer *o, const char *word) {
  if (text_has(o->title, word)) return true;
  for (int32_t k = 0; k < o->n_attrs; k++)
    if (text_has(o->attrs[k].value, word)) return true;
  for (int32_t k = 0; k < o->n_options; k++)
    if (text_has(o->options[k].value, word) || (o->option_labels && text_has(o->option_labels[k], word))) return true;
  return false;
}

/* "only Sony": title, a fact or an option says so. What says nothing about it is left out too. */
static bool is_allowed(const struct rk_intent *in, const struct rk_offer *o) {
  for (int32_t i = 0; i < in->n_only; i++)
    if (has_word(o, in->only_words[i])) return true;
  return in->n_only == 0;
}

bool rk_pick_within(const struct rk_intent *in, const struct rk_offer *o) {
  int64_t cost = in->per_unit && o->quantity > 0 ? o->unit_price.minor : o->total.minor;
  if (in->currency[0] && strcmp(in->currency, o->total.currency) != 0) return false;
  bool may_be_more = o->sure == RK_SURE_NOT;
  return (!in->max_minor || cost <= in->max_minor) && (!in->min_minor || cost >= in->min_minor || may_be_more);
}

static bool sooner(const struct rk_delivery *a, const struct rk_delivery *b) {
  if (!a->date[0] || !b->date[0]) return a->date[0] != 0;
  int order = strcmp(a->date, b->date);
  return order < 0 || (order == 0 && a->fee.minor < b->fee.minor);
}

/* The delivery that the words ask for where the cheapest is not it: exactly on a day, or as soon as can be. NULL: there is none. */
static const struct rk_delivery *asked_delivery(const struct rk_intent *in, const struct rk_offer *o) {
  const struct rk_delivery *best = NULL;
  for (int32_t i = 0; i < o->n_deliveries; i++) {
    const struct rk_delivery *d = &o->deliveries[i];
    if (in->date_exact && strcmp(d->date, in->date) != 0) continue;
    if (in->date[0] && (!d->date[0] || strcmp(d->date, in->date) > 0)) continue;
    if (!best || (in->wish == RK_WISH_SOONEST ? sooner(d, best) : d->fee.minor < best->fee.minor)) best = d;
  }
  return best;
}

static rk_err price(const struct rk_intent *in, struct rk_offer *o) {
  int32_t quantity = in->quantity > 0 ? in->quantity : 1;
  bool unknown = o->n_deliveries == 0 && !o->quoted && !o->travel_kind;
  rk_err err = rk_offer_price(o, quantity, unknown ? "" : in->date);
  if (err || unknown || o->n_deliveries == 0 || (!in->date_exact && in->wish != RK_WISH_SOONEST)) return err;
  const struct rk_delivery *d = asked_delivery(in, o);
  if (!d) return RK_ENOTFOUND;
  o->total.minor += d->fee.minor - (o->delivery ? o->delivery->fee.minor : 0);
  o->delivery = d;
  return RK_OK;
}

/* ---- order ---- */

static int by_total(const struct rk_offer *a, const struct rk_offer *b) {
  if (a->total.minor != b->total.minor) return a->total.minor < b->total.minor ? -1 : 1;
  if (a->rating < b->rating || a->rating > b->rating) return a->rating > b->rating ? -1 : 1;
  if (a->n_reviews != b->n_reviews) return a->n_reviews > b->n_reviews ? -1 : 1;
  int order = strcmp(a->item_id, b->item_id);
  return order ? order : strcmp(a->origin, b->origin);
}

static int by_rating(const struct rk_offer *a, const struct rk_offer *b) {
  if (a->rating < b->rating || a->rating > b->rating) return a->rating > b->rating ? -1 : 1;
  if (a->n_reviews != b->n_reviews) return a->n_reviews > b->n_reviews ? -1 : 1;
  return by_total(a, b);
}

/* When it is had: the promised day, or of dated places the start (travel.c puts it there). */
static const char *date_of(const struct rk_offer *o) {
  const char *departs = o->travel_kind ? rk_pick_attr(o, "departs") : NULL;
  return departs ? departs : o->delivery && o->delivery->date[0] ? o->delivery->date : NULL;
}

/* A date that is not known may still turn out the soonest, until it is asked for. */
static int by_date(const struct rk_offer *a, const struct rk_offer *b) {
  const char *x = date_of(a), *y = date_of(b), *last = "9999-99-99", *first = "";
  if (!x) x = a->sure == RK_SURE_NOT ? first : last;
  if (!y) y = b->sure == RK_SURE_NOT ? first : last;
  int order = strcmp(x, y);
  return order ? order : by_total(a, b);
}

static int by_weight(const struct rk_offer *a, const struct rk_offer *b) {
  if (a->score.all < b->score.all || a->score.all > b->score.all) return a->score.all > b->score.all ? -1 : 1;
  return by_total(a, b);
}

/* "About 300": those far below it come after those near it. */
static bool is_far_below(const struct rk_intent *in, const struct rk_offer *o) {
  return in->about_minor && in->wish == RK_WISH_NONE && o->sure != RK_SURE_NOT && o->total.minor < in->about_minor * 7 / 10;
}

static int compare(const void *a, const void *b, void *ud) {
  static int (*const orders[])(const struct rk_offer *, const struct rk_offer *) = {
      [RK_WISH_NONE] = by_total, [RK_WISH_CHEAPEST] = by_total, [RK_WISH_RATING] = by_rating, [RK_WISH_SOONEST] = by_date, [RK_WISH_WEIGHED] = by_weight};
  const struct rk_intent *in = ud;
  const struct rk_offer *x = *(struct rk_offer *const *)a, *y = *(struct rk_offer *const *)b;
  int far = is_far_below(in, x) - is_far_below(in, y);
  return far ? far : orders[in->wish](x, y);
}

/* Days since 0000-03-01 of a proleptic calendar; only differences matter. */
static int32_t day_number(const char *iso) {
  int32_t y = atoi(iso), m = atoi(iso + 5), d = atoi(iso + 8);
  if (m < 3) y--, m += 12;
  return 365 * y + y / 4 - y / 100 + y / 400 + (153 * (m - 3) + 2) / 5 + d;
}

/* What scores are measured against. It does not depend on what is known of delivery, so that a quote moves one offer only. */
struct scale { int64_t lowest_minor; /* price tags for the quantity */ int32_t today; };

/* total: the lowest tag of all over this total. rating: of 5, drawn to 4.0 as if by 20 more reviews. date: 1 today, half a day
 * later. What is not known yet counts as the best it can be, so that it is asked for. */
static void score(const struct rk_intent *in, const struct scale *scale, struct rk_offer *o) {
  const struct rk_weights *w = &in->weights;
  const char *date = date_of(o);
  int32_t sum = w->total + w->rating + w->date, days = date ? day_number(date) - scale->today : 0;
  o->score.total = o->total.minor > scale->lowest_minor ? (double)scale->lowest_minor / (double)o->total.minor : 1;
  o->score.rating = (o->rating * o->n_reviews + 4.0 * 20) / (o->n_reviews + 20) / 5;
  o->score.date = date ? 1.0 / (1 + (days > 0 ? days : 0)) : o->sure == RK_SURE_NOT;
  o->score.all = sum ? (w->total * o->score.total + w->rating * o->score.rating + w->date * o->score.date) / sum : o->score.total;
}

static void sort(const struct rk_intent *in, const struct scale *scale, struct rk_offer **list, int32_t n) {
  for (int32_t i = 0; i < n; i++) score(in, scale, list[i]);
  if (n) qsort_r(list, (size_t)n, sizeof *list, compare, (void *)(uintptr_t)in);
}

json_t *rk_pick_score(const struct rk_intent *in, const struct rk_offer *o) {
  const struct rk_weights *w = &in->weights;
  return json_pack("{s:f, s:[{s:s, s:f, s:i}, {s:s, s:f, s:i}, {s:s, s:f, s:i}]}", "all", o->score.all, "parts", "part", "total", "value", o->score.total,
                   "weight", (int)w->total, "part", "rating", "value", o->score.rating, "weight", (int)w->rating, "part", "date", "value", o->score.date,
                   "weight", (int)w->date);
}

static bool same_product(const struct rk_offer *a, const struct rk_offer *b) {
  return strcmp(a->origin, b->origin) == 0 && strcmp(a->product_id, b->product_id) == 0;
}

/* Keeps the merchant's first variant of a product: it is the one that fits the query best. */
static bool seen(struct rk_offer *const *list, int32_t n, const struct rk_offer *o) {
  for (int32_t i = n; i > 0; i--)
    if (same_product(list[i - 1], o)) return true;
  return false;
}

static bool same_words(const char *a, const char *b) {
  struct rk_buf x, y;
  rk_buf_init(&x, 16384);
  rk_buf_init(&y, 16384);
  bool same = rk_words_normal(&x, rk_str_c(a)) == RK_OK && rk_words_normal(&y, rk_str_c(b)) == RK_OK && rk_str_eq(rk_buf_str(&x), rk_buf_str(&y));
  rk_buf_release(&x);
  rk_buf_release(&y);
  return same;
}

bool rk_pick_same_thing(const struct rk_offer *a, const struct rk_offer *b) {
  for (int32_t i = 0; i < a->n_attrs; i++) {
    const char *other = strcmp(a->attrs[i].name, "tag") == 0 ? NULL : rk_pick_attr(b, a->attrs[i].name);
    bool category = strcmp(a->attrs[i].name, "category") == 0; /* each merchant has its own word for it */
    if (other && !category && strcmp(other, a->attrs[i].value) != 0) return false;
  }
  return strcmp(a->unit_price.currency, b->unit_price.currency) == 0 && same_words(a->title, b->title);
}

static bool shown_of(const struct rk_picked *p, int32_t n, const char *origin) {
  for (int32_t i = 0; i < n; i++)
    if (strcmp(p->shown[i]->origin, origin) == 0) return true;
  return false;
}

/* Where one shop would fill all cards, the last one goes to the next shop that has a candidate. */
static void show_another_shop(struct rk_offer **all, int32_t n, struct rk_picked *out) {
  for (int32_t i = 0; i < out->n_shown; i++) out->n_shops += !shown_of(out, i, out->shown[i]->origin);
  for (int32_t i = out->n_shown; i < n && out->n_shops == 1 && out->n_shown > 1; i++) {
    if (shown_of(out, out->n_shown, all[i]->origin)) continue;
    out->shown[out->n_shown - 1] = all[i];
    out->n_shops++;
  }
}

/* A much weaker match is another kind of thing. */
static double least_relevance(const struct rk_offer *offers, int32_t n) {
  double best = 0;
  for (int32_t i = 0; i < n; i++)
    if (offers[i].relevance > best) best = offers[i].relevance;
  return best * 0.999;
}

/* Three times as many as there are cards: coupons and fees move an offer by some places. */
enum { ASKED_PRODUCTS = 3 * RK_MAX_CARDS };

void rk_pick_search(const struct rk_intent *in, struct rk_search *q) {
  int64_t quantity = in->quantity > 0 && !in->per_unit ? in->quantity : 1, least = in->min_minor > in->about_minor ? in->min_minor : in->about_minor;
  q->products = ASKED_PRODUCTS;
  q->sort = in->wish == RK_WISH_RATING ? "rating" : "price";
  q->min_price_minor = in->min_minor || (in->about_minor && in->wish == RK_WISH_NONE) ? least / quantity * 6 / 10 : 0;
}

/* ---- candidates and quotes ---- */

/* list: the candidates, first the best; then, from n on, those whose merchant could not be asked. */
struct choice { const struct rk_intent *in; struct scale scale; struct rk_offer **list; int32_t n, n_failed; struct rk_picked *out; };

static void drop(struct choice *c, int32_t i) {
  memmove(&c->list[i], &c->list[i + 1], (size_t)(c->n + c->n_failed - i - 1) * sizeof *c->list);
  c->n--;
}

/* Prices candidate i anew; false: it is none any more. */
static bool price_again(struct choice *c, int32_t i) {
  rk_err err = price(c->in, c->list[i]);
  if (!err && rk_pick_within(c->in, c->list[i])) return true;
  if (err == RK_ECONFLICT) c->out->n_sold_out++;
  else if (err) c->out->n_late++;
  else c->out->n_over++;
  drop(c, i);
  return false;
}

static bool same_kind(const struct rk_offer *a, const struct rk_offer *b) {
  const char *x = rk_pick_attr(a, "category"), *y = rk_pick_attr(b, "category");
  return strcmp(a->origin, b->origin) == 0 && (!x || !y ? x == y : strcmp(x, y) == 0);
}

/* What a merchant quoted for one offer is expected of its others of this kind; the best is quoted itself in any case. */
static void expect_the_same(struct choice *c, const struct rk_offer *quoted) {
  for (int32_t i = c->n - 1; i >= 0; i--) {
    struct rk_offer *o = c->list[i];
    if (o->sure != RK_SURE_NOT || !same_kind(o, quoted)) continue;
    o->deliveries = quoted->deliveries;
    o->n_deliveries = quoted->n_deliveries;
    o->quoted = RK_SURE_EXPECTED;
    price_again(c, i);
  }
}

static void ask_best(struct choice *c, const struct rk_quoter *q) {
  struct rk_offer *o = c->list[0];
  c->out->n_quotes++;
  if (q->quote(q->ud, o)) {
    drop(c, 0);
    c->list[c->n + c->n_failed++] = o;
  } else {
    price_again(c, 0);
    expect_the_same(c, o);
  }
  sort(c->in, &c->scale, c->list, c->n);
}

/* Nothing more is asked: what is certain goes first, and what a limit hangs on that is not known goes out. */
static void settle(struct choice *c) {
  bool limited = c->in->date[0] || c->in->max_minor || c->in->min_minor;
  struct rk_offer **sure = calloc((size_t)c->n + 1, sizeof *sure);
  int32_t n_sure = 0, n_rest = 0, ahead = 0;
  while (ahead < c->n && !rk_offer_is_sure(c->list[ahead])) ahead++;
  bool certain_first = sure && ahead > 0 && ahead < c->n;
  if (certain_first) c->out->n_unchecked = ahead;
  for (int32_t i = 0; certain_first && i < c->n; i++)
    if (rk_offer_is_sure(c->list[i])) sure[n_sure++] = c->list[i];
    else c->list[n_rest++] = c->list[i];
  if (certain_first) {
    memmove(&c->list[n_sure], c->list, (size_t)n_rest * sizeof *c->list);
    memcpy(c->list, sure, (size_t)n_sure * sizeof *c->list);
  }
  free(sure);
  c->n += c->n_failed;
  c->n_failed = 0;
  for (int32_t i = c->n - 1; i >= 0 && limited; i--)
    if (c->list[i]->sure == RK_SURE_NOT) drop(c, i), c->out->n_unknown++;
  if (c->out->n_unchecked > c->n) c->out->n_unchecked = c->n;
}

static struct scale scale_of(const struct rk_intent *in, const struct rk_offer *offers, int32_t n, double least, const char *currency) {
  char now[32];
  rk_time_rfc3339(rk_now_ms(), now);
  struct scale s = {.lowest_minor = INT64_MAX, .today = day_number(now)};
  for (int32_t i = 0; i < n; i++)
    if (offers[i].relevance >= least && strcmp(offers[i].unit_price.currency, currency) == 0 && offers[i].unit_price.minor < s.lowest_minor) s.lowest_minor = offers[i].unit_price.minor;
  if (s.lowest_minor < (int64_t)RK_MAX_TOTAL_MINOR) s.lowest_minor *= in->quantity > 0 ? in->quantity : 1;
  return s;
}

/* The currency that is compared: the limit's where something is sold in it, else the one of most offers, of as many the first by
 * name. "": there are no offers. */
static const char *compared_currency(const struct rk_intent *in, const struct rk_offer *offers, int32_t n, double least) {
  enum { MAX_CURRENCIES = 8 };
  struct { const char *code; int32_t n; } found[MAX_CURRENCIES] = {{NULL, 0}};
  int32_t n_found = 0, best = -1;
  for (int32_t i = 0; i < n; i++) {
    const char *code = offers[i].unit_price.currency;
    int32_t k = 0;
    if (offers[i].relevance < least || offers[i].relevance <= 0) continue;
    if (strcmp(code, in->currency) == 0) return code;
    while (k < n_found && strcmp(found[k].code, code) != 0) k++;
    if (k == n_found && n_found < MAX_CURRENCIES) found[n_found].code = code, found[n_found++].n = 0;
    if (k < n_found) found[k].n++;
  }
  for (int32_t k = 0; k < n_found; k++)
    if (best < 0 || found[k].n > found[best].n || (found[k].n == found[best].n && strcmp(found[k].code, found[best].code) < 0)) best = k;
  return best < 0 ? "" : found[best].code;
}

void rk_pick(const struct rk_intent *in, struct rk_offer *offers, int32_t n, const struct rk_quoter *quoter, struct rk_picked *out) {
  *out = (struct rk_picked){0};
  struct rk_offer **good = calloc((size_t)n + 1, sizeof *good), **kinds = calloc((size_t)n + 1, sizeof *kinds);
  struct choice c = {.in = in, .list = good, .out = out};
  double least = least_relevance(offers, n);
  int32_t n_kinds = 0;
  const char *currency = compared_currency(in, offers, n, least);
  c.scale = scale_of(in, offers, n, least, currency);
  for (int32_t i = 0; good && kinds && i < n; i++) {
    struct rk_offer *o = &offers[i];
    if (o->relevance < least || o->relevance <= 0 || seen(kinds, n_kinds, o)) continue;
    if (is_excluded(in, o) || !is_allowed(in, o)) {
      out->n_excluded++;
      continue;
    }
    if (strcmp(o->unit_price.currency, currency) != 0) {
      out->n_currency++;
      continue;
    }
    if (o->unsaid) {
      out->unsaid = o->unsaid;
      continue;
    }
    rk_err err = price(in, o);
    if (err == RK_ECONFLICT) out->n_sold_out++;
    if (err == RK_ENOTFOUND) out->n_late++;
    if (err) continue;
    kinds[n_kinds++] = o;
    if (rk_pick_within(in, o)) good[c.n++] = o;
    else out->n_over++;
    if (!out->nearest || by_total(o, out->nearest) < 0) out->nearest = o;
  }
  out->n_candidates = n_kinds;
  if (good && kinds) {
    sort(in, &c.scale, good, c.n);
    while (quoter && c.n > 0 && !rk_offer_is_sure(good[0]) && out->n_quotes < RK_MAX_QUOTES) ask_best(&c, quoter);
    settle(&c);
  }
  out->near_budget = c.n > 0 && !is_far_below(in, good[0]) && is_far_below(in, good[c.n - 1]);
  for (; out->n_shown < c.n && out->n_shown < RK_MAX_CARDS; out->n_shown++) out->shown[out->n_shown] = good[out->n_shown];
  show_another_shop(good, c.n, out);
  free(good);
  free(kinds);
}

/* ---- words about it ---- */

static void money(struct rk_buf *b, struct rk_money m) {
  char text[40];
  rk_money_text(m, text);
  rk_buf_adds(b, text);
}

static void sum(const struct rk_offer *o, bool zh, struct rk_buf *b) {
  rk_buf_adds(b, zh ? "（商品" : " (items ");
  money(b, o->subtotal);
  if (o->discount.minor) {
    rk_buf_adds(b, zh ? " - 优惠" : " - coupon ");
    struct rk_money off = {o->discount.minor < 0 ? -o->discount.minor : o->discount.minor, ""};
    memcpy(off.currency, o->discount.currency, 4);
    money(b, off);
  }
  struct rk_money fee = {o->delivery ? o->delivery->fee.minor : 0, ""}, fees = {o->fees_minor < 0 ? -o->fees_minor : o->fees_minor, ""};
  memcpy(fee.currency, o->total.currency, 4);
  memcpy(fees.currency, o->total.currency, 4);
  if (o->fees_minor) {
    rk_buf_adds(b, o->fees_minor > 0 ? (zh ? " + 其他费用" : " + fees ") : zh ? " - 自动优惠" : " - automatic discount ");
    money(b, fees);
  }
  rk_buf_adds(b, zh ? " + 运费" : " + delivery ");
  if (o->sure == RK_SURE_NOT) rk_buf_adds(b, zh ? "未知" : "unknown");
  else money(b, fee);
  rk_buf_adds(b, zh ? "）" : ")");
}

static void why_first(const struct rk_intent *in, const struct rk_picked *p, struct rk_buf *b) {
  const struct rk_offer *o = p->shown[0], *next = p->n_shown > 1 ? p->shown[1] : NULL;
  bool zh = in->chinese;
  bool rated = o->n_reviews > 0 || o->rating > 0;
  if (in->wish == RK_WISH_RATING && !rated) rk_buf_adds(b, zh ? "店铺没有给出评分，改按总价比较：" : "The shops give no ratings; compared by total instead: ");
  if (in->wish == RK_WISH_RATING && rated) {
    rk_buf_addf(b, zh ? "%s的“%s”评分最高：%.1f 分，%d 条评价，合计" : "“%2$s” at %1$s is rated highest: %3$.1f with %4$d reviews, total ", o->shop_name,
                o->title, o->rating, o->n_reviews);
    money(b, o->total);
    sum(o, zh, b);
    rk_buf_adds(b, zh ? "。" : ".");
    return;
  }
  if (in->wish == RK_WISH_SOONEST && o->delivery && o->delivery->date[0])
    rk_buf_addf(b, zh ? "%s的“%s”最早送到（%s）：" : "“%2$s” at %1$s arrives first (%3$s): ", o->shop_name, o->title, o->delivery->date);
  else if (in->wish == RK_WISH_WEIGHED) rk_buf_addf(b, zh ? "%s的“%s”综合得分最高（%.2f）：" : "“%2$s” at %1$s has the best score for your wishes (%3$.2f): ", o->shop_name, o->title, o->score.all);
  else if (p->near_budget) rk_buf_addf(b, zh ? "%s的“%s”在预算附近总价最低：" : "“%2$s” at %1$s has the lowest total near the budget: ", o->shop_name, o->title);
  else rk_buf_addf(b, zh ? "%s的“%s”总价最低：" : "“%2$s” at %1$s has the lowest total: ", o->shop_name, o->title);
  money(b, o->total);
  sum(o, zh, b);
  if (next && next->total.minor >= o->total.minor) {
    struct rk_money less = next->total;
    less.minor -= o->total.minor;
    rk_buf_adds(b, zh ? "，比第2个（" : ", ");
    if (zh) rk_buf_addf(b, "%s）便宜", next->shop_name);
    money(b, less);
    if (!zh) rk_buf_addf(b, " less than number 2 (%s)", next->shop_name);
  }
  rk_buf_adds(b, zh ? "。" : ".");
}

static void why_none(const struct rk_intent *in, const struct rk_picked *p, struct rk_buf *b) {
  bool zh = in->chinese;
  if (p->nearest) {
    rk_buf_adds(b, zh ? "没有符合价格要求的：最便宜的是" : "There is nothing within this price: the cheapest is ");
    rk_buf_addf(b, zh ? "%s的“%s”，合计" : "“%2$s” at %1$s, total ", p->nearest->shop_name, p->nearest->title);
    money(b, p->nearest->total);
    rk_buf_adds(b, zh ? "。" : ".");
  } else if (p->n_late) {
    rk_buf_addf(b, zh ? "没有能在 %s 送到的。" : "Nothing can be delivered by %s.", in->date);
  } else if (p->n_sold_out) {
    rk_buf_adds(b, zh ? "库存不够，没有可以下单的。" : "There is not enough in stock to order it.");
  } else if (p->n_excluded && in->n_only) {
    rk_buf_adds(b, zh ? "没有找到" : "No shop has one of ");
    for (int32_t i = 0; i < in->n_only; i++) rk_buf_addf(b, "%s%s", i ? (zh ? "或" : " or ") : "", in->only_words[i]);
    rk_buf_addf(b, zh ? "的；别的有%d个，没有列入。" : "; %d others were left out.", p->n_excluded);
  } else {
    rk_buf_adds(b, zh ? "没有找到符合要求的商品。" : "No shop has such an offer.");
  }
}

rk_err rk_pick_reason(const struct rk_intent *in, const struct rk_picked *p, struct rk_buf *out) {
  bool zh = in->chinese;
  if (p->n_shown) why_first(in, p, out);
  else why_none(in, p, out);
  if (p->n_shown && p->shown[0]->unsure) rk_buf_addf(out, zh ? "店铺没有写明“%s”，请核对。" : " The shop does not say “%s”: check before you approve.", p->shown[0]->unsure);
  if (p->n_unchecked) rk_buf_addf(out, zh ? "另有%d个报价的运费没能核对，也许更好。" : " %d more could be better: what they cost delivered could not be checked.", p->n_unchecked);
  if (p->n_unknown) rk_buf_addf(out, zh ? "有%d个商品没有列入，因为商家没有说明运费或送达日期。" : " %d were left out, as their shops do not say what delivery costs or when it comes.", p->n_unknown);
  if (p->unsaid) rk_buf_addf(out, zh ? "没有写明“%s”的商品没有列入。" : " What does not say “%s” was left out.", p->unsaid);
  if (p->n_currency) rk_buf_addf(out, "%s", zh ? "按另一种货币标价的商品没有列入比较。" : " What is priced in another currency was not compared.");
  return out->err;
}

/* ---- sizes ---- */

int32_t rk_pick_sizes(const struct rk_intent *in, const struct rk_picked *p, const struct rk_offer *offers, int32_t n,
                      bool (*known)(void *, const char *), void *ud, const char **values, int32_t max) {
  if (in->size[0] || p->n_shown == 0) return 0;
  const char *kind = rk_pick_attr(p->shown[0], "size_kind");
  if (!kind || !kind[0] || known(ud, kind)) return 0;
  int32_t n_values = 0;
  for (int32_t i = 0; i < n; i++) {
    const char *size = rk_pick_option(&offers[i], "size"), *of = rk_pick_attr(&offers[i], "size_kind");
    if (!size || !of || strcmp(of, kind) != 0) continue;
    bool listed = false;
    for (int32_t k = 0; k < n_values && !listed; k++) listed = strcmp(values[k], size) == 0;
    if (!listed && n_values < max) values[n_values++] = size;
  }
  return n_values;
}
