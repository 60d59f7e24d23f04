/* internal.h - shared by the files of store. */
#ifndef RK_STORE_INTERNAL_H
#define RK_STORE_INTERNAL_H

#include "store/store.h"

/* Ends a transaction: commits when err is RK_OK, else rolls back and returns err. */
rk_err rk_store_end(struct rk_db *db, rk_err err, struct rk_error *e) RK_MUST_USE;
/* SQLite has no booleans: turns the column key of obj into one. */
void rk_store_as_bool(json_t *obj, const char *key);

/* For rk_db_each: the first column of the first row into the int64_t at ud. */
bool rk_store_keep_i64(void *ud, const struct rk_row *r);
/* A sum that cannot be read counts as this: more than can be spent. */
#define RK_STORE_UNREADABLE (INT64_MAX / 2)
/* The one number that a query over the texts a and b (NULL: over a alone) gives; if_unreadable when it cannot be read. */
int64_t rk_store_number(struct rk_store *s, int64_t if_unreadable, const char *sql, const char *a, const char *b);

#endif
