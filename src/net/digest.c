#include "net/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

enum { COORD_BYTES = 32, MAX_COORD_BYTES = 48, MAX_PEM_BYTES = 4096, MAX_DER_SIG_BYTES = 128, PATH_BYTES = 4096 };

struct rk_sha256 { EVP_MD_CTX *ctx; };
struct rk_key { EVP_PKEY *pkey; enum rk_key_alg alg; };

/* ---- hashes and encodings ---- */

static void hex(const unsigned char *p, size_t n, char *out) {
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < n; i++) {
    *out++ = digits[p[i] >> 4];
    *out++ = digits[p[i] & 15];
  }
  *out = 0;
}

void rk_sha256(rk_str data, unsigned char out[32]) {
  RK_ASSERT(EVP_Digest(data.n ? data.p : "", data.n, out, NULL, EVP_sha256(), NULL) == 1);
}

void rk_sha256_hex(rk_str data, char out[65]) {
  unsigned char d[32];
  rk_sha256(data, d);
  hex(d, sizeof d, out);
}

struct rk_sha256 *rk_sha256_new(void) {
  struct rk_sha256 *h = malloc(sizeof *h);
  RK_ASSERT(h != NULL);
  h->ctx = EVP_MD_CTX_new();
  RK_ASSERT(h->ctx && EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) == 1);
  return h;
}

void rk_sha256_update(struct rk_sha256 *h, const void *p, size_t n) {
  RK_ASSERT(EVP_DigestUpdate(h->ctx, p, n) == 1);
}

void rk_sha256_final_hex(struct rk_sha256 *h, char out[65]) {
  unsigned char d[32];
  RK_ASSERT(EVP_DigestFinal_ex(h->ctx, d, NULL) == 1);
  hex(d, sizeof d, out);
  EVP_MD_CTX_free(h->ctx);
  free(h);
}

bool rk_ct_equal(rk_str a, rk_str b) { return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0); }

/* 62 and 63 are the only digits that the two alphabets of RFC 4648 write differently. */
static void encode64(struct rk_buf *out, rk_str data, char c62, char c63) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  const unsigned char *p = (const unsigned char *)data.p;
  for (size_t i = 0; i < data.n; i += 3) {
    size_t left = data.n - i;
    uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (left > 2 ? p[i + 2] : 0);
    for (size_t k = 0; k < (left > 2 ? 4 : left + 1); k++) {
      uint32_t d = v >> (18 - 6 * k) & 63;
      rk_buf_addc(out, d == 62 ? c62 : d == 63 ? c63 : digits[d]);
    }
  }
}

static int value64(char c, char c62, char c63) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == c62 ? 62 : c == c63 ? 63 : -1;
}

static rk_err decode64(struct rk_buf *out, rk_str text, char c62, char c63) {
  if (text.n % 4 == 1) return RK_EFORMAT;
  uint32_t v = 0;
  int bits = 0;
  for (size_t i = 0; i < text.n; i++) {
    int d = value64(text.p[i], c62, c63);
    if (d < 0) return RK_EFORMAT;
    v = v << 6 | (uint32_t)d;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    rk_buf_addc(out, (char)(v >> bits & 0xff));
  }
  if (v & ((1u << bits) - 1)) return RK_EFORMAT; /* one value, one text: no stray bits at the end */
  return out->err;
}

rk_err rk_base64url(struct rk_buf *out, rk_str data) {
  encode64(out, data, '-', '_');
  return out->err;
}

rk_err rk_base64url_decode(struct rk_buf *out, rk_str text) { return decode64(out, text, '-', '_'); }

rk_err rk_base64(struct rk_buf *out, rk_str data) {
  encode64(out, data, '+', '/');
  return rk_buf_add(out, "==", (3 - data.n % 3) % 3);
}

rk_err rk_base64_decode(struct rk_buf *out, rk_str text) {
  if (text.n % 4 == 0)
    for (int i = 0; i < 2 && text.n > 0 && text.p[text.n - 1] == '='; i++) text.n--;
  return decode64(out, text, '+', '/');
}

void rk_token_hex(char out[65]) {
  unsigned char b[32];
  rk_random(b, sizeof b);
  hex(b, sizeof b, out);
}

/* ---- keys ---- */

static rk_err is_p256(EVP_PKEY *pkey) {
  char group[32];
  size_t n;
  if (!EVP_PKEY_is_a(pkey, "EC") || EVP_PKEY_get_group_name(pkey, group, sizeof group, &n) != 1) return RK_EFORMAT;
  return strcmp(group, "prime256v1") == 0 ? RK_OK : RK_EFORMAT;
}

/* How each algorithm's key is named by OpenSSL and in a JWK, and how many bytes a coordinate has. */
static const struct alg { const char *type, *group, *kty, *crv; size_t coord_bytes; } algs[] = {
    [RK_ALG_ES256] = {"EC", "P-256", "EC", "P-256", 32},
    [RK_ALG_ES384] = {"EC", "P-384", "EC", "P-384", 48},
    [RK_ALG_ED25519] = {"ED25519", NULL, "OKP", "Ed25519", 32}};

static const EVP_MD *hash_of(enum rk_key_alg alg) {
  return alg == RK_ALG_ES256 ? EVP_sha256() : alg == RK_ALG_ES384 ? EVP_sha384() : NULL;
}

static rk_err wrap(EVP_PKEY *pkey, enum rk_key_alg alg, struct rk_key **out) {
  struct rk_key *k = malloc(sizeof *k);
  if (!k) {
    EVP_PKEY_free(pkey);
    return RK_ENOMEM;
  }
  k->pkey = pkey;
  k->alg = alg;
  *out = k;
  return RK_OK;
}

static rk_err write_all(int fd, const char *p, size_t n) {
  while (n > 0) {
    ssize_t w = write(fd, p, n);
    if (w < 0 && errno == EINTR) continue;
    if (w < 0) return errno == ENOSPC ? RK_ENOSPC : RK_EIO;
    p += w;
    n -= (size_t)w;
  }
  return fsync(fd) == 0 ? RK_OK : RK_EIO;
}

/* Written beside its place and linked into it: never half a key under the final name, never over another one. */
static rk_err save_pem(const char *path, EVP_PKEY *pkey, struct rk_error *e) {
  char tmp[PATH_BYTES], *pem = NULL;
  int len = snprintf(tmp, sizeof tmp, "%s.new", path);
  if (len < 0 || (size_t)len >= sizeof tmp) return rk_fail(e, RK_EINVAL, "%s: the path is too long", path);
  BIO *bio = BIO_new(BIO_s_mem());
  RK_ASSERT(bio && PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) == 1);
  long n = BIO_get_mem_data(bio, &pem);
  (void)unlink(tmp);
  int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  rk_err err = fd < 0 ? RK_EIO : write_all(fd, pem, (size_t)n);
  if (fd >= 0 && close(fd) != 0 && !err) err = RK_EIO;
  if (!err && link(tmp, path) != 0) err = RK_EIO;
  if (err) rk_fail(e, err, "the key %s cannot be written: %s", path, strerror(errno));
  if (fd >= 0) (void)unlink(tmp);
  BIO_free(bio);
  return err;
}

static rk_err load_pem(const char *path, EVP_PKEY **out, struct rk_error *e) {
  struct rk_buf text;
  rk_buf_init(&text, MAX_PEM_BYTES);
  rk_err err = rk_buf_read_file(&text, path, e);
  EVP_PKEY *pkey = NULL;
  if (!err) {
    BIO *bio = BIO_new_mem_buf(text.p, (int)text.n);
    RK_ASSERT(bio != NULL);
    pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    if (!pkey || is_p256(pkey))
      err = rk_fail(e, RK_EFORMAT, "%s is no P-256 private key; move it away and a new one is made", path);
  }
  if (text.p) OPENSSL_cleanse(text.p, text.n);
  rk_buf_release(&text);
  if (err) EVP_PKEY_free(pkey);
  else *out = pkey;
  return err;
}

rk_err rk_key_load_or_make(const char *pem_path, struct rk_key **out, struct rk_error *e) {
  *out = NULL;
  EVP_PKEY *pkey = NULL;
  struct stat st;
  if (stat(pem_path, &st) == 0) {
    if ((st.st_mode & 077) && chmod(pem_path, 0600) != 0)
      return rk_fail(e, RK_EFORBIDDEN, "%s can be read by others; chmod 600 it", pem_path);
    rk_err err = load_pem(pem_path, &pkey, e);
    if (err) return err;
  } else {
    pkey = EVP_EC_gen("P-256");
    if (!pkey) return rk_fail(e, RK_EINTERNAL, "no P-256 key can be made with this OpenSSL");
    rk_err err = save_pem(pem_path, pkey, e);
    if (err) {
      EVP_PKEY_free(pkey);
      return err;
    }
  }
  return wrap(pkey, RK_ALG_ES256, out);
}

/* out: the public key's octets: an uncompressed point 04 || X || Y, or Ed25519's one coordinate. */
static rk_err public_octets(const struct alg *alg, rk_str x, rk_str y, struct rk_buf *out) {
  bool ec = alg->group != NULL;
  if (ec) rk_buf_addc(out, 4);
  rk_err err = rk_base64url_decode(out, x);
  if (!err && out->n != (size_t)ec + alg->coord_bytes) err = RK_EFORMAT;
  if (!err && ec) err = rk_base64url_decode(out, y);
  if (!err && out->n != (ec ? 1 + 2 * alg->coord_bytes : alg->coord_bytes)) err = RK_EFORMAT;
  return err;
}

static EVP_PKEY *public_key(const struct alg *alg, struct rk_buf *octets) {
  if (!alg->group)
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)octets->p, octets->n);
  char group[8];
  snprintf(group, sizeof group, "%s", alg->group);
  OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
                         OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, octets->p, octets->n),
                         OSSL_PARAM_construct_end()};
  EVP_PKEY *pkey = NULL;
  EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
  bool ok = ctx && EVP_PKEY_fromdata_init(ctx) == 1 && EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) == 1;
  EVP_PKEY_CTX_free(ctx);
  if (ok) return pkey;
  EVP_PKEY_free(pkey);
  return NULL;
}

rk_err rk_key_public(enum rk_key_alg alg, rk_str x_b64u, rk_str y_b64u, struct rk_key **out, struct rk_error *e) {
  *out = NULL;
  struct rk_buf octets;
  rk_buf_init(&octets, 1 + 2 * MAX_COORD_BYTES);
  EVP_PKEY *pkey = NULL;
  rk_err err = public_octets(&algs[alg], x_b64u, y_b64u, &octets);
  if (err) err = rk_fail(e, RK_EFORMAT, "the key's coordinates are not %zu bytes of base64url", algs[alg].coord_bytes);
  else if (!(pkey = public_key(&algs[alg], &octets)))
    err = rk_fail(e, RK_EFORMAT, "the key is no point of %s", algs[alg].crv);
  rk_buf_release(&octets);
  return err ? err : wrap(pkey, alg, out);
}

rk_err rk_key_from_jwk(rk_str x_b64u, rk_str y_b64u, struct rk_key **out, struct rk_error *e) {
  return rk_key_public(RK_ALG_ES256, x_b64u, y_b64u, out, e);
}

enum rk_key_alg rk_key_alg(const struct rk_key *k) { return k->alg; }

void rk_key_free(struct rk_key *k) {
  if (!k) return;
  EVP_PKEY_free(k->pkey);
  free(k);
}

/* A coordinate of the public key, base64url. */
static void coord(const struct rk_key *k, const char *name, char out[80]) {
  unsigned char bytes[MAX_COORD_BYTES];
  size_t n = algs[k->alg].coord_bytes;
  if (k->alg == RK_ALG_ED25519) RK_ASSERT(EVP_PKEY_get_raw_public_key(k->pkey, bytes, &n) == 1);
  else {
    BIGNUM *v = NULL;
    RK_ASSERT(EVP_PKEY_get_bn_param(k->pkey, name, &v) == 1 && BN_bn2binpad(v, bytes, (int)n) == (int)n);
    BN_free(v);
  }
  struct rk_buf b;
  rk_buf_init(&b, 79);
  RK_ASSERT(rk_base64url(&b, (rk_str){(const char *)bytes, n}) == RK_OK);
  memcpy(out, b.p, b.n + 1);
  rk_buf_release(&b);
}

/* RFC 7638 section 3.2, RFC 8037 section 2: the required members in this order, nothing else. */
void rk_key_thumbprint(const struct rk_key *k, char out[64]) {
  char x[80], y[80] = "", jwk[320];
  unsigned char d[32];
  const struct alg *alg = &algs[k->alg];
  coord(k, OSSL_PKEY_PARAM_EC_PUB_X, x);
  if (alg->group) coord(k, OSSL_PKEY_PARAM_EC_PUB_Y, y);
  int n = snprintf(jwk, sizeof jwk, "{\"crv\":\"%s\",\"kty\":\"%s\",\"x\":\"%s\"%s%s%s}", alg->crv, alg->kty, x,
                   *y ? ",\"y\":\"" : "", y, *y ? "\"" : "");
  rk_sha256((rk_str){jwk, (size_t)n}, d);
  struct rk_buf b;
  rk_buf_init(&b, 63);
  RK_ASSERT(rk_base64url(&b, (rk_str){(const char *)d, sizeof d}) == RK_OK);
  memcpy(out, b.p, b.n + 1);
  rk_buf_release(&b);
}

void rk_key_jwk(const struct rk_key *k, char x[64], char y[64], char thumbprint[64]) {
  RK_ASSERT(k->alg == RK_ALG_ES256);
  char cx[80], cy[80];
  coord(k, OSSL_PKEY_PARAM_EC_PUB_X, cx);
  coord(k, OSSL_PKEY_PARAM_EC_PUB_Y, cy);
  snprintf(x, 64, "%.63s", cx);
  snprintf(y, 64, "%.63s", cy);
  rk_key_thumbprint(k, thumbprint);
}

/* ---- ECDSA: OpenSSL speaks DER, JOSE and HTTP signatures raw r || s ---- */

rk_err rk_sign_es256(const struct rk_key *k, rk_str data, unsigned char sig[64], struct rk_error *e) {
  unsigned char der[MAX_DER_SIG_BYTES];
  const unsigned char *p = der;
  size_t n = sizeof der;
  EVP_MD_CTX *ctx = EVP_MD_CTX_new();
  bool ok = ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, k->pkey) == 1 &&
            EVP_DigestSign(ctx, der, &n, (const unsigned char *)data.p, data.n) == 1;
  EVP_MD_CTX_free(ctx);
  if (!ok) return rk_fail(e, RK_EINTERNAL, "signing failed: the key has no private part");
  ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &p, (long)n);
  RK_ASSERT(s && BN_bn2binpad(ECDSA_SIG_get0_r(s), sig, COORD_BYTES) == COORD_BYTES &&
            BN_bn2binpad(ECDSA_SIG_get0_s(s), sig + COORD_BYTES, COORD_BYTES) == COORD_BYTES);
  ECDSA_SIG_free(s);
  return RK_OK;
}

/* r || s of equal halves as DER; 0 when it cannot be. */
static size_t der_of(rk_str sig, unsigned char der[MAX_DER_SIG_BYTES]) {
  ECDSA_SIG *s = ECDSA_SIG_new();
  const unsigned char *p = (const unsigned char *)sig.p;
  int half = (int)(sig.n / 2);
  BIGNUM *r = BN_bin2bn(p, half, NULL), *v = BN_bin2bn(p + half, half, NULL);
  RK_ASSERT(s && r && v && ECDSA_SIG_set0(s, r, v) == 1);
  int n = i2d_ECDSA_SIG(s, &der);
  ECDSA_SIG_free(s);
  return n > 0 ? (size_t)n : 0;
}

bool rk_key_verify(const struct rk_key *k, rk_str data, rk_str sig) {
  unsigned char der[MAX_DER_SIG_BYTES];
  if (sig.n != 2 * algs[k->alg].coord_bytes) return false;
  rk_str given = sig;
  if (k->alg != RK_ALG_ED25519) given = (rk_str){(const char *)der, der_of(sig, der)};
  EVP_MD_CTX *ctx = EVP_MD_CTX_new();
  bool ok = given.n > 0 && ctx && EVP_DigestVerifyInit(ctx, NULL, hash_of(k->alg), NULL, k->pkey) == 1 &&
            EVP_DigestVerify(ctx, (const unsigned char *)given.p, given.n, (const unsigned char *)data.p, data.n) == 1;
  EVP_MD_CTX_free(ctx);
  return ok;
}

bool rk_verify_es256(const struct rk_key *k, rk_str data, const unsigned char sig[64]) {
  return k->alg == RK_ALG_ES256 && rk_key_verify(k, data, (rk_str){(const char *)sig, 2 * COORD_BYTES});
}
