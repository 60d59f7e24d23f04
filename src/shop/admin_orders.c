/* admin_orders.c - orders on the seller's page: what to send, to whom, and money back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "shop/admin.h"
#include "shop/fulfil.h"
#include "shop/refund.h"

static const struct { const char *id, *zh, *en; } statuses[] = {{"placed", "待发货", "to send"}, {"shipped", "已发货", "sent"},
                                                               {"partially_refunded", "部分退款", "partly refunded"}, {"refunded", "已退款", "refunded"}};
enum { N_STATUSES = sizeof statuses / sizeof *statuses, ID_BYTES = 80 };

static const char *status_word(const struct admin *a, const char *id) {
  for (size_t i = 0; i < N_STATUSES; i++)
    if (strcmp(id, statuses[i].id) == 0) return a->en ? statuses[i].en : statuses[i].zh;
  return id;
}

/* A line has its title in both languages; the order itself is in the buyer's. */
static const char *line_title(const struct admin *a, const json_t *line) {
  return rk_json_cstr(rk_json_obj(line, "titles"), a->en ? "en" : "zh", rk_json_cstr(line, "title", ""));
}

static const char *paid_by(const struct admin *a, const char *kind) {
  static const struct { const char *id, *zh, *en; } kinds[] = {{"card", "银行卡", "card"}, {"wallet", "钱包", "wallet"}, {"on_delivery", "货到付款", "cash on delivery"},
                                                              {"page", "本店付款页", "your payment page"}};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (strcmp(kind, kinds[i].id) == 0) return a->en ? kinds[i].en : kinds[i].zh;
  return kind;
}

static void moment(struct admin *a, int64_t ms) {
  char at[40];
  shop_local_time(&a->s->catalog, ms, at);
  rk_buf_addf(&a->b, "%.10s %.5s", at, at + 11);
}

/* ---- the list ---- */

static void list_item(struct admin *a, const json_t *o) {
  const json_t *report = rk_json_obj(o, "report"), *address = rk_json_obj(report, "address");
  json_t *lines = rk_json_arr(report, "lines"), *line;
  size_t i;
  rk_buf_addf(&a->b, "<li><a href=\"/admin/orders/%s\"><span class=what>", rk_json_cstr(o, "id", ""));
  json_array_foreach(lines, i, line) {
    if (i) rk_buf_adds(&a->b, ", ");
    rk_buf_addf(&a->b, "%lld × ", (long long)rk_json_i64(line, "quantity", 0));
    html_text(&a->b, line_title(a, line));
  }
  rk_buf_addf(&a->b, "<br><small>%s · ", rk_json_cstr(o, "id", ""));
  moment(a, rk_json_i64(o, "placed_ms", 0));
  rk_buf_adds(&a->b, " · ");
  html_text(&a->b, rk_json_cstr(address, "first_name", ""));
  rk_buf_adds(&a->b, "</small></span><span class=end>");
  html_money(&a->b, rk_json_i64(o, "total_minor", 0), a->s->catalog.currency);
  rk_buf_adds(&a->b, "<br><span class=tag>");
  html_text(&a->b, status_word(a, rk_json_cstr(report, "status", "")));
  rk_buf_adds(&a->b, "</span></span></a></li>");
}

static void show_list(struct admin *a) {
  char query[100], status[32], part[64];
  int64_t from = admin_from(a);
  int32_t total;
  size_t i;
  json_t *o;
  admin_query(a, "q", query, sizeof query);
  admin_query(a, "status", status, sizeof status);
  if (strspn(status, "abcdefghijklmnopqrstuvwxyz_") != strlen(status)) status[0] = 0;
  snprintf(part, sizeof part, *status ? "status=%s&" : "%s", status);
  json_t *found = rk_shop_store_find_orders(a->s->db, query, status, from, ADMIN_PAGE_ROWS, &total);
  admin_begin(a, admin_word(a, "订单", "Orders"), "/admin/orders");
  rk_buf_addf(&a->b, "<form class=find action=\"/admin/orders\"><input name=q type=search aria-label=\"%s\" placeholder=\"%s\" value=\"", admin_word(a, "搜索", "Search"),
              admin_word(a, "订单号、姓名、商品", "Number, name, product"));
  html_text(&a->b, query);
  rk_buf_addf(&a->b, "\"><select name=status aria-label=\"%s\"><option value=\"\">%s", admin_word(a, "状态", "State"), admin_word(a, "全部", "All"));
  for (i = 0; i < N_STATUSES; i++)
    rk_buf_addf(&a->b, "<option value=%s%s>%s", statuses[i].id, strcmp(status, statuses[i].id) == 0 ? " selected" : "", a->en ? statuses[i].en : statuses[i].zh);
  rk_buf_addf(&a->b, "</select><button>%s</button></form><ul class=list>", admin_word(a, "搜索", "Search"));
  json_array_foreach(found, i, o) list_item(a, o);
  rk_buf_adds(&a->b, "</ul>");
  if (total == 0) admin_note(a, false, admin_word(a, "没有订单。", "There are no orders."));
  admin_pages(a, "/admin/orders", part, from, total);
  json_decref(found);
  admin_end(a, 200);
}

/* ---- one order ---- */

static void line_row(struct admin *a, const json_t *line) {
  const char *name;
  json_t *value;
  int64_t n = rk_json_i64(line, "quantity", 0), back = rk_json_i64(line, "refunded", 0);
  rk_buf_adds(&a->b, "<tr><td>");
  html_text(&a->b, line_title(a, line));
  json_object_foreach(rk_json_obj(line, "options"), name, value) {
    rk_buf_adds(&a->b, " <small>");
    html_text(&a->b, json_string_value(value) ? json_string_value(value) : "");
    rk_buf_adds(&a->b, "</small>");
  }
  rk_buf_adds(&a->b, " <small>");
  html_text(&a->b, rk_json_cstr(line, "item_id", ""));
  rk_buf_addf(&a->b, "</small>%s</td><td class=end>%lld × ", back ? admin_word(a, " <span class=tag>有退</span>", " <span class=tag>some back</span>") : "", (long long)n);
  html_money(&a->b, rk_json_i64(line, "unit_minor", 0), a->s->catalog.currency);
  rk_buf_adds(&a->b, "</td></tr>");
}

static const char *total_word(const struct admin *a, const json_t *total) {
  static const struct { const char *type, *zh, *en; } words[] = {{"subtotal", "商品", "Items"}, {"fulfillment", "运费", "Delivery"}, {"total", "合计", "Total"},
                                                                {"items_discount", "商品优惠", "Off the items"}};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (rk_str_eq_c(rk_json_str(total, "type"), words[i].type)) return a->en ? words[i].en : words[i].zh;
  return rk_json_cstr(total, "display_text", "");
}

static void total_row(struct admin *a, const char *label, int64_t minor) {
  rk_buf_adds(&a->b, "<tr>");
  html_element(&a->b, "td", label);
  rk_buf_adds(&a->b, "<td class=end>");
  html_money(&a->b, minor, a->s->catalog.currency);
  rk_buf_adds(&a->b, "</td></tr>");
}

static void what(struct admin *a, const json_t *report) {
  size_t i;
  json_t *v;
  rk_buf_adds(&a->b, "<div class=card><table>");
  json_array_foreach(rk_json_arr(report, "lines"), i, v) line_row(a, v);
  json_array_foreach(rk_json_arr(report, "totals"), i, v) total_row(a, total_word(a, v), rk_json_i64(v, "amount", 0));
  if (rk_json_i64(report, "refunded_minor", 0)) total_row(a, admin_word(a, "已退", "Given back"), -rk_json_i64(report, "refunded_minor", 0));
  rk_buf_adds(&a->b, "</table></div>");
}

static void whereto(struct admin *a, const json_t *order, const json_t *report) {
  static const char *const keys[] = {"first_name", "last_name", "phone_number", "address_region", "address_locality", "street_address", "extended_address", "postal_code"};
  const json_t *address = rk_json_obj(report, "address"), *delivery = rk_json_obj(report, "delivery");
  rk_buf_addf(&a->b, "<h2>%s</h2><div class=card><p>", admin_word(a, "送到", "Deliver to"));
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    html_text(&a->b, rk_json_cstr(address, keys[i], ""));
    rk_buf_adds(&a->b, " ");
  }
  rk_buf_adds(&a->b, "</p><p class=soft>");
  html_text(&a->b, rk_json_cstr(delivery, "title", ""));
  rk_buf_addf(&a->b, " · %s ", admin_word(a, "承诺", "promised"));
  html_text(&a->b, rk_json_cstr(delivery, "date", ""));
  rk_buf_addf(&a->b, " · %s ", admin_word(a, "付款", "paid by"));
  html_text(&a->b, paid_by(a, rk_json_cstr(rk_json_obj(report, "instrument"), "kind", "")));
  rk_buf_addf(&a->b, " · %s ", admin_word(a, "下单", "placed"));
  moment(a, rk_json_i64(order, "placed_ms", 0));
  rk_buf_adds(&a->b, "</p></div>");
}

static bool left_to_send(const json_t *view) {
  size_t i;
  json_t *line;
  json_array_foreach(rk_json_arr(view, "line_items"), i, line) {
    const json_t *n = rk_json_obj(line, "quantity");
    if (rk_json_i64(n, "total", 0) > rk_json_i64(n, "fulfilled", 0)) return true;
  }
  return false;
}

static void shipping(struct admin *a, const char *id, const json_t *view) {
  char path[128];
  size_t i;
  json_t *v;
  rk_buf_addf(&a->b, "<h2>%s</h2><div class=card>", admin_word(a, "发货", "Sending"));
  json_array_foreach(rk_json_arr(rk_json_obj(view, "fulfillment"), "events"), i, v) {
    rk_buf_adds(&a->b, "<p>");
    html_text(&a->b, rk_json_cstr(v, "carrier", ""));
    rk_buf_adds(&a->b, " ");
    html_text(&a->b, rk_json_cstr(v, "tracking_number", ""));
    rk_buf_addf(&a->b, " <small>%.10s</small></p>", rk_json_cstr(v, "occurred_at", ""));
  }
  if (left_to_send(view)) {
    snprintf(path, sizeof path, "/admin/orders/%s/ship", id);
    admin_form(a, path);
    rk_buf_adds(&a->b, "<div class=row>");
    admin_input(a, admin_word(a, "快递公司", "Carrier"), "carrier", "", "maxlength=60");
    admin_input(a, admin_word(a, "运单号", "Tracking number"), "tracking", "", "maxlength=60");
    rk_buf_addf(&a->b, "</div><button>%s</button></form>", admin_word(a, "标记为已发货", "Mark as sent"));
  } else if (json_array_size(rk_json_arr(rk_json_obj(view, "fulfillment"), "events")) == 0) rk_buf_addf(&a->b, "<p>%s</p>", admin_word(a, "没有要发的。", "Nothing is left to send."));
  rk_buf_adds(&a->b, "</div>");
}

/* Money that went back, and what is still to be paid by hand. */
static void adjustments(struct admin *a, const char *id, const json_t *view) {
  char path[128];
  size_t i;
  json_t *v;
  json_array_foreach(rk_json_arr(view, "adjustments"), i, v) {
    bool pending = rk_str_eq_c(rk_json_str(v, "status"), "pending");
    rk_buf_adds(&a->b, "<p>");
    html_money(&a->b, -rk_json_i64(json_array_get(rk_json_arr(v, "totals"), 0), "amount", 0), a->s->catalog.currency);
    rk_buf_adds(&a->b, " ");
    html_text(&a->b, rk_json_cstr(v, "description", ""));
    rk_buf_addf(&a->b, " <small>%.10s</small> <span class=tag>%s</span></p>", rk_json_cstr(v, "occurred_at", ""),
                pending ? admin_word(a, "待线下退款", "to be paid by hand") : admin_word(a, "已退", "done"));
    if (!pending) continue;
    snprintf(path, sizeof path, "/admin/orders/%s/paid", id);
    admin_form(a, path);
    rk_buf_adds(&a->b, "<input type=hidden name=refund value=\"");
    html_text(&a->b, rk_json_cstr(v, "id", ""));
    rk_buf_addf(&a->b, "\"><button>%s</button></form>", admin_word(a, "我已退给买家", "I have paid it"));
  }
}

static void money_back(struct admin *a, const char *id, const json_t *order, const json_t *report, const json_t *view) {
  char path[128], name[24], label[300], most[40], key[37];
  size_t i;
  json_t *line;
  int64_t left = refund_charged(order) - rk_shop_store_refunded(a->s->db, id);
  rk_buf_addf(&a->b, "<h2>%s</h2><div class=card>", admin_word(a, "退款", "Money back"));
  adjustments(a, id, view);
  if (left > 0) {
    snprintf(path, sizeof path, "/admin/orders/%s/refund", id);
    snprintf(most, sizeof most, "%lld.%02lld", (long long)(left / 100), (long long)(left % 100));
    rk_uuid7(key);
    admin_form(a, path);
    rk_buf_addf(&a->b, "<input type=hidden name=key value=%s>", key);
    json_array_foreach(rk_json_arr(report, "lines"), i, line) {
      if (refund_left(line) <= 0) continue;
      snprintf(name, sizeof name, "li_%zu", i + 1);
      snprintf(label, sizeof label, a->en ? "How many of %.200s come back (0 to %d)" : "退回 %.200s 的数量（0 到 %d）", line_title(a, line), (int)refund_left(line));
      admin_input(a, label, name, "0", "inputmode=numeric");
    }
    snprintf(label, sizeof label, a->en ? "Amount; empty: what these were worth; at most %s" : "金额；留空按商品实付计算；最多 %s", most);
    admin_input(a, label, "amount", "", "inputmode=decimal");
    admin_input(a, admin_word(a, "原因（买家会看到）", "Reason (the buyer sees it)"), "reason", "", "maxlength=200");
    rk_buf_addf(&a->b, "<button>%s</button></form>", admin_word(a, "退款", "Give back"));
  } else rk_buf_addf(&a->b, "<p>%s</p>", admin_word(a, "已全部退款。", "All of it has gone back."));
  rk_buf_adds(&a->b, "</div>");
}

static void show_order(struct admin *a, const char *id, int32_t status, const char *fault) {
  static const struct { const char *code, *zh, *en; } said[] = {{"shipped", "已标记发货，买家会收到通知。", "Marked as sent; the buyer is told."},
                                                               {"refunded", "退款已记入订单，买家会收到通知。", "The money is on its way back; the buyer is told."},
                                                               {"by_hand", "请自行把钱退给买家，退完后点“我已退给买家”。", "Pay the buyer by hand, then press \"I have paid it\"."},
                                                               {"paid", "已记为退完，买家会收到通知。", "Noted as paid; the buyer is told."}};
  char done[16];
  json_t *order = rk_shop_store_order(a->s->db, id);
  const json_t *report = rk_json_obj(order, "report"), *view = rk_json_obj(order, "view");
  admin_query(a, "done", done, sizeof done);
  admin_begin(a, id, "/admin/orders");
  rk_buf_addf(&a->b, "<p><a href=\"/admin/orders\">%s</a> <span class=tag>%s</span></p>", admin_word(a, "← 全部订单", "← All orders"),
              status_word(a, rk_json_cstr(report, "status", "")));
  if (fault) admin_note(a, true, fault);
  for (size_t i = 0; i < sizeof said / sizeof *said; i++)
    if (!a->post && strcmp(done, said[i].code) == 0) admin_note(a, false, a->en ? said[i].en : said[i].zh);
  what(a, report);
  whereto(a, order, report);
  shipping(a, id, view);
  money_back(a, id, order, report, view);
  json_decref(order);
  admin_end(a, status);
}

static void answer(struct admin *a, const char *id, rk_err err, const char *done, const struct rk_error *e) {
  char path[160];
  snprintf(path, sizeof path, "/admin/orders/%s?done=%s", id, done);
  a->again = true;
  if (!err) admin_go(a, path);
  else show_order(a, id, rk_err_http(err), e->msg);
}

static void ship(struct admin *a, const char *id) {
  char carrier[100], tracking[100];
  struct rk_error e = {0};
  (void)form_value(a->r->body, "carrier", carrier, sizeof carrier);
  (void)form_value(a->r->body, "tracking", tracking, sizeof tracking);
  answer(a, id, rk_shop_ship_order(a->s->db, &(struct rk_shipment){id, carrier, tracking}, &e), "shipped", &e);
}

/* The lines with a quantity, [{id, quantity}]; NULL: none, or *fault. */
static json_t *read_lines(struct admin *a, const char *id, bool *fault) {
  json_t *order = rk_shop_store_order(a->s->db, id), *out = json_array();
  size_t n = json_array_size(rk_json_arr(rk_json_obj(order, "report"), "lines"));
  char name[24], text[24];
  json_decref(order);
  for (size_t i = 0; i < n; i++) {
    int64_t quantity = 0;
    snprintf(name, sizeof name, "li_%zu", i + 1);
    if (!form_has(a->r->body, name)) continue;
    *fault = *fault || !form_value(a->r->body, name, text, sizeof text) || (*text && (!rk_str_i64(rk_str_c(text), &quantity) || quantity < 0 || quantity > RK_MAX_STOCK));
    if (quantity > 0) json_array_append_new(out, json_pack("{s:s, s:I}", "id", name, "quantity", (json_int_t)quantity));
  }
  if (json_array_size(out) && !*fault) return out;
  json_decref(out);
  return NULL;
}

static void refund(struct admin *a, const char *id) {
  char amount[40], reason[300], key[64];
  int64_t minor = -1;
  bool fault = false;
  struct rk_error e = {0};
  struct rk_payback_done done = {0};
  json_t *lines = read_lines(a, id, &fault);
  fault = fault || !form_value(a->r->body, "key", key, sizeof key) || !*key || (form_has(a->r->body, "reason") && !form_value(a->r->body, "reason", reason, sizeof reason));
  if (!fault && form_value(a->r->body, "amount", amount, sizeof amount) && *amount) fault = !rk_amount_parse(amount, &minor);
  rk_err err = fault ? rk_fail(&e, RK_EINVAL, "%s", admin_word(a, "金额写成 12.50，数量写整数。", "Write an amount as 12.50, quantities as whole numbers.")) : RK_OK;
  if (!err && !lines && minor < 0) err = rk_fail(&e, RK_EINVAL, "%s", admin_word(a, "请填数量或金额。", "Name a quantity or an amount."));
  if (!err) err = rk_shop_pay_back(a->s->db, &(struct rk_payback){id, key, reason, minor, lines}, &done, &e);
  json_decref(lines);
  answer(a, id, err, done.by_hand ? "by_hand" : "refunded", &e);
}

static void paid(struct admin *a, const char *id) {
  char which[80];
  struct rk_error e = {0};
  (void)form_value(a->r->body, "refund", which, sizeof which);
  answer(a, id, rk_shop_paid_back(a->s->db, id, which, &e), "paid", &e);
}

bool admin_orders(struct admin *a, rk_str rest) {
  char id[ID_BYTES];
  rk_str first, verb;
  if (rest.n <= 1) {
    if (a->post) return false;
    show_list(a);
    return true;
  }
  rk_str_cut((rk_str){rest.p + 1, rest.n - 1}, '/', &first, &verb);
  if (first.n >= sizeof id) return false;
  snprintf(id, sizeof id, "%.*s", RK_STR_ARG(first));
  json_t *order = rk_shop_store_order(a->s->db, id);
  json_decref(order);
  if (!order) return false;
  if (!a->post && verb.n == 0) show_order(a, id, 200, NULL);
  else if (a->post && rk_str_eq_c(verb, "ship")) ship(a, id);
  else if (a->post && rk_str_eq_c(verb, "refund")) refund(a, id);
  else if (a->post && rk_str_eq_c(verb, "paid")) paid(a, id);
  else return false;
  return true;
}
