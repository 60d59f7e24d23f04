/* settle.c - the user's decision, and what came of it. */
#include <string.h>

#include "agent/plan_turn.h"
#include "agent/prompt.h"
#include "agent/say.h"
#include "agent/turn.h"

static json_t *current(const struct rk_turn *t, const char *id) { return rk_trade_approval_current(t->sv->trade, t->user_id, id); }

static json_t *order_of(struct rk_turn *t, const json_t *approval) {
  struct rk_error ignored;
  return rk_trade_order_status(t->sv->trade, t->user_id, rk_json_cstr(approval, "order_id", ""), &ignored);
}

static bool is(const char *state, const char *word) { return strcmp(state, word) == 0; }
static bool is_on_its_way(const char *state) { return is(state, "approved") || is(state, "completing") || is(state, "unknown"); }

static void tell_model(struct rk_turn *t, const json_t *result) {
  json_t *call_id = rk_turn_call_id(), *none = json_object();
  json_array_append_new(rk_turn_list(t, "messages"), rk_prompt_call(json_string_value(call_id), RK_TOOL_CHECKOUT, none));
  json_array_append_new(rk_turn_list(t, "messages"), rk_prompt_result(json_string_value(call_id), RK_TOOL_CHECKOUT, result));
  json_decref(none);
  json_decref(call_id);
}

/* Nothing is left held at the merchants of a plan that the user has refused, or let run out. */
static void let_go_plan(struct rk_turn *t, const char *plan_id) {
  json_t *plan = rk_trade_plan(t->sv->trade, t->user_id, plan_id), *one;
  size_t i;
  json_array_foreach(rk_json_arr(plan, "approvals"), i, one) rk_trade_let_go(t->sv->trade, t->user_id, rk_json_cstr(one, "id", ""));
  json_decref(plan);
}

/* Brings an approved purchase to its end, or says how it ended. */
static rk_err end_of(struct rk_turn *t, const char *id, struct rk_error *e) {
  json_t *approval = current(t, id), *order = NULL, *close = NULL, *result;
  const char *state = rk_json_cstr(approval, "state", "failed");
  bool purchase = is(rk_json_cstr(approval, "kind", "purchase"), "purchase");
  struct rk_error ignored;
  rk_err err = RK_OK;
  if (is(state, "pending")) state = "expired";
  if (is_on_its_way(state)) {
    err = rk_store_turn_state(t->sv->store, t->id, "completing", e);
    if (err) goto end;
    rk_err done = rk_trade_complete(t->sv->trade, rk_json_cstr(approval, "id", ""), &order, &ignored);
    if (done == RK_OK) state = "completed";
    else { /* what is stored says how it ended; anything but an end is not known yet, as after a full disk */
      json_decref(approval);
      approval = current(t, id);
      state = is(rk_json_cstr(approval, "state", ""), "failed") ? "failed" : "unknown";
    }
  } else if (is(state, "completed") && purchase) {
    order = order_of(t, approval);
  }
  if (!purchase) result = rk_say_given_back(t, approval, state, &close);
  else if (is(state, "completed") && order) result = rk_say_order(t, order, &close);
  else result = rk_say_no_order(t, state, rk_json_cstr(approval, "failure_code", ""), &close);
  if (is(state, "refused") || is(state, "expired")) rk_trade_let_go(t->sv->trade, t->user_id, rk_json_cstr(approval, "id", id));
  if (purchase && (is(state, "completed") || is(state, "unknown"))) rk_turn_set(t, "ordered");
  tell_model(t, result);
  rk_turn_close(t, close);
  json_decref(result);
end:
  json_decref(order);
  json_decref(approval);
  return err;
}

static bool still_waits(const json_t *v, int64_t expires_ms) { return is(rk_json_cstr(v, "state", ""), "pending") && expires_ms > rk_now_ms(); }

/* Some part of it stands, or may. */
static bool has_ordered(const json_t *result) {
  size_t i;
  json_t *part;
  json_array_foreach(rk_json_arr(result, "parts"), i, part)
    if (json_object_get(part, "order")) return true;
  return is(rk_json_cstr(result, "status", ""), "completing") || is(rk_json_cstr(result, "status", ""), "undoing");
}

static rk_err settle_plan(struct rk_turn *t, bool *waits, struct rk_error *e) {
  json_t *result = NULL, *close = NULL;
  rk_err err = rk_turn_plan_settle(t, waits, &result, &close, e);
  if (!err && !*waits) {
    if (has_ordered(result)) rk_turn_set(t, "ordered");
    else let_go_plan(t, rk_json_cstr(t->journal, "plan_id", ""));
    tell_model(t, result);
    rk_turn_close(t, json_incref(close));
  }
  json_decref(result);
  json_decref(close);
  return err;
}

static rk_err settle_one(struct rk_turn *t, const char *id, bool *waits, struct rk_error *e) {
  json_t *approval = current(t, id);
  *waits = still_waits(approval, rk_json_i64(approval, "expires_ms", 0));
  json_decref(approval);
  return *waits ? RK_OK : end_of(t, id, e);
}

rk_err rk_turn_settle(struct rk_turn *t, bool *waits, struct rk_error *e) {
  rk_err err = rk_json_cstr(t->journal, "plan_id", NULL) ? settle_plan(t, waits, e) : settle_one(t, rk_json_cstr(t->journal, "approval_id", ""), waits, e);
  if (err) return err;
  if (!*waits) rk_turn_set(t, "settled");
  return rk_turn_commit(t, *waits ? "waiting" : NULL, e);
}
