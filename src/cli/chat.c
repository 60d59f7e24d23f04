/* chat.c - `rukou chat`: sentence after sentence in one chat. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/do.h"
#include "cli/interrupt.h"

static int run(struct rk_cli *c) {
  const char *chat = "";
  bool no_pull = false;
  struct rk_opt opts[] = {{"chat", 's', &chat}, {"no-pull", 'b', &no_pull}};
  if (!rk_opts(c, opts, 2)) return RK_EXIT_USAGE;
  if (c->argc || strlen(chat) > 36) return fprintf(stderr, "rukou: chat takes no text, and a chat id has 36 characters; see rukou chat --help\n"), RK_EXIT_USAGE;
  struct rk_do d = {.approve = RK_APPROVE_ASK, .json = c->json};
  snprintf(d.chat_id, sizeof d.chat_id, "%s", chat);
  struct rk_session *s;
  struct rk_error e = {0};
  rk_interrupt_start();
  if (rk_session_open(c, true, no_pull, &s, &e)) return rk_die(&e);
  bool person = isatty(STDIN_FILENO) != 0;
  char *line = NULL;
  size_t size = 0;
  int code = RK_EXIT_OK;
  for (;;) {
    if (person) fputs("\n> ", stderr);
    ssize_t n = getline(&line, &size, stdin);
    if (n < 0) break;
    line[strcspn(line, "\r\n")] = 0;
    if (line[0]) code = rk_do_run(s, &d, line);
  }
  free(line);
  rk_session_close(s);
  return code;
}

const struct rk_command rk_cmd_chat = {
  .name = "chat",
  .summary = "a conversation in the terminal",
  .help = "usage: rukou chat [--chat ID] [--model M] [--no-pull] [--json]\n\n"
          "Takes a line, answers, takes the next; Ctrl+C stops a turn, Ctrl+D ends. A purchase shows its exact terms and takes the word yes.\n\n"
          "Examples:\n"
          "  rukou chat\n"
          "  rukou chat --model 0.5b\n\n"
          "Exit codes: as the last turn (0 done, 1 failed, 130 stopped), 2 usage, 3 the model is missing, 4 in use.\n",
  .run = run,
};
