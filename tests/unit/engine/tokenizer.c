/* Byte-level BPE over a small vocabulary: words, merges, special tokens, hostile files. The real vocabulary is
 * compared with reference values by `rukou verify tokens`. */
#include "engine/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/limits.h"
#include "engine/model.h"
#include "engine/tiny_vocab.h"

static struct rk_buf file;
static struct rk_gguf *gguf;
static struct rk_model model;

static int setup(void **state) {
  struct rk_error e;
  rk_buf_init(&file, 1 << 20);
  tiny_gguf(&file, (struct tiny_fault){0});
  assert_int_equal(rk_gguf_parse((const uint8_t *)file.p, file.n, &gguf, &e), RK_OK);
  assert_int_equal(rk_tokenizer_new(gguf, &model.tok, &e), RK_OK);
  return 0;
}

static int teardown(void **state) {
  rk_tokenizer_free(model.tok);
  rk_gguf_free(gguf);
  rk_buf_release(&file);
  return 0;
}

/* The tokens' bytes with | between them. */
static void cut(rk_str text, bool trusted, char *out, size_t size) {
  static int32_t ids[4096];
  int32_t n = rk_tokenize(&model, text, trusted, ids, 4096);
  assert_true(n >= 0 && n <= 4096);
  size_t at = 0;
  for (int32_t i = 0; i < n; i++) {
    rk_str b = rk_token_bytes(&model, ids[i]);
    at += (size_t)snprintf(out + at, size - at, "%s%.*s", i ? "|" : "", RK_STR_ARG(b));
  }
  if (n == 0) out[0] = 0;
}

static void merges_lowest_rank_first_leftmost_of_equals(void **state) {
  static const struct { const char *text, *tokens; } cases[] = {
    {"", ""}, {"hello", "hello"}, {"hell", "hell"}, {"he", "he"}, {"helo", "he|l|o"}, {"helllo", "hell|l|o"},
    {"a", "a"}, {"aaa", "aa|a"}, {"aaaaa", "aaaa|a"}, {"aaaaaaa", "aaaa|aa|a"}, {"hello world", "hello| w|o|r|l|d"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char got[256];
    cut(rk_str_c(cases[i].text), false, got, sizeof got);
    assert_string_equal(got, cases[i].tokens);
  }
}

/* Merges never cross a word's border: "l l" merges inside "ll" only. */
static void words_are_cut_before_merging(void **state) {
  static const struct { const char *text, *tokens; } cases[] = {
    {"we'll", "w|e|'|ll"},        /* 'll is a word of its own, its ll merges */
    {"hE'LLo", "h|E|'|L|L|o"},    /* the ending is taken in any case */
    {"1aa", "1|aa"}, {"aa1aa", "aa|1|aa"},
    {"  w", " | w"},              /* the last space goes with the word */
    {" \nw", " |\n|w"},           /* not after a line's end */
    {"aa\taa", "aa|\t|aa"},
    {".aa", ".|aa"},              /* one sign may stand before letters */
    {"..aa", ".|.|aa"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char got[256];
    cut(rk_str_c(cases[i].text), false, got, sizeof got);
    assert_string_equal(got, cases[i].tokens);
  }
}

static void special_tokens_in_trusted_text_only(void **state) {
  int32_t ids[64];
  rk_str text = RK_STR("<|im_start|>he<tool_call>he<|im_end|>[PAD]");
  int32_t n = rk_tokenize(&model, text, true, ids, 64);
  assert_int_equal(n, 5 + 5); /* [PAD] is unused: five letters */
  assert_int_equal(ids[0], rk_token_find(&model, RK_STR("<|im_start|>")));
  assert_int_equal(ids[2], rk_token_find(&model, RK_STR("<tool_call>"))); /* the longest of those that fit */
  n = rk_tokenize(&model, text, false, ids, 64);
  assert_true(n > 10 && n <= 64);
  size_t bytes = 0;
  for (int32_t i = 0; i < n; i++) {
    assert_true(ids[i] < 263);
    bytes += rk_token_bytes(&model, ids[i]).n;
  }
  assert_int_equal(bytes, text.n);
}

static void special_tokens_are_known_by_kind(void **state) {
  int32_t start = rk_token_find(&model, RK_STR("<|im_start|>")), call = rk_token_find(&model, RK_STR("<tool_call>"));
  assert_int_equal(start, 263);
  assert_true(rk_token_is_special(&model, start));
  assert_false(rk_token_is_special(&model, call)); /* user-defined: part of the text */
  assert_true(rk_token_is_special(&model, 267));   /* unused */
  assert_false(rk_token_is_special(&model, 'a'));
  assert_false(rk_token_is_special(&model, -1));
  assert_false(rk_token_is_special(&model, TINY_N));
  assert_int_equal(rk_token_find(&model, RK_STR("hello")), -1);
  assert_int_equal(rk_token_find(&model, RK_STR("[PAD]")), -1);
  assert_int_equal(rk_token_bytes(&model, -1).n, 0);
  assert_int_equal(rk_token_bytes(&model, TINY_N).n, 0);
}

static void every_byte_has_its_token(void **state) {
  for (int32_t i = 0; i < 256; i++) {
    rk_str b = rk_token_bytes(&model, i);
    assert_int_equal(b.n, 1);
    assert_int_equal((uint8_t)b.p[0], i);
  }
}

static void bytes_come_back_as_they_were(void **state) {
  rk_str text = RK_STR("naïve 你好 👩‍👩‍👧 \r\n\r\n \t x\xc2\xa0y\xe3\x80\x80z \x00 end");
  int32_t ids[256];
  int32_t n = rk_tokenize(&model, text, true, ids, 256);
  struct rk_buf back;
  rk_buf_init(&back, 4096);
  for (int32_t i = 0; i < n; i++) rk_buf_addstr(&back, rk_token_bytes(&model, ids[i]));
  assert_true(rk_str_eq(rk_buf_str(&back), text));
  rk_buf_release(&back);
}

static void a_short_array_gets_what_fits(void **state) {
  int32_t ids[3] = {-7, -7, -7};
  assert_int_equal(rk_tokenize(&model, RK_STR("abcde"), false, ids, 2), 5);
  assert_int_equal(ids[0], 'a');
  assert_int_equal(ids[1], 'b');
  assert_int_equal(ids[2], -7);
  assert_int_equal(rk_tokenize(&model, RK_STR("abcde"), false, NULL, 0), 5);
}

static void invalid_utf8_is_refused(void **state) {
  int32_t ids[8];
  assert_int_equal(rk_tokenize(&model, RK_STR("ab\xff"), false, ids, 8), -1);
  assert_int_equal(rk_tokenize(&model, RK_STR("\xed\xa0\x80"), true, ids, 8), -1); /* a surrogate */
  assert_int_equal(rk_tokenize(&model, (rk_str){"", (size_t)RK_MAX_TOKENIZE_BYTES + 1}, false, ids, 8), -1);
}

/* One word of 1 MB, which a quadratic merge would take hours for. */
static void long_words_are_not_quadratic(void **state) {
  enum { N = 1 << 20 };
  static const char *const kinds[] = {"a", " ", "<", "\n", "'s"};
  char *text = malloc(N);
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
    size_t len = strlen(kinds[k]);
    for (size_t i = 0; i < N; i++) text[i] = kinds[k][i % len];
    int64_t start_ms = rk_mono_ms();
    int32_t n = rk_tokenize(&model, (rk_str){text, N}, true, NULL, 0);
    assert_true(n > 0);
    if (k == 0) assert_int_equal(n, N / 4);
    assert_true(rk_mono_ms() - start_ms < 20000);
  }
  free(text);
}

static void hostile_files_are_named(void **state) {
  static const struct { struct tiny_fault fault; const char *says; } cases[] = {
    {{.model = "llama"}, "tokenizer.ggml.model"},
    {{.pre = "llama3"}, "tokenizer.ggml.pre"},
    {{.types_missing = 1}, "tokenizer.ggml.token_type"},
    {{.bad_merge = "hell zzz"}, "merge 3"},
    {{.bad_merge = "hell"}, "merge 3"},
    {{.bad_merge = " "}, "merge 3"},
    {{.bad_token = "\xe4\xbd\xa0"}, "token 122"}, /* no byte is written so */
    {{.bad_token = "\xff"}, "token 122"},
    {{.bad_token = "yy"}, "byte 0x7a"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rk_buf b;
    struct rk_gguf *g;
    struct rk_tokenizer *t = NULL;
    struct rk_error e = {0};
    rk_buf_init(&b, 1 << 20);
    tiny_gguf(&b, cases[i].fault);
    assert_int_equal(rk_gguf_parse((const uint8_t *)b.p, b.n, &g, &e), RK_OK);
    assert_int_equal(rk_tokenizer_new(g, &t, &e), RK_EFORMAT);
    assert_null(t);
    assert_non_null(strstr(e.msg, cases[i].says));
    rk_gguf_free(g);
    rk_buf_release(&b);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(merges_lowest_rank_first_leftmost_of_equals),
    cmocka_unit_test(words_are_cut_before_merging),
    cmocka_unit_test(special_tokens_in_trusted_text_only),
    cmocka_unit_test(special_tokens_are_known_by_kind),
    cmocka_unit_test(every_byte_has_its_token),
    cmocka_unit_test(bytes_come_back_as_they_were),
    cmocka_unit_test(a_short_array_gets_what_fits),
    cmocka_unit_test(invalid_utf8_is_refused),
    cmocka_unit_test(long_words_are_not_quadratic),
    cmocka_unit_test(hostile_files_are_named),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
