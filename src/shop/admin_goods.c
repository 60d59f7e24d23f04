/* admin_goods.c - products on the seller's page.
 *
 * A form carries the version of what it shows: a product that changed since is
 * shown anew and nothing is written. Stock is changed by the difference to what
 * the form showed, so that a sale in between still counts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "shop/admin.h"
#include "shop/goods.h"

/* ---- the list ---- */

static const char *title_of(const struct admin *a, const json_t *row) {
  const char *zh = rk_json_cstr(row, "title", ""), *en = rk_json_cstr(row, "title_en", "");
  return a->en && *en ? en : zh;
}

static void list_item(struct admin *a, const json_t *p) {
  const json_t *first = rk_json_obj(p, "first");
  int64_t low = rk_json_i64(p, "low", 0), high = rk_json_i64(p, "high", 0), n = rk_json_i64(p, "n", 0), n_off = rk_json_i64(p, "n_off", 0);
  const char *id = rk_json_cstr(p, "product", "");
  rk_buf_addf(&a->b, "<li><a%s href=\"/admin/products/%s\">", n_off == n ? " class=off" : "", id);
  if (n_off < n) rk_buf_addf(&a->b, "<img src=\"/pictures/%s.svg\" alt=\"\" loading=lazy>", id);
  rk_buf_adds(&a->b, "<span class=what>");
  html_text(&a->b, title_of(a, first));
  rk_buf_adds(&a->b, "<br><small>");
  html_text(&a->b, id);
  if (n > 1) rk_buf_addf(&a->b, " · %lld %s", (long long)n, admin_word(a, "个规格", "variants"));
  if (n_off) rk_buf_addf(&a->b, " · <span class=tag>%s</span>", n_off == n ? admin_word(a, "已下架", "off") : admin_word(a, "部分下架", "partly off"));
  rk_buf_adds(&a->b, "</small></span><span class=end>");
  html_money(&a->b, low, a->s->catalog.currency);
  if (high > low) rk_buf_adds(&a->b, " +");
  rk_buf_addf(&a->b, "<br><small>%s %lld</small></span></a></li>", admin_word(a, "库存", "stock"), (long long)rk_json_i64(p, "stock", 0));
}

/* "a b" -> "q=a%20b&", for the links of the other pages. */
static void query_part(const char *name, const char *value, char *out, size_t size) {
  size_t n = (size_t)snprintf(out, size, "%s=", name);
  if (!*value) n = 0;
  for (; *value && n + 5 < size; value++) n += (size_t)snprintf(out + n, size - n, "%%%02X", (unsigned char)*value);
  if (n) out[n++] = '&';
  out[n] = 0;
}

static void show_list(struct admin *a) {
  char query[200], part[640], done[16];
  int64_t from = admin_from(a);
  int32_t total;
  size_t i;
  json_t *p;
  admin_query(a, "q", query, sizeof query);
  admin_query(a, "done", done, sizeof done);
  query_part("q", query, part, sizeof part);
  json_t *found = rk_shop_store_find_goods(a->s->db, query, from, ADMIN_PAGE_ROWS, &total);
  admin_begin(a, admin_word(a, "商品", "Products"), "/admin/products");
  if (strcmp(done, "new") == 0) admin_note(a, false, admin_word(a, "商品已添加。", "The product is in the shop."));
  rk_buf_addf(&a->b, "<form class=find action=\"/admin/products\"><input name=q type=search aria-label=\"%s\" placeholder=\"%s\" value=\"", admin_word(a, "搜索", "Search"),
              admin_word(a, "名称或编号", "Title or number"));
  html_text(&a->b, query);
  rk_buf_addf(&a->b, "\"><button>%s</button></form><p><a class=button href=\"/admin/products/+new\">%s</a></p><ul class=list>", admin_word(a, "搜索", "Search"),
              admin_word(a, "添加商品", "New product"));
  json_array_foreach(found, i, p) list_item(a, p);
  rk_buf_adds(&a->b, "</ul>");
  if (total == 0) admin_note(a, false, admin_word(a, "没有找到商品。", "Nothing was found."));
  admin_pages(a, "/admin/products", part, from, total);
  json_decref(found);
  admin_end(a, 200);
}

/* ---- reading a form ---- */

struct entry { struct admin *a; const char *fault; char text[480]; };

static bool refuse(struct entry *t, const char *zh, const char *en) {
  if (!t->fault) t->fault = admin_word(t->a, zh, en);
  return false;
}

static bool read_text(struct entry *t, json_t *row, const char *key) {
  char value[ADMIN_VALUE_BYTES];
  if (!form_value(t->a->r->body, key, value, sizeof value)) {
    snprintf(t->text, sizeof t->text, t->a->en ? "%s: missing, not UTF-8, or over %d bytes." : "%s：缺失、不是 UTF-8，或超过 %d 字节。", key, RK_MAX_GOODS_TEXT);
    return refuse(t, t->text, t->text);
  }
  rk_str v = rk_str_trim(rk_str_c(value));
  json_object_set_new(row, key, json_stringn(v.p, v.n));
  return true;
}

static bool read_value(struct entry *t, const char *kind, const char *sku, char out[64]) {
  char name[80], value[64];
  snprintf(name, sizeof name, *sku ? "%s.%s" : "%s%s", kind, sku);
  if (!form_value(t->a->r->body, name, value, sizeof value)) value[0] = 0;
  rk_str v = rk_str_trim(rk_str_c(value));
  snprintf(out, 64, "%.*s", RK_STR_ARG(v));
  return v.n > 0;
}

static bool read_price(struct entry *t, json_t *row, const char *sku) {
  char text[64];
  int64_t minor;
  if (!read_value(t, "price", sku, text) || !rk_amount_parse(text, &minor)) return refuse(t, "价格：写成 12.50，不小于 0，最多两位小数。", "Price: write 12.50, not below 0, with two decimals at most.");
  json_object_set_new(row, "price_minor", json_integer(minor));
  return true;
}

static bool read_count(struct entry *t, const char *kind, const char *sku, int64_t *out) {
  char text[64];
  return read_value(t, kind, sku, text) && rk_str_i64(rk_str_c(text), out) && *out >= 0 && *out <= RK_MAX_STOCK;
}

/* What the seller counted, and what was sold since the form was shown. */
static bool read_stock(struct entry *t, json_t *row, const char *sku) {
  int64_t wanted, was = 0;
  if (!read_count(t, "stock", sku, &wanted)) return refuse(t, "库存：0 到 1000000 的整数。", "Stock: a whole number from 0 to 1000000.");
  if (*sku && !read_count(t, "was", sku, &was)) return refuse(t, "页面已失效，请刷新。", "The page was out of date; reload it.");
  int64_t now = rk_json_i64(row, "stock", 0) + wanted - was;
  if (now < 0) return refuse(t, "库存：期间已售出更多，请刷新后再改。", "Stock: more was sold meanwhile; reload the page.");
  json_object_set_new(row, "stock", json_integer(now));
  return true;
}

static bool read_shared(struct entry *t, json_t *row) {
  static const char *const keys[] = {"title", "title_en", "category", "description", "description_en"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    if (!read_text(t, row, keys[i])) return false;
  if (rk_json_str(row, "title").n == 0) return refuse(t, "名称不能为空。", "The title is empty.");
  if (rk_json_str(row, "category").n == 0) json_object_set_new(row, "category", json_string("other"));
  return true;
}

static bool check_row(struct entry *t, const json_t *row) {
  struct rk_error e = {0};
  if (rk_goods_check(row, &e) == RK_OK) return true;
  snprintf(t->text, sizeof t->text, "%s", e.msg);
  return refuse(t, t->text, t->text);
}

/* ---- one product ---- */

static int64_t version_of(const json_t *rows) {
  int64_t version = 0;
  size_t i;
  json_t *row;
  json_array_foreach(rows, i, row)
    if (rk_json_i64(row, "version", 0) > version) version = rk_json_i64(row, "version", 0);
  return version;
}

static void text_fields(struct admin *a, const json_t *row) {
  char typed[ADMIN_VALUE_BYTES];
  static const struct { const char *key, *zh, *en; } areas[] = {{"description", "描述", "Description (Chinese)"}, {"description_en", "英文描述", "Description (English)"}};
  admin_input(a, admin_word(a, "名称", "Title (Chinese)"), "title", rk_json_cstr(row, "title", ""), "required maxlength=600");
  admin_input(a, admin_word(a, "英文名", "Title (English)"), "title_en", rk_json_cstr(row, "title_en", ""), "maxlength=2000");
  admin_input(a, admin_word(a, "分类", "Category"), "category", rk_json_cstr(row, "category", ""), "maxlength=200");
  for (size_t i = 0; i < 2; i++) {
    const char *value = rk_json_cstr(row, areas[i].key, "");
    if (a->again && form_value(a->r->body, areas[i].key, typed, sizeof typed)) value = typed;
    rk_buf_addf(&a->b, "<label><span>%s</span><textarea name=%s maxlength=2000>", a->en ? areas[i].en : areas[i].zh, areas[i].key);
    html_text(&a->b, value);
    rk_buf_adds(&a->b, "</textarea></label>");
  }
}

static void variant_name(struct admin *a, const json_t *row) {
  const char *name;
  json_t *value;
  html_text(&a->b, rk_json_cstr(row, "sku", ""));
  json_object_foreach(rk_json_obj(row, "options"), name, value) {
    rk_buf_adds(&a->b, " · ");
    html_text(&a->b, json_string_value(value) ? json_string_value(value) : "");
  }
}

static void variant_fields(struct admin *a, const json_t *row) {
  const char *sku = rk_json_cstr(row, "sku", "");
  char name[80], price[32], stock[32];
  int64_t minor = rk_json_i64(row, "price_minor", 0);
  snprintf(price, sizeof price, "%lld.%02lld", (long long)(minor / 100), (long long)(minor % 100));
  snprintf(stock, sizeof stock, "%lld", (long long)rk_json_i64(row, "stock", 0));
  rk_buf_adds(&a->b, "<fieldset class=card><legend>");
  variant_name(a, row);
  rk_buf_adds(&a->b, "</legend><div class=row>");
  snprintf(name, sizeof name, "price.%s", sku);
  admin_input(a, admin_word(a, "价格", "Price"), name, price, "required inputmode=decimal");
  snprintf(name, sizeof name, "stock.%s", sku);
  admin_input(a, admin_word(a, "库存", "Stock"), name, stock, "required inputmode=numeric");
  snprintf(name, sizeof name, "on.%s", sku);
  bool on = a->again ? form_has(a->r->body, name) : !rk_json_i64(row, "off", 0);
  rk_buf_addf(&a->b, "</div><label class=check><span>%s</span><input type=checkbox name=\"%s\" value=1%s></label>", admin_word(a, "在售", "On sale"), name, on ? " checked" : "");
  char was[64] = "";
  snprintf(name, sizeof name, "was.%s", sku);
  if (!a->again || !form_value(a->r->body, name, was, sizeof was)) snprintf(was, sizeof was, "%s", stock);
  rk_buf_addf(&a->b, "<input type=hidden name=\"%s\" value=\"", name);
  html_text(&a->b, was);
  rk_buf_adds(&a->b, "\"></fieldset>");
}

static void show_product(struct admin *a, const char *product, const json_t *rows, int32_t status, const char *fault) {
  char path[200], done[16], typed[32];
  const json_t *first = json_array_get(rows, 0);
  size_t i;
  json_t *row;
  admin_query(a, "done", done, sizeof done);
  snprintf(path, sizeof path, "/admin/products/%s", product);
  snprintf(typed, sizeof typed, "%lld", (long long)version_of(rows));
  if (a->again) (void)form_value(a->r->body, "version", typed, sizeof typed);
  admin_begin(a, title_of(a, first), "/admin/products");
  rk_buf_addf(&a->b, "<p><a href=\"/admin/products\">%s</a></p>", admin_word(a, "← 全部商品", "← All products"));
  if (fault) admin_note(a, true, fault);
  else if (!a->post && strcmp(done, "saved") == 0) admin_note(a, false, admin_word(a, "已保存，买家马上看到。", "Saved. Buyers see it at once."));
  admin_form(a, path);
  rk_buf_adds(&a->b, "<input type=hidden name=version value=\"");
  html_text(&a->b, typed);
  rk_buf_adds(&a->b, "\">");
  json_array_foreach((json_t *)(uintptr_t)rows, i, row) variant_fields(a, row);
  rk_buf_adds(&a->b, "<div class=card>");
  text_fields(a, first);
  rk_buf_addf(&a->b, "</div><p><button>%s</button></p></form>", admin_word(a, "保存", "Save"));
  admin_end(a, status);
}

static rk_err write_row(struct rk_db *db, const json_t *row, int64_t position, bool off, struct rk_error *e) {
  static const char *const beside[] = {"version", "off", "position"};
  json_t *kept = json_copy((json_t *)(uintptr_t)row);
  for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) json_object_del(kept, beside[i]);
  rk_err err = rk_shop_store_put_goods(db, kept, position, e);
  if (!err) err = rk_shop_store_set_off(db, rk_json_cstr(row, "sku", ""), off, e);
  json_decref(kept);
  return err;
}

/* Inside a transaction. RK_ECONFLICT: it changed since; RK_EINVAL: t->fault says what is wrong. */
static rk_err edit_rows(struct entry *t, json_t *rows, struct rk_error *e) {
  char version[32], name[80];
  int64_t shown;
  size_t i;
  json_t *row;
  rk_err err = RK_OK;
  if (!form_value(t->a->r->body, "version", version, sizeof version) || !rk_str_i64(rk_str_c(version), &shown) || shown != version_of(rows)) return RK_ECONFLICT;
  json_array_foreach(rows, i, row) {
    const char *sku = rk_json_cstr(row, "sku", "");
    if (!read_shared(t, row) || !read_price(t, row, sku) || !read_stock(t, row, sku) || !check_row(t, row)) return RK_EINVAL;
    snprintf(name, sizeof name, "on.%s", sku);
    if (!err) err = write_row(t->a->s->db, row, rk_json_i64(row, "position", 0), !form_has(t->a->r->body, name), e);
  }
  return err;
}

static void edit(struct admin *a, const char *product) {
  struct entry t = {.a = a};
  struct rk_error e = {0};
  char path[200];
  json_t *rows = NULL;
  rk_err err = rk_db_begin(a->s->db, &e);
  if (!err) {
    rows = rk_shop_store_product(a->s->db, product);
    err = edit_rows(&t, rows, &e);
    if (err) rk_db_rollback(a->s->db);
    else err = rk_db_commit(a->s->db, &e);
    json_decref(rows);
  }
  snprintf(path, sizeof path, "/admin/products/%s?done=saved", product);
  if (!err) {
    admin_go(a, path);
    return;
  }
  a->again = err != RK_ECONFLICT;
  rows = rk_shop_store_product(a->s->db, product);
  if (err == RK_ECONFLICT)
    show_product(a, product, rows, 409, admin_word(a, "商品在您编辑期间已被修改，您的更改没有保存。下面是现在的内容。",
                                                   "The product was changed while you edited it. Nothing of yours was saved; this is how it is now."));
  else show_product(a, product, rows, t.fault ? 400 : 503, t.fault ? t.fault : e.msg);
  json_decref(rows);
}

/* ---- a new one ---- */

static void show_new(struct admin *a, int32_t status, const char *fault) {
  unsigned char r[3];
  char sku[16];
  json_t *none = json_object();
  rk_random(r, sizeof r);
  snprintf(sku, sizeof sku, "p-%02x%02x%02x", r[0], r[1], r[2]);
  admin_begin(a, admin_word(a, "添加商品", "New product"), "/admin/products");
  if (fault) admin_note(a, true, fault);
  admin_form(a, "/admin/products/+new");
  rk_buf_adds(&a->b, "<div class=card>");
  admin_input(a, admin_word(a, "编号", "Number"), "sku", sku, "required maxlength=64 pattern=\"[A-Za-z0-9._\\-]+\"");
  rk_buf_adds(&a->b, "<div class=row>");
  admin_input(a, admin_word(a, "价格", "Price"), "price", "", "required inputmode=decimal");
  admin_input(a, admin_word(a, "库存", "Stock"), "stock", "", "required inputmode=numeric");
  admin_input(a, admin_word(a, "重量（克）", "Weight (g)"), "weight", "0", "inputmode=numeric");
  rk_buf_adds(&a->b, "</div>");
  text_fields(a, none);
  rk_buf_addf(&a->b, "</div><p><button>%s</button></p></form>", admin_word(a, "添加", "Add"));
  json_decref(none);
  admin_end(a, status);
}

static bool read_new(struct entry *t, json_t *row) {
  int64_t weight;
  if (!read_text(t, row, "sku")) return false;
  json_object_set(row, "product", json_object_get(row, "sku"));
  if (!read_shared(t, row) || !read_price(t, row, "") || !read_stock(t, row, "")) return false;
  if (!read_count(t, "weight", "", &weight)) return refuse(t, "重量：0 到 1000000 的整数。", "Weight: a whole number from 0 to 1000000.");
  json_object_set_new(row, "weight_g", json_integer(weight));
  return check_row(t, row);
}

/* Inside a transaction. */
static rk_err add_row(struct entry *t, const json_t *row, struct rk_error *e) {
  struct rk_db *db = t->a->s->db;
  const char *sku = rk_json_cstr(row, "sku", "");
  json_t *same = rk_shop_store_product(db, sku);
  bool taken = json_array_size(same) > 0 || rk_shop_store_has_goods(db, sku);
  json_decref(same);
  if (taken) (void)refuse(t, "这个编号已经有商品了。", "There is a product with this number already.");
  else if (rk_shop_store_n_goods(db) >= RK_MAX_CSV_ROWS) (void)refuse(t, "商品数量已达上限。", "The shop has as many goods as it can.");
  return t->fault ? RK_EINVAL : write_row(db, row, rk_shop_store_last_position(db) + 1, false, e);
}

static void create(struct admin *a) {
  struct entry t = {.a = a};
  struct rk_error e = {0};
  json_t *row = json_pack("{s:{}, s:{}}", "options", "facts");
  rk_err err = read_new(&t, row) ? rk_db_begin(a->s->db, &e) : RK_EINVAL;
  if (!err) {
    err = add_row(&t, row, &e);
    if (err) rk_db_rollback(a->s->db);
    else err = rk_db_commit(a->s->db, &e);
  }
  json_decref(row);
  a->again = true;
  if (!err) admin_go(a, "/admin/products?done=new");
  else show_new(a, t.fault ? 400 : 503, t.fault ? t.fault : e.msg);
}

bool admin_goods(struct admin *a, rk_str rest) {
  char product[80];
  if (rest.n <= 1) {
    if (a->post) return false;
    show_list(a);
    return true;
  }
  if (rk_str_eq_c(rest, "/+new")) {
    if (a->post) create(a);
    else show_new(a, 200, NULL);
    return true;
  }
  if (rest.n > 65) return false;
  snprintf(product, sizeof product, "%.*s", (int)(rest.n - 1), rest.p + 1);
  json_t *rows = rk_shop_store_product(a->s->db, product);
  bool found = json_array_size(rows) > 0;
  if (found && !a->post) show_product(a, product, rows, 200, NULL);
  json_decref(rows);
  if (found && a->post) edit(a, product);
  return found;
}
