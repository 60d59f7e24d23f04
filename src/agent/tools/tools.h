/* tools.h - the tools the model may call: one file each, one row in table.c.
 *
 * A tool gets the turn and the model's arguments, which fit its schema. It
 * appends its own card, question or approval event and returns a compact
 * result for the model: {"error": ...} says what to try next. */
#ifndef RK_AGENT_TOOLS_TOOLS_H
#define RK_AGENT_TOOLS_TOOLS_H

#include "json/json.h"

#define RK_TOOL_SEARCH "search_offers"
#define RK_TOOL_GET "get_offer"
#define RK_TOOL_CHECKOUT "start_checkout"
#define RK_TOOL_STATUS "order_status"

struct rk_turn;

struct rk_tool_out {
  json_t *result;     /* for the model; set by every tool */
  json_t *shops;      /* reports of the merchants asked, or NULL */
  bool ok;
};
struct rk_tool {
  const char *name, *description, *parameters; /* JSON Schema */
  /* RK_OK also when the answer is an error that the model can put right. */
  rk_err (*run)(struct rk_turn *t, const char *call_id, const json_t *args, struct rk_tool_out *out, struct rk_error *e);
};
const struct rk_tool *rk_tools(int32_t *n);
const struct rk_tool *rk_tool_find(const char *name); /* NULL: none */

rk_err rk_tool_search_offers(struct rk_turn *t, const char *call_id, const json_t *args, struct rk_tool_out *out, struct rk_error *e);
rk_err rk_tool_get_offer(struct rk_turn *t, const char *call_id, const json_t *args, struct rk_tool_out *out, struct rk_error *e);
rk_err rk_tool_start_checkout(struct rk_turn *t, const char *call_id, const json_t *args, struct rk_tool_out *out, struct rk_error *e);
rk_err rk_tool_order_status(struct rk_turn *t, const char *call_id, const json_t *args, struct rk_tool_out *out, struct rk_error *e);

#endif
