/* Hashes, encodings and ES256 against published vectors and against misuse. */
#include "net/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void sha256_vectors(void **state) {
  char h[65];
  rk_sha256_hex(RK_STR(""), h);
  assert_string_equal(h, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  rk_sha256_hex(RK_STR("abc"), h); /* FIPS 180-2 */
  assert_string_equal(h, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  struct rk_sha256 *inc = rk_sha256_new();
  rk_sha256_update(inc, "a", 1);
  rk_sha256_update(inc, "bc", 2);
  char h2[65];
  rk_sha256_final_hex(inc, h2);
  assert_string_equal(h, h2);
}

static void base64url_vectors(void **state) {
  static const struct { const char *raw, *text; } cases[] = { /* RFC 4648 section 10, without padding */
      {"", ""}, {"f", "Zg"}, {"fo", "Zm8"}, {"foo", "Zm9v"}, {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"},
      {"\xff\xff\xfe", "___-"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rk_buf b;
    rk_buf_init(&b, 64);
    assert_int_equal(rk_base64url(&b, rk_str_c(cases[i].raw)), RK_OK);
    assert_true(rk_str_eq_c(rk_buf_str(&b), cases[i].text));
    rk_buf_clear(&b);
    assert_int_equal(rk_base64url_decode(&b, rk_str_c(cases[i].text)), RK_OK);
    assert_true(rk_str_eq_c(rk_buf_str(&b), cases[i].raw));
    rk_buf_release(&b);
  }
  static const char *const bad[] = {"Z", "Zg==", "Zm+v", "Zh", "Zm9v\n"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct rk_buf b;
    rk_buf_init(&b, 64);
    assert_int_equal(rk_base64url_decode(&b, rk_str_c(bad[i])), RK_EFORMAT);
    rk_buf_release(&b);
  }
}

static void es256_verifies_the_rfc7515_signature(void **state) {
  struct rk_key *k;
  assert_int_equal(rk_key_from_jwk(RK_STR("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
                                   RK_STR("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"), &k, NULL), RK_OK);
  rk_str text = RK_STR("eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
                       "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ");
  struct rk_buf sig;
  rk_buf_init(&sig, 64);
  assert_int_equal(rk_base64url_decode(&sig, RK_STR("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA"
                                                    "pmWQxfKTUJqPP3-Kg6NU1Q")), RK_OK);
  assert_int_equal(sig.n, 64);
  assert_true(rk_verify_es256(k, text, (const unsigned char *)sig.p));
  text.n--;
  assert_false(rk_verify_es256(k, text, (const unsigned char *)sig.p));
  rk_buf_release(&sig);
  rk_key_free(k);
}

static void a_key_is_made_once_and_stays_private(void **state) {
  char dir[] = "/tmp/rukou-key-XXXXXX", path[64];
  assert_non_null(mkdtemp(dir));
  snprintf(path, sizeof path, "%s/approval.pem", dir);
  struct rk_key *a, *b, *pub;
  assert_int_equal(rk_key_load_or_make(path, &a, NULL), RK_OK);
  assert_int_equal(chmod(path, 0644), 0);
  assert_int_equal(rk_key_load_or_make(path, &b, NULL), RK_OK);
  struct stat st;
  assert_int_equal(stat(path, &st), 0);
  assert_int_equal(st.st_mode & 0777, 0600);
  char x[64], y[64], t[64], x2[64], y2[64], t2[64];
  rk_key_jwk(a, x, y, t);
  rk_key_jwk(b, x2, y2, t2);
  assert_string_equal(t, t2);
  assert_int_equal(strlen(x), 43);

  assert_int_equal(rk_key_from_jwk(rk_str_c(x), rk_str_c(y), &pub, NULL), RK_OK);
  unsigned char sig[64];
  for (int i = 0; i < 300; i++) { /* r or s with leading zero bytes must stay 32 bytes wide */
    char text[16];
    int n = snprintf(text, sizeof text, "%d", i);
    assert_int_equal(rk_sign_es256(b, (rk_str){text, (size_t)n}, sig, NULL), RK_OK);
    assert_true(rk_verify_es256(pub, (rk_str){text, (size_t)n}, sig));
    sig[i % 64] ^= 1;
    assert_false(rk_verify_es256(pub, (rk_str){text, (size_t)n}, sig));
  }
  struct rk_error e;
  assert_int_equal(rk_sign_es256(pub, RK_STR("x"), sig, &e), RK_EINTERNAL);
  rk_key_free(a);
  rk_key_free(b);
  rk_key_free(pub);

  FILE *f = fopen(path, "w");
  fputs("-----BEGIN PRIVATE KEY-----\ngarbage\n", f);
  fclose(f);
  assert_int_equal(rk_key_load_or_make(path, &a, &e), RK_EFORMAT);
  unlink(path);
  rmdir(dir);
}

static void a_hostile_jwk_is_refused(void **state) {
  struct rk_key *k;
  struct rk_error e;
  assert_int_equal(rk_key_from_jwk(RK_STR("AAAA"), RK_STR("AAAA"), &k, &e), RK_EFORMAT);
  assert_int_equal(rk_key_from_jwk(RK_STR(""), RK_STR(""), &k, &e), RK_EFORMAT);
  /* 32 bytes each, but no point of the curve */
  rk_str one = RK_STR("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE");
  assert_int_equal(rk_key_from_jwk(one, one, &k, &e), RK_EFORMAT);
  assert_null(k);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sha256_vectors), cmocka_unit_test(base64url_vectors),
      cmocka_unit_test(es256_verifies_the_rfc7515_signature), cmocka_unit_test(a_key_is_made_once_and_stays_private),
      cmocka_unit_test(a_hostile_jwk_is_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
