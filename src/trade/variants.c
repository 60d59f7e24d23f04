/* variants.c - what else a line of a pending purchase could be: the other sizes, colours, sweetnesses of its product. */
#include <string.h>

#include "trade/internal.h"

static json_t *variant_json(const struct rk_offer *o) {
  json_t *options = json_object(), *labels = json_object();
  for (int32_t i = 0; i < o->n_options; i++) {
    json_object_set_new(options, o->options[i].name, json_string(o->options[i].value));
    json_object_set_new(labels, o->options[i].name, json_string(o->option_labels && o->option_labels[i][0] ? o->option_labels[i] : o->options[i].value));
  }
  json_t *v = json_pack("{s:s, s:o, s:o, s:I, s:s}", "item_id", o->item_id, "options", options, "labels", labels, "unit_minor", (json_int_t)o->unit_price.minor, "currency",
                        o->unit_price.currency);
  if (o->stock >= 0) json_object_set_new(v, "stock", json_integer(o->stock));
  return v;
}

/* Sold in the currency of the purchase, or no choice. */
static json_t *variants_of(struct rk_trade *t, const json_t *row, const json_t *line, struct rk_arena *a) {
  struct rk_offer *offers = NULL;
  int32_t n = 0;
  struct rk_error ignored;
  json_t *list = json_array();
  if (rk_merchant_variants(t->merchants, rk_json_cstr(row, "merchant_origin", ""), rk_json_cstr(line, "item_id", ""), rk_json_cstr(rk_json_obj(row, "asked"), "lang", NULL), a,
                           &offers, &n, &ignored))
    n = 0;
  for (int32_t i = 0; i < n; i++)
    if (rk_str_eq_c(rk_json_str(row, "currency"), offers[i].unit_price.currency)) json_array_append_new(list, variant_json(&offers[i]));
  return list;
}

json_t *rk_trade_variants(struct rk_trade *t, const char *user_id, const char *approval_id, struct rk_error *e) {
  json_t *row = rk_store_approval(t->store, approval_id), *line, *lists = NULL;
  struct rk_arena *a = rk_arena_new(RK_TRADE_ARENA_BYTES);
  size_t i;
  bool mine = row && rk_str_eq_c(rk_json_str(row, "user_id"), user_id) && rk_str_eq_c(rk_json_str(row, "kind"), "purchase");
  if (!mine) rk_fail(e, RK_ENOTFOUND, "there is no such purchase");
  else if (!a) rk_fail(e, RK_ENOMEM, "out of memory");
  else {
    lists = json_array();
    json_array_foreach(rk_json_arr(rk_json_obj(row, "terms"), "lines"), i, line) json_array_append_new(lists, variants_of(t, row, line, a));
  }
  rk_arena_free(a);
  json_decref(row);
  return lists;
}
