/* pick.h - which offers are shown and which one is best: code, not the model.
 *
 * One offer a product: the variant that fits what the user said. An offer that
 * breaks a limit of the user's words is no candidate. Pure but for the price
 * fields it fills; any thread. */
#ifndef RK_AGENT_PICK_H
#define RK_AGENT_PICK_H

#include "agent/intent.h"
#include "base/limits.h"
#include "trade/offer.h"

struct rk_picked {
  struct rk_offer *shown[RK_MAX_CARDS]; int32_t n_shown; /* best first */
  int32_t n_candidates;            /* offers of the asked kind, limits aside */
  struct rk_offer *nearest;        /* the cheapest of those, NULL: none */
  int32_t n_over, n_late, n_sold_out, n_excluded; /* left out, why */
  bool near_budget;                /* "about 300": the first is the cheapest near it, cheaper ones follow */
  int32_t n_shops;                 /* that have an offer among the shown */
};

/* offers: as found, relevance first. Prices them for the intent's quantity and date. */
void rk_pick(const struct rk_intent *in, struct rk_offer *offers, int32_t n, struct rk_picked *out);
/* Is the offer's total within the user's limits? */
bool rk_pick_within(const struct rk_intent *in, const struct rk_offer *o);
/* Why the first is first (or why there is none), in the user's language. */
rk_err rk_pick_reason(const struct rk_intent *in, const struct rk_picked *p, struct rk_buf *out) RK_MUST_USE;
/* Options that the user's words name (value or its label as a word): up to max pairs. said: normal form. */
int32_t rk_pick_options(rk_str said, const struct rk_offer *offers, int32_t n, struct rk_option *out, int32_t max);
/* A size that nobody knows and that must be asked before buying: its values among the offers, up to max; 0: nothing to ask.
 * known: whether the profile has a size of this kind ("shoes", "clothes"). */
int32_t rk_pick_sizes(const struct rk_intent *in, const struct rk_picked *p, const struct rk_offer *offers, int32_t n,
                      bool (*known)(void *ud, const char *kind), void *ud, const char **values, int32_t max);
const char *rk_pick_attr(const struct rk_offer *o, const char *name);   /* NULL: none */
const char *rk_pick_option(const struct rk_offer *o, const char *name); /* NULL: none */

#endif
