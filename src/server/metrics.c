#include "server/metrics.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_STATUSES = 16 };

/* Of one route; the last element of the array is for requests that matched none. */
struct per_route {
  int32_t status[MAX_STATUSES];
  int64_t n[MAX_STATUSES];
  int64_t total, sum_ms;
};

struct rk_metrics {
  const struct rk_route *routes;
  int32_t n_routes;
  atomic_llong counts[RK_N_COUNTS];
  pthread_mutex_t mu;
  struct per_route per[];
};

struct rk_metrics *rk_metrics_new(const struct rk_route *routes, int32_t n_routes) {
  struct rk_metrics *m = calloc(1, sizeof *m + ((size_t)n_routes + 1) * sizeof m->per[0]);
  if (!m) return NULL;
  m->routes = routes;
  m->n_routes = n_routes;
  pthread_mutex_init(&m->mu, NULL);
  return m;
}

void rk_metrics_free(struct rk_metrics *m) {
  if (!m) return;
  pthread_mutex_destroy(&m->mu);
  free(m);
}

void rk_metrics_count(struct rk_metrics *m, enum rk_count what) { atomic_fetch_add(&m->counts[what], 1); }

void rk_metrics_request(struct rk_metrics *m, const struct rk_route *route, int32_t status, int64_t ms) {
  struct per_route *p = &m->per[route ? route - m->routes : m->n_routes];
  pthread_mutex_lock(&m->mu);
  int i = 0;
  while (i < MAX_STATUSES - 1 && p->n[i] && p->status[i] != status) i++;
  if (!p->n[i]) p->status[i] = status;
  p->n[i]++;
  p->total++;
  p->sum_ms += ms;
  pthread_mutex_unlock(&m->mu);
}

void rk_metrics_line(struct rk_buf *out, const char *name, const char *type, const char *help, double value) {
  rk_buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.17g\n", name, help, name, type, name, value);
}

static void head(struct rk_buf *out, const char *name, const char *type, const char *help) {
  rk_buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void rk_metrics_write(struct rk_metrics *m, struct rk_buf *out) {
  static const struct rk_route none = {"", "none", NULL};
  rk_metrics_line(out, "rukou_turns_total", "counter", "Turns taken in.", (double)atomic_load(&m->counts[RK_COUNT_TURNS]));
  rk_metrics_line(out, "rukou_decisions_total", "counter", "Approvals decided.", (double)atomic_load(&m->counts[RK_COUNT_DECISIONS]));
  pthread_mutex_lock(&m->mu);
  head(out, "rukou_http_requests_total", "counter", "Requests answered.");
  for (int32_t i = 0; i <= m->n_routes; i++)
    for (int k = 0; k < MAX_STATUSES && m->per[i].n[k]; k++) {
      const struct rk_route *r = i < m->n_routes ? &m->routes[i] : &none;
      rk_buf_addf(out, "rukou_http_requests_total{method=\"%s\",route=\"%s\",status=\"%d\"} %lld\n", r->method, r->path, m->per[i].status[k],
                  (long long)m->per[i].n[k]);
    }
  head(out, "rukou_http_request_seconds", "summary", "Time from a request's headers to the end of its answer.");
  for (int32_t i = 0; i <= m->n_routes; i++) {
    if (!m->per[i].total) continue;
    const struct rk_route *r = i < m->n_routes ? &m->routes[i] : &none;
    rk_buf_addf(out, "rukou_http_request_seconds_sum{method=\"%s\",route=\"%s\"} %.3f\n", r->method, r->path, (double)m->per[i].sum_ms / 1000);
    rk_buf_addf(out, "rukou_http_request_seconds_count{method=\"%s\",route=\"%s\"} %lld\n", r->method, r->path, (long long)m->per[i].total);
  }
  pthread_mutex_unlock(&m->mu);
}
