/* identity.h - which bytes a model file holds, without reading a gigabyte at each start.
 *
 * The SHA-256 of a file is computed once, at pull or at its first load, and
 * remembered in CACHE/identities by device, inode, size and time of change:
 * a text file of one line each, newest last, at most RK_MAX_IDENTITIES. A line
 * that cannot be read is dropped, a file that cannot be written costs a hash. */
#ifndef RK_CLI_IDENTITY_H
#define RK_CLI_IDENTITY_H

#include <stdint.h>

#include "base/err.h"

struct rk_identity {
  uint8_t sha256[32];
};

/* Remembered, or computed now with progress. */
rk_err rk_identity_of(const char *cache_dir, const char *path, struct rk_identity *out, struct rk_error *e) RK_MUST_USE;
/* The file was just hashed: 64 lower-case hex digits. */
void rk_identity_note(const char *cache_dir, const char *path, const char *sha256);

#endif
