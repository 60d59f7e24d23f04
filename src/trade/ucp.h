/* ucp.h - Universal Commerce Protocol (shopping service, REST binding) as a
 * thin facade: JSON values into rukou's structs and back. No sockets here, so
 * every reader can be fuzzed and replayed.
 *
 * Versions spoken: rk_ucp_version(). What a merchant adds to the standard fields
 * stands under the key RK_UCP_OFFER_KEY of a product's metadata (docs/ucp.md).
 * Every reader takes foreign JSON: it checks types, ranges and counts, and
 * says what is wrong. Texts are copied into the arena.
 * Thread rule: any thread. */
#ifndef RK_TRADE_UCP_H
#define RK_TRADE_UCP_H

#include "net/digest.h"
#include "trade/merchant.h"

#define RK_UCP_VERSION "2026-04-08" /* the oldest */
#define RK_UCP_SERVICE "dev.ucp.shopping"
#define RK_UCP_CHECKOUT "dev.ucp.shopping.checkout"
#define RK_UCP_ORDER "dev.ucp.shopping.order"
#define RK_UCP_SEARCH "dev.ucp.shopping.catalog.search"
#define RK_UCP_LOOKUP "dev.ucp.shopping.catalog.lookup"
#define RK_UCP_DISCOUNT "dev.ucp.shopping.discount"
#define RK_UCP_FULFILLMENT "dev.ucp.shopping.fulfillment"
#define RK_UCP_WEBHOOK_PATH "/webhooks/ucp/orders" /* of ours */
#define RK_UCP_CART "dev.ucp.shopping.cart"
#define RK_UCP_CONSENT "dev.ucp.shopping.buyer_consent"
#define RK_UCP_IDENTITY "dev.ucp.common.identity_linking"
#define RK_UCP_ACCOUNT "example.rukou.account" /* ours: what a linked user may read */
#define RK_UCP_OFFER_KEY "dev.rukou.offer"
#define RK_UCP_SORT_KEY "dev.rukou.sort" /* of a search: "price" | "rating"; an answer that is sorted so repeats it (docs/ucp.md) */
#define RK_UCP_TRAVEL_KEY "example.rukou.travel" /* dated places: query of a search, travelers of a checkout, capability */
#define RK_UCP_ON_DELIVERY "example.rukou.on_delivery" /* payment handler: to the carrier, at the door (docs/ucp.md) */
#define RK_UCP_REFUND "example.rukou.refund" /* ours: UCP has no request for money back (docs/ucp.md) */
#define RK_UCP_CHANGE "example.rukou.change" /* ours: a checkout that gives places of an order in exchange (docs/ucp.md) */
/* The lodging draft: in no release yet, so its version is the day of the draft that was read. Beside UCP 2026-08-25 only. */
#define RK_UCP_LODGING_VERSION "2026-09-25"
#define RK_UCP_LODGING "dev.ucp.lodging" /* its service */
#define RK_UCP_BOOKING "dev.ucp.lodging.booking"
#define RK_UCP_CANCELLATION "dev.ucp.lodging.policy.cancellation"

enum { RK_MAX_UCP_TEXT_BYTES = 4096, RK_MAX_UCP_MESSAGES = 32, RK_MAX_UCP_REVIEWS = 8, RK_UCP_NAME_BYTES = 128 };

/* ---- profiles and negotiation ---- */

/* Versions of the protocol that we speak, newest first; NULL behind the last. */
const char *rk_ucp_version(int32_t i);
/* The capabilities both sides of rukou declare, of RK_UCP_VERSION or of another of our versions. New reference. */
json_t *rk_ucp_capabilities(void);
json_t *rk_ucp_capabilities_at(const char *version);
/* What both sides declare of the lodging draft: the capabilities into caps; the entries of its REST service, endpoint NULL for
 * a platform. */
void rk_ucp_declare_lodging(json_t *caps);
json_t *rk_ucp_lodging_service(const char *endpoint); /* new reference */
/* Our platform profile. One document describes one version: the newest at
 * profile_url, which names the others, each at rk_ucp_profile_url(). */
struct rk_ucp_platform {
  const struct rk_key *key;       /* whose public half merchants verify requests and payment tokens with */
  const char *profile_url;
  const char *webhook_url;        /* where order events may be sent; NULL: nowhere, orders are polled */
};
json_t *rk_ucp_platform_profile(const struct rk_ucp_platform *p, const char *version); /* new reference */
void rk_ucp_profile_url(const char *newest_url, const char *version, char *out, size_t size);
/* Capabilities of both at the highest mutual version, extensions without a
 * parent pruned: {name: [{"version": V}]}. New reference, possibly empty. */
json_t *rk_ucp_negotiate(const json_t *business_capabilities, const json_t *platform_capabilities);
/* One JWK of key with kid = its thumbprint. New reference. */
json_t *rk_ucp_jwk(const struct rk_key *key);
/* The keys of a profile: top-level `keys` (2026-08-25) or `signing_keys`. Borrowed or NULL. */
json_t *rk_ucp_keys(const json_t *profile);
/* UCP-Agent: profile="URL" -> URL. False: absent, unquoted or too long. */
bool rk_ucp_agent_url(rk_str header, char *url, size_t size);

struct rk_ucp_merchant {
  char origin[256], endpoint[300];
  char id[64], name[128];       /* the merchant's own words, or its host */
  char name_en[128];            /* its English name, "": none */
  char key_thumbprint[64];      /* of its first P-256 key, or "" */
  const char *version;          /* one of rk_ucp_version() */
  bool sandbox;                 /* takes the sandbox payment handler */
  bool signs_answers;           /* says that it signs every answer: an unsigned one is none of its own */
  bool has_checkout, has_search, has_discount, has_fulfillment, has_lookup, has_order, has_refund, has_change, has_identity;
  char booking_endpoint[300];   /* of the lodging draft's sessions; "": it has none that we speak */
  char scopes[512];             /* of identity linking, space-separated: what needs a linked account */
  char travel_kind[16];         /* of a seller of dated places; "": of goods */
};
/* The newest version that both speak, by a profile fetched from origin: *url is
 * "" when this document is of that version, else where the right one lies (at
 * the same origin). RK_EFORMAT; RK_EUPSTREAM: no common version. */
rk_err rk_ucp_pick_version(const json_t *profile, const char *origin, const char **version, char *url, size_t size, struct rk_error *e) RK_MUST_USE;
/* Whether a schema at url may define an entity of that name: its host belongs to the name's owner. */
bool rk_ucp_schema_binds(const char *name, rk_str url);
/* What is odd about a profile, sentences for people: entries without a version,
 * schemas of somebody else's, no keys. New reference. */
json_t *rk_ucp_profile_faults(const json_t *profile);
/* Names in the config of identity linking that the profile's version does not define: they are passed over. New reference. */
json_t *rk_ucp_unknown_config(const json_t *profile);
/* Reads and negotiates a merchant's profile of one of our versions.
 * RK_EFORMAT; RK_EUPSTREAM: another version, no REST service at this origin, no checkout. */
rk_err rk_ucp_read_merchant(const json_t *profile, const char *origin, struct rk_ucp_merchant *out, struct rk_error *e) RK_MUST_USE;

/* Names of the capabilities that both have. New reference. */
json_t *rk_ucp_capability_names(const struct rk_ucp_merchant *m);

/* ---- catalogue ---- */
json_t *rk_ucp_write_search(const struct rk_search *q, const char *cursor); /* cursor of the page before, NULL: the first page */
/* Detail of a product with options chosen; of a name that stands twice the last value holds. New reference. */
json_t *rk_ucp_write_product(const char *product_id, const struct rk_option *selected, int32_t n, const char *lang);
/* Variants expanded to offers: the best variant of each product first, then the
 * second of each, at most q->limit (RK_MAX_OFFERS_PER_SHOP when 0). A product
 * without the wanted option value is left out. Broken products are left out;
 * RK_EFORMAT when the answer as a whole is broken. */
rk_err rk_ucp_read_offers(const json_t *answer, const struct rk_ucp_merchant *m, const struct rk_search *q, struct rk_arena *a,
                          struct rk_offer **offers, int32_t *n, struct rk_error *e) RK_MUST_USE;

/* ---- checkout ---- */
/* The body of a create or of a full-replace update. New reference. */
json_t *rk_ucp_write_checkout(const struct rk_checkout_req *q);
/* Whether totals hold by themselves: integers in range, discounts negative, one
 * total that the other entries sum to. A checkout without that is never
 * completed by us. RK_EFORMAT names the entry. */
rk_err rk_ucp_check_totals(const json_t *totals, struct rk_error *e) RK_MUST_USE;
/* Strict: totals reconcile, lines add up, one currency, a known status, an
 * order when completed. RK_EUPSTREAM when the merchant answered with an error
 * (its words are in e), RK_EFORMAT when the answer is broken. */
rk_err rk_ucp_read_checkout(const json_t *answer, const struct rk_ucp_merchant *m, struct rk_arena *a, struct rk_checkout *out,
                            struct rk_error *e) RK_MUST_USE;
/* What an answer to a completion means (see enum rk_outcome). http_status and
 * the parsed body, NULL when it was no JSON. out is filled when DONE, and when
 * a checkout came with REFUSED. */
enum rk_outcome rk_ucp_read_completion(int32_t http_status, const json_t *answer, const char *checkout_id,
                                       const struct rk_ucp_merchant *m, struct rk_arena *a, struct rk_checkout *out, struct rk_error *e);

/* ---- booking sessions of the lodging draft (ucp_booking.c): another spelling of a checkout of stays ---- */
/* The draft wants family and given name apart, a profile has one name. 张伟 -> 张, 伟; Jan van Berg -> Berg, Jan van. The two
 * joined are the name again. False: it cannot be parted (one word of letters). */
bool rk_ucp_part_name(rk_str name, char first[RK_UCP_NAME_BYTES], char last[RK_UCP_NAME_BYTES]);
void rk_ucp_join_name(rk_str first, rk_str last, char name[2 * RK_UCP_NAME_BYTES]);
/* A telephone number as the draft writes it (E.164), a Chinese mobile number without its country code. Borrowed. */
rk_str rk_ucp_phone(rk_str written);
/* Somebody is named and can be reached: the booker, or a guest for whom a room is kept, with the booker's contact or an own one. */
bool rk_ucp_has_lead(const json_t *booker, const json_t *guests, const json_t *stays);
/* Whether what is asked for can be said as a booking: stays of one house (items of docs/ucp.md, example.rukou.travel), and a
 * buyer who can be named and called. */
bool rk_ucp_can_book(const struct rk_ucp_merchant *m, const struct rk_checkout_req *q);
/* The body of a create or of a full-replace update of what can be booked. New reference. */
json_t *rk_ucp_write_booking(const struct rk_checkout_req *q);
/* The checkout that a booking says: the same session, so that the two readers above read it. An answer that is no booking comes
 * back as it is. RK_EFORMAT names the field. */
rk_err rk_ucp_booking_as_checkout(const json_t *answer, json_t **checkout, struct rk_error *e) RK_MUST_USE;

/* ---- refunds ---- */
/* A refund that was quoted or completed: its parts sum up, nothing is negative. RK_EFORMAT; RK_ECONFLICT: the merchant refuses it. */
json_t *rk_ucp_write_refund(const char *order_id, const struct rk_refund_line *lines, int32_t n_lines, const char *lang);
rk_err rk_ucp_read_refund(const json_t *answer, const struct rk_ucp_merchant *m, struct rk_arena *a, struct rk_refund *out, struct rk_error *e) RK_MUST_USE;
/* First error message of an answer ({"messages":[...]} or {"code","content"}) in one line; "" when none. */
void rk_ucp_error_text(const json_t *answer, char *out, size_t size);

#endif
