#include "shop/fulfil.h"

#include "base/clock.h"
#include "shop/store.h"

/* Marks what is left as fulfilled; its ids and quantities go into sent. */
static void fulfil_lines(json_t *view, json_t *sent) {
  size_t i;
  json_t *line;
  json_array_foreach(rk_json_arr(view, "line_items"), i, line) {
    json_t *n = rk_json_obj(line, "quantity");
    int64_t left = rk_json_i64(n, "total", 0) - rk_json_i64(n, "fulfilled", 0);
    if (left <= 0) continue;
    json_array_append_new(sent, json_pack("{s:O, s:I}", "id", json_object_get(line, "id"), "quantity", (json_int_t)left));
    json_object_set(n, "fulfilled", json_object_get(n, "total"));
    json_object_set_new(line, "status", json_string("fulfilled"));
  }
}

static json_t *shipped(const struct rk_shipment *s, json_t *sent) {
  char id[37], now[32];
  rk_uuid7(id);
  rk_time_rfc3339(rk_now_ms(), now);
  json_t *v = json_pack("{s:s, s:s, s:s, s:O}", "id", id, "occurred_at", now, "type", "shipped", "line_items", sent);
  if (*s->tracking) json_object_set_new(v, "tracking_number", json_string(s->tracking));
  if (*s->carrier) json_object_set_new(v, "carrier", json_string(s->carrier));
  return v;
}

static rk_err ship(struct rk_db *db, const struct rk_shipment *s, json_t *order, struct rk_error *e) {
  json_t *report = rk_json_obj(order, "report"), *view = rk_json_obj(order, "view"), *sent = json_array();
  fulfil_lines(view, sent);
  rk_err err = json_array_size(sent) ? RK_OK : rk_fail(e, RK_ECONFLICT, "nothing of %s is left to send", s->order_id);
  if (!err) {
    json_array_append_new(rk_json_arr(rk_json_obj(view, "fulfillment"), "events"), shipped(s, sent));
    json_object_set_new(report, "status", json_string("shipped"));
    err = rk_shop_store_put_order(db, s->order_id, report, view, e);
  }
  json_decref(sent);
  return err;
}

rk_err rk_shop_ship_order(struct rk_db *db, const struct rk_shipment *s, struct rk_error *e) {
  rk_err err = rk_db_begin(db, e);
  if (err) return err;
  json_t *order = rk_shop_store_order(db, s->order_id);
  err = order ? ship(db, s, order, e) : rk_fail(e, RK_ENOTFOUND, "there is no order %s", s->order_id);
  json_decref(order);
  if (!err) return rk_db_commit(db, e);
  rk_db_rollback(db);
  return err;
}
