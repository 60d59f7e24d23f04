#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "cli/eval.h"
#include "cli/session.h"
#include "eval/evidence.h"
#include "eval/user.h"

enum { PATH_BYTES = 4096, POLL_MS = 20, TURN_MS = 1200000, CANCEL_MS = 60000 };

struct run {
  struct rk_evaluation *v;
  const json_t *task;
  struct rk_session *session;
  struct rk_app *app;
  const char *user_id;
  struct rk_user user;
  char chat_id[37], turn_id[37];
};

/* ---- decisions ---- */

/* What an approval that is not accepted would wait for, for ever: the balance, say. */
static void decide_one(struct run *r, const json_t *approval) {
  const char *id = rk_json_cstr(approval, "id", ""), *hash = rk_json_cstr(approval, "terms_hash", "");
  const json_t *terms = rk_json_obj(approval, "terms");
  bool purchase = strcmp(rk_json_cstr(approval, "kind", "purchase"), "purchase") == 0;
  bool yes = rk_user_approves(&r->user, purchase ? rk_json_i64(terms, "total_minor", INT64_MAX) : 0, rk_json_cstr(terms, "currency", ""));
  struct rk_error e;
  rk_err err = rk_agent_decide(r->app->agent, r->user_id, "terminal", id, yes ? "approve" : "refuse", hash, &e);
  if (err && yes && rk_agent_decide(r->app->agent, r->user_id, "terminal", id, "refuse", hash, &e)) fprintf(stderr, "rukou: %s\n", e.msg);
}

static void decide_plan(struct run *r, const char *plan_id) {
  json_t *plan = rk_trade_plan(r->app->trade, r->user_id, plan_id), *total;
  const char *currency, *hash = rk_json_cstr(plan, "sheet_hash", "");
  bool yes = plan != NULL;
  struct rk_error e;
  json_object_foreach(rk_json_obj(plan, "totals"), currency, total) yes = yes && rk_user_approves(&r->user, json_integer_value(total), currency);
  rk_err err = rk_agent_decide_plan(r->app->agent, r->user_id, "terminal", plan_id, yes ? "approve" : "refuse", hash, &e);
  if (err && yes && rk_agent_decide_plan(r->app->agent, r->user_id, "terminal", plan_id, "refuse", hash, &e)) fprintf(stderr, "rukou: %s\n", e.msg);
  json_decref(plan);
}

/* Answers the first card that waits, alone or as the plan that it belongs to. */
static void decide(struct run *r) {
  json_t *all = rk_trade_approvals_of_turn(r->app->trade, r->turn_id), *a;
  size_t i;
  json_array_foreach(all, i, a) {
    if (!rk_str_eq_c(rk_json_str(a, "state"), "pending")) continue;
    const char *plan_id = rk_json_cstr(a, "plan_id", NULL);
    if (plan_id) decide_plan(r, plan_id);
    else decide_one(r, a);
    break;
  }
  json_decref(all);
}

/* ---- turns ---- */

static bool is_over(const char *state) { return strcmp(state, "done") == 0 || strcmp(state, "failed") == 0 || strcmp(state, "cancelled") == 0; }

static rk_err wait_for_end(struct run *r, struct rk_error *e) {
  int64_t began_ms = rk_mono_ms();
  for (bool cancelled = false;;) {
    json_t *row = rk_store_turn(r->app->store, r->turn_id);
    bool over = is_over(rk_json_cstr(row, "state", "done")), waits = rk_str_eq_c(rk_json_str(row, "state"), "waiting");
    json_decref(row);
    if (over) return RK_OK;
    if (waits) decide(r);
    int64_t ms = rk_mono_ms() - began_ms;
    if (ms > TURN_MS + CANCEL_MS) return rk_fail(e, RK_ETIMEOUT, "a turn did not end in %d s", TURN_MS / 1000);
    if (ms > TURN_MS && !cancelled && rk_agent_cancel(r->app->agent, r->user_id, r->turn_id, e)) return e->code;
    cancelled = cancelled || ms > TURN_MS;
    rk_sleep_ms(POLL_MS);
  }
}

static bool ended_in_question(struct run *r) {
  json_t *events = rk_store_chat_events(r->app->store, r->user_id, r->chat_id), *mine = json_array(), *ev;
  size_t i;
  json_array_foreach(events, i, ev)
    if (rk_str_eq_c(rk_json_str(ev, "turn_id"), r->turn_id)) json_array_append(mine, ev);
  bool asked = rk_user_is_asked(mine);
  json_decref(mine);
  json_decref(events);
  return asked;
}

static rk_err say(struct run *r, const char *text, struct rk_error *e) {
  rk_err err = rk_session_submit(r->session, text, r->chat_id, r->turn_id, e);
  return err ? err : wait_for_end(r, e);
}

static rk_err talk(struct run *r, struct rk_error *e) {
  bool new_chat_each = rk_task_new_chat_each(r->task);
  rk_err err = RK_OK;
  for (const char *text; !err && (text = rk_user_says(&r->user)); rk_user_next_line(&r->user)) {
    if (new_chat_each) r->chat_id[0] = 0;
    err = say(r, text, e);
    while (!err && ended_in_question(r)) {
      struct rk_buf reply;
      rk_buf_init(&reply, 65536);
      bool replies = rk_user_replies(&r->user, &reply);
      if (replies) err = say(r, reply.p, e);
      rk_buf_release(&reply);
      if (!replies) break;
    }
  }
  return err;
}

/* The wallet of a fresh install goes first: one that is new opens with the task's balance. */
static rk_err set_profile(struct run *r, struct rk_error *e) {
  json_t *p = json_deep_copy(rk_task_profile(&r->v->tasks, r->task)), *bare = json_deep_copy(p);
  json_object_set_new(bare, "instruments", json_array());
  rk_err err = rk_store_profile_set(r->app->store, r->user_id, bare, e);
  if (!err) err = rk_store_profile_set(r->app->store, r->user_id, p, e);
  json_decref(bare);
  json_decref(p);
  return err;
}

/* ---- one run ---- */

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f) {
  (void)st, (void)flag, (void)f;
  return remove(path);
}

static rk_err set_clock(const json_t *task, struct rk_error *e) {
  return setenv("RUKOU_CLOCK", rk_json_cstr(task, "clock", ""), 1) != 0 ? rk_fail(e, RK_ENOMEM, "out of memory") : rk_clock_init(e);
}

/* Tokens and calls of all turns. */
static void add_usage(json_t *result, const json_t *turns) {
  static const char *const keys[] = {"model_calls", "tokens_decoded", "tokens_prefilled", "tokens_cached"};
  size_t i;
  json_t *t;
  for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
    int64_t sum = 0;
    json_array_foreach((json_t *)(uintptr_t)turns, i, t) sum += rk_json_i64(rk_json_obj(t, "usage"), keys[k], 0);
    json_object_set_new(result, keys[k], json_integer(sum));
  }
}

static json_t *judge(struct rk_evaluation *v, const json_t *task, const json_t *evidence, const char *data_dir, int64_t run, int64_t ms) {
  struct rk_case c = {.task = task, .profile = rk_task_profile(&v->tasks, task), .evidence = evidence, .market = &v->market, .dir = data_dir};
  char why[RK_MAX_WHY_BYTES];
  bool pass = rk_check(&c, why);
  json_t *result = json_pack("{s:s, s:I, s:b, s:s}", "id", rk_json_cstr(task, "id", ""), "run", (json_int_t)run, "pass", pass, "why", why);
  json_t *summary = rk_check_summary(&c);
  json_object_update(result, summary);
  json_decref(summary);
  json_object_set_new(result, "seconds", json_real((double)ms / 1000));
  add_usage(result, rk_json_arr(evidence, "turns"));
  return result;
}

static rk_err run_turns(struct rk_evaluation *v, struct rk_cli *c, const json_t *task, int64_t run, int64_t *ms, struct rk_sandbox *shops, struct rk_error *e) {
  struct run r = {.v = v, .task = task};
  struct rk_sampling sampling = RK_SAMPLING_DEFAULT;
  sampling.temperature = (float)v->temperature;
  sampling.seed = (uint64_t)run;
  rk_user_init(&r.user, task);
  rk_err err = rk_session_open_with(c, v->model, &sampling, &r.session, e);
  if (err) return err;
  r.app = rk_session_app(r.session);
  r.user_id = rk_store_local_user(r.app->store);
  *shops = r.app->sandbox; /* its names; the process is the session's */
  err = set_profile(&r, e);
  int64_t began_ms = rk_mono_ms();
  if (!err) err = talk(&r, e);
  *ms = rk_mono_ms() - began_ms;
  rk_session_close(r.session);
  return err;
}

rk_err rk_eval_run(struct rk_evaluation *v, const json_t *task, int64_t run, json_t **result, struct rk_error *e) {
  char data_dir[PATH_BYTES];
  struct rk_cli c = *v->cli;
  struct rk_sandbox shops;
  struct rk_shop_place places[RK_SANDBOX_MAX];
  int64_t ms = 0;
  snprintf(data_dir, sizeof data_dir, "%s/%s", v->scratch, rk_json_cstr(task, "id", ""));
  c.cfg.data_dir = data_dir;
  c.cfg.data_given = true;
  c.cfg.shops = "";
  c.cfg.public_origin = c.cfg.agent_profile_url = "";
  c.cfg.port = c.cfg.shop_port = 0;
  rk_err err = set_clock(task, e);
  if (!err) err = run_turns(v, &c, task, run, &ms, &shops, e);
  if (!err) {
    for (int32_t i = 0; i < v->dirs.n; i++) places[i] = (struct rk_shop_place){v->dirs.path[i], shops.origins[i]};
    json_t *evidence = rk_evidence_read(data_dir, task, places, v->dirs.n, e);
    if (evidence) *result = judge(v, task, evidence, data_dir, run, ms);
    err = evidence ? RK_OK : e->code;
    if (!err && v->keep) err = rk_eval_keep(v, task, run, evidence, *result, data_dir, e);
    json_decref(evidence);
  }
  nftw(data_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  return err;
}
