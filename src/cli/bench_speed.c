/* bench_speed.c - `rukou bench` without a kind: speed of reading and writing tokens. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/bench.h"
#include "cli/identity.h"
#include "engine/engine.h"

enum { WARM_UP = 32 };

struct plan {
  int64_t prompt, gen, depth, repeat;
};

struct result {
  double prefill_s, decode_s; /* over all repeats */
};

void rk_bench_fill(int32_t *tokens, int64_t n, int32_t n_vocab, uint32_t salt) {
  uint32_t x = 2463534242u ^ salt * 2654435761u;
  for (int64_t i = 0; i < n; i++) {
    x ^= x << 13, x ^= x >> 17, x ^= x << 5;
    tokens[i] = (int32_t)(x % (uint32_t)n_vocab);
  }
}

static rk_err compute(struct rk_engine *en, const int32_t *tokens, int64_t n, float *logits, struct rk_error *e) {
  if (n == 0) return RK_OK;
  struct rk_job job = {.tokens = tokens, .n_tokens = (int32_t)n, .rows = RK_ROWS_LAST, .logits = logits};
  struct rk_job *const jobs[] = {&job};
  while (rk_engine_step(en, jobs, 1) > 0) {}
  return job.err || job.n_done < job.n_tokens ? rk_fail(e, job.err ? job.err : RK_EINTERNAL, "the engine: %s", rk_err_text(job.err)) : RK_OK;
}

/* The first depth tokens are computed before the clock runs. */
static rk_err measure(struct rk_engine *en, const struct plan *p, int32_t n_vocab, uint32_t salt, int32_t *tokens, float *logits,
                      struct result *r, struct rk_error *e) {
  rk_bench_fill(tokens, p->depth + p->prompt, n_vocab, 2 * salt);
  rk_err err = compute(en, tokens, p->depth, logits, e);
  int64_t start_us = rk_mono_us();
  if (!err) err = compute(en, tokens, p->depth + p->prompt, logits, e);
  r->prefill_s += (double)(rk_mono_us() - start_us) / 1e6;
  rk_bench_fill(tokens + p->depth, p->gen, n_vocab, 2 * salt + 1);
  start_us = rk_mono_us();
  for (int64_t i = 1; !err && i <= p->gen; i++) err = compute(en, tokens, p->depth + i, logits, e);
  r->decode_s += (double)(rk_mono_us() - start_us) / 1e6;
  return err;
}

static long long rss_bytes(void) {
  long long pages = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  if (!f || fscanf(f, "%*d %lld", &pages) != 1) pages = 0;
  if (f) fclose(f);
  return pages * sysconf(_SC_PAGESIZE);
}

static void print(const struct rk_cli *c, const struct plan *p, const struct result *r, const struct rk_engine *en, int64_t load_ms) {
  double prefill = r->prefill_s > 0 ? (double)(p->prompt * p->repeat) / r->prefill_s : 0;
  double decode = r->decode_s > 0 ? (double)(p->gen * p->repeat) / r->decode_s : 0;
  const char *kernels = rk_engine_kernels(en);
  if (c->json)
    printf("{\"prefill_tps\":%.3f,\"decode_tps\":%.3f,\"load_ms\":%lld,\"rss_bytes\":%lld,\"kernels\":\"%s\",\"prompt\":%lld,"
           "\"gen\":%lld,\"depth\":%lld,\"threads\":%d,\"repeat\":%lld}\n", prefill, decode, (long long)load_ms, rss_bytes(), kernels,
           (long long)p->prompt, (long long)p->gen, (long long)p->depth, c->cfg.threads, (long long)p->repeat);
  else
    printf("prefill %.1f tok/s (%lld tokens), decode %.1f tok/s (%lld tokens) at depth %lld; load %lld ms, %.0f MB, %s\n", prefill,
           (long long)p->prompt, decode, (long long)p->gen, (long long)p->depth, (long long)load_ms, (double)rss_bytes() / 1e6, kernels);
}

static rk_err bench(const struct rk_cli *c, const char *path, const struct plan *p, const char *kernels, struct rk_error *e) {
  struct rk_model *m = NULL;
  struct rk_engine *en = NULL;
  int64_t start_ms = rk_mono_ms(), longest = p->depth + (p->prompt > p->gen ? p->prompt : p->gen);
  if (longest < WARM_UP) longest = WARM_UP;
  struct rk_identity id;
  rk_err err = rk_identity_of(c->cfg.cache_dir, path, &id, e);
  if (!err) err = rk_model_open(path, &m, e);
  struct rk_engine_opts opts = {.n_threads = c->cfg.threads, .n_ctx = (int32_t)longest, .n_slots = 1, .kernels = kernels, .kv_type = c->cfg.kv_type,
                                .cache_dir = c->cfg.cache_dir, .model_id = id.sha256};
  if (!err) err = rk_engine_new(m, &opts, &en, e);
  int64_t load_ms = rk_mono_ms() - start_ms;
  int32_t n_vocab = err ? 0 : rk_model_info(m).n_vocab, *tokens = malloc((size_t)longest * sizeof *tokens);
  float *logits = aligned_alloc(64, ((size_t)n_vocab * sizeof *logits + 64) / 64 * 64);
  if (!err && (!tokens || !logits)) err = rk_fail(e, RK_ENOMEM, "out of memory");
  if (!err) rk_bench_fill(tokens, WARM_UP, n_vocab, UINT32_MAX), err = compute(en, tokens, WARM_UP, logits, e);
  struct result r = {0};
  struct rk_progress bar;
  rk_progress_start(&bar, "runs", p->repeat, false);
  for (int64_t i = 0; !err && i < p->repeat; i++) {
    err = measure(en, p, n_vocab, (uint32_t)i, tokens, logits, &r, e);
    rk_progress_update(&bar, i + 1);
  }
  rk_progress_end(&bar);
  if (!err) print(c, p, &r, en, load_ms);
  free(tokens);
  free(logits);
  rk_engine_free(en);
  rk_model_close(m);
  return err;
}

int rk_bench_speed(struct rk_cli *c) {
  struct plan p = {.prompt = 512, .gen = 64, .depth = 0, .repeat = 1};
  bool no_pull = false;
  const char *kernels = NULL;
  struct rk_opt opts[] = {{"prompt", 'i', &p.prompt}, {"gen", 'i', &p.gen}, {"depth", 'i', &p.depth}, {"repeat", 'i', &p.repeat},
                          {"kernels", 's', &kernels}, {"no-pull", 'b', &no_pull}};
  if (!rk_opts(c, opts, 6)) return RK_EXIT_USAGE;
  if (c->argc) return fprintf(stderr, "rukou: unexpected argument \"%s\"; the model is named by --model\n", c->argv[0]), RK_EXIT_USAGE;
  if (p.prompt < 0 || p.gen < 0 || p.depth < 0 || p.repeat < 1 || p.prompt + p.gen + p.depth > INT32_MAX || p.prompt + p.gen == 0)
    return fputs("rukou: --prompt, --gen and --depth are counts of tokens, --repeat at least 1\n", stderr), RK_EXIT_USAGE;
  char path[RK_BENCH_PATH];
  struct rk_error e;
  rk_err err = rk_model_path(c, c->cfg.model, no_pull, path, sizeof path, &e);
  if (!err) err = bench(c, path, &p, kernels, &e);
  return err ? rk_die(&e) : RK_EXIT_OK;
}
