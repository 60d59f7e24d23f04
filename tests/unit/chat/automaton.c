/* Regular expressions, GBNF grammars and the automaton below them: what is
 * accepted, what is forced, and that hostile ones end. */
#include "chat/automaton.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chat/gbnf.h"
#include "chat/regex.h"

/* 'y': the whole text is accepted; 'p': a prefix of one that is; 'n': neither. */
static char judge(struct rk_automaton *a, const char *text) {
  struct rk_matcher m;
  rk_matcher_init(&m, rk_automaton_ref(a), 1 << 20);
  char verdict = !rk_matcher_take(&m, rk_str_c(text)) ? 'n' : rk_matcher_ends(&m) ? 'y' : 'p';
  rk_matcher_release(&m);
  return verdict;
}

static void patterns(void **state) {
  static const struct { const char *pattern; const char *texts[8]; } cases[] = {
      {"^abc$", {"yabc", "pab", "nabd", "nabcd"}},
      {"b", {"yabc", "y\n\xe4\xb9\xb0""b", "pac"}},
      {"^a|b$", {"ya", "yax", "yxb", "pxa"}},
      {"(^|,)x(,|$)", {"yx", "y1,x", "yx,", "pyx"}},
      {"^[^a-c\\d]\\.\\x41\\u00e9\\u{1f600}$", {"yz.A\xc3\xa9\xf0\x9f\x98\x80", "na", "n1"}},
      {"^\\w+\\s\\S$", {"yab_9 x", "n-"}},
      {"^a{2}b{1,}c{0,2}$", {"yaab", "yaabbbcc", "naabccc", "nab"}},
      {"^(?:ab)*?(?<n>c)+$", {"yababc", "yc", "pab"}},
      {"^a{3,1000}$", {"paa", "yaaa", "yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}},
      {"^(a?){3,60}b$", {"yb", "yab", "yaaaab", "pa"}},
      {".", {"p", "yx", "p\n"}},
      {"", {"y", "yx"}},
      {"^[\\]\\-^]+$", {"y]-^", "na"}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rk_automaton *a;
    struct rk_error e = {0};
    if (rk_regex_automaton(rk_str_c(cases[i].pattern), RK_REGEX_JUDGE, &a, &e)) fail_msg("%s: %s", cases[i].pattern, e.msg);
    for (int k = 0; k < 8 && cases[i].texts[k]; k++)
      if (judge(a, cases[i].texts[k] + 1) != cases[i].texts[k][0]) fail_msg("%s: %s", cases[i].pattern, cases[i].texts[k]);
    rk_automaton_free(a);
  }
}

static void refused_patterns(void **state) {
  static const struct { const char *pattern, *message; } cases[] = {
      {"(?=a)", "lookaround"}, {"(?<!a)b", "lookaround"}, {"(?i)a", "flags"}, {"(a)\\1", "backreferences"}, {"\\k<a>", "backreferences"},
      {"\\bx", "word borders"}, {"\\p{L}", "Unicode properties"}, {"a**", "needs a group"}, {"*a", "nothing to repeat"}, {"a{2,1}", "upside down"},
      {"[b-a]", "upside down"}, {"[a", "] is missing"}, {"(a", ") is missing"}, {"a)", "without ("}, {"a^b", "^ can stand"}, {"a$b", "$ can stand"},
      {"a{99999999}", "1000000"}, {"\\u{110000}", "code point"}, {"\\", "backslash"}, {"[]", "matches no string"}, {"\xff", "UTF-8"}, {"x{", "backslash"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rk_automaton *a = NULL;
    struct rk_error e = {0};
    rk_err err = rk_regex_automaton(rk_str_c(cases[i].pattern), RK_REGEX_JUDGE, &a, &e);
    if (err != RK_EINVAL || !strstr(e.msg, cases[i].message)) fail_msg("%s: %s", cases[i].pattern, e.msg);
  }
}

static const char list_text[] =
    "# a list\n"
    "root ::= \"[\" ws (item (\",\" ws item)*)? \"]\" # of items\n"
    "item ::= num |\n  word-1 | \"\\x41\\u00e9\\\"\" | [^\\]a-z0-9,\\[ A]\n"
    "num ::= \"-\"? [0-9]{1,3}\n"
    "word-1 ::= [a-z]+ .?\n"
    "ws ::= \" \"*\n";

static void grammars(void **state) {
  static const struct { const char *text; const char *texts[8]; } cases[] = {
      {list_text, {"y[]", "y[  1,-234]", "y[abc!,A\xc3\xa9\"]", "p[1,", "n[1234", "n[]x", "y[\xe4\xb9\xb0]"}},
      {"root ::= s\ns ::= \"a\" s \"b\" | \"\"", {"y", "yab", "yaaabbb", "paab", "nba"}},
      {"root ::= (\"x\" | \"y\" root)", {"yx", "yyyyyx", "pyy"}},
      {"root ::= e\ne ::= t (\"+\" t)*\nt ::= [0-9] | \"(\" e \")\"", {"y1+(2+3)", "p((1", "n1)"}},
      {"root ::= \"ab\"{2} | \"\"", {"y", "yabab", "pab", "nababa"}},
      {"root ::= ([ab]? [cd]?)*", {"y", "yacbd", "ydda", "ne"}},
      {"\n\nroot   ::= \"a\"\r\n\n", {"ya"}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rk_automaton *a;
    struct rk_error e = {0};
    if (rk_gbnf_automaton(rk_str_c(cases[i].text), &a, &e)) fail_msg("%s: %s", cases[i].text, e.msg);
    for (int k = 0; k < 8 && cases[i].texts[k]; k++)
      if (judge(a, cases[i].texts[k] + 1) != cases[i].texts[k][0]) fail_msg("%s: %s", cases[i].text, cases[i].texts[k]);
    rk_automaton_free(a);
  }
}

static void refused_grammars(void **state) {
  static const struct { const char *text, *message; } cases[] = {
      {"", "no rule named root"}, {"rule ::= \"a\"", "no rule named root"}, {"root ::= x", "\"x\" is used but not defined"},
      {"root ::= root \"a\" | \"b\"", "left recursion"}, {"root ::= a\na ::= b? a \"x\" | \"y\"\nb ::= \"z\"", "left recursion"},
      {"root ::= \"a\" root", "no text at all"}, {"root ::= []", "no text at all"}, {"root ::= \"a", "closing quote"},
      {"root ::= (\"a\"", ") is missing"}, {"root ::= \"a\")", "without ("}, {"root := \"a\"", "::="}, {"root ::= \"a\"\nroot ::= \"b\"", "line 2: a rule is defined twice"},
      {"root ::= \"\\q\"", "escape"}, {"root ::= [b-a]", "upside down"}, {"root ::= \"a\"{3,2}", "upside down"}, {"root ::= <tool>", "tokens"}, {"root ::= *", "name"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rk_automaton *a = NULL;
    struct rk_error e = {0};
    rk_err err = rk_gbnf_automaton(rk_str_c(cases[i].text), &a, &e);
    if (err != RK_EINVAL || !strstr(e.msg, cases[i].message)) fail_msg("%s: %s", cases[i].text, e.msg);
  }
}

/* Deep nesting, many alternatives, many rules, a megabyte: an error or an answer, soon. */
static void hostile(void **state) {
  struct rk_buf b;
  struct rk_automaton *a = NULL;
  struct rk_error e = {0};
  rk_buf_init(&b, 1 << 22);
  for (int i = 0; i < 5000; i++) rk_buf_adds(&b, "(");
  assert_int_equal(rk_regex_automaton(rk_buf_str(&b), RK_REGEX_JUDGE, &a, &e), RK_EINVAL);
  rk_buf_clear(&b);
  for (int i = 0; i < 1 << 20; i++) rk_buf_adds(&b, "a");
  assert_int_equal(rk_regex_automaton(rk_buf_str(&b), RK_REGEX_JUDGE, &a, &e), RK_ETOOBIG);
  assert_int_equal(rk_gbnf_automaton(rk_buf_str(&b), &a, &e), RK_ETOOBIG);
  assert_int_equal(rk_regex_automaton(RK_STR("((((a{1000}){1000}){1000}){1000}){1000}"), RK_REGEX_JUDGE, &a, &e), RK_OK);
  assert_int_equal(judge(a, "aaaaaaaaaaaaa"), 'p');
  rk_automaton_free(a);
  rk_buf_clear(&b);
  rk_buf_adds(&b, "root ::= r0\n");
  for (int i = 0; i < 4000; i++) rk_buf_addf(&b, "r%d ::= \"a\" r%d | \"a\" r%d | \"b\"\n", i, (i + 1) % 4000, (i * 7) % 4000);
  assert_int_equal(rk_gbnf_automaton(rk_buf_str(&b), &a, &e), RK_OK);
  assert_int_equal(judge(a, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"), 'y');
  rk_automaton_free(a);
  /* as deep as may be, then closable */
  assert_int_equal(rk_gbnf_automaton(RK_STR("root ::= s\ns ::= \"(\" s \")\" | \"\""), &a, &e), RK_OK);
  struct rk_matcher m;
  rk_matcher_init(&m, a, 1 << 20);
  int deep = 0;
  while (rk_matcher_take(&m, RK_STR("("))) deep++;
  assert_true(deep > 100 && deep <= RK_GBNF_MAX_DEPTH);
  for (int i = 0; i < deep; i++) assert_true(rk_matcher_take(&m, RK_STR(")")));
  assert_true(rk_matcher_ends(&m));
  rk_matcher_release(&m);
  rk_buf_release(&b);
}

/* States that are dropped and made again are the same: .* and a counter make many. */
static void memory_is_bounded(void **state) {
  struct rk_automaton *a;
  struct rk_error e = {0};
  assert_int_equal(rk_regex_automaton(RK_STR("^(.*a.{20}|x*)*b{1,50000}$"), RK_REGEX_JUDGE, &a, &e), RK_OK);
  struct rk_matcher m;
  rk_matcher_init(&m, a, 1 << 20);
  uint64_t seed = 1;
  for (int i = 0; i < 6000; i++) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    assert_true(rk_matcher_take(&m, (seed >> 40) % 3 ? RK_STR("a") : RK_STR("b")));
    rk_matcher_lock(&m);
    assert_true(rk_automaton_size_bytes(a) < 2 * (size_t)RK_AUTOMATON_MAX_BYTES);
    rk_automaton_unlock(a);
  }
  rk_matcher_release(&m);
}

static void forced_bytes(void **state) {
  struct rk_automaton *a;
  struct rk_error e = {0};
  assert_int_equal(rk_gbnf_automaton(RK_STR("root ::= \"yes, \" (\"it is\" | \"it was\") \"!\""), &a, &e), RK_OK);
  struct rk_matcher m;
  char out[40];
  rk_matcher_init(&m, a, 1 << 10);
  size_t n = rk_matcher_forced(&m, out, sizeof out);
  assert_true(rk_str_eq_c((rk_str){out, n}, "yes, it "));
  assert_int_equal(rk_matcher_forced(&m, out, 3), 3);
  assert_true(rk_matcher_take(&m, RK_STR("yes, it w")));
  n = rk_matcher_forced(&m, out, sizeof out);
  assert_true(rk_str_eq_c((rk_str){out, n}, "as!"));
  assert_false(rk_matcher_take(&m, RK_STR("x")));
  assert_true(rk_matcher_take(&m, RK_STR("as!")));
  assert_true(rk_matcher_stops(&m) && rk_matcher_ends(&m));
  rk_matcher_release(&m);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(patterns),         cmocka_unit_test(refused_patterns), cmocka_unit_test(grammars),
                                     cmocka_unit_test(refused_grammars), cmocka_unit_test(hostile),          cmocka_unit_test(memory_is_bounded),
                                     cmocka_unit_test(forced_bytes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
