/* offer.h - one thing one merchant sells, and what it costs in the end.
 *
 * Values in an arena; every text is the merchant's own claim and untrusted.
 * total = unit price x quantity - best coupon + delivery + fees, computed by
 * code from what the merchant lists or quoted; its own checkout has the last
 * word. What neither says is unknown, and total is then the least it can be. */
#ifndef RK_TRADE_OFFER_H
#define RK_TRADE_OFFER_H

#include "base/arena.h"
#include "json/json.h"
#include "trade/money.h"

struct rk_delivery { const char *id, *title; struct rk_money fee; char date[11]; /* promised, YYYY-MM-DD or "" */ };
struct rk_coupon   { const char *code, *title; int64_t amount_minor; int32_t percent; int64_t min_subtotal_minor; };
struct rk_option   { const char *name, *value; };              /* chosen or fixed: size 42, sugar less */

/* Where the delivery of an offer is known from. */
enum rk_sure {
  RK_SURE_NOT,       /* from nowhere: total is without delivery, the least it can be */
  RK_SURE_EXPECTED,  /* a quote for another offer of this merchant and kind */
  RK_SURE_LISTED,    /* the merchant lists it with the offer */
  RK_SURE_QUOTED     /* its own quote for this offer */
};

struct rk_offer {
  const char *shop_id, *shop_name, *origin;    /* origin is the merchant's identity */
  const char *travel_kind;                     /* "train" | "flight" | "stay" | "ticket" | "film"; NULL: goods */
  const char *product_id, *item_id;            /* item_id: what a line item names (a variant) */
  const char *title, *description, *url;
  const char *picture_url;                     /* http(s); NULL: none */
  const struct rk_option *attrs;  int32_t n_attrs;     /* facts: brand, noise_cancelling, volume_l */
  const struct rk_option *options; int32_t n_options;  /* what this variant fixes: size=42 */
  const char *const *option_labels;            /* [n_options] the same for people, in the search's language; or NULL */
  struct rk_money unit_price;
  int32_t stock;                               /* -1: unknown */
  double rating; int32_t n_reviews;            /* 0..5 */
  const char *const *reviews; int32_t n_reviews_text;
  const struct rk_delivery *deliveries; int32_t n_deliveries;
  const struct rk_coupon *coupons; int32_t n_coupons;
  bool plain;                                  /* its merchant sends standard fields only: what its texts do not say is not known */
  double relevance;                            /* 0..1 as the merchant ranked it; < 0: it does not say */
  bool pays_elsewhere;                         /* its profile lists none of our means of payment: the buyer pays on its page, or on delivery */
  int64_t opens_ms;                            /* the merchant takes orders again from then on; 0: it does now */
  enum rk_sure quoted;                         /* RK_SURE_EXPECTED or _QUOTED: deliveries and fees are of a quote; else RK_SURE_NOT */
  int64_t fees_minor;                          /* of the quote: what is neither items nor coupon nor delivery; < 0: taken off by itself */
  /* filled by rk_offer_price() */
  int32_t quantity;
  const struct rk_coupon *coupon;              /* best one that applies, or NULL */
  const struct rk_delivery *delivery;          /* cheapest (that meets the wanted date) */
  struct rk_money subtotal, discount, total;
  enum rk_sure sure;
  const char *unsaid;                          /* what the user demands and it does not say, by whoever ranks it; NULL: nothing */
  const char *unsure;                          /* words that the user said and it does not, which may be no demand; NULL: none */
  struct rk_score { double total, rating, date, all; } score; /* 0..1, by whoever ranks it */
};

/* deliver_by: "" or a date that the promise must not pass. Cheapest delivery, then soonest; the coupon that takes off
 * most. RK_ENOTFOUND: no delivery meets the date; RK_ECONFLICT: more than is in stock; RK_EINVAL: quantity, amounts out
 * of range, or two currencies. */
rk_err rk_offer_price(struct rk_offer *o, int32_t quantity, const char *deliver_by);
static inline bool rk_offer_is_sure(const struct rk_offer *o) { return o->sure >= RK_SURE_LISTED; }
/* The card of docs/api.md, `why` empty and no warnings yet; an unknown stock is null. New reference. */
json_t *rk_offer_card(const struct rk_offer *o, int32_t number);

#endif
