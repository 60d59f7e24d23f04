/* db.h - the one database layer: SQLite behind open, migrate, statement,
 * transaction. Used by store (the user's data) and by shop (a merchant's),
 * each with its own schema. SQL text stands only in store/ and shop/store.c.
 *
 * WAL, synchronous=FULL, foreign keys on, busy time-out. The schema version is
 * PRAGMA user_version; before a migration of an existing file a snapshot
 * FILE.before-vN is written; a file newer than the program is refused.
 *
 * Thread rule: any thread. Writes are serialised: rk_db_begin() takes the
 * database for this thread until commit or rollback; calls outside a
 * transaction are their own. Disk full is RK_ENOSPC and nothing is half done.
 * Transactions nest: only the outermost commit writes; an inner rollback, or a
 * failed step after which SQLite undid everything, makes it fail. */
#ifndef RK_STORE_DB_H
#define RK_STORE_DB_H

#include "json/json.h"

struct rk_db;

struct rk_migration { const char *sql; }; /* migration i brings version i to i+1 */

rk_err rk_db_open(const char *path, const struct rk_migration *migrations, int32_t n, struct rk_db **out,
                  struct rk_error *e) RK_MUST_USE;
void rk_db_close(struct rk_db *db);

rk_err rk_db_begin(struct rk_db *db, struct rk_error *e) RK_MUST_USE;   /* BEGIN IMMEDIATE */
rk_err rk_db_commit(struct rk_db *db, struct rk_error *e) RK_MUST_USE;  /* durable when RK_OK; over either way, no rollback after it */
void rk_db_rollback(struct rk_db *db);

/* One statement. Binds by fmt, one letter per '?': i int64_t (cast other integers), t const char* (NULL: NULL),
 * s rk_str, d double, b rk_str as blob, n NULL (takes no argument). */
rk_err rk_db_run(struct rk_db *db, struct rk_error *e, const char *sql, const char *fmt, ...) RK_MUST_USE;
int64_t rk_db_changes(struct rk_db *db);   /* rows changed by the last rk_db_run of this transaction */

struct rk_row; /* valid inside the callback */
int64_t rk_row_i64(const struct rk_row *r, int32_t col);
double rk_row_f64(const struct rk_row *r, int32_t col);
rk_str rk_row_str(const struct rk_row *r, int32_t col);
bool rk_row_null(const struct rk_row *r, int32_t col);
/* Calls fn for each row; false ends early. */
rk_err rk_db_each(struct rk_db *db, struct rk_error *e, bool (*fn)(void *, const struct rk_row *), void *ud,
                  const char *sql, const char *fmt, ...) RK_MUST_USE;
/* One row as an object named by column; a column data_json arrives parsed, as "data". NULL: none, or e->code set. */
json_t *rk_db_one(struct rk_db *db, struct rk_error *e, const char *sql, const char *fmt, ...);
json_t *rk_db_all(struct rk_db *db, struct rk_error *e, const char *sql, const char *fmt, ...); /* array; NULL on error */

#endif
