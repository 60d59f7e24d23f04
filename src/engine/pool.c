#include "engine/pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"

/* Every worker has a share: a stretch of neighbouring items, so that it streams
 * through neighbouring memory; who has done his own helps with the others'.
 * (Items dealt out one by one cost up to a quarter of the read bandwidth.)
 * A claim is half of what the share has left, so that nobody waits long for the
 * last one, but no more than MOST: an atomic operation stops the loads that run
 * ahead of it, and every 32 kB that cost a sixth of the read bandwidth.
 *
 * A share's ticket holds everything a thread needs to claim items at once, so
 * that a late thread can never mix two runs up:
 *   bits 0..19 next item, 20..39 end of the share, 40..63 run number.
 * A valid claim keeps its run, and so its row in `runs`, alive. */
enum { ITEM_BITS = 20, MAX_ITEMS = (1 << ITEM_BITS) - 4096, N_RUNS = 4, MAX_THREADS = 256, MOST = 8 };
enum { SPIN_WORKER = 20000, SPIN_CALLER = 4000 }; /* rounds before sleeping, some 10 to 40 ns each */

struct run {
  rk_pool_fn *fn;
  void *ctx;
  uint32_t n_items;
  _Atomic uint32_t n_done;
};

struct share {
  _Alignas(64) _Atomic uint64_t ticket;
};

struct rk_pool {
  int32_t n_threads;
  pthread_t *threads;           /* [n_threads - 1] */
  struct share *shares;         /* [n_threads] */
  _Alignas(64) _Atomic uint32_t wake;     /* futex of the workers, counts runs */
  _Atomic int32_t n_sleeping;
  _Atomic bool stop;
  _Alignas(64) _Atomic uint32_t finished; /* futex of the caller, last finished run */
  _Atomic bool caller_sleeps;
  _Alignas(64) struct run runs[N_RUNS];
  uint32_t run_no;              /* caller's */
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

/* How many items to claim. */
static uint32_t portion(uint64_t ticket) {
  const uint32_t half = (end_of(ticket) - first_of(ticket) + 1) / 2;
  return half < MOST ? half : MOST;
}

static void work_on(struct rk_pool *p, struct share *s, int32_t worker) {
  uint64_t t = atomic_load_explicit(&s->ticket, memory_order_relaxed);
  while (first_of(t) < end_of(t)) {
    const uint32_t first = first_of(t), n = portion(t), run_no = (uint32_t)(t >> 40);
    if (!atomic_compare_exchange_weak_explicit(&s->ticket, &t, t + n, memory_order_acquire, memory_order_relaxed)) continue;
    struct run *r = &p->runs[run_no % N_RUNS];
    const uint32_t n_items = r->n_items;
    for (uint32_t i = first; i < first + n; i++) r->fn(r->ctx, (int32_t)i, worker);
    if (atomic_fetch_add_explicit(&r->n_done, n, memory_order_acq_rel) + n == n_items) {
      atomic_store(&p->finished, run_no);
      if (atomic_load(&p->caller_sleeps)) futex_wake_all(&p->finished);
    }
    t = atomic_load_explicit(&s->ticket, memory_order_relaxed);
  }
}

/* Does items of the current run until none is left, its own first. */
static void work(struct rk_pool *p, int32_t worker) {
  for (int32_t i = 0; i < p->n_threads; i++) work_on(p, &p->shares[(worker + i) % p->n_threads], worker);
}

static void deal_out(struct rk_pool *p, uint32_t run_no, int32_t n_items) {
  const uint64_t n = (uint64_t)n_items, n_shares = (uint64_t)p->n_threads;
  for (uint64_t i = 0; i < n_shares; i++)
    atomic_store(&p->shares[i].ticket,
                 (uint64_t)run_no << 40 | n * (i + 1) / n_shares << ITEM_BITS | n * i / n_shares);
}

static void wait_for_run(struct rk_pool *p, uint32_t seen) {
  for (int i = 0; i < SPIN_WORKER; i++) {
    if (atomic_load_explicit(&p->wake, memory_order_acquire) != seen) return;
    relax();
  }
  atomic_fetch_add(&p->n_sleeping, 1);
  while (atomic_load(&p->wake) == seen && !atomic_load(&p->stop)) futex_wait(&p->wake, seen);
  atomic_fetch_sub(&p->n_sleeping, 1);
}

static void *worker_main(void *arg) {
  struct worker_arg w = *(struct worker_arg *)arg;
  free(arg);
  uint32_t seen = 0;
  while (!atomic_load(&w.p->stop)) {
    wait_for_run(w.p, seen);
    seen = atomic_load(&w.p->wake);
    work(w.p, w.index);
  }
  return NULL;
}

void rk_pool_run(struct rk_pool *p, int32_t n_items, rk_pool_fn *fn, void *ctx) {
  RK_ASSERT(n_items >= 0 && n_items < MAX_ITEMS);
  if (n_items == 0) return;
  if (n_items == 1 || p->n_threads == 1) {
    for (int32_t i = 0; i < n_items; i++) fn(ctx, i, 0);
    return;
  }
  uint32_t run_no = p->run_no = (p->run_no + 1) & 0xffffff;
  struct run *r = &p->runs[run_no % N_RUNS];
  r->fn = fn;
  r->ctx = ctx;
  r->n_items = (uint32_t)n_items;
  atomic_store_explicit(&r->n_done, 0, memory_order_relaxed);
  deal_out(p, run_no, n_items);
  atomic_fetch_add(&p->wake, 1);
  if (atomic_load(&p->n_sleeping)) futex_wake_all(&p->wake);
  work(p, 0);
  for (int i = 0; i < SPIN_CALLER && atomic_load(&p->finished) != run_no; i++) relax();
  if (atomic_load(&p->finished) == run_no) return;
  atomic_store(&p->caller_sleeps, true);
  for (uint32_t f; (f = atomic_load(&p->finished)) != run_no;) futex_wait(&p->finished, f);
  atomic_store(&p->caller_sleeps, false);
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
  for (int32_t i = 0; i < n_threads; i++) atomic_init(&p->shares[i].ticket, 0);
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
  atomic_fetch_add(&p->wake, 1);
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
