/* orders.c - `rukou orders`: what was bought, and the money that moved. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
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

static int run(struct rk_cli *c) {
  bool ledger = false;
  if (!rk_opts(c, &(struct rk_opt){"ledger", 'b', &ledger}, 1)) return RK_EXIT_USAGE;
  if (c->argc == 1 && strcmp(c->argv[0], "audit") == 0) return audit(c);
  if (c->argc) return fprintf(stderr, "rukou: orders takes no argument but audit; see rukou orders --help\n"), RK_EXIT_USAGE;
  struct rk_session *s;
  struct rk_error e = {0};
  if (rk_session_open(c, false, true, &s, &e)) return rk_die(&e);
  json_t *list = ledger ? rk_session_ledger(s, &e) : rk_session_orders(s, &e), *one;
  size_t i;
  if (list && c->json) print_json(list);
  else {
    json_array_foreach(list, i, one) {
      if (ledger) print_entry(one);
      else rk_view_order(one);
    }
    if (list && json_array_size(list) == 0) fprintf(stderr, "rukou: none yet\n");
  }
  int code = list ? RK_EXIT_OK : rk_die(&e);
  json_decref(list);
  rk_session_close(s);
  return code;
}

const struct rk_command rk_cmd_orders = {
  .name = "orders",
  .summary = "orders and the ledger",
  .help = "usage: rukou orders [--ledger] [--json]\n"
          "       rukou orders audit [--json]\n\n"
          "  audit     reads every row of money: double entry sums to zero, each charge has its order, its signed\n"
          "            approval and its intent, nothing is refunded twice; fails when one check does\n"
          "  --ledger  every movement of money, oldest first; a charge is a `capture`\n"
          "  --json    an array of the orders (ledger entries) of docs/api.md\n\n"
          "Examples:\n"
          "  rukou orders\n"
          "  rukou orders --ledger --json\n"
          "  rukou orders audit\n\n"
          "Exit codes: 0 done, 1 failed, 2 usage, 4 the data directory is in use by another process.\n",
  .run = run,
};
