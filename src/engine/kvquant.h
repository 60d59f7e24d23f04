/* kvquant.h - keys and values rounded to Q8_0 as they are stored (internal).
 * Layouts and how they are read: kernels/kernels.h, kernels/kv8.h. */
#ifndef RK_ENGINE_KVQUANT_H
#define RK_ENGINE_KVQUANT_H

#include <stdint.h>

struct rk_kernels;

/* x: [head_dim] of one head, keys without their bias. plane: k or v of that head
 * in one block; at: place in it, 0..63. */
void rk_kv8_store_k(const struct rk_kernels *kern, uint8_t *plane, int32_t at, const float *x, int32_t head_dim);
void rk_kv8_store_v(const struct rk_kernels *kern, uint8_t *plane, int32_t at, const float *x, int32_t head_dim);

#endif
