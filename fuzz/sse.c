/* The event stream reader: any bytes, cut anywhere, give the same events and never pass the cap. */
#include "net/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CAP = 256 };

static bool sum(void *ud, const struct rk_sse_event *ev) {
  uint64_t *h = ud;
  RK_ASSERT(ev->data.n <= CAP && ev->event.n <= CAP && ev->id.n <= CAP);
  for (size_t i = 0; i < ev->data.n; i++) *h = *h * 31 + (uint8_t)ev->data.p[i];
  *h = *h * 31 + ev->event.n * 7 + ev->id.n;
  return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1) return 0;
  size_t step = (size_t)data[0] % 16 + 1;
  rk_str in = {(const char *)data + 1, size - 1};
  uint64_t whole = 0, cut = 0;
  struct rk_sse a, b;
  rk_sse_init(&a, CAP);
  rk_sse_init(&b, CAP);
  rk_err ea = rk_sse_feed(&a, in, sum, &whole), eb = RK_OK;
  for (size_t i = 0; i < in.n && !eb; i += step)
    eb = rk_sse_feed(&b, (rk_str){in.p + i, in.n - i < step ? in.n - i : step}, sum, &cut);
  RK_ASSERT(ea == eb && whole == cut);
  rk_sse_release(&a);
  rk_sse_release(&b);
  return 0;
}
