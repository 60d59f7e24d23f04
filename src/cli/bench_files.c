/* bench_files.c - what the benches over a directory of prompts share. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench.h"

enum { FILE_BYTES = 1 << 20 };

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

void rk_bench_files_free(struct rk_bench_files *f) {
  for (int i = 0; i < f->n; i++) free(f->names[i]);
  f->n = 0;
}

rk_err rk_bench_files(const char *dir, const char *ending, struct rk_bench_files *f, struct rk_error *e) {
  DIR *d = opendir(dir);
  f->n = 0;
  if (!d) return rk_fail(e, RK_ENOTFOUND, "the directory %s cannot be read", dir);
  for (const struct dirent *entry; (entry = readdir(d));) {
    size_t n = strlen(entry->d_name), k = strlen(ending);
    if (n <= k || strcmp(entry->d_name + n - k, ending) != 0) continue;
    char *name = f->n < RK_BENCH_FILES_MAX ? strdup(entry->d_name) : NULL;
    if (!name) {
      closedir(d);
      rk_bench_files_free(f);
      return rk_fail(e, RK_ETOOBIG, "%s has more than %d files", dir, RK_BENCH_FILES_MAX);
    }
    f->names[f->n++] = name;
  }
  closedir(d);
  qsort(f->names, (size_t)f->n, sizeof *f->names, by_name);
  return f->n ? RK_OK : rk_fail(e, RK_ENOTFOUND, "%s has no file that ends in %s", dir, ending);
}

rk_err rk_bench_read(const char *dir, const char *name, struct rk_buf *text, struct rk_error *e) {
  char path[RK_BENCH_PATH];
  if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path) return rk_fail(e, RK_ETOOBIG, "the path of %s is too long", name);
  rk_buf_init(text, FILE_BYTES);
  return rk_buf_read_file(text, path, e);
}

rk_err rk_bench_open(struct rk_cli *c, bool no_pull, int slots, struct rk_chat_model **m, struct rk_error *e) {
  char path[RK_BENCH_PATH];
  rk_err err = rk_model_path(c, c->cfg.model, no_pull, path, sizeof path, e);
  if (err) return err;
  return rk_chat_open_local(&(struct rk_chat_local_opts){.model_path = path, .model_name = "bench", .n_threads = c->cfg.threads,
                                                         .n_ctx = c->cfg.ctx, .n_slots = slots}, m, e);
}
