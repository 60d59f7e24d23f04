/* merchant.h - the platform (buyer's agent) side of a merchant conversation,
 * in protocol-neutral structs. ucp.c turns them into bytes and back; this file
 * sends them through net.
 *
 * A merchant is known by its origin. rk_merchants discovers and negotiates
 * each on first use (and again after failure), keeps what it found, and asks
 * all of them side by side. One that is down, slow or answers garbage is
 * reported and never stops the others.
 * Thread rule: any thread. */
#ifndef RK_TRADE_MERCHANT_H
#define RK_TRADE_MERCHANT_H

#include <string.h>

#include "net/net.h"
#include "net/signature.h"
#include "trade/offer.h"

struct rk_merchants;
struct rk_links;
struct rk_exchange;

struct rk_merchants_opts {
  struct rk_net *net;                 /* the origins are allowed on it */
  const char *agent_profile_url;      /* our UCP platform profile of the newest version, sent as UCP-Agent */
  const char *const *origins; int32_t n_origins;
  const struct rk_key *key;           /* signs our requests (RFC 9421); NULL: they go out unsigned */
  struct rk_links *links;             /* accounts that the user has linked (link.h); NULL: none */
  void (*on_exchange)(void *ud, const struct rk_exchange *x); void *ud; /* told of every exchange (exchange.h); NULL: nobody */
};
rk_err rk_merchants_new(const struct rk_merchants_opts *o, struct rk_merchants **out, struct rk_error *e) RK_MUST_USE;
void rk_merchants_free(struct rk_merchants *m);

/* Makes all known that answer: [{origin, ok, message (why not), name, version, scopes, capabilities: [name], sandbox, signs, linked,
 * link_ended (the merchant took the link back)}]. New reference. */
json_t *rk_merchants_list(struct rk_merchants *m, struct rk_error *e);

/* Whether m is signed by the merchant of that origin (a webhook). A key that its
 * profile does not have is looked for in it once more. RK_ENOTFOUND: none of
 * ours; RK_EAUTH: *fault says why; others: its profile cannot be had. */
rk_err rk_merchants_verify(struct rk_merchants *m, const char *origin, const struct rk_http_message *msg, int64_t now_s, struct rk_sig_info *info,
                           enum rk_sig_fault *fault, struct rk_error *e) RK_MUST_USE;

struct rk_shop_report { const char *shop_id, *name, *origin; rk_err err; const char *message; int32_t n_offers; };
/* Dated places: which sellers are asked, and for what (docs/ucp.md, example.rukou.travel). */
struct rk_travel_ask {
  const char *kind;                                           /* "train" | "flight" | "stay" | "ticket" | "film" */
  const char *from, *to, *city, *name;                        /* NULL: not for this kind, or any */
  const char *date, *end_date;                                /* YYYY-MM-DD; end_date of a stay: the day of leaving */
  int32_t after_min, before_min;                              /* of the day; 0: no limit */
};
struct rk_search {
  const char *query;
  const struct rk_travel_ask *travel;                         /* NULL: goods; else query is not used */
  bool undeclared;                                            /* asks those too that declare no search: a probe */
  const char *lang;                                           /* "zh" | "en" */
  int32_t limit;                                              /* offers per merchant; 0: RK_MAX_OFFERS_PER_SHOP */
  int32_t products;                                           /* asked of each merchant; 0: as many as limit */
  const char *sort;                                           /* "price" | "rating" (docs/ucp.md), NULL: none. One that does not
                                                               * sort by it is asked for RK_MAX_UNSORTED products */
  int64_t min_price_minor;                                    /* of a price tag; 0: none */
  /* Which variants are wanted: option name and value (sugar=less). A product
   * without such an option is not affected, one without the value is left out. */
  const struct rk_option *options; int32_t n_options;
  /* The profile's sizes by size_kind ("shoes" = "42", "clothes" = "L"): used for
   * products that say which kind their option `size` is, unless options has one. */
  const struct rk_option *sizes; int32_t n_sizes;
};
enum { RK_MAX_UNSORTED = 50 };
/* Offers of all merchants (variants expanded), unpriced, in arena: the attrs
 * hold the merchant's facts, and `size_kind` where the option size is one of
 * the profile's sizes. Sorted by relevance, merchant by merchant interleaved.
 * RK_EUNAVAIL when no merchant answered; one that failed stands in reports. */
rk_err rk_merchants_search(struct rk_merchants *m, const struct rk_search *q, struct rk_arena *a,
                           struct rk_offer **offers, int32_t *n_offers,
                           struct rk_shop_report **reports, int32_t *n_reports, struct rk_error *e) RK_MUST_USE;

/* ---- checkout ---- */
struct rk_line { const char *item_id, *title; const struct rk_option *options; int32_t n_options;
                 int32_t quantity; int64_t unit_minor; };
struct rk_total { const char *type, *text; int64_t minor; };  /* UCP total types; discounts negative */
enum { RK_MAX_TRAVELERS = 9 };
struct rk_traveler { const char *name; bool child; };
struct rk_address { const char *name, *phone, *street; const char *city; };

/* What of a paid order is given in exchange for what a checkout buys: its lines are worth old_minor together, which counts
 * towards the new ones and the fee; back_minor of it is left over and goes back. */
struct rk_change_line { const char *line_id /* the merchant's */, *item_id, *title; int32_t quantity; int64_t amount_minor; };
struct rk_change { const char *order_id /* the merchant's */, *policy; const struct rk_change_line *lines; int32_t n_lines; int64_t old_minor, fee_minor, back_minor; };

enum rk_checkout_status { RK_CO_INCOMPLETE, RK_CO_ESCALATION, RK_CO_READY, RK_CO_IN_PROGRESS, RK_CO_COMPLETED, RK_CO_CANCELED };

struct rk_checkout {
  const char *id, *origin, *merchant_name, *key_thumbprint, *order_id /* NULL */, *order_url;
  const char *merchant_name_en;     /* its English name; NULL: none */
  enum rk_checkout_status status;
  char currency[4];
  const struct rk_line *lines; int32_t n_lines;
  const struct rk_total *totals; int32_t n_totals;            /* includes "total"; they reconcile or it is an error */
  const char *const *codes; int32_t n_codes;                  /* discounts applied */
  struct rk_address address;
  const struct rk_delivery *delivery;                         /* chosen */
  const struct rk_delivery *deliveries; int32_t n_deliveries; /* offered */
  const char *refund_rule;                                    /* merchant's text or "" */
  const char *continue_url;                                   /* its page where the buyer goes on; NULL: none */
  int64_t expires_ms;                                         /* 0: none */
  const char *const *messages; int32_t n_messages;            /* merchant's errors and warnings */
  const struct rk_traveler *travelers; int32_t n_travelers;   /* of dated places */
  const struct rk_change *change;                             /* NULL: nothing is given in exchange */
  bool sandbox;                                               /* it takes the sandbox payment handler */
  bool on_delivery;                                           /* it takes payment on delivery: these two are all that we have */
  bool takes_back;                                            /* the order can be given back over example.rukou.refund */
  int64_t undo_fee_minor;                                     /* and that costs so much at once after it is placed; < 0: it does not say */
};

/* An id is opaque: one that begins so says that this merchant is spoken to about it by booking sessions. The merchant's own words,
 * as a payment token or an order of its names the checkout: */
#define RK_MERCHANT_BOOKING "booking:"
static inline const char *rk_merchant_checkout_id(const char *id) {
  return strncmp(id, RK_MERCHANT_BOOKING, sizeof RK_MERCHANT_BOOKING - 1) == 0 ? id + sizeof RK_MERCHANT_BOOKING - 1 : id;
}

struct rk_checkout_req {
  const char *origin;
  const struct rk_line *lines; int32_t n_lines;               /* item_id, options, quantity are used */
  struct rk_address address;                                  /* without a street: nothing is delivered */
  const struct rk_traveler *travelers; int32_t n_travelers;
  const struct rk_change *change;                             /* order_id, and of lines line_id and quantity (n_lines 0: all that is left); NULL */
  const char *delivery_id;                                    /* NULL: cheapest */
  const char *const *codes; int32_t n_codes;
  const char *lang;                                           /* of titles: "zh" | "en", NULL: the merchant's own */
};
rk_err rk_merchant_checkout_create(struct rk_merchants *m, const struct rk_checkout_req *q, struct rk_arena *a,
                                   struct rk_checkout *out, struct rk_error *e) RK_MUST_USE;
rk_err rk_merchant_checkout_update(struct rk_merchants *m, const char *id, const struct rk_checkout_req *q,
                                   struct rk_arena *a, struct rk_checkout *out, struct rk_error *e) RK_MUST_USE;
rk_err rk_merchant_checkout_get(struct rk_merchants *m, const char *origin, const char *id, struct rk_arena *a,
                                struct rk_checkout *out, struct rk_error *e) RK_MUST_USE;
rk_err rk_merchant_checkout_cancel(struct rk_merchants *m, const char *origin, const char *id, struct rk_error *e) RK_MUST_USE;

/* All variants of an item's product that are to be had, unpriced, as far as the merchant's lookup shows them. RK_EUNAVAIL: it has none. */
rk_err rk_merchant_variants(struct rk_merchants *m, const char *origin, const char *item_id, const char *lang, struct rk_arena *a, struct rk_offer **offers,
                            int32_t *n, struct rk_error *e) RK_MUST_USE;

/* What the merchant itself says that o->quantity of the offer costs, delivered in city ("" : not said; no more of an
 * address is told): a checkout that is cancelled at once, so that nothing is held. Fills deliveries, fees_minor and quoted;
 * the caller prices it again. RK_ENOTFOUND: its checkout says nothing about delivery either. */
rk_err rk_merchant_quote(struct rk_merchants *m, struct rk_offer *o, const char *city, const char *lang, struct rk_arena *a, struct rk_error *e) RK_MUST_USE;

/* The exact bytes of a completion: built once, stored, then sent as often as needed under one key. */
struct rk_payment {
  const char *instrument_id, *kind /* card|wallet */, *label, *token;
  const char *handler_id, *credential_type; /* NULL: the sandbox handler and its token */
};                                           /* token NULL: the handler needs no credential */
rk_err rk_merchant_complete_body(const struct rk_payment *p, struct rk_buf *body) RK_MUST_USE;
enum rk_outcome { RK_OUTCOME_DONE, RK_OUTCOME_REFUSED, RK_OUTCOME_UNKNOWN };
/* UNKNOWN: the answer was lost or unclear: only GET and reconcile, or the same bytes under the same key. With out->status
 * RK_CO_ESCALATION the merchant waits for the buyer at out->continue_url: only GET, nothing is sent again. */
enum rk_outcome rk_merchant_complete(struct rk_merchants *m, const char *origin, const char *id, const char *idempotency_key,
                                     rk_str body, struct rk_arena *a, struct rk_checkout *out, struct rk_error *e);
/* The merchant's order as JSON (UCP order), new reference. */
rk_err rk_merchant_order(struct rk_merchants *m, const char *origin, const char *order_id, json_t **out, struct rk_error *e) RK_MUST_USE;


/* ---- money back (example.rukou.refund, docs/ucp.md) ---- */
struct rk_refund_line { const char *line_id, *title; int32_t quantity; };
struct rk_refund {
  const char *id, *origin, *merchant_name, *order_id, *policy;
  bool completed;
  char currency[4];
  const struct rk_refund_line *lines; int32_t n_lines;
  int64_t fee_minor, back_minor;    /* back: after the fee */
  int64_t expires_ms;
};
/* Whether the merchant takes such requests at all; RK_EUNAVAIL and others: its profile cannot be had. */
rk_err rk_merchant_takes_back(struct rk_merchants *m, const char *origin, bool *takes, struct rk_error *e) RK_MUST_USE;
/* lines n_lines 0: everything that is left. RK_ENOTFOUND: no such order; RK_ECONFLICT: nothing comes back (the merchant's rule is in
 * e); RK_EUNAVAIL: this merchant takes no such request, the user goes to the order's page. */
rk_err rk_merchant_refund_quote(struct rk_merchants *m, const char *origin, const char *order_id, const struct rk_refund_line *lines,
                                int32_t n_lines, const char *lang, struct rk_arena *a, struct rk_refund *out, struct rk_error *e) RK_MUST_USE;
/* UNKNOWN: only rk_merchant_refund_get, or the same again under the same key. */
enum rk_outcome rk_merchant_refund_confirm(struct rk_merchants *m, const char *origin, const char *refund_id, const char *idempotency_key,
                                           struct rk_arena *a, struct rk_refund *out, struct rk_error *e);
rk_err rk_merchant_refund_get(struct rk_merchants *m, const char *origin, const char *refund_id, struct rk_arena *a, struct rk_refund *out,
                              struct rk_error *e) RK_MUST_USE;

#endif
