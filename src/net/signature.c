#include "net/signature.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "net/sfield.h"

static const char label[] = "sig1";

/* ---- Content-Digest ---- */

void rk_content_digest(rk_str body, char out[RK_CONTENT_DIGEST_BYTES]) {
  unsigned char d[32];
  struct rk_buf b;
  rk_sha256(body, d);
  rk_buf_init(&b, RK_CONTENT_DIGEST_BYTES - 1);
  rk_buf_adds(&b, "sha-256=:");
  rk_base64(&b, (rk_str){(const char *)d, sizeof d});
  RK_ASSERT(rk_buf_addc(&b, ':') == RK_OK);
  memcpy(out, b.p, b.n + 1);
  rk_buf_release(&b);
}

rk_err rk_content_digest_check(rk_str header, rk_str body, struct rk_error *e) {
  struct rk_sf_member m;
  unsigned char d[32];
  struct rk_buf given;
  if (rk_sf_member(header, RK_STR("sha-256"), &m) || m.is_list || m.items[0].value.type != RK_SF_BYTES)
    return rk_fail(e, RK_EFORMAT, "content-digest: no sha-256 digest (RFC 9530)");
  rk_sha256(body, d);
  rk_buf_init(&given, sizeof d);
  bool same = !rk_base64_decode(&given, m.items[0].value.text) && rk_ct_equal(rk_buf_str(&given), (rk_str){(const char *)d, sizeof d});
  rk_buf_release(&given);
  return same ? RK_OK : rk_fail(e, RK_ECONFLICT, "content-digest: it is of another body than the one that came");
}

/* ---- what UCP wants covered ---- */

static bool has_field(const struct rk_http_message *m, const char *name) {
  rk_str v;
  return m->field && m->field(m->ud, name, &v);
}

enum { MAX_WANTED = 12 };

/* Components in the order in which we sign them; ours: those too that others need not cover. */
static int32_t wanted(const struct rk_http_message *m, bool ours, const char *names[MAX_WANTED]) {
  int32_t n = 0;
  if (m->status) names[n++] = "@status";
  else {
    static const char *const fields[] = {"ucp-agent", "signature-agent", "idempotency-key", "webhook-id", "webhook-timestamp"};
    names[n++] = "@method";
    names[n++] = "@authority";
    names[n++] = "@path";
    if (m->query.n) names[n++] = "@query";
    for (size_t i = 0; i < (ours ? 5 : 3); i++)
      if (has_field(m, fields[i])) names[n++] = fields[i];
  }
  if (m->body.n) {
    names[n++] = "content-digest";
    names[n++] = "content-type";
  }
  return n;
}

/* ---- the signature base (RFC 9421 section 2.5) ---- */

/* Lower case, without the scheme's default port (2.2.3). */
static void add_authority(struct rk_buf *out, const struct rk_http_message *m) {
  rk_str a = rk_str_c(m->authority);
  const char *port = m->scheme && strcmp(m->scheme, "https") == 0 ? ":443" : ":80";
  if (rk_str_ends(a, rk_str_c(port))) a.n -= strlen(port);
  for (size_t i = 0; i < a.n; i++) rk_buf_addc(out, (char)tolower((unsigned char)a.p[i]));
}

static void add_path(struct rk_buf *out, const struct rk_http_message *m) {
  rk_buf_addstr(out, m->path.n ? m->path : RK_STR("/"));
}

static bool add_derived(struct rk_buf *out, const struct rk_http_message *m, rk_str name) {
  if (m->status) {
    rk_buf_addf(out, "%d", (int)m->status);
    return rk_str_eq_c(name, "@status");
  }
  if (rk_str_eq_c(name, "@method")) rk_buf_adds(out, m->method);
  else if (rk_str_eq_c(name, "@authority")) add_authority(out, m);
  else if (rk_str_eq_c(name, "@scheme")) rk_buf_adds(out, m->scheme);
  else if (rk_str_eq_c(name, "@path")) add_path(out, m);
  else if (rk_str_eq_c(name, "@query")) rk_buf_addf(out, "?%.*s", RK_STR_ARG(m->query));
  else if (rk_str_eq_c(name, "@target-uri")) {
    rk_buf_addf(out, "%s://", m->scheme);
    add_authority(out, m);
    add_path(out, m);
    if (m->query.n) rk_buf_addf(out, "?%.*s", RK_STR_ARG(m->query));
  } else return false;
  return true;
}

/* A field's value without the white space around it; no line ends, which would forge a line of the base. */
static bool add_field(struct rk_buf *out, const struct rk_http_message *m, rk_str name, const struct rk_sf_params *params) {
  char key[64], lower[64];
  rk_str v;
  if (name.n == 0 || name.n >= sizeof lower) return false;
  snprintf(lower, sizeof lower, "%.*s", RK_STR_ARG(name));
  if (!m->field || !m->field(m->ud, lower, &v)) return false;
  if (memchr(v.p, '\n', v.n) || memchr(v.p, '\r', v.n)) return false;
  if (params->n == 0) return rk_buf_addstr(out, rk_str_trim(v)) == RK_OK;
  struct rk_sf_member member;
  return rk_str_eq_c(params->p[0].key, "key") && rk_sf_string(&params->p[0].value, key, sizeof key) &&
         rk_sf_member(v, rk_str_c(key), &member) == RK_OK && rk_sf_write_member(out, &member) == RK_OK;
}

static bool same_component(const struct rk_sf_item *a, const struct rk_sf_item *b) {
  return rk_str_eq(a->value.text, b->value.text) && a->params.n == b->params.n &&
         (a->params.n == 0 || rk_str_eq(a->params.p[0].value.text, b->params.p[0].value.text));
}

/* One line of the base: "name";params: value. */
static bool add_component(struct rk_buf *base, const struct rk_http_message *m, const struct rk_sf_item *c) {
  struct rk_sf_member line = {.n_items = 1};
  line.items[0] = *c;
  rk_sf_write_member(base, &line);
  rk_buf_adds(base, ": ");
  bool derived = c->value.text.n > 0 && c->value.text.p[0] == '@';
  if (c->params.n > (derived ? 0 : 1)) return false;
  if (derived ? !add_derived(base, m, c->value.text) : !add_field(base, m, c->value.text, &c->params)) return false;
  return rk_buf_addc(base, '\n') == RK_OK;
}

/* input: a member of Signature-Input. The component at fault stands in e. */
static rk_err build_base(struct rk_buf *base, const struct rk_http_message *m, const struct rk_sf_member *input, struct rk_error *e) {
  RK_ASSERT(m->status || (m->method && m->scheme && m->authority));
  for (int32_t i = 0; i < input->n_items; i++) {
    const struct rk_sf_item *c = &input->items[i];
    if (c->value.type != RK_SF_STRING) return rk_fail(e, RK_EFORMAT, "signature-input: a covered component is no string");
    for (int32_t k = 0; k < i; k++)
      if (same_component(c, &input->items[k]))
        return rk_fail(e, RK_EFORMAT, "signature-input: \"%.*s\" is covered twice", RK_STR_ARG(c->value.text));
    if (!add_component(base, m, c))
      return rk_fail(e, RK_EFORMAT, "signature-input: \"%.*s\" cannot be read from this message", RK_STR_ARG(c->value.text));
  }
  rk_buf_adds(base, "\"@signature-params\": ");
  rk_sf_write_member(base, input);
  return base->err ? rk_fail(e, base->err, "the signed parts are over %d bytes", RK_MAX_SIG_BASE_BYTES) : RK_OK;
}

rk_err rk_http_message_url(struct rk_http_message *m, const char *url, char *buf, size_t size) {
  const char *rest = strstr(url, "://");
  m->scheme = rk_str_starts(rk_str_c(url), RK_STR("https://")) ? "https" : "http";
  if (!rest) return RK_EINVAL;
  rest += 3;
  size_t n = strcspn(rest, "/?#");
  if (n == 0 || n >= size) return RK_EINVAL;
  memcpy(buf, rest, n);
  buf[n] = 0;
  m->authority = buf;
  rest += n;
  n = strcspn(rest, "?#");
  m->path = (rk_str){rest, n};
  rest += n;
  m->query = *rest == '?' ? (rk_str){rest + 1, strcspn(rest + 1, "#")} : (rk_str){rest, 0};
  return RK_OK;
}

/* ---- signing ---- */

static rk_err write_params(struct rk_buf *out, const struct rk_sig_params *p, const struct rk_key *key) {
  char thumbprint[64];
  rk_key_thumbprint(key, thumbprint);
  if (p->created_s) rk_buf_addf(out, ";created=%lld", (long long)p->created_s);
  if (p->expires_s) rk_buf_addf(out, ";expires=%lld", (long long)p->expires_s);
  const struct { const char *name, *value; } strings[] = {{"keyid", p->keyid ? p->keyid : thumbprint}, {"nonce", p->nonce}, {"tag", p->tag}};
  rk_err err = RK_OK;
  for (size_t i = 0; !err && i < sizeof strings / sizeof *strings; i++) {
    if (!strings[i].value) continue;
    rk_buf_addf(out, ";%s=", strings[i].name);
    err = rk_sf_write_string(out, rk_str_c(strings[i].value));
  }
  return err;
}

/* Signature-Input of what we sign: label=(components);parameters. */
static rk_err write_input(struct rk_buf *out, const struct rk_http_message *m, const struct rk_sig_params *p, const struct rk_key *key) {
  const char *names[MAX_WANTED];
  int32_t n = wanted(m, true, names);
  rk_buf_addf(out, "%s=(", label);
  for (int32_t i = 0; i < n; i++) {
    bool member = strcmp(names[i], "signature-agent") == 0; /* Web Bot Auth signs its member of the label */
    rk_buf_addf(out, "%s\"%s\"%s%s%s", i ? " " : "", names[i], member ? ";key=\"" : "", member ? label : "", member ? "\"" : "");
  }
  rk_buf_addc(out, ')');
  return write_params(out, p, key);
}

rk_err rk_sig_sign(const struct rk_http_message *m, const struct rk_sig_params *p, const struct rk_key *key,
                   struct rk_buf *signature_input, struct rk_buf *signature, struct rk_error *e) {
  struct rk_sf_member input;
  struct rk_buf base;
  unsigned char sig[64];
  size_t from = signature_input->n;
  rk_buf_init(&base, RK_MAX_SIG_BASE_BYTES);
  rk_err err = write_input(signature_input, m, p, key);
  if (!err) err = signature_input->err;
  rk_str text = {signature_input->p + from, signature_input->n - from};
  if (!err) err = rk_sf_member(text, rk_str_c(label), &input);
  if (err) rk_fail(e, err, "signature-input cannot be written: a parameter has characters that no string holds, or is too long");
  if (!err) err = build_base(&base, m, &input, e);
  if (!err) err = rk_sign_es256(key, rk_buf_str(&base), sig, e);
  if (!err) {
    rk_buf_addf(signature, "%s=:", label);
    rk_base64(signature, (rk_str){(const char *)sig, sizeof sig});
    err = rk_buf_addc(signature, ':');
  }
  rk_buf_release(&base);
  return err;
}

/* ---- verifying ---- */

static const struct { int32_t http; const char *code; } faults[] = {
#define X(name, http, code) {http, code},
    RK_SIG_FAULTS(X)
#undef X
};

int32_t rk_sig_http(enum rk_sig_fault f) { return faults[f].http; }
const char *rk_sig_code(enum rk_sig_fault f) { return faults[f].code; }

static enum rk_sig_fault RK_PRINTF(3, 4) fault(struct rk_error *e, enum rk_sig_fault f, const char *fmt, ...) {
  char msg[400];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(msg, sizeof msg, fmt, ap);
  va_end(ap);
  rk_fail(e, f == RK_SIG_DIGEST ? RK_ECONFLICT : RK_EAUTH, "%s", msg);
  return f;
}

bool rk_sig_covers(const struct rk_sig_info *i, const char *component) {
  char padded[80];
  snprintf(padded, sizeof padded, " %s ", component);
  return strstr(i->covered, padded) != NULL;
}

/* A time of the parameters; absent is 0. False: there, but no time. */
static bool time_param(const struct rk_sf_params *p, const char *name, int64_t *out) {
  const struct rk_sf_value *v = rk_sf_param(p, name);
  *out = v ? v->integer : 0;
  return !v || (v->type == RK_SF_INTEGER && v->integer > 0);
}

static bool string_param(const struct rk_sf_params *p, const char *name, char *out, size_t size) {
  const struct rk_sf_value *v = rk_sf_param(p, name);
  *out = 0;
  return !v || rk_sf_string(v, out, size);
}

static enum rk_sig_fault read_info(const struct rk_sf_member *input, struct rk_sig_info *out, struct rk_error *e) {
  size_t n = 0;
  memset(out, 0, sizeof *out);
  for (int32_t i = 0; i < input->n_items; i++) {
    rk_str name = input->items[i].value.text;
    if (n + name.n + 3 > sizeof out->covered) return fault(e, RK_SIG_INVALID, "signature-input: too many components");
    n += (size_t)snprintf(out->covered + n, sizeof out->covered - n, "%s%.*s ", n ? "" : " ", RK_STR_ARG(name));
  }
  const struct rk_sf_params *p = &input->params;
  if (!string_param(p, "keyid", out->keyid, sizeof out->keyid) || !*out->keyid)
    return fault(e, RK_SIG_INVALID, "signature-input: keyid is missing or no short string");
  if (!string_param(p, "tag", out->tag, sizeof out->tag)) return fault(e, RK_SIG_INVALID, "signature-input: tag is no short string");
  if (!string_param(p, "nonce", out->nonce, sizeof out->nonce)) return fault(e, RK_SIG_INVALID, "signature-input: nonce is no short string");
  if (!time_param(p, "created", &out->created_s)) return fault(e, RK_SIG_INVALID, "signature-input: created is no time");
  if (!time_param(p, "expires", &out->expires_s)) return fault(e, RK_SIG_INVALID, "signature-input: expires is no time");
  return RK_SIG_OK;
}

static enum rk_sig_fault check_time(const struct rk_sig_info *i, const struct rk_sig_policy *policy, struct rk_error *e) {
  int64_t now = policy->now_s;
  if (i->created_s > now + RK_SIG_SKEW_S) return fault(e, RK_SIG_INVALID, "created: the signature is from the future");
  if (i->expires_s && i->expires_s < now) return fault(e, RK_SIG_INVALID, "expires: the signature has expired");
  if (!policy->max_age_s) return RK_SIG_OK;
  if (!i->created_s) return fault(e, RK_SIG_INVALID, "created: missing, and the age of this signature matters");
  if (i->created_s < now - policy->max_age_s) return fault(e, RK_SIG_INVALID, "created: the signature is too old");
  return RK_SIG_OK;
}

static enum rk_sig_fault check_coverage(const struct rk_http_message *m, const struct rk_sig_info *i, struct rk_error *e) {
  const char *names[MAX_WANTED];
  int32_t n = wanted(m, false, names);
  for (int32_t k = 0; k < n; k++)
    if (!rk_sig_covers(i, names[k])) return fault(e, RK_SIG_INVALID, "signature-input: \"%s\" is not covered", names[k]);
  return RK_SIG_OK;
}

/* RFC 9421 section 6.2.2 names; the key alone decides, so a parameter that disagrees is a lie. */
static bool alg_agrees(const struct rk_sf_params *p, enum rk_key_alg alg) {
  static const char *const names[] = {
      [RK_ALG_ES256] = "ecdsa-p256-sha256", [RK_ALG_ES384] = "ecdsa-p384-sha384", [RK_ALG_ED25519] = "ed25519"};
  char given[64];
  return !rk_sf_param(p, "alg") || (string_param(p, "alg", given, sizeof given) && strcmp(given, names[alg]) == 0);
}

/* Keys of that id: several may share it while a key is being replaced. */
static enum rk_sig_fault try_keys(const struct rk_jwks *keys, const struct rk_sf_member *input, rk_str base, rk_str sig,
                                  struct rk_sig_info *info, struct rk_error *e) {
  bool seen = false, usable = false;
  const struct rk_jwk *k;
  for (int32_t i = 0; (k = rk_jwks_at(keys, i)); i++) {
    if (strcmp(k->kid, info->keyid) != 0) continue;
    seen = true;
    if (!k->key) continue;
    usable = true;
    if (strcmp(info->tag, "web-bot-auth") == 0 && strcmp(info->keyid, k->thumbprint) != 0) continue;
    if (!alg_agrees(&input->params, rk_key_alg(k->key)) || !rk_key_verify(k->key, base, sig)) continue;
    memcpy(info->thumbprint, k->thumbprint, sizeof info->thumbprint);
    return RK_SIG_OK;
  }
  if (!seen) return fault(e, RK_SIG_NO_KEY, "keyid: the signer publishes no key \"%.100s\"", info->keyid);
  if (!usable) return fault(e, RK_SIG_ALGORITHM, "keyid: key \"%.100s\" is of a kind that is not verified here", info->keyid);
  return fault(e, RK_SIG_INVALID, "signature: it does not match the message under key \"%.100s\"", info->keyid);
}

static enum rk_sig_fault check_digest(const struct rk_http_message *m, const struct rk_sig_info *i, struct rk_error *e) {
  rk_str header;
  if (!rk_sig_covers(i, "content-digest") || !m->field || !m->field(m->ud, "content-digest", &header)) return RK_SIG_OK;
  return rk_content_digest_check(header, m->body, e) ? RK_SIG_DIGEST : RK_SIG_OK;
}

static enum rk_sig_fault verify_bytes(const struct rk_http_message *m, const struct rk_jwks *keys, const struct rk_sf_member *input,
                                      rk_str sig_text, struct rk_sig_info *info, struct rk_error *e) {
  struct rk_buf base, sig;
  enum rk_sig_fault f;
  rk_buf_init(&base, RK_MAX_SIG_BASE_BYTES);
  rk_buf_init(&sig, 1024);
  if (build_base(&base, m, input, e)) f = RK_SIG_INVALID;
  else if (rk_base64_decode(&sig, sig_text)) f = fault(e, RK_SIG_INVALID, "signature: no base64 bytes");
  else f = try_keys(keys, input, rk_buf_str(&base), rk_buf_str(&sig), info, e);
  rk_buf_release(&base);
  rk_buf_release(&sig);
  return f;
}

static enum rk_sig_fault verify_label(const struct rk_http_message *m, rk_str inputs, rk_str signatures, rk_str name, const struct rk_jwks *keys,
                                      const struct rk_sig_policy *policy, struct rk_sig_info *info, struct rk_error *e) {
  struct rk_sf_member input, sig;
  if (rk_sf_member(inputs, name, &input) || !input.is_list)
    return fault(e, RK_SIG_INVALID, "signature-input: %.*s is no list of components", RK_STR_ARG(name));
  if (rk_sf_member(signatures, name, &sig) || sig.is_list || sig.items[0].value.type != RK_SF_BYTES)
    return fault(e, RK_SIG_MISSING, "signature: there is none labelled %.*s", RK_STR_ARG(name));
  enum rk_sig_fault f = read_info(&input, info, e);
  if (!f) f = check_time(info, policy, e);
  if (!f && !policy->ignore_coverage) f = check_coverage(m, info, e);
  if (!f && !policy->ignore_coverage) f = check_digest(m, info, e);
  return f ? f : verify_bytes(m, keys, &input, sig.items[0].value.text, info, e);
}

enum rk_sig_fault rk_sig_verify(const struct rk_http_message *m, const struct rk_jwks *keys, const struct rk_sig_policy *policy,
                                struct rk_sig_info *out, struct rk_error *e) {
  rk_str inputs, signatures, names[RK_MAX_SF_MEMBERS];
  int32_t n;
  memset(out, 0, sizeof *out);
  if (!m->field || !m->field(m->ud, "signature-input", &inputs) || !m->field(m->ud, "signature", &signatures))
    return fault(e, RK_SIG_MISSING, "signature-input and signature: the message is not signed");
  if (rk_sf_keys(inputs, names, &n)) return fault(e, RK_SIG_INVALID, "signature-input: no dictionary of RFC 8941");
  enum rk_sig_fault f = RK_SIG_INVALID;
  for (int32_t i = 0; i < n && i < RK_MAX_SIG_LABELS; i++) {
    f = verify_label(m, inputs, signatures, names[i], keys, policy, out, e);
    if (!f) return RK_SIG_OK;
  }
  memset(out, 0, sizeof *out);
  return f;
}
