/* receipt.h - receipts and spending as a person reads them in a terminal, in
 * Chinese or English. Thread rule: one thread. */
#ifndef RK_CLI_RECEIPT_H
#define RK_CLI_RECEIPT_H

#include "cli/cli.h"
#include "json/json.h"

/* The setting `lang`; "auto" goes by LC_ALL, LC_MESSAGES and LANG. */
bool rk_speaks_chinese(const struct rk_cli *c);
/* Objects of docs/api.md. */
void rk_receipt_print(const json_t *receipt, bool zh);
void rk_spending_print(const json_t *spending, bool zh);

#endif
