#include "trade/ucp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "trade/payment_token.h"

#define OURS "https://rukou.example" /* the authority of example.rukou.* */
#define SPEC "https://ucp.dev/" RK_UCP_VERSION

/* ---- profiles and negotiation ---- */

static void declare(json_t *caps, const char *name, const char *page, const char *schema, const char *extends) {
  char spec[200], url[200];
  snprintf(spec, sizeof spec, SPEC "/specification/%s", page);
  snprintf(url, sizeof url, SPEC "/schemas/shopping/%s.json", schema);
  json_t *entry = json_pack("{s:s, s:s, s:s, s:s*}", "version", RK_UCP_VERSION, "spec", spec, "schema", url, "extends", extends);
  json_object_set_new(caps, name, json_pack("[o]", entry));
}

json_t *rk_ucp_capabilities(void) {
  json_t *caps = json_object();
  declare(caps, RK_UCP_CHECKOUT, "checkout", "checkout", NULL);
  declare(caps, RK_UCP_FULFILLMENT, "fulfillment", "fulfillment", RK_UCP_CHECKOUT);
  declare(caps, RK_UCP_DISCOUNT, "discount", "discount", RK_UCP_CHECKOUT);
  declare(caps, RK_UCP_ORDER, "order", "order", NULL);
  declare(caps, RK_UCP_SEARCH, "catalog/search", "catalog_search", NULL);
  declare(caps, RK_UCP_LOOKUP, "catalog/lookup", "catalog_lookup", NULL);
  json_object_set_new(caps, RK_UCP_REFUND, json_pack("[{s:s, s:s, s:s}]", "version", RK_UCP_VERSION, "spec", OURS "/specification/refund", "schema",
                                                     OURS "/schemas/refund.json"));
  return caps;
}

json_t *rk_ucp_jwk(const struct rk_key *key) {
  char x[64], y[64], kid[64];
  rk_key_jwk(key, x, y, kid);
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "kid", kid, "kty", "EC", "crv", "P-256", "x", x, "y", y, "use", "sig", "alg", "ES256");
}

json_t *rk_ucp_keys(const json_t *profile) {
  json_t *keys = rk_json_arr(profile, "keys");
  if (!keys) keys = rk_json_arr(profile, "signing_keys");
  return keys ? keys : rk_json_arr(rk_json_obj(profile, "ucp"), "signing_keys");
}

json_t *rk_ucp_platform_profile(const struct rk_key *key) {
  json_t *keys = json_pack("[o]", rk_ucp_jwk(key));
  json_t *service = json_pack("{s:s, s:s, s:s, s:s}", "version", RK_UCP_VERSION, "transport", "rest", "spec", SPEC "/specification/overview",
                              "schema", SPEC "/services/shopping/rest.openapi.json");
  json_t *handler = json_pack("{s:s, s:s, s:s, s:s, s:[{s:s}, {s:s}]}", "id", RK_PAYMENT_HANDLER, "version", RK_UCP_VERSION,
                              "spec", "https://rukou.dev/ucp/sandbox-payment", "schema", "https://rukou.dev/ucp/sandbox-payment.json",
                              "available_instruments", "type", "card", "type", "wallet");
  json_t *ucp = json_pack("{s:s, s:{s:[o]}, s:o, s:{s:[o]}}", "version", RK_UCP_VERSION, "services", RK_UCP_SERVICE, service,
                          "capabilities", rk_ucp_capabilities(), "payment_handlers", RK_PAYMENT_HANDLER, handler);
  return json_pack("{s:o, s:O, s:o}", "ucp", ucp, "signing_keys", keys, "keys", keys);
}

/* The highest version that stands in both lists; empty: none. */
static rk_str mutual_version(const json_t *ours, const json_t *theirs) {
  rk_str best = {0};
  size_t i, k;
  json_t *a, *b;
  json_array_foreach(ours, i, a) {
    rk_str v = rk_json_str(a, "version");
    if (v.n != 10 || (best.n && memcmp(v.p, best.p, 10) <= 0)) continue;
    json_array_foreach(theirs, k, b)
      if (rk_str_eq(v, rk_json_str(b, "version"))) best = v;
  }
  return best;
}

static bool has_parent(const json_t *business, const json_t *active, const char *name) {
  json_t *extends = json_object_get(json_array_get(json_object_get(business, name), 0), "extends");
  if (!extends) return true;
  if (json_is_string(extends)) return json_object_get(active, json_string_value(extends)) != NULL;
  size_t i;
  json_t *parent;
  json_array_foreach(extends, i, parent)
    if (json_is_string(parent) && json_object_get(active, json_string_value(parent))) return true;
  return false;
}

json_t *rk_ucp_negotiate(const json_t *business, const json_t *platform) {
  json_t *active = json_object();
  const char *name;
  json_t *versions;
  json_object_foreach((json_t *)(uintptr_t)business, name, versions) {
    rk_str v = mutual_version(versions, json_object_get(platform, name));
    if (v.n) json_object_set_new(active, name, json_pack("[{s:s%}]", "version", v.p, v.n));
  }
  for (bool again = true; again;) {
    again = false;
    void *tmp;
    json_object_foreach_safe(active, tmp, name, versions)
      if (!has_parent(business, active, name)) {
        json_object_del(active, name);
        again = true;
      }
  }
  return active;
}

bool rk_ucp_agent_url(rk_str header, char *url, size_t size) {
  static const rk_str key = {"profile=\"", 9};
  ptrdiff_t at = rk_str_find(header, key);
  if (at < 0 || (at > 0 && header.p[at - 1] != ' ' && header.p[at - 1] != ',' && header.p[at - 1] != ';')) return false;
  rk_str rest = {header.p + at + key.n, header.n - (size_t)at - key.n}, text, after;
  if (!rk_str_cut(rest, '"', &text, &after) || text.n == 0 || text.n >= size || memchr(text.p, 0, text.n)) return false;
  memcpy(url, text.p, text.n);
  url[text.n] = 0;
  return true;
}

static bool copy(char *out, size_t size, rk_str s) {
  if (s.n == 0 || s.n >= size || memchr(s.p, 0, s.n)) return false;
  memcpy(out, s.p, s.n);
  out[s.n] = 0;
  return true;
}

/* The REST service of this version whose endpoint stands at origin. */
static const json_t *rest_service(const json_t *ucp, rk_str origin) {
  size_t i;
  json_t *s;
  json_array_foreach(rk_json_arr(rk_json_obj(ucp, "services"), RK_UCP_SERVICE), i, s) {
    rk_str endpoint = rk_json_str(s, "endpoint");
    if (rk_str_eq(rk_json_str(s, "transport"), RK_STR("rest")) && rk_str_eq(rk_json_str(s, "version"), RK_STR(RK_UCP_VERSION)) &&
        rk_str_starts(endpoint, origin) && (endpoint.n == origin.n || endpoint.p[origin.n] == '/')) return s;
  }
  return NULL;
}

static void first_thumbprint(const json_t *profile, char out[64]) {
  size_t i;
  json_t *jwk;
  out[0] = 0;
  json_array_foreach(rk_ucp_keys(profile), i, jwk) {
    struct rk_key *k;
    char x[64], y[64];
    if (rk_key_from_jwk(rk_json_str(jwk, "x"), rk_json_str(jwk, "y"), &k, NULL)) continue;
    rk_key_jwk(k, x, y, out);
    rk_key_free(k);
    return;
  }
}

rk_err rk_ucp_read_merchant(const json_t *profile, const char *origin, struct rk_ucp_merchant *out, struct rk_error *e) {
  *out = (struct rk_ucp_merchant){0};
  const json_t *ucp = rk_json_obj(profile, "ucp"), *caps = rk_json_obj(ucp, "capabilities");
  if (!copy(out->origin, sizeof out->origin, rk_str_c(origin))) return rk_fail(e, RK_EINVAL, "the merchant's origin is too long");
  if (!ucp || rk_json_str(ucp, "version").n == 0) return rk_fail(e, RK_EFORMAT, "%s: its UCP profile has no version", origin);
  const json_t *service = rest_service(ucp, rk_str_c(origin));
  if (!service) return rk_fail(e, RK_EUPSTREAM, "%s offers no UCP %s REST service at its own origin", origin, RK_UCP_VERSION);
  rk_str endpoint = rk_json_str(service, "endpoint");
  while (endpoint.n && endpoint.p[endpoint.n - 1] == '/') endpoint.n--;
  if (!copy(out->endpoint, sizeof out->endpoint, endpoint)) return rk_fail(e, RK_EFORMAT, "%s: its endpoint is too long", origin);

  json_t *ours = rk_ucp_capabilities(), *active = rk_ucp_negotiate(caps, ours);
  out->has_discount = json_object_get(active, RK_UCP_DISCOUNT) != NULL;
  out->has_fulfillment = json_object_get(active, RK_UCP_FULFILLMENT) != NULL;
  out->has_lookup = json_object_get(active, RK_UCP_LOOKUP) != NULL;
  out->has_order = json_object_get(active, RK_UCP_ORDER) != NULL;
  out->has_refund = json_object_get(active, RK_UCP_REFUND) != NULL;
  if (!copy(out->travel_kind, sizeof out->travel_kind, rk_json_str(rk_json_obj(json_array_get(rk_json_arr(caps, RK_UCP_TRAVEL_KEY), 0), "config"), "kind")))
    out->travel_kind[0] = 0;
  bool enough = json_object_get(active, RK_UCP_CHECKOUT) && json_object_get(active, RK_UCP_SEARCH);
  json_decref(active);
  json_decref(ours);
  if (!enough) return rk_fail(e, RK_EUPSTREAM, "%s offers no catalogue search or no checkout that we speak", origin);

  const json_t *config = rk_json_obj(service, "config");
  const char *host = strstr(origin, "://");
  host = host ? host + 3 : origin;
  if (!copy(out->id, sizeof out->id, rk_json_str(config, "merchant_id"))) snprintf(out->id, sizeof out->id, "%.60s", host);
  if (!copy(out->name, sizeof out->name, rk_json_str(config, "merchant_name"))) snprintf(out->name, sizeof out->name, "%.120s", host);
  if (!copy(out->name_en, sizeof out->name_en, rk_json_str(config, "merchant_name_en"))) out->name_en[0] = 0;
  out->sandbox = rk_json_arr(rk_json_obj(ucp, "payment_handlers"), RK_PAYMENT_HANDLER) != NULL;
  first_thumbprint(profile, out->key_thumbprint);
  return RK_OK;
}
