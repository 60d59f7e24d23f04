/* merchant_internal.h - shared by merchant*.c and probe.c. */
#ifndef RK_TRADE_MERCHANT_INTERNAL_H
#define RK_TRADE_MERCHANT_INTERNAL_H

#include <pthread.h>

#include "trade/exchange.h"
#include "trade/link.h"
#include "trade/ucp.h"

struct rk_known_merchant {
  char origin[256];
  struct rk_ucp_merchant found;   /* valid while known_ms != 0 */
  struct rk_jwks *keys;           /* of the profile; NULL: it has none */
  int64_t known_ms, fresh_ms;     /* rk_mono_ms() of the discovery; how long it holds */
};

struct rk_merchants {
  struct rk_platform platform;
  struct rk_links *links;         /* borrowed; NULL: no account is linked */
  struct rk_known_merchant *list; int32_t n;
  pthread_mutex_t lock;           /* found, keys and times of the list */
};

/* Makes the merchant of that origin known. RK_ENOTFOUND: none of ours. */
rk_err rk_merchants_find(struct rk_merchants *m, const char *origin, int32_t *index, struct rk_ucp_merchant *out, struct rk_error *e) RK_MUST_USE;

/* One request to a known merchant. */
struct rk_call {
  const char *op, *method;
  const char *before, *id, *after; /* path below the endpoint: before, an id of the merchant's (checked; "" for none), after */
  const char *key;                /* idempotency key, NULL: a fresh one for a write */
  const char *body;               /* NULL: none */
};
/* *answer: the parsed object of any HTTP answer, new reference. RK_EAUTH: not signed as it should be. */
rk_err rk_merchants_call(struct rk_merchants *m, const char *origin, const struct rk_call *c, struct rk_ucp_merchant *found,
                         int32_t *status, json_t **answer, struct rk_error *e) RK_MUST_USE;
/* The error of an answer that is no 2xx. */
rk_err rk_merchants_refusal(int32_t status, const json_t *answer, const struct rk_ucp_merchant *found, struct rk_error *e) RK_MUST_USE;

#endif
