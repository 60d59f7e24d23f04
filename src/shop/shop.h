/* shop.h - a UCP merchant: requests in, answers out, no sockets.
 *
 * serve.c binds it to HTTP; tests and the fuzzer call rk_shop_handle directly.
 * The agent's profile is fetched through a function given by the caller, so
 * that tests need no network.
 *
 * Every write carries an Idempotency-Key: the answer is stored with the digest
 * of the raw body in the transaction that did the work. Same key, same bytes:
 * the same answer; other bytes: 409. Completion takes stock, charges once per
 * payment token and stores the order in that one transaction.
 * Thread rule: any thread. */
#ifndef RK_SHOP_SHOP_H
#define RK_SHOP_SHOP_H

#include "net/signature.h"
#include "shop/search.h"
#include "shop/store.h"

struct rk_shop;

/* Fetches an agent's profile: RK_OK and its JSON text in out, or an error. Any thread. */
typedef rk_err (*rk_fetch_profile)(void *ud, const char *url, struct rk_buf *out, struct rk_error *e);

struct rk_known_agent { const char *url, *path; };
struct rk_shop_opts {
  const char *dir;                            /* shops/NAME */
  const char *data_dir;                       /* DATA: the database is DATA/shops/NAME/shop.db */
  bool sandbox;                               /* http and loopback agents, but only these origins: */
  const char *const *agents; int32_t n_agents; /* "http://127.0.0.1:*": any port */
  const struct rk_known_agent *known; int32_t n_known; /* sandbox: profiles read from files in place of their address */
  bool testing;                               /* sandbox: fixtures for test suites: payments with a fixed outcome, hooks under /testing/ */
  bool order_auth;                            /* orders are shown to signed requests and linked users only; without a sandbox always */
  rk_fetch_profile fetch; void *fetch_ud;
};
/* The strings of o must live as long as the shop. */
rk_err rk_shop_open(const struct rk_shop_opts *o, struct rk_shop **out, struct rk_error *e) RK_MUST_USE;
void rk_shop_close(struct rk_shop *s);
const char *rk_shop_name(const struct rk_shop *s);
const struct rk_catalog *rk_shop_catalog(const struct rk_shop *s);
/* "http://127.0.0.2:7110": call once, before the first request. */
void rk_shop_set_origin(struct rk_shop *s, const char *origin);
/* The path of a shop's database. */
rk_err rk_shop_db_path(const char *dir, const char *data_dir, char *path, size_t size, struct rk_error *e) RK_MUST_USE;

/* message: the request as it is signed; NULL: no signature is looked at. param: a decoded value of the address's query. */
struct rk_shop_request {
  rk_str method, path, agent /* UCP-Agent */, key /* Idempotency-Key */, body, authorization;
  const struct rk_http_message *message;
  rk_str (*param)(void *ud, const char *name);
  void *ud;
};
enum { RK_MAX_ANSWER_HEADERS = 6 };
/* Either JSON in body, or text with its content type (a page, or nothing with a Location). */
struct rk_shop_answer {
  int32_t status;
  json_t *body;
  char *text; const char *content_type;
  bool cacheable;
  struct { const char *name; char *value; } headers[RK_MAX_ANSWER_HEADERS]; int32_t n_headers;
};
/* Always answers; the caller releases it. */
void rk_shop_handle(struct rk_shop *s, const struct rk_shop_request *r, struct rk_shop_answer *out);
void rk_shop_answer_header(struct rk_shop_answer *a, const char *name, const char *value); /* copies value; name lives on */
void rk_shop_answer_release(struct rk_shop_answer *a);
/* The answer's bytes: JSON, signed (RFC 9421) over what goes out. The caller frees. */
char *rk_shop_answer_text(const struct rk_shop *s, struct rk_shop_answer *a);

/* Sends what is due of the orders' webhooks: one message, once. Returns when the next look is worth it. Any one thread. */
struct rk_net;
int64_t rk_shop_deliver(struct rk_shop *s, struct rk_net *net);

#endif
