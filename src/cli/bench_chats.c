/* bench_chats.c - `rukou bench --chats N`: how fast N chats write together.
 *
 * Through chat/, as a server would: N threads ask at once, each under a prompt
 * of its own that is in the KV already, so that the time is that of writing.
 * Chats do not end by themselves, and drafts are off: what is measured does
 * not depend on what the model says. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "chat/chat.h"
#include "cli/bench.h"

enum { CHATS_MAX = 64, PROMPT_TOKENS = 48 };

struct chat {
  struct rk_chat_model *m;
  int32_t n_tokens;      /* to write */
  int number;
  pthread_t thread;
  double tps;
  rk_err err;
  struct rk_error error;
};

struct outcome { double total_tps, slowest, mean; };

static bool ignore(void *ud, const struct rk_chat_event *ev) {
  (void)ud, (void)ev;
  return true;
}

static rk_err write_tokens(struct chat *c, int32_t n_tokens, struct rk_chat_result *r) {
  struct rk_model_info info = rk_model_info(rk_chat_engine_model(c->m));
  char prompt[64 + PROMPT_TOKENS * 2];
  int n = snprintf(prompt, sizeof prompt, "%d. The story of number %d:", c->number, c->number);
  for (int i = 0; i < PROMPT_TOKENS; i++) n += snprintf(prompt + n, sizeof prompt - (size_t)n, " %c", 'a' + (i + c->number) % 26);
  struct rk_chat_request q = {
    .raw_prompt = rk_str_c(prompt), .sampling = RK_SAMPLING_DEFAULT, .max_tokens = n_tokens, .n_top_logprobs = -1,
    .owner = (uint64_t)c->number + 1, .no_draft = true};
  q.sampling.bias_ids = (int32_t[]){info.eos, info.eot < 0 ? info.eos : info.eot};
  q.sampling.bias = (float[]){-1e9f, -1e9f};
  q.sampling.n_bias = 2;
  return rk_chat_run(c->m, &q, NULL, ignore, NULL, r, &c->error);
}

static void *write_all(void *arg) {
  struct chat *c = arg;
  struct rk_chat_result r;
  c->err = write_tokens(c, c->n_tokens, &r);
  c->tps = r.decode_ms > 0 ? (double)(r.n_completion - 1) * 1000 / r.decode_ms : 0;
  return NULL;
}

static rk_err together(struct chat *chats, int n, struct outcome *o, struct rk_error *e) {
  struct rk_chat_result r;
  for (int i = 0; i < n; i++) {
    rk_err err = write_tokens(&chats[i], 1, &r);
    if (err) return *e = chats[i].error, err;
  }
  int64_t start_us = rk_mono_us();
  int started = 0;
  while (started < n && pthread_create(&chats[started].thread, NULL, write_all, &chats[started]) == 0) started++;
  for (int i = 0; i < started; i++) pthread_join(chats[i].thread, NULL);
  double s = (double)(rk_mono_us() - start_us) / 1e6, sum = 0;
  if (started < n) return rk_fail(e, RK_ENOMEM, "no thread for chat %d", started + 1);
  o->slowest = chats[0].tps;
  for (int i = 0; i < n; i++) {
    if (chats[i].err) return *e = chats[i].error, chats[i].err;
    sum += chats[i].tps;
    if (chats[i].tps < o->slowest) o->slowest = chats[i].tps;
  }
  o->mean = sum / n;
  o->total_tps = s > 0 ? (double)chats[0].n_tokens * n / s : 0;
  return RK_OK;
}

static rk_err measure(struct rk_cli *c, const char *path, int n, int32_t gen, struct rk_error *e) {
  struct rk_chat_model *m = NULL;
  rk_err err = rk_chat_open_local(&(struct rk_chat_local_opts){.model_path = path, .model_name = "bench", .n_threads = c->cfg.threads, .kv_type = c->cfg.kv_type,
                                                               .n_ctx = PROMPT_TOKENS * 2 + 64 + gen, .n_slots = n}, &m, e);
  struct chat *chats = err ? NULL : calloc((size_t)n, sizeof *chats);
  if (!err && !chats) err = rk_fail(e, RK_ENOMEM, "out of memory");
  for (int i = 0; !err && i < n; i++) chats[i] = (struct chat){.m = m, .n_tokens = gen, .number = i};
  struct outcome one = {0}, all = {0};
  if (!err) err = together(chats, 1, &one, e);
  if (!err) err = together(chats, n, &all, e);
  if (!err) {
    double ratio = one.total_tps > 0 ? all.total_tps / one.total_tps : 0, even = all.mean > 0 ? all.slowest / all.mean : 0;
    if (c->json)
      printf("{\"chats\":%d,\"gen\":%d,\"total_tps\":%.3f,\"one_tps\":%.3f,\"ratio\":%.3f,\"slowest_tps\":%.3f,\"mean_tps\":%.3f,"
             "\"slowest_to_mean\":%.3f,\"threads\":%d}\n", n, gen, all.total_tps, one.total_tps, ratio, all.slowest, all.mean, even, c->cfg.threads);
    else
      printf("%d chats %.1f tok/s, one alone %.1f tok/s: %.2f times; slowest chat %.2f of the mean\n", n, all.total_tps, one.total_tps, ratio, even);
  }
  free(chats);
  rk_chat_close(m);
  return err;
}

int rk_bench_chats(struct rk_cli *c) {
  int64_t n = 8, gen = 64;
  bool no_pull = false;
  struct rk_opt opts[] = {{"chats", 'i', &n}, {"gen", 'i', &gen}, {"no-pull", 'b', &no_pull}};
  if (!rk_opts(c, opts, 3)) return RK_EXIT_USAGE;
  if (c->argc || n < 1 || n > CHATS_MAX || gen < 2 || gen > 4096)
    return fprintf(stderr, "rukou: --chats is 1 to %d, --gen 2 to 4096, and nothing else follows\n", CHATS_MAX), RK_EXIT_USAGE;
  char path[RK_BENCH_PATH];
  struct rk_error e;
  rk_err err = rk_model_path(c, c->cfg.model, no_pull, path, sizeof path, &e);
  if (!err) err = measure(c, path, (int)n, (int32_t)gen, &e);
  return err ? rk_die(&e) : RK_EXIT_OK;
}
