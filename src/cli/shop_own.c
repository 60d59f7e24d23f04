/* shop_own.c - `rukou shop new | import | ship | refund | admin | backup | restore`: a seller's own shop. */
#include "cli/shop_own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shop/fulfil.h"
#include "shop/own.h"
#include "shop/shop.h"
#include "shop/store.h"

enum { PATH_BYTES = 4096, REPORT_BYTES = 65536 };

static int usage(const char *what) {
  fprintf(stderr, "rukou: %s; see `rukou shop --help`\n", what);
  return RK_EXIT_USAGE;
}

int rk_shop_new(struct rk_cli *c) {
  const char *name = NULL, *name_en = NULL, *currency = "CNY";
  const struct rk_opt opts[] = {{"name", 's', &name}, {"name-en", 's', &name_en}, {"currency", 's', &currency}};
  struct rk_error e = {0};
  if (!rk_opts(c, opts, 3)) return RK_EXIT_USAGE;
  if (c->argc != 1) return usage("name one directory, for example `rukou shop new ~/my-shop --name 我的小店`");
  const char *dir = c->argv[0], *zh = name ? name : "我的小店", *en = name_en ? name_en : name ? name : "My Shop";
  if (rk_own_create(&(struct rk_own_new){dir, zh, en, currency}, &e)) return rk_die(&e);
  printf("%s is a shop now. Next:\n  edit %s/shop.conf and %s/goods.csv\n  rukou shop import %s %s/goods.csv\n  rukou shop serve %s\n", dir, dir, dir, dir, dir, dir);
  return RK_EXIT_OK;
}

int rk_shop_import(struct rk_cli *c) {
  bool replace = false;
  struct rk_error e = {0};
  struct rk_import done;
  struct rk_buf report;
  if (!rk_opts(c, &(struct rk_opt){"replace", 'b', &replace}, 1)) return RK_EXIT_USAGE;
  if (c->argc != 2) return usage("name the shop's directory and the table, for example `rukou shop import ~/my-shop goods.csv`");
  rk_buf_init(&report, REPORT_BYTES);
  rk_err err = rk_own_import(c->argv[0], c->argv[1], replace, &done, &report, &e);
  if (report.n) fputs(report.p, stderr);
  rk_buf_release(&report);
  if (err) return rk_die(&e);
  if (c->json) printf("{\"new\":%d,\"changed\":%d,\"gone\":%d}\n", (int)done.n_new, (int)done.n_changed, (int)done.n_gone);
  else printf("%d new, %d changed, %d taken off%s\n", (int)done.n_new, (int)done.n_changed, (int)done.n_gone, done.was_gbk ? " (the table was read as GBK)" : "");
  return RK_EXIT_OK;
}

/* The database of a shop that has run. */
static rk_err open_shop(const struct rk_cli *c, const char *dir, struct rk_db **db, struct rk_error *e) {
  char path[PATH_BYTES];
  rk_err err = rk_shop_db_path(dir, c->cfg.data_dir, path, sizeof path, e);
  if (!err && access(path, F_OK) != 0) err = rk_fail(e, RK_ENOTFOUND, "%s holds no orders: %s is not there", dir, path);
  return err ? err : rk_shop_store_open(path, db, e);
}

int rk_shop_ship(struct rk_cli *c) {
  const char *carrier = "", *tracking = "";
  const struct rk_opt opts[] = {{"carrier", 's', &carrier}, {"tracking", 's', &tracking}};
  struct rk_error e = {0};
  struct rk_db *db = NULL;
  if (!rk_opts(c, opts, 2)) return RK_EXIT_USAGE;
  if (c->argc != 2) return usage("name the shop's directory and the order, for example `rukou shop ship ~/my-shop MS261124-1A2B3C4D`");
  rk_err err = open_shop(c, c->argv[0], &db, &e);
  if (!err) err = rk_shop_ship_order(db, &(struct rk_shipment){c->argv[1], carrier, tracking}, &e);
  if (db) rk_db_close(db);
  if (err) return rk_die(&e);
  printf("%s is on its way; the buyer's agent is told\n", c->argv[1]);
  return RK_EXIT_OK;
}

/* "2:1", "2" -> line li_2, quantity 1. False: neither. */
static bool add_line(json_t *lines, const char *text) {
  rk_str line, quantity;
  int64_t n, many = 1;
  bool two = rk_str_cut(rk_str_c(text), ':', &line, &quantity);
  if (!rk_str_i64(line, &n) || n < 1 || (two && !rk_str_i64(quantity, &many)) || many < 1) return false;
  json_array_append_new(lines, json_pack("{s:o, s:I}", "id", json_sprintf("li_%lld", (long long)n), "quantity", (json_int_t)many));
  return true;
}

static void print_payback(const struct rk_cli *c, const struct rk_payback_done *done) {
  long long whole = done->amount_minor / 100, part = done->amount_minor % 100;
  const char *order = c->argv[1];
  if (c->json) printf("{\"refund\":\"%s\",\"amount_minor\":%lld,\"by_hand\":%s,\"again\":%s}\n", done->id, (long long)done->amount_minor, done->by_hand ? "true" : "false",
                      done->again ? "true" : "false");
  else if (done->by_hand)
    printf("%s%lld.%02lld of %s are to be paid back by hand. When you have paid them:\n  rukou shop refund %s %s --paid %s\n", done->again ? "noted before: " : "", whole, part,
           order, c->argv[0], order, done->id);
  else if (done->again) printf("%lld.%02lld of %s went back before (%s); to give the same once more add --key WORD\n", whole, part, order, done->id);
  else printf("%lld.%02lld of %s go back (%s); the buyer's agent is told\n", whole, part, order, done->id);
}

int rk_shop_refund(struct rk_cli *c) {
  const char *amount = NULL, *reason = "", *key = "", *paid = NULL;
  struct rk_opt_list lines = {0};
  const struct rk_opt opts[] = {{"amount", 's', &amount}, {"line", 'l', &lines}, {"reason", 's', &reason}, {"key", 's', &key}, {"paid", 's', &paid}};
  struct rk_error e = {0};
  struct rk_payback_done done;
  struct rk_db *db = NULL;
  int64_t minor = -1;
  if (!rk_opts(c, opts, sizeof opts / sizeof *opts)) return RK_EXIT_USAGE;
  if (c->argc != 2) return usage("name the shop's directory and the order, for example `rukou shop refund ~/my-shop MS261124-1A2B3C4D --line 1:1`");
  if (amount && !rk_amount_parse(amount, &minor)) return usage("--amount is one such as 12.50");
  if (paid && (amount || lines.n)) return usage("--paid names a refund and nothing else");
  json_t *list = lines.n ? json_array() : NULL;
  for (int i = 0; i < lines.n; i++)
    if (!add_line(list, lines.v[i])) {
      json_decref(list);
      return usage("--line is NUMBER:QUANTITY, as `rukou shop orders` lists them, for example --line 1:2");
    }
  rk_err err = open_shop(c, c->argv[0], &db, &e);
  if (!err && paid) err = rk_shop_paid_back(db, c->argv[1], paid, &e);
  else if (!err) err = rk_shop_pay_back(db, &(struct rk_payback){c->argv[1], key, reason, minor, list}, &done, &e);
  if (db) rk_db_close(db);
  json_decref(list);
  if (err) return rk_die(&e);
  if (paid) printf("%s of %s is paid; the buyer's agent is told\n", paid, c->argv[1]);
  else print_payback(c, &done);
  return RK_EXIT_OK;
}

int rk_shop_admin(struct rk_cli *c) {
  char url[400];
  struct rk_error e = {0};
  if (!rk_opts(c, NULL, 0)) return RK_EXIT_USAGE;
  if (c->argc != 1) return usage("name one shop's directory, for example `rukou shop admin ~/my-shop`");
  if (rk_own_admin_link(c->argv[0], url, sizeof url, &e)) return rk_die(&e);
  if (c->json) printf("{\"url\":\"%s\"}\n", url);
  else printf("%s\nsigns in once, within %d minutes\n", url, RK_ADMIN_LINK_TTL_MS / 60000);
  return RK_EXIT_OK;
}

int rk_shop_backup(struct rk_cli *c) {
  struct rk_error e = {0};
  if (!rk_opts(c, NULL, 0)) return RK_EXIT_USAGE;
  if (c->argc != 2) return usage("name the shop's directory and a new file");
  if (rk_own_backup(c->argv[0], c->argv[1], &e)) return rk_die(&e);
  printf("%s holds goods, stock and orders of %s\n", c->argv[1], c->argv[0]);
  return RK_EXIT_OK;
}

int rk_shop_restore(struct rk_cli *c) {
  struct rk_error e = {0};
  if (!rk_opts(c, NULL, 0)) return RK_EXIT_USAGE;
  if (c->argc != 2) return usage("name the shop's directory and the backup");
  if (rk_own_restore(c->argv[0], c->argv[1], &e)) return rk_die(&e);
  printf("%s is as %s was; what it was before is in shop.db.before-restore\n", c->argv[0], c->argv[1]);
  return RK_EXIT_OK;
}
