/* cli.h - the command line: one file per command, main.c is a table of them.
 *
 * main() reads the global options (--data DIR, --cache DIR, --config FILE,
 * --json, --help, --version) wherever they stand, loads the settings and runs
 * the command with what is left. Answers go to stdout, everything else to
 * stderr; an error is one line that names the fix. */
#ifndef RK_CLI_CLI_H
#define RK_CLI_CLI_H

#include "base/err.h"
#include "base/str.h"

enum rk_exit { RK_EXIT_OK = 0, RK_EXIT_FAILED = 1, RK_EXIT_USAGE = 2, RK_EXIT_NO_MODEL = 3, RK_EXIT_BUSY = 4, RK_EXIT_STOPPED = 130 };

/* Settings: flag > environment > file > built-in; config.h says where each came from. */
struct rk_config {
  const char *data_dir, *cache_dir, *config_file;
  bool data_given;               /* --data or RUKOU_DATA: ports are free ones kept in DATA/ports.json */
  const char *model;             /* "1.5b", "0.5b" or a path */
  const char *model_source;      /* "auto" | "url" | "package" */
  const char *base_url, *api_key, *model_name;  /* remote backend when base_url is not "" */
  int threads, ctx, kv_memory;   /* 0: automatic; kv_memory in MB */
  int kv_wait;                   /* seconds */
  const char *kv_type;           /* "f16" | "q8_0" | "kf16_vq8" */
  const char *address;           /* "127.0.0.1" */
  int port;                      /* 0: 7100, or with data_given a free one */
  const char *tls_cert, *tls_key, *trusted_proxy, *public_origin, *ca_file, *search_url;
  const char *shops;             /* origins of merchants, comma separated; "" : the sandbox shops */
  const char *sandbox_shops;     /* directories of sandbox merchants, comma separated; "" : found beside the program */
  int shop_port;                 /* first port of the sandbox shops on 127.0.0.2; 0: 7110, or free ones */
  const char *agent_profile_url; /* "" : our own /.well-known/ucp */
  const char *lang;              /* "zh" | "en" | "auto" */
};

struct rk_cli {
  struct rk_config cfg;
  bool json;                     /* --json */
  int argc;                      /* what is left after the command's name and the global options */
  char **argv;
};

struct rk_command {
  const char *name;
  const char *summary;           /* one line for `rukou help` */
  const char *help;              /* usage, options, examples, exit codes: printed by --help */
  int (*run)(struct rk_cli *c);  /* returns an rk_exit */
};

/* Options of a command. kind: 's' const char *, 'i' int64_t, 'f' double, 'b' bool (takes no value),
 * 'l' struct rk_opt_list (may be repeated). */
struct rk_opt { const char *name; char kind; void *dst; };
enum { RK_OPT_LIST_MAX = 64 };
struct rk_opt_list { const char *v[RK_OPT_LIST_MAX]; int n; };
/* Fills the options, leaves the positional arguments in c->argc/argv. An option that the command does not name
 * but that is a setting (--model, --base-url) goes into c->cfg. False: printed what is wrong (exit 2). */
bool rk_opts(struct rk_cli *c, const struct rk_opt *opts, int n_opts);

/* Prints "rukou: ..." to stderr and returns the exit code that fits e. */
int rk_die(const struct rk_error *e);

/* A progress bar on stderr, only on a terminal and only after two seconds: rate and time left. total 0: unknown. */
struct rk_progress { const char *label; int64_t total, start_ms, last_ms; bool bytes, shown; };
void rk_progress_start(struct rk_progress *p, const char *label, int64_t total, bool bytes);
void rk_progress_update(struct rk_progress *p, int64_t done);
void rk_progress_end(struct rk_progress *p);

/* ---- models (model.c) ---- */
/* Path of the model that name means ("1.5b", "0.5b" or a path); a known one that is missing is pulled
 * unless no_pull (RK_ENOMODEL: says the command to run). path: at least 4096 bytes. */
rk_err rk_model_path(const struct rk_cli *c, const char *name, bool no_pull, char *path, size_t size, struct rk_error *e) RK_MUST_USE;

#endif
