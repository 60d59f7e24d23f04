/* Signature headers come from strangers. First line: Signature-Input, second: Signature, third:
 * another field, the rest: the body. Nothing verifies that the published keys did not sign. */
#include "net/signature.h"

#include <stdint.h>
#include <string.h>

struct parts { rk_str input, signature, other, body; };

static bool field_of(void *ud, const char *name, rk_str *value) {
  const struct parts *p = ud;
  if (strcmp(name, "signature-input") == 0) *value = p->input;
  else if (strcmp(name, "signature") == 0) *value = p->signature;
  else *value = p->other;
  return true;
}

/* RFC 7515 A.3, RFC 8037 A.2. */
static struct rk_jwks *keys(void) {
  struct rk_jwks *k;
  json_t *v = json_pack("[{s:s, s:s, s:s, s:s, s:s}, {s:s, s:s, s:s, s:s}]", "kid", "a", "kty", "EC", "crv", "P-256", "x",
                        "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", "kid", "b",
                        "kty", "OKP", "crv", "Ed25519", "x", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
  RK_ASSERT(rk_jwks_read(v, &k, NULL) == RK_OK);
  json_decref(v);
  return k;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct parts p = {{NULL, 0}, {NULL, 0}, {NULL, 0}, {(const char *)data, size}};
  rk_str_cut(p.body, '\n', &p.input, &p.body);
  rk_str_cut(p.body, '\n', &p.signature, &p.body);
  rk_str_cut(p.body, '\n', &p.other, &p.body);
  struct rk_jwks *k = keys();
  struct rk_sig_info info;
  struct rk_error e = {RK_OK, ""};
  for (int ignore = 0; ignore < 2; ignore++)
    for (int32_t status = 0; status <= 200; status += 200) {
      struct rk_sig_policy policy = {.now_s = 1700000000, .ignore_coverage = ignore};
      struct rk_http_message m = {.status = status, .method = "POST", .scheme = "https", .authority = "a.example", .body = p.body, .field = field_of, .ud = &p};
      RK_ASSERT(rk_sig_verify(&m, k, &policy, &info, &e) != RK_SIG_OK);
    }
  rk_jwks_free(k);
  return 0;
}
