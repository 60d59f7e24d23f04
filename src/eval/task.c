#include "eval/task.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "eval/user.h"
#include "net/digest.h"

enum { PATH_BYTES = 4096 };

static bool is_id(rk_str s) {
  for (size_t i = 0; i < s.n; i++)
    if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= 'A' && s.p[i] <= 'Z') || (s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '-' || s.p[i] == '_')) return false;
  return s.n > 0 && s.n <= RK_MAX_TASK_ID_BYTES;
}

static bool all_texts(const json_t *list) {
  size_t i;
  json_t *v;
  json_array_foreach(list, i, v)
    if (!json_is_string(v) || json_string_length(v) == 0) return false;
  return true;
}

/* What is wrong with a task, or NULL. */
static const char *fault(const struct rk_tasks *t, const json_t *task) {
  size_t n_say = json_array_size(rk_json_arr(task, "say"));
  int64_t ms;
  if (!is_id(rk_json_str(task, "id"))) return "id: 1 to 64 letters, digits, - or _";
  if (n_say == 0 || n_say > RK_MAX_SAY || !all_texts(rk_json_arr(task, "say"))) return "say: 1 to 16 texts";
  if (!rk_time_parse(rk_json_str(task, "clock"), &ms, NULL)) return "clock: a time such as 2026-11-23T10:00:00+08:00";
  if (!rk_task_profile(t, task)) return "profile: not in profiles.json";
  if (!rk_json_obj(task, "expect") || json_object_size(rk_json_obj(task, "expect")) == 0) return "expect: an object with at least one word";
  if (json_object_get(task, "user") && !rk_json_obj(task, "user")) return "user: an object";
  if (!rk_user_approve_is_valid(task)) return "approve: yes, no, up_to:MINOR CURRENCY, or one of these for each line of say";
  return NULL;
}

static rk_err add_line(struct rk_tasks *t, rk_str line, int number, struct rk_error *e) {
  struct rk_error why;
  json_t *task = rk_json_parse(line, RK_MAX_TASK_FILE_BYTES, &why), *other;
  if (!task) return rk_fail(e, RK_EFORMAT, "line %d: %s", number, why.msg);
  const char *bad = json_is_object(task) ? fault(t, task) : "no object";
  size_t i;
  json_array_foreach(t->list, i, other)
    if (!bad && rk_str_eq(rk_json_str(other, "id"), rk_json_str(task, "id"))) bad = "the id stands twice";
  if (!bad && json_array_size(t->list) == RK_MAX_TASKS) bad = "too many tasks";
  json_array_append_new(t->list, task);
  return bad ? rk_fail(e, RK_EFORMAT, "line %d: %s", number, bad) : RK_OK;
}

static rk_err read_profiles(struct rk_tasks *t, const char *path, struct rk_buf *text, struct rk_error *e) {
  char beside[PATH_BYTES];
  const char *slash = strrchr(path, '/');
  snprintf(beside, sizeof beside, "%.*sprofiles.json", slash ? (int)(slash - path + 1) : 0, path);
  rk_err err = rk_buf_read_file(text, beside, e);
  if (!err && !(t->profiles = rk_json_parse(rk_buf_str(text), RK_MAX_TASK_FILE_BYTES, e))) err = e->code;
  return !err && !json_is_object(t->profiles) ? rk_fail(e, RK_EFORMAT, "%s: no object", beside) : err;
}

rk_err rk_tasks_load(const char *path, struct rk_tasks *out, struct rk_error *e) {
  struct rk_buf text, beside;
  *out = (struct rk_tasks){.list = json_array()};
  rk_buf_init(&text, RK_MAX_TASK_FILE_BYTES);
  rk_buf_init(&beside, RK_MAX_TASK_FILE_BYTES);
  rk_err err = rk_buf_read_file(&text, path, e);
  if (!err) err = read_profiles(out, path, &beside, e);
  rk_str rest = rk_buf_str(&text), line;
  for (int number = 1; !err && rest.n; number++) {
    rk_str_cut(rest, '\n', &line, &rest);
    line = rk_str_trim(line);
    if (line.n && line.p[0] != '#') err = add_line(out, line, number, e);
  }
  if (!err && json_array_size(out->list) == 0) err = rk_fail(e, RK_EFORMAT, "%s holds no task", path);
  rk_buf_addc(&text, 0);
  rk_buf_addstr(&text, rk_buf_str(&beside));
  rk_sha256_hex(rk_buf_str(&text), out->sha256);
  rk_buf_release(&text);
  rk_buf_release(&beside);
  if (err) rk_tasks_release(out);
  return err;
}

void rk_tasks_release(struct rk_tasks *t) {
  json_decref(t->list);
  json_decref(t->profiles);
  *t = (struct rk_tasks){0};
}

bool rk_task_new_chat_each(const json_t *task) {
  return rk_json_bool(task, "new_chat_each", false) || rk_json_bool(rk_json_obj(task, "expect"), "new_chat_each", false);
}

const json_t *rk_task_profile(const struct rk_tasks *t, const json_t *task) { return rk_json_obj(t->profiles, rk_json_cstr(task, "profile", "")); }
