/* select.c - which kernel set this processor gets, and the test it has to pass. */
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "base/log.h"
#include "engine/kernels/kernels.h"

#if defined(__x86_64__)
/* clang 14 knows no cpu feature of that name. */
static bool has_f16c(void) {
  unsigned a, b, c, d;
  return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}
#endif

static bool cpu_has(const struct rk_kernels *k) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
  if (k == &rk_kernels_avx2) return avx2;
  if (k == &rk_kernels_avx512)
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vnni");
#endif
  return k == &rk_kernels_scalar;
}

/* Best first. */
static const struct rk_kernels *const sets[] = {
#if defined(__x86_64__)
  &rk_kernels_avx512, &rk_kernels_avx2,
#endif
  &rk_kernels_scalar,
};

const struct rk_kernels *rk_kernels_select(const char *name) {
  for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
    const struct rk_kernels *k = sets[i];
    bool wanted = !name || strncmp(k->name, name, strlen(name)) == 0;
    if (!wanted || !cpu_has(k)) continue;
    if (rk_kernels_self_test(k)) return k;
    rk_log(RK_LOG_WARN, "engine", "kernels %s do not agree with scalar on this processor: not used", k->name);
  }
  return NULL;
}

size_t rk_attn_scratch_floats(int32_t n_q, int32_t head_dim) {
  /* up to a group more of q, sums of values, 16 lanes of weights and a maximum, at cache lines; a group's scores; two
   * planes of f16 */
  const size_t n = (size_t)n_q + RK_ATTN_GROUP, hd = (size_t)head_dim;
  return n * (2 * hd + 17 + 16) + RK_ATTN_GROUP * RK_ATTN_BLOCK + RK_ATTN_BLOCK * hd;
}

/* ---- self-test ---- */

enum { TEST_BLOCKS = 16, TEST_DIM = 64, TEST_POS = 70, TEST_Q = 9 };

static uint32_t next(uint32_t *seed) { return *seed = *seed * 1664525u + 1013904223u; }
static float next_float(uint32_t *seed) { return (float)(int32_t)next(seed) * 0x1p-31f; }

/* Random bytes would hold scales that are not numbers: every f16 gets a small exponent. */
static void random_tile(uint32_t *seed, enum rk_wformat f, uint8_t *w, size_t n) {
  for (size_t i = 0; i < n; i++) w[i] = (uint8_t)(next(seed) >> 24);
  if (f == RK_W_F32)
    for (size_t i = 3; i < n; i += 4) w[i] = (w[i] & 0x80) | 0x3c;
  else
    for (size_t i = 1; i < n; i += 2) w[i] = (w[i] & 0x83) | (f == RK_W_BF16 ? 0x3c : 0x24);
}

static bool same_tiles(const struct rk_kernels *k, enum rk_wformat f, enum rk_tcount tc) {
  static _Thread_local uint8_t w[TEST_BLOCKS * 2048 + 64], act[2][TEST_BLOCKS * 8 * 128];
  uint32_t seed = 1 + (uint32_t)f;
  const int32_t T = rk_tcount_n(tc);
  random_tile(&seed, f, w, rk_tile_bytes(f, TEST_BLOCKS));
  for (int32_t t = 0; t < T; t++)
    for (int32_t b = 0; b < TEST_BLOCKS; b++) {
      float x[RK_BLOCK];
      for (int i = 0; i < RK_BLOCK; i++) x[i] = next_float(&seed);
      if (b == 1) memset(x, 0, sizeof x);
      for (int s = 0; s < 2; s++)
        (s ? k : &rk_kernels_scalar)->quantize(x, t, T, act[s] + (size_t)b * rk_act_block_bytes(T));
    }
  if (rk_wformat_is_float(f))
    for (size_t i = 0; i < sizeof act[0] / 4; i++) {
      float x = next_float(&seed);
      memcpy(act[0] + 4 * i, &x, 4), memcpy(act[1] + 4 * i, &x, 4);
    }
  float a[8 * RK_TILE], b[8 * RK_TILE];
  rk_kernels_scalar.tile[f][tc](w, act[0], TEST_BLOCKS, a);
  k->tile[f][tc](w, act[1], TEST_BLOCKS, b);
  return memcmp(act[0], act[1], TEST_BLOCKS * rk_act_block_bytes(T)) == 0 &&
         memcmp(a, b, sizeof(float) * RK_TILE * (size_t)T) == 0;
}

static bool same_vectors(const struct rk_kernels *k) {
  const struct rk_kernels *s = &rk_kernels_scalar;
  uint32_t seed = 7;
  float x[TEST_DIM], w[TEST_DIM], a[TEST_DIM], b[TEST_DIM];
  uint16_t ha[TEST_DIM], hb[TEST_DIM];
  for (int i = 0; i < TEST_DIM; i++) x[i] = 8 * next_float(&seed), w[i] = next_float(&seed);
  s->rms_norm(x, w, TEST_DIM, 1e-6f, a), k->rms_norm(x, w, TEST_DIM, 1e-6f, b);
  if (memcmp(a, b, sizeof a) != 0) return false;
  memcpy(a, x, sizeof a), memcpy(b, x, sizeof b);
  s->silu_mul(a, w, TEST_DIM), k->silu_mul(b, w, TEST_DIM);
  s->f32_to_f16(x, TEST_DIM, ha), k->f32_to_f16(x, TEST_DIM, hb);
  return memcmp(a, b, sizeof a) == 0 && memcmp(ha, hb, sizeof ha) == 0;
}

/* The same bytes serve as f16 and as Q8_0, whose keys are some 100 times as large. */
static bool same_attention(const struct rk_kernels *k, const struct rk_kv8 *kv8) {
  static _Thread_local uint16_t kv[2][2 * RK_ATTN_BLOCK * TEST_DIM]; /* two blocks: k, v */
  static _Thread_local float q[TEST_Q][TEST_DIM], out[2][TEST_Q][TEST_DIM];
  static _Thread_local float scratch[3 * RK_ATTN_BLOCK * TEST_DIM];
  uint32_t seed = 9;
  int32_t n_pos[TEST_Q];
  const float *qp[TEST_Q];
  float *op[2][TEST_Q];
  const uint8_t *const blocks[] = {(const uint8_t *)kv[0], (const uint8_t *)kv[1]};
  for (size_t i = 0; i < sizeof kv[0] / 2; i++)
    for (int s = 0; s < 2; s++) kv[s][i] = (uint16_t)((next(&seed) >> 16 & 0x83ff) | 0x3800);
  for (int i = 0; i < TEST_Q; i++) {
    for (int d = 0; d < TEST_DIM; d++) q[i][d] = next_float(&seed) * (kv8 ? 0.01f : 1.0f);
    n_pos[i] = TEST_POS - i, qp[i] = q[i], op[0][i] = out[0][i], op[1][i] = out[1][i];
  }
  struct rk_attn a = {TEST_DIM, TEST_Q, n_pos, qp, op[0], blocks, 0, sizeof kv[0] / 2, kv8, scratch};
  rk_kernels_scalar.attn(&a);
  a.out = op[1];
  k->attn(&a);
  return memcmp(out[0], out[1], sizeof out[0]) == 0;
}

static bool same_delta(const struct rk_kernels *k) {
  static _Thread_local float state[2][TEST_DIM * TEST_DIM];
  float q[TEST_DIM], key[TEST_DIM], v[TEST_DIM], out[2][TEST_DIM];
  uint32_t seed = 11;
  memset(state, 0, sizeof state);
  for (int step = 0; step < 3; step++) {
    for (int i = 0; i < TEST_DIM; i++) q[i] = next_float(&seed), key[i] = next_float(&seed), v[i] = next_float(&seed);
    for (int s = 0; s < 2; s++)
      (s ? k : &rk_kernels_scalar)->delta(state[s], q, key, v, 0.9f, 0.7f, TEST_DIM, out[s]);
    if (memcmp(out[0], out[1], sizeof out[0]) != 0) return false;
  }
  return memcmp(state[0], state[1], sizeof state[0]) == 0;
}

static bool same_attention_q8(const struct rk_kernels *k) {
  static _Thread_local float bias[TEST_DIM], rope[2 * RK_ATTN_BLOCK * TEST_DIM];
  uint32_t seed = 11;
  for (int i = 0; i < TEST_DIM; i++) bias[i] = 100 * next_float(&seed);
  for (size_t i = 0; i < sizeof rope / sizeof *rope; i++) rope[i] = next_float(&seed);
  return same_attention(k, &(struct rk_kv8){.k = true, .v = true, .k_bias = bias, .rope = rope}) &&
         same_attention(k, &(struct rk_kv8){.v = true});
}

bool rk_kernels_self_test(const struct rk_kernels *k) {
  for (int f = 0; f < RK_W_COUNT; f++)
    for (int tc = 0; tc < RK_T_COUNT; tc++)
      if (!same_tiles(k, (enum rk_wformat)f, (enum rk_tcount)tc)) return false;
  return same_vectors(k) && same_attention(k, NULL) && same_attention_q8(k) && same_delta(k);
}
