#include "agent/prompt.h"

#include <stdlib.h>

#include "agent/tools/tools.h"
#include "base/limits.h"

static const char system_text[] =
    "You are rukou (入口), a shopping assistant that runs on the user's own computer. Answer in the user's language, briefly. "
    "Prices, shops, dates and order numbers come only from tool results; never invent one. "
    "你是“入口”(rukou)，运行在用户自己电脑上的购物助手。用用户的语言简短回答；价格、店铺、日期和订单号只来自工具结果，不可编造。";

/* One worked example after another: role, then text, or a query and its result. */
struct line { const char *role, *text, *query, *result; };
static const struct line examples[] = {
    {"user", "麻烦帮我买一把竹柄的雨伞，80块以内，哪家便宜买哪家", NULL, NULL},
    {"call", NULL, "竹柄雨伞",
     "{\"offers\":[{\"offer\":1,\"title\":\"竹柄长雨伞\",\"shop\":\"甲店\",\"total\":\"¥58.00\"},"
     "{\"offer\":2,\"title\":\"竹柄自动伞\",\"shop\":\"乙店\",\"total\":\"¥66.00\"}],\"best\":1,"
     "\"reason\":\"含运费和优惠，总价最低，比第2个便宜¥8.00\",\"answer_in\":\"中文\"}"},
    {"assistant", "两家店都有，最便宜的是甲店的竹柄长雨伞，含运费和优惠共¥58.00，比乙店便宜¥8.00。", NULL, NULL},
    {"user", "hi, who are you?", NULL, NULL},
    {"assistant", "I am rukou, your shopping assistant. Tell me what you need and I will compare the shops for you.", NULL, NULL},
    {"user", "Could you get my sister two waterproof desk lamps please? At most 100 yuan each, cheapest one", NULL, NULL},
    {"call", NULL, "waterproof desk lamp",
     "{\"offers\":[{\"offer\":1,\"title\":\"Waterproof Desk Lamp Mini\",\"shop\":\"Shop B\",\"total\":\"¥81.00\"},"
     "{\"offer\":2,\"title\":\"Desk Lamp IP65\",\"shop\":\"Shop A\",\"total\":\"¥95.50\"}],\"best\":1,"
     "\"reason\":\"lowest total with delivery and coupon, ¥14.50 less than number 2\",\"answer_in\":\"English\"}"},
    {"assistant", "The cheapest is the Waterproof Desk Lamp Mini from Shop B: ¥81.00 with delivery, ¥14.50 less than Shop A.", NULL, NULL},
};

json_t *rk_prompt_text(const char *role, rk_str text) {
  return json_pack("{s:s, s:s%}", "role", role, "content", text.p, text.n);
}

json_t *rk_prompt_call(const char *call_id, const char *name, const json_t *args) {
  return json_pack("{s:s, s:n, s:[{s:s, s:s, s:{s:s, s:O}}]}", "role", "assistant", "content", "tool_calls", "id", call_id, "type",
                   "function", "function", "name", name, "arguments", args);
}

json_t *rk_prompt_result(const char *call_id, const char *name, const json_t *result) {
  struct rk_buf text;
  rk_buf_init(&text, RK_MAX_JSON_BYTES);
  rk_err err = rk_json_dump_python(&text, result);
  RK_ASSERT(!err);
  json_t *m = json_pack("{s:s, s:s, s:s, s:s%}", "role", "tool", "tool_call_id", call_id, "name", name, "content", text.p, text.n);
  rk_buf_release(&text);
  return m;
}

static void add_example(json_t *messages, const struct line *l) {
  static const char id[] = "call_000000000000000000000000";
  if (!l->query) {
    json_array_append_new(messages, rk_prompt_text(l->role, rk_str_c(l->text)));
    return;
  }
  json_t *args = json_pack("{s:s}", "query", l->query);
  json_array_append_new(messages, rk_prompt_call(id, RK_TOOL_SEARCH, args));
  json_decref(args);
  json_t *result = rk_json_parse(rk_str_c(l->result), 4096, NULL);
  RK_ASSERT(result);
  json_array_append_new(messages, rk_prompt_result(id, RK_TOOL_SEARCH, result));
  json_decref(result);
}

json_t *rk_prompt_messages(void) {
  json_t *messages = json_array();
  json_array_append_new(messages, rk_prompt_text("system", rk_str_c(system_text)));
  for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) add_example(messages, &examples[i]);
  return messages;
}

/* ---- plans ---- */

static const char plan_text[] =
    "You write the plan for an assistant as JSON: what it does for the user's last message. 为助手写出计划（JSON），处理用户最后一句话。\n"
    "do: buy when the user wants it bought or booked now; show when it is only searched, compared, proposed or answered. "
    "要买、要订：buy；只是找、比较、规划或提问：show。\n"
    "steps: one for each thing the user wants, in the user's words and language; two things are two steps. No prices, quantities or dates in names. "
    "每样东西一步，名称用用户的原话，不带价格、数量和日期。\ntools:";

static void add_slots(struct rk_buf *out, const json_t *schema) {
  const char *name;
  json_t *slot;
  bool first = true;
  json_object_foreach(rk_json_obj(schema, "properties"), name, slot) {
    rk_buf_addf(out, "%s%s", first ? "" : ", ", name);
    first = false;
  }
}

static json_t *parameters(const struct rk_tool *tool) {
  json_t *schema = rk_json_parse(rk_str_c(tool->parameters), 4096, NULL);
  RK_ASSERT(schema);
  return schema;
}

static void add_tool_line(struct rk_buf *out, const struct rk_tool *tool) {
  json_t *schema = parameters(tool);
  rk_buf_addf(out, "\n- %s {", tool->name);
  add_slots(out, schema);
  rk_buf_addf(out, "}: %s", tool->description);
  json_decref(schema);
}

/* An example stands in the form that the grammar writes. */
static void add_plan_example(json_t *messages, const struct rk_tool_example *x) {
  json_t *plan = rk_json_parse(rk_str_c(x->plan), 4096, NULL);
  RK_ASSERT(plan);
  char *text = rk_json_dump(plan);
  json_array_append_new(messages, rk_prompt_text("user", rk_str_c(x->say)));
  json_array_append_new(messages, rk_prompt_text("assistant", rk_str_c(text)));
  free(text);
  json_decref(plan);
}

json_t *rk_prompt_plan_messages(void) {
  struct rk_buf text;
  int32_t n;
  const struct rk_tool *table = rk_tools(&n);
  json_t *messages = json_array();
  rk_buf_init(&text, 1 << 16);
  rk_buf_adds(&text, plan_text);
  for (int32_t i = 0; i < n; i++)
    add_tool_line(&text, &table[i]);
  json_array_append_new(messages, rk_prompt_text("system", rk_buf_str(&text)));
  rk_buf_release(&text);
  size_t most = sizeof table[0].examples / sizeof *table[0].examples;
  for (size_t k = 0; k < most; k++) /* first example of each tool, then the second: like ones do not stand together */
    for (int32_t i = 0; i < n; i++)
      if (table[i].examples[k].say) add_plan_example(messages, &table[i].examples[k]);
  return messages;
}

/* {"tool": NAME, the slots}: the slots' own schema with the tool before them. */
static json_t *step_schema(const struct rk_tool *tool) {
  json_t *schema = parameters(tool), *properties = json_pack("{s:{s:s}}", "tool", "const", tool->name), *required = json_array();
  json_array_append_new(required, json_string("tool"));
  json_array_extend(required, rk_json_arr(schema, "required"));
  if (rk_json_obj(schema, "properties")) json_object_update(properties, rk_json_obj(schema, "properties"));
  json_object_set_new(schema, "properties", properties);
  json_object_set_new(schema, "required", required);
  return schema;
}

json_t *rk_prompt_plan_schema(const char *does, const struct rk_tool *const *tools, int32_t n_tools) {
  json_t *any = json_array(), *words = does ? json_pack("[s]", does) : json_pack("[s, s]", "buy", "show");
  for (int32_t i = 0; i < n_tools; i++) json_array_append_new(any, step_schema(tools[i]));
  return json_pack("{s:s, s:{s:{s:o}, s:{s:s, s:i, s:i, s:{s:o}}}, s:[s, s], s:b}", "type", "object", "properties", "do", "enum", words, "steps", "type", "array",
                   "minItems", 1, "maxItems", (int)RK_MAX_PLAN_STEPS, "items", "anyOf", any, "required", "do", "steps", "additionalProperties", 0);
}
