#include "engine/weights.h"

#include <sys/mman.h>

struct repack_job {
  const struct rk_gguf_tensor *t;
  const struct rk_matrix *m;
};

static void repack_item(void *ctx, int32_t item, int32_t worker) {
  (void)worker;
  const struct repack_job *j = ctx;
  rk_repack_tile(j->t, j->m, item);
}

/* Pages of the file that were read and will not be read again. */
static void forget_pages(const struct rk_model *m, const struct rk_gguf_tensor *t) {
  if (!m->gguf->mapped || t == m->embd) return;
  uintptr_t from = ((uintptr_t)t->data + 4095) / 4096 * 4096, to = ((uintptr_t)t->data + t->n_bytes) / 4096 * 4096;
  if (to > from) madvise((void *)from, to - from, MADV_DONTNEED);
}

static size_t place_bytes(const struct rk_matrix *m) { return (m->tile_bytes * (size_t)m->n_tiles + 63) / 64 * 64; }

rk_err rk_weights_load(struct rk_weights *w, const struct rk_model *model, const struct rk_wcache_key *key, struct rk_pool *pool,
                       struct rk_matrix *const m[], const struct rk_gguf_tensor *const t[], int32_t n, struct rk_error *e) {
  *w = (struct rk_weights){.cache = rk_wcache_open(key, m, n)};
  if (w->cache) return RK_OK;
  for (int32_t i = 0; i < n; i++) w->mem_bytes += place_bytes(m[i]);
  void *p = mmap(NULL, w->mem_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED)
    return rk_fail(e, RK_ENOMEM, "no memory for the weights (%zu MB); take a smaller model", w->mem_bytes >> 20);
  w->mem = p;
  madvise(p, w->mem_bytes, MADV_HUGEPAGE);
  size_t at = 0;
  for (int32_t i = 0; i < n; i++) {
    m[i]->tiles = w->mem + at;
    at += place_bytes(m[i]);
    struct repack_job j = {t[i], m[i]};
    rk_pool_run(pool, m[i]->n_tiles, repack_item, &j);
    forget_pages(model, t[i]);
  }
  w->cache = rk_wcache_save(key, m, n);
  return RK_OK;
}

void rk_weights_release(struct rk_weights *w) {
  rk_wcache_close(w->cache); /* may still read mem */
  if (w->mem) munmap(w->mem, w->mem_bytes);
  *w = (struct rk_weights){0};
}
