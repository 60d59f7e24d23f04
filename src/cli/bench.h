/* bench.h - the kinds of `rukou bench` (internal to cli/).
 *
 * A kind is one file bench_NAME.c, a line here and a row in bench.c; it is
 * chosen by its word ("json DIR") or by its option ("--chats 8"). Each takes
 * --model, --threads, --no-pull and --json. */
#ifndef RK_CLI_BENCH_H
#define RK_CLI_BENCH_H

#include "cli/cli.h"
#include "engine/engine.h"

enum { RK_BENCH_PATH = 4096 };

int rk_bench_speed(struct rk_cli *c); /* no kind given */
int rk_bench_chats(struct rk_cli *c); /* --chats N */
int rk_bench_ttft(struct rk_cli *c);  /* --ttft --prefix FILE --message FILE */
int rk_bench_kernels(struct rk_cli *c); /* kernels */

/* Tokens without meaning, where speed does not depend on it. Another salt shares no prefix. */
void rk_bench_fill(int32_t *tokens, int64_t n, int32_t n_vocab, uint32_t salt);

#endif
