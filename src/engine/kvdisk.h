/* kvdisk.h - fixed prefixes kept over restarts (internal).
 *
 * One file per prefix, DIR/kv/HASH.rkv:
 *
 *   header   struct rk_kvdisk_header: who made it, for which model, how long
 *   tokens   int32 [n_tokens]
 *   blocks   [ceil(n_tokens/64)] as in memory (kv.h), zero past the last token
 *   state    [state_bytes] recurrent state after the last token
 *
 * A file is taken only when every field of its header equals what this engine
 * would write, its size is exact and both checksums hold (the header's with the
 * tokens at start, the payload's when it is loaded). Anything else is ignored,
 * and replaced when the prefix is computed the next time. Only prefixes that a
 * caller named as fixed (system and tools) are written, never a conversation.
 * Written beside and renamed, mode 0600. All files together take
 * RK_MAX_KV_CACHE_BYTES at most; the longest unused go first.
 *
 * Thread rule: the engine's thread. Numbers have the machine's byte order. */
#ifndef RK_ENGINE_KVDISK_H
#define RK_ENGINE_KVDISK_H

#include "base/err.h"
#include "base/str.h"
#include "engine/radix.h"

struct rk_kvdisk_identity {
  uint8_t model_id[32];    /* SHA-256 of the model's file */
  char engine[32];         /* version of the program and of its KV */
  char kernels[16];        /* path that computed it */
  int32_t n_layer, n_head_kv, head_dim, k_type, v_type, block;
  uint64_t state_bytes;
  uint64_t rope;           /* hash of the RoPE settings */
};

struct rk_kvdisk_header {
  char magic[8];
  uint64_t header_bytes;   /* of this struct */
  struct rk_kvdisk_identity id;
  int64_t n_tokens;
  uint64_t payload_bytes;  /* blocks and state */
  uint64_t payload_sum;
  uint64_t sum;            /* of the header before this field and the tokens */
};

struct rk_kvdisk;

/* Looks at what is there. NULL: the directory cannot be made, or no memory. */
struct rk_kvdisk *rk_kvdisk_open(const char *cache_dir, const struct rk_kvdisk_identity *id);
void rk_kvdisk_close(struct rk_kvdisk *d);
/* Puts the longest kept prefix of tokens[0..n) that is longer than n_have into
 * the tree. Returns its length, 0: none. */
int32_t rk_kvdisk_load(struct rk_kvdisk *d, struct rk_kv_tree *t, const int32_t *tokens, int32_t n, int32_t n_have);
/* Remembers that this prefix, which the tree keeps, should be written. */
void rk_kvdisk_want(struct rk_kvdisk *d, const int32_t *tokens, int32_t n);
/* Writes one wanted prefix. False: nothing is left to write. */
bool rk_kvdisk_write(struct rk_kvdisk *d, struct rk_kv_tree *t);

/* Reads and checks header and tokens; *tokens is malloc'd. Errors: RK_EFORMAT, RK_EIO, RK_ENOMEM. */
rk_err rk_kvdisk_read_header(int fd, const struct rk_kvdisk_identity *id, struct rk_kvdisk_header *h, int32_t **tokens) RK_MUST_USE;
/* Four lanes of 64-bit multiplications: finds damage, keeps no secret. */
uint64_t rk_hash64(const void *p, size_t n, uint64_t seed);

#endif
