/* Repacked weights on disk: the same logits, and every way of being the wrong file. */
#include "engine/wcache.c" /* for its bounds; the library's copy is then not linked */

#include "fixture.h"

#include <signal.h>
#include <sys/resource.h>

enum { N_TOKENS = 20 };

static char dir[64], repack[96];
static const char *path;
static struct rk_model *model;
static const uint8_t id[32] = {0xab, 0xcd, 3}, other_id[32] = {0xab, 0xce, 3};

static int setup(void **state) {
  struct rk_error e;
  snprintf(dir, sizeof dir, "/tmp/rukou-wcache-XXXXXX");
  if (!mkdtemp(dir)) return -1;
  snprintf(repack, sizeof repack, "%s/repack", dir);
  path = tiny_model("qwen2");
  return rk_model_open(path, &model, &e) ? -1 : 0;
}

static int teardown(void **state) {
  char cmd[128];
  rk_model_close(model);
  unlink(path);
  snprintf(cmd, sizeof cmd, "rm -r %s", dir);
  return system(cmd);
}

/* The file, not the one beside it that a writer reads back. */
static bool maps_weights(void) {
  char line[4096];
  bool found = false;
  FILE *f = fopen("/proc/self/maps", "r");
  assert_non_null(f);
  while (fgets(line, sizeof line, f)) found |= strstr(line, repack) && !strstr(line, ".tmp");
  fclose(f);
  return found;
}

/* Logits of a start with that cache; *mapped: it used a file. A file that it writes is there afterwards. */
static float *start(const char *cache, const uint8_t *model_id, const char *kernels, bool *mapped) {
  struct rk_engine *en;
  struct rk_error e;
  struct rk_engine_opts o = {.n_threads = 2, .n_ctx = 64, .kernels = kernels, .cache_dir = cache, .model_id = model_id};
  if (rk_engine_new(model, &o, &en, &e)) fail_msg("%s", e.msg);
  *mapped = maps_weights();
  int32_t tokens[N_TOKENS], n_vocab = rk_model_info(model).n_vocab;
  for (int32_t i = 0; i < N_TOKENS; i++) tokens[i] = i * 7 % n_vocab;
  float *logits = calloc((size_t)n_vocab, sizeof *logits);
  struct rk_job job = {.tokens = tokens, .n_tokens = N_TOKENS, .rows = RK_ROWS_LAST, .logits = logits}, *jobs[] = {&job};
  while (rk_engine_step(en, jobs, 1) > 0) {}
  assert_int_equal(job.err, RK_OK);
  rk_engine_free(en);
  return logits;
}

/* Starts, compares with the logits of a start without cache, and says whether a file was used. */
static bool starts_right(const char *cache, const uint8_t *model_id, const char *kernels) {
  bool mapped, none;
  float *want = start(NULL, NULL, kernels, &none), *got = start(cache, model_id, kernels, &mapped);
  assert_false(none);
  assert_memory_equal(got, want, sizeof *got * (size_t)rk_model_info(model).n_vocab);
  free(want);
  free(got);
  return mapped;
}

/* Path of the one file there is; NULL for none. */
static const char *kept_file(void) {
  static char out[512];
  bool found = false;
  DIR *d = opendir(repack);
  for (struct dirent *ent; d && (ent = readdir(d));) {
    if (ent->d_name[0] == '.') continue;
    assert_false(found);
    found = true;
    snprintf(out, sizeof out, "%s/%s", repack, ent->d_name);
  }
  if (d) closedir(d);
  return found ? out : NULL;
}

static void forget(void) {
  const char *file = kept_file();
  if (file) assert_int_equal(unlink(file), 0);
}

static void flip(const char *file, long at) {
  FILE *f = fopen(file, "r+");
  assert_non_null(f);
  assert_int_equal(fseek(f, at, at < 0 ? SEEK_END : SEEK_SET), 0);
  int c = fgetc(f);
  assert_int_equal(fseek(f, at, at < 0 ? SEEK_END : SEEK_SET), 0);
  fputc(c ^ 1, f);
  assert_int_equal(fclose(f), 0);
}

static void the_second_start_maps_and_computes_the_same(void **state) {
  assert_false(starts_right(dir, id, NULL));
  assert_non_null(kept_file());
  assert_true(starts_right(dir, id, NULL));
  forget();
}

static void nothing_is_kept_without_an_identity(void **state) {
  assert_false(starts_right(dir, NULL, NULL));
  assert_false(starts_right(NULL, id, NULL));
  assert_null(kept_file());
}

static void another_model_or_processor_is_not_used(void **state) {
  assert_false(starts_right(dir, id, "scalar"));
  assert_true(starts_right(dir, id, "scalar"));
  char mine[512], theirs[600];
  snprintf(mine, sizeof mine, "%s", kept_file());
  snprintf(theirs, sizeof theirs, "%s/%s", repack, "abce030000000000");
  strcat(theirs, strrchr(mine, '/') + 17); /* as if the file were another model's */
  assert_int_equal(rename(mine, theirs), 0);
  assert_false(starts_right(dir, other_id, "scalar"));
  assert_true(starts_right(dir, other_id, "scalar")); /* made anew */
  struct rk_wcache_key key = {dir, other_id, "avx9"};
  struct rk_matrix *none[1] = {NULL};
  size_t n;
  uint8_t *p = map_file(repack, strrchr(theirs, '/') + 1, &n);
  assert_non_null(p);
  assert_false(rk_wcache_fits(p, n, &key, none, 0));
  munmap(p, n);
  forget();
}

static void a_damaged_head_or_a_cut_is_made_anew(void **state) {
  const long places[] = {0, 8, 12, 16, 24, 60, 88, 96, 104, 112, 130};
  assert_false(starts_right(dir, id, NULL));
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    flip(kept_file(), places[i]);
    assert_false(starts_right(dir, id, NULL));
    assert_true(starts_right(dir, id, NULL));
  }
  const off_t cuts[] = {1, 50, 103, 104, 500, 5000};
  for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
    assert_int_equal(truncate(kept_file(), cuts[i]), 0);
    assert_false(starts_right(dir, id, NULL));
    assert_true(starts_right(dir, id, NULL));
  }
  forget();
}

static void damaged_tiles_are_found_by_the_full_check(void **state) {
  struct rk_error e;
  int32_t n = -1;
  assert_int_equal(rk_engine_check_cache(dir, id, &n, &e), RK_OK);
  assert_int_equal(n, 0);
  assert_false(starts_right(dir, id, NULL));
  assert_int_equal(rk_engine_check_cache(dir, id, &n, &e), RK_OK);
  assert_int_equal(n, 1);
  flip(kept_file(), HUGE_PAGE + 100);
  assert_int_equal(rk_engine_check_cache(dir, other_id, &n, &e), RK_OK);
  assert_int_equal(rk_engine_check_cache(dir, id, &n, &e), RK_EFORMAT);
  assert_non_null(strstr(e.msg, "matrix 0 of"));
  assert_null(kept_file());
}

static void links_are_not_followed(void **state) {
  char elsewhere[128];
  assert_false(starts_right(dir, id, NULL));
  snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", dir);
  assert_int_equal(rename(kept_file(), elsewhere), 0);
  struct rk_wcache w;
  struct rk_wcache_key key = {dir, id, "scalar"};
  assert_true(place(&w, &key));
  char link[8192];
  snprintf(link, sizeof link, "%s/%s", w.dir, w.name);
  assert_int_equal(symlink(elsewhere, link), 0);
  assert_false(starts_right(dir, id, "scalar"));
  forget();
}

static void a_full_disk_costs_only_the_cache(void **state) {
  struct rlimit was, small;
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
  small = was;
  small.rlim_cur = 10000;
  signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
  assert_false(starts_right(dir, id, NULL));
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
  assert_null(kept_file());
  assert_false(starts_right("/proc/nowhere", id, NULL));
}

static void keep(const char *name, long bytes, long age_s) {
  char file[256];
  snprintf(file, sizeof file, "%s/%s", repack, name);
  FILE *f = fopen(file, "w");
  assert_non_null(f);
  assert_int_equal(ftruncate(fileno(f), bytes), 0);
  assert_int_equal(fclose(f), 0);
  struct timespec t[2] = {{1000000 - age_s, 0}, {1000000 - age_s, 0}};
  assert_int_equal(utimensat(AT_FDCWD, file, t, 0), 0);
}

static bool is_kept(const char *name) {
  char file[256];
  snprintf(file, sizeof file, "%s/%s", repack, name);
  return access(file, F_OK) == 0;
}

static void the_longest_unused_goes_first(void **state) {
  int d = open(repack, O_RDONLY | O_DIRECTORY);
  keep("a.weights", 1000, 30), keep("b.weights.tmp", 1000, 50), keep("c.weights", 1000, 10), keep("other", 1000, 99);
  assert_true(make_room(d, "x.weights", 1000, 4000)); /* just fits */
  assert_true(is_kept("b.weights.tmp"));
  assert_true(make_room(d, "x.weights", 1001, 4000));
  assert_false(is_kept("b.weights.tmp"));
  assert_true(is_kept("a.weights"));
  assert_true(make_room(d, "a.weights", 4000, 4000)); /* its own old file is not counted */
  assert_true(is_kept("a.weights") && !is_kept("c.weights") && is_kept("other"));
  assert_false(make_room(d, "x.weights", 4001, 4000));
  assert_true(is_kept("a.weights"));
  close(d);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_second_start_maps_and_computes_the_same), cmocka_unit_test(nothing_is_kept_without_an_identity),
    cmocka_unit_test(another_model_or_processor_is_not_used),      cmocka_unit_test(a_damaged_head_or_a_cut_is_made_anew),
    cmocka_unit_test(damaged_tiles_are_found_by_the_full_check),   cmocka_unit_test(links_are_not_followed),
    cmocka_unit_test(a_full_disk_costs_only_the_cache),            cmocka_unit_test(the_longest_unused_goes_first),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
