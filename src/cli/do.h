/* do.h - one sentence from start to end in a terminal: shared by `do` and `chat`. Thread rule: one thread. */
#ifndef RK_CLI_DO_H
#define RK_CLI_DO_H

#include "cli/session.h"

enum rk_answer_mode { RK_APPROVE_ASK, RK_APPROVE_YES, RK_APPROVE_NO };

struct rk_do {
  enum rk_answer_mode approve;
  bool json;
  char chat_id[37];              /* "" : a new chat; filled in */
};
/* Runs text in the session. Returns an rk_exit: 0 when the turn is done, whatever the user decided. */
int rk_do_run(struct rk_session *s, struct rk_do *d, const char *text);

#endif
