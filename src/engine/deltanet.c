#include "engine/deltanet.h"

#include <math.h>
#include <string.h>

static int32_t n_channels(const struct rk_delta_params *d) { return (2 * d->n_k + d->n_v) * d->dim; }

size_t rk_delta_layer_floats(const struct rk_delta_params *d) {
  return (size_t)(d->conv_kernel - 1) * (size_t)n_channels(d) + (size_t)d->n_v * (size_t)(d->dim * d->dim);
}

size_t rk_delta_state_bytes(const struct rk_hparams *hp) {
  return hp->n_delta_layer ? (size_t)hp->n_delta_layer * rk_delta_layer_floats(&hp->delta) * sizeof(float) : 0;
}

static const float *f32(const struct rk_gguf_tensor *t) { return (const float *)(const void *)t->data; }

/* exp, sigmoid and softplus are rounded from double, so that they do not depend on the C library's float versions. */
static float sigmoid(float x) { return (float)(1 / (1 + exp(-(double)x))); }
static double softplus(double x) { return x > 20 ? x : log1p(exp(x)); }

/* One head's worth of channels through the short convolution and SiLU. `past`
 * holds the last inputs, oldest first, and takes this one. */
static void convolve(const struct rk_hparams *hp, const struct rk_kernels *kern, const float *w, const float *x,
                     float *past, float *y) {
  static const float ones[RK_MAX_HEAD_DIM] = {[0 ... RK_MAX_HEAD_DIM - 1] = 1};
  const int32_t dim = hp->delta.dim, K = hp->delta.conv_kernel, row = n_channels(&hp->delta);
  for (int32_t i = 0; i < dim; i++, w += K) {
    float sum = 0;
    for (int32_t k = 0; k < K - 1; k++) sum += past[k * row + i] * w[k];
    y[i] = sum + x[i] * w[K - 1];
  }
  for (int32_t k = 0; k < K - 2; k++) memcpy(past + k * row, past + (k + 1) * row, sizeof *past * (size_t)dim);
  memcpy(past + (K - 2) * row, x, sizeof *past * (size_t)dim);
  kern->silu_mul(y, ones, dim);
}

/* Divides x by its length and by `scale`. */
static void unit_length(const struct rk_hparams *hp, const struct rk_kernels *kern, float *x, float scale) {
  float w[RK_MAX_HEAD_DIM];
  const int32_t dim = hp->delta.dim;
  for (int32_t i = 0; i < dim; i++) w[i] = scale;
  kern->rms_norm(x, w, dim, hp->rms_eps / (float)dim, x);
}

/* Heads that belong together: where they lie in the products and among the channels. */
struct heads {
  int32_t per;              /* value heads of the key head */
  int32_t q, k, v, v_step;  /* channels; from value head to value head */
  int32_t in_q, in_k, in_v, in_v_step, in_z, in_z_step, in_beta, in_alpha, in_gate_step;
  int32_t first, step;      /* numbers of the value heads */
};

static struct heads find_heads(const struct rk_delta_params *d, int32_t kh, bool joint) {
  const int32_t dim = d->dim, per = d->n_v / d->n_k;
  struct heads h = {.per = per, .q = kh * dim, .k = (d->n_k + kh) * dim};
  h.first = d->interleaved ? kh * per : kh;
  h.step = d->interleaved ? 1 : d->n_k;
  h.v = (2 * d->n_k + h.first) * dim;
  h.v_step = h.step * dim;
  h.in_q = h.q, h.in_k = h.k, h.in_v = h.v, h.in_v_step = h.in_z_step = h.v_step;
  h.in_z = h.first * dim;
  if (joint) {
    h.in_q = kh * (2 + 2 * per) * dim;
    h.in_k = h.in_q + dim;
    h.in_v = h.in_q + 2 * dim;
    h.in_z = h.in_v + per * dim;
    h.in_v_step = h.in_z_step = dim;
  }
  h.in_beta = d->interleaved ? 2 * kh * per : kh;
  h.in_alpha = d->interleaved ? h.in_beta + per : kh;
  h.in_gate_step = h.step;
  return h;
}

/* Forgets what another sequence left. */
static void clear(const struct rk_delta_params *d, const struct heads *h, float *state) {
  const int32_t row = n_channels(d), dim = d->dim;
  const size_t head = sizeof *state * (size_t)dim;
  float *S = state + (d->conv_kernel - 1) * row;
  for (int32_t k = 0; k < d->conv_kernel - 1; k++, state += row) {
    memset(state + h->q, 0, head), memset(state + h->k, 0, head);
    for (int32_t j = 0; j < h->per; j++) memset(state + h->v + j * h->v_step, 0, head);
  }
  for (int32_t j = 0; j < h->per; j++)
    memset(S + (size_t)(h->first + j * h->step) * (size_t)(dim * dim), 0, head * (size_t)dim);
}

void rk_delta_run(const struct rk_hparams *hp, const struct rk_layer *l, const struct rk_kernels *kern,
                  int32_t k_head, const struct rk_delta_in *in, int32_t n, int32_t pos, float *state, float *out) {
  const struct rk_delta_params *d = &hp->delta;
  const struct heads h = find_heads(d, k_head, in->joint);
  const int32_t dim = d->dim, K = d->conv_kernel;
  const float *w = f32(l->conv), shorter = 1.0f / sqrtf((float)dim);
  float *S = state + (K - 1) * n_channels(d);
  if (pos == 0) clear(d, &h, state);
  for (int32_t t = 0; t < n; t++, out += d->n_v * dim) {
    const float *x = in->qkv + (size_t)t * in->qkv_row, *z = in->z + (size_t)t * in->z_row;
    const float *beta = in->beta + (size_t)t * in->gate_row, *alpha = in->alpha + (size_t)t * in->gate_row;
    float q[RK_MAX_HEAD_DIM], k[RK_MAX_HEAD_DIM], v[RK_MAX_HEAD_DIM], gate[RK_MAX_HEAD_DIM];
    convolve(hp, kern, w + h.q * K, x + h.in_q, state + h.q, q);
    convolve(hp, kern, w + h.k * K, x + h.in_k, state + h.k, k);
    unit_length(hp, kern, q, shorter * shorter);
    unit_length(hp, kern, k, shorter);
    for (int32_t j = 0; j < h.per; j++) {
      const int32_t head = h.first + j * h.step, channel = h.v + j * h.v_step, g = j * h.in_gate_step;
      float *o = out + head * dim;
      convolve(hp, kern, w + channel * K, x + h.in_v + j * h.in_v_step, state + channel, v);
      float decay = (float)exp((double)f32(l->a)[head] * softplus((double)alpha[h.in_alpha + g] + (double)f32(l->dt)[head]));
      kern->delta(S + (size_t)head * (size_t)(dim * dim), q, k, v, decay, sigmoid(beta[h.in_beta + g]), dim, o);
      kern->rms_norm(o, f32(l->delta_norm), dim, hp->rms_eps, o);
      memcpy(gate, z + h.in_z + j * h.in_z_step, sizeof *gate * (size_t)dim);
      kern->silu_mul(gate, o, dim);
      memcpy(o, gate, sizeof *gate * (size_t)dim);
    }
  }
}
