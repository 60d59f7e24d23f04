/* signature.h - HTTP Message Signatures (RFC 9421) and Content-Digest (RFC 9530)
 * as UCP's signatures.md wants them: requests, responses and webhooks.
 *
 * We sign with ES256, raw r||s, label "sig1". We verify ES256, ES384 and Ed25519;
 * the key's type says which, a parameter `alg` that says otherwise is refused.
 * A message may carry several signatures: one that holds is enough.
 * Covered components: @method @authority @scheme @target-uri @path @query
 * @status and fields, also one member of a dictionary field (";key=", 2.1.2);
 * other parameters of a component are not understood and never verify.
 * Whatever a signature says it covers, rk_sig_verify() asks for all that UCP
 * asks for: method, authority, path and, where they are there, query, body
 * (content-digest, content-type), idempotency-key, ucp-agent and
 * signature-agent; of a response its status and body. We sign these, and
 * webhook-id and webhook-timestamp, which others may leave uncovered.
 * Thread rule: any thread. */
#ifndef RK_NET_SIGNATURE_H
#define RK_NET_SIGNATURE_H

#include "net/jwks.h"

enum { RK_MAX_SIG_LABELS = 4, RK_MAX_SIG_BASE_BYTES = 32768 };

/* ---- Content-Digest ---- */
enum { RK_CONTENT_DIGEST_BYTES = 64 };
void rk_content_digest(rk_str body, char out[RK_CONTENT_DIGEST_BYTES]); /* "sha-256=:...:" */
/* RK_EFORMAT: no dictionary, or none of its digests is sha-256; RK_ECONFLICT: it is of another body. */
rk_err rk_content_digest_check(rk_str header, rk_str body, struct rk_error *e) RK_MUST_USE;

/* ---- messages ---- */
struct rk_http_message {
  int32_t status;               /* of a response; 0: a request */
  const char *method;           /* the rest of a request: "POST" */
  const char *scheme;           /* "https" | "http" */
  const char *authority;        /* as in Host; case and a default port do not matter */
  rk_str path;                  /* as sent, percent-encoding kept; empty: "/" */
  rk_str query;                 /* without "?"; empty: none */
  rk_str body;                  /* raw bytes */
  /* A field's value by its lower-case name, lines of one name joined with ", ";
   * false when absent. A field that the program acts on must be read the same way. */
  bool (*field)(void *ud, const char *name, rk_str *value);
  void *ud;
};
/* Takes a URL apart: scheme, authority, path and query of m; authority lies in buf. RK_EINVAL. */
rk_err rk_http_message_url(struct rk_http_message *m, const char *url, char *buf, size_t size) RK_MUST_USE;

/* ---- signing ---- */
struct rk_sig_params { const char *keyid /* NULL: the thumbprint */, *tag, *nonce /* NULL: none */; int64_t created_s, expires_s /* 0: none */; };
/* Values of Signature-Input and Signature over all that stands above. A body's Content-Digest must be among the message's fields. Appends. */
rk_err rk_sig_sign(const struct rk_http_message *m, const struct rk_sig_params *p, const struct rk_key *key,
                   struct rk_buf *signature_input, struct rk_buf *signature, struct rk_error *e) RK_MUST_USE;

/* ---- verifying ---- */
/*   name        HTTP  UCP code */
#define RK_SIG_FAULTS(X) \
  X(OK,          200, "ok") \
  X(MISSING,     401, "signature_missing") \
  X(INVALID,     401, "signature_invalid") \
  X(NO_KEY,      401, "key_not_found") \
  X(DIGEST,      400, "digest_mismatch") \
  X(ALGORITHM,   400, "algorithm_unsupported")
enum rk_sig_fault {
#define X(name, http, code) RK_SIG_##name,
  RK_SIG_FAULTS(X)
#undef X
};
int32_t rk_sig_http(enum rk_sig_fault f);
const char *rk_sig_code(enum rk_sig_fault f);

struct rk_sig_policy {
  int64_t now_s;
  int64_t max_age_s;            /* created must be there and at most so old; 0: created is optional */
  bool ignore_coverage;         /* what is covered is the caller's to judge: test vectors */
};
enum { RK_SIG_SKEW_S = 60 };    /* a clock may run ahead by so much */
struct rk_sig_info {
  char keyid[RK_MAX_KEYID_BYTES], thumbprint[64], nonce[128], tag[64];
  int64_t created_s, expires_s; /* 0: absent */
  char covered[1024];           /* names of the components, a space before and after each */
};
bool rk_sig_covers(const struct rk_sig_info *i, const char *component);
/* out: of the signature that held. e names the component, parameter or key at fault. */
enum rk_sig_fault rk_sig_verify(const struct rk_http_message *m, const struct rk_jwks *keys, const struct rk_sig_policy *policy,
                                struct rk_sig_info *out, struct rk_error *e) RK_MUST_USE;

#endif
