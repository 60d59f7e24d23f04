/* search.h - finds products by a sentence of a person or of a small model.
 *
 * The query is folded (case, width, plural, punctuation), cut into the longest
 * phrases of the shop's own word list, and what they mean is looked up:
 * categories, attributes, numbers with units, option values; words that are
 * left are looked for in product names. Meanings combine with AND; when no
 * product has all of them, those with the most remain. Too little of a query
 * understood gives nothing at all: a guess is no offer.
 *
 * An index is built once and never changes. Any thread searches. */
#ifndef RK_SHOP_SEARCH_H
#define RK_SHOP_SEARCH_H

#include "shop/catalog.h"

enum { RK_MAX_QUERY_TOKENS = 96 };

struct rk_index;

struct rk_hit {
  const struct rk_product *product;
  double relevance;                         /* 0..1: how much of the query this product meets */
  const char *wanted[RK_MAX_AXES];          /* option value the query named for each axis, or NULL */
};

rk_err rk_index_new(const struct rk_catalog *c, struct rk_index **out, struct rk_error *e) RK_MUST_USE;
void rk_index_free(struct rk_index *x);
/* Best first (relevance, then price), at most max; returns how many. A longer query than RK_MAX_QUERY_BYTES is cut. */
int32_t rk_index_search(const struct rk_index *x, rk_str query, struct rk_hit *hits, int32_t max);
/* Whether the item has the option values that the hit names. */
bool rk_hit_wants(const struct rk_hit *h, const struct rk_item *item);

#endif
