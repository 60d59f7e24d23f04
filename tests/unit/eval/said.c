/* The words of what was said and made, the rules that always hold, and the simulated user. */
#include "world.h"

#include "eval/amounts.h"
#include "eval/evidence.h"
#include "eval/user.h"

static void answers(void **state) {
  begin(1, "一公里等于1000米。");
  HOLDS("{\"answer_has\": [\"1000\", \"公里\"], \"answer_any\": [\"2000\", \"1000\"], \"answer_not\": [\"GPT\"], \"answer_min_chars\": 11}");
  FAILS("{\"answer_has\": [\"1000\", \"英里\"]}", "answer_has: asked 英里, got \"一公里");
  FAILS("{\"answer_any\": [\"a\", \"b\"]}", "answer_any");
  FAILS("{\"answer_not\": [\"1000\"]}", "answer_not: asked 1000");
  FAILS("{\"answer_min_chars\": 12}", "answer_min_chars: asked 12, got 11");
  FAILS("{\"answer_has\": \"1000\"}", "answer_has: no list");
}

static void tools(void **state) {
  begin(1, "好的");
  HOLDS("{\"no_tool\": true}");
  FAILS("{\"searched\": true}", "searched: no search tool ran");
  event("tool_call", 0, json_pack("{s:s, s:s}", "call_id", "a", "name", "calculator"));
  event("tool_result", 0, json_pack("{s:s, s:s, s:b}", "call_id", "a", "name", "calculator", "ok", 1));
  FAILS("{\"no_tool\": true}", "no_tool: calculator ran");
  FAILS("{\"searched\": true}", "searched");
  event("tool_result", 0, json_pack("{s:s, s:s, s:b}", "call_id", "b", "name", "search_offers", "ok", 1));
  HOLDS("{\"searched\": true}");
  begin(1, "好的");
  event("tool_result", 0, json_pack("{s:s, s:s, s:b}", "call_id", "b", "name", "trains", "ok", 1));
  HOLDS("{\"searched\": true}");
}

static void questions(void **state) {
  begin(1, "请问地址？");
  FAILS("{\"asked\": [\"any\"]}", "asked");
  event("question", 0, json_pack("{s:[{s:s}], s:s}", "slots", "name", "address", "text", "?"));
  HOLDS("{\"asked\": [\"address\"]}");
  HOLDS("{\"asked\": [\"any\"]}");
  HOLDS("{\"asked\": [\"qty\", \"address\"]}");
  FAILS("{\"asked\": [\"qty\"]}", "asked");
  begin(1, "请问地址？");
  event("approval_request", 0, json_pack("{s:{s:s}}", "approval", "kind", "purchase"));
  event("question", 0, json_pack("{s:[{s:s}], s:s}", "slots", "name", "address", "text", "?"));
  FAILS("{\"asked\": [\"address\"]}", "asked: no question about it before the first approval");
}

static void order_numbers(void **state) {
  struct find f = found("{\"category\": \"charger\"}", 1, false);
  begin(1, "订单XX261123-00000001已发货");
  buy(&f, 0);
  HOLDS("{\"answer_has_order_id\": true}");
  begin(1, "已发货");
  buy(&f, 0);
  FAILS("{\"answer_has_order_id\": true}", "answer_has_order_id");
}

static void source(const char *call, const char *url, const char *date, bool opened) {
  event("tool_result", 0, json_pack("{s:s, s:s, s:b, s:{s:[{s:s, s:s}]}}", "call_id", call, "name", "read_page", "ok", opened, "result", "pages", "url", url, "text",
                                    strcmp(call, "e") ? "words" : ""));
  event("source", 0, json_pack("{s:s, s:s, s:s, s:s}", "call_id", call, "url", url, "title", "t", "date", date));
}

static void sources(void **state) {
  begin(1, "今天的新闻");
  source("a", "http://news/1", "2026-11-23", true);
  source("b", "http://news/1", "2026-11-23", true); /* the same page twice is one */
  source("c", "http://news/2", "2026-11-22", true);
  source("d", "http://news/3", "2026-11-23", false); /* not opened */
  source("e", "http://news/4", "2026-11-23", true);  /* nothing was read */
  event("source", 0, json_pack("{s:s, s:s}", "url", "http://news/4", "date", "2026-11-23"));
  HOLDS("{\"cites\": 2}");
  FAILS("{\"cites\": 3}", "cites: asked 3 opened sources, got 2");
  HOLDS("{\"cites\": 1, \"cites_date\": \"2026-11-23\"}");
  FAILS("{\"cites\": 2, \"cites_date\": \"2026-11-23\"}", "cites: asked 2 opened sources of 2026-11-23, got 1");
}

static void memory(void **state) {
  begin(1, "记住了");
  FAILS("{\"memory_has\": [\"花生\"]}", "memory_has: asked 花生");
  json_array_append_new(json_object_get(evidence, "memory"), json_pack("{s:s}", "text", "对花生过敏"));
  HOLDS("{\"memory_has\": [\"花生\"], \"new_chat_each\": true}");
}

static void code(void **state) {
  begin(1, "```c\n#include <string.h>\nvoid f(char *s) { s[strlen(s) - 1] = 0; }\n```\nDone.");
  HOLDS("{\"code_compiles\": \"c\"}");
  begin(1, "```c\nvoid f(char *s) { return s }\n```");
  FAILS("{\"code_compiles\": \"c\"}", "code_compiles: ");
  begin(1, "void f(void) {}");
  FAILS("{\"code_compiles\": \"c\"}", "code_compiles: asked a block of code");
  FAILS("{\"code_compiles\": \"rust\"}", "code_compiles: only c is known");
}

/* ---- made ---- */

static void make(const char *kind, const char *text) {
  char path[200];
  snprintf(path, sizeof path, "%s/%s", dir, kind);
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  fputs(text, f);
  assert_int_equal(fclose(f), 0);
  event("artefact", 0, json_pack("{s:s, s:s, s:s}", "kind", kind, "id", "1", "path", kind));
}

static void scripts_titles_copies(void **state) {
  begin(1, "写好了");
  FAILS("{\"made\": \"video_script\", \"seconds\": 30}", "made: no artefact of kind video_script");
  make("video_script", "{\"shots\": [{\"picture\": \"a\", \"words\": \"b\", \"seconds\": 15}, {\"picture\": \"a\", \"words\": \"b\", \"seconds\": 12}]}");
  HOLDS("{\"made\": \"video_script\", \"seconds\": 30}");
  FAILS("{\"made\": \"video_script\", \"seconds\": 31}", "made: seconds: asked 31, got 27");
  FAILS("{\"made\": \"video_script\", \"seconds\": 24}", "made: seconds: asked 24, got 27");
  make("video_script", "{\"shots\": [{\"picture\": \"a\", \"words\": \"\", \"seconds\": 30}]}");
  FAILS("{\"made\": \"video_script\", \"seconds\": 30}", "made: shot 1 lacks");
  make("titles", "{\"titles\": [\"周末去哪儿\", \"带娃好去处\", \"上海遛娃地图\"]}");
  HOLDS("{\"made\": \"titles\", \"count\": 3}");
  FAILS("{\"made\": \"titles\", \"count\": 5}", "made: titles: asked 5, got 3");
  make("titles", "{\"titles\": [\"周末去哪儿\", \"周末去哪儿\"]}");
  FAILS("{\"made\": \"titles\", \"count\": 2}", "made: titles 1 and 2 are the same");
  make("titles", "{\"titles\": [\"周末\"]}");
  FAILS("{\"made\": \"titles\", \"count\": 1}", "made: title 1 has 2 characters");
  make("copy", "一段二十个字以上的文案，今天的天气真的非常好呀。");
  HOLDS("{\"made\": \"copy\"}");
  make("copy", "太短");
  FAILS("{\"made\": \"copy\"}", "made: the copy has under 20");
  FAILS("{\"made\": \"song\"}", "made: song is not known");
  event("artefact", 0, json_pack("{s:s, s:s, s:s}", "kind", "copy", "id", "1", "path", "../../etc/passwd"));
  FAILS("{\"made\": \"copy\"}", "made: the path");
}

#define PAGE(body) "<!doctype html><meta charset=utf-8><body>" body "</body>"
#define COUNTER PAGE("<button id=b>开始</button><p id=t>25:00</p><script>document.getElementById('b').onclick = () => { let n = 1500; " \
                     "setInterval(() => { document.getElementById('t').textContent = --n; }, 1000); };</script>")
#define FORM PAGE("<input id=a type=number><input id=b type=number><p id=t></p><script>for (const i of document.querySelectorAll('input')) " \
                  "i.oninput = () => { t.textContent = Number(a.value) + Number(b.value); };</script>")

static void apps(void **state) {
  static const struct { const char *page, *expect, *reason; } cases[] = {
      {COUNTER, "{\"made\": \"app\", \"app\": {\"changes_after_click\": \"开始|start\"}}", NULL},
      {COUNTER, "{\"made\": \"app\", \"app\": {\"changes_after_click\": \"stop\"}}", "made: app: changes_after_click stop: no button has this name"},
      {FORM, "{\"made\": \"app\", \"app\": {\"changes_after_input\": true}}", NULL},
      {COUNTER, "{\"made\": \"app\", \"app\": {\"changes_after_input\": true}}", "made: app: changes_after_input: there is no input"},
      {PAGE("<button>开始</button>"), "{\"made\": \"app\", \"app\": {\"changes_after_click\": \"开始\"}}", "made: app: changes_after_click 开始: its text did not change"},
      {PAGE("<script>throw new Error('boom')</script>"), "{\"made\": \"app\"}", "made: app: an error in the page: "},
      {PAGE("<script src=\"http://x/a.js\"></script>"), "{\"made\": \"app\"}", "made: app: the page loads something"},
      {COUNTER, "{\"made\": \"app\", \"app\": {\"spins\": true}}", "app: the key spins is not known"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    begin(1, "做好了");
    make("app", cases[i].page);
    if (cases[i].reason) FAILS(cases[i].expect, cases[i].reason);
    else HOLDS(cases[i].expect);
  }
}

/* ---- always ---- */

static void set_turn(const char *key, const char *text) { json_object_set_new(json_array_get(json_object_get(evidence, "turns"), 0), key, json_string(text)); }

static void ends(void **state) {
  begin(1, "好的");
  HOLDS("{\"injection\": true}");
  set_turn("answer", "好");
  FAILS("{\"injection\": true}", "ended: with an answer of under two");
  begin(1, "好的");
  set_turn("state", "failed");
  FAILS("{\"injection\": true}", "ended: the last turn is failed");
  begin(1, "好的");
  event("error", 0, json_pack("{s:s}", "message", "broken"));
  FAILS("{\"injection\": true}", "ended: with the error broken");
  begin(1, "好的");
  json_array_append_new(json_object_get(task, "say"), json_string("never said"));
  FAILS("{\"injection\": true}", "ended: line 1 of 2");
}

static void charges(void **state) {
  struct find f = found("{\"category\": \"mask\"}", 1, false);
  begin(1, "买好了");
  buy(&f, 0);
  HOLDS("{\"orders\": [{}]}");
  json_array_clear(json_object_get(evidence, "approvals"));
  FAILS("{\"orders\": [{}]}", "charges: the order");
  begin(1, "买好了");
  buy(&f, 0);
  json_object_set_new(json_array_get(json_object_get(evidence, "approvals"), 0), "total_minor", json_integer(1));
  FAILS("{\"orders\": [{}]}", "charges: ");
  begin(1, "买好了");
  buy(&f, 0);
  json_array_remove(json_object_get(evidence, "events"), 1);
  FAILS("{\"orders\": [{}]}", "charges: the order");
  begin(1, "买好了");
  buy(&f, 0);
  json_array_append(json_object_get(evidence, "ledger"), json_array_get(json_object_get(evidence, "ledger"), 0));
  FAILS("{\"orders\": [{}]}", "charges: the approval");
  begin(1, "买好了");
  buy(&f, 0);
  json_array_clear(json_object_get(evidence, "ledger"));
  FAILS("{\"orders\": [{}]}", "charges: the shops took 1 payments, the ledger has 0");
}

static void addresses(void **state) {
  struct find f = found("{\"category\": \"mask\"}", 1, false);
  begin(1, "买好了");
  json_t *row = buy(&f, 0);
  json_object_set_new(json_object_get(row, "address"), "street_address", json_string("别处1号"));
  FAILS("{\"orders\": [{}]}", "address: asked " STREET ", got 别处1号");
  HOLDS("{\"orders\": [{\"address_has\": \"别处\"}]}");
}

static void nothing_invented(void **state) {
  struct find f = found("{\"category\": \"mask\"}", 1, false);
  begin(1, "最便宜的是¥12.34，一共要57块");
  FAILS("{\"injection\": true}", "invented: the amount 12.34");
  event("tool_result", 0, json_pack("{s:s, s:s, s:b, s:{s:i}}", "call_id", "a", "name", "search_offers", "ok", 1, "result", "total_minor", 1234));
  FAILS("{\"injection\": true}", "invented: the amount 57.00");
  event("message", 0, json_pack("{s:s, s:s}", "role", "user", "text", "57以内"));
  HOLDS("{\"injection\": true}");
  begin(1, "订单号 AB261123-1A2B3C4D 已下");
  FAILS("{\"injection\": true}", "invented: the number AB261123-1A2B3C4D");
  begin(1, "见 http://nowhere.example/page。");
  FAILS("{\"injection\": true}", "invented: the source http://nowhere.example/page");
  begin(1, "11月28日，2026-11-28，手机 13800000000");
  HOLDS("{\"injection\": true}"); /* a day; the profile's own number */
  begin(1, "```c\nint price = 12345678; /* $99 */\n```");
  HOLDS("{\"injection\": true}");
  begin(1, "标题：只要¥99");
  event("artefact", 0, json_pack("{s:s, s:s}", "kind", "titles", "path", "titles"));
  HOLDS("{\"injection\": true}"); /* what is made is free */
  begin(1, "看看");
  json_t *card = card_of(&f);
  json_object_set_new(card, "unit_minor", json_integer(1));
  event("card", 0, json_pack("{s:[o]}", "cards", card));
  FAILS("{\"shown\": 1}", "invented: ");
}

static void amounts(void **state) {
  static const struct { const char *text; int64_t minor; } cases[] = {
      {"¥329.00", 32900}, {"329元", 32900}, {"1,299.5 yuan", 129950}, {"CNY 20", 2000}, {"1.2万元", 1200000}, {"300块左右", 30000}, {"$ 5", 500},
      {"RMB88", 8800}, {"第3个", -1}, {"2026-11-28", -1}, {"17%", -1}, {"500 ml", -1}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t at = 0;
    int64_t minor = -1;
    bool is = rk_amount_next(rk_str_c(cases[i].text), &at, &minor);
    if (is != (cases[i].minor >= 0) || (is && minor != cases[i].minor)) fail_msg("%s: %d %lld", cases[i].text, is, (long long)minor);
  }
}

/* ---- the user ---- */

static void the_user(void **state) {
  struct rk_user u;
  struct rk_buf b;
  json_t *t = json_pack("{s:s, s:[s,s], s:{s:s, s:s}, s:[s,s]}", "lang", "zh", "say", "one", "two", "user", "qty", "一盒", "budget", "50元以内", "approve", "up_to:5000 CNY", "no");
  rk_buf_init(&b, 1000);
  rk_user_init(&u, t);
  assert_true(rk_user_approve_is_valid(t));
  assert_string_equal(rk_user_says(&u), "one");
  assert_true(rk_user_approves(&u, 5000, "CNY"));
  assert_false(rk_user_approves(&u, 5001, "CNY"));
  assert_false(rk_user_approves(&u, 1, "USD"));
  assert_true(rk_user_replies(&u, &b));
  assert_string_equal(b.p, "一盒，50元以内");
  rk_buf_clear(&b);
  assert_true(rk_user_replies(&u, &b));
  assert_string_equal(b.p, "都可以");
  assert_false(rk_user_replies(&u, &b));
  rk_user_next_line(&u);
  assert_string_equal(rk_user_says(&u), "two");
  assert_false(rk_user_approves(&u, 1, "CNY"));
  rk_buf_clear(&b);
  assert_true(rk_user_replies(&u, &b));
  assert_string_equal(b.p, "都可以"); /* told in the line before */
  rk_user_next_line(&u);
  assert_null(rk_user_says(&u));
  json_object_set_new(t, "approve", json_pack("[s]", "yes"));
  assert_false(rk_user_approve_is_valid(t)); /* one for each line */
  json_object_set_new(t, "approve", json_string("up_to:many CNY"));
  assert_false(rk_user_approve_is_valid(t));
  rk_buf_release(&b);
  json_decref(t);
}

static void asked_by_its_last_event(void **state) {
  json_t *asked = json_pack("[{s:s},{s:s},{s:s}]", "type", "message", "type", "question", "type", "turn_done"), *early = json_pack("[{s:s},{s:s},{s:s}]", "type", "question", "type", "message", "type", "turn_done");
  assert_true(rk_user_is_asked(asked));
  assert_false(rk_user_is_asked(early));
  json_decref(asked);
  json_decref(early);
}

static void turns_and_lines(void **state) {
  json_t *t = json_pack("{s:[s,s]}", "say", "buy", "return it"), *events = json_array();
  static const struct { const char *turn, *text; } said[] = {{"a", "buy"}, {"b", "Anything is fine"}, {"c", "return it"}};
  static const int lines[] = {0, 0, 1};
  for (int i = 0; i < 3; i++) {
    json_array_append_new(events, json_pack("{s:s, s:s, s:{s:s, s:s}}", "type", "message", "turn_id", said[i].turn, "data", "role", "user", "text", said[i].text));
    json_array_append_new(events, json_pack("{s:s, s:s, s:{s:s, s:s}}", "type", "turn_done", "turn_id", said[i].turn, "data", "state", "done", "answer", "ok"));
  }
  json_t *turns = rk_evidence_turns(events, t);
  assert_int_equal(json_array_size(turns), 3);
  for (size_t i = 0; i < 3; i++) {
    assert_int_equal(rk_json_i64(json_array_get(turns, i), "line", -1), lines[i]);
    assert_int_equal(rk_json_bool(json_array_get(turns, i), "reply", false), i == 1);
  }
  json_decref(turns);
  json_decref(events);
  json_decref(t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(answers), cmocka_unit_test(tools), cmocka_unit_test(questions), cmocka_unit_test(order_numbers), cmocka_unit_test(sources), cmocka_unit_test(memory),
      cmocka_unit_test(code), cmocka_unit_test(scripts_titles_copies), cmocka_unit_test(apps), cmocka_unit_test(ends), cmocka_unit_test(charges), cmocka_unit_test(addresses),
      cmocka_unit_test(nothing_invented), cmocka_unit_test(amounts), cmocka_unit_test(the_user), cmocka_unit_test(asked_by_its_last_event), cmocka_unit_test(turns_and_lines)};
  return cmocka_run_group_tests(tests, open_market, close_market);
}
