/* payment_token.h - the credential of the sandbox payment handler
 * (dev.rukou.sandbox): a compact JWS, ES256 by the user's approval key, over
 * exactly one payment. It says who is paid, how much and for which checkout,
 * so that a merchant (or anybody who steals it) can use it for nothing else.
 *
 * The merchant verifies it against the `keys` of the agent's published profile
 * and must itself refuse a second charge for the same jti, an amount that is
 * not its total, and an origin that is not its own.
 * Thread rule: any thread. */
#ifndef RK_TRADE_PAYMENT_TOKEN_H
#define RK_TRADE_PAYMENT_TOKEN_H

#include "json/json.h"
#include "net/digest.h"

#define RK_PAYMENT_HANDLER "dev.rukou.sandbox"

enum { RK_MAX_PAYMENT_TOKEN_BYTES = 4096 };

struct rk_payment_claims {
  char jti[40];               /* the payment intent: one charge */
  char checkout_id[128];
  char origin[256];           /* the merchant's */
  char currency[4];
  char kind[16];              /* card | wallet */
  int64_t amount_minor;
  int64_t expires_ms;         /* whole seconds in the token */
};

/* RK_ETOOBIG: a claim does not fit. */
rk_err rk_payment_token_make(const struct rk_key *k, const struct rk_payment_claims *c, struct rk_buf *token,
                             struct rk_error *e) RK_MUST_USE;
/* jwks: the array of JWKs of the signer's profile, borrowed; the one whose
 * thumbprint is the token's kid is used. RK_EFORMAT: no such token; RK_EAUTH:
 * unknown key or wrong signature; RK_EGONE: expired at now_ms. */
rk_err rk_payment_token_verify(rk_str token, const json_t *jwks, int64_t now_ms, struct rk_payment_claims *out,
                               struct rk_error *e) RK_MUST_USE;

#endif
