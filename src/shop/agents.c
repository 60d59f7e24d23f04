/* agents.c - who asks: the agent's profile, fetched, negotiated and kept; its signature. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "net/net.h"
#include "shop/private.h"
#include "trade/ucp.h"

/* The file that stands for an agent's address in the sandbox; NULL: it is fetched. */
static const char *known_file(const struct rk_shop *s, const char *url) {
  for (int32_t i = 0; s->o.sandbox && i < s->o.n_known; i++)
    if (strcmp(url, s->o.known[i].url) == 0) return s->o.known[i].path;
  return NULL;
}

static bool allowed(const struct rk_shop *s, const char *url) {
  char origin[256];
  if (rk_net_origin(url, origin, sizeof origin)) return false;
  for (int32_t i = 0; s->o.sandbox && i < s->o.n_agents; i++)
    if (rk_net_origin_matches(s->o.agents[i], origin)) return true;
  return strncmp(url, "https://", 8) == 0; /* the network guard refuses private addresses */
}

static rk_err fetch(struct rk_shop *s, const char *url, struct rk_buf *text, struct rk_error *e) {
  const char *file = known_file(s, url);
  return file ? rk_buf_read_file(text, file, e) : s->o.fetch(s->o.fetch_ud, url, text, e);
}

/* Where the agent wants its orders' changes. */
static void take_webhook(const json_t *capabilities, struct caller *c) {
  rk_str url = rk_json_str(rk_json_obj(json_array_get(rk_json_arr(capabilities, RK_UCP_ORDER), 0), "config"), "webhook_url");
  c->webhook_url[0] = 0;
  if (url.n == 0 || url.n >= sizeof c->webhook_url || memchr(url.p, 0, url.n)) return;
  memcpy(c->webhook_url, url.p, url.n);
  c->webhook_url[url.n] = 0;
}

/* A profile that was fetched. False: answered. */
static bool read_profile(struct rk_shop *s, const json_t *profile, struct caller *c, struct rk_shop_answer *answer) {
  const json_t *ucp = rk_json_obj(profile, "ucp"), *capabilities = rk_json_obj(ucp, "capabilities");
  json_t *keys = rk_ucp_keys(profile);
  if (!ucp || !capabilities || rk_json_str(ucp, "version").n != 10)
    answer_error(answer, 422, "profile_malformed", "the agent's profile has no ucp.version and ucp.capabilities");
  else if (!ucp_version_of(rk_json_str(ucp, "version"), &c->version))
    answer_error(answer, 422, "version_unsupported", "UCP %s is not supported; this business supports %s and %s", rk_json_cstr(ucp, "version", ""),
                 ucp_version_name(UCP_2026_04_08), ucp_version_name(UCP_2026_08_25));
  else {
    c->active = rk_ucp_negotiate(s->capabilities[c->version], capabilities);
    c->keys = keys ? json_deep_copy(keys) : json_array();
    take_webhook(capabilities, c);
  }
  return c->active && c->keys;
}

/* Fetches, validates, negotiates. */
static bool learn(struct rk_shop *s, const char *url, struct caller *c, struct rk_shop_answer *answer) {
  struct rk_error e = {0};
  struct rk_buf text;
  rk_buf_init(&text, RK_MAX_UCP_PROFILE_BYTES);
  rk_err err = fetch(s, url, &text, &e);
  json_t *profile = err ? NULL : rk_json_parse(rk_buf_str(&text), RK_MAX_UCP_PROFILE_BYTES, &e);
  rk_buf_release(&text);
  bool ok = false;
  if (err) answer_error(answer, 424, "profile_unreachable", "the agent's profile cannot be fetched: %s", e.msg);
  else if (!profile) answer_error(answer, 422, "profile_malformed", "the agent's profile is no JSON: %s", e.msg);
  else ok = read_profile(s, profile, c, answer);
  json_decref(profile);
  return ok;
}

/* Copies, because a json_t belongs to one thread. */
static void copy(struct caller *to, const struct caller *from) {
  *to = *from;
  to->active = json_deep_copy(from->active);
  to->keys = json_deep_copy(from->keys);
}

static void keep(struct rk_shop *s, const struct caller *c) {
  struct agent *place = &s->agents[0];
  for (int i = 0; i < MAX_AGENTS; i++) {
    if (strcmp(s->agents[i].caller.url, c->url) == 0) {
      place = &s->agents[i];
      break;
    }
    if (s->agents[i].known_ms < place->known_ms) place = &s->agents[i];
  }
  caller_release(&place->caller);
  copy(&place->caller, c);
  place->known_ms = rk_mono_ms() + 1;
}

static bool recall(struct rk_shop *s, struct caller *c) {
  for (int i = 0; i < MAX_AGENTS; i++) {
    const struct agent *a = &s->agents[i];
    if (strcmp(a->caller.url, c->url) != 0 || rk_mono_ms() - a->known_ms > AGENT_TTL_MS) continue;
    copy(c, &a->caller);
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
  if (!known_file(s, out->url) && !allowed(s, out->url)) {
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
  json_decref(c->grant);
  c->active = c->keys = c->grant = NULL;
}

/* ---- its signature ---- */

static enum rk_sig_fault check(const struct caller *c, const struct rk_http_message *m, struct rk_error *e) {
  struct rk_jwks *keys;
  struct rk_sig_info info;
  if (rk_jwks_read(c->keys, &keys, e)) return RK_SIG_NO_KEY;
  enum rk_sig_fault fault = rk_sig_verify(m, keys, &(struct rk_sig_policy){.now_s = rk_now_ms() / 1000}, &info, e);
  rk_jwks_free(keys);
  return fault;
}

static bool has_field(const struct rk_http_message *m, const char *name, rk_str *value) { return m->field && m->field(m->ud, name, value); }

bool caller_verify(struct rk_shop *s, const struct rk_shop_request *r, struct caller *c, struct rk_shop_answer *answer) {
  const struct rk_http_message *m = r->message;
  struct rk_error e = {0};
  rk_str value;
  if (!m) return true;
  if (has_field(m, "content-digest", &value) && rk_content_digest_check(value, m->body, &e)) {
    answer_error(answer, 400, "digest_mismatch", "%s", e.msg);
    return false;
  }
  if (!has_field(m, "signature-input", &value) && !has_field(m, "signature", &value)) return true;
  enum rk_sig_fault fault = check(c, m, &e);
  if (fault == RK_SIG_NO_KEY && s->o.fetch) { /* the agent may have a new one */
    struct caller fresh;
    if (!caller_find(s, r->agent, true, &fresh, answer)) return false;
    caller_release(c);
    *c = fresh;
    fault = check(c, m, &e);
  }
  c->is_signed = fault == RK_SIG_OK;
  if (fault) answer_error(answer, rk_sig_http(fault), rk_sig_code(fault), "%s", e.msg);
  return c->is_signed;
}
