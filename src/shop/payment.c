/* payment.c - what this shop is paid by.
 *
 *   dev.rukou.sandbox          a token signed by the agent's key over exactly this payment; only in the sandbox
 *   example.rukou.on_delivery  to the courier or at the counter, up to the shop's limit
 *   example.rukou.testing      tokens with a fixed outcome; only with --testing
 *
 * Without any of them a checkout ends in requires_escalation and its continue_url. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "shop/session.h"
#include "trade/payment_token.h"
#include "trade/ucp.h"

#define ON_DELIVERY RK_UCP_ON_DELIVERY
#define TESTING "example.rukou.testing"

static json_t *declaration(const char *id, const char *authority, const char *page, const char *const *types) {
  json_t *instruments = json_array();
  char spec[200], schema[200];
  for (; *types; types++) json_array_append_new(instruments, json_pack("{s:s}", "type", *types));
  snprintf(spec, sizeof spec, "https://%s/ucp/%s", authority, page);
  snprintf(schema, sizeof schema, "https://%s/ucp/%s.json", authority, page);
  return json_pack("[{s:s, s:s, s:s, s:s, s:o}]", "id", id, "version", RK_UCP_VERSION, "spec", spec, "schema", schema, "available_instruments", instruments);
}

/* x: what would be paid for; NULL: whatever the shop sells. */
static bool takes_on_delivery(const struct rk_shop *s, const struct session *x) {
  return s->catalog.on_delivery_max_minor > 0 && !s->catalog.travel && (!x || x->total <= s->catalog.on_delivery_max_minor);
}

bool payment_on_a_page(const struct rk_shop *s, const struct session *x) { return !s->o.sandbox && takes_on_delivery(s, x); }

json_t *payment_handlers(const struct rk_shop *s, const struct session *x) {
  json_t *out = json_object();
  if (s->o.sandbox)
    json_object_set_new(out, RK_PAYMENT_HANDLER, declaration(RK_PAYMENT_HANDLER, "rukou.dev", "sandbox-payment", (const char *const[]){"card", "wallet", NULL}));
  if (takes_on_delivery(s, x))
    json_object_set_new(out, ON_DELIVERY, declaration(ON_DELIVERY, "rukou.example", "on-delivery", (const char *const[]){"on_delivery", NULL}));
  if (s->o.testing) json_object_set_new(out, TESTING, declaration(TESTING, "rukou.example", "testing", (const char *const[]){"card", NULL}));
  return out;
}

static const json_t *chosen_instrument(const json_t *body) {
  json_t *list = rk_json_arr(rk_json_obj(body, "payment"), "instruments"), *v;
  size_t i;
  json_array_foreach(list, i, v)
    if (rk_json_bool(v, "selected", false)) return v;
  return json_array_get(list, 0);
}

rk_str completion_token(const json_t *body) { return rk_json_str(rk_json_obj(chosen_instrument(body), "credential"), "token"); }

/* The token pays exactly this checkout, here, now. NULL: it does. */
static const char *token_fault(const struct rk_shop *s, const struct session *x, const json_t *instrument, const struct rk_payment_claims *p) {
  if (!rk_str_eq_c(rk_json_str(instrument, "type"), p->kind)) return "The instrument is not the one that was authorised";
  if (strcmp(p->kind, "card") != 0 && strcmp(p->kind, "wallet") != 0) return "This kind of instrument is not taken here";
  if (strcmp(p->origin, s->origin) != 0) return "The payment was authorised for another merchant";
  if (strcmp(p->checkout_id, x->id) != 0) return "The payment was authorised for another checkout";
  if (strcmp(p->currency, s->catalog.currency) != 0 || p->amount_minor != x->total) return "The payment was authorised for another amount";
  return NULL;
}

static enum payment_outcome refused(struct payment *p, const char *zh, const char *en) {
  p->fault = (struct rk_text){zh, en};
  return PAYMENT_REFUSED;
}

static enum payment_outcome by_token(struct rk_shop *s, const struct caller *c, const struct session *x, const json_t *body, struct payment *p) {
  struct rk_payment_claims claims;
  struct rk_error e = {0};
  if (rk_payment_token_verify(completion_token(body), c->keys, rk_now_ms(), &claims, &e)) {
    snprintf(p->text, sizeof p->text, "%s", e.msg);
    return refused(p, p->text, p->text);
  }
  const char *fault = token_fault(s, x, p->instrument, &claims);
  if (fault) return refused(p, fault, fault);
  if (rk_shop_store_is_charged(s->db, claims.jti)) return refused(p, "该付款凭证已被使用", "This payment was used before");
  memcpy(p->jti, claims.jti, sizeof p->jti);
  memcpy(p->kind, claims.kind, sizeof p->kind);
  return PAYMENT_TAKEN;
}

static enum payment_outcome by_testing(const json_t *body, struct payment *p) {
  rk_str token = completion_token(body);
  snprintf(p->kind, sizeof p->kind, "testing");
  if (rk_str_eq(token, RK_STR("success_token"))) return PAYMENT_TAKEN;
  if (rk_str_eq(token, RK_STR("escalate_token"))) return PAYMENT_ESCALATED;
  return refused(p, "银行拒绝了付款", "The bank declined the payment");
}

static const char *handler_of(const struct rk_shop *s, const json_t *instrument) {
  rk_str named = rk_json_str(instrument, "handler_id");
  if (rk_str_eq(named, RK_STR(RK_PAYMENT_HANDLER))) return RK_PAYMENT_HANDLER;
  if (rk_str_eq(named, RK_STR(ON_DELIVERY))) return ON_DELIVERY;
  /* Test suites leave out the id that the schema requires; with a test credential only one handler can be meant. */
  bool plain = s->o.testing && named.n == 0 && rk_str_eq(rk_json_str(rk_json_obj(instrument, "credential"), "type"), RK_STR("token"));
  return plain || rk_str_eq(named, RK_STR(TESTING)) ? TESTING : "";
}

enum payment_outcome payment_take(struct rk_shop *s, const struct caller *c, const struct session *x, const json_t *body, struct payment *p) {
  *p = (struct payment){.instrument = chosen_instrument(body)};
  json_t *offered = payment_handlers(s, x);
  const char *handler = handler_of(s, p->instrument);
  bool none = json_object_size(offered) == 0, known = json_object_get(offered, handler) != NULL;
  json_decref(offered);
  rk_uuid7(p->jti);
  if (none) return PAYMENT_ESCALATED;
  if (!known) return refused(p, "本店不接受这种付款方式", "This payment handler is not offered for this order");
  if (strcmp(handler, RK_PAYMENT_HANDLER) == 0) return by_token(s, c, x, body, p);
  if (strcmp(handler, TESTING) == 0) return by_testing(body, p);
  snprintf(p->kind, sizeof p->kind, "on_delivery");
  return PAYMENT_TAKEN;
}

void payment_continue_url(const struct rk_shop *s, const char *checkout_id, char out[RK_MAX_CONTINUE_URL]) {
  rk_str pattern = rk_str_c(s->catalog.continue_url);
  ptrdiff_t at = rk_str_find(pattern, RK_STR("{id}"));
  if (pattern.n == 0) snprintf(out, RK_MAX_CONTINUE_URL, "%s/pay/%s", s->origin, checkout_id);
  else if (at < 0) snprintf(out, RK_MAX_CONTINUE_URL, "%s", pattern.p);
  else snprintf(out, RK_MAX_CONTINUE_URL, "%.*s%s%s", (int)at, pattern.p, checkout_id, pattern.p + at + 4);
}
