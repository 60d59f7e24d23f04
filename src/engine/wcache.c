#include "engine/wcache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "engine/checksum.h"
#include "engine/engine.h"

enum { PATH_BYTES = 4096, NAME_BYTES = 128, ALIGN = 64, HUGE_PAGE = 2 << 20, PIECE_BYTES = 8 << 20, SPARE_BYTES = 256 << 20 };
enum { VERSION = 1, FINISH_MS = 20000, LOW_PRIORITY = 5 };
static const char magic[8] = "RKTILES";

struct header {
  char magic[8];
  uint32_t version, n_parts;
  uint64_t layout;          /* rk_repack_layout() */
  uint8_t model_id[32];
  char kernels[32];         /* NUL-padded */
  uint64_t file_bytes;
  uint64_t checksum;        /* of header and table, this field 0 */
};

struct part {
  uint32_t format, n_in, n_out, unused;
  uint64_t offset, n_bytes, checksum;
};

struct rk_wcache {
  uint8_t *map;             /* mapped file, or NULL */
  size_t map_bytes;
  pthread_t writer;         /* when head is not NULL */
  struct header *head;      /* [head_bytes] header and table of the file that is written */
  size_t head_bytes;
  const uint8_t *tiles;     /* of all parts, as far apart as in the file */
  _Atomic int64_t deadline_ms;
  char dir[PATH_BYTES], name[NAME_BYTES];
};

/* ---- layout of a file ---- */

static size_t head_bytes(size_t n_parts) { return sizeof(struct header) + n_parts * sizeof(struct part); }
static size_t align_up(size_t n, size_t to) { return (n + to - 1) / to * to; }
static struct part *parts_of(const struct header *h) { return (struct part *)(uintptr_t)(h + 1); }

static uint64_t head_checksum(const struct header *h) {
  struct header copy = *h;
  copy.checksum = 0;
  uint64_t sum = rk_checksum(0, &copy, sizeof copy);
  return rk_checksum(sum, parts_of(h), h->n_parts * sizeof(struct part));
}

/* Header and table for the matrices, checksums left 0. */
static struct header *new_head(const struct rk_wcache_key *key, struct rk_matrix *const m[], int32_t n) {
  struct header *h = calloc(1, head_bytes((size_t)n));
  if (!h) return NULL;
  memcpy(h->magic, magic, sizeof magic);
  h->version = VERSION;
  h->n_parts = (uint32_t)n;
  h->layout = rk_repack_layout();
  memcpy(h->model_id, key->model_id, sizeof h->model_id);
  snprintf(h->kernels, sizeof h->kernels, "%s", key->kernels);
  size_t at = align_up(head_bytes((size_t)n), HUGE_PAGE);
  for (int32_t i = 0; i < n; i++) {
    size_t bytes = m[i]->tile_bytes * (size_t)m[i]->n_tiles;
    parts_of(h)[i] = (struct part){(uint32_t)m[i]->format, (uint32_t)m[i]->n_in, (uint32_t)m[i]->n_out, 0, at, bytes, 0};
    at = align_up(at + bytes, ALIGN);
  }
  h->file_bytes = at;
  if (h->layout) return h;
  free(h);
  return NULL;
}

/* What the bytes say about themselves; all that follows may rely on it. */
static const char *head_fault(const uint8_t *p, size_t n) {
  const struct header *h = (const struct header *)(const void *)p;
  if (n < sizeof *h || memcmp(h->magic, magic, sizeof magic) != 0) return "it is no file of repacked weights";
  if (h->version != VERSION) return "it is of another version";
  if (h->file_bytes != n) return "it was cut";
  if (h->n_parts > (n - sizeof *h) / sizeof(struct part)) return "its table is longer than the file";
  if (h->checksum != head_checksum(h)) return "its header is damaged";
  size_t at = head_bytes(h->n_parts);
  for (const struct part *t = parts_of(h); t < parts_of(h) + h->n_parts; t++) {
    if (t->offset % ALIGN || t->offset < at || t->offset > n || t->n_bytes > n - t->offset) return "its table is wrong";
    at = t->offset + t->n_bytes;
  }
  return NULL;
}

static bool same_part(const struct part *a, const struct part *b) {
  return a->format == b->format && a->n_in == b->n_in && a->n_out == b->n_out && a->offset == b->offset && a->n_bytes == b->n_bytes;
}

bool rk_wcache_fits(const uint8_t *p, size_t n, const struct rk_wcache_key *key, struct rk_matrix *const m[], int32_t n_m) {
  if (head_fault(p, n)) return false;
  const struct header *h = (const struct header *)(const void *)p;
  struct header *want = new_head(key, m, n_m);
  bool same = want && h->layout == want->layout && h->n_parts == want->n_parts && h->file_bytes == want->file_bytes &&
              memcmp(h->model_id, want->model_id, sizeof h->model_id) == 0 &&
              memcmp(h->kernels, want->kernels, sizeof h->kernels) == 0;
  for (uint32_t i = 0; same && i < h->n_parts; i++) same = same_part(&parts_of(h)[i], &parts_of(want)[i]);
  free(want);
  return same;
}

rk_err rk_wcache_check(const uint8_t *p, size_t n, struct rk_error *e) {
  const char *fault = head_fault(p, n);
  if (fault) return rk_fail(e, RK_EFORMAT, "%s", fault);
  const struct header *h = (const struct header *)(const void *)p;
  for (uint32_t i = 0; i < h->n_parts; i++) {
    const struct part *t = &parts_of(h)[i];
    if (rk_checksum(0, p + t->offset, t->n_bytes) != t->checksum)
      return rk_fail(e, RK_EFORMAT, "matrix %u of %u is damaged", i, h->n_parts);
  }
  return RK_OK;
}

/* ---- names ---- */

static void id_prefix(const uint8_t *model_id, char out[18]) {
  for (int i = 0; i < 8; i++) snprintf(out + 2 * i, 3, "%02x", model_id[i]);
  memcpy(out + 16, "-", 2);
}

static bool place(struct rk_wcache *w, const struct rk_wcache_key *key) {
  char prefix[18];
  if (!key->dir || !key->model_id) return false;
  id_prefix(key->model_id, prefix);
  int n = snprintf(w->dir, sizeof w->dir, "%s/repack", key->dir);
  int k = snprintf(w->name, sizeof w->name, "%s%s.weights", prefix, key->kernels);
  return n > 0 && n < PATH_BYTES - NAME_BYTES && k > 0 && k < NAME_BYTES - 8;
}

/* The file, if it is a regular one of ours; its size in *n_bytes. */
static int open_file(const char *dir, const char *name, size_t *n_bytes) {
  char path[PATH_BYTES + 256];
  struct stat st;
  snprintf(path, sizeof path, "%s/%s", dir, name);
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return -1;
  if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && st.st_size > 0) {
    *n_bytes = (size_t)st.st_size;
    return fd;
  }
  close(fd);
  return -1;
}

static uint8_t *map_file(const char *dir, const char *name, size_t *n_bytes) {
  int fd = open_file(dir, name, n_bytes);
  if (fd < 0) return NULL;
  void *p = mmap(NULL, *n_bytes, PROT_READ, MAP_SHARED, fd, 0);
  if (p != MAP_FAILED) {
    madvise(p, *n_bytes, MADV_HUGEPAGE); /* read in whole huge pages where the file system can */
    futimens(fd, NULL);                  /* used now: the longest unused goes first */
  }
  close(fd);
  return p == MAP_FAILED ? NULL : p;
}

/* ---- reading ---- */

struct rk_wcache *rk_wcache_open(const struct rk_wcache_key *key, struct rk_matrix *const m[], int32_t n) {
  struct rk_wcache *w = calloc(1, sizeof *w);
  if (!w) return NULL;
  if (place(w, key)) w->map = map_file(w->dir, w->name, &w->map_bytes);
  if (w->map && rk_wcache_fits(w->map, w->map_bytes, key, m, n)) {
    const struct part *t = parts_of((const struct header *)(const void *)w->map);
    for (int32_t i = 0; i < n; i++) m[i]->tiles = w->map + t[i].offset;
    return w;
  }
  if (w->map) rk_log(RK_LOG_INFO, "engine", "%s/%s does not fit this model and processor: it is made anew", w->dir, w->name);
  rk_wcache_close(w);
  return NULL;
}

/* ---- bounds ---- */

static bool is_weights(const char *name) {
  return rk_str_ends(rk_str_c(name), RK_STR(".weights")) || rk_str_ends(rk_str_c(name), RK_STR(".weights.tmp"));
}

/* Sums the files up and finds the longest unused; `spare` is neither counted nor found. */
static uint64_t survey(int dir_fd, const char *spare, char oldest[NAME_BYTES]) {
  int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *d = fd < 0 ? NULL : fdopendir(fd);
  uint64_t total = 0;
  struct timespec least = {0};
  oldest[0] = 0;
  for (struct dirent *ent; d && (ent = readdir(d));) {
    struct stat st;
    if (!is_weights(ent->d_name) || strlen(ent->d_name) >= NAME_BYTES || strcmp(ent->d_name, spare) == 0) continue;
    if (fstatat(dir_fd, ent->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode)) continue;
    total += (uint64_t)st.st_size;
    if (oldest[0] && (st.st_mtim.tv_sec > least.tv_sec ||
                      (st.st_mtim.tv_sec == least.tv_sec && st.st_mtim.tv_nsec >= least.tv_nsec))) continue;
    least = st.st_mtim;
    memcpy(oldest, ent->d_name, strlen(ent->d_name) + 1);
  }
  if (d) closedir(d);
  else if (fd >= 0) close(fd);
  return total;
}

/* Drops files until `bytes` more fit under the limit. False: they never do. */
static bool make_room(int dir_fd, const char *spare, uint64_t bytes, uint64_t limit) {
  char oldest[NAME_BYTES];
  if (bytes > limit) return false;
  while (survey(dir_fd, spare, oldest) > limit - bytes) {
    if (!oldest[0] || unlinkat(dir_fd, oldest, 0) != 0) return false;
    rk_log(RK_LOG_INFO, "engine", "repacked weights %s were the longest unused: dropped", oldest);
  }
  return true;
}

/* ---- writing ---- */

static const char *write_all(const struct rk_wcache *w, int fd, const uint8_t *p, size_t n, size_t at) {
  while (n > 0) {
    if (rk_mono_ms() > atomic_load(&w->deadline_ms)) return "the program ends";
    size_t piece = n < PIECE_BYTES ? n : PIECE_BYTES;
    ssize_t put = pwrite(fd, p, piece, (off_t)at);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return strerror(put < 0 ? errno : EIO);
    sync_file_range(fd, (off_t)at, put, SYNC_FILE_RANGE_WRITE); /* so that fsync finds little left */
    p += put, at += (size_t)put, n -= (size_t)put;
  }
  return NULL;
}

/* Reads what was written and compares it with what was to be written. Pages that writing left in the page cache are
 * huge or not as memory happened to be free; read anew through such a mapping all of them are, a third faster to
 * compute with. */
static const char *read_back(int fd, size_t n) {
  struct rk_error e;
  posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  uint8_t *p = mmap(NULL, n, PROT_READ, MAP_SHARED, fd, 0);
  if (p == MAP_FAILED) return strerror(errno);
  madvise(p, n, MADV_HUGEPAGE);
  rk_err err = rk_wcache_check(p, n, &e);
  munmap(p, n);
  return err ? "what was written reads back differently" : NULL;
}

static const char *write_file(struct rk_wcache *w, int fd) {
  struct header *h = w->head;
  const size_t from = parts_of(h)->offset;
  const char *fault = ftruncate(fd, 0) == 0 ? NULL : strerror(errno);
  if (!fault) fault = write_all(w, fd, w->tiles, h->file_bytes - from, from);
  for (struct part *t = parts_of(h); t < parts_of(h) + h->n_parts && !fault; t++)
    t->checksum = rk_checksum(0, w->tiles + (t->offset - from), t->n_bytes);
  h->checksum = head_checksum(h);
  if (!fault) fault = write_all(w, fd, (const uint8_t *)h, w->head_bytes, 0);
  if (!fault && (ftruncate(fd, (off_t)h->file_bytes) != 0 || fsync(fd) != 0)) fault = strerror(errno);
  return fault ? fault : read_back(fd, h->file_bytes);
}

/* The file beside the name, ours alone: -1 when another process writes it. */
static int open_tmp(int dir_fd, const char *tmp) {
  struct stat a, b;
  int fd = openat(dir_fd, tmp, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return -1;
  if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &a) == 0 && fstatat(dir_fd, tmp, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
      a.st_ino == b.st_ino)
    return fd;
  close(fd);
  errno = EWOULDBLOCK;
  return -1;
}

static const char *save(struct rk_wcache *w, int dir_fd) {
  char tmp[NAME_BYTES + 8];
  struct statvfs fs;
  const uint64_t bytes = w->head->file_bytes;
  snprintf(tmp, sizeof tmp, "%s.tmp", w->name);
  if (!make_room(dir_fd, w->name, bytes, (uint64_t)RK_MAX_REPACK_BYTES)) return "larger than all that may be kept";
  if (fstatvfs(dir_fd, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < bytes + SPARE_BYTES) return "the disk is full";
  int fd = open_tmp(dir_fd, tmp);
  if (fd < 0) return errno == EWOULDBLOCK ? "another rukou writes them" : strerror(errno);
  const char *fault = write_file(w, fd);
  if (!fault && (renameat(dir_fd, tmp, dir_fd, w->name) != 0 || fsync(dir_fd) != 0)) fault = strerror(errno);
  if (fault) unlinkat(dir_fd, tmp, 0);
  close(fd);
  return fault;
}

static void *writer_main(void *arg) {
  struct rk_wcache *w = arg;
  setpriority(PRIO_PROCESS, (id_t)gettid(), LOW_PRIORITY);
  mkdir(w->dir, 0700);
  int dir_fd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const char *fault = dir_fd < 0 ? strerror(errno) : save(w, dir_fd);
  if (fault) rk_log(RK_LOG_WARN, "engine", "repacked weights are not kept in %s: %s; the next start repacks again", w->dir, fault);
  if (dir_fd >= 0) close(dir_fd);
  return NULL;
}

struct rk_wcache *rk_wcache_save(const struct rk_wcache_key *key, struct rk_matrix *const m[], int32_t n) {
  struct rk_wcache *w = calloc(1, sizeof *w);
  if (!w) return NULL;
  if (place(w, key)) w->head = new_head(key, m, n);
  w->head_bytes = head_bytes((size_t)n);
  w->tiles = m[0]->tiles;
  atomic_init(&w->deadline_ms, INT64_MAX);
  for (int32_t i = 0; w->head && i < n; i++)
    RK_ASSERT((size_t)(m[i]->tiles - w->tiles) == parts_of(w->head)[i].offset - parts_of(w->head)->offset);
  if (w->head && pthread_create(&w->writer, NULL, writer_main, w) == 0) return w;
  free(w->head);
  w->head = NULL;
  rk_wcache_close(w);
  return NULL;
}

void rk_wcache_close(struct rk_wcache *w) {
  if (!w) return;
  if (w->head) {
    atomic_store(&w->deadline_ms, rk_mono_ms() + FINISH_MS);
    pthread_join(w->writer, NULL);
  }
  if (w->map) munmap(w->map, w->map_bytes);
  free(w->head);
  free(w);
}

/* ---- checking on request ---- */

static rk_err check_file(const char *dir, const char *name, struct rk_error *e) {
  struct rk_error why = {0};
  size_t n;
  uint8_t *p = map_file(dir, name, &n);
  if (!p) return rk_fail(e, RK_EIO, "%s/%s can not be read", dir, name);
  rk_err err = rk_wcache_check(p, n, &why);
  munmap(p, n);
  if (!err) return RK_OK;
  char path[PATH_BYTES + 256];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  unlink(path);
  return rk_fail(e, err, "repacked weights %s: %s; removed, the next start makes them anew", path, why.msg);
}

rk_err rk_engine_check_cache(const char *cache_dir, const uint8_t model_id[32], int32_t *n_files, struct rk_error *e) {
  char dir[PATH_BYTES], prefix[18];
  rk_err err = RK_OK;
  *n_files = 0;
  id_prefix(model_id, prefix);
  snprintf(dir, sizeof dir, "%s/repack", cache_dir);
  DIR *d = opendir(dir);
  for (struct dirent *ent; d && !err && (ent = readdir(d));) {
    rk_str name = rk_str_c(ent->d_name);
    if (!rk_str_starts(name, rk_str_c(prefix)) || !rk_str_ends(name, RK_STR(".weights")) || name.n >= NAME_BYTES) continue;
    err = check_file(dir, ent->d_name, e);
    if (!err) ++*n_files;
  }
  if (d) closedir(d);
  return err;
}
