#include "trade/ucp_profile.h"

#include <stdlib.h>

struct rk_ucp_listener { struct rk_http *http; const struct rk_key *key; };

/* max-age at least 60 and never private: merchants keep it (UCP, Discovery). */
void rk_ucp_profile_reply(struct rk_http_req *r, const struct rk_key *key) {
  rk_http_set_header(r, "Cache-Control", "public, max-age=60");
  rk_http_reply_json(r, 200, rk_ucp_platform_profile(key));
}

static void profile(struct rk_http_req *r, void *ctx) { rk_ucp_profile_reply(r, ((const struct rk_ucp_listener *)ctx)->key); }

static const struct rk_route routes[] = {{"GET", "/.well-known/ucp", profile}};

rk_err rk_ucp_listener_start(const struct rk_key *key, const char *address, int32_t port, struct rk_ucp_listener **out,
                             struct rk_error *e) {
  struct rk_ucp_listener *l = calloc(1, sizeof *l);
  if (!l) return rk_fail(e, RK_ENOMEM, "out of memory");
  l->key = key;
  rk_err err = rk_http_start(&(struct rk_http_opts){.address = address, .port = port, .routes = routes, .n_routes = 1, .ctx = l,
                                                    .n_threads = 1}, &l->http, e);
  if (err) free(l);
  else *out = l;
  return err;
}

int32_t rk_ucp_listener_port(const struct rk_ucp_listener *l) { return rk_http_port(l->http); }

void rk_ucp_listener_stop(struct rk_ucp_listener *l) {
  if (!l) return;
  rk_http_stop(l->http);
  free(l);
}
