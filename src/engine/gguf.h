/* gguf.h - a GGUF v3 file, validated once, then read without checks.
 *
 * Everything the file says (counts, lengths, types, strings, offsets, sizes,
 * alignment, overlaps) is compared with the file's length before it is used;
 * what rk_gguf_parse() accepts may be read through this header freely. All
 * slices and pointers borrow from the mapping and live as long as rk_gguf.
 *
 * Immutable, any thread. Limits: RK_MAX_GGUF_*. */
#ifndef RK_ENGINE_GGUF_H
#define RK_ENGINE_GGUF_H

#include "base/err.h"
#include "base/str.h"

enum rk_gguf_type {
  RK_GGUF_U8, RK_GGUF_I8, RK_GGUF_U16, RK_GGUF_I16, RK_GGUF_U32, RK_GGUF_I32, RK_GGUF_F32,
  RK_GGUF_BOOL, RK_GGUF_STRING, RK_GGUF_ARRAY, RK_GGUF_U64, RK_GGUF_I64, RK_GGUF_F64,
};

/* Tensor element types that the engine computes with (values of the format). */
enum rk_tensor_type {
  RK_F32 = 0, RK_F16 = 1, RK_Q4_0 = 2, RK_Q4_1 = 3, RK_Q5_0 = 6, RK_Q5_1 = 7, RK_Q8_0 = 8,
  RK_Q2_K = 10, RK_Q3_K = 11, RK_Q4_K = 12, RK_Q5_K = 13, RK_Q6_K = 14,
  RK_IQ4_NL = 20, RK_IQ4_XS = 23, RK_BF16 = 30,
};

struct rk_tensor_traits {
  const char *name;     /* NULL: not a supported type */
  uint32_t block_len;   /* elements in a block */
  uint32_t block_bytes;
};
/* Of any number a file may hold; name is NULL when it is not supported. */
struct rk_tensor_traits rk_tensor_traits(uint32_t type);

struct rk_gguf_kv {
  rk_str key;
  uint32_t type;        /* enum rk_gguf_type */
  uint32_t elem_type;   /* of an array */
  uint64_t n;           /* elements of an array, else 1 */
  const uint8_t *value; /* unaligned, little endian; a string starts with its u64 length */
};

struct rk_gguf_tensor {
  rk_str name;
  uint32_t n_dims;
  uint64_t ne[4];       /* ne[0] runs fastest; unused dimensions are 1 */
  uint32_t type;        /* enum rk_tensor_type */
  uint64_t offset;      /* from the start of the file */
  uint64_t n_bytes;
  const uint8_t *data;
};

struct rk_gguf {
  const uint8_t *base;
  size_t n_bytes;
  bool mapped;          /* base is a mapping of ours */
  uint64_t n_kv, n_tensors;
  struct rk_gguf_kv *kv;            /* [n_kv] sorted by key */
  struct rk_gguf_tensor *tensors;   /* [n_tensors] sorted by name */
  uint64_t data_offset;
};

rk_err rk_gguf_open(const char *path, struct rk_gguf **out, struct rk_error *e) RK_MUST_USE;
/* Over the caller's bytes, which must outlive the result (tests, fuzzing). */
rk_err rk_gguf_parse(const uint8_t *p, size_t n, struct rk_gguf **out, struct rk_error *e) RK_MUST_USE;
void rk_gguf_free(struct rk_gguf *g);

const struct rk_gguf_kv *rk_gguf_find(const struct rk_gguf *g, const char *key);
const struct rk_gguf_tensor *rk_gguf_tensor(const struct rk_gguf *g, const char *name);

/* False when the key is absent or of another type. Integers of any width and
 * sign are accepted where the value fits. */
bool rk_gguf_u32(const struct rk_gguf *g, const char *key, uint32_t *out);
bool rk_gguf_f32(const struct rk_gguf *g, const char *key, float *out);
bool rk_gguf_bool(const struct rk_gguf *g, const char *key, bool *out);
bool rk_gguf_str(const struct rk_gguf *g, const char *key, rk_str *out);
/* Number of elements of an array with that element type, or -1. */
int64_t rk_gguf_array_len(const struct rk_gguf *g, const char *key, enum rk_gguf_type elem_type);
/* Copies an array of strings or of i32/u32; returns the number written (<= cap), -1 when it is none. */
int64_t rk_gguf_strings(const struct rk_gguf *g, const char *key, rk_str *out, size_t cap);
int64_t rk_gguf_i32s(const struct rk_gguf *g, const char *key, int32_t *out, size_t cap);

/* Name of a key or tensor made printable for a message. */
const char *rk_gguf_printable(rk_str name, char out[80]);

#endif
