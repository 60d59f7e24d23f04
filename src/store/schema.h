/* schema.h - the migrations of the user's database (internal to store). A
 * migration that has landed is never edited: a change is a new one. */
#ifndef RK_STORE_SCHEMA_H
#define RK_STORE_SCHEMA_H

#include "store/db.h"

extern const struct rk_migration rk_store_migrations[];
extern const int32_t rk_store_n_migrations;

#endif
