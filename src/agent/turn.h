/* turn.h - one turn while a worker runs it. Inside agent/ only.
 *
 *   read.c   the thread and the user's words
 *   plan.c   the plan: by the model under a grammar, checked and completed by code
 *   journey.c  steps that are journeys, completed
 *   act.c    the plan's steps, those that do not depend on each other side by side
 *   ask.c    what must be known before something is bought
 *   book.c   what is bought of what was found, and its approvals
 *   settle.c the user's decision and how it ended
 *   speak.c  the model's words, with what code binds to them; think.c its calls
 *   turn.c   which of these is next
 *
 * The journal is the turn's memory and is written, together with the events of
 * a step, in one transaction; what is in this struct besides it can be made
 * again from it. Keys of the journal:
 *   plan          {do: "buy"|"show", steps: [{tool, its slots, only?: [cards]; of journeys any?, trip?, people?}]}; absent: not planned yet
 *   calls         [{id, name, step, open, ok, keep?}]: of the steps, in the order in which they were begun
 *   messages      what the model has said and been told in this turn
 *   closes        sentences of code that the answer must hold
 *   plans, steps, usage{}: how often was planned, model calls, tokens
 *   told, asked, booked, settled, ended: what has been done
 *   prepared      [{goal, approval_id | error}], approval_id, plan_id
 *   ordered       an order was placed
 *   texts         messages of this turn
 * Thread rule: the worker that runs the turn; tools see agent/tools/tools.h. */
#ifndef RK_AGENT_TURN_H
#define RK_AGENT_TURN_H

#include "agent/agent.h"
#include "agent/answer.h"
#include "agent/live.h"
#include "agent/party.h"
#include "agent/pick.h"
#include "agent/tools/tools.h"
#include "agent/travel.h"

struct rk_turn_counts { atomic_llong turns_ended, model_calls, tokens_prompt, tokens_cached, tokens_completion; };

struct rk_services {
  struct rk_store *store;
  struct rk_trade *trade;
  struct rk_merchants *merchants;
  struct rk_chat_model *model;
  struct rk_live *live;
  struct rk_net *net;            /* of the tools that read the web */
  const char *search_url;        /* of a search engine, "": there is none */
  json_t *prefix;                /* fixed messages of an answer */
  json_t *plan_prefix;           /* fixed messages of a plan */
  struct rk_sampling sampling;   /* of every model call */
  struct rk_turn_counts counts;  /* of all turns since the start */
};

/* One thing that a plan wants found and, with do "buy", bought. */
struct rk_goal {
  int32_t step;                  /* of the plan */
  const struct rk_tool *tool;
  const json_t *args;            /* of the step, borrowed from the journal */
  const char *said;              /* the user's words about it */
  struct rk_intent intent;       /* its limits */
  struct rk_arena *arena;
  struct rk_offer *offers; int32_t n_offers;
  struct rk_picked picked;
  struct rk_trip trip;           /* of a dated place, in place of offers and picked */
  struct rk_trip_found trips;
  bool searched;                 /* these hold the step's result */
};

struct rk_turn {
  struct rk_services *sv;
  char id[37], user_id[37], chat_id[37], message_id[37], leaf_id[37];
  bool thinking;
  const atomic_int *cancel;
  struct rk_arena *arena;
  json_t *journal;
  json_t *history;               /* model messages of earlier turns and the user's message */
  json_t *planned;               /* the same for the planner: the user's messages and the plans made of them */
  json_t *profile;
  json_t *earlier;               /* what the last answer kept (rk_turn_keep), or NULL */
  json_t *shown;                 /* what the last answer with cards kept, or NULL */
  const char *text;              /* the user's message */
  const char *said;              /* the user's words that set limits, earlier ones of an open question included */
  const char *words;             /* the same and the words before them, for options */
  struct rk_intent intent;       /* of said */
  struct rk_address_text address;/* street "" : the profile's */
  json_t *events;                /* [{type, data}] of the step, not yet written */
  struct rk_goal goals[RK_MAX_PLAN_STEPS]; int32_t n_goals;
  bool has_goals;                /* they are made of the journal's plan */
};

/* Runs or resumes the turn until it ends, fails or waits. Everything that goes wrong becomes its error event. */
void rk_turn_run(struct rk_services *sv, const char *turn_id);
/* Ends a turn that is not running: events and state. */
rk_err rk_turn_end_cancelled(struct rk_services *sv, const char *turn_id, struct rk_error *e) RK_MUST_USE;

/* ---- the journal ---- */
int64_t rk_turn_count(const struct rk_turn *t, const char *key);
bool rk_turn_is(const struct rk_turn *t, const char *key);
void rk_turn_set(struct rk_turn *t, const char *key);
void rk_turn_add(struct rk_turn *t, const char *key, int64_t n);
json_t *rk_turn_list(struct rk_turn *t, const char *key);              /* made when absent; borrowed */
json_t *rk_turn_steps(const struct rk_turn *t);                        /* of the plan, or NULL */
bool rk_turn_buys(const struct rk_turn *t);                            /* the plan's do */
void rk_turn_close(struct rk_turn *t, json_t *sentence);               /* the answer must hold it; takes it */
void rk_turn_event(struct rk_turn *t, const char *type, json_t *data); /* takes data; written with the step */
/* Events, journal and state of a step in one transaction. state NULL: as it is. */
rk_err rk_turn_commit(struct rk_turn *t, const char *state, struct rk_error *e) RK_MUST_USE;

/* ---- read.c ---- */
rk_err rk_turn_read(struct rk_turn *t, struct rk_error *e) RK_MUST_USE;
/* Makes the goals of the plan, once. */
rk_err rk_turn_make_goals(struct rk_turn *t, struct rk_error *e) RK_MUST_USE;
void rk_turn_drop_goals(struct rk_turn *t);
/* The user's words, made of several parts: longer than any of them. */
const char *rk_turn_join(struct rk_turn *t, const char *a, const char *b);
/* What a later turn needs to know about this one, stored with its messages: fills data. */
void rk_turn_keep(struct rk_turn *t, json_t *data);

/* ---- plan.c ---- */
rk_err rk_turn_plan(struct rk_turn *t, struct rk_error *e) RK_MUST_USE;

/* ---- act.c ---- */
bool rk_turn_has_step(const struct rk_turn *t);                        /* one is open or not begun */
rk_err rk_turn_act(struct rk_turn *t, struct rk_error *e) RK_MUST_USE;
const json_t *rk_turn_result(const struct rk_turn *t, int32_t step);   /* what the step's tool kept, or NULL */
json_t *rk_turn_call_id(void);                                         /* a fresh one */

/* ---- ask.c ---- */
/* The question that must be answered before anything is bought, as the event's data, or NULL. New reference. */
json_t *rk_turn_question(struct rk_turn *t);

/* ---- book.c ---- */
rk_err rk_turn_book(struct rk_turn *t, bool *waits, struct rk_error *e) RK_MUST_USE;

/* ---- settle.c ---- */
rk_err rk_turn_settle(struct rk_turn *t, bool *waits, struct rk_error *e) RK_MUST_USE;

/* ---- speak.c ---- */
/* One message of the model. flag: set in the journal when it is written. */
rk_err rk_turn_speak(struct rk_turn *t, int32_t max_tokens, const char *flag, struct rk_error *e) RK_MUST_USE;
/* The same by code alone: what must be said, and no more. */
rk_err rk_turn_speak_by_code(struct rk_turn *t, const char *flag, struct rk_error *e) RK_MUST_USE;
/* A text of code. more: what is kept with the message, borrowed; with it, the caller writes its own event. */
rk_err rk_turn_say(struct rk_turn *t, rk_str text, json_t *more, const char *flag, struct rk_error *e) RK_MUST_USE;
/* One model call whose text goes nowhere but to *text. schema: the text fits it; NULL: free. For tools with RK_TOOL_THINKS too. */
struct rk_ask { const json_t *messages; int32_t n_prefix; const json_t *schema; int32_t max_tokens; struct rk_answer *answer; };
rk_err rk_turn_ask_model(struct rk_turn *t, const struct rk_ask *a, struct rk_buf *text, struct rk_error *e) RK_MUST_USE;

/* ---- search.c ---- */
/* Asks the merchants for the goal, prices and picks: fills its offers and picked. Any thread, one for a goal. */
rk_err rk_goal_search(struct rk_turn *t, struct rk_goal *g, json_t **reports, struct rk_error *e) RK_MUST_USE;
/* tools/start_checkout.c: makes the approval of the purchase of a card by its number; out->keep {approval_id}. Else out->close says why there is none. */
rk_err rk_goal_checkout(struct rk_turn *t, struct rk_goal *g, int64_t number, bool in_plan, struct rk_tool_out *out, struct rk_error *e) RK_MUST_USE;
/* The card of a number that the goal's step has shown, as an offer, or NULL. */
struct rk_offer *rk_goal_offer(struct rk_turn *t, struct rk_goal *g, int64_t number);
/* tools/travel.c: the same of a dated place. */
const struct rk_trip_option *rk_goal_option(struct rk_turn *t, struct rk_goal *g, int64_t number);
/* Are all who go on file, or named in the answer to a question? */
bool rk_goal_has_people(struct rk_turn *t, const struct rk_goal *g);
/* Those that were named in the answer, once the goal is searched; 0: the profile says who goes. Names live as long as the goal. */
int32_t rk_goal_travelers(const struct rk_goal *g, struct rk_traveler out[RK_MAX_TRAVELERS]);
bool rk_trip_is(const char *tool);
rk_str rk_trip_named(const char *tool, rk_str said); /* the word of said (normal form) that means its kind; empty: none */
/* Address of the order; false: nobody knows it. Strings live as long as the turn. */
bool rk_turn_address(struct rk_turn *t, struct rk_address *out);

#endif
