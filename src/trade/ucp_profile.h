/* ucp_profile.h - our platform profile at /.well-known/ucp: the route that the
 * server mounts, and a small listener with that route only, for `rukou do`
 * standing alone. */
#ifndef RK_TRADE_UCP_PROFILE_H
#define RK_TRADE_UCP_PROFILE_H

#include "http/http.h"
#include "trade/ucp.h"

void rk_ucp_profile_reply(struct rk_http_req *r, const struct rk_key *key);

struct rk_ucp_listener;
/* key is borrowed until the stop. port 0: any free one. RK_ECONFLICT: taken. */
rk_err rk_ucp_listener_start(const struct rk_key *key, const char *address, int32_t port, struct rk_ucp_listener **out,
                             struct rk_error *e) RK_MUST_USE;
int32_t rk_ucp_listener_port(const struct rk_ucp_listener *l);
void rk_ucp_listener_stop(struct rk_ucp_listener *l);

#endif
