/* serve.c - `rukou serve`: everything, until SIGINT or SIGTERM. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "cli/session.h"
#include "server/server.h"

enum { DRAIN_MS = 10000, URL_BYTES = 512 };

/* Blocked before any thread starts, so that only the wait below sees them. */
static sigset_t block_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  return set;
}

/* Whoever may read the data directory gets a new one-time address of the one that runs. */
static int already_running(struct rk_cli *c, const struct rk_error *e) {
  char origin[300];
  if (!rk_app_running(&c->cfg, origin, sizeof origin)) return rk_die(e);
  fprintf(stderr, "rukou: already running at %s (data directory %s)\n", origin, c->cfg.data_dir);
  struct rk_session *s;
  struct rk_error link_error;
  if (rk_session_open(c, false, true, &s, &link_error)) return RK_EXIT_BUSY;
  json_t *link = rk_session_link(s, &link_error);
  if (link) printf("rukou: open %s\n", rk_json_cstr(link, "url", origin));
  json_decref(link);
  rk_session_close(s);
  return RK_EXIT_BUSY;
}

static rk_err start_server(const struct rk_cli *c, struct rk_app *a, struct rk_server **out, struct rk_error *e) {
  const struct rk_config *cfg = &c->cfg;
  return rk_server_start(&(struct rk_server_opts){
      .store = a->store, .trade = a->trade, .merchants = a->merchants, .agent = a->agent, .model = a->model, .net = a->net, .platform = rk_app_platform(a),
      .address = cfg->address, .port = a->port, .tls_cert = cfg->tls_cert, .tls_key = cfg->tls_key,
      .trusted_proxy = cfg->trusted_proxy, .public_origin = cfg->public_origin, .lang = cfg->lang}, out, e);
}

static int run(struct rk_cli *c) {
  bool no_pull = false;
  if (!rk_opts(c, &(struct rk_opt){"no-pull", 'b', &no_pull}, 1)) return RK_EXIT_USAGE;
  if (c->argc) {
    fprintf(stderr, "rukou: serve takes no argument; see rukou serve --help\n");
    return RK_EXIT_USAGE;
  }
  sigset_t signals = block_signals();
  struct rk_app app;
  struct rk_server *server = NULL;
  struct rk_error e = {0};
  char url[URL_BYTES];
  rk_err err = rk_app_open_data(c, &app, &e);
  if (err == RK_ECONFLICT) return already_running(c, &e);
  if (!err) err = rk_app_open_agent(c, no_pull, &app, &e);
  if (!err) err = start_server(c, &app, &server, &e);
  if (!err) err = rk_agent_resume(app.agent, &e);
  if (!err) err = rk_server_signin_url(server, url, sizeof url, &e);
  if (!err) {
    printf("rukou: open %s\n", url);
    fflush(stdout);
    int got;
    sigwait(&signals, &got);
    fprintf(stderr, "rukou: stopping\n");
    rk_server_drain(server, DRAIN_MS);
  }
  if (server) rk_server_stop(server);
  rk_app_close(&app);
  return err ? rk_die(&e) : RK_EXIT_OK;
}

const struct rk_command rk_cmd_serve = {
  .name = "serve",
  .summary = "the page, the agent and the APIs, with the sandbox shops",
  .help = "usage: rukou serve [--port N] [--address A] [--model M] [--no-pull]\n\n"
          "Serves the page, the agent API and the OpenAI API, and runs the sandbox shops beside it, until Ctrl+C.\n"
          "Prints an address with a one-time token; the browser that opens it is signed in.\n\n"
          "  --port N      7100 when not given; with --data a free one that the directory keeps\n"
          "  --address A   another address than 127.0.0.1; needs tls_cert and tls_key, or trusted_proxy and public_origin\n"
          "  --no-pull     fail with exit code 3 when the model is missing\n\n"
          "Examples:\n"
          "  rukou serve\n"
          "  rukou serve --model 0.5b --port 7200\n"
          "  rukou serve --data ~/second\n\n"
          "Exit codes: 0 stopped by a signal, 1 failed, 2 usage, 3 the model is missing, 4 already running (prints its address).\n",
  .run = run,
};
