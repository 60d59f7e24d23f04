/* tools.h - what a plan can be made of: one file a tool, one row in table.c.
 *
 * The model writes the plan (plan.h): which tools, in which order, and their
 * free slots. A row says all that is needed to offer a tool to it. run() does
 * the step: it reads the turn and changes nothing but *out, so that steps which
 * do not depend on each other run side by side.
 *
 * Taint: what the plan is made of are the user's own messages. The result of a
 * tool with RK_TOOL_OUTSIDE is text of others: it is shown to the model as a
 * tool's result, never planned from.
 * Thread rule: run() on any thread, several at once, unless RK_TOOL_THINKS. */
#ifndef RK_AGENT_TOOLS_TOOLS_H
#define RK_AGENT_TOOLS_TOOLS_H

#include "json/json.h"

#define RK_TOOL_SEARCH "search_offers"
#define RK_TOOL_CHECKOUT "start_checkout" /* of code: the purchase of what was chosen */
#define RK_TOOL_TRAINS "trains"
#define RK_TOOL_FLIGHTS "flights"
#define RK_TOOL_HOTELS "hotels"
#define RK_TOOL_TICKETS "tickets"
#define RK_TOOL_FILMS "films"
#define RK_TOOL_STATUS "order_status"
#define RK_TOOL_RETURN "return_order"
#define RK_TOOL_CALCULATOR "calculator"
#define RK_TOOL_CLOCK "clock"
#define RK_TOOL_WEB "web_search"
#define RK_TOOL_PAGE "read_page"
#define RK_TOOL_TRANSLATE "translate"
#define RK_TOOL_TALK "talk"

struct rk_turn;
struct rk_goal;

enum rk_tool_flag {
  RK_TOOL_SPENDS = 1,      /* its end is an approval: a purchase or booking */
  RK_TOOL_DELETES = 2,     /* takes something back or away: an approval, or the user's own words must name it */
  RK_TOOL_REMEMBERS = 4,   /* stores something of the user's own words */
  RK_TOOL_OUTSIDE = 8,     /* its result holds text of others */
  RK_TOOL_THINKS = 16,     /* calls the model itself (rk_turn_ask_model): on the turn's thread, one at a time */
  RK_TOOL_AFTER = 32,      /* works on what the steps before it found (rk_turn_result) */
  RK_TOOL_TELLS = 64       /* out->close is the whole answer: the model adds nothing */
};

struct rk_call {
  const char *id, *name;
  const json_t *args;      /* fits the schema; words that the user did not say may stand in it */
  struct rk_goal *goal;    /* of a tool that spends: what code read for this step; else NULL */
};

struct rk_tool_out {
  bool ok;
  json_t *result;          /* for the model, compact; {"error": ...} says what to try next. Set by every tool */
  json_t *shops;           /* reports of the merchants asked, or NULL */
  json_t *close;           /* a sentence of code that the answer must hold, or NULL */
  json_t *keep;            /* for later turns and steps, stored with the answer, or NULL */
  json_t *events;          /* of rk_tool_event, or NULL */
};

struct rk_tool_example { const char *say, *plan; }; /* a message, and the plan for it as JSON (plan.h) */

struct rk_tool {
  const char *name, *description;
  const char *parameters;  /* JSON Schema of the free slots: an object; at most three, strings where possible */
  const char *words;       /* phrases (words.h) that leave no doubt that this tool is meant; NULL: none */
  unsigned flags;
  struct rk_tool_example examples[4]; /* shown to the model; up to the first without say. None of goods, places or texts of tasks */
  /* RK_OK also when the answer is an error that another step can put right; else the turn fails. */
  rk_err (*run)(struct rk_turn *t, const struct rk_call *c, struct rk_tool_out *out, struct rk_error *e);
};
const struct rk_tool *rk_tools(int32_t *n);
const struct rk_tool *rk_tool_find(const char *name); /* NULL: none */

/* Durable event of the step, behind its tool_result. Takes data. */
void rk_tool_event(struct rk_tool_out *out, const char *type, json_t *data);
/* out->result = {"error": text}; takes text. Always RK_OK. */
rk_err rk_tool_refuse(struct rk_tool_out *out, json_t *text);
void rk_tool_out_release(struct rk_tool_out *out);

rk_err rk_tool_search_offers(struct rk_turn *t, const struct rk_call *c, struct rk_tool_out *out, struct rk_error *e);
rk_err rk_tool_travel(struct rk_turn *t, const struct rk_call *c, struct rk_tool_out *out, struct rk_error *e); /* of all five */
rk_err rk_tool_order_status(struct rk_turn *t, const struct rk_call *c, struct rk_tool_out *out, struct rk_error *e);
rk_err rk_tool_return_order(struct rk_turn *t, const struct rk_call *c, struct rk_tool_out *out, struct rk_error *e);
rk_err rk_tool_calculator(struct rk_turn *t, const struct rk_call *c, struct rk_tool_out *out, struct rk_error *e);
rk_err rk_tool_clock(struct rk_turn *t, const struct rk_call *c, struct rk_tool_out *out, struct rk_error *e);
rk_err rk_tool_web_search(struct rk_turn *t, const struct rk_call *c, struct rk_tool_out *out, struct rk_error *e);
rk_err rk_tool_read_page(struct rk_turn *t, const struct rk_call *c, struct rk_tool_out *out, struct rk_error *e);
rk_err rk_tool_talk(struct rk_turn *t, const struct rk_call *c, struct rk_tool_out *out, struct rk_error *e);
rk_err rk_tool_translate(struct rk_turn *t, const struct rk_call *c, struct rk_tool_out *out, struct rk_error *e);

#endif
