#include "agent/plan_turn.h"

#include <string.h>

#include "base/utf8.h"
#include "trade/tell.h"

static bool is(const char *state, const char *which) { return strcmp(state, which) == 0; }

/* What became of it, as far as the store knows: a plan whose end is open is told of as such. */
static rk_err run_to_end(struct rk_turn *t, const char *plan_id, json_t **plan, struct rk_error *e) {
  json_t *ignored = NULL;
  struct rk_error why = {RK_OK, ""};
  rk_err err = rk_store_turn_state(t->sv->store, t->id, "completing", e);
  if (err) return err;
  err = rk_trade_plan_complete(t->sv->trade, plan_id, &ignored, &why);
  json_decref(ignored);
  json_decref(*plan);
  *plan = rk_trade_plan(t->sv->trade, t->user_id, plan_id);
  return *plan ? RK_OK : rk_fail(e, RK_EIO, "the plan cannot be read back: %s", why.msg);
}

/* Compact: titles and amounts as the model may repeat them. */
static json_t *for_model(const json_t *plan, bool zh) {
  json_t *parts = json_array(), *one;
  size_t i;
  json_array_foreach(rk_json_arr(rk_json_obj(plan, "result"), "parts"), i, one) {
    char paid[40];
    struct rk_money m = {rk_json_i64(one, "paid_minor", 0), ""};
    rk_utf8_copy(m.currency, sizeof m.currency, rk_json_str(one, "currency"));
    rk_money_text(m, paid);
    json_t *part = json_pack("{s:O, s:O, s:s}", "title", json_object_get(one, "title"), "state", json_object_get(one, "state"), "paid", paid);
    if (json_is_string(json_object_get(one, "merchant_order_id"))) json_object_set(part, "order", json_object_get(one, "merchant_order_id"));
    json_array_append_new(parts, part);
  }
  return json_pack("{s:O, s:o, s:s}", "status", json_object_get(plan, "state"), "parts", parts, "answer_in", zh ? "中文" : "English");
}

rk_err rk_turn_plan_settle(struct rk_turn *t, bool *waits, json_t **result, json_t **close, struct rk_error *e) {
  const char *plan_id = rk_json_cstr(t->journal, "plan_id", "");
  json_t *plan = rk_trade_plan(t->sv->trade, t->user_id, plan_id);
  const char *state = rk_json_cstr(plan, "state", "expired");
  rk_err err = RK_OK;
  *result = *close = NULL;
  *waits = is(state, "pending");
  if (!*waits && (is(state, "approved") || is(state, "completing") || is(state, "undoing"))) err = run_to_end(t, plan_id, &plan, e);
  if (!*waits && !err) {
    struct rk_buf text;
    rk_buf_init(&text, RK_TELL_BYTES);
    rk_tell_plan(plan, t->intent.chinese, &text);
    *close = json_stringn(text.p ? text.p : "", text.n);
    *result = for_model(plan, t->intent.chinese);
    rk_buf_release(&text);
  }
  json_decref(plan);
  return err;
}
