/* local_schedule.c - the engine thread: who computes in the next step.
 *
 * Runs that write come first, one row each and the guesses that pay. Runs that
 * read a prompt take turns with what is left of the step's time, so that a
 * long prompt is read in pieces and nobody who reads along waits for it. The
 * time of a step bounds too how long a cancelled run is still computed. */
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "chat/local.h"

/* BESIDE: a step in which somebody writes; ALONE: one in which all read. */
enum { BESIDE_MS = 120, ALONE_MS = 350, LEAST_ROWS = 8, MOST_ROWS = 256, QUIET_MS = 300 };

static bool is_writing(const struct run *r) { return r->first_us != 0; }

static void poll(struct run *r) {
  if ((r->cancel && atomic_load(r->cancel)) || atomic_load(&r->l->closing)) rk_run_end(r, RK_FINISH_CANCELLED);
  else if (r->deadline_ms && rk_mono_ms() > r->deadline_ms) rk_run_fail(r, RK_ETIMEOUT, "the reply took longer than its time limit");
}

static void finish(struct run *r) {
  if (!r->err) rk_run_finish_reply(r);
  if (r->draft.heads) memcpy(r->l->odds[r->constraint != NULL], r->draft.odds, sizeof r->draft.odds);
  int64_t now = rk_mono_us(), first = r->first_us ? r->first_us : now;
  r->result.prefill_ms = (double)(first - r->start_us) / 1000;
  r->result.decode_ms = (double)(now - first) / 1000;
  if (r->job.owner & RK_PRIVATE_OWNER) rk_engine_release(r->l->engine, r->job.owner);
  pthread_mutex_lock(&r->lock);
  r->done = true;
  pthread_cond_signal(&r->changed);
  pthread_mutex_unlock(&r->lock);
}

/* Waits for a run. When a while none has come, a kept prefix is written to
 * disk: it delays no token then. NULL: closed. */
static struct run *wait_for_run(struct local *l) {
  struct run *r = rk_fair_pop(l->waiting, QUIET_MS);
  while (!r && !atomic_load(&l->closing) && rk_engine_idle(l->engine)) r = rk_fair_pop(l->waiting, QUIET_MS);
  return r ? r : rk_fair_pop(l->waiting, -1);
}

/* Fills up with waiting runs; blocks when there is none at all. False: closed. */
static bool admit(struct local *l, struct run *runs[], int32_t *n) {
  while (*n < l->n_runs_max) {
    struct run *r = *n == 0 ? wait_for_run(l) : rk_fair_pop(l->waiting, 0);
    if (!r) break;
    r->start_us = rk_mono_us();
    memcpy(r->draft.odds, l->odds[r->constraint != NULL], sizeof r->draft.odds);
    runs[(*n)++] = r;
  }
  return *n > 0;
}

/* ---- one step ---- */

struct step {
  struct rk_job *jobs[RK_RUNS_MAX];
  int32_t done[RK_RUNS_MAX]; /* of each job, before the step */
  int32_t n_jobs, n_rows;
  int32_t n_writers, n_read_rows; /* of the jobs and rows */
};

static void add(struct step *s, struct run *r) {
  int32_t left = r->job.n_tokens - r->job.n_done;
  s->done[s->n_jobs] = r->job.n_done;
  s->jobs[s->n_jobs++] = &r->job;
  s->n_rows += r->job.n_most > 0 && left > r->job.n_most ? r->job.n_most : left;
}

static void plan(struct local *l, struct run *r, int32_t n_beside, double gain) {
  int32_t guesses[RK_DRAFT_MAX], k = 0;
  float odds[RK_DRAFT_MAX];
  if (is_writing(r)) k = rk_run_guess(r, guesses, odds);
  n_beside += r->n - 1 - r->n_computed; /* what was taken without asking is computed anyway */
  rk_run_plan(r, guesses, rk_pace_guesses(&l->pace, n_beside, gain, odds, k));
}

static void add_writers(struct local *l, struct run *runs[], int32_t n, struct step *s) {
  int32_t n_writers = 0;
  for (int32_t i = 0; i < n; i++) n_writers += is_writing(runs[i]) && !runs[i]->held && !runs[i]->ended;
  for (int32_t i = 0; i < n; i++) {
    struct run *r = runs[i];
    if (!is_writing(r) || r->held || r->ended) continue;
    n_writers--;
    if (!r->in_flight) plan(l, r, s->n_rows + n_writers, s->n_jobs + n_writers);
    r->job.n_most = 0;
    add(s, r);
  }
}

static void add_readers(struct local *l, struct run *runs[], int32_t n, struct step *s) {
  s->n_writers = s->n_jobs;
  int32_t room = (int32_t)l->read_rows[s->n_writers > 0];
  for (int32_t i = 0; i < n && room > 0; i++) {
    struct run *r = runs[(i + (int32_t)(l->n_steps % (uint64_t)n)) % n];
    if (is_writing(r) || r->held || r->ended) continue;
    if (!r->in_flight) plan(l, r, 0, 0);
    int32_t before = s->n_rows;
    r->job.n_most = room;
    add(s, r);
    room -= s->n_rows - before;
    s->n_read_rows += s->n_rows - before;
  }
}

/* Steps of readers are sized by what the last one took: less at once when it took too long, a little more when it
 * used its rows and had time left. */
static void size_reading(struct local *l, const struct step *s, double ms) {
  const bool beside = s->n_writers > 0;
  double *rows = &l->read_rows[beside], fits = (beside ? BESIDE_MS : ALONE_MS) / ms;
  if (s->n_read_rows == 0 || (fits > 1 && s->n_read_rows < (int32_t)*rows)) return;
  *rows *= fits < 0.5 ? 0.5 : fits > 1.3 ? 1.3 : fits;
  if (*rows < LEAST_ROWS) *rows = LEAST_ROWS;
  if (*rows > MOST_ROWS) *rows = MOST_ROWS;
}

/* There was no room in the KV: the run waits for another to end, if one can. */
static void hold(struct run *runs[], int32_t n, struct run *r) {
  int32_t others = 0;
  for (int32_t i = 0; i < n; i++) others += runs[i] != r && !runs[i]->ended && !runs[i]->held;
  if (others == 0 || rk_mono_us() - r->start_us > r->l->kv_wait_ms * INT64_C(1000)) {
    rk_run_fail(r, RK_EUNAVAIL, "the memory for conversations is full, try again in a moment");
    return;
  }
  r->job.err = RK_OK;
  r->held = true;
}

static void after(struct run *runs[], int32_t n, struct run *r, double ms) {
  if (is_writing(r)) r->result.step_ms += ms;
  if (r->job.err == RK_EBUSY) hold(runs, n, r);
  else if (r->job.err) rk_run_fail(r, r->job.err, rk_err_text(r->job.err));
  else rk_run_progress(r);
  if (!r->ended && !r->held && r->in_flight && r->job.n_done == r->job.n_tokens) rk_run_advance(r);
}

/* What was found in the KV was not computed. */
static int32_t rows_computed(const struct step *s) {
  int32_t rows = 0;
  for (int32_t i = 0; i < s->n_jobs; i++) rows += s->jobs[i]->n_done - (s->done[i] > 0 ? s->done[i] : s->jobs[i]->n_reused);
  return rows;
}

static void publish(struct local *l) {
  struct rk_engine_stats stats = rk_engine_stats(l->engine);
  pthread_mutex_lock(&l->stats_lock);
  l->stats = stats;
  pthread_mutex_unlock(&l->stats_lock);
}

static void step(struct local *l, struct run *runs[], int32_t n) {
  struct step s = {0};
  l->n_steps++;
  for (int32_t i = 0; i < n; i++) poll(runs[i]);
  add_writers(l, runs, n, &s);
  add_readers(l, runs, n, &s);
  if (s.n_jobs == 0) return;
  int64_t start_us = rk_mono_us();
  (void)rk_engine_step(l->engine, s.jobs, s.n_jobs);
  publish(l);
  double ms = (double)(rk_mono_us() - start_us) / 1000;
  int32_t rows = rows_computed(&s);
  size_reading(l, &s, ms);
  for (int32_t i = 0; i < n; i++)
    if (!runs[i]->ended) after(runs, n, runs[i], ms);
  rk_pace_note(&l->pace, rows, (double)(rk_mono_us() - start_us));
}

void *rk_local_thread(void *arg) {
  struct local *l = arg;
  struct run *runs[RK_RUNS_MAX];
  int32_t n = 0;
  while (admit(l, runs, &n)) {
    step(l, runs, n);
    int32_t left = 0;
    for (int32_t i = 0; i < n; i++) {
      if (runs[i]->ended) finish(runs[i]);
      else runs[left++] = runs[i];
    }
    for (int32_t i = 0; left < n && i < left; i++) runs[i]->held = false;
    n = left;
  }
  return NULL;
}
