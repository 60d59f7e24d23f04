/* testing.c - fixtures of a shop that runs with --testing: what a test suite
 * must make happen and a buyer never can.
 *
 *   POST /testing/orders/ID/adjust     {line_item_id, quantity}  money back for part of an order
 *   POST /testing/idempotency/age      {key, hours}              a remembered answer grows older
 *   POST /testing/idempotency/outage   {enabled}                 no key can be remembered
 *   POST /testing/oauth/mint           {kind}                    an access token: valid, expired, revoked, foreign_client
 *
 * The handler example.rukou.testing takes success_token, declines fail_token
 * and escalates escalate_token; claims that end in ".proven" are verified. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "shop/private.h"

enum { HOUR_MS = 3600000 };

bool testing_proves(const struct rk_shop *s, const char *claim) { return s->o.testing && rk_str_ends(rk_str_c(claim), RK_STR(".proven")); }

/* The id in "/testing/orders/ID/adjust". */
static bool order_of(rk_str path, char id[MAX_ID_BYTES]) {
  static const rk_str before = {"/testing/orders/", 16}, after = {"/adjust", 7};
  if (!rk_str_starts(path, before) || !rk_str_ends(path, after) || path.n <= before.n + after.n) return false;
  size_t n = path.n - before.n - after.n;
  if (n >= MAX_ID_BYTES) return false;
  memcpy(id, path.p + before.n, n);
  id[n] = 0;
  return true;
}

static void ok(struct rk_shop_answer *out) {
  out->status = 200;
  out->body = json_object();
}

/* The quote and its confirmation that an agent would ask for. */
static void adjust(struct rk_shop *s, const char *order_id, const json_t *body, struct rk_shop_answer *out) {
  json_t *order = rk_shop_store_order(s->db, order_id);
  struct caller c = {.active = json_object()};
  strncpy(c.url, rk_json_cstr(order, "agent", ""), sizeof c.url - 1);
  json_t *asked = json_pack("{s:s, s:[{s:s, s:I}]}", "order_id", order_id, "line_items", "id", rk_json_cstr(body, "line_item_id", ""), "quantity",
                            (json_int_t)rk_json_i64(body, "quantity", 0));
  handle_refund_quote(s, &c, asked, out);
  json_decref(asked);
  json_decref(order);
  if (out->status == 201) {
    char id[MAX_ID_BYTES];
    strncpy(id, rk_json_cstr(out->body, "id", ""), sizeof id - 1);
    id[sizeof id - 1] = 0;
    json_decref(out->body);
    *out = (struct rk_shop_answer){0};
    handle_refund_confirm(s, &c, id, out);
  }
  caller_release(&c);
}

static void age(struct rk_shop *s, const json_t *body, struct rk_shop_answer *out) {
  struct rk_error e = {0};
  rk_err err = rk_shop_store_age_answers(s->db, rk_json_cstr(body, "key", ""), rk_json_i64(body, "hours", 0) * HOUR_MS, &e);
  if (err) answer_error(out, 503, "unavailable", "%s", e.msg);
  else ok(out);
}

static bool run(struct rk_shop *s, rk_str path, const json_t *body, struct rk_shop_answer *out) {
  char id[MAX_ID_BYTES];
  if (order_of(path, id)) adjust(s, id, body, out);
  else if (rk_str_eq(path, RK_STR("/testing/idempotency/age"))) age(s, body, out);
  else if (rk_str_eq(path, RK_STR("/testing/idempotency/outage"))) {
    s->outage = rk_json_bool(body, "enabled", false);
    ok(out);
  } else if (rk_str_eq(path, RK_STR("/testing/oauth/mint"))) oauth_mint(s, rk_json_str(body, "kind"), out);
  else return false;
  return true;
}

bool testing_handle(struct rk_shop *s, const struct rk_shop_request *r, struct rk_shop_answer *out) {
  struct rk_error e = {0};
  if (!s->o.testing || !rk_str_starts(r->path, RK_STR("/testing/")) || !rk_str_eq(r->method, RK_STR("POST"))) return false;
  json_t *body = rk_json_parse(rk_str_trim(r->body), RK_MAX_HTTP_BODY_BYTES, &e);
  bool handled = true;
  if (rk_db_begin(s->db, &e)) answer_error(out, 503, "unavailable", "%s", e.msg);
  else {
    handled = run(s, r->path, body, out);
    if (!handled || out->status >= 400) rk_db_rollback(s->db);
    else if (rk_db_commit(s->db, &e)) answer_error(out, 503, "unavailable", "%s", e.msg);
  }
  json_decref(body);
  return handled;
}
