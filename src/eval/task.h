/* task.h - a file of tasks: one JSON object a line, with profiles.json beside it.
 *
 *   {id, lang, clock, profile, say: [text], user: {slot: text}, approve, expect: {word: ...}}
 *
 * docs/eval.md explains the fields. Everything is read and looked at before the
 * first task runs. Thread rule: one thread. */
#ifndef RK_EVAL_TASK_H
#define RK_EVAL_TASK_H

#include "json/json.h"

enum { RK_MAX_TASKS = 2000, RK_MAX_TASK_FILE_BYTES = 4 << 20, RK_MAX_TASK_ID_BYTES = 64, RK_MAX_SAY = 16 };

struct rk_tasks {
  json_t *list;      /* of tasks */
  json_t *profiles;  /* name -> profile */
  char sha256[65];   /* of both files */
};

/* RK_EFORMAT names the line and what is wrong with it. */
rk_err rk_tasks_load(const char *path, struct rk_tasks *out, struct rk_error *e) RK_MUST_USE;
void rk_tasks_release(struct rk_tasks *t);

/* Each line of `say` opens a chat of its own. */
bool rk_task_new_chat_each(const json_t *task);
/* The profile row of the task. Borrowed. */
const json_t *rk_task_profile(const struct rk_tasks *t, const json_t *task);

#endif
