#include "base/fair.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* An item's round is one more than that of the item of its key before it, and
 * at least the round that is being served. The lowest round leaves first, the
 * earliest of equals. */
struct place {
  uint64_t key, round;
  void *item;
};

struct rk_fair {
  pthread_mutex_t lock;
  pthread_cond_t filled;
  struct place *places; /* [n], room for cap, in order of arrival */
  size_t n, cap;
  uint64_t round;
  bool closed;
};

struct rk_fair *rk_fair_new(size_t cap) {
  struct rk_fair *q = calloc(1, sizeof *q);
  struct place *places = calloc(cap, sizeof *places);
  if (!q || !places) {
    free(q);
    free(places);
    return NULL;
  }
  q->places = places;
  q->cap = cap;
  pthread_mutex_init(&q->lock, NULL);
  pthread_cond_init(&q->filled, NULL);
  return q;
}

void rk_fair_free(struct rk_fair *q) {
  if (!q) return;
  pthread_cond_destroy(&q->filled);
  pthread_mutex_destroy(&q->lock);
  free(q->places);
  free(q);
}

static rk_err add(struct rk_fair *q, uint64_t key, void *item) {
  uint64_t round = q->round;
  size_t of_key = 0;
  for (size_t i = 0; i < q->n; i++) {
    if (q->places[i].key != key) continue;
    of_key++;
    if (q->places[i].round >= round) round = q->places[i].round + 1;
  }
  if (q->closed) return RK_EUNAVAIL;
  if (q->n == q->cap || of_key >= q->cap - q->cap / 4) return RK_EBUSY;
  q->places[q->n++] = (struct place){key, round, item};
  return RK_OK;
}

rk_err rk_fair_push(struct rk_fair *q, uint64_t key, void *item) {
  pthread_mutex_lock(&q->lock);
  rk_err err = add(q, key, item);
  if (!err) pthread_cond_signal(&q->filled);
  pthread_mutex_unlock(&q->lock);
  return err;
}

static void *take(struct rk_fair *q, size_t i) {
  void *item = q->places[i].item;
  q->n--;
  memmove(q->places + i, q->places + i + 1, (q->n - i) * sizeof *q->places);
  return item;
}

/* False: the time is up. */
static bool wait_until(struct rk_fair *q, const struct timespec *end) {
  return (end ? pthread_cond_timedwait(&q->filled, &q->lock, end) : pthread_cond_wait(&q->filled, &q->lock)) == 0;
}

void *rk_fair_pop(struct rk_fair *q, int64_t timeout_ms) {
  struct timespec end;
  clock_gettime(CLOCK_REALTIME, &end);
  const int64_t ns = end.tv_nsec + timeout_ms % 1000 * 1000000;
  end.tv_sec += timeout_ms / 1000 + ns / 1000000000, end.tv_nsec = ns % 1000000000;
  bool waits = timeout_ms != 0;
  pthread_mutex_lock(&q->lock);
  while (waits && q->n == 0 && !q->closed) waits = wait_until(q, timeout_ms < 0 ? NULL : &end);
  void *item = NULL;
  if (q->n > 0) {
    size_t best = 0;
    for (size_t i = 1; i < q->n; i++)
      if (q->places[i].round < q->places[best].round) best = i;
    q->round = q->places[best].round;
    item = take(q, best);
  }
  pthread_mutex_unlock(&q->lock);
  return item;
}

bool rk_fair_remove(struct rk_fair *q, const void *item) {
  pthread_mutex_lock(&q->lock);
  size_t i = 0;
  while (i < q->n && q->places[i].item != item) i++;
  bool found = i < q->n;
  if (found) take(q, i);
  pthread_mutex_unlock(&q->lock);
  return found;
}

void rk_fair_close(struct rk_fair *q) {
  pthread_mutex_lock(&q->lock);
  q->closed = true;
  pthread_cond_broadcast(&q->filled);
  pthread_mutex_unlock(&q->lock);
}

size_t rk_fair_len(struct rk_fair *q) {
  pthread_mutex_lock(&q->lock);
  size_t n = q->n;
  pthread_mutex_unlock(&q->lock);
  return n;
}
