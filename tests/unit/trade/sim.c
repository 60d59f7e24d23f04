/* A million orders in a simulated world: the shipped trade, store, client and
 * protocol code with real SQLite, on a clock that the test moves, a disk in
 * memory whose power is cut, a network that drops, delays, doubles, reorders
 * and damages, and a merchant that restarts, declines and changes its mind.
 *
 * Orders come in batches; a batch begins with an empty disk and a seed, and
 * everything in it follows from that seed. At its end the network heals, the
 * buyer reconciles, late copies arrive, and the books of both sides must agree:
 * no checkout is charged twice, no charge is without its order, no order is
 * lost, nothing is open.
 *
 * SIM_ORDERS=N SIM_SEED=S SIM_JOBS=J; a failure prints the line that replays it.
 * ES256 is real in every twentieth batch and a counted stub in the others
 * (linked with --wrap, see the Makefile). */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "mem_vfs.h"
#include "net/net.h"
#include "trade/internal.h"
#include "trade/payment_token.h"
#include "trade/ucp.h"

#define ORIGIN "http://127.0.0.2:7999"
#if defined(__SANITIZE_ADDRESS__)
#define ORDERS_IN_CHECK 1000
#else
#define ORDERS_IN_CHECK 20000
#endif

enum {
  BATCH = 200, REAL_ONE_IN = 20, QUEUE = 32, BODY = 16384, KEYS = 4,
  TIMEOUT_MS = 10000, TTL_MS = 1800000, LATE_MS = 1500000
};
static const int64_t START_MS = 1795485600000;

/* ---- totals of all workers ---- */

static struct totals {
  atomic_int next_batch, failed;
  atomic_llong orders, placed, declined, crashes, restarts, steps[RK_TRADE_STEPS + 1], cut_disk, cut_net, lost, late, doubled, damaged, stale,
      merchant_restarts, parallel, real_es256, stub_es256, unknown, refunds, clock_back, edits;
} *sum;

static void count(atomic_llong *n) { atomic_fetch_add(n, 1); }

/* ---- chance ---- */

static uint64_t seed, batch_seed;
static uint64_t dice(uint64_t n) {
  seed += 0x9e3779b97f4a7c15ULL; /* splitmix64 */
  uint64_t z = seed;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
  return (z ^ z >> 31) % n;
}
static bool chance(unsigned percent) { return dice(100) < percent; }
static bool coin(void) { return dice(2); }

static int order_no;
#define MUST(cond) ((cond) ? (void)0 : broken(#cond, __LINE__))
static void broken(const char *what, int line) {
  fprintf(stderr, "sim.c:%d: order %d: not so: %s\n  replay: SIM_SEED=%llu SIM_ORDERS=%d SIM_JOBS=1 build/release/test/trade/sim\n", line, order_no, what,
          (unsigned long long)batch_seed, BATCH);
  _exit(3);
}
static void fell(int sig) { broken(strsignal(sig), __LINE__); }

/* ---- ES256: real or counted ---- */

static bool real_keys;
rk_err __real_rk_sign_es256(const struct rk_key *k, rk_str data, unsigned char sig[64], struct rk_error *e);
bool __real_rk_verify_es256(const struct rk_key *k, rk_str data, const unsigned char sig[64]);
rk_err __wrap_rk_sign_es256(const struct rk_key *k, rk_str data, unsigned char sig[64], struct rk_error *e);
bool __wrap_rk_verify_es256(const struct rk_key *k, rk_str data, const unsigned char sig[64]);

rk_err __wrap_rk_sign_es256(const struct rk_key *k, rk_str data, unsigned char sig[64], struct rk_error *e) {
  if (real_keys) {
    count(&sum->real_es256);
    return __real_rk_sign_es256(k, data, sig, e);
  }
  count(&sum->stub_es256);
  rk_sha256(data, sig);
  rk_sha256(data, sig + 32);
  return RK_OK;
}

bool __wrap_rk_verify_es256(const struct rk_key *k, rk_str data, const unsigned char sig[64]) {
  unsigned char want[32];
  if (real_keys) return __real_rk_verify_es256(k, data, sig);
  rk_sha256(data, want);
  return memcmp(sig, want, 32) == 0 && memcmp(sig + 32, want, 32) == 0;
}

/* ---- the merchant: durable, on its own clock ---- */

struct answer { char key[40]; bool refused; };
struct session {
  enum rk_checkout_status status;
  bool gone;                        /* forgotten in a restart */
  int32_t quantity, n_charges, n_answers;
  int64_t unit_minor, charged_minor, refunded_minor, ready_ms, expires_ms;
  bool coupon;
  char jti[40], charged_key[40];
  struct answer answers[KEYS];
};
static struct {
  struct session s[4 * BATCH];
  int n;
  int64_t down_until_ms;
  int64_t unit_minor;
  /* mood of the moment */
  bool declines, works_long, out_of_stock, careless /* pays each new key, also twice */;
} shop;

static int64_t shop_ms(void) { return START_MS + rk_mono_ms(); }

static int64_t total_of(const struct session *s) { return s->unit_minor * s->quantity + 600 - (s->coupon ? 500 : 0); }

static const char *status_name(const struct session *s) {
  static const char *const names[] = {"incomplete", "requires_escalation", "ready_for_complete", "complete_in_progress", "completed", "canceled"};
  return names[s->status];
}

static void show(const struct session *s, const char *error, char *out) {
  char expires[32];
  int no = (int)(s - shop.s), n;
  rk_time_rfc3339(s->expires_ms, expires);
  n = snprintf(out, BODY, "{\"ucp\":{\"version\":\"" RK_UCP_VERSION "\",\"status\":\"success\"},\"id\":\"co-%d\",\"status\":\"%s\",\"currency\":\"CNY\","
               "\"line_items\":[{\"id\":\"li_1\",\"item\":{\"id\":\"shoe-42\",\"title\":\"Shoe\",\"price\":%lld},\"quantity\":%d,\"totals\":[{\"type\":\"subtotal\",\"amount\":%lld},{\"type\":\"total\",\"amount\":%lld}]}],"
               "\"totals\":[{\"type\":\"subtotal\",\"amount\":%lld},%s{\"type\":\"fulfillment\",\"display_text\":\"Post\",\"amount\":600},{\"type\":\"total\",\"amount\":%lld}],"
               "\"messages\":[", no, status_name(s), (long long)s->unit_minor, s->quantity, (long long)(s->unit_minor * s->quantity), (long long)(s->unit_minor * s->quantity),
               (long long)(s->unit_minor * s->quantity), s->coupon ? "{\"type\":\"discount\",\"display_text\":\"Off\",\"amount\":-500}," : "", (long long)total_of(s));
  if (error) n += snprintf(out + n, BODY - (size_t)n, "{\"type\":\"error\",\"code\":\"payment_failed\",\"content\":\"%s\",\"severity\":\"recoverable\"}", error);
  n += snprintf(out + n, BODY - (size_t)n, "],\"links\":[{\"type\":\"refund_policy\",\"url\":\"" ORIGIN "/r\",\"title\":\"7 days\"}],\"expires_at\":\"%s\",%s"
                "\"fulfillment\":{\"methods\":[{\"id\":\"m\",\"type\":\"shipping\",\"line_item_ids\":[\"li_1\"],\"destinations\":[{\"id\":\"d\",\"first_name\":\"A\",\"phone_number\":\"1\",\"street_address\":\"Street 1\",\"address_locality\":\"City\"}],"
                "\"selected_destination_id\":\"d\",\"groups\":[{\"id\":\"g\",\"line_item_ids\":[\"li_1\"],\"selected_option_id\":\"std\",\"options\":[{\"id\":\"std\",\"title\":\"Post\",\"latest_fulfillment_time\":\"2026-12-01T21:00:00Z\",\"totals\":[{\"type\":\"total\",\"amount\":600}]}]}]}]}",
                expires, s->coupon ? "\"discounts\":{\"codes\":[\"OFF\"],\"applied\":[{\"code\":\"OFF\",\"title\":\"Off\",\"amount\":500}]}," : "");
  if (s->status == RK_CO_COMPLETED) n += snprintf(out + n, BODY - (size_t)n, ",\"order\":{\"id\":\"order-co-%d\",\"permalink_url\":\"" ORIGIN "/o\"}", no);
  snprintf(out + n, BODY - (size_t)n, "}");
}

static int refuse(int http, const char *code, char *out) {
  snprintf(out, BODY, "{\"code\":\"%s\",\"content\":\"%s\"}", code, code);
  return http;
}

static struct answer *answered(struct session *s, const char *key) {
  for (int i = 0; i < s->n_answers; i++)
    if (strcmp(s->answers[i].key, key) == 0) return &s->answers[i];
  return NULL;
}

static void remember(struct session *s, const char *key, bool refused) {
  MUST(s->n_answers < KEYS); /* the buyer has one key for a payment; a lower price makes one more */
  struct answer *a = &s->answers[s->n_answers++];
  snprintf(a->key, sizeof a->key, "%s", key);
  a->refused = refused;
}

static const struct rk_key *buyers_key;

static bool read_token(rk_str body, struct rk_payment_claims *c) {
  json_t *v = rk_json_parse(body, body.n, NULL), *jwks = NULL;
  rk_str token = rk_json_str(rk_json_obj(json_array_get(rk_json_arr(rk_json_obj(v, "payment"), "instruments"), 0), "credential"), "token");
  char x[64], y[64], t[64];
  bool ok = false;
  if (token.n && real_keys) {
    rk_key_jwk(buyers_key, x, y, t);
    jwks = json_pack("[{s:s, s:s}]", "x", x, "y", y);
    ok = rk_payment_token_verify(token, jwks, shop_ms(), c, NULL) == RK_OK;
    json_decref(jwks);
  } else if (token.n) { /* the claims alone */
    rk_str head, rest, claims, sig;
    struct rk_buf b;
    rk_buf_init(&b, RK_MAX_PAYMENT_TOKEN_BYTES);
    if (rk_str_cut(token, '.', &head, &rest) && rk_str_cut(rest, '.', &claims, &sig) && !rk_base64url_decode(&b, claims)) {
      json_t *cl = rk_json_parse(rk_buf_str(&b), b.n, NULL);
      snprintf(c->jti, sizeof c->jti, "%s", rk_json_cstr(cl, "jti", ""));
      snprintf(c->checkout_id, sizeof c->checkout_id, "%s", rk_json_cstr(cl, "checkout_id", ""));
      c->amount_minor = rk_json_i64(cl, "amount_minor", -1);
      ok = c->jti[0] && rk_json_i64(cl, "exp", 0) * 1000 > shop_ms();
      json_decref(cl);
    }
    rk_buf_release(&b);
  }
  json_decref(v);
  return ok;
}

static int complete(struct session *s, const char *key, rk_str body, char *out) {
  struct rk_payment_claims c = {0};
  const struct answer *before = answered(s, key);
  const char *fault = NULL;
  char id[24];
  if (before) {
    show(s, before->refused ? "declined" : NULL, out);
    return 200;
  }
  snprintf(id, sizeof id, "co-%d", (int)(s - shop.s));
  bool open = s->status == RK_CO_READY, again = shop.careless && (s->status == RK_CO_COMPLETED || s->status == RK_CO_IN_PROGRESS);
  if (!open && !again) return refuse(s->status == RK_CO_CANCELED ? 409 : 422, "not_open", out);
  if (shop.declines) fault = "declined";
  else if (shop.out_of_stock) fault = "out of stock";
  else if (!read_token(body, &c)) fault = "no valid payment";
  else if (strcmp(c.checkout_id, id) != 0 || c.amount_minor != total_of(s)) fault = "the payment is for something else";
  remember(s, key, fault != NULL);
  if (!fault) {
    s->n_charges++;
    s->charged_minor = c.amount_minor;
    snprintf(s->jti, sizeof s->jti, "%s", c.jti);
    s->status = shop.works_long ? RK_CO_IN_PROGRESS : RK_CO_COMPLETED;
    s->ready_ms = shop_ms() + (int64_t)dice(120000);
  }
  show(s, fault, out);
  return 200;
}

static int show_order(const struct session *s, char *out) {
  int no = (int)(s - shop.s);
  int n = snprintf(out, BODY, "{\"ucp\":{\"version\":\"" RK_UCP_VERSION "\",\"status\":\"success\"},\"id\":\"order-co-%d\",\"currency\":\"CNY\",\"line_items\":[{\"id\":\"li_1\",\"status\":\"processing\"}],\"adjustments\":[", no);
  if (s->refunded_minor)
    n += snprintf(out + n, BODY - (size_t)n, "{\"id\":\"r1\",\"type\":\"refund\",\"status\":\"completed\",\"totals\":[{\"type\":\"total\",\"amount\":%lld}]}", (long long)-s->refunded_minor);
  snprintf(out + n, BODY - (size_t)n, "]}");
  return 200;
}

static int create(rk_str body, char *out) {
  json_t *v = rk_json_parse(body, body.n, NULL);
  if (!v || shop.n == (int)(sizeof shop.s / sizeof *shop.s)) {
    json_decref(v);
    return refuse(400, "bad_request", out);
  }
  struct session *s = &shop.s[shop.n++];
  *s = (struct session){.status = RK_CO_READY, .unit_minor = shop.unit_minor, .expires_ms = shop_ms() + TTL_MS,
                        .quantity = (int32_t)rk_json_i64(json_array_get(rk_json_arr(v, "line_items"), 0), "quantity", 1),
                        .coupon = json_array_size(rk_json_arr(rk_json_obj(v, "discounts"), "codes")) > 0};
  json_decref(v);
  show(s, NULL, out);
  return 201;
}

static int update(struct session *s, rk_str body, char *out) {
  json_t *v = rk_json_parse(body, body.n, NULL);
  if (!v || s->status != RK_CO_READY) {
    json_decref(v);
    return refuse(v ? 409 : 400, "bad_request", out);
  }
  s->quantity = (int32_t)rk_json_i64(json_array_get(rk_json_arr(v, "line_items"), 0), "quantity", 1);
  s->coupon = json_array_size(rk_json_arr(rk_json_obj(v, "discounts"), "codes")) > 0;
  json_decref(v);
  show(s, NULL, out);
  return 200;
}

static int show_profile(char *out) {
  static char *text;
  if (!text) {
    json_t *v = json_pack("{s:{s:s, s:{s:[{s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s}}]}, s:o, s:{s:[{s:s, s:s}]}}}", "ucp", "version", RK_UCP_VERSION, "services", RK_UCP_SERVICE,
                          "version", RK_UCP_VERSION, "transport", "rest", "spec", "https://ucp.dev/", "schema", "https://ucp.dev/", "endpoint", ORIGIN, "config", "merchant_id",
                          "sim", "merchant_name", "Sim", "capabilities", rk_ucp_capabilities(), "payment_handlers", RK_PAYMENT_HANDLER, "id", RK_PAYMENT_HANDLER, "version", RK_UCP_VERSION);
    text = rk_json_dump(v);
    json_decref(v);
  }
  snprintf(out, BODY, "%s", text);
  return 200;
}

/* What a request does when it arrives. */
static int handle(const char *method, const char *path, const char *key, rk_str body, char *out) {
  bool get = strcmp(method, "GET") == 0;
  if (strcmp(path, "/.well-known/ucp") == 0) return show_profile(out);
  if (strcmp(path, "/checkout-sessions") == 0) return create(body, out);
  const char *at = strstr(path, "co-");
  int no = at ? atoi(at + 3) : -1;
  struct session *s = no >= 0 && no < shop.n && !shop.s[no].gone ? &shop.s[no] : NULL;
  if (!s) return refuse(404, "not_found", out);
  if (s->status == RK_CO_IN_PROGRESS && shop_ms() >= s->ready_ms) s->status = RK_CO_COMPLETED;
  if (s->status == RK_CO_READY && shop_ms() >= s->expires_ms) s->status = RK_CO_CANCELED;
  if (strncmp(path, "/orders/", 8) == 0) return s->n_charges ? show_order(s, out) : refuse(404, "not_found", out);
  if (strstr(path, "/complete")) return complete(s, key, body, out);
  if (strstr(path, "/cancel")) {
    if (s->status == RK_CO_COMPLETED || s->status == RK_CO_IN_PROGRESS) return refuse(409, "not_open", out);
    s->status = RK_CO_CANCELED;
  } else if (!get) return update(s, body, out);
  show(s, NULL, out);
  return 200;
}

/* ---- the network ---- */

static struct late { int64_t due_ms; char method[8], path[128], key[40]; char *body; size_t n; } queue[QUEUE];
static bool storm;                     /* else every request and answer arrives once, whole and in order */
static int net_calls_left = -1;        /* the buyer's power goes before (even) or after (odd half) that exchange */
static bool cut_after;
static char stale[BODY];               /* the last answer about stale_no's checkout */
static char stale_path[128];

static void arrive(struct late *l) {
  static char ignored[BODY];
  (void)handle(l->method, l->path, l->key, (rk_str){l->body ? l->body : "", l->n}, ignored);
  free(l->body);
  *l = (struct late){0};
}

static void arrive_due(int64_t now_ms) {
  for (;;) {
    struct late *first = NULL;
    for (int i = 0; i < QUEUE; i++)
      if (queue[i].due_ms && queue[i].due_ms <= now_ms && (!first || queue[i].due_ms < first->due_ms)) first = &queue[i];
    if (!first) return;
    count(&sum->late);
    arrive(first);
  }
}

static void post_late(const char *method, const char *path, const char *key, rk_str body) {
  int i = 0;
  while (i < QUEUE && queue[i].due_ms) i++;
  if (i == QUEUE) arrive(&queue[i = (int)dice(QUEUE)]);
  struct late *l = &queue[i];
  l->due_ms = shop_ms() + 1 + (int64_t)dice(chance(50) ? 20000 : LATE_MS);
  snprintf(l->method, sizeof l->method, "%s", method);
  snprintf(l->path, sizeof l->path, "%s", path);
  snprintf(l->key, sizeof l->key, "%s", key);
  l->n = body.n;
  l->body = malloc(body.n + 1);
  if (body.n) memcpy(l->body, body.p, body.n);
}

/* Cut short or overwritten, so that it shows; what is changed unseen is for signatures to find. */
static size_t damage(char *text, size_t n) {
  if (n < 8) return n;
  if (coin()) return dice(n);
  size_t from = dice(n - 4);
  for (size_t i = from; i < from + 4; i++) text[i] = (char)(0x80 + dice(64));
  return n;
}

static void no_answer(struct rk_net_response *out, rk_err err) {
  out->err = err;
  out->sent = err == RK_ETIMEOUT;
  rk_fail(&out->error, err, err == RK_ETIMEOUT ? "no answer in time" : "connection refused");
  if (err == RK_ETIMEOUT) rk_sleep_ms(TIMEOUT_MS);
}

static void give(struct rk_net_response *out, int status, char *text, size_t n) {
  out->err = RK_OK;
  out->status = status;
  out->sent = true;
  MUST(!rk_buf_add(&out->body, text, n));
}

static void power_off(atomic_llong *counter) {
  if (disk.off) return;
  disk.off = true;
  count(counter);
}

static void exchange(const struct rk_net_request *q, struct rk_net_response *out) {
  static char text[BODY];
  const char *path = q->url + strlen(ORIGIN), *key = "";
  for (int32_t i = 0; i < q->n_headers; i++)
    if (strcmp(q->headers[i].name, "Idempotency-Key") == 0) key = q->headers[i].value;
  bool get = strcmp(q->method, "GET") == 0;
  int fate = storm ? (int)dice(100) : 99, status;
  if (fate < 4) count(&sum->lost);
  if (fate < 4) return no_answer(out, RK_ETIMEOUT);                             /* the request is lost */
  if (fate < 8 && !get) {                                                       /* late */
    post_late(q->method, path, key, q->body);
    return no_answer(out, RK_ETIMEOUT);
  }
  if (fate < 10) return no_answer(out, RK_EUNAVAIL);
  if (fate < 12 && !get) {                                                      /* damaged on the way: the merchant sees that */
    if (coin()) post_late(q->method, path, key, q->body);                       /* and a whole copy comes later */
    count(&sum->damaged);
    status = refuse(400, "bad_request", text);
    return give(out, status, text, strlen(text));
  }
  if (fate < 14) return snprintf(text, BODY, "<h1>Bad gateway</h1>"), give(out, 502, text, strlen(text));
  if (fate < 15) return status = refuse(429, "slow_down", text), give(out, status, text, strlen(text));
  if (fate < 17 && get && strcmp(stale_path, path) == 0) return count(&sum->stale), give(out, 200, stale, strlen(stale)); /* an older answer */
  if (fate < 22 && !get) count(&sum->doubled), post_late(q->method, path, key, q->body);
  if (shop.down_until_ms > shop_ms()) return no_answer(out, coin() ? RK_EUNAVAIL : RK_ETIMEOUT);
  status = handle(q->method, path, key, q->body, text);
  if (status == 200 && storm && strstr(path, "co-")) { /* of the same checkout, for later */
    snprintf(stale, sizeof stale, "%s", text);
    snprintf(stale_path, sizeof stale_path, "%.*s", (int)(strcspn(strstr(path, "co-"), "/") + (size_t)(strstr(path, "co-") - path)), path);
  }
  if (fate >= 22 && fate < 30) return count(&sum->lost), no_answer(out, RK_ETIMEOUT);      /* the answer is lost */
  size_t n = strlen(text);
  if (fate >= 30 && fate < 34) count(&sum->damaged), n = damage(text, n);
  give(out, status, text, n);
}

void rk_net_fetch(struct rk_net *n, const struct rk_net_request *q, struct rk_net_response *out) {
  (void)n;
  *out = (struct rk_net_response){0};
  rk_buf_init(&out->body, BODY);
  rk_buf_init(&out->headers, 1024);
  rk_sleep_ms(1 + (int64_t)dice(40));
  if (!disk.off) arrive_due(shop_ms());
  bool cut = net_calls_left >= 0 && net_calls_left-- == 0;
  if (cut && !cut_after) power_off(&sum->cut_net);
  if (disk.off) return no_answer(out, RK_EUNAVAIL); /* a process that is dead sends nothing */
  exchange(q, out);
  if (cut) power_off(&sum->cut_net);
}

void rk_net_fetch_all(struct rk_net *n, const struct rk_net_request *q, struct rk_net_response *out, int32_t count) {
  for (int32_t i = 0; i < count; i++) rk_net_fetch(n, &q[i], &out[i]);
}
void rk_net_response_release(struct rk_net_response *r) {
  rk_buf_release(&r->body);
  rk_buf_release(&r->headers);
}
rk_str rk_net_header(const struct rk_net_response *r, const char *name) { (void)r, (void)name; return (rk_str){0}; }
rk_err rk_net_allow(struct rk_net *n, const char *origin) { (void)n, (void)origin; return RK_OK; }
rk_err rk_net_origin(const char *url, char *out, size_t size) { snprintf(out, size, "%s", url); return RK_OK; }

/* ---- the buyer ---- */

static char dir[64];
static struct rk_store *store;
static struct rk_merchants *merchants;
static struct rk_trade *trade;
static struct rk_key *key;
static const char *user;
static int step_to_die_at;
static bool parallel;
static const char *parallel_id;
static pthread_t second;
static bool second_runs;

static void *complete_too(void *id) {
  json_t *order = NULL;
  struct rk_error e;
  rk_err err = rk_trade_complete(trade, id, &order, &e);
  json_decref(order);
  return err ? id : NULL;
}

static void on_step(enum rk_trade_step step) {
  if (step == RK_STEP_AUTHORIZED && parallel && parallel_id && !second_runs) {
    second_runs = pthread_create(&second, NULL, complete_too, (void *)(uintptr_t)parallel_id) == 0;
    count(&sum->parallel);
  }
  if ((int)step != step_to_die_at || disk.off) return;
  step_to_die_at = 0;
  power_off(&sum->steps[step]);
}

static bool try_open(void) {
  struct rk_error e = {0};
  trade = NULL;
  rk_err err = rk_store_open(dir, &store, &e);
  if (!err) err = rk_trade_new(&(struct rk_trade_opts){store, merchants, key}, &trade, &e);
  if (err) {
    if (store) rk_store_close(store);
    store = NULL;
    if (!disk.off) fprintf(stderr, "sim: %s\n", e.msg);
    MUST(disk.off);
    return false;
  }
  MUST(!trade->broken[0]);
  trade->on_step = on_step;
  user = rk_store_local_user(store);
  return true;
}

static void close_all(void) {
  if (trade) rk_trade_free(trade);
  if (store) rk_store_close(store);
  trade = NULL;
  store = NULL;
}

/* Something for the power to fail at: a step, a write, an exchange. */
static void arm(void) {
  step_to_die_at = 0;
  net_calls_left = -1;
  disk.writes_left = -1;
  switch (dice(3)) {
    case 0: step_to_die_at = 1 + (int)dice(RK_TRADE_STEPS); break;
    case 1: disk.writes_left = (int64_t)dice(200); break;
    default: net_calls_left = (int)dice(7), cut_after = coin();
  }
}

static void disarm(void) {
  step_to_die_at = 0;
  net_calls_left = -1;
  disk.writes_left = -1;
}

/* After the power went: start again, reconcile; the power may go again meanwhile. */
static void live_again(void) {
  count(&sum->crashes);
  for (int tries = 0;; tries++) {
    close_all();
    atomic_fetch_add(&sum->cut_disk, disk.n_cuts);
    disk.n_cuts = 0;
    mem_vfs_restart(chance(50) ? coin : NULL);
    if (tries < 3 && chance(20)) arm();
    else disarm();
    count(&sum->restarts);
    if (!try_open()) continue;
    int32_t n_open = 0;
    rk_err err = rk_trade_reconcile(trade, &n_open, NULL);
    if (disk.off) continue;
    MUST(err == RK_OK);
    break;
  }
  disarm();
}

static bool died(void) {
  if (second_runs) {
    pthread_join(second, NULL);
    second_runs = false;
  }
  if (!disk.off) return false;
  parallel_id = NULL;
  live_again();
  return true;
}

/* ---- one order ---- */

static const struct rk_coupon coupons[] = {{"OFF", "", 500, 0, 0}};

static void mood(void) {
  storm = chance(55);
  shop.declines = chance(5);
  shop.out_of_stock = chance(3);
  shop.works_long = chance(10);
  shop.unit_minor = 500 + (int64_t)dice(4000);
  if (chance(3)) shop.down_until_ms = shop_ms() + (int64_t)dice(120000);
  if (chance(3)) { /* it restarts: what was open may be forgotten, what was on the way is lost */
    count(&sum->merchant_restarts);
    for (int i = 0; i < shop.n; i++)
      if (shop.s[i].status == RK_CO_READY && chance(30)) shop.s[i].gone = true;
    for (int i = 0; i < QUEUE; i++)
      if (queue[i].due_ms && coin()) free(queue[i].body), queue[i] = (struct late){0};
  }
  if (chance(1)) count(&sum->clock_back), rk_clock_simulate(rk_now_ms() - (int64_t)dice(172800000)); /* up to two days */
  else if (rk_now_ms() != shop_ms() && chance(30)) rk_clock_simulate(shop_ms());               /* set right again */
}

static const char *const some_instruments[] = {"card", "card", "wallet"};

static json_t *propose(void) {
  struct rk_offer o = {.shop_id = "sim", .shop_name = "Sim", .origin = ORIGIN, .product_id = "shoe", .item_id = "shoe-42", .title = "Shoe",
                       .unit_price = {shop.unit_minor, "CNY"}, .stock = -1, .coupons = coupons, .n_coupons = coin() ? 1 : 0};
  struct rk_error e = {0};
  json_t *approval = NULL;
  MUST(rk_offer_price(&o, 1 + (int32_t)dice(2), "") == RK_OK);
  rk_err err = rk_trade_prepare(trade, &(struct rk_prepare){.user_id = user, .chat_id = "c", .turn_id = "t", .offer = &o, .deliver_by = "",
      .instrument_id = some_instruments[dice(3)], .address = {"A", "1", "Street 1", "City"}}, &approval, &e);
  return err ? NULL : approval;
}

static rk_err decide(const json_t *approval, bool yes, struct rk_error *e) {
  return rk_trade_decide(trade, user, coin() ? "page" : "terminal", rk_json_cstr(approval, "id", ""), yes ? "approve" : "refuse",
                         rk_json_cstr(approval, "terms_hash", ""), e);
}

/* Says yes (or no), more than once now and then; a wallet that is too low is changed for the card. */
static json_t *answer(json_t *approval) {
  bool yes = chance(94);
  for (int tries = 0; tries < 4; tries++) {
    struct rk_error e = {0};
    rk_err err = decide(approval, yes, &e);
    if (died()) continue;
    if (err == RK_EPAYMENT) {
      json_t *changed = NULL;
      json_t *changes = json_pack("{s:s}", "instrument_id", "card");
      err = rk_trade_edit(trade, user, "page", rk_json_cstr(approval, "id", ""), changes, &changed, &e);
      json_decref(changes);
      if (died() || err) {
        json_decref(changed);
        return approval;
      }
      count(&sum->edits);
      json_decref(approval);
      approval = changed;
      continue;
    }
    if (err || coin()) break;
  }
  if (!yes) count(&sum->declined);
  return approval;
}

static void look_at(const json_t *approval) {
  json_t *now = rk_trade_approval(trade, user, rk_json_cstr(approval, "id", ""));
  const char *state = rk_json_cstr(now, "state", ""), *order = rk_json_cstr(now, "order_id", "");
  if (strcmp(state, "unknown") == 0) count(&sum->unknown);
  if (strcmp(state, "completed") == 0 && chance(5)) { /* money back, looked at twice */
    json_t *row = rk_store_order(store, user, order);
    int no = atoi(rk_json_cstr(row, "merchant_order_id", "order-co-0") + strlen("order-co-"));
    json_decref(row);
    shop.s[no].refunded_minor = 1 + (int64_t)dice((uint64_t)shop.s[no].charged_minor);
    for (int i = 0; i < 2; i++) {
      json_decref(rk_trade_order_status(trade, user, order, &(struct rk_error){0}));
      if (died()) break;
    }
  }
  json_decref(now);
}

static void one_order(void) {
  struct rk_error e = {0};
  mood();
  if (chance(35)) arm();
  parallel = chance(5);
  json_t *approval = propose();
  if (died() || !approval) {
    json_decref(approval);
    disarm();
    return;
  }
  if (chance(4)) shop.unit_minor += 100; /* (of later checkouts) */
  struct session *s = &shop.s[shop.n - 1];
  if (chance(4) && s->status == RK_CO_READY) s->unit_minor += coin() ? 100 : -100; /* other terms than were shown */
  approval = answer(approval);
  if (chance(3)) rk_sleep_ms(RK_APPROVAL_TTL_MS); /* too late */
  parallel_id = rk_json_cstr(approval, "id", "");
  for (uint64_t i = 0, n = 1 + dice(2); i < n; i++) {
    json_t *order = NULL;
    rk_err err = rk_trade_complete(trade, parallel_id, &order, &e);
    json_decref(order);
    if (died() || !err) break;
  }
  parallel_id = NULL;
  if (chance(25)) {
    int32_t n_open;
    rk_sleep_ms((int64_t)dice(200000));
    rk_err err = rk_trade_reconcile(trade, &n_open, &e);
    MUST(died() || err == RK_OK);
  }
  disarm();
  look_at(approval);
  json_decref(approval);
}

/* ---- what must hold at the end ---- */

static void settle_everything(void) {
  int32_t n_open = -1;
  storm = shop.declines = shop.works_long = shop.out_of_stock = false;
  shop.down_until_ms = 0;
  disarm();
  rk_clock_simulate(shop_ms());
  for (int i = 0; n_open && i < 30; i++) {
    arrive_due(shop_ms());
    MUST(rk_trade_reconcile(trade, &n_open, NULL) == RK_OK);
    rk_sleep_ms(180000);
  }
  MUST(n_open == 0);
  arrive_due(INT64_MAX); /* and now the last copies */
}

static void audit(void) {
  json_t *found, *one;
  size_t i;
  MUST(rk_trade_audit(trade, &found, NULL) == RK_OK);
  json_array_foreach(rk_json_arr(found, "checks"), i, one)
    if (!rk_json_bool(one, "ok", false)) fprintf(stderr, "sim: audit: %s: %lld\n", rk_json_cstr(one, "check", ""), (long long)rk_json_i64(one, "wrong", 0));
  MUST(rk_json_bool(found, "ok", false));
  json_decref(found);
}

static void check_books(void) {
  json_t *rows = rk_db_all(rk_store_db(store), NULL, "SELECT o.merchant_order_id, (SELECT SUM(amount_minor) FROM ledger l WHERE l.order_id=o.id AND l.kind='capture') AS charged,"
                           " (SELECT COUNT(*) FROM ledger l WHERE l.order_id=o.id AND l.kind='capture') AS n,"
                           " (SELECT COALESCE(SUM(amount_minor), 0) FROM ledger l WHERE l.order_id=o.id AND l.kind='refund') AS refunded FROM orders o", ""), *row;
  int8_t seen[4 * BATCH] = {0};
  size_t i;
  MUST(rows != NULL);
  json_array_foreach(rows, i, row) {
    int no = atoi(rk_json_cstr(row, "merchant_order_id", "order-co--1") + strlen("order-co-"));
    MUST(no >= 0 && no < shop.n && !seen[no]++);
    MUST(rk_json_i64(row, "n", 0) == 1);
    MUST(shop.s[no].n_charges == 1 && shop.s[no].charged_minor == rk_json_i64(row, "charged", -1)); /* no order without its charge */
    int64_t refunded = rk_json_i64(row, "refunded", -1);
    MUST(refunded == 0 || refunded == shop.s[no].refunded_minor);
    sum->refunds += refunded > 0;
  }
  for (int no = 0; no < shop.n; no++) {
    MUST(shop.s[no].n_charges <= 1);            /* no double charge */
    MUST(shop.s[no].n_charges == seen[no]);     /* no charge without an order, no order lost */
  }
  sum->placed += (long long)json_array_size(rows);
  json_decref(rows);
}

static void batch(uint64_t s, int orders) {
  seed = batch_seed = s;
  real_keys = s % REAL_ONE_IN == 0;
  memset(&shop, 0, sizeof shop);
  shop.careless = coin();
  stale_path[0] = 0;
  rk_random_seed(s);
  rk_clock_simulate(shop_ms());
  mem_vfs_clear();
  MUST(try_open());
  for (order_no = 0; order_no < orders; order_no++) one_order();
  sum->orders += orders;
  settle_everything();
  check_books();
  audit();
  close_all();
}

/* ---- the workers ---- */

static int64_t setting(const char *name, int64_t otherwise) {
  const char *v = getenv(name);
  int64_t n = otherwise;
  return v && rk_str_i64(rk_str_c(v), &n) && n > 0 ? n : otherwise;
}

static void work(int64_t first_seed, int64_t orders) {
  struct rk_error e = {0};
  char pem[96];
  signal(SIGSEGV, fell);
  signal(SIGABRT, fell);
  rk_log_level_set(RK_LOG_ERROR);
  strcpy(dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/rukou-sim-XXXXXX" : "/tmp/rukou-sim-XXXXXX");
  MUST(mkdtemp(dir) != NULL);
  snprintf(pem, sizeof pem, "%s/approval.pem", dir);
  MUST(rk_key_load_or_make(pem, &key, &e) == RK_OK);
  buyers_key = key;
  mem_vfs_start();
  rk_clock_simulate(START_MS);
  MUST(rk_merchants_new(&(struct rk_merchants_opts){.agent_profile_url = "http://127.0.0.1:1/.well-known/ucp", .origins = (const char *const[]){ORIGIN}, .n_origins = 1},
                        &merchants, &e) == RK_OK);
  for (;;) {
    int64_t i = atomic_fetch_add(&sum->next_batch, 1);
    if (i * BATCH >= orders) break;
    batch((uint64_t)(first_seed + i), (int)(orders - i * BATCH < BATCH ? orders - i * BATCH : BATCH));
  }
  rk_merchants_free(merchants);
  rk_key_free(key);
  char cmd[128];
  snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
  MUST(system(cmd) == 0);
}

static void print_totals(double wall_s) {
  print_message("%lld orders in %.1f s: %lld placed, %lld declined by the user, %lld left unknown for a while, %lld refunded, %lld edited\n", (long long)sum->orders, wall_s,
                (long long)sum->placed, (long long)sum->declined, (long long)sum->unknown, (long long)sum->refunds, (long long)sum->edits);
  print_message("power cut %lld times (%lld at a write, %lld at an exchange, at steps", (long long)sum->crashes, (long long)sum->cut_disk, (long long)sum->cut_net);
  for (int i = 1; i <= RK_TRADE_STEPS; i++) print_message(" %d: %lld", i, (long long)sum->steps[i]);
  print_message("), %lld starts\n", (long long)sum->restarts);
  print_message("network: %lld lost, %lld arrived late, %lld doubled, %lld damaged, %lld stale; merchant restarts %lld; clock set back %lld; completed in parallel %lld\n",
                (long long)sum->lost, (long long)sum->late, (long long)sum->doubled, (long long)sum->damaged, (long long)sum->stale, (long long)sum->merchant_restarts,
                (long long)sum->clock_back, (long long)sum->parallel);
  print_message("ES256: %lld real, %lld stubbed\n0 double charges, 0 lost orders, 0 charges without an order\n", (long long)sum->real_es256, (long long)sum->stub_es256);
}

static void nothing_is_charged_twice_or_without_an_order(void **state) {
  (void)state;
  int64_t orders = setting("SIM_ORDERS", ORDERS_IN_CHECK), first = setting("SIM_SEED", 1), jobs = setting("SIM_JOBS", 2);
  int64_t start = rk_mono_us();
  for (int64_t i = 0; i < jobs; i++) {
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
      work(first, orders);
      _exit(0);
    }
  }
  for (int64_t i = 0; i < jobs; i++) {
    int status = 0;
    while (wait(&status) < 0) assert_int_equal(errno, EINTR);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
  }
  assert_int_equal(sum->orders, orders);
  print_totals((double)(rk_mono_us() - start) / 1e6);
  if (orders < 1000) return; /* a replay */
  /* it must have tested something */
  for (int i = 1; i <= RK_TRADE_STEPS; i++) assert_true(sum->steps[i] > 0);
  assert_true(sum->placed > orders / 3);
  assert_true(sum->crashes > orders / 20 && sum->cut_disk > 0 && sum->cut_net > 0 && sum->parallel > 0 && sum->unknown > 0 && sum->late > 0 && sum->stale > 0);
}

int main(void) {
  sum = mmap(NULL, sizeof *sum, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (sum == MAP_FAILED) return 1;
  const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_charged_twice_or_without_an_order)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
