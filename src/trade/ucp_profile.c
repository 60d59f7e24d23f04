#include "trade/ucp.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "trade/payment_token.h"

#define OURS "https://rukou.example" /* the authority of example.rukou.* */

static const char *const spoken[] = {"2026-08-25", RK_UCP_VERSION}; /* newest first */
enum { N_SPOKEN = sizeof spoken / sizeof *spoken };

const char *rk_ucp_version(int32_t i) { return i < N_SPOKEN ? spoken[i] : NULL; }

/* ---- profiles and negotiation ---- */

/* The pages of the shopping service moved below shopping/ after 2026-04-08. */
static void declare(json_t *caps, const char *version, const char *name, const char *page, const char *schema, const char *extends) {
  char spec[200], url[200];
  bool old = strcmp(version, RK_UCP_VERSION) == 0;
  snprintf(spec, sizeof spec, "https://ucp.dev/%s/specification/%s%s", version, old || strchr(page, '/') ? "" : extends ? "shopping/extensions/" : "shopping/", page);
  snprintf(url, sizeof url, "https://ucp.dev/%s/schemas/%s.json", version, schema);
  json_t *entry = json_pack("{s:s, s:s, s:s, s:s*}", "version", version, "spec", spec, "schema", url, "extends", extends);
  json_object_set_new(caps, name, json_pack("[o]", entry));
}

static bool has_lodging(const char *version) { return strcmp(version, RK_UCP_VERSION) > 0; }

/* Of the lodging draft, which stands beside the newest version. */
static json_t *lodging(const char *page, const char *schema, const char *extends) {
  char spec[200], url[200];
  snprintf(spec, sizeof spec, "https://ucp.dev/draft/specification/%s", page);
  snprintf(url, sizeof url, "https://ucp.dev/draft/%s.json", schema);
  return json_pack("[{s:s, s:s, s:s, s:s*}]", "version", RK_UCP_LODGING_VERSION, "spec", spec, "schema", url, "extends", extends);
}

json_t *rk_ucp_lodging_service(const char *endpoint) {
  json_t *list = lodging("overview", "services/lodging/rest.openapi", NULL), *entry = json_array_get(list, 0);
  json_object_set_new(entry, "transport", json_string("rest"));
  if (endpoint) json_object_set_new(entry, "endpoint", json_string(endpoint));
  return list;
}

void rk_ucp_declare_lodging(json_t *caps) {
  json_object_set_new(caps, RK_UCP_BOOKING, lodging("lodging/booking", "schemas/lodging/booking", NULL));
  json_object_set_new(caps, RK_UCP_CANCELLATION, lodging("lodging/extensions/cancellation-policy", "schemas/lodging/policy_cancellation", RK_UCP_BOOKING));
}

json_t *rk_ucp_capabilities_at(const char *version) {
  json_t *caps = json_object();
  declare(caps, version, RK_UCP_CHECKOUT, "checkout", "shopping/checkout", NULL);
  declare(caps, version, RK_UCP_FULFILLMENT, "fulfillment", "shopping/fulfillment", RK_UCP_CHECKOUT);
  declare(caps, version, RK_UCP_DISCOUNT, "discount", "shopping/discount", RK_UCP_CHECKOUT);
  declare(caps, version, RK_UCP_ORDER, "order", "shopping/order", NULL);
  declare(caps, version, RK_UCP_SEARCH, "catalog/search", "shopping/catalog_search", NULL);
  declare(caps, version, RK_UCP_LOOKUP, "catalog/lookup", "shopping/catalog_lookup", NULL);
  json_object_set_new(caps, RK_UCP_REFUND, json_pack("[{s:s, s:s, s:s}]", "version", RK_UCP_VERSION, "spec", OURS "/specification/refund", "schema",
                                                     OURS "/schemas/refund.json"));
  json_object_set_new(caps, RK_UCP_CHANGE, json_pack("[{s:s, s:s, s:s, s:s}]", "version", RK_UCP_VERSION, "spec", OURS "/specification/change", "schema",
                                                     OURS "/schemas/change.json", "extends", RK_UCP_CHECKOUT));
  if (has_lodging(version)) rk_ucp_declare_lodging(caps);
  return caps;
}

json_t *rk_ucp_capabilities(void) { return rk_ucp_capabilities_at(RK_UCP_VERSION); }

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

/* Older versions stand beside the newest: PROFILE_URL-VERSION, a path that a static host can serve too. */
void rk_ucp_profile_url(const char *newest_url, const char *version, char *out, size_t size) {
  bool newest = strcmp(version, spoken[0]) == 0;
  snprintf(out, size, "%s%s%s", newest_url, newest ? "" : "-", newest ? "" : version);
}

static json_t *older_profiles(const char *newest_url) {
  json_t *all = json_object();
  for (int32_t i = 1; i < N_SPOKEN; i++) {
    char url[700];
    rk_ucp_profile_url(newest_url, spoken[i], url, sizeof url);
    json_object_set_new(all, spoken[i], json_string(url));
  }
  return all;
}

json_t *rk_ucp_platform_profile(const struct rk_ucp_platform *p, const char *version) {
  char spec[80], schema[120];
  snprintf(spec, sizeof spec, "https://ucp.dev/%s/specification/overview", version);
  snprintf(schema, sizeof schema, "https://ucp.dev/%s/services/shopping/rest.openapi.json", version);
  json_t *service = json_pack("{s:s, s:s, s:s, s:s}", "version", version, "transport", "rest", "spec", spec, "schema", schema);
  json_t *handler = json_pack("{s:s, s:s, s:s, s:s, s:[{s:s}, {s:s}]}", "id", RK_PAYMENT_HANDLER, "version", RK_UCP_VERSION,
                              "spec", "https://rukou.dev/ucp/sandbox-payment", "schema", "https://rukou.dev/ucp/sandbox-payment.json",
                              "available_instruments", "type", "card", "type", "wallet");
  json_t *caps = rk_ucp_capabilities_at(version), *keys = json_pack("[o]", rk_ucp_jwk(p->key));
  declare(caps, version, RK_UCP_IDENTITY, strcmp(version, RK_UCP_VERSION) == 0 ? "identity-linking" : "common/identity-linking", "common/identity_linking", NULL);
  if (p->webhook_url)
    json_object_set_new(json_array_get(json_object_get(caps, RK_UCP_ORDER), 0), "config", json_pack("{s:s}", "webhook_url", p->webhook_url));
  json_t *ucp = json_pack("{s:s, s:{s:[o]}, s:o, s:{s:[o]}}", "version", version, "services", RK_UCP_SERVICE, service, "capabilities", caps,
                          "payment_handlers", RK_PAYMENT_HANDLER, handler);
  bool newest = strcmp(version, spoken[0]) == 0;
  if (has_lodging(version)) json_object_set_new(rk_json_obj(ucp, "services"), RK_UCP_LODGING, rk_ucp_lodging_service(NULL));
  if (newest) json_object_set_new(ucp, "supported_versions", older_profiles(p->profile_url));
  json_t *profile = json_pack("{s:o, s:o}", "ucp", ucp, "keys", keys);
  if (!newest) json_object_set(profile, "signing_keys", keys); /* where 2026-04-08 has them */
  return profile;
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

/* A version says nothing of its own where an entry has none: it is the profile's. */
static rk_str version_of(const json_t *entry, rk_str profile_version) {
  rk_str v = rk_json_str(entry, "version");
  return v.n ? v : profile_version;
}

static bool stands_at(rk_str url, rk_str origin) {
  return rk_str_starts(url, origin) && (url.n == origin.n || url.p[origin.n] == '/');
}

/* The REST service of that name and version whose endpoint stands at origin. */
static const json_t *rest_service(const json_t *ucp, const char *name, rk_str version, rk_str origin) {
  size_t i;
  json_t *s;
  json_array_foreach(rk_json_arr(rk_json_obj(ucp, "services"), name), i, s)
    if (rk_str_eq(rk_json_str(s, "transport"), RK_STR("rest")) && rk_str_eq(version_of(s, version), version) &&
        stands_at(rk_json_str(s, "endpoint"), origin)) return s;
  return NULL;
}

/* Whether the schema's host, its labels reversed, begins the name: UCP overview, authority binding. */
bool rk_ucp_schema_binds(const char *name, rk_str url) {
  static const rk_str https = {"https://", 8};
  char reversed[256];
  size_t n = 0, dots = 0;
  if (!rk_str_starts(url, https)) return false;
  rk_str host = {url.p + https.n, url.n - https.n};
  for (size_t i = 0; i < host.n; i++) {
    if (host.p[i] == '@') return false;
    if (host.p[i] == '/' || host.p[i] == ':' || host.p[i] == '?' || host.p[i] == '#') host.n = i;
  }
  if (host.n == 0 || host.n >= sizeof reversed) return false;
  for (size_t end = host.n; end > 0;) {
    size_t from = end;
    while (from > 0 && host.p[from - 1] != '.') from--;
    if (n) reversed[n++] = '.', dots++;
    for (size_t i = from; i < end; i++) reversed[n++] = host.p[i] >= 'A' && host.p[i] <= 'Z' ? (char)(host.p[i] + 32) : host.p[i];
    end = from ? from - 1 : 0;
  }
  return dots > 0 && strncmp(name, reversed, n) == 0 && (name[n] == 0 || name[n] == '.');
}

/* What the business declares, each entry with a version; left out: whose schema belongs to somebody else. */
static json_t *declared(const json_t *ucp) {
  json_t *caps = json_object(), *entries, *entry;
  const char *name;
  size_t i;
  json_object_foreach(rk_json_obj(ucp, "capabilities"), name, entries) {
    json_t *kept = json_array();
    json_array_foreach(entries, i, entry) {
      rk_str schema = rk_json_str(entry, "schema"), version = version_of(entry, rk_json_str(ucp, "version"));
      if (!json_is_object(entry) || (schema.n && !rk_ucp_schema_binds(name, schema))) continue;
      json_t *copied = json_copy(entry);
      json_object_set_new(copied, "version", json_stringn(version.p, version.n));
      json_array_append_new(kept, copied);
    }
    json_object_set_new(caps, name, kept);
  }
  return caps;
}

rk_err rk_ucp_pick_version(const json_t *profile, const char *origin, const char **version, char *url, size_t size, struct rk_error *e) {
  const json_t *ucp = rk_json_obj(profile, "ucp"), *older = rk_json_obj(ucp, "supported_versions");
  rk_str current = rk_json_str(ucp, "version");
  if (current.n == 0) return rk_fail(e, RK_EFORMAT, "%s: its UCP profile has no version", origin);
  *url = 0;
  for (int32_t i = 0; i < N_SPOKEN; i++) {
    *version = spoken[i];
    if (rk_str_eq_c(current, spoken[i])) return RK_OK;
    rk_str at = rk_json_str(older, spoken[i]);
    if (stands_at(at, rk_str_c(origin)) && copy(url, size, at)) return RK_OK;
  }
  return rk_fail(e, RK_EUPSTREAM, "%s speaks UCP %.*s; we speak %s and %s", origin, RK_STR_ARG(current), spoken[0], spoken[N_SPOKEN - 1]);
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

static void odd(json_t *list, const char *fmt, ...) {
  char text[300];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  json_t *v = json_string(text);
  if (v) json_array_append_new(list, v);
}

static void odd_entries(json_t *list, const char *kind, const json_t *registry) {
  json_t *entries, *entry;
  const char *name;
  size_t i;
  json_object_foreach((json_t *)(uintptr_t)registry, name, entries)
    json_array_foreach(entries, i, entry) {
      rk_str schema = rk_json_str(entry, "schema");
      if (rk_json_str(entry, "version").n == 0) odd(list, "%s %.100s: `version` is missing", kind, name);
      if (schema.n && !rk_ucp_schema_binds(name, schema)) odd(list, "%s %.100s: `schema` lies with somebody else than the owner of the name", kind, name);
    }
}

json_t *rk_ucp_profile_faults(const json_t *profile) {
  json_t *list = json_array();
  const json_t *ucp = rk_json_obj(profile, "ucp");
  odd_entries(list, "service", rk_json_obj(ucp, "services"));
  odd_entries(list, "capability", rk_json_obj(ucp, "capabilities"));
  if (!rk_json_obj(ucp, "payment_handlers")) odd(list, "`payment_handlers` is missing");
  if (!rk_ucp_keys(profile)) odd(list, "`keys` is missing: nothing that it signs can be verified");
  return list;
}

json_t *rk_ucp_unknown_config(const json_t *profile) {
  const json_t *ucp = rk_json_obj(profile, "ucp");
  bool old = rk_str_eq_c(rk_json_str(ucp, "version"), RK_UCP_VERSION);
  json_t *config = rk_json_obj(json_array_get(rk_json_arr(rk_json_obj(ucp, "capabilities"), RK_UCP_IDENTITY), 0), "config"), *list = json_array(), *v;
  const char *name;
  json_object_foreach(config, name, v)
    if (strcmp(name, "scopes") != 0 && (old || strcmp(name, "providers") != 0)) json_array_append_new(list, json_string(name));
  return list;
}

static void read_identity(const json_t *caps, struct rk_ucp_merchant *out) {
  const json_t *config = rk_json_obj(json_array_get(json_object_get(caps, RK_UCP_IDENTITY), 0), "config");
  json_t *scopes = rk_json_obj(config, "scopes"), *v;
  const char *scope;
  size_t n = 0;
  json_object_foreach(scopes, scope, v)
    if (strlen(scope) + 2 < sizeof out->scopes - n && !strpbrk(scope, " \"\\"))
      n += (size_t)snprintf(out->scopes + n, sizeof out->scopes - n, "%s%s", n ? " " : "", scope);
  out->has_identity = json_object_get(caps, RK_UCP_IDENTITY) != NULL;
}

static bool copy_endpoint(char *out, size_t size, const json_t *service) {
  rk_str endpoint = rk_json_str(service, "endpoint");
  while (endpoint.n && endpoint.p[endpoint.n - 1] == '/') endpoint.n--;
  return copy(out, size, endpoint);
}

static void read_lodging(const json_t *ucp, const json_t *active, struct rk_ucp_merchant *out) {
  const json_t *service = rest_service(ucp, RK_UCP_LODGING, RK_STR(RK_UCP_LODGING_VERSION), rk_str_c(out->origin));
  if (!json_object_get(active, RK_UCP_BOOKING) || !copy_endpoint(out->booking_endpoint, sizeof out->booking_endpoint, service)) out->booking_endpoint[0] = 0;
}

static void read_capabilities(const json_t *ucp, const char *version, struct rk_ucp_merchant *out) {
  json_t *caps = declared(ucp), *ours = rk_ucp_capabilities_at(version), *active = rk_ucp_negotiate(caps, ours);
  out->has_checkout = json_object_get(active, RK_UCP_CHECKOUT) != NULL;
  out->has_search = json_object_get(active, RK_UCP_SEARCH) != NULL;
  out->has_discount = json_object_get(active, RK_UCP_DISCOUNT) != NULL;
  out->has_fulfillment = json_object_get(active, RK_UCP_FULFILLMENT) != NULL;
  out->has_lookup = json_object_get(active, RK_UCP_LOOKUP) != NULL;
  out->has_order = json_object_get(active, RK_UCP_ORDER) != NULL;
  out->has_refund = json_object_get(active, RK_UCP_REFUND) != NULL;
  if (!copy(out->travel_kind, sizeof out->travel_kind, rk_json_str(rk_json_obj(json_array_get(rk_json_arr(caps, RK_UCP_TRAVEL_KEY), 0), "config"), "kind")))
    out->travel_kind[0] = 0;
  out->has_change = json_object_get(active, RK_UCP_CHANGE) != NULL;
  read_lodging(ucp, active, out);
  read_identity(caps, out);
  json_decref(active);
  json_decref(ours);
  json_decref(caps);
}

rk_err rk_ucp_read_merchant(const json_t *profile, const char *origin, struct rk_ucp_merchant *out, struct rk_error *e) {
  *out = (struct rk_ucp_merchant){0};
  const json_t *ucp = rk_json_obj(profile, "ucp");
  rk_str version = rk_json_str(ucp, "version");
  if (!copy(out->origin, sizeof out->origin, rk_str_c(origin))) return rk_fail(e, RK_EINVAL, "the merchant's origin is too long");
  if (version.n == 0) return rk_fail(e, RK_EFORMAT, "%s: its UCP profile has no version", origin);
  for (int32_t i = 0; i < N_SPOKEN && !out->version; i++)
    if (rk_str_eq_c(version, spoken[i])) out->version = spoken[i];
  if (!out->version) return rk_fail(e, RK_EUPSTREAM, "%s: this profile is of UCP %.*s, which we do not speak", origin, RK_STR_ARG(version));
  const json_t *service = rest_service(ucp, RK_UCP_SERVICE, version, rk_str_c(origin));
  if (!service) return rk_fail(e, RK_EUPSTREAM, "%s offers no UCP %s REST service at its own origin", origin, out->version);
  if (!copy_endpoint(out->endpoint, sizeof out->endpoint, service)) return rk_fail(e, RK_EFORMAT, "%s: its endpoint is too long", origin);
  read_capabilities(ucp, out->version, out);
  if (!out->has_checkout) return rk_fail(e, RK_EUPSTREAM, "%s offers no checkout that we speak", origin);

  const json_t *config = rk_json_obj(service, "config");
  const char *host = strstr(origin, "://");
  host = host ? host + 3 : origin;
  if (!copy(out->id, sizeof out->id, rk_json_str(config, "merchant_id"))) snprintf(out->id, sizeof out->id, "%.60s", host);
  if (!copy(out->name, sizeof out->name, rk_json_str(config, "merchant_name"))) snprintf(out->name, sizeof out->name, "%.120s", host);
  if (!copy(out->name_en, sizeof out->name_en, rk_json_str(config, "merchant_name_en"))) out->name_en[0] = 0;
  out->signs_answers = rk_json_bool(config, "signed_responses", false);
  out->sandbox = rk_json_arr(rk_json_obj(ucp, "payment_handlers"), RK_PAYMENT_HANDLER) != NULL;
  first_thumbprint(profile, out->key_thumbprint);
  return RK_OK;
}

json_t *rk_ucp_capability_names(const struct rk_ucp_merchant *m) {
  const struct { bool has; const char *name; } all[] = {
      {m->has_checkout, RK_UCP_CHECKOUT}, {m->has_search, RK_UCP_SEARCH}, {m->has_lookup, RK_UCP_LOOKUP}, {m->has_order, RK_UCP_ORDER},
      {m->has_discount, RK_UCP_DISCOUNT}, {m->has_fulfillment, RK_UCP_FULFILLMENT}, {m->has_identity, RK_UCP_IDENTITY}, {m->has_refund, RK_UCP_REFUND}, {m->has_change, RK_UCP_CHANGE},
      {m->travel_kind[0] != 0, RK_UCP_TRAVEL_KEY}, {m->booking_endpoint[0] != 0, RK_UCP_BOOKING}};
  json_t *names = json_array();
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (all[i].has) json_array_append_new(names, json_string(all[i].name));
  return names;
}
