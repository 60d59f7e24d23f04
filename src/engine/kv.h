/* kv.h - keys and values in blocks (internal).
 *
 * A block holds RK_ATTN_BLOCK (64) positions of every layer and key head:
 *
 *   layer 0, head 0:  k  [64/16][head_dim][16]   16 positions are scored at once
 *                     v  [64][head_dim]
 *   layer 0, head 1:  k, v
 *   ...
 *   layer 1, head 0:  k, v
 *
 * A sequence is a table of blocks: position p lies in block p / 64. Its tokens
 * stand beside it. Blocks of one sequence need not be neighbours. */
#ifndef RK_ENGINE_KV_H
#define RK_ENGINE_KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rk_kernels;

enum rk_kv_type { RK_KV_F16, RK_KV_F32 };

struct rk_kv_shape {
  int32_t n_layer, n_head_kv, head_dim;
  int32_t n_ctx;       /* multiple of 64 */
  enum rk_kv_type k_type, v_type;
};

/* Of one head in one block. */
size_t rk_kv_k_bytes(const struct rk_kv_shape *shape);
size_t rk_kv_v_bytes(const struct rk_kv_shape *shape);
/* Of a whole block; a multiple of 64. */
size_t rk_kv_block_bytes(const struct rk_kv_shape *shape);
/* Where k and v of a head begin in a block. */
size_t rk_kv_k_at(const struct rk_kv_shape *shape, int32_t layer, int32_t head);
size_t rk_kv_v_at(const struct rk_kv_shape *shape, int32_t layer, int32_t head);

struct rk_kv_slot {
  uint8_t **blocks;    /* [n_ctx/64]; committed by the system as they are touched */
  uint8_t *mem;
  size_t mem_bytes;
  int32_t *tokens;     /* [n_ctx] */
  int32_t n_cached;
  int32_t n_pending;   /* n_cached after this step; 0: no rows in it. Until then nobody else may take them */
  int32_t n_keep;      /* longest fixed prefix that a job asked to keep */
  uint64_t owner;      /* 0: released */
  uint64_t last_used;  /* step number */
};

bool rk_kv_slot_init(struct rk_kv_slot *s, const struct rk_kv_shape *shape);
void rk_kv_slot_release(struct rk_kv_slot *s);
/* Writes one position of one layer. k and v: [n_head_kv * head_dim]. */
void rk_kv_store(uint8_t *const *blocks, const struct rk_kv_shape *shape, const struct rk_kernels *kern,
                 int32_t layer, int32_t pos, const float *k, const float *v);
/* Copies positions from..to-1, tokens included; dst then holds `to` positions. */
void rk_kv_copy(struct rk_kv_slot *dst, const struct rk_kv_slot *src, const struct rk_kv_shape *shape, int32_t from,
                int32_t to);

#endif
