/* eval.h - inside of `rukou eval`: eval.c the command and its loop, eval_run.c
 * one task in a sandbox of its own, eval_keep.c what a run leaves, eval_out.c
 * the file of results. The tasks and their checks are in eval/.
 * Thread rule: one thread. */
#ifndef RK_CLI_EVAL_H
#define RK_CLI_EVAL_H

#include "cli/app.h"
#include "eval/check.h"
#include "eval/task.h"

struct rk_evaluation {
  struct rk_cli *cli;
  struct rk_tasks tasks;
  struct rk_sandbox_dirs dirs;     /* of the shops */
  struct rk_market market;
  struct rk_net *net;              /* of a remote model */
  struct rk_chat_model *model;
  double temperature;
  const char *keep;                /* NULL: nothing is kept */
  char scratch[128];
};

/* Runs the task in a new sandbox and checks its end. *result: the object of docs/eval.md. An error: it did not run. */
rk_err rk_eval_run(struct rk_evaluation *v, const json_t *task, int64_t run, json_t **result, struct rk_error *e) RK_MUST_USE;

/* DIR/ID/{task.json, events.jsonl, rukou.db, shops/NAME.db, made/}; ID.RUN from the second run on. data_dir: of the run, closed. */
rk_err rk_eval_keep(struct rk_evaluation *v, const json_t *task, int64_t run, const json_t *evidence, const json_t *result, const char *data_dir,
                    struct rk_error *e) RK_MUST_USE;

/* The results file. head: what must be the same to go on there. done: {"ID RUN": pass} of the results that it holds. */
rk_err rk_eval_out_open(const char *path, bool resume, const json_t *head, json_t *done, struct rk_error *e) RK_MUST_USE;
rk_err rk_eval_out_add(const char *path, const json_t *line, struct rk_error *e) RK_MUST_USE;

#endif
