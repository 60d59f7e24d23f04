/* profile.c - what a shop says of itself: a profile for each version that it
 * serves, and the envelope and errors of its answers.
 *
 * The root profile is that of the first version and names where the others
 * stand (supported_versions); each of those is complete by itself. Keys stand
 * where both versions look for them. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "shop/private.h"
#include "trade/ucp.h"

#define OURS "https://rukou.example" /* the authority of example.rukou.* */

enum { URL_BYTES = 340 };

static const char *const versions[UCP_VERSIONS] = {"2026-04-08", "2026-08-25"};

const char *ucp_version_name(enum ucp_version v) { return versions[v]; }

bool ucp_version_of(rk_str name, enum ucp_version *out) {
  for (int i = 0; i < UCP_VERSIONS; i++)
    if (rk_str_eq_c(name, versions[i])) {
      *out = (enum ucp_version)i;
      return true;
    }
  return false;
}

/* ---- capabilities ---- */

#define CHECKOUT_AND_CART RK_UCP_CHECKOUT " " RK_UCP_CART

static const struct { const char *name, *area, *page[UCP_VERSIONS], *schema, *extends[UCP_VERSIONS]; } standard[] = {
  {RK_UCP_CHECKOUT, "shopping", {"checkout", "shopping/checkout"}, "checkout", {NULL}},
  {RK_UCP_CART, "shopping", {"cart", "shopping/cart"}, "cart", {NULL}},
  {RK_UCP_ORDER, "shopping", {"order", "shopping/order"}, "order", {NULL}},
  {RK_UCP_SEARCH, "shopping", {"catalog/search", "shopping/catalog/search"}, "catalog_search", {NULL}},
  {RK_UCP_LOOKUP, "shopping", {"catalog/lookup", "shopping/catalog/lookup"}, "catalog_lookup", {NULL}},
  {RK_UCP_FULFILLMENT, "shopping", {"fulfillment", "shopping/fulfillment"}, "fulfillment", {RK_UCP_CHECKOUT, RK_UCP_CHECKOUT}},
  {RK_UCP_DISCOUNT, "shopping", {"discount", "shopping/discount"}, "discount", {CHECKOUT_AND_CART, CHECKOUT_AND_CART}},
  {RK_UCP_CONSENT, "shopping", {"buyer-consent", "shopping/buyer-consent"}, "buyer_consent", {RK_UCP_CHECKOUT, CHECKOUT_AND_CART}},
  {RK_UCP_IDENTITY, "common", {"identity-linking", "common/identity-linking"}, "identity_linking", {NULL}}};

static json_t *extends_json(const char *names) {
  rk_str first, second;
  if (!rk_str_cut(rk_str_c(names), ' ', &first, &second)) return json_stringn(first.p, first.n);
  return json_pack("[s%, s%]", first.p, first.n, second.p, second.n);
}

static json_t *declaration(size_t i, enum ucp_version v) {
  char spec[URL_BYTES], schema[URL_BYTES];
  snprintf(spec, sizeof spec, "https://ucp.dev/%s/specification/%s", versions[v], standard[i].page[v]);
  snprintf(schema, sizeof schema, "https://ucp.dev/%s/schemas/%s/%s.json", versions[v], standard[i].area, standard[i].schema);
  json_t *entry = json_pack("{s:s, s:s, s:s}", "version", versions[v], "spec", spec, "schema", schema);
  if (standard[i].extends[v]) json_object_set_new(entry, "extends", extends_json(standard[i].extends[v]));
  if (strcmp(standard[i].name, RK_UCP_IDENTITY) == 0) json_object_set_new(entry, "config", json_pack("{s:o}", "scopes", oauth_scopes()));
  return json_pack("[o]", entry);
}

/* Ours have versions of their own: the date of the protocol that an agent speaks it with, whichever. */
static json_t *own(const char *name, const char *kind) {
  json_t *list = json_array();
  const char *last = strrchr(name, '.') + 1;
  for (int v = 0; v < UCP_VERSIONS; v++) {
    char spec[URL_BYTES], schema[URL_BYTES];
    snprintf(spec, sizeof spec, OURS "/specification/%s", last);
    snprintf(schema, sizeof schema, OURS "/schemas/%s.json", last);
    json_t *entry = json_pack("{s:s, s:s, s:s}", "version", versions[v], "spec", spec, "schema", schema);
    if (kind) json_object_set_new(entry, "config", json_pack("{s:s}", "kind", kind)); /* so that an agent knows which sellers to ask for trains */
    json_array_append_new(list, entry);
  }
  return list;
}

static bool has_lodging(const struct rk_shop *s, enum ucp_version v) {
  return s->catalog.travel && rk_travel_kind(s->catalog.travel) == RK_TRAVEL_STAY && v >= UCP_2026_08_25;
}

json_t *shop_capabilities(const struct rk_shop *s, enum ucp_version v) {
  static const char *const kinds[] = {[RK_TRAVEL_TRAIN] = "train", [RK_TRAVEL_FLIGHT] = "flight", [RK_TRAVEL_STAY] = "stay",
                                      [RK_TRAVEL_TICKET] = "ticket", [RK_TRAVEL_FILM] = "film"};
  json_t *caps = json_object();
  for (size_t i = 0; i < sizeof standard / sizeof *standard; i++)
    if (strcmp(standard[i].name, RK_UCP_IDENTITY) != 0 || oauth_is_offered(s)) json_object_set_new(caps, standard[i].name, declaration(i, v));
  json_object_set_new(caps, RK_UCP_REFUND, own(RK_UCP_REFUND, NULL));
  if (oauth_is_offered(s)) json_object_set_new(caps, RK_UCP_ACCOUNT, own(RK_UCP_ACCOUNT, NULL));
  if (s->catalog.travel) json_object_set_new(caps, RK_UCP_TRAVEL_KEY, own(RK_UCP_TRAVEL_KEY, kinds[rk_travel_kind(s->catalog.travel)]));
  if (s->catalog.travel && s->catalog.change_rule.zh[0]) {
    json_t *list = own(RK_UCP_CHANGE, NULL), *entry;
    size_t i;
    json_array_foreach(list, i, entry) json_object_set_new(entry, "extends", json_string(RK_UCP_CHECKOUT));
    json_object_set_new(caps, RK_UCP_CHANGE, list);
  }
  if (has_lodging(s, v)) rk_ucp_declare_lodging(caps);
  return caps;
}

/* ---- profiles ---- */

static void profile_url(const struct rk_shop *s, enum ucp_version v, const char *rest, char out[URL_BYTES]) {
  if (v == UCP_2026_04_08) snprintf(out, URL_BYTES, "%s%s", s->origin, rest);
  else snprintf(out, URL_BYTES, "%s/v%s%s", s->origin, versions[v], rest);
}

json_t *shop_profile(const struct rk_shop *s, enum ucp_version v, bool root) {
  char spec[URL_BYTES], schema[URL_BYTES], endpoint[URL_BYTES];
  snprintf(spec, sizeof spec, "https://ucp.dev/%s/specification/overview", versions[v]);
  snprintf(schema, sizeof schema, "https://ucp.dev/%s/services/shopping/rest.openapi.json", versions[v]);
  profile_url(s, v, "", endpoint);
  json_t *service = json_pack("{s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s, s:s, s:b}}", "version", versions[v], "transport", "rest", "spec", spec,
                              "schema", schema, "endpoint", endpoint, "config", "merchant_id", s->catalog.name,
                              "merchant_name", s->catalog.title.zh, "merchant_name_en", s->catalog.title.en, "signed_responses", 1);
  json_t *keys = json_pack("[o]", rk_ucp_jwk(s->key));
  json_t *ucp = json_pack("{s:s, s:{s:[o]}, s:O, s:o}", "version", versions[v], "services", RK_UCP_SERVICE, service, "capabilities",
                          s->capabilities[v], "payment_handlers", payment_handlers(s, NULL));
  if (has_lodging(s, v)) json_object_set_new(rk_json_obj(ucp, "services"), RK_UCP_LODGING, rk_ucp_lodging_service(endpoint));
  if (root) {
    json_t *others = json_object();
    for (int k = 0; k < UCP_VERSIONS; k++) {
      char url[URL_BYTES];
      profile_url(s, (enum ucp_version)k, "/.well-known/ucp", url);
      if (k != (int)v) json_object_set_new(others, versions[k], json_string(url));
    }
    json_object_set_new(ucp, "supported_versions", others);
  }
  return json_pack("{s:o, s:O, s:o}", "ucp", ucp, "signing_keys", keys, "keys", keys);
}

/* ---- answers ---- */

static bool extends(const json_t *entry, const char *root) {
  json_t *parents = json_object_get(entry, "extends"), *v;
  size_t i;
  if (json_is_string(parents)) return strcmp(json_string_value(parents), root) == 0;
  json_array_foreach(parents, i, v)
    if (json_is_string(v) && strcmp(json_string_value(v), root) == 0) return true;
  return false;
}

json_t *ucp_envelope(const struct rk_shop *s, const struct caller *c, const char *root) {
  json_t *caps = json_object(), *v;
  const char *name;
  json_object_foreach(c->active, name, v)
    if (strcmp(name, root) == 0 || extends(json_array_get(json_object_get(s->capabilities[c->version], name), 0), root)) json_object_set(caps, name, v);
  return json_pack("{s:s, s:s, s:o}", "version", versions[c->version], "status", "success", "capabilities", caps);
}

json_t *ucp_message(const char *type, const char *code, const char *path, const char *severity, const char *content) {
  return json_pack("{s:s, s:s, s:s*, s:s, s:s*}", "type", type, "code", code, "path", path, "content", content, "severity", severity);
}

json_t *ucp_refusal(const char *code, const char *severity, const char *content) {
  return json_pack("{s:{s:s, s:s}, s:[o]}", "ucp", "version", versions[0], "status", "error", "messages",
                   ucp_message("error", code, NULL, severity, content));
}

void answer_error(struct rk_shop_answer *out, int32_t status, const char *code, const char *fmt, ...) {
  char content[480];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(content, sizeof content, fmt, ap);
  va_end(ap);
  if (!rk_utf8_valid(rk_str_c(content))) snprintf(content, sizeof content, "the request holds text that is not valid UTF-8");
  json_decref(out->body);
  out->status = status;
  out->body = json_pack("{s:s, s:s}", "code", code, "content", content);
}
