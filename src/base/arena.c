#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define BLOCK_BYTES 0
#else
#define BLOCK_BYTES 16384
#endif

struct block {
  struct block *next;
  size_t used, size;
  _Alignas(16) char data[];
};
struct cleanup {
  struct cleanup *next;
  void (*fn)(void *);
  void *p;
};
struct rk_arena {
  struct block *blocks;
  struct cleanup *cleanups;
  size_t left_bytes;
};

struct rk_arena *rk_arena_new(size_t cap_bytes) {
  struct rk_arena *a = calloc(1, sizeof *a);
  if (a) a->left_bytes = cap_bytes;
  return a;
}

void rk_arena_free(struct rk_arena *a) {
  if (!a) return;
  for (struct cleanup *c = a->cleanups; c; c = c->next) c->fn(c->p);
  for (struct block *b = a->blocks, *next; b; b = next) {
    next = b->next;
    free(b);
  }
  free(a);
}

void *rk_arena_alloc(struct rk_arena *a, size_t n) {
  if (n > SIZE_MAX / 2) return NULL;
  size_t need = n ? (n + 15) & ~(size_t)15 : 16;
  if (need > a->left_bytes) return NULL;
  struct block *b = a->blocks;
  if (!b || b->size - b->used < need) {
    size_t size = need > BLOCK_BYTES ? need : BLOCK_BYTES;
    b = calloc(1, sizeof *b + size);
    if (!b) return NULL;
    b->size = size;
    b->next = a->blocks;
    a->blocks = b;
  }
  void *p = b->data + b->used;
  b->used += need;
  a->left_bytes -= need;
  return p;
}

void *rk_arena_array(struct rk_arena *a, size_t n, size_t size) {
  size_t bytes;
  return __builtin_mul_overflow(n, size, &bytes) ? NULL : rk_arena_alloc(a, bytes);
}

char *rk_arena_dup(struct rk_arena *a, rk_str s) {
  char *p = s.n < SIZE_MAX ? rk_arena_alloc(a, s.n + 1) : NULL;
  if (p && s.n) memcpy(p, s.p, s.n);
  return p;
}

char *rk_arena_printf(struct rk_arena *a, const char *fmt, ...) {
  va_list ap, again;
  va_start(ap, fmt);
  va_copy(again, ap);
  int n = vsnprintf(NULL, 0, fmt, ap);
  va_end(ap);
  char *p = n < 0 ? NULL : rk_arena_alloc(a, (size_t)n + 1);
  if (p) vsnprintf(p, (size_t)n + 1, fmt, again);
  va_end(again);
  return p;
}

rk_err rk_arena_cleanup(struct rk_arena *a, void (*fn)(void *), void *p) {
  struct cleanup *c = rk_arena_alloc(a, sizeof *c);
  if (!c) return RK_ETOOBIG;
  *c = (struct cleanup){a->cleanups, fn, p};
  a->cleanups = c;
  return RK_OK;
}
