/* A payment token is the merchant's input from a stranger: no bytes pass that the key did not sign. */
#include "trade/payment_token.h"

#include <stdint.h>

/* RFC 7515 appendix A.3: its private key is known, but no token of ours was made with it. */
static json_t *keys(void) {
  return json_pack("[{s:s, s:s}]", "x", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct rk_payment_claims c;
  struct rk_error e = {RK_OK, ""};
  json_t *jwks = keys();
  rk_err err = rk_payment_token_verify((rk_str){(const char *)data, size}, jwks, 0, &c, &e);
  RK_ASSERT(err == RK_EFORMAT || err == RK_EAUTH);
  json_decref(jwks);
  return 0;
}
