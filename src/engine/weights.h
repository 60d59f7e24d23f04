/* weights.h - the matrices of a model in the kernels' layout: mapped from the cache, or repacked into memory (internal). */
#ifndef RK_ENGINE_WEIGHTS_H
#define RK_ENGINE_WEIGHTS_H

#include "engine/model.h"
#include "engine/pool.h"
#include "engine/wcache.h"

struct rk_weights {
  uint8_t *mem;             /* all tiles, when they were repacked now */
  size_t mem_bytes;
  struct rk_wcache *cache;  /* the mapping, or the file that is being written */
};

/* Sets the tiles of the n matrices, whose shapes are filled in, from the
 * tensors t; they live until rk_weights_release(). as_f32 is never kept. */
rk_err rk_weights_load(struct rk_weights *w, const struct rk_model *model, const struct rk_wcache_key *key, struct rk_pool *pool,
                       struct rk_matrix *const m[], const struct rk_gguf_tensor *const t[], int32_t n,
                       struct rk_error *e) RK_MUST_USE;
void rk_weights_release(struct rk_weights *w);

#endif
