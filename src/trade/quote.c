/* quote.c - what a purchase costs in the merchant's own words, before there is one. */
#include <string.h>

#include "trade/merchant.h"

/* What the totals have beside items, discounts and delivery. */
static int64_t fees_of(const struct rk_checkout *co, int64_t discount_minor) {
  int64_t fees = 0, off = 0;
  for (int32_t i = 0; i < co->n_totals; i++) {
    const struct rk_total *t = &co->totals[i];
    if (strcmp(t->type, "discount") == 0 || strcmp(t->type, "items_discount") == 0) off += t->minor;
    else if (strcmp(t->type, "subtotal") != 0 && strcmp(t->type, "fulfillment") != 0 && strcmp(t->type, "total") != 0) fees += t->minor;
  }
  return fees + off + discount_minor;
}

static bool has_delivery_total(const struct rk_checkout *co) {
  for (int32_t i = 0; i < co->n_totals; i++)
    if (strcmp(co->totals[i].type, "fulfillment") == 0) return true;
  return false;
}

rk_err rk_merchant_quote(struct rk_merchants *m, struct rk_offer *o, const char *city, const char *lang, struct rk_arena *a, struct rk_error *e) {
  struct rk_line line = {.item_id = o->item_id, .quantity = o->quantity};
  const char *code = o->coupon ? o->coupon->code : NULL;
  struct rk_checkout_req q = {.origin = o->origin, .lines = &line, .n_lines = 1, .address = {.name = "", .phone = "", .street = "", .city = city},
                              .codes = &code, .n_codes = code ? 1 : 0, .lang = lang};
  struct rk_checkout co;
  struct rk_error ignored = {0};
  rk_err err = rk_merchant_checkout_create(m, &q, a, &co, e);
  if (err) return err;
  (void)!rk_merchant_checkout_cancel(m, o->origin, co.id, &ignored); /* it expires by itself where this fails */
  if (strcmp(co.currency, o->unit_price.currency) != 0 || co.n_lines != 1 || co.lines[0].quantity != o->quantity)
    return rk_fail(e, RK_EUPSTREAM, "%s quotes something else than was asked for", o->shop_name);
  if (co.n_deliveries == 0 && !has_delivery_total(&co)) return rk_fail(e, RK_ENOTFOUND, "%s does not say what delivery costs", o->shop_name);
  o->unit_price.minor = co.lines[0].unit_minor;
  o->deliveries = co.n_deliveries ? co.deliveries : co.delivery;
  o->n_deliveries = co.n_deliveries ? co.n_deliveries : co.delivery != NULL;
  o->fees_minor = fees_of(&co, o->discount.minor);
  o->quoted = RK_SURE_QUOTED;
  return RK_OK;
}
