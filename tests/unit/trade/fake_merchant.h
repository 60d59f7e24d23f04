/* A merchant behind merchant.h whose memory survives the process that talks to
 * it (shared mapping), as a real one's does, and that can be told to misbehave. */
#ifndef RK_TEST_FAKE_MERCHANT_H
#define RK_TEST_FAKE_MERCHANT_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "trade/internal.h"
#include "trade/payment_token.h"

#define ORIGIN "http://127.0.0.2:7999"

enum { FAKE_MAX = 8192 };

struct fake_checkout {
  enum rk_checkout_status status;
  char key[40], jti[40], code[16], street[64];
  int64_t unit_minor, charged_minor;
  int32_t quantity, n_charges, n_sent;
};

struct fake {
  struct fake_checkout checkouts[FAKE_MAX];
  int32_t n;
  /* behaviour */
  int64_t unit_minor, max_code_minor, ttl_ms;
  bool other_item, other_address, other_currency, bad_totals, sandbox, late_delivery;
  bool down;                     /* nothing is answered */
  bool get_down;                 /* only reads are not */
  bool get_down_after_payment;   /* nor are they once a payment has arrived */
  bool no_cancel;                /* does not cancel */
  bool refuse;                   /* the payment */
  bool busy;                     /* takes the payment, reports complete_in_progress */
  bool escalate;                 /* keeps the payment until the buyer has been at its page */
  bool own_page;                 /* its checkouts name a page where the buyer goes on */
  bool lose_request, lose_reply; /* of a completion */
  bool lie_refused;              /* charges, then says it refused */
  int64_t price_after;           /* unit price that a later read shows; 0: the same */
  int64_t refunded[2];           /* money given back, an adjustment each */
  int64_t refund_fee;
  bool no_refund, no_update;
  int32_t n_updates;
  int32_t n_confirms;            /* of a refund */
  struct { char name[32]; bool child; } people[4]; int32_t n_people; /* of the last checkout that was made */
  bool other_people;             /* writes down another first one */
  const char *seats;             /* that its line names */
  const char *street_after;
  void (*point)(const char *where); /* called before and after a completion takes effect: may end the process */
};

static struct fake *fake;
static struct rk_key *fake_key;  /* the agent's, whose profile the merchant knows */

static void fake_start(void) {
  fake = mmap(NULL, sizeof *fake, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_true(fake != MAP_FAILED);
}

static void fake_reset(void) {
  memset(fake, 0, sizeof *fake);
  fake->unit_minor = 30000;
  fake->sandbox = true;
}

static void fake_point(const char *where) {
  if (fake->point) fake->point(where);
}

/* The merchant is another process: ours may die while it works, it does not. */
static void fake_atomic(bool on) {
  sigset_t alarm;
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  pthread_sigmask(on ? SIG_BLOCK : SIG_UNBLOCK, &alarm, NULL);
}

static rk_err fake_down(struct rk_error *e) { return rk_fail(e, RK_EUNAVAIL, "the shop does not answer"); }

static struct fake_checkout *fake_find(const char *id) {
  int i = id ? atoi(id + 3) : -1;
  return i >= 0 && i < fake->n ? &fake->checkouts[i] : NULL;
}

static int64_t fake_off(const struct fake_checkout *c) {
  return strcmp(c->code, "MINUS20") == 0 ? 2000 : strcmp(c->code, "MINUS50") == 0 ? fake->max_code_minor : 0;
}

static void fake_fill(const struct fake_checkout *c, struct rk_arena *a, struct rk_checkout *out) {
  static const struct rk_delivery std = {"std", "Standard", {600, "CNY"}, "2026-11-30"};
  static const struct rk_delivery late = {"std", "Standard", {600, "CNY"}, "2026-12-30"};
  struct rk_line *line = rk_arena_array(a, 1, sizeof *line);
  struct rk_total *t = rk_arena_array(a, 4, sizeof *t);
  const char **codes = rk_arena_array(a, 1, sizeof *codes);
  int64_t items = c->unit_minor * c->quantity, off = fake_off(c);
  *line = (struct rk_line){.item_id = fake->other_item ? "hat" : "shoe-42", .title = "跑步鞋", .quantity = c->quantity, .unit_minor = c->unit_minor};
  t[0] = (struct rk_total){"subtotal", "Items", items};
  t[1] = (struct rk_total){"fulfillment", "Delivery", 600};
  t[2] = (struct rk_total){"total", "Total", items + 600 - off + (fake->bad_totals ? 1 : 0)};
  t[3] = (struct rk_total){"discount", "Coupon", -off};
  codes[0] = rk_arena_printf(a, "%s", c->code);
  const char *id = rk_arena_printf(a, "co-%d", (int)(c - fake->checkouts));
  *out = (struct rk_checkout){.id = id, .origin = ORIGIN, .merchant_name = "Fake", .key_thumbprint = "thumb", .status = c->status,
      .lines = line, .n_lines = 1, .totals = t, .n_totals = off ? 4 : 3, .codes = codes, .n_codes = off ? 1 : 0,
      .address = {"张伟", "13800000000", fake->other_address ? "elsewhere 1" : "漕溪北路18号", "上海"}, .delivery = fake->late_delivery ? &late : &std,
      .refund_rule = "7 days", .expires_ms = fake->ttl_ms ? rk_now_ms() + fake->ttl_ms : 0, .sandbox = fake->sandbox};
  if (fake->seats) {
    struct rk_option *named = rk_arena_array(a, 1, sizeof *named);
    *named = (struct rk_option){"seats", fake->seats};
    line->options = named;
    line->n_options = 1;
  }
  struct rk_traveler *who = rk_arena_array(a, 4, sizeof *who);
  for (int32_t i = 0; i < fake->n_people; i++) who[i] = (struct rk_traveler){i == 0 && fake->other_people ? "somebody" : fake->people[i].name, fake->people[i].child};
  out->travelers = who;
  out->n_travelers = fake->n_people;
  if (c->street[0]) out->address.street = rk_arena_printf(a, "%s", c->street);
  if (fake->street_after && c->n_sent == 0) out->address.street = fake->street_after;
  strcpy(out->currency, fake->other_currency ? "USD" : "CNY");
  if (fake->own_page || c->status == RK_CO_ESCALATION) out->continue_url = rk_arena_printf(a, ORIGIN "/pay/%s", id);
  if (c->status == RK_CO_COMPLETED) out->order_id = rk_arena_printf(a, "order-%s", id);
}

rk_err rk_merchant_checkout_create(struct rk_merchants *m, const struct rk_checkout_req *q, struct rk_arena *a, struct rk_checkout *out, struct rk_error *e) {
  if (fake->down) return fake_down(e);
  if (q->n_codes && strcmp(q->codes[0], "BAD") == 0) return rk_fail(e, RK_EUPSTREAM, "no such code");
  RK_ASSERT(fake->n < FAKE_MAX);
  fake_atomic(true);
  struct fake_checkout *c = &fake->checkouts[fake->n++];
  *c = (struct fake_checkout){.status = RK_CO_READY, .unit_minor = fake->unit_minor, .quantity = q->lines[0].quantity};
  fake_atomic(false);
  if (q->n_codes) snprintf(c->code, sizeof c->code, "%s", q->codes[0]);
  fake->n_people = q->n_travelers;
  for (int32_t i = 0; i < q->n_travelers; i++) {
    snprintf(fake->people[i].name, sizeof fake->people[i].name, "%s", q->travelers[i].name);
    fake->people[i].child = q->travelers[i].child;
  }
  fake_fill(c, a, out);
  out->address.street = fake->other_address ? "elsewhere 1" : q->address.street;
  return RK_OK;
}

rk_err rk_merchant_checkout_update(struct rk_merchants *m, const char *id, const struct rk_checkout_req *q, struct rk_arena *a, struct rk_checkout *out, struct rk_error *e) {
  struct fake_checkout *c = fake_find(id);
  if (fake->down || !c) return fake_down(e);
  if (q->n_codes && strcmp(q->codes[0], "BAD") == 0) return rk_fail(e, RK_EUPSTREAM, "no such code");
  snprintf(c->code, sizeof c->code, "%s", q->n_codes ? q->codes[0] : "");
  if (fake->no_update) return rk_fail(e, RK_EUPSTREAM, "not that many");
  c->quantity = q->lines[0].quantity;
  fake->n_updates++;
  snprintf(c->street, sizeof c->street, "%s", q->address.street);
  fake_fill(c, a, out);
  return RK_OK;
}

rk_err rk_merchant_checkout_get(struct rk_merchants *m, const char *origin, const char *id, struct rk_arena *a, struct rk_checkout *out, struct rk_error *e) {
  struct fake_checkout *c = fake_find(id);
  if (fake->down || fake->get_down || (fake->get_down_after_payment && c && c->n_sent)) return fake_down(e);
  if (!c) return rk_fail(e, RK_ENOTFOUND, "no such checkout");
  if (c->status == RK_CO_IN_PROGRESS && (!fake->busy || c->n_sent++ > 2)) c->status = RK_CO_COMPLETED;
  if (fake->price_after) {
    c->unit_minor = fake->price_after;
    fake->price_after = 0;
  }
  fake_fill(c, a, out);
  return RK_OK;
}

rk_err rk_merchant_checkout_cancel(struct rk_merchants *m, const char *origin, const char *id, struct rk_error *e) {
  struct fake_checkout *c = fake_find(id);
  if (fake->down || !c) return fake_down(e);
  if (fake->no_cancel) return rk_fail(e, RK_EUPSTREAM, "not here");
  if (c->status != RK_CO_COMPLETED && c->status != RK_CO_IN_PROGRESS) c->status = RK_CO_CANCELED;
  return RK_OK;
}

rk_err rk_merchant_complete_body(const struct rk_payment *p, struct rk_buf *body) {
  return rk_buf_addf(body, "{\"instrument\":\"%s\",\"token\":\"%s\"}", p->instrument_id, p->token);
}

/* As a good merchant does: one key one answer, the token against the agent's keys, one charge for a jti. */
static bool fake_pay(struct fake_checkout *c, const char *key, rk_str body, int64_t total, struct rk_error *e) {
  char x[64], y[64], t[64];
  rk_key_jwk(fake_key, x, y, t);
  json_t *jwks = json_pack("[{s:s, s:s}]", "x", x, "y", y), *v = rk_json_parse(body, body.n, NULL);
  struct rk_payment_claims claims;
  rk_err err = rk_payment_token_verify(rk_json_str(v, "token"), jwks, rk_now_ms(), &claims, e);
  json_decref(v);
  json_decref(jwks);
  char id[16];
  snprintf(id, sizeof id, "co-%d", (int)(c - fake->checkouts));
  if (err) return false;
  if (strcmp(claims.origin, ORIGIN) != 0 || strcmp(claims.checkout_id, id) != 0 || claims.amount_minor != total || strcmp(claims.currency, "CNY") != 0)
    return rk_fail(e, RK_EPAYMENT, "the token pays something else") == RK_OK;
  if (c->jti[0] && strcmp(c->jti, claims.jti) == 0) return true;
  strcpy(c->jti, claims.jti);
  strcpy(c->key, key);
  c->n_charges++;
  c->charged_minor = total;
  return true;
}

/* What the merchant does with a completion, whether or not its answer arrives. */
static enum rk_outcome fake_take(struct fake_checkout *c, const char *key, rk_str body, struct rk_error *e) {
  int64_t total = c->unit_minor * c->quantity + 600 - fake_off(c);
  c->n_sent++;
  if (c->status == RK_CO_COMPLETED || c->status == RK_CO_IN_PROGRESS) {
    if (strcmp(c->key, key) == 0) return RK_OUTCOME_DONE;
    rk_fail(e, RK_ECONFLICT, "already completed under another key");
    return RK_OUTCOME_REFUSED;
  }
  if (fake->refuse || c->status != RK_CO_READY) {
    rk_fail(e, RK_EPAYMENT, "card declined");
    return RK_OUTCOME_REFUSED;
  }
  if (!fake_pay(c, key, body, total, e)) return RK_OUTCOME_REFUSED;
  c->status = fake->busy ? RK_CO_IN_PROGRESS : fake->escalate ? RK_CO_ESCALATION : RK_CO_COMPLETED;
  return RK_OUTCOME_DONE;
}

enum rk_outcome rk_merchant_complete(struct rk_merchants *m, const char *origin, const char *id, const char *key, rk_str body, struct rk_arena *a,
                                     struct rk_checkout *out, struct rk_error *e) {
  struct fake_checkout *c = fake_find(id);
  fake_point("before");
  if (fake->down || fake->lose_request || !c) return RK_OUTCOME_UNKNOWN;
  fake_atomic(true);
  enum rk_outcome outcome = fake_take(c, key, body, e);
  fake_atomic(false);
  fake_point("after");
  if (fake->lose_reply) return RK_OUTCOME_UNKNOWN;
  if (fake->lie_refused) {
    rk_fail(e, RK_EPAYMENT, "card declined");
    return RK_OUTCOME_REFUSED;
  }
  if (outcome == RK_OUTCOME_DONE) fake_fill(c, a, out);
  return outcome == RK_OUTCOME_DONE && c->status != RK_CO_COMPLETED ? RK_OUTCOME_UNKNOWN : outcome;
}

rk_err rk_merchant_order(struct rk_merchants *m, const char *origin, const char *order_id, json_t **out, struct rk_error *e) {
  if (fake->down) return fake_down(e);
  json_t *adjustments = json_array();
  for (int i = 0; i < 2; i++)
    if (fake->refunded[i])
      json_array_append_new(adjustments, json_pack("{s:s+, s:s, s:s, s:[{s:s, s:I}]}", "id", "refund-", i ? "2" : "1", "type", "refund", "status", "completed", "totals",
                                                   "type", "total", "amount", (json_int_t)-fake->refunded[i]));
  *out = json_pack("{s:s, s:s, s:[{s:s}], s:o}", "id", order_id, "currency", "CNY", "line_items", "status", "fulfilled", "adjustments", adjustments);
  return RK_OK;
}

/* One refund for an order: all that is left, less the fee. */
static rk_err fake_refund(const struct fake_checkout *c, struct rk_arena *a, struct rk_refund *out) {
  RK_ASSERT(c != NULL);
  struct rk_refund_line *line = rk_arena_array(a, 1, sizeof *line);
  *line = (struct rk_refund_line){"li_1", "跑步鞋", c->quantity};
  *out = (struct rk_refund){.id = rk_arena_printf(a, "rf-%d", (int)(c - fake->checkouts)), .origin = ORIGIN, .merchant_name = "Fake", .order_id = "", .policy = "7 days",
                            .completed = fake->refunded[0] > 0, .currency = "CNY", .lines = line, .n_lines = 1, .fee_minor = fake->refund_fee,
                            .back_minor = c->charged_minor - fake->refund_fee, .expires_ms = rk_now_ms() + 600000};
  return RK_OK;
}

rk_err rk_merchant_takes_back(struct rk_merchants *m, const char *origin, bool *takes, struct rk_error *e) {
  *takes = !fake->down;
  return fake->down ? fake_down(e) : RK_OK;
}

rk_err rk_merchant_refund_quote(struct rk_merchants *m, const char *origin, const char *order_id, const struct rk_refund_line *lines, int32_t n_lines, const char *lang,
                                struct rk_arena *a, struct rk_refund *out, struct rk_error *e) {
  struct fake_checkout *c = fake_find(order_id + strlen("order-"));
  if (fake->down || !c) return fake_down(e);
  return fake->no_refund ? rk_fail(e, RK_ECONFLICT, "nothing comes back") : fake_refund(c, a, out);
}

enum rk_outcome rk_merchant_refund_confirm(struct rk_merchants *m, const char *origin, const char *refund_id, const char *key, struct rk_arena *a, struct rk_refund *out,
                                           struct rk_error *e) {
  struct fake_checkout *c = fake_find(refund_id);
  fake->n_confirms++;
  if (fake->down || fake->lose_request) return RK_OUTCOME_UNKNOWN;
  if (fake->refuse) return rk_fail(e, RK_ECONFLICT, "too late") ? RK_OUTCOME_REFUSED : RK_OUTCOME_REFUSED;
  fake->refunded[0] = c->charged_minor - fake->refund_fee;
  fake_refund(c, a, out);
  return fake->lose_reply ? RK_OUTCOME_UNKNOWN : RK_OUTCOME_DONE;
}

rk_err rk_merchant_refund_get(struct rk_merchants *m, const char *origin, const char *refund_id, struct rk_arena *a, struct rk_refund *out, struct rk_error *e) {
  return fake->down ? fake_down(e) : fake_refund(fake_find(refund_id), a, out);
}

/* ---- the user's side ---- */

struct side {
  char dir[64];
  struct rk_store *store;
  struct rk_trade *trade;
  const char *user, *chat_id, *turn_id; /* whose approvals side_prepare() makes */
};

static void side_open(struct side *s) {
  struct rk_error e = {0};
  char pem[96];
  snprintf(pem, sizeof pem, "%s/approval.pem", s->dir);
  if (rk_store_open(s->dir, &s->store, &e) || rk_key_load_or_make(pem, &fake_key, &e)) fail_msg("%s", e.msg);
  if (rk_trade_new(&(struct rk_trade_opts){s->store, NULL, fake_key}, &s->trade, &e)) fail_msg("%s", e.msg);
  s->trade->retry_wait_ms = s->trade->patience_ms = 0;
  s->user = rk_store_local_user(s->store);
  s->chat_id = "chat";
  s->turn_id = "turn";
}

static void side_close(struct side *s) {
  rk_trade_free(s->trade);
  rk_key_free(fake_key);
  rk_store_close(s->store);
}

static void side_new(struct side *s) {
  const char *in = getenv("CRASH_DIR");
  snprintf(s->dir, sizeof s->dir, "%.40s/rukou-XXXXXX", in ? in : access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
  assert_non_null(mkdtemp(s->dir));
  side_open(s);
}

static void side_remove(struct side *s) {
  char cmd[128];
  side_close(s);
  snprintf(cmd, sizeof cmd, "rm -rf %s", s->dir);
  assert_int_equal(system(cmd), 0);
}

static const struct rk_coupon fake_coupons[] = {{"MINUS20", "", 2000, 0, 0}, {"MINUS50", "", 1000, 0, 0}, {"BAD", "", 500, 0, 0},
                                                {"NOT-YET", "", 9000, 0, 99999900}};
static const struct rk_option fake_size = {"size", "42"};

static struct rk_offer fake_offer(int32_t n_coupons) {
  struct rk_offer o = {.shop_id = "fake", .shop_name = "Fake", .origin = ORIGIN, .product_id = "shoe", .item_id = "shoe-42", .title = "跑步鞋",
                       .options = &fake_size, .n_options = 1, .unit_price = {fake->unit_minor, "CNY"}, .stock = -1,
                       .coupons = fake_coupons, .n_coupons = n_coupons};
  assert_int_equal(rk_offer_price(&o, 1, ""), RK_OK);
  return o;
}

static inline int side_count_events(const struct side *s, const char *type) {
  json_t *events = rk_store_events(s->store, s->user, 0, 1000), *one;
  size_t i;
  int n = 0;
  json_array_foreach(events, i, one) n += rk_str_eq_c(rk_json_str(one, "type"), type);
  json_decref(events);
  return n;
}

static rk_err side_prepare(struct side *s, const struct rk_offer *o, const char *instrument, int64_t limit, json_t **approval, struct rk_error *e) {
  return rk_trade_prepare(s->trade, &(struct rk_prepare){.user_id = s->user, .chat_id = s->chat_id, .turn_id = s->turn_id, .offer = o,
      .max_total_minor = limit, .deliver_by = "", .instrument_id = instrument, .address = {"张伟", "13800000000", "漕溪北路18号", "上海"}}, approval, e);
}

#endif
