/* checkout.c - checkout sessions.
 *
 * A completed or cancelled one keeps its last view; all else is worked out again
 * at every look (session.h).
 *
 *   incomplete <-> ready_for_complete -> completed
 *        \           \-> requires_escalation (the buyer goes on at continue_url)
 *         \___________\____________> canceled (asked for, or expired) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "shop/session.h"
#include "trade/ucp.h"

bool checkout_is_open(const json_t *row) {
  rk_str status = rk_json_str(row, "status");
  return !rk_str_eq(status, RK_STR("completed")) && !rk_str_eq(status, RK_STR("canceled"));
}

json_t *checkout_find(struct rk_shop *s, const struct caller *c, const char *id, struct rk_shop_answer *out) {
  json_t *row = rk_shop_store_checkout(s->db, id);
  if (row && strcmp(rk_json_cstr(row, "agent", ""), c->url) == 0) return row;
  json_decref(row);
  answer_error(out, 404, "not_found", "there is no checkout %s", id);
  return NULL;
}

/* A shop that takes no payment over the protocol hands its buyers over as soon as all else is known. */
static bool is_escalated(const struct rk_shop *s, const struct session *x) {
  if (rk_json_bool(x->state, "escalated", false)) return true;
  json_t *offered = payment_handlers(s, x);
  bool none = json_object_size(offered) == 0;
  json_decref(offered);
  return none && x->ready;
}

void checkout_answer(struct rk_shop *s, const struct caller *c, json_t *row, int32_t http, struct rk_shop_answer *out) {
  out->status = http;
  if (!checkout_is_open(row) && rk_json_obj(row, "view")) {
    out->body = json_incref(rk_json_obj(row, "view"));
    return;
  }
  struct session x;
  session_work_out(s, row, false, &x);
  const char *status = x.ready ? "ready_for_complete" : "incomplete";
  if (is_escalated(s, &x)) {
    status = "requires_escalation";
    session_say(&x, "error", "payment_authentication_required", "$.payment", "requires_buyer_input", "请在商家的页面上继续付款",
                "Continue the payment on the merchant's page");
  }
  if (rk_now_ms() >= rk_json_i64(row, "expires_ms", 0)) {
    status = "canceled";
    session_say(&x, "error", "expired", NULL, "unrecoverable", "结算已过期，请重新下单", "The checkout has expired; start a new one");
  }
  out->body = view_checkout(s, c, &x, checkout_is_open(row) ? status : "canceled");
  session_release(&x);
}

void checkout_put(struct rk_shop *s, const struct caller *c, const char *id, json_t *state, int32_t http, struct rk_shop_answer *out) {
  struct rk_error e = {0};
  int64_t expires_ms = rk_now_ms() + CHECKOUT_TTL_MS;
  rk_err err = rk_shop_store_put_checkout(s->db, id, c->url, "open", state, NULL, NULL, expires_ms, &e);
  if (!err && s->catalog.travel) err = seller_hold(s, id, state, expires_ms, &e);
  if (err) {
    answer_error(out, 503, "unavailable", "the checkout cannot be stored: %s", e.msg);
    return;
  }
  json_t *row = json_pack("{s:s, s:s, s:O, s:I}", "id", id, "status", "open", "state", state, "expires_ms", (json_int_t)expires_ms);
  checkout_answer(s, c, row, http, out);
  json_decref(row);
}

/* What a create or update asks for; NULL: answered. */
static json_t *read_state(struct rk_shop *s, const struct caller *c, const char *id, const json_t *body, struct rk_shop_answer *out) {
  json_t *state = session_is_booking(id) ? booking_read(s, body, out) : session_read(s, body, out);
  if (!state || session_is_booking(id) || change_read(s, c, body, state, out)) return state;
  json_decref(state);
  return NULL;
}

void handle_create(struct rk_shop *s, const struct caller *c, const json_t *body, struct rk_shop_answer *out) {
  const char *cart_id = rk_json_cstr(body, "cart_id", "");
  json_t *row = cart_id[0] ? rk_shop_store_checkout_of_cart(s->db, cart_id, c->url, rk_now_ms()) : NULL, *state;
  if (row) { /* one open checkout for a cart: it is shown again */
    checkout_answer(s, c, row, 200, out);
    json_decref(row);
    return;
  }
  state = cart_id[0] ? cart_take_state(s, c, cart_id, body, out) : read_state(s, c, "", body, out);
  char id[37];
  struct rk_error e = {0};
  if (!state) return;
  rk_uuid7(id);
  if (cart_id[0] && rk_shop_store_convert(s->db, cart_id, id, &e)) answer_error(out, 503, "unavailable", "the checkout cannot be stored: %s", e.msg);
  else checkout_put(s, c, id, state, 201, out);
  json_decref(state);
}

void handle_get(struct rk_shop *s, const struct caller *c, const char *id, struct rk_shop_answer *out) {
  json_t *row = checkout_find(s, c, id, out);
  if (row) checkout_answer(s, c, row, 200, out);
  json_decref(row);
}

void handle_update(struct rk_shop *s, const struct caller *c, const char *id, const json_t *body, struct rk_shop_answer *out) {
  json_t *row = checkout_find(s, c, id, out), *state = NULL;
  if (!row) return;
  if (!checkout_is_open(row)) answer_error(out, 409, "conflict", "the checkout is %s and cannot be changed", rk_json_cstr(row, "status", ""));
  else if ((state = read_state(s, c, id, body, out))) checkout_put(s, c, id, state, 200, out);
  json_decref(state);
  json_decref(row);
}

void handle_cancel(struct rk_shop *s, const struct caller *c, const char *id, struct rk_shop_answer *out) {
  json_t *row = checkout_find(s, c, id, out);
  struct rk_error e = {0};
  if (!row) return;
  if (!checkout_is_open(row)) {
    if (rk_str_eq(rk_json_str(row, "status"), RK_STR("canceled"))) checkout_answer(s, c, row, 200, out);
    else answer_error(out, 409, "conflict", "the checkout is completed; it cannot be canceled any more");
    json_decref(row);
    return;
  }
  struct session x;
  session_work_out(s, row, false, &x);
  json_array_clear(x.messages);
  json_t *view = view_checkout(s, c, &x, "canceled");
  rk_err err = rk_shop_store_put_checkout(s->db, id, c->url, "canceled", x.state, view, NULL, rk_json_i64(row, "expires_ms", 0), &e);
  if (!err) err = rk_shop_store_release(s->db, id, &e);
  if (err) {
    answer_error(out, 503, "unavailable", "the checkout cannot be stored: %s", e.msg);
    json_decref(view);
  } else out->status = 200, out->body = view;
  session_release(&x);
  json_decref(row);
}
