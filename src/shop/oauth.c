/* oauth.c - linked accounts: OAuth 2.0 with PKCE on the shop's own origin
 * (RFC 6749, 7636, 7009; metadata RFC 8414 and 9728; iss RFC 9207).
 *
 * Clients are rows of clients.tsv: id, SHA-256 of the secret or "-", redirect
 * addresses separated by blanks, the platform's profile, name. What a user
 * allows is a grant; codes and tokens hang on it and are kept as hashes.
 *
 * A shop without accounts of its own knows a buyer by an order: whoever types
 * its number and the telephone number it goes to is its buyer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "shop/form.h"
#include "shop/private.h"
#include "trade/ucp.h"

enum { CODE_TTL_MS = 60000, ACCESS_TTL_MS = 3600000, MAX_VALUE = 1024, MAX_SCOPE = 256, QUERY_ARENA_BYTES = 65536, REFRESH_DAYS = 90, DAY_MS = 86400000 };

#define READ RK_UCP_ACCOUNT ":read"
#define ORDERS RK_UCP_ACCOUNT ":orders"

/* ---- clients ---- */

struct client { const char *id, *secret_sha256, *redirects, *profile, *name; };

bool oauth_is_offered(const struct rk_shop *s) { return s->catalog.clients.n_rows > 0; }

static bool find_client(const struct rk_shop *s, rk_str id, struct client *out) {
  const struct rk_table *t = &s->catalog.clients;
  for (int32_t i = 0; i < t->n_rows; i++) {
    if (!rk_str_eq_c(id, rk_cell(t, i, 0))) continue;
    *out = (struct client){rk_cell(t, i, 0), rk_cell(t, i, 1), rk_cell(t, i, 2), rk_cell(t, i, 3), rk_cell(t, i, 4)};
    return true;
  }
  return false;
}

/* "http://127.0.0.1:4711/cb" -> "http://127.0.0.1/cb": the port of a loopback address is the client's (RFC 8252 7.3). */
static rk_str without_port(rk_str url, char out[MAX_VALUE]) {
  static const char *const hosts[] = {"http://127.0.0.1:", "http://[::1]:"};
  for (size_t i = 0; i < 2; i++) {
    rk_str host = rk_str_c(hosts[i]);
    size_t at = host.n;
    if (!rk_str_starts(url, host) || url.n >= MAX_VALUE) continue;
    while (at < url.n && url.p[at] >= '0' && url.p[at] <= '9') at++;
    int n = snprintf(out, MAX_VALUE, "%.*s%.*s", (int)(host.n - 1), host.p, (int)(url.n - at), url.p + at);
    return (rk_str){out, (size_t)n};
  }
  return url;
}

static bool same_redirect(rk_str a, rk_str b) {
  char x[MAX_VALUE], y[MAX_VALUE];
  return rk_str_eq(without_port(a, x), without_port(b, y));
}

static bool is_registered(const struct client *c, rk_str redirect) {
  rk_str rest = rk_str_c(c->redirects), one;
  while (rest.n) {
    rk_str_cut(rest, ' ', &one, &rest);
    if (one.n && same_redirect(one, redirect)) return true;
  }
  return false;
}

/* ---- scopes ---- */

json_t *oauth_scopes(void) {
  return json_pack("{s:{s:{s:s}}, s:{s:{s:s}}}", READ, "description", "plain", "See that you are a buyer of this shop", ORDERS, "description", "plain",
                   "See your orders at this shop");
}

static bool holds(const char *scope, rk_str wanted) {
  rk_str rest = rk_str_c(scope), one;
  while (rest.n) {
    rk_str_cut(rest, ' ', &one, &rest);
    if (rk_str_eq(one, wanted)) return true;
  }
  return false;
}

/* Those of the wanted ones that there are; empty: none. */
static void grantable(rk_str wanted, char out[MAX_SCOPE]) {
  rk_str one;
  size_t n = 0;
  out[0] = 0;
  while (wanted.n) {
    rk_str_cut(wanted, ' ', &one, &wanted);
    if ((rk_str_eq(one, RK_STR(READ)) || rk_str_eq(one, RK_STR(ORDERS))) && !holds(out, one))
      n += (size_t)snprintf(out + n, MAX_SCOPE - n, "%s%.*s", n ? " " : "", RK_STR_ARG(one));
  }
}

/* ---- tokens ---- */

/* A new code or token of a grant: its text, kept as a hash. */
static rk_err issue(struct rk_shop *s, const char *kind, const char *grant_id, const char *redirect, const char *challenge, int64_t ttl_ms, char text[65],
                    struct rk_error *e) {
  char hash[65];
  rk_token_hex(text);
  rk_sha256_hex(rk_str_c(text), hash);
  return rk_shop_store_put_token(s->db, &(struct rk_token_row){hash, kind, grant_id, redirect, challenge, rk_now_ms() + ttl_ms}, e);
}

static json_t *find_token(struct rk_shop *s, rk_str text, char hash[65]) {
  rk_sha256_hex(text, hash);
  return rk_shop_store_token(s->db, hash);
}

static bool is_of_kind(const json_t *row, const char *kind) { return rk_str_eq_c(rk_json_str(row, "kind"), kind); }

/* Not used, not revoked, not expired, and of that kind. */
static bool is_valid(const json_t *row, const char *kind) {
  return row && is_of_kind(row, kind) && !rk_json_i64(row, "used", 1) && !rk_json_i64(row, "revoked", 1) && rk_now_ms() < rk_json_i64(row, "expires_ms", 0);
}

/* ---- requests with a token ---- */

static void challenge(struct rk_shop *s, struct rk_shop_answer *out, int32_t status, const char *error, const char *scope, const char *code, const char *content) {
  char header[900];
  int n = snprintf(header, sizeof header, "Bearer realm=\"%s\", resource_metadata=\"%s/.well-known/oauth-protected-resource\"", s->origin, s->origin);
  if (error) n += snprintf(header + n, sizeof header - (size_t)n, ", error=\"%s\"", error);
  if (scope) snprintf(header + n, sizeof header - (size_t)n, ", scope=\"%s\"", scope);
  out->status = status;
  out->body = ucp_refusal(code, "requires_buyer_input", content);
  json_object_set_new(out->body, "continue_url", json_sprintf("%s/terms", s->origin));
  rk_shop_answer_header(out, "WWW-Authenticate", header);
}

void oauth_use_grant(struct caller *c, json_t *grant) {
  c->grant = grant;
  snprintf(c->user, sizeof c->user, "%s", rk_json_cstr(grant, "user", ""));
  c->scope = rk_json_cstr(grant, "scope", "");
}

bool oauth_identify(struct rk_shop *s, const struct rk_shop_request *r, struct caller *c, struct rk_shop_answer *answer) {
  char hash[65];
  struct client client;
  if (!rk_str_starts(r->authorization, RK_STR("Bearer ")) || !oauth_is_offered(s)) return true;
  json_t *row = find_token(s, rk_str_trim((rk_str){r->authorization.p + 7, r->authorization.n - 7}), hash);
  if (!is_valid(row, "access") || !find_client(s, rk_json_str(row, "client"), &client)) {
    json_decref(row);
    challenge(s, answer, 401, "invalid_token", NULL, "identity_required", "this access token is not valid; link the account again");
    return false;
  }
  if (strcmp(client.profile, c->url) != 0) {
    json_decref(row);
    answer_error(answer, 403, "unauthorized", "this access token is of another platform than the UCP-Agent");
    return false;
  }
  oauth_use_grant(c, row);
  return true;
}

/* The user allowed all of these scopes, separated by spaces. False: answered with a challenge. */
static bool allows(struct rk_shop *s, const struct caller *c, const char *scopes, struct rk_shop_answer *answer) {
  rk_str rest = rk_str_c(scopes), one;
  if (!c->user[0]) {
    challenge(s, answer, 401, NULL, scopes, "identity_required", "this is shown to linked accounts only");
    return false;
  }
  while (rest.n) {
    rk_str_cut(rest, ' ', &one, &rest);
    if (holds(c->scope, one)) continue;
    challenge(s, answer, 403, "insufficient_scope", scopes, "insufficient_scope", "the user has not allowed this");
    return false;
  }
  return true;
}

void handle_account(struct rk_shop *s, const struct caller *c, bool orders, struct rk_shop_answer *out) {
  if (!oauth_is_offered(s)) {
    answer_error(out, 404, "not_found", "this shop links no accounts");
    return;
  }
  if (!allows(s, c, orders ? READ " " ORDERS : READ, out)) return;
  out->status = 200;
  out->body = json_pack("{s:o, s:s}", "ucp", ucp_envelope(s, c, RK_UCP_ACCOUNT), "user", c->user);
  if (orders) json_object_set_new(out->body, "orders", rk_shop_store_buyers_orders(s->db, c->user));
}

/* ---- metadata ---- */

static json_t *server_metadata(const struct rk_shop *s) {
  return json_pack("{s:s, s:o, s:o, s:o, s:[s], s:[s,s], s:[s], s:[s,s], s:[s,s], s:b, s:[s, s]}", "issuer", s->origin, "authorization_endpoint",
                   json_sprintf("%s/oauth2/authorize", s->origin), "token_endpoint", json_sprintf("%s/oauth2/token", s->origin), "revocation_endpoint",
                   json_sprintf("%s/oauth2/revoke", s->origin), "response_types_supported", "code", "grant_types_supported", "authorization_code",
                   "refresh_token", "code_challenge_methods_supported", "S256", "token_endpoint_auth_methods_supported", "none", "client_secret_basic",
                   "revocation_endpoint_auth_methods_supported", "none", "client_secret_basic", "authorization_response_iss_parameter_supported", 1,
                   "scopes_supported", READ, ORDERS);
}

static json_t *resource_metadata(const struct rk_shop *s) {
  return json_pack("{s:s, s:[s], s:[s, s], s:[s]}", "resource", s->origin, "authorization_servers", s->origin, "scopes_supported", READ, ORDERS,
                   "bearer_methods_supported", "header");
}

/* ---- authorization ---- */

struct request { struct client client; rk_str redirect, state, code_challenge; char scope[MAX_SCOPE]; };

static void add_param(struct rk_buf *b, const char *name, rk_str value) {
  static const char hex[] = "0123456789ABCDEF";
  rk_buf_addf(b, "%s%s=", memchr(b->p, '?', b->n) ? "&" : "?", name);
  for (size_t i = 0; i < value.n; i++) {
    unsigned char ch = (unsigned char)value.p[i];
    if ((ch >= '0' && ch <= '9') || (ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z') || strchr("-._~", ch)) rk_buf_addc(b, (char)ch);
    else rk_buf_addc(b, '%'), rk_buf_addc(b, hex[ch >> 4]), rk_buf_addc(b, hex[ch & 15]);
  }
}

/* Back to the client, with a code or an error, and always with iss. */
static void redirect(const struct rk_shop *s, const struct request *q, const char *name, const char *value, struct rk_shop_answer *out) {
  struct rk_buf to;
  rk_buf_init(&to, 8192);
  rk_buf_addstr(&to, q->redirect);
  add_param(&to, name, rk_str_c(value));
  if (q->state.n) add_param(&to, "state", q->state);
  add_param(&to, "iss", rk_str_c(s->origin));
  out->status = 302;
  out->content_type = "text/plain";
  if (to.err) answer_error(out, 400, "invalid_request", "the authorization request is too long");
  else rk_shop_answer_header(out, "Location", to.p);
  rk_buf_release(&to);
}

static void grant_code(struct rk_shop *s, const struct request *q, const char *user, struct rk_shop_answer *out) {
  char id[37], code[65], uri[MAX_VALUE], proof[128];
  struct rk_error e = {0};
  rk_uuid7(id);
  snprintf(uri, sizeof uri, "%.*s", RK_STR_ARG(q->redirect));
  snprintf(proof, sizeof proof, "%.*s", RK_STR_ARG(q->code_challenge));
  rk_err err = rk_db_begin(s->db, &e);
  if (err) {
    answer_error(out, 503, "unavailable", "%s", e.msg);
    return;
  }
  err = rk_shop_store_grant(s->db, &(struct rk_grant){id, q->client.id, user, q->scope}, &e);
  if (!err) err = issue(s, "code", id, uri, proof, CODE_TTL_MS, code, &e);
  if (err) rk_db_rollback(s->db);
  else err = rk_db_commit(s->db, &e);
  if (err) answer_error(out, 503, "unavailable", "%s", e.msg);
  else redirect(s, q, "code", code, out);
}

void oauth_user_of_phone(rk_str phone, char user[64]) {
  char hash[65];
  rk_sha256_hex(phone, hash);
  snprintf(user, 64, "buyer-%.32s", hash);
}

/* Who the buyer is, by an order's number and its telephone number; false: not shown. */
static bool identify_buyer(struct rk_shop *s, rk_str order_id, rk_str phone, char user[64]) {
  char id[64];
  if (order_id.n == 0 || order_id.n >= sizeof id || phone.n == 0) return false;
  snprintf(id, sizeof id, "%.*s", RK_STR_ARG(order_id));
  oauth_user_of_phone(phone, user);
  json_t *buyer = rk_shop_store_buyer(s->db, id);
  bool same = buyer && rk_ct_equal(rk_json_str(buyer, "user"), rk_str_c(user));
  json_decref(buyer);
  return same;
}

/* The request itself is checked before anything is sent to its redirect address. False: answered. */
static bool read_request(struct rk_shop *s, rk_str (*param)(void *, const char *), void *ud, struct request *q, struct rk_shop_answer *out) {
  q->redirect = param(ud, "redirect_uri");
  q->state = param(ud, "state");
  q->code_challenge = param(ud, "code_challenge");
  if (!find_client(s, param(ud, "client_id"), &q->client)) answer_error(out, 400, "invalid_client", "this client is not registered here");
  else if (q->redirect.n >= MAX_VALUE || !is_registered(&q->client, q->redirect))
    answer_error(out, 400, "invalid_request", "this redirect_uri is not registered for the client");
  else if (!rk_str_eq(param(ud, "response_type"), RK_STR("code"))) redirect(s, q, "error", "unsupported_response_type", out);
  else if (q->code_challenge.n != 43 || !rk_str_eq(param(ud, "code_challenge_method"), RK_STR("S256"))) redirect(s, q, "error", "invalid_request", out);
  else {
    grantable(param(ud, "scope"), q->scope);
    if (q->scope[0]) return true;
    redirect(s, q, "error", "invalid_scope", out);
  }
  return false;
}

static void authorize(struct rk_shop *s, const struct rk_shop_request *r, struct rk_shop_answer *out) {
  struct request q;
  char user[64];
  if (!r->param || !read_request(s, r->param, r->ud, &q, out)) return;
  if (s->o.testing) grant_code(s, &q, "tester", out); /* the consent of a test user */
  else if (rk_str_eq(r->method, RK_STR("GET"))) page_consent(s, q.client.name, holds(q.scope, RK_STR(ORDERS)), false, out);
  else if (form_has(r->body, "refuse")) redirect(s, &q, "error", "access_denied", out);
  else {
    char order[64], phone[64];
    form_value(r->body, "order", order, sizeof order);
    form_value(r->body, "phone", phone, sizeof phone);
    if (identify_buyer(s, rk_str_c(order), rk_str_c(phone), user)) grant_code(s, &q, user, out);
    else page_consent(s, q.client.name, holds(q.scope, RK_STR(ORDERS)), true, out);
  }
}

/* ---- token ---- */

static void token_error(struct rk_shop_answer *out, int32_t status, const char *error) {
  out->status = status;
  out->body = json_pack("{s:s}", "error", error);
}

/* The client that makes a request to the token or revocation endpoint: HTTP Basic, or a public one by its id. False: answered. */
static bool authenticate(struct rk_shop *s, const struct rk_shop_request *r, struct client *c, struct rk_shop_answer *out) {
  char id[MAX_VALUE], hash[65];
  if (rk_str_starts(r->authorization, RK_STR("Basic "))) {
    struct rk_buf pair;
    rk_str name, secret;
    rk_buf_init(&pair, MAX_VALUE);
    bool ok = rk_base64_decode(&pair, rk_str_trim((rk_str){r->authorization.p + 6, r->authorization.n - 6})) == RK_OK && rk_str_cut(rk_buf_str(&pair), ':', &name, &secret) &&
              find_client(s, name, c);
    if (ok) {
      rk_sha256_hex(secret, hash);
      ok = rk_ct_equal(rk_str_c(hash), rk_str_c(c->secret_sha256));
    }
    rk_buf_release(&pair);
    if (ok) return true;
  } else if (form_value(r->body, "client_id", id, sizeof id) && find_client(s, rk_str_c(id), c) && strcmp(c->secret_sha256, "-") == 0) return true;
  token_error(out, 401, "invalid_client");
  return false;
}

/* Access and refresh token of a grant. */
static rk_err answer_tokens(struct rk_shop *s, const json_t *row, struct rk_shop_answer *out, struct rk_error *e) {
  char access[65], refresh[65];
  const char *grant_id = rk_json_cstr(row, "grant_id", "");
  rk_err err = issue(s, "access", grant_id, "", "", ACCESS_TTL_MS, access, e);
  if (!err) err = issue(s, "refresh", grant_id, "", "", (int64_t)REFRESH_DAYS * DAY_MS, refresh, e);
  if (err) return err;
  out->status = 200;
  out->body = json_pack("{s:s, s:s, s:i, s:s, s:O}", "access_token", access, "token_type", "Bearer", "expires_in", ACCESS_TTL_MS / 1000, "refresh_token",
                        refresh, "scope", json_object_get(row, "scope"));
  return RK_OK;
}

static bool proves(rk_str verifier, rk_str code_challenge) {
  unsigned char digest[32];
  struct rk_buf text;
  rk_sha256(verifier, digest);
  rk_buf_init(&text, 64);
  bool same = verifier.n >= 43 && verifier.n <= 128 && rk_base64url(&text, (rk_str){(const char *)digest, 32}) == RK_OK && rk_ct_equal(rk_buf_str(&text), code_challenge);
  rk_buf_release(&text);
  return same;
}

/* The code is over after the first try, whatever comes of it; a second try takes the tokens back (RFC 6749 4.1.2). */
static rk_err redeem_code(struct rk_shop *s, const struct client *c, rk_str body, struct rk_shop_answer *out, struct rk_error *e) {
  char code[MAX_VALUE], uri[MAX_VALUE], verifier[MAX_VALUE], hash[65];
  form_value(body, "code", code, sizeof code);
  form_value(body, "redirect_uri", uri, sizeof uri);
  form_value(body, "code_verifier", verifier, sizeof verifier);
  json_t *row = find_token(s, rk_str_c(code), hash);
  rk_err err = RK_OK;
  bool mine = row && is_of_kind(row, "code") && rk_str_eq_c(rk_json_str(row, "client"), c->id), valid = mine && is_valid(row, "code");
  if (mine && rk_json_i64(row, "used", 0)) err = rk_shop_store_revoke(s->db, rk_json_cstr(row, "grant_id", ""), e);
  if (valid) err = rk_shop_store_use_token(s->db, hash, e);
  if (!err && valid && same_redirect(rk_json_str(row, "redirect_uri"), rk_str_c(uri)) && proves(rk_str_c(verifier), rk_json_str(row, "challenge")))
    err = answer_tokens(s, row, out, e);
  else if (!err) token_error(out, 400, "invalid_grant");
  json_decref(row);
  return err;
}

/* A refresh token is good for one new pair. */
static rk_err refresh(struct rk_shop *s, const struct client *c, rk_str body, struct rk_shop_answer *out, struct rk_error *e) {
  char text[MAX_VALUE], hash[65];
  form_value(body, "refresh_token", text, sizeof text);
  json_t *row = find_token(s, rk_str_c(text), hash);
  rk_err err = RK_OK;
  bool mine = row && is_of_kind(row, "refresh") && rk_str_eq_c(rk_json_str(row, "client"), c->id);
  if (mine && is_valid(row, "refresh")) {
    err = rk_shop_store_use_token(s->db, hash, e);
    if (!err) err = answer_tokens(s, row, out, e);
  } else {
    if (mine && rk_json_i64(row, "used", 0)) err = rk_shop_store_revoke(s->db, rk_json_cstr(row, "grant_id", ""), e);
    if (!err) token_error(out, 400, "invalid_grant");
  }
  json_decref(row);
  return err;
}

/* Takes back the grant of a token: with it every token that hangs on it. An unknown token is gone already. */
static rk_err revoke(struct rk_shop *s, const struct client *c, rk_str body, struct rk_shop_answer *out, struct rk_error *e) {
  char text[MAX_VALUE], hash[65];
  form_value(body, "token", text, sizeof text);
  json_t *row = find_token(s, rk_str_c(text), hash);
  rk_err err = RK_OK;
  if (row && rk_str_eq_c(rk_json_str(row, "client"), c->id)) err = rk_shop_store_revoke(s->db, rk_json_cstr(row, "grant_id", ""), e);
  json_decref(row);
  out->status = 200;
  out->body = json_object();
  return err;
}

static rk_err token(struct rk_shop *s, const struct client *c, rk_str body, struct rk_shop_answer *out, struct rk_error *e) {
  char type[64];
  form_value(body, "grant_type", type, sizeof type);
  if (strcmp(type, "authorization_code") == 0) return redeem_code(s, c, body, out, e);
  if (strcmp(type, "refresh_token") == 0) return refresh(s, c, body, out, e);
  token_error(out, 400, "unsupported_grant_type");
  return RK_OK;
}

static void in_transaction(struct rk_shop *s, const struct rk_shop_request *r, struct rk_shop_answer *out,
                           rk_err (*fn)(struct rk_shop *, const struct client *, rk_str, struct rk_shop_answer *, struct rk_error *)) {
  struct rk_error e = {0};
  struct client c;
  if (!authenticate(s, r, &c, out)) return;
  rk_err err = rk_db_begin(s->db, &e);
  if (!err) {
    err = fn(s, &c, r->body, out, &e);
    if (err) rk_db_rollback(s->db);
    else err = rk_db_commit(s->db, &e);
  }
  if (err) {
    json_decref(out->body);
    out->body = NULL;
    token_error(out, 503, "temporarily_unavailable");
  }
}

bool oauth_handle(struct rk_shop *s, const struct rk_shop_request *r, struct rk_shop_answer *out) {
  bool get = rk_str_eq(r->method, RK_STR("GET")), post = rk_str_eq(r->method, RK_STR("POST"));
  if (!oauth_is_offered(s)) return false;
  if (get && rk_str_eq(r->path, RK_STR("/.well-known/oauth-authorization-server")))
    *out = (struct rk_shop_answer){.status = 200, .body = server_metadata(s), .cacheable = true};
  else if (get && rk_str_eq(r->path, RK_STR("/.well-known/oauth-protected-resource")))
    *out = (struct rk_shop_answer){.status = 200, .body = resource_metadata(s), .cacheable = true};
  else if ((get || post) && rk_str_eq(r->path, RK_STR("/oauth2/authorize"))) authorize(s, r, out);
  else if (post && rk_str_eq(r->path, RK_STR("/oauth2/token"))) in_transaction(s, r, out, token);
  else if (post && rk_str_eq(r->path, RK_STR("/oauth2/revoke"))) in_transaction(s, r, out, revoke);
  else return false;
  return true;
}

/* ---- testing ---- */

void oauth_mint(struct rk_shop *s, rk_str kind, struct rk_shop_answer *out) {
  char id[37], text[65];
  struct rk_error e = {0};
  bool foreign = rk_str_eq(kind, RK_STR("foreign_client")), expired = rk_str_eq(kind, RK_STR("expired"));
  const char *client = foreign || !oauth_is_offered(s) ? "not-registered" : rk_cell(&s->catalog.clients, 0, 0);
  rk_uuid7(id);
  rk_err err = rk_shop_store_grant(s->db, &(struct rk_grant){id, client, "tester", READ " " ORDERS}, &e);
  if (!err) err = issue(s, "access", id, "", "", expired ? -1000 : ACCESS_TTL_MS, text, &e);
  if (!err && rk_str_eq(kind, RK_STR("revoked"))) err = rk_shop_store_revoke(s->db, id, &e);
  if (err) answer_error(out, 503, "unavailable", "%s", e.msg);
  else out->status = 200, out->body = json_pack("{s:s, s:s}", "access_token", text, "token_type", "Bearer");
}
