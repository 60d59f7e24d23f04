/* return_order.c - which orders the words give back. What comes back for each is asked in book.c and stops at an approval. */
#include <string.h>

#include "agent/split.h"
#include "agent/turn.h"

static bool is_open(const json_t *order) {
  const char *status = rk_json_cstr(order, "status", "");
  return strcmp(status, "canceled") != 0 && strcmp(status, "refunded") != 0;
}

/* Does the message name what the order is of? */
static bool is_named(rk_str said, const json_t *order) {
  struct rk_buf title;
  size_t i, at, n;
  json_t *line;
  bool named = false;
  json_array_foreach(rk_json_arr(order, "lines"), i, line) {
    rk_buf_init(&title, 4096);
    named |= rk_words_normal(&title, rk_json_str(line, "title")) == RK_OK && rk_split_find(said, rk_buf_str(&title), &at, &n);
    rk_buf_release(&title);
  }
  return named;
}

/* Those that are named; else all of the newest's message when all are meant; else the newest. */
static json_t *meant(const struct rk_turn *t, rk_str said, const json_t *orders) {
  json_t *named = json_array(), *order, *newest = NULL;
  size_t i;
  bool all = rk_words_has(said, "都|全部|所有|整个|all|everything|both|whole");
  json_array_foreach(orders, i, order) {
    if (!is_open(order)) continue;
    if (!newest) newest = order;
    bool together = all && strcmp(rk_json_cstr(order, "turn_id", ""), rk_json_cstr(newest, "turn_id", "")) == 0;
    if (together || (is_named(said, order) && strcmp(rk_json_cstr(order, "chat_id", ""), t->chat_id) == 0)) json_array_append(named, order);
  }
  if (json_array_size(named) == 0 && newest) json_array_append(named, newest);
  if (!all)
    while (json_array_size(named) > 1) json_array_remove(named, json_array_size(named) - 1);
  return named;
}

rk_err rk_tool_return_order(struct rk_turn *t, const struct rk_call *c, struct rk_tool_out *out, struct rk_error *e) {
  struct rk_buf said;
  (void)c;
  (void)e;
  rk_buf_init(&said, RK_MAX_MESSAGE_BYTES + 64);
  rk_err err = rk_words_normal(&said, rk_str_c(t->text));
  json_t *orders = rk_trade_orders(t->sv->trade, t->user_id), *list = err ? json_array() : meant(t, rk_buf_str(&said), orders), *back = json_array(), *order;
  size_t i;
  json_array_foreach(list, i, order)
    json_array_append_new(back, json_pack("{s:s, s:s, s:s}", "order_id", rk_json_cstr(order, "id", ""), "order", rk_json_cstr(order, "merchant_order_id", ""), "title",
                                          rk_json_cstr(json_array_get(rk_json_arr(order, "lines"), 0), "title", "")));
  out->ok = json_array_size(back) > 0;
  if (!out->ok) {
    out->close = json_string(t->intent.chinese ? "没有可以退的订单。" : "There is no order that could be given back.");
    out->result = json_pack("{s:s}", "error", "there is no order to give back");
  } else {
    const char *kind = rk_words_has(rk_buf_str(&said), "取消|cancel") ? "cancel" : "return";
    out->keep = json_pack("{s:O, s:s}", "back", back, "kind", kind);
    out->result = json_pack("{s:O}", "orders", back);
  }
  json_decref(back);
  json_decref(list);
  json_decref(orders);
  rk_buf_release(&said);
  return RK_OK;
}
