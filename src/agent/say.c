#include "agent/say.h"

#include <stdio.h>
#include <string.h>

#include "trade/tell.h"

static void total_text(const json_t *v, char out[40]) {
  struct rk_money m = {rk_json_i64(v, "total_minor", 0), ""};
  rk_str currency = rk_json_str(v, "currency");
  memcpy(m.currency, currency.p, currency.n < 3 ? currency.n : 3);
  rk_money_text(m, out);
}

/* " (¥5.00 less than you approved)": the merchant took less at the end. "": it took what was approved. */
static void less_text(const json_t *order, bool zh, char *out, size_t size) {
  char less[40];
  struct rk_money m = {rk_json_i64(order, "approved_minor", 0) - rk_json_i64(order, "total_minor", 0), ""};
  rk_str currency = rk_json_str(order, "currency");
  out[0] = 0;
  if (!json_object_get(order, "approved_minor") || m.minor <= 0) return;
  memcpy(m.currency, currency.p, currency.n < 3 ? currency.n : 3);
  rk_money_text(m, less);
  snprintf(out, size, zh ? "（店铺降价，比你确认的少 %s）" : " (the shop lowered it: %s less than you approved)", less);
}

struct rk_say_when rk_say_when(const json_t *order, bool zh) {
  const json_t *options = rk_json_obj(json_array_get(rk_json_arr(order, "lines"), 0), "options");
  const char *dated = rk_json_cstr(options, "date", ""), *date = rk_json_cstr(rk_json_obj(order, "delivery"), "date", "");
  if (dated[0] && rk_json_str(rk_json_obj(order, "address"), "street").n == 0) return (struct rk_say_when){zh ? "，日期 " : ", for ", dated, true};
  return date[0] ? (struct rk_say_when){zh ? "，预计送达 " : ", delivery promised for ", date, false} : (struct rk_say_when){"", "", false};
}

/* What is paid to the carrier is said, because nothing else of the answer would. */
static void add_door(const json_t *order, bool zh, json_t **close) {
  if (!rk_str_eq_c(rk_json_str(rk_json_obj(order, "instrument"), "kind"), "on_delivery")) return;
  json_t *more = json_sprintf("%s%s", json_string_value(*close), zh ? "货到付款：这里没有扣款，请在收货时付给送货员。" : " You pay the carrier on delivery; nothing was charged here.");
  json_decref(*close);
  *close = more;
}

json_t *rk_say_order(struct rk_turn *t, const json_t *order, json_t **close) {
  char total[40], less[120];
  total_text(order, total);
  less_text(order, t->intent.chinese, less, sizeof less);
  const char *number = rk_json_cstr(order, "merchant_order_id", rk_json_cstr(order, "id", ""));
  const char *shop = rk_json_cstr(rk_json_obj(order, "merchant"), "name", "");
  struct rk_say_when when = rk_say_when(order, t->intent.chinese);
  const char *title = rk_json_cstr(json_array_get(rk_json_arr(order, "lines"), 0), "title", "");
  bool zh = t->intent.chinese;
  const char *gap = when.is_start ? (zh ? "，" : ", ") : "", *what = when.is_start ? title : "";
  *close = json_sprintf(zh ? "订单号 %s（%s%s%s），合计 %s%s%s%s。" : "Order %s (%s%s%s), total %s%s%s%s.", number, shop, gap, what, total, less, when.lead, when.date);
  add_door(order, zh, close);
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "status", "ordered", "order", number, "shop", shop, "title", title, "total", total, "date",
                   when.date, "answer_in", t->intent.chinese ? "中文" : "English");
}

json_t *rk_say_no_order(struct rk_turn *t, const char *state, const char *code, json_t **close) {
  bool zh = t->intent.chinese;
  if (strcmp(state, "refused") == 0) *close = json_string(zh ? "没有下单，也没有扣款。" : "Nothing was bought and nothing was charged.");
  else if (strcmp(state, "expired") == 0) *close = json_string(zh ? "确认已过期，没有下单，也没有扣款。" : "The approval has expired; nothing was bought and nothing was charged.");
  else if (strcmp(state, "unknown") == 0)
    *close = json_string(zh ? "现在还不知道这笔订单是否成立。不会再发送任何付款，我会继续核对；稍后可以问我订单状态。"
                            : "We do not know yet whether the order stands. Nothing will be sent again; it is being looked up, ask me for its state later.");
  else *close = json_sprintf(zh ? "没有买成：%s。没有扣款。" : "The purchase failed: %s. Nothing was charged.", rk_tell_failure(code, zh));
  return json_pack("{s:s, s:s, s:s}", "status", state, "note", strcmp(state, "unknown") == 0 ? "the outcome is not known yet" : "nothing was bought",
                   "answer_in", zh ? "中文" : "English");
}

json_t *rk_say_given_back(struct rk_turn *t, const json_t *approval, const char *state, json_t **close) {
  bool zh = t->intent.chinese;
  const json_t *terms = rk_json_obj(approval, "terms");
  const char *number = rk_json_cstr(rk_json_obj(terms, "order"), "merchant_order_id", "");
  struct rk_money m = {rk_json_i64(terms, "back_minor", 0), ""};
  rk_str currency = rk_json_str(terms, "currency");
  char back[40];
  memcpy(m.currency, currency.p, currency.n < 3 ? currency.n : 3);
  rk_money_text(m, back);
  if (strcmp(state, "completed") == 0) *close = json_sprintf(zh ? "订单 %s 已退，退回 %s。" : "Order %s was given back; %s comes back to you.", number, back);
  else if (strcmp(state, "refused") == 0) *close = json_sprintf(zh ? "没有退，订单 %s 保持不变。" : "Nothing was given back; order %s stands.", number);
  else if (strcmp(state, "expired") == 0) *close = json_sprintf(zh ? "确认已过期，订单 %s 保持不变。" : "The approval has expired; order %s stands.", number);
  else if (strcmp(state, "unknown") == 0) *close = json_sprintf(zh ? "还不知道订单 %s 的退款是否成立，我会继续核对。" : "We do not know yet whether the return of order %s stands; it is being looked up.", number);
  else *close = json_sprintf(zh ? "订单 %s 没有退成。" : "Order %s could not be given back.", number);
  return json_pack("{s:s, s:s, s:s, s:s}", "status", state, "order", number, "back", back, "answer_in", zh ? "中文" : "English");
}

static bool has(const struct rk_answer *a, const char *text) { return rk_str_find(rk_buf_str(&a->text), rk_str_c(text)) >= 0; }

static void add(struct rk_buf *more, const char *text) {
  if (more->n) rk_buf_addc(more, '\n');
  rk_buf_adds(more, text);
}

/* Where nothing else is bound, the reason of a search stands when the model did not name the first total. */
static void bind_reasons(struct rk_turn *t, const struct rk_answer *a, struct rk_buf *more) {
  size_t i;
  json_t *call;
  json_array_foreach(rk_json_arr(t->journal, "calls"), i, call) {
    const json_t *keep = rk_json_obj(call, "keep");
    const char *reason = rk_json_cstr(keep, "reason", NULL);
    const json_t *first = json_array_get(rk_json_arr(keep, "cards"), 0);
    if (!reason || has(a, reason)) continue;
    bool named = first && (rk_turn_is(t, "told") || rk_answer_names(a, rk_json_i64(first, "total_minor", 0)));
    if (!named) add(more, reason);
  }
}

void rk_say_bind(struct rk_turn *t, const struct rk_answer *a, struct rk_buf *more) {
  size_t i;
  json_t *close;
  json_array_foreach(rk_json_arr(t->journal, "closes"), i, close)
    if (!has(a, json_string_value(close))) add(more, json_string_value(close));
  if (i == 0) bind_reasons(t, a, more);
  if (more->n == 0 && a->text.n == 0) add(more, t->intent.chinese ? "我没有可靠的答案。" : "I have no reliable answer to this.");
}
