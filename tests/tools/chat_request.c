/* chat_request.c - runs chat requests for the Python tests: `chat_request MODEL`
 * or `chat_request --remote BASE_URL NAME`, one request a line in (fields as in
 * chat.h), its events and at last {"done"} or {"error"} as lines out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "chat/chat.h"
#include "net/net.h"

static void print(json_t *v) {
  char *text = rk_json_dump(v);
  puts(text);
  free(text);
  json_decref(v);
  fflush(stdout);
}

static json_t *bytes(rk_str s) {
  json_t *v = json_stringn(s.p, s.n);
  return v ? v : json_string("(bytes)");
}

static bool on_event(void *ud, const struct rk_chat_event *ev) {
  int *left = ud;
  json_t *v = json_object();
  switch (ev->type) {
    case RK_CHAT_PROGRESS: json_object_set_new(v, "progress", json_pack("[i,i]", ev->n_done, ev->n_total)); break;
    case RK_CHAT_TEXT: json_object_set_new(v, "text", json_stringn(ev->text.p, ev->text.n)); break;
    case RK_CHAT_REASONING: json_object_set_new(v, "reasoning", json_stringn(ev->text.p, ev->text.n)); break;
    case RK_CHAT_CALL:
      json_object_set_new(v, "call", json_pack("{s:s,s:s,s:O}", "id", ev->call_id, "name", ev->call_name, "args", ev->call_args));
      break;
    case RK_CHAT_LOGPROB:
      json_object_set_new(v, "logprob", json_pack("{s:o,s:i,s:f,s:i}", "bytes", bytes(ev->text), "token", ev->token, "logprob",
                                                  (double)ev->logprob, "n_top", ev->n_top));
      break;
  }
  print(v);
  return *left < 0 || (*left)-- > 0;
}

static void run(struct rk_chat_model *m, const json_t *in) {
  rk_str stop[4];
  int32_t n_stop = 0;
  const json_t *stops = rk_json_arr(in, "stop");
  for (size_t i = 0; i < json_array_size(stops) && n_stop < 4; i++)
    stop[n_stop++] = rk_str_c(json_string_value(json_array_get(stops, i)));
  struct rk_chat_request req = {
      .messages = rk_json_arr(in, "messages"), .tools = rk_json_arr(in, "tools"), .tool_name = rk_json_cstr(in, "tool_name", NULL),
      .tool_choice = (enum rk_tool_choice)rk_json_i64(in, "tool_choice", RK_TOOLS_AUTO), .one_call = rk_json_bool(in, "one_call", false),
      .json_schema = json_object_get(in, "json_schema"), .json_object = rk_json_bool(in, "json_object", false),
      .thinking = rk_json_bool(in, "thinking", false), .sampling = RK_SAMPLING_DEFAULT, .max_tokens = (int32_t)rk_json_i64(in, "max_tokens", 0),
      .stop = stop, .n_stop = n_stop, .n_top_logprobs = (int32_t)rk_json_i64(in, "n_top_logprobs", -1),
      .n_prefix_messages = (int32_t)rk_json_i64(in, "n_prefix_messages", 0), .owner = (uint64_t)rk_json_i64(in, "owner", 0),
      .timeout_ms = rk_json_i64(in, "timeout_ms", 0)};
  if (json_is_string(json_object_get(in, "grammar"))) req.grammar = rk_json_str(in, "grammar");
  if (json_is_string(json_object_get(in, "raw_prompt"))) req.raw_prompt = rk_json_str(in, "raw_prompt");
  req.sampling.temperature = (float)json_number_value(json_object_get(in, "temperature"));
  req.sampling.seed = (uint64_t)rk_json_i64(in, "seed", 0);
  int left = (int)rk_json_i64(in, "cancel_after_events", -1);
  struct rk_chat_result out;
  struct rk_error e = {0};
  static const char *const names[] = {"stop", "length", "tool_calls", "cancelled"};
  if (rk_chat_run(m, &req, NULL, on_event, &left, &out, &e))
    print(json_pack("{s:{s:s,s:s}}", "error", "code", rk_err_api(e.code), "message", e.msg));
  else
    print(json_pack("{s:{s:s,s:i,s:i,s:i,s:i,s:f,s:f}}", "done", "finish", names[out.finish], "n_prompt", out.n_prompt, "n_cached", out.n_cached,
                    "n_completion", out.n_completion, "n_decode_steps", out.n_decode_steps, "prefill_ms", out.prefill_ms, "decode_ms", out.decode_ms));
}

int main(int argc, char **argv) {
  struct rk_chat_model *m = NULL;
  struct rk_net *net = NULL;
  struct rk_error e = {0};
  rk_err err;
  bool remote = argc > 3 && strcmp(argv[1], "--remote") == 0;
  if (remote) {
    char origin[256];
    if (rk_net_new(&net, &e) || rk_net_origin(argv[2], origin, sizeof origin) || rk_net_allow(net, origin)) return 2;
    err = rk_chat_open_remote(&(struct rk_chat_remote_opts){.net = net, .base_url = argv[2], .api_key = "sk-test", .model_name = argv[3]}, &m, &e);
  } else {
    const char *ctx = getenv("N_CTX");
    err = argc < 2 ? RK_EINVAL : rk_chat_open_local(&(struct rk_chat_local_opts){.model_path = argv[1], .model_name = "m", .n_ctx = ctx ? atoi(ctx) : 4096}, &m, &e);
  }
  if (err) {
    fprintf(stderr, "%s\n", e.msg);
    return 2;
  }
  char *line = NULL;
  size_t cap = 0;
  for (ssize_t n; (n = getline(&line, &cap, stdin)) > 0;) {
    json_t *in = rk_json_parse((rk_str){line, (size_t)n}, 1 << 24, &e);
    if (!in) {
      fprintf(stderr, "%s\n", e.msg);
      return 2;
    }
    run(m, in);
    json_decref(in);
  }
  free(line);
  rk_chat_close(m);
  if (net) rk_net_free(net);
  return 0;
}
