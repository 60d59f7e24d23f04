#include <stdlib.h>

#include "base/clock.h"
#include "store/internal.h"
#include "store/money.h"

rk_err rk_store_permission_add(struct rk_store *s, const struct rk_permission_new *p, char id[37], struct rk_error *e) {
  char *allow = rk_json_dump(p->allow), *deny = rk_json_dump(p->deny);
  rk_uuid7(id);
  rk_err err = rk_db_run(rk_store_db(s), e, "INSERT INTO permissions(id, user_id, label, merchant_origin, instrument_id, currency, per_order_minor,"
                         " per_day_minor, per_month_minor, allow_json, deny_json, created_ms, created_by)"
                         " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, NULLIF(max(?8, -1), -1), NULLIF(max(?9, -1), -1), ?10, ?11, ?12, ?13)", "ttttttiiittit", id, p->user_id,
                         p->label, p->merchant_origin, p->instrument_id, p->currency, p->per_order_minor, p->per_day_minor, p->per_month_minor, allow, deny,
                         rk_now_ms(), p->created_by);
  free(allow);
  free(deny);
  return err;
}

json_t *rk_store_permissions(struct rk_store *s, const char *user_id, bool live) {
  return rk_db_all(rk_store_db(s), NULL, "SELECT id, user_id, label, merchant_origin, instrument_id, currency, per_order_minor, per_day_minor, per_month_minor,"
                   " allow_json, deny_json, created_ms, created_by, revoked_ms FROM permissions WHERE user_id=? AND (revoked_ms IS NULL OR NOT ?) ORDER BY seq DESC",
                   "ti", user_id, (int64_t)live);
}

json_t *rk_store_permission_uses(struct rk_store *s, const char *permission_id) {
  return rk_db_all(rk_store_db(s), NULL, "SELECT u.approval_id, u.amount_minor, u.day, u.time_ms, u.released_ms, a.state, a.merchant_origin FROM permission_uses u"
                   " JOIN approvals a ON a.id=u.approval_id WHERE permission_id=? ORDER BY a.seq", "t", permission_id);
}

rk_err rk_store_permission_revoke(struct rk_store *s, const char *user_id, const char *permission_id, struct rk_error *e) {
  struct rk_db *db = rk_store_db(s);
  rk_err err = rk_db_begin(db, e);
  if (err) return err;
  err = rk_db_run(db, e, "UPDATE permissions SET revoked_ms=? WHERE id=? AND user_id=? AND revoked_ms IS NULL", "itt", rk_now_ms(), permission_id, user_id);
  if (!err && rk_db_changes(db) == 0) err = rk_fail(e, RK_ENOTFOUND, "there is no such permission, or it was revoked before");
  return rk_store_end(db, err, e);
}

int64_t rk_store_permission_used(struct rk_store *s, const char *permission_id, const char *from_day) {
  return rk_store_number(s, RK_STORE_UNREADABLE, "SELECT COALESCE(SUM(amount_minor), 0) FROM permission_uses WHERE permission_id=? AND day>=? AND released_ms IS NULL",
                         permission_id, from_day);
}

rk_err rk_store_permission_reserve(struct rk_store *s, const char *permission_id, const char *approval_id, int64_t amount_minor, const char *day,
                                   struct rk_error *e) {
  return rk_db_run(rk_store_db(s), e, "INSERT INTO permission_uses(permission_id, approval_id, amount_minor, day, time_ms) VALUES(?, ?, ?, ?, ?)", "ttiti",
                   permission_id, approval_id, amount_minor, day, rk_now_ms());
}

rk_err rk_store_permission_release(struct rk_store *s, const char *approval_id, struct rk_error *e) {
  return rk_db_run(rk_store_db(s), e, "UPDATE permission_uses SET released_ms=? WHERE approval_id=? AND released_ms IS NULL", "it", rk_now_ms(), approval_id);
}
