/* bytes.h - little-endian numbers at any address (internal).
 * The file's order is the processor's: rukou runs on little-endian machines only. */
#ifndef RK_ENGINE_BYTES_H
#define RK_ENGINE_BYTES_H

#include <stdint.h>
#include <string.h>

static inline uint16_t rk_load_u16(const uint8_t *p) {
  uint16_t v;
  memcpy(&v, p, sizeof v);
  return v;
}

static inline uint32_t rk_load_u32(const uint8_t *p) {
  uint32_t v;
  memcpy(&v, p, sizeof v);
  return v;
}

static inline uint64_t rk_load_u64(const uint8_t *p) {
  uint64_t v;
  memcpy(&v, p, sizeof v);
  return v;
}

static inline void rk_store_u16(uint8_t *p, uint16_t v) { memcpy(p, &v, sizeof v); }
static inline void rk_store_u32(uint8_t *p, uint32_t v) { memcpy(p, &v, sizeof v); }

#endif
