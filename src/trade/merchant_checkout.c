#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "trade/merchant_internal.h"
#include "trade/payment_token.h"

static rk_err read_session(int32_t status, json_t *answer, const struct rk_ucp_merchant *found, const char *id, struct rk_arena *a,
                           struct rk_checkout *out, struct rk_error *e) {
  rk_err err = RK_OK;
  if (status < 200 || status > 299) err = rk_merchants_refusal(status, answer, found, e);
  if (!err) err = rk_ucp_read_checkout(answer, found, a, out, e);
  if (!err && id && strcmp(out->id, id) != 0) err = rk_fail(e, RK_EUPSTREAM, "%s answered with another checkout than was asked for", found->name);
  json_decref(answer);
  return err;
}

static rk_err send_checkout(struct rk_merchants *m, const char *id, const struct rk_checkout_req *q, struct rk_arena *a, struct rk_checkout *out,
                            struct rk_error *e) {
  struct rk_ucp_merchant found;
  int32_t status;
  json_t *answer, *body = rk_ucp_write_checkout(q);
  char *text = body ? rk_json_dump(body) : NULL;
  json_decref(body);
  if (!text) return rk_fail(e, RK_EINVAL, "a text of the checkout is not valid UTF-8");
  struct rk_call call = {.op = id ? "update_checkout" : "create_checkout", .method = id ? "PUT" : "POST",
                         .before = id ? "/checkout-sessions/" : "/checkout-sessions", .id = id ? id : "", .after = "", .body = text};
  rk_err err = rk_merchants_call(m, q->origin, &call, &found, &status, &answer, e);
  free(text);
  return err ? err : read_session(status, answer, &found, id, a, out, e);
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
  int32_t status;
  json_t *answer;
  rk_err err = rk_merchants_call(m, origin, &(struct rk_call){"get_checkout", "GET", "/checkout-sessions/", id, "", NULL, NULL}, &found, &status, &answer, e);
  return err ? err : read_session(status, answer, &found, id, a, out, e);
}

rk_err rk_merchant_checkout_cancel(struct rk_merchants *m, const char *origin, const char *id, struct rk_error *e) {
  struct rk_ucp_merchant found;
  struct rk_checkout out;
  int32_t status;
  json_t *answer;
  struct rk_arena *a = rk_arena_new(1 << 20);
  if (!a) return rk_fail(e, RK_ENOMEM, "out of memory");
  rk_err err = rk_merchants_call(m, origin, &(struct rk_call){"cancel_checkout", "POST", "/checkout-sessions/", id, "/cancel", NULL, "{}"}, &found, &status, &answer, e);
  if (!err) err = read_session(status, answer, &found, id, a, &out, e);
  if (!err && out.status != RK_CO_CANCELED) err = rk_fail(e, RK_ECONFLICT, "%s did not cancel the checkout", found.name);
  rk_arena_free(a);
  return err;
}

rk_err rk_merchant_complete_body(const struct rk_payment *p, struct rk_buf *body) {
  json_t *v = json_pack("{s:{s:[{s:s, s:s, s:s, s:b, s:{s:s}, s:{s:s, s:s}}]}}", "payment", "instruments", "id", p->instrument_id,
                        "handler_id", p->handler_id ? p->handler_id : RK_PAYMENT_HANDLER, "type", p->kind, "selected", 1, "display",
                        "label", p->label, "credential", "type", p->credential_type ? p->credential_type : RK_PAYMENT_HANDLER ".token",
                        "token", p->token);
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
  int32_t status;
  json_t *answer;
  struct rk_error why = {0};
  *out = (struct rk_checkout){0};
  char *text = rk_arena_dup(a, body);
  rk_err err = text ? rk_merchants_call(m, origin, &(struct rk_call){"complete", "POST", "/checkout-sessions/", id, "/complete", idempotency_key, text}, &found, &status, &answer, &why)
                    : rk_fail(&why, RK_ETOOBIG, "out of room");
  if (err) {
    rk_fail(e, RK_EUNAVAIL, "%s; whether the order stands is not known yet", why.msg);
    return RK_OUTCOME_UNKNOWN;
  }
  enum rk_outcome outcome = rk_ucp_read_completion(status, answer, id, &found, a, out, e);
  json_decref(answer);
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
