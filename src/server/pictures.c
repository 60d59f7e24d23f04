#include "server/pictures.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/utf8.h"
#include "server/private.h"

enum { TIMEOUT_MS = 6000, MAX_KEPT = 256 };

struct kept { char id[37]; const char *type; struct rk_buf bytes; };

struct rk_pictures {
  struct rk_store *store;
  struct rk_net *net;
  struct rk_workers *workers;      /* of their own: a slow host of pictures holds up nothing else */
  pthread_mutex_t lock;            /* of what follows */
  struct kept kept[MAX_KEPT];      /* a ring, the oldest at next */
  int32_t next;
  size_t n_bytes;
};

rk_err rk_pictures_new(struct rk_store *store, struct rk_net *net, struct rk_pictures **out, struct rk_error *e) {
  struct rk_pictures *p = calloc(1, sizeof *p);
  if (!p) return rk_fail(e, RK_ENOMEM, "out of memory");
  p->store = store;
  p->net = net;
  pthread_mutex_init(&p->lock, NULL);
  rk_err err = rk_workers_new(&p->workers, e);
  if (err) rk_pictures_free(p);
  else *out = p;
  return err;
}

void rk_pictures_free(struct rk_pictures *p) {
  if (!p) return;
  rk_workers_free(p->workers);
  for (int32_t i = 0; i < MAX_KEPT; i++) rk_buf_release(&p->kept[i].bytes);
  pthread_mutex_destroy(&p->lock);
  free(p);
}

/* ---- kinds ---- */

static const struct { const char *type; size_t at; const char *magic; size_t n; } kinds[] = {
    {"image/png", 0, "\x89PNG\r\n\x1a\n", 8}, {"image/jpeg", 0, "\xff\xd8\xff", 3}, {"image/gif", 0, "GIF8", 4},
    {"image/webp", 8, "WEBP", 4},             {"image/avif", 4, "ftypavif", 8}};

const char *rk_picture_type(rk_str bytes, rk_str declared) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (bytes.n >= kinds[i].at + kinds[i].n && memcmp(bytes.p + kinds[i].at, kinds[i].magic, kinds[i].n) == 0) return kinds[i].type;
  bool says_svg = rk_str_starts(declared, RK_STR("image/svg+xml"));
  return says_svg && rk_utf8_valid(bytes) && rk_str_find(bytes, RK_STR("<svg")) >= 0 ? "image/svg+xml" : NULL;
}

/* ---- what is kept ---- */

/* Copies a picture that is kept into out. */
static const char *find(struct rk_pictures *p, const char *id, struct rk_buf *out) {
  const char *type = NULL;
  pthread_mutex_lock(&p->lock);
  for (int32_t i = 0; i < MAX_KEPT && !type; i++)
    if (strcmp(p->kept[i].id, id) == 0 && rk_buf_addstr(out, rk_buf_str(&p->kept[i].bytes)) == RK_OK) type = p->kept[i].type;
  pthread_mutex_unlock(&p->lock);
  return type;
}

static void drop(struct rk_pictures *p, struct kept *k) {
  p->n_bytes -= k->bytes.n;
  rk_buf_release(&k->bytes);
  *k = (struct kept){.type = NULL};
}

static void keep(struct rk_pictures *p, const char *id, const char *type, rk_str bytes) {
  pthread_mutex_lock(&p->lock);
  struct kept *k = &p->kept[p->next];
  p->next = (p->next + 1) % MAX_KEPT;
  drop(p, k);
  for (int32_t i = 0; i < MAX_KEPT && p->n_bytes + bytes.n > RK_MAX_PICTURE_CACHE_BYTES; i++) drop(p, &p->kept[(p->next + i) % MAX_KEPT]);
  rk_buf_init(&k->bytes, RK_MAX_PICTURE_BYTES);
  if (rk_buf_addstr(&k->bytes, bytes) == RK_OK) {
    memcpy(k->id, id, sizeof k->id);
    k->type = type;
    p->n_bytes += bytes.n;
  }
  pthread_mutex_unlock(&p->lock);
}

/* ---- the answer ---- */

/* A picture stays what it is: its address is an offer's, and the page asks once a day at most. */
static void reply(struct rk_http_req *r, const char *type, rk_str bytes) {
  rk_http_set_header(r, "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'");
  rk_http_set_header(r, "Cache-Control", "private, max-age=86400");
  rk_http_reply(r, 200, type, bytes);
}

static rk_err fetch(struct rk_pictures *p, const json_t *row, struct rk_net_response *answer, const char **type, struct rk_error *e) {
  static const struct rk_header accept = {"Accept", "image/svg+xml,image/avif,image/webp,image/png,image/jpeg,image/gif"};
  const char *origin = rk_json_cstr(row, "merchant_origin", "");
  rk_net_fetch(p->net, &(struct rk_net_request){.method = "GET", .url = rk_json_cstr(row, "url", ""), .headers = &accept, .n_headers = 1, .timeout_ms = TIMEOUT_MS,
                                                .max_bytes = RK_MAX_PICTURE_BYTES, .follow_redirects = true, .only_private = origin}, answer);
  if (answer->err) return rk_fail(e, RK_EUPSTREAM, "the picture of %s cannot be had: %s", origin, answer->error.msg);
  if (answer->status != 200) return rk_fail(e, RK_EUPSTREAM, "the picture of %s cannot be had: HTTP %d", origin, (int)answer->status);
  *type = rk_picture_type(rk_buf_str(&answer->body), rk_net_header(answer, "Content-Type"));
  return *type ? RK_OK : rk_fail(e, RK_EUPSTREAM, "what %s gives as a picture is none", origin);
}

struct asked { const char *user_id; char id[37]; };

static struct asked asked_of(const struct rk_http_req *r) {
  struct asked a = {.user_id = ((const struct rk_session *)rk_http_user(r))->user_id};
  rk_str id = rk_http_param(r, "id");
  if (id.n < sizeof a.id) memcpy(a.id, id.p, id.n);
  return a;
}

/* On a worker. */
static void ask(struct rk_http_req *r, void *ctx) {
  struct rk_pictures *p = ctx;
  struct asked a = asked_of(r);
  struct rk_net_response answer = {0};
  struct rk_error e = {0};
  const char *type = NULL;
  json_t *row = rk_store_picture(p->store, a.user_id, a.id);
  if (fetch(p, row, &answer, &type, &e)) {
    rk_http_reply_error(r, &e);
  } else {
    keep(p, a.id, type, rk_buf_str(&answer.body));
    reply(r, type, rk_buf_str(&answer.body));
  }
  rk_net_response_release(&answer);
  json_decref(row);
}

/* Browsers say what they want an address for: a picture is shown in a page, never opened. */
static bool is_opened(const struct rk_http_req *r) {
  rk_str dest = rk_http_header(r, "Sec-Fetch-Dest");
  return dest.n > 0 && !rk_str_eq_c(dest, "image");
}

void rk_route_picture(struct rk_http_req *r, void *ctx) {
  struct rk_pictures *p = ((struct rk_server *)ctx)->pictures;
  struct asked a = asked_of(r);
  struct rk_error e = {0};
  struct rk_buf bytes;
  rk_buf_init(&bytes, RK_MAX_PICTURE_BYTES);
  json_t *row = rk_store_picture(p->store, a.user_id, a.id);
  const char *type = row ? find(p, a.id, &bytes) : NULL;
  if (!row) rk_fail(&e, RK_ENOTFOUND, "there is no such picture");
  else if (is_opened(r)) rk_fail(&e, RK_EFORBIDDEN, "this is a picture, to be shown in a page only");
  json_decref(row);
  if (e.code) rk_http_reply_error(r, &e);
  else if (type) reply(r, type, rk_buf_str(&bytes));
  else rk_workers_run(p->workers, r, ask, p);
  rk_buf_release(&bytes);
}
