/* edit.c - the user changes what an approval asks for.
 *
 * What the merchant is asked for stands in the terms; the changes are put on
 * top, the merchant's checkout is replaced, and what it answers becomes the
 * next approval. Nobody completes the approval meanwhile (rk_trade_enter). */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "trade/internal.h"

enum { MAX_FIELD_BYTES = 500 };

/* ---- the changes ---- */

static rk_err check_codes(const json_t *codes, struct rk_error *e) {
  size_t i;
  json_t *one;
  if (!json_is_array(codes) || json_array_size(codes) > RK_MAX_DISCOUNT_CODES)
    return rk_fail(e, RK_EINVAL, "changes.codes is a list of at most %d texts", RK_MAX_DISCOUNT_CODES);
  json_array_foreach(codes, i, one)
    if (!json_is_string(one) || json_string_length(one) == 0 || json_string_length(one) > 64)
      return rk_fail(e, RK_EINVAL, "changes.codes[%zu] is no code", i);
  return RK_OK;
}

static rk_err check_address(const json_t *address, struct rk_error *e) {
  static const char *const fields[] = {"name", "phone", "street", "city"};
  const char *key;
  json_t *v;
  if (!json_is_object(address) || rk_json_str(address, "street").n == 0) return rk_fail(e, RK_EINVAL, "changes.address has at least a street");
  json_object_foreach((json_t *)(uintptr_t)address, key, v) {
    bool known = false;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) known = known || strcmp(fields[i], key) == 0;
    if (!known || !json_is_string(v) || json_string_length(v) > MAX_FIELD_BYTES)
      return rk_fail(e, RK_EINVAL, "changes.address.%s is none of name, phone, street and city, or no text of up to %d bytes", key, MAX_FIELD_BYTES);
  }
  return RK_OK;
}

static rk_err check_changes(const json_t *changes, size_t n_lines, struct rk_error *e) {
  const char *key;
  json_t *v;
  rk_err err = json_object_size(changes) ? RK_OK : rk_fail(e, RK_EINVAL, "changes names what is to be changed");
  json_object_foreach((json_t *)(uintptr_t)changes, key, v) {
    if (err) break;
    int64_t n = json_is_integer(v) ? json_integer_value(v) : -1;
    bool is_text = json_is_string(v) && json_string_length(v) > 0 && json_string_length(v) <= MAX_FIELD_BYTES;
    if (strcmp(key, "instrument_id") == 0 || strcmp(key, "item_id") == 0 || strcmp(key, "delivery_id") == 0) {
      if (!is_text) err = rk_fail(e, RK_EINVAL, "changes.%s is a text", key);
    } else if (strcmp(key, "quantity") == 0) {
      if (n < 1 || n > RK_MAX_QUANTITY) err = rk_fail(e, RK_EINVAL, "changes.quantity is 1 to %d", RK_MAX_QUANTITY);
    } else if (strcmp(key, "line") == 0) {
      if (n < 0 || n >= (int64_t)n_lines) err = rk_fail(e, RK_EINVAL, "changes.line is the number of a line, from 0 to %d", (int)n_lines - 1);
    } else if (strcmp(key, "renew") == 0) {
      if (!json_is_true(v)) err = rk_fail(e, RK_EINVAL, "changes.renew is true");
    } else if (strcmp(key, "codes") == 0) err = check_codes(v, e);
    else if (strcmp(key, "address") == 0) err = check_address(v, e);
    else err = rk_fail(e, RK_EINVAL, "changes.%s cannot be changed; what can: instrument_id, quantity, item_id, line, codes, delivery_id, address, renew", key);
  }
  bool of_a_line = json_object_get(changes, "quantity") || json_object_get(changes, "item_id");
  if (!err && of_a_line && n_lines > 1 && !json_object_get(changes, "line")) err = rk_fail(e, RK_EINVAL, "changes.line says which of the %d lines is meant", (int)n_lines);
  return err;
}

/* ---- the request ---- */

struct edit {
  struct rk_trade *t;
  struct rk_arena *arena;
  json_t *row, *profile;
  const json_t *terms, *changes;
  json_t *instrument;             /* the other means of payment; NULL: it stays */
  struct rk_checkout co;          /* the merchant's answer */
  bool asked;                     /* the merchant was asked to change something */
};

static const char *either(const json_t *first, const json_t *second, const char *key) { return rk_json_cstr(first, key, rk_json_cstr(second, key, NULL)); }

/* The terms of the approval as a request; changes NULL: as they were. */
static rk_err request_of(const struct edit *x, const json_t *changes, struct rk_checkout_req *q) {
  const json_t *way = rk_json_obj(x->terms, "fulfilment"), *old_to = rk_json_obj(way, "address"), *new_to = rk_json_obj(changes, "address"), *v;
  const json_t *old_lines = rk_json_arr(x->terms, "lines"), *travelers = rk_json_arr(x->terms, "travelers");
  const json_t *codes = rk_json_arr(changes, "codes") ? rk_json_arr(changes, "codes") : rk_json_arr(x->terms, "discounts");
  size_t i, n = json_array_size(old_lines), n_codes = json_array_size(codes), n_travelers = json_array_size(travelers);
  struct rk_line *lines = rk_arena_array(x->arena, n + 1, sizeof *lines);
  const char **texts = rk_arena_array(x->arena, n_codes + 1, sizeof *texts);
  struct rk_traveler *who = rk_arena_array(x->arena, n_travelers + 1, sizeof *who);
  if (!lines || !texts || !who) return RK_ENOMEM;
  int64_t at = rk_json_i64(changes, "line", 0);
  for (i = 0; i < n; i++) {
    const json_t *change = (int64_t)i == at ? changes : NULL;
    v = json_array_get(old_lines, i);
    lines[i] = (struct rk_line){.item_id = either(change, v, "item_id"), .title = rk_json_cstr(v, "title", ""),
                                .quantity = (int32_t)rk_json_i64(change, "quantity", rk_json_i64(v, "quantity", 1))};
  }
  for (i = 0; i < n_codes; i++) texts[i] = json_string_value(json_array_get(codes, i));
  for (i = 0; i < n_travelers; i++) {
    v = json_array_get(travelers, i);
    who[i] = (struct rk_traveler){rk_json_cstr(v, "name", ""), rk_str_eq_c(rk_json_str(v, "kind"), "child")};
  }
  const char *delivery = either(changes, NULL, "delivery_id");
  *q = (struct rk_checkout_req){.origin = rk_json_cstr(x->row, "merchant_origin", ""), .lines = lines, .n_lines = (int32_t)n, .travelers = who,
                                .n_travelers = (int32_t)n_travelers, .codes = texts, .n_codes = (int32_t)n_codes, .delivery_id = delivery ? delivery : rk_json_cstr(way, "id", NULL),
                                .lang = rk_json_cstr(rk_json_obj(x->row, "asked"), "lang", NULL)};
  if (q->delivery_id && !*q->delivery_id) q->delivery_id = NULL;
  if (new_to)
    q->address = (struct rk_address){rk_json_cstr(new_to, "name", rk_json_cstr(old_to, "name", "")), rk_json_cstr(new_to, "phone", rk_json_cstr(old_to, "phone", "")),
                                     rk_json_cstr(new_to, "street", ""), rk_json_cstr(new_to, "city", "")};
  else q->address = (struct rk_address){rk_json_cstr(old_to, "name", ""), rk_json_cstr(old_to, "phone", ""), rk_json_cstr(old_to, "street", ""), rk_json_cstr(old_to, "city", "")};
  return RK_OK;
}

static bool same(const char *a, const char *b) { return strcmp(a ? a : "", b ? b : "") == 0; }

/* The merchant's answer is what was asked for, and can be bought. */
static rk_err check_answer(const struct edit *x, const struct rk_checkout_req *q, struct rk_error *e) {
  const struct rk_checkout *co = &x->co;
  const char *delivery = either(x->changes, NULL, "delivery_id");
  bool lines_are_right = co->n_lines == q->n_lines;
  for (int32_t i = 0; lines_are_right && i < q->n_lines; i++)
    lines_are_right = same(co->lines[i].item_id, q->lines[i].item_id) && co->lines[i].quantity == q->lines[i].quantity;
  if (co->status != RK_CO_READY) return rk_fail(e, RK_EUPSTREAM, "the merchant does not take this change: %s", co->n_messages ? co->messages[0] : "it gave no reason");
  if (!lines_are_right) return rk_fail(e, RK_EUPSTREAM, "the merchant put other things into the checkout than were asked for");
  if (!same(co->currency, rk_json_cstr(x->row, "currency", ""))) return rk_fail(e, RK_EUPSTREAM, "the merchant asks for another currency now");
  if (!same(co->origin, q->origin) || !same(co->address.street, q->address.street) || !same(co->address.city, q->address.city))
    return rk_fail(e, RK_EUPSTREAM, "the merchant answered with another origin or address than was asked for");
  if (delivery && (!co->delivery || !same(co->delivery->id, delivery))) return rk_fail(e, RK_EUPSTREAM, "the merchant does not deliver in that way");
  bool at_the_door = x->instrument ? same(rk_json_cstr(x->instrument, "kind", ""), RK_ON_DELIVERY) : rk_trade_is_on_delivery(x->row);
  if (at_the_door && !co->on_delivery) return rk_fail(e, RK_EUPSTREAM, "the merchant does not take payment on delivery for that");
  if (rk_trade_expiry(co) <= rk_now_ms()) return rk_fail(e, RK_EGONE, "the checkout has expired");
  return RK_OK;
}

/* ---- the next approval ---- */

/* One of the profile's, or the carrier's hand where the merchant takes that. */
static rk_err take_instrument(struct edit *x, const char *id, struct rk_error *e) {
  const json_t *asked = rk_json_obj(x->row, "asked"), *mine = rk_trade_instrument(x->profile, id);
  bool at_the_door = strcmp(id, RK_ON_DELIVERY) == 0, sandbox = rk_json_bool(rk_json_obj(x->terms, "merchant"), "sandbox", false);
  if (at_the_door && !rk_json_bool(asked, "on_delivery", false)) return rk_fail(e, RK_EINVAL, "this merchant does not take payment on delivery for this order");
  if (!at_the_door && !mine) return rk_fail(e, RK_EINVAL, "there is no such payment method in the profile: %s", id);
  if (!at_the_door && !sandbox) return rk_fail(e, RK_EINVAL, "this merchant does not take %s", id);
  x->instrument = at_the_door ? rk_trade_on_delivery(rk_json_cstr(asked, "lang", NULL))
                              : json_pack("{s:s, s:s, s:s}", "id", id, "kind", rk_json_cstr(mine, "kind", ""), "label", rk_json_cstr(mine, "label", ""));
  return RK_OK;
}

static rk_err load(struct edit *x, const char *user_id, const char *approval_id, struct rk_error *e) {
  const char *instrument = rk_json_cstr(x->changes, "instrument_id", NULL);
  json_decref(x->row);
  x->row = rk_store_approval(x->t->store, approval_id);
  if (!x->row || !rk_str_eq_c(rk_json_str(x->row, "user_id"), user_id)) return rk_fail(e, RK_ENOTFOUND, "there is no such approval");
  if (!rk_str_eq_c(rk_json_str(x->row, "state"), "pending") || rk_trade_is_over(x->row)) return rk_fail(e, RK_EGONE, "this approval is no longer waiting");
  if (!rk_str_eq_c(rk_json_str(x->row, "kind"), "purchase")) return rk_fail(e, RK_EINVAL, "only a purchase can be edited");
  x->terms = rk_json_obj(x->row, "terms");
  if (!x->profile) x->profile = rk_store_profile(x->t->store, user_id);
  return instrument ? take_instrument(x, instrument, e) : RK_OK;
}

static json_t *instrument_json(const struct edit *x) { return json_incref(x->instrument ? x->instrument : rk_json_obj(x->terms, "instrument")); }

static json_t *new_terms(struct edit *x, struct rk_error *e) {
  json_t *instrument = instrument_json(x), *terms;
  if (x->asked) {
    const char *name = rk_json_cstr(rk_json_obj(x->terms, "merchant"), "name", "");
    if (x->co.merchant_name_en && same(name, x->co.merchant_name_en)) x->co.merchant_name = x->co.merchant_name_en;
    terms = rk_terms_project(&x->co, &(struct rk_terms_extra){rk_json_arr(x->terms, "lines"), instrument, rk_trade_expiry(&x->co)}, e);
  } else {
    terms = json_deep_copy(x->terms);
    json_object_set(terms, "instrument", instrument);
  }
  json_decref(instrument);
  return terms;
}

/* Inside a transaction. */
static rk_err supersede(struct edit *x, const json_t *terms, const json_t *asked, json_t **approval, struct rk_error *e) {
  const char *id = rk_json_cstr(x->row, "id", "");
  rk_err err = rk_store_approval_move(x->t->store, id, "pending", "superseded", NULL, NULL, e);
  if (!err) err = rk_trade_event_result(x->t, x->row, "superseded", NULL, e);
  if (!err)
    err = rk_trade_add_approval(x->t, &(struct rk_draft){.user_id = rk_json_cstr(x->row, "user_id", ""), .chat_id = rk_json_cstr(x->row, "chat_id", ""),
        .turn_id = rk_json_cstr(x->row, "turn_id", ""), .origin = rk_json_cstr(x->row, "merchant_origin", ""), .checkout_id = rk_json_cstr(x->row, "checkout_id", ""),
        .terms = terms, .demo = rk_json_bool(x->row, "demo_profile", true), .supersedes = id, .ask = true, .category_claimed = rk_json_cstr(x->row, "category_claimed", NULL),
        .category_own = rk_json_cstr(x->row, "category_own", NULL), .asked = asked}, approval, e);
  const char *plan_id = rk_json_cstr(x->row, "plan_id", NULL);
  return !err && plan_id ? rk_trade_plan_event(x->t, plan_id, e) : err;
}

static rk_err store(struct edit *x, json_t **approval, struct rk_error *e) {
  json_t *terms = new_terms(x, e);
  json_t *before = rk_json_obj(x->row, "asked"), *pictures = rk_json_arr(before, "pictures");
  json_t *asked = x->asked ? rk_trade_asked(&x->co, rk_json_cstr(before, "lang", NULL)) : json_incref(before);
  if (x->asked && pictures) json_object_set(asked, "pictures", pictures); /* of the product, whatever its variant */
  rk_err err = terms ? rk_db_begin(rk_store_db(x->t->store), e) : RK_EUPSTREAM;
  if (!err) err = rk_trade_end(x->t, supersede(x, terms, asked, approval, e), e);
  if (err) {
    json_decref(*approval);
    *approval = NULL;
  }
  json_decref(asked);
  json_decref(terms);
  return err;
}

/* At the merchant, unless only the instrument changes; what it does not take is put back. */
static rk_err ask(struct edit *x, struct rk_error *e) {
  struct rk_checkout_req q, before;
  const char *id = rk_json_cstr(x->row, "checkout_id", "");
  x->asked = json_object_size(x->changes) > (x->instrument ? 1u : 0u);
  if (!x->asked) return RK_OK;
  if (request_of(x, x->changes, &q) || request_of(x, NULL, &before)) return rk_fail(e, RK_ENOMEM, "out of memory");
  rk_err err = rk_merchant_checkout_update(x->t->merchants, id, &q, x->arena, &x->co, e);
  if (!err) err = check_answer(x, &q, e);
  struct rk_checkout ignored;
  if (err && rk_merchant_checkout_update(x->t->merchants, id, &before, x->arena, &ignored, NULL))
    rk_log(RK_LOG_INFO, "trade", "the checkout %s could not be put back to what was approved; it will not complete", id);
  return err;
}

rk_err rk_trade_edit(struct rk_trade *t, const char *user_id, const char *session_kind, const char *approval_id, const json_t *changes,
                     json_t **approval, struct rk_error *e) {
  struct edit x = {.t = t, .changes = changes, .arena = rk_arena_new(RK_TRADE_ARENA_BYTES)};
  struct rk_in_flight me = {.id = approval_id};
  *approval = NULL;
  rk_err err = rk_trade_check_session(session_kind, e);
  if (!err && !x.arena) err = rk_fail(e, RK_ENOMEM, "out of memory");
  rk_trade_enter(t, &me);
  if (!err) err = load(&x, user_id, approval_id, e);
  if (!err) err = check_changes(changes, json_array_size(rk_json_arr(x.terms, "lines")), e);
  if (!err) err = ask(&x, e);
  if (!err) err = store(&x, approval, e);
  rk_trade_leave(t, &me);
  json_decref(x.instrument);
  json_decref(x.row);
  json_decref(x.profile);
  rk_arena_free(x.arena);
  return err;
}
