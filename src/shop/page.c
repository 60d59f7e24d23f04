/* page.c - the few pages that a buyer sees: the shop's terms, the consent to
 * link an account, and the payment that an agent cannot finish: play money in
 * the sandbox, on delivery where the shop takes that.
 * Plain HTML without scripts; every text is escaped. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "shop/form.h"
#include "shop/html.h"
#include "shop/session.h"

static void begin(const struct rk_shop *s, struct rk_buf *b) {
  rk_buf_init(b, RK_MAX_PAGE_BYTES);
  rk_buf_adds(b, "<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'>"
                 "<style>body{font:16px/1.5 system-ui;max-width:34em;margin:2em auto;padding:0 1em}label{display:block;margin:.6em 0}</style>");
  html_element(b, "title", s->catalog.title.zh);
  html_element(b, "h1", s->catalog.title.zh);
}

static void finish(struct rk_buf *b, int32_t status, struct rk_shop_answer *out) {
  html_answer(b, status, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'", out);
}

static void terms(const struct rk_shop *s, struct rk_shop_answer *out) {
  struct rk_buf b;
  begin(s, &b);
  rk_buf_adds(&b, "<h2 id=refund>退换货 · Returns</h2>");
  html_element(&b, "p", s->catalog.refund_rule.zh);
  html_element(&b, "p", s->catalog.refund_rule.en);
  finish(&b, 200, out);
}

void page_consent(const struct rk_shop *s, const char *client, bool orders, bool wrong, struct rk_shop_answer *out) {
  struct rk_buf b;
  begin(s, &b);
  rk_buf_adds(&b, "<p><b>");
  html_text(&b, client);
  rk_buf_addf(&b, "</b> 希望关联您在本店的账户%s。<br>wants to link your account at this shop%s.</p>", orders ? "，并查看您的订单" : "",
              orders ? " and see your orders" : "");
  if (wrong) rk_buf_adds(&b, "<p role=alert>订单号与电话不符。The order number and the telephone number do not belong together.</p>");
  rk_buf_adds(&b, "<form method=post><label>订单号 · Order number <input name=order required></label>"
                  "<label>收货电话 · Telephone <input name=phone required></label>"
                  "<button>同意 · Allow</button> <button name=refuse value=1 formnovalidate>拒绝 · Refuse</button></form>");
  finish(&b, wrong ? 403 : 200, out);
}

/* ---- the payment page of the sandbox ---- */

static bool pay_id(rk_str path, char id[MAX_ID_BYTES]) {
  static const rk_str before = {"/pay/", 5};
  if (!rk_str_starts(path, before) || path.n == before.n || path.n - before.n >= MAX_ID_BYTES) return false;
  memcpy(id, path.p + before.n, path.n - before.n);
  id[path.n - before.n] = 0;
  return true;
}

static void show_delivery(const struct rk_shop *s, const struct session *x, struct rk_buf *b) {
  static const char *const keys[] = {"first_name", "last_name", "address_locality", "street_address"};
  char date[11];
  if (!x->delivery) return;
  session_promise(s, x, x->delivery, date);
  rk_buf_adds(b, "<p>");
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    html_text(b, rk_json_cstr(rk_json_obj(x->state, "address"), keys[i], ""));
    rk_buf_adds(b, " ");
  }
  rk_buf_adds(b, "<br>");
  html_text(b, x->delivery->title.zh);
  rk_buf_addf(b, " · %s · ", date);
  html_money(b, x->fee, s->catalog.currency);
  rk_buf_adds(b, "</p>");
}

static void show_payment(const struct rk_shop *s, const struct session *x, bool done, const char *kind, struct rk_shop_answer *out) {
  struct rk_buf b;
  begin(s, &b);
  for (int32_t i = 0; i < x->n_lines; i++) {
    rk_buf_addf(&b, "<p>%d × ", (int)x->lines[i].quantity);
    html_text(&b, x->lines[i].item->product->title.zh);
    rk_buf_adds(&b, "</p>");
  }
  show_delivery(s, x, &b);
  rk_buf_adds(&b, "<p><b>");
  html_money(&b, x->total, s->catalog.currency);
  rk_buf_adds(&b, "</b></p>");
  if (done) rk_buf_adds(&b, "<p>已完成，可以回到助手。Done; you can go back to your assistant.</p>");
  else if (strcmp(kind, "page") == 0) rk_buf_adds(&b, "<form method=post><button>确认付款（沙盒）· Confirm the payment (sandbox)</button></form>");
  else if (*kind)
    rk_buf_addf(&b, "<form method=post><input type=hidden name=total value=%lld><button>下单，货到付款 · Order, pay on delivery</button></form>", (long long)x->total);
  else rk_buf_adds(&b, "<p>请联系本店付款。Please contact the shop to pay.</p>");
  finish(&b, 200, out);
}

/* The buyer has confirmed: the order is placed as the agent would have it. */
static rk_err confirm(struct rk_shop *s, json_t *row, struct session *x, const char *kind, struct rk_error *e) {
  char header[AGENT_URL_BYTES + 16];
  struct caller c;
  struct rk_shop_answer answer = {0};
  struct payment p = {0};
  snprintf(p.kind, sizeof p.kind, "%s", kind);
  snprintf(header, sizeof header, "profile=\"%s\"", rk_json_cstr(row, "agent", ""));
  rk_uuid7(p.jti);
  rk_err err = caller_find(s, rk_str_c(header), false, &c, &answer) ? rk_db_begin(s->db, e) : rk_fail(e, RK_EUPSTREAM, "the agent's profile cannot be read");
  if (!err) {
    err = order_place(s, &c, x, &p, &answer, e);
    if (err) rk_db_rollback(s->db);
    else err = rk_db_commit(s->db, e);
    caller_release(&c);
  }
  rk_shop_answer_release(&answer);
  return err;
}

/* What a press of the button stands for here; "": nothing does. */
static const char *payable_by(const struct rk_shop *s, const struct session *x) {
  if (s->o.sandbox) return rk_json_bool(x->state, "escalated", false) ? "page" : "";
  return payment_on_a_page(s, x) ? "on_delivery" : "";
}

/* The button is pressed for what the page showed. */
static bool is_pressed(const struct rk_shop_request *r, const struct session *x, const char *kind) {
  char total[24];
  int64_t seen;
  if (!*kind || !x->ready || !rk_str_eq(r->method, RK_STR("POST"))) return false;
  return strcmp(kind, "on_delivery") != 0 || (form_value(r->body, "total", total, sizeof total) && rk_str_i64(rk_str_c(total), &seen) && seen == x->total);
}

static void payment(struct rk_shop *s, const struct rk_shop_request *r, const char *id, struct rk_shop_answer *out) {
  struct rk_error e = {0};
  json_t *row = rk_shop_store_checkout(s->db, id);
  struct session x;
  if (!row) {
    answer_error(out, 404, "not_found", "there is no payment to confirm here");
    return;
  }
  session_work_out(s, row, false, &x);
  bool open = checkout_is_open(row) && rk_now_ms() < rk_json_i64(row, "expires_ms", 0);
  const char *kind = payable_by(s, &x);
  bool confirmed = open && is_pressed(r, &x, kind);
  rk_err err = confirmed ? confirm(s, row, &x, kind, &e) : RK_OK;
  if (s->o.sandbox && !*kind) answer_error(out, 404, "not_found", "there is no payment to confirm here");
  else if (err) answer_error(out, 503, "unavailable", "%s", e.msg);
  else show_payment(s, &x, confirmed || !open, x.ready ? kind : "", out);
  session_release(&x);
  json_decref(row);
}

bool page_handle(struct rk_shop *s, const struct rk_shop_request *r, struct rk_shop_answer *out) {
  char id[MAX_ID_BYTES];
  bool get = rk_str_eq(r->method, RK_STR("GET"));
  if (get && rk_str_eq(r->path, RK_STR("/terms"))) terms(s, out);
  else if ((get || rk_str_eq(r->method, RK_STR("POST"))) && pay_id(r->path, id)) payment(s, r, id, out);
  else return false;
  return true;
}
