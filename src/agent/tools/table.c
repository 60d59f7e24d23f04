#include "agent/tools/tools.h"

#include <string.h>

#define SLOTS(properties, required) "{\"type\":\"object\",\"properties\":{" properties "},\"required\":[" required "],\"additionalProperties\":false}"
#define TEXT(name, most) "\"" name "\":{\"type\":\"string\",\"maxLength\":" #most "}"
#define NAME(name) "\"" name "\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":60}"
#define ROUTE TEXT("from", 60) "," TEXT("to", 60) "," TEXT("when", 60)
#define PLACE TEXT("city", 60) "," TEXT("name", 60) "," TEXT("when", 60)

static const struct rk_tool tools[] = {
    {RK_TOOL_SEARCH, "one kind of goods from the shops, with its features. 商品（连同特征）", SLOTS(NAME("what"), "\"what\""), NULL, RK_TOOL_SPENDS | RK_TOOL_OUTSIDE,
     {{"麻烦帮我买一把竹柄的雨伞，80块以内，哪家便宜买哪家", "{\"do\":\"buy\",\"steps\":[{\"tool\":\"search_offers\",\"what\":\"竹柄雨伞\"}]}"},
      {"Could you get my sister two waterproof desk lamps and a bamboo tray please? At most 100 yuan together",
       "{\"do\":\"buy\",\"steps\":[{\"tool\":\"search_offers\",\"what\":\"waterproof desk lamp\"},{\"tool\":\"search_offers\",\"what\":\"bamboo tray\"}]}"},
      {"看看木质书架，各家对比一下，先不下单", "{\"do\":\"show\",\"steps\":[{\"tool\":\"search_offers\",\"what\":\"木质书架\"}]}"},
      {"三条毛巾和一个铁皮水桶，一共别超过90", "{\"do\":\"buy\",\"steps\":[{\"tool\":\"search_offers\",\"what\":\"毛巾\"},{\"tool\":\"search_offers\",\"what\":\"铁皮水桶\"}]}"}},
     rk_tool_search_offers},
    {RK_TOOL_TRAINS, "train tickets between two cities. 火车票、高铁票", SLOTS(ROUTE, "\"from\",\"to\",\"when\""), NULL, RK_TOOL_SPENDS | RK_TOOL_OUTSIDE,
     {{"下周三早上青岛到烟台的高铁，两个人，订一下", "{\"do\":\"buy\",\"steps\":[{\"tool\":\"trains\",\"from\":\"青岛\",\"to\":\"烟台\",\"when\":\"下周三早上\"}]}"},
      {"Plan two days in Xiamen for us, by train from Fuzhou, with a hotel",
       "{\"do\":\"show\",\"steps\":[{\"tool\":\"trains\",\"from\":\"Fuzhou\",\"to\":\"Xiamen\",\"when\":\"\"},{\"tool\":\"trains\",\"from\":\"Xiamen\",\"to\":\"Fuzhou\",\"when\":\"\"},"
       "{\"tool\":\"hotels\",\"city\":\"Xiamen\",\"when\":\"\"}]}"}},
     rk_tool_travel},
    {RK_TOOL_FLIGHTS, "flights between two cities. 机票", SLOTS(ROUTE, "\"from\",\"to\",\"when\""), NULL, RK_TOOL_SPENDS | RK_TOOL_OUTSIDE,
     {{"book me a flight from Lyon to Lisbon on the 9th", "{\"do\":\"buy\",\"steps\":[{\"tool\":\"flights\",\"from\":\"Lyon\",\"to\":\"Lisbon\",\"when\":\"on the 9th\"}]}"}},
     rk_tool_travel},
    {RK_TOOL_HOTELS, "hotel rooms in a city. 酒店", SLOTS(TEXT("city", 60) "," TEXT("when", 60), "\"city\",\"when\""), NULL, RK_TOOL_SPENDS | RK_TOOL_OUTSIDE,
     {{"厦门住两晚，看看有什么酒店，周四到", "{\"do\":\"show\",\"steps\":[{\"tool\":\"hotels\",\"city\":\"厦门\",\"when\":\"周四\"}]}"}},
     rk_tool_travel},
    {RK_TOOL_TICKETS, "tickets for an attraction. 景点门票", SLOTS(PLACE, "\"city\",\"name\",\"when\""), NULL, RK_TOOL_SPENDS | RK_TOOL_OUTSIDE,
     {{"后天去青岛水族馆，订三张门票", "{\"do\":\"buy\",\"steps\":[{\"tool\":\"tickets\",\"city\":\"青岛\",\"name\":\"水族馆\",\"when\":\"后天\"}]}"}},
     rk_tool_travel},
    {RK_TOOL_FILMS, "cinema seats. 电影票", SLOTS(PLACE, "\"city\",\"name\",\"when\""), NULL, RK_TOOL_SPENDS | RK_TOOL_OUTSIDE,
     {{"three seats for a western on Tuesday night in Fuzhou",
       "{\"do\":\"buy\",\"steps\":[{\"tool\":\"films\",\"city\":\"Fuzhou\",\"name\":\"western\",\"when\":\"Tuesday night\"}]}"},
      {"今晚想看电影，订四个座位", "{\"do\":\"buy\",\"steps\":[{\"tool\":\"films\",\"city\":\"\",\"name\":\"\",\"when\":\"今晚\"}]}"}},
     rk_tool_travel},
    {RK_TOOL_STATUS, "where orders are, whether one was placed. 订单、物流、是否已下单", SLOTS("", ""),
     "订单|物流|快递到|到哪了|到哪儿了|下单了吗|下单了没|买了吗|买到了吗|送到了吗|my order|my orders|order status|where is my|where's my|been shipped|shipped yet|did you order|did you buy|was it ordered", RK_TOOL_TELLS,
     {{"我上次买的东西寄出了吗", "{\"do\":\"show\",\"steps\":[{\"tool\":\"order_status\"}]}"}}, rk_tool_order_status},
    {RK_TOOL_RETURN, "gives an order back or cancels it. 退货、退款、取消订单", SLOTS("", ""),
     "退掉|退货|退了|退款|退回去|我要退|想退|取消订单|取消刚才|取消那个订单|刚买的不要|return it|send it back|give it back|refund|cancel my order|cancel the order|cancel that order|want to return|return the|return my", RK_TOOL_DELETES,
     {{"that jug I ordered is too small, take it back", "{\"do\":\"show\",\"steps\":[{\"tool\":\"return_order\"}]}"}}, rk_tool_return_order},
    {RK_TOOL_CALCULATOR, "arithmetic. 计算", SLOTS(NAME("expression"), "\"expression\""), NULL, RK_TOOL_TELLS,
     {{"125乘以48再加30是多少", "{\"do\":\"show\",\"steps\":[{\"tool\":\"calculator\",\"expression\":\"125 * 48 + 30\"}]}"}}, rk_tool_calculator},
    {RK_TOOL_CLOCK, "today's date, the time, the date of a day. 今天日期、时间、某天是几号", SLOTS("", ""),
     "几号|几月几号|几月几日|星期几|礼拜几|周几|几点了|现在几点|多少号|what date|what day|which day|which date|what's the date|what time is it|day of the week", RK_TOOL_TELLS,
     {{"What day is it three days from now?", "{\"do\":\"show\",\"steps\":[{\"tool\":\"clock\"}]}"}}, rk_tool_clock},
    {RK_TOOL_WEB, "searches the web and reads what it finds: news, articles, what is recent. 搜索网页、新闻、文章", SLOTS(NAME("query"), "\"query\""),
     "新闻|头条|报道|那篇|网上搜|上网|news|headlines|articles about|an article about|the article|on the web|search the web|search online", RK_TOOL_OUTSIDE,
     {{"最近有什么关于海底考古的报道", "{\"do\":\"show\",\"steps\":[{\"tool\":\"web_search\",\"query\":\"海底考古\"}]}"},
      {"any music news today?", "{\"do\":\"show\",\"steps\":[{\"tool\":\"web_search\",\"query\":\"music news\"}]}"},
      {"总结一下那篇讲养蜂的文章", "{\"do\":\"show\",\"steps\":[{\"tool\":\"web_search\",\"query\":\"养蜂\"}]}"}},
     rk_tool_web_search},
    {RK_TOOL_PAGE, "opens one address of the web that the user wrote. 打开用户给出的网址", SLOTS("\"address\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":500}", "\"address\""), "http://|https://|www.", RK_TOOL_OUTSIDE,
     {{"what does https://pond.example/frogs say", "{\"do\":\"show\",\"steps\":[{\"tool\":\"read_page\",\"address\":\"https://pond.example/frogs\"}]}"}},
     rk_tool_read_page},
    {RK_TOOL_TRANSLATE, "a text in another language. 翻译", SLOTS(TEXT("text", 200) "," TEXT("language", 30), "\"text\",\"language\""), "翻译|译成|translate|translation of|how do you say",
     RK_TOOL_THINKS | RK_TOOL_TELLS,
     {{"how do you say 早上好 in English", "{\"do\":\"show\",\"steps\":[{\"tool\":\"translate\",\"text\":\"早上好\",\"language\":\"English\"}]}"}}, rk_tool_translate},
    {RK_TOOL_TALK, "an answer in words: a greeting, knowledge, advice, code. 聊天、常识、建议、代码", SLOTS("", ""), NULL, 0,
     {{"hi, who are you?", "{\"do\":\"show\",\"steps\":[{\"tool\":\"talk\"}]}"}, {"为什么天空是蓝色的", "{\"do\":\"show\",\"steps\":[{\"tool\":\"talk\"}]}"}}, NULL},
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

void rk_tool_event(struct rk_tool_out *out, const char *type, json_t *data) {
  RK_ASSERT(data);
  if (!out->events) out->events = json_array();
  json_array_append_new(out->events, json_pack("{s:s, s:o}", "type", type, "data", data));
}

rk_err rk_tool_refuse(struct rk_tool_out *out, json_t *text) {
  out->ok = false;
  out->result = json_pack("{s:o}", "error", text);
  return RK_OK;
}

void rk_tool_out_release(struct rk_tool_out *out) {
  json_decref(out->result);
  json_decref(out->shops);
  json_decref(out->close);
  json_decref(out->keep);
  json_decref(out->events);
}
