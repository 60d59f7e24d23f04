/* The schema subset, its validator and the automaton: which bytes may follow,
 * that every walk can be completed, and that what comes out validates. */
#include "chat/grammar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct rk_schema *schema(const char *text) {
  struct rk_error e = {0};
  json_t *v = rk_json_parse(rk_str_c(text), 1 << 20, &e);
  assert_non_null(v);
  struct rk_schema *s;
  if (rk_schema_new(v, "s", &s, &e)) fail_msg("%s: %s", text, e.msg);
  json_decref(v);
  return s;
}

/* 'y': the whole text is a value; 'p': a prefix of one; 'n': neither. */
static char judge(const struct rk_schema *s, const char *text) {
  static struct rk_grammar a, b;
  rk_grammar_start(s, &a);
  for (const char *p = text; *p; p++) {
    if (!rk_grammar_step(s, &a, (uint8_t)*p, &b)) return 'n';
    rk_grammar_copy(&a, &b);
  }
  return rk_grammar_can_end(s, &a) ? 'y' : 'p';
}

static const struct { const char *schema; const char *texts[14]; } cases[] = {
    {"{\"type\":\"string\"}", {"y\"\"", "y\"a b\xe4\xb9\xb0\xf0\x9f\x91\x9f\"", "y\"\\n\\\"\"", "p\"a", "nx", "n\"\n", "n\"\\u0041", "n\"\x80", "n\"\xed\xa0\x80", "n\"\xc0\x80", "n\"\" "}},
    {"{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}", {"n\"\"", "n\"a\"", "y\"\xe4\xb9\xb0\xe4\xb9\xb0\"", "y\"a\\nb\"", "n\"abcd"}},
    {"{\"type\":\"integer\"}", {"y0", "y-5", "y123", "n01", "p-", "n-0", "n1.", "n1 ", "y999999999999999", "n9999999999999999", "n+"}},
    {"{\"type\":\"integer\",\"minimum\":1,\"maximum\":999}", {"n0", "y1", "y99", "y999", "n1000", "n-"}},
    {"{\"type\":\"integer\",\"minimum\":37,\"maximum\":42}", {"n1", "p3", "n36", "y37", "y42", "n43", "n5", "n370"}},
    {"{\"type\":\"integer\",\"minimum\":-12,\"maximum\":-9}", {"p-", "n9", "y-9", "y-12", "n-13", "n-8", "p-1", "n-2"}},
    {"{\"type\":\"number\",\"minimum\":0.5,\"exclusiveMaximum\":2}", {"p0", "n0.4", "y0.5", "y1", "y1.999999", "n1.9999999", "n2", "n-"}},
    {"{\"type\":\"number\"}", {"y-0.5", "y3.25", "n.5", "p1.", "n1e5", "n-0.0000000", "y123456789012", "n1234567890123"}},
    {"{\"enum\":[\"a\",\"ab\",1,12,null,{\"k\":[1,2]}]}", {"y\"a\"", "y\"ab\"", "n\"abc\"", "y1", "y12", "n13", "ynull", "y{\"k\": [1, 2]}", "n{\"k\":["}},
    {"{\"const\":\"x\"}", {"y\"x\"", "n\"y\""}},
    {"{\"type\":\"boolean\"}", {"ytrue", "yfalse", "ptr", "nnull"}},
    {"{\"type\":[\"string\",\"null\"],\"maxLength\":1}", {"ynull", "y\"a\"", "n\"ab", "n1"}},
    {"{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":1,\"maxItems\":2}", {"n[]", "y[1]", "y[1, 2]", "n[1, 2,", "n[1,2", "p[1, ", "n[ 1"}},
    {"{\"type\":\"array\",\"maxItems\":0}", {"y[]", "n[1"}},
    {"{\"type\":\"object\",\"properties\":{\"q\":{\"type\":\"string\"},\"n\":{\"type\":\"integer\"},\"name\":{\"type\":\"null\"}},\"required\":[\"q\"],\"additionalProperties\":false}",
     {"y{\"q\": \"x\"}", "y{\"n\": 1, \"q\": \"x\"}", "n{}", "n{\"n\": 1}", "n{\"q\": \"x\", \"q\"", "n{\"z\"", "n{\"q\":\"x", "n{ \"q\"", "y{\"q\": \"\", \"name\": null, \"n\": 3}",
      "n{\"q\": \"\", \"name\": null, \"n\": 3,"}},
    {"{\"type\":\"object\"}", {"y{}", "y{\"a\": 1, \"b\": {\"c\": [true, {}]}}", "n{\"a\":1", "n{\"a\": }"}},
    {"{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"}}", {"y{\"x y\": 5}", "n{\"x\": \"", "y{}"}},
    {"{\"anyOf\":[{\"type\":\"object\",\"properties\":{\"k\":{\"const\":\"a\"},\"x\":{\"type\":\"integer\"}},\"required\":[\"k\",\"x\"]},"
     "{\"type\":\"object\",\"properties\":{\"k\":{\"const\":\"b\"},\"y\":{\"type\":\"string\"}},\"required\":[\"k\",\"y\"]},{\"type\":\"null\"}]}",
     {"y{\"k\": \"a\", \"x\": 1}", "y{\"k\": \"b\", \"y\": \"\"}", "n{\"k\": \"a\", \"y", "ynull", "p{\"k\": \""}},
    {"{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"integer\"}]}", {"y1", "y\"\""}},
    {"{\"$defs\":{\"t\":{\"type\":\"object\",\"properties\":{\"v\":{\"type\":\"integer\"},\"kids\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/t\"}}},\"required\":[\"v\"]}},\"$ref\":\"#/$defs/t\"}",
     {"y{\"v\": 1, \"kids\": [{\"v\": 2}, {\"kids\": [], \"v\": 3}]}", "n{\"kids\": [{}"}},
    {"{\"type\":\"object\",\"required\":[\"a\"]}", {"n{}", "y{\"a\": [1]}", "n{\"b"}},
    {"{}", {"ynull", "y[1, \"a\", {}]", "ytrue", "y\"\""}},
};
enum { N_CASES = sizeof cases / sizeof *cases };

static void bytes_that_may_follow(void **state) {
  for (size_t i = 0; i < N_CASES; i++) {
    struct rk_schema *s = schema(cases[i].schema);
    for (int k = 0; k < 14 && cases[i].texts[k]; k++) {
      const char *text = cases[i].texts[k];
      char got = judge(s, text + 1);
      if (got != text[0]) fail_msg("%s: %s gives %c", cases[i].schema, text, got);
    }
    rk_schema_free(s);
  }
}

/* Random walks never come to a dead end, end soon when they look for the end,
 * and what they write fits the schema. */
static void walks_end_and_validate(void **state) {
  static struct rk_grammar a, b, pick;
  uint64_t seed = 7;
  for (size_t i = 0; i < N_CASES; i++) {
    struct rk_schema *s = schema(cases[i].schema);
    for (int walk = 0; walk < 60; walk++) {
      struct rk_buf out;
      rk_buf_init(&out, 1 << 20);
      rk_grammar_start(s, &a);
      for (int n = 0; !rk_grammar_must_end(&a); n++) {
        if (rk_grammar_can_end(s, &a) && (n > 40 || (seed >> 60) == 0)) break;
        assert_true(n < 6000);
        int ways = 0, byte = -1;
        for (int x = 0; x < 256; x++) {
          if (!rk_grammar_step(s, &a, (uint8_t)x, &b)) continue;
          seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
          bool closes = n > 40 && strchr("\"]}0", x) && x;
          if (closes || (seed >> 33) % (uint64_t)++ways == 0) byte = x, rk_grammar_copy(&pick, &b);
          if (closes) break;
        }
        if (byte < 0 && rk_grammar_can_end(s, &a)) break;
        if (byte < 0) fail_msg("%s: dead end after %s", cases[i].schema, out.p ? out.p : "");
        rk_buf_addc(&out, (char)byte);
        rk_grammar_copy(&a, &pick);
      }
      struct rk_error e = {0};
      json_t *v = json_loadb(out.p, out.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
      if (!v) fail_msg("%s: no JSON: %s", cases[i].schema, out.p);
      if (rk_schema_check(s, v, &e)) fail_msg("%s: %s: %s", cases[i].schema, out.p, e.msg);
      json_decref(v);
      rk_buf_release(&out);
    }
    rk_schema_free(s);
  }
}

static void outside_the_subset(void **state) {
  static const struct { const char *schema, *message; } refused[] = {
      {"{\"type\":\"string\",\"pattern\":\"a\"}", "s/pattern"},
      {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\",\"uniqueItems\":true}}}", "s/properties/a/uniqueItems"},
      {"{\"anyOf\":[{\"type\":\"string\"},{\"not\":{}}]}", "s/anyOf/1/not"},
      {"{\"type\":\"text\"}", "type must be"},
      {"{\"type\":\"integer\",\"minimum\":5,\"maximum\":4}", "between the bounds"},
      {"{\"type\":\"string\",\"minLength\":3,\"maxLength\":2}", "minLength"},
      {"{\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"number\"}]}", "may fit the same"},
      {"{\"$ref\":\"#/$defs/none\"}", "$ref"},
      {"{\"$ref\":\"http://x/y\"}", "$ref"},
      {"{\"$defs\":{\"a\":{\"$ref\":\"#/$defs/a\"}},\"$ref\":\"#/$defs/a\"}", "never end"},
      {"{\"$defs\":{\"a\":{\"type\":\"object\",\"properties\":{\"x\":{\"$ref\":\"#/$defs/a\"}},\"required\":[\"x\"]}},\"$ref\":\"#/$defs/a\"}", "never end"},
      {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"}},\"required\":[\"b\"],\"additionalProperties\":false}", "required name"},
      {"{\"enum\":[]}", "no value"},
      {"{\"minimum\":1}", "without type"},
      {"{\"anyOf\":[]}", "alternatives"},
      {"[]", "must be an object"},
      {"false", "must be an object"},
  };
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    struct rk_error e = {0};
    json_t *v = rk_json_parse(rk_str_c(refused[i].schema), 1 << 16, &e);
    struct rk_schema *s;
    assert_int_equal(rk_schema_new(v, "s", &s, &e), RK_EINVAL);
    if (!strstr(e.msg, refused[i].message)) fail_msg("%s: %s", refused[i].schema, e.msg);
    assert_null(s);
    json_decref(v);
  }
}

static void nesting_limit(void **state) {
  /* Lists of lists, as deep as may be: always closable. */
  struct rk_schema *s = schema("{\"$defs\":{\"l\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/l\"}}},\"$ref\":\"#/$defs/l\"}");
  char text[RK_MAX_GRAMMAR_DEPTH + 2];
  memset(text, '[', sizeof text);
  for (int n = RK_MAX_GRAMMAR_DEPTH - 1; n <= RK_MAX_GRAMMAR_DEPTH + 1; n++) {
    text[n] = 0;
    assert_int_equal(judge(s, text), n <= RK_MAX_GRAMMAR_DEPTH ? 'p' : 'n');
    text[n] = '[';
  }
  rk_schema_free(s);
}

/* Alternatives of alternatives of alternatives: neither building nor stepping blows up. */
static void no_blow_up(void **state) {
  struct rk_buf b;
  rk_buf_init(&b, 1 << 16);
  rk_buf_adds(&b, "{\"$ref\":\"#/$defs/d14\",\"$defs\":{\"d0\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/d14\"}}");
  for (int i = 1; i <= 14; i++) {
    rk_buf_addf(&b, ",\"d%d\":{\"anyOf\":[", i);
    for (int k = 0; k < 16; k++) rk_buf_addf(&b, "%s{\"$ref\":\"#/$defs/d%d\"}", k ? "," : "", i - 1);
    rk_buf_adds(&b, "]}");
  }
  rk_buf_adds(&b, "}}");
  struct rk_schema *s = schema(b.p);
  assert_int_equal(judge(s, "[[[], []]]"), 'y');
  struct rk_error e = {0};
  json_t *v = rk_json_parse(RK_STR("[[[[[[[[[[1]]]]]]]]]]"), 100, &e);
  assert_int_equal(rk_schema_check(s, v, &e), RK_EINVAL);
  json_decref(v);
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

static void calls(void **state) {
  struct rk_error e = {0};
  json_t *tools = rk_json_parse(rk_str_c(tools_text), 1 << 16, &e);
  struct rk_schema *s;
  assert_int_equal(rk_schema_new_call(tools, NULL, &s, &e), RK_OK);
  assert_int_equal(judge(s, "\n{\"name\": \"search\", \"arguments\": {\"q\": \"x\"}}\n"), 'y');
  assert_int_equal(judge(s, "\n{\"name\": \"search_more\", \"arguments\": {}}\n"), 'y');
  assert_int_equal(judge(s, "\n{\"name\": \"search\", \"arguments\": {}"), 'n');
  assert_int_equal(judge(s, "\n{\"name\": \"sea\""), 'n');
  struct rk_grammar g;
  char forced[200];
  rk_grammar_start(s, &g);
  size_t n = rk_grammar_forced(s, &g, forced, sizeof forced);
  assert_true(rk_str_eq_c((rk_str){forced, n}, "\n{\"name\": \""));
  json_t *args = json_pack("{s:s}", "q", "x"), *none = json_object();
  assert_int_equal(rk_schema_check_call(s, "search", args, &e), RK_OK);
  assert_int_equal(rk_schema_check_call(s, "search", none, &e), RK_EINVAL);
  assert_int_equal(rk_schema_check_call(s, "searc", args, &e), RK_EINVAL);
  rk_schema_free(s);
  assert_int_equal(rk_schema_new_call(tools, "now", &s, &e), RK_OK);
  rk_grammar_start(s, &g);
  n = rk_grammar_forced(s, &g, forced, sizeof forced);
  assert_true(rk_str_starts((rk_str){forced, n}, RK_STR("\n{\"name\": \"now\", \"arguments\": {")));
  rk_schema_free(s);
  json_decref(args);
  json_decref(none);
  json_decref(tools);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(bytes_that_may_follow), cmocka_unit_test(walks_end_and_validate),
                                     cmocka_unit_test(outside_the_subset),    cmocka_unit_test(nesting_limit),
                                     cmocka_unit_test(no_blow_up),            cmocka_unit_test(validator),
                                     cmocka_unit_test(calls)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
