/* digest.h - hashes, keys and encodings over OpenSSL: the one place that includes it. */
#ifndef RK_NET_DIGEST_H
#define RK_NET_DIGEST_H

#include "base/buf.h"

void rk_sha256(rk_str data, unsigned char out[32]);
void rk_sha256_hex(rk_str data, char out[65]);
struct rk_sha256;                                   /* incremental */
struct rk_sha256 *rk_sha256_new(void);
void rk_sha256_update(struct rk_sha256 *h, const void *p, size_t n);
void rk_sha256_final_hex(struct rk_sha256 *h, char out[65]); /* frees h */
bool rk_ct_equal(rk_str a, rk_str b);               /* constant time for equal lengths */
rk_err rk_base64url(struct rk_buf *out, rk_str data);  /* no padding */
rk_err rk_base64url_decode(struct rk_buf *out, rk_str text);
rk_err rk_base64(struct rk_buf *out, rk_str data);     /* padded, RFC 4648 section 4 */
rk_err rk_base64_decode(struct rk_buf *out, rk_str text); /* with or without its padding */
void rk_token_hex(char out[65]);                    /* 32 random bytes as hex (rk_random) */

/* Keys. We sign with ES256 alone: ECDSA P-256 with SHA-256 (RFC 7518 3.4: raw
 * r||s, 64 bytes). Others may sign with any of these. */
enum rk_key_alg { RK_ALG_ES256, RK_ALG_ES384, RK_ALG_ED25519 };
struct rk_key;
rk_err rk_key_load_or_make(const char *pem_path, struct rk_key **out, struct rk_error *e) RK_MUST_USE; /* mode 0600 */
rk_err rk_key_from_jwk(rk_str x_b64u, rk_str y_b64u, struct rk_key **out, struct rk_error *e) RK_MUST_USE; /* public */
/* A public key of any kind: x and y of an EC key, x alone of Ed25519 (RFC 8037). */
rk_err rk_key_public(enum rk_key_alg alg, rk_str x_b64u, rk_str y_b64u, struct rk_key **out, struct rk_error *e) RK_MUST_USE;
enum rk_key_alg rk_key_alg(const struct rk_key *k);
void rk_key_thumbprint(const struct rk_key *k, char out[64]); /* RFC 7638: SHA-256, base64url */
/* The signature as RFC 9421 3.3 encodes it: raw r||s, or the 64 bytes of RFC 8032. False for any other length. */
bool rk_key_verify(const struct rk_key *k, rk_str data, rk_str sig);
void rk_key_free(struct rk_key *k);
/* Public parts of a P-256 key, base64url; thumbprint per RFC 7638. */
void rk_key_jwk(const struct rk_key *k, char x[64], char y[64], char thumbprint[64]);
rk_err rk_sign_es256(const struct rk_key *k, rk_str data, unsigned char sig[64], struct rk_error *e) RK_MUST_USE;
bool rk_verify_es256(const struct rk_key *k, rk_str data, const unsigned char sig[64]);

#endif
