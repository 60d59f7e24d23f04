#include "engine/rope.h"

#include <math.h>

static const double PI = 3.14159265358979323846;

/* The pair that turns n_turns times within the original context. */
static double pair_of(const struct rk_rope_params *p, double n_turns) {
  return p->n_rot * log(p->n_ctx_orig / (n_turns * 2 * PI)) / (2 * log((double)p->base));
}

/* Part of pair i that keeps its frequency: 1 for the fast ones, 0 for the slow ones. */
static double kept(const struct rk_rope_params *p, int32_t i) {
  double low = fmax(0, floor(pair_of(p, (double)p->beta_fast)));
  double high = fmin(p->n_rot - 1, ceil(pair_of(p, (double)p->beta_slow)));
  double ramp = (i - low) / fmax(0.001, high - low);
  return (1 - fmin(1, fmax(0, ramp))) * (double)p->ext_factor;
}

/* Text stands at the same place in time, height and width, and at 0 of the extra section. */
static bool stands_still(const struct rk_rope_params *p, int32_t i) {
  const int32_t *s = p->sections, n = s[0] + s[1] + s[2] + s[3];
  return n > 0 && i % n >= 3 * s[i % n % 3];
}

float rk_rope_init(const struct rk_rope_params *p, double *inv_freq) {
  for (int32_t i = 0; i < p->n_rot / 2; i++) {
    double keep = p->scaling == RK_ROPE_PLAIN ? 1 : p->scaling == RK_ROPE_YARN ? kept(p, i) : 0;
    double turn = pow((double)p->base, -2.0 * i / p->n_rot);
    inv_freq[i] = stands_still(p, i) ? 0 : turn * keep + turn / (double)p->factor * (1 - keep);
  }
  if (p->scaling != RK_ROPE_YARN || p->ext_factor == 0) return p->attn_factor;
  return p->attn_factor * (float)(1 + 0.1 * log((double)p->factor));
}

void rk_rope_table(const struct rk_rope_params *p, const double *inv_freq, float length, int32_t pos, float *table) {
  const int32_t half = p->n_rot / 2;
  for (int32_t i = 0; i < half; i++) {
    double angle = (double)pos * inv_freq[i];
    table[i] = (float)cos(angle) * length;
    table[half + i] = (float)sin(angle) * length;
  }
}

void rk_rope_rotate(float *head, int32_t head_dim, const float *table, int32_t n_rot, float scale) {
  const int32_t half = n_rot / 2;
  for (int32_t i = 0; i < half; i++) {
    float a = head[i], b = head[i + half], cosine = table[i], sine = table[half + i];
    head[i] = (a * cosine - b * sine) * scale;
    head[i + half] = (a * sine + b * cosine) * scale;
  }
  for (int32_t i = n_rot; i < head_dim; i++) head[i] *= scale;
}
