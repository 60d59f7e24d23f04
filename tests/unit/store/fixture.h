/* A data directory of its own for each test. */
#ifndef RK_TEST_STORE_FIXTURE_H
#define RK_TEST_STORE_FIXTURE_H

#include "store/money.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
  char dir[64];
  struct rk_store *store;
  const char *user;
};

static inline void fixture_open(struct fixture *f) {
  struct rk_error e = {0};
  if (rk_store_open(f->dir, &f->store, &e)) fail_msg("%s", e.msg);
  f->user = rk_store_local_user(f->store);
}

static inline void fixture_new(struct fixture *f) {
  strcpy(f->dir, "/tmp/rukou-store-XXXXXX");
  assert_non_null(mkdtemp(f->dir));
  fixture_open(f);
}

static inline void fixture_remove(struct fixture *f) {
  char cmd[128];
  rk_store_close(f->store);
  snprintf(cmd, sizeof cmd, "rm -rf %s", f->dir);
  assert_int_equal(system(cmd), 0);
}

#endif
