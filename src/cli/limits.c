/* limits.c - `rukou limits`: every named limit of the program. */
#include "base/limits.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/cli.h"

static const struct { const char *name; int64_t value; const char *unit, *what; } limits[] = {
#define X(name, value, unit, what) {#name, value, unit, what},
  RK_LIMITS(X)
#undef X
};
enum { N_LIMITS = sizeof limits / sizeof *limits };

static int run(struct rk_cli *c) {
  if (!rk_opts(c, NULL, 0)) return RK_EXIT_USAGE;
  if (c->argc) return fputs("rukou: limits takes no argument\n", stderr), RK_EXIT_USAGE;
  for (int i = 0; i < N_LIMITS; i++) {
    if (c->json)
      printf("%s{\"name\":\"%s\",\"value\":%" PRId64 ",\"unit\":\"%s\",\"what\":\"%s\"}%s\n", i ? "," : "[", limits[i].name,
             limits[i].value, limits[i].unit, limits[i].what, i + 1 == N_LIMITS ? "]" : "");
    else
      printf("%-26s %14" PRId64 " %-11s %s\n", limits[i].name, limits[i].value, limits[i].unit, limits[i].what);
  }
  return RK_EXIT_OK;
}

const struct rk_command rk_cmd_limits = {
  .name = "limits",
  .summary = "every limit of the program: sizes, counts, times",
  .help = "usage: rukou limits [--json]\n\n"
          "Prints every named limit: its value, its unit and what it bounds. Beyond a limit a request is refused with a\n"
          "named error; nothing is cut silently.\n\n"
          "  --json   an array of {name, value, unit, what}\n\n"
          "Examples:\n"
          "  rukou limits\n"
          "  rukou limits --json\n\n"
          "Exit codes: 0 done, 2 wrong usage.\n",
  .run = run,
};
