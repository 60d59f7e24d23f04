#include "engine/repack.h"

#include <stdlib.h>
#include <string.h>

#include "engine/bytes.h"
#include "engine/checksum.h"
#include "engine/f16.h"

/* ---- the file's formats: 32 weights taken out of a block ---- */

struct unpacked {
  uint8_t q[RK_BLOCK]; /* unsigned quants */
  uint16_t d, m;       /* f16 bits: scale and minimum of the block, D and M of 256-wide ones */
  uint8_t s[2];        /* scales inside a 256-wide block, as the tile holds them */
};

static void nibbles(const uint8_t *p, uint8_t q[RK_BLOCK]) {
  for (int i = 0; i < 16; i++) q[i] = p[i] & 15, q[i + 16] = p[i] >> 4;
}

static void fifth_bits(uint32_t bits, uint8_t q[RK_BLOCK]) {
  for (int i = 0; i < RK_BLOCK; i++) q[i] = (uint8_t)(q[i] | (bits >> i & 1) << 4);
}

/* Scale and minimum number j of 8, six bits each, of Q4_K and Q5_K. */
static void scale_min(const uint8_t *p, int j, struct unpacked *u) {
  if (j < 4) {
    u->s[0] = p[j] & 63;
    u->s[1] = p[j + 4] & 63;
  } else {
    u->s[0] = (uint8_t)((p[j + 4] & 15) | p[j - 4] >> 6 << 4);
    u->s[1] = (uint8_t)(p[j + 4] >> 4 | p[j] >> 6 << 4);
  }
}

/* Two bits of the 32 weights: four sub-blocks share 32 bytes. */
static void two_bits(const uint8_t *p, int sub, uint8_t q[RK_BLOCK]) {
  for (int i = 0; i < RK_BLOCK; i++) q[i] = p[32 * (sub / 4) + i] >> 2 * (sub % 4) & 3;
}

static void unpack_2k(const uint8_t *p, int sub, struct unpacked *u) {
  u->s[0] = p[2 * sub];
  u->s[1] = p[2 * sub + 1];
  two_bits(p + 16, sub, u->q);
  u->d = rk_load_u16(p + 80);
  u->m = rk_load_u16(p + 82);
}

/* Scale number j of 16 of Q3_K: low four bits, then the high two. */
static uint8_t scale_3k(const uint8_t *p, int j) {
  int low = j < 8 ? p[j] & 15 : p[j - 8] >> 4, high = p[8 + j % 4] >> 2 * (j / 4) & 3;
  return (uint8_t)((low | high << 4) - 32);
}

static void unpack_3k(const uint8_t *p, int sub, struct unpacked *u) {
  u->s[0] = scale_3k(p + 96, 2 * sub);
  u->s[1] = scale_3k(p + 96, 2 * sub + 1);
  two_bits(p + 32, sub, u->q);
  for (int i = 0; i < RK_BLOCK; i++) u->q[i] = (uint8_t)(u->q[i] | (p[i] >> sub & 1) << 2);
  u->d = rk_load_u16(p + 108);
}

static void unpack_4xs(const uint8_t *p, int sub, struct unpacked *u) {
  int low = p[4 + sub / 2] >> 4 * (sub % 2) & 15, high = rk_load_u16(p + 2) >> 2 * sub & 3;
  u->d = rk_load_u16(p);
  u->s[0] = (uint8_t)((low | high << 4) - 32);
  nibbles(p + 8 + 16 * sub, u->q);
}

static void unpack_45k(const uint8_t *p, int sub, bool bit5, struct unpacked *u) {
  u->d = rk_load_u16(p);
  u->m = rk_load_u16(p + 2);
  scale_min(p + 4, sub, u);
  const uint8_t *high = p + 16, *low = p + 16 + (bit5 ? 32 : 0) + 32 * (sub / 2);
  for (int i = 0; i < RK_BLOCK; i++) {
    u->q[i] = sub % 2 ? low[i] >> 4 : low[i] & 15;
    if (bit5) u->q[i] = (uint8_t)(u->q[i] | (high[i] >> sub & 1) << 4);
  }
}

static void unpack_6k(const uint8_t *p, int sub, struct unpacked *u) {
  const int half = sub / 4, part = sub % 4;
  const uint8_t *low = p + 64 * half + 32 * (part % 2), *high = p + 128 + 32 * half, *scales = p + 192;
  for (int i = 0; i < RK_BLOCK; i++) {
    uint8_t nibble = part < 2 ? low[i] & 15 : low[i] >> 4;
    u->q[i] = (uint8_t)(nibble | (high[i] >> 2 * part & 3) << 4);
  }
  u->s[0] = scales[2 * sub];
  u->s[1] = scales[2 * sub + 1];
  u->d = rk_load_u16(p + 208);
}

/* Block number b of 32 weights in a row of the file. */
static void unpack(uint32_t type, const uint8_t *row, int32_t b, struct unpacked *u) {
  struct rk_tensor_traits traits = rk_tensor_traits(type);
  const int32_t per = (int32_t)traits.block_len / RK_BLOCK;
  const uint8_t *p = row + (size_t)(b / per) * traits.block_bytes;
  switch (type) {
    case RK_Q4_0: u->d = rk_load_u16(p); nibbles(p + 2, u->q); break;
    case RK_Q4_1: u->d = rk_load_u16(p); u->m = rk_load_u16(p + 2); nibbles(p + 4, u->q); break;
    case RK_Q5_0: u->d = rk_load_u16(p); nibbles(p + 6, u->q); fifth_bits(rk_load_u32(p + 2), u->q); break;
    case RK_Q5_1:
      u->d = rk_load_u16(p); u->m = rk_load_u16(p + 2);
      nibbles(p + 8, u->q); fifth_bits(rk_load_u32(p + 4), u->q);
      break;
    case RK_Q8_0:
      u->d = rk_load_u16(p);
      for (int i = 0; i < RK_BLOCK; i++) u->q[i] = p[2 + i] ^ 0x80;
      break;
    case RK_IQ4_NL: u->d = rk_load_u16(p); nibbles(p + 2, u->q); break;
    case RK_IQ4_XS: unpack_4xs(p, b % per, u); break;
    case RK_Q2_K: unpack_2k(p, b % per, u); break;
    case RK_Q3_K: unpack_3k(p, b % per, u); break;
    case RK_Q4_K: unpack_45k(p, b % per, false, u); break;
    case RK_Q5_K: unpack_45k(p, b % per, true, u); break;
    default: unpack_6k(p, b % per, u); break;
  }
}

/* ---- reference ---- */

static void dequantize(enum rk_wformat f, const struct unpacked *u, float *out) {
  const float d = rk_f16_f32(u->d);
  for (int i = 0; i < RK_BLOCK; i++) {
    const float q = (float)u->q[i];
    const uint8_t s = u->s[i / 16];
    switch (f) {
      case RK_W_4S: out[i] = d * (q - 8); break;
      case RK_W_5S: out[i] = d * (q - 16); break;
      case RK_W_8S: out[i] = d * (q - 128); break;
      case RK_W_4M: case RK_W_5M: out[i] = d * q + rk_f16_f32(u->m); break;
      case RK_W_4K: case RK_W_5K: out[i] = d * (float)u->s[0] * q - rk_f16_f32(u->m) * (float)u->s[1]; break;
      case RK_W_2K: out[i] = d * (float)(s & 15) * q - rk_f16_f32(u->m) * (float)(s >> 4); break;
      case RK_W_3K: out[i] = d * (float)(int8_t)s * (q - 4); break;
      case RK_W_4N: out[i] = d * (float)rk_iq4_values[u->q[i]]; break;
      case RK_W_4X: out[i] = d * (float)(int8_t)u->s[0] * (float)rk_iq4_values[u->q[i]]; break;
      default: out[i] = d * (float)(int8_t)s * (q - 32); break;
    }
  }
}

static const uint8_t *row_of(const struct rk_gguf_tensor *t, int64_t row) {
  return t->data + (size_t)row * (size_t)(t->n_bytes / (t->ne[1] * t->ne[2] * t->ne[3]));
}

void rk_dequantize_row(const struct rk_gguf_tensor *t, int64_t row, float *out) {
  const uint8_t *p = row_of(t, row);
  const int32_t n = (int32_t)t->ne[0];
  const enum rk_wformat f = rk_wformat_of(t->type);
  struct unpacked u;
  switch (f) {
    case RK_W_F32: memcpy(out, p, sizeof *out * (size_t)n); break;
    case RK_W_F16: for (int32_t i = 0; i < n; i++) out[i] = rk_f16_f32(rk_load_u16(p + 2 * i)); break;
    case RK_W_BF16: for (int32_t i = 0; i < n; i++) out[i] = rk_bf16_f32(rk_load_u16(p + 2 * i)); break;
    default:
      for (int32_t b = 0; b < n / RK_BLOCK; b++) {
        unpack(t->type, p, b, &u);
        dequantize(f, &u, out + b * RK_BLOCK);
      }
  }
}

/* ---- tiles ---- */

enum rk_wformat rk_wformat_of(uint32_t tensor_type) {
  switch (tensor_type) {
    case RK_F16: return RK_W_F16;
    case RK_BF16: return RK_W_BF16;
    case RK_Q4_0: return RK_W_4S;
    case RK_Q4_1: return RK_W_4M;
    case RK_Q5_0: return RK_W_5S;
    case RK_Q5_1: return RK_W_5M;
    case RK_Q8_0: return RK_W_8S;
    case RK_Q4_K: return RK_W_4K;
    case RK_Q5_K: return RK_W_5K;
    case RK_Q6_K: return RK_W_6K;
    case RK_Q2_K: return RK_W_2K;
    case RK_Q3_K: return RK_W_3K;
    case RK_IQ4_NL: return RK_W_4N;
    case RK_IQ4_XS: return RK_W_4X;
    default: return RK_W_F32;
  }
}

/* Bytes in front of every 8 blocks, and of each block. */
static const struct { uint16_t header, d, m, scales, bit3, low2, low4, five, six, byte; } layouts[RK_W_COUNT] = {
  [RK_W_4S] = {.d = 32, .low4 = 256},
  [RK_W_4M] = {.d = 32, .m = 32, .low4 = 256},
  [RK_W_5S] = {.d = 32, .five = 320},
  [RK_W_5M] = {.d = 32, .m = 32, .five = 320},
  [RK_W_8S] = {.d = 32, .byte = 512},
  [RK_W_4K] = {.header = 64, .scales = 32, .low4 = 256},
  [RK_W_5K] = {.header = 64, .scales = 32, .five = 320},
  [RK_W_6K] = {.header = 32, .scales = 32, .six = 384},
  [RK_W_2K] = {.header = 64, .scales = 32, .low2 = 128},
  [RK_W_3K] = {.header = 32, .scales = 32, .bit3 = 64, .low2 = 128},
  [RK_W_4N] = {.d = 32, .low4 = 256},
  [RK_W_4X] = {.header = 32, .scales = 16, .low4 = 256},
};

size_t rk_tile_bytes(enum rk_wformat f, int32_t n_blocks) {
  if (rk_wformat_is_float(f)) return (size_t)n_blocks * RK_BLOCK * RK_TILE * (f == RK_W_F32 ? 4 : 2);
  size_t block = (size_t)layouts[f].d + layouts[f].m + layouts[f].scales + layouts[f].bit3 + layouts[f].low2 +
                 layouts[f].low4 + layouts[f].five + layouts[f].six + layouts[f].byte;
  return (size_t)n_blocks * block + (size_t)(n_blocks / RK_SUPER) * layouts[f].header;
}

void rk_matrix_shape(const struct rk_gguf_tensor *t, bool as_f32, struct rk_matrix *m) {
  m->format = as_f32 ? RK_W_F32 : rk_wformat_of(t->type);
  m->n_in = (int32_t)t->ne[0];
  m->n_out = (int32_t)(t->ne[1] * t->ne[2]);
  m->n_blocks = m->n_in / RK_BLOCK;
  m->n_tiles = (m->n_out + RK_TILE - 1) / RK_TILE;
  m->tile_bytes = rk_tile_bytes(m->format, m->n_blocks);
  m->tiles = NULL;
}

/* Bit number `bit` of the eight groups side by side in each byte. */
static uint8_t *put_bit(const uint32_t g[8], int bit, int r, uint8_t *dst) {
  uint32_t bits = 0;
  for (int i = 0; i < 8; i++) bits |= (g[i] >> bit & 0x01010101u) << i;
  rk_store_u32(dst + 4 * r, bits);
  return dst + 64;
}

/* Bits number bit and bit + 1, of four groups in a vector. */
static uint8_t *put_two_bits(const uint32_t g[8], int bit, int r, uint8_t *dst) {
  for (int p = 0; p < 2; p++, dst += 64) {
    uint32_t bits = 0;
    for (int j = 0; j < 4; j++) bits |= (g[4 * p + j] >> bit & 0x03030303u) << 2 * j;
    rk_store_u32(dst + 4 * r, bits);
  }
  return dst;
}

/* Five or six vectors of a group each; the bits of the other groups lie on top of them. */
static uint8_t *put_five(uint32_t g[8], int r, uint8_t *dst) {
  for (int k = 0; k < 3; k++) g[k] |= (g[5 + k] & 0x07070707u) << 5;
  g[3] |= (g[5] & 0x18181818u) << 2 | (g[7] & 0x08080808u) << 4;
  g[4] |= (g[6] & 0x18181818u) << 2 | (g[7] & 0x10101010u) << 3;
  for (int j = 0; j < 5; j++, dst += 64) rk_store_u32(dst + 4 * r, g[j]);
  return dst;
}

static uint8_t *put_six(uint32_t g[8], int r, uint8_t *dst) {
  for (int j = 0; j < 6; j++, dst += 64)
    rk_store_u32(dst + 4 * r, g[j] | (g[6 + j / 3] >> 2 * (j % 3) & 0x03030303u) << 6);
  return dst;
}

/* The row's part of a block's quants; four inputs move as one word. */
static uint8_t *put_quants(enum rk_wformat f, const uint8_t q[RK_BLOCK], int r, uint8_t *dst) {
  uint32_t g[8];
  for (int i = 0; i < 8; i++) g[i] = rk_load_u32(q + 4 * i);
  if (layouts[f].bit3) dst = put_bit(g, 2, r, dst);
  if (layouts[f].low2) dst = put_two_bits(g, 0, r, dst);
  if (layouts[f].five) dst = put_five(g, r, dst);
  if (layouts[f].six) dst = put_six(g, r, dst);
  for (int j = 0; layouts[f].low4 && j < 4; j++, dst += 64)
    rk_store_u32(dst + 4 * r, (g[j] & 0x0f0f0f0fu) | (g[j + 4] & 0x0f0f0f0fu) << 4);
  for (int j = 0; layouts[f].byte && j < 8; j++, dst += 64) rk_store_u32(dst + 4 * r, g[j]);
  return dst;
}

static void put_row(enum rk_wformat f, uint32_t type, const uint8_t *row, int r, int32_t n_blocks, uint8_t *dst) {
  struct unpacked u = {0};
  for (int32_t b = 0; b < n_blocks; b++) {
    unpack(type, row, b, &u);
    if (layouts[f].header && b % RK_SUPER == 0) {
      rk_store_u16(dst + 2 * r, u.d);
      if (layouts[f].header == 64) rk_store_u16(dst + 32 + 2 * r, u.m);
      dst += layouts[f].header;
    }
    if (layouts[f].d) rk_store_u16(dst + 2 * r, u.d), dst += 32;
    if (layouts[f].m) rk_store_u16(dst + 2 * r, u.m), dst += 32;
    if (layouts[f].scales) {
      dst[r] = u.s[0];
      if (layouts[f].scales == 32) dst[16 + r] = u.s[1];
      dst += layouts[f].scales;
    }
    dst = put_quants(f, u.q, r, dst);
  }
}

/* Inputs of a row side by side with those of the 15 others. */
static void put_float_row(const struct rk_gguf_tensor *t, const struct rk_matrix *m, int64_t row, int r, uint8_t *dst) {
  const uint8_t *p = row_of(t, row);
  if (m->format != RK_W_F32) {
    for (int32_t k = 0; k < m->n_in; k++) memcpy(dst + 2 * (k * RK_TILE + r), p + 2 * k, 2);
    return;
  }
  const enum rk_wformat f = rk_wformat_of(t->type);
  for (int32_t b = 0; b < m->n_blocks; b++) {
    float x[RK_BLOCK];
    struct unpacked u;
    if (f == RK_W_F32) memcpy(x, p + sizeof x * (size_t)b, sizeof x);
    else if (rk_wformat_is_float(f))
      for (int i = 0; i < RK_BLOCK; i++) {
        uint16_t h = rk_load_u16(p + 2 * (b * RK_BLOCK + i));
        x[i] = f == RK_W_F16 ? rk_f16_f32(h) : rk_bf16_f32(h);
      }
    else unpack(t->type, p, b, &u), dequantize(f, &u, x);
    for (int i = 0; i < RK_BLOCK; i++) memcpy(dst + 4 * (size_t)((b * RK_BLOCK + i) * RK_TILE + r), &x[i], 4);
  }
}

void rk_repack_tile(const struct rk_gguf_tensor *t, const struct rk_matrix *m, int32_t i) {
  uint8_t *dst = m->tiles + (size_t)i * m->tile_bytes;
  if ((i + 1) * RK_TILE > m->n_out) memset(dst, 0, m->tile_bytes);
  for (int r = 0; r < RK_TILE && i * RK_TILE + r < m->n_out; r++) {
    int64_t row = (int64_t)i * RK_TILE + r;
    if (rk_wformat_is_float(m->format)) put_float_row(t, m, row, r, dst);
    else put_row(m->format, t->type, row_of(t, row), r, m->n_blocks, dst);
  }
}

/* ---- layout ---- */

enum { LAYOUT_TYPES = 64, LAYOUT_IN = 512, LAYOUT_BYTES = LAYOUT_IN * RK_TILE * 4 };

static uint64_t tile_checksum(uint64_t sum, uint32_t type, const uint8_t *bytes, uint8_t *tiles) {
  const struct rk_tensor_traits traits = rk_tensor_traits(type);
  const struct rk_gguf_tensor t = {.n_dims = 2, .ne = {LAYOUT_IN, RK_TILE, 1, 1}, .type = type, .data = bytes,
                                   .n_bytes = (uint64_t)LAYOUT_IN * RK_TILE / traits.block_len * traits.block_bytes};
  struct rk_matrix m;
  rk_matrix_shape(&t, false, &m);
  RK_ASSERT(m.tile_bytes <= LAYOUT_BYTES);
  m.tiles = tiles;
  rk_repack_tile(&t, &m, 0);
  return rk_checksum(sum ^ (uint64_t)m.format, tiles, m.tile_bytes);
}

/* Found by making a tile of every type, so that nobody has to remember a version. */
uint64_t rk_repack_layout(void) {
  uint8_t *bytes = malloc(2 * LAYOUT_BYTES);
  uint64_t sum = 1;
  if (!bytes) return 0;
  for (uint32_t i = 0; i < LAYOUT_BYTES; i++) bytes[i] = (uint8_t)(i * 2654435761u >> 24);
  for (uint32_t type = 0; type < LAYOUT_TYPES; type++)
    if (rk_tensor_traits(type).name) sum = tile_checksum(sum, type, bytes, bytes + LAYOUT_BYTES);
  free(bytes);
  return sum | 1;
}
