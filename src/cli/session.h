/* session.h - talking to rukou from a command: through the server that runs on
 * the data directory, or, without one, by running everything in this process
 * (the directory's lock is ours, our UCP profile has a listener of its own,
 * the sandbox shops are started and stopped).
 * Thread rule: one thread; rk_session_cancel_turn() from any. */
#ifndef RK_CLI_SESSION_H
#define RK_CLI_SESSION_H

#include "cli/app.h"

struct rk_session;

/* agent: turns will be run; else only what is stored is read. */
rk_err rk_session_open(struct rk_cli *c, bool agent, bool no_pull, struct rk_session **out, struct rk_error *e) RK_MUST_USE;
/* The same by ourselves, with a model that is open already and stays so; sampling NULL: the likeliest token. */
rk_err rk_session_open_with(struct rk_cli *c, struct rk_chat_model *model, const struct rk_sampling *sampling, struct rk_session **out,
                            struct rk_error *e) RK_MUST_USE;
/* For a command that deals without a model: the merchants, and what is stored. */
rk_err rk_session_open_trade(struct rk_cli *c, struct rk_session **out, struct rk_error *e) RK_MUST_USE;
void rk_session_close(struct rk_session *s);
/* What runs in this process; NULL when we are a server's client. */
struct rk_app *rk_session_app(struct rk_session *s);

/* chat_id "" : a new chat; filled in. */
rk_err rk_session_submit(struct rk_session *s, const char *text, char chat_id[37], char turn_id[37], struct rk_error *e) RK_MUST_USE;
rk_err rk_session_decide(struct rk_session *s, const char *approval_id, const char *decision, const char *terms_hash, struct rk_error *e) RK_MUST_USE;
/* *approval: the one that takes its place. */
rk_err rk_session_edit(struct rk_session *s, const char *approval_id, const json_t *changes, json_t **approval, struct rk_error *e) RK_MUST_USE;
rk_err rk_session_decide_plan(struct rk_session *s, const char *plan_id, const char *decision, const char *sheet_hash, struct rk_error *e) RK_MUST_USE;
rk_err rk_session_edit_plan(struct rk_session *s, const char *plan_id, const char *on_failure, struct rk_error *e) RK_MUST_USE;
json_t *rk_session_plan(struct rk_session *s, const char *plan_id, struct rk_error *e); /* new reference; NULL with e */
rk_err rk_session_cancel_turn(struct rk_session *s, const char *turn_id, struct rk_error *e) RK_MUST_USE;
/* Calls fn for each durable event of the turn, from its first, and for each piece of its text (type "delta", data
 * {text}) and of its reading (type "progress", data {n_done, n_total}), until fn returns false. fn may decide approvals. */
rk_err rk_session_follow(struct rk_session *s, const char *chat_id, const char *turn_id, bool (*fn)(void *ud, const char *type, const json_t *event),
                         void *ud, struct rk_error *e) RK_MUST_USE;

/* What the merchant would give back (rk_trade_give_back), then rk_session_decide(), then how it ended: an approval that
 * the merchant has taken, refused, or not answered yet. New references; NULL with e. */
json_t *rk_session_give_back(struct rk_session *s, const char *order_id, const char *kind, const char *lang, struct rk_error *e);
/* What other places cost in exchange for those of the order (rk_trade_change); items: [{item_id, quantity}], borrowed. */
json_t *rk_session_change(struct rk_session *s, const char *order_id, const json_t *items, const char *lang, struct rk_error *e);
json_t *rk_session_outcome(struct rk_session *s, const char *approval_id, struct rk_error *e);

/* What was handed over to the merchants' own pages, each that is open read again. */
json_t *rk_session_hand_overs(struct rk_session *s, struct rk_error *e);
json_t *rk_session_permissions(struct rk_session *s, struct rk_error *e);
json_t *rk_session_permit(struct rk_session *s, const json_t *permission, struct rk_error *e);
rk_err rk_session_revoke(struct rk_session *s, const char *permission_id, struct rk_error *e) RK_MUST_USE;

/* New references; NULL with e. */
json_t *rk_session_orders(struct rk_session *s, struct rk_error *e);
json_t *rk_session_ledger(struct rk_session *s, struct rk_error *e);
json_t *rk_session_receipt(struct rk_session *s, const char *order_id, struct rk_error *e);
json_t *rk_session_spending(struct rk_session *s, const char *by, struct rk_error *e);
json_t *rk_session_audit(struct rk_session *s, struct rk_error *e);
json_t *rk_session_profile(struct rk_session *s, struct rk_error *e);
rk_err rk_session_set_profile(struct rk_session *s, const json_t *profile, struct rk_error *e) RK_MUST_USE;
/* {url}: a new one-time sign-in address of the running server; NULL when this process is the server. */
json_t *rk_session_link(struct rk_session *s, struct rk_error *e);
/* Our UCP platform profile. */
json_t *rk_session_shops(struct rk_session *s, struct rk_error *e); /* of a running server */
json_t *rk_session_ucp_profile(struct rk_session *s, const char *version, struct rk_error *e);

#endif
