#include "trade/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/limits.h"
#include "trade/ucp.h"

enum { SIGNATURE_INPUT_BYTES = 1024, SIGNATURE_BYTES = 256 };

void rk_exchange_init(struct rk_exchange *x, const char *op, const char *method, const char *version) {
  *x = (struct rk_exchange){.op = op, .method = method, .version = version};
  rk_buf_init(&x->signature_input, SIGNATURE_INPUT_BYTES);
  rk_buf_init(&x->signature, SIGNATURE_BYTES);
}

void rk_exchange_release(struct rk_exchange *x) {
  rk_net_response_release(&x->answer);
  rk_buf_release(&x->signature_input);
  rk_buf_release(&x->signature);
}

/* ---- the request ---- */

static void add_header(struct rk_exchange *x, const char *name, const char *value) {
  RK_ASSERT(x->n_headers < RK_EXCHANGE_HEADERS);
  x->headers[x->n_headers++] = (struct rk_header){name, value};
}

static void add_headers(const struct rk_platform *p, struct rk_exchange *x) {
  char url[700];
  bool writes = strcmp(x->method, "GET") != 0;
  rk_uuid7(x->request_id);
  rk_uuid7(x->key);
  rk_ucp_profile_url(p->profile_url, x->version, url, sizeof url);
  snprintf(x->agent, sizeof x->agent, "profile=\"%s\"", url);
  add_header(x, "UCP-Agent", x->agent);
  add_header(x, "Request-Id", x->request_id);
  add_header(x, "Accept", "application/json");
  if (writes) add_header(x, "Idempotency-Key", x->idempotency_key ? x->idempotency_key : x->key);
  if (x->bearer) {
    snprintf(x->authorization, sizeof x->authorization, "Bearer %s", x->bearer);
    add_header(x, "Authorization", x->authorization);
  }
  if (!x->body.p) return;
  rk_content_digest(x->body, x->digest);
  add_header(x, "Content-Type", x->content_type ? x->content_type : "application/json");
  add_header(x, "Content-Digest", x->digest);
}

static bool request_field(void *ud, const char *name, rk_str *value) {
  const struct rk_exchange *x = ud;
  for (int32_t i = 0; i < x->n_headers; i++)
    if (strcasecmp(x->headers[i].name, name) == 0) {
      *value = rk_str_c(x->headers[i].value);
      return true;
    }
  return false;
}

static void sign(const struct rk_platform *p, struct rk_exchange *x) {
  char authority[300];
  struct rk_http_message m = {.method = x->method, .body = x->body, .field = request_field, .ud = x};
  struct rk_sig_params params = {0}; /* no time: the key of the request is what keeps it from being used twice (UCP, Replay Protection) */
  struct rk_error e;
  if (rk_http_message_url(&m, x->url, authority, sizeof authority)) return; /* no URL: the request will not go out */
  RK_ASSERT(rk_sig_sign(&m, &params, p->key, &x->signature_input, &x->signature, &e) == RK_OK);
  add_header(x, "Signature-Input", x->signature_input.p);
  add_header(x, "Signature", x->signature.p);
}

void rk_exchange_send(const struct rk_platform *p, struct rk_exchange *const *xs, int32_t n) {
  struct rk_net_request *reqs = calloc((size_t)n + 1, sizeof *reqs);
  struct rk_net_response *answers = calloc((size_t)n + 1, sizeof *answers);
  RK_ASSERT(reqs && answers);
  for (int32_t i = 0; i < n; i++) {
    struct rk_exchange *x = xs[i];
    add_headers(p, x);
    if (p->key) sign(p, x);
    reqs[i] = (struct rk_net_request){.method = x->method, .url = x->url, .headers = x->headers, .n_headers = x->n_headers,
                                      .body = x->body, .max_bytes = x->max_bytes};
  }
  if (n) rk_net_fetch_all(p->net, reqs, answers, n);
  for (int32_t i = 0; i < n; i++) xs[i]->answer = answers[i];
  free(answers);
  free(reqs);
}

/* ---- the answer ---- */

static bool answer_field(void *ud, const char *name, rk_str *value) {
  const struct rk_exchange *x = ud;
  *value = rk_net_header(&x->answer, name);
  return value->n > 0;
}

static rk_err check(struct rk_exchange *x, const struct rk_jwks *keys, bool must, struct rk_error *e) {
  struct rk_sig_policy policy = {.now_s = rk_now_ms() / 1000};
  struct rk_http_message m = {.status = x->answer.status, .body = rk_buf_str(&x->answer.body), .field = answer_field, .ud = x};
  struct rk_sig_info info;
  rk_str digest = rk_net_header(&x->answer, "Content-Digest");
  x->is_signed = rk_net_header(&x->answer, "Signature-Input").n > 0;
  if (digest.n && rk_content_digest_check(digest, m.body, e) == RK_ECONFLICT) {
    x->fault = RK_SIG_DIGEST;
    return RK_EAUTH;
  }
  if (!x->is_signed && !must) return RK_OK;
  x->fault = rk_sig_verify(&m, keys, &policy, &info, e);
  return x->fault ? RK_EAUTH : RK_OK;
}

rk_err rk_exchange_check(const struct rk_platform *p, struct rk_exchange *x, const struct rk_jwks *keys, bool must, struct rk_error *e) {
  struct rk_error why = {RK_OK, ""};
  rk_err err = x->answer.err || !keys ? RK_OK : check(x, keys, must, &why);
  if (p->on_exchange) p->on_exchange(p->ud, x);
  return err ? rk_fail(e, RK_EAUTH, "%s: %s", rk_sig_code(x->fault), why.msg) : RK_OK;
}
