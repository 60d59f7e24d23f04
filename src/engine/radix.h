/* radix.h - a tree of KV blocks that conversations share (internal).
 *
 * A node is one block: up to 64 tokens and the memory of their keys and
 * values. The path from the root to a node is a prefix of tokens, so what two
 * conversations have in common stands in memory once:
 *
 *   root -- [system 0..63] -- [system 64..127] -+- [system 128..150]        kept prefix
 *                                               +- [.. 150, chat A] -- [A]
 *                                               +- [.. 150, chat B]
 *
 * A sequence is the path of one running job. It holds a reference to each of
 * its nodes; only nodes without references may be evicted, leaves first. Full
 * nodes never change. The last node of a sequence is filled by that sequence
 * alone; another one that needs a part of it takes a copy (copy-on-write).
 *
 * Thread rule: the engine's thread. Memory: reserved at once for n_blocks,
 * committed by the system as it is touched, and zero where no position was
 * written, so that nothing of one user's block lies behind another's. */
#ifndef RK_ENGINE_RADIX_H
#define RK_ENGINE_RADIX_H

#include "engine/kernels/kernels.h"
#include "engine/kv.h"

struct rk_kv_node {
  struct rk_kv_node *parent, *child, *next; /* next: sibling */
  uint8_t *mem;                      /* one block */
  int32_t tokens[RK_ATTN_BLOCK];
  int32_t n;                         /* positions computed; later ones may be being computed */
  int32_t first;                     /* position of tokens[0] */
  int32_t n_refs;                    /* sequences whose path it is on */
  bool writing;                      /* the last node of a sequence that fills it */
  bool keep;                         /* of a fixed prefix: evicted when nothing else is left */
  bool released;                     /* its conversation is over */
  bool touched;                      /* its memory may be other than zero */
  uint64_t owner, last_used;
  uint8_t *state;                    /* recurrent state after its n-th position, or NULL */
};

struct rk_kv_seq {
  uint8_t **blocks;                  /* [n_blocks_max], what attention reads; [n_path] of them valid */
  struct rk_kv_node **path;          /* [n_blocks_max] */
  int32_t n_path;
  int32_t n;                         /* positions computed */
  uint8_t *state;                    /* [state_bytes] of the sequence alone */
};

struct rk_kv_tree {
  struct rk_kv_shape shape;
  struct rk_kv_node root;            /* no tokens, no memory */
  struct rk_kv_node *nodes;          /* [n_blocks] */
  struct rk_kv_node *unused;         /* by next */
  uint8_t *mem;
  size_t mem_bytes;
  int32_t n_blocks, n_used;
  int32_t n_states;                  /* snapshots; their bytes count as blocks do */
  int32_t n_ctx_blocks;              /* of a sequence at most */
  uint64_t clock, n_evictions;
};

/* n_ctx: positions of a sequence at most. False: no memory. */
bool rk_kv_tree_init(struct rk_kv_tree *t, const struct rk_kv_shape *shape, int32_t n_blocks, int32_t n_ctx);
void rk_kv_tree_release(struct rk_kv_tree *t);
bool rk_kv_seq_init(struct rk_kv_seq *s, const struct rk_kv_tree *t);
void rk_kv_seq_release(struct rk_kv_seq *s);

/* Positions of the prefix that the tree holds. n_held (may be NULL): whole
 * blocks of it that running sequences hold already. */
int32_t rk_kv_find(const struct rk_kv_tree *t, const int32_t *tokens, int32_t n, int32_t *n_held);
/* The nodes of a prefix of exactly n tokens whose last one ends there: path
 * [ceil(n/64)]. False: the tree does not hold it so. */
bool rk_kv_path(struct rk_kv_tree *t, const int32_t *tokens, int32_t n, struct rk_kv_node *path[]);
/* Makes s, which is empty, the longest prefix of tokens[0..n) that the tree
 * holds: s->n positions. Less when there is no block for a copy. */
void rk_kv_seq_open(struct rk_kv_tree *t, struct rk_kv_seq *s, const int32_t *tokens, int32_t n);
/* Room for positions s->n..n-1 with these tokens, evicting what may go.
 * Returns the positions that there is room for, between s->n and n. */
int32_t rk_kv_seq_extend(struct rk_kv_tree *t, struct rk_kv_seq *s, const int32_t *tokens, int32_t n, uint64_t owner);
/* Positions up to n are computed: others may share them now. Blocks that
 * another sequence has filled with the same tokens meanwhile become one. */
void rk_kv_seq_commit(struct rk_kv_tree *t, struct rk_kv_seq *s, int32_t n);
/* Goes back to n positions; with a recurrent state to the last snapshot before. */
void rk_kv_seq_cut(struct rk_kv_tree *t, struct rk_kv_seq *s, int32_t n);
/* The first n <= s->n positions are a fixed prefix: it outlives the
 * conversations that begin with it, and its last block holds nothing else.
 * False: it was kept already, or there is no block for the last part. */
bool rk_kv_seq_keep(struct rk_kv_tree *t, const struct rk_kv_seq *s, int32_t n);
/* Gives the references back; the blocks stay until they are evicted. */
void rk_kv_seq_close(struct rk_kv_tree *t, struct rk_kv_seq *s);

/* The conversation is over: its blocks go first. */
void rk_kv_release_owner(struct rk_kv_tree *t, uint64_t owner);
/* Blocks that a sequence could get: unused, or evicted for it. */
int32_t rk_kv_available(const struct rk_kv_tree *t);
/* Puts a fixed prefix of n tokens in. fill() gets the memory of each block in
 * order, and of the recurrent state with the last, and says if it could fill
 * them; NULL memory: the tree has that block, pass over it. False: no room, fill
 * failed or *sum is not want_sum in the end; nothing of it stays. */
typedef bool rk_kv_fill(void *ud, int32_t block, uint8_t *mem, uint8_t *state);
bool rk_kv_insert(struct rk_kv_tree *t, const int32_t *tokens, int32_t n, uint64_t want_sum, rk_kv_fill *fill, void *ud,
                  const uint64_t *sum);

#endif
