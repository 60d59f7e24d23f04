/* pace.h - what a step of the engine takes, learned from steps (internal).
 *
 * A step costs a + b * rows: reading the weights, and computing each row.
 * Small steps are remembered by their size as well. Rows count in the groups
 * in which the engine computes them. One thread. */
#ifndef RK_CHAT_PACE_H
#define RK_CHAT_PACE_H

#include <stdint.h>

enum { RK_PACE_SIZES = 17 };

struct rk_pace {
  double w, wn, wnn, wt, wnt;      /* decaying sums: weight, rows, rows^2, us, rows * us */
  double small_us[RK_PACE_SIZES];  /* by groups of 4 rows from [2] on; [0]: one row, [1]: two; 0: not seen lately */
  int32_t age[RK_PACE_SIZES];      /* steps since */
};

void rk_pace_init(struct rk_pace *p);
void rk_pace_note(struct rk_pace *p, int32_t rows, double us);
double rk_pace_us(const struct rk_pace *p, int32_t rows);
/* How many of k guesses are worth computing, beside rows that give `gain` tokens; odds[i]: that guess i is right when
 * those before it are. */
int32_t rk_pace_guesses(const struct rk_pace *p, int32_t beside, double gain, const float *odds, int32_t k);

#endif
