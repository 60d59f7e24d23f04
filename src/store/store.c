#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/internal.h"
#include "store/schema.h"

enum { PATH_BYTES = 4096 };

struct rk_store {
  struct rk_db *db;
  int lock_fd;
  char dir[PATH_BYTES];
  char data_id[16];
  char local_user[37];
};

/* ---- the directory and its lock ---- */

static rk_err os_fail(struct rk_error *e, const char *path) {
  return rk_fail(e, errno == ENOSPC ? RK_ENOSPC : RK_EIO, "%s: %s", path, strerror(errno));
}

/* mkdir -p; only the last part is made private. */
static rk_err make_dir(const char *dir, struct rk_error *e) {
  char path[PATH_BYTES];
  int n = snprintf(path, sizeof path, "%s", dir);
  if (n <= 0 || (size_t)n >= sizeof path - sizeof "/rukou.db.before-v000")
    return rk_fail(e, RK_EINVAL, "the name of the data directory is empty or too long");
  for (char *p = path + 1; *p; p++) {
    if (*p != '/') continue;
    *p = 0;
    if (mkdir(path, 0755) != 0 && errno != EEXIST) return os_fail(e, path);
    *p = '/';
  }
  struct stat st;
  if (mkdir(path, 0700) != 0 && errno != EEXIST) return os_fail(e, path);
  if (stat(path, &st) != 0) return os_fail(e, path);
  if (!S_ISDIR(st.st_mode)) return rk_fail(e, RK_EINVAL, "%s is not a directory", path);
  if (st.st_mode & S_ISVTX) return rk_fail(e, RK_EINVAL, "%s is shared by everybody (sticky bit): name a directory of your own", path);
  if ((st.st_mode & 077) && chmod(path, 0700) != 0) return os_fail(e, path);
  return RK_OK;
}

static rk_err take_lock(struct rk_store *s, struct rk_error *e) {
  char path[PATH_BYTES + 8], pid[24] = "";
  snprintf(path, sizeof path, "%s/lock", s->dir);
  s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (s->lock_fd < 0) return os_fail(e, path);
  if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0) {
    ssize_t n = read(s->lock_fd, pid, sizeof pid - 1);
    pid[n > 0 ? n : 0] = 0;
    pid[strcspn(pid, "\n")] = 0;
    return rk_fail(e, RK_ECONFLICT, "%s is in use by process %s; stop it or choose another directory with --data", s->dir,
                   pid[0] ? pid : "(unknown)");
  }
  int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
  if (ftruncate(s->lock_fd, 0) != 0 || pwrite(s->lock_fd, pid, (size_t)n, 0) != n) return os_fail(e, path);
  return RK_OK;
}

/* ---- first start ---- */

static bool keep_ids(void *ud, const struct rk_row *r) {
  struct rk_store *s = ud;
  snprintf(s->data_id, sizeof s->data_id, "%.*s", RK_STR_ARG(rk_row_str(r, 0)));
  snprintf(s->local_user, sizeof s->local_user, "%.*s", RK_STR_ARG(rk_row_str(r, 1)));
  return false;
}

static rk_err load_ids(struct rk_store *s, struct rk_error *e) {
  return rk_db_each(s->db, e, keep_ids, s,
                    "SELECT a.value, b.value FROM meta a, meta b WHERE a.key='data_id' AND b.key='local_user'", "");
}

static json_t *demo_profile(void) {
  return json_pack("{s:b, s:s, s:s, s:s, s:s, s:{s:s, s:s}, s:[{s:s,s:s},{s:s,s:s},{s:s,s:s,s:i}],"
                   " s:[{s:s,s:s,s:s,s:b},{s:s,s:s,s:s,s:i,s:s}]}",
                   "demo", 1, "name", "张伟", "phone", "13800000000", "address", "上海市徐汇区漕溪北路18号", "home_city", "上海",
                   "sizes", "shoes", "42", "clothes", "L",
                   "passengers", "name", "张伟", "type", "adult", "name", "李娜", "type", "adult", "name", "张小宝", "type", "child", "age", 8,
                   "instruments", "id", "card", "kind", "card", "label", "Sandbox card", "default", 1,
                   "id", "wallet", "kind", "wallet", "label", "Sandbox wallet", "balance_minor", 20000, "currency", "CNY");
}

static rk_err first_start(struct rk_store *s, struct rk_error *e) {
  unsigned char r[4];
  char data_id[9], user[37];
  rk_random(r, sizeof r);
  snprintf(data_id, sizeof data_id, "%02x%02x%02x%02x", r[0], r[1], r[2], r[3]);
  rk_uuid7(user);
  json_t *profile = demo_profile();
  RK_ASSERT(profile != NULL);
  rk_err err = rk_db_begin(s->db, e);
  if (err) goto out;
  err = rk_db_run(s->db, e, "INSERT INTO users(id, created_ms) VALUES(?, ?)", "ti", user, rk_now_ms());
  if (!err) err = rk_db_run(s->db, e, "INSERT INTO meta VALUES('data_id', ?), ('local_user', ?)", "tt", data_id, user);
  if (!err) err = rk_store_profile_set(s, user, profile, e);
  err = rk_store_end(s->db, err, e);
out:
  json_decref(profile);
  return err;
}

rk_err rk_store_end(struct rk_db *db, rk_err err, struct rk_error *e) {
  if (!err) return rk_db_commit(db, e);
  rk_db_rollback(db);
  return err;
}

bool rk_store_keep_i64(void *ud, const struct rk_row *r) {
  *(int64_t *)ud = rk_row_i64(r, 0);
  return false;
}

int64_t rk_store_number(struct rk_store *s, int64_t if_unreadable, const char *sql, const char *a, const char *b) {
  int64_t n = if_unreadable;
  rk_err err = b ? rk_db_each(s->db, NULL, rk_store_keep_i64, &n, sql, "tt", a, b) : rk_db_each(s->db, NULL, rk_store_keep_i64, &n, sql, "t", a);
  return err ? if_unreadable : n;
}

rk_err rk_store_open(const char *data_dir, struct rk_store **out, struct rk_error *e) {
  *out = NULL;
  rk_err err = make_dir(data_dir, e);
  if (err) return err;
  struct rk_store *s = calloc(1, sizeof *s);
  if (!s) return rk_fail(e, RK_ENOMEM, "out of memory");
  s->lock_fd = -1;
  snprintf(s->dir, sizeof s->dir, "%s", data_dir);
  char path[PATH_BYTES + 16];
  snprintf(path, sizeof path, "%s/rukou.db", data_dir);
  err = take_lock(s, e);
  if (!err) err = rk_db_open(path, rk_store_migrations, rk_store_n_migrations, &s->db, e);
  if (!err) err = load_ids(s, e);
  if (!err && !s->local_user[0]) {
    err = first_start(s, e);
    if (!err) err = load_ids(s, e);
  }
  if (err) rk_store_close(s);
  else *out = s;
  return err;
}

void rk_store_close(struct rk_store *s) {
  if (!s) return;
  rk_db_close(s->db);
  if (s->lock_fd >= 0) close(s->lock_fd);
  free(s);
}

struct rk_db *rk_store_db(struct rk_store *s) { return s->db; }
const char *rk_store_dir(const struct rk_store *s) { return s->dir; }
const char *rk_store_data_id(const struct rk_store *s) { return s->data_id; }
const char *rk_store_local_user(const struct rk_store *s) { return s->local_user; }

/* ---- memories ---- */

json_t *rk_store_memories(struct rk_store *s, const char *user_id) {
  json_t *there = rk_db_one(s->db, NULL, "SELECT name FROM sqlite_master WHERE type='table' AND name='memories'", "");
  json_t *list = there ? rk_db_all(s->db, NULL, "SELECT id, text, source, created_ms FROM memories WHERE user_id=? ORDER BY created_ms, id", "t", user_id) : NULL;
  json_decref(there);
  return list ? list : json_array();
}

/* ---- sign-in ---- */

rk_err rk_store_session_add(struct rk_store *s, const char *user_id, const char *kind, const char *scopes,
                            const char *token_sha256, const char *csrf, int64_t expires_ms, struct rk_error *e) {
  char id[37];
  rk_uuid7(id);
  int64_t now = rk_now_ms();
  rk_err err = rk_db_begin(s->db, e);
  if (err) return err;
  err = rk_db_run(s->db, e, "DELETE FROM sessions WHERE expires_ms <= ?", "i", now);
  if (!err)
    err = rk_db_run(s->db, e, "INSERT INTO sessions VALUES(?, ?, ?, ?, ?, ?, ?, ?)", "ttttttii", id, user_id, kind,
                    scopes ? scopes : "", token_sha256, csrf ? csrf : "", now, expires_ms);
  return rk_store_end(s->db, err, e);
}

json_t *rk_store_session_get(struct rk_store *s, const char *token_sha256) {
  return rk_db_one(s->db, NULL, "SELECT id, user_id, kind, scopes, csrf FROM sessions WHERE token_sha256=? AND expires_ms > ?",
                   "ti", token_sha256, rk_now_ms());
}

rk_err rk_store_session_end(struct rk_store *s, const char *token_sha256, struct rk_error *e) {
  return rk_db_run(s->db, e, "DELETE FROM sessions WHERE token_sha256=?", "t", token_sha256);
}
