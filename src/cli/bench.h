/* bench.h - the kinds of `rukou bench` (internal to cli/).
 *
 * A kind is one file bench_NAME.c, a line here and a row in bench.c; it is
 * chosen by its word ("json DIR") or by its option ("--chats 8"). Each takes
 * --model, --threads, --no-pull and --json. */
#ifndef RK_CLI_BENCH_H
#define RK_CLI_BENCH_H

#include "base/buf.h"
#include "chat/chat.h"
#include "cli/cli.h"

enum { RK_BENCH_PATH = 4096, RK_BENCH_FILES_MAX = 256 };

int rk_bench_speed(struct rk_cli *c); /* no kind given */
int rk_bench_chats(struct rk_cli *c); /* --chats N */
int rk_bench_ttft(struct rk_cli *c);  /* --ttft --prefix FILE --message FILE */
int rk_bench_kernels(struct rk_cli *c); /* kernels */
int rk_bench_stall(struct rk_cli *c); /* --stall */
int rk_bench_json(struct rk_cli *c);  /* json DIR */
int rk_bench_copy(struct rk_cli *c);  /* copy DIR */

/* Tokens without meaning, where speed does not depend on it. Another salt shares no prefix. */
void rk_bench_fill(int32_t *tokens, int64_t n, int32_t n_vocab, uint32_t salt);

/* Names of the files of dir that end so, sorted. RK_ENOTFOUND: none. */
struct rk_bench_files { char *names[RK_BENCH_FILES_MAX]; int n; };
rk_err rk_bench_files(const char *dir, const char *ending, struct rk_bench_files *f, struct rk_error *e) RK_MUST_USE;
void rk_bench_files_free(struct rk_bench_files *f);
/* The whole file; release text in any case. */
rk_err rk_bench_read(const char *dir, const char *name, struct rk_buf *text, struct rk_error *e) RK_MUST_USE;
/* The model of --model, --threads and --ctx behind chat/. */
rk_err rk_bench_open(struct rk_cli *c, bool no_pull, int slots, struct rk_chat_model **m, struct rk_error *e) RK_MUST_USE;

#endif
