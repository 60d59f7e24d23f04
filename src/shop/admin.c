#include "shop/admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "shop/own.h"

enum { SESSION_TTL_MS = 43200000, MAX_TOKEN = 200, MAX_BACK = 128 };

static const char policy[] = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

static const char style[] =
    ":root{--ink:#1d2126;--soft:#667079;--line:#dde2e6;--bg:#f6f7f8;--card:#fff;--go:#1c6b4a;--bad:#a8321f}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e8eaec;--soft:#9aa3ab;--line:#343a40;--bg:#15181b;--card:#1e2226;--go:#4fb389;--bad:#ef8673}}\n"
    "*{box-sizing:border-box}body{margin:0;font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--bg)}\n"
    "header,main{max-width:52rem;margin:0 auto;padding:.6rem 1rem}header{display:flex;flex-wrap:wrap;gap:.2rem 1rem;align-items:center}\n"
    "header b{margin-right:auto;max-width:100%;overflow-wrap:anywhere}header form{display:inline}nav{display:flex;gap:.2rem;width:100%;border-bottom:1px solid var(--line);overflow-x:auto}\n"
    "nav a{padding:.5rem .7rem;color:var(--soft);text-decoration:none;border-bottom:3px solid transparent;white-space:nowrap}nav a[aria-current]{color:var(--ink);border-color:var(--go)}\n"
    "h1{font-size:1.35rem;margin:.6rem 0;overflow-wrap:anywhere}h2{font-size:1.05rem;margin:1.4rem 0 .4rem}a{color:var(--go)}p{overflow-wrap:anywhere}\n"
    ".card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.8rem 1rem;margin:.7rem 0}\n"
    ".list{list-style:none;padding:0;margin:.7rem 0}.list a{display:flex;gap:.8rem;align-items:center;background:var(--card);border:1px solid var(--line);border-radius:10px;"
    "padding:.55rem .8rem;margin:.45rem 0;color:inherit;text-decoration:none}.list img{width:48px;height:48px;flex:none}.list .what{flex:1;min-width:0;overflow-wrap:anywhere}\n"
    ".list .end{text-align:right;white-space:nowrap}small,.soft{color:var(--soft)}.off{opacity:.6}.tag{border:1px solid var(--line);border-radius:6px;padding:0 .4em;font-size:.85em;white-space:nowrap}\n"
    "label{display:block;margin:.6rem 0}label>span{display:block;font-size:.9rem;color:var(--soft)}label.check{display:flex;gap:.5rem;align-items:center}label.check>span{order:2;font-size:1rem;color:inherit}\n"
    "input,textarea,select{font:inherit;width:100%;padding:.55rem .6rem;border:1px solid var(--line);border-radius:8px;background:var(--card);color:inherit}"
    "input[type=checkbox]{width:1.3rem;height:1.3rem;accent-color:var(--go)}textarea{min-height:5rem}\n"
    ".row{display:flex;flex-wrap:wrap;gap:0 .8rem}.row>label{flex:1 1 8rem}button,.button{font:inherit;min-height:44px;padding:.5rem 1.1rem;border:1px solid var(--go);border-radius:8px;"
    "background:var(--go);color:var(--card);cursor:pointer;text-decoration:none;display:inline-block}button.plain{background:none;border-color:var(--line);color:var(--soft);min-height:36px;padding:.2rem .7rem}\n"
    ":focus-visible{outline:3px solid var(--go);outline-offset:2px}.note{border-left:4px solid var(--go);padding:.5rem .8rem;background:var(--card);margin:.7rem 0}.note.fault{border-color:var(--bad);color:var(--bad)}\n"
    ".find{display:flex;flex-wrap:wrap;gap:.5rem;margin:.7rem 0}.find input{flex:1 1 10rem}.find:has(select) input{flex-basis:100%}.find select{flex:1}table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.35rem .6rem .35rem 0;border-bottom:1px solid var(--line);"
    "vertical-align:top;overflow-wrap:anywhere}td.end,th.end{text-align:right;white-space:nowrap;padding-right:0}.wide{overflow-x:auto}.wide table{min-width:38rem}.card>p:first-child{margin-top:0}.card>p:last-child{margin-bottom:0}.pages{display:flex;gap:1rem;align-items:center}\n";

/* ---- what a page is made of ---- */

static rk_str header(const struct rk_shop_request *r, const char *name) {
  rk_str value = {0};
  return r->message && r->message->field(r->message->ud, name, &value) ? value : (rk_str){0};
}

static void begin_html(struct admin *a, const char *title) {
  rk_buf_init(&a->b, RK_MAX_PAGE_BYTES);
  rk_buf_addf(&a->b, "<!doctype html><html lang=%s><meta charset=utf-8><meta name=viewport content=\"width=device-width, initial-scale=1\">"
                     "<link rel=stylesheet href=\"/admin/style.css\"><title>", a->en ? "en" : "zh-CN");
  html_text(&a->b, title);
  rk_buf_adds(&a->b, " · ");
  html_text(&a->b, rk_text_in(a->s->catalog.title, a->en));
  rk_buf_adds(&a->b, "</title>");
}

/* Where a change of language comes back to: a page that was asked for, not the outcome of a form. */
static void name_this_page(struct admin *a) {
  char path[MAX_BACK];
  if (a->post || a->r->path.n >= sizeof path) return;
  snprintf(path, sizeof path, "%.*s", RK_STR_ARG(a->r->path));
  rk_buf_adds(&a->b, "<input type=hidden name=back value=\"");
  html_text(&a->b, path);
  rk_buf_adds(&a->b, "\">");
}

/* A path below /admin, and nothing else that a Location could hold. */
static bool is_page(const char *path) {
  return strncmp(path, "/admin/", 7) == 0 && strspn(path, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.+/") == strlen(path);
}

void admin_begin(struct admin *a, const char *title, const char *here) {
  static const struct { const char *path, *zh, *en; } menu[] = {
      {"/admin/products", "商品", "Products"}, {"/admin/orders", "订单", "Orders"}, {"/admin/settings", "设置", "Settings"}};
  begin_html(a, title);
  rk_buf_adds(&a->b, "<header><b>");
  html_text(&a->b, rk_text_in(a->s->catalog.title, a->en));
  rk_buf_adds(&a->b, "</b>");
  admin_form(a, "/admin/lang");
  name_this_page(a);
  rk_buf_addf(&a->b, "<button class=plain name=lang value=%s>%s</button></form>", a->en ? "zh" : "en", a->en ? "中文" : "English");
  admin_form(a, "/admin/sign-out");
  rk_buf_addf(&a->b, "<button class=plain>%s</button></form><nav>", admin_word(a, "退出", "Sign out"));
  for (size_t i = 0; i < sizeof menu / sizeof *menu; i++)
    rk_buf_addf(&a->b, "<a href=\"%s\"%s>%s</a>", menu[i].path, strcmp(here, menu[i].path) == 0 ? " aria-current=page" : "", a->en ? menu[i].en : menu[i].zh);
  rk_buf_adds(&a->b, "</nav></header><main>");
  html_element(&a->b, "h1", title);
}

void admin_end(struct admin *a, int32_t status) {
  rk_buf_adds(&a->b, "</main></html>");
  html_answer(&a->b, status, policy, a->out);
}

void admin_note(struct admin *a, bool fault, const char *text) {
  rk_buf_addf(&a->b, "<p class=\"note%s\" role=%s>", fault ? " fault" : "", fault ? "alert" : "status");
  html_text(&a->b, text);
  rk_buf_adds(&a->b, "</p>");
}

void admin_form(struct admin *a, const char *path) {
  rk_buf_adds(&a->b, "<form method=post action=\"");
  html_text(&a->b, path);
  rk_buf_addf(&a->b, "\"><input type=hidden name=csrf value=%s>", a->csrf);
}

void admin_input(struct admin *a, const char *label, const char *name, const char *value, const char *attrs) {
  char typed[ADMIN_VALUE_BYTES];
  if (a->again && form_value(a->r->body, name, typed, sizeof typed)) value = typed;
  rk_buf_adds(&a->b, "<label><span>");
  html_text(&a->b, label);
  rk_buf_addf(&a->b, "</span><input name=\"%s\" %s value=\"", name, attrs);
  html_text(&a->b, value);
  rk_buf_adds(&a->b, "\"></label>");
}

void admin_go(struct admin *a, const char *path) {
  *a->out = (struct rk_shop_answer){.status = 303, .content_type = "text/plain"};
  rk_shop_answer_header(a->out, "Location", path);
}

void admin_query(const struct admin *a, const char *name, char *out, size_t size) {
  rk_str v = a->r->param ? a->r->param(a->r->ud, name) : (rk_str){0};
  bool ok = v.n < size && rk_utf8_valid(v) && !(v.n && memchr(v.p, 0, v.n));
  snprintf(out, size, "%.*s", ok ? (int)v.n : 0, ok && v.p ? v.p : "");
}

int64_t admin_from(const struct admin *a) {
  char text[16];
  int64_t from = 0;
  admin_query(a, "from", text, sizeof text);
  return rk_str_i64(rk_str_c(text), &from) && from > 0 && from < 1000000 ? from : 0;
}

/* query: further parts of the address, already written for one ("q=...&"). */
void admin_pages(struct admin *a, const char *path, const char *query, int64_t from, int32_t total) {
  int64_t last = from + ADMIN_PAGE_ROWS < total ? from + ADMIN_PAGE_ROWS : total;
  rk_buf_adds(&a->b, "<p class=pages>");
  if (from > 0) rk_buf_addf(&a->b, "<a href=\"%s?%sfrom=%lld\">%s</a>", path, query, (long long)(from > ADMIN_PAGE_ROWS ? from - ADMIN_PAGE_ROWS : 0), admin_word(a, "上一页", "Back"));
  if (total) rk_buf_addf(&a->b, "<span class=soft>%lld–%lld / %d</span>", (long long)(from + 1), (long long)last, (int)total);
  if (last < total) rk_buf_addf(&a->b, "<a href=\"%s?%sfrom=%lld\">%s</a>", path, query, (long long)last, admin_word(a, "下一页", "Next"));
  rk_buf_adds(&a->b, "</p>");
}

/* ---- who it is ---- */

/* Browsers send a cookie to every port of a host: its name holds the shop. */
static void cookie_name(const struct rk_shop *s, char out[32]) {
  char hash[65];
  rk_sha256_hex(rk_str_c(s->origin), hash);
  snprintf(out, 32, "rukou_shop_%.12s", hash);
}

static rk_str cookie(const struct admin *a) {
  char name[32];
  rk_str rest = header(a->r, "cookie"), one, key, value;
  cookie_name(a->s, name);
  while (rest.n) {
    rk_str_cut(rest, ';', &one, &rest);
    if (rk_str_cut(rk_str_trim(one), '=', &key, &value) && rk_str_eq_c(key, name)) return value;
  }
  return (rk_str){0};
}

static void set_cookie(struct admin *a, const char *token, int64_t age_s) {
  char name[32], text[300];
  cookie_name(a->s, name);
  snprintf(text, sizeof text, "%s=%s; Path=/admin; Max-Age=%lld; HttpOnly; SameSite=Strict%s", name, token, (long long)age_s,
           strncmp(a->s->origin, "https:", 6) == 0 ? "; Secure" : "");
  rk_shop_answer_header(a->out, "Set-Cookie", text);
}

static bool find_session(struct admin *a) {
  rk_str token = cookie(a);
  if (token.n == 0 || token.n > MAX_TOKEN) return false;
  rk_sha256_hex(token, a->hash);
  json_t *row = rk_shop_store_session(a->s->db, a->hash);
  snprintf(a->csrf, sizeof a->csrf, "%s", rk_json_cstr(row, "csrf", ""));
  a->en = rk_str_eq_c(rk_json_str(row, "lang"), "en");
  json_decref(row);
  return row != NULL;
}

static bool wants_english_page(const struct rk_shop_request *r) {
  rk_str accept = header(r, "accept-language");
  return accept.n && !rk_str_starts(accept, RK_STR("zh"));
}

/* A page without a session. */
static void stranger(struct admin *a, int32_t status, const char *title, const char *text) {
  begin_html(a, title);
  rk_buf_adds(&a->b, "<main>");
  html_element(&a->b, "h1", title);
  admin_note(a, status >= 400, text);
  admin_end(a, status);
}

static void ask_for_link(struct admin *a, int32_t status, const char *why) {
  stranger(a, status, admin_word(a, "请先登录", "Sign in first"), why);
}

/* The link itself changes nothing: previews of messengers open links too. */
static void show_sign_in(struct admin *a, const char *token) {
  begin_html(a, admin_word(a, "登录", "Sign in"));
  rk_buf_adds(&a->b, "<main>");
  html_element(&a->b, "h1", rk_text_in(a->s->catalog.title, a->en));
  rk_buf_adds(&a->b, "<form class=card method=post action=\"/admin/sign-in\"><input type=hidden name=token value=\"");
  html_text(&a->b, token);
  rk_buf_addf(&a->b, "\"><button>%s</button></form>", admin_word(a, "登录店铺后台", "Sign in to your shop"));
  admin_end(a, 200);
}

/* Only a page of ours may write: browsers name the Origin of every form. */
static bool from_here(const struct admin *a) { return rk_str_eq_c(header(a->r, "origin"), a->s->origin); }

static void refuse_foreign(struct admin *a) {
  char text[300];
  snprintf(text, sizeof text, a->en ? "Open this page at %s/admin." : "请从 %s/admin 打开本页。", a->s->origin);
  stranger(a, 403, admin_word(a, "不接受这个请求", "This request is not taken"), text);
}

static void sign_in(struct admin *a) {
  char token[MAX_TOKEN], hash[65], session[65];
  struct rk_error e = {0};
  if (!from_here(a)) {
    refuse_foreign(a);
    return;
  }
  (void)form_value(a->r->body, "token", token, sizeof token);
  rk_sha256_hex(rk_str_c(token), hash);
  rk_token_hex(session);
  rk_token_hex(a->csrf);
  rk_sha256_hex(rk_str_c(session), a->hash);
  rk_err err = rk_db_begin(a->s->db, &e);
  if (!err) {
    err = rk_shop_store_use_link(a->s->db, hash, &e);
    if (!err) err = rk_shop_store_put_session(a->s->db, a->hash, a->csrf, a->en ? "en" : "zh", rk_now_ms() + SESSION_TTL_MS, &e);
    if (err) rk_db_rollback(a->s->db);
    else err = rk_db_commit(a->s->db, &e);
  }
  if (err == RK_EAUTH)
    ask_for_link(a, 401, admin_word(a, "这个链接已用过或已过期。请再运行 rukou shop admin 取新的链接。", "This link was used before, or its time is over. Run `rukou shop admin` for a new one."));
  else if (err) stranger(a, 503, admin_word(a, "出错了", "It did not work"), e.msg);
  else {
    admin_go(a, "/admin/products");
    set_cookie(a, session, SESSION_TTL_MS / 1000);
  }
}

/* ---- settings: what stands in files ---- */

static void cell(struct admin *a, const char *text) { html_element(&a->b, "td", text); }

static void money_cell(struct admin *a, int64_t minor) {
  rk_buf_adds(&a->b, "<td class=end>");
  html_money(&a->b, minor, a->s->catalog.currency);
  rk_buf_adds(&a->b, "</td>");
}

static void deliveries(struct admin *a) {
  const struct rk_catalog *c = &a->s->catalog;
  rk_buf_addf(&a->b, "<h2>%s</h2><div class=\"card wide\"><table><tr><th>%s<th>%s<th class=end>%s<th class=end>%s<th class=end>%s</tr>", admin_word(a, "配送", "Delivery"),
              admin_word(a, "方式", "Option"), admin_word(a, "地区", "Regions"), admin_word(a, "首重费用", "First kilogram"), admin_word(a, "续重每公斤", "Each further"),
              admin_word(a, "满额包邮", "Free from"));
  for (int32_t i = 0; i < c->n_deliveries; i++) {
    const struct rk_delivery_rule *d = &c->deliveries[i];
    rk_buf_adds(&a->b, "<tr><td>");
    html_text(&a->b, rk_text_in(d->title, a->en));
    rk_buf_addf(&a->b, " <small>%d %s</small></td>", (int)d->days, admin_word(a, "天", "days"));
    cell(a, d->regions ? d->regions : admin_word(a, "全部", "everywhere"));
    money_cell(a, d->fee_minor);
    money_cell(a, d->per_kg_minor);
    if (d->free_over_minor) money_cell(a, d->free_over_minor);
    else rk_buf_adds(&a->b, "<td class=end>–</td>");
    rk_buf_adds(&a->b, "</tr>");
  }
  rk_buf_adds(&a->b, "</table></div>");
}

static void coupons(struct admin *a) {
  const struct rk_catalog *c = &a->s->catalog;
  rk_buf_addf(&a->b, "<h2>%s</h2><div class=card><table><tr><th>%s<th>%s<th class=end>%s</tr>", admin_word(a, "优惠码", "Coupons"), admin_word(a, "代码", "Code"),
              admin_word(a, "名称", "Title"), admin_word(a, "最低消费", "From"));
  for (int32_t i = 0; i < c->n_coupons; i++) {
    rk_buf_adds(&a->b, "<tr>");
    cell(a, c->coupons[i].code);
    cell(a, rk_text_in(c->coupons[i].title, a->en));
    money_cell(a, c->coupons[i].min_subtotal_minor);
    rk_buf_adds(&a->b, "</tr>");
  }
  rk_buf_adds(&a->b, "</table></div>");
}

static void fact(struct admin *a, const char *name, const char *value) {
  rk_buf_adds(&a->b, "<tr>");
  html_element(&a->b, "th", name);
  cell(a, *value ? value : "–");
  rk_buf_adds(&a->b, "</tr>");
}

static void settings(struct admin *a) {
  const struct rk_catalog *c = &a->s->catalog;
  int64_t opens_ms = rk_hours_next(&c->hours, c->zone, rk_now_ms());
  char at[40] = "", pay[100], cutoff[16] = "";
  admin_begin(a, admin_word(a, "设置", "Settings"), "/admin/settings");
  rk_buf_adds(&a->b, "<p class=soft>");
  html_text(&a->b, admin_word(a, "在店铺目录的 shop.conf、delivery.tsv、coupons.tsv 里修改，重启后生效。",
                              "Change these in shop.conf, delivery.tsv and coupons.tsv of the shop's directory; a restart takes them."));
  rk_buf_adds(&a->b, "</p><div class=card><table>");
  if (opens_ms != INT64_MAX) shop_local_time(c, opens_ms, at);
  if (c->cutoff_min) snprintf(cutoff, sizeof cutoff, "%02d:%02d", c->cutoff_min / 60 % 24, c->cutoff_min % 60);
  snprintf(pay, sizeof pay, "%lld.%02lld %s", (long long)(c->on_delivery_max_minor / 100), (long long)(c->on_delivery_max_minor % 100), c->currency);
  fact(a, admin_word(a, "网址", "Origin"), a->s->origin);
  fact(a, admin_word(a, "营业", "Open"), c->hours.always ? admin_word(a, "随时", "always") : rk_hours_open(&c->hours, c->zone, rk_now_ms()) ? admin_word(a, "现在营业", "now") : at);
  fact(a, admin_word(a, "休息时接单", "Orders while closed"), c->sells_when_open ? admin_word(a, "不接", "no") : admin_word(a, "接", "yes"));
  fact(a, admin_word(a, "当日截单", "Cutoff"), cutoff);
  fact(a, admin_word(a, "货到付款上限", "Pay on delivery up to"), c->on_delivery_max_minor ? pay : "");
  fact(a, admin_word(a, "付款页", "Payment page"), c->continue_url);
  fact(a, admin_word(a, "退换规则", "Returns"), rk_text_in(c->refund_rule, a->en));
  rk_buf_adds(&a->b, "</table></div>");
  deliveries(a);
  coupons(a);
  admin_end(a, 200);
}

/* ---- routes ---- */

static void change_language(struct admin *a) {
  char lang[8], back[MAX_BACK];
  struct rk_error e = {0};
  bool known = form_value(a->r->body, "back", back, sizeof back) && is_page(back);
  (void)form_value(a->r->body, "lang", lang, sizeof lang);
  if (rk_shop_store_put_session(a->s->db, a->hash, a->csrf, strcmp(lang, "en") == 0 ? "en" : "zh", rk_now_ms() + SESSION_TTL_MS, &e)) stranger(a, 503, "503", e.msg);
  else admin_go(a, known ? back : "/admin/products");
}

static void sign_out(struct admin *a) {
  struct rk_error e = {0};
  if (rk_shop_store_end_session(a->s->db, a->hash, &e)) {
    stranger(a, 503, "503", e.msg);
    return;
  }
  stranger(a, 200, admin_word(a, "已退出", "Signed out"), admin_word(a, "再次登录请运行 rukou shop admin。", "Run `rukou shop admin` to sign in again."));
  set_cookie(a, "", 0);
}

static bool csrf_ok(const struct admin *a) {
  char typed[80];
  return form_value(a->r->body, "csrf", typed, sizeof typed) && a->csrf[0] && rk_ct_equal(rk_str_c(typed), rk_str_c(a->csrf));
}

static bool below(rk_str path, rk_str prefix, rk_str *rest) {
  if (!rk_str_starts(path, prefix) || (path.n > prefix.n && path.p[prefix.n] != '/')) return false;
  *rest = (rk_str){path.p + prefix.n, path.n - prefix.n};
  return true;
}

/* Signed in, and a write is one of ours. */
static void inside(struct admin *a, rk_str path) {
  rk_str rest;
  bool done = true;
  if (a->post && rk_str_eq_c(path, "/lang")) change_language(a);
  else if (a->post && rk_str_eq_c(path, "/sign-out")) sign_out(a);
  else if (!a->post && (path.n == 0 || rk_str_eq_c(path, "/"))) admin_go(a, "/admin/products");
  else if (!a->post && rk_str_eq_c(path, "/settings")) settings(a);
  else if (below(path, RK_STR("/products"), &rest)) done = admin_goods(a, rest);
  else if (below(path, RK_STR("/orders"), &rest)) done = admin_orders(a, rest);
  else done = false;
  if (!done) stranger(a, 404, admin_word(a, "没有这个页面", "There is no such page"), admin_word(a, "它可能已被删除。", "It may have been taken away."));
}

bool admin_handle(struct rk_shop *s, const struct rk_shop_request *r, struct rk_shop_answer *out) {
  struct admin a = {.s = s, .r = r, .out = out, .en = wants_english_page(r), .post = rk_str_eq(r->method, RK_STR("POST"))};
  char token[MAX_TOKEN];
  rk_str path;
  if (!s->catalog.own || !below(r->path, RK_STR("/admin"), &path) || (!a.post && !rk_str_eq(r->method, RK_STR("GET")))) return false;
  admin_query(&a, "token", token, sizeof token);
  if (!a.post && rk_str_eq_c(path, "/style.css")) {
    *out = (struct rk_shop_answer){.status = 200, .text = strdup(style), .content_type = "text/css; charset=utf-8", .cacheable = true};
  } else if (!a.post && path.n == 0 && token[0]) show_sign_in(&a, token);
  else if (a.post && rk_str_eq_c(path, "/sign-in")) sign_in(&a);
  else if (!find_session(&a))
    ask_for_link(&a, 401, admin_word(&a, "在服务器上运行 rukou shop admin，打开它给出的链接。", "Run `rukou shop admin` where the shop is served and open the link that it prints."));
  else if (a.post && !from_here(&a)) refuse_foreign(&a);
  else if (a.post && !csrf_ok(&a))
    stranger(&a, 403, admin_word(&a, "不接受这个请求", "This request is not taken"), admin_word(&a, "页面已失效，请返回并刷新后再试。", "The page was out of date. Go back, reload it and try again."));
  else inside(&a, path);
  return true;
}
