#include "agent/say.h"

#include "base/limits.h"

#include <stdio.h>
#include <string.h>

#include "trade/tell.h"

enum { MAX_SIZES = 24 };

static bool profile_has_size(void *ud, const char *kind) {
  const struct rk_turn *t = ud;
  return !t->intent.for_other && rk_json_cstr(rk_json_obj(t->profile, "sizes"), kind, "")[0] != 0;
}

static void add_slot(json_t *slots, const char *name, const char *type, json_t *values) {
  json_t *slot = json_pack("{s:s, s:s}", "name", name, "type", type);
  if (values) json_object_set_new(slot, "enum", values);
  json_array_append_new(slots, slot);
}

static void add_words(struct rk_buf *text, bool zh, const char *in_zh, const char *in_en) {
  rk_buf_adds(text, text->n ? (zh ? "、" : ", ") : "");
  rk_buf_adds(text, zh ? in_zh : in_en);
}

static void ask_size(struct rk_turn *t, json_t *slots, struct rk_buf *text) {
  const char *values[MAX_SIZES];
  int32_t n = rk_pick_sizes(&t->intent, &t->picked, t->offers, t->n_offers, profile_has_size, t, values, MAX_SIZES);
  if (n == 0) return;
  json_t *list = json_array();
  add_words(text, t->intent.chinese, "尺码（", "the size (");
  for (int32_t i = 0; i < n; i++) {
    json_array_append_new(list, json_string(values[i]));
    rk_buf_addf(text, "%s%s", i ? "/" : "", values[i]);
  }
  rk_buf_adds(text, t->intent.chinese ? "）" : ")");
  add_slot(slots, "size", "string", list);
}

json_t *rk_say_question(struct rk_turn *t) {
  bool zh = t->intent.chinese;
  json_t *slots = json_array();
  struct rk_buf what;
  struct rk_address address;
  rk_buf_init(&what, 4096);
  if (t->intent.quantity_vague) {
    add_slot(slots, "qty", "integer", NULL);
    rk_buf_addf(&what, zh ? "数量（1 到 %d）" : "how many (1 to %d)", RK_MAX_QUANTITY);
  }
  ask_size(t, slots, &what);
  if (!rk_turn_address(t, &address)) {
    add_slot(slots, "address", "string", NULL);
    add_words(&what, zh, "收货地址（地址、收件人、电话）", "the delivery address (street, name, phone)");
  }
  json_t *question = NULL;
  if (json_array_size(slots)) {
    char id[37];
    rk_uuid7(id);
    json_t *text = json_sprintf(zh ? "下单前还需要知道：%s。" : "Before ordering I need to know: %s.", what.p);
    question = json_pack("{s:s, s:O, s:o}", "question_id", id, "slots", slots, "text", text);
  }
  json_decref(slots);
  rk_buf_release(&what);
  return question;
}

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

json_t *rk_say_order(struct rk_turn *t, const json_t *order, json_t **close) {
  char total[40], less[120];
  total_text(order, total);
  less_text(order, t->intent.chinese, less, sizeof less);
  const char *number = rk_json_cstr(order, "merchant_order_id", rk_json_cstr(order, "id", ""));
  const char *shop = rk_json_cstr(rk_json_obj(order, "merchant"), "name", ""), *date = rk_json_cstr(rk_json_obj(order, "delivery"), "date", "");
  const char *title = rk_json_cstr(json_array_get(rk_json_arr(order, "lines"), 0), "title", "");
  *close = t->intent.chinese ? json_sprintf("订单号 %s（%s），合计 %s%s%s%s。", number, shop, total, less, date[0] ? "，预计送达 " : "", date)
                             : json_sprintf("Order %s (%s), total %s%s%s%s.", number, shop, total, less, date[0] ? ", delivery promised for " : "", date);
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "status", "ordered", "order", number, "shop", shop, "title", title, "total", total, "delivery",
                   date, "answer_in", t->intent.chinese ? "中文" : "English");
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

static bool has(const struct rk_answer *a, const char *text) { return rk_str_find(rk_buf_str(&a->text), rk_str_c(text)) >= 0; }

void rk_say_bind(struct rk_turn *t, const struct rk_answer *a, struct rk_buf *more) {
  const char *close = rk_json_cstr(t->journal, "close", NULL);
  if (!close) close = rk_json_cstr(t->journal, "shop_refused", NULL);
  const json_t *search = rk_json_obj(t->journal, "search");
  json_t *cards = rk_json_arr(search, "cards");
  const char *reason = rk_json_cstr(search, "reason", "");
  if (close) {
    if (!has(a, close)) rk_buf_adds(more, close);
  } else if (json_array_size(cards)) {
    bool named = rk_answer_names(a, rk_json_i64(json_array_get(cards, 0), "total_minor", 0));
    if (!named && !rk_json_bool(t->journal, "told", false)) rk_buf_adds(more, reason);
  } else if (search) {
    if (!has(a, reason)) rk_buf_adds(more, reason);
  } else if (a->text.n == 0) {
    rk_buf_adds(more, rk_json_i64(t->journal, "searches", 0) ? (t->intent.chinese ? "没有找到这样的商品，换个说法再试试。" : "I found no such thing; try to name it in other words.")
                      : t->intent.chinese ? "我没有可靠的答案。" : "I have no reliable answer to this.");
  }
}
