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

bool rk_pick_within(const struct rk_intent *in, const struct rk_offer *o) {
  int64_t cost = in->per_unit && o->quantity > 0 ? o->unit_price.minor : o->total.minor;
  if (in->currency[0] && strcmp(in->currency, o->total.currency) != 0) return false;
  return (!in->max_minor || cost <= in->max_minor) && (!in->min_minor || cost >= in->min_minor);
}

/* With a date that must be met exactly, only deliveries of that day remain. */
static rk_err price(const struct rk_intent *in, struct rk_offer *o) {
  int32_t quantity = in->quantity > 0 ? in->quantity : 1;
  rk_err err = rk_offer_price(o, quantity, in->date);
  if (err || !in->date_exact) return err;
  const struct rk_delivery *best = NULL;
  for (int32_t i = 0; i < o->n_deliveries; i++) {
    const struct rk_delivery *d = &o->deliveries[i];
    if (strcmp(d->date, in->date) == 0 && (!best || d->fee.minor < best->fee.minor)) best = d;
  }
  if (!best) return RK_ENOTFOUND;
  o->total.minor += best->fee.minor - (o->delivery ? o->delivery->fee.minor : 0);
  o->delivery = best;
  return RK_OK;
}

/* ---- order ---- */

static int by_total(const struct rk_offer *a, const struct rk_offer *b) {
  if (a->total.minor != b->total.minor) return a->total.minor < b->total.minor ? -1 : 1;
  if (a->rating < b->rating || a->rating > b->rating) return a->rating > b->rating ? -1 : 1;
  return strcmp(a->item_id, b->item_id);
}

static int by_rating(const struct rk_offer *a, const struct rk_offer *b) {
  if (a->rating < b->rating || a->rating > b->rating) return a->rating > b->rating ? -1 : 1;
  if (a->n_reviews != b->n_reviews) return a->n_reviews > b->n_reviews ? -1 : 1;
  return by_total(a, b);
}

static int cmp_total(const void *a, const void *b) { return by_total(*(struct rk_offer *const *)a, *(struct rk_offer *const *)b); }
static int cmp_rating(const void *a, const void *b) { return by_rating(*(struct rk_offer *const *)a, *(struct rk_offer *const *)b); }

static bool same_product(const struct rk_offer *a, const struct rk_offer *b) {
  return strcmp(a->origin, b->origin) == 0 && strcmp(a->product_id, b->product_id) == 0;
}

/* Keeps the merchant's first variant of a product: it is the one that fits the query best. */
static bool seen(struct rk_offer *const *list, int32_t n, const struct rk_offer *o) {
  for (int32_t i = 0; i < n; i++)
    if (same_product(list[i], o)) return true;
  return false;
}

/* "About 300": those far below it come after those near it, else in order. */
static bool near_first(const struct rk_intent *in, struct rk_offer **list, int32_t n) {
  if (!in->about_minor || in->wish != RK_WISH_NONE) return false;
  int32_t first = 0;
  while (first < n && list[first]->total.minor < in->about_minor * 7 / 10) first++;
  if (first == 0 || first == n) return false;
  struct rk_offer **copy = calloc((size_t)n, sizeof *copy);
  if (!copy) return false;
  for (int32_t i = 0; i < n; i++) copy[i] = list[(i + first) % n];
  memcpy(list, copy, (size_t)n * sizeof *copy);
  free(copy);
  return true;
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

void rk_pick(const struct rk_intent *in, struct rk_offer *offers, int32_t n, struct rk_picked *out) {
  *out = (struct rk_picked){0};
  struct rk_offer **good = calloc((size_t)n + 1, sizeof *good), **kinds = calloc((size_t)n + 1, sizeof *kinds);
  double least = least_relevance(offers, n);
  int32_t n_good = 0, n_kinds = 0;
  for (int32_t i = 0; good && kinds && i < n; i++) {
    struct rk_offer *o = &offers[i];
    if (o->relevance < least || seen(kinds, n_kinds, o)) continue;
    if (is_excluded(in, o)) {
      out->n_excluded++;
      continue;
    }
    rk_err err = price(in, o);
    if (err == RK_ECONFLICT) out->n_sold_out++;
    if (err == RK_ENOTFOUND) out->n_late++;
    if (err) continue;
    kinds[n_kinds++] = o;
    if (rk_pick_within(in, o)) good[n_good++] = o;
    else out->n_over++;
    if (!out->nearest || o->total.minor < out->nearest->total.minor) out->nearest = o;
  }
  out->n_candidates = n_kinds;
  if (n_good) qsort(good, (size_t)n_good, sizeof *good, in->wish == RK_WISH_RATING ? cmp_rating : cmp_total);
  out->near_budget = near_first(in, good, n_good);
  for (; out->n_shown < n_good && out->n_shown < RK_MAX_CARDS; out->n_shown++) out->shown[out->n_shown] = good[out->n_shown];
  show_another_shop(good, n_good, out);
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
  rk_buf_adds(b, zh ? " + 运费" : " + delivery ");
  money(b, o->delivery ? o->delivery->fee : (struct rk_money){0, {o->total.currency[0], o->total.currency[1], o->total.currency[2], 0}});
  rk_buf_adds(b, zh ? "）" : ")");
}

static void why_first(const struct rk_intent *in, const struct rk_picked *p, struct rk_buf *b) {
  const struct rk_offer *o = p->shown[0], *next = p->n_shown > 1 ? p->shown[1] : NULL;
  bool zh = in->chinese;
  if (in->wish == RK_WISH_RATING) {
    rk_buf_addf(b, zh ? "%s的“%s”评分最高：%.1f 分，%d 条评价，合计" : "“%2$s” at %1$s is rated highest: %3$.1f with %4$d reviews, total ", o->shop_name,
                o->title, o->rating, o->n_reviews);
    money(b, o->total);
    sum(o, zh, b);
    rk_buf_adds(b, zh ? "。" : ".");
    return;
  }
  if (p->near_budget) rk_buf_addf(b, zh ? "%s的“%s”在预算附近总价最低：" : "“%2$s” at %1$s has the lowest total near the budget: ", o->shop_name, o->title);
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
  } else {
    rk_buf_adds(b, zh ? "没有找到符合要求的商品。" : "No shop has such an offer.");
  }
}

rk_err rk_pick_reason(const struct rk_intent *in, const struct rk_picked *p, struct rk_buf *out) {
  if (p->n_shown) why_first(in, p, out);
  else why_none(in, p, out);
  return out->err;
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

int32_t rk_pick_options(rk_str said, const struct rk_offer *offers, int32_t n, struct rk_option *out, int32_t max) {
  int32_t n_out = 0;
  for (int32_t i = 0; i < n; i++)
    for (int32_t k = 0; k < offers[i].n_options && n_out < max; k++) {
      const struct rk_option *o = &offers[i].options[k];
      if (value_of(out, n_out, o->name) || !names_option(said, o, offers[i].option_labels ? offers[i].option_labels[k] : NULL)) continue;
      out[n_out++] = *o;
    }
  return n_out;
}

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
