/* start_checkout.c - the purchase of one offer of a goal, by code: an approval, or why there is none. */
#include <string.h>

#include "agent/turn.h"
#include "base/limits.h"

static const json_t *instrument_of(const struct rk_turn *t, const struct rk_goal *g) {
  size_t i;
  const json_t *one, *def = NULL;
  json_array_foreach(rk_json_arr(t->profile, "instruments"), i, one) {
    if (g->intent.instrument && strcmp(rk_json_cstr(one, "kind", ""), g->intent.instrument) == 0) return one;
    if (!def || rk_json_bool(one, "default", false)) def = one;
  }
  return g->intent.instrument ? NULL : def;
}

static bool too_poor(const json_t *instrument, struct rk_money total) {
  return strcmp(rk_json_cstr(instrument, "kind", ""), "wallet") == 0 && rk_json_i64(instrument, "balance_minor", 0) < total.minor;
}

/* The balance is an answer, not a failure: it is said in code's own words too. */
static rk_err say_too_poor(struct rk_turn *t, const json_t *instrument, struct rk_money total, struct rk_tool_out *out) {
  struct rk_money balance = {rk_json_i64(instrument, "balance_minor", 0), ""};
  memcpy(balance.currency, total.currency, 4);
  char have[40], need[40];
  rk_money_text(balance, have);
  rk_money_text(total, need);
  json_t *text = json_sprintf(t->intent.chinese ? "钱包余额不足：余额 %s，需要 %s。没有下单。可以改用银行卡。"
                                                : "The wallet balance is too low: it holds %s, this costs %s. Nothing was ordered. You can pay by card instead.", have, need);
  out->close = json_incref(text);
  return rk_tool_refuse(out, text);
}

/* The page itself was shown by the trade core, with the total there. */
static rk_err say_own_page(struct rk_turn *t, const char *why, struct rk_tool_out *out) {
  out->close = json_string(t->intent.chinese ? "这里没有付款：请在上面给出的商家页面继续。" : "Nothing was paid here: go on at the shop's own page that is shown above.");
  return rk_tool_refuse(out, json_string(why));
}

static const struct { rk_err err; const char *zh, *en; } refusals[] = {
    {RK_EINVAL, "它不符合你的条件", "it does not meet your conditions"},
    {RK_EUPSTREAM, "店铺不接受这笔订单，或者它的结算对不上", "the shop does not take this order, or its figures do not add up"},
    {RK_EFORMAT, "店铺的结算对不上", "the shop's figures do not add up"},
    {RK_ECONFLICT, "店铺的结算已经变了", "the shop's checkout has changed"},
    {RK_EAUTH, "店铺的回答不能采信，或者它要求关联账号", "its answer cannot be trusted, or it wants your account there"},
    {RK_ENOTFOUND, "店铺不认得这件商品或这笔结算", "the shop does not know the item or the checkout"},
    {RK_ETOOBIG, "店铺的回答太大", "the shop's answer is too large"},
    {RK_EFORBIDDEN, "店铺指向了不允许的地址", "the shop points to an address that is not allowed"},
    {RK_EUNAVAIL, "店铺没有回应", "the shop did not answer"},
    {RK_ETIMEOUT, "店铺没有及时回应", "the shop did not answer in time"},
};

/* Said by code, because the model does not know why. */
static rk_err shop_refused(struct rk_turn *t, rk_err err, const char *why, struct rk_tool_out *out) {
  for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
    if (refusals[i].err != err) continue;
    json_t *text = json_sprintf(t->intent.chinese ? "没有买成：%s（%s）。没有扣款。" : "Nothing was bought: %s (%s). Nothing was charged.",
                                t->intent.chinese ? refusals[i].zh : refusals[i].en, why);
    out->close = text;
    return rk_tool_refuse(out, json_sprintf("the shop did not take it: %s", why));
  }
  return err;
}

/* p: who asks, and for what, as far as it is known; the rest is done here. option NULL: goods. */
static rk_err prepare(struct rk_turn *t, struct rk_goal *g, struct rk_prepare *p, const struct rk_trip_option *option, struct rk_money total, struct rk_tool_out *out,
                      struct rk_error *e) {
  const char *said_to_pay = g->intent.instrument;
  bool at_the_door = said_to_pay && strcmp(said_to_pay, "on_delivery") == 0; /* whether the shop takes that, its checkout says */
  const json_t *instrument = at_the_door ? NULL : instrument_of(t, g);
  struct rk_buf said;
  json_t *approval = NULL;
  if (!instrument && !at_the_door) return rk_tool_refuse(out, json_string("the profile has no such means of payment: say so"));
  if (instrument && too_poor(instrument, total)) return say_too_poor(t, instrument, total, out);
  p->user_id = t->user_id;
  p->chat_id = t->chat_id;
  p->turn_id = t->id;
  p->instrument_id = at_the_door ? said_to_pay : rk_json_cstr(instrument, "id", NULL);
  p->lang = g->intent.chinese ? "zh" : "en";
  rk_buf_init(&said, RK_MAX_MESSAGE_BYTES + 64);
  unsigned kinds = rk_words_normal(&said, rk_str_c(t->said)) == RK_OK ? rk_trip_said(rk_buf_str(&said)) : 0;
  rk_buf_release(&said);
  rk_err err = option ? rk_trip_prepare(t->sv->trade, p, &g->trip, option, t->profile, kinds, &approval, e) : rk_trade_prepare(t->sv->trade, p, &approval, e);
  if (err == RK_EPAYMENT) return say_own_page(t, e->msg, out);
  if (err) return shop_refused(t, err, e->msg, out);
  out->ok = true;
  out->result = json_pack("{s:s, s:s}", "status", "waiting", "note", "the user sees the exact terms and decides");
  out->keep = json_pack("{s:s}", "approval_id", rk_json_cstr(approval, "id", ""));
  json_decref(approval);
  return RK_OK;
}

rk_err rk_goal_checkout(struct rk_turn *t, struct rk_goal *g, int64_t number, bool in_plan, struct rk_tool_out *out, struct rk_error *e) {
  const struct rk_intent *in = &g->intent;
  struct rk_prepare p = {.in_plan = in_plan};
  if (rk_trip_is(g->tool->name)) {
    const struct rk_trip_option *option = rk_goal_option(t, g, number);
    struct rk_traveler people[RK_MAX_TRAVELERS];
    p.travelers = people;
    p.n_travelers = option ? rk_goal_travelers(g, people) : 0;
    return option ? prepare(t, g, &p, option, option->whole.total, out, e) : rk_tool_refuse(out, json_string("this option is gone: search again"));
  }
  const struct rk_offer *o = rk_goal_offer(t, g, number);
  if (!o) return rk_tool_refuse(out, json_string("this offer is gone: search again"));
  if (!rk_pick_within(in, o)) return rk_tool_refuse(out, json_string("this offer is over the user's limit: search again"));
  if (!rk_turn_address(t, &p.address)) return rk_tool_refuse(out, json_string("the address is missing: ask for it"));
  p.offer = o;
  p.deliver_by = in->date;
  p.max_total_minor = in->per_unit ? in->max_minor * (o->quantity > 0 ? o->quantity : 1) + (o->delivery ? o->delivery->fee.minor : 0) : in->max_minor;
  return prepare(t, g, &p, NULL, o->total, out, e);
}
