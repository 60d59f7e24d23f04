/* walk.h - an automaton led by bytes: each is taken, or the next one that may
 * follow. There is always one, or the text may end. */
#ifndef RK_FUZZ_WALK_H
#define RK_FUZZ_WALK_H

#include "chat/automaton.h"

/* Appends what was written; whether it is complete. */
static bool walk(struct rk_automaton *a, const uint8_t *way, size_t n, struct rk_buf *out) {
  int32_t at = rk_automaton_start(a);
  RK_ASSERT(at >= 0);
  for (size_t i = 0; i < n && !rk_automaton_stops(a, at); i++) {
    int32_t next = -1;
    int k = 0;
    for (; k < 256 && next < 0; k++) next = rk_automaton_step(a, at, (uint8_t)(way[i] + k));
    RK_ASSERT(next >= 0);
    rk_buf_addc(out, (char)(uint8_t)(way[i] + k - 1));
    at = next;
  }
  return rk_automaton_ends(a, at);
}

#endif
