/* Every architecture: logits of small random models against those of llama.cpp
 * (tests/reference), the same bytes for any chunking, threads, kernels and
 * company, and files that must be refused by the name of what is wrong. */
#include "fixture.h"

#include <math.h>

#include "engine/kernels/kernels.h"

enum { N = 100, CTX = 512 };

static const char *const variants[] = {"qwen2",     "qwen2-linear",  "qwen2-yarn", "qwen3",    "qwen3moe",
                                       "qwen3next", "qwen3next-old", "qwen35",     "qwen35moe"};
enum { N_VARIANTS = sizeof variants / sizeof *variants };

static const char *write_model(const char *args) {
  static char path[64];
  char cmd[512];
  snprintf(path, sizeof path, "/tmp/rukou-arch-%d.gguf", (int)getpid());
  snprintf(cmd, sizeof cmd, "python3 tests/tools/tiny_arch.py %s %s", path, args);
  assert_int_equal(system(cmd), 0);
  return path;
}

static struct rk_model *open_model(const char *variant, const char *types) {
  struct rk_model *m;
  struct rk_error e = {0};
  char args[64];
  snprintf(args, sizeof args, "%s --types %s", variant, types);
  const char *path = write_model(args);
  if (rk_model_open(path, &m, &e) != RK_OK) fail_msg("%s: %s", variant, e.msg);
  unlink(path);
  return m;
}

static struct rk_engine *engine(const struct rk_model *m, struct rk_engine_opts o) {
  struct rk_engine *en;
  struct rk_error e = {0};
  o.n_ctx = CTX;
  if (rk_engine_new(m, &o, &en, &e) != RK_OK) fail_msg("%s", e.msg);
  return en;
}

static int32_t text[N];

static int setup(void **state) {
  for (int i = 0; i < N; i++) text[i] = (i * 7919 + 13) % 250; /* as in tests/reference/logits.cpp */
  return 0;
}

static void run(struct rk_engine *en, struct rk_job *const jobs[], int n) {
  int steps = 0;
  while (rk_engine_step(en, jobs, n) > 0) assert_true(++steps < 1000);
  for (int i = 0; i < n; i++) assert_int_equal(jobs[i]->err, RK_OK);
}

static float *all_logits(const struct rk_model *m, struct rk_engine_opts o) {
  const int n_vocab = rk_model_info(m).n_vocab;
  float *logits = calloc((size_t)(N * n_vocab), sizeof *logits);
  struct rk_job j = {.tokens = text, .n_tokens = N, .rows = RK_ROWS_ALL, .logits = logits}, *jobs[] = {&j};
  struct rk_engine *en = engine(m, o);
  run(en, jobs, 1);
  rk_engine_free(en);
  return logits;
}

/* ---- against the reference ---- */

/* Largest difference between the logits and those of the file. */
static double distance(const char *variant, const float *logits, int n_vocab) {
  char path[64];
  snprintf(path, sizeof path, "tests/reference/%s.txt", variant);
  FILE *f = fopen(path, "r");
  assert_non_null(f);
  double worst = 0;
  int pos, n_rows = 0;
  for (; fscanf(f, "%d", &pos) == 1; n_rows++)
    for (int id = 0; id < 280; id += 25) {
      double want;
      assert_int_equal(fscanf(f, "%lf", &want), 1);
      worst = fmax(worst, fabs(want - (double)logits[pos * n_vocab + id]));
    }
  fclose(f);
  assert_int_equal(n_rows, 8);
  return worst;
}

static void test_reference(void **state) {
  for (int i = 0; i < N_VARIANTS; i++) {
    struct rk_model *m = open_model(variants[i], "f32");
    const int n_vocab = rk_model_info(m).n_vocab;
    float *exact = all_logits(m, (struct rk_engine_opts){.n_threads = 2, .float_path = true});
    float *fast = all_logits(m, (struct rk_engine_opts){.n_threads = 2});
    double a = distance(variants[i], exact, n_vocab), b = distance(variants[i], fast, n_vocab);
    print_message("%s: float path %.6f, keys and values in F16 %.6f\n", variants[i], a, b);
    assert_true(a < 1e-3);
    assert_true(b < 2e-2);
    free(exact), free(fast);
    rk_model_close(m);
  }
}

/* Quantized weights: near the float path over the same file. Random routers have
 * near ties, so a few tokens go to other experts. */
static void test_quantized(void **state) {
  for (int i = 0; i < N_VARIANTS; i++) {
    struct rk_model *m = open_model(variants[i], "mixed");
    float *a = all_logits(m, (struct rk_engine_opts){.n_threads = 2});
    float *b = all_logits(m, (struct rk_engine_opts){.n_threads = 2, .float_path = true});
    double num = 0, den = 0;
    for (int k = 0; k < N * rk_model_info(m).n_vocab; k++) {
      double d = (double)a[k] - (double)b[k];
      num += d * d, den += (double)b[k] * (double)b[k];
    }
    print_message("%s: relative distance %.4f\n", variants[i], sqrt(num / den));
    assert_true(num > 0 && sqrt(num / den) < 0.3);
    free(a), free(b);
    rk_model_close(m);
  }
}

/* ---- determinism ---- */

static void assert_same(const float *a, const float *b, size_t n, const char *variant, const char *what) {
  if (memcmp(a, b, sizeof *a * n) != 0) fail_msg("%s: %s: other bits", variant, what);
}

static void same_bits(const char *variant) {
  const int32_t chunks[] = {1, 7, 64, 512};
  const char *const kernels[] = {"scalar", "avx2", "avx512"};
  struct rk_model *m = open_model(variant, "mixed");
  const size_t n = N * (size_t)rk_model_info(m).n_vocab;
  float *want = all_logits(m, (struct rk_engine_opts){.n_threads = 1});
  for (int c = 0; c < 4; c++) {
    char what[64];
    snprintf(what, sizeof what, "chunk %d", chunks[c]);
    float *got = all_logits(m, (struct rk_engine_opts){.n_threads = 1 + c % 2, .n_chunk = chunks[c]});
    assert_same(want, got, n, variant, what);
    free(got);
  }
  for (int k = 0; k < 3; k++) {
    if (!rk_kernels_select(kernels[k])) {
      print_message("%s: not run, this processor lacks it\n", kernels[k]);
      continue;
    }
    float *got = all_logits(m, (struct rk_engine_opts){.n_threads = 2, .n_chunk = 33, .kernels = kernels[k]});
    assert_same(want, got, n, variant, kernels[k]);
    free(got);
  }
  free(want);
  rk_model_close(m);
}

static void test_same_bits(void **state) {
  for (int i = 0; i < N_VARIANTS; i++) same_bits(variants[i]);
}

static int32_t last_row(struct rk_engine *en, struct rk_job j, float *got) {
  struct rk_job *jobs[] = {&j};
  j.rows = RK_ROWS_LAST, j.logits = got;
  run(en, jobs, 1);
  return j.n_reused;
}

/* A recurrent state is gone back to only where it was kept; bits stay. */
static void reuse(const char *variant) {
  enum { KEEP = 40 };
  struct rk_model *m = open_model(variant, "mixed");
  const size_t n_vocab = (size_t)rk_model_info(m).n_vocab;
  float *want = all_logits(m, (struct rk_engine_opts){.n_threads = 1}), *got = calloc(n_vocab, sizeof *got);
  struct rk_engine *en = engine(m, (struct rk_engine_opts){.n_threads = 2, .n_slots = 2, .n_chunk = 16});
  for (int n = 60; n <= N; n += n < 70 ? 1 : 10) {
    int32_t reused = last_row(en, (struct rk_job){.tokens = text, .n_tokens = n, .owner = 1, .n_keep = KEEP}, got);
    assert_same(want + (size_t)(n - 1) * n_vocab, got, n_vocab, variant, "continued");
    if (n > 60) assert_true(reused >= KEEP);
    if (n > 60 && n <= 70) assert_int_equal(reused, n - 1);
  }
  int32_t other[N];
  memcpy(other, text, sizeof other);
  other[50] ^= 1;
  assert_true(last_row(en, (struct rk_job){.tokens = other, .n_tokens = N, .owner = 2, .n_keep = KEEP}, got) >= KEEP);
  float *fresh = calloc(n_vocab, sizeof *fresh);
  struct rk_engine *clean = engine(m, (struct rk_engine_opts){.n_threads = 1});
  assert_int_equal(last_row(clean, (struct rk_job){.tokens = other, .n_tokens = N}, fresh), 0);
  assert_same(fresh, got, n_vocab, variant, "another end of the kept prefix");
  rk_engine_free(clean);
  last_row(en, (struct rk_job){.tokens = text, .n_tokens = N, .owner = 1}, got);
  assert_same(want + (size_t)(N - 1) * n_vocab, got, n_vocab, variant, "back again");
  free(want), free(got), free(fresh);
  rk_engine_free(en);
  rk_model_close(m);
}

static void test_reuse(void **state) {
  reuse("qwen3moe"), reuse("qwen3next"), reuse("qwen35");
}

/* Conversations in one batch: experts and states are not mixed up. */
static void together(const char *variant) {
  enum { JOBS = 3 };
  struct rk_model *m = open_model(variant, "mixed");
  const size_t n_vocab = (size_t)rk_model_info(m).n_vocab;
  int32_t texts[JOBS][N];
  float *got[JOBS], *alone = calloc(n_vocab, sizeof *alone);
  struct rk_job job[JOBS], *jobs[JOBS];
  struct rk_engine *en = engine(m, (struct rk_engine_opts){.n_threads = 2, .n_slots = JOBS, .n_chunk = 24});
  for (int i = 0; i < JOBS; i++) {
    for (int k = 0; k < N; k++) texts[i][k] = (text[k] + 31 * i) % 250;
    got[i] = calloc(n_vocab, sizeof *got[i]);
    job[i] = (struct rk_job){.tokens = texts[i], .n_tokens = N - 17 * i, .rows = RK_ROWS_LAST, .logits = got[i],
                             .owner = 1 + (uint64_t)i};
    jobs[i] = &job[i];
  }
  run(en, jobs, JOBS);
  rk_engine_free(en);
  for (int i = 0; i < JOBS; i++) {
    en = engine(m, (struct rk_engine_opts){.n_threads = 1});
    last_row(en, (struct rk_job){.tokens = texts[i], .n_tokens = N - 17 * i}, alone);
    assert_same(alone, got[i], n_vocab, variant, "together");
    rk_engine_free(en);
    free(got[i]);
  }
  free(alone);
  rk_model_close(m);
}

static void test_together(void **state) {
  together("qwen3moe"), together("qwen3next"), together("qwen35moe");
}

/* A new process: repacked experts are mapped, a kept prefix comes with its state. */
static void cached(const char *variant) {
  enum { KEEP = 80 };
  char dir[] = "/tmp/rukou-arch-XXXXXX", cmd[64];
  assert_non_null(mkdtemp(dir));
  struct rk_model *m = open_model(variant, "mixed");
  const size_t n_vocab = (size_t)rk_model_info(m).n_vocab;
  const uint8_t id[32] = {1};
  float *want = all_logits(m, (struct rk_engine_opts){.n_threads = 1}), *got = calloc(n_vocab, sizeof *got);
  for (int again = 0; again < 2; again++) {
    struct rk_engine *en = engine(m, (struct rk_engine_opts){.n_threads = 2, .cache_dir = dir, .model_id = id});
    int32_t reused = last_row(en, (struct rk_job){.tokens = text, .n_tokens = N, .owner = 1, .n_keep = KEEP}, got);
    assert_same(want + (size_t)(N - 1) * n_vocab, got, n_vocab, variant, "kept on disk");
    assert_int_equal(reused, again ? KEEP : 0);
    while (rk_engine_idle(en)) {}
    rk_engine_free(en);
  }
  snprintf(cmd, sizeof cmd, "rm -r %s", dir);
  assert_int_equal(system(cmd), 0);
  free(want), free(got);
  rk_model_close(m);
}

static void test_cached(void **state) {
  cached("qwen3moe"), cached("qwen3next");
}

/* ---- files that must be refused ---- */

static void test_wrong_files(void **state) {
  static const struct { const char *args, *names; } cases[] = {
    {"qwen3 --drop blk.1.attn_q_norm.weight", "tensor blk.1.attn_q_norm.weight is missing"},
    {"qwen2 --drop blk.0.attn_k.bias", "tensor blk.0.attn_k.bias is missing"},
    {"qwen3moe --drop blk.1.ffn_up_exps.weight", "tensor blk.1.ffn_up_exps.weight is missing"},
    {"qwen3moe --drop blk.0.ffn_gate_inp.weight", "tensor blk.0.ffn_gate_inp.weight is missing"},
    {"qwen3next --drop blk.2.ssm_conv1d.weight", "tensor blk.2.ssm_conv1d.weight is missing"},
    {"qwen3next --drop blk.0.ffn_gate_inp_shexp.weight", "tensor blk.0.ffn_gate_inp_shexp.weight is missing"},
    {"qwen35 --drop blk.0.ssm_a", "tensor blk.0.ssm_a is missing"},
    {"qwen35 --drop blk.3.post_attention_norm.weight", "tensor blk.3.post_attention_norm.weight is missing"},
    {"qwen3moe --reshape blk.0.ffn_down_exps.weight", "tensor blk.0.ffn_down_exps.weight is 64 x 64 x 8, expected 32 x 64 x 8"},
    {"qwen35 --reshape blk.1.attn_qkv.weight", "tensor blk.1.attn_qkv.weight is 96 x 128 x 1, expected 64 x 128 x 1"},
    {"qwen3moe --set expert_count=9", "blk.0.ffn_gate_inp.weight is 64 x 8 x 1, expected 64 x 9 x 1"},
    {"qwen3moe --set expert_count=0", "qwen3moe.expert_count is 0"},
    {"qwen3moe --set expert_used_count=9", "qwen3moe.expert_used_count is 9, more than the 8 experts"},
    {"qwen3moe --set expert_used_count=65", "qwen3moe.expert_used_count is 65"},
    {"qwen3moe --set expert_feed_forward_length=40", "experts 40 and 0 wide"},
    {"qwen3moe --set expert_weights_scale=-1.0", "qwen3moe.expert_weights_scale is -1"},
    {"qwen2-yarn --set rope.scaling.type=longrope", "qwen2.rope.scaling.type is longrope"},
    {"qwen2-yarn --set rope.scaling.factor=0.5", "qwen2.rope.scaling.factor is 0.5"},
    {"qwen2-yarn --set rope.scaling.factor=none", "qwen2.rope.scaling.factor is missing or not a number"},
    {"qwen35 --set rope.dimension_count=15", "qwen35.rope.dimension_count is 15, which is odd"},
    {"qwen35 --set rope.dimension_count=34", "qwen35.rope.dimension_count is 34"},
    {"qwen35 --set rope.dimension_sections=3", "qwen35.rope.dimension_sections"},
    {"qwen35 --set ssm.time_step_rank=3", "qwen35.ssm.*: 3 value heads on 2 key heads"},
    {"qwen35 --set ssm.conv_kernel=1", "qwen35.ssm.conv_kernel is 1"},
    {"qwen35 --set attention.recurrent_layers=1", "qwen35.attention.recurrent_layers"},
    {"qwen35 --set full_attention_interval=9", "none of the 4 layers attends"},
    {"qwen35 --set nextn_predict_layers=4", "qwen35.nextn_predict_layers is 4"},
    {"qwen3 --set attention.value_length=16", "keys are 32 wide and values 16"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rk_model *m = NULL;
    struct rk_error e = {0};
    const char *path = write_model(cases[i].args);
    rk_err err = rk_model_open(path, &m, &e);
    unlink(path);
    if (err != RK_EFORMAT || !strstr(e.msg, cases[i].names))
      fail_msg("%s: '%s' does not say '%s'", cases[i].args, e.msg, cases[i].names);
    assert_null(m);
  }
}

static void test_mtp_is_left_out(void **state) {
  struct rk_model *m = open_model("qwen35moe", "f32");
  assert_int_equal(rk_model_info(m).n_layer, 4);
  assert_true(rk_model_info(m).recurrent);
  rk_model_close(m);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_reference),   cmocka_unit_test(test_quantized), cmocka_unit_test(test_same_bits),
    cmocka_unit_test(test_reuse),       cmocka_unit_test(test_together),  cmocka_unit_test(test_cached),
    cmocka_unit_test(test_wrong_files), cmocka_unit_test(test_mtp_is_left_out),
  };
  return cmocka_run_group_tests(tests, setup, NULL);
}
