#include "shop/goods.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

/* ---- rows ---- */

static bool sku_ok(rk_str s) {
  for (size_t i = 0; i < s.n; i++)
    if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= 'A' && s.p[i] <= 'Z') || strchr("-_.", s.p[i]))) return false;
  return s.n > 0 && s.n <= 64;
}

static const char *const texts[] = {"title", "title_en", "description", "description_en", "category"};

rk_err rk_goods_check(const json_t *row, struct rk_error *e) {
  int64_t price = rk_json_i64(row, "price_minor", -1), stock = rk_json_i64(row, "stock", -1), weight = rk_json_i64(row, "weight_g", 0);
  if (!sku_ok(rk_json_str(row, "sku"))) return rk_fail(e, RK_EINVAL, "sku: 1 to 64 letters, digits or - _ .");
  if (!sku_ok(rk_json_str(row, "product"))) return rk_fail(e, RK_EINVAL, "product: 1 to 64 letters, digits or - _ .");
  if (rk_json_str(row, "title").n == 0) return rk_fail(e, RK_EINVAL, "title: it is empty");
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    if (rk_json_str(row, texts[i]).n > RK_MAX_GOODS_TEXT) return rk_fail(e, RK_EINVAL, "%s: over %d bytes", texts[i], RK_MAX_GOODS_TEXT);
  if (price < 0 || price > (int64_t)RK_MAX_TOTAL_MINOR) return rk_fail(e, RK_EINVAL, "price: an amount from 0 to %lld", (long long)RK_MAX_TOTAL_MINOR / 100);
  if (stock < 0 || stock > RK_MAX_STOCK) return rk_fail(e, RK_EINVAL, "stock: a whole number from 0 to %d", RK_MAX_STOCK);
  if (weight < 0 || weight > 1000000) return rk_fail(e, RK_EINVAL, "weight_g: grams from 0 to 1000000");
  if (json_object_size(rk_json_obj(row, "options")) > RK_MAX_AXES) return rk_fail(e, RK_EINVAL, "options: more than %d", RK_MAX_AXES);
  if (json_object_size(rk_json_obj(row, "facts")) > RK_MAX_FACTS) return rk_fail(e, RK_EINVAL, "fact: more than %d", RK_MAX_FACTS);
  return RK_OK;
}

/* ---- a table ---- */

/* Columns and the names that they go by. */
static const struct { const char *name, *also; } columns[] = {
    {"sku", "编号"}, {"product", "商品"}, {"category", "分类"}, {"title", "名称"}, {"title_en", "英文名"}, {"description", "描述"},
    {"description_en", "英文描述"}, {"options", "规格"}, {"price", "价格"}, {"stock", "库存"}, {"weight_g", "重量克"}};
enum column { SKU, PRODUCT, CATEGORY, TITLE, TITLE_EN, DESCRIPTION, DESCRIPTION_EN, OPTIONS, PRICE, STOCK, WEIGHT, N_COLUMNS };

struct importer {
  const struct rk_csv *c;
  int32_t at[N_COLUMNS];
  struct rk_buf *report;
  int32_t n_faults;
  json_t *seen;                     /* sku -> line; product -> its first row */
  json_t *products;
};

static void fault(struct importer *m, int32_t line, const char *fmt, ...) RK_PRINTF(3, 4);
static void fault(struct importer *m, int32_t line, const char *fmt, ...) {
  char text[400];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  if (m->n_faults++ < RK_MAX_GOODS_FAULTS) rk_buf_addf(m->report, "line %d, %s\n", (int)line, text);
}

static const char *cell(const struct importer *m, int32_t row, enum column col) { return rk_csv_cell(m->c, row, m->at[col]); }

static bool find_columns(struct importer *m, struct rk_error *e) {
  static const enum column wanted[] = {SKU, TITLE, PRICE, STOCK};
  for (int32_t i = 0; i < N_COLUMNS; i++) {
    m->at[i] = rk_csv_column(m->c, columns[i].name);
    if (m->at[i] < 0) m->at[i] = rk_csv_column(m->c, columns[i].also);
  }
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
    if (m->at[wanted[i]] < 0) {
      rk_fail(e, RK_EFORMAT, "line 1: the column `%s` (%s) is missing", columns[wanted[i]].name, columns[wanted[i]].also);
      return false;
    }
  for (int32_t i = 0; i < m->c->n_columns; i++) {
    bool known = strncmp(m->c->columns[i], "fact.", 5) == 0;
    for (int32_t k = 0; k < N_COLUMNS; k++) known = known || m->at[k] == i;
    if (!known) fault(m, 1, "column `%.60s`: unknown; see docs/shop.md for the names", m->c->columns[i]);
  }
  return true;
}

/* "colour=red;size=42" */
static json_t *read_options(struct importer *m, int32_t row) {
  json_t *out = json_object();
  rk_str rest = rk_str_c(cell(m, row, OPTIONS)), one, name, value;
  while (rest.n) {
    rk_str_cut(rest, ';', &one, &rest);
    bool pair = rk_str_cut(one, '=', &name, &value);
    name = rk_str_trim(name);
    value = rk_str_trim(value);
    if (rk_str_trim(one).n == 0) continue;
    if (!pair || name.n == 0 || value.n == 0 || name.n > 60 || value.n > 60)
      fault(m, m->c->lines[row], "options: `%.*s` is no NAME=VALUE", (int)(one.n < 60 ? one.n : 60), one.p);
    else json_object_setn_new(out, name.p, name.n, json_stringn(value.p, value.n));
  }
  return out;
}

static json_t *read_facts(const struct importer *m, int32_t row) {
  json_t *out = json_object();
  for (int32_t i = 0; i < m->c->n_columns; i++)
    if (strncmp(m->c->columns[i], "fact.", 5) == 0 && *rk_csv_cell(m->c, row, i))
      json_object_set_new(out, m->c->columns[i] + 5, json_string(rk_csv_cell(m->c, row, i)));
  return out;
}

static int64_t read_price(struct importer *m, int32_t row) {
  int64_t minor = 0;
  if (!rk_amount_parse(cell(m, row, PRICE), &minor)) fault(m, m->c->lines[row], "price: `%.40s` is no amount; write 12.50", cell(m, row, PRICE));
  return minor;
}

static int64_t read_number(struct importer *m, int32_t row, enum column col, int64_t empty) {
  int64_t n = empty;
  const char *text = cell(m, row, col);
  if (*text && !rk_str_i64(rk_str_c(text), &n)) {
    fault(m, m->c->lines[row], "%s: `%.40s` is no whole number", columns[col].name, text);
    return 0;
  }
  return n;
}

/* Variants of a product have the same options, and no two the same values. */
static void check_variant(struct importer *m, int32_t row, const json_t *v) {
  const char *product = rk_json_cstr(v, "product", ""), *name;
  json_t *others = json_object_get(m->products, product), *value;
  const json_t *mine = rk_json_obj(v, "options");
  char *key = json_dumps(mine, JSON_SORT_KEYS | JSON_COMPACT);
  if (!others) json_object_set_new(m->products, product, others = json_pack("{s:O, s:{}}", "options", mine, "values"));
  const json_t *first = json_object_get(others, "options");
  bool same = json_object_size(first) == json_object_size(mine);
  json_object_foreach((json_t *)(uintptr_t)mine, name, value) same = same && json_object_get(first, name);
  if (!same) fault(m, m->c->lines[row], "options: the rows of `%s` do not name the same options", product);
  else if (json_object_get(json_object_get(others, "values"), key)) fault(m, m->c->lines[row], "options: another row of `%s` has the same", product);
  if (json_object_size(json_object_get(others, "values")) == RK_MAX_ITEMS_PER_PRODUCT)
    fault(m, m->c->lines[row], "product: `%s` has more than %d rows", product, RK_MAX_ITEMS_PER_PRODUCT);
  json_object_set_new(json_object_get(others, "values"), key, json_true());
  free(key);
}

static json_t *read_row(struct importer *m, int32_t row) {
  const char *sku = cell(m, row, SKU), *product = *cell(m, row, PRODUCT) ? cell(m, row, PRODUCT) : sku;
  const char *category = *cell(m, row, CATEGORY) ? cell(m, row, CATEGORY) : "other";
  json_t *v = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:I, s:I, s:I}", "sku", sku, "product", product, "category", category, "title",
                        cell(m, row, TITLE), "title_en", cell(m, row, TITLE_EN), "description", cell(m, row, DESCRIPTION), "description_en",
                        cell(m, row, DESCRIPTION_EN), "options", read_options(m, row), "facts", read_facts(m, row), "price_minor",
                        (json_int_t)read_price(m, row), "weight_g", (json_int_t)read_number(m, row, WEIGHT, 0), "stock",
                        (json_int_t)read_number(m, row, STOCK, -1));
  struct rk_error e = {0};
  const json_t *before = json_object_get(m->seen, sku);
  if (before) fault(m, m->c->lines[row], "sku: `%s` stands in line %lld already", sku, (long long)json_integer_value(before));
  json_object_set_new(m->seen, sku, json_integer(m->c->lines[row]));
  if (rk_goods_check(v, &e)) fault(m, m->c->lines[row], "%s", e.msg);
  else check_variant(m, row, v);
  return v;
}

rk_err rk_goods_read(const struct rk_csv *c, json_t **rows, struct rk_buf *report, struct rk_error *e) {
  struct importer m = {.c = c, .report = report, .seen = json_object(), .products = json_object()};
  rk_err err = find_columns(&m, e) ? RK_OK : RK_EFORMAT;
  *rows = json_array();
  for (int32_t i = 0; !err && i < c->n_rows; i++) json_array_append_new(*rows, read_row(&m, i));
  if (m.n_faults > RK_MAX_GOODS_FAULTS) rk_buf_addf(report, "and %d more\n", (int)(m.n_faults - RK_MAX_GOODS_FAULTS));
  if (!err && m.n_faults) err = rk_fail(e, RK_EFORMAT, "%d of the table's entries are wrong; nothing was imported", (int)m.n_faults);
  if (!err && c->n_rows == 0) err = rk_fail(e, RK_EFORMAT, "the table has no rows below the names of its columns");
  json_decref(m.products);
  json_decref(m.seen);
  if (err) {
    json_decref(*rows);
    *rows = NULL;
  }
  return err;
}

/* ---- the catalogue ---- */

struct maker { struct rk_arena *a; struct rk_catalog *c; bool full; };

static const char *text(struct maker *m, const char *s) {
  const char *out = rk_arena_dup(m->a, rk_str_c(s));
  if (!out) m->full = true;
  return out ? out : "";
}

static struct rk_text pair(struct maker *m, const json_t *row, const char *key, const char *key_en) {
  const char *zh = text(m, rk_json_cstr(row, key, "")), *en = rk_json_cstr(row, key_en, "");
  return (struct rk_text){zh, *en ? text(m, en) : zh};
}

static const struct rk_category *category_named(struct maker *m, const char *name) {
  for (int32_t i = 0; i < m->c->n_categories; i++)
    if (strcmp(m->c->categories[i].id, name) == 0) return &m->c->categories[i];
  struct rk_category *c = &m->c->categories[m->c->n_categories++];
  const char *kept = text(m, name);
  *c = (struct rk_category){.id = kept, .name = {kept, kept}, .size_kind = "", .delivery_class = "parcel"};
  return c;
}

static struct rk_product *product_named(struct rk_catalog *c, const char *id) { /* rows of a product follow one another */
  struct rk_product *last = c->n_products ? &c->products[c->n_products - 1] : NULL;
  return last && strcmp(last->id, id) == 0 ? last : NULL;
}

static int32_t rows_of(const json_t *rows, size_t at) {
  const char *product = rk_json_cstr(json_array_get(rows, at), "product", "");
  int32_t n = 1;
  while (at + (size_t)n < json_array_size(rows) && strcmp(rk_json_cstr(json_array_get(rows, at + (size_t)n), "product", ""), product) == 0) n++;
  return n;
}

static void add_product(struct maker *m, const json_t *rows, size_t at) {
  const json_t *row = json_array_get(rows, at);
  struct rk_product *p = &m->c->products[m->c->n_products++];
  const char *name;
  json_t *value;
  int32_t n = rows_of(rows, at);
  *p = (struct rk_product){.id = text(m, rk_json_cstr(row, "product", "")), .category = category_named(m, rk_json_cstr(row, "category", "other")),
                           .title = pair(m, row, "title", "title_en"), .description = pair(m, row, "description", "description_en"), .price_minor = INT64_MAX};
  p->items = rk_arena_array(m->a, (size_t)n, sizeof *p->items);
  json_object_foreach(rk_json_obj(row, "facts"), name, value) {
    const char *kept = text(m, json_string_value(value));
    if (p->n_facts < RK_MAX_FACTS) p->facts[p->n_facts++] = (struct rk_fact){.name = text(m, name), .type = 's', .value = kept, .label = {kept, kept}};
  }
  json_object_foreach(rk_json_obj(row, "options"), name, value) {
    if (p->n_axes == RK_MAX_AXES) break;
    p->axes[p->n_axes] = (struct rk_axis){.option = text(m, name), .choices = rk_arena_array(m->a, (size_t)n, sizeof *p->axes[0].choices)};
    m->full = m->full || !p->axes[p->n_axes++].choices;
  }
  m->full = m->full || !p->items;
}

static const struct rk_choice *choice_named(struct maker *m, struct rk_axis *axis, const char *value) {
  for (int32_t i = 0; i < axis->n_choices; i++)
    if (strcmp(axis->choices[i].value, value) == 0) return &axis->choices[i];
  struct rk_choice *c = (struct rk_choice *)(uintptr_t)&axis->choices[axis->n_choices++];
  const char *kept = text(m, value);
  *c = (struct rk_choice){.option = axis->option, .value = kept, .label = {kept, kept}};
  return c;
}

static void add_item(struct maker *m, struct rk_product *p, const json_t *row) {
  struct rk_item *item = &p->items[p->n_items++];
  *item = (struct rk_item){.id = text(m, rk_json_cstr(row, "sku", "")), .product = p, .price_minor = rk_json_i64(row, "price_minor", 0),
                           .weight_g = (int32_t)rk_json_i64(row, "weight_g", 0), .first_stock = (int32_t)rk_json_i64(row, "stock", 0)};
  for (int32_t i = 0; i < p->n_axes; i++)
    item->chosen[i] = choice_named(m, &p->axes[i], rk_json_cstr(rk_json_obj(row, "options"), p->axes[i].option, ""));
  if (item->price_minor < p->price_minor) p->price_minor = item->price_minor;
}

rk_err rk_goods_catalog(const json_t *rows, struct rk_arena *a, struct rk_catalog *c, struct rk_error *e) {
  struct maker m = {.a = a, .c = c};
  size_t n = json_array_size(rows), i;
  c->categories = rk_arena_array(a, n + 1, sizeof *c->categories);
  c->products = rk_arena_array(a, n + 1, sizeof *c->products);
  m.full = !c->categories || !c->products;
  for (i = 0; i < n && !m.full; i++) {
    const json_t *row = json_array_get(rows, i);
    if (!product_named(c, rk_json_cstr(row, "product", ""))) add_product(&m, rows, i);
    if (!m.full) add_item(&m, &c->products[c->n_products - 1], row);
  }
  return m.full ? rk_fail(e, RK_ETOOBIG, "the shop's catalogue is too large") : RK_OK;
}
