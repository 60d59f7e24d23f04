#include "engine/gguf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "engine/bytes.h"

enum { DEFAULT_ALIGNMENT = 32, MAX_ALIGNMENT = 65536, MAX_NAME_BYTES = 1024 };

struct rk_tensor_traits rk_tensor_traits(uint32_t type) {
  switch (type) {
    case RK_F32: return (struct rk_tensor_traits){"F32", 1, 4};
    case RK_F16: return (struct rk_tensor_traits){"F16", 1, 2};
    case RK_BF16: return (struct rk_tensor_traits){"BF16", 1, 2};
    case RK_Q4_0: return (struct rk_tensor_traits){"Q4_0", 32, 18};
    case RK_Q4_1: return (struct rk_tensor_traits){"Q4_1", 32, 20};
    case RK_Q5_0: return (struct rk_tensor_traits){"Q5_0", 32, 22};
    case RK_Q5_1: return (struct rk_tensor_traits){"Q5_1", 32, 24};
    case RK_Q8_0: return (struct rk_tensor_traits){"Q8_0", 32, 34};
    case RK_Q2_K: return (struct rk_tensor_traits){"Q2_K", 256, 84};
    case RK_Q3_K: return (struct rk_tensor_traits){"Q3_K", 256, 110};
    case RK_Q4_K: return (struct rk_tensor_traits){"Q4_K", 256, 144};
    case RK_Q5_K: return (struct rk_tensor_traits){"Q5_K", 256, 176};
    case RK_Q6_K: return (struct rk_tensor_traits){"Q6_K", 256, 210};
    case RK_IQ4_NL: return (struct rk_tensor_traits){"IQ4_NL", 32, 18};
    case RK_IQ4_XS: return (struct rk_tensor_traits){"IQ4_XS", 256, 136};
    default: return (struct rk_tensor_traits){0};
  }
}

const char *rk_gguf_printable(rk_str name, char out[80]) {
  size_t n = name.n < 79 ? name.n : 79;
  for (size_t i = 0; i < n; i++) out[i] = name.p[i] >= ' ' && name.p[i] <= '~' ? name.p[i] : '?';
  out[n] = 0;
  return out;
}

/* ---- reading with bounds ---- */

struct reader {
  const uint8_t *base;
  size_t n, at;
  struct rk_error *e;
};

static rk_err truncated(struct reader *r, const char *what) {
  return rk_fail(r->e, RK_EFORMAT, "the model file ends inside %s (at byte %zu of %zu): it is truncated, pull it again",
                 what, r->at, r->n);
}

/* *p stays inside the file also when this fails, so that no caller can read wild. */
static rk_err take(struct reader *r, size_t bytes, const uint8_t **p, const char *what) {
  *p = r->base + r->at;
  if (r->n - r->at < bytes) return truncated(r, what);
  r->at += bytes;
  return RK_OK;
}

static rk_err take_u32(struct reader *r, uint32_t *v, const char *what) {
  const uint8_t *p;
  *v = 0;
  rk_err err = take(r, 4, &p, what);
  if (err == RK_OK) *v = rk_load_u32(p);
  return err;
}

static rk_err take_u64(struct reader *r, uint64_t *v, const char *what) {
  const uint8_t *p;
  *v = 0;
  rk_err err = take(r, 8, &p, what);
  if (err == RK_OK) *v = rk_load_u64(p);
  return err;
}

static rk_err take_string(struct reader *r, uint64_t max_bytes, rk_str *s, const char *what) {
  uint64_t n;
  *s = (rk_str){0};
  rk_err err = take_u64(r, &n, what);
  if (err != RK_OK) return err;
  if (n > max_bytes)
    return rk_fail(r->e, RK_EFORMAT, "%s in the model file claims %llu bytes, more than the limit of %llu", what,
                   (unsigned long long)n, (unsigned long long)max_bytes);
  const uint8_t *p;
  err = take(r, (size_t)n, &p, what);
  if (err == RK_OK) *s = (rk_str){(const char *)p, (size_t)n};
  return err;
}

/* Bytes of a scalar of that type; 0 for strings, arrays and unknown numbers. */
static size_t scalar_bytes(uint32_t type) {
  static const uint8_t bytes[] = {
    [RK_GGUF_U8] = 1,  [RK_GGUF_I8] = 1,   [RK_GGUF_U16] = 2,    [RK_GGUF_I16] = 2,
    [RK_GGUF_U32] = 4, [RK_GGUF_I32] = 4,  [RK_GGUF_F32] = 4,    [RK_GGUF_BOOL] = 1,
    [RK_GGUF_STRING] = 0, [RK_GGUF_ARRAY] = 0, [RK_GGUF_U64] = 8, [RK_GGUF_I64] = 8, [RK_GGUF_F64] = 8,
  };
  return type < sizeof bytes ? bytes[type] : 0;
}

/* ---- metadata ---- */

static rk_err take_strings(struct reader *r, uint64_t n) {
  for (uint64_t i = 0; i < n; i++) {
    rk_str s;
    rk_err err = take_string(r, RK_MAX_GGUF_STRING_BYTES, &s, "a string of an array");
    if (err != RK_OK) return err;
  }
  return RK_OK;
}

static rk_err take_array(struct reader *r, struct rk_gguf_kv *kv, const char *key) {
  rk_err err = take_u32(r, &kv->elem_type, "an array");
  if (err == RK_OK) err = take_u64(r, &kv->n, "an array");
  if (err != RK_OK) return err;
  if (kv->n > RK_MAX_GGUF_ARRAY)
    return rk_fail(r->e, RK_EFORMAT, "key %s: an array of %llu elements is more than the limit of %d", key,
                   (unsigned long long)kv->n, RK_MAX_GGUF_ARRAY);
  kv->value = r->base + r->at;
  if (kv->elem_type == RK_GGUF_STRING) return take_strings(r, kv->n);
  size_t size = scalar_bytes(kv->elem_type);
  if (size == 0) return rk_fail(r->e, RK_EFORMAT, "key %s: array element type %u is not known", key, kv->elem_type);
  const uint8_t *p;
  return take(r, (size_t)kv->n * size, &p, "an array");
}

static rk_err take_kv(struct reader *r, struct rk_gguf_kv *kv) {
  char name[80];
  rk_err err = take_string(r, MAX_NAME_BYTES, &kv->key, "a key");
  if (err == RK_OK) err = take_u32(r, &kv->type, "a key's type");
  if (err != RK_OK) return err;
  rk_gguf_printable(kv->key, name);
  kv->n = 1;
  kv->value = r->base + r->at;
  if (kv->type == RK_GGUF_ARRAY) return take_array(r, kv, name);
  if (kv->type == RK_GGUF_STRING) {
    rk_str s;
    return take_string(r, RK_MAX_GGUF_STRING_BYTES, &s, name);
  }
  size_t size = scalar_bytes(kv->type);
  if (size == 0) return rk_fail(r->e, RK_EFORMAT, "key %s: value type %u is not known", name, kv->type);
  const uint8_t *p;
  return take(r, size, &p, name);
}

static int compare_str(rk_str a, rk_str b) {
  size_t n = a.n < b.n ? a.n : b.n;
  int c = n ? memcmp(a.p, b.p, n) : 0;
  return c ? c : (a.n > b.n) - (a.n < b.n);
}

static int by_key(const void *a, const void *b) {
  return compare_str(((const struct rk_gguf_kv *)a)->key, ((const struct rk_gguf_kv *)b)->key);
}

static rk_err take_metadata(struct reader *r, struct rk_gguf *g) {
  for (uint64_t i = 0; i < g->n_kv; i++) {
    rk_err err = take_kv(r, &g->kv[i]);
    if (err != RK_OK) return err;
  }
  if (g->n_kv) qsort(g->kv, g->n_kv, sizeof *g->kv, by_key);
  for (uint64_t i = 1; i < g->n_kv; i++)
    if (rk_str_eq(g->kv[i - 1].key, g->kv[i].key)) {
      char name[80];
      return rk_fail(r->e, RK_EFORMAT, "key %s stands twice in the model file", rk_gguf_printable(g->kv[i].key, name));
    }
  return RK_OK;
}

/* ---- tensors ---- */

static rk_err tensor_size(struct reader *r, struct rk_gguf_tensor *t, const char *name) {
  struct rk_tensor_traits traits = rk_tensor_traits(t->type);
  if (!traits.name)
    return rk_fail(r->e, RK_EFORMAT,
                   "tensor %s has element type %u, which rukou does not compute with; take a Q4_K_M or Q8_0 file", name,
                   t->type);
  uint64_t n = 1;
  for (uint32_t d = 0; d < 4; d++) {
    if (t->ne[d] == 0 || t->ne[d] > (uint64_t)1 << 40 || __builtin_mul_overflow(n, t->ne[d], &n))
      return rk_fail(r->e, RK_EFORMAT, "tensor %s: dimension %u is %llu, which can not be", name, d,
                     (unsigned long long)t->ne[d]);
  }
  if (t->ne[0] % traits.block_len)
    return rk_fail(r->e, RK_EFORMAT, "tensor %s: rows of %llu elements are not whole blocks of %s", name,
                   (unsigned long long)t->ne[0], traits.name);
  if (__builtin_mul_overflow(n / traits.block_len, (uint64_t)traits.block_bytes, &t->n_bytes) || t->n_bytes > r->n)
    return rk_fail(r->e, RK_EFORMAT, "tensor %s is larger than the file: it is truncated, pull it again", name);
  return RK_OK;
}

static rk_err take_tensor(struct reader *r, struct rk_gguf_tensor *t) {
  char name[80];
  rk_err err = take_string(r, MAX_NAME_BYTES, &t->name, "a tensor's name");
  if (err == RK_OK) err = take_u32(r, &t->n_dims, "a tensor's shape");
  if (err != RK_OK) return err;
  rk_gguf_printable(t->name, name);
  if (t->n_dims < 1 || t->n_dims > 4)
    return rk_fail(r->e, RK_EFORMAT, "tensor %s: %u dimensions (1 to 4 are possible)", name, t->n_dims);
  for (uint32_t d = 0; d < 4; d++) t->ne[d] = 1;
  for (uint32_t d = 0; d < t->n_dims && err == RK_OK; d++) err = take_u64(r, &t->ne[d], "a tensor's shape");
  if (err == RK_OK) err = take_u32(r, &t->type, "a tensor's type");
  if (err == RK_OK) err = take_u64(r, &t->offset, "a tensor's offset");
  return err == RK_OK ? tensor_size(r, t, name) : err;
}

static int by_name(const void *a, const void *b) {
  return compare_str(((const struct rk_gguf_tensor *)a)->name, ((const struct rk_gguf_tensor *)b)->name);
}

static int by_offset(const void *a, const void *b) {
  uint64_t x = ((const struct rk_gguf_tensor *)a)->offset, y = ((const struct rk_gguf_tensor *)b)->offset;
  return (x > y) - (x < y);
}

static rk_err place_tensors(struct reader *r, struct rk_gguf *g, uint64_t alignment) {
  char name[80];
  for (uint64_t i = 0; i < g->n_tensors; i++) {
    struct rk_gguf_tensor *t = &g->tensors[i];
    if (t->offset % alignment)
      return rk_fail(r->e, RK_EFORMAT, "tensor %s: offset %llu is not a multiple of %llu",
                     rk_gguf_printable(t->name, name), (unsigned long long)t->offset, (unsigned long long)alignment);
    if (t->offset > r->n - g->data_offset || t->n_bytes > r->n - g->data_offset - t->offset)
      return rk_fail(r->e, RK_EFORMAT, "tensor %s reaches past the end of the file: it is truncated, pull it again",
                     rk_gguf_printable(t->name, name));
    t->offset += g->data_offset;
    t->data = r->base + t->offset;
  }
  if (g->n_tensors) qsort(g->tensors, g->n_tensors, sizeof *g->tensors, by_offset);
  for (uint64_t i = 1; i < g->n_tensors; i++)
    if (g->tensors[i - 1].offset + g->tensors[i - 1].n_bytes > g->tensors[i].offset)
      return rk_fail(r->e, RK_EFORMAT, "tensor %s overlaps the one before it",
                     rk_gguf_printable(g->tensors[i].name, name));
  if (g->n_tensors) qsort(g->tensors, g->n_tensors, sizeof *g->tensors, by_name);
  for (uint64_t i = 1; i < g->n_tensors; i++)
    if (rk_str_eq(g->tensors[i - 1].name, g->tensors[i].name))
      return rk_fail(r->e, RK_EFORMAT, "tensor %s stands twice in the model file",
                     rk_gguf_printable(g->tensors[i].name, name));
  return RK_OK;
}

static rk_err take_tensors(struct reader *r, struct rk_gguf *g) {
  for (uint64_t i = 0; i < g->n_tensors; i++) {
    rk_err err = take_tensor(r, &g->tensors[i]);
    if (err != RK_OK) return err;
  }
  uint32_t alignment = DEFAULT_ALIGNMENT;
  if (rk_gguf_find(g, "general.alignment") && !rk_gguf_u32(g, "general.alignment", &alignment))
    return rk_fail(r->e, RK_EFORMAT, "key general.alignment is not a number");
  if (alignment == 0 || alignment > MAX_ALIGNMENT || alignment & (alignment - 1))
    return rk_fail(r->e, RK_EFORMAT, "key general.alignment: %u is not a power of two up to %d", alignment,
                   MAX_ALIGNMENT);
  size_t pad = (alignment - r->at % alignment) % alignment;
  if (r->n - r->at < pad) {
    if (g->n_tensors) return truncated(r, "the padding before the tensors");
    pad = 0;
  }
  g->data_offset = r->at + pad;
  return place_tensors(r, g, alignment);
}

static rk_err take_header(struct reader *r, struct rk_gguf *g) {
  const uint8_t *magic;
  uint32_t version;
  rk_err err = take(r, 4, &magic, "its header");
  if (err != RK_OK) return err;
  if (memcmp(magic, "GGUF", 4) != 0)
    return rk_fail(r->e, RK_EFORMAT, "this is not a GGUF file (it does not begin with GGUF)");
  err = take_u32(r, &version, "its header");
  if (err == RK_OK) err = take_u64(r, &g->n_tensors, "its header");
  if (err == RK_OK) err = take_u64(r, &g->n_kv, "its header");
  if (err != RK_OK) return err;
  if (version != 3) return rk_fail(r->e, RK_EFORMAT, "GGUF version %u is not supported, only 3", version);
  if (g->n_tensors > RK_MAX_GGUF_TENSORS)
    return rk_fail(r->e, RK_EFORMAT, "the model file claims %llu tensors, more than the limit of %d",
                   (unsigned long long)g->n_tensors, RK_MAX_GGUF_TENSORS);
  if (g->n_kv > RK_MAX_GGUF_KEYS)
    return rk_fail(r->e, RK_EFORMAT, "the model file claims %llu keys, more than the limit of %d",
                   (unsigned long long)g->n_kv, RK_MAX_GGUF_KEYS);
  return RK_OK;
}

static rk_err parse(struct reader *r, struct rk_gguf *g) {
  rk_err err = take_header(r, g);
  if (err != RK_OK) return err;
  g->kv = calloc(g->n_kv + 1, sizeof *g->kv);
  g->tensors = calloc(g->n_tensors + 1, sizeof *g->tensors);
  if (!g->kv || !g->tensors) return rk_fail(r->e, RK_ENOMEM, "no memory for the model file's tables");
  err = take_metadata(r, g);
  return err == RK_OK ? take_tensors(r, g) : err;
}

rk_err rk_gguf_parse(const uint8_t *p, size_t n, struct rk_gguf **out, struct rk_error *e) {
  *out = NULL;
  struct rk_gguf *g = calloc(1, sizeof *g);
  if (!g) return rk_fail(e, RK_ENOMEM, "no memory for the model file's tables");
  g->base = p;
  g->n_bytes = n;
  struct reader r = {p, n, 0, e};
  rk_err err = parse(&r, g);
  if (err != RK_OK) {
    rk_gguf_free(g);
    return err;
  }
  *out = g;
  return RK_OK;
}

static rk_err map_file(const char *path, const uint8_t **p, size_t *n, struct rk_error *e) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    rk_err code = errno == ENOENT || errno == ENOTDIR ? RK_ENOTFOUND : RK_EIO;
    return rk_fail(e, code, "model file %s: %s", path, strerror(errno));
  }
  struct stat st;
  rk_err err = RK_OK;
  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
    err = rk_fail(e, RK_EFORMAT, "model file %s is not a regular file", path);
  } else if (st.st_size == 0) {
    err = rk_fail(e, RK_EFORMAT, "model file %s is empty: pull it again", path);
  } else {
    void *m = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (m == MAP_FAILED) err = rk_fail(e, RK_EIO, "model file %s can not be mapped: %s", path, strerror(errno));
    else *p = m, *n = (size_t)st.st_size;
  }
  close(fd);
  return err;
}

rk_err rk_gguf_open(const char *path, struct rk_gguf **out, struct rk_error *e) {
  const uint8_t *p = NULL;
  size_t n = 0;
  *out = NULL;
  rk_err err = map_file(path, &p, &n, e);
  if (err != RK_OK) return err;
  err = rk_gguf_parse(p, n, out, e);
  if (err == RK_OK) {
    (*out)->mapped = true;
    return RK_OK;
  }
  munmap((void *)(uintptr_t)p, n);
  return err;
}

void rk_gguf_free(struct rk_gguf *g) {
  if (!g) return;
  if (g->mapped) munmap((void *)(uintptr_t)g->base, g->n_bytes);
  free(g->kv);
  free(g->tensors);
  free(g);
}

/* ---- look-up ---- */

const struct rk_gguf_kv *rk_gguf_find(const struct rk_gguf *g, const char *key) {
  struct rk_gguf_kv probe = {.key = rk_str_c(key)};
  return g->n_kv ? bsearch(&probe, g->kv, g->n_kv, sizeof *g->kv, by_key) : NULL;
}

const struct rk_gguf_tensor *rk_gguf_tensor(const struct rk_gguf *g, const char *name) {
  struct rk_gguf_tensor probe = {.name = rk_str_c(name)};
  return g->n_tensors ? bsearch(&probe, g->tensors, g->n_tensors, sizeof *g->tensors, by_name) : NULL;
}

static bool load_integer(uint32_t type, const uint8_t *p, int64_t *out) {
  uint64_t v = 0;
  size_t n = scalar_bytes(type);
  memcpy(&v, p, n);
  switch (type) {
    case RK_GGUF_U8: case RK_GGUF_U16: case RK_GGUF_U32: *out = (int64_t)v; return true;
    case RK_GGUF_I8: *out = (int8_t)v; return true;
    case RK_GGUF_I16: *out = (int16_t)v; return true;
    case RK_GGUF_I32: *out = (int32_t)v; return true;
    case RK_GGUF_I64: *out = (int64_t)v; return true;
    case RK_GGUF_U64: *out = (int64_t)v; return v <= INT64_MAX;
    default: return false;
  }
}

bool rk_gguf_u32(const struct rk_gguf *g, const char *key, uint32_t *out) {
  const struct rk_gguf_kv *kv = rk_gguf_find(g, key);
  int64_t v;
  if (!kv || !load_integer(kv->type, kv->value, &v) || v < 0 || v > UINT32_MAX) return false;
  *out = (uint32_t)v;
  return true;
}

bool rk_gguf_f32(const struct rk_gguf *g, const char *key, float *out) {
  const struct rk_gguf_kv *kv = rk_gguf_find(g, key);
  if (!kv) return false;
  if (kv->type == RK_GGUF_F32) {
    memcpy(out, kv->value, sizeof *out);
    return true;
  }
  if (kv->type != RK_GGUF_F64) return false;
  double d;
  memcpy(&d, kv->value, sizeof d);
  if (!(d >= -3.4e38 && d <= 3.4e38)) return false;
  *out = (float)d;
  return true;
}

bool rk_gguf_bool(const struct rk_gguf *g, const char *key, bool *out) {
  const struct rk_gguf_kv *kv = rk_gguf_find(g, key);
  if (!kv || kv->type != RK_GGUF_BOOL) return false;
  *out = *kv->value != 0;
  return true;
}

bool rk_gguf_str(const struct rk_gguf *g, const char *key, rk_str *out) {
  const struct rk_gguf_kv *kv = rk_gguf_find(g, key);
  if (!kv || kv->type != RK_GGUF_STRING) return false;
  *out = (rk_str){(const char *)kv->value + 8, (size_t)rk_load_u64(kv->value)};
  return true;
}

static const struct rk_gguf_kv *find_array(const struct rk_gguf *g, const char *key, uint32_t elem_type) {
  const struct rk_gguf_kv *kv = rk_gguf_find(g, key);
  return kv && kv->type == RK_GGUF_ARRAY && kv->elem_type == elem_type ? kv : NULL;
}

int64_t rk_gguf_array_len(const struct rk_gguf *g, const char *key, enum rk_gguf_type elem_type) {
  const struct rk_gguf_kv *kv = find_array(g, key, elem_type);
  return kv ? (int64_t)kv->n : -1;
}

int64_t rk_gguf_strings(const struct rk_gguf *g, const char *key, rk_str *out, size_t cap) {
  const struct rk_gguf_kv *kv = find_array(g, key, RK_GGUF_STRING);
  if (!kv) return -1;
  size_t n = kv->n < cap ? (size_t)kv->n : cap;
  const uint8_t *p = kv->value;
  for (size_t i = 0; i < n; i++) {
    out[i] = (rk_str){(const char *)p + 8, (size_t)rk_load_u64(p)};
    p += 8 + out[i].n;
  }
  return (int64_t)n;
}

int64_t rk_gguf_i32s(const struct rk_gguf *g, const char *key, int32_t *out, size_t cap) {
  const struct rk_gguf_kv *kv = find_array(g, key, RK_GGUF_I32);
  if (!kv) kv = find_array(g, key, RK_GGUF_U32);
  if (!kv) return -1;
  size_t n = kv->n < cap ? (size_t)kv->n : cap;
  memcpy(out, kv->value, n * sizeof *out);
  return (int64_t)n;
}
