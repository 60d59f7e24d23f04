/* Settings: flag over environment over file over default, and errors that name the place and the nearest key. */
#include "cli/config.c" /* libcli.a holds main() */

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static char dir[64];

static int setup(void **state) {
  snprintf(dir, sizeof dir, "/tmp/rukou-test-XXXXXX");
  return mkdtemp(dir) ? 0 : -1;
}

static const char *conf(const char *text) {
  static char path[128];
  snprintf(path, sizeof path, "%s/rukou.conf", dir);
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  fputs(text, f);
  assert_int_equal(fclose(f), 0);
  return path;
}

static int teardown(void **state) {
  unlink(conf(""));
  return rmdir(dir);
}

static const char *where(const char *name) {
  static char out[4200];
  return rk_setting_where(find(name), out, sizeof out);
}

static void defaults_hold_without_a_file(void **state) {
  struct rk_config c;
  struct rk_error e;
  unlink(conf(""));
  assert_int_equal(rk_config_load(&c, dir, NULL, NULL, &e), RK_OK);
  assert_string_equal(c.model, "1.5b");
  assert_int_equal(c.threads, 0);
  assert_string_equal(c.data_dir, dir);
  assert_true(c.data_given);
  assert_string_equal(where("port"), "default");
}

static void each_source_beats_the_one_below(void **state) {
  struct rk_config c;
  struct rk_error e;
  const char *path = conf("# settings\n\n  port = 1\nmodel=a # b\nlang = en\r\n");
  setenv("RUKOU_PORT", "2", 1);
  assert_int_equal(rk_config_load(&c, dir, NULL, NULL, &e), RK_OK);
  unsetenv("RUKOU_PORT");
  assert_int_equal(c.port, 2);
  assert_string_equal(where("port"), "RUKOU_PORT");
  assert_string_equal(c.model, "a # b"); /* a comment is a line of its own */
  assert_string_equal(c.lang, "en");
  char expected[200];
  snprintf(expected, sizeof expected, "%s:5", path);
  assert_string_equal(where("lang"), expected);
  assert_int_equal(rk_config_flag(&c, "port", "3", &e), RK_OK);
  assert_int_equal(c.port, 3);
  assert_string_equal(where("port"), "flag");
  assert_int_equal(rk_config_flag(&c, "base-url", "http://h/v1", &e), RK_OK);
  assert_string_equal(c.base_url, "http://h/v1");
  assert_int_equal(rk_config_flag(&c, "nothing", "3", &e), RK_ENOTFOUND);
}

static void numbers_hold_their_range(void **state) {
  static const struct { const char *text; bool ok; } cases[] = {
    {"0", true}, {"1", true}, {"65534", true}, {"65535", true}, {"65536", false}, {"-1", false}, {"", false}, {"x", false}, {"1.5", false},
  };
  struct rk_config c;
  struct rk_error e;
  unlink(conf(""));
  assert_int_equal(rk_config_load(&c, dir, NULL, NULL, &e), RK_OK);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_int_equal(rk_config_flag(&c, "port", cases[i].text, &e), cases[i].ok ? RK_OK : RK_EINVAL);
}

static void a_wrong_file_is_named_with_its_line(void **state) {
  static const struct { const char *text, *says; } cases[] = {
    {"port = 1\nmodle = x\n", "rukou.conf:2: unknown key \"modle\"; did you mean \"model\"?"},
    {"zzzzzzzzzz = x\n", "rukou.conf:1: unknown key \"zzzzzzzzzz\"; `rukou config --example`"},
    {"port = many\n", "rukou.conf:1: port must be a number from 0 to 65535, not \"many\""},
    {"lang = fr\n", "rukou.conf:1: lang must be one of auto|zh|en, not \"fr\""},
    {"port = 1\n\nport = 1\n", "rukou.conf:3: \"port\" was set on line 1 already"},
    {"just words\n", "rukou.conf:1: expected `key = value`"},
    {"model = \xff\n", "is not a text file in UTF-8"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rk_config c;
    struct rk_error e;
    conf(cases[i].text);
    assert_int_equal(rk_config_load(&c, dir, NULL, NULL, &e), RK_EINVAL);
    assert_non_null(strstr(e.msg, cases[i].says));
  }
}

static void a_named_file_must_exist(void **state) {
  struct rk_config c;
  struct rk_error e;
  assert_int_equal(rk_config_load(&c, dir, NULL, "/nonexistent/rukou.conf", &e), RK_ENOTFOUND);
  char text[MAX_CONFIG_BYTES + 2];
  memset(text, '#', sizeof text - 1);
  text[sizeof text - 1] = 0;
  assert_int_equal(rk_config_load(&c, dir, NULL, conf(text), &e), RK_ETOOBIG); /* n + 1 */
  text[MAX_CONFIG_BYTES] = 0;
  assert_int_equal(rk_config_load(&c, dir, NULL, conf(text), &e), RK_OK); /* n */
}

static void secrets_are_not_shown(void **state) {
  struct rk_config c;
  struct rk_error e;
  conf("api_key = very-secret\n");
  assert_int_equal(rk_config_load(&c, dir, NULL, NULL, &e), RK_OK);
  assert_string_equal(c.api_key, "very-secret");
  assert_string_equal(rk_setting_shown(find("api_key")), "(hidden)");
}

static void the_example_is_a_valid_file(void **state) {
  struct rk_config c;
  struct rk_error e;
  char text[MAX_CONFIG_BYTES] = "";
  FILE *out = fmemopen(text, sizeof text, "w");
  rk_config_example(out);
  fclose(out);
  for (int i = 0; i < N_SETTINGS; i++) { /* without the comment sign: every default in force */
    char row[300];
    snprintf(row, sizeof row, "\n# %s = ", settings[i].name);
    char *at = strstr(text, row);
    assert_non_null(at);
    memmove(at + 1, at + 3, strlen(at + 3) + 1);
  }
  conf(text);
  assert_int_equal(rk_config_load(&c, dir, NULL, NULL, &e), RK_OK);
  for (int i = 0; i < N_SETTINGS; i++) {
    assert_int_equal(values[i].where, RK_WHERE_FILE);
    assert_string_equal(values[i].text, settings[i].def);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(defaults_hold_without_a_file), cmocka_unit_test(each_source_beats_the_one_below),
    cmocka_unit_test(numbers_hold_their_range), cmocka_unit_test(a_wrong_file_is_named_with_its_line),
    cmocka_unit_test(a_named_file_must_exist), cmocka_unit_test(secrets_are_not_shown),
    cmocka_unit_test(the_example_is_a_valid_file),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
