#include "trade/tell.h"

#include <string.h>

#include "base/utf8.h"
#include "trade/money.h"

struct text { const char *code, *zh, *en; };

static const struct text failures[] = {
  {"expired", "确认在下单之前过期了", "the approval expired before the order was placed"},
  {"checkout_gone", "店铺已经不认得这笔结算", "the shop no longer knows the checkout"},
  {"canceled", "店铺取消了这笔结算", "the shop cancelled the checkout"},
  {"payment_refused", "店铺没有接受付款", "the shop did not take the payment"},
  {"not_taken", "店铺没有接到这笔订单，已在店铺处取消", "the shop did not take the order, and it was cancelled there"},
  {"no_answer", "店铺没有回应", "the shop did not answer"},
  {"not_available", "店铺现在不接这笔订单，可能已经缺货", "the shop does not take this order any more, it may be out of stock"},
  {"terms_changed", "店铺在你确认之后改了条款", "the shop changed the terms after your approval"},
  {"plan_undone", "计划中的另一部分没有成功", "another part of the plan failed"},
};

/* Of the whole: %s is its title. */
static const struct text wholes[] = {
  {"completed", "「%s」全部买好了。", "\"%s\": every part is bought."},
  {"undone", "「%s」没有买成，没有留下任何订单。", "\"%s\" did not come about; no order is left of it."},
  {"partial", "「%s」只有一部分成立。", "\"%s\": only a part of it stands."},
  {"approved", "「%s」还没有开始付款。", "\"%s\": nothing has been paid yet."},
  {"completing", "「%s」还没有结果，正在核对；不会重复付款。", "\"%s\" has no end yet, it is being looked up; nothing will be paid twice."},
  {"undoing", "「%s」有一部分没有成功，正在撤回其余部分。", "A part of \"%s\" failed; the rest of it is being undone."},
  {"refused", "「%s」没有下单，也没有扣款。", "\"%s\": nothing was bought and nothing was charged."},
  {"expired", "「%s」的确认已过期，没有下单，也没有扣款。", "\"%s\": the approval has expired; nothing was bought and nothing was charged."},
};

static const struct text states[] = {
  {"stands", "成立，已付 ", "stands, paid "},
  {"refunded", "已退款 ", "given back: "},
  {"released", "已取消占用，没有扣款", "released, nothing was charged"},
  {"failed", "没有成功，没有扣款", "failed, nothing was charged"},
  {"unknown", "结果还不知道", "not known yet"},
  {"working", "正在处理", "under way"},
  {"waiting", "还没有开始", "not begun"},
};

/* Why a part was not given back. */
static const struct text kept[] = {
  {"no_request", "商家不接受代为取消", "the shop takes no cancellation from an agent"},
  {"nothing_back", "按商家的规则不退款", "nothing comes back by the shop's rule"},
  {"fee_higher", "退订手续费比计划单上写的高，所以没有退", "the fee would be higher than the sheet said, so it was kept"},
  {"undo_refused", "商家拒绝了退订", "the shop refused to take it back"},
  {"no_answer", "商家没有回应退订请求", "the shop did not answer the request to take it back"},
  {"refund_not_seen", "商家确认了退款，但订单里还没有这笔退款", "the shop confirmed the refund, but its order does not show it yet"},
};

static const struct text todo[] = {
  {"cancel", "可以在订单里取消，手续费按商家规则", "you can cancel it at its order, for the shop's fee"},
  {"order_page", "请到商家的订单页面处理", "go on at the order's page of the shop"},
  {"again", "可以重新查找再下单", "you can search and order again"},
  {"wait", "会继续核对，不会再发送付款", "it is being looked up, no payment is sent again"},
};

static const struct text on_failures[] = {
  {"undo", "如果有一部分买不成：还没买的取消占用，已买的退掉；退订费最多为各部分写明的数额，写不明或退不了的部分会保留并告诉你。",
   "If a part fails: what is not bought yet is released, what is bought is given back, for at most the fee shown with each part; a part that shows none, or cannot be given back, is kept and named."},
  {"keep", "如果有一部分买不成：其余部分照买，已买的保留。", "If a part fails: the others are bought all the same and kept."},
};

#define FIND(table, code, zh, otherwise) find(table, sizeof table / sizeof *table, code, zh, otherwise)
static const char *find(const struct text *table, size_t n, const char *code, bool zh, const char *otherwise) {
  for (size_t i = 0; i < n; i++)
    if (strcmp(table[i].code, code) == 0) return zh ? table[i].zh : table[i].en;
  return otherwise;
}

const char *rk_tell_failure(const char *code, bool zh) {
  return FIND(failures, code, zh, zh ? "店铺没有完成这笔订单" : "the shop did not complete the order");
}

const char *rk_tell_on_failure(const char *on_failure, bool zh) { return FIND(on_failures, on_failure, zh, ""); }

static void add_money(struct rk_buf *out, int64_t minor, const char *currency) {
  struct rk_money m = {minor, ""};
  char text[40];
  rk_utf8_copy(m.currency, sizeof m.currency, rk_str_c(currency));
  rk_money_text(m, text);
  rk_buf_adds(out, text);
}

static void add_part_money(struct rk_buf *out, const json_t *part, const char *key) { add_money(out, rk_json_i64(part, key, 0), rk_json_cstr(part, "currency", "")); }

void rk_tell_undo(const json_t *approval, bool zh, struct rk_buf *out) {
  const json_t *undo = rk_json_obj(approval, "undo");
  int64_t fee = rk_json_i64(undo, "fee_minor", -1);
  if (!undo) rk_buf_adds(out, zh ? "不能退" : "cannot be given back");
  else if (fee < 0) rk_buf_adds(out, zh ? "商家没有写明手续费，收费就保留" : "the shop names no fee; it is kept if there is one");
  else if (fee == 0) rk_buf_adds(out, zh ? "全额退" : "in full");
  else {
    rk_buf_adds(out, zh ? "手续费最多 " : "for a fee of at most ");
    add_money(out, fee, rk_json_cstr(rk_json_obj(approval, "terms"), "currency", ""));
  }
}

void rk_tell_totals(const json_t *totals, struct rk_buf *out) {
  const char *currency;
  json_t *v;
  bool first = true;
  json_object_foreach((json_t *)(uintptr_t)totals, currency, v) {
    if (!first) rk_buf_adds(out, " + ");
    add_money(out, json_integer_value(v), currency);
    first = false;
  }
}

static bool is(const json_t *part, const char *key, const char *what) { return rk_str_eq_c(rk_json_str(part, key), what); }

/* A part that is bought says its order; one that is not as it was meant says why, and what can be done. */
static void add_part(struct rk_buf *out, const json_t *part, size_t number, bool whole, bool zh) {
  const char *state = rk_json_cstr(part, "state", ""), *why = rk_json_cstr(part, "why", ""), *order = rk_json_cstr(part, "merchant_order_id", NULL);
  const char *stop = zh ? "；" : "; ";
  rk_buf_addf(out, "\n%zu. %s", number, rk_json_cstr(part, "title", ""));
  rk_buf_addf(out, zh ? "（%s）：%s" : " (%s): %s", rk_json_cstr(rk_json_obj(part, "merchant"), "name", ""), FIND(states, state, zh, ""));
  if (is(part, "state", "stands")) add_part_money(out, part, "paid_minor");
  if (is(part, "state", "refunded")) {
    add_part_money(out, part, "back_minor");
    if (rk_json_i64(part, "fee_minor", 0) > 0) {
      rk_buf_adds(out, zh ? "，手续费 " : ", fee ");
      add_part_money(out, part, "fee_minor");
    }
  }
  if (is(part, "state", "unknown") && !order) {
    rk_buf_adds(out, zh ? "，可能扣款 " : ", it may have cost ");
    add_part_money(out, part, "total_minor");
  }
  if (order) rk_buf_addf(out, zh ? "，订单号 %s" : ", order %s", order);
  if (is(part, "state", "failed")) rk_buf_addf(out, "%s%s", stop, rk_tell_failure(why, zh));
  else if (why[0] && !is(part, "state", "released") && !is(part, "state", "refunded")) rk_buf_addf(out, "%s%s", stop, FIND(kept, why, zh, ""));
  const char *can = FIND(todo, rk_json_cstr(part, "what_can_be_done", ""), zh, "");
  if (!whole && can[0] && !is(part, "state", "released") && !is(part, "state", "waiting")) rk_buf_addf(out, "%s%s", stop, can);
  rk_buf_adds(out, zh ? "。" : ".");
}

static void add_cost(struct rk_buf *out, const json_t *totals, bool zh) {
  const char *currency;
  json_t *sum;
  json_object_foreach((json_t *)(uintptr_t)totals, currency, sum) {
    rk_buf_adds(out, "\n\n");
    rk_buf_adds(out, zh ? "合计：支付 " : "Paid in all: ");
    add_money(out, rk_json_i64(sum, "paid_minor", 0), currency);
    if (rk_json_i64(sum, "back_minor", 0)) {
      rk_buf_adds(out, zh ? "，退回 " : ", given back ");
      add_money(out, rk_json_i64(sum, "back_minor", 0), currency);
      rk_buf_adds(out, zh ? "，实际花费 " : ", so it cost ");
      add_money(out, rk_json_i64(sum, "cost_minor", 0), currency);
    }
    if (rk_json_i64(sum, "unknown_minor", 0)) {
      rk_buf_adds(out, zh ? "，另有未知 " : ", not known yet ");
      add_money(out, rk_json_i64(sum, "unknown_minor", 0), currency);
    }
    rk_buf_adds(out, zh ? "。" : ".");
  }
}

void rk_tell_plan(const json_t *plan, bool zh, struct rk_buf *out) {
  const char *state = rk_json_cstr(plan, "state", "expired"), *form = FIND(wholes, state, zh, "%s");
  const json_t *result = rk_json_obj(plan, "result"), *one;
  rk_str head, tail, whole = rk_str_c(form);
  int64_t at = rk_str_find(whole, RK_STR("%s"));
  head = (rk_str){whole.p, at < 0 ? whole.n : (size_t)at};
  tail = at < 0 ? (rk_str){0} : (rk_str){whole.p + at + 2, whole.n - (size_t)at - 2};
  rk_buf_addstr(out, head);
  rk_buf_adds(out, rk_json_cstr(plan, "title", ""));
  rk_buf_addstr(out, tail);
  const json_t *parts = rk_json_arr(result, "parts");
  for (size_t i = 0; i < json_array_size(parts); i++) {
    one = json_array_get(parts, i);
    add_part(out, one, i + 1, strcmp(state, "completed") == 0, zh);
  }
  add_cost(out, rk_json_obj(result, "totals"), zh);
}
