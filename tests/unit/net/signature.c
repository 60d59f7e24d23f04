/* HTTP message signatures against the vectors of RFC 9421 appendix B, and against damage. */
#include "net/signature.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/sfield.h"

struct fields { const char *pair[12][2]; };

static bool field_of(void *ud, const char *name, rk_str *value) {
  const struct fields *f = ud;
  for (size_t i = 0; i < 12 && f->pair[i][0]; i++)
    if (strcmp(f->pair[i][0], name) == 0) {
      *value = rk_str_c(f->pair[i][1]);
      return true;
    }
  return false;
}

static struct rk_jwks *keys_of(const char *json) {
  json_t *v = rk_json_parse(rk_str_c(json), 65536, NULL);
  struct rk_jwks *k;
  assert_non_null(v);
  assert_int_equal(rk_jwks_read(v, &k, NULL), RK_OK);
  json_decref(v);
  return k;
}

/* RFC 9421 B.1.3 and B.1.4; RFC 8037 A.2; a P-384 key and a signature by it made with openssl. */
static const char rfc_keys[] =
    "[{\"kid\":\"test-key-ecc-p256\",\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"qIVYZVLCrPZHGHjP17CTW0_-D9Lfw0EkjqF7xB4FivA\","
    "\"y\":\"Mc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0\"},"
    "{\"kid\":\"test-key-ed25519\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs\"},"
    "{\"kid\":\"p384\",\"kty\":\"EC\",\"crv\":\"P-384\",\"alg\":\"ES384\",\"x\":\"ERZRaPifS4yicnJ_GmRfBkCViRiY-m-qciXJqOQkJB19BY-FQnooaUBoH7JOB6Wi\","
    "\"y\":\"HubFLk7ciFxfguYrhvYziv4uqvuHu_2KEnuC3m90SSbGtOFPsstJwBoNSCRhkFma\"},"
    "{\"kid\":\"rsa\",\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"},"
    "{\"kid\":\"test-key-ecc-p256-enc\",\"kty\":\"EC\",\"crv\":\"P-256\",\"use\":\"enc\",\"x\":\"qIVYZVLCrPZHGHjP17CTW0_-D9Lfw0EkjqF7xB4FivA\","
    "\"y\":\"Mc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0\"}]";

static const struct rk_sig_policy any = {.now_s = 1618884500, .ignore_coverage = true};

static void the_response_of_b24_verifies(void **state) {
  struct rk_jwks *keys = keys_of(rfc_keys);
  struct fields f = {{{"content-type", "application/json"},
                      {"content-digest", "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:"},
                      {"content-length", "23"},
                      {"signature-input", "sig-b24=(\"@status\" \"content-type\" \"content-digest\" \"content-length\");"
                                          "created=1618884473;keyid=\"test-key-ecc-p256\""},
                      {"signature", "sig-b24=:wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==:"}}};
  struct rk_http_message m = {.status = 200, .body = RK_STR("{\"message\": \"good dog\"}"), .field = field_of, .ud = &f};
  struct rk_sig_info i;
  struct rk_error e = {RK_OK, ""};
  assert_int_equal(rk_sig_verify(&m, keys, &any, &i, &e), RK_SIG_OK);
  assert_string_equal(i.keyid, "test-key-ecc-p256");
  assert_int_equal(i.created_s, 1618884473);
  assert_true(rk_sig_covers(&i, "content-digest") && !rk_sig_covers(&i, "content"));
  m.status = 201;
  assert_int_equal(rk_sig_verify(&m, keys, &any, &i, &e), RK_SIG_INVALID);
  m.status = 200;
  struct rk_sig_policy strict = {.now_s = any.now_s}; /* UCP wants sha-256 */
  assert_int_equal(rk_sig_verify(&m, keys, &strict, &i, &e), RK_SIG_DIGEST);
  rk_jwks_free(keys);
}

static void the_request_of_b26_verifies(void **state) {
  struct rk_jwks *keys = keys_of(rfc_keys);
  struct fields f = {{{"date", "Tue, 20 Apr 2021 02:07:55 GMT"}, {"content-type", "application/json"}, {"content-length", "18"},
                      {"signature-input", "sig-b26=(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\")"
                                          ";created=1618884473;keyid=\"test-key-ed25519\""},
                      {"signature", "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:"}}};
  struct rk_http_message m = {.method = "POST", .field = field_of, .ud = &f};
  char authority[64];
  struct rk_sig_info i;
  struct rk_error e = {RK_OK, ""};
  assert_int_equal(rk_http_message_url(&m, "https://EXAMPLE.com:443/foo?param=Value&Pet=dog", authority, sizeof authority), RK_OK);
  assert_int_equal(rk_sig_verify(&m, keys, &any, &i, &e), RK_SIG_OK);
  m.authority = "example.com:8443";
  assert_int_equal(rk_sig_verify(&m, keys, &any, &i, &e), RK_SIG_INVALID);
  rk_jwks_free(keys);
}

static void p384_verifies(void **state) {
  struct rk_jwks *keys = keys_of(rfc_keys);
  struct fields f = {{{"signature-input", "s=(\"@method\" \"@authority\" \"@path\");keyid=\"p384\""},
                      {"signature", "s=:+aqTr8tDeRFmYiN+bLGi57GscfxEzQhOYxUTPBUgAaeMCpeefYExqd95lQCDxueb8t7y44ll813vXxdsw9j4QfS2x3WjMJo5y96RDpYRZjkv7oSBHh/gNoXMuAcRq0ix:"}}};
  struct rk_http_message m = {.method = "GET", .scheme = "https", .authority = "example.com", .path = RK_STR("/foo"), .field = field_of, .ud = &f};
  struct rk_sig_info i;
  struct rk_error e = {RK_OK, ""};
  struct rk_sig_policy policy = {.now_s = any.now_s};
  assert_int_equal(rk_sig_verify(&m, keys, &policy, &i, &e), RK_SIG_OK);
  rk_jwks_free(keys);
}

static void thumbprints_and_key_sets(void **state) {
  struct rk_key *k;
  char t[64];
  assert_int_equal(rk_key_public(RK_ALG_ED25519, RK_STR("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"), RK_STR(""), &k, NULL), RK_OK);
  rk_key_thumbprint(k, t);
  assert_string_equal(t, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"); /* RFC 8037 A.3 */
  rk_key_free(k);
  struct rk_jwks *keys = keys_of(rfc_keys);
  assert_null(rk_jwks_at(keys, 4)); /* the encryption key is none of them */
  assert_null(rk_jwks_at(keys, 3)->key); /* RSA: kept, unsupported */
  assert_string_equal(rk_jwks_at(keys, 3)->kid, "rsa");
  rk_jwks_free(keys);
  struct rk_jwks *none;
  struct rk_error e = {RK_OK, ""};
  assert_int_equal(rk_jwks_read(json_null(), &none, &e), RK_EFORMAT);
  json_t *many = json_array();
  for (int i = 0; i < RK_MAX_JWKS + 1; i++) json_array_append_new(many, json_object());
  assert_int_equal(rk_jwks_read(many, &none, &e), RK_EFORMAT);
  json_array_remove(many, 0);
  assert_int_equal(rk_jwks_read(many, &none, &e), RK_OK);
  rk_jwks_free(none);
  json_decref(many);
}

static void digests(void **state) {
  char d[RK_CONTENT_DIGEST_BYTES];
  struct rk_error e = {RK_OK, ""};
  rk_content_digest(RK_STR("{\"hello\": \"world\"}"), d);
  assert_string_equal(d, "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"); /* RFC 9530 */
  assert_int_equal(rk_content_digest_check(rk_str_c(d), RK_STR("{\"hello\": \"world\"}"), &e), RK_OK);
  assert_int_equal(rk_content_digest_check(rk_str_c(d), RK_STR("{\"hello\": \"world\"}\n"), &e), RK_ECONFLICT);
  assert_int_equal(rk_content_digest_check(RK_STR("md5=:AAAA:, sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"),
                                           RK_STR("{\"hello\": \"world\"}"), &e), RK_OK);
  static const char *const bad[] = {"", "sha-256=X48E", "sha-512=:AAAA:", "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=", "sha-256"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_int_equal(rk_content_digest_check(rk_str_c(bad[i]), RK_STR(""), &e), RK_EFORMAT);
}

/* ---- our own requests ---- */

static struct {
  struct rk_key *key;
  struct rk_jwks *keys;
  struct fields f;
  struct rk_http_message m;
  struct rk_buf input, signature;
  char digest[RK_CONTENT_DIGEST_BYTES], authority[64];
} own;

static const char own_body[] = "{\"line_items\":[]}";

static void sign_own(const struct rk_sig_params *p) {
  rk_buf_clear(&own.input);
  rk_buf_clear(&own.signature);
  assert_int_equal(rk_sig_sign(&own.m, p, own.key, &own.input, &own.signature, NULL), RK_OK);
  own.f.pair[4][0] = "signature-input";
  own.f.pair[4][1] = own.input.p;
  own.f.pair[5][0] = "signature";
  own.f.pair[5][1] = own.signature.p;
}

static int own_setup(void **state) {
  char path[] = "/tmp/rukou-signature-XXXXXX", x[64], y[64], t[64];
  close(mkstemp(path));
  unlink(path);
  assert_int_equal(rk_key_load_or_make(path, &own.key, NULL), RK_OK);
  unlink(path);
  rk_key_jwk(own.key, x, y, t);
  json_t *set = json_pack("[{s:s, s:s, s:s, s:s, s:s}]", "kid", t, "kty", "EC", "crv", "P-256", "x", x, "y", y);
  assert_int_equal(rk_jwks_read(set, &own.keys, NULL), RK_OK);
  json_decref(set);
  rk_buf_init(&own.input, 1024);
  rk_buf_init(&own.signature, 1024);
  rk_content_digest(rk_str_c(own_body), own.digest);
  own.f = (struct fields){{{"ucp-agent", "profile=\"https://agent.example/.well-known/ucp\""}, {"idempotency-key", "k-1"},
                           {"content-digest", own.digest}, {"content-type", "application/json"}}};
  own.m = (struct rk_http_message){.method = "POST", .body = rk_str_c(own_body), .field = field_of, .ud = &own.f};
  assert_int_equal(rk_http_message_url(&own.m, "http://127.0.0.2:7101/checkout-sessions?x=1", own.authority, sizeof own.authority), RK_OK);
  sign_own(&(struct rk_sig_params){.created_s = 1000000});
  return 0;
}

static int own_teardown(void **state) {
  rk_key_free(own.key);
  rk_jwks_free(own.keys);
  rk_buf_release(&own.input);
  rk_buf_release(&own.signature);
  return 0;
}

static enum rk_sig_fault verify_own(struct rk_sig_info *i, struct rk_error *e) {
  struct rk_sig_policy policy = {.now_s = 1000100, .max_age_s = 300};
  return rk_sig_verify(&own.m, own.keys, &policy, i, e);
}

static void what_we_sign_verifies_and_covers_all(void **state) {
  struct rk_sig_info i;
  struct rk_error e = {RK_OK, ""};
  assert_int_equal(verify_own(&i, &e), RK_SIG_OK);
  assert_string_equal(i.covered, " @method @authority @path @query ucp-agent idempotency-key content-digest content-type ");
  assert_string_equal(i.keyid, i.thumbprint);
}

/* Whatever the signature covers, another value of it does not verify. */
static void any_change_is_noticed(void **state) {
  struct rk_sig_info i;
  struct rk_error e = {RK_OK, ""};
  struct rk_http_message good = own.m;
  own.m.method = "PUT";
  assert_int_equal(verify_own(&i, &e), RK_SIG_INVALID);
  own.m = good;
  own.m.authority = "127.0.0.3:7101";
  assert_int_equal(verify_own(&i, &e), RK_SIG_INVALID);
  own.m = good;
  own.m.path = RK_STR("/checkout-sessions/");
  assert_int_equal(verify_own(&i, &e), RK_SIG_INVALID);
  own.m = good;
  own.m.query = RK_STR("x=2");
  assert_int_equal(verify_own(&i, &e), RK_SIG_INVALID);
  own.m = good;
  own.m.body = RK_STR("{\"line_items\":[ ]}");
  assert_int_equal(verify_own(&i, &e), RK_SIG_DIGEST);
  own.m = good;
  for (int k = 0; k < 4; k++) {
    const char *was = own.f.pair[k][1];
    char other[128];
    snprintf(other, sizeof other, "%sx", was);
    own.f.pair[k][1] = other;
    assert_int_not_equal(verify_own(&i, &e), RK_SIG_OK);
    own.f.pair[k][1] = was;
  }
  assert_int_equal(verify_own(&i, &e), RK_SIG_OK);
}

/* A header that came on the way, and that the signature knows nothing of, is no part of what was said. */
static void coverage_is_demanded(void **state) {
  struct rk_sig_info i;
  struct rk_error e = {RK_OK, ""};
  own.f.pair[6][0] = "signature-agent";
  own.f.pair[6][1] = "sig1=\"https://agent.example/\"";
  assert_int_equal(verify_own(&i, &e), RK_SIG_INVALID);
  assert_non_null(strstr(e.msg, "\"signature-agent\" is not covered"));
  sign_own(&(struct rk_sig_params){.created_s = 1000000, .expires_s = 1000200, .nonce = "n", .tag = "web-bot-auth"});
  assert_non_null(strstr(own.input.p, "\"signature-agent\";key=\"sig1\""));
  assert_int_equal(verify_own(&i, &e), RK_SIG_OK);
  assert_string_equal(i.tag, "web-bot-auth");
  own.f.pair[6][1] = "sig1=\"https://thief.example/\"";
  assert_int_equal(verify_own(&i, &e), RK_SIG_INVALID);
  own.f.pair[6][0] = NULL;
  sign_own(&(struct rk_sig_params){.created_s = 1000000});
}

static void times_are_checked(void **state) {
  static const struct { int64_t created, expires; enum rk_sig_fault want; const char *says; } cases[] = {
      {1000100, 0, RK_SIG_OK, ""},
      {1000160, 0, RK_SIG_OK, ""},
      {1000161, 0, RK_SIG_INVALID, "created: the signature is from the future"},
      {999800, 0, RK_SIG_OK, ""},
      {999799, 0, RK_SIG_INVALID, "created: the signature is too old"},
      {0, 0, RK_SIG_INVALID, "created: missing"},
      {1000000, 1000100, RK_SIG_OK, ""},
      {1000000, 1000099, RK_SIG_INVALID, "expires: the signature has expired"}};
  struct rk_sig_info i;
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    struct rk_error e = {RK_OK, ""};
    sign_own(&(struct rk_sig_params){.created_s = cases[k].created, .expires_s = cases[k].expires});
    assert_int_equal(verify_own(&i, &e), cases[k].want);
    if (cases[k].want) assert_memory_equal(e.msg, cases[k].says, strlen(cases[k].says));
  }
  sign_own(&(struct rk_sig_params){.created_s = 1000000});
}

static void broken_headers_name_their_fault(void **state) {
  static const struct { const char *input, *signature; enum rk_sig_fault want; const char *says; } cases[] = {
      {NULL, "sig1=:AAAA:", RK_SIG_MISSING, "not signed"},
      {"sig1=(\"@method\");keyid=\"k\"", NULL, RK_SIG_MISSING, "not signed"},
      {"sig1=(\"@method\";keyid=\"k\"", "sig1=:AAAA:", RK_SIG_INVALID, "signature-input"},
      {"sig1=(\"@method\");keyid=\"k\"", "sig2=:AAAA:", RK_SIG_MISSING, "labelled sig1"},
      {"sig1=(\"@method\");keyid=\"k\"", "sig1=AAAA", RK_SIG_MISSING, "labelled sig1"},
      {"sig1=\"@method\";keyid=\"k\"", "sig1=:AAAA:", RK_SIG_INVALID, "no list"},
      {"sig1=(\"@method\");created=1000000", "sig1=:AAAA:", RK_SIG_INVALID, "keyid"},
      {"sig1=(\"@method\");keyid=k", "sig1=:AAAA:", RK_SIG_INVALID, "keyid"},
      {"sig1=(\"@method\");keyid=\"k\";created=1.5", "sig1=:AAAA:", RK_SIG_INVALID, "created"},
      {"sig1=(\"@method\");keyid=\"k\";created=-5", "sig1=:AAAA:", RK_SIG_INVALID, "created"},
      {"sig1=(\"@method\");keyid=\"k\";created=1000000", "sig1=:AAAA:", RK_SIG_INVALID, "\"@authority\" is not covered"},
      {"sig1=(\"@method\" \"@authority\" \"@path\" \"@query\" \"ucp-agent\" \"idempotency-key\" \"content-digest\" \"content-type\");"
       "created=1000000;keyid=\"nobody\"", "sig1=:AAAA:", RK_SIG_NO_KEY, "no key \"nobody\""},
      {"sig1=(\"@method\" \"@method\" \"@authority\" \"@path\" \"@query\" \"ucp-agent\" \"idempotency-key\" \"content-digest\" \"content-type\");"
       "created=1000000;keyid=\"nobody\"", "sig1=:AAAA:", RK_SIG_INVALID, "covered twice"},
      {"sig1=(\"@method\" \"@authority\" \"@path\" \"@query\" \"@status\" \"ucp-agent\" \"idempotency-key\" \"content-digest\" \"content-type\");"
       "created=1000000;keyid=\"nobody\"", "sig1=:AAAA:", RK_SIG_INVALID, "\"@status\" cannot be read"},
      {"sig1=(\"@method\";req \"@authority\" \"@path\" \"@query\" \"ucp-agent\" \"idempotency-key\" \"content-digest\" \"content-type\");"
       "created=1000000;keyid=\"nobody\"", "sig1=:AAAA:", RK_SIG_INVALID, "\"@method\" cannot be read"},
      {"sig1=(\"@method\" \"@authority\" \"@path\" \"@query\" \"ucp-agent\" \"idempotency-key\" \"content-digest\" \"content-type\" \"date\");"
       "created=1000000;keyid=\"nobody\"", "sig1=:AAAA:", RK_SIG_INVALID, "\"date\" cannot be read"}};
  struct rk_sig_info i;
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    struct rk_error e = {RK_OK, ""};
    own.f.pair[4][0] = cases[k].input ? "signature-input" : "x";
    own.f.pair[4][1] = cases[k].input;
    own.f.pair[5][0] = cases[k].signature ? "signature" : "x";
    own.f.pair[5][1] = cases[k].signature;
    assert_int_equal(verify_own(&i, &e), cases[k].want);
    assert_non_null(strstr(e.msg, cases[k].says));
    assert_int_equal(i.keyid[0], 0);
  }
  sign_own(&(struct rk_sig_params){.created_s = 1000000});
}

/* RFC 9421 section 4.3: one of several is enough; a label is not its place. */
static void one_of_several_signatures_is_enough(void **state) {
  char input[1500], signature[600];
  struct rk_sig_info i;
  struct rk_error e = {RK_OK, ""};
  snprintf(input, sizeof input, "proxy=(\"@method\");keyid=\"nobody\", %s", own.input.p);
  snprintf(signature, sizeof signature, "proxy=:AAAA:,\t%s", own.signature.p);
  own.f.pair[4][1] = input;
  own.f.pair[5][1] = signature;
  assert_int_equal(verify_own(&i, &e), RK_SIG_OK);
  snprintf(input, sizeof input, "%s;alg=\"ed25519\"", own.input.p);
  own.f.pair[4][1] = input;
  own.f.pair[5][1] = own.signature.p;
  assert_int_equal(verify_own(&i, &e), RK_SIG_INVALID);
  sign_own(&(struct rk_sig_params){.created_s = 1000000});
}

/* RSA and the like: said as what it is, never taken for a forgery. */
static void an_unsupported_key_is_said_so(void **state) {
  struct rk_jwks *keys = keys_of(rfc_keys);
  struct fields f = {{{"signature-input", "s=(\"@status\");keyid=\"rsa\""}, {"signature", "s=:AAAA:"}}};
  struct rk_http_message m = {.status = 200, .field = field_of, .ud = &f};
  struct rk_sig_info i;
  struct rk_error e = {RK_OK, ""};
  assert_int_equal(rk_sig_verify(&m, keys, &any, &i, &e), RK_SIG_ALGORITHM);
  assert_int_equal(rk_sig_http(RK_SIG_ALGORITHM), 400);
  assert_string_equal(rk_sig_code(RK_SIG_ALGORITHM), "algorithm_unsupported");
  rk_jwks_free(keys);
}

/* ---- structured fields ---- */

static void dictionaries(void **state) {
  static const struct { const char *in; rk_err want; const char *out; } cases[] = { /* member "a" and its serialization */
      {"a=1", RK_OK, "1"}, {" a=1 ", RK_OK, "1"}, {"a", RK_OK, "?1"}, {"a;x", RK_OK, "?1;x"}, {"a=?0", RK_OK, "?0"},
      {"a=-015", RK_OK, "-15"}, {"a=1.50", RK_OK, "1.50"}, {"a=tok/en:*", RK_OK, "tok/en:*"},
      {"a=\"q\\\"\\\\ \"", RK_OK, "\"q\\\"\\\\ \""}, {"a=:AA==:", RK_OK, ":AA==:"}, {"a=1, b=2, a=3", RK_OK, "3"},
      {"a=(  1   \"x\";k=2 );p=?1;q=t", RK_OK, "(1 \"x\";k=2);p;q=t"}, {"a=()", RK_OK, "()"}, {"b=1,a=( )", RK_OK, "()"},
      {"a=1;  k=1;k=2", RK_OK, "1;k=2"}, {"b=1", RK_ENOTFOUND, ""},
      {"", RK_EFORMAT, ""}, {"a=", RK_EFORMAT, ""}, {"a=1,", RK_EFORMAT, ""}, {"a=1 b=2", RK_EFORMAT, ""}, {"A=1", RK_EFORMAT, ""},
      {"a=\"x", RK_EFORMAT, ""}, {"a=\"\\x\"", RK_EFORMAT, ""}, {"a=\"\x01\"", RK_EFORMAT, ""}, {"a=\"\xc3\xa9\"", RK_EFORMAT, ""},
      {"a=:A:B", RK_EFORMAT, ""}, {"a=1.", RK_EFORMAT, ""}, {"a=1.2345", RK_EFORMAT, ""}, {"a=1234567890123456", RK_EFORMAT, ""},
      {"a=(1 2", RK_EFORMAT, ""}, {"a=(1,2)", RK_EFORMAT, ""}, {"a=(\"x\"\"y\")", RK_EFORMAT, ""}, {"a=?2", RK_EFORMAT, ""}, {"a=1;=2", RK_EFORMAT, ""}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rk_sf_member m;
    struct rk_buf b;
    rk_buf_init(&b, 256);
    assert_int_equal(rk_sf_member(rk_str_c(cases[i].in), RK_STR("a"), &m), cases[i].want);
    if (!cases[i].want) {
      assert_int_equal(rk_sf_write_member(&b, &m), RK_OK);
      assert_string_equal(b.p, cases[i].out);
    }
    rk_buf_release(&b);
  }
}

static void limits_of_structured_fields(void **state) {
  rk_str keys[RK_MAX_SF_MEMBERS];
  int32_t n;
  struct rk_buf b;
  struct rk_sf_member m;
  rk_buf_init(&b, 2 * RK_MAX_SF_BYTES);
  for (int i = 0; i < RK_MAX_SF_MEMBERS; i++) rk_buf_addf(&b, "%sk%d", i ? "," : "", i);
  assert_int_equal(rk_sf_keys(rk_buf_str(&b), keys, &n), RK_OK);
  assert_int_equal(n, RK_MAX_SF_MEMBERS);
  rk_buf_adds(&b, ",a");
  assert_int_equal(rk_sf_keys(rk_buf_str(&b), keys, &n), RK_ETOOBIG);
  rk_buf_clear(&b);
  rk_buf_adds(&b, "a=(");
  for (int i = 0; i < RK_MAX_SF_ITEMS; i++) rk_buf_adds(&b, "1 ");
  rk_str list = rk_buf_str(&b);
  rk_buf_adds(&b, ")");
  assert_int_equal(rk_sf_member(rk_buf_str(&b), RK_STR("a"), &m), RK_OK);
  b.n = list.n;
  rk_buf_adds(&b, "1)");
  assert_int_equal(rk_sf_member(rk_buf_str(&b), RK_STR("a"), &m), RK_ETOOBIG);
  rk_buf_clear(&b);
  rk_buf_adds(&b, "a");
  for (int i = 0; i <= RK_MAX_SF_PARAMS; i++) rk_buf_addf(&b, ";p%d", i);
  assert_int_equal(rk_sf_member(rk_buf_str(&b), RK_STR("a"), &m), RK_ETOOBIG);
  rk_buf_clear(&b);
  rk_buf_adds(&b, "a=\"");
  while (b.n < RK_MAX_SF_BYTES - 1) rk_buf_addc(&b, 'x');
  rk_buf_addc(&b, '"');
  assert_int_equal(rk_sf_member(rk_buf_str(&b), RK_STR("a"), &m), RK_OK);
  rk_buf_addc(&b, ' ');
  assert_int_equal(rk_sf_member(rk_buf_str(&b), RK_STR("a"), &m), RK_ETOOBIG);
  rk_buf_release(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_response_of_b24_verifies), cmocka_unit_test(the_request_of_b26_verifies), cmocka_unit_test(p384_verifies),
      cmocka_unit_test(thumbprints_and_key_sets),     cmocka_unit_test(digests),
      cmocka_unit_test(what_we_sign_verifies_and_covers_all), cmocka_unit_test(any_change_is_noticed),
      cmocka_unit_test(coverage_is_demanded),         cmocka_unit_test(times_are_checked),
      cmocka_unit_test(broken_headers_name_their_fault), cmocka_unit_test(one_of_several_signatures_is_enough),
      cmocka_unit_test(an_unsupported_key_is_said_so), cmocka_unit_test(dictionaries), cmocka_unit_test(limits_of_structured_fields)};
  return cmocka_run_group_tests(tests, own_setup, own_teardown);
}
