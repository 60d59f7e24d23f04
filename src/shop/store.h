/* store.h - what a shop must remember: stock, checkouts, orders, charges and
 * the answers it gave to keyed requests. DATA/shops/NAME/shop.db. All SQL of
 * the shop stands in store.c.
 *
 * Writers open a transaction (rk_db_begin) around everything that belongs
 * together: an order, its charge, its stock and the remembered answer. */
#ifndef RK_SHOP_STORE_H
#define RK_SHOP_STORE_H

#include "shop/catalog.h"
#include "store/db.h"

rk_err rk_shop_store_open(const char *path, struct rk_db **out, struct rk_error *e) RK_MUST_USE;

/* Items that are new get their first stock; the others keep theirs. */
rk_err rk_shop_store_seed(struct rk_db *db, const struct rk_catalog *c, struct rk_error *e) RK_MUST_USE;
int32_t rk_shop_store_stock(struct rk_db *db, const char *item_id);
/* RK_ECONFLICT: fewer are left. */
rk_err rk_shop_store_take(struct rk_db *db, const char *item_id, int32_t quantity, struct rk_error *e) RK_MUST_USE;

/* Places of a dated service (travel.h) that a checkout holds until expires_ms, or has bought. */
struct rk_booking { const char *checkout_id, *item_id, *stock_key, *seats /* "17,18" or "" */; int32_t quantity; int64_t expires_ms; };
/* What others than checkout_id (may be NULL) hold or have bought of a stock. */
int32_t rk_shop_store_booked(struct rk_db *db, const char *stock_key, const char *checkout_id);
rk_err rk_shop_store_hold(struct rk_db *db, const struct rk_booking *b, struct rk_error *e) RK_MUST_USE;
rk_err rk_shop_store_release(struct rk_db *db, const char *checkout_id, struct rk_error *e) RK_MUST_USE; /* what is held, not what is bought */
/* RK_ECONFLICT: it holds nothing any more. */
rk_err rk_shop_store_sell(struct rk_db *db, const char *checkout_id, struct rk_error *e) RK_MUST_USE;
json_t *rk_shop_store_seats(struct rk_db *db, const char *stock_key);                           /* [{seats}] held or bought */
json_t *rk_shop_store_booking(struct rk_db *db, const char *checkout_id, const char *item_id);  /* {seats, quantity}; NULL: none */
json_t *rk_shop_store_bookings(struct rk_db *db, struct rk_error *e); /* [{checkout_id, item_id, seats, quantity, sold}] of all checkouts */

/* ---- goods of a seller's own shop (goods.h): rows in the order of their table, stock as it is now ---- */
json_t *rk_shop_store_goods(struct rk_db *db, struct rk_error *e);
rk_err rk_shop_store_put_goods(struct rk_db *db, const json_t *row, int64_t position, struct rk_error *e) RK_MUST_USE; /* and its stock */
rk_err rk_shop_store_drop_goods(struct rk_db *db, struct rk_error *e) RK_MUST_USE;
bool rk_shop_store_has_goods(struct rk_db *db, const char *sku);
int32_t rk_shop_store_n_goods(struct rk_db *db);
int64_t rk_shop_store_goods_version(struct rk_db *db); /* another number after every change */
rk_err rk_shop_store_set_off(struct rk_db *db, const char *sku, bool off, struct rk_error *e) RK_MUST_USE; /* not sold now; an import leaves it so */
json_t *rk_shop_store_product(struct rk_db *db, const char *product); /* its rows, those that are off too, with version, off, position, stock */
/* A page of products: [{product, first (its first row), n, n_off, low, high, stock}]. query "": all. */
json_t *rk_shop_store_find_goods(struct rk_db *db, const char *query, int64_t from, int64_t limit, int32_t *total);
int64_t rk_shop_store_last_position(struct rk_db *db);
/* A whole copy in a new file, mode 0600. */
rk_err rk_shop_store_copy(struct rk_db *db, const char *file, struct rk_error *e) RK_MUST_USE;

/* Tables that say what the shop sells, for whoever looks at a copy of its database (docs/eval.md): offers of the categories, discounts,
 * deliveries, the shop itself. */
rk_err rk_shop_store_describe(struct rk_db *db, const struct rk_catalog *c, const char *origin, const json_t *categories, struct rk_error *e) RK_MUST_USE;
/* A fare of a train or flight into the table `fares` that describe has made. */
rk_err rk_shop_store_describe_fare(struct rk_db *db, const struct rk_service *s, const struct rk_fare *f, struct rk_error *e) RK_MUST_USE;

/* A checkout: {id, status, agent, state, view|null, order_id|null, expires_ms}. NULL: none. */
rk_err rk_shop_store_put_checkout(struct rk_db *db, const char *id, const char *agent, const char *status, const json_t *state,
                                  const json_t *view, const char *order_id, int64_t expires_ms, struct rk_error *e) RK_MUST_USE;
json_t *rk_shop_store_checkout(struct rk_db *db, const char *id);

/* The open checkout that began from this cart; NULL: none. */
json_t *rk_shop_store_checkout_of_cart(struct rk_db *db, const char *cart_id, const char *agent, int64_t now_ms);
rk_err rk_shop_store_convert(struct rk_db *db, const char *cart_id, const char *checkout_id, struct rk_error *e) RK_MUST_USE;

/* A cart: {id, agent, state, expires_ms}; NULL: none. */
rk_err rk_shop_store_put_cart(struct rk_db *db, const char *id, const char *agent, const json_t *state, int64_t expires_ms, struct rk_error *e) RK_MUST_USE;
json_t *rk_shop_store_cart(struct rk_db *db, const char *id);
rk_err rk_shop_store_delete_cart(struct rk_db *db, const char *id, struct rk_error *e) RK_MUST_USE;

/* Before the order is added: its first state and every later one goes to url, from the outbox. */
rk_err rk_shop_store_hook(struct rk_db *db, const char *order_id, const char *url, struct rk_error *e) RK_MUST_USE;
/* {id, order_id, url, body (text), made_ms, attempts}, the one that is due first; NULL: none is. */
json_t *rk_shop_store_next_message(struct rk_db *db, int64_t now_ms);
/* Sent once; again_ms: when to try again, 0: delivered or given up. */
rk_err rk_shop_store_message_sent(struct rk_db *db, const char *id, int64_t again_ms, struct rk_error *e) RK_MUST_USE;

/* report: the order for `rukou shop orders`; view: the UCP order. */
rk_err rk_shop_store_add_order(struct rk_db *db, const char *id, const char *checkout_id, const char *agent, const json_t *report,
                               const json_t *view, int64_t total_minor, const char *currency, struct rk_error *e) RK_MUST_USE;
json_t *rk_shop_store_order(struct rk_db *db, const char *id);  /* {agent, checkout_id, report, view, total_minor, placed_ms}; NULL: none */
rk_err rk_shop_store_put_order(struct rk_db *db, const char *id, const json_t *report, const json_t *view, struct rk_error *e) RK_MUST_USE;
json_t *rk_shop_store_orders(struct rk_db *db, struct rk_error *e); /* [report + payment], oldest first */

/* A refund: quoted, then completed; of the seller by_hand, then completed. {id, order_id, agent, status, lines, amount_minor, fee_minor, expires_ms}; NULL: none. */
json_t *rk_shop_store_refund(struct rk_db *db, const char *id);
struct rk_refund_row { const char *id, *order_id, *agent, *status; const json_t *lines; int64_t amount_minor, fee_minor, expires_ms; };
rk_err rk_shop_store_put_refund(struct rk_db *db, const struct rk_refund_row *r, struct rk_error *e) RK_MUST_USE;
int64_t rk_shop_store_refunded(struct rk_db *db, const char *order_id); /* minor units, of those that the seller has still to pay by hand too */
/* Goods go back into stock; places are free again. */
rk_err rk_shop_store_put_back(struct rk_db *db, const char *item_id, int32_t quantity, struct rk_error *e) RK_MUST_USE;
/* seats: those that are kept. */
rk_err rk_shop_store_unsell(struct rk_db *db, const char *checkout_id, const char *item_id, int32_t quantity, const char *seats,
                            struct rk_error *e) RK_MUST_USE;

struct rk_charge { const char *jti, *checkout_id, *order_id, *kind, *currency; int64_t amount_minor; };
/* One per jti, one per checkout: RK_ECONFLICT otherwise. */
bool rk_shop_store_is_charged(struct rk_db *db, const char *jti);
rk_err rk_shop_store_charge(struct rk_db *db, const struct rk_charge *c, struct rk_error *e) RK_MUST_USE;

/* The answer given under (agent, key): {request, sha256, status, body}; NULL: none. */
json_t *rk_shop_store_answer(struct rk_db *db, const char *agent, const char *key);
rk_err rk_shop_store_put_answer(struct rk_db *db, const char *agent, const char *key, const char *request, const char *sha256,
                                int32_t status, const json_t *body, struct rk_error *e) RK_MUST_USE;
rk_err rk_shop_store_age_answers(struct rk_db *db, const char *key, int64_t by_ms, struct rk_error *e) RK_MUST_USE; /* testing */

/* Linked accounts (oauth.c). A grant is what a user allowed a client; codes and tokens are kept as SHA-256 and hang on it. */
struct rk_grant { const char *id, *client, *user, *scope; };
rk_err rk_shop_store_grant(struct rk_db *db, const struct rk_grant *g, struct rk_error *e) RK_MUST_USE;
struct rk_token_row { const char *hash, *kind /* code | access | refresh */, *grant_id, *redirect_uri, *challenge; int64_t expires_ms; };
rk_err rk_shop_store_put_token(struct rk_db *db, const struct rk_token_row *t, struct rk_error *e) RK_MUST_USE;
/* {kind, grant_id, redirect_uri, challenge, used, expires_ms, client, user, scope, revoked}; NULL: none. */
json_t *rk_shop_store_token(struct rk_db *db, const char *hash);
rk_err rk_shop_store_use_token(struct rk_db *db, const char *hash, struct rk_error *e) RK_MUST_USE; /* RK_ECONFLICT: used before */
rk_err rk_shop_store_revoke(struct rk_db *db, const char *grant_id, struct rk_error *e) RK_MUST_USE;
rk_err rk_shop_store_set_buyer(struct rk_db *db, const char *order_id, const char *user, struct rk_error *e) RK_MUST_USE;
json_t *rk_shop_store_buyers_orders(struct rk_db *db, const char *user); /* [{id, total_minor, currency, placed_ms}], newest first */
json_t *rk_shop_store_buyer(struct rk_db *db, const char *order_id); /* {user}; NULL: none is known */

/* The seller's page (admin.c): links for one sign-in, and sessions, kept as SHA-256. */
rk_err rk_shop_store_put_link(struct rk_db *db, const char *hash, int64_t expires_ms, struct rk_error *e) RK_MUST_USE;
rk_err rk_shop_store_use_link(struct rk_db *db, const char *hash, struct rk_error *e) RK_MUST_USE; /* RK_EAUTH: unknown, used, too late */
rk_err rk_shop_store_put_session(struct rk_db *db, const char *hash, const char *csrf, const char *lang, int64_t expires_ms, struct rk_error *e) RK_MUST_USE; /* known: its language changes */
json_t *rk_shop_store_session(struct rk_db *db, const char *hash);  /* {csrf, lang, expires_ms}; NULL: none */
rk_err rk_shop_store_end_session(struct rk_db *db, const char *hash, struct rk_error *e) RK_MUST_USE;
/* A page of orders, newest first: [{id, report, total_minor, placed_ms}]. query in number or report, status of the report, "placed"
 * also what is partly refunded and not sent; "": all. */
json_t *rk_shop_store_find_orders(struct rk_db *db, const char *query, const char *status, int64_t from, int64_t limit, int32_t *total);

#endif
