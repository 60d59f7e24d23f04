/* settings.c - `rukou config`: every setting in force and where it comes from. */
#include <stdio.h>
#include <string.h>

#include "cli/config.h"
#include "json/json.h"

static json_t *row(const char *value, bool is_int, const char *where) {
  int64_t number = 0;
  bool numeric = is_int && rk_str_i64(rk_str_c(value), &number);
  return json_pack("{s:o, s:s}", "value", numeric ? json_integer(number) : json_string(value), "from", where);
}

static int print_json(const struct rk_cli *c) {
  json_t *all = json_object();
  char where[4200];
  json_object_set_new(all, "config_file", json_string(c->cfg.config_file));
  json_object_set_new(all, "data_dir", json_string(c->cfg.data_dir));
  json_object_set_new(all, "cache_dir", json_string(c->cfg.cache_dir));
  json_t *settings = json_object();
  for (int i = 0; i < rk_setting_count(); i++)
    json_object_set_new(settings, rk_setting_name(i),
                        row(rk_setting_shown(i), rk_setting_is_int(i), rk_setting_where(i, where, sizeof where)));
  json_object_set_new(all, "settings", settings);
  json_dumpf(all, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
  putchar('\n');
  json_decref(all);
  return RK_EXIT_OK;
}

static int run(struct rk_cli *c) {
  bool example = false;
  if (!rk_opts(c, &(struct rk_opt){"example", 'b', &example}, 1)) return RK_EXIT_USAGE;
  if (c->argc) {
    fprintf(stderr, "rukou: config takes no argument; settings are changed in %s\n", c->cfg.config_file);
    return RK_EXIT_USAGE;
  }
  if (example) return rk_config_example(stdout), RK_EXIT_OK;
  if (c->json) return print_json(c);
  char where[4200];
  printf("# config file: %s\n# data: %s\n# cache: %s\n", c->cfg.config_file, c->cfg.data_dir, c->cfg.cache_dir);
  for (int i = 0; i < rk_setting_count(); i++)
    printf("%-18s = %-20s # %s\n", rk_setting_name(i), rk_setting_shown(i), rk_setting_where(i, where, sizeof where));
  return RK_EXIT_OK;
}

const struct rk_command rk_cmd_config = {
  .name = "config",
  .summary = "every setting in force and where it comes from",
  .help = "usage: rukou config [--example] [--json]\n\n"
          "Prints every setting in force and where it comes from: a flag, the environment (RUKOU_KEY), the config file\n"
          "(FILE:LINE) or the default. The file is yours: the program never writes it.\n\n"
          "  --example   print a commented config file to start from\n"
          "  --json      one object\n\n"
          "Examples:\n"
          "  rukou config\n"
          "  rukou config --example > ~/.config/rukou/rukou.conf\n"
          "  RUKOU_MODEL=0.5b rukou config --json\n\n"
          "Exit codes: 0 done, 2 a setting is wrong (the line says which).\n",
  .run = run,
};
