/* fixture.h - random numbers and tiny random models for the engine's tests. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/engine.h"

struct rng { uint64_t state; };

static inline uint32_t rng_u32(struct rng *r) {
  r->state = r->state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(r->state >> 32);
}

static inline uint32_t rng_below(struct rng *r, uint32_t n) { return rng_u32(r) % n; }
static inline float rng_float(struct rng *r) { return (float)(int32_t)rng_u32(r) * 0x1p-31f; } /* -1..1 */

/* Writes a tiny random model and returns its path (static memory). */
static inline const char *tiny_model(const char *arch) {
  static char path[64];
  char cmd[256];
  snprintf(path, sizeof path, "/tmp/rukou-tiny-%s-%d.gguf", arch, (int)getpid());
  snprintf(cmd, sizeof cmd, "python3 tests/tools/tiny_gguf.py %s --arch %s", path, arch);
  assert_int_equal(system(cmd), 0);
  return path;
}

#endif
