#include "cli/app.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "cli/identity.h"

enum { PATH_BYTES = 4096, MAX_ORIGINS = RK_MAX_SHOPS, DEFAULT_PORT = 7100, DEFAULT_SHOP_PORT = 7110 };

/* The first of n consecutive ports that are free on the address now. */
static int free_ports(const char *address, int n) {
  struct sockaddr_in at = {.sin_family = AF_INET};
  inet_pton(AF_INET, address, &at.sin_addr);
  for (int attempt = 0; attempt < 100; attempt++) {
    int first = 20000 + (int)((rk_mono_us() * 7919 + getpid()) % 12000), taken = 0; /* not seeded: directories must differ */
    for (int i = 0; i < n && !taken; i++) {
      int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      at.sin_port = htons((uint16_t)(first + i));
      taken = fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0;
      if (fd >= 0) close(fd);
    }
    if (!taken) return first;
  }
  return 0;
}

static json_t *read_json_file(const char *dir, const char *name) {
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  struct rk_buf text;
  rk_buf_init(&text, 65536);
  json_t *v = rk_buf_read_file(&text, path, NULL) ? NULL : rk_json_parse(rk_buf_str(&text), 65536, NULL);
  rk_buf_release(&text);
  return v;
}

static rk_err write_json_file(const char *dir, const char *name, const json_t *v, struct rk_error *e) {
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  char *text = rk_json_dump(v);
  FILE *f = fopen(path, "w");
  bool ok = f && fprintf(f, "%s\n", text) > 0;
  if (f) ok = fclose(f) == 0 && ok;
  free(text);
  return ok ? RK_OK : rk_fail(e, RK_EIO, "%s: %s", path, strerror(errno));
}

static rk_err write_ports(const char *dir, int server, int shops, struct rk_error *e) {
  json_t *v = json_pack("{s:i, s:i}", "server", server, "shops", shops);
  rk_err err = write_json_file(dir, "ports.json", v, e);
  json_decref(v);
  return err;
}

json_t *rk_app_added_shops(const struct rk_config *cfg) {
  json_t *v = read_json_file(cfg->data_dir, "shops.json");
  if (json_is_array(v)) return v;
  json_decref(v);
  return json_array();
}

rk_err rk_app_set_added_shops(const struct rk_config *cfg, const json_t *origins, struct rk_error *e) {
  return write_json_file(cfg->data_dir, "shops.json", origins, e);
}

/* A port of the settings wins; else fixed ones for the default directory, and for another one free ports that it keeps. */
static rk_err settle_ports(const struct rk_config *cfg, int *server, int *shops, struct rk_error *e) {
  json_t *kept = cfg->data_given ? read_json_file(cfg->data_dir, "ports.json") : NULL;
  *server = cfg->port ? cfg->port : cfg->data_given ? (int)rk_json_i64(kept, "server", 0) : DEFAULT_PORT;
  *shops = cfg->shop_port ? cfg->shop_port : cfg->data_given ? (int)rk_json_i64(kept, "shops", 0) : DEFAULT_SHOP_PORT;
  json_decref(kept);
  if (*server > 0 && *shops > 0) return RK_OK;
  if (*server <= 0) *server = free_ports("127.0.0.1", 1);
  if (*shops <= 0) *shops = free_ports("127.0.0.2", RK_SANDBOX_MAX);
  return write_ports(cfg->data_dir, *server, *shops, e);
}

/* Who we are for merchants, and where they reach us: on loopback the sandbox ones, else at the public address. */
static void settle_addresses(const struct rk_config *cfg, struct rk_app *a) {
  snprintf(a->origin, sizeof a->origin, "http://127.0.0.1:%d", a->port);
  const char *reached = cfg->public_origin[0] ? cfg->public_origin : a->origin;
  if (cfg->agent_profile_url[0]) snprintf(a->profile_url, sizeof a->profile_url, "%s", cfg->agent_profile_url);
  else snprintf(a->profile_url, sizeof a->profile_url, "%s/.well-known/ucp", reached);
  if (cfg->public_origin[0] || !cfg->agent_profile_url[0]) snprintf(a->webhook_url, sizeof a->webhook_url, "%s" RK_UCP_WEBHOOK_PATH, reached);
}

rk_err rk_app_open_net(const struct rk_config *cfg, struct rk_net **out, struct rk_error *e) {
  rk_err err = rk_net_new(out, e);
  return err || !cfg->ca_file[0] ? err : rk_net_trust(*out, cfg->ca_file, e);
}

rk_err rk_app_open_data(const struct rk_cli *c, struct rk_app *a, struct rk_error *e) {
  *a = (struct rk_app){0};
  rk_err err = rk_store_open(c->cfg.data_dir, &a->store, e);
  if (!err) err = rk_app_open_net(&c->cfg, &a->net, e);
  char pem[PATH_BYTES];
  snprintf(pem, sizeof pem, "%s/approval.pem", c->cfg.data_dir);
  if (!err) err = rk_key_load_or_make(pem, &a->key, e);
  int shops;
  if (!err) err = settle_ports(&c->cfg, &a->port, &shops, e);
  if (!err) settle_addresses(&c->cfg, a);
  char links[PATH_BYTES];
  snprintf(links, sizeof links, "%s/links.json", c->cfg.data_dir);
  return err ? err : rk_links_open(links, &a->links, e);
}

/* Without a webhook: this process ends with what it was started for. */
static void reply_profile(struct rk_http_req *r, const struct rk_app *a, const char *version) {
  struct rk_ucp_platform p = {.key = a->key, .profile_url = a->profile_url};
  rk_http_set_header(r, "Cache-Control", "public, max-age=3600");
  rk_http_reply_json(r, 200, rk_ucp_platform_profile(&p, version));
}
static void serve_profile(struct rk_http_req *r, void *ctx) { reply_profile(r, ctx, rk_ucp_version(0)); }
static void serve_oldest_profile(struct rk_http_req *r, void *ctx) { reply_profile(r, ctx, RK_UCP_VERSION); }

static const struct rk_route profile_routes[] = {{"GET", "/.well-known/ucp", serve_profile}, {"GET", "/.well-known/ucp-" RK_UCP_VERSION, serve_oldest_profile}};

rk_err rk_app_serve_profile(struct rk_app *a, struct rk_http **out, struct rk_error *e) {
  return rk_http_start(&(struct rk_http_opts){.address = "127.0.0.1", .port = a->port, .routes = profile_routes, .n_routes = 2, .ctx = a}, out, e);
}

struct rk_ucp_platform rk_app_platform(const struct rk_app *a) {
  return (struct rk_ucp_platform){.key = a->key, .profile_url = a->profile_url, .webhook_url = a->webhook_url[0] ? a->webhook_url : NULL};
}

rk_err rk_app_open_merchants(const struct rk_cli *c, struct rk_app *a, struct rk_error *e) {
  const char *origins[MAX_ORIGINS];
  char text[MAX_ORIGINS][300];
  int32_t n = 0;
  rk_str rest = rk_str_c(c->cfg.shops), one;
  for (; rest.n && n < MAX_ORIGINS; n++) {
    rk_str_cut(rest, ',', &one, &rest);
    snprintf(text[n], sizeof text[n], "%.*s", RK_STR_ARG(rk_str_trim(one)));
    origins[n] = text[n];
  }
  if (n == 0) {
    int server, shops;
    rk_err err = settle_ports(&c->cfg, &server, &shops, e);
    if (!err) err = rk_sandbox_start(&c->cfg, shops, a->origin, &a->sandbox, e);
    if (err) return err;
    for (; n < a->sandbox.n_origins; n++) origins[n] = a->sandbox.origins[n];
  }
  json_t *added = rk_app_added_shops(&c->cfg), *v;
  size_t i;
  json_array_foreach(added, i, v) {
    bool twice = false;
    if (n == MAX_ORIGINS || !json_is_string(v)) break;
    for (int32_t k = 0; k < n; k++) twice = twice || strcmp(origins[k], json_string_value(v)) == 0;
    if (twice) continue;
    snprintf(text[n], sizeof text[n], "%s", json_string_value(v));
    origins[n] = text[n];
    n++;
  }
  json_decref(added);
  return rk_merchants_new(&(struct rk_merchants_opts){.net = a->net, .agent_profile_url = a->profile_url,
                                                      .origins = origins, .n_origins = n, .key = a->key, .links = a->links}, &a->merchants, e);
}

/* What the APIs call the model: a known name, or a path's file name without its ending. */
static void name_of_model(const char *model, char *out, size_t size) {
  const char *file = strrchr(model, '/');
  snprintf(out, size, "%s", file && file[1] ? file + 1 : model);
  char *end = strrchr(out, '.');
  if (end && end > out && strcmp(end, ".gguf") == 0) *end = 0;
}

rk_err rk_app_open_model(const struct rk_cli *c, bool no_pull, struct rk_net *net, struct rk_chat_model **out, struct rk_error *e) {
  if (c->cfg.base_url[0]) {
    char origin[300];
    rk_err err = rk_net_origin(c->cfg.base_url, origin, sizeof origin);
    if (err) return rk_fail(e, RK_EINVAL, "base_url %s is no http(s) address", c->cfg.base_url);
    err = rk_net_allow(net, origin);
    if (err) return rk_fail(e, err, "base_url %s cannot be used", c->cfg.base_url);
    return rk_chat_open_remote(&(struct rk_chat_remote_opts){.net = net, .base_url = c->cfg.base_url,
        .api_key = c->cfg.api_key[0] ? c->cfg.api_key : NULL, .model_name = c->cfg.model_name}, out, e);
  }
  char path[PATH_BYTES], name[256];
  struct rk_identity id;
  rk_err err = rk_model_path(c, c->cfg.model, no_pull, path, sizeof path, e);
  if (!err) err = rk_identity_of(c->cfg.cache_dir, path, &id, e);
  if (err) return err;
  name_of_model(c->cfg.model, name, sizeof name);
  return rk_chat_open_local(&(struct rk_chat_local_opts){.model_path = path, .model_name = name,
      .n_threads = c->cfg.threads, .n_ctx = c->cfg.ctx, .kv_type = c->cfg.kv_type, .kv_bytes = (uint64_t)c->cfg.kv_memory << 20,
      .kv_wait_ms = c->cfg.kv_wait > 0 ? c->cfg.kv_wait * 1000 : 1, .cache_dir = c->cfg.cache_dir, .model_id = id.sha256}, out, e);
}

/* The engine of the settings, or the news site of the sandbox. */
static rk_err settle_search(const struct rk_cli *c, struct rk_app *a, struct rk_error *e) {
  char origin[300];
  if (c->cfg.search_url[0]) snprintf(a->search_url, sizeof a->search_url, "%s", c->cfg.search_url);
  else if (a->sandbox.news[0]) snprintf(a->search_url, sizeof a->search_url, "%s/search", a->sandbox.news);
  if (!a->search_url[0]) return RK_OK;
  rk_err err = rk_net_origin(a->search_url, origin, sizeof origin);
  if (!err) err = rk_net_allow(a->net, origin);
  return err ? rk_fail(e, RK_EINVAL, "search_url %s is no http(s) address", a->search_url) : RK_OK;
}

rk_err rk_app_open_agent(const struct rk_cli *c, bool no_pull, struct rk_app *a, struct rk_error *e) {
  rk_err err = a->model_lent ? RK_OK : rk_app_open_model(c, no_pull, a->net, &a->model, e);
  if (!err) err = rk_app_open_merchants(c, a, e);
  if (!err) err = rk_trade_new(&(struct rk_trade_opts){a->store, a->merchants, a->key}, &a->trade, e);
  if (!err) err = settle_search(c, a, e);
  if (!err) err = rk_agent_new(&(struct rk_agent_opts){a->store, a->trade, a->merchants, a->model, a->net, a->search_url, a->sampling}, &a->agent, e);
  return err;
}

void rk_app_close(struct rk_app *a) {
  if (a->agent) rk_agent_free(a->agent);
  if (a->trade) rk_trade_free(a->trade);
  if (a->merchants) rk_merchants_free(a->merchants);
  rk_links_free(a->links);
  rk_sandbox_stop(&a->sandbox);
  if (a->model && !a->model_lent) rk_chat_close(a->model);
  if (a->key) rk_key_free(a->key);
  if (a->net) rk_net_free(a->net);
  if (a->store) rk_store_close(a->store);
}

bool rk_app_running(const struct rk_config *cfg, char *origin, size_t size) {
  json_t *v = read_json_file(cfg->data_dir, "server.json");
  int64_t pid = rk_json_i64(v, "pid", 0);
  bool alive = pid > 0 && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
  if (alive) snprintf(origin, size, "%s", rk_json_cstr(v, "origin", ""));
  json_decref(v);
  return alive && origin[0];
}
