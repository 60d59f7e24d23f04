#include "base/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

struct rk_queue {
  pthread_mutex_t lock;
  pthread_cond_t filled;
  size_t cap, head, len;
  bool closed;
  void *items[];
};

struct rk_queue *rk_queue_new(size_t cap) {
  struct rk_queue *q = calloc(1, sizeof *q + cap * sizeof q->items[0]);
  if (!q) return NULL;
  q->cap = cap;
  pthread_mutex_init(&q->lock, NULL);
  pthread_condattr_t attr;
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(&q->filled, &attr);
  pthread_condattr_destroy(&attr);
  return q;
}

void rk_queue_free(struct rk_queue *q) {
  if (!q) return;
  pthread_cond_destroy(&q->filled);
  pthread_mutex_destroy(&q->lock);
  free(q);
}

rk_err rk_queue_push(struct rk_queue *q, void *item) {
  pthread_mutex_lock(&q->lock);
  rk_err err = q->closed ? RK_EUNAVAIL : q->len == q->cap ? RK_EBUSY : RK_OK;
  if (!err) {
    q->items[(q->head + q->len++) % q->cap] = item;
    pthread_cond_signal(&q->filled);
  }
  pthread_mutex_unlock(&q->lock);
  return err;
}

void *rk_queue_pop(struct rk_queue *q, int64_t timeout_ms) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  if (timeout_ms > 0) {
    int64_t ns = until.tv_nsec + timeout_ms % 1000 * 1000000;
    until.tv_sec += timeout_ms / 1000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
  }
  pthread_mutex_lock(&q->lock);
  int rc = 0;
  while (q->len == 0 && !q->closed && rc != ETIMEDOUT)
    rc = timeout_ms < 0 ? pthread_cond_wait(&q->filled, &q->lock) : pthread_cond_timedwait(&q->filled, &q->lock, &until);
  void *item = NULL;
  if (q->len > 0) {
    item = q->items[q->head];
    q->head = (q->head + 1) % q->cap;
    q->len--;
  }
  pthread_mutex_unlock(&q->lock);
  return item;
}

void rk_queue_close(struct rk_queue *q) {
  pthread_mutex_lock(&q->lock);
  q->closed = true;
  pthread_cond_broadcast(&q->filled);
  pthread_mutex_unlock(&q->lock);
}

size_t rk_queue_len(struct rk_queue *q) {
  pthread_mutex_lock(&q->lock);
  size_t n = q->len;
  pthread_mutex_unlock(&q->lock);
  return n;
}
