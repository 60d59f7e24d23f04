/* model.h - an opened model: file, shape, vocabulary, the tensors of each layer (internal).
 *
 * Immutable after rk_model_open(); tensors point into the mapped file. Shapes
 * were checked, so that the forward pass needs no checks. What sets the
 * architectures apart is said by the fields here: the pass looks at them, not
 * at the name of the architecture. */
#ifndef RK_ENGINE_MODEL_H
#define RK_ENGINE_MODEL_H

#include "engine/engine.h"
#include "engine/gguf.h"

struct rk_tokenizer;

enum { RK_MAX_HEADS_PER_KV = 64, RK_MAX_HEAD_DIM = 256, RK_MAX_CONV_KERNEL = 16, RK_MAX_EXPERTS_USED = 64 };
enum rk_rope_scaling { RK_ROPE_PLAIN, RK_ROPE_LINEAR, RK_ROPE_YARN };

struct rk_rope_params {
  enum rk_rope_scaling scaling;
  int32_t n_rot;             /* leading elements of a head that are rotated; even */
  int32_t n_ctx_orig;        /* context before scaling */
  int32_t sections[4];       /* of pairs: time, height, width, extra (all 0: one section) */
  float base, factor, attn_factor, ext_factor, beta_fast, beta_slow;
};

/* A gated delta net (deltanet.h). n_v == 0: the model has none. */
struct rk_delta_params {
  int32_t dim;               /* of a key and a value head; multiple of 16 */
  int32_t n_k, n_v;          /* heads; n_v % n_k == 0 */
  int32_t conv_kernel;       /* inputs that the short convolution sees */
  bool interleaved;          /* value head v reads key head v / (n_v/n_k), else v % n_k */
};

struct rk_hparams {
  int32_t n_vocab, n_layer, n_embd, n_ff, n_ctx_train;
  int32_t n_head, n_head_kv, head_dim;
  int32_t n_kv_layer;        /* layers with keys and values */
  int32_t n_delta_layer;     /* layers with a recurrent state */
  bool gated_attn;           /* wq gives a query and a gate for each head */
  int32_t n_expert, n_expert_used, n_ff_exp, n_ff_shexp; /* 0: dense; no shared expert */
  float expert_scale, rms_eps;
  struct rk_rope_params rope;
  struct rk_delta_params delta;
};

/* Shapes are [inputs, outputs], inputs run fastest. NULL: the layer has none. */
struct rk_layer {
  int32_t i_kv, i_delta;     /* number among the layers of its kind, or -1 */
  const struct rk_gguf_tensor *attn_norm;      /* [n_embd] */
  /* attention */
  const struct rk_gguf_tensor *wq, *wk, *wv;   /* [n_embd, n_head or n_head_kv * head_dim]; gated_attn: wq twice */
  const struct rk_gguf_tensor *bq, *bk, *bv;   /* qwen2 */
  const struct rk_gguf_tensor *q_norm, *k_norm; /* [head_dim] */
  const struct rk_gguf_tensor *wo;             /* [n_head * head_dim, n_embd] */
  /* gated delta net; channels = (2*n_k + n_v) * dim */
  const struct rk_gguf_tensor *qkv, *z;        /* [n_embd, channels], [n_embd, n_v * dim] */
  const struct rk_gguf_tensor *qkvz;           /* older files: both in one, by key head */
  const struct rk_gguf_tensor *beta, *alpha;   /* [n_embd, n_v] */
  const struct rk_gguf_tensor *beta_alpha;     /* qwen3next: both in one, by key head */
  const struct rk_gguf_tensor *conv;           /* [conv_kernel, channels] */
  const struct rk_gguf_tensor *dt, *a;         /* [n_v] */
  const struct rk_gguf_tensor *delta_norm;     /* [dim] */
  const struct rk_gguf_tensor *delta_out;      /* [n_v * dim, n_embd] */
  /* feed-forward */
  const struct rk_gguf_tensor *ffn_norm;       /* [n_embd] */
  const struct rk_gguf_tensor *gate, *up;      /* [n_embd, n_ff], or of the shared expert [n_embd, n_ff_shexp] */
  const struct rk_gguf_tensor *down;           /* [n_ff or n_ff_shexp, n_embd] */
  const struct rk_gguf_tensor *router;         /* [n_embd, n_expert] */
  const struct rk_gguf_tensor *exp_gate, *exp_up; /* [n_embd, n_ff_exp, n_expert] */
  const struct rk_gguf_tensor *exp_gate_up;    /* some files: both in one, [n_embd, 2 * n_ff_exp, n_expert] */
  const struct rk_gguf_tensor *exp_down;       /* [n_ff_exp, n_embd, n_expert] */
  const struct rk_gguf_tensor *shared_gate;    /* [n_embd] */
};

struct rk_model {
  struct rk_gguf *gguf;
  struct rk_hparams hp;
  struct rk_tokenizer *tok;
  struct rk_layer *layers;               /* [n_layer] */
  const struct rk_gguf_tensor *embd;     /* [n_embd, n_vocab] */
  const struct rk_gguf_tensor *head;     /* [n_embd, n_vocab]; embd itself when tied */
  const struct rk_gguf_tensor *out_norm; /* [n_embd] */
  struct rk_model_info info;
  char *name;                            /* behind info.name */
};

#endif
