/* pick.h - which offers are shown and which one is best: code, not the model.
 *
 * One offer a product: the variant that fits what the user said. An offer that
 * breaks a limit of the user's words is no candidate; one of which a limit
 * cannot be checked is left out and counted. Amounts of two currencies are not
 * compared: the limit's, else the one of most offers holds. The order goes by what the user
 * gets and pays: total, rating, promised date, or all of them weighed by the
 * user's words. Neither a merchant's name nor its place in the list counts,
 * and a merchant has no field to ask for a better place: its relevance decides
 * what is the asked kind of thing, never the order.
 *
 * Where a merchant does not list its delivery, the total is a lower bound. The
 * best of all is quoted by its merchant (rk_quoter) until the best is certain,
 * so that the winner is the one that quoting everything would find:
 *
 *     bound 29.00  shop a  -> quote 41.00
 *     bound 33.00  shop b  -> quote 35.00   first: no bound is below it
 *     total 36.00  shop c, lists its delivery
 *     bound 38.00  shop d     not quoted
 *
 * Pure but for the price fields it fills and the quotes; any thread. */
#ifndef RK_AGENT_PICK_H
#define RK_AGENT_PICK_H

#include "agent/intent.h"
#include "base/limits.h"
#include "trade/merchant.h"

enum { RK_MAX_QUOTES = 5 };

/* Asks the offer's merchant (rk_merchant_quote). NULL where nobody is to be asked. */
struct rk_quoter { rk_err (*quote)(void *ud, struct rk_offer *o); void *ud; };

struct rk_picked {
  struct rk_offer *shown[RK_MAX_CARDS]; int32_t n_shown; /* best first */
  int32_t n_candidates;            /* offers of the asked kind, limits aside */
  struct rk_offer *nearest;        /* the cheapest of those, NULL: none */
  int32_t n_over, n_late, n_sold_out, n_excluded; /* left out, why */
  bool near_budget;                /* "about 300": the first is the cheapest near it, cheaper ones follow */
  int32_t n_shops;                 /* that have an offer among the shown */
  int32_t n_quotes;                /* asked for */
  int32_t n_unchecked;             /* shown behind the first though their delivery, not known, may make them better */
  int32_t n_unknown;               /* left out: a limit hangs on what their merchant does not say */
  int32_t n_currency;              /* left out: priced in another currency than the others */
  const char *unsaid;              /* left out: offers that do not say this, which the user demands; NULL: none */
};

/* What the merchants are asked: their first products by the order that the user wants, not far below the wanted price. A merchant
 * that sorts is asked for few, as its best are among them. Fills sort, products, min_price_minor. */
void rk_pick_search(const struct rk_intent *in, struct rk_search *q);
/* offers: as found. Prices them for the intent's quantity and date. quoter may be NULL. */
void rk_pick(const struct rk_intent *in, struct rk_offer *offers, int32_t n, const struct rk_quoter *quoter, struct rk_picked *out);
/* Merchants that do not say how well their offers fit (relevance < 0) are judged by the words of the query that stand in the
 * offer: it fits when it has about as many of them as the best of all offers has, else not at all (0). query: normal form. */
void rk_pick_relevance(struct rk_offer *offers, int32_t n, rk_str query);
/* What the user demands, beside the intent. */
struct rk_demands {
  const char *words;                               /* as the user wrote them */
  rk_str said, query;                              /* normal forms of the words and of what the shops were asked */
  const struct rk_option *options; int32_t n_options; /* that the words name */
};
/* Of plain offers: one that says otherwise than is demanded ("65W", "一斤", an option, a size) fits not at all; one that does not say
 * it, or lacks a name of the query ("Xiaomi", "降噪"), gets `unsaid` (text in a), and rk_pick leaves it out; other words that it lacks
 * stand in `unsure`, and the reason names them. Merchants with fields of ours were asked for it by them. After rk_pick_relevance(). */
void rk_pick_demands(const struct rk_intent *in, const struct rk_demands *d, struct rk_offer *offers, int32_t n, struct rk_arena *a);
/* {"all": 0..1, "parts": [{"part": total|rating|date, "value": 0..1, "weight": 1}]}: what the order went by. New reference. */
json_t *rk_pick_score(const struct rk_intent *in, const struct rk_offer *o);
/* Do both sell the same thing: words of the title the same, and no fact that differs? */
bool rk_pick_same_thing(const struct rk_offer *a, const struct rk_offer *b);
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
