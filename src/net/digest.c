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

enum { COORD_BYTES = 32, MAX_PEM_BYTES = 4096, MAX_DER_SIG_BYTES = 80, PATH_BYTES = 4096 };

struct rk_sha256 { EVP_MD_CTX *ctx; };
struct rk_key { EVP_PKEY *pkey; };

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

rk_err rk_base64url(struct rk_buf *out, rk_str data) {
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const unsigned char *p = (const unsigned char *)data.p;
  for (size_t i = 0; i < data.n; i += 3) {
    size_t left = data.n - i;
    uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (left > 2 ? p[i + 2] : 0);
    char q[4] = {alphabet[v >> 18], alphabet[v >> 12 & 63], alphabet[v >> 6 & 63], alphabet[v & 63]};
    rk_buf_add(out, q, left > 2 ? 4 : left + 1);
  }
  return out->err;
}

static int base64url_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '-' ? 62 : c == '_' ? 63 : -1;
}

rk_err rk_base64url_decode(struct rk_buf *out, rk_str text) {
  if (text.n % 4 == 1) return RK_EFORMAT;
  uint32_t v = 0;
  int bits = 0;
  for (size_t i = 0; i < text.n; i++) {
    int d = base64url_value(text.p[i]);
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

static rk_err wrap(EVP_PKEY *pkey, struct rk_key **out) {
  struct rk_key *k = malloc(sizeof *k);
  if (!k) {
    EVP_PKEY_free(pkey);
    return RK_ENOMEM;
  }
  k->pkey = pkey;
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
  return wrap(pkey, out);
}

/* Uncompressed point: 04 || X || Y. */
static rk_err point_of(rk_str x, rk_str y, unsigned char point[1 + 2 * COORD_BYTES]) {
  struct rk_buf b;
  rk_buf_init(&b, 2 * COORD_BYTES);
  rk_err err = rk_base64url_decode(&b, x);
  if (!err && b.n != COORD_BYTES) err = RK_EFORMAT;
  if (!err) err = rk_base64url_decode(&b, y);
  if (!err && b.n != 2 * COORD_BYTES) err = RK_EFORMAT;
  if (!err) {
    point[0] = 4;
    memcpy(point + 1, b.p, 2 * COORD_BYTES);
  }
  rk_buf_release(&b);
  return err;
}

rk_err rk_key_from_jwk(rk_str x_b64u, rk_str y_b64u, struct rk_key **out, struct rk_error *e) {
  *out = NULL;
  unsigned char point[1 + 2 * COORD_BYTES];
  char group[] = "P-256";
  if (point_of(x_b64u, y_b64u, point))
    return rk_fail(e, RK_EFORMAT, "the key's x and y are not 32 bytes of base64url each");
  OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
                         OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
                         OSSL_PARAM_construct_end()};
  EVP_PKEY *pkey = NULL;
  EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
  bool ok = ctx && EVP_PKEY_fromdata_init(ctx) == 1 && EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) == 1;
  EVP_PKEY_CTX_free(ctx);
  if (!ok) {
    EVP_PKEY_free(pkey);
    return rk_fail(e, RK_EFORMAT, "the key is no point of P-256");
  }
  return wrap(pkey, out);
}

void rk_key_free(struct rk_key *k) {
  if (!k) return;
  EVP_PKEY_free(k->pkey);
  free(k);
}

static void coord(const struct rk_key *k, const char *name, char out[64]) {
  BIGNUM *n = NULL;
  unsigned char bytes[COORD_BYTES];
  RK_ASSERT(EVP_PKEY_get_bn_param(k->pkey, name, &n) == 1 && BN_bn2binpad(n, bytes, COORD_BYTES) == COORD_BYTES);
  BN_free(n);
  struct rk_buf b;
  rk_buf_init(&b, 63);
  RK_ASSERT(rk_base64url(&b, (rk_str){(const char *)bytes, sizeof bytes}) == RK_OK);
  memcpy(out, b.p, b.n + 1);
  rk_buf_release(&b);
}

void rk_key_jwk(const struct rk_key *k, char x[64], char y[64], char thumbprint[64]) {
  coord(k, OSSL_PKEY_PARAM_EC_PUB_X, x);
  coord(k, OSSL_PKEY_PARAM_EC_PUB_Y, y);
  char jwk[256];
  unsigned char d[32];
  int n = snprintf(jwk, sizeof jwk, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", x, y);
  rk_sha256((rk_str){jwk, (size_t)n}, d);
  struct rk_buf b;
  rk_buf_init(&b, 63);
  RK_ASSERT(rk_base64url(&b, (rk_str){(const char *)d, sizeof d}) == RK_OK);
  memcpy(thumbprint, b.p, b.n + 1);
  rk_buf_release(&b);
}

/* ---- ES256: OpenSSL speaks DER, JOSE and HTTP signatures raw r || s ---- */

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

bool rk_verify_es256(const struct rk_key *k, rk_str data, const unsigned char sig[64]) {
  ECDSA_SIG *s = ECDSA_SIG_new();
  BIGNUM *r = BN_bin2bn(sig, COORD_BYTES, NULL), *v = BN_bin2bn(sig + COORD_BYTES, COORD_BYTES, NULL);
  RK_ASSERT(s && r && v && ECDSA_SIG_set0(s, r, v) == 1);
  unsigned char der[MAX_DER_SIG_BYTES], *p = der;
  int n = i2d_ECDSA_SIG(s, &p);
  ECDSA_SIG_free(s);
  EVP_MD_CTX *ctx = EVP_MD_CTX_new();
  bool ok = n > 0 && ctx && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, k->pkey) == 1 &&
            EVP_DigestVerify(ctx, der, (size_t)n, (const unsigned char *)data.p, data.n) == 1;
  EVP_MD_CTX_free(ctx);
  return ok;
}
