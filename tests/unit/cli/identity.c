/* The hash of a model is computed once and remembered as long as the file is the same. */
#include "cli/identity.c" /* libcli.a holds main() */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static char dir[64];
static int n_hashed;

/* Stands in for hashing: the digits tell how often it ran. */
rk_err rk_hash_file(const char *label, const char *path, char out[65], struct rk_error *e) {
  (void)label, (void)path, (void)e;
  snprintf(out, 65, "%064x", ++n_hashed);
  return RK_OK;
}

static int setup(void **state) {
  snprintf(dir, sizeof dir, "/tmp/rukou-identity-XXXXXX");
  return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state) {
  char cmd[128];
  snprintf(cmd, sizeof cmd, "rm -r %s", dir);
  return system(cmd);
}

static const char *model(const char *name, const char *bytes) {
  static char path[128];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  fputs(bytes, f);
  assert_int_equal(fclose(f), 0);
  return path;
}

/* Number of the hash that stands for the file. */
static int identity(const char *cache, const char *path) {
  struct rk_identity id;
  struct rk_error e;
  assert_int_equal(rk_identity_of(cache, path, &id, &e), RK_OK);
  return id.sha256[31] | id.sha256[30] << 8;
}

static void a_file_is_hashed_once(void **state) {
  int before = n_hashed, id = identity(dir, model("a", "one"));
  assert_int_equal(n_hashed, before + 1);
  char path[128];
  snprintf(path, sizeof path, "%s/a", dir);
  assert_int_equal(identity(dir, path), id);
  assert_int_equal(n_hashed, before + 1);
  char moved[128];
  snprintf(moved, sizeof moved, "%s/b", dir);
  assert_int_equal(rename(path, moved), 0);
  assert_int_equal(identity(dir, moved), id);
}

static void another_size_or_time_is_another_file(void **state) {
  const char *path = model("c", "one");
  int first = identity(dir, path);
  int second = identity(dir, model("c", "three"));
  assert_int_not_equal(first, second);
  struct timespec times[2] = {{1, 0}, {1, 0}};
  assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
  assert_int_not_equal(identity(dir, path), second);
}

static void a_noted_hash_is_used(void **state) {
  const char *path = model("d", "x"), *hex = "00000000000000000000000000000000000000000000000000000000000000ff";
  rk_identity_note(dir, path, hex);
  int before = n_hashed;
  assert_int_equal(identity(dir, path), 0xff);
  assert_int_equal(n_hashed, before);
}

static void a_broken_list_costs_a_hash(void **state) {
  const char *path = model("e", "x");
  int id = identity(dir, path);
  char list[128], *long_line = calloc(1, FILE_BYTES);
  snprintf(list, sizeof list, "%s/identities", dir);
  memset(long_line, 'a', FILE_BYTES - 1);
  const char *texts[] = {"", "\n\n", "1 2 3 4 zz\n", "nonsense without end", long_line};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    FILE *f = fopen(list, "w");
    assert_non_null(f);
    fputs(texts[i], f);
    assert_int_equal(fclose(f), 0);
    int again = identity(dir, path);
    assert_int_equal(again, id + (int)i + 1);
    assert_int_equal(identity(dir, path), again);
  }
  free(long_line);
}

static void the_list_is_bounded(void **state) {
  char name[32];
  for (int i = 0; i < 2 * RK_MAX_IDENTITIES; i++) {
    snprintf(name, sizeof name, "m%d", i);
    identity(dir, model(name, "x"));
  }
  struct rk_buf list;
  read_list(dir, &list);
  int lines = 0;
  for (size_t i = 0; i < list.n; i++) lines += list.p[i] == '\n';
  assert_int_equal(lines, RK_MAX_IDENTITIES);
  rk_buf_release(&list);
}

static void a_directory_that_cannot_be_written_still_works(void **state) {
  const char *path = model("f", "x");
  int first = identity("/proc/nowhere", path);
  assert_int_equal(identity("/proc/nowhere", path), first + 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_file_is_hashed_once),      cmocka_unit_test(another_size_or_time_is_another_file),
    cmocka_unit_test(a_noted_hash_is_used),       cmocka_unit_test(a_broken_list_costs_a_hash),
    cmocka_unit_test(the_list_is_bounded),        cmocka_unit_test(a_directory_that_cannot_be_written_still_works),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
