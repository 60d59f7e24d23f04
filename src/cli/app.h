/* app.h - the assembly: from settings to a running agent. `rukou serve` adds
 * the server, `rukou do` standing alone a listener for our profile.
 * Thread rule: one thread. */
#ifndef RK_CLI_APP_H
#define RK_CLI_APP_H

#include "agent/agent.h"
#include "cli/sandbox.h"
#include "http/http.h"
#include "trade/link.h"
#include "trade/ucp.h"

struct rk_app {
  struct rk_store *store;
  struct rk_net *net;
  struct rk_key *key;
  struct rk_links *links;        /* accounts at merchants, DATA/links.json */
  struct rk_merchants *merchants;
  struct rk_trade *trade;
  struct rk_chat_model *model;
  bool model_lent;               /* set by who opens us: the model is somebody else's and stays open */
  const struct rk_sampling *sampling; /* of the agent; NULL: the likeliest token */
  struct rk_agent *agent;
  struct rk_sandbox sandbox;
  int port;                      /* of our own listener */
  char search_url[320];           /* of the search engine, "" : there is none */
  char origin[300];              /* "http://127.0.0.1:PORT" */
  char profile_url[400];         /* ORIGIN/.well-known/ucp or agent_profile_url */
  char webhook_url[400];         /* where merchants may send order events; "": nowhere */
};

/* The data directory: lock, database, approval key, network. RK_ECONFLICT: in use. */
rk_err rk_app_open_data(const struct rk_cli *c, struct rk_app *a, struct rk_error *e) RK_MUST_USE;
/* The network as the settings want it. */
rk_err rk_app_open_net(const struct rk_config *cfg, struct rk_net **out, struct rk_error *e) RK_MUST_USE;
/* What cfg names as the model, remote ones over net. */
rk_err rk_app_open_model(const struct rk_cli *c, bool no_pull, struct rk_net *net, struct rk_chat_model **out, struct rk_error *e) RK_MUST_USE;
/* Model (unless one is lent), shops, agent. Call when our listener's port is settled (a->port). */
rk_err rk_app_open_agent(const struct rk_cli *c, bool no_pull, struct rk_app *a, struct rk_error *e) RK_MUST_USE;
void rk_app_close(struct rk_app *a);

/* A listener on a->port with our profile alone, for a process that is no server. */
rk_err rk_app_serve_profile(struct rk_app *a, struct rk_http **out, struct rk_error *e) RK_MUST_USE;
/* The merchants: those of the setting `shops` or the sandbox ones, and those that were added (`rukou shop add`). */
rk_err rk_app_open_merchants(const struct rk_cli *c, struct rk_app *a, struct rk_error *e) RK_MUST_USE;
/* Origins in DATA/shops.json. New reference, possibly empty. */
json_t *rk_app_added_shops(const struct rk_config *cfg);
rk_err rk_app_set_added_shops(const struct rk_config *cfg, const json_t *origins, struct rk_error *e) RK_MUST_USE;
/* What our profile says. */
struct rk_ucp_platform rk_app_platform(const struct rk_app *a);

/* Address of a server that runs on this data directory, from DATA/server.json; false: none. */
bool rk_app_running(const struct rk_config *cfg, char *origin, size_t size);

#endif
