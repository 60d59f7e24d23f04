/* catalogue.c - search and lookup: products as UCP catalogue JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "shop/private.h"
#include "trade/ucp.h"

enum { MAX_LOOKUP_IDS = 50, MAX_PAGE = 50 };

bool wants_english(const json_t *body) {
  return rk_str_starts(rk_json_str(rk_json_obj(body, "context"), "language"), RK_STR("en"));
}

static json_t *price(const struct rk_catalog *c, int64_t minor) {
  return json_pack("{s:I, s:s}", "amount", (json_int_t)minor, "currency", c->currency);
}

static json_t *plain(const char *text) { return json_pack("{s:s}", "plain", text); }

static json_t *variant_json(const struct rk_shop *s, const struct rk_item *item, int32_t stock, bool en) {
  json_t *options = json_array();
  struct rk_buf title;
  rk_buf_init(&title, 400);
  for (int32_t i = 0; i < item->product->n_axes; i++) {
    const struct rk_choice *c = item->chosen[i];
    const char *label = rk_text_in(c->label, en);
    rk_buf_addf(&title, "%s%s", i ? " / " : "", label);
    json_array_append_new(options, json_pack("{s:s, s:s, s:s}", "name", c->option, "id", c->value, "label", label));
  }
  if (title.n == 0) rk_buf_adds(&title, rk_text_in(item->product->title, en));
  json_t *v = json_pack("{s:s, s:s, s:o, s:o, s:{s:b, s:s}, s:o}", "id", item->id, "title", title.err ? item->id : title.p,
                        "description", plain(rk_text_in(item->product->description, en)), "price", price(&s->catalog, item->price_minor),
                        "availability", "available", stock > 0, "status", stock > 0 ? "in_stock" : "out_of_stock", "options", options);
  if (!s->catalog.standard_only) json_object_set_new(v, "metadata", json_pack("{s:{s:i}}", RK_UCP_OFFER_KEY, "stock", stock));
  rk_buf_release(&title);
  return v;
}

static json_t *deliveries_json(const struct rk_shop *s, const struct rk_category *cat, bool en) {
  json_t *out = json_array();
  for (int32_t i = 0; i < s->catalog.n_deliveries; i++) {
    const struct rk_delivery_rule *d = &s->catalog.deliveries[i];
    char date[11];
    if (strcmp(d->class, cat->delivery_class) != 0 || !rk_delivery_is_plain(d)) continue; /* what hangs on address or weight, a cart or checkout says */
    promised_date(&s->catalog, rk_now_ms(), delivery_days(&s->catalog, rk_now_ms(), d), date);
    json_array_append_new(out, json_pack("{s:s, s:s, s:I, s:s}", "id", d->id, "title", rk_text_in(d->title, en), "fee_minor", (json_int_t)d->fee_minor, "date", date));
  }
  return out;
}

static json_t *coupons_json(const struct rk_shop *s, const struct rk_category *cat, bool en) {
  json_t *out = json_array();
  for (int32_t i = 0; i < s->catalog.n_coupons; i++) {
    const struct rk_coupon_rule *r = &s->catalog.coupons[i];
    if (!rk_coupon_fits(r, cat)) continue;
    json_t *v = json_pack("{s:s, s:s, s:I}", "code", r->code, "title", rk_text_in(r->title, en), "min_subtotal_minor", (json_int_t)r->min_subtotal_minor);
    if (r->percent) json_object_set_new(v, "percent", json_integer(r->percent));
    else json_object_set_new(v, "amount_minor", json_integer(r->amount_minor));
    json_array_append_new(out, v);
  }
  return out;
}

static json_t *axes_json(const struct rk_product *p, bool en) {
  json_t *out = json_array();
  for (int32_t i = 0; i < p->n_axes; i++) {
    json_t *values = json_array();
    for (int32_t k = 0; k < p->axes[i].n_choices; k++)
      json_array_append_new(values, json_pack("{s:s, s:s}", "id", p->axes[i].choices[k].value, "label", rk_text_in(p->axes[i].choices[k].label, en)));
    json_array_append_new(out, json_pack("{s:s, s:o}", "name", p->axes[i].option, "values", values));
  }
  return out;
}

/* The facts in words, for agents that read standard fields. */
static json_t *tags_json(const struct rk_product *p, bool en) {
  json_t *out = json_array();
  for (int32_t i = 0; i < p->n_facts; i++)
    if (p->facts[i].type != 'n' && rk_text_in(p->facts[i].label, en)[0]) json_array_append_new(out, json_string(rk_text_in(p->facts[i].label, en)));
  return out;
}

/* What rukou's agent reads besides the standard fields: docs/ucp.md. */
static json_t *extra_json(const struct rk_shop *s, const struct rk_product *p, double relevance, bool en) {
  json_t *reviews = json_array();
  for (int32_t i = 0; i < p->n_reviews_text; i++) json_array_append_new(reviews, json_pack("{s:s}", "text", rk_text_in(p->reviews[i], en)));
  json_t *v = json_pack("{s:s, s:o, s:o, s:o, s:o, s:f}", "category", p->category->id, "attributes", rk_product_facts(p), "deliveries",
                        deliveries_json(s, p->category, en), "coupons", coupons_json(s, p->category, en), "reviews", reviews, "relevance", relevance);
  if (p->category->size_kind[0]) json_object_set_new(v, "size_kind", json_string(p->category->size_kind));
  int64_t opens_ms = shop_opens_ms(&s->catalog, rk_now_ms());
  char at[40];
  if (opens_ms && opens_ms != INT64_MAX) {
    shop_local_time(&s->catalog, opens_ms, at);
    json_object_set_new(v, "opens_at", json_string(at));
  }
  return v;
}

/* Reads what is left of the product's items into stock. */
static void read_stock(const struct rk_shop *s, const struct rk_product *p, int32_t *stock) {
  for (int32_t i = 0; stock && i < p->n_items; i++) stock[rk_catalog_place(&s->catalog, rk_str_c(p->items[i].id))] = rk_shop_store_stock(s->db, p->items[i].id);
}

static int32_t stock_of(const struct rk_shop *s, const int32_t *stock, const struct rk_item *item) {
  if (!stock) return item->first_stock; /* dated places: what is left now */
  return stock[rk_catalog_place(&s->catalog, rk_str_c(item->id))];
}

static json_t *product_json(const struct rk_shop *s, const struct rk_hit *hit, int32_t *stock, bool en) {
  const struct rk_product *p = hit->product;
  read_stock(s, p, stock);
  json_t *variants = json_array();
  int64_t low = INT64_MAX, high = 0;
  for (int32_t i = 0; i < p->n_items; i++) {
    if (!rk_hit_wants(hit, &p->items[i])) continue;
    json_array_append_new(variants, variant_json(s, &p->items[i], stock_of(s, stock, &p->items[i]), en));
    if (p->items[i].price_minor < low) low = p->items[i].price_minor;
    if (p->items[i].price_minor > high) high = p->items[i].price_minor;
  }
  char url[300];
  snprintf(url, sizeof url, "%s/products/%s", s->origin, p->id);
  json_t *v = json_pack("{s:s, s:s, s:o, s:s, s:[{s:s, s:s}, {s:s, s:s}], s:{s:o, s:o}, s:o, s:{s:f, s:i, s:i, s:i}, s:o}",
                        "id", p->id, "title", rk_text_in(p->title, en), "description", plain(rk_text_in(p->description, en)), "url", url,
                        "categories", "value", p->category->id, "taxonomy", "dev.rukou", "value", rk_text_in(p->category->name, en), "taxonomy", "merchant",
                        "price_range", "min", price(&s->catalog, low), "max", price(&s->catalog, high), "variants", variants,
                        "rating", "value", p->rating_tenths / 10.0, "scale_min", 1, "scale_max", 5, "count", p->n_reviews, "tags", tags_json(p, en));
  if (!s->catalog.standard_only) json_object_set_new(v, "metadata", json_pack("{s:o}", RK_UCP_OFFER_KEY, extra_json(s, p, hit->relevance, en)));
  if (p->n_axes) json_object_set_new(v, "options", axes_json(p, en));
  if (!s->catalog.travel) json_object_set_new(v, "media", json_pack("[{s:s, s:o, s:s}]", "type", "image", "url", json_sprintf("%s/pictures/%s.svg", s->origin, p->id), "alt_text", rk_text_in(p->title, en)));
  return v;
}

json_t *product_view(const struct rk_shop *s, const struct rk_product *p, bool en) {
  return product_json(s, &(struct rk_hit){.product = p, .relevance = 1}, NULL, en);
}

/* What a request reads the catalogue with: the stock of the products it shows, or for dated places an arena where products are made. */
struct view { int32_t *stock; struct rk_arena *arena; };

static void view_release(struct view *v) {
  free(v->stock);
  if (v->arena) rk_arena_free(v->arena);
}

/* False: answered. */
static bool view_open(struct rk_shop *s, struct view *v, struct rk_shop_answer *out) {
  *v = (struct view){0};
  if (s->catalog.travel) v->arena = rk_arena_new(SELLER_ARENA_BYTES);
  else v->stock = calloc((size_t)s->catalog.n_items + 1, sizeof *v->stock);
  if (v->arena || v->stock) return true;
  answer_error(out, 503, "unavailable", "out of memory");
  return false;
}

/* ---- filters ---- */

static bool passes(const struct rk_product *p, const json_t *filters) {
  const json_t *range = rk_json_obj(filters, "price");
  json_t *categories = rk_json_arr(filters, "categories"), *v;
  size_t i;
  bool found = json_array_size(categories) == 0;
  json_array_foreach(categories, i, v)
    if (json_is_string(v) && (strcmp(json_string_value(v), p->category->id) == 0 || strcmp(json_string_value(v), p->category->name.zh) == 0 ||
                              strcmp(json_string_value(v), p->category->name.en) == 0)) found = true;
  return found && p->price_minor >= rk_json_i64(range, "min", 0) && p->price_minor <= rk_json_i64(range, "max", INT64_MAX);
}

/* Hits of the query, or everything when there is none, that pass the filters. Returns how many. */
static int32_t find_hits(const struct rk_shop *s, rk_str query, const json_t *filters, struct rk_hit *hits) {
  int32_t n = 0, kept = 0;
  if (query.n) n = rk_index_search(s->index, query, hits, s->catalog.n_products);
  else for (; n < s->catalog.n_products; n++) hits[n] = (struct rk_hit){.product = &s->catalog.products[n], .relevance = 1};
  for (int32_t i = 0; i < n; i++)
    if (passes(hits[i].product, filters)) hits[kept++] = hits[i];
  return kept;
}

static int by_rating(const void *a, const void *b) {
  const struct rk_hit *x = a, *y = b;
  if (x->relevance < y->relevance || x->relevance > y->relevance) return x->relevance < y->relevance ? 1 : -1;
  if (x->product->rating_tenths != y->product->rating_tenths) return y->product->rating_tenths - x->product->rating_tenths;
  if (x->product->n_reviews != y->product->n_reviews) return y->product->n_reviews - x->product->n_reviews;
  return strcmp(x->product->id, y->product->id);
}

/* The order that the agent asks for, where we know it: by price the hits of a query are already. NULL: none. */
static const char *sort_hits(const struct rk_shop *s, const json_t *body, rk_str query, struct rk_hit *hits, int32_t n) {
  rk_str sort = rk_json_str(body, RK_UCP_SORT_KEY);
  if (s->catalog.standard_only) return NULL;
  if (rk_str_eq(sort, RK_STR("price")) && query.n) return "price";
  if (!rk_str_eq(sort, RK_STR("rating"))) return NULL;
  if (n) qsort(hits, (size_t)n, sizeof *hits, by_rating);
  return "rating";
}

/* Of a shop that takes no orders now: when it does. */
static void say_when_it_opens(const struct rk_shop *s, const json_t *body, json_t *answer) {
  int64_t opens_ms = shop_opens_ms(&s->catalog, rk_now_ms());
  char text[OPENS_TEXT_BYTES];
  if (!opens_ms) return;
  shop_opens_text(&s->catalog, opens_ms, wants_english(body), text);
  if (!rk_json_arr(answer, "messages")) json_object_set_new(answer, "messages", json_array());
  json_array_append_new(rk_json_arr(answer, "messages"), ucp_message("warning", "shop_closed", NULL, NULL, text));
}

void handle_search(struct rk_shop *s, const struct caller *c, const json_t *body, struct rk_shop_answer *out) {
  rk_str query = rk_str_trim(rk_json_str(body, "query")), cursor = rk_json_str(rk_json_obj(body, "pagination"), "cursor");
  if (cursor.n == 0) cursor = rk_json_str(body, "cursor"); /* where conformance suites put it */
  const json_t *filters = rk_json_obj(body, "filters");
  int64_t limit = rk_json_i64(rk_json_obj(body, "pagination"), "limit", 10), from = 0;
  if (!s->catalog.travel && query.n == 0 && json_object_size(filters) == 0) {
    answer_error(out, 400, "invalid_request", "a search names a query or filters");
    return;
  }
  if (limit < 1 || (cursor.n && (!rk_str_i64(cursor, &from) || from < 0))) {
    answer_error(out, 400, "invalid_request", "pagination: limit is at least 1, cursor one that this shop gave");
    return;
  }
  if (limit > MAX_PAGE) limit = MAX_PAGE;
  if (s->catalog.travel) {
    seller_search(s, c, body, from, limit, out);
    return;
  }
  struct view view;
  if (!view_open(s, &view, out)) return;
  struct rk_hit *hits = calloc((size_t)s->catalog.n_products + 1, sizeof *hits);
  if (!hits) answer_error(out, 503, "unavailable", "out of memory");
  if (hits) {
    int32_t n = find_hits(s, query, filters, hits);
    const char *sorted = sort_hits(s, body, query, hits, n);
    json_t *products = json_array(), *page = json_pack("{s:b, s:i}", "has_next_page", from + limit < n, "total_count", n);
    for (int64_t i = from; i < n && i < from + limit; i++) json_array_append_new(products, product_json(s, &hits[i], view.stock, wants_english(body)));
    if (from + limit < n) json_object_set_new(page, "cursor", json_sprintf("%lld", (long long)(from + limit)));
    out->status = 200;
    out->body = json_pack("{s:o, s:o, s:o}", "ucp", ucp_envelope(s, c, RK_UCP_SEARCH), "products", products, "pagination", page);
    if (sorted) json_object_set_new(out->body, RK_UCP_SORT_KEY, json_string(sorted));
    say_when_it_opens(s, body, out->body);
  }
  view_release(&view);
  free(hits);
}

/* ---- lookup ---- */

static json_t *not_found_info(rk_str id) {
  return json_pack("{s:s, s:s, s:s%}", "type", "info", "code", "not_found", "content", id.p ? id.p : "", id.n);
}

static rk_str id_at(const json_t *ids, size_t i) {
  const json_t *v = json_array_get(ids, i);
  return json_is_string(v) ? (rk_str){json_string_value(v), json_string_length(v)} : (rk_str){0};
}

/* `inputs` of a variant: the ids that led to it. Empty: it does not belong into the answer. */
static json_t *inputs_of(const struct rk_item *item, const json_t *ids) {
  json_t *inputs = json_array();
  for (size_t i = 0; i < json_array_size(ids); i++) {
    rk_str id = id_at(ids, i);
    bool again = false;
    for (size_t k = 0; k < i; k++) again = again || rk_str_eq(id, id_at(ids, k));
    const char *match = rk_str_eq_c(id, item->id) ? "exact" : rk_str_eq_c(id, item->product->id) ? "featured" : NULL;
    if (match && !again) json_array_append_new(inputs, json_pack("{s:s%, s:s}", "id", id.p, id.n, "match", match));
  }
  return inputs;
}

static json_t *looked_up(const struct rk_shop *s, const struct rk_product *p, const json_t *ids, int32_t *stock, bool en) {
  json_t *v = product_json(s, &(struct rk_hit){.product = p, .relevance = 1}, stock, en), *variants = json_object_get(v, "variants");
  for (int32_t i = p->n_items - 1; i >= 0; i--) {
    json_t *inputs = inputs_of(&p->items[i], ids);
    if (json_array_size(inputs)) json_object_set(json_array_get(variants, (size_t)i), "inputs", inputs);
    else json_array_remove(variants, (size_t)i);
    json_decref(inputs);
  }
  return v;
}

static const struct rk_item *item_of(const struct rk_shop *s, const struct view *v, rk_str id) {
  return v->arena ? seller_item(s, id, NULL, v->arena) : rk_catalog_item(&s->catalog, id);
}

static const struct rk_product *product_of(const struct rk_shop *s, const struct view *v, rk_str id) {
  const struct rk_item *item = item_of(s, v, id);
  if (item) return item->product;
  return v->arena ? seller_product(s, id, v->arena) : rk_catalog_product(&s->catalog, id);
}

/* Whether an earlier one of the ids led to the same product, or is this unknown id. */
static bool stood_before(const struct rk_shop *s, const struct view *view, const json_t *ids, size_t at, const struct rk_product *p) {
  for (size_t k = 0; k < at; k++) {
    const struct rk_product *other = p ? product_of(s, view, id_at(ids, k)) : NULL;
    if (p ? other && strcmp(other->id, p->id) == 0 : rk_str_eq(id_at(ids, at), id_at(ids, k))) return true;
  }
  return false;
}

void handle_lookup(struct rk_shop *s, const struct caller *c, const json_t *body, struct rk_shop_answer *out) {
  const json_t *ids = rk_json_arr(body, "ids");
  size_t n = json_array_size(ids);
  if (n == 0 || n > MAX_LOOKUP_IDS) {
    answer_error(out, 400, n ? "request_too_large" : "invalid_request", "a lookup names 1 to %d ids", MAX_LOOKUP_IDS);
    return;
  }
  struct view view;
  if (!view_open(s, &view, out)) return;
  json_t *products = json_array(), *messages = json_array();
  for (size_t i = 0; i < n; i++) {
    const struct rk_product *p = product_of(s, &view, id_at(ids, i));
    if (stood_before(s, &view, ids, i, p)) continue;
    if (!p) json_array_append_new(messages, not_found_info(id_at(ids, i)));
    else if (passes(p, rk_json_obj(body, "filters"))) json_array_append_new(products, looked_up(s, p, ids, view.stock, wants_english(body)));
  }
  view_release(&view);
  out->status = 200;
  out->body = json_pack("{s:o, s:o, s:o}", "ucp", ucp_envelope(s, c, RK_UCP_LOOKUP), "products", products, "messages", messages);
  say_when_it_opens(s, body, out->body);
}

/* ---- one product in detail ---- */

/* The choice of an axis that a selection names by id or label; NULL: none. */
static const struct rk_choice *choice_named(const struct rk_axis *axis, const json_t *selection) {
  rk_str id = rk_json_str(selection, "id"), label = rk_json_str(selection, "label");
  for (int32_t i = 0; i < axis->n_choices && rk_str_eq_c(rk_json_str(selection, "name"), axis->option); i++) {
    const struct rk_choice *c = &axis->choices[i];
    if (rk_str_eq_c(id, c->value) || rk_str_eq_c(label, c->value) || rk_str_eq_c(label, c->label.zh) || rk_str_eq_c(label, c->label.en)) return c;
  }
  return NULL;
}

/* What is selected: the item's own options, else what the request selects; every combination is sold, so nothing is relaxed. */
static void select_options(const struct rk_product *p, const struct rk_item *item, const json_t *selected, const struct rk_choice **chosen) {
  size_t i;
  json_t *v;
  for (int32_t k = 0; k < p->n_axes; k++) {
    chosen[k] = item ? item->chosen[k] : NULL;
    if (!item) json_array_foreach(selected, i, v)
      if (choice_named(&p->axes[k], v)) chosen[k] = choice_named(&p->axes[k], v);
    if (!item && json_array_size(selected) == 0) chosen[k] = p->items[0].chosen[k];
  }
}

/* Whether something is in stock with this value and what is selected of the other options. */
static bool is_available(const struct rk_shop *s, const struct rk_product *p, int32_t axis, const struct rk_choice *value,
                         const struct rk_choice *const *chosen, const int32_t *stock) {
  for (int32_t i = 0; i < p->n_items; i++) {
    bool fits = p->items[i].chosen[axis] == value;
    for (int32_t k = 0; k < p->n_axes; k++) fits = fits && (k == axis || !chosen[k] || chosen[k] == p->items[i].chosen[k]);
    if (fits && stock_of(s, stock, &p->items[i]) > 0) return true;
  }
  return false;
}

static json_t *detail_json(const struct rk_shop *s, const struct rk_product *p, const struct rk_item *item, const json_t *body, int32_t *stock) {
  const struct rk_choice *chosen[RK_MAX_AXES] = {0};
  bool en = wants_english(body);
  struct rk_hit hit = {.product = p, .relevance = 1};
  json_t *selected = json_array();
  select_options(p, item, rk_json_arr(body, "selected"), chosen);
  for (int32_t k = 0; k < p->n_axes; k++) {
    if (!chosen[k]) continue;
    hit.wanted[k] = chosen[k]->value;
    json_array_append_new(selected, json_pack("{s:s, s:s, s:s}", "name", chosen[k]->option, "id", chosen[k]->value, "label", rk_text_in(chosen[k]->label, en)));
  }
  json_t *v = product_json(s, &hit, stock, en);
  json_object_set_new(v, "selected", selected);
  for (int32_t k = 0; k < p->n_axes; k++) {
    json_t *values = rk_json_arr(json_array_get(rk_json_arr(v, "options"), (size_t)k), "values");
    for (int32_t i = 0; i < p->axes[k].n_choices; i++) {
      json_t *value = json_array_get(values, (size_t)i);
      json_object_set_new(value, "available", json_boolean(is_available(s, p, k, &p->axes[k].choices[i], chosen, stock)));
      json_object_set_new(value, "exists", json_true());
    }
  }
  return v;
}

void handle_product(struct rk_shop *s, const struct caller *c, const json_t *body, struct rk_shop_answer *out) {
  rk_str id = rk_json_str(body, "id");
  struct view view;
  if (id.n == 0) {
    answer_error(out, 400, "invalid_request", "id names a product or an item");
    return;
  }
  if (!view_open(s, &view, out)) return;
  const struct rk_item *item = item_of(s, &view, id);
  const struct rk_product *p = item ? item->product : product_of(s, &view, id);
  out->status = 200;
  if (p) out->body = json_pack("{s:o, s:o}", "ucp", ucp_envelope(s, c, RK_UCP_LOOKUP), "product", detail_json(s, p, item, body, view.stock));
  else out->body = ucp_refusal("not_found", "unrecoverable", "there is no such product");
  view_release(&view);
}
