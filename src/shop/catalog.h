/* catalog.h - what a shop sells: products with facts, options and items.
 *
 * An item is what can be bought: a product with one value chosen for each of
 * its options. The catalogue is made from the tables in the shop's directory
 * and in ../common by generate.c: same tables and seed, same goods. It never
 * changes while the shop runs; stock, which does, lives in the database.
 *
 * Everything lives in the arena given to rk_catalog_load. Any thread reads. */
#ifndef RK_SHOP_CATALOG_H
#define RK_SHOP_CATALOG_H

#include "base/arena.h"
#include "base/limits.h"
#include "json/json.h"
#include "shop/hours.h"
#include "shop/table.h"
#include "shop/travel.h"

enum { RK_MAX_AXES = 4, RK_MAX_FACTS = 12, RK_MAX_PRODUCT_REVIEWS = 3, RK_MAX_ITEMS_PER_PRODUCT = 64,
       RK_CLIENT_COLUMNS = 5 };

/* Delivery class of what is delivered by nobody: no address, no parcel. */
#define RK_NO_DELIVERY "none"

struct rk_text { const char *zh, *en; };
static inline const char *rk_text_in(struct rk_text t, bool en) { return en ? t.en : t.zh; }

struct rk_category { const char *id; struct rk_text name; const char *size_kind /* "" none */, *delivery_class; struct rk_text title, description; };
struct rk_fact { const char *name; char type; /* s text, n number, b yes/no */ const char *value; struct rk_text label; };
struct rk_choice { const char *option, *value; struct rk_text label; int64_t extra_minor; };
struct rk_axis { const char *option; const struct rk_choice *choices; int32_t n_choices; };

struct rk_product;
struct rk_item {
  const char *id;
  const struct rk_product *product;
  const struct rk_choice *chosen[RK_MAX_AXES];  /* [product->n_axes] */
  int64_t price_minor;
  int32_t weight_g;                             /* 0: not said */
  int32_t first_stock;
};
struct rk_product {
  const char *id;
  const struct rk_category *category;
  struct rk_text title, description;
  struct rk_fact facts[RK_MAX_FACTS]; int32_t n_facts;
  struct rk_axis axes[RK_MAX_AXES]; int32_t n_axes;
  struct rk_item *items; int32_t n_items;       /* the first is the one shown first */
  int64_t price_minor;                          /* the lowest of its items */
  int32_t rating_tenths, n_reviews;             /* 47 of 50 */
  struct rk_text reviews[RK_MAX_PRODUCT_REVIEWS]; int32_t n_reviews_text;
};

/* regions: words of an address, separated by spaces, NULL everywhere. per_kg: for each kilogram begun after the first.
 * free_over: no fee from this subtotal on, 0 never. */
struct rk_delivery_rule { const char *class, *id; struct rk_text title; int64_t fee_minor; int32_t days;
                          const char *regions; int64_t per_kg_minor, free_over_minor; };
static inline bool rk_delivery_is_plain(const struct rk_delivery_rule *d) { return !d->regions && !d->per_kg_minor && !d->free_over_minor; }
/* code: what a buyer types; "-": applies by itself; "@CLAIM": to buyers who claim that eligibility (context.eligibility). */
struct rk_coupon_rule { const char *code, *category; /* "*" all */ int64_t amount_minor; int32_t percent; int64_t min_subtotal_minor; struct rk_text title; };
static inline bool rk_coupon_has_code(const struct rk_coupon_rule *r) { return r->code[0] != '-' && r->code[0] != '@'; }
static inline const char *rk_coupon_claim(const struct rk_coupon_rule *r) { return r->code[0] == '@' ? r->code + 1 : NULL; }

struct rk_catalog {
  const char *name;                             /* of the directory */
  const char *id_prefix;
  const char *no_refund;                        /* delivery classes, separated by spaces, whose goods are not taken back */
  bool standard_only;                           /* conf vendor_fields = no: nothing but standard UCP fields in the catalogue */
  bool own;                                     /* a seller's own shop: its goods are in the database (own.h) */
  int32_t cutoff_min;                           /* of the day: later orders count as the next day's; 0: none */
  struct rk_travel *travel;                     /* of a seller of dated places, who has no products of his own; else NULL */
  struct rk_text title, refund_rule;
  struct rk_text change_rule;                   /* of dated places; "": no changes */
  bool codes_add_up;                            /* conf discount_codes = all; else the best code alone */
  const char *origin;                           /* who the shop is, whatever port it listens on; "": where it listens */
  const char *continue_url;                     /* the seller's own checkout page, {id} is the session; "": none */
  int64_t on_delivery_max_minor;                /* paid on delivery up to this total; 0: not offered */
  struct rk_table clients;                      /* clients.tsv: platforms that may link accounts (oauth.c); no rows: none */
  char currency[4];
  const struct rk_zone *zone;                   /* of its wall clock: conf zone, or utc_offset */
  struct rk_hours hours;
  bool sells_when_open;                         /* conf orders_when_closed = no: a checkout waits until it opens */
  struct rk_category *categories; int32_t n_categories;
  struct rk_product *products; int32_t n_products;
  struct rk_delivery_rule *deliveries; int32_t n_deliveries;
  struct rk_coupon_rule *coupons; int32_t n_coupons;
  struct rk_table attrs, options, words, units; /* what search learns its words from */
  struct rk_item **by_id; int32_t n_items;      /* sorted by id */
};

/* dir: the shop's directory, with shop.conf. RK_EFORMAT names the table's fault. */
rk_err rk_catalog_load(const char *dir, struct rk_arena *a, struct rk_catalog *out, struct rk_error *e) RK_MUST_USE;
/* Sorts the items by id; for who filled products himself. */
rk_err rk_catalog_index(struct rk_arena *a, struct rk_catalog *c, struct rk_error *e) RK_MUST_USE;
int32_t rk_catalog_place(const struct rk_catalog *c, rk_str item_id); /* in by_id; -1: none */
const struct rk_item *rk_catalog_item(const struct rk_catalog *c, rk_str item_id); /* NULL: none */
const struct rk_product *rk_catalog_product(const struct rk_catalog *c, rk_str product_id);
bool rk_coupon_fits(const struct rk_coupon_rule *r, const struct rk_category *c);

/* Made by seller.c for rk_catalog_load. */
rk_err rk_seller_load(const char *dir, const struct rk_table *conf, struct rk_arena *a, struct rk_catalog *c, struct rk_error *e) RK_MUST_USE;
/* Made by generate.c for rk_catalog_load. */
rk_err rk_catalog_generate(const char *dir, const char *common, const struct rk_table *conf, struct rk_arena *a,
                           struct rk_catalog *c, struct rk_error *e) RK_MUST_USE;

/* {"brand":"Sony","noise_cancelling":true}: typed. And {"size":"42"}. New references. */
json_t *rk_product_facts(const struct rk_product *p);
json_t *rk_item_options(const struct rk_item *item);

#endif
