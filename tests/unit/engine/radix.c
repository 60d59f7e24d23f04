/* The tree of blocks by itself, beside a model that forgets nothing: what a
 * sequence reads is what was written for its tokens, references are counted,
 * nothing held is evicted, a recurrent state is found at snapshots only. */
#include "fixture.h"

#include "engine/radix.h"

enum { BLOCKS = 12, CTX = 400, SEQS = 3, STATE = 2048 };

static const struct rk_kv_shape plain = {1, 1, 16, RK_KV_F16, RK_KV_F16, 0};
static const struct rk_kv_shape recurrent = {1, 1, 16, RK_KV_F16, RK_KV_F16, STATE}; /* a state is half a block */

/* Stands for the keys and values of a position: a hash of the tokens up to it. */
static uint64_t hash_upto(const int32_t *tokens, int32_t pos) {
  uint64_t h = 1;
  for (int32_t i = 0; i <= pos; i++) h = (h ^ (uint64_t)tokens[i]) * UINT64_C(0x9e3779b97f4a7c15);
  return h;
}

static uint8_t *value_at(const struct rk_kv_tree *t, const struct rk_kv_seq *s, int32_t pos) {
  return s->blocks[pos / 64] + rk_kv_v_at(&t->shape, 0, 0) + (size_t)(pos % 64) * 32;
}

static void compute(struct rk_kv_tree *t, struct rk_kv_seq *s, const int32_t *tokens, int32_t n) {
  for (int32_t i = s->n; i < n; i++) {
    uint64_t h = hash_upto(tokens, i);
    memcpy(value_at(t, s, i), &h, sizeof h);
    if (s->state) memcpy(s->state, &h, sizeof h);
  }
}

static void assert_holds(const struct rk_kv_tree *t, const struct rk_kv_seq *s, const int32_t *tokens) {
  for (int32_t i = 0; i < s->n; i++) {
    uint64_t want = hash_upto(tokens, i), got;
    memcpy(&got, value_at(t, s, i), sizeof got);
    if (got != want) fail_msg("position %d of %d is of other tokens", i, s->n);
  }
  uint64_t want = s->n ? hash_upto(tokens, s->n - 1) : 0;
  if (s->state && memcmp(s->state, &want, sizeof want) != 0) fail_msg("the state is not that of %d tokens", s->n);
}

/* Every node is reached once or unused; references are those of the sequences. */
static void assert_sound(const struct rk_kv_tree *t, const struct rk_kv_seq *seqs, int n_seqs) {
  int32_t used = 0, unused = 0;
  for (const struct rk_kv_node *n = t->unused; n; n = n->next) unused++;
  for (int32_t i = 0; i < t->n_blocks; i++) {
    const struct rk_kv_node *n = &t->nodes[i];
    if (!n->parent) continue;
    used++;
    int32_t refs = 0, seen = 0;
    for (int k = 0; k < n_seqs; k++)
      for (int32_t b = 0; b < seqs[k].n_path; b++) refs += seqs[k].path[b] == n;
    assert_int_equal(n->n_refs, refs);
    for (const struct rk_kv_node *c = n->parent->child; c; c = c->next) seen += c == n;
    assert_int_equal(seen, 1);
    if (n->child) assert_int_equal(n->n, 64);
    if (n->parent != &t->root) assert_int_equal(n->first, n->parent->first + 64);
  }
  assert_int_equal(used, t->n_used);
  assert_int_equal(used + unused, t->n_blocks);
  int32_t states = 0;
  for (int32_t i = 0; i < t->n_blocks; i++) states += t->nodes[i].state != NULL;
  assert_int_equal(states, t->n_states);
  assert_true((size_t)used * rk_kv_block_bytes(&t->shape) + (size_t)states * t->shape.state_bytes <= t->mem_bytes);
}

static void script(const struct rk_kv_shape *shape, uint64_t seed) {
  struct rng r = {seed};
  struct rk_kv_tree t;
  struct rk_kv_seq s[SEQS];
  static int32_t text[SEQS][CTX];
  bool open[SEQS] = {0};
  assert_true(rk_kv_tree_init(&t, shape, BLOCKS, CTX));
  for (int i = 0; i < SEQS; i++) assert_true(rk_kv_seq_init(&s[i], &t));
  for (int round = 0; round < 3000; round++) {
    int i = (int)rng_below(&r, SEQS);
    if (!open[i]) {
      int32_t from = (int32_t)rng_below(&r, SEQS), keep = (int32_t)rng_below(&r, CTX);
      memcpy(text[i], text[from], sizeof *text[i] * (size_t)keep);
      for (int32_t k = keep; k < CTX; k++) text[i][k] = (int32_t)rng_below(&r, 2);
      rk_kv_seq_open(&t, &s[i], text[i], (int32_t)rng_below(&r, CTX));
      open[i] = true;
    } else if (rng_below(&r, 5) == 0) {
      rk_kv_seq_close(&t, &s[i]);
      open[i] = false;
    } else if (rng_below(&r, 4) == 0) {
      int32_t n = (int32_t)rng_below(&r, (uint32_t)s[i].n + 1);
      rk_kv_seq_cut(&t, &s[i], n);
      assert_true(s[i].n <= n);
      for (int32_t k = s[i].n; k < CTX; k++) text[i][k] = (int32_t)rng_below(&r, 2);
    } else {
      int32_t want = s[i].n + (int32_t)rng_below(&r, 60), n = rk_kv_seq_extend(&t, &s[i], text[i], want < CTX ? want : CTX, 1 + (uint64_t)i);
      compute(&t, &s[i], text[i], n);
      if (n > s[i].n) rk_kv_seq_commit(&t, &s[i], n);
      if (s[i].n > 0 && rng_below(&r, 8) == 0) rk_kv_seq_keep(&t, &s[i], shape->state_bytes ? s[i].n : 1 + (int32_t)rng_below(&r, (uint32_t)s[i].n));
    }
    if (rng_below(&r, 50) == 0) rk_kv_release_owner(&t, 1 + rng_below(&r, SEQS));
    for (int k = 0; k < SEQS; k++)
      if (open[k]) assert_holds(&t, &s[k], text[k]);
    assert_sound(&t, s, SEQS);
  }
  assert_true(t.n_evictions > 100);
  for (int i = 0; i < SEQS; i++) rk_kv_seq_close(&t, &s[i]), rk_kv_seq_release(&s[i]);
  assert_int_equal(rk_kv_available(&t), BLOCKS);
  rk_kv_tree_release(&t);
}

static void test_script(void **state) { script(&plain, 1), script(&plain, 2); }
static void test_script_with_state(void **state) { script(&recurrent, 3); }

/* Dear and recent stay: the fixed prefix longest, a conversation that is over least. */
static void test_order_of_eviction(void **state) {
  struct rk_kv_tree t;
  struct rk_kv_seq s;
  int32_t text[4][64];
  assert_true(rk_kv_tree_init(&t, &plain, 3, CTX) && rk_kv_seq_init(&s, &t));
  for (int i = 0; i < 4; i++) {
    for (int k = 0; k < 64; k++) text[i][k] = 100 * i + k;
    rk_kv_seq_open(&t, &s, text[i], 64);
    assert_int_equal(rk_kv_seq_extend(&t, &s, text[i], 64, (uint64_t)i), 64);
    rk_kv_seq_commit(&t, &s, 64);
    if (i == 0) rk_kv_seq_keep(&t, &s, 64);
    rk_kv_seq_close(&t, &s);
    if (i == 2) rk_kv_release_owner(&t, 2);
  }
  const int32_t held[] = {64, 64, 0, 64}; /* 2 was over, though 1 is older and 0 the oldest */
  for (int i = 0; i < 4; i++) assert_int_equal(rk_kv_find(&t, text[i], 64, NULL), held[i]);
  for (int i = 2; i < 4; i++) {
    rk_kv_seq_open(&t, &s, text[i], 64);
    rk_kv_seq_extend(&t, &s, text[i], 64, 9);
    rk_kv_seq_commit(&t, &s, 64);
    rk_kv_seq_close(&t, &s);
  }
  assert_int_equal(rk_kv_find(&t, text[0], 64, NULL), 64);
  assert_int_equal(rk_kv_find(&t, text[1], 64, NULL), 0);
  rk_kv_seq_release(&s);
  rk_kv_tree_release(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_script), cmocka_unit_test(test_script_with_state), cmocka_unit_test(test_order_of_eviction),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
