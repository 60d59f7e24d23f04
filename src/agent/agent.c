/* agent.c - turns in and out: a bounded queue of turn ids and a few workers. */
#include "agent/agent.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "agent/prompt.h"
#include "agent/timer.h"
#include "agent/turn.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/queue.h"
#include "base/utf8.h"

enum {
  RETRY_MS = 20,
  FULL_RETRY_MS = 1000,          /* the queue of turns was full */
  LONGEST_SLEEP_MS = 60000,      /* while an approval waits: the clock of the machine may be set */
  ASK_FIRST_MS = 2000, ASK_MOST_MS = 300000 /* between questions about payments whose outcome is not known */
};

struct job { char turn_id[37], user_id[37], chat_id[37]; };

struct rk_agent {
  struct rk_services sv;
  struct rk_queue *queue;
  pthread_t workers[RK_MAX_TURNS_AT_ONCE];
  int32_t n_workers;
  struct rk_timer *timer;        /* NULL before rk_agent_resume() */
  int32_t n_unknown;             /* this and the next two: timer thread */
  int64_t ask_wait_ms, ask_at_ms;
};

static void poke(struct rk_agent *a) {
  if (a->timer) rk_timer_poke(a->timer);
}

static rk_err enqueue(struct rk_agent *a, const char *turn_id, struct rk_error *e) {
  json_t *row = rk_store_turn(a->sv.store, turn_id);
  struct job *j = row ? calloc(1, sizeof *j) : NULL;
  rk_err err = row ? RK_ENOMEM : RK_ENOTFOUND;
  if (j) {
    rk_utf8_copy(j->turn_id, sizeof j->turn_id, rk_str_c(turn_id));
    rk_utf8_copy(j->user_id, sizeof j->user_id, rk_json_str(row, "user_id"));
    rk_utf8_copy(j->chat_id, sizeof j->chat_id, rk_json_str(row, "chat_id"));
    err = rk_queue_push(a->queue, j);
    if (err) free(j);
  }
  json_decref(row);
  return err ? rk_fail(e, err, err == RK_EBUSY ? "%d turns are waiting already; try again soon" : "the turn cannot be queued (limit %d)", (int)RK_MAX_TURNS_QUEUED) : RK_OK;
}


static void cancel_late(struct rk_agent *a, const struct job *j);

static void *work(void *arg) {
  struct rk_agent *a = arg;
  for (struct job *j; (j = rk_queue_pop(a->queue, -1));) {
    if (rk_live_stopping(a->sv.live)) {
      free(j);
      continue; /* its rows stay: the next start takes it up */
    }
    if (rk_live_begin(a->sv.live, j->user_id, j->chat_id, j->turn_id)) {
      rk_turn_run(&a->sv, j->turn_id);
      cancel_late(a, j);
      rk_live_end(a->sv.live, j->turn_id);
      rk_live_wake(a->sv.live, j->user_id);
      free(j);
      poke(a); /* it may wait for an approval now, or have left a payment open */
    } else { /* another worker is just ending a step of it */
      rk_sleep_ms(RETRY_MS);
      if (rk_queue_push(a->queue, j)) free(j);
    }
  }
  return NULL;
}

rk_err rk_agent_new(const struct rk_agent_opts *o, struct rk_agent **out, struct rk_error *e) {
  struct rk_agent *a = calloc(1, sizeof *a);
  if (!a) return rk_fail(e, RK_ENOMEM, "out of memory");
  a->sv = (struct rk_services){.store = o->store, .trade = o->trade, .merchants = o->merchants, .model = o->model, .live = rk_live_new(), .net = o->net, .search_url = o->net && o->search_url ? o->search_url : "",
                               .prefix = rk_prompt_messages(), .plan_prefix = rk_prompt_plan_messages(),
                               .sampling = o->sampling ? *o->sampling : RK_SAMPLING_DEFAULT};
  a->queue = rk_queue_new(RK_MAX_TURNS_QUEUED);
  if (!a->sv.live || !a->queue) {
    rk_agent_free(a);
    return rk_fail(e, RK_ENOMEM, "out of memory");
  }
  for (; a->n_workers < RK_MAX_TURNS_AT_ONCE; a->n_workers++)
    if (pthread_create(&a->workers[a->n_workers], NULL, work, a) != 0) break;
  if (a->n_workers == 0) {
    rk_agent_free(a);
    return rk_fail(e, RK_EBUSY, "no thread could be started for turns");
  }
  *out = a;
  return RK_OK;
}

void rk_agent_free(struct rk_agent *a) {
  if (!a) return;
  if (a->sv.live) rk_live_stop(a->sv.live);
  if (a->queue) rk_queue_close(a->queue);
  for (int32_t i = 0; i < a->n_workers; i++) pthread_join(a->workers[i], NULL);
  rk_timer_free(a->timer); /* after the workers, which poke it when a turn has ended */
  if (a->queue) rk_queue_free(a->queue);
  rk_live_free(a->sv.live);
  json_decref(a->sv.prefix);
  json_decref(a->sv.plan_prefix);
  free(a);
}

/* The approval, or the plan, that a waiting turn stands at; NULL: it no longer waits. New reference. */
static json_t *pending(struct rk_agent *a, const char *user_id, const json_t *turn) {
  const json_t *journal = rk_json_obj(turn, "journal");
  const char *id = rk_json_cstr(journal, "approval_id", NULL), *plan_id = rk_json_cstr(journal, "plan_id", NULL);
  json_t *v = plan_id ? rk_trade_plan(a->sv.trade, user_id, plan_id) : id ? rk_trade_approval_current(a->sv.trade, user_id, id) : NULL;
  if (v && strcmp(rk_json_cstr(v, "state", ""), "pending") == 0) return v;
  json_decref(v);
  return NULL;
}

static rk_err refuse(struct rk_agent *a, const char *user_id, const json_t *waiting, struct rk_error *e) {
  const char *id = rk_json_cstr(waiting, "id", ""), *sheet = rk_json_cstr(waiting, "sheet_hash", NULL);
  return sheet ? rk_trade_plan_decide(a->sv.trade, user_id, "page", id, "refuse", sheet, e)
               : rk_trade_decide(a->sv.trade, user_id, "page", id, "refuse", rk_json_cstr(waiting, "terms_hash", ""), e);
}

/* ---- what time alone brings about ---- */

static bool go_on(struct rk_agent *a, const json_t *turn) {
  const char *id = rk_json_cstr(turn, "id", "");
  struct rk_error e;
  if (rk_store_turn_move(a->sv.store, id, "waiting", "completing", &e)) return true; /* the user was faster */
  if (!enqueue(a, id, &e)) return true;
  if (rk_store_turn_move(a->sv.store, id, "completing", "waiting", &e)) rk_log(RK_LOG_ERROR, "agent", "turn %s: %s", id, e.msg);
  return false;
}

/* Ends the turns whose approval is over. Returns ms until the next one is due, < 0: none. */
static int64_t end_late(struct rk_agent *a) {
  struct rk_error e;
  int64_t next_ms = 0;
  bool queued = true;
  if (rk_trade_expire_late(a->sv.trade, &next_ms, &e)) rk_log(RK_LOG_WARN, "agent", "late approvals: %s", e.msg);
  json_t *waiting = rk_store_turns_waiting(a->sv.store), *turn;
  size_t i;
  json_array_foreach(waiting, i, turn) {
    json_t *v = pending(a, rk_json_cstr(turn, "user_id", ""), turn);
    if (!v) queued = go_on(a, turn) && queued;
    json_decref(v);
  }
  json_decref(waiting);
  if (!queued) return FULL_RETRY_MS;
  if (!next_ms) return -1;
  int64_t left = next_ms - rk_now_ms();
  return left < 0 ? 0 : left < LONGEST_SLEEP_MS ? left : LONGEST_SLEEP_MS;
}

/* Asks about open payments when it is time. Returns ms until the next question, < 0: nothing is open. */
static int64_t ask_about_payments(struct rk_agent *a) {
  int32_t n = rk_trade_n_open(a->sv.trade);
  int64_t now = rk_mono_ms();
  if (n > a->n_unknown) a->ask_wait_ms = ASK_FIRST_MS, a->ask_at_ms = now + ASK_FIRST_MS;
  a->n_unknown = n;
  if (n == 0) return -1;
  if (now < a->ask_at_ms) return a->ask_at_ms - now;
  rk_agent_reconcile(a, rk_store_local_user(a->sv.store));
  a->ask_wait_ms = 2 * a->ask_wait_ms < ASK_MOST_MS ? 2 * a->ask_wait_ms : ASK_MOST_MS;
  a->ask_at_ms = rk_mono_ms() + a->ask_wait_ms;
  a->n_unknown = rk_trade_n_open(a->sv.trade);
  return a->n_unknown ? a->ask_wait_ms : -1;
}

static int64_t tick(void *ud) {
  struct rk_agent *a = ud;
  int64_t due[3] = {end_late(a), ask_about_payments(a), -1}, next = -1;
  rk_trade_poll_orders(a->sv.trade, &due[2]);
  for (int i = 0; i < 3; i++)
    if (due[i] >= 0 && (next < 0 || due[i] < next)) next = due[i];
  return next;
}

rk_err rk_agent_resume(struct rk_agent *a, struct rk_error *e) {
  int32_t n_open;
  struct rk_error ignored;
  if (rk_trade_reconcile(a->sv.trade, &n_open, &ignored)) rk_log(RK_LOG_WARN, "agent", "payments could not be reconciled yet: %s", ignored.msg);
  json_t *open = rk_store_turns_open(a->sv.store), *row;
  size_t i;
  rk_err err = RK_OK;
  json_array_foreach(open, i, row) {
    if (!err) err = enqueue(a, rk_json_cstr(row, "id", ""), e);
  }
  json_decref(open);
  if (!err && !(a->timer = rk_timer_new(tick, a))) err = rk_fail(e, RK_EBUSY, "no thread could be started for the timer");
  return err;
}

rk_err rk_agent_submit(struct rk_agent *a, const struct rk_turn_new *in, char chat_id[37], char turn_id[37], struct rk_error *e) {
  if (in->text.n > RK_MAX_MESSAGE_BYTES)
    return rk_fail(e, RK_ETOOBIG, "the message has %zu bytes; at most %d are taken", in->text.n, (int)RK_MAX_MESSAGE_BYTES);
  if (!rk_utf8_valid(in->text)) return rk_fail(e, RK_EFORMAT, "the message is not valid UTF-8");
  if (rk_str_trim(in->text).n == 0) return rk_fail(e, RK_EINVAL, "the message is empty");
  if (rk_queue_len(a->queue) >= RK_MAX_TURNS_QUEUED) return rk_fail(e, RK_EBUSY, "%d turns are waiting already; try again soon", (int)RK_MAX_TURNS_QUEUED);
  bool existed = false;
  rk_err err = rk_store_turn_new(a->sv.store, in, chat_id, turn_id, &existed, e);
  if (err) return err;
  rk_live_wake(a->sv.live, in->user_id);
  return existed ? RK_OK : enqueue(a, turn_id, e);
}

/* The turn is taken out of the timer's and the workers' reach first. */
static rk_err cancel_waiting(struct rk_agent *a, const char *user_id, const json_t *turn, struct rk_error *e) {
  const char *id = rk_json_cstr(turn, "id", "");
  rk_err err = rk_store_turn_move(a->sv.store, id, "waiting", "completing", e);
  if (err) return err == RK_EGONE ? rk_fail(e, RK_ECONFLICT, "the turn goes on just now and can no longer be stopped") : err;
  json_t *waiting = pending(a, user_id, turn);
  if (waiting) err = refuse(a, user_id, waiting, e);
  json_decref(waiting);
  if (!err) return rk_turn_end_cancelled(&a->sv, id, e);
  struct rk_error ignored;
  if (rk_store_turn_move(a->sv.store, id, "completing", "waiting", &ignored)) rk_log(RK_LOG_ERROR, "agent", "turn %s: %s", id, ignored.msg);
  return err;
}

/* The user cancelled while the turn wrote down that it waits: nobody would look at the flag any more. */
static void cancel_late(struct rk_agent *a, const struct job *j) {
  const atomic_int *flag = rk_live_cancel_flag(a->sv.live, j->turn_id);
  struct rk_error e;
  if (!flag || !atomic_load((atomic_int *)(uintptr_t)flag) || rk_live_stopping(a->sv.live)) return;
  json_t *turn = rk_store_turn(a->sv.store, j->turn_id);
  if (strcmp(rk_json_cstr(turn, "state", ""), "waiting") == 0 && cancel_waiting(a, j->user_id, turn, &e))
    rk_log(RK_LOG_WARN, "agent", "turn %s was to be cancelled: %s", j->turn_id, e.msg);
  json_decref(turn);
}

rk_err rk_agent_cancel(struct rk_agent *a, const char *user_id, const char *turn_id, struct rk_error *e) {
  json_t *turn = rk_store_turn(a->sv.store, turn_id);
  rk_err err = RK_OK;
  const char *state = rk_json_cstr(turn, "state", "");
  if (!turn || strcmp(rk_json_cstr(turn, "user_id", ""), user_id) != 0) {
    err = rk_fail(e, RK_ENOTFOUND, "there is no such turn");
  } else if (strcmp(state, "completing") == 0) {
    err = rk_fail(e, RK_ECONFLICT, "the purchase is being completed and can no longer be stopped");
  } else if (strcmp(state, "waiting") == 0) {
    err = cancel_waiting(a, user_id, turn, e);
  } else if (!rk_live_cancel(a->sv.live, turn_id) && strcmp(state, "queued") == 0) {
    err = rk_turn_end_cancelled(&a->sv, turn_id, e);
  }
  json_decref(turn);
  return err;
}

static bool has_ended(const char *turn_state) {
  return strcmp(turn_state, "done") == 0 || strcmp(turn_state, "failed") == 0 || strcmp(turn_state, "cancelled") == 0;
}

/* After a decision: the turn that waited for it (turn_id "": none), and the timer, which completes what no turn waits for. */
static void go_on_after(struct rk_agent *a, const char *user_id, const char *turn_id) {
  struct rk_error queued;
  if (turn_id[0] && enqueue(a, turn_id, &queued)) rk_log(RK_LOG_WARN, "agent", "turn %s: %s", turn_id, queued.msg);
  poke(a);
  rk_live_wake(a->sv.live, user_id);
}

rk_err rk_agent_decide(struct rk_agent *a, const char *user_id, const char *session_kind, const char *approval_id, const char *decision,
                       const char *terms_hash, struct rk_error *e) {
  json_t *approval = rk_trade_approval(a->sv.trade, user_id, approval_id);
  if (!approval) return rk_fail(e, RK_ENOTFOUND, "there is no such approval");
  char turn_id[37];
  rk_utf8_copy(turn_id, sizeof turn_id, rk_json_str(approval, "turn_id"));
  json_t *turn = rk_store_turn(a->sv.store, turn_id);
  const char *state = rk_json_cstr(turn, "state", "");
  bool waits = strcmp(state, "waiting") == 0, ended = has_ended(state);
  json_decref(turn);
  json_decref(approval);
  /* Marked first: if we are killed after the decision, the next start finds the turn among the open ones. */
  rk_err err = waits ? rk_store_turn_move(a->sv.store, turn_id, "waiting", "completing", e) : RK_OK;
  if (err == RK_EGONE) err = RK_OK, waits = false; /* the timer was faster: it is over, which is what will be said */
  if (err) return err;
  err = rk_trade_decide(a->sv.trade, user_id, session_kind, approval_id, decision, terms_hash, e);
  if (err && err != RK_EGONE && waits) {
    struct rk_error ignored;
    if (rk_store_turn_state(a->sv.store, turn_id, "waiting", &ignored)) rk_log(RK_LOG_ERROR, "agent", "turn %s: %s", turn_id, ignored.msg);
    return err;
  }
  go_on_after(a, user_id, ended ? "" : turn_id);
  return err;
}

rk_err rk_agent_decide_plan(struct rk_agent *a, const char *user_id, const char *session_kind, const char *plan_id, const char *decision,
                            const char *sheet_hash, struct rk_error *e) {
  json_t *plan = rk_trade_plan(a->sv.trade, user_id, plan_id);
  if (!plan) return rk_fail(e, RK_ENOTFOUND, "there is no such plan");
  char turn_id[37];
  rk_utf8_copy(turn_id, sizeof turn_id, rk_json_str(plan, "turn_id"));
  json_decref(plan);
  json_t *turn = rk_store_turn(a->sv.store, turn_id);
  const char *state = rk_json_cstr(turn, "state", "");
  bool waits = strcmp(state, "waiting") == 0, ended = has_ended(state);
  json_decref(turn);
  if (waits && rk_store_turn_move(a->sv.store, turn_id, "waiting", "completing", e)) waits = false; /* the timer was faster */
  rk_err err = rk_trade_plan_decide(a->sv.trade, user_id, session_kind, plan_id, decision, sheet_hash, e);
  struct rk_error ignored;
  if (err && err != RK_EGONE && waits) {
    if (rk_store_turn_state(a->sv.store, turn_id, "waiting", &ignored)) rk_log(RK_LOG_ERROR, "agent", "turn %s: %s", turn_id, ignored.msg);
    return err;
  }
  go_on_after(a, user_id, ended ? "" : turn_id);
  return err;
}

rk_err rk_agent_plan_new(struct rk_agent *a, const char *user_id, const char *title, const char *const *approval_ids, int32_t n, json_t **plan, struct rk_error *e) {
  rk_err err = rk_trade_plan_new(a->sv.trade, user_id, title, approval_ids, n, plan, e);
  if (!err) rk_live_wake(a->sv.live, user_id);
  return err;
}

rk_err rk_agent_edit_plan(struct rk_agent *a, const char *user_id, const char *session_kind, const char *plan_id, const char *on_failure, struct rk_error *e) {
  rk_err err = rk_trade_plan_edit(a->sv.trade, user_id, session_kind, plan_id, on_failure, e);
  if (!err) rk_live_wake(a->sv.live, user_id);
  return err;
}

rk_err rk_agent_edit(struct rk_agent *a, const char *user_id, const char *session_kind, const char *approval_id, const json_t *changes,
                     json_t **approval, struct rk_error *e) {
  rk_err err = rk_trade_edit(a->sv.trade, user_id, session_kind, approval_id, changes, approval, e);
  if (!err) rk_live_wake(a->sv.live, user_id);
  return err;
}

void rk_agent_reconcile(struct rk_agent *a, const char *user_id) {
  int32_t n_open;
  struct rk_error ignored;
  if (rk_trade_reconcile(a->sv.trade, &n_open, &ignored)) rk_log(RK_LOG_WARN, "agent", "payments could not be reconciled yet: %s", ignored.msg);
  rk_live_wake(a->sv.live, user_id);
}

void rk_agent_stats(const struct rk_agent *a, struct rk_agent_stats *out) {
  const struct rk_turn_counts *c = &a->sv.counts;
  *out = (struct rk_agent_stats){.turns_ended = atomic_load(&c->turns_ended), .model_calls = atomic_load(&c->model_calls),
                                 .tokens_prompt = atomic_load(&c->tokens_prompt), .tokens_cached = atomic_load(&c->tokens_cached),
                                 .tokens_completion = atomic_load(&c->tokens_completion)};
}

struct rk_listener *rk_agent_listen(struct rk_agent *a, const char *user_id, void (*fn)(void *ud), void *ud) { return rk_live_listen(a->sv.live, user_id, fn, ud); }
void rk_agent_unlisten(struct rk_agent *a, struct rk_listener *l) { rk_live_unlisten(a->sv.live, l); }
json_t *rk_agent_running(struct rk_agent *a, const char *user_id, const json_t *since) { return rk_live_running(a->sv.live, user_id, since); }
