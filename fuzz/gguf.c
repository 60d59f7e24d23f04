/* gguf.c - the model loader over any bytes: whatever it accepts can be read through its whole interface. */
#include <string.h>

#include "engine/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint32_t sink;

static void read_key(const struct rk_gguf *g, const struct rk_gguf_kv *kv) {
  char key[1025];
  if (kv->key.n >= sizeof key || memchr(kv->key.p, 0, kv->key.n)) return;
  if (kv->key.n) memcpy(key, kv->key.p, kv->key.n);
  key[kv->key.n] = 0;
  rk_str s = {0}, strings[16];
  uint32_t u;
  float f;
  bool b;
  int32_t ints[16];
  if (rk_gguf_str(g, key, &s) && s.n) sink += (uint8_t)s.p[s.n - 1];
  rk_gguf_u32(g, key, &u), rk_gguf_f32(g, key, &f), rk_gguf_bool(g, key, &b);
  rk_gguf_i32s(g, key, ints, 16);
  int64_t n = rk_gguf_strings(g, key, strings, 16);
  for (int64_t i = 0; i < n; i++)
    if (strings[i].n) sink += (uint8_t)strings[i].p[strings[i].n - 1];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct rk_gguf *g;
  struct rk_error e;
  if (rk_gguf_parse(data, size, &g, &e) != RK_OK) return 0;
  for (uint64_t i = 0; i < g->n_kv; i++) read_key(g, &g->kv[i]);
  for (uint64_t i = 0; i < g->n_tensors; i++) sink += g->tensors[i].data[0] + g->tensors[i].data[g->tensors[i].n_bytes - 1];
  rk_gguf_free(g);
  return 0;
}
