#include "net/address.h"

#include <netinet/in.h>
#include <string.h>

struct block4 { uint32_t net; int bits; };
static const struct block4 special4[] = {
    {0x00000000, 8},  /* this network */
    {0x0A000000, 8},  /* private */
    {0x64400000, 10}, /* shared (carrier NAT) */
    {0x7F000000, 8},  /* loopback */
    {0xA9FE0000, 16}, /* link-local, cloud metadata */
    {0xAC100000, 12}, /* private */
    {0xC0000000, 24}, /* protocol assignments */
    {0xC0000200, 24}, /* documentation */
    {0xC0586300, 24}, /* 6to4 relay */
    {0xC0A80000, 16}, /* private */
    {0xC6120000, 15}, /* benchmarking */
    {0xC6336400, 24}, /* documentation */
    {0xCB007100, 24}, /* documentation */
    {0xE0000000, 4},  /* multicast */
    {0xF0000000, 4},  /* reserved, broadcast */
};

struct block6 { unsigned char net[6]; int bits; };
static const struct block6 special6[] = {
    {{0x20, 0x01, 0x00}, 23},             /* protocol assignments, Teredo, ORCHID */
    {{0x20, 0x01, 0x0D, 0xB8}, 32},       /* documentation */
    {{0x20, 0x02}, 16},                   /* 6to4 */
    {{0x3F, 0xFF, 0x00}, 20},             /* documentation */
};

static bool is_special4(uint32_t a) {
  for (size_t i = 0; i < sizeof special4 / sizeof *special4; i++)
    if ((a ^ special4[i].net) >> (32 - special4[i].bits) == 0) return true;
  return false;
}

static bool in_block6(const unsigned char *a, const struct block6 *b) {
  int bytes = b->bits / 8, rest = b->bits % 8;
  if (memcmp(a, b->net, (size_t)bytes) != 0) return false;
  return rest == 0 || (a[bytes] ^ b->net[bytes]) >> (8 - rest) == 0;
}

static bool is_special6(const unsigned char *a) {
  static const unsigned char mapped[12] = {[10] = 0xFF, [11] = 0xFF}, nat64[12] = {0x00, 0x64, 0xFF, 0x9B};
  if (memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0)
    return is_special4((uint32_t)a[12] << 24 | (uint32_t)a[13] << 16 | (uint32_t)a[14] << 8 | a[15]);
  if (a[0] >> 5 != 1) return true; /* outside 2000::/3 */
  for (size_t i = 0; i < sizeof special6 / sizeof *special6; i++)
    if (in_block6(a, &special6[i])) return true;
  return false;
}

bool rk_address_is_special(const struct sockaddr *a) {
  if (a->sa_family == AF_INET) {
    struct sockaddr_in in;
    memcpy(&in, a, sizeof in);
    return is_special4(ntohl(in.sin_addr.s_addr));
  }
  if (a->sa_family == AF_INET6) {
    struct sockaddr_in6 in6;
    memcpy(&in6, a, sizeof in6);
    return is_special6(in6.sin6_addr.s6_addr);
  }
  return true;
}
