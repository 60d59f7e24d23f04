/* Guesses from the context, and when they are worth their rows. */
#include "chat/draft.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "chat/pace.h"

enum { CAP = 2000 };

static struct rk_model *model;
static char path[64];
static struct rk_draft draft;
static int32_t tokens[CAP];

static int setup(void **state) {
  char cmd[200];
  struct rk_error e;
  snprintf(path, sizeof path, "/tmp/rukou-draft-%d.gguf", (int)getpid());
  snprintf(cmd, sizeof cmd, "python3 tests/tools/tiny_gguf.py %s", path);
  return system(cmd) == 0 && rk_model_open(path, &model, &e) == RK_OK ? 0 : -1;
}

static int teardown(void **state) {
  rk_model_close(model);
  return unlink(path);
}

static void add(const char *text, bool byte_by_byte) {
  for (size_t i = 0, n = strlen(text), step = byte_by_byte ? 1 : n; i < n; i += step) {
    int32_t ids[CAP], k = rk_tokenize(model, (rk_str){text + i, step}, false, ids, CAP);
    for (int32_t t = 0; t < k; t++) {
      tokens[draft.n] = ids[t];
      rk_draft_add(&draft, ids[t]);
    }
  }
}

static void start(const char *text) {
  rk_draft_release(&draft);
  rk_draft_init(&draft, model, tokens, 0, CAP);
  add(text, false);
}

/* The text of the guess; it is kept, to be judged. */
static const char *guessed(void) {
  static char text[200];
  struct rk_guess g;
  float odds[RK_DRAFT_MAX];
  size_t n = 0;
  int32_t place = rk_draft_look(&draft, tokens, &g);
  rk_draft_keep(&draft, &g, place, odds);
  for (int32_t i = 0; i < g.n; i++) {
    rk_str b = rk_token_bytes(model, g.ids[i]);
    assert_true(odds[i] > 0 && odds[i] < 1 && n + b.n < sizeof text);
    memcpy(text + n, b.p, b.n);
    n += b.n;
  }
  text[n] = 0;
  return text;
}

static bool begins(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

static void the_longest_agreement_is_followed(void **state) {
  start("a red shoe costs 40 yuan, a red hat costs 70 yuan; the shoe costs");
  assert_true(begins(guessed(), " 40 yuan"));
  int32_t n = draft.n;
  add(" 40 and the red hat costs", false);
  assert_true(begins(guessed(), " 70 yuan"));
  rk_draft_cut(&draft, n); /* as if the last words had never come */
  assert_true(begins(guessed(), " 40 yuan"));
  start("nothing like it: qzx");
  assert_string_equal(guessed(), "");
}

/* The prompt has "hello" as one token, the reply writes its letters. */
static void tokens_need_not_be_the_same(void **state) {
  start("say hello there, \"");
  add("he", true);
  assert_true(begins(guessed(), "llo there"));
}

/* What was copied last is gone on from, although another place agrees as long. */
static void a_copy_that_left_something_out_goes_on_behind_it(void **state) {
  start("name Old Lamp shop Sea Mall. name New Lamp shop Hill Mall. name Big Lamp shop Lake Mall. New");
  assert_true(begins(guessed(), " Lamp shop"));
  add(" Lamp, shop", false);
  assert_true(begins(guessed(), " Hill Mall"));
}

static void odds_follow_what_happened(void **state) {
  start("ab12cd34ef56");
  float first = draft.odds[10];
  for (int i = 0; i < 60; i++) {
    guessed();
    add("ab12cd34ef56", false);
  }
  assert_true(draft.odds[12] > 0.97f && draft.odds[10] >= first);
  uint32_t x = 1;
  start("0110");
  for (int i = 0; i < 600; i++) { /* coin flips */
    x = x * 1664525 + 1013904223;
    guessed();
    add(x >> 31 ? "1" : "0", false);
  }
  for (int k = 0; k < 6; k += 2) assert_true(draft.odds[k] > 0.1f && draft.odds[k] < 0.9f);
  rk_draft_release(&draft);
}

static int32_t guesses(const struct rk_pace *p, float odds, int32_t k) {
  float each[RK_DRAFT_MAX];
  for (int i = 0; i < RK_DRAFT_MAX; i++) each[i] = odds;
  return rk_pace_guesses(p, 0, 0, each, k);
}

static void guesses_that_do_not_pay_are_left_out(void **state) {
  struct rk_pace cheap, dear;
  rk_pace_init(&cheap);
  rk_pace_init(&dear);
  for (int32_t i = 0; i < 100; i++) {
    int32_t rows = i % 4 ? 1 : 8 + 8 * (i % 3);
    rk_pace_note(&cheap, rows, 10000 + 100 * rows); /* reading the weights is nearly all */
    rk_pace_note(&dear, rows, 1000 + 10000 * rows); /* each row costs as much as a step */
  }
  assert_int_equal(guesses(&cheap, 0.95f, 15), 15);
  assert_true(guesses(&cheap, 0.5f, 15) > 0);
  assert_int_equal(guesses(&cheap, 0.02f, 15), 0);
  assert_int_equal(guesses(&dear, 0.6f, 15), 0);
  assert_int_equal(guesses(&cheap, 0.99f, 0), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(the_longest_agreement_is_followed), cmocka_unit_test(tokens_need_not_be_the_same),
                                     cmocka_unit_test(a_copy_that_left_something_out_goes_on_behind_it), cmocka_unit_test(odds_follow_what_happened),
                                     cmocka_unit_test(guesses_that_do_not_pay_are_left_out)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
