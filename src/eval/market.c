#include "eval/market.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { ARENA_BYTES = 512 << 20, MAX_SERVICES = 256 };

rk_err rk_market_open(const char *const *dirs, int32_t n, struct rk_market *out, struct rk_error *e) {
  *out = (struct rk_market){.arena = rk_arena_new(ARENA_BYTES)};
  if (!out->arena) return rk_fail(e, RK_ENOMEM, "out of memory");
  if (n > RK_MAX_MARKET_SHOPS) return rk_fail(e, RK_ETOOBIG, "more than %d shops", RK_MAX_MARKET_SHOPS);
  for (; out->n < n; out->n++) {
    struct rk_market_shop *s = &out->shops[out->n];
    const char *slash = strrchr(dirs[out->n], '/');
    s->name = rk_arena_dup(out->arena, rk_str_c(slash ? slash + 1 : dirs[out->n]));
    rk_err err = s->name ? rk_catalog_load(dirs[out->n], out->arena, &s->catalog, e) : rk_fail(e, RK_ENOMEM, "out of memory");
    if (err) return err;
  }
  return RK_OK;
}

void rk_market_close(struct rk_market *m) {
  if (m->arena) rk_arena_free(m->arena);
  *m = (struct rk_market){0};
}

int32_t rk_market_shop_named(const struct rk_market *m, const char *name) {
  for (int32_t i = 0; i < m->n; i++)
    if (strcmp(m->shops[i].name, name) == 0) return i;
  return -1;
}

/* ---- totals ---- */

static int64_t worth(const struct rk_coupon_rule *r, int64_t goods, int64_t left) {
  if (goods < r->min_subtotal_minor) return 0;
  int64_t off = r->percent ? goods * r->percent / 100 : r->amount_minor;
  return off < left ? off : left;
}

/* Discounts that apply by themselves, then the codes: the best alone, or all of them where they add up. */
static int64_t discount(const struct rk_catalog *c, const struct rk_item *item, int64_t goods) {
  int64_t left = goods, best = 0;
  for (int32_t i = 0; i < c->n_coupons; i++) {
    const struct rk_coupon_rule *r = &c->coupons[i];
    if (r->code[0] == '-' && rk_coupon_fits(r, item->product->category)) left -= worth(r, goods, left);
  }
  for (int32_t i = 0; i < c->n_coupons; i++) {
    const struct rk_coupon_rule *r = &c->coupons[i];
    if (!rk_coupon_has_code(r) || !rk_coupon_fits(r, item->product->category)) continue;
    int64_t off = worth(r, goods, left);
    if (c->codes_add_up) left -= off;
    else if (off > best) best = off;
  }
  return goods - left + best;
}

static bool goes_to(const struct rk_delivery_rule *d, const json_t *address) {
  static const char *const parts[] = {"address_region", "address_locality", "street_address"};
  rk_str rest = rk_str_c(d->regions), one;
  if (!d->regions) return true;
  while (rest.n) {
    rk_str_cut(rest, ' ', &one, &rest);
    for (size_t i = 0; one.n && i < sizeof parts / sizeof *parts; i++)
      if (rk_str_find(rk_json_str(address, parts[i]), one) >= 0) return true;
  }
  return false;
}

static bool arrives_on(const struct rk_catalog *c, const struct rk_delivery_rule *d, const struct rk_need *need) {
  char date[32];
  if (!need->date) return true;
  int64_t offset_ms = (int64_t)rk_zone_offset_s(c->zone, need->at_ms / 1000) * 1000, minute = (need->at_ms + offset_ms) / 60000 % 1440, late = c->cutoff_min && minute >= c->cutoff_min;
  rk_time_rfc3339(need->at_ms + offset_ms + (d->days + late) * 86400000, date);
  return strncmp(date, need->date, 10) == 0;
}

bool rk_market_lowest(const struct rk_catalog *c, const struct rk_item *item, int64_t n, const struct rk_need *need, int64_t *total_minor) {
  const char *class = item->product->category->delivery_class;
  int64_t goods = item->price_minor * n, off = discount(c, item, goods), best = -1, grams = item->weight_g * n;
  if (strcmp(class, RK_NO_DELIVERY) == 0) return *total_minor = goods - off, true;
  for (int32_t i = 0; i < c->n_deliveries; i++) {
    const struct rk_delivery_rule *d = &c->deliveries[i];
    if (strcmp(d->class, class) != 0 || !goes_to(d, need->address) || !arrives_on(c, d, need)) continue;
    int64_t fee = d->free_over_minor && goods - off >= d->free_over_minor ? 0 : d->fee_minor + (grams > 1000 ? (grams - 1) / 1000 * d->per_kg_minor : 0);
    if (best < 0 || fee < best) best = fee;
  }
  *total_minor = goods - off + best;
  return best >= 0;
}

/* ---- what an item is ---- */

json_t *rk_market_attr(const struct rk_item *item, const char *name) {
  json_t *all = rk_product_facts(item->product), *options = rk_item_options(item), *v;
  json_object_update(all, options);
  v = json_incref(json_object_get(all, name));
  json_decref(options);
  json_decref(all);
  return v;
}

static bool same(const json_t *a, const json_t *b) {
  if (json_is_number(a) && json_is_number(b)) return json_number_value(a) == json_number_value(b); /* 2 and 2.0 */
  return json_equal(a, b);
}

static bool has_attrs(const struct rk_item *item, const json_t *attrs) {
  const char *name;
  json_t *wanted, *all = rk_product_facts(item->product), *options = rk_item_options(item);
  bool ok = true;
  json_object_update(all, options);
  json_object_foreach((json_t *)(uintptr_t)attrs, name, wanted) ok = ok && same(wanted, json_object_get(all, name));
  json_decref(options);
  json_decref(all);
  return ok;
}

bool rk_market_meets(const struct rk_item *item, const json_t *keys) {
  const struct rk_product *p = item->product;
  const json_t *category = json_object_get(keys, "category"), *title = json_object_get(keys, "title_has"), *brand = json_object_get(keys, "not_brand"),
               *attrs = json_object_get(keys, "attr");
  if (category && !(json_is_string(category) && strcmp(json_string_value(category), p->category->id) == 0)) return false;
  if (title && !(json_is_string(title) && (strstr(p->title.zh, json_string_value(title)) || strstr(p->title.en, json_string_value(title))))) return false;
  if (brand) {
    json_t *own = rk_market_attr(item, "brand");
    bool is = json_equal(own, brand);
    json_decref(own);
    if (is) return false;
  }
  return !attrs || (json_is_object(attrs) && has_attrs(item, attrs));
}

void rk_market_each(const struct rk_market *m, const json_t *keys, int64_t n, void (*fn)(void *, int32_t, const struct rk_item *), void *ud) {
  for (int32_t s = 0; s < m->n; s++)
    for (int32_t i = 0; i < m->shops[s].catalog.n_items; i++) {
      const struct rk_item *item = m->shops[s].catalog.by_id[i];
      if (item->first_stock >= n && rk_market_meets(item, keys)) fn(ud, s, item);
    }
}

/* ---- trips ---- */

static bool is_mode(enum rk_travel_kind kind, const char *mode) {
  if (kind == RK_TRAVEL_TRAIN) return strcmp(mode, "flight") != 0;
  return kind == RK_TRAVEL_FLIGHT && strcmp(mode, "train") != 0;
}

bool rk_market_lowest_trip(const struct rk_market *m, const struct rk_trip *t, int64_t *total_minor) {
  struct rk_service *found = calloc(MAX_SERVICES, sizeof *found);
  int64_t best = -1;
  for (int32_t s = 0; found && s < m->n; s++) {
    const struct rk_travel *seller = m->shops[s].catalog.travel;
    struct rk_error e;
    int32_t n = 0;
    if (!seller || !is_mode(rk_travel_kind(seller), t->mode)) continue;
    struct rk_travel_query q = {.from = rk_str_c(t->from), .to = rk_str_c(t->to), .date = rk_str_c(t->date)};
    if (rk_travel_search(seller, &q, t->now_ms, found, MAX_SERVICES, &n, &e)) continue;
    for (int32_t i = 0; i < n; i++) {
      if ((t->after && strcmp(found[i].starts, t->after) < 0) || (t->before && strcmp(found[i].starts, t->before) > 0)) continue;
      for (int32_t f = 0; f < found[i].n_fares; f++) {
        const struct rk_fare *fare = &found[i].fares[f];
        int64_t total = fare->adult_minor * t->adults + fare->child_minor * t->children;
        if (fare->places >= t->adults + t->children && (best < 0 || total < best)) best = total;
      }
    }
  }
  free(found);
  *total_minor = best;
  return best >= 0;
}
