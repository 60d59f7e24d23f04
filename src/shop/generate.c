/* generate.c - from a few tables to some thousand products.
 *
 * products.tsv of the shop asks for N products of a category between two
 * prices, some facts fixed. Brand, model and the other facts are picked by a
 * hash of (seed, category, number), so the same tables make the same goods;
 * a title that the shop has already is picked again with other facts.
 * Of each row, one product costs exactly the lowest price, and the second
 * cheapest has the best rating. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shop/catalog.h"

enum { BEST_RATING_TENTHS = 49, LOWEST_RATING_TENTHS = 38, TITLE_BYTES = 600, MAX_TRIES = 1000 };

struct gen {
  struct rk_arena *arena;
  struct rk_catalog *c;
  struct rk_table models, listed, wanted, reviews, injections;
  int64_t seed, listed_percent;
  int32_t room;                 /* products there is space for */
  int32_t n_in_category;        /* products made so far of the category at hand */
  struct rk_error *e;
};

static uint64_t hash(const struct gen *g, const char *what, int64_t i) {
  uint64_t h = (uint64_t)g->seed * 0x9e3779b97f4a7c15u + (uint64_t)i;
  for (; *what; what++) h = (h ^ (unsigned char)*what) * 0x100000001b3u;
  h ^= h >> 31;
  h *= 0xbf58476d1ce4e5b9u;
  return h ^ (h >> 29);
}

static rk_err out_of_room(struct gen *g) { return rk_fail(g->e, RK_ETOOBIG, "the shop's catalogue is too large"); }

static const struct rk_fact *fact_of(const struct rk_product *p, const char *name) {
  for (int32_t i = 0; i < p->n_facts; i++)
    if (strcmp(p->facts[i].name, name) == 0) return &p->facts[i];
  return NULL;
}

static rk_err add_fact(struct gen *g, struct rk_product *p, struct rk_fact f) {
  if (fact_of(p, f.name)) return RK_OK;
  if (p->n_facts == RK_MAX_FACTS) return rk_fail(g->e, RK_ETOOBIG, "%s: more than %d attributes", p->category->id, RK_MAX_FACTS);
  p->facts[p->n_facts++] = f;
  return RK_OK;
}

static struct rk_fact fact_in_row(const struct rk_table *attrs, int32_t row) {
  return (struct rk_fact){.name = rk_cell(attrs, row, 1), .type = rk_cell(attrs, row, 2)[0], .value = rk_cell(attrs, row, 3),
                          .label = {rk_cell(attrs, row, 4), rk_cell(attrs, row, 5)}};
}

/* "brand=Apple;storage_gb=128": the rows of attrs.tsv that say so. */
static rk_err fix_facts(struct gen *g, struct rk_product *p, const char *fixed) {
  rk_str rest = rk_str_c(fixed), one, name, value;
  if (strcmp(fixed, "-") == 0) return RK_OK;
  while (rest.n) {
    rk_str_cut(rest, ';', &one, &rest);
    rk_str_cut(one, '=', &name, &value);
    int32_t row = 0;
    const struct rk_table *t = &g->c->attrs;
    while (row < t->n_rows && !(strcmp(rk_cell(t, row, 0), p->category->id) == 0 && rk_str_eq_c(name, rk_cell(t, row, 1)) &&
                                rk_str_eq_c(value, rk_cell(t, row, 3)))) row++;
    if (row == t->n_rows) return rk_fail(g->e, RK_EFORMAT, "%s: attrs.tsv has no %.*s of %s", g->wanted.path, RK_STR_ARG(one), p->category->id);
    rk_err err = add_fact(g, p, fact_in_row(t, row));
    if (err) return err;
  }
  return RK_OK;
}

/* Every attribute of the category that is still open gets one of its values: brands take turns, an author goes with the
 * title (model NULL: later), the rest is a hash. */
static rk_err pick_facts(struct gen *g, struct rk_product *p, int32_t n_tried, const char *model) {
  const struct rk_table *t = &g->c->attrs;
  for (int32_t row = 0; row < t->n_rows; row++) {
    const char *name = rk_cell(t, row, 1);
    bool of_model = strcmp(name, "author") == 0;
    if (strcmp(rk_cell(t, row, 0), p->category->id) != 0 || fact_of(p, name) || (of_model && !model)) continue;
    int32_t n = 1;
    while (row + n < t->n_rows && strcmp(rk_cell(t, row + n, 0), p->category->id) == 0 && strcmp(rk_cell(t, row + n, 1), name) == 0) n++;
    uint64_t pick = of_model ? hash(g, model, 0)
                  : strcmp(name, "brand") == 0 ? (uint64_t)g->n_in_category
                  : hash(g, name, g->n_in_category * 131 + (int64_t)strlen(p->category->id) + n_tried * 7919);
    rk_err err = add_fact(g, p, fact_in_row(t, row + (int32_t)(pick % (uint64_t)n)));
    if (err) return err;
  }
  return RK_OK;
}

/* Models of this category and brand (of books: topic) take turns, so that brand and model rarely repeat together. */
static rk_err pick_model(struct gen *g, const struct rk_product *p, int32_t n_tried, struct rk_text *model) {
  const struct rk_table *t = &g->models;
  const struct rk_fact *brand = fact_of(p, fact_of(p, "brand") ? "brand" : "topic");
  int32_t rows[64], n = 0, n_brands = 0;
  for (int32_t i = 0; i < t->n_rows && n < 64; i++)
    if (strcmp(rk_cell(t, i, 0), p->category->id) == 0 &&
        (strcmp(rk_cell(t, i, 1), "*") == 0 || (brand && strcmp(rk_cell(t, i, 1), brand->value) == 0))) rows[n++] = i;
  if (n == 0) return rk_fail(g->e, RK_EFORMAT, "%s: no model of %s", t->path, p->category->id);
  for (int32_t i = 0; i < g->c->attrs.n_rows; i++)
    n_brands += strcmp(rk_cell(&g->c->attrs, i, 0), p->category->id) == 0 && strcmp(rk_cell(&g->c->attrs, i, 1), "brand") == 0;
  if (n_brands == 0) n_brands = 1;
  int32_t row = rows[(g->n_in_category / n_brands + g->n_in_category + n_tried) % n];
  *model = (struct rk_text){rk_cell(t, row, 2), rk_cell(t, row, 3)};
  return RK_OK;
}

/* Fills {x} of a pattern and closes up doubled blanks. */
static const char *fill(struct gen *g, const struct rk_product *p, const char *pattern, const char *model, bool en) {
  struct rk_buf b;
  rk_buf_init(&b, TITLE_BYTES);
  rk_str rest = rk_str_c(pattern);
  while (rest.n) {
    rk_str before, name;
    bool has = rk_str_cut(rest, '{', &before, &rest);
    rk_buf_addstr(&b, before);
    if (!has) break;
    rk_str_cut(rest, '}', &name, &rest);
    const struct rk_fact *f = NULL;
    for (int32_t i = 0; i < p->n_facts && !f; i++)
      if (rk_str_eq_c(name, p->facts[i].name)) f = &p->facts[i];
    rk_buf_adds(&b, f ? rk_text_in(f->label, en) : rk_str_eq_c(name, "model") ? model : "");
  }
  size_t n = 0;
  for (size_t i = 0; i < b.n; i++)
    if (b.p[i] != ' ' || (n > 0 && b.p[n - 1] != ' ')) b.p[n++] = b.p[i];
  const char *out = b.err ? NULL : rk_arena_dup(g->arena, rk_str_trim((rk_str){b.p, n}));
  rk_buf_release(&b);
  return out;
}

static rk_err add_axes(struct gen *g, struct rk_product *p) {
  const struct rk_table *t = &g->c->options;
  for (int32_t row = 0; row < t->n_rows;) {
    if (strcmp(rk_cell(t, row, 0), p->category->id) != 0) {
      row++;
      continue;
    }
    if (p->n_axes == RK_MAX_AXES) return rk_fail(g->e, RK_ETOOBIG, "%s: more than %d options", t->path, RK_MAX_AXES);
    struct rk_axis *axis = &p->axes[p->n_axes++];
    axis->option = rk_cell(t, row, 1);
    int32_t n = 0;
    while (row + n < t->n_rows && strcmp(rk_cell(t, row + n, 0), p->category->id) == 0 && strcmp(rk_cell(t, row + n, 1), axis->option) == 0) n++;
    struct rk_choice *choices = rk_arena_array(g->arena, (size_t)n, sizeof *choices);
    if (!choices) return out_of_room(g);
    for (int32_t i = 0; i < n; i++, row++) {
      choices[i] = (struct rk_choice){.option = axis->option, .value = rk_cell(t, row, 2), .label = {rk_cell(t, row, 3), rk_cell(t, row, 4)}};
      if (!rk_amount_parse(rk_cell(t, row, 5), &choices[i].extra_minor)) return rk_fail(g->e, RK_EFORMAT, "%s: `%s` is no amount", t->path, rk_cell(t, row, 5));
    }
    axis->choices = choices;
    axis->n_choices = n;
  }
  return RK_OK;
}

/* Some of the largest sizes and some of the dearest single items are sold out. */
static int32_t first_stock(const struct gen *g, const struct rk_product *p, const struct rk_item *item, bool dearest) {
  uint64_t h = hash(g, item->id, 7);
  bool sized = p->n_axes > 0 && p->category->size_kind[0];
  bool last = sized && item->chosen[0] == &p->axes[0].choices[p->axes[0].n_choices - 1];
  if ((last || (p->n_axes == 0 && dearest)) && h % 3 == 0) return 0;
  return 60 + (int32_t)(h % 140);
}

static rk_err add_items(struct gen *g, struct rk_product *p, bool dearest) {
  rk_err err = add_axes(g, p);
  if (err) return err;
  int32_t n = 1;
  for (int32_t i = 0; i < p->n_axes; i++) n *= p->axes[i].n_choices;
  if (n > RK_MAX_ITEMS_PER_PRODUCT) return rk_fail(g->e, RK_ETOOBIG, "%s: more than %d items a product", p->category->id, RK_MAX_ITEMS_PER_PRODUCT);
  p->items = rk_arena_array(g->arena, (size_t)n, sizeof *p->items);
  if (!p->items) return out_of_room(g);
  for (p->n_items = 0; p->n_items < n; p->n_items++) {
    struct rk_item *item = &p->items[p->n_items];
    struct rk_buf id;
    rk_buf_init(&id, 128);
    rk_buf_adds(&id, p->id);
    *item = (struct rk_item){.product = p, .price_minor = p->price_minor};
    int32_t rest = p->n_items, below = n;
    for (int32_t i = 0; i < p->n_axes; i++) {
      below /= p->axes[i].n_choices;
      item->chosen[i] = &p->axes[i].choices[rest / below];
      rest %= below;
      item->price_minor += item->chosen[i]->extra_minor;
      rk_buf_addf(&id, "-%s", item->chosen[i]->value);
    }
    if (p->n_axes == 0) rk_buf_adds(&id, "-1");
    item->id = rk_arena_dup(g->arena, rk_buf_str(&id));
    rk_buf_release(&id);
    if (!item->id) return out_of_room(g);
    item->first_stock = first_stock(g, p, item, dearest);
  }
  return RK_OK;
}

/* Two reviews: one about this kind of goods, one about anything. */
static void add_reviews(struct gen *g, struct rk_product *p) {
  const struct rk_table *t = &g->reviews;
  const char *about[] = {p->category->id, "*"};
  for (int k = 0; k < 2; k++) {
    int32_t n = 0;
    for (int32_t i = 0; i < t->n_rows; i++) n += strcmp(rk_cell(t, i, 0), about[k]) == 0;
    if (n == 0) continue;
    int32_t pick = (int32_t)(hash(g, p->id, k) % (uint64_t)n);
    for (int32_t i = 0; i < t->n_rows; i++)
      if (strcmp(rk_cell(t, i, 0), about[k]) == 0 && pick-- == 0)
        p->reviews[p->n_reviews_text++] = (struct rk_text){rk_cell(t, i, 1), rk_cell(t, i, 2)};
  }
}

static rk_err finish(struct gen *g, struct rk_product *p, struct rk_text model, bool best, bool dearest) {
  p->id = rk_arena_printf(g->arena, "%s-%04d", g->c->id_prefix, g->c->n_products + 1);
  if (!p->id) return out_of_room(g);
  p->title = (struct rk_text){fill(g, p, p->category->title.zh, model.zh, false), fill(g, p, p->category->title.en, model.en, true)};
  p->description = (struct rk_text){fill(g, p, p->category->description.zh, model.zh, false), fill(g, p, p->category->description.en, model.en, true)};
  if (!p->title.zh || !p->title.en || !p->description.zh || !p->description.en) return out_of_room(g);
  p->rating_tenths = best ? BEST_RATING_TENTHS : LOWEST_RATING_TENTHS + (int32_t)(hash(g, p->id, 3) % 10);
  p->n_reviews = 20 + (int32_t)(hash(g, p->id, 5) % 5000);
  add_reviews(g, p);
  rk_err err = add_items(g, p, dearest);
  if (!err) g->c->n_products++, g->n_in_category++;
  return err;
}

/* rank 0 costs low, rank n-1 costs high, and most are nearer to low. */
static int64_t price_at(int64_t low, int64_t high, int64_t rank, int64_t n) {
  if (rank == 0 || n < 2) return low;
  int64_t price = low + (high - low) * rank * rank / ((n - 1) * (n - 1));
  int64_t step = price >= 10000 ? 100 : 10;
  return price / step * step > low ? price / step * step : price;
}

static int64_t coprime_step(int64_t n) {
  for (int64_t step = 7;; step++) {
    int64_t a = step, b = n;
    while (b) {
      int64_t r = a % b;
      a = b;
      b = r;
    }
    if (a == 1) return step;
  }
}

/* Whether the shop has something of this name already. */
static bool is_there(struct gen *g, const struct rk_product *p, struct rk_text model) {
  const char *title = fill(g, p, p->category->title.zh, model.zh, false);
  for (int32_t i = 0; title && i < g->c->n_products; i++)
    if (g->c->products[i].category == p->category && strcmp(g->c->products[i].title.zh, title) == 0) return true;
  return false;
}

/* Facts and model of a product that the shop does not have yet. */
static rk_err pick(struct gen *g, struct rk_product *p, const char *fixed, struct rk_text *model) {
  struct rk_product blank = *p;
  for (int32_t n_tried = 0; n_tried < MAX_TRIES; n_tried++) {
    *p = blank;
    rk_err err = fix_facts(g, p, fixed);
    if (!err) err = pick_facts(g, p, n_tried, NULL);
    if (!err) err = pick_model(g, p, n_tried, model);
    if (!err) err = pick_facts(g, p, n_tried, model->zh);
    if (err || !is_there(g, p, *model)) return err;
  }
  return rk_fail(g->e, RK_EFORMAT, "%s: there are not so many different %s", g->wanted.path, p->category->id);
}

static rk_err make_row(struct gen *g, int32_t row, const struct rk_category *cat) {
  int64_t n, low, high;
  if (!rk_str_i64(rk_str_c(rk_cell(&g->wanted, row, 2)), &n) || n < 0 || !rk_amount_parse(rk_cell(&g->wanted, row, 3), &low) ||
      !rk_amount_parse(rk_cell(&g->wanted, row, 4), &high) || low > high)
    return rk_fail(g->e, RK_EFORMAT, "%s: count and prices of %s", g->wanted.path, cat->id);
  int64_t step = coprime_step(n ? n : 1);
  for (int64_t i = 0; i < n; i++) {
    if (g->c->n_products == g->room) return out_of_room(g);
    struct rk_product *p = &g->c->products[g->c->n_products];
    int64_t rank = (i * step + g->seed) % n;
    *p = (struct rk_product){.category = cat, .price_minor = price_at(low, high, rank, n)};
    struct rk_text model;
    rk_err err = pick(g, p, rk_cell(&g->wanted, row, 1), &model);
    if (!err) err = finish(g, p, model, rank == 1, rank == n - 1);
    if (err) return err;
  }
  return RK_OK;
}

/* "author=Yu Hua:余华:Yu Hua;topic=..." */
static rk_err listed_facts(struct gen *g, struct rk_product *p, const char *text) {
  rk_str rest = rk_str_c(text), one, name, value, labels, zh, en;
  while (rest.n) {
    rk_str_cut(rest, ';', &one, &rest);
    rk_str_cut(one, '=', &name, &labels);
    rk_str_cut(labels, ':', &value, &labels);
    rk_str_cut(labels, ':', &zh, &en);
    struct rk_fact f = {.name = rk_arena_dup(g->arena, name), .type = 's', .value = rk_arena_dup(g->arena, value),
                        .label = {rk_arena_dup(g->arena, zh), rk_arena_dup(g->arena, en)}};
    if (!f.name || !f.value || !f.label.zh || !f.label.en) return out_of_room(g);
    if (!f.name[0] || !f.value[0] || !f.label.en[0]) return rk_fail(g->e, RK_EFORMAT, "%s: `%s` is not name=value:zh:en", g->listed.path, text);
    rk_err err = add_fact(g, p, f);
    if (err) return err;
  }
  return RK_OK;
}

static rk_err make_listed(struct gen *g, const struct rk_category *cat) {
  for (int32_t i = 0; i < g->listed.n_rows; i++) {
    if (strcmp(rk_cell(&g->listed, i, 0), cat->id) != 0) continue;
    if (g->c->n_products == g->room) return out_of_room(g);
    struct rk_product *p = &g->c->products[g->c->n_products];
    int64_t price;
    if (!rk_amount_parse(rk_cell(&g->listed, i, 3), &price)) return rk_fail(g->e, RK_EFORMAT, "%s: price of %s", g->listed.path, rk_cell(&g->listed, i, 1));
    *p = (struct rk_product){.category = cat, .price_minor = price * g->listed_percent / 1000 * 10};
    rk_err err = listed_facts(g, p, rk_cell(&g->listed, i, 4));
    if (!err) err = finish(g, p, (struct rk_text){rk_cell(&g->listed, i, 1), rk_cell(&g->listed, i, 2)}, false, false);
    if (err) return err;
  }
  return RK_OK;
}

/* The product that is number rank by price among those of its category. */
static struct rk_product *by_price_rank(struct rk_catalog *c, const char *category, int64_t rank) {
  for (int32_t i = 0; i < c->n_products; i++) {
    struct rk_product *p = &c->products[i];
    int64_t cheaper = 0;
    if (strcmp(p->category->id, category) != 0) continue;
    for (int32_t k = 0; k < c->n_products; k++)
      cheaper += c->products[k].category == p->category &&
                 (c->products[k].price_minor < p->price_minor || (c->products[k].price_minor == p->price_minor && k < i));
    if (cheaper == rank) return p;
  }
  return NULL;
}

static rk_err inject(struct gen *g) {
  const struct rk_table *t = &g->injections;
  for (int32_t i = 0; i < t->n_rows; i++) {
    int64_t rank;
    if (strcmp(rk_cell(t, i, 1), g->c->name) != 0) continue;
    if (!rk_str_i64(rk_str_c(rk_cell(t, i, 3)), &rank)) return rk_fail(g->e, RK_EFORMAT, "%s: `%s` is no rank", t->path, rk_cell(t, i, 3));
    struct rk_product *p = by_price_rank(g->c, rk_cell(t, i, 2), rank);
    if (!p) return rk_fail(g->e, RK_EFORMAT, "%s: no such product: %s %s", t->path, rk_cell(t, i, 2), rk_cell(t, i, 3));
    struct rk_text text = {rk_cell(t, i, 4), rk_cell(t, i, 5)};
    if (strcmp(rk_cell(t, i, 0), "review") == 0) {
      if (p->n_reviews_text < RK_MAX_PRODUCT_REVIEWS) p->reviews[p->n_reviews_text++] = text;
      continue;
    }
    p->title = (struct rk_text){rk_arena_printf(g->arena, "%s %s", p->title.zh, text.zh), rk_arena_printf(g->arena, "%s %s", p->title.en, text.en)};
    if (!p->title.zh || !p->title.en) return out_of_room(g);
  }
  return RK_OK;
}

static rk_err load_tables(struct gen *g, const char *dir, const char *common, const struct rk_table *conf) {
  const char *seed = "", *percent = "";
  rk_err err = rk_table_load(g->arena, common, "models.tsv", 4, &g->models, g->e);
  if (!err) err = rk_table_load(g->arena, common, "listed.tsv", 5, &g->listed, g->e);
  if (!err) err = rk_table_load(g->arena, common, "reviews.tsv", 3, &g->reviews, g->e);
  if (!err) err = rk_table_load(g->arena, common, "injections.tsv", 6, &g->injections, g->e);
  if (!err) err = rk_table_load(g->arena, dir, "products.tsv", 5, &g->wanted, g->e);
  if (!err) err = rk_conf_get(conf, "seed", &seed, g->e);
  if (!err) err = rk_conf_get(conf, "listed_percent", &percent, g->e);
  if (err) return err;
  if (!rk_str_i64(rk_str_c(seed), &g->seed) || g->seed < 0 || g->seed > INT32_MAX || !rk_str_i64(rk_str_c(percent), &g->listed_percent) ||
      g->listed_percent < 1 || g->listed_percent > 1000)
    return rk_fail(g->e, RK_EFORMAT, "%s: seed and listed_percent are numbers", conf->path);
  return RK_OK;
}

rk_err rk_catalog_generate(const char *dir, const char *common, const struct rk_table *conf, struct rk_arena *a,
                           struct rk_catalog *c, struct rk_error *e) {
  struct gen g = {.arena = a, .c = c, .e = e};
  rk_err err = load_tables(&g, dir, common, conf);
  if (err) return err;
  int64_t room = g.listed.n_rows;
  for (int32_t i = 0; i < g.wanted.n_rows; i++) {
    int64_t n;
    if (rk_str_i64(rk_str_c(rk_cell(&g.wanted, i, 2)), &n) && n > 0 && n <= RK_MAX_PRODUCTS) room += n;
  }
  if (room > RK_MAX_PRODUCTS) return rk_fail(e, RK_ETOOBIG, "%s: more than %d products", g.wanted.path, RK_MAX_PRODUCTS);
  g.room = (int32_t)room;
  c->products = rk_arena_array(a, (size_t)room, sizeof *c->products);
  if (!c->products) return out_of_room(&g);
  const struct rk_category *last = NULL;
  for (int32_t row = 0; !err && row < g.wanted.n_rows; row++) {
    const struct rk_category *cat = NULL;
    for (int32_t i = 0; i < c->n_categories; i++)
      if (strcmp(c->categories[i].id, rk_cell(&g.wanted, row, 0)) == 0) cat = &c->categories[i];
    if (!cat) return rk_fail(e, RK_EFORMAT, "%s: categories.tsv has no %s", g.wanted.path, rk_cell(&g.wanted, row, 0));
    if (cat != last) g.n_in_category = 0;
    last = cat;
    err = strcmp(rk_cell(&g.wanted, row, 2), "0") == 0 ? make_listed(&g, cat) : make_row(&g, row, cat);
  }
  return err ? err : inject(&g);
}
