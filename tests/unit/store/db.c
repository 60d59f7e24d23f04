/* The database layer: transactions, migrations, a full disk, threads. */
#include "store/db.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], path[96];
static const struct rk_migration steps[] = {{"CREATE TABLE t(k TEXT PRIMARY KEY, v_json TEXT, f REAL); CREATE INDEX i ON t(f)"},
                                            {"ALTER TABLE t ADD COLUMN more INTEGER NOT NULL DEFAULT 7"},
                                            {"CREATE TABLE u(x); SELECT no_such_function()"}};

static int setup(void **state) {
  strcpy(dir, "/tmp/rukou-db-XXXXXX");
  if (!mkdtemp(dir)) return -1;
  snprintf(path, sizeof path, "%s/x.db", dir);
  return 0;
}

static int teardown(void **state) {
  char cmd[128];
  snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
  return system(cmd);
}

static struct rk_db *open_at(int32_t version) {
  struct rk_db *db;
  struct rk_error e = {0};
  if (rk_db_open(path, steps, version, &db, &e)) fail_msg("%s", e.msg);
  return db;
}

static int64_t count(struct rk_db *db) {
  json_t *r = rk_db_one(db, NULL, "SELECT COUNT(*) AS n FROM t", "");
  int64_t n = rk_json_i64(r, "n", -1);
  json_decref(r);
  return n;
}

static void values_go_in_bound_and_come_out(void **state) {
  struct rk_db *db = open_at(2);
  const char *evil = "x'); DROP TABLE t; --";
  assert_int_equal(rk_db_run(db, NULL, "INSERT INTO t(k, v_json, f) VALUES(?, ?, ?)", "tsd", evil, RK_STR("{\"a\":[1,\"\\u0000\"]}"), 0.25), RK_OK);
  assert_int_equal(rk_db_changes(db), 1);
  json_t *r = rk_db_one(db, NULL, "SELECT * FROM t WHERE k=?", "t", evil);
  assert_string_equal(rk_json_cstr(r, "k", ""), evil);
  assert_int_equal(json_array_size(rk_json_arr(rk_json_obj(r, "v"), "a")), 2);
  assert_true(json_real_value(json_object_get(r, "f")) == 0.25);
  assert_int_equal(rk_json_i64(r, "more", 0), 7);
  json_decref(r);
  struct rk_error e;
  assert_null(rk_db_one(db, &e, "SELECT * FROM t WHERE k='none'", ""));
  assert_int_equal(e.code, RK_OK);
  assert_null(rk_db_one(db, &e, "SELECT * FROM nowhere", ""));
  assert_int_equal(e.code, RK_EIO);
  assert_int_equal(rk_db_run(db, &e, "INSERT INTO t(k) VALUES(?)", "t", evil), RK_ECONFLICT);
  rk_db_close(db);
  struct stat st;
  assert_int_equal(stat(path, &st), 0);
  assert_int_equal(st.st_mode & 0777, 0600);
}

static void transactions_nest_and_undo(void **state) {
  struct rk_db *db = open_at(1);
  struct rk_error e;
  assert_int_equal(rk_db_begin(db, NULL), RK_OK);
  assert_int_equal(rk_db_run(db, NULL, "INSERT INTO t(k) VALUES('a')", ""), RK_OK);
  assert_int_equal(rk_db_begin(db, NULL), RK_OK);
  assert_int_equal(rk_db_run(db, NULL, "INSERT INTO t(k) VALUES('b')", ""), RK_OK);
  assert_int_equal(rk_db_commit(db, NULL), RK_OK);
  rk_db_rollback(db);
  assert_int_equal(count(db), 0);

  assert_int_equal(rk_db_begin(db, NULL), RK_OK);
  assert_int_equal(rk_db_run(db, NULL, "INSERT INTO t(k) VALUES('a')", ""), RK_OK);
  assert_int_equal(rk_db_begin(db, NULL), RK_OK);
  rk_db_rollback(db);
  assert_int_equal(rk_db_run(db, &e, "INSERT INTO t(k) VALUES('c')", ""), RK_ECANCELLED);
  assert_int_equal(rk_db_commit(db, &e), RK_ECANCELLED);
  assert_int_equal(count(db), 0);
  rk_db_close(db);
}

/* When the file may not grow, the whole transaction is refused and what was there stays. */
static void a_full_disk_leaves_nothing_half_done(void **state) {
  struct rk_db *db = open_at(1);
  struct rk_error e;
  assert_int_equal(rk_db_run(db, NULL, "INSERT INTO t(k) VALUES('kept')", ""), RK_OK);
  assert_int_equal(rk_db_run(db, NULL, "PRAGMA max_page_count=8", ""), RK_OK);
  char *big = malloc(100001);
  memset(big, 'x', 100000);
  big[100000] = 0;
  assert_int_equal(rk_db_begin(db, NULL), RK_OK);
  assert_int_equal(rk_db_run(db, NULL, "INSERT INTO t(k) VALUES('small')", ""), RK_OK);
  assert_int_equal(rk_db_run(db, &e, "INSERT INTO t(k, v_json) VALUES('big', ?)", "t", big), RK_ENOSPC);
  assert_non_null(strstr(e.msg, "disk is full"));
  /* a caller that overlooked the error still cannot commit half */
  assert_int_equal(rk_db_run(db, &e, "INSERT INTO t(k) VALUES('later')", ""), RK_ENOSPC);
  assert_int_equal(rk_db_commit(db, &e), RK_ENOSPC);
  assert_int_equal(count(db), 1);
  assert_int_equal(rk_db_run(db, NULL, "PRAGMA max_page_count=100000", ""), RK_OK);
  assert_int_equal(rk_db_run(db, NULL, "INSERT INTO t(k, v_json) VALUES('big', ?)", "t", big), RK_OK);
  assert_int_equal(count(db), 2);
  free(big);
  rk_db_close(db);
}

static void migrations_keep_a_snapshot_and_refuse_the_newer(void **state) {
  struct rk_db *db = open_at(1);
  assert_int_equal(rk_db_run(db, NULL, "INSERT INTO t(k) VALUES('old')", ""), RK_OK);
  rk_db_close(db);
  char snap[128];
  snprintf(snap, sizeof snap, "%s.before-v2", path);
  assert_int_equal(access(snap, F_OK), -1);
  db = open_at(2);
  assert_int_equal(count(db), 1);
  rk_db_close(db);
  struct rk_error e;
  assert_int_equal(rk_db_open(path, steps, 1, &db, &e), RK_ECONFLICT); /* older program, newer file */
  assert_non_null(strstr(e.msg, "version 2"));
  assert_int_equal(rk_db_open(snap, steps, 1, &db, &e), RK_OK);        /* the snapshot is the old file */
  assert_int_equal(count(db), 1);
  rk_db_close(db);

  assert_int_equal(rk_db_open(path, steps, 3, &db, &e), RK_EIO);       /* a migration that breaks half way */
  db = open_at(2);                                                     /* left the version before it, whole */
  assert_null(rk_db_one(db, &e, "SELECT * FROM u", ""));
  assert_int_equal(e.code, RK_EIO);
  rk_db_close(db);
}

static void a_file_that_is_no_database_is_refused(void **state) {
  FILE *f = fopen(path, "w");
  for (int i = 0; i < 2000; i++) fputs("no database ", f);
  fclose(f);
  struct rk_db *db;
  struct rk_error e;
  assert_int_equal(rk_db_open(path, steps, 1, &db, &e), RK_EFORMAT);
  assert_null(db);
}

enum { THREADS = 8, ADDS = 50 };

static void *adder(void *ud) {
  for (int i = 0; i < ADDS; i++) {
    int64_t n = -1;
    assert_int_equal(rk_db_begin(ud, NULL), RK_OK);
    json_t *r = rk_db_one(ud, NULL, "SELECT COUNT(*) AS n FROM t", "");
    n = rk_json_i64(r, "n", -1);
    json_decref(r);
    char key[32];
    snprintf(key, sizeof key, "%lld", (long long)n); /* collides unless read and write are one step */
    assert_int_equal(rk_db_run(ud, NULL, "INSERT INTO t(k) VALUES(?)", "t", key), RK_OK);
    assert_int_equal(rk_db_commit(ud, NULL), RK_OK);
  }
  return NULL;
}

static void threads_take_turns(void **state) {
  struct rk_db *db = open_at(1);
  pthread_t t[THREADS];
  for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&t[i], NULL, adder, db), 0);
  for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_join(t[i], NULL), 0);
  assert_int_equal(count(db), THREADS * ADDS);
  rk_db_close(db);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
  const struct CMUnitTest tests[] = {T(values_go_in_bound_and_come_out), T(transactions_nest_and_undo),
                                     T(a_full_disk_leaves_nothing_half_done), T(migrations_keep_a_snapshot_and_refuse_the_newer),
                                     T(a_file_that_is_no_database_is_refused), T(threads_take_turns)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
