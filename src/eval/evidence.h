/* evidence.h - the end state of a run, read from the databases of the user and
 * of the shops after everything has been closed. What the model said counts as
 * its answer only.
 *
 *   {events: [{n, type, chat_id, turn_id, time_ms, data}],
 *    turns: [{turn_id, chat_id, line, reply: bool, text, answer, state, usage}],   line: of `say`; reply: to a question of it
 *    journals: {turn_id: journal}, approvals, ledger, orders,                      rows of rukou.db (store/money.h)
 *    memory: [{text, ...}],
 *    shops: [{name, origin, orders: [report], bookings: [{checkout_id, item_id, seats, quantity, sold}]}]}
 *
 * Thread rule: one thread. */
#ifndef RK_EVAL_EVIDENCE_H
#define RK_EVAL_EVIDENCE_H

#include "json/json.h"

struct rk_shop_place { const char *dir, *origin; }; /* its tables, and where it stood in the run */

/* data_dir: of a run that has ended. New reference; NULL with e. */
json_t *rk_evidence_read(const char *data_dir, const json_t *task, const struct rk_shop_place *shops, int32_t n_shops, struct rk_error *e);

/* The turns that the events tell of, in order, each with its line of the task's `say`. New reference. */
json_t *rk_evidence_turns(const json_t *events, const json_t *task);

#endif
