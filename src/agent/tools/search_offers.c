/* search_offers.c - one thing asked of all shops: cards, and the reason why the first is first. */
#include <string.h>

#include "agent/turn.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

enum { TOLD_TO_MODEL = 3 };

static void set_money(json_t *obj, const char *key, struct rk_money m) {
  char text[40];
  rk_money_text(m, text);
  json_object_set_new(obj, key, json_string(text));
}

/* Short, because the model pays for each token of it. */
static json_t *for_model(const struct rk_goal *g, const char *reason) {
  json_t *offers = json_array();
  for (int32_t i = 0; i < g->picked.n_shown && i < TOLD_TO_MODEL; i++) {
    const struct rk_offer *o = g->picked.shown[i];
    json_t *one = json_pack("{s:i, s:s, s:s}", "offer", i + 1, "title", o->title, "shop", o->shop_name);
    set_money(one, "total", o->total);
    if (g->intent.wish == RK_WISH_RATING) json_object_set_new(one, "rating", json_real(o->rating));
    json_array_append_new(offers, one);
  }
  json_t *result = json_pack("{s:o}", "offers", offers);
  if (g->picked.n_shown) json_object_set_new(result, "best", json_integer(1));
  json_object_set_new(result, "reason", json_string(reason));
  json_object_set_new(result, "answer_in", json_string(g->intent.chinese ? "中文" : "English"));
  return result;
}

/* What the others cost more. */
static json_t *why(const struct rk_goal *g, int32_t i) {
  const struct rk_offer *o = g->picked.shown[i], *best = g->picked.shown[0];
  bool zh = g->intent.chinese;
  static const struct { const char *zh, *en; } firsts[] = {
      [RK_WISH_NONE] = {"总价最低", "lowest total"}, [RK_WISH_CHEAPEST] = {"总价最低", "lowest total"}, [RK_WISH_RATING] = {"评分最高", "rated highest"},
      [RK_WISH_SOONEST] = {"最早送到", "arrives first"}, [RK_WISH_WEIGHED] = {"综合得分最高", "best score for your wishes"}};
  enum rk_wish wish = g->intent.wish == RK_WISH_RATING && best->n_reviews == 0 && best->rating <= 0 ? RK_WISH_NONE : g->intent.wish;
  if (i == 0) return json_string(zh ? firsts[wish].zh : firsts[wish].en);
  char text[40];
  struct rk_money more = o->total;
  more.minor -= best->total.minor;
  if (more.minor < 0) more.minor = -more.minor;
  rk_money_text(more, text);
  bool cheaper = o->total.minor < best->total.minor;
  return json_sprintf(cheaper ? (zh ? "比第1个便宜%s" : "%s less than number 1") : zh ? "比第1个贵%s" : "%s more than number 1", text);
}

/* The same thing at other shops, cheapest first as far as it is shown. */
static json_t *also_at(const struct rk_goal *g, const struct rk_offer *o) {
  json_t *out = json_array();
  for (int32_t i = 0; i < g->picked.n_shown; i++) {
    const struct rk_offer *other = g->picked.shown[i];
    if (strcmp(other->origin, o->origin) != 0 && rk_pick_same_thing(other, o))
      json_array_append_new(out, json_pack("{s:i, s:s, s:I}", "number", i + 1, "shop_name", other->shop_name, "total_minor", (json_int_t)other->total.minor));
  }
  return out;
}

/* What a buyer should know of the shop before choosing: payment on its own page, and when it opens. */
static void warn(const struct rk_goal *g, const struct rk_offer *o, json_t *card) {
  if (o->pays_elsewhere)
    json_array_append_new(rk_json_arr(card, "warnings"), json_string(g->intent.chinese ? "在店铺自己的页面付款，或货到付款" : "Paid on the shop's own page, or on delivery"));
  if (o->opens_ms <= rk_now_ms()) return;
  struct rk_date d = rk_local_date(o->opens_ms);
  char date[11];
  rk_date_iso(&d, date);
  json_array_append_new(rk_json_arr(card, "warnings"), json_sprintf(g->intent.chinese ? "店铺现在休息，%s %02d:%02d 开门后可以下单" : "Closed now; takes orders again from %s, %02d:%02d",
                                                                    date, d.hour, d.minute));
}

/* The page asks for it by our id, never by the merchant's address. Without a picture the card is still whole. */
static void set_picture(const struct rk_turn *t, json_t *card, const struct rk_offer *o) {
  char id[37];
  struct rk_error ignored;
  if (o->picture_url && !rk_store_picture_add(t->sv->store, t->user_id, o->origin, o->picture_url, id, &ignored)) json_object_set_new(card, "picture_id", json_string(id));
}

static void card_event(const struct rk_turn *t, const struct rk_goal *g, const char *call_id, const char *reason, json_t *kept, struct rk_tool_out *out) {
  json_t *cards = json_array();
  struct rk_db *db = rk_store_db(t->sv->store);
  struct rk_error ignored;
  int cheapest = 1;
  bool together = rk_db_begin(db, &ignored) == RK_OK; /* the pictures' rows are one write */
  for (int32_t i = 0; i < g->picked.n_shown; i++) {
    const struct rk_offer *o = g->picked.shown[i];
    json_t *card = rk_offer_card(o, i + 1);
    json_object_set_new(card, "why", why(g, i));
    json_object_set_new(card, "score", rk_pick_score(&g->intent, o));
    json_object_set_new(card, "also_at", also_at(g, o));
    warn(g, o, card);
    set_picture(t, card, o);
    json_array_append_new(cards, card);
    json_array_append_new(kept, json_pack("{s:i, s:s, s:s, s:s, s:f, s:I}", "number", i + 1, "origin", o->origin, "item_id", o->item_id,
                                          "title", o->title, "rating", o->rating, "total_minor", (json_int_t)o->total.minor));
    if (o->total.minor < g->picked.shown[cheapest - 1]->total.minor) cheapest = i + 1;
  }
  if (together && rk_db_commit(db, &ignored)) rk_log(RK_LOG_WARN, "agent", "pictures: %s", ignored.msg);
  if (json_array_size(cards) == 0) {
    json_decref(cards);
    return;
  }
  rk_tool_event(out, "card", json_pack("{s:s, s:o, s:i, s:s}", "call_id", call_id, "cards", cards, "cheapest", cheapest, "reason", reason));
}

/* "The second one": only what was shown before and is meant now stays. */
static void keep_referred(struct rk_goal *g) {
  const json_t *only = rk_json_arr(g->args, "only");
  if (!only) return;
  struct rk_picked kept = g->picked;
  kept.n_shown = 0;
  for (int32_t i = 0; i < g->n_offers; i++) {
    struct rk_offer *o = &g->offers[i];
    for (size_t k = 0; k < json_array_size(only) && kept.n_shown < RK_MAX_CARDS; k++) {
      const json_t *c = json_array_get(only, k);
      if (strcmp(o->origin, rk_json_cstr(c, "origin", "")) != 0 || strcmp(o->item_id, rk_json_cstr(c, "item_id", "")) != 0) continue;
      if (rk_offer_price(o, g->intent.quantity > 0 ? g->intent.quantity : 1, g->intent.date) == RK_OK && rk_pick_within(&g->intent, o))
        kept.shown[kept.n_shown++] = o;
    }
  }
  /* best first */
  for (int32_t i = 1; i < kept.n_shown; i++)
    for (int32_t k = i; k > 0; k--) {
      struct rk_offer *a = kept.shown[k - 1], *b = kept.shown[k];
      bool swap = g->intent.wish == RK_WISH_RATING ? b->rating > a->rating : g->intent.wish == RK_WISH_WEIGHED ? b->score.all > a->score.all : b->total.minor < a->total.minor;
      if (!swap) break;
      kept.shown[k - 1] = b;
      kept.shown[k] = a;
    }
  g->picked = kept;
}

static bool any_answered(const json_t *reports) {
  size_t i;
  json_t *r;
  json_array_foreach(reports, i, r)
    if (rk_json_bool(r, "ok", true)) return true;
  return false;
}

/* A merchant that did not answer is said once. */
static void notices(bool zh, struct rk_tool_out *out) {
  bool others = any_answered(out->shops);
  const char *rest = zh ? (others ? "，先用其他店铺的结果。" : "。") : (others ? "; going on with the others." : ".");
  size_t i;
  json_t *r;
  json_array_foreach(out->shops, i, r) {
    if (rk_json_bool(r, "ok", true)) continue;
    json_t *text = json_sprintf(zh ? "店铺 %s 没有正常回应（%s）%s" : "The shop %s did not answer properly (%s)%s", rk_json_cstr(r, "name", "?"),
                                rk_json_cstr(r, "message", ""), rest);
    if (!text) text = json_string("A shop did not answer properly.");
    rk_tool_event(out, "notice", json_pack("{s:s, s:o, s:s}", "level", "warning", "text", text, "code", "shop_unavailable"));
  }
}

/* No shop at all: said by code, because other words would not help. */
static rk_err no_shop(bool zh, struct rk_tool_out *out) {
  out->close = json_string(zh ? "现在没有店铺回应，请稍后再试。" : "No shop answers right now; please try again later.");
  out->keep = json_pack("{s:b}", "closed", 1);
  return rk_tool_refuse(out, json_string("no shop answered: say so and suggest to try again later"));
}

rk_err rk_tool_search_offers(struct rk_turn *t, const struct rk_call *c, struct rk_tool_out *out, struct rk_error *e) {
  struct rk_goal *g = c->goal;
  struct rk_buf reason;
  rk_err err = rk_goal_search(t, g, &out->shops, e);
  notices(g->intent.chinese, out);
  if (err == RK_EUNAVAIL) return no_shop(g->intent.chinese, out);
  if (err) return err;
  keep_referred(g);
  rk_buf_init(&reason, 4096);
  err = rk_pick_reason(&g->intent, &g->picked, &reason);
  if (!err) {
    json_t *kept = json_array();
    card_event(t, g, c->id, reason.p, kept, out);
    out->keep = json_pack("{s:s, s:o, s:s, s:i}", "query", rk_json_cstr(c->args, "what", ""), "cards", kept, "reason", reason.p, "candidates", (int)g->picked.n_candidates);
    out->result = for_model(g, reason.p);
    out->ok = g->picked.n_candidates > 0; /* "too dear" is an answer; for no such thing there are other words */
    if (!out->ok) json_object_set_new(out->result, "hint", json_string("search once more with another, more common name of the product, in the user's language"));
  }
  rk_buf_release(&reason);
  return err ? rk_fail(e, err, "an offer's text is too long") : RK_OK;
}
