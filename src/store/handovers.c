#include <stdlib.h>

#include "base/clock.h"
#include "store/internal.h"
#include "store/money.h"

#define COLUMNS "id, user_id, chat_id, turn_id, merchant_origin, checkout_id, state, data_json, merchant_order_id, order_url, created_ms, checked_ms"

rk_err rk_store_hand_over_add(struct rk_store *s, const struct rk_hand_over_new *h, char id[37], struct rk_error *e) {
  char *data = rk_json_dump(h->data);
  rk_uuid7(id);
  rk_err err = rk_db_run(rk_store_db(s), e, "INSERT INTO hand_overs(id, user_id, chat_id, turn_id, merchant_origin, checkout_id, state, data_json, created_ms)"
                         " VALUES(?, ?, ?, ?, ?, ?, 'open', ?, ?)", "ttttttti", id, h->user_id, h->chat_id, h->turn_id, h->merchant_origin, h->checkout_id, data, rk_now_ms());
  free(data);
  return err;
}

json_t *rk_store_hand_over(struct rk_store *s, const char *user_id, const char *id) {
  return rk_db_one(rk_store_db(s), NULL, "SELECT " COLUMNS " FROM hand_overs WHERE user_id=? AND id=?", "tt", user_id, id);
}

json_t *rk_store_hand_overs(struct rk_store *s, const char *user_id) {
  return rk_db_all(rk_store_db(s), NULL, "SELECT " COLUMNS " FROM hand_overs WHERE user_id=? ORDER BY seq DESC", "t", user_id);
}

rk_err rk_store_hand_over_seen(struct rk_store *s, const char *id, const char *state, const char *merchant_order_id, const char *order_url, struct rk_error *e) {
  return rk_db_run(rk_store_db(s), e, "UPDATE hand_overs SET state=?, merchant_order_id=COALESCE(?, merchant_order_id), order_url=COALESCE(?, order_url),"
                   " checked_ms=? WHERE id=?", "tttit", state, merchant_order_id, order_url, rk_now_ms(), id);
}
