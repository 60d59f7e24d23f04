/* agents.c - who asks: the agent's profile, fetched, negotiated and kept. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "net/net.h"
#include "shop/private.h"
#include "trade/payment_token.h"
#include "trade/ucp.h"

void answer_error(struct rk_shop_answer *out, int32_t status, const char *code, const char *fmt, ...) {
  char content[480];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(content, sizeof content, fmt, ap);
  va_end(ap);
  if (!rk_utf8_valid(rk_str_c(content))) snprintf(content, sizeof content, "the request holds text that is not valid UTF-8");
  out->status = status;
  out->body = json_pack("{s:s, s:s, s:[o]}", "code", code, "content", content, "messages", ucp_message("error", code, NULL, "unrecoverable", content));
}

/* ---- our own profile ---- */

static json_t *payment_handlers(void) {
  json_t *entry = json_pack("{s:s, s:s, s:s, s:s, s:[{s:s}, {s:s}]}", "id", RK_PAYMENT_HANDLER, "version", RK_UCP_VERSION,
                            "spec", "https://rukou.dev/ucp/sandbox-payment", "schema", "https://rukou.dev/ucp/sandbox-payment.json",
                            "available_instruments", "type", "card", "type", "wallet");
  return json_pack("{s:[o]}", RK_PAYMENT_HANDLER, entry);
}

json_t *shop_profile(const struct rk_shop *s) {
  char url[300];
  snprintf(url, sizeof url, "https://ucp.dev/%s", RK_UCP_VERSION);
  char spec[340], schema[340];
  snprintf(spec, sizeof spec, "%s/specification/overview", url);
  snprintf(schema, sizeof schema, "%s/services/shopping/rest.openapi.json", url);
  json_t *service = json_pack("{s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s, s:s}}", "version", RK_UCP_VERSION, "transport", "rest", "spec", spec,
                              "schema", schema, "endpoint", s->origin, "config", "merchant_id", s->catalog.name,
                              "merchant_name", s->catalog.title.zh, "merchant_name_en", s->catalog.title.en);
  json_t *ucp = json_pack("{s:s, s:{s:[o]}, s:O, s:o}", "version", RK_UCP_VERSION, "services", RK_UCP_SERVICE, service, "capabilities",
                          s->capabilities, "payment_handlers", payment_handlers());
  json_t *keys = json_pack("[o]", rk_ucp_jwk(s->key));
  return json_pack("{s:o, s:O, s:o}", "ucp", ucp, "signing_keys", keys, "keys", keys);
}

json_t *ucp_envelope(const struct rk_shop *s, const struct caller *c, const char *root) {
  json_t *caps = json_object(), *v;
  const char *name;
  json_object_foreach(c->active, name, v) {
    const char *extends = rk_json_cstr(json_array_get(json_object_get(s->capabilities, name), 0), "extends", "");
    if (strcmp(name, root) == 0 || strcmp(extends, root) == 0) json_object_set(caps, name, v);
  }
  json_t *ucp = json_pack("{s:s, s:s, s:o}", "version", RK_UCP_VERSION, "status", "success", "capabilities", caps);
  if (strcmp(root, RK_UCP_CHECKOUT) == 0) json_object_set_new(ucp, "payment_handlers", payment_handlers());
  return ucp;
}

json_t *ucp_message(const char *type, const char *code, const char *path, const char *severity, const char *content) {
  return json_pack("{s:s, s:s, s:s*, s:s, s:s*}", "type", type, "code", code, "path", path, "content", content, "severity", severity);
}

json_t *ucp_refusal(const char *code, const char *severity, const char *content) {
  return json_pack("{s:{s:s, s:s}, s:[o]}", "ucp", "version", RK_UCP_VERSION, "status", "error", "messages",
                   ucp_message("error", code, NULL, severity, content));
}

/* ---- the agent's ---- */

static bool allowed(const struct rk_shop *s, const char *url) {
  char origin[256];
  if (rk_net_origin(url, origin, sizeof origin)) return false;
  for (int32_t i = 0; s->o.sandbox && i < s->o.n_agents; i++)
    if (strcmp(origin, s->o.agents[i]) == 0) return true;
  return strncmp(url, "https://", 8) == 0; /* the network guard refuses private addresses */
}

/* Fetches, validates, negotiates. */
static bool learn(struct rk_shop *s, const char *url, struct caller *c, struct rk_shop_answer *answer) {
  struct rk_error e = {0};
  struct rk_buf text;
  rk_buf_init(&text, RK_MAX_UCP_PROFILE_BYTES);
  rk_err err = s->o.fetch(s->o.fetch_ud, url, &text, &e);
  json_t *profile = err ? NULL : rk_json_parse(rk_buf_str(&text), RK_MAX_UCP_PROFILE_BYTES, &e), *ucp = rk_json_obj(profile, "ucp");
  rk_buf_release(&text);
  if (err) answer_error(answer, 424, "profile_unreachable", "the agent's profile cannot be fetched: %s", e.msg);
  else if (!profile) answer_error(answer, 422, "profile_malformed", "the agent's profile is no JSON: %s", e.msg);
  else if (!ucp || !rk_json_obj(ucp, "capabilities") || rk_json_str(ucp, "version").n != 10)
    answer_error(answer, 422, "profile_malformed", "the agent's profile has no ucp.version and ucp.capabilities");
  else if (!rk_str_eq(rk_json_str(ucp, "version"), RK_STR(RK_UCP_VERSION)))
    answer_error(answer, 422, "version_unsupported", "UCP %s is not supported; this business supports %s", rk_json_cstr(ucp, "version", ""), RK_UCP_VERSION);
  else {
    json_t *keys = rk_ucp_keys(profile);
    c->active = rk_ucp_negotiate(s->capabilities, rk_json_obj(ucp, "capabilities"));
    c->keys = keys ? json_deep_copy(keys) : json_array();
  }
  json_decref(profile);
  return c->active && c->keys;
}

static void keep(struct rk_shop *s, const struct caller *c) {
  struct agent *place = &s->agents[0];
  for (int i = 0; i < MAX_AGENTS; i++) {
    if (strcmp(s->agents[i].url, c->url) == 0) {
      place = &s->agents[i];
      break;
    }
    if (s->agents[i].known_ms < place->known_ms) place = &s->agents[i];
  }
  json_decref(place->active);
  json_decref(place->keys);
  snprintf(place->url, sizeof place->url, "%s", c->url);
  place->active = json_deep_copy(c->active);
  place->keys = json_deep_copy(c->keys);
  place->known_ms = rk_mono_ms() + 1;
}

/* Copies, because a json_t belongs to one thread. */
static bool recall(struct rk_shop *s, struct caller *c) {
  for (int i = 0; i < MAX_AGENTS; i++) {
    const struct agent *a = &s->agents[i];
    if (strcmp(a->url, c->url) != 0 || rk_mono_ms() - a->known_ms > AGENT_TTL_MS) continue;
    c->active = json_deep_copy(a->active);
    c->keys = json_deep_copy(a->keys);
    return c->active && c->keys;
  }
  return false;
}

bool caller_find(struct rk_shop *s, rk_str header, bool fresh, struct caller *out, struct rk_shop_answer *answer) {
  *out = (struct caller){0};
  if (!rk_ucp_agent_url(header, out->url, sizeof out->url)) {
    answer_error(answer, 400, "invalid_profile_url", "UCP-Agent: profile=\"URL\" is missing");
    return false;
  }
  if (!allowed(s, out->url)) {
    answer_error(answer, 400, "invalid_profile_url", "an agent's profile is read over https only%s",
                 s->o.sandbox ? ", or from an origin given with --agent" : "");
    return false;
  }
  pthread_mutex_lock(&s->lock);
  bool known = !fresh && recall(s, out);
  pthread_mutex_unlock(&s->lock);
  if (known) return true;
  if (!learn(s, out->url, out, answer)) {
    caller_release(out);
    return false;
  }
  pthread_mutex_lock(&s->lock);
  keep(s, out);
  pthread_mutex_unlock(&s->lock);
  return true;
}

void caller_release(struct caller *c) {
  json_decref(c->active);
  json_decref(c->keys);
  c->active = c->keys = NULL;
}
