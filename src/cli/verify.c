/* verify.c - `rukou verify tokens|next MODEL FILE`: the engine against reference values. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "cli/cli.h"
#include "engine/engine.h"
#include "json/json.h"

enum { MAX_FILE_BYTES = 64 << 20, PATH_BYTES = 4096, MAX_TOKENS = 1 << 20 };

/* What the reference allows, over a whole file. */
static const double max_mean = 0.06, max_p99 = 0.30, max_any = 0.60, max_float = 0.002, clear_lead = 0.3;

struct tally {
  int32_t passed, failed;
};

static void judge(struct tally *t, bool ok) { *(ok ? &t->passed : &t->failed) += 1; }

static int finish(const struct tally *t) {
  printf("%d passed, %d failed\n", t->passed, t->failed);
  return t->failed || !t->passed ? RK_EXIT_FAILED : RK_EXIT_OK;
}

/* Calls fn for every line that is not empty. */
static rk_err each_line(const char *file, rk_err (*fn)(void *ud, int line_no, const json_t *v, struct rk_error *e), void *ud,
                        struct rk_error *e) {
  struct rk_buf text;
  rk_buf_init(&text, MAX_FILE_BYTES);
  rk_err err = rk_buf_read_file(&text, file, e);
  rk_str rest = rk_buf_str(&text), line;
  int line_no = 0;
  for (bool more = true; !err && more;) {
    more = rk_str_cut(rest, '\n', &line, &rest);
    line_no++;
    if (rk_str_trim(line).n == 0) continue;
    struct rk_error why;
    json_t *v = rk_json_parse(line, MAX_FILE_BYTES, &why);
    err = v ? fn(ud, line_no, v, e) : rk_fail(e, RK_EFORMAT, "%s:%d: %s", file, line_no, why.msg);
    json_decref(v);
  }
  rk_buf_release(&text);
  return err;
}

/* ---- tokens ---- */

struct tokens_run {
  const struct rk_model *model;
  int32_t *ids;
  struct tally tally;
};

static bool same_ids(struct tokens_run *r, int line_no, rk_str text, bool trusted, const json_t *want) {
  int32_t n = rk_tokenize(r->model, text, trusted, r->ids, MAX_TOKENS);
  size_t i = 0, n_want = json_array_size(want);
  while (n >= 0 && i < (size_t)n && i < n_want && r->ids[i] == (int32_t)json_integer_value(json_array_get(want, i))) i++;
  if (n >= 0 && (size_t)n == n_want && i == n_want) return true;
  printf("line %d, %s: %d tokens, expected %zu; first difference at token %zu\n", line_no, trusted ? "ids" : "ids_no_special", n,
         n_want, i);
  return false;
}

static rk_err check_tokens(void *ud, int line_no, const json_t *v, struct rk_error *e) {
  static const struct { const char *key; bool trusted; } kinds[] = {{"ids", true}, {"ids_no_special", false}};
  struct tokens_run *r = ud;
  bool any = false;
  if (!json_is_string(json_object_get(v, "text"))) return rk_fail(e, RK_EFORMAT, "line %d has no \"text\"", line_no);
  for (size_t i = 0; i < 2; i++) {
    const json_t *want = rk_json_arr(v, kinds[i].key);
    if (!want) continue;
    any = true;
    judge(&r->tally, same_ids(r, line_no, rk_json_str(v, "text"), kinds[i].trusted, want));
  }
  return any ? RK_OK : rk_fail(e, RK_EFORMAT, "line %d has neither \"ids\" nor \"ids_no_special\"", line_no);
}

static int run_tokens(const struct rk_model *m, const char *file) {
  struct tokens_run r = {.model = m, .ids = malloc(MAX_TOKENS * sizeof *r.ids)};
  struct rk_error e;
  rk_err err = r.ids ? each_line(file, check_tokens, &r, &e) : rk_fail(&e, RK_ENOMEM, "out of memory");
  free(r.ids);
  return err ? rk_die(&e) : finish(&r.tally);
}

/* ---- next ---- */

struct next_run {
  const struct rk_model *model;
  struct rk_engine *engine;
  struct rk_progress progress;
  double *diffs; /* of every logprob in the file */
  size_t n, cap;
  int32_t prompts;
  struct tally tally;
};

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

struct spread {
  double mean, p99, max;
};

static struct spread spread_of(const double *diffs, size_t n) {
  struct spread s = {0};
  double *sorted = malloc((n + 1) * sizeof *sorted);
  if (!sorted || n == 0) {
    free(sorted);
    return (struct spread){INFINITY, INFINITY, INFINITY};
  }
  memcpy(sorted, diffs, n * sizeof *sorted);
  qsort(sorted, n, sizeof *sorted, by_value);
  for (size_t i = 0; i < n; i++) s.mean += sorted[i] / (double)n;
  s.p99 = sorted[(size_t)((double)(n - 1) * 0.99)];
  s.max = sorted[n - 1];
  free(sorted);
  return s;
}

static rk_err add_diff(struct next_run *r, double d, struct rk_error *e) {
  if (r->n == r->cap) {
    size_t cap = r->cap ? 2 * r->cap : 4096;
    double *more = realloc(r->diffs, cap * sizeof *more);
    if (!more) return rk_fail(e, RK_ENOMEM, "out of memory");
    r->diffs = more;
    r->cap = cap;
  }
  r->diffs[r->n++] = isnan(d) ? INFINITY : d;
  return RK_OK;
}

/* One step: the logprobs of the reference's best ids, and the most likely id where the reference is sure of it. */
static rk_err check_step(struct next_run *r, int line_no, size_t step, const json_t *top, const float *logits, struct rk_error *e) {
  int32_t n_vocab = rk_model_info(r->model).n_vocab, best;
  float best_logprob;
  double first = 0, second = 0;
  int64_t first_id = -1;
  for (size_t i = 0; i < json_array_size(top); i++) {
    const json_t *pair = json_array_get(top, i);
    int64_t id = json_integer_value(json_array_get(pair, 0));
    double want = json_number_value(json_array_get(pair, 1));
    if (json_array_size(pair) != 2 || id < 0 || id >= n_vocab)
      return rk_fail(e, RK_EFORMAT, "line %d, step %zu: \"top\" holds no [id, logprob] pairs", line_no, step);
    if (i == 0) first = want, first_id = id;
    if (i == 1) second = want;
    rk_err err = add_diff(r, fabs((double)rk_logprob(logits, n_vocab, (int32_t)id, NULL, NULL, 0) - want), e);
    if (err) return err;
  }
  rk_logprob(logits, n_vocab, 0, &best, &best_logprob, 1);
  if (first - second <= clear_lead) return RK_OK;
  judge(&r->tally, best == first_id);
  if (best != first_id) printf("line %d, step %zu: most likely is %d, expected %lld\n", line_no, step, best, (long long)first_id);
  return RK_OK;
}

/* Tokens of the prompt, then the steps' ids; rows: the positions that predict each step. */
static rk_err compute(struct next_run *r, rk_str prompt, const json_t *steps, int32_t *ids, int32_t *rows, float *logits,
                      int line_no, struct rk_error *e) {
  int32_t n_steps = (int32_t)json_array_size(steps), n_ctx = rk_engine_n_ctx(r->engine);
  int32_t n = rk_tokenize(r->model, prompt, true, ids, n_ctx);
  if (n <= 0 || n + n_steps > n_ctx)
    return rk_fail(e, RK_ECONTEXT, "line %d: %d tokens of prompt and %d steps, the context is %d", line_no, n, n_steps, n_ctx);
  for (int32_t i = 0; i < n_steps; i++) {
    rows[i] = n - 1 + i;
    ids[n + i] = (int32_t)rk_json_i64(json_array_get(steps, (size_t)i), "id", -1);
    if (ids[n + i] < 0 || ids[n + i] >= rk_model_info(r->model).n_vocab)
      return rk_fail(e, RK_EFORMAT, "line %d, step %d: \"id\" is no token", line_no, i);
  }
  struct rk_job job = {.tokens = ids, .n_tokens = n + n_steps - 1, .rows = RK_ROWS_LIST, .row_list = rows, .n_rows = n_steps,
                       .logits = logits};
  struct rk_job *const jobs[] = {&job};
  while (rk_engine_step(r->engine, jobs, 1) > 0) {}
  return job.err || job.n_done < job.n_tokens ? rk_fail(e, job.err ? job.err : RK_EINTERNAL, "line %d: %s", line_no, rk_err_text(job.err)) : RK_OK;
}

static rk_err check_next(void *ud, int line_no, const json_t *v, struct rk_error *e) {
  struct next_run *r = ud;
  const json_t *steps = rk_json_arr(v, "steps");
  size_t n_steps = json_array_size(steps), from = r->n;
  if (!json_is_string(json_object_get(v, "prompt")) || n_steps == 0 || n_steps > 4096)
    return rk_fail(e, RK_EFORMAT, "line %d has no \"prompt\" with 1 to 4096 \"steps\"", line_no);
  size_t n_vocab = (size_t)rk_model_info(r->model).n_vocab;
  int32_t *ids = malloc(((size_t)rk_engine_n_ctx(r->engine) + n_steps) * sizeof *ids), *rows = malloc(n_steps * sizeof *rows);
  float *logits = malloc(n_steps * n_vocab * sizeof *logits);
  rk_err err = ids && rows && logits ? compute(r, rk_json_str(v, "prompt"), steps, ids, rows, logits, line_no, e)
                                     : rk_fail(e, RK_ENOMEM, "out of memory");
  for (size_t i = 0; !err && i < n_steps; i++)
    err = check_step(r, line_no, i, rk_json_arr(json_array_get(steps, i), "top"), logits + i * n_vocab, e);
  free(ids);
  free(rows);
  free(logits);
  if (err) return err;
  struct spread s = spread_of(r->diffs + from, r->n - from);
  rk_progress_end(&r->progress);
  printf("prompt %d: mean %.4f p99 %.4f max %.4f\n", ++r->prompts, s.mean, s.p99, s.max);
  fflush(stdout);
  rk_progress_update(&r->progress, r->prompts);
  return RK_OK;
}

static int run_next(const struct rk_cli *c, const struct rk_model *m, const char *file, bool float_path, const char *kernels) {
  struct next_run r = {.model = m};
  struct rk_error e;
  struct rk_engine_opts opts = {.n_threads = c->cfg.threads, .n_ctx = c->cfg.ctx ? c->cfg.ctx : 4096, .n_slots = 1,
                                .float_path = float_path, .kernels = kernels, .kv_type = c->cfg.kv_type};
  rk_err err = rk_engine_new(m, &opts, &r.engine, &e);
  rk_progress_start(&r.progress, "prompts", 0, false);
  if (!err) err = each_line(file, check_next, &r, &e);
  rk_progress_end(&r.progress);
  if (!err) {
    struct spread s = spread_of(r.diffs, r.n);
    printf("all (%s): mean %.4f p99 %.4f max %.4f\n", rk_engine_kernels(r.engine), s.mean, s.p99, s.max);
    if (float_path) {
      judge(&r.tally, s.max <= max_float);
    } else {
      judge(&r.tally, s.mean <= max_mean);
      judge(&r.tally, s.p99 <= max_p99);
      judge(&r.tally, s.max <= max_any);
    }
  }
  rk_engine_free(r.engine);
  free(r.diffs);
  return err ? rk_die(&e) : finish(&r.tally);
}

static int run(struct rk_cli *c) {
  bool float_path = false, no_pull = false;
  const char *kernels = NULL;
  struct rk_opt opts[] = {{"float", 'b', &float_path}, {"no-pull", 'b', &no_pull}, {"kernels", 's', &kernels}};
  if (!rk_opts(c, opts, 3)) return RK_EXIT_USAGE;
  bool tokens = c->argc == 3 && strcmp(c->argv[0], "tokens") == 0, next = c->argc == 3 && strcmp(c->argv[0], "next") == 0;
  if (!tokens && !next) return fputs("rukou: expected `rukou verify tokens|next MODEL FILE`\n", stderr), RK_EXIT_USAGE;
  char path[PATH_BYTES];
  struct rk_model *m = NULL;
  struct rk_error e;
  rk_err err = rk_model_path(c, c->argv[1], no_pull, path, sizeof path, &e);
  if (!err) err = rk_model_open(path, &m, &e);
  int code = err ? rk_die(&e) : tokens ? run_tokens(m, c->argv[2]) : run_next(c, m, c->argv[2], float_path, kernels);
  rk_model_close(m);
  return code;
}

const struct rk_command rk_cmd_verify = {
  .name = "verify",
  .summary = "the engine against reference values",
  .help = "usage: rukou verify tokens MODEL FILE\n"
          "       rukou verify next MODEL FILE [--float] [--kernels NAME] [--threads N]\n\n"
          "tokens: each line of FILE is {text, ids, ids_no_special}; both token lists must match exactly (ids: special\n"
          "tokens are recognised in the text, ids_no_special: none is).\n"
          "next: each line is {prompt, steps: [{id, top: [[id, logprob], ...]}]}. Prints the mean, 99th percentile and\n"
          "greatest difference of the logprobs; over the file they must stay within 0.06, 0.30 and 0.60, and the most\n"
          "likely token must be the same wherever the first two are more than 0.3 apart.\n"
          "MODEL is 1.5b, 0.5b or the path of a GGUF file.\n\n"
          "  --float          compute in float32 throughout (slow); then every difference must stay within 0.002\n"
          "  --kernels NAME   scalar, avx2 or avx512 instead of the best\n"
          "  --no-pull        do not fetch a missing model\n\n"
          "Examples:\n"
          "  rukou verify tokens 0.5b tests/golden/tokens.jsonl\n"
          "  rukou verify next 0.5b tests/golden/next-qwen2.5-coder-0.5b-q4_k_m.jsonl\n\n"
          "The last line is `N passed, N failed`. Exit codes: 0 all passed, 1 not, 2 wrong usage, 3 no model.\n",
  .run = run,
};
