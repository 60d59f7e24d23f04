/* exchange.h - one HTTP exchange of the platform, as UCP wants it: UCP-Agent of
 * the version spoken, Request-Id, on writes an Idempotency-Key; the request
 * signed (RFC 9421) over all of it, the answer's signature and digest checked
 * over its raw bytes.
 *
 * An exchange points into itself: it does not move between init and release.
 * Thread rule: each exchange belongs to one thread; a platform is immutable. */
#ifndef RK_TRADE_EXCHANGE_H
#define RK_TRADE_EXCHANGE_H

#include "net/net.h"
#include "net/signature.h"

struct rk_exchange;

struct rk_platform {
  struct rk_net *net;
  const struct rk_key *key;     /* signs requests; NULL: they go out unsigned */
  char profile_url[600];        /* of the newest version */
  /* Told of every exchange when its answer was checked; NULL: nobody listens. */
  void (*on_exchange)(void *ud, const struct rk_exchange *x);
  void *ud;
};

enum { RK_EXCHANGE_URL_BYTES = 2048, RK_EXCHANGE_HEADERS = 11 };

struct rk_exchange {
  /* What is asked. Fill between init and send; texts outlive the exchange. */
  const char *op;               /* name for logs: "search", "complete", ... */
  const char *method, *version; /* version: one of rk_ucp_version() */
  char url[RK_EXCHANGE_URL_BYTES];
  rk_str body;                  /* p NULL: none */
  const char *content_type;     /* NULL: application/json */
  const char *idempotency_key;  /* NULL: a fresh one for a write */
  const char *bearer;           /* access token of a linked account, NULL: none */
  size_t max_bytes;             /* of the answer; 0: RK_MAX_FETCH_BYTES */
  /* What came. */
  struct rk_net_response answer;
  bool is_signed;               /* the answer carried a signature that was looked at */
  enum rk_sig_fault fault;      /* of it */
  /* Kept for the request. */
  struct rk_header headers[RK_EXCHANGE_HEADERS];
  int32_t n_headers;
  char agent[720], request_id[37], key[37], digest[RK_CONTENT_DIGEST_BYTES], authorization[2100];
  struct rk_buf signature_input, signature;
};

void rk_exchange_init(struct rk_exchange *x, const char *op, const char *method, const char *version);
/* Sends all of them side by side and waits; x->answer.err says how each went. */
void rk_exchange_send(const struct rk_platform *p, struct rk_exchange *const *xs, int32_t n);
/* Checks the answer: its Content-Digest, and its signature under keys (NULL:
 * the signer is not known yet, nothing is checked). must: an unsigned answer is
 * refused too. RK_EAUTH; x->fault says why. Tells the listener. */
rk_err rk_exchange_check(const struct rk_platform *p, struct rk_exchange *x, const struct rk_jwks *keys, bool must, struct rk_error *e) RK_MUST_USE;
void rk_exchange_release(struct rk_exchange *x);

#endif
