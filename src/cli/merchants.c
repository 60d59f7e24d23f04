#include "cli/merchants.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/limits.h"
#include "cli/session.h"
#include "trade/probe.h"

enum { PATH_BYTES = 4096, ORIGIN_BYTES = 256, LINK_WAIT_MS = 300000 };

static int usage(const char *what) {
  fprintf(stderr, "rukou: %s; see `rukou shop --help`\n", what);
  return RK_EXIT_USAGE;
}

static void print_json(const json_t *v) {
  char *text = rk_json_dump(v);
  puts(text);
  free(text);
}

static bool is_loopback(const char *origin) {
  const char *host = strstr(origin, "://") + 3;
  return strncmp(host, "127.", 4) == 0 || strncmp(host, "localhost", 9) == 0 || strncmp(host, "[::1]", 5) == 0;
}

/* The one argument as an origin. Plain http only to this machine. */
static rk_err origin_of(const struct rk_cli *c, char origin[ORIGIN_BYTES], struct rk_error *e) {
  if (c->argc != 1 || rk_net_origin(c->argv[0], origin, ORIGIN_BYTES)) return rk_fail(e, RK_EINVAL, "name one shop by its address, as https://shop.example");
  if (strncmp(origin, "http://", 7) == 0 && !is_loopback(origin))
    return rk_fail(e, RK_EINVAL, "%s is plain http; UCP wants https except on this machine", origin);
  return RK_OK;
}

/* ---- who we are while we ask ---- */

/* Key, network, and a profile that the merchant can fetch: of the server that runs, or from a listener of our own. */
struct asker { struct rk_app app; struct rk_http *http; bool own; };

static rk_err open_asker(const struct rk_cli *c, struct asker *a, struct rk_error *e) {
  char origin[300], path[PATH_BYTES];
  *a = (struct asker){.own = !rk_app_running(&c->cfg, origin, sizeof origin)};
  if (a->own) {
    rk_err err = rk_app_open_data(c, &a->app, e);
    return err ? err : rk_app_serve_profile(&a->app, &a->http, e);
  }
  snprintf(path, sizeof path, "%s/approval.pem", c->cfg.data_dir);
  rk_err err = rk_key_load_or_make(path, &a->app.key, e);
  snprintf(path, sizeof path, "%s/links.json", c->cfg.data_dir);
  if (!err) err = rk_links_open(path, &a->app.links, e);
  if (!err) err = rk_app_open_net(&c->cfg, &a->app.net, e);
  if (c->cfg.agent_profile_url[0]) snprintf(a->app.profile_url, sizeof a->app.profile_url, "%s", c->cfg.agent_profile_url);
  else snprintf(a->app.profile_url, sizeof a->app.profile_url, "%s/.well-known/ucp", origin);
  return err;
}

static void close_asker(struct asker *a) {
  if (a->http) rk_http_stop(a->http);
  rk_app_close(&a->app);
}

static struct rk_platform platform_of(const struct asker *a) {
  struct rk_platform p = {.net = a->app.net, .key = a->app.key};
  snprintf(p.profile_url, sizeof p.profile_url, "%s", a->app.profile_url);
  return p;
}

/* ---- add, remove, list ---- */

static bool stands_in(const json_t *list, const char *origin, size_t *at) {
  size_t n = json_array_size(list);
  for (*at = 0; *at < n; ++*at) {
    const char *one = json_string_value(json_array_get(list, *at));
    if (one && strcmp(one, origin) == 0) return true;
  }
  return false;
}

static void print_shop(const json_t *s) {
  size_t i;
  json_t *v;
  bool ok = rk_json_bool(s, "ok", false);
  printf("%s  %s%s%s\n", rk_json_cstr(s, "origin", ""), ok ? "UCP " : "not usable: ", ok ? rk_json_cstr(s, "version", "") : rk_json_cstr(s, "message", ""),
         rk_json_bool(s, "linked", false) ? "  account linked" : rk_json_bool(s, "link_ended", false) ? "  the account is no longer linked: link it again" : "");
  if (!ok) return;
  printf("    %s (its own words)%s%s\n   ", rk_json_cstr(s, "name", ""), rk_json_bool(s, "sandbox", false) ? ", takes sandbox money" : ", you pay on its own page",
         rk_json_bool(s, "signs", false) ? ", signs its answers" : "");
  json_array_foreach(rk_json_arr(s, "capabilities"), i, v) printf(" %s", json_string_value(v));
  putchar('\n');
}

static rk_err look_at(struct asker *a, const char *origin, json_t **shop, struct rk_error *e) {
  struct rk_merchants *m;
  rk_err err = rk_merchants_new(&(struct rk_merchants_opts){.net = a->app.net, .agent_profile_url = a->app.profile_url, .origins = &origin, .n_origins = 1,
                                                            .key = a->app.key, .links = a->app.links}, &m, e);
  if (err) return err;
  json_t *list = rk_merchants_list(m, e);
  *shop = json_incref(json_array_get(list, 0));
  json_decref(list);
  rk_merchants_free(m);
  if (!*shop) return e->code;
  return rk_json_bool(*shop, "ok", false) ? RK_OK : rk_fail(e, RK_EUPSTREAM, "%s", rk_json_cstr(*shop, "message", ""));
}

int rk_merchants_add(struct rk_cli *c) {
  char origin[ORIGIN_BYTES];
  struct asker a;
  struct rk_error e = {0};
  size_t at;
  if (!rk_opts(c, NULL, 0)) return RK_EXIT_USAGE;
  if (origin_of(c, origin, &e)) return usage(e.msg);
  json_t *shop = NULL, *list = rk_app_added_shops(&c->cfg);
  rk_err err = stands_in(list, origin, &at) ? rk_fail(&e, RK_ECONFLICT, "%s was added before", origin) : RK_OK;
  if (!err && json_array_size(list) >= RK_MAX_SHOPS) err = rk_fail(&e, RK_ETOOBIG, "%d shops at most; `rukou shop remove` one first", RK_MAX_SHOPS);
  if (!err) {
    err = open_asker(c, &a, &e);
    if (!err) err = look_at(&a, origin, &shop, &e);
    json_array_append_new(list, json_string(origin));
    if (!err) err = rk_app_set_added_shops(&c->cfg, list, &e);
    bool running = !a.own;
    close_asker(&a);
    if (!err && c->json) print_json(shop);
    else if (!err) print_shop(shop);
    if (!err && running) fprintf(stderr, "rukou: the server that runs will know it after a restart\n");
  }
  json_decref(shop);
  json_decref(list);
  return err ? rk_die(&e) : RK_EXIT_OK;
}

int rk_merchants_remove(struct rk_cli *c) {
  char origin[ORIGIN_BYTES];
  struct rk_error e = {0};
  size_t at;
  if (!rk_opts(c, NULL, 0)) return RK_EXIT_USAGE;
  if (origin_of(c, origin, &e)) return usage(e.msg);
  json_t *list = rk_app_added_shops(&c->cfg);
  rk_err err = stands_in(list, origin, &at) ? RK_OK : rk_fail(&e, RK_ENOTFOUND, "%s was not added by `rukou shop add`", origin);
  if (!err) json_array_remove(list, at);
  if (!err) err = rk_app_set_added_shops(&c->cfg, list, &e);
  json_decref(list);
  return err ? rk_die(&e) : RK_EXIT_OK;
}

/* Of the server that runs, or, with none, of what the settings and `shop add` name: the sandbox shops run with a server. */
static json_t *known_shops(struct rk_cli *c, struct rk_error *e) {
  char origin[300];
  if (rk_app_running(&c->cfg, origin, sizeof origin)) {
    struct rk_session *s;
    if (rk_session_open(c, false, true, &s, e)) return NULL;
    json_t *list = rk_session_shops(s, e);
    rk_session_close(s);
    return list;
  }
  struct asker a;
  json_t *list = NULL;
  rk_err err = open_asker(c, &a, e);
  if (!err) err = rk_app_open_merchants(c, &a.app, e);
  if (!err) list = rk_merchants_list(a.app.merchants, e);
  close_asker(&a);
  return list;
}

int rk_merchants_show(struct rk_cli *c) {
  struct rk_error e = {0};
  size_t i;
  json_t *s;
  if (!rk_opts(c, NULL, 0) || c->argc) return usage("shop list takes no argument");
  json_t *list = known_shops(c, &e);
  if (!list) return rk_die(&e);
  if (c->json) print_json(list);
  else json_array_foreach(list, i, s) print_shop(s);
  json_decref(list);
  return RK_EXIT_OK;
}

/* ---- probe ---- */

static rk_err write_trace(const char *path, const json_t *trace, struct rk_error *e) {
  return json_dump_file(trace, path, JSON_INDENT(1)) == 0 ? RK_OK : rk_fail(e, RK_EIO, "%s cannot be written", path);
}

static void print_report(const json_t *r) {
  size_t i;
  json_t *v;
  printf("%s  %s\n", rk_json_cstr(r, "origin", ""), rk_json_cstr(r, "name", ""));
  json_array_foreach(rk_json_arr(r, "capabilities"), i, v) printf("  offers %s\n", json_string_value(v));
  json_array_foreach(rk_json_arr(r, "steps"), i, v)
    printf("  %s %s: %s\n", rk_json_bool(v, "ok", false) ? "ok  " : "WRONG", rk_json_cstr(v, "step", ""), rk_json_cstr(v, "text", ""));
  printf("%zu faults\n", json_array_size(rk_json_arr(r, "faults")));
  json_array_foreach(rk_json_arr(r, "faults"), i, v) printf("  %s\n", json_string_value(v));
}

int rk_merchants_probe(struct rk_cli *c) {
  struct rk_opt_list needs = {0};
  const char *query = "a", *pay = NULL, *trace_file = NULL, *client = NULL;
  bool authorize = false;
  char origin[ORIGIN_BYTES];
  struct asker a;
  struct rk_error e = {0};
  json_t *report = NULL, *trace = NULL;
  const struct rk_opt opts[] = {{"query", 's', &query}, {"pay", 's', &pay}, {"needs-account", 'l', &needs}, {"authorize", 'b', &authorize},
                                {"client-id", 's', &client}, {"trace", 's', &trace_file}};
  if (!rk_opts(c, opts, 6)) return RK_EXIT_USAGE;
  if (origin_of(c, origin, &e)) return usage(e.msg);
  rk_err err = open_asker(c, &a, &e);
  if (!err)
    err = rk_probe(&(struct rk_probe_opts){.net = a.app.net, .key = a.app.key, .profile_url = a.app.profile_url, .origin = origin, .query = query, .lang = "en",
                                           .pay = pay, .client_id = client, .authorize = authorize, .gated = needs.v, .n_gated = needs.n}, &report, &trace, &e);
  if (!err && trace_file) err = write_trace(trace_file, trace, &e);
  close_asker(&a);
  bool clean = json_array_size(rk_json_arr(report, "faults")) == 0;
  if (!err && c->json) print_json(report);
  else if (!err) print_report(report);
  json_decref(report);
  json_decref(trace);
  return err ? rk_die(&e) : clean ? RK_EXIT_OK : RK_EXIT_FAILED;
}

/* ---- accounts ---- */

/* The browser's way back: /linked on a port of ours (RFC 8252 section 7.3). */
struct landing { pthread_mutex_t lock; pthread_cond_t came; bool done; struct rk_link_server server; struct rk_link_request request; char code[1024]; rk_err err; struct rk_error e; };

static void landed(struct rk_http_req *r, void *ctx) {
  struct landing *l = ctx;
  struct rk_link_answer a = {rk_http_query(r, "code"), rk_http_query(r, "state"), rk_http_query(r, "iss"), rk_http_query(r, "error")};
  enum rk_link_fault fault;
  pthread_mutex_lock(&l->lock);
  struct rk_error e = {RK_OK, ""};
  rk_err err = rk_link_check(&l->server, &l->request, &a, &fault, &e);
  if (!l->done && fault != RK_LINK_STATE) { /* another's answer ends nothing */
    l->done = true;
    l->err = err;
    l->e = e;
    snprintf(l->code, sizeof l->code, "%.*s", err ? 0 : (int)a.code.n, err ? "" : a.code.p);
    pthread_cond_signal(&l->came);
  }
  pthread_mutex_unlock(&l->lock);
  rk_http_reply(r, err ? 400 : 200, "text/plain; charset=utf-8", err ? rk_str_c(e.msg) : RK_STR("The account is linked. You can close this page."));
}

static const struct rk_route landing_routes[] = {{"GET", "/linked", landed}};

static bool wait_for(struct landing *l) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += LINK_WAIT_MS / 1000;
  pthread_mutex_lock(&l->lock);
  while (!l->done && pthread_cond_timedwait(&l->came, &l->lock, &until) == 0) continue;
  bool done = l->done;
  pthread_mutex_unlock(&l->lock);
  return done;
}

static rk_err link_it(struct asker *a, const char *origin, const char *scope, struct landing *l, struct rk_http *http, struct rk_error *e) {
  struct rk_platform p = platform_of(a);
  enum rk_link_fault fault;
  struct rk_linked got;
  char redirect[100];
  snprintf(redirect, sizeof redirect, "http://127.0.0.1:%d/linked", rk_http_port(http));
  rk_err err = rk_net_allow(a->app.net, origin);
  if (err) return rk_fail(e, err, "%s cannot be used", origin);
  err = rk_link_discover(&p, origin, &l->server, &fault, e);
  if (!err) err = rk_link_request_new(&l->server, a->app.profile_url, redirect, scope, &l->request, e);
  if (err) return err;
  printf("rukou: open %s\n", l->request.url);
  fflush(stdout);
  if (!wait_for(l)) return rk_fail(e, RK_ETIMEOUT, "nobody came back within five minutes; nothing was linked");
  if (l->err) return rk_fail(e, l->err, "%s", l->e.msg);
  err = rk_link_token(&p, &l->server, &l->request, rk_str_c(l->code), &got, e);
  return err ? err : rk_links_set(a->app.links, origin, &got, e);
}

int rk_merchants_link(struct rk_cli *c) {
  const char *scope = NULL;
  char origin[ORIGIN_BYTES];
  struct asker a;
  struct rk_error e = {0};
  if (!rk_opts(c, &(struct rk_opt){"scope", 's', &scope}, 1)) return RK_EXIT_USAGE;
  if (origin_of(c, origin, &e)) return usage(e.msg);
  struct landing l = {.lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER};
  struct rk_http *http = NULL;
  json_t *shop = NULL;
  rk_err err = open_asker(c, &a, &e);
  if (!err) err = look_at(&a, origin, &shop, &e);
  if (!err && !scope) scope = rk_json_cstr(shop, "scopes", "");
  if (!err) err = rk_http_start(&(struct rk_http_opts){.address = "127.0.0.1", .routes = landing_routes, .n_routes = 1, .ctx = &l}, &http, &e);
  if (!err) err = link_it(&a, origin, scope, &l, http, &e);
  if (http) rk_http_stop(http);
  close_asker(&a);
  json_decref(shop);
  if (!err) puts("rukou: the account is linked");
  return err ? rk_die(&e) : RK_EXIT_OK;
}

/* Forgotten here even when the merchant does not answer: the user asked for it. */
int rk_merchants_unlink(struct rk_cli *c) {
  char origin[ORIGIN_BYTES];
  struct asker a;
  struct rk_linked held;
  struct rk_error e = {0}, why = {0};
  if (!rk_opts(c, NULL, 0)) return RK_EXIT_USAGE;
  if (origin_of(c, origin, &e)) return usage(e.msg);
  rk_err err = open_asker(c, &a, &e), revoked = RK_OK;
  bool ended = !err && rk_links_ended(a.app.links, origin);
  if (!err && !ended && !rk_links_get(a.app.links, origin, &held)) err = rk_fail(&e, RK_ENOTFOUND, "no account is linked at %s", origin);
  if (!err) {
    struct rk_platform p = platform_of(&a);
    revoked = ended ? RK_OK : rk_net_allow(a.app.net, origin);
    if (!revoked && !ended) revoked = rk_link_revoke(&p, &held, &why);
    err = rk_links_set(a.app.links, origin, NULL, &e);
  }
  close_asker(&a);
  if (!err && revoked) fprintf(stderr, "rukou: it is forgotten here, but the shop did not revoke it: %s\n", why.msg);
  return err ? rk_die(&e) : revoked ? RK_EXIT_FAILED : RK_EXIT_OK;
}
