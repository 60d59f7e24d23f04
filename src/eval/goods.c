/* goods.c - the words of offers, cards and orders of goods. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/words.h"

/* What a want is held against: an order, an approval's terms or an offer card. */
struct thing {
  const char *what;                /* "order" | "card" | "offer" */
  const char *origin;
  const struct rk_item *item;
  int64_t qty, total;
  int64_t at_ms;
  const json_t *address;           /* as the shop has it; NULL: not known */
  const json_t *order;             /* of an order: the shop's report */
  int64_t line;                    /* of `say`, of an order */
};

static const char *const order_keys[] = {"category", "qty", "attr", "title_has", "instrument", "deliver_on", "address_has", "max_total_minor", "cheapest", "best",
                                         "is_offer_shown", "best_of_shown", "cheapest_of_shown", "status", "not_brand", NULL};
static const char *const card_keys[] = {"category", "qty", "attr", "title_has", "instrument", "max_total_minor", "cheapest", "not_brand", NULL};
static const char *const shown_keys[] = {"category", "attr", "title_has", "max_total_minor", "not_brand", NULL};
static const char *const item_keys[] = {"category", "qty", "attr", "title_has", "not_brand", "cheapest_each", NULL};

/* ---- cheapest and best ---- */

struct search {
  const struct rk_case *c;
  struct rk_need need;
  int64_t qty, max;                /* max < 0: no limit */
  int64_t lowest;                  /* -1: none */
  int32_t best_rating;
};

static void look_at(void *ud, int32_t shop, const struct rk_item *item) {
  struct search *s = ud;
  int64_t total;
  if (!rk_market_lowest(&s->c->market->shops[shop].catalog, item, s->qty, &s->need, &total)) return;
  if (s->max >= 0 && total > s->max) return;
  if (s->lowest < 0 || total < s->lowest) s->lowest = total;
  if (item->product->rating_tenths > s->best_rating) s->best_rating = item->product->rating_tenths;
}

/* Every offer of every shop that meets the keys. */
static struct search search(const struct rk_case *c, const json_t *want, int64_t qty, int64_t at_ms, const json_t *address) {
  struct search s = {.c = c, .qty = qty, .max = rk_json_i64(want, "max_total_minor", -1), .lowest = -1,
                     .need = {.at_ms = at_ms, .date = rk_json_cstr(want, "deliver_on", NULL), .address = address}};
  rk_market_each(c->market, want, qty, look_at, &s);
  return s;
}

/* ---- one thing against one want ---- */

static bool dump_missed(struct rk_buf *why, const char *word, const char *key, const json_t *asked, const json_t *got) {
  char *a = asked ? json_dumps(asked, JSON_ENCODE_ANY | JSON_COMPACT) : NULL, *g = got ? json_dumps(got, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
  word_missed(why, "%s: %s: asked %s, got %s", word, key, a ? a : "nothing", g ? g : "nothing");
  free(a);
  free(g);
  return false;
}

/* category, attr, title_has, not_brand, each with its own reason. */
static bool is_kind(const char *word, const struct thing *t, const json_t *want, struct rk_buf *why) {
  const json_t *attrs = json_object_get(want, "attr");
  const struct rk_product *p = t->item->product;
  const char *name, *category = rk_json_cstr(want, "category", NULL);
  json_t *v;
  if (category && strcmp(category, p->category->id) != 0) return word_missed(why, "%s: category: asked %s, got %s", word, category, p->category->id);
  json_object_foreach((json_t *)(uintptr_t)attrs, name, v) {
    json_t *one = json_pack("{s:{s:O}}", "attr", name, v), *got = rk_market_attr(t->item, name);
    bool ok = rk_market_meets(t->item, one) || dump_missed(why, word, name, v, got);
    json_decref(one);
    json_decref(got);
    if (!ok) return false;
  }
  if (!rk_market_meets(t->item, want)) return word_missed(why, "%s: title_has or not_brand: got %s", word, p->title.zh);
  return true;
}

static const struct rk_item *card_item(const struct rk_case *c, const json_t *card) {
  return case_item(c, rk_json_cstr(card, "origin", ""), rk_json_cstr(card, "item_id", ""));
}

static bool is_same(const struct thing *t, const json_t *card) {
  return t->item && rk_str_eq_c(rk_json_str(card, "origin"), t->origin) && rk_str_eq_c(rk_json_str(card, "item_id"), t->item->id);
}

/* is_offer_shown, best_of_shown, cheapest_of_shown: against the cards before the order's line. */
static bool was_shown(const struct rk_case *c, const char *word, const struct thing *t, const json_t *want, struct rk_buf *why) {
  const json_t *shown = json_object_get(want, "is_offer_shown"), *best = json_object_get(want, "best_of_shown"), *cheapest = json_object_get(want, "cheapest_of_shown");
  json_t *cards = case_cards(c, t->line < 0 ? 0 : t->line), *card;
  size_t i, at = 0;
  int32_t best_rating = 0;
  int64_t lowest = -1, total;
  bool ok = true;
  json_array_foreach(cards, i, card) {
    const struct rk_item *item = card_item(c, card);
    const struct rk_market_shop *m = case_market_at(c, rk_json_cstr(card, "origin", ""));
    if (is_same(t, card) && !at) at = i + 1;
    if (item && item->product->rating_tenths > best_rating) best_rating = item->product->rating_tenths;
    struct rk_need need = {.at_ms = t->at_ms, .address = t->address};
    if (item && m && rk_market_lowest(&m->catalog, item, t->qty, &need, &total) && (lowest < 0 || total < lowest)) lowest = total;
  }
  if (json_is_integer(shown) && !is_same(t, json_array_get(cards, (size_t)json_integer_value(shown) - 1)))
    ok = word_missed(why, "%s: is_offer_shown: asked card %lld of %zu, got card %zu", word, (long long)json_integer_value(shown), json_array_size(cards), at);
  else if (json_is_true(shown) && !at) ok = word_missed(why, "%s: is_offer_shown: what was bought was on none of %zu cards", word, json_array_size(cards));
  else if (best && t->item->product->rating_tenths < best_rating)
    ok = word_missed(why, "%s: best_of_shown: rating %d, the best shown is %d tenths", word, (int)t->item->product->rating_tenths, (int)best_rating);
  else if (cheapest && (lowest < 0 || t->total > lowest))
    ok = word_missed(why, "%s: cheapest_of_shown: total %lld, the lowest shown %lld", word, (long long)t->total, (long long)lowest);
  json_decref(cards);
  return ok;
}

static bool address_has(const json_t *address, const char *text) {
  const char *key;
  json_t *v;
  json_object_foreach((json_t *)(uintptr_t)address, key, v)
    if (json_is_string(v) && strstr(json_string_value(v), text)) return true;
  return false;
}

static bool fits(const struct rk_case *c, const char *word, const struct thing *t, const json_t *want, struct rk_buf *why) {
  int64_t qty = rk_json_i64(want, "qty", 1), max = rk_json_i64(want, "max_total_minor", -1);
  const char *text;
  if (!t->item) return word_missed(why, "%s: the %s is of no item that the shop sells", word, t->what);
  if (!is_kind(word, t, want, why)) return false;
  if (t->qty != qty) return word_missed(why, "%s: qty: asked %lld, got %lld", word, (long long)qty, (long long)t->qty);
  if (max >= 0 && t->total > max) return word_missed(why, "%s: max_total_minor: asked %lld, got %lld", word, (long long)max, (long long)t->total);
  if ((text = rk_json_cstr(want, "instrument", NULL)) && !rk_str_eq_c(rk_json_str(rk_json_obj(t->order, "instrument"), "kind"), text))
    return word_missed(why, "%s: instrument: asked %s, got %s", word, text, rk_json_cstr(rk_json_obj(t->order, "instrument"), "kind", "none"));
  if ((text = rk_json_cstr(want, "deliver_on", NULL)) && !rk_str_eq_c(rk_json_str(rk_json_obj(t->order, "delivery"), "date"), text))
    return word_missed(why, "%s: deliver_on: asked %s, got %s", word, text, rk_json_cstr(rk_json_obj(t->order, "delivery"), "date", "none"));
  if ((text = rk_json_cstr(want, "address_has", NULL)) && !address_has(t->address, text))
    return word_missed(why, "%s: address_has: asked %s, got %s", word, text, rk_json_cstr(t->address, "street_address", "no street"));
  if (json_is_true(json_object_get(want, "cheapest"))) {
    struct search s = search(c, want, t->qty, t->at_ms, t->address);
    if (s.lowest < 0 || t->total > s.lowest) return word_missed(why, "%s: cheapest: total %lld, the lowest is %lld", word, (long long)t->total, (long long)s.lowest);
  }
  if ((text = rk_json_cstr(want, "best", NULL))) {
    struct search s = search(c, want, t->qty, t->at_ms, t->address);
    if (strcmp(text, "rating") != 0) return word_missed(why, "%s: best: %s is not known", word, text);
    if (t->item->product->rating_tenths < s.best_rating)
      return word_missed(why, "%s: best rating: asked %d, got %d tenths", word, (int)s.best_rating, (int)t->item->product->rating_tenths);
  }
  if (json_object_get(want, "is_offer_shown") || json_object_get(want, "best_of_shown") || json_object_get(want, "cheapest_of_shown"))
    return was_shown(c, word, t, want, why);
  return true;
}

/* ---- orders ---- */

/* The line of `say` in which an order of a shop was made: by the user's own row of it. */
static int64_t line_of_order(const struct rk_case *c, const char *origin, const char *merchant_order_id) {
  size_t i;
  json_t *row;
  json_array_foreach(case_list(c, "orders"), i, row)
    if (rk_str_eq_c(rk_json_str(row, "merchant_origin"), origin) && rk_str_eq_c(rk_json_str(row, "merchant_order_id"), merchant_order_id))
      return case_line_of_turn(c, rk_json_cstr(row, "turn_id", ""));
  return -1;
}

/* An order of one line; else item is NULL. */
static struct thing thing_of_order(const struct rk_case *c, const json_t *v) {
  const json_t *order = rk_json_obj(v, "order"), *lines = rk_json_arr(order, "lines"), *line = json_array_get(lines, 0);
  const char *origin = rk_json_cstr(v, "origin", "");
  return (struct thing){.what = "order", .origin = origin, .order = order, .qty = rk_json_i64(line, "quantity", 0), .total = rk_json_i64(order, "total_minor", 0),
                        .item = json_array_size(lines) == 1 ? case_item(c, origin, rk_json_cstr(line, "item_id", "")) : NULL,
                        .at_ms = rk_json_i64(order, "placed_ms", 0), .address = rk_json_obj(order, "address"),
                        .line = line_of_order(c, origin, rk_json_cstr(order, "id", ""))};
}

/* A refund lowers the quantities of the report's lines: a want with a status counts what was bought. */
static int64_t bought_of(const struct rk_case *c, const json_t *v) {
  size_t i;
  json_t *row;
  json_array_foreach(case_list(c, "orders"), i, row)
    if (rk_str_eq_c(rk_json_str(row, "merchant_order_id"), rk_json_cstr(rk_json_obj(v, "order"), "id", "")))
      return rk_json_i64(json_array_get(rk_json_arr(rk_json_obj(row, "receipt"), "lines"), 0), "quantity", 0);
  return 0;
}

static bool order_fits(const struct rk_case *c, const json_t *v, const json_t *want, struct rk_buf *why) {
  const char *status = rk_json_cstr(want, "status", NULL), *got = rk_json_cstr(rk_json_obj(v, "order"), "status", "");
  struct thing t = thing_of_order(c, v);
  if (status && !case_is_status(got, status)) return word_missed(why, "orders: status: asked %s, got %s", status, got);
  if (status) t.qty = bought_of(c, v);
  return fits(c, "orders", &t, want, why);
}

/* Whether wants[at..] can be met by orders that are not used yet, one each. */
static bool match(const struct rk_case *c, const json_t *wants, size_t at, json_t *orders, bool used[]) {
  const json_t *want = json_array_get(wants, at);
  bool named = json_object_get(want, "status") != NULL;
  size_t i;
  json_t *v;
  if (at == json_array_size(wants)) return true;
  json_array_foreach(orders, i, v) {
    struct rk_buf ignored;
    rk_buf_init(&ignored, RK_MAX_WHY_BYTES);
    bool can = !used[i] && (named || rk_json_bool(v, "standing", false)) && order_fits(c, v, want, &ignored);
    rk_buf_release(&ignored);
    if (!can) continue;
    used[i] = true;
    if (match(c, wants, at + 1, orders, used)) return true;
    used[i] = false;
  }
  return false;
}

/* What keeps the nth want unmet: the reason of the first order that could have been it. */
static bool say_unmet(const struct rk_case *c, const json_t *wants, json_t *orders, struct rk_buf *why) {
  size_t i, k;
  json_t *v, *want;
  json_array_foreach((json_t *)(uintptr_t)wants, i, want) {
    bool met = false;
    json_array_foreach(orders, k, v) {
      struct rk_buf ignored;
      rk_buf_init(&ignored, RK_MAX_WHY_BYTES);
      met = met || order_fits(c, v, want, &ignored);
      rk_buf_release(&ignored);
    }
    json_array_foreach(orders, k, v)
      if (!met && (json_object_get(want, "status") || rk_json_bool(v, "standing", false))) return order_fits(c, v, want, why);
  }
  return word_missed(why, "orders: two of them would have to be the same order");
}

enum { MAX_ORDERS = 64 };

bool word_orders(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  const json_t *expect = case_expect(c);
  bool with_places = json_object_get(expect, "trips") || json_object_get(expect, "stays") || json_object_get(expect, "tickets") || json_object_get(expect, "films");
  json_t *all = case_orders(c), *orders = json_array(), *v;
  size_t i, n_standing = 0, n_wanted = json_array_size(arg), n_named = 0;
  bool used[MAX_ORDERS] = {false}, ok = true;
  json_array_foreach(all, i, v) {
    if (with_places && rk_json_bool(v, "travel", false)) continue;
    json_array_append(orders, v);
    n_standing += rk_json_bool(v, "standing", false);
  }
  if (!json_is_array(arg)) ok = word_missed(why, "orders: no list");
  for (i = 0; ok && i < n_wanted; i++) {
    ok = word_keys_known("orders", json_array_get(arg, i), order_keys, why);
    const char *status = rk_json_cstr(json_array_get(arg, i), "status", NULL);
    n_named += status != NULL;
  }
  if (ok && json_array_size(orders) > MAX_ORDERS) ok = word_missed(why, "orders: %zu of them", json_array_size(orders));
  if (ok && n_standing > n_wanted - n_named) ok = word_missed(why, "orders: asked %zu standing, got %zu", n_wanted - n_named, n_standing);
  if (ok && n_named == 0 && n_standing < n_wanted) ok = word_missed(why, "orders: asked %zu, got %zu", n_wanted, n_standing);
  if (ok && json_array_size(orders) < n_wanted) ok = word_missed(why, "orders: asked %zu, got %zu", n_wanted, json_array_size(orders));
  if (ok && !match(c, arg, 0, orders, used)) ok = say_unmet(c, arg, orders, why);
  json_decref(orders);
  json_decref(all);
  return ok;
}

/* ---- items in any number of orders ---- */

static bool takes(const struct rk_case *c, const char *origin, const json_t *line, const json_t *want) {
  const struct rk_item *item = case_item(c, origin, rk_json_cstr(line, "item_id", ""));
  return item && rk_market_meets(item, want);
}

/* cheapest_each: the lowest total of each item bought alone, added up. */
static int64_t sum_of_lowest(const struct rk_case *c, const json_t *items, const json_t *address) {
  size_t i;
  json_t *want;
  int64_t sum = 0;
  json_array_foreach((json_t *)(uintptr_t)items, i, want) {
    struct search s = search(c, want, rk_json_i64(want, "qty", 1), case_start_ms(c), address);
    sum += s.lowest < 0 ? 0 : s.lowest;
  }
  return sum;
}

bool word_orders_items(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  int64_t got[MAX_ORDERS] = {0}, sum = 0, max = rk_json_i64(case_expect(c), "orders_total_max_minor", -1);
  size_t i, k, n = json_array_size(arg);
  json_t *all = case_orders(c), *v, *line;
  const json_t *address = NULL;
  bool ok = (json_is_array(arg) && n <= MAX_ORDERS) || word_missed(why, "orders_items: no list"), each = false;
  for (i = 0; ok && i < n; i++) {
    ok = word_keys_known("orders_items", json_array_get(arg, i), item_keys, why);
    each = each || json_object_get(json_array_get(arg, i), "cheapest_each");
  }
  each = each || json_is_true(json_object_get(case_expect(c), "cheapest_each"));
  json_array_foreach(all, i, v) {
    const json_t *order = rk_json_obj(v, "order");
    if (!ok || !rk_json_bool(v, "standing", false) || rk_json_bool(v, "travel", false)) continue;
    sum += rk_json_i64(order, "total_minor", 0);
    address = rk_json_obj(order, "address");
    json_array_foreach(rk_json_arr(order, "lines"), k, line) {
      size_t w = 0;
      while (w < n && !takes(c, rk_json_cstr(v, "origin", ""), line, json_array_get(arg, w))) w++;
      if (w < n) got[w] += rk_json_i64(line, "quantity", 0);
      else if (ok) ok = word_missed(why, "orders_items: %s was not asked for", rk_json_cstr(line, "title", "something"));
    }
  }
  for (i = 0; ok && i < n; i++) {
    const json_t *want = json_array_get(arg, i);
    if (got[i] != rk_json_i64(want, "qty", 1))
      ok = word_missed(why, "orders_items: %s: asked %lld, got %lld", rk_json_cstr(want, "category", "item"), (long long)rk_json_i64(want, "qty", 1), (long long)got[i]);
  }
  if (ok && max >= 0 && sum > max) ok = word_missed(why, "orders_total_max_minor: asked %lld, got %lld", (long long)max, (long long)sum);
  if (ok && each && sum > sum_of_lowest(c, arg, address))
    ok = word_missed(why, "cheapest_each: asked %lld at most, got %lld", (long long)sum_of_lowest(c, arg, address), (long long)sum);
  json_decref(all);
  return ok;
}

/* ---- cards ---- */

static size_t n_distinct(const json_t *cards, bool shops_only) {
  size_t i, k, n = 0;
  json_t *card;
  json_array_foreach((json_t *)(uintptr_t)cards, i, card) {
    bool seen = false;
    for (k = 0; k < i && !seen; k++) {
      const json_t *other = json_array_get(cards, k);
      seen = rk_str_eq(rk_json_str(card, "origin"), rk_json_str(other, "origin")) && (shops_only || rk_str_eq(rk_json_str(card, "item_id"), rk_json_str(other, "item_id")));
    }
    n += !seen;
  }
  return n;
}

static bool enough_shown(const struct rk_case *c, const json_t *arg, const char *word, bool shops_only, struct rk_buf *why) {
  json_t *cards = case_cards(c, -1);
  size_t n = n_distinct(cards, shops_only);
  json_decref(cards);
  if (!json_is_integer(arg)) return word_missed(why, "%s: no number", word);
  return (json_int_t)n >= json_integer_value(arg) || word_missed(why, "%s: asked %lld, got %zu", word, (long long)json_integer_value(arg), n);
}

bool word_shown(const struct rk_case *c, const json_t *arg, struct rk_buf *why) { return enough_shown(c, arg, "shown", false, why); }
bool word_shown_merchants(const struct rk_case *c, const json_t *arg, struct rk_buf *why) { return enough_shown(c, arg, "shown_merchants", true, why); }

bool word_shown_all(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  json_t *cards = case_cards(c, -1), *card;
  int64_t max = rk_json_i64(arg, "max_total_minor", -1);
  size_t i;
  bool ok = word_keys_known("shown_all", arg, shown_keys, why);
  if (ok && json_array_size(cards) == 0) ok = word_missed(why, "shown_all: nothing was shown");
  json_array_foreach(cards, i, card) {
    struct thing t = {.what = "card", .origin = rk_json_cstr(card, "origin", ""), .item = card_item(c, card)};
    int64_t total = rk_json_i64(card, "total_minor", 0);
    if (ok && !t.item) ok = word_missed(why, "shown_all: card %zu is of no item that the shop sells", i + 1);
    if (ok) ok = is_kind("shown_all", &t, arg, why);
    if (ok && max >= 0 && total > max) ok = word_missed(why, "shown_all: max_total_minor: asked %lld, got %lld", (long long)max, (long long)total);
  }
  json_decref(cards);
  return ok;
}

/* The lowest total of each product, by shop and product. */
struct per_product { struct rk_case const *c; struct rk_need need; json_t *lowest; };

static void keep_lowest(void *ud, int32_t shop, const struct rk_item *item) {
  struct per_product *p = ud;
  char key[200];
  int64_t total;
  if (!rk_market_lowest(&p->c->market->shops[shop].catalog, item, 1, &p->need, &total)) return;
  snprintf(key, sizeof key, "%d %s", (int)shop, item->product->id);
  const json_t *known = json_object_get(p->lowest, key);
  if (!known || json_integer_value(known) > total) json_object_set_new(p->lowest, key, json_integer(total));
}

/* Which keys the ranked offers meet: those of shown_all, else of the order that is asked for, else the kind of the first card. */
static json_t *ranked_keys(const struct rk_case *c, const json_t *first_card) {
  const json_t *from = rk_json_obj(case_expect(c), "shown_all"), *order = json_array_get(rk_json_arr(case_expect(c), "orders"), 0);
  const struct rk_item *item = card_item(c, first_card);
  json_t *keys = json_object();
  if (!from) from = order;
  static const char *const copied[] = {"category", "attr", "title_has", "not_brand"};
  for (size_t i = 0; from && i < sizeof copied / sizeof *copied; i++)
    if (json_object_get(from, copied[i])) json_object_set(keys, copied[i], json_object_get(from, copied[i]));
  if (!json_object_get(keys, "category") && item) json_object_set_new(keys, "category", json_string(item->product->category->id));
  return keys;
}

static int by_total(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

/* The n lowest totals of products of all shops, ascending, into out; how many there are. */
static size_t lowest_totals(const struct rk_case *c, const json_t *first_card, int64_t *out, size_t n) {
  json_t *keys = ranked_keys(c, first_card), *v;
  struct per_product p = {.c = c, .need = {.at_ms = case_start_ms(c)}, .lowest = json_object()};
  const char *key;
  size_t n_all = 0;
  rk_market_each(c->market, keys, 1, keep_lowest, &p);
  int64_t *all = calloc(json_object_size(p.lowest) + 1, sizeof *all);
  if (all) {
    json_object_foreach(p.lowest, key, v) all[n_all++] = json_integer_value(v);
    qsort(all, n_all, sizeof *all, by_total);
    if (n_all > n) n_all = n;
    memcpy(out, all, n_all * sizeof *out);
  }
  free(all);
  json_decref(p.lowest);
  json_decref(keys);
  return n_all;
}

bool word_shown_cheapest(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  json_t *cards = case_cards(c, -1);
  json_int_t n = json_integer_value(arg);
  int64_t lowest[RK_MAX_CARDS], shown[RK_MAX_CARDS] = {0};
  bool ok = (json_is_integer(arg) && n > 0 && n <= RK_MAX_CARDS) || word_missed(why, "shown_cheapest: a number from 1 to %d", (int)RK_MAX_CARDS);
  if (ok && (json_int_t)json_array_size(cards) < n) ok = word_missed(why, "shown_cheapest: asked %lld, got %zu cards", (long long)n, json_array_size(cards));
  if (ok) {
    size_t n_lowest = lowest_totals(c, json_array_get(cards, 0), lowest, (size_t)n);
    for (size_t i = 0; i < (size_t)n; i++) shown[i] = rk_json_i64(json_array_get(cards, i), "total_minor", 0);
    qsort(shown, (size_t)n, sizeof *shown, by_total);
    for (size_t i = 0; ok && i < (size_t)n; i++)
      if (i >= n_lowest || shown[i] != lowest[i])
        ok = word_missed(why, "shown_cheapest: the total of place %zu: asked %lld, got %lld", i + 1, i < n_lowest ? (long long)lowest[i] : -1LL, (long long)shown[i]);
  }
  json_decref(cards);
  return ok;
}

/* ---- approvals ---- */

static struct thing thing_of_approval(const struct rk_case *c, const json_t *event) {
  const json_t *approval = rk_json_obj(rk_json_obj(event, "data"), "approval"), *terms = rk_json_obj(approval, "terms"), *lines = rk_json_arr(terms, "lines"),
               *line = json_array_get(lines, 0);
  const char *origin = rk_json_cstr(rk_json_obj(terms, "merchant"), "origin", "");
  return (struct thing){.what = "card", .origin = origin, .qty = rk_json_i64(line, "quantity", 0), .total = rk_json_i64(terms, "total_minor", 0), .order = terms,
                        .item = json_array_size(lines) == 1 ? case_item(c, origin, rk_json_cstr(line, "item_id", "")) : NULL,
                        .at_ms = rk_json_i64(event, "time_ms", 0), .line = case_line_of_turn(c, rk_json_cstr(event, "turn_id", ""))};
}

bool word_card(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  struct rk_buf first;
  size_t i, n = 0;
  json_t *ev;
  bool met = false;
  if (!word_keys_known("card", arg, card_keys, why)) return false;
  rk_buf_init(&first, RK_MAX_WHY_BYTES);
  json_array_foreach(case_list(c, "events"), i, ev) {
    const json_t *approval = rk_json_obj(rk_json_obj(ev, "data"), "approval");
    if (!rk_str_eq_c(rk_json_str(ev, "type"), "approval_request") || strcmp(rk_json_cstr(approval, "kind", "purchase"), "purchase") != 0) continue;
    struct thing t = thing_of_approval(c, ev);
    n++;
    met = met || fits(c, "card", &t, arg, &first);
  }
  if (!met) word_missed(why, "%s", n ? first.p : "card: no purchase approval was asked for");
  rk_buf_release(&first);
  return met;
}
