/* own.h - a small seller's own shop: a directory with shop.conf and shop.db.
 *
 *   DIR/shop.conf      kind = own, names, currency, identity, payment
 *   DIR/delivery.tsv   delivery options by region and weight
 *   DIR/coupons.tsv    codes
 *   DIR/shop.db        goods, stock, orders (store.h); DIR/shop.pem the key
 *
 * Goods come from a spreadsheet (goods.h) or the admin page; a served shop
 * takes changes at its next request. Thread rule: any thread. */
#ifndef RK_SHOP_OWN_H
#define RK_SHOP_OWN_H

#include "base/buf.h"
#include "shop/goods.h"
#include "store/db.h"

struct rk_own_new { const char *dir, *name_zh, *name_en, *currency; };
/* Makes the directory with a commented configuration, an example table of goods and an empty database.
 * RK_ECONFLICT: there is a shop in it already. */
rk_err rk_own_create(const struct rk_own_new *n, struct rk_error *e) RK_MUST_USE;

struct rk_import { int32_t n_new, n_changed, n_gone; bool was_gbk; };
/* All of the table or nothing. replace: goods that are not in it are taken off. report: a line for each fault. */
rk_err rk_own_import(const char *dir, const char *csv_file, bool replace, struct rk_import *out, struct rk_buf *report, struct rk_error *e) RK_MUST_USE;

/* Whether shop.conf says `kind = own`. */
bool rk_own_is(const struct rk_table *conf);
/* The catalogue as the database has it now; c has what shop.conf says. */
rk_err rk_own_load(struct rk_db *db, struct rk_arena *a, struct rk_catalog *c, struct rk_error *e) RK_MUST_USE;

/* One process at a time serves the shop whose data is in dir. *fd: close it to let go. RK_EBUSY: another does. */
rk_err rk_own_lock(const char *data_dir, int *fd, struct rk_error *e) RK_MUST_USE;

/* Notes in the lock file who the shop is to the world, for rk_own_admin_link. */
void rk_own_note_origin(int lock_fd, const char *origin);

enum { RK_ADMIN_LINK_TTL_MS = 900000 };
/* The address that signs in once to the page of the shop that is being served. RK_ENOTFOUND: it is not served now. */
rk_err rk_own_admin_link(const char *dir, char *url, size_t size, struct rk_error *e) RK_MUST_USE;

/* A copy of the database that is whole even while the shop is served. RK_ECONFLICT: file exists. */
rk_err rk_own_backup(const char *dir, const char *file, struct rk_error *e) RK_MUST_USE;
/* Puts a backup in the database's place; the old one stays as shop.db.before-restore. RK_EBUSY: the shop is being served. */
rk_err rk_own_restore(const char *dir, const char *file, struct rk_error *e) RK_MUST_USE;

#endif
