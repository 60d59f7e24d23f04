/* private.h - inside of a shop: shop.c (requests), agents.c (who asks),
 *  * catalogue.c (search and lookup), checkout.c (sessions and orders), seller.c
 * (dated places in place of goods). */
#ifndef RK_SHOP_PRIVATE_H
#define RK_SHOP_PRIVATE_H

#include <pthread.h>

#include "net/digest.h"
#include "shop/shop.h"

enum { MAX_AGENTS = 64, AGENT_URL_BYTES = 512, AGENT_TTL_MS = 300000, CHECKOUT_TTL_MS = 1800000, MAX_ID_BYTES = 128,
       CATALOG_BYTES = 64 << 20, SEATS_TEXT_BYTES = 256, SELLER_ARENA_BYTES = 4 << 20 };

struct agent { char url[AGENT_URL_BYTES]; json_t *active, *keys; int64_t known_ms; };

struct rk_shop {
  struct rk_shop_opts o;
  char origin[128];
  struct rk_arena *arena;
  struct rk_catalog catalog;
  struct rk_index *index;
  struct rk_db *db;
  struct rk_key *key;
  json_t *capabilities;
  pthread_mutex_t lock;               /* agents */
  struct agent agents[MAX_AGENTS];
};

/* Who asks: its profile's address, what was negotiated, its keys. */
struct caller { char url[AGENT_URL_BYTES]; json_t *active, *keys; };

/* An answer that is no resource. code and content as UCP spells them. */
void answer_error(struct rk_shop_answer *out, int32_t status, const char *code, const char *fmt, ...) RK_PRINTF(4, 5);

/* ---- agents.c ---- */
/* False: answered. fresh: fetch again even when it is known. */
bool caller_find(struct rk_shop *s, rk_str header, bool fresh, struct caller *out, struct rk_shop_answer *answer);
void caller_release(struct caller *c);
json_t *shop_profile(const struct rk_shop *s);
/* {"version","status":"success","capabilities":root and its extensions,("payment_handlers")}: of an answer about root. */
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
/* YYYY-MM-DD in the shop's zone, days after at_ms. */
void promised_date(const struct rk_catalog *c, int64_t at_ms, int32_t days, char out[11]);

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
rk_err seller_unsell(struct rk_shop *s, const char *checkout_id, const char *item_id, int32_t quantity, struct rk_error *e) RK_MUST_USE;
int32_t seller_travelers_wanted(const struct rk_shop *s, const json_t *lines);
json_t *seller_read_travelers(const json_t *body); /* [{name, kind}]; new reference */

/* ---- checkout.c: inside the request's transaction, except get ---- */
void handle_create(struct rk_shop *s, const struct caller *c, const json_t *body, struct rk_shop_answer *out);
void handle_get(struct rk_shop *s, const struct caller *c, const char *id, struct rk_shop_answer *out);
void handle_update(struct rk_shop *s, const struct caller *c, const char *id, const json_t *body, struct rk_shop_answer *out);
void handle_complete(struct rk_shop *s, const struct caller *c, const char *id, const json_t *body, struct rk_shop_answer *out);
void handle_cancel(struct rk_shop *s, const struct caller *c, const char *id, struct rk_shop_answer *out);
void handle_order(struct rk_shop *s, const struct caller *c, const char *id, struct rk_shop_answer *out);

/* ---- refund.c: inside the request's transaction, except get ---- */
void handle_refund_quote(struct rk_shop *s, const struct caller *c, const json_t *body, struct rk_shop_answer *out);
void handle_refund_confirm(struct rk_shop *s, const struct caller *c, const char *id, struct rk_shop_answer *out);
void handle_refund_get(struct rk_shop *s, const struct caller *c, const char *id, struct rk_shop_answer *out);

/* The payment token of a completion's body; empty: none. */
rk_str completion_token(const json_t *body);

#endif
