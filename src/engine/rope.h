/* rope.h - rotary embeddings: angles of the pairs of a head, plain or scaled (internal).
 *
 * Pair i is the elements i and i + n_rot/2 (NeoX order); it turns by
 * pos * inv_freq[i]. Scaling: linear divides every angle by the factor; YaRN
 * (arXiv 2309.00071) divides those of long wavelength, keeps those of short
 * ones, ramps between, and lengthens the result. */
#ifndef RK_ENGINE_ROPE_H
#define RK_ENGINE_ROPE_H

#include "engine/model.h"

/* inv_freq: [n_rot/2]. Returns the length that cosine and sine are multiplied by. */
float rk_rope_init(const struct rk_rope_params *p, double *inv_freq);
/* table: [n_rot], cosines of the pairs, then sines. */
void rk_rope_table(const struct rk_rope_params *p, const double *inv_freq, float length, int32_t pos, float *table);
/* Turns the first n_rot elements of a head, multiplies all by scale. */
void rk_rope_rotate(float *head, int32_t head_dim, const float *table, int32_t n_rot, float scale);

#endif
