/* book.c - from what was found to what waits for the user: which offer of each
 * goal, what must be asked first, and the approvals. */
#include <string.h>

#include "agent/say.h"
#include "agent/turn.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/utf8.h"

enum { MAX_TRIES = 3 }; /* offers of one goal, when its shops refuse */

/* ---- which offer ---- */

static json_t *cards_of(const struct rk_turn *t, const struct rk_goal *g) { return rk_json_arr(rk_turn_result(t, g->step), "cards"); }

static int64_t card_total(const struct rk_turn *t, const struct rk_goal *g, int64_t number) {
  return rk_json_i64(json_array_get(cards_of(t, g), (size_t)number - 1), "total_minor", 0);
}

static int64_t cheapest_card(const struct rk_turn *t, const struct rk_goal *g) {
  int64_t best = 1, n = (int64_t)json_array_size(cards_of(t, g));
  for (int64_t i = 2; i <= n; i++)
    if (card_total(t, g, i) < card_total(t, g, best)) best = i;
  return best;
}

static int64_t sum_of(const struct rk_turn *t, const int64_t numbers[]) {
  int64_t sum = 0;
  for (int32_t i = 0; i < t->n_goals; i++)
    if (numbers[i]) sum += card_total(t, &t->goals[i], numbers[i]);
  return sum;
}

/* The first card of each, 0: it has none; the cheapest of each when the first ones are too dear together. */
static void choose(const struct rk_turn *t, int64_t numbers[]) {
  for (int32_t i = 0; i < t->n_goals; i++) numbers[i] = json_array_size(cards_of(t, &t->goals[i])) ? 1 : 0;
  if (!t->intent.joint_minor || sum_of(t, numbers) <= t->intent.joint_minor) return;
  for (int32_t i = 0; i < t->n_goals; i++)
    if (numbers[i]) numbers[i] = cheapest_card(t, &t->goals[i]);
}

static struct rk_money money(const struct rk_turn *t, int64_t minor) {
  struct rk_money m = {minor, "CNY"};
  if (t->intent.currency[0]) memcpy(m.currency, t->intent.currency, 4);
  return m;
}

/* A limit whose thing was not found may have been meant for another: one without a limit of its own keeps to it. */
static void keep_lost_limit(struct rk_turn *t, int64_t numbers[]) {
  int64_t lost = 0;
  bool bare = false;
  for (int32_t i = 0; i < t->n_goals; i++) {
    const struct rk_intent *in = &t->goals[i].intent;
    if (!numbers[i] && in->max_minor > lost) lost = in->max_minor;
    bare |= numbers[i] && !in->max_minor && !in->night_minor;
  }
  if (!lost || !bare || t->intent.joint_minor) return;
  t->intent.joint_minor = lost;
  choose(t, numbers);
}

/* The sum is code's own: it is written down for whoever checks what an answer names. */
static json_t *too_dear(struct rk_turn *t, int64_t sum) {
  char all[40], limit[40];
  json_array_append_new(rk_turn_list(t, "amounts"), json_integer(sum));
  rk_money_text(money(t, sum), all);
  rk_money_text(money(t, t->intent.joint_minor), limit);
  return json_sprintf(t->intent.chinese ? "最便宜也要 %s，超过了 %s。没有下单。" : "The least that it comes to is %s, which is over %s. Nothing was ordered.", all, limit);
}

/* ---- approvals ---- */

static const json_t *prepared_for(const struct rk_turn *t, int32_t goal) {
  size_t i;
  const json_t *p;
  json_array_foreach(rk_json_arr(t->journal, "prepared"), i, p)
    if (rk_json_i64(p, "goal", -1) == goal) return p;
  return NULL;
}

static bool is_recorded(const struct rk_turn *t, const char *approval_id) {
  size_t i;
  const json_t *p;
  json_array_foreach(rk_json_arr(t->journal, "prepared"), i, p)
    if (strcmp(rk_json_cstr(p, "approval_id", ""), approval_id) == 0) return true;
  return false;
}

/* An approval of this turn that was made just before a crash and is not in the journal. "" : none. */
static void find_orphan(const struct rk_turn *t, char id[37]) {
  json_t *made = rk_trade_approvals_of_turn(t->sv->trade, t->id), *one;
  size_t i;
  id[0] = 0;
  json_array_foreach(made, i, one)
    if (!is_recorded(t, rk_json_cstr(one, "id", ""))) rk_utf8_copy(id, 37, rk_json_str(one, "id"));
  json_decref(made);
}

static void record(struct rk_turn *t, int32_t goal, const char *approval_id) {
  json_array_append_new(rk_turn_list(t, "prepared"), approval_id[0] ? json_pack("{s:i, s:s}", "goal", (int)goal, "approval_id", approval_id)
                                                                     : json_pack("{s:i, s:b}", "goal", (int)goal, "failed", 1));
}

static rk_err write_call(struct rk_turn *t, json_t *call_id, int64_t number, struct rk_error *e) {
  rk_turn_event(t, "tool_call", json_pack("{s:O, s:s, s:{s:I}}", "call_id", call_id, "name", RK_TOOL_CHECKOUT, "args", "offer", (json_int_t)number));
  return rk_turn_commit(t, NULL, e);
}

static void write_result(struct rk_turn *t, json_t *call_id, const struct rk_tool_out *out, int64_t ms) {
  const char *error = rk_json_cstr(out->result, "error", "ok");
  rk_turn_event(t, "tool_result", json_pack("{s:O, s:s, s:b, s:s, s:I, s:O}", "call_id", call_id, "name", RK_TOOL_CHECKOUT, "ok", out->ok, "summary", error, "ms",
                                            (json_int_t)ms, "result", out->result));
}

/* One offer of a goal; *done false: the shop did not take it and another may. */
static rk_err try_offer(struct rk_turn *t, int32_t goal, int64_t number, bool in_plan, bool *done, json_t **why, struct rk_error *e) {
  struct rk_goal *g = &t->goals[goal];
  struct rk_tool_out out = {0};
  char orphan[37];
  json_t *call_id = rk_turn_call_id();
  int64_t start_ms = rk_mono_ms();
  rk_err err = write_call(t, call_id, number, e);
  find_orphan(t, orphan);
  *done = true;
  if (!err && orphan[0]) out = (struct rk_tool_out){.ok = true, .result = json_pack("{s:s}", "status", "waiting"), .keep = json_pack("{s:s}", "approval_id", orphan)};
  else if (!err) err = rk_goal_checkout(t, g, number, in_plan, &out, e);
  if (!err) {
    write_result(t, call_id, &out, rk_mono_ms() - start_ms);
    if (out.ok) record(t, goal, rk_json_cstr(out.keep, "approval_id", ""));
    else *done = false;
    if (!out.ok && out.close) json_decref(*why), *why = json_incref(out.close);
    err = rk_turn_commit(t, NULL, e);
  }
  rk_tool_out_release(&out);
  json_decref(call_id);
  return err;
}

/* Is only this one offer what the user wants? */
static bool only_one(const struct rk_goal *g) { return g->intent.wish != RK_WISH_NONE || rk_json_arr(g->args, "only"); }

static rk_err prepare(struct rk_turn *t, int32_t goal, int64_t number, bool in_plan, struct rk_error *e) {
  int64_t n = (int64_t)json_array_size(cards_of(t, &t->goals[goal]));
  json_t *why = NULL;
  bool done = false;
  rk_err err = RK_OK;
  for (int tries = 0; !err && !done && number <= n && tries < MAX_TRIES; tries++, number++) {
    err = try_offer(t, goal, number, in_plan, &done, &why, e);
    if (only_one(&t->goals[goal])) break;
  }
  if (!err && !done) {
    record(t, goal, "");
    rk_turn_close(t, why ? json_incref(why) : json_string(t->intent.chinese ? "没有买成，没有扣款。" : "Nothing was bought and nothing was charged."));
  }
  json_decref(why);
  return err;
}

/* ---- what is given back ---- */

static const json_t *returns_of(const struct rk_turn *t) {
  size_t i;
  const json_t *call;
  json_array_foreach(rk_json_arr(t->journal, "calls"), i, call)
    if (rk_json_arr(rk_json_obj(call, "keep"), "back")) return rk_json_obj(call, "keep");
  return NULL;
}

static json_t *no_return(const struct rk_turn *t, rk_err err, const char *title, const char *why) {
  bool zh = t->intent.chinese;
  if (err == RK_EUNAVAIL) return json_sprintf(zh ? "“%s”：店铺不支持在这里退，请到店铺的订单页面操作。" : "“%s”: the shop takes no returns here; use the order's page at the shop.", title);
  if (err == RK_ECONFLICT) return json_sprintf(zh ? "“%s”：按店铺的规则已经退不回钱了（%s）。" : "“%s”: by the shop's rule nothing comes back (%s).", title, why);
  return json_sprintf(zh ? "“%s”：现在退不了（%s）。" : "“%s” cannot be given back now (%s).", title, why);
}

static rk_err prepare_returns(struct rk_turn *t, const json_t *keep, struct rk_error *e) {
  size_t i;
  json_t *one;
  rk_err err = RK_OK;
  json_array_foreach(rk_json_arr(keep, "back"), i, one) {
    if (err || prepared_for(t, (int32_t)i)) continue;
    json_t *approval = NULL;
    struct rk_error why = {0};
    rk_err bad = rk_trade_turn_gives_back(t->sv->trade, t->user_id, t->chat_id, t->id, rk_json_cstr(one, "order_id", ""), rk_json_cstr(keep, "kind", "return"),
                                          t->intent.chinese ? "zh" : "en", &approval, &why);
    if (bad) rk_turn_close(t, no_return(t, bad, rk_json_cstr(one, "title", ""), why.msg));
    record(t, (int32_t)i, bad ? "" : rk_json_cstr(approval, "id", ""));
    json_decref(approval);
    err = rk_turn_commit(t, NULL, e);
    if (!bad) break; /* one decision after the other */
  }
  return err;
}

/* ---- all of it ---- */

/* Nothing of it waits any more. */
static rk_err drop_all(struct rk_turn *t, const char *const ids[], int32_t n, struct rk_error *e) {
  struct rk_error why;
  if (n && rk_trade_plan_drop(t->sv->trade, t->user_id, ids, n, &why)) rk_log(RK_LOG_WARN, "agent", "turn %s: %s", t->id, why.msg);
  json_array_clear(rk_turn_list(t, "prepared"));
  return rk_turn_commit(t, NULL, e);
}

/* By the merchants' own figures. */
static int64_t approved_sum(const struct rk_turn *t, const char *ids[], int32_t n) {
  int64_t sum = 0;
  for (int32_t i = 0; i < n; i++) {
    json_t *approval = rk_trade_approval(t->sv->trade, t->user_id, ids[i]);
    sum += rk_json_i64(rk_json_obj(approval, "terms"), "total_minor", 0);
    json_decref(approval);
  }
  return sum;
}

static int32_t approvals(const struct rk_turn *t, const char *ids[]) {
  int32_t n = 0;
  size_t i;
  const json_t *p;
  json_array_foreach(rk_json_arr(t->journal, "prepared"), i, p)
    if (rk_json_cstr(p, "approval_id", NULL)) ids[n++] = rk_json_cstr(p, "approval_id", "");
  return n;
}

/* A turn that is run again after a crash finds the plan that it had made. */
static rk_err make_plan(struct rk_turn *t, const char *ids[], int32_t n, struct rk_error *e) {
  json_t *first = rk_trade_approval(t->sv->trade, t->user_id, ids[0]), *plan = NULL;
  json_t *id = json_incref(json_object_get(first, "plan_id"));
  rk_err err = id ? RK_OK : rk_trade_plan_new(t->sv->trade, t->user_id, t->text, ids, n, &plan, e);
  if (plan) id = json_incref(json_object_get(plan, "id"));
  if (!err) json_object_set(t->journal, "plan_id", id);
  json_decref(id);
  json_decref(plan);
  json_decref(first);
  return err;
}

/* One approval waits by itself, several as a plan that is answered together. */
static rk_err put_before_user(struct rk_turn *t, struct rk_error *e) {
  const char *ids[RK_MAX_PLAN_STEPS];
  int32_t n = approvals(t, ids);
  if (n > 0 && t->intent.joint_minor) {
    int64_t sum = approved_sum(t, ids, n);
    if (sum > t->intent.joint_minor) {
      rk_turn_close(t, too_dear(t, sum));
      return drop_all(t, ids, n, e);
    }
  }
  if (n > 1) return make_plan(t, ids, n, e);
  if (n == 0) return RK_OK;
  json_object_set_new(t->journal, "approval_id", json_string(ids[0]));
  return rk_trade_ask_alone(t->sv->trade, t->user_id, ids[0], e); /* of a plan that came to one part */
}

static rk_err prepare_goals(struct rk_turn *t, struct rk_error *e) {
  int64_t numbers[RK_MAX_PLAN_STEPS];
  int32_t n = 0;
  rk_err err = RK_OK;
  choose(t, numbers);
  keep_lost_limit(t, numbers);
  for (int32_t i = 0; i < t->n_goals; i++) n += numbers[i] > 0;
  if (t->intent.joint_minor && n > 0 && sum_of(t, numbers) > t->intent.joint_minor) {
    rk_turn_close(t, too_dear(t, sum_of(t, numbers)));
    return RK_OK;
  }
  for (int32_t i = 0; i < t->n_goals && !err; i++) {
    if (numbers[i] && !prepared_for(t, i)) err = prepare(t, i, numbers[i], n > 1, e);
    if (!numbers[i] && n > 0) { /* the others go on; what is missing is said */
      const char *reason = rk_json_cstr(rk_turn_result(t, t->goals[i].step), "reason", NULL);
      if (reason) rk_turn_close(t, json_sprintf("%s：%s", rk_json_cstr(t->goals[i].args, "what", ""), reason));
    }
  }
  return err ? err : put_before_user(t, e);
}

rk_err rk_turn_book(struct rk_turn *t, bool *waits, struct rk_error *e) {
  const json_t *back = returns_of(t);
  rk_err err = rk_turn_make_goals(t, e);
  if (!err) err = back ? prepare_returns(t, back, e) : prepare_goals(t, e);
  if (!err && back) err = put_before_user(t, e);
  if (err) return err;
  rk_turn_set(t, "booked");
  *waits = json_object_get(t->journal, "approval_id") || json_object_get(t->journal, "plan_id");
  return rk_turn_commit(t, *waits ? "waiting" : NULL, e);
}
