#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/eval.h"

enum { MAX_OUT_BYTES = 256 << 20 };

rk_err rk_eval_out_add(const char *path, const json_t *line, struct rk_error *e) {
  FILE *f = fopen(path, "a");
  char *text = rk_json_dump(line);
  bool ok = f && text && fprintf(f, "%s\n", text) > 0;
  if (f) ok = fclose(f) == 0 && ok;
  free(text);
  return ok ? RK_OK : rk_fail(e, RK_EIO, "%s: %s", path, strerror(errno));
}

/* Names the first part in which two heads differ; NULL: they are the same. */
static const char *difference(const json_t *ours, const json_t *theirs) {
  const char *key;
  json_t *v;
  json_object_foreach((json_t *)(uintptr_t)ours, key, v)
    if (!json_equal(v, json_object_get(theirs, key))) return key;
  return NULL;
}

static rk_err read_results(const char *path, rk_str text, const json_t *head, json_t *done, struct rk_error *e) {
  rk_str line;
  for (bool first = true; text.n; first = false) {
    char key[160];
    rk_str_cut(text, '\n', &line, &text);
    json_t *v = rk_json_parse(line, MAX_OUT_BYTES, e);
    if (!v && text.n == 0 && !first) return RK_OK; /* the last line of a run that was cut off */
    const char *other = first ? difference(head, v) : NULL;
    if (!v) return rk_fail(e, RK_EFORMAT, "%s holds no results", path);
    if (other) {
      json_decref(v);
      return rk_fail(e, RK_ECONFLICT, "%s is of another %s: results of two runs do not mix; name another file", path, other);
    }
    if (!first) {
      snprintf(key, sizeof key, "%s %lld", rk_json_cstr(v, "id", ""), (long long)rk_json_i64(v, "run", 1));
      json_object_set_new(done, key, json_boolean(rk_json_bool(v, "pass", false)));
    }
    json_decref(v);
  }
  return RK_OK;
}

rk_err rk_eval_out_open(const char *path, bool resume, const json_t *head, json_t *done, struct rk_error *e) {
  struct rk_buf text;
  if (access(path, F_OK) != 0) return rk_eval_out_add(path, head, e);
  if (!resume) return rk_fail(e, RK_ECONFLICT, "%s is there already; --resume goes on in it", path);
  rk_buf_init(&text, MAX_OUT_BYTES);
  rk_err err = rk_buf_read_file(&text, path, e);
  if (!err) err = read_results(path, rk_buf_str(&text), head, done, e);
  /* A line that was cut off must not swallow the next one. */
  if (!err && text.n && text.p[text.n - 1] != '\n') {
    size_t n = text.n;
    while (n > 0 && text.p[n - 1] != '\n') n--;
    if (truncate(path, (off_t)n) != 0) err = rk_fail(e, RK_EIO, "%s: %s", path, strerror(errno));
  }
  rk_buf_release(&text);
  return err;
}
