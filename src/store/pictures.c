#include <stdio.h>

#include "base/clock.h"
#include "base/limits.h"
#include "store/internal.h"

/* The id of a picture that is known. */
static bool find(struct rk_db *db, const char *user_id, const char *merchant_origin, const char *url, char id[37]) {
  json_t *row = rk_db_one(db, NULL, "SELECT id FROM pictures WHERE user_id=? AND merchant_origin=? AND url=?", "ttt", user_id, merchant_origin, url);
  if (row) snprintf(id, 37, "%s", rk_json_cstr(row, "id", ""));
  json_decref(row);
  return row != NULL;
}

rk_err rk_store_picture_add(struct rk_store *s, const char *user_id, const char *merchant_origin, const char *url, char id[37], struct rk_error *e) {
  struct rk_db *db = rk_store_db(s);
  if (find(db, user_id, merchant_origin, url, id)) return RK_OK;
  rk_err err = rk_db_begin(db, e);
  if (err) return err;
  if (!find(db, user_id, merchant_origin, url, id)) {
    rk_uuid7(id);
    err = rk_db_run(db, e, "INSERT INTO pictures(id, user_id, merchant_origin, url, seen_ms) VALUES(?, ?, ?, ?, ?)", "tttti", id, user_id, merchant_origin, url, rk_now_ms());
    if (!err) err = rk_db_run(db, e, "DELETE FROM pictures WHERE seq <= (SELECT MAX(seq) FROM pictures) - ?", "i", (int64_t)RK_MAX_PICTURES);
  }
  return rk_store_end(db, err, e);
}

json_t *rk_store_picture(struct rk_store *s, const char *user_id, const char *id) {
  return rk_db_one(rk_store_db(s), NULL, "SELECT merchant_origin, url FROM pictures WHERE user_id=? AND id=?", "tt", user_id, id);
}
