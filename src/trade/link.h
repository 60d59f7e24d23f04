/* link.h - the user's accounts at merchants: UCP identity linking, OAuth 2.0
 * authorization code with PKCE S256 as a public client (RFC 6749, 7636, 8252).
 *
 * Where the authorization server is: RFC 9728, then RFC 8414, then, after a 404
 * and nothing else, OpenID discovery; its issuer is compared byte for byte. An
 * answer counts only with our state and with that issuer (RFC 9207). What a
 * challenge says in prose, and addresses that it carries, decide nothing.
 * Tokens lie in one file, mode 0600; no model and no log sees them.
 * A token that has run out is renewed by its refresh token (RFC 6749 section 6).
 * Many servers give a refresh token for one use and end the link of whoever uses
 * one twice: so one thread of one process renews, under a lock beside the file,
 * and the others take what it got. When the server says that the grant is over,
 * the tokens are deleted and the link stands as ended until the user links again.
 * Thread rule: rk_links from any thread; the rest is by value. */
#ifndef RK_TRADE_LINK_H
#define RK_TRADE_LINK_H

#include "trade/exchange.h"

/* ---- kept tokens ---- */
struct rk_links;
struct rk_linked {
  char access_token[2048], refresh_token[2048], scope[512], token_endpoint[600], revocation_endpoint[600], client_id[700];
  int64_t expires_ms; /* 0: not said */
};
/* path: DATA/links.json, NULL: nothing is kept. RK_EFORMAT: the file is broken. */
rk_err rk_links_open(const char *path, struct rk_links **out, struct rk_error *e) RK_MUST_USE;
void rk_links_free(struct rk_links *l);
rk_err rk_links_set(struct rk_links *l, const char *origin, const struct rk_linked *t, struct rk_error *e) RK_MUST_USE; /* t NULL: forgets it */
bool rk_links_get(struct rk_links *l, const char *origin, struct rk_linked *out);
bool rk_links_ended(struct rk_links *l, const char *origin); /* the merchant no longer takes it; only linking again helps */
/* The access token for a request at origin, renewed when it has run out. refused: one that the merchant has just answered
 * with 401 invalid_token, NULL: none. False: none is to be had; the request goes out without one. */
bool rk_links_access(struct rk_links *l, const struct rk_platform *p, const char *origin, const char *refused, char *out, size_t size);

/* ---- linking ---- */
enum rk_link_fault { RK_LINK_OK, RK_LINK_ABORTED /* a server did not answer as it must */, RK_LINK_ISSUER, RK_LINK_STATE, RK_LINK_REFUSED };

struct rk_link_server { char issuer[300], authorization_endpoint[600], token_endpoint[600], revocation_endpoint[600]; };
/* origin: the merchant's. *fault says what kind of error it was. */
rk_err rk_link_discover(const struct rk_platform *p, const char *origin, struct rk_link_server *out, enum rk_link_fault *fault, struct rk_error *e) RK_MUST_USE;

struct rk_link_request { char url[RK_EXCHANGE_URL_BYTES], state[65], verifier[65], redirect_uri[300], client_id[700], scope[512]; };
/* url: for the user's browser. scope "": what the server grants without being asked. RK_ETOOBIG. */
rk_err rk_link_request_new(const struct rk_link_server *s, const char *client_id, const char *redirect_uri, const char *scope,
                           struct rk_link_request *out, struct rk_error *e) RK_MUST_USE;
/* The parameters that came back; empty slices: absent. */
struct rk_link_answer { rk_str code, state, iss, error; };
rk_err rk_link_check(const struct rk_link_server *s, const struct rk_link_request *r, const struct rk_link_answer *a,
                     enum rk_link_fault *fault, struct rk_error *e) RK_MUST_USE;
/* Parses a query string into an answer; values are decoded into buf. */
void rk_link_answer_read(rk_str query, char *buf, size_t size, struct rk_link_answer *out);
rk_err rk_link_token(const struct rk_platform *p, const struct rk_link_server *s, const struct rk_link_request *r, rk_str code,
                     struct rk_linked *out, struct rk_error *e) RK_MUST_USE;
/* New tokens for the old ones of t. RK_EAUTH: the grant is over; others: try later. */
rk_err rk_link_renew(const struct rk_platform *p, struct rk_linked *t, struct rk_error *e) RK_MUST_USE;
/* RFC 7009, refresh and access token. An error: the merchant may still take the token. */
rk_err rk_link_revoke(const struct rk_platform *p, const struct rk_linked *t, struct rk_error *e) RK_MUST_USE;

/* `scope` of a WWW-Authenticate: Bearer challenge (RFC 6750 section 3). False: no such challenge; scope "": it names none. */
bool rk_link_challenge(rk_str www_authenticate, char *scope, size_t size);

#endif
