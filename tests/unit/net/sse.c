/* The event stream reader: fields as WHATWG HTML 9.2 says, the same at every chunk border, bounded. */
#include "net/sse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct seen { struct rk_buf text; int n, stop_after; };

static bool note(void *ud, const struct rk_sse_event *ev) {
  struct seen *s = ud;
  rk_buf_addf(&s->text, "[%.*s|%.*s|%.*s]", RK_STR_ARG(ev->event), RK_STR_ARG(ev->data), RK_STR_ARG(ev->id));
  return ++s->n != s->stop_after;
}

/* Feeds in pieces of `step` bytes and compares what came out. */
static void expect(rk_str in, size_t step, const char *want) {
  struct rk_sse sse;
  struct seen seen = {0};
  rk_buf_init(&seen.text, 65536);
  rk_sse_init(&sse, 4096);
  for (size_t i = 0; i < in.n; i += step)
    assert_int_equal(rk_sse_feed(&sse, (rk_str){in.p + i, in.n - i < step ? in.n - i : step}, note, &seen), RK_OK);
  assert_string_equal(seen.text.p ? seen.text.p : "", want);
  rk_sse_release(&sse);
  rk_buf_release(&seen.text);
}

static void fields_at_every_border(void **state) {
  static const struct { rk_str in; const char *want; } cases[] = {
      {RK_STR("data: a\n\ndata:b\n\n"), "[|a|][|b|]"},
      {RK_STR("\xEF\xBB\xBF" "data: a\n\n"), "[|a|]"},
      {RK_STR("data: a\r\n\r\ndata: b\r\rdata: c\n\n"), "[|a|][|b|][|c|]"},
      {RK_STR("data: one\ndata: two\ndata\n\n"), "[|one\ntwo\n|]"},
      {RK_STR("event: add\nid: 7\ndata: x\n\ndata: y\n\n"), "[add|x|7][|y|7]"},
      {RK_STR(": heart\n\n:\n\nevent: lost\n\ndata: z\n\n"), "[|z|]"},
      {RK_STR("id: 1\0" "2\ndata: x\n\n"), "[|x|]"},
      {RK_STR("data:  two spaces\nretry: 5\nunknown: 1\n\n"), "[| two spaces|]"},
      {RK_STR("data: never ended\n"), ""},
      {RK_STR("data: \xE8\xB7\x91\xE9\x9E\x8B\n\n"), "[|\xE8\xB7\x91\xE9\x9E\x8B|]"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (size_t step = 1; step <= cases[i].in.n; step++) expect(cases[i].in, step, cases[i].want);
}

static void stops_when_told(void **state) {
  struct rk_sse sse;
  struct seen seen = {.stop_after = 1};
  rk_buf_init(&seen.text, 100);
  rk_sse_init(&sse, 100);
  assert_int_equal(rk_sse_feed(&sse, RK_STR("data: a\n\ndata: b\n\n"), note, &seen), RK_OK);
  assert_int_equal(seen.n, 1);
  rk_sse_release(&sse);
  rk_buf_release(&seen.text);
}

static void one_event_is_bounded(void **state) {
  for (size_t n = 99; n <= 101; n++) { /* "data" and its colon and the line end count with the line */
    struct rk_sse sse;
    struct seen seen = {0};
    rk_buf_init(&seen.text, 1000);
    rk_sse_init(&sse, 100);
    char line[128];
    memset(line, 'x', n);
    memcpy(line, "data:", 5);
    line[n] = '\n';
    line[n + 1] = '\n';
    assert_int_equal(rk_sse_feed(&sse, (rk_str){line, n + 2}, note, &seen), n <= 100 ? RK_OK : RK_ETOOBIG);
    assert_int_equal(seen.n, n <= 100 ? 1 : 0);
    rk_sse_release(&sse);
    rk_buf_release(&seen.text);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(fields_at_every_border), cmocka_unit_test(stops_when_told),
                                     cmocka_unit_test(one_event_is_bounded)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
