#include "base/utf8.h"

#include <string.h>

int rk_utf8_next(rk_str s, uint32_t *cp) {
  if (s.n == 0) return 0;
  const unsigned char *p = (const unsigned char *)s.p;
  unsigned c = p[0];
  int len = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
  if (len == 0 || (size_t)len > s.n) return 0;
  uint32_t v = len == 1 ? c : c & (0x7fu >> len);
  for (int i = 1; i < len; i++) {
    if ((p[i] & 0xc0) != 0x80) return 0;
    v = v << 6 | (p[i] & 0x3f);
  }
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  if (v < least[len] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000)) return 0;
  *cp = v;
  return len;
}

bool rk_utf8_valid(rk_str s) {
  uint32_t cp;
  while (s.n) {
    int len = rk_utf8_next(s, &cp);
    if (!len) return false;
    s.p += len;
    s.n -= (size_t)len;
  }
  return true;
}

size_t rk_utf8_complete(rk_str s) {
  const unsigned char *p = (const unsigned char *)s.p;
  for (size_t back = 1; back <= 3 && back <= s.n; back++) {
    unsigned c = p[s.n - back];
    if ((c & 0xc0) == 0x80) continue;
    size_t len = c >= 0xf0 && c < 0xf5 ? 4 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xc2 && c < 0xe0 ? 2 : 1;
    return len > back ? s.n - back : s.n;
  }
  return s.n;
}

int rk_utf8_put(uint32_t cp, char out[4]) {
  if (cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000)) return 0;
  if (cp < 0x80) {
    out[0] = (char)cp;
    return 1;
  }
  int len = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
  static const unsigned lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
  for (int i = len - 1; i > 0; i--) {
    out[i] = (char)(0x80 | (cp & 0x3f));
    cp >>= 6;
  }
  out[0] = (char)(lead[len] | cp);
  return len;
}

void rk_utf8_copy(char *out, size_t size, rk_str s) {
  if (size == 0) return;
  if (s.n > size - 1) s.n = rk_utf8_complete((rk_str){s.p, size - 1});
  if (s.n) memcpy(out, s.p, s.n);
  out[s.n] = 0;
}
