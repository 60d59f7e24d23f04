/* A file system in memory below real SQLite, whose power can be cut.
 *
 * What was written and not synced is lost when the power goes: all of it, or
 * (torn) each 512-byte sector by the toss of a coin, which is what disks do.
 * From then on every call fails until mem_vfs_restart(). One database, one
 * connection, one thread at a time. */
#ifndef RK_TEST_MEM_VFS_H
#define RK_TEST_MEM_VFS_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MEM_FILES = 8, MEM_SHM_REGIONS = 64, MEM_SECTOR = 512 };

struct mem_file {
  char name[256];
  unsigned char *now, *kept;      /* as written, as synced */
  int64_t n, n_kept, room;
  int64_t dirty_from, dirty_to;   /* bytes in which the two may differ */
};

static struct mem_disk {
  struct mem_file files[MEM_FILES];
  void *shm[MEM_SHM_REGIONS];
  bool off;                       /* the power is cut */
  int64_t writes_left;            /* < 0: never cut; else the power goes at that write or sync */
  int64_t n_cuts;                 /* at a write or sync */
} disk = {.writes_left = -1};

struct mem_handle { sqlite3_file base; struct mem_file *f; };

static struct mem_file *mem_find(const char *name, bool make) {
  struct mem_file *free_one = NULL;
  for (int i = 0; i < MEM_FILES; i++) {
    if (disk.files[i].name[0] && strcmp(disk.files[i].name, name) == 0) return &disk.files[i];
    if (!disk.files[i].name[0] && !free_one) free_one = &disk.files[i];
  }
  if (!make || !free_one) return NULL;
  strncpy(free_one->name, name, sizeof free_one->name - 1);
  free_one->dirty_from = INT64_MAX;
  return free_one;
}

static void mem_forget(struct mem_file *f) {
  free(f->now);
  free(f->kept);
  *f = (struct mem_file){0};
}

/* True: no power (any more). */
static bool mem_fails(void) {
  if (!disk.off && disk.writes_left >= 0 && disk.writes_left-- == 0) disk.off = true, disk.n_cuts++;
  return disk.off;
}

static void mem_grow(struct mem_file *f, int64_t n) {
  if (n <= f->room) return;
  int64_t room = f->room ? f->room : 65536;
  while (room < n) room *= 2;
  f->now = realloc(f->now, (size_t)room);
  f->kept = realloc(f->kept, (size_t)room);
  memset(f->now + f->room, 0, (size_t)(room - f->room));
  memset(f->kept + f->room, 0, (size_t)(room - f->room));
  f->room = room;
}

static void mem_soil(struct mem_file *f, int64_t from, int64_t to) {
  if (from < f->dirty_from) f->dirty_from = from;
  if (to > f->dirty_to) f->dirty_to = to;
}

static void mem_clean(struct mem_file *f) {
  f->dirty_from = INT64_MAX;
  f->dirty_to = 0;
}

static int mem_close(sqlite3_file *h) { (void)h; return SQLITE_OK; }

static int mem_read(sqlite3_file *h, void *to, int n, sqlite3_int64 at) {
  struct mem_file *f = ((struct mem_handle *)h)->f;
  if (disk.off) return SQLITE_IOERR_READ;
  int64_t have = f->n - at < n ? f->n - at : n;
  if (have > 0) memcpy(to, f->now + at, (size_t)have);
  if (have == n) return SQLITE_OK;
  if (have < 0) have = 0;
  memset((char *)to + have, 0, (size_t)(n - have));
  return SQLITE_IOERR_SHORT_READ;
}

static int mem_write(sqlite3_file *h, const void *from, int n, sqlite3_int64 at) {
  struct mem_file *f = ((struct mem_handle *)h)->f;
  if (mem_fails()) return SQLITE_IOERR_WRITE;
  mem_grow(f, at + n);
  memcpy(f->now + at, from, (size_t)n);
  mem_soil(f, at, at + n);
  if (at + n > f->n) f->n = at + n;
  return SQLITE_OK;
}

static int mem_truncate(sqlite3_file *h, sqlite3_int64 n) {
  struct mem_file *f = ((struct mem_handle *)h)->f;
  if (mem_fails()) return SQLITE_IOERR_TRUNCATE;
  mem_grow(f, n);
  if (n < f->n) {
    memset(f->now + n, 0, (size_t)(f->n - n));
    mem_soil(f, n, f->n);
  }
  f->n = n;
  return SQLITE_OK;
}

static int mem_sync(sqlite3_file *h, int flags) {
  (void)flags;
  struct mem_file *f = ((struct mem_handle *)h)->f;
  if (mem_fails()) return SQLITE_IOERR_FSYNC;
  if (f->dirty_from < f->dirty_to) memcpy(f->kept + f->dirty_from, f->now + f->dirty_from, (size_t)(f->dirty_to - f->dirty_from));
  f->n_kept = f->n;
  mem_clean(f);
  return SQLITE_OK;
}

static int mem_size(sqlite3_file *h, sqlite3_int64 *n) {
  *n = ((struct mem_handle *)h)->f->n;
  return disk.off ? SQLITE_IOERR_FSTAT : SQLITE_OK;
}

static int mem_lock(sqlite3_file *h, int level) { (void)h, (void)level; return SQLITE_OK; }
static int mem_reserved(sqlite3_file *h, int *out) { (void)h; *out = 0; return SQLITE_OK; }
static int mem_control(sqlite3_file *h, int op, void *arg) { (void)h, (void)op, (void)arg; return SQLITE_NOTFOUND; }
static int mem_sector(sqlite3_file *h) { (void)h; return MEM_SECTOR; }
static int mem_device(sqlite3_file *h) { (void)h; return 0; }

static int mem_shm_map(sqlite3_file *h, int region, int size, int extend, void volatile **out) {
  (void)h;
  *out = NULL;
  if (disk.off || region >= MEM_SHM_REGIONS) return SQLITE_IOERR_SHMMAP;
  if (!disk.shm[region] && extend) disk.shm[region] = calloc(1, (size_t)size);
  *out = disk.shm[region];
  return SQLITE_OK;
}
static int mem_shm_lock(sqlite3_file *h, int offset, int n, int flags) { (void)h, (void)offset, (void)n, (void)flags; return SQLITE_OK; }
static void mem_shm_barrier(sqlite3_file *h) { (void)h; }
static void mem_drop_shm(void) {
  for (int i = 0; i < MEM_SHM_REGIONS; i++) free(disk.shm[i]), disk.shm[i] = NULL;
}
static int mem_shm_unmap(sqlite3_file *h, int remove) {
  (void)h;
  if (remove) mem_drop_shm();
  return SQLITE_OK;
}

static const sqlite3_io_methods mem_methods = {2, mem_close, mem_read, mem_write, mem_truncate, mem_sync, mem_size, mem_lock, mem_lock, mem_reserved,
                                               mem_control, mem_sector, mem_device, mem_shm_map, mem_shm_lock, mem_shm_barrier, mem_shm_unmap, NULL, NULL};

static sqlite3_vfs *mem_below;    /* the real one: clock and randomness */

static int mem_open(sqlite3_vfs *v, const char *name, sqlite3_file *h, int flags, int *out_flags) {
  (void)v;
  static char temporary[] = "temporary-0";
  static int n_temporary;
  if (!name) {
    temporary[10] = (char)('0' + n_temporary++ % 4);
    name = temporary;
    struct mem_file *old = mem_find(name, false);
    if (old) mem_forget(old);
  }
  struct mem_file *f = disk.off ? NULL : mem_find(name, true);
  h->pMethods = f ? &mem_methods : NULL;
  ((struct mem_handle *)h)->f = f;
  if (out_flags) *out_flags = flags;
  return f ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int mem_delete(sqlite3_vfs *v, const char *name, int sync) {
  (void)v, (void)sync;
  if (mem_fails()) return SQLITE_IOERR_DELETE;
  struct mem_file *f = mem_find(name, false);
  if (f) mem_forget(f);
  return SQLITE_OK;
}

static int mem_access(sqlite3_vfs *v, const char *name, int flags, int *out) {
  (void)v, (void)flags;
  *out = mem_find(name, false) != NULL;
  return disk.off ? SQLITE_IOERR_ACCESS : SQLITE_OK;
}

static int mem_full(sqlite3_vfs *v, const char *name, int n, char *out) {
  (void)v;
  strncpy(out, name, (size_t)n);
  return SQLITE_OK;
}

static int mem_random(sqlite3_vfs *v, int n, char *out) { (void)v; return mem_below->xRandomness(mem_below, n, out); }
static int mem_sleep(sqlite3_vfs *v, int us) { (void)v; return us; }
static int mem_time(sqlite3_vfs *v, sqlite3_int64 *out) { (void)v; return mem_below->xCurrentTimeInt64(mem_below, out); }

static sqlite3_vfs mem_vfs = {.iVersion = 2, .szOsFile = sizeof(struct mem_handle), .mxPathname = 255, .zName = "memory", .xOpen = mem_open,
                              .xDelete = mem_delete, .xAccess = mem_access, .xFullPathname = mem_full, .xRandomness = mem_random, .xSleep = mem_sleep,
                              .xCurrentTimeInt64 = mem_time};

/* From now on databases are opened here. */
static void mem_vfs_start(void) {
  mem_below = sqlite3_vfs_find(NULL);
  sqlite3_vfs_register(&mem_vfs, 1);
}

/* An empty disk. Nothing may be open. */
static void mem_vfs_clear(void) {
  for (int i = 0; i < MEM_FILES; i++) mem_forget(&disk.files[i]);
  mem_drop_shm();
  disk.off = false;
  disk.writes_left = -1;
}

/* The power is back: what was not synced is gone. toss: NULL, or the coin for each sector. Nothing may be open. */
static void mem_vfs_restart(bool (*toss)(void)) {
  for (int i = 0; i < MEM_FILES; i++) {
    struct mem_file *f = &disk.files[i];
    for (int64_t at = f->dirty_from / MEM_SECTOR * MEM_SECTOR; f->dirty_from < f->dirty_to && at < f->dirty_to; at += MEM_SECTOR) {
      size_t n = (size_t)(f->room - at < MEM_SECTOR ? f->room - at : MEM_SECTOR);
      if (toss && toss()) memcpy(f->kept + at, f->now + at, n);
      else memcpy(f->now + at, f->kept + at, n);
    }
    if (f->name[0] && (!toss || toss())) f->n = f->n_kept;
    else f->n_kept = f->n;
    if (f->name[0]) mem_clean(f);
  }
  mem_drop_shm();
  disk.off = false;
  disk.writes_left = -1;
}

#endif
