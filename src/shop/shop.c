#include "shop/shop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "shop/own.h"
#include "shop/private.h"
#include "trade/payment_token.h"
#include "trade/ucp.h"

enum { PATH_BYTES = 4096, MAX_KEY_BYTES = 255 };

/* ---- opening ---- */

static rk_err make_dirs(const char *path, struct rk_error *e) {
  char part[PATH_BYTES];
  snprintf(part, sizeof part, "%s", path);
  for (char *p = part + 1;; p++) {
    if (*p && *p != '/') continue;
    char was = *p;
    *p = 0;
    if (mkdir(part, 0700) != 0 && errno != EEXIST) return rk_fail(e, RK_EIO, "%s: %s", part, strerror(errno));
    *p = was;
    if (!was) return RK_OK;
  }
}

static rk_err shop_dir(const char *dir, const char *data_dir, char *out, size_t size, struct rk_error *e) {
  rk_str path = rk_str_c(dir);
  while (path.n > 1 && path.p[path.n - 1] == '/') path.n--;
  int own = snprintf(out, size, "%.*s/shop.db", RK_STR_ARG(path)); /* a shop of one's own keeps its data itself */
  if (own > 0 && (size_t)own < size && access(out, F_OK) == 0) {
    out[path.n] = 0;
    return RK_OK;
  }
  size_t at = path.n;
  while (at > 0 && path.p[at - 1] != '/') at--;
  int n = snprintf(out, size, "%s/shops/%.*s", data_dir, (int)(path.n - at), path.p + at);
  return n > 0 && (size_t)n < size ? RK_OK : rk_fail(e, RK_EINVAL, "the data directory's path is too long");
}

rk_err rk_shop_db_path(const char *dir, const char *data_dir, char *path, size_t size, struct rk_error *e) {
  char parent[PATH_BYTES];
  rk_err err = shop_dir(dir, data_dir, parent, sizeof parent, e);
  if (err) return err;
  int n = snprintf(path, size, "%s/shop.db", parent);
  return n > 0 && (size_t)n < size ? RK_OK : rk_fail(e, RK_EINVAL, "the data directory's path is too long");
}

/* Products and index as the database has them, made beside those that are in use; then they take their place. */
static rk_err load_goods(struct rk_shop *s, int64_t version, struct rk_error *e) {
  struct rk_index *index = NULL, *old_index = s->index;
  struct rk_arena *a = rk_arena_new(CATALOG_BYTES), *old = s->goods;
  struct rk_catalog *c = a ? rk_arena_alloc(a, sizeof *c) : NULL; /* the index goes on pointing to it */
  if (c) *c = s->catalog, c->n_items = c->n_products = c->n_categories = 0;
  rk_err err = c ? rk_own_load(s->db, a, c, e) : rk_fail(e, RK_ENOMEM, "out of memory");
  if (!err) err = rk_catalog_index(a, c, e);
  if (!err) err = rk_index_new(c, &index, e);
  if (err) {
    if (a) rk_arena_free(a);
    return err;
  }
  pthread_rwlock_wrlock(&s->goods_lock);
  s->index = index;
  s->goods = a;
  s->catalog = *c;
  pthread_rwlock_unlock(&s->goods_lock);
  s->goods_version = version;
  rk_index_free(old_index);
  if (old) rk_arena_free(old);
  return RK_OK;
}

/* An own shop's goods change while it is served: by an import, or on its admin page. Whoever sees it first loads them; who
 * comes meanwhile is served from what was there a moment ago. */
static void look_for_changes(struct rk_shop *s) {
  struct rk_error e = {0};
  if (s->goods_version == 0 || rk_shop_store_goods_version(s->db) == s->goods_version || pthread_mutex_trylock(&s->load_lock) != 0) return;
  int64_t version = rk_shop_store_goods_version(s->db);
  if (version != s->goods_version && load_goods(s, version, &e)) rk_log(RK_LOG_ERROR, "shop", "the goods cannot be read: %s", e.msg);
  pthread_mutex_unlock(&s->load_lock);
}

rk_err rk_shop_open(const struct rk_shop_opts *o, struct rk_shop **out, struct rk_error *e) {
  char path[PATH_BYTES];
  struct rk_shop *s = calloc(1, sizeof *s);
  if (!s) return rk_fail(e, RK_ENOMEM, "out of memory");
  s->o = *o;
  pthread_mutex_init(&s->lock, NULL);
  pthread_rwlock_init(&s->goods_lock, NULL);
  pthread_mutex_init(&s->load_lock, NULL);
  s->lock_fd = -1;
  s->arena = rk_arena_new(CATALOG_BYTES);
  rk_err err = s->arena ? rk_catalog_load(o->dir, s->arena, &s->catalog, e) : rk_fail(e, RK_ENOMEM, "out of memory");
  if (!err && !s->catalog.travel && !s->catalog.own) err = rk_index_new(&s->catalog, &s->index, e);
  for (int v = 0; !err && v < UCP_VERSIONS; v++) s->capabilities[v] = shop_capabilities(s, (enum ucp_version)v);
  if (!err) err = shop_dir(o->dir, o->data_dir, path, sizeof path - 16, e);
  if (!err) err = make_dirs(path, e);
  if (!err) err = rk_own_lock(path, &s->lock_fd, e);
  size_t n = strnlen(path, sizeof path);
  if (!err) snprintf(path + n, sizeof path - n, "/shop.pem");
  if (!err) err = rk_key_load_or_make(path, &s->key, e);
  if (!err) snprintf(path + n, sizeof path - n, "/shop.db");
  if (!err) err = rk_shop_store_open(path, &s->db, e);
  if (!err) err = s->catalog.own ? load_goods(s, rk_shop_store_goods_version(s->db), e) : rk_shop_store_seed(s->db, &s->catalog, e);
  if (err) {
    rk_shop_close(s);
    return err;
  }
  *out = s;
  return RK_OK;
}

void rk_shop_close(struct rk_shop *s) {
  if (!s) return;
  for (int i = 0; i < MAX_AGENTS; i++) caller_release(&s->agents[i].caller);
  rk_index_free(s->index);
  if (s->db) rk_db_close(s->db);
  if (s->key) rk_key_free(s->key);
  for (int v = 0; v < UCP_VERSIONS; v++) json_decref(s->capabilities[v]);
  if (s->goods) rk_arena_free(s->goods);
  if (s->arena) rk_arena_free(s->arena);
  if (s->lock_fd >= 0) close(s->lock_fd);
  pthread_rwlock_destroy(&s->goods_lock);
  pthread_mutex_destroy(&s->load_lock);
  pthread_mutex_destroy(&s->lock);
  free(s);
}

const char *rk_shop_name(const struct rk_shop *s) { return s->catalog.name; }
const struct rk_catalog *rk_shop_catalog(const struct rk_shop *s) { return &s->catalog; }
void rk_shop_set_origin(struct rk_shop *s, const char *origin) {
  snprintf(s->origin, sizeof s->origin, "%s", origin);
  rk_own_note_origin(s->lock_fd, origin);
}

/* ---- requests ---- */

enum op { OP_NONE, OP_SEARCH, OP_LOOKUP, OP_PRODUCT, OP_CREATE, OP_GET, OP_UPDATE, OP_COMPLETE, OP_CANCEL, OP_CART_CREATE, OP_CART_GET,
          OP_CART_UPDATE, OP_CART_CANCEL, OP_BOOK, OP_BOOKING_GET, OP_BOOKING_UPDATE, OP_BOOKING_COMPLETE, OP_BOOKING_CANCEL, OP_ORDER, OP_REFUND, OP_REFUND_GET, OP_REFUND_CONFIRM, OP_ACCOUNT, OP_ACCOUNT_ORDERS };
enum body { BODY_NONE, BODY_NEEDED, BODY_MAY_LACK };

/* What an operation needs: the capability it belongs to (NULL: none), its body, an Idempotency-Key. */
static const struct { const char *capability; enum body body; bool write; } ops[] = {
  [OP_SEARCH] = {RK_UCP_SEARCH, BODY_NEEDED, false}, [OP_LOOKUP] = {RK_UCP_LOOKUP, BODY_NEEDED, false}, [OP_PRODUCT] = {RK_UCP_LOOKUP, BODY_NEEDED, false},
  [OP_CREATE] = {RK_UCP_CHECKOUT, BODY_NEEDED, true}, [OP_GET] = {RK_UCP_CHECKOUT, BODY_NONE, false}, [OP_UPDATE] = {RK_UCP_CHECKOUT, BODY_NEEDED, true},
  [OP_COMPLETE] = {RK_UCP_CHECKOUT, BODY_NEEDED, true}, [OP_CANCEL] = {RK_UCP_CHECKOUT, BODY_MAY_LACK, true},
  [OP_CART_CREATE] = {RK_UCP_CART, BODY_NEEDED, true}, [OP_CART_GET] = {RK_UCP_CART, BODY_NONE, false}, [OP_CART_UPDATE] = {RK_UCP_CART, BODY_NEEDED, true},
  [OP_CART_CANCEL] = {RK_UCP_CART, BODY_MAY_LACK, true},
  [OP_BOOK] = {RK_UCP_BOOKING, BODY_NEEDED, true}, [OP_BOOKING_GET] = {RK_UCP_BOOKING, BODY_NONE, false}, [OP_BOOKING_UPDATE] = {RK_UCP_BOOKING, BODY_NEEDED, true},
  [OP_BOOKING_COMPLETE] = {RK_UCP_BOOKING, BODY_NEEDED, true}, [OP_BOOKING_CANCEL] = {RK_UCP_BOOKING, BODY_MAY_LACK, true}, [OP_ORDER] = {RK_UCP_ORDER, BODY_NONE, false},
  [OP_REFUND] = {RK_UCP_REFUND, BODY_NEEDED, true}, [OP_REFUND_GET] = {RK_UCP_REFUND, BODY_NONE, false},
  [OP_REFUND_CONFIRM] = {RK_UCP_REFUND, BODY_MAY_LACK, true}, [OP_ACCOUNT] = {NULL, BODY_NONE, false}, [OP_ACCOUNT_ORDERS] = {NULL, BODY_NONE, false}};

/* "/checkout-sessions/ID/complete" -> op and ID. allowed: the method is wrong for a path that exists. */
static enum op route(rk_str method, rk_str path, char id[MAX_ID_BYTES], bool *exists) {
  static const struct { const char *prefix, *suffix, *method; enum op op; } routes[] = {
    {"/catalog/search", NULL, "POST", OP_SEARCH}, {"/catalog/lookup", NULL, "POST", OP_LOOKUP},
    {"/catalog/product", NULL, "POST", OP_PRODUCT},
    {"/checkout-sessions", NULL, "POST", OP_CREATE}, {"/checkout-sessions/", "", "GET", OP_GET},
    {"/checkout-sessions/", "", "PUT", OP_UPDATE}, {"/checkout-sessions/", "/complete", "POST", OP_COMPLETE},
    {"/checkout-sessions/", "/cancel", "POST", OP_CANCEL},
    {"/carts", NULL, "POST", OP_CART_CREATE}, {"/carts/", "", "GET", OP_CART_GET}, {"/carts/", "", "PUT", OP_CART_UPDATE},
    {"/booking-sessions", NULL, "POST", OP_BOOK}, {"/booking-sessions/", "", "GET", OP_BOOKING_GET}, {"/booking-sessions/", "", "PUT", OP_BOOKING_UPDATE},
    {"/booking-sessions/", "/complete", "POST", OP_BOOKING_COMPLETE}, {"/booking-sessions/", "/cancel", "POST", OP_BOOKING_CANCEL},
    {"/carts/", "/cancel", "POST", OP_CART_CANCEL}, {"/account", NULL, "GET", OP_ACCOUNT}, {"/account/orders", NULL, "GET", OP_ACCOUNT_ORDERS}, {"/orders/", "", "GET", OP_ORDER},
    {"/refunds", NULL, "POST", OP_REFUND}, {"/refunds/", "", "GET", OP_REFUND_GET}, {"/refunds/", "/confirm", "POST", OP_REFUND_CONFIRM}};
  *exists = false;
  for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
    rk_str rest = path, suffix = rk_str_c(routes[i].suffix), prefix = rk_str_c(routes[i].prefix);
    if (!routes[i].suffix) {
      if (!rk_str_eq(path, prefix)) continue;
    } else {
      if (!rk_str_starts(rest, prefix) || !rk_str_ends(rest, suffix) || rest.n <= prefix.n + suffix.n) continue;
      rest.p += prefix.n;
      rest.n -= prefix.n + suffix.n;
      if (memchr(rest.p, '/', rest.n) || memchr(rest.p, 0, rest.n) || rest.n >= MAX_ID_BYTES) continue;
      memcpy(id, rest.p, rest.n);
      id[rest.n] = 0;
    }
    *exists = true;
    if (rk_str_eq_c(method, routes[i].method)) return routes[i].op;
  }
  return OP_NONE;
}

/* A session is known at the addresses of its own kind only. */
static bool is_elsewhere(enum op op, const char *id) {
  bool checkout = op >= OP_GET && op <= OP_CANCEL, booking = op >= OP_BOOKING_GET && op <= OP_BOOKING_CANCEL;
  return (checkout || booking) && session_is_booking(id) != booking;
}

static void run(struct rk_shop *s, enum op op, const struct caller *c, const char *id, const json_t *body, struct rk_shop_answer *out) {
  if (is_elsewhere(op, id)) {
    answer_error(out, 404, "not_found", "there is no such session %s", id);
    return;
  }
  switch (op) {
    case OP_SEARCH: handle_search(s, c, body, out); break;
    case OP_LOOKUP: handle_lookup(s, c, body, out); break;
    case OP_PRODUCT: handle_product(s, c, body, out); break;
    case OP_CREATE: handle_create(s, c, body, out); break;
    case OP_BOOK: handle_booking_create(s, c, body, out); break;
    case OP_GET: case OP_BOOKING_GET: handle_get(s, c, id, out); break;
    case OP_UPDATE: case OP_BOOKING_UPDATE: handle_update(s, c, id, body, out); break;
    case OP_COMPLETE: case OP_BOOKING_COMPLETE: handle_complete(s, c, id, body, out); break;
    case OP_CANCEL: case OP_BOOKING_CANCEL: handle_cancel(s, c, id, out); break;
    case OP_CART_CREATE: handle_cart_create(s, c, body, out); break;
    case OP_CART_GET: handle_cart_get(s, c, id, out); break;
    case OP_CART_UPDATE: handle_cart_update(s, c, id, body, out); break;
    case OP_CART_CANCEL: handle_cart_cancel(s, c, id, out); break;
    case OP_ACCOUNT: handle_account(s, c, false, out); break;
    case OP_ACCOUNT_ORDERS: handle_account(s, c, true, out); break;
    case OP_ORDER: handle_order(s, c, id, out); break;
    case OP_REFUND: handle_refund_quote(s, c, body, out); break;
    case OP_REFUND_GET: handle_refund_get(s, c, id, out); break;
    case OP_REFUND_CONFIRM: handle_refund_confirm(s, c, id, out); break;
    case OP_NONE: break;
  }
}

/* The stored answer of this key, or a conflict. False: the key is new. */
static bool replay(struct rk_shop *s, const struct caller *c, const char *key, const char *request, const char *sha256, struct rk_shop_answer *out) {
  json_t *kept = rk_shop_store_answer(s->db, c->url, key);
  if (!kept) return false;
  if (strcmp(rk_json_cstr(kept, "sha256", ""), sha256) == 0 && strcmp(rk_json_cstr(kept, "request", ""), request) == 0) {
    out->status = (int32_t)rk_json_i64(kept, "status", 500);
    out->body = json_incref(json_object_get(kept, "body"));
  } else answer_error(out, 409, "idempotency_conflict", "this Idempotency-Key was used with another request");
  json_decref(kept);
  return true;
}

/* The work and the remembered answer are one transaction; an answer of 500 and more leaves nothing behind. */
static void run_keyed(struct rk_shop *s, enum op op, const struct caller *c, const char *id, const struct rk_shop_request *r, const json_t *body,
                      struct rk_shop_answer *out) {
  char sha256[65], key[MAX_KEY_BYTES + 1], request[MAX_ID_BYTES + 64];
  struct rk_error e = {0};
  if (r->key.n == 0 || r->key.n > MAX_KEY_BYTES || memchr(r->key.p, 0, r->key.n)) {
    answer_error(out, 400, "idempotency_key_required", "a write carries an Idempotency-Key of 1 to %d bytes", MAX_KEY_BYTES);
    return;
  }
  snprintf(key, sizeof key, "%.*s", RK_STR_ARG(r->key));
  snprintf(request, sizeof request, "%.*s %.*s", RK_STR_ARG(r->method), (int)(r->path.n < 150 ? r->path.n : 150), r->path.p);
  rk_sha256_hex(r->body, sha256);
  if (s->outage || rk_db_begin(s->db, &e)) {
    answer_error(out, 503, "unavailable", "the shop's database is not available: %s", e.msg);
    return;
  }
  if (replay(s, c, key, request, sha256, out)) {
    rk_db_rollback(s->db);
    return;
  }
  run(s, op, c, id, body, out);
  rk_err err = out->status < 500 ? rk_shop_store_put_answer(s->db, c->url, key, request, sha256, out->status, out->body, &e) : RK_OK;
  if (out->status >= 500 || err) rk_db_rollback(s->db);
  else err = rk_db_commit(s->db, &e);
  if (err) {
    json_decref(out->body);
    answer_error(out, 503, "unavailable", "nothing of this was stored: %s", e.msg);
  }
}

/* A token signed by a key that we do not know yet: the agent may have a new one. */
static bool has_unknown_key(const struct caller *c, const json_t *body) {
  struct rk_payment_claims claims;
  return rk_payment_token_verify(completion_token(body), c->keys, rk_now_ms(), &claims, NULL) == RK_EAUTH;
}

/* Orders are for who placed them: by signature or linked account; a sandbox takes the agent's word. */
static bool may_see_orders(const struct rk_shop *s, const struct caller *c, struct rk_shop_answer *out) {
  if (c->is_signed || c->user[0] || (s->o.sandbox && !s->o.order_auth)) return true;
  answer_error(out, 401, "unauthorized", "orders are shown to requests that are signed, or made for a linked account");
  return false;
}

/* The body, or an empty object. NULL: answered. */
static json_t *read_body(enum op op, rk_str text, struct rk_shop_answer *out) {
  struct rk_error e = {0};
  text = rk_str_trim(text);
  if (ops[op].body == BODY_NONE || (ops[op].body == BODY_MAY_LACK && text.n == 0)) return json_object();
  json_t *body = rk_json_parse(text, RK_MAX_HTTP_BODY_BYTES, &e);
  if (json_is_object(body)) return body;
  json_decref(body);
  answer_error(out, 400, "invalid_request", "the body is no JSON object: %s", e.msg);
  return NULL;
}

/* The catalogue says what is wrong with a request in the envelope (catalog, REST binding), all else as {code, content}. */
static void wrap_catalog_error(enum op op, struct rk_shop_answer *out) {
  bool catalog = op == OP_SEARCH || op == OP_LOOKUP || op == OP_PRODUCT;
  if (!catalog || out->status != 400 || !json_object_get(out->body, "code")) return;
  json_t *flat = out->body;
  out->body = ucp_refusal(rk_json_cstr(flat, "code", ""), "unrecoverable", rk_json_cstr(flat, "content", ""));
  json_decref(flat);
}

/* A refusal is written before it is known to whom. */
static void set_version(json_t *body, enum ucp_version v) {
  json_t *ucp = rk_json_obj(body, "ucp");
  if (ucp && rk_str_eq(rk_json_str(ucp, "status"), RK_STR("error"))) json_object_set_new(ucp, "version", json_string(ucp_version_name(v)));
}

static void answer_request(struct rk_shop *s, enum op op, const char *id, const struct rk_shop_request *r, struct rk_shop_answer *out) {
  struct caller c;
  json_t *body = NULL;
  if (!caller_find(s, r->agent, false, &c, out)) return;
  if (!caller_verify(s, r, &c, out) || !oauth_identify(s, r, &c, out) || !(body = read_body(op, r->body, out))) goto out;
  if ((op == OP_COMPLETE || op == OP_BOOKING_COMPLETE) && has_unknown_key(&c, body)) {
    json_t *grant = json_incref(c.grant);
    bool is_signed = c.is_signed;
    caller_release(&c);
    if (!caller_find(s, r->agent, true, &c, out)) {
      json_decref(grant);
      goto out;
    }
    c.is_signed = is_signed;
    oauth_use_grant(&c, grant);
  }
  if (ops[op].capability && !json_object_get(c.active, ops[op].capability)) {
    out->status = 200;
    out->body = ucp_refusal("capabilities_incompatible", "unrecoverable", "the agent's profile lacks the capability of this operation");
  } else if (op == OP_ORDER && !may_see_orders(s, &c, out)) goto out;
  else if (ops[op].write) run_keyed(s, op, &c, id, r, body, out);
  else run(s, op, &c, id, body, out);
  wrap_catalog_error(op, out);
  set_version(out->body, c.version);
out:
  json_decref(body);
  caller_release(&c);
}

/* Takes "/v2026-08-25" off a path. Returns whether it was there. */
static bool strip_version(rk_str *path, enum ucp_version *v) {
  *v = UCP_2026_04_08;
  if (path->n < 12 || memcmp(path->p, "/v", 2) != 0 || (path->n > 12 && path->p[12] != '/')) return false;
  if (!ucp_version_of((rk_str){path->p + 2, 10}, v)) return false;
  path->p += 12;
  path->n -= 12;
  return true;
}

/* An operation is spoken in the version of the agent's profile, whichever address it came to. */
static void handle(struct rk_shop *s, const struct rk_shop_request *request, struct rk_shop_answer *out) {
  struct rk_shop_request r = *request;
  char id[MAX_ID_BYTES] = "";
  bool exists;
  enum ucp_version v;
  *out = (struct rk_shop_answer){0};
  bool leaf = strip_version(&r.path, &v);
  if (rk_str_eq(r.path, RK_STR("/.well-known/ucp")) && rk_str_eq(r.method, RK_STR("GET"))) {
    *out = (struct rk_shop_answer){.status = 200, .body = shop_profile(s, v, !leaf), .cacheable = true};
    return;
  }
  if (oauth_handle(s, &r, out) || testing_handle(s, &r, out) || admin_handle(s, &r, out) || page_handle(s, &r, out) || picture_handle(s, &r, out)) return;
  enum op op = route(r.method, r.path, id, &exists);
  if (op != OP_NONE) answer_request(s, op, id, &r, out);
  else if (exists) answer_error(out, 405, "method_not_allowed", "this method is not served here");
  else answer_error(out, 404, "not_found", "there is nothing at this address; see /.well-known/ucp");
}

void rk_shop_handle(struct rk_shop *s, const struct rk_shop_request *request, struct rk_shop_answer *out) {
  look_for_changes(s);
  pthread_rwlock_rdlock(&s->goods_lock);
  handle(s, request, out);
  pthread_rwlock_unlock(&s->goods_lock);
}

/* ---- answers ---- */

void rk_shop_answer_header(struct rk_shop_answer *a, const char *name, const char *value) {
  RK_ASSERT(a->n_headers < RK_MAX_ANSWER_HEADERS);
  a->headers[a->n_headers].name = name;
  a->headers[a->n_headers].value = strdup(value);
  if (a->headers[a->n_headers].value) a->n_headers++;
}

void rk_shop_answer_release(struct rk_shop_answer *a) {
  json_decref(a->body);
  free(a->text);
  for (int32_t i = 0; i < a->n_headers; i++) free(a->headers[i].value);
  *a = (struct rk_shop_answer){0};
}

char *rk_shop_answer_text(const struct rk_shop *s, struct rk_shop_answer *a) {
  if (!a->body) {
    char *text = a->text ? a->text : strdup("");
    a->text = NULL;
    return text;
  }
  char *text = rk_json_dump(a->body);
  a->content_type = "application/json";
  if (text) shop_sign_answer(s, rk_str_c(text), a);
  return text;
}
