/* kv.h - keys and values of one conversation (internal).
 *
 * A slot holds positions 0..n_cached-1 of the tokens listed in it. Memory is
 * reserved for n_ctx positions and committed by the system as it is touched.
 * Per layer and key head:
 *   k  [n_ctx/16][head_dim][16]  so that 16 positions are scored at once
 *   v  [n_ctx][head_dim]
 * Elements are f16, or f32 on the float path. */
#ifndef RK_ENGINE_KV_H
#define RK_ENGINE_KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rk_kernels;

struct rk_kv_shape {
  int32_t n_layer, n_head_kv, head_dim;
  int32_t n_ctx;       /* multiple of 64 */
  bool f32;
};

struct rk_kv_slot {
  uint8_t *mem;
  size_t mem_bytes;
  int32_t *tokens;     /* [n_ctx] */
  int32_t n_cached;
  int32_t n_keep;      /* longest fixed prefix that a job asked to keep */
  uint64_t owner;      /* 0: released */
  uint64_t last_used;  /* step number */
};

bool rk_kv_slot_init(struct rk_kv_slot *s, const struct rk_kv_shape *shape);
void rk_kv_slot_release(struct rk_kv_slot *s);
uint8_t *rk_kv_k(const struct rk_kv_slot *s, const struct rk_kv_shape *shape, int32_t layer, int32_t head);
uint8_t *rk_kv_v(const struct rk_kv_slot *s, const struct rk_kv_shape *shape, int32_t layer, int32_t head);
/* Writes one position. k and v: [n_head_kv * head_dim]. */
void rk_kv_store(const struct rk_kv_slot *s, const struct rk_kv_shape *shape, const struct rk_kernels *kern,
                 int32_t layer, int32_t pos, const float *k, const float *v);
/* Copies positions from..to-1, tokens included; dst then holds `to` positions. */
void rk_kv_copy(struct rk_kv_slot *dst, const struct rk_kv_slot *src, const struct rk_kv_shape *shape, int32_t from,
                int32_t to);
/* Gives back the memory of positions past n_cached where that is much. */
void rk_kv_trim(struct rk_kv_slot *s, const struct rk_kv_shape *shape);

#endif
