#include "trade/offer.h"

#include <string.h>

#include "base/clock.h"
#include "base/limits.h"

static bool arrives_by(const struct rk_delivery *d, const char *deliver_by) {
  return !*deliver_by || (d->date[0] && strcmp(d->date, deliver_by) <= 0);
}

/* Cheaper first, then sooner; an unknown date is the latest. */
static bool better_delivery(const struct rk_delivery *a, const struct rk_delivery *b) {
  if (a->fee.minor != b->fee.minor) return a->fee.minor < b->fee.minor;
  return a->date[0] && (!b->date[0] || strcmp(a->date, b->date) < 0);
}

static rk_err choose_delivery(struct rk_offer *o, const char *deliver_by) {
  o->delivery = NULL;
  for (int32_t i = 0; i < o->n_deliveries; i++) {
    const struct rk_delivery *d = &o->deliveries[i];
    if (arrives_by(d, deliver_by) && (!o->delivery || better_delivery(d, o->delivery))) o->delivery = d;
  }
  bool none_meets = !o->delivery && (o->n_deliveries > 0 || *deliver_by);
  return none_meets ? RK_ENOTFOUND : RK_OK;
}

/* What the coupon takes off the subtotal; 0 when it does not apply. Percent rounds down: never promise too much. */
static int64_t discount_of(const struct rk_coupon *c, int64_t subtotal) {
  if (subtotal < c->min_subtotal_minor) return 0;
  int32_t percent = c->percent < 0 ? 0 : c->percent > 100 ? 100 : c->percent;
  int64_t off = subtotal / 100 * percent + subtotal % 100 * percent / 100;
  if (c->amount_minor > off) off = c->amount_minor;
  return off > subtotal ? subtotal : off;
}

static void choose_coupon(struct rk_offer *o) {
  o->coupon = NULL;
  o->discount = (struct rk_money){.minor = 0};
  memcpy(o->discount.currency, o->subtotal.currency, sizeof o->discount.currency);
  for (int32_t i = 0; i < o->n_coupons; i++) {
    int64_t off = discount_of(&o->coupons[i], o->subtotal.minor);
    if (off <= o->discount.minor) continue;
    o->discount.minor = off;
    o->coupon = &o->coupons[i];
  }
}

rk_err rk_offer_price(struct rk_offer *o, int32_t quantity, const char *deliver_by) {
  if (quantity < 1 || quantity > RK_MAX_QUANTITY || o->unit_price.minor < 0) return RK_EINVAL;
  if (o->stock >= 0 && quantity > o->stock) return RK_ECONFLICT;
  rk_err err = choose_delivery(o, deliver_by);
  if (err) return err;
  o->quantity = quantity;
  o->subtotal = o->unit_price;
  if (rk_money_mul(&o->subtotal, quantity)) return RK_EINVAL;
  choose_coupon(o);
  o->total = o->subtotal;
  o->total.minor -= o->discount.minor;
  if (o->delivery && (o->delivery->fee.minor < 0 || rk_money_add(&o->total, o->delivery->fee))) return RK_EINVAL;
  o->total.minor += o->fees_minor;
  o->sure = o->quoted ? o->quoted : o->n_deliveries > 0 || o->travel_kind ? RK_SURE_LISTED : RK_SURE_NOT;
  return o->total.minor > (int64_t)RK_MAX_TOTAL_MINOR ? RK_EINVAL : RK_OK;
}

/* ---- the card ---- */

static json_t *text(const char *s) {
  json_t *v = json_string(s ? s : "");
  return v ? v : json_string("");
}

static json_t *options_json(const struct rk_option *o, int32_t n) {
  json_t *obj = json_object();
  for (int32_t i = 0; i < n; i++) json_object_set_new(obj, o[i].name, text(o[i].value));
  return obj;
}

static json_t *coupon_json(const struct rk_coupon *c) {
  return c ? json_pack("{s:o, s:o}", "code", text(c->code), "title", text(c->title)) : json_null();
}

static json_t *delivery_json(const struct rk_delivery *d) {
  return d ? json_pack("{s:o, s:o, s:I, s:s}", "id", text(d->id), "title", text(d->title), "fee_minor", (json_int_t)d->fee.minor, "date", d->date)
           : json_null();
}

json_t *rk_offer_card(const struct rk_offer *o, int32_t number) {
  static const char *const sources[] = {[RK_SURE_NOT] = "unknown_delivery", [RK_SURE_EXPECTED] = "expected", [RK_SURE_LISTED] = "listed", [RK_SURE_QUOTED] = "quote"};
  json_t *card = json_pack(
      "{s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:s, s:I, s:I, s:I, s:I, s:o, s:o, s:I, s:s, s:f, s:i, s:o, s:o, s:o, s:I, s:s, s:[]}",
      "number", (int)number, "shop_id", text(o->shop_id), "shop_name", text(o->shop_name), "origin", text(o->origin),
      "product_id", text(o->product_id), "item_id", text(o->item_id), "title", text(o->title), "quantity", (int)o->quantity,
      "currency", o->unit_price.currency, "unit_minor", (json_int_t)o->unit_price.minor, "subtotal_minor", (json_int_t)o->subtotal.minor,
      "discount_minor", (json_int_t)o->discount.minor, "fees_minor", (json_int_t)o->fees_minor, "coupon", coupon_json(o->coupon), "delivery", delivery_json(o->delivery),
      "total_minor", (json_int_t)o->total.minor, "total_from", sources[o->sure], "rating", o->rating, "n_reviews", (int)o->n_reviews,
      "stock", o->stock >= 0 ? json_integer(o->stock) : json_null(), "attrs", options_json(o->attrs, o->n_attrs),
      "options", options_json(o->options, o->n_options), "checked_ms", (json_int_t)rk_now_ms(), "why", "", "warnings");
  RK_ASSERT(card != NULL);
  return card;
}
