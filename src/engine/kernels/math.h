/* math.h - the exponentials, as every kernel set computes them (internal).
 * exp(x) = 2^n * p(r), r = x - n ln 2, |r| <= ln2/2; relative error < 2e-7. */
#ifndef RK_ENGINE_KERNELS_MATH_H
#define RK_ENGINE_KERNELS_MATH_H

#define RK_EXP_MIN (-87.0f)
#define RK_EXP_MAX 88.0f
#define RK_LOG2E 1.44269504f
#define RK_LN2_HI 0.693359375f
#define RK_LN2_LO (-2.12194440e-4f)
#define RK_EXP_C0 1.9875691500e-4f
#define RK_EXP_C1 1.3981999507e-3f
#define RK_EXP_C2 8.3334519073e-3f
#define RK_EXP_C3 4.1665795894e-2f
#define RK_EXP_C4 1.6666665459e-1f
#define RK_EXP_C5 5.0000001201e-1f

/* Attention: 2^x = 2^n * p(r), x <= 0, r = x - n, |r| <= 1/2; relative error < 2e-7, 2^0 is 1. Adding and taking off
 * RK_EXP2_ROUND rounds to n, and leaves n in the lowest bits in between. */
#define RK_EXP2_MIN (-125.0f)
#define RK_EXP2_ROUND 12582912.0f
#define RK_EXP2_C1 0.693147004f
#define RK_EXP2_C2 0.240222424f
#define RK_EXP2_C3 0.0555073395f
#define RK_EXP2_C4 0.00967152324f
#define RK_EXP2_C5 0.00132647576f

#endif
