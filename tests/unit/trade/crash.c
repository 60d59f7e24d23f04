/* Thousands of orders by a process that is killed (kill -9) at random moments,
 * at every numbered step and around every payment, at a merchant that loses
 * requests and replies, refuses, lies and vanishes. After each death a new
 * process reconciles; then every checkout has one charge and one order, or
 * neither, and the ledger says the same.
 *
 * CRASH_ORDERS=N (default 1200) CRASH_DIR=DIR (default: memory; a soak is on disk). */
#include "fake_merchant.h"

#include <errno.h>
#include <sys/time.h>

enum { FULL_CHECK_EVERY = 100, KILL_POINT_ONE_IN = 12, KILL_STEP_ONE_IN = 3 };
static int32_t ORDERS = 1200;

/* Survives the processes. */
static struct { int64_t order_us; int32_t starts, recovered, step, at_step[RK_TRADE_STEPS + 1]; uint64_t seed; } *kept;

static uint64_t dice(uint64_t n) {
  uint64_t x = kept->seed;
  x ^= x << 13, x ^= x >> 7, x ^= x << 17;
  kept->seed = x;
  return x % n;
}

#define MUST(cond) ((cond) ? (void)0 : broken(#cond, __LINE__))
static void broken(const char *what, int line) {
  fprintf(stderr, "crash.c:%d: broken after %d orders: %s\n", line, fake->n, what);
  _exit(3);
}

static void die_sometimes(const char *where) {
  if (dice(KILL_POINT_ONE_IN) == 0) kill(getpid(), SIGKILL);
}

static void die_at_step(enum rk_trade_step step) {
  if ((int32_t)step != kept->step) return;
  kept->step = 0;
  kept->at_step[step]++;
  kill(getpid(), SIGKILL);
}

static void arm(int64_t us) {
  struct itimerval t = {.it_value = {us / 1000000, us % 1000000}};
  setitimer(ITIMER_REAL, &t, NULL);
}

static int64_t number(struct side *s, const char *sql) {
  json_t *r = rk_db_one(rk_store_db(s->store), NULL, sql, "");
  int64_t n = rk_json_i64(r, "n", -1);
  json_decref(r);
  return n;
}

/* ---- what must hold whenever nothing is under way ---- */

static void check_counts(struct side *s) {
  int64_t orders = number(s, "SELECT COUNT(*) AS n FROM orders"), captures = number(s, "SELECT COUNT(*) AS n FROM ledger WHERE kind='capture'");
  int64_t opened = number(s, "SELECT COUNT(*) AS n FROM ledger WHERE kind='authorize'"), voids = number(s, "SELECT COUNT(*) AS n FROM ledger WHERE kind='void'");
  int64_t completed = number(s, "SELECT COUNT(*) AS n FROM approvals WHERE state='completed'");
  int64_t under_way = number(s, "SELECT COUNT(*) AS n FROM approvals WHERE state IN ('approved','completing','unknown')");
  MUST(orders >= 0 && orders == captures && orders == completed);
  MUST(opened == captures + voids);
  MUST(under_way == 0);
}

static void check_every_checkout(struct side *s) {
  int32_t sold = 0;
  check_counts(s);
  for (int32_t i = 0; i < fake->n; i++) {
    struct fake_checkout *c = &fake->checkouts[i];
    char id[32];
    snprintf(id, sizeof id, "order-co-%d", i);
    MUST(c->n_charges <= 1);
    MUST((c->n_charges == 1) == (c->status == RK_CO_COMPLETED));
    json_t *r = rk_db_one(rk_store_db(s->store), NULL, "SELECT COUNT(*) AS n, COALESCE(SUM(l.amount_minor),0) AS charged FROM orders o"
                          " JOIN ledger l ON l.order_id=o.id AND l.kind='capture' WHERE o.merchant_order_id=?", "t", id);
    MUST(rk_json_i64(r, "n", -1) == c->n_charges);
    MUST(rk_json_i64(r, "charged", -1) == c->charged_minor);
    json_decref(r);
    sold += c->n_charges;
  }
  MUST(number(s, "SELECT COUNT(*) AS n FROM orders") == sold);
}

static void heal(void) {
  int32_t n = fake->n;
  fake->down = fake->get_down = fake->refuse = fake->busy = fake->lose_request = fake->lose_reply = fake->lie_refused = false;
  fake->price_after = 0;
  fake->point = NULL;
  fake->n = n;
}

static void recover(struct side *s) {
  int32_t n_open = -1;
  int64_t before = number(s, "SELECT COUNT(*) AS n FROM orders");
  heal();
  MUST(rk_trade_reconcile(s->trade, &n_open, NULL) == RK_OK);
  MUST(n_open == 0);
  kept->recovered += (int32_t)(number(s, "SELECT COUNT(*) AS n FROM orders") - before);
  if (kept->starts % FULL_CHECK_EVERY == 0 || fake->n >= ORDERS) check_every_checkout(s);
  else check_counts(s);
}

/* ---- one order, under one fault ---- */

static void misbehave(void) {
  bool *const faults[] = {&fake->lose_request, &fake->lose_reply, &fake->refuse, &fake->lie_refused, &fake->get_down, &fake->busy, &fake->down};
  uint64_t k = dice(2 * sizeof faults / sizeof *faults);
  heal();
  fake->point = die_sometimes;
  if (k < sizeof faults / sizeof *faults) *faults[k] = true;
  else if (k == sizeof faults / sizeof *faults) fake->price_after = fake->unit_minor + 100;
  else if (k == sizeof faults / sizeof *faults + 1) fake->price_after = fake->unit_minor - 100;
}

static void one_order(struct side *s) {
  struct rk_offer o = fake_offer(2);
  struct rk_error e;
  json_t *a = NULL, *order = NULL;
  int64_t start = rk_mono_us();
  kept->step = dice(KILL_STEP_ONE_IN) ? 0 : 1 + (int32_t)dice(RK_TRADE_STEPS);
  if (!kept->step) arm(1 + (int64_t)dice((uint64_t)kept->order_us * 2));
  heal();
  MUST(side_prepare(s, &o, "card", 0, &a, &e) == RK_OK);
  const char *id = rk_json_cstr(a, "id", ""), *hash = rk_json_cstr(a, "terms_hash", "");
  misbehave();
  const char *decision = dice(8) ? "approve" : "refuse";
  for (uint64_t i = 0; i <= dice(2); i++) MUST(rk_trade_decide(s->trade, s->user, "page", id, decision, hash, &e) == RK_OK);
  for (uint64_t i = 0; i <= dice(2); i++) {
    rk_err err = rk_trade_complete(s->trade, id, &order, &e);
    MUST(err == RK_OK || e.msg[0]);
    json_decref(order);
  }
  arm(0);
  heal();
  int32_t n_open;
  MUST(rk_trade_reconcile(s->trade, &n_open, &e) == RK_OK && n_open == 0);
  kept->order_us += (rk_mono_us() - start - kept->order_us) / 8;
  json_decref(a);
}

static void live(struct side *s) {
  side_open(s);
  s->trade->on_step = die_at_step; /* also while it recovers */
  recover(s);
  while (fake->n < ORDERS) one_order(s);
  check_every_checkout(s);
  side_close(s);
}

static void no_double_charge_and_no_charge_without_order(void **state) {
  struct side s;
  fake_reset();
  fake->max_code_minor = 3000;
  side_new(&s);
  side_close(&s);
  *kept = (__typeof__(*kept)){.order_us = 3000, .seed = 88172645463325252ULL};
  int killed = 0, status;
  for (;;) {
    kept->starts++;
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
      live(&s);
      _exit(0);
    }
    while (waitpid(pid, &status, 0) < 0) assert_int_equal(errno, EINTR);
    if (!WIFSIGNALED(status)) break;
    assert_true(WTERMSIG(status) == SIGALRM || WTERMSIG(status) == SIGKILL);
    killed++;
  }
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
  side_open(&s);
  int64_t orders = number(&s, "SELECT COUNT(*) AS n FROM orders");
  print_message("%d checkouts, %d deaths, %lld orders, %d of them found again after a death; deaths at steps", fake->n, killed, (long long)orders, kept->recovered);
  for (int i = 1; i <= RK_TRADE_STEPS; i++) {
    print_message(" %d: %d", i, kept->at_step[i]);
    assert_true(kept->at_step[i] > 0);
  }
  print_message("\n");
  assert_true(killed > ORDERS / 5); /* the test must have tested something */
  assert_true(kept->recovered > ORDERS / 50);
  assert_true(orders > ORDERS / 5);
  side_remove(&s);
}

int main(void) {
  int64_t orders;
  if (getenv("CRASH_ORDERS") && rk_str_i64(rk_str_c(getenv("CRASH_ORDERS")), &orders) && orders > 0 && orders < FAKE_MAX - 100) ORDERS = (int32_t)orders;
  fake_start();
  kept = mmap(NULL, sizeof *kept, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (kept == MAP_FAILED) return 1;
  const struct CMUnitTest tests[] = {cmocka_unit_test(no_double_charge_and_no_charge_without_order)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
