#include "http/private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"

/* ---- reading ---- */

rk_str rk_http_method(const struct rk_http_req *r) { return rk_str_c(r->method); }
rk_str rk_http_path(const struct rk_http_req *r) { return rk_str_c(r->path); }
rk_str rk_http_body(const struct rk_http_req *r) { return rk_buf_str(&r->body); }

rk_str rk_http_param(const struct rk_http_req *r, const char *name) {
  for (int32_t i = 0; i < r->params.n; i++)
    if (rk_str_eq_c(r->params.name[i], name)) return r->params.value[i];
  return RK_STR("");
}

rk_str rk_http_query(const struct rk_http_req *r, const char *name) {
  for (const struct query *q = r->query; q; q = q->next)
    if (rk_str_eq_c(q->name, name)) return q->value;
  return RK_STR("");
}

rk_str rk_http_header(const struct rk_http_req *r, const char *name) {
  return rk_str_c(MHD_lookup_connection_value(r->c, MHD_HEADER_KIND, name));
}

rk_str rk_http_cookie(const struct rk_http_req *r, const char *name) {
  return rk_cookie_find(rk_http_header(r, "Cookie"), name);
}

void rk_http_peer(const struct rk_http_req *r, char out[64]) {
  if (!inet_ntop(r->conn->v6 ? AF_INET6 : AF_INET, r->conn->ip, out, 64)) out[0] = 0;
}

static bool is_json_type(rk_str type) {
  rk_str mime, rest;
  rk_str_cut(type, ';', &mime, &rest);
  mime = rk_str_trim(mime);
  return mime.n == 16 && strncasecmp(mime.p, "application/json", 16) == 0;
}

json_t *rk_http_json(struct rk_http_req *r, struct rk_error *e) {
  if (!is_json_type(rk_http_header(r, "Content-Type"))) {
    rk_fail(e, RK_EINVAL, "the body must be JSON with Content-Type: application/json");
    return NULL;
  }
  json_t *v = rk_json_parse(rk_http_body(r), RK_MAX_JSON_BYTES, e);
  if (!v && e->code == RK_EFORMAT) e->code = RK_EINVAL; /* a request that is wrong, not a document */
  return v;
}

void rk_http_user_set(struct rk_http_req *r, void *user, void (*free_fn)(void *)) {
  r->user = user;
  r->user_free = free_fn;
}

void *rk_http_user(const struct rk_http_req *r) { return r->user; }

bool rk_http_fd_closed(int fd) {
  char c;
  ssize_t n = recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT);
  return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

bool rk_http_gone(const struct rk_http_req *r) { return r->detached && rk_http_fd_closed(r->conn->fd); }

/* ---- answering ---- */

void rk_http_detach(struct rk_http_req *r) {
  RK_ASSERT(!r->detached && !r->answered);
  r->detached = true;
  MHD_suspend_connection(r->c);
}

void rk_http_set_header(struct rk_http_req *r, const char *name, const char *value) {
  struct header *h = rk_arena_alloc(r->arena, sizeof *h);
  const char *n = rk_arena_dup(r->arena, rk_str_c(name)), *v = rk_arena_dup(r->arena, rk_str_c(value));
  if (!h || !n || !v) return;
  *h = (struct header){r->headers, n, v};
  r->headers = h;
}

static bool has_header(const struct rk_http_req *r, const char *name) {
  for (const struct header *h = r->headers; h; h = h->next)
    if (strcasecmp(h->name, name) == 0) return true;
  return false;
}

static void add_headers(const struct rk_http_req *r, const char *content_type, struct MHD_Response *response) {
  static const struct { const char *name, *value; } always[] = {
      {"X-Content-Type-Options", "nosniff"}, {"Referrer-Policy", "no-referrer"}, {"X-Frame-Options", "DENY"},
      {"Cross-Origin-Resource-Policy", "same-origin"}, {"Cache-Control", "no-store"},
      {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"}};
  if (content_type) MHD_add_response_header(response, "Content-Type", content_type);
  for (const struct header *h = r->headers; h; h = h->next) MHD_add_response_header(response, h->name, h->value);
  for (size_t i = 0; i < sizeof always / sizeof *always; i++)
    if (!has_header(r, always[i].name)) MHD_add_response_header(response, always[i].name, always[i].value);
  if (r->conn && r->conn->refuse) MHD_add_response_header(response, "Connection", "close");
}

/* The one way out. After the resume the request may be freed at any moment. */
void rk_http_answer(struct rk_http_req *r, int32_t status, const char *content_type, struct MHD_Response *response) {
  RK_ASSERT(response != NULL && !r->answered);
  add_headers(r, content_type, response);
  r->answered = true;
  r->status = status;
  r->response = response;
  struct rk_http *h = r->h;
  bool busy = r->called;
  if (r->detached) MHD_resume_connection(r->c);
  if (!busy) return;
  pthread_mutex_lock(&h->mu);
  h->n_busy--;
  pthread_cond_broadcast(&h->changed);
  pthread_mutex_unlock(&h->mu);
}

static struct MHD_Response *from_bytes(rk_str body, enum MHD_ResponseMemoryMode mode) {
  void *p = NULL;
  memcpy(&p, &body.p, sizeof p); /* the library does not write to it */
  struct MHD_Response *response = MHD_create_response_from_buffer(body.n, p, mode);
  RK_ASSERT(response != NULL);
  return response;
}

void rk_http_reply(struct rk_http_req *r, int32_t status, const char *content_type, rk_str body) {
  rk_http_answer(r, status, content_type, from_bytes(body, MHD_RESPMEM_MUST_COPY));
}

void rk_http_reply_static(struct rk_http_req *r, int32_t status, const char *content_type, rk_str body) {
  rk_http_answer(r, status, content_type, from_bytes(body, MHD_RESPMEM_PERSISTENT));
}

void rk_http_reply_json(struct rk_http_req *r, int32_t status, json_t *v) {
  char *text = rk_json_dump(v);
  rk_http_answer(r, status, "application/json", from_bytes(rk_str_c(text), MHD_RESPMEM_MUST_FREE));
  json_decref(v);
}

void rk_http_reply_error(struct rk_http_req *r, const struct rk_error *e) {
  const char *api = rk_err_api(e->code);
  if (e->code == RK_EBUSY || e->code == RK_EUNAVAIL) rk_http_set_header(r, "Retry-After", "1");
  if (e->code == RK_EAUTH) rk_http_set_header(r, "WWW-Authenticate", "Bearer");
  const char *text = e->msg[0] ? e->msg : rk_err_text(e->code);
  rk_http_reply_json(r, rk_err_http(e->code), json_pack("{s:{s:s,s:s,s:s}}", "error", "code", api, "type", api, "message", text));
}
