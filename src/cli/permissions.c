/* permissions.c - `rukou permissions`: standing permissions, given and taken back by a person. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "cli/session.h"
#include "cli/view.h"

static void print_json(const json_t *v) {
  char *text = rk_json_dump(v);
  puts(text);
  free(text);
}

/* "12.50" in minor units of the currency. */
static bool amount(const char *text, const char *currency, json_t **out) {
  int digits = rk_money_digits(currency), after = 0;
  int64_t minor = 0;
  bool point = false;
  const char *p = text;
  for (; *p; p++) {
    if (*p == '.' && !point && p > text) point = true;
    else if (*p >= '0' && *p <= '9' && minor <= (int64_t)RK_MAX_TOTAL_MINOR) minor = 10 * minor + (*p - '0'), after += point;
    else return false;
  }
  if (p == text || after > digits || (point && after == 0)) return false;
  for (; after < digits; after++) minor *= 10;
  *out = json_integer(minor);
  return true;
}

static void put(const char *text) { rk_view_put(rk_str_c(text)); }

static void print_limit(const char *name, const json_t *p, const char *used, const char *limit) {
  const char *currency = rk_json_cstr(p, "currency", "");
  if (!json_is_integer(json_object_get(p, limit))) return;
  printf("  %s ", name);
  if (used) {
    rk_view_money(rk_json_i64(p, used, 0), currency);
    printf(" of ");
  }
  rk_view_money(rk_json_i64(p, limit, 0), currency);
}

static void print_categories(const char *name, const json_t *list) {
  size_t i;
  json_t *one;
  json_array_foreach(list, i, one) {
    printf("%s", i ? ", " : name);
    put(json_string_value(one));
  }
}

static void print_permission(const json_t *p) {
  put(rk_json_cstr(p, "id", ""));
  printf("  ");
  put(rk_json_cstr(p, "merchant_origin", "any merchant"));
  printf("  ");
  put(rk_json_cstr(p, "instrument_id", "any instrument"));
  print_limit("an order", p, NULL, "per_order_minor");
  print_limit("today", p, "used_day_minor", "per_day_minor");
  print_limit("this month", p, "used_month_minor", "per_month_minor");
  print_categories("  only ", rk_json_arr(p, "allow"));
  print_categories("  never ", rk_json_arr(p, "deny"));
  printf("  used %zu times%s  ", json_array_size(rk_json_arr(p, "uses")), json_is_integer(json_object_get(p, "revoked_ms")) ? "  REVOKED" : "");
  put(rk_json_cstr(p, "label", ""));
  putchar('\n');
}

static int list(struct rk_cli *c, struct rk_session *s, struct rk_error *e) {
  json_t *found = rk_session_permissions(s, e), *one;
  size_t i;
  if (!found) return rk_die(e);
  if (c->json) print_json(found);
  else {
    json_array_foreach(found, i, one) print_permission(one);
    if (json_array_size(found) == 0) fprintf(stderr, "rukou: none: every purchase is asked about\n");
  }
  json_decref(found);
  return RK_EXIT_OK;
}

struct wanted { const char *currency, *per_order, *per_day, *per_month, *merchant, *instrument, *label; struct rk_opt_list allow, deny; };

static json_t *texts(const struct rk_opt_list *l) {
  json_t *out = json_array();
  for (int i = 0; i < l->n; i++) json_array_append_new(out, json_string(l->v[i]));
  return out;
}

/* NULL: said what is wrong. */
static json_t *permission_of(const struct wanted *w) {
  const struct { const char *option, *text, *key; } limits[] = {
      {"per-order", w->per_order, "per_order_minor"}, {"per-day", w->per_day, "per_day_minor"}, {"per-month", w->per_month, "per_month_minor"}};
  json_t *p = json_pack("{s:s, s:s*, s:s*, s:s*, s:o, s:o}", "currency", w->currency, "merchant_origin", w->merchant, "instrument_id", w->instrument, "label", w->label,
                        "allow", texts(&w->allow), "deny", texts(&w->deny));
  for (size_t i = 0; i < 3; i++) {
    json_t *v = NULL;
    if (!limits[i].text) continue;
    if (!amount(limits[i].text, w->currency, &v)) {
      fprintf(stderr, "rukou: --%s is an amount as 100 or 99.50, not %s\n", limits[i].option, limits[i].text);
      json_decref(p);
      return NULL;
    }
    json_object_set_new(p, limits[i].key, v);
  }
  return p;
}

static int add(struct rk_cli *c, struct rk_session *s, const struct wanted *w, struct rk_error *e) {
  json_t *p = permission_of(w);
  if (!p) return RK_EXIT_USAGE;
  json_t *made = rk_session_permit(s, p, e);
  if (made && c->json) print_json(made);
  else if (made) print_permission(made);
  int code = made ? RK_EXIT_OK : rk_die(e);
  json_decref(made);
  json_decref(p);
  return code;
}

static int run(struct rk_cli *c) {
  struct wanted w = {.currency = "CNY"};
  struct rk_opt opts[] = {{"currency", 's', &w.currency}, {"per-order", 's', &w.per_order}, {"per-day", 's', &w.per_day}, {"per-month", 's', &w.per_month},
                          {"merchant", 's', &w.merchant}, {"instrument", 's', &w.instrument}, {"label", 's', &w.label}, {"allow", 'l', &w.allow}, {"deny", 'l', &w.deny}};
  if (!rk_opts(c, opts, sizeof opts / sizeof *opts)) return RK_EXIT_USAGE;
  const char *verb = c->argc ? c->argv[0] : "list";
  bool is_list = strcmp(verb, "list") == 0, is_add = strcmp(verb, "add") == 0, is_revoke = strcmp(verb, "revoke") == 0;
  if (!(is_list || is_add || is_revoke) || c->argc > (is_revoke ? 2 : 1) || (is_revoke && c->argc < 2))
    return fprintf(stderr, "rukou: permissions takes list, add or revoke ID; see rukou permissions --help\n"), RK_EXIT_USAGE;
  if (is_add && !w.per_order) return fprintf(stderr, "rukou: --per-order is needed: the most that one order may cost\n"), RK_EXIT_USAGE;
  struct rk_session *s;
  struct rk_error e = {0};
  if (rk_session_open(c, false, true, &s, &e)) return rk_die(&e);
  int code = is_list ? list(c, s, &e) : is_add ? add(c, s, &w, &e) : rk_session_revoke(s, c->argv[1], &e) ? rk_die(&e) : RK_EXIT_OK;
  rk_session_close(s);
  return code;
}

const struct rk_command rk_cmd_permissions = {
  .name = "permissions",
  .summary = "standing permissions: what may be bought without asking",
  .help = "usage: rukou permissions [list] [--json]\n"
          "       rukou permissions add --per-order AMOUNT [--per-day AMOUNT] [--per-month AMOUNT] [--currency CNY] [--merchant ORIGIN]\n"
          "                             [--instrument ID] [--allow CATEGORY]... [--deny CATEGORY]... [--label TEXT] [--json]\n"
          "       rukou permissions revoke ID\n\n"
          "A purchase within every permission that applies to it is approved without asking; it is signed and recorded all the\n"
          "same. There is none until you give one. Days and months are those of your zone.\n\n"
          "  --merchant     only this merchant, as https://shop.example\n"
          "  --allow        only goods that your own words name so; may be repeated. What a merchant says of its goods never allows\n"
          "  --deny         asks for these in any case\n\n"
          "Examples:\n"
          "  rukou permissions add --per-order 50 --per-day 100 --label tea\n"
          "  rukou permissions revoke 0192f0c1-2345-7abc-8def-0123456789ab\n\n"
          "Exit codes: 0 done, 1 failed, 2 usage, 4 the data directory is in use by another process.\n",
  .run = run,
};
