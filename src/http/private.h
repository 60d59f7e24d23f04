/* private.h - what the files of http/ share.
 *
 * Locks: conn_mu guards the list of connections, mu the list of streams and
 * the busy count, a stream's own mu its buffer. mu before a stream's mu before
 * libmicrohttpd's own; no lock of ours is held in another order. */
#ifndef RK_HTTP_PRIVATE_H
#define RK_HTTP_PRIVATE_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include <microhttpd.h>

#include "base/arena.h"
#include "http/http.h"
#include "http/url.h"

struct conn {
  struct conn *next, *prev;
  unsigned char ip[16];
  bool v6;
  int fd;
  int64_t since_ms;           /* when it began to wait for a request */
  bool receiving;             /* a request has not arrived completely */
  rk_err refuse;              /* over a limit: each request on it is answered so */
};

struct rk_http {
  struct MHD_Daemon *daemon;
  int listen_fd;
  int32_t port;
  struct rk_http_opts o;
  char *tls_cert, *tls_key;   /* PEM text */
  char **hosts;               /* [n_hosts] allowed Host values */
  int32_t n_hosts;
  char **origins;             /* [n_origins] allowed Origin values */
  int32_t n_origins;
  pthread_t keeper;           /* heartbeats and slow connections */
  pthread_mutex_t conn_mu;
  struct conn *conns;
  int32_t n_conns;
  pthread_mutex_t mu;
  pthread_cond_t changed;
  int32_t n_inside;           /* handlers that run */
  int32_t n_busy;             /* handlers that run, or detached and not answered */
  struct rk_http_stream *streams;
  int32_t n_streams;          /* not yet ended by their owners */
  atomic_bool stopping;
  bool keeper_ends;
  atomic_int n_requests;      /* begun and not completed */
};

struct header { struct header *next; const char *name, *value; };
struct query { struct query *next; rk_str name, value; };

struct rk_http_req {
  struct rk_http *h;
  struct MHD_Connection *c;
  struct conn *conn;
  const struct rk_route *route;
  struct rk_arena *arena;
  const char *method, *path;
  struct rk_url_params params;
  struct query *query;
  struct header *headers;     /* of the answer */
  struct rk_buf body;
  size_t n_received;
  int64_t start_ms;
  struct MHD_Response *response;
  int32_t status;
  bool called, detached;
  atomic_bool answered;       /* a worker sets it while the handler may still look */
  void *user;
  void (*user_free)(void *);
};

void rk_http_answer(struct rk_http_req *r, int32_t status, const char *content_type, struct MHD_Response *response);
void rk_http_streams_beat(struct rk_http *h);   /* heartbeats; notices readers that left */
void rk_http_streams_cut(struct rk_http *h);
bool rk_http_fd_closed(int fd);

#endif
