/* Sampling: what each setting may and may not let through, and the same draw for the same seed and position. */
#include "engine/engine.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { V = 8, DRAWS = 4000 };
static const float base[V] = {1.0f, 4.0f, 3.0f, 0.0f, 3.5f, -2.0f, 2.0f, -9.0f};
static char scratch[V * 8];

static int32_t sample(struct rk_sampling s, const uint32_t *mask, const int32_t *recent, int32_t n_recent, int64_t position) {
  float logits[V];
  memcpy(logits, base, sizeof logits);
  return rk_sample(logits, V, &s, mask, recent, n_recent, position, scratch);
}

/* How often each token comes. */
static void count(struct rk_sampling s, const uint32_t *mask, int counts[V]) {
  memset(counts, 0, V * sizeof *counts);
  for (int64_t i = 0; i < DRAWS; i++) {
    int32_t id = sample(s, mask, NULL, 0, i);
    assert_in_range(id, 0, V - 1);
    counts[id]++;
  }
}

static struct rk_sampling at(float temperature) {
  struct rk_sampling s = RK_SAMPLING_DEFAULT;
  s.temperature = temperature;
  s.seed = 42;
  return s;
}

static void greedy_takes_the_best(void **state) {
  assert_int_equal(sample(at(0), NULL, NULL, 0, 0), 1);
  float equal[3] = {1, 2, 2};
  struct rk_sampling s = at(0);
  assert_int_equal(rk_sample(equal, 3, &s, NULL, NULL, 0, 0, scratch), 1); /* the lowest id of equals */
}

/* A vocabulary of several words of the mask, with NaN in it, beside a plain search. */
static void best_of_many(void **state) {
  enum { N = 32 * 5 + 7 };
  uint32_t x = 7;
  for (int round = 0; round < 300; round++) {
    float logits[N];
    uint32_t mask[(N + 31) / 32];
    int32_t best = -1;
    for (size_t i = 0; i < sizeof mask / sizeof *mask; i++) x = x * 1664525u + 1013904223u, mask[i] = x >> 28 < 4 ? UINT32_MAX : x >> 28 < 8 ? 0 : x;
    for (int i = 0; i < N; i++) {
      x = x * 1664525u + 1013904223u;
      logits[i] = x >> 24 == 0 ? NAN : x >> 24 == 1 ? -INFINITY : (float)(x >> 27);
      if ((round % 2 || mask[i / 32] >> (i % 32) & 1) && !isnan(logits[i]) && (best < 0 || logits[i] > logits[best])) best = i;
    }
    struct rk_sampling s = at(0);
    assert_int_equal(rk_sample(logits, N, &s, round % 2 ? NULL : mask, NULL, 0, 0, scratch), best);
    for (int i = 0; i < N; i++)
      assert_true(!isnan(logits[i]) && (round % 2 || mask[i / 32] >> (i % 32) & 1 || logits[i] == -INFINITY));
  }
}

static void same_seed_and_position_same_token(void **state) {
  struct rk_sampling s = at(1), other = at(1);
  other.seed = 43;
  int differ_by_seed = 0, differ_by_position = 0;
  for (int64_t i = 0; i < 200; i++) {
    assert_int_equal(sample(s, NULL, NULL, 0, i), sample(s, NULL, NULL, 0, i));
    differ_by_seed += sample(s, NULL, NULL, 0, i) != sample(other, NULL, NULL, 0, i);
    differ_by_position += sample(s, NULL, NULL, 0, i) != sample(s, NULL, NULL, 0, i + 1);
  }
  assert_true(differ_by_seed > 50 && differ_by_position > 50);
}

/* Frequencies follow the softmax: within five standard deviations. */
static void draws_follow_the_distribution(void **state) {
  int counts[V];
  double sum = 0;
  count(at(1), NULL, counts);
  for (int i = 0; i < V; i++) sum += exp((double)base[i]);
  for (int i = 0; i < V; i++) {
    double p = exp((double)base[i]) / sum, sd = sqrt(p * (1 - p) * DRAWS);
    assert_true(fabs(counts[i] - p * DRAWS) < 5 * sd + 1);
  }
}

static void temperature_flattens(void **state) {
  int cold[V], hot[V];
  count(at(0.5f), NULL, cold);
  count(at(3.0f), NULL, hot);
  assert_true(cold[1] > hot[1]);
  assert_true(cold[3] < hot[3]);
}

static void top_k_lets_k_through(void **state) {
  int counts[V];
  struct rk_sampling s = at(1);
  for (s.top_k = 1; s.top_k <= 3; s.top_k++) {
    count(s, NULL, counts);
    int seen = 0;
    for (int i = 0; i < V; i++) seen += counts[i] > 0;
    assert_int_equal(seen, s.top_k);
    assert_true(counts[1] > 0);
  }
}

/* p of the best four: .434 .263 .160 .059 */
static void top_p_takes_the_fewest_that_reach_it(void **state) {
  static const struct { float p; int seen; } cases[] = {{0.01f, 1}, {0.43f, 1}, {0.5f, 2}, {0.69f, 2}, {0.8f, 3}};
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    int counts[V], seen = 0;
    struct rk_sampling s = at(1);
    s.top_p = cases[c].p;
    count(s, NULL, counts);
    for (int i = 0; i < V; i++) seen += counts[i] > 0;
    assert_int_equal(seen, cases[c].seen);
  }
}

static void min_p_is_relative_to_the_best(void **state) {
  int counts[V];
  struct rk_sampling s = at(1);
  s.min_p = 0.3f; /* exp(-1) = .37 stays, exp(-2) = .14 goes */
  count(s, NULL, counts);
  assert_true(counts[1] && counts[4] && counts[2]);
  assert_int_equal(counts[1] + counts[4] + counts[2], DRAWS);
}

static void the_cuts_work_together(void **state) {
  int counts[V];
  struct rk_sampling s = at(1);
  s.top_k = 3;
  s.top_p = 0.6f; /* of the three that are left: .506 .307 .186 */
  count(s, NULL, counts);
  assert_true(counts[1] && counts[4]);
  assert_int_equal(counts[1] + counts[4], DRAWS);
}

static void mask_is_never_passed(void **state) {
  uint32_t mask = 1u << 5 | 1u << 7, none = 0;
  int counts[V];
  count(at(2), &mask, counts);
  assert_int_equal(counts[5] + counts[7], DRAWS);
  assert_true(counts[5] && counts[7]);
  assert_int_equal(sample(at(0), &mask, NULL, 0, 0), 5);
  assert_int_equal(sample(at(1), &none, NULL, 0, 0), -1);
}

static void penalties_look_at_recent_tokens(void **state) {
  int32_t recent[] = {1, 1, 4, 99, -1}; /* ids out of range are ignored */
  struct rk_sampling s = at(0);
  s.repetition_penalty = 2; /* 4 -> 2, 3.5 -> 1.75, 3 is best */
  assert_int_equal(sample(s, NULL, recent, 5, 0), 2);
  s = at(0);
  s.presence_penalty = 0.8f; /* 3.2, 2.7, 3 */
  assert_int_equal(sample(s, NULL, recent, 5, 0), 1);
  s.presence_penalty = 0;
  s.frequency_penalty = 0.4f; /* 3.2, 3.1, 3 */
  assert_int_equal(sample(s, NULL, recent, 5, 0), 1);
  s.frequency_penalty = 0.6f; /* 2.8, 2.9, 3 */
  assert_int_equal(sample(s, NULL, recent, 5, 0), 2);
}

static void a_negative_logit_is_penalised_downwards(void **state) {
  float logits[2] = {-1.0f, -1.5f};
  int32_t recent[] = {0};
  struct rk_sampling s = at(0);
  s.repetition_penalty = 2;
  assert_int_equal(rk_sample(logits, 2, &s, NULL, recent, 1, 0, scratch), 1);
}

static void bias_moves_and_forbids(void **state) {
  int32_t ids[] = {7, 1, 1000};
  float bias[] = {100, -100, 5};
  struct rk_sampling s = at(0);
  s.bias_ids = ids, s.bias = bias, s.n_bias = 3;
  assert_int_equal(sample(s, NULL, NULL, 0, 0), 7);
  s.n_bias = 2;
  bias[0] = 0;
  assert_int_equal(sample(s, NULL, NULL, 0, 0), 4);
}

static void odd_logits_do_no_harm(void **state) {
  struct rk_sampling s = at(1);
  float nan[3] = {NAN, 1, NAN}, inf[2] = {INFINITY, 1}, gone[2] = {-INFINITY, -INFINITY};
  assert_int_equal(rk_sample(nan, 3, &s, NULL, NULL, 0, 0, scratch), 1);
  assert_int_equal(rk_sample(inf, 2, &s, NULL, NULL, 0, 0, scratch), 0);
  assert_int_equal(rk_sample(gone, 2, &s, NULL, NULL, 0, 0, scratch), 0);
  float one[1] = {3};
  assert_int_equal(rk_sample(one, 1, &s, NULL, NULL, 0, 0, scratch), 0);
}

static void logprobs_add_up_and_are_sorted(void **state) {
  int32_t ids[V];
  float lp[V];
  double sum = 0;
  float of_2 = rk_logprob(base, V, 2, ids, lp, V);
  for (int i = 0; i < V; i++) {
    sum += exp((double)lp[i]);
    if (i) assert_true(lp[i] <= lp[i - 1]);
    if (ids[i] == 2) assert_true(fabsf(lp[i] - of_2) < 1e-6f);
  }
  assert_true(fabs(sum - 1) < 1e-5);
  assert_int_equal(ids[0], 1);
  assert_int_equal(ids[V - 1], 7);
  rk_logprob(base, V, 0, ids, lp, 2);
  assert_int_equal(ids[0], 1);
  assert_int_equal(ids[1], 4);
  assert_true(isinf(rk_logprob(base, V, V, NULL, NULL, 0)));
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(greedy_takes_the_best), cmocka_unit_test(best_of_many), cmocka_unit_test(same_seed_and_position_same_token),
    cmocka_unit_test(draws_follow_the_distribution), cmocka_unit_test(temperature_flattens),
    cmocka_unit_test(top_k_lets_k_through), cmocka_unit_test(top_p_takes_the_fewest_that_reach_it),
    cmocka_unit_test(min_p_is_relative_to_the_best), cmocka_unit_test(the_cuts_work_together),
    cmocka_unit_test(mask_is_never_passed), cmocka_unit_test(penalties_look_at_recent_tokens),
    cmocka_unit_test(a_negative_logit_is_penalised_downwards), cmocka_unit_test(bias_moves_and_forbids),
    cmocka_unit_test(odd_logits_do_no_harm), cmocka_unit_test(logprobs_add_up_and_are_sorted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
