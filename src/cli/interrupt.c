#include "cli/interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/utf8.h"

enum { NUDGE_MS = 200 };

/* Signals belong to the process, so there is one of these. */
static struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  pthread_t command;             /* the thread that runs the command */
  enum { IDLE, HELD, WATCHING } state;
  struct rk_session *session;
  char turn_id[37];
  bool cancelled;
} in = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void nudge(int sig) { (void)sig; }

/* The command may wait for a line of the user: it is woken until it has seen that the turn is over. */
static void wake_command(void) {
  while (in.state == WATCHING && in.cancelled) {
    struct timespec until;
    pthread_kill(in.command, SIGUSR1);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += NUDGE_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) until.tv_sec++, until.tv_nsec -= 1000000000L;
    pthread_cond_timedwait(&in.changed, &in.lock, &until);
  }
}

static void stop_turn(int sig) {
  struct rk_error e;
  pthread_mutex_lock(&in.lock);
  while (in.state == HELD) pthread_cond_wait(&in.changed, &in.lock);
  if (in.state == IDLE) {
    fputs("\nrukou: stopped\n", stderr);
    _exit(128 + sig);
  }
  if (rk_session_cancel_turn(in.session, in.turn_id, &e)) fprintf(stderr, "\nrukou: %s\n", e.msg);
  else in.cancelled = true;
  wake_command();
  pthread_mutex_unlock(&in.lock);
}

static void *wait_for_signals(void *arg) {
  const sigset_t *set = arg;
  for (int sig;;)
    if (sigwait(set, &sig) == 0) stop_turn(sig);
  return NULL;
}

void rk_interrupt_start(void) {
  static sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  sigaction(SIGUSR1, &(struct sigaction){.sa_handler = nudge}, NULL); /* no SA_RESTART: reading a line ends */
  in.command = pthread_self();
  pthread_t t;
  if (pthread_create(&t, NULL, wait_for_signals, &set) == 0) pthread_detach(t);
  else pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void rk_interrupt_hold(void) {
  pthread_mutex_lock(&in.lock);
  in.state = HELD;
  in.cancelled = false;
  pthread_mutex_unlock(&in.lock);
}

bool rk_interrupt_watch(struct rk_session *s, const char *turn_id) {
  pthread_mutex_lock(&in.lock);
  bool was = in.cancelled;
  in.state = turn_id ? WATCHING : IDLE;
  in.session = s;
  rk_utf8_copy(in.turn_id, sizeof in.turn_id, rk_str_c(turn_id ? turn_id : ""));
  pthread_cond_signal(&in.changed);
  pthread_mutex_unlock(&in.lock);
  return was;
}
