/* engine.h - Qwen GGUF file -> tokens -> logits.
 *
 * Needs base, libc, libm and pthread, nothing else. An immutable rk_model can
 * be shared by threads; an rk_engine and everything it hands out belongs to
 * one thread, its workers are its own business.
 *
 * Callers pass a job with its whole token prefix. The engine keeps the KV of
 * what it has computed, in blocks that conversations share, and reuses the
 * longest prefix that it still holds: a second turn, an edit, a branch or
 * another user pay for what is new. With a cache directory fixed prefixes
 * (n_keep) outlive the process. rk_engine_step() advances
 * every job by a bounded amount of work; call it until the jobs are done.
 *
 * Determinism: the order of every floating-point reduction is fixed by the
 * shape of the weights and, in attention, by the position. Same tokens give
 * the same bytes of logits for any chunking, batch, thread count or reuse. */
#ifndef RK_ENGINE_ENGINE_H
#define RK_ENGINE_ENGINE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* ---- model: file, vocabulary, tokenizer (immutable, any thread) ---- */

struct rk_model;

struct rk_model_info {
  const char *arch;          /* "qwen2", "qwen3", "qwen3moe", "qwen3next", "qwen35", "qwen35moe" */
  const char *name;          /* general.name, may be "" */
  rk_str chat_template;      /* Jinja text from the file, may be empty */
  int32_t n_vocab, n_layer, n_embd, n_head, n_head_kv, n_ctx_train;
  int32_t bos, eos, eot;     /* -1 when absent; eot = <|im_end|> */
  bool recurrent;            /* a prefix can be gone back to only where it was kept: guessing ahead does not pay */
  uint64_t file_bytes;
  uint64_t n_params;
};

/* Maps and validates the file. Errors: RK_ENOTFOUND, RK_EFORMAT (truncated,
 * hostile or unsupported: says which tensor or key), RK_ENOMEM. */
rk_err rk_model_open(const char *path, struct rk_model **out, struct rk_error *e) RK_MUST_USE;
void rk_model_close(struct rk_model *m);
struct rk_model_info rk_model_info(const struct rk_model *m);

/* Byte-level BPE. trusted: special and user-defined tokens (<|im_start|>,
 * <tool_call>) are recognised; otherwise none is. Writes up to cap ids and
 * returns the number needed (call again with more room), or -1 when the text
 * is not valid UTF-8, longer than RK_MAX_TOKENIZE_BYTES, or memory ran out.
 * No token is added in front. */
int32_t rk_tokenize(const struct rk_model *m, rk_str text, bool trusted, int32_t *ids, int32_t cap);
/* The bytes of one token; may be part of a code point. Special tokens give
 * their text. Empty for an id out of range. */
rk_str rk_token_bytes(const struct rk_model *m, int32_t id);
bool rk_token_is_special(const struct rk_model *m, int32_t id); /* control token: never part of visible text */
int32_t rk_token_find(const struct rk_model *m, rk_str special_text); /* id of a special/user-defined token or -1 */

/* ---- engine: KV and compute (one thread) ---- */

struct rk_engine;

struct rk_engine_opts {
  int32_t n_threads;      /* 0: number of usable cores (cgroup-aware) */
  int32_t n_ctx;          /* positions of a conversation; 0: min(n_ctx_train, 32768), less when kv_bytes holds less */
  int32_t n_slots;        /* jobs that advance together; 0: 4 */
  uint64_t kv_bytes;      /* memory of all KV, never more; 0: half of what is available after the weights */
  int32_t n_chunk;        /* tokens computed together at most; 0: 256 */
  bool float_path;        /* debug: float32 weights, activations and KV, scalar */
  const char *kv_type;    /* NULL or "f16"; "q8_0": keys and values in 8 bits; "kf16_vq8": values only */
  const char *kernels;    /* NULL: best; "scalar" | "avx2" | "avx512" forces one */
  const char *cache_dir;  /* where repacked weights and KV may be kept over restarts; NULL: nowhere */
  const uint8_t *model_id; /* [32] SHA-256 of the model's file, needed to keep anything; NULL: not known */
};

rk_err rk_engine_new(const struct rk_model *m, const struct rk_engine_opts *o, struct rk_engine **out,
                     struct rk_error *e) RK_MUST_USE;
void rk_engine_free(struct rk_engine *en);
int32_t rk_engine_n_ctx(const struct rk_engine *en);
const char *rk_engine_kernels(const struct rk_engine *en); /* "avx512-vnni", "avx2", "scalar" */

enum rk_rows { RK_ROWS_NONE, RK_ROWS_LAST, RK_ROWS_ALL, RK_ROWS_LIST };

struct rk_job {
  /* set by the caller, unchanged while the job runs */
  const int32_t *tokens;   /* [n_tokens] the whole prefix */
  int32_t n_tokens;        /* >= 1, <= n_ctx, else RK_ECONTEXT */
  enum rk_rows rows;       /* which positions' logits are wanted */
  const int32_t *row_list; /* [n_rows] positions, ascending, with RK_ROWS_LIST */
  int32_t n_rows;
  int32_t n_keep;          /* tokens[0..n_keep) are a fixed prefix (system, tools): kept longest, and on disk; nothing else is written there */
  float *logits;           /* [rows wanted, n_vocab], caller's memory, best at a multiple of 64 bytes; row order = position order */
  const int32_t *only;     /* [n_only] ascending ids, or NULL: of each row only these logits are wanted, e.g. under a */
  int32_t n_only;          /* grammar that allows few; they have the bits they always have, the others are undefined */
  uint64_t owner;          /* of the conversation, see rk_engine_release() */
  int32_t n_most;          /* positions computed in one step at most; 0: what the chunk leaves. May change between steps */
  /* set by the engine */
  int32_t n_done;          /* positions computed or reused; done when == n_tokens */
  int32_t n_reused;        /* positions taken from KV */
  int32_t slot;            /* internal, caller zeroes the struct before first use */
  rk_err err;              /* RK_OK, RK_ECONTEXT, RK_ENOMEM, RK_EBUSY (all KV memory is held by other running jobs) */
};

/* Advances every job that is not done by at most one chunk (at most a few
 * hundred tokens): those that lack few tokens first, the others share the
 * rest, round-robin when they do not fit together. Returns the number of jobs
 * that are still unfinished, -1 when none can go on.
 * Between steps the caller may take tokens back: it changes them, and lowers
 * n_done to the first that changed. */
int32_t rk_engine_step(struct rk_engine *en, struct rk_job *const jobs[], int32_t n_jobs);
/* The conversation is over: its blocks are evicted first (they stay until then). */
void rk_engine_release(struct rk_engine *en, uint64_t owner);
/* For a quiet moment: writes one prefix to the cache directory, some tens of
 * milliseconds. False: nothing is left to write. rk_engine_free() writes the rest. */
bool rk_engine_idle(struct rk_engine *en);

struct rk_engine_stats {
  uint64_t blocks_used, blocks_total; /* of 64 positions */
  uint64_t bytes_used, bytes_total;
  uint64_t tokens_reused, tokens_computed;
  uint64_t n_evictions;               /* blocks */
  uint64_t n_busy;                    /* jobs that failed with RK_EBUSY */
  uint64_t n_prefixes_loaded;         /* from disk */
};
struct rk_engine_stats rk_engine_stats(const struct rk_engine *en);

/* ---- what is kept on disk ---- */

/* Reads all repacked weights that cache_dir keeps of a model (seconds) and
 * removes a file that is damaged: RK_EFORMAT names it. */
rk_err rk_engine_check_cache(const char *cache_dir, const uint8_t model_id[32], int32_t *n_files, struct rk_error *e) RK_MUST_USE;

/* ---- sampler ---- */

struct rk_sampling {
  float temperature;        /* <= 0: greedy */
  int32_t top_k;            /* 0: off */
  float top_p;              /* 1: off */
  float min_p;              /* 0: off */
  float repetition_penalty; /* 1: off */
  float presence_penalty, frequency_penalty; /* 0: off */
  uint64_t seed;
  const int32_t *bias_ids;  /* [n_bias] */
  const float *bias;        /* [n_bias] */
  int32_t n_bias;
};

#define RK_SAMPLING_DEFAULT ((struct rk_sampling){.temperature = 0, .top_p = 1, .repetition_penalty = 1})

/* Applies penalties, bias and mask to logits [n_vocab] in place, then draws.
 * The random number is a function of (seed, position) only.
 * recent: [n_recent] tokens that the penalties look at. mask: bit i allows
 * token i, ceil(n_vocab/32) words, NULL allows all. scratch: [n_vocab] floats
 * and ints of the caller: see rk_sampler_scratch_bytes(). Returns the id, or
 * -1 when the mask allows none. */
int32_t rk_sample(float *logits, int32_t n_vocab, const struct rk_sampling *s, const uint32_t *mask,
                  const int32_t *recent, int32_t n_recent, int64_t position, void *scratch);
size_t rk_sampler_scratch_bytes(int32_t n_vocab);
/* Log-probabilities of the raw logits: of id, and of the n best (ids descending). */
float rk_logprob(const float *logits, int32_t n_vocab, int32_t id, int32_t *top_ids, float *top_logprobs, int32_t n);

#endif
