#include "chat/draft.h"

#include <stdlib.h>
#include <string.h>

enum { PLACES_MAX = 64, AGREE_MAX = 24 };

void rk_draft_init(struct rk_draft *d, const int32_t *tokens, int32_t n, int32_t cap) {
  int32_t n_heads = 256;
  while (n_heads < cap && n_heads < 1 << 20) n_heads *= 2;
  *d = (struct rk_draft){.n_heads = n_heads, .cap = cap, .odds = {0.3f, 0.5f, 0.75f, 0.9f}};
  d->heads = malloc((size_t)n_heads * sizeof *d->heads);
  d->earlier = malloc((size_t)cap * sizeof *d->earlier);
  if (!d->heads || !d->earlier) {
    rk_draft_release(d);
    return;
  }
  memset(d->heads, 0xff, (size_t)n_heads * sizeof *d->heads);
  for (int32_t i = 1; i <= n; i++) rk_draft_add(d, tokens, i);
}

void rk_draft_release(struct rk_draft *d) {
  free(d->heads);
  free(d->earlier);
  *d = (struct rk_draft){0};
}

static int32_t *head_of(struct rk_draft *d, const int32_t *last) {
  uint32_t h = (uint32_t)last[-1] * 0x9e3779b1u ^ (uint32_t)last[0] * 0x85ebca6bu;
  return &d->heads[(h ^ h >> 15) & (uint32_t)(d->n_heads - 1)];
}

static void judge(struct rk_draft *d, int32_t token, int32_t pos) {
  if (!d->at) return;
  bool right = pos - d->at < d->n_guesses && d->guesses[pos - d->at] == token;
  if (pos - d->at < d->n_guesses) d->odds[d->kind] += ((right ? 1.0f : 0.0f) - d->odds[d->kind]) / 12;
  if (!right) d->at = 0;
}

void rk_draft_add(struct rk_draft *d, const int32_t *tokens, int32_t n) {
  if (!d->heads || n > d->cap) return;
  judge(d, tokens[n - 1], n - 1);
  if (n > 1) {
    int32_t *head = head_of(d, tokens + n - 1);
    d->earlier[n - 1] = *head;
    *head = n - 1;
  }
  d->n = n;
}

void rk_draft_cut(struct rk_draft *d, const int32_t *tokens, int32_t n) {
  if (!d->heads) return;
  for (; d->n > n && d->n > 1; d->n--) *head_of(d, tokens + d->n - 1) = d->earlier[d->n - 1];
  d->at = 0;
}

/* How many tokens before and with i equal those before and with the last one. */
static int32_t agree(const int32_t *tokens, int32_t i, int32_t last) {
  int32_t n = 0;
  while (n <= i && n < AGREE_MAX && tokens[i - n] == tokens[last - n]) n++;
  return n;
}

static int kind_of(int32_t agreed) { return agreed < 3 ? 0 : agreed < 5 ? 1 : agreed < 10 ? 2 : 3; }

int32_t rk_draft_guess(struct rk_draft *d, const int32_t *tokens, int32_t n, const int32_t **guesses, float *odds) {
  d->at = 0;
  if (!d->heads || n < 2) return 0;
  int32_t best = -1, longest = 1, places = 0;
  for (int32_t i = d->earlier[n - 1]; i >= 0 && places < PLACES_MAX && longest < AGREE_MAX; i = d->earlier[i], places++) {
    int32_t agreed = agree(tokens, i, n - 1);
    if (agreed > longest) best = i, longest = agreed;
  }
  if (best < 0) return 0;
  d->n_guesses = n - 1 - best < RK_DRAFT_MAX ? n - 1 - best : RK_DRAFT_MAX;
  memcpy(d->guesses, tokens + best + 1, (size_t)d->n_guesses * sizeof *d->guesses);
  d->at = n;
  d->kind = kind_of(longest);
  *guesses = d->guesses;
  *odds = d->odds[d->kind];
  return d->n_guesses;
}
