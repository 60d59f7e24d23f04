/* The loader of kept KV: any bytes as a file. Header and tokens alone, then the
 * whole file through a directory, with the header's sums made right so that what
 * stands behind them is reached too. */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/kvdisk.h"

static char dir[64];
static const struct rk_kv_shape shape = {1, 1, 8, RK_KV_F16, RK_KV_F16, 0};

static struct rk_kvdisk_identity identity(void) {
  struct rk_kvdisk_identity id;
  memset(&id, 0, sizeof id);
  id.n_layer = 1, id.n_head_kv = 1, id.head_dim = 8, id.k_type = RK_KV_F16, id.v_type = RK_KV_F16, id.block = RK_ATTN_BLOCK;
  return id;
}

/* What an attacker who knows the format would do. */
static void repair(uint8_t *p, size_t n) {
  struct rk_kvdisk_header h;
  if (n < sizeof h) return;
  memcpy(&h, p, sizeof h);
  memcpy(h.magic, "RUKOUKV1", 8);
  h.header_bytes = sizeof h;
  h.id = identity();
  size_t tokens = h.n_tokens > 0 && h.n_tokens < 1000 ? (size_t)h.n_tokens * 4 : 0;
  if (tokens > n - sizeof h) tokens = 0;
  h.payload_bytes = n - sizeof h - tokens;
  h.sum = rk_hash64(p + sizeof h, tokens, rk_hash64(&h, offsetof(struct rk_kvdisk_header, sum), 0));
  memcpy(p, &h, sizeof h);
}

static void load(const uint8_t *p, size_t n) {
  char path[128];
  const struct rk_kvdisk_identity id = identity();
  snprintf(path, sizeof path, "%s/kv/0123456789abcdef.rkv", dir);
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0 || write(fd, p, n) != (ssize_t)n) abort();
  close(fd);
  struct rk_kvdisk_header h;
  int32_t *tokens;
  fd = open(path, O_RDONLY);
  if (rk_kvdisk_read_header(fd, &id, &h, &tokens) == RK_OK) {
    struct rk_kvdisk *d = rk_kvdisk_open(dir, &id);
    struct rk_kv_tree t;
    if (d && rk_kv_tree_init(&t, &shape, 4, 256)) {
      int32_t got = rk_kvdisk_load(d, &t, tokens, (int32_t)h.n_tokens, 0);
      if (got && got != h.n_tokens) abort();
      if (got != rk_kv_find(&t, tokens, (int32_t)h.n_tokens, NULL)) abort();
      rk_kv_tree_release(&t);
    }
    rk_kvdisk_close(d);
  }
  free(tokens);
  close(fd);
}

static void clean_up(void) {
  char path[128];
  snprintf(path, sizeof path, "%s/kv/0123456789abcdef.rkv", dir);
  unlink(path);
  snprintf(path, sizeof path, "%s/kv", dir);
  rmdir(path);
  rmdir(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!dir[0]) {
    char kv[80];
    snprintf(dir, sizeof dir, "/tmp/rukou-fuzz-kv-XXXXXX");
    if (!mkdtemp(dir)) abort();
    snprintf(kv, sizeof kv, "%s/kv", dir);
    if (mkdir(kv, 0700) != 0 || atexit(clean_up) != 0) abort();
  }
  uint8_t *p = malloc(size + 1);
  memcpy(p, data, size);
  load(p, size);
  repair(p, size);
  load(p, size);
  free(p);
  return 0;
}
