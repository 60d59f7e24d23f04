/* order_status.c - the newest orders as their merchants have them now. */
#include <string.h>

#include "agent/say.h"
#include "agent/turn.h"

enum { LISTED = 3 };

/* What the answer must not leave out. */
static json_t *newest(bool zh, const json_t *o) {
  if (!o) return json_string(zh ? "还没有订单。" : "There is no order yet.");
  static const struct { const char *status, *zh, *en; } words[] = {{"placed", "已下单", "placed"}, {"processing", "备货中", "being prepared"}, {"fulfilled", "已送达", "delivered"},
                                                                 {"canceled", "已取消", "cancelled"}, {"refunded", "已退款", "refunded"}};
  const char *status = rk_json_cstr(o, "status", "");
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strcmp(words[i].status, status) == 0) {
      status = zh ? words[i].zh : words[i].en;
      break;
    }
  return json_sprintf(zh ? "订单号 %s（%s，%s）：%s，合计 %s%s%s。" : "Order %s (%s, %s): %s, total %s%s%s.", rk_json_cstr(o, "order", ""), rk_json_cstr(o, "shop", ""),
                      rk_json_cstr(o, "title", ""), status, rk_json_cstr(o, "total", ""), rk_json_cstr(o, "lead", ""), rk_json_cstr(o, "date", ""));
}

static json_t *line_of(const json_t *o, bool zh) {
  struct rk_say_when when = rk_say_when(o, zh);
  struct rk_money total = {rk_json_i64(o, "total_minor", 0), ""};
  rk_str currency = rk_json_str(o, "currency");
  char text[40];
  for (size_t k = 0; k < 3 && k < currency.n; k++) total.currency[k] = currency.p[k];
  rk_money_text(total, text);
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "order", rk_json_cstr(o, "merchant_order_id", ""), "status", rk_json_cstr(o, "status", ""), "title",
                   rk_json_cstr(json_array_get(rk_json_arr(o, "lines"), 0), "title", ""), "shop", rk_json_cstr(rk_json_obj(o, "merchant"), "name", ""), "total", text,
                   "lead", when.lead, "date", when.date);
}

rk_err rk_tool_order_status(struct rk_turn *t, const struct rk_call *c, struct rk_tool_out *out, struct rk_error *e) {
  int32_t n_open;
  struct rk_error ignored;
  (void)c;
  /* A payment whose outcome is not known may be known by now. */
  if (rk_trade_reconcile(t->sv->trade, &n_open, &ignored)) n_open = 0;
  json_t *orders = rk_trade_orders(t->sv->trade, t->user_id), *list = json_array(), *order;
  size_t i;
  json_array_foreach(orders, i, order) {
    if (i == LISTED) break;
    json_t *fresh = rk_trade_order_status(t->sv->trade, t->user_id, rk_json_cstr(order, "id", ""), e);
    json_array_append_new(list, line_of(fresh ? fresh : order, t->intent.chinese));
    json_decref(fresh);
  }
  json_decref(orders);
  out->ok = true;
  out->close = newest(t->intent.chinese, json_array_get(list, 0));
  out->result = json_pack("{s:o, s:s}", "orders", list, "answer_in", t->intent.chinese ? "中文" : "English");
  if (json_array_size(list) == 0) json_object_set_new(out->result, "note", json_string("there is no order yet"));
  return RK_OK;
}
