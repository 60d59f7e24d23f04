/* utf8.h - validation and stepping (RFC 3629: no surrogates, no overlong forms). */
#ifndef RK_BASE_UTF8_H
#define RK_BASE_UTF8_H

#include "base/str.h"

bool rk_utf8_valid(rk_str s);
/* Bytes of the longest prefix that ends on a code point border. A trailing
 * incomplete sequence is left out; invalid bytes count as complete. */
size_t rk_utf8_complete(rk_str s);
/* Decodes one code point at s; returns its length (1..4), or 0 when s is
 * empty or invalid there. */
int rk_utf8_next(rk_str s, uint32_t *cp);
int rk_utf8_put(uint32_t cp, char out[4]); /* returns the length, 0 for an invalid cp */
/* Copies s into out (NUL-terminated, at most size-1 bytes, never half a code point). */
void rk_utf8_copy(char *out, size_t size, rk_str s);

/* Letters and digits, and every byte beyond ASCII. */
static inline bool rk_utf8_in_word(char c) {
  const unsigned char x = (unsigned char)c, low = x | 32;
  return x >= 0x80 || (low >= 'a' && low <= 'z') || (x >= '0' && x <= '9');
}

#endif
