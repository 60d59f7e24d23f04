/* automaton_nodes.h - what automaton_build.c makes and automaton.c runs (internal). */
#ifndef RK_CHAT_AUTOMATON_NODES_H
#define RK_CHAT_AUTOMATON_NODES_H

#include <pthread.h>
#include <stdatomic.h>

#include "chat/automaton.h"

enum rk_fsm_kind {
  RK_FSM_FINAL,  /* the rule, or the body of a repetition, is complete */
  RK_FSM_BYTE,   /* low..high, then next */
  RK_FSM_SPLIT,  /* next or arg */
  RK_FSM_CALL,   /* rule arg, then next */
  RK_FSM_REPEAT, /* repetition arg, then next */
  RK_FSM_NUMBER, /* number arg, then next */
  RK_FSM_DEAD
};
enum { RK_FSM_NEVER = 1 << 28 };

struct rk_fsm_node {
  uint8_t kind, low, high;
  bool nullable;         /* the end of the rule can be reached without a byte */
  int32_t next, arg;
  int32_t height;        /* depth that is needed at least to reach the end */
};
struct rk_fsm_rule { int32_t start, weight; };
struct rk_fsm_repeat {
  int32_t body, min, max; /* max -1: no end */
  int32_t text_node;      /* of JSON characters: their first node of bytes; else -1 */
};

/* 0: the bottom of no frame at all. */
struct rk_fsm_frame {
  int32_t parent, ret;    /* where it goes on below; -1: nothing below */
  int32_t repeat, count;  /* repeat -1: a call */
  int32_t depth;
  uint8_t phase, digits, negative, pad; /* of a number */
  uint64_t high, low;     /* its value so far */
};
struct rk_fsm_config { int32_t node, stack; };
struct rk_fsm_state {
  size_t first;           /* of configs */
  int32_t n;
  bool ends;
  int8_t absorbs;         /* -1: not known */
  uint32_t *mask;
  int32_t rest;           /* -1: not known */
};

struct rk_fsm_table { int32_t *slots; size_t cap; }; /* open addressing, -1: free */

struct rk_automaton {
  atomic_int refs;
  pthread_mutex_t lock;
  struct rk_fsm_node *nodes;
  struct rk_fsm_rule *rules;
  struct rk_fsm_repeat *repeats;
  struct rk_number *numbers;
  int32_t n_nodes, n_rules, n_repeats, n_numbers;
  int32_t root, max_depth;
  bool tail_calls;
  uint8_t classes[256];   /* of bytes that no node tells apart */
  uint8_t sample[256];    /* one byte of each class */
  int32_t n_classes;

  struct rk_fsm_frame *frames;
  int32_t n_frames, cap_frames;
  struct rk_fsm_config *configs;
  size_t n_configs, cap_configs;
  struct rk_fsm_state *states;
  int32_t *next;          /* [n_states, n_classes]: -1 dead, -2 not known */
  int32_t n_states, cap_states;
  struct rk_fsm_table frame_table, state_table;
  int32_t *steps;         /* entries of next in the order of their making */
  int32_t n_steps, cap_steps;
  size_t mask_bytes;
  uint32_t epoch;
  bool full;              /* memory ran out: nothing new is made */

  struct rk_fsm_config *todo, *found; /* scratch of a closure */
  int32_t n_todo, n_found;
  uint32_t *seen_stamp, stamp;
  struct rk_fsm_config *seen;
};

/* automaton_number.c: one digit or sign further in a number. */
bool rk_fsm_number_step(const struct rk_number *n, struct rk_fsm_frame *f, uint8_t byte);
bool rk_fsm_number_ends(const struct rk_number *n, const struct rk_fsm_frame *f);

#endif
