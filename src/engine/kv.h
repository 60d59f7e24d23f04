/* kv.h - keys and values of 64 positions: a block (internal).
 *
 * A block holds RK_ATTN_BLOCK (64) positions of every layer and key head:
 *
 *   layer 0, head 0:  k  [64/16][head_dim][16]   16 positions are scored at once
 *                     v  [64][head_dim]
 *   layer 0, head 1:  k, v
 *   ...
 *   layer 1, head 0:  k, v
 *
 * Q8_0 planes: kernels/kernels.h, struct rk_kv8; their keys come without bias.
 *
 * A sequence is a table of blocks: position p lies in block p / 64. Blocks of
 * one sequence need not be neighbours in memory; who holds them: radix.h. */
#ifndef RK_ENGINE_KV_H
#define RK_ENGINE_KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rk_kernels;

/* Raised when the layout changes, or the arithmetic that leads to keys and values: files of another number are made
 * anew. */
#define RK_KV_VERSION "2"

enum rk_kv_type { RK_KV_F16, RK_KV_F32, RK_KV_Q8_0 };

struct rk_kv_shape {
  int32_t n_layer, n_head_kv, head_dim;
  enum rk_kv_type k_type, v_type;
  size_t state_bytes;  /* of a sequence's recurrent state, which no position can be cut out of; 0: none */
};

/* Of one head in one block. */
size_t rk_kv_k_bytes(const struct rk_kv_shape *shape);
size_t rk_kv_v_bytes(const struct rk_kv_shape *shape);
/* Of a whole block. */
size_t rk_kv_block_bytes(const struct rk_kv_shape *shape);
/* Where k and v of a head begin in a block. */
size_t rk_kv_k_at(const struct rk_kv_shape *shape, int32_t layer, int32_t head);
size_t rk_kv_v_at(const struct rk_kv_shape *shape, int32_t layer, int32_t head);
/* Writes one position of one layer. k and v: [n_head_kv * head_dim]. */
void rk_kv_store(uint8_t *const *blocks, const struct rk_kv_shape *shape, const struct rk_kernels *kern,
                 int32_t layer, int32_t pos, const float *k, const float *v);
/* Zeroes positions n..63 of a block. */
void rk_kv_clear(const struct rk_kv_shape *shape, uint8_t *block, int32_t n);

#endif
