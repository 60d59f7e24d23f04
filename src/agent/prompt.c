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

json_t *rk_prompt_tools(void) {
  json_t *tools = json_array();
  int32_t n;
  const struct rk_tool *table = rk_tools(&n);
  for (int32_t i = 0; i < n; i++) {
    json_t *schema = rk_json_parse(rk_str_c(table[i].parameters), 4096, NULL);
    RK_ASSERT(schema);
    json_array_append_new(tools, json_pack("{s:s, s:{s:s, s:s, s:o}}", "type", "function", "function", "name", table[i].name,
                                           "description", table[i].description, "parameters", schema));
  }
  return tools;
}
