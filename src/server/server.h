/* server.h - the door: sign-in, the agent API of docs/api.md, the OpenAI API,
 * metrics and the page, on http/.
 *
 * Sessions: the printed address carries a one-time token that becomes a page
 * session (cookie); DATA/terminal.token (0600) makes a terminal session; keys
 * have scopes. On a loopback address /v1 needs no key, on any other everything
 * does, and plain HTTP there is refused (RK_EINVAL) unless trusted_proxy and
 * public_origin are set.
 * Files while it runs: DATA/server.json {origin, port, pid}, DATA/terminal.token.
 * Thread rule: start, drain and stop from one thread. */
#ifndef RK_SERVER_SERVER_H
#define RK_SERVER_SERVER_H

#include "agent/agent.h"
#include "trade/ucp.h"

struct rk_server;

struct rk_server_opts {
  struct rk_store *store;
  struct rk_trade *trade;
  struct rk_merchants *merchants;
  struct rk_agent *agent;
  struct rk_chat_model *model;
  struct rk_net *net;                    /* fetches pictures of offers */
  struct rk_ucp_platform platform;       /* what stands in /.well-known/ucp */
  const char *address;
  int32_t port;
  const char *tls_cert, *tls_key;        /* "" or paths */
  const char *trusted_proxy, *public_origin; /* "" or values */
  const char *lang;                      /* "zh" | "en" | "auto" */
};

rk_err rk_server_start(const struct rk_server_opts *o, struct rk_server **out, struct rk_error *e) RK_MUST_USE; /* RK_ECONFLICT: port taken */
/* "ORIGIN/?token=..." with a new one-time token. */
rk_err rk_server_signin_url(struct rk_server *s, char *url, size_t size, struct rk_error *e) RK_MUST_USE;
/* No new requests; running ones get timeout_ms. */
void rk_server_drain(struct rk_server *s, int64_t timeout_ms);
void rk_server_stop(struct rk_server *s); /* removes DATA/server.json */

#endif
