/* handover.c - purchases that the user finishes at the merchant's own page: what is left to do there, and what became of it.
 *
 * We have no means of payment that the merchant takes, or it wants the buyer
 * itself. Nothing is approved or charged here, so nothing but the merchant's
 * checkout tells how it ended; it is only read. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "trade/internal.h"

enum { MAX_LEFT = 5 };

bool rk_trade_wants_buyer(const struct rk_checkout *co) {
  bool payable = co->sandbox || co->on_delivery;
  return co->continue_url && (co->status == RK_CO_ESCALATION || (co->status == RK_CO_READY && !payable));
}

/* "pay.shop.example" of an address: what the user must see before going there. */
static const char *host_of(const char *url, char origin[256]) {
  if (rk_net_origin(url, origin, 256)) return "";
  const char *host = strstr(origin, "://");
  return host ? host + 3 : "";
}

/* What the merchant says that is missing, in its own words. */
static json_t *left_to_do(const struct rk_checkout *co) {
  json_t *list = json_array();
  for (int32_t i = 0; i < co->n_messages && i < MAX_LEFT; i++) json_array_append_new(list, json_string(co->messages[i]));
  return list;
}

/* The user's own choice of options stands in the offer. */
static json_t *lines_of(const struct rk_checkout *co, const struct rk_line *line) {
  json_t *list = json_array();
  for (int32_t i = 0; i < co->n_lines; i++) {
    const struct rk_line *l = &co->lines[i];
    json_t *options = json_object();
    for (int32_t k = 0; i == 0 && k < line->n_options; k++) json_object_set_new(options, line->options[k].name, json_string(line->options[k].value));
    json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:i, s:I}", "item_id", l->item_id ? l->item_id : "", "title", l->title ? l->title : "", "options", options, "quantity",
                                          (int)l->quantity, "unit_minor", (json_int_t)l->unit_minor));
  }
  return list;
}

static json_t *data_of(const struct rk_hand_over *h) {
  const struct rk_checkout *co = h->co;
  char origin[256], own[256];
  const char *host = host_of(co->continue_url, origin);
  bool foreign = strcmp(host, host_of(co->origin, own)) != 0;
  return json_pack("{s:s, s:s, s:b, s:{s:s, s:s}, s:o, s:I, s:s, s:o}", "url", co->continue_url, "host", host, "foreign_host", foreign, "merchant", "origin", co->origin, "name",
                   co->merchant_name, "lines", lines_of(co, h->line), "total_minor", (json_int_t)h->total_minor, "currency", co->currency, "left", left_to_do(co));
}

static json_t *view(const json_t *row) {
  static const char *const from_row[] = {"id", "chat_id", "turn_id", "checkout_id", "state", "merchant_order_id", "order_url", "created_ms", "checked_ms"};
  json_t *v = json_copy(rk_json_obj(row, "data"));
  for (size_t i = 0; i < sizeof from_row / sizeof *from_row; i++) {
    json_t *one = json_object_get(row, from_row[i]);
    if (one && !json_is_null(one)) json_object_set(v, from_row[i], one);
  }
  return v;
}

static rk_err tell(struct rk_trade *t, const json_t *row, struct rk_error *e) { return rk_trade_event(t, row, "hand_over", json_pack("{s:o}", "hand_over", view(row)), e); }

/* For readers that know no such card. */
static rk_err say(struct rk_trade *t, const json_t *row, bool zh, struct rk_error *e) {
  const json_t *data = rk_json_obj(row, "data"), *line = json_array_get(rk_json_arr(data, "lines"), 0);
  struct rk_money m = {.minor = rk_json_i64(data, "total_minor", 0)};
  char total[40];
  snprintf(m.currency, sizeof m.currency, "%.3s", rk_json_cstr(data, "currency", ""));
  rk_money_text(m, total);
  const char *url = rk_json_cstr(data, "url", "");
  json_t *text = json_sprintf(zh ? "%s：%s，%s。请在商家自己的页面付款：%s" : "%s: %s, %s. Pay on the shop's own page: %s", rk_json_cstr(rk_json_obj(data, "merchant"), "name", ""),
                              rk_json_cstr(line, "title", ""), total, url);
  return rk_trade_event(t, row, "notice", json_pack("{s:s, s:s, s:o, s:s, s:s, s:I, s:s, s:s}", "level", "info", "code", "hand_over", "text", text, "url", url, "merchant_origin",
                        rk_json_cstr(row, "merchant_origin", ""), "total_minor", (json_int_t)m.minor, "currency", m.currency, "hand_over_id", rk_json_cstr(row, "id", "")), e);
}

static rk_err add(struct rk_trade *t, const struct rk_hand_over *h, const json_t *data, struct rk_error *e) {
  char id[37];
  rk_err err = rk_store_hand_over_add(t->store, &(struct rk_hand_over_new){.user_id = h->user_id, .chat_id = h->chat_id, .turn_id = h->turn_id,
      .merchant_origin = h->co->origin, .checkout_id = h->co->id, .data = data}, id, e);
  json_t *row = err ? NULL : rk_store_hand_over(t->store, h->user_id, id);
  if (!err && !row) err = rk_fail(e, RK_EIO, "the hand-over cannot be read back");
  if (!err) err = say(t, row, h->lang && strcmp(h->lang, "zh") == 0, e);
  if (!err) err = tell(t, row, e);
  json_decref(row);
  return err;
}

rk_err rk_trade_hand_over(struct rk_trade *t, const struct rk_hand_over *h, struct rk_error *e) {
  json_t *data = data_of(h);
  rk_err err = data ? rk_db_begin(rk_store_db(t->store), e) : rk_fail(e, RK_EFORMAT, "%s: a text of its checkout is not valid UTF-8", h->co->merchant_name);
  if (!err) err = rk_trade_end(t, add(t, h, data, e), e);
  json_decref(data);
  return err;
}

/* ---- what became of it ---- */

static const char *state_of(rk_err read, const struct rk_checkout *co) {
  if (read == RK_ENOTFOUND || read == RK_EGONE) return "gone";
  if (read) return NULL;
  return co->status == RK_CO_COMPLETED ? "completed" : co->status == RK_CO_CANCELED ? "canceled" : "open";
}

/* Inside a transaction. */
static rk_err keep(struct rk_trade *t, json_t **row, const char *state, const struct rk_checkout *co, struct rk_error *e) {
  char id[37], user[64];
  bool same = rk_str_eq_c(rk_json_str(*row, "state"), state);
  snprintf(id, sizeof id, "%s", rk_json_cstr(*row, "id", ""));
  snprintf(user, sizeof user, "%s", rk_json_cstr(*row, "user_id", ""));
  rk_err err = rk_store_hand_over_seen(t->store, id, state, co->order_id, co->order_url, e);
  json_t *fresh = err ? NULL : rk_store_hand_over(t->store, user, id);
  if (!err && !fresh) err = rk_fail(e, RK_EIO, "the hand-over cannot be read back");
  if (!err && !same) err = tell(t, fresh, e);
  if (err) return err;
  json_decref(*row);
  *row = fresh;
  return RK_OK;
}

json_t *rk_trade_hand_over_status(struct rk_trade *t, const char *user_id, const char *id, struct rk_error *e) {
  json_t *row = rk_store_hand_over(t->store, user_id, id);
  struct rk_arena *a = rk_arena_new(RK_TRADE_ARENA_BYTES);
  struct rk_checkout co = {0};
  struct rk_error why = {RK_OK, ""};
  rk_err err = row ? RK_OK : rk_fail(e, RK_ENOTFOUND, "there is no such hand-over");
  if (!err && !a) err = rk_fail(e, RK_ENOMEM, "out of memory");
  bool is_open = rk_str_eq_c(rk_json_str(row, "state"), "open");
  rk_err read = !err && is_open ? rk_merchant_checkout_get(t->merchants, rk_json_cstr(row, "merchant_origin", ""), rk_json_cstr(row, "checkout_id", ""), a, &co, &why) : RK_OK;
  const char *state = !err && is_open ? state_of(read, &co) : NULL;
  if (read && !state) rk_log(RK_LOG_INFO, "trade", "hand-over %s: %s", id, why.msg);
  if (state && !(err = rk_db_begin(rk_store_db(t->store), e))) err = rk_trade_end(t, keep(t, &row, state, &co, e), e);
  json_t *v = err ? NULL : view(row);
  json_decref(row);
  rk_arena_free(a);
  return v;
}

json_t *rk_trade_hand_overs(struct rk_trade *t, const char *user_id) {
  json_t *rows = rk_store_hand_overs(t->store, user_id), *list = json_array(), *row;
  size_t i;
  json_array_foreach(rows, i, row) json_array_append_new(list, view(row));
  json_decref(rows);
  return list;
}
