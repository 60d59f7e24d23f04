/* shop_own.h - the parts of `rukou shop` that keep a seller's own shop. Each is run with its name taken off argv. */
#ifndef RK_CLI_SHOP_OWN_H
#define RK_CLI_SHOP_OWN_H

#include "cli/cli.h"

int rk_shop_new(struct rk_cli *c);
int rk_shop_import(struct rk_cli *c);
int rk_shop_ship(struct rk_cli *c);
int rk_shop_refund(struct rk_cli *c);
int rk_shop_admin(struct rk_cli *c);
int rk_shop_backup(struct rk_cli *c);
int rk_shop_restore(struct rk_cli *c);

#endif
