/* bench.c - `rukou bench`: a table of kinds, chosen by a word or an option. */
#include "cli/bench.h"

#include <string.h>

static const struct kind {
  const char *name; /* "--x": wherever it stands; else the first argument */
  int (*run)(struct rk_cli *c);
} kinds[] = {
  {"--chats", rk_bench_chats},
  {"--ttft", rk_bench_ttft},
  {"kernels", rk_bench_kernels},
  {"--stall", rk_bench_stall},
  {"json", rk_bench_json},
  {"copy", rk_bench_copy},
};

static bool names(const char *arg, const char *name) {
  size_t n = strlen(name);
  return strncmp(arg, name, n) == 0 && (arg[n] == 0 || (name[0] == '-' && arg[n] == '='));
}

static int run(struct rk_cli *c) {
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
    bool option = kinds[k].name[0] == '-';
    for (int i = 0; i < (option ? c->argc : c->argc > 0); i++) {
      if (!names(c->argv[i], kinds[k].name)) continue;
      if (!option) c->argv++, c->argc--;
      return kinds[k].run(c);
    }
  }
  return rk_bench_speed(c);
}

const struct rk_command rk_cmd_bench = {
  .name = "bench",
  .summary = "speed of reading and writing tokens",
  .help = "usage: rukou bench [--model M] [--prompt 512] [--gen 64] [--depth 0] [--threads N] [--repeat 1] [--json]\n"
          "       rukou bench --chats N [--gen 64]\n"
          "       rukou bench --ttft --prefix FILE --message FILE\n"
          "       rukou bench kernels [--kernels NAME] [--limits]\n"
          "       rukou bench --stall [--prompt 2000]\n"
          "       rukou bench json DIR [--gen 512]\n"
          "       rukou bench copy DIR [--gen 256]\n\n"
          "Reads --prompt tokens and writes --gen tokens, each with --depth tokens in front that are computed before the\n"
          "clock runs, after a short warm-up. The mean over --repeat runs is printed.\n\n"
          "  --chats N        N chats write together, after one alone: tokens per second, ratio, slowest chat / mean\n"
          "  --ttft           the time from the start of this process to the first token, when the prefix (system prompt and\n"
          "                   tools, a text file) is known from an earlier run, and the message (a text file) is new. The first\n"
          "                   run with a prefix computes and keeps it: measure the second\n"
          "  kernels          each compute kernel beside the machine's read bandwidth and dot products (needs no model)\n"
          "  --stall          the longest gap between tokens of a chat that writes while a long prompt arrives\n"
          "  json DIR         DIR/*.json, each {\"schema\", \"prompt\"}: tokens, steps of the model, cost of the masks\n"
          "  copy DIR         DIR/*.txt, each a prompt: what guessing ahead saves where a reply copies from it\n\n"
          "Options of all:\n"
          "  --model M        1.5b, 0.5b or the path of a GGUF file\n"
          "  --kv-type T      f16, q8_0 or kf16_vq8\n"
          "  --kernels NAME   scalar, avx2 or avx512 instead of the best (without a kind)\n"
          "  --no-pull        do not fetch a missing model\n"
          "  --json           one object: prefill_tps, decode_tps, load_ms, rss_bytes, kernels, and what was asked for\n\n"
          "Examples:\n"
          "  rukou bench --model 0.5b\n"
          "  rukou bench --model 1.5b --prompt 512 --gen 64 --depth 0 --threads 2 --json\n"
          "  rukou bench --model 0.5b --chats 8\n\n"
          "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the model is missing (--no-pull).\n",
  .run = run,
};
