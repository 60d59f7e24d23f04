#include "cli/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "trade/money.h"
#include "trade/tell.h"

void rk_view_put(rk_str text) {
  for (size_t i = 0; i < text.n;) {
    uint32_t cp;
    int n = rk_utf8_next((rk_str){text.p + i, text.n - i}, &cp);
    if (n == 0) n = 1, cp = 0;
    /* no escape sequences, no text that runs backwards */
    bool shown = cp == '\n' || (cp >= 0x20 && cp != 0x7F && !(cp >= 0x80 && cp < 0xA0) && !(cp >= 0x202A && cp <= 0x202E) && !(cp >= 0x2066 && cp <= 0x2069));
    if (shown) fwrite(text.p + i, 1, (size_t)n, stdout);
    i += (size_t)n;
  }
}

static void put(const char *text) { rk_view_put(rk_str_c(text)); }

static void line(struct rk_view *v) {
  if (v->in_text) putchar('\n');
  v->in_text = false;
}

void rk_view_money(int64_t minor, const char *currency) {
  struct rk_money m = {minor, ""};
  snprintf(m.currency, sizeof m.currency, "%.3s", currency);
  char text[40];
  rk_money_text(m, text);
  put(text);
}

void rk_view_pairs(const json_t *obj) {
  const char *key;
  json_t *value;
  bool first = true;
  json_object_foreach((json_t *)(uintptr_t)obj, key, value) {
    if (!json_is_string(value)) continue;
    put(first ? " (" : ", ");
    put(key);
    put(" ");
    put(json_string_value(value));
    first = false;
  }
  if (!first) putchar(')');
}

/* Of a dated place. */
static void show_when(const json_t *travel) {
  static const char *const parts[] = {"date", "starts", "ends", "end_date"};
  if (!travel) return;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    put(rk_json_cstr(travel, parts[i], ""));
    if (rk_json_str(travel, parts[i]).n) putchar(' ');
  }
  printf("adults %lld children %lld  ", (long long)rk_json_i64(travel, "adults", 0), (long long)rk_json_i64(travel, "children", 0));
}

static void show_warnings(const json_t *list) {
  size_t i;
  json_t *v;
  json_array_foreach(list, i, v) {
    printf("       ! ");
    put(json_string_value(v));
    putchar('\n');
  }
}

static void show_cards(struct rk_view *v, const json_t *data) {
  size_t i;
  json_t *c;
  line(v);
  json_array_foreach(rk_json_arr(data, "cards"), i, c) {
    const char *cur = rk_json_cstr(c, "currency", "");
    const json_t *delivery = rk_json_obj(c, "delivery"), *coupon = rk_json_obj(c, "coupon");
    printf("%3lld. ", (long long)rk_json_i64(c, "number", 0));
    rk_view_money(rk_json_i64(c, "total_minor", 0), cur);
    printf("  ");
    put(rk_json_cstr(c, "title", ""));
    rk_view_pairs(rk_json_obj(c, "options"));
    printf(" x%lld\n       ", (long long)rk_json_i64(c, "quantity", 1));
    show_when(rk_json_obj(c, "travel"));
    put(rk_json_cstr(c, "shop_name", ""));
    printf(": ");
    rk_view_money(rk_json_i64(c, "subtotal_minor", 0), cur);
    if (coupon) {
      printf(" - ");
      rk_view_money(rk_json_i64(c, "discount_minor", 0), cur);
      printf(" [");
      put(rk_json_cstr(coupon, "code", ""));
      printf("]");
    }
    if (delivery) {
      printf(" + ");
      rk_view_money(rk_json_i64(delivery, "fee_minor", 0), cur);
      printf("  ");
      put(rk_json_cstr(delivery, "title", ""));
      printf(" ");
      put(rk_json_cstr(delivery, "date", ""));
    }
    if (rk_json_i64(c, "n_reviews", 0)) printf("  %.1f/5", json_number_value(json_object_get(c, "rating")));
    putchar('\n');
    show_warnings(rk_json_arr(c, "warnings"));
  }
  put(rk_json_cstr(data, "reason", ""));
  putchar('\n');
}

static void show_totals(const json_t *terms) {
  size_t i;
  json_t *t;
  const char *cur = rk_json_cstr(terms, "currency", "");
  json_array_foreach(rk_json_arr(terms, "totals"), i, t) {
    printf("  | %-14.60s ", "");
    put(rk_json_cstr(t, "text", ""));
    printf(" (");
    put(rk_json_cstr(t, "type", ""));
    printf("): ");
    rk_view_money(rk_json_i64(t, "amount_minor", 0), cur);
    putchar('\n');
  }
}

static void field(const char *name, const char *value) {
  printf("  | %-14s ", name);
  put(value);
  putchar('\n');
}

static void show_travelers(const json_t *list) {
  size_t i;
  json_t *one;
  json_array_foreach(list, i, one) {
    printf("  | %-14s ", i ? "" : "travellers");
    put(rk_json_cstr(one, "name", ""));
    printf(" (%s)\n", rk_str_eq(rk_json_str(one, "kind"), RK_STR("child")) ? "child" : "adult");
  }
}

static void show_choices(const json_t *approval) {
  const json_t *list = rk_json_arr(approval, "deliveries"), *d;
  for (size_t i = 0; json_array_size(list) > 1 && i < json_array_size(list); i++) {
    d = json_array_get(list, i);
    printf("  | %-14s ", i ? "" : "deliveries");
    put(rk_json_cstr(d, "id", ""));
    printf(": ");
    rk_view_money(rk_json_i64(d, "fee_minor", 0), rk_json_cstr(rk_json_obj(approval, "terms"), "currency", ""));
    printf("  ");
    put(rk_json_cstr(d, "title", ""));
    printf(" ");
    put(rk_json_cstr(d, "date", ""));
    putchar('\n');
  }
}

/* Old and new of what is no longer as it was. */
static void show_diff(const json_t *approval) {
  size_t i;
  json_t *one;
  json_array_foreach(rk_json_arr(approval, "diff"), i, one) {
    char *was = json_dumps(json_object_get(one, "old"), JSON_ENCODE_ANY | JSON_COMPACT), *is = json_dumps(json_object_get(one, "new"), JSON_ENCODE_ANY | JSON_COMPACT);
    printf("  | %-14s ", i ? "" : "changed");
    put(rk_json_cstr(one, "field", ""));
    printf(": ");
    put(was ? was : "");
    printf(" -> ");
    put(is ? is : "");
    putchar('\n');
    free(was);
    free(is);
  }
}

/* What a change gives for what it takes. */
static void show_given(const json_t *terms) {
  const json_t *change = rk_json_obj(terms, "change");
  const char *cur = rk_json_cstr(terms, "currency", "");
  json_t *l;
  size_t i;
  if (!change) return;
  field("changes order", rk_json_cstr(change, "merchant_order_id", ""));
  json_array_foreach(rk_json_arr(change, "lines"), i, l) {
    printf("  | %-14s ", i ? "" : "given up");
    put(rk_json_cstr(l, "title", ""));
    printf(" x%lld worth ", (long long)rk_json_i64(l, "quantity", 0));
    rk_view_money(rk_json_i64(l, "amount_minor", 0), cur);
    putchar('\n');
  }
  printf("  | %-14s ", "comes back");
  rk_view_money(rk_json_i64(change, "back_minor", 0), cur);
  putchar('\n');
  field("rule", rk_json_cstr(change, "policy", ""));
}

/* A cancellation, a change, a return: what comes back, and where to. */
static void show_back(const json_t *approval) {
  const json_t *terms = rk_json_obj(approval, "terms"), *merchant = rk_json_obj(terms, "merchant"), *l;
  const char *currency = rk_json_cstr(terms, "currency", "");
  size_t i;
  printf("  +-- %s%s\n", rk_json_cstr(approval, "kind", ""), rk_json_bool(merchant, "sandbox", false) ? " (sandbox money)" : "");
  field("merchant", rk_json_cstr(merchant, "name", ""));
  field("", rk_json_cstr(merchant, "origin", ""));
  field("order", rk_json_cstr(rk_json_obj(terms, "order"), "merchant_order_id", ""));
  json_array_foreach(rk_json_arr(terms, "lines"), i, l) {
    printf("  | %-14s ", "item");
    put(rk_json_cstr(l, "title", ""));
    printf(" x%lld\n", (long long)rk_json_i64(l, "quantity", 0));
  }
  printf("  | %-14s ", "COMES BACK");
  rk_view_money(rk_json_i64(terms, "back_minor", 0), currency);
  printf("\n  | %-14s ", "fee");
  rk_view_money(rk_json_i64(terms, "fee_minor", 0), currency);
  putchar('\n');
  field("to", rk_json_cstr(rk_json_obj(terms, "back_to"), "label", ""));
  field("rule", rk_json_cstr(terms, "policy", ""));
  printf("  +--\n");
}

void rk_view_approval(struct rk_view *v, const json_t *approval) {
  if (json_object_get(rk_json_obj(approval, "terms"), "refund_id")) {
    line(v);
    show_back(approval);
    return;
  }
  const json_t *terms = rk_json_obj(approval, "terms"), *merchant = rk_json_obj(terms, "merchant"), *way = rk_json_obj(terms, "fulfilment");
  const json_t *address = rk_json_obj(way, "address"), *pay = rk_json_obj(terms, "instrument"), *l;
  char until[32];
  size_t i;
  line(v);
  printf("  +-- approval %s%s\n", rk_json_bool(merchant, "sandbox", false) ? "(sandbox money)" : "", rk_json_bool(approval, "demo_profile", false) ? " (demo profile)" : "");
  field("merchant", rk_json_cstr(merchant, "name", ""));
  field("", rk_json_cstr(merchant, "origin", ""));
  show_given(terms);
  json_array_foreach(rk_json_arr(terms, "lines"), i, l) {
    printf("  | %-14s ", "item");
    put(rk_json_cstr(l, "title", ""));
    rk_view_pairs(rk_json_obj(l, "options"));
    printf(" x%lld at ", (long long)rk_json_i64(l, "quantity", 0));
    rk_view_money(rk_json_i64(l, "unit_minor", 0), rk_json_cstr(terms, "currency", ""));
    putchar('\n');
  }
  show_totals(terms);
  printf("  | %-14s ", "TOTAL");
  rk_view_money(rk_json_i64(terms, "total_minor", 0), rk_json_cstr(terms, "currency", ""));
  putchar('\n');
  show_travelers(rk_json_arr(terms, "travelers"));
  field("delivery", rk_json_cstr(way, "method", ""));
  if (rk_json_str(address, "street").n) { /* of dated places nothing is sent */
    field("", rk_json_cstr(way, "date", ""));
    field("to", rk_json_cstr(address, "name", ""));
    field("", rk_json_cstr(address, "phone", ""));
    field("", rk_json_cstr(address, "street", ""));
  }
  field("paid by", rk_json_cstr(pay, "label", rk_json_cstr(pay, "kind", "")));
  if (strcmp(rk_json_cstr(pay, "kind", ""), "on_delivery") == 0) field("", "PAY ON DELIVERY: nothing is charged here, the carrier takes the total");
  else if (rk_json_bool(approval, "on_delivery", false)) field("", "or on delivery: pay on_delivery");
  field("refunds", rk_json_cstr(terms, "refund_rule", ""));
  show_choices(approval);
  show_diff(approval);
  rk_time_rfc3339(rk_json_i64(approval, "expires_ms", 0), until);
  field("valid until", until);
  printf("  +--\n");
}

void rk_view_order(const json_t *order) {
  printf("order ");
  put(rk_json_cstr(order, "merchant_order_id", ""));
  printf("  ");
  put(rk_json_cstr(order, "status", ""));
  printf("  ");
  rk_view_money(rk_json_i64(order, "total_minor", 0), rk_json_cstr(order, "currency", ""));
  printf("  ");
  put(rk_json_cstr(rk_json_obj(order, "merchant"), "name", ""));
  printf("  ");
  put(rk_json_cstr(json_array_get(rk_json_arr(order, "lines"), 0), "title", ""));
  printf("  ");
  put(rk_json_cstr(rk_json_obj(order, "delivery"), "date", ""));
  printf("  [");
  put(rk_json_cstr(order, "id", ""));
  printf("]\n");
}

void rk_view_plan(struct rk_view *v, const json_t *plan) {
  bool zh = rk_str_eq_c(rk_json_str(plan, "lang"), "zh");
  const json_t *parts = rk_json_arr(plan, "approvals");
  struct rk_buf text;
  rk_buf_init(&text, RK_TELL_BYTES);
  line(v);
  printf("=== plan: ");
  put(rk_json_cstr(plan, "title", ""));
  printf(" (%zu parts)\n", json_array_size(parts));
  for (size_t i = 0; i < json_array_size(parts); i++) {
    rk_buf_clear(&text);
    rk_tell_undo(json_array_get(parts, i), zh, &text);
    printf("part %zu (%s", i + 1, zh ? "退订：" : "given back: ");
    put(text.p);
    printf(")\n");
    rk_view_approval(v, json_array_get(parts, i));
  }
  rk_buf_clear(&text);
  rk_tell_totals(rk_json_obj(plan, "totals"), &text);
  printf("=== TOTAL ");
  put(text.p);
  printf("\n    ");
  put(rk_tell_on_failure(rk_json_cstr(plan, "on_failure", ""), zh));
  printf("\n    [sheet %.16s...]\n", rk_json_cstr(plan, "sheet_hash", ""));
  rk_buf_release(&text);
}

/* Of a plan on its way only what is bad news: how it ended is told by the answer. */
static void show_plan_state(struct rk_view *v, const json_t *plan) {
  if (!rk_str_eq_c(rk_json_str(plan, "state"), "undoing") || v->undoing) return;
  struct rk_buf text;
  rk_buf_init(&text, RK_TELL_BYTES);
  rk_tell_plan(plan, rk_str_eq_c(rk_json_str(plan, "lang"), "zh"), &text);
  line(v);
  put("! ");
  rk_view_put(rk_buf_str(&text));
  putchar('\n');
  rk_buf_release(&text);
  v->undoing = true;
}

void rk_view_hand_over(const json_t *h) {
  const json_t *merchant = rk_json_obj(h, "merchant"), *l;
  const char *currency = rk_json_cstr(h, "currency", ""), *order = rk_json_cstr(h, "merchant_order_id", "");
  size_t i;
  printf("  +-- to be finished at the shop's own page: %s\n", rk_json_cstr(h, "state", ""));
  field("merchant", rk_json_cstr(merchant, "name", ""));
  field("", rk_json_cstr(merchant, "origin", ""));
  json_array_foreach(rk_json_arr(h, "lines"), i, l) {
    printf("  | %-14s ", "item");
    put(rk_json_cstr(l, "title", ""));
    rk_view_pairs(rk_json_obj(l, "options"));
    printf(" x%lld\n", (long long)rk_json_i64(l, "quantity", 0));
  }
  printf("  | %-14s ", "TOTAL THERE");
  rk_view_money(rk_json_i64(h, "total_minor", 0), currency);
  putchar('\n');
  field(order[0] ? "order" : "checkout", order[0] ? order : rk_json_cstr(h, "checkout_id", ""));
  field(rk_json_bool(h, "foreign_host", false) ? "OTHER HOST" : "host", rk_json_cstr(h, "host", ""));
  field("page", rk_json_cstr(h, order[0] ? "order_url" : "url", rk_json_cstr(h, "url", "")));
  json_array_foreach(rk_json_arr(h, "left"), i, l) field(i ? "" : "shop says", json_string_value(l));
  field("left to do", strcmp(rk_json_cstr(h, "state", ""), "open") == 0 ? "pay there; nothing was paid here. Then: rukou orders handed-over" : "nothing");
  printf("  +--\n");
}

void rk_view_event(struct rk_view *v, const char *type, const json_t *event) {
  const json_t *data = rk_json_obj(event, "data");
  if (strcmp(type, "delta") == 0) {
    rk_view_put(rk_json_str(data, "text"));
    v->in_text = true;
  } else if (strcmp(type, "tool_call") == 0) {
    line(v);
    printf("> ");
    put(rk_json_cstr(data, "name", ""));
    char *args = rk_json_dump(rk_json_obj(data, "args") ? rk_json_obj(data, "args") : json_null());
    printf(" ");
    put(args);
    putchar('\n');
    free(args);
  } else if (strcmp(type, "card") == 0) {
    show_cards(v, data);
  } else if (strcmp(type, "notice") == 0 || strcmp(type, "question") == 0) {
    line(v);
    put(strcmp(type, "notice") == 0 ? "! " : "? ");
    put(rk_json_cstr(data, "text", ""));
    putchar('\n');
  } else if (strcmp(type, "error") == 0) {
    line(v);
    fprintf(stderr, "rukou: %s\n", rk_json_cstr(data, "message", "the turn failed"));
  } else if (strcmp(type, "hand_over") == 0) {
    line(v);
    rk_view_hand_over(rk_json_obj(data, "hand_over"));
  } else if (strcmp(type, "order") == 0) {
    line(v);
    rk_view_order(rk_json_obj(data, "order"));
  } else if (strcmp(type, "plan") == 0) {
    show_plan_state(v, rk_json_obj(data, "plan"));
  } else if (strcmp(type, "message") == 0 || strcmp(type, "turn_done") == 0) {
    line(v);
  }
  fflush(stdout);
}
