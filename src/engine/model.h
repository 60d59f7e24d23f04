/* model.h - an opened model: file, shape, vocabulary, the tensors of each layer (internal).
 *
 * Immutable after rk_model_open(); tensors point into the mapped file. Shapes
 * were checked, so that the forward pass needs no checks. */
#ifndef RK_ENGINE_MODEL_H
#define RK_ENGINE_MODEL_H

#include "engine/engine.h"
#include "engine/gguf.h"

struct rk_tokenizer;

enum { RK_MAX_HEADS_PER_KV = 64 };
enum rk_arch { RK_ARCH_QWEN2, RK_ARCH_QWEN3 };

struct rk_hparams {
  enum rk_arch arch;
  int32_t n_vocab, n_layer, n_embd, n_ff, n_ctx_train;
  int32_t n_head, n_head_kv, head_dim;
  float rope_base, rms_eps;
};

/* Shapes are [inputs, outputs], inputs run fastest. NULL: the architecture has none. */
struct rk_layer {
  const struct rk_gguf_tensor *attn_norm;      /* [n_embd] */
  const struct rk_gguf_tensor *wq, *wk, *wv;   /* [n_embd, n_head or n_head_kv * head_dim] */
  const struct rk_gguf_tensor *bq, *bk, *bv;   /* qwen2 */
  const struct rk_gguf_tensor *q_norm, *k_norm; /* [head_dim], qwen3 */
  const struct rk_gguf_tensor *wo;             /* [n_head * head_dim, n_embd] */
  const struct rk_gguf_tensor *ffn_norm;       /* [n_embd] */
  const struct rk_gguf_tensor *gate, *up;      /* [n_embd, n_ff] */
  const struct rk_gguf_tensor *down;           /* [n_ff, n_embd] */
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
