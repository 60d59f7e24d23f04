#include "engine/pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"

/* Every thread has a share: a stretch of neighbouring items, so that it streams
 * through neighbouring memory; who has done his own helps with the others'.
 * (Items dealt out one by one cost up to a quarter of the read bandwidth.)
 * A claim is two thirds of what the share has left, so that nobody waits long
 * for the last one, but no more than MOST: an atomic operation stops the loads
 * that run ahead of it, and every 32 kB that cost a sixth of the bandwidth.
 *
 * Two cores may be far apart: a line that one has written takes the other 200 ns
 * or more, and a layer has five runs. So a run is handed over in one line, on
 * which its thread waits, and is given back in one, the thread's tally.
 *
 * A ticket holds everything a thread needs to claim items at once, so that a
 * late thread can never mix two runs up:
 *   bits 0..19 next item, 20..39 end of the share, 40..63 run number.
 * Items that are claimed and not yet in a tally keep their run, and so what
 * stands beside the ticket, alive. */
enum { ITEM_BITS = 20, MAX_ITEMS = (1 << ITEM_BITS) - 4096, MAX_THREADS = 256, MOST = 8 };
enum { COUNT_BITS = 24 };  /* a tally: items done, and above them the run they belong to */
enum { SPIN_WORKER = 1000, SPIN_CALLER = 300 }; /* rounds before sleeping, some 20 ns each: who spins takes time from a neighbour */

struct share {
  _Alignas(64) _Atomic uint64_t ticket;
  rk_pool_fn *fn;
  void *ctx;
  uint64_t run;
  _Alignas(64) _Atomic uint64_t tally;
};

struct rk_pool {
  int32_t n_threads;
  pthread_t *threads;           /* [n_threads - 1] */
  struct share *shares;         /* [n_threads] */
  uint64_t run;                 /* caller's: counts runs */
  _Alignas(64) _Atomic uint32_t wake; /* futex of the workers: number of the last run */
  _Atomic int32_t n_sleeping;
  _Atomic bool stop;
  _Alignas(64) _Atomic uint32_t reports; /* futex of the caller: tallies written while it sleeps */
  _Atomic bool caller_sleeps;
};

struct worker_arg {
  struct rk_pool *p;
  int32_t index;
};

static void futex_wait(_Atomic uint32_t *word, uint32_t value) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake_all(_Atomic uint32_t *word) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, MAX_THREADS, NULL, NULL, 0);
}

static inline void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

static uint32_t first_of(uint64_t ticket) { return (uint32_t)ticket & ((1u << ITEM_BITS) - 1); }
static uint32_t end_of(uint64_t ticket) { return (uint32_t)(ticket >> ITEM_BITS) & ((1u << ITEM_BITS) - 1); }
static uint32_t run_of(uint64_t ticket) { return (uint32_t)(ticket >> 2 * ITEM_BITS); }

/* How many items to claim. */
static uint32_t portion(uint64_t ticket) {
  const uint32_t left = end_of(ticket) - first_of(ticket), n = left - left / 3;
  return n < MOST ? n : MOST;
}

/* Returns how many items were done, of *run. */
static uint32_t work_on(struct share *s, int32_t worker, uint64_t *run) {
  uint32_t n_done = 0;
  uint64_t t = atomic_load_explicit(&s->ticket, memory_order_relaxed);
  while (first_of(t) < end_of(t)) {
    const uint32_t first = first_of(t), n = portion(t);
    if (!atomic_compare_exchange_weak_explicit(&s->ticket, &t, t + n, memory_order_acquire, memory_order_relaxed)) continue;
    for (uint32_t i = first; i < first + n; i++) s->fn(s->ctx, (int32_t)i, worker);
    *run = s->run;
    n_done += n;
    t = atomic_load_explicit(&s->ticket, memory_order_relaxed);
  }
  return n_done;
}

/* A thread may come back to a run that it had part in. */
static void report(struct rk_pool *p, struct share *own, uint64_t run, uint32_t n_done) {
  const uint64_t before = atomic_load_explicit(&own->tally, memory_order_relaxed);
  const uint64_t sum = (before >> COUNT_BITS == run ? before : run << COUNT_BITS) + n_done;
  atomic_store_explicit(&own->tally, sum, memory_order_release);
  atomic_thread_fence(memory_order_seq_cst); /* either this thread sees the caller asleep or the caller sees the tally */
  if (!atomic_load_explicit(&p->caller_sleeps, memory_order_relaxed)) return;
  atomic_fetch_add(&p->reports, 1);
  futex_wake_all(&p->reports);
}

/* Does items of the current run until none is left, its own first. What is not reported keeps the run from ending, so
 * all are of one run. */
static void work(struct rk_pool *p, int32_t worker) {
  uint64_t run = 0;
  uint32_t n_done = 0;
  for (int32_t i = 0; i < p->n_threads; i++)
    n_done += work_on(&p->shares[(worker + i) % p->n_threads], worker, &run);
  if (n_done) report(p, &p->shares[worker], run, n_done);
}

static void wait_for_run(struct rk_pool *p, const struct share *own, uint32_t seen) {
  for (int i = 0; i < SPIN_WORKER; i++) {
    if (run_of(atomic_load_explicit(&own->ticket, memory_order_relaxed)) != seen) return;
    relax();
  }
  atomic_fetch_add(&p->n_sleeping, 1);
  while (atomic_load(&p->wake) == seen && !atomic_load(&p->stop)) futex_wait(&p->wake, seen);
  atomic_fetch_sub(&p->n_sleeping, 1);
}

static void *worker_main(void *arg) {
  struct worker_arg w = *(struct worker_arg *)arg;
  struct share *own = &w.p->shares[w.index];
  uint32_t seen = 0;
  free(arg);
  while (!atomic_load(&w.p->stop)) {
    wait_for_run(w.p, own, seen);
    seen = run_of(atomic_load(&own->ticket));
    work(w.p, w.index);
  }
  return NULL;
}

/* A worker that falls asleep while this is written may miss the run: the caller does his share then. */
static void hand_out(struct rk_pool *p, int32_t n_items, rk_pool_fn *fn, void *ctx) {
  const uint64_t n = (uint64_t)n_items, n_shares = (uint64_t)p->n_threads, run_no = p->run & 0xffffff;
  for (uint64_t i = n_shares; i-- > 0;) {
    struct share *s = &p->shares[i];
    s->fn = fn;
    s->ctx = ctx;
    s->run = p->run;
    atomic_store_explicit(&s->ticket, run_no << 2 * ITEM_BITS | n * (i + 1) / n_shares << ITEM_BITS | n * i / n_shares,
                          memory_order_release);
  }
  atomic_store_explicit(&p->wake, (uint32_t)run_no, memory_order_release);
  if (atomic_load_explicit(&p->n_sleeping, memory_order_relaxed)) futex_wake_all(&p->wake);
}

static bool is_done(const struct rk_pool *p, uint32_t n_items) {
  uint32_t n = 0;
  for (int32_t i = 0; i < p->n_threads; i++) {
    const uint64_t t = atomic_load_explicit(&p->shares[i].tally, memory_order_acquire);
    if (t >> COUNT_BITS == p->run) n += (uint32_t)t & ((1u << COUNT_BITS) - 1);
  }
  return n == n_items;
}

static void wait_for_others(struct rk_pool *p, uint32_t n_items) {
  for (int i = 0; i < SPIN_CALLER; i++) {
    if (is_done(p, n_items)) return;
    relax();
  }
  atomic_store(&p->caller_sleeps, true);
  atomic_thread_fence(memory_order_seq_cst);
  for (;;) {
    const uint32_t seen = atomic_load(&p->reports);
    if (is_done(p, n_items)) break;
    futex_wait(&p->reports, seen);
  }
  atomic_store(&p->caller_sleeps, false);
}

void rk_pool_run(struct rk_pool *p, int32_t n_items, rk_pool_fn *fn, void *ctx) {
  RK_ASSERT(n_items >= 0 && n_items < MAX_ITEMS);
  if (n_items == 0) return;
  if (n_items == 1 || p->n_threads == 1) {
    for (int32_t i = 0; i < n_items; i++) fn(ctx, i, 0);
    return;
  }
  p->run++;
  hand_out(p, n_items, fn, ctx);
  work(p, 0);
  wait_for_others(p, (uint32_t)n_items);
}

struct rk_pool *rk_pool_new(int32_t n_threads) {
  if (n_threads < 1) n_threads = 1;
  if (n_threads > MAX_THREADS) n_threads = MAX_THREADS;
  struct rk_pool *p = aligned_alloc(64, (sizeof *p + 63) / 64 * 64);
  if (!p) return NULL;
  *p = (struct rk_pool){.n_threads = 1};
  p->threads = calloc((size_t)n_threads, sizeof *p->threads);
  p->shares = aligned_alloc(64, sizeof *p->shares * (size_t)n_threads);
  if (!p->threads || !p->shares) {
    rk_pool_free(p);
    return NULL;
  }
  memset(p->shares, 0, sizeof *p->shares * (size_t)n_threads);
  for (int32_t i = 1; i < n_threads; i++) {
    struct worker_arg *arg = malloc(sizeof *arg);
    if (arg) *arg = (struct worker_arg){p, i};
    if (!arg || pthread_create(&p->threads[i - 1], NULL, worker_main, arg) != 0) {
      free(arg);
      rk_pool_free(p);
      return NULL;
    }
    p->n_threads = i + 1;
  }
  return p;
}

void rk_pool_free(struct rk_pool *p) {
  if (!p) return;
  atomic_store(&p->stop, true);
  atomic_store(&p->wake, UINT32_MAX);
  futex_wake_all(&p->wake);
  for (int32_t i = 1; i < p->n_threads; i++) pthread_join(p->threads[i - 1], NULL);
  free(p->threads);
  free(p->shares);
  free(p);
}

int32_t rk_pool_n_threads(const struct rk_pool *p) { return p->n_threads; }

/* ---- how many cores ---- */

/* quota / period of a cgroup, rounded up; 0 when there is none. */
static int32_t cgroup_cores(void) {
  long long quota = -1, period = 0;
  FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
  if (f) {
    if (fscanf(f, "%lld %lld", &quota, &period) != 2) quota = -1;
    fclose(f);
  } else if ((f = fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "re"))) {
    if (fscanf(f, "%lld", &quota) != 1) quota = -1;
    fclose(f);
    if ((f = fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "re"))) {
      if (fscanf(f, "%lld", &period) != 1) period = 0;
      fclose(f);
    }
  }
  if (quota <= 0 || period <= 0) return 0;
  long long n = (quota + period - 1) / period;
  return n > MAX_THREADS ? MAX_THREADS : (int32_t)n;
}

int32_t rk_usable_cores(void) {
  cpu_set_t set;
  CPU_ZERO(&set);
  int32_t n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  int32_t quota = cgroup_cores();
  if (quota > 0 && quota < n) n = quota;
  return n < 1 ? 1 : n;
}
