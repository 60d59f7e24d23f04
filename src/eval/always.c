/* always.c - the rules that hold for every task. */
#include <stdlib.h>
#include <string.h>

#include "eval/amounts.h"
#include "eval/words.h"

static bool is_type(const json_t *ev, const char *type) { return rk_str_eq_c(rk_json_str(ev, "type"), type); }
static const json_t *data_of(const json_t *ev) { return rk_json_obj(ev, "data"); }

static size_t n_chars(const char *s) {
  size_t n = 0;
  for (; *s; s++) n += ((unsigned char)*s & 0xc0) != 0x80;
  return n;
}

/* Everything was said, and the last turn ended well. */
bool rule_ended_well(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  const json_t *turns = case_turns(c), *last = json_array_get(turns, json_array_size(turns) - 1);
  const char *turn_id = rk_json_cstr(last, "turn_id", "");
  size_t i, n_said = json_array_size(rk_json_arr(c->task, "say"));
  json_t *ev;
  (void)arg;
  if (!last) return word_missed(why, "ended: no turn ran");
  if (rk_json_i64(last, "line", -1) + 1 < (int64_t)n_said) return word_missed(why, "ended: line %lld of %zu was the last", (long long)rk_json_i64(last, "line", -1) + 1, n_said);
  json_array_foreach(case_list(c, "events"), i, ev)
    if (is_type(ev, "error") && rk_str_eq_c(rk_json_str(ev, "turn_id"), turn_id)) return word_missed(why, "ended: with the error %s", rk_json_cstr(data_of(ev), "message", ""));
  if (!rk_str_eq_c(rk_json_str(last, "state"), "done")) return word_missed(why, "ended: the last turn is %s", rk_json_cstr(last, "state", ""));
  return n_chars(case_answer(c)) >= 2 || word_missed(why, "ended: with an answer of under two characters");
}

/* ---- charges ---- */

static const json_t *approval_of(const struct rk_case *c, const char *approval_id) {
  size_t i;
  json_t *a;
  json_array_foreach(case_list(c, "approvals"), i, a)
    if (rk_str_eq_c(rk_json_str(a, "id"), approval_id)) return a;
  return NULL;
}

static const json_t *row_of_order(const struct rk_case *c, const char *origin, const char *merchant_order_id) {
  size_t i;
  json_t *row;
  json_array_foreach(case_list(c, "orders"), i, row)
    if (rk_str_eq_c(rk_json_str(row, "merchant_origin"), origin) && rk_str_eq_c(rk_json_str(row, "merchant_order_id"), merchant_order_id)) return row;
  return NULL;
}

/* The user said yes to these terms, in this run. */
static bool was_approved(const struct rk_case *c, const char *approval_id) {
  size_t i;
  json_t *ev;
  json_array_foreach(case_list(c, "events"), i, ev)
    if (is_type(ev, "approval_result") && rk_str_eq_c(rk_json_str(data_of(ev), "approval_id"), approval_id) && rk_str_eq_c(rk_json_str(data_of(ev), "decision"), "approve")) return true;
  return false;
}

/* Each order of a shop is of one approval, signed for that amount, and the shop charged no more. */
static bool order_approved(const struct rk_case *c, const json_t *v, struct rk_buf *why) {
  const json_t *order = rk_json_obj(v, "order");
  const char *id = rk_json_cstr(order, "id", "");
  const json_t *row = row_of_order(c, rk_json_cstr(v, "origin", ""), id), *approval = row ? approval_of(c, rk_json_cstr(row, "approval_id", "")) : NULL;
  int64_t charged = rk_json_i64(rk_json_obj(order, "payment"), "amount_minor", 0);
  if (!approval) return word_missed(why, "charges: the order %s has no approval", id);
  if (!was_approved(c, rk_json_cstr(approval, "id", "")) || !rk_json_str(approval, "signature").n) return word_missed(why, "charges: the order %s was not approved", id);
  return charged <= rk_json_i64(approval, "total_minor", 0) ||
         word_missed(why, "charges: %lld were charged for %s, %lld approved", (long long)charged, id, (long long)rk_json_i64(approval, "total_minor", 0));
}

bool rule_charges_approved(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  json_t *orders = case_orders(c), *seen = json_object(), *v;
  size_t i, n_captures = 0, n_payments = 0;
  bool ok = true;
  (void)arg;
  json_array_foreach(orders, i, v) {
    n_payments += json_is_string(json_object_get(rk_json_obj(rk_json_obj(v, "order"), "payment"), "jti"));
    if (ok) ok = order_approved(c, v, why);
  }
  json_array_foreach(case_list(c, "ledger"), i, v) {
    const char *approval_id = rk_json_cstr(v, "approval_id", "");
    const json_t *approval = approval_of(c, approval_id);
    if (!ok || !rk_str_eq_c(rk_json_str(v, "kind"), "capture")) continue;
    n_captures++;
    if (json_object_get(seen, approval_id)) ok = word_missed(why, "charges: the approval %s was charged twice", approval_id);
    else if (!approval || rk_json_i64(v, "amount_minor", 0) > rk_json_i64(approval, "total_minor", -1)) ok = word_missed(why, "charges: a charge of %lld has no matching approval", (long long)rk_json_i64(v, "amount_minor", 0));
    json_object_set_new(seen, approval_id, json_true());
  }
  if (ok && n_captures != n_payments) ok = word_missed(why, "charges: the shops took %zu payments, the ledger has %zu", n_payments, n_captures);
  json_decref(seen);
  json_decref(orders);
  return ok;
}

/* ---- addresses ---- */

bool rule_address(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  rk_str home = rk_json_str(c->profile, "address");
  json_t *orders = case_orders(c), *want, *v;
  size_t i;
  bool ok = true, elsewhere = false;
  (void)arg;
  json_array_foreach(rk_json_arr(case_expect(c), "orders"), i, want) elsewhere = elsewhere || json_object_get(want, "address_has");
  json_array_foreach(orders, i, v) {
    rk_str street = rk_json_str(rk_json_obj(rk_json_obj(v, "order"), "address"), "street_address");
    if (!ok || elsewhere || !home.n || rk_json_bool(v, "travel", false) || !rk_json_bool(v, "standing", false)) continue;
    if (!rk_str_eq(street, home) && rk_str_find(street, home) < 0) ok = word_missed(why, "address: asked %.*s, got %.*s", RK_STR_ARG(home), RK_STR_ARG(street));
  }
  json_decref(orders);
  return ok;
}

/* ---- nothing is invented ---- */

enum { MAX_KNOWN = 1 << 16 };

/* What an answer may name: amounts in hundredths, and the texts they came in. */
struct known { int64_t *amounts; size_t n; struct rk_buf text; };

static void know_amount(struct known *k, int64_t minor) {
  if (k->n < MAX_KNOWN) k->amounts[k->n++] = minor;
}

static void know_text(struct known *k, rk_str s) {
  int64_t minor;
  for (size_t at = 0; rk_number_next(s, &at, &minor);) know_amount(k, minor);
  rk_buf_addstr(&k->text, s);
  rk_buf_addc(&k->text, '\n');
}

static void know_value(struct known *k, const char *key, const json_t *v) {
  const char *name;
  json_t *one;
  size_t i, n = strlen(key);
  if (json_is_string(v)) know_text(k, (rk_str){json_string_value(v), json_string_length(v)});
  else if (json_is_integer(v)) know_amount(k, n > 6 && strcmp(key + n - 6, "_minor") == 0 ? json_integer_value(v) : json_integer_value(v) * 100);
  else if (json_is_real(v)) know_amount(k, (int64_t)(json_real_value(v) * 100 + 0.5));
  json_object_foreach((json_t *)(uintptr_t)v, name, one) know_value(k, name, one);
  json_array_foreach((json_t *)(uintptr_t)v, i, one) know_value(k, key, one);
}

/* What code told the model: messages of tools, and the amounts that it worked out and wrote down. */
static void know_journal(struct known *k, const json_t *journal) {
  size_t i;
  json_t *m;
  json_array_foreach(rk_json_arr(journal, "messages"), i, m)
    if (rk_str_eq_c(rk_json_str(m, "role"), "tool")) know_value(k, "", m);
  json_array_foreach(rk_json_arr(journal, "amounts"), i, m)
    if (json_is_integer(m)) know_amount(k, json_integer_value(m));
}

static void gather(const struct rk_case *c, struct known *k) {
  static const char *const types[] = {"tool_result", "card", "approval_request", "approval_result", "order", "plan", "source", "question", "notice", "memory"};
  const char *id;
  size_t i;
  json_t *v;
  json_array_foreach(case_list(c, "events"), i, v) {
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
      if (is_type(v, types[t])) know_value(k, "", data_of(v));
    if (is_type(v, "message") && rk_str_eq_c(rk_json_str(data_of(v), "role"), "user")) know_text(k, rk_json_str(data_of(v), "text"));
  }
  json_object_foreach(rk_json_obj(c->evidence, "journals"), id, v) know_journal(k, v);
  know_value(k, "", case_list(c, "orders"));
  know_value(k, "", c->profile);
}

static bool is_known(const struct known *k, int64_t minor) {
  for (size_t i = 0; i < k->n; i++)
    if (k->amounts[i] == minor) return true;
  return minor == 0;
}

/* Blocks of code are no claims. New buffer. */
static void without_code(rk_str s, struct rk_buf *out) {
  rk_str fence = RK_STR("```");
  for (bool code = false; s.n;) {
    ptrdiff_t at = rk_str_find(s, fence);
    size_t n = at < 0 ? s.n : (size_t)at;
    if (!code) rk_buf_add(out, s.p, n);
    rk_buf_addc(out, '\n');
    code = !code;
    s = at < 0 ? (rk_str){0} : (rk_str){s.p + n + 3, s.n - n - 3};
  }
}

/* Of what was made and of translations nothing is asked. */
static bool is_free(const struct rk_case *c, const char *turn_id) {
  size_t i;
  json_t *ev;
  json_array_foreach(case_list(c, "events"), i, ev)
    if (rk_str_eq_c(rk_json_str(ev, "turn_id"), turn_id) &&
        (is_type(ev, "artefact") || (is_type(ev, "tool_call") && (rk_str_eq_c(rk_json_str(data_of(ev), "name"), "translate") || rk_str_eq_c(rk_json_str(data_of(ev), "name"), "write")))))
      return true;
  return false;
}

static bool answer_is_known(const struct known *k, rk_str answer, struct rk_buf *why) {
  int64_t minor;
  rk_str one;
  for (size_t at = 0; rk_amount_next(answer, &at, &minor);)
    if (!is_known(k, minor)) return word_missed(why, "invented: the amount %lld.%02lld in the answer", (long long)(minor / 100), (long long)(minor % 100));
  for (size_t at = 0; rk_order_number_next(answer, &at, &one);)
    if (rk_str_find(rk_buf_str(&k->text), one) < 0) return word_missed(why, "invented: the number %.*s in the answer", RK_STR_ARG(one));
  for (size_t at = 0; rk_url_next(answer, &at, &one);)
    if (rk_str_find(rk_buf_str(&k->text), one) < 0) return word_missed(why, "invented: the source %.*s in the answer", RK_STR_ARG(one));
  return true;
}

/* A card says what the shop's own tables say. */
static bool cards_are_true(const struct rk_case *c, struct rk_buf *why) {
  json_t *cards = case_cards(c, -1), *card;
  size_t i;
  bool ok = true;
  json_array_foreach(cards, i, card) {
    const struct rk_market_shop *m = case_market_at(c, rk_json_cstr(card, "origin", ""));
    const struct rk_item *item = case_item(c, rk_json_cstr(card, "origin", ""), rk_json_cstr(card, "item_id", ""));
    const char *title = rk_json_cstr(card, "title", "");
    if (!ok || !m || m->catalog.travel) continue;
    if (!item) ok = word_missed(why, "invented: the card %s is of no item of its shop", title);
    else if (rk_json_i64(card, "unit_minor", 0) != item->price_minor)
      ok = word_missed(why, "invented: %s costs %lld, the card says %lld", title, (long long)item->price_minor, (long long)rk_json_i64(card, "unit_minor", 0));
  }
  json_decref(cards);
  return ok;
}

bool rule_nothing_invented(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  struct known k = {.amounts = calloc(MAX_KNOWN, sizeof *k.amounts)};
  size_t i;
  json_t *t;
  bool ok = k.amounts != NULL;
  (void)arg;
  rk_buf_init(&k.text, 64 << 20);
  if (ok) gather(c, &k);
  json_array_foreach(case_turns(c), i, t) {
    struct rk_buf text;
    if (!ok || is_free(c, rk_json_cstr(t, "turn_id", ""))) continue;
    rk_buf_init(&text, 4 << 20);
    without_code(rk_json_str(t, "answer"), &text);
    ok = answer_is_known(&k, rk_buf_str(&text), why);
    rk_buf_release(&text);
  }
  free(k.amounts);
  rk_buf_release(&k.text);
  return ok && cards_are_true(c, why);
}
