/* http.h - incoming HTTP over libmicrohttpd: listener, route table, limits,
 * Host and Origin check, event streams. It has no route of its own.
 *
 * Threads: libmicrohttpd's pool calls the handlers; a handler that must wait
 * for work hands the request to a worker with rk_http_detach() and answers
 * later from there. One bad request never ends another.
 *
 * Checks before any handler: the Host must be one of ours (DNS rebinding), an
 * Origin, when there is one, must be ours or allowed, and a browser's request
 * from another site is refused unless it is a navigation. JSON bodies need
 * Content-Type: application/json.
 *
 * Limits: RK_MAX_HTTP_*; over them 413, 431, 429 or 503 with Retry-After.
 * rk_http_start() ignores SIGPIPE for the process. */
#ifndef RK_HTTP_HTTP_H
#define RK_HTTP_HTTP_H

#include "json/json.h"

struct rk_http;
struct rk_http_req;

struct rk_route {
  const char *method;   /* "GET", "POST", ...; a path with other methods answers 405 */
  const char *path;     /* "/api/turns/:id/cancel": ":x" matches one segment; a final "*" matches the rest */
  void (*fn)(struct rk_http_req *r, void *ctx);
};

struct rk_http_opts {
  const char *address;               /* "127.0.0.1" */
  int32_t port;                      /* 0: any free port */
  const struct rk_route *routes;     /* [n_routes], lives as long as the server */
  int32_t n_routes;
  void *ctx;                         /* handed to handlers */
  const char *const *hosts;          /* allowed Host values besides address:port and localhost:port; [n_hosts] */
  int32_t n_hosts;
  const char *const *origins;        /* Origin values allowed besides the server's own; [n_origins] */
  int32_t n_origins;
  const char *tls_cert, *tls_key;    /* PEM paths or NULL */
  bool tls13_only;                   /* else 1.2 too */
  int32_t n_threads;                 /* 0: 2 */
  /* Called for every request after the Host/Origin check, before its handler.
   * Return false after answering to refuse. NULL: none. */
  bool (*gate)(struct rk_http_req *r, const struct rk_route *route, void *ctx);
  /* Called when a request is over, on libmicrohttpd's thread; route may be NULL. NULL: none. */
  void (*on_done)(const struct rk_route *route, int32_t status, int64_t ms, void *ctx);
  int32_t idle_timeout_s;            /* 0: RK_HTTP_IDLE_TIMEOUT_S */
  int32_t receive_timeout_s;         /* a whole request must arrive within it; 0: RK_HTTP_RECEIVE_TIMEOUT_S */
};

rk_err rk_http_start(const struct rk_http_opts *o, struct rk_http **out, struct rk_error *e) RK_MUST_USE; /* RK_ECONFLICT: port taken */
int32_t rk_http_port(const struct rk_http *h);
/* No new connections and requests (503); waits until no handler runs, and up to timeout_ms for detached requests and
 * event streams (their owners end them). */
void rk_http_drain(struct rk_http *h, int64_t timeout_ms);
/* Ends and frees the server. Streams are cut; waits until every detached request
 * is answered and every stream ended by its owner: tell the owners first. */
void rk_http_stop(struct rk_http *h);

/* ---- a request; slices live until it is answered ---- */
rk_str rk_http_method(const struct rk_http_req *r);
rk_str rk_http_path(const struct rk_http_req *r);
rk_str rk_http_param(const struct rk_http_req *r, const char *name);  /* ":id" of the route, "*" the rest; decoded */
rk_str rk_http_query(const struct rk_http_req *r, const char *name);  /* decoded; empty when absent */
rk_str rk_http_header(const struct rk_http_req *r, const char *name);
rk_str rk_http_cookie(const struct rk_http_req *r, const char *name);
rk_str rk_http_body(const struct rk_http_req *r);                     /* raw bytes */
void rk_http_peer(const struct rk_http_req *r, char out[64]);         /* the client's IP address as text */
json_t *rk_http_json(struct rk_http_req *r, struct rk_error *e);      /* parsed body, new reference; NULL with e */
void rk_http_user_set(struct rk_http_req *r, void *user, void (*free_fn)(void *)); /* the gate's finding */
void *rk_http_user(const struct rk_http_req *r);

/* ---- answers: exactly one per request; any thread after detach ---- */
/* The handler returns without an answer; one must come later. Call it before the request is handed over. */
void rk_http_detach(struct rk_http_req *r);
bool rk_http_gone(const struct rk_http_req *r); /* the client has left; asks the socket, for detached requests */
void rk_http_set_header(struct rk_http_req *r, const char *name, const char *value); /* before the answer */
void rk_http_reply(struct rk_http_req *r, int32_t status, const char *content_type, rk_str body); /* copies body */
void rk_http_reply_static(struct rk_http_req *r, int32_t status, const char *content_type, rk_str body); /* body outlives the server */
void rk_http_reply_json(struct rk_http_req *r, int32_t status, json_t *v);                 /* takes v */
void rk_http_reply_error(struct rk_http_req *r, const struct rk_error *e); /* {"error":{"code","message","type"}} */

/* ---- event stream: text/event-stream; any thread; bounded buffer ----
 * A comment goes out after RK_SSE_HEARTBEAT_MS of silence; it is how a reader
 * that has left is noticed. Write whole events. */
struct rk_http_stream;
struct rk_http_stream *rk_http_stream_start(struct rk_http_req *r); /* NULL: too many (answered 503) */
/* Queues bytes. RK_EGONE: the reader has left; RK_EBUSY: it is too slow and was cut off. */
rk_err rk_http_stream_write(struct rk_http_stream *s, rk_str bytes) RK_MUST_USE;
size_t rk_http_stream_pending(struct rk_http_stream *s); /* bytes queued and not yet taken by the connection */
bool rk_http_stream_alive(const struct rk_http_stream *s);
void rk_http_stream_end(struct rk_http_stream *s); /* always call once; s is gone after it */

#endif
