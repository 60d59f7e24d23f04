/* bench_stall.c - `rukou bench --stall`: how long a chat that writes waits when a long prompt arrives.
 *
 * One chat writes; after some tokens another comes with --prompt tokens that
 * nobody has read before. Printed is the longest time between two tokens of the
 * first chat, before and after the other came. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/bench.h"

enum { START_AFTER = 12, WRITE_TOKENS = 4000, PROMPT_BYTES = 1 << 18, MOST_TOKENS = 16000 };

struct writer {
  struct rk_chat_model *m;
  pthread_t thread;
  atomic_int n_tokens, arrived, stop;
  int64_t last_us, alone_us, beside_us; /* longest gaps */
  rk_err err;
  struct rk_error error;
};

static bool on_token(void *ud, const struct rk_chat_event *ev) {
  struct writer *w = ud;
  if (ev->type != RK_CHAT_LOGPROB) return true;
  int64_t now = rk_mono_us(), gap = w->last_us ? now - w->last_us : 0;
  int64_t *longest = atomic_load(&w->arrived) ? &w->beside_us : &w->alone_us;
  if (gap > *longest) *longest = gap;
  w->last_us = now;
  atomic_fetch_add(&w->n_tokens, 1);
  return true;
}

static void *write_on(void *ud) {
  struct writer *w = ud;
  struct rk_model_info info = rk_model_info(rk_chat_engine_model(w->m));
  struct rk_chat_request q = {.raw_prompt = RK_STR("One day"), .sampling = RK_SAMPLING_DEFAULT, .max_tokens = WRITE_TOKENS, .n_top_logprobs = 0,
                              .owner = 1, .no_draft = true};
  q.sampling.bias_ids = (int32_t[]){info.eos, info.eot < 0 ? info.eos : info.eot};
  q.sampling.bias = (float[]){-1e9f, -1e9f};
  q.sampling.n_bias = 2;
  struct rk_chat_result r;
  w->err = rk_chat_run(w->m, &q, &w->stop, on_token, w, &r, &w->error);
  return NULL;
}

static bool pass(void *ud, const struct rk_chat_event *ev) { return (void)ud, (void)ev, true; }

static rk_err read_prompt(struct writer *w, int64_t n_tokens, struct rk_chat_result *r, struct rk_error *e) {
  static char text[PROMPT_BYTES];
  size_t n = 0;
  for (int64_t i = 0; i < n_tokens / 2; i++) n += (size_t)snprintf(text + n, sizeof text - n, " %c", 'a' + (int)(i * 7 % 26));
  for (int64_t i = 0; i < n_tokens - n_tokens / 2; i++) text[n++] = (char)('0' + i % 10);
  struct rk_chat_request q = {.raw_prompt = {text, n}, .sampling = RK_SAMPLING_DEFAULT, .max_tokens = 1, .n_top_logprobs = -1, .owner = 2};
  atomic_store(&w->arrived, 1);
  rk_err err = rk_chat_run(w->m, &q, NULL, pass, NULL, r, e);
  return err;
}

static rk_err measure(struct writer *w, int64_t n_tokens, struct rk_chat_result *r, struct rk_error *e) {
  if (pthread_create(&w->thread, NULL, write_on, w) != 0) return rk_fail(e, RK_ENOMEM, "no thread could be started");
  while (atomic_load(&w->n_tokens) < START_AFTER) rk_sleep_ms(1);
  rk_err err = read_prompt(w, n_tokens, r, e);
  atomic_store(&w->stop, 1);
  pthread_join(w->thread, NULL);
  if (!err && w->err) *e = w->error, err = w->err;
  return err;
}

int rk_bench_stall(struct rk_cli *c) {
  int64_t n_tokens = 2000;
  bool no_pull = false, stall = false;
  struct rk_opt opts[] = {{"stall", 'b', &stall}, {"prompt", 'i', &n_tokens}, {"no-pull", 'b', &no_pull}};
  if (!rk_opts(c, opts, 3)) return RK_EXIT_USAGE;
  if (c->argc || n_tokens < 1 || n_tokens > MOST_TOKENS)
    return fprintf(stderr, "rukou: --prompt is 1 to %d tokens, and nothing else follows\n", MOST_TOKENS), RK_EXIT_USAGE;
  struct writer w = {0};
  struct rk_chat_result r = {0};
  struct rk_error e;
  rk_err err = rk_bench_open(c, no_pull, 2, &w.m, &e);
  if (!err) err = measure(&w, n_tokens, &r, &e);
  int written = atomic_load(&w.n_tokens);
  if (!err && c->json)
    printf("{\"prompt\":%d,\"longest_gap_ms\":%.1f,\"longest_gap_alone_ms\":%.1f,\"prefill_ms\":%.0f,\"written\":%d}\n", r.n_prompt,
           (double)w.beside_us / 1000, (double)w.alone_us / 1000, r.prefill_ms, written);
  else if (!err)
    printf("%d tokens read in %.1f s beside a chat that writes: longest gap between its tokens %.0f ms (alone %.0f ms)\n", r.n_prompt,
           r.prefill_ms / 1000, (double)w.beside_us / 1000, (double)w.alone_us / 1000);
  rk_chat_close(w.m);
  return err ? rk_die(&e) : RK_EXIT_OK;
}
