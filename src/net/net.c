/* One thread owns the curl_multi handle. A caller puts its operations on the
 * pending list, wakes that thread and sleeps until all of them are done; the
 * operations live on the caller's stack or heap until then. */
#include "net/net.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "net/address.h"

enum {
  MAX_REDIRECTS = 3, MAX_ALLOWED = 256, ORIGIN_BYTES = 300, POLL_CANCEL_MS = 20, POLL_IDLE_MS = 1000, STALL_S = 60
};

struct batch { int32_t left; pthread_cond_t done; };

struct op {
  struct op *next;
  struct rk_net *net;
  const struct rk_net_request *req;
  struct rk_net_response *out;
  struct batch *batch;
  CURL *easy;
  struct curl_slist *headers;
  char *url;                   /* the present one, changes with redirects */
  const char *method;
  rk_str body;
  char first_origin[ORIGIN_BYTES], origin[ORIGIN_BYTES];
  int32_t n_redirects;
  int64_t start_ms, deadline_ms; /* deadline 0: none */
  size_t n_received;
  bool allowed, refused, too_big, stopped;
  char errbuf[CURL_ERROR_SIZE];
};

struct rk_net {
  CURLM *multi;
  pthread_t thread;
  pthread_mutex_t mu;
  struct op *pending;          /* oldest first */
  bool closing;
  char *ca_file;               /* PEM, NULL: only the system's authorities */
  char *allowed[MAX_ALLOWED];
  int32_t n_allowed;
  struct op *active[RK_MAX_FETCH_AT_ONCE]; /* of the net thread */
  int32_t n_active;
};

/* ---- origins ---- */

static bool take_part(CURLU *u, CURLUPart part, unsigned flags, char **out) {
  return curl_url_get(u, part, out, flags) == CURLUE_OK && *out;
}

static rk_err origin_of(CURLU *u, char *out, size_t size) {
  char *scheme = NULL, *host = NULL, *port = NULL, *user = NULL;
  rk_err err = RK_EINVAL;
  if (take_part(u, CURLUPART_USER, 0, &user)) goto out;
  if (!take_part(u, CURLUPART_SCHEME, 0, &scheme) || !take_part(u, CURLUPART_HOST, 0, &host)) goto out;
  if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0) goto out;
  for (char *c = host; *c; c++)
    if (*c >= 'A' && *c <= 'Z') *c = (char)(*c + 32);
  bool has_port = take_part(u, CURLUPART_PORT, CURLU_NO_DEFAULT_PORT, &port);
  int n = snprintf(out, size, "%s://%s%s%s", scheme, host, has_port ? ":" : "", has_port ? port : "");
  if (n > 0 && (size_t)n < size) err = RK_OK;
out:
  curl_free(scheme);
  curl_free(host);
  curl_free(port);
  curl_free(user);
  return err;
}

rk_err rk_net_origin(const char *url, char *out, size_t size) {
  CURLU *u = curl_url();
  if (!u) return RK_ENOMEM;
  rk_err err = curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK ? origin_of(u, out, size) : RK_EINVAL;
  curl_url_cleanup(u);
  return err;
}

bool rk_net_origin_matches(const char *allowed, const char *origin) {
  size_t n = strlen(allowed);
  if (n > 2 && strcmp(allowed + n - 2, ":*") == 0) return strncmp(allowed, origin, n - 1) == 0; /* with the colon */
  return strcmp(allowed, origin) == 0;
}

static bool is_allowed(struct rk_net *n, const char *origin) {
  bool found = false;
  pthread_mutex_lock(&n->mu);
  for (int32_t i = 0; i < n->n_allowed && !found; i++) found = rk_net_origin_matches(n->allowed[i], origin);
  pthread_mutex_unlock(&n->mu);
  return found;
}

rk_err rk_net_allow(struct rk_net *n, const char *origin) {
  char exact[ORIGIN_BYTES];
  size_t length = strlen(origin);
  bool any_port = length > 2 && length < sizeof exact && strcmp(origin + length - 2, ":*") == 0;
  rk_err err = any_port ? RK_OK : rk_net_origin(origin, exact, sizeof exact);
  if (any_port) memcpy(exact, origin, length + 1);
  if (err || is_allowed(n, exact)) return err;
  pthread_mutex_lock(&n->mu);
  if (n->n_allowed == MAX_ALLOWED) err = RK_EBUSY;
  else if (!(n->allowed[n->n_allowed] = strdup(exact))) err = RK_ENOMEM;
  else n->n_allowed++;
  pthread_mutex_unlock(&n->mu);
  return err;
}

/* ---- callbacks of curl, all on the net thread ---- */

static curl_socket_t open_socket(void *ud, curlsocktype purpose, struct curl_sockaddr *a) {
  struct op *op = ud;
  (void)purpose;
  if (!op->allowed && rk_address_is_special(&a->addr)) {
    op->refused = true;
    return CURL_SOCKET_BAD;
  }
  return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static size_t on_header(char *p, size_t size, size_t n, void *ud) {
  struct op *op = ud;
  rk_str line = {p, size * n};
  if (rk_str_starts(line, RK_STR("HTTP/"))) rk_buf_clear(&op->out->headers);
  if (rk_buf_addstr(&op->out->headers, line)) {
    op->too_big = true;
    return 0;
  }
  return line.n;
}

static bool is_redirect(int32_t status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static int32_t status_of(const struct op *op) {
  long status = 0;
  curl_easy_getinfo(op->easy, CURLINFO_RESPONSE_CODE, &status);
  return (int32_t)status;
}

static size_t on_body(char *p, size_t size, size_t n, void *ud) {
  struct op *op = ud;
  rk_str piece = {p, size * n};
  size_t cap = op->req->max_bytes ? op->req->max_bytes : RK_MAX_FETCH_BYTES;
  if (piece.n > cap || op->n_received > cap - piece.n) {
    op->too_big = true;
    return 0;
  }
  op->n_received += piece.n;
  op->out->status = status_of(op);
  if (op->req->follow_redirects && is_redirect(op->out->status)) return piece.n;
  if (op->req->on_data && op->out->status / 100 == 2) {
    op->stopped = !op->req->on_data(op->req->ud, piece);
    return op->stopped ? 0 : piece.n;
  }
  return rk_buf_addstr(&op->out->body, piece) ? 0 : piece.n;
}

/* ---- one operation ---- */

static bool plain_text(const char *s) { return strpbrk(s, "\r\n") == NULL; }

/* A secret for one origin does not travel to another one by a redirect. */
static bool is_secret(const char *name) {
  return strcasecmp(name, "Authorization") == 0 || strcasecmp(name, "Cookie") == 0 || strcasecmp(name, "X-API-Key") == 0;
}

static rk_err add_header(struct op *op, const char *name, const char *value) {
  struct rk_buf line;
  rk_buf_init(&line, RK_MAX_FETCH_HEADER_BYTES);
  rk_buf_addf(&line, value[0] ? "%s: %s" : "%s;", name, value);
  struct curl_slist *grown = line.err ? NULL : curl_slist_append(op->headers, line.p);
  rk_err err = line.err ? line.err : grown ? RK_OK : RK_ENOMEM;
  if (grown) op->headers = grown;
  rk_buf_release(&line);
  return err;
}

static rk_err add_headers(struct op *op, struct rk_error *e) {
  bool moved = strcmp(op->origin, op->first_origin) != 0;
  for (int32_t i = 0; i < op->req->n_headers; i++) {
    const struct rk_header *h = &op->req->headers[i];
    if (!plain_text(h->name) || !plain_text(h->value) || strchr(h->name, ':'))
      return rk_fail(e, RK_EINVAL, "header %d has a line break or a colon in its name", i);
    if (moved && is_secret(h->name)) continue;
    rk_err err = add_header(op, h->name, h->value);
    if (err) return rk_fail(e, err, "header %s is too large", h->name);
  }
  struct curl_slist *grown = curl_slist_append(op->headers, "Expect:");
  if (!grown) return rk_fail(e, RK_ENOMEM, "out of memory");
  op->headers = grown;
  return RK_OK;
}

static void set_method(struct op *op) {
  if (strcmp(op->method, "HEAD") == 0) {
    curl_easy_setopt(op->easy, CURLOPT_NOBODY, 1L);
  } else if (op->body.n || strcmp(op->method, "POST") == 0 || strcmp(op->method, "PUT") == 0) {
    curl_easy_setopt(op->easy, CURLOPT_POST, 1L);
    curl_easy_setopt(op->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)op->body.n);
    curl_easy_setopt(op->easy, CURLOPT_POSTFIELDS, op->body.n ? op->body.p : "");
  } else {
    curl_easy_setopt(op->easy, CURLOPT_HTTPGET, 1L);
  }
  curl_easy_setopt(op->easy, CURLOPT_CUSTOMREQUEST, op->method);
}

static void set_times(struct op *op) {
  const struct rk_net_request *q = op->req;
  int64_t connect = q->connect_timeout_ms > 0 ? q->connect_timeout_ms : RK_FETCH_CONNECT_TIMEOUT_MS;
  curl_easy_setopt(op->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect);
  if (op->deadline_ms) {
    int64_t left = op->deadline_ms - rk_mono_ms();
    curl_easy_setopt(op->easy, CURLOPT_TIMEOUT_MS, (long)(left > 1 ? left : 1));
  } else {
    curl_easy_setopt(op->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(op->easy, CURLOPT_LOW_SPEED_TIME, (long)STALL_S);
  }
}

static rk_err set_up(struct op *op, struct rk_error *e) {
  if (rk_net_origin(op->url, op->origin, sizeof op->origin))
    return rk_fail(e, RK_EINVAL, "%.200s is no usable http(s) address (scheme, host, no user name)", op->url);
  if (!op->first_origin[0]) memcpy(op->first_origin, op->origin, sizeof op->origin);
  op->allowed = is_allowed(op->net, op->origin) && (!op->req->only_private || strcmp(op->req->only_private, op->origin) == 0);
  op->easy = curl_easy_init();
  if (!op->easy) return rk_fail(e, RK_ENOMEM, "out of memory");
  CURL *c = op->easy;
  rk_err err = add_headers(op, e);
  if (err) return err;
  curl_easy_setopt(c, CURLOPT_URL, op->url);
  curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(c, CURLOPT_PROXY, ""); /* through a proxy the guard would not see where it goes */
  if (op->req->only_private) curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L); /* a kept connection, open to others, would pass the guard by */
  curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L); /* a name lookup that hangs must not hold the thread */
  curl_easy_setopt(c, CURLOPT_USERAGENT, "rukou/" RK_VERSION);
  curl_easy_setopt(c, CURLOPT_HTTPHEADER, op->headers);
  curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket);
  curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, op);
  curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(c, CURLOPT_HEADERDATA, op);
  curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(c, CURLOPT_WRITEDATA, op);
  curl_easy_setopt(c, CURLOPT_ERRORBUFFER, op->errbuf);
  curl_easy_setopt(c, CURLOPT_PRIVATE, op);
  if (op->net->ca_file) curl_easy_setopt(c, CURLOPT_CAINFO, op->net->ca_file); /* the system's stay: they are its CAPATH */
  set_method(op);
  set_times(op);
  return RK_OK;
}

static void tear_down(struct op *op) {
  if (op->easy) curl_easy_cleanup(op->easy);
  curl_slist_free_all(op->headers);
  op->easy = NULL;
  op->headers = NULL;
}

static void end_op(struct op *op, rk_err err, const char *why) {
  struct rk_net_response *out = op->out;
  if (op->easy) {
    long sent = 0;
    curl_easy_getinfo(op->easy, CURLINFO_REQUEST_SIZE, &sent);
    out->sent = out->sent || sent > 0;
    out->status = status_of(op);
  }
  out->total_ms = (double)(rk_mono_ms() - op->start_ms);
  out->err = err;
  if (err && why) rk_fail(&out->error, err, "%s: %s", op->origin[0] ? op->origin : "request", why);
  tear_down(op);
  free(op->url);
  op->url = NULL;
  pthread_mutex_lock(&op->net->mu);
  if (--op->batch->left == 0) pthread_cond_signal(&op->batch->done);
  pthread_mutex_unlock(&op->net->mu);
}

static void start_op(struct rk_net *n, struct op *op) {
  rk_err err = set_up(op, &op->out->error);
  if (err) {
    end_op(op, err, NULL);
    return;
  }
  if (curl_multi_add_handle(n->multi, op->easy) != CURLM_OK) {
    end_op(op, RK_EINTERNAL, "the transfer could not be started");
    return;
  }
  n->active[n->n_active++] = op;
}

/* ---- redirects ---- */

static rk_err next_url(const struct op *op, char **out) {
  rk_str where = rk_net_header(op->out, "Location");
  char *rel = strndup(where.n ? where.p : "", where.n), *full = NULL;
  CURLU *u = curl_url();
  rk_err err = RK_EUPSTREAM;
  if (rel && u && where.n && curl_url_set(u, CURLUPART_URL, op->url, 0) == CURLUE_OK &&
      curl_url_set(u, CURLUPART_URL, rel, 0) == CURLUE_OK && curl_url_get(u, CURLUPART_URL, &full, 0) == CURLUE_OK) {
    *out = strdup(full);
    err = *out ? RK_OK : RK_ENOMEM;
  }
  curl_free(full);
  curl_url_cleanup(u);
  free(rel);
  return err;
}

/* The answer asks to go elsewhere: starts again there. The guard and the origin's rights are checked anew. */
static void follow(struct rk_net *n, struct op *op, int32_t status) {
  char *url = NULL;
  if (++op->n_redirects > MAX_REDIRECTS) {
    end_op(op, RK_EUPSTREAM, "more than 3 redirects");
    return;
  }
  if (next_url(op, &url)) {
    end_op(op, RK_EUPSTREAM, "a redirect without a usable Location");
    return;
  }
  if (strncmp(op->url, "https:", 6) == 0 && strncmp(url, "https:", 6) != 0) {
    free(url);
    end_op(op, RK_EFORBIDDEN, "a redirect from https to http");
    return;
  }
  if (status == 303 || (status <= 302 && strcmp(op->method, "POST") == 0)) {
    op->method = strcmp(op->method, "HEAD") == 0 ? "HEAD" : "GET";
    op->body = RK_STR("");
  }
  op->out->sent = true;
  tear_down(op);
  free(op->url);
  op->url = url;
  op->n_received = 0;
  rk_buf_clear(&op->out->body);
  start_op(n, op);
}

/* ---- ends ---- */

static rk_err code_of(const struct op *op, CURLcode rc) {
  if (op->refused) return RK_EFORBIDDEN;
  if (op->too_big) return RK_ETOOBIG;
  switch (rc) {
  case CURLE_OPERATION_TIMEDOUT: return RK_ETIMEOUT;
  case CURLE_COULDNT_RESOLVE_HOST:
  case CURLE_COULDNT_CONNECT: return RK_EUNAVAIL;
  case CURLE_OUT_OF_MEMORY: return RK_ENOMEM;
  case CURLE_URL_MALFORMAT: return RK_EINVAL;
  default: return RK_EUPSTREAM;
  }
}

static const char *why(const struct op *op, CURLcode rc) {
  if (op->refused) return "the address is private or special; only configured origins may be reached there";
  if (op->too_big) return "the answer is larger than the limit";
  return op->errbuf[0] ? op->errbuf : curl_easy_strerror(rc);
}

static void forget(struct rk_net *n, const struct op *op) {
  for (int32_t i = 0; i < n->n_active; i++)
    if (n->active[i] == op) {
      n->active[i] = n->active[--n->n_active];
      break;
    }
  curl_multi_remove_handle(n->multi, op->easy);
}

static void finish(struct rk_net *n, struct op *op, CURLcode rc) {
  forget(n, op);
  int32_t status = status_of(op);
  if (rc == CURLE_OK && op->req->follow_redirects && is_redirect(status)) follow(n, op, status);
  else if (rc == CURLE_OK || op->stopped) end_op(op, RK_OK, NULL);
  else end_op(op, code_of(op, rc), why(op, rc));
}

static void read_ends(struct rk_net *n) {
  CURLMsg *m;
  int left;
  while ((m = curl_multi_info_read(n->multi, &left))) {
    if (m->msg != CURLMSG_DONE) continue;
    CURLcode rc = m->data.result;
    char *op = NULL;
    curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &op);
    finish(n, (struct op *)(void *)op, rc);
  }
}

static bool end_cancelled(struct rk_net *n, bool closing) {
  bool watching = false;
  for (int32_t i = n->n_active - 1; i >= 0; i--) {
    struct op *op = n->active[i];
    bool cancelled = op->req->cancel && atomic_load(op->req->cancel);
    watching = watching || op->req->cancel;
    if (!cancelled && !closing) continue;
    forget(n, op);
    end_op(op, RK_ECANCELLED, "cancelled");
  }
  return watching;
}

/* ---- the thread ---- */

static struct op *take_pending(struct rk_net *n, bool *closing) {
  pthread_mutex_lock(&n->mu);
  *closing = n->closing;
  struct op *op = n->n_active < RK_MAX_FETCH_AT_ONCE ? n->pending : NULL;
  if (op) n->pending = op->next;
  pthread_mutex_unlock(&n->mu);
  return op;
}

static void *run(void *arg) {
  struct rk_net *n = arg;
  for (;;) {
    bool closing;
    struct op *op;
    while ((op = take_pending(n, &closing))) start_op(n, op);
    int running;
    curl_multi_perform(n->multi, &running);
    read_ends(n);
    bool watching = end_cancelled(n, closing);
    if (closing && n->n_active == 0) return NULL;
    curl_multi_poll(n->multi, NULL, 0, watching ? POLL_CANCEL_MS : POLL_IDLE_MS, NULL);
  }
}

static void init_curl(void) { curl_global_init(CURL_GLOBAL_DEFAULT); }

rk_err rk_net_new(struct rk_net **out, struct rk_error *e) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, init_curl);
  struct rk_net *n = calloc(1, sizeof *n);
  if (!n) return rk_fail(e, RK_ENOMEM, "out of memory");
  pthread_mutex_init(&n->mu, NULL);
  n->multi = curl_multi_init();
  if (n->multi) curl_multi_setopt(n->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)RK_MAX_FETCH_AT_ONCE);
  if (!n->multi || pthread_create(&n->thread, NULL, run, n) != 0) {
    if (n->multi) curl_multi_cleanup(n->multi);
    pthread_mutex_destroy(&n->mu);
    free(n);
    return rk_fail(e, RK_ENOMEM, "the network thread could not be started");
  }
  *out = n;
  return RK_OK;
}

rk_err rk_net_trust(struct rk_net *n, const char *pem_path, struct rk_error *e) {
  if (access(pem_path, R_OK) != 0) return rk_fail(e, RK_EINVAL, "%s: %s", pem_path, strerror(errno));
  n->ca_file = strdup(pem_path);
  return n->ca_file ? RK_OK : rk_fail(e, RK_ENOMEM, "out of memory");
}

void rk_net_free(struct rk_net *n) {
  if (!n) return;
  pthread_mutex_lock(&n->mu);
  n->closing = true;
  pthread_mutex_unlock(&n->mu);
  curl_multi_wakeup(n->multi);
  pthread_join(n->thread, NULL);
  curl_multi_cleanup(n->multi);
  for (int32_t i = 0; i < n->n_allowed; i++) free(n->allowed[i]);
  free(n->ca_file);
  pthread_mutex_destroy(&n->mu);
  free(n);
}

/* ---- callers ---- */

static void init_op(struct op *op, struct rk_net *n, const struct rk_net_request *q, struct rk_net_response *out,
                    struct batch *b) {
  *out = (struct rk_net_response){0};
  rk_buf_init(&out->body, q->max_bytes ? q->max_bytes : RK_MAX_FETCH_BYTES);
  rk_buf_init(&out->headers, RK_MAX_FETCH_HEADER_BYTES);
  int64_t now = rk_mono_ms(), limit = q->timeout_ms ? q->timeout_ms : RK_FETCH_TIMEOUT_MS;
  *op = (struct op){.net = n, .req = q, .out = out, .batch = b, .method = q->method ? q->method : "GET",
                    .body = q->body, .start_ms = now, .deadline_ms = limit > 0 ? now + limit : 0,
                    .url = strdup(q->url)};
  RK_ASSERT(op->url != NULL);
}

static void enqueue(struct rk_net *n, struct op *ops, int32_t count) {
  pthread_mutex_lock(&n->mu);
  RK_ASSERT(!n->closing);
  struct op **tail = &n->pending;
  while (*tail) tail = &(*tail)->next;
  for (int32_t i = 0; i < count; i++) {
    *tail = &ops[i];
    tail = &ops[i].next;
  }
  pthread_mutex_unlock(&n->mu);
  curl_multi_wakeup(n->multi);
}

void rk_net_fetch_all(struct rk_net *n, const struct rk_net_request *reqs, struct rk_net_response *outs, int32_t count) {
  if (count <= 0) return;
  struct op *ops = calloc((size_t)count, sizeof *ops);
  RK_ASSERT(ops != NULL);
  struct batch b = {.left = count};
  pthread_cond_init(&b.done, NULL);
  for (int32_t i = 0; i < count; i++) init_op(&ops[i], n, &reqs[i], &outs[i], &b);
  enqueue(n, ops, count);
  pthread_mutex_lock(&n->mu);
  while (b.left > 0) pthread_cond_wait(&b.done, &n->mu);
  pthread_mutex_unlock(&n->mu);
  pthread_cond_destroy(&b.done);
  free(ops);
}

void rk_net_fetch(struct rk_net *n, const struct rk_net_request *req, struct rk_net_response *out) {
  rk_net_fetch_all(n, req, out, 1);
}

void rk_net_response_release(struct rk_net_response *r) {
  rk_buf_release(&r->body);
  rk_buf_release(&r->headers);
}

rk_str rk_net_header(const struct rk_net_response *r, const char *name) {
  rk_str rest = rk_buf_str(&r->headers), line, key, value;
  size_t n = strlen(name);
  while (rest.n) {
    rk_str_cut(rest, '\n', &line, &rest);
    if (rk_str_cut(line, ':', &key, &value) && key.n == n && strncasecmp(key.p, name, n) == 0) return rk_str_trim(value);
  }
  return RK_STR("");
}
