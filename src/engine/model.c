#include "engine/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "engine/tokenizer.h"

enum { ACT_BLOCK = 32, MAX_HEADS = 1024 }; /* activations are quantized in blocks of this many */

/* ---- architectures ---- */

/* What a layer may have; an architecture is a set of these. */
enum part {
  QKV_BIAS = 1, QK_NORM = 2, GATED = 4, DENSE = 8, EXPERTS = 16, SHARED = 32, DELTA = 64, BA_BY_HEAD = 128,
  POST_NORM = 256, /* the norm before the feed-forward is called post_attention_norm */
  /* set per layer */
  ATTENTION = 512, RECURRENT = 1024, SPLIT_QKVZ = 2048, JOINT_QKVZ = 4096, SPLIT_GATE_UP = 8192, JOINT_GATE_UP = 16384,
  FFN_NORM = 32768, BA_SPLIT = 65536
};

static const struct arch { const char *name; unsigned parts; } archs[] = {
  {"qwen2", QKV_BIAS | DENSE},
  {"qwen3", QK_NORM | DENSE},
  {"qwen3moe", QK_NORM | EXPERTS},
  {"qwen3next", QK_NORM | GATED | DELTA | BA_BY_HEAD | EXPERTS | SHARED | POST_NORM},
  {"qwen35", QK_NORM | GATED | DELTA | DENSE | POST_NORM},
  {"qwen35moe", QK_NORM | GATED | DELTA | EXPERTS | SHARED | POST_NORM},
};

static rk_err read_arch(struct rk_model *m, unsigned *parts, struct rk_error *e) {
  rk_str arch;
  if (!rk_gguf_str(m->gguf, "general.architecture", &arch))
    return rk_fail(e, RK_EFORMAT, "key general.architecture is missing: this is not a language model");
  char known[128] = "", name[80];
  for (size_t i = 0; i < sizeof archs / sizeof *archs; i++) {
    if (rk_str_eq_c(arch, archs[i].name)) {
      m->info.arch = archs[i].name;
      *parts = archs[i].parts;
      return RK_OK;
    }
    size_t n = strlen(known);
    snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", archs[i].name);
  }
  return rk_fail(e, RK_EFORMAT, "architecture %s is not supported, only %s", rk_gguf_printable(arch, name), known);
}

/* ---- keys ---- */

enum { MAX_KEY = 96 };

static const struct rk_gguf_kv *find_key(const struct rk_model *m, const char *key, char full[MAX_KEY]) {
  snprintf(full, MAX_KEY, "%s.%s", m->info.arch, key);
  return rk_gguf_find(m->gguf, full);
}

static rk_err get_u32(const struct rk_model *m, const char *key, uint32_t min, uint32_t max, int32_t *out,
                      struct rk_error *e) {
  char full[MAX_KEY];
  uint32_t v;
  find_key(m, key, full);
  if (!rk_gguf_u32(m->gguf, full, &v)) return rk_fail(e, RK_EFORMAT, "key %s is missing or not a number", full);
  if (v < min || v > max)
    return rk_fail(e, RK_EFORMAT, "key %s is %u, outside of %u to %u", full, v, min, max);
  *out = (int32_t)v;
  return RK_OK;
}

static rk_err get_f32(const struct rk_model *m, const char *key, float min, float max, float *out, struct rk_error *e) {
  char full[MAX_KEY];
  find_key(m, key, full);
  if (!rk_gguf_f32(m->gguf, full, out)) return rk_fail(e, RK_EFORMAT, "key %s is missing or not a number", full);
  if (!(*out >= min && *out <= max))
    return rk_fail(e, RK_EFORMAT, "key %s is %g, outside of %g to %g", full, (double)*out, (double)min, (double)max);
  return RK_OK;
}

/* Leaves *out alone when the key is absent. */
static rk_err get_u32_if(const struct rk_model *m, const char *key, uint32_t min, uint32_t max, int32_t *out,
                         struct rk_error *e) {
  char full[MAX_KEY];
  return find_key(m, key, full) ? get_u32(m, key, min, max, out, e) : RK_OK;
}

static rk_err get_f32_if(const struct rk_model *m, const char *key, float min, float max, float *out,
                         struct rk_error *e) {
  char full[MAX_KEY];
  return find_key(m, key, full) ? get_f32(m, key, min, max, out, e) : RK_OK;
}

/* ---- hyper-parameters ---- */

static rk_err read_heads(struct rk_model *m, struct rk_error *e) {
  struct rk_hparams *hp = &m->hp;
  rk_err err = get_u32(m, "attention.head_count", 1, MAX_HEADS, &hp->n_head, e);
  if (err == RK_OK) err = get_u32(m, "attention.head_count_kv", 1, MAX_HEADS, &hp->n_head_kv, e);
  if (err != RK_OK) return err;
  hp->head_dim = hp->n_embd / hp->n_head;
  err = get_u32_if(m, "attention.key_length", 16, RK_MAX_HEAD_DIM, &hp->head_dim, e);
  int32_t v_dim = hp->head_dim;
  if (err == RK_OK) err = get_u32_if(m, "attention.value_length", 16, RK_MAX_HEAD_DIM, &v_dim, e);
  if (err != RK_OK) return err;
  if (v_dim != hp->head_dim)
    return rk_fail(e, RK_EFORMAT, "keys are %d wide and values %d: only equal widths are supported", hp->head_dim, v_dim);
  if (hp->n_head % hp->n_head_kv)
    return rk_fail(e, RK_EFORMAT, "%d heads can not share %d key heads", hp->n_head, hp->n_head_kv);
  if (hp->n_head / hp->n_head_kv > RK_MAX_HEADS_PER_KV)
    return rk_fail(e, RK_EFORMAT, "%d heads share %d key heads, at most %d may share one", hp->n_head, hp->n_head_kv,
                   RK_MAX_HEADS_PER_KV);
  if (hp->head_dim < 16 || hp->head_dim > RK_MAX_HEAD_DIM || hp->head_dim % 16)
    return rk_fail(e, RK_EFORMAT, "heads %d wide are not supported: 16 to %d, a multiple of 16", hp->head_dim,
                   RK_MAX_HEAD_DIM);
  return RK_OK;
}

static rk_err read_rope_scaling(struct rk_model *m, struct rk_error *e) {
  struct rk_rope_params *r = &m->hp.rope;
  char key[MAX_KEY];
  rk_str type = RK_STR("linear");
  if (find_key(m, "rope.scaling.type", key) && !rk_gguf_str(m->gguf, key, &type))
    return rk_fail(e, RK_EFORMAT, "key %s is not a string", key);
  bool yarn = rk_str_eq_c(type, "yarn"), none = rk_str_eq_c(type, "none");
  if (!yarn && !none && !rk_str_eq_c(type, "linear")) {
    char name[80];
    return rk_fail(e, RK_EFORMAT, "key %s is %s: only none, linear and yarn are supported", key,
                   rk_gguf_printable(type, name));
  }
  rk_err err = get_f32_if(m, "rope.scaling.attn_factor", 1e-3f, 1e3f, &r->attn_factor, e);
  if (err != RK_OK || none) return err;
  if (yarn) err = get_f32(m, "rope.scaling.factor", 1, 1024, &r->factor, e);
  else err = get_f32_if(m, "rope.scaling.factor", 1, 1024, &r->factor, e);
  if (err == RK_OK)
    err = get_u32_if(m, "rope.scaling.original_context_length", 1, RK_MAX_MODEL_CONTEXT, &r->n_ctx_orig, e);
  if (err == RK_OK) err = get_f32_if(m, "rope.scaling.yarn_ext_factor", 0, 1, &r->ext_factor, e);
  if (err == RK_OK) err = get_f32_if(m, "rope.scaling.yarn_beta_fast", 1e-3f, 1e6f, &r->beta_fast, e);
  if (err == RK_OK) err = get_f32_if(m, "rope.scaling.yarn_beta_slow", 1e-3f, 1e6f, &r->beta_slow, e);
  r->scaling = yarn ? RK_ROPE_YARN : r->factor != 1 ? RK_ROPE_LINEAR : RK_ROPE_PLAIN;
  return err;
}

static rk_err read_rope(struct rk_model *m, struct rk_error *e) {
  const struct rk_hparams *hp = &m->hp;
  struct rk_rope_params *r = &m->hp.rope;
  *r = (struct rk_rope_params){.n_rot = hp->head_dim, .n_ctx_orig = hp->n_ctx_train, .factor = 1, .attn_factor = 1,
                               .ext_factor = 1, .beta_fast = 32, .beta_slow = 1};
  rk_err err = get_f32(m, "rope.freq_base", 1.0f, 1e12f, &r->base, e);
  if (err == RK_OK) err = get_u32_if(m, "rope.dimension_count", 2, (uint32_t)hp->head_dim, &r->n_rot, e);
  if (err != RK_OK) return err;
  char key[MAX_KEY];
  if (find_key(m, "rope.dimension_sections", key)) {
    int64_t n = rk_gguf_i32s(m->gguf, key, r->sections, 4), sum = 0;
    for (int i = 0; i < 4; i++) sum += r->sections[i] < 0 ? INT32_MAX : r->sections[i];
    if (n < 3 || sum < 1 || sum > hp->head_dim)
      return rk_fail(e, RK_EFORMAT, "key %s is not a list of four numbers of pairs", key);
  }
  find_key(m, "rope.dimension_count", key);
  if (r->n_rot % 2) return rk_fail(e, RK_EFORMAT, "key %s is %d, which is odd", key, r->n_rot);
  return read_rope_scaling(m, e);
}

static rk_err read_experts(struct rk_model *m, bool shared, struct rk_error *e) {
  struct rk_hparams *hp = &m->hp;
  char key[MAX_KEY];
  rk_err err = get_u32(m, "expert_count", 1, RK_MAX_EXPERTS, &hp->n_expert, e);
  if (err == RK_OK) err = get_u32(m, "expert_used_count", 1, RK_MAX_EXPERTS_USED, &hp->n_expert_used, e);
  if (err != RK_OK) return err;
  find_key(m, "expert_used_count", key);
  if (hp->n_expert_used > hp->n_expert)
    return rk_fail(e, RK_EFORMAT, "key %s is %d, more than the %d experts", key, hp->n_expert_used, hp->n_expert);
  hp->n_ff_exp = hp->n_ff / hp->n_expert_used;
  hp->n_ff_shexp = shared ? hp->n_ff : 0;
  err = get_u32_if(m, "expert_feed_forward_length", ACT_BLOCK, RK_MAX_MODEL_DIM, &hp->n_ff_exp, e);
  if (err == RK_OK && shared)
    err = get_u32_if(m, "expert_shared_feed_forward_length", ACT_BLOCK, RK_MAX_MODEL_DIM, &hp->n_ff_shexp, e);
  hp->expert_scale = 1;
  if (err == RK_OK) err = get_f32_if(m, "expert_weights_scale", 0, 1e3f, &hp->expert_scale, e);
  if (err != RK_OK) return err;
  if (hp->expert_scale == 0) hp->expert_scale = 1; /* as llama.cpp reads it: not set */
  hp->n_ff = 0;
  if (hp->n_ff_exp < ACT_BLOCK || hp->n_ff_exp % ACT_BLOCK || hp->n_ff_shexp % ACT_BLOCK || (shared && !hp->n_ff_shexp))
    return rk_fail(e, RK_EFORMAT, "experts %d and %d wide are not supported: a multiple of %d", hp->n_ff_exp,
                   hp->n_ff_shexp, ACT_BLOCK);
  return RK_OK;
}

static rk_err read_delta(struct rk_model *m, struct rk_error *e) {
  struct rk_delta_params *d = &m->hp.delta;
  int32_t inner = 0;
  rk_err err = get_u32(m, "ssm.state_size", 16, RK_MAX_HEAD_DIM, &d->dim, e);
  if (err == RK_OK) err = get_u32(m, "ssm.group_count", 1, MAX_HEADS, &d->n_k, e);
  if (err == RK_OK) err = get_u32(m, "ssm.time_step_rank", 1, MAX_HEADS, &d->n_v, e);
  if (err == RK_OK) err = get_u32(m, "ssm.inner_size", 16, RK_MAX_MODEL_DIM, &inner, e);
  if (err == RK_OK) err = get_u32(m, "ssm.conv_kernel", 2, RK_MAX_CONV_KERNEL, &d->conv_kernel, e);
  if (err != RK_OK) return err;
  if (d->dim % 16 || d->n_v % d->n_k || inner != d->dim * d->n_v || inner % ACT_BLOCK)
    return rk_fail(e, RK_EFORMAT,
                   "keys %s.ssm.*: %d value heads on %d key heads of %d with an inner size of %d do not fit together",
                   m->info.arch, d->n_v, d->n_k, d->dim, inner);
  return RK_OK;
}

/* Layers that guess further tokens at once come last; they are left out. */
static rk_err drop_mtp(struct rk_model *m, struct rk_error *e) {
  struct rk_hparams *hp = &m->hp;
  int32_t n = 0;
  rk_err err = get_u32_if(m, "nextn_predict_layers", 0, (uint32_t)hp->n_layer - 1, &n, e);
  if (err != RK_OK || n == 0) return err;
  hp->n_layer -= n;
  rk_log(RK_LOG_INFO, "engine", "%d layer(s) for multi-token prediction are left out", n);
  return RK_OK;
}

static rk_err read_hparams(struct rk_model *m, unsigned parts, struct rk_error *e) {
  struct rk_hparams *hp = &m->hp;
  hp->gated_attn = parts & GATED;
  hp->delta.interleaved = parts & BA_BY_HEAD;
  rk_err err = get_u32(m, "block_count", 1, RK_MAX_MODEL_LAYERS, &hp->n_layer, e);
  if (err == RK_OK) err = drop_mtp(m, e);
  if (err == RK_OK) err = get_u32(m, "embedding_length", ACT_BLOCK, RK_MAX_MODEL_DIM, &hp->n_embd, e);
  if (err == RK_OK && parts & DENSE) err = get_u32(m, "feed_forward_length", ACT_BLOCK, RK_MAX_MODEL_DIM, &hp->n_ff, e);
  if (err == RK_OK && parts & EXPERTS) err = get_u32_if(m, "feed_forward_length", 0, RK_MAX_MODEL_DIM, &hp->n_ff, e);
  if (err == RK_OK) err = get_u32(m, "context_length", 1, RK_MAX_MODEL_CONTEXT, &hp->n_ctx_train, e);
  if (err == RK_OK) err = get_f32(m, "attention.layer_norm_rms_epsilon", 1e-12f, 0.1f, &hp->rms_eps, e);
  if (err == RK_OK) err = read_heads(m, e);
  if (err == RK_OK && parts & EXPERTS) err = read_experts(m, parts & SHARED, e);
  if (err == RK_OK && parts & DELTA) err = read_delta(m, e);
  if (err != RK_OK) return err;
  if (hp->n_embd % ACT_BLOCK || hp->n_ff % ACT_BLOCK || hp->n_head * hp->head_dim % ACT_BLOCK)
    return rk_fail(e, RK_EFORMAT, "layer widths %d and %d are not multiples of %d", hp->n_embd, hp->n_ff, ACT_BLOCK);
  return read_rope(m, e);
}

/* ---- which layers attend, which have a state ---- */

static rk_err read_recurrent_list(const struct rk_model *m, const struct rk_gguf_kv *kv, const char *key, bool *recurrent,
                                  struct rk_error *e) {
  if (kv->type != RK_GGUF_ARRAY || kv->elem_type != RK_GGUF_BOOL || kv->n < (uint64_t)m->hp.n_layer)
    return rk_fail(e, RK_EFORMAT, "key %s is not a list of a truth value for each layer", key);
  for (int32_t il = 0; il < m->hp.n_layer; il++) recurrent[il] = kv->value[il] != 0;
  return RK_OK;
}

/* Every fourth layer attends, or what the file says. */
static rk_err number_layers(struct rk_model *m, unsigned parts, struct rk_error *e) {
  struct rk_hparams *hp = &m->hp;
  bool recurrent[RK_MAX_MODEL_LAYERS] = {0};
  char key[MAX_KEY];
  rk_err err = RK_OK;
  if (parts & DELTA) {
    int32_t interval = 4;
    err = get_u32_if(m, "full_attention_interval", 1, RK_MAX_MODEL_LAYERS, &interval, e);
    for (int32_t il = 0; il < hp->n_layer; il++) recurrent[il] = (il + 1) % interval != 0;
    const struct rk_gguf_kv *kv = find_key(m, "attention.recurrent_layers", key);
    if (err == RK_OK && kv) err = read_recurrent_list(m, kv, key, recurrent, e);
  }
  for (int32_t il = 0; il < hp->n_layer; il++) {
    m->layers[il].i_delta = recurrent[il] ? hp->n_delta_layer++ : -1;
    m->layers[il].i_kv = recurrent[il] ? -1 : hp->n_kv_layer++;
  }
  if (err == RK_OK && hp->n_kv_layer == 0)
    err = rk_fail(e, RK_EFORMAT, "none of the %d layers attends: key %s.full_attention_interval", hp->n_layer,
                  m->info.arch);
  return err;
}

/* ---- tensors ---- */

static rk_err find3(const struct rk_model *m, const char *name, bool f32, int32_t ne0, int32_t ne1, int32_t ne2,
                    const struct rk_gguf_tensor **out, struct rk_error *e) {
  const struct rk_gguf_tensor *t = rk_gguf_tensor(m->gguf, name);
  if (!t) return rk_fail(e, RK_EFORMAT, "tensor %s is missing", name);
  if (t->ne[0] != (uint64_t)ne0 || t->ne[1] != (uint64_t)ne1 || t->ne[2] != (uint64_t)ne2 || t->ne[3] != 1)
    return rk_fail(e, RK_EFORMAT, "tensor %s is %llu x %llu x %llu, expected %d x %d x %d", name,
                   (unsigned long long)t->ne[0], (unsigned long long)t->ne[1],
                   (unsigned long long)(t->ne[2] * t->ne[3]), ne0, ne1, ne2);
  if (f32 && t->type != RK_F32)
    return rk_fail(e, RK_EFORMAT, "tensor %s is %s, expected F32", name, rk_tensor_traits(t->type).name);
  *out = t;
  return RK_OK;
}

static rk_err find(const struct rk_model *m, const char *name, bool f32, int32_t ne0, int32_t ne1,
                   const struct rk_gguf_tensor **out, struct rk_error *e) {
  return find3(m, name, f32, ne0, ne1, 1, out, e);
}

static bool has(const struct rk_model *m, int32_t il, const char *name) {
  char full[64];
  snprintf(full, sizeof full, "blk.%d.%s", il, name);
  return rk_gguf_tensor(m->gguf, full);
}

/* What this layer has: its kind, and which of the two layouts that converters have used. */
static unsigned layer_parts(const struct rk_model *m, int32_t il, unsigned arch) {
  unsigned p = arch & ~(unsigned)(DELTA | GATED);
  if (m->layers[il].i_delta < 0) {
    p = (p & ~(unsigned)BA_BY_HEAD) | ATTENTION;
  } else {
    p = (p & ~(unsigned)(QKV_BIAS | QK_NORM)) | RECURRENT | (p & BA_BY_HEAD ? 0 : BA_SPLIT);
    p |= has(m, il, "ssm_in.weight") ? JOINT_QKVZ : SPLIT_QKVZ;
  }
  if (p & EXPERTS) p |= has(m, il, "ffn_gate_up_exps.weight") ? JOINT_GATE_UP : SPLIT_GATE_UP;
  return p & POST_NORM ? p : p | FFN_NORM;
}

static rk_err find_layer(const struct rk_model *m, int32_t il, unsigned arch, struct rk_layer *l, struct rk_error *e) {
  const struct rk_hparams *hp = &m->hp;
  const struct rk_delta_params *d = &hp->delta;
  const int32_t n_q = hp->n_head * hp->head_dim, n_kv = hp->n_head_kv * hp->head_dim, n_embd = hp->n_embd;
  const int32_t n_value = d->n_v * d->dim, n_channels = 2 * d->n_k * d->dim + n_value;
  const struct {
    const char *name;
    unsigned part;
    bool f32;
    int32_t ne0, ne1, ne2;
    const struct rk_gguf_tensor **out;
  } rows[] = {
    {"attn_norm.weight", ATTENTION | RECURRENT, true, n_embd, 1, 1, &l->attn_norm},
    {"attn_q.weight", ATTENTION, false, n_embd, hp->gated_attn ? 2 * n_q : n_q, 1, &l->wq},
    {"attn_k.weight", ATTENTION, false, n_embd, n_kv, 1, &l->wk},
    {"attn_v.weight", ATTENTION, false, n_embd, n_kv, 1, &l->wv},
    {"attn_q.bias", QKV_BIAS, true, n_q, 1, 1, &l->bq},
    {"attn_k.bias", QKV_BIAS, true, n_kv, 1, 1, &l->bk},
    {"attn_v.bias", QKV_BIAS, true, n_kv, 1, 1, &l->bv},
    {"attn_q_norm.weight", QK_NORM, true, hp->head_dim, 1, 1, &l->q_norm},
    {"attn_k_norm.weight", QK_NORM, true, hp->head_dim, 1, 1, &l->k_norm},
    {"attn_output.weight", ATTENTION, false, n_q, n_embd, 1, &l->wo},
    {"attn_qkv.weight", SPLIT_QKVZ, false, n_embd, n_channels, 1, &l->qkv},
    {"attn_gate.weight", SPLIT_QKVZ, false, n_embd, n_value, 1, &l->z},
    {"ssm_in.weight", JOINT_QKVZ, false, n_embd, n_channels + n_value, 1, &l->qkvz},
    {"ssm_ba.weight", BA_BY_HEAD, false, n_embd, 2 * d->n_v, 1, &l->beta_alpha},
    {"ssm_beta.weight", BA_SPLIT, false, n_embd, d->n_v, 1, &l->beta},
    {"ssm_alpha.weight", BA_SPLIT, false, n_embd, d->n_v, 1, &l->alpha},
    {"ssm_conv1d.weight", RECURRENT, true, d->conv_kernel, n_channels, 1, &l->conv},
    {"ssm_dt.bias", RECURRENT, true, d->n_v, 1, 1, &l->dt},
    {"ssm_a", RECURRENT, true, d->n_v, 1, 1, &l->a},
    {"ssm_norm.weight", RECURRENT, true, d->dim, 1, 1, &l->delta_norm},
    {"ssm_out.weight", RECURRENT, false, n_value, n_embd, 1, &l->delta_out},
    {"ffn_norm.weight", FFN_NORM, true, n_embd, 1, 1, &l->ffn_norm},
    {"post_attention_norm.weight", POST_NORM, true, n_embd, 1, 1, &l->ffn_norm},
    {"ffn_gate.weight", DENSE, false, n_embd, hp->n_ff, 1, &l->gate},
    {"ffn_up.weight", DENSE, false, n_embd, hp->n_ff, 1, &l->up},
    {"ffn_down.weight", DENSE, false, hp->n_ff, n_embd, 1, &l->down},
    {"ffn_gate_inp.weight", EXPERTS, false, n_embd, hp->n_expert, 1, &l->router},
    {"ffn_gate_exps.weight", SPLIT_GATE_UP, false, n_embd, hp->n_ff_exp, hp->n_expert, &l->exp_gate},
    {"ffn_up_exps.weight", SPLIT_GATE_UP, false, n_embd, hp->n_ff_exp, hp->n_expert, &l->exp_up},
    {"ffn_gate_up_exps.weight", JOINT_GATE_UP, false, n_embd, 2 * hp->n_ff_exp, hp->n_expert, &l->exp_gate_up},
    {"ffn_down_exps.weight", EXPERTS, false, hp->n_ff_exp, n_embd, hp->n_expert, &l->exp_down},
    {"ffn_gate_inp_shexp.weight", SHARED, true, n_embd, 1, 1, &l->shared_gate},
    {"ffn_gate_shexp.weight", SHARED, false, n_embd, hp->n_ff_shexp, 1, &l->gate},
    {"ffn_up_shexp.weight", SHARED, false, n_embd, hp->n_ff_shexp, 1, &l->up},
    {"ffn_down_shexp.weight", SHARED, false, hp->n_ff_shexp, n_embd, 1, &l->down},
  };
  const unsigned parts = layer_parts(m, il, arch);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (!(rows[i].part & parts)) continue;
    char name[64];
    snprintf(name, sizeof name, "blk.%d.%s", il, rows[i].name);
    rk_err err = find3(m, name, rows[i].f32, rows[i].ne0, rows[i].ne1, rows[i].ne2, rows[i].out, e);
    if (err != RK_OK) return err;
  }
  return RK_OK;
}

static rk_err find_tensors(struct rk_model *m, unsigned parts, struct rk_error *e) {
  struct rk_hparams *hp = &m->hp;
  int64_t n_vocab = rk_gguf_array_len(m->gguf, "tokenizer.ggml.tokens", RK_GGUF_STRING);
  if (n_vocab < 1 || n_vocab > RK_MAX_VOCAB)
    return rk_fail(e, RK_EFORMAT, "key tokenizer.ggml.tokens: the vocabulary is missing or larger than %d tokens",
                   RK_MAX_VOCAB);
  hp->n_vocab = (int32_t)n_vocab;
  rk_err err = find(m, "token_embd.weight", false, hp->n_embd, hp->n_vocab, &m->embd, e);
  if (err == RK_OK) err = find(m, "output_norm.weight", true, hp->n_embd, 1, &m->out_norm, e);
  m->head = m->embd;
  if (err == RK_OK && rk_gguf_tensor(m->gguf, "output.weight"))
    err = find(m, "output.weight", false, hp->n_embd, hp->n_vocab, &m->head, e);
  if (err != RK_OK) return err;
  m->layers = calloc((size_t)hp->n_layer, sizeof *m->layers);
  if (!m->layers) return rk_fail(e, RK_ENOMEM, "no memory for %d layers", hp->n_layer);
  err = number_layers(m, parts, e);
  for (int32_t il = 0; il < hp->n_layer && err == RK_OK; il++) err = find_layer(m, il, parts, &m->layers[il], e);
  return err;
}

/* ---- info ---- */

static int32_t token_key(const struct rk_model *m, const char *key) {
  uint32_t id;
  return rk_gguf_u32(m->gguf, key, &id) && id < (uint32_t)m->hp.n_vocab ? (int32_t)id : -1;
}

static rk_err fill_info(struct rk_model *m, struct rk_error *e) {
  struct rk_model_info *i = &m->info;
  rk_str name = {0};
  rk_gguf_str(m->gguf, "general.name", &name);
  rk_gguf_str(m->gguf, "tokenizer.chat_template", &i->chat_template);
  m->name = malloc(name.n + 1);
  if (!m->name) return rk_fail(e, RK_ENOMEM, "no memory for the model's name");
  if (name.n) memcpy(m->name, name.p, name.n);
  m->name[name.n] = 0;
  i->name = m->name;
  i->n_vocab = m->hp.n_vocab;
  i->n_layer = m->hp.n_layer;
  i->n_embd = m->hp.n_embd;
  i->n_head = m->hp.n_head;
  i->n_head_kv = m->hp.n_head_kv;
  i->n_ctx_train = m->hp.n_ctx_train;
  i->recurrent = m->hp.n_delta_layer > 0;
  i->bos = token_key(m, "tokenizer.ggml.bos_token_id");
  i->eos = token_key(m, "tokenizer.ggml.eos_token_id");
  i->eot = rk_token_find(m, RK_STR("<|im_end|>"));
  i->file_bytes = m->gguf->n_bytes;
  for (uint64_t t = 0; t < m->gguf->n_tensors; t++) {
    const uint64_t *ne = m->gguf->tensors[t].ne;
    i->n_params += ne[0] * ne[1] * ne[2] * ne[3];
  }
  return RK_OK;
}

static rk_err load(struct rk_model *m, const char *path, struct rk_error *e) {
  unsigned parts = 0;
  rk_err err = rk_gguf_open(path, &m->gguf, e);
  if (err == RK_OK) err = read_arch(m, &parts, e);
  if (err == RK_OK) err = read_hparams(m, parts, e);
  if (err == RK_OK) err = find_tensors(m, parts, e);
  if (err == RK_OK) err = rk_tokenizer_new(m->gguf, &m->tok, e);
  if (err == RK_OK) err = fill_info(m, e);
  return err;
}

rk_err rk_model_open(const char *path, struct rk_model **out, struct rk_error *e) {
  *out = NULL;
  struct rk_model *m = calloc(1, sizeof *m);
  if (!m) return rk_fail(e, RK_ENOMEM, "no memory for the model");
  rk_err err = load(m, path, e);
  if (err != RK_OK) {
    rk_model_close(m);
    return err;
  }
  *out = m;
  return RK_OK;
}

void rk_model_close(struct rk_model *m) {
  if (!m) return;
  rk_tokenizer_free(m->tok);
  rk_gguf_free(m->gguf);
  free(m->layers);
  free(m->name);
  free(m);
}

struct rk_model_info rk_model_info(const struct rk_model *m) { return m->info; }
