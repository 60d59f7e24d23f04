/* address.h - which network addresses are special-use: not another public host.
 *
 * IANA special-purpose registries: loopback, private, link-local, shared,
 * documentation, benchmarking, multicast, reserved; for IPv6 everything outside
 * 2000::/3 and the special blocks inside it. An IPv4 address inside an IPv6 one
 * (mapped, NAT64) is judged as IPv4. Pure. */
#ifndef RK_NET_ADDRESS_H
#define RK_NET_ADDRESS_H

#include <sys/socket.h>

#include "base/str.h"

bool rk_address_is_special(const struct sockaddr *a); /* true also for other families */

#endif
