/* main.c - a table of commands. A command is one file that defines
 * `const struct rk_command rk_cmd_NAME`; adding one is a file and a row here. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/config.h"

/* In the order of `rukou help`. */
#define COMMANDS(X) \
  X(serve) X(do) X(chat) X(orders) X(permissions) X(profile) X(shop) X(model) X(generate) X(verify) X(perplexity) X(eval) X(bench) X(config) X(limits)

#define X(name) extern const struct rk_command rk_cmd_##name;
COMMANDS(X)
#undef X

#define X(name) &rk_cmd_##name,
static const struct rk_command *const commands[] = {COMMANDS(X)};
#undef X
enum { N_COMMANDS = sizeof commands / sizeof *commands };

int rk_die(const struct rk_error *e) {
  fprintf(stderr, "rukou: %s\n", e->msg);
  switch (e->code) {
    case RK_EINVAL: return RK_EXIT_USAGE;
    case RK_ENOMODEL: return RK_EXIT_NO_MODEL;
    case RK_EBUSY:
    case RK_ECONFLICT: return RK_EXIT_BUSY;
    default: return RK_EXIT_FAILED;
  }
}

static const char *command_name(int i) { return commands[i]->name; }

static const struct rk_command *find(const char *name) {
  for (int i = 0; i < N_COMMANDS; i++)
    if (strcmp(commands[i]->name, name) == 0) return commands[i];
  return NULL;
}

static void print_help(FILE *out) {
  fputs("usage: rukou COMMAND [ARGUMENTS] [OPTIONS]\n\n"
        "Say one sentence, and it gets done: an assistant on your own machine that searches, compares and buys\n"
        "after you have approved the exact terms.\n\n", out);
  for (int i = 0; i < N_COMMANDS; i++)
    fprintf(out, "  %-11s %s\n", commands[i]->name, commands[i]->summary);
  fputs("  help        this text; `rukou help COMMAND` is the same as `rukou COMMAND --help`\n\n"
        "Options of every command:\n"
        "  --data DIR     config and data live here (default ~/.config/rukou and ~/.local/share/rukou)\n"
        "  --cache DIR    models live here (default ~/.cache/rukou)\n"
        "  --config FILE  read this config file instead\n"
        "  --KEY VALUE    any setting, for example --model 0.5b; `rukou config` lists them\n"
        "  --json         answers for programs\n"
        "  --help         what a command does, with examples\n"
        "  --version\n\n"
        "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the model is missing, 4 in use by another process.\n\n"
        "Examples:\n"
        "  rukou serve\n"
        "  rukou do \"Buy a pair of running shoes under 500 yuan, wherever it is cheapest\"\n"
        "  rukou model list\n", out);
}

struct global {
  const char *data, *cache, *config;
  bool json, help, version;
};

/* Value of a global option at argv[*at] ("--name V" or "--name=V"); NULL: another option. */
static const char *value_of(const char *name, int argc, char **argv, int *at, bool *missing) {
  size_t n = strlen(name);
  if (strncmp(argv[*at], name, n) != 0) return NULL;
  if (argv[*at][n] == '=') return argv[*at] + n + 1;
  if (argv[*at][n]) return NULL;
  if (*at + 1 >= argc) return *missing = true, NULL;
  return argv[++*at];
}

/* Takes the global options out of argv; what is left keeps its order. */
static bool take_global(int *argc, char **argv, struct global *g) {
  int kept = 0;
  for (int i = 1; i < *argc; i++) {
    bool missing = false;
    const char *v, *arg = argv[i];
    if (strcmp(arg, "--") == 0) {
      while (i < *argc) argv[kept++] = argv[i++];
    } else if (strcmp(arg, "--json") == 0) g->json = true;
    else if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) g->help = true;
    else if (strcmp(arg, "--version") == 0) g->version = true;
    else if ((v = value_of("--data", *argc, argv, &i, &missing))) g->data = v;
    else if (!missing && (v = value_of("--cache", *argc, argv, &i, &missing))) g->cache = v;
    else if (!missing && (v = value_of("--config", *argc, argv, &i, &missing))) g->config = v;
    else if (missing) return fprintf(stderr, "rukou: a value is needed after %s\n", arg), false;
    else argv[kept++] = argv[i];
  }
  *argc = kept;
  return true;
}

static int unknown_command(const char *name) {
  const char *near = rk_nearest(name, command_name, N_COMMANDS);
  if (name[0] == '-') fprintf(stderr, "rukou: unknown option %s before the command; `rukou help` shows the form\n", name);
  else if (near) fprintf(stderr, "rukou: unknown command \"%s\"; did you mean `rukou %s`?\n", name, near);
  else fprintf(stderr, "rukou: unknown command \"%s\"; `rukou help` lists them\n", name);
  return RK_EXIT_USAGE;
}

static int print_version(bool json) {
  if (json) printf("{\"name\":\"rukou\",\"version\":\"%s\"}\n", RK_VERSION);
  else printf("rukou %s\n", RK_VERSION);
  return RK_EXIT_OK;
}

static int run(int argc, char **argv) {
  struct global g = {0};
  if (!take_global(&argc, argv, &g)) return RK_EXIT_USAGE;
  if (g.version) return print_version(g.json);
  if (argc > 0 && strcmp(argv[0], "help") == 0) g.help = true, argc--, argv++;
  if (argc == 0) {
    print_help(g.help ? stdout : stderr);
    return g.help ? RK_EXIT_OK : RK_EXIT_USAGE;
  }
  const struct rk_command *cmd = find(argv[0]);
  if (!cmd) return unknown_command(argv[0]);
  if (g.help) return fputs(cmd->help, stdout), RK_EXIT_OK;
  struct rk_cli c = {.json = g.json, .argc = argc - 1, .argv = argv + 1};
  struct rk_error e;
  if (rk_config_load(&c.cfg, g.data, g.cache, g.config, &e) || rk_clock_init(&e)) return rk_die(&e);
  return cmd->run(&c);
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN); /* a closed pipe or socket is an error of that write, not the end of us */
  int code = run(argc, argv);
  if (fflush(stdout) != 0 || ferror(stdout)) {
    if (errno != EPIPE) fprintf(stderr, "rukou: the answer could not be written: %s\n", strerror(errno));
    if (code == RK_EXIT_OK) code = RK_EXIT_FAILED;
  }
  return code;
}
