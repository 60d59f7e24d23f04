#include "store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"

enum { STATEMENTS = 256 }; /* kept compiled; the program has fewer than that */

/* One connection, one lock. The lock is recursive: a transaction holds it from
 * begin to commit, and every call takes it for its own duration, so a reader of
 * another thread never sees half a transaction. */
struct rk_db {
  sqlite3 *conn;
  struct { sqlite3_stmt *st; bool busy; } cache[STATEMENTS]; /* by hash of the SQL; a statement is compiled once */
  pthread_mutex_t lock;
  int depth;        /* of begin, all of the thread that holds the lock */
  rk_err doomed;    /* a statement of this transaction failed so that SQLite undid all of it */
  int64_t changes;
};

struct rk_row { sqlite3_stmt *st; };

enum { BUSY_TIMEOUT_MS = 5000, PATH_BYTES = 4096 };

static void lock(struct rk_db *db) { RK_ASSERT(pthread_mutex_lock(&db->lock) == 0); }
static void unlock(struct rk_db *db) { RK_ASSERT(pthread_mutex_unlock(&db->lock) == 0); }

/* ---- errors ---- */

static rk_err code_of(sqlite3 *conn, int rc) {
  if (sqlite3_system_errno(conn) == ENOSPC && (rc & 0xff) == SQLITE_IOERR) return RK_ENOSPC;
  switch (rc & 0xff) {
    case SQLITE_FULL: return RK_ENOSPC;
    case SQLITE_CONSTRAINT: return RK_ECONFLICT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return RK_EBUSY;
    case SQLITE_NOMEM: return RK_ENOMEM;
    case SQLITE_TOOBIG: return RK_ETOOBIG;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return RK_EFORMAT;
    default: return RK_EIO;
  }
}

static rk_err db_fail(struct rk_db *db, int rc, struct rk_error *e) {
  rk_err code = code_of(db->conn, rc);
  if (db->depth > 0 && sqlite3_get_autocommit(db->conn)) db->doomed = code;
  if (code == RK_ENOSPC) return rk_fail(e, code, "the disk is full: nothing of this was stored; free some space and try again");
  return rk_fail(e, code, "database: %s", sqlite3_errmsg(db->conn));
}

/* ---- statements ---- */

static int bind_all(sqlite3_stmt *st, const char *fmt, va_list ap) {
  int rc = SQLITE_OK;
  for (int i = 1; rc == SQLITE_OK && fmt[i - 1]; i++) {
    switch (fmt[i - 1]) {
      case 'i': rc = sqlite3_bind_int64(st, i, va_arg(ap, int64_t)); break;
      case 'd': rc = sqlite3_bind_double(st, i, va_arg(ap, double)); break;
      case 'n': rc = sqlite3_bind_null(st, i); break;
      case 't': rc = sqlite3_bind_text(st, i, va_arg(ap, const char *), -1, SQLITE_TRANSIENT); break;
      case 's': {
        rk_str s = va_arg(ap, rk_str);
        rc = sqlite3_bind_text64(st, i, s.n ? s.p : "", s.n, SQLITE_TRANSIENT, SQLITE_UTF8);
        break;
      }
      case 'b': {
        rk_str s = va_arg(ap, rk_str);
        rc = sqlite3_bind_blob64(st, i, s.n ? s.p : "", s.n, SQLITE_TRANSIENT);
        break;
      }
      default: RK_ASSERT(!"a letter of fmt is not one of i t s d b n");
    }
  }
  return rc;
}

/* FNV-1a */
static uint32_t hash_of(const char *sql) {
  uint32_t h = 2166136261u;
  for (const char *p = sql; *p; p++) h = (h ^ (unsigned char)*p) * 16777619u;
  return h;
}

/* The compiled statement, out of its place in the cache; *place < 0: it has none. */
static int take_statement(struct rk_db *db, const char *sql, sqlite3_stmt **st, int *place) {
  const char *tail = "";
  int i = (int)(hash_of(sql) % STATEMENTS);
  bool free_place = !db->cache[i].busy;
  *place = free_place ? i : -1;
  *st = NULL;
  if (free_place && db->cache[i].st && strcmp(sqlite3_sql(db->cache[i].st), sql) == 0) *st = db->cache[i].st;
  int rc = *st ? SQLITE_OK : sqlite3_prepare_v3(db->conn, sql, -1, free_place ? SQLITE_PREPARE_PERSISTENT : 0, st, &tail);
  RK_ASSERT(rc != SQLITE_OK || *tail == 0);
  if (rc != SQLITE_OK || !free_place) {
    *place = -1;
    return rc;
  }
  if (db->cache[i].st != *st) sqlite3_finalize(db->cache[i].st);
  db->cache[i].st = *st;
  db->cache[i].busy = true;
  return rc;
}

static void put_back(struct rk_db *db, sqlite3_stmt *st, int place) {
  if (place < 0) {
    sqlite3_finalize(st);
    return;
  }
  sqlite3_reset(st);
  sqlite3_clear_bindings(st);
  db->cache[place].busy = false;
}

/* Runs one statement, calling fn (may be NULL) for each row. */
static rk_err run(struct rk_db *db, struct rk_error *e, bool (*fn)(void *, const struct rk_row *), void *ud,
                  const char *sql, const char *fmt, va_list ap) {
  if (e) e->code = RK_OK;
  sqlite3_stmt *st = NULL;
  int place = -1;
  lock(db);
  rk_err err = RK_OK;
  if (db->depth > 0 && db->doomed) {
    err = rk_fail(e, db->doomed, "an earlier step of this transaction failed: nothing of it was stored");
    goto out;
  }
  int rc = take_statement(db, sql, &st, &place);
  RK_ASSERT(rc != SQLITE_OK || (size_t)sqlite3_bind_parameter_count(st) == strlen(fmt));
  if (rc == SQLITE_OK) rc = bind_all(st, fmt, ap);
  if (rc == SQLITE_OK)
    while ((rc = sqlite3_step(st)) == SQLITE_ROW)
      if (fn && !fn(ud, &(struct rk_row){st})) {
        rc = SQLITE_DONE;
        break;
      }
  if (rc != SQLITE_DONE) err = db_fail(db, rc, e);
  else db->changes = sqlite3_changes64(db->conn);
  put_back(db, st, place);
out:
  unlock(db);
  return err;
}

rk_err rk_db_run(struct rk_db *db, struct rk_error *e, const char *sql, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  rk_err err = run(db, e, NULL, NULL, sql, fmt, ap);
  va_end(ap);
  return err;
}

rk_err rk_db_each(struct rk_db *db, struct rk_error *e, bool (*fn)(void *, const struct rk_row *), void *ud,
                  const char *sql, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  rk_err err = run(db, e, fn, ud, sql, fmt, ap);
  va_end(ap);
  return err;
}

int64_t rk_db_changes(struct rk_db *db) {
  lock(db);
  int64_t n = db->changes;
  unlock(db);
  return n;
}

/* ---- rows ---- */

int64_t rk_row_i64(const struct rk_row *r, int32_t col) { return sqlite3_column_int64(r->st, col); }
double rk_row_f64(const struct rk_row *r, int32_t col) { return sqlite3_column_double(r->st, col); }
bool rk_row_null(const struct rk_row *r, int32_t col) { return sqlite3_column_type(r->st, col) == SQLITE_NULL; }

rk_str rk_row_str(const struct rk_row *r, int32_t col) {
  const void *p = sqlite3_column_blob(r->st, col);
  return (rk_str){p ? p : "", (size_t)sqlite3_column_bytes(r->st, col)};
}

static json_t *column_json(const struct rk_row *r, int32_t col, bool parse) {
  rk_str s;
  switch (sqlite3_column_type(r->st, col)) {
    case SQLITE_INTEGER: return json_integer(rk_row_i64(r, col));
    case SQLITE_FLOAT: return json_real(rk_row_f64(r, col));
    case SQLITE_TEXT:
      s = rk_row_str(r, col);
      return parse ? rk_json_parse(s, s.n, NULL) : json_stringn(s.p, s.n);
    default: return json_null();
  }
}

static json_t *row_json(const struct rk_row *r) {
  json_t *obj = json_object();
  int32_t n = sqlite3_column_count(r->st);
  for (int32_t i = 0; i < n; i++) {
    rk_str name = rk_str_c(sqlite3_column_name(r->st, i));
    bool parse = rk_str_ends(name, RK_STR("_json"));
    if (parse) name.n -= strlen("_json");
    char key[128];
    snprintf(key, sizeof key, "%.*s", RK_STR_ARG(name));
    json_t *v = column_json(r, i, parse);
    json_object_set_new(obj, key, v ? v : json_null());
  }
  return obj;
}

static bool keep_row(void *ud, const struct rk_row *r) {
  json_array_append_new(ud, row_json(r));
  return true;
}

static json_t *rows(struct rk_db *db, struct rk_error *e, const char *sql, const char *fmt, va_list ap) {
  json_t *all = json_array();
  if (run(db, e, keep_row, all, sql, fmt, ap)) {
    json_decref(all);
    return NULL;
  }
  return all;
}

json_t *rk_db_all(struct rk_db *db, struct rk_error *e, const char *sql, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  json_t *all = rows(db, e, sql, fmt, ap);
  va_end(ap);
  return all;
}

json_t *rk_db_one(struct rk_db *db, struct rk_error *e, const char *sql, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  json_t *all = rows(db, e, sql, fmt, ap);
  va_end(ap);
  json_t *first = json_incref(json_array_get(all, 0));
  json_decref(all);
  return first;
}

/* ---- transactions ---- */

static int exec(struct rk_db *db, const char *sql) { return sqlite3_exec(db->conn, sql, NULL, NULL, NULL); }

rk_err rk_db_begin(struct rk_db *db, struct rk_error *e) {
  lock(db);
  if (db->depth == 0) {
    int rc = exec(db, "BEGIN IMMEDIATE");
    if (rc != SQLITE_OK) {
      rk_err err = db_fail(db, rc, e);
      unlock(db);
      return err;
    }
    db->doomed = RK_OK;
  }
  db->depth++;
  return RK_OK;
}

rk_err rk_db_commit(struct rk_db *db, struct rk_error *e) {
  RK_ASSERT(db->depth > 0);
  rk_err err = RK_OK;
  if (db->doomed) {
    err = rk_fail(e, db->doomed, "a step of this transaction failed: nothing of it was stored");
  } else if (db->depth == 1) {
    int rc = exec(db, "COMMIT");
    if (rc != SQLITE_OK) err = db_fail(db, rc, e);
  }
  if (db->depth == 1 && !sqlite3_get_autocommit(db->conn)) (void)exec(db, "ROLLBACK");
  db->depth--;
  unlock(db);
  return err;
}

void rk_db_rollback(struct rk_db *db) {
  RK_ASSERT(db->depth > 0);
  if (db->depth > 1) db->doomed = db->doomed ? db->doomed : RK_ECANCELLED;
  else if (!sqlite3_get_autocommit(db->conn)) (void)exec(db, "ROLLBACK");
  db->depth--;
  unlock(db);
}

/* ---- opening ---- */

static bool keep_i64(void *ud, const struct rk_row *r) {
  *(int64_t *)ud = rk_row_i64(r, 0);
  return false;
}

static rk_err snapshot(struct rk_db *db, const char *path, int32_t version, struct rk_error *e) {
  char to[PATH_BYTES];
  int len = snprintf(to, sizeof to, "%s.before-v%d", path, (int)version);
  if (len < 0 || (size_t)len >= sizeof to) return rk_fail(e, RK_EINVAL, "%s: the path is too long", path);
  if (unlink(to) != 0 && errno != ENOENT) return rk_fail(e, RK_EIO, "%s: %s", to, strerror(errno));
  rk_err err = rk_db_run(db, e, "VACUUM INTO ?", "t", to);
  int fd = err ? -1 : open(to, O_RDWR | O_CLOEXEC);
  if (!err && (fd < 0 || fchmod(fd, 0600) != 0 || fsync(fd) != 0)) err = rk_fail(e, RK_EIO, "%s: %s", to, strerror(errno));
  if (fd >= 0) close(fd);
  return err;
}

/* The step and its number are one transaction: a crash leaves the old version or the new one. */
static rk_err migrate_one(struct rk_db *db, const char *sql, int32_t to, struct rk_error *e) {
  char pragma[64];
  snprintf(pragma, sizeof pragma, "PRAGMA user_version=%d", (int)to);
  rk_err err = rk_db_begin(db, e);
  if (err) return err;
  int rc = exec(db, sql);
  if (rc == SQLITE_OK) rc = exec(db, pragma);
  if (rc != SQLITE_OK) {
    err = db_fail(db, rc, e);
    rk_db_rollback(db);
    return err;
  }
  return rk_db_commit(db, e);
}

static rk_err migrate(struct rk_db *db, const char *path, const struct rk_migration *m, int32_t n, struct rk_error *e) {
  int64_t version = 0;
  rk_err err = rk_db_each(db, e, keep_i64, &version, "PRAGMA user_version", "");
  if (err) return err;
  if (version > n)
    return rk_fail(e, RK_ECONFLICT, "%s has schema version %lld, this program knows %d: use the newer rukou that wrote it",
                   path, (long long)version, (int)n);
  if (version > 0 && version < n) err = snapshot(db, path, n, e);
  for (int32_t i = (int32_t)version; !err && i < n; i++) err = migrate_one(db, m[i].sql, i + 1, e);
  return err;
}

/* SQLite gives -wal and -shm the mode of the file itself. */
static rk_err make_private(const char *path, struct rk_error *e) {
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return rk_fail(e, errno == ENOSPC ? RK_ENOSPC : RK_EIO, "%s: %s", path, strerror(errno));
  close(fd);
  return RK_OK;
}

static rk_err configure(struct rk_db *db, struct rk_error *e) {
  static const char *const settings[] = {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA foreign_keys=ON",
                                         "PRAGMA trusted_schema=OFF", "PRAGMA journal_size_limit=67108864"};
  sqlite3_extended_result_codes(db->conn, 1);
  sqlite3_busy_timeout(db->conn, BUSY_TIMEOUT_MS);
  rk_err err = RK_OK;
  for (size_t i = 0; !err && i < sizeof settings / sizeof *settings; i++) err = rk_db_run(db, e, settings[i], "");
  return err;
}

rk_err rk_db_open(const char *path, const struct rk_migration *migrations, int32_t n, struct rk_db **out,
                  struct rk_error *e) {
  *out = NULL;
  rk_err err = make_private(path, e);
  if (err) return err;
  struct rk_db *db = calloc(1, sizeof *db);
  if (!db) return rk_fail(e, RK_ENOMEM, "out of memory");
  pthread_mutexattr_t attr;
  pthread_mutexattr_init(&attr);
  pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_init(&db->lock, &attr);
  pthread_mutexattr_destroy(&attr);
  int rc = sqlite3_open_v2(path, &db->conn, SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX, NULL);
  if (rc != SQLITE_OK) err = rk_fail(e, RK_EIO, "%s: %s", path, sqlite3_errstr(rc));
  if (!err) err = configure(db, e);
  if (!err) err = migrate(db, path, migrations, n, e);
  if (err) rk_db_close(db);
  else *out = db;
  return err;
}

void rk_db_close(struct rk_db *db) {
  if (!db) return;
  for (size_t i = 0; i < STATEMENTS; i++) sqlite3_finalize(db->cache[i].st);
  sqlite3_close(db->conn);
  pthread_mutex_destroy(&db->lock);
  free(db);
}
