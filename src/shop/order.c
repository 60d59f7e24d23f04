/* order.c - how a session becomes an order: stock, order, charge and session in one transaction. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "shop/session.h"
#include "trade/ucp.h"

static void order_id(const struct rk_shop *s, char out[40]) {
  unsigned char r[4];
  char date[11];
  promised_date(&s->catalog, rk_now_ms(), 0, date);
  rk_random(r, sizeof r);
  snprintf(out, 40, "%c%c%.2s%.2s%.2s-%02X%02X%02X%02X", s->catalog.id_prefix[0] & ~0x20, s->catalog.id_prefix[1] & ~0x20,
           date + 2, date + 5, date + 8, r[0], r[1], r[2], r[3]);
}

/* Whose the order is: of the linked account, else of the telephone number it goes to. */
static rk_err set_buyer(struct rk_shop *s, const struct caller *c, const struct session *x, const char *id, struct rk_error *e) {
  char user[64];
  rk_str phone = rk_json_str(rk_json_obj(x->state, "address"), "phone_number");
  if (c->user[0]) return rk_shop_store_set_buyer(s->db, id, c->user, e);
  if (phone.n == 0) return RK_OK;
  oauth_user_of_phone(phone, user);
  return rk_shop_store_set_buyer(s->db, id, user, e);
}

rk_err order_place(struct rk_shop *s, const struct caller *c, struct session *x, const struct payment *p, struct rk_shop_answer *out, struct rk_error *e) {
  if (x->change) return change_place(s, c, x, p, out, e);
  char id[40], url[300];
  order_id(s, id);
  snprintf(url, sizeof url, "%s/orders/%s", s->origin, id);
  rk_err err = RK_OK;
  x->verified = true;
  if (s->catalog.travel) err = rk_shop_store_sell(s->db, x->id, e);
  for (int32_t i = 0; !err && !s->catalog.travel && i < x->n_lines; i++) err = rk_shop_store_take(s->db, x->lines[i].item->id, x->lines[i].quantity, e);
  json_t *report = view_report(s, x, p->instrument, p->kind), *order = view_order(s, c, x, id, url), *view = view_checkout(s, c, x, "completed");
  json_object_set_new(view, session_is_booking(x->id) ? "confirmation" : "order", json_pack("{s:s, s:s, s:s}", "id", id, "label", id, "permalink_url", url));
  if (!err && c->webhook_url[0]) err = rk_shop_store_hook(s->db, id, c->webhook_url, e);
  if (!err) err = rk_shop_store_add_order(s->db, id, x->id, c->url, report, order, x->total, s->catalog.currency, e);
  if (!err) err = set_buyer(s, c, x, id, e);
  if (!err) err = rk_shop_store_charge(s->db, &(struct rk_charge){p->jti, x->id, id, p->kind, s->catalog.currency, x->total}, e);
  if (!err) err = rk_shop_store_put_checkout(s->db, x->id, c->url, "completed", x->state, view, id, rk_json_i64(x->row, "expires_ms", 0), e);
  json_decref(order);
  json_decref(report);
  if (err) json_decref(view);
  else out->status = 200, out->body = view;
  return err;
}

/* The session as it stands, with the reason why it was not paid. */
static void refuse(struct rk_shop *s, const struct caller *c, struct session *x, const struct payment *p, struct rk_shop_answer *out) {
  session_say(x, "error", "payment_failed", "$.payment", "recoverable", p->fault.zh, p->fault.en);
  out->status = 200;
  out->body = view_checkout(s, c, x, "ready_for_complete");
}

/* The buyer goes on at the continue_url; what was asked for is kept. */
static void escalate(struct rk_shop *s, const struct caller *c, struct session *x, struct rk_shop_answer *out) {
  struct rk_error e = {0};
  json_t *state = json_copy((json_t *)(uintptr_t)x->state);
  json_object_set_new(state, "escalated", json_true());
  rk_err err = rk_shop_store_put_checkout(s->db, x->id, c->url, "open", state, NULL, NULL, rk_json_i64(x->row, "expires_ms", 0), &e);
  json_object_set(x->row, "state", state);
  json_decref(state);
  if (err) answer_error(out, 503, "unavailable", "the checkout cannot be stored: %s", e.msg);
  else checkout_answer(s, c, x->row, 200, out);
}

void handle_complete(struct rk_shop *s, const struct caller *c, const char *id, const json_t *body, struct rk_shop_answer *out) {
  json_t *row = checkout_find(s, c, id, out);
  struct payment p;
  struct session x;
  struct rk_error e = {0};
  if (!row) return;
  if (!checkout_is_open(row) || rk_now_ms() >= rk_json_i64(row, "expires_ms", 0)) { /* completed: the order stands, and is shown again */
    checkout_answer(s, c, row, 200, out);
    json_decref(row);
    return;
  }
  session_work_out(s, row, false, &x);
  if (!x.ready || !session_verify_claims(s, &x)) {
    out->status = 200;
    out->body = view_checkout(s, c, &x, "incomplete");
  } else {
    enum payment_outcome o = payment_take(s, c, &x, body, &p);
    if (o == PAYMENT_REFUSED) refuse(s, c, &x, &p, out);
    else if (o == PAYMENT_ESCALATED) escalate(s, c, &x, out);
    else if (order_place(s, c, &x, &p, out, &e)) answer_error(out, 503, "unavailable", "the order cannot be stored now: %s", e.msg);
  }
  session_release(&x);
  json_decref(row);
}

void handle_order(struct rk_shop *s, const struct caller *c, const char *id, struct rk_shop_answer *out) {
  json_t *row = rk_shop_store_order(s->db, id);
  out->status = 200;
  if (row && strcmp(rk_json_cstr(row, "agent", ""), c->url) == 0) out->body = json_incref(rk_json_obj(row, "view"));
  else out->body = ucp_refusal("not_found", "unrecoverable", "there is no such order");
  json_decref(row);
}
