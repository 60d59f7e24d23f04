/* What a merchant says of an order that it took: whatever it is, the ledger gives back at most what was paid, and its sums hold. */
#include <stdint.h>

#include "bought.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct rk_error e = {RK_OK, ""};
  if (!fake) bought_start();
  json_t *v = order_of((rk_str){(const char *)data, size});
  if (!json_is_object(v)) {
    json_decref(v);
    return 0;
  }
  rk_err err = rk_trade_order_event(bought_side.trade, ORIGIN, v, &e);
  RK_ASSERT(err == RK_OK || err == RK_EFORMAT || err == RK_ENOTFOUND);
  RK_ASSERT(rk_trade_order_event(bought_side.trade, "http://127.0.0.2:7998", v, &e) != RK_OK); /* another merchant's */
  json_decref(v);
  bought_check();
  return 0;
}
