/* cart.c - carts: lines and codes without address, payment or stock held; a checkout can begin from one. */
#include <string.h>

#include "base/clock.h"
#include "shop/session.h"
#include "trade/ucp.h"

enum { CART_TTL_MS = 86400000 };

/* The row of an open cart of this agent; NULL: answered. */
static json_t *find(struct rk_shop *s, const struct caller *c, const char *id, struct rk_shop_answer *out) {
  json_t *row = rk_shop_store_cart(s->db, id);
  if (row && strcmp(rk_json_cstr(row, "agent", ""), c->url) == 0 && rk_now_ms() < rk_json_i64(row, "expires_ms", 0)) return row;
  json_decref(row);
  out->status = 200;
  out->body = ucp_refusal("not_found", "unrecoverable", "There is no such cart, or it has expired or was canceled");
  return NULL;
}

static void answer(struct rk_shop *s, const struct caller *c, json_t *row, int32_t http, struct rk_shop_answer *out) {
  struct session x;
  session_work_out(s, row, true, &x);
  out->status = http;
  out->body = view_cart(s, c, &x);
  session_release(&x);
}

static void put_and_answer(struct rk_shop *s, const struct caller *c, const char *id, json_t *state, int32_t http, struct rk_shop_answer *out) {
  struct rk_error e = {0};
  int64_t expires_ms = rk_now_ms() + CART_TTL_MS;
  if (rk_shop_store_put_cart(s->db, id, c->url, state, expires_ms, &e)) {
    answer_error(out, 503, "unavailable", "the cart cannot be stored: %s", e.msg);
    return;
  }
  json_t *row = json_pack("{s:s, s:O, s:I}", "id", id, "state", state, "expires_ms", (json_int_t)expires_ms);
  answer(s, c, row, http, out);
  json_decref(row);
}

void handle_cart_create(struct rk_shop *s, const struct caller *c, const json_t *body, struct rk_shop_answer *out) {
  json_t *state = session_read(s, body, out);
  char id[37];
  if (!state) return;
  rk_uuid7(id);
  put_and_answer(s, c, id, state, 201, out);
  json_decref(state);
}

void handle_cart_get(struct rk_shop *s, const struct caller *c, const char *id, struct rk_shop_answer *out) {
  json_t *row = find(s, c, id, out);
  if (row) answer(s, c, row, 200, out);
  json_decref(row);
}

void handle_cart_update(struct rk_shop *s, const struct caller *c, const char *id, const json_t *body, struct rk_shop_answer *out) {
  json_t *row = find(s, c, id, out), *state = row ? session_read(s, body, out) : NULL;
  if (state) put_and_answer(s, c, id, state, 200, out);
  json_decref(state);
  json_decref(row);
}

/* Answers with the cart as it was; after that there is none. */
void handle_cart_cancel(struct rk_shop *s, const struct caller *c, const char *id, struct rk_shop_answer *out) {
  json_t *row = find(s, c, id, out);
  struct rk_error e = {0};
  if (!row) return;
  if (rk_shop_store_delete_cart(s->db, id, &e)) answer_error(out, 503, "unavailable", "the cart cannot be canceled: %s", e.msg);
  else answer(s, c, row, 200, out);
  json_decref(row);
}

json_t *cart_take_state(struct rk_shop *s, const struct caller *c, const char *cart_id, const json_t *body, struct rk_shop_answer *out) {
  json_t *row = find(s, c, cart_id, out), *state = row ? json_deep_copy(rk_json_obj(row, "state")) : NULL;
  if (state) {
    json_object_set_new(state, "quoted_ms", json_integer(rk_now_ms()));
    session_read_delivery(body, state); /* a cart has none */
  }
  json_decref(row);
  return state;
}
