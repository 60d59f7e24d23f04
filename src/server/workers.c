#include "server/workers.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/queue.h"

enum { N_WORKERS = 2, QUEUE_LEN = 64 };

struct rk_workers {
  struct rk_queue *jobs;
  pthread_t threads[N_WORKERS];
  int n;
};

struct job { struct rk_http_req *r; void (*fn)(struct rk_http_req *r, void *ctx); void *ctx; };

static void *work(void *ud) {
  struct rk_workers *w = ud;
  for (struct job *j; (j = rk_queue_pop(w->jobs, -1)); free(j)) j->fn(j->r, j->ctx);
  return NULL;
}

rk_err rk_workers_new(struct rk_workers **out, struct rk_error *e) {
  struct rk_workers *w = calloc(1, sizeof *w);
  if (!w || !(w->jobs = rk_queue_new(QUEUE_LEN))) {
    free(w);
    return rk_fail(e, RK_ENOMEM, "out of memory");
  }
  while (w->n < N_WORKERS && pthread_create(&w->threads[w->n], NULL, work, w) == 0) w->n++;
  *out = w;
  if (w->n == N_WORKERS) return RK_OK;
  rk_workers_free(w);
  return rk_fail(e, RK_ENOMEM, "a thread could not be started");
}

void rk_workers_free(struct rk_workers *w) {
  if (!w) return;
  rk_queue_close(w->jobs);
  for (int i = 0; i < w->n; i++) pthread_join(w->threads[i], NULL);
  rk_queue_free(w->jobs);
  free(w);
}

void rk_workers_run(struct rk_workers *w, struct rk_http_req *r, void (*fn)(struct rk_http_req *r, void *ctx), void *ctx) {
  struct job *j = malloc(sizeof *j);
  RK_ASSERT(j != NULL);
  *j = (struct job){r, fn, ctx};
  rk_http_detach(r);
  if (rk_queue_push(w->jobs, j) == RK_OK) return;
  free(j);
  rk_http_reply_error(r, &(struct rk_error){RK_EBUSY, "too many requests are waiting for a shop, try again"});
}
