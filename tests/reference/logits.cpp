// Logits of llama.cpp for a small model: float32 keys and values, one batch.
// Prints, for a few positions, the logits of a few tokens; tests/unit/engine/arch.c
// computes the same. Built and run by make.sh.
#include <cstdio>
#include <vector>

#include "llama.h"

static const int N = 100;

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  llama_log_set([](ggml_log_level level, const char *text, void *) { if (level >= GGML_LOG_LEVEL_ERROR) fputs(text, stderr); }, nullptr);
  llama_model *model = llama_model_load_from_file(argv[1], llama_model_default_params());
  if (!model) return 1;
  llama_context_params cp = llama_context_default_params();
  cp.n_ctx = 512, cp.n_batch = cp.n_ubatch = 512;
  cp.type_k = cp.type_v = GGML_TYPE_F32;
  cp.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  llama_context *ctx = llama_init_from_model(model, cp);
  if (!ctx) return 1;
  llama_batch batch = llama_batch_init(N, 0, 1);
  batch.n_tokens = N;
  for (int i = 0; i < N; i++) {
    batch.token[i] = (i * 7919 + 13) % 250;
    batch.pos[i] = i;
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = 0;
    batch.logits[i] = 1;
  }
  if (llama_decode(ctx, batch)) return 1;
  for (int pos : {0, 1, 2, 7, 40, 63, 64, 99}) {
    printf("%d", pos);
    const float *logits = llama_get_logits_ith(ctx, pos);
    for (int id = 0; id < 280; id += 25) printf(" %.6f", logits[id]);
    printf("\n");
  }
}
