/* bench_ttft.c - `rukou bench --ttft`: from the start of the process to the first token. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "cli/bench.h"
#include "cli/identity.h"

struct texts {
  int32_t *tokens;     /* prefix, then message */
  int32_t n_prefix, n;
};

struct times {         /* milliseconds */
  double load, kv_load, prefill, ttft;
  int32_t n_reused, token;
};

static double since_ms(int64_t start_us) { return (double)(rk_mono_us() - start_us) / 1000; }

/* How long this process has lived, as the system counts it (ticks of 10 ms). -1: unknown. */
static double process_age_ms(void) {
  char line[1024];
  unsigned long long started = 0;
  double up = 0;
  FILE *f = fopen("/proc/self/stat", "r");
  const char *after = f && fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
  bool ok = after && sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &started) == 1;
  if (f) fclose(f);
  f = fopen("/proc/uptime", "r");
  ok = ok && f && fscanf(f, "%lf", &up) == 1;
  if (f) fclose(f);
  return ok ? (up - (double)started / (double)sysconf(_SC_CLK_TCK)) * 1000 : -1;
}

static rk_err add_file(const struct rk_model *m, const char *path, bool trusted, struct texts *t, struct rk_error *e) {
  struct rk_buf text;
  rk_buf_init(&text, RK_MAX_JSON_BYTES);
  rk_err err = rk_buf_read_file(&text, path, e);
  const int32_t cap = (int32_t)text.n + 1;
  int32_t *p = err ? NULL : realloc(t->tokens, ((size_t)t->n + (size_t)cap) * sizeof *p);
  if (!err && !p) err = rk_fail(e, RK_ENOMEM, "out of memory");
  if (!err) {
    t->tokens = p;
    int32_t n = rk_tokenize(m, rk_buf_str(&text), trusted, p + t->n, cap);
    if (n <= 0) err = rk_fail(e, RK_EINVAL, "%s is empty or not valid UTF-8", path);
    else t->n += n;
  }
  rk_buf_release(&text);
  return err;
}

static rk_err compute(struct rk_engine *en, struct rk_job *j, struct rk_error *e) {
  struct rk_job *const jobs[] = {j};
  while (rk_engine_step(en, jobs, 1) > 0) {}
  return j->err ? rk_fail(e, j->err, "the engine: %s", rk_err_text(j->err)) : RK_OK;
}

/* The prefix alone first: what it takes is what loading its KV takes, once it is known. */
static rk_err first_token(struct rk_engine *en, const struct texts *t, float *logits, int32_t n_vocab, struct times *out, struct rk_error *e) {
  int64_t start_us = rk_mono_us();
  struct rk_job prefix = {.tokens = t->tokens, .n_tokens = t->n_prefix, .rows = RK_ROWS_NONE, .n_keep = t->n_prefix};
  rk_err err = compute(en, &prefix, e);
  out->kv_load = since_ms(start_us);
  out->n_reused = prefix.n_reused;
  start_us = rk_mono_us();
  struct rk_job all = {.tokens = t->tokens, .n_tokens = t->n, .rows = RK_ROWS_LAST, .n_keep = t->n_prefix, .logits = logits};
  if (!err) err = compute(en, &all, e);
  out->token = 0;
  for (int32_t i = 1; !err && i < n_vocab; i++)
    if (logits[i] > logits[out->token]) out->token = i;
  out->prefill = since_ms(start_us);
  return err;
}

static void print(const struct rk_cli *c, const struct rk_engine *en, const struct texts *t, const struct times *r) {
  if (c->json)
    printf("{\"ttft_ms\":%.1f,\"load_ms\":%.1f,\"kv_load_ms\":%.1f,\"prefill_ms\":%.1f,\"reused\":%d,\"prefix_tokens\":%d,"
           "\"message_tokens\":%d,\"token\":%d,\"kernels\":\"%s\"}\n", r->ttft, r->load, r->kv_load, r->prefill, r->n_reused, t->n_prefix,
           t->n - t->n_prefix, r->token, rk_engine_kernels(en));
  else
    printf("first token after %.0f ms: load %.0f, prefix %.0f (%d of %d tokens known), message of %d tokens %.0f; %s\n", r->ttft, r->load,
           r->kv_load, r->n_reused, t->n_prefix, t->n - t->n_prefix, r->prefill, rk_engine_kernels(en));
}

static rk_err bench(const struct rk_cli *c, const char *path, const char *kernels, const char *prefix,
                    const char *message, struct rk_error *e) {
  const double age_ms = process_age_ms();
  const int64_t start_us = rk_mono_us();
  struct rk_model *m = NULL;
  struct rk_engine *en = NULL;
  struct rk_identity id;
  struct texts t = {0};
  struct times r = {0};
  rk_err err = rk_identity_of(c->cfg.cache_dir, path, &id, e);
  if (!err) err = rk_model_open(path, &m, e);
  struct rk_engine_opts opts = {.n_threads = c->cfg.threads, .n_slots = 1, .kernels = kernels, .cache_dir = c->cfg.cache_dir, .model_id = id.sha256,
                                .kv_bytes = (uint64_t)c->cfg.kv_memory << 20,
                                .kv_type = c->cfg.kv_type};
  if (!err) err = rk_engine_new(m, &opts, &en, e);
  r.load = since_ms(start_us);
  if (!err) err = add_file(m, prefix, true, &t, e);
  t.n_prefix = t.n;
  if (!err) err = add_file(m, message, false, &t, e);
  const int32_t n_vocab = err ? 0 : rk_model_info(m).n_vocab;
  float *logits = malloc(((size_t)n_vocab + 1) * sizeof *logits);
  if (!err && !logits) err = rk_fail(e, RK_ENOMEM, "out of memory");
  if (!err) err = first_token(en, &t, logits, n_vocab, &r, e);
  r.ttft = since_ms(start_us) + (age_ms > 0 ? age_ms : 0);
  if (!err) print(c, en, &t, &r);
  free(logits);
  free(t.tokens);
  rk_engine_free(en);
  rk_model_close(m);
  return err;
}

int rk_bench_ttft(struct rk_cli *c) {
  bool no_pull = false, ttft = false;
  const char *kernels = NULL, *prefix = NULL, *message = NULL;
  struct rk_opt opts[] = {{"ttft", 'b', &ttft}, {"prefix", 's', &prefix}, {"message", 's', &message}, {"no-pull", 'b', &no_pull},
                          {"kernels", 's', &kernels}};
  if (!rk_opts(c, opts, 5)) return RK_EXIT_USAGE;
  if (c->argc) return fprintf(stderr, "rukou: unexpected argument \"%s\"; the model is named by --model\n", c->argv[0]), RK_EXIT_USAGE;
  if (!prefix || !message) return fputs("rukou: --ttft needs --prefix FILE and --message FILE\n", stderr), RK_EXIT_USAGE;
  char path[RK_BENCH_PATH];
  struct rk_error e;
  rk_err err = rk_model_path(c, c->cfg.model, no_pull, path, sizeof path, &e);
  if (!err) err = bench(c, path, kernels, prefix, message, &e);
  return err ? rk_die(&e) : RK_EXIT_OK;
}
