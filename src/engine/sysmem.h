/* sysmem.h - memory that this process may still take (internal). */
#ifndef RK_ENGINE_SYSMEM_H
#define RK_ENGINE_SYSMEM_H

#include <stdint.h>

/* Bytes: what the system calls available, or what the cgroup leaves when that
 * is less. Sources: /proc/meminfo, /sys/fs/cgroup (v2, then v1). 0: unknown. */
uint64_t rk_memory_available(void);

#endif
