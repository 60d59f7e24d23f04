/* plan_run.c - an approved plan on its way to its end.
 *
 *   approved    every part is read again; nothing was sent yet
 *   completing  one part after the other is paid, those that can be undone first
 *   undoing     a part failed: what waits is released, what was bought is given back
 *   completed | undone | partial
 *
 * There is no journal beside the rows: each step is the row of a part, of an
 * order or of a refund, committed before anything is sent for it, and what to
 * do next is read from them. So a process that dies anywhere goes on there.
 * While the outcome of a part or of a refund is unknown, nothing is decided
 * about it: the plan waits for what the merchant says. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "trade/internal.h"

enum {
  UNDO_TRIES = 3,                /* refunds asked for one order; a refused one is quoted anew */
  UNDO_PATIENCE = 5              /* times the patience of a payment: then a part that nobody gives back stands */
};

/* ---- the order ---- */

/* 0: the merchant says what giving it back costs; 1: it takes it back, and does not say; 2: it does not. */
static int undo_class(const json_t *row) {
  if (!rk_json_obj(rk_json_obj(row, "asked"), "undo")) return 2;
  return rk_trade_undo_fee(row) < 0 ? 1 : 0;
}

/* What is lost least when it must be undone comes first; of what cannot be undone, the cheapest. */
static int before(const void *x, const void *y) {
  const json_t *a = *(json_t *const *)x, *b = *(json_t *const *)y;
  int64_t keys[4][2] = {{undo_class(a), undo_class(b)}, {rk_trade_undo_fee(a), rk_trade_undo_fee(b)},
                        {rk_json_i64(a, "total_minor", 0), rk_json_i64(b, "total_minor", 0)},
                        {rk_json_i64(a, "plan_position", 0), rk_json_i64(b, "plan_position", 0)}};
  for (int i = 0; i < 4; i++)
    if (keys[i][0] != keys[i][1]) return keys[i][0] < keys[i][1] ? -1 : 1;
  return 0;
}

struct walk {
  struct rk_trade *t;
  const char *id;
  json_t *plan, *rows;            /* rows: as the sheet shows them */
  json_t *part[RK_MAX_PLAN_PARTS]; /* borrowed from rows, in the order of completion */
  size_t n;
};

static void release_walk(struct walk *w) {
  json_decref(w->plan);
  json_decref(w->rows);
  w->plan = w->rows = NULL;
}

static rk_err load(struct walk *w, struct rk_error *e) {
  release_walk(w);
  w->plan = rk_store_plan(w->t->store, w->id);
  w->rows = rk_store_plan_approvals(w->t->store, w->id);
  if (!w->plan || !w->rows) return rk_fail(e, RK_ENOTFOUND, "there is no such plan");
  w->n = json_array_size(w->rows);
  RK_ASSERT(w->n <= RK_MAX_PLAN_PARTS);
  for (size_t i = 0; i < w->n; i++) w->part[i] = json_array_get(w->rows, i);
  qsort(w->part, w->n, sizeof *w->part, before);
  return RK_OK;
}

static bool plan_is(const struct walk *w, const char *state) { return rk_str_eq_c(rk_json_str(w->plan, "state"), state); }
static bool undoes(const struct walk *w) { return rk_str_eq_c(rk_json_str(w->plan, "on_failure"), "undo"); }
static bool part_is(const json_t *row, const char *state) { return rk_str_eq_c(rk_json_str(row, "state"), state); }
static const char *id_of(const json_t *row) { return rk_json_cstr(row, "id", ""); }

static bool any_is(const struct walk *w, const char *state) {
  for (size_t i = 0; i < w->n; i++)
    if (part_is(w->part[i], state)) return true;
  return false;
}

/* The state of the plan and the event that tells of it. */
static rk_err move(const struct walk *w, const char *to, struct rk_error *e) {
  rk_err err = rk_db_begin(rk_store_db(w->t->store), e);
  if (err) return err;
  err = rk_store_plan_move(w->t->store, w->id, rk_json_cstr(w->plan, "state", ""), to, e);
  if (!err) err = rk_trade_plan_event(w->t, w->id, e);
  return rk_trade_end(w->t, err, e);
}

static rk_err note(const struct walk *w, const json_t *row, const char *code, struct rk_error *e) {
  rk_log(RK_LOG_INFO, "trade", "plan %s: the part %s stands: %s", w->id, id_of(row), code);
  return rk_store_plan_note(w->t->store, w->id, id_of(row), code, e);
}

static const char *note_of(const json_t *plan, const json_t *row) { return rk_json_cstr(rk_json_obj(plan, "notes"), id_of(row), NULL); }

/* Our own side does not work: no end of anything. */
static bool is_ours(rk_err err) { return err == RK_ENOSPC || err == RK_EIO || err == RK_ENOMEM; }

/* What is in the store decides, not what a function said on its way. */
static bool is_now(struct rk_trade *t, const json_t *row, const char *state) {
  json_t *now = rk_store_approval(t->store, id_of(row));
  bool yes = part_is(now, state);
  json_decref(now);
  return yes;
}

/* ---- approved: the whole is looked at before a part is paid ---- */

static rk_err look_again(struct walk *w, struct rk_error *e) {
  bool failed = false;
  for (size_t i = 0; i < w->n && !(failed && undoes(w)); i++) {
    struct rk_error why = {RK_OK, ""};
    rk_err err = rk_trade_look_again(w->t, id_of(w->part[i]), &why);
    bool gone = is_now(w->t, w->part[i], "failed");
    if (err && !gone) return rk_fail(e, err, "%s", why.msg);
    failed = failed || gone;
  }
  return move(w, failed && undoes(w) ? "undoing" : "completing", e);
}

/* ---- completing ---- */

/* RK_OK: the part has an end. */
static rk_err bring_on(struct walk *w, const json_t *row, struct rk_error *e) {
  rk_err err = rk_trade_bring_on(w->t, id_of(row), e);
  if (is_now(w->t, row, "completed") || is_now(w->t, row, "failed")) return rk_trade_plan_event(w->t, w->id, e);
  return err ? err : rk_fail(e, RK_EUNAVAIL, "a part of the plan has no end yet");
}

static rk_err end_of(const struct walk *w, struct rk_error *e) {
  bool stands = any_is(w, "completed");
  return move(w, !any_is(w, "failed") ? "completed" : stands ? "partial" : "undone", e);
}

/* One after the other. With undo, what has no end yet holds up the rest; with keep, the parts do not depend on each other. */
static rk_err complete_parts(struct walk *w, struct rk_error *e) {
  rk_err open = RK_OK;
  for (size_t i = 0; i < w->n; i++) {
    const json_t *row = w->part[i];
    struct rk_error why = {RK_OK, ""};
    if (part_is(row, "completed")) continue;
    rk_err err = part_is(row, "failed") ? RK_OK : bring_on(w, row, &why);
    if (err && (undoes(w) || is_ours(err))) return rk_fail(e, err, "%s", why.msg);
    if (err) open = rk_fail(e, err, "%s", why.msg);
    if (!err && undoes(w) && is_now(w->t, row, "failed")) return move(w, "undoing", e);
  }
  if (open) return open;
  rk_err err = load(w, e);
  return err ? err : end_of(w, e);
}

/* ---- undoing ---- */

static int64_t asked_back(struct rk_trade *t, const json_t *refund) {
  json_t *intent = rk_store_intent(t->store, id_of(refund));
  int64_t amount = rk_json_i64(intent, "amount_minor", INT64_MAX);
  json_decref(intent);
  return amount;
}

/* Its money has come back: by this refund (NULL: none), or whole in whatever way. */
static bool is_back(struct rk_trade *t, const json_t *order, const json_t *refund) {
  int64_t back = rk_store_order_refunded(t->store, id_of(order));
  return (refund && part_is(refund, "completed") && back >= asked_back(t, refund)) || (back > 0 && back >= rk_trade_charged(t, order));
}

static bool patience_is_over(const struct walk *w) {
  return rk_now_ms() - rk_json_i64(w->plan, "undo_ms", 0) >= UNDO_PATIENCE * w->t->patience_ms;
}

/* Not now. After a while it stands, and why is written down. */
static rk_err wait_or(const struct walk *w, const json_t *row, const char *code, struct rk_error *e) {
  if (patience_is_over(w)) return note(w, row, code, e);
  return rk_fail(e, RK_EUNAVAIL, "%s does not give back yet; it is asked again", rk_json_cstr(row, "merchant_origin", ""));
}

/* A quote that costs no more than the sheet says is approved and sent; all else stands. */
static rk_err ask_back(const struct walk *w, const json_t *row, const json_t *order, struct rk_error *e) {
  bool takes = false;
  json_t *approval = NULL;
  struct rk_error why = {RK_OK, ""};
  rk_err err = rk_merchant_takes_back(w->t->merchants, rk_json_cstr(row, "merchant_origin", ""), &takes, &why);
  if (!err && !takes) return note(w, row, "no_request", e);
  if (!err) err = rk_trade_undo(w->t, order, rk_trade_undo_fee(row), &approval, &why);
  json_decref(approval);
  if (!err) return RK_OK; /* approved: it is sent in the next step */
  if (is_ours(err)) return rk_fail(e, err, "%s", why.msg);
  if (err == RK_ECONFLICT) return note(w, row, "nothing_back", e);
  return err == RK_EPAYMENT ? note(w, row, "fee_higher", e) : wait_or(w, row, "no_answer", e);
}

static bool has_end(const json_t *row) { return part_is(row, "completed") || part_is(row, "failed"); }

static rk_err finish_refund(const struct walk *w, const json_t *refund, struct rk_error *e) {
  rk_err err = rk_trade_bring_on(w->t, id_of(refund), e);
  if (is_now(w->t, refund, "completed") || is_now(w->t, refund, "failed")) return RK_OK;
  return err ? err : rk_fail(e, RK_EUNAVAIL, "a refund has no end yet");
}

/* Confirmed; the ledger follows the merchant's order. */
static rk_err see_refund(const struct walk *w, const json_t *row, const json_t *order, const json_t *refund, struct rk_error *e) {
  struct rk_error ignored = {RK_OK, ""};
  json_decref(rk_trade_order_status(w->t, rk_json_cstr(row, "user_id", ""), id_of(order), &ignored));
  return is_back(w->t, order, refund) ? RK_OK : wait_or(w, row, "refund_not_seen", e);
}

static json_t *last_refund(struct rk_trade *t, const json_t *order, size_t *n) {
  json_t *refunds = rk_store_plan_refunds(t->store, id_of(order)), *last;
  *n = json_array_size(refunds);
  last = *n ? json_incref(json_array_get(refunds, *n - 1)) : NULL;
  json_decref(refunds);
  return last;
}

static bool is_noted(const struct walk *w, const json_t *row) {
  json_t *plan = rk_store_plan(w->t->store, w->id);
  bool yes = note_of(plan, row) != NULL;
  json_decref(plan);
  return yes;
}

/* One step of giving an order back. *ended: its money is in the ledger, or it is noted that it stands. */
static rk_err step_back(const struct walk *w, const json_t *row, const json_t *order, bool *ended, struct rk_error *e) {
  size_t n;
  json_t *last = last_refund(w->t, order, &n);
  rk_err err = RK_OK;
  *ended = is_back(w->t, order, last);
  if (*ended) err = RK_OK;
  else if (last && !has_end(last)) err = finish_refund(w, last, e);
  else if (last && part_is(last, "completed")) err = see_refund(w, row, order, last, e);
  else if (n >= UNDO_TRIES) err = note(w, row, "undo_refused", e);
  else err = ask_back(w, row, order, e);
  json_decref(last);
  if (!err && !*ended) *ended = is_noted(w, row);
  return err;
}

static rk_err give_back(const struct walk *w, const json_t *row, struct rk_error *e) {
  json_t *order = rk_store_order_of_approval(w->t->store, id_of(row));
  bool ended = false, changed = false;
  rk_err err = order ? step_back(w, row, order, &ended, e) : rk_fail(e, RK_EIO, "the order of a part cannot be read back");
  for (; !err && !ended; changed = true) err = step_back(w, row, order, &ended, e);
  json_decref(order);
  return !err && (changed || is_noted(w, row)) ? rk_trade_plan_event(w->t, w->id, e) : err;
}

static rk_err undo_part(const struct walk *w, const json_t *row, struct rk_error *e) {
  if (part_is(row, "approved")) return rk_trade_release(w->t, id_of(row), e);
  if (part_is(row, "failed") || note_of(w->plan, row)) return RK_OK;
  return part_is(row, "completed") ? give_back(w, row, e) : rk_trade_bring_on(w->t, id_of(row), e);
}

/* What waits is released first: it costs nothing. Then the last that was bought; one that waits does not hold up the others. */
static rk_err undo_parts(struct walk *w, struct rk_error *e) {
  rk_err open = RK_OK;
  for (size_t i = w->n; i-- > 0;) {
    struct rk_error why = {RK_OK, ""};
    rk_err err = undo_part(w, w->part[i], &why);
    if (is_ours(err)) return rk_fail(e, err, "%s", why.msg);
    if (err) open = rk_fail(e, err, "%s", why.msg);
  }
  rk_err err = open ? open : load(w, e);
  if (err) return err;
  bool stands = false;
  for (size_t i = 0; i < w->n; i++) {
    if (!has_end(w->part[i])) return RK_OK; /* once more */
    stands = stands || (part_is(w->part[i], "completed") && note_of(w->plan, w->part[i]));
  }
  return move(w, stands ? "partial" : "undone", e);
}

/* ---- the way in ---- */

static rk_err walk(struct walk *w, struct rk_error *e) {
  for (;;) {
    rk_err err = load(w, e);
    if (err) return err;
    if (plan_is(w, "approved")) err = look_again(w, e);
    else if (plan_is(w, "completing")) err = complete_parts(w, e);
    else if (plan_is(w, "undoing")) err = undo_parts(w, e);
    else if (plan_is(w, "pending")) return rk_fail(e, RK_EFORBIDDEN, "the user has not approved this plan");
    else if (plan_is(w, "refused") || plan_is(w, "expired")) return rk_fail(e, RK_EGONE, "this plan is %s", rk_json_cstr(w->plan, "state", ""));
    else return RK_OK;
    if (err) return err;
  }
}

rk_err rk_trade_plan_complete(struct rk_trade *t, const char *plan_id, json_t **result, struct rk_error *e) {
  struct rk_in_flight me = {.id = plan_id};
  struct walk w = {.t = t, .id = plan_id};
  rk_trade_enter(t, &me);
  rk_err err = walk(&w, e);
  rk_trade_leave(t, &me);
  *result = w.plan && w.rows && load(&w, &(struct rk_error){RK_OK, ""}) == RK_OK ? rk_trade_plan_result(t, w.plan, w.rows) : NULL;
  release_walk(&w);
  return err;
}

/* ---- what stands, what it cost, what can be done ---- */

static const char *state_of_bought(const json_t *plan, const json_t *row, const json_t *order, const json_t *refund, struct rk_trade *t) {
  const char *why = note_of(plan, row);
  if (is_back(t, order, refund)) return "refunded";
  if (why && strcmp(why, "refund_not_seen") == 0) return "unknown";
  if (why || !rk_str_eq_c(rk_json_str(plan, "state"), "undoing")) return "stands";
  return refund && part_is(refund, "unknown") ? "unknown" : "working";
}

static const char *state_of(const json_t *row) {
  if (part_is(row, "failed")) return rk_str_eq_c(rk_json_str(row, "failure_code"), RK_PLAN_UNDONE) ? "released" : "failed";
  return part_is(row, "unknown") ? "unknown" : part_is(row, "completing") ? "working" : "waiting";
}

static const char *can_do(const char *state, const char *why, const json_t *row) {
  if (strcmp(state, "stands") == 0)
    return undo_class(row) == 2 || (why && (strcmp(why, "no_request") == 0 || strcmp(why, "nothing_back") == 0)) ? "order_page" : "cancel";
  if (strcmp(state, "failed") == 0 || strcmp(state, "released") == 0) return "again";
  return strcmp(state, "refunded") == 0 ? "none" : "wait";
}

static json_t *part_result(struct rk_trade *t, const json_t *plan, const json_t *row) {
  const json_t *terms = rk_json_obj(row, "terms"), *lines = rk_json_arr(terms, "lines");
  json_t *order = part_is(row, "completed") ? rk_store_order_of_approval(t->store, id_of(row)) : NULL;
  size_t n_refunds;
  json_t *last = order ? last_refund(t, order, &n_refunds) : NULL;
  const char *state = order ? state_of_bought(plan, row, order, last, t) : state_of(row), *why = note_of(plan, row);
  int64_t paid = order ? rk_trade_charged(t, order) : 0, back = order ? rk_store_order_refunded(t->store, id_of(order)) : 0;
  if (!why && part_is(row, "failed")) why = rk_json_cstr(row, "failure_code", NULL);
  json_t *v = json_pack("{s:s, s:O, s:O, s:i, s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:s}", "approval_id", id_of(row), "title",
                        json_object_get(json_array_get(lines, 0), "title"), "merchant", rk_json_obj(terms, "merchant"), "n_lines", (int)json_array_size(lines),
                        "state", state, "currency", rk_json_cstr(row, "currency", ""), "total_minor", (json_int_t)rk_json_i64(row, "total_minor", 0), "paid_minor",
                        (json_int_t)paid, "back_minor", (json_int_t)back, "fee_minor", (json_int_t)(strcmp(state, "refunded") == 0 ? paid - back : 0),
                        "what_can_be_done", can_do(state, why, row), "why", why ? why : "");
  if (order) {
    json_object_set(v, "order_id", json_object_get(order, "id"));
    json_object_set(v, "merchant_order_id", json_object_get(order, "merchant_order_id"));
  }
  json_decref(last);
  json_decref(order);
  return v;
}

static void add_to(json_t *totals, const json_t *part) {
  static const char *const sums[] = {"paid_minor", "back_minor"};
  const char *currency = rk_json_cstr(part, "currency", "");
  json_t *sum = rk_json_obj(totals, currency);
  if (!sum) {
    sum = json_object();
    json_object_set_new(totals, currency, sum);
  }
  for (size_t i = 0; i < 2; i++) json_object_set_new(sum, sums[i], json_integer(rk_json_i64(sum, sums[i], 0) + rk_json_i64(part, sums[i], 0)));
  json_object_set_new(sum, "cost_minor", json_integer(rk_json_i64(sum, "paid_minor", 0) - rk_json_i64(sum, "back_minor", 0)));
  bool open = rk_str_eq_c(rk_json_str(part, "state"), "unknown") && rk_json_i64(part, "paid_minor", 0) == 0;
  json_object_set_new(sum, "unknown_minor", json_integer(rk_json_i64(sum, "unknown_minor", 0) + (open ? rk_json_i64(part, "total_minor", 0) : 0)));
}

json_t *rk_trade_plan_result(struct rk_trade *t, const json_t *plan, const json_t *rows) {
  json_t *parts = json_array(), *totals = json_object(), *row;
  size_t i;
  json_array_foreach(rows, i, row) {
    json_t *part = part_result(t, plan, row);
    add_to(totals, part);
    json_array_append_new(parts, part);
  }
  return json_pack("{s:O, s:o, s:o}", "state", json_object_get(plan, "state"), "parts", parts, "totals", totals);
}
