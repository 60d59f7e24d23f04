/* kernels.h - the table of compute functions, one set per instruction set (internal).
 *
 * A set is chosen once at start (rk_kernels_select). All sets work on the same
 * memory layouts and do the same arithmetic in the same order, so they agree
 * bit by bit; scalar.c is the definition and reads like one.
 *
 * Weights: "tiles" of 16 rows, made once at load by repack.c. A tile is a
 * sequence of blocks along the inputs, 32 inputs each; formats with 256-wide
 * blocks have a header in front of every eight. In a block, group g (0..7) is
 * the four inputs 4g..4g+3 of the 16 rows: byte 4*row + i. Quants are unsigned.
 *
 *   low4  256 bytes  vector j (0..3): low nibbles group j, high nibbles group j+4
 *   five  320 bytes  vector j (0..4): bits 0-4 group j; bits 5-7 of vectors 0, 1, 2: bits 0-2 of
 *                    groups 5, 6, 7; bits 5-6 of vectors 3, 4: bits 3-4 of groups 5, 6; bit 7 of
 *                    vectors 3, 4: bits 3, 4 of group 7
 *   six   384 bytes  vector j (0..5): bits 0-5 group j; bits 6-7 of vectors 0, 1, 2: bits 0-1, 2-3,
 *                    4-5 of group 6; of vectors 3, 4, 5: of group 7
 *   byte  512 bytes  vector g: group g
 *   bit3   64 bytes  bit g of a byte: third bit of group g
 *   low2  128 bytes  vector p (0..1): bits 2j,2j+1 belong to group 4p+j
 *
 *   RK_W_4S  f16 d[16]; low4             w = d * (q - 8)             Q4_0
 *   RK_W_4M  f16 d[16], m[16]; low4      w = d * q + m               Q4_1
 *   RK_W_5S  f16 d[16]; five             w = d * (q - 16)            Q5_0
 *   RK_W_5M  f16 d[16], m[16]; five                                  Q5_1
 *   RK_W_8S  f16 d[16]; byte             w = d * (q - 128)           Q8_0
 *   RK_W_4K  f16 D[16], M[16]; 8 x { u8 s[16], m[16]; low4 }         Q4_K
 *   RK_W_5K  same with five in place of low4     w = D*s*q - M*m     Q5_K
 *   RK_W_6K  f16 D[16]; 8 x { i8 s[2][16]; six }                     Q6_K
 *                                        w = D * s[half] * (q - 32)
 *   RK_W_2K  f16 D[16], M[16]; 8 x { u8 sm[2][16]; low2 }            Q2_K
 *            s = sm & 15, m = sm >> 4    w = D*s[half]*q - M*m[half]
 *   RK_W_3K  f16 D[16]; 8 x { i8 s[2][16]; bit3; low2 }              Q3_K
 *                                        w = D * s[half] * (q - 4)
 *   RK_W_4N  f16 d[16]; low4             w = d * rk_iq4_values[q]    IQ4_NL
 *   RK_W_4X  f16 D[16]; 8 x { i8 s[16]; low4 }                       IQ4_XS
 *                                        w = D * s * rk_iq4_values[q]
 *   RK_W_F32, RK_W_F16, RK_W_BF16: per input the 16 values of the rows
 *
 * Activations: T tokens (1, 2, 4 or 8) interleaved, a sequence of blocks:
 *
 *   i8 q[8][T][4]   group, token, input: x ~ d * q
 *   f32 d[T]
 *   f32 dsum[T]     d * (sum of the block's q)
 *   i32 nsum[2][T]  minus the sum of q, of inputs 0..15 and 16..31
 *
 * or, for the float formats, f32 x[T] per input.
 *
 * Result of a tile: out[T][16]. Order of the float additions: one accumulator
 * a row, blocks in order; each integer sum is exact:
 *   acc += (float)isum * (s * d);  acc += m * dsum  (formats with a minimum)
 * where a half of a block has a scale of its own (2K, 3K, 6K), isum is the sum
 * of both times their scales and s is D; 2K then does the same with the sums
 * of its minima: acc += (float)(m[0] * nsum[0] + m[1] * nsum[1]) * (M * d) */
#ifndef RK_ENGINE_KERNELS_H
#define RK_ENGINE_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RK_TILE = 16, RK_BLOCK = 32, RK_SUPER = 8 }; /* rows; inputs; blocks behind a header */

enum rk_wformat {
  RK_W_F32, RK_W_F16, RK_W_BF16, RK_W_4S, RK_W_4M, RK_W_5S, RK_W_5M, RK_W_8S, RK_W_4K, RK_W_5K, RK_W_6K,
  RK_W_2K, RK_W_3K, RK_W_4N, RK_W_4X, RK_W_COUNT
};

/* What the 16 quants of IQ4_NL and IQ4_XS stand for. */
extern const int8_t rk_iq4_values[16];

static inline bool rk_wformat_is_float(enum rk_wformat f) { return f <= RK_W_BF16; }

/* Token counts with a kernel of their own. */
enum rk_tcount { RK_T1, RK_T2, RK_T4, RK_T8, RK_T_COUNT };
enum { RK_MAX_T = 8 };
static inline int32_t rk_tcount_n(enum rk_tcount t) { return 1 << t; }
/* The one that takes most of n tokens at once. */
static inline enum rk_tcount rk_tcount_for(int32_t n) { return n == 1 ? RK_T1 : n == 2 ? RK_T2 : n <= 4 ? RK_T4 : RK_T8; }

/* Bytes of one activation block of T tokens. */
static inline size_t rk_act_block_bytes(int32_t t) { return (size_t)t * (RK_BLOCK + 16); }
/* Bytes of a tile of 16 rows and n_blocks blocks of inputs. */
size_t rk_tile_bytes(enum rk_wformat f, int32_t n_blocks);

/* One tile times T tokens. */
typedef void rk_tile_fn(const uint8_t *w, const uint8_t *act, int32_t n_blocks, float *out);

/* Keys, values or both in Q8_0: groups of 32 along the head (the last may be 16), G of them.
 *   k  [64/16] x { i8 q[head_dim][16]; f16 d[G][16] }
 *   v  [64] x { i8 q[head_dim]; f16 d[G] }
 * Read as f16: d * q, for k plus its rotated bias, rounded to f16 (kv8.h). */
struct rk_kv8 {
  bool k, v;
  const float *k_bias; /* [head_dim] of the key head, not rotated; NULL: it has none */
  const float *rope;   /* [n_ctx/16][head_dim/2][2][16] cosines and sines of 16 positions; with k_bias */
};
/* Bytes of a position of one head. */
static inline size_t rk_kv8_row_bytes(int32_t head_dim) {
  return (size_t)(head_dim + 2 * ((head_dim + RK_BLOCK - 1) / RK_BLOCK));
}

/* Attention of n_q queries that read the same key head; each sees positions
 * 0..n_pos[i)-1. Position p lies in blocks[p / RK_ATTN_BLOCK], where this head has
 *   k_at: k  [RK_ATTN_BLOCK/16][head_dim][16]  16 positions side by side
 *   v_at: v  [RK_ATTN_BLOCK][head_dim]
 * Scores come block by block, combined in order by the running maximum; in a
 * block lane j holds positions j, j+16, ... */
enum { RK_ATTN_BLOCK = 64, RK_ATTN_GROUP = 8 }; /* positions; queries that a set may take together */
struct rk_attn {
  int32_t head_dim;
  int32_t n_q;
  const int32_t *n_pos;   /* [n_q] */
  const float *const *q;  /* [n_q] -> [head_dim], times log2(e) / sqrt(head_dim): a weight is 2^score */
  float *const *out;      /* [n_q] -> [head_dim] */
  const uint8_t *const *blocks;
  size_t k_at, v_at;      /* bytes; f16, or f32 for attn_f32 */
  const struct rk_kv8 *kv8; /* NULL: neither is in Q8_0 */
  float *scratch;         /* rk_attn_scratch_floats(n_q, head_dim) */
};
size_t rk_attn_scratch_floats(int32_t n_q, int32_t head_dim);

struct rk_kernels {
  const char *name;
  rk_tile_fn *tile[RK_W_COUNT][RK_T_COUNT];
  /* Quantizes block b of token t (x: [32]) into an activation block of T tokens. */
  void (*quantize)(const float *x, int32_t t, int32_t T, uint8_t *block);
  void (*rms_norm)(const float *x, const float *w, int32_t n, float eps, float *out); /* n % 16 == 0 */
  void (*silu_mul)(float *gate, const float *up, int32_t n);                          /* n % 16 == 0 */
  void (*f32_to_f16)(const float *x, int32_t n, uint16_t *out);                       /* n % 16 == 0 */
  void (*attn)(const struct rk_attn *a);
  /* One position of a gated delta net's head (deltanet.h): state [dim][dim], keys by values, is decayed, corrected
   * towards v at k by beta, and read at q. dim % 16 == 0. */
  void (*delta)(float *state, const float *q, const float *k, const float *v, float decay, float beta, int32_t dim,
                float *out);
};

extern const struct rk_kernels rk_kernels_scalar;
void rk_attn_f32_scalar(const struct rk_attn *a); /* float path: k and v are f32 */
#if defined(__x86_64__)
extern const struct rk_kernels rk_kernels_avx2;
extern const struct rk_kernels rk_kernels_avx512;
#endif

/* Best set of this processor that passes its self-test, or the one of that
 * name; NULL when the name is unknown or the processor lacks it. */
const struct rk_kernels *rk_kernels_select(const char *name);
/* Compares k with the scalar set on a few blocks of every format. */
bool rk_kernels_self_test(const struct rk_kernels *k);

#endif
