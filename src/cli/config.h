/* config.h - the settings: one table in config.c, one row a setting.
 *
 * A value comes from a flag, else the environment (RUKOU_ + the upper-case
 * name), else the config file (`key = value`, `#` starts a comment line), else
 * the built-in default. The file belongs to the user and is never written.
 * Process-wide, set up once by main() before any thread starts; the strings in
 * struct rk_config live as long as the process. */
#ifndef RK_CLI_CONFIG_H
#define RK_CLI_CONFIG_H

#include <stdio.h>

#include "cli/cli.h"

enum rk_where { RK_WHERE_DEFAULT, RK_WHERE_FILE, RK_WHERE_ENV, RK_WHERE_FLAG };

/* data_dir, cache_dir, config_file: from flags, NULL when not given. RK_EINVAL: names file, line and the nearest key. */
rk_err rk_config_load(struct rk_config *cfg, const char *data_dir, const char *cache_dir, const char *config_file,
                      struct rk_error *e) RK_MUST_USE;

/* A flag `--name value`; '-' and '_' are the same. RK_ENOTFOUND: no such setting. */
rk_err rk_config_flag(struct rk_config *cfg, const char *name, const char *value, struct rk_error *e) RK_MUST_USE;

/* Setting i of n: its name, its value as text (secrets hidden) and where it comes from. */
int rk_setting_count(void);
const char *rk_setting_name(int i);
const char *rk_setting_shown(int i);
bool rk_setting_is_int(int i);
const char *rk_setting_where(int i, char *out, size_t size);

/* The name of n closest to word, NULL when none is near. name(i) gives them. */
const char *rk_nearest(const char *word, const char *(*name)(int i), int n);

void rk_config_example(FILE *out);

#endif
