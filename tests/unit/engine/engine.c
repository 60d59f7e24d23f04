/* Logits are the same bytes whatever the chunking, threads, kernels, company
 * in the batch and reuse; slots keep what they should. */
#include "fixture.h"

#include <math.h>

#include "engine/kernels/kernels.h"

enum { N = 150, CTX = 512 };

static struct rk_model *models[2]; /* qwen2, qwen3 */
static int32_t n_vocab;
static int32_t text[CTX];

static int setup(void **state) {
  struct rng r = {7};
  for (int i = 0; i < 2; i++) {
    struct rk_error e = {0};
    const char *path = tiny_model(i ? "qwen3" : "qwen2");
    if (rk_model_open(path, &models[i], &e) != RK_OK) fail_msg("%s", e.msg);
    unlink(path);
  }
  n_vocab = rk_model_info(models[0]).n_vocab;
  assert_int_equal(n_vocab, rk_model_info(models[1]).n_vocab);
  for (int i = 0; i < CTX; i++) text[i] = (int32_t)rng_below(&r, (uint32_t)n_vocab);
  return 0;
}

static int teardown(void **state) {
  for (int i = 0; i < 2; i++) rk_model_close(models[i]);
  return 0;
}

static struct rk_engine *engine(const struct rk_model *m, struct rk_engine_opts o) {
  struct rk_engine *en;
  struct rk_error e = {0};
  if (rk_engine_new(m, &o, &en, &e) != RK_OK) fail_msg("%s", e.msg);
  return en;
}

static float *new_logits(int n_rows) {
  float *p = calloc((size_t)(n_rows * n_vocab), sizeof *p);
  assert_non_null(p);
  return p;
}

static void run(struct rk_engine *en, struct rk_job *j) {
  struct rk_job *jobs[] = {j};
  int steps = 0;
  while (rk_engine_step(en, jobs, 1) > 0) assert_true(++steps < 1000);
  assert_int_equal(j->err, RK_OK);
  assert_int_equal(j->n_done, j->n_tokens);
}

/* Logits of all N positions from a fresh engine. */
static float *all_logits(const struct rk_model *m, struct rk_engine_opts o) {
  struct rk_engine *en = engine(m, o);
  float *logits = new_logits(N);
  struct rk_job j = {.tokens = text, .n_tokens = N, .rows = RK_ROWS_ALL, .logits = logits};
  run(en, &j);
  for (int i = 0; i < N * n_vocab; i++) assert_true(isfinite(logits[i]));
  assert_true(memcmp(logits, logits + n_vocab, sizeof *logits * (size_t)n_vocab) != 0);
  rk_engine_free(en);
  return logits;
}

static void assert_same(const float *a, const float *b, int n_rows, const char *what) {
  for (int i = 0; i < n_rows; i++)
    if (memcmp(a + i * n_vocab, b + i * n_vocab, sizeof *a * (size_t)n_vocab) != 0)
      fail_msg("%s: position %d has other bits", what, i);
}

static void test_chunks_threads_kernels(void **state) {
  const int32_t chunks[] = {1, 7, 64, 512}, threads[] = {1, 2};
  const char *const kernels[] = {"scalar", "avx2", "avx512"};
  for (int i = 0; i < 2; i++) {
    float *want = all_logits(models[i], (struct rk_engine_opts){.n_threads = 1, .n_ctx = CTX});
    for (int c = 0; c < 4; c++)
      for (int t = 0; t < 2; t++) {
        char what[64];
        snprintf(what, sizeof what, "chunk %d, %d threads", chunks[c], threads[t]);
        float *got = all_logits(models[i], (struct rk_engine_opts){.n_threads = threads[t], .n_ctx = CTX, .n_chunk = chunks[c]});
        assert_same(want, got, N, what);
        free(got);
      }
    for (int k = 0; k < 3; k++) {
      if (!rk_kernels_select(kernels[k])) {
        print_message("%s: not run, this processor lacks it\n", kernels[k]);
        continue;
      }
      float *got = all_logits(models[i], (struct rk_engine_opts){.n_threads = 2, .n_ctx = CTX, .kernels = kernels[k]});
      assert_same(want, got, N, kernels[k]);
      free(got);
    }
    free(want);
  }
}

static double distance(const float *a, const float *b) {
  double num = 0, den = 0;
  for (int k = 0; k < N * n_vocab; k++) {
    double d = (double)a[k] - (double)b[k];
    num += d * d, den += (double)b[k] * (double)b[k];
  }
  return sqrt(num / den);
}

/* Keys and values in 8 bits: the same bits in any company, and no further from F16 than
 * activations in 8 bits make any small difference. */
static void test_kv_types(void **state) {
  const char *const types[] = {"q8_0", "kf16_vq8"}, *const kernels[] = {"scalar", "avx2", "avx512"};
  const int32_t chunks[] = {1, 7, 64};
  for (int i = 0; i < 4; i++) {
    const struct rk_model *m = models[i / 2];
    struct rk_engine_opts o = {.n_threads = 1, .n_ctx = CTX, .kv_type = types[i % 2]};
    float *want = all_logits(m, o), *f16 = all_logits(m, (struct rk_engine_opts){.n_threads = 2, .n_ctx = CTX}), *got;
    o.n_threads = 2;
    for (int c = 0; c < 3; c++, free(got)) {
      o.n_chunk = chunks[c];
      assert_same(want, got = all_logits(m, o), N, types[i % 2]);
    }
    for (int k = 0; k < 3; k++) {
      o.kernels = kernels[k];
      if (!rk_kernels_select(kernels[k])) continue; /* said by the test above */
      assert_same(want, got = all_logits(m, o), N, kernels[k]);
      free(got);
    }
    print_message("%s: relative distance from f16 %.5f\n", types[i % 2], distance(want, f16));
    assert_true(distance(want, f16) > 0);
    assert_true(distance(want, f16) < 0.08);
    free(want), free(f16);
  }
}

/* The integer path stays near float32 arithmetic: neither is wrong by a layer. */
static void test_near_float_path(void **state) {
  for (int i = 0; i < 2; i++) {
    float *a = all_logits(models[i], (struct rk_engine_opts){.n_threads = 2, .n_ctx = CTX});
    float *b = all_logits(models[i], (struct rk_engine_opts){.n_threads = 2, .n_ctx = CTX, .float_path = true});
    print_message("relative distance %.4f\n", distance(a, b));
    assert_true(distance(a, b) < 0.05);
    assert_true(distance(a, b) > 0);
    free(a), free(b);
  }
}

static void test_reuse_has_the_same_bits(void **state) {
  float *want = all_logits(models[0], (struct rk_engine_opts){.n_threads = 2, .n_ctx = CTX});
  struct rk_engine *en = engine(models[0], (struct rk_engine_opts){.n_threads = 2, .n_ctx = CTX});
  float *got = new_logits(1);
  for (int n = 1; n <= N; n += n < 70 ? 1 : 13) {
    struct rk_job j = {.tokens = text, .n_tokens = n, .rows = RK_ROWS_LAST, .logits = got, .owner = 1};
    run(en, &j);
    assert_same(want + (n - 1) * n_vocab, got, 1, "continued");
    if (n > 1 && n <= 70) assert_int_equal(j.n_reused, n - 1);
  }
  /* a changed tail: what is common stays, the rest is computed again */
  int32_t other[N];
  memcpy(other, text, sizeof other);
  other[100] ^= 1;
  struct rk_job j = {.tokens = other, .n_tokens = N, .rows = RK_ROWS_LAST, .logits = got, .owner = 1};
  run(en, &j);
  assert_int_equal(j.n_reused, 100);
  j = (struct rk_job){.tokens = text, .n_tokens = N, .rows = RK_ROWS_LAST, .logits = got, .owner = 1};
  run(en, &j);
  assert_int_equal(j.n_reused, 148); /* the first branch is still there */
  assert_same(want + (N - 1) * n_vocab, got, 1, "back again");
  free(want), free(got);
  rk_engine_free(en);
}

static void test_prefix_of_another_slot(void **state) {
  float *want = all_logits(models[0], (struct rk_engine_opts){.n_threads = 2, .n_ctx = CTX});
  struct rk_engine *en = engine(models[0], (struct rk_engine_opts){.n_threads = 2, .n_ctx = CTX, .n_slots = 3});
  float *got = new_logits(1);
  int32_t first[N], third[N];
  memcpy(first, text, sizeof first);
  first[90] ^= 1;
  for (int i = 0; i < N; i++) third[i] = text[N - i];
  struct rk_job j = {.tokens = first, .n_tokens = N, .rows = RK_ROWS_LAST, .logits = got, .owner = 1, .n_keep = 90};
  run(en, &j);
  j = (struct rk_job){.tokens = text, .n_tokens = N, .rows = RK_ROWS_LAST, .logits = got, .owner = 2, .n_keep = 90};
  run(en, &j);
  assert_int_equal(j.n_reused, 90);
  assert_same(want + (N - 1) * n_vocab, got, 1, "copied prefix");
  /* more conversations than slots: the fixed prefix outlives them */
  for (uint64_t owner = 3; owner < 9; owner++) {
    third[0] = (int32_t)owner;
    j = (struct rk_job){.tokens = third, .n_tokens = 40, .rows = RK_ROWS_NONE, .owner = owner};
    run(en, &j);
  }
  j = (struct rk_job){.tokens = text, .n_tokens = N, .rows = RK_ROWS_LAST, .logits = got, .owner = 9, .n_keep = 90};
  run(en, &j);
  assert_true(j.n_reused >= 90);
  assert_same(want + (N - 1) * n_vocab, got, 1, "kept prefix");
  free(want), free(got);
  rk_engine_free(en);
}

static void test_rows(void **state) {
  float *want = all_logits(models[0], (struct rk_engine_opts){.n_threads = 2, .n_ctx = CTX});
  struct rk_engine *en = engine(models[0], (struct rk_engine_opts){.n_threads = 2, .n_ctx = CTX, .n_chunk = 64});
  const int32_t list[] = {0, 63, 64, 149};
  float *got = new_logits(4);
  for (int again = 0; again < 2; again++) {
    struct rk_job j = {.tokens = text, .n_tokens = N, .rows = RK_ROWS_LIST, .row_list = list, .n_rows = 4, .logits = got};
    run(en, &j);
    for (int i = 0; i < 4; i++) assert_same(want + list[i] * n_vocab, got + i * n_vocab, 1, "listed row");
    memset(got, 0, sizeof *got * (size_t)(4 * n_vocab));
  }
  struct rk_job j = {.tokens = text, .n_tokens = N, .rows = RK_ROWS_NONE};
  run(en, &j);
  assert_int_equal(j.n_reused, N);
  free(want), free(got);
  rk_engine_free(en);
}

/* Logits of a few ids have the bits they have among all, beside rows that want all. */
static void test_only(void **state) {
  const int32_t ids[] = {0, 1, 15, 16, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, n_vocab - 1};
  enum { IDS = sizeof ids / sizeof *ids };
  struct rk_engine *en = engine(models[1], (struct rk_engine_opts){.n_threads = 2, .n_ctx = CTX});
  float *want = all_logits(models[1], (struct rk_engine_opts){.n_threads = 2, .n_ctx = CTX}), *got[3];
  struct rk_job job[3], *jobs[3];
  for (int i = 0; i < 3; i++) {
    got[i] = new_logits(1);
    job[i] = (struct rk_job){.tokens = text, .n_tokens = N - i, .rows = RK_ROWS_LAST, .logits = got[i], .owner = 1 + (uint64_t)i};
    jobs[i] = &job[i];
  }
  job[1].only = ids, job[1].n_only = IDS;
  while (rk_engine_step(en, jobs, 3) > 0) {}
  assert_same(want + (N - 1) * n_vocab, got[0], 1, "row before");
  assert_same(want + (N - 3) * n_vocab, got[2], 1, "row behind");
  for (int i = 0; i < IDS; i++)
    assert_memory_equal(&want[(N - 2) * n_vocab + ids[i]], &got[1][ids[i]], sizeof **got);
  const int32_t bad[][2] = {{2, 1}, {0, n_vocab}, {-1, 3}};
  for (int i = 0; i < 3; i++) {
    struct rk_job j = {.tokens = text, .n_tokens = N, .rows = RK_ROWS_LAST, .logits = got[0], .only = bad[i], .n_only = 2}, *one[] = {&j};
    assert_int_equal(rk_engine_step(en, one, 1), -1);
    assert_int_equal(j.err, RK_EINVAL);
  }
  for (int i = 0; i < 3; i++) free(got[i]);
  free(want);
  rk_engine_free(en);
}

/* Several jobs in one call: all advance, none changes another's bits. */
static void test_jobs_together(void **state) {
  enum { JOBS = 3 };
  struct rk_engine *en = engine(models[1], (struct rk_engine_opts){.n_threads = 2, .n_ctx = CTX, .n_chunk = 32, .n_slots = 2});
  float *got[JOBS], *want = new_logits(1);
  struct rk_job job[JOBS], *jobs[JOBS];
  const int32_t n[JOBS] = {N, 60, 20};
  for (int i = 0; i < JOBS; i++) {
    got[i] = new_logits(1);
    job[i] = (struct rk_job){.tokens = text + 150 * i, .n_tokens = n[i], .rows = RK_ROWS_LAST, .logits = got[i], .owner = 1 + (uint64_t)i};
    jobs[i] = &job[i];
  }
  assert_true(rk_engine_step(en, jobs, JOBS) > 0);
  int moved = 0, steps = 1;
  for (int i = 0; i < JOBS; i++) moved += job[i].n_done > 0;
  assert_int_equal(moved, 2); /* two slots: the third waits */
  while (rk_engine_step(en, jobs, JOBS) > 0) assert_true(++steps < 50);
  for (int i = 0; i < JOBS; i++) {
    assert_int_equal(job[i].err, RK_OK);
    struct rk_engine *alone = engine(models[1], (struct rk_engine_opts){.n_threads = 1, .n_ctx = CTX});
    struct rk_job j = {.tokens = text + 150 * i, .n_tokens = n[i], .rows = RK_ROWS_LAST, .logits = want};
    run(alone, &j);
    rk_engine_free(alone);
    assert_same(want, got[i], 1, "together");
    free(got[i]);
  }
  free(want);
  rk_engine_free(en);
}

static void test_context_limit(void **state) {
  struct rk_engine *en = engine(models[0], (struct rk_engine_opts){.n_threads = 1, .n_ctx = 100});
  assert_int_equal(rk_engine_n_ctx(en), 100);
  float *got = new_logits(1);
  for (int32_t n = 99; n <= 101; n++) {
    struct rk_job j = {.tokens = text, .n_tokens = n, .rows = RK_ROWS_LAST, .logits = got, .owner = 1}, *jobs[] = {&j};
    int32_t left = rk_engine_step(en, jobs, 1);
    assert_int_equal(left, n > 100 ? -1 : 0);
    assert_int_equal(j.err, n > 100 ? RK_ECONTEXT : RK_OK);
  }
  int32_t bad[] = {1, n_vocab};
  struct rk_job j = {.tokens = bad, .n_tokens = 2, .rows = RK_ROWS_NONE}, *jobs[] = {&j};
  assert_int_equal(rk_engine_step(en, jobs, 1), -1);
  assert_int_equal(j.err, RK_EINVAL);
  free(got);
  rk_engine_free(en);
}

static void test_options(void **state) {
  struct rk_engine *en;
  struct rk_error e = {0};
  assert_int_equal(rk_engine_new(models[0], &(struct rk_engine_opts){.kernels = "mmx"}, &en, &e), RK_EINVAL);
  assert_non_null(strstr(e.msg, "mmx"));
  assert_int_equal(rk_engine_new(models[0], &(struct rk_engine_opts){.n_slots = 1000}, &en, &e), RK_EINVAL);
  assert_int_equal(rk_engine_new(models[0], &(struct rk_engine_opts){.kv_type = "q4_0"}, &en, &e), RK_EINVAL);
  assert_non_null(strstr(e.msg, "q8_0"));
  en = engine(models[0], (struct rk_engine_opts){0});
  assert_int_equal(rk_engine_n_ctx(en), 512);
  rk_engine_free(en);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_chunks_threads_kernels), cmocka_unit_test(test_kv_types), cmocka_unit_test(test_near_float_path),
    cmocka_unit_test(test_reuse_has_the_same_bits), cmocka_unit_test(test_prefix_of_another_slot),
    cmocka_unit_test(test_rows), cmocka_unit_test(test_only), cmocka_unit_test(test_jobs_together), cmocka_unit_test(test_context_limit),
    cmocka_unit_test(test_options),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
