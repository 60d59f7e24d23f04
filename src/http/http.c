/* The listener. libmicrohttpd calls on_request() for a request's headers, for
 * each piece of its body, and once more at its end (and again when a suspended
 * connection was resumed). Checks happen at the headers; a refused request's
 * body is read and dropped, so that the client gets to see the answer.
 *
 * Detached requests and event streams suspend their connection; it is resumed
 * by the thread that answers. */
#include "http/private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/utf8.h"

enum {
  ARENA_BYTES = 1 << 20, CONNECTION_BYTES = 65536, SPARE_CONNECTIONS = 64, MAX_DROPPED = 4 * RK_MAX_HTTP_BODY_BYTES,
  KEEPER_MS = 200, MAX_PEM_BYTES = 1 << 20, MAX_NAMES = 64
};

/* ---- connections ---- */

static void ip_of(const struct sockaddr *a, unsigned char ip[16]) {
  memset(ip, 0, 16);
  if (a->sa_family == AF_INET) {
    struct sockaddr_in in;
    memcpy(&in, a, sizeof in);
    memcpy(ip, &in.sin_addr, 4);
  } else if (a->sa_family == AF_INET6) {
    struct sockaddr_in6 in6;
    memcpy(&in6, a, sizeof in6);
    memcpy(ip, &in6.sin6_addr, 16);
  }
}

static void open_conn(struct rk_http *h, struct MHD_Connection *c, void **context) {
  const union MHD_ConnectionInfo *addr = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  const union MHD_ConnectionInfo *fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
  struct conn *conn = calloc(1, sizeof *conn);
  RK_ASSERT(conn && addr && fd);
  ip_of(addr->client_addr, conn->ip);
  conn->v6 = addr->client_addr->sa_family == AF_INET6;
  conn->fd = fd->connect_fd;
  conn->since_ms = rk_mono_ms();
  conn->receiving = true;
  int32_t same = 0;
  pthread_mutex_lock(&h->conn_mu);
  for (struct conn *o = h->conns; o; o = o->next) same += memcmp(o->ip, conn->ip, sizeof conn->ip) == 0;
  if (h->n_conns >= RK_MAX_HTTP_CONNECTIONS) conn->refuse = RK_EUNAVAIL;
  else if (same >= RK_MAX_HTTP_PER_IP) conn->refuse = RK_EBUSY;
  conn->next = h->conns;
  if (conn->next) conn->next->prev = conn;
  h->conns = conn;
  h->n_conns++;
  pthread_mutex_unlock(&h->conn_mu);
  *context = conn;
}

static void close_conn(struct rk_http *h, struct conn *conn) {
  pthread_mutex_lock(&h->conn_mu);
  if (conn->prev) conn->prev->next = conn->next;
  else h->conns = conn->next;
  if (conn->next) conn->next->prev = conn->prev;
  h->n_conns--;
  pthread_mutex_unlock(&h->conn_mu);
  free(conn);
}

static void on_connection(void *ud, struct MHD_Connection *c, void **context, enum MHD_ConnectionNotificationCode code) {
  if (code == MHD_CONNECTION_NOTIFY_STARTED) open_conn(ud, c, context);
  else if (*context) close_conn(ud, *context);
}

static void set_receiving(struct rk_http_req *r, bool on) {
  pthread_mutex_lock(&r->h->conn_mu);
  r->conn->receiving = on;
  r->conn->since_ms = rk_mono_ms();
  pthread_mutex_unlock(&r->h->conn_mu);
}

/* ---- checks at the headers ---- */

static bool listed(char *const *names, int32_t n, const char *value) {
  for (int32_t i = 0; i < n; i++)
    if (strcasecmp(names[i], value) == 0) return true;
  return false;
}

struct scan { size_t bytes; int hosts; };

static enum MHD_Result scan_header(void *ud, enum MHD_ValueKind kind, const char *key, const char *value) {
  struct scan *s = ud;
  (void)kind;
  s->bytes += strlen(key) + (value ? strlen(value) : 0) + 4;
  s->hosts += strcasecmp(key, "Host") == 0;
  return MHD_YES;
}

static rk_err check_host(const struct rk_http_req *r, int n_hosts, struct rk_error *e) {
  rk_str host = rk_http_header(r, "Host");
  if (n_hosts != 1 || host.n == 0) return rk_fail(e, RK_EINVAL, "a request needs exactly one Host header");
  if (listed(r->h->hosts, r->h->n_hosts, host.p)) return RK_OK;
  return rk_fail(e, RK_EFORBIDDEN, "Host \"%.100s\" is not an address of this server; open the printed address", host.p);
}

/* A page of another site may neither read nor write here, whatever it has tricked the browser into. */
static rk_err check_origin(const struct rk_http_req *r, struct rk_error *e) {
  rk_str origin = rk_http_header(r, "Origin"), site = rk_http_header(r, "Sec-Fetch-Site");
  if (origin.n && !listed(r->h->origins, r->h->n_origins, origin.p))
    return rk_fail(e, RK_EFORBIDDEN, "Origin \"%.100s\" may not use this server", origin.p);
  bool foreign = rk_str_eq_c(site, "cross-site") || rk_str_eq_c(site, "same-site");
  bool navigation = rk_str_eq_c(rk_http_header(r, "Sec-Fetch-Mode"), "navigate") &&
                    (strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0);
  if (foreign && !navigation && !origin.n) return rk_fail(e, RK_EFORBIDDEN, "a page of another site may not use this server");
  return RK_OK;
}

static rk_err check_body(const struct rk_http_req *r, struct rk_error *e) {
  rk_str length = rk_http_header(r, "Content-Length");
  int64_t n = 0;
  if (length.n && rk_http_header(r, "Transfer-Encoding").n)
    return rk_fail(e, RK_EINVAL, "Content-Length and Transfer-Encoding do not go together");
  if (length.n && (!rk_str_i64(length, &n) || n < 0)) return rk_fail(e, RK_EINVAL, "Content-Length is no number");
  if (n <= RK_MAX_HTTP_BODY_BYTES) return RK_OK;
  return rk_fail(e, RK_ETOOBIG, "a body of %lld bytes is over the limit of %d", (long long)n, (int)RK_MAX_HTTP_BODY_BYTES);
}

static bool decode_params(struct rk_http_req *r) {
  for (int32_t i = 0; i < r->params.n; i++)
    if (!rk_url_decode(r->params.value[i], r->arena, &r->params.value[i])) return false;
  return true;
}

static rk_err find_route(struct rk_http_req *r, struct rk_error *e) {
  char allow[128] = "";
  const char *method = strcmp(r->method, "HEAD") == 0 ? "GET" : r->method;
  for (int32_t i = 0; i < r->h->o.n_routes; i++) {
    const struct rk_route *route = &r->h->o.routes[i];
    if (!rk_route_match(route->path, rk_str_c(r->path), &r->params)) continue;
    if (strcmp(route->method, method) == 0) {
      r->route = route;
      return decode_params(r) ? RK_OK : rk_fail(e, RK_EINVAL, "the path has a broken escape or is not UTF-8");
    }
    size_t n = strlen(allow);
    snprintf(allow + n, sizeof allow - n, "%s%s", n ? ", " : "", route->method);
  }
  if (!allow[0]) return rk_fail(e, RK_ENOTFOUND, "there is nothing at %.200s", rk_utf8_valid(rk_str_c(r->path)) ? r->path : "this path");
  rk_http_set_header(r, "Allow", allow);
  return rk_fail(e, RK_EMETHOD, "%.20s is not served here, only %s", r->method, allow);
}

static enum MHD_Result add_query(void *ud, enum MHD_ValueKind kind, const char *key, const char *value) {
  struct rk_http_req *r = ud;
  struct query *q = rk_arena_alloc(r->arena, sizeof *q);
  (void)kind;
  if (!q || !rk_url_decode(rk_str_c(key), r->arena, &q->name) || !rk_url_decode(rk_str_c(value), r->arena, &q->value))
    return MHD_NO;
  struct query **tail = &r->query;
  while (*tail) tail = &(*tail)->next;
  *tail = q;
  return MHD_YES;
}

static rk_err read_query(struct rk_http_req *r, struct rk_error *e) {
  int n = MHD_get_connection_values(r->c, MHD_GET_ARGUMENT_KIND, NULL, NULL), taken = 0;
  MHD_get_connection_values(r->c, MHD_GET_ARGUMENT_KIND, add_query, r);
  for (const struct query *q = r->query; q; q = q->next) taken++;
  return taken == n ? RK_OK : rk_fail(e, RK_EINVAL, "the query has a broken escape or is not UTF-8");
}

static rk_err check_limits(const struct rk_http_req *r, struct rk_error *e) {
  if (r->conn->refuse == RK_EBUSY) return rk_fail(e, RK_EBUSY, "over %d connections from one address", (int)RK_MAX_HTTP_PER_IP);
  if (r->conn->refuse) return rk_fail(e, RK_EUNAVAIL, "over %d connections", (int)RK_MAX_HTTP_CONNECTIONS);
  return atomic_load(&r->h->stopping) ? rk_fail(e, RK_EUNAVAIL, "the server is shutting down") : RK_OK;
}

/* False: answered. */
static bool check(struct rk_http_req *r) {
  struct rk_error e = {0};
  struct scan seen = {strlen(r->method) + strlen(r->path) + 12, 0};
  MHD_get_connection_values(r->c, MHD_GET_ARGUMENT_KIND, scan_header, &seen);
  seen.hosts = 0;
  MHD_get_connection_values(r->c, MHD_HEADER_KIND, scan_header, &seen);
  rk_err err = check_limits(r, &e);
  if (!err && seen.bytes > RK_MAX_HTTP_HEADER_BYTES) {
    rk_fail(&e, RK_ETOOBIG, "headers of %zu bytes are over the limit of %d", seen.bytes, (int)RK_MAX_HTTP_HEADER_BYTES);
    rk_http_reply_json(r, 431, json_pack("{s:{s:s,s:s,s:s}}", "error", "code", "too_large", "type", "too_large", "message", e.msg));
    return false;
  }
  if (!err) err = check_host(r, seen.hosts, &e);
  if (!err) err = check_origin(r, &e);
  if (!err) err = check_body(r, &e);
  if (!err) err = find_route(r, &e);
  if (!err) err = read_query(r, &e);
  if (err) {
    rk_http_reply_error(r, &e);
    return false;
  }
  return !r->h->o.gate || r->h->o.gate(r, r->route, r->h->o.ctx);
}

/* ---- a request's life ---- */

static struct rk_http_req *begin(struct rk_http *h, struct MHD_Connection *c, const char *method, const char *path) {
  struct rk_http_req *r = calloc(1, sizeof *r);
  struct rk_arena *arena = rk_arena_new(ARENA_BYTES);
  if (!r || !arena) {
    free(r);
    rk_arena_free(arena);
    return NULL;
  }
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  *r = (struct rk_http_req){.h = h, .c = c, .conn = info->socket_context, .arena = arena, .method = method, .path = path,
                            .start_ms = rk_mono_ms()};
  rk_buf_init(&r->body, RK_MAX_HTTP_BODY_BYTES);
  atomic_fetch_add(&h->n_requests, 1);
  check(r);
  return r;
}

/* False: too much to drop politely; the connection is closed. */
static bool take_body(struct rk_http_req *r, const char *data, size_t n) {
  r->n_received += n;
  if (r->answered) return r->n_received <= MAX_DROPPED;
  if (rk_buf_add(&r->body, data, n) == RK_OK) return true;
  rk_buf_release(&r->body);
  struct rk_error e = {r->body.err == RK_ENOMEM ? RK_ENOMEM : RK_ETOOBIG, ""};
  snprintf(e.msg, sizeof e.msg, "the body is over the limit of %d bytes", (int)RK_MAX_HTTP_BODY_BYTES);
  rk_http_reply_error(r, &e);
  return true;
}

static void call_handler(struct rk_http_req *r) {
  struct rk_http *h = r->h;
  pthread_mutex_lock(&h->mu);
  bool stopping = atomic_load(&h->stopping);
  if (!stopping) {
    h->n_busy++;
    h->n_inside++;
  }
  pthread_mutex_unlock(&h->mu);
  if (stopping) {
    rk_http_reply_error(r, &(struct rk_error){RK_EUNAVAIL, "the server is shutting down"});
    return;
  }
  r->called = true;
  r->route->fn(r, h->o.ctx);
  RK_ASSERT(r->detached || r->answered);
  pthread_mutex_lock(&h->mu);
  h->n_inside--;
  pthread_cond_broadcast(&h->changed);
  pthread_mutex_unlock(&h->mu);
}

static enum MHD_Result send_answer(struct rk_http_req *r) {
  enum MHD_Result ok = MHD_queue_response(r->c, (unsigned)r->status, r->response);
  MHD_destroy_response(r->response);
  r->response = NULL;
  return ok;
}

static enum MHD_Result on_request(void *ud, struct MHD_Connection *c, const char *path, const char *method,
                                  const char *version, const char *data, size_t *n_data, void **state) {
  struct rk_http_req *r = *state;
  (void)version;
  if (!r) {
    *state = r = begin(ud, c, method, path);
    if (!r) return MHD_NO;
    bool waits = rk_http_header(r, "Expect").n > 0; /* it has not sent its body yet */
    return waits && r->answered ? send_answer(r) : MHD_YES;
  }
  if (*n_data) {
    bool go_on = take_body(r, data, *n_data);
    *n_data = 0;
    return go_on ? MHD_YES : MHD_NO;
  }
  if (!r->answered && !r->called) {
    set_receiving(r, false);
    call_handler(r);
    if (r->detached) return MHD_YES;
  }
  return r->response ? send_answer(r) : MHD_YES;
}

static void on_completed(void *ud, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode code) {
  struct rk_http *h = ud;
  struct rk_http_req *r = *state;
  (void)c;
  (void)code;
  if (!r) return;
  *state = NULL;
  if (h->o.on_done) h->o.on_done(r->route, r->status, rk_mono_ms() - r->start_ms, h->o.ctx);
  set_receiving(r, true);
  if (r->response) MHD_destroy_response(r->response);
  if (r->user_free) r->user_free(r->user);
  rk_buf_release(&r->body);
  rk_arena_free(r->arena);
  free(r);
  atomic_fetch_sub(&h->n_requests, 1);
}

/* Escapes stay: rk_url_decode() sees the bytes that were sent. */
static size_t keep_escapes(void *ud, struct MHD_Connection *c, char *s) {
  (void)ud;
  (void)c;
  return strlen(s);
}

static void on_log(void *ud, const char *fmt, va_list ap) {
  char text[512];
  (void)ud;
  vsnprintf(text, sizeof text, fmt, ap);
  rk_log(RK_LOG_DEBUG, "http", "%s", text);
}

/* ---- keeper ---- */

/* Ends connections that have waited longer for a whole request. */
static void end_slow_conns(struct rk_http *h, int64_t limit_ms) {
  int64_t now = rk_mono_ms();
  pthread_mutex_lock(&h->conn_mu);
  for (struct conn *c = h->conns; c; c = c->next)
    if (c->receiving && now - c->since_ms > limit_ms) shutdown(c->fd, SHUT_RDWR);
  pthread_mutex_unlock(&h->conn_mu);
}

static void *keep(void *ud) {
  struct rk_http *h = ud;
  int64_t limit_ms = 1000 * (int64_t)(h->o.receive_timeout_s ? h->o.receive_timeout_s : RK_HTTP_RECEIVE_TIMEOUT_S);
  for (bool ends = false; !ends;) {
    rk_sleep_ms(KEEPER_MS);
    end_slow_conns(h, limit_ms);
    pthread_mutex_lock(&h->mu);
    rk_http_streams_beat(h);
    ends = h->keeper_ends;
    pthread_mutex_unlock(&h->mu);
  }
  return NULL;
}

/* ---- start ---- */

static rk_err listen_on(struct rk_http *h, struct rk_error *e) {
  struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)h->o.port)};
  struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)h->o.port)};
  bool v6 = inet_pton(AF_INET6, h->o.address, &in6.sin6_addr) == 1;
  if (!v6 && inet_pton(AF_INET, h->o.address, &in4.sin_addr) != 1)
    return rk_fail(e, RK_EINVAL, "address %s is no IP address", h->o.address);
  int one = 1, fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return rk_fail(e, RK_EIO, "socket: %s", strerror(errno));
  h->listen_fd = fd;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr *at = v6 ? (struct sockaddr *)&in6 : (struct sockaddr *)&in4;
  socklen_t n = v6 ? sizeof in6 : sizeof in4;
  if (bind(fd, at, n) != 0 || listen(fd, 511) != 0)
    return errno == EADDRINUSE
        ? rk_fail(e, RK_ECONFLICT, "port %d of %s is taken; choose another one with --port or end the other program", h->o.port, h->o.address)
        : rk_fail(e, errno == EADDRNOTAVAIL ? RK_EINVAL : RK_EIO, "%s port %d: %s", h->o.address, h->o.port, strerror(errno));
  if (getsockname(fd, at, &n) != 0) return rk_fail(e, RK_EIO, "getsockname: %s", strerror(errno));
  h->port = ntohs(v6 ? in6.sin6_port : in4.sin_port);
  return RK_OK;
}

static bool push_name(char **list, int32_t *n, const char *fmt, ...) RK_PRINTF(3, 4);
static bool push_name(char **list, int32_t *n, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  bool ok = *n < MAX_NAMES && vasprintf(&list[*n], fmt, ap) >= 0;
  va_end(ap);
  if (ok) ++*n;
  return ok;
}

/* Host values: the address and, on loopback or any address, the names of this machine for itself. */
static bool fill_names(struct rk_http *h) {
  const struct rk_http_opts *o = &h->o;
  bool tls = o->tls_cert != NULL, v6 = strchr(o->address, ':') != NULL;
  bool local = strncmp(o->address, "127.", 4) == 0 || strcmp(o->address, "::1") == 0;
  bool any = strcmp(o->address, "0.0.0.0") == 0 || strcmp(o->address, "::") == 0;
  const char *names[4];
  char own[64];
  int n = 0;
  snprintf(own, sizeof own, v6 ? "[%s]" : "%s", o->address);
  names[n++] = own;
  if (local || any) names[n++] = "localhost";
  if (any) names[n++] = "127.0.0.1", names[n++] = "[::1]";
  bool ok = true, plain = h->port == (tls ? 443 : 80);
  for (int i = 0; i < n; i++) {
    ok = ok && push_name(h->hosts, &h->n_hosts, "%s:%d", names[i], h->port);
    if (plain) ok = ok && push_name(h->hosts, &h->n_hosts, "%s", names[i]);
  }
  for (int32_t i = 0; i < o->n_hosts; i++) ok = ok && push_name(h->hosts, &h->n_hosts, "%s", o->hosts[i]);
  for (int32_t i = 0; i < h->n_hosts; i++)
    ok = ok && push_name(h->origins, &h->n_origins, "%s://%s", tls ? "https" : "http", h->hosts[i]);
  for (int32_t i = 0; i < o->n_origins; i++) ok = ok && push_name(h->origins, &h->n_origins, "%s", o->origins[i]);
  return ok;
}

static rk_err read_pem(const char *path, char **out, struct rk_error *e) {
  struct rk_buf b;
  rk_buf_init(&b, MAX_PEM_BYTES);
  rk_err err = rk_buf_read_file(&b, path, e);
  if (!err && !(*out = rk_buf_detach(&b))) err = rk_fail(e, RK_ENOMEM, "out of memory");
  rk_buf_release(&b);
  return err;
}

static rk_err start_daemon(struct rk_http *h, struct rk_error *e) {
  unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC;
  unsigned threads = h->o.n_threads > 0 ? (unsigned)h->o.n_threads : 2;
  unsigned idle = h->o.idle_timeout_s > 0 ? (unsigned)h->o.idle_timeout_s : RK_HTTP_IDLE_TIMEOUT_S;
  struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, h->tls_cert}, {MHD_OPTION_HTTPS_MEM_KEY, 0, h->tls_key},
                                 {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)(h->o.tls13_only ? "NORMAL:-VERS-ALL:+VERS-TLS1.3" : "NORMAL")},
                                 {MHD_OPTION_END, 0, NULL}};
  struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
  if (h->tls_cert) flags |= MHD_USE_TLS;
  h->daemon = MHD_start_daemon(
      flags, 0, NULL, NULL, on_request, h, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, h->listen_fd,
      MHD_OPTION_THREAD_POOL_SIZE, threads, MHD_OPTION_CONNECTION_LIMIT, (unsigned)(RK_MAX_HTTP_CONNECTIONS + SPARE_CONNECTIONS),
      MHD_OPTION_CONNECTION_TIMEOUT, idle, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
      MHD_OPTION_NOTIFY_COMPLETED, on_completed, h, MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
      MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_ARRAY, h->tls_cert ? tls : none, MHD_OPTION_END);
  if (h->daemon) return RK_OK;
  return h->tls_cert ? rk_fail(e, RK_EINVAL, "TLS could not be started: check that tls_cert and tls_key are PEM files that fit together")
                     : rk_fail(e, RK_EIO, "the HTTP server could not be started: %s", strerror(errno));
}

static void destroy(struct rk_http *h) {
  if (h->listen_fd >= 0) close(h->listen_fd);
  for (int32_t i = 0; i < h->n_hosts; i++) free(h->hosts[i]);
  for (int32_t i = 0; i < h->n_origins; i++) free(h->origins[i]);
  free(h->hosts);
  free(h->origins);
  free(h->tls_cert);
  free(h->tls_key);
  pthread_cond_destroy(&h->changed);
  pthread_mutex_destroy(&h->mu);
  pthread_mutex_destroy(&h->conn_mu);
  free(h);
}

rk_err rk_http_start(const struct rk_http_opts *o, struct rk_http **out, struct rk_error *e) {
  struct rk_http *h = calloc(1, sizeof *h);
  if (!h) return rk_fail(e, RK_ENOMEM, "out of memory");
  h->o = *o;
  h->listen_fd = -1;
  pthread_mutex_init(&h->mu, NULL);
  pthread_mutex_init(&h->conn_mu, NULL);
  pthread_cond_init(&h->changed, NULL);
  h->hosts = calloc(MAX_NAMES, sizeof *h->hosts);
  h->origins = calloc(MAX_NAMES, sizeof *h->origins);
  signal(SIGPIPE, SIG_IGN);
  rk_err err = h->hosts && h->origins ? RK_OK : rk_fail(e, RK_ENOMEM, "out of memory");
  if (!err && o->tls_cert) err = read_pem(o->tls_cert, &h->tls_cert, e);
  if (!err && o->tls_cert) err = o->tls_key ? read_pem(o->tls_key, &h->tls_key, e) : rk_fail(e, RK_EINVAL, "tls_cert needs tls_key");
  if (!err) err = listen_on(h, e);
  if (!err && !fill_names(h)) err = rk_fail(e, RK_ETOOBIG, "more than %d host names", (int)MAX_NAMES);
  if (!err) err = start_daemon(h, e);
  if (!err && pthread_create(&h->keeper, NULL, keep, h) != 0) {
    MHD_stop_daemon(h->daemon);
    err = rk_fail(e, RK_ENOMEM, "a thread could not be started");
  }
  if (err) destroy(h);
  else *out = h;
  return err;
}

int32_t rk_http_port(const struct rk_http *h) { return h->port; }

/* ---- end ---- */

/* From here on requests are refused. */
static void refuse_more(struct rk_http *h) {
  pthread_mutex_lock(&h->mu);
  atomic_store(&h->stopping, true);
  while (h->n_inside > 0) pthread_cond_wait(&h->changed, &h->mu);
  pthread_mutex_unlock(&h->mu);
}

void rk_http_drain(struct rk_http *h, int64_t timeout_ms) {
  MHD_socket fd = MHD_quiesce_daemon(h->daemon);
  if (fd != MHD_INVALID_SOCKET) shutdown(fd, SHUT_RDWR); /* refuse, do not let them wait in the backlog */
  refuse_more(h);
  int64_t end = rk_mono_ms() + timeout_ms;
  for (; atomic_load(&h->n_requests) > 0 && rk_mono_ms() < end; rk_sleep_ms(10)) end_slow_conns(h, -1); /* what is half sent is not begun */
}

void rk_http_stop(struct rk_http *h) {
  if (!h) return;
  refuse_more(h);
  pthread_mutex_lock(&h->mu);
  for (; h->n_busy > 0 || h->n_streams > 0; pthread_cond_wait(&h->changed, &h->mu)) rk_http_streams_cut(h);
  h->keeper_ends = true;
  pthread_mutex_unlock(&h->mu);
  pthread_join(h->keeper, NULL);
  MHD_stop_daemon(h->daemon); /* nothing is suspended any more */
  destroy(h);
}
