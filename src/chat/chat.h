/* chat.h - a model that talks: local engine or remote OpenAI-compatible API,
 * behind one header.
 *
 * A request is messages + tools + sampling; the reply comes as events. The
 * caller blocks in rk_chat_run() on its own worker thread; the local backend
 * computes on its one engine thread, round-robin over the requests that run,
 * so two tabs share it instead of waiting for each other.
 *
 * Text of messages, tool results and tools' descriptions is untrusted: no
 * special token is recognised in it. A tool call that comes out always names
 * a given tool and its arguments always fit that tool's schema (local: by
 * token masks; remote: checked, else RK_EUPSTREAM). */
#ifndef RK_CHAT_CHAT_H
#define RK_CHAT_CHAT_H

#include <stdatomic.h>

#include "engine/engine.h"
#include "json/json.h"

struct rk_chat_model; /* any thread; reference to one backend */

struct rk_chat_local_opts {
  const char *model_path;
  const char *model_name;  /* as listed by /v1/models */
  int32_t n_threads, n_ctx, n_slots; /* 0: engine's defaults */
  uint64_t kv_bytes;       /* as in rk_engine_opts */
  const char *kv_type;     /* as in rk_engine_opts */
  int32_t kv_wait_ms;      /* how long a run waits for room in the KV; 0: 30 s */
  const char *cache_dir;   /* as in rk_engine_opts; NULL: nothing is kept over restarts */
  const uint8_t *model_id; /* [32] or NULL */
};
rk_err rk_chat_open_local(const struct rk_chat_local_opts *o, struct rk_chat_model **out, struct rk_error *e) RK_MUST_USE;

struct rk_net;
struct rk_chat_remote_opts {
  struct rk_net *net;
  const char *base_url;    /* "https://host/v1" */
  const char *api_key;     /* NULL: none; never logged */
  const char *model_name;
};
rk_err rk_chat_open_remote(const struct rk_chat_remote_opts *o, struct rk_chat_model **out, struct rk_error *e) RK_MUST_USE;

void rk_chat_close(struct rk_chat_model *m); /* waits for running requests to end (they are cancelled) */
const char *rk_chat_name(const struct rk_chat_model *m);
bool rk_chat_is_local(const struct rk_chat_model *m);
int32_t rk_chat_n_ctx(const struct rk_chat_model *m); /* 0: unknown (remote) */
struct rk_engine_stats rk_chat_stats(struct rk_chat_model *m); /* after the last step; all zero for remote */
const struct rk_model *rk_chat_engine_model(const struct rk_chat_model *m); /* NULL for remote */

/* Messages are a JSON array in OpenAI form: {role: system|user|assistant|tool,
 * content: string|null, tool_calls?: [{id, type:"function", function:{name,
 * arguments: string|object}}], tool_call_id?, name?}. Tools likewise:
 * [{type:"function", function:{name, description, parameters}}]. */
enum rk_tool_choice { RK_TOOLS_AUTO, RK_TOOLS_NONE, RK_TOOLS_REQUIRED, RK_TOOLS_NAMED };

struct rk_chat_request {
  const json_t *messages;      /* borrowed for the call */
  const json_t *tools;         /* NULL or array, borrowed */
  enum rk_tool_choice tool_choice;
  const char *tool_name;       /* with RK_TOOLS_NAMED */
  bool one_call;               /* end after the first tool call (parallel_tool_calls: false) */
  const json_t *json_schema;   /* response_format json_schema: the whole text fits it; NULL: free */
  bool json_object;            /* response_format json_object */
  rk_str grammar;              /* GBNF: the whole text fits it (local only); p NULL: none */
  rk_str raw_prompt;           /* /v1/completions: used instead of messages when p != NULL; untrusted unless raw_trusted */
  bool raw_trusted;
  bool thinking;               /* Qwen3: enable_thinking */
  struct rk_sampling sampling;
  int32_t max_tokens;          /* 0: what the context leaves */
  const rk_str *stop;          /* [n_stop] stop strings, cut from the text */
  int32_t n_stop;
  int32_t n_top_logprobs;      /* -1: no logprobs */
  int32_t n_prefix_messages;   /* messages[0..n) + tools are the fixed prefix worth keeping in KV */
  uint64_t owner;              /* conversation, for KV reuse; 0: none */
  uint64_t user;               /* who waits in line with whom: users take turns; 0: the conversation stands for it */
  bool no_draft;               /* never guess tokens ahead (the reply is the same, only its speed is not) */
  int64_t timeout_ms;          /* 0: none (local), RK_FETCH_TIMEOUT_MS x 30 (remote) */
};

enum rk_chat_event_type {
  RK_CHAT_PROGRESS,   /* prefill: n_done of n_total tokens */
  RK_CHAT_TEXT,       /* visible text delta, whole code points */
  RK_CHAT_REASONING,  /* thinking delta */
  RK_CHAT_CALL,       /* one complete tool call */
  RK_CHAT_LOGPROB     /* one token's log-probabilities, before its text */
};

struct rk_chat_event {
  enum rk_chat_event_type type;
  rk_str text;                 /* TEXT, REASONING; LOGPROB: token bytes */
  const char *call_id;         /* CALL: "call_" + 24 hex */
  const char *call_name;       /* CALL */
  const json_t *call_args;     /* CALL: object, borrowed */
  int32_t n_done, n_total;     /* PROGRESS */
  int32_t token;               /* LOGPROB */
  float logprob;
  const int32_t *top_tokens;   /* [n_top] */
  const float *top_logprobs;
  int32_t n_top;
};

enum rk_finish { RK_FINISH_STOP, RK_FINISH_LENGTH, RK_FINISH_TOOL_CALLS, RK_FINISH_CANCELLED };

struct rk_chat_result {
  enum rk_finish finish;
  int32_t stop_hit;          /* the stop string that ended it, from 1; 0: none, or not known (remote) */
  int32_t n_prompt, n_cached, n_completion; /* tokens */
  int32_t n_decode_steps;      /* times that the model was computed for the reply */
  int32_t n_drafted, n_accepted; /* tokens guessed ahead, and those of them that came true */
  double prefill_ms, decode_ms;
  double step_ms, mask_ms;     /* of decode_ms: computing the model; finding out what the grammar allows */
};

/* Called on a backend thread, one at a time, in order. Return false to cancel. */
typedef bool rk_chat_fn(void *ud, const struct rk_chat_event *ev);

/* Blocks until the reply is complete. cancel (may be NULL) is polled: non-zero
 * ends the reply with RK_FINISH_CANCELLED. Errors: RK_ECONTEXT (names both
 * numbers), RK_EINVAL (schema outside the subset: names where), RK_EBUSY,
 * RK_EUPSTREAM, RK_ETIMEOUT. */
rk_err rk_chat_run(struct rk_chat_model *m, const struct rk_chat_request *req, const atomic_int *cancel,
                   rk_chat_fn *fn, void *ud, struct rk_chat_result *out, struct rk_error *e) RK_MUST_USE;
/* Tokens that a request's prompt would take (local only; -1 for remote). */
int32_t rk_chat_count(struct rk_chat_model *m, const struct rk_chat_request *req, struct rk_error *e);

#endif
