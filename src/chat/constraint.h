/* constraint.h - what the model may write next in a reply (internal).
 *
 * With tools a reply is free text, calls, or text and then calls; a call is
 * the token <tool_call>, JSON that fits the tool's schema, and </tool_call>.
 * A reply that sets out as a bare or fenced {"name": TOOL, "arguments": ...} is
 * turned into a call, and into prose when there is no such tool. With a response format
 * the whole text fits its schema, with a grammar the grammar. A thinking model thinks first.
 *
 * Built on any thread, then used by the engine thread. */
#ifndef RK_CHAT_CONSTRAINT_H
#define RK_CHAT_CONSTRAINT_H

#include "chat/chat.h"
#include "chat/draft.h"
#include "chat/template.h"
#include "chat/vocab.h"

enum { RK_MAX_CALLS = 16, RK_MAX_FORCED = 256, RK_MAX_FEW = 64 };

struct rk_constraint;

/* *out is NULL when nothing is constrained (a raw prompt). RK_EINVAL: a schema
 * or grammar outside the subset, or one that allows nothing; e names where.
 * v outlives it. */
rk_err rk_constraint_new(struct rk_vocab *v, const struct rk_chat_request *req, enum rk_thinking thinks, struct rk_constraint **out,
                         struct rk_error *e) RK_MUST_USE;
void rk_constraint_free(struct rk_constraint *c);

/* Tokens allowed next, in *mask; returns how many when they are at most
 * RK_MAX_FEW and then lists them in few (may be NULL), else a larger number. */
int32_t rk_constraint_mask(struct rk_constraint *c, uint32_t *mask, int32_t few[RK_MAX_FEW]);
enum rk_step { RK_STEP_GO, RK_STEP_END, RK_STEP_RESTART };
/* Takes an allowed token. END: the reply is complete. RESTART: the reply so far
 * is to be forgotten; a call or other text takes its place. */
enum rk_step rk_constraint_accept(struct rk_constraint *c, int32_t id);
/* The same for tokens that begin with bytes which stand before the reply; c may
 * be NULL. And taking such a token: what it has behind them. */
int32_t rk_constraint_mask_healing(struct rk_constraint *c, const struct rk_vocab *v, rk_str before, uint32_t *mask);
enum rk_step rk_constraint_accept_rest(struct rk_constraint *c, rk_str rest);
/* Tokens of what can only follow. The first *n_forced are to be taken without
 * asking the model. The others it writes itself, so that it may join them with
 * what comes behind; it seldom does. */
int32_t rk_constraint_certain(struct rk_constraint *c, int32_t out[RK_MAX_FORCED], int32_t *n_forced);
/* Makes a guess about tokens fit what may follow. One that cannot follow at all
 * gives way to what else in the draft's text would fit; *place follows, and is
 * -1 when nothing does or the guess begins with what is certain. */
void rk_constraint_guess(struct rk_constraint *c, const struct rk_draft *d, const int32_t *tokens, struct rk_guess *g, int32_t *place);
/* Whether a call that was written without tags fits. */
bool rk_constraint_call_fits(const struct rk_constraint *c, const char *name, const json_t *args);

#endif
