/* serve.h - shops on the network: each on its own port of 127.0.0.2, so that
 * a merchant is another site than the agent. One outgoing-HTTP thread fetches
 * the agents' profiles, one delivers the orders' webhooks. TLS is 1.3 only, as
 * UCP asks. Thread rule: one thread. */
#ifndef RK_SHOP_SERVE_H
#define RK_SHOP_SERVE_H

#include "shop/shop.h"

enum { RK_MAX_SHOPS_SERVED = 24 };

struct rk_serve_opts {
  const char *const *dirs; int32_t n_dirs;
  const char *data_dir;
  int32_t port;                              /* of the first shop, the next ones follow; 0: free ones */
  bool sandbox;
  const char *const *agents; int32_t n_agents;
  const struct rk_known_agent *known; int32_t n_known;
  bool testing, order_auth;                  /* as in shop.h */
  const char *address;                       /* where it listens; NULL: 127.0.0.2 */
  const char *tls_cert, *tls_key;            /* PEM files; NULL: plain http */
  const char *origin;                        /* of the one shop behind a proxy: its identity in profile, links and payments; NULL: where it listens */
};
struct rk_serve;
/* RK_ECONFLICT: a port is taken (says which). */
rk_err rk_serve_start(const struct rk_serve_opts *o, struct rk_serve **out, struct rk_error *e) RK_MUST_USE;
void rk_serve_stop(struct rk_serve *v);
int32_t rk_serve_count(const struct rk_serve *v);
const char *rk_serve_name(const struct rk_serve *v, int32_t i);
const char *rk_serve_origin(const struct rk_serve *v, int32_t i);

#endif
