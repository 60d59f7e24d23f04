#include "trade/ucp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "trade/payment_token.h"

#define OURS "https://rukou.example" /* the authority of example.rukou.* */
#define SPEC "https://ucp.dev/" RK_UCP_VERSION

enum { MAX_ATTRS = 32, MAX_DELIVERIES = 16, MAX_COUPONS = 16, MAX_VARIANTS = 512, MAX_PRODUCTS = 200, MAX_SERVICES = 50 };

/* ---- profiles and negotiation ---- */

static void declare(json_t *caps, const char *name, const char *page, const char *schema, const char *extends) {
  char spec[200], url[200];
  snprintf(spec, sizeof spec, SPEC "/specification/%s", page);
  snprintf(url, sizeof url, SPEC "/schemas/shopping/%s.json", schema);
  json_t *entry = json_pack("{s:s, s:s, s:s, s:s*}", "version", RK_UCP_VERSION, "spec", spec, "schema", url, "extends", extends);
  json_object_set_new(caps, name, json_pack("[o]", entry));
}

json_t *rk_ucp_capabilities(void) {
  json_t *caps = json_object();
  declare(caps, RK_UCP_CHECKOUT, "checkout", "checkout", NULL);
  declare(caps, RK_UCP_FULFILLMENT, "fulfillment", "fulfillment", RK_UCP_CHECKOUT);
  declare(caps, RK_UCP_DISCOUNT, "discount", "discount", RK_UCP_CHECKOUT);
  declare(caps, RK_UCP_ORDER, "order", "order", NULL);
  declare(caps, RK_UCP_SEARCH, "catalog/search", "catalog_search", NULL);
  declare(caps, RK_UCP_LOOKUP, "catalog/lookup", "catalog_lookup", NULL);
  json_object_set_new(caps, RK_UCP_REFUND, json_pack("[{s:s, s:s, s:s}]", "version", RK_UCP_VERSION, "spec", OURS "/specification/refund", "schema",
                                                     OURS "/schemas/refund.json"));
  return caps;
}

json_t *rk_ucp_jwk(const struct rk_key *key) {
  char x[64], y[64], kid[64];
  rk_key_jwk(key, x, y, kid);
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "kid", kid, "kty", "EC", "crv", "P-256", "x", x, "y", y, "use", "sig", "alg", "ES256");
}

json_t *rk_ucp_keys(const json_t *profile) {
  json_t *keys = rk_json_arr(profile, "keys");
  if (!keys) keys = rk_json_arr(profile, "signing_keys");
  return keys ? keys : rk_json_arr(rk_json_obj(profile, "ucp"), "signing_keys");
}

json_t *rk_ucp_platform_profile(const struct rk_key *key) {
  json_t *keys = json_pack("[o]", rk_ucp_jwk(key));
  json_t *service = json_pack("{s:s, s:s, s:s, s:s}", "version", RK_UCP_VERSION, "transport", "rest", "spec", SPEC "/specification/overview",
                              "schema", SPEC "/services/shopping/rest.openapi.json");
  json_t *handler = json_pack("{s:s, s:s, s:s, s:s, s:[{s:s}, {s:s}]}", "id", RK_PAYMENT_HANDLER, "version", RK_UCP_VERSION,
                              "spec", "https://rukou.dev/ucp/sandbox-payment", "schema", "https://rukou.dev/ucp/sandbox-payment.json",
                              "available_instruments", "type", "card", "type", "wallet");
  json_t *ucp = json_pack("{s:s, s:{s:[o]}, s:o, s:{s:[o]}}", "version", RK_UCP_VERSION, "services", RK_UCP_SERVICE, service,
                          "capabilities", rk_ucp_capabilities(), "payment_handlers", RK_PAYMENT_HANDLER, handler);
  return json_pack("{s:o, s:O, s:o}", "ucp", ucp, "signing_keys", keys, "keys", keys);
}

/* The highest version that stands in both lists; empty: none. */
static rk_str mutual_version(const json_t *ours, const json_t *theirs) {
  rk_str best = {0};
  size_t i, k;
  json_t *a, *b;
  json_array_foreach(ours, i, a) {
    rk_str v = rk_json_str(a, "version");
    if (v.n != 10 || (best.n && memcmp(v.p, best.p, 10) <= 0)) continue;
    json_array_foreach(theirs, k, b)
      if (rk_str_eq(v, rk_json_str(b, "version"))) best = v;
  }
  return best;
}

static bool has_parent(const json_t *business, const json_t *active, const char *name) {
  json_t *extends = json_object_get(json_array_get(json_object_get(business, name), 0), "extends");
  if (!extends) return true;
  if (json_is_string(extends)) return json_object_get(active, json_string_value(extends)) != NULL;
  size_t i;
  json_t *parent;
  json_array_foreach(extends, i, parent)
    if (json_is_string(parent) && json_object_get(active, json_string_value(parent))) return true;
  return false;
}

json_t *rk_ucp_negotiate(const json_t *business, const json_t *platform) {
  json_t *active = json_object();
  const char *name;
  json_t *versions;
  json_object_foreach((json_t *)(uintptr_t)business, name, versions) {
    rk_str v = mutual_version(versions, json_object_get(platform, name));
    if (v.n) json_object_set_new(active, name, json_pack("[{s:s%}]", "version", v.p, v.n));
  }
  for (bool again = true; again;) {
    again = false;
    void *tmp;
    json_object_foreach_safe(active, tmp, name, versions)
      if (!has_parent(business, active, name)) {
        json_object_del(active, name);
        again = true;
      }
  }
  return active;
}

bool rk_ucp_agent_url(rk_str header, char *url, size_t size) {
  static const rk_str key = {"profile=\"", 9};
  ptrdiff_t at = rk_str_find(header, key);
  if (at < 0 || (at > 0 && header.p[at - 1] != ' ' && header.p[at - 1] != ',' && header.p[at - 1] != ';')) return false;
  rk_str rest = {header.p + at + key.n, header.n - (size_t)at - key.n}, text, after;
  if (!rk_str_cut(rest, '"', &text, &after) || text.n == 0 || text.n >= size || memchr(text.p, 0, text.n)) return false;
  memcpy(url, text.p, text.n);
  url[text.n] = 0;
  return true;
}

static bool copy(char *out, size_t size, rk_str s) {
  if (s.n == 0 || s.n >= size || memchr(s.p, 0, s.n)) return false;
  memcpy(out, s.p, s.n);
  out[s.n] = 0;
  return true;
}

/* The REST service of this version whose endpoint stands at origin. */
static const json_t *rest_service(const json_t *ucp, rk_str origin) {
  size_t i;
  json_t *s;
  json_array_foreach(rk_json_arr(rk_json_obj(ucp, "services"), RK_UCP_SERVICE), i, s) {
    rk_str endpoint = rk_json_str(s, "endpoint");
    if (rk_str_eq(rk_json_str(s, "transport"), RK_STR("rest")) && rk_str_eq(rk_json_str(s, "version"), RK_STR(RK_UCP_VERSION)) &&
        rk_str_starts(endpoint, origin) && (endpoint.n == origin.n || endpoint.p[origin.n] == '/')) return s;
  }
  return NULL;
}

static void first_thumbprint(const json_t *profile, char out[64]) {
  size_t i;
  json_t *jwk;
  out[0] = 0;
  json_array_foreach(rk_ucp_keys(profile), i, jwk) {
    struct rk_key *k;
    char x[64], y[64];
    if (rk_key_from_jwk(rk_json_str(jwk, "x"), rk_json_str(jwk, "y"), &k, NULL)) continue;
    rk_key_jwk(k, x, y, out);
    rk_key_free(k);
    return;
  }
}

rk_err rk_ucp_read_merchant(const json_t *profile, const char *origin, struct rk_ucp_merchant *out, struct rk_error *e) {
  *out = (struct rk_ucp_merchant){0};
  const json_t *ucp = rk_json_obj(profile, "ucp"), *caps = rk_json_obj(ucp, "capabilities");
  if (!copy(out->origin, sizeof out->origin, rk_str_c(origin))) return rk_fail(e, RK_EINVAL, "the merchant's origin is too long");
  if (!ucp || rk_json_str(ucp, "version").n == 0) return rk_fail(e, RK_EFORMAT, "%s: its UCP profile has no version", origin);
  const json_t *service = rest_service(ucp, rk_str_c(origin));
  if (!service) return rk_fail(e, RK_EUPSTREAM, "%s offers no UCP %s REST service at its own origin", origin, RK_UCP_VERSION);
  rk_str endpoint = rk_json_str(service, "endpoint");
  while (endpoint.n && endpoint.p[endpoint.n - 1] == '/') endpoint.n--;
  if (!copy(out->endpoint, sizeof out->endpoint, endpoint)) return rk_fail(e, RK_EFORMAT, "%s: its endpoint is too long", origin);

  json_t *ours = rk_ucp_capabilities(), *active = rk_ucp_negotiate(caps, ours);
  out->has_discount = json_object_get(active, RK_UCP_DISCOUNT) != NULL;
  out->has_fulfillment = json_object_get(active, RK_UCP_FULFILLMENT) != NULL;
  out->has_lookup = json_object_get(active, RK_UCP_LOOKUP) != NULL;
  out->has_order = json_object_get(active, RK_UCP_ORDER) != NULL;
  out->has_refund = json_object_get(active, RK_UCP_REFUND) != NULL;
  if (!copy(out->travel_kind, sizeof out->travel_kind, rk_json_str(rk_json_obj(json_array_get(rk_json_arr(caps, RK_UCP_TRAVEL_KEY), 0), "config"), "kind")))
    out->travel_kind[0] = 0;
  bool enough = json_object_get(active, RK_UCP_CHECKOUT) && json_object_get(active, RK_UCP_SEARCH);
  json_decref(active);
  json_decref(ours);
  if (!enough) return rk_fail(e, RK_EUPSTREAM, "%s offers no catalogue search or no checkout that we speak", origin);

  const json_t *config = rk_json_obj(service, "config");
  const char *host = strstr(origin, "://");
  host = host ? host + 3 : origin;
  if (!copy(out->id, sizeof out->id, rk_json_str(config, "merchant_id"))) snprintf(out->id, sizeof out->id, "%.60s", host);
  if (!copy(out->name, sizeof out->name, rk_json_str(config, "merchant_name"))) snprintf(out->name, sizeof out->name, "%.120s", host);
  if (!copy(out->name_en, sizeof out->name_en, rk_json_str(config, "merchant_name_en"))) out->name_en[0] = 0;
  out->sandbox = rk_json_arr(rk_json_obj(ucp, "payment_handlers"), RK_PAYMENT_HANDLER) != NULL;
  first_thumbprint(profile, out->key_thumbprint);
  return RK_OK;
}

/* ---- reading foreign values into an arena ---- */

struct reader { struct rk_arena *arena; bool full; };

static const char *text_of(struct reader *r, rk_str s) {
  if (s.n > RK_MAX_UCP_TEXT_BYTES) s.n = RK_MAX_UCP_TEXT_BYTES;
  while (s.n && ((unsigned char)s.p[s.n - 1] & 0xc0) == 0x80 && s.n == RK_MAX_UCP_TEXT_BYTES) s.n--;
  char *out = rk_arena_dup(r->arena, s);
  if (!out) r->full = true;
  return out ? out : "";
}

static const char *field(struct reader *r, const json_t *obj, const char *key) { return text_of(r, rk_json_str(obj, key)); }

static void *array_of(struct reader *r, size_t n, size_t size) {
  void *p = n ? rk_arena_array(r->arena, n, size) : NULL;
  if (n && !p) r->full = true;
  return p;
}

static bool amount_ok(int64_t v) { return v >= 0 && v <= (int64_t)RK_MAX_TOTAL_MINOR; }

static bool currency_ok(rk_str s) {
  for (size_t i = 0; i < s.n; i++)
    if (s.p[i] < 'A' || s.p[i] > 'Z') return false;
  return s.n == 3;
}

/* A scalar as text: true, 3, 1.6, Sony. False: no scalar. */
static bool scalar_text(struct reader *r, const json_t *v, const char **out) {
  if (json_is_string(v)) *out = text_of(r, (rk_str){json_string_value(v), json_string_length(v)});
  else if (json_is_boolean(v)) *out = json_is_true(v) ? "true" : "false";
  else if (json_is_integer(v)) *out = rk_arena_printf(r->arena, "%lld", (long long)json_integer_value(v));
  else if (json_is_real(v)) *out = rk_arena_printf(r->arena, "%g", json_real_value(v));
  else return false;
  if (!*out) r->full = true, *out = "";
  return true;
}

/* ---- catalogue ---- */

static void set_text(json_t *obj, const char *key, const char *text) {
  if (text && text[0]) json_object_set_new(obj, key, json_string(text));
}

static json_t *travel_json(const struct rk_travel_ask *t) {
  json_t *v = json_object();
  set_text(v, "from", t->from);
  set_text(v, "to", t->to);
  set_text(v, "city", t->city);
  set_text(v, "name", t->name);
  set_text(v, "date", t->date);
  set_text(v, "end_date", t->end_date);
  if (t->after_min) json_object_set_new(v, "after_min", json_integer(t->after_min));
  if (t->before_min) json_object_set_new(v, "before_min", json_integer(t->before_min));
  return v;
}

json_t *rk_ucp_write_search(const struct rk_search *q) {
  bool en = q->lang && strcmp(q->lang, "en") == 0;
  int32_t limit = q->limit > 0 && q->limit < RK_MAX_OFFERS_PER_SHOP ? q->limit : RK_MAX_OFFERS_PER_SHOP;
  if (q->travel)
    return json_pack("{s:o, s:{s:s}, s:{s:i}}", RK_UCP_TRAVEL_KEY, travel_json(q->travel), "context", "language", en ? "en" : "zh", "pagination", "limit", MAX_SERVICES);
  return json_pack("{s:s, s:{s:s}, s:{s:i}}", "query", q->query, "context", "language", en ? "en" : "zh", "pagination", "limit", limit);
}

static void read_deliveries(struct reader *r, const json_t *list, const char *currency, struct rk_offer *o) {
  size_t n = json_array_size(list), i;
  json_t *v;
  struct rk_delivery *out = array_of(r, n < MAX_DELIVERIES ? n : MAX_DELIVERIES, sizeof *out);
  json_array_foreach(list, i, v) {
    int64_t fee = rk_json_i64(v, "fee_minor", -1);
    rk_str date = rk_json_str(v, "date");
    if (!out || o->n_deliveries == MAX_DELIVERIES || !amount_ok(fee) || rk_json_str(v, "id").n == 0) continue;
    struct rk_delivery *d = &out[o->n_deliveries++];
    *d = (struct rk_delivery){.id = field(r, v, "id"), .title = field(r, v, "title"), .fee = {.minor = fee}};
    memcpy(d->fee.currency, currency, 4);
    if (date.n == 10) memcpy(d->date, date.p, 10);
  }
  o->deliveries = out;
}

static void read_coupons(struct reader *r, const json_t *list, struct rk_offer *o) {
  size_t n = json_array_size(list), i;
  json_t *v;
  struct rk_coupon *out = array_of(r, n < MAX_COUPONS ? n : MAX_COUPONS, sizeof *out);
  json_array_foreach(list, i, v) {
    int64_t amount = rk_json_i64(v, "amount_minor", 0), percent = rk_json_i64(v, "percent", 0), least = rk_json_i64(v, "min_subtotal_minor", 0);
    if (!out || o->n_coupons == MAX_COUPONS || rk_json_str(v, "code").n == 0 || !amount_ok(amount) || !amount_ok(least) || percent < 0 || percent > 100)
      continue;
    out[o->n_coupons++] = (struct rk_coupon){.code = field(r, v, "code"), .title = field(r, v, "title"), .amount_minor = amount,
                                             .percent = (int32_t)percent, .min_subtotal_minor = least};
  }
  o->coupons = out;
}

static void read_attrs(struct reader *r, const json_t *extra, struct rk_offer *o) {
  json_t *attrs = rk_json_obj(extra, "attributes"), *v;
  const char *name;
  struct rk_option *out = array_of(r, MAX_ATTRS, sizeof *out);
  if (!out) return;
  if (rk_json_str(extra, "category").n) out[o->n_attrs++] = (struct rk_option){"category", field(r, extra, "category")};
  if (rk_json_str(extra, "size_kind").n) out[o->n_attrs++] = (struct rk_option){"size_kind", field(r, extra, "size_kind")};
  json_object_foreach(attrs, name, v) {
    struct rk_option *a = &out[o->n_attrs];
    if (o->n_attrs == MAX_ATTRS || !scalar_text(r, v, &a->value)) continue;
    a->name = text_of(r, rk_str_c(name));
    o->n_attrs++;
  }
  o->attrs = out;
}

static void read_reviews(struct reader *r, const json_t *list, struct rk_offer *o) {
  size_t i;
  json_t *v;
  const char **out = array_of(r, RK_MAX_UCP_REVIEWS, sizeof *out);
  json_array_foreach(list, i, v)
    if (out && o->n_reviews_text < RK_MAX_UCP_REVIEWS && rk_json_str(v, "text").n) out[o->n_reviews_text++] = field(r, v, "text");
  o->reviews = out;
}

/* What all variants of a product share. False: broken. */
static bool read_product(struct reader *r, const json_t *p, const struct rk_ucp_merchant *m, struct rk_offer *o) {
  const json_t *extra = rk_json_obj(rk_json_obj(p, "metadata"), RK_UCP_OFFER_KEY), *rating = rk_json_obj(p, "rating");
  rk_str currency = rk_json_str(rk_json_obj(rk_json_obj(p, "price_range"), "min"), "currency");
  if (rk_json_str(p, "id").n == 0 || rk_json_str(p, "title").n == 0 || !currency_ok(currency)) return false;
  *o = (struct rk_offer){.shop_id = m->id, .shop_name = m->name, .origin = m->origin, .travel_kind = m->travel_kind[0] ? m->travel_kind : NULL, .product_id = field(r, p, "id"),
                         .title = field(r, p, "title"), .description = field(r, rk_json_obj(p, "description"), "plain"), .url = field(r, p, "url"),
                         .stock = -1, .quantity = 1};
  memcpy(o->unit_price.currency, currency.p, 3);
  double value = json_number_value(json_object_get(rating, "value")), max = json_number_value(json_object_get(rating, "scale_max"));
  if (max > 0 && value >= 0 && value <= max) o->rating = value * 5 / max;
  int64_t count = rk_json_i64(rating, "count", 0);
  if (count > 0 && count < INT32_MAX) o->n_reviews = (int32_t)count;
  double relevance = json_number_value(json_object_get(extra, "relevance"));
  o->relevance = !extra ? 1 : relevance < 0 ? 0 : relevance > 1 ? 1 : relevance;
  read_attrs(r, extra, o);
  read_deliveries(r, rk_json_arr(extra, "deliveries"), o->unit_price.currency, o);
  read_coupons(r, rk_json_arr(extra, "coupons"), o);
  read_reviews(r, rk_json_arr(extra, "reviews"), o);
  return true;
}

static const char *option_value(const struct rk_option *list, int32_t n, const char *name) {
  for (int32_t i = 0; i < n; i++)
    if (strcmp(list[i].name, name) == 0) return list[i].value;
  return NULL;
}

/* What the search wants of this option; NULL: anything. */
static const char *wanted_value(const struct rk_search *q, const struct rk_offer *o, const char *option) {
  const char *v = option_value(q->options, q->n_options, option);
  const char *kind = option_value(o->attrs, o->n_attrs, "size_kind");
  if (!v && kind && strcmp(option, "size") == 0) v = option_value(q->sizes, q->n_sizes, kind);
  return v;
}

/* False: broken, sold out, or not the wanted options. */
static bool read_variant(struct reader *r, const json_t *v, const struct rk_search *q, struct rk_offer *o) {
  const json_t *price = rk_json_obj(v, "price"), *availability = rk_json_obj(v, "availability");
  int64_t amount = rk_json_i64(price, "amount", -1);
  if (rk_json_str(v, "id").n == 0 || !amount_ok(amount) || !rk_str_eq_c(rk_json_str(price, "currency"), o->unit_price.currency)) return false;
  if (!rk_json_bool(availability, "available", true)) return false;
  json_t *list = rk_json_arr(v, "options"), *opt;
  size_t i, n = json_array_size(list);
  struct rk_option *out = array_of(r, n < MAX_ATTRS ? n : MAX_ATTRS, sizeof *out);
  const char **labels = array_of(r, n < MAX_ATTRS ? n : MAX_ATTRS, sizeof *labels);
  json_array_foreach(list, i, opt) {
    rk_str value = rk_json_str(opt, "id");
    if (value.n == 0) value = rk_json_str(opt, "label");
    if (!out || !labels || o->n_options == MAX_ATTRS || rk_json_str(opt, "name").n == 0 || value.n == 0) continue;
    labels[o->n_options] = field(r, opt, "label");
    struct rk_option *mine = &out[o->n_options++];
    *mine = (struct rk_option){field(r, opt, "name"), text_of(r, value)};
    const char *want = wanted_value(q, o, mine->name);
    if (want && strcasecmp(want, mine->value) != 0) return false;
  }
  o->options = out;
  o->option_labels = labels;
  o->item_id = field(r, v, "id");
  o->unit_price.minor = amount;
  int64_t stock = rk_json_i64(rk_json_obj(rk_json_obj(v, "metadata"), RK_UCP_OFFER_KEY), "stock", -1);
  o->stock = stock >= 0 && stock < INT32_MAX ? (int32_t)stock : -1;
  return true;
}

rk_err rk_ucp_read_offers(const json_t *answer, const struct rk_ucp_merchant *merchant, const struct rk_search *q, struct rk_arena *a,
                          struct rk_offer **offers, int32_t *n, struct rk_error *e) {
  struct reader r = {.arena = a};
  json_t *products = rk_json_arr(answer, "products");
  *offers = NULL;
  *n = 0;
  if (rk_str_eq(rk_json_str(rk_json_obj(answer, "ucp"), "status"), RK_STR("error"))) {
    char text[300];
    rk_ucp_error_text(answer, text, sizeof text);
    return rk_fail(e, RK_EUPSTREAM, "%s: %s", merchant->name, text[0] ? text : "the search was refused");
  }
  if (!rk_json_obj(answer, "ucp") || !products) return rk_fail(e, RK_EFORMAT, "%s: the answer to a search has no products", merchant->name);
  struct rk_ucp_merchant *m = array_of(&r, 1, sizeof *m); /* offers point into it: it lives as long as they do */
  int32_t limit = q->limit > 0 && q->limit < RK_MAX_OFFERS_PER_SHOP ? q->limit : RK_MAX_OFFERS_PER_SHOP;
  size_t n_products = json_array_size(products) < MAX_PRODUCTS ? json_array_size(products) : MAX_PRODUCTS;
  struct rk_offer *bases = array_of(&r, n_products, sizeof *bases);
  *offers = array_of(&r, (size_t)limit, sizeof **offers);
  size_t *next = array_of(&r, n_products, sizeof *next);
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

/* ---- checkout: writing ---- */

static json_t *travelers_json(const struct rk_checkout_req *q) {
  json_t *list = json_array();
  for (int32_t i = 0; i < q->n_travelers; i++)
    json_array_append_new(list, json_pack("{s:s, s:s}", "name", q->travelers[i].name, "kind", q->travelers[i].child ? "child" : "adult"));
  return json_pack("{s:o}", "travelers", list);
}

json_t *rk_ucp_write_checkout(const struct rk_checkout_req *q, const char *id) {
  json_t *lines = json_array(), *codes = json_array(), *destination = json_object(), *method, *body;
  for (int32_t i = 0; i < q->n_lines; i++)
    json_array_append_new(lines, json_pack("{s:{s:s}, s:i}", "item", "id", q->lines[i].item_id, "quantity", q->lines[i].quantity));
  for (int32_t i = 0; i < q->n_codes; i++) json_array_append_new(codes, json_string(q->codes[i]));
  set_text(destination, "first_name", q->address.name); /* whole name: where a family name begins is not ours to guess */
  set_text(destination, "phone_number", q->address.phone);
  set_text(destination, "street_address", q->address.street);
  set_text(destination, "address_locality", q->address.city);
  method = json_pack("{s:s}", "type", "shipping");
  if (json_object_size(destination)) json_object_set_new(method, "destinations", json_pack("[O]", destination));
  if (q->delivery_id) json_object_set_new(method, "groups", json_pack("[{s:s}]", "selected_option_id", q->delivery_id));
  json_decref(destination);
  body = json_pack("{s:o, s:{s:[o]}, s:{s:o}}", "line_items", lines, "fulfillment", "methods", method, "discounts", "codes", codes);
  if (id) json_object_set_new(body, "id", json_string(id));
  if (q->n_travelers) json_object_set_new(body, RK_UCP_TRAVEL_KEY, travelers_json(q));
  if (q->lang) json_object_set_new(body, "context", json_pack("{s:s}", "language", q->lang));
  return body;
}

/* ---- checkout: reading ---- */

void rk_ucp_error_text(const json_t *answer, char *out, size_t size) {
  size_t i;
  json_t *m;
  rk_str text = rk_json_str(answer, "content");
  json_array_foreach(rk_json_arr(answer, "messages"), i, m)
    if (rk_str_eq(rk_json_str(m, "type"), RK_STR("error")) && text.n == 0) text = rk_json_str(m, "content");
  if (text.n >= size) text.n = size - 1;
  while (text.n && ((unsigned char)text.p[text.n - 1] & 0xc0) == 0x80 && text.n == size - 1) text.n--;
  if (text.n) memcpy(out, text.p, text.n);
  out[text.n] = 0;
  for (char *p = out; *p; p++)
    if ((unsigned char)*p < 0x20) *p = ' ';
}

static bool status_of(rk_str s, enum rk_checkout_status *out) {
  static const char *const names[] = {[RK_CO_INCOMPLETE] = "incomplete", [RK_CO_ESCALATION] = "requires_escalation",
    [RK_CO_READY] = "ready_for_complete", [RK_CO_IN_PROGRESS] = "complete_in_progress", [RK_CO_COMPLETED] = "completed", [RK_CO_CANCELED] = "canceled"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (rk_str_eq_c(s, names[i])) {
      *out = (enum rk_checkout_status)i;
      return true;
    }
  return false;
}

static void read_line_options(struct reader *r, const json_t *item, struct rk_line *line) {
  json_t *options = rk_json_obj(rk_json_obj(item, RK_UCP_OFFER_KEY), "options"), *v;
  const char *name;
  size_t n = json_object_size(options);
  struct rk_option *out = array_of(r, n < MAX_ATTRS ? n : MAX_ATTRS, sizeof *out);
  json_object_foreach(options, name, v)
    if (out && line->n_options < MAX_ATTRS && scalar_text(r, v, &out[line->n_options].value)) out[line->n_options++].name = text_of(r, rk_str_c(name));
  line->options = out;
}

/* Lines and the sum of price x quantity. */
static rk_err read_lines(struct reader *r, const json_t *list, struct rk_checkout *out, int64_t *sum, struct rk_error *e) {
  size_t n = json_array_size(list), i;
  json_t *v;
  if (n == 0 || n > RK_MAX_LINE_ITEMS) return rk_fail(e, RK_EFORMAT, "a checkout has 1 to %d lines, this one %zu", RK_MAX_LINE_ITEMS, n);
  struct rk_line *lines = array_of(r, n, sizeof *lines);
  if (!lines) return rk_fail(e, RK_ETOOBIG, "the checkout is too large");
  *sum = 0;
  json_array_foreach(list, i, v) {
    const json_t *item = rk_json_obj(v, "item");
    int64_t price = rk_json_i64(item, "price", -1), quantity = rk_json_i64(v, "quantity", -1);
    if (rk_json_str(item, "id").n == 0 || rk_json_str(item, "title").n == 0 || !amount_ok(price) || quantity < 1 || quantity > RK_MAX_QUANTITY)
      return rk_fail(e, RK_EFORMAT, "line %zu of the checkout lacks item, price or quantity", i + 1);
    *sum += price * quantity;
    if (!amount_ok(*sum)) return rk_fail(e, RK_EFORMAT, "the checkout's lines are worth too much");
    lines[i] = (struct rk_line){.item_id = field(r, item, "id"), .title = field(r, item, "title"), .quantity = (int32_t)quantity, .unit_minor = price};
    read_line_options(r, item, &lines[i]);
  }
  out->lines = lines;
  out->n_lines = (int32_t)n;
  return RK_OK;
}

/* One subtotal that is the sum of the lines, one total that is the sum of the rest. */
static rk_err read_totals(struct reader *r, const json_t *list, int64_t lines_sum, struct rk_checkout *out, struct rk_error *e) {
  size_t n = json_array_size(list), i;
  json_t *v;
  int64_t sum = 0, total = -1, subtotal = -1;
  int n_total = 0, n_subtotal = 0;
  if (n == 0 || n > RK_MAX_LINE_ITEMS) return rk_fail(e, RK_EFORMAT, "the checkout has no totals");
  struct rk_total *totals = array_of(r, n, sizeof *totals);
  if (!totals) return rk_fail(e, RK_ETOOBIG, "the checkout is too large");
  json_array_foreach(list, i, v) {
    rk_str type = rk_json_str(v, "type");
    int64_t amount = rk_json_i64(v, "amount", INT64_MIN);
    bool discount = rk_str_eq(type, RK_STR("discount")) || rk_str_eq(type, RK_STR("items_discount"));
    if (type.n == 0 || amount < -(int64_t)RK_MAX_TOTAL_MINOR || !amount_ok(discount ? -amount : amount) || (discount && amount == 0))
      return rk_fail(e, RK_EFORMAT, "an amount of the checkout's totals is out of range");
    if (rk_str_eq(type, RK_STR("total"))) total = amount, n_total++;
    else sum += amount;
    if (rk_str_eq(type, RK_STR("subtotal"))) subtotal = amount, n_subtotal++;
    totals[i] = (struct rk_total){.type = text_of(r, type), .text = field(r, v, "display_text"), .minor = amount};
  }
  if (n_total != 1 || n_subtotal != 1) return rk_fail(e, RK_EFORMAT, "a checkout has one subtotal and one total");
  if (sum != total) return rk_fail(e, RK_EFORMAT, "the checkout's totals do not add up: %lld is not %lld", (long long)sum, (long long)total);
  if (subtotal != lines_sum) return rk_fail(e, RK_EFORMAT, "the checkout's subtotal is not the sum of its lines");
  out->totals = totals;
  out->n_totals = (int32_t)n;
  return RK_OK;
}

static void read_messages(struct reader *r, const json_t *list, struct rk_checkout *out) {
  size_t n = json_array_size(list), i;
  json_t *v;
  const char **texts = array_of(r, n < RK_MAX_UCP_MESSAGES ? n : RK_MAX_UCP_MESSAGES, sizeof *texts);
  json_array_foreach(list, i, v)
    if (texts && out->n_messages < RK_MAX_UCP_MESSAGES && !rk_str_eq(rk_json_str(v, "type"), RK_STR("info"))) texts[out->n_messages++] = field(r, v, "content");
  out->messages = texts;
}

static void read_discounts(struct reader *r, const json_t *discounts, struct rk_checkout *out) {
  json_t *list = rk_json_arr(discounts, "applied"), *v;
  size_t n = json_array_size(list), i;
  const char **codes = array_of(r, n < RK_MAX_DISCOUNT_CODES ? n : RK_MAX_DISCOUNT_CODES, sizeof *codes);
  json_array_foreach(list, i, v)
    if (codes && out->n_codes < RK_MAX_DISCOUNT_CODES && rk_json_str(v, "code").n) codes[out->n_codes++] = field(r, v, "code");
  out->codes = codes;
}

static int64_t total_of(const json_t *totals) {
  size_t i;
  json_t *v;
  json_array_foreach(totals, i, v)
    if (rk_str_eq(rk_json_str(v, "type"), RK_STR("total"))) return rk_json_i64(v, "amount", -1);
  return -1;
}

/* The first method and its first group: rukou asks for one parcel to one address. */
static void read_fulfilment(struct reader *r, const json_t *fulfillment, struct rk_checkout *out) {
  const json_t *method = json_array_get(rk_json_arr(fulfillment, "methods"), 0), *group = json_array_get(rk_json_arr(method, "groups"), 0);
  rk_str chosen = rk_json_str(group, "selected_option_id"), destination = rk_json_str(method, "selected_destination_id");
  json_t *list = rk_json_arr(group, "options"), *v;
  size_t n = json_array_size(list), i;
  struct rk_delivery *options = array_of(r, n < MAX_DELIVERIES ? n : MAX_DELIVERIES, sizeof *options);
  json_array_foreach(list, i, v) {
    int64_t fee = total_of(rk_json_arr(v, "totals"));
    rk_str date = rk_json_str(v, "latest_fulfillment_time");
    if (!options || out->n_deliveries == MAX_DELIVERIES || !amount_ok(fee) || rk_json_str(v, "id").n == 0) continue;
    struct rk_delivery *d = &options[out->n_deliveries++];
    *d = (struct rk_delivery){.id = field(r, v, "id"), .title = field(r, v, "title"), .fee = {.minor = fee}};
    memcpy(d->fee.currency, out->currency, 4);
    if (date.n >= 10) memcpy(d->date, date.p, 10);
    if (rk_str_eq_c(chosen, d->id)) out->delivery = d;
  }
  out->deliveries = options;
  json_array_foreach(rk_json_arr(method, "destinations"), i, v)
    if (destination.n == 0 || rk_str_eq(destination, rk_json_str(v, "id"))) {
      out->address = (struct rk_address){.name = field(r, v, "first_name"), .phone = field(r, v, "phone_number"),
                                         .street = field(r, v, "street_address"), .city = field(r, v, "address_locality")};
      break;
    }
}

static void read_travelers(struct reader *r, const json_t *list, struct rk_checkout *out) {
  size_t n = json_array_size(list) < RK_MAX_TRAVELERS ? json_array_size(list) : RK_MAX_TRAVELERS;
  struct rk_traveler *people = array_of(r, n, sizeof *people);
  for (size_t i = 0; people && i < n; i++) {
    const json_t *v = json_array_get(list, i);
    people[out->n_travelers++] = (struct rk_traveler){field(r, v, "name"), rk_str_eq(rk_json_str(v, "kind"), RK_STR("child"))};
  }
  out->travelers = people;
}

static const char *refund_rule(struct reader *r, const json_t *links) {
  size_t i;
  json_t *v;
  json_array_foreach(links, i, v)
    if (rk_str_eq(rk_json_str(v, "type"), RK_STR("refund_policy"))) return field(r, v, "title");
  return "";
}

rk_err rk_ucp_read_checkout(const json_t *answer, const struct rk_ucp_merchant *m, struct rk_arena *a, struct rk_checkout *out,
                            struct rk_error *e) {
  struct reader r = {.arena = a};
  const json_t *ucp = rk_json_obj(answer, "ucp"), *order = rk_json_obj(answer, "order");
  *out = (struct rk_checkout){.sandbox = m->sandbox};
  if (!ucp || rk_str_eq(rk_json_str(ucp, "status"), RK_STR("error"))) {
    char text[300];
    rk_ucp_error_text(answer, text, sizeof text);
    if (text[0]) return rk_fail(e, RK_EUPSTREAM, "%s: %s", m->name, text);
    return rk_fail(e, RK_EFORMAT, "%s: its answer is no UCP checkout", m->name);
  }
  rk_str id = rk_json_str(answer, "id"), currency = rk_json_str(answer, "currency"), expires = rk_json_str(answer, "expires_at");
  if (id.n == 0 || id.n > 127 || !currency_ok(currency) || !status_of(rk_json_str(answer, "status"), &out->status))
    return rk_fail(e, RK_EFORMAT, "%s: its checkout lacks id, currency or a known status", m->name);
  memcpy(out->currency, currency.p, 3);
  int64_t sum = 0;
  struct rk_error why = {0};
  rk_err err = read_lines(&r, rk_json_arr(answer, "line_items"), out, &sum, &why);
  if (!err) err = read_totals(&r, rk_json_arr(answer, "totals"), sum, out, &why);
  if (err) return rk_fail(e, err, "%s: %s", m->name, why.msg);
  if (expires.n && !rk_time_parse(expires, &out->expires_ms, NULL)) return rk_fail(e, RK_EFORMAT, "%s: the checkout's expires_at is no time", m->name);
  if (out->status == RK_CO_COMPLETED && rk_json_str(order, "id").n == 0)
    return rk_fail(e, RK_EFORMAT, "%s: the checkout is completed and names no order", m->name);
  out->id = text_of(&r, id);
  out->origin = text_of(&r, rk_str_c(m->origin));
  out->merchant_name = text_of(&r, rk_str_c(m->name));
  out->merchant_name_en = m->name_en[0] ? text_of(&r, rk_str_c(m->name_en)) : NULL;
  out->key_thumbprint = text_of(&r, rk_str_c(m->key_thumbprint));
  if (rk_json_str(order, "id").n) {
    out->order_id = field(&r, order, "id");
    out->order_url = field(&r, order, "permalink_url");
  }
  read_messages(&r, rk_json_arr(answer, "messages"), out);
  read_discounts(&r, rk_json_obj(answer, "discounts"), out);
  read_fulfilment(&r, rk_json_obj(answer, "fulfillment"), out);
  read_travelers(&r, rk_json_arr(rk_json_obj(answer, RK_UCP_TRAVEL_KEY), "travelers"), out);
  out->refund_rule = refund_rule(&r, rk_json_arr(answer, "links"));
  return r.full ? rk_fail(e, RK_ETOOBIG, "%s: the checkout is too large", m->name) : RK_OK;
}

static bool has_error(const json_t *answer) {
  size_t i;
  json_t *v;
  json_array_foreach(rk_json_arr(answer, "messages"), i, v)
    if (rk_str_eq(rk_json_str(v, "type"), RK_STR("error"))) return true;
  return false;
}

/* 408 and 409 may mean that the first attempt is still running; 425 and 429 that it was not looked at. */
static bool clear_refusal(int32_t http_status) {
  return http_status >= 400 && http_status < 500 && http_status != 408 && http_status != 409 && http_status != 425 && http_status != 429;
}

enum rk_outcome rk_ucp_read_completion(int32_t http_status, const json_t *answer, const char *checkout_id,
                                       const struct rk_ucp_merchant *m, struct rk_arena *a, struct rk_checkout *out, struct rk_error *e) {
  char text[300];
  *out = (struct rk_checkout){0};
  rk_ucp_error_text(answer, text, sizeof text);
  if (clear_refusal(http_status) && json_is_object(answer)) {
    rk_fail(e, RK_EPAYMENT, "%s refused (HTTP %d): %s", m->name, http_status, text);
    return RK_OUTCOME_REFUSED;
  }
  if (http_status < 200 || http_status > 299 || !json_is_object(answer)) {
    rk_fail(e, RK_EUNAVAIL, "%s gave no clear answer (HTTP %d): whether the order stands is not known yet", m->name, http_status);
    return RK_OUTCOME_UNKNOWN;
  }
  if (rk_str_eq(rk_json_str(rk_json_obj(answer, "ucp"), "status"), RK_STR("error")) && has_error(answer)) {
    rk_fail(e, RK_EPAYMENT, "%s refused: %s", m->name, text);
    return RK_OUTCOME_REFUSED;
  }
  struct rk_error why = {0};
  rk_err err = rk_ucp_read_checkout(answer, m, a, out, &why);
  if (err || strcmp(out->id, checkout_id) != 0) {
    rk_fail(e, RK_EUNAVAIL, "%s; whether the order stands is not known yet", err ? why.msg : "the merchant answered with another checkout");
    return RK_OUTCOME_UNKNOWN;
  }
  if (out->status == RK_CO_COMPLETED) return RK_OUTCOME_DONE;
  if (out->status == RK_CO_CANCELED || (out->status != RK_CO_IN_PROGRESS && has_error(answer))) {
    rk_fail(e, RK_EPAYMENT, "%s refused: %s", m->name, text[0] ? text : "the checkout was cancelled");
    return RK_OUTCOME_REFUSED;
  }
  rk_fail(e, RK_EUNAVAIL, "%s has not finished the order yet", m->name);
  return RK_OUTCOME_UNKNOWN;
}

/* ---- refunds ---- */

json_t *rk_ucp_write_refund(const char *order_id, const struct rk_refund_line *lines, int32_t n_lines, const char *lang) {
  json_t *body = json_pack("{s:s}", "order_id", order_id), *list = json_array();
  for (int32_t i = 0; i < n_lines; i++) json_array_append_new(list, json_pack("{s:s, s:i}", "id", lines[i].line_id, "quantity", (int)lines[i].quantity));
  if (n_lines) json_object_set(body, "line_items", list);
  json_decref(list);
  if (lang) json_object_set_new(body, "context", json_pack("{s:s}", "language", lang));
  return body;
}

static bool read_refund_totals(const json_t *totals, struct rk_refund *out) {
  int64_t subtotal = -1, total = -1;
  size_t i;
  json_t *v;
  json_array_foreach(totals, i, v) {
    int64_t amount = rk_json_i64(v, "amount", INT64_MIN);
    rk_str type = rk_json_str(v, "type");
    if (rk_str_eq_c(type, "subtotal")) subtotal = amount;
    else if (rk_str_eq_c(type, "total")) total = amount;
    else if (rk_str_eq_c(type, "fee")) out->fee_minor = -amount;
    else return false;
  }
  out->back_minor = total;
  return amount_ok(subtotal) && amount_ok(total) && amount_ok(out->fee_minor) && subtotal - out->fee_minor == total;
}

static void read_refund_lines(struct reader *r, const json_t *list, struct rk_refund *out) {
  size_t n = json_array_size(list) < RK_MAX_LINE_ITEMS ? json_array_size(list) : RK_MAX_LINE_ITEMS;
  struct rk_refund_line *lines = array_of(r, n, sizeof *lines);
  for (size_t i = 0; lines && i < n; i++) {
    const json_t *v = json_array_get(list, i);
    int64_t quantity = rk_json_i64(v, "quantity", 0);
    if (quantity < 1 || quantity > RK_MAX_QUANTITY) continue;
    lines[out->n_lines++] = (struct rk_refund_line){field(r, v, "id"), field(r, v, "title"), (int32_t)quantity};
  }
  out->lines = lines;
}

rk_err rk_ucp_read_refund(const json_t *answer, const struct rk_ucp_merchant *m, struct rk_arena *a, struct rk_refund *out, struct rk_error *e) {
  struct reader r = {.arena = a};
  rk_str currency = rk_json_str(answer, "currency"), status = rk_json_str(answer, "status"), expires = rk_json_str(answer, "expires_at");
  *out = (struct rk_refund){.completed = rk_str_eq(status, RK_STR("completed"))};
  if (rk_str_eq(rk_json_str(rk_json_obj(answer, "ucp"), "status"), RK_STR("error"))) {
    char why[300];
    rk_ucp_error_text(answer, why, sizeof why);
    return rk_fail(e, RK_ECONFLICT, "%s", why[0] ? why : "the merchant gives nothing back");
  }
  if (rk_json_str(answer, "id").n == 0 || rk_json_str(answer, "order_id").n == 0 || !currency_ok(currency) ||
      (!out->completed && !rk_str_eq(status, RK_STR("quoted"))) || !rk_time_parse(expires, &out->expires_ms, NULL))
    return rk_fail(e, RK_EFORMAT, "%s: its refund lacks id, order, currency, a known status or expires_at", m->name);
  if (!read_refund_totals(rk_json_arr(answer, "totals"), out)) return rk_fail(e, RK_EFORMAT, "%s: the totals of its refund do not add up", m->name);
  memcpy(out->currency, currency.p, 3);
  out->id = field(&r, answer, "id");
  out->order_id = field(&r, answer, "order_id");
  out->policy = field(&r, answer, "policy");
  out->origin = text_of(&r, rk_str_c(m->origin));
  out->merchant_name = text_of(&r, rk_str_c(m->name));
  read_refund_lines(&r, rk_json_arr(answer, "line_items"), out);
  return r.full ? rk_fail(e, RK_ETOOBIG, "%s: the refund is too large", m->name) : RK_OK;
}
