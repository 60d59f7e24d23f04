/* checksum.h - tells damaged bytes of our own cache files from whole ones; no protection against intent (internal).
 *
 * Four lanes of multiply and rotate over 32 bytes at a time, so that a
 * gigabyte takes a tenth of a second. Starts from seed: chain by passing the
 * sum so far. */
#ifndef RK_ENGINE_CHECKSUM_H
#define RK_ENGINE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t rk_checksum_mix(uint64_t h, uint64_t word) {
  h = (h ^ word) * 0x9e3779b97f4a7c15ULL;
  return h << 31 | h >> 33;
}

static inline uint64_t rk_checksum(uint64_t seed, const void *data, size_t n) {
  const uint8_t *p = data;
  uint64_t lane[4] = {seed ^ n, seed + 1, seed + 2, seed + 3}, word[4];
  for (; n >= sizeof word; p += sizeof word, n -= sizeof word) {
    memcpy(word, p, sizeof word);
    for (int i = 0; i < 4; i++) lane[i] = rk_checksum_mix(lane[i], word[i]);
  }
  memset(word, 0, sizeof word);
  if (n) memcpy(word, p, n);
  for (int i = 0; i < 4; i++) lane[i] = rk_checksum_mix(lane[i], word[i]);
  return rk_checksum_mix(rk_checksum_mix(rk_checksum_mix(lane[0], lane[1]), lane[2]), lane[3]);
}

#endif
