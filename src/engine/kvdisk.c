#include "engine/kvdisk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"

enum { B = RK_ATTN_BLOCK, PATH_BYTES = 4096, MAX_WANTED = 8, LEAST_TOKENS = 32 };
static const char magic[8] = "RUKOUKV1";

struct file {
  char name[24];           /* HASH.rkv */
  int32_t *tokens;         /* [n] */
  int32_t n;
};

struct rk_kvdisk {
  char dir[PATH_BYTES];
  struct rk_kvdisk_identity id;
  struct file files[RK_MAX_KV_FILES];
  int32_t n_files;
  struct file wanted[MAX_WANTED]; /* to be written, oldest first */
  int32_t n_wanted;
};

/* ---- checksum ---- */

static uint64_t mix(uint64_t lane, uint64_t x) {
  lane = (lane ^ x) * UINT64_C(0x9e3779b97f4a7c15);
  return lane ^ lane >> 29;
}

uint64_t rk_hash64(const void *data, size_t n, uint64_t seed) {
  const uint8_t *p = data;
  uint64_t lane[4] = {seed + 1, seed + 2, seed + 3, seed + 4}, x[4];
  size_t left = n;
  for (; left >= sizeof x; p += sizeof x, left -= sizeof x) {
    memcpy(x, p, sizeof x);
    for (int i = 0; i < 4; i++) lane[i] = mix(lane[i], x[i]);
  }
  memset(x, 0, sizeof x);
  memcpy(x, p, left);
  for (int i = 0; i < 4; i++) lane[i] = mix(lane[i], x[i]);
  uint64_t sum = mix(n, lane[0]);
  for (int i = 1; i < 4; i++) sum = mix(sum, lane[i]);
  return mix(sum, 0);
}

static uint64_t header_sum(const struct rk_kvdisk_header *h, const int32_t *tokens) {
  uint64_t sum = rk_hash64(h, offsetof(struct rk_kvdisk_header, sum), 0);
  return rk_hash64(tokens, (size_t)h->n_tokens * sizeof *tokens, sum);
}

/* ---- reading ---- */

static bool read_all(int fd, void *p, size_t n) {
  for (ssize_t got; n > 0; p = (char *)p + got, n -= (size_t)got)
    if ((got = read(fd, p, n)) <= 0) return false;
  return true;
}

static uint64_t block_bytes(const struct rk_kvdisk_identity *id) {
  const struct rk_kv_shape shape = {id->n_layer, id->n_head_kv, id->head_dim, (enum rk_kv_type)id->k_type,
                                    (enum rk_kv_type)id->v_type, 0};
  return rk_kv_block_bytes(&shape);
}

static uint64_t payload_bytes(const struct rk_kvdisk_identity *id, int64_t n_tokens) {
  return block_bytes(id) * (uint64_t)((n_tokens + B - 1) / B) + id->state_bytes;
}

static bool is_ours(const struct rk_kvdisk_header *h, const struct rk_kvdisk_identity *id) {
  return memcmp(h->magic, magic, sizeof magic) == 0 && h->header_bytes == sizeof *h && memcmp(&h->id, id, sizeof *id) == 0 &&
         h->n_tokens > 0 && h->n_tokens <= RK_MAX_MODEL_CONTEXT && h->payload_bytes == payload_bytes(id, h->n_tokens);
}

rk_err rk_kvdisk_read_header(int fd, const struct rk_kvdisk_identity *id, struct rk_kvdisk_header *h, int32_t **tokens) {
  struct stat st;
  *tokens = NULL;
  if (fstat(fd, &st) != 0) return RK_EIO;
  if (!read_all(fd, h, sizeof *h) || !is_ours(h, id)) return RK_EFORMAT;
  const size_t bytes = (size_t)h->n_tokens * sizeof **tokens;
  if ((uint64_t)st.st_size != sizeof *h + bytes + h->payload_bytes) return RK_EFORMAT;
  int32_t *ids = malloc(bytes);
  if (!ids) return RK_ENOMEM;
  if (!read_all(fd, ids, bytes) || header_sum(h, ids) != h->sum) {
    free(ids);
    return RK_EFORMAT;
  }
  *tokens = ids;
  return RK_OK;
}

static int open_file(const struct rk_kvdisk *d, const char *name) {
  char path[PATH_BYTES + 32];
  snprintf(path, sizeof path, "%s/%s", d->dir, name);
  return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

static bool is_name(const char *name) {
  return strlen(name) == 20 && strspn(name, "0123456789abcdef") == 16 && strcmp(name + 16, ".rkv") == 0;
}

static void look_at(struct rk_kvdisk *d, const char *name) {
  if (!is_name(name) || d->n_files == RK_MAX_KV_FILES) return;
  struct rk_kvdisk_header h;
  struct file f = {0};
  int fd = open_file(d, name);
  if (fd < 0) return;
  if (rk_kvdisk_read_header(fd, &d->id, &h, &f.tokens) == RK_OK) {
    memcpy(f.name, name, 21);
    f.n = (int32_t)h.n_tokens;
    d->files[d->n_files++] = f;
  }
  close(fd);
}

struct rk_kvdisk *rk_kvdisk_open(const char *cache_dir, const struct rk_kvdisk_identity *id) {
  struct rk_kvdisk *d = calloc(1, sizeof *d);
  if (!d) return NULL;
  d->id = *id;
  mkdir(cache_dir, 0700);
  int n = snprintf(d->dir, sizeof d->dir, "%s/kv", cache_dir);
  DIR *dir = NULL;
  if (n > 0 && n < PATH_BYTES) mkdir(d->dir, 0700), dir = opendir(d->dir);
  if (!dir) {
    rk_log(RK_LOG_WARN, "engine", "%s: %s; prefixes are not kept over restarts", d->dir, strerror(errno));
    free(d);
    return NULL;
  }
  for (const struct dirent *f; (f = readdir(dir));) look_at(d, f->d_name);
  closedir(dir);
  return d;
}

void rk_kvdisk_close(struct rk_kvdisk *d) {
  if (!d) return;
  for (int32_t i = 0; i < d->n_files; i++) free(d->files[i].tokens);
  for (int32_t i = 0; i < d->n_wanted; i++) free(d->wanted[i].tokens);
  free(d);
}

struct load {
  const struct rk_kvdisk_identity *id;
  int fd;
  uint64_t sum;
  uint8_t *spare; /* [block_bytes], for blocks that the tree has */
};

static bool fill(void *ud, int32_t block, uint8_t *mem, uint8_t *state) {
  struct load *l = ud;
  const size_t bytes = block_bytes(l->id);
  (void)block;
  if (!mem && !l->spare && !(l->spare = malloc(bytes))) return false;
  if (!mem) mem = l->spare;
  if (!read_all(l->fd, mem, bytes)) return false;
  l->sum = rk_hash64(mem, bytes, l->sum);
  if (state && (!read_all(l->fd, state, l->id->state_bytes))) return false;
  if (state) l->sum = rk_hash64(state, l->id->state_bytes, l->sum);
  return true;
}

/* The payload is checked against a running sum while it is read into the tree;
 * what turns out damaged is taken out again before anybody can have used it. */
static bool load_file(struct rk_kvdisk *d, struct rk_kv_tree *t, const struct file *f) {
  struct rk_kvdisk_header h;
  int32_t *tokens = NULL;
  struct load l = {.id = &d->id, .fd = open_file(d, f->name)};
  if (l.fd < 0) return false;
  bool ok = rk_kvdisk_read_header(l.fd, &d->id, &h, &tokens) == RK_OK && h.n_tokens == f->n &&
            memcmp(tokens, f->tokens, (size_t)f->n * sizeof *tokens) == 0;
  ok = ok && rk_kv_insert(t, tokens, f->n, h.payload_sum, fill, &l, &l.sum);
  if (ok) futimens(l.fd, NULL);
  free(tokens);
  free(l.spare);
  close(l.fd);
  return ok;
}

static void forget(struct rk_kvdisk *d, int32_t i) {
  free(d->files[i].tokens);
  d->files[i] = d->files[--d->n_files];
}

int32_t rk_kvdisk_load(struct rk_kvdisk *d, struct rk_kv_tree *t, const int32_t *tokens, int32_t n, int32_t n_have) {
  for (;;) {
    int32_t best = -1;
    for (int32_t i = 0; i < d->n_files; i++) {
      const struct file *f = &d->files[i];
      if (f->n > n || f->n <= n_have || (best >= 0 && f->n <= d->files[best].n)) continue;
      if (memcmp(f->tokens, tokens, (size_t)f->n * sizeof *tokens) == 0) best = i;
    }
    if (best < 0) return 0;
    if (load_file(d, t, &d->files[best])) return d->files[best].n;
    rk_log(RK_LOG_WARN, "engine", "%s/%s is damaged or does not fit into the KV memory: not used", d->dir, d->files[best].name);
    forget(d, best);
  }
}

/* ---- writing ---- */

static bool has(const struct file *files, int32_t n_files, const int32_t *tokens, int32_t n) {
  for (int32_t i = 0; i < n_files; i++)
    if (files[i].n == n && memcmp(files[i].tokens, tokens, (size_t)n * sizeof *tokens) == 0) return true;
  return false;
}

void rk_kvdisk_want(struct rk_kvdisk *d, const int32_t *tokens, int32_t n) {
  if (n < LEAST_TOKENS || d->n_wanted == MAX_WANTED || has(d->files, d->n_files, tokens, n) ||
      has(d->wanted, d->n_wanted, tokens, n))
    return;
  struct file *f = &d->wanted[d->n_wanted];
  f->tokens = malloc((size_t)n * sizeof *tokens);
  if (!f->tokens) return;
  memcpy(f->tokens, tokens, (size_t)n * sizeof *tokens);
  f->n = n;
  d->n_wanted++;
}

static bool write_all(int fd, const void *p, size_t n) {
  for (ssize_t put; n > 0; p = (const char *)p + put, n -= (size_t)put)
    if ((put = write(fd, p, n)) <= 0) return false;
  return true;
}

/* Removes the longest unused files until `bytes` more fit under the limit. */
static void make_room(const struct rk_kvdisk *d, uint64_t bytes) {
  for (;;) {
    DIR *dir = opendir(d->dir);
    if (!dir) return;
    char oldest[256] = "";
    struct timespec when = {0};
    uint64_t total = bytes;
    int32_t n = 0;
    for (const struct dirent *f; (f = readdir(dir));) {
      struct stat st;
      if (!is_name(f->d_name) || fstatat(dirfd(dir), f->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
      total += (uint64_t)st.st_size, n++;
      bool older = st.st_mtim.tv_sec < when.tv_sec || (st.st_mtim.tv_sec == when.tv_sec && st.st_mtim.tv_nsec < when.tv_nsec);
      if (oldest[0] && !older) continue;
      snprintf(oldest, sizeof oldest, "%s", f->d_name);
      when = st.st_mtim;
    }
    bool done = (total <= RK_MAX_KV_CACHE_BYTES && n < RK_MAX_KV_FILES) || !oldest[0];
    if (!done) done = unlinkat(dirfd(dir), oldest, 0) != 0;
    closedir(dir);
    if (done) return;
  }
}

static bool write_payload(const struct rk_kvdisk *d, int fd, struct rk_kv_node *const path[], int32_t n_path) {
  const size_t bytes = block_bytes(&d->id);
  for (int32_t i = 0; i < n_path; i++)
    if (!write_all(fd, path[i]->mem, bytes)) return false;
  return !d->id.state_bytes || write_all(fd, path[n_path - 1]->state, d->id.state_bytes);
}

static bool write_file(const struct rk_kvdisk *d, const struct file *f, struct rk_kv_node *const path[]) {
  const int32_t n_path = (f->n + B - 1) / B;
  const size_t bytes = block_bytes(&d->id);
  struct rk_kvdisk_header h;
  memset(&h, 0, sizeof h); /* padding is part of the sum */
  memcpy(h.magic, magic, sizeof magic);
  h.header_bytes = sizeof h;
  h.id = d->id;
  h.n_tokens = f->n;
  h.payload_bytes = payload_bytes(&d->id, f->n);
  for (int32_t i = 0; i < n_path; i++) h.payload_sum = rk_hash64(path[i]->mem, bytes, h.payload_sum);
  if (d->id.state_bytes) h.payload_sum = rk_hash64(path[n_path - 1]->state, d->id.state_bytes, h.payload_sum);
  h.sum = header_sum(&h, f->tokens);
  char path_tmp[PATH_BYTES + 32], path_end[PATH_BYTES + 32];
  snprintf(path_tmp, sizeof path_tmp, "%s/%d.tmp", d->dir, (int)getpid());
  snprintf(path_end, sizeof path_end, "%s/%s", d->dir, f->name);
  int fd = open(path_tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return false;
  bool ok = write_all(fd, &h, sizeof h) && write_all(fd, f->tokens, (size_t)f->n * sizeof *f->tokens) &&
            write_payload(d, fd, path, n_path);
  ok = close(fd) == 0 && ok;
  if (ok) ok = rename(path_tmp, path_end) == 0;
  if (!ok) unlink(path_tmp);
  return ok;
}

bool rk_kvdisk_write(struct rk_kvdisk *d, struct rk_kv_tree *t) {
  if (d->n_wanted == 0) return false;
  struct file f = d->wanted[0];
  memmove(d->wanted, d->wanted + 1, sizeof f * (size_t)--d->n_wanted);
  struct rk_kv_node **path = calloc((size_t)(f.n + B - 1) / B, sizeof *path);
  bool ok = path && rk_kv_path(t, f.tokens, f.n, path) && (!d->id.state_bytes || path[(f.n - 1) / B]->state);
  if (ok) {
    uint64_t hash = rk_hash64(f.tokens, (size_t)f.n * sizeof *f.tokens, rk_hash64(&d->id, sizeof d->id, 0));
    snprintf(f.name, sizeof f.name, "%016llx.rkv", (unsigned long long)hash);
    make_room(d, sizeof(struct rk_kvdisk_header) + (size_t)f.n * sizeof *f.tokens + payload_bytes(&d->id, f.n));
    ok = write_file(d, &f, path);
    if (!ok) rk_log(RK_LOG_WARN, "engine", "%s: a prefix could not be kept: %s", d->dir, strerror(errno));
  }
  free(path);
  if (ok && d->n_files < RK_MAX_KV_FILES) d->files[d->n_files++] = f;
  else free(f.tokens);
  return d->n_wanted > 0;
}
