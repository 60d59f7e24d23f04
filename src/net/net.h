/* net.h - outgoing HTTP over libcurl, with an SSRF guard.
 *
 * One thread runs curl_multi for the whole process; callers block in
 * rk_net_fetch() or hand over many requests at once with rk_net_fetch_all(),
 * which run side by side.
 *
 * Guard: after name resolution, and again at every redirect (max 3, only when
 * asked), private, loopback, link-local and other special-use addresses are
 * refused (RK_EFORBIDDEN), except for the exact origins allowed by
 * rk_net_allow(). Only http and https, no user name in an address, no proxy
 * (it would hide the target). A redirect to another origin drops Authorization,
 * Cookie and X-API-Key; one from https to http is refused. Bodies are bounded.
 * No retry here. */
#ifndef RK_NET_NET_H
#define RK_NET_NET_H

#include <stdatomic.h>

#include "base/buf.h"

struct rk_net;

rk_err rk_net_new(struct rk_net **out, struct rk_error *e) RK_MUST_USE;
void rk_net_free(struct rk_net *n);
/* Any thread. origin: "http://127.0.0.2:7101" (scheme, host, port), or "http://127.0.0.2:*": every port of that host. */
rk_err rk_net_allow(struct rk_net *n, const char *origin) RK_MUST_USE;

/* Certificate authorities of a PEM file are trusted beside the system's. Before the first request. RK_EINVAL names the file. */
rk_err rk_net_trust(struct rk_net *n, const char *pem_path, struct rk_error *e) RK_MUST_USE;

struct rk_header { const char *name, *value; };

struct rk_net_request {
  const char *method;            /* "GET", "POST", ... */
  const char *url;
  const struct rk_header *headers;
  int32_t n_headers;
  rk_str body;
  int64_t connect_timeout_ms;    /* 0: RK_FETCH_CONNECT_TIMEOUT_MS */
  int64_t timeout_ms;            /* whole request; 0: RK_FETCH_TIMEOUT_MS; < 0: none, but 60 s without a byte end it */
  size_t max_bytes;              /* 0: RK_MAX_FETCH_BYTES */
  bool follow_redirects;
  const char *only_private;      /* of the origins allowed by rk_net_allow() only this one may be private; NULL: all of them */
  const atomic_int *cancel;      /* may be NULL */
  /* Streaming of a 2xx answer: called with each piece on the net thread instead
   * of filling body (out->status and out->headers are set by then); must not
   * block; return false to end the transfer, which is then RK_OK. Other answers
   * are collected in body. NULL: always collected. */
  bool (*on_data)(void *ud, rk_str piece);
  void *ud;
};

struct rk_net_response {
  rk_err err;                    /* RK_OK: an HTTP answer came, whatever its status */
  struct rk_error error;
  bool sent;                     /* some of the request may have reached the other side */
  int32_t status;
  struct rk_buf body;
  struct rk_buf headers;         /* raw header lines of the last response, CRLF ended */
  double total_ms;
};

void rk_net_fetch(struct rk_net *n, const struct rk_net_request *req, struct rk_net_response *out);
void rk_net_fetch_all(struct rk_net *n, const struct rk_net_request *reqs, struct rk_net_response *outs, int32_t count);
void rk_net_response_release(struct rk_net_response *r);
/* Value of a response header (case-insensitive) or the empty slice. */
rk_str rk_net_header(const struct rk_net_response *r, const char *name);

/* Whether an origin (with its port) is the one allowed, or one of its ports. */
bool rk_net_origin_matches(const char *allowed, const char *origin);
/* "http://host:port/x?y" -> "http://host:port"; default ports left out. */
rk_err rk_net_origin(const char *url, char *out, size_t size) RK_MUST_USE;

#endif
