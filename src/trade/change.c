/* change.c - other places of the same seller for those of a paid order, as one
 * act. To the merchant it is a checkout that gives the old places in exchange,
 * so its approval, its payment and every interruption are those of a purchase
 * (order.c); what differs is what it leads to: no new order, but one more
 * charge of the one there is, or a refund of it. */
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "trade/internal.h"

struct change {
  struct rk_trade *t;
  const struct rk_change_ask *a;
  struct rk_arena *arena;
  json_t *order, *bought, *profile, *instrument;
  struct rk_checkout co;
};

static bool same(const char *a, const char *b) { return strcmp(a ? a : "", b ? b : "") == 0; }

static rk_err check_ask(const struct rk_change_ask *a, struct rk_error *e) {
  if (a->n_to < 1 || a->n_to > RK_MAX_LINE_ITEMS) return rk_fail(e, RK_EINVAL, "a change names 1 to %d new items", RK_MAX_LINE_ITEMS);
  for (int32_t i = 0; i < a->n_to; i++)
    if (!a->to[i].item_id || !*a->to[i].item_id || a->to[i].quantity < 1 || a->to[i].quantity > RK_MAX_QUANTITY)
      return rk_fail(e, RK_EINVAL, "items[%d]: item_id, and a quantity of 1 to %d", (int)i, RK_MAX_QUANTITY);
  for (int32_t i = 0; i < a->n_give; i++)
    if (!a->give[i].line_id || !*a->give[i].line_id || a->give[i].quantity < 1) return rk_fail(e, RK_EINVAL, "lines[%d]: line_id and quantity", (int)i);
  return RK_OK;
}

static rk_err load(struct change *c, struct rk_error *e) {
  c->order = rk_store_order(c->t->store, c->a->user_id, c->a->order_id);
  c->bought = c->order ? rk_store_approval(c->t->store, rk_json_cstr(c->order, "approval_id", "")) : NULL;
  if (!c->bought) return rk_fail(e, RK_ENOTFOUND, "there is no such order");
  c->profile = rk_store_profile(c->t->store, c->a->user_id);
  const char *id = c->a->instrument_id ? c->a->instrument_id : rk_json_cstr(c->bought, "instrument_id", "");
  const json_t *found = rk_trade_instrument(c->profile, id);
  if (!found && c->a->instrument_id) return rk_fail(e, RK_EINVAL, "there is no such payment method in the profile: %s", id);
  if (!found) found = rk_trade_instrument(c->profile, NULL); /* it was paid with one that is gone */
  if (!found) return rk_fail(e, RK_EINVAL, "there is no payment method in the profile");
  c->instrument = json_pack("{s:s, s:s, s:s}", "id", rk_json_cstr(found, "id", ""), "kind", rk_json_cstr(found, "kind", ""), "label", rk_json_cstr(found, "label", ""));
  return RK_OK;
}

/* Who travels and to where tickets go stay what they were. */
static rk_err create(struct change *c, struct rk_error *e) {
  const json_t *terms = rk_json_obj(c->bought, "terms"), *to = rk_json_obj(rk_json_obj(terms, "fulfilment"), "address"), *list = rk_json_arr(terms, "travelers");
  size_t n = json_array_size(list);
  struct rk_traveler *who = rk_arena_array(c->arena, n + 1, sizeof *who);
  struct rk_change give = {.order_id = rk_json_cstr(c->order, "merchant_order_id", ""), .lines = c->a->give, .n_lines = c->a->n_give};
  if (!who) return rk_fail(e, RK_ETOOBIG, "the order is too large");
  for (size_t i = 0; i < n; i++) {
    const json_t *v = json_array_get(list, i);
    who[i] = (struct rk_traveler){rk_json_cstr(v, "name", ""), rk_str_eq_c(rk_json_str(v, "kind"), "child")};
  }
  struct rk_checkout_req q = {.origin = rk_json_cstr(c->order, "merchant_origin", ""), .lang = c->a->lang, .lines = c->a->to, .n_lines = c->a->n_to, .travelers = who,
                              .n_travelers = (int32_t)n, .change = &give,
                              .address = {rk_json_cstr(to, "name", ""), rk_json_cstr(to, "phone", ""), rk_json_cstr(to, "street", ""), rk_json_cstr(to, "city", "")}};
  return rk_merchant_checkout_create(c->t->merchants, &q, c->arena, &c->co, e);
}

/* What would be given are places that the order has, as far as we know. */
static bool gives_what_there_is(const struct change *c) {
  json_t *view = rk_trade_order_view(c->t, c->order), *lines = rk_json_arr(view, "lines"), *line;
  bool right = true;
  for (int32_t i = 0; i < c->co.change->n_lines; i++) {
    const struct rk_change_line *g = &c->co.change->lines[i];
    int64_t has = 0;
    size_t k;
    json_array_foreach(lines, k, line)
      if (rk_str_eq_c(rk_json_str(line, "item_id"), g->item_id)) has += rk_json_i64(line, "quantity", 0);
    right = right && g->quantity <= has;
  }
  json_decref(view);
  return right;
}

/* Who travels is who travelled. */
static bool keeps_people(const struct change *c) {
  const json_t *list = rk_json_arr(rk_json_obj(c->bought, "terms"), "travelers");
  bool right = (size_t)c->co.n_travelers == json_array_size(list);
  for (int32_t i = 0; right && i < c->co.n_travelers; i++) right = rk_str_eq_c(rk_json_str(json_array_get(list, (size_t)i), "name"), c->co.travelers[i].name);
  return right;
}

/* The merchant's answer is what was asked for: this order and these lines for those, in this money. */
static rk_err check_answer(const struct change *c, struct rk_error *e) {
  const struct rk_checkout *co = &c->co;
  const struct rk_change_ask *a = c->a;
  int64_t left = rk_trade_charged(c->t, c->order) - rk_store_order_refunded(c->t->store, a->order_id);
  bool right = co->n_lines == a->n_to && co->change && same(co->change->order_id, rk_json_cstr(c->order, "merchant_order_id", "")) &&
               (a->n_give == 0 || co->change->n_lines == a->n_give);
  for (int32_t i = 0; right && i < a->n_to; i++) right = same(co->lines[i].item_id, a->to[i].item_id) && co->lines[i].quantity == a->to[i].quantity;
  for (int32_t i = 0; right && i < a->n_give; i++)
    right = same(co->change->lines[i].line_id, a->give[i].line_id) && co->change->lines[i].quantity == a->give[i].quantity;
  right = right && gives_what_there_is(c) && keeps_people(c);
  if (!right) return co->status == RK_CO_INCOMPLETE && co->n_messages ? rk_fail(e, RK_ECONFLICT, "%s does not take this change: %s", co->merchant_name, co->messages[0])
                                                                      : rk_fail(e, RK_EUPSTREAM, "%s would change other things than were asked for", co->merchant_name);
  if (!same(co->currency, rk_json_cstr(c->bought, "currency", ""))) return rk_fail(e, RK_EUPSTREAM, "%s asks for another currency than was paid", co->merchant_name);
  if (co->status != RK_CO_READY)
    return rk_fail(e, RK_ECONFLICT, "%s does not take this change: %s", co->merchant_name, co->n_messages ? co->messages[0] : "it gave no reason");
  if (!co->sandbox) return rk_fail(e, RK_EUNAVAIL, "%s takes no payment of ours; use the order's page", co->merchant_name);
  if (co->change->back_minor > left) return rk_fail(e, RK_EUPSTREAM, "%s offers back more than was paid", co->merchant_name);
  return rk_trade_expiry(co) <= rk_now_ms() ? rk_fail(e, RK_EUPSTREAM, "the checkout of %s has expired already", co->merchant_name) : RK_OK;
}

static rk_err propose(struct change *c, json_t **approval, struct rk_error *e) {
  if (same(c->a->lang, "en") && c->co.merchant_name_en) c->co.merchant_name = c->co.merchant_name_en;
  json_t *terms = rk_terms_project(&c->co, &(struct rk_terms_extra){NULL, c->instrument, rk_trade_expiry(&c->co)}, e), *asked = rk_trade_asked(&c->co, c->a->lang);
  rk_err err = terms ? rk_trade_store_approval(c->t, &(struct rk_draft){.user_id = c->a->user_id, .chat_id = rk_json_cstr(c->order, "chat_id", ""),
      .turn_id = rk_json_cstr(c->order, "turn_id", ""), .origin = c->co.origin, .checkout_id = c->co.id, .terms = terms,
      .demo = rk_json_bool(c->bought, "demo_profile", false), .kind = "change", .subject_order_id = c->a->order_id, .asked = asked, .ask = true}, approval, e) : RK_EUPSTREAM;
  json_decref(asked);
  json_decref(terms);
  return err;
}

rk_err rk_trade_change(struct rk_trade *t, const struct rk_change_ask *a, json_t **approval, struct rk_error *e) {
  struct change c = {.t = t, .a = a, .arena = rk_arena_new(RK_TRADE_ARENA_BYTES)};
  *approval = NULL;
  rk_err err = c.arena ? check_ask(a, e) : rk_fail(e, RK_ENOMEM, "out of memory");
  if (!err) err = load(&c, e);
  if (!err) err = create(&c, e);
  if (!err) rk_trade_step(t, RK_STEP_CHECKOUT);
  if (!err) {
    err = check_answer(&c, e);
    if (!err) err = propose(&c, approval, e);
    if (err && rk_merchant_checkout_cancel(t->merchants, c.co.origin, c.co.id, NULL)) /* frees what the seller holds for us */
      rk_log(RK_LOG_INFO, "trade", "the checkout of a change at %s was not cancelled", c.co.origin);
  }
  json_decref(c.instrument);
  json_decref(c.profile);
  json_decref(c.bought);
  json_decref(c.order);
  rk_arena_free(c.arena);
  return err;
}

rk_err rk_trade_change_asked(struct rk_trade *t, const char *user_id, const char *order_id, const json_t *asked, json_t **approval, struct rk_error *e) {
  struct rk_line to[RK_MAX_LINE_ITEMS] = {0};
  struct rk_change_line give[RK_MAX_LINE_ITEMS] = {0};
  json_t *items = rk_json_arr(asked, "items"), *lines = rk_json_arr(asked, "lines"), *v;
  size_t i;
  *approval = NULL;
  if (json_array_size(items) == 0 || json_array_size(items) > RK_MAX_LINE_ITEMS || json_array_size(lines) > RK_MAX_LINE_ITEMS)
    return rk_fail(e, RK_EINVAL, "items: a list of 1 to %d {item_id, quantity}, what the order is changed to; lines: what of it is given, or all", RK_MAX_LINE_ITEMS);
  json_array_foreach(items, i, v) to[i] = (struct rk_line){.item_id = rk_json_cstr(v, "item_id", ""), .title = "", .quantity = (int32_t)rk_json_i64(v, "quantity", 1)};
  json_array_foreach(lines, i, v) give[i] = (struct rk_change_line){.line_id = rk_json_cstr(v, "line_id", ""), .quantity = (int32_t)rk_json_i64(v, "quantity", 1)};
  return rk_trade_change(t, &(struct rk_change_ask){.user_id = user_id, .order_id = order_id, .lang = rk_json_cstr(asked, "lang", NULL),
      .instrument_id = rk_json_cstr(asked, "instrument_id", NULL), .to = to, .n_to = (int32_t)json_array_size(items), .give = give,
      .n_give = (int32_t)json_array_size(lines)}, approval, e);
}

/* ---- the order afterwards ---- */

/* Takes what was given off the lines, which have the items' names and no numbers of the merchant's. */
static void take_off(json_t *lines, const json_t *given) {
  int64_t wanted = rk_json_i64(given, "quantity", 0);
  for (size_t i = 0; i < json_array_size(lines) && wanted > 0;) {
    json_t *line = json_array_get(lines, i);
    int64_t has = rk_json_i64(line, "quantity", 0), off = has < wanted ? has : wanted;
    if (!rk_str_eq(rk_json_str(line, "item_id"), rk_json_str(given, "item_id"))) {
      i++;
      continue;
    }
    wanted -= off;
    if (off == has) json_array_remove(lines, i);
    else json_object_set_new(line, "quantity", json_integer(has - off)), i++;
  }
}

static int64_t paid_for(const json_t *charges, const char *approval_id) {
  size_t i;
  json_t *one;
  json_array_foreach(charges, i, one)
    if (rk_str_eq_c(rk_json_str(one, "approval_id"), approval_id)) return rk_json_i64(one, "charged_minor", 0);
  return 0;
}

void rk_trade_show_changes(const struct rk_trade *t, const json_t *order, json_t *view) {
  const char *id = rk_json_cstr(order, "id", "");
  json_t *changes = rk_store_order_changes(t->store, id), *one, *given, *list = json_array();
  size_t i, k;
  if (json_array_size(changes)) {
    json_t *charges = rk_store_charges(t->store, id), *lines = json_deep_copy(rk_json_arr(view, "lines"));
    json_array_foreach(changes, i, one) {
      const json_t *terms = rk_json_obj(one, "terms"), *change = rk_json_obj(terms, "change");
      json_array_foreach(rk_json_arr(change, "lines"), k, given) take_off(lines, given);
      json_array_extend(lines, rk_json_arr(terms, "lines"));
      json_array_append_new(list, json_pack("{s:O, s:O, s:O, s:I, s:O, s:O}", "approval_id", json_object_get(one, "id"), "given", json_object_get(change, "lines"), "lines",
                                            json_object_get(terms, "lines"), "paid_minor", (json_int_t)paid_for(charges, rk_json_cstr(one, "id", "")), "fee_minor",
                                            json_object_get(change, "fee_minor"), "back_minor", json_object_get(change, "back_minor")));
    }
    json_object_set_new(view, "lines", lines);
    json_object_set_new(view, "total_minor", json_integer(rk_trade_charged(t, order)));
    json_object_set(view, "changes", list);
    json_decref(charges);
  }
  json_decref(list);
  json_decref(changes);
}
