/* wcache.h - repacked weights kept on disk, mapped at the next start (internal).
 *
 * One file a model and kernel set, CACHE/repack/ID-KERNELS.weights:
 *
 *   header   magic, model's SHA-256, kernels, layout, sizes, checksum of header and table
 *   table    one part a matrix: format, shape, offset, bytes, checksum
 *   tiles    at multiples of 64, from the border of a huge page (2 MiB) on
 *
 * A file is written beside its name, read back and compared with its
 * checksums, then renamed: what stands under the name was right. A start looks
 * at header, size and table only, for reading a gigabyte takes longer than the
 * load may; rk_engine_check_cache() reads all of it. A file of another model,
 * processor or layout, one that was cut, or one of another user is not used.
 * All files together stay below RK_MAX_REPACK_BYTES, the longest unused go
 * first. Nothing here fails a start: what cannot be kept is logged.
 *
 * Thread rule: one thread; saving runs in a thread of its own. */
#ifndef RK_ENGINE_WCACHE_H
#define RK_ENGINE_WCACHE_H

#include "base/err.h"
#include "engine/repack.h"

struct rk_wcache;

struct rk_wcache_key {
  const char *dir;          /* CACHE; NULL: nothing is kept */
  const uint8_t *model_id;  /* [32]; NULL: nothing is kept */
  const char *kernels;
};

/* Sets the tiles of the matrices, whose shapes are filled in, to a mapping of
 * the file; NULL when there is none that fits. */
struct rk_wcache *rk_wcache_open(const struct rk_wcache_key *key, struct rk_matrix *const m[], int32_t n);
/* Begins to write the tiles of the n >= 1 matrices, which lie one after
 * another at multiples of 64 and stay as they are until rk_wcache_close(). NULL when they can not be kept. */
struct rk_wcache *rk_wcache_save(const struct rk_wcache_key *key, struct rk_matrix *const m[], int32_t n);
/* Ends the mapping; lets a file be finished unless that takes more than twenty seconds. NULL is allowed. */
void rk_wcache_close(struct rk_wcache *w);

/* Header and table over a file's bytes: do they belong to these matrices? */
bool rk_wcache_fits(const uint8_t *p, size_t n, const struct rk_wcache_key *key, struct rk_matrix *const m[], int32_t n_m);
/* The whole file, checksums included. RK_EFORMAT says what is wrong. */
rk_err rk_wcache_check(const uint8_t *p, size_t n, struct rk_error *e) RK_MUST_USE;

#endif
