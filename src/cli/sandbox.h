/* sandbox.h - the sandbox merchants: one separate process, because a merchant
 * is somebody else. The process is this program (`rukou shop serve`); it ends
 * with us. Thread rule: one thread. */
#ifndef RK_CLI_SANDBOX_H
#define RK_CLI_SANDBOX_H

#include <sys/types.h>

#include "cli/cli.h"

enum { RK_SANDBOX_MAX = 24 };

/* Directories of the merchants, in the order in which they get their ports. */
struct rk_sandbox_dirs {
  char path[RK_SANDBOX_MAX][4096];
  int32_t n;
  char news[4096];                          /* articles of the news site, "" : there are none beside the program */
};
/* Those of cfg->sandbox_shops, or those found beside the program. */
rk_err rk_sandbox_find(const struct rk_config *cfg, struct rk_sandbox_dirs *out, struct rk_error *e) RK_MUST_USE;

struct rk_sandbox {
  pid_t pid;                                /* 0: none running */
  char origins[RK_SANDBOX_MAX][64];
  int32_t n_origins;
  char news[64];                            /* origin of the news site, "" : there is none */
};

/* Starts the shops of cfg->sandbox_shops (or those found beside the program) on
 * consecutive ports from first_port (0: free ones). agent_origin is the only
 * agent they take. Waits until each has printed its origin. */
rk_err rk_sandbox_start(const struct rk_config *cfg, int first_port, const char *agent_origin, struct rk_sandbox *out,
                        struct rk_error *e) RK_MUST_USE;
void rk_sandbox_stop(struct rk_sandbox *s);

#endif
