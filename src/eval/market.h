/* market.h - everything that the shops of a run sell, at what it costs at the
 * least: the measure of "cheapest" and "best rated".
 *
 * Made from the tables of the shops themselves, which a shop with the same
 * tables sells; stock is that of a fresh sandbox. Totals are
 * items - discounts + delivery, worked out here and not by the shop's checkout.
 * Thread rule: after rk_market_open() any thread reads. */
#ifndef RK_EVAL_MARKET_H
#define RK_EVAL_MARKET_H

#include "shop/catalog.h"

enum { RK_MAX_MARKET_SHOPS = 24 };

struct rk_market_shop { const char *name; struct rk_catalog catalog; };
struct rk_market { struct rk_arena *arena; int32_t n; struct rk_market_shop shops[RK_MAX_MARKET_SHOPS]; };

rk_err rk_market_open(const char *const *dirs, int32_t n, struct rk_market *out, struct rk_error *e) RK_MUST_USE;
void rk_market_close(struct rk_market *m);
int32_t rk_market_shop_named(const struct rk_market *m, const char *name); /* -1: none */

/* What delivery has to do with a total. address: {street_address, address_locality, address_region} or NULL. */
struct rk_need { int64_t at_ms; const char *date /* YYYY-MM-DD or NULL: any */; const json_t *address; };
/* The lowest total of n pieces, best codes and delivery chosen. False: it cannot be had so. */
bool rk_market_lowest(const struct rk_catalog *c, const struct rk_item *item, int64_t n, const struct rk_need *need, int64_t *total_minor);

/* {category, attr, title_has, not_brand}: whether the item meets those of the keys that there are. */
bool rk_market_meets(const struct rk_item *item, const json_t *keys);
/* A fact or chosen option by name, typed. New reference; NULL: it has none. */
json_t *rk_market_attr(const struct rk_item *item, const char *name);

/* Calls fn for each item that meets the keys and of which n are in stock. */
void rk_market_each(const struct rk_market *m, const json_t *keys, int64_t n, void (*fn)(void *ud, int32_t shop, const struct rk_item *item), void *ud);

/* The lowest fare of a party from one city to another on a day, of all sellers of the mode ("train", "flight", "any"),
 * departing within [after, before] ("HH:MM" or NULL). False: none. */
struct rk_trip { const char *from, *to, *date, *mode, *after, *before; int64_t adults, children, now_ms; };
bool rk_market_lowest_trip(const struct rk_market *m, const struct rk_trip *t, int64_t *total_minor);

#endif
