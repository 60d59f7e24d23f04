#include "engine/kv.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/kernels/kernels.h"

enum { LANES = 16 }; /* positions side by side in k */

static size_t row_bytes(enum rk_kv_type t, int32_t head_dim) { return (size_t)head_dim * (t == RK_KV_F32 ? 4 : 2); }

size_t rk_kv_k_bytes(const struct rk_kv_shape *h) { return RK_ATTN_BLOCK * row_bytes(h->k_type, h->head_dim); }
size_t rk_kv_v_bytes(const struct rk_kv_shape *h) { return RK_ATTN_BLOCK * row_bytes(h->v_type, h->head_dim); }

static size_t head_bytes(const struct rk_kv_shape *h) { return rk_kv_k_bytes(h) + rk_kv_v_bytes(h); }

size_t rk_kv_block_bytes(const struct rk_kv_shape *h) {
  return head_bytes(h) * (size_t)h->n_layer * (size_t)h->n_head_kv;
}

size_t rk_kv_k_at(const struct rk_kv_shape *h, int32_t layer, int32_t head) {
  return head_bytes(h) * ((size_t)layer * (size_t)h->n_head_kv + (size_t)head);
}

size_t rk_kv_v_at(const struct rk_kv_shape *h, int32_t layer, int32_t head) {
  return rk_kv_k_at(h, layer, head) + rk_kv_k_bytes(h);
}

bool rk_kv_slot_init(struct rk_kv_slot *s, const struct rk_kv_shape *h) {
  const size_t n_blocks = (size_t)h->n_ctx / RK_ATTN_BLOCK, bytes = rk_kv_block_bytes(h);
  *s = (struct rk_kv_slot){.mem_bytes = bytes * n_blocks};
  s->tokens = malloc(sizeof *s->tokens * (size_t)h->n_ctx);
  s->blocks = malloc(sizeof *s->blocks * n_blocks);
  void *m = mmap(NULL, s->mem_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (m != MAP_FAILED) s->mem = m;
  if (!s->mem || !s->tokens || !s->blocks) {
    rk_kv_slot_release(s);
    return false;
  }
  for (size_t i = 0; i < n_blocks; i++) s->blocks[i] = s->mem + i * bytes;
  return true;
}

void rk_kv_slot_release(struct rk_kv_slot *s) {
  if (s->mem) munmap(s->mem, s->mem_bytes);
  free(s->blocks);
  free(s->tokens);
  *s = (struct rk_kv_slot){0};
}

static size_t k_index(int32_t head_dim, int32_t at) {
  return (size_t)(at / LANES) * LANES * (size_t)head_dim + (size_t)(at % LANES);
}

/* k of one head at place `at` of its block. */
static void store_k(enum rk_kv_type t, const struct rk_kernels *kern, uint8_t *plane, int32_t at, const float *k,
                    int32_t n) {
  const size_t first = k_index(n, at);
  if (t == RK_KV_F32) {
    for (int32_t d = 0; d < n; d++) ((float *)(void *)plane)[first + (size_t)(LANES * d)] = k[d];
    return;
  }
  uint16_t half[256]; /* head_dim <= 256 */
  kern->f32_to_f16(k, n, half);
  for (int32_t d = 0; d < n; d++) ((uint16_t *)(void *)plane)[first + (size_t)(LANES * d)] = half[d];
}

static void store_v(enum rk_kv_type t, const struct rk_kernels *kern, uint8_t *plane, int32_t at, const float *v,
                    int32_t n) {
  uint8_t *row = plane + (size_t)at * row_bytes(t, n);
  if (t == RK_KV_F32) memcpy(row, v, sizeof *v * (size_t)n);
  else kern->f32_to_f16(v, n, (uint16_t *)(void *)row);
}

void rk_kv_store(uint8_t *const *blocks, const struct rk_kv_shape *h, const struct rk_kernels *kern, int32_t layer,
                 int32_t pos, const float *k, const float *v) {
  const int32_t hd = h->head_dim, at = pos % RK_ATTN_BLOCK;
  uint8_t *block = blocks[pos / RK_ATTN_BLOCK];
  for (int32_t head = 0; head < h->n_head_kv; head++, k += hd, v += hd) {
    store_k(h->k_type, kern, block + rk_kv_k_at(h, layer, head), at, k, hd);
    store_v(h->v_type, kern, block + rk_kv_v_at(h, layer, head), at, v, hd);
  }
}

void rk_kv_copy(struct rk_kv_slot *dst, const struct rk_kv_slot *src, const struct rk_kv_shape *h, int32_t from,
                int32_t to) {
  for (int32_t b = from / RK_ATTN_BLOCK; b < (to + RK_ATTN_BLOCK - 1) / RK_ATTN_BLOCK; b++)
    memcpy(dst->blocks[b], src->blocks[b], rk_kv_block_bytes(h));
  memcpy(dst->tokens + from, src->tokens + from, sizeof *dst->tokens * (size_t)(to - from));
  dst->n_cached = to;
}
