#include "trade/ucp.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "trade/foreign.h"

enum { MAX_ATTRS = 32, MAX_DELIVERIES = 16, MAX_COUPONS = 16, MAX_VARIANTS = 512, MAX_PRODUCTS = 200, MAX_SERVICES = 50, MAX_PICTURE_URL_BYTES = 2000 };

static json_t *travel_json(const struct rk_travel_ask *t) {
  json_t *v = json_object();
  rk_foreign_set(v, "from", t->from);
  rk_foreign_set(v, "to", t->to);
  rk_foreign_set(v, "city", t->city);
  rk_foreign_set(v, "name", t->name);
  rk_foreign_set(v, "date", t->date);
  rk_foreign_set(v, "end_date", t->end_date);
  if (t->after_min) json_object_set_new(v, "after_min", json_integer(t->after_min));
  if (t->before_min) json_object_set_new(v, "before_min", json_integer(t->before_min));
  return v;
}

json_t *rk_ucp_write_search(const struct rk_search *q, const char *cursor) {
  bool en = q->lang && strcmp(q->lang, "en") == 0;
  int32_t limit = q->travel ? MAX_SERVICES : q->products > 0 ? q->products : q->limit > 0 && q->limit < RK_MAX_OFFERS_PER_SHOP ? q->limit : RK_MAX_OFFERS_PER_SHOP;
  json_t *body = json_pack("{s:{s:s}, s:{s:i, s:s*}}", "context", "language", en ? "en" : "zh", "pagination", "limit", (int)limit, "cursor", cursor);
  if (q->sort) json_object_set_new(body, RK_UCP_SORT_KEY, json_string(q->sort));
  if (q->min_price_minor > 0) json_object_set_new(body, "filters", json_pack("{s:{s:I}}", "price", "min", (json_int_t)q->min_price_minor));
  json_t *what = q->travel ? travel_json(q->travel) : json_string(q->query);
  if (body && json_object_set_new(body, q->travel ? RK_UCP_TRAVEL_KEY : "query", what) == 0) return body;
  json_decref(body);
  return NULL;
}

json_t *rk_ucp_write_product(const char *product_id, const struct rk_option *selected, int32_t n, const char *lang) {
  json_t *list = json_array();
  for (int32_t i = 0; i < n; i++) {
    bool again = false;
    for (int32_t k = i + 1; k < n; k++) again = again || strcmp(selected[i].name, selected[k].name) == 0;
    if (!again) json_array_append_new(list, json_pack("{s:s, s:s}", "name", selected[i].name, "label", selected[i].value));
  }
  return json_pack("{s:s, s:{s:s}, s:o}", "id", product_id, "context", "language", lang, "selected", list);
}

static void read_deliveries(struct rk_foreign *r, const json_t *list, const char *currency, struct rk_offer *o) {
  size_t n = json_array_size(list), i;
  json_t *v;
  struct rk_delivery *out = rk_foreign_array(r, n < MAX_DELIVERIES ? n : MAX_DELIVERIES, sizeof *out);
  json_array_foreach(list, i, v) {
    int64_t fee = rk_json_i64(v, "fee_minor", -1);
    rk_str date = rk_json_str(v, "date");
    if (!out || o->n_deliveries == MAX_DELIVERIES || !rk_foreign_amount_ok(fee) || rk_json_str(v, "id").n == 0) continue;
    struct rk_delivery *d = &out[o->n_deliveries++];
    *d = (struct rk_delivery){.id = rk_foreign_field(r, v, "id"), .title = rk_foreign_field(r, v, "title"), .fee = {.minor = fee}};
    memcpy(d->fee.currency, currency, 4);
    if (date.n == 10) memcpy(d->date, date.p, 10);
  }
  o->deliveries = out;
}

static void read_coupons(struct rk_foreign *r, const json_t *list, struct rk_offer *o) {
  size_t n = json_array_size(list), i;
  json_t *v;
  struct rk_coupon *out = rk_foreign_array(r, n < MAX_COUPONS ? n : MAX_COUPONS, sizeof *out);
  json_array_foreach(list, i, v) {
    int64_t amount = rk_json_i64(v, "amount_minor", 0), percent = rk_json_i64(v, "percent", 0), least = rk_json_i64(v, "min_subtotal_minor", 0);
    if (!out || o->n_coupons == MAX_COUPONS || rk_json_str(v, "code").n == 0 || !rk_foreign_amount_ok(amount) || !rk_foreign_amount_ok(least) || percent < 0 || percent > 100)
      continue;
    out[o->n_coupons++] = (struct rk_coupon){.code = rk_foreign_field(r, v, "code"), .title = rk_foreign_field(r, v, "title"), .amount_minor = amount,
                                             .percent = (int32_t)percent, .min_subtotal_minor = least};
  }
  o->coupons = out;
}

static void read_attrs(struct rk_foreign *r, const json_t *extra, struct rk_offer *o) {
  json_t *attrs = rk_json_obj(extra, "attributes"), *v;
  const char *name;
  struct rk_option *out = rk_foreign_array(r, MAX_ATTRS, sizeof *out);
  if (!out) return;
  if (rk_json_str(extra, "category").n) out[o->n_attrs++] = (struct rk_option){"category", rk_foreign_field(r, extra, "category")};
  if (rk_json_str(extra, "size_kind").n) out[o->n_attrs++] = (struct rk_option){"size_kind", rk_foreign_field(r, extra, "size_kind")};
  json_object_foreach(attrs, name, v) {
    struct rk_option *a = &out[o->n_attrs];
    if (o->n_attrs == MAX_ATTRS || !rk_foreign_scalar(r, v, &a->value)) continue;
    a->name = rk_foreign_text(r, rk_str_c(name));
    o->n_attrs++;
  }
  o->attrs = out;
}

/* A merchant that knows nothing of our names calls it by its own. */
static bool is_size(rk_str name) {
  static const char *const names[] = {"size", "尺码", "尺寸", "鞋码", "码数", "shoe size", "clothing size"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (name.n == strlen(names[i]) && strncasecmp(name.p, names[i], name.n) == 0) return true;
  return false;
}

/* Sizes of shoes are numbers, of clothes letters; NULL: neither. */
static const char *size_kind_of(const json_t *options) {
  size_t i, k;
  json_t *option, *value;
  json_array_foreach(options, i, option) {
    if (!is_size(rk_json_str(option, "name"))) continue;
    size_t n_shoes = 0, n_clothes = 0, n = json_array_size(rk_json_arr(option, "values"));
    json_array_foreach(rk_json_arr(option, "values"), k, value) {
      rk_str text = rk_json_str(value, rk_json_str(value, "id").n ? "id" : "label");
      if (rk_str_ends(text, RK_STR("码"))) text.n -= strlen("码");
      int64_t number;
      n_shoes += rk_str_i64(text, &number) && number >= 30 && number <= 52;
      n_clothes += text.n > 0 && text.n <= 4 && strchr("SML", text.p[text.n - 1]) != NULL && strspn(text.p, "X23") == text.n - 1;
    }
    if (n > 0 && n_shoes == n) return "shoes";
    if (n > 0 && n_clothes == n) return "clothes";
  }
  return NULL;
}

/* Of a merchant that sends standard fields only: category and tags, and what kind its sizes are of. */
static void read_standard_attrs(struct rk_foreign *r, const json_t *p, struct rk_offer *o) {
  size_t i;
  json_t *v;
  const json_t *category = json_array_get(rk_json_arr(p, "categories"), 0);
  const char *kind = size_kind_of(rk_json_arr(p, "options"));
  struct rk_option *out = rk_foreign_array(r, MAX_ATTRS, sizeof *out);
  if (!out) return;
  if (rk_json_str(category, "value").n) out[o->n_attrs++] = (struct rk_option){"category", rk_foreign_field(r, category, "value")};
  if (kind) out[o->n_attrs++] = (struct rk_option){"size_kind", kind};
  json_array_foreach(rk_json_arr(p, "tags"), i, v)
    if (o->n_attrs < MAX_ATTRS && json_is_string(v)) out[o->n_attrs++] = (struct rk_option){"tag", rk_foreign_text(r, (rk_str){json_string_value(v), json_string_length(v)})};
  o->attrs = out;
}

static void read_reviews(struct rk_foreign *r, const json_t *list, struct rk_offer *o) {
  size_t i;
  json_t *v;
  const char **out = rk_foreign_array(r, RK_MAX_UCP_REVIEWS, sizeof *out);
  json_array_foreach(list, i, v)
    if (out && o->n_reviews_text < RK_MAX_UCP_REVIEWS && rk_json_str(v, "text").n) out[o->n_reviews_text++] = rk_foreign_field(r, v, "text");
  o->reviews = out;
}

/* The first picture of a product or variant; NULL: none that could be asked for. */
static const char *picture_of(struct rk_foreign *r, const json_t *v) {
  size_t i;
  json_t *one;
  json_array_foreach(rk_json_arr(v, "media"), i, one) {
    rk_str url = rk_json_str(one, "url");
    bool is_web = rk_str_starts(url, RK_STR("https://")) || rk_str_starts(url, RK_STR("http://"));
    if (rk_str_eq(rk_json_str(one, "type"), RK_STR("image")) && is_web && url.n <= MAX_PICTURE_URL_BYTES) return rk_foreign_text(r, url);
  }
  return NULL;
}

/* What all variants of a product share. False: broken. */
static bool read_product(struct rk_foreign *r, const json_t *p, const struct rk_ucp_merchant *m, struct rk_offer *o) {
  const json_t *extra = rk_json_obj(rk_json_obj(p, "metadata"), RK_UCP_OFFER_KEY), *rating = rk_json_obj(p, "rating");
  rk_str currency = rk_json_str(rk_json_obj(rk_json_obj(p, "price_range"), "min"), "currency");
  if (rk_json_str(p, "id").n == 0 || rk_json_str(p, "title").n == 0 || !rk_foreign_currency_ok(currency)) return false;
  *o = (struct rk_offer){.shop_id = m->id, .shop_name = m->name, .origin = m->origin, .travel_kind = m->travel_kind[0] ? m->travel_kind : NULL, .product_id = rk_foreign_field(r, p, "id"),
                         .title = rk_foreign_field(r, p, "title"), .description = rk_foreign_field(r, rk_json_obj(p, "description"), "plain"), .url = rk_foreign_field(r, p, "url"),
                         .picture_url = picture_of(r, p), .stock = -1, .quantity = 1, .pays_elsewhere = !m->sandbox, .plain = !extra && !m->travel_kind[0]};
  memcpy(o->unit_price.currency, currency.p, 3);
  double value = json_number_value(json_object_get(rating, "value")), max = json_number_value(json_object_get(rating, "scale_max"));
  if (max > 0 && value >= 0 && value <= max) o->rating = value * 5 / max;
  int64_t count = rk_json_i64(rating, "count", 0);
  if (count > 0 && count < INT32_MAX) o->n_reviews = (int32_t)count;
  const json_t *claimed = json_object_get(extra, "relevance");
  double relevance = json_number_value(claimed);
  o->relevance = !json_is_number(claimed) ? -1 : relevance < 0 ? 0 : relevance > 1 ? 1 : relevance;
  if (extra) read_attrs(r, extra, o);
  else read_standard_attrs(r, p, o);
  read_deliveries(r, rk_json_arr(extra, "deliveries"), o->unit_price.currency, o);
  read_coupons(r, rk_json_arr(extra, "coupons"), o);
  if (!rk_time_parse(rk_json_str(extra, "opens_at"), &o->opens_ms, NULL)) o->opens_ms = 0;
  read_reviews(r, rk_json_arr(extra, "reviews"), o);
  return true;
}

static const char *option_value(const struct rk_option *list, int32_t n, const char *name) {
  for (int32_t i = 0; i < n; i++)
    if (strcmp(list[i].name, name) == 0) return list[i].value;
  return NULL;
}

/* "42", "42码", "EU 42": the same size. */
static bool same_size(const char *want, const char *value) {
  size_t n = strlen(want);
  if (strncasecmp(value, "EU", 2) == 0) value += 2;
  while (*value == ' ') value++;
  const char *end = value + n;
  return strncasecmp(value, want, n) == 0 && (*end == 0 || strcmp(end, "码") == 0 || strcmp(end, "号") == 0);
}

/* Does the option have one of the values that the search wants of it, by value or label? What it does not ask for is wanted. */
static bool is_wanted(const struct rk_search *q, const struct rk_offer *o, const struct rk_option *mine, const char *label) {
  bool asked = false, size = strcmp(mine->name, "size") == 0;
  for (int32_t i = 0; i < q->n_options; i++) {
    const char *want = q->options[i].value;
    if (strcmp(q->options[i].name, mine->name) != 0) continue;
    if (strcasecmp(want, mine->value) == 0 || strcasecmp(want, label) == 0 || (size && same_size(want, mine->value))) return true;
    asked = true;
  }
  const char *kind = option_value(o->attrs, o->n_attrs, "size_kind");
  const char *own = !asked && size && kind ? option_value(q->sizes, q->n_sizes, kind) : NULL;
  return own ? same_size(own, mine->value) : !asked;
}

/* False: broken, sold out, or not the wanted options. */
static bool read_variant(struct rk_foreign *r, const json_t *v, const struct rk_search *q, struct rk_offer *o) {
  const json_t *price = rk_json_obj(v, "price"), *availability = rk_json_obj(v, "availability");
  int64_t amount = rk_json_i64(price, "amount", -1);
  if (rk_json_str(v, "id").n == 0 || !rk_foreign_amount_ok(amount) || !rk_str_eq_c(rk_json_str(price, "currency"), o->unit_price.currency)) return false;
  if (!rk_json_bool(availability, "available", true)) return false;
  json_t *list = rk_json_arr(v, "options"), *opt;
  size_t i, n = json_array_size(list);
  struct rk_option *out = rk_foreign_array(r, n < MAX_ATTRS ? n : MAX_ATTRS, sizeof *out);
  const char **labels = rk_foreign_array(r, n < MAX_ATTRS ? n : MAX_ATTRS, sizeof *labels);
  json_array_foreach(list, i, opt) {
    rk_str value = rk_json_str(opt, "id");
    if (value.n == 0) value = rk_json_str(opt, "label");
    if (!out || !labels || o->n_options == MAX_ATTRS || rk_json_str(opt, "name").n == 0 || value.n == 0) continue;
    const char *label = labels[o->n_options] = rk_foreign_field(r, opt, "label");
    struct rk_option *mine = &out[o->n_options++];
    *mine = (struct rk_option){is_size(rk_json_str(opt, "name")) ? "size" : rk_foreign_field(r, opt, "name"), rk_foreign_text(r, value)};
    if (!is_wanted(q, o, mine, label)) return false;
  }
  o->options = out;
  o->option_labels = labels;
  const char *picture = picture_of(r, v);
  if (picture) o->picture_url = picture;
  o->item_id = rk_foreign_field(r, v, "id");
  o->unit_price.minor = amount;
  int64_t stock = rk_json_i64(rk_json_obj(rk_json_obj(v, "metadata"), RK_UCP_OFFER_KEY), "stock", -1);
  o->stock = stock >= 0 && stock < INT32_MAX ? (int32_t)stock : -1;
  return true;
}

rk_err rk_ucp_read_offers(const json_t *answer, const struct rk_ucp_merchant *merchant, const struct rk_search *q, struct rk_arena *a,
                          struct rk_offer **offers, int32_t *n, struct rk_error *e) {
  struct rk_foreign r = {.arena = a};
  json_t *products = rk_json_arr(answer, "products");
  *offers = NULL;
  *n = 0;
  if (rk_str_eq(rk_json_str(rk_json_obj(answer, "ucp"), "status"), RK_STR("error"))) {
    char text[300];
    rk_ucp_error_text(answer, text, sizeof text);
    return rk_fail(e, RK_EUPSTREAM, "%s: %s", merchant->name, text[0] ? text : "the search was refused");
  }
  if (!products) return rk_fail(e, RK_EFORMAT, "%s: the answer to a search has no products", merchant->name);
  struct rk_ucp_merchant *m = rk_foreign_array(&r, 1, sizeof *m); /* offers point into it: it lives as long as they do */
  int32_t limit = q->limit > 0 && q->limit < RK_MAX_OFFERS_PER_SHOP ? q->limit : RK_MAX_OFFERS_PER_SHOP;
  size_t n_products = json_array_size(products) < MAX_PRODUCTS ? json_array_size(products) : MAX_PRODUCTS;
  struct rk_offer *bases = rk_foreign_array(&r, n_products, sizeof *bases);
  *offers = rk_foreign_array(&r, (size_t)limit, sizeof **offers);
  size_t *next = rk_foreign_array(&r, n_products, sizeof *next);
  if (r.full) return rk_fail(e, RK_ETOOBIG, "%s: the answer is too large", merchant->name);
  *m = *merchant;
  if (q->lang && strcmp(q->lang, "en") == 0 && m->name_en[0]) memcpy(m->name, m->name_en, sizeof m->name);
  for (size_t i = 0; i < n_products; i++)
    if (!read_product(&r, json_array_get(products, i), m, &bases[i])) next[i] = MAX_VARIANTS;
  for (bool any = true; any && *n < limit;) { /* a round gives each product its next variant */
    any = false;
    for (size_t i = 0; i < n_products && *n < limit; i++) {
      json_t *variants = rk_json_arr(json_array_get(products, i), "variants");
      for (bool found = false; !found && next[i] < json_array_size(variants) && next[i] < MAX_VARIANTS; next[i]++) {
        struct rk_offer *o = &(*offers)[*n];
        *o = bases[i];
        found = read_variant(&r, json_array_get(variants, next[i]), q, o);
        if (found) ++*n, any = true;
      }
    }
  }
  return r.full ? rk_fail(e, RK_ETOOBIG, "%s: the answer is too large", merchant->name) : RK_OK;
}
