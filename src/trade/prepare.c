/* prepare.c - from an offer to an approval: the merchant's checkout at its best. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "trade/internal.h"

static rk_err check_request(const struct rk_prepare *p, struct rk_error *e) {
  if (!p->address.street || !*p->address.street)
    return rk_fail(e, RK_EINVAL, "there is no delivery address: ask the user which address, or have the profile filled in");
  if (p->offer->quantity < 1 || p->offer->quantity > RK_MAX_QUANTITY) return rk_fail(e, RK_EINVAL, "the offer is not priced");
  return RK_OK;
}

struct attempt {
  struct rk_trade *t;
  const struct rk_prepare *p;
  struct rk_arena *arena;
  struct rk_line line;
  struct rk_checkout best;
  const char *best_code;    /* NULL: without one */
  int64_t best_total;
};

static struct rk_checkout_req request(struct attempt *a, const char *const *code) {
  const struct rk_offer *o = a->p->offer;
  return (struct rk_checkout_req){.origin = o->origin, .lang = a->p->lang, .lines = &a->line, .n_lines = 1, .address = a->p->address,
                                  .delivery_id = o->delivery ? o->delivery->id : NULL, .codes = code, .n_codes = code && *code ? 1 : 0};
}

static rk_err create(struct attempt *a, const char *code, struct rk_error *e) {
  struct rk_checkout_req q = request(a, &code);
  rk_err err = rk_merchant_checkout_create(a->t->merchants, &q, a->arena, &a->best, e);
  if (!err) err = rk_terms_total(&a->best, &a->best_total, e);
  if (!err) a->best_code = code;
  return err;
}

/* Sets another code; keeps what comes back when it is cheaper. */
static rk_err try_code(struct attempt *a, const char *code, struct rk_error *e) {
  struct rk_checkout_req q = request(a, &code);
  struct rk_checkout co = {0};
  int64_t total = 0;
  rk_err err = rk_merchant_checkout_update(a->t->merchants, a->best.id, &q, a->arena, &co, e);
  if (!err) err = rk_terms_total(&co, &total, e);
  if (err || total > a->best_total) return err;
  a->best = co;
  a->best_total = total;
  a->best_code = code;
  return RK_OK;
}

static bool same(const char *a, const char *b) { return strcmp(a ? a : "", b ? b : "") == 0; }

static bool fits(const struct rk_offer *o, const struct rk_coupon *c) { return c != o->coupon && o->subtotal.minor >= c->min_subtotal_minor; }

/* Each code alone, the one that looks best first. What the shop lists is a claim: its total decides. */
static rk_err best_checkout(struct attempt *a, struct rk_error *e) {
  const struct rk_offer *o = a->p->offer;
  const char *set = o->coupon ? o->coupon->code : NULL;
  rk_err err = create(a, set, e);
  if (err && set) err = create(a, set = NULL, e);
  if (err) return err;
  int32_t tried = set ? 1 : 0;
  for (int32_t i = 0; i < o->n_coupons && tried < RK_MAX_DISCOUNT_CODES; i++) {
    if (!fits(o, &o->coupons[i])) continue;
    tried++;
    set = o->coupons[i].code;
    (void)try_code(a, set, NULL); /* a code that the shop refuses costs nothing */
  }
  return same(set, a->best_code) ? RK_OK : try_code(a, a->best_code, e);
}

static rk_err check_line(const struct attempt *a, struct rk_error *e) {
  const struct rk_checkout *co = &a->best;
  const struct rk_offer *o = a->p->offer;
  if (co->n_lines != 1 || !same(co->lines[0].item_id, o->item_id) || co->lines[0].quantity != o->quantity)
    return rk_fail(e, RK_EUPSTREAM, "%s put other things into the checkout than were asked for", o->shop_name);
  if (strcmp(co->currency, o->unit_price.currency) != 0)
    return rk_fail(e, RK_EUPSTREAM, "%s offered in %s and asks for %s", o->shop_name, o->unit_price.currency, co->currency);
  const struct rk_address *to = &a->p->address;
  if (!same(co->origin, o->origin) || !same(co->address.street, to->street) || !same(co->address.city, to->city))
    return rk_fail(e, RK_EUPSTREAM, "%s answered with another origin or address than was asked for", o->shop_name);
  return RK_OK;
}

/* We have no means of payment that this merchant takes, or it wants the buyer itself. */
static bool wants_buyer(const struct rk_checkout *co) { return co->continue_url && (co->status == RK_CO_ESCALATION || (co->status == RK_CO_READY && !co->sandbox)); }

/* Said as an event, whatever the model makes of it: where the user goes on, with what it will cost there. The checkout stays open. */
static rk_err hand_over(const struct attempt *a, struct rk_error *e) {
  const struct rk_checkout *co = &a->best;
  const struct rk_prepare *p = a->p;
  char total[40];
  struct rk_money m = {.minor = a->best_total};
  memcpy(m.currency, co->currency, sizeof m.currency);
  rk_money_text(m, total);
  json_t *turn = json_pack("{s:s, s:s, s:s}", "user_id", p->user_id, "chat_id", p->chat_id, "turn_id", p->turn_id);
  json_t *data = json_pack("{s:s, s:s, s:o, s:s, s:s, s:I, s:s}", "level", "info", "code", "hand_over", "text",
                           json_sprintf(p->lang && strcmp(p->lang, "zh") == 0 ? "%s：%s，%s。请在商家自己的页面付款：%s" : "%s: %s, %s. Pay on the shop's own page: %s",
                                        co->merchant_name, a->line.title, total, co->continue_url), "url", co->continue_url, "merchant_origin",
                           co->origin, "total_minor", (json_int_t)a->best_total, "currency", co->currency);
  rk_err err = data ? rk_trade_event(a->t, turn, "notice", data, e) : rk_fail(e, RK_EFORMAT, "%s: a text of its checkout is not valid UTF-8", co->merchant_name);
  json_decref(turn);
  return err ? err : rk_fail(e, RK_EPAYMENT, "%s takes the payment on its own page; go on there: %s", co->merchant_name, co->continue_url);
}

/* The user's limits, on the merchant's own figures. */
static rk_err check_limits(const struct attempt *a, bool demo, struct rk_error *e) {
  const struct rk_checkout *co = &a->best;
  const char *shop = a->p->offer->shop_name, *by = a->p->deliver_by;
  if (demo && !co->sandbox)
    return rk_fail(e, RK_EINVAL, "%s is a real shop and the profile is the demo one: fill in your own profile first", shop);
  if (co->status != RK_CO_READY && !wants_buyer(co))
    return rk_fail(e, RK_EUPSTREAM, "%s does not take this order: %s", shop, co->n_messages ? co->messages[0] : "it gave no reason");
  if (by && *by && (!co->delivery || !co->delivery->date[0] || strcmp(co->delivery->date, by) > 0))
    return rk_fail(e, RK_EINVAL, "%s cannot deliver by %s", shop, by);
  if (a->p->max_total_minor > 0 && a->best_total > a->p->max_total_minor) {
    char total[40], over[40];
    struct rk_money m = {.minor = a->best_total};
    memcpy(m.currency, co->currency, sizeof m.currency);
    rk_money_text(m, total);
    m.minor -= a->p->max_total_minor;
    rk_money_text(m, over);
    return rk_fail(e, RK_EINVAL, "the total at %s is %s, %s over the limit", shop, total, over);
  }
  return wants_buyer(co) ? hand_over(a, e) : RK_OK;
}

static json_t *chosen(const struct rk_offer *o) {
  json_t *options = json_object();
  for (int32_t i = 0; i < o->n_options; i++) json_object_set_new(options, o->options[i].name, json_string(o->options[i].value));
  return json_pack("[{s:s, s:o}]", "item_id", o->item_id, "options", options);
}

/* What an edit may choose from, and in which language it asks. */
json_t *rk_trade_asked(const struct rk_checkout *co, const char *lang) {
  json_t *list = json_array(), *asked = json_object();
  for (int32_t i = 0; i < co->n_deliveries; i++) {
    const struct rk_delivery *d = &co->deliveries[i];
    json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:s}", "id", d->id, "title", d->title, "fee_minor", (json_int_t)d->fee.minor, "date", d->date));
  }
  json_object_set_new(asked, "deliveries", list);
  if (lang) json_object_set_new(asked, "lang", json_string(lang));
  return asked;
}

static const char *attribute(const struct rk_offer *o, const char *name) {
  for (int32_t i = 0; i < o->n_attrs; i++)
    if (strcmp(o->attrs[i].name, name) == 0) return o->attrs[i].value;
  return NULL;
}

int64_t rk_trade_expiry(const struct rk_checkout *co) {
  int64_t own = rk_now_ms() + RK_APPROVAL_TTL_MS;
  return co->expires_ms > 0 && co->expires_ms < own ? co->expires_ms : own;
}

static rk_err propose(struct attempt *a, const json_t *profile, json_t **approval, struct rk_error *e) {
  const struct rk_prepare *p = a->p;
  bool demo = rk_json_bool(profile, "demo", false);
  json_t *instrument = rk_trade_instrument(profile, p->instrument_id);
  rk_err err = check_line(a, e);
  if (!err) err = check_limits(a, demo, e);
  if (!err && rk_trade_expiry(&a->best) <= rk_now_ms()) err = rk_fail(e, RK_EUPSTREAM, "the checkout of %s has expired already", p->offer->shop_name);
  if (err) return err;
  json_t *lines = chosen(p->offer);
  json_t *paid_with = json_pack("{s:s, s:s, s:s}", "id", rk_json_cstr(instrument, "id", ""), "kind", rk_json_cstr(instrument, "kind", ""), "label",
                                rk_json_cstr(instrument, "label", ""));
  if (p->lang && strcmp(p->lang, "en") == 0 && a->best.merchant_name_en) a->best.merchant_name = a->best.merchant_name_en;
  json_t *terms = rk_terms_project(&a->best, &(struct rk_terms_extra){lines, paid_with, rk_trade_expiry(&a->best)}, e);
  json_t *asked = rk_trade_asked(&a->best, p->lang);
  if (terms)
    err = rk_trade_store_approval(a->t, &(struct rk_draft){.user_id = p->user_id, .chat_id = p->chat_id, .turn_id = p->turn_id, .origin = a->best.origin,
        .checkout_id = a->best.id, .terms = terms, .demo = demo, .asked = asked, .ask = p->in_plan, .category_claimed = attribute(p->offer, "category"), .category_own = p->category}, approval, e);
  else err = RK_EUPSTREAM;
  json_decref(asked);
  json_decref(terms);
  json_decref(paid_with);
  json_decref(lines);
  return err;
}

rk_err rk_trade_prepare(struct rk_trade *t, const struct rk_prepare *p, json_t **approval, struct rk_error *e) {
  *approval = NULL;
  rk_err err = check_request(p, e);
  if (err) return err;
  json_t *profile = rk_store_profile(t->store, p->user_id);
  struct attempt a = {.t = t, .p = p, .arena = rk_arena_new(RK_TRADE_ARENA_BYTES)};
  a.line = (struct rk_line){.item_id = p->offer->item_id, .title = p->offer->title, .options = p->offer->options, .n_options = p->offer->n_options,
                            .quantity = p->offer->quantity, .unit_minor = p->offer->unit_price.minor};
  if (!a.arena) err = rk_fail(e, RK_ENOMEM, "out of memory");
  else if (!rk_trade_instrument(profile, p->instrument_id))
    err = rk_fail(e, RK_EINVAL, "there is no such payment method in the profile%s%s", p->instrument_id ? ": " : "", p->instrument_id ? p->instrument_id : "");
  if (!err) err = best_checkout(&a, e);
  if (!err) rk_trade_step(t, RK_STEP_CHECKOUT);
  if (!err) {
    err = propose(&a, profile, approval, e);
    if (err && err != RK_EPAYMENT && rk_merchant_checkout_cancel(t->merchants, a.best.origin, a.best.id, NULL)) /* frees what the shop holds for us */
      rk_log(RK_LOG_INFO, "trade", "the checkout at %s was not cancelled", p->offer->origin);
  }
  rk_arena_free(a.arena);
  json_decref(profile);
  return err;
}
