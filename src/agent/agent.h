/* agent.h - one turn: plan -> call tools -> ask -> act -> answer.
 *
 * A turn is a job: rows in the store. rk_agent_submit() queues it, a worker
 * runs it until it ends, fails, or waits for the user at an approval (then it
 * holds no thread). Durable events go to the store and wake the listeners;
 * text deltas live in a ring per running message.
 *
 * The model proposes, this code decides: budgets, dates, quantities limits,
 * amounts and identifiers never come from model text.
 * Thread rule: any thread. */
#ifndef RK_AGENT_AGENT_H
#define RK_AGENT_AGENT_H

#include "chat/chat.h"
#include "trade/trade.h"

struct rk_agent;

struct rk_agent_opts {
  struct rk_store *store;
  struct rk_trade *trade;
  struct rk_merchants *merchants;
  struct rk_chat_model *model;
  struct rk_net *net;          /* may be NULL with search_url */
  const char *search_url;      /* a search engine that answers as SearXNG does; NULL: none; borrowed */
  const struct rk_sampling *sampling; /* NULL: the likeliest token; copied */
};
rk_err rk_agent_new(const struct rk_agent_opts *o, struct rk_agent **out, struct rk_error *e) RK_MUST_USE;
/* Resumes what was open: reconciles payments, ends or re-runs interrupted turns. From then on a timer ends the turns
 * whose approval runs out, and asks merchants about payments whose outcome is not known, at growing distances. */
rk_err rk_agent_resume(struct rk_agent *a, struct rk_error *e) RK_MUST_USE;
void rk_agent_free(struct rk_agent *a);  /* cancels running turns' model calls, keeps their rows */

/* Creates the turn and queues it. RK_ETOOBIG, RK_EFORMAT (not UTF-8), RK_EINVAL (empty), RK_EBUSY. */
rk_err rk_agent_submit(struct rk_agent *a, const struct rk_turn_new *in, char chat_id[37], char turn_id[37],
                       struct rk_error *e) RK_MUST_USE;
rk_err rk_agent_cancel(struct rk_agent *a, const char *user_id, const char *turn_id, struct rk_error *e) RK_MUST_USE;
/* Decides an approval and lets its turn go on. */
rk_err rk_agent_decide(struct rk_agent *a, const char *user_id, const char *session_kind, const char *approval_id,
                       const char *decision, const char *terms_hash, struct rk_error *e) RK_MUST_USE;

/* A plan of purchases that wait, see rk_trade_plan_new(). */
rk_err rk_agent_plan_new(struct rk_agent *a, const char *user_id, const char *title, const char *const *approval_ids, int32_t n, json_t **plan,
                         struct rk_error *e) RK_MUST_USE;
/* The user changes what happens when a part of a waiting plan fails, see rk_trade_plan_edit(). */
rk_err rk_agent_edit_plan(struct rk_agent *a, const char *user_id, const char *session_kind, const char *plan_id, const char *on_failure, struct rk_error *e) RK_MUST_USE;
/* Decides all parts of a plan and lets its turn go on. */
rk_err rk_agent_decide_plan(struct rk_agent *a, const char *user_id, const char *session_kind, const char *plan_id, const char *decision,
                            const char *sheet_hash, struct rk_error *e) RK_MUST_USE;

/* The user edits a pending approval, see rk_trade_edit(). Blocks on the network. */
rk_err rk_agent_edit(struct rk_agent *a, const char *user_id, const char *session_kind, const char *approval_id, const json_t *changes,
                     json_t **approval, struct rk_error *e) RK_MUST_USE;
/* Asks the merchants what became of payments whose outcome is not known. Blocks on the network. */
void rk_agent_reconcile(struct rk_agent *a, const char *user_id);

/* Since the start, over all turns; tokens_prompt includes tokens_cached. */
struct rk_agent_stats { int64_t turns_ended, model_calls, tokens_prompt, tokens_cached, tokens_completion; };
void rk_agent_stats(const struct rk_agent *a, struct rk_agent_stats *out);

/* ---- following: what page, terminal and API read ---- */
/* A listener gets wake-ups only: it then reads durable events from the store
 * and snapshots/deltas from here, at its own pace. fn must not block. */
struct rk_listener;
struct rk_listener *rk_agent_listen(struct rk_agent *a, const char *user_id, void (*fn)(void *ud), void *ud);
void rk_agent_unlisten(struct rk_agent *a, struct rk_listener *l);
/* Running messages of the user: [{turn_id, chat_id, message_id, offset_bytes, text, reasoning, progress{n_done,n_total}?}].
 * message_id "": no message yet, the model is reading or naming a call. since: {message_id: offset} or NULL; text starts there. The deltas of docs/api.md are made of it. */
json_t *rk_agent_running(struct rk_agent *a, const char *user_id, const json_t *since);

#endif
