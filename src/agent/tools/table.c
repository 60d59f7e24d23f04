#include <string.h>

#include "agent/tools/tools.h"

static const struct rk_tool tools[] = {
    {RK_TOOL_SEARCH,
     "Search all shops for one product. query: the product with its features, without price, quantity or wishes. 在所有店铺搜索一种商品。",
     "{\"type\":\"object\",\"properties\":{\"query\":{\"type\":\"string\"}},\"required\":[\"query\"],\"additionalProperties\":false}",
     rk_tool_search_offers},
    {RK_TOOL_GET, "Details and reviews of an offer, by its number. 查看某个报价的详情和评价。",
     "{\"type\":\"object\",\"properties\":{\"offer\":{\"type\":\"integer\"}},\"required\":[\"offer\"],\"additionalProperties\":false}",
     rk_tool_get_offer},
    {RK_TOOL_CHECKOUT, "Prepare the purchase of an offer, by its number; the user must approve. 准备购买，用户确认后才付款。",
     "{\"type\":\"object\",\"properties\":{\"offer\":{\"type\":\"integer\"}},\"required\":[\"offer\"],\"additionalProperties\":false}",
     rk_tool_start_checkout},
    {RK_TOOL_STATUS, "State of the user's orders. 查询订单。",
     "{\"type\":\"object\",\"properties\":{},\"additionalProperties\":false}", rk_tool_order_status},
};

const struct rk_tool *rk_tools(int32_t *n) {
  *n = (int32_t)(sizeof tools / sizeof *tools);
  return tools;
}

const struct rk_tool *rk_tool_find(const char *name) {
  for (size_t i = 0; i < sizeof tools / sizeof *tools; i++)
    if (strcmp(tools[i].name, name) == 0) return &tools[i];
  return NULL;
}
