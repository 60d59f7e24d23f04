/* jwks.h - a JWK set (RFC 7517): the public keys that a UCP profile publishes.
 *
 * The vocabulary of key types is open (UCP signatures.md): a key that we cannot
 * verify with stays in the set as unsupported and harms nothing.
 * Immutable after rk_jwks_read; any thread. */
#ifndef RK_NET_JWKS_H
#define RK_NET_JWKS_H

#include "json/json.h"
#include "net/digest.h"

enum { RK_MAX_JWKS = 32, RK_MAX_KEYID_BYTES = 256 };

struct rk_jwks;
struct rk_jwk {
  char kid[RK_MAX_KEYID_BYTES];
  char thumbprint[64];          /* RFC 7638, "" when unsupported */
  struct rk_key *key;           /* NULL: of a kind that we do not verify with */
};

/* keys: the array. Left out: keys without a kid, for encryption (`use`, `key_ops`),
 * and of our kinds but no points of their curve. RK_EFORMAT: no array, or over RK_MAX_JWKS. */
rk_err rk_jwks_read(const json_t *keys, struct rk_jwks **out, struct rk_error *e) RK_MUST_USE;
void rk_jwks_free(struct rk_jwks *k); /* may be NULL */
/* Key i of all, NULL behind the last. */
const struct rk_jwk *rk_jwks_at(const struct rk_jwks *k, int32_t i);

#endif
