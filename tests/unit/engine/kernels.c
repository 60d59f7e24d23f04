/* Every kernel set against the scalar one, bit by bit, and the scalar one
 * against sums in double over weights decoded here from the format's definition. */
#include "fixture.h"

#include <math.h>

#include "engine/f16.h"
#include "engine/kernels/kernels.h"
#include "engine/kvquant.h"
#include "engine/repack.h"
#include "quant_fixtures.h"

static const char *const set_names[] = {"scalar", "avx2", "avx512"};

/* ---- the file's formats, element by element ---- */

static float half_at(const uint8_t *p) { return rk_f16_f32((uint16_t)(p[0] | p[1] << 8)); }

/* Six-bit scale number j (0..7) or minimum (8..15) out of the 12 bytes of Q4_K and Q5_K. */
static int six_bits(const uint8_t *p, int j) {
  int k = j % 8, low = j < 8;
  if (k < 4) return p[low ? k : k + 4] & 63;
  return (low ? p[k + 4] & 15 : p[k + 4] >> 4) | (p[low ? k - 4 : k] >> 6) << 4;
}

static int iq4(int nibble) {
  static const int values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
  return values[nibble];
}

/* Six-bit scale number j (0..15) of Q3_K, minus 32. */
static int scale_3k(const uint8_t *p, int j) {
  int low = p[j % 8] >> (j < 8 ? 0 : 4) & 15;
  return (low | (p[8 + j % 4] >> 2 * (j / 4) & 3) << 4) - 32;
}

static double element(uint32_t type, const uint8_t *b, int i) {
  int j = i % 16, s = i / 32, nibble, high;
  switch (type) {
    case RK_F32: { float f; memcpy(&f, b, 4); return (double)f; }
    case RK_F16: return (double)half_at(b);
    case RK_BF16: return (double)rk_bits_f32((uint32_t)(b[0] | b[1] << 8) << 16);
    case RK_Q4_0: return (double)half_at(b) * ((i < 16 ? b[2 + j] & 15 : b[2 + j] >> 4) - 8);
    case RK_Q4_1: return (double)half_at(b) * (i < 16 ? b[4 + j] & 15 : b[4 + j] >> 4) + (double)half_at(b + 2);
    case RK_Q5_0:
      nibble = i < 16 ? b[6 + j] & 15 : b[6 + j] >> 4, high = b[2 + i / 8] >> i % 8 & 1;
      return (double)half_at(b) * (nibble + 16 * high - 16);
    case RK_Q5_1:
      nibble = i < 16 ? b[8 + j] & 15 : b[8 + j] >> 4, high = b[4 + i / 8] >> i % 8 & 1;
      return (double)half_at(b) * (nibble + 16 * high) + (double)half_at(b + 2);
    case RK_Q8_0: return (double)half_at(b) * (int8_t)b[2 + i];
    case RK_IQ4_NL: return (double)half_at(b) * iq4(i < 16 ? b[2 + j] & 15 : b[2 + j] >> 4);
    case RK_IQ4_XS: {
      int scale = (b[4 + s / 2] >> 4 * (s % 2) & 15) | ((b[2] | b[3] << 8) >> 2 * s & 3) << 4;
      uint8_t two = b[8 + 16 * s + j];
      return (double)half_at(b) * (scale - 32) * iq4(i % 32 < 16 ? two & 15 : two >> 4);
    }
    case RK_Q2_K:
      nibble = b[16 + 32 * (i / 128) + i % 32] >> 2 * (s % 4) & 3;
      return (double)half_at(b + 80) * (b[i / 16] & 15) * nibble - (double)half_at(b + 82) * (b[i / 16] >> 4);
    case RK_Q3_K:
      nibble = b[32 + 32 * (i / 128) + i % 32] >> 2 * (s % 4) & 3, high = b[i % 32] >> s & 1;
      return (double)half_at(b + 108) * scale_3k(b + 96, i / 16) * (nibble + 4 * high - 4);
    case RK_Q4_K: case RK_Q5_K: {
      const uint8_t *low = b + (type == RK_Q4_K ? 16 : 48);
      nibble = s % 2 ? low[32 * (s / 2) + i % 32] >> 4 : low[32 * (s / 2) + i % 32] & 15;
      high = type == RK_Q4_K ? 0 : b[16 + i % 32] >> s & 1;
      return (double)half_at(b) * six_bits(b + 4, s) * (nibble + 16 * high) -
             (double)half_at(b + 2) * six_bits(b + 4, 8 + s);
    }
    default: { /* Q6_K: halves of 128; quarters of 32 in a half share bytes */
      int h = i / 128, q = i % 128 / 32, l = i % 32;
      uint8_t lo = b[64 * h + 32 * (q % 2) + l];
      int v = (q < 2 ? lo & 15 : lo >> 4) | (b[128 + 32 * h + l] >> 2 * q & 3) << 4;
      return (double)half_at(b + 208) * (int8_t)b[192 + i / 16] * (v - 32);
    }
  }
}

static const uint32_t types[] = {RK_F32,  RK_F16,  RK_BF16, RK_Q4_0, RK_Q4_1, RK_Q5_0,
                                 RK_Q5_1, RK_Q8_0, RK_Q4_K, RK_Q5_K, RK_Q6_K,
                                 RK_Q2_K, RK_Q3_K, RK_IQ4_NL, RK_IQ4_XS};
enum { N_TYPES = sizeof types / sizeof *types };

/* Offsets of the f16 fields in a block. */
static void set_scales(struct rng *r, uint32_t type, uint8_t *b) {
  int at[2] = {0, -1};
  if (type == RK_Q4_1 || type == RK_Q5_1 || type == RK_Q4_K || type == RK_Q5_K) at[1] = 2;
  if (type == RK_Q6_K) at[0] = 208;
  if (type == RK_Q3_K) at[0] = 108;
  if (type == RK_Q2_K) at[0] = 80, at[1] = 82;
  for (int i = 0; i < 2 && at[i] >= 0; i++) {
    uint16_t h = rk_f32_f16(rng_float(r) * 0.1f);
    memcpy(b + at[i], &h, 2);
  }
}

static struct rk_gguf_tensor random_tensor(struct rng *r, uint32_t type, uint64_t n_in, uint64_t n_out) {
  struct rk_tensor_traits traits = rk_tensor_traits(type);
  struct rk_gguf_tensor t = {.n_dims = 2, .ne = {n_in, n_out, 1, 1}, .type = type};
  t.n_bytes = n_in * n_out / traits.block_len * traits.block_bytes;
  uint8_t *p = malloc(t.n_bytes);
  assert_non_null(p);
  for (size_t i = 0; i < t.n_bytes; i++) p[i] = (uint8_t)rng_u32(r);
  for (size_t i = 0; i < t.n_bytes; i += traits.block_bytes) {
    float f = rng_float(r);
    uint32_t u = rk_f32_bits(f);
    uint16_t h = type == RK_F16 ? rk_f32_f16(f) : (uint16_t)(u >> 16);
    if (type == RK_F32) memcpy(p + i, &f, 4);
    else if (traits.block_len == 1) memcpy(p + i, &h, 2);
    else set_scales(r, type, p + i);
  }
  t.data = p;
  return t;
}

static double weight(const struct rk_gguf_tensor *t, uint64_t row, uint64_t col) {
  struct rk_tensor_traits traits = rk_tensor_traits(t->type);
  const uint8_t *p = t->data + (row * t->ne[0] + col) / traits.block_len * traits.block_bytes;
  return element(t->type, p, (int)(col % traits.block_len));
}

static void test_dequantize(void **state) {
  struct rng r = {1};
  for (int i = 0; i < N_TYPES; i++) {
    struct rk_gguf_tensor t = random_tensor(&r, types[i], 768, 3);
    for (uint64_t row = 0; row < 3; row++) {
      float out[768];
      rk_dequantize_row(&t, (int64_t)row, out);
      for (uint64_t k = 0; k < 768; k++) {
        double w = weight(&t, row, k);
        if (!(fabs((double)out[k] - w) <= 1e-6 * fabs(w) + 1e-7))
          fail_msg("%s row %d element %d: %g, expected %g", rk_tensor_traits(types[i]).name, (int)row, (int)k,
                   (double)out[k], w);
      }
    }
    free((void *)(uintptr_t)t.data);
  }
}

/* The same bits as llama.cpp's Python reference (quant_fixtures.h). */
static void test_reference(void **state) {
  const struct { uint32_t type; const uint8_t *blocks; const uint32_t *weights; uint64_t n; } rows[] = {
    {RK_Q2_K, q2_k_blocks, q2_k_weights, 256},
    {RK_Q3_K, q3_k_blocks, q3_k_weights, 256},
    {RK_IQ4_NL, iq4_nl_blocks, iq4_nl_weights, 64},
    {RK_IQ4_XS, iq4_xs_blocks, iq4_xs_weights, 256},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct rk_tensor_traits traits = rk_tensor_traits(rows[i].type);
    struct rk_gguf_tensor t = {.n_dims = 2, .ne = {rows[i].n, 1, 1, 1}, .type = rows[i].type, .data = rows[i].blocks,
                               .n_bytes = rows[i].n / traits.block_len * traits.block_bytes};
    float out[256];
    rk_dequantize_row(&t, 0, out);
    for (uint64_t k = 0; k < rows[i].n; k++)
      if (rk_f32_bits(out[k]) != rows[i].weights[k])
        fail_msg("%s weight %d: %g, llama.cpp has %g", traits.name, (int)k, (double)out[k],
                 (double)rk_bits_f32(rows[i].weights[k]));
  }
}

/* ---- tiles ---- */

struct shape { int32_t n_in, n_out; };
static const struct shape shapes[] = {{256, 16}, {256, 1}, {512, 17}, {768, 40}, {2048, 48}, {4864 / 256 * 256, 16}};

static struct rk_matrix repacked(const struct rk_gguf_tensor *t) {
  struct rk_matrix m;
  rk_matrix_shape(t, false, &m);
  m.tiles = malloc(m.tile_bytes * (size_t)m.n_tiles);
  assert_non_null(m.tiles);
  for (int32_t i = 0; i < m.n_tiles; i++) rk_repack_tile(t, &m, i);
  return m;
}

/* Small integers with one 127 in each block of 32: quantized without error. */
static float exact_input(struct rng *r, int k) { return k % RK_BLOCK == 5 ? 127.0f : (float)rng_below(r, 255) - 127; }

static uint8_t *pack_inputs(const struct rk_kernels *k, enum rk_wformat f, const float *x, int32_t n_in, int32_t T) {
  uint8_t *act = malloc((size_t)n_in * (size_t)T * 4 + 64);
  assert_non_null(act);
  for (int32_t t = 0; t < T; t++)
    for (int32_t i = 0; i < n_in; i += RK_BLOCK) {
      if (!rk_wformat_is_float(f))
        k->quantize(x + t * n_in + i, t, T, act + (size_t)(i / RK_BLOCK) * rk_act_block_bytes(T));
      else
        for (int32_t j = i; j < i + RK_BLOCK; j++) memcpy(act + 4 * (j * T + t), &x[t * n_in + j], 4);
    }
  return act;
}

static void check_products(const struct rk_kernels *k, const struct rk_gguf_tensor *t, const float *x, bool exact) {
  struct rk_matrix m = repacked(t);
  for (int tc = 0; tc < RK_T_COUNT; tc++) {
    const int32_t T = rk_tcount_n((enum rk_tcount)tc);
    uint8_t *act = pack_inputs(k, m.format, x, m.n_in, T);
    for (int32_t tile = 0; tile < m.n_tiles; tile++) {
      float out[8 * RK_TILE], same[8 * RK_TILE];
      const uint8_t *w = m.tiles + (size_t)tile * m.tile_bytes;
      k->tile[m.format][tc](w, act, m.n_blocks, out);
      rk_kernels_scalar.tile[m.format][tc](w, act, m.n_blocks, same);
      if (memcmp(out, same, sizeof *out * (size_t)T * RK_TILE) != 0)
        fail_msg("%s %s, %d inputs, %d tokens: not the bits of the scalar kernel", k->name,
                 rk_tensor_traits(t->type).name, m.n_in, T);
      for (int32_t i = 0; exact && i < T * RK_TILE; i++) {
        int32_t row = tile * RK_TILE + i % RK_TILE;
        if (row >= m.n_out) {
          assert_true(out[i] == 0);
          continue;
        }
        double sum = 0, size = 0;
        for (int32_t c = 0; c < m.n_in; c++) {
          double p = weight(t, (uint64_t)row, (uint64_t)c) * (double)x[i / RK_TILE * m.n_in + c];
          sum += p, size += fabs(p);
        }
        if (fabs((double)out[i] - sum) > 1e-5 * size + 1e-6)
          fail_msg("%s row %d: %g, expected %g", rk_tensor_traits(t->type).name, row, (double)out[i], sum);
      }
    }
    free(act);
  }
  free(m.tiles);
}

static void for_each_set(void (*fn)(const struct rk_kernels *k)) {
  for (size_t i = 0; i < sizeof set_names / sizeof *set_names; i++) {
    const struct rk_kernels *k = rk_kernels_select(set_names[i]);
    if (k) fn(k);
    else print_message("%s: not run, this processor lacks it\n", set_names[i]);
  }
}

static void tiles_of(const struct rk_kernels *k) {
  struct rng r = {2};
  for (int i = 0; i < N_TYPES; i++)
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
      struct rk_gguf_tensor t = random_tensor(&r, types[i], (uint64_t)shapes[s].n_in, (uint64_t)shapes[s].n_out);
      float *x = malloc(sizeof *x * 8 * (size_t)shapes[s].n_in);
      assert_non_null(x);
      for (int j = 0; j < 8 * shapes[s].n_in; j++) x[j] = exact_input(&r, j);
      check_products(k, &t, x, k == &rk_kernels_scalar);
      for (int j = 0; j < 8 * shapes[s].n_in; j++) x[j] = rng_float(&r) * (j % 97 == 0 ? 1e4f : 1.0f);
      memset(x + 32, 0, 32 * sizeof *x); /* a block of zeros */
      check_products(k, &t, x, false);
      free(x);
      free((void *)(uintptr_t)t.data);
    }
}

static void test_tiles(void **state) { for_each_set(tiles_of); }

/* All quants and activations at their ends: nothing may overflow. */
static void extremes_of(const struct rk_kernels *k) {
  struct rng r = {5};
  float x[8 * 512];
  for (int i = 0; i < N_TYPES; i++)
    for (int ends = 0; ends < 4; ends++) {
      struct rk_gguf_tensor t = random_tensor(&r, types[i], 512, 16);
      struct rk_tensor_traits traits = rk_tensor_traits(types[i]);
      uint8_t *data = (uint8_t *)(uintptr_t)t.data;
      if (traits.block_len > 1) memset(data, ends & 1 ? 0xff : 0, t.n_bytes);
      for (size_t b = 0; traits.block_len > 1 && b < t.n_bytes; b += traits.block_bytes) set_scales(&r, types[i], data + b);
      for (int j = 0; j < 8 * 512; j++) x[j] = ends & 2 ? 127 : -127;
      check_products(k, &t, x, k == &rk_kernels_scalar);
      free(data);
    }
}

static void test_extremes(void **state) { for_each_set(extremes_of); }

/* ---- vectors ---- */

static void vectors_of(const struct rk_kernels *k) {
  struct rng r = {3};
  for (int n = 16; n <= 896; n += 16) {
    float x[896], w[896], a[896], b[896];
    uint16_t ha[896], hb[896];
    for (int i = 0; i < n; i++) x[i] = rng_float(&r) * ldexpf(1, (int)rng_below(&r, 40) - 20), w[i] = rng_float(&r);
    k->rms_norm(x, w, n, 1e-6f, a), rk_kernels_scalar.rms_norm(x, w, n, 1e-6f, b);
    assert_memory_equal(a, b, sizeof *a * (size_t)n);
    for (int i = 0; i < n; i++) a[i] = b[i] = x[i] * 0.01f;
    k->silu_mul(a, w, n), rk_kernels_scalar.silu_mul(b, w, n);
    assert_memory_equal(a, b, sizeof *a * (size_t)n);
    for (int i = 0; i < n; i++) {
      double g = (double)(x[i] * 0.01f), y = g / (1 + exp(-g)) * (double)w[i];
      assert_true(fabs((double)a[i] - y) <= 1e-6 * fabs(y) + 1e-30);
    }
    x[0] = 1e9f, x[1] = -1e9f, x[2] = 65519, x[3] = 1e-7f, x[4] = 0;
    k->f32_to_f16(x, n, ha), rk_kernels_scalar.f32_to_f16(x, n, hb);
    assert_memory_equal(ha, hb, sizeof *ha * (size_t)n);
  }
}

static void test_vectors(void **state) { for_each_set(vectors_of); }

static void test_f16(void **state) {
  for (uint32_t h = 0; h < 0x10000; h++) {
    if ((h & 0x7c00) == 0x7c00) continue;
    assert_int_equal(rk_f32_f16(rk_f16_f32((uint16_t)h)), h);
  }
  assert_int_equal(rk_f32_f16(1.0f + 0x1p-11f), 0x3c00); /* ties go to even */
  assert_int_equal(rk_f32_f16(1.0f + 0x1.8p-10f), 0x3c02);
  assert_int_equal(rk_f32_f16(INFINITY), 0x7bff);
}

/* ---- attention ---- */

static void attention_case(const struct rk_kernels *k, struct rng *r, int hd, int n_q, int n_pos) {
  const int n_blocks = (n_pos + 63) / 64, plane = 64 * hd;
  uint16_t *kv = malloc(sizeof *kv * (size_t)(2 * n_blocks * plane));
  const uint8_t *blocks[8]; /* the last position's block lies first in memory */
  for (int b = 0; b < n_blocks; b++) blocks[b] = (const uint8_t *)(kv + 2 * (n_blocks - 1 - b) * plane);
  float *q = malloc(sizeof *q * (size_t)(n_q * hd)), *out[2], *scratch;
  int32_t *np = malloc(sizeof *np * (size_t)n_q);
  const float **qp = malloc(sizeof *qp * (size_t)n_q);
  float **op = malloc(sizeof *op * (size_t)n_q);
  scratch = malloc(sizeof *scratch * rk_attn_scratch_floats(n_q, hd));
  for (int i = 0; i < 2 * n_blocks * plane; i++) kv[i] = rk_f32_f16(rng_float(r) * (i / plane % 2 ? 1 : 4));
  for (int i = 0; i < n_q * hd; i++) q[i] = rng_float(r);
  for (int i = 0; i < n_q; i++) np[i] = n_pos - (n_q - 1 - i) > 0 ? n_pos - (n_q - 1 - i) : 1, qp[i] = q + i * hd;
  for (int s = 0; s < 2; s++) {
    out[s] = malloc(sizeof **out * (size_t)(n_q * hd));
    for (int i = 0; i < n_q; i++) op[i] = out[s] + i * hd;
    struct rk_attn a = {hd, n_q, np, qp, op, blocks, 0, (size_t)plane * 2, NULL, scratch};
    (s ? k : &rk_kernels_scalar)->attn(&a);
  }
  if (memcmp(out[0], out[1], sizeof **out * (size_t)(n_q * hd)) != 0)
    fail_msg("%s: attention of %d queries, %d wide, over %d positions", k->name, n_q, hd, n_pos);
  /* last query, first component, in double */
  double sum = 0, total = 0;
  for (int p = 0; p < np[n_q - 1]; p++) {
    const uint16_t *block = (const uint16_t *)(const void *)blocks[p / 64];
    double s = 0;
    for (int d = 0; d < hd; d++)
      s += (double)q[(n_q - 1) * hd + d] * (double)rk_f16_f32(block[p % 64 / 16 * 16 * hd + 16 * d + p % 16]);
    total += exp2(s), sum += exp2(s) * (double)rk_f16_f32(block[plane + p % 64 * hd]);
  }
  assert_true(fabs((double)out[1][(n_q - 1) * hd] - sum / total) < 1e-4);
  for (int s = 0; s < 2; s++) free(out[s]);
  free(kv), free(q), free(np), free(qp), free(op), free(scratch);
}

static void attention_of(const struct rk_kernels *k) {
  struct rng r = {4};
  const int dims[] = {16, 48, 64, 128, 256}, queries[] = {1, 2, 3, 4, 6, 7, 8, 9, 56}, lengths[] = {1, 15, 16, 17, 63, 64, 65, 300};
  for (int i = 0; i < 5; i++)
    for (int j = 0; j < 9; j++)
      for (int l = 0; l < 8; l++) attention_case(k, &r, dims[i], queries[j], lengths[l]);
}

static void test_attention(void **state) { for_each_set(attention_of); }

/* ---- attention over Q8_0 ---- */

struct kv8_case {
  int hd, n_q, n_pos;
  size_t v_at, block_bytes;
  uint8_t *mem;
  const uint8_t *blocks[3];
  float *bias, *rope;
  struct rk_kv8 kv8;
};

/* Keys and values as kv.c stores them, by this set; values 16 bits wide where Q8_0 is not asked for. */
static void kv8_fill(struct kv8_case *c, struct rng *r, const struct rk_kernels *k) {
  float x[256];
  uint16_t half[256];
  for (int p = 0; p < c->n_pos; p++) {
    uint8_t *block = c->mem + (size_t)(p / 64) * c->block_bytes;
    for (int d = 0; d < c->hd; d++) x[d] = 2 * rng_float(r);
    if (c->kv8.k) rk_kv8_store_k(k, block, p % 64, x, c->hd);
    k->f32_to_f16(x, c->hd, half);
    for (int d = 0; !c->kv8.k && d < c->hd; d++) memcpy(block + 2 * (p % 64 / 16 * 16 * c->hd + 16 * d + p % 16), &half[d], 2);
    for (int d = 0; d < c->hd; d++) x[d] = rng_float(r);
    rk_kv8_store_v(k, block + c->v_at, p % 64, x, c->hd);
  }
}

static double kv8_k(const struct kv8_case *c, int p, int d) {
  const int groups = (c->hd + 31) / 32, half = c->hd / 2;
  const uint8_t *block = c->blocks[p / 64], *tile = block + p % 64 / 16 * 16 * (c->hd + 2 * groups);
  if (!c->kv8.k) return (double)half_at(block + 2 * (p % 64 / 16 * 16 * c->hd + 16 * d + p % 16));
  double k = (double)half_at(tile + 16 * c->hd + 2 * (d / 32 * 16 + p % 16)) * (int8_t)tile[16 * d + p % 16];
  if (!c->kv8.k_bias) return k;
  const float *rope = c->rope + p / 16 * 16 * c->hd + 32 * (d % half) + p % 16;
  double cosine = (double)rope[0], sine = (double)rope[16], a = (double)c->bias[d % half], b = (double)c->bias[d % half + half];
  return k + (d < half ? a * cosine - b * sine : a * sine + b * cosine);
}

static double kv8_v(const struct kv8_case *c, int p, int d) {
  const uint8_t *row = c->blocks[p / 64] + c->v_at + p % 64 * (c->hd + 2 * ((c->hd + 31) / 32));
  return (double)half_at(row + c->hd + 2 * (d / 32)) * (int8_t)row[d];
}

static void kv8_check(const struct kv8_case *c, const float *q, int n_pos, const float *out) {
  for (int d = 0; d < c->hd; d += 7) {
    double total = 0, sum = 0;
    for (int p = 0; p < n_pos; p++) {
      double s = 0;
      for (int i = 0; i < c->hd; i++) s += (double)q[i] * kv8_k(c, p, i);
      total += exp2(s), sum += exp2(s) * kv8_v(c, p, d);
    }
    if (!(fabs((double)out[d] - sum / total) < 4e-3)) /* keys are rounded to f16 */
      fail_msg("Q8_0, %d wide, %d positions: %g, expected %g", c->hd, n_pos, (double)out[d], sum / total);
  }
}

static void kv8_run(const struct rk_kernels *k, struct rng *r, struct kv8_case *c) {
  const int n = c->n_q * c->hd;
  float *q = malloc(sizeof *q * (size_t)n), *out[2], *scratch = malloc(sizeof *scratch * rk_attn_scratch_floats(c->n_q, c->hd));
  int32_t np[56];
  const float *qp[56];
  float *op[56];
  for (int i = 0; i < n; i++) q[i] = rng_float(r) / 4;
  for (int s = 0; s < 2; s++) {
    out[s] = malloc(sizeof **out * (size_t)n);
    for (int i = 0; i < c->n_q; i++)
      np[i] = c->n_pos - i / 7 > 0 ? c->n_pos - i / 7 : 1, qp[i] = q + i * c->hd, op[i] = out[s] + i * c->hd;
    struct rk_attn a = {c->hd, c->n_q, np, qp, op, c->blocks, 0, c->v_at, &c->kv8, scratch};
    (s ? k : &rk_kernels_scalar)->attn(&a);
  }
  if (memcmp(out[0], out[1], sizeof **out * (size_t)n) != 0)
    fail_msg("%s: Q8_0 attention of %d queries, %d wide, over %d positions", k->name, c->n_q, c->hd, c->n_pos);
  kv8_check(c, qp[c->n_q - 1], np[c->n_q - 1], op[c->n_q - 1]);
  for (int s = 0; s < 2; s++) free(out[s]);
  free(q), free(scratch);
}

/* kind: both with biases, both without, values only. */
static void kv8_case(const struct rk_kernels *k, struct rng *r, int hd, int n_q, int n_pos, int kind) {
  struct kv8_case c = {.hd = hd, .n_q = n_q, .n_pos = n_pos, .v_at = 128 * (size_t)hd, .block_bytes = 256 * (size_t)hd};
  c.mem = calloc(3, c.block_bytes);
  c.bias = malloc(sizeof(float) * (size_t)hd), c.rope = malloc(sizeof(float) * 192 * (size_t)hd);
  for (int b = 0; b < 3; b++) c.blocks[b] = c.mem + (size_t)b * c.block_bytes;
  for (int i = 0; i < hd; i++) c.bias[i] = 3 * rng_float(r);
  for (int i = 0; i < 192 * hd; i++) {
    const int p = i / (16 * hd) * 16 + i % 16, pair = i % (16 * hd) / 32;
    const double angle = p * pow(10000, -2.0 * pair / hd);
    c.rope[i] = (float)(i / 16 % 2 ? sin(angle) : cos(angle));
  }
  c.kv8 = (struct rk_kv8){kind < 2, true, kind == 0 ? c.bias : NULL, c.rope};
  kv8_fill(&c, r, k);
  kv8_run(k, r, &c);
  free(c.mem), free(c.bias), free(c.rope);
}

static void attention_q8_of(const struct rk_kernels *k) {
  struct rng r = {6};
  const int dims[] = {16, 48, 64, 80, 128, 256}, queries[] = {1, 7, 56}, lengths[] = {1, 16, 63, 65, 150};
  for (int i = 0; i < 6; i++)
    for (int j = 0; j < 3; j++)
      for (int l = 0; l < 5; l++)
        for (int kind = 0; kind < 3; kind++) kv8_case(k, &r, dims[i], queries[j], lengths[l], kind);
}

static void test_attention_q8(void **state) { for_each_set(attention_q8_of); }

static void test_self_test(void **state) {
  struct rk_kernels broken = rk_kernels_scalar;
  assert_true(rk_kernels_self_test(&broken));
  broken.tile[RK_W_5S][RK_T8] = rk_kernels_scalar.tile[RK_W_4S][RK_T8];
  assert_false(rk_kernels_self_test(&broken));
  assert_null(rk_kernels_select("mmx"));
  assert_non_null(rk_kernels_select(NULL));
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_dequantize), cmocka_unit_test(test_reference), cmocka_unit_test(test_tiles),     cmocka_unit_test(test_extremes),
    cmocka_unit_test(test_vectors),    cmocka_unit_test(test_f16),       cmocka_unit_test(test_attention),
    cmocka_unit_test(test_attention_q8),
    cmocka_unit_test(test_self_test),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
