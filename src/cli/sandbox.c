#include "cli/sandbox.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "json/json.h"

enum { START_TIMEOUT_MS = 60000, STOP_TIMEOUT_MS = 5000, PATH_BYTES = 4096 };

static bool is_shop(const char *dir) {
  char file[PATH_BYTES + 16];
  snprintf(file, sizeof file, "%s/shop.conf", dir);
  struct stat st;
  return stat(file, &st) == 0;
}

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

/* Every merchant below parent, in the order of their names. */
static void add_below(const char *parent, struct rk_sandbox_dirs *d) {
  DIR *dir = opendir(parent);
  if (!dir) return;
  for (struct dirent *ent; d->n < RK_SANDBOX_MAX && (ent = readdir(dir));) {
    if (ent->d_name[0] == '.') continue;
    int n = snprintf(d->path[d->n], PATH_BYTES, "%s/%s", parent, ent->d_name);
    if (n > 0 && n < PATH_BYTES && is_shop(d->path[d->n])) d->n++;
  }
  closedir(dir);
  qsort(d->path, (size_t)d->n, sizeof d->path[0], by_name);
}

/* build/MODE/rukou stands in the tree; an installed one beside share/. */
static void find_beside_program(struct rk_sandbox_dirs *d) {
  char exe[PATH_BYTES], parent[PATH_BYTES + 32];
  ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
  if (n <= 0) return;
  exe[n] = 0;
  char *slash = strrchr(exe, '/');
  if (!slash) return;
  *slash = 0;
  static const char *const places[] = {"../..", "../share/rukou"};
  for (size_t i = 0; d->n == 0 && i < sizeof places / sizeof *places; i++) {
    snprintf(parent, sizeof parent, "%s/%s/shops", exe, places[i]);
    add_below(parent, d);
    snprintf(parent, sizeof parent, "%s/%s/shops/travel", exe, places[i]);
    add_below(parent, d);
    int n_path = snprintf(d->news, sizeof d->news, "%s/%s/sites/news/articles.txt", exe, places[i]);
    if (n_path >= (int)sizeof d->news || access(d->news, R_OK) != 0) d->news[0] = 0;
  }
}

rk_err rk_sandbox_find(const struct rk_config *cfg, struct rk_sandbox_dirs *d, struct rk_error *e) {
  d->n = 0, d->news[0] = 0;
  rk_str rest = rk_str_c(cfg->sandbox_shops), one;
  if (rest.n == 0) {
    find_beside_program(d);
    return d->n ? RK_OK : rk_fail(e, RK_ENOTFOUND, "no sandbox shops beside the program; name them with sandbox_shops = DIR,DIR");
  }
  while (rest.n) {
    rk_str_cut(rest, ',', &one, &rest);
    one = rk_str_trim(one);
    if (one.n == 0) continue;
    if (d->n == RK_SANDBOX_MAX) return rk_fail(e, RK_ETOOBIG, "more than %d sandbox shops", RK_SANDBOX_MAX);
    snprintf(d->path[d->n], PATH_BYTES, "%.*s", RK_STR_ARG(one));
    if (!is_shop(d->path[d->n]))
      return rk_fail(e, RK_ENOTFOUND, "%s is no shop: it has no shop.conf", d->path[d->n]);
    d->n++;
  }
  return RK_OK;
}

static _Noreturn void run_child(const struct rk_config *cfg, int out_fd, const char *port, const char *agent_origin,
                                struct rk_sandbox_dirs *d) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  setpgid(0, 0); /* Ctrl+C reaches us, and we stop the shops after the last turn */
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  dup2(out_fd, STDOUT_FILENO);
  char exe[PATH_BYTES];
  ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
  if (n <= 0) _exit(127);
  exe[n] = 0;
  char *argv[20 + RK_SANDBOX_MAX];
  int argc = 0;
  const char *fixed[] = {exe, "shop", "serve", "--json", "--sandbox", "--agent", agent_origin, "--port", port, "--data", cfg->data_dir};
  for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) argv[argc++] = strdup(fixed[i]);
  if (d->news[0]) argv[argc++] = strdup("--news"), argv[argc++] = d->news;
  for (int32_t i = 0; i < d->n; i++) argv[argc++] = d->path[i];
  argv[argc] = NULL;
  execv(exe, argv);
  _exit(127);
}

/* Takes whole lines out of the child's output; each names one shop, or the news site. */
static rk_err take_lines(struct rk_buf *text, struct rk_sandbox *s, struct rk_error *e) {
  rk_str rest = rk_buf_str(text), line;
  while (rk_str_cut(rest, '\n', &line, &rest)) {
    json_t *v = rk_json_parse(line, 4096, e);
    if (!v) return RK_EFORMAT;
    bool shop = json_object_get(v, "shop") != NULL && s->n_origins < RK_SANDBOX_MAX;
    snprintf(shop ? s->origins[s->n_origins++] : s->news, sizeof s->news, "%s", rk_json_cstr(v, "origin", ""));
    json_decref(v);
  }
  struct rk_buf left;
  rk_buf_init(&left, text->max_bytes);
  rk_err err = rk_buf_addstr(&left, rest);
  rk_buf_release(text);
  *text = left;
  return err;
}

static rk_err read_origins(int fd, int32_t n_shops, bool news, struct rk_sandbox *s, struct rk_error *e) {
  struct rk_buf text;
  rk_buf_init(&text, 65536);
  int64_t until_ms = rk_mono_ms() + START_TIMEOUT_MS;
  rk_err err = RK_OK;
  while (!err && (s->n_origins < n_shops || (news && !s->news[0]))) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int64_t left_ms = until_ms - rk_mono_ms();
    char piece[4096];
    ssize_t n = left_ms > 0 && poll(&p, 1, (int)left_ms) > 0 ? read(fd, piece, sizeof piece) : -1;
    if (n < 0) err = rk_fail(e, RK_ETIMEOUT, "the sandbox shops did not start in %d s", START_TIMEOUT_MS / 1000);
    else if (n == 0) err = rk_fail(e, RK_EUNAVAIL, "the sandbox shops ended at once; run `rukou shop serve` by hand to see why");
    else if (rk_buf_add(&text, piece, (size_t)n)) err = RK_ETOOBIG;
    else err = take_lines(&text, s, e);
  }
  rk_buf_release(&text);
  return err;
}

/* Shops of a process that was killed take a moment to end; the ports are kept, so they are waited for. */
static void wait_for_ports(int first_port, int32_t n) {
  int64_t until_ms = rk_mono_ms() + STOP_TIMEOUT_MS;
  for (int32_t i = 0; first_port > 0 && i < n;) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)(first_port + i)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bool is_free = fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) == 0;
    if (fd >= 0) close(fd);
    if (is_free || rk_mono_ms() > until_ms) i++;
    else rk_sleep_ms(50);
  }
}

rk_err rk_sandbox_start(const struct rk_config *cfg, int first_port, const char *agent_origin, struct rk_sandbox *out,
                        struct rk_error *e) {
  *out = (struct rk_sandbox){0};
  struct rk_sandbox_dirs *d = calloc(1, sizeof *d);
  if (!d) return rk_fail(e, RK_ENOMEM, "out of memory");
  int fds[2] = {-1, -1};
  char port[16];
  snprintf(port, sizeof port, "%d", first_port);
  rk_err err = rk_sandbox_find(cfg, d, e);
  if (!err && pipe2(fds, O_CLOEXEC) != 0) err = rk_fail(e, RK_EIO, "pipe: %s", strerror(errno));
  if (!err) wait_for_ports(first_port, d->n + (d->news[0] != 0));
  if (!err) {
    out->pid = fork();
    if (out->pid == 0) run_child(cfg, fds[1], port, agent_origin, d);
    if (out->pid < 0) err = rk_fail(e, RK_EIO, "fork: %s", strerror(errno));
  }
  if (fds[1] >= 0) close(fds[1]);
  if (!err) err = read_origins(fds[0], d->n, d->news[0] != 0, out, e);
  if (fds[0] >= 0) close(fds[0]);
  if (err) rk_sandbox_stop(out);
  free(d);
  return err;
}

void rk_sandbox_stop(struct rk_sandbox *s) {
  if (s->pid <= 0) return;
  kill(s->pid, SIGTERM);
  int64_t until_ms = rk_mono_ms() + STOP_TIMEOUT_MS;
  while (waitpid(s->pid, NULL, WNOHANG) == 0) {
    if (rk_mono_ms() > until_ms) {
      kill(s->pid, SIGKILL);
      waitpid(s->pid, NULL, 0);
      break;
    }
    rk_sleep_ms(10);
  }
  s->pid = 0;
}
