/* Who is asking. Credentials, in the order they are looked at:
 * `Authorization: Bearer` (terminal sessions and keys), `X-Api-Key` (Anthropic's
 * clients), then the page's cookie.
 * A token is stored only as its SHA-256. A page session's write must carry the
 * session's CSRF token and an Origin (which http/ has checked). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "net/digest.h"
#include "server/private.h"

#define KEY_PREFIX "rk-"
enum { MAX_TOKEN_BYTES = 200, MAX_KEY_DAYS = 3650, DAY_MS = 86400000 };

/* ---- files ---- */

rk_err rk_server_write_file(const struct rk_server *s, const char *name, rk_str text, struct rk_error *e) {
  char path[RK_SERVER_PATH_BYTES], next[RK_SERVER_PATH_BYTES];
  const char *dir = rk_store_dir(s->o.store);
  snprintf(path, sizeof path, "%s/%s", dir, name);
  snprintf(next, sizeof next, "%s/%s.new", dir, name);
  unlink(next);
  int fd = open(next, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  bool ok = fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n;
  if (fd >= 0 && close(fd) != 0) ok = false;
  if (ok && rename(next, path) == 0) return RK_OK;
  return rk_fail(e, errno == ENOSPC ? RK_ENOSPC : RK_EIO, "%s: %s", path, strerror(errno));
}

rk_err rk_auth_start(struct rk_server *s, struct rk_error *e) {
  rk_token_hex(s->terminal_token);
  return rk_server_write_file(s, "terminal.token", rk_str_c(s->terminal_token), e);
}

void rk_auth_stop(struct rk_server *s) {
  char path[RK_SERVER_PATH_BYTES];
  snprintf(path, sizeof path, "%s/terminal.token", rk_store_dir(s->o.store));
  unlink(path);
}

/* ---- one-time tokens ---- */

rk_err rk_auth_link(struct rk_server *s, char *url, size_t size, struct rk_error *e) {
  char token[65];
  rk_token_hex(token);
  pthread_mutex_lock(&s->mu);
  rk_sha256_hex(rk_str_c(token), s->links[s->next_link]);
  s->next_link = (s->next_link + 1) % RK_SERVER_MAX_LINKS;
  pthread_mutex_unlock(&s->mu);
  int n = snprintf(url, size, "%s/?token=%s", s->origin, token);
  return n > 0 && (size_t)n < size ? RK_OK : rk_fail(e, RK_ETOOBIG, "the address is too long");
}

static bool use_link(struct rk_server *s, rk_str token) {
  char hash[65];
  bool found = false;
  rk_sha256_hex(token, hash);
  pthread_mutex_lock(&s->mu);
  for (int i = 0; i < RK_SERVER_MAX_LINKS && !found; i++) {
    found = s->links[i][0] && rk_ct_equal(rk_str_c(s->links[i]), rk_str_c(hash));
    if (found) s->links[i][0] = 0;
  }
  pthread_mutex_unlock(&s->mu);
  return found;
}

static rk_err new_session(struct rk_server *s, const char *user_id, const char *kind, const char *scopes, const char *token,
                          char csrf[65], int64_t ttl_ms, struct rk_error *e) {
  char hash[65];
  rk_token_hex(csrf);
  rk_sha256_hex(rk_str_c(token), hash);
  return rk_store_session_add(s->o.store, user_id, kind, scopes, hash, csrf, rk_now_ms() + ttl_ms, e);
}

static void set_cookie(const struct rk_server *s, struct rk_http_req *r, const char *token, int64_t age_s) {
  char cookie[300];
  snprintf(cookie, sizeof cookie, "%s=%s; Path=/; Max-Age=%lld; HttpOnly; SameSite=Strict%s", s->cookie, token, (long long)age_s,
           s->secure ? "; Secure" : "");
  rk_http_set_header(r, "Set-Cookie", cookie);
}

bool rk_auth_sign_in(struct rk_server *s, struct rk_http_req *r, rk_str token) {
  if (!use_link(s, token)) return false;
  char session[65], csrf[65];
  struct rk_error e;
  rk_token_hex(session);
  if (new_session(s, rk_store_local_user(s->o.store), "page", "", session, csrf, RK_SESSION_TTL_MS, &e)) {
    rk_http_reply_error(r, &e);
    return true;
  }
  set_cookie(s, r, session, RK_SESSION_TTL_MS / 1000);
  rk_http_set_header(r, "Location", "/");
  rk_http_reply(r, 303, "text/plain", RK_STR(""));
  return true;
}

/* ---- the gate ---- */

static bool read_session(struct rk_server *s, rk_str token, struct rk_session *out) {
  if (token.n == 0 || token.n > MAX_TOKEN_BYTES) return false;
  rk_sha256_hex(token, out->token_sha256);
  json_t *row = rk_store_session_get(s->o.store, out->token_sha256);
  if (!row) return false;
  snprintf(out->id, sizeof out->id, "%s", rk_json_cstr(row, "id", ""));
  snprintf(out->user_id, sizeof out->user_id, "%s", rk_json_cstr(row, "user_id", ""));
  snprintf(out->kind, sizeof out->kind, "%s", rk_json_cstr(row, "kind", ""));
  snprintf(out->scopes, sizeof out->scopes, "%s", rk_json_cstr(row, "scopes", ""));
  snprintf(out->csrf, sizeof out->csrf, "%s", rk_json_cstr(row, "csrf", ""));
  json_decref(row);
  return true;
}

static bool is_page(const struct rk_session *se) { return strcmp(se->kind, "page") == 0; }
static bool is_key(const struct rk_session *se) { return strcmp(se->kind, "key") == 0; }

static bool has_scope(const struct rk_session *se, const char *scope) {
  rk_str rest = rk_str_c(se->scopes), one;
  while (rest.n) {
    rk_str_cut(rest, ' ', &one, &rest);
    if (rk_str_eq_c(one, scope)) return true;
  }
  return false;
}

/* Bearer wins over the cookie: a page's cookie never stands in for a key that is wrong. */
static rk_err find_session(struct rk_server *s, const struct rk_http_req *r, struct rk_session *out, struct rk_error *e) {
  rk_str auth = rk_http_header(r, "Authorization"), token = rk_http_header(r, "X-Api-Key");
  if (auth.n) {
    bool bearer = auth.n > 7 && strncasecmp(auth.p, "Bearer ", 7) == 0;
    token = bearer ? (rk_str){auth.p + 7, auth.n - 7} : RK_STR("-");
  }
  if (token.n) {
    if (read_session(s, token, out) && !is_page(out)) return RK_OK;
    return rk_fail(e, RK_EAUTH, "the key or session token is unknown or has expired");
  }
  if (read_session(s, rk_http_cookie(r, s->cookie), out) && is_page(out)) return RK_OK;
  return rk_fail(e, RK_EAUTH, "sign in first: open the address that rukou printed, or send a key");
}

static bool is_write(const struct rk_http_req *r) {
  rk_str m = rk_http_method(r);
  return !rk_str_eq_c(m, "GET") && !rk_str_eq_c(m, "HEAD");
}

static rk_err check_rights(const struct rk_http_req *r, const struct rk_session *se, enum rk_access access, struct rk_error *e) {
  if (is_key(se)) {
    const char *scope = access == RK_SESSION ? "approve" : "chat";
    return has_scope(se, scope) ? RK_OK : rk_fail(e, RK_EFORBIDDEN, "this key has not the scope \"%s\"", scope);
  }
  if (!is_page(se) || !is_write(r)) return RK_OK;
  if (rk_http_header(r, "Origin").n == 0) return rk_fail(e, RK_EFORBIDDEN, "a page's write needs an Origin header");
  rk_str csrf = rk_http_header(r, "X-CSRF-Token");
  return rk_ct_equal(csrf, rk_str_c(se->csrf)) ? RK_OK : rk_fail(e, RK_EFORBIDDEN, "X-CSRF-Token is missing or wrong; read it from /api/session");
}

/* Behind a proxy nobody may go around it. */
static bool from_proxy(const struct rk_server *s, const struct rk_http_req *r) {
  char peer[64];
  if (!s->o.trusted_proxy || !s->o.trusted_proxy[0]) return true;
  rk_http_peer(r, peer);
  return strcmp(peer, s->o.trusted_proxy) == 0 || strncmp(peer, "127.", 4) == 0 || strcmp(peer, "::1") == 0;
}

bool rk_auth_gate(struct rk_server *s, struct rk_http_req *r, enum rk_access access) {
  struct rk_error e = {0};
  rk_err err = from_proxy(s, r) ? RK_OK : rk_fail(&e, RK_EFORBIDDEN, "only the trusted proxy may connect");
  bool open = access == RK_OPEN || (access == RK_LOCAL && s->everybody);
  if (!err && open) return true;
  struct rk_session *se = calloc(1, sizeof *se);
  RK_ASSERT(se != NULL);
  rk_http_user_set(r, se, free);
  if (!err) err = find_session(s, r, se, &e);
  if (!err) err = check_rights(r, se, access, &e);
  if (err) rk_http_reply_error(r, &e);
  return !err;
}

/* ---- routes ---- */

void rk_route_terminal(struct rk_http_req *r, void *ctx) {
  struct rk_server *s = ctx;
  struct rk_error e;
  char token[65], csrf[65];
  json_t *body = rk_http_json(r, &e);
  rk_err err = body ? RK_OK : e.code;
  if (!err && !rk_ct_equal(rk_json_str(body, "token"), rk_str_c(s->terminal_token)))
    err = rk_fail(&e, RK_EAUTH, "this is not the token of DATA/terminal.token");
  json_decref(body);
  rk_token_hex(token);
  const char *user = rk_store_local_user(s->o.store);
  if (!err) err = new_session(s, user, "terminal", "", token, csrf, DAY_MS, &e);
  if (err) rk_http_reply_error(r, &e);
  else rk_http_reply_json(r, 200, json_pack("{s:s,s:s,s:s}", "token", token, "csrf", csrf, "user_id", user));
}

void rk_route_link(struct rk_http_req *r, void *ctx) {
  struct rk_server *s = ctx;
  char url[RK_SERVER_NAME_BYTES + 100];
  struct rk_error e;
  if (rk_auth_link(s, url, sizeof url, &e)) rk_http_reply_error(r, &e);
  else rk_http_reply_json(r, 200, json_pack("{s:s}", "url", url));
}

void rk_route_session(struct rk_http_req *r, void *ctx) {
  const struct rk_server *s = ctx;
  const struct rk_session *se = rk_http_user(r);
  const struct rk_chat_model *m = s->o.model;
  json_t *model = json_pack("{s:s,s:b,s:i}", "name", rk_chat_name(m), "local", rk_chat_is_local(m), "n_ctx", rk_chat_n_ctx(m));
  rk_http_reply_json(r, 200, json_pack("{s:s,s:s,s:s,s:s,s:s,s:o,s:b,s:s,s:I}", "user_id", se->user_id, "kind", se->kind, "csrf", se->csrf,
                                       "data_id", rk_store_data_id(s->o.store), "version", RK_VERSION, "model", model, "sandbox", 1,
                                       "lang", s->o.lang && s->o.lang[0] ? s->o.lang : "auto", "now_ms", (json_int_t)rk_now_ms()));
}

void rk_route_sign_out(struct rk_http_req *r, void *ctx) {
  struct rk_server *s = ctx;
  const struct rk_session *se = rk_http_user(r);
  struct rk_error e;
  if (rk_store_session_end(s->o.store, se->token_sha256, &e)) {
    rk_http_reply_error(r, &e);
    return;
  }
  rk_events_end_session(s->events, se->id);
  if (is_page(se)) set_cookie(s, r, "", 0);
  rk_http_reply_json(r, 200, json_object());
}

/* Scopes that a key may have; "approve" only when it is asked for by name. */
static rk_err read_scopes(const json_t *body, char out[32], struct rk_error *e) {
  bool chat = false, approve = false;
  size_t i;
  json_t *v;
  json_array_foreach(rk_json_arr(body, "scopes"), i, v) {
    const char *name = json_is_string(v) ? json_string_value(v) : "";
    if (strcmp(name, "chat") == 0) chat = true;
    else if (strcmp(name, "approve") == 0) approve = true;
    else return rk_fail(e, RK_EINVAL, "scopes are \"chat\" and \"approve\"");
  }
  if (!chat && !approve) chat = true;
  snprintf(out, 32, "%s%s%s", chat ? "chat" : "", chat && approve ? " " : "", approve ? "approve" : "");
  return RK_OK;
}

void rk_route_key_new(struct rk_http_req *r, void *ctx) {
  struct rk_server *s = ctx;
  const struct rk_session *se = rk_http_user(r);
  struct rk_error e;
  char scopes[32], random[65], csrf[65], key[sizeof KEY_PREFIX + 64];
  json_t *body = rk_http_json(r, &e);
  rk_err err = body ? RK_OK : e.code;
  int64_t days = rk_json_i64(body, "days", 365);
  if (!err && is_key(se)) err = rk_fail(&e, RK_EFORBIDDEN, "a key makes no keys");
  if (!err) err = read_scopes(body, scopes, &e);
  if (!err && (days < 1 || days > MAX_KEY_DAYS)) err = rk_fail(&e, RK_EINVAL, "days must be from 1 to %d", (int)MAX_KEY_DAYS);
  json_decref(body);
  rk_token_hex(random);
  snprintf(key, sizeof key, KEY_PREFIX "%s", random);
  if (!err) err = new_session(s, se->user_id, "key", scopes, key, csrf, days * DAY_MS, &e);
  if (err) rk_http_reply_error(r, &e);
  else rk_http_reply_json(r, 201, json_pack("{s:s,s:s}", "key", key, "scopes", scopes));
}

void rk_route_key_end(struct rk_http_req *r, void *ctx) {
  struct rk_server *s = ctx;
  struct rk_session found = {0};
  struct rk_error e;
  json_t *body = rk_http_json(r, &e);
  rk_err err = body ? RK_OK : e.code;
  const struct rk_session *se = rk_http_user(r);
  if (!err && (!read_session(s, rk_json_str(body, "key"), &found) || !is_key(&found) || strcmp(found.user_id, se->user_id) != 0))
    err = rk_fail(&e, RK_ENOTFOUND, "there is no such key");
  json_decref(body);
  if (!err) err = rk_store_session_end(s->o.store, found.token_sha256, &e);
  if (!err) rk_events_end_session(s->events, found.id);
  if (err) rk_http_reply_error(r, &e);
  else rk_http_reply_json(r, 200, json_object());
}
