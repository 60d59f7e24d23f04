/* internal.h - shared by the files of store. */
#ifndef RK_STORE_INTERNAL_H
#define RK_STORE_INTERNAL_H

#include "store/store.h"

/* Ends a transaction: commits when err is RK_OK, else rolls back and returns err. */
rk_err rk_store_end(struct rk_db *db, rk_err err, struct rk_error *e) RK_MUST_USE;
/* SQLite has no booleans: turns the column key of obj into one. */
void rk_store_as_bool(json_t *obj, const char *key);

#endif
