#include "engine/kv.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/kernels/kernels.h"

enum { LANES = 16 }; /* positions side by side in k */

static size_t elem_bytes(const struct rk_kv_shape *h) { return h->f32 ? 4 : 2; }

/* Bytes of k, or of v, of one head. */
static size_t plane_bytes(const struct rk_kv_shape *h) {
  return (size_t)h->n_ctx * (size_t)h->head_dim * elem_bytes(h);
}

bool rk_kv_slot_init(struct rk_kv_slot *s, const struct rk_kv_shape *h) {
  *s = (struct rk_kv_slot){.mem_bytes = 2 * plane_bytes(h) * (size_t)h->n_layer * (size_t)h->n_head_kv};
  s->tokens = malloc(sizeof *s->tokens * (size_t)h->n_ctx);
  void *m = mmap(NULL, s->mem_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (m != MAP_FAILED) s->mem = m;
  if (s->mem && s->tokens) return true;
  rk_kv_slot_release(s);
  return false;
}

void rk_kv_slot_release(struct rk_kv_slot *s) {
  if (s->mem) munmap(s->mem, s->mem_bytes);
  free(s->tokens);
  *s = (struct rk_kv_slot){0};
}

uint8_t *rk_kv_k(const struct rk_kv_slot *s, const struct rk_kv_shape *h, int32_t layer, int32_t head) {
  return s->mem + 2 * plane_bytes(h) * ((size_t)layer * (size_t)h->n_head_kv + (size_t)head);
}

uint8_t *rk_kv_v(const struct rk_kv_slot *s, const struct rk_kv_shape *h, int32_t layer, int32_t head) {
  return rk_kv_k(s, h, layer, head) + plane_bytes(h);
}

static size_t k_index(const struct rk_kv_shape *h, int32_t pos) {
  return (size_t)(pos / LANES) * LANES * (size_t)h->head_dim + (size_t)(pos % LANES);
}

static void store_f32(uint8_t *kp, uint8_t *vp, const float *k, const float *v, int32_t n) {
  for (int32_t d = 0; d < n; d++) ((float *)(void *)kp)[LANES * d] = k[d];
  memcpy(vp, v, sizeof *v * (size_t)n);
}

static void store_f16(const struct rk_kernels *kern, uint8_t *kp, uint8_t *vp, const float *k, const float *v,
                      int32_t n) {
  uint16_t half[256]; /* head_dim <= 256 */
  kern->f32_to_f16(k, n, half);
  for (int32_t d = 0; d < n; d++) ((uint16_t *)(void *)kp)[LANES * d] = half[d];
  kern->f32_to_f16(v, n, (uint16_t *)(void *)vp);
}

void rk_kv_store(const struct rk_kv_slot *s, const struct rk_kv_shape *h, const struct rk_kernels *kern,
                 int32_t layer, int32_t pos, const float *k, const float *v) {
  const int32_t hd = h->head_dim;
  for (int32_t head = 0; head < h->n_head_kv; head++, k += hd, v += hd) {
    uint8_t *kp = rk_kv_k(s, h, layer, head) + k_index(h, pos) * elem_bytes(h);
    uint8_t *vp = rk_kv_v(s, h, layer, head) + (size_t)pos * (size_t)hd * elem_bytes(h);
    if (h->f32) store_f32(kp, vp, k, v, hd);
    else store_f16(kern, kp, vp, k, v, hd);
  }
}

/* k moves whole groups of 16 positions, so the group that `from` lies in is
 * copied too: both slots hold the same tokens there. */
void rk_kv_copy(struct rk_kv_slot *dst, const struct rk_kv_slot *src, const struct rk_kv_shape *h, int32_t from,
                int32_t to) {
  const size_t row = (size_t)h->head_dim * elem_bytes(h);
  const size_t k0 = (size_t)(from / LANES * LANES) * row, k1 = (size_t)((to + LANES - 1) / LANES * LANES) * row;
  const size_t v0 = (size_t)from * row, v1 = (size_t)to * row;
  for (int32_t layer = 0; layer < h->n_layer; layer++)
    for (int32_t head = 0; head < h->n_head_kv; head++) {
      memcpy(rk_kv_k(dst, h, layer, head) + k0, rk_kv_k(src, h, layer, head) + k0, k1 - k0);
      memcpy(rk_kv_v(dst, h, layer, head) + v0, rk_kv_v(src, h, layer, head) + v0, v1 - v0);
    }
  memcpy(dst->tokens + from, src->tokens + from, sizeof *dst->tokens * (size_t)(to - from));
  dst->n_cached = to;
}

void rk_kv_trim(struct rk_kv_slot *s, const struct rk_kv_shape *h) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), plane = plane_bytes(h);
  const size_t used = k_index(h, s->n_cached + LANES) * elem_bytes(h);
  if (used + 16 * page > plane) return;
  for (uint8_t *p = s->mem; p < s->mem + s->mem_bytes; p += plane) {
    uintptr_t from = ((uintptr_t)p + used + page - 1) / page * page, to = (uintptr_t)(p + plane) / page * page;
    if (to > from) madvise((void *)from, to - from, MADV_DONTNEED);
  }
}
