#include "trade/terms.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "net/digest.h"

/* ---- totals ---- */

static rk_err lines_sum(const struct rk_checkout *co, int64_t *sum, struct rk_error *e) {
  *sum = 0;
  for (int32_t i = 0; i < co->n_lines; i++) {
    int64_t line;
    if (co->lines[i].unit_minor < 0 || co->lines[i].quantity < 1 ||
        __builtin_mul_overflow(co->lines[i].unit_minor, (int64_t)co->lines[i].quantity, &line) || __builtin_add_overflow(*sum, line, sum))
      return rk_fail(e, RK_EUPSTREAM, "the merchant's line %d has an impossible price or quantity", (int)i + 1);
  }
  return RK_OK;
}

rk_err rk_terms_total(const struct rk_checkout *co, int64_t *total_minor, struct rk_error *e) {
  int64_t items, sum = 0, total = -1;
  int digits;
  if (!rk_money_currency(co->currency, &digits)) return rk_fail(e, RK_EUPSTREAM, "the merchant asks for %.3s, which is no currency of ISO 4217", co->currency);
  rk_err err = lines_sum(co, &items, e);
  if (err) return err;
  for (int32_t i = 0; i < co->n_totals; i++) {
    const struct rk_total *t = &co->totals[i];
    if (strcmp(t->type, "total") == 0) {
      if (total >= 0) return rk_fail(e, RK_EUPSTREAM, "the merchant states two totals");
      total = t->minor;
    } else if (__builtin_add_overflow(sum, t->minor, &sum)) {
      return rk_fail(e, RK_EUPSTREAM, "the merchant's totals are impossibly large");
    }
    if (strcmp(t->type, "subtotal") == 0 && t->minor != items)
      return rk_fail(e, RK_EUPSTREAM, "the merchant's subtotal %lld is not the sum of its lines %lld", (long long)t->minor, (long long)items);
  }
  if (total < 0 || total > (int64_t)RK_MAX_TOTAL_MINOR) return rk_fail(e, RK_EUPSTREAM, "the merchant states no usable total");
  if (sum != total)
    return rk_fail(e, RK_EUPSTREAM, "the merchant's totals do not add up: %lld listed, %lld asked for", (long long)sum, (long long)total);
  *total_minor = total;
  return RK_OK;
}

/* ---- projection ---- */

static json_t *text(const char *s) {
  json_t *v = json_string(s ? s : "");
  return v ? v : json_string("");
}

static json_t *chosen_options(const json_t *lines, const char *item_id) {
  size_t i;
  json_t *line;
  json_array_foreach(lines, i, line)
    if (rk_str_eq_c(rk_json_str(line, "item_id"), item_id)) return json_incref(rk_json_obj(line, "options"));
  return NULL;
}

static json_t *line_json(const struct rk_line *l, const json_t *chosen) {
  json_t *options = l->n_options ? json_object() : chosen_options(chosen, l->item_id);
  for (int32_t i = 0; i < l->n_options; i++) json_object_set_new(options, l->options[i].name, text(l->options[i].value));
  if (!options) options = json_object();
  return json_pack("{s:o, s:o, s:o, s:i, s:I}", "item_id", text(l->item_id), "title", text(l->title), "options", options, "quantity",
                   (int)l->quantity, "unit_minor", (json_int_t)l->unit_minor);
}

static json_t *fulfilment_json(const struct rk_checkout *co) {
  const struct rk_address *a = &co->address;
  json_t *address = json_pack("{s:o, s:o, s:o, s:o}", "name", text(a->name), "phone", text(a->phone), "street", text(a->street), "city", text(a->city));
  const struct rk_delivery *d = co->delivery;
  return json_pack("{s:o, s:o, s:o, s:o}", "id", text(d ? d->id : ""), "method", text(d ? d->title : ""), "date", text(d ? d->date : ""), "address", address);
}

static json_t *travelers_json(const struct rk_checkout *co) {
  json_t *list = json_array();
  for (int32_t i = 0; i < co->n_travelers; i++)
    json_array_append_new(list, json_pack("{s:o, s:s}", "name", text(co->travelers[i].name), "kind", co->travelers[i].child ? "child" : "adult"));
  return list;
}

/* What is given, beside what is bought: old and new stand in one set of terms. */
static json_t *change_json(const struct rk_change *c) {
  json_t *lines = json_array();
  for (int32_t i = 0; i < c->n_lines; i++)
    json_array_append_new(lines, json_pack("{s:o, s:o, s:o, s:i, s:I}", "line_id", text(c->lines[i].line_id), "item_id", text(c->lines[i].item_id), "title",
                                           text(c->lines[i].title), "quantity", (int)c->lines[i].quantity, "amount_minor", (json_int_t)c->lines[i].amount_minor));
  return json_pack("{s:o, s:o, s:I, s:I, s:I, s:o}", "merchant_order_id", text(c->order_id), "lines", lines, "old_minor", (json_int_t)c->old_minor, "fee_minor",
                   (json_int_t)c->fee_minor, "back_minor", (json_int_t)c->back_minor, "policy", text(c->policy));
}

json_t *rk_terms_project(const struct rk_checkout *co, const struct rk_terms_extra *x, struct rk_error *e) {
  int64_t total;
  if (rk_terms_total(co, &total, e)) return NULL;
  json_t *lines = json_array(), *totals = json_array(), *codes = json_array();
  for (int32_t i = 0; i < co->n_lines; i++) json_array_append_new(lines, line_json(&co->lines[i], x->lines));
  for (int32_t i = 0; i < co->n_totals; i++)
    json_array_append_new(totals, json_pack("{s:o, s:o, s:I}", "type", text(co->totals[i].type), "text", text(co->totals[i].text),
                                            "amount_minor", (json_int_t)co->totals[i].minor));
  for (int32_t i = 0; i < co->n_codes; i++) json_array_append_new(codes, text(co->codes[i]));
  json_t *terms = json_pack("{s:{s:o, s:o, s:o, s:b}, s:o, s:o, s:o, s:o, s:O, s:o, s:o, s:I, s:I}", "merchant", "origin", text(co->origin), "name",
                            text(co->merchant_name), "key_thumbprint", text(co->key_thumbprint), "sandbox", (int)co->sandbox, "lines", lines,
                            "totals", totals, "discounts", codes, "fulfilment", fulfilment_json(co), "instrument", x->instrument, "refund_rule",
                            text(co->refund_rule), "currency", text(co->currency), "total_minor", (json_int_t)total, "expires_ms",
                            (json_int_t)x->expires_ms);
  RK_ASSERT(terms != NULL);
  if (co->n_travelers) json_object_set_new(terms, "travelers", travelers_json(co));
  if (co->change) json_object_set_new(terms, "change", change_json(co->change));
  return terms;
}

rk_err rk_terms_canonical(const json_t *terms, struct rk_buf *jcs, char hash[65], struct rk_error *e) {
  rk_buf_clear(jcs);
  rk_err err = rk_json_jcs(jcs, terms);
  if (err) return rk_fail(e, err, "the merchant's terms are too large or hold a number that cannot be signed");
  rk_sha256_hex(rk_buf_str(jcs), hash);
  return RK_OK;
}

/* ---- comparison ---- */

/* The same lines, at the same or a lower unit price. */
static bool lines_match(const json_t *approved, const json_t *fresh) {
  if (json_array_size(approved) != json_array_size(fresh)) return false;
  for (size_t i = 0; i < json_array_size(approved); i++) {
    const json_t *a = json_array_get(approved, i);
    json_t *f = json_copy(json_array_get(fresh, i));
    bool cheaper = rk_json_i64(f, "unit_minor", INT64_MAX) <= rk_json_i64(a, "unit_minor", -1);
    json_object_set(f, "unit_minor", json_object_get(a, "unit_minor"));
    bool same = json_equal(a, f);
    json_decref(f);
    if (!cheaper || !same) return false;
  }
  return true;
}

rk_err rk_terms_match(const json_t *approved, const json_t *fresh, struct rk_error *e) {
  if (json_equal(approved, fresh)) return RK_OK;
  int64_t was = rk_json_i64(approved, "total_minor", -1), is = rk_json_i64(fresh, "total_minor", INT64_MAX);
  if (is > was)
    return rk_fail(e, RK_ECONFLICT, "the merchant raised the total from %lld to %lld (minor units) after the approval", (long long)was, (long long)is);
  const char *key;
  json_t *v;
  json_object_foreach((json_t *)(uintptr_t)approved, key, v) {
    if (strcmp(key, "totals") == 0 || strcmp(key, "total_minor") == 0) continue;
    const json_t *other = json_object_get(fresh, key);
    if (strcmp(key, "lines") == 0 ? lines_match(v, other) : json_equal(v, other)) continue;
    return rk_fail(e, RK_ECONFLICT, "the merchant changed the %s after the approval", key);
  }
  json_object_foreach((json_t *)(uintptr_t)fresh, key, v)
    if (!json_object_get(approved, key)) return rk_fail(e, RK_ECONFLICT, "the merchant added the %s after the approval", key);
  /* the same total made of other parts is another bargain */
  if (is == was) return rk_fail(e, RK_ECONFLICT, "the merchant changed the totals after the approval");
  return RK_OK;
}

/* ---- difference ---- */

static void differ(json_t *list, const char *field, const json_t *a, const json_t *b);

static void differ_in_object(json_t *list, const char *field, const json_t *a, const json_t *b) {
  json_t *keys = json_object(), *v;
  const char *key;
  json_object_update(keys, (json_t *)(uintptr_t)a);
  json_object_update(keys, (json_t *)(uintptr_t)b);
  json_object_foreach(keys, key, v) {
    char name[256];
    if (!*field && strcmp(key, "expires_ms") == 0) continue;
    snprintf(name, sizeof name, "%s%s%s", field, *field ? "." : "", key);
    differ(list, name, json_object_get(a, key), json_object_get(b, key));
  }
  json_decref(keys);
}

/* Totals have a type, which tells more than their place: {type: total}. */
static json_t *by_type(const json_t *totals) {
  json_t *obj = json_object(), *one;
  size_t i;
  json_array_foreach(totals, i, one) {
    char key[64];
    snprintf(key, sizeof key, "%.40s", rk_json_cstr(one, "type", ""));
    if (json_object_get(obj, key)) snprintf(key + strlen(key), 20, "_%u", (unsigned)i);
    json_object_set(obj, key, one);
  }
  return obj;
}

static void differ_in_array(json_t *list, const char *field, const json_t *a, const json_t *b) {
  if (strcmp(field, "totals") == 0) {
    json_t *old_totals = by_type(a), *new_totals = by_type(b);
    differ_in_object(list, field, old_totals, new_totals);
    json_decref(old_totals);
    json_decref(new_totals);
    return;
  }
  size_t n = json_array_size(a) > json_array_size(b) ? json_array_size(a) : json_array_size(b);
  for (size_t i = 0; i < n; i++) {
    char name[256];
    snprintf(name, sizeof name, "%s[%zu]", field, i);
    differ(list, name, json_array_get(a, i), json_array_get(b, i));
  }
}

static void differ(json_t *list, const char *field, const json_t *a, const json_t *b) {
  if (json_equal(a, b)) return;
  if (json_is_object(a) && json_is_object(b)) differ_in_object(list, field, a, b);
  else if (json_is_array(a) && json_is_array(b)) differ_in_array(list, field, a, b);
  else json_array_append_new(list, json_pack("{s:s, s:O?, s:O?}", "field", field, "old", a, "new", b));
}

json_t *rk_terms_diff(const json_t *old_terms, const json_t *new_terms) {
  json_t *list = json_array();
  differ_in_object(list, "", old_terms, new_terms);
  return list;
}
