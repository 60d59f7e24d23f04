#include "trade/payment_token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char token_type[] = "rukou-payment+jwt";

static rk_err add_part(struct rk_buf *token, json_t *part) {
  char *text = rk_json_dump(part);
  rk_err err = rk_base64url(token, rk_str_c(text));
  free(text);
  json_decref(part);
  return err;
}

rk_err rk_payment_token_make(const struct rk_key *k, const struct rk_payment_claims *c, struct rk_buf *token,
                             struct rk_error *e) {
  char x[64], y[64], kid[64];
  unsigned char sig[64];
  rk_key_jwk(k, x, y, kid);
  rk_buf_clear(token);
  add_part(token, json_pack("{s:s, s:s, s:s}", "alg", "ES256", "kid", kid, "typ", token_type));
  rk_buf_addc(token, '.');
  add_part(token, json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:I}", "jti", c->jti, "checkout_id", c->checkout_id, "aud",
                            c->origin, "amount_minor", (json_int_t)c->amount_minor, "currency", c->currency, "kind",
                            c->kind, "exp", (json_int_t)(c->expires_ms / 1000)));
  rk_err err = token->err;
  if (!err) err = rk_sign_es256(k, rk_buf_str(token), sig, e);
  if (err) return rk_fail(e, err, "the payment token cannot be made");
  rk_buf_addc(token, '.');
  err = rk_base64url(token, (rk_str){(const char *)sig, sizeof sig});
  return err ? rk_fail(e, err, "the payment token is too long") : RK_OK;
}

static json_t *part_json(rk_str text) {
  struct rk_buf b;
  rk_buf_init(&b, RK_MAX_PAYMENT_TOKEN_BYTES);
  json_t *v = rk_base64url_decode(&b, text) ? NULL : rk_json_parse(rk_buf_str(&b), RK_MAX_PAYMENT_TOKEN_BYTES, NULL);
  rk_buf_release(&b);
  return v;
}

/* The key by its RFC 7638 thumbprint, computed from x and y: a profile's own "kid" proves nothing. */
static struct rk_key *find_key(const json_t *jwks, rk_str kid) {
  size_t i;
  json_t *jwk;
  json_array_foreach(jwks, i, jwk) {
    struct rk_key *k;
    char x[64], y[64], thumbprint[64];
    if (rk_key_from_jwk(rk_json_str(jwk, "x"), rk_json_str(jwk, "y"), &k, NULL)) continue;
    rk_key_jwk(k, x, y, thumbprint);
    if (rk_str_eq_c(kid, thumbprint)) return k;
    rk_key_free(k);
  }
  return NULL;
}

static rk_err check_signature(rk_str signed_text, rk_str sig_text, const json_t *header, const json_t *jwks,
                              struct rk_error *e) {
  if (!rk_str_eq_c(rk_json_str(header, "alg"), "ES256") || !rk_str_eq_c(rk_json_str(header, "typ"), token_type))
    return rk_fail(e, RK_EFORMAT, "this is no payment token of %s", RK_PAYMENT_HANDLER);
  struct rk_buf sig;
  rk_buf_init(&sig, 64);
  rk_err err = rk_base64url_decode(&sig, sig_text);
  if (err || sig.n != 64) err = rk_fail(e, RK_EFORMAT, "the payment token's signature is not 64 bytes of base64url");
  struct rk_key *k = err ? NULL : find_key(jwks, rk_json_str(header, "kid"));
  if (!err && (!k || !rk_verify_es256(k, signed_text, (const unsigned char *)sig.p)))
    err = rk_fail(e, RK_EAUTH, "the payment token is not signed by a key of the agent's profile");
  rk_key_free(k);
  rk_buf_release(&sig);
  return err;
}

static bool take(const json_t *claims, const char *name, char *out, size_t size) {
  rk_str s = rk_json_str(claims, name);
  if (s.n == 0 || s.n >= size || memchr(s.p, 0, s.n)) return false;
  memcpy(out, s.p, s.n);
  out[s.n] = 0;
  return true;
}

static bool read_claims(const json_t *claims, struct rk_payment_claims *c) {
  *c = (struct rk_payment_claims){0};
  int64_t exp = rk_json_i64(claims, "exp", 0);
  c->amount_minor = rk_json_i64(claims, "amount_minor", -1);
  if (exp <= 0 || exp > INT64_MAX / 1000 || c->amount_minor < 0) return false;
  c->expires_ms = exp * 1000;
  return take(claims, "jti", c->jti, sizeof c->jti) && take(claims, "checkout_id", c->checkout_id, sizeof c->checkout_id) &&
         take(claims, "aud", c->origin, sizeof c->origin) && take(claims, "currency", c->currency, sizeof c->currency) &&
         strlen(c->currency) == 3 && take(claims, "kind", c->kind, sizeof c->kind);
}

rk_err rk_payment_token_verify(rk_str token, const json_t *jwks, int64_t now_ms, struct rk_payment_claims *out,
                               struct rk_error *e) {
  rk_str header_text, rest, claims_text, sig_text;
  *out = (struct rk_payment_claims){0};
  if (token.n > RK_MAX_PAYMENT_TOKEN_BYTES || !rk_str_cut(token, '.', &header_text, &rest) ||
      !rk_str_cut(rest, '.', &claims_text, &sig_text))
    return rk_fail(e, RK_EFORMAT, "a payment token is three parts of base64url with dots between them");
  json_t *header = part_json(header_text), *claims = part_json(claims_text);
  rk_str signed_text = {token.p, header_text.n + 1 + claims_text.n};
  rk_err err = check_signature(signed_text, sig_text, header, jwks, e);
  if (!err && !read_claims(claims, out)) err = rk_fail(e, RK_EFORMAT, "the payment token lacks a claim");
  if (!err && out->expires_ms <= now_ms) err = rk_fail(e, RK_EGONE, "the payment token has expired");
  json_decref(header);
  json_decref(claims);
  return err;
}
