#include "shop/catalog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shop/own.h"

static rk_err too_big(struct rk_error *e) { return rk_fail(e, RK_ETOOBIG, "the shop's catalogue is too large"); }

static rk_err load_categories(struct rk_arena *a, const char *common, struct rk_catalog *c, struct rk_error *e) {
  struct rk_table t;
  rk_err err = rk_table_load(a, common, "categories.tsv", 9, &t, e);
  if (err) return err;
  c->categories = rk_arena_array(a, (size_t)t.n_rows, sizeof *c->categories);
  if (!c->categories) return too_big(e);
  for (c->n_categories = 0; c->n_categories < t.n_rows; c->n_categories++) {
    int32_t i = c->n_categories;
    const char *size_kind = rk_cell(&t, i, 3);
    c->categories[i] = (struct rk_category){
      .id = rk_cell(&t, i, 0), .name = {rk_cell(&t, i, 1), rk_cell(&t, i, 2)},
      .size_kind = strcmp(size_kind, "-") == 0 ? "" : size_kind, .delivery_class = rk_cell(&t, i, 4),
      .title = {rk_cell(&t, i, 5), rk_cell(&t, i, 6)}, .description = {rk_cell(&t, i, 7), rk_cell(&t, i, 8)}};
  }
  return RK_OK;
}

/* Regions, fee for each further kilogram, free from a subtotal on: the last columns of a seller's own table. */
static bool read_conditions(const struct rk_table *t, int32_t row, struct rk_delivery_rule *d) {
  const char *regions = rk_cell(t, row, 6), *free_over = rk_cell(t, row, 8);
  d->regions = strcmp(regions, "*") == 0 ? NULL : regions;
  return rk_amount_parse(rk_cell(t, row, 7), &d->per_kg_minor) && (strcmp(free_over, "-") == 0 || rk_amount_parse(free_over, &d->free_over_minor));
}

static rk_err load_deliveries(struct rk_arena *a, const char *dir, struct rk_catalog *c, struct rk_error *e) {
  struct rk_table t;
  rk_err err = rk_table_load(a, dir, "delivery.tsv", c->own ? 9 : 6, &t, e);
  if (err) return err;
  c->deliveries = rk_arena_array(a, (size_t)t.n_rows, sizeof *c->deliveries);
  if (!c->deliveries) return too_big(e);
  for (int32_t i = 0; i < t.n_rows; i++) {
    struct rk_delivery_rule *d = &c->deliveries[c->n_deliveries++];
    int64_t days;
    *d = (struct rk_delivery_rule){.class = rk_cell(&t, i, 0), .id = rk_cell(&t, i, 1), .title = {rk_cell(&t, i, 4), rk_cell(&t, i, 5)}};
    if (!rk_amount_parse(rk_cell(&t, i, 2), &d->fee_minor) || !rk_str_i64(rk_str_c(rk_cell(&t, i, 3)), &days) || days < 0 || days > 90 ||
        (c->own && !read_conditions(&t, i, d)))
      return rk_fail(e, RK_EFORMAT, "%s: fee, days or conditions of `%s`", t.path, d->id);
    d->days = (int32_t)days;
  }
  return RK_OK;
}

static rk_err load_coupons(struct rk_arena *a, const char *dir, struct rk_catalog *c, struct rk_error *e) {
  struct rk_table t;
  rk_err err = rk_table_load(a, dir, "coupons.tsv", 7, &t, e);
  if (err) return err;
  c->coupons = rk_arena_array(a, (size_t)t.n_rows, sizeof *c->coupons);
  if (!c->coupons) return too_big(e);
  for (int32_t i = 0; i < t.n_rows; i++) {
    struct rk_coupon_rule *r = &c->coupons[c->n_coupons++];
    int64_t percent;
    *r = (struct rk_coupon_rule){.code = rk_cell(&t, i, 0), .category = rk_cell(&t, i, 1), .title = {rk_cell(&t, i, 5), rk_cell(&t, i, 6)}};
    if (!rk_amount_parse(rk_cell(&t, i, 2), &r->amount_minor) || !rk_str_i64(rk_str_c(rk_cell(&t, i, 3)), &percent) ||
        percent < 0 || percent > 90 || (percent > 0) == (r->amount_minor > 0) ||
        !rk_amount_parse(rk_cell(&t, i, 4), &r->min_subtotal_minor))
      return rk_fail(e, RK_EFORMAT, "%s: `%s` takes off either yuan or percent", t.path, r->code);
    r->percent = (int32_t)percent;
  }
  return RK_OK;
}

/* Only a shop that links accounts has the table. */
static rk_err load_clients(struct rk_arena *a, const char *dir, struct rk_catalog *c, struct rk_error *e) {
  rk_err err = rk_table_load(a, dir, "clients.tsv", RK_CLIENT_COLUMNS, &c->clients, e);
  if (err != RK_ENOTFOUND) return err;
  c->clients = (struct rk_table){0};
  return RK_OK;
}

static const char *optional(const struct rk_table *conf, const char *key, const char *otherwise) {
  const char *value;
  return rk_conf_get(conf, key, &value, NULL) == RK_OK ? value : otherwise;
}

/* "18:00" -> minutes of the day. */
static bool read_clock(const char *text, int32_t *minutes) {
  int h, m, end = 0;
  if (sscanf(text, "%2d:%2d%n", &h, &m, &end) != 2 || text[end] || h < 0 || h > 23 || m < 0 || m > 59) return false;
  *minutes = h * 60 + m;
  return true;
}

/* The shop's clock, and when it is open by it. */
static rk_err read_hours(const struct rk_table *conf, struct rk_arena *a, struct rk_catalog *c, struct rk_error *e) {
  const char *zone = optional(conf, "zone", ""), *offset = "", *cutoff = optional(conf, "cutoff", ""), *closed = optional(conf, "orders_when_closed", "yes");
  int32_t minutes = 0;
  struct rk_error why = {0};
  rk_err err = *zone ? RK_OK : rk_conf_get(conf, "utc_offset", &offset, e);
  if (err) return err;
  if (*cutoff && !read_clock(cutoff, &c->cutoff_min)) return rk_fail(e, RK_EFORMAT, "%s: cutoff looks like 18:00", conf->path);
  if (!*zone && ((*offset != '+' && *offset != '-') || !read_clock(offset + 1, &minutes)))
    return rk_fail(e, RK_EFORMAT, "%s: utc_offset looks like +08:00; a zone with summer time is named, zone = Europe/Berlin", conf->path);
  if (strcmp(closed, "yes") != 0 && strcmp(closed, "no") != 0) return rk_fail(e, RK_EFORMAT, "%s: orders_when_closed is yes or no", conf->path);
  c->sells_when_open = strcmp(closed, "no") == 0;
  if (*zone) err = rk_zone_load(a, zone, &c->zone, &why);
  else if (!(c->zone = rk_zone_fixed(a, (*offset == '-' ? -60 : 60) * minutes))) return too_big(e);
  if (!err) err = rk_hours_parse(optional(conf, "hours", ""), optional(conf, "closed", ""), &c->hours, &why);
  return err ? rk_fail(e, RK_EFORMAT, "%s: %s", conf->path, why.msg) : RK_OK;
}

static rk_err read_conf(const struct rk_table *conf, struct rk_arena *a, struct rk_catalog *c, struct rk_error *e) {
  const char *currency = "";
  rk_err err = rk_conf_get(conf, "name_zh", &c->title.zh, e);
  if (!err) err = rk_conf_get(conf, "name_en", &c->title.en, e);
  if (!err) err = rk_conf_get(conf, "id_prefix", &c->id_prefix, e);
  if (!err) err = rk_conf_get(conf, "refund_rule_zh", &c->refund_rule.zh, e);
  if (!err) err = rk_conf_get(conf, "refund_rule_en", &c->refund_rule.en, e);
  if (!err) err = rk_conf_get(conf, "currency", &currency, e);
  if (!err) err = read_hours(conf, a, c, e);
  if (err) return err;
  const char *codes = optional(conf, "discount_codes", "best"), *on_delivery = optional(conf, "pay_on_delivery_max", "0");
  c->origin = optional(conf, "origin", "");
  c->continue_url = optional(conf, "continue_url", "");
  c->codes_add_up = strcmp(codes, "all") == 0;
  if (!c->codes_add_up && strcmp(codes, "best") != 0) return rk_fail(e, RK_EFORMAT, "%s: discount_codes is best or all", conf->path);
  if (!rk_amount_parse(on_delivery, &c->on_delivery_max_minor)) return rk_fail(e, RK_EFORMAT, "%s: pay_on_delivery_max is an amount", conf->path);
  if (c->continue_url[0] && strncmp(c->continue_url, "https://", 8) != 0)
    return rk_fail(e, RK_EFORMAT, "%s: continue_url begins with https://", conf->path);
  const char *vendor_fields = "yes";
  if (rk_conf_get(conf, "no_refund", &c->no_refund, NULL)) c->no_refund = "";
  if (rk_conf_get(conf, "change_rule_zh", &c->change_rule.zh, NULL)) c->change_rule.zh = "";
  if (rk_conf_get(conf, "change_rule_en", &c->change_rule.en, NULL)) c->change_rule.en = c->change_rule.zh;
  (void)!rk_conf_get(conf, "vendor_fields", &vendor_fields, NULL);
  c->standard_only = strcmp(vendor_fields, "no") == 0;
  if (strlen(c->id_prefix) != 2) return rk_fail(e, RK_EFORMAT, "%s: id_prefix has two letters", conf->path);
  if (strlen(currency) != 3) return rk_fail(e, RK_EFORMAT, "%s: currency is an ISO 4217 code", conf->path);
  memcpy(c->currency, currency, 4);
  return RK_OK;
}

static int by_item_id(const void *a, const void *b) {
  const struct rk_item *const *x = a, *const *y = b;
  return strcmp((*x)->id, (*y)->id);
}

rk_err rk_catalog_index(struct rk_arena *a, struct rk_catalog *c, struct rk_error *e) {
  for (int32_t i = 0; i < c->n_products; i++) c->n_items += c->products[i].n_items;
  c->by_id = rk_arena_array(a, (size_t)c->n_items + 1, sizeof *c->by_id);
  if (!c->by_id) return too_big(e);
  int32_t n = 0;
  for (int32_t i = 0; i < c->n_products; i++)
    for (int32_t k = 0; k < c->products[i].n_items; k++) c->by_id[n++] = &c->products[i].items[k];
  qsort(c->by_id, (size_t)n, sizeof *c->by_id, by_item_id);
  return RK_OK;
}

/* What stands in files; the goods are read from the database. */
static rk_err load_own(const char *dir, struct rk_arena *a, struct rk_catalog *c, struct rk_error *e) {
  c->own = true;
  rk_err err = load_clients(a, dir, c, e);
  if (!err) err = load_deliveries(a, dir, c, e);
  return err ? err : load_coupons(a, dir, c, e);
}

rk_err rk_catalog_load(const char *dir, struct rk_arena *a, struct rk_catalog *out, struct rk_error *e) {
  *out = (struct rk_catalog){0};
  rk_str path = rk_str_c(dir);
  while (path.n > 1 && path.p[path.n - 1] == '/') path.n--;
  const char *clean = rk_arena_dup(a, path), *common = rk_arena_printf(a, "%.*s/../common", RK_STR_ARG(path));
  if (!clean || !common) return too_big(e);
  const char *slash = strrchr(clean, '/');
  out->name = slash ? slash + 1 : clean;
  struct rk_table conf;
  rk_err err = rk_conf_load(a, clean, "shop.conf", &conf, e);
  if (!err) err = read_conf(&conf, a, out, e);
  if (!err && rk_travel_kind_of(&conf)) return rk_seller_load(clean, &conf, a, out, e);
  if (!err && rk_own_is(&conf)) return load_own(clean, a, out, e);
  if (!err) err = load_categories(a, common, out, e);
  if (!err) err = rk_table_load(a, common, "attrs.tsv", 6, &out->attrs, e);
  if (!err) err = rk_table_load(a, common, "options.tsv", 6, &out->options, e);
  if (!err) err = rk_table_load(a, common, "words.tsv", 2, &out->words, e);
  if (!err) err = rk_table_load(a, common, "units.tsv", 3, &out->units, e);
  if (!err) err = load_clients(a, clean, out, e);
  if (!err) err = load_deliveries(a, clean, out, e);
  if (!err) err = load_coupons(a, clean, out, e);
  if (!err) err = rk_catalog_generate(clean, common, &conf, a, out, e);
  return err ? err : rk_catalog_index(a, out, e);
}

int32_t rk_catalog_place(const struct rk_catalog *c, rk_str item_id) {
  int32_t lo = 0, hi = c->n_items;
  while (lo < hi) {
    int32_t mid = lo + (hi - lo) / 2;
    rk_str id = rk_str_c(c->by_id[mid]->id);
    size_t n = id.n < item_id.n ? id.n : item_id.n;
    int cmp = n ? memcmp(id.p, item_id.p, n) : 0;
    if (cmp == 0) cmp = id.n < item_id.n ? -1 : id.n > item_id.n;
    if (cmp == 0) return mid;
    if (cmp < 0) lo = mid + 1;
    else hi = mid;
  }
  return -1;
}

const struct rk_item *rk_catalog_item(const struct rk_catalog *c, rk_str item_id) {
  int32_t at = rk_catalog_place(c, item_id);
  return at < 0 ? NULL : c->by_id[at];
}

const struct rk_product *rk_catalog_product(const struct rk_catalog *c, rk_str product_id) {
  for (int32_t i = 0; i < c->n_products; i++)
    if (rk_str_eq_c(product_id, c->products[i].id)) return &c->products[i];
  return NULL;
}

bool rk_coupon_fits(const struct rk_coupon_rule *r, const struct rk_category *c) {
  return strcmp(r->category, "*") == 0 || strcmp(r->category, c->id) == 0;
}

static json_t *typed(const struct rk_fact *f) {
  if (f->type == 'b') return json_boolean(strcmp(f->value, "true") == 0);
  double v;
  if (f->type == 'n' && rk_str_f64(rk_str_c(f->value), &v)) {
    if (strchr(f->value, '.')) return json_real(v);
    return json_integer((json_int_t)v);
  }
  return json_string(f->value);
}

json_t *rk_product_facts(const struct rk_product *p) {
  json_t *out = json_object();
  for (int32_t i = 0; i < p->n_facts; i++) json_object_set_new(out, p->facts[i].name, typed(&p->facts[i]));
  return out;
}

json_t *rk_item_options(const struct rk_item *item) {
  json_t *out = json_object();
  for (int32_t i = 0; i < item->product->n_axes; i++)
    json_object_set_new(out, item->chosen[i]->option, json_string(item->chosen[i]->value));
  return out;
}
