/* webhook.c - what the shop signs: its answers, and the messages about orders.
 *
 * A message carries the whole order as it is after a change. It waits in the
 * outbox of the database, so a restart loses none, and is sent again with
 * growing pauses until the agent takes it (2xx) or MAX_ATTEMPTS have failed.
 * Its Idempotency-Key is its id: a repeat is known as one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "net/net.h"
#include "shop/private.h"

enum { IDLE_MS = 1000, FIRST_PAUSE_MS = 1000, LONGEST_PAUSE_MS = 3600000, MAX_ATTEMPTS = 40, SIG_BYTES = 4096, MESSAGE_TIMEOUT_MS = 10000,
       N_FIELDS = 6 };

struct fields { struct rk_header list[N_FIELDS + 2]; int32_t n; };

static bool find(void *ud, const char *name, rk_str *value) {
  const struct fields *f = ud;
  for (int32_t i = 0; i < f->n; i++)
    if (strcasecmp(f->list[i].name, name) == 0) {
      *value = rk_str_c(f->list[i].value);
      return true;
    }
  return false;
}

/* Appends Signature-Input and Signature, whose texts lie in the buffers. */
static rk_err sign(const struct rk_shop *s, struct rk_http_message *m, struct fields *f, struct rk_buf *input, struct rk_buf *signature, struct rk_error *e) {
  m->field = find;
  m->ud = f;
  rk_err err = rk_sig_sign(m, &(struct rk_sig_params){.created_s = rk_now_ms() / 1000}, s->key, input, signature, e);
  if (err) return err;
  f->list[f->n++] = (struct rk_header){"Signature-Input", input->p};
  f->list[f->n++] = (struct rk_header){"Signature", signature->p};
  return RK_OK;
}

void shop_sign_answer(const struct rk_shop *s, rk_str body, struct rk_shop_answer *out) {
  char digest[RK_CONTENT_DIGEST_BYTES];
  struct rk_buf input, signature;
  struct rk_error e;
  rk_content_digest(body, digest);
  struct fields f = {.list = {{"Content-Digest", digest}, {"Content-Type", "application/json"}}, .n = 2};
  struct rk_http_message m = {.status = out->status, .body = body};
  rk_buf_init(&input, SIG_BYTES);
  rk_buf_init(&signature, SIG_BYTES);
  if (sign(s, &m, &f, &input, &signature, &e) == RK_OK) {
    rk_shop_answer_header(out, "Content-Digest", digest);
    rk_shop_answer_header(out, "Signature-Input", input.p);
    rk_shop_answer_header(out, "Signature", signature.p);
  }
  rk_buf_release(&signature);
  rk_buf_release(&input);
}

/* ---- the outbox ---- */

/* Sends one message once. Returns whether it was taken. */
static bool post(struct rk_shop *s, struct rk_net *net, const json_t *row) {
  const char *url = rk_json_cstr(row, "url", ""), *id = rk_json_cstr(row, "id", "");
  char digest[RK_CONTENT_DIGEST_BYTES], agent[300], made[24], authority[300];
  struct rk_buf input, signature;
  struct rk_error e;
  rk_str body = rk_json_str(row, "body");
  rk_content_digest(body, digest);
  snprintf(agent, sizeof agent, "profile=\"%s/.well-known/ucp\"", s->origin);
  snprintf(made, sizeof made, "%lld", (long long)(rk_now_ms() / 1000));
  struct fields f = {.list = {{"Content-Type", "application/json"}, {"Content-Digest", digest}, {"UCP-Agent", agent}, {"Idempotency-Key", id},
                              {"Webhook-Id", id}, {"Webhook-Timestamp", made}}, .n = N_FIELDS};
  struct rk_http_message m = {.method = "POST", .body = body};
  rk_buf_init(&input, SIG_BYTES);
  rk_buf_init(&signature, SIG_BYTES);
  bool taken = false;
  if (rk_http_message_url(&m, url, authority, sizeof authority) == RK_OK && sign(s, &m, &f, &input, &signature, &e) == RK_OK) {
    struct rk_net_response r = {0};
    rk_net_fetch(net, &(struct rk_net_request){.method = "POST", .url = url, .headers = f.list, .n_headers = f.n, .body = body,
                                               .timeout_ms = MESSAGE_TIMEOUT_MS}, &r);
    taken = !r.err && r.status >= 200 && r.status < 300;
    rk_net_response_release(&r);
  }
  rk_buf_release(&signature);
  rk_buf_release(&input);
  return taken;
}

static int64_t pause_after(int64_t attempts) {
  int64_t ms = FIRST_PAUSE_MS;
  while (attempts-- > 0 && ms < LONGEST_PAUSE_MS) ms *= 2;
  return ms < LONGEST_PAUSE_MS ? ms : LONGEST_PAUSE_MS;
}

int64_t rk_shop_deliver(struct rk_shop *s, struct rk_net *net) {
  struct rk_error e;
  json_t *row = rk_shop_store_next_message(s->db, rk_now_ms());
  if (!row) return IDLE_MS;
  int64_t attempts = rk_json_i64(row, "attempts", 0);
  bool over = post(s, net, row) || attempts + 1 >= MAX_ATTEMPTS;
  rk_err err = rk_shop_store_message_sent(s->db, rk_json_cstr(row, "id", ""), over ? 0 : rk_now_ms() + pause_after(attempts), &e);
  json_decref(row);
  return err ? IDLE_MS : 0;
}
