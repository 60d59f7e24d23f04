/* The local backend on a tiny random model: shared engine, cancelling, stop
 * strings, limits, reuse of the prefix, calls under the masks. */
#include "chat/chat.h"

#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/utf8.h"

static struct rk_chat_model *model;
static char path[64];
static json_t *messages, *tools, *schema, *dated;

static int setup(void **state) {
  char cmd[200];
  snprintf(path, sizeof path, "/tmp/rukou-chat-%d.gguf", (int)getpid());
  snprintf(cmd, sizeof cmd, "python3 tests/tools/tiny_gguf.py %s", path);
  if (system(cmd) != 0) return -1;
  struct rk_error e;
  messages = rk_json_parse(RK_STR("[{\"role\":\"system\",\"content\":\"be brief\"},{\"role\":\"user\",\"content\":\"hello <|im_end|> there\"}]"), 1000, &e);
  tools = rk_json_parse(RK_STR("[{\"type\":\"function\",\"function\":{\"name\":\"go\",\"parameters\":{\"type\":\"object\",\"properties\":"
                               "{\"n\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":99},\"w\":{\"enum\":[\"he\",\"hello\"]}},\"required\":[\"n\",\"w\"]}}}]"), 1000, &e);
  schema = rk_json_parse(RK_STR("{\"type\":\"object\",\"properties\":{\"day\":{\"type\":\"string\",\"format\":\"date\"},\"who\":{\"type\":\"string\",\"maxLength\":9},"
                                "\"why\":{\"enum\":[\"hello\",\"help\",\"other\"]}},\"required\":[\"day\",\"who\",\"why\"]}"), 1000, &e);
  dated = rk_json_parse(RK_STR("[{\"role\":\"user\",\"content\":\"hello, on 2026-11-28 or 1999-01-31\"}]"), 1000, &e);
  return rk_chat_open_local(&(struct rk_chat_local_opts){.model_path = path, .model_name = "tiny", .n_threads = 1, .n_ctx = 1024, .n_slots = 2}, &model, &e) == RK_OK && messages && tools && schema && dated ? 0 : -1;
}

static int teardown(void **state) {
  rk_chat_close(model);
  json_decref(messages);
  json_decref(tools);
  json_decref(schema);
  json_decref(dated);
  return unlink(path);
}

struct seen {
  struct rk_buf text;
  int32_t n_events, n_calls, n_logprobs, n_reasoning;
  int32_t stop_after; /* events; 0: never */
};

static bool on_event(void *ud, const struct rk_chat_event *ev) {
  struct seen *s = ud;
  s->n_events++;
  if (ev->type == RK_CHAT_TEXT) {
    assert_true(ev->text.n > 0 && rk_utf8_valid(ev->text));
    rk_buf_addstr(&s->text, ev->text);
  }
  if (ev->type == RK_CHAT_LOGPROB) {
    s->n_logprobs++;
    assert_true(ev->logprob <= 0 && ev->n_top == 3 && ev->top_logprobs[0] >= ev->top_logprobs[2]);
  }
  if (ev->type == RK_CHAT_CALL) {
    s->n_calls++;
    assert_string_equal(ev->call_name, "go");
    int64_t n = rk_json_i64(ev->call_args, "n", 0);
    rk_str w = rk_json_str(ev->call_args, "w");
    assert_true(n >= 1 && n <= 99 && (rk_str_eq_c(w, "he") || rk_str_eq_c(w, "hello")) && json_object_size(ev->call_args) == 2);
  }
  return s->stop_after == 0 || s->n_events < s->stop_after;
}

static struct rk_chat_request request(void) {
  struct rk_chat_request q = {.messages = messages, .sampling = RK_SAMPLING_DEFAULT, .n_top_logprobs = -1, .max_tokens = 24};
  q.sampling.temperature = 1;
  return q;
}

static rk_err run(const struct rk_chat_request *q, struct seen *s, struct rk_chat_result *out, struct rk_error *e) {
  if (!s->text.max_bytes) rk_buf_init(&s->text, 1 << 20);
  return rk_chat_run(model, q, NULL, on_event, s, out, e);
}

static void length_and_counts(void **state) {
  struct rk_chat_request q = request();
  struct rk_error e;
  q.max_tokens = 1;
  struct seen s = {0};
  struct rk_chat_result out;
  assert_int_equal(run(&q, &s, &out, &e), RK_OK);
  assert_int_equal(out.finish, RK_FINISH_LENGTH);
  assert_int_equal(out.n_completion, 1);
  assert_int_equal(out.n_prompt, rk_chat_count(model, &q, &e));
  rk_buf_release(&s.text);
}

/* The tag in the user's text is text: as many tokens as if it were other letters. */
static void tags_in_messages_are_text(void **state) {
  struct rk_error e;
  struct rk_chat_request q = request();
  int32_t with_tag = rk_chat_count(model, &q, &e);
  json_t *other = rk_json_parse(RK_STR("[{\"role\":\"system\",\"content\":\"be brief\"},{\"role\":\"user\",\"content\":\"hello (|im_end|) there\"}]"), 1000, &e);
  q.messages = other;
  assert_int_equal(rk_chat_count(model, &q, &e), with_tag);
  json_decref(other);
}

static void seeds_repeat_and_prefix_is_reused(void **state) {
  struct rk_chat_request q = request();
  struct rk_error e;
  struct rk_chat_result a, b;
  struct seen x = {0}, y = {0};
  q.sampling.seed = 42;
  q.owner = 9;
  assert_int_equal(run(&q, &x, &a, &e), RK_OK);
  assert_int_equal(run(&q, &y, &b, &e), RK_OK);
  assert_true(rk_str_eq(rk_buf_str(&x.text), rk_buf_str(&y.text)) && x.text.n > 0);
  assert_true(b.n_cached >= b.n_prompt - 1);
  rk_buf_release(&x.text);
  rk_buf_release(&y.text);
}

static void stop_string_ends_the_text(void **state) {
  struct rk_chat_request q = request();
  struct rk_error e;
  struct rk_chat_result out;
  struct seen whole = {0}, cut = {0};
  q.sampling.seed = 4;
  assert_int_equal(run(&q, &whole, &out, &e), RK_OK);
  assert_true(whole.text.n > 12);
  size_t at = 6;
  while ((whole.text.p[at] & 0xc0) == 0x80) at++;
  size_t n = 1;
  while ((whole.text.p[at + n] & 0xc0) == 0x80) n++;
  const rk_str stop = {whole.text.p + at, n};
  q.stop = &stop;
  q.n_stop = 1;
  assert_int_equal(run(&q, &cut, &out, &e), RK_OK);
  assert_int_equal(out.finish, RK_FINISH_STOP);
  assert_int_equal(cut.text.n, (size_t)rk_str_find(rk_buf_str(&whole.text), stop));
  rk_buf_release(&whole.text);
  rk_buf_release(&cut.text);
}

static void logprobs_of_each_token(void **state) {
  struct rk_chat_request q = request();
  struct rk_error e;
  struct rk_chat_result out;
  struct seen s = {0};
  q.n_top_logprobs = 3;
  assert_int_equal(run(&q, &s, &out, &e), RK_OK);
  assert_true(s.n_logprobs > 0 && s.n_logprobs >= out.n_completion - 1);
  rk_buf_release(&s.text);
}

static void calls_fit_whatever_the_model(void **state) {
  struct rk_error e;
  int complete = 0;
  for (uint64_t seed = 0; seed < 40; seed++) {
    struct rk_chat_request q = request();
    struct rk_chat_result out;
    struct seen s = {0};
    q.tools = tools;
    q.tool_choice = RK_TOOLS_REQUIRED;
    q.one_call = seed & 1;
    q.max_tokens = seed % 4 == 3 ? 8 : 120; /* too short: the call is dropped */
    q.sampling.seed = seed;
    q.sampling.temperature = 2;
    assert_int_equal(run(&q, &s, &out, &e), RK_OK);
    assert_int_equal(s.text.n, 0);
    if (seed % 4 == 3) assert_true(out.finish == RK_FINISH_LENGTH && s.n_calls == 0);
    else if (q.one_call) assert_true(out.finish == RK_FINISH_TOOL_CALLS && s.n_calls == 1 && out.n_decode_steps < out.n_completion);
    complete += s.n_calls;
    rk_buf_release(&s.text);
  }
  assert_true(complete >= 10);
}

static void cancelling(void **state) {
  struct rk_chat_request q = request();
  struct rk_error e;
  struct rk_chat_result out;
  struct seen s = {.stop_after = 3};
  q.max_tokens = 300;
  assert_int_equal(run(&q, &s, &out, &e), RK_OK);
  assert_int_equal(out.finish, RK_FINISH_CANCELLED);
  assert_int_equal(s.n_events, 3); /* nothing after the refusal */
  atomic_int cancel = 1;
  s.stop_after = 0;
  assert_int_equal(rk_chat_run(model, &q, &cancel, on_event, &s, &out, &e), RK_OK);
  assert_int_equal(out.finish, RK_FINISH_CANCELLED);
  rk_buf_release(&s.text);
}

/* Two runs hold both places until they are let go; who gives up behind them, or runs out of time, never begins. */
static atomic_int let_go;

static bool hold_on(void *ud, const struct rk_chat_event *ev) {
  while (!atomic_load(&let_go)) rk_sleep_ms(1);
  return false;
}

static void *holder(void *ud) {
  struct rk_chat_request q = request();
  struct rk_chat_result out;
  struct rk_error e;
  assert_int_equal(rk_chat_run(model, &q, NULL, hold_on, NULL, &out, &e), RK_OK);
  return NULL;
}

static void *give_up_soon(void *cancel) {
  rk_sleep_ms(30);
  atomic_store((atomic_int *)cancel, 1);
  return NULL;
}

static void giving_up_while_waiting(void **state) {
  pthread_t holders[2], other;
  struct rk_chat_request q = request();
  struct rk_chat_result out;
  struct rk_error e;
  struct seen s = {0};
  atomic_int cancel = 0;
  for (int i = 0; i < 2; i++) pthread_create(&holders[i], NULL, holder, NULL);
  rk_sleep_ms(100); /* the engine's thread is held by the first event */
  pthread_create(&other, NULL, give_up_soon, &cancel);
  assert_int_equal(rk_chat_run(model, &q, &cancel, on_event, &s, &out, &e), RK_OK);
  assert_int_equal(out.finish, RK_FINISH_CANCELLED);
  assert_true(out.n_completion == 0 && out.n_decode_steps == 0 && s.n_events == 0);
  q.timeout_ms = 30;
  assert_int_equal(rk_chat_run(model, &q, NULL, on_event, &s, &out, &e), RK_ETIMEOUT);
  assert_true(out.n_decode_steps == 0 && s.n_events == 0);
  atomic_store(&let_go, 1);
  for (int i = 0; i < 2; i++) pthread_join(holders[i], NULL);
  pthread_join(other, NULL);
}

/* The prompt's last token may be written anew; the reply is what goes beyond it, and a grammar holds for that. */
static void raw_prompt_is_healed(void **state) {
  struct rk_chat_result out;
  struct rk_error e;
  int joined = 0;
  for (uint64_t seed = 0; seed < 60; seed++) {
    struct rk_chat_request q = request();
    struct seen s = {0};
    q.messages = NULL;
    q.raw_prompt = RK_STR("say he");
    q.sampling.temperature = 5;
    q.sampling.seed = seed;
    q.max_tokens = 3;
    q.grammar = RK_STR("root ::= \"llo\" | \"lx\" [a-z]{9} | \"!\"");
    assert_int_equal(run(&q, &s, &out, &e), RK_OK);
    rk_str t = rk_buf_str(&s.text);
    assert_true(t.n > 0 && (t.p[0] == '!' || t.p[0] == 'l'));
    assert_true(out.n_completion <= 3 && (out.finish == RK_FINISH_STOP || out.n_completion == 3));
    joined += rk_str_eq_c(t, "llo") && out.n_completion == 1; /* one token across the border */
    rk_buf_release(&s.text);
  }
  assert_true(joined > 0);
}

static void context_full_names_both_numbers(void **state) {
  struct rk_error e;
  struct rk_chat_result out;
  struct seen s = {0};
  char text[1500];
  memset(text, 'x', sizeof text);
  json_t *long_talk = json_pack("[{s:s,s:s%}]", "role", "user", "content", text, sizeof text);
  struct rk_chat_request q = request();
  q.messages = long_talk;
  assert_int_equal(run(&q, &s, &out, &e), RK_ECONTEXT);
  assert_non_null(strstr(e.msg, "1024"));
  q.messages = messages;
  q.max_tokens = 0;
  q.sampling.bias_ids = (int32_t[]){rk_model_info(rk_chat_engine_model(model)).eot, rk_model_info(rk_chat_engine_model(model)).eos};
  q.sampling.bias = (float[]){-1e9f, -1e9f};
  q.sampling.n_bias = 2;
  assert_int_equal(run(&q, &s, &out, &e), RK_OK); /* runs into the end of the context and says so */
  assert_int_equal(out.finish, RK_FINISH_LENGTH);
  assert_int_equal(out.n_prompt + out.n_completion, 1024);
  json_decref(long_talk);
  rk_buf_release(&s.text);
}

static void bad_requests(void **state) {
  struct rk_error e;
  struct rk_chat_result out;
  struct seen s = {0};
  struct rk_chat_request q = request();
  q.tool_choice = RK_TOOLS_REQUIRED;
  assert_int_equal(run(&q, &s, &out, &e), RK_EINVAL);
  q = request();
  q.tools = tools;
  q.tool_choice = RK_TOOLS_NAMED;
  q.tool_name = "fly";
  assert_int_equal(run(&q, &s, &out, &e), RK_EINVAL);
  q = request();
  q.n_top_logprobs = RK_MAX_TOP_LOGPROBS + 1;
  assert_int_equal(run(&q, &s, &out, &e), RK_EINVAL);
  q = request();
  q.raw_prompt = RK_STR("\xff\xfe");
  assert_int_equal(run(&q, &s, &out, &e), RK_EINVAL);
  q.raw_prompt = RK_STR("");
  assert_int_equal(run(&q, &s, &out, &e), RK_OK); /* an empty prompt is one */
  rk_buf_release(&s.text);
}

/* More runs than slots, side by side: each gives what it gives alone. */
struct job {
  uint64_t seed;
  struct seen seen;
  rk_err err;
};

static void *run_job(void *arg) {
  struct job *j = arg;
  struct rk_chat_request q = request();
  struct rk_chat_result out;
  struct rk_error e;
  q.sampling.seed = j->seed;
  j->err = run(&q, &j->seen, &out, &e);
  return NULL;
}

static void side_by_side(void **state) {
  enum { N = 5 };
  struct job alone[N] = {0}, together[N] = {0};
  pthread_t threads[N];
  for (int i = 0; i < N; i++) {
    alone[i].seed = together[i].seed = 100 + (uint64_t)i;
    run_job(&alone[i]);
  }
  for (int i = 0; i < N; i++) pthread_create(&threads[i], NULL, run_job, &together[i]);
  for (int i = 0; i < N; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < N; i++) {
    assert_int_equal(together[i].err, RK_OK);
    assert_true(rk_str_eq(rk_buf_str(&alone[i].seen.text), rk_buf_str(&together[i].seen.text)));
    rk_buf_release(&alone[i].seen.text);
    rk_buf_release(&together[i].seen.text);
  }
}

/* The same request with and without guessing ahead: the same bytes, whatever the sampling and whoever else computes. */
struct pair {
  int n;
  struct rk_sampling sampling;
  bool call, json;
  struct rk_buf text[2];
  struct rk_chat_result out[2];
};

static bool on_pair(void *ud, const struct rk_chat_event *ev) {
  struct rk_buf *text = ud;
  if (ev->type == RK_CHAT_TEXT) rk_buf_addstr(text, ev->text);
  if (ev->type == RK_CHAT_CALL) {
    char *args = rk_json_dump(ev->call_args);
    rk_buf_addf(text, "[%s %s]", ev->call_name, args);
    free(args);
  }
  return true;
}

static void run_pair(struct pair *p, int off) {
  struct rk_chat_request q = request();
  struct rk_error e;
  q.sampling = p->sampling;
  q.max_tokens = 120;
  q.no_draft = off;
  q.owner = (uint64_t)p->n + 1;
  if (p->call) q.tools = tools, q.tool_choice = RK_TOOLS_REQUIRED;
  if (p->json) q.json_schema = schema, q.messages = dated;
  rk_buf_init(&p->text[off], 1 << 20);
  assert_int_equal(rk_chat_run(model, &q, NULL, on_pair, &p->text[off], &p->out[off], &e), RK_OK);
}

static void *with_drafts(void *pair) {
  run_pair(pair, 0);
  return NULL;
}

static void drafts_change_nothing(void **state) {
  enum { N = 48 };
  static const float temperatures[] = {0, 0.05f, 0.3f, 1, 1.8f};
  static struct pair pairs[N];
  int64_t accepted = 0, drafted = 0, in_json = 0;
  for (int i = 0; i < N; i++) {
    struct rk_sampling s = RK_SAMPLING_DEFAULT;
    s.temperature = temperatures[i % 5];
    s.seed = (uint64_t)i / 3;
    s.top_k = i % 3 == 1 ? 8 : 0;
    s.top_p = i % 3 == 2 ? 0.8f : 1;
    s.repetition_penalty = i % 4 == 1 ? 1.1f : 1;
    s.frequency_penalty = i % 4 == 2 ? 0.2f : 0;
    pairs[i] = (struct pair){.n = i, .sampling = s, .call = i % 6 == 5, .json = i % 6 == 2};
    run_pair(&pairs[i], 1);
    assert_int_equal(pairs[i].out[1].n_drafted, 0);
  }
  for (int at = 0, size = 1; at < N; at += size, size = size % 8 + 1) { /* 1 to 8 at once, on two slots */
    pthread_t threads[8];
    int n = size < N - at ? size : N - at;
    for (int i = 0; i < n; i++) pthread_create(&threads[i], NULL, with_drafts, &pairs[at + i]);
    for (int i = 0; i < n; i++) pthread_join(threads[i], NULL);
  }
  for (int i = 0; i < N; i++) {
    struct pair *p = &pairs[i];
    assert_true(rk_str_eq(rk_buf_str(&p->text[0]), rk_buf_str(&p->text[1])));
    assert_int_equal(p->out[0].n_completion, p->out[1].n_completion);
    assert_int_equal(p->out[0].finish, p->out[1].finish);
    assert_true(p->out[0].n_accepted <= p->out[0].n_drafted);
    accepted += p->out[0].n_accepted;
    in_json += p->json ? p->out[0].n_drafted : 0; /* by the grammar, noise copies nothing */
    drafted += p->out[0].n_drafted;
    rk_buf_release(&p->text[0]);
    rk_buf_release(&p->text[1]);
  }
  assert_true(accepted > 10 && drafted > accepted && in_json > 0); /* some came true and some did not */
}

static bool has_file(const char *dir) {
  char kv[100];
  int n = 0;
  snprintf(kv, sizeof kv, "%s/kv", dir);
  DIR *d = opendir(kv);
  for (const struct dirent *f; d && (f = readdir(d));) n += strstr(f->d_name, ".rkv") != NULL;
  if (d) closedir(d);
  return n == 1;
}

/* System prompt and tools are written in a quiet moment and found by the next
 * process; the reply is the one of a process that knows nothing. */
static void prefix_outlives_the_process(void **state) {
  static const uint8_t id[32] = {7};
  char dir[64] = "/tmp/rukou-chat-kv-XXXXXX", cmd[100];
  struct rk_error e;
  assert_non_null(mkdtemp(dir));
  json_t *all = rk_json_parse(RK_STR("[{\"role\":\"system\",\"content\":\"You are a careful helper. Look things up, compare, say what you found.\"},"
                                     "{\"role\":\"user\",\"content\":\"hello\"}]"), 1000, &e);
  struct rk_chat_request q = request();
  q.messages = all, q.n_prefix_messages = 1, q.sampling.seed = 3;
  struct seen want = {0};
  struct rk_chat_result r;
  rk_buf_init(&want.text, 10000);
  assert_int_equal(run(&q, &want, &r, &e), RK_OK);
  for (int start = 0; start < 2; start++) {
    struct rk_chat_model *m;
    struct seen got = {0};
    rk_buf_init(&got.text, 10000);
    struct rk_chat_local_opts o = {.model_path = path, .model_name = "tiny", .n_threads = 1, .n_ctx = 1024, .cache_dir = dir, .model_id = id};
    assert_int_equal(rk_chat_open_local(&o, &m, &e), RK_OK);
    assert_int_equal(rk_chat_run(m, &q, NULL, on_event, &got, &r, &e), RK_OK);
    assert_true(start ? r.n_cached > 32 && rk_chat_stats(m).n_prefixes_loaded == 1 : r.n_cached == 0);
    for (int i = 0; i < 1000 && !has_file(dir); i++) rk_sleep_ms(20);
    assert_true(has_file(dir));
    assert_true(rk_str_eq(rk_buf_str(&got.text), rk_buf_str(&want.text)));
    rk_buf_release(&got.text);
    rk_chat_close(m);
  }
  rk_buf_release(&want.text);
  json_decref(all);
  snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
  assert_int_equal(system(cmd), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(length_and_counts), cmocka_unit_test(tags_in_messages_are_text), cmocka_unit_test(seeds_repeat_and_prefix_is_reused),
      cmocka_unit_test(stop_string_ends_the_text), cmocka_unit_test(logprobs_of_each_token), cmocka_unit_test(calls_fit_whatever_the_model),
      cmocka_unit_test(cancelling), cmocka_unit_test(giving_up_while_waiting), cmocka_unit_test(raw_prompt_is_healed),
      cmocka_unit_test(context_full_names_both_numbers), cmocka_unit_test(bad_requests),
      cmocka_unit_test(side_by_side), cmocka_unit_test(drafts_change_nothing),
      cmocka_unit_test(prefix_outlives_the_process)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
