/* probe.h - what a merchant offers and what is wrong with it, found out by
 * doing what the agent does, with the agent's own client: discovery, search,
 * a product, a checkout, linked accounts.
 *
 * Nothing is bought unless `pay` is given; a checkout that was made is
 * cancelled. Of a probe's tokens each is revoked at its end.
 * Thread rule: one thread for each probe. */
#ifndef RK_TRADE_PROBE_H
#define RK_TRADE_PROBE_H

#include "net/digest.h"
#include "trade/merchant.h"

struct rk_probe_opts {
  struct rk_net *net;
  const struct rk_key *key;
  const char *profile_url;      /* of ours */
  const char *origin, *query, *lang;
  const char *pay;              /* "TYPE:TOKEN": completes the checkout with this credential, for shops under test; NULL: cancels it */
  const char *client_id, *redirect_uri; /* for linking; NULL: our profile's */
  bool authorize;               /* asks the authorization endpoint itself: a server under test that answers without a page */
  const char *const *gated; int32_t n_gated; /* "GET /orders": operations that need a linked account; with authorize */
};
/* *report: {origin, name, version, endpoint, capabilities: [name], scopes, steps: [{step, ok, text}], faults: [text]}.
 * *trace: every exchange in order, [{op, request: {method, path, headers, body}, response: {status, headers, body}, ...}]. */
rk_err rk_probe(const struct rk_probe_opts *o, json_t **report, json_t **trace, struct rk_error *e) RK_MUST_USE;

#endif
