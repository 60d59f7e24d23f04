/* The resources of docs/api.md: each handler reads the request, asks the module
 * that owns the thing, and answers with its JSON. */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "net/digest.h"
#include "server/private.h"
#include "trade/trade.h"

enum { MAX_KEY_BYTES = 255 };

static const char *user_of(const struct rk_http_req *r) { return ((const struct rk_session *)rk_http_user(r))->user_id; }

/* An id of a path as a C string; anything longer than an id is none. */
struct id { char text[80]; };
static struct id id_of(const struct rk_http_req *r) {
  struct id id = {{0}};
  rk_str s = rk_http_param(r, "id");
  if (s.n < sizeof id.text) memcpy(id.text, s.p, s.n);
  return id;
}

/* {name: v}, or 404 when there is none. Takes v. */
static void reply_named(struct rk_http_req *r, const char *name, json_t *v, const char *what) {
  struct rk_error e;
  if (v) {
    rk_http_reply_json(r, 200, json_pack("{s:o}", name, v));
  } else {
    rk_fail(&e, RK_ENOTFOUND, "there is no such %s", what);
    rk_http_reply_error(r, &e);
  }
}

/* ---- Idempotency-Key ---- */

static rk_err read_key(const struct rk_http_req *r, char out[MAX_KEY_BYTES + 1], struct rk_error *e) {
  rk_str key = rk_http_header(r, "Idempotency-Key");
  if (key.n > MAX_KEY_BYTES) return rk_fail(e, RK_EINVAL, "Idempotency-Key is over %d bytes", (int)MAX_KEY_BYTES);
  for (size_t i = 0; i < key.n; i++)
    if (key.p[i] < 0x20 || key.p[i] > 0x7E) return rk_fail(e, RK_EINVAL, "Idempotency-Key must be printable ASCII");
  memcpy(out, key.p, key.n);
  out[key.n] = 0;
  return RK_OK;
}

/* Deciding twice the same way changes nothing, so only a key that comes back with another request must be caught. */
static rk_err check_key_reuse(struct rk_server *s, const struct rk_http_req *r, struct rk_error *e) {
  char key[MAX_KEY_BYTES + 1], text[MAX_KEY_BYTES + 100], hash[65], request[65];
  rk_err err = read_key(r, key, e);
  if (err || !key[0]) return err;
  struct rk_buf b;
  rk_buf_init(&b, RK_MAX_HTTP_BODY_BYTES + 4096);
  rk_buf_addstr(&b, rk_http_path(r));
  rk_buf_addc(&b, '\n');
  rk_buf_addstr(&b, rk_http_body(r));
  rk_sha256_hex(rk_buf_str(&b), request);
  rk_buf_release(&b);
  snprintf(text, sizeof text, "%s\n%s", user_of(r), key);
  rk_sha256_hex(rk_str_c(text), hash);
  pthread_mutex_lock(&s->mu);
  bool known = false, same = true;
  for (int i = 0; i < RK_SERVER_MAX_KEYS_SEEN && !known; i++) {
    known = strcmp(s->seen[i].key, hash) == 0;
    if (known) same = strcmp(s->seen[i].request, request) == 0;
  }
  if (!known) {
    memcpy(s->seen[s->next_seen].key, hash, sizeof hash);
    memcpy(s->seen[s->next_seen].request, request, sizeof request);
    s->next_seen = (s->next_seen + 1) % RK_SERVER_MAX_KEYS_SEEN;
  }
  pthread_mutex_unlock(&s->mu);
  return same ? RK_OK : rk_fail(e, RK_ECONFLICT, "this Idempotency-Key was used for another request");
}

/* ---- turns ---- */

static rk_err read_optional(const json_t *body, const char *key, const char **out, struct rk_error *e) {
  const json_t *v = json_object_get(body, key);
  *out = NULL;
  if (!v || json_is_null(v)) return RK_OK;
  if (!json_is_string(v)) return rk_fail(e, RK_EINVAL, "%s must be a string", key);
  *out = json_string_value(v);
  return RK_OK;
}

static rk_err read_turn(const struct rk_http_req *r, const json_t *body, char *key, struct rk_turn_new *in, struct rk_error *e) {
  const json_t *text = json_object_get(body, "text"), *thinking = json_object_get(body, "thinking");
  if (!json_is_object(body)) return rk_fail(e, RK_EINVAL, "the body must be a JSON object");
  if (!json_is_string(text)) return rk_fail(e, RK_EINVAL, "text must be a string");
  if (thinking && !json_is_boolean(thinking)) return rk_fail(e, RK_EINVAL, "thinking must be true or false");
  *in = (struct rk_turn_new){.user_id = user_of(r), .text = rk_json_str(body, "text"), .thinking = json_is_true(thinking)};
  rk_err err = read_optional(body, "chat_id", &in->chat_id, e);
  if (!err) err = read_optional(body, "parent_id", &in->parent_id, e);
  if (!err) err = read_key(r, key, e);
  if (key[0]) in->idempotency_key = key;
  return err;
}

void rk_route_turn_new(struct rk_http_req *r, void *ctx) {
  struct rk_server *s = ctx;
  struct rk_error e = {0};
  struct rk_turn_new in;
  char key[MAX_KEY_BYTES + 1] = "", chat_id[37], turn_id[37];
  json_t *body = rk_http_json(r, &e);
  rk_err err = body ? read_turn(r, body, key, &in, &e) : e.code;
  if (!err) err = rk_agent_submit(s->o.agent, &in, chat_id, turn_id, &e);
  json_decref(body);
  if (err) {
    rk_http_reply_error(r, &e);
    return;
  }
  rk_metrics_count(s->metrics, RK_COUNT_TURNS);
  rk_http_reply_json(r, 202, json_pack("{s:s,s:s}", "chat_id", chat_id, "turn_id", turn_id));
}

void rk_route_turn_cancel(struct rk_http_req *r, void *ctx) {
  struct rk_server *s = ctx;
  struct rk_error e = {0};
  if (rk_agent_cancel(s->o.agent, user_of(r), id_of(r).text, &e)) rk_http_reply_error(r, &e);
  else rk_http_reply_json(r, 200, json_object());
}

/* Last-Event-ID is newer than the address when a browser connects again. */
void rk_route_events(struct rk_http_req *r, void *ctx) {
  struct rk_server *s = ctx;
  const struct rk_session *se = rk_http_user(r);
  rk_str last = rk_http_header(r, "Last-Event-ID");
  if (last.n == 0) last = rk_http_query(r, "after");
  int64_t after = 0;
  if (last.n && (!rk_str_i64(last, &after) || after < 0))
    rk_http_reply_error(r, &(struct rk_error){RK_EINVAL, "after must be the number of an event"});
  else
    rk_events_open(s->events, r, se->user_id, se->id, after);
}

/* ---- approvals ---- */

/* A key only gets here with the scope "approve"; trade refuses plain keys. */
static const char *decider(const struct rk_session *se) { return strcmp(se->kind, "key") == 0 ? "key_approve" : se->kind; }

/* Asks the merchant first, on a worker: what was not known may be known by now. */
static void looked_up(struct rk_http_req *r, void *ctx) {
  const struct rk_server *s = ctx;
  rk_agent_reconcile(s->o.agent, user_of(r));
  reply_named(r, "approval", rk_trade_approval(s->o.trade, user_of(r), id_of(r).text), "approval");
}

void rk_route_approval(struct rk_http_req *r, void *ctx) {
  struct rk_server *s = ctx;
  json_t *approval = rk_trade_approval(s->o.trade, user_of(r), id_of(r).text);
  if (!rk_str_eq_c(rk_json_str(approval, "state"), "unknown")) {
    reply_named(r, "approval", approval, "approval");
    return;
  }
  json_decref(approval);
  rk_workers_run(s->workers, r, looked_up, s);
}

/* Asks the merchant, on a worker. */
static void edit(struct rk_http_req *r, void *ctx) {
  const struct rk_server *s = ctx;
  const struct rk_session *se = rk_http_user(r);
  struct rk_error e = {0};
  json_t *body = rk_http_json(r, &e), *changed = NULL;
  rk_err err = body ? RK_OK : e.code;
  const json_t *changes = rk_json_obj(body, "changes");
  if (!err && !changes) err = rk_fail(&e, RK_EINVAL, "changes is an object, as {\"instrument_id\": ID} or {\"quantity\": 2}");
  if (!err) err = rk_agent_edit(s->o.agent, se->user_id, decider(se), id_of(r).text, changes, &changed, &e);
  json_decref(body);
  if (err) rk_http_reply_error(r, &e);
  else reply_named(r, "approval", changed, "approval");
}

/* Asks the merchant, on a worker. */
static void variants(struct rk_http_req *r, void *ctx) {
  const struct rk_server *s = ctx;
  struct rk_error e = {0};
  json_t *lists = rk_trade_variants(s->o.trade, user_of(r), id_of(r).text, &e);
  if (lists) reply_named(r, "variants", lists, "purchase");
  else rk_http_reply_error(r, &e);
}

void rk_route_variants(struct rk_http_req *r, void *ctx) {
  struct rk_server *s = ctx;
  rk_workers_run(s->workers, r, variants, s);
}

void rk_route_approval_change(struct rk_http_req *r, void *ctx) {
  struct rk_server *s = ctx;
  rk_workers_run(s->workers, r, edit, s);
}

/* ---- plans ---- */

static void plan_looked_up(struct rk_http_req *r, void *ctx) {
  const struct rk_server *s = ctx;
  rk_agent_reconcile(s->o.agent, user_of(r));
  reply_named(r, "plan", rk_trade_plan(s->o.trade, user_of(r), id_of(r).text), "plan");
}

void rk_route_plan(struct rk_http_req *r, void *ctx) {
  struct rk_server *s = ctx;
  json_t *plan = rk_trade_plan(s->o.trade, user_of(r), id_of(r).text);
  const json_t *part;
  bool unknown = false;
  size_t i;
  json_array_foreach(rk_json_arr(rk_json_obj(plan, "result"), "parts"), i, part) unknown = unknown || rk_str_eq_c(rk_json_str(part, "state"), "unknown");
  if (!unknown) {
    reply_named(r, "plan", plan, "plan");
    return;
  }
  json_decref(plan);
  rk_workers_run(s->workers, r, plan_looked_up, s);
}

/* {title, approval_ids}: of purchases that wait. */
static rk_err plan_of(const struct rk_server *s, const char *user_id, const json_t *body, json_t **plan, struct rk_error *e) {
  const char *ids[RK_MAX_PLAN_PARTS], *title = rk_json_cstr(body, "title", NULL);
  const json_t *list = rk_json_arr(body, "approval_ids");
  size_t n = json_array_size(list), i;
  json_t *one;
  if (!title || strlen(title) > 200) return rk_fail(e, RK_EINVAL, "title is a text of at most 200 bytes");
  if (n < 1 || n > RK_MAX_PLAN_PARTS) return rk_fail(e, RK_EINVAL, "approval_ids names 1 to %d approvals", RK_MAX_PLAN_PARTS);
  json_array_foreach(list, i, one)
    if (!(ids[i] = json_string_value(one))) return rk_fail(e, RK_EINVAL, "approval_ids[%zu] is no id", i);
  return rk_agent_plan_new(s->o.agent, user_id, title, ids, (int32_t)n, plan, e);
}

void rk_route_plan_new(struct rk_http_req *r, void *ctx) {
  const struct rk_server *s = ctx;
  struct rk_error e = {0};
  json_t *body = rk_http_json(r, &e), *plan = NULL;
  rk_err err = body ? plan_of(s, user_of(r), body, &plan, &e) : e.code;
  json_decref(body);
  if (err) rk_http_reply_error(r, &e);
  else reply_named(r, "plan", plan, "plan");
}

void rk_route_plan_change(struct rk_http_req *r, void *ctx) {
  const struct rk_server *s = ctx;
  const struct rk_session *se = rk_http_user(r);
  struct rk_error e = {0};
  json_t *body = rk_http_json(r, &e);
  const char *on_failure = rk_json_cstr(rk_json_obj(body, "changes"), "on_failure", "");
  rk_err err = body ? rk_agent_edit_plan(s->o.agent, se->user_id, decider(se), id_of(r).text, on_failure, &e) : e.code;
  json_decref(body);
  if (err) rk_http_reply_error(r, &e);
  else reply_named(r, "plan", rk_trade_plan(s->o.trade, user_of(r), id_of(r).text), "plan");
}

/* The body's decision and the hash that was seen, handed to fn; false: answered with why not. */
static bool decided(struct rk_http_req *r, struct rk_server *s, const char *hash_key,
                    rk_err (*fn)(struct rk_agent *, const char *, const char *, const char *, const char *, const char *, struct rk_error *)) {
  const struct rk_session *se = rk_http_user(r);
  struct rk_error e = {0};
  json_t *body = rk_http_json(r, &e);
  rk_err err = body ? RK_OK : e.code;
  const char *decision = rk_json_cstr(body, "decision", NULL), *hash = rk_json_cstr(body, hash_key, NULL);
  if (!err && (!decision || !hash)) err = rk_fail(&e, RK_EINVAL, "decision and %s must be strings", hash_key);
  if (!err) err = check_key_reuse(s, r, &e);
  if (!err) err = fn(s->o.agent, se->user_id, decider(se), id_of(r).text, decision, hash, &e);
  json_decref(body);
  if (err) rk_http_reply_error(r, &e);
  else rk_metrics_count(s->metrics, RK_COUNT_DECISIONS);
  return !err;
}

void rk_route_plan_decide(struct rk_http_req *r, void *ctx) {
  struct rk_server *s = ctx;
  if (decided(r, s, "sheet_hash", rk_agent_decide_plan)) reply_named(r, "plan", rk_trade_plan(s->o.trade, user_of(r), id_of(r).text), "plan");
}

void rk_route_decide(struct rk_http_req *r, void *ctx) {
  struct rk_server *s = ctx;
  if (decided(r, s, "terms_hash", rk_agent_decide)) reply_named(r, "approval", rk_trade_approval(s->o.trade, user_of(r), id_of(r).text), "approval");
}

/* ---- chats ---- */

void rk_route_chats(struct rk_http_req *r, void *ctx) {
  const struct rk_server *s = ctx;
  int64_t last = rk_store_event_last(s->o.store, user_of(r)); /* before the list: what comes meanwhile is streamed */
  json_t *chats = rk_store_chats(s->o.store, user_of(r));
  rk_http_reply_json(r, 200, json_pack("{s:o,s:I}", "chats", chats ? chats : json_array(), "last_event", (json_int_t)last));
}

void rk_route_chat(struct rk_http_req *r, void *ctx) {
  const struct rk_server *s = ctx;
  struct id id = id_of(r);
  int64_t last = rk_store_event_last(s->o.store, user_of(r));
  json_t *chat = rk_store_chat(s->o.store, user_of(r), id.text);
  if (!chat) {
    reply_named(r, "chat", NULL, "chat");
    return;
  }
  json_t *events = rk_store_chat_events(s->o.store, user_of(r), id.text);
  json_t *messages = json_incref(json_object_get(chat, "messages"));
  json_object_del(chat, "messages");
  rk_http_reply_json(r, 200, json_pack("{s:o,s:o,s:o,s:I}", "chat", chat, "messages", messages ? messages : json_array(), "events",
                                       events ? events : json_array(), "last_event", (json_int_t)last));
}

void rk_route_chat_delete(struct rk_http_req *r, void *ctx) {
  const struct rk_server *s = ctx;
  struct rk_error e = {0};
  if (rk_store_chat_delete(s->o.store, user_of(r), id_of(r).text, &e)) rk_http_reply_error(r, &e);
  else rk_http_reply_json(r, 200, json_object());
}

/* ---- orders, ledger, profile ---- */

void rk_route_orders(struct rk_http_req *r, void *ctx) {
  const struct rk_server *s = ctx;
  json_t *orders = rk_trade_orders(s->o.trade, user_of(r));
  reply_named(r, "orders", orders ? orders : json_array(), "orders");
}

/* Asks the merchant, on a worker. */
static void order_status(struct rk_http_req *r, void *ctx) {
  const struct rk_server *s = ctx;
  struct rk_error e = {0};
  json_t *order = rk_trade_order_status(s->o.trade, user_of(r), id_of(r).text, &e);
  if (!order && e.code && e.code != RK_ENOTFOUND) rk_http_reply_error(r, &e);
  else reply_named(r, "order", order, "order");
}

void rk_route_order(struct rk_http_req *r, void *ctx) {
  struct rk_server *s = ctx;
  rk_workers_run(s->workers, r, order_status, s);
}

void rk_route_hand_overs(struct rk_http_req *r, void *ctx) {
  const struct rk_server *s = ctx;
  reply_named(r, "hand_overs", rk_trade_hand_overs(s->o.trade, user_of(r)), "hand-over");
}

/* Asks the merchant, on a worker. */
static void hand_over(struct rk_http_req *r, void *ctx) {
  const struct rk_server *s = ctx;
  struct rk_error e = {0};
  json_t *v = rk_trade_hand_over_status(s->o.trade, user_of(r), id_of(r).text, &e);
  if (v) reply_named(r, "hand_over", v, "hand-over");
  else rk_http_reply_error(r, &e);
}

void rk_route_hand_over(struct rk_http_req *r, void *ctx) {
  struct rk_server *s = ctx;
  rk_workers_run(s->workers, r, hand_over, s);
}

void rk_route_receipt(struct rk_http_req *r, void *ctx) {
  const struct rk_server *s = ctx;
  struct rk_error e;
  reply_named(r, "receipt", rk_trade_receipt(s->o.trade, user_of(r), id_of(r).text, &e), "order");
}

void rk_route_spending(struct rk_http_req *r, void *ctx) {
  const struct rk_server *s = ctx;
  struct rk_error e = {0};
  char by[16] = "month";
  rk_str asked = rk_http_query(r, "by");
  if (asked.n) snprintf(by, sizeof by, "%.*s", RK_STR_ARG(asked));
  json_t *spending = rk_trade_spending(s->o.trade, user_of(r), by, &e);
  if (spending) reply_named(r, "spending", spending, "spending");
  else rk_http_reply_error(r, &e);
}

/* Asks the merchant what would come back, or what other places cost, on a worker. */
static void give_back(struct rk_http_req *r, void *ctx) {
  const struct rk_server *s = ctx;
  struct rk_error e = {0};
  json_t *body = rk_http_json(r, &e), *approval = NULL;
  rk_err err = body ? RK_OK : e.code;
  bool changes = rk_str_eq(rk_json_str(body, "kind"), RK_STR("change"));
  if (!err) err = changes ? rk_trade_change_asked(s->o.trade, user_of(r), id_of(r).text, body, &approval, &e)
                          : rk_trade_give_back(s->o.trade, user_of(r), id_of(r).text, rk_json_cstr(body, "kind", ""), rk_json_cstr(body, "lang", NULL), &approval, &e);
  json_decref(body);
  if (err) rk_http_reply_error(r, &e);
  else reply_named(r, "approval", approval, "approval");
}

void rk_route_give_back(struct rk_http_req *r, void *ctx) {
  struct rk_server *s = ctx;
  rk_workers_run(s->workers, r, give_back, s);
}

/* ---- standing permissions ---- */

void rk_route_permissions(struct rk_http_req *r, void *ctx) {
  const struct rk_server *s = ctx;
  reply_named(r, "permissions", rk_trade_permissions(s->o.trade, user_of(r)), "permissions");
}

void rk_route_permit(struct rk_http_req *r, void *ctx) {
  const struct rk_server *s = ctx;
  const struct rk_session *se = rk_http_user(r);
  struct rk_error e = {0};
  json_t *body = rk_http_json(r, &e), *permission = NULL;
  rk_err err = body ? rk_trade_permit(s->o.trade, se->user_id, se->kind, body, &permission, &e) : e.code;
  json_decref(body);
  if (err) rk_http_reply_error(r, &e);
  else reply_named(r, "permission", permission, "permission");
}

void rk_route_revoke(struct rk_http_req *r, void *ctx) {
  const struct rk_server *s = ctx;
  const struct rk_session *se = rk_http_user(r);
  struct rk_error e = {0};
  if (rk_trade_revoke(s->o.trade, se->user_id, se->kind, id_of(r).text, &e)) rk_http_reply_error(r, &e);
  else rk_http_reply_json(r, 200, json_object());
}

void rk_route_ledger(struct rk_http_req *r, void *ctx) {
  const struct rk_server *s = ctx;
  json_t *entries = rk_trade_ledger(s->o.trade, user_of(r));
  rk_http_reply_json(r, 200, json_pack("{s:o, s:o}", "entries", entries, "accounts", rk_trade_accounts(s->o.trade, user_of(r))));
}

/* Reads every row of money and every signature, on a worker. */
static void audit(struct rk_http_req *r, void *ctx) {
  const struct rk_server *s = ctx;
  struct rk_error e = {0};
  json_t *found = NULL;
  if (rk_trade_audit(s->o.trade, &found, &e)) rk_http_reply_error(r, &e);
  else reply_named(r, "audit", found, "audit");
}

void rk_route_audit(struct rk_http_req *r, void *ctx) {
  struct rk_server *s = ctx;
  rk_workers_run(s->workers, r, audit, s);
}

void rk_route_profile(struct rk_http_req *r, void *ctx) {
  const struct rk_server *s = ctx;
  reply_named(r, "profile", rk_store_profile(s->o.store, user_of(r)), "profile");
}

void rk_route_profile_set(struct rk_http_req *r, void *ctx) {
  const struct rk_server *s = ctx;
  struct rk_error e = {0};
  json_t *body = rk_http_json(r, &e);
  rk_err err = body ? RK_OK : e.code;
  if (!err) err = rk_store_profile_set(s->o.store, user_of(r), body, &e);
  json_decref(body);
  if (err) rk_http_reply_error(r, &e);
  else rk_route_profile(r, ctx);
}
