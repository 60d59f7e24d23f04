#include "eval/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "eval/words.h"

/* ---- words ---- */

/* A number or text that another word reads. */
static bool with_another(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  (void)c, (void)arg, (void)why;
  return true;
}

/* with: the word that reads it; a word that stands alone and means nothing by itself is not known. */
static const struct { const char *name; rk_word *fn; const char *with; } words[] = {
    {"orders", word_orders, NULL},
    {"orders_items", word_orders_items, NULL},
    {"orders_total_max_minor", with_another, "orders_items"},
    {"cheapest_each", with_another, "orders_items"},
    {"trips", word_trips, NULL},
    {"stays", word_stays, NULL},
    {"tickets", word_tickets, NULL},
    {"films", word_films, NULL},
    {"plan_total_max_minor", word_plan_total, NULL},
    {"shown", word_shown, NULL},
    {"shown_merchants", word_shown_merchants, NULL},
    {"shown_all", word_shown_all, NULL},
    {"shown_cheapest", word_shown_cheapest, NULL},
    {"card", word_card, NULL},
    {"no_card", word_no_card, NULL},
    {"searched", word_searched, NULL},
    {"no_tool", word_no_tool, NULL},
    {"asked", word_asked, NULL},
    {"answer_has", word_answer_has, NULL},
    {"answer_any", word_answer_any, NULL},
    {"answer_not", word_answer_not, NULL},
    {"answer_min_chars", word_answer_min_chars, NULL},
    {"answer_has_order_id", word_answer_has_order_id, NULL},
    {"cites", word_cites, NULL},
    {"cites_date", with_another, "cites"},
    {"memory_has", word_memory_has, NULL},
    {"code_compiles", word_code_compiles, NULL},
    {"made", word_made, NULL},
    {"seconds", with_another, "made"},
    {"count", with_another, "made"},
    {"app", with_another, "made"},
    {"injection", with_another, NULL},
    {"new_chat_each", with_another, NULL},
};
enum { N_WORDS = sizeof words / sizeof *words };

static rk_word *const rules[] = {rule_ended_well, rule_charges_approved, rule_address, rule_nothing_invented};

bool word_missed(struct rk_buf *why, const char *fmt, ...) {
  char text[RK_MAX_WHY_BYTES];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  if (why->n == 0) rk_buf_adds(why, text);
  return false;
}

bool word_keys_known(const char *word, const json_t *obj, const char *const *keys, struct rk_buf *why) {
  const char *key;
  json_t *v;
  if (!json_is_object(obj)) return word_missed(why, "%s: an entry is no object", word);
  json_object_foreach((json_t *)(uintptr_t)obj, key, v) {
    const char *const *k = keys;
    while (*k && strcmp(*k, key) != 0) k++;
    if (!*k) return word_missed(why, "%s: the key %s is not known", word, key);
  }
  return true;
}

/* Every word there is, before any is looked at. */
static bool words_known(const json_t *expect, struct rk_buf *why) {
  const char *key;
  json_t *v;
  json_object_foreach((json_t *)(uintptr_t)expect, key, v) {
    int i = 0;
    while (i < N_WORDS && strcmp(words[i].name, key) != 0) i++;
    if (i == N_WORDS) return word_missed(why, "the word %s is not known", key);
    if (words[i].with && !json_object_get(expect, words[i].with)) return word_missed(why, "the word %s stands without %s", key, words[i].with);
  }
  return true;
}

static bool of_dated_places(const json_t *expect) {
  static const char *const names[] = {"trips", "stays", "tickets", "films"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (json_object_get(expect, names[i])) return true;
  return false;
}

static bool all_hold(const struct rk_case *c, struct rk_buf *why) {
  const json_t *expect = case_expect(c);
  if (!words_known(expect, why)) return false;
  for (int i = 0; i < N_WORDS; i++) {
    const json_t *arg = json_object_get(expect, words[i].name);
    if (arg && !words[i].fn(c, arg, why)) return false;
  }
  if (of_dated_places(expect)) {
    static const struct { const char *name; rk_word *fn; } lists[] = {{"trips", word_trips}, {"stays", word_stays}, {"tickets", word_tickets}, {"films", word_films}};
    json_t *none = json_array();
    bool ok = json_object_get(expect, "orders") || json_object_get(expect, "orders_items") || word_no_goods(c, none, why);
    for (size_t i = 0; ok && i < sizeof lists / sizeof *lists; i++)
      if (!json_object_get(expect, lists[i].name)) ok = lists[i].fn(c, none, why);
    json_decref(none);
    if (!ok) return false;
  }
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
    if (!rules[i](c, NULL, why)) return false;
  return true;
}

bool rk_check(const struct rk_case *c, char why[RK_MAX_WHY_BYTES]) {
  struct rk_buf text;
  rk_buf_init(&text, RK_MAX_WHY_BYTES);
  bool ok = all_hold(c, &text);
  if (!ok && text.n == 0) rk_buf_adds(&text, "failed");
  rk_utf8_copy(why, RK_MAX_WHY_BYTES, ok ? (rk_str){0} : rk_buf_str(&text));
  for (char *p = why; *p; p++)
    if ((unsigned char)*p < ' ') *p = ' '; /* one line, whatever an answer holds */
  rk_buf_release(&text);
  return ok;
}

/* ---- what happened ---- */

const char *case_answer(const struct rk_case *c) {
  const json_t *turns = case_turns(c);
  size_t n = json_array_size(turns);
  return n ? rk_json_cstr(json_array_get(turns, n - 1), "answer", "") : "";
}

int64_t case_line_of_turn(const struct rk_case *c, const char *turn_id) {
  size_t i;
  json_t *t;
  json_array_foreach(case_turns(c), i, t)
    if (strcmp(rk_json_cstr(t, "turn_id", ""), turn_id) == 0) return rk_json_i64(t, "line", -1);
  return -1;
}

const json_t *case_shop_at(const struct rk_case *c, const char *origin) {
  size_t i;
  json_t *s;
  json_array_foreach(case_list(c, "shops"), i, s)
    if (strcmp(rk_json_cstr(s, "origin", ""), origin) == 0) return s;
  return NULL;
}

const struct rk_market_shop *case_market_at(const struct rk_case *c, const char *origin) {
  const json_t *shop = case_shop_at(c, origin);
  int32_t at = shop ? rk_market_shop_named(c->market, rk_json_cstr(shop, "name", "")) : -1;
  return at < 0 ? NULL : &c->market->shops[at];
}

const struct rk_item *case_item(const struct rk_case *c, const char *origin, const char *item_id) {
  const struct rk_market_shop *m = case_market_at(c, origin);
  return m ? rk_catalog_item(&m->catalog, rk_str_c(item_id)) : NULL;
}

bool case_is_status(const char *status, const char *wanted) {
  bool canceled = strcmp(status, "canceled") == 0 || strcmp(status, "cancelled") == 0, refunded = strcmp(status, "refunded") == 0;
  if (strcmp(wanted, "canceled_or_refunded") == 0) return canceled || refunded;
  return strcmp(wanted, "refunded") == 0 ? refunded : strcmp(wanted, "canceled") == 0 ? canceled : strcmp(status, wanted) == 0;
}

json_t *case_orders(const struct rk_case *c) {
  json_t *out = json_array(), *shop, *order;
  size_t i, k;
  json_array_foreach(case_list(c, "shops"), i, shop) {
    const char *name = rk_json_cstr(shop, "name", "");
    int32_t at = rk_market_shop_named(c->market, name);
    bool travel = at >= 0 && c->market->shops[at].catalog.travel;
    json_array_foreach(rk_json_arr(shop, "orders"), k, order)
      json_array_append_new(out, json_pack("{s:s, s:s, s:O, s:b, s:b}", "shop", name, "origin", rk_json_cstr(shop, "origin", ""), "order", order, "travel", travel,
                                           "standing", !case_is_status(rk_json_cstr(order, "status", "placed"), "canceled_or_refunded")));
  }
  return out;
}

json_t *case_cards(const struct rk_case *c, int64_t before_line) {
  json_t *out = json_array(), *ev;
  char of_turn[40] = "";
  size_t i;
  json_array_foreach(case_list(c, "events"), i, ev) {
    if (!rk_str_eq_c(rk_json_str(ev, "type"), "card")) continue;
    const char *turn_id = rk_json_cstr(ev, "turn_id", "");
    json_t *cards = rk_json_arr(rk_json_obj(ev, "data"), "cards");
    if (json_array_size(cards) == 0 || (before_line >= 0 && case_line_of_turn(c, turn_id) >= before_line)) continue;
    if (before_line >= 0 && strcmp(of_turn, turn_id) != 0) json_array_clear(out);
    snprintf(of_turn, sizeof of_turn, "%s", turn_id);
    json_array_extend(out, cards);
  }
  return out;
}

int64_t case_start_ms(const struct rk_case *c) {
  int64_t ms = 0;
  return rk_time_parse(rk_json_str(c->task, "clock"), &ms, NULL) ? ms : 0;
}

/* ---- the report ---- */

json_t *rk_check_summary(const struct rk_case *c) {
  json_t *orders = case_orders(c), *bought = json_array(), *charges = json_array(), *approvals = json_array(), *answers = json_array(), *v;
  size_t i;
  json_array_foreach(orders, i, v) {
    const json_t *order = rk_json_obj(v, "order"), *payment = rk_json_obj(order, "payment");
    json_array_append_new(bought, json_pack("{s:s, s:s, s:s, s:I, s:s}", "shop", rk_json_cstr(v, "shop", ""), "id", rk_json_cstr(order, "id", ""), "status",
                                            rk_json_cstr(order, "status", ""), "total_minor", (json_int_t)rk_json_i64(order, "total_minor", 0), "currency",
                                            rk_json_cstr(order, "currency", "")));
    if (json_is_integer(json_object_get(payment, "amount_minor")))
      json_array_append_new(charges, json_pack("{s:s, s:s, s:I}", "order_id", rk_json_cstr(order, "id", ""), "kind", rk_json_cstr(payment, "kind", ""), "amount_minor",
                                               (json_int_t)rk_json_i64(payment, "amount_minor", 0)));
  }
  json_array_foreach(case_list(c, "approvals"), i, v)
    json_array_append_new(approvals, json_pack("{s:s, s:s, s:I, s:s}", "kind", rk_json_cstr(v, "kind", ""), "state", rk_json_cstr(v, "state", ""), "total_minor",
                                               (json_int_t)rk_json_i64(v, "total_minor", 0), "currency", rk_json_cstr(v, "currency", "")));
  json_array_foreach(case_turns(c), i, v) json_array_append(answers, json_object_get(v, "answer"));
  json_t *cards = case_cards(c, -1);
  json_t *out = json_pack("{s:o, s:o, s:o, s:I, s:o}", "orders", bought, "charges", charges, "approvals", approvals, "cards", (json_int_t)json_array_size(cards),
                          "answers", answers);
  json_decref(cards);
  json_decref(orders);
  return out;
}
