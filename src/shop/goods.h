/* goods.h - the goods of a seller's own shop: rows of a spreadsheet, kept in
 * the shop's database, made into a catalogue.
 *
 * A row is a JSON object {sku, product, category, title, title_en, description,
 * description_en, options: {name: value}, facts: {name: value}, price_minor,
 * weight_g, stock}. Rows with the same `product` are its variants; every one of
 * them has the same options. Thread rule: any thread. */
#ifndef RK_SHOP_GOODS_H
#define RK_SHOP_GOODS_H

#include "shop/catalog.h"
#include "shop/csv.h"

enum { RK_MAX_GOODS_FAULTS = 50, RK_MAX_GOODS_TEXT = 2000, RK_MAX_STOCK = 1000000 };

/* Columns sku, title, price and stock are wanted; product, category, title_en, description, description_en, options
 * ("colour=red;size=42"), weight_g and fact.NAME may be there; names in Chinese do too (docs/shop.md). *rows: a new
 * reference. Every fault is a line of report ("line 7, price: ..."), at most RK_MAX_GOODS_FAULTS and how many more;
 * RK_EFORMAT when there is one: nothing of the table is to be used. */
rk_err rk_goods_read(const struct rk_csv *c, json_t **rows, struct rk_buf *report, struct rk_error *e) RK_MUST_USE;
/* The same checks on one row that came from a form. RK_EINVAL names the field. */
rk_err rk_goods_check(const json_t *row, struct rk_error *e) RK_MUST_USE;
/* Fills categories, products and items of c. rows: as they were stored. */
rk_err rk_goods_catalog(const json_t *rows, struct rk_arena *a, struct rk_catalog *c, struct rk_error *e) RK_MUST_USE;

#endif
