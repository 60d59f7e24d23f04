/* KV that lives: whatever is shared, branched, evicted, kept on disk or damaged
 * there, the logits are those of an engine that computes all anew. */
#include "fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "engine/kernels/kernels.h"
#include "engine/kvdisk.h"

enum { CTX = 512, KEEP = 100 };

static struct rk_model *model;
static struct rk_engine *plain; /* computes everything anew: see fresh() */
static int32_t n_vocab;
static char dir[64];
static uint8_t id[32] = {1, 2, 3};
static size_t block_bytes;
static const char *kv_type; /* of every engine here */

static struct rk_engine *engine(struct rk_engine_opts o) {
  struct rk_engine *en;
  struct rk_error e = {0};
  o.n_threads = 1;
  if (!o.n_ctx) o.n_ctx = CTX;
  if (!o.kv_type) o.kv_type = kv_type;
  if (rk_engine_new(model, &o, &en, &e) != RK_OK) fail_msg("%s", e.msg);
  return en;
}

static int setup(void **state) {
  struct rk_error e = {0};
  const char *path = tiny_model("qwen2");
  if (rk_model_open(path, &model, &e) != RK_OK) fail_msg("%s", e.msg);
  unlink(path);
  n_vocab = rk_model_info(model).n_vocab;
  plain = engine((struct rk_engine_opts){0});
  struct rk_engine_stats s = rk_engine_stats(plain);
  block_bytes = s.bytes_total / s.blocks_total;
  snprintf(dir, sizeof dir, "/tmp/rukou-kv-XXXXXX");
  return mkdtemp(dir) ? 0 : -1;
}

static void remove_cache(void) {
  char cmd[128];
  snprintf(cmd, sizeof cmd, "rm -rf %s/kv", dir);
  assert_int_equal(system(cmd), 0);
}

static int teardown(void **state) {
  remove_cache();
  rmdir(dir);
  rk_engine_free(plain);
  rk_model_close(model);
  return 0;
}

static void run(struct rk_engine *en, struct rk_job *j) {
  struct rk_job *jobs[] = {j};
  int steps = 0;
  while (rk_engine_step(en, jobs, 1) > 0) assert_true(++steps < 1000);
  assert_int_equal(j->err, RK_OK);
  assert_int_equal(j->n_done, j->n_tokens);
}

/* The last position's logits, with nothing reused: all rows are wanted. */
static const float *fresh(const int32_t *tokens, int32_t n) {
  static float *all;
  free(all);
  all = malloc(sizeof *all * (size_t)(n * n_vocab));
  struct rk_job j = {.tokens = tokens, .n_tokens = n, .rows = RK_ROWS_ALL, .logits = all};
  run(plain, &j);
  assert_int_equal(j.n_reused, 0);
  return all + (size_t)(n - 1) * (size_t)n_vocab;
}

static void assert_fresh(const int32_t *tokens, int32_t n, const float *got, const char *what) {
  if (memcmp(fresh(tokens, n), got, sizeof *got * (size_t)n_vocab) != 0) fail_msg("%s: %d tokens have other bits", what, n);
}

/* Runs the prefix, compares its last logits, returns how much was reused. */
static int32_t ask(struct rk_engine *en, const int32_t *tokens, int32_t n, int32_t n_keep, const char *what) {
  float *got = malloc(sizeof *got * (size_t)n_vocab);
  struct rk_job j = {.tokens = tokens, .n_tokens = n, .rows = RK_ROWS_LAST, .logits = got, .n_keep = n_keep, .owner = 1};
  run(en, &j);
  assert_fresh(tokens, n, got, what);
  free(got);
  return j.n_reused;
}

static void random_text(struct rng *r, int32_t *tokens, int32_t n) {
  for (int32_t i = 0; i < n; i++) tokens[i] = (int32_t)rng_below(r, (uint32_t)n_vocab);
}

/* ---- sharing ---- */

static void test_edit_regenerate_branch(void **state) {
  struct rng r = {5};
  struct rk_engine *en = engine((struct rk_engine_opts){0});
  int32_t a[300], b[300];
  random_text(&r, a, 300);
  assert_int_equal(ask(en, a, 200, 0, "first"), 0);
  assert_int_equal(ask(en, a, 300, 0, "goes on"), 200);
  assert_int_equal(ask(en, a, 200, 0, "regenerate"), 199); /* the last one's logits are wanted */
  memcpy(b, a, sizeof b);
  for (int at = 10; at < 300; at += 37) {
    b[at] ^= 1;
    assert_int_equal(ask(en, b, 300, 0, "edit"), at);
    b[at] ^= 1;
    assert_int_equal(ask(en, a, 300, 0, "the other branch"), 299);
  }
  rk_engine_free(en);
}

static void test_users_share_the_prefix(void **state) {
  struct rng r = {6};
  struct rk_engine *en = engine((struct rk_engine_opts){0});
  int32_t t[260];
  random_text(&r, t, 192);
  uint64_t used = 0;
  for (int user = 0; user < 10; user++) {
    random_text(&r, t + 192, 40);
    assert_int_equal(ask(en, t, 232, 192, "user"), user ? 192 : 0);
    uint64_t now = rk_engine_stats(en).blocks_used;
    if (user) assert_int_equal(now, used + 1); /* three blocks of all, one of the user */
    used = now;
  }
  rk_engine_free(en);
}

/* Jobs that begin the same, at once: it is computed once. */
static void test_same_prefix_at_once(void **state) {
  enum { JOBS = 4 };
  struct rng r = {7};
  struct rk_engine *en = engine((struct rk_engine_opts){.n_slots = JOBS, .n_chunk = 64});
  int32_t t[JOBS][210];
  float *got[JOBS];
  struct rk_job job[JOBS], *jobs[JOBS];
  random_text(&r, t[0], 200);
  for (int i = 0; i < JOBS; i++) {
    memcpy(t[i], t[0], sizeof t[0]);
    random_text(&r, t[i] + 200, 10);
    got[i] = malloc(sizeof *got[i] * (size_t)n_vocab);
    job[i] = (struct rk_job){.tokens = t[i], .n_tokens = 210, .rows = RK_ROWS_LAST, .logits = got[i], .owner = 1 + (uint64_t)i};
    jobs[i] = &job[i];
  }
  while (rk_engine_step(en, jobs, JOBS) > 0) continue;
  for (int i = 0; i < JOBS; i++) {
    assert_fresh(t[i], 210, got[i], "at once");
    free(got[i]);
  }
  assert_true(rk_engine_stats(en).tokens_computed < 210 + 3 * 64);
  rk_engine_free(en);
}

/* ---- random scripts ---- */

/* Chats grow, branch, are edited, dropped in the middle and released, in a
 * memory that holds a few of them; three at a time. */
static void test_random_scripts(void **state) {
  enum { CHATS = 6, AT_ONCE = 3 };
  struct rng r = {11};
  static int32_t chat[CHATS][CTX];
  int32_t n[CHATS] = {0}, prefix[2][90];
  struct rk_engine *en = engine((struct rk_engine_opts){.n_slots = AT_ONCE, .kv_bytes = 20 * block_bytes, .n_chunk = 48});
  for (int i = 0; i < 2; i++) random_text(&r, prefix[i], 90);
  for (int round = 0; round < 120; round++) {
    struct rk_job job[AT_ONCE], *jobs[AT_ONCE];
    float *got[AT_ONCE];
    int dropped = rng_below(&r, 4) == 0 ? (int)rng_below(&r, AT_ONCE) : -1;
    for (int i = 0; i < AT_ONCE; i++) {
      int c = (int)rng_below(&r, CHATS / AT_ONCE) * AT_ONCE + i;
      if (n[c] == 0 || n[c] > 320) memcpy(chat[c], prefix[c % 2], sizeof prefix[0]), n[c] = 90;
      if (rng_below(&r, 3) == 0) n[c] = 1 + (int32_t)rng_below(&r, (uint32_t)n[c]);               /* edit */
      if (rng_below(&r, 5) == 0) memcpy(chat[c], chat[(c + 1) % CHATS], sizeof chat[c]), n[c] = n[(c + 1) % CHATS]; /* branch */
      int32_t more = 1 + (int32_t)rng_below(&r, 70);
      random_text(&r, chat[c] + n[c], more);
      n[c] += more;
      if (rng_below(&r, 10) == 0) rk_engine_release(en, 1 + (uint64_t)c);
      got[i] = malloc(sizeof *got[i] * (size_t)n_vocab);
      job[i] = (struct rk_job){.tokens = chat[c], .n_tokens = n[c], .rows = RK_ROWS_LAST, .logits = got[i],
                               .n_keep = n[c] >= 90 ? 90 : 0, .owner = 1 + (uint64_t)c};
      jobs[i] = &job[i];
    }
    int n_jobs = AT_ONCE;
    for (int steps = 0; rk_engine_step(en, jobs, n_jobs) > 0; steps++) {
      assert_true(steps < 1000);
      if (dropped >= 0 && steps == 1) jobs[dropped] = jobs[--n_jobs];
    }
    for (int i = 0; i < n_jobs; i++) {
      assert_int_equal(jobs[i]->err, RK_OK);
      assert_fresh(jobs[i]->tokens, jobs[i]->n_tokens, jobs[i]->logits, "script");
    }
    for (int i = 0; i < AT_ONCE; i++) free(got[i]);
  }
  struct rk_engine_stats s = rk_engine_stats(en);
  assert_true(s.n_evictions > 20 && s.tokens_reused > s.tokens_computed / 4 && s.blocks_used <= 20);
  rk_engine_free(en);
}

/* A caller that takes tokens back, as speculation and a restarted reply do. */
static void test_taken_back(void **state) {
  struct rng r = {13};
  struct rk_engine *en = engine((struct rk_engine_opts){0});
  int32_t t[CTX];
  random_text(&r, t, CTX);
  float *got = malloc(sizeof *got * (size_t)n_vocab);
  struct rk_job j = {.tokens = t, .n_tokens = 60, .rows = RK_ROWS_LAST, .logits = got};
  for (int i = 0; i < 60; i++) {
    run(en, &j);
    assert_fresh(t, j.n_tokens, got, "taken back");
    int32_t back = (int32_t)rng_below(&r, i % 10 == 9 ? 150 : 6), at = j.n_tokens > back ? j.n_tokens - back : 0;
    random_text(&r, t + at, 8);
    if (at < j.n_done) j.n_done = at;
    j.n_tokens = at + 8;
  }
  free(got);
  rk_engine_free(en);
}

/* ---- memory ---- */

static void test_eviction_keeps_the_prefix(void **state) {
  struct rng r = {17};
  struct rk_engine *en = engine((struct rk_engine_opts){.kv_bytes = 8 * block_bytes});
  int32_t t[200], other[200];
  random_text(&r, t, 200);
  ask(en, t, 150, KEEP, "kept");
  for (int i = 0; i < 10; i++) {
    random_text(&r, other, 200);
    ask(en, other, 200, 0, "pushes out");
  }
  assert_int_equal(ask(en, t, 150, KEEP, "after eviction"), KEEP);
  assert_true(rk_engine_stats(en).n_evictions > 0);
  assert_int_equal(rk_engine_stats(en).blocks_total, 8);
  rk_engine_free(en);
}

/* Two replies grow until the memory is full: the younger one is told, the other ends. */
static void test_full(void **state) {
  struct rng r = {19};
  struct rk_engine *en = engine((struct rk_engine_opts){.kv_bytes = 6 * block_bytes, .n_slots = 2});
  assert_int_equal(rk_engine_n_ctx(en), 6 * 64);
  int32_t t[2][CTX];
  float *got[2];
  struct rk_job job[2], *jobs[2];
  for (int i = 0; i < 2; i++) {
    random_text(&r, t[i], CTX);
    got[i] = malloc(sizeof *got[i] * (size_t)n_vocab);
    job[i] = (struct rk_job){.tokens = t[i], .n_tokens = 100, .rows = RK_ROWS_LAST, .logits = got[i], .owner = 1 + (uint64_t)i};
    jobs[i] = &job[i];
  }
  for (int steps = 0; steps < 1000 && job[0].n_tokens < 300; steps++) {
    rk_engine_step(en, jobs, steps ? 2 : 1);
    for (int i = 0; i < 2; i++)
      if (!job[i].err && job[i].n_done == job[i].n_tokens) job[i].n_tokens++;
  }
  assert_int_equal(job[0].err, RK_OK);
  assert_int_equal(job[0].n_tokens, 300);
  assert_int_equal(job[1].err, RK_EBUSY);
  assert_fresh(t[0], 299, got[0], "the one that stays");
  assert_int_equal(rk_engine_stats(en).n_busy, 1);
  /* afterwards there is room again */
  job[1] = (struct rk_job){.tokens = t[1], .n_tokens = 200, .rows = RK_ROWS_LAST, .logits = got[1], .owner = 2};
  run(en, &job[1]);
  assert_fresh(t[1], 200, got[1], "again");
  for (int i = 0; i < 2; i++) free(got[i]);
  rk_engine_free(en);
  struct rk_error e;
  struct rk_engine_opts o = {.n_threads = 1, .kv_bytes = block_bytes};
  assert_int_equal(rk_engine_new(model, &o, &en, &e), RK_EINVAL);
  assert_non_null(strstr(e.msg, "KV memory"));
}

/* 64 requests in a memory for a few: all wait their turn, none fails. */
static void test_crowd(void **state) {
  enum { JOBS = 64 };
  struct rng r = {23};
  struct rk_engine *en = engine((struct rk_engine_opts){.kv_bytes = 10 * block_bytes, .n_slots = 16});
  static int32_t t[JOBS][150];
  static float got[JOBS][8192];
  struct rk_job job[JOBS], *jobs[JOBS];
  assert_true(n_vocab <= 8192);
  for (int i = 0; i < JOBS; i++) {
    random_text(&r, t[i], 150);
    job[i] = (struct rk_job){.tokens = t[i], .n_tokens = 150, .rows = RK_ROWS_LAST, .logits = got[i], .owner = 1 + (uint64_t)i};
    jobs[i] = &job[i];
  }
  for (int steps = 0; rk_engine_step(en, jobs, JOBS) > 0; steps++) assert_true(steps < 2000);
  for (int i = 0; i < JOBS; i++) {
    assert_int_equal(job[i].err, RK_OK);
    if (i % 8 == 0) assert_fresh(t[i], 150, got[i], "crowd");
  }
  rk_engine_free(en);
}

/* ---- disk ---- */

static int n_files(char *path, size_t size) {
  char kv[80];
  int n = 0;
  snprintf(kv, sizeof kv, "%s/kv", dir);
  DIR *d = opendir(kv);
  if (!d) return 0;
  for (const struct dirent *f; (f = readdir(d));)
    if (f->d_name[0] != '.') n++, snprintf(path, size, "%s/%.60s", kv, f->d_name);
  closedir(d);
  return n;
}

static struct rk_engine *with_disk(const uint8_t *model_id, const char *kernels) {
  return engine((struct rk_engine_opts){.cache_dir = dir, .model_id = model_id, .kernels = kernels});
}

/* In a new engine: what it reuses of the prefix, and with the right bits. */
static int32_t restarted(const uint8_t *model_id, const char *kernels, int32_t *t, const char *what) {
  struct rk_engine *en = with_disk(model_id, kernels);
  int32_t n = ask(en, t, 130, KEEP, what);
  assert_int_equal(rk_engine_stats(en).n_prefixes_loaded, n > 0);
  rk_engine_free(en);
  return n;
}

static void test_disk(void **state) {
  struct rng r = {29};
  int32_t t[150];
  char path[300];
  random_text(&r, t, 150);
  remove_cache();
  struct rk_engine *en = with_disk(id, NULL);
  assert_int_equal(ask(en, t, 150, KEEP, "first"), 0);
  assert_int_equal(n_files(path, sizeof path), 0); /* nothing while tokens may be waited for */
  assert_false(rk_engine_idle(en));
  assert_int_equal(n_files(path, sizeof path), 1);
  rk_engine_free(en);
  struct stat st;
  assert_int_equal(stat(path, &st), 0);
  assert_int_equal(st.st_mode & 0777, 0600);
  random_text(&r, t + KEEP, 50);
  assert_int_equal(restarted(id, NULL, t, "after a restart"), KEEP);
  assert_int_equal(n_files(path, sizeof path), 1);
  /* foreign: another model, other kernels */
  const uint8_t other[32] = {9};
  assert_int_equal(restarted(other, NULL, t, "another model"), 0);
  if (strcmp(rk_kernels_select(NULL)->name, "scalar") != 0) assert_int_equal(restarted(id, "scalar", t, "other kernels"), 0);
  const char *own = kv_type;
  kv_type = strcmp(own, "f16") == 0 ? "q8_0" : "f16";
  en = with_disk(id, NULL);
  struct rk_job j = {.tokens = t, .n_tokens = 130, .n_keep = KEEP, .rows = RK_ROWS_NONE, .owner = 1};
  run(en, &j);
  assert_int_equal(j.n_reused, 0); /* another type of keys and values */
  rk_engine_free(en);
  kv_type = own;
  assert_int_equal(restarted(id, NULL, t, "its own again"), KEEP);
  /* no identity: nothing is read or written */
  remove_cache();
  assert_int_equal(restarted(NULL, NULL, t, "no identity"), 0);
  assert_int_equal(n_files(path, sizeof path), 0);
}

/* The file is the fixed prefix and nothing of the conversation behind it. */
static void test_disk_holds_no_conversation(void **state) {
  struct rng r = {31};
  int32_t t[150];
  char path[300];
  random_text(&r, t, 150);
  remove_cache();
  struct rk_engine *en = with_disk(id, NULL);
  ask(en, t, 150, KEEP, "private");
  rk_engine_free(en);
  assert_int_equal(n_files(path, sizeof path), 1);
  struct rk_kvdisk_header h;
  FILE *f = fopen(path, "rb");
  assert_int_equal(fread(&h, sizeof h, 1, f), 1);
  assert_int_equal(h.n_tokens, KEEP);
  uint8_t *block = malloc(block_bytes);
  assert_int_equal(fseek(f, (long)(sizeof h + KEEP * sizeof *t + block_bytes), SEEK_SET), 0);
  assert_int_equal(fread(block, 1, block_bytes, f), block_bytes);
  assert_int_equal(fgetc(f), EOF);
  fclose(f);
  const bool keys8 = strcmp(kv_type, "q8_0") == 0, values8 = strcmp(kv_type, "f16") != 0;
  struct rk_kv_shape shape = {h.id.n_layer, h.id.n_head_kv, h.id.head_dim, keys8 ? RK_KV_Q8_0 : RK_KV_F16, values8 ? RK_KV_Q8_0 : RK_KV_F16, 0};
  uint8_t *cleared = malloc(block_bytes);
  memcpy(cleared, block, block_bytes);
  rk_kv_clear(&shape, cleared, KEEP - 64);
  assert_memory_equal(cleared, block, block_bytes);
  rk_kv_clear(&shape, cleared, KEEP - 65);
  assert_true(memcmp(cleared, block, block_bytes) != 0);
  free(block), free(cleared);
}

static void damage(const char *path, long at, int how) {
  FILE *f = fopen(path, "r+b");
  assert_non_null(f);
  fseek(f, 0, SEEK_END);
  long size = ftell(f);
  if (at < 0) at += size;
  if (how == 'c') assert_int_equal(ftruncate(fileno(f), at), 0);
  else if (how == 'a') fseek(f, 0, SEEK_END), fputc(0, f);
  else {
    fseek(f, at, SEEK_SET);
    int c = fgetc(f);
    fseek(f, at, SEEK_SET);
    fputc(c ^ 0x10, f);
  }
  fclose(f);
}

/* Cut, longer, or one bit wrong anywhere: ignored, and replaced by a sound one. */
static void test_damaged_files(void **state) {
  const long header = (long)sizeof(struct rk_kvdisk_header);
  const struct { const char *what; long at; int how; } cases[] = {
    {"empty", 0, 'c'}, {"cut in the header", header - 1, 'c'}, {"cut in the tokens", header + 10, 'c'},
    {"cut in the blocks", header + 4 * KEEP + 1000, 'c'}, {"last byte missing", -1, 'c'}, {"a byte too long", 0, 'a'},
    {"magic", 0, 'f'}, {"header size", 8, 'f'}, {"model", 20, 'f'}, {"version", 16 + 32, 'f'},
    {"count of tokens", (long)offsetof(struct rk_kvdisk_header, n_tokens), 'f'},
    {"size", (long)offsetof(struct rk_kvdisk_header, payload_bytes), 'f'},
    {"sum", (long)offsetof(struct rk_kvdisk_header, payload_sum), 'f'}, {"own sum", header - 1, 'f'}, {"a token", header + 40, 'f'},
    {"first block", header + 4 * KEEP + 5, 'f'}, {"last byte", -1, 'f'},
  };
  struct rng r = {37};
  int32_t t[150];
  char path[300];
  random_text(&r, t, 150);
  remove_cache();
  assert_int_equal(restarted(id, NULL, t, "first"), 0);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(n_files(path, sizeof path), 1);
    damage(path, cases[i].at, cases[i].how);
    struct rk_engine *en = with_disk(id, NULL);
    if (ask(en, t, 130, KEEP, cases[i].what) != 0) fail_msg("%s: was trusted", cases[i].what);
    rk_engine_free(en);
    if (restarted(id, NULL, t, cases[i].what) != KEEP) fail_msg("%s: was not replaced", cases[i].what);
  }
}

/* Files are bounded in number, the longest unused go. */
static void test_disk_is_bounded(void **state) {
  struct rng r = {41};
  int32_t t[150];
  char path[300];
  remove_cache();
  struct rk_engine *en = with_disk(id, NULL);
  for (int i = 0; i < RK_MAX_KV_FILES + 6; i++) {
    random_text(&r, t, 70);
    struct rk_job j = {.tokens = t, .n_tokens = 66, .n_keep = 65, .rows = RK_ROWS_NONE};
    run(en, &j);
    rk_engine_idle(en);
  }
  rk_engine_free(en);
  int n = n_files(path, sizeof path);
  assert_true(n > RK_MAX_KV_FILES / 2 && n <= RK_MAX_KV_FILES);
  remove_cache();
}

int main(void) {
  static const char *const types[] = {"f16", "kf16_vq8", "q8_0"};
  const struct CMUnitTest all[] = {
    cmocka_unit_test(test_edit_regenerate_branch), cmocka_unit_test(test_users_share_the_prefix),
    cmocka_unit_test(test_taken_back),             cmocka_unit_test(test_disk),
    cmocka_unit_test(test_disk_holds_no_conversation),
  };
  const struct CMUnitTest once[] = {
    cmocka_unit_test(test_same_prefix_at_once), cmocka_unit_test(test_random_scripts), cmocka_unit_test(test_eviction_keeps_the_prefix),
    cmocka_unit_test(test_full),                cmocka_unit_test(test_crowd),          cmocka_unit_test(test_damaged_files),
    cmocka_unit_test(test_disk_is_bounded),
  };
  int failed = 0;
  for (size_t i = 0; i < 3; i++) {
    kv_type = types[i];
    print_message("keys and values in %s\n", kv_type);
    failed += cmocka_run_group_tests(all, setup, teardown);
  }
  kv_type = types[0];
  return failed + cmocka_run_group_tests(once, setup, teardown);
}
