/* ledger.c - double entry: what an entry posts is in schema.c (v3). */
#include <stdarg.h>

#include "base/clock.h"
#include "store/internal.h"
#include "store/money.h"

rk_err rk_store_ledger_add(struct rk_store *s, const struct rk_ledger_new *l, struct rk_error *e) {
  char id[37];
  rk_uuid7(id);
  return rk_db_run(rk_store_db(s), e, "INSERT INTO ledger(id, user_id, time_ms, kind, approval_id, order_id, instrument_id,"
                   " merchant_origin, amount_minor, currency) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", "ttitttttit", id, l->user_id,
                   rk_now_ms(), l->kind, l->approval_id, l->order_id, l->instrument_id, l->merchant_origin, l->amount_minor, l->currency);
}

#define ENTRY_COLUMNS "id, time_ms, approval_id, order_id, kind, instrument_id, merchant_origin, amount_minor, currency," \
  " (SELECT json_group_array(json_object('account', a.kind||':'||a.name, 'amount_minor', p.amount_minor))" \
  " FROM postings p JOIN accounts a ON a.id=p.account WHERE p.entry=l.seq) AS postings_json"

json_t *rk_store_ledger(struct rk_store *s, const char *user_id) {
  return rk_db_all(rk_store_db(s), NULL, "SELECT " ENTRY_COLUMNS " FROM ledger l WHERE user_id=? ORDER BY seq", "t", user_id);
}

json_t *rk_store_ledger_of_order(struct rk_store *s, const char *user_id, const char *order_id) {
  return rk_db_all(rk_store_db(s), NULL, "SELECT " ENTRY_COLUMNS " FROM ledger l WHERE user_id=? AND order_id=? ORDER BY seq", "tt", user_id, order_id);
}

json_t *rk_store_spending(struct rk_store *s, const char *user_id) {
  return rk_db_all(rk_store_db(s), NULL, "SELECT l.kind, l.time_ms, l.amount_minor, l.currency, l.merchant_origin,"
                   " o.receipt_json ->> '$.merchant.name' AS merchant_name, a.category_own, a.category_claimed, l.kind='capture' AND l.approval_id=a.id AS opens"
                   " FROM ledger l JOIN orders o ON o.id=l.order_id JOIN approvals a ON a.id=o.approval_id"
                   " WHERE l.user_id=?1 AND l.kind IN ('capture','refund') UNION ALL"
                   " SELECT 'on_delivery', o.placed_ms, o.receipt_json ->> '$.total_minor', a.currency, o.merchant_origin,"
                   " o.receipt_json ->> '$.merchant.name', a.category_own, a.category_claimed, 1 FROM orders o JOIN approvals a ON a.id=o.approval_id"
                   " WHERE o.user_id=?1 AND a.instrument_kind='on_delivery' AND o.status NOT IN ('canceled','refunded') ORDER BY 2", "t", user_id);
}

json_t *rk_store_accounts(struct rk_store *s, const char *user_id) {
  return rk_db_all(rk_store_db(s), NULL, "SELECT kind||':'||name AS account, currency, balance_minor FROM accounts WHERE user_id=?"
                   " ORDER BY kind, name, currency", "t", user_id);
}

int64_t rk_store_balance(struct rk_store *s, const char *user_id, const char *instrument_id) {
  return rk_store_number(s, 0, "SELECT COALESCE(SUM(balance_minor), 0) FROM accounts WHERE user_id=? AND kind='funds' AND name=?",
                         user_id, instrument_id); /* unreadable: nothing can be spent */
}

int64_t rk_store_order_refunded(struct rk_store *s, const char *order_id) {
  return rk_store_number(s, RK_STORE_UNREADABLE, "SELECT COALESCE(SUM(amount_minor), 0) FROM ledger WHERE order_id=? AND kind='refund'",
                         order_id, NULL); /* unreadable: nothing is given back twice */
}

json_t *rk_store_charges(struct rk_store *s, const char *order_id) {
  return rk_db_all(rk_store_db(s), NULL, "SELECT approval_id, instrument_id, SUM(CASE kind WHEN 'capture' THEN amount_minor ELSE 0 END) AS charged_minor,"
                   " SUM(CASE kind WHEN 'capture' THEN amount_minor ELSE -amount_minor END) AS left_minor FROM ledger"
                   " WHERE order_id=? AND kind IN ('capture','refund') GROUP BY approval_id ORDER BY MIN(seq) DESC", "t", order_id);
}

/* ---- the audit ---- */

/* Each query counts what must not be. */
static const struct { const char *name, *sql; } checks[] = {
    {"every entry sums to zero", "SELECT COUNT(*) FROM ledger l WHERE (SELECT COUNT(*) FROM postings WHERE entry=l.seq) <> 2"
     " OR (SELECT SUM(amount_minor) FROM postings WHERE entry=l.seq) <> 0"},
    {"every posting is of an entry, in its currency and for its user", "SELECT COUNT(*) FROM postings p LEFT JOIN ledger l ON l.seq=p.entry"
     " LEFT JOIN accounts a ON a.id=p.account WHERE l.seq IS NULL OR a.id IS NULL OR a.currency<>l.currency OR a.user_id<>l.user_id"},
    {"all accounts of a currency sum to zero", "SELECT COUNT(*) FROM (SELECT 1 FROM accounts GROUP BY user_id, currency HAVING SUM(balance_minor)<>0)"},
    {"every balance is the sum of its postings", "SELECT COUNT(*) FROM accounts a WHERE balance_minor<>"
     "(SELECT COALESCE(SUM(p.amount_minor), 0) FROM postings p WHERE p.account=a.id)"},
    {"what is held is what is open", "SELECT COUNT(*) FROM accounts a WHERE kind='held' AND balance_minor<>(SELECT COALESCE(SUM(l.amount_minor), 0)"
     " FROM ledger l JOIN approvals p ON p.id=l.approval_id WHERE l.user_id=a.user_id AND l.instrument_id=a.name AND l.currency=a.currency"
     " AND l.kind='authorize' AND p.state IN ('completing','unknown'))"},
    {"every charge has one order, every order the charge of its purchase, unless it is paid on delivery", "SELECT (SELECT COUNT(*) FROM ledger l JOIN approvals p ON p.id=l.approval_id"
     " WHERE l.kind='capture' AND NOT EXISTS(SELECT 1 FROM orders o WHERE o.id=l.order_id AND (o.approval_id=l.approval_id OR"
     " (p.kind='change' AND p.subject_order_id=o.id AND p.merchant_origin=o.merchant_origin)))) + (SELECT COUNT(*) FROM orders o JOIN approvals p ON p.id=o.approval_id"
     " WHERE (p.instrument_kind<>'on_delivery') <> (SELECT COUNT(*) FROM ledger l WHERE l.kind='capture' AND l.order_id=o.id AND l.approval_id=o.approval_id))"},
    {"nothing is charged for what is paid on delivery", "SELECT COUNT(*) FROM ledger l JOIN approvals p ON p.id=l.approval_id WHERE p.instrument_kind='on_delivery'"},
    {"every order stands on a signed approval", "SELECT COUNT(*) FROM orders o JOIN approvals p ON p.id=o.approval_id"
     " WHERE p.state<>'completed' OR p.signature IS NULL OR p.decided_ms>=p.expires_ms OR p.kind<>'purchase'"},
    {"every charge was approved, at most for that total", "SELECT COUNT(*) FROM ledger l JOIN approvals p ON p.id=l.approval_id"
     " WHERE l.kind='capture' AND (p.state<>'completed' OR p.signature IS NULL OR p.decided_ms>=p.expires_ms OR p.kind NOT IN ('purchase','change')"
     " OR l.amount_minor>p.total_minor OR l.currency<>p.currency OR l.instrument_id<>p.instrument_id OR l.merchant_origin<>p.merchant_origin)"},
    {"every payment has its intent, written before", "SELECT COUNT(*) FROM ledger l WHERE kind='authorize' AND NOT EXISTS(SELECT 1 FROM payment_intents i"
     " WHERE i.approval_id=l.approval_id AND i.amount_minor=l.amount_minor AND i.currency=l.currency)"},
    {"no refund is over its charge", "SELECT COUNT(*) FROM (SELECT approval_id FROM ledger WHERE kind IN ('capture','refund') GROUP BY approval_id"
     " HAVING SUM(CASE kind WHEN 'capture' THEN amount_minor ELSE -amount_minor END)<0)"},
    {"no wallet is below zero", "SELECT COUNT(*) FROM accounts a JOIN instruments i ON i.user_id=a.user_id AND i.id=a.name"
     " WHERE i.kind='wallet' AND a.kind='funds' AND a.balance_minor<0"},
    {"no payment by permission without a reservation", "SELECT COUNT(*) FROM approvals p WHERE decided_by='permission' AND NOT EXISTS("
     "SELECT 1 FROM permission_uses u WHERE u.approval_id=p.id AND u.amount_minor=p.total_minor)"},
    {"nothing is given back by a plan whose sheet does not say so", "SELECT COUNT(*) FROM approvals r WHERE decided_by='plan' AND signature IS NOT NULL AND NOT EXISTS("
     "SELECT 1 FROM orders o JOIN approvals p ON p.id=o.approval_id JOIN plans n ON n.id=p.plan_id WHERE o.id=r.subject_order_id AND n.on_failure='undo'"
     " AND n.signature IS NOT NULL AND n.state IN ('undoing','undone','partial'))"},
    {"every part that a plan gave back has its refund", "SELECT COUNT(*) FROM approvals r JOIN orders o ON o.id=r.subject_order_id"
     " JOIN approvals p ON p.id=o.approval_id JOIN plans n ON n.id=p.plan_id WHERE r.decided_by='plan' AND r.state='completed'"
     " AND n.state IN ('undone','partial') AND json_extract(n.notes_json, '$.\"'||p.id||'\"') IS NULL"
     " AND (SELECT COALESCE(SUM(amount_minor), 0) FROM ledger WHERE order_id=o.id AND kind='refund')"
     " < (SELECT amount_minor FROM payment_intents WHERE approval_id=r.id ORDER BY attempt DESC LIMIT 1)"},
    {"a plan that is completed holds every part, one that is undone none", "SELECT COUNT(*) FROM plans n JOIN approvals p ON p.plan_id=n.id"
     " WHERE p.state<>'superseded' AND ((n.state='completed' AND p.state<>'completed') OR (n.state IN ('undone','partial') AND p.state NOT IN ('completed','failed'))"
     " OR (n.state='undone' AND p.state='completed' AND EXISTS(SELECT 1 FROM ledger l WHERE l.approval_id=p.id AND l.kind='capture' AND l.amount_minor>0)"
     " AND NOT EXISTS(SELECT 1 FROM ledger l WHERE l.order_id=p.order_id AND l.kind='refund')))"}};

rk_err rk_store_audit(struct rk_store *s, json_t **out, struct rk_error *e) {
  json_t *list = json_array();
  rk_err err = RK_OK;
  for (size_t i = 0; !err && i < sizeof checks / sizeof *checks; i++) {
    int64_t wrong = -1;
    err = rk_db_each(rk_store_db(s), e, rk_store_keep_i64, &wrong, checks[i].sql, "");
    json_array_append_new(list, json_pack("{s:s, s:b, s:I}", "check", checks[i].name, "ok", wrong == 0, "wrong", (json_int_t)wrong));
  }
  if (err) json_decref(list), list = NULL;
  *out = list;
  return err;
}
