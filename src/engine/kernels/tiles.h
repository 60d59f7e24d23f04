/* tiles.h - the tile kernels every set has (internal): their activations, names, instances, table.
 *
 * A set writes one function a format for any token count T and says with
 * RK_TILE_CALL(T, fn, ...) how it is called with (w, act, n_blocks), T and what
 * the list below gives it, out last. A new format is a row in each list. */
#ifndef RK_ENGINE_KERNELS_TILES_H
#define RK_ENGINE_KERNELS_TILES_H

#include "engine/kernels/kernels.h"

/* View of an activation block of T tokens, from token t0 on. */
struct act {
  const int8_t *q;
  const float *d, *dsum;
  const int32_t *nsum;
};

static inline __attribute__((always_inline)) struct act act_block(const uint8_t *p, int T, int t0) {
  const float *d = (const float *)(const void *)(p + (size_t)T * RK_BLOCK);
  return (struct act){(const int8_t *)p + 4 * t0, d + t0, d + T + t0, (const int32_t *)(const void *)(d + 2 * T) + t0};
}

#define RK_TILE_INSTANCE(name, T, ...) \
  static void name##_t##T(const uint8_t *w, const uint8_t *act, int32_t n_blocks, float *out) { \
    RK_TILE_CALL(T, __VA_ARGS__); \
  }
#define RK_TILE_INSTANCES_OF(name, ...) \
  RK_TILE_INSTANCE(name, 1, __VA_ARGS__) RK_TILE_INSTANCE(name, 2, __VA_ARGS__) \
  RK_TILE_INSTANCE(name, 4, __VA_ARGS__) RK_TILE_INSTANCE(name, 8, __VA_ARGS__)

#define RK_TILE_INSTANCES \
  RK_TILE_INSTANCES_OF(f32, tile_float, RK_W_F32, out) \
  RK_TILE_INSTANCES_OF(f16, tile_float, RK_W_F16, out) \
  RK_TILE_INSTANCES_OF(bf16, tile_float, RK_W_BF16, out) \
  RK_TILE_INSTANCES_OF(q4s, tile_32, false, false, 8, out) \
  RK_TILE_INSTANCES_OF(q4m, tile_32, true, false, 0, out) \
  RK_TILE_INSTANCES_OF(q5s, tile_32, false, true, 16, out) \
  RK_TILE_INSTANCES_OF(q5m, tile_32, true, true, 0, out) \
  RK_TILE_INSTANCES_OF(q8s, tile_8s, out) \
  RK_TILE_INSTANCES_OF(q4k, tile_k, false, out) \
  RK_TILE_INSTANCES_OF(q5k, tile_k, true, out) \
  RK_TILE_INSTANCES_OF(q6k, tile_6k, out) \
  RK_TILE_INSTANCES_OF(q2k, tile_2k, out) \
  RK_TILE_INSTANCES_OF(q3k, tile_3k, out) \
  RK_TILE_INSTANCES_OF(q4n, tile_4n, out) \
  RK_TILE_INSTANCES_OF(q4x, tile_4x, out)

#define RK_TILE_ROW(name) {name##_t1, name##_t2, name##_t4, name##_t8}
#define RK_TILE_TABLE { \
    [RK_W_F32] = RK_TILE_ROW(f32), [RK_W_F16] = RK_TILE_ROW(f16), [RK_W_BF16] = RK_TILE_ROW(bf16), \
    [RK_W_4S] = RK_TILE_ROW(q4s),  [RK_W_4M] = RK_TILE_ROW(q4m),  [RK_W_5S] = RK_TILE_ROW(q5s), \
    [RK_W_5M] = RK_TILE_ROW(q5m),  [RK_W_8S] = RK_TILE_ROW(q8s),  [RK_W_4K] = RK_TILE_ROW(q4k), \
    [RK_W_5K] = RK_TILE_ROW(q5k),  [RK_W_6K] = RK_TILE_ROW(q6k),  [RK_W_2K] = RK_TILE_ROW(q2k), \
    [RK_W_3K] = RK_TILE_ROW(q3k),  [RK_W_4N] = RK_TILE_ROW(q4n),  [RK_W_4X] = RK_TILE_ROW(q4x), \
  }

#endif
