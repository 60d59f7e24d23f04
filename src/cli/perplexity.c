/* perplexity.c - `rukou perplexity MODEL FILE`: how well the engine predicts a text.
 *
 * The text's tokens are cut into chunks that do not overlap; each is computed
 * alone, and the second half of it is scored: token j + 1 given 0..j for every
 * j from half to the last but one, as llama.cpp does. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/limits.h"
#include "cli/cli.h"
#include "engine/engine.h"

enum { PATH_BYTES = 4096, CHUNK = 512, ROWS = 128 }; /* ROWS logits at once bound the memory */

struct score {
  double nll;
  int64_t n;
};

static rk_err score_rows(struct rk_engine *en, const int32_t *tokens, int32_t from, int32_t to, int32_t n_vocab, float *logits,
                         struct score *s, struct rk_error *e) {
  int32_t rows[ROWS];
  for (int32_t j = from; j < to; j++) rows[j - from] = j;
  struct rk_job job = {.tokens = tokens, .n_tokens = to, .rows = RK_ROWS_LIST, .row_list = rows, .n_rows = to - from, .logits = logits};
  struct rk_job *const jobs[] = {&job};
  while (rk_engine_step(en, jobs, 1) > 0) {}
  if (job.err || job.n_done < job.n_tokens) return rk_fail(e, job.err ? job.err : RK_EINTERNAL, "the engine: %s", rk_err_text(job.err));
  for (int32_t j = from; j < to; j++, s->n++)
    s->nll -= (double)rk_logprob(logits + (size_t)(j - from) * (size_t)n_vocab, n_vocab, tokens[j + 1], NULL, NULL, 0);
  return RK_OK;
}

static rk_err score_text(struct rk_engine *en, const struct rk_model *m, const int32_t *tokens, int32_t n_chunks, struct score *s,
                         struct rk_error *e) {
  int32_t n_vocab = rk_model_info(m).n_vocab;
  float *logits = malloc((size_t)ROWS * (size_t)n_vocab * sizeof *logits);
  rk_err err = logits ? RK_OK : rk_fail(e, RK_ENOMEM, "out of memory");
  struct rk_progress bar;
  rk_progress_start(&bar, "tokens", (int64_t)n_chunks * CHUNK, false);
  for (int32_t i = 0; !err && i < n_chunks; i++)
    for (int32_t j = CHUNK / 2; !err && j < CHUNK - 1; j += ROWS) {
      int32_t to = j + ROWS < CHUNK - 1 ? j + ROWS : CHUNK - 1;
      err = score_rows(en, tokens + (size_t)i * CHUNK, j, to, n_vocab, logits, s, e);
      rk_progress_update(&bar, (int64_t)i * CHUNK + to);
    }
  rk_progress_end(&bar);
  free(logits);
  return err;
}

/* Tokens of the file, special tokens not recognised. Caller frees. */
static rk_err read_tokens(const struct rk_model *m, const char *file, int32_t **out, int32_t *n, struct rk_error *e) {
  struct rk_buf text;
  rk_buf_init(&text, RK_MAX_TOKENIZE_BYTES);
  rk_err err = rk_buf_read_file(&text, file, e);
  *out = err ? NULL : malloc((text.n + 1) * sizeof **out);
  if (!err && !*out) err = rk_fail(e, RK_ENOMEM, "out of memory");
  if (!err && (*n = rk_tokenize(m, rk_buf_str(&text), false, *out, (int32_t)text.n + 1)) < 0) err = rk_fail(e, RK_EFORMAT, "%s is not valid UTF-8", file);
  if (!err && *n < CHUNK) err = rk_fail(e, RK_EINVAL, "%s has %d tokens; at least %d are needed", file, *n, CHUNK);
  rk_buf_release(&text);
  return err;
}

static rk_err measure(const struct rk_cli *c, const struct rk_model *m, const char *file, int64_t max_chunks, bool float_path,
                      struct rk_error *e) {
  struct rk_engine *en = NULL;
  int32_t *tokens = NULL, n = 0;
  struct score s = {0};
  struct rk_engine_opts opts = {.n_threads = c->cfg.threads, .n_ctx = CHUNK, .n_slots = 1, .float_path = float_path,
                                .kv_type = c->cfg.kv_type};
  rk_err err = read_tokens(m, file, &tokens, &n, e);
  if (!err) err = rk_engine_new(m, &opts, &en, e);
  int32_t n_chunks = n / CHUNK;
  if (max_chunks > 0 && n_chunks > max_chunks) n_chunks = (int32_t)max_chunks;
  int64_t start_ms = rk_mono_ms();
  if (!err) err = score_text(en, m, tokens, n_chunks, &s, e);
  if (!err) {
    double ppl = exp(s.nll / (double)s.n), seconds = (double)(rk_mono_ms() - start_ms) / 1000;
    if (c->json) printf("{\"ppl\":%.6f,\"chunks\":%d,\"context\":%d,\"tokens_scored\":%lld,\"seconds\":%.3f}\n", ppl, n_chunks, CHUNK, (long long)s.n, seconds);
    else printf("perplexity %.4f over %d chunks of %d tokens (%lld scored, %.1f s)\n", ppl, n_chunks, CHUNK, (long long)s.n, seconds);
  }
  rk_engine_free(en);
  free(tokens);
  return err;
}

static int run(struct rk_cli *c) {
  bool no_pull = false, float_path = false;
  int64_t chunks = 0;
  struct rk_opt opts[] = {{"no-pull", 'b', &no_pull}, {"float", 'b', &float_path}, {"chunks", 'i', &chunks}};
  if (!rk_opts(c, opts, 3)) return RK_EXIT_USAGE;
  if (c->argc != 2 || chunks < 0) return fputs("rukou: expected `rukou perplexity MODEL FILE [--chunks N]`\n", stderr), RK_EXIT_USAGE;
  char path[PATH_BYTES];
  struct rk_model *m = NULL;
  struct rk_error e;
  rk_err err = rk_model_path(c, c->argv[0], no_pull, path, sizeof path, &e);
  if (!err) err = rk_model_open(path, &m, &e);
  if (!err) err = measure(c, m, c->argv[1], chunks, float_path, &e);
  rk_model_close(m);
  return err ? rk_die(&e) : RK_EXIT_OK;
}

const struct rk_command rk_cmd_perplexity = {
  .name = "perplexity",
  .summary = "how well the engine predicts a text",
  .help = "usage: rukou perplexity MODEL FILE [--chunks N] [--float] [--kv-type T] [--threads N] [--json]\n\n"
          "Cuts the text into chunks of 512 tokens that do not overlap, scores the second half of each, and prints the\n"
          "perplexity and the number of chunks. What is left at the end of the text is not scored.\n\n"
          "  --chunks N   only the first N chunks\n"
          "  --float      compute in float32 throughout (slow)\n"
          "  --kv-type T  f16, q8_0 or kf16_vq8\n"
          "  --no-pull    do not fetch a missing model\n"
          "  --json       one object: ppl, chunks, context, tokens_scored, seconds\n\n"
          "Examples:\n"
          "  rukou perplexity 0.5b /usr/share/common-licenses/GPL-3\n"
          "  rukou perplexity 1.5b text.txt --chunks 4 --json\n\n"
          "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the model is missing (--no-pull).\n",
  .run = run,
};
