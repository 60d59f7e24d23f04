#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "net/net.h"
#include "server/private.h"
#include "trade/ucp.h"

enum { N_HTTP_THREADS = 2, METRICS_BYTES = 262144 };

/* ---- small routes ---- */

static void health(struct rk_http_req *r, void *ctx) {
  const struct rk_server *s = ctx;
  rk_http_reply_json(r, 200, json_pack("{s:s,s:s,s:s}", "status", "ok", "version", RK_VERSION, "model", rk_chat_name(s->o.model)));
}

static double resident_bytes(void) {
  long pages = 0, resident = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  if (f && fscanf(f, "%ld %ld", &pages, &resident) != 2) resident = 0;
  if (f) fclose(f);
  return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void write_kv_metrics(const struct rk_server *s, struct rk_buf *b) {
  const struct rk_engine_stats kv = rk_chat_stats(s->o.model);
  rk_metrics_line(b, "rukou_kv_bytes", "gauge", "KV memory in use.", (double)kv.bytes_used);
  rk_metrics_line(b, "rukou_kv_limit_bytes", "gauge", "KV memory at most (kv_memory).", (double)kv.bytes_total);
  rk_metrics_line(b, "rukou_kv_blocks", "gauge", "Blocks of 64 tokens in use.", (double)kv.blocks_used);
  rk_metrics_line(b, "rukou_kv_evictions_total", "counter", "Blocks evicted.", (double)kv.n_evictions);
  rk_metrics_line(b, "rukou_kv_tokens_reused_total", "counter", "Tokens found in KV.", (double)kv.tokens_reused);
  rk_metrics_line(b, "rukou_kv_tokens_computed_total", "counter", "Tokens computed.", (double)kv.tokens_computed);
  rk_metrics_line(b, "rukou_kv_full_total", "counter", "Times that a job gave way because KV memory was full.", (double)kv.n_busy);
  rk_metrics_line(b, "rukou_kv_prefixes_loaded_total", "counter", "Fixed prefixes loaded from disk.", (double)kv.n_prefixes_loaded);
}

static void write_turn_metrics(struct rk_server *s, struct rk_buf *out) {
  struct rk_agent_stats turns;
  rk_agent_stats(s->o.agent, &turns);
  rk_metrics_line(out, "rukou_turns_ended_total", "counter", "Turns that ended: done, failed or cancelled.", (double)turns.turns_ended);
  rk_metrics_line(out, "rukou_turn_model_calls_total", "counter", "Model calls of turns.", (double)turns.model_calls);
  rk_metrics_line(out, "rukou_turn_tokens_prompt_total", "counter", "Prompt tokens of turns, cached ones included.", (double)turns.tokens_prompt);
  rk_metrics_line(out, "rukou_turn_tokens_cached_total", "counter", "Of those, taken from the KV cache.", (double)turns.tokens_cached);
  rk_metrics_line(out, "rukou_turn_tokens_completion_total", "counter", "Tokens written in turns.", (double)turns.tokens_completion);
}

static void metrics(struct rk_http_req *r, void *ctx) {
  struct rk_server *s = ctx;
  struct rk_v1_stats st = rk_v1_stats(s->v1);
  struct rk_buf b;
  rk_buf_init(&b, METRICS_BYTES);
  rk_metrics_line(&b, "rukou_uptime_seconds", "gauge", "Since the server started.", (double)(rk_mono_ms() - s->start_ms) / 1000);
  rk_metrics_line(&b, "rukou_resident_bytes", "gauge", "Memory in use.", resident_bytes());
  rk_metrics_line(&b, "rukou_event_streams", "gauge", "Open event streams.", rk_events_count(s->events));
  rk_metrics_line(&b, "rukou_v1_requests_total", "counter", "Requests for a completion.", (double)st.requests);
  rk_metrics_line(&b, "rukou_v1_errors_total", "counter", "Of those, refused or failed.", (double)st.errors);
  rk_metrics_line(&b, "rukou_v1_running", "gauge", "Completions that compute or wait for the model.", (double)st.running);
  rk_metrics_line(&b, "rukou_v1_tokens_prefilled_total", "counter", "Prompt tokens computed.", (double)st.tokens_prefilled);
  rk_metrics_line(&b, "rukou_v1_tokens_cached_total", "counter", "Prompt tokens taken from the KV cache.", (double)st.tokens_cached);
  rk_metrics_line(&b, "rukou_v1_tokens_decoded_total", "counter", "Tokens written.", (double)st.tokens_decoded);
  write_kv_metrics(s, &b);
  write_turn_metrics(s, &b);
  rk_metrics_write(s->metrics, &b);
  rk_http_reply(r, 200, "text/plain; version=0.0.4; charset=utf-8", rk_buf_str(&b));
  rk_buf_release(&b);
}

static void v1_models(struct rk_http_req *r, void *ctx) { rk_v1_models(((struct rk_server *)ctx)->v1, r); }
static void v1_model(struct rk_http_req *r, void *ctx) { rk_v1_model(((struct rk_server *)ctx)->v1, r); }
static void v1_chat(struct rk_http_req *r, void *ctx) { rk_v1_chat(((struct rk_server *)ctx)->v1, r); }
static void v1_messages(struct rk_http_req *r, void *ctx) { rk_v1_messages(((struct rk_server *)ctx)->v1, r); }
static void v1_count_tokens(struct rk_http_req *r, void *ctx) { rk_v1_count_tokens(((struct rk_server *)ctx)->v1, r); }
static void v1_responses(struct rk_http_req *r, void *ctx) { rk_v1_responses(((struct rk_server *)ctx)->v1, r); }
static void v1_response(struct rk_http_req *r, void *ctx) { rk_v1_response(((struct rk_server *)ctx)->v1, r); }
static void v1_response_delete(struct rk_http_req *r, void *ctx) { rk_v1_response_delete(((struct rk_server *)ctx)->v1, r); }
static void v1_completions(struct rk_http_req *r, void *ctx) { rk_v1_completions(((struct rk_server *)ctx)->v1, r); }

/* ---- the table ---- */

/*  method    path                         who         handler */
#define ROUTES(X) \
  X("GET",    "/api/session",              RK_KEY,     rk_route_session) \
  X("DELETE", "/api/session",              RK_KEY,     rk_route_sign_out) \
  X("POST",   "/api/session/terminal",     RK_OPEN,    rk_route_terminal) \
  X("POST",   "/api/session/link",         RK_SESSION, rk_route_link) \
  X("POST",   "/api/keys",                 RK_SESSION, rk_route_key_new) \
  X("DELETE", "/api/keys",                 RK_SESSION, rk_route_key_end) \
  X("POST",   "/api/turns",                RK_KEY,     rk_route_turn_new) \
  X("POST",   "/api/turns/:id/cancel",     RK_KEY,     rk_route_turn_cancel) \
  X("GET",    "/api/events",               RK_KEY,     rk_route_events) \
  X("GET",    "/api/approvals/:id",        RK_KEY,     rk_route_approval) \
  X("POST",   "/api/approvals/:id",        RK_SESSION, rk_route_decide) \
  X("PATCH",  "/api/approvals/:id",        RK_SESSION, rk_route_approval_change) \
  X("GET",    "/api/approvals/:id/variants", RK_KEY,   rk_route_variants) \
  X("GET",    "/api/plans/:id",            RK_KEY,     rk_route_plan) \
  X("POST",   "/api/plans",                RK_SESSION, rk_route_plan_new) \
  X("POST",   "/api/plans/:id",            RK_SESSION, rk_route_plan_decide) \
  X("PATCH",  "/api/plans/:id",            RK_SESSION, rk_route_plan_change) \
  X("GET",    "/api/permissions",          RK_KEY,     rk_route_permissions) \
  X("POST",   "/api/permissions",          RK_SESSION, rk_route_permit) \
  X("DELETE", "/api/permissions/:id",      RK_SESSION, rk_route_revoke) \
  X("GET",    "/api/chats",                RK_KEY,     rk_route_chats) \
  X("GET",    "/api/chats/:id",            RK_KEY,     rk_route_chat) \
  X("DELETE", "/api/chats/:id",            RK_KEY,     rk_route_chat_delete) \
  X("GET",    "/api/shops",                RK_KEY,     rk_route_shops) \
  X("GET",    "/api/orders",               RK_KEY,     rk_route_orders) \
  X("GET",    "/api/orders/:id",           RK_KEY,     rk_route_order) \
  X("GET",    "/api/orders/:id/receipt",   RK_KEY,     rk_route_receipt) \
  X("GET",    "/api/hand-overs",           RK_KEY,     rk_route_hand_overs) \
  X("GET",    "/api/hand-overs/:id",       RK_KEY,     rk_route_hand_over) \
  X("GET",    "/api/spending",             RK_KEY,     rk_route_spending) \
  X("POST",   "/api/orders/:id/back",      RK_SESSION, rk_route_give_back) \
  X("GET",    "/api/pictures/:id",         RK_KEY,     rk_route_picture) \
  X("GET",    "/api/ledger",               RK_KEY,     rk_route_ledger) \
  X("GET",    "/api/ledger/audit",         RK_KEY,     rk_route_audit) \
  X("GET",    "/api/profile",              RK_KEY,     rk_route_profile) \
  X("PUT",    "/api/profile",              RK_SESSION, rk_route_profile_set) \
  X("GET",    "/v1/models",                RK_LOCAL,   v1_models) \
  X("GET",    "/v1/models/*",              RK_LOCAL,   v1_model) \
  X("POST",   "/v1/chat/completions",      RK_LOCAL,   v1_chat) \
  X("POST",   "/v1/completions",           RK_LOCAL,   v1_completions) \
  X("POST",   "/v1/messages",              RK_LOCAL,   v1_messages) \
  X("POST",   "/v1/messages/count_tokens", RK_LOCAL,   v1_count_tokens) \
  X("POST",   "/v1/responses",             RK_LOCAL,   v1_responses) \
  X("GET",    "/v1/responses/:id",         RK_LOCAL,   v1_response) \
  X("DELETE", "/v1/responses/:id",         RK_LOCAL,   v1_response_delete) \
  X("GET",    "/health",                   RK_OPEN,    health) \
  X("GET",    "/metrics",                  RK_LOCAL,   metrics) \
  X("GET",    "/.well-known/ucp",          RK_OPEN,    rk_route_ucp_profile) \
  X("GET",    "/.well-known/ucp-" RK_UCP_VERSION, RK_OPEN, rk_route_ucp_oldest_profile) \
  X("POST",   RK_UCP_WEBHOOK_PATH,         RK_OPEN,    rk_route_order_event) \
  X("GET",    "/*",                        RK_OPEN,    rk_route_page)

#define X(method, path, who, fn) {method, path, fn},
static const struct rk_route routes[] = {ROUTES(X)};
#undef X
#define X(method, path, who, fn) who,
static const enum rk_access access_of[] = {ROUTES(X)};
#undef X
enum { N_ROUTES = sizeof routes / sizeof *routes };

static bool gate(struct rk_http_req *r, const struct rk_route *route, void *ctx) {
  return rk_auth_gate(ctx, r, access_of[route - routes]);
}

static void on_done(const struct rk_route *route, int32_t status, int64_t ms, void *ctx) {
  rk_metrics_request(((struct rk_server *)ctx)->metrics, route, status, ms);
}

/* ---- start ---- */

static bool given(const char *s) { return s && s[0]; }

static bool is_loopback(const char *address) { return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0; }

/* Plain HTTP only on loopback, or behind a proxy that is named. */
static rk_err check_opts(const struct rk_server_opts *o, struct rk_error *e) {
  char origin[RK_SERVER_NAME_BYTES];
  if (given(o->tls_cert) != given(o->tls_key)) return rk_fail(e, RK_EINVAL, "tls_cert and tls_key go together");
  if (given(o->public_origin) && (rk_net_origin(o->public_origin, origin, sizeof origin) || strcmp(origin, o->public_origin) != 0))
    return rk_fail(e, RK_EINVAL, "public_origin must be scheme and host, as https://rukou.example");
  if (is_loopback(o->address) || given(o->tls_cert) || (given(o->trusted_proxy) && given(o->public_origin))) return RK_OK;
  return rk_fail(e, RK_EINVAL, "address %s is not loopback: plain HTTP is refused there; set tls_cert and tls_key, or trusted_proxy and public_origin",
                 o->address);
}

static rk_err start_http(struct rk_server *s, struct rk_error *e) {
  const struct rk_server_opts *o = &s->o;
  const char *origin = given(o->public_origin) ? o->public_origin : NULL;
  const char *host = origin ? strstr(origin, "://") + 3 : NULL;
  return rk_http_start(&(struct rk_http_opts){
      .address = o->address, .port = o->port, .routes = routes, .n_routes = N_ROUTES, .ctx = s,
      .hosts = &host, .n_hosts = host ? 1 : 0, .origins = &origin, .n_origins = origin ? 1 : 0,
      .tls_cert = given(o->tls_cert) ? o->tls_cert : NULL, .tls_key = given(o->tls_key) ? o->tls_key : NULL,
      .n_threads = N_HTTP_THREADS, .gate = gate, .on_done = on_done}, &s->http, e);
}

/* Where a browser finds us. */
static void name_self(struct rk_server *s) {
  const struct rk_server_opts *o = &s->o;
  const char *scheme = given(o->tls_cert) ? "https" : "http", *address = o->address;
  if (strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0) address = "127.0.0.1";
  bool v6 = strchr(address, ':') != NULL;
  if (given(o->public_origin)) snprintf(s->origin, sizeof s->origin, "%s", o->public_origin);
  else snprintf(s->origin, sizeof s->origin, v6 ? "%s://[%s]:%d" : "%s://%s:%d", scheme, address, rk_http_port(s->http));
  s->secure = strncmp(s->origin, "https:", 6) == 0;
}

static rk_err write_server_json(struct rk_server *s, struct rk_error *e) {
  json_t *v = json_pack("{s:s,s:i,s:i}", "origin", s->origin, "port", rk_http_port(s->http), "pid", (int)getpid());
  char *text = rk_json_dump(v);
  rk_err err = rk_server_write_file(s, "server.json", rk_str_c(text), e);
  free(text);
  json_decref(v);
  return err;
}

rk_err rk_server_start(const struct rk_server_opts *o, struct rk_server **out, struct rk_error *e) {
  rk_err err = check_opts(o, e);
  if (err) return err;
  struct rk_server *s = calloc(1, sizeof *s);
  if (!s) return rk_fail(e, RK_ENOMEM, "out of memory");
  s->o = *o;
  s->start_ms = rk_mono_ms();
  s->everybody = is_loopback(o->address) && !given(o->public_origin);
  snprintf(s->cookie, sizeof s->cookie, "rukou_%s", rk_store_data_id(o->store));
  pthread_mutex_init(&s->mu, NULL);
  s->metrics = rk_metrics_new(routes, N_ROUTES);
  err = s->metrics ? RK_OK : rk_fail(e, RK_ENOMEM, "out of memory");
  if (!err) err = rk_events_new(o->store, o->agent, &s->events, e);
  if (!err) err = rk_workers_new(&s->workers, e);
  if (!err) err = rk_pictures_new(o->store, o->net, &s->pictures, e);
  if (!err) err = rk_webhooks_new(o->trade, o->merchants, &s->webhooks, e);
  if (!err) err = rk_v1_new(o->model, RK_MAX_COMPLETIONS, &s->v1, e);
  if (!err) err = rk_auth_start(s, e);
  if (!err) err = start_http(s, e);
  if (!err) {
    name_self(s);
    err = write_server_json(s, e);
  }
  if (err) rk_server_stop(s);
  else *out = s;
  return err;
}

rk_err rk_server_signin_url(struct rk_server *s, char *url, size_t size, struct rk_error *e) { return rk_auth_link(s, url, size, e); }

/* ---- end ---- */

/* Event streams have no end of their own, so they go first; a browser reads on when the server is back. */
void rk_server_drain(struct rk_server *s, int64_t timeout_ms) {
  rk_events_free(s->events);
  s->events = NULL;
  rk_http_drain(s->http, timeout_ms);
}

void rk_server_stop(struct rk_server *s) {
  char path[RK_SERVER_PATH_BYTES];
  snprintf(path, sizeof path, "%s/server.json", rk_store_dir(s->o.store));
  if (s->http) {
    unlink(path);
    rk_http_drain(s->http, 0);
  }
  rk_auth_stop(s);
  rk_events_free(s->events);
  rk_workers_free(s->workers);
  rk_pictures_free(s->pictures);
  rk_webhooks_free(s->webhooks);
  rk_v1_free(s->v1);
  rk_http_stop(s->http);
  rk_metrics_free(s->metrics);
  pthread_mutex_destroy(&s->mu);
  free(s);
}
