/* private.h - inside of a shop: shop.c (requests), agents.c (who asks),
 * profile.c (what we say of ourselves), catalogue.c (search and lookup),
 * session.h (carts, checkouts, orders), oauth.c (linked accounts), webhook.c,
 * testing.c, seller.c (dated places in place of goods). */
#ifndef RK_SHOP_PRIVATE_H
#define RK_SHOP_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "net/digest.h"
#include "shop/shop.h"

enum { MAX_AGENTS = 64, AGENT_URL_BYTES = 512, AGENT_TTL_MS = 300000, CHECKOUT_TTL_MS = 1800000, MAX_ID_BYTES = 128,
       CATALOG_BYTES = 64 << 20, SEATS_TEXT_BYTES = 256, SELLER_ARENA_BYTES = 4 << 20 };

enum ucp_version { UCP_2026_04_08, UCP_2026_08_25, UCP_VERSIONS };

/* Who asks: its profile's address, what was negotiated, its keys. */
struct caller {
  char url[AGENT_URL_BYTES];
  enum ucp_version version;
  json_t *active, *keys;
  char webhook_url[AGENT_URL_BYTES];  /* where it wants its orders' changes, or "" */
  bool is_signed;                     /* this request, by one of its keys */
  char user[64];                      /* who linked the account that this request is for, or "" */
  const char *scope;                  /* what that user allowed; lives as long as grant */
  json_t *grant;
};

struct agent { struct caller caller; int64_t known_ms; };

struct rk_shop {
  struct rk_shop_opts o;
  char origin[128];
  struct rk_arena *arena;
  struct rk_catalog catalog;
  pthread_rwlock_t goods_lock;        /* catalog and index: a request reads them, a change of an own shop's goods writes */
  struct rk_arena *goods;             /* of an own shop: products; the rest of the catalogue is in arena */
  pthread_mutex_t load_lock;          /* one request at a time loads what changed */
  _Atomic int64_t goods_version;      /* 0: not a shop of one's own */
  int lock_fd;                        /* one process serves a shop */
  struct rk_index *index;
  struct rk_db *db;
  struct rk_key *key;
  json_t *capabilities[UCP_VERSIONS];
  atomic_bool outage;                 /* testing: no key can be remembered */
  pthread_mutex_t lock;               /* agents */
  struct agent agents[MAX_AGENTS];
};

/* An answer that is no resource. code and content as UCP spells them. */
void answer_error(struct rk_shop_answer *out, int32_t status, const char *code, const char *fmt, ...) RK_PRINTF(4, 5);

/* ---- agents.c ---- */
/* False: answered. fresh: fetch again even when it is known. */
bool caller_find(struct rk_shop *s, rk_str header, bool fresh, struct caller *out, struct rk_shop_answer *answer);
void caller_release(struct caller *c);
/* Checks the signature, when there is one. False: answered. */
bool caller_verify(struct rk_shop *s, const struct rk_shop_request *r, struct caller *c, struct rk_shop_answer *answer);

/* ---- profile.c ---- */
const char *ucp_version_name(enum ucp_version v);
bool ucp_version_of(rk_str name, enum ucp_version *out);
/* Capabilities that this shop offers at a version. New reference. */
json_t *shop_capabilities(const struct rk_shop *s, enum ucp_version v);
/* root: with the other versions' addresses. */
json_t *shop_profile(const struct rk_shop *s, enum ucp_version v, bool root);
/* {"version","status":"success","capabilities":root and its extensions}: of an answer about root. */
json_t *ucp_envelope(const struct rk_shop *s, const struct caller *c, const char *root);
/* {"ucp":{status:error},"messages":[...]}: a business outcome without a resource, HTTP 200. */
json_t *ucp_refusal(const char *code, const char *severity, const char *content);
json_t *ucp_message(const char *type, const char *code, const char *path, const char *severity, const char *content);

/* ---- catalogue.c ---- */
/* A product as the catalogue shows it; of dated places only. */
json_t *product_view(const struct rk_shop *s, const struct rk_product *p, bool en);
void handle_search(struct rk_shop *s, const struct caller *c, const json_t *body, struct rk_shop_answer *out);
void handle_lookup(struct rk_shop *s, const struct caller *c, const json_t *body, struct rk_shop_answer *out);
void handle_product(struct rk_shop *s, const struct caller *c, const json_t *body, struct rk_shop_answer *out);
bool wants_english(const json_t *body);

/* ---- promise.c: dates on the shop's clock ---- */
/* Days until a delivery ordered at at_ms: those of the rule, counted from the next open moment, after the cutoff from the next day's. */
int32_t delivery_days(const struct rk_catalog *c, int64_t at_ms, const struct rk_delivery_rule *d);
/* YYYY-MM-DD in the shop's zone, days after at_ms. */
void promised_date(const struct rk_catalog *c, int64_t at_ms, int32_t days, char out[11]);
/* "2026-11-25T09:00:00+08:00": that hour of the date in the shop's zone. */
void promised_time(const struct rk_catalog *c, const char date[11], int32_t hour, char out[40]);
/* When the shop takes orders again, in milliseconds, INT64_MAX unknown; 0: it does now. */
int64_t shop_opens_ms(const struct rk_catalog *c, int64_t now_ms);
void shop_local_time(const struct rk_catalog *c, int64_t utc_ms, char out[40]); /* the same form, of any moment */
enum { OPENS_TEXT_BYTES = 200 };
void shop_opens_text(const struct rk_catalog *c, int64_t opens_ms, bool en, char out[OPENS_TEXT_BYTES]);

/* ---- seller.c: of a shop whose catalogue has `travel` ---- */
/* Made in a, with what is left now; places that checkout_id (may be NULL) holds count as left. NULL: there is none. */
const struct rk_product *seller_product(const struct rk_shop *s, rk_str service_id, struct rk_arena *a);
const struct rk_item *seller_item(const struct rk_shop *s, rk_str item_id, const char *checkout_id, struct rk_arena *a);
bool seller_sells(const struct rk_shop *s, rk_str item_id);
void seller_search(struct rk_shop *s, const struct caller *c, const json_t *body, int64_t from, int64_t limit, struct rk_shop_answer *out);
/* Whether what all lines together want of this item's stock is left. */
bool seller_has_places(const struct rk_shop *s, const json_t *lines, rk_str item_id, const char *checkout_id);
/* Lets go what the checkout held and holds what its state wants, or nothing when not all of it is left. */
rk_err seller_hold(struct rk_shop *s, const char *checkout_id, const json_t *state, int64_t expires_ms, struct rk_error *e) RK_MUST_USE;
/* The seats of a film that the checkout holds or has bought; false: none. */
bool seller_seats(const struct rk_shop *s, const char *checkout_id, const char *item_id, bool en, char out[SEATS_TEXT_BYTES]);
/* Frees places that were bought; of a film the last seats. */
rk_err seller_unsell(struct rk_db *db, const char *checkout_id, const char *item_id, int32_t quantity, struct rk_error *e) RK_MUST_USE;
int32_t seller_travelers_wanted(const struct rk_shop *s, const json_t *lines);
json_t *seller_read_travelers(const json_t *body); /* [{name, kind}]; new reference */

/* ---- oauth.c ---- */
/* Reads the bearer token of a request, when there is one, into c->user and c->scope. False: answered. */
bool oauth_identify(struct rk_shop *s, const struct rk_shop_request *r, struct caller *c, struct rk_shop_answer *answer);
/* Metadata, authorization, token, revocation. False: none of its addresses. */
bool oauth_handle(struct rk_shop *s, const struct rk_shop_request *r, struct rk_shop_answer *out);
void oauth_use_grant(struct caller *c, json_t *grant); /* takes it; NULL: none */
void oauth_user_of_phone(rk_str phone, char user[64]); /* whose orders go to this number */
json_t *oauth_scopes(void);                    /* {scope: {description}}; new reference */
bool oauth_is_offered(const struct rk_shop *s);
void handle_account(struct rk_shop *s, const struct caller *c, bool orders, struct rk_shop_answer *out);

void oauth_mint(struct rk_shop *s, rk_str kind, struct rk_shop_answer *out); /* testing */

/* ---- page.c: what buyers see ---- */
void page_consent(const struct rk_shop *s, const char *client, bool orders, bool wrong, struct rk_shop_answer *out);
/* ---- picture.c: GET /pictures/PRODUCT.svg; false: another address ---- */
bool picture_handle(const struct rk_shop *s, const struct rk_shop_request *r, struct rk_shop_answer *out);

/* ---- admin.c: the seller's page, under /admin of a shop of one's own ---- */
bool admin_handle(struct rk_shop *s, const struct rk_shop_request *r, struct rk_shop_answer *out);

bool page_handle(struct rk_shop *s, const struct rk_shop_request *r, struct rk_shop_answer *out);

/* ---- webhook.c ---- */
void shop_sign_answer(const struct rk_shop *s, rk_str body, struct rk_shop_answer *out);

/* ---- testing.c: fixtures of the shop's own tests and of test suites; only with --testing ---- */
/* False: none of its addresses, or not testing. */
bool testing_handle(struct rk_shop *s, const struct rk_shop_request *r, struct rk_shop_answer *out);
bool testing_proves(const struct rk_shop *s, const char *claim);

/* ---- payment.c ---- */
struct session;
/* The handlers offered, for what is bought (NULL: whatever the shop sells). New reference. */
json_t *payment_handlers(const struct rk_shop *s, const struct session *x);

/* ---- cart.c: inside the request's transaction, except get ---- */
void handle_cart_create(struct rk_shop *s, const struct caller *c, const json_t *body, struct rk_shop_answer *out);
void handle_cart_get(struct rk_shop *s, const struct caller *c, const char *id, struct rk_shop_answer *out);
void handle_cart_update(struct rk_shop *s, const struct caller *c, const char *id, const json_t *body, struct rk_shop_answer *out);
void handle_cart_cancel(struct rk_shop *s, const struct caller *c, const char *id, struct rk_shop_answer *out);

/* ---- checkout.c, order.c: inside the request's transaction, except get ---- */
void handle_create(struct rk_shop *s, const struct caller *c, const json_t *body, struct rk_shop_answer *out);
void handle_get(struct rk_shop *s, const struct caller *c, const char *id, struct rk_shop_answer *out);
void handle_update(struct rk_shop *s, const struct caller *c, const char *id, const json_t *body, struct rk_shop_answer *out);
void handle_complete(struct rk_shop *s, const struct caller *c, const char *id, const json_t *body, struct rk_shop_answer *out);
void handle_cancel(struct rk_shop *s, const struct caller *c, const char *id, struct rk_shop_answer *out);
void handle_order(struct rk_shop *s, const struct caller *c, const char *id, struct rk_shop_answer *out);

/* ---- booking.c: of a hotel, inside the request's transaction; the other operations of a booking are those of a checkout ---- */
bool session_is_booking(const char *id);
void handle_booking_create(struct rk_shop *s, const struct caller *c, const json_t *body, struct rk_shop_answer *out);

/* ---- refund.c: inside the request's transaction, except get ---- */
void handle_refund_quote(struct rk_shop *s, const struct caller *c, const json_t *body, struct rk_shop_answer *out);
void handle_refund_confirm(struct rk_shop *s, const struct caller *c, const char *id, struct rk_shop_answer *out);
void handle_refund_get(struct rk_shop *s, const struct caller *c, const char *id, struct rk_shop_answer *out);

json_t *refund_order(struct rk_shop *s, const struct caller *c, const char *id, struct rk_shop_answer *out); /* of this agent; NULL: answered */

/* The payment token of a completion's body; empty: none. */
rk_str completion_token(const json_t *body);

#endif
