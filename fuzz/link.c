/* What an authorization server sends back: a redirect's query, and a challenge. No bytes make a code of another state. */
#include "trade/link.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char scope[64], buf[512];
  rk_str text = {(const char *)data, size};
  struct rk_link_answer a;
  struct rk_link_server server = {.issuer = "https://as.example"};
  struct rk_link_request request = {.state = "state-that-nobody-guesses"};
  enum rk_link_fault fault;
  struct rk_error e;
  rk_link_challenge(text, scope, sizeof scope);
  RK_ASSERT(strlen(scope) < sizeof scope);
  rk_link_answer_read(text, buf, sizeof buf, &a);
  RK_ASSERT(a.code.n + a.state.n + a.iss.n + a.error.n <= sizeof buf);
  if (rk_link_check(&server, &request, &a, &fault, &e) == RK_OK) RK_ASSERT(rk_str_eq_c(a.state, request.state) && rk_str_eq_c(a.iss, server.issuer));
  return 0;
}
