/* orders.c - `rukou orders`: what was bought, the money that moved, and what is given back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/receipt.h"
#include "cli/session.h"
#include "cli/view.h"

static void print_entry(const json_t *entry) {
  char time[32];
  rk_time_rfc3339(rk_json_i64(entry, "time_ms", 0), time);
  struct rk_money m = {rk_json_i64(entry, "amount_minor", 0), ""};
  snprintf(m.currency, sizeof m.currency, "%.3s", rk_json_cstr(entry, "currency", ""));
  char text[40];
  rk_money_text(m, text);
  printf("%s  %-9s  %10s  %s  %s\n", time, rk_json_cstr(entry, "kind", ""), text, rk_json_cstr(entry, "instrument_id", ""),
         rk_json_cstr(entry, "merchant_origin", ""));
}

static void print_json(const json_t *v) {
  char *text = rk_json_dump(v);
  puts(text);
  free(text);
}

/* What does not hold is counted; one such check and the command fails. */
static int audit(struct rk_cli *c) {
  struct rk_session *s;
  struct rk_error e = {0};
  if (rk_session_open(c, false, true, &s, &e)) return rk_die(&e);
  json_t *found = rk_session_audit(s, &e), *one;
  size_t i;
  if (found && c->json) print_json(found);
  else
    json_array_foreach(rk_json_arr(found, "checks"), i, one) {
      bool ok = rk_json_bool(one, "ok", false);
      printf("%s  %s", ok ? "ok  " : "FAIL", rk_json_cstr(one, "check", ""));
      if (!ok) printf(": %lld not", (long long)rk_json_i64(one, "wrong", 0));
      putchar('\n');
    }
  int code = !found ? rk_die(&e) : rk_json_bool(found, "ok", false) ? RK_EXIT_OK : RK_EXIT_FAILED;
  json_decref(found);
  rk_session_close(s);
  return code;
}

/* ---- one order ---- */

/* By our id, or by the merchant's number. */
static const char *id_of_order(const json_t *orders, const char *named) {
  size_t i;
  json_t *o;
  json_array_foreach(orders, i, o)
    if (rk_str_eq_c(rk_json_str(o, "id"), named) || rk_str_eq_c(rk_json_str(o, "merchant_order_id"), named)) return rk_json_cstr(o, "id", "");
  return NULL;
}

static int receipt(struct rk_cli *c, const char *named) {
  struct rk_session *s;
  struct rk_error e = {0};
  if (rk_session_open(c, false, true, &s, &e)) return rk_die(&e);
  json_t *orders = rk_session_orders(s, &e);
  const char *id = id_of_order(orders, named);
  json_t *found = id ? rk_session_receipt(s, id, &e) : NULL;
  if (orders && !id) rk_fail(&e, RK_ENOTFOUND, "there is no order %.100s; `rukou orders` lists them", named);
  if (found && c->json) print_json(found);
  else if (found) rk_receipt_print(found, rk_speaks_chinese(c));
  int code = !found ? rk_die(&e) : rk_json_bool(found, "ok", false) ? RK_EXIT_OK : RK_EXIT_FAILED;
  json_decref(found);
  json_decref(orders);
  rk_session_close(s);
  return code;
}

static bool says_yes(const char *answer) {
  static const char *const yes[] = {"y", "Y", "yes", "YES", "同意", "是"};
  for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
    if (strcmp(answer, yes[i]) == 0) return true;
  return false;
}

/* Shown terms, then a word. ask: "ask" | "yes" | "no". */
static bool agrees(const struct rk_cli *c, const json_t *approval, const char *ask) {
  char line[64] = "";
  struct rk_view v = {0};
  if (c->json) print_json(approval);
  else rk_view_approval(&v, approval);
  if (strcmp(ask, "ask") != 0) return strcmp(ask, "yes") == 0;
  fflush(stdout);
  fprintf(stderr, "Do exactly this? y/n (同意): ");
  fflush(stderr);
  if (!fgets(line, sizeof line, stdin)) return false;
  line[strcspn(line, "\r\n")] = 0;
  return says_yes(line);
}

/* How it ended, and the order as it is then. */
static int say_outcome(struct rk_cli *c, struct rk_session *s, const json_t *approval, const char *order_id, struct rk_error *e) {
  const char *state = rk_json_cstr(approval, "state", ""), *why = rk_json_cstr(approval, "failure", "");
  json_t *sheet = strcmp(state, "completed") == 0 ? rk_session_receipt(s, order_id, e) : NULL;
  if (c->json) print_json(approval);
  else if (sheet) {
    const json_t *terms = rk_json_obj(approval, "terms"), *change = rk_json_obj(terms, "change");
    int64_t paid = change ? rk_json_i64(terms, "total_minor", 0) : 0;
    printf("done: ");
    rk_view_money(paid ? paid : rk_json_i64(change ? change : terms, "back_minor", 0), rk_json_cstr(sheet, "currency", ""));
    printf(paid ? " paid\n" : " come back\n");
    rk_receipt_print(sheet, rk_speaks_chinese(c));
  } else if (strcmp(state, "unknown") == 0) printf("we do not know yet whether the merchant took it; nothing will be sent again, and it is being looked up\n");
  else {
    printf("%s: ", state);
    rk_view_put(rk_str_c(*why ? why : "the order stands"));
    putchar('\n');
  }
  json_decref(sheet);
  return strcmp(state, "completed") == 0 ? RK_EXIT_OK : RK_EXIT_FAILED;
}

/* A merchant's no is no busy directory. */
static int refused(const struct rk_error *e) {
  int code = rk_die(e);
  return code == RK_EXIT_BUSY ? RK_EXIT_FAILED : code;
}

static int decide_back(struct rk_cli *c, struct rk_session *s, const json_t *approval, const char *order_id, const char *ask, struct rk_error *e) {
  const char *id = rk_json_cstr(approval, "id", "");
  bool yes = agrees(c, approval, ask);
  if (rk_session_decide(s, id, yes ? "approve" : "refuse", rk_json_cstr(approval, "terms_hash", ""), e)) return refused(e);
  if (!yes) return fprintf(stderr, "rukou: nothing was changed; the order stands\n"), RK_EXIT_OK;
  json_t *ended = rk_session_outcome(s, id, e);
  int code = ended ? say_outcome(c, s, ended, order_id, e) : refused(e);
  json_decref(ended);
  return code;
}

/* Items as words, each as often as it is wanted. */
static json_t *items_of(char *const *words, int n) {
  json_t *list = json_array(), *one;
  size_t k;
  for (int i = 0; i < n; i++) {
    json_t *known = NULL;
    json_array_foreach(list, k, one)
      if (rk_str_eq_c(rk_json_str(one, "item_id"), words[i])) known = one;
    if (known) json_object_set_new(known, "quantity", json_integer(rk_json_i64(known, "quantity", 0) + 1));
    else json_array_append_new(list, json_pack("{s:s, s:i}", "item_id", words[i], "quantity", 1));
  }
  return list;
}

/* items: what it is changed to; NULL: a cancel or return. */
static int give_back(struct rk_cli *c, const char *kind, const char *named, const json_t *items, const char *ask) {
  struct rk_session *s;
  struct rk_error e = {0};
  if (rk_session_open_trade(c, &s, &e)) return rk_die(&e);
  json_t *orders = rk_session_orders(s, &e);
  const char *id = id_of_order(orders, named);
  if (orders && !id) rk_fail(&e, RK_ENOTFOUND, "there is no order %.100s; `rukou orders` lists them", named);
  const char *lang = rk_speaks_chinese(c) ? "zh" : "en";
  json_t *approval = !id ? NULL : items ? rk_session_change(s, id, items, lang, &e) : rk_session_give_back(s, id, kind, lang, &e);
  int code = approval ? decide_back(c, s, approval, id, ask, &e) : refused(&e);
  json_decref(approval);
  json_decref(orders);
  rk_session_close(s);
  return code;
}

/* ---- lists ---- */

static int spending(struct rk_cli *c, const char *by) {
  struct rk_session *s;
  struct rk_error e = {0};
  if (rk_session_open(c, false, true, &s, &e)) return rk_die(&e);
  json_t *found = rk_session_spending(s, by, &e);
  if (found && c->json) print_json(found);
  else if (found) rk_spending_print(found, rk_speaks_chinese(c));
  if (found && !rk_json_bool(found, "ok", false)) fprintf(stderr, "rukou: these sums are not those of the ledger; see rukou orders audit\n");
  int code = !found ? rk_die(&e) : rk_json_bool(found, "ok", false) ? RK_EXIT_OK : RK_EXIT_FAILED;
  json_decref(found);
  rk_session_close(s);
  return code;
}

static int list(struct rk_cli *c, bool ledger) {
  struct rk_session *s;
  struct rk_error e = {0};
  if (rk_session_open(c, false, true, &s, &e)) return rk_die(&e);
  json_t *rows = ledger ? rk_session_ledger(s, &e) : rk_session_orders(s, &e), *one;
  size_t i;
  if (rows && c->json) print_json(rows);
  else {
    json_array_foreach(rows, i, one) {
      if (ledger) print_entry(one);
      else rk_view_order(one);
    }
    if (rows && json_array_size(rows) == 0) fprintf(stderr, "rukou: none yet\n");
  }
  int code = rows ? RK_EXIT_OK : rk_die(&e);
  json_decref(rows);
  rk_session_close(s);
  return code;
}

/* Asks the merchants what became of what the user finishes at their pages. */
static int handed_over(struct rk_cli *c) {
  struct rk_session *s;
  struct rk_error e = {0};
  if (rk_session_open_trade(c, &s, &e)) return rk_die(&e);
  json_t *found = rk_session_hand_overs(s, &e), *one;
  size_t i;
  if (found && c->json) print_json(found);
  else {
    json_array_foreach(found, i, one) rk_view_hand_over(one);
    if (found && json_array_size(found) == 0) fprintf(stderr, "rukou: nothing was handed over\n");
  }
  int code = found ? RK_EXIT_OK : rk_die(&e);
  json_decref(found);
  rk_session_close(s);
  return code;
}

static bool is_one_of(const char *word, const char *a, const char *b, const char *c) { return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0; }

static int run(struct rk_cli *c) {
  bool ledger = false;
  const char *by = NULL, *ask = "ask";
  struct rk_opt opts[] = {{"ledger", 'b', &ledger}, {"by", 's', &by}, {"approve", 's', &ask}};
  if (!rk_opts(c, opts, 3)) return RK_EXIT_USAGE;
  if (!is_one_of(ask, "ask", "yes", "no")) return fprintf(stderr, "rukou: --approve takes yes, no or ask, not %s\n", ask), RK_EXIT_USAGE;
  if (by && !is_one_of(by, "month", "merchant", "category")) return fprintf(stderr, "rukou: --by takes month, merchant or category, not %s\n", by), RK_EXIT_USAGE;
  const char *verb = c->argc ? c->argv[0] : "";
  if (c->argc == 0) return by ? spending(c, by) : list(c, ledger);
  if (c->argc == 1 && strcmp(verb, "audit") == 0) return audit(c);
  if (c->argc == 1 && strcmp(verb, "handed-over") == 0) return handed_over(c);
  if (c->argc == 2 && strcmp(verb, "receipt") == 0) return receipt(c, c->argv[1]);
  if (c->argc == 2 && (strcmp(verb, "cancel") == 0 || strcmp(verb, "return") == 0)) return give_back(c, verb, c->argv[1], NULL, ask);
  if (c->argc >= 3 && strcmp(verb, "change") == 0) {
    json_t *items = items_of(c->argv + 2, c->argc - 2);
    int code = give_back(c, verb, c->argv[1], items, ask);
    json_decref(items);
    return code;
  }
  return fprintf(stderr, "rukou: orders takes audit or handed-over, or receipt, cancel, return or change with an order; see rukou orders --help\n"), RK_EXIT_USAGE;
}

const struct rk_command rk_cmd_orders = {
  .name = "orders",
  .summary = "orders, receipts, returns, spending and the ledger",
  .help = "usage: rukou orders [--ledger | --by month|merchant|category] [--json]\n"
          "       rukou orders receipt ORDER [--json]\n"
          "       rukou orders cancel|return ORDER [--approve ask|yes|no] [--json]\n"
          "       rukou orders change ORDER ITEM... [--approve ask|yes|no] [--json]\n"
          "       rukou orders handed-over [--json]\n"
          "       rukou orders audit [--json]\n\n"
          "ORDER is our id of it, or the merchant's number. Nothing is given back or cancelled without an approval.\n\n"
          "  receipt   all of an order on one sheet: lines, totals, payments, refunds, fees, the approval and what stands;\n"
          "            fails when something does not add up\n"
          "  cancel    asks the merchant what would come back, shows it, and does it after a yes; so does return\n"
          "  change    other places of the same seller for all of an order: each ITEM is one (`--json` shows an order's own: an\n"
          "            item of a dated place says its day); shows old and new, the fee and the difference first\n"
          "  handed-over  what you finish at the shops' own pages: asks them again what became of it\n"
          "  audit     reads every row of money: double entry sums to zero, each charge has its order, its signed\n"
          "            approval and its intent, nothing is refunded twice; fails when one check does\n"
          "  --ledger  every movement of money, oldest first; a charge is a `capture`\n"
          "  --by WHAT what was spent, less what came back, by month (when the money moved), merchant or category;\n"
          "            a category that only the merchant names is `not known`\n"
          "  --approve yes or no instead of asking\n"
          "  --json    the objects of docs/api.md\n\n"
          "Examples:\n"
          "  rukou orders\n"
          "  rukou orders receipt XI261124-1A2B3C4D\n"
          "  rukou orders return XI261124-1A2B3C4D\n"
          "  rukou orders --by month\n"
          "  rukou orders audit\n\n"
          "Exit codes: 0 done, 1 failed, 2 usage, 4 the data directory is in use by another process.\n",
  .run = run,
};
