#include "agent/timer.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

struct rk_timer {
  int64_t (*tick)(void *ud);
  void *ud;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool poked, stop;
};

static struct timespec in_ms(int64_t ms) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  at.tv_sec += ms / 1000;
  at.tv_nsec += ms % 1000 * 1000000;
  if (at.tv_nsec >= 1000000000) at.tv_sec++, at.tv_nsec -= 1000000000;
  return at;
}

/* False: stop. */
static bool sleep_ms(struct rk_timer *t, int64_t ms) {
  struct timespec until = in_ms(ms < 0 ? 0 : ms);
  pthread_mutex_lock(&t->lock);
  while (!t->poked && !t->stop)
    if (ms < 0) pthread_cond_wait(&t->changed, &t->lock);
    else if (pthread_cond_timedwait(&t->changed, &t->lock, &until) != 0) break;
  t->poked = false;
  bool go_on = !t->stop;
  pthread_mutex_unlock(&t->lock);
  return go_on;
}

static void *run(void *arg) {
  struct rk_timer *t = arg;
  while (sleep_ms(t, t->tick(t->ud))) {}
  return NULL;
}

struct rk_timer *rk_timer_new(int64_t (*tick)(void *ud), void *ud) {
  struct rk_timer *t = calloc(1, sizeof *t);
  if (!t) return NULL;
  *t = (struct rk_timer){.tick = tick, .ud = ud};
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_mutex_init(&t->lock, NULL);
  pthread_cond_init(&t->changed, &monotonic);
  pthread_condattr_destroy(&monotonic);
  if (pthread_create(&t->thread, NULL, run, t) == 0) return t;
  pthread_cond_destroy(&t->changed);
  pthread_mutex_destroy(&t->lock);
  free(t);
  return NULL;
}

static void tell(struct rk_timer *t, bool *what) {
  pthread_mutex_lock(&t->lock);
  *what = true;
  pthread_cond_signal(&t->changed);
  pthread_mutex_unlock(&t->lock);
}

void rk_timer_poke(struct rk_timer *t) { tell(t, &t->poked); }

void rk_timer_free(struct rk_timer *t) {
  if (!t) return;
  tell(t, &t->stop);
  pthread_join(t->thread, NULL);
  pthread_cond_destroy(&t->changed);
  pthread_mutex_destroy(&t->lock);
  free(t);
}
