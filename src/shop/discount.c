/* discount.c - what comes off: automatic discounts, eligibility claims, codes.
 *
 * Each rule is worked out on what its goods cost and takes at most what earlier
 * ones left of them, so that nothing stacks past zero. Where codes do not add
 * up, the best one is used and the others are answered with why not. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "shop/session.h"

struct purse { int64_t left[RK_MAX_LINE_ITEMS]; };

static bool fits(const struct session *x, const struct rk_coupon_rule *r, int32_t line) {
  return rk_coupon_fits(r, x->lines[line].item->product->category);
}

static int64_t price_of(const struct line *l) { return l->item->price_minor * l->quantity; }

/* What the rule takes off now. */
static int64_t worth(const struct session *x, const struct rk_coupon_rule *r, const struct purse *p) {
  int64_t eligible = 0, left = 0;
  for (int32_t i = 0; i < x->n_lines; i++)
    if (fits(x, r, i)) eligible += price_of(&x->lines[i]), left += p->left[i];
  if (eligible == 0 || eligible < r->min_subtotal_minor) return 0;
  int64_t off = r->percent ? eligible * r->percent / 100 : r->amount_minor;
  return off < left ? off : left;
}

/* Shares it out over its lines by what is left of them; the last takes the rest. */
static void apply(struct rk_shop *s, struct session *x, const struct rk_coupon_rule *r, struct purse *p) {
  int64_t amount = worth(x, r, p), left = 0, open = amount;
  if (amount == 0 || x->n_discounts == MAX_APPLIED) return;
  struct discount *d = &x->discounts[x->n_discounts++];
  *d = (struct discount){.rule = r, .amount = amount, .allocated = s->catalog.codes_add_up && strcmp(r->category, "*") != 0};
  for (int32_t i = 0; i < x->n_lines; i++)
    if (fits(x, r, i)) left += p->left[i];
  for (int32_t i = 0; i < x->n_lines; i++) {
    if (!fits(x, r, i) || p->left[i] == 0) continue;
    int64_t share = (int64_t)((__int128)open * p->left[i] / left);
    left -= p->left[i];
    open -= share;
    d->by_line[i] = share;
    p->left[i] -= share;
  }
  x->discount += amount;
}

static const struct rk_coupon_rule *rule_named(const struct rk_shop *s, const char *code) {
  for (int32_t k = 0; k < s->catalog.n_coupons; k++)
    if (strcasecmp(code, s->catalog.coupons[k].code) == 0) return &s->catalog.coupons[k];
  return NULL;
}

static const struct rk_coupon_rule *rule_of_code(const struct rk_shop *s, const char *code) {
  const struct rk_coupon_rule *r = rule_named(s, code);
  return r && rk_coupon_has_code(r) ? r : NULL;
}

static const struct rk_coupon_rule *rule_of_claim(const struct rk_shop *s, const char *claim) {
  char code[160];
  snprintf(code, sizeof code, "@%s", claim);
  return rule_named(s, code);
}

static void apply_claims(struct rk_shop *s, struct session *x, struct purse *p) {
  size_t i;
  json_t *v;
  json_array_foreach(rk_json_arr(x->state, "claims"), i, v) {
    char path[64];
    const struct rk_coupon_rule *r = rule_of_claim(s, json_string_value(v));
    snprintf(path, sizeof path, "$.context.eligibility[%zu]", i);
    if (r) apply(s, x, r, p);
    else session_say(x, "warning", "eligibility_not_accepted", path, NULL, "本店不认可该资格", "This shop does not know this eligibility");
  }
}

static bool is_applied(const struct session *x, const struct rk_coupon_rule *r) {
  for (int32_t i = 0; i < x->n_discounts; i++)
    if (x->discounts[i].rule == r) return true;
  return false;
}

/* Says why a code is not used: the code stands in the text. */
static void reject(struct session *x, size_t i, const char *given, const char *code, const char *zh, const char *en) {
  char path[64], zh_text[300], en_text[300];
  snprintf(path, sizeof path, "$.discounts.codes[%zu]", i);
  snprintf(zh_text, sizeof zh_text, "%s：%s", zh, given);
  snprintf(en_text, sizeof en_text, "%s: %s", en, given);
  session_say(x, "warning", code, path, NULL, zh_text, en_text);
}

static void apply_codes(struct rk_shop *s, struct session *x, struct purse *p) {
  json_t *codes = rk_json_arr(x->state, "codes"), *v;
  const struct rk_coupon_rule *best = NULL;
  int64_t most = 0;
  size_t i;
  json_array_foreach(codes, i, v) {
    const struct rk_coupon_rule *r = rule_of_code(s, json_string_value(v));
    if (r && s->catalog.codes_add_up && !is_applied(x, r)) apply(s, x, r, p);
    if (r && !s->catalog.codes_add_up && worth(x, r, p) > most) best = r, most = worth(x, r, p);
  }
  struct purse before = *p;
  if (best) apply(s, x, best, p);
  json_array_foreach(codes, i, v) {
    const char *given = json_string_value(v);
    const struct rk_coupon_rule *r = rule_of_code(s, given);
    if (!r) reject(x, i, given, "discount_code_invalid", "没有这个优惠码", "There is no such code");
    else if (is_applied(x, r)) continue;
    else if (best && worth(x, r, &before) > 0)
      reject(x, i, given, "discount_code_combination_disallowed", "优惠码不能叠加，已使用最优惠的一个", "Codes do not add up; the best one was used");
    else reject(x, i, given, "discount_code_user_ineligible", "订单不满足该优惠码的条件", "This order does not meet the code's conditions");
  }
}

void session_work_out_discounts(struct rk_shop *s, struct session *x) {
  struct purse p = {0};
  for (int32_t i = 0; i < x->n_lines; i++) p.left[i] = price_of(&x->lines[i]);
  for (int32_t k = 0; k < s->catalog.n_coupons; k++)
    if (s->catalog.coupons[k].code[0] == '-') apply(s, x, &s->catalog.coupons[k], &p);
  apply_claims(s, x, &p);
  apply_codes(s, x, &p);
}

int64_t session_items_discount(const struct session *x, int32_t line) {
  int64_t sum = 0;
  for (int32_t i = 0; i < x->n_discounts; i++)
    if (x->discounts[i].allocated) sum += x->discounts[i].by_line[line];
  return sum;
}

bool session_verify_claims(struct rk_shop *s, struct session *x) {
  bool all = true;
  size_t i;
  json_t *v;
  json_array_foreach(rk_json_arr(x->state, "claims"), i, v) {
    char path[64];
    if (!rule_of_claim(s, json_string_value(v)) || testing_proves(s, json_string_value(v))) continue;
    snprintf(path, sizeof path, "$.context.eligibility[%zu]", i);
    session_say(x, "error", "eligibility_invalid", path, "recoverable", "无法核实该资格，请去掉后再下单", "This eligibility could not be verified; order without it");
    all = false;
  }
  return all;
}
