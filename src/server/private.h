/* private.h - what the files of server/ share. */
#ifndef RK_SERVER_PRIVATE_H
#define RK_SERVER_PRIVATE_H

#include <pthread.h>

#include "http/http.h"
#include "server/events.h"
#include "server/metrics.h"
#include "server/pictures.h"
#include "server/v1.h"
#include "server/server.h"
#include "server/workers.h"
#include "trade/webhook.h"

enum { RK_SERVER_MAX_LINKS = 16, RK_SERVER_MAX_KEYS_SEEN = 1024, RK_SERVER_NAME_BYTES = 300, RK_SERVER_PATH_BYTES = 4096 };

/* Who may use a route. */
enum rk_access {
  RK_OPEN,       /* anybody who reaches us */
  RK_LOCAL,      /* anybody on a loopback address; elsewhere as RK_KEY */
  RK_KEY,        /* a session, or a key with the scope "chat" */
  RK_SESSION     /* a page or terminal session; a key only with the scope "approve" */
};

/* The gate's finding, at rk_http_user(). NULL on open routes without credentials. */
struct rk_session {
  char id[40], user_id[40], kind[16], scopes[128], csrf[80], token_sha256[65];
};

struct rk_server {
  struct rk_server_opts o;
  struct rk_http *http;
  struct rk_events *events;
  struct rk_v1 *v1;
  struct rk_workers *workers;
  struct rk_pictures *pictures;
  struct rk_webhooks *webhooks;
  struct rk_metrics *metrics;
  bool everybody;                       /* /v1 and /metrics need no key */
  bool secure;                          /* browsers reach us by https */
  char origin[RK_SERVER_NAME_BYTES];    /* where a browser finds us */
  char cookie[80];                      /* the cookie's name */
  char terminal_token[65];
  pthread_mutex_t mu;
  char links[RK_SERVER_MAX_LINKS][65];  /* SHA-256 of one-time tokens that are not used yet */
  int32_t next_link;
  /* Idempotency keys of decisions: what each was used for. */
  struct { char key[65], request[65]; } seen[RK_SERVER_MAX_KEYS_SEEN];
  int32_t next_seen;
  int64_t start_ms;
};

/* ---- auth.c ---- */
rk_err rk_auth_start(struct rk_server *s, struct rk_error *e) RK_MUST_USE;    /* DATA/terminal.token */
void rk_auth_stop(struct rk_server *s);
rk_err rk_auth_link(struct rk_server *s, char *url, size_t size, struct rk_error *e) RK_MUST_USE;
/* False: answered. */
bool rk_auth_gate(struct rk_server *s, struct rk_http_req *r, enum rk_access access);
/* A one-time token: makes the page session and answers with its cookie. False: unknown token, nothing answered. */
bool rk_auth_sign_in(struct rk_server *s, struct rk_http_req *r, rk_str token);
/* Writes DATA/name with mode 0600, replacing it whole. */
rk_err rk_server_write_file(const struct rk_server *s, const char *name, rk_str text, struct rk_error *e) RK_MUST_USE;

/* ---- routes (auth.c, api.c, pictures.c, ucp.c, page.c); ctx is the server ---- */
void rk_route_terminal(struct rk_http_req *r, void *ctx);
void rk_route_link(struct rk_http_req *r, void *ctx);
void rk_route_session(struct rk_http_req *r, void *ctx);
void rk_route_sign_out(struct rk_http_req *r, void *ctx);
void rk_route_key_new(struct rk_http_req *r, void *ctx);
void rk_route_key_end(struct rk_http_req *r, void *ctx);
void rk_route_turn_new(struct rk_http_req *r, void *ctx);
void rk_route_turn_cancel(struct rk_http_req *r, void *ctx);
void rk_route_events(struct rk_http_req *r, void *ctx);
void rk_route_approval(struct rk_http_req *r, void *ctx);
void rk_route_variants(struct rk_http_req *r, void *ctx);
void rk_route_approval_change(struct rk_http_req *r, void *ctx);
void rk_route_decide(struct rk_http_req *r, void *ctx);
void rk_route_chats(struct rk_http_req *r, void *ctx);
void rk_route_chat(struct rk_http_req *r, void *ctx);
void rk_route_chat_delete(struct rk_http_req *r, void *ctx);
void rk_route_orders(struct rk_http_req *r, void *ctx);
void rk_route_order(struct rk_http_req *r, void *ctx);
void rk_route_hand_overs(struct rk_http_req *r, void *ctx);
void rk_route_hand_over(struct rk_http_req *r, void *ctx);
void rk_route_receipt(struct rk_http_req *r, void *ctx);
void rk_route_spending(struct rk_http_req *r, void *ctx);
void rk_route_plan(struct rk_http_req *r, void *ctx);
void rk_route_plan_new(struct rk_http_req *r, void *ctx);
void rk_route_plan_change(struct rk_http_req *r, void *ctx);
void rk_route_plan_decide(struct rk_http_req *r, void *ctx);
void rk_route_permissions(struct rk_http_req *r, void *ctx);
void rk_route_permit(struct rk_http_req *r, void *ctx);
void rk_route_revoke(struct rk_http_req *r, void *ctx);
void rk_route_give_back(struct rk_http_req *r, void *ctx);
void rk_route_picture(struct rk_http_req *r, void *ctx); /* 404: there is none; 502: it cannot be had */
void rk_route_ledger(struct rk_http_req *r, void *ctx);
void rk_route_audit(struct rk_http_req *r, void *ctx);
void rk_route_profile(struct rk_http_req *r, void *ctx);
void rk_route_profile_set(struct rk_http_req *r, void *ctx);
void rk_route_shops(struct rk_http_req *r, void *ctx);
void rk_route_ucp_profile(struct rk_http_req *r, void *ctx);
void rk_route_ucp_oldest_profile(struct rk_http_req *r, void *ctx);
void rk_route_order_event(struct rk_http_req *r, void *ctx);
void rk_route_page(struct rk_http_req *r, void *ctx);

#endif
