/* write.c - the engine alone: loads a model and writes on from a text.
 *
 *   make engine
 *   build/release/write MODEL.gguf "Once upon a time" [TOKENS]
 *
 * Links libengine.a and libbase.a, libc, libm and pthread, nothing else. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/engine.h"

enum { MAX_TOKENS = 2048, DEFAULT_NEW = 32 };

static int fail(const char *why) {
  fprintf(stderr, "write: %s\n", why);
  return 1;
}

/* One more token: a job is the whole text so far, what the engine has computed of it is not computed again. */
static int32_t next_token(struct rk_engine *en, const int32_t *tokens, int32_t n, float *logits, int32_t n_vocab, void *scratch) {
  struct rk_job job = {.tokens = tokens, .n_tokens = n, .rows = RK_ROWS_LAST, .logits = logits, .owner = 1}, *jobs[] = {&job};
  while (rk_engine_step(en, jobs, 1) > 0) {}
  if (job.err) return -1;
  return rk_sample(logits, n_vocab, &RK_SAMPLING_DEFAULT, NULL, NULL, 0, n, scratch);
}

static int write_on(const struct rk_model *m, struct rk_engine *en, const char *text, int32_t n_new) {
  const struct rk_model_info info = rk_model_info(m);
  static int32_t tokens[MAX_TOKENS];
  int32_t n = rk_tokenize(m, rk_str_c(text), false, tokens, MAX_TOKENS);
  if (n < 1 || n > MAX_TOKENS - n_new) return fail("the text is empty, too long, or not UTF-8");
  float *logits = malloc((size_t)info.n_vocab * sizeof *logits);
  void *scratch = malloc(rk_sampler_scratch_bytes(info.n_vocab));
  int32_t id = logits && scratch ? 0 : -1;
  fputs(text, stdout);
  for (int32_t end = n + n_new; id >= 0 && n < end; n++) {
    id = next_token(en, tokens, n, logits, info.n_vocab, scratch);
    if (id < 0 || id == info.eos || id == info.eot) break;
    rk_str bytes = rk_token_bytes(m, id);
    fwrite(bytes.p, 1, bytes.n, stdout);
    fflush(stdout);
    tokens[n] = id;
  }
  putchar('\n');
  free(logits);
  free(scratch);
  return id < 0 ? fail("the engine ran out of memory") : 0;
}

int main(int argc, char **argv) {
  int32_t n_new = argc > 3 ? atoi(argv[3]) : DEFAULT_NEW;
  if (argc < 3 || argc > 4 || n_new < 1 || n_new >= MAX_TOKENS) return fail("usage: write MODEL.gguf TEXT [TOKENS]");
  struct rk_model *m = NULL;
  struct rk_engine *en = NULL;
  struct rk_error e;
  rk_err err = rk_model_open(argv[1], &m, &e);
  if (!err) err = rk_engine_new(m, &(struct rk_engine_opts){.n_ctx = MAX_TOKENS}, &en, &e);
  int code = err ? fail(e.msg) : write_on(m, en, argv[2], n_new);
  rk_engine_free(en);
  rk_model_close(m);
  return code;
}
