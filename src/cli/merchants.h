/* merchants.h - `rukou shop add|remove|list|probe|link|unlink`: merchants of others, seen from the buyer. */
#ifndef RK_CLI_MERCHANTS_H
#define RK_CLI_MERCHANTS_H

#include "cli/cli.h"

int rk_merchants_add(struct rk_cli *c);
int rk_merchants_remove(struct rk_cli *c);
int rk_merchants_show(struct rk_cli *c);
int rk_merchants_probe(struct rk_cli *c);
int rk_merchants_link(struct rk_cli *c);
int rk_merchants_unlink(struct rk_cli *c);

#endif
