/* bench_json.c - `rukou bench json DIR`: JSON under a schema.
 *
 * Each DIR/NAME.json is {"schema": ..., "prompt": ...}: the prompt is a message,
 * the reply has to fit the schema. Counted are the tokens written, the steps in
 * which the model was computed for them, and what the grammar took. */
#include <stdio.h>
#include <stdlib.h>

#include "chat/schema.h"
#include "cli/bench.h"

enum { REPLY_BYTES = 1 << 20 };

struct totals {
  int64_t tokens, steps;
  double mask_ms, step_ms;
  int files, valid;
};

static bool keep_text(void *ud, const struct rk_chat_event *ev) { return ev->type != RK_CHAT_TEXT || rk_buf_addstr(ud, ev->text) == RK_OK; }

static rk_err answer(struct rk_chat_model *m, const json_t *file, int32_t gen, struct rk_buf *text, struct rk_chat_result *r, struct rk_error *e) {
  const json_t *schema = json_object_get(file, "schema"), *prompt = json_object_get(file, "prompt");
  if (!json_is_object(schema) || !json_is_string(prompt)) return rk_fail(e, RK_EINVAL, "a file is {\"schema\": {...}, \"prompt\": \"...\"}");
  json_t *messages = json_pack("[{s:s, s:O}]", "role", "user", "content", prompt);
  struct rk_chat_request q = {.messages = messages, .json_schema = schema, .sampling = RK_SAMPLING_DEFAULT, .max_tokens = gen,
                              .n_top_logprobs = -1, .owner = 1};
  rk_err err = rk_chat_run(m, &q, NULL, keep_text, text, r, e);
  json_decref(messages);
  return err;
}

static bool is_valid(const json_t *schema, rk_str text) {
  struct rk_schema *s = NULL;
  struct rk_error e;
  json_t *value = rk_json_parse(text, REPLY_BYTES, &e);
  bool ok = value && rk_schema_new(schema, "schema", &s, &e) == RK_OK && rk_schema_check(s, value, &e) == RK_OK;
  rk_schema_free(s);
  json_decref(value);
  return ok;
}

static void report(const struct rk_cli *c, const char *name, const struct rk_chat_result *r, bool valid, rk_str text, struct totals *t) {
  t->tokens += r->n_completion;
  t->steps += r->n_decode_steps;
  t->mask_ms += r->mask_ms;
  t->step_ms += r->step_ms;
  t->files++;
  t->valid += valid;
  if (c->json)
    printf("%s{\"file\":\"%s\",\"tokens\":%d,\"decode_steps\":%d,\"mask_ms\":%.3f,\"step_ms\":%.3f,\"valid\":%s}", t->files > 1 ? "," : "", name,
           r->n_completion, r->n_decode_steps, r->mask_ms, r->step_ms, valid ? "true" : "false");
  else
    printf("%-28s %4d tokens in %4d steps, masks %.1f ms of %.0f ms%s\n    %.*s\n", name, r->n_completion, r->n_decode_steps, r->mask_ms,
           r->step_ms, valid ? "" : ", NOT VALID", RK_STR_ARG(text));
}

static rk_err bench_file(struct rk_cli *c, struct rk_chat_model *m, const char *dir, const char *name, int32_t gen, struct totals *t, struct rk_error *e) {
  struct rk_buf source, text;
  struct rk_chat_result r;
  rk_buf_init(&text, REPLY_BYTES);
  rk_err err = rk_bench_read(dir, name, &source, e);
  json_t *file = err ? NULL : rk_json_parse(rk_buf_str(&source), REPLY_BYTES, e);
  if (!err && !file) err = e->code;
  if (!err) err = answer(m, file, gen, &text, &r, e);
  if (!err) report(c, name, &r, is_valid(json_object_get(file, "schema"), rk_buf_str(&text)), rk_buf_str(&text), t);
  if (err) fprintf(stderr, "rukou: %s/%s could not be used\n", dir, name);
  json_decref(file);
  rk_buf_release(&source);
  rk_buf_release(&text);
  return err;
}

int rk_bench_json(struct rk_cli *c) {
  int64_t gen = 512;
  bool no_pull = false;
  struct rk_opt opts[] = {{"gen", 'i', &gen}, {"no-pull", 'b', &no_pull}};
  if (!rk_opts(c, opts, 2)) return RK_EXIT_USAGE;
  if (c->argc != 1 || gen < 1 || gen > INT32_MAX) return fputs("rukou: usage: rukou bench json DIR [--gen 512]\n", stderr), RK_EXIT_USAGE;
  struct rk_bench_files f = {.n = 0};
  struct rk_chat_model *m = NULL;
  struct totals t = {0};
  struct rk_error e;
  rk_err err = rk_bench_files(c->argv[0], ".json", &f, &e);
  if (!err) err = rk_bench_open(c, no_pull, 1, &m, &e);
  if (!err && c->json) fputs("{\"files\":[", stdout);
  for (int i = 0; !err && i < f.n; i++) err = bench_file(c, m, c->argv[0], f.names[i], (int32_t)gen, &t, &e);
  double ratio = t.steps > 0 ? (double)t.tokens / (double)t.steps : 0, share = t.step_ms > 0 ? t.mask_ms / t.step_ms : 0;
  if (!err && c->json)
    printf("],\"tokens\":%lld,\"decode_steps\":%lld,\"tokens_per_step\":%.3f,\"mask_ms\":%.3f,\"step_ms\":%.3f,\"mask_share\":%.4f,\"valid\":%d,"
           "\"count\":%d}\n", (long long)t.tokens, (long long)t.steps, ratio, t.mask_ms, t.step_ms, share, t.valid, t.files);
  else if (!err)
    printf("%d files: %lld tokens in %lld steps (%.2f a step), masks %.1f %% of step time, %d valid\n", t.files, (long long)t.tokens, (long long)t.steps,
           ratio, share * 100, t.valid);
  rk_chat_close(m);
  rk_bench_files_free(&f);
  return err ? rk_die(&e) : RK_EXIT_OK;
}
