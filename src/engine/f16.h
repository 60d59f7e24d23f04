/* f16.h - half precision and bfloat16 to float and back, without hardware (internal).
 * Round to nearest even, as F16C does; values that do not fit become the
 * largest finite one, so that a cache row never holds an infinity. */
#ifndef RK_ENGINE_F16_H
#define RK_ENGINE_F16_H

#include <stdint.h>
#include <string.h>

static inline float rk_bits_f32(uint32_t u) {
  float f;
  memcpy(&f, &u, sizeof f);
  return f;
}

static inline uint32_t rk_f32_bits(float f) {
  uint32_t u;
  memcpy(&u, &f, sizeof u);
  return u;
}

static inline float rk_bf16_f32(uint16_t h) { return rk_bits_f32((uint32_t)h << 16); }

static inline float rk_f16_f32(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = (uint32_t)(h & 0x7fff) << 13;
  if ((h & 0x7c00) == 0x7c00) return rk_bits_f32(sign | 0x7f800000u | (rest & 0x7fffffu));
  /* rest as a float is 2^112 times too small; subnormals come out right as well. */
  return rk_bits_f32(sign | rk_f32_bits(rk_bits_f32(rest) * 0x1p112f));
}

static inline uint16_t rk_f32_f16(float f) {
  uint32_t u = rk_f32_bits(f), sign = u >> 16 & 0x8000, a = u & 0x7fffffff;
  if (a > 0x7f800000) return (uint16_t)(sign | 0x7e00); /* NaN */
  if (a >= 0x477fe000) return (uint16_t)(sign | 0x7bff);
  if (a < 0x38800000) { /* subnormal: the addition rounds at the right bit */
    float r = rk_bits_f32(a) + 0.5f;
    return (uint16_t)(sign | (rk_f32_bits(r) - 0x3f000000u));
  }
  a += 0xfff + (a >> 13 & 1);
  return (uint16_t)(sign | (a - 0x38000000u) >> 13);
}

#endif
