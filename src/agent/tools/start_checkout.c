#include <string.h>

#include "agent/turn.h"

static rk_err refuse(struct rk_tool_out *out, json_t *text) {
  out->ok = false;
  out->result = json_pack("{s:o}", "error", text);
  return RK_OK;
}

/* The number the user's words point to; 0: any of those shown. */
static int64_t meant(const struct rk_turn *t) {
  return t->intent.wish != RK_WISH_NONE || rk_json_arr(t->journal, "only") ? 1 : 0;
}

static const json_t *instrument_of(const struct rk_turn *t) {
  size_t i;
  const json_t *one, *def = NULL;
  json_array_foreach(rk_json_arr(t->profile, "instruments"), i, one) {
    if (t->intent.instrument && strcmp(rk_json_cstr(one, "kind", ""), t->intent.instrument) == 0) return one;
    if (!def || rk_json_bool(one, "default", false)) def = one;
  }
  return t->intent.instrument ? NULL : def;
}

static bool too_poor(const json_t *instrument, const struct rk_offer *o) {
  return strcmp(rk_json_cstr(instrument, "kind", ""), "wallet") == 0 && rk_json_i64(instrument, "balance_minor", 0) < o->total.minor;
}

/* The balance is an answer, not a failure: it is said in code's own words too. */
static rk_err say_too_poor(struct rk_turn *t, const json_t *instrument, const struct rk_offer *o, struct rk_tool_out *out) {
  struct rk_money balance = {rk_json_i64(instrument, "balance_minor", 0), ""};
  memcpy(balance.currency, o->total.currency, 4);
  char have[40], need[40];
  rk_money_text(balance, have);
  rk_money_text(o->total, need);
  json_t *text = json_sprintf(t->intent.chinese ? "钱包余额不足：余额 %s，需要 %s。没有下单。可以改用银行卡。"
                                                : "The wallet balance is too low: it holds %s, this costs %s. Nothing was ordered. You can pay by card instead.", have, need);
  json_object_set(t->journal, "close", text);
  return refuse(out, text);
}

/* The page itself was shown by the trade core, with the total there. */
static rk_err say_own_page(struct rk_turn *t, const char *why, struct rk_tool_out *out) {
  json_object_set_new(t->journal, "close", json_string(t->intent.chinese ? "这里没有付款：请在上面给出的商家页面继续。" : "Nothing was paid here: go on at the shop's own page that is shown above."));
  return refuse(out, json_string(why));
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

/* Said by code, because the model does not know why. Where only this offer will do, it ends the attempt. */
static rk_err shop_refused(struct rk_turn *t, rk_err err, const char *why, bool only_one, struct rk_tool_out *out) {
  for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
    if (refusals[i].err != err) continue;
    json_t *text = json_sprintf(t->intent.chinese ? "没有买成：%s（%s）。没有扣款。" : "Nothing was bought: %s (%s). Nothing was charged.",
                                t->intent.chinese ? refusals[i].zh : refusals[i].en, why);
    json_object_set_new(t->journal, only_one ? "close" : "shop_refused", text);
    return refuse(out, json_sprintf("the shop did not take it: %s", why));
  }
  return err;
}

rk_err rk_tool_start_checkout(struct rk_turn *t, const char *call_id, const json_t *args, struct rk_tool_out *out, struct rk_error *e) {
  (void)call_id;
  int64_t number = rk_json_i64(args, "offer", 0), want = meant(t);
  int32_t n_cards = (int32_t)json_array_size(rk_json_arr(rk_json_obj(t->journal, "search"), "cards"));
  if (t->intent.mode != RK_MODE_BUY) return refuse(out, json_string("the user has not asked to buy: answer in words"));
  if (n_cards == 0) return refuse(out, json_string("there is no offer to buy: search first"));
  if (number < 1 || number > n_cards) return refuse(out, json_sprintf("there is no offer %lld: call start_checkout with a number from 1 to %d", (long long)number, n_cards));
  if (want && number != want)
    return refuse(out, json_sprintf("offer %lld is not the one the user asked for: call start_checkout with offer %lld", (long long)number, (long long)want));
  struct rk_offer *o = rk_turn_offer(t, number);
  if (!o) return refuse(out, json_string("this offer is gone: search again"));
  if (!rk_pick_within(&t->intent, o)) return refuse(out, json_string("this offer is over the user's limit: search again"));
  const json_t *instrument = instrument_of(t);
  if (!instrument) return refuse(out, json_string("the profile has no such means of payment: say so"));
  if (too_poor(instrument, o)) return say_too_poor(t, instrument, o, out);
  struct rk_prepare p = {.user_id = t->user_id, .chat_id = t->chat_id, .turn_id = t->id, .offer = o,
                         .max_total_minor = t->intent.per_unit ? t->intent.max_minor * (o->quantity > 0 ? o->quantity : 1) : t->intent.max_minor,
                         .deliver_by = t->intent.date, .instrument_id = rk_json_cstr(instrument, "id", NULL),
                         .lang = t->intent.chinese ? "zh" : "en"};
  if (!rk_turn_address(t, &p.address)) return refuse(out, json_string("the address is missing: ask for it"));
  if (t->intent.per_unit) p.max_total_minor += o->delivery ? o->delivery->fee.minor : 0;
  json_t *approval = NULL;
  rk_err err = rk_trade_prepare(t->sv->trade, &p, &approval, e);
  if (err == RK_EPAYMENT) return say_own_page(t, e->msg, out);
  if (err) return shop_refused(t, err, e->msg, want != 0, out);
  json_object_del(t->journal, "shop_refused");
  json_object_set_new(t->journal, "approval_id", json_string(rk_json_cstr(approval, "id", "")));
  out->ok = true;
  out->result = json_pack("{s:s, s:s}", "status", "waiting", "note", "the user sees the exact terms and decides");
  json_decref(approval);
  return RK_OK;
}
