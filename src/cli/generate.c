/* generate.c - `rukou generate`: text from the model, as it comes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "chat/chat.h"
#include "cli/app.h"
#include "cli/config.h"
#include "net/net.h"

enum { PATH_BYTES = 4096, MAX_PROMPT_BYTES = 16 << 20, MAX_TEXT_BYTES = 16 << 20 };

struct args {
  const char *system;
  bool chat, special, no_pull;
  int64_t max_tokens, top_k, seed, logprobs;
  double temperature, top_p, min_p, repetition_penalty, presence_penalty, frequency_penalty;
  struct rk_opt_list stop, bias;
};

/* What has come so far. */
struct output {
  bool json;
  struct rk_buf text;
  json_t *logprobs; /* array with --logprobs, else NULL */
  const struct rk_model *model;
};

static json_t *token_json(rk_str bytes, int32_t id, float logprob) {
  json_t *text = json_stringn(bytes.p ? bytes.p : "", bytes.n); /* NULL: part of a code point */
  return json_pack("{s:i, s:o, s:f}", "id", id, "text", text ? text : json_null(), "logprob", (double)logprob);
}

static void add_logprob(struct output *o, const struct rk_chat_event *ev) {
  json_t *top = json_array(), *v = token_json(ev->text, ev->token, ev->logprob);
  for (int32_t i = 0; i < ev->n_top; i++) {
    rk_str bytes = o->model ? rk_token_bytes(o->model, ev->top_tokens[i]) : RK_STR("");
    json_array_append_new(top, token_json(bytes, ev->top_tokens[i], ev->top_logprobs[i]));
  }
  json_object_set_new(v, "top", top);
  json_array_append_new(o->logprobs, v);
}

static bool on_event(void *ud, const struct rk_chat_event *ev) {
  struct output *o = ud;
  if (ev->type == RK_CHAT_LOGPROB && o->logprobs) add_logprob(o, ev);
  if (ev->type != RK_CHAT_TEXT && ev->type != RK_CHAT_REASONING) return true;
  if (o->json) return ev->type == RK_CHAT_REASONING || !rk_buf_addstr(&o->text, ev->text);
  fwrite(ev->text.p, 1, ev->text.n, stdout);
  return fflush(stdout) == 0; /* nobody reads any more */
}

static const char *finish_name(enum rk_finish f) {
  static const char *const names[] = {[RK_FINISH_STOP] = "stop", [RK_FINISH_LENGTH] = "length",
                                      [RK_FINISH_TOOL_CALLS] = "tool_calls", [RK_FINISH_CANCELLED] = "cancelled"};
  return names[f];
}

static void print_json(struct output *o, const struct rk_chat_result *r, uint64_t seed) {
  json_t *v = json_pack("{s:s%, s:s, s:I, s:i, s:i, s:i, s:f, s:f}", "text", o->text.p ? o->text.p : "", o->text.n, "finish",
                        finish_name(r->finish), "seed", (json_int_t)seed, "prompt_tokens", r->n_prompt, "cached_tokens", r->n_cached,
                        "completion_tokens", r->n_completion, "prefill_ms", r->prefill_ms, "decode_ms", r->decode_ms);
  if (v && o->logprobs) json_object_set(v, "logprobs", o->logprobs);
  char *text = v ? rk_json_dump(v) : NULL;
  puts(text ? text : "null");
  free(text);
  json_decref(v);
}

static rk_err read_prompt(const struct rk_cli *c, struct rk_buf *prompt, struct rk_error *e) {
  if (c->argc > 1) return rk_fail(e, RK_EINVAL, "one prompt, in quotes; or - to read it from standard input");
  if (c->argc == 1 && strcmp(c->argv[0], "-") != 0) rk_buf_adds(prompt, c->argv[0]);
  else if (c->argc == 1) {
    rk_err err = rk_buf_read_file(prompt, "/dev/stdin", e);
    if (err) return err;
  }
  if (!rk_utf8_valid(rk_buf_str(prompt))) return rk_fail(e, RK_EINVAL, "the prompt is not valid UTF-8");
  return prompt->n ? RK_OK : rk_fail(e, RK_EINVAL, "a prompt is needed: rukou generate \"Once upon a time\"");
}

/* --bias ID:VALUE */
static rk_err read_bias(const struct rk_opt_list *list, int32_t *ids, float *values, struct rk_error *e) {
  for (int i = 0; i < list->n; i++) {
    rk_str id, value;
    int64_t n;
    double v;
    if (!rk_str_cut(rk_str_c(list->v[i]), ':', &id, &value) || !rk_str_i64(id, &n) || n < 0 || n > INT32_MAX || !rk_str_f64(value, &v))
      return rk_fail(e, RK_EINVAL, "--bias needs ID:VALUE, for example --bias 151645:-100");
    ids[i] = (int32_t)n;
    values[i] = (float)v;
  }
  return RK_OK;
}

static rk_err check(const struct args *a, struct rk_error *e) {
  if (a->system && !rk_utf8_valid(rk_str_c(a->system))) return rk_fail(e, RK_EINVAL, "--system is not valid UTF-8");
  if (a->stop.n > RK_MAX_STOP_STRINGS) return rk_fail(e, RK_ETOOBIG, "at most %d --stop", RK_MAX_STOP_STRINGS);
  for (int i = 0; i < a->stop.n; i++)
    if (strlen(a->stop.v[i]) > RK_MAX_STOP_BYTES) return rk_fail(e, RK_ETOOBIG, "a --stop is longer than %d bytes", RK_MAX_STOP_BYTES);
  if (a->logprobs > RK_MAX_TOP_LOGPROBS) return rk_fail(e, RK_ETOOBIG, "--logprobs is at most %d", RK_MAX_TOP_LOGPROBS);
  if (a->max_tokens < 0 || a->max_tokens > INT32_MAX || a->top_k < 0 || a->top_k > INT32_MAX)
    return rk_fail(e, RK_EINVAL, "--max-tokens and --top-k must not be negative");
  if (a->top_p <= 0 || a->top_p > 1 || a->min_p < 0 || a->min_p > 1) return rk_fail(e, RK_EINVAL, "--top-p and --min-p lie between 0 and 1");
  if (a->repetition_penalty <= 0) return rk_fail(e, RK_EINVAL, "--repetition-penalty must be above 0");
  return RK_OK;
}

static rk_err open_model(const struct rk_cli *c, bool no_pull, struct rk_net **net, struct rk_chat_model **m, struct rk_error *e) {
  char path[PATH_BYTES], origin[300];
  if (!c->cfg.base_url[0]) {
    rk_err err = rk_model_path(c, c->cfg.model, no_pull, path, sizeof path, e);
    if (err) return err;
    return rk_chat_open_local(&(struct rk_chat_local_opts){.model_path = path, .model_name = c->cfg.model, .n_threads = c->cfg.threads,
                                                           .n_ctx = c->cfg.ctx, .kv_type = c->cfg.kv_type, .n_slots = 1}, m, e);
  }
  if (rk_net_origin(c->cfg.base_url, origin, sizeof origin)) return rk_fail(e, RK_EINVAL, "base_url %s is no http(s) address", c->cfg.base_url);
  rk_err err = rk_app_open_net(&c->cfg, net, e);
  if (!err) err = rk_net_allow(*net, origin);
  if (err) return err;
  return rk_chat_open_remote(&(struct rk_chat_remote_opts){.net = *net, .base_url = c->cfg.base_url,
      .api_key = c->cfg.api_key[0] ? c->cfg.api_key : NULL, .model_name = c->cfg.model_name}, m, e);
}

static json_t *make_messages(const char *system, const struct rk_buf *prompt) {
  json_t *messages = json_array();
  if (system) json_array_append_new(messages, json_pack("{s:s, s:s}", "role", "system", "content", system));
  json_array_append_new(messages, json_pack("{s:s, s:s%}", "role", "user", "content", prompt->p, prompt->n));
  return messages;
}

static rk_err generate(const struct rk_cli *c, const struct args *a, struct rk_chat_model *m, const struct rk_buf *prompt, struct rk_error *e) {
  int32_t bias_ids[RK_OPT_LIST_MAX];
  float bias[RK_OPT_LIST_MAX];
  rk_str stop[RK_MAX_STOP_STRINGS];
  rk_err err = read_bias(&a->bias, bias_ids, bias, e);
  if (err) return err;
  for (int i = 0; i < a->stop.n; i++) stop[i] = rk_str_c(a->stop.v[i]);
  uint64_t seed = (uint64_t)a->seed;
  if (a->seed < 0) rk_random(&seed, sizeof seed), seed >>= 11; /* JSON numbers keep 53 bits */
  json_t *messages = a->chat ? make_messages(a->system, prompt) : NULL;
  struct rk_chat_request req = {
    .messages = messages,
    .tool_choice = RK_TOOLS_NONE,
    .raw_prompt = a->chat ? (rk_str){0} : rk_buf_str(prompt),
    .raw_trusted = a->special,
    .sampling = {.temperature = (float)a->temperature, .top_k = (int32_t)a->top_k, .top_p = (float)a->top_p, .min_p = (float)a->min_p,
                 .repetition_penalty = (float)a->repetition_penalty, .presence_penalty = (float)a->presence_penalty,
                 .frequency_penalty = (float)a->frequency_penalty, .seed = seed, .bias_ids = bias_ids, .bias = bias, .n_bias = a->bias.n},
    .max_tokens = (int32_t)a->max_tokens,
    .stop = stop,
    .n_stop = a->stop.n,
    .n_top_logprobs = (int32_t)a->logprobs,
  };
  struct output out = {.json = c->json, .model = rk_chat_engine_model(m), .logprobs = a->logprobs >= 0 ? json_array() : NULL};
  rk_buf_init(&out.text, MAX_TEXT_BYTES);
  struct rk_chat_result r;
  err = rk_chat_run(m, &req, NULL, on_event, &out, &r, e);
  if (!err && c->json) print_json(&out, &r, seed);
  if (!err && !c->json) putchar('\n');
  for (size_t i = 0; !err && !c->json && i < json_array_size(out.logprobs); i++) {
    char *line = rk_json_dump(json_array_get(out.logprobs, i));
    if (line) puts(line);
    free(line);
  }
  rk_buf_release(&out.text);
  json_decref(out.logprobs);
  json_decref(messages);
  return err;
}

static int run(struct rk_cli *c) {
  struct args a = {.max_tokens = 256, .seed = -1, .logprobs = -1, .top_p = 1, .repetition_penalty = 1};
  struct rk_opt opts[] = {
    {"chat", 'b', &a.chat}, {"system", 's', &a.system}, {"special", 'b', &a.special}, {"no-pull", 'b', &a.no_pull},
    {"max-tokens", 'i', &a.max_tokens}, {"temperature", 'f', &a.temperature}, {"top-k", 'i', &a.top_k}, {"top-p", 'f', &a.top_p},
    {"min-p", 'f', &a.min_p}, {"repetition-penalty", 'f', &a.repetition_penalty}, {"presence-penalty", 'f', &a.presence_penalty},
    {"frequency-penalty", 'f', &a.frequency_penalty}, {"seed", 'i', &a.seed}, {"stop", 'l', &a.stop}, {"bias", 'l', &a.bias},
    {"logprobs", 'i', &a.logprobs},
  };
  if (!rk_opts(c, opts, sizeof opts / sizeof *opts)) return RK_EXIT_USAGE;
  struct rk_error e;
  struct rk_net *net = NULL;
  struct rk_chat_model *m = NULL;
  struct rk_buf prompt;
  rk_buf_init(&prompt, MAX_PROMPT_BYTES);
  rk_err err = check(&a, &e);
  if (!err) err = read_prompt(c, &prompt, &e);
  if (!err) err = open_model(c, a.no_pull, &net, &m, &e);
  if (!err) err = generate(c, &a, m, &prompt, &e);
  if (m) rk_chat_close(m);
  if (net) rk_net_free(net);
  rk_buf_release(&prompt);
  return err ? rk_die(&e) : RK_EXIT_OK;
}

const struct rk_command rk_cmd_generate = {
  .name = "generate",
  .summary = "text from the model, as it comes",
  .help = "usage: rukou generate PROMPT|- [OPTIONS]\n\n"
          "Goes on with PROMPT (- reads it from standard input) and prints the text as it comes. The defaults are greedy.\n\n"
          "  --chat                   PROMPT is a message: the model's chat template is put around it\n"
          "  --system TEXT            system message, with --chat\n"
          "  --special                recognise special tokens such as <|im_start|> written in PROMPT\n"
          "  --max-tokens N           256; 0: what the context leaves\n"
          "  --temperature T          0: the most likely token (default)\n"
          "  --top-k N  --top-p P  --min-p P\n"
          "  --repetition-penalty R  --presence-penalty P  --frequency-penalty F\n"
          "  --seed N                 same seed, same text; without it a random one, printed by --json\n"
          "  --bias ID:VALUE          added to a token's logit; may be repeated\n"
          "  --stop TEXT              end before TEXT; may be repeated\n"
          "  --logprobs N             log-probability of each token and of the N best, as JSON lines after the text\n"
          "  --model M  --threads N  --ctx N  --kv-type T  --base-url URL  --no-pull\n"
          "  --json                   one object: text, finish, seed, token counts, times, logprobs\n\n"
          "Examples:\n"
          "  rukou generate \"The capital of France is\" --max-tokens 8\n"
          "  rukou generate --chat \"Write a haiku about doors\" --temperature 0.7 --seed 1\n"
          "  rukou generate - --json < prompt.txt\n\n"
          "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the model is missing (--no-pull).\n",
  .run = run,
};
