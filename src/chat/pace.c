#include "chat/pace.h"

/* Before anything was measured: a slow machine. MARGIN: guesses that promise less are left out. */
static const double FIRST_ROW_US = 4000, FIRST_STEP_US = 30000, KEEP = 0.98, MARGIN = 1.08;

/* Steps after which a size's time is forgotten: it may have been measured on a busy machine. */
enum { FORGET = 200 };

void rk_pace_init(struct rk_pace *p) { *p = (struct rk_pace){0}; }

/* As the engine computes them: groups of 8, a last one of 1, 2, 4 or 8. */
static int32_t padded(int32_t rows) {
  int32_t rest = rows % 8;
  return rows - rest + (rest <= 2 ? rest : rest <= 4 ? 4 : 8);
}

static int32_t size_of(int32_t rows) { return rows <= 2 ? rows - 1 : (rows + 3) / 4 + 1; }

void rk_pace_note(struct rk_pace *p, int32_t rows, double us) {
  if (rows < 1) return;
  double n = padded(rows);
  p->w = p->w * KEEP + 1;
  p->wn = p->wn * KEEP + n;
  p->wnn = p->wnn * KEEP + n * n;
  p->wt = p->wt * KEEP + us;
  p->wnt = p->wnt * KEEP + n * us;
  int32_t s = size_of(rows);
  if (s < RK_PACE_SIZES) p->small_us[s] += (us - p->small_us[s]) * (p->small_us[s] > 0 ? 0.2 : 1);
  for (int32_t i = 0; i < RK_PACE_SIZES; i++) {
    p->age[i] = i == s ? 0 : p->age[i] + 1;
    if (p->age[i] > FORGET) p->small_us[i] = 0;
  }
}

static void line(const struct rk_pace *p, double *a, double *b) {
  *a = FIRST_STEP_US, *b = FIRST_ROW_US;
  if (p->w <= 0) return;
  double spread = p->wnn * p->w - p->wn * p->wn;
  if (spread > p->wnn * p->w * 0.01) *b = (p->wnt * p->w - p->wn * p->wt) / spread;
  else *b = p->wt / (p->wn + 8 * p->w); /* all steps of one size: a step's fixed part is taken for eight rows */
  if (*b < 1) *b = 1;
  *a = (p->wt - *b * p->wn) / p->w;
  if (*a < 0) *a = 0;
}

double rk_pace_us(const struct rk_pace *p, int32_t rows) {
  int32_t s = size_of(rows);
  if (s < RK_PACE_SIZES && p->small_us[s] > 0) return p->small_us[s];
  double a, b;
  line(p, &a, &b);
  return a + b * padded(rows);
}

int32_t rk_pace_guesses(const struct rk_pace *p, int32_t beside, double gain, const float *odds, int32_t k) {
  int32_t best = 0;
  double all = 1, right = 1, best_rate = MARGIN * (gain + 1) / rk_pace_us(p, beside + 1);
  for (int32_t i = 1; i <= k; i++) {
    all += right *= (double)odds[i - 1];
    double rate = (gain + all) / rk_pace_us(p, beside + 1 + i);
    if (rate > best_rate) best = i, best_rate = rate;
  }
  return best;
}
