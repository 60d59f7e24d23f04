/* interrupt.h - Ctrl+C in a command that runs turns.
 *
 * A thread of its own waits for SIGINT and SIGTERM. While a turn is watched a
 * signal cancels it; at any other time it ends the process at once.
 * Thread rule: the command's thread. */
#ifndef RK_CLI_INTERRUPT_H
#define RK_CLI_INTERRUPT_H

#include "cli/session.h"

void rk_interrupt_start(void);   /* before any other thread is started */
/* A turn is about to be submitted: a signal is kept until it is watched. */
void rk_interrupt_hold(void);
/* turn_id NULL: none any more. True: the turn that was watched until now has been cancelled by a signal. */
bool rk_interrupt_watch(struct rk_session *s, const char *turn_id);

#endif
