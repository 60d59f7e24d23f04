#include "cli/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/log.h"
#include "cli/pull.h"

enum { PATH_BYTES = 4096, KEY_BYTES = 96, LINE_BYTES = KEY_BYTES + 72, FILE_BYTES = 2 * RK_MAX_IDENTITIES * LINE_BYTES };

/* "device inode size mtime": what changes when the bytes do. */
static bool key_of(const char *path, char key[KEY_BYTES]) {
  struct stat st;
  if (stat(path, &st) != 0) return false;
  snprintf(key, KEY_BYTES, "%llu %llu %lld %lld.%09ld", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
           (long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
  return true;
}

static void list_path(const char *cache_dir, char out[PATH_BYTES]) { snprintf(out, PATH_BYTES, "%s/identities", cache_dir); }

/* Every line that is one: key, space, 64 hex digits. */
static void read_list(const char *cache_dir, struct rk_buf *text) {
  char path[PATH_BYTES];
  list_path(cache_dir, path);
  rk_buf_init(text, FILE_BYTES);
  if (rk_buf_read_file(text, path, NULL)) rk_buf_clear(text);
}

static bool parse_hex(rk_str hex, uint8_t out[32]) {
  if (hex.n != 64) return false;
  for (size_t i = 0; i < 32; i++) {
    static const char digits[] = "0123456789abcdef";
    const char *high = memchr(digits, hex.p[2 * i], 16), *low = memchr(digits, hex.p[2 * i + 1], 16);
    if (!high || !low) return false;
    out[i] = (uint8_t)((high - digits) << 4 | (low - digits));
  }
  return true;
}

static bool find(rk_str list, const char *key, uint8_t out[32]) {
  bool found = false;
  for (rk_str line; list.n;) {
    rk_str_cut(list, '\n', &line, &list);
    size_t n = strlen(key);
    if (line.n > n && rk_str_starts(line, rk_str_c(key)) && line.p[n] == ' ')
      found |= parse_hex((rk_str){line.p + n + 1, line.n - n - 1}, out);
  }
  return found;
}

/* The list without the file's old lines (same device and inode), the oldest dropped, and the new line. */
static void next_list(struct rk_buf *out, rk_str list, const char *key, const char *sha256) {
  size_t same = (size_t)(strchr(strchr(key, ' ') + 1, ' ') + 1 - key), n_lines = 0;
  for (size_t i = 0; i < list.n; i++) n_lines += list.p[i] == '\n';
  for (rk_str line; list.n; n_lines--) {
    rk_str_cut(list, '\n', &line, &list);
    if (line.n >= LINE_BYTES || n_lines >= RK_MAX_IDENTITIES || rk_str_starts(line, (rk_str){key, same})) continue;
    rk_buf_addstr(out, line);
    rk_buf_addc(out, '\n');
  }
  rk_buf_addf(out, "%s %s\n", key, sha256);
}

static bool write_file(const char *path, rk_str text) {
  char tmp[PATH_BYTES + 24];
  snprintf(tmp, sizeof tmp, "%s.%d.tmp", path, (int)getpid());
  int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return false;
  bool ok = write(fd, text.p, text.n) == (ssize_t)text.n && fsync(fd) == 0;
  ok = close(fd) == 0 && ok && rename(tmp, path) == 0;
  if (!ok) unlink(tmp);
  return ok;
}

void rk_identity_note(const char *cache_dir, const char *path, const char *sha256) {
  char key[KEY_BYTES], to[PATH_BYTES];
  if (!key_of(path, key)) return;
  struct rk_buf old, text;
  read_list(cache_dir, &old);
  rk_buf_init(&text, FILE_BYTES);
  next_list(&text, rk_buf_str(&old), key, sha256);
  list_path(cache_dir, to);
  if ((mkdir(cache_dir, 0755) != 0 && errno != EEXIST) || text.err || !write_file(to, rk_buf_str(&text)))
    rk_log(RK_LOG_WARN, "model", "%s can not be written (%s): the model is hashed again at the next start", to, strerror(errno));
  rk_buf_release(&old);
  rk_buf_release(&text);
}

rk_err rk_identity_of(const char *cache_dir, const char *path, struct rk_identity *out, struct rk_error *e) {
  char key[KEY_BYTES], sha256[65];
  struct rk_buf list;
  if (!key_of(path, key)) return rk_fail(e, RK_ENOTFOUND, "model file %s: %s", path, strerror(errno));
  read_list(cache_dir, &list);
  bool found = find(rk_buf_str(&list), key, out->sha256);
  rk_buf_release(&list);
  if (found) return RK_OK;
  rk_err err = rk_hash_file("checking the model once", path, sha256, e);
  if (err) return err;
  rk_identity_note(cache_dir, path, sha256);
  return parse_hex(rk_str_c(sha256), out->sha256) ? RK_OK : rk_fail(e, RK_EINTERNAL, "a hash of odd length");
}
