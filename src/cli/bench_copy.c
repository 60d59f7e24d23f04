/* bench_copy.c - `rukou bench copy DIR`: what guessing ahead saves where a reply copies from its prompt.
 *
 * Each DIR/NAME.txt is answered greedily, without and with guesses, the prompt
 * being in the KV already. A file that begins with a tag of the template is the
 * whole prompt, any other is a message. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/bench.h"

enum { REPLY_BYTES = 1 << 20 };

struct totals {
  double plain_ms, draft_ms;
  int64_t tokens, steps, drafted, accepted;
  int files, identical;
};

static bool keep_text(void *ud, const struct rk_chat_event *ev) { return ev->type != RK_CHAT_TEXT || rk_buf_addstr(ud, ev->text) == RK_OK; }

static rk_err answer(struct rk_chat_model *m, rk_str prompt, int32_t max_tokens, bool no_draft, struct rk_buf *text, struct rk_chat_result *r,
                     struct rk_error *e) {
  bool whole = rk_str_starts(prompt, RK_STR("<|im_start|>"));
  json_t *messages = json_pack("[{s:s, s:s%}]", "role", "user", "content", prompt.p, prompt.n);
  if (!messages) return rk_fail(e, RK_EINVAL, "the prompt is not valid UTF-8");
  struct rk_chat_request q = {.messages = messages, .raw_prompt = whole ? prompt : (rk_str){0}, .raw_trusted = true, .sampling = RK_SAMPLING_DEFAULT,
                              .max_tokens = max_tokens, .n_top_logprobs = -1, .owner = 1, .no_draft = no_draft};
  rk_buf_clear(text);
  rk_err err = rk_chat_run(m, &q, NULL, keep_text, text, r, e);
  json_decref(messages);
  return err;
}

static rk_err measure(struct rk_chat_model *m, rk_str prompt, int32_t gen, struct rk_buf text[2], struct rk_chat_result r[2], struct rk_error *e) {
  rk_err err = answer(m, prompt, 1, true, &text[0], &r[0], e);
  if (!err) err = answer(m, prompt, gen, true, &text[0], &r[0], e);
  if (!err) err = answer(m, prompt, gen, false, &text[1], &r[1], e);
  return err;
}

static void report(const struct rk_cli *c, const char *name, const struct rk_chat_result r[2], bool same, struct totals *t) {
  t->plain_ms += r[0].decode_ms;
  t->draft_ms += r[1].decode_ms;
  t->tokens += r[1].n_completion;
  t->steps += r[1].n_decode_steps;
  t->drafted += r[1].n_drafted;
  t->accepted += r[1].n_accepted;
  t->files++;
  t->identical += same;
  double speedup = r[1].decode_ms > 0 ? r[0].decode_ms / r[1].decode_ms : 0;
  if (c->json)
    printf("%s{\"file\":\"%s\",\"speedup\":%.3f,\"identical\":%s,\"tokens\":%d,\"decode_steps\":%d}", t->files > 1 ? "," : "", name, speedup,
           same ? "true" : "false", r[1].n_completion, r[1].n_decode_steps);
  else
    printf("%-28s %4d tokens in %4d steps, %.2f times plain decoding%s\n", name, r[1].n_completion, r[1].n_decode_steps, speedup, same ? "" : ", OTHER TEXT");
}

static rk_err bench(struct rk_cli *c, struct rk_chat_model *m, const char *dir, const struct rk_bench_files *f, int32_t gen, struct totals *t,
                    struct rk_error *e) {
  struct rk_buf text[2];
  rk_err err = RK_OK;
  for (int i = 0; i < 2; i++) rk_buf_init(&text[i], REPLY_BYTES);
  for (int i = 0; !err && i < f->n; i++) {
    struct rk_buf prompt;
    struct rk_chat_result r[2];
    err = rk_bench_read(dir, f->names[i], &prompt, e);
    if (!err) err = measure(m, rk_buf_str(&prompt), gen, text, r, e);
    if (!err) report(c, f->names[i], r, rk_str_eq(rk_buf_str(&text[0]), rk_buf_str(&text[1])) && r[0].n_completion == r[1].n_completion, t);
    rk_buf_release(&prompt);
  }
  for (int i = 0; i < 2; i++) rk_buf_release(&text[i]);
  return err;
}

int rk_bench_copy(struct rk_cli *c) {
  int64_t gen = 256;
  bool no_pull = false;
  struct rk_opt opts[] = {{"gen", 'i', &gen}, {"no-pull", 'b', &no_pull}};
  if (!rk_opts(c, opts, 2)) return RK_EXIT_USAGE;
  if (c->argc != 1 || gen < 1 || gen > INT32_MAX) return fputs("rukou: usage: rukou bench copy DIR [--gen 256]\n", stderr), RK_EXIT_USAGE;
  struct rk_bench_files f = {.n = 0};
  struct rk_chat_model *m = NULL;
  struct totals t = {0};
  struct rk_error e;
  rk_err err = rk_bench_files(c->argv[0], ".txt", &f, &e);
  if (!err) err = rk_bench_open(c, no_pull, 1, &m, &e);
  if (!err && c->json) fputs("{\"files\":[", stdout);
  if (!err) err = bench(c, m, c->argv[0], &f, (int32_t)gen, &t, &e);
  double speedup = t.draft_ms > 0 ? t.plain_ms / t.draft_ms : 0;
  if (!err && c->json)
    printf("],\"speedup\":%.3f,\"identical\":%s,\"tokens\":%lld,\"decode_steps\":%lld,\"drafted\":%lld,\"accepted\":%lld}\n", speedup,
           t.identical == t.files ? "true" : "false", (long long)t.tokens, (long long)t.steps, (long long)t.drafted, (long long)t.accepted);
  else if (!err)
    printf("%d files: %.2f times plain decoding, %lld tokens in %lld steps, %lld of %lld guesses came true, %d of %d identical\n", t.files, speedup,
           (long long)t.tokens, (long long)t.steps, (long long)t.accepted, (long long)t.drafted, t.identical, t.files);
  rk_chat_close(m);
  rk_bench_files_free(&f);
  return err ? rk_die(&e) : RK_EXIT_OK;
}
