#include "trade/link.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "trade/ucp.h"

enum { MAX_LINKS_BYTES = 1 << 20, MAX_METADATA_BYTES = 131072, PATH_BYTES = 4096, EARLY_MS = 10000 /* a token that runs out while it travels is no use */ };

static bool copy(char *out, size_t size, rk_str s) {
  if (s.n >= size || (s.n && memchr(s.p, 0, s.n))) return false;
  if (s.n) memcpy(out, s.p, s.n);
  out[s.n] = 0;
  return true;
}

/* ---- kept tokens ---- */

struct rk_links {
  char path[PATH_BYTES];
  json_t *all;                    /* {origin: {access_token, ...} or, ended, {}} */
  struct timespec written;        /* of the file when it was read */
  pthread_mutex_t lock;           /* of the above */
  pthread_mutex_t renewal;        /* held while one thread renews a token, over the network */
};

/* What another process has linked meanwhile is read as well. */
static rk_err refresh(struct rk_links *l, struct rk_error *e) {
  struct stat st;
  if (!l->path[0] || stat(l->path, &st) != 0) return RK_OK;
  if (st.st_mtim.tv_sec == l->written.tv_sec && st.st_mtim.tv_nsec == l->written.tv_nsec) return RK_OK;
  struct rk_buf text;
  rk_buf_init(&text, MAX_LINKS_BYTES);
  rk_err err = rk_buf_read_file(&text, l->path, e);
  json_t *all = err ? NULL : rk_json_parse(rk_buf_str(&text), MAX_LINKS_BYTES, NULL);
  if (!err && !json_is_object(all)) err = rk_fail(e, RK_EFORMAT, "%s is broken; move it away and link the accounts again", l->path);
  rk_buf_release(&text);
  if (err) {
    json_decref(all);
    return err;
  }
  json_decref(l->all);
  l->all = all;
  l->written = st.st_mtim;
  return RK_OK;
}

rk_err rk_links_open(const char *path, struct rk_links **out, struct rk_error *e) {
  struct rk_links *l = calloc(1, sizeof *l);
  if (!l) return rk_fail(e, RK_ENOMEM, "out of memory");
  pthread_mutex_init(&l->lock, NULL);
  pthread_mutex_init(&l->renewal, NULL);
  snprintf(l->path, sizeof l->path, "%s", path ? path : "");
  l->all = json_object();
  rk_err err = refresh(l, e);
  if (err) rk_links_free(l);
  else *out = l;
  return err;
}

void rk_links_free(struct rk_links *l) {
  if (!l) return;
  json_decref(l->all);
  pthread_mutex_destroy(&l->renewal);
  pthread_mutex_destroy(&l->lock);
  free(l);
}

/* Beside its place and renamed into it: never half a file. */
static rk_err save(const struct rk_links *l, struct rk_error *e) {
  char tmp[PATH_BYTES + 8];
  if (!l->path[0]) return RK_OK;
  snprintf(tmp, sizeof tmp, "%s.new", l->path);
  char *text = rk_json_dump(l->all);
  size_t n = strlen(text);
  (void)unlink(tmp);
  int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  bool ok = fd >= 0 && write(fd, text, n) == (ssize_t)n && fsync(fd) == 0;
  if (fd >= 0) ok = close(fd) == 0 && ok;
  ok = ok && rename(tmp, l->path) == 0;
  free(text);
  return ok ? RK_OK : rk_fail(e, RK_EIO, "%s cannot be written: %s", l->path, strerror(errno));
}

/* Takes v; NULL: forgets the origin. */
static rk_err put(struct rk_links *l, const char *origin, json_t *v, struct rk_error *e) {
  pthread_mutex_lock(&l->lock);
  rk_err err = refresh(l, e);
  if (!err && v) json_object_set(l->all, origin, v);
  else if (!err) json_object_del(l->all, origin);
  if (!err) err = save(l, e);
  pthread_mutex_unlock(&l->lock);
  json_decref(v);
  return err;
}

rk_err rk_links_set(struct rk_links *l, const char *origin, const struct rk_linked *t, struct rk_error *e) {
  return put(l, origin, t ? json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "access_token", t->access_token, "refresh_token", t->refresh_token,
                                      "scope", t->scope, "token_endpoint", t->token_endpoint, "revocation_endpoint", t->revocation_endpoint,
                                      "client_id", t->client_id, "expires_ms", (json_int_t)t->expires_ms) : NULL, e);
}

bool rk_links_get(struct rk_links *l, const char *origin, struct rk_linked *out) {
  struct rk_error e;
  pthread_mutex_lock(&l->lock);
  if (refresh(l, &e)) rk_log(RK_LOG_WARN, "trade", "%s", e.msg);
  const json_t *v = rk_json_obj(l->all, origin);
  *out = (struct rk_linked){.expires_ms = rk_json_i64(v, "expires_ms", 0)};
  bool ok = v && copy(out->access_token, sizeof out->access_token, rk_json_str(v, "access_token")) &&
            copy(out->refresh_token, sizeof out->refresh_token, rk_json_str(v, "refresh_token")) &&
            copy(out->scope, sizeof out->scope, rk_json_str(v, "scope")) && copy(out->client_id, sizeof out->client_id, rk_json_str(v, "client_id")) &&
            copy(out->token_endpoint, sizeof out->token_endpoint, rk_json_str(v, "token_endpoint")) &&
            copy(out->revocation_endpoint, sizeof out->revocation_endpoint, rk_json_str(v, "revocation_endpoint")) && out->access_token[0];
  pthread_mutex_unlock(&l->lock);
  return ok;
}

bool rk_links_ended(struct rk_links *l, const char *origin) {
  struct rk_linked t;
  bool linked = rk_links_get(l, origin, &t);
  pthread_mutex_lock(&l->lock);
  bool known = rk_json_obj(l->all, origin) != NULL;
  pthread_mutex_unlock(&l->lock);
  return known && !linked;
}

/* ---- renewal ---- */

static bool is_current(const struct rk_linked *t, const char *refused) {
  return (t->expires_ms == 0 || t->expires_ms > rk_now_ms() + EARLY_MS) && !(refused && strcmp(refused, t->access_token) == 0);
}

/* Other processes wait at the file; -1: there is none, or no lock is to be had. */
static int lock_file(const struct rk_links *l) {
  char path[PATH_BYTES + 8];
  if (!l->path[0]) return -1;
  snprintf(path, sizeof path, "%s.lock", l->path);
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0 && flock(fd, LOCK_EX) != 0) rk_log(RK_LOG_WARN, "trade", "%s: %s", path, strerror(errno));
  return fd;
}

/* *t: what is linked now, renewed if it still needs to be. False: no usable token. */
static bool renew(struct rk_links *l, const struct rk_platform *p, const char *origin, const char *refused, struct rk_linked *t) {
  struct rk_error e = {RK_OK, ""}, not_kept = {RK_OK, ""};
  if (!rk_links_get(l, origin, t)) return false;
  if (is_current(t, refused)) return true;
  rk_err err = rk_link_renew(p, t, &e), kept = RK_OK;
  if (!err) kept = rk_links_set(l, origin, t, &not_kept);
  else if (err == RK_EAUTH) kept = put(l, origin, json_object(), &not_kept);
  if (err == RK_EAUTH) rk_log(RK_LOG_WARN, "trade", "the account at %s is no longer linked (%s); `rukou shop link %s` links it again", origin, e.msg, origin);
  else if (err) rk_log(RK_LOG_WARN, "trade", "the account at %s is not used now: %s", origin, e.msg);
  if (kept) rk_log(RK_LOG_WARN, "trade", "%s", not_kept.msg);
  return !err;
}

bool rk_links_access(struct rk_links *l, const struct rk_platform *p, const char *origin, const char *refused, char *out, size_t size) {
  struct rk_linked t;
  if (!rk_links_get(l, origin, &t)) return false;
  if (is_current(&t, refused)) return copy(out, size, rk_str_c(t.access_token));
  pthread_mutex_lock(&l->renewal);
  int fd = lock_file(l);
  bool ok = renew(l, p, origin, refused, &t) && copy(out, size, rk_str_c(t.access_token));
  if (fd >= 0) close(fd);
  pthread_mutex_unlock(&l->renewal);
  return ok;
}

/* ---- one exchange with an authorization server ---- */

/* GET url; *body: the object of a 2xx answer. The status is 0 when none came. */
static int32_t get(const struct rk_platform *p, const char *op, const char *url, json_t **body) {
  struct rk_exchange x, *one = &x;
  struct rk_error e;
  rk_exchange_init(&x, op, "GET", rk_ucp_version(0));
  snprintf(x.url, sizeof x.url, "%s", url);
  x.max_bytes = MAX_METADATA_BYTES;
  rk_exchange_send(p, &one, 1);
  bool ok = !rk_exchange_check(p, &x, NULL, false, &e) && !x.answer.err;
  int32_t status = ok ? x.answer.status : 0;
  *body = status >= 200 && status < 300 ? rk_json_parse(rk_buf_str(&x.answer.body), MAX_METADATA_BYTES, NULL) : NULL;
  rk_exchange_release(&x);
  return status;
}

/* ---- discovery ---- */

static rk_err fails(enum rk_link_fault *fault, enum rk_link_fault f, struct rk_error *e, const char *what, const char *where) {
  *fault = f;
  return rk_fail(e, RK_EUPSTREAM, "%s: %s", where, what);
}

/* Step 1, RFC 9728: who protects the merchant's resources. */
static rk_err find_issuer(const struct rk_platform *p, const char *origin, char issuer[300], enum rk_link_fault *fault, struct rk_error *e) {
  char url[400];
  json_t *meta;
  snprintf(url, sizeof url, "%s/.well-known/oauth-protected-resource", origin);
  int32_t status = get(p, "prm_discovery", url, &meta);
  rk_str resource = rk_json_str(meta, "resource"), first = {NULL, 0};
  json_t *server = json_array_get(rk_json_arr(meta, "authorization_servers"), 0);
  if (json_is_string(server)) first = (rk_str){json_string_value(server), json_string_length(server)};
  rk_err err = RK_OK;
  if (status == 404) snprintf(issuer, 300, "%s", origin);
  else if (!meta) err = fails(fault, RK_LINK_ABORTED, e, "no protected-resource metadata and no 404", url);
  else if (resource.n && !rk_str_eq_c(resource, origin)) err = fails(fault, RK_LINK_ABORTED, e, "`resource` is not this merchant", url);
  else if (first.n == 0) snprintf(issuer, 300, "%s", origin);
  else if (!copy(issuer, 300, first)) err = fails(fault, RK_LINK_ABORTED, e, "`authorization_servers`: the issuer is too long", url);
  json_decref(meta);
  return err;
}

/* RFC 8414 section 3.1: the well-known part stands between host and path. */
static void well_known(const char *issuer, const char *name, bool between, char *out, size_t size) {
  const char *host = strstr(issuer, "://"), *path = host ? strchr(host + 3, '/') : NULL;
  size_t n = path ? (size_t)(path - issuer) : strlen(issuer);
  if (between) snprintf(out, size, "%.*s/.well-known/%s%s", (int)n, issuer, name, path && path[1] ? path : "");
  else snprintf(out, size, "%s%s.well-known/%s", issuer, issuer[0] && issuer[strlen(issuer) - 1] == '/' ? "" : "/", name);
}

static bool lists(const json_t *meta, const char *key, const char *value, bool when_absent) {
  json_t *list = rk_json_arr(meta, key), *v;
  size_t i;
  if (!list) return when_absent;
  json_array_foreach(list, i, v)
    if (json_is_string(v) && strcmp(json_string_value(v), value) == 0) return true;
  return false;
}

/* Codes and tokens go over TLS only, except to a merchant on this machine. */
static bool is_safe(const char *endpoint, const char *origin) {
  size_t n = strlen(origin);
  return strncmp(endpoint, "https://", 8) == 0 || (strncmp(endpoint, origin, n) == 0 && endpoint[n] == '/');
}

static rk_err read_server(const json_t *meta, const char *origin, const char *issuer, const char *url, struct rk_link_server *out,
                          enum rk_link_fault *fault, struct rk_error *e) {
  if (!rk_str_eq_c(rk_json_str(meta, "issuer"), issuer)) return fails(fault, RK_LINK_ISSUER, e, "`issuer` is not the server that was asked", url);
  if (!copy(out->authorization_endpoint, sizeof out->authorization_endpoint, rk_json_str(meta, "authorization_endpoint")) || !out->authorization_endpoint[0] ||
      !copy(out->token_endpoint, sizeof out->token_endpoint, rk_json_str(meta, "token_endpoint")) || !out->token_endpoint[0])
    return fails(fault, RK_LINK_ABORTED, e, "`authorization_endpoint` or `token_endpoint` is missing", url);
  if (!copy(out->revocation_endpoint, sizeof out->revocation_endpoint, rk_json_str(meta, "revocation_endpoint"))) out->revocation_endpoint[0] = 0;
  if (!is_safe(out->authorization_endpoint, origin) || !is_safe(out->token_endpoint, origin) ||
      (out->revocation_endpoint[0] && !is_safe(out->revocation_endpoint, origin)))
    return fails(fault, RK_LINK_ABORTED, e, "an endpoint is plain http", url);
  if (!lists(meta, "code_challenge_methods_supported", "S256", true)) return fails(fault, RK_LINK_ABORTED, e, "no PKCE with S256", url);
  if (!lists(meta, "token_endpoint_auth_methods_supported", "none", true))
    return fails(fault, RK_LINK_ABORTED, e, "it takes no public clients (token_endpoint_auth_methods_supported has no `none`)", url);
  snprintf(out->issuer, sizeof out->issuer, "%s", issuer);
  return RK_OK;
}

rk_err rk_link_discover(const struct rk_platform *p, const char *origin, struct rk_link_server *out, enum rk_link_fault *fault, struct rk_error *e) {
  char issuer[300], url[700];
  json_t *meta;
  *out = (struct rk_link_server){.issuer = ""};
  *fault = RK_LINK_OK;
  rk_err err = find_issuer(p, origin, issuer, fault, e);
  if (err) return err;
  well_known(issuer, "oauth-authorization-server", true, url, sizeof url);
  int32_t status = get(p, "as_discovery", url, &meta);
  if (status == 404) {
    well_known(issuer, "openid-configuration", false, url, sizeof url);
    get(p, "oidc_discovery", url, &meta);
  }
  err = meta ? read_server(meta, origin, issuer, url, out, fault, e) : fails(fault, RK_LINK_ABORTED, e, "no metadata of an authorization server", url);
  json_decref(meta);
  return err;
}

/* ---- authorization ---- */

static void add_param(struct rk_buf *b, const char *name, const char *value) {
  rk_buf_addf(b, "%s%s=", b->n ? "&" : "", name);
  for (const char *p = value; *p; p++) {
    unsigned char c = (unsigned char)*p;
    bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || strchr("-._~", c);
    if (plain) rk_buf_addc(b, *p);
    else rk_buf_addf(b, "%%%02X", c);
  }
}

static void challenge_of(const char *verifier, struct rk_buf *out) {
  unsigned char d[32];
  rk_sha256(rk_str_c(verifier), d);
  rk_base64url(out, (rk_str){(const char *)d, sizeof d});
}

rk_err rk_link_request_new(const struct rk_link_server *s, const char *client_id, const char *redirect_uri, const char *scope,
                           struct rk_link_request *out, struct rk_error *e) {
  struct rk_buf query, challenge;
  *out = (struct rk_link_request){.url = ""};
  rk_buf_init(&query, RK_EXCHANGE_URL_BYTES);
  rk_buf_init(&challenge, 64);
  rk_token_hex(out->state);
  rk_token_hex(out->verifier);
  challenge_of(out->verifier, &challenge);
  add_param(&query, "response_type", "code");
  add_param(&query, "client_id", client_id);
  add_param(&query, "redirect_uri", redirect_uri);
  add_param(&query, "state", out->state);
  add_param(&query, "code_challenge", challenge.p);
  add_param(&query, "code_challenge_method", "S256");
  if (*scope) add_param(&query, "scope", scope);
  bool fits = !query.err && copy(out->client_id, sizeof out->client_id, rk_str_c(client_id)) &&
              copy(out->redirect_uri, sizeof out->redirect_uri, rk_str_c(redirect_uri)) && copy(out->scope, sizeof out->scope, rk_str_c(scope));
  int n = fits ? snprintf(out->url, sizeof out->url, "%s%c%s", s->authorization_endpoint, strchr(s->authorization_endpoint, '?') ? '&' : '?', query.p) : -1;
  rk_buf_release(&query);
  rk_buf_release(&challenge);
  return n > 0 && (size_t)n < sizeof out->url ? RK_OK : rk_fail(e, RK_ETOOBIG, "the authorization request is too long");
}

static int hex_value(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; }

void rk_link_answer_read(rk_str query, char *buf, size_t size, struct rk_link_answer *out) {
  rk_str pair, key, value;
  size_t n = 0;
  *out = (struct rk_link_answer){0};
  while (query.n) {
    rk_str_cut(query, '&', &pair, &query);
    if (!rk_str_cut(pair, '=', &key, &value) || value.n > size - n) continue;
    rk_str decoded = {buf + n, 0};
    for (size_t i = 0; i < value.n; i++) {
      bool escape = value.p[i] == '%' && i + 2 < value.n && hex_value(value.p[i + 1]) >= 0 && hex_value(value.p[i + 2]) >= 0;
      buf[n++] = escape ? (char)(hex_value(value.p[i + 1]) * 16 + hex_value(value.p[i + 2])) : value.p[i] == '+' ? ' ' : value.p[i];
      if (escape) i += 2;
    }
    decoded.n = (size_t)(buf + n - decoded.p);
    if (rk_str_eq_c(key, "code")) out->code = decoded;
    else if (rk_str_eq_c(key, "state")) out->state = decoded;
    else if (rk_str_eq_c(key, "iss")) out->iss = decoded;
    else if (rk_str_eq_c(key, "error")) out->error = decoded;
  }
}

rk_err rk_link_check(const struct rk_link_server *s, const struct rk_link_request *r, const struct rk_link_answer *a,
                     enum rk_link_fault *fault, struct rk_error *e) {
  *fault = RK_LINK_OK;
  if (!rk_ct_equal(a->state, rk_str_c(r->state))) return fails(fault, RK_LINK_STATE, e, "`state` is not ours: the answer is thrown away", s->issuer);
  if (!rk_str_eq_c(a->iss, s->issuer)) return fails(fault, RK_LINK_ISSUER, e, "`iss` is another server: the answer is thrown away", s->issuer);
  if (a->error.n || a->code.n == 0) {
    char what[120];
    snprintf(what, sizeof what, "the account was not linked: %.*s", a->error.n ? (int)(a->error.n < 60 ? a->error.n : 60) : 4, a->error.n ? a->error.p : "none");
    return fails(fault, RK_LINK_REFUSED, e, what, s->issuer);
  }
  return RK_OK;
}

/* ---- tokens ---- */

/* Of what the server says only the codes of RFC 6749 section 5.2 are repeated: another text could hold what it was sent. */
static rk_err refusal(const char *url, int32_t status, rk_str code, struct rk_error *e) {
  static const char *const codes[] = {"invalid_grant", "invalid_client", "unauthorized_client", "invalid_request", "invalid_scope", "unsupported_grant_type"};
  enum { N_OVER = 3 }; /* the first three: no other try helps */
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    if (rk_str_eq_c(code, codes[i])) return rk_fail(e, i < N_OVER ? RK_EAUTH : RK_EUPSTREAM, "%s answered HTTP %d %s", url, status, codes[i]);
  return rk_fail(e, RK_EUPSTREAM, "%s answered HTTP %d", url, status);
}

/* POST of a form, as OAuth wants it (RFC 6749 appendix B). */
static rk_err post_form(const struct rk_platform *p, const char *op, const char *url, const struct rk_buf *form, json_t **answer, struct rk_error *e) {
  struct rk_exchange x, *one = &x;
  rk_exchange_init(&x, op, "POST", rk_ucp_version(0));
  snprintf(x.url, sizeof x.url, "%s", url);
  x.body = rk_buf_str(form);
  x.content_type = "application/x-www-form-urlencoded";
  x.max_bytes = MAX_METADATA_BYTES;
  rk_exchange_send(p, &one, 1);
  rk_err err = rk_exchange_check(p, &x, NULL, false, e);
  *answer = err || x.answer.err ? NULL : rk_json_parse(rk_buf_str(&x.answer.body), MAX_METADATA_BYTES, NULL);
  if (!err && x.answer.err) err = rk_fail(e, RK_EUNAVAIL, "%s: %s", url, x.answer.error.msg);
  if (!err && x.answer.status != 200) err = refusal(url, x.answer.status, rk_json_str(*answer, "error"), e);
  rk_exchange_release(&x);
  return err;
}

/* RFC 6749 section 5.1. What the answer leaves out stays as it was (section 6: the refresh token, the scope). */
static rk_err read_tokens(const json_t *v, const char *endpoint, struct rk_linked *t, struct rk_error *e) {
  rk_str refresh_token = rk_json_str(v, "refresh_token"), scope = rk_json_str(v, "scope");
  int64_t seconds = rk_json_i64(v, "expires_in", 0);
  if (rk_json_str(v, "access_token").n == 0 || !copy(t->access_token, sizeof t->access_token, rk_json_str(v, "access_token")) ||
      strcasecmp(rk_json_cstr(v, "token_type", ""), "bearer") != 0)
    return rk_fail(e, RK_EFORMAT, "%s: no bearer token in its answer", endpoint);
  if (refresh_token.n && !copy(t->refresh_token, sizeof t->refresh_token, refresh_token)) return rk_fail(e, RK_EFORMAT, "%s: its refresh token is too long", endpoint);
  if (scope.n && !copy(t->scope, sizeof t->scope, scope)) t->scope[0] = 0;
  t->expires_ms = seconds > 0 && seconds < INT32_MAX ? rk_now_ms() + seconds * 1000 : 0;
  return RK_OK;
}

rk_err rk_link_token(const struct rk_platform *p, const struct rk_link_server *s, const struct rk_link_request *r, rk_str code,
                     struct rk_linked *out, struct rk_error *e) {
  struct rk_buf form;
  json_t *v = NULL;
  char text[1024];
  *out = (struct rk_linked){.expires_ms = 0};
  if (!copy(text, sizeof text, code)) return rk_fail(e, RK_EFORMAT, "%s: `code` is too long", s->issuer);
  rk_buf_init(&form, 4096);
  add_param(&form, "grant_type", "authorization_code");
  add_param(&form, "code", text);
  add_param(&form, "redirect_uri", r->redirect_uri);
  add_param(&form, "client_id", r->client_id);
  add_param(&form, "code_verifier", r->verifier);
  if (r->scope[0]) add_param(&form, "scope", r->scope);
  rk_err err = post_form(p, "token", s->token_endpoint, &form, &v, e);
  snprintf(out->scope, sizeof out->scope, "%s", r->scope);
  snprintf(out->token_endpoint, sizeof out->token_endpoint, "%s", s->token_endpoint);
  snprintf(out->revocation_endpoint, sizeof out->revocation_endpoint, "%s", s->revocation_endpoint);
  snprintf(out->client_id, sizeof out->client_id, "%s", r->client_id);
  if (!err) err = read_tokens(v, s->token_endpoint, out, e);
  json_decref(v);
  rk_buf_release(&form);
  return err;
}

rk_err rk_link_renew(const struct rk_platform *p, struct rk_linked *t, struct rk_error *e) {
  struct rk_buf form;
  json_t *v = NULL;
  if (!t->refresh_token[0] || !t->token_endpoint[0]) return rk_fail(e, RK_EAUTH, "its token has run out, and the shop gave none to renew it with");
  rk_buf_init(&form, 8192);
  add_param(&form, "grant_type", "refresh_token");
  add_param(&form, "refresh_token", t->refresh_token);
  add_param(&form, "client_id", t->client_id);
  rk_err err = form.err ? rk_fail(e, RK_ETOOBIG, "the refresh token is too long") : post_form(p, "refresh", t->token_endpoint, &form, &v, e);
  if (!err) err = read_tokens(v, t->token_endpoint, t, e);
  json_decref(v);
  rk_buf_release(&form);
  return err;
}

static rk_err revoke_one(const struct rk_platform *p, const struct rk_linked *t, const char *token, const char *hint, struct rk_error *e) {
  struct rk_buf form;
  json_t *v = NULL;
  rk_buf_init(&form, 8192);
  add_param(&form, "token", token);
  add_param(&form, "token_type_hint", hint);
  add_param(&form, "client_id", t->client_id);
  rk_err err = post_form(p, "revoke", t->revocation_endpoint, &form, &v, e);
  json_decref(v);
  rk_buf_release(&form);
  return err;
}

rk_err rk_link_revoke(const struct rk_platform *p, const struct rk_linked *t, struct rk_error *e) {
  if (!t->revocation_endpoint[0]) return rk_fail(e, RK_EUNAVAIL, "the merchant names no revocation endpoint; end the link on its own pages");
  rk_err err = t->refresh_token[0] ? revoke_one(p, t, t->refresh_token, "refresh_token", e) : RK_OK;
  return err ? err : revoke_one(p, t, t->access_token, "access_token", e);
}

/* ---- challenges ---- */

/* An auth-param's quoted value; prose inside another quoted value is not looked into. */
bool rk_link_challenge(rk_str v, char *scope, size_t size) {
  static const rk_str bearer = {"Bearer ", 7};
  *scope = 0;
  if (v.n < bearer.n || strncasecmp(v.p, bearer.p, bearer.n) != 0) return false;
  for (size_t i = bearer.n; i < v.n;) {
    while (i < v.n && (v.p[i] == ' ' || v.p[i] == ',')) i++;
    size_t key = i;
    while (i < v.n && v.p[i] != '=') i++;
    rk_str name = rk_str_trim((rk_str){v.p + key, i - key});
    if (++i >= v.n || v.p[i] != '"') return true;
    size_t from = ++i;
    while (i < v.n && v.p[i] != '"') i += v.p[i] == '\\' ? 2 : 1;
    if (i > v.n) return true;
    if (name.n == 5 && strncasecmp(name.p, "scope", 5) == 0 && !copy(scope, size, (rk_str){v.p + from, i - from})) *scope = 0;
    i++;
  }
  return true;
}
