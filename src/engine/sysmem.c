#include "engine/sysmem.h"

#include <stdio.h>
#include <string.h>

static uint64_t number_in(const char *path) {
  unsigned long long v = 0;
  FILE *f = fopen(path, "r");
  if (!f) return 0;
  if (fscanf(f, "%llu", &v) != 1) v = 0; /* "max" */
  fclose(f);
  return v;
}

static uint64_t system_available(void) {
  char line[128];
  unsigned long long kb = 0;
  FILE *f = fopen("/proc/meminfo", "r");
  if (!f) return 0;
  while (!kb && fgets(line, sizeof line, f)) (void)sscanf(line, "MemAvailable: %llu kB", &kb);
  fclose(f);
  return kb * 1024;
}

uint64_t rk_memory_available(void) {
  static const char *const groups[2][2] = {
    {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"},
    {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"},
  };
  uint64_t free_bytes = system_available();
  for (int i = 0; i < 2; i++) {
    uint64_t limit = number_in(groups[i][0]), used = number_in(groups[i][1]);
    uint64_t left = limit > used ? limit - used : 0;
    if (limit && (!free_bytes || left < free_bytes)) free_bytes = left;
  }
  return free_bytes;
}
