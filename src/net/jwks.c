#include "net/jwks.h"

#include <stdlib.h>
#include <string.h>

struct rk_jwks { struct rk_jwk keys[RK_MAX_JWKS]; int32_t n; };

static const struct kind { const char *kty, *crv, *alg[2]; enum rk_key_alg means; } kinds[] = {
    {"EC", "P-256", {"ES256", "ES256"}, RK_ALG_ES256},
    {"EC", "P-384", {"ES384", "ES384"}, RK_ALG_ES384},
    {"OKP", "Ed25519", {"EdDSA", "Ed25519"}, RK_ALG_ED25519}};

static const struct kind *kind_of(const json_t *jwk) {
  rk_str kty = rk_json_str(jwk, "kty"), crv = rk_json_str(jwk, "crv"), alg = rk_json_str(jwk, "alg");
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (rk_str_eq_c(kty, kinds[i].kty) && rk_str_eq_c(crv, kinds[i].crv) &&
        (alg.n == 0 || rk_str_eq_c(alg, kinds[i].alg[0]) || rk_str_eq_c(alg, kinds[i].alg[1])))
      return &kinds[i];
  return NULL;
}

/* RFC 7517 sections 4.2 and 4.3. */
static bool may_verify(const json_t *jwk) {
  if (rk_str_eq_c(rk_json_str(jwk, "use"), "enc")) return false;
  json_t *ops = json_object_get(jwk, "key_ops"), *op;
  size_t i;
  if (!ops) return true;
  json_array_foreach(ops, i, op)
    if (json_is_string(op) && strcmp(json_string_value(op), "verify") == 0) return true;
  return false;
}

static void add(struct rk_jwks *set, const json_t *jwk) {
  struct rk_jwk *k = &set->keys[set->n];
  rk_str kid = rk_json_str(jwk, "kid");
  const struct kind *kind = kind_of(jwk);
  *k = (struct rk_jwk){.key = NULL};
  if (kid.n == 0 || kid.n >= sizeof k->kid || !may_verify(jwk)) return;
  if (kind && rk_key_public(kind->means, rk_json_str(jwk, "x"), rk_json_str(jwk, "y"), &k->key, NULL)) return;
  memcpy(k->kid, kid.p, kid.n);
  if (k->key) rk_key_thumbprint(k->key, k->thumbprint);
  set->n++;
}

rk_err rk_jwks_read(const json_t *keys, struct rk_jwks **out, struct rk_error *e) {
  *out = NULL;
  if (!json_is_array(keys)) return rk_fail(e, RK_EFORMAT, "keys: a list of JWKs is wanted");
  if (json_array_size(keys) > RK_MAX_JWKS)
    return rk_fail(e, RK_EFORMAT, "keys: %zu of them; at most %d are read", json_array_size(keys), RK_MAX_JWKS);
  struct rk_jwks *set = calloc(1, sizeof *set);
  if (!set) return rk_fail(e, RK_ENOMEM, "out of memory for a set of keys");
  size_t i;
  json_t *jwk;
  json_array_foreach(keys, i, jwk) add(set, jwk);
  *out = set;
  return RK_OK;
}

void rk_jwks_free(struct rk_jwks *k) {
  if (!k) return;
  for (int32_t i = 0; i < k->n; i++) rk_key_free(k->keys[i].key);
  free(k);
}

const struct rk_jwk *rk_jwks_at(const struct rk_jwks *k, int32_t i) { return i < k->n ? &k->keys[i] : NULL; }
