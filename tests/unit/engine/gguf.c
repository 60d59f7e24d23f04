/* The loader on a good small file, and on every way of being wrong that a
 * file can have: cut short, flipped bits, hostile counts, offsets, types. */
#include "fixture.h"

#include "base/buf.h"
#include "engine/gguf.h"

/* ---- a file made by hand ---- */

static void put_u32(struct rk_buf *b, uint32_t v) { rk_buf_add(b, &v, 4); }
static void put_u64(struct rk_buf *b, uint64_t v) { rk_buf_add(b, &v, 8); }
static void put_str(struct rk_buf *b, const char *s) { put_u64(b, strlen(s)), rk_buf_adds(b, s); }
static void put_key(struct rk_buf *b, const char *key, uint32_t type) { put_str(b, key), put_u32(b, type); }

static void put_header(struct rk_buf *b, uint64_t n_tensors, uint64_t n_kv) {
  rk_buf_init(b, 1 << 20);
  rk_buf_adds(b, "GGUF");
  put_u32(b, 3), put_u64(b, n_tensors), put_u64(b, n_kv);
}

static void put_tensor(struct rk_buf *b, const char *name, uint64_t ne0, uint64_t ne1, uint32_t type, uint64_t offset) {
  put_str(b, name), put_u32(b, 2), put_u64(b, ne0), put_u64(b, ne1), put_u32(b, type), put_u64(b, offset);
}

static void pad_to(struct rk_buf *b, size_t alignment, size_t more) {
  while (b->n % alignment) rk_buf_addc(b, 0);
  for (size_t i = 0; i < more; i++) rk_buf_addc(b, 'd');
}

static void good_file(struct rk_buf *b) {
  put_header(b, 2, 6);
  put_key(b, "s", RK_GGUF_STRING), put_str(b, "hello");
  put_key(b, "u", RK_GGUF_U32), put_u32(b, 7);
  put_key(b, "f", RK_GGUF_F32), put_u32(b, 0x3fc00000);
  put_key(b, "b", RK_GGUF_BOOL), rk_buf_addc(b, 1);
  put_key(b, "strings", RK_GGUF_ARRAY), put_u32(b, RK_GGUF_STRING), put_u64(b, 2), put_str(b, "x"), put_str(b, "");
  put_key(b, "ints", RK_GGUF_ARRAY), put_u32(b, RK_GGUF_I32), put_u64(b, 2), put_u32(b, 5), put_u32(b, UINT32_MAX);
  put_tensor(b, "t1", 32, 2, RK_Q4_0, 0);
  put_tensor(b, "t0", 4, 1, RK_F32, 64);
  pad_to(b, 32, 64 + 16);
}

static rk_err parse(const struct rk_buf *b, struct rk_gguf **g, struct rk_error *e) {
  return rk_gguf_parse((const uint8_t *)b->p, b->n, g, e);
}

static void test_good(void **state) {
  struct rk_buf b;
  struct rk_gguf *g;
  struct rk_error e = {0};
  good_file(&b);
  if (parse(&b, &g, &e) != RK_OK) fail_msg("%s", e.msg);
  rk_str s, strings[2];
  uint32_t u;
  float f;
  bool flag;
  int32_t ints[2];
  assert_true(rk_gguf_str(g, "s", &s) && rk_str_eq_c(s, "hello"));
  assert_true(rk_gguf_u32(g, "u", &u) && u == 7);
  assert_true(rk_gguf_f32(g, "f", &f) && f == 1.5f);
  assert_true(rk_gguf_bool(g, "b", &flag) && flag);
  assert_int_equal(rk_gguf_strings(g, "strings", strings, 2), 2);
  assert_true(rk_str_eq_c(strings[0], "x") && strings[1].n == 0);
  assert_int_equal(rk_gguf_strings(g, "strings", strings, 1), 1);
  assert_int_equal(rk_gguf_i32s(g, "ints", ints, 2), 2);
  assert_int_equal(ints[1], -1);
  assert_int_equal(rk_gguf_array_len(g, "ints", RK_GGUF_I32), 2);
  assert_int_equal(rk_gguf_array_len(g, "ints", RK_GGUF_STRING), -1);
  assert_false(rk_gguf_u32(g, "s", &u) || rk_gguf_str(g, "u", &s) || rk_gguf_f32(g, "none", &f));
  const struct rk_gguf_tensor *t = rk_gguf_tensor(g, "t1");
  assert_non_null(t);
  assert_int_equal(t->n_bytes, 36);
  assert_ptr_equal(t->data, g->base + g->data_offset);
  assert_null(rk_gguf_tensor(g, "t2"));
  rk_gguf_free(g);
  rk_buf_release(&b);
}

static void refused(struct rk_buf *b, const char *words) {
  struct rk_gguf *g;
  struct rk_error e = {0};
  rk_err err = parse(b, &g, &e);
  if (err != RK_EFORMAT || !strstr(e.msg, words)) fail_msg("expected \"%s\", got %d: %s", words, err, e.msg);
  assert_null(g);
  rk_buf_release(b);
}

static void test_hostile_counts(void **state) {
  struct rk_buf b;
  rk_buf_init(&b, 100), rk_buf_adds(&b, "GGML aaaaaaaaaaaaaaaaaaa"), refused(&b, "not a GGUF file");
  put_header(&b, 0, 0), b.p[4] = 2, refused(&b, "version 2");
  put_header(&b, UINT64_MAX, 0), refused(&b, "tensors, more than the limit");
  put_header(&b, 0, UINT64_MAX), refused(&b, "keys, more than the limit");
  put_header(&b, 0, 65536), refused(&b, "truncated");
  put_header(&b, 0, 1), put_u64(&b, UINT64_MAX), refused(&b, "a key in the model file claims");
  put_header(&b, 0, 1), put_key(&b, "k", 99), put_u64(&b, 0), refused(&b, "key k: value type 99");
  put_header(&b, 0, 1), put_key(&b, "k", RK_GGUF_STRING), put_u64(&b, 1u << 30), refused(&b, "more than the limit");
  put_header(&b, 0, 1), put_key(&b, "k", RK_GGUF_STRING), put_u64(&b, 1000), refused(&b, "truncated");
  put_header(&b, 0, 1), put_key(&b, "k", RK_GGUF_ARRAY), put_u32(&b, RK_GGUF_U64), put_u64(&b, UINT64_MAX / 8 + 2);
  refused(&b, "key k: an array of");
  put_header(&b, 0, 1), put_key(&b, "k", RK_GGUF_ARRAY), put_u32(&b, RK_GGUF_U64), put_u64(&b, 1u << 20);
  refused(&b, "truncated");
  put_header(&b, 0, 1), put_key(&b, "k", RK_GGUF_ARRAY), put_u32(&b, RK_GGUF_ARRAY), put_u64(&b, 1);
  refused(&b, "element type");
  put_header(&b, 0, 2);
  for (int i = 0; i < 2; i++) put_key(&b, "k", RK_GGUF_U32), put_u32(&b, 1);
  refused(&b, "key k stands twice");
  put_header(&b, 0, 1), put_key(&b, "general.alignment", RK_GGUF_U32), put_u32(&b, 3), refused(&b, "power of two");
}

static void test_hostile_tensors(void **state) {
  struct rk_buf b;
  put_header(&b, 1, 0), put_tensor(&b, "t", 32, 1, 99, 0), pad_to(&b, 32, 64), refused(&b, "tensor t has element type 99");
  put_header(&b, 1, 0), put_tensor(&b, "t", 33, 1, RK_Q4_0, 0), pad_to(&b, 32, 64), refused(&b, "whole blocks of Q4_0");
  put_header(&b, 1, 0), put_tensor(&b, "t", 288, 1, RK_IQ4_XS, 0), pad_to(&b, 32, 192), refused(&b, "whole blocks of IQ4_XS");
  put_header(&b, 1, 0), put_tensor(&b, "t", 256, 9, RK_Q3_K, 0), pad_to(&b, 32, 110), refused(&b, "larger than the file");
  put_header(&b, 1, 0), put_tensor(&b, "t", 0, 1, RK_F32, 0), pad_to(&b, 32, 64), refused(&b, "dimension 0 is 0");
  put_header(&b, 1, 0), put_tensor(&b, "t", 1ull << 40, 1ull << 40, RK_F32, 0), pad_to(&b, 32, 64);
  refused(&b, "can not be");
  put_header(&b, 1, 0), put_tensor(&b, "t", 1ull << 40, 4, RK_F32, 0), pad_to(&b, 32, 64), refused(&b, "larger than the file");
  put_header(&b, 1, 0), put_tensor(&b, "t", 4, 1, RK_F32, 1), pad_to(&b, 32, 64), refused(&b, "not a multiple of 32");
  put_header(&b, 1, 0), put_tensor(&b, "t", 4, 1, RK_F32, UINT64_MAX - 31), pad_to(&b, 32, 64), refused(&b, "past the end");
  put_header(&b, 1, 0), put_tensor(&b, "t", 4, 1, RK_F32, 64), pad_to(&b, 32, 64), refused(&b, "past the end");
  put_header(&b, 2, 0), put_tensor(&b, "t", 16, 1, RK_F32, 0), put_tensor(&b, "u", 4, 1, RK_F32, 32), pad_to(&b, 32, 64);
  refused(&b, "tensor u overlaps");
  put_header(&b, 2, 0), put_tensor(&b, "t", 4, 1, RK_F32, 0), put_tensor(&b, "t", 4, 1, RK_F32, 32), pad_to(&b, 32, 64);
  refused(&b, "stands twice");
  put_header(&b, 1, 0), put_str(&b, "t"), put_u32(&b, 5), pad_to(&b, 32, 64), refused(&b, "5 dimensions");
}

/* ---- a whole model ---- */

static uint8_t *read_model(const char *path, size_t *n) {
  struct rk_buf b;
  struct rk_error e = {0};
  rk_buf_init(&b, 64 << 20);
  if (rk_buf_read_file(&b, path, &e) != RK_OK) fail_msg("%s", e.msg);
  *n = b.n;
  return (uint8_t *)rk_buf_detach(&b);
}

static void write_file(const char *path, const void *p, size_t n) {
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(p, 1, n, f), n);
  assert_int_equal(fclose(f), 0);
}

static void test_cut_anywhere(void **state) {
  struct rk_buf b;
  struct rk_gguf *g;
  good_file(&b);
  for (size_t n = 0; n < b.n; n++) {
    struct rk_error e = {0};
    uint8_t *exact = malloc(n + 1);
    assert_non_null(exact);
    memcpy(exact, b.p, n);
    assert_int_equal(rk_gguf_parse(exact, n, &g, &e), RK_EFORMAT);
    assert_true(e.msg[0] != 0);
    free(exact);
  }
  rk_buf_release(&b);
  const char *path = tiny_model("qwen2");
  size_t n;
  uint8_t *p = read_model(path, &n);
  for (size_t cut = 0; cut < n; cut += 1 + n / 97) {
    struct rk_model *m;
    struct rk_error e = {0};
    write_file(path, p, cut);
    assert_int_equal(rk_model_open(path, &m, &e), RK_EFORMAT);
    assert_null(m);
  }
  free(p);
  unlink(path);
}

/* Flipped bits of the metadata are refused or read as another file; never a crash. */
static void test_flipped_bits(void **state) {
  const char *path = tiny_model("qwen3");
  size_t n, metadata = 12000;
  uint8_t *p = read_model(path, &n);
  struct rng r = {6};
  int refusals = 0;
  for (int i = 0; i < 300; i++) {
    size_t at = rng_below(&r, (uint32_t)metadata);
    uint8_t bit = (uint8_t)(1u << rng_below(&r, 8));
    struct rk_model *m;
    struct rk_error e = {0};
    p[at] ^= bit;
    write_file(path, p, n);
    if (rk_model_open(path, &m, &e) != RK_OK) refusals++;
    rk_model_close(m);
    p[at] ^= bit;
  }
  assert_true(refusals > 10);
  free(p);
  unlink(path);
}

static void test_wrong_models(void **state) {
  struct rk_model *m;
  struct rk_error e = {0};
  assert_int_equal(rk_model_open("/nonexistent/x.gguf", &m, &e), RK_ENOTFOUND);
  assert_int_equal(rk_model_open("/tmp", &m, &e), RK_EFORMAT);
  const char *path = tiny_model("qwen2");
  size_t n;
  uint8_t *p = read_model(path, &n);
  const struct { const char *find, *put, *words; } edits[] = {
    {"general.architecture", "general.architecturE", "general.architecture is missing"},
    {"qwen2.block_count", "qwen2.block_counT", "qwen2.block_count is missing"},
    {"blk.1.ffn_down.weight", "blk.1.ffn_doWn.weight", "tensor blk.1.ffn_down.weight is missing"},
    {"tokenizer.ggml.tokens", "tokenizer.ggml.tokenS", "tokenizer.ggml.tokens"},
    {"qwen2.block_count\4", "qwen2.block_count\6", "qwen2.block_count is missing or not a number"}, /* u32 read as f32 */
    {"output_norm.weight\1", "output_norm.weight\2", "tensor output_norm.weight"},
  };
  for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
    size_t len = strlen(edits[i].find);
    uint8_t *at = memmem(p, n, edits[i].find, len);
    assert_non_null(at);
    memcpy(at, edits[i].put, len);
    write_file(path, p, n);
    rk_err err = rk_model_open(path, &m, &e);
    if (err != RK_EFORMAT || !strstr(e.msg, edits[i].words)) fail_msg("%s: %d %s", edits[i].put, err, e.msg);
    memcpy(at, edits[i].find, len);
  }
  uint8_t *at = memmem(p, n, "qwen2", 5);
  memcpy(at, "llama", 5);
  write_file(path, p, n);
  assert_int_equal(rk_model_open(path, &m, &e), RK_EFORMAT);
  assert_non_null(strstr(e.msg, "architecture llama is not supported"));
  free(p);
  unlink(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_good),         cmocka_unit_test(test_hostile_counts), cmocka_unit_test(test_hostile_tensors),
    cmocka_unit_test(test_cut_anywhere), cmocka_unit_test(test_flipped_bits),   cmocka_unit_test(test_wrong_models),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
