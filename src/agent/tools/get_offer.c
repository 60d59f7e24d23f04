#include "agent/turn.h"

enum { MAX_REVIEWS = 3 };

rk_err rk_tool_get_offer(struct rk_turn *t, const char *call_id, const json_t *args, struct rk_tool_out *out, struct rk_error *e) {
  (void)call_id;
  (void)e;
  int64_t number = rk_json_i64(args, "offer", 0);
  const struct rk_offer *o = rk_turn_offer(t, number);
  out->ok = o != NULL;
  if (!o) {
    out->result = json_sprintf("there is no offer %lld: take a number from 1 to %d of the last search, or search first", (long long)number,
                               (int)json_array_size(rk_json_arr(rk_json_obj(t->journal, "search"), "cards")));
    out->result = json_pack("{s:o}", "error", out->result);
    return RK_OK;
  }
  char total[40];
  rk_money_text(o->total, total);
  json_t *reviews = json_array(), *facts = json_object();
  for (int32_t i = 0; i < o->n_reviews_text && i < MAX_REVIEWS; i++) json_array_append_new(reviews, json_string(o->reviews[i]));
  for (int32_t i = 0; i < o->n_attrs; i++) json_object_set_new(facts, o->attrs[i].name, json_string(o->attrs[i].value));
  json_t *rating = o->n_reviews > 0 || o->rating > 0 ? json_real(o->rating) : json_string("unknown");
  out->result = json_pack("{s:I, s:s, s:s, s:s, s:o, s:i, s:o, s:o}", "offer", (json_int_t)number, "title", o->title, "shop", o->shop_name, "total",
                          total, "rating", rating, "reviews", o->n_reviews, "facts", facts, "review_texts", reviews);
  return RK_OK;
}
