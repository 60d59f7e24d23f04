#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "trade/merchant_internal.h"
#include "trade/payment_token.h"

/* A seller of stays that speaks the lodging draft is asked by booking sessions, all else by checkout sessions. The answer is
 * a checkout either way (ucp.h). */
struct wire { bool booking; const char *id; };

static struct wire wire_of(const char *id) {
  const char *own = id ? rk_merchant_checkout_id(id) : NULL;
  return (struct wire){own != id, own};
}

static struct rk_call session_call(struct wire w, const char *op, const char *method, const char *after) {
  return (struct rk_call){.op = op, .method = method, .id = w.id ? w.id : "", .after = after,
                          .before = w.booking ? (w.id ? "/booking-sessions/" : "/booking-sessions") : w.id ? "/checkout-sessions/" : "/checkout-sessions"};
}

/* As a checkout; takes answer. */
static rk_err as_checkout(struct wire w, json_t *answer, const struct rk_ucp_merchant *found, json_t **out, struct rk_error *e) {
  struct rk_error why = {0};
  *out = answer;
  if (!w.booking) return RK_OK;
  rk_err err = rk_ucp_booking_as_checkout(answer, out, &why);
  json_decref(answer);
  return err ? rk_fail(e, err, "%s: %s", found->name, why.msg) : RK_OK;
}

/* The id that the caller keeps. */
static rk_err set_id(struct wire w, const struct rk_ucp_merchant *found, struct rk_arena *a, struct rk_checkout *out, struct rk_error *e) {
  if (!w.booking) return wire_of(out->id).booking ? rk_fail(e, RK_EUPSTREAM, "%s: the id of its checkout is not usable", found->name) : RK_OK;
  out->id = rk_arena_printf(a, RK_MERCHANT_BOOKING "%s", out->id);
  return out->id ? RK_OK : rk_fail(e, RK_ETOOBIG, "out of room");
}

static rk_err read_session(int32_t status, json_t *answer, const struct rk_ucp_merchant *found, struct wire w, struct rk_arena *a,
                           struct rk_checkout *out, struct rk_error *e) {
  json_t *checkout = NULL;
  rk_err err = status < 200 || status > 299 ? rk_merchants_refusal(status, answer, found, e) : RK_OK;
  if (err) json_decref(answer);
  else err = as_checkout(w, answer, found, &checkout, e);
  if (!err) err = rk_ucp_read_checkout(checkout, found, a, out, e);
  json_decref(checkout);
  if (!err && w.id && strcmp(out->id, w.id) != 0) err = rk_fail(e, RK_EUPSTREAM, "%s answered with another checkout than was asked for", found->name);
  return err ? err : set_id(w, found, a, out, e);
}

static rk_err send_as(struct rk_merchants *m, struct wire w, const struct rk_checkout_req *q, struct rk_ucp_merchant *found, int32_t *status, json_t **answer,
                      struct rk_error *e) {
  json_t *body = w.booking ? rk_ucp_write_booking(q) : rk_ucp_write_checkout(q);
  char *text = body ? rk_json_dump(body) : NULL;
  json_decref(body);
  if (!text) return rk_fail(e, RK_EINVAL, "a text of the checkout is not valid UTF-8");
  struct rk_call call = session_call(w, w.id ? "update_checkout" : "create_checkout", w.id ? "PUT" : "POST", "");
  call.body = text;
  rk_err err = rk_merchants_call(m, q->origin, &call, found, status, answer, e);
  free(text);
  return err;
}

/* The profile of ours that it knows (a file put up by an older version) does not speak of bookings. */
static bool knows_no_bookings(const json_t *answer) {
  return rk_str_eq(rk_json_str(json_array_get(rk_json_arr(answer, "messages"), 0), "code"), RK_STR("capabilities_incompatible"));
}

static rk_err send_checkout(struct rk_merchants *m, const char *id, const struct rk_checkout_req *q, struct rk_arena *a, struct rk_checkout *out,
                            struct rk_error *e) {
  struct rk_ucp_merchant found;
  struct wire w = wire_of(id);
  json_t *answer = NULL;
  int32_t status, i;
  rk_err err = rk_merchants_find(m, q->origin, &i, &found, e);
  if (err) return err;
  if (q->change && !found.has_change) return rk_fail(e, RK_EUNAVAIL, "%s changes no orders for an agent; use the order's page", found.name);
  bool can_book = rk_ucp_can_book(&found, q);
  if (!id) w.booking = can_book;
  else if (w.booking && !can_book) return rk_fail(e, RK_EINVAL, "%s: this booking cannot be changed so", found.name);
  err = send_as(m, w, q, &found, &status, &answer, e);
  if (!err && !id && w.booking && knows_no_bookings(answer)) {
    json_decref(answer);
    w.booking = false;
    err = send_as(m, w, q, &found, &status, &answer, e);
  }
  if (!err) err = read_session(status, answer, &found, w, a, out, e);
  return !err && out->change && !q->change ? rk_fail(e, RK_EUPSTREAM, "%s wants an order in exchange that nobody offered", found.name) : err;
}

rk_err rk_merchant_checkout_create(struct rk_merchants *m, const struct rk_checkout_req *q, struct rk_arena *a, struct rk_checkout *out,
                                   struct rk_error *e) {
  return send_checkout(m, NULL, q, a, out, e);
}

rk_err rk_merchant_checkout_update(struct rk_merchants *m, const char *id, const struct rk_checkout_req *q, struct rk_arena *a,
                                   struct rk_checkout *out, struct rk_error *e) {
  return send_checkout(m, id, q, a, out, e);
}

rk_err rk_merchant_checkout_get(struct rk_merchants *m, const char *origin, const char *id, struct rk_arena *a, struct rk_checkout *out,
                                struct rk_error *e) {
  struct rk_ucp_merchant found;
  struct wire w = wire_of(id);
  struct rk_call call = session_call(w, "get_checkout", "GET", "");
  int32_t status;
  json_t *answer;
  rk_err err = rk_merchants_call(m, origin, &call, &found, &status, &answer, e);
  return err ? err : read_session(status, answer, &found, w, a, out, e);
}

rk_err rk_merchant_checkout_cancel(struct rk_merchants *m, const char *origin, const char *id, struct rk_error *e) {
  struct rk_ucp_merchant found;
  struct rk_checkout out;
  struct wire w = wire_of(id);
  struct rk_call call = session_call(w, "cancel_checkout", "POST", "/cancel");
  int32_t status;
  json_t *answer;
  struct rk_arena *a = rk_arena_new(1 << 20);
  if (!a) return rk_fail(e, RK_ENOMEM, "out of memory");
  call.body = "{}";
  rk_err err = rk_merchants_call(m, origin, &call, &found, &status, &answer, e);
  if (!err) err = read_session(status, answer, &found, w, a, &out, e);
  if (!err && out.status != RK_CO_CANCELED) err = rk_fail(e, RK_ECONFLICT, "%s did not cancel the checkout", found.name);
  rk_arena_free(a);
  return err;
}

rk_err rk_merchant_complete_body(const struct rk_payment *p, struct rk_buf *body) {
  json_t *credential = p->token ? json_pack("{s:s, s:s}", "type", p->credential_type ? p->credential_type : RK_PAYMENT_HANDLER ".token", "token", p->token) : NULL;
  json_t *v = json_pack("{s:{s:[{s:s, s:s, s:s, s:b, s:{s:s}, s:o*}]}}", "payment", "instruments", "id", p->instrument_id,
                        "handler_id", p->handler_id ? p->handler_id : RK_PAYMENT_HANDLER, "type", p->kind, "selected", 1, "display",
                        "label", p->label, "credential", credential);
  char *text = v ? rk_json_dump(v) : NULL;
  json_decref(v);
  if (!text) return RK_EINVAL;
  rk_err err = rk_buf_adds(body, text);
  free(text);
  return err;
}

enum rk_outcome rk_merchant_complete(struct rk_merchants *m, const char *origin, const char *id, const char *idempotency_key, rk_str body,
                                     struct rk_arena *a, struct rk_checkout *out, struct rk_error *e) {
  struct rk_ucp_merchant found;
  struct wire w = wire_of(id);
  struct rk_call call = session_call(w, "complete", "POST", "/complete");
  int32_t status;
  json_t *answer, *checkout = NULL;
  struct rk_error why = {0};
  *out = (struct rk_checkout){0};
  call.key = idempotency_key;
  call.body = rk_arena_dup(a, body);
  rk_err err = call.body ? rk_merchants_call(m, origin, &call, &found, &status, &answer, &why) : rk_fail(&why, RK_ETOOBIG, "out of room");
  if (!err) err = as_checkout(w, answer, &found, &checkout, &why);
  if (err) {
    rk_fail(e, RK_EUNAVAIL, "%s; whether the order stands is not known yet", why.msg);
    return RK_OUTCOME_UNKNOWN;
  }
  enum rk_outcome outcome = rk_ucp_read_completion(status, checkout, w.id, &found, a, out, e);
  json_decref(checkout);
  if (out->id && set_id(w, &found, a, out, &why)) out->id = NULL;
  return outcome;
}

/* A merchant may say so with 404, or in an answer that is 200 (order, REST binding). */
static bool is_not_found(int32_t status, const json_t *answer) {
  return status == 404 || rk_str_eq(rk_json_str(json_array_get(rk_json_arr(answer, "messages"), 0), "code"), RK_STR("not_found"));
}

rk_err rk_merchant_order(struct rk_merchants *m, const char *origin, const char *order_id, json_t **out, struct rk_error *e) {
  struct rk_ucp_merchant found;
  int32_t status;
  *out = NULL;
  rk_err err = rk_merchants_call(m, origin, &(struct rk_call){"get_order", "GET", "/orders/", order_id, "", NULL, NULL}, &found, &status, out, e);
  if (err) return err;
  if (status == 200 && rk_str_eq_c(rk_json_str(*out, "id"), order_id) && rk_json_arr(*out, "line_items")) return RK_OK;
  bool gone = is_not_found(status, *out);
  json_decref(*out);
  *out = NULL;
  return rk_fail(e, gone ? RK_ENOTFOUND : RK_EUPSTREAM, "%s does not show order %s (HTTP %d)", found.name, order_id, status);
}

/* ---- one product ---- */

/* The answer to a lookup of one id, with a product in it. */
static rk_err look_up(struct rk_merchants *m, const char *origin, const char *id, const char *lang, struct rk_ucp_merchant *found, json_t **answer, struct rk_error *e) {
  int32_t status = 0;
  json_t *body = json_pack("{s:[s], s:{s:s}}", "ids", id, "context", "language", lang);
  char *text = body ? rk_json_dump(body) : NULL;
  json_decref(body);
  *answer = NULL;
  rk_err err = text ? rk_merchants_call(m, origin, &(struct rk_call){"lookup", "POST", "/catalog/lookup", "", "", NULL, text}, found, &status, answer, e)
                    : rk_fail(e, RK_EINVAL, "an id that is no valid UTF-8");
  free(text);
  if (!err && json_array_size(rk_json_arr(*answer, "products")) == 0) err = rk_fail(e, RK_ENOTFOUND, "%s does not show this product (HTTP %d)", found->name, (int)status);
  return err;
}

/* An item leads to its product, a product to all of its variants. */
rk_err rk_merchant_variants(struct rk_merchants *m, const char *origin, const char *item_id, const char *lang, struct rk_arena *a, struct rk_offer **offers,
                            int32_t *n, struct rk_error *e) {
  struct rk_ucp_merchant found;
  int32_t i;
  json_t *of_item = NULL, *of_product = NULL;
  const char *in = lang ? lang : "zh";
  rk_err err = rk_merchants_find(m, origin, &i, &found, e);
  if (!err && !found.has_lookup) err = rk_fail(e, RK_EUNAVAIL, "%s shows no single products", found.name);
  if (!err) err = look_up(m, origin, item_id, in, &found, &of_item, e);
  const char *product_id = rk_json_cstr(json_array_get(rk_json_arr(of_item, "products"), 0), "id", item_id);
  if (!err) err = look_up(m, origin, product_id, in, &found, &of_product, e);
  if (!err) err = rk_ucp_read_offers(of_product, &found, &(struct rk_search){.lang = in}, a, offers, n, e);
  json_decref(of_product);
  json_decref(of_item);
  return err;
}

/* ---- money back ---- */

static rk_err read_refund(int32_t status, json_t *answer, const struct rk_ucp_merchant *found, struct rk_arena *a, struct rk_refund *out, struct rk_error *e) {
  rk_err err = RK_OK;
  if (status < 200 || status > 299) {
    char text[300];
    rk_ucp_error_text(answer, text, sizeof text);
    err = rk_fail(e, status == 404 ? RK_ENOTFOUND : status == 409 ? RK_ECONFLICT : RK_EUPSTREAM, "%s answered HTTP %d: %s", found->name, status, text);
  }
  if (!err) err = rk_ucp_read_refund(answer, found, a, out, e);
  json_decref(answer);
  return err;
}

rk_err rk_merchant_takes_back(struct rk_merchants *m, const char *origin, bool *takes, struct rk_error *e) {
  struct rk_ucp_merchant found;
  int32_t i;
  rk_err err = rk_merchants_find(m, origin, &i, &found, e);
  *takes = !err && found.has_refund;
  return err;
}

static rk_err takes_refunds(struct rk_merchants *m, const char *origin, struct rk_error *e) {
  struct rk_ucp_merchant found;
  int32_t i;
  rk_err err = rk_merchants_find(m, origin, &i, &found, e);
  return !err && !found.has_refund ? rk_fail(e, RK_EUNAVAIL, "%s takes no refund requests from an agent; use the order's page", found.name) : err;
}

rk_err rk_merchant_refund_quote(struct rk_merchants *m, const char *origin, const char *order_id, const struct rk_refund_line *lines,
                                int32_t n_lines, const char *lang, struct rk_arena *a, struct rk_refund *out, struct rk_error *e) {
  struct rk_ucp_merchant found;
  int32_t status;
  json_t *answer, *body = rk_ucp_write_refund(order_id, lines, n_lines, lang);
  char *text = body ? rk_json_dump(body) : NULL;
  json_decref(body);
  rk_err err = text ? takes_refunds(m, origin, e) : rk_fail(e, RK_EINVAL, "a text of the refund is not valid UTF-8");
  if (!err) err = rk_merchants_call(m, origin, &(struct rk_call){"create_refund", "POST", "/refunds", "", "", NULL, text}, &found, &status, &answer, e);
  free(text);
  if (!err) err = read_refund(status, answer, &found, a, out, e);
  return !err && strcmp(out->order_id, order_id) != 0 ? rk_fail(e, RK_EUPSTREAM, "%s answered with another order than was asked for", found.name) : err;
}

enum rk_outcome rk_merchant_refund_confirm(struct rk_merchants *m, const char *origin, const char *refund_id, const char *idempotency_key,
                                           struct rk_arena *a, struct rk_refund *out, struct rk_error *e) {
  struct rk_ucp_merchant found;
  int32_t status;
  json_t *answer;
  *out = (struct rk_refund){0};
  rk_err err = rk_merchants_call(m, origin, &(struct rk_call){"confirm_refund", "POST", "/refunds/", refund_id, "/confirm", idempotency_key, "{}"}, &found, &status, &answer, e);
  if (err) return RK_OUTCOME_UNKNOWN;
  err = read_refund(status, answer, &found, a, out, e);
  if (!err && out->completed && strcmp(out->id, refund_id) == 0) return RK_OUTCOME_DONE;
  return err == RK_ENOTFOUND || err == RK_ECONFLICT ? RK_OUTCOME_REFUSED : RK_OUTCOME_UNKNOWN;
}

rk_err rk_merchant_refund_get(struct rk_merchants *m, const char *origin, const char *refund_id, struct rk_arena *a, struct rk_refund *out,
                              struct rk_error *e) {
  struct rk_ucp_merchant found;
  int32_t status;
  json_t *answer;
  rk_err err = rk_merchants_call(m, origin, &(struct rk_call){"get_refund", "GET", "/refunds/", refund_id, "", NULL, NULL}, &found, &status, &answer, e);
  return err ? err : read_refund(status, answer, &found, a, out, e);
}
