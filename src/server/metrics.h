/* metrics.h - what the server counts, as Prometheus text (version 0.0.4).
 * Thread rule: any thread. */
#ifndef RK_SERVER_METRICS_H
#define RK_SERVER_METRICS_H

#include "http/http.h"

struct rk_metrics;

enum rk_count { RK_COUNT_TURNS, RK_COUNT_DECISIONS, RK_N_COUNTS };

struct rk_metrics *rk_metrics_new(const struct rk_route *routes, int32_t n_routes); /* NULL: out of memory */
void rk_metrics_free(struct rk_metrics *m);
void rk_metrics_count(struct rk_metrics *m, enum rk_count what);
void rk_metrics_request(struct rk_metrics *m, const struct rk_route *route, int32_t status, int64_t ms); /* route NULL: none matched */

/* One line "NAME VALUE" with its HELP and TYPE ("counter" | "gauge"). */
void rk_metrics_line(struct rk_buf *out, const char *name, const char *type, const char *help, double value);
void rk_metrics_write(struct rk_metrics *m, struct rk_buf *out);

#endif
