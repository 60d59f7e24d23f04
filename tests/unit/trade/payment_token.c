/* A payment token pays one checkout of one merchant, and nothing else. */
#include "trade/payment_token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct rk_key *new_key(void) {
  char dir[] = "/tmp/rukou-token-XXXXXX", path[64];
  assert_non_null(mkdtemp(dir));
  snprintf(path, sizeof path, "%s/k.pem", dir);
  struct rk_key *k;
  assert_int_equal(rk_key_load_or_make(path, &k, NULL), RK_OK);
  unlink(path);
  rmdir(dir);
  return k;
}

static json_t *jwk_of(const struct rk_key *k) {
  char x[64], y[64], t[64];
  rk_key_jwk(k, x, y, t);
  return json_pack("{s:s, s:s, s:s, s:s, s:s}", "kty", "EC", "crv", "P-256", "x", x, "y", y, "kid", "any name");
}

static const struct rk_payment_claims claims = {.jti = "0197-j", .checkout_id = "co_1", .origin = "http://127.0.0.2:7101",
                                                .currency = "CNY", .kind = "card", .amount_minor = 32900,
                                                .expires_ms = 1700000000000};

static void what_goes_in_comes_out(void **state) {
  struct rk_key *k = new_key(), *other = new_key();
  json_t *jwks = json_pack("[o, o]", jwk_of(other), jwk_of(k));
  struct rk_buf token;
  rk_buf_init(&token, RK_MAX_PAYMENT_TOKEN_BYTES);
  assert_int_equal(rk_payment_token_make(k, &claims, &token, NULL), RK_OK);
  struct rk_payment_claims c;
  struct rk_error e;
  assert_int_equal(rk_payment_token_verify(rk_buf_str(&token), jwks, 1699999999999, &c, &e), RK_OK);
  assert_memory_equal(&c, &claims, sizeof c);
  assert_int_equal(rk_payment_token_verify(rk_buf_str(&token), jwks, 1700000000000, &c, &e), RK_EGONE);
  json_array_remove(jwks, 1);
  assert_int_equal(rk_payment_token_verify(rk_buf_str(&token), jwks, 0, &c, &e), RK_EAUTH);
  rk_buf_release(&token);
  json_decref(jwks);
  rk_key_free(k);
  rk_key_free(other);
}

/* Any changed byte of the token is refused: 1 of 256 alternatives for each place. */
static void no_changed_token_passes(void **state) {
  struct rk_key *k = new_key();
  json_t *jwks = json_pack("[o]", jwk_of(k));
  struct rk_buf token;
  rk_buf_init(&token, RK_MAX_PAYMENT_TOKEN_BYTES);
  assert_int_equal(rk_payment_token_make(k, &claims, &token, NULL), RK_OK);
  struct rk_payment_claims c;
  for (size_t i = 0; i < token.n; i++) {
    char kept = token.p[i];
    token.p[i] = kept == 'A' ? 'B' : 'A';
    assert_int_not_equal(rk_payment_token_verify(rk_buf_str(&token), jwks, 0, &c, NULL), RK_OK);
    token.p[i] = kept;
    assert_int_not_equal(rk_payment_token_verify((rk_str){token.p, i}, jwks, 0, &c, NULL), RK_OK);
  }
  rk_buf_release(&token);
  json_decref(jwks);
  rk_key_free(k);
}

static void unsigned_and_odd_tokens_are_refused(void **state) {
  static const char *const bad[] = {"", ".", "..", "a.b.c", "eyJhbGciOiJub25lIn0.e30.",
                                    "eyJhbGciOiJIUzI1NiJ9.e30.AAAA", "e30.e30.e30.e30", "bnVsbA.bnVsbA.bnVsbA"};
  json_t *jwks = json_array();
  struct rk_payment_claims c;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_int_not_equal(rk_payment_token_verify(rk_str_c(bad[i]), jwks, 0, &c, NULL), RK_OK);
    assert_int_not_equal(rk_payment_token_verify(rk_str_c(bad[i]), NULL, 0, &c, NULL), RK_OK);
  }
  json_decref(jwks);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(what_goes_in_comes_out), cmocka_unit_test(no_changed_token_passes),
                                     cmocka_unit_test(unsigned_and_odd_tokens_are_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
