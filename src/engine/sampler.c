/* sampler.c - from logits to one token.
 *
 * Order: penalties, bias, mask, temperature, min-p, top-k, top-p, draw. The
 * cuts look at the distribution after the temperature. All sums run in the
 * order of ids or of the sorted candidates, so equal logits give equal tokens. */
#include <math.h>
#include <string.h>

#include "engine/engine.h"

struct candidate {
  float weight; /* exp((logit - max) / temperature) */
  int32_t id;
};

size_t rk_sampler_scratch_bytes(int32_t n_vocab) { return (size_t)n_vocab * sizeof(struct candidate); }

static void penalise(float *logits, int32_t n_vocab, const struct rk_sampling *s, const int32_t *recent, int32_t n_recent,
                     int32_t *counts) {
  if (n_recent <= 0 || (s->repetition_penalty == 1 && s->presence_penalty == 0 && s->frequency_penalty == 0)) return;
  memset(counts, 0, (size_t)n_vocab * sizeof *counts);
  for (int32_t i = 0; i < n_recent; i++)
    if (recent[i] >= 0 && recent[i] < n_vocab) counts[recent[i]]++;
  for (int32_t i = 0; i < n_vocab; i++) {
    if (!counts[i]) continue;
    logits[i] = logits[i] > 0 ? logits[i] / s->repetition_penalty : logits[i] * s->repetition_penalty;
    logits[i] -= s->presence_penalty + s->frequency_penalty * (float)counts[i];
  }
}

static void add_bias(float *logits, int32_t n_vocab, const struct rk_sampling *s) {
  for (int32_t i = 0; i < s->n_bias; i++)
    if (s->bias_ids[i] >= 0 && s->bias_ids[i] < n_vocab) logits[s->bias_ids[i]] += s->bias[i];
}

enum { WORD = 32 }; /* ids of a word of the mask */

/* False: all of them are numbers and none is larger than best. Without a branch, so that it is done side by side. */
static bool may_matter(const float x[WORD], float best) {
  int n = 0;
  for (int i = 0; i < WORD; i++) n += !(x[i] <= best);
  return n > 0;
}

/* Forbidden and NaN become -inf. Returns the best id (the lowest of equals), -1 when none is allowed. */
static int32_t apply_mask(float *logits, int32_t n_vocab, const uint32_t *mask) {
  int32_t best = -1;
  for (int32_t first = 0; first < n_vocab; first += WORD) {
    const int32_t n = n_vocab - first < WORD ? n_vocab - first : WORD;
    const uint32_t allowed = mask ? mask[first / WORD] : UINT32_MAX;
    if (allowed == UINT32_MAX && n == WORD && best >= 0 && !may_matter(logits + first, logits[best])) continue;
    for (int32_t i = first; i < first + n; i++) {
      if (!(allowed >> (i - first) & 1) || isnan(logits[i])) logits[i] = -INFINITY;
      else if (best < 0 || logits[i] > logits[best]) best = i;
    }
  }
  return best;
}

/* splitmix64's finisher over both numbers: uniform in [0, 1). */
static double uniform(uint64_t seed, int64_t position) {
  uint64_t z = seed + 0x9e3779b97f4a7c15ULL * ((uint64_t)position + 1);
  for (int round = 0; round < 2; round++) {
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    z ^= z >> 31;
    z += seed;
  }
  return (double)(z >> 11) * 0x1p-53;
}

static bool before(struct candidate a, struct candidate b) {
  return a.weight > b.weight || (a.weight == b.weight && a.id < b.id);
}

static void sift_down(struct candidate *c, int32_t i, int32_t n) {
  struct candidate v = c[i];
  for (int32_t child; (child = 2 * i + 1) < n; i = child) {
    if (child + 1 < n && before(c[child + 1], c[child])) child++;
    if (!before(c[child], v)) break;
    c[i] = c[child];
  }
  c[i] = v;
}

/* Takes the best k off a heap, best first; they end up at the end of c, the best last. */
static int32_t take_best(struct candidate *c, int32_t n, int32_t k, double enough, double *mass) {
  int32_t left = n;
  *mass = 0;
  while (left > n - k && *mass < enough) {
    struct candidate top = c[0];
    c[0] = c[--left];
    sift_down(c, 0, left);
    c[left] = top;
    *mass += (double)top.weight;
  }
  return n - left;
}

/* Draws from c[0..n) in order. */
static int32_t draw(const struct candidate *c, int32_t n, int32_t step, double mass, double u) {
  double at = u * mass;
  for (int32_t i = 0; i < n - 1; i++, c += step) {
    at -= (double)c->weight;
    if (at < 0) return c->id;
  }
  return c->id;
}

int32_t rk_sample(float *logits, int32_t n_vocab, const struct rk_sampling *s, const uint32_t *mask,
                  const int32_t *recent, int32_t n_recent, int64_t position, void *scratch) {
  penalise(logits, n_vocab, s, recent, n_recent, scratch);
  add_bias(logits, n_vocab, s);
  int32_t best = apply_mask(logits, n_vocab, mask);
  if (best < 0 || s->temperature <= 0 || !isfinite(logits[best])) return best;
  struct candidate *c = scratch;
  int32_t n = 0;
  double mass = 0;
  for (int32_t i = 0; i < n_vocab; i++) {
    float w = expf((logits[i] - logits[best]) / s->temperature);
    if (w <= 0 || w < s->min_p) continue;
    c[n++] = (struct candidate){w, i};
    mass += (double)w;
  }
  double u = uniform(s->seed, position);
  int32_t k = s->top_k > 0 && s->top_k < n ? s->top_k : n;
  if (k == n && s->top_p >= 1) return draw(c, n, 1, mass, u);
  for (int32_t i = n / 2 - 1; i >= 0; i--) sift_down(c, i, n);
  if (k < n) {
    take_best(c, n, k, INFINITY, &mass);
    memmove(c, c + n - k, (size_t)k * sizeof *c);
    n = k;
    for (int32_t i = n / 2 - 1; i >= 0; i--) sift_down(c, i, n);
  }
  k = take_best(c, n, n, s->top_p >= 1 ? INFINITY : (double)s->top_p * mass, &mass);
  if (k == 0) return best; /* top_p <= 0 */
  return draw(c + n - 1, k, -1, mass, u);
}

float rk_logprob(const float *logits, int32_t n_vocab, int32_t id, int32_t *top_ids, float *top_logprobs, int32_t n) {
  float max = -INFINITY;
  int32_t have = 0;
  for (int32_t i = 0; i < n_vocab; i++) {
    if (logits[i] > max) max = logits[i];
    if (n <= 0 || (have == n && !(logits[i] > top_logprobs[n - 1]))) continue;
    int32_t at = have < n ? have++ : n - 1;
    for (; at > 0 && logits[i] > top_logprobs[at - 1]; at--) {
      top_logprobs[at] = top_logprobs[at - 1];
      top_ids[at] = top_ids[at - 1];
    }
    top_logprobs[at] = logits[i];
    top_ids[at] = i;
  }
  double sum = 0;
  for (int32_t i = 0; i < n_vocab; i++) sum += exp((double)logits[i] - (double)max);
  double log_sum = (double)max + log(sum);
  for (int32_t i = 0; i < have; i++) top_logprobs[i] = (float)((double)top_logprobs[i] - log_sum);
  return id >= 0 && id < n_vocab ? (float)((double)logits[id] - log_sum) : -INFINITY;
}
