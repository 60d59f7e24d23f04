/* turn.h - one turn while a worker runs it. Inside agent/ only.
 *
 * The journal is the turn's memory and is written, together with the events of
 * a step, in one transaction; what is in this struct besides it can be made
 * again from it. Keys of the journal:
 *   messages      what the model has said and been told in this turn
 *   open_call     {id, name, args}: shown to the user, result not yet there
 *   steps, searches, checkouts, tokens, usage{}
 *   search        {query, lang, cards: [{number, origin, item_id}]}
 *   told          the model has spoken about the offers
 *   approval_id, settled
 *   texts         messages of this turn
 * Thread rule: the worker that runs the turn. */
#ifndef RK_AGENT_TURN_H
#define RK_AGENT_TURN_H

#include "agent/agent.h"
#include "agent/answer.h"
#include "agent/live.h"
#include "agent/pick.h"
#include "agent/tools/tools.h"

struct rk_turn_counts { atomic_llong turns_ended, model_calls, tokens_prompt, tokens_cached, tokens_completion; };

struct rk_services {
  struct rk_store *store;
  struct rk_trade *trade;
  struct rk_merchants *merchants;
  struct rk_chat_model *model;
  struct rk_live *live;
  json_t *prefix;                /* fixed messages */
  json_t *tools;
  struct rk_sampling sampling;   /* of every model call */
  struct rk_turn_counts counts;  /* of all turns since the start */
};

struct rk_turn {
  struct rk_services *sv;
  char id[37], user_id[37], chat_id[37], message_id[37], leaf_id[37];
  bool thinking;
  const atomic_int *cancel;
  struct rk_arena *arena;
  json_t *journal;
  json_t *history;               /* model messages of earlier turns and the user's message */
  json_t *profile;
  json_t *earlier;               /* what the last answer showed or asked: {search?, question?, said, address?}; or NULL */
  const char *said;              /* the user's words that set limits, earlier ones of an open question included */
  const char *words;             /* the same and the words before them, for options */
  struct rk_intent intent;
  struct rk_address_text address;/* street "" : the profile's */
  json_t *events;                /* [{type, data}] of the step, not yet written */
  struct rk_offer *offers; int32_t n_offers;
  struct rk_picked picked;
  bool searched;                 /* offers and picked hold the journal's search */
};

/* Runs or resumes the turn until it ends, fails or waits. Everything that goes wrong becomes its error event. */
void rk_turn_run(struct rk_services *sv, const char *turn_id);
/* Ends a turn that is not running: events and state. */
rk_err rk_turn_end_cancelled(struct rk_services *sv, const char *turn_id, struct rk_error *e) RK_MUST_USE;

/* ---- for the tools ---- */
void rk_turn_event(struct rk_turn *t, const char *type, json_t *data); /* takes data; written with the step */
/* Asks the merchants for the journal's search again when this process has not; fills offers and picked. */
rk_err rk_turn_search(struct rk_turn *t, const char *query, json_t **reports, struct rk_error *e) RK_MUST_USE;
/* The card of a number of the journal's search as an offer, or NULL. */
struct rk_offer *rk_turn_offer(struct rk_turn *t, int64_t number);
/* Address of the order; false: nobody knows it. Strings live as long as the turn. */
bool rk_turn_address(struct rk_turn *t, struct rk_address *out);

#endif
