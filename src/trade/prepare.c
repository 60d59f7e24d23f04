/* prepare.c - from an offer to an approval: the merchant's checkout at its best. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "trade/internal.h"

static int32_t n_lines(const struct rk_prepare *p) { return 1 + p->n_more; }
static const struct rk_offer *line_offer(const struct rk_prepare *p, int32_t i) { return i ? p->more[i - 1] : p->offer; }
static bool same(const char *a, const char *b) { return strcmp(a ? a : "", b ? b : "") == 0; }

static rk_err check_request(const struct rk_prepare *p, struct rk_error *e) {
  if (!p->offer->travel_kind && (!p->address.street || !*p->address.street))
    return rk_fail(e, RK_EINVAL, "there is no delivery address: ask the user which address, or have the profile filled in");
  if (p->n_more < 0 || n_lines(p) > RK_MAX_LINE_ITEMS) return rk_fail(e, RK_EINVAL, "a checkout has 1 to %d lines", RK_MAX_LINE_ITEMS);
  if (p->n_travelers < 0 || p->n_travelers > RK_MAX_TRAVELERS) return rk_fail(e, RK_EINVAL, "at most %d travel together", RK_MAX_TRAVELERS);
  for (int32_t i = 0; i < n_lines(p); i++) {
    const struct rk_offer *o = line_offer(p, i);
    if (o->quantity < 1 || o->quantity > RK_MAX_QUANTITY) return rk_fail(e, RK_EINVAL, "the offer is not priced");
    if (!same(o->origin, p->offer->origin) || !same(o->travel_kind, p->offer->travel_kind)) return rk_fail(e, RK_EINVAL, "the lines of a checkout are of one merchant");
    if (!same(o->unit_price.currency, p->offer->unit_price.currency)) return rk_fail(e, RK_EINVAL, "the lines of a checkout are in two currencies");
  }
  return RK_OK;
}

struct attempt {
  struct rk_trade *t;
  const struct rk_prepare *p;
  struct rk_arena *arena;
  struct rk_line *lines;    /* [n_lines(p)] */
  int64_t subtotal;         /* of all lines, by the offers */
  const json_t *own_codes;  /* of the user's profile */
  struct rk_checkout best;
  const char *best_code;    /* NULL: without one */
  int64_t best_total;
};

/* The delivery that was chosen, where all lines chose the same. */
static const char *delivery_id(const struct rk_prepare *p) {
  const char *id = p->offer->delivery ? p->offer->delivery->id : NULL;
  for (int32_t i = 1; i < n_lines(p); i++)
    if (!line_offer(p, i)->delivery || !same(line_offer(p, i)->delivery->id, id)) return NULL;
  return id;
}

static struct rk_checkout_req request(struct attempt *a, const char *const *code) {
  const struct rk_prepare *p = a->p;
  return (struct rk_checkout_req){.origin = p->offer->origin, .lang = p->lang, .lines = a->lines, .n_lines = n_lines(p), .address = p->address,
                                  .travelers = p->travelers, .n_travelers = p->n_travelers, .delivery_id = delivery_id(p), .codes = code,
                                  .n_codes = code && *code ? 1 : 0};
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

/* Line i lists it as the first, the subtotal is high enough, and it is not the one that was tried at once. */
static bool fits(const struct attempt *a, int32_t i, const struct rk_coupon *c) {
  const struct rk_coupon *first = a->p->offer->coupon;
  if (a->subtotal < c->min_subtotal_minor || (first && same(first->code, c->code))) return false;
  for (int32_t k = 0; k < i; k++) {
    const struct rk_offer *o = line_offer(a->p, k);
    for (int32_t n = 0; n < o->n_coupons; n++)
      if (same(o->coupons[n].code, c->code)) return false;
  }
  return true;
}

/* Each code alone, the one that looks best first. What the shop lists is a claim: its total decides. Where it lists none, the codes that the user
 * has are tried. */
static rk_err best_checkout(struct attempt *a, struct rk_error *e) {
  const char *set = a->p->offer->coupon ? a->p->offer->coupon->code : NULL;
  rk_err err = create(a, set, e);
  if (err && set) err = create(a, set = NULL, e);
  if (err) return err;
  int32_t tried = set ? 1 : 0;
  for (int32_t i = 0; i < n_lines(a->p); i++) {
    const struct rk_offer *o = line_offer(a->p, i);
    for (int32_t k = 0; k < o->n_coupons && tried < RK_MAX_DISCOUNT_CODES; k++) {
      if (!fits(a, i, &o->coupons[k])) continue;
      tried++;
      set = o->coupons[k].code;
      (void)try_code(a, set, NULL); /* a code that the shop refuses costs nothing */
    }
  }
  size_t k;
  json_t *own;
  if (a->p->offer->n_coupons == 0) json_array_foreach(a->own_codes, k, own)
    if (tried++ < RK_MAX_DISCOUNT_CODES) (void)try_code(a, set = json_string_value(own), NULL);
  return same(set, a->best_code) ? RK_OK : try_code(a, a->best_code, e);
}

/* "5排6座、5排7座", "row 5 seat 6, row 5 seat 7": pairs of row and seat. False: not side by side, or not to be read. */
static bool are_together(const char *seats, int32_t n) {
  int32_t numbers[2 * RK_MAX_TRAVELERS], n_found = 0, lowest = INT32_MAX, highest = 0;
  for (const char *p = seats; *p; p++) {
    int32_t v = 0, digits = 0;
    while (p[digits] >= '0' && p[digits] <= '9' && digits < 6) v = v * 10 + (p[digits++] - '0');
    if (!digits) continue;
    if (n_found == 2 * RK_MAX_TRAVELERS) return false;
    numbers[n_found++] = v;
    p += digits - 1;
  }
  if (n_found != 2 * n) return false;
  for (int32_t i = 0; i < n; i++) {
    if (numbers[2 * i] != numbers[0]) return false;
    for (int32_t k = 0; k < i; k++)
      if (numbers[2 * k + 1] == numbers[2 * i + 1]) return false;
    if (numbers[2 * i + 1] < lowest) lowest = numbers[2 * i + 1];
    if (numbers[2 * i + 1] > highest) highest = numbers[2 * i + 1];
  }
  return highest - lowest == n - 1;
}

static rk_err check_seats(const struct attempt *a, struct rk_error *e) {
  for (int32_t i = 0; a->p->seats_together && i < a->best.n_lines; i++) {
    const struct rk_line *l = &a->best.lines[i];
    const char *seats = "";
    for (int32_t k = 0; k < l->n_options; k++)
      if (strcmp(l->options[k].name, "seats") == 0) seats = l->options[k].value;
    if (l->quantity > 1 && !are_together(seats, l->quantity)) return rk_fail(e, RK_ECONFLICT, "%s has no %d seats side by side left: %s", a->best.merchant_name, (int)l->quantity, seats);
  }
  return RK_OK;
}

static bool travelers_match(const struct rk_checkout *co, const struct rk_prepare *p) {
  if (co->n_travelers != p->n_travelers) return false;
  for (int32_t i = 0; i < p->n_travelers; i++)
    if (!same(co->travelers[i].name, p->travelers[i].name) || co->travelers[i].child != p->travelers[i].child) return false;
  return true;
}

/* The merchant's checkout holds what was asked for. */
static rk_err check_lines(const struct attempt *a, struct rk_error *e) {
  const struct rk_checkout *co = &a->best;
  const struct rk_offer *o = a->p->offer;
  bool lines_match = co->n_lines == n_lines(a->p);
  for (int32_t i = 0; lines_match && i < co->n_lines; i++) lines_match = same(co->lines[i].item_id, a->lines[i].item_id) && co->lines[i].quantity == a->lines[i].quantity;
  if (!lines_match) return rk_fail(e, RK_EUPSTREAM, "%s put other things into the checkout than were asked for", o->shop_name);
  if (strcmp(co->currency, o->unit_price.currency) != 0)
    return rk_fail(e, RK_EUPSTREAM, "%s offered in %s and asks for %s", o->shop_name, o->unit_price.currency, co->currency);
  const struct rk_address *to = &a->p->address;
  if (!same(co->origin, o->origin) || !same(co->address.street, to->street) || !same(co->address.city, to->city))
    return rk_fail(e, RK_EUPSTREAM, "%s answered with another origin or address than was asked for", o->shop_name);
  if (!travelers_match(co, a->p)) return rk_fail(e, RK_EUPSTREAM, "%s wrote down other travellers than were named", o->shop_name);
  return check_seats(a, e);
}

/* The checkout stays open; the user goes on at the merchant's page. */
static rk_err hand_over(const struct attempt *a, struct rk_error *e) {
  const struct rk_prepare *p = a->p;
  rk_err err = rk_trade_hand_over(a->t, &(struct rk_hand_over){.user_id = p->user_id, .chat_id = p->chat_id, .turn_id = p->turn_id, .lang = p->lang, .co = &a->best,
                                                               .line = &a->lines[0], .total_minor = a->best_total}, e);
  return err ? err : rk_fail(e, RK_EPAYMENT, "%s takes the payment on its own page; go on there: %s", a->best.merchant_name, a->best.continue_url);
}

static bool asks_for_on_delivery(const struct rk_prepare *p) { return same(p->instrument_id, RK_ON_DELIVERY); }

/* Where the user said so, or where nothing else will do. */
static bool pays_at_the_door(const struct attempt *a) { return a->best.on_delivery && (asks_for_on_delivery(a->p) || !a->best.sandbox); }

/* The user's limits, on the merchant's own figures. */
static rk_err check_limits(const struct attempt *a, bool demo, struct rk_error *e) {
  const struct rk_checkout *co = &a->best;
  const char *shop = a->p->offer->shop_name, *by = a->p->deliver_by;
  if (demo && !co->sandbox)
    return rk_fail(e, RK_EINVAL, "%s is a real shop and the profile is the demo one: fill in your own profile first", shop);
  if (co->status != RK_CO_READY && !rk_trade_wants_buyer(co))
    return rk_fail(e, RK_EUPSTREAM, "%s does not take this order: %s", shop, co->n_messages ? co->messages[0] : "it gave no reason");
  if (!co->sandbox && !co->on_delivery && !rk_trade_wants_buyer(co))
    return rk_fail(e, RK_EUPSTREAM, "%s takes none of your means of payment and names no page to pay on", shop);
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
  if (asks_for_on_delivery(a->p) && !co->on_delivery) return rk_fail(e, RK_EINVAL, "%s does not take payment on delivery for this order", shop);
  return rk_trade_wants_buyer(co) ? hand_over(a, e) : RK_OK;
}

static json_t *chosen(const struct rk_prepare *p) {
  json_t *list = json_array();
  for (int32_t i = 0; i < n_lines(p); i++) {
    const struct rk_offer *o = line_offer(p, i);
    json_t *options = json_object();
    for (int32_t k = 0; k < o->n_options; k++) json_object_set_new(options, o->options[k].name, json_string(o->options[k].value));
    json_array_append_new(list, json_pack("{s:s, s:o}", "item_id", o->item_id, "options", options));
  }
  return list;
}

/* What an edit may choose from, in which language it asks, and what it costs to give the order back at once. */
json_t *rk_trade_asked(const struct rk_checkout *co, const char *lang) {
  json_t *list = json_array(), *asked = json_object();
  for (int32_t i = 0; i < co->n_deliveries; i++) {
    const struct rk_delivery *d = &co->deliveries[i];
    json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:s}", "id", d->id, "title", d->title, "fee_minor", (json_int_t)d->fee.minor, "date", d->date));
  }
  json_object_set_new(asked, "deliveries", list);
  json_object_set_new(asked, "on_delivery", json_boolean(co->on_delivery));
  if (lang) json_object_set_new(asked, "lang", json_string(lang));
  if (co->takes_back) json_object_set_new(asked, "undo", json_pack("{s:o}", "fee_minor", co->undo_fee_minor < 0 ? json_null() : json_integer(co->undo_fee_minor)));
  return asked;
}

static const char *attribute(const struct rk_offer *o, const char *name) {
  for (int32_t i = 0; i < o->n_attrs; i++)
    if (strcmp(o->attrs[i].name, name) == 0) return o->attrs[i].value;
  return NULL;
}

/* Several kinds of things in one checkout are asked for: a permission speaks of one. */
static bool is_mixed(const struct rk_prepare *p) {
  for (int32_t i = 1; i < n_lines(p); i++)
    if (!same(attribute(line_offer(p, i), "category"), attribute(p->offer, "category"))) return true;
  return false;
}

/* Of the lines, in their order; not a part of the terms. */
static void keep_pictures(const struct attempt *a, json_t *asked) {
  json_t *list = json_array();
  for (int32_t i = 0; i < n_lines(a->p); i++) {
    const struct rk_offer *o = line_offer(a->p, i);
    char id[37];
    struct rk_error ignored;
    bool has = o->picture_url && !rk_store_picture_add(a->t->store, a->p->user_id, o->origin, o->picture_url, id, &ignored);
    json_array_append_new(list, has ? json_string(id) : json_null());
  }
  json_object_set_new(asked, "pictures", list);
}

int64_t rk_trade_expiry(const struct rk_checkout *co) {
  int64_t own = rk_now_ms() + RK_APPROVAL_TTL_MS;
  return co->expires_ms > 0 && co->expires_ms < own ? co->expires_ms : own;
}

static rk_err propose(struct attempt *a, const json_t *profile, json_t **approval, struct rk_error *e) {
  const struct rk_prepare *p = a->p;
  bool demo = rk_json_bool(profile, "demo", false);
  json_t *instrument = rk_trade_instrument(profile, p->instrument_id);
  rk_err err = check_lines(a, e);
  if (!err) err = check_limits(a, demo, e);
  if (!err && rk_trade_expiry(&a->best) <= rk_now_ms()) err = rk_fail(e, RK_EUPSTREAM, "the checkout of %s has expired already", p->offer->shop_name);
  if (err) return err;
  json_t *lines = chosen(p);
  bool at_the_door = pays_at_the_door(a);
  json_t *paid_with = at_the_door ? rk_trade_on_delivery(p->lang) : json_pack("{s:s, s:s, s:s}", "id", rk_json_cstr(instrument, "id", ""), "kind",
                                                                              rk_json_cstr(instrument, "kind", ""), "label", rk_json_cstr(instrument, "label", ""));
  if (p->lang && strcmp(p->lang, "en") == 0 && a->best.merchant_name_en) a->best.merchant_name = a->best.merchant_name_en;
  json_t *terms = rk_terms_project(&a->best, &(struct rk_terms_extra){lines, paid_with, rk_trade_expiry(&a->best)}, e);
  json_t *asked = rk_trade_asked(&a->best, p->lang);
  if (p->in_plan) json_object_set_new(asked, "in_plan", json_true());
  keep_pictures(a, asked);
  if (terms)
    err = rk_trade_store_approval(a->t, &(struct rk_draft){.user_id = p->user_id, .chat_id = p->chat_id, .turn_id = p->turn_id, .origin = a->best.origin,
        .checkout_id = a->best.id, .terms = terms, .demo = demo, .asked = asked, .ask = p->in_plan || at_the_door || is_mixed(p), .category_claimed = attribute(p->offer, "category"), .category_own = p->category}, approval, e);
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
  struct attempt a = {.t = t, .p = p, .own_codes = rk_json_arr(profile, "coupons"), .arena = rk_arena_new(RK_TRADE_ARENA_BYTES)};
  a.lines = a.arena ? rk_arena_array(a.arena, (size_t)n_lines(p), sizeof *a.lines) : NULL;
  for (int32_t i = 0; a.lines && i < n_lines(p); i++) {
    const struct rk_offer *o = line_offer(p, i);
    a.lines[i] = (struct rk_line){.item_id = o->item_id, .title = o->title, .options = o->options, .n_options = o->n_options, .quantity = o->quantity,
                                  .unit_minor = o->unit_price.minor};
    a.subtotal += o->subtotal.minor;
  }
  if (!a.lines) err = rk_fail(e, RK_ENOMEM, "out of memory");
  else if (!asks_for_on_delivery(p) && !rk_trade_instrument(profile, p->instrument_id))
    err = rk_fail(e, RK_EINVAL, "there is no such payment method in the profile%s%s", p->instrument_id ? ": " : "", p->instrument_id ? p->instrument_id : "");
  if (!err) err = best_checkout(&a, e);
  if (!err) rk_trade_step(t, RK_STEP_CHECKOUT);
  if (!err) {
    err = propose(&a, profile, approval, e);
    if (err && err != RK_EPAYMENT && rk_merchant_checkout_cancel(t->merchants, a.best.origin, a.best.id, NULL)) /* frees what the shop holds for us */
      rk_log(RK_LOG_INFO, "trade", "the checkout at %s was not cancelled", p->offer->origin);
  }
  if (a.arena) rk_arena_free(a.arena);
  json_decref(profile);
  return err;
}
