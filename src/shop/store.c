#include "shop/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { ANSWER_TTL_MS = 172800000 }; /* two days; the protocol asks for one */

static const struct rk_migration migrations[] = {
  {"CREATE TABLE items(id TEXT PRIMARY KEY, product_id TEXT NOT NULL, category TEXT NOT NULL, title TEXT NOT NULL,"
   " price_minor INTEGER NOT NULL, stock INTEGER NOT NULL CHECK(stock >= 0)) STRICT;"
   "CREATE TABLE checkouts(id TEXT PRIMARY KEY, agent TEXT NOT NULL, status TEXT NOT NULL, state_json TEXT NOT NULL,"
   " view_json TEXT, order_id TEXT, expires_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL) STRICT;"
   "CREATE TABLE orders(id TEXT PRIMARY KEY, checkout_id TEXT NOT NULL UNIQUE, agent TEXT NOT NULL, report_json TEXT NOT NULL,"
   " view_json TEXT NOT NULL, total_minor INTEGER NOT NULL, currency TEXT NOT NULL, placed_ms INTEGER NOT NULL) STRICT;"
   "CREATE TABLE payments(jti TEXT PRIMARY KEY, checkout_id TEXT NOT NULL UNIQUE, order_id TEXT NOT NULL REFERENCES orders(id),"
   " kind TEXT NOT NULL, amount_minor INTEGER NOT NULL, currency TEXT NOT NULL, time_ms INTEGER NOT NULL) STRICT;"
   "CREATE TABLE answers(agent TEXT NOT NULL, key TEXT NOT NULL, request TEXT NOT NULL, sha256 TEXT NOT NULL,"
   " status INTEGER NOT NULL, body_json TEXT NOT NULL, time_ms INTEGER NOT NULL, PRIMARY KEY(agent, key)) STRICT;"},
  {"CREATE TABLE bookings(id INTEGER PRIMARY KEY, checkout_id TEXT NOT NULL, item_id TEXT NOT NULL, stock_key TEXT NOT NULL,"
   " seats TEXT NOT NULL, quantity INTEGER NOT NULL CHECK(quantity > 0), sold INTEGER NOT NULL, expires_ms INTEGER NOT NULL) STRICT;"
   "CREATE INDEX bookings_stock ON bookings(stock_key);"
   "CREATE INDEX bookings_checkout ON bookings(checkout_id);"
   "CREATE TABLE refunds(id TEXT PRIMARY KEY, order_id TEXT NOT NULL REFERENCES orders(id), agent TEXT NOT NULL, status TEXT NOT NULL,"
   " lines_json TEXT NOT NULL, amount_minor INTEGER NOT NULL, fee_minor INTEGER NOT NULL, expires_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL) STRICT;"},
  {"CREATE TABLE carts(id TEXT PRIMARY KEY, agent TEXT NOT NULL, state_json TEXT NOT NULL, expires_ms INTEGER NOT NULL) STRICT;"
   "CREATE TABLE conversions(cart_id TEXT PRIMARY KEY, checkout_id TEXT NOT NULL) STRICT;"
   "CREATE TABLE hooks(order_id TEXT PRIMARY KEY, url TEXT NOT NULL) STRICT;"
   "CREATE TABLE outbox(id TEXT PRIMARY KEY, order_id TEXT NOT NULL, url TEXT NOT NULL, body_json TEXT NOT NULL, made_ms INTEGER NOT NULL,"
   " due_ms INTEGER, attempts INTEGER NOT NULL) STRICT;" /* due_ms NULL: delivered, or given up */
   "CREATE INDEX outbox_due ON outbox(due_ms);"
   "CREATE TABLE grants(id TEXT PRIMARY KEY, client TEXT NOT NULL, user TEXT NOT NULL, scope TEXT NOT NULL, revoked INTEGER NOT NULL) STRICT;"
   "CREATE TABLE tokens(hash TEXT PRIMARY KEY, kind TEXT NOT NULL, grant_id TEXT NOT NULL REFERENCES grants(id), redirect_uri TEXT NOT NULL,"
   " challenge TEXT NOT NULL, used INTEGER NOT NULL, expires_ms INTEGER NOT NULL) STRICT;"
   "CREATE TABLE buyers(order_id TEXT PRIMARY KEY REFERENCES orders(id), user TEXT NOT NULL) STRICT;"
   "CREATE INDEX buyers_user ON buyers(user);"},
  {"CREATE TABLE goods(sku TEXT PRIMARY KEY, product TEXT NOT NULL, position INTEGER NOT NULL, row_json TEXT NOT NULL) STRICT;"
   "CREATE TABLE goods_version(n INTEGER NOT NULL) STRICT;"
   "INSERT INTO goods_version VALUES(1);"},
  {"ALTER TABLE goods ADD COLUMN version INTEGER NOT NULL DEFAULT 1;" /* goods_version when it was written */
   "ALTER TABLE goods ADD COLUMN off INTEGER NOT NULL DEFAULT 0;"
   "CREATE INDEX goods_product ON goods(product, position);"
   "CREATE TABLE admin_links(hash TEXT PRIMARY KEY, made_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL) STRICT;"
   "CREATE TABLE admin_sessions(hash TEXT PRIMARY KEY, csrf TEXT NOT NULL, lang TEXT NOT NULL, expires_ms INTEGER NOT NULL) STRICT;"}};

rk_err rk_shop_store_open(const char *path, struct rk_db **out, struct rk_error *e) {
  return rk_db_open(path, migrations, sizeof migrations / sizeof *migrations, out, e);
}

rk_err rk_shop_store_seed(struct rk_db *db, const struct rk_catalog *c, struct rk_error *e) {
  rk_err err = rk_db_begin(db, e);
  if (err) return err;
  for (int32_t i = 0; !err && i < c->n_items; i++) {
    const struct rk_item *item = c->by_id[i];
    err = rk_db_run(db, e, "INSERT INTO items VALUES(?,?,?,?,?,?) ON CONFLICT(id) DO UPDATE SET product_id=excluded.product_id,"
                    " category=excluded.category, title=excluded.title, price_minor=excluded.price_minor", "ttttii",
                    item->id, item->product->id, item->product->category->id, item->product->title.zh, item->price_minor, (int64_t)item->first_stock);
  }
  if (!err) return rk_db_commit(db, e);
  rk_db_rollback(db);
  return err;
}

static bool take_i32(void *ud, const struct rk_row *row) {
  *(int32_t *)ud = (int32_t)rk_row_i64(row, 0);
  return false;
}

int32_t rk_shop_store_stock(struct rk_db *db, const char *item_id) {
  int32_t stock = 0;
  return rk_db_each(db, NULL, take_i32, &stock, "SELECT stock FROM items WHERE id=?", "t", item_id) ? 0 : stock;
}

rk_err rk_shop_store_take(struct rk_db *db, const char *item_id, int32_t quantity, struct rk_error *e) {
  rk_err err = rk_db_run(db, e, "UPDATE items SET stock=stock-? WHERE id=? AND stock>=?", "iti", (int64_t)quantity, item_id, (int64_t)quantity);
  if (!err && rk_db_changes(db) != 1) err = rk_fail(e, RK_ECONFLICT, "fewer than %d of %s are left", quantity, item_id);
  return err;
}

int32_t rk_shop_store_booked(struct rk_db *db, const char *stock_key, const char *checkout_id) {
  int32_t n = INT32_MAX;
  rk_err err = rk_db_each(db, NULL, take_i32, &n, "SELECT coalesce(sum(quantity), 0) FROM bookings WHERE stock_key=? AND checkout_id<>?"
                          " AND (sold OR expires_ms>?)", "tti", stock_key, checkout_id ? checkout_id : "", rk_now_ms());
  return err ? INT32_MAX : n;
}

rk_err rk_shop_store_hold(struct rk_db *db, const struct rk_booking *b, struct rk_error *e) {
  return rk_db_run(db, e, "INSERT INTO bookings(checkout_id, item_id, stock_key, seats, quantity, sold, expires_ms) VALUES(?,?,?,?,?,0,?)", "ttttii",
                   b->checkout_id, b->item_id, b->stock_key, b->seats, (int64_t)b->quantity, b->expires_ms);
}

rk_err rk_shop_store_release(struct rk_db *db, const char *checkout_id, struct rk_error *e) {
  return rk_db_run(db, e, "DELETE FROM bookings WHERE NOT sold AND (checkout_id=? OR expires_ms<=?)", "ti", checkout_id, rk_now_ms());
}

rk_err rk_shop_store_sell(struct rk_db *db, const char *checkout_id, struct rk_error *e) {
  rk_err err = rk_db_run(db, e, "UPDATE bookings SET sold=1 WHERE checkout_id=? AND NOT sold AND expires_ms>?", "ti", checkout_id, rk_now_ms());
  return !err && rk_db_changes(db) == 0 ? rk_fail(e, RK_ECONFLICT, "the places are not held any more") : err;
}

json_t *rk_shop_store_seats(struct rk_db *db, const char *stock_key) {
  return rk_db_all(db, NULL, "SELECT seats FROM bookings WHERE stock_key=? AND (sold OR expires_ms>?)", "ti", stock_key, rk_now_ms());
}

json_t *rk_shop_store_booking(struct rk_db *db, const char *checkout_id, const char *item_id) {
  return rk_db_one(db, NULL, "SELECT seats, quantity FROM bookings WHERE checkout_id=? AND item_id=? LIMIT 1", "tt", checkout_id, item_id);
}

json_t *rk_shop_store_bookings(struct rk_db *db, struct rk_error *e) {
  return rk_db_all(db, e, "SELECT checkout_id, item_id, seats, quantity, sold FROM bookings ORDER BY id", "");
}

json_t *rk_shop_store_goods(struct rk_db *db, struct rk_error *e) {
  json_t *rows = rk_db_all(db, e, "SELECT g.row_json, i.stock FROM goods g JOIN items i ON i.id=g.sku WHERE NOT g.off"
                           " ORDER BY (SELECT min(position) FROM goods p WHERE p.product=g.product), g.product, g.position", "");
  json_t *out = rows ? json_array() : NULL, *v;
  size_t i;
  json_array_foreach(rows, i, v) {
    json_t *row = json_object_get(v, "row");
    json_object_set(row, "stock", json_object_get(v, "stock"));
    json_array_append(out, row);
  }
  json_decref(rows);
  return out;
}

static rk_err goods_changed(struct rk_db *db, struct rk_error *e) { return rk_db_run(db, e, "UPDATE goods_version SET n=n+1", ""); }

rk_err rk_shop_store_put_goods(struct rk_db *db, const json_t *row, int64_t position, struct rk_error *e) {
  const char *sku = rk_json_cstr(row, "sku", "");
  char *text = rk_json_dump(row);
  rk_err err = text ? goods_changed(db, e) : rk_fail(e, RK_ENOMEM, "out of memory");
  if (!err)
    err = rk_db_run(db, e, "INSERT INTO goods(sku, product, position, row_json, version) SELECT ?, ?, ?, ?, n FROM goods_version WHERE true"
                    " ON CONFLICT(sku) DO UPDATE SET product=excluded.product, position=excluded.position, row_json=excluded.row_json, version=excluded.version",
                    "ttit", sku, rk_json_cstr(row, "product", sku), position, text);
  free(text);
  if (!err)
    err = rk_db_run(db, e, "INSERT INTO items VALUES(?,?,?,?,?,?) ON CONFLICT(id) DO UPDATE SET product_id=excluded.product_id, category=excluded.category,"
                    " title=excluded.title, price_minor=excluded.price_minor, stock=excluded.stock", "ttttii", sku, rk_json_cstr(row, "product", sku),
                    rk_json_cstr(row, "category", "other"), rk_json_cstr(row, "title", ""), rk_json_i64(row, "price_minor", 0), rk_json_i64(row, "stock", 0));
  return err;
}

rk_err rk_shop_store_set_off(struct rk_db *db, const char *sku, bool off, struct rk_error *e) {
  return rk_db_run(db, e, "UPDATE goods SET off=? WHERE sku=?", "it", (int64_t)off, sku);
}

json_t *rk_shop_store_product(struct rk_db *db, const char *product) {
  json_t *rows = rk_db_all(db, NULL, "SELECT g.row_json, g.version, g.off, g.position, i.stock FROM goods g JOIN items i ON i.id=g.sku WHERE g.product=?"
                           " ORDER BY g.position", "t", product), *out = json_array(), *v;
  static const char *const beside[] = {"version", "off", "position", "stock"};
  size_t i;
  json_array_foreach(rows, i, v) {
    json_t *row = json_object_get(v, "row");
    for (size_t k = 0; k < sizeof beside / sizeof *beside; k++) json_object_set(row, beside[k], json_object_get(v, beside[k]));
    json_array_append(out, row);
  }
  json_decref(rows);
  return out;
}

#define FOUND_GOODS " FROM goods g WHERE ?1='' OR g.product IN (SELECT product FROM goods q WHERE instr(lower(q.sku||char(10)||q.product||char(10)||" \
  "coalesce(json_extract(q.row_json,'$.title'),'')||char(10)||coalesce(json_extract(q.row_json,'$.title_en'),'')), lower(?1)))"

json_t *rk_shop_store_find_goods(struct rk_db *db, const char *query, int64_t from, int64_t limit, int32_t *total) {
  *total = 0;
  (void)!rk_db_each(db, NULL, take_i32, total, "SELECT count(DISTINCT g.product)" FOUND_GOODS, "t", query);
  return rk_db_all(db, NULL, "SELECT p.product, (SELECT row_json FROM goods f WHERE f.product=p.product ORDER BY position LIMIT 1) AS first_json,"
                   " count(*) AS n, sum(g.off) AS n_off, min(i.price_minor) AS low, max(i.price_minor) AS high, sum(i.stock) AS stock"
                   " FROM (SELECT g.product, min(g.position) AS place" FOUND_GOODS " GROUP BY g.product ORDER BY place, g.product LIMIT ?2 OFFSET ?3) p"
                   " JOIN goods g ON g.product=p.product JOIN items i ON i.id=g.sku GROUP BY p.product ORDER BY p.place, p.product", "tii", query, limit, from);
}

int64_t rk_shop_store_last_position(struct rk_db *db) {
  int32_t n = 0;
  return rk_db_each(db, NULL, take_i32, &n, "SELECT coalesce(max(position), 0) FROM goods", "") ? 0 : n;
}

rk_err rk_shop_store_drop_goods(struct rk_db *db, struct rk_error *e) {
  rk_err err = rk_db_run(db, e, "DELETE FROM goods", "");
  return err ? err : goods_changed(db, e);
}

bool rk_shop_store_has_goods(struct rk_db *db, const char *sku) {
  int32_t n = 0;
  return rk_db_each(db, NULL, take_i32, &n, "SELECT count(*) FROM goods WHERE sku=?", "t", sku) == RK_OK && n > 0;
}

int32_t rk_shop_store_n_goods(struct rk_db *db) {
  int32_t n = 0;
  return rk_db_each(db, NULL, take_i32, &n, "SELECT count(*) FROM goods", "") ? 0 : n;
}

int64_t rk_shop_store_goods_version(struct rk_db *db) {
  int32_t n = 0;
  return rk_db_each(db, NULL, take_i32, &n, "SELECT n FROM goods_version", "") ? 0 : n;
}

rk_err rk_shop_store_copy(struct rk_db *db, const char *file, struct rk_error *e) {
  int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600); /* its mode first: it holds names and addresses */
  if (fd < 0) return rk_fail(e, errno == EEXIST ? RK_ECONFLICT : errno == ENOSPC ? RK_ENOSPC : RK_EIO, "%s: %s", file, strerror(errno));
  close(fd);
  return rk_db_run(db, e, "VACUUM INTO ?", "t", file);
}

static bool is_listed(const json_t *categories, const char *id) {
  size_t i;
  json_t *v;
  json_array_foreach((json_t *)(uintptr_t)categories, i, v)
    if (json_is_string(v) && strcmp(json_string_value(v), id) == 0) return true;
  return false;
}

static rk_err describe_item(struct rk_db *db, const struct rk_item *item, struct rk_error *e) {
  const struct rk_product *p = item->product;
  json_t *facts = rk_product_facts(p), *options = rk_item_options(item);
  char *facts_text = rk_json_dump(facts), *options_text = rk_json_dump(options);
  rk_err err = rk_db_run(db, e, "INSERT INTO offers VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)", "tttttttiiiiit", item->id, p->id, p->category->id, p->title.zh, p->title.en,
                         facts_text, options_text, item->price_minor, (int64_t)item->weight_g, (int64_t)p->rating_tenths, (int64_t)p->n_reviews,
                         (int64_t)item->first_stock, p->category->delivery_class);
  free(facts_text);
  free(options_text);
  json_decref(facts);
  json_decref(options);
  return err;
}

static rk_err describe_rules(struct rk_db *db, const struct rk_catalog *c, struct rk_error *e) {
  rk_err err = RK_OK;
  for (int32_t i = 0; !err && i < c->n_coupons; i++) {
    const struct rk_coupon_rule *r = &c->coupons[i];
    err = rk_db_run(db, e, "INSERT INTO coupons VALUES(?,?,?,?,?)", "ttiii", r->code, r->category, r->amount_minor, (int64_t)r->percent, r->min_subtotal_minor);
  }
  for (int32_t i = 0; !err && i < c->n_deliveries; i++) {
    const struct rk_delivery_rule *d = &c->deliveries[i];
    err = rk_db_run(db, e, "INSERT INTO deliveries VALUES(?,?,?,?,?,?,?)", "ttiitii", d->class, d->id, d->fee_minor, (int64_t)d->days, d->regions, d->per_kg_minor,
                    d->free_over_minor);
  }
  return err;
}

rk_err rk_shop_store_describe(struct rk_db *db, const struct rk_catalog *c, const char *origin, const json_t *categories, struct rk_error *e) {
  static const char *const tables[] = {
      "CREATE TABLE shop(name TEXT NOT NULL, origin TEXT NOT NULL, currency TEXT NOT NULL, codes_add_up INTEGER NOT NULL, cutoff_min INTEGER NOT NULL,"
      " utc_offset_minutes INTEGER NOT NULL, sells_places INTEGER NOT NULL) STRICT",
      "CREATE TABLE offers(item_id TEXT PRIMARY KEY, product_id TEXT NOT NULL, category TEXT NOT NULL, title_zh TEXT NOT NULL, title_en TEXT NOT NULL,"
      " attributes_json TEXT NOT NULL, options_json TEXT NOT NULL, price_minor INTEGER NOT NULL, weight_g INTEGER NOT NULL, rating_tenths INTEGER NOT NULL,"
      " n_reviews INTEGER NOT NULL, stock_at_start INTEGER NOT NULL, delivery_class TEXT NOT NULL) STRICT",
      "CREATE TABLE coupons(code TEXT NOT NULL, category TEXT NOT NULL, amount_minor INTEGER NOT NULL, percent INTEGER NOT NULL,"
      " min_subtotal_minor INTEGER NOT NULL) STRICT",
      "CREATE TABLE deliveries(class TEXT NOT NULL, id TEXT NOT NULL, fee_minor INTEGER NOT NULL, days INTEGER NOT NULL, regions TEXT,"
      " per_kg_minor INTEGER NOT NULL, free_over_minor INTEGER NOT NULL) STRICT",
      "CREATE TABLE fares(service_id TEXT NOT NULL, kind TEXT NOT NULL, city_from TEXT NOT NULL, city_to TEXT NOT NULL, date TEXT NOT NULL, starts TEXT NOT NULL,"
      " fare TEXT NOT NULL, adult_minor INTEGER NOT NULL, child_minor INTEGER NOT NULL, places INTEGER NOT NULL) STRICT"};
  rk_err err = rk_db_begin(db, e);
  if (err) return err;
  for (size_t i = 0; !err && i < sizeof tables / sizeof *tables; i++) err = rk_db_run(db, e, tables[i], "");
  if (!err) err = rk_db_run(db, e, "INSERT INTO shop VALUES(?,?,?,?,?,?,?)", "tttiiii", c->name, origin, c->currency, (int64_t)c->codes_add_up, (int64_t)c->cutoff_min,
                            (int64_t)rk_zone_offset_s(c->zone, rk_now_ms() / 1000) / 60, (int64_t)(c->travel != NULL));
  for (int32_t i = 0; !err && i < c->n_items; i++)
    if (is_listed(categories, c->by_id[i]->product->category->id)) err = describe_item(db, c->by_id[i], e);
  if (!err) err = describe_rules(db, c, e);
  if (!err) return rk_db_commit(db, e);
  rk_db_rollback(db);
  return err;
}

rk_err rk_shop_store_describe_fare(struct rk_db *db, const struct rk_service *s, const struct rk_fare *f, struct rk_error *e) {
  return rk_db_run(db, e, "INSERT INTO fares VALUES(?,?,?,?,?,?,?,?,?,?)", "tttttttiii", s->id, s->kind == RK_TRAVEL_TRAIN ? "train" : "flight", s->from->zh,
                   s->to ? s->to->zh : "", s->date, s->starts, f->id, f->adult_minor, f->child_minor, (int64_t)f->places);
}

rk_err rk_shop_store_put_checkout(struct rk_db *db, const char *id, const char *agent, const char *status, const json_t *state,
                                  const json_t *view, const char *order_id, int64_t expires_ms, struct rk_error *e) {
  char *state_text = rk_json_dump(state), *view_text = view ? rk_json_dump(view) : NULL;
  rk_err err = state_text ? rk_db_run(db, e, "INSERT INTO checkouts VALUES(?,?,?,?,?,?,?,?) ON CONFLICT(id) DO UPDATE SET status=excluded.status,"
                                      " state_json=excluded.state_json, view_json=excluded.view_json, order_id=excluded.order_id,"
                                      " expires_ms=excluded.expires_ms, changed_ms=excluded.changed_ms", "ttttttii",
                                      id, agent, status, state_text, view_text, order_id, expires_ms, rk_now_ms())
                          : rk_fail(e, RK_ENOMEM, "out of memory");
  free(view_text);
  free(state_text);
  return err;
}

json_t *rk_shop_store_checkout(struct rk_db *db, const char *id) {
  return rk_db_one(db, NULL, "SELECT id, agent, status, state_json, view_json, order_id, expires_ms FROM checkouts WHERE id=?", "t", id);
}

json_t *rk_shop_store_checkout_of_cart(struct rk_db *db, const char *cart_id, const char *agent, int64_t now_ms) {
  return rk_db_one(db, NULL, "SELECT c.id, c.agent, c.status, c.state_json, c.view_json, c.order_id, c.expires_ms FROM conversions v"
                   " JOIN checkouts c ON c.id=v.checkout_id WHERE v.cart_id=? AND c.agent=? AND c.status='open' AND c.expires_ms>?", "tti", cart_id, agent, now_ms);
}

rk_err rk_shop_store_convert(struct rk_db *db, const char *cart_id, const char *checkout_id, struct rk_error *e) {
  return rk_db_run(db, e, "INSERT INTO conversions VALUES(?,?) ON CONFLICT(cart_id) DO UPDATE SET checkout_id=excluded.checkout_id", "tt", cart_id, checkout_id);
}

rk_err rk_shop_store_put_cart(struct rk_db *db, const char *id, const char *agent, const json_t *state, int64_t expires_ms, struct rk_error *e) {
  char *text = rk_json_dump(state);
  rk_err err = text ? rk_db_run(db, e, "INSERT INTO carts VALUES(?,?,?,?) ON CONFLICT(id) DO UPDATE SET state_json=excluded.state_json,"
                                " expires_ms=excluded.expires_ms", "ttti", id, agent, text, expires_ms) : rk_fail(e, RK_ENOMEM, "out of memory");
  free(text);
  return err;
}

json_t *rk_shop_store_cart(struct rk_db *db, const char *id) {
  return rk_db_one(db, NULL, "SELECT id, agent, state_json, expires_ms FROM carts WHERE id=?", "t", id);
}

rk_err rk_shop_store_delete_cart(struct rk_db *db, const char *id, struct rk_error *e) { return rk_db_run(db, e, "DELETE FROM carts WHERE id=?", "t", id); }

/* ---- webhooks: every change of an order that has a hook leaves a message in the outbox ---- */

rk_err rk_shop_store_hook(struct rk_db *db, const char *order_id, const char *url, struct rk_error *e) {
  return rk_db_run(db, e, "INSERT INTO hooks VALUES(?,?)", "tt", order_id, url);
}

static rk_err enqueue(struct rk_db *db, const char *order_id, const char *view_text, struct rk_error *e) {
  char id[37];
  rk_uuid7(id);
  return rk_db_run(db, e, "INSERT INTO outbox SELECT ?, order_id, url, ?, ?, ?, 0 FROM hooks WHERE order_id=?", "ttiit", id, view_text, rk_now_ms(),
                   rk_now_ms(), order_id);
}

json_t *rk_shop_store_next_message(struct rk_db *db, int64_t now_ms) {
  return rk_db_one(db, NULL, "SELECT id, order_id, url, CAST(body_json AS TEXT) AS body, made_ms, attempts FROM outbox WHERE due_ms<=?"
                   " ORDER BY due_ms, id LIMIT 1", "i", now_ms);
}

rk_err rk_shop_store_message_sent(struct rk_db *db, const char *id, int64_t again_ms, struct rk_error *e) {
  if (again_ms) return rk_db_run(db, e, "UPDATE outbox SET due_ms=?, attempts=attempts+1 WHERE id=?", "it", again_ms, id);
  return rk_db_run(db, e, "UPDATE outbox SET due_ms=NULL, attempts=attempts+1 WHERE id=?", "t", id);
}

rk_err rk_shop_store_add_order(struct rk_db *db, const char *id, const char *checkout_id, const char *agent, const json_t *report,
                               const json_t *view, int64_t total_minor, const char *currency, struct rk_error *e) {
  char *report_text = rk_json_dump(report), *view_text = rk_json_dump(view);
  rk_err err = report_text && view_text ? rk_db_run(db, e, "INSERT INTO orders VALUES(?,?,?,?,?,?,?,?)", "tttttiti", id, checkout_id, agent,
                                                    report_text, view_text, total_minor, currency, rk_now_ms())
                                        : rk_fail(e, RK_ENOMEM, "out of memory");
  if (!err) err = enqueue(db, id, view_text, e);
  free(view_text);
  free(report_text);
  return err;
}

json_t *rk_shop_store_order(struct rk_db *db, const char *id) {
  return rk_db_one(db, NULL, "SELECT agent, checkout_id, report_json, view_json, total_minor, placed_ms FROM orders WHERE id=?", "t", id);
}

rk_err rk_shop_store_put_order(struct rk_db *db, const char *id, const json_t *report, const json_t *view, struct rk_error *e) {
  char *report_text = rk_json_dump(report), *view_text = rk_json_dump(view);
  rk_err err = report_text && view_text ? rk_db_run(db, e, "UPDATE orders SET report_json=?, view_json=? WHERE id=?", "ttt", report_text, view_text, id)
                                        : rk_fail(e, RK_ENOMEM, "out of memory");
  if (!err) err = enqueue(db, id, view_text, e);
  free(view_text);
  free(report_text);
  return err;
}

json_t *rk_shop_store_refund(struct rk_db *db, const char *id) {
  return rk_db_one(db, NULL, "SELECT id, order_id, agent, status, lines_json, amount_minor, fee_minor, expires_ms FROM refunds WHERE id=?", "t", id);
}

rk_err rk_shop_store_put_refund(struct rk_db *db, const struct rk_refund_row *r, struct rk_error *e) {
  char *lines = rk_json_dump(r->lines);
  rk_err err = lines ? rk_db_run(db, e, "INSERT INTO refunds VALUES(?,?,?,?,?,?,?,?,?) ON CONFLICT(id) DO UPDATE SET status=excluded.status,"
                                 " changed_ms=excluded.changed_ms", "tttttiiii", r->id, r->order_id, r->agent, r->status, lines, r->amount_minor,
                                 r->fee_minor, r->expires_ms, rk_now_ms())
                     : rk_fail(e, RK_ENOMEM, "out of memory");
  free(lines);
  return err;
}

static bool take_i64(void *ud, const struct rk_row *row) {
  *(int64_t *)ud = rk_row_i64(row, 0);
  return false;
}

int64_t rk_shop_store_refunded(struct rk_db *db, const char *order_id) {
  int64_t sum = INT64_MAX; /* unreadable: nothing more goes back */
  rk_err err = rk_db_each(db, NULL, take_i64, &sum, "SELECT coalesce(sum(amount_minor), 0) FROM refunds WHERE order_id=? AND status IN ('completed', 'by_hand')", "t", order_id);
  return err ? INT64_MAX : sum;
}

rk_err rk_shop_store_put_back(struct rk_db *db, const char *item_id, int32_t quantity, struct rk_error *e) {
  return rk_db_run(db, e, "UPDATE items SET stock=stock+? WHERE id=?", "it", (int64_t)quantity, item_id);
}

rk_err rk_shop_store_unsell(struct rk_db *db, const char *checkout_id, const char *item_id, int32_t quantity, const char *seats, struct rk_error *e) {
  rk_err err = rk_db_run(db, e, "DELETE FROM bookings WHERE checkout_id=? AND item_id=? AND quantity<=?", "tti", checkout_id, item_id, (int64_t)quantity);
  return err ? err : rk_db_run(db, e, "UPDATE bookings SET quantity=quantity-?, seats=? WHERE checkout_id=? AND item_id=?", "ittt", (int64_t)quantity, seats,
                              checkout_id, item_id);
}

json_t *rk_shop_store_orders(struct rk_db *db, struct rk_error *e) {
  json_t *rows = rk_db_all(db, e, "SELECT o.id, o.checkout_id, o.report_json, o.total_minor, o.currency, o.placed_ms, p.jti, p.kind, p.amount_minor"
                           " FROM orders o LEFT JOIN payments p ON p.order_id=o.id ORDER BY o.placed_ms, o.id", "");
  json_t *out = rows ? json_array() : NULL, *row;
  size_t i;
  json_array_foreach(rows, i, row) {
    json_t *order = json_pack("{s:O, s:O, s:O, s:O, s:O}", "id", json_object_get(row, "id"), "checkout_id", json_object_get(row, "checkout_id"),
                              "placed_ms", json_object_get(row, "placed_ms"), "currency", json_object_get(row, "currency"),
                              "total_minor", json_object_get(row, "total_minor"));
    json_object_update(order, json_object_get(row, "report"));
    json_object_set_new(order, "payment", json_pack("{s:O, s:O, s:O}", "jti", json_object_get(row, "jti"), "kind", json_object_get(row, "kind"),
                                                    "amount_minor", json_object_get(row, "amount_minor")));
    json_array_append_new(out, order);
  }
  json_decref(rows);
  return out;
}

bool rk_shop_store_is_charged(struct rk_db *db, const char *jti) {
  int32_t n = 0;
  return rk_db_each(db, NULL, take_i32, &n, "SELECT count(*) FROM payments WHERE jti=?", "t", jti) != RK_OK || n > 0;
}

rk_err rk_shop_store_charge(struct rk_db *db, const struct rk_charge *c, struct rk_error *e) {
  return rk_db_run(db, e, "INSERT INTO payments VALUES(?,?,?,?,?,?,?)", "ttttiti", c->jti, c->checkout_id, c->order_id, c->kind, c->amount_minor,
                   c->currency, rk_now_ms());
}

json_t *rk_shop_store_answer(struct rk_db *db, const char *agent, const char *key) {
  return rk_db_one(db, NULL, "SELECT request, sha256, status, body_json FROM answers WHERE agent=? AND key=?", "tt", agent, key);
}

rk_err rk_shop_store_put_answer(struct rk_db *db, const char *agent, const char *key, const char *request, const char *sha256, int32_t status,
                                const json_t *body, struct rk_error *e) {
  char *text = rk_json_dump(body);
  rk_err err = text ? rk_db_run(db, e, "DELETE FROM answers WHERE time_ms<?", "i", rk_now_ms() - ANSWER_TTL_MS) : rk_fail(e, RK_ENOMEM, "out of memory");
  if (!err) err = rk_db_run(db, e, "INSERT INTO answers VALUES(?,?,?,?,?,?,?)", "ttttiti", agent, key, request, sha256, (int64_t)status, text, rk_now_ms());
  free(text);
  return err;
}

rk_err rk_shop_store_age_answers(struct rk_db *db, const char *key, int64_t by_ms, struct rk_error *e) {
  return rk_db_run(db, e, "UPDATE answers SET time_ms=time_ms-? WHERE key=?", "it", by_ms, key);
}

/* ---- linked accounts ---- */

rk_err rk_shop_store_grant(struct rk_db *db, const struct rk_grant *g, struct rk_error *e) {
  return rk_db_run(db, e, "INSERT INTO grants VALUES(?,?,?,?,0)", "tttt", g->id, g->client, g->user, g->scope);
}

rk_err rk_shop_store_put_token(struct rk_db *db, const struct rk_token_row *t, struct rk_error *e) {
  return rk_db_run(db, e, "INSERT INTO tokens VALUES(?,?,?,?,?,0,?)", "ttttti", t->hash, t->kind, t->grant_id, t->redirect_uri, t->challenge, t->expires_ms);
}

json_t *rk_shop_store_token(struct rk_db *db, const char *hash) {
  return rk_db_one(db, NULL, "SELECT t.kind, t.grant_id, t.redirect_uri, t.challenge, t.used, t.expires_ms, g.client, g.user, g.scope, g.revoked"
                   " FROM tokens t JOIN grants g ON g.id=t.grant_id WHERE t.hash=?", "t", hash);
}

rk_err rk_shop_store_use_token(struct rk_db *db, const char *hash, struct rk_error *e) {
  rk_err err = rk_db_run(db, e, "UPDATE tokens SET used=1 WHERE hash=? AND NOT used", "t", hash);
  return !err && rk_db_changes(db) != 1 ? rk_fail(e, RK_ECONFLICT, "it was used before") : err;
}

rk_err rk_shop_store_revoke(struct rk_db *db, const char *grant_id, struct rk_error *e) {
  return rk_db_run(db, e, "UPDATE grants SET revoked=1 WHERE id=?", "t", grant_id);
}

rk_err rk_shop_store_set_buyer(struct rk_db *db, const char *order_id, const char *user, struct rk_error *e) {
  return rk_db_run(db, e, "INSERT INTO buyers VALUES(?,?)", "tt", order_id, user);
}

json_t *rk_shop_store_buyers_orders(struct rk_db *db, const char *user) {
  return rk_db_all(db, NULL, "SELECT o.id, o.total_minor, o.currency, o.placed_ms FROM orders o JOIN buyers b ON b.order_id=o.id WHERE b.user=?"
                   " ORDER BY o.placed_ms DESC LIMIT 100", "t", user);
}

json_t *rk_shop_store_buyer(struct rk_db *db, const char *order_id) {
  return rk_db_one(db, NULL, "SELECT user FROM buyers WHERE order_id=?", "t", order_id);
}

/* ---- the seller's page ---- */

rk_err rk_shop_store_put_link(struct rk_db *db, const char *hash, int64_t expires_ms, struct rk_error *e) {
  rk_err err = rk_db_run(db, e, "DELETE FROM admin_links WHERE expires_ms<=?", "i", rk_now_ms());
  return err ? err : rk_db_run(db, e, "INSERT INTO admin_links VALUES(?,?,?)", "tii", hash, rk_now_ms(), expires_ms);
}

rk_err rk_shop_store_use_link(struct rk_db *db, const char *hash, struct rk_error *e) {
  rk_err err = rk_db_run(db, e, "DELETE FROM admin_links WHERE hash=? AND made_ms<=? AND expires_ms>?", "tii", hash, rk_now_ms(), rk_now_ms());
  return !err && rk_db_changes(db) != 1 ? rk_fail(e, RK_EAUTH, "the link was used before, or its time is over") : err;
}

rk_err rk_shop_store_put_session(struct rk_db *db, const char *hash, const char *csrf, const char *lang, int64_t expires_ms, struct rk_error *e) {
  rk_err err = rk_db_run(db, e, "DELETE FROM admin_sessions WHERE expires_ms<=?", "i", rk_now_ms());
  if (err) return err;
  return rk_db_run(db, e, "INSERT INTO admin_sessions VALUES(?,?,?,?) ON CONFLICT(hash) DO UPDATE SET lang=excluded.lang", "ttti", hash, csrf, lang, expires_ms);
}

json_t *rk_shop_store_session(struct rk_db *db, const char *hash) {
  return rk_db_one(db, NULL, "SELECT csrf, lang, expires_ms FROM admin_sessions WHERE hash=? AND expires_ms>?", "ti", hash, rk_now_ms());
}

rk_err rk_shop_store_end_session(struct rk_db *db, const char *hash, struct rk_error *e) {
  return rk_db_run(db, e, "DELETE FROM admin_sessions WHERE hash=?", "t", hash);
}

#define FOUND_ORDERS " FROM orders o WHERE (?1='' OR instr(lower(o.id), lower(?1)) OR instr(o.report_json, ?1))" \
  " AND (?2='' OR json_extract(o.report_json, '$.status')=?2 OR (?2='placed' AND json_extract(o.report_json, '$.status')='partially_refunded'" \
  " AND json_array_length(o.view_json, '$.fulfillment.events')=0))"

json_t *rk_shop_store_find_orders(struct rk_db *db, const char *query, const char *status, int64_t from, int64_t limit, int32_t *total) {
  *total = 0;
  (void)!rk_db_each(db, NULL, take_i32, total, "SELECT count(*)" FOUND_ORDERS, "tt", query, status);
  return rk_db_all(db, NULL, "SELECT o.id, o.report_json, o.total_minor, o.placed_ms" FOUND_ORDERS " ORDER BY o.placed_ms DESC, o.id DESC LIMIT ?3 OFFSET ?4",
                   "ttii", query, status, limit, from);
}
