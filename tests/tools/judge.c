/* judge KEPT DIR=ORIGIN...: what rukou says of a kept run (`rukou eval --keep`) under other expectations: one JSON object a line on
 * stdin, one verdict a line on stdout, empty when all words hold. For comparison with tests/recheck.py. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "eval/check.h"
#include "eval/evidence.h"

enum { PATH_BYTES = 4096, MAX_SHOPS = 24, LINE_BYTES = 1 << 20 };

static char data_dir[] = "/tmp/rukou-judge-XXXXXX";

static void copy(const char *from, const char *to) {
  char command[3 * PATH_BYTES];
  snprintf(command, sizeof command, "cp '%s' '%s'", from, to);
  if (system(command) != 0) exit(1);
}

/* The kept files where a run has them. */
static void lay_out(const char *kept, const struct rk_shop_place *places, int n) {
  char from[PATH_BYTES], to[PATH_BYTES];
  if (!mkdtemp(data_dir)) exit(1);
  snprintf(from, sizeof from, "%s/rukou.db", kept);
  snprintf(to, sizeof to, "%s/rukou.db", data_dir);
  copy(from, to);
  snprintf(to, sizeof to, "%s/shops", data_dir);
  mkdir(to, 0700);
  for (int i = 0; i < n; i++) {
    const char *name = strrchr(places[i].dir, '/') + 1;
    snprintf(from, sizeof from, "%s/shops/%s.db", kept, name);
    snprintf(to, sizeof to, "%s/shops/%s", data_dir, name);
    mkdir(to, 0700);
    snprintf(to, sizeof to, "%s/shops/%s/shop.db", data_dir, name);
    copy(from, to);
  }
}

int main(int argc, char **argv) {
  struct rk_shop_place places[MAX_SHOPS];
  static char line[LINE_BYTES];
  const char *dirs[MAX_SHOPS];
  char path[PATH_BYTES];
  struct rk_market market;
  struct rk_error e;
  struct rk_buf text;
  int n = argc - 2;
  if (n < 1 || n > MAX_SHOPS) return 2;
  for (int i = 0; i < n; i++) {
    char *equals = strchr(argv[i + 2], '=');
    if (!equals || !strchr(argv[i + 2], '/')) return 2;
    *equals = 0;
    places[i] = (struct rk_shop_place){dirs[i] = argv[i + 2], equals + 1};
  }
  rk_buf_init(&text, 64 << 20);
  snprintf(path, sizeof path, "%s/task.json", argv[1]);
  if (rk_buf_read_file(&text, path, &e)) return fprintf(stderr, "%s\n", e.msg), 1;
  json_t *task = rk_json_parse(rk_buf_str(&text), 64 << 20, &e);
  setenv("RUKOU_CLOCK", rk_json_cstr(task, "clock", ""), 1);
  lay_out(argv[1], places, n);
  if (!task || rk_clock_init(&e) || rk_market_open(dirs, n, &market, &e)) return fprintf(stderr, "%s\n", e.msg), 1;
  json_t *evidence = rk_evidence_read(data_dir, task, places, n, &e);
  if (!evidence) return fprintf(stderr, "%s\n", e.msg), 1;
  while (fgets(line, sizeof line, stdin)) {
    char why[RK_MAX_WHY_BYTES];
    json_t *expect = rk_json_parse(rk_str_trim(rk_str_c(line)), LINE_BYTES, &e);
    if (!expect) return fprintf(stderr, "%s\n", e.msg), 1;
    json_object_set_new(task, "expect", expect);
    struct rk_case c = {.task = task, .profile = rk_json_obj(task, "profile_row"), .evidence = evidence, .market = &market, .dir = argv[1]};
    rk_check(&c, why);
    puts(why);
  }
  json_decref(evidence);
  json_decref(task);
  rk_buf_release(&text);
  rk_market_close(&market);
  snprintf(path, sizeof path, "rm -r %s", data_dir);
  return system(path) != 0;
}
