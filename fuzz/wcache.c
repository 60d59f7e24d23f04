/* wcache.c - a file of repacked weights over any bytes: what is taken for right lies inside the file. The first byte
 * chooses: the bytes as they are, or a good file with changes, its header's checksum put right so that the table is
 * read. */
#include "engine/wcache.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { N = 3 };
static const uint8_t id[32] = {1, 2, 3};
static volatile uint8_t sink;

static void check(const uint8_t *p, size_t n, struct rk_matrix *const m[]) {
  const struct rk_wcache_key key = {"/nowhere", id, "scalar"};
  struct rk_error e = {0};
  if (rk_wcache_check(p, n, &e)) RK_ASSERT(e.msg[0]);
  if (!rk_wcache_fits(p, n, &key, m, N)) return;
  const struct part *t = parts_of((const struct header *)(const void *)p);
  for (int i = 0; i < N; i++) sink = p[t[i].offset] ^ p[t[i].offset + m[i]->tile_bytes * (size_t)m[i]->n_tiles - 1];
}

/* data is a list of (offset, value) within header and table. */
static void change(uint8_t *p, const uint8_t *data, size_t size) {
  struct header *h = (struct header *)(void *)p;
  for (; size >= 2; data += 2, size -= 2) p[data[0] % head_bytes(N)] = data[1];
  if (size && h->n_parts <= N) h->checksum = head_checksum(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct rk_matrix a = {RK_W_4S, 64, 16, 2, 1, 0, NULL}, b = {RK_W_F32, 32, 5, 1, 1, 0, NULL}, c = {RK_W_8S, 32, 33, 1, 3, 0, NULL};
  static struct rk_matrix *const m[N] = {&a, &b, &c};
  static struct header *good;
  if (!good) {
    for (int i = 0; i < N; i++) m[i]->tile_bytes = rk_tile_bytes(m[i]->format, m[i]->n_blocks);
    good = new_head(&(struct rk_wcache_key){"/nowhere", id, "scalar"}, m, N);
    RK_ASSERT(good);
    good->checksum = head_checksum(good);
  }
  if (size == 0) return 0;
  const bool raw = data[0] & 1;
  const size_t n = raw ? size - 1 : good->file_bytes - (data[0] & 2 ? data[0] : 0);
  uint8_t *p = calloc(1, n + 1); /* aligned, as a mapping is */
  RK_ASSERT(p);
  if (raw) memcpy(p, data + 1, n);
  else memcpy(p, good, head_bytes(N)), change(p, data + 1, size - 1);
  check(p, n, m);
  free(p);
  return 0;
}
