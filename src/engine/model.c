#include "engine/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "engine/tokenizer.h"

enum { ACT_BLOCK = 32, MAX_HEADS = 1024 }; /* activations are quantized in blocks of this many */

/* ---- hyper-parameters ---- */

static rk_err get_u32(const struct rk_model *m, const char *key, uint32_t min, uint32_t max, int32_t *out,
                      struct rk_error *e) {
  char full[96];
  uint32_t v;
  snprintf(full, sizeof full, "%s.%s", m->info.arch, key);
  if (!rk_gguf_u32(m->gguf, full, &v)) return rk_fail(e, RK_EFORMAT, "key %s is missing or not a number", full);
  if (v < min || v > max)
    return rk_fail(e, RK_EFORMAT, "key %s is %u, outside of %u to %u", full, v, min, max);
  *out = (int32_t)v;
  return RK_OK;
}

static rk_err get_f32(const struct rk_model *m, const char *key, float min, float max, float *out, struct rk_error *e) {
  char full[96];
  snprintf(full, sizeof full, "%s.%s", m->info.arch, key);
  if (!rk_gguf_f32(m->gguf, full, out)) return rk_fail(e, RK_EFORMAT, "key %s is missing or not a number", full);
  if (!(*out >= min && *out <= max))
    return rk_fail(e, RK_EFORMAT, "key %s is %g, outside of %g to %g", full, (double)*out, (double)min, (double)max);
  return RK_OK;
}

static rk_err read_arch(struct rk_model *m, struct rk_error *e) {
  rk_str arch;
  if (!rk_gguf_str(m->gguf, "general.architecture", &arch))
    return rk_fail(e, RK_EFORMAT, "key general.architecture is missing: this is not a language model");
  if (rk_str_eq_c(arch, "qwen2")) m->hp.arch = RK_ARCH_QWEN2, m->info.arch = "qwen2";
  else if (rk_str_eq_c(arch, "qwen3")) m->hp.arch = RK_ARCH_QWEN3, m->info.arch = "qwen3";
  else {
    char name[80];
    return rk_fail(e, RK_EFORMAT, "architecture %s is not supported, only qwen2 and qwen3",
                   rk_gguf_printable(arch, name));
  }
  return RK_OK;
}

/* Scaled rotary embeddings change every logit: refuse rather than compute something else. */
static rk_err check_rope(const struct rk_model *m, struct rk_error *e) {
  char key[96];
  rk_str type;
  snprintf(key, sizeof key, "%s.rope.scaling.type", m->info.arch);
  if (rk_gguf_str(m->gguf, key, &type) && !rk_str_eq_c(type, "none"))
    return rk_fail(e, RK_EFORMAT, "key %s: scaled rotary embeddings are not supported", key);
  return RK_OK;
}

static rk_err read_hparams(struct rk_model *m, struct rk_error *e) {
  struct rk_hparams *hp = &m->hp;
  rk_err err = get_u32(m, "block_count", 1, RK_MAX_MODEL_LAYERS, &hp->n_layer, e);
  if (err == RK_OK) err = get_u32(m, "embedding_length", ACT_BLOCK, RK_MAX_MODEL_DIM, &hp->n_embd, e);
  if (err == RK_OK) err = get_u32(m, "feed_forward_length", ACT_BLOCK, RK_MAX_MODEL_DIM, &hp->n_ff, e);
  if (err == RK_OK) err = get_u32(m, "context_length", 1, RK_MAX_MODEL_CONTEXT, &hp->n_ctx_train, e);
  if (err == RK_OK) err = get_u32(m, "attention.head_count", 1, MAX_HEADS, &hp->n_head, e);
  if (err == RK_OK) err = get_u32(m, "attention.head_count_kv", 1, MAX_HEADS, &hp->n_head_kv, e);
  if (err == RK_OK) err = get_f32(m, "rope.freq_base", 1.0f, 1e12f, &hp->rope_base, e);
  if (err == RK_OK) err = get_f32(m, "attention.layer_norm_rms_epsilon", 1e-12f, 0.1f, &hp->rms_eps, e);
  if (err != RK_OK) return err;
  hp->head_dim = hp->n_embd / hp->n_head;
  char key[96];
  snprintf(key, sizeof key, "%s.attention.key_length", m->info.arch);
  if (rk_gguf_find(m->gguf, key)) err = get_u32(m, "attention.key_length", 16, 256, &hp->head_dim, e);
  if (err != RK_OK) return err;
  if (hp->n_head % hp->n_head_kv)
    return rk_fail(e, RK_EFORMAT, "%d heads can not share %d key heads", hp->n_head, hp->n_head_kv);
  if (hp->n_head / hp->n_head_kv > RK_MAX_HEADS_PER_KV)
    return rk_fail(e, RK_EFORMAT, "%d heads share %d key heads, at most %d may share one", hp->n_head, hp->n_head_kv,
                   RK_MAX_HEADS_PER_KV);
  if (hp->head_dim < 16 || hp->head_dim > 256 || hp->head_dim % 16)
    return rk_fail(e, RK_EFORMAT, "heads %d wide are not supported: 16 to 256, a multiple of 16", hp->head_dim);
  if (hp->n_embd % ACT_BLOCK || hp->n_ff % ACT_BLOCK || hp->n_head * hp->head_dim % ACT_BLOCK)
    return rk_fail(e, RK_EFORMAT, "layer widths %d and %d are not multiples of %d", hp->n_embd, hp->n_ff, ACT_BLOCK);
  return check_rope(m, e);
}

/* ---- tensors ---- */

static rk_err find(const struct rk_model *m, const char *name, bool f32, int32_t ne0, int32_t ne1,
                   const struct rk_gguf_tensor **out, struct rk_error *e) {
  const struct rk_gguf_tensor *t = rk_gguf_tensor(m->gguf, name);
  if (!t) return rk_fail(e, RK_EFORMAT, "tensor %s is missing", name);
  if (t->ne[0] != (uint64_t)ne0 || t->ne[1] != (uint64_t)ne1 || t->ne[2] != 1 || t->ne[3] != 1)
    return rk_fail(e, RK_EFORMAT, "tensor %s is %llu x %llu, expected %d x %d", name, (unsigned long long)t->ne[0],
                   (unsigned long long)t->ne[1], ne0, ne1);
  if (f32 && t->type != RK_F32)
    return rk_fail(e, RK_EFORMAT, "tensor %s is %s, expected F32", name, rk_tensor_traits(t->type).name);
  *out = t;
  return RK_OK;
}

enum archs { QWEN2 = 1, QWEN3 = 2, BOTH = 3 };

static rk_err find_layer(const struct rk_model *m, int32_t il, struct rk_layer *l, struct rk_error *e) {
  const struct rk_hparams *hp = &m->hp;
  const int32_t n_q = hp->n_head * hp->head_dim, n_kv = hp->n_head_kv * hp->head_dim;
  const struct {
    const char *name;
    enum archs archs;
    bool f32;
    int32_t ne0, ne1;
    const struct rk_gguf_tensor **out;
  } rows[] = {
    {"attn_norm.weight", BOTH, true, hp->n_embd, 1, &l->attn_norm},
    {"attn_q.weight", BOTH, false, hp->n_embd, n_q, &l->wq},
    {"attn_k.weight", BOTH, false, hp->n_embd, n_kv, &l->wk},
    {"attn_v.weight", BOTH, false, hp->n_embd, n_kv, &l->wv},
    {"attn_q.bias", QWEN2, true, n_q, 1, &l->bq},
    {"attn_k.bias", QWEN2, true, n_kv, 1, &l->bk},
    {"attn_v.bias", QWEN2, true, n_kv, 1, &l->bv},
    {"attn_q_norm.weight", QWEN3, true, hp->head_dim, 1, &l->q_norm},
    {"attn_k_norm.weight", QWEN3, true, hp->head_dim, 1, &l->k_norm},
    {"attn_output.weight", BOTH, false, n_q, hp->n_embd, &l->wo},
    {"ffn_norm.weight", BOTH, true, hp->n_embd, 1, &l->ffn_norm},
    {"ffn_gate.weight", BOTH, false, hp->n_embd, hp->n_ff, &l->gate},
    {"ffn_up.weight", BOTH, false, hp->n_embd, hp->n_ff, &l->up},
    {"ffn_down.weight", BOTH, false, hp->n_ff, hp->n_embd, &l->down},
  };
  enum archs arch = hp->arch == RK_ARCH_QWEN2 ? QWEN2 : QWEN3;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (!(rows[i].archs & arch)) continue;
    char name[64];
    snprintf(name, sizeof name, "blk.%d.%s", il, rows[i].name);
    rk_err err = find(m, name, rows[i].f32, rows[i].ne0, rows[i].ne1, rows[i].out, e);
    if (err != RK_OK) return err;
  }
  return RK_OK;
}

static rk_err find_tensors(struct rk_model *m, struct rk_error *e) {
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
  for (int32_t il = 0; il < hp->n_layer && err == RK_OK; il++) err = find_layer(m, il, &m->layers[il], e);
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
  rk_err err = rk_gguf_open(path, &m->gguf, e);
  if (err == RK_OK) err = read_arch(m, e);
  if (err == RK_OK) err = read_hparams(m, e);
  if (err == RK_OK) err = find_tensors(m, e);
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
