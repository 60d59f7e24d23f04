/* Schemas, their validator and the automaton: which bytes may follow, that
 * every walk can be completed, and that what comes out validates. */
#include "chat/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "chat/gbnf.h"
#include "chat/regex.h"

/* Written with ' for ". */
static json_t *json_of(const char *text) {
  struct rk_error e = {0};
  char *copy = strdup(text);
  for (char *p = copy; *p; p++)
    if (*p == '\'') *p = '"';
  json_t *v = rk_json_parse(rk_str_c(copy), 1 << 20, &e);
  free(copy);
  if (!v) fail_msg("%s: %s", text, e.msg);
  return v;
}

static struct rk_schema *schema(const char *text) {
  struct rk_error e = {0};
  json_t *v = json_of(text);
  struct rk_schema *s;
  if (rk_schema_new(v, "s", &s, &e)) fail_msg("%s: %s", text, e.msg);
  json_decref(v);
  return s;
}

static struct rk_automaton *automaton(const struct rk_schema *s) {
  struct rk_error e = {0};
  struct rk_automaton *a;
  if (rk_schema_automaton(s, &a, &e)) fail_msg("%s", e.msg);
  return a;
}

/* 'y': the whole text is accepted; 'p': a prefix of one that is; 'n': neither. */
static char judge_bytes(struct rk_automaton *a, rk_str text) {
  struct rk_matcher m;
  rk_matcher_init(&m, rk_automaton_ref(a), 1 << 20);
  char verdict = !rk_matcher_take(&m, text) ? 'n' : rk_matcher_ends(&m) ? 'y' : 'p';
  rk_matcher_release(&m);
  return verdict;
}

static char judge(struct rk_automaton *a, const char *text) { return judge_bytes(a, rk_str_c(text)); }

static const struct { const char *schema; const char *texts[16]; } cases[] = {
    {"{'type':'string'}", {"y\"\"", "y\"a b\xe4\xb9\xb0\xf0\x9f\x91\x9f\"", "y\"\\n\\\"\"", "p\"a", "nx", "n\"\n", "n\"\\u0041", "y\"\\u001f\"", "n\"\x80", "n\"\xed\xa0\x80", "n\"\xc0\x80", "n\"\" "}},
    {"{'type':'string','minLength':2,'maxLength':3}", {"n\"\"", "n\"a\"", "y\"\xe4\xb9\xb0\xe4\xb9\xb0\"", "y\"a\\nb\"", "n\"abcd"}},
    {"{'type':'string','minLength':3}", {"n\"ab\"", "y\"abc\"", "y\"abcdefgh\""}},
    {"{'type':'string','pattern':'^[A-Z]{2}-\\\\d{3}$'}", {"y\"AB-123\"", "n\"AB-1234", "n\"ab", "p\"A"}},
    {"{'type':'string','pattern':'b+'}", {"y\"abc\"", "n\"\"", "n\"ac\"", "y\"b\""}},
    {"{'type':'string','pattern':'^[^a]*$','maxLength':2}", {"y\"\"", "y\"\\\"\\n\"", "n\"bcd", "n\"a"}},
    {"{'type':'string','format':'date'}", {"y\"2026-11-24\"", "n\"2026-02-30", "y\"2024-02-29\"", "n\"2023-02-29", "n\"1900-02-29", "y\"2000-02-29\"", "n\"0000"}},
    {"{'type':'string','format':'date-time'}", {"y\"2026-11-24T07:00:00Z\"", "y\"2026-11-24T07:00:00.25+08:00\"", "n\"2026-11-24 "}},
    {"{'type':'string','format':'email'}", {"y\"a.b@example.org\"", "n\"a@b\""}},
    {"{'type':'string','format':'uuid'}", {"y\"123e4567-e89b-12d3-a456-426614174000\"", "n\"123e4567e"}},
    {"{'type':'string','format':'uri'}", {"y\"https://example.org:80/a/b?q=1#x\"", "y\"mailto:a@b.c\"", "n\"//x", "n\"a b"}},
    {"{'type':'integer'}", {"y0", "y-5", "y123", "n01", "p-", "n-0", "n1.", "n1 ", "y999999999999999999", "n1234567890123456789", "n+"}},
    {"{'type':'integer','minimum':1,'maximum':999}", {"n0", "y1", "y99", "y999", "n1000", "n-"}},
    {"{'type':'integer','minimum':37,'maximum':42}", {"n1", "p3", "n36", "y37", "y42", "n43", "n5", "n370"}},
    {"{'type':'integer','minimum':-12,'maximum':-9}", {"p-", "n9", "y-9", "y-12", "n-13", "n-8", "p-1", "n-2"}},
    {"{'type':'integer','multipleOf':7,'exclusiveMinimum':-8,'exclusiveMaximum':30}", {"y0", "y7", "y28", "n35", "y-7", "n-1", "n1\n", "p1", "y14", "n3", "n8"}},
    {"{'type':'number','multipleOf':5}", {"y10", "n0.5", "y-5"}},
    {"{'type':'number','minimum':0.5,'exclusiveMaximum':2}", {"p0", "n0.4999", "n0.4,", "y0.5", "y1", "y1.999999", "n2", "n-", "p1.50"}},
    {"{'type':'number','minimum':0.1,'maximum':0.3}", {"y0.1", "y0.3", "y0.25", "n0.4", "n0.30", "y0.10000000000000001"}},
    {"{'type':'number'}", {"y-0.5", "y3.25", "n.5", "p1.", "y1e5", "p-0", "p1.50", "y123456789012345678", "y1.5e-7"}},
    {"{'enum':['a','ab',1,12,null,1.5,{'k':[1,2]}]}", {"y\"a\"", "y\"ab\"", "n\"abc\"", "y1", "y12", "n13", "ynull", "y1.5", "y{\"k\":[1,2]}", "n{\"k\": "}},
    {"{'enum':[1,'x',5],'type':'integer','minimum':2}", {"y5", "n1", "n\"x"}},
    {"{'const':'x'}", {"y\"x\"", "n\"y\""}},
    {"{'type':'boolean'}", {"ytrue", "yfalse", "ptr", "nnull"}},
    {"{'type':['string','null'],'maxLength':1}", {"ynull", "y\"a\"", "n\"ab", "n1"}},
    {"{'type':'array','items':{'type':'integer'},'minItems':1,'maxItems':2}", {"n[]", "y[1]", "y[1,2]", "n[1,2,", "n[1, 2", "p[1,", "n[ 1"}},
    {"{'type':'array','maxItems':0}", {"y[]", "n[1"}},
    {"{'type':'array','prefixItems':[{'type':'integer'},{'type':'string'}],'items':false}", {"y[]", "y[1]", "y[1,\"a\"]", "n[1,\"a\",", "n[\"a\""}},
    {"{'type':'array','prefixItems':[{'type':'integer'}],'items':{'type':'null'},'minItems':3}", {"n[1,null]", "y[1,null,null]", "y[1,null,null,null]"}},
    {"{'type':'object','properties':{'q':{'type':'string'},'n':{'type':'integer'},'name':{'type':'null'}},'required':['q']}",
     {"y{\"q\":\"x\"}", "n{\"n\"", "y{\"q\":\"x\",\"n\":1}", "y{\"q\":\"\",\"name\":null}", "n{}", "n{\"q\":\"x\",\"q\"", "n{\"z\"", "n{ \"q\"", "n{\"q\":\"\",\"name\":null,"}},
    {"{'type':'object'}", {"y{}", "y{\"a\":1,\"b\":{\"c\":[true,{}]}}", "n{\"a\": ", "n{\"a\":}"}},
    {"{'type':'object','additionalProperties':{'type':'integer'}}", {"y{\"x y\":5}", "n{\"x\":\"", "y{}"}},
    {"{'type':'object','properties':{'ab':{'type':'null'}},'additionalProperties':true}", {"y{\"ab\":null}", "n{\"ab\":1", "y{\"a\":1}", "y{\"abc\":1}", "y{\"ab\":null,\"x\":[]}", "y{\"\xe4\xb9\xb0\":0}"}},
    {"{'type':'object','additionalProperties':false}", {"y{}", "n{\"a"}},
    {"{'anyOf':[{'type':'object','properties':{'k':{'const':'a'},'x':{'type':'integer'}},'required':['k','x']},"
     "{'type':'object','properties':{'k':{'const':'b'},'y':{'type':'string'}},'required':['k','y']},{'type':'null'}]}",
     {"y{\"k\":\"a\",\"x\":1}", "y{\"k\":\"b\",\"y\":\"\"}", "n{\"k\":\"a\",\"y", "ynull", "p{\"k\":\""}},
    {"{'oneOf':[{'type':'string'},{'type':'integer'}]}", {"y1", "y\"\""}},
    {"{'oneOf':[{'required':['a'],'properties':{'a':{'type':'null'}},'type':'object'},{'required':['b'],'properties':{'b':{'type':'null'}},'type':'object'}]}", {"y{\"a\":null}", "y{\"b\":null}", "n{}"}},
    {"{'oneOf':[{'type':'integer','maximum':3},{'type':'integer','minimum':4}]}", {"y3", "y4"}},
    {"{'oneOf':[{'enum':[1,2]},{'enum':[2,3]}],'enum':[1,2,3]}", {"y1", "n2", "y3"}},
    {"{'allOf':[{'type':'object','properties':{'a':{'type':'integer','minimum':2}},'required':['a']},{'properties':{'a':{'maximum':4},'b':{'type':'null'}}}]}", {"y{\"a\":3}", "n{\"a\":5", "y{\"a\":2,\"b\":null}"}},
    {"{'type':'object','properties':{'a':{'$ref':'#/$defs/p','maximum':3}},'$defs':{'p':{'type':'integer','minimum':1}},'required':['a']}", {"y{\"a\":3}", "n{\"a\":4", "n{\"a\":0"}},
    {"{'$defs':{'t':{'type':'object','properties':{'v':{'type':'integer'},'kids':{'type':'array','items':{'$ref':'#/$defs/t'}}},'required':['v']}},'$ref':'#/$defs/t'}",
     {"y{\"v\":1,\"kids\":[{\"v\":2},{\"v\":3,\"kids\":[]}]}", "n{\"kids\""}},
    {"{'type':'object','required':['a']}", {"n{}", "y{\"a\":[1]}", "n{\"b"}},
    {"{'minimum':3}", {"y\"x\"", "y3", "p2", "y[]"}},
    {"{'properties':{'a':{'type':'null'}}}", {"y{\"a\":null}", "n{\"b", "y1"}},
    {"{'title':'t','description':'d','default':1,'examples':[2],'$comment':'c','deprecated':true,'readOnly':true,'writeOnly':false,'$schema':'s','$id':'i','type':'null'}", {"ynull"}},
    {"{}", {"ynull", "y[1,\"a\",{}]", "ytrue", "y\"\""}},
};
enum { N_CASES = sizeof cases / sizeof *cases };

static void bytes_that_may_follow(void **state) {
  for (size_t i = 0; i < N_CASES; i++) {
    struct rk_schema *s = schema(cases[i].schema);
    struct rk_automaton *a = automaton(s);
    for (int k = 0; k < 16 && cases[i].texts[k]; k++) {
      const char *text = cases[i].texts[k];
      char got = judge(a, text + 1);
      if (got != text[0]) fail_msg("%s: %s gives %c", cases[i].schema, text, got);
      if (got != 'y') continue;
      struct rk_error e = {0};
      json_t *v = rk_json_parse(rk_str_c(text + 1), 1 << 20, &e);
      if (rk_schema_check(s, v, &e)) fail_msg("%s: %s: %s", cases[i].schema, text, e.msg);
      json_decref(v);
    }
    rk_automaton_free(a);
    rk_schema_free(s);
  }
}

/* A random way to the end, which closes what is open once it is long. */
static void walk(struct rk_automaton *a, uint64_t *seed, struct rk_buf *out) {
  rk_automaton_lock(a);
  int32_t at = rk_automaton_start(a);
  for (int n = 0; !rk_automaton_stops(a, at); n++) {
    if (rk_automaton_ends(a, at) && (n > 40 || (*seed >> 60) == 0)) break;
    int ways = 0, byte = -1;
    for (int x = 0; x < 256; x++) {
      if (rk_automaton_step(a, at, (uint8_t)x) < 0) continue;
      *seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
      bool closes = n > 40 && x && (*seed >> 40) % 2 && strchr("\"]}0", x);
      if (closes || (*seed >> 33) % (uint64_t)++ways == 0) byte = x;
      if (closes) break;
    }
    if (byte < 0) fail_msg("dead end after %s", out->p ? out->p : "");
    assert_true(n < 6000);
    rk_buf_addc(out, (char)byte);
    at = rk_automaton_step(a, at, (uint8_t)byte);
  }
  assert_true(rk_automaton_ends(a, at));
  rk_automaton_unlock(a);
}

static void walks_end_and_validate(void **state) {
  uint64_t seed = 7;
  for (size_t i = 0; i < N_CASES; i++) {
    struct rk_schema *s = schema(cases[i].schema);
    struct rk_automaton *a = automaton(s);
    for (int k = 0; k < 60; k++) {
      struct rk_buf out;
      rk_buf_init(&out, 1 << 20);
      walk(a, &seed, &out);
      struct rk_error e = {0};
      json_t *v = json_loadb(out.p, out.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
      if (!v) fail_msg("%s: no JSON: %s", cases[i].schema, out.p);
      if (rk_schema_check(s, v, &e)) fail_msg("%s: %s: %s", cases[i].schema, out.p, e.msg);
      json_decref(v);
      rk_buf_release(&out);
    }
    rk_automaton_free(a);
    rk_schema_free(s);
  }
}

static void outside_the_subset(void **state) {
  static const struct { const char *schema, *message; } refused[] = {
      {"{'type':'string','pattern':'a(?=b)'}", "s/pattern: the pattern at byte 3: lookaround"},
      {"{'type':'string','pattern':'(a)\\\\1'}", "backreferences"},
      {"{'type':'string','format':'ipv4'}", "s/format"},
      {"{'type':'object','properties':{'a':{'type':'array','uniqueItems':true}}}", "s/properties/a/uniqueItems"},
      {"{'anyOf':[{'type':'string'},{'not':{}}]}", "s/anyOf/1/not"},
      {"{'type':'text'}", "type must be"},
      {"{'type':'integer','minimum':5,'maximum':4}", "no value"},
      {"{'type':'integer','minimum':5,'maximum':6,'multipleOf':4}", "no value"},
      {"{'type':'number','multipleOf':0.5}", "s/multipleOf"},
      {"{'type':'string','minLength':3,'maxLength':2}", "no value"},
      {"{'type':'string','pattern':'^a{3}$','maxLength':2}", "no value"},
      {"{'oneOf':[{'type':'integer'},{'type':'number'}]}", "s/oneOf: two alternatives may fit the same"},
      {"{'type':'object','properties':{'x':{'oneOf':[{'pattern':'a'},{'pattern':'b'}]}}}", "s/properties/x/oneOf"},
      {"{'$ref':'#/$defs/none'}", "$ref"},
      {"{'$ref':'http://x/y'}", "$ref"},
      {"{'$defs':{'a':{'$ref':'#/$defs/a'}},'$ref':'#/$defs/a'}", "never end"},
      {"{'$defs':{'a':{'type':'object','properties':{'x':{'$ref':'#/$defs/a'}},'required':['x']}},'$ref':'#/$defs/a'}", "never end"},
      {"{'enum':[]}", "no value"},
      {"{'anyOf':[]}", "1 to 256"},
      {"{'items':[{}]}", "prefixItems"},
      {"[]", "must be an object"},
      {"false", "no value"},
  };
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    struct rk_error e = {0};
    json_t *v = json_of(refused[i].schema);
    struct rk_schema *s = NULL;
    struct rk_automaton *a = NULL;
    rk_err err = rk_schema_new(v, "s", &s, &e);
    if (!err) err = rk_schema_automaton(s, &a, &e);
    if (err != RK_EINVAL) fail_msg("%s: %d", refused[i].schema, err);
    if (!strstr(e.msg, refused[i].message)) fail_msg("%s: %s", refused[i].schema, e.msg);
    rk_schema_free(s);
    json_decref(v);
  }
}

static void nesting_limit(void **state) {
  /* Lists of lists, as deep as may be: always closable. */
  struct rk_schema *s = schema("{'$defs':{'l':{'type':'array','items':{'$ref':'#/$defs/l'}}},'$ref':'#/$defs/l'}");
  struct rk_automaton *a = automaton(s);
  char text[RK_MAX_GRAMMAR_DEPTH + 2];
  memset(text, '[', sizeof text);
  for (int n = RK_MAX_GRAMMAR_DEPTH - 1; n <= RK_MAX_GRAMMAR_DEPTH + 1; n++) {
    text[n] = 0;
    assert_int_equal(judge(a, text), n <= RK_MAX_GRAMMAR_DEPTH ? 'p' : 'n');
    text[n] = '[';
  }
  rk_automaton_free(a);
  rk_schema_free(s);
}

/* What could take for ever is refused or done, soon. */
static void hostile_schemas(void **state) {
  struct rk_buf b;
  rk_buf_init(&b, 1 << 21);
  struct rk_error e = {0};
  struct rk_schema *s = NULL;
  struct rk_automaton *a = NULL;
  /* 2^9 combinations */
  rk_buf_adds(&b, "{'allOf':[");
  for (int i = 0; i < 9; i++) rk_buf_addf(&b, "%s{'anyOf':[{'minimum':%d},{'maximum':%d}]}", i ? "," : "", i, -i);
  rk_buf_adds(&b, "]}");
  s = schema(b.p);
  assert_int_equal(rk_schema_automaton(s, &a, &e), RK_EINVAL);
  assert_non_null(strstr(e.msg, "combinations"));
  rk_schema_free(s);
  /* alternatives of alternatives that lead to the same few schemas */
  rk_buf_clear(&b);
  rk_buf_adds(&b, "{'$ref':'#/$defs/d14','$defs':{'d0':{'type':'array','items':{'$ref':'#/$defs/d14'}}");
  for (int i = 1; i <= 14; i++) {
    rk_buf_addf(&b, ",'d%d':{'anyOf':[", i);
    for (int k = 0; k < 16; k++) rk_buf_addf(&b, "%s{'$ref':'#/$defs/d%d'}", k ? "," : "", i - 1);
    rk_buf_adds(&b, "]}");
  }
  rk_buf_adds(&b, "}}");
  s = schema(b.p);
  assert_int_equal(rk_schema_automaton(s, &a, &e), RK_EINVAL);
  assert_non_null(strstr(e.msg, "combinations"));
  rk_schema_free(s);
  /* one megabyte */
  rk_buf_clear(&b);
  rk_buf_adds(&b, "{'enum':['");
  for (int i = 0; i < 1 << 20; i++) rk_buf_addc(&b, 'x');
  rk_buf_adds(&b, "']}");
  json_t *v = json_loads("{}", 0, NULL);
  char *big = calloc(1, (1 << 20) + 1);
  memset(big, 'x', 1 << 20);
  json_object_set_new(v, "const", json_string(big));
  assert_int_equal(rk_schema_new(v, "s", &s, &e), RK_ETOOBIG);
  json_decref(v);
  free(big);
  /* patterns whose length is counted in vain, and one that backtracking never ends */
  s = schema("{'type':'string','pattern':'^(a|aa|aaa)*b(.{0,300}c){0,300}$','maxLength':30000}");
  assert_int_equal(rk_schema_automaton(s, &a, &e), RK_EINVAL);
  assert_non_null(strstr(e.msg, "too complex"));
  rk_schema_free(s);
  s = schema("{'type':'string','pattern':'^((a+)+)+$'}");
  a = automaton(s);
  rk_buf_clear(&b);
  rk_buf_addc(&b, '"');
  for (int i = 0; i < 5000; i++) rk_buf_addc(&b, 'a');
  assert_int_equal(judge(a, b.p), 'p');
  rk_buf_addc(&b, '!');
  assert_int_equal(judge(a, b.p), 'n');
  rk_automaton_free(a);
  rk_schema_free(s);
  rk_buf_release(&b);
}

static void validator(void **state) {
  static const struct { const char *schema, *value, *message; } checks[] = {
      {"{\"type\":\"integer\"}", "5.0", NULL},
      {"{\"type\":\"integer\"}", "5.5", "an integer"},
      {"{\"type\":\"number\",\"maximum\":500}", "500.5", "at most 500"},
      {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}}}", "{\"a\":\"x\",\"more\":1}", NULL},
      {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},\"additionalProperties\":false}", "{\"more\":1}", "more must be left out"},
      {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"object\",\"required\":[\"b\"]}}}", "{\"a\":{}}", "a.b must be given"},
      {"{\"type\":\"array\",\"items\":{\"enum\":[\"x\",2]}}", "[\"x\",2.0]", NULL},
      {"{\"type\":\"array\",\"items\":{\"enum\":[\"x\",2]}}", "[\"y\"]", "[0] must be one of \"x\", 2"},
      {"{\"type\":\"string\",\"maxLength\":2}", "\"\xe4\xb9\xb0\xe4\xb9\xb0\"", NULL},
      {"{\"type\":\"string\",\"maxLength\":2}", "\"abc\"", "at most 2"},
      {"{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", "1", "one of the alternatives"},
  };
  for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
    struct rk_schema *s = schema(checks[i].schema);
    struct rk_error e = {0};
    json_t *v = rk_json_parse(rk_str_c(checks[i].value), 1 << 16, &e);
    rk_err err = rk_schema_check(s, v, &e);
    assert_int_equal(err, checks[i].message ? RK_EINVAL : RK_OK);
    if (checks[i].message && !strstr(e.msg, checks[i].message)) fail_msg("%s", e.msg);
    json_decref(v);
    rk_schema_free(s);
  }
}

static const char tools_text[] =
    "[{\"type\":\"function\",\"function\":{\"name\":\"search\",\"parameters\":{\"type\":\"object\",\"properties\":{\"q\":{\"type\":\"string\"}},\"required\":[\"q\"]}}},"
    "{\"type\":\"function\",\"function\":{\"name\":\"search_more\"}},"
    "{\"type\":\"function\",\"function\":{\"name\":\"now\",\"parameters\":{\"type\":\"object\",\"properties\":{}}}}]";

/* What can only follow at the start. */
static const char *forced(struct rk_automaton *a) {
  static char out[200];
  struct rk_matcher m;
  rk_matcher_init(&m, rk_automaton_ref(a), 1 << 20);
  out[rk_matcher_forced(&m, out, sizeof out - 1)] = 0;
  rk_matcher_release(&m);
  return out;
}

static void calls(void **state) {
  struct rk_error e = {0};
  json_t *tools = rk_json_parse(rk_str_c(tools_text), 1 << 16, &e);
  struct rk_schema *s = NULL;
  assert_int_equal(rk_schema_new_call(tools, NULL, &s, &e), RK_OK);
  struct rk_automaton *a = automaton(s);
  assert_int_equal(judge(a, "\n{\"name\": \"search\", \"arguments\": {\"q\": \"x\"}}\n"), 'y');
  assert_int_equal(judge(a, "\n{\"name\": \"search_more\", \"arguments\": {}}\n"), 'y');
  assert_int_equal(judge(a, "\n{\"name\": \"search\", \"arguments\": {}"), 'n');
  assert_int_equal(judge(a, "\n{\"name\": \"sea\""), 'n');
  assert_true(rk_schema_has_tool(s, RK_STR("now")) && !rk_schema_has_tool(s, RK_STR("no")));
  assert_string_equal(forced(a), "\n{\"name\": \"");
  rk_automaton_free(a);
  json_t *args = json_pack("{s:s}", "q", "x"), *none = json_object();
  assert_int_equal(rk_schema_check_call(s, "search", args, &e), RK_OK);
  assert_int_equal(rk_schema_check_call(s, "search", none, &e), RK_EINVAL);
  assert_int_equal(rk_schema_check_call(s, "searc", args, &e), RK_EINVAL);
  rk_schema_free(s);
  assert_int_equal(rk_schema_new_call(tools, "now", &s, &e), RK_OK);
  a = automaton(s);
  assert_string_equal(forced(a), "\n{\"name\": \"now\", \"arguments\": {}}\n");
  rk_automaton_free(a);
  rk_schema_free(s);
  json_decref(args);
  json_decref(none);
  json_decref(tools);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(bytes_that_may_follow), cmocka_unit_test(walks_end_and_validate),
                                     cmocka_unit_test(outside_the_subset),    cmocka_unit_test(nesting_limit),
                                     cmocka_unit_test(hostile_schemas),            cmocka_unit_test(validator),
                                     cmocka_unit_test(calls)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
