/* arena.h - memory with one lifetime.
 *
 * An arena owns everything allocated from it until rk_arena_free(); nothing is
 * freed one by one. Pick the arena whose lifetime fits the data: process,
 * model, connection, turn.
 *
 * Thread rule: one thread at a time. A job that crosses a queue carries its
 * arena with it.
 * Limit: cap_bytes is hard. A full arena returns NULL and the request fails
 * with RK_ETOOBIG; the process lives. Under AddressSanitizer each allocation
 * is its own. */
#ifndef RK_BASE_ARENA_H
#define RK_BASE_ARENA_H

#include "base/err.h"
#include "base/str.h"

struct rk_arena;

struct rk_arena *rk_arena_new(size_t cap_bytes);
void rk_arena_free(struct rk_arena *a); /* runs the clean-ups, newest first */
void *rk_arena_alloc(struct rk_arena *a, size_t n);             /* zeroed, 16-byte aligned */
void *rk_arena_array(struct rk_arena *a, size_t n, size_t size); /* checked n * size */
char *rk_arena_dup(struct rk_arena *a, rk_str s);               /* NUL-terminated copy */
char *rk_arena_printf(struct rk_arena *a, const char *fmt, ...) RK_PRINTF(2, 3);
/* Calls fn(p) when the arena is freed. */
rk_err rk_arena_cleanup(struct rk_arena *a, void (*fn)(void *), void *p) RK_MUST_USE;

#endif
