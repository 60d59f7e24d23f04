/* repack.h - weights of the file into the kernels' tiles, once at load (internal).
 *
 * Exact: quants and scales are moved, not rounded. dequantize is the reference
 * that the float path, the embedding look-up and the tests use. */
#ifndef RK_ENGINE_REPACK_H
#define RK_ENGINE_REPACK_H

#include "engine/gguf.h"
#include "engine/kernels/kernels.h"

struct rk_matrix {
  enum rk_wformat format;
  int32_t n_in, n_out;    /* n_in % 32 == 0 */
  int32_t n_blocks, n_tiles; /* n_in / 32; ceil(n_out / 16): rows past n_out are zero */
  size_t tile_bytes;
  uint8_t *tiles;
};

enum rk_wformat rk_wformat_of(uint32_t tensor_type);
/* Fills out except tiles. A tensor of three dimensions is a matrix of ne[1] * ne[2] rows. */
void rk_matrix_shape(const struct rk_gguf_tensor *t, bool as_f32, struct rk_matrix *out);
/* Makes tile number i of m out of its 16 rows of t. */
void rk_repack_tile(const struct rk_gguf_tensor *t, const struct rk_matrix *m, int32_t i);
/* A number that changes when any tile would: what is kept on disk goes with it. 0: no memory to find out. */
uint64_t rk_repack_layout(void);
/* out: [t->ne[0]] */
void rk_dequantize_row(const struct rk_gguf_tensor *t, int64_t row, float *out);

#endif
