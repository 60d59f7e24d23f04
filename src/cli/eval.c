#include "cli/eval.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/identity.h"
#include "cli/pull.h"
#include "eval/solve.h"

enum { PATH_BYTES = 4096, COMMIT_BYTES = 64, MAX_REPEAT = 100 };

struct args {
  const char *keep, *only, *out;
  int64_t repeat, jobs;
  double temperature;
  bool resume, no_pull, solvable;
};

/* What all runs of the command add up to. */
struct tally {
  json_t *passes;                  /* id -> runs passed */
  int64_t n_run, n_passed, n_failed_to_run, n_kept;
  int64_t model_calls, tokens_decoded, tokens_prefilled, ms;
};

/* ---- what is run ---- */

/* The commit of the tree that the program stands in (build/MODE/rukou); "" elsewhere. */
static void read_commit(char out[COMMIT_BYTES]) {
  char exe[PATH_BYTES], command[PATH_BYTES + 200];
  ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
  out[0] = 0;
  if (n <= 0) return;
  exe[n] = 0;
  char *slash = strrchr(exe, '/');
  if (!slash || strchr(exe, '\'')) return;
  *slash = 0;
  snprintf(command, sizeof command, "cd '%s' && git rev-parse --short=12 HEAD 2>/dev/null && { git diff --quiet HEAD -- 2>/dev/null || echo +; }", exe);
  FILE *f = popen(command, "r");
  char line[40];
  while (f && fgets(line, sizeof line, f)) {
    line[strcspn(line, "\n")] = 0;
    snprintf(out + strlen(out), COMMIT_BYTES - strlen(out), "%s", line);
  }
  if (f) pclose(f);
}

static void name_model(const struct rk_cli *c, char *out, size_t size) {
  struct rk_identity id;
  char path[PATH_BYTES];
  struct rk_error e;
  if (c->cfg.base_url[0]) {
    snprintf(out, size, "%s at %s", c->cfg.model_name, c->cfg.base_url);
    return;
  }
  const char *file = strrchr(c->cfg.model, '/');
  snprintf(out, size, "%s", file ? file + 1 : c->cfg.model);
  if (rk_model_path(c, c->cfg.model, true, path, sizeof path, &e) || rk_identity_of(c->cfg.cache_dir, path, &id, &e)) return;
  size_t n = strlen(out);
  snprintf(out + n, size - n, " %02x%02x%02x%02x%02x%02x", id.sha256[0], id.sha256[1], id.sha256[2], id.sha256[3], id.sha256[4], id.sha256[5]);
}

/* The head of a results file: what has to be the same for results to stand in one table. */
static json_t *head_of(const struct rk_evaluation *v, const char *file, const struct args *a) {
  char commit[COMMIT_BYTES], model[600], program[65] = "";
  struct rk_error e;
  const char *name = strrchr(file, '/');
  read_commit(commit);
  name_model(v->cli, model, sizeof model);
  if (rk_hash_file("program", "/proc/self/exe", program, &e)) program[0] = 0;
  program[16] = 0;
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:f, s:I}", "commit", commit, "program", program, "model", model, "tasks", name ? name + 1 : file, "tasks_sha256",
                   v->tasks.sha256, "temperature", a->temperature, "repeat", (json_int_t)a->repeat);
}

static bool is_wanted(const char *only, const char *id) {
  rk_str rest = rk_str_c(only), one;
  if (!only) return true;
  while (rest.n) {
    rk_str_cut(rest, ',', &one, &rest);
    if (rk_str_eq_c(rk_str_trim(one), id)) return true;
  }
  return false;
}

static rk_err check_only(const struct rk_tasks *t, const char *only, struct rk_error *e) {
  rk_str rest = rk_str_c(only), one;
  while (rest.n) {
    bool known = false;
    size_t i;
    json_t *task;
    rk_str_cut(rest, ',', &one, &rest);
    json_array_foreach(t->list, i, task) known = known || rk_str_eq(rk_str_trim(one), rk_json_str(task, "id"));
    if (!known) return rk_fail(e, RK_EINVAL, "--only: there is no task %.*s", RK_STR_ARG(one));
  }
  return RK_OK;
}

/* ---- the table ---- */

static void print_line(const struct rk_cli *c, const json_t *result) {
  if (c->json) {
    char *text = rk_json_dump(result);
    puts(text ? text : "");
    free(text);
  } else {
    printf("%-4s %-24s %6.1f s %3lld calls %6lld tokens  %s\n", rk_json_bool(result, "pass", false) ? "ok" : "FAIL", rk_json_cstr(result, "id", ""),
           json_number_value(json_object_get(result, "seconds")), (long long)rk_json_i64(result, "model_calls", 0), (long long)rk_json_i64(result, "tokens_decoded", 0),
           rk_json_cstr(result, "why", ""));
  }
  fflush(stdout);
}

static void count(struct tally *t, const json_t *result) {
  const char *id = rk_json_cstr(result, "id", "");
  bool pass = rk_json_bool(result, "pass", false);
  t->n_run++;
  t->n_passed += pass;
  json_object_set_new(t->passes, id, json_integer(rk_json_i64(t->passes, id, 0) + pass));
  t->model_calls += rk_json_i64(result, "model_calls", 0);
  t->tokens_decoded += rk_json_i64(result, "tokens_decoded", 0);
  t->tokens_prefilled += rk_json_i64(result, "tokens_prefilled", 0);
  t->ms += (int64_t)(json_number_value(json_object_get(result, "seconds")) * 1000);
}

static void print_total(const struct tally *t, int64_t repeat) {
  const char *id;
  json_t *n;
  int64_t often = 0;
  json_object_foreach(t->passes, id, n) often += json_integer_value(n) * 5 >= repeat * 4;
  if (repeat > 1) printf("%lld tasks passed in at least four fifths of %lld runs\n", (long long)often, (long long)repeat);
  if (t->n_kept) printf("%lld results were there already and are counted\n", (long long)t->n_kept);
  printf("%.0f s, %lld model calls, %lld tokens decoded, %lld prefilled\n", (double)t->ms / 1000, (long long)t->model_calls, (long long)t->tokens_decoded,
         (long long)t->tokens_prefilled);
  printf("%lld passed, %lld failed\n", (long long)t->n_passed, (long long)(t->n_run - t->n_passed + t->n_failed_to_run));
}

/* ---- the loop ---- */

static rk_err run_all(struct rk_evaluation *v, const struct args *a, const json_t *done, struct tally *t, struct rk_error *e) {
  size_t i, n = json_array_size(v->tasks.list);
  for (int64_t run = 1; run <= a->repeat; run++)
    for (i = 0; i < n; i++) {
      const json_t *task = json_array_get(v->tasks.list, i);
      const char *id = rk_json_cstr(task, "id", "");
      char key[160];
      json_t *result = NULL;
      struct rk_error why = {0};
      if (!is_wanted(a->only, id)) continue;
      snprintf(key, sizeof key, "%s %lld", id, (long long)run);
      const json_t *kept = json_object_get(done, key);
      if (kept) {
        t->n_kept++, t->n_run++, t->n_passed += json_is_true(kept);
        json_object_set_new(t->passes, id, json_integer(rk_json_i64(t->passes, id, 0) + json_is_true(kept)));
        continue;
      }
      if (rk_eval_run(v, task, run, &result, &why)) { /* it has no result: --resume tries it again */
        fprintf(stderr, "rukou: %s did not run: %s\n", id, why.msg);
        t->n_failed_to_run++;
        json_decref(result);
        continue;
      }
      count(t, result);
      print_line(v->cli, result);
      rk_err err = a->out ? rk_eval_out_add(a->out, result, e) : RK_OK;
      json_decref(result);
      if (err) return err;
    }
  return RK_OK;
}

/* Of each task whether it can end well at all; nothing is run. */
static bool look_through(struct rk_evaluation *v, const struct args *a) {
  size_t i, n = 0, bad = 0;
  json_t *task;
  json_array_foreach(v->tasks.list, i, task) {
    struct rk_case c = {.task = task, .profile = rk_task_profile(&v->tasks, task), .market = &v->market};
    char why[RK_MAX_WHY_BYTES];
    if (!is_wanted(a->only, rk_json_cstr(task, "id", ""))) continue;
    bool ok = rk_solvable(&c, why);
    n++, bad += !ok;
    if (v->cli->json) printf("{\"id\":\"%s\",\"solvable\":%s}\n", rk_json_cstr(task, "id", ""), ok ? "true" : "false");
    else printf("%-4s %-24s %s\n", ok ? "ok" : "FAIL", rk_json_cstr(task, "id", ""), why);
  }
  if (!v->cli->json) printf("%zu passed, %zu failed\n", n - bad, bad);
  return bad == 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f) {
  (void)st, (void)flag, (void)f;
  return remove(path);
}

static rk_err open_all(struct rk_evaluation *v, const char *file, const struct args *a, struct rk_error *e) {
  const char *dirs[RK_SANDBOX_MAX], *tmp = getenv("TMPDIR");
  rk_err err = rk_tasks_load(file, &v->tasks, e);
  if (!err) err = check_only(&v->tasks, a->only, e);
  if (!err) err = rk_sandbox_find(&v->cli->cfg, &v->dirs, e);
  for (int32_t i = 0; !err && i < v->dirs.n; i++) dirs[i] = v->dirs.path[i];
  if (!err) err = rk_market_open(dirs, v->dirs.n, &v->market, e);
  if (err || a->solvable) return err;
  err = rk_net_new(&v->net, e);
  if (!err) err = rk_app_open_model(v->cli, a->no_pull, v->net, &v->model, e);
  snprintf(v->scratch, sizeof v->scratch, "%.100s/rukou-eval-XXXXXX", tmp && tmp[0] == '/' ? tmp : "/tmp");
  if (!err && !mkdtemp(v->scratch)) err = rk_fail(e, RK_EIO, "%s cannot be made", v->scratch), v->scratch[0] = 0;
  return err;
}

static void close_all(struct rk_evaluation *v) {
  if (v->scratch[0]) nftw(v->scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  if (v->model) rk_chat_close(v->model);
  if (v->net) rk_net_free(v->net);
  rk_market_close(&v->market);
  rk_tasks_release(&v->tasks);
}

/* *all: every task that was wanted has run. */
static rk_err run_file(struct rk_evaluation *v, const char *file, const struct args *a, bool *all, struct rk_error *e) {
  struct tally t = {.passes = json_object()};
  json_t *done = json_object(), *head = head_of(v, file, a);
  rk_err err = a->out ? rk_eval_out_open(a->out, a->resume, head, done, e) : RK_OK;
  if (!err) err = run_all(v, a, done, &t, e);
  if (!err && !v->cli->json) print_total(&t, a->repeat);
  *all = t.n_failed_to_run == 0;
  json_decref(head);
  json_decref(done);
  json_decref(t.passes);
  return err;
}

static int evaluate(struct rk_cli *c, const char *file, const struct args *a) {
  struct rk_evaluation *v = calloc(1, sizeof *v);
  struct rk_error e = {0};
  bool all = true;
  if (!v) return RK_EXIT_FAILED;
  *v = (struct rk_evaluation){.cli = c, .keep = a->keep, .temperature = a->temperature};
  rk_err err = open_all(v, file, a, &e);
  if (!err && a->solvable) all = look_through(v, a);
  else if (!err) err = run_file(v, file, a, &all, &e);
  close_all(v);
  free(v);
  return err ? rk_die(&e) : all ? RK_EXIT_OK : RK_EXIT_FAILED;
}

static int run(struct rk_cli *c) {
  struct args a = {.repeat = 1, .jobs = 1};
  struct rk_opt opts[] = {{"repeat", 'i', &a.repeat}, {"keep", 's', &a.keep}, {"only", 's', &a.only}, {"jobs", 'i', &a.jobs}, {"out", 's', &a.out},
                          {"resume", 'b', &a.resume}, {"temperature", 'f', &a.temperature}, {"no-pull", 'b', &a.no_pull}, {"solvable", 'b', &a.solvable}};
  if (!rk_opts(c, opts, sizeof opts / sizeof *opts)) return RK_EXIT_USAGE;
  if (c->argc != 1) return fprintf(stderr, "rukou: name one file of tasks; see `rukou eval --help`\n"), RK_EXIT_USAGE;
  if (a.repeat < 1 || a.repeat > MAX_REPEAT) return fprintf(stderr, "rukou: --repeat is 1 to %d\n", MAX_REPEAT), RK_EXIT_USAGE;
  if (a.jobs != 1) return fprintf(stderr, "rukou: --jobs is 1: the tasks share one engine and one clock\n"), RK_EXIT_USAGE;
  if (a.temperature < 0 || a.temperature > 2) return fprintf(stderr, "rukou: --temperature is 0 to 2\n"), RK_EXIT_USAGE;
  if (a.resume && !a.out) return fprintf(stderr, "rukou: --resume goes on in the file of --out\n"), RK_EXIT_USAGE;
  return evaluate(c, c->argv[0], &a);
}

const struct rk_command rk_cmd_eval = {
  .name = "eval",
  .summary = "runs tasks and checks how they ended",
  .help = "usage: rukou eval FILE [--model M] [--repeat K] [--temperature T] [--only ID,...] [--json]\n"
          "                  [--out FILE [--resume]] [--keep DIR] [--jobs 1] [--no-pull]\n\n"
          "Each task of the file (one JSON object a line, profiles.json beside it) runs in a new sandbox: own data, own shops,\n"
          "the task's clock and profile. A simulated user says its lines, answers questions and decides at the approval cards.\n"
          "What counts is the end: the shops' databases, the ledger, the event log, the made files (docs/eval.md).\n\n"
          "  --repeat K       each task K times; with a temperature each time with another seed\n"
          "  --temperature T  of the model's sampling, 0 to 2 (default 0)\n"
          "  --only ID,...    these tasks only\n"
          "  --json           one line a run: {id, run, pass, why, orders, charges, approvals, cards, answers, seconds, model_calls,\n"
          "                   tokens_decoded, tokens_prefilled, tokens_cached}\n"
          "  --out FILE       appends each result when it is there; --resume goes on in it (same commit, model and tasks)\n"
          "  --keep DIR       leaves DIR/ID/{task.json, events.jsonl, rukou.db, shops/NAME.db, made/} of each run\n"
          "  --jobs 1         one task at a time: they share one engine and one clock\n"
          "  --solvable       runs nothing: says of each task whether the shops have what it wants, within its limits\n"
          "  --no-pull        exit code 3 when the model is missing\n\n"
          "Examples:\n"
          "  rukou eval tests/tasks/dev.jsonl\n"
          "  rukou eval tests/tasks/dev.jsonl --only shoes,hello --keep /tmp/kept --json\n"
          "  rukou eval tests/tasks/dev.jsonl --repeat 5 --temperature 0.7 --out results.jsonl --resume\n\n"
          "Exit codes: 0 every task ran (passed or not), 1 one did not run, 2 usage, 3 the model is missing.\n",
  .run = run,
};
