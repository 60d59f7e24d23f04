/* travel_say.c - options for people: the card, and why the first is first. */
#include <string.h>

#include "agent/travel.h"

static void put_money(struct rk_buf *b, int64_t minor, const char *currency) {
  struct rk_money m = {.minor = minor};
  char text[40];
  memcpy(m.currency, currency, 4);
  rk_money_text(m, text);
  rk_buf_adds(b, text);
}

static const char *label_of(const struct rk_offer *o, const char *option) {
  for (int32_t i = 0; i < o->n_options; i++)
    if (strcmp(o->options[i].name, option) == 0) return o->option_labels && o->option_labels[i][0] ? o->option_labels[i] : o->options[i].value;
  return NULL;
}

const char *rk_trip_fare(const struct rk_trip_option *o) {
  const char *label = label_of(&o->lines[0], o->kind == RK_TRIP_STAY ? "room" : "class");
  return label ? label : "";
}

/* "¥87.00 × 2 + ¥43.50" */
static void put_sum(struct rk_buf *b, const struct rk_trip_option *o) {
  for (int32_t i = 0; i < o->n_lines; i++) {
    if (i) rk_buf_adds(b, " + ");
    put_money(b, o->lines[i].unit_price.minor, o->whole.total.currency);
    if (o->lines[i].quantity > 1) rk_buf_addf(b, " × %d", (int)o->lines[i].quantity);
  }
}

static void why_first(const struct rk_trip *t, const struct rk_trip_found *f, bool zh, struct rk_buf *b) {
  static const struct { const char *zh, *en; } firsts[] = {
      [RK_WISH_NONE] = {"总价最低", "lowest total"}, [RK_WISH_CHEAPEST] = {"总价最低", "lowest total"}, [RK_WISH_RATING] = {"评分最高", "rated highest"},
      [RK_WISH_SOONEST] = {"最早出发", "starts first"}, [RK_WISH_WEIGHED] = {"总价最低", "lowest total"}};
  const struct rk_trip_option *o = f->shown[0], *next = f->n_shown > 1 ? f->shown[1] : NULL;
  const char *cur = o->whole.total.currency;
  rk_buf_addf(b, "%s%s%s ", t->date, t->end_date[0] ? " – " : "", t->end_date);
  rk_buf_addf(b, zh ? "%s（%s）%s，%s：" : "%s (%s), %s, %s: ", o->whole.title, o->whole.shop_name, rk_trip_fare(o), zh ? firsts[t->wish].zh : firsts[t->wish].en);
  put_money(b, o->whole.total.minor, cur);
  if (o->n_lines > 1 || o->lines[0].quantity > 1) {
    rk_buf_adds(b, zh ? "（" : " (");
    put_sum(b, o);
    rk_buf_adds(b, zh ? "）" : ")");
  }
  if (next && next->whole.total.minor > o->whole.total.minor) {
    rk_buf_adds(b, zh ? "，比第2个便宜" : ", ");
    put_money(b, next->whole.total.minor - o->whole.total.minor, cur);
    if (!zh) rk_buf_adds(b, " less than number 2");
  }
  rk_buf_adds(b, zh ? "。" : ".");
}

static void why_none(const struct rk_trip_found *f, bool zh, struct rk_buf *b) {
  if (f->nearest) {
    rk_buf_addf(b, zh ? "没有符合价格要求的：最便宜的是%s，合计" : "There is nothing within this price: the cheapest is %s, total ", f->nearest->whole.title);
    put_money(b, f->nearest->whole.total.minor, f->nearest->whole.total.currency);
    rk_buf_adds(b, zh ? "。" : ".");
  } else if (f->n_full) {
    rk_buf_adds(b, zh ? "符合条件的都没有足够的余位。" : "None that fit has enough places left.");
  } else if (f->n_services) {
    rk_buf_adds(b, zh ? "没有这种席别、房型或币种的。" : "There is none of this class, room or currency.");
  } else {
    rk_buf_adds(b, zh ? "这一天没有符合条件的。" : "There is nothing on this day that fits.");
  }
}

rk_err rk_trip_reason(const struct rk_trip *t, const struct rk_trip_found *f, bool zh, struct rk_buf *out) {
  if (f->n_shown) why_first(t, f, zh, out);
  else why_none(f, zh, out);
  if (f->n_other_currency) rk_buf_addf(out, zh ? "有%d个报价是别的币种，没有比较。" : " %d are in another currency and were not compared.", (int)f->n_other_currency);
  return out->err;
}

/* ---- the card ---- */

static json_t *text(const char *s) {
  json_t *v = json_string(s ? s : "");
  return v ? v : json_string("");
}

static json_t *lines_json(const struct rk_trip_option *o) {
  json_t *list = json_array();
  for (int32_t i = 0; i < o->n_lines; i++) {
    const struct rk_offer *l = &o->lines[i];
    const char *who = label_of(l, "passenger");
    json_array_append_new(list, json_pack("{s:o, s:o, s:i, s:I}", "item_id", text(l->item_id), "for", text(who), "quantity", (int)l->quantity, "unit_minor",
                                          (json_int_t)l->unit_price.minor));
  }
  return list;
}

/* In words of the seller, without whom it is for: that stands in the lines. */
static json_t *options_json(const struct rk_offer *o) {
  json_t *v = json_object();
  for (int32_t i = 0; i < o->n_options; i++)
    if (strcmp(o->options[i].name, "passenger") != 0) json_object_set_new(v, o->options[i].name, text(label_of(o, o->options[i].name)));
  return v;
}

json_t *rk_trip_card(const struct rk_trip *t, const struct rk_trip_option *o, int32_t number) {
  static const char *const kinds[] = {"train", "flight", "stay", "ticket", "film"};
  struct rk_intent in = {.wish = t->wish, .weights = {.total = t->wish != RK_WISH_RATING, .rating = t->wish == RK_WISH_RATING}};
  json_t *card = rk_offer_card(&o->whole, number);
  json_object_set_new(card, "options", options_json(&o->lines[0]));
  json_object_set_new(card, "score", rk_pick_score(&in, &o->whole));
  json_object_set_new(card, "also_at", json_array());
  json_object_set_new(card, "stock", o->lines[0].stock >= 0 ? json_integer(o->lines[0].stock) : json_null());
  json_object_set_new(card, "travel", json_pack("{s:s, s:s, s:o, s:o, s:o, s:i, s:i, s:i, s:i, s:I, s:o}", "kind", kinds[o->kind], "date", t->date, "starts", text(o->starts),
                                                "ends", text(o->ends), "end_date", text(t->end_date[0] ? t->end_date : o->end_date), "adults", (int)t->adults, "children",
                                                (int)t->children, "nights", (int)o->nights, "rooms", (int)o->rooms, "each_minor", (json_int_t)o->each_minor, "lines", lines_json(o)));
  return card;
}
