/* Replies taken apart: the forms of a call, reasoning, broken bytes; the same
 * events however the bytes are cut; stop strings across pieces. */
#include "chat/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/utf8.h"
#include "chat/stop.h"

/* Events as one line: T[..] R[..] C[name args] B[..]; neighbours of T and R joined. */
struct seen {
  struct rk_buf line;
  char last;
};

static void note(void *ud, const struct rk_reply_event *ev) {
  struct seen *s = ud;
  char kind = "TRCB"[ev->type];
  if (ev->type == RK_REPLY_CALL) {
    char *args = rk_json_dump(ev->args);
    rk_buf_addf(&s->line, "%sC[%s %s", s->last ? "]" : "", ev->name, args);
    free(args);
  } else {
    assert_true(rk_utf8_valid(ev->text));
    if (kind != s->last || kind == 'B') rk_buf_addf(&s->line, "%s%c[", s->last ? "]" : "", kind);
    rk_buf_addstr(&s->line, ev->text);
  }
  s->last = kind;
}

static bool accept_buy(void *ud, const char *name, const json_t *args) { return strcmp(name, "buy") == 0; }

static bool q_is_text(void *ud, rk_str name, rk_str parameter) { return rk_str_eq_c(parameter, "q"); }

struct mode { bool tools, text_tags, thinking; };

static char *run(rk_str text, struct mode m, size_t cut1, size_t cut2, size_t every) {
  struct seen seen = {0};
  rk_buf_init(&seen.line, 1 << 20);
  struct rk_reply r;
  rk_reply_init(&r, &(struct rk_reply_opts){.tools = m.tools, .text_tags = m.text_tags, .thinking = m.thinking,
                                            .accept = accept_buy, .is_text = q_is_text, .fn = note, .ud = &seen});
  for (size_t i = 0, next; i < text.n; i = next) {
    next = i < cut1 ? cut1 : i < cut2 ? cut2 : text.n;
    if (every && i + every < next) next = i + every;
    if (next > text.n) next = text.n;
    char *exact = malloc(next - i); /* so that a read past the piece is seen */
    memcpy(exact, text.p + i, next - i);
    assert_int_equal(rk_reply_feed(&r, (rk_str){exact, next - i}, false), RK_OK);
    free(exact);
  }
  assert_int_equal(rk_reply_end(&r, false), RK_OK);
  rk_reply_release(&r);
  if (seen.last) rk_buf_addc(&seen.line, ']');
  return rk_buf_detach(&seen.line);
}

static const struct { struct mode m; const char *in, *out; } cases[] = {
    {{1, 1, 0}, "hello", "T[hello]"},
    {{1, 1, 0}, " hi \n", "T[ hi \n]"},
    {{1, 1, 0}, "Sure.\n<tool_call>\n{\"name\": \"buy\", \"arguments\": {\"n\": 1}}\n</tool_call>", "T[Sure.]C[buy {\"n\":1}]"},
    {{1, 1, 0}, "<tool_call>{\"name\":\"a\",\"arguments\":{}}</tool_call>\n<tool_call>{\"name\":\"b\",\"arguments\":\"{\\\"x\\\":2}\"}</tool_call> ok",
     "C[a {}]C[b {\"x\":2}]T[ok]"},
    {{1, 1, 0}, "<tool_call>{\"name\":\"a\",\"arguments\":{\"k\":1,\"k\":2}}</tool_call>", "C[a {\"k\":2}]"}, /* the last of equal keys counts */
    {{1, 1, 0}, "Now.\n\n<tool_call>\n<function=buy>\n<parameter=q>\n12\n</parameter>\n<parameter=n>\n3\n</parameter>\n<parameter=d>\n{\"a\": [1]}\n"
     "</parameter>\n<parameter=b>\nTrue\n</parameter>\n</function>\n</tool_call>", "T[Now.]C[buy {\"q\":\"12\",\"n\":3,\"d\":{\"a\":[1]},\"b\":true}]"},
    {{1, 1, 0}, "<tool_call>\n<function=now>\n</function>\n</tool_call>", "C[now {}]"},
    {{1, 1, 0}, "<tool_call><function=a><parameter=q>\none\n\n<b>two</b>\n</parameter></function></tool_call>", "C[a {\"q\":\"one\\n\\n<b>two</b>\"}]"},
    {{1, 1, 0}, "<tool_call><function=a><parameter=q>x</function></tool_call>", "B[<function=a><parameter=q>x</function>]"},
    {{1, 1, 0}, "<tool_call>nonsense</tool_call>x", "B[nonsense]T[x]"},
    {{1, 1, 0}, "<tool_call>{\"name\":\"a\",\"arguments\":{}}", "C[a {}]"},
    {{1, 1, 0}, "a <tool_cal b <b>", "T[a <tool_cal b <b>]"},
    {{1, 0, 0}, "as text: <tool_call>{}</tool_call>", "T[as text: <tool_call>{}</tool_call>]"},
    {{0, 1, 0}, "no tools <tool_call>", "T[no tools <tool_call>]"},
    {{1, 1, 0}, "```json\n{\"name\": \"buy\", \"arguments\": {\"q\": \"a ``` } \\\" b\"}}\n```\nDone", "C[buy {\"q\":\"a ``` } \\\" b\"}]T[Done]"},
    {{1, 1, 0}, "Let me.\n\n```json\n{\"name\":\"buy\",\"arguments\":{}}\n{\"name\":\"buy\",\"arguments\":{\"k\":1}}\n```", "T[Let me.]C[buy {}]C[buy {\"k\":1}]"},
    {{1, 1, 0}, "```\n{\"name\":\"buy\",\"arguments\":{}}```", "C[buy {}]"},
    {{1, 1, 0}, "```json\n{\"name\":\"sell\",\"arguments\":{}}\n```", "T[```json\n{\"name\":\"sell\",\"arguments\":{}}\n```]"},
    {{1, 1, 0}, "```json\n{\"price\": 1}\n``` x", "T[```json\n{\"price\": 1}\n``` x]"},
    {{1, 1, 0}, "```js\nx()\n```", "T[```js\nx()\n```]"},
    {{1, 1, 0}, "in line ```json {\"name\":\"buy\",\"arguments\":{}}```", "T[in line ```json {\"name\":\"buy\",\"arguments\":{}}```]"},
    {{1, 1, 0}, "{\"name\":\"buy\",\"arguments\":{\"a\":[1,{}]}}", "C[buy {\"a\":[1,{}]}]"},
    {{1, 1, 0}, "x {\"name\":\"buy\",\"arguments\":{}}", "T[x {\"name\":\"buy\",\"arguments\":{}}]"},
    {{0, 0, 0}, "{\"name\":\"buy\",\"arguments\":{}}", "T[{\"name\":\"buy\",\"arguments\":{}}]"},
    {{1, 1, 0}, "{\"name\":\"buy\",\"argum", "T[{\"name\":\"buy\",\"argum]"},
    {{1, 1, 0}, "<think>\nwhy \n</think>\n\nbecause", "R[why]T[because]"},
    {{1, 1, 1}, "\nwhy</think>\n\nyes", "R[why]T[yes]"},
    {{1, 1, 1}, "never closed  ", "R[never closed]"},
    {{1, 1, 0}, "text <think> stays", "T[text <think> stays]"},
    {{1, 1, 0}, "\xe4\xb9\xb0 \xf0\x9f\x91\x9f!", "T[\xe4\xb9\xb0 \xf0\x9f\x91\x9f!]"},
    {{1, 1, 0}, "\xe4\xb9 \xff \xe0\x80\x80 \xf0\x9f\x91", "T[\xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd]"},
};
enum { N_CASES = sizeof cases / sizeof *cases };

static void forms(void **state) {
  for (size_t i = 0; i < N_CASES; i++) {
    char *got = run(rk_str_c(cases[i].in), cases[i].m, 0, 0, 0);
    assert_string_equal(got, cases[i].out);
    free(got);
  }
}

static void every_cut_gives_the_same(void **state) {
  for (size_t i = 0; i < N_CASES; i++) {
    rk_str in = rk_str_c(cases[i].in);
    for (size_t a = 0; a <= in.n; a++)
      for (size_t b = a; b <= in.n; b += 1 + in.n / 16) {
        char *got = run(in, cases[i].m, a, b, 0);
        assert_string_equal(got, cases[i].out);
        free(got);
      }
    char *bytewise = run(in, cases[i].m, 0, 0, 1);
    assert_string_equal(bytewise, cases[i].out);
    free(bytewise);
  }
}

/* Tags as tokens: the local model. */
static void special_tokens(void **state) {
  struct seen seen = {0};
  rk_buf_init(&seen.line, 1 << 16);
  struct rk_reply r;
  rk_reply_init(&r, &(struct rk_reply_opts){.tools = true, .fn = note, .ud = &seen});
  static const struct { const char *text; bool special; } pieces[] = {
      {"<think>", true}, {"\nhm\n", false}, {"</think>", true}, {"\n\nI look.\n", false}, {"<tool_call>", true},
      {"\n{\"name\": \"buy\", \"arguments\": {\"q\": \"</tool_call>\"}}\n", false}, {"</tool_call>", true},
      {"\n", false}, {"<tool_call>", true}, {"\n{\"name\": \"bu", false}};
  for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
    assert_int_equal(rk_reply_feed(&r, rk_str_c(pieces[i].text), pieces[i].special), RK_OK);
    assert_int_equal(rk_reply_in_call(&r), i == 4 || i == 5 || i >= 8);
  }
  assert_int_equal(rk_reply_end(&r, true), RK_OK); /* the second call was cut: dropped */
  assert_int_equal(r.n_calls, 1);
  assert_string_equal(seen.line.p, "R[hm]T[I look.]C[buy {\"q\":\"</tool_call>\"}");
  rk_reply_release(&r);
  rk_buf_release(&seen.line);
}

static void huge_call_is_refused(void **state) {
  struct seen seen = {0};
  rk_buf_init(&seen.line, 1 << 16);
  struct rk_reply r;
  rk_reply_init(&r, &(struct rk_reply_opts){.tools = true, .text_tags = true, .fn = note, .ud = &seen});
  assert_int_equal(rk_reply_feed(&r, RK_STR("<tool_call>"), false), RK_OK);
  char *block = calloc(1, RK_REPLY_MAX_CALL_BYTES);
  memset(block, 'x', RK_REPLY_MAX_CALL_BYTES);
  assert_int_equal(rk_reply_feed(&r, (rk_str){block, RK_REPLY_MAX_CALL_BYTES}, false), RK_OK);
  assert_int_equal(rk_reply_feed(&r, RK_STR("x"), false), RK_ETOOBIG);
  free(block);
  rk_reply_release(&r);
  rk_buf_release(&seen.line);
}

static void stop_strings(void **state) {
  static const struct { const char *text, *out; bool hit; } stops[] = {
      {"one END two", "one ", true}, {"one EN", "one EN", false}, {"aab", "a", true}, {"EEND", "E", true}, {"plain", "plain", false},
      {"ab", "", true}, {"x\n\n\nUser", "x", true}};
  static const rk_str strings[] = {RK_STR("END"), RK_STR("ab"), RK_STR("\n\n\nUser"), RK_STR("ENDLESS")};
  for (size_t i = 0; i < sizeof stops / sizeof *stops; i++)
    for (size_t step = 1; step < 13; step++) {
      struct rk_stop s;
      rk_stop_init(&s, strings, 4);
      struct rk_buf out;
      rk_buf_init(&out, 256);
      rk_str text = rk_str_c(stops[i].text);
      for (size_t at = 0; at < text.n; at += step)
        rk_buf_addstr(&out, rk_stop_feed(&s, (rk_str){text.p + at, at + step > text.n ? text.n - at : step}, false));
      rk_buf_addstr(&out, rk_stop_feed(&s, RK_STR(""), true));
      assert_string_equal(out.p ? out.p : "", stops[i].out);
      assert_int_equal(s.hit, stops[i].hit);
      rk_buf_release(&out);
      rk_stop_release(&s);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(forms), cmocka_unit_test(every_cut_gives_the_same), cmocka_unit_test(special_tokens),
                                     cmocka_unit_test(huge_call_is_refused), cmocka_unit_test(stop_strings)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
