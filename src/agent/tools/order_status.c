#include "agent/turn.h"

enum { LISTED = 3 };

/* What the answer must not leave out. */
static json_t *newest(const struct rk_turn *t, const json_t *o) {
  bool zh = t->intent.chinese;
  if (!o) return json_string(zh ? "还没有订单。" : "There is no order yet.");
  const char *date = rk_json_cstr(o, "delivery", "");
  return json_sprintf(zh ? "订单号 %s（%s）：%s，合计 %s%s%s。" : "Order %s (%s): %s, total %s%s%s.", rk_json_cstr(o, "order", ""), rk_json_cstr(o, "shop", ""),
                      rk_json_cstr(o, "status", ""), rk_json_cstr(o, "total", ""), date[0] ? (zh ? "，预计送达 " : ", delivery promised for ") : "", date);
}

rk_err rk_tool_order_status(struct rk_turn *t, const char *call_id, const json_t *args, struct rk_tool_out *out, struct rk_error *e) {
  (void)call_id;
  (void)args;
  int32_t n_open;
  struct rk_error ignored;
  /* A payment whose outcome is not known may be known by now. */
  if (rk_trade_reconcile(t->sv->trade, &n_open, &ignored)) n_open = 0;
  json_t *orders = rk_trade_orders(t->sv->trade, t->user_id), *list = json_array(), *order;
  size_t i;
  json_array_foreach(orders, i, order) {
    if (i == LISTED) break;
    json_t *fresh = rk_trade_order_status(t->sv->trade, t->user_id, rk_json_cstr(order, "id", ""), e);
    const json_t *o = fresh ? fresh : order, *line = json_array_get(rk_json_arr(o, "lines"), 0);
    struct rk_money total = {rk_json_i64(o, "total_minor", 0), ""};
    rk_str currency = rk_json_str(o, "currency");
    for (size_t k = 0; k < 3 && k < currency.n; k++) total.currency[k] = currency.p[k];
    char text[40];
    rk_money_text(total, text);
    json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "order", rk_json_cstr(o, "merchant_order_id", ""), "status",
                                          rk_json_cstr(o, "status", ""), "title", rk_json_cstr(line, "title", ""), "shop",
                                          rk_json_cstr(rk_json_obj(o, "merchant"), "name", ""), "total", text, "delivery",
                                          rk_json_cstr(rk_json_obj(o, "delivery"), "date", "")));
    json_decref(fresh);
  }
  json_decref(orders);
  out->ok = true;
  out->result = json_pack("{s:o, s:s}", "orders", list, "answer_in", t->intent.chinese ? "中文" : "English");
  if (json_array_size(list) == 0) json_object_set_new(out->result, "note", json_string("there is no order yet"));
  json_object_set_new(t->journal, "close", newest(t, json_array_get(list, 0)));
  return RK_OK;
}
