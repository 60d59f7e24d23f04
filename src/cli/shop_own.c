/* shop_own.c - `rukou shop new | import | ship | backup | restore`: a seller's own shop. */
#include "cli/shop_own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

int rk_shop_ship(struct rk_cli *c) {
  const char *carrier = "", *tracking = "";
  const struct rk_opt opts[] = {{"carrier", 's', &carrier}, {"tracking", 's', &tracking}};
  char path[PATH_BYTES];
  struct rk_error e = {0};
  struct rk_db *db = NULL;
  if (!rk_opts(c, opts, 2)) return RK_EXIT_USAGE;
  if (c->argc != 2) return usage("name the shop's directory and the order, for example `rukou shop ship ~/my-shop MS261124-1A2B3C4D`");
  rk_err err = rk_shop_db_path(c->argv[0], c->cfg.data_dir, path, sizeof path, &e);
  if (!err) err = rk_shop_store_open(path, &db, &e);
  if (!err) err = rk_shop_ship_order(db, &(struct rk_shipment){c->argv[1], carrier, tracking}, &e);
  if (db) rk_db_close(db);
  if (err) return rk_die(&e);
  printf("%s is on its way; the buyer's agent is told\n", c->argv[1]);
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
