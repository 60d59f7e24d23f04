/* local.h - the local backend's insides, shared by local*.c (internal).
 *
 *   local.c           opening; a request on its caller's thread
 *   local_prompt.c    messages -> tokens (caller's thread)
 *   local_schedule.c  the engine thread: who computes in the next step
 *   local_run.c       one reply: from rows of logits to tokens and events
 *
 * A run belongs to its caller until it is pushed, then to the engine thread
 * until it is done. */
#ifndef RK_CHAT_LOCAL_H
#define RK_CHAT_LOCAL_H

#include <pthread.h>

#include "base/fair.h"
#include "chat/backend.h"
#include "chat/constraint.h"
#include "chat/draft.h"
#include "chat/pace.h"
#include "chat/reply.h"
#include "chat/stop.h"
#include "chat/template.h"

enum { RK_RUNS_MAX = 64, RK_DEFAULT_RUNS = 8 };
/* In the owner of a run that belongs to no conversation. */
#define RK_PRIVATE_OWNER (UINT64_C(1) << 63)

struct local {
  struct rk_chat_model base;
  struct rk_model *model;
  struct rk_engine *engine;
  enum rk_template template;
  struct rk_fair *waiting; /* of struct run */
  pthread_t thread;
  bool thread_started;
  atomic_int closing;
  int32_t n_runs_max, kv_wait_ms;
  struct rk_vocab *vocab; /* engine thread, like all below */
  uint32_t *mask;
  void *scratch;          /* the sampler's */
  struct rk_pace pace;
  float odds[2][RK_DRAFT_KINDS]; /* of guesses, learned by the runs that ended: free ones, constrained ones */
  double read_rows[2];    /* rows for readers in a step: alone, beside writers */
  uint64_t n_steps;
  atomic_uint_fast64_t n_owners;
  pthread_mutex_t stats_lock;
  struct rk_engine_stats stats; /* after the last step */
};

struct run {
  struct local *l;
  const struct rk_chat_request *req;
  const atomic_int *cancel;
  rk_chat_fn *fn;
  void *ud;
  struct rk_chat_result result;

  int32_t *tokens;   /* [n_end]: prompt, then reply, then guesses */
  int32_t n;         /* prompt and reply */
  int32_t n_prompt, n_keep, n_end; /* the reply ends at n_end tokens at the latest */
  int32_t n_computed; /* tokens[0..n_computed) are in the KV as they stand; may be behind n or, with guesses that hold, before it */
  float *logits;     /* [n_rows_max, n_vocab] */
  int32_t n_rows_max;
  int32_t rows[RK_DRAFT_MAX + 1]; /* positions whose logits are wanted */
  struct rk_job job;
  bool in_flight;    /* job is set for the rows that are wanted */
  bool held;         /* no room in the KV: waits until another run ends */
  struct rk_draft draft;
  struct rk_constraint *constraint; /* NULL: none */
  rk_str before;     /* of the token that is written next: bytes of the prompt; n 0: none */
  int32_t few[RK_MAX_FEW]; /* the job's only: tokens that are allowed next, when they are few */
  struct rk_reply reply;
  struct rk_stop stop;
  int64_t start_us, first_us, deadline_ms;
  int32_t n_progress;
  bool ended;        /* result.finish or err is set */
  rk_err err;
  struct rk_error error;

  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool done;
};

/* local_prompt.c: *ids is the caller's to free, also after an error. */
rk_err rk_local_prompt(struct local *l, const struct rk_chat_request *req, int32_t **ids, int32_t *n, int32_t *n_keep,
                       struct rk_error *e) RK_MUST_USE;

/* local_schedule.c */
void *rk_local_thread(void *local);

/* local_run.c */
float *rk_run_new_rows(const struct run *r, int32_t n); /* of logits; free() */
enum rk_thinking rk_run_thinking(const struct run *r);
void rk_run_start_reply(struct run *r);
void rk_run_heal_prompt(struct run *r, uint32_t *mask); /* mask is scratch */
void rk_run_jump_forward(struct run *r);  /* appends what can only follow */
void rk_run_end(struct run *r, enum rk_finish finish);
void rk_run_fail(struct run *r, rk_err err, const char *msg);
void rk_run_progress(struct run *r);
/* What may come next, and the odds of each guess when those before it are right; returns how many. */
int32_t rk_run_guess(struct run *r, int32_t guesses[RK_DRAFT_MAX], float odds[RK_DRAFT_MAX]);
/* Sets up the job for the next token and k guesses after it; k as far as memory allows. */
void rk_run_plan(struct run *r, const int32_t *guesses, int32_t k);
/* The logits that were asked for are there: takes tokens as far as they go. */
void rk_run_advance(struct run *r);
void rk_run_finish_reply(struct run *r);

#endif
