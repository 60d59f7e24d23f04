/* Any bytes as a table: every cell of every row is text, or the fault is named. */
#include "shop/csv.h"

#include <string.h>

#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct rk_csv c;
  struct rk_error e = {RK_OK, ""};
  struct rk_arena *a = rk_arena_new(16 << 20);
  if (rk_csv_parse(a, (rk_str){(const char *)data, size}, &c, &e) == RK_OK) {
    RK_ASSERT(c.n_columns > 0);
    for (int32_t row = 0; row < c.n_rows; row++)
      for (int32_t k = 0; k < c.n_columns; k++) RK_ASSERT(rk_utf8_valid(rk_str_c(rk_csv_cell(&c, row, k))));
  } else RK_ASSERT(e.msg[0]);
  rk_arena_free(a);
  return 0;
}
