#include "cli/receipt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/view.h"

enum word { RECEIPT, MERCHANT, CLAIM, ORDER, OURS, PLACED, ITEM, TOTAL, CODES, DELIVERY, TO, PAID, BACK, FEE, STANDS, STATUS, APPROVED, NOT_SIGNED, SUMS_OK, SUMS_BAD,
            SPENT, REFUNDED, NET, DOOR, ORDERS, NOT_KNOWN, SAYS, NOTHING };

static const struct { const char *zh, *en; } words[] = {
    [RECEIPT] = {"收据", "receipt"}, [MERCHANT] = {"商家", "merchant"}, [CLAIM] = {"名称为商家自称", "the name is the merchant's own claim"},
    [ORDER] = {"商家订单号", "order"}, [OURS] = {"本机订单号", "our number"}, [PLACED] = {"下单时间", "placed"}, [ITEM] = {"商品", "item"}, [TOTAL] = {"合计", "TOTAL"},
    [CODES] = {"优惠码", "coupons"}, [DELIVERY] = {"配送", "delivery"}, [TO] = {"送到", "to"}, [PAID] = {"付款", "paid"}, [BACK] = {"退款", "paid back"},
    [FEE] = {"手续费", "fee"}, [STANDS] = {"现付", "STANDS"}, [STATUS] = {"状态", "status"}, [APPROVED] = {"批准", "approved"}, [NOT_SIGNED] = {"签名不符", "signature does NOT match"},
    [SUMS_OK] = {"各项相加无误", "the sums hold"}, [SUMS_BAD] = {"不符", "does NOT hold"},
    [SPENT] = {"支出", "spent"}, [REFUNDED] = {"退回", "paid back"}, [NET] = {"净额", "net"}, [DOOR] = {"货到付款（交给送货员）", "on delivery, to the carrier"}, [ORDERS] = {"单", "orders"},
    [NOT_KNOWN] = {"未知", "not known"}, [SAYS] = {"商家自称", "the merchant says"}, [NOTHING] = {"还没有支出", "nothing was spent yet"}};

static const struct { const char *check, *zh, *en; } checks[] = {
    {"lines", "各项商品之和等于小计", "the lines sum to the subtotal"}, {"total", "各部分之和等于合计", "the parts sum to the total"},
    {"paid", "合计已付，且只付一次", "the total was paid, once"}, {"approved", "合计不超过批准的金额", "the total is at most what was approved"},
    {"signed", "批准的签名与条款相符", "the approval is signed over its terms"}, {"back", "退回不超过付款", "no more came back than was paid"},
    {"returns", "约定退回的已退回", "what was agreed to come back has come back"}};

static const char *say(enum word w, bool zh) { return zh ? words[w].zh : words[w].en; }
static void put(const char *text) { rk_view_put(rk_str_c(text)); }

bool rk_speaks_chinese(const struct rk_cli *c) {
  static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
  if (strcmp(c->cfg.lang, "auto") != 0) return strcmp(c->cfg.lang, "zh") == 0;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *v = getenv(names[i]);
    if (v && *v) return strncmp(v, "zh", 2) == 0;
  }
  return false;
}

/* ---- receipts ---- */

static void label(enum word w, bool zh) { printf("%s: ", say(w, zh)); }

static void field(enum word w, bool zh, const char *value) {
  if (!*value) return;
  label(w, zh);
  put(value);
  putchar('\n');
}

static void put_time(int64_t ms) {
  struct rk_date d = rk_local_date(ms);
  printf("%04d-%02d-%02d %02d:%02d", d.year, d.month, d.day, d.hour, d.minute);
}

static void print_lines(const json_t *r, const char *currency, bool zh) {
  size_t i;
  json_t *l;
  json_array_foreach(rk_json_arr(r, "lines"), i, l) {
    label(ITEM, zh);
    put(rk_json_cstr(l, "title", ""));
    rk_view_pairs(rk_json_obj(l, "options"));
    printf(" x%lld  ", (long long)rk_json_i64(l, "quantity", 0));
    rk_view_money(rk_json_i64(l, "unit_minor", 0), currency);
    printf("  = ");
    rk_view_money(rk_json_i64(l, "amount_minor", 0), currency);
    putchar('\n');
  }
}

static void print_totals(const json_t *r, const char *currency, bool zh) {
  size_t i;
  json_t *t;
  json_array_foreach(rk_json_arr(r, "totals"), i, t) {
    const char *type = rk_json_cstr(t, "type", ""), *text = rk_json_cstr(t, "text", "");
    if (strcmp(type, "total") == 0) continue;
    printf("    ");
    put(*text ? text : type);
    printf(": ");
    rk_view_money(rk_json_i64(t, "amount_minor", 0), currency);
    putchar('\n');
  }
  label(TOTAL, zh);
  rk_view_money(rk_json_i64(r, "total_minor", 0), currency);
  putchar('\n');
}

static void print_moves(const json_t *r, const char *key, enum word w, const char *currency, bool zh) {
  size_t i;
  json_t *m;
  json_array_foreach(rk_json_arr(r, key), i, m) {
    label(w, zh);
    rk_view_money(rk_json_i64(m, "amount_minor", 0), currency);
    printf("  ");
    put_time(rk_json_i64(m, "time_ms", 0));
    printf("  ");
    put(rk_json_cstr(rk_json_obj(r, "instrument"), "label", rk_json_cstr(m, "instrument_id", "")));
    putchar('\n');
  }
}

static void print_approval(const json_t *a, bool zh) {
  label(APPROVED, zh);
  put_time(rk_json_i64(a, "time_ms", 0));
  printf("  ");
  put(rk_json_cstr(a, "by", ""));
  printf("  sha256 ");
  put(rk_json_cstr(a, "terms_hash", ""));
  if (!rk_json_bool(a, "signed", false)) printf("  (%s)", say(NOT_SIGNED, zh));
  putchar('\n');
}

static void print_checks(const json_t *r, bool zh) {
  size_t i;
  json_t *c;
  if (rk_json_bool(r, "ok", false)) puts(say(SUMS_OK, zh));
  json_array_foreach(rk_json_arr(r, "checks"), i, c)
    for (size_t k = 0; !rk_json_bool(c, "ok", false) && k < sizeof checks / sizeof *checks; k++)
      if (rk_str_eq_c(rk_json_str(c, "check"), checks[k].check)) printf("%s: %s\n", say(SUMS_BAD, zh), zh ? checks[k].zh : checks[k].en);
}

void rk_receipt_print(const json_t *r, bool zh) {
  const json_t *merchant = rk_json_obj(r, "merchant"), *to = rk_json_obj(r, "address"), *way = rk_json_obj(r, "delivery"), *v;
  const char *currency = rk_json_cstr(r, "currency", "");
  size_t i;
  printf("== %s ==\n", say(RECEIPT, zh));
  label(MERCHANT, zh);
  put(rk_json_cstr(merchant, "name", ""));
  printf("  ");
  put(rk_json_cstr(merchant, "origin", ""));
  printf("  (%s)\n", say(CLAIM, zh));
  field(ORDER, zh, rk_json_cstr(r, "merchant_order_id", ""));
  field(OURS, zh, rk_json_cstr(r, "id", ""));
  label(PLACED, zh);
  put_time(rk_json_i64(r, "placed_ms", 0));
  putchar('\n');
  print_lines(r, currency, zh);
  print_totals(r, currency, zh);
  json_array_foreach(rk_json_arr(r, "discounts"), i, v) field(CODES, zh, json_string_value(v));
  field(DELIVERY, zh, rk_json_cstr(way, "title", ""));
  field(DELIVERY, zh, rk_json_cstr(way, "date", ""));
  field(TO, zh, rk_json_cstr(to, "name", ""));
  field(TO, zh, rk_json_cstr(to, "street", ""));
  print_moves(r, "payments", PAID, currency, zh);
  print_moves(r, "refunds", BACK, currency, zh);
  if (rk_json_i64(r, "fees_minor", 0)) {
    label(FEE, zh);
    rk_view_money(rk_json_i64(r, "fees_minor", 0), currency);
    putchar('\n');
  }
  label(STANDS, zh);
  rk_view_money(rk_json_i64(r, "stands_minor", 0), currency);
  putchar('\n');
  if (json_object_get(r, "on_delivery_minor")) {
    label(DOOR, zh);
    rk_view_money(rk_json_i64(r, "on_delivery_minor", 0), currency);
    putchar('\n');
  }
  field(STATUS, zh, rk_json_cstr(r, "status", ""));
  print_approval(rk_json_obj(r, "approval"), zh);
  json_array_foreach(rk_json_arr(r, "returns"), i, v) print_approval(rk_json_obj(v, "approval"), zh);
  print_checks(r, zh);
}

/* ---- spending ---- */

static void print_what(const json_t *row, bool zh) {
  const json_t *merchant = rk_json_obj(row, "merchant");
  const char *month = rk_json_cstr(row, "month", NULL), *category = rk_json_cstr(row, "category", NULL), *claimed = rk_json_cstr(row, "claimed", NULL);
  if (month) put(month);
  else if (merchant) {
    put(rk_json_cstr(merchant, "name", ""));
    printf("  ");
    put(rk_json_cstr(merchant, "origin", ""));
  } else put(category ? category : say(NOT_KNOWN, zh));
  if (!claimed) return;
  printf(" (%s: ", say(SAYS, zh));
  put(claimed);
  putchar(')');
}

void rk_spending_print(const json_t *spending, bool zh) {
  static const enum word sums[] = {SPENT, REFUNDED, NET};
  static const char *const keys[] = {"spent_minor", "refunded_minor", "net_minor"};
  size_t i;
  json_t *row;
  json_array_foreach(rk_json_arr(spending, "rows"), i, row) {
    const char *currency = rk_json_cstr(row, "currency", "");
    print_what(row, zh);
    printf("  %lld %s", (long long)rk_json_i64(row, "n_orders", 0), say(ORDERS, zh));
    for (size_t k = 0; k < 3; k++) {
      printf("  %s ", say(sums[k], zh));
      rk_view_money(rk_json_i64(row, keys[k], 0), currency);
    }
    if (rk_json_i64(row, "on_delivery_minor", 0)) {
      printf("  + %s ", say(DOOR, zh));
      rk_view_money(rk_json_i64(row, "on_delivery_minor", 0), currency);
    }
    putchar('\n');
  }
  if (json_array_size(rk_json_arr(spending, "rows")) == 0) fprintf(stderr, "rukou: %s\n", say(NOTHING, zh));
}
